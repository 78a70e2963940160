/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and certificates as PEM files, for the CA and a host's directory. Only for src/net. */
#pragma once
#include "net/cert.h"
#include "util/cleanup.h"

/* dir/file into buf of PATH_MAX. */
VR_MUST_CHECK int pem_path(const char *dir, const char *file, char *buf, struct vr_err *err);
VR_MUST_CHECK int pem_make_key(gnutls_x509_privkey_t *ret, struct vr_err *err);
VR_MUST_CHECK int pem_load_key(const char *path, gnutls_x509_privkey_t *ret, struct vr_err *err);
/* The first certificate of the file. */
VR_MUST_CHECK int pem_load_crt(const char *path, gnutls_x509_crt_t *ret, struct vr_err *err);
/* Mode 0600. */
VR_MUST_CHECK int pem_write_key(const char *path, gnutls_x509_privkey_t key, struct vr_err *err);
/* Mode 0644. */
VR_MUST_CHECK int pem_write_crt(const char *path, gnutls_x509_crt_t crt, struct vr_err *err);
bool pem_key_fits(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key);
