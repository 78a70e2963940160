/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A raw image: a regular file or a block device.
 *
 * After a failed flush the kernel may have dropped the pages it could not write, and the next
 * fdatasync would report success: whoever gets an error from block_flush must write again
 * everything since the last good one. The same goes for posted writes (BLOCK_DIRECT).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block/dev.h"
#include "block/file_direct.h"
#include "block/file_view.h"
#include "util/fdio.h"
#include "util/num.h"

struct file_dev {
    struct block_dev dev;
    int fd;
    struct direct *direct; /* for BLOCK_DIRECT, where it can be had: reads and writes go there */
    struct direct *ahead;  /* open for reading only: what is hinted and not cached is read here */
    bool no_ahead;         /* cannot be had */
    bool looks_ahead;      /* the view that is open is one into `ahead` */
    bool is_block;
    bool no_punch; /* this file system cannot; do not ask for every range */
    bool no_zero_range;
    bool no_holes; /* the same for SEEK_HOLE */
    uint32_t sector_bytes;
    struct stat at_open;
    struct file_view view;
    struct block_extent last; /* the whole extent around the last question; len 0 = none */
};

static struct file_dev *file_of(struct block_dev *dev)
{
    return (struct file_dev *)dev;
}

static void forget_extent(struct file_dev *f, uint64_t off, uint64_t len)
{
    if (off < f->last.off + f->last.len && f->last.off < off + len) {
        f->last.len = 0;
    }
}

static int file_read(struct block_dev *dev, void *buf, size_t len, uint64_t off, struct vr_err *err)
{
    struct file_dev *f = file_of(dev);
    struct direct *d = f->direct;
    if (!d && f->ahead && direct_holds(f->ahead, off, len)) {
        d = f->ahead;
    }
    return d ? direct_read(d, buf, len, off, err) : vr_pread_full(f->fd, buf, len, off, err);
}

static int
file_write(struct block_dev *dev, const void *buf, size_t len, uint64_t off, struct vr_err *err)
{
    struct file_dev *f = file_of(dev);
    forget_extent(f, off, len);
    return f->direct ? direct_write(f->direct, buf, len, off, err)
                     : vr_pwrite_full(f->fd, buf, len, off, err);
}

/* The range is changed, or looked at, through fd next. */
static void yield(struct file_dev *f, uint64_t off, uint64_t len)
{
    if (f->direct) {
        direct_yield(f->direct, off, len);
    }
}

static const uint8_t zeroes[BLOCK_PUNCH_MIN];

static int write_zeroes(struct file_dev *f, uint64_t off, uint64_t len, struct vr_err *err)
{
    int r = 0;
    while (r == 0 && len) {
        size_t n = (size_t)VR_MIN(len, (uint64_t)sizeof zeroes);
        r = vr_pwrite_full(f->fd, zeroes, n, off, err);
        off += n;
        len -= n;
    }
    return r;
}

static bool not_offered(int sys_errno)
{
    return sys_errno == EOPNOTSUPP || sys_errno == ENOSYS || sys_errno == ENOTTY;
}

static int fallocate_full(int fd, int mode, uint64_t off, uint64_t len)
{
    int r;
    do {
        r = fallocate(fd, mode, (off_t)off, (off_t)len);
    } while (r < 0 && errno == EINTR);
    return r;
}

/* False: punch it, whatever the reason; that needs no space. */
static bool zero_in_place(struct file_dev *f, uint64_t off, uint64_t len)
{
    static const int mode = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
    if (f->no_zero_range || len >= BLOCK_GIVE_BACK_MIN) {
        return false;
    }
    bool done = fallocate_full(f->fd, mode, off, len) == 0;
    f->no_zero_range = !done && not_offered(errno);
    return done;
}

static int punch(struct file_dev *f, uint64_t off, uint64_t len, struct vr_err *err)
{
    if (!f->no_punch &&
        fallocate_full(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off, len) == 0) {
        return 0;
    }
    if (!f->no_punch && !not_offered(errno)) {
        return vr_fail_errno(err, VR_E_IO, "hole of %llu bytes at %llu", (unsigned long long)len,
                             (unsigned long long)off);
    }
    f->no_punch = true;
    return write_zeroes(f, off, len, err);
}

