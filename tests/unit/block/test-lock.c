/* SPDX-License-Identifier: Apache-2.0 */
/* Our locks against real QEMU tools, in both directions. */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "block/lock.h"
#include "tests/lib/check.h"

static char dir[] = "/tmp/vr-lock-XXXXXX";
static char raw[64], qcow2[64];

static int run(const char *cmd, const char *arg)
{
    char line[512];
    snprintf(line, sizeof line, "%s %s", cmd, arg);
    int status = system(line);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int open_fd(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static bool qemu_opens(const char *options, const char *path)
{
    char cmd[256];
    snprintf(cmd, sizeof cmd, "! qemu-io %s -c quit %s 2>&1 | grep -q lock", options, path);
    return run(cmd, "") == 0;
}

static pid_t start(const char *const *argv)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    return pid;
}

static void stop(pid_t pid)
{
    kill(pid, SIGTERM);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* The other program needs a moment until it holds its lock. */
static int lock_until_busy(int fd, enum image_lock_mode mode, struct vr_err *err)
{
    int r = 0;
    for (int i = 0; i < 500 && r == 0; i++) {
        r = image_lock(fd, mode, "disk.img", err);
        image_unlock(fd);
        usleep(10000);
    }
    return r;
}

static void test_read_lock_keeps_writers_out(void **state)
{
    struct vr_err err;
    int a = open_fd(raw), b = open_fd(raw), q = open_fd(qcow2);
    assert_true(qemu_opens("-f raw", raw));
    CHECK_OK(image_lock(a, IMAGE_LOCK_READ, raw, &err), &err);
    CHECK_OK(image_lock(b, IMAGE_LOCK_READ, raw, &err), &err);
    CHECK_OK(image_lock(q, IMAGE_LOCK_READ, qcow2, &err), &err);
    assert_false(qemu_opens("-f raw", raw));
    assert_true(qemu_opens("-r -f raw", raw));
    assert_false(qemu_opens("-f qcow2", qcow2));
    assert_true(qemu_opens("-r -f qcow2", qcow2));
    image_unlock(a);
    assert_false(qemu_opens("-f raw", raw));
    close(b);
    assert_true(qemu_opens("-f raw", raw));
    close(a);
    close(q);
}

static void test_exclusive_lock_keeps_all_out(void **state)
{
    struct vr_err err;
    int a = open_fd(qcow2), b = open_fd(qcow2), c = open_fd(raw);
    CHECK_OK(image_lock(a, IMAGE_LOCK_EXCLUSIVE, qcow2, &err), &err);
    CHECK_OK(image_lock(c, IMAGE_LOCK_EXCLUSIVE, raw, &err), &err);
    assert_false(qemu_opens("-f qcow2", qcow2));
    assert_false(qemu_opens("-r -f qcow2", qcow2));
    assert_false(qemu_opens("-f raw", raw));
    CHECK_FAILS(image_lock(b, IMAGE_LOCK_READ, "b.qcow2", &err), &err, VR_E_BUSY, "'b.qcow2'");
    CHECK_FAILS(image_lock(b, IMAGE_LOCK_EXCLUSIVE, "b", &err), &err, VR_E_BUSY, "QEMU");
    close(a);
    assert_true(qemu_opens("-f qcow2", qcow2)); /* the refused ones left nothing on b */
    close(b);
    close(c);
}

static void test_reader_blocks_exclusive_only(void **state)
{
    struct vr_err err;
    int a = open_fd(raw), b = open_fd(raw);
    CHECK_OK(image_lock(a, IMAGE_LOCK_READ, raw, &err), &err);
    CHECK_FAILS(image_lock(b, IMAGE_LOCK_EXCLUSIVE, "r", &err), &err, VR_E_BUSY, "'r'");
    CHECK_OK(image_lock(b, IMAGE_LOCK_READ, raw, &err), &err);
    close(a);
    close(b);
}

static void test_qemu_writer_is_seen(void **state)
{
    struct vr_err err;
    int fd = open_fd(raw);
    const char *argv[] = {"qemu-io", "-f", "raw", "-c", "sleep 20000", raw, NULL};
    pid_t pid = start(argv);
    assert_int_equal(lock_until_busy(fd, IMAGE_LOCK_READ, &err), -VR_E_BUSY);
    CHECK_FAILS(image_lock(fd, IMAGE_LOCK_EXCLUSIVE, "w", &err), &err, VR_E_BUSY, "'w'");
    stop(pid);
    CHECK_OK(image_lock(fd, IMAGE_LOCK_EXCLUSIVE, raw, &err), &err);
    close(fd);
}

static void test_qemu_nbd_reader_is_seen(void **state)
{
    struct vr_err err;
    char sock[64];
    snprintf(sock, sizeof sock, "%s/s", dir);
    int fd = open_fd(qcow2);
    const char *argv[] = {"qemu-nbd", "-t", "-r", "-f", "qcow2", "-k", sock, qcow2, NULL};
    pid_t pid = start(argv);
    assert_int_equal(lock_until_busy(fd, IMAGE_LOCK_EXCLUSIVE, &err), -VR_E_BUSY);
    CHECK_OK(image_lock(fd, IMAGE_LOCK_READ, qcow2, &err), &err);
    stop(pid);
    close(fd);
    unlink(sock);
}

static int set_up(void **state)
{
    if (!mkdtemp(dir)) {
        return -1;
    }
    snprintf(raw, sizeof raw, "%s/a.raw", dir);
    snprintf(qcow2, sizeof qcow2, "%s/a.qcow2", dir);
    return run("qemu-img create -q -f raw -o size=1M", raw) |
           run("qemu-img create -q -f qcow2 -o size=1M", qcow2);
}

static int tear_down(void **state)
{
    unlink(raw);
    unlink(qcow2);
    return rmdir(dir);
}

int main(void)
{
    if (run("for t in qemu-io qemu-nbd qemu-img; do command -v $t || exit 1; done", ">/dev/null") !=
        0) {
        return 77;
    }
    const struct CMUnitTest tests[] = {
        T(test_read_lock_keeps_writers_out), T(test_exclusive_lock_keeps_all_out),
        T(test_reader_blocks_exclusive_only), T(test_qemu_writer_is_seen),
        T(test_qemu_nbd_reader_is_seen)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
