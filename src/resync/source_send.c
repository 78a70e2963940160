/* SPDX-License-Identifier: Apache-2.0 */
/* The source's differences on their way out: gathered, read, squeezed, as fast as flow control and
 * the bandwidth limit let them. */
#include <string.h>

#include "resync/source_priv.h"
#include "util/num.h"

#define ZSTD_LEVEL 1
#define ZSTD_SAVES_PART 16u /* compressed bytes are sent when they save this part or more */
#define SPAN_GAP 4u         /* blocks: to read 16 KiB more is cheaper than another read */

_Static_assert(MSG_BLOCK == DIGEST_LEAF && MSG_NODE == DIGEST_NODE, "a mask is one of leaves");

uint32_t source_throttle_ms(const struct source *s)
{
    uint64_t us = pace_wait_us(&s->pace, s->now_us);
    return (uint32_t)VR_MIN((us + 999) / 1000, (uint64_t)1000);
}

/* All that the link counts is paid for, whatever it was: payload, frames, questions, TLS. */
static void pay(struct source *s)
{
    uint64_t out, in;
    link_counters(s->link, &out, &in);
    out += link_pending(s->link);
    pace_spend(&s->pace, out - s->paid, s->now_us);
    s->paid = out;
}

int source_send_zero(struct source *s, struct vr_err *err)
{
    if (s->zero.len == 0) {
        return 0;
    }
    vr_buf_reset(&s->msg);
    msg_put_zero(&s->msg, &s->zero);
    s->zero.len = 0;
    s->progress.bytes_sent += s->msg.len;
    return link_send_buf(s->link, MSG_ZERO, &s->msg, NULL, 0, err);
}

static int add_zero(struct source *s, uint16_t disk, uint64_t off, uint64_t len, struct vr_err *err)
{
    if (s->zero.len && s->zero.disk == disk && s->zero.off + s->zero.len == off) {
        s->zero.len += len;
        return 0;
    }
    int r = source_send_zero(s, err);
    s->zero = (struct msg_zero){disk, off, len};
    return r;
}

/* Puts the smaller one of raw and compressed bytes into the message. */
static void squeeze(struct source *s, struct msg_data *m)
{
    uint64_t begin = s->p.clock_us ? s->p.clock_us(s->p.ctx) : 0, end = begin;
    if (s->use_zstd && squeeze_wanted(&s->squeeze)) {
        size_t n = ZSTD_compressCCtx(s->zstd, s->packed, ZSTD_compressBound(MSG_DATA_MAX), s->raw,
                                     m->raw_len, ZSTD_LEVEL);
        /* Kept only when it pays for the other side's work. */
        if (!ZSTD_isError(n) && n < m->raw_len - m->raw_len / ZSTD_SAVES_PART) {
            m->coding = MSG_DATA_ZSTD;
            m->bytes = s->packed;
            m->len = (uint32_t)n;
        }
        end = s->p.clock_us ? s->p.clock_us(s->p.ctx) : 0;
    }
    squeeze_sent(&s->squeeze, m->raw_len, end - begin, end);
}

/* Differing blocks of a node that go out together: adjoining ones that are zero here, or data,
 * wherever in the node it is. */
struct group {
    uint64_t mask[MSG_MASK];
    uint32_t first, end; /* blocks; end: behind the last one */
    uint32_t bytes;
    bool zero;
};

/* False: the node is done. A group ends where blocks of the other kind begin, since all that is
 * sent ascends. */
static bool next_group(struct source *s, struct pending *p, uint32_t len, struct group *ret)
{
    const struct node_tags *own = source_tags(s, p);
    const struct node_tags *zero = digest_zero(s->digest, len);
    uint32_t leaves = digest_leaves(len), n = 0;
    uint32_t max = pace_piece(&s->pace, DIGEST_LEAF, MSG_DATA_MAX) / DIGEST_LEAF;
    *ret = (struct group){0};
    for (; p->at < leaves && n < max; p->at++) {
        if (!leaf_bit(p->mask, p->at)) {
            if (n && ret->zero) {
                break;
            }
            continue;
        }
        bool is_zero = memcmp(own->leaf[p->at], zero->leaf[p->at], DIGEST_TAG) == 0;
        if (n && is_zero != ret->zero) {
            break;
        }
        ret->zero = is_zero;
        ret->first = n ? ret->first : p->at;
        ret->end = p->at + 1;
        ret->mask[p->at / 64] |= 1ull << (p->at % 64);
        ret->bytes += VR_MIN(DIGEST_LEAF, len - p->at * DIGEST_LEAF);
        n++;
    }
    return n != 0;
}

/* Where a read that begins with this block ends: it goes on over small gaps. */
static uint32_t span_end(const struct group *g, uint32_t first)
{
    uint32_t end = first + 1;
    for (uint32_t i = end; i < g->end && i - end <= SPAN_GAP; i++) {
        end = leaf_bit(g->mask, i) ? i + 1 : end;
    }
    return end;
}

