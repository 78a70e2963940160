/* SPDX-License-Identifier: Apache-2.0 */
/* The provider over a core of our own, which answers what the test tells it and records what it was
 * asked. */
#include "core/service.h"
#include "provider/provider.h"
#include "tests/lib/check.h"
#include "util/num.h"
#include "util/vtime.h"

#define VM_ID "00000001-0000-4000-8000-00000000000A"
#define REPLICA_ID "00000002-0000-4000-8000-00000000000B"
#define NOW 1900000000000000ull

/* --- the core --- */

static struct {
    struct vr_rel rels[2];
    size_t nrels;
    struct vr_job job;
    struct core_answer answer;
    bool later;
    unsigned resyncs, changes;
    struct core_resync_args args;
    struct core_caller who;
    int changed_rel;
    uint16_t wanted;
    core_done done;
    void *done_ctx;
} core;

const struct vr_rel *core_rel(struct core *c, const struct vr_uuid *vm, uint8_t number)
{
    for (size_t i = 0; i < core.nrels; i++) {
        if (vr_uuid_eq(&core.rels[i].vm_id, vm) && core.rels[i].number == number) {
            return &core.rels[i];
        }
    }
    return NULL;
}

const struct vr_rel *core_rel_at(struct core *c, size_t i)
{
    return i < core.nrels ? &core.rels[i] : NULL;
}

const struct vr_job *core_job(struct core *c, uint64_t id)
{
    return id == core.job.id ? &core.job : NULL;
}

const struct vr_job *core_job_by_uuid(struct core *c, const struct vr_uuid *id)
{
    return vr_uuid_eq(id, &core.job.uuid) ? &core.job : NULL;
}

const struct vr_job *core_job_at(struct core *c, size_t i)
{
    return i == 0 ? &core.job : NULL;
}

const struct vr_job *
core_vm_job(struct core *c, const struct vr_uuid *vm, const struct vr_job *after)
{
    return !after && vr_uuid_eq(vm, &core.job.vm_id) ? &core.job : NULL;
}

const struct vr_auth_entry *core_auth_at(struct core *c, size_t i)
{
    return NULL;
}

void core_service(struct core *c, struct vr_service *ret)
{
    *ret = (struct vr_service){.https_port = 8650};
}

enum vr_mode core_vm_mode(struct core *c, const struct vr_uuid *vm)
{
    const struct vr_rel *rel = core_rel(c, vm, 0);
    return !rel ? VR_MODE_NONE : rel->is_source ? VR_MODE_PRIMARY : VR_MODE_REPLICA;
}

static void answer(const struct core_caller *who, core_done done, void *ctx)
{
    core.who = *who;
    core.done = done;
    core.done_ctx = ctx;
    if (!core.later) {
        done(ctx, &core.answer);
    }
}

void core_resync(struct core *c,
                 const struct core_caller *who,
                 const struct core_resync_args *args,
                 core_done done,
                 void *ctx)
{
    core.resyncs++;
    core.args = *args;
    answer(who, done, ctx);
}

void core_state_change(struct core *c,
                       const struct core_caller *who,
                       const struct vr_uuid *vm,
                       int rel_number,
                       uint16_t requested,
                       core_done done,
                       void *ctx)
{
    core.changes++;
    core.changed_rel = rel_number;
    core.wanted = requested;
    answer(who, done, ctx);
}

uint32_t core_job_state_change(struct core *c,
                               const struct core_caller *who,
                               uint64_t job_id,
                               uint16_t requested,
                               struct vr_err *err)
{
    core.wanted = requested;
    return requested == 3 ? 0 : 4097;
}

/* --- the environment --- */

static uint64_t now_us(void *ctx)
{
    return NOW;
}

static struct vr_vm the_vm(void)
{
    struct vr_vm vm = {.name = "web"};
    assert_true(vr_uuid_parse(VM_ID, &vm.id));
    return vm;
}

static int list_vms(void *ctx, provider_vm_cb cb, void *cb_ctx, struct vr_err *err)
{
    struct vr_vm vm = the_vm();
    cb(cb_ctx, &vm);
    return 0;
}

