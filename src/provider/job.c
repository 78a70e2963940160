/* SPDX-License-Identifier: Apache-2.0 */
/* Msvm_ConcreteJob, and the Msvm_Error its GetError and GetErrorEx embed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "provider/internal.h"
#include "util/num.h"

#define JOB_NOT_SUPPORTED 1 /* of KillJob */
#define JOB_INVALID_PARAMETER 5
#define JOB_NO_TIMEOUT 4098

/* What is done of what is known to be to do; never 100 before the job is completed. Rises only:
 * what is found to differ rises no faster than what is compared. */
static uint16_t percent(const struct vr_job *job)
{
    const struct vr_progress *g = &job->progress;
    if (job->state == VR_JOB_COMPLETED) {
        return 100;
    }
    long double total = (long double)g->bytes_total + VR_MAX(g->bytes_to_write, g->bytes_differing);
    long double done = (long double)g->bytes_compared + g->bytes_written;
    if (total <= 0) {
        return 0;
    }
    return (uint16_t)VR_MIN(done * 100 / total, 99.0L);
}

static uint64_t elapsed_us(struct provider *p, const struct vr_job *job)
{
    uint64_t end = job->finished_us ? job->finished_us : p->env->now_us(p->env_ctx);
    return job->started_us && end > job->started_us ? end - job->started_us : 0;
}

static struct cim_value text(struct cim_arena *a, const char *s)
{
    return cim_str(*s ? cim_strdup(a, s) : NULL);
}

static void
set_job(struct provider *p, struct cim_instance *i, struct cim_arena *a, const struct vr_job *job)
{
    bool final = vr_job_is_final(job->state);
    cim_set(i, "JobStatus", text(a, job->status));
    cim_set(i, "TimeSubmitted", cim_time(a, job->submitted_us));
    cim_set(i, "ScheduledStartTime", cim_time(a, job->scheduled_us));
    cim_set(i, "StartTime", cim_time(a, job->started_us));
    cim_set(i, "ElapsedTime", cim_interval(a, elapsed_us(p, job)));
    cim_set(i, "LocalOrUtcTime", cim_uint(CIM_UINT16, 2));
    cim_set(i, "Owner", text(a, job->initiator));
    cim_set(i, "PercentComplete", cim_uint(CIM_UINT16, percent(job)));
    cim_set(i, "DeleteOnCompletion", cim_bool(true));
    cim_set(i, "ErrorCode", cim_uint(CIM_UINT16, VR_MIN(job->error_code, 65535u)));
    cim_set(i, "ErrorDescription", text(a, job->error_text));
    cim_set(i, "JobState", cim_uint(CIM_UINT16, job->state));
    cim_set(i, "TimeOfLastStateChange", cim_time(a, job->changed_us));
    cim_set(i, "TimeBeforeRemoval", cim_interval(a, p->config.job_keep_us));
    cim_set(i, "ErrorSummaryDescription", text(a, job->error_text));
    cim_set(i, "Cancellable", cim_bool(job->cancellable && !final));
    cim_set(i, "JobType", cim_uint(CIM_UINT16, job->type));
}

static struct cim_instance *build(struct provider *p,
                                  const struct vr_job *job,
                                  const struct cim_class *cls,
                                  struct cim_arena *a)
{
    char id[VR_UUID_TEXT_LEN];
    struct cim_instance *i = cim_instance_new(a, cls);
    const char *what = vr_job_type_text(job->type);
    bool failed = job->state == VR_JOB_EXCEPTION;
    cim_set(i, "InstanceID",
            cim_str(cim_printf(a, "%s%s", JOB_ID_PREFIX, vr_uuid_text(&job->uuid, id))));
    cim_set(i, "Caption", cim_str(what));
    cim_set(i, "Description",
            cim_str(job->vm_name[0] ? cim_printf(a, "%s, VM '%s'", what, job->vm_name) : what));
    cim_set(i, "ElementName", cim_str(what));
    cim_set(i, "Name", cim_str(what));
    cim_set(i, "OperationalStatus", cim_array1(a, cim_uint(CIM_UINT16, failed ? 6 : 2)));
    cim_set(i, "StatusDescriptions",
            cim_array1(a, cim_str(failed ? cim_strdup(a, job->error_text) : "OK")));
    cim_set(i, "HealthState", cim_uint(CIM_UINT16, failed ? 20 : 5));
    set_job(p, i, a, job);
    cim_instance_make_path(i, CIM_NAMESPACE);
    return i;
}

