/* SPDX-License-Identifier: Apache-2.0 */
/* Frames over a real TLS connection on 127.0.0.1; the other end is a link or a bare stream that
 * misbehaves. */
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "net/ca.h"
#include "net/tls.h"
#include "tests/lib/check.h"
#include "tests/lib/tmpdir.h"
#include "transport/link.h"
#include "util/vtime.h"

#define BOUND_MS 60000 /* for what comes at once; a busy machine may take its time */

static char dir[] = "/tmp/vr-link-XXXXXX";
static struct tls_creds *creds;

static struct link *a, *b;     /* b is NULL where a test drives raw itself */
static struct tls_stream *raw; /* the other end of a */

struct acceptor {
    struct tls_listener *listener;
    struct tls_stream *stream;
    struct vr_err err;
};

static void *accept_main(void *arg)
{
    struct acceptor *ac = arg;
    struct pollfd p = {.fd = tls_listener_fd(ac->listener), .events = POLLIN};
    int fd = -1;
    if (poll(&p, 1, BOUND_MS) == 1 && tls_listener_accept(ac->listener, &fd, &ac->err) == 0) {
        (void)!tls_accept(creds, fd, vr_mono_ms() + BOUND_MS, &ac->stream, &ac->err);
    }
    return NULL;
}

static int connect_raw(void **state)
{
    struct acceptor ac = {0};
    struct vr_err err = VR_ERR_INIT;
    struct tls_stream *s = NULL;
    pthread_t thread;
    CHECK_OK(tls_listen("127.0.0.1", 0, &ac.listener, &err), &err);
    assert_int_equal(pthread_create(&thread, NULL, accept_main, &ac), 0);
    CHECK_OK(tls_connect(creds, "127.0.0.1", tls_listener_port(ac.listener), "h.example",
                         vr_mono_ms() + BOUND_MS, &s, &err),
             &err);
    pthread_join(thread, NULL);
    tls_listener_close(ac.listener);
    assert_non_null(ac.stream);
    CHECK_OK(link_tls_new(s, &a, &err), &err);
    raw = ac.stream;
    return 0;
}

static int connect_links(void **state)
{
    connect_raw(state);
    return link_tls_new(TAKE_PTR(raw), &b, NULL);
}

static int disconnect(void **state)
{
    link_close(a);
    link_close(b);
    tls_close(raw);
    a = b = NULL;
    raw = NULL;
    return 0;
}

static int
recv_wait(struct link *l, uint8_t *type, const uint8_t **data, size_t *len, struct vr_err *err)
{
    uint64_t deadline = vr_mono_ms() + BOUND_MS;
    for (;;) {
        int r = link_recv(l, type, data, len, err);
        if (r != 0) {
            return r;
        }
        if (vr_mono_ms() > deadline) {
            return vr_fail(err, VR_E_TIMEOUT, "no frame came");
        }
        r = link_wait(l, -1, 100, err);
        if (r < 0) {
            return r;
        }
    }
}

static int recv_any(struct link *l, struct vr_err *err)
{
    uint8_t type;
    const uint8_t *data;
    size_t len;
    return recv_wait(l, &type, &data, &len, err);
}

static void raw_write(const void *p, size_t n)
{
    struct vr_err err = VR_ERR_INIT;
    assert_int_equal(tls_write(raw, p, n, &err), n);
}

static void test_sizes_and_order(void **state)
{
    static const size_t sizes[] = {0, 1, 5, 4096, 65536, 1 << 20, LINK_FRAME_MAX, 3, 16379, 200000};
    struct vr_err err = VR_ERR_INIT;
    uint8_t *body = malloc(LINK_FRAME_MAX), type;
    const uint8_t *data;
    size_t len, sum = 0;
    for (size_t i = 0; i < LINK_FRAME_MAX; i++) {
        body[i] = (uint8_t)(i * 7 + i / 4093);
    }
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t head = sizes[i] > 3 ? 3 : 0;
        CHECK_OK(link_send(a, (uint8_t)i, body, head, body + head, sizes[i] - head, &err), &err);
        sum += sizes[i] + 5;
    }
    assert_int_equal(link_pending(a), sum);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0];) {
        CHECK_OK(link_flush(a, &err), &err); /* a socket takes a part only: both sides take turns */
        int r = link_recv(b, &type, &data, &len, &err);
        CHECK_OK(r, &err);
        if (r == 0) {
            CHECK_OK(link_wait(b, -1, link_pending(a) ? 0 : 1000, &err), &err);
            continue;
        }
        assert_int_equal(type, i);
        assert_int_equal(len, sizes[i]);
        assert_memory_equal(data, body, len);
        i++;
    }
    uint64_t out, in, ignored;
    link_counters(a, &out, &ignored);
    link_counters(b, &ignored, &in);
    assert_true(out > sum && (out - sum) % 22 == 0); /* 22 bytes around each record */
    assert_true(out - sum <= (sum / 16384 + 100) * 22);
    assert_int_equal(in, out); /* both sides count the same */
    assert_int_equal(link_pending(a), 0);
    free(body);
}

