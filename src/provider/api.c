/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/api.h"

#include <stdlib.h>
#include <string.h>

#include "core/auth.h"
#include "core/change.h"
#include "core/initial.h"
#include "core/service.h"

/* RequestedState of RequestReplicationStateChange. */
enum {
    STATE_CHANGE_RESUME = 3,
    STATE_CHANGE_PAUSE = 7,
    STATE_CHANGE_CANCEL = 9
};

static const char *api_host_name(void *ctx)
{
    return ((const struct provider_api *)ctx)->host_name;
}

static void api_enter(void *ctx, const struct api_caller *who)
{
    ((struct provider_api *)ctx)->scope = who->scope;
}

static bool sees(const struct provider_api *a, const struct vr_uuid *vm)
{
    return vr_scope_has(&a->scope, vm);
}

static bool api_vm_next(void *ctx, size_t *at, struct api_vm_name *ret)
{
    const struct provider_api *a = ctx;
    struct api_vm_name vm;
    while (a->env->vm_next(a->env_ctx, at, &vm)) {
        if (sees(a, &vm.id)) {
            *ret = vm;
            return true;
        }
    }
    return false;
}

static bool api_vm(void *ctx, const struct vr_uuid *id, struct vr_vm *ret)
{
    const struct provider_api *a = ctx;
    return sees(a, id) && a->env->vm(a->env_ctx, id, ret);
}

struct report_asked {
    struct vr_scope scope;
    uint64_t job_id;
    api_report_done done;
    void *arg;
};

/* As store_find_report fails when there is none. */
static void report_known(void *ctx, int r, const struct vr_err *err, const struct vr_report *report)
{
    struct report_asked *q = ctx;
    struct vr_err none = VR_ERR_INIT;
    if (r == 0 && !vr_scope_has(&q->scope, &report->vm_id)) {
        r = vr_fail(&none, VR_E_NOT_FOUND, "no report of job %llu", (unsigned long long)q->job_id);
        err = &none;
        report = NULL;
    }
    q->done(q->arg, r, err, report);
    free(q);
}

static void api_report(void *ctx, uint64_t job_id, api_report_done done, void *arg)
{
    const struct provider_api *a = ctx;
    struct vr_err err = VR_ERR_INIT;
    struct report_asked *q = malloc(sizeof(*q));
    if (!q) {
        done(arg, vr_fail_nomem(&err), &err, NULL);
        return;
    }
    *q = (struct report_asked){a->scope, job_id, done, arg};
    a->env->report(a->env_ctx, job_id, report_known, q);
}

static void api_events(void *ctx, const struct vr_event_query *q, api_events_done done, void *arg)
{
    const struct provider_api *a = ctx;
    struct vr_event_query seen = *q;
    seen.scope = &a->scope;
    a->env->events(a->env_ctx, &seen, done, arg);
}

static enum vr_mode mode_of(const struct vr_rel *rel)
{
    if (rel->number == 0) {
        return rel->is_source ? VR_MODE_PRIMARY : VR_MODE_REPLICA;
    }
    return rel->is_source ? VR_MODE_REPLICA : VR_MODE_EXTENDED;
}

/* The i-th of the VM's two. */
static const struct vr_rel *vm_rel_at(struct core *core, const struct vr_uuid *vm, size_t i)
{
    const struct vr_rel *first = core_rel(core, vm, 0), *second = core_rel(core, vm, 1);
    first = first ? first : second;
    return i == 0 ? first : i == 1 && first != second ? second : NULL;
}

static bool is_transfer(const struct vr_job *job)
{
    return job->progress.phase != VR_PHASE_NONE || job->type == VR_JOBTYPE_RESYNC ||
           job->type == VR_JOBTYPE_RESYNC_EXTENDED || job->type == VR_JOBTYPE_VERIFY ||
           job->type == VR_JOBTYPE_FORECAST;
}