static int find_vm(void *ctx, const struct vr_uuid *id, struct vr_vm *ret, struct vr_err *err)
{
    struct vr_vm vm = the_vm();
    if (!vr_uuid_eq(id, &vm.id)) {
        return vr_fail(err, VR_E_NOT_FOUND, "no such VM");
    }
    *ret = vm;
    return 0;
}

static int replica_vm(void *ctx, const struct vr_rel *rel, struct vr_vm *ret, struct vr_err *err)
{
    *ret = (struct vr_vm){.id = rel->vm_id, .name = "db"};
    return 0;
}

static const struct provider_env_ops env = {
    .now_us = now_us, .list_vms = list_vms, .find_vm = find_vm, .replica_vm = replica_vm};

/* --- the call --- */

struct fixture {
    struct provider *p;
    struct cim_arena arena;
    struct cim_invoke in;
    unsigned answered;
    uint32_t code;
    int cim_code;
    uint32_t nout;
    char out_name[32], job[96], message[128], reason[CIM_TEXT_MAX];
    bool out_null;
    unsigned listed;
    char names[1024];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct provider_config config = {.host_name = "alpha", .job_keep_us = 600000000};
    struct vr_err err = VR_ERR_INIT;
    memset(&core, 0, sizeof core);
    core.nrels = 2;
    core.rels[0] = (struct vr_rel){
        .is_source = true, .state = VR_REL_RESYNC_REQUIRED, .health = VR_HEALTH_CRITICAL};
    core.rels[1] =
        (struct vr_rel){.state = VR_REL_REPLICATING, .health = VR_HEALTH_OK, .last_sync_us = NOW};
    vr_uuid_parse(VM_ID, &core.rels[0].vm_id);
    vr_uuid_parse(REPLICA_ID, &core.rels[1].vm_id);
    core.job = (struct vr_job){.id = 7,
                               .uuid = {{1, 2, 3}},
                               .vm_name = "web",
                               .type = VR_JOBTYPE_RESYNC,
                               .state = VR_JOB_RUNNING,
                               .started_us = NOW - 5000000,
                               .cancellable = true};
    core.job.vm_id = core.rels[0].vm_id;
    core.answer = (struct core_answer){.code = 4096, .job_id = 7};
    cim_arena_init(&f->arena, 1 << 20);
    CHECK_OK(provider_new(&config, NULL, &env, NULL, &f->p, &err), &err);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    provider_free(f->p);
    cim_arena_deinit(&f->arena);
    free(f);
    return 0;
}

static void on_done(void *ctx, const struct cim_invoke_result *res)
{
    struct fixture *f = ctx;
    f->answered++;
    f->cim_code = res->status.code;
    f->code = (uint32_t)res->value.u;
    f->nout = f->cim_code ? 0 : res->nout;
    f->job[0] = f->message[0] = '\0';
    snprintf(f->reason, sizeof f->reason, "%s", res->reason);
    if (f->nout == 0) {
        return;
    }
    const struct cim_value *v = &res->out[0].value;
    snprintf(f->out_name, sizeof f->out_name, "%s", res->out[0].name);
    f->out_null = v->is_null;
    if (v->type == CIM_REFERENCE) {
        assert_string_equal(v->ref->class_name, "Msvm_ConcreteJob");
        snprintf(f->job, sizeof f->job, "%s", cim_path_key(v->ref, "InstanceID")->str);
    } else if (!v->is_null) {
        const struct cim_value *one = v->is_array ? &v->items[0] : v;
        snprintf(f->message, sizeof f->message, "%s", cim_get(one->instance, "Message")->str);
    }
}

static void path(struct fixture *f, struct cim_path *p, const char *text)
{
    struct vr_err err = VR_ERR_INIT;
    CHECK_OK(cim_path_parse(&f->arena, text, p, &err), &err);
}

static void begin(struct fixture *f, const char *object, const char *method, int role)
{
    struct cim_status st = {0};
    f->in = (struct cim_invoke){.caller = {.user = "anna", .role = role}};
    path(f, &f->in.path, object);
    f->in.method = cim_broker_method(provider_broker(f->p), CIM_NAMESPACE, &f->in.path, method,
                                     &f->in.cls, &st);
    assert_non_null(f->in.method);
}

static struct cim_param *param(struct fixture *f, const char *name, struct cim_value v)
{
    struct cim_param *p = &f->in.params[f->in.nparams++];
    *p = (struct cim_param){.name = name, .value = v};
    return p;
}

