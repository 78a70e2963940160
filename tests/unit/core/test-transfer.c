/* SPDX-License-Identifier: Apache-2.0 */
/* Transfers: every kind of end, retries, the proposed generation, pause, resume and cancel. */
#include "fake.h"
#include "util/num.h"

static struct fake *running(enum vr_rel_state before)
{
    struct fake *f = fake_new();
    fake_rel(f, 0, true, before);
    assert_int_equal(fake_resync(f, &operator_, 0), 4096);
    assert_int_equal(fake_job(f, 1)->state, VR_JOB_RUNNING);
    assert_int_equal(fake_get(f, 0)->state, 10);
    f->log[0] = '\0';
    return f;
}

static void progress(struct fake *f, enum vr_phase phase, uint64_t compared)
{
    struct vr_progress p = {.phase = phase, .bytes_total = 150, .bytes_compared = compared};
    core_on_progress(f->c, 1, &p);
}

static void test_completed(void **state)
{
    struct fake *f = running(VR_REL_RESYNC_REQUIRED);
    progress(f, VR_PHASE_COMPARE, 10);
    assert_string_equal(fake_job(f, 1)->status, "comparing");
    assert_non_null(strstr(f->events, "29242 "));
    struct vr_uuid proposed = uuid_of(0x11), from = uuid_of(0x71);
    core_on_proposed(f->c, 1, &proposed, &from, f->now, VR_CONSISTENCY_FILE_SYSTEM);
    /* durable before the lane may commit */
    assert_string_equal(f->log, "save_rel 10;proposed_saved 1;");
    assert_true(vr_uuid_is_nil(&fake_get(f, 0)->made_from)); /* not yet */
    fake_end_done(f, 1, proposed);
    assert_true(vr_uuid_eq(&fake_get(f, 0)->made_from, &from));
    const struct vr_rel *r = fake_get(f, 0);
    assert_int_equal(r->state, 3);
    assert_int_equal(r->health, VR_HEALTH_OK);
    assert_true(vr_uuid_eq(&r->generation.uuid, &proposed));
    assert_true(vr_uuid_is_nil(&r->proposed));
    assert_int_equal(r->nhistory, 1);
    assert_int_equal(r->history[0].b[0], 0x10);
    assert_int_equal(r->last_sync_us, T0);
    assert_int_equal(fake_job(f, 1)->state, VR_JOB_COMPLETED);
    assert_int_equal(f->reports, 1);
    assert_non_null(strstr(f->events, "29244 resync-compare-ended: job 1: completed: "));
    assert_non_null(strstr(f->log, "save_rel 3;save_job 1;")); /* what core_start relies on */
    fake_end(f, 1, -VR_E_PEER, "late");                        /* told twice */
    assert_int_equal(fake_job(f, 1)->state, VR_JOB_COMPLETED);
    fake_free(f);
}

static void test_history_is_bounded(void **state)
{
    struct fake *f = fake_new();
    fake_rel(f, 0, true, VR_REL_REPLICATING);
    for (uint8_t i = 1; i <= 40; i++) {
        assert_int_equal(fake_resync(f, &operator_, 0), 4096);
        fake_end_done(f, f->answer.job_id, uuid_of((uint8_t)(0x40 + i)));
    }
    const struct vr_rel *r = fake_get(f, 0);
    assert_int_equal(r->nhistory, VR_HISTORY_MAX);
    assert_int_equal(r->history[0].b[0], 0x40 + 39); /* newest first */
    struct vr_peer_request req;
    core_peer_request(r, NULL, VR_PEER_PREFLIGHT, &req);
    assert_int_equal(req.nhistory, VR_HISTORY_MAX);
    assert_int_equal(req.history[0].b[0], 0x40 + 40);
    fake_free(f);
}

static void test_proposed_not_saved(void **state)
{
    struct fake *f = running(VR_REL_RESYNC_REQUIRED);
    struct vr_uuid proposed = uuid_of(0x11);
    f->saves = 0;
    f->fail_from = f->fail_count = 1;
    core_on_proposed(f->c, 1, &proposed, NULL, f->now, VR_CONSISTENCY_FILE_SYSTEM);
    assert_int_equal(f->injected, 1);
    assert_string_equal(f->log, "cancel 1;");
    assert_true(vr_uuid_is_nil(&fake_get(f, 0)->proposed));
    fake_end(f, 1, -VR_E_CANCELED, "cancelled");
    assert_int_equal(fake_job(f, 1)->state, VR_JOB_EXCEPTION);
    assert_non_null(strstr(fake_job(f, 1)->error_text, "injected"));
    assert_int_equal(fake_get(f, 0)->state, 9);
    fake_free(f);
}

