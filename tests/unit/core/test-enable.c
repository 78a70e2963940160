/* SPDX-License-Identifier: Apache-2.0 */
/* Enable on the source, and the initial replication it starts. */
#include "fake.h"
#include "util/num.h"

static struct core_enable_args args_of(const struct fake *f)
{
    struct core_enable_args a = {.vm_id = f->vm.id, .peer = "b.example:9000"};
    return a;
}

static uint32_t enable(struct fake *f, const struct core_enable_args *a)
{
    core_enable(f->c, &admin, a, fake_done, f);
    return f->answer.code;
}

static void test_enable(void **state)
{
    struct fake *f = fake_new();
    struct core_enable_args a = args_of(f);
    a.nexcluded = 1;
    snprintf(a.excluded[0], sizeof(a.excluded[0]), "vdb");
    assert_int_equal(enable(f, &a), 4096);
    assert_int_equal(f->req.ndisks, 1);
    assert_string_equal(f->req.disks[0].path, ""); /* paths never cross the wire */
    assert_int_equal(f->req.kind, VR_TRANSFER_INITIAL);
    const struct vr_job *j = fake_job(f, f->answer.job_id);
    assert_int_equal(j->type, 94);
    assert_int_equal(j->state, VR_JOB_RUNNING);
    assert_int_equal(fake_job(f, 1)->type, 91);
    assert_int_equal(fake_job(f, 1)->state, VR_JOB_COMPLETED);
    assert_int_equal(f->started.kind, VR_TRANSFER_INITIAL);
    assert_int_equal(f->started.vm.ndisks, 1);
    assert_string_equal(fake_get(f, 0)->peer_identity, "b.example");
    assert_int_equal(fake_get(f, 0)->state, VR_REL_INITIAL);
    assert_int_equal(core_vm_mode(f->c, &f->vm.id), VR_MODE_PRIMARY);
    fake_end_done(f, j->id, uuid_of(0x11));
    assert_int_equal(fake_get(f, 0)->state, 3);
    assert_int_equal(fake_get(f, 0)->nhistory, 0);
    assert_int_equal(enable(f, &a), 32775); /* enabled already */
    fake_free(f);
}

static void test_initial_again(void **state)
{
    struct fake *f = fake_new();
    struct core_enable_args a = args_of(f);
    a.no_start = true;
    assert_int_equal(enable(f, &a), 4096);
    assert_int_equal(f->answer.job_id, 1); /* job 91 */
    assert_int_equal(fake_get(f, 0)->state, VR_REL_READY);
    assert_int_equal(fake_resync(f, &operator_, 0), 32775);
    a.no_start = false;
    a.seeded = true;
    a.start_us = T0 + 10 * MIN;
    assert_int_equal(enable(f, &a), 4096);
    assert_int_equal(fake_job(f, 3)->state, VR_JOB_NEW);
    fake_restart(f); /* a schedule survives */
    f->now = T0 + 10 * MIN;
    core_tick(f->c);
    assert_int_equal(fake_job(f, 3)->state, VR_JOB_RUNNING);
    assert_int_equal(f->started.kind, VR_TRANSFER_SEEDED);
    assert_int_equal(fake_get(f, 0)->state, VR_REL_INITIAL);
    fake_end(f, 3, -VR_E_IO, "disk");
    assert_int_equal(fake_get(f, 0)->state, VR_REL_READY);
    a.start_us = 0;
    assert_int_equal(enable(f, &a), 4096);
    assert_int_equal(fake_get(f, 0)->state, VR_REL_INITIAL);
    assert_int_equal(fake_state(f, 9), 1);
    fake_end(f, f->started.job_id, -VR_E_CANCELED, "cancelled");
    assert_int_equal(fake_get(f, 0)->state, VR_REL_READY);
    fake_free(f);
}

static void test_refusals(void **state)
{
    struct fake *f = fake_new();
    struct core_enable_args a = args_of(f);
    core_enable(f->c, &operator_, &a, fake_done, f);
    assert_int_equal(f->answer.code, 32769);
    snprintf(a.peer, sizeof(a.peer), "A.example:1");
    assert_int_equal(enable(f, &a), 32773); /* this host itself */
    snprintf(a.peer, sizeof(a.peer), "no host");
    assert_int_equal(enable(f, &a), 32773);
    a = args_of(f);
    a.nexcluded = 1;
    snprintf(a.excluded[0], sizeof(a.excluded[0]), "vdz");
    assert_int_equal(enable(f, &a), 32773);
    a.nexcluded = VR_DISKS_MAX + 1;
    assert_int_equal(enable(f, &a), 32768);
    assert_int_equal(f->answer.kind, -VR_E_LIMIT);
    a.nexcluded = 1;
    snprintf(a.excluded[0], sizeof(a.excluded[0]), "v d");
    assert_int_equal(enable(f, &a), 32773);
    a = args_of(f);
    a.start_us = T0 + 8 * 24 * 60 * MIN;
    assert_int_equal(enable(f, &a), 32773);
    a.start_us = 0;
    f->find_result = -VR_E_NOT_FOUND;
    assert_int_equal(enable(f, &a), 32773);
    f->find_result = 0;
    f->disks_result = -VR_E_NOT_FOUND;
    assert_int_equal(enable(f, &a), 32779);
    f->disks_result = 0;
    f->vm.ndisks = 0;
    assert_int_equal(enable(f, &a), 32770);
    assert_null(core_job_at(f->c, 0)); /* no job of a refused call */
    assert_int_equal(f->calls, 0);
    fake_free(f);
}

