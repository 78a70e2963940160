/* SPDX-License-Identifier: Apache-2.0 */
/* Windows of bandwidth: what may be written, what counts when, and when clocks change. */
#include <stdlib.h>
#include <time.h>

#include "model/bandwidth.h"
#include "tests/lib/check.h"
#include "util/num.h"

#define H 3600u

static struct vr_bandwidth of(const char *text)
{
    struct vr_bandwidth b = {0};
    struct vr_err err = VR_ERR_INIT;
    CHECK_OK(vr_bandwidth_add(&b, text, &err), &err);
    return b;
}

static void test_rates(void **state)
{
    static const struct {
        const char *rate;
        uint64_t bytes_s;
    } rows[] = {{"20 Mbit/s", 2500000},  {"20Mbit/s", 2500000}, {"500 kbit/s", 62500},
                {"1 Gbit/s", 125000000}, {"10M", 10u << 20},    {"8K", 8192},
                {"unlimited", 0},        {"1T", 1ull << 40}};
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        char text[64];
        snprintf(text, sizeof(text), "mon 08:00-18:00 %s", rows[i].rate);
        struct vr_bandwidth b = of(text);
        assert_int_equal(b.windows[0].bytes_s, rows[i].bytes_s);
        assert_string_equal(b.windows[0].text, text);
    }
}

/* day 0 is Sunday */
static void test_times(void **state)
{
    static const struct {
        const char *text;
        unsigned wday;
        uint32_t day_s;
        bool in;
    } rows[] = {
        {"mon-fri 08:00-18:00 10M", 1, 8 * H, true},
        {"mon-fri 08:00-18:00 10M", 1, 8 * H - 1, false},
        {"mon-fri 08:00-18:00 10M", 5, 18 * H - 1, true},
        {"mon-fri 08:00-18:00 10M", 5, 18 * H, false},
        {"mon-fri 08:00-18:00 10M", 6, 12 * H, false},
        {"sat,sun 00:00-24:00 10M", 0, 0, true},
        {"sat,sun 00:00-24:00 10M", 6, 24 * H - 1, true},
        {"sat,sun 00:00-24:00 10M", 1, 0, false},
        {"daily 00:00-00:00 10M", 3, 0, true},        /* the whole day */
        {"FRI-mon 12:00-13:00 10M", 0, 12 * H, true}, /* over the end of the week */
        {"FRI-mon 12:00-13:00 10M", 4, 12 * H, false},
        {"fri 22:00-06:00 10M", 5, 22 * H, true}, /* over midnight: of the day it begins on */
        {"fri 22:00-06:00 10M", 6, 6 * H - 1, true},
        {"fri 22:00-06:00 10M", 6, 6 * H, false},
        {"fri 22:00-06:00 10M", 5, 5 * H, false},
        {"fri 22:00-06:00 10M", 6, 22 * H, false},
        {"sat 22:00-06:00 10M", 0, 5 * H, true}, /* and over the end of the week */
        {"wed 12:00-12:00 10M", 4, 11 * H, true},
        {"wed 12:00-12:00 10M", 3, 11 * H, false},
    };
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        struct vr_bandwidth b = of(rows[i].text);
        if (!vr_bandwidth_at(&b, rows[i].wday, rows[i].day_s) == rows[i].in) {
            fail_msg("row %zu: %s", i, rows[i].text);
        }
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"", "does not begin with days"},
        {"08:00-18:00 10M", "does not begin with days"},
        {"mo 08:00-18:00 10M", "does not begin with days"},
        {"mon- 08:00-18:00 10M", "does not begin with days"},
        {"mon, 08:00-18:00 10M", "does not begin with days"},
        {"mon 8:00-18:00 10M", "has no times"},
        {"mon 08:00 10M", "has no times"},
        {"mon 08:60-18:00 10M", "has no times"},
        {"mon 24:00-18:00 10M", "has no times"},
        {"mon 08:00-24:01 10M", "has no times"},
        {"mon 08:00-18:00", "has no times"},
        {"mon 08:00-18:00 ", "has no rate"},
        {"mon 08:00-18:00 fast", "has no rate"},
        {"mon 08:00-18:00 0", "has no rate"},
        {"mon 08:00-18:00 10 MB/s", "has no rate"},
        {"mon 08:00-18:00 99999999999 Gbit/s", "has no rate"},
        {"mon 08:00-18:00 8191", "not between 8K"},
        {"mon 08:00-18:00 1 kbit/s", "not between 8K"},
        {"mon 08:00-18:00 2T", "not between 8K"},
        {"fri 23:00-01:00 1M", "overlaps 'sat 00:30-02:00 2M'"},
        {"sat 02:00-03:00                                                     1M", "longer than"},
    };
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        struct vr_bandwidth b = of("sat 00:30-02:00 2M");
        struct vr_err err = VR_ERR_INIT;
        assert_int_equal(vr_bandwidth_add(&b, rows[i].text, &err), -VR_E_INVALID);
        if (!strstr(vr_err_text(&err), rows[i].why)) {
            fail_msg("%s: %s", rows[i].text, vr_err_text(&err));
        }
        assert_int_equal(b.n, 1); /* as it was */
    }
}

