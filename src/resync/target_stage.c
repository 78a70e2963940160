/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Differences arrive: they are staged (or, for an initial transfer onto images of our own,
 * written), and the tags of their nodes are computed anew from what was received. A block that an
 * earlier run staged and that now equals the base again is recorded as REVERT, so that a commit
 * never writes what did not differ.
 */
#include <stdlib.h>
#include <string.h>

#include "resync/target_priv.h"
#include "util/num.h"

#define SPACE_EVERY (16u << 20) /* staged bytes between two looks at the free space */

static int ensure_writer(struct target *t, struct vr_err *err)
{
    if (t->writer) {
        return 0;
    }
    char name[32];
    uint8_t key[32];
    t->p.random(t->p.ctx, key, sizeof key);
    replica_next_run_name(t->runs, t->nruns, name, sizeof name);
    return run_writer_new(t->replica->stor, name, key, &t->replica->sc.rel.generation.uuid,
                          &t->writer, err);
}

static int check_space(struct target *t, uint64_t more, struct vr_err *err)
{
    if (t->staged_raw + more < t->space_checked) {
        return 0;
    }
    uint64_t free_bytes;
    int r = stor_free_bytes(t->replica->stor, &free_bytes, err);
    if (r < 0) {
        return r;
    }
    uint64_t need = t->p.staging_reserve_bytes + SPACE_EVERY;
    if (free_bytes < need) {
        return vr_fail(err, VR_E_NOSPACE,
                       "staging stopped: %llu MiB are free on the replica's file system, %llu MiB "
                       "must stay free",
                       (unsigned long long)(free_bytes >> 20), (unsigned long long)(need >> 20));
    }
    t->space_checked = t->staged_raw + SPACE_EVERY;
    t->free_bytes = free_bytes;
    t->staging_limit = target_staging(t).bytes + free_bytes - t->p.staging_reserve_bytes;
    return 0;
}

/* Does the base hold these bytes (NULL: zeroes) already? Asked only about blocks that an earlier
 * run staged. */
static int base_equals(struct target *t,
                       uint16_t disk,
                       uint64_t off,
                       uint32_t len,
                       const uint8_t *p,
                       bool *ret,
                       struct vr_err *err)
{
    static const uint8_t zero[DIGEST_LEAF];
    uint8_t base[DIGEST_LEAF];
    int r = block_read(t->dev[disk], base, len, off, err);
    *ret = r == 0 && memcmp(base, p ? p : zero, len) == 0;
    return r;
}

static int put_record(struct target *t,
                      enum run_type type,
                      uint16_t disk,
                      uint64_t off,
                      uint64_t len,
                      const uint8_t *p,
                      struct vr_err *err)
{
    if (t->direct) {
        t->direct_written[disk] += len;
        return type == RUN_ZERO ? block_zero(t->dev[disk], off, len, err)
                                : block_write(t->dev[disk], p, (size_t)len, off, err);
    }
    int r = ensure_writer(t, err);
    struct run_record rec = {type, disk, off, len, p};
    return r < 0 ? r : run_writer_add(t->writer, &rec, err);
}

