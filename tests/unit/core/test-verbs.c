/* SPDX-License-Identifier: Apache-2.0 */
/* State changes, verify, failover, adopt, disable, bandwidth, authorization, connection test. */
#include "fake.h"
#include "util/num.h"

static struct fake *in_state(enum vr_rel_state s, bool source)
{
    struct fake *f = fake_new();
    fake_rel(f, 0, source, s);
    return f;
}

/* requested x state without a job: only 3 -> 7 and 7 -> 3 are possible. */
static void test_state_table(void **state)
{
    static const uint16_t requests[] = {1, 2, 3, 7, 9};
    for (size_t k = 0; k < VR_COUNT(requests); k++) {
        for (int s = 0; s <= 11; s++) {
            struct fake *f = in_state((enum vr_rel_state)s, true);
            bool may = (requests[k] == 7 && s == 3) || (requests[k] == 3 && s == 7);
            bool table = (requests[k] == 7 && (s == 10 || s == 2)) || (requests[k] == 3 && s == 11);
            uint32_t code = fake_state(f, requests[k]);
            if (!table && code != (may ? 0u : 32775u)) {
                fail_msg("request %u in state %d: %u", requests[k], s, code);
            }
            if (!table && !may) {
                assert_int_equal(fake_get(f, 0)->state, s);
                assert_int_equal(f->saves, 0);
            }
            fake_free(f);
        }
    }
}

static void test_state_refusals(void **state)
{
    struct fake *f = in_state(VR_REL_REPLICATING, true);
    for (unsigned r = 0; r <= 20; r++) {
        bool known = r == 1 || r == 2 || r == 3 || r == 7 || r == 9;
        if (r != 7) {
            assert_int_equal(fake_state(f, (uint16_t)r), known ? 32775 : 32773);
        }
    }
    core_state_change(f->c, &viewer, &f->vm.id, -1, 7, fake_done, f);
    assert_int_equal(f->answer.code, 32769);
    struct vr_uuid other = uuid_of(0x22);
    core_state_change(f->c, &admin, &other, -1, 7, fake_done, f);
    assert_int_equal(f->answer.code, 32775);
    f->saves = 0;
    f->fail_from = f->fail_count = 1;
    assert_int_equal(fake_state(f, 7), 32768);
    assert_int_equal(f->injected, 1);
    assert_int_equal(fake_get(f, 0)->state, 3);
    assert_int_equal(fake_state(f, 7), 0);
    assert_int_equal(fake_get(f, 0)->health, VR_HEALTH_WARNING);
    fake_free(f);
    f = in_state(VR_REL_REPLICATING, false);
    assert_int_equal(fake_state(f, 7), 32775); /* the replica's host does not decide */
    fake_free(f);
}

static void verify_end(struct fake *f, bool equal)
{
    struct core_transfer_result res = {.report = {.equal = equal}};
    core_verify(f->c, &operator_, &f->vm.id, -1, fake_done, f);
    assert_int_equal(f->answer.code, 4096);
    assert_int_equal(f->started.kind, VR_TRANSFER_VERIFY);
    assert_int_equal(fake_job(f, f->answer.job_id)->type, 113);
    uint64_t id = f->answer.job_id;
    assert_int_equal(fake_resync(f, &operator_, 0), 32774);
    core_on_transfer_end(f->c, id, &res);
    assert_int_equal(fake_job(f, id)->state, VR_JOB_COMPLETED);
}

/* The other side was failed over, or is of another branch: what looked good in state 3 is not. */
static void test_verify_meets_another_lineage(void **state)
{
    static const enum vr_rel_state states[] = {VR_REL_REPLICATING, VR_REL_SUSPENDED,
                                               VR_REL_RESYNC_REQUIRED};
    for (size_t i = 0; i < 2 * VR_COUNT(states); i++) {
        bool forecast = i % 2;
        enum vr_rel_state s = states[i / 2], then = s;
        if (s == VR_REL_REPLICATING && !forecast) {
            then = VR_REL_CRITICAL;
        }
        struct fake *f = in_state(s, true);
        struct vr_generation was = fake_get(f, 0)->generation;
        (forecast ? core_forecast : core_verify)(f->c, &operator_, &f->vm.id, -1, fake_done, f);
        uint64_t id = f->answer.job_id;
        fake_end(f, id, -VR_E_LINEAGE, "failed over");
        assert_int_equal(fake_job(f, id)->state, VR_JOB_EXCEPTION);
        assert_int_equal(fake_job(f, id)->error_kind, VR_E_LINEAGE);
        assert_int_equal(fake_get(f, 0)->state, then);
        assert_int_equal(fake_get(f, 0)->needs_decision, then == VR_REL_CRITICAL);
        assert_int_equal(fake_get(f, 0)->verify, forecast ? VR_VERIFY_NONE : VR_VERIFY_FAILED);
        assert_memory_equal(&fake_get(f, 0)->generation, &was, sizeof was);
        fake_free(f);
    }
}

