/* SPDX-License-Identifier: Apache-2.0 */
#include "resync/squeeze.h"

static void begin_window(struct squeeze *q, uint64_t now_us)
{
    q->raw = q->spent_us = 0;
    q->since_us = now_us;
    q->backlog = false;
}

bool squeeze_wanted(const struct squeeze *q)
{
    return !q->off;
}

void squeeze_sent(struct squeeze *q, uint64_t raw, uint64_t spent_us, uint64_t now_us)
{
    if (!q->begun) {
        q->begun = true;
        begin_window(q, now_us > spent_us ? now_us - spent_us : 0);
    }
    q->raw += raw;
    q->spent_us += spent_us;
    if (q->raw < SQUEEZE_WINDOW) {
        return;
    }
    uint64_t took_us = now_us - q->since_us;
    if (q->off) {
        took_us += q->cost_us;
    } else {
        q->cost_us = q->spent_us;
    }
    q->off = !q->backlog && q->cost_us * SQUEEZE_COSTLY > took_us;
    begin_window(q, now_us);
}

void squeeze_held_up(struct squeeze *q)
{
    q->backlog = true;
    q->off = false; /* at once, not with the next window */
}
