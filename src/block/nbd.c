/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An NBD export through libnbd, one connection, several requests in flight.
 *
 * Requests live in slots. A read slot holds one piece of a hinted range, issued ahead in the order
 * of the hints; a read takes its bytes from there, or issues its own piece and waits. A write slot
 * holds a copy of the caller's bytes. NBD promises no order between requests in flight, so nothing
 * is issued over a write that is not answered.
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

#include "util/num.h"
#include "util/vtime.h"

#define PIECE_BYTES (512u << 10)
#define ZERO_PIECE_BYTES (64u << 20)
#define SLOTS 16u /* for each of read-ahead and writing */
#define WRITE_BYTES_MAX (16u << 20)
#define HINTS 64u
#define STATUS_ASK_BYTES (1u << 30)
#define STATUS_MAX 4096u /* extents kept of one answer; the rest is asked again */
#define BASE_ALLOCATION "base:allocation"
#define STATE_ZERO 2u /* base:allocation, "reads as zeroes" */

enum slot_state {
    SLOT_FREE,
    SLOT_BUSY,
    SLOT_DONE
};

struct slot {
    enum slot_state state;
    int sys_errno; /* of a finished request */
    bool stale;    /* overwritten or skipped: throw away when done */
    uint64_t off, len, order;
    size_t payload; /* bytes of buf that count against WRITE_BYTES_MAX */
    uint8_t *buf;
};

struct range {
    uint64_t off, len;
};

struct nbd_dev {
    struct block_dev dev;
    struct nbd_handle *h;
    unsigned deadline_ms;
    bool dead, can_zero, can_status;
    struct vr_err dead_err, write_err; /* kind NONE: nothing happened */
    struct slot rd[SLOTS], wr[SLOTS];
    struct slot one; /* a request waited for at once; here, since libnbd may still know it after a
                        missed deadline */
    uint64_t next_order;
    size_t write_bytes;
    struct range hints[HINTS];
    size_t hint_first, hint_count;
    struct block_extent status[STATUS_MAX];
    size_t status_count;
    uint64_t status_end;
};

static struct nbd_dev *nbd_of(struct block_dev *dev)
{
    return (struct nbd_dev *)dev;
}

static bool overlaps(uint64_t a_off, uint64_t a_len, uint64_t b_off, uint64_t b_len)
{
    return a_off < b_off + b_len && b_off < a_off + a_len;
}

/* --- waiting --- */

static int again(const struct vr_err *was, struct vr_err *err)
{
    if (err) {
        *err = *was;
    }
    return -(int)was->kind;
}

static int die(struct nbd_dev *d, enum vr_err_kind kind, const char *what, struct vr_err *err)
{
    d->dead = true;
    (void)vr_fail(&d->dead_err, kind, "NBD server: %s", what);
    return again(&d->dead_err, err);
}

static int check_alive(struct nbd_dev *d, struct vr_err *err)
{
    return d->dead ? again(&d->dead_err, err) : 0;
}

/* One turn of the connection, until deadline_at (monotonic ms). */
static int turn(struct nbd_dev *d, uint64_t deadline_at, struct vr_err *err)
{
    uint64_t now = vr_mono_ms();
    if (now >= deadline_at) {
        return die(d, VR_E_TIMEOUT, "no answer in time", err);
    }
    if (nbd_poll(d->h, (int)VR_MIN(deadline_at - now, (uint64_t)INT32_MAX)) < 0) {
        return die(d, VR_E_IO, nbd_get_error(), err);
    }
    if (nbd_aio_is_dead(d->h) > 0 || nbd_aio_is_closed(d->h) > 0) {
        return die(d, VR_E_IO, "the connection was lost", err);
    }
    return 0;
}

