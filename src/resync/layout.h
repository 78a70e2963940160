/* SPDX-License-Identifier: Apache-2.0 */
/* The nodes (1 MiB ranges) of a transfer's disks numbered in one row, as the peer protocol does.
 * Pure. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "model/peer.h"

struct layout {
    uint32_t ndisks;
    uint64_t size[VR_DISKS_MAX];  /* bytes */
    uint64_t first[VR_DISKS_MAX]; /* number of a disk's first node */
    uint64_t nodes;               /* of all disks */
};

void layout_init(struct layout *l, const struct vr_peer_request *open);
/* node must be below l->nodes. */
void layout_find(const struct layout *l,
                 uint64_t node,
                 uint16_t *ret_disk,
                 uint64_t *ret_off,
                 uint32_t *ret_len);
/* Is [off, off+len) a range of this disk that begins on a 4 KiB boundary and ends on one or with
 * the disk? */
bool layout_range_ok(const struct layout *l, uint16_t disk, uint64_t off, uint64_t len);
uint64_t layout_node(const struct layout *l, uint16_t disk, uint64_t off);
uint64_t layout_bytes(const struct layout *l,
                      uint64_t nodes); /* bytes in the first `nodes` nodes */
uint64_t layout_between(const struct layout *l, uint64_t first, uint64_t count); /* in these */
