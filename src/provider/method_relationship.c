/* SPDX-License-Identifier: Apache-2.0 */
/* The methods that make, change, remove and resynchronize a relationship. */
#include <string.h>

#include "core/change.h"
#include "model/names.h"
#include "provider/method.h"

void provider_resynchronize(struct provider_call *call, const struct provider_args *args)
{
    struct core_resync_args resync = {
        .vm_id = args->vm_id, .start_us = args->start_us, .rel_number = -1};
    struct core_caller who = provider_caller(call);
    void *wait = provider_wait(call);
    if (wait) {
        core_resync(call->p->core, &who, &resync, provider_on_core, wait);
    }
}

void provider_create_relationship(struct provider_call *call, const struct provider_args *args)
{
    const struct provider_settings *s = &args->settings;
    struct core_enable_args enable = {.vm_id = args->vm_id,
                                      .nexcluded = s->nexcluded,
                                      .no_start = true,
                                      .keep_found = true,
                                      .background = true,
                                      .setting = s->change};
    memcpy(enable.peer, s->peer, sizeof enable.peer);
    memcpy(enable.excluded, s->excluded, sizeof enable.excluded);
    struct core_caller who = provider_caller(call);
    void *wait = provider_wait(call);
    if (wait) {
        core_enable(call->p->core, &who, &enable, provider_on_core, wait);
    }
}

/* Are these the disks the relationship leaves out already? */
static bool same_disks(const struct vr_rel *rel, const struct provider_settings *s)
{
    bool same = vr_names_count(rel->excluded) == s->nexcluded;
    for (uint32_t i = 0; same && i < s->nexcluded; i++) {
        same = vr_names_have(rel->excluded, s->excluded[i]);
    }
    return same;
}

void provider_modify_settings(struct provider_call *call, const struct provider_args *args)
{
    const struct provider_settings *s = &args->settings;
    const struct vr_rel *rel = provider_rel(call->p, &args->vm_id, args->number);
    if (s->says_disks && rel && !same_disks(rel, s)) {
        provider_return(call, provider_refuse(call, VR_RC_NOT_SUPPORTED,
                                              "IncludedDisks cannot be changed: remove the "
                                              "relationship and create it again"));
        return;
    }
    struct core_modify_args modify = {
        .vm_id = args->vm_id, .number = args->number, .setting = s->change};
    memcpy(modify.peer, s->peer, sizeof modify.peer);
    struct core_caller who = provider_caller(call);
    void *wait = provider_wait(call);
    if (wait) {
        core_modify(call->p->core, &who, &modify, provider_on_core, wait);
    }
}

void provider_remove_relationship(struct provider_call *call, const struct provider_args *args)
{
    struct core_caller who = provider_caller(call);
    void *wait = provider_wait(call);
    if (wait) {
        core_remove(call->p->core, &who, &args->vm_id, args->number, provider_on_core, wait);
    }
}
