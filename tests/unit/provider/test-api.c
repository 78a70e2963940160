/* SPDX-License-Identifier: Apache-2.0 */
/* The REST front's view of core, over a core of this test's own. */
#include "core/initial.h"
#include "provider/api.h"

#include "core/auth.h"
#include "core/change.h"
#include "core/service.h"
#include "tests/lib/check.h"
#include "util/num.h"

static struct {
    const char *called;
    int rel_number;
    uint64_t value;
    struct core_resync_args resync;
    struct core_enable_args enable;
    struct core_start_args start;
    struct core_caller who;
    char host[VR_HOST_MAX];
    struct vr_rel rels[2];
    struct vr_job jobs[5];
    bool says_id;
} fake;

static void called(const char *name,
                   const struct core_caller *who,
                   int rel,
                   uint64_t value,
                   core_done done,
                   void *ctx)
{
    struct core_answer a = {.code = 32775, .kind = VR_E_STATE, .text = "no"};
    fake.called = name;
    fake.who = *who;
    fake.rel_number = rel;
    fake.value = value;
    done(ctx, &a);
}

void core_resync(struct core *c,
                 const struct core_caller *who,
                 const struct core_resync_args *args,
                 core_done done,
                 void *ctx)
{
    fake.resync = *args;
    if (fake.says_id) {
        struct core_answer a = {.code = 32773, .kind = VR_E_NOT_FOUND};
        char id[VR_UUID_TEXT_LEN];
        snprintf(a.text, sizeof(a.text), "no virtual machine %s here",
                 vr_uuid_text(&args->vm_id, id));
        done(ctx, &a);
        return;
    }
    called("resync", who, args->rel_number, args->start_us, done, ctx);
}

void core_enable(struct core *c,
                 const struct core_caller *who,
                 const struct core_enable_args *args,
                 core_done done,
                 void *ctx)
{
    fake.enable = *args;
    called("enable", who, 0, args->start_us, done, ctx);
}

void core_start_replication(struct core *c,
                            const struct core_caller *who,
                            const struct core_start_args *args,
                            core_done done,
                            void *ctx)
{
    fake.start = *args;
    called("start", who, args->rel_number, args->start_us, done, ctx);
}

void core_import_initial(struct core *c,
                         const struct core_caller *who,
                         const struct core_import_args *args,
                         core_done done,
                         void *ctx)
{
    called("import", who, 0, strlen(args->location), done, ctx);
}

