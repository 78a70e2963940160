/* SPDX-License-Identifier: Apache-2.0 */
/* A link that gives only some of the frames that have come in one step. */
#include "tests/sim/world.h"

static struct slow_link *slow_of(struct link *l)
{
    return (struct slow_link *)l;
}

static int slow_send(struct link *l,
                     uint8_t type,
                     const void *head,
                     size_t head_len,
                     const void *body,
                     size_t body_len,
                     struct vr_err *err)
{
    return link_send(slow_of(l)->next, type, head, head_len, body, body_len, err);
}

static int slow_recv(struct link *l,
                     uint8_t *ret_type,
                     const uint8_t **ret_data,
                     size_t *ret_len,
                     struct vr_err *err)
{
    struct slow_link *s = slow_of(l);
    if (s->budget == 0) {
        s->starved = true;
        return 0;
    }
    s->budget--;
    return link_recv(s->next, ret_type, ret_data, ret_len, err);
}

static int slow_flush(struct link *l, struct vr_err *err)
{
    return link_flush(slow_of(l)->next, err);
}

static size_t slow_pending(struct link *l)
{
    return link_pending(slow_of(l)->next);
}

static void slow_counters(struct link *l, uint64_t *ret_out, uint64_t *ret_in)
{
    link_counters(slow_of(l)->next, ret_out, ret_in);
}

static const struct link_ops slow_ops = {
    .name = "slow",
    .send = slow_send,
    .recv = slow_recv,
    .flush = slow_flush,
    .pending = slow_pending,
    .counters = slow_counters,
};

void slow_begin(struct slow_link *s, struct rng *rng)
{
    s->starved = false;
    s->budget = rng_chance(rng, 70) ? 64 : (unsigned)rng_below(rng, 4);
}

uint64_t slow_sent(struct slow_link *s)
{
    uint64_t out, in;
    link_counters(s->next, &out, &in);
    return out + link_pending(s->next);
}

struct slow_link slow_over(struct link *next)
{
    return (struct slow_link){.link = {.ops = &slow_ops}, .next = next};
}
