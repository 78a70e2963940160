/* SPDX-License-Identifier: Apache-2.0 */
/* Which reasons a relationship has not to be well. */
#include "model/health.h"
#include "model/model.h"
#include "tests/lib/check.h"
#include "util/num.h"

#define NOW ((uint64_t)1800000000 * 1000000)
#define B(why) (1u << VR_WHY_##why)

static struct vr_rel replicating(void)
{
    return (struct vr_rel){.is_source = true,
                           .state = VR_REL_REPLICATING,
                           .last_sync_us = NOW,
                           .setting = {.interval_s = 300}};
}

static void test_table(void **state)
{
    const struct vr_health_row *row;
    uint32_t seen = 0;
    for (unsigned i = 0; (row = vr_health_row_at(i)); i++) {
        assert_in_range(row->why, 1, 31); /* a bit of a set */
        assert_false(seen & 1u << row->why);
        seen |= 1u << row->why;
        assert_true(row->health == VR_HEALTH_WARNING || row->health == VR_HEALTH_CRITICAL);
        assert_true(row->id[0] && row->text[0] && row->advice[0]);
        assert_ptr_equal(vr_health_row(row->why), row);
    }
    assert_null(vr_health_row(VR_WHY_NONE));
    assert_false(vr_health_is_automatic(VR_WHY_NONE));
}

static void test_states(void **state)
{
    static const struct {
        enum vr_rel_state state;
        bool decision;
        enum vr_health_reason cause;
        uint32_t want;
    } rows[] = {
        {VR_REL_READY, false, 0, B(NOT_STARTED)},
        {VR_REL_INITIAL, false, 0, B(NOT_STARTED)},
        {VR_REL_REPLICATING, false, 0, 0},
        {VR_REL_RECOVERED, false, 0, B(FAILED_OVER)},
        {VR_REL_SUSPENDED, false, 0, B(PAUSED)},
        {VR_REL_CRITICAL, false, 0, B(ERROR)},
        {VR_REL_CRITICAL, true, 0, B(NEEDS_DECISION)},
        {VR_REL_RESYNC_REQUIRED, false, VR_WHY_GEOMETRY, B(GEOMETRY)},
        {VR_REL_RESYNC_REQUIRED, false, 0, B(REQUIRED)},
        {VR_REL_RESYNCHRONIZING, false, VR_WHY_GEOMETRY, B(RESYNCHRONIZING)},
        {VR_REL_RESYNC_SUSPENDED, false, 0, B(PAUSED)},
    };
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        struct vr_rel rel = replicating();
        rel.state = rows[i].state;
        rel.needs_decision = rows[i].decision;
        rel.cause = rows[i].cause;
        assert_int_equal(vr_health_reasons(&rel, NOW), rows[i].want);
    }
}

static void test_cycles(void **state)
{
    struct vr_rel rel = replicating();
    uint64_t late = NOW + VR_BEHIND_US + 600 * UINT64_C(1000000);
    assert_int_equal(vr_health_reasons(&rel, late), 0);
    assert_int_equal(vr_health_reasons(&rel, late + 1), B(BEHIND));
    rel.failing = VR_FAILING_TRIES - 1;
    assert_int_equal(vr_health_reasons(&rel, NOW), 0);
    rel.failing++;
    assert_int_equal(vr_health_reasons(&rel, NOW), B(CANNOT_SEND));
    rel.stats.now.successes = 2;
    rel.stats.now.latency_us = 2 * VR_SLOW_US + 2;
    assert_int_equal(vr_health_reasons(&rel, NOW), B(CANNOT_SEND) | B(SLOW));
    rel.stats.now.misses = 1;
    assert_int_equal(vr_health_reasons(&rel, NOW), B(CANNOT_SEND) | B(SLOW) | B(MISSED));
    rel.setting.interval_s = 0; /* nothing goes by itself: nothing is late */
    assert_int_equal(vr_health_reasons(&rel, late + 1), B(MISSED));
    rel.setting.interval_s = 300;
    rel.is_source = false;
    assert_int_equal(vr_health_reasons(&rel, late + 1), B(MISSED));
}

static void test_a_replica_vm_that_is_not_defined(void **state)
{
    struct vr_rel rel = {.state = VR_REL_REPLICATING, .not_defined = true};
    assert_int_equal(vr_health_reasons(&rel, 0), B(NOT_DEFINED));
    assert_int_equal(vr_health_worst(B(NOT_DEFINED), NULL), VR_HEALTH_WARNING);
    rel.is_source = true;
    assert_int_equal(vr_health_reasons(&rel, 0), 0);
}

static void test_worst(void **state)
{
    enum vr_health_reason why;
    assert_int_equal(vr_health_worst(0, &why), VR_HEALTH_OK);
    assert_int_equal(why, VR_WHY_NONE);
    assert_int_equal(vr_health_worst(B(MISSED) | B(BEHIND), &why), VR_HEALTH_WARNING);
    assert_int_equal(why, VR_WHY_MISSED);
    assert_int_equal(vr_health_worst(B(MISSED) | B(CANNOT_SEND), &why), VR_HEALTH_CRITICAL);
    assert_int_equal(why, VR_WHY_CANNOT_SEND);
    assert_int_equal(vr_health_worst(B(PAUSED), NULL), VR_HEALTH_WARNING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_table), T(test_states), T(test_cycles),
                                       T(test_a_replica_vm_that_is_not_defined), T(test_worst)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
