/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames over a TLS stream.
 *
 * Sending copies into one buffer, whose memory is kept; flush gives it to the stream in as large
 * pieces as there are. Receiving decrypts straight into one buffer of the largest frame and lends
 * frames from there. A large frame is read to its end and not beyond, so that the buffer is empty
 * after it; only the beginning of a frame that came with small ones is ever moved, at most
 * READ_AHEAD_BYTES.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "net/tls.h"
#include "transport/link.h"
#include "util/num.h"

#define HEADER_BYTES 5u
#define IN_BYTES ((size_t)LINK_FRAME_MAX + HEADER_BYTES)
#define READ_AHEAD_BYTES ((size_t)64 << 10)
#define OUT_BYTES_MIN ((size_t)256 << 10)

struct tls_link {
    struct link link;
    struct tls_stream *stream;
    uint8_t *out; /* out_pos..out_end is queued */
    size_t out_pos, out_end, out_cap;
    uint8_t *in; /* IN_BYTES; in_pos..in_end came and is not consumed */
    size_t in_pos, in_end;
    size_t lent; /* bytes at in_pos the last recv gave: consumed by the next */
    uint64_t bytes_out, bytes_in;
    struct vr_err over; /* bad framing: the stream cannot be followed any more */
};

static int over_before(const struct tls_link *t, struct vr_err *err)
{
    if (err) {
        *err = t->over;
    }
    return -(int)t->over.kind;
}

static void put_u32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) {
        p[i] = (uint8_t)(v >> (8 * i));
    }
}

static uint32_t get_u32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Room for n more bytes at out_end. */
static int out_reserve(struct tls_link *t, size_t n, struct vr_err *err)
{
    if (t->out_cap - t->out_end >= n) {
        return 0;
    }
    size_t queued = t->out_end - t->out_pos;
    if (t->out_pos >= queued && t->out_cap - queued >= n) {
        memmove(t->out, t->out + t->out_pos, queued);
        t->out_pos = 0;
        t->out_end = queued;
        return 0;
    }
    size_t cap = VR_MAX(t->out_cap, OUT_BYTES_MIN);
    while (cap - t->out_end < n) {
        cap *= 2;
    }
    uint8_t *p = realloc(t->out, cap);
    if (!p) {
        return vr_fail_nomem(err);
    }
    t->out = p;
    t->out_cap = cap;
    return 0;
}

static int tls_link_send(struct link *l,
                         uint8_t type,
                         const void *head,
                         size_t head_len,
                         const void *body,
                         size_t body_len,
                         struct vr_err *err)
{
    struct tls_link *t = (struct tls_link *)l;
    if (t->over.kind) {
        return over_before(t, err);
    }
    size_t len = head_len + body_len;
    int r = out_reserve(t, HEADER_BYTES + len, err);
    if (r < 0) {
        return r;
    }
    uint8_t *at = t->out + t->out_end;
    put_u32(at, (uint32_t)(len + 1));
    at[4] = type;
    if (head_len) {
        memcpy(at + HEADER_BYTES, head, head_len);
    }
    if (body_len) {
        memcpy(at + HEADER_BYTES + head_len, body, body_len);
    }
    t->out_end += HEADER_BYTES + len;
    return 0;
}

static int tls_link_flush(struct link *l, struct vr_err *err)
{
    struct tls_link *t = (struct tls_link *)l;
    if (t->out_pos == t->out_end) {
        return 0;
    }
    ssize_t n = tls_write(t->stream, t->out + t->out_pos, t->out_end - t->out_pos, err);
    if (n < 0) {
        return (int)n;
    }
    t->bytes_out += (uint64_t)n;
    t->out_pos += (size_t)n;
    if (t->out_pos == t->out_end) {
        t->out_pos = t->out_end = 0;
    }
    return 0;
}

static size_t tls_link_pending(struct link *l)
{
    struct tls_link *t = (struct tls_link *)l;
    return t->out_end - t->out_pos;
}

/* Bytes of the frame that begins at pos, header included; 0: its header is not there yet. PROTOCOL.
 * */
static int frame_bytes(const struct tls_link *t, size_t pos, size_t *ret, struct vr_err *err)
{
    *ret = 0;
    if (t->in_end - pos < HEADER_BYTES) {
        return 0;
    }
    uint32_t len = get_u32(t->in + pos);
    if (len == 0 || len - 1 > LINK_FRAME_MAX) {
        return vr_fail(err, VR_E_PROTOCOL, "frame of %u bytes: must be 1 to %u", len,
                       LINK_FRAME_MAX + 1);
    }
    *ret = HEADER_BYTES + len - 1;
    return 0;
}

