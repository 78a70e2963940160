/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/certwatch.h"

bool certwatch_due(struct certwatch *w,
                   uint64_t not_after_us,
                   uint64_t now_us,
                   int *ret_days,
                   uint64_t *ret_next_us)
{
    int64_t left = (int64_t)(not_after_us - now_us);
    *ret_days = (int)(left / (int64_t)CERTWATCH_DAY_US) - (left < 0);
    if (w->not_after_us != not_after_us) {
        *w = (struct certwatch){.not_after_us = not_after_us};
    }
    if (left > (int64_t)(CERTWATCH_DAYS * CERTWATCH_DAY_US)) {
        /* A clock that jumps is noticed within a day. */
        uint64_t first = not_after_us - CERTWATCH_DAYS * CERTWATCH_DAY_US + 1;
        *ret_next_us = first - now_us > CERTWATCH_DAY_US ? now_us + CERTWATCH_DAY_US : first;
        return false;
    }
    if (w->warned_us && now_us >= w->warned_us && now_us - w->warned_us < CERTWATCH_DAY_US) {
        *ret_next_us = w->warned_us + CERTWATCH_DAY_US;
        return false;
    }
    w->warned_us = now_us;
    *ret_next_us = now_us + CERTWATCH_DAY_US;
    return true;
}
