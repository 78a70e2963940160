/* SPDX-License-Identifier: Apache-2.0 */
/* Replication by itself: cycles, their deltas, what is missed, what fails, who goes first. */
#include "core/change.h"
#include "core/service.h"
#include "fake.h"
#include "util/num.h"

#define INTERVAL (300 * SEC)

/* A relationship in state 3 that replicates every 300 s; the first cycle is due at T0 + 300 s. */
static struct fake *replicating_as(uint8_t number)
{
    struct fake *f = fake_new();
    fake_rel(f, number, true, VR_REL_REPLICATING);
    f->rels[f->nrels - 1].setting.interval_s = 300;
    f->rels[f->nrels - 1].last_sync_us = T0;
    f->reply.generation = f->rels[f->nrels - 1].generation;
    fake_restart(f);
    assert_int_equal(core_tick(f->c), T0 + INTERVAL);
    assert_int_equal(f->calls, 0);
    return f;
}

static struct fake *replicating(void)
{
    return replicating_as(0);
}

static uint64_t at(struct fake *f, uint64_t t)
{
    f->now = t;
    return core_tick(f->c);
}

static const struct vr_window *window(struct fake *f)
{
    return &fake_get(f, 0)->stats.now;
}

static uint64_t newest(struct fake *f)
{
    const struct vr_job *j, *last = NULL;
    for (size_t i = 0; (j = core_job_at(f->c, i)); i++) {
        last = j;
    }
    assert_non_null(last);
    return last->id;
}

/* The cycle that is due sends something: its job. */
static uint64_t delta_at(struct fake *f, uint64_t t)
{
    unsigned starts = f->starts;
    at(f, t);
    assert_int_equal(f->starts, starts + 1);
    uint64_t id = newest(f);
    assert_int_equal(fake_job(f, id)->type, 105);
    assert_int_equal(fake_job(f, id)->state, VR_JOB_RUNNING);
    return id;
}

static void done(struct fake *f, uint64_t id, uint8_t generation)
{
    fake_end_done(f, id, uuid_of(generation));
    f->reply.generation = fake_get(f, 0)->generation;
}

static void test_off_by_default(void **state)
{
    struct fake *f = fake_new();
    fake_rel(f, 0, true, VR_REL_REPLICATING);
    fake_restart(f);
    assert_int_equal(at(f, T0 + 24 * 60 * MIN), 0);
    assert_int_equal(f->calls, 0);
    fake_free(f);
}

static void test_a_cycle_sends(void **state)
{
    struct fake *f = replicating();
    uint64_t id = delta_at(f, T0 + INTERVAL);
    assert_int_equal(f->req.op, VR_PEER_PREFLIGHT);
    assert_int_equal(f->started.kind, VR_TRANSFER_RESYNC);
    assert_int_equal(fake_get(f, 0)->state, VR_REL_REPLICATING); /* all the time */
    struct vr_uuid u = uuid_of(0x11);
    core_on_proposed(f->c, id, &u, NULL, f->now, VR_CONSISTENCY_FILE_SYSTEM);
    assert_true(vr_uuid_eq(&f->rels[0].proposed, &u));
    f->now += 10 * SEC;
    done(f, id, 0x11);
    assert_int_equal(fake_job(f, id)->state, VR_JOB_COMPLETED);
    const struct vr_rel *r = fake_get(f, 0);
    assert_true(vr_uuid_eq(&r->generation.uuid, &u));
    assert_true(vr_uuid_is_nil(&r->proposed));
    assert_int_equal(r->last_sync_us, f->now);
    assert_int_equal(window(f)->successes, 1);
    assert_int_equal(window(f)->latency_us, 10 * SEC);
    assert_int_equal(core_tick(f->c), T0 + 2 * INTERVAL);
    struct core_stats s;
    assert_true(core_stats(f->c, &f->vm.id, 0, &s));
    assert_int_equal(s.next_us, T0 + 2 * INTERVAL);
    assert_non_null(strstr(f->events, "delta-sent"));
    assert_null(strstr(f->events, "job-")); /* one line a cycle */
    assert_null(strstr(f->events, "compare"));
    fake_free(f);
}

