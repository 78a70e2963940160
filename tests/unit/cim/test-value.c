/* SPDX-License-Identifier: Apache-2.0 */
#include "cim/value.h"
#include "tests/lib/check.h"
#include "util/num.h"
#include "util/vtime.h"

static void test_arena_limit(void **state)
{
    struct cim_arena a;
    cim_arena_init(&a, 40000);
    assert_non_null(cim_alloc(&a, 100));
    assert_null(cim_alloc(&a, 50000));
    assert_true(cim_arena_failed(&a));
    assert_null(cim_alloc(&a, 1)); /* sticky */
    assert_null(cim_strdup(&a, "x"));
    cim_arena_reset(&a);
    assert_string_equal(cim_printf(&a, "%s-%d", "x", 5), "x-5");
    assert_false(cim_arena_failed(&a));
    cim_arena_deinit(&a);
}

static void test_numbers(void **state)
{
    static const struct {
        enum cim_type t;
        const char *text;
        bool ok;
    } rows[] = {
        {CIM_UINT8, "255", true},
        {CIM_UINT8, "256", false},
        {CIM_UINT16, "65535", true},
        {CIM_UINT16, "65536", false},
        {CIM_UINT16, "-1", false},
        {CIM_UINT16, "", false},
        {CIM_UINT16, "+7", true},
        {CIM_UINT16, "0x7", false},
        {CIM_SINT8, "-128", true},
        {CIM_SINT8, "-129", false},
        {CIM_SINT8, "128", false},
        {CIM_SINT64, "-9223372036854775808", true},
        {CIM_SINT64, "9223372036854775808", false},
        {CIM_UINT64, "18446744073709551615", true},
        {CIM_UINT64, "18446744073709551616", false},
        {CIM_BOOLEAN, "True", true},
        {CIM_BOOLEAN, "1", false},
        {CIM_DATETIME, "now", false},
        {CIM_REFERENCE, "x", false},
    };
    struct cim_arena a;
    struct cim_value v;
    char buf[32];
    cim_arena_init(&a, 1 << 20);
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        struct vr_err err = VR_ERR_INIT;
        int r = cim_value_from_text(&a, rows[i].t, rows[i].text, &v, &err);
        if ((r == 0) != rows[i].ok) {
            fail_msg("%s '%s'", cim_type_text(rows[i].t), rows[i].text);
        }
    }
    struct vr_err err = VR_ERR_INIT;
    CHECK_OK(cim_value_from_text(&a, CIM_SINT64, "-9223372036854775808", &v, &err), &err);
    assert_string_equal(cim_value_text(&v, buf, sizeof buf), "-9223372036854775808");
    cim_arena_deinit(&a);
}

static void test_timestamps(void **state)
{
    struct cim_datetime d;
    char buf[CIM_DATETIME_LEN];
    uint64_t want;
    assert_true(vr_parse_iso_time("2026-11-21T02:00:00Z", &want));
    assert_true(cim_datetime_parse("20261121020000.000000+000", &d));
    assert_false(d.is_interval || d.has_wildcard);
    assert_int_equal(d.us, want);
    assert_true(cim_datetime_parse("20261121040000.000000+120", &d));
    assert_int_equal(d.us, want);
    assert_true(cim_datetime_parse("20261120210000.000000-300", &d));
    assert_int_equal(d.us, want);
    assert_string_equal(cim_datetime_text(want + 7, buf), "20261121020000.000007+000");
    assert_true(cim_datetime_parse("16010101000000.000000+000", &d)); /* a datetime, long ago */
    assert_int_equal(d.us, 0);
    assert_true(cim_datetime_parse("15000101000000.000000+000", &d));
    assert_true(cim_datetime_parse("99991231235959.999999+000", &d));
}

static void test_intervals(void **state)
{
    struct cim_datetime d;
    char buf[CIM_DATETIME_LEN];
    assert_true(cim_datetime_parse("00000001020304.000005:000", &d));
    assert_true(d.is_interval);
    assert_int_equal(d.us, (86400 + 2 * 3600 + 3 * 60 + 4) * 1000000ull + 5);
    assert_string_equal(cim_interval_text(d.us, buf), "00000001020304.000005:000");
    assert_int_equal(strlen(cim_interval_text(UINT64_MAX, buf)), CIM_DATETIME_LEN - 1);
}

static void test_wildcards(void **state)
{
    struct cim_datetime d;
    static const char *const good[] = {"2026112102****.******+000", "**************.******+000",
                                       "20261121020000.000***+000", "000000010203**.******:000"};
    for (size_t i = 0; i < VR_COUNT(good); i++) {
        assert_true(cim_datetime_parse(good[i], &d));
        assert_true(d.has_wildcard);
    }
    assert_false(cim_datetime_parse("2026**21020000.000000+000", &d));
    assert_false(cim_datetime_parse("202*1121020000.000000+000", &d));
    assert_false(cim_datetime_parse("20261121020000.000000+***", &d));
}