static void ref(struct fixture *f, const char *text)
{
    struct cim_path *p = cim_alloc(&f->arena, sizeof *p);
    path(f, p, text);
    param(f, "ComputerSystem", cim_ref(p));
}

static void start(struct fixture *f, const char *text)
{
    struct cim_value v;
    struct vr_err err = VR_ERR_INIT;
    CHECK_OK(cim_value_from_text(&f->arena, CIM_DATETIME, text, &v, &err), &err);
    param(f, "StartTime", v);
}

static void start_at(struct fixture *f, uint64_t us)
{
    char buf[CIM_DATETIME_LEN];
    start(f, cim_datetime_text(us, buf));
}

static void run(struct fixture *f, uint32_t code)
{
    unsigned before = f->answered;
    cim_broker_invoke(provider_broker(f->p), &f->in, on_done, f);
    assert_int_equal(f->answered, before + 1);
    if (f->cim_code || f->code != code) {
        fail_msg("CIM %d, returned %u, wanted %u", f->cim_code, f->code, code);
    }
    assert_int_equal(f->nout, code == 4096 ? 1 : 0);
}

#define SVC                                                                                        \
    ":Msvm_ReplicationService.SystemCreationClassName=\"Msvm_ComputerSystem\",SystemName="         \
    "\"ALPHA\",CreationClassName=\"Msvm_ReplicationService\",Name=\"replicasvc\""
#define SYSTEM(name)                                                                               \
    ":Msvm_ComputerSystem.CreationClassName=\"Msvm_ComputerSystem\",Name=\"" name "\""
#define JOB ":Msvm_ConcreteJob.InstanceID=\"vmreplica:01020300-0000-0000-0000-000000000000\""

static void resync(struct fixture *f, int role)
{
    begin(f, SVC, "resynchronize", role);
}

static void test_resync_starts(void **state)
{
    struct fixture *f = *state;
    resync(f, VR_ROLE_OPERATOR);
    ref(f, ":cim_computersystem.Name=\"00000001-0000-4000-8000-00000000000a\",CreationClassName="
           "\"msvm_computersystem\"");
    run(f, 4096);
    assert_string_equal(f->out_name, "Job");
    assert_string_equal(f->job, "vmreplica:01020300-0000-0000-0000-000000000000");
    assert_int_equal(core.resyncs, 1);
    assert_int_equal(core.args.start_us, 0);
    assert_int_equal(core.args.rel_number, -1);
    assert_false(core.args.force || core.args.restart);
    assert_string_equal(core.who.user, "anna");
    assert_int_equal(core.who.role, VR_ROLE_OPERATOR);
    resync(f, VR_ROLE_ADMIN);
    ref(f, SYSTEM(REPLICA_ID));
    run(f, 4096);
}

static void test_resync_core_refuses(void **state)
{
    struct fixture *f = *state;
    static const uint32_t codes[] = {0,     32768, 32770, 32771, 32772,
                                     32774, 32775, 32777, 32778, 32779};
    for (size_t i = 0; i < VR_COUNT(codes); i++) {
        core.answer = (struct core_answer){.code = codes[i], .text = "because"};
        resync(f, VR_ROLE_ADMIN);
        ref(f, SYSTEM(VM_ID));
        run(f, codes[i]);
    }
    assert_int_equal(core.resyncs, VR_COUNT(codes));
}

static void test_resync_answers_later(void **state)
{
    struct fixture *f = *state;
    core.later = true;
    resync(f, VR_ROLE_ADMIN);
    ref(f, SYSTEM(VM_ID));
    cim_broker_invoke(provider_broker(f->p), &f->in, on_done, f);
    memset(&f->in, 0xee, sizeof f->in); /* the call is gone by then */
    assert_int_equal(f->answered, 0);
    core.done(core.done_ctx, &core.answer);
    assert_int_equal(f->answered, 1);
    assert_int_equal(f->code, 4096);
    assert_string_not_equal(f->job, "");
}

