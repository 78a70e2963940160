/* SPDX-License-Identifier: Apache-2.0 */
#include "fake.h"
#include "core/service.h"

#include "util/num.h"

const struct core_caller admin = {VR_ROLE_ADMIN, "root"};
const struct core_caller operator_ = {VR_ROLE_OPERATOR, "olga"};
const struct core_caller viewer = {VR_ROLE_VIEWER, "vera"};
const struct core_caller nobody = {VR_ROLE_NONE, "nils"};

struct vr_uuid uuid_of(uint8_t n)
{
    struct vr_uuid u;
    memset(u.b, n, sizeof(u.b));
    return u;
}

static void note(struct fake *f, const char *what, uint64_t id)
{
    size_t n = strlen(f->log);
    snprintf(f->log + n, sizeof(f->log) - n, "%s %llu;", what, (unsigned long long)id);
}

static uint64_t now_us(void *ctx)
{
    return ((struct fake *)ctx)->now;
}

static void random_bytes(void *ctx, void *p, size_t n)
{
    memset(p, ++((struct fake *)ctx)->seed, n);
}

static int store_fails(struct fake *f, struct vr_err *err)
{
    f->saves++;
    bool fails =
        f->fail_from && f->saves >= f->fail_from && f->saves < f->fail_from + f->fail_count;
    if (!fails) {
        return 0;
    }
    f->injected++;
    return vr_fail(err, VR_E_IO, "injected failure of save %u", f->saves);
}

static int save_rel(void *ctx, const struct vr_rel *rel, struct vr_err *err)
{
    struct fake *f = ctx;
    int r = store_fails(f, err);
    if (r < 0) {
        return r;
    }
    note(f, "save_rel", rel->state);
    size_t i = 0;
    while (i < f->nrels &&
           (f->rels[i].number != rel->number || !vr_uuid_eq(&f->rels[i].vm_id, &rel->vm_id))) {
        i++;
    }
    assert_true(i < FAKE_MAX);
    f->rels[i] = *rel;
    f->nrels = VR_MAX(f->nrels, i + 1);
    return 0;
}

static int delete_rel(void *ctx, const struct vr_uuid *vm, uint8_t number, struct vr_err *err)
{
    struct fake *f = ctx;
    int r = store_fails(f, err);
    if (r < 0) {
        return r;
    }
    note(f, "delete_rel", number);
    for (size_t i = 0; i < f->nrels; i++) {
        if (f->rels[i].number == number && vr_uuid_eq(&f->rels[i].vm_id, vm)) {
            f->rels[i] = f->rels[--f->nrels];
            return 0;
        }
    }
    return 0;
}

static int save_job(void *ctx, const struct vr_job *job, struct vr_err *err)
{
    struct fake *f = ctx;
    int r = store_fails(f, err);
    if (r < 0) {
        return r;
    }
    note(f, "save_job", job->id);
    size_t i = 0;
    while (i < f->njobs && f->jobs[i].id != job->id) {
        i++;
    }
    assert_true(i < FAKE_MAX);
    f->jobs[i] = *job;
    f->njobs = VR_MAX(f->njobs, i + 1);
    return 0;
}

static int delete_job(void *ctx, uint64_t id, struct vr_err *err)
{
    struct fake *f = ctx;
    for (size_t i = 0; i < f->njobs; i++) {
        if (f->jobs[i].id == id) {
            f->jobs[i] = f->jobs[--f->njobs];
            break;
        }
    }
    return 0;
}

static int save_report(void *ctx, const struct vr_report *report, struct vr_err *err)
{
    ((struct fake *)ctx)->reports++;
    return 0;
}

static int save_auth(void *ctx, const struct vr_auth_entry *e, struct vr_err *err)
{
    return store_fails(ctx, err);
}

static int delete_auth(void *ctx, const char *host, struct vr_err *err)
{
    return store_fails(ctx, err);
}

