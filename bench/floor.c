/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Floors: the parts of a resynchronization, each by itself. Prints one line of JSON.
 *   bench-floor digest FILE           reads a raw image once and computes every tag with the
 *                                     library, as each end of a transfer does
 *   bench-floor differ SRC REP        bytes of 4 KiB blocks that differ; exit 1 when any does
 *   bench-floor pack SRC REP          what differs, in the units it is sent in, through zstd -1
 *   bench-floor stage SRC REP OUT     writes what differs to a new file, one after the other, and
 *                                     flushes
 *   bench-floor place SRC REP         writes what differs into REP and flushes: they are equal then
 *   bench-floor holes SRC REP         makes holes in REP where SRC has them
 * Seconds are those of the named work alone: neither of reading nor of finding what differs.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <zstd.h>

#include "resync/reader.h"
#include "transport/msg.h"
#include "util/fdio.h"
#include "util/num.h"
#include "util/vtime.h"

#define STEP ((size_t)1 << 20)
#define BLOCK ((size_t)4096)
#define PACKED_AT (2 * STEP + 128) /* see docs/internals/reading.md: places in a page */

struct floor {
    int src, rep, out;
    uint64_t size, data_bytes, zero_bytes, packed_bytes, stretches, spent_us;
    ZSTD_CCtx *zstd;
    uint8_t *a, *b, *packed;
    /* One stretch that differs, all zero at the source or all data. */
    int (*take)(struct floor *f, const uint8_t *p, size_t len, uint64_t off, struct vr_err *err);
};

static int
take_nothing(struct floor *f, const uint8_t *p, size_t len, uint64_t off, struct vr_err *err)
{
    return 0;
}

static int pack(struct floor *f, const uint8_t *p, size_t len, uint64_t off, struct vr_err *err)
{
    size_t n = ZSTD_compressCCtx(f->zstd, f->packed, ZSTD_compressBound(MSG_DATA_MAX), p, len, 1);
    f->packed_bytes += ZSTD_isError(n) || n >= len ? len : n;
    return 0;
}

static int stage(struct floor *f, const uint8_t *p, size_t len, uint64_t off, struct vr_err *err)
{
    uint64_t at = f->data_bytes - len; /* already counted */
    return vr_pwrite_full(f->out, p, len, at, err);
}

static int place(struct floor *f, const uint8_t *p, size_t len, uint64_t off, struct vr_err *err)
{
    return vr_pwrite_full(f->rep, p, len, off, err);
}

static bool is_zero(const uint8_t *p, size_t len)
{
    return p[0] == 0 && memcmp(p, p + 1, len - 1) == 0;
}

static int
one_stretch(struct floor *f, size_t at, size_t len, bool zero, uint64_t base, struct vr_err *err)
{
    f->stretches++;
    *(zero ? &f->zero_bytes : &f->data_bytes) += len;
    if (zero && f->take != place) { /* it travels as a range */
        return 0;
    }
    uint64_t start = vr_mono_us();
    int r = f->take(f, f->a + at, len, base + at, err);
    f->spent_us += vr_mono_us() - start;
    return r;
}

/* The stretches of one step: at most what one message holds, never zero and data in one. */
static int one_step(struct floor *f, size_t n, uint64_t base, struct vr_err *err)
{
    size_t first = 0, len = 0;
    bool zero = false;
    int r = 0;
    for (size_t at = 0; r == 0 && at < n; at += BLOCK) {
        size_t m = VR_MIN(BLOCK, n - at);
        bool differs = memcmp(f->a + at, f->b + at, m) != 0;
        bool z = differs && is_zero(f->a + at, m);
        if (len && (!differs || z != zero || len + m > MSG_DATA_MAX)) {
            r = one_stretch(f, first, len, zero, base, err);
            len = 0;
        }
        if (differs) {
            first = len ? first : at;
            zero = z;
            len += m;
        }
    }
    return r == 0 && len ? one_stretch(f, first, len, zero, base, err) : r;
}

/* Where the next data is, the size of the file when there is none. */
static uint64_t next_data(int fd, uint64_t off, uint64_t size)
{
    off_t at = lseek(fd, (off_t)off, SEEK_DATA);
    return at >= 0 ? (uint64_t)at : errno == ENXIO ? size : off;
}

static int walk(struct floor *f, struct vr_err *err)
{
    int r = 0;
    for (uint64_t off = 0; r == 0 && off < f->size; off += STEP) {
        uint64_t next = VR_MIN(next_data(f->src, off, f->size), next_data(f->rep, off, f->size));
        off = VR_MAX(off, next / STEP * STEP);
        if (next >= f->size) {
            break;
        }
        size_t n = (size_t)VR_MIN((uint64_t)STEP, f->size - off);
        r = vr_pread_full(f->src, f->a, n, off, err);
        r = r < 0 ? r : vr_pread_full(f->rep, f->b, n, off, err);
        if (r == 0 && memcmp(f->a, f->b, n) != 0) {
            r = one_step(f, n, off, err);
        }
    }
    return r;
}

static int flush(struct floor *f, int fd, struct vr_err *err)
{
    uint64_t start = vr_mono_us();
    int r = vr_fsync(fd, err);
    f->spent_us += vr_mono_us() - start;
    return r;
}

