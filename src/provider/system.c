/* SPDX-License-Identifier: Apache-2.0 */
/* Msvm_ComputerSystem: the host, the VMs of the inventory, and the replicas this host holds. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "provider/method.h"
#include "util/cleanup.h"

#define RESET_OTHER 1 /* ResetCapability: the hypervisor's */

/* A replica's VM is known from its relationship; its name from the sidecar, when that can be read.
 */
static bool find_replica(struct provider *p, const struct vr_uuid *id, struct vr_vm *ret)
{
    for (uint8_t n = 0; n <= 1; n++) {
        const struct vr_rel *rel = provider_rel(p, id, n);
        if (!rel || rel->is_source) {
            continue;
        }
        struct vr_rel copy = *rel; /* the environment may change what core lends */
        if (p->env->replica_vm(p->env_ctx, &copy, ret, NULL) < 0) {
            *ret = (struct vr_vm){.id = *id};
        }
        ret->is_replica = true;
        return true;
    }
    return false;
}

bool provider_find_vm(struct provider *p, const struct vr_uuid *id, struct vr_vm *ret)
{
    return provider_sees(p, id) &&
           (p->env->find_vm(p->env_ctx, id, ret, NULL) == 0 || find_replica(p, id, ret));
}

bool provider_has_vm(struct provider *p, const struct vr_uuid *id)
{
    _cleanup_(vr_freep) struct vr_vm *vm = calloc(1, sizeof *vm);
    bool found = vm && provider_sees(p, id) && p->env->find_vm(p->env_ctx, id, vm, NULL) == 0;
    for (uint8_t n = 0; !found && n <= 1; n++) {
        const struct vr_rel *rel = provider_rel(p, id, n);
        found = rel && !rel->is_source;
    }
    return found;
}

bool provider_is_host(const struct provider *p, const struct cim_path *path)
{
    const struct cim_value *name = cim_path_key(path, "Name");
    return name && name->type == CIM_STRING && strcasecmp(name->str, p->config.host_name) == 0;
}

bool provider_path_vm(struct provider *p, const struct cim_path *path, struct vr_uuid *ret)
{
    const struct cim_value *name = cim_path_key(path, "Name");
    const struct cim_value *ccn = cim_path_key(path, "CreationClassName");
    struct vr_uuid id;
    if (!name || name->type != CIM_STRING || path->nkeys != 2 || !ccn || ccn->type != CIM_STRING ||
        strcasecmp(ccn->str, "Msvm_ComputerSystem") != 0 || !vr_uuid_parse(name->str, &id)) {
        return false;
    }
    _cleanup_(vr_freep) struct vr_vm *vm = calloc(1, sizeof *vm);
    if (!vm || !provider_find_vm(p, &id, vm)) {
        return false;
    }
    *ret = id;
    return true;
}

static struct cim_instance *base(struct cim_arena *a, const struct cim_class *cls)
{
    struct cim_instance *i = cim_instance_new(a, cls);
    cim_set(i, "OperationalStatus", cim_array1(a, cim_uint(CIM_UINT16, 2)));
    cim_set(i, "StatusDescriptions", cim_array1(a, cim_str("OK")));
    cim_set(i, "Status", cim_str("OK"));
    cim_set(i, "HealthState", cim_uint(CIM_UINT16, 5));
    cim_set(i, "TransitioningToState", cim_null(CIM_UINT16));
    cim_set(i, "ResetCapability", cim_uint(CIM_UINT16, RESET_OTHER));
    cim_set(i, "CreationClassName", cim_str("Msvm_ComputerSystem"));
    return i;
}

static struct cim_instance *
build_host(struct provider *p, const struct cim_class *cls, struct cim_arena *a)
{
    struct cim_instance *i = base(a, cls);
    cim_set(i, "Caption", cim_str("Hosting Computer System"));
    cim_set(i, "Description", cim_str("Microsoft Hosting Computer System"));
    cim_set(i, "ElementName", cim_str(p->config.host_name));
    cim_set(i, "Name", cim_str(p->config.host_name));
    cim_set(i, "EnabledState", cim_uint(CIM_UINT16, 2));
    cim_set(i, "ReplicationMode", cim_uint(CIM_UINT16, VR_MODE_NONE));
    cim_set(i, "ReplicationState", cim_uint(CIM_UINT16, VR_REL_DISABLED));
    cim_set(i, "ReplicationHealth", cim_uint(CIM_UINT16, VR_HEALTH_NOT_APPLICABLE));
    cim_set(i, "FailedOverReplicationType", cim_uint(CIM_UINT16, 0));
    cim_set(i, "LastReplicationType", cim_uint(CIM_UINT16, 0));
    cim_instance_make_path(i, CIM_NAMESPACE);
    return i;
}

/* These properties tell of relationship 0; an extended replica has only relationship 1. */
static void set_replication(struct provider *p,
                            struct cim_instance *i,
                            struct cim_arena *a,
                            const struct vr_uuid *id)
{
    const struct vr_rel *rel = provider_rel(p, id, 0);
    rel = rel ? rel : provider_rel(p, id, 1);
    bool failed_over = rel && (rel->state == VR_REL_RECOVERED || rel->state == VR_REL_COMMITTED);
    cim_set(i, "ReplicationState", cim_uint(CIM_UINT16, rel ? rel->state : VR_REL_DISABLED));
    cim_set(i, "ReplicationHealth",
            cim_uint(CIM_UINT16, rel ? rel->health : VR_HEALTH_NOT_APPLICABLE));
    cim_set(i, "ReplicationMode", cim_uint(CIM_UINT16, core_vm_mode(p->core, id)));
    cim_set(i, "FailedOverReplicationType", cim_uint(CIM_UINT16, failed_over ? 1 : 0));
    cim_set(i, "LastReplicationType", cim_uint(CIM_UINT16, rel && rel->last_sync_us ? 1 : 0));
    cim_set(i, "LastReplicationTime", cim_time(a, rel ? rel->last_sync_us : 0));
}

