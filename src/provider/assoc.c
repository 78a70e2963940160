/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The associations. None is stored: each list below says what there is, and one by its path is
 * found in its list.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "provider/internal.h"
#include "util/cleanup.h"

#define EFFECT_MANAGES 5 /* ElementEffects of CIM_ServiceAffectsElement */
#define EFFECT_UNKNOWN 0 /* and of CIM_AffectedJobElement */

/* --- paths; NULL: no memory --- */

static struct cim_path *new_path(struct cim_arena *a, const char *class_name)
{
    struct cim_path *p = cim_alloc(a, sizeof *p);
    if (p) {
        *p = (struct cim_path){.ns = CIM_NAMESPACE, .class_name = class_name};
    }
    return p;
}

static struct cim_path *add(struct cim_path *p, const char *name, const char *value)
{
    if (!p || !value) {
        return NULL;
    }
    vr_assert(cim_path_add_key(p, name, cim_str(value)));
    return p;
}

static struct cim_path *system_path(struct cim_arena *a, const char *name)
{
    struct cim_path *p = add(new_path(a, "Msvm_ComputerSystem"), "Name", name);
    return add(p, "CreationClassName", "Msvm_ComputerSystem");
}

static struct cim_path *vm_path(struct cim_arena *a, const struct vr_uuid *vm)
{
    char id[VR_UUID_TEXT_LEN];
    return system_path(a, cim_strdup(a, vr_uuid_text(vm, id)));
}

static struct cim_path *service_path(const struct provider *p, struct cim_arena *a)
{
    struct cim_path *path = add(new_path(a, "Msvm_ReplicationService"), "Name", "replicasvc");
    path = add(path, "SystemCreationClassName", "Msvm_ComputerSystem");
    path = add(path, "SystemName", p->config.host_name);
    return add(path, "CreationClassName", "Msvm_ReplicationService");
}

static struct cim_path *job_path(struct cim_arena *a, const struct vr_job *job)
{
    char id[VR_UUID_TEXT_LEN];
    return add(new_path(a, "Msvm_ConcreteJob"), "InstanceID",
               cim_printf(a, "%s%s", JOB_ID_PREFIX, vr_uuid_text(&job->uuid, id)));
}

/* --- instances --- */

static struct cim_instance *new_link(struct provider_list *l,
                                     const char *role,
                                     const struct cim_path *from,
                                     const char *other_role,
                                     const struct cim_path *to)
{
    struct cim_instance *i = cim_instance_new(&l->arena, l->cls);
    cim_set(i, role, cim_ref(from));
    cim_set(i, other_role, cim_ref(to));
    cim_instance_make_path(i, CIM_NAMESPACE);
    return i;
}

static void set_effect(struct provider_list *l, struct cim_instance *i, uint16_t effect)
{
    cim_set(i, "ElementEffects", cim_array1(&l->arena, cim_uint(CIM_UINT16, effect)));
}

static void list_hosted_service(struct provider_list *l)
{
    provider_list_one(l, new_link(l, "Antecedent", system_path(&l->arena, l->p->config.host_name),
                                  "Dependent", service_path(l->p, &l->arena)));
}

static bool service_affects_vm(void *ctx, const struct vr_vm *vm)
{
    struct provider_list *l = ctx;
    struct cim_instance *i = new_link(l, "AffectedElement", vm_path(&l->arena, &vm->id),
                                      "AffectingElement", service_path(l->p, &l->arena));
    set_effect(l, i, EFFECT_MANAGES);
    return provider_list_one(l, i);
}

static void list_service_affects(struct provider_list *l)
{
    provider_each_vm(l->p, service_affects_vm, l, l->st);
}

static void list_system_relationship(struct provider_list *l)
{
    const struct vr_rel *rel;
    bool more = true;
    for (size_t i = 0; more && (rel = core_rel_at(l->p->core, i)); i++) {
        struct cim_path *to = add(new_path(&l->arena, "Msvm_ReplicationRelationship"), "InstanceID",
                                  provider_rel_id(&l->arena, &rel->vm_id, rel->number));
        more = provider_list_one(
            l, new_link(l, "Antecedent", vm_path(&l->arena, &rel->vm_id), "Dependent", to));
    }
}

