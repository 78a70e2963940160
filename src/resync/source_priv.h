/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the source end only: source.c (session), source_compare.c (the stream), source_send.c
 * (differences). */
#pragma once
#include <zstd.h>

#include "resync/digest.h"
#include "resync/forecast.h"
#include "resync/hint.h"
#include "resync/lane.h"
#include "resync/layout.h"
#include "resync/pace.h"
#include "resync/reader.h"
#include "resync/squeeze.h"
#include "transport/msg.h"
#include "util/buf.h"

/* What this side knows about nodes it has read and not yet compared: a stretch of zeroes, one
 * node's tags, or a stretch that is not compared. */
struct own_entry {
    uint64_t first, count;
    struct node_tags *tags; /* NULL: zero, or skipped */
    bool skipped;
};

/* What the target told: a stretch of zeroes, one node's tag, or a stretch that is not compared. */
struct peer_entry {
    uint64_t first, count;
    bool zero, skipped;
    uint8_t tag[DIGEST_TAG];
};

enum pending_state {
    PENDING_MIDS,   /* asked for the 64 KiB tags */
    PENDING_LEAVES, /* asked for the 4 KiB tags of the 64 KiB pieces that differ */
    PENDING_READY   /* mask says which blocks differ */
};

/* A node that differs, oldest first; settled when its differences are sent. */
struct pending {
    uint64_t node;
    enum pending_state state;
    struct node_tags *tags;  /* NULL: zero here */
    uint16_t asked;          /* 64 KiB pieces asked for */
    uint64_t mask[MSG_MASK]; /* differing 4 KiB blocks */
    uint32_t at;             /* next block to send */
};

#define SOURCE_LINK_FULL (4u << 20) /* queued bytes above which no more data is produced */
#define OWN_CAP (MSG_WINDOW_NODES)
#define PEER_CAP (2 * MSG_WINDOW_NODES + 2)
#define PENDING_CAP (MSG_WINDOW_NODES)

enum source_state {
    SOURCE_HELLO,
    SOURCE_REPLY,
    SOURCE_COMPARE,
    SOURCE_PROPOSE, /* everything is sent; the proposed generation is being made durable */
    SOURCE_ROOTS,   /* of a verify: waiting for the target's */
    SOURCE_COMMIT,  /* ROOTS and COMMIT were sent: the target proves and commits, or fails */
    SOURCE_CANCELLING,
    SOURCE_DONE
};

struct source {
    struct source_params p;
    struct link *link;
    enum source_state state;
    struct digest *digest;
    struct layout layout;
    struct hint *hint; /* borrowed; what the target does not skip is added. NULL: none is used */
    bool use_zstd, use_definition;
    uint64_t now_us, waited_since_us, pinged_us;
    struct vr_buf msg; /* scratch for one message's head */

    /* reading */
    struct reader *reader;
    uint16_t read_disk;
    uint64_t read_node; /* next node to read */
    struct digest_root *root[VR_DISKS_MAX];
    uint8_t own_root[VR_DISKS_MAX][DIGEST_ROOT];

    /* fifos: rings of fixed size */
    struct own_entry own[OWN_CAP];
    size_t own_head, own_n;
    struct peer_entry peer[PEER_CAP];
    size_t peer_head, peer_n;
    uint64_t peer_next; /* node after the last one told */
    struct pending pending[PENDING_CAP];
    size_t pending_head, pending_n;
    struct node_tags *spare; /* one tags buffer kept for reuse */
    size_t tags_in_use;

    uint32_t whole_asked; /* nodes whose 4 KiB tags were all asked for at once */
    bool detailed;        /* the first DETAIL has come */

    uint64_t compared; /* nodes decided equal or put on the pending list */
    uint64_t settled, settled_sent;

    /* sending */
    uint64_t sent_raw, credited; /* payload bytes */
    struct msg_zero zero;        /* a zero stretch being gathered */
    uint8_t *raw;                /* a node's bytes: those between blocks are read, too */
    uint8_t *packing, *packed;   /* memory, and the place in it that zstd writes to */
    ZSTD_CCtx *zstd;
    struct squeeze squeeze;
    struct pace pace;
    uint64_t paid; /* bytes of the link that went into the pace */

    struct vr_uuid proposed;
    bool proposed_saved, wants_proposed;
    bool proved; /* the target's roots came and are equal */
    bool cancel_asked;
    struct vr_progress progress;
    struct source_outcome out;
    uint64_t disk_differing[VR_DISKS_MAX], disk_sent[VR_DISKS_MAX], disk_skipped[VR_DISKS_MAX];
    uint64_t disk_ranges[VR_DISKS_MAX], differed_until[VR_DISKS_MAX];
    uint64_t skipped_nodes;
    uint64_t own_skipped, peer_skipped; /* bytes, up to what was read here, and told by the peer */
    uint64_t sample_squares, sample_packed; /* of a dry run (resync/forecast.h) */
};

/* --- source_compare.c --- */
VR_MUST_CHECK int source_on_digests(struct source *s, const void *p, size_t n, struct vr_err *err);
VR_MUST_CHECK int source_on_zeroes(struct source *s, const void *p, size_t n, struct vr_err *err);
VR_MUST_CHECK int source_on_skipped(struct source *s, const void *p, size_t n, struct vr_err *err);
VR_MUST_CHECK int source_on_detail(struct source *s, const void *p, size_t n, struct vr_err *err);
/* Compares, sends, reads: a bounded piece of each. *ret_worked: something was done. */
VR_MUST_CHECK int source_stream(struct source *s, bool *ret_worked, struct vr_err *err);
bool source_stream_done(const struct source *s);
void source_stream_free(struct source *s);
const struct node_tags *source_tags(struct source *s, const struct pending *p);

/* --- source_send.c --- */
/* Sends of the oldest pending node as much as flow control allows. *ret_done: that was all. */
VR_MUST_CHECK int source_send_node(
    struct source *s, struct pending *p, bool *ret_worked, bool *ret_done, struct vr_err *err);
/* The zero stretch gathered so far goes out. */
VR_MUST_CHECK int source_send_zero(struct source *s, struct vr_err *err);
/* How long until the bandwidth limit lets more out, ms; 0 = now. */
uint32_t source_throttle_ms(const struct source *s);
