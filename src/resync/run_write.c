/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a staging run: records and their data gather in one buffer that has the form of the file,
 * and go out as whole segments, aligned and at their full size but for the last one. Neighbouring
 * records become one.
 */
#include <stdlib.h>
#include <string.h>

#include "resync/run_format.h"
#include "util/num.h"

struct run_writer {
    struct stor_file *file;
    struct checksum *sum;
    uint8_t header_tag[DIGEST_TAG];
    uint8_t *buf; /* header, index, data; the header goes out with the first segment */
    bool header_written;
    uint64_t flushed;
    uint64_t number; /* of the segment being made */
    uint32_t nrec, leaves;
    struct run_record last; /* the segment's last record, when nrec != 0 */
    uint16_t last_disk;
    uint64_t last_end;
    char name[32];
};

static void put_le(uint8_t *p, uint64_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        p[i] = (uint8_t)(v >> (8 * i));
    }
}

static uint8_t *index_of(struct run_writer *w)
{
    return w->buf + RUN_HEADER_BYTES;
}

static void make_header(struct run_writer *w, const uint8_t key[32], const struct vr_uuid *base)
{
    put_le(w->buf, RUN_MAGIC, 4);
    put_le(w->buf + 4, RUN_VERSION, 4);
    memcpy(w->buf + RUN_KEY_AT, key, 32);
    memcpy(w->buf + RUN_BASE_AT, base->b, sizeof base->b);
    checksum_tag(w->sum, w->buf, RUN_HEADER_BYTES - DIGEST_TAG, NULL, 0, w->header_tag);
    memcpy(w->buf + RUN_HEADER_BYTES - DIGEST_TAG, w->header_tag, DIGEST_TAG);
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
    if (!w || !(w->buf = aligned_alloc(4096, RUN_HEADER_BYTES + SEGMENT_BYTES))) {
        return vr_fail_nomem(err);
    }
    memset(w->buf, 0, RUN_HEADER_BYTES + SEGMENT_INDEX_BYTES);
    snprintf(w->name, sizeof w->name, "%s", name);
    int r = checksum_new(key, &w->sum, err);
    if (r < 0) {
        return r;
    }
    make_header(w, key, base);
    r = stor_open(stor, name, true, &w->file, err);
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
    free(w->buf);
    free(w);
}

static bool joins_last(const struct run_writer *w, const struct run_record *rec)
{
    const struct run_record *l = &w->last;
    return w->nrec && l->type == rec->type && l->disk == rec->disk && l->off + l->len == rec->off &&
           l->len % DIGEST_LEAF == 0;
}

static void put_record(struct run_writer *w, const struct run_record *rec)
{
    if (joins_last(w, rec)) {
        w->last.len += rec->len;
    } else {
        w->last = *rec;
        w->nrec++;
    }
    uint8_t *p = index_of(w) + SEGMENT_RECORDS_AT + (w->nrec - 1) * SEGMENT_RECORD_BYTES;
    put_le(p, w->last.disk, 2);
    put_le(p + 2, w->last.type, 2);
    put_le(p + 4, w->last.off, 8);
    put_le(p + 12, w->last.len, 8);
}

/* A disk's short last block is staged, and tagged, with zeroes behind it. */
static void put_data(struct run_writer *w, const uint8_t *p, size_t len)
{
    while (len) {
        size_t n = VR_MIN(len, (size_t)DIGEST_LEAF);
        uint8_t *to = index_of(w) + SEGMENT_INDEX_BYTES + (size_t)w->leaves * DIGEST_LEAF;
        memcpy(to, p, n);
        memset(to + n, 0, DIGEST_LEAF - n);
        checksum_tag(w->sum, to, DIGEST_LEAF, NULL, 0,
                     index_of(w) + SEGMENT_TAGS_AT + (size_t)w->leaves * DIGEST_TAG);
        w->leaves++;
        p += n;
        len -= n;
    }
}

static bool is_full(const struct run_writer *w, const struct run_record *rec)
{
    return (rec->type == RUN_DATA && w->leaves == SEGMENT_LEAVES) ||
           (w->nrec == SEGMENT_RECORDS && !joins_last(w, rec));
}

int run_writer_add(struct run_writer *w, const struct run_record *rec, struct vr_err *err)
{
    if (rec->disk < w->last_disk || (rec->disk == w->last_disk && rec->off < w->last_end)) {
        return vr_fail(err, VR_E_PROTOCOL, "differences do not ascend: disk %u offset %llu",
                       (unsigned)rec->disk, (unsigned long long)rec->off);
    }
    vr_assert(rec->type != RUN_DATA || rec->len <= RUN_DATA_MAX);
    struct run_record left = *rec;
    while (left.len) {
        struct run_record part = left;
        if (is_full(w, &part)) {
            int r = run_writer_flush(w, err);
            if (r < 0) {
                return r;
            }
        }
        if (part.type == RUN_DATA) {
            uint64_t room = (uint64_t)(SEGMENT_LEAVES - w->leaves) * DIGEST_LEAF;
            part.len = VR_MIN(part.len, room);
            put_data(w, part.data, (size_t)part.len);
            left.data += part.len;
        }
        put_record(w, &part);
        left.off += part.len;
        left.len -= part.len;
    }
    w->last_disk = rec->disk;
    w->last_end = rec->off + rec->len;
    return 0;
}

static size_t segment_bytes(const struct run_writer *w)
{
    return w->nrec ? SEGMENT_INDEX_BYTES + (size_t)w->leaves * DIGEST_LEAF : 0;
}

static void seal_index(struct run_writer *w)
{
    uint8_t *p = index_of(w);
    put_le(p, SEGMENT_MAGIC, 4);
    put_le(p + 4, w->nrec, 4);
    put_le(p + 8, w->number, 8);
    put_le(p + 16, w->leaves, 4);
    checksum_tag(w->sum, w->header_tag, DIGEST_TAG, p, SEGMENT_INDEX_BYTES - DIGEST_TAG,
                 p + SEGMENT_INDEX_BYTES - DIGEST_TAG);
}

int run_writer_flush(struct run_writer *w, struct vr_err *err)
{
    size_t head = w->header_written ? 0 : RUN_HEADER_BYTES, n = head + segment_bytes(w);
    if (n == 0) {
        return 0;
    }
    if (w->nrec) {
        seal_index(w);
    }
    int r = stor_file_append(w->file, index_of(w) - head, n, err);
    if (r < 0) {
        return vr_wrap(err, r, "cannot stage differences");
    }
    w->header_written = true;
    w->flushed += n;
    w->number += w->nrec != 0;
    w->nrec = w->leaves = 0;
    memset(index_of(w), 0, SEGMENT_INDEX_BYTES);
    return 0;
}

int run_writer_settle(struct run_writer *w, struct vr_err *err)
{
    int r = run_writer_flush(w, err);
    return r < 0 ? r : stor_file_settle(w->file, err);
}

int run_writer_sync(struct run_writer *w, struct vr_err *err)
{
    int r = run_writer_flush(w, err);
    return r < 0 ? r : stor_file_sync(w->file, err);
}

uint64_t run_writer_bytes(const struct run_writer *w)
{
    return w->flushed + (w->header_written ? 0 : RUN_HEADER_BYTES) + segment_bytes(w);
}

const char *run_writer_name(const struct run_writer *w)
{
    return w->name;
}
