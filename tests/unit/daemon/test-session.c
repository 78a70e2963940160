/* SPDX-License-Identifier: Apache-2.0 */
/* The beginning of a session, over a link in memory: each side's turn is taken by hand. */
#include "daemon/session.h"

#include <sys/eventfd.h>

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

static unsigned patience_ms = 60000; /* a busy machine may take its time */

static uint64_t soon(void)
{
    return vr_mono_ms() + patience_ms;
}

static int hello_server(uint64_t *ret_features)
{
    struct session_until until = {soon(), -1, NULL};
    return session_hello_server(b, "b", &until, ret_features, &err);
}

static int get_reply(struct vr_peer_reply *ret, uint64_t *ret_features)
{
    return session_get_reply(a, soon(), ret_features, ret, &err);
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
    uint64_t features = 0;
    struct vr_peer_request req = {.op = VR_PEER_TEST, .vm_id = vr_uuid_new()}, got = {0};
    struct vr_peer_reply reply = {.result = -VR_E_BUSY, .text = "why"}, back = {0};
    fresh();
    CHECK_OK(session_send_request(a, "a", &req, &err), &err); /* all the caller has to say */
    CHECK_OK(hello_server(&features), &err);
    CHECK_OK(session_get_request(b, soon(), &got, &err), &err);
    assert_int_equal(got.op, VR_PEER_TEST);
    assert_true(vr_uuid_eq(&got.vm_id, &req.vm_id));
    CHECK_OK(session_send_reply(b, &reply, soon(), &err), &err);
    CHECK_OK(get_reply(&back, &features), &err);
    assert_int_equal(back.result, -VR_E_BUSY);
    assert_string_equal(back.text, "why");
    done();
}

static void test_silence_ends_at_the_deadline(void **state)
{
    uint64_t features = 0;
    struct vr_peer_reply back;
    unsigned patience_else = patience_ms;
    fresh();
    patience_ms = 30;
    CHECK_FAILS(get_reply(&back, &features), &err, VR_E_TIMEOUT, "did not answer");
    CHECK_FAILS(hello_server(&features), &err, VR_E_TIMEOUT, "did not answer");
    patience_ms = patience_else;
    done();
}

static void test_strangers(void **state)
{
    uint64_t features = 0;
    struct vr_peer_request got;
    fresh();
    put_hello(MSG_MAGIC + 1);
    CHECK_FAILS(hello_server(&features), &err, VR_E_PROTOCOL, "");
    put_hello(MSG_MAGIC); /* a HELLO where the REQUEST is due */
    CHECK_FAILS(session_get_request(b, soon(), &got, &err), &err, VR_E_PROTOCOL, "was due");
    struct vr_peer_reply reply = {.result = 0}, back;
    CHECK_OK(session_send_reply(b, &reply, soon(), &err), &err); /* no HELLO first */
    CHECK_FAILS(get_reply(&back, &features), &err, VR_E_PROTOCOL, "was due");
    done();
}

static void test_optional_frames_are_skipped(void **state)
{
    uint64_t features = 0;
    fresh();
    CHECK_OK(link_send(a, 200, "x", 1, NULL, 0, &err), &err);
    put_hello(MSG_MAGIC);
    CHECK_OK(hello_server(&features), &err);
    done();
}

static void test_lost_link(void **state)
{
    uint64_t features = 0;
    fresh();
    link_loop_cut(a);
    CHECK_FAILS(hello_server(&features), &err, VR_E_PEER, "");
    done();
}

/* What was granted may be begun over the same connection; anything else may not. */
static void test_kept(void **state)
{
    uint64_t features = 0;
    struct vr_peer_request req = {.op = VR_PEER_PREFLIGHT, .vm_id = vr_uuid_new()}, got = {0};
    struct vr_peer_reply yes = {.result = 0}, no = {.result = -VR_E_BUSY}, back = {0};
    fresh();
    for (int turn = 0; turn < 2; turn++) {
        CHECK_OK(session_send_request(a, "a", &req, &err), &err);
        CHECK_OK(hello_server(&features), &err);
        assert_true(features & MSG_FEATURE_KEEP);
        CHECK_OK(session_get_request(b, soon(), &got, &err), &err);
        assert_int_equal(got.op, req.op);
        CHECK_OK(session_send_reply(b, &yes, soon(), &err), &err);
        features = 0;
        CHECK_OK(get_reply(&back, &features), &err);
        assert_int_equal(session_keeps(features, &got, &back), turn == 0);
        assert_false(session_keeps(features, &got, &no));
        assert_false(session_keeps(MSG_FEATURE_ZSTD, &got, &back));
        req.op = VR_PEER_OPEN;
        req.kind = VR_TRANSFER_RESYNC;
    }
    done();
}

static void test_waiting_is_stopped(void **state)
{
    uint64_t features = 0, one = 1, begun = vr_mono_ms();
    atomic_bool stop = true;
    int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct session_until until = {begun + 60000, wake, &stop};
    fresh();
    assert_int_equal(write(wake, &one, sizeof one), sizeof one);
    CHECK_FAILS(session_hello_server(b, "b", &until, &features, &err), &err, VR_E_CANCELED,
                "ended on this host");
    close(wake);
    done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_request_and_reply), T(test_silence_ends_at_the_deadline),
        T(test_strangers),         T(test_optional_frames_are_skipped),
        T(test_lost_link),         T(test_kept),
        T(test_waiting_is_stopped)};
    return RUN(tests);
}
