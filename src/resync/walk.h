/* SPDX-License-Identifier: Apache-2.0 */
/* Walks everything that runs have staged for a VM's disks, chunk by chunk in ascending order. */
#pragma once
#include "resync/run.h"

struct walk;

struct walk_chunk {
    uint16_t disk;
    uint64_t off;
    uint32_t len;         /* bytes, at most RUN_DATA_MAX */
    const uint8_t *state; /* enum leaf_state of each 4 KiB */
    const uint8_t *data;  /* bytes of LEAF_DATA blocks at their place; with OVERLAY_INDEX NULL */
    const struct leaf_tag *tags; /* of LEAF_DATA blocks; without OVERLAY_INDEX NULL */
};

/* A stretch of equal leaf state inside a chunk. */
struct walk_stretch {
    enum leaf_state state;
    uint64_t off;
    uint32_t len;
    const uint8_t *data; /* NULL with OVERLAY_INDEX */
};

/* Of these disks, of which the sizes are looked at. flags: OVERLAY_*. */
VR_MUST_CHECK int walk_new(struct stor *stor,
                           const struct run_name *runs,
                           size_t n,
                           const struct vr_uuid *base,
                           unsigned flags,
                           const struct vr_disk *disks,
                           uint32_t ndisks,
                           struct walk **ret,
                           struct vr_err *err);
void walk_free(struct walk *w);
DEFINE_CLEANUP(struct walk *, walk_free)
/* 1: *ret is the next chunk with something staged, borrowed until the next call. 0: no more. */
VR_MUST_CHECK int walk_next(struct walk *w, struct walk_chunk *ret, struct vr_err *err);
/* As walk_next, but only past what is staged: it is read and checked, and nobody wants it. */
VR_MUST_CHECK int walk_past(struct walk *w, struct vr_err *err);
/* Steps through a chunk: *at starts at 0; false at the end. LEAF_BASE stretches are skipped. */
bool walk_stretches(const struct walk_chunk *c, uint32_t *at, struct walk_stretch *ret);
/* overlay_is_leaf for a tag of one of this walk's chunks. */
bool walk_is_leaf(struct walk *w, const struct leaf_tag *t, const void *p, size_t len);
