/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads staging runs. A cursor holds one segment of its run at a time. A segment is taken whole or
 * not at all: its index, and with it every record, is checked before the first of them is told; so
 * are its data, unless only the index was asked for.
 */
#include "resync/run.h"

#include <stdlib.h>
#include <string.h>

#include "resync/run_format.h"
#include "util/buf.h"
#include "util/num.h"

/* --- reading one run --- */

struct cursor {
    struct stor_file *file;
    struct checksum *sum; /* NULL: no whole header was seen */
    uint8_t header_tag[DIGEST_TAG];
    uint8_t *seg;    /* the present segment: index, then data unless index_only */
    uint64_t limit;  /* bytes that may be read */
    uint64_t valid;  /* end of the last whole segment */
    uint64_t number; /* of the next segment */
    bool strict, index_only, ended;
    uint32_t nrec, next_rec; /* of the present segment */
    uint64_t leaf;           /* where the data of rec begins in it */
    struct run_record rec;   /* the current one, when !ended */
    uint16_t last_disk;
    uint64_t last_end;
    char name[32];
};

struct overlay {
    size_t n;
    struct cursor cur[RUNS_MAX];
};

static int cursor_end(struct cursor *c, struct vr_err *err)
{
    c->ended = true;
    if (c->strict && c->valid != c->limit) {
        return vr_fail(err, VR_E_CORRUPT, "staging run '%s' is damaged at byte %llu of %llu",
                       c->name, (unsigned long long)c->valid, (unsigned long long)c->limit);
    }
    return 0;
}

static const uint8_t *tag_at(const struct cursor *c, uint64_t leaf)
{
    return c->seg + SEGMENT_TAGS_AT + leaf * DIGEST_TAG;
}

static bool record_sane(const struct cursor *c, const struct run_record *rec, unsigned type)
{
    if (type < RUN_DATA || type > RUN_REVERT || rec->len == 0 || rec->off > INT64_MAX ||
        rec->len > INT64_MAX || rec->disk >= VR_DISKS_MAX || rec->off % DIGEST_LEAF != 0 ||
        (type == RUN_DATA && rec->len > SEGMENT_DATA_BYTES)) {
        return false;
    }
    return rec->disk > c->last_disk || (rec->disk == c->last_disk && rec->off >= c->last_end);
}

static unsigned get_record(const struct cursor *c, uint32_t i, struct run_record *ret)
{
    struct vr_rd rd = vr_rd_init(c->seg + SEGMENT_RECORDS_AT + (size_t)i * SEGMENT_RECORD_BYTES,
                                 SEGMENT_RECORD_BYTES);
    *ret = (struct run_record){.disk = vr_rd_u16(&rd)};
    unsigned type = vr_rd_u16(&rd);
    ret->type = (enum run_type)type;
    ret->off = vr_rd_u64(&rd);
    ret->len = vr_rd_u64(&rd);
    return type;
}

/* Are the index's records in order, and is there a block of data for each that needs one? */
static bool records_sane(struct cursor *c, uint32_t leaves)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < c->nrec; i++) {
        struct run_record rec;
        unsigned type = get_record(c, i, &rec);
        if (!record_sane(c, &rec, type)) {
            return false;
        }
        c->last_disk = rec.disk;
        c->last_end = rec.off + rec.len;
        sum += run_record_leaves(&rec);
    }
    return sum == leaves;
}

static bool data_whole(const struct cursor *c, uint32_t leaves)
{
    const uint8_t *p = c->seg + SEGMENT_INDEX_BYTES;
    for (uint32_t i = 0; i < leaves; i++, p += DIGEST_LEAF) {
        uint8_t tag[DIGEST_TAG];
        checksum_tag(c->sum, p, DIGEST_LEAF, NULL, 0, tag);
        if (memcmp(tag, tag_at(c, i), DIGEST_TAG) != 0) {
            return false;
        }
    }
    return true;
}

