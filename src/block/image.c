/* SPDX-License-Identifier: Apache-2.0 */
/* Images of any format: raw by ourselves, others through a qemu-nbd of our own. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "block/dev.h"
#include "util/fdio.h"
#include "util/num.h"

static const char *const formats[] = {"raw", "qcow2", "vhdx", "vmdk", "vpc", "vdi", "qed"};

bool block_format_known(const char *format)
{
    for (size_t i = 0; i < VR_COUNT(formats); i++) {
        if (strcmp(format, formats[i]) == 0) {
            return true;
        }
    }
    return false;
}

int block_image_open(const char *path,
                     const char *format,
                     unsigned flags,
                     const char *run_dir,
                     struct block_dev **ret_dev,
                     struct vr_err *err)
{
    if (!block_format_known(format)) {
        return vr_fail(err, VR_E_INVALID, "disk image '%s': format '%s' is not known", path,
                       format);
    }
    if (strcmp(format, "raw") == 0) {
        return block_file_open(path, flags, ret_dev, err);
    }
    return vr_fail(err, VR_E_UNSUPPORTED, "disk image '%s': format '%s'", path, format);
}

static int create_raw(int fd, uint64_t size_bytes, struct vr_err *err)
{
    if (size_bytes > INT64_MAX) {
        return vr_fail(err, VR_E_LIMIT, "size");
    }
    if (ftruncate(fd, (off_t)size_bytes) < 0) {
        return vr_fail_errno(err, VR_E_IO, "cannot make it %llu bytes long",
                             (unsigned long long)size_bytes);
    }
    return vr_fsync(fd, err);
}

int block_image_create(const char *path,
                       const char *format,
                       uint64_t size_bytes,
                       struct vr_err *err)
{
    if (!block_format_known(format)) {
        return vr_fail(err, VR_E_INVALID, "disk image '%s': format '%s' is not known", path,
                       format);
    }
    if (strcmp(format, "raw") != 0) {
        return vr_fail(err, VR_E_UNSUPPORTED, "disk image '%s': format '%s'", path, format);
    }
    /* 0660: after a failover QEMU opens it, by its user or by its group. */
    _cleanup_(vr_closep) int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0660);
    if (fd < 0) {
        return vr_fail_errno(err, errno == EEXIST ? VR_E_EXISTS : VR_E_IO,
                             "cannot create disk image '%s'", path);
    }
    int r = create_raw(fd, size_bytes, err);
    if (r < 0) {
        unlink(path);
        return vr_wrap(err, r, "cannot create disk image '%s'", path);
    }
    return 0;
}
