/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tls_front.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "net/cert.h"
#include "util/fdio.h"

#define CAS_MAX 64
#define CHAIN_MAX 8
#define KEY_BITS_MAX 8192
#define SHA256_BYTES 32

struct tls_front {
    atomic_uint refs;
    gnutls_certificate_credentials_t cred;
    gnutls_x509_trust_list_t clients; /* NULL: no certificates are asked for */
};

struct cas {
    unsigned n;
    gnutls_x509_crt_t crt[CAS_MAX];
};

static void cas_deinit(struct cas *c)
{
    while (c->n) {
        gnutls_x509_crt_deinit(c->crt[--c->n]);
    }
}

static gnutls_datum_t datum(char *text, size_t len)
{
    return (gnutls_datum_t){.data = (unsigned char *)text, .size = (unsigned)len};
}

static int read_cas(const char *path, struct cas *ret, struct vr_err *err)
{
    _cleanup_(vr_freep) char *pem = NULL;
    size_t len;
    unsigned n = CAS_MAX;
    int r = vr_read_file(path, CERT_PEM_MAX, &pem, &len, err);
    if (r < 0) {
        return r;
    }
    gnutls_datum_t d = datum(pem, len);
    int got = gnutls_x509_crt_list_import(ret->crt, &n, &d, GNUTLS_X509_FMT_PEM,
                                          GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED);
    if (got <= 0) {
        return vr_fail(err, VR_E_INVALID,
                       "'%s': no certificates in PEM form there, or more than %d", path, CAS_MAX);
    }
    ret->n = n;
    return 0;
}

/* The key says which CA it is: renewed, it is the same. */
static bool same_ca(gnutls_x509_crt_t a, gnutls_x509_crt_t b)
{
    unsigned char ka[SHA256_BYTES], kb[SHA256_BYTES];
    size_t na = sizeof ka, nb = sizeof kb;
    return gnutls_x509_crt_get_key_id(a, GNUTLS_KEYID_USE_SHA256, ka, &na) == 0 &&
           gnutls_x509_crt_get_key_id(b, GNUTLS_KEYID_USE_SHA256, kb, &nb) == 0 && na == nb &&
           memcmp(ka, kb, na) == 0;
}

static int
check_apart(const struct cas *clients, const char *path, const char *peer_ca, struct vr_err *err)
{
    _cleanup_(cas_deinit) struct cas peers = {0};
    int r = read_cas(peer_ca, &peers, err);
    for (unsigned i = 0; r == 0 && i < clients->n; i++) {
        for (unsigned k = 0; r == 0 && k < peers.n; k++) {
            if (same_ca(clients->crt[i], peers.crt[k])) {
                r = vr_fail(err, VR_E_INVALID,
                            "'%s' holds a CA of the hosts, too ('%s'): clients need one of their "
                            "own, or each host could become a client",
                            path, peer_ca);
            }
        }
    }
    return r;
}

static int
load_clients(struct tls_front *f, const char *path, const char *peer_ca, struct vr_err *err)
{
    _cleanup_(cas_deinit) struct cas cas = {0};
    int r = read_cas(path, &cas, err);
    r = r < 0 || !peer_ca[0] ? r : check_apart(&cas, path, peer_ca, err);
    if (r < 0) {
        return vr_wrap(err, r, "the clients' CA");
    }
    /* Their names tell the client which of its certificates to show. */
    if (gnutls_certificate_set_x509_trust(f->cred, cas.crt, (int)cas.n) < 0 ||
        gnutls_x509_trust_list_init(&f->clients, 0) < 0) {
        return vr_fail_nomem(err);
    }
    int n = gnutls_x509_trust_list_add_cas(f->clients, cas.crt, cas.n, 0);
    if (n != (int)cas.n) {
        return vr_fail(err, VR_E_INVALID, "the clients' CA '%s': a certificate is there twice",
                       path);
    }
    cas.n = 0; /* the list has them now */
    return 0;
}

static int load_pair(struct tls_front *f, const char *cert, const char *key, struct vr_err *err)
{
    _cleanup_(vr_freep) char *cert_pem = NULL;
    _cleanup_(vr_freep) char *key_pem = NULL;
    size_t cert_len, key_len;
    int r = vr_read_file(cert, CERT_PEM_MAX, &cert_pem, &cert_len, err);
    r = r < 0 ? r : vr_read_secret_file(key, CERT_PEM_MAX, &key_pem, &key_len, err);
    if (r < 0) {
        return vr_wrap(err, r, "certificate of the management ports");
    }
    gnutls_datum_t dc = datum(cert_pem, cert_len), dk = datum(key_pem, key_len);
    r = gnutls_certificate_set_x509_key_mem2(f->cred, &dc, &dk, GNUTLS_X509_FMT_PEM, NULL, 0);
    gnutls_memset(key_pem, 0, key_len);
    return r >= 0 ? 0
                  : vr_fail(err, VR_E_INVALID, "private key '%s' and certificate '%s': %s", key,
                            cert, gnutls_strerror(r));
}

