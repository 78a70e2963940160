/* SPDX-License-Identifier: Apache-2.0 */
/* Writes, zeroes and the flush of the NBD driver; what is promised about errors is said in nbd.c.
 */
#include <errno.h>
#include <string.h>

#include "block/nbd_conn.h"
#include "util/num.h"

#define ZERO_PIECE_BYTES (64u << 20)

static void collect_write(struct nbd_dev *d, struct slot *s)
{
    if (s->sys_errno && d->write_err.kind == VR_E_NONE) {
        (void)slot_error(s, "earlier write", &d->write_err);
    }
    slot_free(s);
}

static void collect_writes(struct nbd_dev *d)
{
    for (size_t i = 0; i < SLOTS; i++) {
        if (d->wr[i].state == SLOT_DONE) {
            collect_write(d, &d->wr[i]);
        }
    }
}

bool conn_write_in_flight(struct nbd_dev *d, uint64_t off, uint64_t len)
{
    for (size_t i = 0; i < SLOTS; i++) {
        if (d->wr[i].state == SLOT_BUSY && overlaps(d->wr[i].off, d->wr[i].len, off, len)) {
            return true;
        }
    }
    return false;
}

int conn_settle_writes(struct nbd_dev *d, uint64_t off, uint64_t len, struct vr_err *err)
{
    int r = conn_check(d, err);
    for (size_t i = 0; r == 0 && i < SLOTS; i++) {
        struct slot *s = &d->wr[i];
        if (s->state == SLOT_BUSY && overlaps(s->off, s->len, off, len)) {
            r = conn_wait(d, s, err);
        }
    }
    collect_writes(d);
    return r;
}

static int find_write_slot(struct nbd_dev *d, struct slot **ret, struct vr_err *err)
{
    for (;;) {
        collect_writes(d);
        struct slot *oldest = NULL, *unused = NULL;
        for (size_t i = 0; i < SLOTS; i++) {
            struct slot *s = &d->wr[i];
            if (s->state == SLOT_FREE) {
                unused = s;
            } else if (!oldest || s->order < oldest->order) {
                oldest = s;
            }
        }
        if (unused) {
            *ret = unused;
            return 0;
        }
        int r = conn_wait(d, oldest, err);
        if (r < 0) {
            return r;
        }
    }
}

/* buf NULL: WRITE_ZEROES; else at most PIECE_BYTES. */
static int
issue_write(struct nbd_dev *d, const void *buf, uint64_t len, uint64_t off, struct vr_err *err)
{
    struct slot *s = NULL;
    int r = conn_settle_writes(d, off, len, err);
    if (r == 0) {
        r = find_write_slot(d, &s, err);
    }
    if (r == 0 && d->write_err.kind != VR_E_NONE) {
        r = conn_again(&d->write_err, err);
    }
    if (r == 0 && buf) {
        r = slot_need_buf(s, err);
    }
    if (r != 0) {
        return r;
    }
    if (buf) {
        memcpy(s->buf, buf, (size_t)len);
    }
    conn_forget(d, off, len);
    slot_begin(d, s, off, len);
    int64_t cookie = buf ? nbd_aio_pwrite(d->h, s->buf, (size_t)len, off, conn_answer_to(s), 0)
                         : nbd_aio_zero(d->h, len, off, conn_answer_to(s), 0);
    if (cookie < 0) {
        return conn_die(d, VR_E_IO, nbd_get_error(), err);
    }
    return 0;
}

int conn_write(struct block_dev *dev, const void *buf, size_t len, uint64_t off, struct vr_err *err)
{
    const uint8_t *p = buf;
    int r = 0;
    while (r == 0 && len) {
        size_t n = VR_MIN(len, (size_t)PIECE_BYTES);
        r = issue_write(nbd_of(dev), p, n, off, err);
        p += n;
        off += n;
        len -= n;
    }
    return r;
}

int conn_zero(struct block_dev *dev, uint64_t off, uint64_t len, struct vr_err *err)
{
    static const uint8_t zeroes[PIECE_BYTES];
    struct nbd_dev *d = nbd_of(dev);
    bool ask = d->can_zero && len >= BLOCK_PUNCH_MIN;
    uint64_t step = ask ? ZERO_PIECE_BYTES : sizeof zeroes;
    int r = 0;
    while (r == 0 && len) {
        uint64_t n = VR_MIN(len, step);
        r = issue_write(d, ask ? NULL : zeroes, n, off, err);
        off += n;
        len -= n;
    }
    return r;
}

int conn_flush(struct block_dev *dev, struct vr_err *err)
{
    struct nbd_dev *d = nbd_of(dev);
    int r = conn_settle_writes(d, 0, dev->size_bytes, err);
    if (r < 0) {
        return r;
    }
    if (d->write_err.kind != VR_E_NONE) {
        r = conn_again(&d->write_err, err);
        d->write_err = VR_ERR_INIT;
        return r;
    }
    struct slot *s = &d->one;
    slot_begin(d, s, 0, dev->size_bytes);
    if (nbd_aio_flush(d->h, conn_answer_to(s), 0) < 0) {
        return conn_die(d, VR_E_IO, nbd_get_error(), err);
    }
    r = conn_wait(d, s, err);
    if (r < 0) {
        return r;
    }
    return s->sys_errno ? slot_error(s, "flush", err) : 0;
}
