/* SPDX-License-Identifier: Apache-2.0 */
/* A whole transfer in one thread: memory source, real directory as replica, loopback link. */
#pragma once
#include "resync/hint.h"
#include "resync/lane.h"
#include "tests/lib/check.h"
#include "transport/msg.h"
#include "util/num.h"

#define SIZE_A (5 * VR_MIB + 4096 + 512) /* a short last node with a short last block */
#define SIZE_B (3 * VR_MIB)

/* What went one way over the link. */
struct traffic {
    uint64_t frames[256], bytes; /* by type; headers included */
    uint64_t bursts; /* steps that sent something: TLS records, as long as they are small */
};

struct fixture {
    char dir[64];
    struct vr_rel rel;
    struct vr_peer_request req;
    struct block_dev *src[4]; /* of req.disks; more may be kept behind them */
    uint64_t now_us;
    uint64_t sent, differing;
    struct vr_progress progress; /* the source's, at the end */
    struct vr_report report;     /* of the last one that completed */
    struct vr_uuid history[8];
    uint32_t nhistory;
    /* of the next transfer */
    uint64_t bandwidth, tick_us;
    bool uncompressed;
    bool umac_here, umac_there; /* what the source and the target are faster with */
    const void *definition;     /* NULL: none */
    uint32_t definition_len;
    bool definition_twice;
    struct hint *hint; /* borrowed; NULL: none */
    bool by_flights;   /* a side goes on until it must wait; each such turn is a flight */
    /* What the source sends arrives with the head that this makes of it. NULL: as it is. */
    void (*forge)(uint8_t type, uint8_t *head, size_t len);
    /* of the last transfer */
    uint32_t flights;
    struct traffic out, in; /* of the source */
    struct vr_peer_reply reply;
};

void setup(struct fixture *f, bool seeded);
/* One disk of this size instead of two. */
void setup_one(struct fixture *f, uint64_t size);
void teardown(struct fixture *f);
/* Bytes that do not compress, another row for each seed. */
void fill(struct block_dev *d, uint64_t off, size_t len, uint8_t seed);
struct replica *open_replica(struct fixture *f);
/* Runs a transfer; max_steps cuts it. Returns the source's result, 0 = completed or cut. */
int transfer(struct fixture *f,
             enum vr_transfer_kind kind,
             int max_steps,
             bool *ret_completed,
             struct vr_err *err);
void check_equal(struct fixture *f);
void damage(struct fixture *f, const char *disk, uint64_t off, const char *bytes);
/* The first transfer, of a few data. */
void initial(struct fixture *f);
