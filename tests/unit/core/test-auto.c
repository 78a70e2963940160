/* SPDX-License-Identifier: Apache-2.0 */
/* Automatic resynchronization: when it begins, out of what, in which order, and that it never
 * loops. */
#include "core/change.h"
#include "core/internal.h"
#include "fake.h"
#include "util/num.h"

#define HOUR (60 * MIN)
#define DAY (24 * HOUR)

/* T0 is at 08:00 of a local day, in state 9 because of this. */
static struct fake *required(enum vr_health_reason cause, uint32_t start_s, uint32_t end_s)
{
    struct fake *f = fake_new();
    fake_rel(f, 0, true, VR_REL_RESYNC_REQUIRED);
    f->rels[0].cause = cause;
    snprintf(f->rels[0].reason, sizeof(f->rels[0].reason), "why");
    f->rels[0].setting.auto_resync = true;
    f->rels[0].setting.auto_start_s = start_s;
    f->rels[0].setting.auto_end_s = end_s;
    f->day_off = (uint32_t)((8 * 3600 + VR_DAY_S - T0 / SEC % VR_DAY_S) % VR_DAY_S);
    fake_restart(f);
    return f;
}

static struct fake *always(void)
{
    return required(VR_WHY_RESYNC_FAILED, 0, 0);
}

/* Does as the daemon: calls when it is told to, until then. */
static void run_until(struct fake *f, uint64_t until)
{
    for (unsigned calls = 0;; calls++) {
        uint64_t next = core_tick(f->c);
        assert_true(calls < 2000);
        if (next == 0 || next > until) {
            break;
        }
        f->now = VR_MAX(next, f->now + 1);
    }
    f->now = until;
}

static void test_only_what_is_safe(void **state)
{
    unsigned automatic = 0, waits = 0;
    for (unsigned i = 0; vr_health_row_at(i); i++) {
        const struct vr_health_row *row = vr_health_row_at(i);
        if (row->why < VR_WHY_STATE_9_FIRST) {
            assert_false(row->automatic);
            continue;
        }
        struct fake *f = required(row->why, 0, 0);
        run_until(f, T0 + DAY);
        assert_int_equal(f->starts, row->automatic);
        assert_int_equal(fake_get(f, 0)->state, row->automatic ? 10 : 9);
        automatic += row->automatic;
        waits += !row->automatic;
        fake_free(f);
    }
    assert_true(automatic >= 4 && waits >= 4);
    assert_false(vr_health_is_automatic(VR_WHY_CHANGED_ALONE));
    assert_false(vr_health_is_automatic(VR_WHY_DIFFERS));
    assert_false(vr_health_is_automatic(VR_WHY_NEEDS_DECISION));
    struct fake *f = required(VR_WHY_NONE, 0, 0); /* a record of an older version does not say */
    run_until(f, T0 + DAY);
    assert_int_equal(f->starts, 0);
    fake_free(f);
}

static void test_switched_off(void **state)
{
    struct fake *f = always();
    f->rels[0].setting.auto_resync = false;
    fake_restart(f);
    run_until(f, T0 + DAY);
    assert_int_equal(f->starts, 0);
    fake_free(f);
}

/* The peer was being asked when a person switched it off. */
static void test_switched_off_meanwhile(void **state)
{
    struct fake *f = always();
    struct core_modify_args off = {.vm_id = f->vm.id,
                                   .setting.fields = 1 << VR_SETTING_AUTO_RESYNC};
    f->hold_replies = true;
    run_until(f, T0 + MIN);
    assert_int_equal(f->calls, 1);
    core_modify(f->c, &admin, &off, fake_done, f);
    assert_int_equal(f->answer.code, 4096);
    fake_reply(f);
    run_until(f, T0 + DAY);
    assert_int_equal(f->starts, 0);
    assert_int_equal(fake_get(f, 0)->state, VR_REL_RESYNC_REQUIRED);
    fake_free(f);
}

/* A window over midnight: 22:00 to 03:00. */
static void test_window(void **state)
{
    struct fake *f = required(VR_WHY_RESYNC_FAILED, 22 * 3600, 3 * 3600);
    run_until(f, T0 + 14 * HOUR - 1);
    assert_int_equal(f->starts, 0);
    run_until(f, T0 + 14 * HOUR + MIN);
    assert_int_equal(f->starts, 1);
    const struct vr_job *j = core_job_at(f->c, 0);
    assert_int_equal(j->type, 107);
    assert_true(j->automatic);
    assert_string_equal(j->initiator, "automatic");
    assert_string_equal(j->why, "why"); /* what the relationship said when it was asked for */
    fake_end_done(f, j->id, uuid_of(0x11));
    assert_int_equal(fake_get(f, 0)->state, VR_REL_REPLICATING);
    assert_int_equal(fake_get(f, 0)->cause, VR_WHY_NONE);
    run_until(f, T0 + 2 * DAY);
    assert_int_equal(f->starts, 1);
    fake_free(f);
}

