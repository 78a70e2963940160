/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS 1.3 streams between hosts, both sides authenticated (RFC 8446; names by SAN dNSName, RFC
 * 9525, never CN). The only folder that knows the TLS library. A stream is non-blocking after the
 * handshake; one thread at a time.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/cleanup.h"
#include "util/err.h"

struct tls_creds; /* certificate, key, trusted CAs; reference counted, shared by threads */
struct tls_stream;
struct tls_listener;

/* Paths of PEM files. DENIED: the key may be read by others. INVALID: not PEM, or the key does not
 * fit. */
VR_MUST_CHECK int tls_creds_load(
    const char *cert, const char *key, const char *ca, struct tls_creds **ret, struct vr_err *err);
struct tls_creds *tls_creds_ref(struct tls_creds *c);
void tls_creds_unref(struct tls_creds *c);
DEFINE_CLEANUP(struct tls_creds *, tls_creds_unref)
/* The first SAN dNSName of our own certificate, and when it ends (wall us). Borrowed. */
const char *tls_creds_name(const struct tls_creds *c);
uint64_t tls_creds_not_after_us(const struct tls_creds *c);
/* SHA-1 of our own certificate in hexadecimal capitals: what certificate stores call it by. It
 * identifies and proves nothing. Borrowed. */
const char *tls_creds_thumbprint(const struct tls_creds *c);
/* DER in base64 of the i-th certificate of our own file (0: our own, then those that signed it);
 * NULL past the end. Borrowed. */
const char *tls_creds_certificate(const struct tls_creds *c, size_t i);

/*
 * Connects and shakes hands before deadline_ms (vr_mono_ms). The peer's certificate must chain to
 * our CA and carry SAN `name`. PEER: refused, no route, no such name, TLS refused. TIMEOUT: no
 * answer in time.
 */
VR_MUST_CHECK int tls_connect(struct tls_creds *creds,
                              const char *host,
                              uint16_t port,
                              const char *name,
                              uint64_t deadline_ms,
                              struct tls_stream **ret,
                              struct vr_err *err);

/* Listens on address ("0.0.0.0", "::", "127.0.0.1") and port (0: any; see tls_listener_port). */
VR_MUST_CHECK int
tls_listen(const char *address, uint16_t port, struct tls_listener **ret, struct vr_err *err);
uint16_t tls_listener_port(const struct tls_listener *l);
int tls_listener_fd(const struct tls_listener *l);
/*
 * Accepts one connection's socket; the handshake is tls_accept's, in another thread. Never blocks:
 * poll the listener's fd first. TIMEOUT: nobody is waiting (any more). LIMIT: no file descriptors
 * left.
 */
VR_MUST_CHECK int tls_listener_accept(struct tls_listener *l, int *ret_fd, struct vr_err *err);
void tls_listener_close(struct tls_listener *l);
/* Server handshake on a connected socket (consumed); a client certificate of our CA is required. */
VR_MUST_CHECK int tls_accept(struct tls_creds *creds,
                             int take_fd,
                             uint64_t deadline_ms,
                             struct tls_stream **ret,
                             struct vr_err *err);

/* Does the peer's certificate carry a SAN dNSName matching pattern (a name or "*.domain")? */
bool tls_peer_matches(const struct tls_stream *s, const char *pattern);
/* The peer's first SAN dNSName. Borrowed. */
const char *tls_peer_name(const struct tls_stream *s);
/* When the peer's certificate ends (wall us). */
uint64_t tls_peer_not_after_us(const struct tls_stream *s);

/*
 * >0 bytes moved, 0: would block, <0: PEER (closed cleanly or lost). After a short tls_write the
 * next one must begin with the bytes that were left and be no shorter: part of them may be on its
 * way already.
 */
VR_MUST_CHECK ssize_t tls_read(struct tls_stream *s, void *p, size_t n, struct vr_err *err);
VR_MUST_CHECK ssize_t tls_write(struct tls_stream *s, const void *p, size_t n, struct vr_err *err);
/* Bytes decrypted and waiting: poll() does not see them. */
size_t tls_buffered(const struct tls_stream *s);
/* Bytes that TLS put around what was written and read so far: header, type and tag of each record.
 */
void tls_overhead(const struct tls_stream *s, uint64_t *ret_out, uint64_t *ret_in);
int tls_fd(const struct tls_stream *s);
void tls_close(struct tls_stream *s);
DEFINE_CLEANUP(struct tls_stream *, tls_close)
