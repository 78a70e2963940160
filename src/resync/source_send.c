/* SPDX-License-Identifier: Apache-2.0 */
/* The source's differences on their way out: gathered, read, squeezed, as fast as flow control and
 * the bandwidth limit let them. */
#include <string.h>

#include "resync/source_priv.h"
#include "util/num.h"

#define ZSTD_LEVEL 1
#define ZSTD_SAVES_PART 16u /* compressed bytes are sent when they save this part or more */

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
    return link_send(s->link, MSG_ZERO, s->msg.data, s->msg.len, NULL, 0, err);
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

static int
send_data(struct source *s, uint16_t disk, uint64_t off, uint32_t len, struct vr_err *err)
{
    int r = source_send_zero(s, err);
    if (r == 0) {
        r = block_read(s->p.disks[disk], s->raw, len, off, err);
    }
    if (r < 0) {
        return r;
    }
    struct msg_data m = {.disk = disk, .off = off, .raw_len = len, .bytes = s->raw, .len = len};
    squeeze(s, &m);
    vr_buf_reset(&s->msg);
    msg_put_data_head(&s->msg, &m);
    s->sent_raw += len;
    s->disk_sent[disk] += m.len;
    s->progress.bytes_sent += m.len;
    return link_send(s->link, MSG_DATA, s->msg.data, s->msg.len, m.bytes, m.len, err);
}

/* The next stretch of differing blocks, all zero here or all data. False: the node is done. */
static bool next_stretch(struct source *s,
                         struct pending *p,
                         uint32_t len,
                         uint32_t *ret_first,
                         uint32_t *ret_n,
                         bool *ret_zero)
{
    const struct node_tags *own = source_tags(s, p);
    const struct node_tags *zero = digest_zero(s->digest, len);
    uint32_t leaves = digest_leaves(len);
    while (p->at < leaves && !leaf_bit(p->mask, p->at)) {
        p->at++;
    }
    if (p->at >= leaves) {
        return false;
    }
    uint32_t first = p->at;
    uint32_t max = pace_piece(&s->pace, DIGEST_LEAF, MSG_DATA_MAX) / DIGEST_LEAF;
    *ret_zero = memcmp(own->leaf[first], zero->leaf[first], DIGEST_TAG) == 0;
    while (p->at < leaves && p->at - first < max && leaf_bit(p->mask, p->at) &&
           (memcmp(own->leaf[p->at], zero->leaf[p->at], DIGEST_TAG) == 0) == *ret_zero) {
        p->at++;
    }
    *ret_first = first;
    *ret_n = p->at - first;
    return true;
}

static bool may_send(struct source *s)
{
    pay(s);
    return s->sent_raw - s->credited < MSG_WINDOW_DATA &&
           link_pending(s->link) < SOURCE_LINK_FULL && source_throttle_ms(s) == 0;
}

int source_send_node(
    struct source *s, struct pending *p, bool *ret_worked, bool *ret_done, struct vr_err *err)
{
    uint16_t disk;
    uint64_t off;
    uint32_t len, first, n;
    bool zero;
    layout_find(&s->layout, p->node, &disk, &off, &len);
    bool verify = s->p.open.kind == VR_TRANSFER_VERIFY;
    while (verify || may_send(s)) {
        *ret_worked = true;
        if (!next_stretch(s, p, len, &first, &n, &zero)) {
            *ret_done = true;
            return 0;
        }
        uint32_t from = first * DIGEST_LEAF, bytes = VR_MIN(n * DIGEST_LEAF, len - from);
        s->progress.bytes_differing += bytes;
        s->disk_differing[disk] += bytes;
        int r = verify ? 0
                : zero ? add_zero(s, disk, off + from, bytes, err)
                       : send_data(s, disk, off + from, bytes, err);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}
