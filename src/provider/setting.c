/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Msvm_ReplicationSettingData: how a relationship replicates, one for each. Read only. What this
 * product has no such setting for is NULL. A VM that is not replicated has one, too: what would be
 * without further wishes. Clients fetch it, fill in where to and pass it to
 * CreateReplicationRelationship.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "model/names.h"
#include "provider/internal.h"

#define AUTHENTICATION_CERTIFICATE 2

/* Host and port of the replica's side; the source knows where it sends to, the replica where it is,
 * but not by which port it is reached. */
static void set_recovery(struct provider *p,
                         struct cim_instance *i,
                         struct cim_arena *a,
                         const struct vr_rel *rel)
{
    char host[VR_HOST_MAX];
    uint16_t port;
    if (!rel->is_source) {
        cim_set(i, "RecoveryConnectionPoint", cim_str(p->config.host_name));
        cim_set(i, "RecoveryHostSystem", cim_str(p->config.host_name));
        return;
    }
    if (vr_host_split(rel->peer, host, sizeof host, &port)) {
        cim_set(i, "RecoveryConnectionPoint", cim_str(cim_strdup(a, host)));
        cim_set(i, "RecoveryServerPortNumber", cim_uint(CIM_UINT16, port));
    }
    cim_set(i, "RecoveryHostSystem",
            cim_str(rel->peer_identity[0] ? cim_strdup(a, rel->peer_identity) : NULL));
}

static void set_primary(struct provider *p,
                        struct cim_instance *i,
                        struct cim_arena *a,
                        const struct vr_rel *rel)
{
    char host[VR_HOST_MAX];
    uint16_t port;
    const char *identity = rel->peer_identity[0] ? cim_strdup(a, rel->peer_identity) : NULL;
    const char *point =
        vr_host_split(rel->peer, host, sizeof host, &port) ? cim_strdup(a, host) : identity;
    cim_set(i, "PrimaryConnectionPoint", cim_str(rel->is_source ? p->config.host_name : point));
    cim_set(i, "PrimaryHostSystem", cim_str(rel->is_source ? p->config.host_name : identity));
}

static bool is_excluded(const struct vr_rel *rel, const struct vr_disk *disk)
{
    return disk->excluded || vr_names_have(rel->excluded, disk->name);
}

/* Object paths of the disks that take part, as clients set them. A replica whose sidecar cannot be
 * read: not known. */
static void set_disks(struct cim_instance *i,
                      struct cim_arena *a,
                      const struct vr_rel *rel,
                      const struct vr_vm *vm)
{
    struct cim_value *items = cim_alloc(a, VR_DISKS_MAX * sizeof *items);
    struct cim_value v = {.type = CIM_STRING, .is_array = true};
    for (uint32_t k = 0; items && k < vm->ndisks; k++) {
        struct cim_path *path = provider_ref_disk(a, &vm->id, &vm->disks[k]);
        if (path && !is_excluded(rel, &vm->disks[k])) {
            items[v.count++] = cim_str(cim_path_text(a, path));
        }
    }
    v.items = items;
    v.is_null = vm->ndisks == 0;
    cim_set(i, "IncludedDisks", v);
}

/* What only the sending host knows. */
static void set_source(struct cim_instance *i, struct cim_arena *a, const struct vr_setting *s)
{
    cim_set(i, "CompressionEnabled", cim_bool(s->compression));
    cim_set(i, "AutoResynchronizeEnabled", cim_bool(s->auto_resync));
    cim_set(i, "AutoResynchronizeIntervalStart", cim_interval(a, s->auto_start_s * 1000000ull));
    cim_set(i, "AutoResynchronizeIntervalEnd", cim_interval(a, s->auto_end_s * 1000000ull));
    cim_set(i, "ReplicationInterval", cim_uint(CIM_UINT16, s->interval_s));
}

