/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The source's stream. Three cursors run over the same row of nodes: what this side has read (own),
 * what the target told (peer), and what is decided (compared). A node whose tags differ joins the
 * pending list; lower levels are asked for without stopping the stream, and the list is settled
 * strictly in order, so differences go out in ascending order. Bounds: OWN_CAP tag blocks in memory
 * for read, uncompared and pending nodes together.
 */
#include <stdlib.h>
#include <string.h>

#include "resync/source_priv.h"
#include "util/num.h"

#define SETTLE_EVERY 256u /* nodes */
/*
 * Until the first DETAIL has come there is nothing to send: these many nodes are asked for all
 * their 4 KiB tags at once, 4 KiB each, which saves a round trip before the first DATA.
 */
#define WHOLE_MAX 32u
#define WHOLE_MASK 0xffffu

static int out_of_order(struct vr_err *err, const char *what)
{
    return vr_fail(err, VR_E_PROTOCOL, "the replica host sent %s out of order", what);
}

static struct node_tags *tags_get(struct source *s)
{
    struct node_tags *t = s->spare ? TAKE_PTR(s->spare) : malloc(sizeof *t);
    s->tags_in_use += t != NULL;
    return t;
}

static void tags_put(struct source *s, struct node_tags *t)
{
    if (!t) {
        return;
    }
    s->tags_in_use--;
    if (s->spare) {
        free(t);
    } else {
        s->spare = t;
    }
}

/* --- what the target tells ---
 *
 * With a hint: what the target compares although the hint does not name it (blocks are staged
 * there) is added to the hint. So of a node that was told, the hint says whether it is compared.
 */

static int peer_push(struct source *s, const struct peer_entry *e, struct vr_err *err)
{
    if (e->first != s->peer_next || e->count > s->layout.nodes - e->first) {
        return out_of_order(err, "digests");
    }
    if (s->peer_n == PEER_CAP) {
        return vr_fail(err, VR_E_PROTOCOL, "the replica host sent more digests than its window");
    }
    s->peer[(s->peer_head + s->peer_n++) % PEER_CAP] = *e;
    s->peer_next = e->first + e->count;
    if (s->hint && !e->skipped) {
        hint_add(s->hint, e->first, e->count);
    }
    return 0;
}

int source_on_digests(struct source *s, const void *p, size_t n, struct vr_err *err)
{
    struct msg_digests m;
    int r = msg_get_digests(p, n, &m, err);
    for (uint32_t i = 0; r == 0 && i < m.count; i++) {
        struct peer_entry e = {.first = m.first + i, .count = 1};
        memcpy(e.tag, m.tags + (size_t)i * DIGEST_TAG, DIGEST_TAG);
        r = peer_push(s, &e, err);
    }
    return r;
}

int source_on_zeroes(struct source *s, const void *p, size_t n, struct vr_err *err)
{
    struct msg_range m;
    int r = msg_get_range(p, n, &m, err);
    if (r < 0) {
        return r;
    }
    struct peer_entry e = {.first = m.first, .count = m.count, .zero = true};
    return peer_push(s, &e, err);
}

int source_on_skipped(struct source *s, const void *p, size_t n, struct vr_err *err)
{
    struct msg_range m;
    int r = msg_get_range(p, n, &m, err);
    if (r < 0) {
        return r;
    }
    struct peer_entry e = {.first = m.first, .count = m.count, .skipped = true};
    r = peer_push(s, &e, err);
    if (r < 0) {
        return r; /* what it names may not be there */
    }
    if (hint_has_any(s->hint, m.first, m.count)) {
        return vr_fail(err, VR_E_PROTOCOL, "the replica host leaves out what may have changed");
    }
    s->peer_skipped += layout_between(&s->layout, m.first, m.count);
    return 0;
}

static uint32_t node_len(const struct source *s, uint64_t node)
{
    uint16_t disk;
    uint64_t off;
    uint32_t len;
    layout_find(&s->layout, node, &disk, &off, &len);
    return len;
}

const struct node_tags *source_tags(struct source *s, const struct pending *p)
{
    return p->tags ? p->tags : digest_zero(s->digest, node_len(s, p->node));
}