static void test_resync_parameters(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {
        SYSTEM("00000009-0000-4000-8000-00000000000A"),
        SYSTEM("nobody"),
        ":Msvm_ComputerSystem",
        ":Msvm_ComputerSystem.Name=\"" VM_ID "\"",
        ":Nothing.Name=\"" VM_ID "\"",
        SVC,
        JOB,
        ":Msvm_ComputerSystem.CreationClassName=\"Other\",Name=\"" VM_ID "\"",
    };
    resync(f, VR_ROLE_ADMIN);
    run(f, 32773); /* omitted */
    resync(f, VR_ROLE_ADMIN);
    param(f, "ComputerSystem", cim_null(CIM_REFERENCE));
    run(f, 32773);
    for (size_t i = 0; i < VR_COUNT(bad); i++) {
        resync(f, VR_ROLE_ADMIN);
        ref(f, bad[i]);
        run(f, 32773);
    }
    assert_int_equal(core.resyncs, 0);
}

static void test_resync_start_time(void **state)
{
    static const struct {
        int64_t from_now_s;
        uint32_t code;
    } rows[] = {{-301, 32773}, {-300, 4096},      {0, 4096},
                {1, 4096},     {7 * 86400, 4096}, {7 * 86400 + 1, 32773}};
    static const char *const bad[] = {"00000000010000.000000:000", "20300317******.******+000",
                                      "16010101000000.000000+000", "99991231235959.999999+000"};
    struct fixture *f = *state;
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        uint64_t at = NOW + (uint64_t)(rows[i].from_now_s * 1000000);
        resync(f, VR_ROLE_ADMIN);
        ref(f, SYSTEM(VM_ID));
        start_at(f, at);
        run(f, rows[i].code);
        if (rows[i].code == 4096) {
            assert_int_equal(core.args.start_us, rows[i].from_now_s > 0 ? at : 0);
        }
    }
    for (size_t i = 0; i < VR_COUNT(bad); i++) {
        resync(f, VR_ROLE_ADMIN);
        ref(f, SYSTEM(VM_ID));
        start(f, bad[i]);
        run(f, 32773);
    }
    resync(f, VR_ROLE_ADMIN);
    ref(f, SYSTEM(VM_ID));
    param(f, "StartTime", cim_null(CIM_DATETIME));
    run(f, 4096);
}

/* Where several hold, the first wins: type, parameter, role, the host. */
static void test_resync_order(void **state)
{
    struct fixture *f = *state;
    resync(f, VR_ROLE_VIEWER);
    ref(f, SYSTEM("nobody"));
    param(f, "StartTime", cim_null(CIM_DATETIME))->wrong_type = true;
    run(f, 32776);
    resync(f, VR_ROLE_VIEWER);
    param(f, "ComputerSystem", cim_null(CIM_REFERENCE))->wrong_type = true;
    run(f, 32776);
    resync(f, VR_ROLE_VIEWER);
    ref(f, SYSTEM("nobody"));
    run(f, 32773);
    resync(f, VR_ROLE_VIEWER);
    ref(f, SYSTEM("alpha"));
    start_at(f, NOW - 400 * 1000000ull);
    run(f, 32773);
    resync(f, VR_ROLE_VIEWER);
    ref(f, SYSTEM("alpha"));
    run(f, 32769);
    resync(f, VR_ROLE_VIEWER);
    ref(f, SYSTEM(VM_ID));
    run(f, 32769);
    resync(f, VR_ROLE_OPERATOR);
    ref(f, SYSTEM("alpha"));
    run(f, 32770);
    assert_int_equal(core.resyncs, 0);
}

static void test_wrong_objects(void **state)
{
    static const char *const bad[] = {
        ":Msvm_ReplicationService.Name=\"replicasvc\"",
        ":Msvm_ReplicationService",
        ":Msvm_ReplicationService.SystemCreationClassName=\"Msvm_ComputerSystem\",SystemName="
        "\"beta\",CreationClassName=\"Msvm_ReplicationService\",Name=\"replicasvc\"",
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < VR_COUNT(bad); i++) {
        begin(f, bad[i], "Resynchronize", VR_ROLE_ADMIN);
        cim_broker_invoke(provider_broker(f->p), &f->in, on_done, f);
        assert_int_equal(f->cim_code, CIM_ERR_NOT_FOUND);
    }
    resync(f, VR_ROLE_NONE);
    cim_broker_invoke(provider_broker(f->p), &f->in, on_done, f);
    assert_int_equal(f->cim_code, CIM_ERR_ACCESS_DENIED);
}

