/* SPDX-License-Identifier: Apache-2.0 */
/* The one way into a driver: state, range and permission are checked here, long transfers are split
 * here. */
#include "block/dev.h"

#include "util/num.h"

static int wrap(struct block_dev *dev, int r, struct vr_err *err)
{
    return dev->label[0] ? vr_wrap(err, r, "%s", dev->label) : r;
}

static int
check_range(struct block_dev *dev, const char *verb, uint64_t off, uint64_t len, struct vr_err *err)
{
    vr_assert(dev && dev->ops);
    if (vr_range_ok(off, len, dev->size_bytes)) {
        return 0;
    }
    return wrap(dev,
                vr_fail(err, VR_E_INVALID, "%s of %llu bytes at %llu is outside its %llu bytes",
                        verb, (unsigned long long)len, (unsigned long long)off,
                        (unsigned long long)dev->size_bytes),
                err);
}

static int check_change(
    struct block_dev *dev, const char *verb, uint64_t off, uint64_t len, struct vr_err *err)
{
    int r = check_range(dev, verb, off, len, err);
    if (r < 0) {
        return r;
    }
    if (dev->flags & BLOCK_READ_ONLY) {
        return wrap(dev, vr_fail(err, VR_E_DENIED, "%s, but it is open for reading only", verb),
                    err);
    }
    return 0;
}

int block_read(struct block_dev *dev, void *buf, size_t len, uint64_t off, struct vr_err *err)
{
    int r = check_range(dev, "read", off, len, err);
    uint8_t *p = buf;
    while (r == 0 && len) {
        size_t n = VR_MIN(len, (size_t)BLOCK_IO_MAX);
        r = wrap(dev, dev->ops->read(dev, p, n, off, err), err);
        p += n;
        off += n;
        len -= n;
    }
    return r;
}

int block_write(
    struct block_dev *dev, const void *buf, size_t len, uint64_t off, struct vr_err *err)
{
    int r = check_change(dev, "write", off, len, err);
    const uint8_t *p = buf;
    while (r == 0 && len) {
        size_t n = VR_MIN(len, (size_t)BLOCK_IO_MAX);
        r = wrap(dev, dev->ops->write(dev, p, n, off, err), err);
        p += n;
        off += n;
        len -= n;
    }
    return r;
}

static int write_zeroes(struct block_dev *dev, uint64_t off, uint64_t len, struct vr_err *err)
{
    static const uint8_t zeroes[64 << 10];
    int r = 0;
    while (r == 0 && len) {
        size_t n = (size_t)VR_MIN(len, (uint64_t)sizeof zeroes);
        r = dev->ops->write(dev, zeroes, n, off, err);
        off += n;
        len -= n;
    }
    return r;
}

int block_zero(struct block_dev *dev, uint64_t off, uint64_t len, struct vr_err *err)
{
    int r = check_change(dev, "zeroing", off, len, err);
    if (r < 0 || !len) {
        return r;
    }
    r = dev->ops->zero ? dev->ops->zero(dev, off, len, err) : write_zeroes(dev, off, len, err);
    return wrap(dev, r, err);
}

int block_flush(struct block_dev *dev, struct vr_err *err)
{
    vr_assert(dev && dev->ops);
    if ((dev->flags & BLOCK_READ_ONLY) || !dev->ops->flush) {
        return 0;
    }
    return wrap(dev, dev->ops->flush(dev, err), err);
}

int block_extents(struct block_dev *dev,
                  uint64_t off,
                  uint64_t len,
                  struct block_extent *ret,
                  size_t max,
                  size_t *ret_n,
                  struct vr_err *err)
{
    int r = check_range(dev, "block status", off, len, err);
    if (r < 0) {
        return r;
    }
    vr_assert(max > 0);
    if (!len) {
        *ret_n = 0;
        return 0;
    }
    if (!dev->ops->extents) {
        ret[0] = (struct block_extent){.off = off, .len = len, .kind = BLOCK_DATA};
        *ret_n = 1;
        return 0;
    }
    size_t n = 0;
    r = wrap(dev, dev->ops->extents(dev, off, len, ret, max, &n, err), err);
    if (r < 0) {
        return r;
    }
    /* A driver clips what comes from outside; a gap here would be a range never compared. */
    vr_assert(n > 0 && n <= max);
    uint64_t at = off;
    for (size_t i = 0; i < n; i++) {
        vr_assert(ret[i].off == at && ret[i].len > 0 && ret[i].len <= off + len - at);
        at += ret[i].len;
    }
    *ret_n = n;
    return 0;
}

int block_reserve(struct block_dev *dev, uint64_t off, uint64_t len, struct vr_err *err)
{
    int r = check_change(dev, "reservation", off, len, err);
    if (r < 0 || !len || !dev->ops->reserve) {
        return r;
    }
    return wrap(dev, dev->ops->reserve(dev, off, len, err), err);
}

void block_prefetch(struct block_dev *dev, uint64_t off, uint64_t len)
{
    vr_assert(dev && dev->ops);
    if (len && dev->ops->prefetch && vr_range_ok(off, len, dev->size_bytes)) {
        dev->ops->prefetch(dev, off, len);
    }
}

void block_be_gentle(struct block_dev *dev, bool gentle)
{
    vr_assert(dev && dev->ops);
    if (dev->ops->be_gentle) {
        dev->ops->be_gentle(dev, gentle);
    }
}

int block_dirty(struct block_dev *dev,
                void (*fn)(void *ctx, uint64_t off, uint64_t len),
                void *ctx,
                struct vr_err *err)
{
    vr_assert(dev && dev->ops);
    return dev->ops->dirty ? dev->ops->dirty(dev, fn, ctx, err)
                           : vr_fail(err, VR_E_UNSUPPORTED, "%s has no bitmap", dev->label);
}

const uint8_t *block_map(struct block_dev *dev, uint64_t off, size_t len)
{
    vr_assert(dev && dev->ops);
    bool offered =
        dev->ops->map && (dev->flags & (BLOCK_READ_ONLY | BLOCK_DIRECT)) == BLOCK_READ_ONLY;
    if (!offered || !len || len > BLOCK_IO_MAX || !vr_range_ok(off, len, dev->size_bytes)) {
        return NULL;
    }
    return dev->ops->map(dev, off, len);
}

bool block_map_end(struct block_dev *dev, uint64_t off, size_t len)
{
    return dev->ops->map_end(dev, off, len);
}

void block_unmap(struct block_dev *dev)
{
    vr_assert(dev && dev->ops);
    if (dev->ops->unmap) {
        dev->ops->unmap(dev);
    }
}

void block_drop_cache(struct block_dev *dev)
{
    vr_assert(dev && dev->ops);
    if (dev->ops->drop_cache) {
        dev->ops->drop_cache(dev);
    }
}

bool block_changed(struct block_dev *dev)
{
    vr_assert(dev && dev->ops);
    return dev->ops->changed && dev->ops->changed(dev) != 0;
}

void block_close(struct block_dev *dev)
{
    if (dev) {
        dev->ops->close(dev);
    }
}
