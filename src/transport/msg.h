/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The peer protocol's bytes (docs/protocol.md). Pure: no I/O, no state. Every decoder checks every
 * length against what is there and against its limit before anything is copied; PROTOCOL is the
 * only error.
 */
#pragma once
#include "model/definition.h"
#include "model/peer.h"
#include "util/buf.h"
#include "util/err.h"

#define MSG_MAGIC 0x31524d56u /* "VMR1" */
#define MSG_MAJOR 2
#define MSG_MINOR 0

/* Frame types, once. A type of 128 and above that is not known is skipped (optional); below, it
 * ends the session. */
#define MSG_TYPES(X)                                                                               \
    X(HELLO, 1)                                                                                    \
    X(REQUEST, 2)                                                                                  \
    X(REPLY, 3)                                                                                    \
    X(DIGESTS, 10) /* target -> source: tags of consecutive nodes */                               \
    X(ZEROES, 11)  /* target -> source: the overlay is zero here */                                \
    X(WANT, 12)    /* source -> target: lower levels of one node */                                \
    X(DETAIL, 13)  /* target -> source: the tags asked for */                                      \
    X(DATA, 14)    /* source -> target: blocks of one node */                                      \
    X(ZERO, 15)    /* source -> target: zeroes */                                                  \
    X(SETTLED, 16) /* source -> target: everything below is decided */                             \
    X(CREDIT, 17)  /* target -> source: payload bytes staged so far */                             \
    X(ROOTS, 18)                                                                                   \
    X(COMMIT, 19)                                                                                  \
    X(COMMITTED, 20)                                                                               \
    X(CANCEL, 21)                                                                                  \
    X(CANCELLED, 22)                                                                               \
    X(FAIL, 23)                                                                                    \
    X(PROGRESS, 24)                                                                                \
    X(PING, 25)       /* both ways, empty: I am here, although there is nothing to say */          \
    X(DEFINITION, 26) /* source -> target: what the virtual machine is, beside its disks */        \
    X(SKIPPED, 27)    /* target -> source: not compared, since nothing changed there */            \
    X(HINT, 128)      /* source -> target: where something may have changed */                     \
    X(STORAGE, 129)   /* target -> source: how much is staged, free, read back */

enum msg_type {
#define X(name, value) MSG_##name = (value),
    MSG_TYPES(X)
#undef X
};

struct msg_hello {
    uint32_t magic;
    uint16_t major, minor;
    uint64_t features; /* bits of MSG_FEATURES; the session uses what both have */
    char host[VR_HOST_MAX];
};
#define MSG_FEATURE_ZSTD 1ull
#define MSG_FEATURE_KEEP 2ull /* a granted PREFLIGHT leaves the connection to one more request */
#define MSG_FEATURE_DEFINITION 4ull /* a transfer may have a DEFINITION */
#define MSG_FEATURES (MSG_FEATURE_ZSTD | MSG_FEATURE_KEEP | MSG_FEATURE_DEFINITION)

void msg_put_hello(struct vr_buf *b, const struct msg_hello *m);
VR_MUST_CHECK int msg_get_hello(const void *p, size_t n, struct msg_hello *ret, struct vr_err *err);
/* Negotiates: PROTOCOL for another magic or major; *ret_features what both have, *ret_minor the
 * lower. */
VR_MUST_CHECK int msg_negotiate(const struct msg_hello *theirs,
                                uint64_t *ret_features,
                                uint16_t *ret_minor,
                                struct vr_err *err);
void msg_put_request(struct vr_buf *b, const struct vr_peer_request *m);
VR_MUST_CHECK int
msg_get_request(const void *p, size_t n, struct vr_peer_request *ret, struct vr_err *err);
void msg_put_reply(struct vr_buf *b, const struct vr_peer_reply *m);
VR_MUST_CHECK int
msg_get_reply(const void *p, size_t n, struct vr_peer_reply *ret, struct vr_err *err);

/*
 * A transfer numbers the nodes (1 MiB ranges) of all its disks in one row: disk 0's first, then
 * disk 1's ... A tag is 16 bytes. Declared windows, part of the protocol version:
 */
#define MSG_TAG 16
#define MSG_BLOCK 4096u
#define MSG_NODE (1u << 20)
#define MSG_MASK (MSG_NODE / MSG_BLOCK / 64) /* words of a mask of a node's blocks */
#define MSG_PING_EVERY_US 10000000u          /* each side says something at least this often */
#define MSG_SILENCE_US 60000000u /* silence after which the other side is taken for lost */
#define MSG_WINDOW_NODES                                                                           \
    2048u /* data nodes digested by the target and not yet settled by the source */
#define MSG_WINDOW_DATA (64u << 20)                /* raw payload bytes sent and not yet staged */
#define MSG_DATA_BLOCKS 64u                        /* blocks of one DATA */
#define MSG_DATA_MAX (MSG_DATA_BLOCKS * MSG_BLOCK) /* raw bytes of one DATA */
#define MSG_DIGESTS_MAX 256u                       /* tags in one DIGESTS */
#define MSG_DETAIL_MAX 256u                        /* tags in one DETAIL */
#define MSG_HINT_NODES (1u << 16)                  /* bits in one HINT: 8 KiB */
#define MSG_HINT_NODES_MAX (1ull << 27)            /* nodes of a transfer with hints: 128 TiB */

