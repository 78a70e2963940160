/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fails the n-th call of chosen kinds instead of passing it on. Calls are counted as the driver
 * below would see them, that is after splitting to BLOCK_IO_MAX.
 */
#include <string.h>

#include "block/dev.h"

struct fault_dev {
    struct block_dev dev;
    struct block_dev *next;
    struct block_fault_plan *plan;
};

static struct block_dev *next_of(struct block_dev *dev)
{
    return ((struct fault_dev *)dev)->next;
}

static int maybe_fail(struct block_dev *dev, unsigned op, const char *verb, struct vr_err *err)
{
    struct block_fault_plan *plan = ((struct fault_dev *)dev)->plan;
    if (!(plan->ops & op)) {
        return 0;
    }
    plan->seen++;
    bool due = plan->fail_at &&
               (plan->persistent ? plan->seen >= plan->fail_at : plan->seen == plan->fail_at);
    if (!due) {
        return 0;
    }
    plan->injected++;
    return vr_fail(err, (enum vr_err_kind)plan->kind, "injected fault in %s (call %llu)", verb,
                   (unsigned long long)plan->seen);
}

static int
fault_read(struct block_dev *dev, void *buf, size_t len, uint64_t off, struct vr_err *err)
{
    int r = maybe_fail(dev, BLOCK_OP_READ, "read", err);
    return r < 0 ? r : block_read(next_of(dev), buf, len, off, err);
}

static int
fault_write(struct block_dev *dev, const void *buf, size_t len, uint64_t off, struct vr_err *err)
{
    int r = maybe_fail(dev, BLOCK_OP_WRITE, "write", err);
    return r < 0 ? r : block_write(next_of(dev), buf, len, off, err);
}

static int fault_zero(struct block_dev *dev, uint64_t off, uint64_t len, struct vr_err *err)
{
    int r = maybe_fail(dev, BLOCK_OP_ZERO, "zeroing", err);
    return r < 0 ? r : block_zero(next_of(dev), off, len, err);
}

static int fault_flush(struct block_dev *dev, struct vr_err *err)
{
    int r = maybe_fail(dev, BLOCK_OP_FLUSH, "flush", err);
    return r < 0 ? r : block_flush(next_of(dev), err);
}

static int fault_extents(struct block_dev *dev,
                         uint64_t off,
                         uint64_t len,
                         struct block_extent *ret,
                         size_t max,
                         size_t *ret_n,
                         struct vr_err *err)
{
    return block_extents(next_of(dev), off, len, ret, max, ret_n, err);
}

static int fault_reserve(struct block_dev *dev, uint64_t off, uint64_t len, struct vr_err *err)
{
    return block_reserve(next_of(dev), off, len, err);
}

static void fault_prefetch(struct block_dev *dev, uint64_t off, uint64_t len)
{
    block_prefetch(next_of(dev), off, len);
}

static void fault_drop_cache(struct block_dev *dev)
{
    block_drop_cache(next_of(dev));
}

static int fault_changed(struct block_dev *dev)
{
    return block_changed(next_of(dev));
}

static void fault_close(struct block_dev *dev)
{
    block_close(next_of(dev));
    free(dev);
}

static const struct block_ops fault_ops = {
    .name = "fault",
    .read = fault_read,
    .write = fault_write,
    .zero = fault_zero,
    .flush = fault_flush,
    .extents = fault_extents,
    .reserve = fault_reserve,
    .prefetch = fault_prefetch,
    .drop_cache = fault_drop_cache,
    .changed = fault_changed,
    .close = fault_close,
};

int block_fault_new(struct block_dev *take_next,
                    struct block_fault_plan *plan,
                    struct block_dev **ret_dev,
                    struct vr_err *err)
{
    struct fault_dev *f = calloc(1, sizeof *f);
    if (!f) {
        block_close(take_next);
        return vr_fail_nomem(err);
    }
    f->dev = *take_next;
    f->dev.ops = &fault_ops;
    f->next = take_next;
    f->plan = plan;
    take_next->label[0] = '\0'; /* the filter speaks for it, or each message would name it twice */
    *ret_dev = &f->dev;
    return 0;
}
