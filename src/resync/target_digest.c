/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The target's digest stream: reads the overlay view in order, tells node tags and zero stretches,
 * keeps the lower levels of what is told and not yet decided (at most MSG_WINDOW_NODES nodes), and
 * folds decided nodes into the roots.
 */
#include <stdlib.h>
#include <string.h>

#include "resync/geometry.h"
#include "resync/target_priv.h"
#include "util/num.h"

#define LINK_FULL (1u << 20)
#define YOUNG_NODES 64u       /* told as soon as they are read */
#define GATHER_MAX_US 100000u /* a slow disk is told of before its batch is full */

/* A disk as it is, seen with the size that it will have; one that is new is all zeroes. */
static int open_disk(struct target *t, uint32_t disk, struct vr_err *err)
{
    struct replica *rep = t->replica;
    uint64_t size = t->p.open.disks[disk].size_bytes;
    uint32_t from = replica_disk_of(rep, t->p.open.disks[disk].name);
    struct block_dev *dev = NULL;
    int r = from == VR_DISKS_MAX ? 0
                                 : replica_open_disk(rep, &rep->sc.vm.disks[from],
                                                     t->direct ? 0 : BLOCK_READ_ONLY, &dev, err);
    if (r < 0) {
        return r;
    }
    t->base_bytes[disk] = dev ? VR_MIN(dev->size_bytes, size) : 0;
    if (!dev || t->base_bytes[disk] < size) {
        return block_pad_new(dev, size, &t->dev[disk], err);
    }
    dev->size_bytes = size;
    t->dev[disk] = dev;
    return 0;
}

int target_open_disks(struct target *t, struct vr_err *err)
{
    /* A former initial transfer may have died while it wrote. */
    int x = t->direct ? replica_repair_images(t->replica, err) : 0;
    if (x < 0) {
        return x;
    }
    for (uint32_t i = 0; i < t->p.open.ndisks; i++) {
        int r = open_disk(t, i, err);
        if (r < 0) {
            return r;
        }
        if (t->direct) { /* an earlier flush may have failed: only what is on the disk counts */
            block_drop_cache(t->dev[i]);
        }
    }
    return 0;
}

static uint32_t node_len(const struct target *t, uint64_t node)
{
    uint16_t disk;
    uint64_t off;
    uint32_t len;
    layout_find(&t->layout, node, &disk, &off, &len);
    return len;
}

static uint16_t node_disk(const struct target *t, uint64_t node)
{
    uint16_t disk;
    uint64_t off;
    uint32_t len;
    layout_find(&t->layout, node, &disk, &off, &len);
    return disk;
}

static int flush_batch(struct target *t, struct vr_err *err)
{
    if (t->batch_n == 0) {
        return 0;
    }
    vr_buf_reset(&t->msg);
    msg_put_digests_head(&t->msg, t->batch_first, t->batch_n);
    int r = vr_buf_check(&t->tagbuf, err);
    r = r < 0 ? r
              : link_send_buf(t->link, MSG_DIGESTS, &t->msg, t->tagbuf.data, t->tagbuf.len, err);
    vr_buf_reset(&t->tagbuf);
    t->batch_n = 0;
    t->gathered_us = t->now_us;
    return r;
}

/* type: ZEROES or SKIPPED. */
static int
tell_range(struct target *t, uint8_t type, uint64_t first, uint64_t count, struct vr_err *err)
{
    int r = flush_batch(t, err);
    if (r < 0) {
        return r;
    }
    struct msg_range m = {first, count};
    vr_buf_reset(&t->msg);
    msg_put_range(&t->msg, &m);
    return link_send_buf(t->link, type, &t->msg, NULL, 0, err);
}

static int
tell_node(struct target *t, uint64_t node, const struct node_tags *tags, struct vr_err *err)
{
    if (t->batch_n == 0) {
        t->batch_first = node;
    }
    vr_buf_bytes(&t->tagbuf, tags->node, DIGEST_TAG);
    t->batch_n++;
    return t->batch_n == MSG_DIGESTS_MAX ? flush_batch(t, err) : 0;
}

