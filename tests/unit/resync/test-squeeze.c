/* SPDX-License-Identifier: Apache-2.0 */
/* When compressing pays, on made-up links with a clock made by hand. */
#include "resync/squeeze.h"
#include "tests/lib/check.h"
#include "util/num.h"

#define PIECE (256u << 10)
#define MIB_US(mib_s) (1000000u / 4 / (mib_s)) /* of one piece at this rate */

struct line {
    uint64_t link_us;    /* a piece raw on the link; half of it compressed */
    uint64_t squeeze_us; /* compressing a piece */
    uint64_t other_us;   /* reading, digests */
    uint64_t buffer_us;  /* how far the link may lag before anybody sees it */
    uint64_t now, busy_until;
    uint64_t raw, squeezed; /* pieces sent */
};

static void send_mib(struct line *l, struct squeeze *q, unsigned mib)
{
    for (unsigned i = 0; i < mib * 4; i++) {
        if (l->busy_until > l->now + l->buffer_us) {
            squeeze_held_up(q);
            l->now = l->busy_until - l->buffer_us;
        }
        bool wanted = squeeze_wanted(q);
        uint64_t spent = wanted ? l->squeeze_us : 0;
        l->now += l->other_us + spent;
        l->busy_until = VR_MAX(l->busy_until, l->now) + (wanted ? l->link_us / 2 : l->link_us);
        l->raw += !wanted;
        l->squeezed += wanted;
        squeeze_sent(q, PIECE, spent, l->now);
    }
}

static struct line line(unsigned link_mib_s, unsigned squeeze_mib_s, unsigned other_mib_s)
{
    return (struct line){.link_us = MIB_US(link_mib_s),
                         .squeeze_us = MIB_US(squeeze_mib_s),
                         .other_us = MIB_US(other_mib_s),
                         .buffer_us = 40000,
                         .now = 1000000};
}

static void test_slow_link_is_always_compressed_for(void **state)
{
    struct squeeze q = {0};
    struct line l = line(100, 400, 2000);
    send_mib(&l, &q, 4096);
    assert_int_equal(l.raw, 0);
}

static void test_fast_link_is_not_slowed_down(void **state)
{
    struct squeeze q = {0};
    struct line l = line(4000, 400, 2000);
    send_mib(&l, &q, 63); /* the first window: as always */
    assert_int_equal(l.raw, 0);
    send_mib(&l, &q, 4096);
    assert_int_equal(l.squeezed * PIECE / VR_MIB, 64);
}

static void test_cheap_compression_stays(void **state)
{
    struct squeeze q = {0};
    struct line l = line(4000, 400, 20); /* few differences: reading is what takes the time */
    send_mib(&l, &q, 1024);
    assert_int_equal(l.raw, 0);
}

static void test_transfer_that_becomes_slow_itself(void **state)
{
    struct squeeze q = {0};
    struct line l = line(4000, 400, 2000);
    send_mib(&l, &q, 256);
    assert_true(l.raw > 0);
    l.other_us = MIB_US(20); /* fewer differences from here on: there is time to spare */
    uint64_t before = l.raw;
    send_mib(&l, &q, 1024);
    assert_true((l.raw - before) * PIECE / VR_MIB <= 64);
}

static void test_link_that_becomes_slow(void **state)
{
    struct squeeze q = {0};
    struct line l = line(4000, 400, 2000);
    send_mib(&l, &q, 128);
    assert_true(l.raw > 0);
    l.link_us = MIB_US(100);
    uint64_t before = l.raw;
    send_mib(&l, &q, 1024);
    /* Noticed within a few MiB, not after a window. */
    assert_true((l.raw - before) * PIECE / VR_MIB <= 16);
}

static void test_link_that_becomes_fast(void **state)
{
    struct squeeze q = {0};
    struct line l = line(100, 400, 2000);
    send_mib(&l, &q, 256);
    l.link_us = MIB_US(4000);
    send_mib(&l, &q, 256);
    assert_true(l.raw > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_slow_link_is_always_compressed_for),
                                       T(test_fast_link_is_not_slowed_down),
                                       T(test_cheap_compression_stays),
                                       T(test_transfer_that_becomes_slow_itself),
                                       T(test_link_that_becomes_slow),
                                       T(test_link_that_becomes_fast)};
    return RUN(tests);
}