/* The VM was started, or another backup runs: no matter of the network, and not told as one. */
static void test_instant_ended(void **state)
{
    struct fake *f = running(VR_REL_RESYNC_REQUIRED);
    struct core_transfer_result res = {.result = -VR_E_TIMEOUT, .instant_ended = true};
    (void)!vr_fail(&res.err, VR_E_TIMEOUT, "the VM was started");
    core_on_transfer_end(f->c, 1, &res);
    assert_int_equal(fake_job(f, 1)->state, VR_JOB_STARTING);
    assert_non_null(strstr(fake_job(f, 1)->status, "no instant of the disks, next try at "));
    assert_non_null(strstr(fake_job(f, 1)->status, "the VM was started"));
    assert_non_null(strstr(f->events, "29339 instant-ended"));
    assert_null(strstr(f->events, "link-lost"));
    const struct vr_stats *st = &fake_get(f, 0)->stats;
    assert_int_equal(st->totals.network_failures, 0);
    assert_int_equal(st->totals.restarts, 1);
    assert_int_equal(st->now.failures, 1);
    f->now += MIN;
    core_tick(f->c);
    assert_int_equal(fake_job(f, 1)->state, VR_JOB_RUNNING);
    fake_end(f, 1, -VR_E_TIMEOUT, "silence"); /* and that one is the network's */
    assert_non_null(strstr(fake_job(f, 1)->status, "link lost, next try at "));
    assert_int_equal(fake_get(f, 0)->stats.totals.network_failures, 1);
    fake_free(f);
}

/* COMMIT sent, the acknowledgement lost: the peer at the proposed generation says that it is done.
 */
static void test_lost_acknowledgement(void **state)
{
    struct fake *f = running(VR_REL_RESYNC_REQUIRED);
    struct vr_uuid proposed = uuid_of(0x11), from = uuid_of(0x71);
    core_on_proposed(f->c, 1, &proposed, &from, f->now, VR_CONSISTENCY_FILE_SYSTEM);
    fake_end(f, 1, -VR_E_PEER, "reset");
    assert_int_equal(fake_get(f, 0)->state, 10);
    f->reply.proposed_done = true;
    f->reply.generation.uuid = proposed;
    fake_restart(f);
    assert_int_equal(fake_job(f, 1)->state, VR_JOB_COMPLETED);
    assert_int_equal(f->starts, 1); /* no second transfer */
    assert_int_equal(fake_get(f, 0)->state, 3);
    assert_true(vr_uuid_eq(&fake_get(f, 0)->generation.uuid, &proposed));
    assert_true(vr_uuid_eq(&fake_get(f, 0)->made_from, &from));
    assert_int_equal(fake_get(f, 0)->history[0].b[0], 0x10);
    assert_true(vr_uuid_is_nil(&fake_get(f, 0)->proposed));
    assert_int_equal(fake_get(f, 0)->consistency, VR_CONSISTENCY_FILE_SYSTEM);
    fake_free(f);
}

static void test_lost_commit(void **state)
{
    struct fake *f = running(VR_REL_RESYNC_REQUIRED);
    struct vr_uuid first = uuid_of(0x11), second = uuid_of(0x12), from = uuid_of(0x71);
    core_on_proposed(f->c, 1, &first, &from, f->now, VR_CONSISTENCY_FILE_SYSTEM);
    fake_end(f, 1, -VR_E_TIMEOUT, "silence");
    f->now += MIN;
    core_tick(f->c);
    assert_int_equal(f->calls, 2); /* asked, it was not done, goes on */
    assert_true(vr_uuid_eq(&f->req.proposed, &first));
    assert_int_equal(f->starts, 2);
    core_on_proposed(f->c, 1, &second, NULL, f->now, VR_CONSISTENCY_FILE_SYSTEM);
    /* the earlier one stays known: should it turn up after all, it is no foreign lineage */
    assert_true(vr_uuid_eq(&fake_get(f, 0)->history[0], &first));
    assert_int_equal(fake_get(f, 0)->generation.uuid.b[0], 0x10);
    fake_end_done(f, 1, second);
    assert_true(vr_uuid_is_nil(&fake_get(f, 0)->made_from)); /* of the first only it was known */
    assert_int_equal(fake_get(f, 0)->nhistory, 2);
    fake_free(f);
}

