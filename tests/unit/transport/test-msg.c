/* SPDX-License-Identifier: Apache-2.0 */
/* The codec: what goes in comes out, and no cut or oversized message is taken. */
#include "tests/lib/check.h"
#include "transport/msg.h"
#include "util/num.h"

static void sample_request(struct vr_peer_request *m)
{
    memset(m, 0, sizeof *m);
    m->op = VR_PEER_OPEN;
    m->vm_id = vr_uuid_new();
    snprintf(m->vm_name, sizeof m->vm_name, "vm1");
    m->rel_number = 1;
    m->epoch = 7;
    m->ndisks = 2;
    for (uint32_t i = 0; i < 2; i++) {
        snprintf(m->disks[i].name, sizeof m->disks[i].name, "vd%c", (char)('a' + i));
        snprintf(m->disks[i].format, sizeof m->disks[i].format, "qcow2");
        m->disks[i].size_bytes = 1000 + i;
    }
    m->nhistory = 3;
    for (uint32_t i = 0; i < 3; i++) {
        m->history[i] = vr_uuid_new();
    }
    m->proposed = vr_uuid_new();
    m->kind = VR_TRANSFER_RESYNC;
    m->job = vr_uuid_new();
    m->instant = vr_uuid_new();
    m->instant_us = 123456789;
    m->force = true;
    m->umac = true;
    m->consistency = VR_CONSISTENCY_APPLICATION;
    m->secret[31] = 9;
    m->nonce[0] = 8;
}

static void test_request_round_trip_and_every_cut(void **state)
{
    struct vr_peer_request in, out;
    struct vr_err err = VR_ERR_INIT;
    struct vr_buf b;
    sample_request(&in);
    vr_buf_init(&b, 1 << 20);
    msg_put_request(&b, &in);
    CHECK_OK(msg_get_request(b.data, b.len, &out, &err), &err);
    assert_memory_equal(&in, &out, sizeof in);
    for (size_t n = 0; n < b.len; n++) {
        assert_int_equal(msg_get_request(b.data, n, &out, NULL), -VR_E_PROTOCOL);
    }
    vr_buf_u8(&b, 0); /* something behind the end */
    assert_int_equal(msg_get_request(b.data, b.len, &out, NULL), -VR_E_PROTOCOL);
    vr_buf_deinit(&b);
}

static void check_request_refused(const struct vr_peer_request *m)
{
    struct vr_peer_request out;
    struct vr_buf b;
    vr_buf_init(&b, 1 << 20);
    msg_put_request(&b, m);
    assert_int_equal(msg_get_request(b.data, b.len, &out, NULL), -VR_E_PROTOCOL);
    vr_buf_deinit(&b);
}

static void test_requests_out_of_range(void **state)
{
    struct vr_peer_request m;
    sample_request(&m);
    m.op = (enum vr_peer_op)99;
    check_request_refused(&m);
    sample_request(&m);
    m.rel_number = 2;
    check_request_refused(&m);
    sample_request(&m);
    m.kind = (enum vr_transfer_kind)0;
    check_request_refused(&m);
    sample_request(&m); /* a disk's name becomes part of a file's name */
    snprintf(m.disks[1].name, sizeof m.disks[1].name, "../x");
    check_request_refused(&m);
    sample_request(&m);
    m.disks[1] = m.disks[0]; /* twice the same */
    check_request_refused(&m);
    sample_request(&m);
    m.disks[0].size_bytes = UINT64_MAX;
    check_request_refused(&m);
    sample_request(&m);
    m.instant_us = (uint64_t)INT64_MAX + 1; /* it goes into a sidecar */
    check_request_refused(&m);
}

static void test_too_many_disks(void **state)
{
    struct vr_peer_request m, out;
    struct vr_buf b;
    sample_request(&m);
    vr_buf_init(&b, 1 << 20);
    msg_put_request(&b, &m);
    size_t at = 1 + 16 + 2 + strlen(m.vm_name) + 1 + 4;
    assert_int_equal(b.data[at], 2);
    b.data[at] = VR_DISKS_MAX + 1;
    assert_int_equal(msg_get_request(b.data, b.len, &out, NULL), -VR_E_PROTOCOL);
    vr_buf_deinit(&b);
}

