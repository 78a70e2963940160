/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statistics of a relationship (Msvm_ReplicationStatistics): what was counted in the window that
 * runs and in the one before. Windows end at the monitoring start time and every interval after
 * it, counted from 1970-01-01; the first is as short as that makes it. Plain data, no clock.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "model/service.h"
#include "model/states.h"

struct vr_window {
    uint64_t start_us, end_us; /* end of the running one: when it is going to end. 0: no window */
    uint32_t successes;        /* transfers that completed */
    uint32_t misses;           /* scheduled transfers that could not start at their time */
    uint32_t network_failures; /* tries that lost the peer, or did not find it */
    uint32_t failures;         /* tries that failed otherwise */
    uint64_t bytes, bytes_max; /* on the line, of transfers that ended; the largest one */
    uint64_t latency_us, latency_max_us; /* from a transfer's first start to its completion */
    enum vr_health health;               /* when it ended */
};

/* Since the daemon started, whatever windows come and go. Not stored. */
struct vr_totals {
    uint64_t successes, misses, network_failures, failures, bytes; /* as in struct vr_window */
    uint64_t restarts;        /* tries that ended although their transfer went on */
    uint64_t freeze_failures; /* instants of which the guest's agent froze nothing, or too short */
    uint64_t eased;           /* how often reading slowed down for a guest's writes */
    uint64_t frozen_us;       /* how long a guest was frozen the last time; 0: never */
};

struct vr_stats {
    struct vr_window now, last;
    struct vr_totals totals;
    /* end and duration of the newest transfer that completed; 0: none is known. Kept by a reset */
    uint64_t success_us, success_duration_us;
    /* sent by interrupted tries of the transfer under way: counted when that ends */
    uint64_t open_bytes;
};

enum vr_outcome {
    VR_OUTCOME_SUCCESS,
    VR_OUTCOME_MISS,    /* one; of several: vr_stats_miss */
    VR_OUTCOME_NETWORK, /* the transfer goes on later */
    VR_OUTCOME_TRY,     /* so, but it was not the network */
    VR_OUTCOME_FAILURE,
    VR_OUTCOME_STOPPED, /* told to: only its bytes count, when the transfer has ended */
    VR_OUTCOME_ENDED    /* cancelled: only its bytes count */
};

/* The first end of a window after t_us. */
uint64_t vr_window_end(const struct vr_service *s, uint64_t t_us);
/* Brings the windows up to now_us, or begins the first one. True: a window ended in which something
 * was counted; *ret_ended (may be NULL) is it. */
bool vr_stats_roll(struct vr_stats *st,
                   const struct vr_service *s,
                   uint64_t now_us,
                   enum vr_health health,
                   struct vr_window *ret_ended);
/* So many scheduled transfers could not begin, in the running window. */
void vr_stats_miss(struct vr_stats *st, uint64_t n);
/* Forgets what was counted; a window begins. */
void vr_stats_reset(struct vr_stats *st, const struct vr_service *s, uint64_t now_us);
/* One outcome at now_us, in the running window and the totals. bytes: of the try that ended. */
void vr_stats_count(struct vr_stats *st,
                    enum vr_outcome what,
                    uint64_t now_us,
                    uint64_t bytes,
                    uint64_t latency_us);
/* What an instant did to its guest: the freeze failed, or lasted frozen_us (0: it was not tried),
 * and reading slowed down so often for its writes. */
void vr_stats_guest(struct vr_stats *st, bool not_frozen, uint64_t frozen_us, uint32_t eased);
bool vr_window_is_empty(const struct vr_window *w);
/* Were too many scheduled transfers missed: more than a fifth? */
bool vr_window_is_bad(const struct vr_window *w);
