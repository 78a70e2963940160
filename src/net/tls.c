/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams: the handshake with a deadline, then non-blocking bytes. The other side's certificate is
 * judged inside the handshake, so that a refusal reaches it as an alert and not as a silent close.
 *
 * TLS 1.3 ends the client's handshake before the server has judged the client: a client learns of a
 * refusal with its first read. There are no tickets: every connection is judged anew.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net/tls_int.h"
#include "util/num.h"

#define RECORD_BYTES 16384u
#define RECORD_OVERHEAD (5u + 1u + 16u) /* RFC 8446, 5.2; every cipher of ours has this tag */
#define HANDSHAKE_BYTES_MAX (64u << 10)
/* AES-128-GCM first: with hardware support it is the fastest, and 128 bits are enough. */
#define PRIORITY                                                                                   \
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:"      \
    "%SERVER_PRECEDENCE"

struct tls_stream {
    int fd;
    gnutls_session_t session;
    struct tls_creds *creds;
    const char *want;        /* during the handshake: the name the peer must carry; NULL: any */
    struct vr_err judgement; /* why the peer's certificate was refused */
    /*
     * Why each direction ended; every later call says the same. Apart, because the other side's
     * last words can still be read when sending to it has failed.
     */
    struct vr_err lost_in, lost_out;
    size_t retry_bytes; /* a record is half sent: the next write begins with these bytes */
    uint64_t records_out, records_in;
    struct cert_names names;
};

static int on_certificate(gnutls_session_t session)
{
    struct tls_stream *s = gnutls_session_get_ptr(session);
    int r = tls_judge_peer(session, s->want, &s->names, &s->judgement);
    return r < 0 ? GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR : 0;
}

/* Takes fd and a reference to creds. */
static int stream_new(struct tls_creds *creds,
                      int take_fd,
                      unsigned role,
                      struct tls_stream **ret,
                      struct vr_err *err)
{
    _cleanup_(vr_closep) int fd = take_fd;
    _cleanup_(tls_closep) struct tls_stream *s = calloc(1, sizeof *s);
    if (!s) {
        return vr_fail_nomem(err);
    }
    s->fd = -1;
    s->creds = tls_creds_ref(creds);
    int r = gnutls_init(&s->session, role | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS);
    if (r < 0) {
        s->session = NULL;
        return vr_fail(err, VR_E_NOMEM, "cannot make a TLS session: %s", gnutls_strerror(r));
    }
    r = gnutls_priority_set_direct(s->session, PRIORITY, NULL);
    if (r == 0) {
        r = gnutls_credentials_set(s->session, GNUTLS_CRD_CERTIFICATE, creds->cred);
    }
    if (r < 0) {
        return vr_fail(err, VR_E_INTERNAL, "TLS settings: %s", gnutls_strerror(r));
    }
    gnutls_session_set_ptr(s->session, s);
    gnutls_session_set_verify_function(s->session, on_certificate);
    gnutls_handshake_set_max_packet_length(s->session, HANDSHAKE_BYTES_MAX);
    if (role == GNUTLS_SERVER) {
        gnutls_certificate_server_set_request(s->session, GNUTLS_CERT_REQUIRE);
        /* No list of our CAs: a client with another CA's certificate is then told so. */
        gnutls_certificate_send_x509_rdn_sequence(s->session, 1);
    }
    r = tcp_setup(fd, err);
    if (r < 0) {
        return r;
    }
    gnutls_transport_set_int(s->session, fd);
    s->fd = TAKE_FD(fd);
    *ret = TAKE_PTR(s);
    return 0;
}

