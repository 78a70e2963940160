/* SPDX-License-Identifier: Apache-2.0 */
/* What a QEMU tool inherits, and what it does not. */
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "block/child.h"
#include "block/dev.h"
#include "tests/lib/check.h"

static char path[] = "/tmp/vr-child-XXXXXX";

static int open_fd(void)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static struct child start_sleep(void)
{
    struct child c;
    struct vr_err err = VR_ERR_INIT;
    char name[] = "sleep", arg[] = "60";
    char *argv[] = {name, arg, NULL};
    CHECK_OK(child_start(&c, argv, &err), &err);
    return c;
}

static bool is_locked(void)
{
    int fd = open_fd();
    bool locked = flock(fd, LOCK_EX | LOCK_NB) < 0;
    close(fd);
    return locked;
}

/* As when the daemon is killed: its own descriptors are gone, the tool is not yet. */
static void test_lock_outlives_us(void **state)
{
    int fd = open_fd(), other = open_fd();
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    block_children_hold(fd);
    struct child c = start_sleep();
    assert_int_equal(flock(other, LOCK_EX | LOCK_NB), -1);
    assert_true(is_locked());
    close(other);
    close(fd);
    usleep(200000); /* its exec is over */
    assert_true(is_locked());
    child_stop(&c, 0);
    assert_false(is_locked());
    block_children_hold(-1);
}

static void test_nothing_else_is_inherited(void **state)
{
    int fd = open_fd();
    assert_int_equal(fcntl(fd, F_SETFD, 0), 0); /* as a careless library leaves it */
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    struct child c = start_sleep();
    close(fd);
    for (int i = 0; i < 3000 && is_locked(); i++) { /* until its exec */
        usleep(20000);
    }
    assert_false(is_locked());
    child_stop(&c, 0);
}

int main(void)
{
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    const struct CMUnitTest tests[] = {T(test_lock_outlives_us), T(test_nothing_else_is_inherited)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