struct msg_digests {
    uint64_t first;
    uint32_t count;
    const uint8_t *tags; /* borrowed from the frame */
};
struct msg_range { /* ZEROES, SKIPPED */
    uint64_t first, count;
};
struct msg_hint {
    uint64_t first, count;
    const uint8_t *bits; /* borrowed; of node first + i: byte i / 8, bit i % 8. NULL: none is set */
};
/* WANT (no tags) and DETAIL. mask 0: one tag for each 64 KiB; else one for each 4 KiB of the 64 KiB
 * pieces whose bit is set. */
struct msg_detail {
    uint64_t node;
    uint16_t mask;
    uint32_t count;
    const uint8_t *tags;
};
#define MSG_DATA_RAW 0
#define MSG_DATA_ZSTD 1
/* The bytes of the blocks in the mask, one after the other without gaps. Only the last one may be
 * short: at the disk's end. */
struct msg_data {
    uint16_t disk;
    uint64_t off;            /* of the node */
    uint64_t mask[MSG_MASK]; /* its blocks, from bit 0 of word 0 on */
    uint32_t raw_len;
    uint8_t coding;
    const uint8_t *bytes;
    uint32_t len;
};
struct msg_zero {
    uint16_t disk;
    uint64_t off, len;
};
struct msg_roots {
    uint32_t count;
    const uint8_t *roots; /* 32 bytes each */
};
struct msg_committed {
    struct vr_generation generation;
    uint32_t count;
    uint64_t bytes_written[VR_DISKS_MAX];
};
struct msg_fail {
    int kind; /* VR_E_* */
    char text[VR_TEXT_MAX];
};
struct msg_progress {
    uint8_t phase;
    uint64_t done, total;
};
struct msg_storage {
    uint64_t staged, free, reserve; /* of the replica's file system; free 0: it did not look yet */
    uint64_t readback, readback_total;
};

/* The bytes of a definition: a head of 13, the XML, the NVRAM. */
#define MSG_DEFINITION_HEAD 13u
#define MSG_DEFINITION_MAX (MSG_DEFINITION_HEAD + VR_DEFINITION_XML_MAX + VR_NVRAM_MAX)
struct msg_definition {
    uint8_t coding; /* MSG_DATA_x */
    uint32_t raw_len;
    const uint8_t *bytes;
    uint32_t len;
};

/* Heads of frames whose body is sent separately (link_send takes both). */
void msg_put_digests_head(struct vr_buf *b, uint64_t first, uint32_t count);
void msg_put_detail_head(struct vr_buf *b, uint64_t node, uint16_t mask, uint32_t count);
void msg_put_data_head(struct vr_buf *b, const struct msg_data *m);
void msg_put_range(struct vr_buf *b, const struct msg_range *m);
void msg_put_want(struct vr_buf *b, uint64_t node, uint16_t mask);
void msg_put_zero(struct vr_buf *b, const struct msg_zero *m);
void msg_put_u64(struct vr_buf *b, uint64_t v); /* SETTLED, CREDIT */
void msg_put_roots(struct vr_buf *b, const uint8_t *roots, uint32_t count);
void msg_put_committed(struct vr_buf *b, const struct msg_committed *m);
void msg_put_fail(struct vr_buf *b, int kind, const char *text);
void msg_put_progress(struct vr_buf *b, const struct msg_progress *m);
void msg_put_storage(struct vr_buf *b, const struct msg_storage *m);

VR_MUST_CHECK int
msg_get_digests(const void *p, size_t n, struct msg_digests *ret, struct vr_err *err);
VR_MUST_CHECK int msg_get_hint(const void *p, size_t n, struct msg_hint *ret, struct vr_err *err);
VR_MUST_CHECK int msg_get_range(const void *p, size_t n, struct msg_range *ret, struct vr_err *err);
VR_MUST_CHECK int
msg_get_detail(const void *p, size_t n, struct msg_detail *ret, struct vr_err *err);
VR_MUST_CHECK int msg_get_want(const void *p, size_t n, struct msg_detail *ret, struct vr_err *err);
VR_MUST_CHECK int msg_get_data(const void *p, size_t n, struct msg_data *ret, struct vr_err *err);
VR_MUST_CHECK int msg_get_zero(const void *p, size_t n, struct msg_zero *ret, struct vr_err *err);
VR_MUST_CHECK int msg_get_u64(const void *p, size_t n, uint64_t *ret, struct vr_err *err);
VR_MUST_CHECK int msg_get_roots(const void *p, size_t n, struct msg_roots *ret, struct vr_err *err);
VR_MUST_CHECK int msg_get_uuid(const void *p, size_t n, struct vr_uuid *ret, struct vr_err *err);
VR_MUST_CHECK int
msg_get_committed(const void *p, size_t n, struct msg_committed *ret, struct vr_err *err);
VR_MUST_CHECK int msg_get_fail(const void *p, size_t n, struct msg_fail *ret, struct vr_err *err);
VR_MUST_CHECK int
msg_get_progress(const void *p, size_t n, struct msg_progress *ret, struct vr_err *err);
VR_MUST_CHECK int
msg_get_storage(const void *p, size_t n, struct msg_storage *ret, struct vr_err *err);
void msg_put_definition_head(struct vr_buf *b, uint8_t coding, uint32_t raw_len);
VR_MUST_CHECK int
msg_get_definition(const void *p, size_t n, struct msg_definition *ret, struct vr_err *err);
/* What such a frame carries, unpacked; a replica keeps it as it is. */
void msg_put_definition_body(struct vr_buf *b, const struct vr_definition *d);
VR_MUST_CHECK int
msg_get_definition_body(const void *p, size_t n, struct vr_definition *ret, struct vr_err *err);
const char *msg_type_name(uint8_t type);
