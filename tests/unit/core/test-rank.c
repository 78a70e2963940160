/* SPDX-License-Identifier: Apache-2.0 */
/* The order of the queue, row by row. */
#include "core/rank.h"
#include "tests/lib/check.h"
#include "util/num.h"

#define SEC ((uint64_t)1000000)
#define HOUR (3600 * SEC)
#define NOW (1000000 * HOUR)

static struct vr_rel rel_of(uint64_t age_us, uint32_t interval_s)
{
    return (struct vr_rel){.last_sync_us = age_us ? NOW - age_us : 0,
                           .setting.interval_s = interval_s};
}

struct row {
    enum rank_class class;
    uint64_t age_us; /* of the recovery point; 0: there is none */
    uint32_t interval_s;
    uint64_t waits_us, turn;
};

static struct rank rank_row(const struct row *r)
{
    struct vr_rel rel = rel_of(r->age_us, r->interval_s);
    return rank_of(r->class, &rel, NOW - r->waits_us, r->turn, NOW);
}

/* In each pair the first goes before the second, whoever came first. */
static void test_order(void **state)
{
    static const struct row rows[][2] = {
        /* class before risk and turn */
        {{RANK_ASKED, SEC, 0, 0, 9}, {RANK_AUTOMATIC, 90 * HOUR, 0, 0, 1}},
        {{RANK_AUTOMATIC, SEC, 0, 0, 9}, {RANK_CYCLE, 90 * HOUR, 30, 0, 1}},
        {{RANK_CYCLE, SEC, 30, 0, 9}, {RANK_FIRST, 0, 0, 0, 1}},
        /* what people ask for: by turn, whatever the risk */
        {{RANK_ASKED, SEC, 0, 0, 1}, {RANK_ASKED, 90 * HOUR, 30, 0, 2}},
        {{RANK_FIRST, 0, 0, 0, 1}, {RANK_FIRST, 0, 0, 0, 2}},
        /* the most overdue, by what was promised */
        {{RANK_AUTOMATIC, HOUR, 300, 0, 2}, {RANK_AUTOMATIC, 13 * HOUR, 43200, 0, 1}},
        {{RANK_AUTOMATIC, 3 * HOUR, 0, 0, 2}, {RANK_AUTOMATIC, 2 * HOUR, 0, 0, 1}},
        {{RANK_CYCLE, 50 * SEC, 30, 0, 2}, {RANK_CYCLE, 301 * SEC, 300, 0, 1}},
        /* nothing to go back to is worse than anything old */
        {{RANK_AUTOMATIC, 0, 0, 0, 2}, {RANK_AUTOMATIC, 90000 * HOUR, 30, 0, 1}},
        /* equally overdue: by turn */
        {{RANK_CYCLE, 300 * SEC, 300, 0, 1}, {RANK_CYCLE, 30 * SEC, 30, 0, 2}},
        /* whoever waits for an hour moves up */
        {{RANK_AUTOMATIC, SEC, 0, HOUR, 1}, {RANK_ASKED, SEC, 0, 0, 2}},
        {{RANK_ASKED, SEC, 0, 0, 2}, {RANK_AUTOMATIC, SEC, 0, HOUR - 1, 1}},
        {{RANK_FIRST, 0, 0, 3 * HOUR, 1}, {RANK_ASKED, SEC, 0, 0, 2}},
        {{RANK_ASKED, SEC, 0, 0, 1}, {RANK_FIRST, 0, 0, 300 * HOUR, 2}},
        {{RANK_CYCLE, SEC, 30, 0, 9}, {RANK_FIRST, 0, 0, HOUR - 1, 1}},
    };
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        struct rank a = rank_row(&rows[i][0]), b = rank_row(&rows[i][1]);
        if (rank_compare(&a, &b) >= 0 || rank_compare(&b, &a) <= 0) {
            fail_msg("row %zu", i);
        }
        assert_int_equal(rank_compare(&a, &a), 0);
    }
}

/* Clocks that were set back, and ages that overflow, make no order that is none. */
static void test_clocks(void **state)
{
    struct vr_rel rel = {.last_sync_us = NOW + HOUR, .setting.interval_s = 30};
    struct rank r = rank_of(RANK_CYCLE, &rel, NOW + HOUR, 1, NOW);
    assert_int_equal(r.class, RANK_CYCLE);
    assert_int_equal(r.overdue, 0);
    rel.last_sync_us = 1;
    r = rank_of(RANK_AUTOMATIC, &rel, 0, 1, UINT64_MAX);
    assert_int_equal(r.class, RANK_AUTOMATIC);
    assert_true(r.overdue == UINT64_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_order), T(test_clocks)};
    return RUN(tests);
}
