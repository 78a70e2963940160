/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics: what counts as what, once, whatever stops in between; windows; health. */
#include "core/service.h"
#include "fake.h"
#include "util/num.h"

static struct core_stats get(struct fake *f, uint8_t number)
{
    struct core_stats s;
    assert_true(core_stats(f->c, &f->vm.id, number, &s));
    return s;
}

static struct fake *source(enum vr_rel_state state)
{
    struct fake *f = fake_new();
    fake_rel(f, 0, true, state);
    return f;
}

/* A resynchronization whose lane runs: its job's id. */
static uint64_t running(struct fake *f)
{
    assert_int_equal(fake_resync(f, &operator_, 0), 4096);
    uint64_t id = f->answer.job_id;
    assert_int_equal(fake_job(f, id)->state, VR_JOB_RUNNING);
    return id;
}

static void sent(struct fake *f, uint64_t job, enum vr_phase phase, uint64_t bytes)
{
    struct vr_progress p = {.phase = phase, .wire_out = bytes};
    core_on_progress(f->c, job, &p);
}

static void test_success(void **state)
{
    struct fake *f = source(VR_REL_REPLICATING);
    uint64_t id = running(f);
    sent(f, id, VR_PHASE_COMPARE, 100);
    f->now += 3 * SEC;
    sent(f, id, VR_PHASE_READBACK, 700);
    fake_end_done(f, id, uuid_of(0x11));
    id = running(f);
    f->now += SEC;
    sent(f, id, VR_PHASE_READBACK, 50);
    fake_end_done(f, id, uuid_of(0x12));
    struct vr_window w = get(f, 0).stats.now;
    assert_int_equal(w.successes, 2);
    assert_int_equal(w.bytes, 750);
    assert_int_equal(w.bytes_max, 700);
    assert_int_equal(w.latency_us, 4 * SEC);
    assert_int_equal(w.latency_max_us, 3 * SEC);
    assert_int_equal(w.failures + w.network_failures + w.misses, 0);
    assert_int_equal(w.health, VR_HEALTH_OK);
    fake_restart(f);
    struct vr_window again = get(f, 0).stats.now;
    assert_memory_equal(&again, &w, sizeof(w));
    fake_free(f);
}

/* Bytes of tries count when the transfer ends, as one; each lost try is a network failure. */
static void test_interrupted(void **state)
{
    struct fake *f = source(VR_REL_REPLICATING);
    uint64_t id = running(f);
    sent(f, id, VR_PHASE_COMPARE, 100);
    fake_end(f, id, -VR_E_PEER, "gone");
    assert_int_equal(get(f, 0).stats.now.network_failures, 1);
    assert_int_equal(get(f, 0).stats.now.bytes, 0);
    f->find_result = -VR_E_TIMEOUT; /* the next try fails before there is a lane */
    fake_restart(f);                /* the old try's bytes are not taken for a new one's */
    assert_int_equal(get(f, 0).stats.now.network_failures, 1); /* libvirt did not answer */
    assert_int_equal(get(f, 0).stats.now.failures, 1);
    assert_int_equal(get(f, 0).stats.open_bytes, 100);
    f->find_result = 0;
    f->now += 5 * MIN;
    core_tick(f->c);
    assert_int_equal(fake_job(f, id)->state, VR_JOB_RUNNING);
    sent(f, id, VR_PHASE_DONE, 30);
    fake_end_done(f, id, uuid_of(0x11));
    struct core_stats s = get(f, 0);
    assert_int_equal(s.stats.now.successes, 1);
    assert_int_equal(s.stats.now.network_failures, 1);
    assert_int_equal(s.stats.now.bytes, 130);
    assert_int_equal(s.stats.now.bytes_max, 130);
    assert_int_equal(s.stats.open_bytes, 0);
    fake_free(f);
}

/* What is under way counts at once, and only once. */
static void test_sent_bytes(void **state)
{
    struct fake *f = source(VR_REL_REPLICATING);
    uint64_t id = running(f);
    sent(f, id, VR_PHASE_COMPARE, 100);
    assert_int_equal(get(f, 0).sent_bytes, 100);
    fake_end(f, id, -VR_E_PEER, "gone");
    assert_int_equal(get(f, 0).sent_bytes, 100);
    f->now += MIN;
    core_tick(f->c);
    assert_int_equal(get(f, 0).sent_bytes, 100); /* a new try, which has sent nothing yet */
    sent(f, id, VR_PHASE_COMPARE, 30);
    assert_int_equal(get(f, 0).sent_bytes, 130);
    fake_end(f, id, -VR_E_PEER, "gone");
    f->start_result = -VR_E_TIMEOUT; /* a try that never was sent nothing, either */
    f->now += 2 * MIN;
    core_tick(f->c);
    assert_int_equal(get(f, 0).sent_bytes, 130);
    f->start_result = 0;
    f->now += 10 * MIN;
    core_tick(f->c);
    sent(f, id, VR_PHASE_DONE, 5);
    fake_end_done(f, id, uuid_of(0x11));
    assert_int_equal(get(f, 0).sent_bytes, 135);
    assert_int_equal(get(f, 0).stats.now.bytes, 135);
    core_verify(f->c, &operator_, &f->vm.id, -1, fake_done, f);
    sent(f, f->answer.job_id, VR_PHASE_COMPARE, 9);
    assert_int_equal(get(f, 0).sent_bytes, 135); /* as in the statistics */
    fake_free(f);
}