static int next_disk(struct target *t, struct vr_err *err)
{
    if (t->reader && reader_pos(t->reader) < t->layout.size[t->read_disk]) {
        return 0;
    }
    if (t->reader) {
        reader_free(TAKE_PTR(t->reader));
        t->read_disk++;
    }
    return reader_new(t->dev[t->read_disk], t->read_disk, t->digest, t->overlay, &t->reader, err);
}

/*
 * Is only what the hint names compared? When it is about the generation that is here, and that is
 * here as it was committed.
 */
int target_open_hint(struct target *t, struct vr_err *err)
{
    const struct vr_peer_request *o = &t->p.open;
    const struct vr_uuid *here = &t->replica->sc.rel.generation.uuid;
    bool good = o->hinted && o->kind == VR_TRANSFER_RESYNC && !o->force && !t->direct &&
                !t->p.reply.changed_alone && o->nhistory > 0 && vr_uuid_eq(&o->history[0], here) &&
                vr_uuid_eq(&t->p.reply.generation.uuid, here);
    bool sample = o->hinted && o->kind == VR_TRANSFER_VERIFY; /* a dry run: names what it wants */
    t->p.reply.hinted = false;
    if (!(good || sample) || t->layout.nodes == 0 || t->layout.nodes > MSG_HINT_NODES_MAX) {
        return 0;
    }
    int r = hint_new(o, &t->hint, err);
    t->p.reply.hinted = t->awaits_hint = r == 0;
    for (uint32_t i = 0; r == 0 && i < o->ndisks; i++) {
        digest_root_based(t->root[i], sample ? &o->instant : here);
    }
    return r;
}

int target_on_hint(struct target *t, const void *p, size_t n, struct vr_err *err)
{
    bool whole;
    int r = hint_take(t->hint, p, n, &whole, err);
    t->awaits_hint = r == 0 && !whole;
    /* What the generation has not is changed whatever the source knows. */
    for (uint32_t i = 0; r == 0 && whole && i < t->layout.ndisks; i++) {
        hint_mark(t->hint, (uint16_t)i, t->base_bytes[i], t->layout.size[i] - t->base_bytes[i]);
    }
    return r;
}

/* How many nodes from read_node on, of this disk, are not compared: what the hint does not name, up
 * to the next block that is staged. A commit writes what is staged, so that must be proven. */
static int skippable(struct target *t, uint64_t disk_end, uint64_t *ret, struct vr_err *err)
{
    uint64_t staged = UINT64_MAX, n = hint_run(t->hint, t->read_node, disk_end);
    int r = t->overlay ? overlay_next(t->overlay, t->read_disk, reader_pos(t->reader), &staged, err)
                       : 0;
    if (r == 0 && staged < t->layout.size[t->read_disk]) {
        n = VR_MIN(n, layout_node(&t->layout, t->read_disk, staged) - t->read_node);
    }
    *ret = n;
    return r;
}

/* *ret_skipped: nodes were skipped. Else the reader is where the next ones to be compared are. */
static int skip_some(struct target *t, bool *ret_skipped, struct vr_err *err)
{
    uint64_t size = t->layout.size[t->read_disk], first = t->layout.first[t->read_disk];
    uint64_t disk_end = layout_node(&t->layout, t->read_disk, size - 1) + 1, n = 0;
    bool named = hint_has(t->hint, t->read_node);
    int r = named ? 0 : skippable(t, disk_end, &n, err);
    *ret_skipped = n > 0;
    if (r < 0) {
        return r;
    }
    uint64_t until = n ? t->read_node + n
                       : t->read_node + (named ? hint_run(t->hint, t->read_node, disk_end) : 1);
    uint64_t end = VR_MIN((until - first) * DIGEST_NODE, size);
    reader_seek(t->reader, n ? end : reader_pos(t->reader), end);
    if (n) {
        struct told *e = &t->told[(t->told_head + t->told_n++) % TOLD_CAP];
        *e = (struct told){.first = t->read_node, .count = n, .skipped = true};
        t->read_node = until;
        r = tell_range(t, MSG_SKIPPED, e->first, n, err);
    }
    return r;
}

