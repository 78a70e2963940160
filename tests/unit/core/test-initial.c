/* SPDX-License-Identifier: Apache-2.0 */
/* StartReplication on the source. */
#include "fake.h"
#include "util/num.h"

static struct core_start_args args_of(const struct fake *f, unsigned type)
{
    struct core_start_args a = {.vm_id = f->vm.id, .rel_number = -1, .type = type};
    return a;
}

static uint32_t start(struct fake *f, const struct core_start_args *a)
{
    core_start_replication(f->c, &operator_, a, fake_done, f);
    return f->answer.code;
}

static void test_network(void **state)
{
    struct fake *f = fake_new();
    fake_rel(f, 0, true, VR_REL_READY);
    struct core_start_args a = args_of(f, CORE_START_NETWORK);
    assert_int_equal(start(f, &a), 4096);
    assert_int_equal(f->req.op, VR_PEER_PREFLIGHT);
    assert_int_equal(f->req.kind, VR_TRANSFER_INITIAL);
    const struct vr_job *j = fake_job(f, f->answer.job_id);
    assert_int_equal(j->type, 94);
    assert_int_equal(j->state, VR_JOB_RUNNING);
    assert_int_equal(f->started.kind, VR_TRANSFER_INITIAL);
    assert_int_equal(fake_get(f, 0)->state, VR_REL_INITIAL);
    assert_int_equal(start(f, &a), 32775); /* it is going on */
    fake_end_done(f, j->id, uuid_of(0x11));
    assert_int_equal(fake_get(f, 0)->state, VR_REL_REPLICATING);
    assert_int_equal(start(f, &a), 32775);
    assert_int_equal(f->starts, 1);
    fake_free(f);
}

/* The job's end was stored as suspended, the relationship was not told. */
static void test_suspended_half_stored(void **state)
{
    struct fake *f = fake_new();
    fake_rel(f, 0, true, VR_REL_READY);
    struct core_start_args a = args_of(f, CORE_START_NETWORK);
    assert_int_equal(start(f, &a), 4096);
    uint64_t id = f->answer.job_id;
    fake_end(f, id, -VR_E_NOSPACE, "full");
    assert_int_equal(fake_get(f, 0)->state, VR_REL_READY);
    f->rels[0].state = VR_REL_INITIAL;
    fake_restart(f);
    assert_int_equal(fake_job(f, id)->state, VR_JOB_SUSPENDED);
    assert_int_equal(fake_get(f, 0)->state, VR_REL_READY);
    fake_free(f);
}

static void test_seeded(void **state)
{
    struct fake *f = fake_new();
    fake_rel(f, 0, true, VR_REL_READY);
    struct core_start_args a = args_of(f, CORE_START_SEEDED);
    f->reply.result = -VR_E_NOT_FOUND; /* nobody put a copy there */
    assert_int_equal(start(f, &a), 32779);
    assert_int_equal(f->req.kind, VR_TRANSFER_SEEDED);
    assert_int_equal(fake_get(f, 0)->state, VR_REL_READY);
    assert_int_equal(f->starts, 0);
    f->reply.result = 0;
    assert_int_equal(start(f, &a), 4096);
    assert_int_equal(fake_job(f, f->answer.job_id)->type, 117);
    assert_int_equal(f->started.kind, VR_TRANSFER_SEEDED);
    fake_end(f, f->answer.job_id, -VR_E_PEER, "cut"); /* goes on, as any transfer */
    assert_int_equal(fake_job(f, f->answer.job_id)->state, VR_JOB_STARTING);
    fake_restart(f);
    assert_int_equal(f->starts, 2);
    assert_int_equal(f->started.kind, VR_TRANSFER_SEEDED);
    fake_free(f);
}

static void test_scheduled(void **state)
{
    struct fake *f = fake_new();
    fake_rel(f, 0, true, VR_REL_READY);
    struct core_start_args a = args_of(f, CORE_START_SEEDED);
    a.start_us = T0 + 10 * MIN;
    assert_int_equal(start(f, &a), 4096);
    assert_int_equal(f->calls, 0); /* the peer is asked when it is due */
    uint64_t first = f->answer.job_id;
    assert_int_equal(fake_job(f, first)->state, VR_JOB_NEW);
    assert_int_equal(fake_get(f, 0)->state, VR_REL_READY);
    a.start_us = T0 + 20 * MIN;
    assert_int_equal(start(f, &a), 4096);
    assert_int_equal(fake_job(f, first)->state, VR_JOB_TERMINATED);
    uint64_t second = f->answer.job_id;
    fake_restart(f);
    f->now = T0 + 20 * MIN;
    core_tick(f->c);
    assert_int_equal(f->req.kind, VR_TRANSFER_SEEDED);
    assert_int_equal(fake_job(f, second)->state, VR_JOB_RUNNING);
    fake_free(f);
}

