/* SPDX-License-Identifier: Apache-2.0 */
/* Our locks against real QEMU tools, in both directions. */
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
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
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    return pid;
}

/* By a signal that cannot be missed: qemu-nbd loses a SIGTERM that comes before its main loop. */
static void stop(pid_t pid)
{
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* The other program has its lock and goes on. Not to be found out by trying to lock: the program
 * would find the image in use at that moment, and give up. */
static void await_other(pid_t pid, bool (*is_there)(const char *), const char *path)
{
    bool there = false;
    for (int i = 0; i < 6000 && !(there = is_there(path)); i++) {
        assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
        usleep(10000);
    }
    assert_true(there);
}

/* qemu-io wrote, so it has the lock. */
static bool is_written(const char *path)
{
    char byte = 0;
    int fd = open_fd(path);
    assert_int_equal(pread(fd, &byte, 1, 0), 1);
    close(fd);
    return byte == 7;
}

/* qemu-nbd greets, so it has opened the image. */
static bool is_greeting(const char *path)
{
    char magic[8] = "";
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    snprintf(un.sun_path, sizeof un.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    bool greets = connect(fd, (struct sockaddr *)&un, sizeof un) == 0 &&
                  recv(fd, magic, sizeof magic, MSG_WAITALL) == (ssize_t)sizeof magic;
    close(fd);
    return greets && memcmp(magic, "NBDMAGIC", sizeof magic) == 0;
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
    const char *argv[] = {"qemu-io", "-f",           "raw", "-c", "write -q -P 7 0 512",
                          "-c",      "sleep 600000", raw,   NULL};
    pid_t pid = start(argv);
    await_other(pid, is_written, raw);
    CHECK_FAILS(image_lock(fd, IMAGE_LOCK_READ, "w", &err), &err, VR_E_BUSY, "'w'");
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
    await_other(pid, is_greeting, sock);
    CHECK_FAILS(image_lock(fd, IMAGE_LOCK_EXCLUSIVE, "n", &err), &err, VR_E_BUSY, "'n'");
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