static int wait_slot(struct nbd_dev *d, struct slot *s, struct vr_err *err)
{
    uint64_t deadline_at = vr_mono_ms() + d->deadline_ms;
    int r = check_alive(d, err);
    while (r == 0 && s->state == SLOT_BUSY) {
        r = turn(d, deadline_at, err);
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

static nbd_completion_callback answer_to(struct slot *s)
{
    return (nbd_completion_callback){.callback = on_answer, .user_data = s};
}

static int slot_error(struct slot *s, const char *verb, struct vr_err *err)
{
    errno = s->sys_errno ? s->sys_errno : EIO;
    return vr_fail_errno(err, VR_E_IO, "%s of %llu bytes at %llu", verb, (unsigned long long)s->len,
                         (unsigned long long)s->off);
}

static void free_slot(struct slot *s)
{
    free(s->buf);
    *s = (struct slot){.state = SLOT_FREE};
}

/* --- writing --- */

static void collect_write(struct nbd_dev *d, struct slot *s)
{
    if (s->sys_errno && d->write_err.kind == VR_E_NONE) {
        (void)slot_error(s, "earlier write", &d->write_err);
    }
    d->write_bytes -= s->payload;
    free_slot(s);
}

static void collect_writes(struct nbd_dev *d)
{
    for (size_t i = 0; i < SLOTS; i++) {
        if (d->wr[i].state == SLOT_DONE) {
            collect_write(d, &d->wr[i]);
        }
    }
}

static bool write_in_flight(struct nbd_dev *d, uint64_t off, uint64_t len)
{
    for (size_t i = 0; i < SLOTS; i++) {
        if (d->wr[i].state == SLOT_BUSY && overlaps(d->wr[i].off, d->wr[i].len, off, len)) {
            return true;
        }
    }
    return false;
}

/* Waits until no unanswered write touches the range. */
static int settle_writes(struct nbd_dev *d, uint64_t off, uint64_t len, struct vr_err *err)
{
    int r = check_alive(d, err);
    for (size_t i = 0; r == 0 && i < SLOTS; i++) {
        struct slot *s = &d->wr[i];
        if (s->state == SLOT_BUSY && overlaps(s->off, s->len, off, len)) {
            r = wait_slot(d, s, err);
        }
    }
    collect_writes(d);
    return r;
}

static int find_write_slot(struct nbd_dev *d, size_t payload, struct slot **ret, struct vr_err *err)
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
        if (unused && (!oldest || d->write_bytes + payload <= WRITE_BYTES_MAX)) {
            *ret = unused;
            return 0;
        }
        int r = wait_slot(d, oldest, err);
        if (r < 0) {
            return r;
        }
    }
}

/* What was read ahead or known of the range is no longer so. */
static void forget_range(struct nbd_dev *d, uint64_t off, uint64_t len)
{
    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *s = &d->rd[i];
        if (s->state != SLOT_FREE && overlaps(s->off, s->len, off, len)) {
            s->stale = true;
        }
    }
    d->status_count = 0;
}

/* buf NULL: WRITE_ZEROES. */
static int
issue_write(struct nbd_dev *d, const void *buf, uint64_t len, uint64_t off, struct vr_err *err)
{
    struct slot *s = NULL;
    size_t payload = buf ? (size_t)len : 0;
    int r = settle_writes(d, off, len, err);
    if (r == 0) {
        r = find_write_slot(d, payload, &s, err);
    }
    if (r == 0 && d->write_err.kind != VR_E_NONE) {
        r = again(&d->write_err, err);
    }
    if (r < 0) {
        return r;
    }
    uint8_t *copy = buf ? malloc(payload) : NULL;
    if (buf && !copy) {
        return vr_fail_nomem(err);
    }
    if (copy) {
        memcpy(copy, buf, payload);
    }
    forget_range(d, off, len);
    *s = (struct slot){.state = SLOT_BUSY, .off = off, .len = len, .order = d->next_order++};
    s->payload = payload;
    s->buf = copy;
    d->write_bytes += payload;
    int64_t cookie = copy ? nbd_aio_pwrite(d->h, copy, payload, off, answer_to(s), 0)
                          : nbd_aio_zero(d->h, len, off, answer_to(s), 0);
    if (cookie < 0) {
        return die(d, VR_E_IO, nbd_get_error(), err);
    }
    return 0;
}

static int
nbd_write(struct block_dev *dev, const void *buf, size_t len, uint64_t off, struct vr_err *err)
{
    return issue_write(nbd_of(dev), buf, len, off, err);
}

static int nbd_zero_range(struct block_dev *dev, uint64_t off, uint64_t len, struct vr_err *err)
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

static int nbd_flush_all(struct block_dev *dev, struct vr_err *err)
{
    struct nbd_dev *d = nbd_of(dev);
    int r = settle_writes(d, 0, dev->size_bytes, err);
    if (r < 0) {
        return r;
    }
    if (d->write_err.kind != VR_E_NONE) {
        r = again(&d->write_err, err);
        d->write_err = VR_ERR_INIT;
        return r;
    }
    struct slot *s = &d->one;
    *s = (struct slot){.state = SLOT_BUSY};
    if (nbd_aio_flush(d->h, answer_to(s), 0) < 0) {
        return die(d, VR_E_IO, nbd_get_error(), err);
    }
    r = wait_slot(d, s, err);
    if (r < 0) {
        return r;
    }
    return s->sys_errno ? slot_error(s, "flush", err) : 0;
}

/* --- reading --- */

