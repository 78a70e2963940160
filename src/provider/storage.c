/* SPDX-License-Identifier: Apache-2.0 */
/* Msvm_StorageAllocationSettingData: one for each disk of each VM, those that are never replicated
 * included: which ones are is in the settings of the relationship (IncludedDisks). */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "provider/internal.h"

#define CLASS "Msvm_StorageAllocationSettingData"
#define LOGICAL_DISK 31 /* ResourceType */

static const char *disk_id(struct cim_arena *a, const struct vr_uuid *vm, const char *disk)
{
    char id[VR_UUID_TEXT_LEN];
    return cim_printf(a, "Microsoft:%s\\%s", vr_uuid_text(vm, id), disk);
}

struct cim_path *
provider_ref_disk(struct cim_arena *a, const struct vr_uuid *vm, const struct vr_disk *disk)
{
    return provider_ref_id(a, CLASS, disk_id(a, vm, disk->name));
}

bool provider_disk_parse(const char *text,
                         struct vr_uuid *ret_vm,
                         char ret_disk[static VR_NAME_MAX])
{
    struct cim_arena a;
    struct cim_path path;
    struct vr_uuid vm;
    bool ok = false;
    const char *object = strcasestr(text, ":" CLASS ".");
    cim_arena_init(&a, PROVIDER_INSTANCE_MAX_BYTES);
    if (object) {
        text =
            cim_path_parse(&a, object, &path, NULL) == 0 ? provider_path_instance_id(&path) : NULL;
    }
    const char *disk = text ? provider_vm_id_parse(text, &vm) : NULL;
    if (disk && vr_name_ok(disk)) {
        snprintf(ret_disk, VR_NAME_MAX, "%s", disk);
        *ret_vm = vm;
        ok = true;
    }
    cim_arena_deinit(&a);
    return ok;
}

static struct cim_instance *build(const struct vr_vm *vm,
                                  const struct vr_disk *disk,
                                  const struct cim_class *cls,
                                  struct cim_arena *a)
{
    struct cim_instance *i = cim_instance_new(a, cls);
    cim_set(i, "InstanceID", cim_str(disk_id(a, &vm->id, disk->name)));
    cim_set(i, "Caption", cim_str("Hard Disk Image Default Settings"));
    cim_set(i, "Description",
            cim_str("Describes the default settings for the hard disk image resources"));
    cim_set(i, "ElementName", cim_str(cim_strdup(a, disk->name)));
    cim_set(i, "ResourceType", cim_uint(CIM_UINT16, LOGICAL_DISK));
    cim_set(i, "ResourceSubType", cim_str("Microsoft:Hyper-V:Virtual Hard Disk"));
    cim_set(i, "HostResource", cim_array1(a, cim_str(cim_strdup(a, disk->path))));
    if (disk->size_bytes) {
        cim_set(i, "VirtualQuantity", cim_uint(CIM_UINT64, disk->size_bytes));
        cim_set(i, "VirtualResourceBlockSize", cim_uint(CIM_UINT64, 1));
        cim_set(i, "VirtualQuantityUnits", cim_str("byte"));
    } else {
        cim_set(i, "VirtualQuantityUnits", cim_null(CIM_STRING));
    }
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
    const char *disk = id ? provider_vm_id_parse(id, &system) : NULL;
    if (!vm || !disk || !provider_find_vm(p, &system, vm)) {
        return NULL;
    }
    for (uint32_t i = 0; i < vm->ndisks; i++) {
        if (strcmp(vm->disks[i].name, disk) == 0) {
            return build(vm, &vm->disks[i], cls, a);
        }
    }
    return NULL;
}

static bool list_vm(void *ctx, const struct vr_vm *vm)
{
    struct provider_list *l = ctx;
    bool more = true;
    for (uint32_t i = 0; more && i < vm->ndisks; i++) {
        more = provider_list_one(l, build(vm, &vm->disks[i], l->cls, &l->arena));
    }
    return more;
}

static void list(struct provider_list *l)
{
    provider_each_vm(l->p, list_vm, l, l->st);
}

const struct provider_class provider_storage = {
    .name = CLASS,
    .source = "each disk of each VM: of the inventory, or of the replica's sidecar",
    .get = get,
    .list = list};