/* What comes to state 9 after midnight is within it, too; at its end it is not. */
static void test_window_after_midnight(void **state)
{
    struct fake *f = required(VR_WHY_RESYNC_FAILED, 22 * 3600, 3 * 3600);
    f->day_off = (f->day_off + 18 * 3600 + 3599) % VR_DAY_S; /* 02:59:59 */
    fake_restart(f);
    run_until(f, T0);
    assert_int_equal(f->starts, 1);
    fake_free(f);
    f = required(VR_WHY_RESYNC_FAILED, 22 * 3600, 3 * 3600);
    f->day_off = (f->day_off + 19 * 3600) % VR_DAY_S; /* 03:00 */
    fake_restart(f);
    run_until(f, T0 + HOUR);
    assert_int_equal(f->starts, 0);
    fake_free(f);
}

/* The clocks change while it waits: the window begins when the local time says so. */
static void test_change_of_clocks(void **state)
{
    static const int hours[] = {1, -1};
    for (size_t i = 0; i < VR_COUNT(hours); i++) {
        struct fake *f = required(VR_WHY_RESYNC_FAILED, 22 * 3600, 23 * 3600);
        run_until(f, T0 + 2 * HOUR);
        f->day_off = (uint32_t)((int)f->day_off + VR_DAY_S + hours[i] * 3600) % VR_DAY_S;
        uint64_t begin = (uint64_t)((int64_t)(T0 + 14 * HOUR) - hours[i] * (int64_t)HOUR);
        run_until(f, begin - 1);
        assert_int_equal(f->starts, 0);
        run_until(f, begin + 5 * MIN);
        assert_int_equal(f->starts, 1);
        fake_free(f);
    }
    /* over the moment itself: the hour before the window does not exist, or comes twice */
    for (size_t i = 0; i < VR_COUNT(hours); i++) {
        struct fake *f = required(VR_WHY_RESYNC_FAILED, 22 * 3600, 23 * 3600);
        run_until(f, T0 + 13 * HOUR + 30 * MIN);
        f->day_off = (uint32_t)((int)f->day_off + VR_DAY_S + hours[i] * 3600) % VR_DAY_S;
        run_until(f, T0 + 13 * HOUR + 36 * MIN);
        assert_int_equal(f->starts, hours[i] > 0);
        run_until(f, T0 + 15 * HOUR + MIN);
        assert_int_equal(f->starts, 1);
        fake_free(f);
    }
}

/* Refused again and again: ever later, told once. */
static void test_refused(void **state)
{
    struct fake *f = always();
    f->reply.result = -VR_E_PEER;
    run_until(f, T0 + 8 * HOUR);
    assert_in_range(f->calls, 15, 25);
    const char *told = strstr(f->events, "automatic-resync-refused");
    assert_non_null(told);
    assert_null(strstr(told + 1, "automatic-resync-refused"));
    assert_int_equal(fake_get(f, 0)->state, 9);
    f->reply.result = -VR_E_LINEAGE; /* and out of state 8 it is never led */
    run_until(f, T0 + 9 * HOUR);
    assert_int_equal(fake_get(f, 0)->state, 8);
    unsigned calls = f->calls;
    f->reply.result = 0;
    run_until(f, T0 + 2 * DAY);
    assert_int_equal(f->calls, calls);
    fake_free(f);
}

static void test_failing_is_no_loop(void **state)
{
    struct fake *f = always();
    unsigned ends = 0;
    while (f->now < T0 + 8 * HOUR) {
        unsigned starts = f->starts;
        run_until(f, f->now + MIN);
        if (f->starts > starts) {
            fake_end(f, f->started.job_id, -VR_E_IO, "the replica's disk is broken");
            ends++;
            assert_int_equal(fake_get(f, 0)->state, 9);
        }
    }
    assert_in_range(ends, 10, 25);
    fake_free(f);
}

