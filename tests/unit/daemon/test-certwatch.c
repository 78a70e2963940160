/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/certwatch.h"
#include "tests/lib/check.h"

#define DAY CERTWATCH_DAY_US
#define T0 (20000 * DAY)

static void test_silent_until_thirty_days_before(void **state)
{
    struct certwatch w = {0};
    int days;
    uint64_t next, now = T0, end = T0 + 100 * DAY;
    unsigned asked = 0;
    while (!certwatch_due(&w, end, now, &days, &next)) {
        assert_true(next > now && next - now <= DAY);
        now = next;
        assert_true(++asked < 200);
    }
    assert_int_equal(days, CERTWATCH_DAYS);
    assert_true(end - now == CERTWATCH_DAYS * DAY); /* neither before nor after */
}

static void test_once_a_day_and_after_the_end(void **state)
{
    struct certwatch w = {0};
    int days;
    uint64_t next, end = T0 + 2 * DAY + 5;
    assert_true(certwatch_due(&w, end, T0, &days, &next));
    assert_int_equal(days, 2);
    assert_false(certwatch_due(&w, end, T0 + DAY - 1, &days, &next));
    assert_true(next == T0 + DAY);
    assert_true(certwatch_due(&w, end, T0 + DAY, &days, &next));
    assert_true(certwatch_due(&w, end, T0 + 3 * DAY, &days, &next));
    assert_int_equal(days, -1);
}

static void test_a_new_certificate_starts_anew_and_a_clock_may_jump_back(void **state)
{
    struct certwatch w = {0};
    int days;
    uint64_t next;
    assert_true(certwatch_due(&w, T0 + DAY, T0, &days, &next));
    assert_false(certwatch_due(&w, T0 + 700 * DAY, T0 + 1, &days, &next));
    assert_true(certwatch_due(&w, T0 + DAY, T0 + 2, &days, &next));
    assert_true(certwatch_due(&w, T0 + DAY, T0 - 10 * DAY, &days, &next));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_silent_until_thirty_days_before), T(test_once_a_day_and_after_the_end),
        T(test_a_new_certificate_starts_anew_and_a_clock_may_jump_back)};
    return RUN(tests);
}
