/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A link in memory: two ends in one process, both used by one thread. Nothing is ever refused for
 * want of room; as with a socket, the first LOOP_SOCKET_BYTES not yet received count as given to
 * the system and the rest as pending.
 *
 * Closing one end lets the other receive what was queued, then PEER. A cut loses what was queued.
 * The memory both ends share goes with the end closed last.
 */
#include <stdlib.h>
#include <string.h>

#include "transport/link.h"
#include "util/num.h"

#define LOOP_HEADER_BYTES 5u /* as on the wire, so that counters are comparable */
#define LOOP_SOCKET_BYTES (256 * VR_KIB)

struct loop_frame {
    struct loop_frame *next;
    size_t len;
    uint8_t type;
    uint8_t data[];
};

struct loop_end {
    struct link link;
    struct loop *loop;
    struct loop_end *other;
    struct loop_frame *first, **tail; /* to be received here */
    struct loop_frame *lent;          /* the frame the last recv gave */
    uint64_t queued;                  /* bytes of first.. , headers included */
    uint64_t out, in;
    bool closed;
};

struct loop {
    struct loop_end end[2];
    bool cut;
};

static void end_drop(struct loop_end *e)
{
    for (struct loop_frame *f = e->first; f;) {
        struct loop_frame *next = f->next;
        free(f);
        f = next;
    }
    e->first = NULL;
    e->tail = &e->first;
    e->queued = 0;
}

static int loop_over(const struct loop_end *e, struct vr_err *err)
{
    if (e->loop->cut) {
        return vr_fail(err, VR_E_PEER, "the connection was cut");
    }
    return vr_fail(err, VR_E_PEER, "closed by the other side");
}

static int loop_send(struct link *l,
                     uint8_t type,
                     const void *head,
                     size_t head_len,
                     const void *body,
                     size_t body_len,
                     struct vr_err *err)
{
    struct loop_end *e = (struct loop_end *)l;
    struct loop_end *to = e->other;
    if (e->loop->cut || to->closed) {
        return loop_over(e, err);
    }
    struct loop_frame *f = malloc(sizeof *f + head_len + body_len);
    if (!f) {
        return vr_fail_nomem(err);
    }
    f->next = NULL;
    f->type = type;
    f->len = head_len + body_len;
    if (head_len) {
        memcpy(f->data, head, head_len);
    }
    if (body_len) {
        memcpy(f->data + head_len, body, body_len);
    }
    *to->tail = f;
    to->tail = &f->next;
    to->queued += LOOP_HEADER_BYTES + f->len;
    e->out += LOOP_HEADER_BYTES + f->len;
    return 0;
}

static int loop_recv(struct link *l,
                     uint8_t *ret_type,
                     const uint8_t **ret_data,
                     size_t *ret_len,
                     struct vr_err *err)
{
    struct loop_end *e = (struct loop_end *)l;
    free(e->lent);
    e->lent = NULL;
    struct loop_frame *f = e->first;
    if (!f) {
        return e->loop->cut || e->other->closed ? loop_over(e, err) : 0;
    }
    e->first = f->next;
    if (!e->first) {
        e->tail = &e->first;
    }
    e->queued -= LOOP_HEADER_BYTES + f->len;
    e->in += LOOP_HEADER_BYTES + f->len;
    e->lent = f;
    *ret_type = f->type;
    *ret_data = f->data;
    *ret_len = f->len;
    return 1;
}

static int loop_flush(struct link *l, struct vr_err *err)
{
    struct loop_end *e = (struct loop_end *)l;
    return e->loop->cut || e->other->closed ? loop_over(e, err) : 0;
}

static size_t loop_pending(struct link *l)
{
    struct loop_end *e = (struct loop_end *)l;
    uint64_t unread = e->other->queued;
    return unread > LOOP_SOCKET_BYTES ? (size_t)(unread - LOOP_SOCKET_BYTES) : 0;
}

/* Both ends are one thread's: nothing can come while it waits. */
static int loop_wait(struct link *l, int wake_fd, int timeout_ms, struct vr_err *err)
{
    return 0;
}

static void loop_counters(struct link *l, uint64_t *ret_out, uint64_t *ret_in)
{
    struct loop_end *e = (struct loop_end *)l;
    *ret_out = e->out - loop_pending(l);
    *ret_in = e->in;
}

static void loop_close(struct link *l)
{
    struct loop_end *e = (struct loop_end *)l;
    vr_assert(!e->closed);
    e->closed = true;
    end_drop(e);
    free(e->lent);
    e->lent = NULL;
    if (e->other->closed) {
        free(e->loop);
    }
}

static const struct link_ops loop_ops = {
    .name = "loop",
    .send = loop_send,
    .recv = loop_recv,
    .flush = loop_flush,
    .pending = loop_pending,
    .wait = loop_wait,
    .counters = loop_counters,
    .close = loop_close,
};

int link_loop_new(struct link **ret_a, struct link **ret_b, struct vr_err *err)
{
    struct loop *loop = calloc(1, sizeof *loop);
    if (!loop) {
        return vr_fail_nomem(err);
    }
    for (int i = 0; i < 2; i++) {
        loop->end[i] = (struct loop_end){.link = {.ops = &loop_ops},
                                         .loop = loop,
                                         .other = &loop->end[1 - i],
                                         .tail = &loop->end[i].first};
    }
    *ret_a = &loop->end[0].link;
    *ret_b = &loop->end[1].link;
    return 0;
}

void link_loop_cut(struct link *end)
{
    vr_assert(end->ops == &loop_ops);
    struct loop *loop = ((struct loop_end *)end)->loop;
    loop->cut = true;
    end_drop(&loop->end[0]);
    end_drop(&loop->end[1]);
}