static void test_due_without_a_copy(void **state)
{
    struct fake *f = fake_new();
    fake_rel(f, 0, true, VR_REL_READY);
    struct core_start_args a = args_of(f, CORE_START_SEEDED);
    a.start_us = T0 + 10 * MIN;
    assert_int_equal(start(f, &a), 4096);
    f->reply.result = -VR_E_NOT_FOUND;
    f->now = T0 + 10 * MIN;
    core_tick(f->c);
    assert_int_equal(fake_job(f, f->answer.job_id)->state, VR_JOB_EXCEPTION);
    assert_int_equal(fake_job(f, f->answer.job_id)->error_code, 32779);
    assert_int_equal(fake_get(f, 0)->state, VR_REL_READY);
    fake_free(f);
}

/* While the peer was asked, another start came first. */
static void test_asked_twice(void **state)
{
    struct fake *f = fake_new();
    fake_rel(f, 0, true, VR_REL_READY);
    struct core_start_args a = args_of(f, CORE_START_NETWORK);
    f->hold_replies = true;
    core_start_replication(f->c, &operator_, &a, fake_done, f);
    assert_int_equal(f->answers, 0);
    assert_int_equal(start(f, &a), 32774);
    f->answers = 0;
    fake_reply(f);
    assert_int_equal(f->answers, 1);
    assert_int_equal(f->answer.code, 4096);
    fake_free(f);
}

static void test_refusals(void **state)
{
    struct fake *f = fake_new();
    struct core_start_args a = args_of(f, CORE_START_NETWORK);
    assert_int_equal(start(f, &a), 32775); /* not enabled */
    fake_rel(f, 0, true, VR_REL_READY);
    core_start_replication(f->c, &viewer, &a, fake_done, f);
    assert_int_equal(f->answer.code, 32769);
    for (unsigned type = 0; type < 6; type += type == 0 ? 4 : 1) {
        a = args_of(f, type);
        assert_int_equal(start(f, &a), 32773);
    }
    a = args_of(f, CORE_START_NETWORK);
    a.rel_number = 2;
    assert_int_equal(start(f, &a), 32773);
    a.rel_number = 1;
    assert_int_equal(start(f, &a), 32775);
    a.rel_number = -1;
    a.start_us = T0 - 10 * MIN;
    assert_int_equal(start(f, &a), 32773);
    a.start_us = T0 + 8 * 24 * 60 * MIN;
    assert_int_equal(start(f, &a), 32773);
    a.start_us = 0;
    f->find_result = -VR_E_NOT_FOUND;
    assert_int_equal(start(f, &a), 32773);
    f->find_result = 0;
    f->disks_result = -VR_E_BUSY;
    assert_int_equal(start(f, &a), 32774);
    f->disks_result = 0;
    f->reply.result = -VR_E_PEER;
    assert_int_equal(start(f, &a), 32777);
    assert_null(core_job_at(f->c, 0)); /* no job of a refused call */
    assert_int_equal(fake_get(f, 0)->state, VR_REL_READY);
    fake_free(f);
}

/* Only state 1 can be started. */
static void test_states(void **state)
{
    for (int s = VR_REL_READY; s <= VR_REL_RESYNC_SUSPENDED; s++) {
        struct fake *f = fake_new();
        fake_rel(f, 0, true, (enum vr_rel_state)s);
        fake_restart(f); /* which frees a state that no job explains */
        bool ready = fake_get(f, 0)->state == VR_REL_READY;
        struct core_start_args a = args_of(f, CORE_START_NETWORK);
        assert_int_equal(start(f, &a), ready ? 4096 : 32775);
        fake_free(f);
    }
}

/* On a replica's host it is the extended relationship. */
static void test_extended(void **state)
{
    struct fake *f = fake_new();
    fake_rel(f, 0, false, VR_REL_REPLICATING);
    struct core_start_args a = args_of(f, CORE_START_NETWORK);
    assert_int_equal(start(f, &a), 32775);
    fake_rel(f, 1, true, VR_REL_READY);
    assert_int_equal(start(f, &a), 4096);
    assert_int_equal(f->req.rel_number, 1);
    assert_true(f->started.source_is_replica);
    fake_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_network),
        T(test_suspended_half_stored),
        T(test_seeded),
        T(test_scheduled),
        T(test_due_without_a_copy),
        T(test_asked_twice),
        T(test_refusals),
        T(test_states),
        T(test_extended),
    };
    return RUN(tests);
}