struct pump {
    struct link *l;
    unsigned frames;
    size_t bytes;
    int r;
};

/* Sends until no more than `most` bytes are queued. */
static void pump_out(struct pump *p, size_t most)
{
    struct vr_err err = VR_ERR_INIT;
    while (p->r == 0 && link_pending(p->l) > most) {
        p->r = link_flush(p->l, &err);
        if (p->r == 0 && link_pending(p->l) > most) {
            p->r = link_wait(p->l, -1, 100, &err);
        }
    }
}

static void *pump_main(void *arg)
{
    struct pump *p = arg;
    struct vr_err err = VR_ERR_INIT;
    uint8_t *body = calloc(1, p->bytes);
    for (unsigned i = 0; i < p->frames && p->r == 0; i++) {
        memcpy(body, &i, sizeof i);
        p->r = link_send(p->l, 9, &i, sizeof i, body, p->bytes, &err);
        pump_out(p, 4 << 20);
    }
    pump_out(p, 0);
    free(body);
    return NULL;
}

static void test_many_frames_between_threads(void **state)
{
    struct pump p = {.l = a, .frames = 600, .bytes = 70001};
    struct vr_err err = VR_ERR_INIT;
    pthread_t thread;
    uint8_t type;
    const uint8_t *data;
    size_t len;
    assert_int_equal(pthread_create(&thread, NULL, pump_main, &p), 0);
    for (unsigned i = 0; i < p.frames; i++) {
        CHECK_OK(recv_wait(b, &type, &data, &len, &err), &err);
        assert_int_equal(len, sizeof i + p.bytes);
        assert_memory_equal(data, &i, sizeof i);
        assert_memory_equal(data + sizeof i, &i, sizeof i);
    }
    pthread_join(thread, NULL);
    assert_int_equal(p.r, 0);
}

static void test_one_byte_at_a_time(void **state)
{
    static const uint8_t frames[] = {4, 0, 0, 0, 7, 'a', 'b', 'c', 1, 0, 0, 0, 8};
    struct vr_err err = VR_ERR_INIT;
    uint8_t type = 0;
    const uint8_t *data;
    size_t len, got = 0;
    for (size_t i = 0; i < sizeof frames; i++) {
        raw_write(&frames[i], 1);
        CHECK_OK(link_wait(a, -1, 1000, &err), &err);
        int r = link_recv(a, &type, &data, &len, &err);
        CHECK_OK(r, &err);
        assert_int_equal(r, i == 7 || i == 12);
        got += (size_t)r;
        if (i == 7) {
            assert_int_equal(type, 7);
            assert_int_equal(len, 3);
            assert_memory_equal(data, "abc", 3);
        }
    }
    assert_int_equal(got, 2);
    assert_int_equal(type, 8);
    assert_int_equal(len, 0);
}

static void test_half_a_frame_then_close(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    raw_write("\x01\0\0\0\x05", 5);
    raw_write("\x10\0\0\0\x05half", 9);
    tls_close(TAKE_PTR(raw));
    assert_int_equal(recv_any(a, &err), 1);
    CHECK_FAILS(recv_any(a, &err), &err, VR_E_PEER, "in the middle of a frame");
    CHECK_FAILS(recv_any(a, &err), &err, VR_E_PEER, "closed");
}

static void refuse_length(const void *header)
{
    struct vr_err err = VR_ERR_INIT;
    raw_write("\x01\0\0\0\x05", 5);
    raw_write(header, 5);
    assert_int_equal(recv_any(a, &err), 1);
    CHECK_FAILS(recv_any(a, &err), &err, VR_E_PROTOCOL, "must be 1 to 2097153");
    CHECK_FAILS(recv_any(a, &err), &err, VR_E_PROTOCOL, "must be 1 to 2097153");
    CHECK_FAILS(link_send(a, 1, NULL, 0, NULL, 0, &err), &err, VR_E_PROTOCOL, "must be");
    CHECK_OK(link_wait(a, -1, 100000, &err), &err);
}

static void test_length_zero(void **state)
{
    refuse_length("\0\0\0\0\x05");
}

static void test_length_over_the_limit(void **state)
{
    refuse_length("\x02\0\x20\0\x05");
}

static void test_length_huge(void **state)
{
    refuse_length("\xff\xff\xff\xff\x05");
}