static void waits(struct fake *f, uint64_t id, enum vr_waiting why, uint64_t until_us)
{
    struct vr_wait w = core_job_wait(f->c, id);
    assert_int_equal(w.why, why);
    assert_int_equal(w.until_us, until_us);
    assert_true(why == VR_WAITING_NONE ? w.since_us == 0
                                       : w.since_us <= f->now && w.since_us >= T0);
}

static void test_waits(void **state)
{
    struct fake *f = source(VR_REL_REPLICATING);
    waits(f, 999, VR_WAITING_NONE, 0);
    fake_resync(f, &operator_, f->now + 10 * MIN);
    waits(f, f->answer.job_id, VR_WAITING_SCHEDULE, f->now + 10 * MIN);
    uint64_t id = running(f);
    waits(f, id, VR_WAITING_NONE, 0);
    fake_end(f, id, -VR_E_PEER, "gone");
    waits(f, id, VR_WAITING_RETRY, f->now + MIN);
    assert_int_equal(core_job_wait(f->c, id).tries, 1);
    f->now += MIN;
    waits(f, id, VR_WAITING_SLOT, 0); /* until the next tick finds it a place */
    core_tick(f->c);
    waits(f, id, VR_WAITING_NONE, 0);
    struct core_transfer_result res = {.result = -VR_E_TIMEOUT, .instant_ended = true};
    core_on_transfer_end(f->c, id, &res);
    waits(f, id, VR_WAITING_DISKS, f->now + 2 * MIN);
    f->now += 2 * MIN;
    core_tick(f->c);
    waits(f, id, VR_WAITING_NONE, 0);
    fake_end(f, id, -VR_E_NOSPACE, "full");
    waits(f, id, VR_WAITING_SPACE, f->now + MIN);
    f->now += MIN;
    core_tick(f->c);
    fake_state(f, 7);
    fake_end(f, id, -VR_E_CANCELED, "");
    waits(f, id, VR_WAITING_PAUSED, 0);
    fake_free(f);
}

static void test_failures(void **state)
{
    static const struct {
        int result;
        uint32_t failures, network;
    } rows[] = {
        {-VR_E_CORRUPT, 1, 0}, {-VR_E_LINEAGE, 1, 0}, {-VR_E_NOSPACE, 1, 0},
        {-VR_E_IO, 1, 0},      {-VR_E_TIMEOUT, 0, 1}, {-VR_E_CANCELED, 0, 0},
    };
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        struct fake *f = source(VR_REL_REPLICATING);
        fake_end(f, running(f), rows[i].result, "because");
        struct vr_window w = get(f, 0).stats.now;
        assert_int_equal(w.failures, rows[i].failures);
        assert_int_equal(w.network_failures, rows[i].network);
        assert_int_equal(w.successes, 0);
        fake_restart(f);
        assert_int_equal(get(f, 0).stats.now.failures, rows[i].failures);
        fake_free(f);
    }
}

static void test_verify_does_not_count(void **state)
{
    struct fake *f = source(VR_REL_REPLICATING);
    core_verify(f->c, &operator_, &f->vm.id, -1, fake_done, f);
    sent(f, f->answer.job_id, VR_PHASE_DONE, 9);
    fake_end_done(f, f->answer.job_id, uuid_of(0x10));
    core_verify(f->c, &operator_, &f->vm.id, -1, fake_done, f);
    fake_end(f, f->answer.job_id, -VR_E_IO, "no");
    struct core_stats s = get(f, 0);
    assert_true(vr_window_is_empty(&s.stats.now));
    assert_int_equal(s.stats.open_bytes, 0);
    fake_free(f);
}

