/* SPDX-License-Identifier: Apache-2.0 */
/* The CA's side: its own certificate, and judging and signing requests. */
#include "net/ca.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <limits.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "net/pem.h"
#include "util/fdio.h"
#include "util/num.h"
#include "util/uuid.h"

#define DAY_S 86400
#define CLOCK_SLACK_S 3600 /* a certificate is valid at once on a host whose clock is behind */
#define SERIAL_BYTES 16
#define KEY_ID_BYTES 20
#define CA_NAME_MAX 64 /* of a CN (RFC 5280, ub-common-name) */

static void crq_deinitp(gnutls_x509_crq_t *crq)
{
    if (*crq) {
        gnutls_x509_crq_deinit(*crq);
    }
}

static void pubkey_deinitp(gnutls_pubkey_t *key)
{
    if (*key) {
        gnutls_pubkey_deinit(*key);
    }
}

/* Version, serial, dates, key identifier: what both kinds of certificate have. The key must be set.
 * */
static int set_common(gnutls_x509_crt_t crt, time_t not_before, time_t not_after)
{
    uint8_t serial[SERIAL_BYTES], id[KEY_ID_BYTES];
    size_t id_len = sizeof id;
    vr_random(serial, sizeof serial);
    serial[0] = (serial[0] & 0x7f) | 0x40; /* positive, and never shorter */
    int r = gnutls_x509_crt_set_version(crt, 3);
    r = r < 0 ? r : gnutls_x509_crt_set_serial(crt, serial, sizeof serial);
    r = r < 0 ? r : gnutls_x509_crt_set_activation_time(crt, not_before);
    r = r < 0 ? r : gnutls_x509_crt_set_expiration_time(crt, not_after);
    r = r < 0 ? r : gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA1, id, &id_len);
    r = r < 0 ? r : gnutls_x509_crt_set_subject_key_id(crt, id, id_len);
    return r;
}

static int set_cn(gnutls_x509_crt_t crt, const char *name)
{
    return gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                         (unsigned)strlen(name));
}

static int make_ca_crt(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, const char *name)
{
    time_t now = time(NULL);
    int r = gnutls_x509_crt_set_key(crt, key);
    r = r < 0 ? r : set_common(crt, now - CLOCK_SLACK_S, now + (time_t)CA_DAYS * DAY_S);
    r = r < 0 ? r : set_cn(crt, name);
    r = r < 0 ? r : gnutls_x509_crt_set_basic_constraints(crt, 1, 0);
    r = r < 0 ? r
              : gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN);
    r = r < 0 ? r : gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0);
    return r;
}

static bool ca_name_ok(const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n > CA_NAME_MAX) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

int ca_init(const char *dir, const char *name, struct vr_err *err)
{
    char key_path[PATH_MAX], crt_path[PATH_MAX];
    if (!ca_name_ok(name)) {
        return vr_fail(err, VR_E_INVALID, "the CA's name must be 1 to %d printable characters",
                       CA_NAME_MAX);
    }
    int r = pem_path(dir, "ca-key.pem", key_path, err);
    r = r < 0 ? r : pem_path(dir, "ca.pem", crt_path, err);
    r = r < 0 ? r : vr_mkdirs(dir, 0700, err);
    if (r < 0) {
        return r;
    }
    if (access(key_path, F_OK) == 0 || access(crt_path, F_OK) == 0) {
        return vr_fail(err, VR_E_EXISTS, "there is a CA in '%s' already", dir);
    }
    _cleanup_(cert_privkey_deinitp) gnutls_x509_privkey_t key = NULL;
    _cleanup_(cert_deinitp) gnutls_x509_crt_t crt = NULL;
    r = pem_make_key(&key, err);
    if (r < 0) {
        return r;
    }
    if (gnutls_x509_crt_init(&crt) < 0) {
        return vr_fail_nomem(err);
    }
    r = make_ca_crt(crt, key, name);
    if (r < 0) {
        return vr_fail(err, VR_E_INTERNAL, "cannot make the CA: %s", gnutls_strerror(r));
    }
    r = pem_write_key(key_path, key, err);
    return r < 0 ? r : pem_write_crt(crt_path, crt, err);
}