static int save_service(void *ctx, const struct vr_service *service, struct vr_err *err)
{
    struct fake *f = ctx;
    int r = store_fails(f, err);
    if (r == 0) {
        f->service = *service;
        f->has_service = true;
    }
    return r;
}

static void host_service(void *ctx, struct vr_service *ret)
{
    ret->allowed_authentication = VR_AUTHENTICATION_CERTIFICATE;
    ret->https_port = 8650;
    snprintf(ret->thumbprint, sizeof(ret->thumbprint), "00FF");
}

static void event(void *ctx, const struct vr_event *e)
{
    struct fake *f = ctx;
    size_t n = strlen(f->events);
    snprintf(f->events + n, sizeof(f->events) - n, "%u %s: %s\n", e->event_id, e->id, e->text);
    memcpy(f->event_vm, e->vm_name, sizeof(f->event_vm));
}

static int find_vm(void *ctx, const struct vr_uuid *id, struct vr_vm *ret, struct vr_err *err)
{
    struct fake *f = ctx;
    if (f->find_result < 0) {
        return vr_fail(err, (enum vr_err_kind) - f->find_result, "inventory says no");
    }
    if (id->b[0] > 0x60 || id->b[0] == 0) {
        return vr_fail(err, VR_E_NOT_FOUND, "no such virtual machine");
    }
    *ret = f->vm;
    ret->id = *id;
    return 0;
}

static int replica_vm(void *ctx, const struct vr_rel *rel, struct vr_vm *ret, struct vr_err *err)
{
    struct fake *f = ctx;
    if (f->replica_vm_result < 0) {
        return vr_fail(err, (enum vr_err_kind) - f->replica_vm_result, "the sidecar is unreadable");
    }
    *ret = f->vm;
    ret->is_replica = true;
    return 0;
}

static int check_disks(void *ctx, struct vr_vm *vm, bool source_is_replica, struct vr_err *err)
{
    struct fake *f = ctx;
    return f->disks_result < 0 ? vr_fail(err, (enum vr_err_kind) - f->disks_result, "disk vda: no")
                               : 0;
}

static int peek_disks(void *ctx,
                      struct vr_vm *vm,
                      bool source_is_replica,
                      uint8_t ret_stamp[VR_STAMP_BYTES],
                      struct vr_err *err)
{
    memset(ret_stamp, ((struct fake *)ctx)->stamp, VR_STAMP_BYTES);
    return check_disks(ctx, vm, source_is_replica, err);
}

static uint32_t local_day_s(void *ctx, uint64_t time_us)
{
    return (uint32_t)((time_us / SEC + ((struct fake *)ctx)->day_off) % VR_DAY_S);
}

static int start_transfer(void *ctx, const struct core_transfer *t, struct vr_err *err)
{
    struct fake *f = ctx;
    note(f, "start", t->job_id);
    f->started = *t;
    f->starts++;
    return f->start_result < 0 ? vr_fail(err, (enum vr_err_kind) - f->start_result, "no lane") : 0;
}

static void command_transfer(void *ctx, uint64_t job_id, enum core_lane_command cmd, uint64_t value)
{
    static const char *const names[] = {"pause", "cancel", "proposed_saved", "bandwidth"};
    note(ctx, names[cmd], job_id);
}

static int peer_call(void *ctx,
                     uint64_t call_id,
                     const char *point,
                     const char *identity,
                     const struct vr_peer_request *req,
                     struct vr_err *err)
{
    struct fake *f = ctx;
    f->calls++;
    f->call_id = call_id;
    f->req = *req;
    snprintf(f->point, sizeof(f->point), "%s", point);
    note(f, "peer", (uint64_t)req->op);
    if (!f->hold_replies) {
        fake_reply(f);
    }
    return 0;
}