/* Provably unchanged: the peer is asked, and nothing is sent; no job either. */
static void test_unchanged_is_skipped(void **state)
{
    struct fake *f = replicating();
    f->stamp = 7;
    uint64_t id = delta_at(f, T0 + INTERVAL); /* nobody knows what the stamp was then */
    done(f, id, 0x11);
    assert_int_equal(f->rels[0].stamp[31], 7);
    fake_restart(f); /* it is durable */
    at(f, T0 + 2 * INTERVAL);
    assert_int_equal(f->calls, 2);
    assert_int_equal(f->starts, 1);
    assert_int_equal(f->req.instant_us, T0 + 2 * INTERVAL); /* the replica's host learns of it */
    assert_int_equal(fake_get(f, 0)->last_sync_us, T0 + 2 * INTERVAL);
    assert_int_equal(window(f)->successes, 2);
    f->stamp = 8;
    id = delta_at(f, T0 + 3 * INTERVAL);
    assert_int_equal(f->req.instant_us, 0);
    done(f, id, 0x12);
    f->stamp = 0; /* not known */
    done(f, delta_at(f, T0 + 4 * INTERVAL), 0x13);
    done(f, delta_at(f, T0 + 5 * INTERVAL), 0x14);
    fake_free(f);
}

/* A generation of which nobody knows whether it was committed is no state to skip from. */
static void test_unknown_commit_is_not_skipped(void **state)
{
    struct fake *f = replicating();
    struct vr_uuid u = uuid_of(0x11);
    f->stamp = 7;
    done(f, delta_at(f, T0 + INTERVAL), 0x20);
    f->stamp = 8;
    uint64_t id = delta_at(f, T0 + 2 * INTERVAL);
    core_on_proposed(f->c, id, &u, NULL, f->now, VR_CONSISTENCY_FILE_SYSTEM);
    fake_end(f, id, -VR_E_PEER, "gone");
    f->stamp = 7;
    uint64_t next = delta_at(f, T0 + 2 * INTERVAL + MIN);
    assert_int_not_equal(next, id);
    fake_free(f);
}

static void test_settled_by_the_next_cycle(void **state)
{
    struct fake *f = replicating();
    uint64_t id = delta_at(f, T0 + INTERVAL);
    struct vr_uuid u = uuid_of(0x11);
    core_on_proposed(f->c, id, &u, NULL, f->now, VR_CONSISTENCY_FILE_SYSTEM);
    fake_end(f, id, -VR_E_PEER, "the line was cut");
    assert_int_equal(fake_job(f, id)->state, VR_JOB_EXCEPTION);
    assert_int_equal(window(f)->network_failures, 1);
    f->reply.proposed_done = true;
    f->reply.generation.uuid = u;
    f->reply.generation.sequence = 2;
    delta_at(f, T0 + INTERVAL + MIN);
    assert_true(vr_uuid_eq(&fake_get(f, 0)->generation.uuid, &u));
    assert_int_equal(fake_get(f, 0)->last_sync_us, T0 + INTERVAL); /* of when it was proposed */
    assert_true(vr_uuid_is_nil(&fake_get(f, 0)->proposed));
    fake_free(f);
}

static void test_busy_disks_are_missed(void **state)
{
    struct fake *f = replicating();
    f->disks_result = -VR_E_BUSY;
    for (uint64_t i = 1; i <= 4; i++) {
        assert_int_equal(at(f, T0 + i * INTERVAL), T0 + (i + 1) * INTERVAL);
    }
    assert_int_equal(window(f)->misses, 4);
    assert_int_equal(f->calls, 0);
    assert_null(core_job_at(f->c, 0));
    const char *told = strstr(f->events, "cycles-missed");
    assert_non_null(told);
    assert_null(strstr(told + 1, "cycles-missed")); /* once */
    assert_int_equal(fake_get(f, 0)->health, VR_HEALTH_WARNING);
    assert_int_equal(fake_get(f, 0)->state, VR_REL_REPLICATING);
    f->disks_result = 0;
    uint64_t id = delta_at(f, T0 + 5 * INTERVAL);
    fake_end(f, id, -VR_E_BUSY, "a disk was written meanwhile");
    assert_int_equal(window(f)->misses, 5);
    done(f, delta_at(f, T0 + 6 * INTERVAL), 0x11);
    assert_non_null(strstr(f->events, "cycles-go-on"));
    fake_free(f);
}

