/* SPDX-License-Identifier: Apache-2.0 */
/* Resynchronize: every condition of the table, every state, schedule and supersession. */
#include "fake.h"
#include "util/num.h"

struct row {
    enum vr_resync_condition cond;
    uint32_t code;
    void (*set)(struct fake *f);
    const struct core_caller *who;
    uint64_t start_us;
};

static void set_no_vm(struct fake *f)
{
    f->find_result = -VR_E_NOT_FOUND;
}
static void set_none(struct fake *f)
{
}
static void set_no_disks(struct fake *f)
{
    f->vm.ndisks = 0;
}
static void set_decision(struct fake *f)
{
    f->reply.result = -VR_E_LINEAGE;
}
static void set_disabled(struct fake *f)
{
    f->vm.id = uuid_of(0x20);
}
static void set_busy(struct fake *f)
{
    assert_int_equal(fake_resync(f, &operator_, 0), 4096);
}
static void set_locked(struct fake *f)
{
    f->disks_result = -VR_E_BUSY;
}
static void set_missing(struct fake *f)
{
    f->disks_result = -VR_E_NOT_FOUND;
}
static void set_no_space(struct fake *f)
{
    f->reply.result = -VR_E_NOSPACE;
}
static void set_no_memory(struct fake *f)
{
    f->reply.result = -VR_E_NOMEM;
}
static void set_peer_busy(struct fake *f)
{
    f->reply.result = -VR_E_BUSY;
}
static void set_peer_gone(struct fake *f)
{
    f->reply.result = -VR_E_PEER;
}
static void set_deadline(struct fake *f)
{
    f->reply.result = -VR_E_TIMEOUT;
}
static void set_geometry(struct fake *f)
{
    f->reply.result = -VR_E_INVALID;
}

static const struct row rows[] = {
    {VR_COND_PARAMETER, 32773, set_no_vm, &operator_, 0},
    {VR_COND_PARAMETER, 32773, set_no_vm, &viewer, 0}, /* it stands before ROLE */
    {VR_COND_PARAMETER, 32773, set_none, &operator_, T0 - 301 * SEC},
    {VR_COND_PARAMETER, 32773, set_none, &operator_, T0 + 7 * 24 * 60 * MIN + 1},
    {VR_COND_ROLE, 32769, set_none, &viewer, 0},
    {VR_COND_ROLE, 32769, set_none, &nobody, 0},
    {VR_COND_NO_DISKS, 32770, set_no_disks, &operator_, 0},
    {VR_COND_UNKNOWN, 32771, set_decision, &operator_, 0},
    {VR_COND_STATE, 32775, set_disabled, &operator_, 0},
    {VR_COND_BUSY, 32774, set_busy, &operator_, 0},
    {VR_COND_BUSY, 32774, set_locked, &operator_, 0},
    {VR_COND_BUSY, 32774, set_peer_busy, &operator_, 0},
    {VR_COND_MISSING_FILE, 32779, set_missing, &operator_, 0},
    {VR_COND_SPACE, 32778, set_no_space, &operator_, 0},
    {VR_COND_SPACE, 32778, set_no_memory, &operator_, 0},
    {VR_COND_PEER, 32777, set_peer_gone, &operator_, 0},
    {VR_COND_DEADLINE, 32772, set_deadline, &operator_, 0},
    {VR_COND_OTHER, 32768, set_geometry, &operator_, 0},
};

static void test_conditions(void **state)
{
    bool seen[VR_COND_OTHER + 1] = {[VR_COND_TYPE] =
                                        true}; /* the wire's types are judged before core */
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        struct fake *f = fake_new();
        fake_rel(f, 0, true, VR_REL_RESYNC_REQUIRED);
        rows[i].set(f);
        uint32_t code = fake_resync(f, rows[i].who, rows[i].start_us);
        if (code != rows[i].code) {
            fail_msg("row %zu: %u instead of %u (%s)", i, code, rows[i].code, f->answer.text);
        }
        assert_int_equal(code, vr_condition_code(rows[i].cond));
        seen[rows[i].cond] = true;
        fake_free(f);
    }
    for (size_t i = 0; i < VR_COUNT(seen); i++) {
        if (!seen[i]) {
            fail_msg("no row produces condition %zu", i);
        }
    }
}

/* Where several hold, the first of the table wins. */
static void test_order(void **state)
{
    struct fake *f = fake_new();
    fake_rel(f, 0, true, VR_REL_RESYNC_REQUIRED);
    f->reply.result = -VR_E_TIMEOUT;
    f->disks_result = -VR_E_NOT_FOUND;
    assert_int_equal(fake_resync(f, &operator_, 0), 32779);
    assert_int_equal(f->calls, 0);
    f->vm.ndisks = 0;
    assert_int_equal(fake_resync(f, &operator_, 0), 32770);
    assert_int_equal(fake_resync(f, &viewer, 0), 32769);
    assert_int_equal(fake_resync(f, &viewer, T0 - 301 * SEC), 32773);
    fake_free(f);
}

