/* SPDX-License-Identifier: Apache-2.0 */
#include "model/ease.h"

#include "util/num.h"

void ease_begin(struct ease *e, uint32_t factor, uint64_t writes, uint64_t time_us)
{
    *e = (struct ease){.factor = factor,
                       .baseline_us = writes >= EASE_BASELINE_MIN ? time_us / writes : 0};
}

static uint64_t limit_us(const struct ease *e)
{
    uint64_t us = e->baseline_us > UINT64_MAX / e->factor ? UINT64_MAX : e->baseline_us * e->factor;
    return VR_MAX(us, (uint64_t)EASE_FLOOR_US);
}

void ease_look(struct ease *e, uint64_t writes, uint64_t time_us)
{
    bool says = writes >= EASE_WRITES_MIN;
    e->latency_us = says ? time_us / writes : e->latency_us;
    if (e->factor == 0) {
        return;
    }
    if (says && e->latency_us > limit_us(e)) {
        e->times += e->level < EASE_LEVEL_MAX;
        e->level += e->level < EASE_LEVEL_MAX;
        e->calm = 0;
        return;
    }
    /* Between that and three quarters of it the level is right. */
    bool calm = !says || e->latency_us <= limit_us(e) / 4 * 3;
    e->calm = calm ? e->calm + 1 : 0;
    if (e->calm >= EASE_CALM) {
        e->level -= e->level > 0;
        e->calm = 0;
    }
}

uint64_t ease_rest_us(uint32_t level, uint64_t took_us)
{
    level = VR_MIN(level, EASE_LEVEL_MAX);
    return took_us * ((1u << level) - 1);
}
