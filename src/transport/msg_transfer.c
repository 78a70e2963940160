/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of a transfer's stream: digests one way, differences the other. */
#include <string.h>

#include "transport/msg.h"
#include "util/num.h"

static int bad(struct vr_err *err, const char *what)
{
    return vr_fail(err, VR_E_PROTOCOL, "malformed %s from the peer", what);
}

void msg_put_digests_head(struct vr_buf *b, uint64_t first, uint32_t count)
{
    vr_buf_u64(b, first);
    vr_buf_u32(b, count);
}

int msg_get_digests(const void *p, size_t n, struct msg_digests *ret, struct vr_err *err)
{
    struct vr_rd rd = vr_rd_init(p, n);
    ret->first = vr_rd_u64(&rd);
    ret->count = vr_rd_u32(&rd);
    if (ret->count == 0 || ret->count > MSG_DIGESTS_MAX) {
        return bad(err, "DIGESTS");
    }
    ret->tags = vr_rd_bytes(&rd, (size_t)ret->count * MSG_TAG);
    return vr_rd_done(&rd) ? 0 : bad(err, "DIGESTS");
}

void msg_put_range(struct vr_buf *b, const struct msg_range *m)
{
    vr_buf_u64(b, m->first);
    vr_buf_u64(b, m->count);
}

int msg_get_range(const void *p, size_t n, struct msg_range *ret, struct vr_err *err)
{
    struct vr_rd rd = vr_rd_init(p, n);
    ret->first = vr_rd_u64(&rd);
    ret->count = vr_rd_u64(&rd);
    return vr_rd_done(&rd) && ret->count ? 0 : bad(err, "range");
}

int msg_get_hint(const void *p, size_t n, struct msg_hint *ret, struct vr_err *err)
{
    struct vr_rd rd = vr_rd_init(p, n);
    ret->first = vr_rd_u64(&rd);
    ret->count = vr_rd_u64(&rd);
    ret->bits = NULL;
    if (!rd.failed && vr_rd_left(&rd)) {
        if (ret->count > MSG_HINT_NODES) {
            return bad(err, "HINT");
        }
        ret->bits = vr_rd_bytes(&rd, (size_t)vr_div_up(ret->count, 8));
    }
    return vr_rd_done(&rd) && ret->count ? 0 : bad(err, "HINT");
}

void msg_put_want(struct vr_buf *b, uint64_t node, uint16_t mask)
{
    vr_buf_u64(b, node);
    vr_buf_u16(b, mask);
}

int msg_get_want(const void *p, size_t n, struct msg_detail *ret, struct vr_err *err)
{
    struct vr_rd rd = vr_rd_init(p, n);
    memset(ret, 0, sizeof *ret);
    ret->node = vr_rd_u64(&rd);
    ret->mask = vr_rd_u16(&rd);
    return vr_rd_done(&rd) ? 0 : bad(err, "WANT");
}

void msg_put_detail_head(struct vr_buf *b, uint64_t node, uint16_t mask, uint32_t count)
{
    vr_buf_u64(b, node);
    vr_buf_u16(b, mask);
    vr_buf_u32(b, count);
}

int msg_get_detail(const void *p, size_t n, struct msg_detail *ret, struct vr_err *err)
{
    struct vr_rd rd = vr_rd_init(p, n);
    ret->node = vr_rd_u64(&rd);
    ret->mask = vr_rd_u16(&rd);
    ret->count = vr_rd_u32(&rd);
    if (ret->count == 0 || ret->count > MSG_DETAIL_MAX) {
        return bad(err, "DETAIL");
    }
    ret->tags = vr_rd_bytes(&rd, (size_t)ret->count * MSG_TAG);
    return vr_rd_done(&rd) ? 0 : bad(err, "DETAIL");
}

void msg_put_data_head(struct vr_buf *b, const struct msg_data *m)
{
    vr_buf_u16(b, m->disk);
    vr_buf_u64(b, m->off);
    for (size_t i = 0; i < MSG_MASK; i++) {
        vr_buf_u64(b, m->mask[i]);
    }
    vr_buf_u32(b, m->raw_len);
    vr_buf_u8(b, m->coding);
}

/* As many bytes as blocks, the last of which may be short? */
static bool fits_mask(uint32_t raw_len, const uint64_t mask[MSG_MASK])
{
    uint32_t blocks = 0;
    for (size_t i = 0; i < MSG_MASK; i++) {
        blocks += (uint32_t)__builtin_popcountll(mask[i]);
    }
    return blocks >= 1 && blocks <= MSG_DATA_BLOCKS && raw_len > (blocks - 1) * MSG_BLOCK &&
           raw_len <= blocks * MSG_BLOCK;
}