/* Reads what is missing of a frame of `need` bytes (0: not known). 1: something came, 0: nothing,
 * <0: over. */
static int in_fill(struct tls_link *t, size_t need, struct vr_err *err)
{
    size_t have = t->in_end - t->in_pos;
    if (have == 0) {
        t->in_pos = t->in_end = 0;
    } else if (IN_BYTES - t->in_pos < VR_MAX(need, (size_t)HEADER_BYTES)) {
        memmove(t->in, t->in + t->in_pos, have);
        t->in_pos = 0;
        t->in_end = have;
    }
    size_t want = need > have ? need - have : 0;
    want = VR_MAX(want, READ_AHEAD_BYTES);
    want = VR_MIN(want, IN_BYTES - t->in_end);
    ssize_t n = tls_read(t->stream, t->in + t->in_end, want, err);
    if (n < 0) {
        return have ? vr_wrap(err, (int)n, "in the middle of a frame") : (int)n;
    }
    t->in_end += (size_t)n;
    t->bytes_in += (uint64_t)n;
    return n > 0;
}

static int tls_link_recv(struct link *l,
                         uint8_t *ret_type,
                         const uint8_t **ret_data,
                         size_t *ret_len,
                         struct vr_err *err)
{
    struct tls_link *t = (struct tls_link *)l;
    t->in_pos += t->lent;
    t->lent = 0;
    for (;;) {
        size_t need;
        if (!t->over.kind) {
            (void)frame_bytes(t, t->in_pos, &need, &t->over);
        }
        if (t->over.kind) {
            return over_before(t, err);
        }
        if (need && t->in_end - t->in_pos >= need) {
            *ret_type = t->in[t->in_pos + 4];
            *ret_data = t->in + t->in_pos + HEADER_BYTES;
            *ret_len = need - HEADER_BYTES;
            t->lent = need;
            return 1;
        }
        int r = in_fill(t, need, err);
        if (r <= 0) {
            return r;
        }
    }
}

/* A whole frame, or bad framing to be reported, lies in memory already. */
static bool recv_ready(const struct tls_link *t)
{
    size_t pos = t->in_pos + t->lent, need;
    return t->over.kind || frame_bytes(t, pos, &need, NULL) < 0 ||
           (need && t->in_end - pos >= need) || tls_buffered(t->stream) > 0;
}

static int tls_link_wait(struct link *l, int wake_fd, int timeout_ms, struct vr_err *err)
{
    struct tls_link *t = (struct tls_link *)l;
    if (recv_ready(t)) {
        return 0;
    }
    short out = t->out_pos < t->out_end ? POLLOUT : 0;
    struct pollfd p[2] = {{.fd = tls_fd(t->stream), .events = (short)(POLLIN | out)},
                          {.fd = wake_fd, .events = POLLIN}};
    if (poll(p, 2, timeout_ms) < 0 && errno != EINTR) {
        return vr_fail_errno(err, VR_E_IO, "poll");
    }
    return 0;
}

static void tls_link_counters(struct link *l, uint64_t *ret_out, uint64_t *ret_in)
{
    struct tls_link *t = (struct tls_link *)l;
    tls_overhead(t->stream, ret_out, ret_in);
    *ret_out += t->bytes_out;
    *ret_in += t->bytes_in;
}

static void tls_link_close(struct link *l)
{
    struct tls_link *t = (struct tls_link *)l;
    (void)!tls_link_flush(l, NULL); /* last words, as far as they go without waiting */
    tls_close(t->stream);
    free(t->out);
    free(t->in);
    free(t);
}

static const struct link_ops tls_link_ops = {
    .name = "tls",
    .send = tls_link_send,
    .recv = tls_link_recv,
    .flush = tls_link_flush,
    .pending = tls_link_pending,
    .wait = tls_link_wait,
    .counters = tls_link_counters,
    .close = tls_link_close,
};

int link_tls_new(struct tls_stream *take_stream, struct link **ret_link, struct vr_err *err)
{
    struct tls_link *t = calloc(1, sizeof *t);
    uint8_t *in = malloc(IN_BYTES); /* untouched pages cost nothing */
    if (!t || !in) {
        free(t);
        free(in);
        tls_close(take_stream);
        return vr_fail_nomem(err);
    }
    t->link.ops = &tls_link_ops;
    t->stream = take_stream;
    t->in = in;
    *ret_link = &t->link;
    return 0;
}
