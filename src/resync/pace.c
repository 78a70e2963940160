/* SPDX-License-Identifier: Apache-2.0 */
#include "resync/pace.h"

#include "util/num.h"

#define SECOND_US 1000000u

void pace_set(struct pace *p, uint64_t bytes_s, uint64_t now_us)
{
    *p = (struct pace){.bytes_s = bytes_s, .from_us = now_us, .seen_us = now_us};
}

static uint64_t due_us(const struct pace *p)
{
    return p->from_us + p->bytes * SECOND_US / p->bytes_s;
}

void pace_spend(struct pace *p, uint64_t bytes, uint64_t now_us)
{
    if (!p->bytes_s) {
        return;
    }
    if (now_us < p->seen_us) { /* the clock was set back */
        pace_set(p, p->bytes_s, now_us);
    }
    p->seen_us = now_us;
    if (due_us(p) + PACE_BURST_US < now_us) {
        p->from_us = now_us - PACE_BURST_US;
        p->bytes = 0;
    }
    /* Whole seconds at once: nothing is lost to rounding, and the product in due_us stays small. */
    p->bytes += bytes;
    p->from_us += p->bytes / p->bytes_s * SECOND_US;
    p->bytes %= p->bytes_s;
}

uint64_t pace_wait_us(const struct pace *p, uint64_t now_us)
{
    if (!p->bytes_s || now_us < p->seen_us) {
        return 0;
    }
    uint64_t due = due_us(p);
    return due > now_us ? due - now_us : 0;
}

uint32_t pace_piece(const struct pace *p, uint32_t unit, uint32_t max)
{
    if (!p->bytes_s) {
        return max;
    }
    uint64_t bytes = p->bytes_s / (SECOND_US / PACE_BURST_US) / unit * unit;
    bytes = VR_MAX(bytes, (uint64_t)unit);
    return (uint32_t)VR_MIN(bytes, (uint64_t)max);
}
