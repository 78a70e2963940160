/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "daemon/control.h"
#include "tests/lib/check.h"
#include "util/vtime.h"

static struct vr_err err;
static struct control *c;
static unsigned ran;
static char order[8];

static void note(void *arg)
{
    order[ran++ % sizeof order] = *(char *)arg;
}

static void stop(void *arg)
{
    control_stop(c);
}

static uint64_t tick(void *arg)
{
    return 0;
}

static void fresh(void)
{
    ran = 0;
    CHECK_OK(control_new(&c, &err), &err);
}

static void test_messages_keep_their_order(void **state)
{
    char a = 'a', b = 'b', d = 'd';
    struct control_msg msg = {.fn = note, .arg = &b};
    fresh();
    assert_true(control_post(c, note, &a));
    control_send(c, &msg);
    assert_true(control_post(c, note, &d));
    assert_true(control_post(c, stop, NULL));
    control_run(c, tick, NULL);
    assert_int_equal(ran, 3);
    assert_memory_equal(order, "abd", 3);
    control_free(c);
}

static void test_posts_are_bounded_and_sends_are_not(void **state)
{
    char a = 'a';
    struct control_msg msg = {.fn = stop};
    fresh();
    for (unsigned i = 0; i < CONTROL_POSTS_MAX; i++) {
        assert_true(control_post(c, note, &a));
    }
    assert_false(control_post(c, note, &a));
    control_send(c, &msg); /* a lane's end goes through */
    control_run(c, tick, NULL);
    assert_int_equal(ran, CONTROL_POSTS_MAX);
    assert_true(control_post(c, note, &a)); /* there is room again; freed with the mailbox */
    control_free(c);
}

static void *caller(void *arg)
{
    char x = 'x';
    control_call(c, note, &x);
    unsigned *seen = arg;
    *seen = ran; /* the call returned only after it ran */
    assert_true(control_post(c, stop, NULL));
    return NULL;
}

static void test_call_waits(void **state)
{
    pthread_t thread;
    unsigned seen = 0;
    fresh();
    assert_int_equal(pthread_create(&thread, NULL, caller, &seen), 0);
    control_run(c, tick, NULL);
    pthread_join(thread, NULL);
    assert_int_equal(seen, 1);
    control_free(c);
}

static void test_watched_descriptor(void **state)
{
    int fd = eventfd(1, EFD_CLOEXEC);
    fresh();
    CHECK_OK(control_watch(c, fd, stop, NULL, &err), &err);
    for (unsigned i = 1; i < CONTROL_FDS_MAX; i++) {
        CHECK_OK(control_watch(c, -1, stop, NULL, &err), &err);
    }
    CHECK_FAILS(control_watch(c, fd, stop, NULL, &err), &err, VR_E_LIMIT, "watched descriptors");
    control_run(c, tick, NULL);
    control_free(c);
    close(fd);
}

static uint64_t tick_soon(void *arg)
{
    unsigned *n = arg;
    if (++*n == 3) {
        control_stop(c);
    }
    return vr_wall_us() + 5000;
}

static void test_tick_comes_when_it_wants(void **state)
{
    unsigned n = 0;
    uint64_t start = vr_mono_ms();
    fresh();
    control_run(c, tick_soon, &n);
    assert_int_equal(n, 3);
    assert_in_range(vr_mono_ms() - start, 10, 900); /* not the second of an idle loop */
    control_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_messages_keep_their_order), T(test_posts_are_bounded_and_sends_are_not),
        T(test_call_waits), T(test_watched_descriptor), T(test_tick_comes_when_it_wants)};
    return RUN(tests);
}