static void test_verify(void **state)
{
    for (int s = 0; s <= 11; s++) {
        struct fake *f = in_state((enum vr_rel_state)s, true);
        bool may = s == 3 || s == 7 || s == 9;
        if (may) {
            verify_end(f, true);
            assert_int_equal(fake_get(f, 0)->state, s);
            assert_int_equal(fake_get(f, 0)->verify, VR_VERIFY_EQUAL);
            assert_int_equal(fake_get(f, 0)->verified_us, f->now);
            f->now += SEC;
            verify_end(f, false);
            assert_int_equal(fake_get(f, 0)->verify, VR_VERIFY_DIFFERS);
            fake_restart(f);
            assert_int_equal(fake_get(f, 0)->verified_us, f->now);
            assert_int_equal(fake_get(f, 0)->state, s == 3 ? 9 : s);
            assert_true(s != 3 || strstr(fake_get(f, 0)->reason, "verify"));
            assert_int_equal(fake_get(f, 0)->generation.uuid.b[0], 0x10);
        } else {
            core_verify(f->c, &operator_, &f->vm.id, -1, fake_done, f);
            assert_int_equal(f->answer.code, 32775);
        }
        core_verify(f->c, &viewer, &f->vm.id, -1, fake_done, f);
        assert_int_equal(f->answer.code, 32769);
        fake_free(f);
    }
}

static void test_verify_ends(void **state)
{
    struct fake *f = in_state(VR_REL_REPLICATING, true);
    core_verify(f->c, &operator_, &f->vm.id, 0, fake_done, f);
    fake_end(f, 1, -VR_E_PEER, "gone");
    assert_int_equal(fake_job(f, 1)->state, VR_JOB_STARTING);
    assert_int_equal(fake_get(f, 0)->state, 3);
    f->now += MIN;
    core_tick(f->c);
    fake_end(f, 1, -VR_E_IO, "disk");
    assert_int_equal(fake_job(f, 1)->state, VR_JOB_EXCEPTION);
    assert_int_equal(fake_get(f, 0)->state, 3);
    assert_int_equal(fake_get(f, 0)->verify, VR_VERIFY_FAILED);
    assert_int_equal(fake_get(f, 0)->verified_us, 0);
    core_verify(f->c, &operator_, &f->vm.id, 0, fake_done, f);
    fake_end(f, f->answer.job_id, -VR_E_LINEAGE, "another branch");
    assert_int_equal(fake_get(f, 0)->verify, VR_VERIFY_FAILED);
    fake_free(f);
}

