/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An open file or block device past the page cache: reads ahead and posted writes, some dozen in
 * flight. What cannot go that way (ranges that are not aligned) goes through the descriptor that
 * was given, in order with the rest.
 *
 * A failed write is told by the next write and again by direct_flush, then forgotten: everything
 * since the last good flush must be written again. One thread at a time; see block/uring.h.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/cleanup.h"
#include "util/err.h"

/* Set to anything but "" or "0": everything goes through the page cache, as it does where a file
 * system or a kernel has nothing else. For tests, and for whoever must rule this file out. */
#define DIRECT_OFF_ENV "VMREPLICA_BUFFERED"

#define DIRECT_PIECE_BYTES (256u << 10) /* one request of reading ahead */
#define DIRECT_SLOTS 64u                /* for a disk: 16 MiB at most */
/* For a disk that is written, often a block here and there: as much memory, more requests. */
#define DIRECT_WRITE_PIECE_BYTES (128u << 10)
#define DIRECT_WRITE_SLOTS 128u
#define DIRECT_MANY 4u /* one of many disks has this part of it */

struct direct;

/* fd is borrowed and outlives it. size_bytes: reads end there. slots: requests in flight at most,
 * of `piece` bytes each, a power of two and at least 64 KiB. UNSUPPORTED: no direct I/O on that
 * file, or no io_uring. */
VR_MUST_CHECK int direct_new(int fd,
                             uint64_t size_bytes,
                             unsigned slots,
                             size_t piece,
                             struct direct **ret,
                             struct vr_err *err);
/* The memory that all of them have for requests, bytes. Any thread. */
size_t direct_memory(void);
void direct_free(struct direct *d); /* waits for writes; NULL is fine */

VR_MUST_CHECK int
direct_read(struct direct *d, void *buf, size_t len, uint64_t off, struct vr_err *err);
VR_MUST_CHECK int
direct_write(struct direct *d, const void *buf, size_t len, uint64_t off, struct vr_err *err);
void direct_prefetch(struct direct *d, uint64_t off, uint64_t len);
/* What was hinted, where it was received; the reader has come to off, what lies before is given up.
 * NULL: not there as a whole, or not readable. Else direct_view_end, before anything else. */
const uint8_t *direct_view(struct direct *d, uint64_t off, size_t len);
void direct_view_end(struct direct *d, uint64_t off, size_t len);
/* Was the range read ahead, or is it on its way? */
bool direct_holds(struct direct *d, uint64_t off, size_t len);
/* Waits for all writes, and gives the error one of them had; the rest of the flush, fdatasync, is
 * the caller's. */
VR_MUST_CHECK int direct_flush(struct direct *d, struct vr_err *err);
/* As direct_flush; *ret_failed_at: the lowest offset of a write that failed, UINT64_MAX: none. */
VR_MUST_CHECK int direct_flush_from(struct direct *d, uint64_t *ret_failed_at, struct vr_err *err);
/* May it be an offset, or a length, of direct I/O? */
bool direct_is_aligned(const struct direct *d, uint64_t number);
/* Did the file system refuse a write when it was asked to do it, so that its pages are cached? */
bool direct_was_refused(const struct direct *d);
/* The caller changes this range through its own descriptor next, or asks about it: no write is in
 * flight any more, and nothing that was read ahead of it is given out. */
void direct_yield(struct direct *d, uint64_t off, uint64_t len);
/* The file has another size now. */
void direct_resize(struct direct *d, uint64_t size_bytes);
