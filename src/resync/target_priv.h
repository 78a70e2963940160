/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the target end only: target.c (session), target_digest.c (digest stream), target_stage.c
 * (differences). */
#pragma once
#include <zstd.h>

#include "resync/digest.h"
#include "resync/hint.h"
#include "resync/lane.h"
#include "resync/layout.h"
#include "resync/reader.h"
#include "resync/replica_priv.h"
#include "transport/msg.h"
#include "util/buf.h"

/* Told to the source and not yet decided: a stretch of zeroes, one node with its tags, or a stretch
 * that is not compared. */
struct told {
    uint64_t first, count;
    struct node_tags *tags; /* NULL: zero, or skipped */
    bool skipped;
    uint64_t staged[4]; /* blocks that an earlier run has */
};

#define TOLD_CAP (2 * MSG_WINDOW_NODES + 2)

enum target_state {
    TARGET_COMPARE,
    TARGET_PROVED,   /* roots were equal; waiting for COMMIT */
    TARGET_GATE,     /* COMMIT received; a reader of the replica's disks is still there */
    TARGET_READBACK, /* of a direct initial transfer; a staged one is read back by the commit */
    TARGET_COMMIT,
    TARGET_DONE
};

struct target {
    struct target_params p;
    struct replica *replica;
    struct link *link;
    enum target_state state;
    struct digest *digest;
    struct layout layout;
    uint64_t now_us, heard_us, told_us, pinged_us, gathered_us;
    struct vr_buf msg, tagbuf;

    struct block_dev *dev[VR_DISKS_MAX]; /* read-only, but for a direct initial transfer */
    uint64_t base_bytes[VR_DISKS_MAX];   /* what the replica has of it; beyond, zeroes are read */
    struct overlay *overlay;             /* earlier runs; NULL: none */
    struct run_name runs[RUNS_MAX];
    size_t nruns; /* earlier ones */
    struct run_writer *writer;
    bool direct; /* initial transfer onto images of our own: no staging */

    struct hint *hint; /* NULL: everything is compared */
    bool awaits_hint;  /* not all of it has come */
    struct reader *reader;
    uint16_t read_disk;
    uint64_t read_node;
    struct told told[TOLD_CAP];
    size_t told_head, told_n;
    size_t data_nodes; /* told entries with tags */
    uint64_t batch_first;
    uint32_t batch_n; /* tags gathered in tagbuf for one DIGESTS */

    /* the node that differences are arriving for */
    bool active;
    uint64_t active_node;
    struct node_tags *active_tags;
    uint64_t active_staged[4];
    bool active_dirty;
    uint64_t final_node; /* every node below is in its root */
    uint64_t settled;    /* told by the source */
    struct digest_root *root[VR_DISKS_MAX];
    uint8_t own_root[VR_DISKS_MAX][DIGEST_ROOT];
    uint64_t last_end; /* of the differences received, in node row bytes: they ascend */
    uint16_t last_disk;

    uint64_t staged_raw, credit_sent, space_checked;
    uint64_t staging_limit, free_bytes; /* at the last look at the free space, 0: none yet */
    uint64_t storage_told_us;
    uint64_t direct_written[VR_DISKS_MAX];
    uint8_t *raw;
    ZSTD_DCtx *zstd;

    struct { /* read-back of a direct transfer */
        uint32_t disk;
        struct reader *reader;
        struct digest_root *root;
    } check;
    struct definition_bytes {
        uint8_t *p; /* NULL: none came */
        uint32_t n;
    } definition;
    struct commit *commit;
    bool committed;
    char followed[VR_TEXT_MAX];
    struct vr_progress progress;
};

/* --- target_digest.c --- */
/* The replica's disks as the transfer sees them: with the sizes that they will have. */
VR_MUST_CHECK int target_open_disks(struct target *t, struct vr_err *err);
/* Reads and tells a bounded number of nodes. */
VR_MUST_CHECK int target_digest_some(struct target *t, bool *ret_worked, struct vr_err *err);
VR_MUST_CHECK int target_open_hint(struct target *t, struct vr_err *err);
VR_MUST_CHECK int target_on_hint(struct target *t, const void *p, size_t n, struct vr_err *err);
VR_MUST_CHECK int target_on_want(struct target *t, const void *p, size_t n, struct vr_err *err);
VR_MUST_CHECK int target_on_settled(struct target *t, const void *p, size_t n, struct vr_err *err);
/* Puts every node below `node` into its root. They are decided. */
VR_MUST_CHECK int target_finalize(struct target *t, uint64_t node, struct vr_err *err);
/* Takes the node's tags out of the told list so that differences can change them. */
VR_MUST_CHECK int target_activate(struct target *t, uint64_t node, struct vr_err *err);
void target_digest_free(struct target *t);

/* --- target_stage.c --- */
VR_MUST_CHECK int target_on_data(struct target *t, const void *p, size_t n, struct vr_err *err);
VR_MUST_CHECK int target_on_zero(struct target *t, const void *p, size_t n, struct vr_err *err);

/* --- target_readback.c --- */
VR_MUST_CHECK int target_readback_some(struct target *t, bool *ret_done, struct vr_err *err);
uint64_t target_readback_bytes(const struct target *t); /* so far */
void target_readback_free(struct target *t);