/* A long one costs the cycles it outlasts, and they do not stack. */
static void test_overrun(void **state)
{
    struct fake *f = replicating();
    uint64_t id = delta_at(f, T0 + INTERVAL);
    at(f, T0 + 2 * INTERVAL);
    at(f, T0 + 5 * INTERVAL + SEC);
    assert_int_equal(f->starts, 1);
    assert_int_equal(window(f)->misses, 4);
    done(f, id, 0x11);
    assert_int_equal(core_tick(f->c), T0 + 6 * INTERVAL);
    assert_int_equal(f->starts, 1);
    fake_free(f);
}

/* It went through, a person paused replication, and the host died before its end was stored. */
static void test_went_through_and_paused(void **state)
{
    struct fake *f = replicating();
    struct vr_uuid u = uuid_of(0x11);
    uint64_t id = delta_at(f, T0 + INTERVAL);
    core_on_proposed(f->c, id, &u, NULL, f->now, VR_CONSISTENCY_FILE_SYSTEM);
    struct vr_job running = *fake_job(f, id);
    done(f, id, 0x11);
    assert_int_equal(fake_state(f, 7), 0);
    for (size_t i = 0; i < f->njobs; i++) {
        f->jobs[i] = f->jobs[i].id == id ? running : f->jobs[i];
    }
    fake_restart(f);
    assert_int_equal(fake_job(f, id)->state, VR_JOB_COMPLETED);
    assert_int_equal(fake_get(f, 0)->state, VR_REL_SUSPENDED);
    fake_free(f);
}

/* The host was down for a while. */
static void test_missed_while_down(void **state)
{
    struct fake *f = replicating();
    done(f, delta_at(f, T0 + INTERVAL), 0x11);
    f->now = T0 + 11 * INTERVAL + SEC;
    fake_restart(f);
    delta_at(f, f->now); /* one, at once */
    assert_int_equal(window(f)->misses, 9);
    assert_int_equal(f->rels[0].cycle_us, T0 + 11 * INTERVAL);
    fake_free(f);
}

static void test_clock_set_back(void **state)
{
    struct fake *f = replicating();
    done(f, delta_at(f, T0 + INTERVAL), 0x11);
    at(f, T0 - 60 * MIN);
    core_tick(f->c);
    assert_int_equal(f->starts, 1);
    delta_at(f, T0 - 60 * MIN + 6 * INTERVAL + 5 * MIN);
    fake_free(f);
}

/* 1, 2, 4, 8, 10, then every 30 minutes. */
static void test_backoff(void **state)
{
    static const unsigned minutes[] = {1, 2, 4, 8, 10, 30, 30};
    struct fake *f = replicating();
    f->reply.result = -VR_E_PEER;
    uint64_t t = T0 + INTERVAL;
    for (size_t i = 0; i < VR_COUNT(minutes); i++) {
        at(f, t);
        assert_int_equal(f->calls, i + 1);
        assert_int_equal(fake_get(f, 0)->health, i == 0 ? VR_HEALTH_OK : VR_HEALTH_CRITICAL);
        t += minutes[i] * MIN;
        assert_int_equal(core_tick(f->c), t);
    }
    assert_non_null(strstr(fake_get(f, 0)->reason, "tries to send failed"));
    assert_int_equal(window(f)->network_failures, VR_COUNT(minutes));
    assert_null(core_job_at(f->c, 0));
    assert_int_equal(fake_get(f, 0)->state, VR_REL_REPLICATING);
    f->reply.result = 0;
    uint64_t id = delta_at(f, t);
    done(f, id, 0x11);
    assert_null(strstr(fake_get(f, 0)->reason, "failed"));
    assert_non_null(strstr(f->events, "cycles-go-on"));
    assert_int_equal(fake_get(f, 0)->failing, 0);
    fake_free(f);
}

