/* SPDX-License-Identifier: Apache-2.0 */
/* Queue, restart, removal and limits of jobs. */
#include "core/internal.h"
#include "fake.h"
#include "util/num.h"

/* VMs 1..n, each with a relationship in this state. */
static struct fake *many(uint8_t n, enum vr_rel_state s)
{
    struct fake *f = fake_new();
    for (uint8_t i = 1; i <= n; i++) {
        f->vm.id = uuid_of(i);
        fake_rel(f, 0, true, s);
    }
    return f;
}

static uint64_t resync(struct fake *f, uint8_t vm)
{
    f->vm.id = uuid_of(vm);
    assert_int_equal(fake_resync(f, &operator_, 0), 4096);
    return f->answer.job_id;
}

static void test_queue(void **state)
{
    struct fake *f = many(5, VR_REL_RESYNC_REQUIRED);
    for (uint8_t i = 1; i <= 5; i++) {
        assert_int_equal(resync(f, i), i); /* ids rise */
    }
    assert_int_equal(f->starts, 2);
    assert_int_equal(fake_job(f, 2)->state, VR_JOB_RUNNING);
    assert_int_equal(fake_job(f, 3)->state, VR_JOB_STARTING);
    assert_string_equal(fake_job(f, 3)->status, "queued, 1st");
    assert_string_equal(fake_job(f, 4)->status, "queued, 2nd");
    assert_string_equal(fake_job(f, 5)->status, "queued, 3rd");
    f->vm.id = uuid_of(3);
    assert_int_equal(fake_get(f, 0)->state, 10);
    assert_int_equal(fake_resync(f, &operator_, 0), 32774); /* queued is busy */
    fake_end_done(f, 1, uuid_of(0x50));
    assert_int_equal(fake_job(f, 3)->state, VR_JOB_RUNNING);
    assert_string_equal(fake_job(f, 4)->status, "queued, 1st");
    /* a queued one can be paused, cancelled, and its place is taken */
    assert_int_equal(core_job_state_change(f->c, &operator_, 4, 3, NULL), 0);
    assert_int_equal(fake_job(f, 4)->state, VR_JOB_SUSPENDED);
    assert_string_equal(fake_job(f, 5)->status, "queued, 1st");
    assert_int_equal(core_job_state_change(f->c, &operator_, 4, 2, NULL), 0);
    assert_string_equal(fake_job(f, 4)->status, "queued, 1st");
    assert_int_equal(core_job_state_change(f->c, &operator_, 5, 4, NULL), 0);
    assert_int_equal(fake_job(f, 5)->state, VR_JOB_TERMINATED);
    fake_free(f);
}

/* What makes a new replica waits for what keeps one current, and never keeps it waiting. */
static void test_initial_replication_waits(void **state)
{
    struct fake *f = many(6, VR_REL_RESYNC_REQUIRED);
    struct vr_job job = {.type = VR_JOBTYPE_INITIAL, .state = VR_JOB_STARTING};
    for (uint8_t i = 1; i <= 4; i++) {
        job.id = i;
        job.uuid = job.vm_id = uuid_of(i);
        f->rels[i - 1].state = VR_REL_INITIAL;
        f->jobs[f->njobs++] = job;
    }
    fake_restart(f);
    assert_int_equal(f->starts, 2);
    assert_int_equal(fake_job(f, 2)->state, VR_JOB_RUNNING);
    assert_string_equal(fake_job(f, 3)->status, "queued, 1st");
    /* both places are held by first transfers: one more for what may not wait for days */
    assert_int_equal(resync(f, 5), 5);
    assert_int_equal(fake_job(f, 5)->state, VR_JOB_RUNNING);
    assert_int_equal(resync(f, 6), 6);
    assert_string_equal(fake_job(f, 6)->status, "queued, 1st");
    assert_string_equal(fake_job(f, 3)->status, "queued, 2nd");
    assert_int_equal(f->starts, 3);
    fake_end_done(f, 1, uuid_of(0x50)); /* two places are held still */
    assert_int_equal(f->starts, 3);
    fake_end_done(f, 5, uuid_of(0x51));
    assert_int_equal(fake_job(f, 6)->state, VR_JOB_RUNNING);
    assert_int_equal(f->starts, 4);
    assert_string_equal(fake_job(f, 3)->status, "queued, 1st");
    fake_free(f);
}

