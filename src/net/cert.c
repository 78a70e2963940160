/* SPDX-License-Identifier: Apache-2.0 */
#include "net/cert.h"

#include <gnutls/gnutls.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define LABEL_MAX 63

static bool label_ok(const char *p, size_t n)
{
    if (n == 0 || n > LABEL_MAX || p[0] == '-' || p[n - 1] == '-') {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        bool alnum = (p[i] >= 'a' && p[i] <= 'z') || (p[i] >= 'A' && p[i] <= 'Z') ||
                     (p[i] >= '0' && p[i] <= '9');
        if (!alnum && p[i] != '-') {
            return false;
        }
    }
    return true;
}

bool cert_name_ok(const char *name, bool wildcard)
{
    if (strlen(name) >= CERT_NAME_MAX) {
        return false;
    }
    if (wildcard && strncmp(name, "*.", 2) == 0) {
        name += 2;
        if (!strchr(name, '.')) {
            return false;
        }
    }
    for (;;) {
        size_t n = strcspn(name, ".");
        if (!label_ok(name, n)) {
            return false;
        }
        if (!name[n]) {
            return true;
        }
        name += n + 1;
    }
}

bool cert_name_matches(const char *pattern, const char *name)
{
    if (strncmp(pattern, "*.", 2) != 0) {
        return strcasecmp(pattern, name) == 0;
    }
    const char *dot = strchr(name, '.');
    return dot && dot != name && strcasecmp(pattern + 1, dot) == 0;
}

int cert_get_names(gnutls_x509_crt_t crt, struct cert_names *ret, struct vr_err *err)
{
    ret->n = 0;
    for (unsigned seq = 0;; seq++) {
        char san[CERT_NAME_MAX + 1];
        size_t n = sizeof san;
        int type = gnutls_x509_crt_get_subject_alt_name(crt, seq, san, &n, NULL);
        if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) {
            return 0;
        }
        if (type == GNUTLS_E_SHORT_MEMORY_BUFFER) {
            continue; /* longer than any host name, or an address or directory name: none of ours */
        }
        if (type < 0) {
            return vr_fail(err, VR_E_INVALID, "bad subject alternative name: %s",
                           gnutls_strerror(type));
        }
        /* The length is compared: "good.example\0.evil" is not "good.example". */
        if (type != GNUTLS_SAN_DNSNAME || n >= CERT_NAME_MAX || memchr(san, 0, n)) {
            continue;
        }
        san[n] = '\0';
        if (!cert_name_ok(san, true)) {
            continue;
        }
        if (ret->n == CERT_NAMES_MAX) {
            return vr_fail(err, VR_E_LIMIT, "certificate carries more than %d names",
                           CERT_NAMES_MAX);
        }
        memcpy(ret->name[ret->n++], san, n + 1);
    }
}

const char *cert_day(time_t t, char *buf, size_t cap)
{
    struct tm tm;
    if (!gmtime_r(&t, &tm) || strftime(buf, cap, "%Y-%m-%d", &tm) == 0) {
        snprintf(buf, cap, "?");
    }
    return buf;
}
