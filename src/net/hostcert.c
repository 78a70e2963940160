/* SPDX-License-Identifier: Apache-2.0 */
/* The host's side of ca.h: its key, its request, the signed certificate, and how these stand. */
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "net/ca.h"
#include "net/pem.h"
#include "util/fdio.h"

#define DAY_S 86400
#define FINGERPRINT_BYTES 32

static int load_or_make_key(const char *dir, gnutls_x509_privkey_t *ret, struct vr_err *err)
{
    char path[PATH_MAX];
    int r = pem_path(dir, "key.pem", path, err);
    if (r < 0) {
        return r;
    }
    if (access(path, F_OK) == 0) {
        return pem_load_key(path, ret, err);
    }
    r = pem_make_key(ret, err);
    return r < 0 ? r : pem_write_key(path, *ret, err);
}

static int make_crq(gnutls_x509_crq_t crq,
                    gnutls_x509_privkey_t key,
                    const char *const *names,
                    unsigned n_names)
{
    int r = gnutls_x509_crq_set_version(crq, 1);
    r = r < 0 ? r : gnutls_x509_crq_set_key(crq, key);
    for (unsigned i = 0; r >= 0 && i < n_names; i++) {
        r = gnutls_x509_crq_set_subject_alt_name(crq, GNUTLS_SAN_DNSNAME, names[i],
                                                 (unsigned)strlen(names[i]), GNUTLS_FSAN_APPEND);
    }
    return r < 0 ? r : gnutls_x509_crq_sign2(crq, key, GNUTLS_DIG_SHA256, 0);
}

static int write_crq(const char *dir, gnutls_x509_crq_t crq, struct vr_err *err)
{
    char path[PATH_MAX];
    gnutls_datum_t pem = {0};
    int r = pem_path(dir, "request.pem", path, err);
    if (r < 0) {
        return r;
    }
    r = gnutls_x509_crq_export2(crq, GNUTLS_X509_FMT_PEM, &pem);
    if (r < 0) {
        return vr_fail(err, VR_E_INTERNAL, "cannot write a request: %s", gnutls_strerror(r));
    }
    r = vr_write_file_durable(path, pem.data, pem.size, 0644, err);
    gnutls_free(pem.data);
    return r;
}

int cert_request(const char *dir, const char *const *names, unsigned n_names, struct vr_err *err)
{
    if (n_names == 0 || n_names > CERT_NAMES_MAX) {
        return vr_fail(err, VR_E_INVALID, "a certificate is for 1 to %d host names",
                       CERT_NAMES_MAX);
    }
    for (unsigned i = 0; i < n_names; i++) {
        if (!cert_name_ok(names[i], true)) {
            return vr_fail(err, VR_E_INVALID, "'%.80s' is not a host name", names[i]);
        }
    }
    int r = vr_mkdirs(dir, 0700, err);
    if (r < 0) {
        return r;
    }
    _cleanup_(cert_privkey_deinitp) gnutls_x509_privkey_t key = NULL;
    r = load_or_make_key(dir, &key, err);
    if (r < 0) {
        return r;
    }
    gnutls_x509_crq_t crq = NULL;
    if (gnutls_x509_crq_init(&crq) < 0) {
        return vr_fail_nomem(err);
    }
    r = make_crq(crq, key, names, n_names);
    r = r < 0 ? vr_fail(err, VR_E_INTERNAL, "cannot make a request: %s", gnutls_strerror(r))
              : write_crq(dir, crq, err);
    gnutls_x509_crq_deinit(crq);
    return r;
}

/* Does the chain of cert_pem end at a CA of ca_pem? *ret_status: bits of
 * gnutls_certificate_status_t. */