/* BLKZEROOUT writes zeroes whatever it takes; a discard may read back as anything. Whole sectors
 * only. */
static int zero_out(struct file_dev *f, uint64_t off, uint64_t len, struct vr_err *err)
{
    uint64_t first = vr_round_up(off, f->sector_bytes);
    uint64_t end = vr_round_down(off + len, f->sector_bytes);
    if (first >= end) {
        return write_zeroes(f, off, len, err);
    }
    int r = write_zeroes(f, off, first - off, err);
    if (r < 0) {
        return r;
    }
    uint64_t range[2] = {first, end - first};
    if (ioctl(f->fd, BLKZEROOUT, range) < 0) {
        r = not_offered(errno)
                ? write_zeroes(f, first, end - first, err)
                : vr_fail_errno(err, VR_E_IO, "zeroing %llu bytes at %llu",
                                (unsigned long long)range[1], (unsigned long long)range[0]);
    }
    return r < 0 ? r : write_zeroes(f, end, off + len - end, err);
}

static int file_zero(struct block_dev *dev, uint64_t off, uint64_t len, struct vr_err *err)
{
    struct file_dev *f = file_of(dev);
    forget_extent(f, off, len);
    if (len < BLOCK_PUNCH_MIN) {
        return f->direct ? direct_write(f->direct, zeroes, (size_t)len, off, err)
                         : write_zeroes(f, off, len, err);
    }
    yield(f, off, len);
    if (f->is_block) {
        return zero_out(f, off, len, err);
    }
    return zero_in_place(f, off, len) ? 0 : punch(f, off, len, err);
}

static int file_flush(struct block_dev *dev, struct vr_err *err)
{
    struct file_dev *f = file_of(dev);
    int r = f->direct ? direct_flush(f->direct, err) : 0;
    if (f->direct && direct_was_refused(f->direct)) {
        dev->flags &= ~BLOCK_DIRECT;
    }
    while (r == 0 && fdatasync(f->fd) < 0) {
        if (errno != EINTR) {
            r = vr_fail_errno(err, VR_E_IO, "flush");
        }
    }
    return r;
}

/* A file that became shorter has no zeroes behind its end but errors: let the read find them. */
static bool is_whole(struct file_dev *f)
{
    struct stat st;
    return fstat(f->fd, &st) == 0 && (uint64_t)st.st_size >= f->dev.size_bytes;
}

/* Finds the extent that begins at or before off and sets f->last to its part from off on. */
static void look_up_extent(struct file_dev *f, uint64_t off)
{
    f->last = (struct block_extent){.off = off, .len = f->dev.size_bytes - off, .kind = BLOCK_DATA};
    if (f->is_block || f->no_holes) {
        return;
    }
    off_t data = lseek(f->fd, (off_t)off, SEEK_DATA);
    if (data < 0) {
        f->no_holes = errno != ENXIO;
        if (!f->no_holes && is_whole(f)) {
            f->last.kind = BLOCK_ZERO;
        }
        return;
    }
    if ((uint64_t)data > off) {
        f->last.len = VR_MIN((uint64_t)data, f->dev.size_bytes) - off;
        f->last.kind = BLOCK_ZERO;
        return;
    }
    off_t hole = lseek(f->fd, (off_t)off, SEEK_HOLE);
    if (hole > (off_t)off) {
        f->last.len = VR_MIN((uint64_t)hole, f->dev.size_bytes) - off;
    }
}

static int file_extents(struct block_dev *dev,
                        uint64_t off,
                        uint64_t len,
                        struct block_extent *ret,
                        size_t max,
                        size_t *ret_n,
                        struct vr_err *err)
{
    struct file_dev *f = file_of(dev);
    uint64_t end = off + len;
    size_t n = 0;
    while (off < end && n < max) {
        if (off < f->last.off || off >= f->last.off + f->last.len) {
            yield(f, 0, 0);
            look_up_extent(f, off);
        }
        uint64_t part = VR_MIN(f->last.off + f->last.len, end) - off;
        if (n && ret[n - 1].kind == f->last.kind) {
            ret[n - 1].len += part;
        } else {
            ret[n++] = (struct block_extent){.off = off, .len = part, .kind = f->last.kind};
        }
        off += part;
    }
    *ret_n = n;
    return 0;
}

