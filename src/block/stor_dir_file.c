/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An open file of a directory: a log that is appended to and read in order.
 *
 * Long appends pass the page cache by, when the end of the file and their length are aligned:
 * pages for data that nobody reads soon cost more than the disk. They are posted: one that fails is
 * told by a later append, or by the sync, and the file then ends where the failed one began.
 * All other appends are buffered, while none is in flight.
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
#define WRITE_SLOTS 16u               /* of DIRECT_PIECE_BYTES */
#define DIRECT_READ_MIN (1u << 20)    /* files below are read through the page cache */
#define READ_SLOTS 16u
#define READ_AHEAD (2u << 20)
#define READ_STRIDES 8u /* ahead of a reader that leaves equal parts out: of indexes, for one */

struct dir_file {
    struct stor_file f;
    int fd;
    uint64_t size;
    bool torn; /* bytes of a failed append may still be behind size */
    bool asked_writer, asked_reader;
    struct direct *writer, *reader;
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
    uint64_t gone = stor_dir_gone_bytes(fd); /* first: rather twice than not at all */
    if (fstatvfs(fd, &v) < 0) {
        return vr_fail_errno(err, VR_E_IO, "cannot ask for free space");
    }
    *ret = (uint64_t)v.f_bavail * v.f_frsize + gone;
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

static struct direct *writer_of(struct dir_file *f, size_t n)
{
    if (!f->asked_writer && n >= DIRECT_APPEND_MIN) {
        f->asked_writer = true;
        if (direct_new(f->fd, 0, WRITE_SLOTS, DIRECT_PIECE_BYTES, &f->writer, NULL) < 0) {
            return NULL; /* then through the page cache */
        }
    }
    return f->writer;
}

/* Only when something is behind the end: a truncation also gives back the space reserved there. */
static void note_torn(struct dir_file *f)
{
    struct stat st;
    f->torn = fstat(f->fd, &st) < 0 || (uint64_t)st.st_size != f->size;
    (void)cut_torn(f, NULL);
}

/* Waits for the posted appends. When one failed the file ends where the first of those began. */
static int settle(struct dir_file *f, struct vr_err *err)
{
    if (!f->writer) {
        return 0;
    }
    uint64_t failed_at;
    int r = direct_flush_from(f->writer, &failed_at, err);
    if (r < 0) {
        set_size(f, VR_MIN(f->size, failed_at));
        note_torn(f);
    }
    return r;
}

static int write_bytes(struct dir_file *f, const uint8_t *p, size_t n, struct vr_err *err)
{
    struct direct *w = writer_of(f, n);
    if (w && n >= DIRECT_APPEND_MIN && direct_is_aligned(w, f->size | n)) {
        return direct_write(w, p, n, f->size, err);
    }
    int r = settle(f, err);
    return r < 0 ? r : vr_pwrite_full(f->fd, p, n, f->size, err);
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
    (void)settle(f, NULL); /* an append that failed is forgotten, whichever it was */
    note_torn(f);
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
    int r = settle(f, err);
    if (r < 0 || off >= f->size) {
        *ret_n = 0;
        return r;
    }
    if (n > f->size - off) {
        n = (size_t)(f->size - off);
    }
    struct direct *reader = reader_of(f);
    if (!reader) {
        return stor_dir_read_upto(f->fd, p, n, off, ret_n, err);
    }
    look_ahead(f, off, n);
    r = direct_read(reader, p, n, off, err);
    *ret_n = r < 0 ? 0 : n;
    return r;
}

int stor_dir_file_settle(struct stor_file *sf, struct vr_err *err)
{
    return settle(file_of(sf), err);
}

int stor_dir_file_sync(struct stor_file *sf, struct vr_err *err)
{
    struct dir_file *f = file_of(sf);
    int r = settle(f, err);
    while (r == 0 && fdatasync(f->fd) < 0) {
        if (errno != EINTR) {
            r = vr_fail_errno(err, VR_E_IO, "fdatasync");
        }
    }
    return r;
}

int stor_dir_file_truncate(struct stor_file *sf, uint64_t size, struct vr_err *err)
{
    struct dir_file *f = file_of(sf);
    if (size > INT64_MAX) {
        return vr_fail(err, VR_E_INVALID, "size %llu", (unsigned long long)size);
    }
    int r = settle(f, err);
    if (r < 0) {
        return r;
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
    stor_dir_await_gone(f->fd);
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
    direct_free(f->writer);
    direct_free(f->reader);
    close(f->fd);
    free(f);
}
