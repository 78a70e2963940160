/* SPDX-License-Identifier: Apache-2.0 */
/* Reading that gives way to a guest's writes: when, how far, and back again. */
#include "model/ease.h"
#include "tests/lib/check.h"
#include "util/num.h"

#define MS 1000ull

/* Writes take 2 ms else; four times that is the limit: 8 ms, and 6 ms are too long already. */
static struct ease begun(void)
{
    struct ease e;
    ease_begin(&e, 4, 2 * MS);
    return e;
}

static void look(struct ease *e, unsigned looks, uint64_t latency_us)
{
    for (unsigned i = 0; i < looks; i++) {
        ease_look(e, 50, 50 * latency_us);
    }
}

static void test_rises_at_once_and_falls_slowly(void **state)
{
    struct ease e = begun();
    look(&e, 10, 6 * MS);
    assert_int_equal(e.level, 0);
    look(&e, 1, 6 * MS + 1);
    assert_int_equal(e.level, 1);
    look(&e, 2, 20 * MS);
    assert_int_equal(e.level, 3);
    assert_int_equal(e.times, 3);
    assert_int_equal(e.latency_us, 20 * MS);
    look(&e, EASE_CALM - 1, 2 * MS);
    assert_int_equal(e.level, 3);
    look(&e, 1, 2 * MS);
    assert_int_equal(e.level, 2);
    look(&e, 2 * EASE_CALM, 2 * MS);
    assert_int_equal(e.level, 0);
    look(&e, 100, 2 * MS);
    assert_int_equal(e.level, 0);
    assert_int_equal(e.times, 3); /* how often, not how far down */
}

/* Near the limit nothing swings: 5 ms of 8 is neither too long nor calm. */
static void test_holds_near_the_limit(void **state)
{
    struct ease e = begun();
    look(&e, 1, 9 * MS);
    look(&e, 100, 5 * MS);
    assert_int_equal(e.level, 1);
    look(&e, EASE_CALM, 4 * MS);
    assert_int_equal(e.level, 0);
}

/* Few writes are gathered for a second before they are judged. */
static void test_few_writes_are_gathered(void **state)
{
    struct ease e = begun();
    for (unsigned i = 0; i + 1 < EASE_LOOKS; i++) {
        ease_look(&e, 2, 40 * MS);
    }
    assert_int_equal(e.level, 0);
    assert_int_equal(e.latency_us, 0);
    ease_look(&e, 2, 40 * MS);
    assert_int_equal(e.level, 1);
    assert_int_equal(e.latency_us, 20 * MS);
    ease_look(&e, EASE_WRITES_MANY, EASE_WRITES_MANY * 30 * MS);
    assert_int_equal(e.level, 2);
    assert_int_equal(e.latency_us, 30 * MS);
}

static void test_begins_slow(void **state)
{
    struct ease e = begun();
    assert_false(e.gentle);
    ease_start_slow(&e);
    assert_int_equal(e.level, EASE_LEVEL_FIRST);
    assert_true(e.gentle);
    look(&e, EASE_LEVEL_FIRST * EASE_CALM, 2 * MS);
    assert_int_equal(e.level, 0);
    assert_true(e.gentle); /* as long as it writes */
    for (unsigned i = 0; i < EASE_LOOKS; i++) {
        ease_look(&e, 0, 0);
    }
    assert_false(e.gentle);
    assert_int_equal(e.times, 0);
    ease_begin(&e, 0, 2 * MS);
    ease_start_slow(&e);
    look(&e, 10, 1000 * MS);
    assert_int_equal(e.level, 0);
    assert_false(e.gentle);
}

static void test_bounded(void **state)
{
    struct ease e = begun();
    look(&e, 100, 1000 * MS);
    assert_int_equal(e.level, EASE_LEVEL_MAX);
    assert_int_equal(e.times, EASE_LEVEL_MAX);
    ease_look(&e, 1, UINT64_MAX); /* one write says nothing */
    for (unsigned i = 1; i < EASE_LOOKS; i++) {
        ease_look(&e, 0, 0);
    }
    assert_int_equal(e.latency_us, 1000 * MS);
    for (unsigned i = 0; i < EASE_LEVEL_MAX * EASE_CALM; i++) {
        ease_look(&e, 0, 0); /* a guest that does not write is not slowed down */
    }
    assert_int_equal(e.level, 0);
}

static void test_floor_and_switch(void **state)
{
    struct ease e;
    ease_begin(&e, 4, 10); /* 10 us: a cache. 40 would be too long for nobody */
    look(&e, 10, EASE_FLOOR_US / 4 * 3);
    assert_int_equal(e.level, 0);
    look(&e, 1, EASE_FLOOR_US / 4 * 3 + 1);
    assert_int_equal(e.level, 1);
    ease_begin(&e, 4, 0); /* not known */
    look(&e, 1, EASE_FLOOR_US + 1);
    assert_int_equal(e.level, 1);
    ease_begin(&e, 0, 2 * MS);
    look(&e, 10, 1000 * MS);
    assert_int_equal(e.level, 0);
    assert_int_equal(e.latency_us, 1000 * MS); /* told all the same */
    ease_begin(&e, 100, UINT64_MAX);
    look(&e, 1, 1000 * MS);
    assert_int_equal(e.level, 0);
}