/* Churn: the job stays, begins again ever later, and the relationship stays in state 10. */
static void test_churn(void **state)
{
    struct fake *f = always();
    unsigned ends = 0;
    run_until(f, T0 + MIN);
    uint64_t id = core_job_at(f->c, 0)->id;
    while (f->now < T0 + 8 * HOUR) {
        if (fake_job(f, id)->state == VR_JOB_RUNNING) {
            struct vr_progress p = {.phase = VR_PHASE_COMPARE, .bytes_compared = 10};
            core_on_progress(f->c, id, &p);
            fake_end(f, id, -VR_E_BUSY, "disk 'vda' changed while it was read");
            ends++;
        }
        assert_int_equal(fake_get(f, 0)->state, 10);
        run_until(f, f->now + MIN);
    }
    assert_in_range(ends, 10, 25);
    assert_non_null(strstr(f->events, "resync-lengthened"));
    assert_non_null(strstr(fake_job(f, id)->status, "disks in use, next try at"));
    fake_restart(f); /* it is stored that nobody asked */
    run_until(f, f->now + MIN);
    fake_end(f, id, -VR_E_BUSY, "and again");
    assert_int_equal(fake_get(f, 0)->state, 10);
    run_until(f, f->now + HOUR);
    fake_end_done(f, id, uuid_of(0x11));
    assert_int_equal(fake_get(f, 0)->state, 3);
    fake_free(f);
}

/* One that a person asked for ends, as it did: whoever asked is told. */
static void test_explicit_is_told(void **state)
{
    struct fake *f = always();
    f->rels[0].setting.auto_resync = false;
    fake_restart(f);
    assert_int_equal(fake_resync(f, &operator_, 0), 4096);
    fake_end(f, f->answer.job_id, -VR_E_BUSY, "disk 'vda' changed while it was read");
    assert_int_equal(fake_job(f, f->answer.job_id)->error_code, 32774);
    assert_int_equal(fake_get(f, 0)->cause, VR_WHY_RESYNC_FAILED);
    fake_free(f);
}

static void test_cancelled_by_a_person(void **state)
{
    struct fake *f = always();
    run_until(f, T0 + MIN);
    assert_int_equal(f->starts, 1);
    core_state_change(f->c, &operator_, &f->vm.id, -1, 9, fake_done, f);
    fake_end(f, core_job_at(f->c, 0)->id, -VR_E_CANCELED, "cancelled");
    assert_int_equal(fake_get(f, 0)->cause, VR_WHY_CANCELLED);
    run_until(f, T0 + DAY);
    assert_int_equal(f->starts, 1);
    fake_free(f);
}

/* Behind what people ask for, and the most overdue first: the fourth VM has missed its interval
 * most often, although others are older. */
static void test_order_of_risk(void **state)
{
    static const uint64_t age_h[] = {1, 2, 5, 4, 3};
    struct fake *f = fake_new();
    for (uint8_t i = 0; i < 5; i++) {
        f->vm.id = uuid_of((uint8_t)(i + 1));
        fake_rel(f, 0, true, VR_REL_RESYNC_REQUIRED);
        f->rels[i].cause = VR_WHY_RESYNC_FAILED;
        f->rels[i].setting.auto_resync = true;
        f->rels[i].last_sync_us = T0 - age_h[i] * HOUR;
        f->rels[i].setting.interval_s = i == 3 ? 300 : 0;
    }
    f->vm.id = uuid_of(6);
    fake_rel(f, 0, true, VR_REL_RESYNC_REQUIRED);
    f->start_result = 0;
    fake_restart(f);
    core_tick(f->c); /* all five; the first two have the places */
    assert_int_equal(f->starts, 2);
    f->vm.id = uuid_of(6);
    assert_int_equal(fake_resync(f, &operator_, 0), 4096);
    uint64_t asked = f->answer.job_id;
    static const uint8_t order[] = {4, 3, 5};
    fake_end_done(f, 1, uuid_of(0x21));
    assert_int_equal(f->started.job_id, asked);
    fake_end_done(f, 2, uuid_of(0x22));
    assert_int_equal(f->started.rel.vm_id.b[0], order[0]);
    fake_end_done(f, asked, uuid_of(0x23));
    assert_int_equal(f->started.rel.vm_id.b[0], order[1]);
    fake_end_done(f, 4, uuid_of(0x24));
    assert_int_equal(f->started.rel.vm_id.b[0], order[2]);
    fake_free(f);
}

/* Nothing of a removed relationship is touched by the answer that comes late. */
static void test_removed_meanwhile(void **state)
{
    struct fake *f = always();
    f->hold_replies = true;
    core_tick(f->c);
    assert_int_equal(f->calls, 1);
    uint64_t call = f->call_id;
    core_disable(f->c, &admin, &f->vm.id, 0, fake_done, f);
    core_on_peer_reply(f->c, call, &f->reply);
    assert_null(core_rel(f->c, &f->vm.id, 0));
    fake_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_only_what_is_safe),
        T(test_switched_off),
        T(test_switched_off_meanwhile),
        T(test_window),
        T(test_window_after_midnight),
        T(test_change_of_clocks),
        T(test_refused),
        T(test_failing_is_no_loop),
        T(test_churn),
        T(test_explicit_is_told),
        T(test_cancelled_by_a_person),
        T(test_order_of_risk),
        T(test_removed_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
