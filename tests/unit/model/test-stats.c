/* SPDX-License-Identifier: Apache-2.0 */
/* Windows of statistics: where they end, and that nothing is lost or kept at their ends. */
#include "model/stats.h"
#include "tests/lib/check.h"
#include "util/num.h"

#define SEC ((uint64_t)1000000)
#define HOUR (3600 * SEC)
#define DAY (24 * HOUR)

static const struct vr_service nine = {.monitoring_start_s = 9 * 3600,
                                       .monitoring_interval_s = 43200};

static void test_ends(void **state)
{
    static const struct {
        uint32_t start_s, interval_s;
        uint64_t at, end;
    } rows[] = {
        {9 * 3600, 43200, 100 * DAY, 100 * DAY + 9 * HOUR},
        {9 * 3600, 43200, 100 * DAY + 9 * HOUR - 1, 100 * DAY + 9 * HOUR},
        {9 * 3600, 43200, 100 * DAY + 9 * HOUR, 100 * DAY + 21 * HOUR},
        {9 * 3600, 43200, 100 * DAY + 22 * HOUR, 101 * DAY + 9 * HOUR},
        {0, 3600, 5 * HOUR + 1, 6 * HOUR},
        {9 * 3600, 43200, 0, 9 * HOUR},
        {3600, 604800, 14 * DAY, 14 * DAY + HOUR},
        {3600, 604800, 14 * DAY + HOUR, 21 * DAY + HOUR},
    };
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        struct vr_service s = {.monitoring_start_s = rows[i].start_s,
                               .monitoring_interval_s = rows[i].interval_s};
        assert_int_equal(vr_window_end(&s, rows[i].at), rows[i].end);
    }
}

static void test_roll(void **state)
{
    struct vr_stats st = {0};
    struct vr_window ended = {.successes = 99};
    assert_false(vr_stats_roll(&st, &nine, 100 * DAY + HOUR, VR_HEALTH_OK, &ended));
    assert_int_equal(st.now.start_us, 100 * DAY + HOUR); /* the first is short */
    assert_int_equal(st.now.end_us, 100 * DAY + 9 * HOUR);
    vr_stats_count(&st, VR_OUTCOME_SUCCESS, 77, 10, SEC);
    vr_stats_count(&st, VR_OUTCOME_NETWORK, 78, 5, 0);
    assert_false(vr_stats_roll(&st, &nine, 100 * DAY + 9 * HOUR - 1, VR_HEALTH_OK, &ended));
    assert_true(vr_stats_roll(&st, &nine, 100 * DAY + 9 * HOUR, VR_HEALTH_WARNING, &ended));
    assert_int_equal(ended.successes, 1);
    assert_int_equal(ended.health, VR_HEALTH_WARNING);
    assert_memory_equal(&st.last, &ended, sizeof ended);
    assert_true(vr_window_is_empty(&st.now));
    assert_int_equal(st.open_bytes, 5); /* of a transfer that has not ended */
    vr_stats_count(&st, VR_OUTCOME_FAILURE, 79, 1, 0);
    assert_int_equal(st.now.bytes, 6);
    /* days later, at 22:00: both windows are the grid's, and what counted is told once */
    assert_true(vr_stats_roll(&st, &nine, 105 * DAY + 22 * HOUR, VR_HEALTH_OK, &ended));
    assert_int_equal(ended.failures, 1);
    assert_int_equal(st.last.start_us, 105 * DAY + 9 * HOUR);
    assert_int_equal(st.last.end_us, 105 * DAY + 21 * HOUR);
    assert_true(vr_window_is_empty(&st.last));
    assert_int_equal(st.now.start_us, 105 * DAY + 21 * HOUR);
    assert_int_equal(st.now.end_us, 106 * DAY + 9 * HOUR);
    assert_false(vr_stats_roll(&st, &nine, 107 * DAY, VR_HEALTH_OK, &ended)); /* empty: not told */
    /* other settings: the window that runs ends where it was going to, the next on the new grid */
    struct vr_service six = {.monitoring_start_s = 6 * 3600, .monitoring_interval_s = 86400};
    uint64_t end = st.now.end_us;
    assert_false(vr_stats_roll(&st, &six, end, VR_HEALTH_OK, &ended));
    assert_int_equal(st.now.start_us, end);
    assert_int_equal(st.now.end_us, vr_window_end(&six, end));
    uint64_t start = st.now.start_us; /* a clock that was set back ends nothing */
    assert_false(vr_stats_roll(&st, &six, DAY, VR_HEALTH_OK, &ended));
    assert_int_equal(st.now.start_us, start);
}

static void test_limits(void **state)
{
    struct vr_stats st = {.now = {.start_us = 1, .end_us = 2, .successes = UINT32_MAX}};
    vr_stats_count(&st, VR_OUTCOME_SUCCESS, 1, UINT64_MAX, UINT64_MAX);
    vr_stats_count(&st, VR_OUTCOME_SUCCESS, 1, UINT64_MAX, UINT64_MAX);
    assert_int_equal(st.now.successes, UINT32_MAX);
    assert_int_equal(st.now.bytes, INT64_MAX); /* what the store can hold */
    assert_int_equal(st.now.latency_us, INT64_MAX);
}

/* What lasts: neither windows nor a reset touch it. */
static void test_totals(void **state)
{
    static const enum vr_outcome all[] = {
        VR_OUTCOME_SUCCESS, VR_OUTCOME_MISS,    VR_OUTCOME_NETWORK, VR_OUTCOME_TRY,
        VR_OUTCOME_FAILURE, VR_OUTCOME_STOPPED, VR_OUTCOME_ENDED};
    struct vr_stats st = {0};
    vr_stats_reset(&st, &nine, DAY);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        vr_stats_count(&st, all[i], DAY + i, 10, 5);
    }
    vr_stats_count(&st, VR_OUTCOME_NETWORK, DAY + 9, 1, 0);
    vr_stats_roll(&st, &nine, 9 * DAY, VR_HEALTH_OK, NULL);
    vr_stats_reset(&st, &nine, 9 * DAY);
    assert_true(vr_window_is_empty(&st.now));
    assert_int_equal(st.last.start_us, 0);
    assert_int_equal(st.totals.successes, 1);
    assert_int_equal(st.totals.misses, 1);
    assert_int_equal(st.totals.network_failures, 2);
    assert_int_equal(st.totals.failures, 2);
    assert_int_equal(st.totals.restarts, 3);
    assert_int_equal(st.totals.bytes, 71);
    assert_int_equal(st.success_us, DAY);
    assert_int_equal(st.success_duration_us, 5);
    assert_int_equal(st.open_bytes, 1);
}

static void test_bad(void **state)
{
    struct vr_window w = {0};
    assert_false(vr_window_is_bad(&w));
    w = (struct vr_window){.misses = 1, .successes = 4};
    assert_false(vr_window_is_bad(&w)); /* a fifth */
    w.misses = 2;
    w.failures = 3; /* 2 of 9 */
    assert_true(vr_window_is_bad(&w));
    w = (struct vr_window){.failures = 9, .network_failures = 9};
    assert_false(vr_window_is_bad(&w)); /* the state tells these */
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_ends), T(test_roll), T(test_limits), T(test_totals),
                                       T(test_bad)};
    return RUN(tests);
}
