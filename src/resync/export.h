/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the disks of one instant into a directory, to be carried to the replica's host: raw images
 * with holes, the digests of their nodes, and last the manifest, which makes an export of them. A
 * step machine as those of resync/lane.h; one thread.
 */
#pragma once
#include "resync/lane.h"
#include "resync/manifest.h"

struct exporter;

struct export_params {
    struct stor *stor; /* borrowed: the directory of this export */
    /* vm_id, vm_name, rel_number, host, instant, instant_us, ndisks, of each disk name and size,
     * generation.epoch */
    struct manifest manifest;
    struct block_dev *disks[VR_DISKS_MAX]; /* borrowed, read-only, frozen at one instant */
    int (*instant_check)(void *ctx, struct vr_err *err);
    void (*random)(void *ctx, void *p, size_t n);
    void *ctx;
};

/* May an export of this relationship go to the directory? EXISTS: it holds a whole one of another,
 * one whose manifest cannot be read, or files that are none of ours. */
VR_MUST_CHECK int export_may_go(struct stor *stor,
                                const struct vr_uuid *vm,
                                uint8_t rel_number,
                                const char *host,
                                struct vr_err *err);
VR_MUST_CHECK int
export_new(const struct export_params *p, struct exporter **ret, struct vr_err *err);
void export_free(struct exporter *e);
DEFINE_CLEANUP(struct exporter *, export_free)
/* LANE_WAIT: until export_generation_saved. LANE_DONE: the export is whole and durable. */
VR_MUST_CHECK int export_step(struct exporter *e, enum lane_status *ret_status, struct vr_err *err);
/* True once, when all but the manifest is durable and the generation that the replica will hold
 * must be remembered. */
bool export_wants_saved(struct exporter *e, struct vr_uuid *ret);
void export_generation_saved(struct exporter *e);
const struct vr_progress *export_progress(const struct exporter *e);
const struct manifest *export_manifest(const struct exporter *e);
/* Removes what was written, unless the manifest was. */
void export_discard(struct exporter *e);
