/* SPDX-License-Identifier: Apache-2.0 */
/* Session messages: who is there, what is asked, what is answered. Transfer messages are in
 * msg_transfer.c. */
#include "transport/msg.h"

#include <string.h>

#include "util/num.h"

static int bad(struct vr_err *err, const char *what)
{
    return vr_fail(err, VR_E_PROTOCOL, "malformed %s from the peer", what);
}

const char *msg_type_name(uint8_t type)
{
    switch (type) {
#define X(name, value)                                                                             \
    case MSG_##name:                                                                               \
        return #name;
        MSG_TYPES(X)
#undef X
    default:
        return "unknown";
    }
}

void msg_put_hello(struct vr_buf *b, const struct msg_hello *m)
{
    vr_buf_u32(b, m->magic);
    vr_buf_u16(b, m->major);
    vr_buf_u16(b, m->minor);
    vr_buf_u64(b, m->features);
    vr_buf_str(b, m->host);
}

int msg_get_hello(const void *p, size_t n, struct msg_hello *ret, struct vr_err *err)
{
    struct vr_rd rd = vr_rd_init(p, n);
    ret->magic = vr_rd_u32(&rd);
    ret->major = vr_rd_u16(&rd);
    ret->minor = vr_rd_u16(&rd);
    ret->features = vr_rd_u64(&rd);
    vr_rd_str(&rd, ret->host, sizeof ret->host);
    /* A newer minor version may say more here: what follows is not ours to judge. */
    return rd.failed ? bad(err, "HELLO") : 0;
}

int msg_negotiate(const struct msg_hello *theirs,
                  uint64_t *ret_features,
                  uint16_t *ret_minor,
                  struct vr_err *err)
{
    if (theirs->magic != MSG_MAGIC) {
        return vr_fail(err, VR_E_PROTOCOL, "the peer does not speak the vmreplica protocol");
    }
    if (theirs->major != MSG_MAJOR) {
        return vr_fail(err, VR_E_PROTOCOL,
                       "the peer speaks protocol version %u, this host %u: upgrade the older one",
                       (unsigned)theirs->major, (unsigned)MSG_MAJOR);
    }
    *ret_features = theirs->features & MSG_FEATURES;
    *ret_minor = VR_MIN(theirs->minor, (uint16_t)MSG_MINOR);
    return 0;
}

static void put_uuid(struct vr_buf *b, const struct vr_uuid *u)
{
    vr_buf_bytes(b, u->b, sizeof u->b);
}

static void get_uuid(struct vr_rd *rd, struct vr_uuid *u)
{
    vr_rd_copy(rd, u->b, sizeof u->b);
}

static void put_generation(struct vr_buf *b, const struct vr_generation *g)
{
    put_uuid(b, &g->uuid);
    put_uuid(b, &g->parent);
    vr_buf_u64(b, g->sequence);
    vr_buf_u32(b, g->epoch);
}

static void get_generation(struct vr_rd *rd, struct vr_generation *g)
{
    get_uuid(rd, &g->uuid);
    get_uuid(rd, &g->parent);
    g->sequence = vr_rd_u64(rd);
    g->epoch = vr_rd_u32(rd);
}

void msg_put_request(struct vr_buf *b, const struct vr_peer_request *m)
{
    vr_buf_u8(b, (uint8_t)m->op);
    put_uuid(b, &m->vm_id);
    vr_buf_str(b, m->vm_name);
    vr_buf_u8(b, m->rel_number);
    vr_buf_u32(b, m->epoch);
    vr_buf_u8(b, (uint8_t)m->ndisks);
    for (uint32_t i = 0; i < m->ndisks; i++) {
        vr_buf_str(b, m->disks[i].name);
        vr_buf_str(b, m->disks[i].format);
        vr_buf_u64(b, m->disks[i].size_bytes);
    }
    vr_buf_u8(b, (uint8_t)m->nhistory);
    for (uint32_t i = 0; i < m->nhistory; i++) {
        put_uuid(b, &m->history[i]);
    }
    put_uuid(b, &m->proposed);
    vr_buf_u8(b, (uint8_t)m->kind);
    put_uuid(b, &m->job);
    put_uuid(b, &m->instant);
    vr_buf_u64(b, m->instant_us);
    vr_buf_u8(b, (uint8_t)((m->force ? 1 : 0) | (m->restart ? 2 : 0) | (m->hinted ? 4 : 0) |
                           (m->umac ? 8 : 0) | (m->consistency & 3u) << 4));
    vr_buf_bytes(b, m->secret, sizeof m->secret);
    vr_buf_bytes(b, m->nonce, sizeof m->nonce);
}

static void get_disks(struct vr_rd *rd, struct vr_peer_request *m)
{
    m->ndisks = vr_rd_u8(rd);
    if (m->ndisks > VR_DISKS_MAX) {
        rd->failed = true;
        m->ndisks = 0;
    }
    for (uint32_t i = 0; i < m->ndisks; i++) {
        vr_rd_str(rd, m->disks[i].name, sizeof m->disks[i].name);
        vr_rd_str(rd, m->disks[i].format, sizeof m->disks[i].format);
        m->disks[i].size_bytes = vr_rd_u64(rd);
        /* A name becomes part of a file's name on this host. */
        if (!vr_name_ok(m->disks[i].name) || m->disks[i].size_bytes > INT64_MAX) {
            rd->failed = true;
        }
        for (uint32_t j = 0; j < i; j++) {
            if (strcmp(m->disks[i].name, m->disks[j].name) == 0) {
                rd->failed = true;
            }
        }
    }
}

