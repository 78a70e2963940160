/* SPDX-License-Identifier: Apache-2.0 */
/* What one host asks another outside a transfer's data, as plain data. Bytes: transport/msg.h. */
#pragma once
#include "model/model.h"
#include "util/err.h"

/* X(name, number on the wire, text) */
#define VR_PEER_OPS(X)                                                                             \
    X(TEST, 1, "test the connection")                                                              \
    X(ENABLE, 2, "create the replica")                                                             \
    X(DISABLE, 3, "forget the replica")                                                            \
    X(PREFLIGHT, 4, "may a transfer start")                                                        \
    X(OPEN, 5, "open a transfer")                                                                  \
    X(ADOPT, 6, "tell your generation")

enum vr_peer_op {
#define X(name, value, text) VR_PEER_##name = (value),
    VR_PEER_OPS(X)
#undef X
};

enum vr_transfer_kind {
    VR_TRANSFER_INITIAL = 1, /* onto images the replica side allocated itself, no generation yet */
    VR_TRANSFER_SEEDED = 2,  /* first transfer, compares with what is there */
    VR_TRANSFER_RESYNC = 3,
    VR_TRANSFER_VERIFY = 4 /* compares, stages nothing */
};

/* The kind of an ENABLE that leaves it to the start: images that are there stay, and only a seeded
 * transfer may use them. Who does not know it takes it for 1, and refuses when there are images. */
#define VR_PEER_ENABLE_KEEPS VR_TRANSFER_RESYNC

struct vr_peer_request {
    enum vr_peer_op op;
    struct vr_uuid vm_id;
    char vm_name[VR_NAME_MAX];
    uint8_t rel_number;
    uint32_t epoch; /* the source's role epoch */
    /* included disks only; path is empty: paths never cross the wire */
    uint32_t ndisks;
    struct vr_disk disks[VR_DISKS_MAX];
    struct vr_uuid history[VR_HISTORY_MAX]; /* generations the source remembers, newest first */
    uint32_t nhistory;
    struct vr_uuid proposed; /* sent with an unacknowledged COMMIT */
    /* OPEN only */
    enum vr_transfer_kind kind;
    struct vr_uuid job, instant;
    uint64_t instant_us;
    bool force;          /* a person decided to overwrite a conflicting lineage */
    bool restart;        /* throw away what is staged */
    uint8_t consistency; /* enum vr_consistency, of the instant */
    bool hinted;         /* HINT frames follow, relative to history[0] */
    bool umac;           /* tags of this kind are the faster ones for the source */
    uint8_t secret[32], nonce[32];
};

struct vr_peer_reply {
    int result;                      /* 0 or -VR_E_KIND */
    char text[VR_TEXT_MAX];          /* reason of a refusal */
    char host[VR_HOST_MAX];          /* how the answering host calls itself */
    struct vr_generation generation; /* what the replica holds (uuid nil: nothing yet) */
    bool changed_alone;              /* the replica's disks changed without us */
    /* these do not cross the wire: when the generation's contents were so, 0: not known; enum
     * vr_consistency; the relationship was removed */
    uint64_t instant_us;
    uint8_t consistency;
    bool released;
    bool proposed_done;    /* the replica is at `proposed`: that transfer had completed */
    uint64_t bytes_staged; /* kept from an interrupted transfer */
    uint64_t bytes_free;   /* for staging */
    bool hinted;           /* OPEN: only what the hint names is compared */
    bool umac;             /* OPEN: tags are UMAC-96, else Poly1305 */
    uint8_t nonce[32];     /* OPEN */
};
