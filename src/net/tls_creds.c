/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our certificate, key and trusted CAs, and the judgement of the other side's certificate. A name
 * counts only as SAN dNSName: a certificate that names its host by CN alone is refused, and so is
 * one of ours when it is loaded, because every peer would refuse it.
 */
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>

#include "net/tls_int.h"
#include "util/fdio.h"

#define CHAIN_DEPTH_MAX 8
#define KEY_BITS_MAX 8192

static gnutls_datum_t datum(char *text, size_t len)
{
    return (gnutls_datum_t){.data = (unsigned char *)text, .size = (unsigned)len};
}

static int load_ca(struct tls_creds *c, const char *path, struct vr_err *err)
{
    _cleanup_(vr_freep) char *pem = NULL;
    size_t len;
    int r = vr_read_file(path, CERT_PEM_MAX, &pem, &len, err);
    if (r < 0) {
        return vr_wrap(err, r, "trusted CAs");
    }
    gnutls_datum_t d = datum(pem, len);
    int n = gnutls_certificate_set_x509_trust_mem(c->cred, &d, GNUTLS_X509_FMT_PEM);
    if (n <= 0) {
        return vr_fail(err, VR_E_INVALID, "trusted CAs '%s': no certificate in PEM form there",
                       path);
    }
    return 0;
}

static int
read_own_names(struct tls_creds *c, const char *path, const gnutls_datum_t *pem, struct vr_err *err)
{
    _cleanup_(cert_deinitp) gnutls_x509_crt_t crt = NULL;
    int r = gnutls_x509_crt_init(&crt);
    if (r < 0) {
        return vr_fail_nomem(err);
    }
    r = gnutls_x509_crt_import(crt, pem, GNUTLS_X509_FMT_PEM);
    if (r < 0) {
        return vr_fail(err, VR_E_INVALID, "certificate '%s' is not in PEM form: %s", path,
                       gnutls_strerror(r));
    }
    r = cert_get_names(crt, &c->names, err);
    if (r < 0) {
        return vr_wrap(err, r, "certificate '%s'", path);
    }
    if (c->names.n == 0) {
        return vr_fail(
            err, VR_E_INVALID,
            "certificate '%s' carries no host name as SAN dNSName (a CN does not count): "
            "make it anew with one",
            path);
    }
    time_t end = gnutls_x509_crt_get_expiration_time(crt);
    c->not_after_us = end > 0 ? (uint64_t)end * 1000000 : 0;
    return 0;
}

static int set_thumbprint(struct tls_creds *c, const gnutls_datum_t *der, struct vr_err *err)
{
    uint8_t sha1[20];
    size_t n = sizeof sha1;
    if (gnutls_fingerprint(GNUTLS_DIG_SHA1, der, sha1, &n) < 0 || n != sizeof sha1) {
        return vr_fail(err, VR_E_INTERNAL, "SHA-1 of the certificate is not available");
    }
    for (size_t i = 0; i < n; i++) {
        snprintf(c->thumbprint + 2 * i, 3, "%02X", sha1[i]);
    }
    return 0;
}

static int take_own_certificate(struct tls_creds *c, gnutls_x509_crt_t crt, struct vr_err *err)
{
    gnutls_datum_t der = {0};
    if (gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_DER, &der) < 0) {
        return vr_fail_nomem(err);
    }
    int r = c->nbase64 == 0 ? set_thumbprint(c, &der, err) : 0;
    gnutls_datum_t text = {0};
    if (r == 0 && gnutls_base64_encode2(&der, &text) < 0) {
        r = vr_fail_nomem(err);
    }
    if (r == 0) {
        c->base64[c->nbase64] = strndup((const char *)text.data, text.size);
        r = c->base64[c->nbase64] ? 0 : vr_fail_nomem(err);
    }
    c->nbase64 += r == 0 ? 1 : 0;
    gnutls_free(der.data);
    gnutls_free(text.data);
    return r;
}

/* What the file holds besides our own certificate may be shown, too: none of it is secret. */
static int
read_own_chain(struct tls_creds *c, const char *path, const gnutls_datum_t *pem, struct vr_err *err)
{
    gnutls_x509_crt_t crt[TLS_CHAIN_MAX];
    unsigned n = TLS_CHAIN_MAX;
    int got = gnutls_x509_crt_list_import(crt, &n, pem, GNUTLS_X509_FMT_PEM,
                                          GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED);
    if (got < 0) {
        return vr_fail(err, VR_E_INVALID, "certificate '%s': %s (a chain has at most %d)", path,
                       gnutls_strerror(got), TLS_CHAIN_MAX);
    }
    int r = 0;
    for (int i = 0; i < got; i++) {
        r = r < 0 ? r : take_own_certificate(c, crt[i], err);
        gnutls_x509_crt_deinit(crt[i]);
    }
    return r;
}

static int load_pair(struct tls_creds *c, const char *cert, const char *key, struct vr_err *err)
{
    _cleanup_(vr_freep) char *cert_pem = NULL;
    _cleanup_(vr_freep) char *key_pem = NULL;
    size_t cert_len, key_len;
    int r = vr_read_file(cert, CERT_PEM_MAX, &cert_pem, &cert_len, err);
    if (r < 0) {
        return vr_wrap(err, r, "certificate");
    }
    gnutls_datum_t dc = datum(cert_pem, cert_len);
    r = read_own_names(c, cert, &dc, err);
    r = r < 0 ? r : read_own_chain(c, cert, &dc, err);
    if (r < 0) {
        return r;
    }
    r = vr_read_secret_file(key, CERT_PEM_MAX, &key_pem, &key_len, err);
    if (r < 0) {
        return vr_wrap(err, r, "private key");
    }
    gnutls_datum_t dk = datum(key_pem, key_len);
    r = gnutls_certificate_set_x509_key_mem2(c->cred, &dc, &dk, GNUTLS_X509_FMT_PEM, NULL, 0);
    gnutls_memset(key_pem, 0, key_len);
    if (r == GNUTLS_E_CERTIFICATE_KEY_MISMATCH) {
        return vr_fail(err, VR_E_INVALID, "private key '%s' does not fit certificate '%s'", key,
                       cert);
    }
    if (r < 0) {
        return vr_fail(err, VR_E_INVALID, "private key '%s' and certificate '%s': %s", key, cert,
                       gnutls_strerror(r));
    }
    return 0;
}

