/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a commit does to the disks: REDO, FLUSH, READBACK. The disks are open for direct I/O: writes
 * may be posted, so an error may come as late as the flush, and whatever fails is repeated from the
 * start of REDO.
 *
 * READBACK has no staged bytes in its hands, only the tags of the runs' indexes. It runs a queue of
 * stretches ahead of what it compares, so that the device has many reads to do at once.
 */
#include <stdlib.h>
#include <string.h>

#include "resync/commit_priv.h"
#include "util/num.h"

#define CHUNK_LEAVES (RUN_DATA_MAX / DIGEST_LEAF)
#define SPANS 128u
#define SPAN_GAP 4u /* blocks: to read 16 KiB more is cheaper than another request */
#define SPANS_OF_CHUNK ((CHUNK_LEAVES + SPAN_GAP + 1) / (SPAN_GAP + 2))
#define AHEAD_BYTES (8u << 20)

/* --- REDO --- */

/* Stretches of zeroes are kept back and zeroed many at a time: to punch a hole the device waits for
 * all writes in flight. They overlap nothing else, so the order does not matter. */
static int zero_all(struct commit *c, struct vr_err *err)
{
    int x = 0;
    for (size_t i = 0; x == 0 && i < c->nzero; i++) {
        const struct zero_range *z = &c->zero[i];
        c->stats.writes++;
        x = block_zero(c->dev[z->disk], z->off, z->len, err);
    }
    c->nzero = 0;
    return x;
}

static int
zero_later(struct commit *c, uint16_t disk, const struct walk_stretch *s, struct vr_err *err)
{
    struct zero_range *last = c->nzero ? &c->zero[c->nzero - 1] : NULL;
    if (last && last->disk == disk && last->off + last->len == s->off) {
        last->len += s->len;
        return 0;
    }
    int x = c->nzero == COMMIT_ZEROES ? zero_all(c, err) : 0;
    c->zero[c->nzero++] = (struct zero_range){disk, s->off, s->len};
    return x;
}

static int
redo_stretch(struct commit *c, uint16_t disk, const struct walk_stretch *s, struct vr_err *err)
{
    if (s->state == LEAF_REVERT) {
        return 0;
    }
    c->written[disk] += s->len;
    if (s->state == LEAF_ZERO) {
        return zero_later(c, disk, s, err);
    }
    int x = commit_needs_ballast(c, disk, s)
                ? commit_release_ballast(c, vr_round_up(s->len, DIGEST_MID), err)
                : 0;
    c->stats.writes++;
    return x < 0 ? x : block_write(c->dev[disk], s->data, s->len, s->off, err);
}

int commit_do_redo(struct commit *c, struct vr_err *err)
{
    int x = commit_walk_some(c, OVERLAY_STRICT, redo_stretch, err);
    if (x != 0) {
        return x < 0 ? x : 0;
    }
    x = zero_all(c, err);
    if (x == 0) {
        x = commit_release_ballast(c, UINT64_MAX, err);
    }
    if (x == 0) {
        c->stage = FLUSH;
    }
    return x;
}

/* --- FLUSH --- */

/* Every disk, also one that was only found equal: what somebody else put there need not be durable
 * yet. What was not written is not read back, so its cache is of use to the next comparison;
 * what is read directly needs no empty cache. */
int commit_do_flush(struct commit *c, struct vr_err *err)
{
    for (uint32_t i = 0; i < commit_ndisks(c); i++) {
        int x = block_flush(c->dev[i], err);
        if (x < 0) {
            return vr_wrap(err, x, "replica disk '%s'", commit_disk(c, i)->name);
        }
        if (c->written[i] && !(c->dev[i]->flags & BLOCK_DIRECT)) {
            block_drop_cache(c->dev[i]);
        }
        c->stats.written_bytes += c->written[i];
    }
    c->stage = READBACK;
    return 0;
}

/* --- READBACK --- */

/* Blocks that are read with one call: from the first to the last that must be compared. */
struct span {
    uint16_t disk;
    uint64_t off;
    uint32_t len;
    uint8_t state[CHUNK_LEAVES]; /* LEAF_BASE: whatever it holds */
    struct leaf_tag tag[CHUNK_LEAVES];
};

struct readback {
    bool all_asked; /* the walk is over; it stays, since the tags are its own */
    struct walk *walk;
    size_t first, n;
    uint64_t bytes; /* of the queued spans */
    struct span span[SPANS];
};

void commit_free_readback(struct commit *c)
{
    if (c->readback) {
        walk_free(c->readback->walk);
        free(TAKE_PTR(c->readback));
    }
}

