/* SPDX-License-Identifier: Apache-2.0 */
/* The methods about a relationship's first generation. */
#include <string.h>

#include "core/initial.h"
#include "provider/method.h"

static unsigned start_type(const struct provider_call *call)
{
    const struct cim_value *v = provider_param(call, "InitialReplicationType");
    return v ? (unsigned)v->u : 0;
}

static void copy_location(const struct provider_call *call, const char *name, char *ret, size_t cap)
{
    const struct cim_value *v = provider_param(call, name);
    snprintf(ret, cap, "%s", v ? v->str : "");
}

static bool is_location(const struct provider_call *call, const char *name)
{
    const struct cim_value *v = provider_param(call, name);
    return v && v->str[0] == '/' && strlen(v->str) < VR_PATH_MAX;
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
    if (type == CORE_START_EXPORT && !is_location(call, "InitialReplicationExportLocation")) {
        return provider_refuse(call, VR_RC_INVALID_PARAMETER,
                               "InitialReplicationExportLocation is no absolute path");
    }
    return type == CORE_START_EXPORT ? 0 : provider_read_start(call, args);
}

void provider_start_replication(struct provider_call *call, const struct provider_args *args)
{
    struct core_start_args start = {.vm_id = args->vm_id,
                                    .rel_number = args->number,
                                    .type = start_type(call),
                                    .start_us = args->start_us};
    if (start.type == CORE_START_EXPORT) {
        copy_location(call, "InitialReplicationExportLocation", start.location,
                      sizeof(start.location));
    }
    struct core_caller who = provider_caller(call);
    void *wait = provider_wait(call);
    if (wait) {
        core_start_replication(call->p->core, &who, &start, provider_on_core, wait);
    }
}

uint32_t provider_read_import(struct provider_call *call, struct provider_args *args)
{
    return is_location(call, "InitialReplicationImportLocation")
               ? 0
               : provider_refuse(call, VR_RC_INVALID_PARAMETER,
                                 "InitialReplicationImportLocation is no absolute path");
}

void provider_import(struct provider_call *call, const struct provider_args *args)
{
    struct core_import_args import = {.vm_id = args->vm_id};
    copy_location(call, "InitialReplicationImportLocation", import.location,
                  sizeof(import.location));
    struct core_caller who = provider_caller(call);
    void *wait = provider_wait(call);
    if (wait) {
        core_import_initial(call->p->core, &who, &import, provider_on_core, wait);
    }
}
