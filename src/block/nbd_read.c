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

static int
issue_read(struct nbd_dev *d, struct slot *s, uint64_t off, uint64_t len, struct vr_err *err)
{
    uint8_t *buf = malloc((size_t)len);
    if (!buf) {
        return vr_fail_nomem(err);
    }
    *s = (struct slot){.state = SLOT_BUSY, .off = off, .len = len, .order = d->next_order++};
    s->buf = buf;
    if (nbd_aio_pread(d->h, buf, (size_t)len, off, conn_answer_to(s), 0) < 0) {
        return conn_die(d, VR_E_IO, nbd_get_error(), err);
    }
    return 0;
}

static struct slot *unused_read_slot(struct nbd_dev *d)
{
    struct slot *unused = NULL;
    for (size_t i = 0; i < SLOTS; i++) {
        if (d->rd[i].state == SLOT_DONE && d->rd[i].stale) {
            slot_free(&d->rd[i]);
        }
        if (d->rd[i].state == SLOT_FREE) {
            unused = &d->rd[i];
        }
    }
    return unused;
}

/* Issues hinted pieces while there are slots. What cannot be issued is no loss: the read asks
 * again. */
static void read_ahead(struct nbd_dev *d)
{
    struct slot *s;
    while (!d->dead && d->hint_count && (s = unused_read_slot(d)) != NULL) {
        struct range *hint = &d->hints[d->hint_first];
        uint64_t n = VR_MIN(hint->len, (uint64_t)PIECE_BYTES);
        if (conn_write_in_flight(d, hint->off, n) || issue_read(d, s, hint->off, n, NULL) < 0) {
            return;
        }
        hint->off += n;
        hint->len -= n;
        if (!hint->len) {
            d->hint_first = (d->hint_first + 1) % HINTS;
            d->hint_count--;
        }
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

/* The reader has come to a hinted range before it was issued: it must not be fetched a second time
 * behind it. */
static void trim_hints(struct nbd_dev *d, uint64_t off, uint64_t len)
{
    while (d->hint_count) {
        struct range *hint = &d->hints[d->hint_first];
        if (hint->off < off || hint->off >= off + len) {
            return;
        }
        uint64_t n = VR_MIN(hint->len, off + len - hint->off);
        hint->off += n;
        hint->len -= n;
        if (hint->len) {
            return;
        }
        d->hint_first = (d->hint_first + 1) % HINTS;
        d->hint_count--;
    }
}

static int
read_directly(struct nbd_dev *d, uint8_t *p, size_t len, uint64_t off, struct vr_err *err)
{
    struct slot *s = &d->one;
    int r = issue_read(d, s, off, len, err);
    if (r == 0) {
        r = conn_wait(d, s, err);
    }
    if (r < 0) {
        return r;
    }
    if (s->sys_errno) {
        r = slot_error(s, "read", err);
    } else {
        memcpy(p, s->buf, len);
    }
    slot_free(s);
    return r;
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
    struct slot *oldest = &d->rd[0];
    for (size_t i = 1; i < SLOTS; i++) {
        oldest = d->rd[i].order < oldest->order ? &d->rd[i] : oldest;
    }
    oldest->stale = true;
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
            trim_hints(d, off, n);
            r = read_directly(d, p, n, off, err);
        }
        p += n;
        off += n;
        len -= n;
        read_ahead(d);
    }
    return r;
}

void conn_drop_cache(struct block_dev *dev)
{
    struct nbd_dev *d = nbd_of(dev);
    conn_forget(d, 0, dev->size_bytes);
    d->hint_count = 0;
}