static int send_want(struct source *s, uint64_t node, uint16_t mask, struct vr_err *err)
{
    vr_buf_reset(&s->msg);
    msg_put_want(&s->msg, node, mask);
    return link_send_buf(s->link, MSG_WANT, &s->msg, NULL, 0, err);
}

static int
detail_mids(struct source *s, struct pending *p, const struct msg_detail *m, struct vr_err *err)
{
    const struct node_tags *own = source_tags(s, p);
    uint32_t mids = digest_mids(node_len(s, p->node));
    if (m->count != mids) {
        return out_of_order(err, "a detail");
    }
    uint16_t differing = 0;
    for (uint32_t i = 0; i < mids; i++) {
        if (memcmp(own->mid[i], m->tags + (size_t)i * DIGEST_TAG, DIGEST_TAG) != 0) {
            differing |= (uint16_t)(1u << i);
        }
    }
    if (!differing) {
        return vr_fail(err, VR_E_PROTOCOL, "the replica host's digests contradict each other");
    }
    p->asked = differing;
    p->state = PENDING_LEAVES;
    return send_want(s, p->node, differing, err);
}

static int
detail_leaves(struct source *s, struct pending *p, const struct msg_detail *m, struct vr_err *err)
{
    const struct node_tags *own = source_tags(s, p);
    uint32_t leaves = digest_leaves(node_len(s, p->node)), at = 0;
    for (uint32_t i = 0; i < leaves; i++) {
        if (!(p->asked & (1u << (i / DIGEST_LEAVES_OF_MID)))) {
            continue;
        }
        if (at == m->count) {
            return out_of_order(err, "a detail");
        }
        if (memcmp(own->leaf[i], m->tags + (size_t)at++ * DIGEST_TAG, DIGEST_TAG) != 0) {
            p->mask[i / 64] |= 1ull << (i % 64);
        }
    }
    if (at != m->count) {
        return out_of_order(err, "a detail");
    }
    p->state = PENDING_READY;
    return 0;
}

int source_on_detail(struct source *s, const void *p, size_t n, struct vr_err *err)
{
    struct msg_detail m;
    int r = msg_get_detail(p, n, &m, err);
    if (r < 0) {
        return r;
    }
    s->detailed = true;
    /* Answers come in the order of the questions: almost always near the head. */
    for (size_t i = 0; i < s->pending_n; i++) {
        struct pending *q = &s->pending[(s->pending_head + i) % PENDING_CAP];
        if (q->node != m.node) {
            continue;
        }
        if (q->state == PENDING_MIDS && m.mask == 0) {
            return detail_mids(s, q, &m, err);
        }
        if (q->state == PENDING_LEAVES && m.mask == q->asked) {
            return detail_leaves(s, q, &m, err);
        }
        break;
    }
    return out_of_order(err, "a detail nobody asked for");
}

/* --- reading this side's disks --- */

static int next_disk(struct source *s, struct vr_err *err)
{
    uint16_t d = s->read_disk;
    if (s->reader && reader_pos(s->reader) < s->layout.size[d]) {
        return 0;
    }
    if (s->reader) {
        reader_free(TAKE_PTR(s->reader));
        d = ++s->read_disk;
    }
    return reader_new(s->p.disks[d], d, s->digest, NULL, &s->reader, err);
}

static void root_add_zero(struct source *s, uint16_t disk, uint64_t first, uint64_t count)
{
    uint32_t last_len = node_len(s, first + count - 1);
    uint64_t full = last_len == DIGEST_NODE ? count : count - 1;
    digest_root_add(s->root[disk], digest_zero(s->digest, DIGEST_NODE)->node, full);
    if (full < count) {
        digest_root_add(s->root[disk], digest_zero(s->digest, last_len)->node, 1);
    }
}

/* Where nodes from read_node on, of this disk, end that are all compared, or all skipped by now. */
static uint64_t alike_until(const struct source *s)
{
    uint64_t size = s->layout.size[s->read_disk];
    uint64_t end = layout_node(&s->layout, s->read_disk, size - 1) + 1;
    bool in = hint_has(s->hint, s->read_node);
    end = in ? end : VR_MIN(end, s->peer_next);
    return s->read_node + hint_run(s->hint, s->read_node, end);
}

