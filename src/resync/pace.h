/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bandwidth limit: what may go out is what the time since the beginning pays for. Time that was
 * not used is gone, but for PACE_BURST_US: a sender that is woken late makes up for it. Pure; the
 * clock is an argument, in microseconds.
 */
#pragma once
#include <stdint.h>

#define PACE_BURST_US 100000u

struct pace {
    uint64_t bytes_s; /* 0: no limit */
    uint64_t from_us; /* since then, `bytes` were spent; less than a second's worth */
    uint64_t bytes;
    uint64_t seen_us;
};

/* Also for a pace that runs: what was owed is forgotten. */
void pace_set(struct pace *p, uint64_t bytes_s, uint64_t now_us);
void pace_spend(struct pace *p, uint64_t bytes, uint64_t now_us);
/* How long until more may go out; 0: now. */
uint64_t pace_wait_us(const struct pace *p, uint64_t now_us);
/* The largest piece to send at once that is no burst: a multiple of unit, unit to max. */
uint32_t pace_piece(const struct pace *p, uint32_t unit, uint32_t max);