/* Stopped before and after each save of a completion: counted exactly once in the end. */
static void test_stop_at_every_save(void **state)
{
    unsigned injected = 0;
    for (unsigned k = 1; k <= 3; k++) {
        struct fake *f = source(VR_REL_REPLICATING);
        struct vr_uuid u = uuid_of(0x11);
        uint64_t id = running(f);
        core_on_proposed(f->c, id, &u, NULL, f->now, VR_CONSISTENCY_FILE_SYSTEM);
        f->saves = f->injected = 0;
        f->fail_from = k;
        f->fail_count = 99; /* from this save on nothing reaches the disk */
        sent(f, id, VR_PHASE_DONE, 5);
        fake_end_done(f, id, uuid_of(0x11));
        injected += f->injected;
        f->fail_from = 0;
        fake_restart(f);
        uint32_t before = get(f, 0).stats.now.successes;
        assert_int_equal(before, k == 1 ? 0 : 1); /* with the relationship's save, or not */
        if (k == 1) { /* it did not happen, as far as the store knows: it goes on */
            core_tick(f->c);
            assert_int_equal(fake_job(f, id)->state, VR_JOB_RUNNING);
            fake_end_done(f, id, uuid_of(0x11));
        }
        assert_int_equal(fake_job(f, id)->state, VR_JOB_COMPLETED);
        assert_int_equal(get(f, 0).stats.now.successes, 1);
        fake_restart(f);
        assert_int_equal(get(f, 0).stats.now.successes, 1);
        fake_free(f);
    }
    assert_true(injected > 0);
}

/* The peer says that a transfer whose end was lost had completed; we stop before the job is saved.
 * It is over all the same: nothing is sent again, nothing counted again. */
static void test_stop_after_settling(void **state)
{
    struct fake *f = source(VR_REL_REPLICATING);
    struct vr_uuid u = uuid_of(0x21);
    uint64_t id = running(f);
    core_on_proposed(f->c, id, &u, NULL, f->now, VR_CONSISTENCY_FILE_SYSTEM);
    fake_end(f, id, -VR_E_PEER, "gone");
    f->reply.proposed_done = true;
    f->reply.generation.uuid = u;
    f->now += MIN;
    f->saves = f->injected = 0;
    f->fail_from = 3; /* after the generation and the outcome */
    f->fail_count = 99;
    core_tick(f->c);
    assert_int_equal(f->injected, 1);
    f->fail_from = 0;
    fake_restart(f);
    core_tick(f->c);
    assert_int_equal(fake_job(f, id)->state, VR_JOB_COMPLETED);
    assert_int_equal(f->starts, 1);
    assert_int_equal(get(f, 0).stats.now.successes, 1);
    fake_free(f);
}

/* A save that failed is repeated, its count with it. */
static void test_saved_later(void **state)
{
    struct fake *f = source(VR_REL_REPLICATING);
    uint64_t id = running(f);
    f->saves = 0;
    f->fail_from = 1;
    f->fail_count = 1;
    fake_end_done(f, id, uuid_of(0x11));
    assert_int_equal(f->injected, 1);
    f->now += 10 * SEC;
    core_tick(f->c);
    fake_restart(f);
    assert_int_equal(get(f, 0).stats.now.successes, 1);
    fake_free(f);
}

static void schedule(struct fake *f)
{
    assert_int_equal(fake_resync(f, &operator_, f->now + MIN), 4096);
    f->now += MIN;
    core_tick(f->c);
}

static void test_misses_warn(void **state)
{
    struct fake *f = source(VR_REL_REPLICATING);
    f->reply.result = -VR_E_PEER;
    schedule(f);
    assert_int_equal(get(f, 0).stats.now.misses, 1);
    assert_int_equal(fake_get(f, 0)->health, VR_HEALTH_WARNING);
    assert_non_null(strstr(fake_get(f, 0)->reason, "1 of 1 replications"));
    assert_int_equal(fake_get(f, 0)->state, VR_REL_REPLICATING);
    fake_restart(f);
    assert_int_equal(fake_get(f, 0)->health, VR_HEALTH_WARNING);
    f->reply.result = 0;
    for (uint8_t i = 0; i < 4; i++) { /* 1 of 5 is a fifth: not more */
        assert_int_equal(fake_get(f, 0)->health, VR_HEALTH_WARNING);
        fake_end_done(f, running(f), uuid_of((uint8_t)(0x11 + i)));
    }
    assert_int_equal(fake_get(f, 0)->health, VR_HEALTH_OK);
    assert_string_equal(fake_get(f, 0)->reason, "");
    fake_free(f);
}

static uint32_t reset(struct fake *f, const struct core_caller *who)
{
    f->answer.code = 1;
    core_stats_reset(f->c, who, &f->vm.id, -1, fake_done, f);
    return f->answer.code;
}

