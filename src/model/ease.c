/* SPDX-License-Identifier: Apache-2.0 */
#include "model/ease.h"

#include "util/num.h"

void ease_begin(struct ease *e, uint32_t factor, uint64_t baseline_us)
{
    *e = (struct ease){.factor = factor, .baseline_us = baseline_us};
}

void ease_start_slow(struct ease *e)
{
    if (e->factor) {
        e->level = EASE_LEVEL_FIRST;
        e->gentle = true;
    }
}

static uint64_t limit_us(const struct ease *e)
{
    uint64_t us = e->baseline_us > UINT64_MAX / e->factor ? UINT64_MAX : e->baseline_us * e->factor;
    return VR_MAX(us, (uint64_t)EASE_FLOOR_US);
}

/* Three quarters of the limit are too long already, so that the limit holds while the level is
 * found; between that and half of it the level is right. */
static void judge(struct ease *e, bool says, uint32_t looks)
{
    uint64_t limit = limit_us(e);
    e->gentle = says;
    if (says && e->latency_us > limit / 4 * 3) {
        e->times += e->level < EASE_LEVEL_MAX;
        e->level += e->level < EASE_LEVEL_MAX;
        e->calm = 0;
        return;
    }
    bool calm = !says || e->latency_us <= limit / 2;
    e->calm = calm ? e->calm + looks : 0;
    if (e->calm >= EASE_CALM) {
        e->level -= e->level > 0;
        e->calm = 0;
    }
}

void ease_look(struct ease *e, uint64_t writes, uint64_t time_us)
{
    e->writes += writes;
    e->time_us += time_us;
    e->looks++;
    if (e->writes < EASE_WRITES_MANY && e->looks < EASE_LOOKS) {
        return;
    }
    bool says = e->writes >= EASE_WRITES_MIN;
    e->latency_us = says ? e->time_us / e->writes : e->latency_us;
    if (e->factor) {
        judge(e, says, e->looks);
    }
    e->writes = e->time_us = e->looks = 0;
}

uint64_t ease_rest_us(uint32_t level, uint64_t took_us)
{
    level = VR_MIN(level, EASE_LEVEL_MAX);
    return took_us * ((1u << level) - 1);
}

void ease_quiet_begin(struct ease_quiet *q, int start, uint64_t writes, uint64_t time_us)
{
    if (q->start != start) { /* a period that nobody ended was another guest's */
        q->short_n = q->short_us = 0;
    }
    q->start = start;
    q->writes = writes;
    q->time_us = time_us;
}

static void learn(struct ease_quiet *q, uint64_t latency_us)
{
    bool faster = q->latency_us == 0 || latency_us < q->latency_us;
    q->latency_us = faster ? latency_us : q->latency_us + (latency_us - q->latency_us) / 8;
}

uint64_t ease_quiet_end(struct ease_quiet *q, int start, uint64_t writes, uint64_t time_us)
{
    if (q->start != start || writes < q->writes || time_us < q->time_us) { /* it counts anew */
        *q = (struct ease_quiet){.start = start, .latency_us = q->latency_us};
    }
    q->short_n += writes - q->writes;
    q->short_us += time_us - q->time_us;
    ease_quiet_begin(q, start, writes, time_us); /* when the transfer comes to nothing */
    if (q->short_n >= EASE_BASELINE_MIN) {
        learn(q, q->short_us / q->short_n);
        q->short_n = q->short_us = 0;
    }
    return q->latency_us;
}
