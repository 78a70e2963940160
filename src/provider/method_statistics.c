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

/* row NULL: the relationship's own reason is all there is. */
static struct cim_instance *build_issue(const struct provider *p,
                                        const struct vr_rel *rel,
                                        const struct vr_health_row *row,
                                        bool main,
                                        struct cim_arena *a)
{
    struct cim_instance *i = cim_instance_new(a, cim_schema_class(p->schema, "Msvm_Error"));
    const char *cause = row ? row->text : vr_rel_state_text((int)rel->state);
    const char *text = main && rel->reason[0] ? rel->reason : cause;
    bool critical = (row ? row->health : rel->health) == VR_HEALTH_CRITICAL;
    cim_set(i, "ErrorType", cim_uint(CIM_UINT16, 4));
    cim_set(i, "OwningEntity", cim_str("vmreplica"));
    cim_set(i, "MessageID",
            cim_str(row ? cim_strdup(a, row->id)
                        : cim_printf(a, "relationship-state-%d", (int)rel->state)));
    cim_set(i, "Message", cim_str(cim_strdup(a, text)));
    cim_set(i, "PerceivedSeverity", cim_uint(CIM_UINT16, critical ? 4 : 3));
    cim_set(i, "ProbableCauseDescription", cim_str(cim_strdup(a, cause)));
    cim_set(i, "RecommendedActions",
            cim_array1(a, cim_str(row ? cim_strdup(a, row->advice)
                                      : "Look at the events of the virtual machine")));
    struct cim_path *source = provider_ref_rel(a, "Msvm_ReplicationRelationship", rel);
    cim_set(i, "ErrorSource", cim_str(source ? cim_path_text(a, source) : NULL));
    cim_set(i, "ErrorSourceFormat", cim_uint(CIM_UINT16, 2));
    cim_set(i, "CIMStatusCode", cim_uint(CIM_UINT32, CIM_ERR_FAILED));
    cim_set(i, "CIMStatusCodeDescription", cim_str(cim_code_text(CIM_ERR_FAILED)));
    return i;
}

/* The worst first, with the relationship's reason as its text; then what else is wrong. */
static uint32_t build_issues(const struct provider *p,
                             const struct vr_rel *rel,
                             uint32_t set,
                             struct cim_value *issues,
                             struct cim_arena *a)
{
    uint32_t n = 0;
    enum vr_health_reason worst;
    const struct vr_health_row *row;
    (void)vr_health_worst(set, &worst);
    if (worst) {
        issues[n++] = cim_embedded(build_issue(p, rel, vr_health_row(worst), true, a));
    } else if (rel->health == VR_HEALTH_WARNING || rel->health == VR_HEALTH_CRITICAL) {
        issues[n++] = cim_embedded(build_issue(p, rel, NULL, true, a));
    }
    for (unsigned k = 0; (row = vr_health_row_at(k)); k++) {
        if (row->why != worst && (set & 1u << row->why)) {
            issues[n++] = cim_embedded(build_issue(p, rel, row, false, a));
        }
    }
    return n;
}

static void answer(struct provider_call *call,
                   const struct vr_rel *rel,
                   const struct core_stats *s,
                   struct cim_arena *a)
{
    struct provider *p = call->p;
    struct cim_value windows[2], issues[32];
    uint64_t now = p->env->now_us(p->env_ctx);
    struct cim_instance *running = build(p, &s->stats.now, now, rel->is_source, a);
    struct cim_param out[] = {
        {.name = "ReplicationStatistics",
         .value = {.type = CIM_INSTANCE, .is_array = true, .count = 1, .items = windows}},
        {.name = "ReplicationHealthIssues",
         .value = {.type = CIM_INSTANCE, .is_array = true, .items = issues}}};
    set_bytes(running, "PendingReplicationSize", 0, s->all_sent);
    windows[0] = cim_embedded(running);
    if (s->stats.last.start_us) {
        windows[out[0].value.count++] =
            cim_embedded(build(p, &s->stats.last, s->stats.last.end_us, rel->is_source, a));
    }
    out[1].value.count = build_issues(p, rel, s->reasons, issues, a);
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
