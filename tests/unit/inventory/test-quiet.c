/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of VMs between their transfers: of each its own, and of so many. */
#include "inventory/quiet.h"
#include "tests/lib/check.h"

#define WRITES 1000u

static struct vr_uuid vm(unsigned n)
{
    return (struct vr_uuid){.b = {(uint8_t)n, (uint8_t)(n >> 8), 1}};
}

/* 0: nothing is known */
static uint64_t known(struct quiet *q, unsigned n)
{
    struct vr_uuid id = vm(n);
    return quiet_end(q, &id, 1, 0, 0);
}

static void learn(struct quiet *q, unsigned n, uint64_t latency_us)
{
    struct vr_uuid id = vm(n);
    assert_int_equal(quiet_end(q, &id, 1, WRITES, WRITES * latency_us), latency_us);
    quiet_begin(q, &id, 1, 2 * WRITES, 2 * WRITES * 90000);
}

static void test_each_has_its_own(void **state)
{
    struct quiet *q;
    assert_int_equal(quiet_new(&q, NULL), 0);
    learn(q, 1, 2000);
    learn(q, 2, 5000);
    assert_int_equal(known(q, 1), 2000);
    assert_int_equal(known(q, 2), 5000);
    assert_int_equal(known(q, 3), 0);
    quiet_free(q);
    quiet_free(NULL);
}

static void test_the_oldest_gives_way(void **state)
{
    struct quiet *q;
    assert_int_equal(quiet_new(&q, NULL), 0);
    for (unsigned i = 0; i < QUIET_MAX; i++) {
        learn(q, i, 1000 + i);
    }
    assert_int_equal(known(q, 0), 1000); /* looked at: 1 is the oldest now */
    learn(q, QUIET_MAX, 7000);
    assert_int_equal(known(q, 0), 1000);
    assert_int_equal(known(q, QUIET_MAX), 7000);
    assert_int_equal(known(q, QUIET_MAX - 1), 1000 + QUIET_MAX - 1);
    assert_int_equal(known(q, 1), 0);
    quiet_free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_each_has_its_own), T(test_the_oldest_gives_way)};
    return RUN(tests);
}