static struct cim_instance *build_vm(struct provider *p,
                                     const struct cim_class *cls,
                                     struct cim_arena *a,
                                     const struct vr_vm *vm)
{
    char id[VR_UUID_TEXT_LEN];
    struct cim_instance *i = base(a, cls);
    cim_set(i, "Caption", cim_str("Virtual Machine"));
    cim_set(i, "Description", cim_str("Microsoft Virtual Computer System"));
    cim_set(i, "ElementName", cim_str(vm->name[0] ? cim_strdup(a, vm->name) : NULL));
    cim_set(i, "Name", cim_str(cim_strdup(a, vr_uuid_text(&vm->id, id))));
    cim_set(i, "EnabledState", cim_uint(CIM_UINT16, 0)); /* unknown: we do not watch its power */
    set_replication(p, i, a, &vm->id);
    cim_instance_make_path(i, CIM_NAMESPACE);
    return i;
}

static struct cim_instance *get(struct provider *p,
                                const struct cim_class *cls,
                                const struct cim_path *path,
                                struct cim_arena *a)
{
    struct vr_uuid id;
    if (provider_is_host(p, path)) {
        return build_host(p, cls, a);
    }
    const struct cim_value *name = cim_path_key(path, "Name");
    struct vr_vm *vm = cim_alloc(a, sizeof *vm);
    if (!vm || !name || name->type != CIM_STRING || !vr_uuid_parse(name->str, &id) ||
        !provider_find_vm(p, &id, vm)) {
        return NULL;
    }
    return build_vm(p, cls, a, vm);
}

struct vm_list {
    const struct provider *p;
    provider_vm_cb cb;
    void *ctx;
    bool more;
};

static bool pass_on(void *ctx, const struct vr_vm *vm)
{
    struct vm_list *v = ctx;
    v->more = !provider_sees(v->p, &vm->id) || v->cb(v->ctx, vm);
    return v->more;
}

void provider_each_vm(struct provider *p, provider_vm_cb cb, void *ctx, struct cim_status *st)
{
    struct vm_list v = {.p = p, .cb = cb, .ctx = ctx, .more = true};
    struct vr_err err = VR_ERR_INIT;
    _cleanup_(vr_freep) struct vr_vm *vm = calloc(1, sizeof *vm);
    if (!vm) {
        cim_fail(st, CIM_ERR_FAILED, "out of memory");
        return;
    }
    if (p->env->list_vms(p->env_ctx, pass_on, &v, &err) < 0) {
        cim_fail(st, CIM_ERR_FAILED, "%s", vr_err_text(&err));
        return;
    }
    const struct vr_rel *rel;
    for (size_t i = 0; v.more && (rel = provider_rel_next(p, &i));) {
        struct vr_uuid id = rel->vm_id;
        if (!rel->is_source && p->env->find_vm(p->env_ctx, &id, vm, NULL) < 0 &&
            find_replica(p, &id, vm)) {
            pass_on(&v, vm);
        }
    }
}

static bool list_vm(void *ctx, const struct vr_vm *vm)
{
    struct provider_list *l = ctx;
    return provider_list_one(l, build_vm(l->p, l->cls, &l->arena, vm));
}

static void list(struct provider_list *l)
{
    if (provider_list_one(l, build_host(l->p, l->cls, &l->arena))) {
        provider_each_vm(l->p, list_vm, l, l->st);
    }
}

static uint32_t judge_change(struct provider_call *call, struct vr_uuid *vm, uint8_t *ret_number)
{
    bool is_host = provider_is_host(call->p, &call->in->path);
    uint32_t code = provider_check_params(call);
    if (code == 0 && !is_host) {
        code = provider_path_vm(call->p, &call->in->path, vm)
                   ? provider_read_rel(call, vm, ret_number)
                   : provider_refuse(call, VR_RC_INVALID_PARAMETER, "no virtual machine");
    }
    if (code != 0) {
        return code;
    }
    if (call->in->caller.role < VR_ROLE_OPERATOR) {
        return provider_refuse(call, VR_RC_ACCESS_DENIED, "this needs the role operator");
    }
    return is_host ? provider_refuse(call, VR_RC_NOT_SUPPORTED, "the host itself is not replicated")
                   : 0;
}

static void change_state(struct provider_call *call)
{
    struct vr_uuid vm = {0};
    uint8_t number = 0;
    uint32_t code = judge_change(call, &vm, &number);
    if (code != 0) {
        provider_return(call, code);
        return;
    }
    struct core_caller who = provider_caller(call);
    uint16_t wanted = (uint16_t)provider_param(call, "RequestedState")->u;
    void *wait = provider_wait(call);
    if (wait) {
        core_state_change(call->p->core, &who, &vm, number, wanted, provider_on_core, wait);
    }
}

static void invoke(struct provider_call *call)
{
    if (strncasecmp(call->in->method->name, "RequestReplicationStateChange", 29) == 0) {
        change_state(call);
        return;
    }
    provider_return(call, provider_refuse(call, VR_RC_NOT_SUPPORTED,
                                          "%s is not offered: switching a machine on and off is "
                                          "its hypervisor's",
                                          call->in->method->name));
}

const struct provider_class provider_system = {
    .name = "Msvm_ComputerSystem",
    .source = "this host, each VM of the inventory, each VM this host holds a replica of",
    .get = get,
    .list = list,
    .invoke = invoke};