static void test_service_control(void **state)
{
    struct fixture *f = *state;
    begin(f, SVC, "StopService", VR_ROLE_ADMIN);
    run(f, 1);
    begin(f, SVC, "StartService", VR_ROLE_ADMIN);
    run(f, 0);
}

static void test_state_change(void **state)
{
    struct fixture *f = *state;
    core.answer = (struct core_answer){0};
    begin(f, SYSTEM(VM_ID), "RequestReplicationStateChange", VR_ROLE_OPERATOR);
    param(f, "RequestedState", cim_uint(CIM_UINT16, 7));
    run(f, 0);
    assert_int_equal(core.wanted, 7);
    assert_int_equal(core.changed_rel, 0);
    begin(f, SYSTEM(VM_ID), "RequestReplicationStateChange", VR_ROLE_OPERATOR);
    run(f, 32773);
    begin(f, SYSTEM(VM_ID), "RequestReplicationStateChange", VR_ROLE_VIEWER);
    param(f, "RequestedState", cim_null(CIM_UINT16))->wrong_type = true;
    run(f, 32776);
    begin(f, SYSTEM(VM_ID), "RequestReplicationStateChange", VR_ROLE_VIEWER);
    param(f, "RequestedState", cim_uint(CIM_UINT16, 7));
    run(f, 32769);
    begin(f, SYSTEM("alpha"), "RequestReplicationStateChange", VR_ROLE_ADMIN);
    param(f, "RequestedState", cim_uint(CIM_UINT16, 7));
    run(f, 32770);
    begin(f, SYSTEM(VM_ID), "RequestStateChange", VR_ROLE_ADMIN);
    param(f, "RequestedState", cim_uint(CIM_UINT16, 2));
    run(f, 32770);
    assert_non_null(strstr(f->reason, "hypervisor"));
    assert_int_equal(core.changes, 1);
}

static void change_ex(struct fixture *f, const char *rel, uint32_t code)
{
    const struct cim_schema *s = provider_broker(f->p)->schema;
    struct cim_instance *i =
        cim_instance_new(&f->arena, cim_schema_class(s, "Msvm_ReplicationRelationship"));
    cim_set(i, "InstanceID", cim_str(rel));
    begin(f, SYSTEM(VM_ID), "RequestReplicationStateChangeEx", VR_ROLE_OPERATOR);
    param(f, "RequestedState", cim_uint(CIM_UINT16, 9));
    param(f, "ReplicationRelationship", cim_embedded(i));
    run(f, code);
}

static void test_state_change_ex(void **state)
{
    struct fixture *f = *state;
    core.answer = (struct core_answer){0};
    change_ex(f, "Microsoft:" VM_ID "\\HVR\\1", 0);
    assert_int_equal(core.changed_rel, 1);
    assert_int_equal(core.wanted, 9);
    change_ex(f, "Microsoft:" REPLICA_ID "\\HVR\\1", 32773);
    change_ex(f, "Microsoft:" VM_ID "\\HVR\\2", 32773);
    change_ex(f, "Microsoft:" VM_ID, 32773);
    change_ex(f, NULL, 32773);
    assert_int_equal(core.changes, 1);
}

static struct cim_instance *fetch(struct fixture *f, const char *text)
{
    struct cim_path p;
    struct cim_instance *i = NULL;
    struct cim_status st = {0};
    struct cim_caller who = {.user = "v", .role = VR_ROLE_VIEWER};
    path(f, &p, text);
    cim_broker_get_instance(provider_broker(f->p), &who, CIM_NAMESPACE, &p, &f->arena, &i, &st);
    f->cim_code = st.code;
    return i;
}

