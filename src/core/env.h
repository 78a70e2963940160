/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What core asks of the world: the daemon implements it on store, inventory and threads, the
 * simulator and the tests in memory. Called on core's thread; ctx is what core_new was given.
 */
#pragma once
#include "model/model.h"
#include "model/peer.h"
#include "model/service.h"
#include "util/err.h"

/* What a source lane is started with. */
struct core_transfer {
    uint64_t job_id;
    struct vr_uuid job_uuid;
    struct vr_vm vm; /* included disks only, with paths on this host */
    struct vr_rel rel;
    enum vr_transfer_kind kind;
    bool force, restart;
    bool sample; /* of a verification: compares a sample only, for a forecast */
    bool delta;  /* what has not changed since rel.generation need not be compared */
    /* this host is the middle of a chain: the instant is the committed generation */
    bool source_is_replica;
};

/* A first generation that travels by a directory. */
struct core_offline {
    uint64_t job_id;
    struct vr_vm vm; /* of an export: included disks only, with paths on this host */
    struct vr_rel rel;
    bool import;
    bool source_is_replica;     /* of an export, as above */
    char location[VR_PATH_MAX]; /* the directory given; each VM has its own below it */
};

enum core_lane_command {
    CORE_LANE_PAUSE, /* stop, keep what is staged; the lane ends with CANCELED */
    /* stop, tell the replica to discard what is staged; refused after COMMIT was sent */
    CORE_LANE_CANCEL,
    CORE_LANE_PROPOSED_SAVED, /* the proposed generation is durable: COMMIT may be sent */
    CORE_LANE_BANDWIDTH
};

/* How a transfer ended. kind 0 = completed. */
struct core_transfer_result {
    /* 0 or -VR_E_KIND; LINEAGE, CORRUPT (proof) are final, PEER and TIMEOUT are retried */
    int result;
    struct vr_err err;
    struct vr_report report;         /* valid when result is 0 */
    struct vr_generation generation; /* what the replica holds now, when known (uuid not nil) */
    bool nothing_differed;           /* cancelled before any difference was found */
    bool discarded;                  /* CANCEL: the replica confirmed it discarded the staging */
    /* the disks did not stay, or were not to be had, as they were at one moment: TIMEOUT here is no
     * matter of the network, and another try has another instant */
    bool instant_ended;
    /* Of a delta: the disks that were compared whole, each with the reason; "": none. */
    char compared_whole[VR_TEXT_MAX];
    bool not_frozen;     /* the guest was to be frozen, and was not, or not long enough */
    uint64_t frozen_us;  /* how long it was; 0: not at all */
    uint32_t ease_times; /* reading had to slow down for the guest's writes */
};

struct core_env_ops {
    uint64_t (*now_us)(void *ctx);
    void (*random)(void *ctx, void *p, size_t n);
    /* Durable when 0 is returned. */
    int (*save_rel)(void *ctx, const struct vr_rel *rel, struct vr_err *err);
    int (*delete_rel)(void *ctx, const struct vr_uuid *vm, uint8_t number, struct vr_err *err);
    int (*save_job)(void *ctx, const struct vr_job *job, struct vr_err *err);
    int (*delete_job)(void *ctx, uint64_t id, struct vr_err *err);
    int (*save_report)(void *ctx, const struct vr_report *report, struct vr_err *err);
    int (*save_auth)(void *ctx, const struct vr_auth_entry *entry, struct vr_err *err);
    int (*delete_auth)(void *ctx, const char *host, struct vr_err *err);
    int (*save_service)(void *ctx, const struct vr_service *service, struct vr_err *err);
    /* Fills what the host is: allowed_authentication, https_port, thumbprint. */
    void (*host_service)(void *ctx, struct vr_service *ret);
    void (*event)(void *ctx, const struct vr_event *event); /* log and history; may be lost */
    /* The inventory: NOT_FOUND. Replicas are found through the store of relationships, not here. */
    int (*find_vm)(void *ctx, const struct vr_uuid *id, struct vr_vm *ret, struct vr_err *err);
    /* The replica's VM as its sidecar describes it (disks with paths below rel->storage). */
    int (*replica_vm)(void *ctx, const struct vr_rel *rel, struct vr_vm *ret, struct vr_err *err);
    /* Are this side's disks there and free? NOT_FOUND (a missing image), BUSY (somebody writes),
     * CORRUPT (no image of its format); fills size_bytes. */
    int (*check_disks)(void *ctx, struct vr_vm *vm, bool source_is_replica, struct vr_err *err);
    /* As check_disks, and so cheap that every cycle asks. Fills a stamp:
     * while it is the same, no byte of these disks has changed; zeroes where that is not known. */
    int (*peek_disks)(void *ctx,
                      struct vr_vm *vm,
                      bool source_is_replica,
                      uint8_t ret_stamp[VR_STAMP_BYTES],
                      struct vr_err *err);
    /* Seconds since this host's local midnight, below 86400, at that time. */
    uint32_t (*local_day_s)(void *ctx, uint64_t time_us);
    /* Starts a source lane; its end is told by core_on_transfer_end. */
    int (*start_transfer)(void *ctx, const struct core_transfer *t, struct vr_err *err);
    /* Could it be done? INVALID: no directory. NOT_FOUND: no such directory, or no export in it.
     * NOSPACE, EXISTS. */
    int (*check_offline)(void *ctx, const struct core_offline *o, struct vr_err *err);
    /* Starts an export or import; told of as a transfer: core_on_progress, core_on_proposed,
     * core_on_transfer_end (of the report instant_us alone), command_transfer. */
    int (*start_offline)(void *ctx, const struct core_offline *o, struct vr_err *err);
    void (*command_transfer)(void *ctx,
                             uint64_t job_id,
                             enum core_lane_command cmd,
                             uint64_t value);
    /* Asks the peer in the background; answered by core_on_peer_reply(call_id). Deadline 2 s for
     * PREFLIGHT and TEST. */
    int (*peer_call)(void *ctx,
                     uint64_t call_id,
                     const char *point,
                     const char *identity,
                     const struct vr_peer_request *req,
                     struct vr_err *err);
    /* Replica side. Makes directory, images and sidecar for a new relationship (ENABLE).
     * rel->storage comes as the authorization entry's storage location and leaves as the replica's
     * directory below it; req->kind is SEEDED when images that are there already are to be kept. */
    int (*create_replica)(void *ctx,
                          struct vr_rel *rel,
                          const struct vr_peer_request *req,
                          struct vr_err *err);
    /* What the replica's sidecar says: generation, staged bytes, changed_alone. LINEAGE when it is
     * promoted. */
    int (*inspect_replica)(void *ctx,
                           const struct vr_rel *rel,
                           const struct vr_peer_request *req,
                           struct vr_peer_reply *reply,
                           struct vr_err *err);
    /* Settles a begun commit, puts the staging aside, marks the sidecar promoted with a new branch
     * and epoch + 1. */
    int (*promote_replica)(void *ctx,
                           const struct vr_rel *rel,
                           struct vr_generation *ret,
                           struct vr_err *err);
    /* Ends live sessions that write this replica (failover, disable, authorization removed). */
    void (*end_target_sessions)(void *ctx, const struct vr_uuid *vm, uint8_t number);
    /* Marks the sidecar as belonging to no relationship; the images stay. */
    int (*release_replica)(void *ctx, const struct vr_rel *rel, struct vr_err *err);
};