/* *ret_bytes: the segment's length, 0 when its index is not whole. */
static void check_index(struct cursor *c, uint64_t *ret_bytes, uint32_t *ret_leaves)
{
    uint8_t tag[DIGEST_TAG];
    struct vr_rd rd = vr_rd_init(c->seg, SEGMENT_TAGS_AT);
    uint32_t magic = vr_rd_u32(&rd);
    uint32_t nrec = vr_rd_u32(&rd);
    uint64_t number = vr_rd_u64(&rd);
    uint32_t leaves = vr_rd_u32(&rd);
    *ret_bytes = 0;
    *ret_leaves = leaves;
    if (magic != SEGMENT_MAGIC || number != c->number || nrec == 0 || nrec > SEGMENT_RECORDS ||
        leaves > SEGMENT_LEAVES) {
        return;
    }
    checksum_tag(c->sum, c->header_tag, DIGEST_TAG, c->seg, SEGMENT_INDEX_BYTES - DIGEST_TAG, tag);
    if (memcmp(tag, c->seg + SEGMENT_INDEX_BYTES - DIGEST_TAG, DIGEST_TAG) == 0) {
        c->nrec = nrec;
        *ret_bytes = SEGMENT_INDEX_BYTES + (uint64_t)leaves * DIGEST_LEAF;
    }
}

/* The next segment becomes the present one, or the run ends. */
static int cursor_load(struct cursor *c, struct vr_err *err)
{
    uint64_t left = VR_MIN(c->limit, stor_file_size(c->file)), bytes;
    left = left > c->valid ? left - c->valid : 0;
    size_t want = c->index_only ? SEGMENT_INDEX_BYTES : SEGMENT_BYTES, got;
    uint32_t leaves;
    if (left < SEGMENT_INDEX_BYTES) {
        return cursor_end(c, err);
    }
    want = (size_t)VR_MIN((uint64_t)want, left);
    int r = stor_file_read(c->file, c->seg, want, c->valid, &got, err);
    if (r < 0) {
        return vr_wrap(err, r, "staging run '%s'", c->name);
    }
    if (got < want) {
        return cursor_end(c, err);
    }
    check_index(c, &bytes, &leaves);
    if (bytes == 0 || bytes > left || !records_sane(c, leaves) ||
        (!c->index_only && !data_whole(c, leaves))) {
        return cursor_end(c, err);
    }
    c->valid += bytes;
    c->number++;
    c->next_rec = 0;
    c->rec.type = RUN_ZERO; /* has no data to step over */
    c->leaf = 0;
    return 0;
}

/* Moves to the next record, or to the end. */
static int cursor_advance(struct cursor *c, struct vr_err *err)
{
    if (c->next_rec == c->nrec) {
        int r = cursor_load(c, err);
        if (r < 0 || c->ended) {
            return r;
        }
    }
    c->leaf += run_record_leaves(&c->rec);
    get_record(c, c->next_rec++, &c->rec);
    if (!c->index_only) {
        c->rec.data = c->seg + SEGMENT_INDEX_BYTES + c->leaf * DIGEST_LEAF;
    }
    return 0;
}

static int cursor_header(struct cursor *c, const struct vr_uuid *base, struct vr_err *err)
{
    size_t got;
    int r = stor_file_read(c->file, c->seg, (size_t)VR_MIN(c->limit, (uint64_t)RUN_HEADER_BYTES), 0,
                           &got, err);
    if (r < 0) {
        return vr_wrap(err, r, "staging run '%s'", c->name);
    }
    struct vr_rd rd = vr_rd_init(c->seg, got);
    uint32_t magic = vr_rd_u32(&rd), version = vr_rd_u32(&rd);
    if (rd.failed || magic != RUN_MAGIC) { /* a crash before the first flush: an empty run */
        return cursor_end(c, err);
    }
    if (version != RUN_VERSION) {
        return vr_fail(err, VR_E_CORRUPT,
                       "staging run '%s' is of version %u, this program knows %u", c->name,
                       (unsigned)version, RUN_VERSION);
    }
    if (got < RUN_HEADER_BYTES) {
        return cursor_end(c, err);
    }
    r = checksum_new(c->seg + RUN_KEY_AT, &c->sum, err);
    if (r < 0) {
        return r;
    }
    checksum_tag(c->sum, c->seg, RUN_HEADER_BYTES - DIGEST_TAG, NULL, 0, c->header_tag);
    if (memcmp(c->header_tag, c->seg + RUN_HEADER_BYTES - DIGEST_TAG, DIGEST_TAG) != 0) {
        return cursor_end(c, err);
    }
    if (memcmp(c->seg + RUN_BASE_AT, base->b, sizeof base->b) != 0) {
        return vr_fail(err, VR_E_STATE, "staging run '%s' belongs to another generation", c->name);
    }
    c->valid = RUN_HEADER_BYTES;
    return cursor_advance(c, err);
}