#define VM_VERB(name)                                                                              \
    void core_##name(struct core *c, const struct core_caller *who, const struct vr_uuid *vm,      \
                     int rel_number, core_done done, void *ctx)                                    \
    {                                                                                              \
        called(#name, who, rel_number, vm->b[0], done, ctx);                                       \
    }
VM_VERB(verify)
VM_VERB(forecast)
VM_VERB(disable)
VM_VERB(adopt)

void core_state_change(struct core *c,
                       const struct core_caller *who,
                       const struct vr_uuid *vm,
                       int rel_number,
                       uint16_t requested,
                       core_done done,
                       void *ctx)
{
    called("state_change", who, rel_number, requested, done, ctx);
}

void core_failover(struct core *c,
                   const struct core_caller *who,
                   const struct vr_uuid *vm,
                   bool force,
                   core_done done,
                   void *ctx)
{
    called("failover", who, 0, force, done, ctx);
}

void core_service(struct core *c, struct vr_service *ret)
{
    *ret = vr_service_default();
}

void core_service_set(struct core *c,
                      const struct core_caller *who,
                      const struct vr_service_change *change,
                      core_done done,
                      void *ctx)
{
    called("service_set", who, 0, change->fields, done, ctx);
}

bool core_stats(struct core *c, const struct vr_uuid *vm, uint8_t number, struct core_stats *ret)
{
    ret->stats.now.successes = 5;
    ret->all_sent = true;
    return true;
}

void core_modify(struct core *c,
                 const struct core_caller *who,
                 const struct core_modify_args *args,
                 core_done done,
                 void *ctx)
{
    called("modify", who, args->number, args->setting.fields, done, ctx);
}

void core_stats_reset(struct core *c,
                      const struct core_caller *who,
                      const struct vr_uuid *vm,
                      int rel_number,
                      core_done done,
                      void *ctx)
{
    called("stats_reset", who, rel_number, 0, done, ctx);
}

void core_auth_put(struct core *c,
                   const struct core_caller *who,
                   enum core_auth_how how,
                   const struct vr_auth_entry *e,
                   core_done done,
                   void *ctx)
{
    memcpy(fake.host, e->host, sizeof(fake.host));
    called("auth_add", who, (int)how, 0, done, ctx);
}

void core_auth_remove(
    struct core *c, const struct core_caller *who, const char *host, core_done done, void *ctx)
{
    snprintf(fake.host, sizeof(fake.host), "%s", host);
    called("auth_remove", who, 0, 0, done, ctx);
}

void core_peer_test(
    struct core *c, const struct core_caller *who, const char *point, core_done done, void *ctx)
{
    snprintf(fake.host, sizeof(fake.host), "%s", point);
    called("peer_test", who, 0, 0, done, ctx);
}

void core_bandwidth(struct core *c,
                    const struct core_caller *who,
                    const struct vr_uuid *vm,
                    int rel_number,
                    uint64_t bytes_s,
                    core_done done,
                    void *ctx)
{
    called("bandwidth", who, rel_number, bytes_s, done, ctx);
}

const struct vr_rel *core_rel_at(struct core *c, size_t i)
{
    return i < VR_COUNT(fake.rels) ? &fake.rels[i] : NULL;
}

const struct vr_rel *core_rel(struct core *c, const struct vr_uuid *vm, uint8_t number)
{
    bool ours = vr_uuid_eq(vm, &fake.rels[number].vm_id) && fake.rels[number].number == number;
    return ours ? &fake.rels[number] : NULL;
}

const struct vr_job *core_job_at(struct core *c, size_t i)
{
    return i < VR_COUNT(fake.jobs) ? &fake.jobs[i] : NULL;
}

struct vr_wait core_job_wait(struct core *c, uint64_t id)
{
    return (struct vr_wait){.why = VR_WAITING_SLOT};
}

const struct vr_job *
core_vm_job(struct core *c, const struct vr_uuid *vm, const struct vr_job *after)
{
    for (size_t i = after ? (size_t)(after - fake.jobs) + 1 : 0; i < VR_COUNT(fake.jobs); i++) {
        if (vr_uuid_eq(&fake.jobs[i].vm_id, vm)) {
            return &fake.jobs[i];
        }
    }
    return NULL;
}

const struct vr_job *core_job(struct core *c, uint64_t id)
{
    return id == 3 ? &fake.jobs[3] : NULL;
}

const struct vr_auth_entry *core_auth_at(struct core *c, size_t i)
{
    return NULL;
}

enum vr_mode core_vm_mode(struct core *c, const struct vr_uuid *vm)
{
    return VR_MODE_REPLICA;
}

static void vm_name(void *ctx, const struct vr_rel *rel, char ret[static VR_NAME_MAX])
{
    memcpy(ret, "web", 4);
    ret[0] = rel->vm_id.b[1] ? '\0' : ret[0];
}

static uint64_t cert_end(void *ctx, const struct vr_rel *rel)
{
    return 77;
}

static struct vr_defined defined(void *ctx, const struct vr_rel *rel)
{
    return (struct vr_defined){.state = VR_DEFINED_DONE};
}

static struct api_staging staging(void *ctx, const struct vr_rel *rel)
{
    return (struct api_staging){true, 1, 2};
}

static struct api_limit limit(void *ctx, const struct vr_rel *rel)
{
    return (struct api_limit){.bytes_s = 7};
}

static const struct provider_api_env env = {.vm_name = vm_name,
                                            .peer_cert_end_us = cert_end,
                                            .staging = staging,
                                            .limit = limit,
                                            .defined = defined};
static struct provider_api api = {.host_name = "hv1", .env = &env};
static int answers;

static void done(void *arg, const struct api_answer *a)
{
    answers++;
    assert_ptr_equal(arg, &answers);
    assert_int_equal(a->code, 32775);
    assert_int_equal(a->kind, VR_E_STATE);
    assert_string_equal(a->text, "no");
}

static void test_verbs(void **state)
{
    static const struct {
        enum api_verb_kind kind;
        const char *called;
        uint64_t value;
    } rows[] = {
        {API_RESYNC, "resync", 99},       {API_VERIFY, "verify", 7},
        {API_ENABLE, "enable", 99},       {API_DISABLE, "disable", 7},
        {API_PAUSE, "state_change", 7},   {API_RESUME, "state_change", 3},
        {API_CANCEL, "state_change", 9},  {API_FAILOVER, "failover", 1},
        {API_ADOPT, "adopt", 7},          {API_BANDWIDTH, "bandwidth", 1000},
        {API_AUTH_ADD, "auth_add", 0},    {API_AUTH_REMOVE, "auth_remove", 0},
        {API_PEER_TEST, "peer_test", 0},  {API_STATS_RESET, "stats_reset", 0},
        {API_SETTINGS, "service_set", 4}, {API_START, "start", 99},
        {API_IMPORT, "import", 4},        {API_REL_SETTINGS, "modify", 2},
    };
    const struct api_caller who = {.role = VR_ROLE_OPERATOR, .user = "alice"};
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        struct api_verb v = {.kind = rows[i].kind,
                             .vm_id = {{7}},
                             .rel_number = 1,
                             .start_us = 99,
                             .force = true,
                             .restart = true,
                             .seeded = true,
                             .location = "/srv",
                             .host = "hv2",
                             .excluded = {"swap"},
                             .nexcluded = 1,
                             .bandwidth_bytes_s = 1000,
                             .auth = {.host = "hv2"},
                             .setting = {.fields = 2},
                             .settings = {.fields = 4}};
        provider_api_ops.verb(&api, &who, &v, done, &answers);
        assert_int_equal(answers, (int)i + 1);
        assert_string_equal(fake.called, rows[i].called);
        assert_int_equal(fake.value, rows[i].value);
        assert_string_equal(fake.who.user, "alice");
        assert_int_equal(fake.who.role, VR_ROLE_OPERATOR);
    }
    struct api_verb dry = {.kind = API_RESYNC, .vm_id = {{7}}, .dry_run = true};
    provider_api_ops.verb(&api, &who, &dry, done, &answers);
    assert_string_equal(fake.called, "forecast");
    assert_int_equal(fake.value, 7);
    assert_true(fake.resync.force && fake.resync.restart && fake.resync.vm_id.b[0] == 7);
    assert_int_equal(fake.resync.rel_number, 1);
    assert_true(fake.enable.seeded && !fake.enable.no_start);
    assert_string_equal(fake.enable.peer, "hv2");
    assert_string_equal(fake.enable.excluded[0], "swap");
    assert_int_equal(fake.enable.nexcluded, 1);
    assert_int_equal(fake.enable.bandwidth_bytes_s, 1000);
    assert_string_equal(fake.host, "hv2");
    assert_int_equal(fake.start.type, CORE_START_EXPORT);
    assert_string_equal(fake.start.location, "/srv");
    assert_int_equal(fake.start.rel_number, 1);
}

