/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/method.h"

#include <string.h>
#include <strings.h>

#include "util/num.h"

/* Of RequestStateChange, StartService and StopService, which know only this and 0. */
#define CONTROL_NOT_SUPPORTED 1

static const struct provider_method methods[VR_METHOD_COUNT] = {
    [VR_METHOD_Resynchronize] = {.read = provider_read_start,
                                 .run = provider_resynchronize,
                                 .core_judges = true},
    [VR_METHOD_CreateReplicationRelationship] = {.read = provider_read_settings,
                                                 .run = provider_create_relationship},
    [VR_METHOD_ModifyReplicationSettings] = {.read = provider_read_settings,
                                             .run = provider_modify_settings},
    [VR_METHOD_RemoveReplicationRelationship] = {.run = provider_remove_relationship},
    [VR_METHOD_RemoveReplicationRelationshipEx] = {.run = provider_remove_relationship},
    [VR_METHOD_GetReplicationStatistics] = {.run = provider_statistics},
    [VR_METHOD_GetReplicationStatisticsEx] = {.run = provider_statistics},
    [VR_METHOD_ResetReplicationStatistics] = {.run = provider_reset_statistics},
    [VR_METHOD_ResetReplicationStatisticsEx] = {.run = provider_reset_statistics},
    [VR_METHOD_ModifyServiceSettings] = {.run = provider_modify_service},
    [VR_METHOD_AddAuthorizationEntry] = {.run = provider_put_authorization},
    [VR_METHOD_ModifyAuthorizationEntry] = {.run = provider_put_authorization},
    [VR_METHOD_RemoveAuthorizationEntry] = {.run = provider_remove_authorization},
    [VR_METHOD_SetAuthorizationEntry] = {.run = provider_set_authorization},
    [VR_METHOD_GetSystemCertificates] = {.run = provider_certificates},
    [VR_METHOD_TestReplicationConnection] = {.run = provider_test_connection},
    [VR_METHOD_RequestStateChange] = {.run = provider_change_service},
    [VR_METHOD_StartService] = {.run = provider_start_service},
    [VR_METHOD_StartReplication] = {.read = provider_read_start_replication,
                                    .run = provider_start_replication},
    [VR_METHOD_ImportInitialReplica] = {.read = provider_read_import, .run = provider_import},
};

const struct cim_value *provider_param(const struct provider_call *call, const char *name)
{
    const struct cim_param *p = cim_invoke_param(call->in, name);
    return p && !p->value.is_null ? &p->value : NULL;
}

/* --- parameters, as the class declares them --- */

/* One value, or each of an array: an instance of the class or of one below it. */
static bool is_instance_of(const struct cim_value *v, const char *cls)
{
    for (uint32_t i = 0; v->is_array && i < v->count; i++) {
        if (!is_instance_of(&v->items[i], cls)) {
            return false;
        }
    }
    return v->is_array ||
           (v->type == CIM_INSTANCE && !v->is_null && cim_class_is_a(v->instance->cls, cls));
}

uint32_t provider_check_params(struct provider_call *call)
{
    const struct cim_method *m = call->in->method;
    for (uint32_t i = 0; i < call->in->nparams; i++) {
        const struct cim_param *p = &call->in->params[i];
        if (p->wrong_type) {
            return provider_refuse(call, VR_RC_WRONG_TYPE, "%s: %.200s", p->name,
                                   p->why ? p->why : "the wrong type");
        }
    }
    for (uint32_t i = 0; i < m->nparams; i++) {
        const struct cim_feature *decl = &m->params[i];
        const struct cim_param *p = cim_invoke_param(call->in, decl->name);
        const struct cim_value *v = p && !p->value.is_null ? &p->value : NULL;
        const char *cls = cim_feature_embedded(decl);
        if (p && p->bad_value) {
            return provider_refuse(call, VR_RC_INVALID_PARAMETER, "%s: %.200s", p->name,
                                   p->why ? p->why : "not a value it can have");
        }
        if (!v && cim_param_is_in(decl) && cim_feature_has(decl, "Required")) {
            return provider_refuse(call, VR_RC_INVALID_PARAMETER, "%s is missing", decl->name);
        }
        if (v && cls && !is_instance_of(v, cls)) {
            return provider_refuse(call, VR_RC_INVALID_PARAMETER, "%s is no %s", decl->name, cls);
        }
    }
    return 0;
}

uint32_t
provider_read_rel(struct provider_call *call, const struct vr_uuid *vm, uint8_t *ret_number)
{
    const struct cim_value *rel = provider_param(call, "ReplicationRelationship");
    struct vr_uuid id;
    *ret_number = 0;
    if (!rel) {
        return 0;
    }
    const struct cim_value *v = cim_get(rel->instance, "InstanceID");
    if (!v || v->is_null || !provider_rel_id_parse(v->str, &id, ret_number) ||
        !vr_uuid_eq(&id, vm)) {
        return provider_refuse(call, VR_RC_INVALID_PARAMETER,
                               "the InstanceID of ReplicationRelationship names no relationship "
                               "of this virtual machine");
    }
    return 0;
}

uint32_t provider_read_start(struct provider_call *call, struct provider_args *args)
{
    const struct cim_value *start = provider_param(call, "StartTime");
    struct cim_datetime d;
    if (!start) {
        return 0;
    }
    uint64_t now = call->p->env->now_us(call->p->env_ctx);
    if (!cim_datetime_parse(start->str, &d) || d.is_interval || d.has_wildcard ||
        d.us + PROVIDER_CLOCK_SLACK_US < now || d.us > now + PROVIDER_SCHEDULE_MAX_US) {
        return provider_refuse(call, VR_RC_INVALID_PARAMETER,
                               "StartTime is no instant from now to 7 days ahead");
    }
    args->start_us = d.us > now ? d.us : 0;
    return 0;
}