/* Leaf by leaf, because some must become REVERT. p NULL: zeroes. All within one node. */
static int stage_piecewise(struct target *t,
                           uint16_t disk,
                           uint64_t off,
                           uint32_t len,
                           const uint8_t *p,
                           struct vr_err *err)
{
    for (uint32_t done = 0; done < len; done += DIGEST_LEAF) {
        uint32_t n = VR_MIN(DIGEST_LEAF, len - done);
        uint32_t leaf = (uint32_t)((off + done) % DIGEST_NODE) / DIGEST_LEAF;
        const uint8_t *q = p ? p + done : NULL;
        bool same = false;
        int r = leaf_bit(t->active_staged, leaf)
                    ? base_equals(t, disk, off + done, n, q, &same, err)
                    : 0;
        if (r == 0) {
            r = put_record(t,
                           same ? RUN_REVERT
                           : q  ? RUN_DATA
                                : RUN_ZERO,
                           disk, off + done, n, q, err);
        }
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static bool any_staged(const struct target *t)
{
    return t->active_staged[0] | t->active_staged[1] | t->active_staged[2] | t->active_staged[3];
}

static void retag(struct target *t, uint64_t off, uint32_t len, const uint8_t *p)
{
    uint16_t disk;
    uint64_t node_off;
    uint32_t node_len;
    layout_find(&t->layout, t->active_node, &disk, &node_off, &node_len);
    const struct node_tags *zero = p ? NULL : digest_zero(t->digest, node_len);
    for (uint32_t done = 0; done < len; done += DIGEST_LEAF) {
        uint32_t leaf = (uint32_t)(off + done - node_off) / DIGEST_LEAF;
        if (p) {
            digest_leaf(t->digest, p + done, VR_MIN(DIGEST_LEAF, len - done),
                        t->active_tags->leaf[leaf]);
        } else {
            memcpy(t->active_tags->leaf[leaf], zero->leaf[leaf], DIGEST_TAG);
        }
    }
    t->active_dirty = true;
}

/* One node's part of a difference. */
static int stage_in_node(struct target *t,
                         uint16_t disk,
                         uint64_t off,
                         uint32_t len,
                         const uint8_t *p,
                         struct vr_err *err)
{
    int r = target_activate(t, layout_node(&t->layout, disk, off), err);
    if (r < 0) {
        return r;
    }
    t->progress.bytes_differing += len;
    retag(t, off, len, p);
    if (any_staged(t)) {
        return stage_piecewise(t, disk, off, len, p, err);
    }
    return put_record(t, p ? RUN_DATA : RUN_ZERO, disk, off, len, p, err);
}

static int wrong_place(struct vr_err *err)
{
    return vr_fail(err, VR_E_PROTOCOL, "the primary host sent a difference at a wrong place");
}

/* Differences ascend, and a verify has none. */
static int may_stage(const struct target *t, uint16_t disk, uint64_t off, struct vr_err *err)
{
    if (disk < t->last_disk || (disk == t->last_disk && off < t->last_end)) {
        return wrong_place(err);
    }
    if (t->p.open.kind == VR_TRANSFER_VERIFY) {
        return vr_fail(err, VR_E_PROTOCOL, "the primary host sent data during a verify");
    }
    return 0;
}

static int stage_range(struct target *t,
                       uint16_t disk,
                       uint64_t off,
                       uint64_t len,
                       const uint8_t *p,
                       struct vr_err *err)
{
    int r = layout_range_ok(&t->layout, disk, off, len) ? may_stage(t, disk, off, err)
                                                        : wrong_place(err);
    if (r < 0) {
        return r;
    }
    t->last_disk = disk;
    t->last_end = off + len;
    while (len) {
        uint32_t n = (uint32_t)VR_MIN(len, DIGEST_NODE - off % DIGEST_NODE);
        r = stage_in_node(t, disk, off, n, p, err);
        if (r < 0) {
            return r;
        }
        off += n;
        len -= n;
        p = p ? p + n : NULL;
    }
    return 0;
}

/* Where the run of blocks ends that begins with this one. */
static uint32_t run_end(const uint64_t mask[MSG_MASK], uint32_t first)
{
    while (first < DIGEST_LEAVES && leaf_bit(mask, first)) {
        first++;
    }
    return first;
}

static uint32_t next_block(const uint64_t mask[MSG_MASK], uint32_t from)
{
    while (from < DIGEST_LEAVES && !leaf_bit(mask, from)) {
        from++;
    }
    return from;
}

/* All that can be wrong with where the blocks go is found before they are unpacked. */
static int check_place(const struct target *t, const struct msg_data *m, struct vr_err *err)
{
    uint64_t size = m->disk < t->layout.ndisks ? t->layout.size[m->disk] : 0;
    uint64_t left = m->off < size ? size - m->off : 0;
    uint32_t bytes = 0;
    bool inside = true;
    for (uint32_t i = 0; i < DIGEST_LEAVES; i++) {
        if (leaf_bit(m->mask, i)) {
            uint64_t at = (uint64_t)i * DIGEST_LEAF;
            inside = inside && at < left;
            bytes += inside ? (uint32_t)VR_MIN((uint64_t)DIGEST_LEAF, left - at) : 0;
        }
    }
    if (!inside || bytes != m->raw_len) {
        return wrong_place(err);
    }
    return may_stage(t, m->disk, m->off + (uint64_t)next_block(m->mask, 0) * DIGEST_LEAF, err);
}

static int
stage_blocks(struct target *t, const struct msg_data *m, const uint8_t *p, struct vr_err *err)
{
    uint32_t left = m->raw_len;
    for (uint32_t i = next_block(m->mask, 0); i < DIGEST_LEAVES;) {
        uint32_t end = run_end(m->mask, i), n = VR_MIN((end - i) * DIGEST_LEAF, left);
        int r = stage_range(t, m->disk, m->off + (uint64_t)i * DIGEST_LEAF, n, p, err);
        if (r < 0) {
            return r;
        }
        p += n;
        left -= n;
        i = next_block(m->mask, end);
    }
    return 0;
}

struct target_staging target_staging(const struct target *t)
{
    struct target_staging s = {.bytes = t->direct ? 0 : t->p.reply.bytes_staged + t->staged_raw,
                               .limit_bytes = t->staging_limit};
    return s;
}

int target_on_data(struct target *t, const void *p, size_t n, struct vr_err *err)
{
    struct msg_data m;
    int r = msg_get_data(p, n, &m, err);
    if (r == 0) {
        r = check_place(t, &m, err);
    }
    if (r == 0 && !t->direct) {
        r = check_space(t, m.raw_len, err);
    }
    if (r < 0) {
        return r;
    }
    const uint8_t *bytes = m.bytes;
    if (m.coding == MSG_DATA_ZSTD) {
        size_t got = ZSTD_decompressDCtx(t->zstd, t->raw, MSG_DATA_MAX, m.bytes, m.len);
        if (ZSTD_isError(got) || got != m.raw_len) {
            return vr_fail(err, VR_E_PROTOCOL, "the primary host sent data that does not unpack");
        }
        bytes = t->raw;
    }
    r = stage_blocks(t, &m, bytes, err);
    t->staged_raw += m.raw_len;
    return r;
}

int target_on_zero(struct target *t, const void *p, size_t n, struct vr_err *err)
{
    struct msg_zero m;
    int r = msg_get_zero(p, n, &m, err);
    return r < 0 ? r : stage_range(t, m.disk, m.off, m.len, NULL, err);
}