static void test_states(void **state)
{
    for (int s = 0; s <= 11; s++) {
        struct fake *f = fake_new();
        fake_rel(f, 0, true, (enum vr_rel_state)s);
        bool may = s == 3 || s == 7 || s == 8 || s == 9 || s == 11;
        uint32_t want = may ? 4096 : s == 10 ? 32774 : 32775;
        uint32_t got = fake_resync(f, &operator_, 0);
        if (got != want) {
            fail_msg("state %d: %u instead of %u (%s)", s, got, want, f->answer.text);
        }
        assert_int_equal(fake_get(f, 0)->state, may ? 10 : s);
        fake_free(f);
    }
}

static void test_lineage_needs_decision(void **state)
{
    struct fake *f = fake_new();
    fake_rel(f, 0, true, VR_REL_REPLICATING);
    f->reply.result = -VR_E_LINEAGE;
    assert_int_equal(fake_resync(f, &operator_, 0), 32771);
    assert_int_equal(fake_get(f, 0)->state, VR_REL_CRITICAL);
    assert_true(fake_get(f, 0)->needs_decision);
    /* from now on without asking anybody */
    unsigned calls = f->calls;
    assert_int_equal(fake_resync(f, &admin, 0), 32771);
    assert_int_equal(f->calls, calls);
    struct core_resync_args args = {.vm_id = f->vm.id, .rel_number = -1, .force = true};
    core_resync(f->c, &operator_, &args, fake_done, f);
    assert_int_equal(f->answer.code, 32769);
    core_resync(f->c, &admin, &args, fake_done, f);
    assert_int_equal(f->answer.code, 4096);
    assert_true(f->started.force);
    assert_non_null(strstr(f->events, "resync-forced"));
    fake_free(f);
}

static void test_replica_side(void **state)
{
    struct fake *f = fake_new();
    fake_rel(f, 0, false, VR_REL_REPLICATING);
    assert_int_equal(fake_resync(f, &operator_, 0), 32775); /* without relationship 1 */
    fake_rel(f, 1, true, VR_REL_RESYNC_REQUIRED);
    assert_int_equal(fake_resync(f, &operator_, 0), 4096);
    assert_int_equal(fake_job(f, f->answer.job_id)->type, 121);
    assert_int_equal(fake_job(f, f->answer.job_id)->rel_number, 1);
    assert_true(f->started.source_is_replica);
    assert_int_equal(core_vm_mode(f->c, &f->vm.id), VR_MODE_REPLICA);
    fake_free(f);
}

static void test_parked_answer(void **state)
{
    struct fake *f = fake_new();
    fake_rel(f, 0, true, VR_REL_RESYNC_REQUIRED);
    f->hold_replies = true;
    assert_int_equal(fake_resync(f, &operator_, 0), 1); /* not answered yet */
    uint64_t first = f->call_id;
    assert_int_equal(fake_resync(f, &operator_, 0), 32774);
    core_on_peer_reply(f->c, 999, &f->reply); /* nobody asked */
    assert_int_equal(f->answers, 1);
    core_on_peer_reply(f->c, first, &f->reply);
    assert_int_equal(f->answer.code, 4096);
    core_on_peer_reply(f->c, first, &f->reply); /* twice */
    assert_int_equal(f->answers, 2);
    assert_int_equal(f->starts, 1);
    fake_free(f);
}

static void test_schedule_and_supersede(void **state)
{
    struct fake *f = fake_new();
    fake_rel(f, 0, true, VR_REL_RESYNC_REQUIRED);
    assert_int_equal(fake_resync(f, &operator_, T0 + 60 * MIN), 4096);
    assert_int_equal(fake_job(f, 1)->state, VR_JOB_NEW);
    assert_int_equal(f->calls, 0); /* locally only */
    assert_int_equal(fake_get(f, 0)->state, 9);
    assert_int_equal(fake_resync(f, &operator_, T0 + 30 * MIN), 4096);
    assert_int_equal(fake_job(f, 1)->state, VR_JOB_TERMINATED);
    assert_string_equal(fake_job(f, 1)->status, "superseded by job 2");
    assert_int_equal(core_tick(f->c), T0 + 5 * MIN); /* job 1's removal */
    f->now = T0 + 6 * MIN;
    assert_int_equal(core_tick(f->c), T0 + 30 * MIN);
    assert_null(core_job(f->c, 1));
    f->now = T0 + 30 * MIN;
    core_tick(f->c);
    assert_int_equal(fake_job(f, 2)->state, VR_JOB_RUNNING);
    assert_int_equal(fake_get(f, 0)->state, 10);
    assert_int_equal(f->calls, 1);
    fake_free(f);
}

