/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The associations. None is stored: each list below says what there is, of all objects or of the
 * one that is asked for (provider_list.of), and one by its path is found in its list.
 */
#include <stdlib.h>
#include <strings.h>

#include "provider/internal.h"
#include "util/cleanup.h"

#define EFFECT_MANAGES 5 /* ElementEffects of CIM_ServiceAffectsElement */
#define EFFECT_UNKNOWN 0 /* and of CIM_AffectedJobElement */
#define IS_CURRENT 1     /* of CIM_ElementSettingData */

enum subject_kind {
    ANY,     /* no object was named: every link is wanted */
    HOST,    /* this host's system */
    VM,      /* a VM, or what has its id in its own: relationship, settings */
    SERVICE, /* the replication service */
    JOB,
    SERVICE_SETTINGS,
    AUTHORIZATION,
    OTHER
};
#define IS(kind) (1u << (kind))

/* What the links wanted refer to. */
struct subject {
    enum subject_kind kind;
    struct vr_uuid vm;
    const struct vr_job *job;
    const struct vr_auth_entry *auth;
};

static struct subject subject_of(struct provider *p, const struct cim_path *of)
{
    struct subject s = {.kind = OTHER};
    const struct cim_value *name = of ? cim_path_key(of, "Name") : NULL;
    const char *id = of ? provider_path_instance_id(of) : NULL;
    if (!of) {
        s.kind = ANY;
    } else if (strcasecmp(of->class_name, "Msvm_ReplicationService") == 0) {
        s.kind = SERVICE;
    } else if (strcasecmp(of->class_name, "Msvm_ConcreteJob") == 0) {
        s.job = provider_find_job(p, of);
        s.kind = s.job ? JOB : OTHER;
    } else if (strcasecmp(of->class_name, "Msvm_ComputerSystem") == 0 && provider_is_host(p, of)) {
        s.kind = HOST;
    } else if (strcasecmp(of->class_name, "Msvm_ComputerSystem") == 0) {
        bool is_vm = name && name->type == CIM_STRING && vr_uuid_parse(name->str, &s.vm);
        s.kind = is_vm ? VM : OTHER;
    } else if (strcasecmp(of->class_name, "Msvm_ReplicationServiceSettingData") == 0) {
        s.kind = SERVICE_SETTINGS;
    } else if (strcasecmp(of->class_name, "Msvm_ReplicationAuthorizationSettingData") == 0) {
        s.auth = provider_find_authorization(p, of);
        s.kind = s.auth ? AUTHORIZATION : OTHER;
    } else if (id && provider_vm_id_parse(id, &s.vm)) {
        s.kind = VM;
    }
    return s;
}

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
    struct subject s = subject_of(l->p, l->of);
    if (IS(s.kind) & (IS(ANY) | IS(HOST) | IS(SERVICE))) {
        provider_list_one(l, new_link(l, "Antecedent", provider_ref_host(l->p, &l->arena),
                                      "Dependent", provider_ref_service(l->p, &l->arena)));
    }
}

/* Calls one of the two for the VM that is asked for, or, where the subject is one of `all`, for
 * every VM, until it says no. */
static void each_vm(struct provider_list *l,
                    unsigned all,
                    bool (*one)(struct provider_list *l, const struct vr_uuid *vm),
                    provider_vm_cb cb)
{
    struct subject s = subject_of(l->p, l->of);
    if (s.kind == VM && provider_has_vm(l->p, &s.vm)) {
        one(l, &s.vm);
    } else if (IS(s.kind) & all) {
        provider_each_vm(l->p, cb, l, l->st);
    }
}

static bool service_affects(struct provider_list *l, const struct vr_uuid *vm)
{
    struct cim_instance *i = new_link(l, "AffectedElement", provider_ref_vm(&l->arena, vm),
                                      "AffectingElement", provider_ref_service(l->p, &l->arena));
    set_effect(l, i, EFFECT_MANAGES);
    return provider_list_one(l, i);
}

static bool service_affects_vm(void *ctx, const struct vr_vm *vm)
{
    return service_affects(ctx, &vm->id);
}

static void list_service_affects(struct provider_list *l)
{
    each_vm(l, IS(ANY) | IS(SERVICE), service_affects, service_affects_vm);
}

/* Calls cb for the relationships of the VM that is asked for, or for all, until it says no. */
static void each_rel(struct provider_list *l,
                     bool (*cb)(struct provider_list *l, const struct vr_rel *rel))
{
    struct subject s = subject_of(l->p, l->of);
    const struct vr_rel *rel;
    bool more = true;
    for (uint8_t n = 0; more && s.kind == VM && n <= 1; n++) {
        rel = provider_rel(l->p, &s.vm, n);
        more = !rel || cb(l, rel);
    }
    for (size_t i = 0; more && s.kind == ANY && (rel = provider_rel_next(l->p, &i));) {
        more = cb(l, rel);
    }
}