static void test_send_over_the_limit(void **state)
{
    struct vr_err err;
    CHECK_FAILS(link_send(a, 1, "x", 1, "y", LINK_FRAME_MAX, &err), &err, VR_E_LIMIT, "type 1");
    assert_int_equal(link_pending(a), 0);
}

static void test_close_delivers_what_was_queued(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    CHECK_OK(link_send(b, 23, "why", 3, NULL, 0, &err), &err);
    link_close(TAKE_PTR(b));
    uint8_t type;
    const uint8_t *data;
    size_t len;
    assert_int_equal(recv_wait(a, &type, &data, &len, &err), 1);
    assert_int_equal(type, 23);
    CHECK_FAILS(recv_any(a, &err), &err, VR_E_PEER, "closed by the other side");
}

/* The other side says why it ends and goes, while we are sending to it. */
static void test_last_words_after_a_failed_flush(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    uint8_t *body = calloc(1, 1 << 20), type = 0;
    const uint8_t *data;
    size_t len = 0;
    int r = 0;
    CHECK_OK(link_send(a, 1, NULL, 0, body, 1 << 20, &err), &err);
    CHECK_OK(link_flush(a, &err), &err);
    raw_write("\x04\0\0\0\x17why", 8);
    tls_close(TAKE_PTR(raw)); /* what it has not read makes this a reset */
    for (int i = 0; r == 0 && i < 100; i++) {
        CHECK_OK(link_send(a, 1, NULL, 0, body, 1 << 16, &err), &err);
        r = link_flush(a, &err);
    }
    assert_int_equal(r, -VR_E_PEER);
    CHECK_OK(recv_wait(a, &type, &data, &len, &err), &err);
    assert_int_equal(type, 0x17);
    assert_int_equal(len, 3);
    assert_memory_equal(data, "why", 3);
    CHECK_FAILS(recv_any(a, &err), &err, VR_E_PEER, "");
    free(body);
}

static void test_wait(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    uint64_t one = 1, begin = vr_mono_ms();
    int wake = eventfd(0, EFD_CLOEXEC);
    CHECK_OK(link_wait(a, wake, 20, &err), &err);
    assert_true(vr_mono_ms() - begin >= 19);
    assert_int_equal(write(wake, &one, sizeof one), sizeof one);
    begin = vr_mono_ms();
    CHECK_OK(link_wait(a, wake, BOUND_MS, &err), &err); /* woken */
    /* Two frames in one record: after the first, poll() would not see the second. */
    raw_write("\x01\0\0\0\x05\x01\0\0\0\x06", 10);
    assert_int_equal(recv_any(a, &err), 1);
    CHECK_OK(link_wait(a, -1, BOUND_MS, &err), &err);
    assert_int_equal(recv_any(a, &err), 1);
    CHECK_OK(link_send(a, 1, NULL, 0, NULL, 0, &err), &err);
    CHECK_OK(link_wait(a, -1, BOUND_MS, &err), &err); /* there is room to send */
    assert_true(vr_mono_ms() - begin < BOUND_MS / 2);
    close(wake);
}

static int setup(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    char h[64], ca[64], req[128], cert[128], key[128], trust[128];
    const char *name = "h.example";
    vr_assert(mkdtemp(dir));
    snprintf(h, sizeof h, "%s/h", dir);
    snprintf(ca, sizeof ca, "%s/ca", dir);
    snprintf(req, sizeof req, "%s/request.pem", h);
    snprintf(cert, sizeof cert, "%s/cert.pem", h);
    snprintf(key, sizeof key, "%s/key.pem", h);
    snprintf(trust, sizeof trust, "%s/ca.pem", ca);
    CHECK_OK(ca_init(ca, "test CA", &err), &err);
    CHECK_OK(cert_request(h, &name, 1, &err), &err);
    CHECK_OK(ca_sign(ca, req, cert, 2, &err), &err);
    CHECK_OK(tls_creds_load(cert, key, trust, &creds, &err), &err);
    return 0;
}

static int teardown(void **state)
{
    tls_creds_unref(creds);
    tmpdir_remove(dir);
    return 0;
}

int main(void)
{
#define RAW(f) cmocka_unit_test_setup_teardown(f, connect_raw, disconnect)
#define LINKS(f) cmocka_unit_test_setup_teardown(f, connect_links, disconnect)
    const struct CMUnitTest tests[] = {LINKS(test_sizes_and_order),
                                       LINKS(test_many_frames_between_threads),
                                       RAW(test_one_byte_at_a_time),
                                       RAW(test_half_a_frame_then_close),
                                       RAW(test_length_zero),
                                       RAW(test_length_over_the_limit),
                                       RAW(test_length_huge),
                                       RAW(test_send_over_the_limit),
                                       LINKS(test_close_delivers_what_was_queued),
                                       RAW(test_last_words_after_a_failed_flush),
                                       RAW(test_wait)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
