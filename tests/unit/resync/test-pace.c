/* SPDX-License-Identifier: Apache-2.0 */
/* What a bandwidth limit lets out, against a clock made by hand. */
#include "resync/pace.h"
#include "tests/lib/check.h"
#include "util/num.h"

#define SECOND 1000000u
#define START 1234567890123456u
#define HISTORY (1u << 18)

static uint32_t state = 1;

static uint32_t next_random(uint32_t below)
{
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % below;
}

struct sent {
    uint64_t at_us, bytes;
};

/* A sender that always has something, woken up to late_us too late. */
static size_t send_for(struct pace *p,
                       uint64_t *now,
                       uint64_t us,
                       uint32_t message,
                       uint32_t late_us,
                       struct sent *ret)
{
    uint64_t end = *now + us;
    size_t n = 0;
    while (*now < end) {
        while (pace_wait_us(p, *now) == 0) {
            assert_true(n < HISTORY);
            uint64_t bytes = 1 + next_random(message);
            pace_spend(p, bytes, *now);
            ret[n++] = (struct sent){*now, bytes};
        }
        *now += pace_wait_us(p, *now) + next_random(late_us + 1);
    }
    return n;
}

static uint64_t sum(const struct sent *s, size_t n)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < n; i++) {
        bytes += s[i].bytes;
    }
    return bytes;
}

/* The most that went out within any span of time. */
static uint64_t peak(const struct sent *s, size_t n, uint64_t us)
{
    uint64_t most = 0, bytes = 0;
    for (size_t i = 0, from = 0; i < n; i++) {
        bytes += s[i].bytes;
        while (s[i].at_us - s[from].at_us > us) {
            bytes -= s[from++].bytes;
        }
        most = VR_MAX(most, bytes);
    }
    return most;
}

static void check_rate(uint64_t bytes_s, uint32_t message, uint32_t late_us)
{
    static struct sent s[HISTORY];
    struct pace p;
    uint64_t now = START, from = now;
    pace_set(&p, bytes_s, now);
    size_t n = send_for(&p, &now, 20 * SECOND, message, late_us, s);
    uint64_t bytes = sum(s, n), fair = bytes_s * (now - from) / SECOND;
    assert_true(bytes <= fair + message);
    assert_true(bytes + message >= fair - fair / 20);
    assert_true(peak(s, n, SECOND) <= bytes_s + bytes_s / 10 + 2 * message);
}

static void test_the_rate_is_kept(void **unused)
{
    check_rate(100000, 1000, 0);
    check_rate(100000, 1000, 30000);   /* woken 30 ms too late now and then */
    check_rate(100000, 100, 90000);    /* and 90 ms */
    check_rate(10 << 20, 26214, 5000); /* pieces as pace_piece gives them */
    check_rate(100003, 31, 0);         /* small frames: rounding must not let them out free */
    check_rate(2048, 4096, 1000);      /* one message pays for seconds */
}

static void test_idle_time_is_not_saved_up(void **unused)
{
    static struct sent s[HISTORY];
    struct pace p;
    uint64_t now = START;
    pace_set(&p, 1000000, now);
    now += 3600ull * SECOND;
    size_t n = send_for(&p, &now, SECOND, 1000, 0, s);
    assert_true(sum(s, n) <= 1000000 + 100000 + 2000);
}

static void test_changed_while_it_runs(void **unused)
{
    static struct sent s[HISTORY];
    struct pace p;
    uint64_t now = START;
    pace_set(&p, 0, now);
    pace_spend(&p, 1ull << 40, now);
    assert_int_equal(pace_wait_us(&p, now), 0);
    pace_set(&p, 1000, now); /* what went out before does not count */
    assert_int_equal(pace_wait_us(&p, now), 0);
    pace_spend(&p, 1000000, now);
    assert_int_equal(pace_wait_us(&p, now), 1000ull * SECOND);
    pace_set(&p, 500000, now);
    size_t n = send_for(&p, &now, 10 * SECOND, 1000, 0, s);
    assert_in_range(sum(s, n), 4900000, 5100000);
    pace_spend(&p, 500000000, now); /* a thousand seconds */
    now -= 3600ull * SECOND;        /* the clock is set back */
    assert_int_equal(pace_wait_us(&p, now), 0);
    pace_spend(&p, 500000, now);
    assert_in_range(pace_wait_us(&p, now), SECOND, SECOND);
}

static void test_pieces_are_no_bursts(void **unused)
{
    struct pace p;
    pace_set(&p, 0, START);
    assert_int_equal(pace_piece(&p, 4096, 262144), 262144);
    pace_set(&p, 1 << 20, START);
    assert_int_equal(pace_piece(&p, 4096, 262144), 25 * 4096);
    pace_set(&p, 100, START);
    assert_int_equal(pace_piece(&p, 4096, 262144), 4096);
    pace_set(&p, 1ull << 40, START);
    assert_int_equal(pace_piece(&p, 4096, 262144), 262144);
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_the_rate_is_kept), T(test_idle_time_is_not_saved_up),
                                       T(test_changed_while_it_runs), T(test_pieces_are_no_bursts)};
    return RUN(tests);
}