/* What this job says of the next resynchronization; basis NONE: nothing. */
static struct api_plan plan_of(const struct vr_job *job)
{
    const struct vr_progress *p = &job->progress;
    const struct vr_forecast *f = &job->forecast;
    uint64_t from = job->started_us, until = job->finished_us;
    struct api_plan plan = {.job_id = job->id,
                            .at_us = job->finished_us,
                            .total_bytes = p->bytes_total,
                            .differing_bytes = p->bytes_differing,
                            .sent_bytes = p->bytes_sent,
                            .time_us = from && until > from ? until - from : 0};
    if (job->state != VR_JOB_COMPLETED) {
        return plan;
    }
    switch (job->type) {
    case VR_JOBTYPE_FORECAST:
        plan.basis = f->sampled_bytes ? API_PLAN_SAMPLE : API_PLAN_NONE;
        plan.differing_bytes = f->differing_bytes;
        plan.margin_bytes = f->margin_bytes;
        plan.sent_bytes = f->wire_bytes;
        plan.time_us = f->time_us;
        break;
    case VR_JOBTYPE_VERIFY:
        plan.basis = API_PLAN_VERIFY;
        break;
    case VR_JOBTYPE_RESYNC:
    case VR_JOBTYPE_RESYNC_EXTENDED:
        plan.basis = API_PLAN_RESYNC;
        break;
    default:
        break;
    }
    return plan;
}

/* What the relationship's jobs say of it. */
static void find_jobs(struct core *core, const struct vr_rel *rel, struct api_rel *ret)
{
    const struct vr_job *job = NULL;
    while ((job = core_vm_job(core, &rel->vm_id, job))) {
        if (job->rel_number != rel->number) {
            continue;
        }
        if (vr_job_is_final(job->state)) {
            bool newer = !ret->last || job->finished_us >= ret->last->finished_us;
            ret->last = newer && is_transfer(job) ? job : ret->last;
            struct api_plan plan = plan_of(job);
            bool says = rel->is_source && plan.basis && plan.at_us >= ret->plan.at_us;
            ret->plan = says ? plan : ret->plan;
            continue;
        }
        /* a running job says more than one scheduled for later */
        ret->job = !ret->job || ret->job->state == VR_JOB_NEW ? job : ret->job;
        if (job->state == VR_JOB_NEW) {
            ret->next_run_us = job->scheduled_us;
        }
    }
}

static bool api_rel_next(void *ctx, size_t *at, const struct vr_uuid *vm, struct api_rel *ret)
{
    const struct provider_api *a = ctx;
    struct core *core = a->core;
    const struct vr_rel *rel;
    do {
        rel = vm ? vm_rel_at(core, vm, *at) : core_rel_at(core, *at);
        ++*at;
    } while (rel && !sees(a, &rel->vm_id));
    if (!rel) {
        return false;
    }
    *ret = (struct api_rel){.rel = *rel,
                            .mode = mode_of(rel),
                            .peer_cert_end_us = a->env->peer_cert_end_us(a->env_ctx, rel),
                            .staging = a->env->staging(a->env_ctx, rel),
                            .limit = a->env->limit(a->env_ctx, rel),
                            .defined = a->env->defined(a->env_ctx, rel)};
    a->env->vm_name(a->env_ctx, rel, ret->vm_name);
    find_jobs(core, rel, ret);
    ret->wait = ret->job ? core_job_wait(core, ret->job->id) : (struct vr_wait){0};
    struct core_stats stats = {0};
    (void)core_stats(core, &rel->vm_id, rel->number, &stats);
    ret->stats = stats.stats;
    ret->sent_bytes = stats.sent_bytes;
    ret->all_sent = stats.all_sent;
    ret->reasons = stats.reasons;
    ret->next_run_us = ret->next_run_us ? ret->next_run_us : stats.next_us;
    if (!ret->vm_name[0] && ret->job) {
        memcpy(ret->vm_name, ret->job->vm_name, sizeof(ret->vm_name));
    }
    return true;
}

static const struct vr_job *api_job_next(void *ctx, size_t *at)
{
    const struct provider_api *a = ctx;
    const struct vr_job *job;
    do {
        job = core_job_at(a->core, (*at)++);
    } while (job && !sees(a, &job->vm_id));
    return job;
}

static const struct vr_job *api_job(void *ctx, uint64_t id)
{
    const struct provider_api *a = ctx;
    const struct vr_job *job = core_job(a->core, id);
    return job && sees(a, &job->vm_id) ? job : NULL;
}