static void test_reply_round_trip(void **state)
{
    struct vr_peer_reply in = {.result = -VR_E_LINEAGE,
                               .changed_alone = true,
                               .umac = true,
                               .bytes_staged = 5},
                         out;
    struct vr_err err = VR_ERR_INIT;
    struct vr_buf b;
    in.generation.uuid = vr_uuid_new();
    in.generation.epoch = 3;
    snprintf(in.text, sizeof in.text, "no");
    vr_buf_init(&b, 4096);
    msg_put_reply(&b, &in);
    CHECK_OK(msg_get_reply(b.data, b.len, &out, &err), &err);
    assert_memory_equal(&in, &out, sizeof in);
    for (size_t n = 0; n < b.len; n++) {
        assert_int_equal(msg_get_reply(b.data, n, &out, NULL), -VR_E_PROTOCOL);
    }
    vr_buf_deinit(&b);
}

static void test_versions(void **state)
{
    struct msg_hello h = {MSG_MAGIC, MSG_MAJOR, 9, ~0ull, "h2"};
    struct vr_err err = VR_ERR_INIT;
    uint64_t features;
    uint16_t minor;
    CHECK_OK(msg_negotiate(&h, &features, &minor, &err), &err);
    assert_int_equal(minor, MSG_MINOR);    /* a newer minor is negotiated down */
    assert_true(features == MSG_FEATURES); /* unknown features are not used */
    h.features = 0;
    CHECK_OK(msg_negotiate(&h, &features, &minor, &err), &err);
    assert_true(features == 0);
    h.major = MSG_MAJOR + 1;
    CHECK_FAILS(msg_negotiate(&h, &features, &minor, &err), &err, VR_E_PROTOCOL, "upgrade");
    h.magic = 0;
    CHECK_FAILS(msg_negotiate(&h, &features, &minor, &err), &err, VR_E_PROTOCOL, "does not speak");
}

static void test_hello_may_grow(void **state)
{
    struct msg_hello in = {MSG_MAGIC, MSG_MAJOR, 0, 0, "h1"}, out;
    struct vr_err err = VR_ERR_INIT;
    struct vr_buf b;
    vr_buf_init(&b, 1000);
    msg_put_hello(&b, &in);
    vr_buf_u64(&b, 42);
    CHECK_OK(msg_get_hello(b.data, b.len, &out, &err), &err);
    assert_string_equal(out.host, "h1");
    vr_buf_deinit(&b);
}

/* The first so many blocks of a node, after `gap` others. */
static void put_data(
    struct vr_buf *b, uint32_t gap, uint32_t blocks, uint32_t raw_len, uint8_t coding, uint32_t len)
{
    struct msg_data m = {.disk = 3, .off = MSG_NODE, .raw_len = raw_len, .coding = coding};
    for (uint32_t i = gap; i < gap + blocks; i++) {
        m.mask[i / 64] |= 1ull << (i % 64);
    }
    vr_buf_reset(b);
    msg_put_data_head(b, &m);
    void *p = vr_buf_room(b, len);
    if (p) {
        memset(p, 1, len);
    }
}

static void data_is(const struct vr_buf *b, int want)
{
    struct msg_data m;
    assert_int_equal(msg_get_data(b->data, b->len, &m, NULL), want);
}

