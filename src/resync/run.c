/* SPDX-License-Identifier: Apache-2.0 */
#include "resync/run.h"

#include <stdlib.h>
#include <string.h>

#include "util/buf.h"
#include "util/num.h"

#define RUN_MAGIC 0x4e555256u /* "VRUN" */
#define RUN_VERSION 1u
#define HEADER_BYTES (4 + 4 + 32 + 16 + DIGEST_TAG)
#define RECORD_BYTES (2 + 2 + 8 + 8 + DIGEST_TAG)
#define WRITE_BUFFER (1u << 20)
#define READ_BUFFER (512u << 10) /* holds any whole record */

_Static_assert(READ_BUFFER >= RECORD_BYTES + RUN_DATA_MAX, "a record fits the read buffer");

/* --- writing --- */

struct run_writer {
    struct stor_file *file;
    struct checksum *sum;
    struct vr_buf buf;
    uint64_t flushed;
    uint16_t last_disk;
    uint64_t last_end;
    char name[32];
};

static void put_header(struct vr_buf *b,
                       struct checksum *sum,
                       const uint8_t key[32],
                       const struct vr_uuid *base)
{
    size_t start = b->len;
    uint8_t tag[DIGEST_TAG];
    vr_buf_u32(b, RUN_MAGIC);
    vr_buf_u32(b, RUN_VERSION);
    vr_buf_bytes(b, key, 32);
    vr_buf_bytes(b, base->b, 16);
    if (!b->failed) {
        checksum_tag(sum, b->data + start, b->len - start, NULL, 0, tag);
        vr_buf_bytes(b, tag, sizeof tag);
    }
}

int run_writer_new(struct stor *stor,
                   const char *name,
                   const uint8_t key[32],
                   const struct vr_uuid *base,
                   struct run_writer **ret,
                   struct vr_err *err)
{
    if (stor_exists(stor, name)) {
        return vr_fail(err, VR_E_EXISTS, "staging run '%s' exists", name);
    }
    _cleanup_(run_writer_freep) struct run_writer *w = calloc(1, sizeof *w);
    if (!w) {
        return vr_fail_nomem(err);
    }
    vr_buf_init(&w->buf, WRITE_BUFFER + RECORD_BYTES + RUN_DATA_MAX);
    snprintf(w->name, sizeof w->name, "%s", name);
    int r = checksum_new(key, &w->sum, err);
    if (r < 0) {
        return r;
    }
    r = stor_open(stor, name, true, &w->file, err);
    if (r < 0) {
        return r;
    }
    put_header(&w->buf, w->sum, key, base);
    r = vr_buf_check(&w->buf, err);
    if (r < 0) {
        return r;
    }
    *ret = TAKE_PTR(w);
    return 0;
}

void run_writer_free(struct run_writer *w)
{
    if (!w) {
        return;
    }
    stor_file_close(w->file);
    checksum_free(w->sum);
    vr_buf_deinit(&w->buf);
    free(w);
}

static void encode_record(uint8_t head[RECORD_BYTES], const struct run_record *rec)
{
    uint64_t fields[] = {rec->disk, rec->type, rec->off, rec->len};
    static const unsigned width[] = {2, 2, 8, 8};
    uint8_t *p = head;
    for (size_t f = 0; f < VR_COUNT(fields); f++) {
        for (unsigned i = 0; i < width[f]; i++) {
            *p++ = (uint8_t)(fields[f] >> (8 * i));
        }
    }
}

int run_writer_add(struct run_writer *w, const struct run_record *rec, struct vr_err *err)
{
    if (rec->disk < w->last_disk || (rec->disk == w->last_disk && rec->off < w->last_end)) {
        return vr_fail(err, VR_E_PROTOCOL, "differences do not ascend: disk %u offset %llu",
                       (unsigned)rec->disk, (unsigned long long)rec->off);
    }
    size_t data_len = rec->type == RUN_DATA ? (size_t)rec->len : 0;
    vr_assert(data_len <= RUN_DATA_MAX);
    if (w->buf.len + RECORD_BYTES + data_len > WRITE_BUFFER) {
        int r = run_writer_flush(w, err);
        if (r < 0) {
            return r;
        }
    }
    uint8_t head[RECORD_BYTES];
    encode_record(head, rec);
    checksum_tag(w->sum, head, RECORD_BYTES - DIGEST_TAG, rec->data, data_len,
                 head + RECORD_BYTES - DIGEST_TAG);
    vr_buf_bytes(&w->buf, head, sizeof head);
    vr_buf_bytes(&w->buf, rec->data, data_len);
    w->last_disk = rec->disk;
    w->last_end = rec->off + rec->len;
    return vr_buf_check(&w->buf, err);
}

