/* SPDX-License-Identifier: Apache-2.0 */
/* Msvm_ReplicationProvider: how this host replicates. There is one, the built-in. */
#include <string.h>

#include "provider/internal.h"

#define BUILT_IN                                                                                   \
    "22391CDC-272C-4DDF-BA88-9BEFB1A0975C" /* as documented for the built-in provider */

struct cim_path *provider_ref_builtin(const struct provider *p, struct cim_arena *a)
{
    const char *id =
        cim_printf(a, "Microsoft:%s\\ReplicationProvider\\" BUILT_IN, p->config.host_name);
    struct cim_path *path = provider_ref_id(a, "Msvm_ReplicationProvider", id);
    vr_assert(!path || cim_path_add_key(path, "Name", cim_str(BUILT_IN)));
    return path;
}

bool provider_names_builtin(const char *text)
{
    return strcasestr(text, BUILT_IN) != NULL;
}

static struct cim_instance *
build(struct provider *p, const struct cim_class *cls, struct cim_arena *a)
{
    struct cim_instance *i = cim_instance_new(a, cls);
    struct cim_path *path = provider_ref_builtin(p, a);
    if (!i || !path) {
        return NULL;
    }
    cim_set(i, "InstanceID", *cim_path_key(path, "InstanceID"));
    cim_set(i, "Caption", cim_str("Replication Provider"));
    cim_set(i, "Description",
            cim_str("Replicates the disks of virtual machines to other hosts that run vmreplica"));
    cim_set(i, "ElementName", cim_str("Virtual machine replication provider to Hyper-V host"));
    cim_set(i, "Name", cim_str(BUILT_IN));
    cim_set(i, "OperationalStatus", cim_array1(a, cim_uint(CIM_UINT16, 2)));
    cim_set(i, "StatusDescriptions", cim_array1(a, cim_str("OK")));
    cim_set(i, "Status", cim_str("OK"));
    cim_set(i, "HealthState", cim_uint(CIM_UINT16, 5));
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

const struct provider_class provider_builtin = {.name = "Msvm_ReplicationProvider",
                                                .source = "one: what vmreplica is",
                                                .get = get,
                                                .list = list};
