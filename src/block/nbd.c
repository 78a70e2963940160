/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An NBD export through libnbd, one connection, several requests in flight.
 *
 * Requests live in slots, whose buffers stay until the device is closed. A read slot holds one
 * piece of a hinted range, issued ahead in the order of the hints; a read takes its bytes from
 * there, or asks for them itself, straight into the caller's memory, and waits. A write slot holds
 * a copy of the caller's bytes. NBD promises no order between requests in flight, so nothing is
 * issued over a write that is not answered. Why one connection and these sizes:
 * docs/internals/nbd.md.
 *
 * A failed write is told at the next write and again by the flush that should have covered it, then
 * forgotten: as with files, everything since the last good flush must then be written again.
 *
 * A dead connection or a missed deadline makes the device unusable (`dead`); libnbd is not entered
 * again until nbd_close, so no late answer lands in memory that is no longer ours.
 */
#include "block/nbd.h"

#include <errno.h>
#include <libnbd.h>
#include <string.h>

#include "block/nbd_conn.h"
#include "util/num.h"
#include "util/vtime.h"

#define STATUS_ASK_BYTES (1u << 30)
#define BASE_ALLOCATION "base:allocation"
#define STATE_ZERO 2u /* base:allocation, "reads as zeroes" */

/* --- waiting --- */

int conn_again(const struct vr_err *was, struct vr_err *err)
{
    if (err) {
        *err = *was;
    }
    return -(int)was->kind;
}

int conn_die(struct nbd_dev *d, enum vr_err_kind kind, const char *what, struct vr_err *err)
{
    d->dead = true;
    (void)vr_fail(&d->dead_err, kind, "NBD server: %s", what);
    return conn_again(&d->dead_err, err);
}

int conn_check(struct nbd_dev *d, struct vr_err *err)
{
    return d->dead ? conn_again(&d->dead_err, err) : 0;
}

int conn_turn(struct nbd_dev *d, uint64_t deadline_at, struct vr_err *err)
{
    uint64_t now = vr_mono_ms();
    if (now >= deadline_at) {
        return conn_die(d, VR_E_TIMEOUT, "no answer in time", err);
    }
    if (nbd_poll(d->h, (int)VR_MIN(deadline_at - now, (uint64_t)INT32_MAX)) < 0) {
        return conn_die(d, VR_E_IO, nbd_get_error(), err);
    }
    if (nbd_aio_is_dead(d->h) > 0 || nbd_aio_is_closed(d->h) > 0) {
        return conn_die(d, VR_E_IO, "the connection was lost", err);
    }
    return 0;
}

int conn_wait(struct nbd_dev *d, struct slot *s, struct vr_err *err)
{
    uint64_t deadline_at = vr_mono_ms() + d->deadline_ms;
    int r = conn_check(d, err);
    while (r == 0 && s->state == SLOT_BUSY) {
        r = conn_turn(d, deadline_at, err);
    }
    return r;
}

static int on_answer(void *user_data, int *error)
{
    struct slot *s = user_data;
    s->sys_errno = *error;
    s->state = SLOT_DONE;
    return 1; /* retire the command */
}

nbd_completion_callback conn_answer_to(struct slot *s)
{
    return (nbd_completion_callback){.callback = on_answer, .user_data = s};
}

int slot_error(struct slot *s, const char *verb, struct vr_err *err)
{
    errno = s->sys_errno ? s->sys_errno : EIO;
    return vr_fail_errno(err, VR_E_IO, "%s of %llu bytes at %llu", verb, (unsigned long long)s->len,
                         (unsigned long long)s->off);
}

int slot_need_buf(struct slot *s, struct vr_err *err)
{
    if (!s->buf) {
        s->buf = aligned_alloc(4096, PIECE_BYTES);
    }
    return s->buf ? 0 : vr_fail_nomem(err);
}

void slot_begin(struct nbd_dev *d, struct slot *s, uint64_t off, uint64_t len)
{
    *s = (struct slot){.state = SLOT_BUSY, .off = off, .len = len, .buf = s->buf};
    s->order = d->next_order++;
}

void slot_free(struct slot *s)
{
    s->state = SLOT_FREE;
}

/* --- block status --- */