/* What the peer says decides where it leads. */
static void test_refusals_of_the_peer(void **state)
{
    static const struct {
        int result;
        enum vr_rel_state to;
        enum vr_health_reason cause;
        uint32_t misses, network, failures;
    } rows[] = {
        {-VR_E_LINEAGE, VR_REL_CRITICAL, VR_WHY_NONE, 0, 0, 0},
        {-VR_E_INVALID, VR_REL_RESYNC_REQUIRED, VR_WHY_GEOMETRY, 0, 0, 1},
        {-VR_E_BUSY, VR_REL_REPLICATING, VR_WHY_NONE, 1, 0, 0},
        {-VR_E_TIMEOUT, VR_REL_REPLICATING, VR_WHY_NONE, 0, 1, 0},
        {-VR_E_NOSPACE, VR_REL_REPLICATING, VR_WHY_NONE, 0, 0, 1},
        {-VR_E_STATE, VR_REL_REPLICATING, VR_WHY_NONE, 0, 0, 1},
    };
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        struct fake *f = replicating();
        f->reply.result = rows[i].result;
        at(f, T0 + INTERVAL);
        const struct vr_rel *r = fake_get(f, 0);
        assert_int_equal(r->state, rows[i].to);
        assert_int_equal(r->cause, rows[i].cause);
        assert_int_equal(r->needs_decision, rows[i].result == -VR_E_LINEAGE);
        assert_int_equal(window(f)->misses, rows[i].misses);
        assert_int_equal(window(f)->network_failures, rows[i].network);
        assert_int_equal(window(f)->failures, rows[i].failures);
        assert_int_equal(f->starts, 0);
        fake_free(f);
    }
}

/* What happened to a replica behind our back is for a person to find out. */
static void test_replica_moved(void **state)
{
    for (int i = 0; i < 4; i++) {
        struct fake *f = replicating();
        f->reply.changed_alone = i == 0;
        if (i == 1) {
            f->reply.generation = (struct vr_generation){0};
        } else if (i >= 2) {
            f->reply.generation =
                (struct vr_generation){.uuid = uuid_of(0x66), .sequence = i == 2 ? 1 : 2};
        }
        at(f, T0 + INTERVAL);
        assert_int_equal(f->starts, i == 3); /* a later one of ours: its end was lost */
        assert_int_equal(fake_get(f, 0)->state, i == 3 ? 3 : 9);
        assert_int_equal(fake_get(f, 0)->cause, i == 3 ? 0 : VR_WHY_CHANGED_ALONE);
        fake_free(f);
    }
}

/* How a lane ends. */
static void test_ends(void **state)
{
    static const struct {
        int result;
        enum vr_rel_state to;
        uint32_t code;
    } rows[] = {
        {-VR_E_LINEAGE, VR_REL_CRITICAL, 32771},        {-VR_E_CORRUPT, VR_REL_CRITICAL, 32768},
        {-VR_E_INVALID, VR_REL_RESYNC_REQUIRED, 32773}, {-VR_E_NOSPACE, VR_REL_REPLICATING, 32778},
        {-VR_E_PEER, VR_REL_REPLICATING, 32777},        {-VR_E_IO, VR_REL_REPLICATING, 32768},
    };
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        struct fake *f = replicating();
        uint64_t id = delta_at(f, T0 + INTERVAL);
        fake_end(f, id, rows[i].result, "because");
        assert_int_equal(fake_job(f, id)->state, VR_JOB_EXCEPTION);
        assert_int_equal(fake_job(f, id)->error_code, rows[i].code);
        assert_int_equal(fake_get(f, 0)->state, rows[i].to);
        assert_int_equal(f->rels[0].state, rows[i].to);
        fake_free(f);
    }
}

/* The VM was started while it was read: the network did nothing wrong. */
static void test_instant_ended(void **state)
{
    struct fake *f = replicating();
    uint64_t id = delta_at(f, T0 + INTERVAL);
    struct core_transfer_result res = {.result = -VR_E_TIMEOUT, .instant_ended = true};
    core_on_transfer_end(f->c, id, &res);
    assert_int_equal(window(f)->network_failures, 0);
    assert_int_equal(window(f)->failures, 1);
    struct core_stats s;
    assert_true(core_stats(f->c, &f->vm.id, 0, &s));
    assert_int_equal(s.next_us, f->now + MIN); /* the next try */
    fake_free(f);
}

