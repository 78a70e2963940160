/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the caller of now may see of core. A user may be limited to some VMs; every other file of
 * this folder that asks core for relationships and jobs asks here, so that what belongs to another
 * VM is not there for him, whatever the class, the method or the way it is named.
 */
#define PROVIDER_ASKS_CORE
#include "provider/internal.h"

bool provider_is_limited(const struct provider *p)
{
    return p->scope && p->scope->limited;
}

bool provider_sees(const struct provider *p, const struct vr_uuid *vm)
{
    return vr_scope_has(p->scope, vm);
}

const struct vr_rel *provider_rel(struct provider *p, const struct vr_uuid *vm, uint8_t number)
{
    return provider_sees(p, vm) ? core_rel(p->core, vm, number) : NULL;
}

const struct vr_rel *provider_rel_next(struct provider *p, size_t *at)
{
    const struct vr_rel *rel;
    do {
        rel = core_rel_at(p->core, (*at)++);
    } while (rel && !provider_sees(p, &rel->vm_id));
    return rel;
}

const struct vr_job *provider_job_next(struct provider *p, size_t *at)
{
    const struct vr_job *job;
    do {
        job = core_job_at(p->core, (*at)++);
    } while (job && !provider_sees(p, &job->vm_id));
    return job;
}

const struct vr_job *
provider_vm_job(struct provider *p, const struct vr_uuid *vm, const struct vr_job *after)
{
    return provider_sees(p, vm) ? core_vm_job(p->core, vm, after) : NULL;
}

const struct vr_job *provider_job_by_uuid(struct provider *p, const struct vr_uuid *id)
{
    const struct vr_job *job = core_job_by_uuid(p->core, id);
    return job && provider_sees(p, &job->vm_id) ? job : NULL;
}