/* What a failed TLS call means, in words. */
static int tls_fault(struct tls_stream *s, int code, struct vr_err *err)
{
    switch (code) {
    case GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR:
    case GNUTLS_E_CERTIFICATE_ERROR:
        if (s->judgement.kind) {
            if (err) {
                *err = s->judgement;
            }
            return -(int)s->judgement.kind;
        }
        break;
    case GNUTLS_E_NO_CERTIFICATE_FOUND:
    case GNUTLS_E_CERTIFICATE_REQUIRED:
        return vr_fail(err, VR_E_PEER, "it showed no certificate");
    case GNUTLS_E_FATAL_ALERT_RECEIVED:
    case GNUTLS_E_WARNING_ALERT_RECEIVED: {
        const char *alert = gnutls_alert_get_name(gnutls_alert_get(s->session));
        return vr_fail(err, VR_E_PEER, "it refused us: %s (its log says why)",
                       alert ? alert : "unknown alert");
    }
    case GNUTLS_E_PREMATURE_TERMINATION:
        return vr_fail(err, VR_E_PEER, "the connection was lost");
    case GNUTLS_E_PULL_ERROR:
    case GNUTLS_E_PUSH_ERROR:
        return vr_fail(err, VR_E_PEER, "the connection was lost: reset by the other side");
    case GNUTLS_E_MEMORY_ERROR:
        return vr_fail_nomem(err);
    default:
        break;
    }
    return vr_fail(err, VR_E_PEER, "TLS: %s", gnutls_strerror(code));
}

static int handshake(struct tls_stream *s, uint64_t deadline_ms, struct vr_err *err)
{
    for (;;) {
        int code = gnutls_handshake(s->session);
        if (code == GNUTLS_E_SUCCESS) {
            return 0;
        }
        if (code == GNUTLS_E_AGAIN) {
            short events = gnutls_record_get_direction(s->session) ? POLLOUT : POLLIN;
            int r = tcp_wait(s->fd, events, deadline_ms, err);
            if (r < 0) {
                return vr_wrap(err, r, "TLS handshake");
            }
        } else if (gnutls_error_is_fatal(code)) {
            /* Best effort: the other side's message is better with it. */
            gnutls_alert_send_appropriate(s->session, code);
            return tls_fault(s, code, err);
        }
    }
}

int tls_connect(struct tls_creds *creds,
                const char *host,
                uint16_t port,
                const char *name,
                uint64_t deadline_ms,
                struct tls_stream **ret,
                struct vr_err *err)
{
    int fd = -1;
    if (!cert_name_ok(name, false)) {
        return vr_fail(err, VR_E_INVALID, "'%.80s' is not a host name", name);
    }
    int r = tcp_connect(host, port, deadline_ms, &fd, err);
    if (r < 0) {
        return vr_wrap(err, r, "'%.80s' port %u", host, port);
    }
    _cleanup_(tls_closep) struct tls_stream *s = NULL;
    r = stream_new(creds, fd, GNUTLS_CLIENT, &s, err);
    if (r < 0) {
        return vr_wrap(err, r, "'%.80s' port %u", host, port);
    }
    s->want = name;
    r = gnutls_server_name_set(s->session, GNUTLS_NAME_DNS, name, strlen(name));
    if (r < 0) {
        return vr_fail(err, VR_E_INVALID, "'%.80s' is not a host name", name);
    }
    r = handshake(s, deadline_ms, err);
    if (r < 0) {
        return vr_wrap(err, r, "'%.80s' port %u", host, port);
    }
    s->want = NULL; /* borrowed: not ours after this call */
    *ret = TAKE_PTR(s);
    return 0;
}

int tls_accept(struct tls_creds *creds,
               int take_fd,
               uint64_t deadline_ms,
               struct tls_stream **ret,
               struct vr_err *err)
{
    char peer[TCP_PEER_LEN];
    tcp_peer_text(take_fd, peer, sizeof peer);
    _cleanup_(tls_closep) struct tls_stream *s = NULL;
    int r = stream_new(creds, take_fd, GNUTLS_SERVER, &s, err);
    if (r == 0) {
        r = handshake(s, deadline_ms, err);
    }
    if (r < 0) {
        return vr_wrap(err, r, "%s", peer);
    }
    *ret = TAKE_PTR(s);
    return 0;
}

