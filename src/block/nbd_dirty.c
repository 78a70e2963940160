/* SPDX-License-Identifier: Apache-2.0 */
/* A bitmap of an NBD export: what QEMU says a guest has changed. */
#include <string.h>

#include "block/nbd_conn.h"
#include "util/num.h"

#define ASK_BYTES (1u << 30)
#define STATE_DIRTY 1u

struct walk {
    const char *bitmap;
    uint64_t at, size;
    void (*fn)(void *ctx, uint64_t off, uint64_t len);
    void *ctx;
};

static int on_status(void *user_data,
                     const char *metacontext,
                     uint64_t off,
                     uint32_t *entries,
                     size_t nr_entries,
                     int *error)
{
    struct walk *w = user_data;
    if (strcmp(metacontext, w->bitmap) != 0 || off != w->at) {
        return 0;
    }
    for (size_t i = 0; i + 1 < nr_entries; i += 2) {
        uint64_t len = VR_MIN((uint64_t)entries[i], w->size - w->at);
        if (len && (entries[i + 1] & STATE_DIRTY)) {
            w->fn(w->ctx, w->at, len);
        }
        w->at += len;
    }
    return 0;
}

int conn_dirty(struct block_dev *dev,
               void (*fn)(void *ctx, uint64_t off, uint64_t len),
               void *ctx,
               struct vr_err *err)
{
    struct nbd_dev *d = nbd_of(dev);
    struct walk w = {.bitmap = d->bitmap, .size = dev->size_bytes, .fn = fn, .ctx = ctx};
    int r = conn_check(d, err);
    if (r == 0 && (!d->bitmap[0] || nbd_can_meta_context(d->h, d->bitmap) <= 0)) {
        return vr_fail(err, VR_E_UNSUPPORTED, "the server has no such bitmap");
    }
    while (r == 0 && w.at < w.size) {
        uint64_t before = w.at, ask = VR_MIN(w.size - w.at, (uint64_t)ASK_BYTES);
        nbd_extent_callback cb = {.callback = on_status, .user_data = &w};
        slot_begin(d, &d->one, w.at, ask);
        if (nbd_aio_block_status(d->h, ask, w.at, cb, conn_answer_to(&d->one), 0) < 0) {
            return conn_die(d, VR_E_IO, nbd_get_error(), err);
        }
        r = conn_wait(d, &d->one, err);
        if (r == 0 && w.at == before) {
            return vr_fail(err, VR_E_UNSUPPORTED, "the server does not tell all of the bitmap");
        }
    }
    return r;
}