static struct cim_path *
rel_path(struct cim_arena *a, const char *class_name, const struct vr_rel *rel)
{
    return add(new_path(a, class_name), "InstanceID", provider_rel_id(a, &rel->vm_id, rel->number));
}

/* The settings of a relationship are those of its VM, too: clients come from either. */
static void list_settings(struct provider_list *l)
{
    const char *settings = "Msvm_ReplicationSettingData";
    const struct vr_rel *rel;
    bool more = true;
    for (size_t i = 0; more && (rel = core_rel_at(l->p->core, i)); i++) {
        struct vr_rel copy = *rel;
        struct cim_arena *a = &l->arena;
        more = provider_list_one(l, new_link(l, "ManagedElement",
                                             rel_path(a, "Msvm_ReplicationRelationship", &copy),
                                             "SettingData", rel_path(a, settings, &copy))) &&
               provider_list_one(l, new_link(l, "ManagedElement", vm_path(a, &copy.vm_id),
                                             "SettingData", rel_path(a, settings, &copy)));
    }
}

/* Of a VM that is gone the job stays for a while, without this. */
static void list_affected_job(struct provider_list *l)
{
    const struct vr_job *job;
    _cleanup_(vr_freep) struct vr_vm *vm = calloc(1, sizeof *vm);
    bool more = vm != NULL;
    if (!vm) {
        cim_fail(l->st, CIM_ERR_FAILED, "out of memory");
    }
    for (size_t i = 0; more && (job = core_job_at(l->p->core, i)); i++) {
        struct vr_job copy = *job; /* the environment may change what core lends */
        if (!provider_find_vm(l->p, &copy.vm_id, vm)) {
            continue;
        }
        struct cim_instance *link = new_link(l, "AffectedElement", vm_path(&l->arena, &copy.vm_id),
                                             "AffectingElement", job_path(&l->arena, &copy));
        set_effect(l, link, EFFECT_UNKNOWN);
        more = provider_list_one(l, link);
    }
}

static void list_owning_job(struct provider_list *l)
{
    const struct vr_job *job;
    bool more = true;
    for (size_t i = 0; more && (job = core_job_at(l->p->core, i)); i++) {
        more = provider_list_one(l, new_link(l, "OwningElement", service_path(l->p, &l->arena),
                                             "OwnedElement", job_path(&l->arena, job)));
    }
}

/* --- one by its path --- */

struct search {
    const struct cim_path *path;
    struct cim_arena *arena;
    struct cim_instance *found;
};

static bool compare(void *ctx, const struct cim_instance *i)
{
    struct search *s = ctx;
    if (cim_path_eq(&i->path, s->path)) {
        s->found = cim_instance_copy(s->arena, i);
    }
    return !s->found;
}

static const struct provider_class *class_of(const char *name)
{
    for (size_t i = 0; i < PROVIDER_ASSOCS; i++) {
        if (strcasecmp(provider_assocs[i].name, name) == 0) {
            return &provider_assocs[i];
        }
    }
    return NULL;
}

static struct cim_instance *get(struct provider *p,
                                const struct cim_class *cls,
                                const struct cim_path *path,
                                struct cim_arena *a)
{
    struct cim_status st = {0};
    struct search s = {.path = path, .arena = a};
    struct provider_list l = {.p = p, .cls = cls, .cb = compare, .ctx = &s, .st = &st};
    cim_arena_init(&l.arena, PROVIDER_INSTANCE_MAX_BYTES);
    class_of(cls->name)->list(&l);
    cim_arena_deinit(&l.arena);
    return s.found;
}

static void invoke(struct provider_call *call)
{
    provider_fail(call, CIM_ERR_METHOD_NOT_AVAILABLE, "the class has no methods");
}

const struct provider_class provider_assocs[PROVIDER_ASSOCS] = {
    {"Msvm_HostedService", get, list_hosted_service, invoke},
    {"Msvm_ServiceAffectsElement", get, list_service_affects, invoke},
    {"Msvm_SystemReplicationRelationship", get, list_system_relationship, invoke},
    {"Msvm_AffectedJobElement", get, list_affected_job, invoke},
    {"Msvm_OwningJobElement", get, list_owning_job, invoke},
    {"Msvm_SettingsDefineState", get, list_settings, invoke},
};
