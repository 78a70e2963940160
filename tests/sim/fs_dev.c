/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An image of the simulated file system as a block device. Every other one opened for direct I/O
 * has it: it reads what the disk has, and an error of a write is told by the next write or the
 * flush.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/fs_int.h"
#include "util/num.h"

struct fs_dev {
    struct block_dev dev;
    struct fs_inode *n;
    struct vr_err posted; /* kind NONE: no write failed */
};

static struct fs_inode *inode_of(struct block_dev *dev)
{
    return ((struct fs_dev *)dev)->n;
}

static bool is_direct(struct block_dev *dev)
{
    return dev->flags & BLOCK_DIRECT;
}

static int told_late(struct block_dev *dev, struct vr_err *err)
{
    const struct vr_err *posted = &((struct fs_dev *)dev)->posted;
    if (posted->kind != VR_E_NONE && err) {
        *err = *posted;
    }
    return -(int)posted->kind;
}

static int dev_read(struct block_dev *dev, void *buf, size_t len, uint64_t off, struct vr_err *err)
{
    struct fs_inode *n = inode_of(dev);
    if (n->fs->dead) {
        return vr_fail(err, VR_E_IO, "the host is dead");
    }
    if (is_direct(dev)) {
        fs_drop_cache(n);
    }
    memcpy(buf, n->data + off, len);
    return 0;
}

static int change(struct fs_inode *n,
                  enum fs_op op,
                  const void *p,
                  uint64_t off,
                  uint64_t len,
                  struct vr_err *err)
{
    bool apply;
    int r = fs_gate(n->fs, op, &apply, err);
    if (!apply) {
        return r;
    }
    fs_change(n, off, p, len);
    uint64_t to = vr_div_up(off + len, FS_BLOCK);
    memset(n->touched + off / FS_BLOCK, 1, to - off / FS_BLOCK);
    return r;
}

static int
dev_write(struct block_dev *dev, const void *buf, size_t len, uint64_t off, struct vr_err *err)
{
    if (!is_direct(dev)) {
        return change(inode_of(dev), FS_WRITE, buf, off, len, err);
    }
    int r = told_late(dev, err);
    if (r == 0) {
        (void)!change(inode_of(dev), FS_WRITE, buf, off, len, &((struct fs_dev *)dev)->posted);
    }
    return r;
}

static int dev_zero(struct block_dev *dev, uint64_t off, uint64_t len, struct vr_err *err)
{
    return change(inode_of(dev), FS_ZERO, NULL, off, len, err);
}

static int dev_flush(struct block_dev *dev, struct vr_err *err)
{
    bool apply;
    struct fs_inode *n = inode_of(dev);
    int late = told_late(dev, err);
    ((struct fs_dev *)dev)->posted = VR_ERR_INIT;
    if (late < 0) {
        return late;
    }
    int r = fs_gate(n->fs, FS_SYNC, &apply, err);
    if (apply) {
        fs_synced(n);
    } else if (!n->fs->dead) {
        fs_sync_failed(n);
    }
    return r;
}

static int dev_extents(struct block_dev *dev,
                       uint64_t off,
                       uint64_t len,
                       struct block_extent *ret,
                       size_t max,
                       size_t *ret_n,
                       struct vr_err *err)
{
    struct fs_inode *n = inode_of(dev);
    size_t k = 0;
    for (uint64_t at = off; at < off + len;) {
        uint64_t step = VR_MIN(FS_BLOCK - at % FS_BLOCK, off + len - at);
        enum block_extent_kind kind = n->hole[at / FS_BLOCK] ? BLOCK_ZERO : BLOCK_DATA;
        if (k && ret[k - 1].kind == kind) {
            ret[k - 1].len += step;
        } else if (k == max) {
            break;
        } else {
            ret[k++] = (struct block_extent){at, step, kind};
        }
        at += step;
    }
    *ret_n = k;
    return 0;
}

static int dev_reserve(struct block_dev *dev, uint64_t off, uint64_t len, struct vr_err *err)
{
    bool apply;
    return fs_gate(inode_of(dev)->fs, FS_RESERVE, &apply, err);
}

static const uint8_t *dev_map(struct block_dev *dev, uint64_t off, size_t len)
{
    struct fs_inode *n = inode_of(dev);
    return n->fs->dead ? NULL : n->data + off;
}

static bool dev_map_end(struct block_dev *dev, uint64_t off, size_t len)
{
    return !inode_of(dev)->fs->dead;
}

static void dev_drop_cache(struct block_dev *dev)
{
    fs_drop_cache(inode_of(dev));
}

static void dev_close(struct block_dev *dev)
{
    inode_of(dev)->fs->live_handles--;
    free(dev);
}

static const struct block_ops dev_ops = {
    .name = "sim",
    .read = dev_read,
    .write = dev_write,
    .zero = dev_zero,
    .flush = dev_flush,
    .extents = dev_extents,
    .reserve = dev_reserve,
    .map = dev_map,
    .map_end = dev_map_end,
    .drop_cache = dev_drop_cache,
    .close = dev_close,
};

int fs_dev_open(struct fs_inode *n, unsigned flags, struct block_dev **ret, struct vr_err *err)
{
    struct fs_dev *d = calloc(1, sizeof *d);
    if (!d) {
        return vr_fail_nomem(err);
    }
    d->dev.ops = &dev_ops;
    d->dev.size_bytes = n->size;
    d->dev.flags = n->fs->ops % 2 ? flags : flags & ~BLOCK_DIRECT;
    snprintf(d->dev.label, sizeof d->dev.label, "sim %llu", (unsigned long long)n->number);
    d->n = n;
    n->fs->live_handles++;
    *ret = &d->dev;
    return 0;
}
