/* SPDX-License-Identifier: Apache-2.0 */
/* root/interop: this server, and the namespaces it has. */
#include "provider/internal.h"
#include "vr_config.h"

#define SYSTEM_CLASS "Msvm_ComputerSystem"
#define MANAGER_CLASS "CIM_ObjectManager"
#define STATE_ENABLED 2
#define STATUS_OK 2
#define HEALTH_OK 5
#define CLASS_INFO_UNKNOWN 0 /* its values end at CIM 2.8 */
#define CLASS_TYPE_CIM 2

/* NULL: no memory. */
static const char *manager_name(struct provider_list *l)
{
    return cim_printf(&l->arena, "vmreplica:%s", l->p->config.host_name);
}

static void list_manager(struct provider_list *l)
{
    struct cim_arena *a = &l->arena;
    struct cim_instance *i = cim_instance_new(a, l->cls);
    /* clients take the version from behind this word */
    cim_set(i, "Description", cim_str("vmreplica CIM server version " VR_VERSION));
    cim_set(i, "ElementName", cim_str("vmreplica"));
    cim_set(i, "OperationalStatus", cim_array1(a, cim_uint(CIM_UINT16, STATUS_OK)));
    cim_set(i, "Status", cim_str("OK"));
    cim_set(i, "HealthState", cim_uint(CIM_UINT16, HEALTH_OK));
    cim_set(i, "EnabledState", cim_uint(CIM_UINT16, STATE_ENABLED));
    cim_set(i, "SystemCreationClassName", cim_str(SYSTEM_CLASS));
    cim_set(i, "SystemName", cim_str(l->p->config.host_name));
    cim_set(i, "CreationClassName", cim_str(MANAGER_CLASS));
    cim_set(i, "Name", cim_str(manager_name(l)));
    cim_set(i, "Started", cim_bool(true));
    cim_set(i, "GatherStatisticalData", cim_bool(false));
    cim_instance_make_path(i, PROVIDER_NS_INTEROP);
    provider_list_one(l, i);
}

static void list_namespaces(struct provider_list *l)
{
    bool more = true;
    for (const struct cim_schema *s = l->p->broker.schema; s && more; s = s->next) {
        struct cim_instance *i = cim_instance_new(&l->arena, l->cls);
        cim_set(i, "SystemCreationClassName", cim_str(SYSTEM_CLASS));
        cim_set(i, "SystemName", cim_str(l->p->config.host_name));
        cim_set(i, "ObjectManagerCreationClassName", cim_str(MANAGER_CLASS));
        cim_set(i, "ObjectManagerName", cim_str(manager_name(l)));
        cim_set(i, "CreationClassName", cim_str("CIM_Namespace"));
        cim_set(i, "Name", cim_str(s->ns));
        cim_set(i, "ClassInfo", cim_uint(CIM_UINT16, CLASS_INFO_UNKNOWN));
        cim_set(i, "ClassType", cim_uint(CIM_UINT16, CLASS_TYPE_CIM));
        cim_instance_make_path(i, PROVIDER_NS_INTEROP);
        more = provider_list_one(l, i);
    }
}

const struct provider_class provider_interop[PROVIDER_INTEROP_CLASSES] = {
    {.name = MANAGER_CLASS, .source = "this server", .list = list_manager},
    {.name = "CIM_Namespace", .source = "the schemas served", .list = list_namespaces},
};
