/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block/stor.h"
#include "block/stor_dir.h"
#include "tests/lib/check.h"
#include "util/num.h"

static char dir[64];
static struct stor *stor;

static const char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/deep/%s", dir, name);
    return path;
}

static void remove_one(const char *name, void *ctx)
{
    struct vr_err err;
    CHECK_OK(stor_unlink(stor, name, &err), &err);
}

static int fresh(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    snprintf(dir, sizeof dir, "/tmp/vr-stor-XXXXXX");
    assert_non_null(mkdtemp(dir));
    CHECK_OK(stor_dir_open(path_of(""), true, dir, &stor, &err), &err);
    return 0;
}

static int gone(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    CHECK_OK(stor_list(stor, remove_one, NULL, &err), &err);
    stor_close(stor);
    rmdir(path_of(""));
    return rmdir(dir);
}

static void test_names(void **state)
{
    struct vr_err err;
    char *text = NULL;
    char longest[300];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    const char *bad[] = {"", ".", "..", "../x", "a/b", "/etc/passwd", longest};
    for (size_t i = 0; i < VR_COUNT(bad); i++) {
        CHECK_FAILS(stor_read(stor, bad[i], 10, &text, NULL, &err), &err, VR_E_INVALID, "name");
        CHECK_FAILS(stor_replace(stor, bad[i], "", 0, &err), &err, VR_E_INVALID, "name");
        CHECK_FAILS(stor_rename(stor, "ok", bad[i], &err), &err, VR_E_INVALID, "name");
        CHECK_FAILS(stor_unlink(stor, bad[i], &err), &err, VR_E_INVALID, "name");
        assert_false(stor_exists(stor, bad[i]));
    }
}

static void count(const char *name, void *ctx)
{
    assert_string_equal(name, "a");
    ++*(int *)ctx;
}