static void test_rest(void **state)
{
    assert_int_equal(ease_rest_us(0, 1000), 0);
    assert_int_equal(ease_rest_us(1, 1000), 1000);
    assert_int_equal(ease_rest_us(2, 1000), 3000);
    assert_int_equal(ease_rest_us(EASE_LEVEL_MAX, 1000), 31000);
    assert_int_equal(ease_rest_us(99, 1000), 31000);
}

/* Counters of a guest that go on: writes, and how long each took. */
struct counters {
    uint64_t n, us;
};

static void write_on(struct counters *c, uint64_t n, uint64_t latency_us)
{
    c->n += n;
    c->us += n * latency_us;
}

static uint64_t ends(struct ease_quiet *q, const struct counters *c)
{
    return ease_quiet_end(q, 1, c->n, c->us);
}

/* What transfers did to the writes is in the counters for ever, and not in the baseline. */
static void test_transfers_are_not_the_baseline(void **state)
{
    struct ease_quiet q = {0};
    struct counters c = {0};
    write_on(&c, 1000, 2 * MS);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(ends(&q, &c), 2 * MS);
        write_on(&c, 5000, 40 * MS);
        ease_quiet_begin(&q, 1, c.n, c.us);
        write_on(&c, 200, 2 * MS);
    }
    assert_true(c.us / c.n > 35 * MS);
}

/* Begun by a daemon that does not know what there was before. */
static void test_first_period_may_be_wrong(void **state)
{
    struct ease_quiet q = {0};
    struct counters c = {0};
    write_on(&c, 5000, 40 * MS);
    assert_int_equal(ends(&q, &c), 40 * MS);
    ease_quiet_begin(&q, 1, c.n, c.us);
    write_on(&c, EASE_BASELINE_MIN, 3 * MS);
    assert_int_equal(ends(&q, &c), 3 * MS);
}

static void test_slower_is_believed_slowly(void **state)
{
    struct ease_quiet q = {0};
    struct counters c = {0};
    write_on(&c, 1000, 2 * MS);
    assert_int_equal(ends(&q, &c), 2 * MS);
    write_on(&c, 1000, 10 * MS);
    assert_int_equal(ends(&q, &c), 3 * MS);
    for (unsigned i = 0; i < 50; i++) {
        write_on(&c, 1000, 10 * MS);
        (void)ends(&q, &c);
    }
    assert_in_range(q.latency_us, 10 * MS - 50, 10 * MS);
    write_on(&c, 1000, 1 * MS);
    assert_int_equal(ends(&q, &c), 1 * MS);
}

/* Between transfers that follow each other at once there is little to learn from each. */
static void test_short_periods_are_gathered(void **state)
{
    struct ease_quiet q = {0};
    struct counters c = {0};
    for (unsigned i = 0; i < 2; i++) {
        write_on(&c, EASE_BASELINE_MIN / 2 - 1, 2 * MS);
        assert_int_equal(ends(&q, &c), 0);
        write_on(&c, 1000, 40 * MS);
        ease_quiet_begin(&q, 1, c.n, c.us);
    }
    write_on(&c, 2, 2 * MS);
    assert_int_equal(ends(&q, &c), 2 * MS);
    assert_int_equal(ends(&q, &c), 2 * MS); /* nothing new */
}

/* Another start of the guest: its counters begin anew, what is known of it stays. */
static void test_guest_starts_again(void **state)
{
    struct ease_quiet q = {0};
    assert_int_equal(ease_quiet_end(&q, 1, 1000, 1000 * 2 * MS), 2 * MS);
    ease_quiet_begin(&q, 1, 5000, 5000 * 40 * MS);
    assert_int_equal(ease_quiet_end(&q, 2, 6000, 6000 * 10 * MS), 3 * MS);
    ease_quiet_begin(&q, 2, 9000, 9000 * 40 * MS);
    assert_int_equal(ease_quiet_end(&q, 2, 100, 100 * MS), 1 * MS); /* the same number, fewer */
    assert_int_equal(ease_quiet_end(&q, 3, EASE_BASELINE_MIN - 1, 1), 1 * MS);
    ease_quiet_begin(&q, 4, 50, 50);
    assert_int_equal(q.short_n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_rises_at_once_and_falls_slowly),
                                       T(test_holds_near_the_limit),
                                       T(test_few_writes_are_gathered),
                                       T(test_begins_slow),
                                       T(test_bounded),
                                       T(test_floor_and_switch),
                                       T(test_rest),
                                       T(test_transfers_are_not_the_baseline),
                                       T(test_first_period_may_be_wrong),
                                       T(test_slower_is_believed_slowly),
                                       T(test_short_periods_are_gathered),
                                       T(test_guest_starts_again)};
    return RUN(tests);
}
