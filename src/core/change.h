/* SPDX-License-Identifier: Apache-2.0 */
/* Changing and removing a relationship as jobs of their own (Msvm_ReplicationService): answered
 * with 4096 once the job is stored; how it went is the job's end. */
#pragma once
#include "core/core.h"

struct core_modify_args {
    struct vr_uuid vm_id;
    uint8_t number;
    struct vr_setting_change setting;
    char peer[VR_HOST_MAX]; /* the same host's connection point; "": as it is */
};
/* JobType 92. Counts from the next transfer on. All or nothing. */
void core_modify(struct core *c,
                 const struct core_caller *who,
                 const struct core_modify_args *args,
                 core_done done,
                 void *ctx);
/* JobType 93: core_disable as a job. A replica that is sent on is removed after that. */
void core_remove(struct core *c,
                 const struct core_caller *who,
                 const struct vr_uuid *vm,
                 uint8_t number,
                 core_done done,
                 void *ctx);
