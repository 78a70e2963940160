/* SPDX-License-Identifier: Apache-2.0 */
/* Relationships made, changed and removed as jobs: what is refused, how they end, and what a crash
 * at any save leaves. */
#include "core/change.h"
#include "fake.h"
#include "util/num.h"

#define F(name) (1u << VR_SETTING_##name)

static struct fake *in_state(enum vr_rel_state s, bool source)
{
    struct fake *f = fake_new();
    fake_rel(f, 0, source, s);
    return f;
}

static uint32_t create(struct fake *f)
{
    struct core_enable_args a = {.vm_id = f->vm.id,
                                 .peer = "b.example:9000",
                                 .no_start = true,
                                 .background = true,
                                 .setting = {.fields = F(INTERVAL), .to.interval_s = 900}};
    unsigned before = f->answers;
    core_enable(f->c, &admin, &a, fake_done, f);
    assert_int_equal(f->answers, before + 1);
    return f->answer.code;
}

static uint32_t modify(struct fake *f, const struct core_modify_args *a)
{
    unsigned before = f->answers;
    core_modify(f->c, &admin, a, fake_done, f);
    assert_int_equal(f->answers, before + 1);
    return f->answer.code;
}

static uint32_t forget(struct fake *f, uint8_t number)
{
    unsigned before = f->answers;
    core_remove(f->c, &admin, &f->vm.id, number, fake_done, f);
    assert_int_equal(f->answers, before + 1);
    return f->answer.code;
}

/* --- 91 --- */

static void test_create(void **state)
{
    struct fake *f = fake_new();
    f->hold_replies = true;
    assert_int_equal(create(f), 4096);
    assert_int_equal(fake_job(f, f->answer.job_id)->type, 91);
    assert_int_equal(fake_job(f, 1)->state, VR_JOB_RUNNING);
    assert_null(core_rel(f->c, &f->vm.id, 0));
    assert_int_equal(create(f), 32774);
    fake_reply(f);
    assert_int_equal(fake_job(f, 1)->state, VR_JOB_COMPLETED);
    assert_int_equal(fake_get(f, 0)->state, VR_REL_READY);
    assert_int_equal(f->rels[0].setting.interval_s, 900);
    assert_true(f->rels[0].setting.compression);
    assert_int_equal(f->starts, 0);
    f->hold_replies = false; /* enabled by hand, it keeps its settings */
    struct core_enable_args a = {.vm_id = f->vm.id, .peer = "b.example:9000"};
    core_enable(f->c, &admin, &a, fake_done, f);
    assert_int_equal(f->answer.code, 4096);
    assert_int_equal(f->starts, 1);
    assert_int_equal(f->rels[0].setting.interval_s, 900);
    fake_free(f);
}

/* What goes wrong later is the job's end, not the answer. */
static void test_create_fails_later(void **state)
{
    struct fake *f = fake_new();
    f->reply.result = -VR_E_DENIED;
    snprintf(f->reply.text, sizeof(f->reply.text), "a.example may not replicate here");
    assert_int_equal(create(f), 4096);
    const struct vr_job *j = fake_job(f, 1);
    assert_int_equal(j->state, VR_JOB_EXCEPTION);
    assert_int_equal(j->error_code, VR_RC_FAILED);
    assert_non_null(strstr(j->error_text, "may not replicate here"));
    assert_null(core_rel(f->c, &f->vm.id, 0));
    fake_free(f);
}

static void test_create_refused(void **state)
{
    struct fake *f = fake_new();
    struct core_enable_args a = {.vm_id = f->vm.id, .peer = "b.example", .background = true};
    a.no_start = true;
    a.setting = (struct vr_setting_change){.fields = F(HISTORY), .recovery_history = 4};
    core_enable(f->c, &admin, &a, fake_done, f);
    assert_int_equal(f->answer.code, 32770);
    a.setting = (struct vr_setting_change){.fields = F(INTERVAL), .to.interval_s = 29};
    core_enable(f->c, &admin, &a, fake_done, f);
    assert_int_equal(f->answer.code, 32773);
    assert_null(core_job_at(f->c, 0));
    assert_int_equal(f->saves, 0);
    fake_free(f);
}

