/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/check.h"
#include "util/buf.h"
#include "util/num.h"
#include "util/uuid.h"

static void test_round_trip(void **state)
{
    struct vr_buf b;
    vr_buf_init(&b, 1000);
    vr_buf_u8(&b, 1);
    vr_buf_u16(&b, 0x1234);
    vr_buf_u32(&b, 0xdeadbeef);
    vr_buf_u64(&b, 0x0123456789abcdefULL);
    vr_buf_str(&b, "vm");
    struct vr_rd rd = vr_rd_init(b.data, b.len);
    char s[3];
    assert_int_equal(vr_rd_u8(&rd), 1);
    assert_int_equal(vr_rd_u16(&rd), 0x1234);
    assert_int_equal(vr_rd_u32(&rd), 0xdeadbeef);
    assert_true(vr_rd_u64(&rd) == 0x0123456789abcdefULL);
    vr_rd_str(&rd, s, sizeof s);
    assert_string_equal(s, "vm");
    assert_true(vr_rd_done(&rd));
    vr_buf_deinit(&b);
}

static void test_short_read_is_sticky(void **state)
{
    const uint8_t bytes[] = {1, 2, 3};
    struct vr_rd rd = vr_rd_init(bytes, sizeof bytes);
    assert_int_equal(vr_rd_u32(&rd), 0);
    assert_true(rd.failed);
    assert_int_equal(vr_rd_u8(&rd), 0); /* although a byte is there */
    assert_false(vr_rd_done(&rd));
}

static void test_string_limits(void **state)
{
    const uint8_t too_long[] = {3, 0, 'a', 'b', 'c'}, with_nul[] = {2, 0, 'a', 0};
    char s[3];
    struct vr_rd rd = vr_rd_init(too_long, sizeof too_long);
    vr_rd_str(&rd, s, sizeof s);
    assert_true(rd.failed);
    rd = vr_rd_init(with_nul, sizeof with_nul);
    vr_rd_str(&rd, s, sizeof s);
    assert_true(rd.failed);
}

static void test_buffer_limit(void **state)
{
    struct vr_buf b;
    struct vr_err err;
    vr_buf_init(&b, 8);
    vr_buf_u64(&b, 1);
    assert_int_equal(vr_buf_check(&b, &err), 0);
    vr_buf_u8(&b, 1);
    CHECK_FAILS(vr_buf_check(&b, &err), &err, VR_E_LIMIT, "8 bytes");
    vr_buf_deinit(&b);
}

static void test_printf_longer_than_the_small_buffer(void **state)
{
    struct vr_buf b;
    vr_buf_init(&b, 10000);
    vr_buf_printf(&b, "%0*d", 2000, 7);
    const char *s = vr_buf_cstr(&b);
    assert_int_equal(strlen(s), 2000);
    assert_int_equal(s[1999], '7');
    vr_buf_deinit(&b);
}

static void test_numbers(void **state)
{
    uint64_t v = 0;
    assert_true(vr_parse_u64("65535", 1, 65535, &v) && v == 65535);
    assert_false(vr_parse_u64("65536", 1, 65535, &v));
    assert_false(vr_parse_u64("18446744073709551616", 0, UINT64_MAX, &v));
    assert_false(vr_parse_u64("-1", 0, 10, &v));
    assert_false(vr_parse_u64("1x", 0, 10, &v));
    assert_true(vr_parse_size("3m", &v) && v == 3 * VR_MIB);
    assert_false(vr_parse_size("99999999999T", &v));
    assert_true(vr_range_ok(10, 0, 10));
    assert_false(vr_range_ok(UINT64_MAX, 2, 10));
}

static void test_uuid(void **state)
{
    struct vr_uuid u = vr_uuid_new(), v;
    char t[VR_UUID_TEXT_LEN];
    assert_true(vr_uuid_parse(vr_uuid_text(&u, t), &v));
    assert_true(vr_uuid_eq(&u, &v));
    assert_false(vr_uuid_parse("01234567-89ab-cdef-0123-456789abcdeg", &v));
    assert_true(vr_uuid_parse("{01234567-89ab-cdef-0123-456789abcdef}", &v));
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_round_trip),
                                       T(test_short_read_is_sticky),
                                       T(test_string_limits),
                                       T(test_buffer_limit),
                                       T(test_printf_longer_than_the_small_buffer),
                                       T(test_numbers),
                                       T(test_uuid)};
    return RUN(tests);
}
