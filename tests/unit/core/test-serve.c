/* SPDX-License-Identifier: Apache-2.0 */
/* The replica side: who may ask what, and what a target's end changes. */
#include "core/auth.h"
#include "core/service.h"
#include "fake.h"
#include "util/num.h"

static struct vr_peer_reply reply;
static struct vr_rel rel;

static int serve(struct fake *f, const char *identity, enum vr_peer_op op)
{
    struct vr_peer_request req = {.op = op, .vm_id = f->vm.id, .ndisks = 1, .kind = 1};
    core_serve_peer(f->c, identity, &req, &reply, &rel);
    assert_string_equal(reply.host, "a.example");
    assert_true(reply.result == 0 || reply.text[0] != '\0');
    return reply.result;
}

static void allow(struct fake *f, const char *host)
{
    struct vr_err err = VR_ERR_INIT;
    struct vr_auth_entry e = {.storage = "/replicas"};
    snprintf(e.host, sizeof(e.host), "%s", host);
    CHECK_OK(core_load_auth(f->c, &e, &err), &err);
}

static struct fake *replica(enum vr_rel_state s)
{
    struct fake *f = fake_new();
    fake_rel(f, 0, false, s);
    allow(f, "*.example");
    f->replica_generation = (struct vr_generation){.uuid = uuid_of(0x10), .sequence = 1};
    return f;
}

/* A crash between the sidecar and our record: the relationship is gone, and can be made again. */
static void test_enable_half_removed(void **state)
{
    struct fake *f = fake_new();
    allow(f, "*.example");
    assert_int_equal(serve(f, "b.example", VR_PEER_ENABLE), 0);
    f->released = true;
    f->fail_from = f->saves + 1;
    f->fail_count = 1;
    f->log[0] = '\0';
    assert_int_equal(serve(f, "b.example", VR_PEER_ENABLE), -VR_E_IO);
    assert_int_equal(f->injected, 1);
    assert_non_null(fake_get(f, 0));
    assert_null(strstr(f->log, "create"));
    assert_int_equal(serve(f, "b.example", VR_PEER_ENABLE), 0);
    assert_non_null(strstr(f->log, "create"));
    assert_non_null(strstr(f->events, "replication-disabled"));
    assert_string_equal(fake_get(f, 0)->storage, "/replicas/replica");
    fake_free(f);
}

/* The same, and a start comes before the next making. */
static void test_start_half_removed(void **state)
{
    struct fake *f = replica(VR_REL_REPLICATING);
    f->rels[0].released = true; /* as the sidecar is read before core is loaded */
    f->fail_from = f->saves + 1;
    f->fail_count = 1;
    fake_restart(f);
    assert_int_equal(f->injected, 1);
    assert_non_null(fake_get(f, 0)); /* the store could not be written: the next start again */
    fake_restart(f);
    assert_null(core_rel(f->c, &f->vm.id, 0));
    assert_int_equal(f->nrels, 0);
    assert_non_null(strstr(f->events, "replication-disabled"));
    assert_null(strstr(f->log, "release ")); /* the sidecar says so already */
    fake_free(f);
}

/* An import's commit stood still when our record was written and was finished since: who makes the
 * relationship again learns of the generation, or that nobody can tell yet. */
static void test_enable_behind_sidecar(void **state)
{
    struct fake *f = fake_new();
    allow(f, "*.example");
    assert_int_equal(serve(f, "b.example", VR_PEER_ENABLE), 0);
    assert_true(vr_uuid_is_nil(&reply.generation.uuid));
    f->inspect_result = -VR_E_IO;
    assert_int_equal(serve(f, "b.example", VR_PEER_ENABLE), -VR_E_IO);
    assert_string_equal(reply.text, "the sidecar disagrees");
    f->inspect_result = -VR_E_LINEAGE;
    f->replica_generation = (struct vr_generation){.uuid = uuid_of(0x10), .sequence = 1};
    assert_int_equal(serve(f, "b.example", VR_PEER_ENABLE), 0);
    assert_memory_equal(&reply.generation, &f->replica_generation, sizeof(f->replica_generation));
    assert_memory_equal(&fake_get(f, 0)->generation, &f->replica_generation,
                        sizeof(f->replica_generation));
    assert_int_equal(fake_get(f, 0)->state, VR_REL_REPLICATING);
    fake_free(f);
}