/* Space for one hole. A file system without fallocate takes it by writing the zeroes that are read
 * there anyway. */
static int fill_hole(struct file_dev *f, uint64_t off, uint64_t len, struct vr_err *err)
{
    if (fallocate_full(f->fd, FALLOC_FL_KEEP_SIZE, off, len) == 0) {
        return 0;
    }
    if (not_offered(errno)) {
        return write_zeroes(f, off, len, err);
    }
    return vr_fail_errno(err, VR_E_IO, "reserving %llu bytes at %llu", (unsigned long long)len,
                         (unsigned long long)off);
}

static int file_reserve(struct block_dev *dev, uint64_t off, uint64_t len, struct vr_err *err)
{
    struct file_dev *f = file_of(dev);
    if (f->is_block) {
        return 0;
    }
    uint64_t end = off + len;
    int r = 0;
    while (r == 0 && off < end) {
        struct block_extent e = {0};
        size_t n;
        r = file_extents(dev, off, end - off, &e, 1, &n, err);
        if (r == 0 && e.kind == BLOCK_ZERO) {
            yield(f, e.off, e.len);
            r = fill_hole(f, e.off, e.len, err);
        }
        off = e.off + e.len;
    }
    f->last.len = 0;
    return r;
}

/*
 * Filling the page cache with what is looked at once costs several times what reading past it does.
 * So what is cached is left to a view, holes are left alone, and the rest is read ahead directly.
 */
static bool is_worth_reading(struct file_dev *f, uint64_t off, size_t len)
{
    off_t data = f->is_block || f->no_holes ? (off_t)off : lseek(f->fd, (off_t)off, SEEK_DATA);
    bool hole = data < 0 || (uint64_t)data >= off + len;
    return !hole && !file_map_cached(&f->view.map, f->fd, off, len);
}

static bool can_read_ahead(struct file_dev *f)
{
    if (!f->ahead && !f->no_ahead) {
        f->no_ahead = direct_new(f->fd, f->dev.size_bytes, DIRECT_SLOTS, DIRECT_PIECE_BYTES,
                                 &f->ahead, NULL) < 0;
        f->dev.views_are_hinted = !f->no_ahead;
    }
    return !f->no_ahead;
}

static void file_prefetch(struct block_dev *dev, uint64_t off, uint64_t len)
{
    struct file_dev *f = file_of(dev);
    if (f->direct) {
        direct_prefetch(f->direct, off, len);
        return;
    }
    for (uint64_t end = off + len, n; off < end; off += n) {
        n = VR_MIN(end - off, (uint64_t)DIRECT_PIECE_BYTES);
        if (!is_worth_reading(f, off, (size_t)n)) {
            continue;
        }
        if ((dev->flags & BLOCK_READ_ONLY) && can_read_ahead(f)) {
            direct_prefetch(f->ahead, off, n);
        } else {
            (void)posix_fadvise(f->fd, (off_t)off, (off_t)n, POSIX_FADV_WILLNEED);
        }
    }
}

static const uint8_t *file_map(struct block_dev *dev, uint64_t off, size_t len)
{
    struct file_dev *f = file_of(dev);
    const uint8_t *p = f->ahead ? direct_view(f->ahead, off, len) : NULL;
    f->looks_ahead = p != NULL;
    return p ? p : file_view_begin(&f->view, f->fd, dev->size_bytes, off, len);
}

static bool file_mapped(struct block_dev *dev, uint64_t off, size_t len)
{
    struct file_dev *f = file_of(dev);
    if (!f->looks_ahead) {
        return file_view_end(&f->view, f->fd, off, len);
    }
    direct_view_end(f->ahead, off, len);
    return true;
}

static void file_unmap(struct block_dev *dev)
{
    struct file_dev *f = file_of(dev);
    file_view_release(&f->view);
    direct_free(TAKE_PTR(f->ahead));
    dev->views_are_hinted = false;
}

