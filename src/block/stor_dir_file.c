/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An open file of a directory: a log that is appended to and read in order.
 *
 * Long appends pass the page cache by, when the end of the file and their length are aligned:
 * pages for data that nobody reads soon cost more than the disk. All other appends are buffered.
 * One page is never written both ways: a direct append begins and ends at a page, and where a
 * buffered one has ended inside a page the next ones are buffered, too, until a page is full.
 * Reads of a file of some size go the same way, some pieces ahead of a reader that reads in order,
 * or equal distances apart.
 */
#include "block/stor_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "block/file_direct.h"
#include "util/fdio.h"
#include "util/num.h"

#define DIRECT_APPEND_MIN (64u << 10) /* below, the pages cost less than waiting for the disk */
#define BOUNCE_BYTES (512u << 10)
#define DIRECT_READ_MIN (1u << 20) /* files below are read through the page cache */
#define READ_SLOTS 16u
#define READ_AHEAD (2u << 20)
#define READ_STRIDES 8u /* ahead of a reader that leaves equal parts out: of indexes, for one */

struct dir_file {
    struct stor_file f;
    int fd;
    uint64_t size;
    bool torn; /* bytes of a failed append may still be behind size */
    bool asked_direct, asked_reader;
    int direct_fd; /* -1: none */
    size_t align;
    uint8_t *bounce; /* aligned, for callers whose memory is not */
    struct direct *reader;
    uint64_t read_off, read_end, ahead_end; /* the last read; what was hinted ends before */
    uint64_t stride, next_stride;           /* between the last two reads; the next hint */
};

static struct dir_file *file_of(struct stor_file *f)
{
    return (struct dir_file *)f;
}

/* Up to n bytes; fewer only at the end. */
int stor_dir_read_upto(int fd, void *p, size_t n, uint64_t off, size_t *ret_n, struct vr_err *err)
{
    size_t got = 0;
    while (got < n) {
        ssize_t r = pread(fd, (uint8_t *)p + got, n - got, (off_t)(off + got));
        if (r < 0 && errno == EINTR) {
            continue;
        }
        if (r < 0) {
            return vr_fail_errno(err, VR_E_IO, "read at %llu", (unsigned long long)off);
        }
        if (r == 0) {
            break;
        }
        got += (size_t)r;
    }
    *ret_n = got;
    return 0;
}

int stor_dir_free_bytes(int fd, uint64_t *ret, struct vr_err *err)
{
    struct statvfs v;
    if (fstatvfs(fd, &v) < 0) {
        return vr_fail_errno(err, VR_E_IO, "cannot ask for free space");
    }
    *ret = (uint64_t)v.f_bavail * v.f_frsize;
    return 0;
}

int stor_dir_file_new(struct stor *s, int take_fd, struct stor_file **ret, struct vr_err *err)
{
    _cleanup_(vr_closep) int fd = take_fd;
    struct stat st;
    if (fstat(fd, &st) < 0) {
        return vr_fail_errno(err, VR_E_IO, "stat");
    }
    if (!S_ISREG(st.st_mode)) {
        return vr_fail(err, VR_E_INVALID, "not a file");
    }
    struct dir_file *f = calloc(1, sizeof *f);
    if (!f) {
        return vr_fail_nomem(err);
    }
    f->f.stor = s;
    f->size = (uint64_t)st.st_size;
    f->fd = TAKE_FD(fd);
    f->direct_fd = -1;
    *ret = &f->f;
    return 0;
}

static int cut_torn(struct dir_file *f, struct vr_err *err)
{
    if (f->torn && ftruncate(f->fd, (off_t)f->size) < 0) {
        return vr_fail_errno(err, VR_E_IO, "cannot cut off a half-written record");
    }
    f->torn = false;
    return 0;
}

/* The file grew, shrank, or may have: what is read ahead near its end is not so any more. */
static void set_size(struct dir_file *f, uint64_t size)
{
    f->size = size;
    if (f->reader) {
        direct_resize(f->reader, size);
        f->ahead_end = f->read_end;
        f->next_stride = 0;
    }
}