/* --- 92 --- */

static void test_modify(void **state)
{
    struct fake *f = in_state(VR_REL_REPLICATING, true);
    struct core_modify_args a = {
        .vm_id = f->vm.id, .setting = {.fields = F(COMPRESSION)}, .peer = "B.example:9001"};
    fake_resync(f, &operator_, 0); /* a running transfer is in nobody's way */
    assert_int_equal(modify(f, &a), 4096);
    const struct vr_job *j = fake_job(f, f->answer.job_id);
    assert_int_equal(j->type, 92);
    assert_int_equal(j->state, VR_JOB_COMPLETED);
    assert_false(f->rels[0].setting.compression);
    assert_string_equal(f->rels[0].peer, "B.example:9001");
    assert_int_equal(fake_get(f, 0)->state, VR_REL_RESYNCHRONIZING);
    fake_free(f);
}

static void test_modify_refused(void **state)
{
    static const struct {
        struct core_modify_args a;
        uint32_t code;
    } rows[] = {
        {{.setting = {.fields = F(HISTORY), .recovery_history = 1}}, 32770},
        {{.setting = {.fields = F(INTERVAL), .to.interval_s = 1}}, 32773},
        {{.peer = "c.example"}, 32773},
        {{.peer = "no host"}, 32773},
        {{.number = 1}, 32775},
    };
    struct fake *f = in_state(VR_REL_REPLICATING, true);
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        struct core_modify_args a = rows[i].a;
        a.vm_id = f->vm.id;
        assert_int_equal(modify(f, &a), rows[i].code);
    }
    struct core_modify_args fine = {.vm_id = f->vm.id};
    core_modify(f->c, &operator_, &fine, fake_done, f);
    assert_int_equal(f->answer.code, 32769);
    assert_int_equal(f->saves, 0);
    f->fail_from = 2; /* the job is stored, the settings are not: neither is */
    f->fail_count = 1;
    fine.setting.fields = F(COMPRESSION);
    fine.setting.to.compression = true;
    assert_int_equal(modify(f, &fine), 32768);
    assert_int_equal(f->injected, 1);
    assert_int_equal(f->njobs, 0);
    assert_null(core_job_at(f->c, 0));
    assert_false(fake_get(f, 0)->setting.compression);
    fake_free(f);
    f = in_state(VR_REL_REPLICATING, false);
    fine.vm_id = f->vm.id;
    assert_int_equal(modify(f, &fine), 32775);
    fake_free(f);
}

/* --- 93 --- */

static void test_remove(void **state)
{
    struct fake *f = in_state(VR_REL_REPLICATING, true);
    f->hold_replies = true;
    assert_int_equal(forget(f, 0), 4096);
    assert_int_equal(fake_job(f, 1)->type, 93);
    assert_int_equal(fake_job(f, 1)->state, VR_JOB_RUNNING);
    assert_int_equal(f->nrels, 0);
    assert_int_equal(create(f), 32774); /* not before the peer was told */
    fake_reply(f);
    assert_int_equal(fake_job(f, 1)->state, VR_JOB_COMPLETED);
    assert_string_equal(fake_job(f, 1)->status, "completed");
    assert_int_equal(forget(f, 0), 32775);
    fake_free(f);
    f = in_state(VR_REL_REPLICATING, true);
    f->reply.result = -VR_E_PEER;
    assert_int_equal(forget(f, 0), 4096);
    assert_int_equal(fake_job(f, 1)->state, VR_JOB_COMPLETED);
    assert_non_null(strstr(fake_job(f, 1)->status, "could not be told"));
    fake_free(f);
}

