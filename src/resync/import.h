/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gives a replica that holds nothing yet its first generation, from an export: every node is
 * checked against its digest before it is written, and the commit is that of any transfer, so the
 * replica has no generation or the whole one. A step machine as those of resync/lane.h; one thread.
 */
#pragma once
#include "resync/lane.h"
#include "resync/manifest.h"

struct importer;

struct import_params {
    struct replica *replica; /* borrowed, locked */
    struct stor *stor;       /* borrowed: the directory of the export */
    struct manifest manifest;
    uint64_t staging_reserve_bytes; /* free space to leave */
    bool (*commit_gate)(void *ctx); /* as target_params; NULL: always */
    void (*random)(void *ctx, void *p, size_t n);
    void *ctx;
};

/* Is this the export that the replica waits for? INVALID: of another VM, relationship or host, or
 * its disks differ. STATE: the replica holds a generation, or was released. */
VR_MUST_CHECK int
import_check(const struct replica *r, const struct manifest *m, struct vr_err *err);
VR_MUST_CHECK int
import_new(const struct import_params *p, struct importer **ret, struct vr_err *err);
void import_free(struct importer *i);
DEFINE_CLEANUP(struct importer *, import_free)
/* LANE_WAIT: for the commit gate. CORRUPT: a file is not what was exported; the text names it and
 * where. LANE_DONE: the replica holds the generation. */
VR_MUST_CHECK int
import_step(struct importer *i, uint64_t now_us, enum lane_status *ret_status, struct vr_err *err);
const struct vr_progress *import_progress(const struct importer *i);
/* Too late to stop: the commit goes on. */
bool import_is_committing(const struct importer *i);
