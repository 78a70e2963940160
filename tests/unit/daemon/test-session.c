/* SPDX-License-Identifier: Apache-2.0 */
/* The beginning of a session, over a link in memory: each side's turn is taken by hand. */
#include "daemon/session.h"
#include "tests/lib/check.h"
#include "util/buf.h"
#include "util/vtime.h"

static struct vr_err err;
static struct link *a, *b;

static void fresh(void)
{
    CHECK_OK(link_loop_new(&a, &b, &err), &err);
}

static void done(void)
{
    link_close(a);
    link_close(b);
}

static uint64_t soon(void)
{
    return vr_mono_ms() + 30;
}

static void put_hello(uint32_t magic)
{
    struct msg_hello m = {.magic = magic, .major = MSG_MAJOR, .host = "a"};
    struct vr_buf buf;
    vr_buf_init(&buf, 4096);
    msg_put_hello(&buf, &m);
    CHECK_OK(link_send(a, MSG_HELLO, buf.data, buf.len, NULL, 0, &err), &err);
    vr_buf_deinit(&buf);
}

static void test_request_and_reply(void **state)
{
    struct vr_peer_request req = {.op = VR_PEER_TEST, .vm_id = vr_uuid_new()}, got = {0};
    struct vr_peer_reply reply = {.result = -VR_E_BUSY, .text = "why"}, back = {0};
    fresh();
    CHECK_OK(session_send_request(a, "a", &req, &err), &err); /* all the caller has to say */
    CHECK_OK(session_hello_server(b, "b", soon(), &err), &err);
    CHECK_OK(session_get_request(b, soon(), &got, &err), &err);
    assert_int_equal(got.op, VR_PEER_TEST);
    assert_true(vr_uuid_eq(&got.vm_id, &req.vm_id));
    CHECK_OK(session_send_reply(b, &reply, soon(), &err), &err);
    CHECK_OK(session_get_reply(a, soon(), &back, &err), &err);
    assert_int_equal(back.result, -VR_E_BUSY);
    assert_string_equal(back.text, "why");
    done();
}

static void test_silence_ends_at_the_deadline(void **state)
{
    struct vr_peer_reply back;
    fresh();
    CHECK_FAILS(session_get_reply(a, soon(), &back, &err), &err, VR_E_TIMEOUT, "did not answer");
    CHECK_FAILS(session_hello_server(b, "b", soon(), &err), &err, VR_E_TIMEOUT, "did not answer");
    done();
}

static void test_strangers(void **state)
{
    struct vr_peer_request got;
    fresh();
    put_hello(MSG_MAGIC + 1);
    CHECK_FAILS(session_hello_server(b, "b", soon(), &err), &err, VR_E_PROTOCOL, "");
    put_hello(MSG_MAGIC); /* a HELLO where the REQUEST is due */
    CHECK_FAILS(session_get_request(b, soon(), &got, &err), &err, VR_E_PROTOCOL, "was due");
    struct vr_peer_reply reply = {.result = 0}, back;
    CHECK_OK(session_send_reply(b, &reply, soon(), &err), &err); /* no HELLO first */
    CHECK_FAILS(session_get_reply(a, soon(), &back, &err), &err, VR_E_PROTOCOL, "was due");
    done();
}

static void test_optional_frames_are_skipped(void **state)
{
    fresh();
    CHECK_OK(link_send(a, 200, "x", 1, NULL, 0, &err), &err);
    put_hello(MSG_MAGIC);
    CHECK_OK(session_hello_server(b, "b", soon(), &err), &err);
    done();
}

static void test_lost_link(void **state)
{
    fresh();
    link_loop_cut(a);
    CHECK_FAILS(session_hello_server(b, "b", soon(), &err), &err, VR_E_PEER, "");
    done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_request_and_reply),
                                       T(test_silence_ends_at_the_deadline), T(test_strangers),
                                       T(test_optional_frames_are_skipped), T(test_lost_link)};
    return RUN(tests);
}