static void test_enable(void **state)
{
    struct fake *f = fake_new();
    assert_int_equal(serve(f, "b.example", VR_PEER_TEST), -VR_E_DENIED);
    assert_int_equal(serve(f, "b.example", VR_PEER_ENABLE), -VR_E_DENIED);
    allow(f, "*.example");
    assert_int_equal(serve(f, "b.example", VR_PEER_TEST), 0);
    assert_int_equal(serve(f, "x.b.example", VR_PEER_ENABLE), -VR_E_DENIED); /* one label */
    f->create_result = -VR_E_NOSPACE;
    assert_int_equal(serve(f, "b.example", VR_PEER_ENABLE), -VR_E_NOSPACE);
    assert_null(core_rel_at(f->c, 0));
    f->create_result = 0;
    f->saves = 0;
    f->fail_from = f->fail_count = 1;
    assert_int_equal(serve(f, "b.example", VR_PEER_ENABLE), -VR_E_IO);
    assert_int_equal(f->injected, 1);
    assert_null(core_rel_at(f->c, 0));
    assert_non_null(strstr(f->log, "release 0"));
    assert_int_equal(serve(f, "b.example", VR_PEER_ENABLE), 0);
    assert_string_equal(rel.storage, "/replicas/replica");
    assert_false(fake_get(f, 0)->is_source);
    assert_int_equal(fake_get(f, 0)->state, VR_REL_INITIAL);
    f->log[0] = '\0';
    assert_int_equal(serve(f, "b.example", VR_PEER_ENABLE), 0); /* idempotent */
    assert_string_equal(f->log, "");
    assert_int_equal(serve(f, "c.example", VR_PEER_ENABLE), -VR_E_DENIED);
    fake_free(f);
}

/* This host, by another name or address; an entry that allows every host does not help. */
static void test_ourselves(void **state)
{
    struct fake *f = fake_new();
    allow(f, "*.example");
    f->log[0] = '\0';
    assert_int_equal(serve(f, "A.example", VR_PEER_ENABLE), -VR_E_INVALID);
    assert_non_null(strstr(reply.text, "this host itself"));
    assert_null(core_rel_at(f->c, 0));
    assert_string_equal(f->log, "");
    fake_free(f);
}

/* The replica's host has no inventory and no jobs to know the name from. */
static void test_events_name_the_vm(void **state)
{
    struct fake *f = fake_new();
    struct vr_peer_request req = {
        .op = VR_PEER_ENABLE, .vm_id = f->vm.id, .ndisks = 1, .kind = 1, .vm_name = "web-1"};
    struct core_transfer_result res = {.generation = {.uuid = uuid_of(0x10), .sequence = 1}};
    core_serve_peer(f->c, "b.example", &req, &reply, &rel);
    assert_int_equal(reply.result, -VR_E_DENIED);
    assert_string_equal(f->event_vm, "web-1"); /* as the peer calls it */
    allow(f, "*.example");
    core_serve_peer(f->c, "b.example", &req, &reply, &rel);
    assert_int_equal(reply.result, 0);
    memset(req.vm_name, 0, sizeof(req.vm_name));
    f->event_vm[0] = '\0';
    core_serve_peer(f->c, "c.example", &req, &reply, &rel);
    assert_non_null(strstr(f->events, "29316 peer-refused"));
    assert_string_equal(f->event_vm, "web-1");
    f->event_vm[0] = '\0';
    core_on_target_end(f->c, &f->vm.id, 0, &res);
    assert_non_null(strstr(f->events, "29309 relationship-state"));
    assert_string_equal(f->event_vm, "web-1");
    f->event_vm[0] = '\0';
    core_stats_reset(f->c, &admin, &f->vm.id, 0, fake_done, f);
    assert_non_null(strstr(f->events, "29331 statistics-reset"));
    assert_string_equal(f->event_vm, "web-1");
    f->event_vm[0] = '\0';
    assert_int_equal(serve(f, "b.example", VR_PEER_DISABLE), 0);
    assert_non_null(strstr(f->events, "29312 replication-disabled"));
    assert_string_equal(f->event_vm, "web-1");
    fake_free(f);
}

static void test_identity_and_direction(void **state)
{
    static const enum vr_peer_op ops[] = {VR_PEER_PREFLIGHT, VR_PEER_OPEN, VR_PEER_ADOPT,
                                          VR_PEER_DISABLE};
    for (size_t i = 0; i < VR_COUNT(ops); i++) {
        struct fake *f = replica(VR_REL_REPLICATING);
        assert_int_equal(serve(f, "c.example", ops[i]), -VR_E_DENIED);
        assert_non_null(strstr(f->events, "peer-refused"));
        assert_int_equal(serve(f, "B.EXAMPLE", ops[i]), 0);
        fake_free(f);
        f = fake_new();
        allow(f, "*.example");
        fake_rel(f, 0, true, VR_REL_REPLICATING);
        assert_int_equal(serve(f, "b.example", ops[i]), -VR_E_DENIED); /* we are the source */
        assert_non_null(core_rel(f->c, &f->vm.id, 0));
        fake_free(f);
    }
    struct fake *f = replica(VR_REL_REPLICATING);
    f->vm.id = uuid_of(0x21);
    assert_int_equal(serve(f, "b.example", VR_PEER_PREFLIGHT), -VR_E_STATE);
    assert_int_equal(serve(f, "b.example", VR_PEER_DISABLE), 0); /* forgotten already */
    assert_int_equal(serve(f, "b.example", (enum vr_peer_op)77), -VR_E_UNSUPPORTED);
    fake_free(f);
}

