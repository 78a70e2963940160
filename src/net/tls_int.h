/* SPDX-License-Identifier: Apache-2.0 */
/* What tls.c and tls_creds.c share. Only for src/net. */
#pragma once
#include <gnutls/gnutls.h>
#include <stdatomic.h>

#include "net/cert.h"
#include "net/tls.h"

#define TLS_CHAIN_MAX 8 /* certificates of our own file */

struct tls_creds {
    atomic_uint refs;
    gnutls_certificate_credentials_t cred;
    struct cert_names names; /* of our own certificate; at least one */
    uint64_t not_after_us;
    char thumbprint[41];
    char *base64[TLS_CHAIN_MAX]; /* DER of our own chain; the first is ours */
    unsigned nbase64;
};

/*
 * Judges the certificate the other side shows in this handshake: chain and dates against creds,
 * then its names, which go to *ret_names. want: one of them must match this name (NULL: any). PEER
 * with the reason in words.
 */
VR_MUST_CHECK int tls_judge_peer(gnutls_session_t session,
                                 const char *want,
                                 struct cert_names *ret_names,
                                 struct vr_err *err);

/* A non-blocking socket connected to host before deadline_ms. */
VR_MUST_CHECK int
tcp_connect(const char *host, uint16_t port, uint64_t deadline_ms, int *ret_fd, struct vr_err *err);
/* Options every connected socket of ours has. */
VR_MUST_CHECK int tcp_setup(int fd, struct vr_err *err);
/* Waits for events (POLLIN, POLLOUT) on fd. TIMEOUT when the deadline passes first. */
VR_MUST_CHECK int tcp_wait(int fd, short events, uint64_t deadline_ms, struct vr_err *err);
/* "192.0.2.7 port 40112" of the other side, for messages. */
#define TCP_PEER_LEN 80
const char *tcp_peer_text(int fd, char *buf, size_t cap);
