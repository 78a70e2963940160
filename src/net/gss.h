/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kerberos tickets that clients show (HTTP Negotiate, RFC 4559), checked against a keytab: nobody
 * is asked over the network. Each token is taken once: the replay cache is a file. One token and
 * one reply, no longer conversation; only Kerberos below SPNEGO, and only tickets for HTTP/<host>.
 * The only file that knows GSSAPI. Thread-safe.
 */
#pragma once
#include "util/cleanup.h"
#include "util/err.h"

#define GSS_TOKEN_MAX (64u << 10) /* bytes of a token in base64 */
#define GSS_PRINCIPAL_MAX 255     /* with NUL */

struct gss_acceptor;

/* INVALID: the keytab cannot be used. DENIED: others may read it. */
VR_MUST_CHECK int gss_acceptor_new(const char *keytab,
                                   const char *replay_cache,
                                   struct gss_acceptor **ret,
                                   struct vr_err *err);
void gss_acceptor_free(struct gss_acceptor *a);
DEFINE_CLEANUP(struct gss_acceptor *, gss_acceptor_free)

/* Whose token is this? ret_principal "ann@EXAMPLE.ORG", *ret_reply the answer in base64, which
 * proves to the client who we are; "": there is none. AUTH: not a good one, with the reason. */
VR_MUST_CHECK int gss_accept(const struct gss_acceptor *a,
                             const char *token_base64,
                             char ret_principal[static GSS_PRINCIPAL_MAX],
                             char **ret_reply,
                             struct vr_err *err);