static void test_preflight_settles(void **state)
{
    struct fake *f = fake_new();
    fake_rel(f, 0, true, VR_REL_RESYNC_REQUIRED);
    f->rels[0].proposed = uuid_of(0x11);
    fake_restart(f);
    f->reply.proposed_done = true;
    f->reply.generation.uuid = uuid_of(0x11);
    assert_int_equal(fake_resync(f, &operator_, 0), 4096);
    assert_int_equal(fake_get(f, 0)->generation.uuid.b[0], 0x11);
    assert_true(vr_uuid_is_nil(&fake_get(f, 0)->proposed));
    assert_non_null(strstr(f->events, "transfer-settled"));
    fake_free(f);
}

/* A configured wait: 0 and no job when it was done in time, else 4096 and the job. */
static void test_synchronous_wait(void **state)
{
    struct fake *f = fake_new();
    f->sync_wait_us = 20 * SEC;
    fake_rel(f, 0, true, VR_REL_RESYNC_REQUIRED);
    fake_restart(f);
    unsigned answers = f->answers;
    fake_resync(f, &operator_, 0);
    assert_int_equal(f->answers, answers); /* it waits */
    fake_end_done(f, 1, uuid_of(0x31));
    assert_int_equal(f->answers, answers + 1);
    assert_int_equal(f->answer.code, 0);
    assert_int_equal(f->answer.job_id, 0);
    fake_resync(f, &operator_, 0);
    assert_int_equal(core_tick(f->c), f->now + 20 * SEC);
    f->now += 20 * SEC;
    core_tick(f->c);
    assert_int_equal(f->answers, answers + 2);
    assert_int_equal(f->answer.code, 4096);
    assert_int_equal(f->answer.job_id, 2);
    fake_end_done(f, 2, uuid_of(0x32)); /* answered once only */
    fake_resync(f, &operator_, 0);
    fake_end(f, 3, -VR_E_IO, "disk broken"); /* its end says why */
    assert_int_equal(f->answers, answers + 3);
    assert_int_equal(f->answer.code, 4096);
    assert_int_equal(f->answer.job_id, 3);
    fake_resync(f, &operator_, 0);
    fake_end(f, 4, -VR_E_PEER, "link gone");
    assert_int_equal(core_job_state_change(f->c, &operator_, 4, 4, NULL), 0);
    assert_int_equal(f->answers, answers + 4); /* no lane is left that could end it */
    assert_int_equal(f->answer.job_id, 4);
    fake_free(f);
}

static void test_first_retry_may_be_soon(void **state)
{
    struct fake *f = fake_new();
    f->retry_first_us = 5 * SEC;
    fake_rel(f, 0, true, VR_REL_RESYNC_REQUIRED);
    fake_restart(f);
    assert_int_equal(fake_resync(f, &operator_, 0), 4096);
    fake_end(f, 1, -VR_E_PEER, "link gone");
    assert_int_equal(core_tick(f->c), f->now + 5 * SEC);
    f->now += 5 * SEC;
    core_tick(f->c);
    assert_int_equal(fake_job(f, 1)->state, VR_JOB_RUNNING);
    fake_end(f, 1, -VR_E_PEER, "link gone"); /* got nowhere: now it takes minutes */
    assert_int_equal(core_tick(f->c), f->now + MIN);
    fake_free(f);
}

static void test_backoff(void **state)
{
    static const unsigned minutes[] = {1, 2, 4, 8, 10, 30, 30};
    struct fake *f = running(VR_REL_RESYNC_REQUIRED);
    for (size_t i = 0; i < VR_COUNT(minutes); i++) {
        fake_end(f, 1, i % 2 ? -VR_E_TIMEOUT : -VR_E_PEER, "link gone");
        assert_int_equal(fake_job(f, 1)->state, VR_JOB_STARTING);
        assert_non_null(strstr(fake_job(f, 1)->status, "link lost"));
        assert_non_null(strstr(fake_job(f, 1)->status, "link gone"));
        assert_int_equal(fake_get(f, 0)->state, 10);
        uint64_t due = f->now + minutes[i] * MIN;
        assert_int_equal(core_tick(f->c), due);
        f->now = due - 1;
        core_tick(f->c);
        assert_int_equal(fake_job(f, 1)->state, VR_JOB_STARTING);
        f->now = due;
        core_tick(f->c);
        assert_int_equal(fake_job(f, 1)->state, VR_JOB_RUNNING);
    }
    /* the peer's old session may linger */
    fake_end(f, 1, -VR_E_BUSY, "a session is open");
    assert_int_equal(fake_job(f, 1)->state, VR_JOB_STARTING);
    f->now += 30 * MIN;
    core_tick(f->c);
    progress(f, VR_PHASE_COMPARE, 1); /* it got somewhere: from the beginning */
    fake_end(f, 1, -VR_E_PEER, "link gone");
    assert_int_equal(core_tick(f->c), f->now + MIN);
    fake_free(f);
}