static void file_drop_cache(struct block_dev *dev)
{
    yield(file_of(dev), 0, dev->size_bytes);
    (void)posix_fadvise(file_of(dev)->fd, 0, 0, POSIX_FADV_DONTNEED);
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/*
 * A file that was replaced under its name is seen too: the rename or unlink changed our inode's
 * ctime. Times move in steps of the kernel's tick, so a write within some milliseconds of the open
 * can be missed; writes to a block device always are.
 */
static int file_changed(struct block_dev *dev)
{
    struct file_dev *f = file_of(dev);
    struct stat st;
    if (f->is_block || !(dev->flags & BLOCK_READ_ONLY)) {
        return 0;
    }
    if (fstat(f->fd, &st) < 0) {
        return 1;
    }
    return st.st_size != f->at_open.st_size || st.st_ino != f->at_open.st_ino ||
           !same_time(st.st_mtim, f->at_open.st_mtim) || !same_time(st.st_ctim, f->at_open.st_ctim);
}

static void file_close(struct block_dev *dev)
{
    file_unmap(dev);
    direct_free(file_of(dev)->direct);
    close(file_of(dev)->fd);
    free(dev);
}

static const struct block_ops file_ops = {
    .name = "file",
    .read = file_read,
    .write = file_write,
    .zero = file_zero,
    .flush = file_flush,
    .extents = file_extents,
    .reserve = file_reserve,
    .prefetch = file_prefetch,
    .map = file_map,
    .map_end = file_mapped,
    .unmap = file_unmap,
    .drop_cache = file_drop_cache,
    .changed = file_changed,
    .close = file_close,
};

static int find_size(struct file_dev *f, struct vr_err *err)
{
    if (fstat(f->fd, &f->at_open) < 0) {
        return vr_fail_errno(err, VR_E_IO, "stat");
    }
    if (S_ISREG(f->at_open.st_mode)) {
        f->dev.size_bytes = (uint64_t)f->at_open.st_size;
        return 0;
    }
    if (!S_ISBLK(f->at_open.st_mode)) {
        return vr_fail(err, VR_E_INVALID, "neither a file nor a block device");
    }
    f->is_block = true;
    int sector = 0;
    if (ioctl(f->fd, BLKGETSIZE64, &f->dev.size_bytes) < 0 ||
        ioctl(f->fd, BLKSSZGET, &sector) < 0) {
        return vr_fail_errno(err, VR_E_IO, "cannot ask the block device for its size");
    }
    bool power_of_two = sector > 0 && (sector & (sector - 1)) == 0;
    f->sector_bytes = power_of_two ? (uint32_t)sector : 4096;
    return 0;
}

int block_file_open(const char *path,
                    unsigned flags,
                    struct block_dev **ret_dev,
                    struct vr_err *err)
{
    /* O_NONBLOCK: a FIFO under that name must not hang us; it means nothing to files and block
     * devices. */
    int mode = (flags & BLOCK_READ_ONLY) ? O_RDONLY : O_RDWR;
    _cleanup_(vr_closep) int fd = open(path, mode | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return vr_fail_errno(err, VR_E_IO, "cannot open disk image '%s'", path);
    }
    _cleanup_(vr_freep) struct file_dev *f = calloc(1, sizeof *f);
    if (!f) {
        return vr_fail_nomem(err);
    }
    f->dev.ops = &file_ops;
    f->dev.flags = flags & ~(BLOCK_DIRECT | BLOCK_ONE_OF_MANY);
    f->fd = fd;
    int r = find_size(f, err);
    if (r < 0) {
        return vr_wrap(err, r, "disk image '%s'", path);
    }
    unsigned slots = DIRECT_WRITE_SLOTS / (flags & BLOCK_ONE_OF_MANY ? DIRECT_MANY : 1);
    if ((flags & BLOCK_DIRECT) &&
        direct_new(fd, f->dev.size_bytes, slots, DIRECT_WRITE_PIECE_BYTES, &f->direct, NULL) < 0) {
        f->direct = NULL; /* then through the page cache */
    }
    f->dev.flags |= f->direct ? BLOCK_DIRECT : 0;
    const char *slash = strrchr(path, '/');
    snprintf(f->dev.label, sizeof f->dev.label, "%.80s (raw)", slash ? slash + 1 : path);
    (void)TAKE_FD(fd);
    *ret_dev = &TAKE_PTR(f)->dev;
    return 0;
}

int block_file_fd(struct block_dev *dev)
{
    return dev->ops == &file_ops ? file_of(dev)->fd : -1;
}
