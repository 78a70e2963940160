/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates without another tool: a small CA for the hosts of one site, and what a host keeps in
 * its directory.
 *
 *     host:  cert_request  -> key.pem (0600, never leaves the host), request.pem
 *     CA:    ca_sign       request.pem -> cert.pem
 *     host:  cert_install  -> cert.pem, ca.pem
 *
 * The CA's directory holds ca-key.pem (0600) and ca.pem. Keys are ECDSA P-256. All calls are whole
 * or change nothing.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

#define CA_DAYS 3650
#define CERT_DAYS 730 /* the default of ca_sign's days */
#define CERT_DAYS_MAX 3650
#define CERT_WARN_DAYS 30

/* Makes a CA in dir (made when it is not there). EXISTS: there is one already. */
VR_MUST_CHECK int ca_init(const char *dir, const char *name, struct vr_err *err);

/*
 * Signs the request for days (at most until the CA itself ends) into the file `out`. Of the request
 * only the key and the host names are taken. INVALID: not signed by its own key, a weak key, no
 * host name, a name that is not a plain host name (a wildcard too), any other kind of alternative
 * name.
 */
VR_MUST_CHECK int ca_sign(
    const char *ca_dir, const char *request, const char *out, unsigned days, struct vr_err *err);

/* Makes key.pem in dir, or keeps the one there (renewal), and request.pem for these host names. */
VR_MUST_CHECK int
cert_request(const char *dir, const char *const *names, unsigned n_names, struct vr_err *err);

/* Puts a signed certificate and the CA's into dir. INVALID: it does not fit key.pem or is not
 * signed by this CA. */
VR_MUST_CHECK int
cert_install(const char *dir, const char *cert, const char *ca, struct vr_err *err);

struct cert_status {
    char names[512]; /* SAN dNSNames, ", " between; cut with "..." when longer */
    char subject[256], issuer[256];
    uint64_t not_before_us, not_after_us;
    int days_left;        /* negative: expired so long ago */
    char fingerprint[96]; /* SHA-256 of the certificate, "AB:CD:..." */
    char warning[256];    /* "": nothing to do */
};

/* Reads dir/cert.pem and checks it against key.pem and ca.pem; what is wrong with them is a
 * warning, not an error. */
VR_MUST_CHECK int cert_status(const char *dir, struct cert_status *ret, struct vr_err *err);
