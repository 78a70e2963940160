/* SPDX-License-Identifier: Apache-2.0 */
/* Object paths of this host's instances, made and read. */
#include <string.h>
#include <strings.h>

#include "provider/internal.h"

#define PREFIX "Microsoft:"

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

struct cim_path *provider_ref_id(struct cim_arena *a, const char *class_name, const char *id)
{
    return add(new_path(a, class_name), "InstanceID", id);
}

static struct cim_path *system_path(struct cim_arena *a, const char *name)
{
    struct cim_path *p = add(new_path(a, "Msvm_ComputerSystem"), "Name", name);
    return add(p, "CreationClassName", "Msvm_ComputerSystem");
}

struct cim_path *provider_ref_host(const struct provider *p, struct cim_arena *a)
{
    return system_path(a, p->config.host_name);
}

struct cim_path *provider_ref_vm(struct cim_arena *a, const struct vr_uuid *vm)
{
    char id[VR_UUID_TEXT_LEN];
    return system_path(a, cim_strdup(a, vr_uuid_text(vm, id)));
}

struct cim_path *provider_ref_service(const struct provider *p, struct cim_arena *a)
{
    struct cim_path *path = add(new_path(a, "Msvm_ReplicationService"), "Name", "replicasvc");
    path = add(path, "SystemCreationClassName", "Msvm_ComputerSystem");
    path = add(path, "SystemName", p->config.host_name);
    return add(path, "CreationClassName", "Msvm_ReplicationService");
}

struct cim_path *provider_ref_job(struct cim_arena *a, const struct vr_job *job)
{
    char id[VR_UUID_TEXT_LEN];
    return provider_ref_id(a, "Msvm_ConcreteJob",
                           cim_printf(a, JOB_ID_PREFIX "%s", vr_uuid_text(&job->uuid, id)));
}

/* --- read --- */

/* What follows one backslash, or an escaped one; NULL: none there. */
static const char *after_backslash(const char *s)
{
    return s[0] != '\\' ? NULL : s[1] == '\\' ? s + 2 : s + 1;
}

const char *provider_vm_id_parse(const char *text, struct vr_uuid *ret_vm)
{
    char id[VR_UUID_TEXT_LEN];
    size_t n = strlen(PREFIX);
    if (strncasecmp(text, PREFIX, n) != 0 || strlen(text) < n + sizeof id - 1) {
        return NULL;
    }
    memcpy(id, text + n, sizeof id - 1);
    id[sizeof id - 1] = '\0';
    const char *end = text + n + sizeof id - 1;
    if (!vr_uuid_parse(id, ret_vm)) {
        return NULL;
    }
    return *end == '\0' ? end : after_backslash(end);
}

const char *provider_rel_id(struct cim_arena *a, const struct vr_uuid *vm, uint8_t number)
{
    char id[VR_UUID_TEXT_LEN];
    return cim_printf(a, PREFIX "%s\\HVR\\%u", vr_uuid_text(vm, id), number);
}

struct cim_path *
provider_ref_rel(struct cim_arena *a, const char *class_name, const struct vr_rel *rel)
{
    return provider_ref_id(a, class_name, provider_rel_id(a, &rel->vm_id, rel->number));
}

bool provider_rel_id_parse(const char *text, struct vr_uuid *ret_vm, uint8_t *ret_number)
{
    struct vr_uuid vm;
    const char *p = provider_vm_id_parse(text, &vm);
    p = p && strncasecmp(p, "HVR", 3) == 0 ? after_backslash(p + 3) : NULL;
    if (!p || (p[0] != '0' && p[0] != '1') || p[1] != '\0') {
        return false;
    }
    *ret_vm = vm;
    *ret_number = (uint8_t)(p[0] - '0');
    return true;
}

const char *provider_path_instance_id(const struct cim_path *path)
{
    const struct cim_value *id = cim_path_key(path, "InstanceID");
    return id && id->type == CIM_STRING && !id->is_null ? id->str : NULL;
}

const struct vr_job *provider_find_job(struct provider *p, const struct cim_path *path)
{
    const char *id = provider_path_instance_id(path);
    struct vr_uuid uuid;
    size_t n = strlen(JOB_ID_PREFIX);
    if (!id || strncasecmp(id, JOB_ID_PREFIX, n) != 0 || !vr_uuid_parse(id + n, &uuid)) {
        return NULL;
    }
    return provider_job_by_uuid(p, &uuid);
}
