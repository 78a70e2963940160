/* SPDX-License-Identifier: Apache-2.0 */
#include "model/stats.h"

#include "util/num.h"

#define SEC ((uint64_t)1000000)

uint64_t vr_window_end(const struct vr_service *s, uint64_t t_us)
{
    uint64_t start = s->monitoring_start_s * SEC, interval = s->monitoring_interval_s * SEC;
    if (t_us < start) {
        return start;
    }
    return start + ((t_us - start) / interval + 1) * interval;
}

bool vr_window_is_empty(const struct vr_window *w)
{
    return w->successes == 0 && w->misses == 0 && w->network_failures == 0 && w->failures == 0 &&
           w->bytes == 0;
}

bool vr_window_is_bad(const struct vr_window *w)
{
    uint64_t all = (uint64_t)w->successes + w->misses + w->failures;
    return (uint64_t)w->misses * 5 > all;
}

void vr_stats_guest(struct vr_stats *st, bool not_frozen, uint64_t frozen_us, uint32_t eased)
{
    st->totals.eased += eased;
    st->totals.freeze_failures += not_frozen;
    st->totals.frozen_us = frozen_us ? frozen_us : st->totals.frozen_us;
}

static void begin(struct vr_stats *st, const struct vr_service *s, uint64_t start_us)
{
    st->now = (struct vr_window){.start_us = start_us, .end_us = vr_window_end(s, start_us)};
}

bool vr_stats_roll(struct vr_stats *st,
                   const struct vr_service *s,
                   uint64_t now_us,
                   enum vr_health health,
                   struct vr_window *ret_ended)
{
    uint64_t interval = s->monitoring_interval_s * SEC;
    if (st->now.start_us == 0) {
        begin(st, s, now_us);
        return false;
    }
    if (now_us < st->now.end_us) {
        return false;
    }
    st->now.health = health;
    struct vr_window ended = st->now;
    st->last = ended;
    begin(st, s, ended.end_us);
    if (now_us >= st->now.end_us) { /* whole windows went by in which nothing happened */
        uint64_t end = vr_window_end(s, now_us);
        uint64_t start = VR_MAX(end - interval, ended.end_us);
        uint64_t before = start - ended.end_us >= interval ? start - interval : ended.end_us;
        st->last = (struct vr_window){.start_us = before, .end_us = start, .health = health};
        begin(st, s, start);
    }
    if (vr_window_is_empty(&ended)) {
        return false;
    }
    if (ret_ended) {
        *ret_ended = ended;
    }
    return true;
}

void vr_stats_reset(struct vr_stats *st, const struct vr_service *s, uint64_t now_us)
{
    st->now = st->last = (struct vr_window){0}; /* open_bytes are still to be counted */
    begin(st, s, now_us);
}

static uint64_t add(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) || sum > INT64_MAX ? INT64_MAX : sum;
}

static void more(uint32_t *n)
{
    *n += *n < UINT32_MAX ? 1 : 0;
}

static void end_transfer(struct vr_stats *st, uint64_t bytes)
{
    bytes = add(bytes, st->open_bytes);
    st->now.bytes = add(st->now.bytes, bytes);
    st->now.bytes_max = VR_MAX(st->now.bytes_max, bytes);
    st->open_bytes = 0;
}

static void add_total(struct vr_totals *t, enum vr_outcome what, uint64_t bytes)
{
    t->bytes = add(t->bytes, bytes);
    t->successes += what == VR_OUTCOME_SUCCESS;
    t->misses += what == VR_OUTCOME_MISS;
    t->network_failures += what == VR_OUTCOME_NETWORK;
    t->failures += what == VR_OUTCOME_TRY || what == VR_OUTCOME_FAILURE;
    t->restarts += what == VR_OUTCOME_NETWORK || what == VR_OUTCOME_TRY;
}

void vr_stats_miss(struct vr_stats *st, uint64_t n)
{
    uint64_t room = UINT32_MAX - st->now.misses;
    st->now.misses += (uint32_t)VR_MIN(n, room);
    st->totals.misses = add(st->totals.misses, n);
}

void vr_stats_count(
    struct vr_stats *st, enum vr_outcome what, uint64_t now_us, uint64_t bytes, uint64_t latency_us)
{
    struct vr_window *w = &st->now;
    add_total(&st->totals, what, bytes);
    switch (what) {
    case VR_OUTCOME_SUCCESS:
        more(&w->successes);
        w->latency_us = add(w->latency_us, latency_us);
        w->latency_max_us = VR_MAX(w->latency_max_us, latency_us);
        st->success_us = now_us;
        st->success_duration_us = latency_us;
        end_transfer(st, bytes);
        break;
    case VR_OUTCOME_MISS:
        more(&w->misses);
        break;
    case VR_OUTCOME_NETWORK:
        more(&w->network_failures);
        st->open_bytes = add(st->open_bytes, bytes);
        break;
    case VR_OUTCOME_TRY:
        more(&w->failures);
        st->open_bytes = add(st->open_bytes, bytes);
        break;
    case VR_OUTCOME_FAILURE:
        more(&w->failures);
        end_transfer(st, bytes);
        break;
    case VR_OUTCOME_STOPPED:
        st->open_bytes = add(st->open_bytes, bytes);
        break;
    case VR_OUTCOME_ENDED:
        end_transfer(st, bytes);
        break;
    }
}
