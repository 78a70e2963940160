/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/check.h"
#include "util/vtime.h"

static void test_iso_round_trip(void **state)
{
    char buf[VR_ISO_TIME_LEN];
    uint64_t t;
    assert_true(vr_parse_iso_time("2026-11-20T21:04:05.123456Z", &t));
    assert_string_equal(vr_iso_time(t, buf, sizeof buf), "2026-11-20T21:04:05.123456Z");
    assert_true(vr_parse_iso_time("2026-11-20T23:04:05+02:00", &t));
    assert_string_equal(vr_iso_time(t, buf, sizeof buf), "2026-11-20T21:04:05.000000Z");
}

static void test_no_such_date(void **state)
{
    uint64_t t;
    assert_false(vr_parse_iso_time("2026-02-29T00:00:00Z", &t));
    assert_true(vr_parse_iso_time("2028-02-29T00:00:00Z", &t));
    assert_false(vr_parse_iso_time("2026-11-20", &t));
    assert_false(vr_parse_iso_time("2026-11-20T25:00:00Z", &t));
    assert_false(vr_parse_iso_time("2026-11-20T21:00:00", &t));
    assert_false(vr_parse_iso_time("2026-11-20T21:00:00Zx", &t));
}

static void test_beyond_2038(void **state)
{
    char buf[VR_ISO_TIME_LEN];
    uint64_t t;
    assert_true(vr_parse_iso_time("2106-02-07T06:28:16Z", &t));
    assert_string_equal(vr_iso_time(t, buf, sizeof buf), "2106-02-07T06:28:16.000000Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_iso_round_trip), T(test_no_such_date),
                                       T(test_beyond_2038)};
    return RUN(tests);
}
