/* SPDX-License-Identifier: Apache-2.0 */
/* The methods about a relationship's first generation. */
#include "core/initial.h"
#include "provider/method.h"

static unsigned start_type(const struct provider_call *call)
{
    const struct cim_value *v = provider_param(call, "InitialReplicationType");
    return v ? (unsigned)v->u : 0;
}

/* A StartTime counts only where something can be scheduled. */
uint32_t provider_read_start_replication(struct provider_call *call, struct provider_args *args)
{
    unsigned type = start_type(call);
    if (type < CORE_START_NETWORK || type > CORE_START_SEEDED) {
        return provider_refuse(call, VR_RC_INVALID_PARAMETER,
                               "InitialReplicationType is none of 1 (Network Transfer), 2 (Export) "
                               "and 3 (Seeded Network Transfer)");
    }
    return type == CORE_START_EXPORT ? 0 : provider_read_start(call, args);
}

void provider_start_replication(struct provider_call *call, const struct provider_args *args)
{
    struct core_start_args start = {.vm_id = args->vm_id,
                                    .rel_number = args->number,
                                    .type = start_type(call),
                                    .start_us = args->start_us};
    struct core_caller who = provider_caller(call);
    void *wait = provider_wait(call);
    if (wait) {
        core_start_replication(call->p->core, &who, &start, provider_on_core, wait);
    }
}
