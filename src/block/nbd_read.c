/* SPDX-License-Identifier: Apache-2.0 */
/* Reads of the NBD driver, ahead of the reader where hints say what comes. */
#include <string.h>

#include "block/nbd_conn.h"
#include "util/num.h"

void conn_forget(struct nbd_dev *d, uint64_t off, uint64_t len)
{
    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *s = &d->rd[i];
        if (s->state != SLOT_FREE && overlaps(s->off, s->len, off, len)) {
            s->stale = true;
        }
    }
    d->status_count = 0;
}

/* buf: at least until the slot is answered or the device dead. */
static int issue_read(
    struct nbd_dev *d, struct slot *s, void *buf, uint64_t off, uint64_t len, struct vr_err *err)
{
    slot_begin(d, s, off, len);
    if (nbd_aio_pread(d->h, buf, (size_t)len, off, conn_answer_to(s), 0) < 0) {
        return conn_die(d, VR_E_IO, nbd_get_error(), err);
    }
    return 0;
}

static struct slot *unused_read_slot(struct nbd_dev *d)
{
    struct slot *unused = NULL;
    size_t used = 0;
    for (size_t i = 0; i < SLOTS; i++) {
        if (d->rd[i].state == SLOT_DONE && d->rd[i].stale) {
            slot_free(&d->rd[i]);
        }
        if (d->rd[i].state == SLOT_FREE) {
            unused = &d->rd[i];
        } else {
            used++;
        }
    }
    return d->gentle && used ? NULL : unused;
}

static void cut_hint(struct nbd_dev *d, uint64_t n)
{
    struct range *hint = &d->hints[d->hint_first];
    hint->off += n;
    hint->len -= n;
    if (!hint->len) {
        d->hint_first = (d->hint_first + 1) % HINTS;
        d->hint_count--;
    }
}

/* The next piece of the hints, without what is known to be zero: nobody reads that. */
static bool next_piece(struct nbd_dev *d, struct range *ret)
{
    while (d->hint_count) {
        const struct range *hint = &d->hints[d->hint_first];
        const struct block_extent *e = conn_known(d, hint->off);
        uint64_t n = e ? VR_MIN(hint->len, e->off + e->len - hint->off) : hint->len;
        if (!e || e->kind == BLOCK_DATA) {
            /* Pieces end where a reader's own steps do, so that each step is in one piece. */
            uint64_t piece = d->gentle ? GENTLE_BYTES : PIECE_BYTES;
            *ret = (struct range){hint->off, VR_MIN(n, piece - hint->off % piece)};
            return true;
        }
        cut_hint(d, n);
    }
    return false;
}

/* Issues hinted pieces while there are slots. What cannot be issued is no loss: the read asks
 * again. */
static void read_ahead(struct nbd_dev *d)
{
    struct slot *s;
    struct range piece;
    while (!d->dead && next_piece(d, &piece) && (s = unused_read_slot(d)) != NULL) {
        if (conn_write_in_flight(d, piece.off, piece.len) || slot_need_buf(s, NULL) < 0 ||
            issue_read(d, s, s->buf, piece.off, piece.len, NULL) < 0) {
            return;
        }
        cut_hint(d, piece.len);
    }
}

void conn_prefetch(struct block_dev *dev, uint64_t off, uint64_t len)
{
    struct nbd_dev *d = nbd_of(dev);
    if (d->hint_count < HINTS) {
        d->hints[(d->hint_first + d->hint_count) % HINTS] = (struct range){off, len};
        d->hint_count++;
    }
    read_ahead(d);
}

static struct slot *find_ahead(struct nbd_dev *d, uint64_t off)
{
    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *s = &d->rd[i];
        if (s->state != SLOT_FREE && !s->stale && overlaps(s->off, s->len, off, 1)) {
            return s;
        }
    }
    return NULL;
}

/* Hints come in order: when the reader is at s, what was issued before it is not asked for any
 * more. */
static void pass_by(struct nbd_dev *d, const struct slot *s)
{
    for (size_t i = 0; i < SLOTS; i++) {
        if (d->rd[i].state != SLOT_FREE && d->rd[i].order < s->order) {
            d->rd[i].stale = true;
        }
    }
}

/* The reader has come to a hinted range before it was issued: all that was hinted before it is not
 * asked for any more, and the range itself must not be fetched a second time behind it. */