static bool all_zero(const uint8_t *p, size_t n)
{
    return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

static int known_zero(
    struct commit *c, uint16_t disk, const struct walk_stretch *s, bool *ret, struct vr_err *err)
{
    struct block_extent e;
    size_t n;
    int x = block_extents(c->dev[disk], s->off, s->len, &e, 1, &n, err);
    *ret = x == 0 && n == 1 && e.kind == BLOCK_ZERO && e.off + e.len >= s->off + s->len;
    return x;
}

/* Which of the chunk's blocks must be read? The others become LEAF_BASE. */
static int
what_to_read(struct commit *c, const struct walk_chunk *chunk, uint8_t *state, struct vr_err *err)
{
    struct walk_stretch s;
    memcpy(state, chunk->state, digest_leaves(chunk->len));
    for (uint32_t at = 0; walk_stretches(chunk, &at, &s);) {
        bool skip = s.state == LEAF_REVERT;
        int x = s.state == LEAF_ZERO ? known_zero(c, chunk->disk, &s, &skip, err) : 0;
        if (x < 0) {
            return x;
        }
        if (skip) {
            memset(state + (s.off - chunk->off) / DIGEST_LEAF, LEAF_BASE, digest_leaves(s.len));
        }
    }
    return 0;
}

/* Blocks [first, last) of the chunk. */
static void ask(struct commit *c,
                const struct walk_chunk *chunk,
                const uint8_t *state,
                uint32_t first,
                uint32_t last)
{
    struct readback *rb = c->readback;
    vr_assert(rb->n < SPANS);
    struct span *s = &rb->span[(rb->first + rb->n++) % SPANS];
    s->disk = chunk->disk;
    s->off = chunk->off + (uint64_t)first * DIGEST_LEAF;
    s->len = VR_MIN(last * DIGEST_LEAF, chunk->len) - first * DIGEST_LEAF;
    memcpy(s->state, state + first, last - first);
    memcpy(s->tag, chunk->tags + first, (last - first) * sizeof s->tag[0]);
    rb->bytes += s->len;
    c->stats.reads++;
    block_prefetch(c->dev[s->disk], s->off, s->len);
}

static void ask_chunk(struct commit *c, const struct walk_chunk *chunk, const uint8_t *state)
{
    uint32_t first = 0, last = 0; /* of the span being made, when last != 0 */
    for (uint32_t i = 0, n = digest_leaves(chunk->len); i < n; i++) {
        if (state[i] == LEAF_BASE) {
            continue;
        }
        if (last && i - last > SPAN_GAP) {
            ask(c, chunk, state, first, last);
            last = 0;
        }
        first = last ? first : i;
        last = i + 1;
    }
    if (last) {
        ask(c, chunk, state, first, last);
    }
}

static int ask_ahead(struct commit *c, struct vr_err *err)
{
    struct readback *rb = c->readback;
    while (!rb->all_asked && rb->n + SPANS_OF_CHUNK <= SPANS && rb->bytes < AHEAD_BYTES) {
        struct walk_chunk chunk;
        uint8_t state[CHUNK_LEAVES];
        int x = walk_next(rb->walk, &chunk, err);
        rb->all_asked = x == 0;
        if (x > 0) {
            x = what_to_read(c, &chunk, state, err);
            if (x == 0) {
                ask_chunk(c, &chunk, state);
            }
        }
        if (x < 0) {
            return x;
        }
    }
    return 0;
}

static int compare_span(struct commit *c, const struct span *s, struct vr_err *err)
{
    int x = block_read(c->dev[s->disk], c->buf, s->len, s->off, err);
    if (x < 0) {
        return x;
    }
    for (uint32_t i = 0; i < digest_leaves(s->len); i++) {
        uint32_t at = i * DIGEST_LEAF, n = VR_MIN(DIGEST_LEAF, s->len - at);
        bool same = s->state[i] == LEAF_DATA
                        ? walk_is_leaf(c->readback->walk, &s->tag[i], c->buf + at, n)
                    : s->state[i] == LEAF_ZERO ? all_zero(c->buf + at, n)
                                               : true;
        if (!same) {
            return vr_fail(err, VR_E_IO,
                           "replica disk '%s' gives back other bytes than were written in %u bytes "
                           "at %llu: replace the device; the commit is repeated when the daemon "
                           "starts",
                           commit_disk(c, s->disk)->name, (unsigned)n,
                           (unsigned long long)(s->off + at));
        }
    }
    c->stats.read_bytes += s->len;
    return 0;
}

static int open_readback(struct commit *c, struct vr_err *err)
{
    c->readback = calloc(1, sizeof *c->readback);
    if (!c->readback) {
        return vr_fail_nomem(err);
    }
    return walk_new(c->r->stor, c->runs, c->nruns, &c->base.uuid, OVERLAY_STRICT | OVERLAY_INDEX,
                    commit_disk(c, 0), commit_ndisks(c), &c->readback->walk, err);
}

int commit_do_readback(struct commit *c, struct vr_err *err)
{
    int x = c->nruns && !c->readback ? open_readback(c, err) : 0;
    struct readback *rb = c->readback;
    for (uint64_t done = 0; x == 0 && rb && done < COMMIT_STEP_BYTES;) {
        x = ask_ahead(c, err);
        if (x < 0 || rb->n == 0) {
            break;
        }
        const struct span *s = &rb->span[rb->first];
        x = compare_span(c, s, err);
        done += s->len;
        rb->bytes -= s->len;
        rb->first = (rb->first + 1) % SPANS;
        rb->n--;
    }
    if (x == 0 && (!rb || (rb->all_asked && rb->n == 0))) {
        commit_free_readback(c);
        c->stage = DONE;
    }
    return x;
}