int msg_get_request(const void *p, size_t n, struct vr_peer_request *ret, struct vr_err *err)
{
    struct vr_rd rd = vr_rd_init(p, n);
    memset(ret, 0, sizeof *ret);
    ret->op = (enum vr_peer_op)vr_rd_u8(&rd);
    get_uuid(&rd, &ret->vm_id);
    vr_rd_str(&rd, ret->vm_name, sizeof ret->vm_name);
    ret->rel_number = vr_rd_u8(&rd);
    ret->epoch = vr_rd_u32(&rd);
    get_disks(&rd, ret);
    ret->nhistory = vr_rd_u8(&rd);
    if (ret->nhistory > VR_HISTORY_MAX) {
        return bad(err, "REQUEST");
    }
    for (uint32_t i = 0; i < ret->nhistory; i++) {
        get_uuid(&rd, &ret->history[i]);
    }
    get_uuid(&rd, &ret->proposed);
    ret->kind = (enum vr_transfer_kind)vr_rd_u8(&rd);
    get_uuid(&rd, &ret->job);
    get_uuid(&rd, &ret->instant);
    ret->instant_us = vr_rd_u64(&rd);
    uint8_t flags = vr_rd_u8(&rd);
    ret->force = flags & 1;
    ret->restart = flags & 2;
    ret->hinted = flags & 4;
    ret->umac = flags & 8;
    ret->consistency = flags >> 4 & 3u;
    vr_rd_copy(&rd, ret->secret, sizeof ret->secret);
    vr_rd_copy(&rd, ret->nonce, sizeof ret->nonce);
    if (!vr_rd_done(&rd) || ret->rel_number > 1 || ret->op < VR_PEER_TEST ||
        ret->op > VR_PEER_ADOPT || ret->instant_us > INT64_MAX ||
        (ret->op == VR_PEER_OPEN &&
         (ret->kind < VR_TRANSFER_INITIAL || ret->kind > VR_TRANSFER_VERIFY))) {
        return bad(err, "REQUEST");
    }
    return 0;
}

void msg_put_reply(struct vr_buf *b, const struct vr_peer_reply *m)
{
    vr_buf_u8(b, (uint8_t)(m->result < 0 ? -m->result : m->result));
    vr_buf_str(b, m->text);
    vr_buf_str(b, m->host);
    put_generation(b, &m->generation);
    vr_buf_u8(b, (uint8_t)((m->changed_alone ? 1 : 0) | (m->proposed_done ? 2 : 0) |
                           (m->hinted ? 4 : 0) | (m->umac ? 8 : 0)));
    vr_buf_u64(b, m->bytes_staged);
    vr_buf_u64(b, m->bytes_free);
    vr_buf_bytes(b, m->nonce, sizeof m->nonce);
}

int msg_get_reply(const void *p, size_t n, struct vr_peer_reply *ret, struct vr_err *err)
{
    struct vr_rd rd = vr_rd_init(p, n);
    memset(ret, 0, sizeof *ret);
    ret->result = -(int)vr_rd_u8(&rd);
    vr_rd_str(&rd, ret->text, sizeof ret->text);
    vr_rd_str(&rd, ret->host, sizeof ret->host);
    get_generation(&rd, &ret->generation);
    uint8_t flags = vr_rd_u8(&rd);
    ret->changed_alone = flags & 1;
    ret->proposed_done = flags & 2;
    ret->hinted = flags & 4;
    ret->umac = flags & 8;
    ret->bytes_staged = vr_rd_u64(&rd);
    ret->bytes_free = vr_rd_u64(&rd);
    vr_rd_copy(&rd, ret->nonce, sizeof ret->nonce);
    return vr_rd_done(&rd) ? 0 : bad(err, "REPLY");
}

void msg_put_committed(struct vr_buf *b, const struct msg_committed *m)
{
    put_generation(b, &m->generation);
    vr_buf_u8(b, (uint8_t)m->count);
    for (uint32_t i = 0; i < m->count; i++) {
        vr_buf_u64(b, m->bytes_written[i]);
    }
}

int msg_get_committed(const void *p, size_t n, struct msg_committed *ret, struct vr_err *err)
{
    struct vr_rd rd = vr_rd_init(p, n);
    memset(ret, 0, sizeof *ret);
    get_generation(&rd, &ret->generation);
    ret->count = vr_rd_u8(&rd);
    if (ret->count > VR_DISKS_MAX) {
        return bad(err, "COMMITTED");
    }
    for (uint32_t i = 0; i < ret->count; i++) {
        ret->bytes_written[i] = vr_rd_u64(&rd);
    }
    return vr_rd_done(&rd) ? 0 : bad(err, "COMMITTED");
}

int msg_get_uuid(const void *p, size_t n, struct vr_uuid *ret, struct vr_err *err)
{
    struct vr_rd rd = vr_rd_init(p, n);
    get_uuid(&rd, ret);
    return vr_rd_done(&rd) && !vr_uuid_is_nil(ret) ? 0 : bad(err, "COMMIT");
}