static struct cim_instance *new_settings(struct provider *p,
                                         const struct vr_rel *rel,
                                         const struct vr_vm *vm,
                                         const struct cim_class *cls,
                                         struct cim_arena *a)
{
    char id[VR_UUID_TEXT_LEN];
    struct cim_instance *i = cim_instance_new(a, cls);
    struct cim_path *builtin = provider_ref_builtin(p, a);
    const char *system = cim_strdup(a, vr_uuid_text(&rel->vm_id, id));
    cim_set(i, "InstanceID", cim_str(provider_rel_id(a, &rel->vm_id, rel->number)));
    cim_set(i, "Caption", cim_str("Replication Settings"));
    cim_set(i, "Description", cim_str("Virtual Machine Replication Settings Data"));
    cim_set(i, "ElementName", cim_str(vm->name[0] ? cim_strdup(a, vm->name) : system));
    cim_set(i, "VirtualSystemIdentifier", cim_str(system));
    cim_set(i, "VirtualSystemType", cim_str("Microsoft:Hyper-V:Replica"));
    cim_set(i, "CreationTime", cim_time(a, rel->created_us));
    cim_set(i, "AuthenticationType", cim_uint(CIM_UINT16, AUTHENTICATION_CERTIFICATE));
    if (rel->is_source) {
        set_source(i, a, &rel->setting);
    }
    cim_set(i, "ReplicateHostKvpItems", cim_bool(false));
    cim_set(i, "RecoveryHistory", cim_uint(CIM_UINT16, 0)); /* the latest point only */
    set_disks(i, a, rel, vm);
    cim_set(i, "EnableWriteOrderPreservationAcrossDisks", cim_bool(true));
    cim_set(i, "ReplicationProvider", cim_str(builtin ? cim_path_text(a, builtin) : NULL));
    return i;
}

static struct cim_instance *build(struct provider *p,
                                  const struct vr_rel *lent,
                                  const struct cim_class *cls,
                                  struct cim_arena *a)
{
    struct vr_rel *rel = cim_alloc(a, sizeof *rel);
    struct vr_vm *vm = cim_alloc(a, sizeof *vm);
    if (!rel || !vm) {
        return NULL;
    }
    *rel = *lent; /* the environment may change what core lends */
    if (!provider_find_vm(p, &rel->vm_id, vm)) {
        *vm = (struct vr_vm){.id = rel->vm_id};
    }
    struct cim_instance *i = new_settings(p, rel, vm, cls, a);
    set_recovery(p, i, a, rel);
    set_primary(p, i, a, rel);
    cim_instance_make_path(i, CIM_NAMESPACE);
    return i;
}

/* Of a VM that is not replicated. */
static struct cim_instance *build_default(struct provider *p,
                                          const struct vr_vm *vm,
                                          const struct cim_class *cls,
                                          struct cim_arena *a)
{
    const struct vr_rel none = {
        .vm_id = vm->id, .is_source = true, .setting = vr_setting_default()};
    struct cim_instance *i = new_settings(p, &none, vm, cls, a);
    cim_set(i, "PrimaryConnectionPoint", cim_str(p->config.host_name));
    cim_set(i, "PrimaryHostSystem", cim_str(p->config.host_name));
    cim_instance_make_path(i, CIM_NAMESPACE);
    return i;
}

bool provider_is_replicated(struct provider *p, const struct vr_uuid *vm)
{
    return provider_rel(p, vm, 0) || provider_rel(p, vm, 1);
}

static struct cim_instance *get(struct provider *p,
                                const struct cim_class *cls,
                                const struct cim_path *path,
                                struct cim_arena *a)
{
    const char *id = provider_path_instance_id(path);
    struct vr_vm *vm = cim_alloc(a, sizeof *vm);
    struct vr_uuid system;
    uint8_t number;
    if (!vm || !id || !provider_rel_id_parse(id, &system, &number)) {
        return NULL;
    }
    const struct vr_rel *rel = provider_rel(p, &system, number);
    if (rel) {
        return build(p, rel, cls, a);
    }
    bool would_be =
        number == 0 && !provider_is_replicated(p, &system) && provider_find_vm(p, &system, vm);
    return would_be ? build_default(p, vm, cls, a) : NULL;
}

static bool list_default(void *ctx, const struct vr_vm *vm)
{
    struct provider_list *l = ctx;
    return provider_is_replicated(l->p, &vm->id) ||
           provider_list_one(l, build_default(l->p, vm, l->cls, &l->arena));
}

static void list(struct provider_list *l)
{
    const struct vr_rel *rel;
    bool more = true;
    for (size_t i = 0; more && (rel = provider_rel_next(l->p, &i));) {
        more = provider_list_one(l, build(l->p, rel, l->cls, &l->arena));
    }
    if (more) {
        provider_each_vm(l->p, list_default, l, l->st);
    }
}

const struct provider_class provider_setting = {.name = "Msvm_ReplicationSettingData",
                                                .source =
                                                    "each relationship, and each VM that has none",
                                                .get = get,
                                                .list = list};