static int crq_load(const char *path, gnutls_x509_crq_t *ret, struct vr_err *err)
{
    _cleanup_(vr_freep) char *pem = NULL;
    _cleanup_(crq_deinitp) gnutls_x509_crq_t crq = NULL;
    size_t len;
    int r = vr_read_file(path, CERT_PEM_MAX, &pem, &len, err);
    if (r < 0) {
        return r;
    }
    if (gnutls_x509_crq_init(&crq) < 0) {
        return vr_fail_nomem(err);
    }
    gnutls_datum_t d = {.data = (unsigned char *)pem, .size = (unsigned)len};
    if (gnutls_x509_crq_import(crq, &d, GNUTLS_X509_FMT_PEM) < 0) {
        return vr_fail(err, VR_E_INVALID, "'%s' is not a certificate request in PEM form", path);
    }
    *ret = TAKE_PTR(crq);
    return 0;
}

/* The names a request asks for: every one a plain host name, or the request is refused whole. */
static int crq_names(gnutls_x509_crq_t crq, struct cert_names *ret, struct vr_err *err)
{
    ret->n = 0;
    for (unsigned seq = 0;; seq++) {
        char san[CERT_NAME_MAX + 1];
        size_t n = sizeof san;
        unsigned type = 0;
        int r = gnutls_x509_crq_get_subject_alt_name(crq, seq, san, &n, &type, NULL);
        if (r == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) {
            break;
        }
        if (r < 0 || type != GNUTLS_SAN_DNSNAME || n >= CERT_NAME_MAX || memchr(san, 0, n)) {
            return vr_fail(err, VR_E_INVALID,
                           "it asks for an alternative name that is not a host name (number %u)",
                           seq + 1);
        }
        san[n] = '\0';
        if (!cert_name_ok(san, false)) {
            return vr_fail(err, VR_E_INVALID,
                           "it asks for the name %u, which is not a plain host name", seq + 1);
        }
        if (ret->n == CERT_NAMES_MAX) {
            return vr_fail(err, VR_E_LIMIT, "it asks for more than %d names", CERT_NAMES_MAX);
        }
        memcpy(ret->name[ret->n++], san, n + 1);
    }
    if (ret->n == 0) {
        return vr_fail(err, VR_E_INVALID, "it asks for no host name (SAN dNSName)");
    }
    return 0;
}

/* The request is signed by its own key, the key is strong, the names are host names. */
static int crq_judge(gnutls_x509_crq_t crq, struct cert_names *ret_names, struct vr_err *err)
{
    unsigned bits = 0;
    int algorithm = gnutls_x509_crq_get_pk_algorithm(crq, &bits);
    if (gnutls_x509_crq_verify(crq, 0) < 0) {
        return vr_fail(err, VR_E_INVALID, "it is not signed by its own key");
    }
    if (algorithm < 0 || gnutls_pk_bits_to_sec_param((gnutls_pk_algorithm_t)algorithm, bits) <
                             GNUTLS_SEC_PARAM_MEDIUM) {
        return vr_fail(err, VR_E_INVALID, "its key is too weak (%u bits)", bits);
    }
    return crq_names(crq, ret_names, err);
}

static int set_leaf(gnutls_x509_crt_t crt, const struct cert_names *names)
{
    int r = strlen(names->name[0]) <= CA_NAME_MAX ? set_cn(crt, names->name[0]) : 0;
    for (unsigned i = 0; r >= 0 && i < names->n; i++) {
        r = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, names->name[i],
                                                 (unsigned)strlen(names->name[i]),
                                                 GNUTLS_FSAN_APPEND);
    }
    r = r < 0 ? r : gnutls_x509_crt_set_basic_constraints(crt, 0, -1);
    r = r < 0 ? r : gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE);
    r = r < 0 ? r : gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0);
    r = r < 0 ? r : gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_CLIENT, 0);
    return r;
}

