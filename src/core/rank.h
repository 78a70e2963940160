/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who of those that wait for a place among the transfers is next: the class, then the risk, then
 * the turn. Pure.
 *
 *   class  what                                         within it
 *   0      what a person asked for, now or for a time   by turn
 *   1      automatic resynchronizations                 the most overdue first
 *   2      cycles                                       the most overdue first
 *   3      what makes a first replica                   by turn
 *
 * Overdue is the age of the recovery point in units of what was promised: the interval, or an hour
 * where there is none; without any recovery point it is more than any age. Whoever has waited for
 * RANK_RISE_US moves up one class, and so on, so that nobody waits for ever.
 */
#pragma once
#include "model/model.h"

#define RANK_RISE_US ((uint64_t)3600 * 1000000)
#define RANK_RPO_US ((uint64_t)3600 * 1000000) /* promised where no interval is set */

enum rank_class {
    RANK_ASKED,
    RANK_AUTOMATIC,
    RANK_CYCLE,
    RANK_FIRST
};

struct rank {
    enum rank_class class;
    uint64_t overdue; /* thousandths; 0 in the classes that go by turn */
    uint64_t turn;
};

/* waits_since_us: when it began to wait for a place; 0: just now. */
struct rank rank_of(enum rank_class class,
                    const struct vr_rel *rel,
                    uint64_t waits_since_us,
                    uint64_t turn,
                    uint64_t now_us);
/* Below 0: a goes before b. */
int rank_compare(const struct rank *a, const struct rank *b);
