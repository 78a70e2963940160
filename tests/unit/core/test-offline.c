/* SPDX-License-Identifier: Apache-2.0 */
/* Export on the source, import on the replica's host, and how the two find together. */
#include "fake.h"
#include "util/num.h"

static uint32_t export(struct fake *f, const struct core_caller *who, const char *location)
{
    struct core_start_args a = {
        .vm_id = f->vm.id, .rel_number = -1, .type = CORE_START_EXPORT, .start_us = 1};
    snprintf(a.location, sizeof(a.location), "%s", location);
    core_start_replication(f->c, who, &a, fake_done, f);
    return f->answer.code;
}

static uint32_t import(struct fake *f, const struct core_caller *who, const char *location)
{
    struct core_import_args a = {.vm_id = f->vm.id};
    snprintf(a.location, sizeof(a.location), "%s", location);
    core_import_initial(f->c, who, &a, fake_done, f);
    return f->answer.code;
}

static void end(struct fake *f, int result, struct vr_uuid generation)
{
    struct core_transfer_result res = {.result = result};
    res.generation.uuid = generation;
    res.report.instant_us = T0;
    if (result < 0) {
        (void)vr_fail(&res.err, (enum vr_err_kind) - result, "because");
    }
    core_on_transfer_end(f->c, f->offline.job_id, &res);
}

/* Exported as generation 0x55. */
static struct fake *exported(void)
{
    struct fake *f = fake_new();
    struct vr_uuid u = uuid_of(0x55);
    fake_rel(f, 0, true, VR_REL_READY);
    assert_int_equal(export(f, &admin, "/mnt/disk"), 4096);
    core_on_proposed(f->c, f->offline.job_id, &u, NULL, f->now, VR_CONSISTENCY_FILE_SYSTEM);
    end(f, 0, (struct vr_uuid){{0}});
    return f;
}

static void test_export(void **state)
{
    struct fake *f = fake_new();
    struct vr_uuid u = uuid_of(0x55);
    fake_rel(f, 0, true, VR_REL_READY);
    assert_int_equal(export(f, &admin, "/mnt/disk"), 4096); /* a start time counts for nothing */
    assert_int_equal(f->calls, 0);                          /* nobody is asked */
    const struct vr_job *j = fake_job(f, f->answer.job_id);
    assert_int_equal(j->type, 118);
    assert_int_equal(j->state, VR_JOB_RUNNING);
    assert_string_equal(f->offline.location, "/mnt/disk");
    assert_false(f->offline.import);
    assert_int_equal(fake_get(f, 0)->state, VR_REL_INITIAL);
    assert_int_equal(export(f, &admin, "/mnt/disk"), 32775);
    assert_int_equal(fake_resync(f, &operator_, 0), 32775);
    assert_int_equal(fake_state(f, 7), 32775); /* cannot be paused */
    core_on_proposed(f->c, j->id, &u, NULL, f->now, VR_CONSISTENCY_FILE_SYSTEM);
    assert_true(vr_uuid_eq(&fake_get(f, 0)->proposed, &u)); /* before it is whole */
    assert_non_null(strstr(f->log, "proposed_saved"));
    end(f, 0, (struct vr_uuid){{0}});
    assert_int_equal(fake_job(f, f->offline.job_id)->state, VR_JOB_COMPLETED);
    assert_int_equal(fake_get(f, 0)->state, VR_REL_INITIAL);
    assert_true(fake_get(f, 0)->exported);
    fake_free(f);
}

static void test_export_refusals(void **state)
{
    struct fake *f = fake_new();
    assert_int_equal(export(f, &admin, "/mnt"), 32775);
    fake_rel(f, 0, true, VR_REL_READY);
    assert_int_equal(export(f, &operator_, "/mnt"), 32769);
    assert_int_equal(export(f, &admin, ""), 32773);
    assert_int_equal(export(f, &admin, "mnt"), 32773);
    f->offline_result = -VR_E_NOT_FOUND;
    assert_int_equal(export(f, &admin, "/mnt"), 32779);
    f->offline_result = -VR_E_NOSPACE;
    assert_int_equal(export(f, &admin, "/mnt"), 32778);
    assert_null(core_job_at(f->c, 0));
    f->offline_result = 0;
    f->start_result = -VR_E_LIMIT;
    assert_int_equal(export(f, &admin, "/mnt"), 32768);
    assert_int_equal(fake_get(f, 0)->state, VR_REL_READY);
    fake_free(f);
}