/* A difference that a transfer repaired is none any more, and nobody has looked again. */
/* A forecast tells, and leaves everything as it was, whatever its sample saw. */
static void test_forecast(void **state)
{
    struct fake *f = fake_new();
    fake_rel(f, 0, true, VR_REL_RESYNC_REQUIRED);
    fake_restart(f);
    struct vr_rel before = *fake_get(f, 0);
    core_forecast(f->c, &viewer, &f->vm.id, -1, fake_done, f);
    assert_int_equal(f->answer.code, 32769);
    core_forecast(f->c, &operator_, &f->vm.id, -1, fake_done, f);
    assert_int_equal(f->answer.code, 4096);
    uint64_t id = f->answer.job_id;
    assert_int_equal(fake_job(f, id)->type, VR_JOBTYPE_FORECAST);
    assert_int_equal(f->started.kind, VR_TRANSFER_VERIFY);
    assert_true(f->started.sample);
    struct core_transfer_result res = {.report = {.job_id = id, .equal = false}};
    core_on_transfer_end(f->c, id, &res);
    assert_int_equal(fake_job(f, id)->state, VR_JOB_COMPLETED);
    assert_string_equal(fake_job(f, id)->status, "completed");
    assert_int_equal(f->reports, 1);
    assert_memory_equal(fake_get(f, 0), &before, sizeof before);
    core_forecast(f->c, &operator_, &f->vm.id, -1, fake_done, f);
    fake_end(f, f->answer.job_id, -VR_E_UNSUPPORTED, "cannot compare a sample");
    assert_int_equal(fake_job(f, f->answer.job_id)->state, VR_JOB_EXCEPTION);
    core_forecast(f->c, &operator_, &f->vm.id, -1, fake_done, f);
    fake_end(f, f->answer.job_id, -VR_E_LINEAGE, "another branch");
    assert_int_equal(fake_job(f, f->answer.job_id)->state, VR_JOB_EXCEPTION);
    assert_memory_equal(fake_get(f, 0), &before, sizeof before);
    fake_free(f);
}

static void test_verify_repaired(void **state)
{
    struct fake *f = in_state(VR_REL_REPLICATING, true);
    verify_end(f, false);
    assert_int_equal(fake_resync(f, &operator_, 0), 4096);
    fake_end_done(f, f->answer.job_id, uuid_of(0x11));
    assert_int_equal(fake_get(f, 0)->verify, VR_VERIFY_NONE);
    assert_int_equal(fake_get(f, 0)->stats.success_us, f->now);
    verify_end(f, true);
    assert_int_equal(fake_resync(f, &operator_, 0), 4096);
    fake_end_done(f, f->answer.job_id, uuid_of(0x12));
    assert_int_equal(fake_get(f, 0)->verify, VR_VERIFY_EQUAL);
    fake_free(f);
}

static void failover(struct fake *f, const struct core_caller *who, bool force)
{
    core_failover(f->c, who, &f->vm.id, force, fake_done, f);
}

static void test_failover(void **state)
{
    struct fake *f = in_state(VR_REL_REPLICATING, false);
    failover(f, &operator_, true);
    assert_int_equal(f->answer.code, 32769);
    failover(f, &admin, false);
    assert_int_equal(f->answer.code, 32773);
    assert_non_null(strstr(f->answer.text, "--force"));
    assert_string_equal(f->log, "");
    failover(f, &admin, true);
    assert_int_equal(f->answer.code, 0);
    assert_string_equal(f->log, "end_sessions 0;promote 0;save_rel 5;");
    assert_int_equal(fake_get(f, 0)->generation.epoch, 1);
    assert_non_null(strstr(fake_get(f, 0)->reason, "failed over on a.example at "));
    failover(f, &admin, true);
    assert_int_equal(f->answer.code, 32775);
    fake_free(f);
    f = in_state(VR_REL_REPLICATING, true);
    failover(f, &admin, true);
    assert_int_equal(f->answer.code, 32775); /* this is the primary */
    fake_free(f);
}

static void test_failover_of_nothing(void **state)
{
    struct fake *f = in_state(VR_REL_INITIAL, false);
    f->rels[0].generation.uuid = (struct vr_uuid){0};
    fake_restart(f);
    failover(f, &admin, true);
    assert_int_equal(f->answer.code, 32775);
    assert_string_equal(f->log, "");
    f->replica_generation.uuid = uuid_of(0x44); /* the commit outran our record */
    failover(f, &admin, true);
    assert_int_equal(f->answer.code, 0);
    fake_free(f);
}

