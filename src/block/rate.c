/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lets at most so many bytes a second be read and written, by sleeping before a call that comes too
 * early. For disks that somebody else needs too. An idle second is not saved up: what was not used
 * is gone.
 */
#include <time.h>

#include "block/dev.h"
#include "util/num.h"
#include "util/vtime.h"

struct rate_dev {
    struct block_dev dev;
    struct block_dev *next;
    uint64_t bytes_s;
    uint64_t paid_until_us;
};

static struct rate_dev *rate_of(struct block_dev *dev)
{
    return (struct rate_dev *)dev;
}

static void pace(struct rate_dev *r, uint64_t bytes)
{
    uint64_t now = vr_mono_us();
    if (r->paid_until_us > now) {
        uint64_t us = r->paid_until_us - now;
        struct timespec ts = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};
        while (nanosleep(&ts, &ts) < 0) { /* interrupted: the rest */
        }
        now = r->paid_until_us;
    }
    r->paid_until_us = now + bytes * 1000000u / r->bytes_s;
}

static int rate_read(struct block_dev *dev, void *buf, size_t len, uint64_t off, struct vr_err *err)
{
    pace(rate_of(dev), len);
    return block_read(rate_of(dev)->next, buf, len, off, err);
}

static int
rate_write(struct block_dev *dev, const void *buf, size_t len, uint64_t off, struct vr_err *err)
{
    pace(rate_of(dev), len);
    return block_write(rate_of(dev)->next, buf, len, off, err);
}

static int rate_zero(struct block_dev *dev, uint64_t off, uint64_t len, struct vr_err *err)
{
    return block_zero(rate_of(dev)->next, off, len, err);
}

static int rate_flush(struct block_dev *dev, struct vr_err *err)
{
    return block_flush(rate_of(dev)->next, err);
}

static int rate_extents(struct block_dev *dev,
                        uint64_t off,
                        uint64_t len,
                        struct block_extent *ret,
                        size_t max,
                        size_t *ret_n,
                        struct vr_err *err)
{
    return block_extents(rate_of(dev)->next, off, len, ret, max, ret_n, err);
}

static int rate_reserve(struct block_dev *dev, uint64_t off, uint64_t len, struct vr_err *err)
{
    return block_reserve(rate_of(dev)->next, off, len, err);
}

static void rate_be_gentle(struct block_dev *dev, bool gentle)
{
    block_be_gentle(rate_of(dev)->next, gentle);
}

static int rate_dirty(struct block_dev *dev,
                      void (*fn)(void *ctx, uint64_t off, uint64_t len),
                      void *ctx,
                      struct vr_err *err)
{
    return block_dirty(rate_of(dev)->next, fn, ctx, err);
}

static void rate_drop_cache(struct block_dev *dev)
{
    block_drop_cache(rate_of(dev)->next);
}

static int rate_changed(struct block_dev *dev)
{
    return block_changed(rate_of(dev)->next);
}

static void rate_close(struct block_dev *dev)
{
    block_close(rate_of(dev)->next);
    free(dev);
}

/* No prefetch: reading ahead would be reading faster. */
static const struct block_ops rate_ops = {
    .name = "rate",
    .read = rate_read,
    .write = rate_write,
    .zero = rate_zero,
    .flush = rate_flush,
    .extents = rate_extents,
    .reserve = rate_reserve,
    .drop_cache = rate_drop_cache,
    .be_gentle = rate_be_gentle,
    .dirty = rate_dirty,
    .changed = rate_changed,
    .close = rate_close,
};

int block_rate_new(struct block_dev *take_next,
                   uint64_t bytes_s,
                   struct block_dev **ret_dev,
                   struct vr_err *err)
{
    struct rate_dev *r = calloc(1, sizeof *r);
    if (!r || !bytes_s) {
        free(r);
        block_close(take_next);
        return bytes_s ? vr_fail_nomem(err) : vr_fail(err, VR_E_INVALID, "a rate of 0 bytes/s");
    }
    r->dev = *take_next; /* size, flags and label */
    r->dev.ops = &rate_ops;
    r->next = take_next;
    r->bytes_s = bytes_s;
    *ret_dev = &r->dev;
    return 0;
}