static void test_no_space(void **state)
{
    struct fake *f = running(VR_REL_RESYNC_REQUIRED);
    fake_end(f, 1, -VR_E_NOSPACE, "10 GiB missing below /replicas");
    assert_int_equal(fake_job(f, 1)->state, VR_JOB_SUSPENDED);
    assert_false(fake_job(f, 1)->user_suspended);
    assert_non_null(strstr(fake_job(f, 1)->status, "10 GiB"));
    assert_int_equal(fake_get(f, 0)->state, 11);
    assert_int_equal(core_tick(f->c), f->now + MIN);
    f->now += MIN;
    core_tick(f->c);
    assert_int_equal(fake_job(f, 1)->state, VR_JOB_RUNNING);
    assert_int_equal(fake_get(f, 0)->state, 10);
    fake_free(f);
}

static void test_final_ends(void **state)
{
    static const struct {
        int result;
        uint32_t code;
        enum vr_rel_state rel;
        bool decision;
    } rows[] = {
        {-VR_E_LINEAGE, 32771, 8, true}, {-VR_E_CORRUPT, 32768, 8, false},
        {-VR_E_IO, 32768, 9, false},     {-VR_E_BUSY, 32774, 9, false},
        {-VR_E_NOMEM, 32778, 9, false},  {-VR_E_NOT_FOUND, 32779, 9, false},
    };
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        struct fake *f = running(VR_REL_REPLICATING);
        fake_end(f, 1, rows[i].result, "why");
        assert_int_equal(fake_job(f, 1)->state, VR_JOB_EXCEPTION);
        assert_int_equal(fake_job(f, 1)->error_code, rows[i].code);
        assert_int_equal(fake_job(f, 1)->error_kind, -rows[i].result);
        assert_string_equal(fake_job(f, 1)->error_text, "why");
        assert_int_equal(fake_get(f, 0)->state, rows[i].rel);
        assert_int_equal(fake_get(f, 0)->needs_decision, rows[i].decision);
        fake_free(f);
    }
}

/* What began to compare has an end in the log, too, when it fails; what did not, has none. */
static void test_compare_fails(void **state)
{
    for (int compares = 0; compares < 2; compares++) {
        struct fake *f = running(VR_REL_RESYNC_REQUIRED);
        progress(f, compares ? VR_PHASE_COMPARE : VR_PHASE_CONNECT, 10);
        fake_end(f, 1, -VR_E_CORRUPT, "roots differ");
        assert_int_equal(fake_job(f, 1)->state, VR_JOB_EXCEPTION);
        assert_true(!compares == !strstr(f->events, "29242 "));
        assert_true(!compares == !strstr(f->events, "29244 resync-compare-ended: job 1: failed: "));
        fake_free(f);
    }
}

static void test_start_fails(void **state)
{
    struct fake *f = fake_new();
    fake_rel(f, 0, true, VR_REL_RESYNC_REQUIRED);
    f->start_result = -VR_E_BUSY;
    assert_int_equal(fake_resync(f, &operator_, 0), 4096);
    assert_int_equal(fake_job(f, 1)->state, VR_JOB_EXCEPTION);
    assert_int_equal(fake_job(f, 1)->error_code, 32774);
    assert_int_equal(fake_get(f, 0)->state, 9);
    fake_free(f);
}

