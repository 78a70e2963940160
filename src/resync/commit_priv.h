/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the commit only: commit.c (the stages and their order), commit_reserve.c (RESERVE),
 * commit_resize.c (HIDE, RESIZE), commit_disk.c (REDO, FLUSH, READBACK). Disks are numbered as the
 * next generation's. */
#pragma once
#include "resync/changes.h"
#include "resync/lane.h"
#include "resync/replica_priv.h"
#include "resync/walk.h"

enum stage {
    RESERVE,
    SYNC,
    CHECK,
    INTENT,
    HIDE,
    RESIZE,
    REDO,
    FLUSH,
    READBACK,
    DONE,
    SHOW,
    CLEAN,
    END
};

struct readback; /* commit_disk.c */

#define COMMIT_ZEROES 256u

#define COMMIT_FEW_DISKS 4u

struct commit {
    struct replica *r;
    enum stage stage;
    bool begun, keep_old, resumed;
    bool follows; /* the disks are not those of the generation before */
    bool sized;   /* the images are what the next generation's disks are */
    struct vr_generation next, base;
    struct run_name runs[RUNS_MAX];
    size_t nruns;
    bool tells;              /* what changes, if the images are as they were committed */
    struct changes *changes; /* what is told of this commit; NULL: nothing */
    const void *definition;  /* NULL: none */
    size_t definition_len;
    char definition_name[DEFINITION_NAME_MAX];
    uint64_t instant_us;
    uint8_t consistency;
    struct walk *walk;
    struct run_writer *safety;
    struct block_dev *dev[VR_DISKS_MAX];     /* NULL until RESIZE: of a disk that is new */
    struct stor_lock *made[VR_DISKS_MAX];    /* of images made for new disks */
    uint64_t base_bytes[VR_DISKS_MAX];       /* what the image has of it before RESIZE */
    struct block_extent known[VR_DISKS_MAX]; /* around the last hole asked for; len 0: none */
    struct stor_file *ballast;
    uint64_t need[VR_DISKS_MAX];       /* bytes to write on formats that grow */
    uint64_t ballast_bytes;            /* held */
    uint64_t given_bytes, taken_bytes; /* of it: back, and of that needed */
    uint64_t tables_bytes;             /* of it: for formats' own tables */
    uint64_t written[VR_DISKS_MAX];
    struct zero_range {
        uint16_t disk;
        uint64_t off, len;
    } zero[COMMIT_ZEROES]; /* to be zeroed yet */
    size_t nzero;
    struct readback *readback;
    struct commit_stats stats;
    uint64_t now_us, *clock; /* of the step before */
    uint8_t *buf;
};

/* --- commit.c --- */

typedef int (*stretch_fn)(struct commit *c,
                          uint16_t disk,
                          const struct walk_stretch *s,
                          struct vr_err *err);
/* Calls fn for staged stretches until a step's work is done. 1: more is left, 0:
 * the walk is over. */
VR_MUST_CHECK int
commit_walk_some(struct commit *c, unsigned overlay_flags, stretch_fn fn, struct vr_err *err);
const struct vr_disk *commit_disk(const struct commit *c, uint32_t disk);
uint32_t commit_ndisks(const struct commit *c);
VR_MUST_CHECK int commit_open_disks(struct commit *c, unsigned block_flags, struct vr_err *err);
void commit_close_disks(struct commit *c);

#define COMMIT_STEP_BYTES (4u << 20) /* one step's work */

/* --- commit_reserve.c --- */
VR_MUST_CHECK int commit_do_reserve(struct commit *c, struct vr_err *err);
/* Gives space back before `bytes` more of it are needed; UINT64_MAX: all of it. */
VR_MUST_CHECK int commit_release_ballast(struct commit *c, uint64_t bytes, struct vr_err *err);

/* Does the stretch's space come from the ballast? */
bool commit_needs_ballast(const struct commit *c, uint16_t disk, const struct walk_stretch *s);

/* --- commit_resize.c --- */
VR_MUST_CHECK int commit_do_hide(struct commit *c, struct vr_err *err);
VR_MUST_CHECK int commit_do_resize(struct commit *c, struct vr_err *err);

/* --- commit_disk.c --- */
VR_MUST_CHECK int commit_do_redo(struct commit *c, struct vr_err *err);
VR_MUST_CHECK int commit_do_flush(struct commit *c, struct vr_err *err);
VR_MUST_CHECK int commit_do_readback(struct commit *c, struct vr_err *err);
void commit_free_readback(struct commit *c);