static void test_job_instance(void **state)
{
    struct fixture *f = *state;
    core.job.progress = (struct vr_progress){.bytes_total = 1000, .bytes_compared = 500};
    struct cim_instance *i = fetch(f, JOB);
    assert_non_null(i);
    assert_int_equal(cim_get(i, "PercentComplete")->u, 50);
    assert_int_equal(cim_get(i, "JobState")->u, 4);
    assert_int_equal(cim_get(i, "JobType")->u, 107);
    assert_string_equal(cim_get(i, "ElapsedTime")->str, "00000000000005.000000:000");
    assert_string_equal(cim_get(i, "TimeBeforeRemoval")->str, "00000000001000.000000:000");
    assert_true(cim_get(i, "Cancellable")->b && cim_get(i, "ScheduledStartTime")->is_null);
    core.job.progress.bytes_compared = core.job.progress.bytes_total;
    assert_int_equal(cim_get(fetch(f, JOB), "PercentComplete")->u, 99); /* not done before it is */
    core.job.state = VR_JOB_COMPLETED;
    i = fetch(f, JOB);
    assert_int_equal(cim_get(i, "PercentComplete")->u, 100);
    assert_false(cim_get(i, "Cancellable")->b);
    assert_null(fetch(f, ":Msvm_ConcreteJob.InstanceID=\"01020300-0000-0000-0000-000000000000\""));
    assert_int_equal(f->cim_code, CIM_ERR_NOT_FOUND);
}

static void job_method(struct fixture *f, const char *method, int role)
{
    begin(f, JOB, method, role);
}

static void run_out(struct fixture *f, const char *name, bool null, const char *message)
{
    cim_broker_invoke(provider_broker(f->p), &f->in, on_done, f);
    assert_int_equal(f->cim_code + f->code, 0);
    assert_string_equal(f->out_name, name);
    assert_int_equal(f->out_null, null);
    assert_string_equal(f->message, message);
}

static void test_job_errors(void **state)
{
    struct fixture *f = *state;
    job_method(f, "GetError", VR_ROLE_VIEWER);
    run_out(f, "Error", true, "");
    job_method(f, "GetErrorEx", VR_ROLE_VIEWER);
    run_out(f, "Errors", true, "");
    core.job.state = VR_JOB_EXCEPTION;
    core.job.error_code = 32777;
    snprintf(core.job.error_text, sizeof core.job.error_text, "peer 'beta' refused");
    job_method(f, "GetError", VR_ROLE_VIEWER);
    run_out(f, "Error", false, "peer 'beta' refused");
    job_method(f, "GetErrorEx", VR_ROLE_VIEWER);
    run_out(f, "Errors", false, "peer 'beta' refused");
    struct cim_instance *i = fetch(f, JOB);
    assert_int_equal(cim_get(i, "ErrorCode")->u, 32777);
    assert_int_equal(cim_get(i, "OperationalStatus")->items[0].u, 6);
}

static void test_job_state_change(void **state)
{
    struct fixture *f = *state;
    job_method(f, "RequestStateChange", VR_ROLE_OPERATOR);
    param(f, "RequestedState", cim_uint(CIM_UINT16, 3));
    run(f, 0);
    job_method(f, "RequestStateChange", VR_ROLE_OPERATOR);
    param(f, "RequestedState", cim_uint(CIM_UINT16, 2));
    run(f, 4097);
    job_method(f, "RequestStateChange", VR_ROLE_OPERATOR);
    run(f, 5);
    job_method(f, "RequestStateChange", VR_ROLE_OPERATOR);
    param(f, "RequestedState", cim_uint(CIM_UINT16, 3));
    param(f, "TimeoutPeriod", cim_interval(&f->arena, 5000000));
    run(f, 4098);
    job_method(f, "KillJob", VR_ROLE_ADMIN);
    run(f, 1);
    job_method(f, "RequestStateChange", VR_ROLE_VIEWER);
    param(f, "RequestedState", cim_uint(CIM_UINT16, 3));
    cim_broker_invoke(provider_broker(f->p), &f->in, on_done, f);
    assert_int_equal(f->cim_code, CIM_ERR_ACCESS_DENIED);
}

static bool on_instance(void *ctx, const struct cim_instance *i)
{
    struct fixture *f = ctx;
    size_t n = strlen(f->names);
    const struct cim_value *name = cim_get(i, "ElementName");
    snprintf(f->names + n, sizeof f->names - n, "%s;", name->is_null ? "-" : name->str);
    f->listed++;
    return true;
}

static void enumerate(struct fixture *f, const char *cls)
{
    struct cim_status st = {0};
    struct cim_caller who = {.user = "v", .role = VR_ROLE_VIEWER};
    f->listed = 0;
    f->names[0] = '\0';
    cim_broker_enum_instances(provider_broker(f->p), &who, CIM_NAMESPACE, cls, on_instance, f, &st);
    assert_int_equal(st.code, 0);
}