int run_writer_flush(struct run_writer *w, struct vr_err *err)
{
    if (w->buf.len == 0) {
        return 0;
    }
    int r = stor_file_append(w->file, w->buf.data, w->buf.len, err);
    if (r < 0) {
        return vr_wrap(err, r, "cannot stage differences");
    }
    w->flushed += w->buf.len;
    vr_buf_reset(&w->buf);
    return 0;
}

int run_writer_sync(struct run_writer *w, struct vr_err *err)
{
    int r = run_writer_flush(w, err);
    return r < 0 ? r : stor_file_sync(w->file, err);
}

uint64_t run_writer_bytes(const struct run_writer *w)
{
    return w->flushed + w->buf.len;
}

const char *run_writer_name(const struct run_writer *w)
{
    return w->name;
}

/* --- reading one run --- */

struct cursor {
    struct stor_file *file;
    struct checksum *sum;
    uint8_t *buf;
    size_t have, at;   /* bytes in buf, position in buf */
    uint64_t file_pos; /* of buf[0] */
    uint64_t limit;    /* bytes that may be read */
    uint64_t valid;    /* end of the last whole record */
    bool strict, ended;
    struct run_record rec; /* the current one, when !ended */
    uint16_t last_disk;
    uint64_t last_end;
    char name[32];
};

struct overlay {
    size_t n;
    struct cursor cur[RUNS_MAX];
};

static int cursor_fill(struct cursor *c, size_t want, struct vr_err *err)
{
    if (c->have - c->at >= want) {
        return 0;
    }
    memmove(c->buf, c->buf + c->at, c->have - c->at);
    c->file_pos += c->at;
    c->have -= c->at;
    c->at = 0;
    uint64_t pos = c->file_pos + c->have;
    size_t room = READ_BUFFER - c->have, got = 0;
    if (pos < c->limit) {
        room = (size_t)VR_MIN((uint64_t)room, c->limit - pos);
        int r = stor_file_read(c->file, c->buf + c->have, room, pos, &got, err);
        if (r < 0) {
            return vr_wrap(err, r, "staging run '%s'", c->name);
        }
    }
    c->have += got;
    return 0;
}

static int cursor_end(struct cursor *c, struct vr_err *err)
{
    c->ended = true;
    if (c->strict && c->valid != c->limit) {
        return vr_fail(err, VR_E_CORRUPT, "staging run '%s' is damaged at byte %llu of %llu",
                       c->name, (unsigned long long)c->valid, (unsigned long long)c->limit);
    }
    return 0;
}

static bool record_sane(const struct cursor *c, const struct run_record *rec, unsigned type)
{
    if (type < RUN_DATA || type > RUN_REVERT || rec->len == 0 || rec->off > INT64_MAX ||
        rec->len > INT64_MAX || rec->disk >= VR_DISKS_MAX || rec->off % DIGEST_LEAF != 0 ||
        (type == RUN_DATA && rec->len > RUN_DATA_MAX)) {
        return false;
    }
    return rec->disk > c->last_disk || (rec->disk == c->last_disk && rec->off >= c->last_end);
}

/* Moves to the next whole record, or to the end. */
static int cursor_advance(struct cursor *c, struct vr_err *err)
{
    int r = cursor_fill(c, RECORD_BYTES, err);
    if (r < 0) {
        return r;
    }
    if (c->have - c->at < RECORD_BYTES) {
        return cursor_end(c, err);
    }
    struct vr_rd rd = vr_rd_init(c->buf + c->at, RECORD_BYTES);
    struct run_record rec = {.disk = vr_rd_u16(&rd)};
    unsigned type = vr_rd_u16(&rd);
    rec.off = vr_rd_u64(&rd);
    rec.len = vr_rd_u64(&rd);
    if (!record_sane(c, &rec, type)) {
        return cursor_end(c, err);
    }
    rec.type = (enum run_type)type;
    size_t data_len = rec.type == RUN_DATA ? (size_t)rec.len : 0;
    r = cursor_fill(c, RECORD_BYTES + data_len, err);
    if (r < 0) {
        return r;
    }
    if (c->have - c->at < RECORD_BYTES + data_len) {
        return cursor_end(c, err);
    }
    uint8_t tag[DIGEST_TAG];
    const uint8_t *head = c->buf + c->at;
    rec.data = head + RECORD_BYTES;
    checksum_tag(c->sum, head, RECORD_BYTES - DIGEST_TAG, rec.data, data_len, tag);
    if (memcmp(tag, head + RECORD_BYTES - DIGEST_TAG, DIGEST_TAG) != 0) {
        return cursor_end(c, err);
    }
    c->at += RECORD_BYTES + data_len;
    c->valid = c->file_pos + c->at;
    c->last_disk = rec.disk;
    c->last_end = rec.off + rec.len;
    c->rec = rec;
    return 0;
}

