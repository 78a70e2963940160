/* SPDX-License-Identifier: Apache-2.0 */
#include "resync/layout.h"

#include <string.h>

#include "resync/digest.h"
#include "util/num.h"

void layout_init(struct layout *l, const struct vr_peer_request *open)
{
    memset(l, 0, sizeof *l);
    l->ndisks = open->ndisks;
    for (uint32_t i = 0; i < open->ndisks; i++) {
        l->size[i] = open->disks[i].size_bytes;
        l->first[i] = l->nodes;
        l->nodes += vr_div_up(l->size[i], DIGEST_NODE);
    }
}

void layout_find(
    const struct layout *l, uint64_t node, uint16_t *ret_disk, uint64_t *ret_off, uint32_t *ret_len)
{
    uint32_t i = l->ndisks - 1;
    while (l->first[i] > node) {
        i--;
    }
    uint64_t off = (node - l->first[i]) * DIGEST_NODE;
    *ret_disk = (uint16_t)i;
    *ret_off = off;
    *ret_len = (uint32_t)VR_MIN((uint64_t)DIGEST_NODE, l->size[i] - off);
}

bool layout_range_ok(const struct layout *l, uint16_t disk, uint64_t off, uint64_t len)
{
    if (disk >= l->ndisks || len == 0 || !vr_range_ok(off, len, l->size[disk]) ||
        off % DIGEST_LEAF != 0) {
        return false;
    }
    return (off + len) % DIGEST_LEAF == 0 || off + len == l->size[disk];
}

uint64_t layout_node(const struct layout *l, uint16_t disk, uint64_t off)
{
    return l->first[disk] + off / DIGEST_NODE;
}

uint64_t layout_bytes(const struct layout *l, uint64_t nodes)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < l->ndisks && l->first[i] < nodes; i++) {
        sum += VR_MIN(l->size[i], (nodes - l->first[i]) * DIGEST_NODE);
    }
    return sum;
}

uint64_t layout_between(const struct layout *l, uint64_t first, uint64_t count)
{
    return layout_bytes(l, first + count) - layout_bytes(l, first);
}
