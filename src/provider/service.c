/* SPDX-License-Identifier: Apache-2.0 */
/* Msvm_ReplicationService: one instance a host. Its methods: method.h. */
#include "provider/method.h"

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

const struct provider_class provider_service = {.name = "Msvm_ReplicationService",
                                                .source = "one",
                                                .get = get,
                                                .list = list,
                                                .invoke = provider_method_invoke};
