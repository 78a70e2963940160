/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The peer protocol's bytes (docs/protocol.md). Pure: no I/O, no state. Every decoder checks every length against
 * what is there and against its limit before anything is copied; PROTOCOL is the only error.
 */
#pragma once
#include "model/peer.h"
#include "util/buf.h"
#include "util/err.h"

#define MSG_MAGIC 0x31524d56u /* "VMR1" */
#define MSG_MAJOR 1
#define MSG_MINOR 0

/* Frame types, once. A type of 128 and above that is not known is skipped (optional); below, it ends the session. */
#define MSG_TYPES(X)                                                                               \
    X(HELLO, 1)                                                                                    \
    X(REQUEST, 2)                                                                                  \
    X(REPLY, 3)                                                                                    \
    X(DIGESTS, 10) /* target -> source: tags of consecutive nodes */                               \
    X(ZEROES, 11)  /* target -> source: the overlay is zero here */                                \
    X(WANT, 12)    /* source -> target: lower levels of one node */                                \
    X(DETAIL, 13)  /* target -> source: the tags asked for */                                      \
    X(DATA, 14)    /* source -> target: bytes */                                                   \
    X(ZERO, 15)    /* source -> target: zeroes */                                                  \
    X(SETTLED, 16) /* source -> target: everything below is decided */                             \
    X(CREDIT, 17)  /* target -> source: payload bytes staged so far */                             \
    X(ROOTS, 18)                                                                                   \
    X(COMMIT, 19)                                                                                  \
    X(COMMITTED, 20)                                                                               \
    X(CANCEL, 21)                                                                                  \
    X(CANCELLED, 22)                                                                               \
    X(FAIL, 23)                                                                                    \
    X(PROGRESS, 24)

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
#define MSG_FEATURES (MSG_FEATURE_ZSTD)

void msg_put_hello(struct vr_buf *b, const struct msg_hello *m);
VR_MUST_CHECK int msg_get_hello(const void *p, size_t n, struct msg_hello *ret, struct vr_err *err);
/* Negotiates: PROTOCOL for another magic or major; *ret_features what both have, *ret_minor the lower. */
VR_MUST_CHECK int msg_negotiate(const struct msg_hello *theirs, uint64_t *ret_features,
                                uint16_t *ret_minor, struct vr_err *err);
void msg_put_request(struct vr_buf *b, const struct vr_peer_request *m);
VR_MUST_CHECK int msg_get_request(const void *p, size_t n, struct vr_peer_request *ret,
                                  struct vr_err *err);
void msg_put_reply(struct vr_buf *b, const struct vr_peer_reply *m);
VR_MUST_CHECK int msg_get_reply(const void *p, size_t n, struct vr_peer_reply *ret,
                                struct vr_err *err);
