/* SPDX-License-Identifier: Apache-2.0 */
/* Says in time that the host's certificate ends: once a day from 30 days before. Pure. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define CERTWATCH_DAYS 30
#define CERTWATCH_DAY_US (86400ull * 1000000)

struct certwatch {
    uint64_t warned_us;    /* when last; 0: not yet */
    uint64_t not_after_us; /* of the certificate that was warned of: a new one starts anew */
};

/*
 * Is it time to warn? *ret_days: whole days left, negative when it has ended. *ret_next_us: when to
 * ask again (wall).
 */
bool certwatch_due(struct certwatch *w,
                   uint64_t not_after_us,
                   uint64_t now_us,
                   int *ret_days,
                   uint64_t *ret_next_us);