static int make_leaf(gnutls_x509_crt_t crt,
                     gnutls_pubkey_t key,
                     const struct cert_names *names,
                     gnutls_x509_crt_t ca,
                     gnutls_x509_privkey_t ca_key,
                     unsigned days)
{
    uint8_t id[64];
    size_t id_len = sizeof id;
    time_t now = time(NULL);
    time_t end = VR_MIN(now + (time_t)days * DAY_S, gnutls_x509_crt_get_expiration_time(ca));
    int r = gnutls_x509_crt_set_pubkey(crt, key);
    r = r < 0 ? r : set_common(crt, now - CLOCK_SLACK_S, end);
    r = r < 0 ? r : set_leaf(crt, names);
    r = r < 0 ? r : gnutls_x509_crt_get_subject_key_id(ca, id, &id_len, NULL);
    r = r < 0 ? r : gnutls_x509_crt_set_authority_key_id(crt, id, id_len);
    r = r < 0 ? r : gnutls_x509_crt_sign2(crt, ca, ca_key, GNUTLS_DIG_SHA256, 0);
    return r;
}

static int ca_load(const char *dir,
                   gnutls_x509_crt_t *ret_crt,
                   gnutls_x509_privkey_t *ret_key,
                   struct vr_err *err)
{
    char path[PATH_MAX];
    int r = pem_path(dir, "ca.pem", path, err);
    r = r < 0 ? r : pem_load_crt(path, ret_crt, err);
    r = r < 0 ? r : pem_path(dir, "ca-key.pem", path, err);
    r = r < 0 ? r : pem_load_key(path, ret_key, err);
    if (r < 0) {
        return vr_wrap(err, r, "CA");
    }
    if (!pem_key_fits(*ret_crt, *ret_key)) {
        return vr_fail(err, VR_E_INVALID, "CA in '%s': ca-key.pem does not fit ca.pem", dir);
    }
    if (gnutls_x509_crt_get_expiration_time(*ret_crt) <= time(NULL)) {
        return vr_fail(err, VR_E_STATE, "the CA in '%s' has expired: make a new one", dir);
    }
    return 0;
}

int ca_sign(
    const char *ca_dir, const char *request, const char *out, unsigned days, struct vr_err *err)
{
    _cleanup_(cert_deinitp) gnutls_x509_crt_t ca = NULL;
    _cleanup_(cert_privkey_deinitp) gnutls_x509_privkey_t ca_key = NULL;
    _cleanup_(crq_deinitp) gnutls_x509_crq_t crq = NULL;
    _cleanup_(pubkey_deinitp) gnutls_pubkey_t key = NULL;
    _cleanup_(cert_deinitp) gnutls_x509_crt_t crt = NULL;
    struct cert_names names;
    if (days < 1 || days > CERT_DAYS_MAX) {
        return vr_fail(err, VR_E_INVALID, "a certificate is valid for 1 to %d days, not %u",
                       CERT_DAYS_MAX, days);
    }
    int r = ca_load(ca_dir, &ca, &ca_key, err);
    r = r < 0 ? r : crq_load(request, &crq, err);
    if (r < 0) {
        return r;
    }
    r = crq_judge(crq, &names, err);
    if (r < 0) {
        return vr_wrap(err, r, "request '%s'", request);
    }
    if (gnutls_x509_crt_init(&crt) < 0 || gnutls_pubkey_init(&key) < 0) {
        return vr_fail_nomem(err);
    }
    r = gnutls_pubkey_import_x509_crq(key, crq, 0);
    r = r < 0 ? r : make_leaf(crt, key, &names, ca, ca_key, days);
    if (r < 0) {
        return vr_fail(err, VR_E_INTERNAL, "cannot sign '%s': %s", request, gnutls_strerror(r));
    }
    return pem_write_crt(out, crt, err);
}
