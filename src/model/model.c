/* SPDX-License-Identifier: Apache-2.0 */
#include "model/model.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "util/num.h"

bool vr_name_ok(const char *name)
{
    size_t n = strnlen(name, VR_NAME_MAX);
    if (n == 0 || n >= VR_NAME_MAX || name[0] == '.') {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!isalnum((unsigned char)name[i]) && !strchr("._-", name[i])) {
            return false;
        }
    }
    return true;
}

bool vr_format_known(const char *format, size_t len)
{
    static const char *const formats[] = {"raw", "qcow2", "vhdx", "vmdk", "vpc", "vdi", "qed"};
    for (size_t i = 0; i < VR_COUNT(formats); i++) {
        if (strlen(formats[i]) == len && memcmp(formats[i], format, len) == 0) {
            return true;
        }
    }
    return false;
}

const char *vr_consistency_text(int consistency)
{
    switch (consistency) {
#define X(name, number, text)                                                                      \
    case number:                                                                                   \
        return text;
        VR_CONSISTENCIES(X)
#undef X
    default:
        return "not known";
    }
}

const char *vr_left_out_text(int left_out)
{
    switch (left_out) {
#define X(name, number, text)                                                                      \
    case number:                                                                                   \
        return text;
        VR_LEFT_OUTS(X)
#undef X
    default:
        return "it is left out";
    }
}

static bool host_chars_ok(const char *host)
{
    for (const char *p = host; *p; p++) {
        if (!isalnum((unsigned char)*p) && !strchr(".-_:", *p)) {
            return false;
        }
    }
    return *host != '\0';
}

bool vr_host_split(const char *point, char *ret_host, size_t cap, uint16_t *ret_port)
{
    const char *start = point, *end, *port = NULL;
    if (*point == '[') {
        start = point + 1;
        end = strchr(start, ']');
        if (!end || (end[1] && end[1] != ':')) {
            return false;
        }
        port = end[1] ? end + 2 : NULL;
    } else {
        end = strchr(point, ':');
        port = end ? end + 1 : NULL;
        end = end ? end : point + strlen(point);
    }
    size_t n = (size_t)(end - start);
    uint64_t v = VR_PEER_PORT;
    if (n == 0 || n >= cap || (port && !vr_parse_u64(port, 1, 65535, &v))) {
        return false;
    }
    memcpy(ret_host, start, n);
    ret_host[n] = '\0';
    *ret_port = (uint16_t)v;
    return host_chars_ok(ret_host);
}

bool vr_host_matches(const char *pattern, const char *name)
{
    if (strncmp(pattern, "*.", 2) != 0) {
        return strcasecmp(pattern, name) == 0;
    }
    const char *dot = strchr(name, '.');
    return dot && dot != name && strcasecmp(pattern + 1, dot) == 0;
}

bool vr_host_pattern_ok(const char *pattern)
{
    const char *p = strncmp(pattern, "*.", 2) == 0 ? pattern + 2 : pattern;
    if (strnlen(pattern, VR_HOST_MAX) >= VR_HOST_MAX) {
        return false;
    }
    for (;;) {
        size_t n = strcspn(p, ".");
        if (n == 0 || n > 63 || p[0] == '-' || p[n - 1] == '-') {
            return false;
        }
        for (size_t i = 0; i < n; i++) {
            if (!isalnum((unsigned char)p[i]) && p[i] != '-') {
                return false;
            }
        }
        if (!p[n]) {
            return true;
        }
        p += n + 1;
    }
}

uint64_t vr_vm_bytes(const struct vr_vm *vm)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < vm->ndisks; i++) {
        sum += vm->disks[i].excluded ? 0 : vm->disks[i].size_bytes;
    }
    return sum;
}
