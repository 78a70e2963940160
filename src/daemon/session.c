/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/session.h"

#include "daemon/peer_certs.h"
#include "util/buf.h"
#include "util/thread.h"
#include "util/vtime.h"

#define THREAD_STACK (512u << 10)
#define MSG_MAX (64u << 10) /* of HELLO, REQUEST and REPLY */

int session_thread(void *(*fn)(void *arg), void *arg, struct vr_err *err)
{
    return vr_thread_start(fn, arg, THREAD_STACK, err);
}

int session_connect(struct tls_creds *creds,
                    const char *point,
                    const char *identity,
                    uint64_t deadline_ms,
                    struct link **ret,
                    struct vr_err *err)
{
    char host[VR_HOST_MAX];
    uint16_t port;
    struct tls_stream *stream;
    if (!vr_host_split(point, host, sizeof host, &port)) {
        return vr_fail(err, VR_E_INVALID, "'%s' is not a connection point 'host[:port]'", point);
    }
    int r =
        tls_connect(creds, host, port, identity[0] ? identity : host, deadline_ms, &stream, err);
    if (r < 0) {
        return r;
    }
    peer_certs_note(identity[0] ? identity : host, tls_peer_not_after_us(stream));
    return link_tls_new(stream, ret, err);
}

/* Sends what is queued, then waits until something may have come. */
static int wait_frame(struct link *link, const struct session_until *until, struct vr_err *err)
{
    uint64_t now = vr_mono_ms();
    if (until->stop && atomic_load(until->stop)) {
        return vr_fail(err, VR_E_CANCELED, "the session was ended on this host");
    }
    if (now >= until->deadline_ms) {
        return vr_fail(err, VR_E_TIMEOUT, "the other host did not answer in time");
    }
    int r = link_flush(link, err);
    return r < 0 ? r : link_wait(link, until->wake, (int)(until->deadline_ms - now), err);
}

/* Waits for one frame of this type. */
static int get_frame(struct link *link,
                     uint8_t want,
                     const struct session_until *until,
                     const uint8_t **ret,
                     size_t *ret_len,
                     struct vr_err *err)
{
    for (;;) {
        uint8_t type;
        int r = link_recv(link, &type, ret, ret_len, err);
        if (r < 0 || (r > 0 && type == want)) {
            return r < 0 ? r : 0;
        }
        if (r > 0 && type < 128) {
            return vr_fail(err, VR_E_PROTOCOL, "frame of type %u where %u was due", type, want);
        }
        if (r == 0) { /* otherwise it was optional and not known */
            r = wait_frame(link, until, err);
        }
        if (r < 0) {
            return r;
        }
    }
}

static int queue_buf(struct link *link, uint8_t type, struct vr_buf *b, struct vr_err *err)
{
    int r = link_send_buf(link, type, b, NULL, 0, err);
    vr_buf_deinit(b);
    return r;
}

static int queue_hello(struct link *link, const char *host_name, struct vr_err *err)
{
    struct msg_hello m = {
        .magic = MSG_MAGIC, .major = MSG_MAJOR, .minor = MSG_MINOR, .features = MSG_FEATURES};
    struct vr_buf b;
    snprintf(m.host, sizeof m.host, "%s", host_name);
    vr_buf_init(&b, MSG_MAX);
    msg_put_hello(&b, &m);
    return queue_buf(link, MSG_HELLO, &b, err);
}

static int get_hello(struct link *link,
                     const struct session_until *until,
                     uint64_t *ret_features,
                     struct vr_err *err)
{
    const uint8_t *data;
    size_t len;
    struct msg_hello theirs;
    uint16_t minor;
    int r = get_frame(link, MSG_HELLO, until, &data, &len, err);
    if (r == 0) {
        r = msg_get_hello(data, len, &theirs, err);
    }
    return r < 0 ? r : msg_negotiate(&theirs, ret_features, &minor, err);
}

int session_hello_server(struct link *link,
                         const char *host_name,
                         const struct session_until *until,
                         uint64_t *ret_features,
                         struct vr_err *err)
{
    int r = get_hello(link, until, ret_features, err);
    if (r == 0) {
        r = queue_hello(link, host_name, err);
    }
    return r < 0 ? r : link_flush(link, err);
}

int session_send_request(struct link *link,
                         const char *host_name,
                         const struct vr_peer_request *req,
                         struct vr_err *err)
{
    struct vr_buf b;
    int r = queue_hello(link, host_name, err);
    if (r < 0) {
        return r;
    }
    vr_buf_init(&b, MSG_MAX);
    msg_put_request(&b, req);
    r = queue_buf(link, MSG_REQUEST, &b, err);
    return r < 0 ? r : link_flush(link, err);
}

int session_get_request(struct link *link,
                        uint64_t deadline_ms,
                        struct vr_peer_request *ret,
                        struct vr_err *err)
{
    const uint8_t *data;
    size_t len;
    struct session_until until = {deadline_ms, -1, NULL};
    int r = get_frame(link, MSG_REQUEST, &until, &data, &len, err);
    return r < 0 ? r : msg_get_request(data, len, ret, err);
}

int session_send_reply(struct link *link,
                       const struct vr_peer_reply *reply,
                       uint64_t deadline_ms,
                       struct vr_err *err)
{
    struct vr_buf b;
    vr_buf_init(&b, MSG_MAX);
    msg_put_reply(&b, reply);
    int r = queue_buf(link, MSG_REPLY, &b, err);
    if (r == 0) {
        r = link_flush(link, err);
    }
    while (r == 0 && link_pending(link)) {
        uint64_t now = vr_mono_ms();
        if (now >= deadline_ms) {
            return vr_fail(err, VR_E_TIMEOUT, "the other host does not take our answer");
        }
        r = link_wait(link, -1, (int)(deadline_ms - now), err);
        if (r == 0) {
            r = link_flush(link, err);
        }
    }
    return r;
}

int session_get_reply(struct link *link,
                      uint64_t deadline_ms,
                      uint64_t *ret_features,
                      struct vr_peer_reply *ret,
                      struct vr_err *err)
{
    const uint8_t *data = NULL;
    size_t len = 0;
    struct session_until until = {deadline_ms, -1, NULL};
    int r = get_hello(link, &until, ret_features, err);
    if (r == 0) {
        r = get_frame(link, MSG_REPLY, &until, &data, &len, err);
    }
    return r < 0 ? r : msg_get_reply(data, len, ret, err);
}

bool session_keeps(uint64_t features,
                   const struct vr_peer_request *req,
                   const struct vr_peer_reply *reply)
{
    return (features & MSG_FEATURE_KEEP) && req->op == VR_PEER_PREFLIGHT && reply->result == 0;
}

int session_idle_check(struct session_idle *idle, struct link *link, struct vr_err *err)
{
    uint64_t out, in, now = vr_mono_ms();
    link_counters(link, &out, &in);
    if (out + in != idle->bytes || !idle->since_ms) {
        idle->bytes = out + in;
        idle->since_ms = now;
    }
    if (now - idle->since_ms < SESSION_IDLE_MS) {
        return 0;
    }
    return vr_fail(err, VR_E_TIMEOUT, "nothing was heard of the other host for %d s",
                   SESSION_IDLE_MS / 1000);
}