static bool rel_at(struct provider_api *a, size_t i, const struct vr_uuid *vm, struct api_rel *ret)
{
    return provider_api_ops.rel_next(a, &i, vm, ret);
}

static void test_relationships(void **state)
{
    const struct vr_uuid vm = {{7}};
    struct api_rel rel;
    fake.rels[0] = (struct vr_rel){.vm_id = vm, .is_source = true};
    fake.rels[1] = (struct vr_rel){.vm_id = vm, .number = 1, .is_source = true};
    fake.jobs[0] = (struct vr_job){
        .vm_id = vm, .type = VR_JOBTYPE_VERIFY, .state = VR_JOB_COMPLETED, .finished_us = 60};
    fake.jobs[1] = (struct vr_job){
        .vm_id = vm, .type = VR_JOBTYPE_VERIFY, .state = VR_JOB_EXCEPTION, .finished_us = 50};
    fake.jobs[2] = (struct vr_job){.vm_id = vm, .state = VR_JOB_NEW, .scheduled_us = 99};
    fake.jobs[3] = (struct vr_job){.id = 3, .vm_id = vm, .state = VR_JOB_RUNNING};
    fake.jobs[4] = (struct vr_job){.vm_id = {{8}}, .state = VR_JOB_RUNNING};
    assert_true(rel_at(&api, 0, NULL, &rel));
    assert_ptr_equal(rel.job, &fake.jobs[3]);  /* what runs, not what is scheduled */
    assert_ptr_equal(rel.last, &fake.jobs[0]); /* the newest that ended */
    assert_int_equal(rel.next_run_us, 99);
    assert_int_equal(rel.wait.why, VR_WAITING_SLOT);
    assert_int_equal(rel.peer_cert_end_us, 77);
    assert_int_equal(rel.staging.limit_bytes, 2);
    assert_int_equal(rel.limit.bytes_s, 7);
    assert_int_equal(rel.defined.state, VR_DEFINED_DONE);
    assert_int_equal(rel.mode, VR_MODE_PRIMARY);
    /* the newest that says what a resynchronization would come to */
    assert_int_equal(rel.plan.basis, API_PLAN_VERIFY);
    assert_int_equal(rel.plan.at_us, 60);
    fake.jobs[1] = (struct vr_job){.id = 1,
                                   .vm_id = vm,
                                   .type = VR_JOBTYPE_FORECAST,
                                   .state = VR_JOB_COMPLETED,
                                   .finished_us = 70,
                                   .forecast = {.sampled_bytes = 1,
                                                .differing_bytes = 2,
                                                .margin_bytes = 3,
                                                .wire_bytes = 4,
                                                .time_us = 5}};
    assert_true(rel_at(&api, 0, NULL, &rel));
    assert_true(rel.plan.basis == API_PLAN_SAMPLE && rel.plan.job_id == 1);
    assert_true(rel.plan.differing_bytes == 2 && rel.plan.margin_bytes == 3);
    assert_true(rel.plan.sent_bytes == 4 && rel.plan.time_us == 5);
    fake.jobs[1].forecast.sampled_bytes = 0; /* its report is lost */
    assert_true(rel_at(&api, 0, NULL, &rel));
    assert_int_equal(rel.plan.basis, API_PLAN_VERIFY);
    fake.jobs[1].state = VR_JOB_EXCEPTION;
    assert_true(rel_at(&api, 1, NULL, &rel));
    assert_null(rel.job);
    assert_true(!rel.last && rel.next_run_us == 0 && rel.wait.why == VR_WAITING_NONE);
    assert_int_equal(rel.mode, VR_MODE_REPLICA);
    assert_false(rel_at(&api, 2, NULL, &rel));
    assert_string_equal(rel.vm_name, "web");
    /* the relationships of one VM */
    assert_true(rel_at(&api, 0, &vm, &rel) && rel.rel.number == 0);
    assert_true(rel_at(&api, 1, &vm, &rel) && rel.rel.number == 1);
    assert_false(rel_at(&api, 2, &vm, &rel));
    fake.rels[0].vm_id.b[1] = 1;
    assert_true(rel_at(&api, 0, &vm, &rel) && rel.rel.number == 1);
    assert_false(rel_at(&api, 1, &vm, &rel));
    /* a VM nobody knows by name is called what its job calls it */
    fake.jobs[4] = (struct vr_job){.vm_id = {{7, 1}}, .state = VR_JOB_RUNNING, .vm_name = "old"};
    assert_true(rel_at(&api, 0, NULL, &rel));
    assert_string_equal(rel.vm_name, "old");
    fake.rels[0].vm_id = vm;
    fake.rels[0].is_source = fake.rels[1].is_source = false;
    rel_at(&api, 0, NULL, &rel);
    assert_int_equal(rel.mode, VR_MODE_REPLICA);
    rel_at(&api, 1, NULL, &rel);
    assert_int_equal(rel.mode, VR_MODE_EXTENDED);
    assert_string_equal(provider_api_ops.host_name(&api), "hv1");
    assert_ptr_equal(provider_api_ops.job(&api, 3), &fake.jobs[3]);
}