static struct cim_instance *get(struct provider *p,
                                const struct cim_class *cls,
                                const struct cim_path *path,
                                struct cim_arena *a)
{
    const struct vr_job *job = provider_find_job(p, path);
    return job ? build(p, job, cls, a) : NULL;
}

static void list(struct provider_list *l)
{
    const struct vr_job *job;
    for (size_t i = 0; (job = provider_job_next(l->p, &i));) {
        if (!provider_list_one(l, build(l->p, job, l->cls, &l->arena))) {
            return;
        }
    }
}

/* NULL: the job has no error. */
static struct cim_instance *
build_error(struct provider *p, const struct vr_job *job, struct cim_arena *a)
{
    if (job->state != VR_JOB_EXCEPTION && job->error_code == 0) {
        return NULL;
    }
    struct cim_path *source = provider_ref_job(a, job);
    return provider_error(p, a, job->error_code, job->error_kind, job->error_text, source);
}

static void get_error(struct provider_call *call, const struct vr_job *job, bool many)
{
    struct cim_arena a;
    cim_arena_init(&a, PROVIDER_INSTANCE_MAX_BYTES);
    struct cim_value v = cim_embedded(build_error(call->p, job, &a));
    if (many && !v.is_null) {
        v = cim_array1(&a, v);
    }
    if (cim_arena_failed(&a)) {
        provider_return(call, VR_RC_OUT_OF_MEMORY);
    } else {
        provider_return_out(call, 0, many ? "Errors" : "Error", v);
    }
    cim_arena_deinit(&a);
}

static bool asks_for_timeout(const struct cim_param *t)
{
    struct cim_datetime d;
    return t && !t->value.is_null &&
           (!cim_datetime_parse(t->value.str, &d) || !d.is_interval || d.has_wildcard || d.us);
}

static void change_state(struct provider_call *call, const struct vr_job *job)
{
    const struct cim_param *state = cim_invoke_param(call->in, "RequestedState");
    const struct cim_param *timeout = cim_invoke_param(call->in, "TimeoutPeriod");
    if (call->in->caller.role < VR_ROLE_OPERATOR) {
        provider_fail(call, CIM_ERR_ACCESS_DENIED, "only operators and administrators may do this");
    } else if (!state || state->wrong_type || state->value.is_null ||
               (timeout && timeout->wrong_type)) {
        provider_return(call, JOB_INVALID_PARAMETER);
    } else if (asks_for_timeout(timeout)) {
        provider_return(call, JOB_NO_TIMEOUT);
    } else {
        struct core_caller who = provider_caller(call);
        provider_return(call, core_job_state_change(call->p->core, &who, job->id,
                                                    (uint16_t)state->value.u, NULL));
    }
}

static void invoke(struct provider_call *call)
{
    const struct vr_job *job = provider_find_job(call->p, &call->in->path);
    const char *method = call->in->method->name;
    if (!job) {
        provider_fail(call, CIM_ERR_NOT_FOUND, "no such job any more");
    } else if (strcasecmp(method, "RequestStateChange") == 0) {
        change_state(call, job);
    } else if (strcasecmp(method, "GetError") == 0 || strcasecmp(method, "GetErrorEx") == 0) {
        get_error(call, job, strcasecmp(method, "GetErrorEx") == 0);
    } else {
        provider_return(call, JOB_NOT_SUPPORTED);
    }
}

const struct provider_class provider_job = {.name = "Msvm_ConcreteJob",
                                            .source =
                                                "each job, until TimeBeforeRemoval after its end",
                                            .get = get,
                                            .list = list,
                                            .invoke = invoke};