static void test_export_fails_or_is_cancelled(void **state)
{
    struct fake *f = fake_new();
    fake_rel(f, 0, true, VR_REL_READY);
    assert_int_equal(export(f, &admin, "/mnt"), 4096);
    end(f, -VR_E_NOSPACE, (struct vr_uuid){{0}});
    assert_int_equal(fake_job(f, f->offline.job_id)->state, VR_JOB_EXCEPTION);
    assert_int_equal(fake_job(f, f->offline.job_id)->error_code, 32778);
    assert_int_equal(fake_get(f, 0)->state, VR_REL_READY);
    assert_int_equal(export(f, &admin, "/mnt"), 4096);
    f->answers = 0;
    core_state_change(f->c, &operator_, &f->vm.id, -1, 9, fake_done, f);
    assert_int_equal(f->answers, 0); /* when it has obeyed */
    end(f, -VR_E_CANCELED, (struct vr_uuid){{0}});
    assert_int_equal(f->answers, 1);
    assert_int_equal(f->answer.code, 0);
    assert_int_equal(fake_job(f, f->offline.job_id)->state, VR_JOB_TERMINATED);
    assert_int_equal(fake_get(f, 0)->state, VR_REL_READY);
    fake_free(f);
}

static void test_found_again(void **state)
{
    struct fake *f = exported();
    assert_int_equal(fake_resync(f, &operator_, 0), 32775); /* the replica holds nothing yet */
    assert_non_null(strstr(f->answer.text, "not imported"));
    assert_int_equal(fake_get(f, 0)->state, VR_REL_INITIAL);
    fake_restart(f);
    assert_true(fake_get(f, 0)->exported);
    f->reply.generation.uuid = uuid_of(0x55);
    f->reply.proposed_done = true;
    assert_int_equal(fake_resync(f, &operator_, 0), 4096);
    assert_int_equal(f->started.kind, VR_TRANSFER_RESYNC);
    assert_int_equal(fake_get(f, 0)->state, VR_REL_RESYNCHRONIZING);
    assert_false(fake_get(f, 0)->exported);
    assert_true(vr_uuid_eq(&fake_get(f, 0)->generation.uuid, &f->reply.generation.uuid));
    fake_end_done(f, f->started.job_id, uuid_of(0x66));
    assert_int_equal(fake_get(f, 0)->state, VR_REL_REPLICATING);
    fake_free(f);
}

/* The host stops when a due resynchronization of it has begun to ask whether it was imported. */
static void test_interrupted_question(void **state)
{
    struct fake *f = exported();
    assert_int_equal(fake_resync(f, &operator_, f->now + MIN), 4096);
    uint64_t id = f->answer.job_id;
    f->hold_replies = true;
    f->now += MIN;
    core_tick(f->c);
    assert_int_equal(fake_job(f, id)->state, VR_JOB_STARTING);
    f->hold_replies = false;
    fake_restart(f);
    assert_int_equal(fake_job(f, id)->state, VR_JOB_EXCEPTION);
    assert_string_equal(fake_job(f, id)->error_text, "interrupted by a restart; please repeat it");
    assert_int_equal(fake_get(f, 0)->state, VR_REL_INITIAL);
    assert_true(fake_get(f, 0)->exported);
    f->reply.generation.uuid = uuid_of(0x55);
    f->reply.proposed_done = true;
    assert_int_equal(fake_resync(f, &operator_, 0), 4096);
    assert_int_equal(fake_get(f, 0)->state, VR_REL_RESYNCHRONIZING);
    fake_free(f);
}

/* Given up: the relationship can be started otherwise. */
static void test_given_up(void **state)
{
    struct fake *f = exported();
    assert_int_equal(fake_state(f, 7), 32775);
    assert_int_equal(fake_state(f, 9), 0);
    assert_int_equal(fake_get(f, 0)->state, VR_REL_READY);
    assert_false(fake_get(f, 0)->exported);
    assert_int_equal(export(f, &admin, "/mnt/other"), 4096);
    fake_free(f);
}

/* Exported once more, but the first export is what the replica imported. */
static void test_older_export(void **state)
{
    struct fake *f = exported();
    struct vr_uuid u = uuid_of(0x56);
    struct core_start_args a = {.vm_id = f->vm.id, .rel_number = -1, .type = CORE_START_NETWORK};
    assert_int_equal(fake_state(f, 9), 0);
    assert_int_equal(export(f, &admin, "/mnt/other"), 4096);
    core_on_proposed(f->c, f->offline.job_id, &u, NULL, f->now, VR_CONSISTENCY_FILE_SYSTEM);
    end(f, -VR_E_IO, (struct vr_uuid){{0}});
    assert_int_equal(fake_get(f, 0)->state, VR_REL_READY);
    f->reply.generation.uuid = uuid_of(0x55);
    core_start_replication(f->c, &operator_, &a, fake_done, f);
    assert_int_equal(f->answer.code, 4096);
    assert_int_equal(f->started.kind, VR_TRANSFER_SEEDED); /* not one that needs an empty replica */
    fake_free(f);
}

/* Given up and started over the network, imported all the same while that runs: what the replica
 * holds then is older than what the transfer was asked for. */