static void on_verb(void *arg, const struct api_answer *a)
{
    *(struct api_answer *)arg = *a;
}

static void on_report(void *arg, int r, const struct vr_err *err, const struct vr_report *report)
{
    *(int *)arg = r;
    assert_true((r == 0) == (report != NULL));
    if (r < 0) {
        assert_string_equal(vr_err_text(err), "no report of job 5");
    }
}

static bool scope_vm_next(void *ctx, size_t *at, struct api_vm_name *ret)
{
    ret->id = (struct vr_uuid){{(uint8_t)(7 + *at)}};
    return (*at)++ < 3;
}

static bool scope_vm(void *ctx, const struct vr_uuid *id, struct vr_vm *ret)
{
    return true;
}

static void scope_report(void *ctx, uint64_t job_id, api_report_done ready, void *arg)
{
    static struct vr_report report;
    report.vm_id.b[0] = job_id == 5 ? 7 : 8;
    ready(arg, 0, NULL, &report);
}

static struct vr_event_query asked;

static void
scope_events(void *ctx, const struct vr_event_query *q, api_events_done ready, void *arg)
{
    asked = *q;
}

/* For a user limited to VM 8 there is no VM 7, nor what belongs to it; and the host is not his. */
static void test_scope(void **state)
{
    static const struct provider_api_env scope_env = {.vm_next = scope_vm_next,
                                                      .vm = scope_vm,
                                                      .report = scope_report,
                                                      .events = scope_events,
                                                      .peer_cert_end_us = cert_end,
                                                      .staging = staging,
                                                      .limit = limit,
                                                      .defined = defined,
                                                      .vm_name = vm_name};
    const struct api_caller who = {
        .role = VR_ROLE_ADMIN, .user = "ann", .scope = {.limited = true, .n = 1, .vm = {{{8}}}}};
    const struct api_caller all = {.role = VR_ROLE_ADMIN, .user = "bob"};
    const struct vr_uuid hidden = {{7}}, own = {{8}};
    struct provider_api a = {.host_name = "hv1", .env = &scope_env};
    const struct api_ops *ops = &provider_api_ops;
    struct vr_vm *vm = calloc(1, sizeof(*vm));
    struct api_vm_name name;
    struct api_rel rel;
    size_t at = 0;
    int r;
    fake.rels[0] = (struct vr_rel){.vm_id = hidden};
    fake.rels[1] = (struct vr_rel){.vm_id = own};
    for (unsigned i = 0; i < VR_COUNT(fake.jobs); i++) {
        fake.jobs[i] = (struct vr_job){.id = i, .vm_id = i == 3 ? own : hidden};
    }
    ops->enter(&a, &who);
    assert_true(ops->vm_next(&a, &at, &name) && vr_uuid_eq(&name.id, &own));
    assert_false(ops->vm_next(&a, &at, &name));
    assert_false(ops->vm(&a, &hidden, vm));
    assert_true(ops->vm(&a, &own, vm));
    at = 0;
    assert_true(ops->rel_next(&a, &at, NULL, &rel) && vr_uuid_eq(&rel.rel.vm_id, &own));
    assert_false(ops->rel_next(&a, &at, NULL, &rel));
    assert_false(rel_at(&a, 0, &hidden, &rel));
    at = 0;
    assert_ptr_equal(ops->job_next(&a, &at), &fake.jobs[3]);
    assert_null(ops->job_next(&a, &at));
    assert_ptr_equal(ops->job(&a, 3), &fake.jobs[3]);
    fake.jobs[3].vm_id = hidden;
    assert_null(ops->job(&a, 3));
    assert_int_equal(ops->vm_mode(&a, &hidden), VR_MODE_NONE);
    ops->report(&a, 5, on_report, &r);
    assert_int_equal(r, -VR_E_NOT_FOUND);
    ops->report(&a, 6, on_report, &r);
    assert_int_equal(r, 0);
    ops->events(&a, &(struct vr_event_query){.limit = 1}, NULL, NULL);
    assert_true(asked.scope->limited && asked.scope->n == 1);
    /* the next caller is another one */
    ops->enter(&a, &all);
    assert_ptr_equal(ops->job(&a, 3), &fake.jobs[3]);
    ops->report(&a, 5, on_report, &r);
    assert_int_equal(r, 0);
    free(vm);
}

