/* SPDX-License-Identifier: Apache-2.0 */
#include "net/pem.h"

#include <gnutls/gnutls.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "util/fdio.h"

#define KEY_ID_BYTES 32

int pem_path(const char *dir, const char *file, char *buf, struct vr_err *err)
{
    int n = snprintf(buf, PATH_MAX, "%s/%s", dir, file);
    if (n < 0 || n >= PATH_MAX) {
        return vr_fail(err, VR_E_LIMIT, "path longer than %d", PATH_MAX);
    }
    return 0;
}

int pem_make_key(gnutls_x509_privkey_t *ret, struct vr_err *err)
{
    _cleanup_(cert_privkey_deinitp) gnutls_x509_privkey_t key = NULL;
    if (gnutls_x509_privkey_init(&key) < 0) {
        return vr_fail_nomem(err);
    }
    int r = gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                         GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
    if (r < 0) {
        return vr_fail(err, VR_E_INTERNAL, "cannot make a key: %s", gnutls_strerror(r));
    }
    *ret = TAKE_PTR(key);
    return 0;
}

int pem_load_key(const char *path, gnutls_x509_privkey_t *ret, struct vr_err *err)
{
    _cleanup_(vr_freep) char *pem = NULL;
    _cleanup_(cert_privkey_deinitp) gnutls_x509_privkey_t key = NULL;
    size_t len;
    int r = vr_read_secret_file(path, CERT_PEM_MAX, &pem, &len, err);
    if (r < 0) {
        return r;
    }
    if (gnutls_x509_privkey_init(&key) < 0) {
        return vr_fail_nomem(err);
    }
    gnutls_datum_t d = {.data = (unsigned char *)pem, .size = (unsigned)len};
    r = gnutls_x509_privkey_import2(key, &d, GNUTLS_X509_FMT_PEM, NULL, 0);
    gnutls_memset(pem, 0, len);
    if (r < 0) {
        return vr_fail(err, VR_E_INVALID, "'%s' is not a private key in PEM form", path);
    }
    *ret = TAKE_PTR(key);
    return 0;
}

int pem_load_crt(const char *path, gnutls_x509_crt_t *ret, struct vr_err *err)
{
    _cleanup_(vr_freep) char *pem = NULL;
    _cleanup_(cert_deinitp) gnutls_x509_crt_t crt = NULL;
    size_t len;
    int r = vr_read_file(path, CERT_PEM_MAX, &pem, &len, err);
    if (r < 0) {
        return r;
    }
    if (gnutls_x509_crt_init(&crt) < 0) {
        return vr_fail_nomem(err);
    }
    gnutls_datum_t d = {.data = (unsigned char *)pem, .size = (unsigned)len};
    if (gnutls_x509_crt_import(crt, &d, GNUTLS_X509_FMT_PEM) < 0) {
        return vr_fail(err, VR_E_INVALID, "'%s' is not a certificate in PEM form", path);
    }
    *ret = TAKE_PTR(crt);
    return 0;
}

int pem_write_key(const char *path, gnutls_x509_privkey_t key, struct vr_err *err)
{
    gnutls_datum_t pem = {0};
    int r = gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem);
    if (r < 0) {
        return vr_fail(err, VR_E_INTERNAL, "cannot write a key: %s", gnutls_strerror(r));
    }
    r = vr_write_file_durable(path, pem.data, pem.size, 0600, err);
    gnutls_memset(pem.data, 0, pem.size);
    gnutls_free(pem.data);
    return r;
}

int pem_write_crt(const char *path, gnutls_x509_crt_t crt, struct vr_err *err)
{
    gnutls_datum_t pem = {0};
    int r = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem);
    if (r < 0) {
        return vr_fail(err, VR_E_INTERNAL, "cannot write a certificate: %s", gnutls_strerror(r));
    }
    r = vr_write_file_durable(path, pem.data, pem.size, 0644, err);
    gnutls_free(pem.data);
    return r;
}

bool pem_key_fits(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key)
{
    uint8_t a[KEY_ID_BYTES], b[KEY_ID_BYTES];
    size_t na = sizeof a, nb = sizeof b;
    return gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, a, &na) == 0 &&
           gnutls_x509_privkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, b, &nb) == 0 && na == nb &&
           memcmp(a, b, na) == 0;
}
