/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statistics of a relationship as Msvm_ReplicationStatistics: the window that runs, and the one
 * before it when there was one. What is not counted is NULL: bytes and failures on the replica's
 * side, which only the source sees; pending bytes, unless a transfer has sent all there was.
 */
#include "core/service.h"
#include "provider/method.h"
#include "util/num.h"

#define SECOND 1000000u

static struct cim_value seconds(uint64_t us)
{
    return cim_uint(CIM_UINT32, VR_MIN((us + SECOND / 2) / SECOND, (uint64_t)UINT32_MAX));
}

static void set_count(struct cim_instance *i, const char *name, uint32_t n, bool known)
{
    cim_set(i, name, known ? cim_uint(CIM_UINT32, n) : cim_null(CIM_UINT32));
}

static void set_bytes(struct cim_instance *i, const char *name, uint64_t n, bool known)
{
    cim_set(i, name, known ? cim_uint(CIM_UINT64, n) : cim_null(CIM_UINT64));
}

static struct cim_instance *build(const struct provider *p,
                                  const struct vr_window *w,
                                  uint64_t end_us,
                                  bool is_source,
                                  struct cim_arena *a)
{
    struct cim_instance *i =
        cim_instance_new(a, cim_schema_class(p->schema, "Msvm_ReplicationStatistics"));
    cim_set(i, "StartStatisticTime", cim_time(a, w->start_us));
    cim_set(i, "EndStatisticTime", cim_time(a, end_us));
    set_count(i, "ReplicationSuccessCount", w->successes, true);
    set_bytes(i, "ReplicationSize", w->bytes, is_source);
    set_bytes(i, "MaxReplicationSize", w->bytes_max, is_source);
    cim_set(i, "ReplicationLatency", seconds(w->latency_us));
    cim_set(i, "MaxReplicationLatency", seconds(w->latency_max_us));
    set_count(i, "ReplicationMissCount", w->misses, is_source);
    set_count(i, "NetworkFailureCount", w->network_failures, is_source);
    set_count(i, "ReplicationFailureCount", w->failures, is_source);
    cim_set(i, "ReplicationHealth", cim_uint(CIM_UINT32, (uint64_t)w->health));
    return i;
}

/* What a person can do about a relationship in this state. */
static const char *advice(const struct vr_rel *rel)
{
    switch (rel->state) {
    case VR_REL_READY:
        return "Start or resume the initial replication";
    case VR_REL_INITIAL:
    case VR_REL_RESYNCHRONIZING:
        return "Wait until the job has ended";
    case VR_REL_RESYNC_REQUIRED:
        return "Resynchronize the virtual machine";
    case VR_REL_SUSPENDED:
    case VR_REL_RESYNC_SUSPENDED:
        return "Resume the replication";
    case VR_REL_RECOVERED:
        return "Decide which of the two virtual machines lives on, and remove or resynchronize the "
               "other's relationship";
    case VR_REL_CRITICAL:
        return rel->needs_decision ? "Decide which side is right: vmreplica resync --force "
                                     "overwrites the replica, vmreplica adopt accepts it"
                                   : "Resynchronize the virtual machine";
    default:
        return "Look at the events of its jobs; ResetReplicationStatistics ends this warning";
    }
}

static struct cim_instance *
build_issue(const struct provider *p, const struct vr_rel *rel, struct cim_arena *a)
{
    struct cim_instance *i = cim_instance_new(a, cim_schema_class(p->schema, "Msvm_Error"));
    const char *text = rel->reason[0] ? rel->reason : vr_rel_state_text((int)rel->state);
    bool critical = rel->health == VR_HEALTH_CRITICAL;
    cim_set(i, "ErrorType", cim_uint(CIM_UINT16, 4));
    cim_set(i, "OwningEntity", cim_str("vmreplica"));
    cim_set(i, "MessageID", cim_str(cim_printf(a, "relationship-state-%d", (int)rel->state)));
    cim_set(i, "Message", cim_str(cim_strdup(a, text)));
    cim_set(i, "PerceivedSeverity", cim_uint(CIM_UINT16, critical ? 4 : 3));
    cim_set(i, "ProbableCauseDescription",
            cim_str(cim_strdup(a, vr_rel_state_text((int)rel->state))));
    cim_set(i, "RecommendedActions", cim_array1(a, cim_str(advice(rel))));
    struct cim_path *source = provider_ref_rel(a, "Msvm_ReplicationRelationship", rel);
    cim_set(i, "ErrorSource", cim_str(source ? cim_path_text(a, source) : NULL));
    cim_set(i, "ErrorSourceFormat", cim_uint(CIM_UINT16, 2));
    cim_set(i, "CIMStatusCode", cim_uint(CIM_UINT32, CIM_ERR_FAILED));
    cim_set(i, "CIMStatusCodeDescription", cim_str(cim_code_text(CIM_ERR_FAILED)));
    return i;
}

static void answer(struct provider_call *call,
                   const struct vr_rel *rel,
                   const struct core_stats *s,
                   struct cim_arena *a)
{
    struct provider *p = call->p;
    struct cim_value windows[2], issue;
    uint64_t now = p->env->now_us(p->env_ctx);
    struct cim_instance *running = build(p, &s->stats.now, now, rel->is_source, a);
    struct cim_param out[] = {
        {.name = "ReplicationStatistics",
         .value = {.type = CIM_INSTANCE, .is_array = true, .count = 1, .items = windows}},
        {.name = "ReplicationHealthIssues",
         .value = {.type = CIM_INSTANCE, .is_array = true, .items = &issue}}};
    set_bytes(running, "PendingReplicationSize", 0, s->all_sent);
    windows[0] = cim_embedded(running);
    if (s->stats.last.start_us) {
        windows[out[0].value.count++] =
            cim_embedded(build(p, &s->stats.last, s->stats.last.end_us, rel->is_source, a));
    }
    if (rel->health == VR_HEALTH_WARNING || rel->health == VR_HEALTH_CRITICAL) {
        issue = cim_embedded(build_issue(p, rel, a));
        out[1].value.count = 1;
    }
    if (cim_arena_failed(a)) {
        provider_return(call, VR_RC_OUT_OF_MEMORY);
        return;
    }
    provider_return_params(call, VR_RC_COMPLETED, out, VR_COUNT(out));
}

void provider_statistics(struct provider_call *call, const struct provider_args *args)
{
    const struct vr_rel *rel = provider_rel(call->p, &args->vm_id, args->number);
    struct core_stats s;
    if (!rel || !core_stats(call->p->core, &args->vm_id, args->number, &s)) {
        provider_return(
            call, provider_refuse(call, VR_RC_INVALID_STATE, "there is no such relationship"));
        return;
    }
    struct cim_arena a;
    cim_arena_init(&a, PROVIDER_INSTANCE_MAX_BYTES);
    answer(call, rel, &s, &a);
    cim_arena_deinit(&a);
}

void provider_reset_statistics(struct provider_call *call, const struct provider_args *args)
{
    struct core_caller who = provider_caller(call);
    struct vr_uuid vm = args->vm_id;
    void *wait = provider_wait(call);
    if (wait) {
        core_stats_reset(call->p->core, &who, &vm, args->number, provider_on_core, wait);
    }
}