static void test_peer_refuses(void **state)
{
    static const struct {
        int result;
        uint32_t code;
    } rows[] = {
        {-VR_E_DENIED, 32768}, {-VR_E_PEER, 32777}, {-VR_E_TIMEOUT, 32772}, {-VR_E_NOSPACE, 32778}};
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        struct fake *f = fake_new();
        struct core_enable_args a = args_of(f);
        f->reply.result = rows[i].result;
        f->reply.host[0] = '\0'; /* nobody answered: it is our own side's text */
        snprintf(f->reply.text, sizeof(f->reply.text), "'b.example' port 9000: no");
        assert_int_equal(enable(f, &a), rows[i].code);
        assert_string_equal(f->answer.text, "'b.example' port 9000: no"); /* named once */
        assert_null(core_rel(f->c, &f->vm.id, 0));
        assert_int_equal(fake_job(f, 1)->state, VR_JOB_EXCEPTION);
        assert_int_equal(fake_job(f, 1)->error_code, rows[i].code);
        fake_free(f);
    }
    struct fake *f = fake_new();
    struct core_enable_args a = args_of(f);
    snprintf(f->reply.host, sizeof(f->reply.host), "a.example"); /* another name of ourselves */
    assert_int_equal(enable(f, &a), 32773);
    f->reply.result = -VR_E_INVALID; /* we were asked, and refused */
    assert_int_equal(enable(f, &a), 32773);
    assert_string_equal(f->answer.text, "'b.example:9000' is this host itself");
    fake_free(f);
}

/* Saves: job 91, relationship, (job 91), job 94, relationship. */
static void test_failed_saves(void **state)
{
    unsigned injected = 0;
    for (unsigned k = 1; k <= 5; k++) {
        struct fake *f = fake_new();
        struct core_enable_args a = args_of(f);
        f->fail_from = k;
        f->fail_count = 1;
        uint32_t code = enable(f, &a);
        injected += f->injected;
        assert_int_equal(code, k == 3 ? 4096 : 32768);
        if (k <= 2) {
            assert_null(core_rel(f->c, &f->vm.id, 0));
            assert_int_equal(f->nrels, 0);
        } else if (k >= 4) {
            assert_int_equal(fake_get(f, 0)->state, VR_REL_READY);
            assert_int_equal(f->starts, 0);
        }
        fake_free(f);
    }
    assert_int_equal(injected, 5);
}

static void test_extended(void **state)
{
    struct fake *f = fake_new();
    fake_rel(f, 0, false, VR_REL_REPLICATING);
    struct core_enable_args a = args_of(f);
    assert_int_equal(enable(f, &a), 4096);
    assert_int_equal(f->req.rel_number, 1);
    assert_int_equal(fake_get(f, 1)->state, VR_REL_INITIAL);
    assert_true(f->started.source_is_replica);
    fake_free(f);
}

/* This host lost its records: the replica's contents are not for it to overwrite. */
static void test_replica_that_is_older_than_our_records(void **state)
{
    struct fake *f = fake_new();
    struct core_enable_args a = args_of(f);
    f->reply.generation.uuid = uuid_of(0x77);
    assert_int_equal(enable(f, &a), 32771);
    assert_non_null(strstr(f->answer.text, "adopt"));
    assert_int_equal(f->starts, 0);
    assert_int_equal(fake_get(f, 0)->state, VR_REL_CRITICAL);
    assert_true(fake_get(f, 0)->needs_decision);
    assert_int_equal(fake_resync(f, &operator_, 0), 32771);
    core_adopt(f->c, &admin, &f->vm.id, -1, fake_done, f);
    assert_int_equal(f->answer.code, 0);
    assert_int_equal(fake_get(f, 0)->state, VR_REL_RESYNC_REQUIRED);
    assert_int_equal(fake_resync(f, &operator_, 0), 4096);
    assert_int_equal(f->starts, 1);
    fake_free(f);
}

/* INV-1: at most one relationship (VM, number) on a host, whatever asks for another. */
static void test_one_relationship_a_number(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct fake *f = fake_new();
    struct core_enable_args a = args_of(f);
    assert_int_equal(enable(f, &a), 4096);
    snprintf(a.peer, sizeof(a.peer), "c.example:9000");
    assert_int_not_equal(enable(f, &a), 4096);
    struct vr_rel again = *fake_get(f, 0);
    CHECK_FAILS(core_load_rel(f->c, &again, &err), &err, VR_E_EXISTS, "exists already");
    assert_string_equal(core_rel_at(f->c, 0)->peer, "b.example:9000");
    assert_null(core_rel_at(f->c, 1));
    fake_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_enable),
        T(test_initial_again),
        T(test_refusals),
        T(test_peer_refuses),
        T(test_failed_saves),
        T(test_extended),
        T(test_replica_that_is_older_than_our_records),
        T(test_one_relationship_a_number),
    };
    return RUN(tests);
}
