/* SPDX-License-Identifier: Apache-2.0 */
/* Every decoder of the peer protocol. What two of them accept must come out again as it went in. */
#include "fuzz.h"

#include <string.h>

#include "transport/msg.h"
#include "util/num.h"

#define SINK(call)                                                                                 \
    do {                                                                                           \
        int sink_ = (call);                                                                        \
        vr_assert(sink_ == 0 || sink_ == -VR_E_PROTOCOL);                                          \
    } while (0)

static void check_request(const uint8_t *p, size_t n)
{
    static struct vr_peer_request a, b;
    struct vr_buf buf;
    if (msg_get_request(p, n, &a, NULL) < 0) {
        return;
    }
    vr_buf_init(&buf, 1u << 20);
    msg_put_request(&buf, &a);
    vr_assert(vr_buf_check(&buf, NULL) == 0);
    vr_assert(msg_get_request(buf.data, buf.len, &b, NULL) == 0);
    vr_assert(a.ndisks == b.ndisks && a.nhistory == b.nhistory);
    vr_assert(strcmp(a.vm_name, b.vm_name) == 0 && memcmp(a.secret, b.secret, 32) == 0);
    vr_buf_deinit(&buf);
}

static void check_tags(const uint8_t *tags, size_t n)
{
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < n; i++) { /* what is lent must be readable */
        sum ^= tags[i];
    }
}

static void check_definition(const uint8_t *p, size_t n)
{
    struct msg_definition m;
    struct vr_definition d;
    if (msg_get_definition(p, n, &m, NULL) == 0) {
        vr_assert(m.raw_len <= MSG_DEFINITION_MAX);
        check_tags(m.bytes, m.len);
    }
    if (msg_get_definition_body(p, n, &d, NULL) == 0) {
        vr_assert(d.xml_len <= VR_DEFINITION_XML_MAX && d.nvram_len <= VR_NVRAM_MAX);
        check_tags((const uint8_t *)d.xml, d.xml_len);
        check_tags(d.nvram, d.nvram_len);
    }
}

static void stream(uint8_t type, const uint8_t *p, size_t n)
{
    struct msg_digests digests;
    struct msg_detail detail;
    struct msg_data data;
    struct msg_roots roots;
    struct msg_range range;
    struct msg_hint hint;
    struct msg_zero zero;
    switch (type) {
    case MSG_DIGESTS:
        if (msg_get_digests(p, n, &digests, NULL) == 0) {
            check_tags(digests.tags, (size_t)digests.count * MSG_TAG);
        }
        break;
    case MSG_DETAIL:
        if (msg_get_detail(p, n, &detail, NULL) == 0) {
            check_tags(detail.tags, (size_t)detail.count * MSG_TAG);
        }
        break;
    case MSG_WANT:
        SINK(msg_get_want(p, n, &detail, NULL));
        break;
    case MSG_DATA:
        if (msg_get_data(p, n, &data, NULL) == 0) {
            vr_assert(data.raw_len <= MSG_DATA_MAX && data.off % MSG_NODE == 0);
            vr_assert(data.mask[0] | data.mask[1] | data.mask[2] | data.mask[3]);
            check_tags(data.bytes, data.len);
        }
        break;
    case MSG_ROOTS:
        if (msg_get_roots(p, n, &roots, NULL) == 0) {
            check_tags(roots.roots, (size_t)roots.count * 32);
        }
        break;
    case MSG_DEFINITION:
        check_definition(p, n);
        break;
    case MSG_ZEROES:
        SINK(msg_get_range(p, n, &range, NULL));
        break;
    case MSG_HINT:
        if (msg_get_hint(p, n, &hint, NULL) == 0 && hint.bits) {
            check_tags(hint.bits, (size_t)vr_div_up(hint.count, 8));
        }
        break;
    case MSG_ZERO:
        SINK(msg_get_zero(p, n, &zero, NULL));
        break;
    default:
        break;
    }
}

static void session(uint8_t type, const uint8_t *p, size_t n)
{
    static struct vr_peer_reply reply;
    struct msg_hello hello;
    struct msg_committed committed;
    struct msg_fail fail;
    struct msg_progress progress;
    struct msg_storage storage;
    struct vr_uuid uuid;
    uint64_t features, v;
    uint16_t minor;
    switch (type) {
    case MSG_HELLO:
        if (msg_get_hello(p, n, &hello, NULL) == 0) {
            SINK(msg_negotiate(&hello, &features, &minor, NULL));
        }
        break;
    case MSG_REQUEST:
        check_request(p, n);
        break;
    case MSG_REPLY:
        SINK(msg_get_reply(p, n, &reply, NULL));
        break;
    case MSG_COMMIT:
        SINK(msg_get_uuid(p, n, &uuid, NULL));
        break;
    case MSG_COMMITTED:
        SINK(msg_get_committed(p, n, &committed, NULL));
        break;
    case MSG_FAIL:
        SINK(msg_get_fail(p, n, &fail, NULL));
        break;
    case MSG_PROGRESS:
        SINK(msg_get_progress(p, n, &progress, NULL));
        break;
    case MSG_STORAGE:
        SINK(msg_get_storage(p, n, &storage, NULL));
        break;
    case MSG_SETTLED:
    case MSG_CREDIT:
        SINK(msg_get_u64(p, n, &v, NULL));
        break;
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n == 0) {
        return 0;
    }
    stream(p[0], p + 1, n - 1);
    session(p[0], p + 1, n - 1);
    return 0;
}