static void test_data_limits(void **state)
{
    static const struct {
        uint32_t blocks, raw_len;
        uint8_t coding;
        uint32_t len;
        int want;
    } cases[] = {
        {1, 4096, MSG_DATA_RAW, 4096, 0},
        {1, 4096, MSG_DATA_RAW, 4095, -VR_E_PROTOCOL}, /* raw must be whole */
        {1, 1, MSG_DATA_RAW, 1, 0},                    /* a disk's last block */
        {1, 0, MSG_DATA_ZSTD, 10, -VR_E_PROTOCOL},
        {1, 10, MSG_DATA_ZSTD, 11, -VR_E_PROTOCOL}, /* larger packed than raw */
        {1, 4096, 2, 100, -VR_E_PROTOCOL},
        {1, 4096, MSG_DATA_ZSTD, 0, -VR_E_PROTOCOL},
        {0, 4096, MSG_DATA_ZSTD, 10, -VR_E_PROTOCOL}, /* no block */
        {0, 0, MSG_DATA_ZSTD, 10, -VR_E_PROTOCOL},
        {1, 4097, MSG_DATA_ZSTD, 10,
         -VR_E_PROTOCOL}, /* more bytes than the blocks have, or fewer */
        {2, 4096, MSG_DATA_ZSTD, 10, -VR_E_PROTOCOL},
        {2, 4097, MSG_DATA_ZSTD, 10, 0},
        {64, MSG_DATA_MAX, MSG_DATA_ZSTD, 10, 0},
        {64, MSG_DATA_MAX + 1, MSG_DATA_ZSTD, 10, -VR_E_PROTOCOL},
        {65, MSG_DATA_MAX, MSG_DATA_ZSTD, 10, -VR_E_PROTOCOL}, /* a bomb: refused by its mask */
        {65, MSG_DATA_MAX + 4096, MSG_DATA_ZSTD, 10, -VR_E_PROTOCOL},
        {256, MSG_NODE, MSG_DATA_ZSTD, 10, -VR_E_PROTOCOL},
    };
    struct vr_buf b;
    vr_buf_init(&b, 2 << 20);
    for (size_t i = 0; i < VR_COUNT(cases); i++) {
        for (uint32_t gap = 0; gap + cases[i].blocks <= 256; gap += 67) { /* in every word */
            put_data(&b, gap, cases[i].blocks, cases[i].raw_len, cases[i].coding, cases[i].len);
            data_is(&b, cases[i].want);
        }
    }
    vr_buf_deinit(&b);
}

static void test_data_is_of_a_node(void **state)
{
    struct msg_data m;
    struct vr_err err = VR_ERR_INIT;
    struct vr_buf b;
    vr_buf_init(&b, 1 << 20);
    put_data(&b, 70, 2, 8192, MSG_DATA_RAW, 8192);
    CHECK_OK(msg_get_data(b.data, b.len, &m, &err), &err);
    assert_int_equal(m.disk, 3);
    assert_int_equal(m.off, MSG_NODE);
    assert_int_equal(m.mask[0] | m.mask[2] | m.mask[3], 0);
    assert_int_equal(m.mask[1], 3 << 6);
    assert_int_equal(m.raw_len, 8192);
    assert_int_equal(m.len, 8192);
    for (size_t n = 0; n < b.len; n++) { /* cut anywhere */
        assert_int_equal(msg_get_data(b.data, n, &m, NULL), -VR_E_PROTOCOL);
    }
    b.data[2 + 1] = 0x10; /* 4 KiB off */
    data_is(&b, -VR_E_PROTOCOL);
    vr_buf_deinit(&b);
}

static void test_counts_are_checked_before_use(void **state)
{
    struct msg_digests d;
    struct msg_detail t;
    struct msg_roots r;
    struct vr_buf b;
    vr_buf_init(&b, 1 << 20);
    msg_put_digests_head(&b, 0, 0xffffffffu);
    assert_int_equal(msg_get_digests(b.data, b.len, &d, NULL), -VR_E_PROTOCOL);
    vr_buf_reset(&b);
    msg_put_detail_head(&b, 0, 1, MSG_DETAIL_MAX + 1);
    assert_int_equal(msg_get_detail(b.data, b.len, &t, NULL), -VR_E_PROTOCOL);
    vr_buf_reset(&b);
    vr_buf_u8(&b, 255);
    assert_int_equal(msg_get_roots(b.data, b.len, &r, NULL), -VR_E_PROTOCOL);
    vr_buf_deinit(&b);
}

static int body_is(const struct vr_definition *d)
{
    struct vr_definition back;
    struct vr_err err = VR_ERR_INIT;
    struct vr_buf b;
    vr_buf_init(&b, 4u << 20);
    msg_put_definition_body(&b, d);
    int r = msg_get_definition_body(b.data, b.len, &back, &err);
    if (r == 0) {
        assert_int_equal(back.nvram_state, d->nvram_state);
        assert_int_equal(back.xml_len, d->xml_len);
        assert_memory_equal(back.xml, d->xml, d->xml_len);
        assert_int_equal(back.nvram_len, d->nvram_len);
        assert_memory_equal(back.nvram, d->nvram, d->nvram_len);
    }
    for (size_t n = 0; r == 0 && n < b.len; n += n < 64 ? 1 : 4096) {
        assert_int_equal(msg_get_definition_body(b.data, n, &back, NULL), -VR_E_PROTOCOL);
    }
    vr_buf_deinit(&b);
    return r;
}

