/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS of the management ports: the certificate they show, and what clients' certificates say. The
 * streams themselves are the HTTP library's, whose GnuTLS session comes here as a void *. A set
 * never changes: load a new one, and use it for the connections to come. Thread-safe.
 *
 * A client may show a certificate and need not. It is judged when it counts, by tls_front_client,
 * against the set of then: who was removed meanwhile is not known any more.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "util/cleanup.h"
#include "util/err.h"

#define TLS_FRONT_EMAILS_MAX 8

/* 1.2 is the floor; what has no forward secrecy, no authenticated encryption or SHA-1 is left out.
 */
#define TLS_FRONT_PRIORITY                                                                         \
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:-CIPHER-ALL:"      \
    "+AES-256-GCM:+CHACHA20-POLY1305:+AES-128-GCM:-SIGN-RSA-SHA1:-SIGN-ECDSA-SHA1:"                \
    "-GROUP-FFDHE2048:"                                                                            \
    "%SERVER_PRECEDENCE"

struct tls_front;
struct tls_client {
    char sha256[65]; /* of the certificate, hexadecimal capitals */
    unsigned nemails;
    char email[TLS_FRONT_EMAILS_MAX][255]; /* its SAN rfc822Names */
};

/*
 * PEM files. client_ca "": no client is asked for a certificate. INVALID: as tls_creds_load; a CA
 * of the clients that is one of peer_ca ("": there is none): then each host would be a client.
 */
VR_MUST_CHECK int tls_front_load(const char *cert,
                                 const char *key,
                                 const char *client_ca,
                                 const char *peer_ca,
                                 struct tls_front **ret,
                                 struct vr_err *err);
struct tls_front *tls_front_ref(struct tls_front *f);
void tls_front_unref(struct tls_front *f);
DEFINE_CLEANUP(struct tls_front *, tls_front_unref)

/* Before the handshake of a new session, which f must outlive. */
VR_MUST_CHECK int tls_front_begin(struct tls_front *f, void *session, struct vr_err *err);
/* NOT_FOUND: it showed none, or f asks for none. AUTH: one that is not valid, with the reason. */
VR_MUST_CHECK int
tls_front_client(struct tls_front *f, void *session, struct tls_client *ret, struct vr_err *err);