/* A job that lost its link lines up anew. */
static void test_turns(void **state)
{
    struct fake *f = many(4, VR_REL_RESYNC_REQUIRED);
    for (uint8_t i = 1; i <= 4; i++) {
        resync(f, i);
    }
    fake_end(f, 1, -VR_E_PEER, "gone");
    assert_int_equal(fake_job(f, 3)->state, VR_JOB_RUNNING); /* it holds no place meanwhile */
    f->now += MIN;
    (void)core_tick(f->c);
    assert_string_equal(fake_job(f, 4)->status, "queued, 1st");
    assert_string_equal(fake_job(f, 1)->status, "queued, 2nd");
    fake_free(f);
}

/* A start that fails at once leaves its slot to the next. */
static void test_failed_start_frees_slot(void **state)
{
    struct fake *f = many(3, VR_REL_RESYNC_REQUIRED);
    for (uint8_t i = 1; i <= 3; i++) {
        resync(f, i);
    }
    f->start_result = -VR_E_IO;
    fake_end(f, 1, -VR_E_IO, "disk");
    assert_int_equal(fake_job(f, 3)->state, VR_JOB_EXCEPTION);
    f->start_result = 0;
    resync(f, 1);
    assert_int_equal(fake_job(f, 4)->state, VR_JOB_RUNNING);
    fake_free(f);
}

static void test_restart(void **state)
{
    struct fake *f = many(6, VR_REL_RESYNC_REQUIRED);
    for (uint8_t i = 1; i <= 4; i++) {
        resync(f, i); /* 1 and 2 run, 3 and 4 wait */
    }
    assert_int_equal(core_job_state_change(f->c, &operator_, 4, 3, NULL), 0);
    f->vm.id = uuid_of(5);
    assert_int_equal(fake_resync(f, &operator_, T0 + 60 * MIN), 4096);
    f->vm.id = uuid_of(6);
    assert_int_equal(fake_resync(f, &operator_, T0 + 60 * MIN), 4096);
    assert_int_equal(core_job_state_change(f->c, &operator_, 6, 4, NULL), 0);
    f->starts = 0;
    fake_restart(f);
    assert_int_equal(f->starts, 2);
    assert_int_equal(fake_job(f, 1)->state, VR_JOB_RUNNING);
    assert_int_equal(fake_job(f, 2)->state, VR_JOB_RUNNING);
    assert_int_equal(fake_job(f, 3)->state, VR_JOB_STARTING);
    assert_int_equal(fake_job(f, 4)->state, VR_JOB_SUSPENDED);
    assert_int_equal(fake_job(f, 5)->state, VR_JOB_NEW);
    assert_int_equal(fake_job(f, 6)->state, VR_JOB_TERMINATED);
    static const int want[] = {10, 10, 10, 11, 9, 9};
    for (uint8_t i = 1; i <= 6; i++) {
        f->vm.id = uuid_of(i);
        assert_int_equal(fake_get(f, 0)->state, want[i - 1]);
    }
    assert_int_equal(resync(f, 6), 7); /* never an id twice */
    fake_free(f);
}

/* The host stops after each save of a whole resync: what is found then is consistent. */
static void test_crash_after_every_save(void **state)
{
    unsigned k = 0, saves;
    do {
        struct fake *f = many(1, VR_REL_RESYNC_REQUIRED);
        f->fail_from = ++k;
        f->fail_count = 1000; /* from here nothing reaches the store */
        f->vm.id = uuid_of(1);
        if (fake_resync(f, &operator_, 0) == 4096) {
            struct vr_uuid proposed = uuid_of(0x11);
            core_on_proposed(f->c, 1, &proposed, NULL, f->now, VR_CONSISTENCY_FILE_SYSTEM);
            fake_end_done(f, 1, proposed);
        }
        saves = f->saves - f->injected;
        f->fail_from = 0;
        f->reply.proposed_done = f->nrels && !vr_uuid_is_nil(&f->rels[0].proposed);
        f->reply.generation.uuid = uuid_of(0x11);
        fake_restart(f);
        enum vr_rel_state s = fake_get(f, 0)->state;
        const struct vr_job *j = core_job(f->c, 1);
        bool active = j && (j->state == VR_JOB_STARTING || j->state == VR_JOB_RUNNING);
        assert_int_equal(active, s == VR_REL_RESYNCHRONIZING);
        assert_true(active || s == 3 || s == 9);
        assert_true(active || !j || vr_job_is_final(j->state));
        fake_free(f);
    } while (saves >= k - 1 && k < 20);
    assert_int_equal(k, 8); /* a whole resync saves six times, the seventh round failed none */
}