static int cursor_header(struct cursor *c, const struct vr_uuid *base, struct vr_err *err)
{
    int r = cursor_fill(c, HEADER_BYTES, err);
    if (r < 0) {
        return r;
    }
    if (c->have < HEADER_BYTES) { /* a crash before the first flush: an empty run */
        return cursor_end(c, err);
    }
    struct vr_rd rd = vr_rd_init(c->buf, HEADER_BYTES);
    uint32_t magic = vr_rd_u32(&rd), version = vr_rd_u32(&rd);
    const uint8_t *key = vr_rd_bytes(&rd, 32);
    struct vr_uuid of;
    vr_rd_copy(&rd, of.b, sizeof of.b);
    if (magic != RUN_MAGIC) {
        return cursor_end(c, err);
    }
    if (version != RUN_VERSION) {
        return vr_fail(err, VR_E_CORRUPT,
                       "staging run '%s' is of version %u, this program knows %u", c->name,
                       (unsigned)version, RUN_VERSION);
    }
    r = checksum_new(key, &c->sum, err);
    if (r < 0) {
        return r;
    }
    uint8_t tag[DIGEST_TAG];
    checksum_tag(c->sum, c->buf, HEADER_BYTES - DIGEST_TAG, NULL, 0, tag);
    if (memcmp(tag, c->buf + HEADER_BYTES - DIGEST_TAG, DIGEST_TAG) != 0) {
        return cursor_end(c, err);
    }
    if (!vr_uuid_eq(&of, base)) {
        return vr_fail(err, VR_E_STATE, "staging run '%s' belongs to another generation", c->name);
    }
    c->at = HEADER_BYTES;
    c->valid = HEADER_BYTES;
    return cursor_advance(c, err);
}

static int cursor_open(struct cursor *c,
                       struct stor *stor,
                       const struct run_name *run,
                       const struct vr_uuid *base,
                       bool strict,
                       struct vr_err *err)
{
    memcpy(c->name, run->name, sizeof c->name);
    c->strict = strict;
    c->buf = malloc(READ_BUFFER);
    if (!c->buf) {
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
                 bool strict,
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
        int r = cursor_open(&o->cur[i], stor, &runs[i], base, strict, err);
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
        free(o->cur[i].buf);
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

/* Puts the part of the record that lies in [off, off+len) into buf and state. */
static void
apply_record(const struct run_record *rec, uint64_t off, uint32_t len, uint8_t *buf, uint8_t *state)
{
    static const uint8_t state_of[] = {
        [RUN_DATA] = LEAF_DATA, [RUN_ZERO] = LEAF_ZERO, [RUN_REVERT] = LEAF_REVERT};
    uint64_t from = VR_MAX(rec->off, off), to = VR_MIN(rec->off + rec->len, off + len);
    size_t first = (size_t)(from - off) / DIGEST_LEAF;
    size_t last = (size_t)vr_div_up(to - off, DIGEST_LEAF);
    memset(state + first, state_of[rec->type], last - first);
    if (rec->type == RUN_DATA) {
        memcpy(buf + (from - off), rec->data + (from - rec->off), (size_t)(to - from));
    }
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
    vr_assert(len <= RUN_DATA_MAX && off % DIGEST_LEAF == 0);
    memset(state, LEAF_BASE, vr_div_up(len, DIGEST_LEAF));
    *ret_any = false;
    for (size_t i = 0; i < o->n; i++) {
        struct cursor *c = &o->cur[i];
        int r = cursor_seek(c, disk, off, err);
        if (r < 0) {
            return r;
        }
        while (!c->ended && c->rec.disk == disk && c->rec.off < off + len) {
            apply_record(&c->rec, off, len, buf, state);
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

bool overlay_at_end(struct overlay *o, uint64_t *ret_bytes)
{
    bool all = true;
    for (size_t i = 0; i < o->n; i++) {
        all = all && o->cur[i].ended;
        ret_bytes[i] = o->cur[i].valid;
    }
    return all;
}
