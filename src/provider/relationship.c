/* SPDX-License-Identifier: Apache-2.0 */
/* Msvm_ReplicationRelationship: one for each relationship of this host, on either side. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "provider/internal.h"

static uint16_t health_state(const struct vr_rel *rel)
{
    return rel->health == VR_HEALTH_CRITICAL ? 25 : rel->health == VR_HEALTH_WARNING ? 10 : 5;
}

static struct cim_instance *
build(const struct vr_rel *rel, const struct cim_class *cls, struct cim_arena *a)
{
    struct cim_instance *i = cim_instance_new(a, cls);
    uint16_t health = health_state(rel);
    const char *why = rel->reason[0] ? cim_strdup(a, rel->reason) : "OK";
    bool failed_over = rel->state == VR_REL_RECOVERED || rel->state == VR_REL_COMMITTED;
    cim_set(i, "InstanceID", cim_str(provider_rel_id(a, &rel->vm_id, rel->number)));
    cim_set(i, "Caption", cim_str("Replication Relationship"));
    cim_set(i, "Description", cim_str(cim_strdup(a, vr_rel_state_text(rel->state))));
    cim_set(
        i, "ElementName",
        cim_str(rel->number ? "Extended Replication Relationship" : "Replication Relationship"));
    cim_set(i, "InstallDate", cim_time(a, rel->created_us));
    cim_set(i, "OperationalStatus",
            cim_array1(a, cim_uint(CIM_UINT16, health == 25   ? 6
                                               : health == 10 ? 3
                                                              : 2)));
    cim_set(i, "StatusDescriptions", cim_array1(a, cim_str(why)));
    cim_set(i, "HealthState", cim_uint(CIM_UINT16, health));
    cim_set(i, "ReplicationState", cim_uint(CIM_UINT16, rel->state));
    cim_set(i, "ReplicationHealth", cim_uint(CIM_UINT16, rel->health));
    cim_set(i, "FailedOverReplicationType", cim_uint(CIM_UINT16, failed_over ? 1 : 0));
    cim_set(i, "LastReplicationType", cim_uint(CIM_UINT16, rel->last_sync_us ? 1 : 0));
    cim_set(i, "LastReplicationTime", cim_time(a, rel->last_sync_us));
    cim_set(i, "LastApplyTime", cim_time(a, rel->last_sync_us));
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
    const struct vr_rel *rel = provider_rel(p, &vm, number);
    return rel ? build(rel, cls, a) : NULL;
}

static void list(struct provider_list *l)
{
    const struct vr_rel *rel;
    for (size_t i = 0; (rel = provider_rel_next(l->p, &i));) {
        if (!provider_list_one(l, build(rel, l->cls, &l->arena))) {
            return;
        }
    }
}

const struct provider_class provider_relationship = {
    .name = "Msvm_ReplicationRelationship",
    .source = "each relationship of this host, on either side",
    .get = get,
    .list = list};