static int
chain_status(const char *cert_path, const char *ca_path, unsigned *ret_status, struct vr_err *err)
{
    _cleanup_(cert_deinitp) gnutls_x509_crt_t crt = NULL;
    _cleanup_(vr_freep) char *ca = NULL;
    size_t len;
    int r = pem_load_crt(cert_path, &crt, err);
    r = r < 0 ? r : vr_read_file(ca_path, CERT_PEM_MAX, &ca, &len, err);
    if (r < 0) {
        return r;
    }
    gnutls_x509_trust_list_t trust = NULL;
    if (gnutls_x509_trust_list_init(&trust, 0) < 0) {
        return vr_fail_nomem(err);
    }
    gnutls_datum_t d = {.data = (unsigned char *)ca, .size = (unsigned)len};
    if (gnutls_x509_trust_list_add_trust_mem(trust, &d, NULL, GNUTLS_X509_FMT_PEM, 0, 0) <= 0) {
        r = vr_fail(err, VR_E_INVALID, "'%s' holds no certificate in PEM form", ca_path);
    } else {
        r = gnutls_x509_trust_list_verify_crt(trust, &crt, 1, 0, ret_status, NULL);
        r = r < 0 ? vr_fail(err, VR_E_INVALID, "'%s' cannot be checked: %s", cert_path,
                            gnutls_strerror(r))
                  : 0;
    }
    gnutls_x509_trust_list_deinit(trust, 1);
    return r;
}

static int install_check(const char *dir, const char *cert, const char *ca, struct vr_err *err)
{
    _cleanup_(cert_deinitp) gnutls_x509_crt_t crt = NULL;
    _cleanup_(cert_privkey_deinitp) gnutls_x509_privkey_t key = NULL;
    char path[PATH_MAX];
    struct cert_names names;
    unsigned status = 0;
    int r = pem_load_crt(cert, &crt, err);
    r = r < 0 ? r : pem_path(dir, "key.pem", path, err);
    r = r < 0 ? r : pem_load_key(path, &key, err);
    r = r < 0 ? r : cert_get_names(crt, &names, err);
    if (r < 0) {
        return r;
    }
    if (!pem_key_fits(crt, key)) {
        return vr_fail(err, VR_E_INVALID, "certificate '%s' does not fit the key '%s'", cert, path);
    }
    if (names.n == 0) {
        return vr_fail(err, VR_E_INVALID, "certificate '%s' carries no host name as SAN dNSName",
                       cert);
    }
    r = chain_status(cert, ca, &status, err);
    if (r < 0) {
        return r;
    }
    if (status & GNUTLS_CERT_EXPIRED) {
        return vr_fail(err, VR_E_INVALID, "certificate '%s' has expired", cert);
    }
    if (status) {
        return vr_fail(err, VR_E_INVALID, "certificate '%s' is not signed by the CA of '%s'", cert,
                       ca);
    }
    return 0;
}

static int copy_pem(const char *from, const char *dir, const char *file, struct vr_err *err)
{
    char path[PATH_MAX];
    _cleanup_(vr_freep) char *text = NULL;
    size_t len;
    int r = pem_path(dir, file, path, err);
    r = r < 0 ? r : vr_read_file(from, CERT_PEM_MAX, &text, &len, err);
    return r < 0 ? r : vr_write_file_durable(path, text, len, 0644, err);
}

int cert_install(const char *dir, const char *cert, const char *ca, struct vr_err *err)
{
    int r = install_check(dir, cert, ca, err);
    /* The CA first: with the old certificate and the new CA's file a host still starts and says
     * what is wrong. */
    r = r < 0 ? r : copy_pem(ca, dir, "ca.pem", err);
    return r < 0 ? r : copy_pem(cert, dir, "cert.pem", err);
}

static void join_names(const struct cert_names *names, char *buf, size_t cap)
{
    size_t at = 0;
    buf[0] = '\0';
    for (unsigned i = 0; i < names->n; i++) {
        const char *sep = i ? ", " : "";
        if (at + strlen(sep) + strlen(names->name[i]) + sizeof ", ..." > cap) {
            snprintf(buf + at, cap - at, "%s...", sep);
            return;
        }
        at += (size_t)snprintf(buf + at, cap - at, "%s%s", sep, names->name[i]);
    }
}