static int
create_replica(void *ctx, struct vr_rel *rel, const struct vr_peer_request *req, struct vr_err *err)
{
    struct fake *f = ctx;
    size_t n = strlen(rel->storage);
    snprintf(rel->storage + n, sizeof(rel->storage) - n, "/replica");
    note(f, "create", req->kind);
    return f->create_result < 0 ? vr_fail(err, (enum vr_err_kind) - f->create_result, "no room")
                                : 0;
}

static int inspect_replica(void *ctx,
                           const struct vr_rel *rel,
                           const struct vr_peer_request *req,
                           struct vr_peer_reply *reply,
                           struct vr_err *err)
{
    struct fake *f = ctx;
    reply->generation = f->replica_generation;
    reply->instant_us = f->replica_instant_us;
    reply->consistency = f->replica_consistency;
    reply->changed_alone = f->changed_alone;
    reply->released = f->released;
    return f->inspect_result < 0
               ? vr_fail(err, (enum vr_err_kind) - f->inspect_result, "the sidecar disagrees")
               : 0;
}

static int
promote_replica(void *ctx, const struct vr_rel *rel, struct vr_generation *ret, struct vr_err *err)
{
    note(ctx, "promote", rel->number);
    *ret = rel->generation;
    ret->uuid = uuid_of(0xee);
    ret->epoch++;
    return 0;
}

static void end_target_sessions(void *ctx, const struct vr_uuid *vm, uint8_t number)
{
    ((struct fake *)ctx)->ended_sessions++;
    note(ctx, "end_sessions", number);
}

static int release_replica(void *ctx, const struct vr_rel *rel, struct vr_err *err)
{
    note(ctx, "release", rel->number);
    return 0;
}

static int check_offline(void *ctx, const struct core_offline *o, struct vr_err *err)
{
    struct fake *f = ctx;
    return f->offline_result < 0
               ? vr_fail(err, (enum vr_err_kind) - f->offline_result, "no such directory")
               : 0;
}

static int start_offline(void *ctx, const struct core_offline *o, struct vr_err *err)
{
    struct fake *f = ctx;
    note(f, o->import ? "import" : "export", (unsigned)o->job_id);
    f->offline = *o;
    return f->start_result < 0 ? vr_fail(err, (enum vr_err_kind) - f->start_result, "no thread")
                               : 0;
}

static const struct core_env_ops ops = {
    .now_us = now_us,
    .random = random_bytes,
    .save_rel = save_rel,
    .delete_rel = delete_rel,
    .save_job = save_job,
    .delete_job = delete_job,
    .save_report = save_report,
    .save_auth = save_auth,
    .delete_auth = delete_auth,
    .save_service = save_service,
    .host_service = host_service,
    .event = event,
    .find_vm = find_vm,
    .replica_vm = replica_vm,
    .check_disks = check_disks,
    .peek_disks = peek_disks,
    .local_day_s = local_day_s,
    .start_transfer = start_transfer,
    .check_offline = check_offline,
    .start_offline = start_offline,
    .command_transfer = command_transfer,
    .peer_call = peer_call,
    .create_replica = create_replica,
    .inspect_replica = inspect_replica,
    .promote_replica = promote_replica,
    .end_target_sessions = end_target_sessions,
    .release_replica = release_replica,
};

static const struct core_config config = {
    .host_name = "a.example",
    .transfers_max = 2,
    .job_keep_us = 5 * MIN,
    .clock_slack_us = 300 * SEC,
    .schedule_max_us = 7 * 24 * 60 * MIN,
};

struct fake *fake_new(void)
{
    struct fake *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    f->now = T0;
    f->vm = (struct vr_vm){
        .id = uuid_of(1),
        .name = "web",
        .ndisks = 2,
        .disks = {{.name = "vda", .path = "/i/vda", .size_bytes = 100},
                  {.name = "vdb", .path = "/i/vdb", .size_bytes = 50}},
    };
    f->service = vr_service_default();
    f->service.monitoring_start_s = (T0 / SEC) % VR_DAY_S;
    f->service.monitoring_interval_s = VR_INTERVAL_MAX_S; /* no window ends unasked */
    f->has_service = true;
    snprintf(f->reply.host, sizeof(f->reply.host), "b.example");
    fake_restart(f);
    return f;
}

