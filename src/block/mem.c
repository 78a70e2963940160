/* SPDX-License-Identifier: Apache-2.0 */
/* A device in memory, sparse: untouched pages cost nothing. Its extents are what really is zero, by
 * 4 KiB. */
#include <string.h>
#include <sys/mman.h>

#include "block/dev.h"
#include "util/num.h"

#define MEM_UNIT 4096u

struct mem_dev {
    struct block_dev dev;
    uint8_t *data;
};

static struct mem_dev *mem_of(struct block_dev *dev)
{
    return (struct mem_dev *)dev;
}

static int mem_read(struct block_dev *dev, void *buf, size_t len, uint64_t off, struct vr_err *err)
{
    memcpy(buf, mem_of(dev)->data + off, len);
    return 0;
}

static int
mem_write(struct block_dev *dev, const void *buf, size_t len, uint64_t off, struct vr_err *err)
{
    memcpy(mem_of(dev)->data + off, buf, len);
    return 0;
}

static int mem_zero(struct block_dev *dev, uint64_t off, uint64_t len, struct vr_err *err)
{
    memset(mem_of(dev)->data + off, 0, (size_t)len);
    return 0;
}

static enum block_extent_kind mem_kind(const uint8_t *p, size_t n)
{
    static const uint8_t zeroes[MEM_UNIT];
    return memcmp(p, zeroes, n) == 0 ? BLOCK_ZERO : BLOCK_DATA;
}

static int mem_extents(struct block_dev *dev,
                       uint64_t off,
                       uint64_t len,
                       struct block_extent *ret,
                       size_t max,
                       size_t *ret_n,
                       struct vr_err *err)
{
    size_t n = 0;
    for (uint64_t at = off; at < off + len;) {
        uint64_t step = VR_MIN(MEM_UNIT - at % MEM_UNIT, off + len - at);
        enum block_extent_kind kind = mem_kind(mem_of(dev)->data + at, (size_t)step);
        if (n && ret[n - 1].kind == kind) {
            ret[n - 1].len += step;
        } else if (n == max) {
            break;
        } else {
            ret[n++] = (struct block_extent){.off = at, .len = step, .kind = kind};
        }
        at += step;
    }
    *ret_n = n;
    return 0;
}

static void mem_close(struct block_dev *dev)
{
    if (mem_of(dev)->data) {
        munmap(mem_of(dev)->data, (size_t)dev->size_bytes);
    }
    free(dev);
}

static const struct block_ops mem_ops = {
    .name = "mem",
    .read = mem_read,
    .write = mem_write,
    .zero = mem_zero,
    .extents = mem_extents,
    .close = mem_close,
};

int block_mem_new(uint64_t size_bytes, struct block_dev **ret_dev, struct vr_err *err)
{
    struct mem_dev *m = calloc(1, sizeof *m);
    if (!m) {
        return vr_fail_nomem(err);
    }
    if (size_bytes) {
        void *p = size_bytes > SIZE_MAX / 2
                      ? MAP_FAILED
                      : mmap(NULL, (size_t)size_bytes, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED) {
            free(m);
            return vr_fail_nomem(err);
        }
        m->data = p;
    }
    m->dev = (struct block_dev){.ops = &mem_ops, .size_bytes = size_bytes, .label = "memory"};
    *ret_dev = &m->dev;
    return 0;
}
