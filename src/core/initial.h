/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs about a relationship's first generation. As those of core/core.h. */
#pragma once
#include "core/core.h"

/* StartReplication's InitialReplicationType. */
enum core_start_type {
    CORE_START_NETWORK = 1,
    CORE_START_EXPORT = 2,
    CORE_START_SEEDED = 3 /* the replica's directory holds a copy: compare, send what differs */
};
struct core_start_args {
    struct vr_uuid vm_id;
    int rel_number;             /* -1: by this host's role */
    unsigned type;              /* enum core_start_type; anything else is refused */
    uint64_t start_us;          /* 0 = now */
    char location[VR_PATH_MAX]; /* of an export: an existing directory */
};
/* Starts (or schedules) the initial replication of a relationship in state 1: JobType 94, 117 for a
 * seeded one, 118 for an export, which administrators may make. With start_us 0 the peer is asked
 * first, so `done` comes later; an export asks nobody. After an export the relationship stays in
 * state 2 until a Resynchronize finds the generation at the replica. */
void core_start_replication(struct core *c,
                            const struct core_caller *who,
                            const struct core_start_args *args,
                            core_done done,
                            void *ctx);
struct core_import_args {
    struct vr_uuid vm_id;
    char location[VR_PATH_MAX]; /* what an export was given, or the VM's own directory below it */
};
/* On the replica's host: the exported generation becomes the replica's first one. JobType 95. */
void core_import_initial(struct core *c,
                         const struct core_caller *who,
                         const struct core_import_args *args,
                         core_done done,
                         void *ctx);