void fake_free(struct fake *f)
{
    core_free(f->c);
    free(f);
}

void fake_restart(struct fake *f)
{
    struct vr_err err = VR_ERR_INIT;
    struct core_config cc = config;
    cc.retry_first_us = f->retry_first_us;
    cc.sync_wait_us = f->sync_wait_us;
    core_free(f->c);
    CHECK_OK(core_new(&cc, &ops, f, &f->c, &err), &err);
    if (f->has_service) {
        CHECK_OK(core_load_service(f->c, &f->service, &err), &err);
    }
    for (size_t i = 0; i < f->nrels; i++) {
        CHECK_OK(core_load_rel(f->c, &f->rels[i], &err), &err);
    }
    for (size_t i = 0; i < f->njobs; i++) {
        CHECK_OK(core_load_job(f->c, &f->jobs[i], &err), &err);
    }
    CHECK_OK(core_start(f->c, &err), &err);
}

void fake_rel(struct fake *f, uint8_t number, bool is_source, enum vr_rel_state state)
{
    struct vr_rel rel = {
        .vm_id = f->vm.id,
        .number = number,
        .is_source = is_source,
        .state = state,
        .peer = "b.example",
        .peer_identity = "b.example",
        .generation = {.uuid = uuid_of(0x10), .sequence = 1},
    };
    if (state == VR_REL_READY) { /* nothing was ever sent */
        rel.generation = (struct vr_generation){0};
    }
    f->rels[f->nrels++] = rel;
    struct vr_err err = VR_ERR_INIT;
    CHECK_OK(core_load_rel(f->c, &rel, &err), &err);
}

void fake_done(void *ctx, const struct core_answer *a)
{
    struct fake *f = ctx;
    f->answers++;
    f->answer = *a;
    if (a->code != 0 && a->code != 4096) {
        assert_true(a->text[0] != '\0'); /* a refusal has a sentence for a person */
        assert_true(a->kind < 0);
    }
}

uint32_t fake_resync(struct fake *f, const struct core_caller *who, uint64_t start_us)
{
    struct core_resync_args args = {.vm_id = f->vm.id, .start_us = start_us, .rel_number = -1};
    f->answer.code = 1;
    core_resync(f->c, who, &args, fake_done, f);
    return f->answer.code;
}

uint32_t fake_state(struct fake *f, uint16_t requested)
{
    f->answer.code = 1;
    core_state_change(f->c, &operator_, &f->vm.id, -1, requested, fake_done, f);
    return f->answer.code;
}

void fake_reply(struct fake *f)
{
    core_on_peer_reply(f->c, f->call_id, &f->reply);
}

void fake_end(struct fake *f, uint64_t job, int result, const char *text)
{
    struct core_transfer_result res = {.result = result};
    if (result < 0) {
        (void)vr_fail(&res.err, (enum vr_err_kind) - result, "%s", text);
    }
    core_on_transfer_end(f->c, job, &res);
}

void fake_end_done(struct fake *f, uint64_t job, struct vr_uuid generation)
{
    struct core_transfer_result res = {.generation = {.uuid = generation, .sequence = 2}};
    res.report = (struct vr_report){.job_id = job, .instant_us = f->now, .equal = true};
    core_on_transfer_end(f->c, job, &res);
}

const struct vr_job *fake_job(struct fake *f, uint64_t id)
{
    const struct vr_job *j = core_job(f->c, id);
    assert_non_null(j);
    return j;
}

const struct vr_rel *fake_get(struct fake *f, uint8_t number)
{
    const struct vr_rel *r = core_rel(f->c, &f->vm.id, number);
    assert_non_null(r);
    return r;
}