/* True: nodes were skipped; false: the reader is where the next ones to be compared are. */
static bool skip_some(struct source *s)
{
    uint64_t size = s->layout.size[s->read_disk], first = s->layout.first[s->read_disk];
    uint64_t until = alike_until(s), end = VR_MIN((until - first) * DIGEST_NODE, size);
    if (hint_has(s->hint, s->read_node)) {
        reader_seek(s->reader, reader_pos(s->reader), end);
        return false;
    }
    struct own_entry *e = &s->own[(s->own_head + s->own_n++) % OWN_CAP];
    *e = (struct own_entry){.first = s->read_node, .count = until - s->read_node, .skipped = true};
    digest_root_skip(s->root[s->read_disk], e->count);
    s->skipped_nodes += e->count;
    s->disk_skipped[s->read_disk] += end - reader_pos(s->reader);
    s->own_skipped += end - reader_pos(s->reader);
    reader_seek(s->reader, end, end);
    s->read_node = until;
    return true;
}

static int read_one(struct source *s, struct vr_err *err)
{
    int r = next_disk(s, err);
    if (r < 0 || (s->hint && skip_some(s))) {
        return r;
    }
    struct node_tags *tags = tags_get(s);
    if (!tags) {
        return vr_fail_nomem(err);
    }
    struct reader_item item;
    r = reader_next(s->reader, &item, tags, err);
    if (r < 0) {
        tags_put(s, tags);
        return vr_wrap(err, r, "disk '%.60s'", s->p.open.disks[s->read_disk].name);
    }
    struct own_entry *e = &s->own[(s->own_head + s->own_n++) % OWN_CAP];
    *e = (struct own_entry){.first = s->read_node, .count = item.zero ? item.count : 1};
    if (item.zero) {
        tags_put(s, tags);
        root_add_zero(s, s->read_disk, e->first, e->count);
    } else {
        e->tags = tags;
        digest_root_add(s->root[s->read_disk], tags->node, 1);
    }
    s->read_node += e->count;
    return 0;
}

static bool may_read(const struct source *s)
{
    bool more = s->read_node < s->layout.nodes;
    bool known =
        more && (!s->hint || s->read_node < s->peer_next || hint_has(s->hint, s->read_node));
    return known && s->own_n < OWN_CAP && s->tags_in_use < OWN_CAP && s->pending_n < PENDING_CAP;
}

/* --- comparing --- */

static void mark_all(struct source *s, struct pending *p)
{
    uint32_t leaves = digest_leaves(node_len(s, p->node));
    const struct node_tags *own = source_tags(s, p);
    const struct node_tags *zero = digest_zero(s->digest, node_len(s, p->node));
    for (uint32_t i = 0; i < leaves; i++) {
        if (memcmp(own->leaf[i], zero->leaf[i], DIGEST_TAG) != 0) {
            p->mask[i / 64] |= 1ull << (i % 64);
        }
    }
    p->state = PENDING_READY;
}

static void own_drop(struct source *s, uint64_t nodes)
{
    struct own_entry *e = &s->own[s->own_head];
    e->first += nodes;
    e->count -= nodes;
    if (e->count == 0) {
        s->own_head = (s->own_head + 1) % OWN_CAP;
        s->own_n--;
    }
}

static void peer_drop(struct source *s, uint64_t nodes)
{
    struct peer_entry *e = &s->peer[s->peer_head];
    e->first += nodes;
    e->count -= nodes;
    if (e->count == 0) {
        s->peer_head = (s->peer_head + 1) % PEER_CAP;
        s->peer_n--;
    }
}

