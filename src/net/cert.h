/* SPDX-License-Identifier: Apache-2.0 */
/* What this folder reads from X.509 certificates: names and dates. Only for src/net. */
#pragma once
#include <gnutls/x509.h>
#include <stdbool.h>
#include <stddef.h>

#include "util/err.h"

#define CERT_NAMES_MAX 32         /* SAN dNSNames of one certificate */
#define CERT_NAME_MAX 254         /* bytes of one name with NUL: a host name has at most 253 */
#define CERT_PEM_MAX (256u << 10) /* bytes of a PEM file: a chain, or a few CAs */

struct cert_names {
    unsigned n;
    char name[CERT_NAMES_MAX][CERT_NAME_MAX];
};

/*
 * Letters, digits and hyphens in dot-separated labels of 1..63, no hyphen at a label's ends. With
 * `wildcard`, the first label may be "*" when at least two labels follow.
 */
bool cert_name_ok(const char *name, bool wildcard);
/* Case-insensitive; a leading "*." of pattern stands for exactly one label. */
bool cert_name_matches(const char *pattern, const char *name);

/* The SAN dNSNames of strict form, in order; other names and the CN are not looked at. LIMIT: more
 * than CERT_NAMES_MAX. */
VR_MUST_CHECK int cert_get_names(gnutls_x509_crt_t crt, struct cert_names *ret, struct vr_err *err);
/* "2026-11-20" for messages; buf of at least CERT_DAY_LEN. */
#define CERT_DAY_LEN 16
const char *cert_day(time_t t, char *buf, size_t cap);

static inline void cert_deinitp(gnutls_x509_crt_t *crt)
{
    if (*crt) {
        gnutls_x509_crt_deinit(*crt);
    }
}

static inline void cert_privkey_deinitp(gnutls_x509_privkey_t *key)
{
    if (*key) {
        gnutls_x509_privkey_deinit(*key);
    }
}
