/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A direct initial transfer wrote the images without staging, so nothing is left to compare what
 * the disk gives back with, but the roots: every disk is read once more, and its root must be the
 * one that was just proven.
 */
#include <stdlib.h>
#include <string.h>

#include "resync/target_priv.h"
#include "util/num.h"

#define NODES_PER_STEP 8

static int next_disk(struct target *t, struct vr_err *err)
{
    const struct vr_peer_request *o = &t->p.open;
    uint32_t d = t->check.disk;
    block_drop_cache(t->dev[d]);
    int r = reader_new(t->dev[d], (uint16_t)d, t->digest, NULL, &t->check.reader, err);
    if (r == 0) {
        r = digest_root_new(t->digest, &o->vm_id, &o->instant, d, o->disks[d].name,
                            o->disks[d].size_bytes, &t->check.root, err);
    }
    return r;
}

static void add_zero(struct target *t, uint64_t count)
{
    uint64_t size = t->layout.size[t->check.disk];
    uint32_t tail = (uint32_t)(size % DIGEST_NODE);
    bool last = tail && reader_pos(t->check.reader) == size;
    digest_root_add(t->check.root, digest_zero(t->digest, DIGEST_NODE)->node, count - last);
    if (last) {
        digest_root_add(t->check.root, digest_zero(t->digest, tail)->node, 1);
    }
}

static int finish_disk(struct target *t, struct vr_err *err)
{
    uint8_t root[DIGEST_ROOT];
    uint32_t d = t->check.disk++;
    digest_root_final(t->check.root, root);
    digest_root_free(TAKE_PTR(t->check.root));
    reader_free(TAKE_PTR(t->check.reader));
    if (memcmp(root, t->own_root[d], sizeof root) != 0) {
        return vr_fail(err, VR_E_IO,
                       "replica disk '%s' gives back other bytes than were written: "
                       "replace the device and enable the VM anew",
                       t->p.open.disks[d].name);
    }
    return 0;
}

int target_readback_some(struct target *t, bool *ret_done, struct vr_err *err)
{
    *ret_done = t->check.disk == t->p.open.ndisks;
    for (int i = 0; i < NODES_PER_STEP && !*ret_done; i++) {
        struct reader_item item = {0};
        int r = t->check.reader ? 0 : next_disk(t, err);
        if (r == 0) {
            r = reader_next(t->check.reader, &item, t->active_tags, err);
        }
        if (r < 0) {
            return r;
        }
        if (item.zero) {
            add_zero(t, item.count);
        } else {
            digest_root_add(t->check.root, t->active_tags->node, 1);
        }
        if (reader_pos(t->check.reader) == t->layout.size[t->check.disk]) {
            r = finish_disk(t, err);
            if (r < 0) {
                return r;
            }
        }
        *ret_done = t->check.disk == t->p.open.ndisks;
    }
    return 0;
}

uint64_t target_readback_bytes(const struct target *t)
{
    uint64_t sum = t->check.reader ? reader_pos(t->check.reader) : 0;
    for (uint32_t i = 0; i < t->check.disk; i++) {
        sum += t->layout.size[i];
    }
    return sum;
}

void target_readback_free(struct target *t)
{
    digest_root_free(t->check.root);
    reader_free(t->check.reader);
}
