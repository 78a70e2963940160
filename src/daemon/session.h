/* SPDX-License-Identifier: Apache-2.0 */
/* The beginning of a session with another host, as both sides need it: connect, HELLO, REQUEST,
 * REPLY. */
#pragma once
#include <stdatomic.h>

#include "model/peer.h"
#include "net/tls.h"
#include "transport/link.h"
#include "transport/msg.h"

#define SESSION_IDLE_MS 60000 /* without a byte in either direction */
/* How long a connection that a granted PREFLIGHT left open is kept: by who made it, and by who
 * answered. The latter is longer, so that a transfer hardly ever finds it closed. */
#define SESSION_PARK_MS 4000
#define SESSION_KEEP_MS 10000

/* A detached thread with all signals blocked (the control thread takes them). */
VR_MUST_CHECK int session_thread(void *(*fn)(void *arg), void *arg, struct vr_err *err);

/* point: "name[:port]". identity: the name its certificate must carry, "": the host part of point.
 */
VR_MUST_CHECK int session_connect(struct tls_creds *creds,
                                  const char *point,
                                  const char *identity,
                                  uint64_t deadline_ms,
                                  struct link **ret,
                                  struct vr_err *err);
/* Until when a frame is waited for; stop (NULL: none) is looked at when wake was written to:
 * CANCELED. */
struct session_until {
    uint64_t deadline_ms;
    int wake; /* eventfd; -1: none */
    const atomic_bool *stop;
};
/* Takes the caller's HELLO, sends ours. */
VR_MUST_CHECK int session_hello_server(struct link *link,
                                       const char *host_name,
                                       const struct session_until *until,
                                       uint64_t *ret_features,
                                       struct vr_err *err);
/* HELLO and REQUEST at once: the answer is one round trip away. (A source lane does this by itself,
 * see resync/lane.h.) */
VR_MUST_CHECK int session_send_request(struct link *link,
                                       const char *host_name,
                                       const struct vr_peer_request *req,
                                       struct vr_err *err);
VR_MUST_CHECK int session_get_request(struct link *link,
                                      uint64_t deadline_ms,
                                      struct vr_peer_request *ret,
                                      struct vr_err *err);
/* Sends and waits until it is with the system. */
VR_MUST_CHECK int session_send_reply(struct link *link,
                                     const struct vr_peer_reply *reply,
                                     uint64_t deadline_ms,
                                     struct vr_err *err);
/* Their HELLO and their REPLY. */
VR_MUST_CHECK int session_get_reply(struct link *link,
                                    uint64_t deadline_ms,
                                    uint64_t *ret_features,
                                    struct vr_peer_reply *ret,
                                    struct vr_err *err);

/* Does the connection take one more HELLO and REQUEST after this REPLY? Both sides ask; either may
 * close it nevertheless. */
bool session_keeps(uint64_t features,
                   const struct vr_peer_request *req,
                   const struct vr_peer_reply *reply);

/* Watches for silence: call after every wait; TIMEOUT when nothing moved for SESSION_IDLE_MS. */
struct session_idle {
    uint64_t bytes, since_ms;
};
VR_MUST_CHECK int
session_idle_check(struct session_idle *idle, struct link *link, struct vr_err *err);