static void test_stuck_without_job(void **state)
{
    struct fake *f = many(1, VR_REL_RESYNCHRONIZING);
    fake_restart(f);
    assert_int_equal(fake_get(f, 0)->state, 9);
    assert_int_equal(f->rels[0].state, 9); /* stored too */
    fake_free(f);
}

static void test_removal(void **state)
{
    struct fake *f = many(1, VR_REL_RESYNC_REQUIRED);
    resync(f, 1);
    fake_end_done(f, 1, uuid_of(0x11));
    f->now += 5 * MIN - 1;
    assert_int_equal(core_tick(f->c), T0 + 5 * MIN);
    assert_non_null(core_job(f->c, 1));
    assert_non_null(core_job_by_uuid(f->c, &fake_job(f, 1)->uuid));
    f->now += 1;
    /* nothing is planned but the end of the window it was counted in: the newest stays */
    assert_int_equal(core_tick(f->c), vr_window_end(&f->service, T0));
    assert_non_null(core_job(f->c, 1));
    fake_restart(f);
    resync(f, 1);
    assert_int_equal(f->answer.job_id, 2); /* no id is given twice */
    f->now += 1;
    (void)core_tick(f->c);
    assert_null(core_job(f->c, 1));
    assert_int_equal(core_job_at(f->c, 0)->id, 2);
    assert_int_equal(f->njobs, 1);
    fake_free(f);
}

/* Thousands that end in the same hour are forgotten a few at a time; the rest of the VM's jobs stay
 * in order. */
static void test_many_forgotten(void **state)
{
    struct fake *f = fake_new();
    struct vr_job job = {.state = VR_JOB_COMPLETED, .finished_us = T0};
    for (uint64_t i = 1; i <= 20; i++) {
        job.id = i;
        job.uuid = uuid_of((uint8_t)(0x20 + i / 2)); /* two of each: only ids are unique here */
        job.vm_id = uuid_of((uint8_t)(i % 3));
        CHECK_OK(core_load_job(f->c, &job, NULL), NULL);
    }
    assert_int_equal(core_tick(f->c), T0 + 5 * MIN);
    f->now += 5 * MIN;
    assert_int_equal(core_tick(f->c), f->now + SEC);
    assert_int_equal(core_job_at(f->c, 0)->id, 17);
    const struct vr_uuid vm = uuid_of(2);
    const struct vr_job *first = core_vm_job(f->c, &vm, NULL);
    assert_int_equal(first->id, 17);
    for (uint8_t i = 1; i <= 20; i++) {
        const struct vr_uuid uuid = uuid_of((uint8_t)(0x20 + i / 2));
        const struct vr_job *found = core_job_by_uuid(f->c, &uuid);
        assert_int_equal(found != NULL, i >= 16);
        assert_true(!found || (found->id >= 17 && vr_uuid_eq(&found->uuid, &uuid)));
    }
    first = core_vm_job(f->c, &vm, first);
    assert_int_equal(first->id, 20);
    assert_null(core_vm_job(f->c, &vm, first));
    f->now += SEC;
    assert_int_equal(core_tick(f->c), 0);
    assert_int_equal(core_job_at(f->c, 0)->id, 20); /* the newest stays */
    assert_null(core_job_at(f->c, 1));
    fake_free(f);
}

/* The outcome could not be saved: memory knows it, the store learns it later. */
static void test_saved_later(void **state)
{
    struct fake *f = many(1, VR_REL_RESYNC_REQUIRED);
    resync(f, 1);
    f->saves = 0;
    f->fail_from = 1;
    f->fail_count = 2;
    fake_end_done(f, 1, uuid_of(0x11));
    assert_int_equal(f->injected, 2);
    assert_int_equal(fake_get(f, 0)->state, 3);
    assert_int_equal(f->rels[0].state, 10);
    assert_non_null(strstr(f->events, "save-failed"));
    core_tick(f->c);
    assert_int_equal(f->rels[0].state, 3);
    assert_int_equal(f->jobs[0].state, VR_JOB_COMPLETED);
    fake_free(f);
}

