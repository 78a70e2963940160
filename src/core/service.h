/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of the replication service, and statistics; otherwise as core.h. */
#pragma once
#include "core/core.h"

/* Before core_start. As stored: INVALID when that cannot be. Not loaded: vr_service_default. */
VR_MUST_CHECK int
core_load_service(struct core *c, const struct vr_service *service, struct vr_err *err);
/* As they are now, whole. */
void core_service(struct core *c, struct vr_service *ret);
/* All that the change names, or nothing. RecoveryServerEnabled false ends what peers do here. A
 * window of statistics that runs ends when it was going to. */
void core_service_set(struct core *c,
                      const struct core_caller *who,
                      const struct vr_service_change *change,
                      core_done done,
                      void *ctx);

struct core_stats {
    struct vr_stats stats; /* up to now; now.health is the relationship's */
    uint32_t reasons;      /* why it is not well (model/health.h): bits 1 << VR_WHY_x */
    bool all_sent;         /* a transfer has sent all that differed and is not done yet */
    uint64_t next_us;      /* when it replicates or resynchronizes by itself next; 0: not planned */
    uint64_t sent_bytes;   /* totals.bytes, and what the transfer under way has sent beyond them */
};
/* False: there is no such relationship. */
bool core_stats(struct core *c, const struct vr_uuid *vm, uint8_t number, struct core_stats *ret);
/* The window begins anew; a health that statistics alone made Warning is Ok again. rel_number -1:
 * by this host's part. */
void core_stats_reset(struct core *c,
                      const struct core_caller *who,
                      const struct vr_uuid *vm,
                      int rel_number,
                      core_done done,
                      void *ctx);