static void test_enumerate(void **state)
{
    struct fixture *f = *state;
    enumerate(f, "CIM_ComputerSystem");
    assert_string_equal(f->names, "alpha;web;db;");
    enumerate(f, "cim_service");
    assert_int_equal(f->listed, 1);
    enumerate(f, "CIM_ConcreteJob");
    assert_int_equal(f->listed, 1);
    enumerate(f, "Msvm_ReplicationRelationship");
    assert_int_equal(f->listed, 2);
    enumerate(f, "Msvm_ReplicationSettingData");
    assert_int_equal(f->listed, 2);
    enumerate(f, "CIM_LogicalElement");
    assert_int_equal(f->listed, 5);
    enumerate(f, "Msvm_Error");
    assert_int_equal(f->listed, 0);
}

static bool take_name(void *ctx, const struct cim_instance *i)
{
    struct fixture *f = ctx;
    char *text = cim_path_text(&f->arena, &i->path);
    size_t n = strlen(f->names);
    snprintf(f->names + n, sizeof f->names - n, "%s ", strchr(text, ':') + 1);
    f->listed++;
    return true;
}

static void related(struct fixture *f,
                    const char *object,
                    const char *assoc,
                    const char *result,
                    unsigned n,
                    const char *part)
{
    struct cim_caller who = {.user = "anna", .role = VR_ROLE_VIEWER};
    struct cim_status st = {0};
    struct cim_related r = {.assoc_class = assoc, .result_class = result};
    path(f, &r.path, object);
    f->listed = 0;
    f->names[0] = '\0';
    cim_broker_related(provider_broker(f->p), &who, CIM_NAMESPACE, &r, true, take_name, f, &st);
    if (st.code || f->listed != n || !strstr(f->names, part)) {
        fail_msg("%s: CIM %d %s, %u found: %s", object, st.code, st.text, f->listed, f->names);
    }
}

/* The ways that clients of Hyper-V Replica walk, there and back. */
static void test_associations(void **state)
{
    struct fixture *f = *state;
    const char *rel = "Msvm_ReplicationRelationship.InstanceID=\"Microsoft:";
    related(f, SYSTEM(VM_ID), NULL, "Msvm_ReplicationRelationship", 1, rel);
    related(f, SYSTEM(REPLICA_ID), "Msvm_SystemReplicationRelationship", NULL, 1, rel);
    related(f, ":Msvm_ReplicationRelationship.InstanceID=\"Microsoft:" VM_ID "\\HVR\\0\"", NULL,
            "CIM_ComputerSystem", 1, VM_ID);
    related(f, SYSTEM(VM_ID), NULL, "CIM_ConcreteJob", 1, "Msvm_ConcreteJob");
    related(f, SYSTEM(REPLICA_ID), NULL, "CIM_ConcreteJob", 0, "");
    related(f, JOB, "CIM_AffectedJobElement", NULL, 1, VM_ID);
    related(f, JOB, NULL, "CIM_Service", 1, "replicasvc");
    related(f, SVC, "CIM_OwningJobElement", NULL, 1, "Msvm_ConcreteJob");
    related(f, SVC, "CIM_HostedDependency", NULL, 1, "Name=\"alpha\"");
    related(f, SVC, "Msvm_ServiceAffectsElement", NULL, 2, REPLICA_ID);
    related(f, SYSTEM("alpha"), NULL, NULL, 1, "replicasvc");
    related(f, SYSTEM(VM_ID), NULL, NULL, 5, "replicasvc");
    related(f, SYSTEM(VM_ID), NULL, "Msvm_ReplicationSettingData", 1, VM_ID);
    related(f, ":Msvm_ReplicationRelationship.InstanceID=\"Microsoft:" VM_ID "\\HVR\\0\"",
            "Msvm_SettingsDefineState", NULL, 1, "Msvm_ReplicationSettingData");
    core.job.vm_id = (struct vr_uuid){{9}}; /* of a VM that is gone */
    related(f, SYSTEM(VM_ID), NULL, "CIM_ConcreteJob", 0, "");
    related(f, JOB, "CIM_AffectedJobElement", NULL, 0, "");
}

