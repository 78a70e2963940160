/* SPDX-License-Identifier: Apache-2.0 */
#include "util/fdio.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"

int vr_pread_full(int fd, void *p, size_t n, uint64_t off, struct vr_err *err)
{
    uint8_t *b = p;
    while (n) {
        ssize_t r = pread(fd, b, n, (off_t)off);
        if (r < 0 && errno == EINTR) {
            continue;
        }
        if (r < 0) {
            return vr_fail_errno(err, VR_E_IO, "read of %zu bytes at %llu", n,
                                 (unsigned long long)off);
        }
        if (r == 0) {
            return vr_fail(err, VR_E_IO, "unexpected end at %llu", (unsigned long long)off);
        }
        b += r;
        off += (uint64_t)r;
        n -= (size_t)r;
    }
    return 0;
}

int vr_pwrite_full(int fd, const void *p, size_t n, uint64_t off, struct vr_err *err)
{
    const uint8_t *b = p;
    while (n) {
        ssize_t r = pwrite(fd, b, n, (off_t)off);
        if (r < 0 && errno == EINTR) {
            continue;
        }
        if (r < 0) {
            return vr_fail_errno(err, VR_E_IO, "write of %zu bytes at %llu", n,
                                 (unsigned long long)off);
        }
        b += r;
        off += (uint64_t)r;
        n -= (size_t)r;
    }
    return 0;
}

int vr_write_full(int fd, const void *p, size_t n, struct vr_err *err)
{
    const uint8_t *b = p;
    while (n) {
        ssize_t r = write(fd, b, n);
        if (r < 0 && errno == EINTR) {
            continue;
        }
        if (r < 0) {
            return vr_fail_errno(err, VR_E_IO, "write of %zu bytes", n);
        }
        b += r;
        n -= (size_t)r;
    }
    return 0;
}

int vr_fsync(int fd, struct vr_err *err)
{
    while (fsync(fd) < 0) {
        if (errno != EINTR) {
            return vr_fail_errno(err, VR_E_IO, "fsync");
        }
    }
    return 0;
}

int vr_fsync_dir(const char *dir, struct vr_err *err)
{
    _cleanup_(vr_closep) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return vr_fail_errno(err, VR_E_IO, "cannot open directory '%s'", dir);
    }
    return vr_wrap(err, vr_fsync(fd, err), "directory '%s'", dir);
}

static int read_open_file(
    int fd, const char *path, size_t max, char **ret_text, size_t *ret_len, struct vr_err *err)
{
    size_t cap = 4096, len = 0;
    _cleanup_(vr_freep) char *text = malloc(cap + 1);
    if (!text) {
        return vr_fail_nomem(err);
    }
    for (;;) {
        ssize_t r = read(fd, text + len, cap - len);
        if (r < 0 && errno == EINTR) {
            continue;
        }
        if (r < 0) {
            return vr_fail_errno(err, VR_E_IO, "cannot read '%s'", path);
        }
        if (r == 0) {
            break;
        }
        len += (size_t)r;
        if (len > max) {
            return vr_fail(err, VR_E_LIMIT, "'%s' is larger than %zu bytes", path, max);
        }
        if (len == cap) {
            char *more = realloc(text, cap * 2 + 1);
            if (!more) {
                return vr_fail_nomem(err);
            }
            text = more;
            cap *= 2;
        }
    }
    text[len] = '\0';
    *ret_text = TAKE_PTR(text);
    if (ret_len) {
        *ret_len = len;
    }
    return 0;
}

int vr_read_file(const char *path, size_t max, char **ret_text, size_t *ret_len, struct vr_err *err)
{
    _cleanup_(vr_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        return vr_fail_errno(err, VR_E_IO, "cannot open '%s'", path);
    }
    return read_open_file(fd, path, max, ret_text, ret_len, err);
}

int vr_read_secret_file(
    const char *path, size_t max, char **ret_text, size_t *ret_len, struct vr_err *err)
{
    _cleanup_(vr_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        return vr_fail_errno(err, VR_E_IO, "cannot open '%s'", path);
    }
    struct stat st;
    if (fstat(fd, &st) < 0) {
        return vr_fail_errno(err, VR_E_IO, "cannot stat '%s'", path);
    }
    if (st.st_mode & 077) {
        return vr_fail(err, VR_E_DENIED,
                       "'%s' may be read by others (mode %04o): run  chmod 600 '%s'", path,
                       (unsigned)(st.st_mode & 07777), path);
    }
    return read_open_file(fd, path, max, ret_text, ret_len, err);
}

static int sync_parent(const char *path, struct vr_err *err)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    if (n >= sizeof dir) {
        return vr_fail(err, VR_E_LIMIT, "path longer than %d", PATH_MAX);
    }
    memcpy(dir, path, n);
    dir[n] = '\0';
    return vr_fsync_dir(!slash ? "." : n ? dir : "/", err);
}

static int write_and_sync(int fd, const void *p, size_t n, mode_t mode, struct vr_err *err)
{
    if (fchmod(fd, mode) < 0) {
        return vr_fail_errno(err, VR_E_IO, "chmod");
    }
    int r = vr_write_full(fd, p, n, err);
    return r < 0 ? r : vr_fsync(fd, err);
}

int vr_write_file_durable(
    const char *path, const void *p, size_t n, mode_t mode, struct vr_err *err)
{
    char tmp[PATH_MAX];
    int len = snprintf(tmp, sizeof tmp, "%s.XXXXXX", path);
    if (len < 0 || (size_t)len >= sizeof tmp) {
        return vr_fail(err, VR_E_LIMIT, "path longer than %d", PATH_MAX);
    }
    _cleanup_(vr_closep) int fd = mkostemp(tmp, O_CLOEXEC);
    if (fd < 0) {
        return vr_fail_errno(err, VR_E_IO, "cannot create a temporary file beside '%s'", path);
    }
    int r = write_and_sync(fd, p, n, mode, err);
    if (r == 0 && rename(tmp, path) < 0) {
        r = vr_fail_errno(err, VR_E_IO, "rename");
    }
    if (r < 0) {
        unlink(tmp);
        return vr_wrap(err, r, "cannot write '%s'", path);
    }
    return sync_parent(path, err);
}

int vr_mkdirs(const char *path, mode_t mode, struct vr_err *err)
{
    char part[PATH_MAX];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof part) {
        return vr_fail(err, VR_E_INVALID, "bad directory path");
    }
    memcpy(part, path, n + 1);
    for (char *p = part + 1;; p++) {
        if (*p != '/' && *p != '\0') {
            continue;
        }
        char c = *p;
        *p = '\0';
        if (mkdir(part, mode) < 0 && errno != EEXIST) {
            return vr_fail_errno(err, VR_E_IO, "cannot make directory '%s'", part);
        }
        if (!c) {
            return 0;
        }
        *p = c;
    }
}
