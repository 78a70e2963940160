/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a disk once, in order, and gives its tags node by node; stretches known to be zero are
 * given as counts and not read. With an overlay it reads what the disk would be with the staged
 * differences on it.
 */
#pragma once
#include "block/dev.h"
#include "resync/digest.h"
#include "resync/run.h"

struct reader;

struct reader_item {
    bool zero;
    uint64_t count;     /* zero: whole nodes, the disk's short last one included */
    uint32_t len;       /* data: bytes of this node */
    uint64_t staged[4]; /* data: bit set for every 4 KiB block that is staged */
};

/* dev, digest and overlay (may be NULL) are borrowed. */
VR_MUST_CHECK int reader_new(struct block_dev *dev,
                             uint16_t disk,
                             struct digest *d,
                             struct overlay *overlay,
                             struct reader **ret,
                             struct vr_err *err);
void reader_free(struct reader *r);
DEFINE_CLEANUP(struct reader *, reader_free)
/* Next node or zero stretch. Tags of a data node go to *tags. Must not be called at the end. */
VR_MUST_CHECK int
reader_next(struct reader *r, struct reader_item *ret, struct node_tags *tags, struct vr_err *err);
/* Goes on at `pos`, which lies ahead and is a node's first byte, or the end; what follows is asked
 * for, and looked at, up to `end` only (a node's end) until the next call. */
void reader_seek(struct reader *r, uint64_t pos, uint64_t end);
uint64_t reader_pos(const struct reader *r); /* bytes; == the device's size at the end */
