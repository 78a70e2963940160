/* SPDX-License-Identifier: Apache-2.0 */
/* A disk from its beginning to its end as nodes of 1 MiB to be read, and rows of nodes known to be
 * zero. */
#pragma once
#include "block/dev.h"

#define SPAN_ZERO_MAX (16384ull << 20) /* bytes of one row of zero nodes: bounds a step's work */

struct span {
    uint64_t off, len; /* not zero: one node, the disk's last may be short */
    bool zero;
};

struct span_walk {
    struct block_dev *dev;      /* borrowed */
    struct block_extent extent; /* around the last place asked about; len 0: none */
};

/* The span that begins at off (a multiple of a node, below the disk's size). */
VR_MUST_CHECK int span_at(struct span_walk *w, uint64_t off, struct span *ret, struct vr_err *err);
/* Is [off, off + len) known to be zero? */
VR_MUST_CHECK int
span_is_zero(struct span_walk *w, uint64_t off, uint64_t len, bool *ret, struct vr_err *err);