static void catch_up_hints(struct nbd_dev *d, uint64_t off, uint64_t len)
{
    size_t i = 0;
    while (i < d->hint_count) {
        const struct range *hint = &d->hints[(d->hint_first + i) % HINTS];
        if (overlaps(hint->off, hint->len, off, 1)) {
            break;
        }
        i++;
    }
    if (i == d->hint_count) {
        return; /* not a hinted read */
    }
    d->hint_first = (d->hint_first + i) % HINTS;
    d->hint_count -= i;
    for (size_t k = 0; k < SLOTS; k++) {
        d->rd[k].stale = true;
    }
    uint64_t end = off + len;
    const struct range *hint = &d->hints[d->hint_first];
    while (d->hint_count && overlaps(hint->off, hint->len, off, len)) {
        cut_hint(d, VR_MIN(hint->len, end - hint->off));
        hint = &d->hints[d->hint_first];
    }
}

/* The answer lands in the caller's memory: when the wait fails, the device is dead and libnbd never
 * entered again. */
static int
read_directly(struct nbd_dev *d, uint8_t *p, size_t len, uint64_t off, struct vr_err *err)
{
    struct slot *s = &d->one;
    int r = issue_read(d, s, p, off, len, err);
    r = r < 0 ? r : conn_wait(d, s, err);
    if (r < 0) {
        return r;
    }
    return s->sys_errno ? slot_error(s, "read", err) : 0;
}

/* Takes what slot s has of [off, off+len): *ret_n bytes, none when reading ahead failed. */
static int read_from_ahead(struct nbd_dev *d,
                           struct slot *s,
                           uint8_t *p,
                           size_t len,
                           uint64_t off,
                           size_t *ret_n,
                           struct vr_err *err)
{
    pass_by(d, s);
    int r = conn_wait(d, s, err);
    if (r < 0) {
        return r;
    }
    if (s->sys_errno) {
        s->stale = true; /* the piece is larger than what is asked for: ask for just that */
        return 0;
    }
    size_t n = (size_t)VR_MIN((uint64_t)len, s->off + s->len - off);
    memcpy(p, s->buf + (off - s->off), n);
    *ret_n = n;
    s->stale = off + n == s->off + s->len;
    return 0;
}

/* Pieces nobody came for must not hold the slots for ever: each read that finds nothing frees one.
 */
static void drop_oldest_when_full(struct nbd_dev *d)
{
    if (!d->hint_count || unused_read_slot(d)) {
        return;
    }
    struct slot *oldest = NULL;
    for (size_t i = 0; i < SLOTS; i++) {
        bool older = !oldest || d->rd[i].order < oldest->order;
        oldest = d->rd[i].state != SLOT_FREE && older ? &d->rd[i] : oldest;
    }
    if (oldest) {
        oldest->stale = true;
    }
}

/* Up to where no slot has the bytes. */
static size_t gap_len(struct nbd_dev *d, uint64_t off, size_t len)
{
    for (size_t i = 0; i < SLOTS; i++) {
        const struct slot *s = &d->rd[i];
        if (s->state != SLOT_FREE && !s->stale && s->off > off && s->off < off + len) {
            len = (size_t)(s->off - off);
        }
    }
    return len;
}

int conn_read(struct block_dev *dev, void *buf, size_t len, uint64_t off, struct vr_err *err)
{
    struct nbd_dev *d = nbd_of(dev);
    uint8_t *p = buf;
    int r = conn_settle_writes(d, off, len, err);
    while (r == 0 && len) {
        size_t n = 0;
        struct slot *s = find_ahead(d, off);
        if (s) {
            r = read_from_ahead(d, s, p, len, off, &n, err);
        } else {
            drop_oldest_when_full(d);
            n = gap_len(d, off, len);
            catch_up_hints(d, off, n);
            r = read_directly(d, p, n, off, err);
        }
        p += n;
        off += n;
        len -= n;
        read_ahead(d);
    }
    return r;
}

/* What is on its way comes as it was asked for. */
void conn_be_gentle(struct block_dev *dev, bool gentle)
{
    nbd_of(dev)->gentle = gentle;
}

const uint8_t *conn_map(struct block_dev *dev, uint64_t off, size_t len)
{
    struct nbd_dev *d = nbd_of(dev);
    read_ahead(d);
    struct slot *s = find_ahead(d, off);
    if (!s || s->off + s->len < off + len) {
        return NULL;
    }
    pass_by(d, s);
    bool good = conn_wait(d, s, NULL) == 0 && !s->sys_errno;
    return good ? s->buf + (off - s->off) : NULL; /* the read that follows says what is wrong */
}

bool conn_map_end(struct block_dev *dev, uint64_t off, size_t len)
{
    struct nbd_dev *d = nbd_of(dev);
    struct slot *s = find_ahead(d, off);
    vr_assert(s && s->state == SLOT_DONE);
    s->stale = off + len == s->off + s->len;
    read_ahead(d);
    return true;
}

void conn_drop_cache(struct block_dev *dev)
{
    struct nbd_dev *d = nbd_of(dev);
    conn_forget(d, 0, dev->size_bytes);
    d->hint_count = 0;
}