int tls_front_load(const char *cert,
                   const char *key,
                   const char *client_ca,
                   const char *peer_ca,
                   struct tls_front **ret,
                   struct vr_err *err)
{
    _cleanup_(tls_front_unrefp) struct tls_front *f = calloc(1, sizeof *f);
    if (!f) {
        return vr_fail_nomem(err);
    }
    atomic_init(&f->refs, 1);
    if (gnutls_certificate_allocate_credentials(&f->cred) < 0) {
        return vr_fail_nomem(err);
    }
    gnutls_certificate_set_verify_limits(f->cred, KEY_BITS_MAX, CHAIN_MAX);
    int r = load_pair(f, cert, key, err);
    if (r == 0 && client_ca[0]) {
        r = load_clients(f, client_ca, peer_ca, err);
    }
    if (r < 0) {
        return r;
    }
    *ret = TAKE_PTR(f);
    return 0;
}

struct tls_front *tls_front_ref(struct tls_front *f)
{
    atomic_fetch_add(&f->refs, 1);
    return f;
}

void tls_front_unref(struct tls_front *f)
{
    if (!f || atomic_fetch_sub(&f->refs, 1) != 1) {
        return;
    }
    if (f->cred) {
        gnutls_certificate_free_credentials(f->cred);
    }
    if (f->clients) {
        gnutls_x509_trust_list_deinit(f->clients, 1);
    }
    free(f);
}

int tls_front_begin(struct tls_front *f, void *session, struct vr_err *err)
{
    int r = gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, f->cred);
    if (r < 0) {
        return vr_fail(err, VR_E_INTERNAL, "TLS session: %s", gnutls_strerror(r));
    }
    gnutls_certificate_server_set_request(session,
                                          f->clients ? GNUTLS_CERT_REQUEST : GNUTLS_CERT_IGNORE);
    return 0;
}

/* --- a client's certificate --- */

/* Those that are plain text of a sensible length; a certificate with more than fit is read no
 * further. */
static void read_emails(gnutls_x509_crt_t crt, struct tls_client *ret)
{
    int type = 0;
    for (unsigned i = 0; type >= 0 && ret->nemails < TLS_FRONT_EMAILS_MAX; i++) {
        char *to = ret->email[ret->nemails];
        size_t n = sizeof ret->email[0];
        type = gnutls_x509_crt_get_subject_alt_name(crt, i, to, &n, NULL);
        if (type == GNUTLS_E_SHORT_MEMORY_BUFFER) {
            type = GNUTLS_SAN_OTHERNAME; /* whatever it is, nobody is known by it */
        } else if (type == GNUTLS_SAN_RFC822NAME && n > 0 && n < sizeof ret->email[0] &&
                   !memchr(to, 0, n)) {
            to[n] = '\0';
            ret->nemails++;
        }
    }
}

static int judge_chain(struct tls_front *f, struct cas *chain, struct vr_err *err)
{
    char purpose[] = GNUTLS_KP_TLS_WWW_CLIENT;
    gnutls_typed_vdata_st data = {.type = GNUTLS_DT_KEY_PURPOSE_OID,
                                  .data = (unsigned char *)purpose};
    unsigned status = 0;
    int r = gnutls_x509_trust_list_verify_crt2(f->clients, chain->crt, chain->n, &data, 1, 0,
                                               &status, NULL);
    if (r < 0) {
        return vr_fail(err, VR_E_AUTH, "its certificate cannot be checked: %s", gnutls_strerror(r));
    }
    if (status == 0) {
        return 0;
    }
    gnutls_datum_t text = {0};
    r = gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0);
    r = vr_fail(err, VR_E_AUTH, "its certificate is refused: %.160s",
                r == 0 ? (const char *)text.data : "invalid");
    gnutls_free(text.data);
    return r;
}

int tls_front_client(struct tls_front *f, void *session, struct tls_client *ret, struct vr_err *err)
{
    _cleanup_(cas_deinit) struct cas chain = {0};
    unsigned n = 0;
    const gnutls_datum_t *der =
        f->clients && gnutls_certificate_type_get2(session, GNUTLS_CTYPE_CLIENT) == GNUTLS_CRT_X509
            ? gnutls_certificate_get_peers(session, &n)
            : NULL;
    if (!der || n == 0) {
        return vr_fail(err, VR_E_NOT_FOUND, "it showed no certificate");
    }
    for (unsigned i = 0; i < n && i < CHAIN_MAX; i++) {
        if (gnutls_x509_crt_init(&chain.crt[i]) < 0) {
            return vr_fail_nomem(err);
        }
        chain.n++;
        if (gnutls_x509_crt_import(chain.crt[i], &der[i], GNUTLS_X509_FMT_DER) < 0) {
            return vr_fail(err, VR_E_AUTH, "its certificate cannot be read");
        }
    }
    int r = judge_chain(f, &chain, err);
    if (r < 0) {
        return r;
    }
    struct tls_client c = {0};
    uint8_t sha256[SHA256_BYTES];
    size_t len = sizeof sha256;
    if (gnutls_fingerprint(GNUTLS_DIG_SHA256, &der[0], sha256, &len) < 0 || len != sizeof sha256) {
        return vr_fail(err, VR_E_INTERNAL, "SHA-256 of a certificate is not available");
    }
    for (size_t i = 0; i < len; i++) {
        snprintf(c.sha256 + 2 * i, 3, "%02X", sha256[i]);
    }
    read_emails(chain.crt[0], &c);
    *ret = c;
    return 0;
}
