/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the NBD driver only (nbd.c, nbd_read.c, nbd_write.c): the connection and its requests. See
 * nbd.c. */
#pragma once
#include <libnbd.h>

#include "block/dev.h"

#define PIECE_BYTES (512u << 10)
#define GENTLE_BYTES (128u << 10)
#define SLOTS 16u /* for each of read-ahead and writing */
#define HINTS 64u
#define BITMAP_MAX 192u
#define STATUS_MAX 4096u /* extents kept of one answer; the rest is asked again */

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
    uint8_t
        *buf; /* PIECE_BYTES from the first use to the close; fresh pages cost more than bytes */
};

struct range {
    uint64_t off, len;
};

struct nbd_dev {
    struct block_dev dev;
    struct nbd_handle *h;
    char bitmap[BITMAP_MAX]; /* "": none was asked for */
    unsigned deadline_ms;
    bool dead, can_zero, can_status;
    bool gentle;                       /* one request for reading at a time, of GENTLE_BYTES */
    struct vr_err dead_err, write_err; /* kind NONE: nothing happened */
    struct slot rd[SLOTS], wr[SLOTS];
    struct slot one; /* a request waited for at once; here, since libnbd may still know it after a
                        missed deadline */
    uint64_t next_order;
    struct range hints[HINTS];
    size_t hint_first, hint_count;
    struct block_extent status[STATUS_MAX];
    size_t status_count;
    uint64_t status_end, status_stride;
};

static inline struct nbd_dev *nbd_of(struct block_dev *dev)
{
    return (struct nbd_dev *)dev;
}

static inline bool overlaps(uint64_t a_off, uint64_t a_len, uint64_t b_off, uint64_t b_len)
{
    return a_off < b_off + b_len && b_off < a_off + a_len;
}

/* nbd.c */
/* Gives an error that is on record once more. */
int conn_again(const struct vr_err *was, struct vr_err *err);
/* Makes the device unusable, for good, with this error. */
int conn_die(struct nbd_dev *d, enum vr_err_kind kind, const char *what, struct vr_err *err);
/* The error the device died of, or 0. */
int conn_check(struct nbd_dev *d, struct vr_err *err);
/* One turn of the connection, at most until deadline_at (monotonic ms). */
int conn_turn(struct nbd_dev *d, uint64_t deadline_at, struct vr_err *err);
/* Until the slot is answered, or the deadline has passed. */
int conn_wait(struct nbd_dev *d, struct slot *s, struct vr_err *err);
/* The callback that marks the slot done. */
nbd_completion_callback conn_answer_to(struct slot *s);
/* The error that the server gave for it. */
int slot_error(struct slot *s, const char *verb, struct vr_err *err);
/* Gives the slot its buffer. */
int slot_need_buf(struct slot *s, struct vr_err *err);
void slot_begin(struct nbd_dev *d, struct slot *s, uint64_t off, uint64_t len);
void slot_free(struct slot *s); /* its buffer stays */
/* The known extent that contains off, or NULL; until the next write or question. */
const struct block_extent *conn_known(struct nbd_dev *d, uint64_t off);

/* nbd_write.c */
int conn_write(
    struct block_dev *dev, const void *buf, size_t len, uint64_t off, struct vr_err *err);
int conn_zero(struct block_dev *dev, uint64_t off, uint64_t len, struct vr_err *err);
int conn_flush(struct block_dev *dev, struct vr_err *err);
bool conn_write_in_flight(struct nbd_dev *d, uint64_t off, uint64_t len);
/* Waits until no unanswered write touches the range. */
int conn_settle_writes(struct nbd_dev *d, uint64_t off, uint64_t len, struct vr_err *err);

/* nbd_dirty.c */
int conn_dirty(struct block_dev *dev,
               void (*fn)(void *ctx, uint64_t off, uint64_t len),
               void *ctx,
               struct vr_err *err);

/* nbd_read.c */
int conn_read(struct block_dev *dev, void *buf, size_t len, uint64_t off, struct vr_err *err);
void conn_prefetch(struct block_dev *dev, uint64_t off, uint64_t len);
/* A view of one slot; NULL when the range was not hinted or is not in one piece. */
const uint8_t *conn_map(struct block_dev *dev, uint64_t off, size_t len);
bool conn_map_end(struct block_dev *dev, uint64_t off, size_t len);
void conn_drop_cache(struct block_dev *dev);
void conn_be_gentle(struct block_dev *dev, bool gentle);
/* What was read ahead or known of the range is no longer so. */
void conn_forget(struct nbd_dev *d, uint64_t off, uint64_t len);