/* The same condition, met at its time, ends the job with the same number. */
static void test_due_conditions(void **state)
{
    unsigned walked = 0;
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        bool of_caller = rows[i].who != &operator_ || rows[i].start_us || rows[i].set == set_busy ||
                         rows[i].set == set_disabled;
        if (of_caller) {
            continue;
        }
        struct fake *f = fake_new();
        fake_rel(f, 0, true, VR_REL_RESYNC_REQUIRED);
        assert_int_equal(fake_resync(f, &operator_, T0 + MIN), 4096);
        rows[i].set(f);
        f->now = T0 + MIN;
        core_tick(f->c);
        assert_int_equal(fake_job(f, 1)->state, VR_JOB_EXCEPTION);
        assert_int_equal(fake_job(f, 1)->error_code, rows[i].code);
        assert_true(fake_job(f, 1)->error_text[0] != '\0');
        walked++;
        fake_free(f);
    }
    assert_true(walked >= 9);
}

static void test_due_cancelled_while_asking(void **state)
{
    struct fake *f = fake_new();
    fake_rel(f, 0, true, VR_REL_RESYNC_REQUIRED);
    fake_resync(f, &operator_, T0 + MIN);
    f->hold_replies = true;
    f->now = T0 + MIN;
    core_tick(f->c);
    assert_int_equal(fake_job(f, 1)->state, VR_JOB_STARTING);
    assert_int_equal(core_job_state_change(f->c, &operator_, 1, 4, NULL), 0);
    assert_int_equal(fake_job(f, 1)->state, VR_JOB_TERMINATED);
    fake_reply(f);
    assert_int_equal(fake_job(f, 1)->state, VR_JOB_TERMINATED);
    assert_int_equal(fake_get(f, 0)->state, 9);
    assert_int_equal(f->starts, 0);
    fake_free(f);
}

static struct fake *suspended(void)
{
    struct fake *f = fake_new();
    fake_rel(f, 0, true, VR_REL_RESYNC_REQUIRED);
    fake_resync(f, &operator_, 0);
    fake_state(f, 7);
    fake_end(f, 1, -VR_E_CANCELED, "paused");
    assert_int_equal(fake_get(f, 0)->state, 11);
    return f;
}

static void test_suspended_is_superseded(void **state)
{
    struct fake *f = suspended();
    assert_int_equal(fake_resync(f, &operator_, 0), 4096);
    assert_int_equal(fake_job(f, 1)->state, VR_JOB_TERMINATED);
    assert_int_equal(fake_job(f, 2)->state, VR_JOB_RUNNING);
    assert_int_equal(fake_get(f, 0)->state, 10);
    fake_free(f);
}

/* The host dies when a due job's start is saved, and its relationship's is not. */
static void test_suspended_is_superseded_at_a_start(void **state)
{
    struct fake *f = suspended();
    assert_int_equal(fake_resync(f, &operator_, T0 + MIN), 4096);
    f->saves = 0;
    f->fail_from = 2;
    f->fail_count = 100;
    f->now = T0 + MIN;
    core_tick(f->c);
    assert_true(f->injected > 0);
    f->fail_from = 0;
    fake_restart(f);
    assert_string_equal(fake_job(f, 1)->status, "superseded by job 2");
    fake_end_done(f, 2, uuid_of(0x11));
    assert_int_equal(fake_get(f, 0)->state, VR_REL_REPLICATING);
    for (const struct vr_job *j = NULL; (j = core_vm_job(f->c, &f->vm.id, j));) {
        assert_true(vr_job_is_final(j->state));
    }
    fake_free(f);
}

/* Each save of an acceptance fails once: refused, and memory is as before. */
static void test_failed_saves(void **state)
{
    unsigned injected = 0;
    for (unsigned k = 1; k <= 4; k++) {
        struct fake *f = fake_new();
        fake_rel(f, 0, true, VR_REL_RESYNC_REQUIRED);
        fake_resync(f, &operator_, T0 + MIN); /* one that would be superseded */
        struct vr_rel rel = *fake_get(f, 0);
        struct vr_job job = *fake_job(f, 1);
        f->saves = 0;
        f->fail_from = k;
        f->fail_count = 1;
        uint32_t code = fake_resync(f, &operator_, 0);
        injected += f->injected;
        if (k <= 3) {
            assert_int_equal(code, 32768);
            assert_non_null(strstr(f->answer.text, "injected"));
            assert_memory_equal(fake_get(f, 0), &rel, sizeof(rel));
            assert_memory_equal(fake_job(f, 1), &job, sizeof(job));
            assert_null(core_job(f->c, 2));
            assert_int_equal(f->starts, 0);
        } else {
            assert_int_equal(code, 4096); /* only the start had to wait */
            assert_int_equal(fake_job(f, 2)->state, VR_JOB_STARTING);
            f->now += MIN;
            core_tick(f->c);
            assert_int_equal(fake_job(f, 2)->state, VR_JOB_RUNNING);
        }
        fake_free(f);
    }
    assert_int_equal(injected, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_conditions),
        T(test_order),
        T(test_states),
        T(test_lineage_needs_decision),
        T(test_replica_side),
        T(test_parked_answer),
        T(test_schedule_and_supersede),
        T(test_due_conditions),
        T(test_due_cancelled_while_asking),
        T(test_suspended_is_superseded),
        T(test_suspended_is_superseded_at_a_start),
        T(test_failed_saves),
    };
    return RUN(tests);
}
