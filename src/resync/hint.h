/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which nodes of a transfer may differ: a bit for each, over the row of all disks' nodes. The
 * source makes one from what its disks' bitmaps name, relative to one generation of the replica;
 * what is not in it is not compared. It is a hint: whoever doubts adds nodes, and nobody takes any
 * out.
 */
#pragma once
#include "resync/layout.h"
#include "transport/link.h"
#include "util/cleanup.h"
#include "util/err.h"

struct hint;

/* Of the disks of `open`, with nothing in it. LIMIT: they have more than MSG_HINT_NODES_MAX nodes.
 */
VR_MUST_CHECK int
hint_new(const struct vr_peer_request *open, struct hint **ret, struct vr_err *err);
void hint_free(struct hint *h);
DEFINE_CLEANUP(struct hint *, hint_free)
/* Adds every node that holds a byte of the range; what is beyond the disk's end counts for nothing.
 */
void hint_mark(struct hint *h, uint16_t disk, uint64_t off, uint64_t len);
void hint_mark_disk(struct hint *h, uint16_t disk);
/* Adds nodes, which must exist. */
void hint_add(struct hint *h, uint64_t first, uint64_t count);
bool hint_has(const struct hint *h, uint64_t node);
/* Is any of the range in it? */
bool hint_has_any(const struct hint *h, uint64_t first, uint64_t count);
/* How many nodes from this one on are all in it, or all not; up to `end`. */
uint64_t hint_run(const struct hint *h, uint64_t node, uint64_t end);
/* Queues all of it as HINT frames. */
VR_MUST_CHECK int hint_send(const struct hint *h, struct link *link, struct vr_err *err);
/* Adds what a HINT frame says. Frames come in order: PROTOCOL. *ret_whole: that was the last. */
VR_MUST_CHECK int
hint_take(struct hint *h, const void *p, size_t n, bool *ret_whole, struct vr_err *err);