static void test_replace_and_read(void **state)
{
    struct vr_err err;
    char *text = NULL;
    size_t n = 0;
    struct stat st;
    int listed = 0;
    CHECK_FAILS(stor_read(stor, "a", 10, &text, &n, &err), &err, VR_E_NOT_FOUND, "'a'");
    CHECK_OK(stor_replace(stor, "a", "first", 5, &err), &err);
    CHECK_OK(stor_replace(stor, "a", "second", 6, &err), &err);
    CHECK_OK(stor_read(stor, "a", 6, &text, &n, &err), &err);
    assert_string_equal(text, "second");
    assert_int_equal(n, 6);
    free(text);
    CHECK_FAILS(stor_read(stor, "a", 5, &text, &n, &err), &err, VR_E_LIMIT, "larger than 5");
    assert_int_equal(stat(path_of("a"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    CHECK_OK(stor_list(stor, count, &listed, &err), &err);
    assert_int_equal(listed, 1);
    assert_int_equal(symlink("/etc/hostname", path_of("link")), 0);
    CHECK_FAILS(stor_read(stor, "link", 4096, &text, &n, &err), &err, VR_E_IO, "link");
    CHECK_OK(stor_rename(stor, "a", "b", &err), &err);
    assert_false(stor_exists(stor, "a"));
    assert_true(stor_exists(stor, "b"));
    CHECK_OK(stor_unlink(stor, "b", &err), &err);
    CHECK_OK(stor_unlink(stor, "b", &err), &err);
    CHECK_OK(stor_sync_dir(stor, &err), &err);
}

static void test_log_file(void **state)
{
    struct vr_err err;
    struct stor_file *f = NULL;
    char buf[16] = {0};
    size_t n = 0;
    CHECK_FAILS(stor_open(stor, "log", false, &f, &err), &err, VR_E_NOT_FOUND, "log");
    CHECK_OK(stor_open(stor, "log", true, &f, &err), &err);
    CHECK_OK(stor_file_append(f, "hello ", 6, &err), &err);
    CHECK_OK(stor_file_append(f, "world", 5, &err), &err);
    CHECK_OK(stor_file_sync(f, &err), &err);
    assert_int_equal(stor_file_size(f), 11);
    CHECK_OK(stor_file_read(f, buf, sizeof buf, 6, &n, &err), &err);
    assert_int_equal(n, 5);
    assert_memory_equal(buf, "world", 5);
    CHECK_OK(stor_file_read(f, buf, 4, 11, &n, &err), &err);
    assert_int_equal(n, 0);
    CHECK_OK(stor_file_truncate(f, 6, &err), &err);
    CHECK_OK(stor_file_reserve(f, 1 << 20, &err), &err);
    assert_int_equal(stor_file_size(f), 6);
    uint64_t space = 0;
    CHECK_OK(stor_free_bytes(stor, &space, &err), &err);
    assert_true(space > 0);
    CHECK_FAILS(stor_file_reserve(f, (uint64_t)1 << 62, &err), &err, VR_E_NOSPACE, "");
    stor_file_close(f);
    CHECK_OK(stor_open(stor, "log", false, &f, &err), &err);
    assert_int_equal(stor_file_size(f), 6);
    stor_file_close(f);
}

/* RLIMIT_FSIZE lets the first part of a write through, as a filling disk does. */
static void test_append_that_fails_half_way_leaves_nothing(void **state)
{
    struct vr_err err;
    struct stor_file *f = NULL;
    struct rlimit old, low;
    struct stat st;
    char data[3000] = "x";
    CHECK_OK(stor_open(stor, "log", true, &f, &err), &err);
    CHECK_OK(stor_file_append(f, data, sizeof data, &err), &err);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    low = old;
    low.rlim_cur = 4096;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    int r = stor_file_append(f, data, sizeof data, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(r, -VR_E_IO);
    assert_int_equal(stor_file_size(f), sizeof data);
    assert_int_equal(stat(path_of("log"), &st), 0);
    assert_int_equal(st.st_size, sizeof data);
    CHECK_OK(stor_file_append(f, data, sizeof data, &err), &err);
    assert_int_equal(stor_file_size(f), 2 * sizeof data);
    stor_file_close(f);
}

static void test_image_stamp_lock_and_open(void **state)
{
    struct vr_err err;
    struct block_dev *dev = NULL;
    struct stor_lock *lock = NULL, *second = NULL;
    uint64_t a = 1, b = 0;
    CHECK_OK(stor_image_stamp(stor, "d", &a, &err), &err);
    assert_int_equal(a, 0);
    CHECK_OK(stor_create_image(stor, "d", "raw", VR_MIB, &err), &err);
    CHECK_FAILS(stor_create_image(stor, "d", "raw", VR_MIB, &err), &err, VR_E_EXISTS, "d");
    CHECK_OK(stor_image_stamp(stor, "d", &a, &err), &err);
    CHECK_OK(stor_image_stamp(stor, "d", &b, &err), &err);
    assert_true(a != 0 && a == b);
    usleep(30000);
    CHECK_OK(stor_open_image(stor, "d", "raw", 0, &dev, &err), &err);
    CHECK_OK(block_write(dev, "x", 1, 0, &err), &err);
    block_close(dev);
    CHECK_OK(stor_image_stamp(stor, "d", &b, &err), &err);
    assert_true(b != 0 && a != b);

    CHECK_OK(stor_lock_image(stor, "d", IMAGE_LOCK_EXCLUSIVE, &lock, &err), &err);
    CHECK_OK(stor_rename(stor, "d", "e", &err), &err);
    CHECK_FAILS(stor_lock_image(stor, "e", IMAGE_LOCK_READ, &second, &err), &err, VR_E_BUSY, "'e'");
    stor_unlock_image(lock);
    CHECK_OK(stor_lock_image(stor, "e", IMAGE_LOCK_READ, &lock, &err), &err);
    stor_unlock_image(lock);
    stor_unlock_image(NULL);
}

/* This process's descriptors of files that have no name any more. */
static unsigned removed_and_open(void)
{
    unsigned n = 0;
    for (int fd = 0; fd < 256; fd++) {
        char link[40], to[256];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t len = readlink(link, to, sizeof to - 1);
        to[len > 0 ? len : 0] = '\0';
        n += strstr(to, dir) && strstr(to, "(deleted)");
    }
    return n;
}

static void take_and_remove(const char *name, uint64_t bytes)
{
    struct vr_err err;
    struct stor_file *f;
    CHECK_OK(stor_open(stor, name, true, &f, &err), &err);
    CHECK_OK(stor_file_reserve(f, bytes, &err), &err);
    stor_file_close(f);
    CHECK_OK(stor_unlink(stor, name, &err), &err);
    assert_false(stor_exists(stor, name));
}

/* A large file is given back in the background; nobody takes space while it is on its way. */
static void test_space_of_removed_files(void **state)
{
    struct vr_err err;
    struct stor_file *f;
    unsigned before = stor_dir_gone_count();
    take_and_remove("small", 1 << 20);
    assert_int_equal(stor_dir_gone_count(), before);
    for (unsigned i = 1; i <= 20; i++) { /* more than are given back at a time */
        take_and_remove("large", 32 << 20);
    }
    CHECK_OK(stor_open(stor, "next", true, &f, &err), &err);
    assert_int_equal(removed_and_open(), 0);
    stor_file_close(f);
    assert_in_range(stor_dir_gone_count(), before + 1, before + 20);
    take_and_remove("large", 32 << 20);
    CHECK_OK(stor_open(stor, "next", true, &f, &err), &err);
    assert_int_equal(removed_and_open(), 0);
    stor_file_close(f);
    take_and_remove("large", 32 << 20);
    CHECK_OK(stor_open(stor, "next", false, &f, &err), &err);
    CHECK_OK(stor_file_reserve(f, 4096, &err), &err);
    assert_int_equal(removed_and_open(), 0);
    stor_file_close(f);
}

/* As on NFS, where an open file that is removed has another name until it is closed. */
static void test_removed_file_that_has_a_name(void **state)
{
    struct vr_err err;
    struct stor_file *f;
    char other[128];
    unsigned before = stor_dir_gone_count();
    CHECK_OK(stor_open(stor, "large", true, &f, &err), &err);
    CHECK_OK(stor_file_reserve(f, 32 << 20, &err), &err);
    stor_file_close(f);
    int held = stor_dir_hold(AT_FDCWD, path_of("large"));
    assert_true(held >= 0);
    snprintf(other, sizeof other, "%s", path_of("other"));
    assert_int_equal(rename(path_of("large"), other), 0);
    stor_dir_gone(held);
    assert_int_equal(fcntl(held, F_GETFD), -1);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    stor_dir_await_gone(fd);
    close(fd);
    assert_int_equal(stor_dir_gone_count(), before);
}

static _Atomic pid_t waits; /* the thread that does */

static void *await_space(void *arg)
{
    waits = gettid();
    stor_dir_await_gone(*(int *)arg);
    return NULL;
}

static bool sleeps(pid_t tid)
{
    char path[64], text[128] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    const char *name_end = n > 0 ? strrchr(text, ')') : NULL;
    close(fd);
    return name_end && name_end[2] == 'S';
}

/* Of files that take for ever: who asks is told at once, and with them; who takes space waits for
 * those of its own file system that were before it, and for no other. */
static void test_files_that_go_slowly(void **state)
{
    const uint64_t huge = 1ull << 50;
    struct vr_err err;
    struct stat st;
    uint64_t bytes;
    pthread_t waiter;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(fstat(fd, &st), 0);
    struct gone *elsewhere = stor_dir_gone_begin(st.st_dev + 1, huge);
    stor_dir_await_gone(fd);
    CHECK_OK(stor_free_bytes(stor, &bytes, &err), &err);
    assert_true(bytes < huge);
    struct gone *first = stor_dir_gone_begin(st.st_dev, huge);
    CHECK_OK(stor_free_bytes(stor, &bytes, &err), &err);
    assert_true(bytes > huge && bytes < 2 * huge);
    assert_int_equal(pthread_create(&waiter, NULL, await_space, &fd), 0);
    while (!waits || !sleeps(waits)) {
        sched_yield();
    }
    struct gone *second = stor_dir_gone_begin(st.st_dev, 0);
    assert_int_equal(pthread_tryjoin_np(waiter, NULL), EBUSY);
    stor_dir_gone_end(first);
    assert_int_equal(pthread_join(waiter, NULL), 0);
    stor_dir_gone_end(second);
    stor_dir_gone_end(elsewhere);
    struct gone *many[8];
    for (size_t i = 0; i < VR_COUNT(many); i++) {
        many[i] = stor_dir_gone_begin(st.st_dev, 0);
        assert_non_null(many[i]);
    }
    assert_null(stor_dir_gone_begin(st.st_dev, 0));
    for (size_t i = 0; i < VR_COUNT(many); i++) {
        stor_dir_gone_end(many[i]);
    }
    close(fd);
}

#define F(f) cmocka_unit_test_setup_teardown(f, fresh, gone)

int main(void)
{
    const struct CMUnitTest tests[] = {F(test_names),
                                       F(test_replace_and_read),
                                       F(test_log_file),
                                       F(test_append_that_fails_half_way_leaves_nothing),
                                       F(test_space_of_removed_files),
                                       F(test_removed_file_that_has_a_name),
                                       F(test_files_that_go_slowly),
                                       F(test_image_stamp_lock_and_open)};
    return RUN(tests);
}