static void test_definitions(void **state)
{
    static char xml[VR_DEFINITION_XML_MAX + 1];
    static uint8_t nvram[VR_NVRAM_MAX + 1];
    memset(xml, 'x', sizeof xml);
    struct vr_definition d = {xml, 9, VR_NVRAM_CARRIED, nvram, 7};
    assert_int_equal(body_is(&d), 0);
    d.xml_len = VR_DEFINITION_XML_MAX;
    d.nvram_len = VR_NVRAM_MAX;
    assert_int_equal(body_is(&d), 0);
    d.xml_len++;
    assert_int_equal(body_is(&d), -VR_E_PROTOCOL);
    d.xml_len = 9;
    d.nvram_len++;
    assert_int_equal(body_is(&d), -VR_E_PROTOCOL);
    d.nvram_len = 0; /* carried, and yet nothing */
    assert_int_equal(body_is(&d), -VR_E_PROTOCOL);
    d.nvram_state = VR_NVRAM_NONE;
    assert_int_equal(body_is(&d), 0);
    d.nvram_state = (enum vr_nvram)(VR_NVRAM_TOO_LARGE + 1);
    assert_int_equal(body_is(&d), -VR_E_PROTOCOL);
    d.nvram_state = VR_NVRAM_UNREADABLE;
    d.xml_len = 0;
    assert_int_equal(body_is(&d), -VR_E_PROTOCOL);
    d.xml_len = 9;
    xml[4] = '\0';
    assert_int_equal(body_is(&d), -VR_E_PROTOCOL);
}

static void frame_is(uint8_t coding, uint32_t raw_len, size_t len, int want)
{
    static const uint8_t bytes[64];
    struct msg_definition m;
    struct vr_buf b;
    vr_buf_init(&b, 4096);
    msg_put_definition_head(&b, coding, raw_len);
    vr_buf_bytes(&b, bytes, len);
    assert_int_equal(msg_get_definition(b.data, b.len, &m, NULL), want);
    assert_true(want < 0 || (m.len == len && m.raw_len == raw_len));
    assert_int_equal(msg_get_definition(b.data, 4, &m, NULL), -VR_E_PROTOCOL);
    vr_buf_deinit(&b);
}

static void test_definition_frames(void **state)
{
    frame_is(MSG_DATA_RAW, 64, 64, 0);
    frame_is(MSG_DATA_RAW, 64, 63, -VR_E_PROTOCOL);
    frame_is(MSG_DATA_RAW, 0, 0, -VR_E_PROTOCOL);
    frame_is(MSG_DATA_ZSTD, 65, 64, 0);
    frame_is(MSG_DATA_ZSTD, 64, 64, -VR_E_PROTOCOL);
    frame_is(MSG_DATA_ZSTD, 64, 0, -VR_E_PROTOCOL);
    frame_is(MSG_DATA_ZSTD, MSG_DEFINITION_MAX, 64, 0);
    frame_is(MSG_DATA_ZSTD, MSG_DEFINITION_MAX + 1, 64, -VR_E_PROTOCOL);
    frame_is(MSG_DATA_ZSTD + 1, 65, 64, -VR_E_PROTOCOL);
}

static void test_storage(void **state)
{
    const struct msg_storage in = {1, 2, 3, 4, UINT64_MAX};
    struct msg_storage m;
    struct vr_err err = VR_ERR_INIT;
    struct vr_buf b;
    vr_buf_init(&b, 1000);
    msg_put_storage(&b, &in);
    CHECK_OK(msg_get_storage(b.data, b.len, &m, &err), &err);
    assert_memory_equal(&m, &in, sizeof in);
    for (size_t n = 0; n < b.len; n++) {
        assert_int_equal(msg_get_storage(b.data, n, &m, NULL), -VR_E_PROTOCOL);
    }
    vr_buf_u8(&b, 0);
    assert_int_equal(msg_get_storage(b.data, b.len, &m, NULL), -VR_E_PROTOCOL);
    vr_buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_request_round_trip_and_every_cut),
                                       T(test_requests_out_of_range),
                                       T(test_too_many_disks),
                                       T(test_reply_round_trip),
                                       T(test_versions),
                                       T(test_hello_may_grow),
                                       T(test_data_limits),
                                       T(test_data_is_of_a_node),
                                       T(test_counts_are_checked_before_use),
                                       T(test_definitions),
                                       T(test_storage),
                                       T(test_definition_frames)};
    return RUN(tests);
}