static void test_lane_cannot_start(void **state)
{
    struct fake *f = replicating();
    f->start_result = -VR_E_LIMIT;
    at(f, T0 + INTERVAL);
    uint64_t id = newest(f);
    assert_int_equal(fake_job(f, id)->state, VR_JOB_EXCEPTION);
    assert_int_equal(fake_get(f, 0)->failing, 1);
    f->start_result = 0;
    delta_at(f, T0 + INTERVAL + MIN);
    fake_free(f);
}

static void test_store_fails(void **state)
{
    for (unsigned k = 1; k <= 2; k++) {
        struct fake *f = replicating();
        f->saves = 0;
        f->fail_from = k;
        f->fail_count = 1;
        at(f, T0 + INTERVAL);
        assert_int_equal(f->injected, 1);
        assert_int_equal(f->starts, 0);
        assert_int_equal(fake_get(f, 0)->failing, 1);
        delta_at(f, T0 + INTERVAL + MIN);
        fake_free(f);
    }
}

/* A stop at any save of a cycle: afterwards it is counted once or not at all, and goes on. */
static void test_crash_after_every_save(void **state)
{
    unsigned injected = 0, commits = 0;
    for (unsigned k = 1; k <= 7; k++) {
        struct fake *f = replicating();
        f->saves = 0;
        f->fail_from = k;
        f->fail_count = 1000; /* nothing gets through any more */
        at(f, T0 + INTERVAL);
        if (f->starts) {
            struct vr_uuid u = uuid_of(0x11);
            core_on_proposed(f->c, newest(f), &u, NULL, f->now, VR_CONSISTENCY_FILE_SYSTEM);
            f->reply.proposed_done = strstr(f->log, "proposed_saved") != NULL;
        }
        if (f->reply.proposed_done) { /* only then COMMIT is sent */
            f->reply.generation.uuid = uuid_of(0x11);
            f->reply.generation.sequence = 2;
            fake_end_done(f, newest(f), uuid_of(0x11));
            commits++;
        }
        injected += f->injected > 0;
        f->fail_from = 0;
        f->now += SEC;
        fake_restart(f);
        assert_int_equal(fake_get(f, 0)->state, 3);
        const struct vr_job *j;
        for (size_t i = 0; (j = core_job_at(f->c, i)); i++) {
            assert_true(vr_job_is_final(j->state));
        }
        assert_in_range(window(f)->successes, 0, 1);
        core_tick(f->c);
        at(f, T0 + 2 * INTERVAL + 2 * SEC);
        assert_int_equal(fake_job(f, newest(f))->state, VR_JOB_RUNNING);
        fake_free(f);
    }
    assert_true(injected >= 6 && commits >= 2);
}

/* --- who goes first --- */

static void test_resync_goes_first(void **state)
{
    struct fake *f = replicating();
    uint64_t id = delta_at(f, T0 + INTERVAL);
    f->answers = 0;
    (void)fake_resync(f, &operator_, 0);
    assert_int_equal(f->answers, 0); /* until the delta has made way */
    assert_non_null(strstr(f->log, "pause"));
    struct core_resync_args again = {.vm_id = f->vm.id, .rel_number = -1};
    core_resync(f->c, &operator_, &again, fake_done, f);
    assert_int_equal(f->answer.code, 32774); /* one waits already */
    f->answers = 0;
    fake_end(f, id, -VR_E_CANCELED, "stopped");
    assert_int_equal(f->answers, 1);
    assert_int_equal(f->answer.code, 4096);
    assert_int_equal(fake_job(f, id)->state, VR_JOB_TERMINATED);
    assert_string_equal(fake_job(f, id)->status, "made way for a resynchronization");
    assert_int_equal(fake_get(f, 0)->state, VR_REL_RESYNCHRONIZING);
    assert_int_equal(window(f)->failures, 0);
    at(f, T0 + 3 * INTERVAL); /* no cycles in state 10, and none is missed */
    assert_int_equal(window(f)->misses, 0);
    fake_free(f);
}

