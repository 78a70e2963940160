/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Msvm_VirtualSystemSettingData: one for each VM, from which clients go on to its disks. What only
 * the hypervisor knows (firmware, memory, what happens at its start) is NULL.
 */
#include "provider/internal.h"

const char *provider_vssd_id(struct cim_arena *a, const struct vr_uuid *vm)
{
    char id[VR_UUID_TEXT_LEN];
    return cim_printf(a, "Microsoft:%s", vr_uuid_text(vm, id));
}

static struct cim_instance *
build(const struct vr_vm *vm, const struct cim_class *cls, struct cim_arena *a)
{
    char id[VR_UUID_TEXT_LEN];
    struct cim_instance *i = cim_instance_new(a, cls);
    const char *system = cim_strdup(a, vr_uuid_text(&vm->id, id));
    cim_set(i, "InstanceID", cim_str(provider_vssd_id(a, &vm->id)));
    cim_set(i, "Caption", cim_str("Virtual Machine Settings"));
    cim_set(i, "Description", cim_str("Active settings for the virtual machine"));
    cim_set(i, "ElementName", cim_str(vm->name[0] ? cim_strdup(a, vm->name) : system));
    cim_set(i, "VirtualSystemIdentifier", cim_str(system));
    cim_set(i, "VirtualSystemType", cim_str("Microsoft:Hyper-V:System:Realized"));
    cim_instance_make_path(i, CIM_NAMESPACE);
    return i;
}

static struct cim_instance *get(struct provider *p,
                                const struct cim_class *cls,
                                const struct cim_path *path,
                                struct cim_arena *a)
{
    const char *id = provider_path_instance_id(path);
    struct vr_vm *vm = cim_alloc(a, sizeof *vm);
    struct vr_uuid system;
    const char *rest = id ? provider_vm_id_parse(id, &system) : NULL;
    if (!vm || !rest || *rest || !provider_find_vm(p, &system, vm)) {
        return NULL;
    }
    return build(vm, cls, a);
}

static bool list_vm(void *ctx, const struct vr_vm *vm)
{
    struct provider_list *l = ctx;
    return provider_list_one(l, build(vm, l->cls, &l->arena));
}

static void list(struct provider_list *l)
{
    provider_each_vm(l->p, list_vm, l, l->st);
}

const struct provider_class provider_vssd = {
    .name = "Msvm_VirtualSystemSettingData",
    .source = "each VM of the inventory, each VM this host holds a replica of",
    .get = get,
    .list = list};