/* What was a hole and is zeroes now would cost time to read: equal images have the same holes. */
static int holes(struct floor *f, struct vr_err *err)
{
    for (off_t at = 0; (at = lseek(f->src, at, SEEK_HOLE)) >= 0 && (uint64_t)at < f->size;) {
        off_t end = (off_t)next_data(f->src, (uint64_t)at, f->size);
        if (fallocate(f->rep, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, end - at) < 0) {
            return vr_fail_errno(err, VR_E_IO, "punch a hole");
        }
        at = end;
    }
    return 0;
}

static int differences(struct floor *f, struct vr_err *err)
{
    off_t size = lseek(f->src, 0, SEEK_END);
    if (f->src < 0 || f->rep < 0 || (f->take == stage && f->out < 0)) {
        return vr_fail_errno(err, VR_E_IO, "open");
    }
    if (size < 0 || size != lseek(f->rep, 0, SEEK_END)) {
        return vr_fail(err, VR_E_INVALID, "the sizes differ");
    }
    f->size = (uint64_t)size;
    int r = f->take ? walk(f, err) : holes(f, err);
    if (r == 0 && (f->take == stage || f->take == place)) {
        r = flush(f, f->take == stage ? f->out : f->rep, err);
    }
    return r;
}

static int differences_of(struct floor *f, char **argv, int argc, struct vr_err *err)
{
    static const int flags = O_RDONLY | O_CLOEXEC;
    bool writes = f->take == place || !f->take;
    _cleanup_(vr_closep) int src = open(argv[2], flags);
    _cleanup_(vr_closep) int rep = open(argv[3], writes ? O_RDWR | O_CLOEXEC : flags);
    _cleanup_(vr_closep) int out =
        argc > 4 ? open(argv[4], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    f->src = src;
    f->rep = rep;
    f->out = out;
    f->a = aligned_alloc(4096, vr_round_up(PACKED_AT + ZSTD_compressBound(MSG_DATA_MAX), 4096));
    f->zstd = ZSTD_createCCtx();
    if (f->a) {
        f->b = f->a + STEP;
        f->packed = f->a + PACKED_AT;
    }
    int r = f->a && f->zstd ? differences(f, err) : vr_fail_nomem(err);
    free(f->a);
    ZSTD_freeCCtx(f->zstd);
    if (r == 0) {
        printf("{\"differing\": %llu, \"zero\": %llu, \"packed\": %llu, \"stretches\": %llu, "
               "\"seconds\": %.6f}\n",
               (unsigned long long)(f->data_bytes + f->zero_bytes),
               (unsigned long long)f->zero_bytes, (unsigned long long)f->packed_bytes,
               (unsigned long long)f->stretches, (double)f->spent_us / 1e6);
    }
    return r;
}

static int digest_file(const char *path, struct vr_err *err)
{
    static const uint8_t key[32] = {1};
    struct vr_uuid id = {{1}};
    _cleanup_(block_closep) struct block_dev *dev = NULL;
    _cleanup_(digest_freep) struct digest *d = NULL;
    _cleanup_(reader_freep) struct reader *r = NULL;
    struct node_tags *tags = malloc(sizeof *tags);
    enum digest_kind kind;
    int x = tags ? 0 : vr_fail_nomem(err);
    if (x == 0) {
        x = block_file_open(path, BLOCK_READ_ONLY, &dev, err);
    }
    if (x == 0) {
        x = digest_fastest(&kind, err);
    }
    if (x == 0) {
        x = digest_new(kind, key, key, key, &id, &id, 0, &d, err);
    }
    if (x == 0) {
        x = reader_new(dev, 0, d, NULL, &r, err);
    }
    uint64_t start = vr_mono_us(), data = 0;
    while (x == 0 && reader_pos(r) < dev->size_bytes) {
        struct reader_item item;
        x = reader_next(r, &item, tags, err);
        data += item.len;
    }
    if (x == 0) {
        printf("{\"data\": %llu, \"seconds\": %.6f}\n", (unsigned long long)data,
               (double)(vr_mono_us() - start) / 1e6);
    }
    free(tags);
    return x;
}

static const struct {
    const char *name;
    int argc;
    int (*take)(struct floor *f, const uint8_t *p, size_t len, uint64_t off, struct vr_err *err);
} verbs[] = {
    {"differ", 4, take_nothing}, {"pack", 4, pack},  {"stage", 5, stage},
    {"place", 4, place},         {"holes", 4, NULL},
};

int main(int argc, char **argv)
{
    struct vr_err err = VR_ERR_INIT;
    struct floor f = {.out = -1};
    int r = 1;
    if (argc == 3 && strcmp(argv[1], "digest") == 0) {
        r = digest_file(argv[2], &err);
    }
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (argc == verbs[i].argc && strcmp(argv[1], verbs[i].name) == 0) {
            f.take = verbs[i].take;
            r = differences_of(&f, argv, argc, &err);
        }
    }
    if (r == 1) {
        fprintf(stderr, "usage: digest FILE | differ SRC REP | pack SRC REP | stage SRC REP OUT | "
                        "place SRC REP | holes SRC REP\n");
        return 2;
    }
    if (r < 0) {
        fprintf(stderr, "bench-floor: %s\n", vr_err_text(&err));
        return 2;
    }
    return f.take == take_nothing && f.data_bytes + f.zero_bytes != 0;
}