static void test_scope_of_verbs(void **state)
{
    const struct api_caller who = {
        .role = VR_ROLE_ADMIN, .user = "ann", .scope = {.limited = true, .n = 1, .vm = {{{8}}}}};
    static const enum api_verb_kind of_host[] = {API_AUTH_ADD, API_AUTH_REMOVE, API_PEER_TEST,
                                                 API_SETTINGS};
    struct api_answer got;
    struct api_verb v = {.kind = API_RESYNC, .vm_id = {{8}}};
    fake.says_id = true;
    provider_api_ops.verb(&api, &who, &v, on_verb, &got);
    assert_int_equal(fake.resync.vm_id.b[0], 8);
    v.vm_id.b[0] = 7;
    provider_api_ops.verb(&api, &who, &v, on_verb, &got);
    assert_false(
        vr_uuid_eq(&fake.resync.vm_id, &v.vm_id)); /* core was asked for one there is not */
    assert_string_equal(got.text, "no virtual machine 07000000-0000-0000-0000-000000000000 here");
    fake.says_id = false;
    for (size_t i = 0; i < VR_COUNT(of_host); i++) {
        v.kind = of_host[i];
        fake.called = "nothing";
        provider_api_ops.verb(&api, &who, &v, on_verb, &got);
        assert_int_equal(got.code, VR_RC_ACCESS_DENIED);
        assert_int_equal(got.kind, VR_E_DENIED);
        assert_string_equal(fake.called, "nothing");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_verbs), T(test_relationships), T(test_scope),
                                       T(test_scope_of_verbs)};
    return RUN(tests);
}