int msg_get_data(const void *p, size_t n, struct msg_data *ret, struct vr_err *err)
{
    struct vr_rd rd = vr_rd_init(p, n);
    ret->disk = vr_rd_u16(&rd);
    ret->off = vr_rd_u64(&rd);
    for (size_t i = 0; i < MSG_MASK; i++) {
        ret->mask[i] = vr_rd_u64(&rd);
    }
    ret->raw_len = vr_rd_u32(&rd);
    ret->coding = vr_rd_u8(&rd);
    ret->len = (uint32_t)vr_rd_left(&rd);
    ret->bytes = vr_rd_bytes(&rd, ret->len);
    if (rd.failed || ret->off % MSG_NODE != 0 || !fits_mask(ret->raw_len, ret->mask) ||
        ret->len == 0 || ret->coding > MSG_DATA_ZSTD || ret->len > ret->raw_len ||
        (ret->coding == MSG_DATA_RAW && ret->len != ret->raw_len)) {
        return bad(err, "DATA");
    }
    return 0;
}

void msg_put_zero(struct vr_buf *b, const struct msg_zero *m)
{
    vr_buf_u16(b, m->disk);
    vr_buf_u64(b, m->off);
    vr_buf_u64(b, m->len);
}

int msg_get_zero(const void *p, size_t n, struct msg_zero *ret, struct vr_err *err)
{
    struct vr_rd rd = vr_rd_init(p, n);
    ret->disk = vr_rd_u16(&rd);
    ret->off = vr_rd_u64(&rd);
    ret->len = vr_rd_u64(&rd);
    return vr_rd_done(&rd) && ret->len ? 0 : bad(err, "ZERO");
}

void msg_put_u64(struct vr_buf *b, uint64_t v)
{
    vr_buf_u64(b, v);
}

int msg_get_u64(const void *p, size_t n, uint64_t *ret, struct vr_err *err)
{
    struct vr_rd rd = vr_rd_init(p, n);
    *ret = vr_rd_u64(&rd);
    return vr_rd_done(&rd) ? 0 : bad(err, "counter");
}

void msg_put_roots(struct vr_buf *b, const uint8_t *roots, uint32_t count)
{
    vr_buf_u8(b, (uint8_t)count);
    vr_buf_bytes(b, roots, (size_t)count * 32);
}

int msg_get_roots(const void *p, size_t n, struct msg_roots *ret, struct vr_err *err)
{
    struct vr_rd rd = vr_rd_init(p, n);
    ret->count = vr_rd_u8(&rd);
    ret->roots = vr_rd_bytes(&rd, (size_t)ret->count * 32);
    return vr_rd_done(&rd) && ret->count <= VR_DISKS_MAX ? 0 : bad(err, "ROOTS");
}

void msg_put_fail(struct vr_buf *b, int kind, const char *text)
{
    vr_buf_u8(b, (uint8_t)(kind < 0 ? -kind : kind));
    vr_buf_str(b, text);
}

int msg_get_fail(const void *p, size_t n, struct msg_fail *ret, struct vr_err *err)
{
    struct vr_rd rd = vr_rd_init(p, n);
    ret->kind = vr_rd_u8(&rd);
    vr_rd_str(&rd, ret->text, sizeof ret->text);
    return vr_rd_done(&rd) && ret->kind ? 0 : bad(err, "FAIL");
}

void msg_put_progress(struct vr_buf *b, const struct msg_progress *m)
{
    vr_buf_u8(b, m->phase);
    vr_buf_u64(b, m->done);
    vr_buf_u64(b, m->total);
}

int msg_get_progress(const void *p, size_t n, struct msg_progress *ret, struct vr_err *err)
{
    struct vr_rd rd = vr_rd_init(p, n);
    ret->phase = vr_rd_u8(&rd);
    ret->done = vr_rd_u64(&rd);
    ret->total = vr_rd_u64(&rd);
    return vr_rd_done(&rd) ? 0 : bad(err, "PROGRESS");
}

void msg_put_storage(struct vr_buf *b, const struct msg_storage *m)
{
    vr_buf_u64(b, m->staged);
    vr_buf_u64(b, m->free);
    vr_buf_u64(b, m->reserve);
    vr_buf_u64(b, m->readback);
    vr_buf_u64(b, m->readback_total);
}

int msg_get_storage(const void *p, size_t n, struct msg_storage *ret, struct vr_err *err)
{
    struct vr_rd rd = vr_rd_init(p, n);
    ret->staged = vr_rd_u64(&rd);
    ret->free = vr_rd_u64(&rd);
    ret->reserve = vr_rd_u64(&rd);
    ret->readback = vr_rd_u64(&rd);
    ret->readback_total = vr_rd_u64(&rd);
    return vr_rd_done(&rd) ? 0 : bad(err, "STORAGE");
}