static void test_too_many(void **state)
{
    struct vr_bandwidth b = {0};
    struct vr_err err = VR_ERR_INIT;
    char text[64];
    for (unsigned i = 0; i < VR_BANDWIDTH_WINDOWS_MAX; i++) {
        snprintf(text, sizeof(text), "mon %02u:00-%02u:00 1M", i, i + 1); /* they may touch */
        CHECK_OK(vr_bandwidth_add(&b, text, &err), &err);
    }
    assert_int_equal(vr_bandwidth_add(&b, "tue 00:00-01:00 1M", &err), -VR_E_LIMIT);
}

static void test_share(void **state)
{
    struct vr_bandwidth b = of("daily 00:00-00:00 8M"), none = of("daily 00:00-00:00 unlimited");
    const struct vr_bandwidth_window *w = &b.windows[0];
    assert_int_equal(vr_bandwidth_share(w, 1, 0), 8 << 20);
    assert_int_equal(vr_bandwidth_share(w, 0, 0), 8 << 20);
    assert_int_equal(vr_bandwidth_share(w, 4, 0), 2 << 20);
    assert_int_equal(vr_bandwidth_share(w, 4, 1 << 20), 1 << 20); /* the lower one */
    assert_int_equal(vr_bandwidth_share(w, 4, 9 << 20), 2 << 20);
    assert_int_equal(vr_bandwidth_share(&none.windows[0], 4, 5), 5);
    assert_int_equal(vr_bandwidth_share(NULL, 4, 5), 5);
    assert_int_equal(vr_bandwidth_share(NULL, 4, 0), 0);
}

/* As the daemon asks: the local time of now, at every minute of the nights clocks change. */
static unsigned minutes_in(const struct vr_bandwidth *b, time_t from, time_t to)
{
    unsigned n = 0;
    for (time_t t = from; t < to; t += 60) {
        struct tm tm;
        assert_non_null(localtime_r(&t, &tm));
        uint32_t day_s = (uint32_t)(tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec);
        n += vr_bandwidth_at(b, (unsigned)tm.tm_wday, day_s) ? 1 : 0;
    }
    return n;
}

static void test_clocks_change(void **state)
{
    /* In Berlin 2026-03-29 02:00 became 03:00, and 2026-10-25 03:00 becomes 02:00: Sundays. */
    const time_t spring = 1774738800, autumn = 1792875600, day = 86400; /* those nights */
    setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    tzset();
    struct vr_bandwidth skipped = of("sun 02:00-03:00 1M"), night = of("sat 22:00-06:00 1M");
    struct vr_bandwidth whole = of("sun 00:00-24:00 1M");
    assert_int_equal(minutes_in(&skipped, spring, spring + day), 0);
    assert_int_equal(minutes_in(&skipped, spring + 7 * day, spring + 8 * day), 60);
    assert_int_equal(minutes_in(&skipped, autumn, autumn + day), 120);
    assert_int_equal(minutes_in(&night, spring - 4 * 3600, spring + day), 7 * 60);
    assert_int_equal(minutes_in(&night, autumn - 4 * 3600, autumn + day), 9 * 60);
    assert_int_equal(minutes_in(&whole, spring - day, spring + 2 * day), 23 * 60);
    assert_int_equal(minutes_in(&whole, autumn - day, autumn + 2 * day), 25 * 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_rates),    T(test_times), T(test_refused),
                                       T(test_too_many), T(test_share), T(test_clocks_change)};
    return RUN(tests);
}