static void test_commit_is_not_disturbed(void **state)
{
    struct fake *f = replicating();
    uint64_t id = delta_at(f, T0 + INTERVAL);
    struct vr_progress p = {.phase = VR_PHASE_COMMIT};
    core_on_progress(f->c, id, &p);
    assert_int_equal(fake_resync(f, &operator_, 0), 32774);
    assert_null(strstr(f->log, "pause"));
    assert_int_equal(fake_state(f, 7), 0); /* paused, and the commit ends by itself */
    done(f, id, 0x11);
    assert_int_equal(fake_get(f, 0)->state, VR_REL_SUSPENDED);
    assert_int_equal(fake_get(f, 0)->generation.uuid.b[0], 0x11);
    fake_free(f);
}

static void test_pause_stops_cycles(void **state)
{
    struct fake *f = replicating();
    uint64_t id = delta_at(f, T0 + INTERVAL);
    assert_int_equal(core_job_state_change(f->c, &operator_, id, 3, NULL), 4097);
    assert_int_equal(fake_state(f, 7), 0);
    fake_end(f, id, -VR_E_CANCELED, "stopped");
    assert_string_equal(fake_job(f, id)->status, "replication was paused");
    at(f, T0 + 40 * INTERVAL);
    assert_int_equal(f->starts, 1);
    assert_int_equal(window(f)->misses, 0);
    assert_int_equal(fake_state(f, 3), 0);
    core_tick(f->c);
    delta_at(f, T0 + 41 * INTERVAL); /* counted from the resumption on */
    assert_int_equal(window(f)->misses, 0);
    fake_free(f);
}

static void test_cancel(void **state)
{
    struct fake *f = replicating();
    uint64_t id = delta_at(f, T0 + INTERVAL);
    f->answers = 0;
    core_state_change(f->c, &operator_, &f->vm.id, -1, 9, fake_done, f);
    assert_int_equal(f->answers, 0);
    fake_end(f, id, -VR_E_CANCELED, "cancelled");
    assert_int_equal(f->answers, 1);
    assert_int_equal(f->answer.code, 0);
    assert_int_equal(fake_job(f, id)->state, VR_JOB_TERMINATED);
    assert_int_equal(fake_get(f, 0)->state, VR_REL_REPLICATING);
    delta_at(f, T0 + 2 * INTERVAL);
    fake_free(f);
}

static void test_scheduled_resync_goes_first(void **state)
{
    struct fake *f = replicating();
    assert_int_equal(fake_resync(f, &operator_, T0 + INTERVAL + SEC), 4096);
    uint64_t scheduled = f->answer.job_id;
    uint64_t id = delta_at(f, T0 + INTERVAL);
    at(f, T0 + INTERVAL + SEC);
    assert_int_equal(fake_job(f, scheduled)->state, VR_JOB_NEW);
    fake_end(f, id, -VR_E_CANCELED, "stopped");
    at(f, T0 + INTERVAL + 2 * SEC);
    assert_int_equal(fake_job(f, scheduled)->state, VR_JOB_RUNNING);
    fake_free(f);
}

static void test_asking_is_overtaken(void **state)
{
    struct fake *f = replicating();
    f->hold_replies = true;
    at(f, T0 + INTERVAL);
    uint64_t cycle = f->call_id;
    (void)fake_resync(f, &operator_, 0);
    assert_int_equal(f->calls, 2);
    core_on_peer_reply(f->c, cycle, &f->reply); /* while a person asks */
    assert_null(core_job_at(f->c, 0));
    fake_reply(f);
    assert_int_equal(f->answer.code, 4096);
    assert_int_equal(fake_get(f, 0)->state, VR_REL_RESYNCHRONIZING);
    fake_free(f);
}