static int
issue_read(struct nbd_dev *d, struct slot *s, uint64_t off, uint64_t len, struct vr_err *err)
{
    uint8_t *buf = malloc((size_t)len);
    if (!buf) {
        return vr_fail_nomem(err);
    }
    *s = (struct slot){.state = SLOT_BUSY, .off = off, .len = len, .order = d->next_order++};
    s->buf = buf;
    if (nbd_aio_pread(d->h, buf, (size_t)len, off, answer_to(s), 0) < 0) {
        return die(d, VR_E_IO, nbd_get_error(), err);
    }
    return 0;
}

static struct slot *unused_read_slot(struct nbd_dev *d)
{
    struct slot *unused = NULL;
    for (size_t i = 0; i < SLOTS; i++) {
        if (d->rd[i].state == SLOT_DONE && d->rd[i].stale) {
            free_slot(&d->rd[i]);
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
        if (write_in_flight(d, hint->off, n) || issue_read(d, s, hint->off, n, NULL) < 0) {
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

static void nbd_prefetch(struct block_dev *dev, uint64_t off, uint64_t len)
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
        r = wait_slot(d, s, err);
    }
    if (r < 0) {
        return r;
    }
    if (s->sys_errno) {
        r = slot_error(s, "read", err);
    } else {
        memcpy(p, s->buf, len);
    }
    free_slot(s);
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
    int r = wait_slot(d, s, err);
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

static int nbd_read(struct block_dev *dev, void *buf, size_t len, uint64_t off, struct vr_err *err)
{
    struct nbd_dev *d = nbd_of(dev);
    uint8_t *p = buf;
    int r = settle_writes(d, off, len, err);
    while (r == 0 && len) {
        size_t n = 0;
        struct slot *s = find_ahead(d, off);
        if (s) {
            r = read_from_ahead(d, s, p, len, off, &n, err);
        } else {
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

static void nbd_drop_cache(struct block_dev *dev)
{
    struct nbd_dev *d = nbd_of(dev);
    forget_range(d, 0, dev->size_bytes);
    d->hint_count = 0;
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
    *s = (struct slot){.state = SLOT_BUSY, .off = off, .len = len};
    uint64_t ask = VR_MIN(d->dev.size_bytes - off, (uint64_t)STATUS_ASK_BYTES);
    nbd_extent_callback cb = {.callback = on_status, .user_data = d};
    if (nbd_aio_block_status(d->h, ask, off, cb, answer_to(s), 0) < 0) {
        return die(d, VR_E_IO, nbd_get_error(), err);
    }
    int r = wait_slot(d, s, err);
    if (r == 0 && !d->status_count) {
        add_status(d, len, BLOCK_DATA); /* refused or empty: reading will tell */
    }
    return r;
}

static const struct block_extent *find_status(struct nbd_dev *d, uint64_t off)
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
    int r = settle_writes(d, off, len, err);
    while (r == 0 && off < end && n < max) {
        const struct block_extent *e = find_status(d, off);
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
    free(d->one.buf);
    free(d);
}

static const struct block_ops nbd_ops = {
    .name = "nbd",
    .read = nbd_read,
    .write = nbd_write,
    .zero = nbd_zero_range,
    .flush = nbd_flush_all,
    .extents = nbd_extents,
    .prefetch = nbd_prefetch,
    .drop_cache = nbd_drop_cache,
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
static int
start_handle(struct nbd_dev *d, const char *uri, const char *socket_path, struct vr_err *err)
{
    d->h = nbd_create();
    if (!d->h || nbd_add_meta_context(d->h, BASE_ALLOCATION) < 0 ||
        nbd_set_request_block_size(d->h, false) < 0) {
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
        r = turn(d, deadline_at, err);
    }
    return r < 0 ? r : learn_export(d, err);
}

static int open_nbd(const char *uri,
                    const char *socket_path,
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
    dev->flags = flags;
    d->deadline_ms = deadline_ms;
    snprintf(dev->label, sizeof dev->label, "%.95s", uri ? uri : socket_path);
    int r = start_handle(d, uri, socket_path, err);
    if (r < 0) {
        return vr_wrap(err, r, "cannot open '%s'", uri ? uri : socket_path);
    }
    *ret_dev = TAKE_PTR(dev);
    return 0;
}

int block_nbd_open(const char *uri, unsigned flags, struct block_dev **ret_dev, struct vr_err *err)
{
    return open_nbd(uri, NULL, flags, BLOCK_NBD_DEADLINE_MS, ret_dev, err);
}

int block_nbd_open_unix(const char *socket_path,
                        unsigned flags,
                        unsigned deadline_ms,
                        struct block_dev **ret_dev,
                        struct vr_err *err)
{
    return open_nbd(NULL, socket_path, flags, deadline_ms, ret_dev, err);
}

void block_nbd_set_deadline(struct block_dev *dev, unsigned deadline_ms)
{
    vr_assert(dev->ops == &nbd_ops);
    nbd_of(dev)->deadline_ms = deadline_ms;
}
