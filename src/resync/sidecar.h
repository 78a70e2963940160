/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sidecar: a small checksummed file beside a replica's images, and the durable authority about
 * them. It is only ever replaced whole. JSON on one line, then "sha256 <hex of that line>"
 * (docs/on-disk.md).
 *
 * INV-2: `intent` is set from before the first byte of a commit is written to an image until every
 * byte is durable.
 * INV-3: while `intent` is set, or while there is no generation, no image has its public name.
 */
#pragma once
#include "block/stor.h"
#include "model/model.h"
#include "resync/definition.h"
#include "resync/replica.h"
#include "resync/run.h"

#define SIDECAR_VERSION 1
/* One with a plan, which a program that knows only version 1 must not leave out. */
#define SIDECAR_VERSION_PLAN 2
#define SIDECAR_MAX_BYTES (64u << 10)

struct sidecar {
    struct vr_rel
        rel; /* vm_id, number, peer, peer_identity, generation (uuid nil: none yet), last_sync,
                consistency, created */
    enum replica_role role;
    uint64_t promoted_us;
    struct vr_vm vm;              /* disks: name, format, size; path = public file name */
    uint64_t stamp[VR_DISKS_MAX]; /* of the image after the last commit; 0: not known */
    /* The disks of the generation that is being staged or committed, when they are not those of vm:
     * what the runs number. 0: they are. */
    uint32_t nplan;
    struct vr_disk plan[VR_DISKS_MAX];
    bool own_images;   /* allocated by us: an initial transfer may write them directly */
    bool found_images; /* there before the relationship: only a seeded start uses them */
    char definition[DEFINITION_NAME_MAX]; /* the file with the VM's definition; "": none came */
    bool intent;
    uint64_t next_instant_us;       /* with intent: as rel.last_sync */
    uint8_t next_consistency;       /* with intent: as rel.consistency */
    struct vr_generation next;      /* with intent: what the commit makes */
    struct run_name runs[RUNS_MAX]; /* with intent: what it is made from */
    uint32_t nruns;
    char next_definition[DEFINITION_NAME_MAX]; /* with intent: of the next generation */
};

/* NOT_FOUND, CORRUPT (damaged; or of a newer version, and the text says so). */
VR_MUST_CHECK int sidecar_read(struct stor *stor, struct sidecar *ret, struct vr_err *err);
VR_MUST_CHECK int sidecar_write(struct stor *stor, const struct sidecar *s, struct vr_err *err);
/* The disks that the next generation will have. */
const struct vr_disk *sidecar_next_disks(const struct sidecar *s, uint32_t *ret_n);
