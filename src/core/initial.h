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
    int rel_number;    /* -1: by this host's role */
    unsigned type;     /* enum core_start_type; anything else is refused */
    uint64_t start_us; /* 0 = now */
};
/* Starts (or schedules) the initial replication of a relationship in state 1: JobType 94, 117 for a
 * seeded one. With start_us 0 the peer is asked first, so `done` comes later. */
void core_start_replication(struct core *c,
                            const struct core_caller *who,
                            const struct core_start_args *args,
                            core_done done,
                            void *ctx);