int tls_creds_load(
    const char *cert, const char *key, const char *ca, struct tls_creds **ret, struct vr_err *err)
{
    _cleanup_(tls_creds_unrefp) struct tls_creds *c = calloc(1, sizeof *c);
    if (!c) {
        return vr_fail_nomem(err);
    }
    atomic_init(&c->refs, 1);
    if (gnutls_certificate_allocate_credentials(&c->cred) < 0) {
        return vr_fail_nomem(err);
    }
    int r = load_pair(c, cert, key, err);
    if (r < 0) {
        return r;
    }
    r = load_ca(c, ca, err);
    if (r < 0) {
        return r;
    }
    gnutls_certificate_set_verify_limits(c->cred, KEY_BITS_MAX, CHAIN_DEPTH_MAX);
    *ret = TAKE_PTR(c);
    return 0;
}

struct tls_creds *tls_creds_ref(struct tls_creds *c)
{
    atomic_fetch_add(&c->refs, 1);
    return c;
}

void tls_creds_unref(struct tls_creds *c)
{
    if (!c || atomic_fetch_sub(&c->refs, 1) != 1) {
        return;
    }
    if (c->cred) {
        gnutls_certificate_free_credentials(c->cred);
    }
    for (unsigned i = 0; i < c->nbase64; i++) {
        free(c->base64[i]);
    }
    free(c);
}

const char *tls_creds_name(const struct tls_creds *c)
{
    return c->names.name[0];
}

uint64_t tls_creds_not_after_us(const struct tls_creds *c)
{
    return c->not_after_us;
}

const char *tls_creds_thumbprint(const struct tls_creds *c)
{
    return c->thumbprint;
}

const char *tls_creds_certificate(const struct tls_creds *c, size_t i)
{
    return i < c->nbase64 ? c->base64[i] : NULL;
}

/* Says in words what is wrong with the chain; the most telling reason first. */
static int chain_fault(gnutls_x509_crt_t crt, unsigned status, struct vr_err *err)
{
    char day[CERT_DAY_LEN];
    time_t now = time(NULL);
    time_t begin = gnutls_x509_crt_get_activation_time(crt);
    time_t end = gnutls_x509_crt_get_expiration_time(crt);
    if (status & (GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNER_NOT_CA)) {
        return vr_fail(err, VR_E_PEER, "its certificate is not signed by our CA");
    }
    if ((status & GNUTLS_CERT_EXPIRED) && end <= now) {
        return vr_fail(err, VR_E_PEER, "its certificate expired on %s",
                       cert_day(end, day, sizeof day));
    }
    if ((status & GNUTLS_CERT_NOT_ACTIVATED) && begin > now) {
        return vr_fail(err, VR_E_PEER,
                       "its certificate is not valid before %s: compare the clocks of both hosts",
                       cert_day(begin, day, sizeof day));
    }
    gnutls_datum_t text = {0};
    int r = gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0);
    r = vr_fail(err, VR_E_PEER, "its certificate is refused: %s",
                r == 0 ? (const char *)text.data : "invalid");
    gnutls_free(text.data);
    return r;
}

static int judge_names(const struct cert_names *names, const char *want, struct vr_err *err)
{
    if (names->n == 0) {
        return vr_fail(err, VR_E_PEER,
                       "its certificate carries no host name as SAN dNSName (a CN does not count)");
    }
    if (!want) {
        return 0;
    }
    for (unsigned i = 0; i < names->n; i++) {
        if (cert_name_matches(names->name[i], want)) {
            return 0;
        }
    }
    return vr_fail(err, VR_E_PEER, "its certificate is for '%.80s'%s, wanted '%.80s'",
                   names->name[0], names->n > 1 ? " and others" : "", want);
}

int tls_judge_peer(gnutls_session_t session,
                   const char *want,
                   struct cert_names *ret_names,
                   struct vr_err *err)
{
    unsigned n = 0, status = 0;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &n);
    if (!chain || n == 0) {
        return vr_fail(err, VR_E_PEER, "it showed no certificate");
    }
    _cleanup_(cert_deinitp) gnutls_x509_crt_t crt = NULL;
    if (gnutls_x509_crt_init(&crt) < 0) {
        return vr_fail_nomem(err);
    }
    int r = gnutls_x509_crt_import(crt, &chain[0], GNUTLS_X509_FMT_DER);
    if (r < 0) {
        return vr_fail(err, VR_E_PEER, "its certificate cannot be read: %s", gnutls_strerror(r));
    }
    r = gnutls_certificate_verify_peers3(session, NULL, &status);
    if (r < 0) {
        return vr_fail(err, VR_E_PEER, "its certificate cannot be checked: %s", gnutls_strerror(r));
    }
    if (status) {
        return chain_fault(crt, status, err);
    }
    if (cert_get_names(crt, ret_names, NULL) < 0) {
        return vr_fail(err, VR_E_PEER, "the names in its certificate are refused");
    }
    return judge_names(ret_names, want, err);
}
