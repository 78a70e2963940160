/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests live in slots, each with its own piece of one aligned arena. Every read goes through a
 * slot: of a hinted range, issued ahead in the order of the hints, or of the range that is asked
 * for. A write is copied into a slot and posted.
 *
 * No two requests in flight overlap where one is a write. Buffered writes, and changes that the
 * owner makes through its own descriptor, happen while no direct write is in flight at all: pages
 * come in folios, and a direct write beside a dirty page of its folio is an error of the next sync.
 * The other way round the kernel writes dirty pages back before direct I/O on their range.
 */
#include "block/file_direct.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "block/uring.h"
#include "util/fdio.h"
#include "util/huge.h"
#include "util/num.h"

#define HINTS 256u
#define ALIGN_MAX (64u << 10)

enum slot_state {
    SLOT_FREE,
    SLOT_READ,
    SLOT_WRITE
};

struct slot {
    enum slot_state state;
    bool stale;         /* overwritten or skipped: throw away when done */
    uint64_t off, len;  /* what it holds; len may end inside the last block of the request */
    uint64_t order;     /* of a read ahead; 0 = asked for */
    struct uring_req q; /* its buffer is the slot's for good */
};

struct range {
    uint64_t off, len;
};

struct direct {
    int fd, direct_fd;
    size_t align, piece; /* piece: of one request at most, and of a slot's memory */
    uint64_t size_bytes;
    struct uring *ring;
    uint8_t *arena;
    uint64_t next_order;
    struct vr_err write_err; /* kind NONE: nothing happened */
    uint64_t failed_at;      /* the lowest offset of writes that failed since the last flush */
    struct range hints[HINTS];
    size_t hint_first, hint_count;
    unsigned slots, writing;
    bool refused; /* a write had to go through the page cache after all */
    struct slot slot[];
};

static atomic_size_t memory;

size_t direct_memory(void)
{
    return atomic_load(&memory);
}

static bool overlaps(const struct slot *s, uint64_t off, uint64_t len)
{
    return s->off < off + len && off < s->off + s->len;
}

/* --- opening --- */

static bool switched_off(void)
{
    const char *env = getenv(DIRECT_OFF_ENV);
    return env && *env && strcmp(env, "0") != 0;
}

/* The C library has no statx field for it yet. */
static size_t find_align(int fd)
{
    struct statx st = {0};
    long page = sysconf(_SC_PAGESIZE);
    size_t align = page > 0 ? (size_t)page : 4096;
    if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) == 0 &&
        (st.stx_mask & STATX_DIOALIGN)) {
        if (!st.stx_dio_offset_align) {
            return 0;
        }
        align = VR_MAX(align, (size_t)st.stx_dio_offset_align);
        align = VR_MAX(align, (size_t)st.stx_dio_mem_align);
    }
    return align <= ALIGN_MAX && (align & (align - 1)) == 0 ? align : 0;
}

/* Opens the file of fd once more with O_DIRECT. By /proc it is the same file, whatever has its name
 * by now. O_NONBLOCK would make requests fail that have to wait. *ret_align: what offsets, lengths
 * and memory must be multiples of; never below a page, so that no page is ever written both ways at
 * once. -1: it has no direct I/O. */
