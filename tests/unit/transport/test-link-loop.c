/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/check.h"
#include "transport/link.h"

static struct link *a, *b;

static int setup(void **state)
{
    return link_loop_new(&a, &b, NULL);
}

static int teardown(void **state)
{
    link_close(a);
    link_close(b);
    a = b = NULL;
    return 0;
}

static void send_text(struct link *l, uint8_t type, const char *head, const char *body)
{
    struct vr_err err;
    CHECK_OK(link_send(l, type, head, strlen(head), body, strlen(body), &err), &err);
}

static void expect_text(struct link *l, uint8_t want_type, const char *want)
{
    struct vr_err err;
    uint8_t type = 0;
    const uint8_t *data = NULL;
    size_t len = 0;
    int r = link_recv(l, &type, &data, &len, &err);
    CHECK_OK(r, &err);
    assert_int_equal(r, 1);
    assert_int_equal(type, want_type);
    assert_int_equal(len, strlen(want));
    assert_memory_equal(data, want, len);
}

static int recv_any(struct link *l, struct vr_err *err)
{
    uint8_t type;
    const uint8_t *data;
    size_t len;
    return link_recv(l, &type, &data, &len, err);
}

/* A frame of its body alone would be read as another one. */
static void test_a_head_that_is_not_whole_is_not_sent(void **state)
{
    struct vr_err err;
    struct vr_buf head;
    vr_buf_init(&head, 4);
    vr_buf_u32(&head, 0x64636261);
    CHECK_OK(link_send_buf(a, 1, &head, "body", 4, &err), &err);
    expect_text(b, 1, "abcdbody");
    vr_buf_u8(&head, 0);
    CHECK_FAILS(link_send_buf(a, 1, &head, "body", 4, &err), &err, VR_E_LIMIT, "");
    assert_int_equal(recv_any(b, &err), 0);
    vr_buf_deinit(&head);
}

static void test_frames_keep_order_both_ways(void **state)
{
    struct vr_err err;
    send_text(a, 1, "he", "llo");
    send_text(a, 2, "", "");
    send_text(b, 3, "", "back");
    expect_text(b, 1, "hello");
    expect_text(b, 2, "");
    assert_int_equal(recv_any(b, &err), 0);
    expect_text(a, 3, "back");
    uint64_t out, in;
    link_counters(a, &out, &in);
    assert_int_equal(out, 5 + 5 + 5);
    assert_int_equal(in, 5 + 4);
}

static void test_frame_limit(void **state)
{
    struct vr_err err;
    uint8_t *big = calloc(1, LINK_FRAME_MAX + 1);
    CHECK_OK(link_send(a, 1, big, 1, big, LINK_FRAME_MAX - 1, &err), &err);
    CHECK_FAILS(link_send(a, 1, big, 1, big, LINK_FRAME_MAX, &err), &err, VR_E_LIMIT, "type 1");
    CHECK_FAILS(link_send(a, 1, NULL, 0, big, SIZE_MAX, &err), &err, VR_E_LIMIT, "type 1");
    assert_int_equal(recv_any(b, &err), 1);
    assert_int_equal(recv_any(b, &err), 0);
    free(big);
}

static void test_pending_is_what_a_socket_would_not_take(void **state)
{
    struct vr_err err;
    uint8_t *block = calloc(1, 1 << 20);
    send_text(a, 1, "small", "");
    assert_int_equal(link_pending(a), 0);
    CHECK_OK(link_send(a, 1, NULL, 0, block, 1 << 20, &err), &err);
    assert_true(link_pending(a) > (1 << 19));
    assert_int_equal(link_pending(b), 0);
    assert_int_equal(recv_any(b, &err), 1);
    assert_int_equal(recv_any(b, &err), 1);
    assert_int_equal(link_pending(a), 0);
    free(block);
}

static void test_cut_loses_what_was_queued(void **state)
{
    struct vr_err err;
    send_text(a, 1, "lost", "");
    send_text(b, 1, "lost too", "");
    link_loop_cut(b);
    CHECK_FAILS(recv_any(a, &err), &err, VR_E_PEER, "cut");
    CHECK_FAILS(recv_any(b, &err), &err, VR_E_PEER, "cut");
    CHECK_FAILS(link_send(a, 1, "x", 1, NULL, 0, &err), &err, VR_E_PEER, "cut");
    CHECK_FAILS(link_flush(a, &err), &err, VR_E_PEER, "cut");
}

static void test_close_delivers_what_was_queued(void **state)
{
    struct vr_err err;
    send_text(a, 7, "last", " words");
    link_close(a);
    a = NULL;
    expect_text(b, 7, "last words");
    CHECK_FAILS(recv_any(b, &err), &err, VR_E_PEER, "closed");
    CHECK_FAILS(link_send(b, 1, "x", 1, NULL, 0, &err), &err, VR_E_PEER, "closed");
    CHECK_OK(link_wait(b, -1, 1000000, &err), &err);
}

int main(void)
{
#define L(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {L(test_frames_keep_order_both_ways),
                                       L(test_a_head_that_is_not_whole_is_not_sent),
                                       L(test_frame_limit),
                                       L(test_pending_is_what_a_socket_would_not_take),
                                       L(test_cut_loses_what_was_queued),
                                       L(test_close_delivers_what_was_queued)};
    return RUN(tests);
}
