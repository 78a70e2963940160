/* SPDX-License-Identifier: Apache-2.0 */
#include "resync/reader.h"

#include <stdlib.h>
#include <string.h>

#include "util/num.h"

/* A chunk is read and digested while it is in the processor's second-level cache. */
#define CHUNK RUN_DATA_MAX
#define EXTENTS 64u
#define LOOK_AHEAD VR_GIB /* extents asked for in one call */
#define PREFETCH_AHEAD (32u << 20)
#define CACHE_LINE 64u
#define PREFETCHED (8 * CACHE_LINE) /* the processor goes on from there */

struct reader {
    struct block_dev *dev;
    uint16_t disk;
    struct digest *digest;
    struct overlay *overlay;
    uint64_t pos, end, prefetched;
    uint64_t ahead_until; /* reading ahead is of use below this: something near was not cached */
    struct block_extent ext[EXTENTS];
    size_t next, count;
    uint8_t state[CHUNK / DIGEST_LEAF];
    bool zero[CHUNK / DIGEST_LEAF];
    uint8_t *buf;
};

int reader_new(struct block_dev *dev,
               uint16_t disk,
               struct digest *d,
               struct overlay *overlay,
               struct reader **ret,
               struct vr_err *err)
{
    struct reader *r = calloc(1, sizeof *r);
    uint8_t *buf = aligned_alloc(4096, CHUNK);
    if (!r || !buf) {
        free(r);
        free(buf);
        return vr_fail_nomem(err);
    }
    *r = (struct reader){.dev = dev,
                         .disk = disk,
                         .digest = d,
                         .overlay = overlay,
                         .buf = buf,
                         .end = dev->size_bytes,
                         .ahead_until = PREFETCH_AHEAD};
    *ret = r;
    return 0;
}

void reader_free(struct reader *r)
{
    if (r) {
        free(r->buf);
        free(r);
    }
}

uint64_t reader_pos(const struct reader *r)
{
    return r->pos;
}

void reader_seek(struct reader *r, uint64_t pos, uint64_t end)
{
    vr_assert(pos >= r->pos && pos <= end && end <= r->dev->size_bytes);
    r->pos = pos;
    r->end = end;
    if (pos == r->dev->size_bytes) {
        block_unmap(r->dev); /* as in reader_next */
    }
}

/* Makes r->ext[r->next] the extent that contains off. */
static int find_extent(struct reader *r, uint64_t off, struct vr_err *err)
{
    while (r->next < r->count && r->ext[r->next].off + r->ext[r->next].len <= off) {
        r->next++;
    }
    if (r->next < r->count) {
        return 0;
    }
    uint64_t len = VR_MIN(LOOK_AHEAD, r->dev->size_bytes - off);
    int x = block_extents(r->dev, off, len, r->ext, EXTENTS, &r->count, err);
    r->next = 0;
    if (x < 0) {
        r->count = 0;
        return x;
    }
    vr_assert(r->count > 0 && r->ext[0].off <= off);
    return 0;
}

/* *ret_end: how far the disk is known to be zero from pos on (pos: not at all). */
static int zero_until(struct reader *r, uint64_t *ret_end, struct vr_err *err)
{
    uint64_t end = r->pos;
    while (end < r->end) {
        int x = find_extent(r, end, err);
        if (x < 0) {
            return x;
        }
        const struct block_extent *e = &r->ext[r->next];
        if (e->kind != BLOCK_ZERO) {
            break;
        }
        end = e->off + e->len;
    }
    *ret_end = VR_MIN(end, r->end);
    return 0;
}

static int zero_stretch(struct reader *r, uint64_t *ret_nodes, struct vr_err *err)
{
    uint64_t end, staged = UINT64_MAX;
    *ret_nodes = 0;
    int x = zero_until(r, &end, err);
    if (x < 0) {
        return x;
    }
    if (end == r->pos) {
        return 0;
    }
    if (r->overlay) {
        x = overlay_next(r->overlay, r->disk, r->pos, &staged, err);
        if (x < 0) {
            return x;
        }
    }
    end = VR_MIN(end, staged);
    if (end < r->dev->size_bytes) {
        end = vr_round_down(end, DIGEST_NODE);
    }
    if (end > r->pos) {
        *ret_nodes = vr_div_up(end - r->pos, DIGEST_NODE);
    }
    return 0;
}

/* Extents only ascend; zero_until may have looked past this node, so a node's pieces start from a
 * fresh answer. */