static void test_open(void **state)
{
    struct core_transfer_result res = {.result = -VR_E_PEER};
    struct fake *f = replica(VR_REL_REPLICATING);
    assert_int_equal(serve(f, "b.example", VR_PEER_OPEN), 0);
    assert_true(vr_uuid_eq(&rel.vm_id, &f->vm.id));
    assert_int_equal(reply.generation.sequence, 1);
    assert_int_equal(serve(f, "b.example", VR_PEER_OPEN), -VR_E_BUSY);
    assert_int_equal(serve(f, "b.example", VR_PEER_PREFLIGHT), 0);
    core_on_target_end(f->c, &f->vm.id, 0, &res);
    f->inspect_result = -VR_E_LINEAGE;
    assert_int_equal(serve(f, "b.example", VR_PEER_OPEN), -VR_E_LINEAGE);
    f->inspect_result = 0;
    assert_int_equal(serve(f, "b.example", VR_PEER_OPEN), 0); /* a refused one opened nothing */
    core_on_target_end(f->c, &f->vm.id, 0, &res);
    core_auth_remove(f->c, &admin, "*.example", fake_done, f);
    assert_int_equal(serve(f, "b.example", VR_PEER_OPEN), -VR_E_DENIED);
    fake_free(f);
}

static void test_failed_over(void **state)
{
    struct fake *f = replica(VR_REL_REPLICATING);
    core_failover(f->c, &admin, &f->vm.id, true, fake_done, f);
    assert_int_equal(f->answer.code, 0);
    static const enum vr_peer_op ops[] = {VR_PEER_PREFLIGHT, VR_PEER_OPEN, VR_PEER_ADOPT,
                                          VR_PEER_ENABLE};
    for (size_t i = 0; i < VR_COUNT(ops); i++) {
        assert_int_equal(serve(f, "b.example", ops[i]), -VR_E_LINEAGE);
        assert_non_null(strstr(reply.text, "the replica was failed over on a.example at 2027-"));
    }
    fake_restart(f);
    allow(f, "*.example");
    assert_int_equal(serve(f, "b.example", VR_PEER_OPEN), -VR_E_LINEAGE); /* it lasts */
    fake_free(f);
}

static void test_target_end(void **state)
{
    struct fake *f = replica(VR_REL_INITIAL);
    struct core_transfer_result res = {.generation = {.uuid = uuid_of(0x31), .sequence = 2}};
    fake_rel(f, 1, true, VR_REL_REPLICATING);
    core_on_target_end(f->c, &f->vm.id, 0, &res);
    assert_int_equal(fake_get(f, 0)->state, 3);
    assert_int_equal(fake_get(f, 0)->generation.uuid.b[0], 0x31);
    assert_int_equal(fake_get(f, 1)->state, 9); /* the extended replica is behind now */
    assert_true(fake_get(f, 1)->reason[0] != '\0');
    res.result = -VR_E_CANCELED;
    res.generation.uuid = uuid_of(0x32);
    core_on_target_end(f->c, &f->vm.id, 0, &res);
    assert_int_equal(fake_get(f, 0)->generation.uuid.b[0], 0x31);
    fake_free(f);
}

/* The daemon stopped between the sidecar's commit and our record. */
static void test_follows_sidecar(void **state)
{
    struct fake *f = replica(VR_REL_INITIAL);
    f->replica_generation = (struct vr_generation){.uuid = uuid_of(0x41), .sequence = 5};
    f->replica_instant_us = T0 - 7 * SEC;
    assert_int_equal(serve(f, "b.example", VR_PEER_PREFLIGHT), 0);
    assert_int_equal(fake_get(f, 0)->generation.sequence, 5);
    assert_int_equal(fake_get(f, 0)->last_sync_us, T0 - 7 * SEC);
    assert_int_equal(fake_get(f, 0)->state, 3);
    fake_free(f);
}