static void test_reset(void **state)
{
    struct fake *f = source(VR_REL_REPLICATING);
    f->reply.result = -VR_E_PEER;
    schedule(f);
    assert_int_equal(reset(f, &viewer), 32769);
    f->saves = f->injected = 0;
    f->fail_from = f->fail_count = 1;
    assert_int_equal(reset(f, &operator_), 32768);
    assert_int_equal(f->injected, 1);
    assert_int_equal(get(f, 0).stats.now.misses, 1);
    assert_int_equal(reset(f, &operator_), 0);
    assert_int_equal(get(f, 0).stats.now.misses, 0);
    assert_int_equal(get(f, 0).stats.now.start_us, f->now);
    assert_int_equal(fake_get(f, 0)->health, VR_HEALTH_OK);
    assert_non_null(strstr(f->events, "29331 statistics-reset"));
    fake_restart(f);
    assert_int_equal(fake_get(f, 0)->health, VR_HEALTH_OK);
    fake_free(f);
    f = fake_new();
    assert_int_equal(reset(f, &operator_), 32775); /* no replication */
    fake_free(f);
}

static void test_reset_leaves_what_a_person_decides(void **state)
{
    struct fake *f = source(VR_REL_REPLICATING);
    fake_end(f, running(f), -VR_E_LINEAGE, "another branch");
    assert_true(fake_get(f, 0)->needs_decision);
    assert_int_equal(reset(f, &operator_), 0);
    assert_true(fake_get(f, 0)->needs_decision);
    assert_int_equal(fake_get(f, 0)->health, VR_HEALTH_CRITICAL);
    assert_string_equal(fake_get(f, 0)->reason, "another branch");
    fake_free(f);
}

static void test_window_ends(void **state)
{
    struct fake *f = source(VR_REL_REPLICATING);
    f->reply.result = -VR_E_PEER;
    schedule(f);
    uint64_t end = get(f, 0).stats.now.end_us;
    assert_int_equal(end, vr_window_end(&f->service, T0));
    f->now = end - 1;
    core_tick(f->c);
    assert_null(strstr(f->events, "29174"));
    f->now = end;
    core_tick(f->c);
    assert_non_null(strstr(f->events, "29174 statistics-window"));
    assert_non_null(strstr(f->events, "1 missed"));
    struct vr_stats s = get(f, 0).stats;
    assert_int_equal(s.last.misses, 1);
    assert_int_equal(s.last.health, VR_HEALTH_WARNING);
    assert_int_equal(s.now.misses, 0);
    assert_int_equal(s.now.start_us, end);
    assert_int_equal(fake_get(f, 0)->health, VR_HEALTH_OK); /* with its window the warning ends */
    f->events[0] = '\0';
    fake_restart(f);
    core_tick(f->c);
    assert_string_equal(f->events, ""); /* told once */
    assert_int_equal(get(f, 0).stats.last.misses, 1);
    f->now = end + 3 * VR_INTERVAL_MAX_S * SEC;
    s = get(f, 0).stats; /* looked at later: the window before was another, and empty */
    assert_true(vr_window_is_empty(&s.last));
    assert_int_equal(s.now.start_us, f->now);
    fake_free(f);
}

static void test_pending(void **state)
{
    struct fake *f = source(VR_REL_REPLICATING);
    assert_false(get(f, 0).all_sent); /* what the guest wrote since is not known */
    uint64_t id = running(f);
    sent(f, id, VR_PHASE_COMPARE, 5);
    assert_false(get(f, 0).all_sent);
    sent(f, id, VR_PHASE_COMMIT, 5);
    assert_true(get(f, 0).all_sent);
    fake_end(f, id, -VR_E_PEER, "gone");
    assert_true(get(f, 0).all_sent);
    fake_free(f);
}

static void test_replica_side(void **state)
{
    struct fake *f = fake_new();
    struct core_transfer_result res = {.generation = {.uuid = uuid_of(0x31), .sequence = 2}};
    fake_rel(f, 0, false, VR_REL_REPLICATING);
    res.report.instant_us = f->now - 2 * SEC;
    core_on_target_end(f->c, &f->vm.id, 0, &res);
    core_on_target_end(f->c, &f->vm.id, 0, &res); /* the same generation */
    fake_restart(f);
    struct vr_window w = get(f, 0).stats.now;
    assert_int_equal(w.successes, 1);
    assert_int_equal(w.latency_us, 2 * SEC);
    fake_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_success),
        T(test_interrupted),
        T(test_failures),
        T(test_sent_bytes),
        T(test_waits),
        T(test_verify_does_not_count),
        T(test_stop_at_every_save),
        T(test_stop_after_settling),
        T(test_saved_later),
        T(test_misses_warn),
        T(test_reset),
        T(test_reset_leaves_what_a_person_decides),
        T(test_window_ends),
        T(test_pending),
        T(test_replica_side),
    };
    return RUN(tests);
}