static int cursor_open(struct cursor *c,
                       struct stor *stor,
                       const struct run_name *run,
                       const struct vr_uuid *base,
                       unsigned flags,
                       struct vr_err *err)
{
    memcpy(c->name, run->name, sizeof c->name);
    c->strict = flags & OVERLAY_STRICT;
    c->index_only = flags & OVERLAY_INDEX;
    c->seg = aligned_alloc(4096, c->index_only ? SEGMENT_INDEX_BYTES : SEGMENT_BYTES);
    if (!c->seg) {
        return vr_fail_nomem(err);
    }
    int r = stor_open(stor, run->name, false, &c->file, err);
    if (r < 0) {
        return r;
    }
    c->limit = run->bytes ? run->bytes : stor_file_size(c->file);
    return cursor_header(c, base, err);
}

/* --- reading them all --- */

int overlay_open(struct stor *stor,
                 const struct run_name *runs,
                 size_t n,
                 const struct vr_uuid *base,
                 unsigned flags,
                 struct overlay **ret,
                 struct vr_err *err)
{
    if (n > RUNS_MAX) {
        return vr_fail(err, VR_E_LIMIT, "%zu staging runs, at most %u", n, RUNS_MAX);
    }
    _cleanup_(overlay_freep) struct overlay *o = calloc(1, sizeof *o);
    if (!o) {
        return vr_fail_nomem(err);
    }
    for (size_t i = 0; i < n; i++) {
        o->n = i + 1;
        int r = cursor_open(&o->cur[i], stor, &runs[i], base, flags, err);
        if (r < 0) {
            return r;
        }
    }
    *ret = TAKE_PTR(o);
    return 0;
}

void overlay_free(struct overlay *o)
{
    if (!o) {
        return;
    }
    for (size_t i = 0; i < o->n; i++) {
        stor_file_close(o->cur[i].file);
        checksum_free(o->cur[i].sum);
        free(o->cur[i].seg);
    }
    free(o);
}

static bool before(const struct cursor *c, uint16_t disk, uint64_t off)
{
    return c->rec.disk < disk || (c->rec.disk == disk && c->rec.off + c->rec.len <= off);
}