/* A start that cannot be saved waits a minute, and core_tick says so. */
static void test_start_not_saved(void **state)
{
    struct fake *f = many(1, VR_REL_RESYNC_REQUIRED);
    resync(f, 1);
    fake_end(f, 1, -VR_E_PEER, "gone");
    f->now += MIN;
    f->saves = 0;
    f->fail_from = f->fail_count = 1;
    assert_int_equal(core_tick(f->c), f->now + MIN);
    assert_int_equal(f->injected, 1);
    assert_int_equal(f->starts, 1);
    f->now += MIN;
    core_tick(f->c);
    assert_int_equal(f->starts, 2);
    fake_free(f);
}

static void test_job_verbs(void **state)
{
    struct fake *f = many(1, VR_REL_RESYNC_REQUIRED);
    struct vr_err err;
    resync(f, 1);
    assert_int_equal(core_job_state_change(f->c, &viewer, 1, 3, &err), 4);
    assert_int_equal(err.kind, VR_E_DENIED);
    assert_int_equal(core_job_state_change(f->c, &operator_, 9, 3, &err), 5);
    assert_int_equal(core_job_state_change(f->c, &operator_, 1, 6, &err), 5);
    assert_int_equal(core_job_state_change(f->c, &operator_, 1, 2, &err), 4097); /* runs */
    assert_int_equal(core_job_state_change(f->c, &operator_, 1, 4, &err), 4096);
    fake_end(f, 1, -VR_E_CANCELED, "cancelled");
    assert_int_equal(core_job_state_change(f->c, &operator_, 1, 4, &err), 4097); /* ended */
    assert_int_equal(fake_resync(f, &operator_, T0 + 60 * MIN), 4096);
    assert_int_equal(core_job_state_change(f->c, &operator_, 2, 3, &err), 4097); /* scheduled */
    assert_int_equal(core_job_state_change(f->c, &operator_, 2, 2, &err), 0);    /* now instead */
    assert_int_equal(fake_job(f, 2)->state, VR_JOB_RUNNING);
    fake_free(f);
}

static void test_limits(void **state)
{
    struct fake *f = fake_new();
    struct vr_err err = VR_ERR_INIT;
    struct vr_job job = {.state = VR_JOB_SUSPENDED, .user_suspended = true};
    for (uint64_t i = 1; i <= CORE_JOBS_MAX; i++) {
        job.id = i;
        CHECK_OK(core_load_job(f->c, &job, &err), &err);
    }
    job.id++;
    CHECK_FAILS(core_load_job(f->c, &job, &err), &err, VR_E_LIMIT, "as many jobs");
    job.id = 1;
    CHECK_FAILS(core_load_job(f->c, &job, &err), &err, VR_E_EXISTS, "twice");
    fake_rel(f, 0, true, VR_REL_RESYNC_REQUIRED);
    assert_int_equal(fake_resync(f, &operator_, 0), 32768);
    assert_int_equal(f->answer.kind, -VR_E_LIMIT);
    assert_int_equal(fake_get(f, 0)->state, 9);
    fake_free(f);
}

static void test_rel_limit(void **state)
{
    struct fake *f = fake_new();
    struct vr_err err = VR_ERR_INIT;
    struct vr_rel rel = {.is_source = true, .state = VR_REL_REPLICATING};
    for (uint32_t i = 0; i < CORE_RELS_MAX; i++) {
        rel.vm_id.b[0] = (uint8_t)i; /* not in order */
        rel.vm_id.b[1] = (uint8_t)(i >> 8);
        rel.vm_id.b[2] = 0x77;
        CHECK_OK(core_load_rel(f->c, &rel, &err), &err);
    }
    CHECK_FAILS(core_load_rel(f->c, &rel, &err), &err, VR_E_LIMIT, "relationships");
    for (size_t i = 1; i < CORE_RELS_MAX; i++) {
        assert_true(memcmp(core_rel_at(f->c, i - 1)->vm_id.b, core_rel_at(f->c, i)->vm_id.b, 16) <
                    0);
    }
    assert_null(core_rel_at(f->c, CORE_RELS_MAX));
    rel.number = 2;
    CHECK_FAILS(core_load_rel(f->c, &rel, &err), &err, VR_E_CORRUPT, "impossible");
    fake_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_queue),
        T(test_initial_replication_waits),
        T(test_turns),
        T(test_failed_start_frees_slot),
        T(test_restart),
        T(test_crash_after_every_save),
        T(test_stuck_without_job),
        T(test_removal),
        T(test_many_forgotten),
        T(test_saved_later),
        T(test_start_not_saved),
        T(test_job_verbs),
        T(test_limits),
        T(test_rel_limit),
    };
    return RUN(tests);
}