/* --- the virtual machine --- */

/* False: there surely is no such VM. What keeps us from looking is the method's own business. */
static bool vm_known(struct provider *p, const struct vr_uuid *id)
{
    struct vr_vm vm;
    if (provider_rel(p, id, 0) || provider_rel(p, id, 1)) {
        return true;
    }
    return provider_sees(p, id) && p->env->find_vm(p->env_ctx, id, &vm, NULL) != -VR_E_NOT_FOUND;
}

static uint8_t number_of(enum vr_method_which which, enum vr_mode mode, uint8_t named)
{
    switch (which) {
    case VR_WHICH_SENT:
    case VR_WHICH_NEW:
        return mode == VR_MODE_REPLICA ? 1 : 0;
    case VR_WHICH_HELD:
        return mode == VR_MODE_EXTENDED ? 1 : 0;
    case VR_WHICH_NAMED:
        return named;
    default:
        return 0;
    }
}

/* ComputerSystem, and which of its relationships is meant. *ret_host: it is the host itself. */
static uint32_t read_system(struct provider_call *call,
                            const struct vr_method_rule *rule,
                            struct provider_args *args,
                            bool *ret_host)
{
    struct provider *p = call->p;
    const struct cim_value *system = provider_param(call, "ComputerSystem");
    const struct cim_class *cls =
        system ? cim_schema_class(p->schema, system->ref->class_name) : NULL;
    if (!cls || !cim_class_is_a(cls, "CIM_ComputerSystem")) {
        return provider_refuse(call, VR_RC_INVALID_PARAMETER,
                               "ComputerSystem refers to no CIM_ComputerSystem");
    }
    *ret_host = provider_is_host(p, system->ref);
    if (*ret_host) {
        return 0;
    }
    if (!provider_path_vm(p, system->ref, &args->vm_id) || !vm_known(p, &args->vm_id)) {
        return provider_refuse(call, VR_RC_INVALID_PARAMETER,
                               "ComputerSystem refers to no virtual machine of this host");
    }
    uint8_t named;
    uint32_t code = provider_read_rel(call, &args->vm_id, &named);
    args->mode = core_vm_mode(p->core, &args->vm_id);
    args->number = number_of(rule->which, args->mode, named);
    const struct vr_rel *rel = provider_rel(p, &args->vm_id, args->number);
    args->state = rel ? rel->state : VR_REL_DISABLED;
    return code;
}

/* --- the verdict --- */

static uint32_t check_state(struct provider_call *call,
                            const struct vr_method_rule *rule,
                            const struct provider_args *args)
{
    if (vr_method_allows(rule, args->mode, args->state)) {
        return 0;
    }
    return provider_refuse(call, VR_RC_INVALID_STATE,
                           "%s is not possible: replication mode '%s', relationship %u is '%s'",
                           rule->name, vr_mode_text((int)args->mode), args->number,
                           vr_rel_state_text((int)args->state));
}

static uint32_t judge(struct provider_call *call,
                      const struct vr_method_rule *rule,
                      const struct provider_method *method,
                      struct provider_args *args)
{
    bool is_host = false;
    uint32_t code = provider_check_params(call);
    if (code == 0 && rule->which != VR_WHICH_HOST) {
        code = read_system(call, rule, args, &is_host);
    }
    if (code == 0 && method->read) {
        code = method->read(call, args);
    }
    if (code != 0) {
        return code;
    }
    if ((enum vr_role)call->in->caller.role < rule->least) {
        return provider_refuse(call, VR_RC_ACCESS_DENIED, "%s needs the role %s", rule->name,
                               vr_role_text((int)rule->least));
    }
    if (rule->which == VR_WHICH_HOST && rule->least > VR_ROLE_VIEWER &&
        provider_is_limited(call->p)) {
        return provider_refuse(call, VR_RC_ACCESS_DENIED, "%s concerns the host: %s", rule->name,
                               PROVIDER_LIMITED);
    }
    if (is_host) {
        return provider_refuse(call, VR_RC_NOT_SUPPORTED, "the host itself is not replicated");
    }
    if (rule->refusal[0] || !method->run) {
        return provider_refuse(call, VR_RC_NOT_SUPPORTED, "%s is %s", rule->name, rule->refusal);
    }
    bool any = rule->which == VR_WHICH_HOST || method->core_judges;
    return any ? 0 : check_state(call, rule, args);
}

/* The CIM service's own methods have no codes for this. */
static void refuse_control(const struct provider_call *call, uint32_t code)
{
    if (code == VR_RC_ACCESS_DENIED) {
        provider_fail(call, CIM_ERR_ACCESS_DENIED, call->why);
    } else if (code == VR_RC_WRONG_TYPE || code == VR_RC_INVALID_PARAMETER) {
        provider_fail(call, CIM_ERR_INVALID_PARAMETER, call->why);
    } else {
        provider_return(call, CONTROL_NOT_SUPPORTED);
    }
}

void provider_method_invoke(struct provider_call *call)
{
    int m = vr_method_find(call->in->method->name);
    if (m < 0) {
        provider_fail(call, CIM_ERR_METHOD_NOT_AVAILABLE, "this method has no rule");
        return;
    }
    const struct vr_method_rule *rule = vr_method_rule((enum vr_method)m);
    struct provider_args args = {.method = (enum vr_method)m};
    uint32_t code = judge(call, rule, &methods[m], &args);
    if (code == 0) {
        methods[m].run(call, &args);
    } else if (m >= (int)VR_METHOD_RequestStateChange) {
        refuse_control(call, code);
    } else {
        provider_return(call, code);
    }
}