static const struct vr_auth_entry *api_auth_at(void *ctx, size_t i)
{
    return core_auth_at(((const struct provider_api *)ctx)->core, i);
}

static void api_settings(void *ctx, struct vr_service *ret)
{
    core_service(((const struct provider_api *)ctx)->core, ret);
}

static enum vr_mode api_vm_mode(void *ctx, const struct vr_uuid *vm)
{
    const struct provider_api *a = ctx;
    return sees(a, vm) ? core_vm_mode(a->core, vm) : VR_MODE_NONE;
}

/* --- verbs --- */

struct pending {
    api_done done;
    void *arg;
    struct vr_uuid asked, judged; /* the same, unless the caller may not see the one asked for */
};

/* The answer speaks of the VM that was asked for; both texts have one length. */
static void put_asked(const struct pending *p, char *text)
{
    char asked[VR_UUID_TEXT_LEN], judged[VR_UUID_TEXT_LEN];
    vr_uuid_text(&p->asked, asked);
    vr_uuid_text(&p->judged, judged);
    for (char *at = text; (at = strstr(at, judged));) {
        memcpy(at, asked, sizeof(asked) - 1);
    }
}

static void verb_done(void *ctx, const struct core_answer *answer)
{
    struct pending *p = ctx;
    struct api_answer a = {.code = answer->code, .job_id = answer->job_id, .kind = answer->kind};
    memcpy(a.text, answer->text, sizeof(a.text));
    if (!vr_uuid_eq(&p->asked, &p->judged)) {
        put_asked(p, a.text);
    }
    p->done(p->arg, &a);
    free(p);
}

static void call_resync(struct core *c,
                        const struct core_caller *who,
                        const struct api_verb *v,
                        struct pending *p)
{
    struct core_resync_args args = {.vm_id = v->vm_id,
                                    .start_us = v->start_us,
                                    .rel_number = v->rel_number,
                                    .force = v->force,
                                    .restart = v->restart};
    core_resync(c, who, &args, verb_done, p);
}

static void call_enable(struct core *c,
                        const struct core_caller *who,
                        const struct api_verb *v,
                        struct pending *p)
{
    struct core_enable_args args = {.vm_id = v->vm_id,
                                    .nexcluded = v->nexcluded,
                                    .start_us = v->start_us,
                                    .seeded = v->seeded,
                                    .no_start = v->no_start,
                                    .bandwidth_bytes_s = v->bandwidth_bytes_s,
                                    .setting = v->setting};
    memcpy(args.peer, v->host, sizeof(args.peer));
    memcpy(args.excluded, v->excluded, sizeof(args.excluded));
    core_enable(c, who, &args, verb_done, p);
}

static void call_start(struct core *c,
                       const struct core_caller *who,
                       const struct api_verb *v,
                       struct pending *p)
{
    struct core_start_args args = {.vm_id = v->vm_id,
                                   .rel_number = v->rel_number,
                                   .type = v->location[0] ? CORE_START_EXPORT
                                           : v->seeded    ? CORE_START_SEEDED
                                                          : CORE_START_NETWORK,
                                   .start_us = v->start_us};
    memcpy(args.location, v->location, sizeof(args.location));
    core_start_replication(c, who, &args, verb_done, p);
}

static void call_import(struct core *c,
                        const struct core_caller *who,
                        const struct api_verb *v,
                        struct pending *p)
{
    struct core_import_args args = {.vm_id = v->vm_id};
    memcpy(args.location, v->location, sizeof(args.location));
    core_import_initial(c, who, &args, verb_done, p);
}

static void call_modify(struct core *c,
                        const struct core_caller *who,
                        const struct api_verb *v,
                        struct pending *p)
{
    const struct vr_rel *first = core_rel(c, &v->vm_id, 0);
    bool second = v->rel_number > 0 || (v->rel_number < 0 && first && !first->is_source);
    struct core_modify_args args = {.vm_id = v->vm_id, .number = second, .setting = v->setting};
    core_modify(c, who, &args, verb_done, p);
}

