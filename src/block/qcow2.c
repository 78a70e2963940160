/* SPDX-License-Identifier: Apache-2.0 */
#include "block/qcow2.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/err.h"
#include "util/num.h"

#define QCOW2_CHAIN_MAX 200u   /* images on top of each other; QEMU opens all of them */
#define HEAD_MAX 65536u        /* bytes of an image that are looked at */
#define BACKING_NAME_MAX 1023u /* QEMU's */
#define EXTENSIONS_OF_V2 72u   /* where they begin */
#define BACKING_FORMAT 0xe2792acau

enum {
    VERSION_AT = 4,
    BACKING_AT = 8,
    BACKING_LEN_AT = 16,
    HEADER_LEN_AT = 100,
    HEADER_MIN = 104
};

struct link {
    char name[BACKING_NAME_MAX + 1]; /* of the backing file; "": none */
    char format[16];                 /* "": it does not say, or none that is known */
};

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* n: how much of the image h has. */
static void find_format(const uint8_t *h, size_t n, struct link *ret)
{
    size_t at = be32(h + VERSION_AT) < 3 ? EXTENSIONS_OF_V2 : be32(h + HEADER_LEN_AT);
    while (at <= n && n - at >= 8) {
        uint32_t type = be32(h + at), len = be32(h + at + 4);
        at += 8;
        if (type == 0 || len > n - at) {
            return;
        }
        if (type == BACKING_FORMAT && len < sizeof ret->format) {
            memcpy(ret->format, h + at, len);
            ret->format[len] = '\0';
            return;
        }
        at += vr_round_up(len, 8);
    }
}

/* The first bytes of it, HEAD_MAX or all there are; 0 when it cannot be read. */
static size_t read_head(const char *path, uint8_t *h)
{
    size_t n = 0;
    _cleanup_(vr_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    while (fd >= 0 && n < HEAD_MAX) {
        ssize_t r = pread(fd, h + n, HEAD_MAX - n, (off_t)n);
        if (r == 0 || (r < 0 && errno != EINTR)) {
            break;
        }
        n += r > 0 ? (size_t)r : 0;
    }
    return n;
}

static void read_link(const char *path, uint8_t *h, struct link *ret)
{
    size_t n = read_head(path, h);
    *ret = (struct link){0};
    if (n < HEADER_MIN || memcmp(h, "QFI\xfb", 4) != 0) {
        return;
    }
    uint64_t at = (uint64_t)be32(h + BACKING_AT) << 32 | be32(h + BACKING_AT + 4);
    uint32_t len = be32(h + BACKING_LEN_AT);
    if (at == 0) {
        return;
    }
    if (len == 0 || len > BACKING_NAME_MAX || !vr_range_ok(at, len, n)) {
        ret->name[0] = '?'; /* where no image of QEMU's has it: not said */
        return;
    }
    memcpy(ret->name, h + at, len);
    find_format(h, n, ret);
}

/* Relative names start where the image is. NULL: no file by its path ("json:", "nbd:"). */
static char *path_of(const char *image, const char *name)
{
    const char *colon = strchr(name, ':'), *slash = strchr(name, '/');
    const char *dir_end = strrchr(image, '/');
    char *path = NULL;
    if (name[0] == '/') {
        return strdup(name);
    }
    if ((colon && (!slash || colon < slash)) || !dir_end) {
        return NULL;
    }
    return asprintf(&path, "%.*s/%s", (int)(dir_end - image), image, name) < 0 ? NULL : path;
}

static int fail_unsaid(const char *image, const struct link *l, struct vr_err *err)
{
    return vr_fail(err, VR_E_UNSUPPORTED,
                   "image '%.120s' does not say of which format its backing file is, and guessing "
                   "is not safe: 'qemu-img rebase -u -F FORMAT -b %.80s IMAGE' while its VM is off "
                   "writes it",
                   image, l->name);
}

int qcow2_check_chain(const char *path, struct vr_err *err)
{
    _cleanup_(vr_freep) char *at = strdup(path);
    _cleanup_(vr_freep) uint8_t *head = malloc(HEAD_MAX);
    if (!at || !head) {
        return vr_fail_nomem(err);
    }
    for (unsigned i = 0; i < QCOW2_CHAIN_MAX; i++) {
        struct link l;
        read_link(at, head, &l);
        if (!l.name[0]) {
            return 0;
        }
        if (!l.format[0]) {
            return fail_unsaid(at, &l, err);
        }
        char *next = strcmp(l.format, "qcow2") == 0 ? path_of(at, l.name) : NULL;
        if (!next) {
            return 0;
        }
        free(at);
        at = next;
    }
    return vr_fail(err, VR_E_LIMIT, "image '%.120s' has more than %u backing files", path,
                   QCOW2_CHAIN_MAX);
}