static void add_status(struct nbd_dev *d, uint64_t len, enum block_extent_kind kind)
{
    struct block_extent *last = d->status_count ? &d->status[d->status_count - 1] : NULL;
    len = VR_MIN(len, d->dev.size_bytes - d->status_end);
    if (!len) {
        return;
    }
    if (last && last->kind == kind) {
        last->len += len;
    } else if (d->status_count < STATUS_MAX) {
        d->status[d->status_count++] =
            (struct block_extent){.off = d->status_end, .len = len, .kind = kind};
    } else {
        return;
    }
    d->status_end += len;
}

static int on_status(void *user_data,
                     const char *metacontext,
                     uint64_t off,
                     uint32_t *entries,
                     size_t nr_entries,
                     int *error)
{
    struct nbd_dev *d = user_data;
    if (strcmp(metacontext, BASE_ALLOCATION) != 0 || d->status_count || off != d->status_end) {
        return 0;
    }
    for (size_t i = 0; i + 1 < nr_entries && d->status_count < STATUS_MAX; i += 2) {
        add_status(d, entries[i], (entries[i + 1] & STATE_ZERO) ? BLOCK_ZERO : BLOCK_DATA);
    }
    return 0;
}

static int ask_status(struct nbd_dev *d, uint64_t off, uint64_t len, struct vr_err *err)
{
    d->status_count = 0;
    d->status_end = off;
    struct slot *s = &d->one;
    uint64_t ask = VR_MIN(d->dev.size_bytes - off, d->status_stride);
    slot_begin(d, s, off, ask);
    nbd_extent_callback cb = {.callback = on_status, .user_data = d};
    if (nbd_aio_block_status(d->h, ask, off, cb, conn_answer_to(s), 0) < 0) {
        return conn_die(d, VR_E_IO, nbd_get_error(), err);
    }
    int r = conn_wait(d, s, err);
    if (r == 0 && !d->status_count) {
        add_status(d, len, BLOCK_DATA); /* refused or empty: reading will tell */
    }
    /* A server counts extents one by one: those that do not fit here it would count again. */
    uint64_t told = d->status_end - off;
    d->status_stride = VR_MIN(d->status_count == STATUS_MAX ? told : 2 * d->status_stride,
                              (uint64_t)STATUS_ASK_BYTES);
    return r;
}

const struct block_extent *conn_known(struct nbd_dev *d, uint64_t off)
{
    size_t low = 0, high = d->status_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct block_extent *e = &d->status[mid];
        if (off < e->off) {
            high = mid;
        } else if (off >= e->off + e->len) {
            low = mid + 1;
        } else {
            return e;
        }
    }
    return NULL;
}

static int nbd_extents(struct block_dev *dev,
                       uint64_t off,
                       uint64_t len,
                       struct block_extent *ret,
                       size_t max,
                       size_t *ret_n,
                       struct vr_err *err)
{
    struct nbd_dev *d = nbd_of(dev);
    uint64_t end = off + len;
    size_t n = 0;
    int r = conn_settle_writes(d, off, len, err);
    while (r == 0 && off < end && n < max) {
        const struct block_extent *e = conn_known(d, off);
        if (!e && d->can_status) {
            r = ask_status(d, off, end - off, err);
            continue;
        }
        struct block_extent part = {.off = off, .len = end - off, .kind = BLOCK_DATA};
        if (e) {
            part.len = VR_MIN(e->off + e->len, end) - off;
            part.kind = e->kind;
        }
        ret[n++] = part;
        off += part.len;
    }
    *ret_n = n;
    return r;
}

/* --- opening --- */

static void nbd_dev_close(struct block_dev *dev)
{
    struct nbd_dev *d = nbd_of(dev);
    if (d->h && !d->dead) {
        (void)nbd_aio_disconnect(d->h, 0);
    }
    nbd_close(d->h);
    for (size_t i = 0; i < SLOTS; i++) {
        free(d->rd[i].buf);
        free(d->wr[i].buf);
    }
    free(d);
}

static const struct block_ops nbd_ops = {
    .name = "nbd",
    .read = conn_read,
    .write = conn_write,
    .zero = conn_zero,
    .flush = conn_flush,
    .extents = nbd_extents,
    .prefetch = conn_prefetch,
    .map = conn_map,
    .map_end = conn_map_end,
    .drop_cache = conn_drop_cache,
    .be_gentle = conn_be_gentle,
    .dirty = conn_dirty,
    .close = nbd_dev_close,
};