/* Both sides know node s->compared (and perhaps more of the same kind). */
static int compare_one(struct source *s, struct vr_err *err)
{
    struct own_entry *o = &s->own[s->own_head];
    struct peer_entry *p = &s->peer[s->peer_head];
    uint64_t node = s->compared, n = 1;
    if (o->skipped != p->skipped) {
        return out_of_order(err, "digests of what it left out");
    }
    if (o->skipped || (!o->tags && p->zero)) {
        n = VR_MIN(o->count, p->count);
        uint64_t bytes = layout_between(&s->layout, node, n);
        *(o->skipped ? &s->progress.flow.unchanged_bytes : &s->progress.flow.zero_bytes) += bytes;
        own_drop(s, n);
        peer_drop(s, n);
        s->compared += n;
        return 0;
    }
    const uint8_t *own_tag =
        o->tags ? o->tags->node : digest_zero(s->digest, node_len(s, node))->node;
    const uint8_t *peer_tag = p->zero ? digest_zero(s->digest, node_len(s, node))->node : p->tag;
    bool equal = memcmp(own_tag, peer_tag, DIGEST_TAG) == 0, peer_zero = p->zero;
    struct node_tags *tags = TAKE_PTR(o->tags);
    own_drop(s, 1);
    peer_drop(s, 1);
    s->compared++;
    if (equal) {
        tags_put(s, tags);
        return 0;
    }
    struct pending *q = &s->pending[(s->pending_head + s->pending_n++) % PENDING_CAP];
    *q = (struct pending){.node = node, .tags = tags, .state = PENDING_MIDS};
    if (peer_zero) {
        mark_all(s, q);
        return 0;
    }
    if (!s->detailed && s->whole_asked < WHOLE_MAX) {
        s->whole_asked++;
        q->state = PENDING_LEAVES;
        q->asked = WHOLE_MASK;
    }
    return send_want(s, node, q->asked, err);
}

/* --- the stream --- */

static int send_settled(struct source *s, bool force, struct vr_err *err)
{
    s->settled = s->pending_n ? s->pending[s->pending_head].node : s->compared;
    if (s->settled == s->settled_sent || (!force && s->settled - s->settled_sent < SETTLE_EVERY)) {
        return 0;
    }
    int r = source_send_zero(s, err);
    if (r < 0) {
        return r;
    }
    vr_buf_reset(&s->msg);
    msg_put_u64(&s->msg, s->settled);
    s->settled_sent = s->settled;
    return link_send_buf(s->link, MSG_SETTLED, &s->msg, NULL, 0, err);
}

static void pending_pop(struct source *s)
{
    tags_put(s, s->pending[s->pending_head].tags);
    s->pending_head = (s->pending_head + 1) % PENDING_CAP;
    s->pending_n--;
}

bool source_stream_done(const struct source *s)
{
    return s->compared == s->layout.nodes && s->pending_n == 0 &&
           s->settled_sent == s->layout.nodes;
}

int source_stream(struct source *s, bool *ret_worked, struct vr_err *err)
{
    int r = 0;
    *ret_worked = false;
    /* What the last flush left behind: the system takes no more. */
    if (link_pending(s->link) > SOURCE_LINK_FULL / 4 || source_throttle_ms(s) ||
        s->sent_raw - s->credited >= MSG_WINDOW_DATA) {
        squeeze_held_up(&s->squeeze);
    }
    for (int i = 0; r == 0 && i < 64 && s->own_n && s->peer_n && s->pending_n < PENDING_CAP; i++) {
        r = compare_one(s, err);
        *ret_worked = true;
    }
    for (int i = 0;
         r == 0 && i < 16 && s->pending_n && s->pending[s->pending_head].state == PENDING_READY;
         i++) {
        bool done = false;
        r = source_send_node(s, &s->pending[s->pending_head], ret_worked, &done, err);
        if (!done) {
            break;
        }
        pending_pop(s);
    }
    /* Also while the link is full: from reading a node to sending of it are two round trips. */
    if (r == 0 && may_read(s)) {
        r = read_one(s, err);
        *ret_worked = true;
    }
    if (r == 0) {
        r = send_settled(s, !*ret_worked || s->compared == s->layout.nodes, err);
    }
    s->progress.bytes_compared = layout_bytes(&s->layout, s->settled);
    s->progress.flow.read_bytes = layout_bytes(&s->layout, s->read_node) - s->own_skipped;
    s->progress.flow.peer_read_bytes = layout_bytes(&s->layout, s->peer_next) - s->peer_skipped;
    s->progress.flow.raw_bytes = s->sent_raw;
    return r;
}

void source_stream_free(struct source *s)
{
    for (size_t i = 0; i < s->own_n; i++) {
        free(s->own[(s->own_head + i) % OWN_CAP].tags);
    }
    for (size_t i = 0; i < s->pending_n; i++) {
        free(s->pending[(s->pending_head + i) % PENDING_CAP].tags);
    }
    free(s->spare);
    reader_free(s->reader);
}