/* The group's bytes without the gaps into s->raw. */
static int read_group(struct source *s,
                      const struct group *g,
                      uint16_t disk,
                      uint64_t off,
                      uint32_t len,
                      struct vr_err *err)
{
    uint8_t *to = s->raw;
    for (uint32_t i = g->first; i < g->end;) {
        uint32_t end = span_end(g, i), from = i * DIGEST_LEAF;
        const uint8_t *p = to;
        int r = block_read(s->p.disks[disk], to, VR_MIN(end * DIGEST_LEAF, len) - from, off + from,
                           err);
        if (r < 0) {
            return r;
        }
        for (; i < end; i++, p += DIGEST_LEAF) {
            if (leaf_bit(g->mask, i)) {
                size_t n = VR_MIN(DIGEST_LEAF, len - i * DIGEST_LEAF);
                memmove(to, p, to == p ? 0 : n);
                to += n;
            }
        }
        while (i < g->end && !leaf_bit(g->mask, i)) {
            i++;
        }
    }
    return 0;
}

static int send_data(struct source *s,
                     const struct group *g,
                     uint16_t disk,
                     uint64_t off,
                     uint32_t len,
                     struct vr_err *err)
{
    int r = source_send_zero(s, err);
    if (r == 0) {
        r = read_group(s, g, disk, off, len, err);
    }
    if (r < 0) {
        return r;
    }
    struct msg_data m = {
        .disk = disk, .off = off, .raw_len = g->bytes, .bytes = s->raw, .len = g->bytes};
    memcpy(m.mask, g->mask, sizeof m.mask);
    squeeze(s, &m);
    vr_buf_reset(&s->msg);
    msg_put_data_head(&s->msg, &m);
    s->sent_raw += m.raw_len;
    s->disk_sent[disk] += m.len;
    s->progress.bytes_sent += m.len;
    return link_send_buf(s->link, MSG_DATA, &s->msg, m.bytes, m.len, err);
}

/* What would go out for a group, in a dry run. */
static int weigh(struct source *s,
                 const struct group *g,
                 uint16_t disk,
                 uint64_t off,
                 uint32_t len,
                 struct vr_err *err)
{
    int r = g->zero ? 0 : read_group(s, g, disk, off, len, err);
    if (r < 0 || g->zero) {
        return r;
    }
    size_t n = s->use_zstd ? ZSTD_compressCCtx(s->zstd, s->packed, ZSTD_compressBound(g->bytes),
                                               s->raw, g->bytes, ZSTD_LEVEL)
                           : g->bytes;
    bool saves = !ZSTD_isError(n) && n < g->bytes - g->bytes / ZSTD_SAVES_PART;
    s->sample_packed += saves ? n : g->bytes;
    return 0;
}

static bool may_send(struct source *s)
{
    pay(s);
    return s->sent_raw - s->credited < MSG_WINDOW_DATA &&
           link_pending(s->link) < SOURCE_LINK_FULL && source_throttle_ms(s) == 0;
}

/* Of a node, before anything of it is sent. */
static void count_ranges(struct source *s, const struct pending *p, uint16_t disk, uint64_t off)
{
    for (uint32_t i = 0; i < DIGEST_NODE / DIGEST_LEAF; i++) {
        uint64_t at = off + (uint64_t)i * DIGEST_LEAF;
        if (leaf_bit(p->mask, i)) {
            s->disk_ranges[disk] += at == 0 || s->differed_until[disk] != at;
            s->differed_until[disk] = at + DIGEST_LEAF;
        }
    }
}

int source_send_node(
    struct source *s, struct pending *p, bool *ret_worked, bool *ret_done, struct vr_err *err)
{
    uint16_t disk;
    uint64_t off;
    uint32_t len;
    struct group g;
    layout_find(&s->layout, p->node, &disk, &off, &len);
    bool verify = s->p.open.kind == VR_TRANSFER_VERIFY;
    uint64_t before = s->disk_differing[disk];
    while (verify || may_send(s)) {
        *ret_worked = true;
        if (p->at == 0) {
            count_ranges(s, p, disk, off);
        }
        if (!next_group(s, p, len, &g)) {
            uint64_t differing = s->disk_differing[disk] - before; /* all of it, in a verify */
            s->sample_squares += verify && s->hint ? differing * differing : 0;
            *ret_done = true;
            return 0;
        }
        s->progress.bytes_differing += g.bytes;
        s->disk_differing[disk] += g.bytes;
        int r = verify   ? (s->hint ? weigh(s, &g, disk, off, len, err) : 0)
                : g.zero ? add_zero(s, disk, off + (uint64_t)g.first * DIGEST_LEAF, g.bytes, err)
                         : send_data(s, &g, disk, off, len, err);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}
