/* SPDX-License-Identifier: Apache-2.0 */
/* The definition of the virtual machine: a frame of its own, and the bytes that it carries. */
#include <string.h>

#include "transport/msg.h"

#define MAGIC 0x46454456u /* "VDEF" */

static int bad(struct vr_err *err)
{
    return vr_fail(err, VR_E_PROTOCOL, "malformed DEFINITION from the peer");
}

void msg_put_definition_head(struct vr_buf *b, uint8_t coding, uint32_t raw_len)
{
    vr_buf_u8(b, coding);
    vr_buf_u32(b, raw_len);
}

int msg_get_definition(const void *p, size_t n, struct msg_definition *ret, struct vr_err *err)
{
    struct vr_rd rd = vr_rd_init(p, n);
    ret->coding = vr_rd_u8(&rd);
    ret->raw_len = vr_rd_u32(&rd);
    ret->len = (uint32_t)vr_rd_left(&rd);
    ret->bytes = vr_rd_bytes(&rd, ret->len);
    bool fits = ret->coding == MSG_DATA_RAW    ? ret->len == ret->raw_len
                : ret->coding == MSG_DATA_ZSTD ? ret->len > 0 && ret->len < ret->raw_len
                                               : false;
    return vr_rd_done(&rd) && fits && ret->raw_len > 0 && ret->raw_len <= MSG_DEFINITION_MAX
               ? 0
               : bad(err);
}

void msg_put_definition_body(struct vr_buf *b, const struct vr_definition *d)
{
    vr_buf_u32(b, MAGIC);
    vr_buf_u8(b, (uint8_t)d->nvram_state);
    vr_buf_u32(b, d->xml_len);
    vr_buf_u32(b, d->nvram_len);
    vr_buf_bytes(b, d->xml, d->xml_len);
    vr_buf_bytes(b, d->nvram, d->nvram_len);
}

int msg_get_definition_body(const void *p, size_t n, struct vr_definition *ret, struct vr_err *err)
{
    struct vr_rd rd = vr_rd_init(p, n);
    uint32_t magic = vr_rd_u32(&rd);
    uint8_t state = vr_rd_u8(&rd);
    *ret = (struct vr_definition){.nvram_state = (enum vr_nvram)state};
    ret->xml_len = vr_rd_u32(&rd);
    ret->nvram_len = vr_rd_u32(&rd);
    if (rd.failed || magic != MAGIC || state > VR_NVRAM_TOO_LARGE || ret->xml_len == 0 ||
        ret->xml_len > VR_DEFINITION_XML_MAX || ret->nvram_len > VR_NVRAM_MAX ||
        (ret->nvram_len > 0) != (state == VR_NVRAM_CARRIED)) {
        return bad(err);
    }
    ret->xml = vr_rd_bytes(&rd, ret->xml_len);
    ret->nvram = vr_rd_bytes(&rd, ret->nvram_len);
    return vr_rd_done(&rd) && !memchr(ret->xml, '\0', ret->xml_len) ? 0 : bad(err);
}