static void call_core(struct core *c,
                      const struct core_caller *who,
                      const struct api_verb *v,
                      struct pending *p)
{
    switch (v->kind) {
    case API_RESYNC:
        if (v->dry_run) {
            core_forecast(c, who, &v->vm_id, v->rel_number, verb_done, p);
            return;
        }
        call_resync(c, who, v, p);
        return;
    case API_VERIFY:
        core_verify(c, who, &v->vm_id, v->rel_number, verb_done, p);
        return;
    case API_ENABLE:
        call_enable(c, who, v, p);
        return;
    case API_START:
        call_start(c, who, v, p);
        return;
    case API_IMPORT:
        call_import(c, who, v, p);
        return;
    case API_DISABLE:
        core_disable(c, who, &v->vm_id, v->rel_number, verb_done, p);
        return;
    case API_PAUSE:
        core_state_change(c, who, &v->vm_id, v->rel_number, STATE_CHANGE_PAUSE, verb_done, p);
        return;
    case API_RESUME:
        core_state_change(c, who, &v->vm_id, v->rel_number, STATE_CHANGE_RESUME, verb_done, p);
        return;
    case API_CANCEL:
        core_state_change(c, who, &v->vm_id, v->rel_number, STATE_CHANGE_CANCEL, verb_done, p);
        return;
    case API_FAILOVER:
        core_failover(c, who, &v->vm_id, v->force, verb_done, p);
        return;
    case API_ADOPT:
        core_adopt(c, who, &v->vm_id, v->rel_number, verb_done, p);
        return;
    case API_BANDWIDTH:
        core_bandwidth(c, who, &v->vm_id, v->rel_number, v->bandwidth_bytes_s, verb_done, p);
        return;
    case API_REL_SETTINGS:
        call_modify(c, who, v, p);
        return;
    case API_STATS_RESET:
        core_stats_reset(c, who, &v->vm_id, v->rel_number, verb_done, p);
        return;
    case API_SETTINGS:
        core_service_set(c, who, &v->settings, verb_done, p);
        return;
    case API_AUTH_ADD:
        core_auth_put(c, who, CORE_AUTH_PUT, &v->auth, verb_done, p);
        return;
    case API_AUTH_REMOVE:
        core_auth_remove(c, who, v->host, verb_done, p);
        return;
    case API_PEER_TEST:
        core_peer_test(c, who, v->host, verb_done, p);
        return;
    }
    vr_assert(!"a verb of model/api.h");
}

static bool is_of_host(enum api_verb_kind kind)
{
    switch (kind) {
#define X(name, word) case API_##name:
        API_HOST_VERBS(X)
#undef X
        return true;
    default:
        return false;
    }
}

static void api_verb(
    void *ctx, const struct api_caller *who, const struct api_verb *verb, api_done done, void *arg)
{
    const struct provider_api *a = ctx;
    struct core_caller caller = {.role = who->role};
    struct api_verb mine = *verb;
    memcpy(caller.user, who->user, sizeof(caller.user));
    if (who->scope.limited && is_of_host(verb->kind)) {
        struct api_answer no = {.code = VR_RC_ACCESS_DENIED, .kind = VR_E_DENIED};
        snprintf(no.text, sizeof(no.text),
                 "this user is limited to some virtual machines: it may not change the host");
        done(arg, &no);
        return;
    }
    if (!is_of_host(verb->kind) && !vr_scope_has(&who->scope, &verb->vm_id)) {
        mine.vm_id = vr_uuid_new(); /* core judges a VM that is not there, in its own order */
    }
    struct pending *p = malloc(sizeof(*p));
    if (!p) {
        struct api_answer no = {.code = VR_RC_OUT_OF_MEMORY, .kind = VR_E_NOMEM};
        snprintf(no.text, sizeof(no.text), "out of memory");
        done(arg, &no);
        return;
    }
    *p = (struct pending){done, arg, verb->vm_id, mine.vm_id};
    call_core(a->core, &caller, &mine, p);
}

const struct api_ops provider_api_ops = {
    .name = "core",
    .enter = api_enter,
    .host_name = api_host_name,
    .vm_next = api_vm_next,
    .vm = api_vm,
    .rel_next = api_rel_next,
    .job_next = api_job_next,
    .job = api_job,
    .auth_at = api_auth_at,
    .settings = api_settings,
    .vm_mode = api_vm_mode,
    .report = api_report,
    .events = api_events,
    .verb = api_verb,
};