static int direct_fd_open(int fd, size_t *ret_align)
{
    char path[40];
    int mode = fcntl(fd, F_GETFL);
    size_t align = switched_off() ? 0 : find_align(fd);
    if (!align || mode < 0) {
        return -1;
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    *ret_align = align;
    return open(path, (mode & O_ACCMODE) | O_DIRECT | O_CLOEXEC | O_NOCTTY);
}

static int make_arena(struct direct *d, struct vr_err *err)
{
    void *p = vr_huge_map(d->slots * d->piece);
    if (!p) {
        return vr_fail_nomem(err);
    }
    d->arena = p;
    atomic_fetch_add(&memory, d->slots * d->piece);
    for (unsigned i = 0; i < d->slots; i++) {
        d->slot[i].q.fd = d->direct_fd;
        d->slot[i].q.align = d->align;
        d->slot[i].q.buf = d->arena + i * d->piece;
    }
    return 0;
}

int direct_new(int fd,
               uint64_t size_bytes,
               unsigned slots,
               size_t piece,
               struct direct **ret,
               struct vr_err *err)
{
    size_t align = 0;
    _cleanup_(vr_closep) int direct_fd = direct_fd_open(fd, &align);
    if (direct_fd < 0) {
        return vr_fail(err, VR_E_UNSUPPORTED, "no direct I/O");
    }
    struct direct *d = calloc(1, sizeof *d + slots * sizeof d->slot[0]);
    if (!d) {
        return vr_fail_nomem(err);
    }
    d->fd = fd;
    d->direct_fd = TAKE_FD(direct_fd);
    d->align = align;
    d->size_bytes = size_bytes;
    d->slots = slots;
    d->piece = piece;
    d->next_order = 1;
    d->failed_at = UINT64_MAX;
    int r = uring_new(slots, &d->ring, err);
    if (r == 0) {
        r = make_arena(d, err);
    }
    if (r < 0) {
        direct_free(d);
        return r;
    }
    *ret = d;
    return 0;
}

void direct_free(struct direct *d)
{
    if (!d) {
        return;
    }
    if (uring_free(d->ring) && d->arena) {
        munmap(d->arena, d->slots * d->piece);
        atomic_fetch_sub(&memory, d->slots * d->piece);
    }
    close(d->direct_fd);
    free(d);
}

/* --- slots --- */

static int slot_error(const struct slot *s, const char *verb, struct vr_err *err)
{
    if (s->q.ended) {
        return vr_fail(err, VR_E_IO, "unexpected end at %llu", (unsigned long long)s->off);
    }
    errno = s->q.sys_errno;
    return vr_fail_errno(err, VR_E_IO, "%s of %llu bytes at %llu", verb, (unsigned long long)s->len,
                         (unsigned long long)s->off);
}

/* A file system may refuse direct I/O only when it is asked to do it. */
static void finish_write(struct direct *d, struct slot *s)
{
    struct vr_err err = VR_ERR_INIT;
    int r = 0;
    if (s->q.sys_errno == EINVAL) {
        d->refused = true;
        r = vr_pwrite_full(d->fd, s->q.buf, (size_t)s->len, s->off, &err);
    } else if (s->q.sys_errno) {
        r = slot_error(s, "write", &err);
    }
    if (r < 0 && d->write_err.kind == VR_E_NONE) {
        d->write_err = err;
    }
    d->failed_at = r < 0 ? VR_MIN(d->failed_at, s->off) : d->failed_at;
    s->state = SLOT_FREE;
    d->writing--;
}

static void collect(struct direct *d)
{
    uring_reap(d->ring);
    for (unsigned i = 0; i < d->slots; i++) {
        struct slot *s = &d->slot[i];
        if (s->q.busy) {
            continue;
        }
        if (s->state == SLOT_WRITE) {
            finish_write(d, s);
        } else if (s->state == SLOT_READ && s->stale) {
            s->state = SLOT_FREE;
        }
    }
}

static struct slot *unused_slot(struct direct *d)
{
    for (unsigned i = 0; i < d->slots; i++) {
        if (d->slot[i].state == SLOT_FREE) {
            return &d->slot[i];
        }
    }
    return NULL;
}

/* A slot whatever it takes: the oldest gives way, be it a piece nobody came for or a write. */
static struct slot *take_slot(struct direct *d)
{
    struct slot *s = unused_slot(d);
    if (s) {
        return s;
    }
    collect(d);
    while ((s = unused_slot(d)) == NULL) {
        struct slot *oldest = &d->slot[0];
        for (unsigned i = 1; i < d->slots; i++) {
            oldest = d->slot[i].order < oldest->order ? &d->slot[i] : oldest;
        }
        oldest->stale = true;
        uring_wait(d->ring, &oldest->q);
        collect(d);
    }
    return s;
}

static void
issue(struct direct *d, struct slot *s, enum slot_state what, uint64_t off, uint64_t len)
{
    s->state = what;
    s->stale = false;
    s->off = off;
    s->len = len;
    s->order = d->next_order++;
    s->q.write = what == SLOT_WRITE;
    s->q.off = off;
    s->q.need = (size_t)len;
    s->q.len = (size_t)vr_round_up(len, d->align);
    uring_post(d->ring, &s->q);
}

static void forget(struct direct *d, uint64_t off, uint64_t len)
{
    for (unsigned i = 0; i < d->slots; i++) {
        struct slot *s = &d->slot[i];
        if (s->state == SLOT_READ && overlaps(s, off, len)) {
            s->stale = true;
        }
    }
}

static bool write_in_flight(struct direct *d, uint64_t off, uint64_t len)
{
    for (unsigned i = 0; d->writing && i < d->slots; i++) {
        if (d->slot[i].state == SLOT_WRITE && overlaps(&d->slot[i], off, len)) {
            return true;
        }
    }
    return false;
}

static void settle_writes(struct direct *d, uint64_t off, uint64_t len)
{
    for (unsigned i = 0; d->writing && i < d->slots; i++) {
        struct slot *s = &d->slot[i];
        if (s->state == SLOT_WRITE && overlaps(s, off, len)) {
            uring_wait(d->ring, &s->q);
            finish_write(d, s);
        }
    }
}

/* --- reading --- */

/* From the start of the block that off is in. */
static uint64_t issue_read(struct direct *d, struct slot *s, uint64_t off, uint64_t len)
{
    uint64_t start = vr_round_down(off, d->align);
    uint64_t end = VR_MIN(vr_round_up(off + len, d->align), start + d->piece);
    end = VR_MIN(end, d->size_bytes);
    issue(d, s, SLOT_READ, start, end - start);
    return VR_MIN(end, off + len) - off;
}

static void drop_hint(struct direct *d, uint64_t n)
{
    struct range *hint = &d->hints[d->hint_first];
    hint->off += n;
    hint->len -= n;
    if (!hint->len) {
        d->hint_first = (d->hint_first + 1) % HINTS;
        d->hint_count--;
    }
}

static void read_ahead(struct direct *d)
{
    struct slot *s;
    while (d->hint_count && (s = unused_slot(d)) != NULL) {
        const struct range *hint = &d->hints[d->hint_first];
        uint64_t start = vr_round_down(hint->off, d->align);
        if (write_in_flight(d, start, d->piece)) {
            return;
        }
        drop_hint(d, issue_read(d, s, hint->off, hint->len));
    }
}

void direct_prefetch(struct direct *d, uint64_t off, uint64_t len)
{
    if (d->hint_count < HINTS && vr_range_ok(off, len, d->size_bytes) && len) {
        d->hints[(d->hint_first + d->hint_count) % HINTS] = (struct range){off, len};
        d->hint_count++;
    }
    read_ahead(d);
}

/* The reader has come to a hinted range before it was issued: it must not be fetched a second time
 * behind it. */
static void trim_hints(struct direct *d, uint64_t off, uint64_t len)
{
    while (d->hint_count) {
        const struct range *hint = &d->hints[d->hint_first];
        if (hint->off < off || hint->off >= off + len) {
            return;
        }
        drop_hint(d, VR_MIN(hint->len, off + len - hint->off));
    }
}

static struct slot *find_ahead(struct direct *d, uint64_t off)
{
    for (unsigned i = 0; i < d->slots; i++) {
        struct slot *s = &d->slot[i];
        if (s->state == SLOT_READ && !s->stale && overlaps(s, off, 1)) {
            return s;
        }
    }
    return NULL;
}

/* Up to where no slot has the bytes. */
static uint64_t gap_len(struct direct *d, uint64_t off, uint64_t len)
{
    for (unsigned i = 0; i < d->slots; i++) {
        const struct slot *s = &d->slot[i];
        if (s->state == SLOT_READ && !s->stale && s->off > off && s->off < off + len) {
            len = s->off - off;
        }
    }
    return len;
}

/* Issues what is asked for now, at least its first piece. */
static void demand(struct direct *d, uint64_t off, uint64_t len)
{
    len = gap_len(d, off, len);
    trim_hints(d, off, len);
    for (struct slot *s = take_slot(d); s && len; s = unused_slot(d)) {
        uint64_t n = issue_read(d, s, off, len);
        s->order = 0;
        off += n;
        len -= n;
    }
}

/* Hints come in order: when the reader is at s, what was issued before it is not asked for any
 * more. */
static void pass_by(struct direct *d, const struct slot *s)
{
    for (unsigned i = 0; i < d->slots; i++) {
        if (d->slot[i].state == SLOT_READ && d->slot[i].order < s->order) {
            d->slot[i].stale = true;
        }
    }
}

/* Takes what slot s has of [off, off+len): *ret_n bytes, none when reading ahead failed. */
static int take_from(struct direct *d,
                     struct slot *s,
                     uint8_t *p,
                     size_t len,
                     uint64_t off,
                     size_t *ret_n,
                     struct vr_err *err)
{
    pass_by(d, s);
    uring_wait(d->ring, &s->q);
    size_t n = (size_t)VR_MIN((uint64_t)len, s->off + s->len - off);
    int r = 0;
    if (s->q.sys_errno == EINVAL && !s->order) {
        r = vr_pread_full(d->fd, p, n, off, err);
    } else if (s->q.sys_errno) {
        /* What was read ahead is asked for once more: it may be longer than what is wanted. */
        r = s->order ? 0 : slot_error(s, "read", err);
        n = 0;
    } else {
        memcpy(p, s->q.buf + (off - s->off), n);
    }
    *ret_n = n;
    s->stale = s->q.sys_errno || off + n == s->off + s->len;
    return r;
}

int direct_read(struct direct *d, void *buf, size_t len, uint64_t off, struct vr_err *err)
{
    uint8_t *p = buf;
    int r = 0;
    uint64_t start = vr_round_down(off, d->align);
    settle_writes(d, start, vr_round_up(off + len, d->align) - start);
    while (r == 0 && len) {
        size_t n = 0;
        struct slot *s = find_ahead(d, off);
        if (!s) {
            demand(d, off, len);
            continue;
        }
        r = take_from(d, s, p, len, off, &n, err);
        p += n;
        off += n;
        len -= n;
        collect(d);
        read_ahead(d);
    }
    return r;
}

static void give_up_before(struct direct *d, uint64_t off)
{
    for (unsigned i = 0; i < d->slots; i++) {
        struct slot *s = &d->slot[i];
        if (s->state == SLOT_READ && s->off + s->len <= off) {
            s->stale = true;
        }
    }
    while (d->hint_count && d->hints[d->hint_first].off < off) {
        const struct range *hint = &d->hints[d->hint_first];
        drop_hint(d, VR_MIN(hint->len, off - hint->off));
    }
    collect(d);
    read_ahead(d);
}

bool direct_holds(struct direct *d, uint64_t off, size_t len)
{
    const struct slot *s = find_ahead(d, off);
    return s && off + len <= s->off + s->len;
}

const uint8_t *direct_view(struct direct *d, uint64_t off, size_t len)
{
    give_up_before(d, off);
    if (!direct_holds(d, off, len)) {
        return NULL;
    }
    struct slot *s = find_ahead(d, off);
    uring_wait(d->ring, &s->q);
    if (s->q.sys_errno) {
        s->stale = true;
        return NULL;
    }
    return s->q.buf + (off - s->off);
}

void direct_view_end(struct direct *d, uint64_t off, size_t len)
{
    give_up_before(d, off + len);
}

/* --- writing --- */

static int told_again(const struct direct *d, struct vr_err *err)
{
    if (err && d->write_err.kind != VR_E_NONE) {
        *err = d->write_err;
    }
    return -(int)d->write_err.kind;
}

void direct_yield(struct direct *d, uint64_t off, uint64_t len)
{
    settle_writes(d, 0, UINT64_MAX);
    forget(d, off, len);
}

/* A write past the page cache throws cached pages away. The kernel does not do that on the spot for
 * io_uring: it would hand each such write to a worker thread. To drop a whole piece of the file at
 * its first write costs more than to drop each page. */
static void drop_pages(const struct direct *d, uint64_t off, size_t len)
{
    (void)posix_fadvise(d->fd, (off_t)off, (off_t)len, POSIX_FADV_DONTNEED);
}

int direct_write(struct direct *d, const void *buf, size_t len, uint64_t off, struct vr_err *err)
{
    const uint8_t *p = buf;
    if (((off | len) & (d->align - 1)) != 0) {
        direct_yield(d, off, len);
        return d->write_err.kind ? told_again(d, err) : vr_pwrite_full(d->fd, buf, len, off, err);
    }
    forget(d, off, len);
    settle_writes(d, off, len);
    while (len && d->write_err.kind == VR_E_NONE) {
        size_t n = VR_MIN(len, d->piece);
        struct slot *s = take_slot(d);
        memcpy(s->q.buf, p, n);
        drop_pages(d, off, n);
        d->writing++;
        issue(d, s, SLOT_WRITE, off, n);
        p += n;
        off += n;
        len -= n;
    }
    return told_again(d, err);
}

int direct_flush_from(struct direct *d, uint64_t *ret_failed_at, struct vr_err *err)
{
    settle_writes(d, 0, UINT64_MAX);
    int r = told_again(d, err);
    *ret_failed_at = d->failed_at;
    d->write_err = VR_ERR_INIT;
    d->failed_at = UINT64_MAX;
    return r;
}

int direct_flush(struct direct *d, struct vr_err *err)
{
    uint64_t failed_at;
    return direct_flush_from(d, &failed_at, err);
}

bool direct_is_aligned(const struct direct *d, uint64_t number)
{
    return (number & (d->align - 1)) == 0;
}

bool direct_was_refused(const struct direct *d)
{
    return d->refused;
}

void direct_resize(struct direct *d, uint64_t size_bytes)
{
    uint64_t from = vr_round_down(VR_MIN(size_bytes, d->size_bytes), d->align);
    direct_yield(d, from, UINT64_MAX - from);
    d->hint_count = 0;
    d->size_bytes = size_bytes;
}