/* Whole blocks from off on; *ret_done are written when the rest must go the other way. */
static int write_direct(struct dir_file *f,
                        const uint8_t *p,
                        size_t n,
                        uint64_t off,
                        size_t *ret_done,
                        struct vr_err *err)
{
    size_t done = 0;
    while (done < n && done % f->align == 0) {
        ssize_t r = pwrite(f->direct_fd, p + done, n - done, (off_t)(off + done));
        if (r < 0 && errno == EINVAL) {
            close(f->direct_fd); /* a file system may refuse only when it is asked to do it */
            f->direct_fd = -1;
            break;
        }
        if (r < 0 && errno != EINTR) {
            return vr_fail_errno(err, VR_E_IO, "write of %zu bytes at %llu", n - done,
                                 (unsigned long long)(off + done));
        }
        done += r < 0 ? 0 : (size_t)r;
    }
    *ret_done = done;
    return 0;
}

static bool goes_direct(struct dir_file *f, uint64_t off, size_t n)
{
    if (n < DIRECT_APPEND_MIN) {
        return false;
    }
    if (!f->asked_direct) {
        f->asked_direct = true;
        f->direct_fd = direct_fd_open(f->fd, &f->align);
    }
    return f->direct_fd >= 0 && ((off | n) & (f->align - 1)) == 0;
}

static int write_bytes(struct dir_file *f, const uint8_t *p, size_t n, struct vr_err *err)
{
    uint64_t off = f->size;
    int r = 0;
    while (r == 0 && n && goes_direct(f, off, n)) {
        size_t part = n, done = 0;
        const uint8_t *from = p;
        if ((uintptr_t)p & (f->align - 1)) {
            if (!f->bounce && !(f->bounce = aligned_alloc(f->align, BOUNCE_BYTES))) {
                return vr_fail_nomem(err);
            }
            part = VR_MIN(n, (size_t)BOUNCE_BYTES);
            from = memcpy(f->bounce, p, part);
        }
        r = write_direct(f, from, part, off, &done, err);
        p += done;
        off += done;
        n -= done;
    }
    return r < 0 ? r : vr_pwrite_full(f->fd, p, n, off, err);
}

int stor_dir_file_append(struct stor_file *sf, const void *p, size_t n, struct vr_err *err)
{
    struct dir_file *f = file_of(sf);
    int r = cut_torn(f, err);
    if (r < 0) {
        return r;
    }
    r = write_bytes(f, p, n, err);
    if (r == 0) {
        set_size(f, f->size + n);
        return 0;
    }
    /* Only when something was written: a truncation also gives back the space reserved behind the
     * end. */
    struct stat st;
    f->torn = fstat(f->fd, &st) < 0 || (uint64_t)st.st_size != f->size;
    (void)cut_torn(f, NULL);
    return r;
}

static struct direct *reader_of(struct dir_file *f)
{
    if (!f->asked_reader && f->size >= DIRECT_READ_MIN) {
        f->asked_reader = true;
        if (direct_new(f->fd, f->size, READ_SLOTS, DIRECT_PIECE_BYTES, &f->reader, NULL) < 0) {
            return NULL; /* then through the page cache */
        }
    }
    return f->reader;
}

/* The third read at that distance: there will be more. */
static void look_strides_ahead(struct dir_file *f, uint64_t off, size_t n)
{
    uint64_t upto = f->size - VR_MIN(f->size, (uint64_t)n);
    if (f->next_stride <= off) {
        f->next_stride = off + f->stride;
    }
    while (f->next_stride <= upto && f->next_stride <= off + READ_STRIDES * f->stride) {
        direct_prefetch(f->reader, f->next_stride, n);
        f->next_stride += f->stride;
    }
}