static void test_remove_what_is_busy(void **state)
{
    struct fake *f = in_state(VR_REL_RESYNC_REQUIRED, true);
    fake_resync(f, &operator_, 0);
    assert_int_equal(forget(f, 0), 32774);
    assert_int_equal(f->nrels, 1);
    fake_end_done(f, 1, uuid_of(0x11));
    fake_resync(f, &operator_, T0 + 60 * MIN);
    assert_int_equal(fake_job(f, 2)->state, VR_JOB_NEW);
    assert_int_equal(forget(f, 0), 4096); /* what only waits ends with it */
    assert_int_equal(fake_job(f, 2)->state, VR_JOB_TERMINATED);
    assert_int_equal(fake_job(f, 3)->state, VR_JOB_COMPLETED);
    fake_free(f);
}

static void test_remove_a_replica(void **state)
{
    struct fake *f = in_state(VR_REL_REPLICATING, false);
    fake_rel(f, 1, true, VR_REL_REPLICATING);
    assert_int_equal(forget(f, 0), 32775); /* replicated further */
    assert_non_null(strstr(f->answer.text, "first"));
    assert_int_equal(forget(f, 1), 4096);
    f->log[0] = '\0';
    assert_int_equal(forget(f, 0), 4096);
    assert_string_equal(f->log, "save_job 2;end_sessions 0;release 0;delete_rel 0;save_job 2;");
    assert_int_equal(f->nrels, 0);
    f->replica_vm_result = -VR_E_CORRUPT; /* its images are gone: the record can still go */
    fake_rel(f, 0, false, VR_REL_REPLICATING);
    assert_int_equal(forget(f, 0), 4096);
    assert_int_equal(f->nrels, 0);
    fake_free(f);
}

/* --- crashes --- */

static void crash_at(struct fake *f, unsigned save)
{
    f->fail_from = f->saves + save;
    f->fail_count = 1000;
}

static void come_back(struct fake *f)
{
    f->fail_from = 0;
    f->hold_replies = false;
    fake_restart(f);
    for (size_t i = 0; core_job_at(f->c, i); i++) {
        assert_true(vr_job_is_final(core_job_at(f->c, i)->state));
    }
}

static void test_crashes(void **state)
{
    unsigned injected = 0;
    for (unsigned save = 1; save <= 4; save++) {
        struct fake *f = fake_new();
        crash_at(f, save);
        (void)create(f);
        injected += f->injected > 0;
        come_back(f);
        bool there = core_rel(f->c, &f->vm.id, 0) != NULL;
        const struct vr_job *j = core_job(f->c, 1);
        assert_true(!j || (j->state == VR_JOB_COMPLETED) == there);
        fake_free(f);
        f = in_state(VR_REL_REPLICATING, true);
        crash_at(f, save);
        (void)forget(f, 0);
        injected += f->injected > 0;
        come_back(f);
        there = core_rel(f->c, &f->vm.id, 0) != NULL;
        j = core_job(f->c, 1);
        assert_true(!j || (j->state == VR_JOB_COMPLETED) == !there);
        fake_free(f);
    }
    assert_true(injected >= 6);
}

static void test_modify_interrupted(void **state)
{
    struct fake *f = in_state(VR_REL_REPLICATING, true);
    struct core_modify_args a = {.vm_id = f->vm.id};
    assert_int_equal(modify(f, &a), 4096);
    f->jobs[0].state = VR_JOB_RUNNING; /* its last save is missing */
    come_back(f);
    assert_int_equal(fake_job(f, 1)->state, VR_JOB_EXCEPTION);
    assert_non_null(strstr(fake_job(f, 1)->error_text, "look at the settings"));
    fake_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create),
        cmocka_unit_test(test_create_fails_later),
        cmocka_unit_test(test_create_refused),
        cmocka_unit_test(test_modify),
        cmocka_unit_test(test_modify_refused),
        cmocka_unit_test(test_remove),
        cmocka_unit_test(test_remove_what_is_busy),
        cmocka_unit_test(test_remove_a_replica),
        cmocka_unit_test(test_crashes),
        cmocka_unit_test(test_modify_interrupted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