static int find_piece(struct reader *r, uint64_t off, struct vr_err *err)
{
    if (r->count && r->ext[0].off > off) {
        r->count = r->next = 0;
    } else if (r->next < r->count && r->ext[r->next].off > off) {
        r->next = 0;
    }
    return find_extent(r, off, err);
}

static int read_piece(struct reader *r,
                      uint64_t off,
                      uint32_t left,
                      uint8_t *at,
                      uint32_t *ret_len,
                      bool *ret_zero,
                      struct vr_err *err)
{
    int x = find_piece(r, off, err);
    if (x < 0) {
        return x;
    }
    const struct block_extent *e = &r->ext[r->next];
    uint32_t n = (uint32_t)VR_MIN((uint64_t)left, e->off + e->len - off);
    *ret_len = n;
    *ret_zero = e->kind == BLOCK_ZERO;
    if (*ret_zero) {
        return 0;
    }
    return block_read(r->dev, at, n, off, err);
}

static void mark_zero(struct reader *r, uint32_t from, uint32_t len, uint32_t chunk_len)
{
    uint32_t to = from + len;
    uint32_t first = (from + DIGEST_LEAF - 1) / DIGEST_LEAF;
    uint32_t last = to == chunk_len ? digest_leaves(to) : to / DIGEST_LEAF;
    for (uint32_t i = first; i < last; i++) {
        r->zero[i] = true;
    }
    memset(r->buf + from, 0, len);
}

static int read_chunk(struct reader *r, uint64_t off, uint32_t len, struct vr_err *err)
{
    memset(r->zero, 0, sizeof r->zero);
    for (uint32_t done = 0; done < len;) {
        uint32_t n;
        bool zero;
        int x = read_piece(r, off + done, len - done, r->buf + done, &n, &zero, err);
        if (x < 0) {
            return x;
        }
        if (zero) {
            mark_zero(r, done, n, len);
        }
        done += n;
    }
    return 0;
}

/* The number of the leaf in its node. */
static uint32_t leaf_at(uint64_t off)
{
    return (uint32_t)(off % DIGEST_NODE) / DIGEST_LEAF;
}

static int apply_staged(
    struct reader *r, uint64_t off, uint32_t len, struct reader_item *item, struct vr_err *err)
{
    bool any;
    uint32_t first = leaf_at(off);
    uint64_t staged;
    int x = overlay_next(r->overlay, r->disk, off, &staged, err);
    if (x < 0 || staged >= off + len) {
        return x;
    }
    /* REVERT means the base again, which a DATA record of an older run overwrote in buf: read it
     * aside first. */
    uint8_t *over = malloc(CHUNK);
    if (!over) {
        return vr_fail_nomem(err);
    }
    x = overlay_chunk(r->overlay, r->disk, off, len, over, r->state, &any, err);
    for (uint32_t i = 0; x == 0 && i < digest_leaves(len); i++) {
        if (r->state[i] == LEAF_BASE) {
            continue;
        }
        size_t at = (size_t)i * DIGEST_LEAF, n = VR_MIN((size_t)DIGEST_LEAF, len - at);
        item->staged[(first + i) / 64] |= 1ull << ((first + i) % 64);
        if (r->state[i] == LEAF_DATA) {
            memcpy(r->buf + at, over + at, n);
            r->zero[i] = false;
        } else if (r->state[i] == LEAF_ZERO) {
            memset(r->buf + at, 0, n);
            r->zero[i] = true;
        }
    }
    free(over);
    return x;
}

static void tag_chunk(struct reader *r, uint32_t first_leaf, uint32_t len, struct node_tags *tags)
{
    const uint8_t *zero_leaf = digest_zero_leaf(r->digest);
    for (uint32_t i = 0, n = digest_leaves(len); i < n; i++) {
        size_t at = (size_t)i * DIGEST_LEAF, size = VR_MIN((size_t)DIGEST_LEAF, len - at);
        if (r->zero[i] && size == DIGEST_LEAF) {
            memcpy(tags->leaf[first_leaf + i], zero_leaf, DIGEST_TAG);
        } else {
            digest_leaf(r->digest, r->buf + at, size, tags->leaf[first_leaf + i]);
        }
    }
}