static int digest_one(struct target *t, struct vr_err *err)
{
    bool skipped = false;
    int r = next_disk(t, err);
    if (r == 0 && t->hint) {
        r = skip_some(t, &skipped, err);
    }
    if (r < 0 || skipped) {
        return r;
    }
    struct node_tags *tags = malloc(sizeof *tags);
    if (!tags) {
        return vr_fail_nomem(err);
    }
    struct reader_item item;
    r = reader_next(t->reader, &item, tags, err);
    if (r < 0) {
        free(tags);
        return vr_wrap(err, r, "replica disk '%.60s'", t->p.open.disks[t->read_disk].name);
    }
    struct told *e = &t->told[(t->told_head + t->told_n++) % TOLD_CAP];
    *e = (struct told){.first = t->read_node, .count = item.zero ? item.count : 1};
    memcpy(e->staged, item.staged, sizeof e->staged);
    t->read_node += e->count;
    if (item.zero) {
        free(tags);
        return tell_range(t, MSG_ZEROES, e->first, e->count, err);
    }
    e->tags = tags;
    t->data_nodes++;
    return tell_node(t, e->first, tags, err);
}

static bool may_digest(const struct target *t)
{
    return t->read_node < t->layout.nodes && !t->awaits_hint && t->data_nodes < MSG_WINDOW_NODES &&
           t->told_n < TOLD_CAP && link_pending(t->link) < LINK_FULL;
}

int target_digest_some(struct target *t, bool *ret_worked, struct vr_err *err)
{
    int r = 0;
    for (int i = 0; r == 0 && i < 4 && may_digest(t); i++) {
        r = digest_one(t, err);
        *ret_worked = true;
    }
    /* What is gathered goes out when the stream pauses, so that the source never waits for a full
     * batch, and at once as long as the stream is young: the first difference is wanted soon. */
    bool late = t->now_us - t->gathered_us > GATHER_MAX_US;
    if (r == 0 && (t->read_node <= YOUNG_NODES || late || !may_digest(t))) {
        r = flush_batch(t, err);
    }
    return r;
}

/* --- lower levels --- */

static const struct told *find_told(const struct target *t, uint64_t node)
{
    size_t lo = 0, hi = t->told_n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        const struct told *e = &t->told[(t->told_head + mid) % TOLD_CAP];
        if (e->first + e->count <= node) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    if (lo == t->told_n) {
        return NULL;
    }
    const struct told *e = &t->told[(t->told_head + lo) % TOLD_CAP];
    return e->first <= node ? e : NULL;
}

int target_on_want(struct target *t, const void *p, size_t n, struct vr_err *err)
{
    struct msg_detail m;
    int r = msg_get_want(p, n, &m, err);
    if (r < 0) {
        return r;
    }
    const struct told *e = m.node < t->layout.nodes ? find_told(t, m.node) : NULL;
    if (!e || !e->tags) {
        return vr_fail(err, VR_E_PROTOCOL, "the primary host asks about a node it was not told");
    }
    uint32_t len = node_len(t, m.node), count = 0;
    struct vr_buf body;
    vr_buf_init(&body, MSG_DETAIL_MAX * DIGEST_TAG);
    if (m.mask == 0) {
        count = digest_mids(len);
        vr_buf_bytes(&body, e->tags->mid, (size_t)count * DIGEST_TAG);
    }
    for (uint32_t i = 0, leaves = digest_leaves(len); m.mask && i < leaves; i++) {
        if (m.mask & (1u << (i / DIGEST_LEAVES_OF_MID))) {
            vr_buf_bytes(&body, e->tags->leaf[i], DIGEST_TAG);
            count++;
        }
    }
    r = vr_buf_check(&body, err);
    if (r == 0 && count == 0) {
        r = vr_fail(err, VR_E_PROTOCOL, "the primary host asks for a piece beyond the disk");
    }
    if (r == 0) {
        vr_buf_reset(&t->msg);
        msg_put_detail_head(&t->msg, m.node, m.mask, count);
        r = link_send_buf(t->link, MSG_DETAIL, &t->msg, body.data, body.len, err);
    }
    vr_buf_deinit(&body);
    return r;
}