static int cursor_seek(struct cursor *c, uint16_t disk, uint64_t off, struct vr_err *err)
{
    while (!c->ended && before(c, disk, off)) {
        int r = cursor_advance(c, err);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

int overlay_next(
    struct overlay *o, uint16_t disk, uint64_t off, uint64_t *ret_off, struct vr_err *err)
{
    *ret_off = UINT64_MAX;
    for (size_t i = 0; i < o->n; i++) {
        struct cursor *c = &o->cur[i];
        int r = cursor_seek(c, disk, off, err);
        if (r < 0) {
            return r;
        }
        if (!c->ended && c->rec.disk == disk) {
            uint64_t at = VR_MAX(c->rec.off, off);
            *ret_off = VR_MIN(*ret_off, at);
        }
    }
    return 0;
}

/* Where the answer goes: data or tags, one of them NULL. */
struct answer {
    uint64_t off;
    uint32_t len;
    uint8_t *buf;
    struct leaf_tag *tags;
    uint8_t *state;
};

static void
put_tags(const struct cursor *c, uint8_t run, uint64_t leaf, size_t n, struct leaf_tag *to)
{
    for (size_t i = 0; i < n; i++) {
        to[i].run = run;
        memcpy(to[i].tag, tag_at(c, leaf + i), DIGEST_TAG);
    }
}

/* Puts the part of the cursor's record that lies in [off, off+len) into the answer. */
static void apply_record(const struct cursor *c, uint8_t run, const struct answer *a)
{
    static const uint8_t state_of[] = {
        [RUN_DATA] = LEAF_DATA, [RUN_ZERO] = LEAF_ZERO, [RUN_REVERT] = LEAF_REVERT};
    const struct run_record *rec = &c->rec;
    uint64_t from = VR_MAX(rec->off, a->off), to = VR_MIN(rec->off + rec->len, a->off + a->len);
    size_t first = (size_t)(from - a->off) / DIGEST_LEAF;
    size_t last = (size_t)vr_div_up(to - a->off, DIGEST_LEAF);
    memset(a->state + first, state_of[rec->type], last - first);
    if (rec->type != RUN_DATA) {
        return;
    }
    if (a->tags) {
        uint64_t leaf = c->leaf + (from - rec->off) / DIGEST_LEAF;
        put_tags(c, run, leaf, last - first, a->tags + first);
    } else {
        vr_assert(a->buf && rec->data);
        memcpy(a->buf + (from - a->off), rec->data + (from - rec->off), (size_t)(to - from));
    }
}

static int fill_answer(
    struct overlay *o, uint16_t disk, const struct answer *a, bool *ret_any, struct vr_err *err)
{
    uint64_t off = a->off, len = a->len;
    vr_assert(len <= RUN_DATA_MAX && off % DIGEST_LEAF == 0);
    memset(a->state, LEAF_BASE, vr_div_up(len, DIGEST_LEAF));
    *ret_any = false;
    for (size_t i = 0; i < o->n; i++) {
        struct cursor *c = &o->cur[i];
        int r = cursor_seek(c, disk, off, err);
        if (r < 0) {
            return r;
        }
        while (!c->ended && c->rec.disk == disk && c->rec.off < off + len) {
            apply_record(c, (uint8_t)i, a);
            *ret_any = true;
            if (c->rec.off + c->rec.len > off + len) {
                break; /* the rest belongs to the next chunk */
            }
            r = cursor_advance(c, err);
            if (r < 0) {
                return r;
            }
        }
    }
    return 0;
}

int overlay_chunk(struct overlay *o,
                  uint16_t disk,
                  uint64_t off,
                  uint32_t len,
                  uint8_t *buf,
                  uint8_t *state,
                  bool *ret_any,
                  struct vr_err *err)
{
    vr_assert(o->n == 0 || !o->cur[0].index_only);
    struct answer a = {.off = off, .len = len, .buf = buf, .state = state};
    return fill_answer(o, disk, &a, ret_any, err);
}

int overlay_chunk_tags(struct overlay *o,
                       uint16_t disk,
                       uint64_t off,
                       uint32_t len,
                       struct leaf_tag *tags,
                       uint8_t *state,
                       bool *ret_any,
                       struct vr_err *err)
{
    struct answer a = {.off = off, .len = len, .tags = tags, .state = state};
    return fill_answer(o, disk, &a, ret_any, err);
}

bool overlay_is_leaf(struct overlay *o, const struct leaf_tag *t, const void *p, size_t len)
{
    uint8_t whole[DIGEST_LEAF], tag[DIGEST_TAG];
    vr_assert(len <= DIGEST_LEAF && t->run < o->n);
    if (len < DIGEST_LEAF) {
        memset(whole, 0, sizeof whole);
        memcpy(whole, p, len);
        p = whole;
    }
    checksum_tag(o->cur[t->run].sum, p, DIGEST_LEAF, NULL, 0, tag);
    return memcmp(tag, t->tag, DIGEST_TAG) == 0;
}

bool overlay_at_end(struct overlay *o, uint64_t *ret_bytes)
{
    bool all = true;
    for (size_t i = 0; i < o->n; i++) {
        all = all && o->cur[i].ended;
        ret_bytes[i] = o->cur[i].valid;
    }
    return all;
}
