/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Msvm_ReplicationSettingData: how a relationship replicates, one for each. Read only. What this
 * product has no such setting for is NULL.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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

static struct cim_instance *build(struct provider *p,
                                  const struct vr_rel *lent,
                                  const struct cim_class *cls,
                                  struct cim_arena *a)
{
    char id[VR_UUID_TEXT_LEN];
    struct vr_rel *rel = cim_alloc(a, sizeof *rel);
    struct vr_vm *vm = cim_alloc(a, sizeof *vm);
    if (!rel || !vm) {
        return NULL;
    }
    *rel = *lent; /* the environment may change what core lends */
    bool known = provider_find_vm(p, &rel->vm_id, vm) && vm->name[0];
    struct cim_instance *i = cim_instance_new(a, cls);
    cim_set(i, "InstanceID", cim_str(provider_rel_id(a, &rel->vm_id, rel->number)));
    cim_set(i, "Caption", cim_str("Replication Settings"));
    cim_set(i, "Description", cim_str("Virtual Machine Replication Settings Data"));
    const char *system = cim_strdup(a, vr_uuid_text(&rel->vm_id, id));
    cim_set(i, "ElementName", cim_str(known ? vm->name : system));
    cim_set(i, "VirtualSystemIdentifier", cim_str(system));
    cim_set(i, "VirtualSystemType", cim_str("Microsoft:Hyper-V:Replica"));
    cim_set(i, "CreationTime", cim_time(a, rel->created_us));
    cim_set(i, "AuthenticationType", cim_uint(CIM_UINT16, AUTHENTICATION_CERTIFICATE));
    cim_set(i, "CompressionEnabled", cim_bool(true));
    set_recovery(p, i, a, rel);
    set_primary(p, i, a, rel);
    cim_set(i, "ReplicateHostKvpItems", cim_bool(false));
    cim_set(i, "RecoveryHistory", cim_uint(CIM_UINT16, 0)); /* the latest point only */
    cim_set(i, "AutoResynchronizeEnabled", cim_bool(false));
    struct cim_path *builtin = provider_ref_builtin(p, a);
    cim_set(i, "ReplicationProvider", cim_str(builtin ? cim_path_text(a, builtin) : NULL));
    cim_instance_make_path(i, CIM_NAMESPACE);
    return i;
}

static struct cim_instance *get(struct provider *p,
                                const struct cim_class *cls,
                                const struct cim_path *path,
                                struct cim_arena *a)
{
    const struct cim_value *id = cim_path_key(path, "InstanceID");
    struct vr_uuid vm;
    uint8_t number;
    if (!id || id->type != CIM_STRING || !provider_rel_id_parse(id->str, &vm, &number)) {
        return NULL;
    }
    const struct vr_rel *rel = core_rel(p->core, &vm, number);
    return rel ? build(p, rel, cls, a) : NULL;
}

static void list(struct provider_list *l)
{
    const struct vr_rel *rel;
    bool more = true;
    for (size_t i = 0; more && (rel = core_rel_at(l->p->core, i)); i++) {
        more = provider_list_one(l, build(l->p, rel, l->cls, &l->arena));
    }
}

const struct provider_class provider_setting = {
    .name = "Msvm_ReplicationSettingData", .get = get, .list = list};