static bool system_relationship(struct provider_list *l, const struct vr_rel *rel)
{
    return provider_list_one(
        l, new_link(l, "Antecedent", provider_ref_vm(&l->arena, &rel->vm_id), "Dependent",
                    provider_ref_rel(&l->arena, "Msvm_ReplicationRelationship", rel)));
}

static void list_system_relationship(struct provider_list *l)
{
    each_rel(l, system_relationship);
}

/* The settings of a relationship are those of its VM, too: clients come from either. */
static bool settings(struct provider_list *l, const struct vr_rel *lent)
{
    const char *cls = "Msvm_ReplicationSettingData";
    struct vr_rel rel = *lent; /* the client's callback may change what core lends */
    struct cim_arena *a = &l->arena;
    return provider_list_one(l, new_link(l, "ManagedElement",
                                         provider_ref_rel(a, "Msvm_ReplicationRelationship", &rel),
                                         "SettingData", provider_ref_rel(a, cls, &rel))) &&
           provider_list_one(l, new_link(l, "ManagedElement", provider_ref_vm(a, &rel.vm_id),
                                         "SettingData", provider_ref_rel(a, cls, &rel)));
}

/* A VM without a relationship has the settings that one would begin with. */
static bool system_settings(struct provider_list *l, const struct vr_uuid *vm)
{
    struct cim_arena *a = &l->arena;
    const struct vr_rel none = {.vm_id = *vm};
    if (!provider_is_replicated(l->p, vm) &&
        !provider_list_one(l,
                           new_link(l, "ManagedElement", provider_ref_vm(a, vm), "SettingData",
                                    provider_ref_rel(a, "Msvm_ReplicationSettingData", &none)))) {
        return false;
    }
    return provider_list_one(
        l, new_link(l, "ManagedElement", provider_ref_vm(a, vm), "SettingData",
                    provider_ref_id(a, "Msvm_VirtualSystemSettingData", provider_vssd_id(a, vm))));
}

static bool system_settings_vm(void *ctx, const struct vr_vm *vm)
{
    return system_settings(ctx, &vm->id);
}

static void list_settings(struct provider_list *l)
{
    each_rel(l, settings);
    each_vm(l, IS(ANY), system_settings, system_settings_vm);
}

static bool disks(void *ctx, const struct vr_vm *vm)
{
    struct provider_list *l = ctx;
    struct cim_arena *a = &l->arena;
    bool more = true;
    for (uint32_t i = 0; more && i < vm->ndisks; i++) {
        const char *id = provider_vssd_id(a, &vm->id);
        struct cim_path *group = provider_ref_id(a, "Msvm_VirtualSystemSettingData", id);
        more = provider_list_one(l, new_link(l, "GroupComponent", group, "PartComponent",
                                             provider_ref_disk(a, &vm->id, &vm->disks[i])));
    }
    return more;
}

static bool disks_of(struct provider_list *l, const struct vr_uuid *id)
{
    _cleanup_(vr_freep) struct vr_vm *vm = calloc(1, sizeof *vm);
    if (!vm) {
        cim_fail(l->st, CIM_ERR_FAILED, "out of memory");
    }
    return vm && provider_find_vm(l->p, id, vm) && disks(l, vm);
}

static void list_disks(struct provider_list *l)
{
    each_vm(l, IS(ANY), disks_of, disks);
}

/* The service's own settings, and who may replicate to this host. */
static bool element_setting(struct provider_list *l, const struct cim_path *to)
{
    struct cim_instance *i =
        new_link(l, "ManagedElement", provider_ref_service(l->p, &l->arena), "SettingData", to);
    cim_set(i, "IsCurrent", cim_uint(CIM_UINT16, IS_CURRENT));
    return provider_list_one(l, i);
}

static void list_element_settings(struct provider_list *l)
{
    const struct vr_auth_entry *e;
    struct subject s = subject_of(l->p, l->of);
    bool all = (IS(s.kind) & (IS(ANY) | IS(SERVICE))) != 0, more = all;
    if (s.kind == SERVICE_SETTINGS || all) {
        more = element_setting(l, provider_ref_service_settings(l->p, &l->arena)) && all;
    } else if (s.kind == AUTHORIZATION) {
        element_setting(l, provider_ref_authorization(l->p, &l->arena, s.auth));
    }
    for (size_t i = 0; more && (e = core_auth_at(l->p->core, i)); i++) {
        more = element_setting(l, provider_ref_authorization(l->p, &l->arena, e));
    }
}