/* Of the disk, holes and all: a device must not run dry at one. Drivers bound what is in flight. */
static void prefetch(struct reader *r)
{
    uint64_t size = r->end;
    uint64_t want = VR_MIN(size, r->pos + PREFETCH_AHEAD);
    uint64_t from = VR_MAX(r->prefetched, r->pos);
    bool of_use = r->dev->views_are_hinted || r->pos < r->ahead_until;
    if (of_use && from < want && (want - from >= DIGEST_NODE || want == size)) {
        block_prefetch(r->dev, from, want - from);
        r->prefetched = want;
    }
}

/* Is all of the range data, and nothing of it staged? */
static int
is_plain(struct reader *r, uint64_t off, uint32_t len, bool *ret_plain, struct vr_err *err)
{
    uint64_t staged = UINT64_MAX;
    int x = find_piece(r, off, err);
    if (x == 0 && r->overlay) {
        x = overlay_next(r->overlay, r->disk, off, &staged, err);
    }
    if (x < 0) {
        return x;
    }
    const struct block_extent *e = &r->ext[r->next];
    *ret_plain = e->kind == BLOCK_DATA && e->off + e->len >= off + len && staged >= off + len;
    return 0;
}

/*
 * The tags of a range straight from the page cache. The processor's own prefetching stops at the
 * end of a page, so it is told about the next block while it digests this one.
 */
static bool tag_mapped(
    struct reader *r, uint64_t off, uint32_t len, uint32_t first_leaf, struct node_tags *tags)
{
    const uint8_t *p = block_map(r->dev, off, len);
    if (!p) {
        r->ahead_until = off + len + PREFETCH_AHEAD;
        return false;
    }
    for (uint32_t at = 0; at < len; at += DIGEST_LEAF) {
        for (uint32_t i = DIGEST_LEAF; i < DIGEST_LEAF + PREFETCHED && at + i < len;
             i += CACHE_LINE) {
            __builtin_prefetch(p + at + i, 0, 2);
        }
        digest_leaf(r->digest, p + at, VR_MIN(DIGEST_LEAF, len - at),
                    tags->leaf[first_leaf + at / DIGEST_LEAF]);
    }
    return block_map_end(r->dev, off, len);
}

/* Where all of the range is data as the device has it, and a view of it can be had. */
static int tag_plain(struct reader *r,
                     uint64_t off,
                     uint32_t len,
                     struct node_tags *tags,
                     bool *ret_done,
                     struct vr_err *err)
{
    bool plain;
    int x = is_plain(r, off, len, &plain, err);
    *ret_done = x == 0 && plain && tag_mapped(r, off, len, leaf_at(off), tags);
    return x;
}

static int do_chunk(struct reader *r,
                    uint64_t off,
                    uint32_t len,
                    struct reader_item *item,
                    struct node_tags *tags,
                    struct vr_err *err)
{
    bool done;
    int x = tag_plain(r, off, len, tags, &done, err);
    if (x < 0 || done) {
        return x;
    }
    x = read_chunk(r, off, len, err);
    if (x == 0 && r->overlay) {
        x = apply_staged(r, off, len, item, err);
    }
    if (x == 0) {
        tag_chunk(r, leaf_at(off), len, tags);
    }
    return x;
}

static int
next_item(struct reader *r, struct reader_item *ret, struct node_tags *tags, struct vr_err *err)
{
    *ret = (struct reader_item){0};
    int x = zero_stretch(r, &ret->count, err);
    if (x < 0) {
        return x;
    }
    if (ret->count) {
        ret->zero = true;
        r->pos = VR_MIN(r->dev->size_bytes, r->pos + ret->count * DIGEST_NODE);
        return 0;
    }
    prefetch(r);
    ret->len = (uint32_t)VR_MIN((uint64_t)DIGEST_NODE, r->dev->size_bytes - r->pos);
    for (uint32_t done = 0; done < ret->len; done += CHUNK) {
        uint32_t n = VR_MIN((uint32_t)CHUNK, ret->len - done);
        x = do_chunk(r, r->pos + done, n, ret, tags, err);
        if (x < 0) {
            return x;
        }
    }
    digest_fold(r->digest, tags, ret->len);
    r->pos += ret->len;
    return 0;
}

int reader_next(struct reader *r,
                struct reader_item *ret,
                struct node_tags *tags,
                struct vr_err *err)
{
    vr_assert(r->pos < r->end);
    int x = next_item(r, ret, tags, err);
    if (x == 0 && r->pos == r->dev->size_bytes) {
        block_unmap(r->dev); /* not when freed: the device may be closed by then */
    }
    return x;
}
