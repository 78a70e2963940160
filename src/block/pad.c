/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device seen as larger than it is, or one that is not there yet: what lies beyond its end reads
 * as zeroes, as it will once it has grown. For reading only.
 */
#include <string.h>

#include "block/dev.h"
#include "util/num.h"

struct pad_dev {
    struct block_dev dev;
    struct block_dev *next; /* NULL: zeroes are all there is */
    uint64_t base_bytes;    /* of next */
};

static struct pad_dev *pad_of(struct block_dev *dev)
{
    return (struct pad_dev *)dev;
}

/* How much of the range the device below has. */
static uint64_t below(const struct pad_dev *p, uint64_t off, uint64_t len)
{
    return off < p->base_bytes ? VR_MIN(len, p->base_bytes - off) : 0;
}

static int pad_read(struct block_dev *dev, void *buf, size_t len, uint64_t off, struct vr_err *err)
{
    struct pad_dev *p = pad_of(dev);
    size_t n = (size_t)below(p, off, len);
    memset((uint8_t *)buf + n, 0, len - n);
    return n ? block_read(p->next, buf, n, off, err) : 0;
}

static int pad_extents(struct block_dev *dev,
                       uint64_t off,
                       uint64_t len,
                       struct block_extent *ret,
                       size_t max,
                       size_t *ret_n,
                       struct vr_err *err)
{
    struct pad_dev *p = pad_of(dev);
    uint64_t n = below(p, off, len);
    if (n) {
        return block_extents(p->next, off, n, ret, max, ret_n, err);
    }
    ret[0] = (struct block_extent){.off = off, .len = len, .kind = BLOCK_ZERO};
    *ret_n = 1;
    return 0;
}

static void pad_prefetch(struct block_dev *dev, uint64_t off, uint64_t len)
{
    struct pad_dev *p = pad_of(dev);
    uint64_t n = below(p, off, len);
    if (n) {
        block_prefetch(p->next, off, n);
    }
}

static void pad_drop_cache(struct block_dev *dev)
{
    if (pad_of(dev)->next) {
        block_drop_cache(pad_of(dev)->next);
    }
}

static int pad_changed(struct block_dev *dev)
{
    return pad_of(dev)->next && block_changed(pad_of(dev)->next);
}

static void pad_close(struct block_dev *dev)
{
    block_close(pad_of(dev)->next);
    free(dev);
}

static const struct block_ops pad_ops = {
    .name = "pad",
    .read = pad_read,
    .extents = pad_extents,
    .prefetch = pad_prefetch,
    .drop_cache = pad_drop_cache,
    .changed = pad_changed,
    .close = pad_close,
};

int block_pad_new(struct block_dev *take_next,
                  uint64_t size_bytes,
                  struct block_dev **ret_dev,
                  struct vr_err *err)
{
    struct pad_dev *p = calloc(1, sizeof *p);
    if (!p) {
        block_close(take_next);
        return vr_fail_nomem(err);
    }
    vr_assert(!take_next || take_next->size_bytes <= size_bytes);
    p->dev =
        (struct block_dev){.ops = &pad_ops, .size_bytes = size_bytes, .flags = BLOCK_READ_ONLY};
    p->next = take_next;
    p->base_bytes = take_next ? take_next->size_bytes : 0;
    *ret_dev = &p->dev; /* the device below speaks for it */
    return 0;
}
