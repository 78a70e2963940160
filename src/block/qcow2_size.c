/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the header of a qcow2 image says of whether QEMU would give it another size: it refuses
 * where snapshots of version 2 do not say their own, and where a bitmap cannot follow since its
 * writer died. Everything read here may be anybody's bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "block/dev.h"
#include "util/cleanup.h"
#include "util/num.h"

#define HEADER_BYTES 104u
#define VERSION_AT 4u
#define SNAPSHOTS_AT 60u
#define AUTOCLEAR_AT 88u
#define LENGTH_AT 100u
#define VERSION_2_BYTES 72u
#define AUTOCLEAR_BITMAPS 1u
#define EXTENSIONS_MAX 64u
#define EXTENSION_BITMAPS 0x23852875u
#define EXTENSION_BITMAPS_BYTES 24u
#define BITMAPS_MAX 65535u /* QEMU's own limit */
#define BITMAP_NAME_MAX 1023u
#define BITMAP_HEAD 24u
#define BITMAP_IN_USE 1u

static uint64_t number(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        v = v << 8 | p[i];
    }
    return v;
}

static bool read_at(int fd, void *buf, size_t n, uint64_t off)
{
    return off <= INT64_MAX - n && pread(fd, buf, n, (off_t)off) == (ssize_t)n;
}

/* False: there is none, or it cannot be read, which QEMU will say when it opens the image. */
static bool find_bitmaps(int fd, const uint8_t *header, uint8_t ret[EXTENSION_BITMAPS_BYTES])
{
    uint8_t head[8];
    uint64_t at = number(header + LENGTH_AT, 4);
    for (unsigned i = 0; i < EXTENSIONS_MAX && read_at(fd, head, sizeof head, at); i++) {
        uint64_t type = number(head, 4), len = number(head + 4, 4);
        at += sizeof head;
        if (type == EXTENSION_BITMAPS && len == EXTENSION_BITMAPS_BYTES) {
            return read_at(fd, ret, EXTENSION_BITMAPS_BYTES, at);
        }
        if (type == 0) {
            return false;
        }
        at += vr_round_up(len, 8);
    }
    return false;
}

static int check_bitmaps(int fd, const uint8_t *header, struct vr_err *err)
{
    uint8_t ext[EXTENSION_BITMAPS_BYTES], head[BITMAP_HEAD];
    char name[BITMAP_NAME_MAX + 1] = "";
    bool valid = number(header + AUTOCLEAR_AT, 8) & AUTOCLEAR_BITMAPS;
    if (!valid || !find_bitmaps(fd, header, ext)) {
        return 0; /* what is not valid QEMU does not look at */
    }
    uint64_t n = VR_MIN(number(ext, 4), (uint64_t)BITMAPS_MAX), at = number(ext + 16, 8);
    for (uint64_t i = 0; i < n && read_at(fd, head, sizeof head, at); i++) {
        uint64_t flags = number(head + 12, 4), len = number(head + 18, 2);
        uint64_t extra = number(head + 20, 4);
        if (flags & BITMAP_IN_USE) {
            len = VR_MIN(len, (uint64_t)BITMAP_NAME_MAX);
            name[read_at(fd, name, len, at + sizeof head + extra) ? len : 0] = '\0';
            return vr_fail(err, VR_E_UNSUPPORTED,
                           "it has the inconsistent bitmap '%.60s', and QEMU does not resize it: "
                           "remove that by qemu-img bitmap --remove",
                           name);
        }
        at += vr_round_up(sizeof head + extra + len, 8);
    }
    return 0;
}

int block_image_check_resizes(const char *path, const char *format, struct vr_err *err)
{
    uint8_t header[HEADER_BYTES];
    if (!block_format_resizes(format)) {
        return vr_fail(err, VR_E_UNSUPPORTED, "images of format %s keep their size", format);
    }
    if (strcmp(format, "qcow2") != 0) {
        return 0;
    }
    _cleanup_(vr_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
    if (fd < 0) {
        return vr_fail_errno(err, VR_E_IO, "cannot open disk image '%s'", path);
    }
    if (!read_at(fd, header, VERSION_2_BYTES, 0) || memcmp(header, "QFI\xfb", 4) != 0) {
        return vr_fail(err, VR_E_CORRUPT, "disk image '%s' is no qcow2 image", path);
    }
    if (number(header + VERSION_AT, 4) < 3) {
        return number(header + SNAPSHOTS_AT, 4) == 0
                   ? 0
                   : vr_fail(err, VR_E_UNSUPPORTED,
                             "it is a qcow2 image of version 2 with snapshots, which QEMU does not "
                             "resize: delete those, or qemu-img amend -o compat=1.1");
    }
    return read_at(fd, header, HEADER_BYTES, 0) ? check_bitmaps(fd, header, err) : 0;
}