/* Either side says who sends and who receives; what is no setting here is NULL. */
static void test_settings(void **state)
{
    struct fixture *f = *state;
#define SETTINGS(vm) ":Msvm_ReplicationSettingData.InstanceID=\"Microsoft:" vm "\\HVR\\0\""
    snprintf(core.rels[0].peer, sizeof core.rels[0].peer, "beta:8651");
    snprintf(core.rels[0].peer_identity, sizeof core.rels[0].peer_identity, "beta.example");
    snprintf(core.rels[1].peer_identity, sizeof core.rels[1].peer_identity, "gamma.example");
    core.rels[0].setting = vr_setting_default();
    struct cim_instance *i = fetch(f, SETTINGS(VM_ID));
    assert_string_equal(cim_get(i, "ElementName")->str, "web");
    assert_string_equal(cim_get(i, "VirtualSystemIdentifier")->str, VM_ID);
    assert_string_equal(cim_get(i, "RecoveryConnectionPoint")->str, "beta");
    assert_int_equal(cim_get(i, "RecoveryServerPortNumber")->u, 8651);
    assert_string_equal(cim_get(i, "RecoveryHostSystem")->str, "beta.example");
    assert_string_equal(cim_get(i, "PrimaryConnectionPoint")->str, "alpha");
    assert_int_equal(cim_get(i, "ReplicationInterval")->u, 0);
    assert_false(cim_get(i, "ReplicationInterval")->is_null);
    assert_string_equal(cim_get(i, "AutoResynchronizeIntervalStart")->str,
                        "00000000183000.000000:000");
    i = fetch(f, SETTINGS(REPLICA_ID));
    assert_true(cim_get(i, "ReplicationInterval")->is_null);
    assert_string_equal(cim_get(i, "ElementName")->str, "db");
    assert_string_equal(cim_get(i, "RecoveryConnectionPoint")->str, "alpha");
    assert_true(cim_get(i, "RecoveryServerPortNumber")->is_null);
    assert_string_equal(cim_get(i, "PrimaryHostSystem")->str, "gamma.example");
    assert_null(fetch(f, SETTINGS("00000009-0000-4000-8000-000000000000")));
}

static void test_get_systems(void **state)
{
    struct fixture *f = *state;
    struct cim_instance *i = fetch(f, SYSTEM(VM_ID));
    assert_int_equal(cim_get(i, "ReplicationState")->u, 9);
    assert_int_equal(cim_get(i, "ReplicationHealth")->u, 3);
    assert_int_equal(cim_get(i, "ReplicationMode")->u, 1);
    i = fetch(f, SYSTEM(REPLICA_ID));
    assert_string_equal(cim_get(i, "ElementName")->str, "db");
    assert_int_equal(cim_get(i, "ReplicationMode")->u, 2);
    assert_false(cim_get(i, "LastReplicationTime")->is_null);
    assert_string_equal(cim_get(fetch(f, SYSTEM("ALPHA")), "Caption")->str,
                        "Hosting Computer System");
    assert_null(fetch(f, SYSTEM("nobody")));
    assert_null(fetch(f, ":Msvm_ComputerSystem.Name=\"" VM_ID "\""));
    i = fetch(f, ":Msvm_ReplicationRelationship.InstanceID=\"Microsoft:" VM_ID "\\HVR\\0\"");
    assert_int_equal(cim_get(i, "ReplicationState")->u, 9);
    /* escaped once more, as a client copies what it printed */
    i = fetch(f, ":Msvm_ReplicationRelationship.InstanceID=\"Microsoft:" VM_ID
                 "\\\\\\\\HVR\\\\\\\\0\"");
    assert_non_null(i);
    assert_int_equal(cim_get(i, "ReplicationState")->u, 9);
    assert_null(
        fetch(f, ":Msvm_ReplicationRelationship.InstanceID=\"Microsoft:" VM_ID "\\HVR\\1\""));
}

#define S(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        S(test_resync_starts),     S(test_resync_core_refuses), S(test_resync_answers_later),
        S(test_resync_parameters), S(test_resync_start_time),   S(test_resync_order),
        S(test_wrong_objects),     S(test_service_control),     S(test_state_change),
        S(test_state_change_ex),   S(test_job_instance),        S(test_job_errors),
        S(test_job_state_change),  S(test_enumerate),           S(test_associations),

        S(test_settings),          S(test_get_systems)};
    return RUN(tests);
}