static void test_adopt(void **state)
{
    struct fake *f = in_state(VR_REL_CRITICAL, true);
    core_adopt(f->c, &operator_, &f->vm.id, -1, fake_done, f);
    assert_int_equal(f->answer.code, 32769);
    core_adopt(f->c, &admin, &f->vm.id, -1, fake_done, f);
    assert_int_equal(f->answer.code, 32775); /* holds nothing */
    f->reply.generation = (struct vr_generation){.uuid = uuid_of(0x55), .sequence = 9};
    f->rels[0].made_from = uuid_of(0x71);
    fake_restart(f);
    core_adopt(f->c, &admin, &f->vm.id, -1, fake_done, f);
    assert_int_equal(f->answer.code, 0);
    assert_true(vr_uuid_is_nil(&fake_get(f, 0)->made_from)); /* nobody says what that was made of */
    assert_int_equal(f->req.op, VR_PEER_ADOPT);
    assert_int_equal(fake_get(f, 0)->state, 9);
    assert_int_equal(fake_get(f, 0)->generation.sequence, 9);
    assert_false(fake_get(f, 0)->needs_decision);
    core_adopt(f->c, &admin, &f->vm.id, -1, fake_done, f);
    assert_int_equal(f->answer.code, 32775); /* nothing to decide in 9 */
    fake_free(f);
}

static void test_disable(void **state)
{
    struct fake *f = in_state(VR_REL_RESYNC_REQUIRED, true);
    core_disable(f->c, &operator_, &f->vm.id, -1, fake_done, f);
    assert_int_equal(f->answer.code, 32769);
    fake_resync(f, &operator_, 0);
    core_disable(f->c, &admin, &f->vm.id, -1, fake_done, f);
    assert_int_equal(f->answer.code, 32774);
    fake_end_done(f, 1, uuid_of(0x11));
    fake_resync(f, &operator_, T0 + 60 * MIN);
    f->saves = 0;
    f->fail_from = f->fail_count = 1;
    core_disable(f->c, &admin, &f->vm.id, -1, fake_done, f);
    assert_int_equal(f->answer.code, 32768);
    assert_int_equal(f->injected, 1);
    assert_int_equal(fake_job(f, 2)->state, VR_JOB_NEW);
    f->reply.result = -VR_E_PEER; /* it is gone here whether the peer answers or not */
    core_disable(f->c, &admin, &f->vm.id, -1, fake_done, f);
    assert_int_equal(f->answer.code, 0);
    assert_non_null(strstr(f->answer.text, "could not be told"));
    assert_null(core_rel(f->c, &f->vm.id, 0));
    assert_int_equal(f->nrels, 0);
    assert_int_equal(fake_job(f, 2)->state, VR_JOB_TERMINATED);
    assert_int_equal(core_vm_mode(f->c, &f->vm.id), VR_MODE_NONE);
    fake_free(f);
    f = in_state(VR_REL_REPLICATING, false);
    core_disable(f->c, &admin, &f->vm.id, -1, fake_done, f);
    assert_string_equal(f->log, "end_sessions 0;release 0;delete_rel 0;");
    fake_free(f);
}

static void test_bandwidth(void **state)
{
    struct fake *f = in_state(VR_REL_RESYNC_REQUIRED, true);
    core_bandwidth(f->c, &viewer, &f->vm.id, -1, 5, fake_done, f);
    assert_int_equal(f->answer.code, 32769);
    fake_resync(f, &operator_, 0);
    f->log[0] = '\0';
    core_bandwidth(f->c, &operator_, &f->vm.id, -1, 1000, fake_done, f);
    assert_string_equal(f->log, "save_rel 10;bandwidth 1;");
    assert_int_equal(f->rels[0].bandwidth_bytes_s, 1000);
    fake_free(f);
}

static void test_peer_test(void **state)
{
    struct fake *f = fake_new();
    core_peer_test(f->c, &viewer, "b.example", fake_done, f);
    assert_int_equal(f->answer.code, 32769);
    core_peer_test(f->c, &operator_, "b example", fake_done, f);
    assert_int_equal(f->answer.code, 32773);
    core_peer_test(f->c, &operator_, "b.example:99", fake_done, f);
    assert_int_equal(f->answer.code, 0);
    f->reply.result = -VR_E_PEER;
    core_peer_test(f->c, &operator_, "b.example:99", fake_done, f);
    assert_int_equal(f->answer.code, 32777);
    fake_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_state_table),
        T(test_state_refusals),
        T(test_verify),
        T(test_verify_meets_another_lineage),
        T(test_verify_ends),
        T(test_forecast),
        T(test_verify_repaired),
        T(test_failover),
        T(test_failover_of_nothing),
        T(test_adopt),
        T(test_disable),
        T(test_bandwidth),
        T(test_peer_test),
    };
    return RUN(tests);
}
