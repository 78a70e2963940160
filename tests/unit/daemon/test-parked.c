/* SPDX-License-Identifier: Apache-2.0 */
/* Connections kept for a transfer, as links in memory: whose they are, how many, how long. */
#include "daemon/parked.h"

#include <unistd.h>

#include "daemon/session.h"
#include "tests/lib/check.h"
#include "util/vtime.h"

static struct vr_err err;
static struct parked p;

/* Parks one end, returns the other. */
static struct link *park(const char *point, const char *identity)
{
    struct link *a, *b;
    CHECK_OK(link_loop_new(&a, &b, &err), &err);
    parked_put(&p, a, NULL, point, identity);
    return b;
}

static bool is_open(struct link *l)
{
    uint8_t type;
    const uint8_t *data;
    size_t len;
    return link_recv(l, &type, &data, &len, NULL) == 0;
}

static void test_only_for_the_same_host(void **state)
{
    static int other; /* certificates: only compared */
    struct link *far = park("h2:1", "h2");
    assert_null(parked_take(&p, NULL, "h3:1", "h2"));
    assert_null(parked_take(&p, NULL, "h2:1", "h3"));
    assert_null(parked_take(&p, (const struct tls_creds *)&other, "h2:1", "h2"));
    struct link *near = parked_take(&p, NULL, "h2:1", "h2");
    assert_non_null(near);
    assert_null(parked_take(&p, NULL, "h2:1", "h2")); /* once */
    assert_true(is_open(far));
    link_close(near);
    assert_false(is_open(far));
    link_close(far);
}

static void test_no_more_than_there_are_places(void **state)
{
    struct link *far[PARKED_MAX + 1];
    for (size_t i = 0; i <= PARKED_MAX; i++) {
        far[i] = park("h2:1", "h2");
        assert_int_equal(is_open(far[i]), i < PARKED_MAX);
    }
    parked_close_all(&p);
    for (size_t i = 0; i <= PARKED_MAX; i++) {
        assert_false(is_open(far[i]));
        link_close(far[i]);
    }
    assert_true(parked_tick(&p) == UINT64_MAX);
}

static void test_time_is_up(void **state)
{
    struct link *far = park("h2:1", "h2");
    uint64_t next = parked_tick(&p);
    assert_true(next > vr_wall_us() - 1000000 &&
                next <= vr_wall_us() + SESSION_PARK_MS * UINT64_C(1000));
    assert_true(is_open(far));
    p.slot[0].until_ms = vr_mono_ms(); /* instead of waiting */
    assert_null(parked_take(&p, NULL, "h2:1", "h2"));
    assert_true(parked_tick(&p) == UINT64_MAX);
    assert_false(is_open(far));
    link_close(far);
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_only_for_the_same_host),
                                       T(test_no_more_than_there_are_places), T(test_time_is_up)};
    return RUN(tests);
}
