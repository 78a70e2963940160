/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stor on a real directory. Files are reached from the directory's descriptor, so that moving the
 * directory does not lead astray; images by path, since qemu-nbd opens them by itself. Symbolic
 * links are not followed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block/stor.h"
#include "block/stor_dir.h"
#include "util/fdio.h"

#define TMP_PREFIX ".tmp-" /* half-made replacements; not listed, overwritten by the next one */

struct dir_stor {
    struct stor s;
    int fd;
    char *path, *run_dir;
};

struct dir_lock {
    struct stor_lock l;
    int fd;
};

static struct dir_stor *dir_of(struct stor *s)
{
    return (struct dir_stor *)s;
}

static int open_in(struct stor *s, const char *name, int flags, struct vr_err *err)
{
    int fd =
        openat(dir_of(s)->fd, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
    if (fd < 0) {
        return vr_fail_errno(err, VR_E_IO, "cannot open '%s' in '%s'", name, dir_of(s)->path);
    }
    return fd;
}

static int dir_read(
    struct stor *s, const char *name, size_t max, char **ret, size_t *ret_len, struct vr_err *err)
{
    int got = open_in(s, name, O_RDONLY, err);
    if (got < 0) {
        return got;
    }
    _cleanup_(vr_closep) int fd = got;
    struct stat st;
    if (fstat(fd, &st) < 0) {
        return vr_fail_errno(err, VR_E_IO, "stat of '%s'", name);
    }
    if (!S_ISREG(st.st_mode)) {
        return vr_fail(err, VR_E_INVALID, "'%s' in '%s' is not a file", name, dir_of(s)->path);
    }
    if ((uint64_t)st.st_size > max) {
        return vr_fail(err, VR_E_LIMIT, "'%s' in '%s' is larger than %zu bytes", name,
                       dir_of(s)->path, max);
    }
    _cleanup_(vr_freep) char *text = malloc((size_t)st.st_size + 1);
    if (!text) {
        return vr_fail_nomem(err);
    }
    size_t n = 0;
    int r = stor_dir_read_upto(fd, text, (size_t)st.st_size, 0, &n, err);
    if (r < 0) {
        return vr_wrap(err, r, "'%s' in '%s'", name, dir_of(s)->path);
    }
    text[n] = '\0';
    *ret = TAKE_PTR(text);
    if (ret_len) {
        *ret_len = n;
    }
    return 0;
}

static int sync_dir(struct stor *s, struct vr_err *err)
{
    return vr_wrap(err, vr_fsync(dir_of(s)->fd, err), "directory '%s'", dir_of(s)->path);
}

static int write_tmp(struct stor *s, const char *tmp, const void *p, size_t n, struct vr_err *err)
{
    int got = open_in(s, tmp, O_WRONLY | O_CREAT | O_TRUNC, err);
    if (got < 0) {
        return got;
    }
    _cleanup_(vr_closep) int fd = got;
    if (fchmod(fd, 0600) < 0) {
        return vr_fail_errno(err, VR_E_IO, "chmod");
    }
    int r = vr_write_full(fd, p, n, err);
    return r < 0 ? r : vr_fsync(fd, err);
}

static int
dir_replace(struct stor *s, const char *name, const void *p, size_t n, struct vr_err *err)
{
    struct dir_stor *d = dir_of(s);
    char tmp[NAME_MAX + 1];
    snprintf(tmp, sizeof tmp, TMP_PREFIX "%s", name);
    int r = write_tmp(s, tmp, p, n, err);
    if (r == 0 && renameat(d->fd, tmp, d->fd, name) < 0) {
        r = vr_fail_errno(err, VR_E_IO, "rename");
    }
    if (r < 0) {
        unlinkat(d->fd, tmp, 0);
        return vr_wrap(err, r, "cannot replace '%s' in '%s'", name, d->path);
    }
    return sync_dir(s, err);
}

static bool dir_exists(struct stor *s, const char *name)
{
    struct stat st;
    return fstatat(dir_of(s)->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int dir_rename(struct stor *s, const char *from, const char *to, struct vr_err *err)
{
    struct dir_stor *d = dir_of(s);
    if (renameat(d->fd, from, d->fd, to) < 0) {
        return vr_fail_errno(err, VR_E_IO, "cannot rename '%s' to '%s' in '%s'", from, to, d->path);
    }
    return 0;
}

static int dir_unlink(struct stor *s, const char *name, struct vr_err *err)
{
    struct dir_stor *d = dir_of(s);
    _cleanup_(vr_closep) int held = stor_dir_hold(d->fd, name);
    if (unlinkat(d->fd, name, 0) < 0) {
        return errno == ENOENT
                   ? 0
                   : vr_fail_errno(err, VR_E_IO, "cannot remove '%s' in '%s'", name, d->path);
    }
    if (held >= 0) {
        stor_dir_gone(TAKE_FD(held));
    }
    return 0;
}

static bool is_listed(const char *name)
{
    return strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
           strncmp(name, TMP_PREFIX, strlen(TMP_PREFIX)) != 0;
}

static int
dir_list(struct stor *s, void (*cb)(const char *name, void *ctx), void *ctx, struct vr_err *err)
{
    struct dir_stor *d = dir_of(s);
    int fd = openat(d->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int r = vr_fail_errno(err, VR_E_IO, "cannot list '%s'", d->path);
        if (fd >= 0) {
            close(fd);
        }
        return r;
    }
    struct dirent *e;
    while ((void)(errno = 0), (e = readdir(dir)) != NULL) {
        if (is_listed(e->d_name)) {
            cb(e->d_name, ctx);
        }
    }
    int r = errno ? vr_fail_errno(err, VR_E_IO, "cannot list '%s'", d->path) : 0;
    closedir(dir);
    return r;
}

static int dir_free_bytes(struct stor *s, uint64_t *ret, struct vr_err *err)
{
    return vr_wrap(err, stor_dir_free_bytes(dir_of(s)->fd, ret, err), "'%s'", dir_of(s)->path);
}

static int
dir_open(struct stor *s, const char *name, bool create, struct stor_file **ret, struct vr_err *err)
{
    struct vr_err why = VR_ERR_INIT;
    if (create) {
        stor_dir_await_gone(dir_of(s)->fd); /* what is written next may need the space */
    }
    int got = open_in(s, name, create ? O_RDWR | O_CREAT : O_RDWR, &why);
    if (got < 0 && !create && (why.sys_errno == EROFS || why.sys_errno == EACCES)) {
        got = open_in(s, name, O_RDONLY, err); /* enough to read a medium that cannot be written */
    } else if (got < 0 && err) {
        *err = why;
    }
    if (got < 0) {
        return got;
    }
    int r = stor_dir_file_new(s, got, ret, err);
    return r < 0 ? vr_wrap(err, r, "'%s' in '%s'", name, dir_of(s)->path) : 0;
}

static int image_path(struct stor *s, const char *name, char *buf, size_t cap, struct vr_err *err)
{
    int n = snprintf(buf, cap, "%s/%s", dir_of(s)->path, name);
    if (n < 0 || (size_t)n >= cap) {
        return vr_fail(err, VR_E_LIMIT, "path of '%s' is longer than %zu", name, cap - 1);
    }
    return 0;
}

static int dir_open_image(struct stor *s,
                          const char *name,
                          const char *format,
                          unsigned flags,
                          struct block_dev **ret,
                          struct vr_err *err)
{
    char path[PATH_MAX];
    int r = image_path(s, name, path, sizeof path, err);
    return r < 0 ? r : block_image_open(path, format, flags, dir_of(s)->run_dir, ret, err);
}

static int dir_lock_image(struct stor *s,
                          const char *name,
                          enum image_lock_mode mode,
                          struct stor_lock **ret,
                          struct vr_err *err)
{
    int got = open_in(s, name, O_RDONLY, err);
    if (got < 0) {
        return got;
    }
    _cleanup_(vr_closep) int fd = got;
    int r = image_lock(fd, mode, name, err);
    if (r < 0) {
        return r;
    }
    struct dir_lock *l = calloc(1, sizeof *l);
    if (!l) {
        return vr_fail_nomem(err);
    }
    l->l.stor = s;
    l->fd = TAKE_FD(fd);
    *ret = &l->l;
    return 0;
}

static void dir_unlock_image(struct stor_lock *lock)
{
    struct dir_lock *l = (struct dir_lock *)lock;
    image_unlock(l->fd); /* a child between fork and exec may share the description */
    close(l->fd);
    free(l);
}

static int dir_create_image(
    struct stor *s, const char *name, const char *format, uint64_t size, struct vr_err *err)
{
    char path[PATH_MAX];
    int r = image_path(s, name, path, sizeof path, err);
    return r < 0 ? r : block_image_create(path, format, size, err);
}

static int dir_resize_image(
    struct stor *s, const char *name, const char *format, uint64_t size, struct vr_err *err)
{
    char path[PATH_MAX];
    int r = image_path(s, name, path, sizeof path, err);
    return r < 0 ? r : block_image_resize(path, format, size, err);
}

static int
dir_check_resizes(struct stor *s, const char *name, const char *format, struct vr_err *err)
{
    char path[PATH_MAX];
    int r = image_path(s, name, path, sizeof path, err);
    return r < 0 ? r : block_image_check_resizes(path, format, err);
}

static int
dir_repair_image(struct stor *s, const char *name, const char *format, struct vr_err *err)
{
    char path[PATH_MAX];
    int r = image_path(s, name, path, sizeof path, err);
    return r < 0 ? r : block_image_repair(path, format, err);
}

/* splitmix64's finisher: every bit of x reaches every bit of the result. */
static uint64_t mix(uint64_t h, uint64_t x)
{
    h = (h ^ x) + 0x9e3779b97f4a7c15u;
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
    h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
    return h ^ (h >> 31);
}

static int dir_image_stamp(struct stor *s, const char *name, uint64_t *ret, struct vr_err *err)
{
    struct stat st;
    if (fstatat(dir_of(s)->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno != ENOENT) {
            return vr_fail_errno(err, VR_E_IO, "stat of '%s' in '%s'", name, dir_of(s)->path);
        }
        *ret = 0;
        return 0;
    }
    uint64_t h = mix(0, (uint64_t)st.st_size);
    h = mix(h, (uint64_t)st.st_mtim.tv_sec);
    h = mix(h, (uint64_t)st.st_mtim.tv_nsec);
    h = mix(h, (uint64_t)st.st_ctim.tv_sec);
    h = mix(h, (uint64_t)st.st_ctim.tv_nsec);
    h = mix(h, (uint64_t)st.st_ino);
    *ret = h ? h : 1;
    return 0;
}

static void dir_close(struct stor *s)
{
    struct dir_stor *d = dir_of(s);
    if (d->fd >= 0) {
        close(d->fd);
    }
    free(d->path);
    free(d->run_dir);
    free(d);
}

static const struct stor_ops dir_ops = {
    .name = "dir",
    .read = dir_read,
    .replace = dir_replace,
    .exists = dir_exists,
    .rename = dir_rename,
    .unlink = dir_unlink,
    .sync_dir = sync_dir,
    .list = dir_list,
    .free_bytes = dir_free_bytes,
    .open = dir_open,
    .file_append = stor_dir_file_append,
    .file_read = stor_dir_file_read,
    .file_settle = stor_dir_file_settle,
    .file_sync = stor_dir_file_sync,
    .file_truncate = stor_dir_file_truncate,
    .file_reserve = stor_dir_file_reserve,
    .file_size = stor_dir_file_size,
    .file_close = stor_dir_file_close,
    .open_image = dir_open_image,
    .lock_image = dir_lock_image,
    .unlock_image = dir_unlock_image,
    .create_image = dir_create_image,
    .resize_image = dir_resize_image,
    .check_resizes = dir_check_resizes,
    .repair_image = dir_repair_image,
    .image_stamp = dir_image_stamp,
    .close = dir_close,
};

int stor_dir_open(
    const char *path, bool create, const char *run_dir, struct stor **ret, struct vr_err *err)
{
    if (create) {
        int r = vr_mkdirs(path, 0770, err);
        if (r < 0) {
            return r;
        }
    }
    _cleanup_(stor_closep) struct stor *s = NULL;
    struct dir_stor *d = calloc(1, sizeof *d);
    if (!d) {
        return vr_fail_nomem(err);
    }
    d->s.ops = &dir_ops;
    s = &d->s;
    d->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->fd < 0) {
        return vr_fail_errno(err, VR_E_IO, "cannot open directory '%s'", path);
    }
    d->path = realpath(path, NULL);
    d->run_dir = strdup(run_dir ? run_dir : "");
    if (!d->path || !d->run_dir) {
        return vr_fail_nomem(err);
    }
    *ret = TAKE_PTR(s);
    return 0;
}
