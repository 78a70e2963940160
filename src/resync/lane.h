/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two ends of a transfer as step machines. A step handles the frames that have come and does a
 * bounded piece of work through the interfaces it was given (link, block_dev, stor); it never
 * waits. A thread in the daemon loops step -> link_flush -> (LANE_WAIT: link_wait) -> step and the
 * simulator loops over many lanes in one thread. The source speaks first.
 */
#pragma once
#include "block/dev.h"
#include "model/model.h"
#include "model/peer.h"
#include "resync/replica.h"
#include "transport/link.h"
#include "util/cleanup.h"
#include "util/err.h"

enum lane_status {
    LANE_AGAIN, /* there is more to do now */
    LANE_WAIT,  /* nothing to do until a frame comes or *ret_wait_ms passed */
    LANE_DONE
};

/* --- source --- */

struct source;
struct hint;

struct source_params {
    struct vr_peer_request open; /* op OPEN; secret and nonce are filled by source_new */
    char host_name[VR_HOST_MAX]; /* ours */
    char initiator[VR_NAME_MAX];
    uint64_t job_id;
    uint32_t ndisks;                       /* as open.ndisks */
    struct block_dev *disks[VR_DISKS_MAX]; /* borrowed, read-only, frozen at one instant */
    uint64_t bandwidth_bytes_s;            /* 0 = no limit */
    bool uncompressed;                     /* nothing is compressed, whatever it costs */
    /* The bytes of a DEFINITION (transport/msg.h) of the same instant; borrowed. NULL: none. */
    const void *definition;
    uint32_t definition_len;
    /* Of a delta: what may have changed on these disks since open.history[0] (resync/hint.h).
     * Borrowed; nodes may be added to it. NULL: everything is compared. */
    struct hint *hint;
    /* How a new generation is called; nil: by chance. */
    struct vr_uuid proposes;
    /* Is the instant still whole (locks held, nothing changed)? Called when everything is sent and
     * again before ROOTS and COMMIT go out. */
    int (*instant_check)(void *ctx, struct vr_err *err);
    void (*random)(void *ctx, void *p, size_t n);
    /* Monotonic, for what compressing costs (resync/squeeze.h). NULL: everything is compressed. */
    uint64_t (*clock_us)(void *ctx);
    void *ctx;
};

VR_MUST_CHECK int source_new(const struct source_params *p,
                             struct link *link,
                             struct source **ret,
                             struct vr_err *err);
void source_free(struct source *s);
DEFINE_CLEANUP(struct source *, source_free)
/* now_us: wall or simulated time. LANE_DONE: completed (or cancelled and confirmed: see
 * source_outcome). */
VR_MUST_CHECK int source_step(struct source *s,
                              uint64_t now_us,
                              enum lane_status *ret_status,
                              uint32_t *ret_wait_ms,
                              struct vr_err *err);
const struct vr_progress *source_progress(struct source *s);
/* True once everything is sent and the proposed generation must be made durable; then
 * source_proposed_saved: ROOTS and COMMIT go out. */
bool source_wants_proposed(struct source *s, struct vr_uuid *ret);
void source_proposed_saved(struct source *s);
/* Asks the target to discard its staging. False: COMMIT was sent, it is too late. */
bool source_cancel(struct source *s);
void source_set_bandwidth(struct source *s, uint64_t bytes_s);
struct source_outcome {
    bool completed, cancelled;
    bool nothing_differed;
    struct vr_generation generation; /* of the replica, as last told (uuid nil: not known) */
    struct vr_report report;
};
const struct source_outcome *source_outcome(struct source *s);

/* --- target --- */

/* What a commit took: time by its stages, and counts. */
struct commit_stats {
    uint64_t reserve_us, sync_us, check_us, redo_us, flush_us, readback_us;
    uint64_t staged_bytes;          /* of the runs' files */
    uint64_t written_bytes, writes; /* zeroed ranges included */
    uint64_t read_bytes, reads;     /* back from the disk */
    uint64_t extents;               /* questions for holes */
};

struct target;

struct target_params {
    struct replica *replica;        /* borrowed, locked, checked (replica_check gave reply) */
    struct vr_peer_request open;    /* as received; op OPEN */
    struct vr_peer_reply reply;     /* nonce is filled by target_new; sent as the first frame */
    uint64_t staging_reserve_bytes; /* free space to leave */
    bool umac;                      /* tags of this kind are the faster ones here */
    const char *image_format;       /* of the images of new disks; NULL: as on the primary */
    /* May the commit begin now (nobody reads the replica's disks)? NULL: always. */
    bool (*commit_gate)(void *ctx);
    void (*random)(void *ctx, void *p, size_t n);
    void *ctx;
};

VR_MUST_CHECK int target_new(const struct target_params *p,
                             struct link *link,
                             struct target **ret,
                             struct vr_err *err);
void target_free(struct target *t); /* staging stays for a resume */
DEFINE_CLEANUP(struct target *, target_free)
VR_MUST_CHECK int target_step(struct target *t,
                              uint64_t now_us,
                              enum lane_status *ret_status,
                              uint32_t *ret_wait_ms,
                              struct vr_err *err);
const struct vr_progress *target_progress(struct target *t);
/* What is staged, and how much it may become by the last look at the free space (0: there was
 * none). Nothing is staged in a first transfer onto our own images. */
struct target_staging {
    uint64_t bytes, limit_bytes;
};
struct target_staging target_staging(const struct target *t);
/* How the committed disks differ from those before, in words; "": they do not. Borrowed. */
const char *target_followed(const struct target *t);
/* NULL before COMMIT came. Borrowed. */
const struct commit_stats *target_commit_stats(const struct target *t);
/* What the replica holds now; *ret_committed: this session's generation was committed. */
const struct vr_generation *target_outcome(struct target *t, bool *ret_committed);