/* --- roots --- */

static void told_pop(struct target *t, uint64_t nodes)
{
    struct told *e = &t->told[t->told_head];
    e->first += nodes;
    e->count -= nodes;
    if (e->count == 0) {
        t->data_nodes -= e->tags != NULL;
        free(TAKE_PTR(e->tags));
        t->told_head = (t->told_head + 1) % TOLD_CAP;
        t->told_n--;
    }
}

static void add_zeroes(struct target *t, uint64_t first, uint64_t count)
{
    uint16_t disk = node_disk(t, first);
    uint32_t last_len = node_len(t, first + count - 1);
    uint64_t full = last_len == DIGEST_NODE ? count : count - 1;
    digest_root_add(t->root[disk], digest_zero(t->digest, DIGEST_NODE)->node, full);
    if (full < count) {
        digest_root_add(t->root[disk], digest_zero(t->digest, last_len)->node, 1);
    }
}

static void finish_active(struct target *t)
{
    if (t->active_dirty) {
        digest_fold(t->digest, t->active_tags, node_len(t, t->active_node));
    }
    digest_root_add(t->root[node_disk(t, t->active_node)], t->active_tags->node, 1);
    t->final_node = t->active_node + 1;
    t->active = t->active_dirty = false;
}

int target_finalize(struct target *t, uint64_t node, struct vr_err *err)
{
    if (t->active && t->active_node < node) {
        finish_active(t);
    }
    while (t->final_node < node) {
        const struct told *e = t->told_n ? &t->told[t->told_head] : NULL;
        if (!e || e->first != t->final_node) {
            return vr_fail(err, VR_E_PROTOCOL,
                           "the primary host decides about a node it was not told");
        }
        uint64_t n = VR_MIN(e->count, node - t->final_node);
        if (e->skipped) {
            digest_root_skip(t->root[node_disk(t, e->first)], n);
        } else if (e->tags) {
            digest_root_add(t->root[node_disk(t, e->first)], e->tags->node, 1);
        } else {
            add_zeroes(t, e->first, n);
        }
        told_pop(t, n);
        t->final_node += n;
    }
    return 0;
}

int target_activate(struct target *t, uint64_t node, struct vr_err *err)
{
    if (t->active && t->active_node == node) {
        return 0;
    }
    int r = target_finalize(t, node, err);
    if (r < 0) {
        return r;
    }
    const struct told *e = t->told_n ? &t->told[t->told_head] : NULL;
    if (node != t->final_node || !e || e->first != node || e->skipped) {
        return vr_fail(err, VR_E_PROTOCOL, "the primary host sends differences out of order");
    }
    *t->active_tags = e->tags ? *e->tags : *digest_zero(t->digest, node_len(t, node));
    memcpy(t->active_staged, e->staged, sizeof t->active_staged);
    told_pop(t, 1);
    t->active = true;
    t->active_node = node;
    return 0;
}

int target_on_settled(struct target *t, const void *p, size_t n, struct vr_err *err)
{
    uint64_t upto;
    int r = msg_get_u64(p, n, &upto, err);
    if (r < 0) {
        return r;
    }
    if (upto < t->settled || upto > t->layout.nodes) {
        return vr_fail(err, VR_E_PROTOCOL, "the primary host settles out of order");
    }
    t->settled = upto;
    t->progress.bytes_compared = layout_bytes(&t->layout, upto);
    return target_finalize(t, upto, err);
}

void target_digest_free(struct target *t)
{
    while (t->told_n) {
        told_pop(t, t->told[t->told_head].count);
    }
    reader_free(t->reader);
    free(t->active_tags);
    for (size_t i = 0; i < VR_DISKS_MAX; i++) {
        digest_root_free(t->root[i]);
    }
}
