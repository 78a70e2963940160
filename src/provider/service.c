/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Msvm_ReplicationService: one instance a host. Resynchronize judges here what only the CIM call
 * knows (types, parameters, the host instance), in the order of VR_RESYNC_CONDITIONS; the rest is
 * core's answer.
 */
#include <string.h>
#include <strings.h>

#include "provider/internal.h"

#define NOT_SUPPORTED 1 /* of RequestStateChange, StartService and StopService */

static struct cim_instance *
build(struct provider *p, const struct cim_class *cls, struct cim_arena *a)
{
    struct cim_instance *i = cim_instance_new(a, cls);
    cim_set(i, "Caption", cim_str("Hyper-V Replica Service"));
    cim_set(i, "Description", cim_str("Replication Service"));
    cim_set(i, "ElementName", cim_str("Replication Service"));
    cim_set(i, "OperationalStatus", cim_array1(a, cim_uint(CIM_UINT16, 2)));
    cim_set(i, "StatusDescriptions", cim_array1(a, cim_str("OK")));
    cim_set(i, "Status", cim_str("OK"));
    cim_set(i, "HealthState", cim_uint(CIM_UINT16, 5));
    cim_set(i, "EnabledState", cim_uint(CIM_UINT16, 2));
    cim_set(i, "RequestedState", cim_uint(CIM_UINT16, 12));
    cim_set(i, "EnabledDefault", cim_uint(CIM_UINT16, 2));
    cim_set(i, "TransitioningToState", cim_null(CIM_UINT16));
    cim_set(i, "SystemCreationClassName", cim_str("Msvm_ComputerSystem"));
    cim_set(i, "SystemName", cim_str(p->config.host_name));
    cim_set(i, "CreationClassName", cim_str("Msvm_ReplicationService"));
    cim_set(i, "Name", cim_str("replicasvc"));
    cim_set(i, "Started", cim_bool(true));
    cim_instance_make_path(i, CIM_NAMESPACE);
    return i;
}

static struct cim_instance *get(struct provider *p,
                                const struct cim_class *cls,
                                const struct cim_path *path,
                                struct cim_arena *a)
{
    return build(p, cls, a);
}

static void list(struct provider_list *l)
{
    provider_list_one(l, build(l->p, l->cls, &l->arena));
}

/* 0, or the return value. *ret_us: 0 = now. */
static uint32_t read_start(struct provider *p, const struct cim_param *start, uint64_t *ret_us)
{
    struct cim_datetime d;
    *ret_us = 0;
    if (!start || start->value.is_null) {
        return 0;
    }
    uint64_t now = p->env->now_us(p->env_ctx);
    if (!cim_datetime_parse(start->value.str, &d) || d.is_interval || d.has_wildcard ||
        d.us + PROVIDER_CLOCK_SLACK_US < now || d.us > now + PROVIDER_SCHEDULE_MAX_US) {
        return VR_RC_INVALID_PARAMETER;
    }
    *ret_us = d.us > now ? d.us : 0;
    return 0;
}

/* Does the reference name a CIM_ComputerSystem (or one below)? */
static bool is_system(struct provider *p, const struct cim_param *system)
{
    const struct cim_class *cls = system && !system->value.is_null
                                      ? cim_schema_class(p->schema, system->value.ref->class_name)
                                      : NULL;
    return cls && cim_class_is_a(cls, "CIM_ComputerSystem");
}

static uint32_t judge(struct provider_call *call, struct core_resync_args *args)
{
    struct provider *p = call->p;
    const struct cim_param *system = cim_invoke_param(call->in, "ComputerSystem");
    const struct cim_param *start = cim_invoke_param(call->in, "StartTime");
    if ((system && system->wrong_type) || (start && start->wrong_type)) {
        return VR_RC_WRONG_TYPE;
    }
    bool is_host = is_system(p, system) && provider_is_host(p, system->value.ref);
    if (read_start(p, start, &args->start_us) != 0 || !is_system(p, system) ||
        (!is_host && !provider_path_vm(p, system->value.ref, &args->vm_id))) {
        return VR_RC_INVALID_PARAMETER;
    }
    if (call->in->caller.role < VR_ROLE_OPERATOR) {
        return VR_RC_ACCESS_DENIED;
    }
    return is_host ? VR_RC_NOT_SUPPORTED : 0;
}

static void resynchronize(struct provider_call *call)
{
    struct core_resync_args args = {.rel_number = -1};
    uint32_t code = judge(call, &args);
    if (code != 0) {
        provider_return(call, code);
        return;
    }
    struct core_caller who = provider_caller(call);
    void *wait = provider_wait(call);
    if (wait) {
        core_resync(call->p->core, &who, &args, provider_on_core, wait);
    }
}

static void invoke(struct provider_call *call)
{
    if (strcasecmp(call->in->method->name, "Resynchronize") == 0) {
        resynchronize(call);
        return;
    }
    provider_return(call, NOT_SUPPORTED);
}

const struct provider_class provider_service = {
    .name = "Msvm_ReplicationService", .get = get, .list = list, .invoke = invoke};
