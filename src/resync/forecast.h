/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a resynchronization would cost, from a sample: nodes drawn at random, one from each of as
 * many equal stretches, are compared as a verification compares; the rest is left out by a hint
 * that names the sample. Nothing is staged or written.
 */
#pragma once
#include "model/model.h"
#include "resync/hint.h"

#define FORECAST_NODES_MIN 32u
#define FORECAST_NODES_MAX 1024u /* 1 GiB is read on each side, at most */
#define FORECAST_PART 8u         /* and an eighth of small disks */

/* How many of so many nodes are looked at. */
uint64_t forecast_nodes(uint64_t nodes);
/* The sample of these disks. random: unpredictable bytes. LIMIT as hint_new. */
VR_MUST_CHECK int forecast_draw(const struct vr_peer_request *open,
                                void (*random)(void *ctx, void *p, size_t n),
                                void *ctx,
                                struct hint **ret,
                                struct vr_err *err);

/* What was seen. */
struct forecast_sample {
    uint64_t nodes, sampled; /* of all disks; that were compared */
    uint64_t node_bytes;     /* of one */
    uint64_t differing;      /* bytes, of the sample */
    uint64_t squares;        /* of the differing bytes of each node, summed */
    uint64_t packed;         /* the differing bytes as they would go out */
    uint64_t took_us;
    uint64_t limit_bytes_s; /* of what goes out; 0: none */
};

void forecast_of(const struct forecast_sample *s, struct vr_forecast *ret);