/* Also when what is asked for is refused, perhaps for just that. */
static void test_follows_sidecar_refusing(void **state)
{
    struct fake *f = replica(VR_REL_INITIAL);
    f->replica_generation = (struct vr_generation){.uuid = uuid_of(0x41), .sequence = 5};
    f->inspect_result = -VR_E_STATE;
    f->released = true; /* it is of no relationship any more */
    assert_int_equal(serve(f, "b.example", VR_PEER_OPEN), -VR_E_STATE);
    assert_int_equal(fake_get(f, 0)->state, VR_REL_INITIAL);
    f->released = false;
    assert_int_equal(serve(f, "b.example", VR_PEER_OPEN), -VR_E_STATE);
    assert_int_equal(fake_get(f, 0)->generation.sequence, 5);
    assert_int_equal(fake_get(f, 0)->state, 3);
    fake_free(f);
}

/* A recovery point is of when the replica's contents are, not of when they were committed. */
static void test_instant(void **state)
{
    struct fake *f = replica(VR_REL_INITIAL);
    struct core_transfer_result res = {.generation = {.uuid = uuid_of(0x31), .sequence = 2}};
    struct core_stats s;
    res.report.instant_us = T0 - 90 * SEC;
    core_on_target_end(f->c, &f->vm.id, 0, &res);
    assert_int_equal(fake_get(f, 0)->last_sync_us, T0 - 90 * SEC);
    assert_true(core_stats(f->c, &f->vm.id, 0, &s));
    assert_int_equal(s.stats.now.latency_us, 90 * SEC);
    res.generation.uuid = uuid_of(0x32);
    res.report.instant_us = T0 + 90 * SEC; /* a clock that is ahead */
    core_on_target_end(f->c, &f->vm.id, 0, &res);
    assert_int_equal(fake_get(f, 0)->last_sync_us, T0);
    fake_free(f);
}

/* A source that asks and says that nothing has changed since our generation. */
static void test_instant_of_an_unchanged_source(void **state)
{
    struct fake *f = replica(VR_REL_REPLICATING);
    struct vr_peer_request req = {.op = VR_PEER_PREFLIGHT, .vm_id = f->vm.id, .nhistory = 1};
    f->replica_generation = fake_get(f, 0)->generation;
    req.history[0] = f->replica_generation.uuid;
    uint64_t was = fake_get(f, 0)->last_sync_us;
    f->now += 60 * SEC;
    core_serve_peer(f->c, "b.example", &req, &reply, &rel); /* it may have changed */
    assert_int_equal(reply.result, 0);
    assert_int_equal(fake_get(f, 0)->last_sync_us, was);
    req.instant_us = f->now - SEC;
    core_serve_peer(f->c, "b.example", &req, &reply, &rel);
    assert_int_equal(fake_get(f, 0)->last_sync_us, f->now - SEC);
    req.instant_us = f->now;
    req.history[0] = uuid_of(0x77); /* not of what we hold */
    core_serve_peer(f->c, "b.example", &req, &reply, &rel);
    assert_int_equal(fake_get(f, 0)->last_sync_us, f->now - SEC);
    req.history[0] = f->replica_generation.uuid;
    f->changed_alone = true;
    core_serve_peer(f->c, "b.example", &req, &reply, &rel);
    assert_int_equal(fake_get(f, 0)->last_sync_us, f->now - SEC);
    fake_free(f);
}

static void test_adopt_and_disable(void **state)
{
    struct fake *f = replica(VR_REL_REPLICATING);
    f->inspect_result = -VR_E_LINEAGE; /* what adopt is for */
    f->replica_generation = (struct vr_generation){.uuid = uuid_of(0x41), .sequence = 5};
    assert_int_equal(serve(f, "b.example", VR_PEER_ADOPT), 0);
    assert_int_equal(reply.generation.sequence, 5);
    f->log[0] = '\0';
    assert_int_equal(serve(f, "b.example", VR_PEER_DISABLE), 0);
    assert_string_equal(f->log, "end_sessions 0;release 0;delete_rel 0;");
    assert_null(core_rel(f->c, &f->vm.id, 0));
    fake_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_enable),
        T(test_enable_half_removed),
        T(test_start_half_removed),
        T(test_enable_behind_sidecar),
        T(test_ourselves),
        T(test_events_name_the_vm),
        T(test_identity_and_direction),
        T(test_open),
        T(test_failed_over),
        T(test_target_end),
        T(test_follows_sidecar),
        T(test_follows_sidecar_refusing),
        T(test_instant),
        T(test_instant_of_an_unchanged_source),
        T(test_adopt_and_disable),
    };
    return RUN(tests);
}
