/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A link carries whole frames between two hosts, in order, or ends. A frame is a type byte and
 * 0..LINK_FRAME_MAX bytes. Drivers: TLS (link_tls.c), loopback in memory (link_loop.c, with cuts,
 * for tests and the simulator). Sending never blocks: frames are queued; the flow control of the
 * session bounds the queue. One thread at a time.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/buf.h"
#include "util/cleanup.h"
#include "util/err.h"

/* bytes of one frame's payload; checked before anything is allocated */
#define LINK_FRAME_MAX (2u << 20)

struct link;

struct link_ops {
    const char *name;
    /* Queues one frame made of two parts (head, then body; either may be empty), copied. */
    int (*send)(struct link *l,
                uint8_t type,
                const void *head,
                size_t head_len,
                const void *body,
                size_t body_len,
                struct vr_err *err);
    /* 1: a frame is given, borrowed until the next call on the link. 0: none now. <0: the link is
     * over (PEER: closed by the other side or lost; PROTOCOL: bad framing). */
    int (*recv)(struct link *l,
                uint8_t *ret_type,
                const uint8_t **ret_data,
                size_t *ret_len,
                struct vr_err *err);
    /* Moves queued bytes out as far as that goes without blocking. After PEER, recv still gives
     * what had come: perhaps the other side's reason. */
    int (*flush)(struct link *l, struct vr_err *err);
    /* Bytes queued and not yet given to the system. */
    size_t (*pending)(struct link *l);
    /* Waits until a frame may have come, queued bytes can go out, wake_fd (-1: none) is readable,
     * or time is up. */
    int (*wait)(struct link *l, int wake_fd, int timeout_ms, struct vr_err *err);
    /* Bytes given to the system and received; framing included, and what TLS puts around it. */
    void (*counters)(struct link *l, uint64_t *ret_out, uint64_t *ret_in);
    void (*close)(struct link *l);
};

struct link {
    const struct link_ops *ops;
};

VR_MUST_CHECK int link_send(struct link *l,
                            uint8_t type,
                            const void *head,
                            size_t head_len,
                            const void *body,
                            size_t body_len,
                            struct vr_err *err);
/* Whatever was put into head; NOMEM or LIMIT when something could not be, and nothing is sent: the
 * bytes of the body would be taken for a head. */
VR_MUST_CHECK int link_send_buf(struct link *l,
                                uint8_t type,
                                const struct vr_buf *head,
                                const void *body,
                                size_t body_len,
                                struct vr_err *err);
VR_MUST_CHECK int link_recv(struct link *l,
                            uint8_t *ret_type,
                            const uint8_t **ret_data,
                            size_t *ret_len,
                            struct vr_err *err);
VR_MUST_CHECK int link_flush(struct link *l, struct vr_err *err);
size_t link_pending(struct link *l);
VR_MUST_CHECK int link_wait(struct link *l, int wake_fd, int timeout_ms, struct vr_err *err);
void link_counters(struct link *l, uint64_t *ret_out, uint64_t *ret_in);
void link_close(struct link *l);
DEFINE_CLEANUP(struct link *, link_close)

struct tls_stream;
/* Frames over a TLS stream, which is consumed. Wire: u32 length of type+payload, u8 type, payload
 * (little-endian). */
VR_MUST_CHECK int
link_tls_new(struct tls_stream *take_stream, struct link **ret_link, struct vr_err *err);

/* Two ends of one link in memory. link_loop_cut: both ends fail with PEER from now on, queued
 * frames are lost. */
VR_MUST_CHECK int link_loop_new(struct link **ret_a, struct link **ret_b, struct vr_err *err);
void link_loop_cut(struct link *end);