static void test_imported_during_a_transfer(void **state)
{
    for (int restart = 0; restart < 2; restart++) {
        struct fake *f = exported();
        struct core_start_args a = {
            .vm_id = f->vm.id, .rel_number = -1, .type = CORE_START_NETWORK};
        assert_int_equal(fake_state(f, 9), 0);
        core_start_replication(f->c, &operator_, &a, fake_done, f);
        assert_int_equal(f->answer.code, 4096);
        uint64_t id = f->answer.job_id;
        int starts = f->starts;
        struct core_transfer_result res = {.result = -VR_E_PEER,
                                           .generation = {.uuid = uuid_of(0x55)}};
        f->reply.generation.uuid = uuid_of(0x55);
        f->reply.proposed_done = true;
        if (restart) {
            fake_restart(f);
        } else {
            core_on_transfer_end(f->c, id, &res);
            assert_int_not_equal(fake_job(f, id)->state, VR_JOB_COMPLETED);
            f->now += 3600 * 1000000ull;
            core_tick(f->c);
        }
        assert_int_equal(f->starts, starts + 1);
        assert_int_equal(fake_job(f, id)->state, VR_JOB_RUNNING);
        assert_true(vr_uuid_is_nil(&fake_get(f, 0)->proposed));
        assert_true(vr_uuid_eq(&fake_get(f, 0)->generation.uuid, &f->reply.generation.uuid));
        fake_free(f);
    }
}

static void test_restart_during_export(void **state)
{
    struct fake *f = fake_new();
    struct vr_uuid u = uuid_of(0x55);
    fake_rel(f, 0, true, VR_REL_READY);
    assert_int_equal(export(f, &admin, "/mnt"), 4096);
    uint64_t id = f->answer.job_id;
    core_on_proposed(f->c, id, &u, NULL, f->now, VR_CONSISTENCY_FILE_SYSTEM);
    fake_restart(f);
    assert_int_equal(fake_job(f, id)->state, VR_JOB_EXCEPTION);
    assert_non_null(strstr(fake_job(f, id)->error_text, "repeat"));
    assert_int_equal(fake_get(f, 0)->state, VR_REL_READY);
    assert_true(vr_uuid_eq(&fake_get(f, 0)->proposed, &u)); /* it may have been whole */
    fake_free(f);
}

static void test_import(void **state)
{
    struct fake *f = fake_new();
    assert_int_equal(import(f, &admin, "/mnt"), 32775);
    fake_rel(f, 0, false, VR_REL_INITIAL);
    assert_int_equal(import(f, &operator_, "/mnt"), 32769);
    assert_int_equal(import(f, &admin, "mnt"), 32773);
    f->offline_result = -VR_E_NOT_FOUND;
    assert_int_equal(import(f, &admin, "/mnt"), 32779);
    assert_null(core_job_at(f->c, 0));
    f->offline_result = 0;
    assert_int_equal(import(f, &admin, "/mnt"), 4096);
    assert_true(f->offline.import);
    assert_int_equal(fake_job(f, f->answer.job_id)->type, 95);
    uint64_t id = f->answer.job_id;
    assert_int_equal(import(f, &admin, "/mnt"), 32774);
    end(f, -VR_E_CORRUPT, (struct vr_uuid){{0}});
    assert_int_equal(fake_job(f, id)->state, VR_JOB_EXCEPTION);
    assert_int_equal(fake_job(f, id)->error_kind, VR_E_CORRUPT);
    assert_int_equal(fake_get(f, 0)->state, VR_REL_INITIAL);
    assert_int_equal(import(f, &admin, "/mnt"), 4096);
    end(f, 0, uuid_of(0x55));
    assert_int_equal(fake_get(f, 0)->state, VR_REL_REPLICATING);
    assert_int_equal(import(f, &admin, "/mnt"), 32775);
    fake_free(f);
}

static void test_restart_during_import(void **state)
{
    for (int done = 0; done < 2; done++) {
        struct fake *f = fake_new();
        fake_rel(f, 0, false, VR_REL_INITIAL);
        f->rels[0].generation = (struct vr_generation){0};
        fake_restart(f);
        assert_int_equal(import(f, &admin, "/mnt"), 4096);
        uint64_t id = f->answer.job_id;
        f->replica_generation.uuid = done ? uuid_of(0x55) : (struct vr_uuid){{0}};
        f->replica_consistency = VR_CONSISTENCY_CRASH;
        fake_restart(f);
        assert_int_equal(fake_job(f, id)->state, done ? VR_JOB_COMPLETED : VR_JOB_EXCEPTION);
        assert_int_equal(fake_get(f, 0)->state, done ? VR_REL_REPLICATING : VR_REL_INITIAL);
        assert_int_equal(fake_get(f, 0)->consistency, done ? VR_CONSISTENCY_CRASH : 0);
        fake_free(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_export),
        T(test_export_refusals),
        T(test_export_fails_or_is_cancelled),
        T(test_found_again),
        T(test_interrupted_question),
        T(test_given_up),
        T(test_older_export),
        T(test_imported_during_a_transfer),
        T(test_restart_during_export),
        T(test_import),
        T(test_restart_during_import),
    };
    return RUN(tests);
}