static int learn_export(struct nbd_dev *d, struct vr_err *err)
{
    int64_t size = nbd_get_size(d->h);
    if (size < 0) {
        return vr_fail(err, VR_E_IO, "no size: %s", nbd_get_error());
    }
    d->dev.size_bytes = (uint64_t)size;
    d->can_zero = nbd_can_zero(d->h) > 0;
    d->can_status = nbd_can_meta_context(d->h, BASE_ALLOCATION) > 0;
    if (d->dev.flags & BLOCK_READ_ONLY) {
        return 0;
    }
    if (nbd_is_read_only(d->h) != 0) {
        return vr_fail(err, VR_E_DENIED, "the server exports it for reading only");
    }
    if (nbd_can_flush(d->h) <= 0) {
        return vr_fail(err, VR_E_UNSUPPORTED,
                       "the server has no flush, so nothing written there is ever durable");
    }
    return 0;
}

/* Block sizes are not asked for: a server whose client did not ask must take any alignment. */
static int start_handle(struct nbd_dev *d,
                        const char *uri,
                        const char *socket_path,
                        const char *name,
                        struct vr_err *err)
{
    d->h = nbd_create();
    if (!d->h || nbd_add_meta_context(d->h, BASE_ALLOCATION) < 0 ||
        (d->bitmap[0] && nbd_add_meta_context(d->h, d->bitmap) < 0) ||
        nbd_set_request_block_size(d->h, false) < 0 ||
        (name && nbd_set_export_name(d->h, name) < 0)) {
        return vr_fail(err, VR_E_NOMEM, "%s", nbd_get_error());
    }
    int r = uri ? nbd_aio_connect_uri(d->h, uri) : nbd_aio_connect_unix(d->h, socket_path);
    if (r < 0) {
        return vr_fail(err, nbd_get_errno() == EINVAL ? VR_E_INVALID : VR_E_IO, "%s",
                       nbd_get_error());
    }
    uint64_t deadline_at = vr_mono_ms() + d->deadline_ms;
    r = 0;
    while (r == 0 && nbd_aio_is_ready(d->h) == 0) {
        r = conn_turn(d, deadline_at, err);
    }
    return r < 0 ? r : learn_export(d, err);
}

static int open_nbd(const char *uri,
                    const char *socket_path,
                    const char *name,
                    const char *bitmap,
                    unsigned flags,
                    unsigned deadline_ms,
                    struct block_dev **ret_dev,
                    struct vr_err *err)
{
    struct nbd_dev *d = calloc(1, sizeof *d);
    if (!d) {
        return vr_fail_nomem(err);
    }
    _cleanup_(block_closep) struct block_dev *dev = &d->dev;
    dev->ops = &nbd_ops;
    dev->flags = flags & ~(BLOCK_DIRECT | BLOCK_ONE_OF_MANY);
    dev->views_are_hinted = true;
    d->deadline_ms = deadline_ms;
    snprintf(d->bitmap, sizeof d->bitmap, "%.191s", bitmap ? bitmap : "");
    d->status_stride = STATUS_ASK_BYTES;
    snprintf(dev->label, sizeof dev->label, "%.95s", name ? name : uri ? uri : socket_path);
    int r = start_handle(d, uri, socket_path, name, err);
    if (r < 0) {
        return vr_wrap(err, r, "cannot open '%s'", uri ? uri : socket_path);
    }
    *ret_dev = TAKE_PTR(dev);
    return 0;
}

int block_nbd_open(const char *uri, unsigned flags, struct block_dev **ret_dev, struct vr_err *err)
{
    return open_nbd(uri, NULL, NULL, NULL, flags, BLOCK_NBD_DEADLINE_MS, ret_dev, err);
}

int block_nbd_open_unix(const char *socket_path,
                        unsigned flags,
                        unsigned deadline_ms,
                        struct block_dev **ret_dev,
                        struct vr_err *err)
{
    return open_nbd(NULL, socket_path, NULL, NULL, flags, deadline_ms, ret_dev, err);
}

int block_nbd_open_export(const char *socket_path,
                          const char *name,
                          const char *bitmap,
                          struct block_dev **ret_dev,
                          struct vr_err *err)
{
    return open_nbd(NULL, socket_path, name, bitmap, BLOCK_READ_ONLY, BLOCK_NBD_DEADLINE_MS,
                    ret_dev, err);
}

void block_nbd_set_deadline(struct block_dev *dev, unsigned deadline_ms)
{
    vr_assert(dev->ops == &nbd_ops);
    nbd_of(dev)->deadline_ms = deadline_ms;
}
