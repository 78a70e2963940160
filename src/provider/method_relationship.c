/* SPDX-License-Identifier: Apache-2.0 */
/* The methods that make, change, remove and resynchronize a relationship. */
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