bool tls_peer_matches(const struct tls_stream *s, const char *pattern)
{
    for (unsigned i = 0; i < s->names.n; i++) {
        /* The second: a wildcard certificate stands for each of its names, as it does for a client.
         */
        if (cert_name_matches(pattern, s->names.name[i]) ||
            cert_name_matches(s->names.name[i], pattern)) {
            return true;
        }
    }
    return false;
}

const char *tls_peer_name(const struct tls_stream *s)
{
    return s->names.n ? s->names.name[0] : "";
}

static ssize_t lost_before(const struct vr_err *lost, struct vr_err *err)
{
    if (err) {
        *err = *lost;
    }
    return -(int)lost->kind;
}

static ssize_t stream_lost(struct tls_stream *s, int code, struct vr_err *lost, struct vr_err *err)
{
    if (code == 0) {
        vr_fail(lost, VR_E_PEER, "closed by the other side");
    } else {
        (void)tls_fault(s, code, lost);
    }
    return lost_before(lost, err);
}

ssize_t tls_read(struct tls_stream *s, void *p, size_t n, struct vr_err *err)
{
    if (s->lost_in.kind) {
        return lost_before(&s->lost_in, err);
    }
    uint8_t *at = p;
    size_t done = 0;
    while (done < n) {
        bool begun = gnutls_record_check_pending(s->session) > 0;
        ssize_t r = gnutls_record_recv(s->session, at + done, n - done);
        if (r > 0) {
            s->records_in += !begun;
            done += (size_t)r;
            continue;
        }
        if (r == GNUTLS_E_AGAIN) {
            break;
        }
        if (r < 0 && !gnutls_error_is_fatal((int)r)) {
            continue;
        }
        ssize_t lost = stream_lost(s, (int)r, &s->lost_in, err);
        return done ? (ssize_t)done : lost; /* what came before the end is still given */
    }
    return (ssize_t)done;
}

ssize_t tls_write(struct tls_stream *s, const void *p, size_t n, struct vr_err *err)
{
    if (s->lost_out.kind) {
        return lost_before(&s->lost_out, err);
    }
    const uint8_t *at = p;
    size_t done = 0;
    while (done < n) {
        size_t chunk = VR_MIN(n - done, (size_t)RECORD_BYTES);
        if (s->retry_bytes) {
            vr_assert(s->retry_bytes <= n - done);
            chunk = s->retry_bytes;
        }
        ssize_t r = gnutls_record_send(s->session, at + done, chunk);
        if (r >= 0) {
            s->retry_bytes = 0;
            s->records_out++;
            done += (size_t)r;
        } else if (r == GNUTLS_E_AGAIN) {
            s->retry_bytes = chunk;
            break;
        } else if (gnutls_error_is_fatal((int)r)) {
            ssize_t lost = stream_lost(s, (int)r, &s->lost_out, err);
            return done ? (ssize_t)done : lost;
        }
    }
    return (ssize_t)done;
}

size_t tls_buffered(const struct tls_stream *s)
{
    return gnutls_record_check_pending(s->session);
}

uint64_t tls_peer_not_after_us(const struct tls_stream *s)
{
    time_t end = gnutls_certificate_expiration_time_peers(s->session);
    return end > 0 ? (uint64_t)end * 1000000 : 0;
}

void tls_overhead(const struct tls_stream *s, uint64_t *ret_out, uint64_t *ret_in)
{
    *ret_out = s->records_out * RECORD_OVERHEAD;
    *ret_in = s->records_in * RECORD_OVERHEAD;
}

int tls_fd(const struct tls_stream *s)
{
    return s->fd;
}

void tls_close(struct tls_stream *s)
{
    if (!s) {
        return;
    }
    if (s->session) {
        if (s->fd >= 0 && !s->lost_out.kind) {
            gnutls_bye(s->session, GNUTLS_SHUT_WR);
        }
        gnutls_deinit(s->session);
    }
    if (s->fd >= 0) {
        close(s->fd);
    }
    tls_creds_unref(s->creds);
    free(s);
}