/* While long transfers hold every place one delta still gets through. */
static void test_place_of_its_own(void **state)
{
    struct fake *f = fake_new();
    for (uint8_t i = 1; i <= 4; i++) {
        f->vm.id = uuid_of(i);
        fake_rel(f, 0, true, i <= 2 ? VR_REL_RESYNC_REQUIRED : VR_REL_REPLICATING);
        f->rels[i - 1].setting.interval_s = i <= 2 ? 0 : 300;
        f->rels[i - 1].last_sync_us = T0;
    }
    f->reply.generation = f->rels[0].generation;
    fake_restart(f);
    core_tick(f->c);
    for (uint8_t i = 1; i <= 2; i++) {
        f->vm.id = uuid_of(i);
        assert_int_equal(fake_resync(f, &operator_, 0), 4096);
    }
    assert_int_equal(f->starts, 2);
    at(f, T0 + INTERVAL);
    assert_int_equal(f->starts, 3);
    assert_int_equal(fake_job(f, 4)->type, 105);
    assert_int_equal(fake_job(f, 4)->state, VR_JOB_STARTING);
    assert_string_equal(fake_job(f, 4)->status, "queued, 1st");
    fake_end_done(f, 3, uuid_of(0x31));
    assert_int_equal(f->starts, 4);
    fake_free(f);
}

/* A middle host sends on what its replica took with its next cycle. */
static void test_middle_host_sends_on(void **state)
{
    struct fake *f = replicating_as(1);
    fake_rel(f, 0, false, VR_REL_REPLICATING);
    struct core_transfer_result res = {.generation = {.uuid = uuid_of(0x77), .sequence = 5}};
    core_on_target_end(f->c, &f->vm.id, 0, &res);
    assert_int_equal(fake_get(f, 1)->state, VR_REL_REPLICATING);
    at(f, T0 + INTERVAL);
    assert_int_equal(f->starts, 1);
    assert_true(f->started.source_is_replica);
    fake_free(f);
}

static void test_modify_interval(void **state)
{
    struct fake *f = replicating();
    struct core_modify_args args = {.vm_id = f->vm.id};
    args.setting.fields = 1u << VR_SETTING_INTERVAL;
    core_modify(f->c, &admin, &args, fake_done, f);
    assert_int_equal(f->answer.code, 4096);
    at(f, T0 + 10 * INTERVAL);
    assert_int_equal(f->calls, 0);
    args.setting.to.interval_s = 30;
    core_modify(f->c, &admin, &args, fake_done, f);
    core_tick(f->c);
    assert_int_equal(window(f)->misses, 0);
    delta_at(f, T0 + 10 * INTERVAL + 30 * SEC);
    fake_free(f);
}

/* A day of failures: state 9 only where automatic resynchronization will take it from there. */
static void test_failing_for_a_day(void **state)
{
    for (int automatic = 0; automatic <= 1; automatic++) {
        struct fake *f = replicating();
        f->rels[0].setting.auto_resync = automatic;
        f->rels[0].setting.auto_end_s = 1; /* a window that does not come in this test */
        f->day_off = VR_DAY_S / 2;
        fake_restart(f);
        core_tick(f->c);
        f->reply.result = -VR_E_PEER;
        for (uint64_t t = T0 + INTERVAL; t < T0 + 25 * 60 * MIN; t += 30 * MIN) {
            at(f, t);
        }
        assert_int_equal(fake_get(f, 0)->state, automatic ? 9 : 3);
        assert_int_equal(fake_get(f, 0)->cause, automatic ? VR_WHY_MISSED_LONG : 0);
        fake_free(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_off_by_default),
        T(test_a_cycle_sends),
        T(test_unchanged_is_skipped),
        T(test_unknown_commit_is_not_skipped),
        T(test_settled_by_the_next_cycle),
        T(test_busy_disks_are_missed),
        T(test_overrun),
        T(test_went_through_and_paused),
        T(test_missed_while_down),
        T(test_clock_set_back),
        T(test_backoff),
        T(test_refusals_of_the_peer),
        T(test_replica_moved),
        T(test_ends),
        T(test_instant_ended),
        T(test_lane_cannot_start),
        T(test_store_fails),
        T(test_crash_after_every_save),
        T(test_resync_goes_first),
        T(test_commit_is_not_disturbed),
        T(test_pause_stops_cycles),
        T(test_cancel),
        T(test_scheduled_resync_goes_first),
        T(test_asking_is_overtaken),
        T(test_place_of_its_own),
        T(test_middle_host_sends_on),
        T(test_modify_interval),
        T(test_failing_for_a_day),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
