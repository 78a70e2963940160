/* SPDX-License-Identifier: Apache-2.0 */
/* What goes on between hosts: lanes, sessions, exports and imports, questions. */
#pragma once
#include "core/core.h"
#include "resync/lane.h"

struct hint;
struct snapshot;
struct slow_link { /* lets only some frames of what has come be received in one step */
    struct link link;
    struct link *next;
    unsigned budget;
    bool starved;
};

struct world;
struct host;
struct exporter;
struct importer;

/* What a generation says of the virtual machine beside its disks. */
struct sim_definition {
    uint8_t p[512];
    uint32_t n; /* 0: nothing */
};

struct lane {
    struct host *host;
    uint64_t job_id;
    enum vr_transfer_kind kind;
    struct source *source;
    struct slow_link link;
    struct stor *stor;
    struct stor_lock *lock[VR_DISKS_MAX];
    struct block_dev *dev[VR_DISKS_MAX];
    struct snapshot *snap;
    struct sim_definition definition;
    struct hint *hint;   /* NULL: everything is compared */
    struct vr_uuid from; /* of a replica: its generation */
    uint64_t instant_us, began_us, wake_us;
    bool eager;  /* has, or may have, something to do now */
    bool stop;   /* pause */
    bool broken; /* the guest wrote while it was being read */
    bool proposed_saved, from_replica;
    int peer;
    uint64_t damage_seq; /* of the replica when the session began */
    uint64_t
        must_differ; /* bytes that differ from what is there and staged; UINT64_MAX: not known */
    bool must_equal; /* verify: what the truth is */
    struct session *session;
    /* the other end, until it is accepted */
    struct link *far;
    uint64_t accept_us;
};

struct session {
    struct host *host;
    struct target *target;
    struct slow_link link;
    struct vr_peer_request open;
    struct lane *lane; /* only for telling that frames may have come */
    uint64_t wake_us, gate_since_us;
    bool eager, committing, woke_gate;
};

/* An export that is written or an import that is read. */
struct carrier {
    struct host *host;
    uint64_t job_id;
    struct exporter *exporter;
    struct importer *importer;
    struct stor *stor, *src;
    struct stor_lock *lock[VR_DISKS_MAX];
    struct block_dev *dev[VR_DISKS_MAX];
    struct snapshot *snap;
    struct core_offline o;
    struct vr_generation generation; /* of an import */
    uint64_t instant_us, began_us, wake_us;
    bool broken, cancel, waits;
};

struct call {
    struct host *from;
    int to;
    uint64_t id, due_us;
    bool lost;
    struct vr_peer_request req;
};