static void look_ahead(struct dir_file *f, uint64_t off, size_t n)
{
    bool in_order = off == f->read_end;
    uint64_t stride = off > f->read_end ? off - f->read_off : 0;
    if (stride != f->stride) {
        f->next_stride = 0;
    } else if (stride) {
        look_strides_ahead(f, off, n);
    }
    f->stride = stride;
    f->read_off = off;
    f->read_end = off + n;
    if (!in_order || f->ahead_end < f->read_end) {
        f->ahead_end = f->read_end;
    }
    uint64_t upto = VR_MIN(f->size, f->read_end + READ_AHEAD);
    if (in_order && upto > f->ahead_end) {
        direct_prefetch(f->reader, f->ahead_end, upto - f->ahead_end);
        f->ahead_end = upto;
    }
}

int stor_dir_file_read(
    struct stor_file *sf, void *p, size_t n, uint64_t off, size_t *ret_n, struct vr_err *err)
{
    struct dir_file *f = file_of(sf);
    if (off >= f->size) {
        *ret_n = 0;
        return 0;
    }
    if (n > f->size - off) {
        n = (size_t)(f->size - off);
    }
    struct direct *reader = reader_of(f);
    if (!reader) {
        return stor_dir_read_upto(f->fd, p, n, off, ret_n, err);
    }
    look_ahead(f, off, n);
    int r = direct_read(reader, p, n, off, err);
    *ret_n = r < 0 ? 0 : n;
    return r;
}

int stor_dir_file_sync(struct stor_file *sf, struct vr_err *err)
{
    while (fdatasync(file_of(sf)->fd) < 0) {
        if (errno != EINTR) {
            return vr_fail_errno(err, VR_E_IO, "fdatasync");
        }
    }
    return 0;
}

int stor_dir_file_truncate(struct stor_file *sf, uint64_t size, struct vr_err *err)
{
    struct dir_file *f = file_of(sf);
    if (size > INT64_MAX) {
        return vr_fail(err, VR_E_INVALID, "size %llu", (unsigned long long)size);
    }
    if (ftruncate(f->fd, (off_t)size) < 0) {
        return vr_fail_errno(err, VR_E_IO, "truncation to %llu", (unsigned long long)size);
    }
    set_size(f, size);
    f->torn = false;
    return 0;
}

/* Where the file system cannot promise space, the best that can be said is whether it is there now.
 */
static int check_free(int fd, uint64_t need, struct vr_err *err)
{
    uint64_t have = 0;
    int r = stor_dir_free_bytes(fd, &have, err);
    if (r < 0 || have >= need) {
        return r;
    }
    return vr_fail(err, VR_E_NOSPACE, "%llu bytes are needed, %llu are free",
                   (unsigned long long)need, (unsigned long long)have);
}

int stor_dir_file_reserve(struct stor_file *sf, uint64_t size, struct vr_err *err)
{
    struct dir_file *f = file_of(sf);
    if (size <= f->size) {
        return 0;
    }
    uint64_t need = size - f->size;
    if (size > INT64_MAX) {
        return vr_fail(err, VR_E_NOSPACE, "no file can be that long");
    }
    while (fallocate(f->fd, FALLOC_FL_KEEP_SIZE, (off_t)f->size, (off_t)need) < 0) {
        if (errno == EOPNOTSUPP || errno == ENOSYS) {
            return check_free(f->fd, need, err);
        }
        if (errno != EINTR) {
            return vr_fail_errno(err, errno == EFBIG ? VR_E_NOSPACE : VR_E_IO,
                                 "cannot reserve %llu bytes", (unsigned long long)need);
        }
    }
    return 0;
}

uint64_t stor_dir_file_size(struct stor_file *sf)
{
    return file_of(sf)->size;
}

void stor_dir_file_close(struct stor_file *sf)
{
    struct dir_file *f = file_of(sf);
    direct_free(f->reader);
    if (f->direct_fd >= 0) {
        close(f->direct_fd);
    }
    close(f->fd);
    free(f->bounce);
    free(f);
}