/* Calls cb for the job or the VM's jobs that are asked for, or, where the subject is one of `all`,
 * for every job, until it says no. */
static void each_job(struct provider_list *l,
                     unsigned all,
                     bool (*cb)(struct provider_list *l, const struct vr_job *job))
{
    struct subject s = subject_of(l->p, l->of);
    const struct vr_job *job = NULL;
    struct vr_job last;
    bool more = true;
    if (s.kind == JOB) {
        cb(l, s.job);
        return;
    }
    while (more && s.kind == VM && (job = provider_vm_job(l->p, &s.vm, job))) {
        last = *job; /* the environment may change what core lends */
        job = &last;
        more = cb(l, job);
    }
    for (size_t i = 0; more && (IS(s.kind) & all) && (job = provider_job_next(l->p, &i));) {
        more = cb(l, job);
    }
}

/* Of a VM that is gone the job stays for a while, without this. */
static bool affected_job(struct provider_list *l, const struct vr_job *job)
{
    struct vr_uuid id = job->vm_id; /* the environment may change what core lends */
    struct cim_path *to = provider_ref_job(&l->arena, job);
    if (!provider_has_vm(l->p, &id)) {
        cim_arena_reset(&l->arena);
        return true;
    }
    struct cim_instance *link =
        new_link(l, "AffectedElement", provider_ref_vm(&l->arena, &id), "AffectingElement", to);
    set_effect(l, link, EFFECT_UNKNOWN);
    return provider_list_one(l, link);
}

static void list_affected_job(struct provider_list *l)
{
    each_job(l, IS(ANY), affected_job);
}

static bool owning_job(struct provider_list *l, const struct vr_job *job)
{
    return provider_list_one(l, new_link(l, "OwningElement", provider_ref_service(l->p, &l->arena),
                                         "OwnedElement", provider_ref_job(&l->arena, job)));
}

static void list_owning_job(struct provider_list *l)
{
    if (subject_of(l->p, l->of).kind != VM) {
        each_job(l, IS(ANY) | IS(SERVICE), owning_job);
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

/* Of the two objects a link joins, the one with fewer links. */
static const struct cim_path *narrowest(struct provider *p, const struct cim_path *path)
{
    const struct cim_path *best = NULL;
    for (uint32_t i = 0; i < path->nkeys; i++) {
        const struct cim_value *v = &path->keys[i].value;
        const struct cim_path *to = v->type == CIM_REFERENCE && !v->is_null ? v->ref : NULL;
        enum subject_kind kind = to ? subject_of(p, to).kind : OTHER;
        if (to && (!best || kind == VM || kind == JOB || kind == AUTHORIZATION)) {
            best = to;
        }
    }
    return best;
}

static struct cim_instance *get(struct provider *p,
                                const struct cim_class *cls,
                                const struct cim_path *path,
                                struct cim_arena *a)
{
    struct cim_status st = {0};
    struct search s = {.path = path, .arena = a};
    struct provider_list l = {
        .p = p, .cls = cls, .cb = compare, .ctx = &s, .st = &st, .of = narrowest(p, path)};
    if (!l.of) {
        return NULL;
    }
    cim_arena_init(&l.arena, PROVIDER_INSTANCE_MAX_BYTES);
    class_of(cls->name)->list(&l);
    cim_arena_deinit(&l.arena);
    return s.found;
}

const struct provider_class provider_assocs[PROVIDER_ASSOCS] = {
    {.name = "Msvm_HostedService",
     .source = "one: host and service",
     .get = get,
     .list = list_hosted_service},
    {.name = "Msvm_ServiceAffectsElement",
     .source = "service and each VM",
     .get = get,
     .list = list_service_affects},
    {.name = "Msvm_SystemReplicationRelationship",
     .source = "VM and each of its relationships",
     .get = get,
     .list = list_system_relationship},
    {.name = "Msvm_AffectedJobElement",
     .source = "VM and each of its jobs",
     .get = get,
     .list = list_affected_job},
    {.name = "Msvm_OwningJobElement",
     .source = "service and each job",
     .get = get,
     .list = list_owning_job},
    {.name = "Msvm_SettingsDefineState",
     .source = "VM and its settings; VM or relationship and replication settings",
     .get = get,
     .list = list_settings},
    {.name = "Msvm_VirtualSystemSettingDataComponent",
     .source = "settings of a VM and each of its disks",
     .get = get,
     .list = list_disks},
    {.name = "Msvm_ElementSettingData",
     .source = "service and its settings and each authorization entry",
     .get = get,
     .list = list_element_settings},
};