static void test_times_of_day(void **state)
{
    struct cim_datetime d;
    assert_true(cim_datetime_parse("00000000093000.000001+000", &d));
    assert_true(d.has_no_date);
    assert_false(d.is_interval);
    assert_int_equal(d.us, (9 * 3600 + 30 * 60) * 1000000ull + 1);
    assert_true(cim_datetime_parse("00000000003000.000000+060", &d)); /* an hour east of UTC */
    assert_int_equal(d.us, (23 * 3600 + 30 * 60) * 1000000ull);
    assert_true(cim_datetime_parse("00000000233000.000000-060", &d));
    assert_int_equal(d.us, 30 * 60 * 1000000ull);
    assert_true(cim_datetime_parse("20261121093000.000000+000", &d));
    assert_false(d.has_no_date);
}

static void test_no_datetime(void **state)
{
    struct cim_datetime d;
    static const char *const bad[] = {"",
                                      "now",
                                      "20261121020000.000000+00",
                                      "20261121020000.000000+0000",
                                      "20260229000000.000000+000",
                                      "20261321000000.000000+000",
                                      "20261121250000.000000+000",
                                      "20261121020000,000000+000",
                                      "20261121020000.000000*000",
                                      "00000001020304.000005:001",
                                      "00000001250000.000000:000",
                                      "00000000240000.000000+000",
                                      "00000100000000.000000+000",
                                      "20261121020000.000000+999"};
    for (size_t i = 0; i < VR_COUNT(bad); i++) {
        if (cim_datetime_parse(bad[i], &d)) {
            fail_msg("'%s' parsed", bad[i]);
        }
    }
}

static void test_paths(void **state)
{
    struct cim_arena a;
    struct cim_path p, q;
    struct vr_err err = VR_ERR_INIT;
    cim_arena_init(&a, 1 << 20);
    CHECK_OK(cim_path_parse(&a, "root/virtualization/v2:C.B=\"x\\\"y,=\",A=5", &p, &err), &err);
    assert_string_equal(p.ns, "root/virtualization/v2");
    assert_string_equal(p.class_name, "C");
    assert_string_equal(cim_path_key(&p, "b")->str, "x\"y,=");
    CHECK_OK(cim_path_parse(&a, ":c.a=5,b=\"X\\\"y,=\"", &q, &err), &err);
    assert_true(cim_path_eq(&p, &q));
    CHECK_OK(cim_path_parse(&a, "n:R.InstanceID=\"Microsoft:1\\HVR\\0\"", &p, &err), &err);
    assert_string_equal(cim_path_key(&p, "InstanceID")->str, "Microsoft:1\\HVR\\0");
    CHECK_OK(cim_path_parse(&a, cim_path_text(&a, &p), &q, &err), &err);
    assert_true(cim_path_eq(&p, &q));
    p.keys[0].value = cim_str("Microsoft:1\\\\HVR\\0"); /* half escaped, as a client may */
    assert_true(cim_path_eq(&p, &q));
    p.keys[0].value = cim_str("Microsoft:1HVR\\0");
    assert_false(cim_path_eq(&p, &q));
    CHECK_OK(cim_path_parse(&a, "root/virtualization/v2", &p, &err), &err);
    assert_null(p.class_name);
    cim_arena_deinit(&a);
}

static void test_bad_paths(void **state)
{
    static const char *const bad[] = {"",
                                      ":",
                                      "n:",
                                      "n:C.",
                                      "n:C.a",
                                      "n:C.a=",
                                      "n:C.a=\"x",
                                      "n:C.a=1,",
                                      "n:C.a=1,a=2",
                                      "n:C.a=\"1\"x",
                                      "n:C.a=1,b=1,c=1,d=1,e=1,f=1,g=1,h=1,i=1"};
    struct cim_arena a;
    struct cim_path p;
    struct vr_err err;
    cim_arena_init(&a, 1 << 20);
    for (size_t i = 0; i < VR_COUNT(bad); i++) {
        CHECK_FAILS(cim_path_parse(&a, bad[i], &p, &err), &err, VR_E_INVALID, "no object path");
    }
    cim_arena_deinit(&a);
}

static void test_namespaces(void **state)
{
    assert_true(cim_ns_eq("root/virtualization/v2", "ROOT\\Virtualization\\V2"));
    assert_true(cim_ns_eq("/root/virtualization/v2/", "root/virtualization/v2"));
    assert_false(cim_ns_eq("root/virtualization", "root/virtualization/v2"));
    assert_false(cim_ns_eq("", "root/virtualization/v2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_arena_limit),  T(test_numbers),   T(test_timestamps),
                                       T(test_intervals),    T(test_wildcards), T(test_no_datetime),
                                       T(test_times_of_day), T(test_paths),     T(test_bad_paths),
                                       T(test_namespaces)};
    return RUN(tests);
}
