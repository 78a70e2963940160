/* SPDX-License-Identifier: Apache-2.0 */
#include "resync/span.h"

#include "resync/manifest.h"
#include "util/num.h"

/* Where the extent around off ends, as far as one question tells; off when it is not zero. */
static int zero_until(struct span_walk *w, uint64_t off, uint64_t *ret, struct vr_err *err)
{
    const struct block_extent *e = &w->extent;
    if (off < e->off || off >= e->off + e->len) {
        size_t n = 0;
        struct block_extent got = {0};
        int r = block_extents(w->dev, off, w->dev->size_bytes - off, &got, 1, &n, err);
        if (r < 0) {
            return r;
        }
        w->extent = n ? got : (struct block_extent){.off = off, .len = 0};
    }
    *ret = e->len && e->kind == BLOCK_ZERO ? e->off + e->len : off;
    return 0;
}

int span_at(struct span_walk *w, uint64_t off, struct span *ret, struct vr_err *err)
{
    uint64_t size = w->dev->size_bytes, end;
    int r = zero_until(w, off, &end, err);
    if (r < 0) {
        return r;
    }
    end = VR_MIN(end, off + SPAN_ZERO_MAX);
    end = end >= size ? size : end - end % MANIFEST_NODE;
    ret->off = off;
    ret->zero = end > off;
    ret->len = ret->zero ? end - off : VR_MIN((uint64_t)MANIFEST_NODE, size - off);
    return 0;
}

int span_is_zero(struct span_walk *w, uint64_t off, uint64_t len, bool *ret, struct vr_err *err)
{
    uint64_t end;
    int r = zero_until(w, off, &end, err);
    *ret = r == 0 && end >= off + len;
    return r;
}