static void fingerprint_text(gnutls_x509_crt_t crt, char *buf, size_t cap)
{
    uint8_t fp[FINGERPRINT_BYTES];
    size_t n = sizeof fp, at = 0;
    buf[0] = '\0';
    if (gnutls_x509_crt_get_fingerprint(crt, GNUTLS_DIG_SHA256, fp, &n) < 0) {
        return;
    }
    for (size_t i = 0; i < n && at + 3 < cap + 1; i++) {
        at += (size_t)snprintf(buf + at, cap - at, "%s%02X", i ? ":" : "", fp[i]);
    }
}

static void dn_text(char *buf,
                    size_t cap,
                    gnutls_x509_crt_t crt,
                    int (*get)(gnutls_x509_crt_t, char *, size_t *))
{
    size_t n = cap;
    if (get(crt, buf, &n) < 0) {
        snprintf(buf, cap, "-");
    }
}

/* The gravest first; one is enough to act on. */
static void status_warning(const char *dir,
                           const char *cert_path,
                           gnutls_x509_crt_t crt,
                           const struct cert_names *names,
                           struct cert_status *st)
{
    char path[PATH_MAX];
    struct vr_err err = VR_ERR_INIT;
    _cleanup_(cert_privkey_deinitp) gnutls_x509_privkey_t key = NULL;
    unsigned status = 0;
    int r = pem_path(dir, "key.pem", path, &err);
    r = r < 0 ? r : pem_load_key(path, &key, &err);
    if (r == 0 && !pem_key_fits(crt, key)) {
        r = vr_fail(&err, VR_E_INVALID, "cert.pem does not fit key.pem");
    }
    r = r < 0 ? r : pem_path(dir, "ca.pem", path, &err);
    r = r < 0 ? r : chain_status(cert_path, path, &status, &err);
    if (r < 0) {
        snprintf(st->warning, sizeof st->warning, "%s", vr_err_text(&err));
    } else if (status & ~(unsigned)(GNUTLS_CERT_INVALID | GNUTLS_CERT_EXPIRED)) {
        snprintf(st->warning, sizeof st->warning, "cert.pem is not signed by the CA of ca.pem");
    } else if (names->n == 0) {
        snprintf(st->warning, sizeof st->warning, "cert.pem carries no host name as SAN dNSName");
    } else if (st->days_left < 0) {
        snprintf(st->warning, sizeof st->warning, "expired: make a new request and sign it");
    } else if (st->days_left < CERT_WARN_DAYS) {
        snprintf(st->warning, sizeof st->warning, "ends in %d days: make a new request and sign it",
                 st->days_left);
    }
}

int cert_status(const char *dir, struct cert_status *ret, struct vr_err *err)
{
    _cleanup_(cert_deinitp) gnutls_x509_crt_t crt = NULL;
    char path[PATH_MAX];
    struct cert_names names;
    int r = pem_path(dir, "cert.pem", path, err);
    r = r < 0 ? r : pem_load_crt(path, &crt, err);
    r = r < 0 ? r : cert_get_names(crt, &names, err);
    if (r < 0) {
        return r;
    }
    struct cert_status st = {0};
    time_t begin = gnutls_x509_crt_get_activation_time(crt);
    time_t end = gnutls_x509_crt_get_expiration_time(crt);
    time_t left = end - time(NULL);
    st.not_before_us = begin > 0 ? (uint64_t)begin * 1000000 : 0;
    st.not_after_us = end > 0 ? (uint64_t)end * 1000000 : 0;
    st.days_left = (int)(left < 0 ? (left - DAY_S + 1) / DAY_S : left / DAY_S);
    join_names(&names, st.names, sizeof st.names);
    dn_text(st.subject, sizeof st.subject, crt, gnutls_x509_crt_get_dn);
    dn_text(st.issuer, sizeof st.issuer, crt, gnutls_x509_crt_get_issuer_dn);
    fingerprint_text(crt, st.fingerprint, sizeof st.fingerprint);
    status_warning(dir, path, crt, &names, &st);
    *ret = st;
    return 0;
}