static void test_pause_resume(void **state)
{
    struct fake *f = running(VR_REL_RESYNC_REQUIRED);
    assert_int_equal(fake_state(f, 7), 1); /* answered when the lane has stopped */
    assert_string_equal(f->log, "save_job 1;pause 1;");
    assert_int_equal(core_job_state_change(f->c, &operator_, 1, 3, NULL), 4097);
    fake_end(f, 1, -VR_E_CANCELED, "paused");
    assert_int_equal(f->answer.code, 0);
    assert_int_equal(fake_job(f, 1)->state, VR_JOB_SUSPENDED);
    assert_true(fake_job(f, 1)->user_suspended);
    assert_int_equal(fake_get(f, 0)->state, 11);
    f->now += 60 * MIN;
    core_tick(f->c);
    assert_int_equal(fake_job(f, 1)->state, VR_JOB_SUSPENDED); /* a person paused it */
    assert_int_equal(fake_state(f, 3), 0);
    assert_int_equal(fake_job(f, 1)->state, VR_JOB_RUNNING); /* the same job */
    assert_int_equal(fake_get(f, 0)->state, 10);
    fake_free(f);
}

/* The peer has not noticed yet that the session before the pause is gone. */
static void test_resumed_too_soon(void **state)
{
    struct fake *f = running(VR_REL_RESYNC_REQUIRED);
    struct vr_progress p = {.phase = VR_PHASE_COMPARE, .bytes_compared = 1};
    core_on_progress(f->c, 1, &p);
    assert_int_equal(fake_state(f, 7), 1);
    fake_end(f, 1, -VR_E_CANCELED, "paused");
    assert_int_equal(fake_state(f, 3), 0);
    fake_end(f, 1, -VR_E_BUSY, "a session is open");
    assert_int_equal(fake_job(f, 1)->state, VR_JOB_STARTING);
    fake_free(f);
}

static void test_pause_is_durable(void **state)
{
    struct fake *f = running(VR_REL_RESYNC_REQUIRED);
    fake_state(f, 7);
    fake_restart(f); /* the lane never told */
    assert_int_equal(fake_job(f, 1)->state, VR_JOB_SUSPENDED);
    assert_int_equal(fake_get(f, 0)->state, 11);
    fake_free(f);
}

/* The store was told of the relationship's new state and not of the failed job's end: the job says
 * what kind of failure it was all the same. */
static void test_failed_half_stored(void **state)
{
    static const struct {
        enum vr_rel_state state;
        bool needs_decision;
        int kind;
    } rows[] = {{VR_REL_RESYNC_REQUIRED, false, VR_E_CANCELED},
                {VR_REL_CRITICAL, false, VR_E_CORRUPT},
                {VR_REL_CRITICAL, true, VR_E_LINEAGE}};
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        struct fake *f = running(VR_REL_RESYNC_REQUIRED);
        f->rels[0].state = rows[i].state;
        f->rels[0].needs_decision = rows[i].needs_decision;
        fake_restart(f);
        assert_int_equal(fake_job(f, 1)->state, VR_JOB_EXCEPTION);
        assert_int_equal(fake_job(f, 1)->error_code, 32768);
        assert_int_equal(fake_job(f, 1)->error_kind, rows[i].kind);
        fake_free(f);
    }
    struct fake *f = running(VR_REL_RESYNC_REQUIRED);
    f->nrels = 0;
    fake_restart(f);
    assert_int_equal(fake_job(f, 1)->error_code, 32775);
    assert_int_equal(fake_job(f, 1)->error_kind, VR_E_STATE);
    fake_free(f);
}

/* The store was told of the cancelled job's end and not of the relationship's new state. */
static void test_cancelled_half_stored(void **state)
{
    struct fake *f = fake_new();
    fake_rel(f, 0, true, VR_REL_RESYNC_SUSPENDED);
    fake_restart(f);
    assert_int_equal(fake_get(f, 0)->state, VR_REL_RESYNC_REQUIRED);
    fake_free(f);
}

static void test_pause_save_fails(void **state)
{
    struct fake *f = running(VR_REL_RESYNC_REQUIRED);
    struct vr_job before = *fake_job(f, 1);
    f->saves = 0;
    f->fail_from = f->fail_count = 1;
    assert_int_equal(fake_state(f, 7), 32768);
    assert_int_equal(f->injected, 1);
    assert_memory_equal(fake_job(f, 1), &before, sizeof(before));
    assert_string_equal(f->log, ""); /* the lane was not told */
    fake_free(f);
}

static void cancel_case(enum vr_rel_state before, bool equal, enum vr_rel_state after)
{
    struct fake *f = running(before);
    struct core_transfer_result res = {.result = -VR_E_CANCELED, .nothing_differed = equal};
    assert_int_equal(fake_state(f, 9), 1);
    assert_string_equal(f->log, "cancel 1;");
    core_on_transfer_end(f->c, 1, &res);
    assert_int_equal(f->answer.code, 0);
    assert_int_equal(fake_job(f, 1)->state, VR_JOB_TERMINATED);
    assert_int_equal(fake_get(f, 0)->state, after);
    fake_free(f);
}

static void test_cancel(void **state)
{
    cancel_case(VR_REL_RESYNC_REQUIRED, false, 9);
    cancel_case(VR_REL_RESYNC_REQUIRED, true, 9);
    cancel_case(VR_REL_REPLICATING, false, 9);
    cancel_case(VR_REL_REPLICATING, true, 3);
}

static void test_cancel_before_its_time(void **state)
{
    struct fake *f = fake_new();
    fake_rel(f, 0, true, VR_REL_REPLICATING);
    assert_int_equal(fake_resync(f, &operator_, T0 + MIN), 4096);
    assert_int_equal(fake_state(f, 9), 0);
    assert_int_equal(fake_job(f, 1)->state, VR_JOB_TERMINATED);
    assert_int_equal(fake_get(f, 0)->state, 3);
    assert_int_equal(fake_state(f, 9), VR_RC_INVALID_STATE); /* nothing is left */
    fake_free(f);
}

static void test_cancel_too_late(void **state)
{
    struct fake *f = running(VR_REL_RESYNC_REQUIRED);
    progress(f, VR_PHASE_COMMIT, 150);
    assert_false(fake_job(f, 1)->cancellable);
    assert_int_equal(fake_state(f, 9), 32775);
    assert_non_null(strstr(f->answer.text, "commit has begun"));
    assert_int_equal(fake_state(f, 7), 32775);
    assert_string_equal(f->log, "");
    fake_free(f);
    /* the lane had sent COMMIT before our wish reached it */
    f = running(VR_REL_RESYNC_REQUIRED);
    assert_int_equal(fake_state(f, 9), 1);
    fake_end_done(f, 1, uuid_of(0x11));
    assert_int_equal(f->answer.code, 32775);
    assert_non_null(strstr(f->answer.text, "completed"));
    assert_int_equal(fake_get(f, 0)->state, 3);
    fake_free(f);
}

static void test_cancel_while_retrying(void **state)
{
    struct fake *f = running(VR_REL_RESYNC_REQUIRED);
    assert_int_equal(fake_state(f, 7), 1);
    fake_end(f, 1, -VR_E_PEER, "gone"); /* the wish is honoured all the same */
    assert_int_equal(f->answer.code, 0);
    assert_int_equal(fake_get(f, 0)->state, 11);
    assert_int_equal(fake_state(f, 9), 0);
    assert_int_equal(fake_get(f, 0)->state, 9);
    assert_int_equal(fake_job(f, 1)->state, VR_JOB_TERMINATED);
    fake_free(f);
}

static void test_unknown_ids(void **state)
{
    struct fake *f = fake_new();
    struct vr_uuid u = uuid_of(0x33);
    struct core_transfer_result res = {0};
    progress(f, VR_PHASE_COMPARE, 1);
    core_on_proposed(f->c, 7, &u, NULL, f->now, VR_CONSISTENCY_FILE_SYSTEM);
    fake_end(f, 7, -VR_E_IO, "x");
    core_on_target_end(f->c, &u, 0, &res);
    core_on_peer_reply(f->c, 7, &f->reply);
    assert_string_equal(f->log, "");
    assert_int_equal(core_tick(f->c), 0);
    fake_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_completed),
        T(test_history_is_bounded),
        T(test_proposed_not_saved),
        T(test_lost_acknowledgement),
        T(test_lost_commit),
        T(test_preflight_settles),
        T(test_synchronous_wait),
        T(test_first_retry_may_be_soon),
        T(test_instant_ended),
        T(test_backoff),
        T(test_no_space),
        T(test_final_ends),
        T(test_compare_fails),
        T(test_start_fails),
        T(test_pause_resume),
        T(test_resumed_too_soon),
        T(test_pause_is_durable),
        T(test_failed_half_stored),
        T(test_cancelled_half_stored),
        T(test_pause_save_fails),
        T(test_cancel),
        T(test_cancel_before_its_time),
        T(test_cancel_too_late),
        T(test_cancel_while_retrying),
        T(test_unknown_ids),
    };
    return RUN(tests);
}
