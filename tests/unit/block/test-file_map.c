/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <signal.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "block/dev.h"
#include "block/file_view.h"
#include "block/uring.h"
#include "tests/lib/check.h"
#include "tests/unit/block/patterned.h"
#include "util/num.h"

#define FILE_BYTES (40u << 20) /* more than two windows */
#define VIEW (256u << 10)

static char path[] = "/tmp/vr-fmap-XXXXXX";
static uint8_t buf[VIEW];

static int fresh(void **state)
{
    file_view_only = FILE_VIEW_MAP;
    return make_patterned(memcpy(path, "/tmp/vr-fmap-XXXXXX", sizeof path), FILE_BYTES, buf, VIEW);
}

static int gone(void **state)
{
    return unlink(path);
}

static struct block_dev *open_it(unsigned flags)
{
    struct vr_err err = VR_ERR_INIT;
    struct block_dev *dev = NULL;
    CHECK_OK(block_file_open(path, flags, &dev, &err), &err);
    return dev;
}

/* Views need Linux 5.14; elsewhere there is nothing to test. */
static const uint8_t *view_or_skip(struct block_dev *dev, uint64_t off, size_t len)
{
    CHECK_OK(block_read(dev, buf, len, off, NULL), (struct vr_err *)NULL); /* now it is cached */
    const uint8_t *p = block_map(dev, off, len);
    file_map_guard(); /* before cmocka's handler, which every test begins with */
    if (!p) {
        block_close(dev);
        skip();
    }
    return p;
}

static void test_views_show_what_reads_give(void **state)
{
    struct block_dev *dev = open_it(BLOCK_READ_ONLY);
    static const struct {
        uint64_t off;
        size_t len;
    } views[] = {{0, VIEW},
                 {FILE_BYTES - VIEW, VIEW},   /* another window */
                 {16 * VR_MIB - 5000, 10000}, /* across where a window would end */
                 {VR_MIB + 1, 1},             /* no alignment */
                 {FILE_BYTES - 1, 1},         /* the last byte */
                 {20 * VR_MIB + 4095, 4098}};
    for (size_t i = 0; i < VR_COUNT(views); i++) {
        const uint8_t *p = view_or_skip(dev, views[i].off, views[i].len);
        assert_memory_equal(p, buf, views[i].len);
        assert_true(block_map_end(dev, views[i].off, views[i].len));
    }
    block_unmap(dev);
    assert_non_null(block_map(dev, 0, VIEW));
    assert_true(block_map_end(dev, 0, VIEW));
    block_close(dev);
}

static uint64_t mapped_bytes(void)
{
    char line[512];
    unsigned long long sum = 0, from, to;
    FILE *f = fopen("/proc/self/maps", "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        if (strstr(line, "vr-fmap-") && sscanf(line, "%llx-%llx", &from, &to) == 2) {
            sum += to - from;
        }
    }
    fclose(f);
    return sum;
}

static void test_what_stays_mapped_is_bounded(void **state)
{
    struct block_dev *dev = open_it(BLOCK_READ_ONLY);
    for (uint64_t off = 0; off < FILE_BYTES; off += VIEW) {
        assert_int_equal(view_or_skip(dev, off, VIEW)[0], byte_at(off));
        assert_in_range(mapped_bytes(), VIEW, FILE_MAP_WINDOW);
        assert_true(block_map_end(dev, off, VIEW));
        assert_in_range(mapped_bytes(), 0, FILE_MAP_WINDOW);
    }
    block_unmap(dev);
    assert_int_equal(mapped_bytes(), 0);
    block_close(dev);
}

static void test_no_view_of_what_may_be_written_or_is_outside(void **state)
{
    struct block_dev *dev = open_it(0);
    assert_null(block_map(dev, 0, VIEW));
    block_close(dev);
    dev = open_it(BLOCK_READ_ONLY | BLOCK_DIRECT);
    if (dev->flags & BLOCK_DIRECT) { /* this file system can */
        assert_null(block_map(dev, 0, VIEW));
    }
    block_close(dev);
    dev = open_it(BLOCK_READ_ONLY);
    assert_null(block_map(dev, FILE_BYTES - VIEW + 1, VIEW));
    assert_null(block_map(dev, 0, 0));
    assert_null(block_map(dev, 0, BLOCK_IO_MAX + 1));
    block_close(dev);
    CHECK_OK(block_mem_new(VIEW, &dev, NULL), (struct vr_err *)NULL);
    assert_null(block_map(dev, 0, VIEW));
    block_unmap(dev);
    block_close(dev);
}

static void test_filters_are_not_passed_by(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct block_fault_plan plan = {.fail_at = 1, .kind = VR_E_IO, .ops = BLOCK_OP_READ};
    struct block_dev *dev;
    CHECK_OK(block_fault_new(open_it(BLOCK_READ_ONLY), &plan, &dev, &err), &err);
    assert_null(block_map(dev, 0, VIEW));
    CHECK_FAILS(block_read(dev, buf, VIEW, 0, &err), &err, VR_E_IO, "injected");
    assert_int_equal(plan.injected, 1);
    block_close(dev);
    CHECK_OK(block_rate_new(open_it(BLOCK_READ_ONLY), 1u << 30, &dev, &err), &err);
    assert_null(block_map(dev, 0, VIEW));
    block_close(dev);
}

static void test_uncached_ranges_are_left_to_reading(void **state)
{
    struct block_dev *dev = open_it(BLOCK_READ_ONLY);
    int fd = open(path, O_RDWR);
    assert_int_equal(fsync(fd), 0);
    assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    struct statfs fs;
    assert_int_equal(fstatfs(fd, &fs), 0);
    if (fs.f_type == TMPFS_MAGIC) { /* the pages are the file */
        skip();
    }
    assert_null(block_map(dev, 0, VIEW));
    assert_int_equal(view_or_skip(dev, 0, VIEW)[0], byte_at(0));
    assert_true(block_map_end(dev, 0, VIEW));
    close(fd);
    block_close(dev);
}

/* --- what is not cached is read ahead past the page cache --- */

static struct block_dev *open_uncached(void)
{
    struct statfs fs;
    int fd = open(path, O_RDWR);
    assert_int_equal(fsync(fd), 0);
    assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    assert_int_equal(fstatfs(fd, &fs), 0);
    close(fd);
    struct block_dev *dev = open_it(BLOCK_READ_ONLY);
    block_prefetch(dev, 0, VIEW);
    if (fs.f_type == TMPFS_MAGIC || !dev->views_are_hinted) {
        block_close(dev);
        skip(); /* no direct I/O there, or no io_uring here */
    }
    return dev;
}

static void check_bytes(const uint8_t *p, uint64_t off, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (p[i] != byte_at(off + i)) {
            fail_msg("byte %zu of the range at %llu", i, (unsigned long long)off);
        }
    }
}

static void test_hinted_ranges_are_seen_where_they_were_read(void **state)
{
    struct block_dev *dev = open_uncached();
    for (uint64_t off = 0; off < FILE_BYTES; off += VIEW) {
        block_prefetch(dev, off + VIEW, off + VIEW < FILE_BYTES ? VIEW : 0);
        const uint8_t *p = block_map(dev, off, VIEW);
        assert_non_null(p);
        check_bytes(p, off, VIEW);
        assert_true(block_map_end(dev, off, VIEW));
    }
    assert_int_equal(mapped_bytes(), 0);
    struct file_map m = {0};
    assert_false(file_map_cached(&m, block_file_fd(dev), 0, FILE_BYTES)); /* nor is it filled */
    block_unmap(dev);
    assert_false(dev->views_are_hinted);
    block_close(dev);
}

static void test_what_is_cached_is_known_to_old_kernels_too(void **state)
{
    struct block_dev *dev = open_uncached();
    struct file_map m = {0};
    for (int old = 0; old < 2; old++) {
        file_map_old_kernel = old;
        assert_false(file_map_cached(&m, block_file_fd(dev), 20 * VR_MIB + 1, VIEW));
    }
    CHECK_OK(block_read(dev, buf, VIEW, 20 * VR_MIB, NULL), (struct vr_err *)NULL);
    for (int old = 0; old < 2; old++) {
        file_map_old_kernel = old;
        assert_true(file_map_cached(&m, block_file_fd(dev), 20 * VR_MIB + 1, VIEW - 1));
        const uint8_t *p = block_map(dev, 20 * VR_MIB, VIEW);
        assert_non_null(p);
        check_bytes(p, 20 * VR_MIB, VIEW);
        assert_true(block_map_end(dev, 20 * VR_MIB, VIEW));
    }
    m = (struct file_map){.asked = true, .blind = true};
    assert_false(file_map_cached(&m, block_file_fd(dev), 20 * VR_MIB, VIEW));
    file_map_old_kernel = false;
    block_close(dev);
}

/* Reads take what was hinted, too, whatever their borders; what was skipped holds nothing up. */
static void test_hints_that_are_skipped_or_read(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct block_dev *dev = open_uncached();
    unsigned seen = 0;
    for (uint64_t off = 0; off < FILE_BYTES; off += VR_MIB) { /* one of four is looked at */
        block_prefetch(dev, off, VR_MIB);
        const uint8_t *p = block_map(dev, off + VIEW, VIEW);
        if (p) {
            check_bytes(p, off + VIEW, VIEW);
            assert_true(block_map_end(dev, off + VIEW, VIEW));
            seen++;
        }
        CHECK_OK(block_read(dev, buf, 1000, off + 3 * (uint64_t)VIEW - 500, &err), &err);
        check_bytes(buf, off + 3 * (uint64_t)VIEW - 500, 1000);
        CHECK_OK(block_read(dev, buf, 1000, off + 3 * (uint64_t)VIEW + 500, &err), &err);
        check_bytes(buf, off + 3 * (uint64_t)VIEW + 500, 1000);
    }
    assert_int_equal(seen, FILE_BYTES / VR_MIB);
    block_close(dev);
}

static void test_a_failed_read_ahead_is_read_again(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    block_close(open_uncached()); /* skips without io_uring */
    for (uint64_t at = 1; at <= 3; at++) {
        struct uring_fault fault = {.at = at, .persistent = at == 3, .result = -EIO};
        uring_fault = &fault;
        struct block_dev *dev = open_uncached(); /* its hint is the first post */
        unsigned refused = 0;
        for (uint64_t off = 0; off < 4 * VR_MIB; off += VIEW) {
            block_prefetch(dev, off + VIEW, VIEW);
            const uint8_t *p = block_map(dev, off, VIEW);
            if (p) {
                check_bytes(p, off, VIEW);
                assert_true(block_map_end(dev, off, VIEW));
                continue;
            }
            refused++;
            CHECK_OK(block_read(dev, buf, VIEW, off, &err), &err);
            check_bytes(buf, off, VIEW);
        }
        uring_fault = NULL;
        assert_true(fault.injected > 0);
        assert_in_range(refused, 1, fault.injected); /* reading fills the page cache behind it */
        block_close(dev);
    }
}

static void test_holes_and_cached_ranges_are_not_read_ahead(void **state)
{
    struct uring_fault count = {.at = UINT64_MAX};
    block_close(open_uncached());
    assert_int_equal(truncate(path, VR_MIB), 0);
    assert_int_equal(truncate(path, FILE_BYTES), 0);
    struct block_dev *dev = open_uncached();
    uring_fault = &count;
    block_prefetch(dev, 2 * VR_MIB, 8 * VR_MIB);
    assert_int_equal(count.seen, 0);
    CHECK_OK(block_read(dev, buf, VIEW, VR_MIB / 2, NULL), (struct vr_err *)NULL);
    block_prefetch(dev, VR_MIB / 2, VIEW);
    assert_int_equal(count.seen, 0);
    uring_fault = NULL;
    block_close(dev);
}

/* The page goes away after the view was made and before it is looked at. */
static void test_a_truncated_file_is_an_error_and_no_crash(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct block_dev *dev = open_it(BLOCK_READ_ONLY);
    const uint8_t *p = view_or_skip(dev, VR_MIB, VIEW);
    uint64_t before = file_map_faults();
    assert_int_equal(truncate(path, VR_MIB + 8192), 0);
    errno = 4711;
    uint64_t sum = 0;
    for (size_t i = 8192; i < VIEW; i++) {
        sum += *(const volatile uint8_t *)(p + i);
    }
    assert_int_equal(errno, 4711);
    assert_int_equal(sum, 0);
    assert_int_equal(p[8191], byte_at(VR_MIB + 8191));
    assert_int_equal(file_map_faults(), before + 1); /* one for all pages behind it */
    assert_false(block_map_end(dev, VR_MIB, VIEW));
    CHECK_FAILS(block_read(dev, buf, VIEW, VR_MIB, &err), &err, VR_E_IO, "");
    /* what is still there can be looked at again, through a window without the zeroes in it */
    assert_int_equal(truncate(path, FILE_BYTES), 0);
    p = view_or_skip(dev, 0, VIEW);
    assert_int_equal(p[VIEW - 1], byte_at(VIEW - 1));
    assert_true(block_map_end(dev, 0, VIEW));
    block_close(dev);
}

/* Inside a page nothing is raised: the rest of it reads as zeroes. */
static void test_a_file_cut_inside_a_page(void **state)
{
    struct block_dev *dev = open_it(BLOCK_READ_ONLY);
    const uint8_t *p = view_or_skip(dev, FILE_BYTES - VIEW, VIEW);
    uint64_t before = file_map_faults();
    assert_int_equal(truncate(path, FILE_BYTES - 100), 0);
    assert_int_equal(*(const volatile uint8_t *)(p + VIEW - 1), 0);
    assert_int_equal(file_map_faults(), before);
    assert_false(block_map_end(dev, FILE_BYTES - VIEW, VIEW));
    block_close(dev);
}

static void *look_and_lose(void *arg)
{
    struct block_dev *dev = open_it(BLOCK_READ_ONLY);
    const uint8_t *p = view_or_skip(dev, 0, VIEW);
    assert_int_equal(truncate(path, 0), 0);
    int sum = *(const volatile uint8_t *)(p + 4096) + *(const volatile uint8_t *)p;
    bool whole = block_map_end(dev, 0, VIEW);
    block_close(dev);
    return sum == 0 && !whole ? arg : NULL;
}

/* As the daemon's threads are: every signal blocked. */
static void test_in_a_thread_that_blocks_signals(void **state)
{
    sigset_t all, old;
    pthread_t thread;
    void *ok = NULL;
    struct block_dev *dev = open_it(BLOCK_READ_ONLY);
    (void)view_or_skip(dev, 0, VIEW);
    assert_true(block_map_end(dev, 0, VIEW));
    block_close(dev);
    uint64_t before = file_map_faults();
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    assert_int_equal(pthread_create(&thread, NULL, look_and_lose, &ok), 0);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    assert_int_equal(pthread_join(thread, &ok), 0);
    assert_non_null(ok);
    assert_true(file_map_faults() > before);
}

/* A fault or a signal that is not about the view ends the process as it did before. */
static int foreign(bool sent)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct block_dev *dev = open_it(BLOCK_READ_ONLY);
        signal(SIGBUS, SIG_DFL); /* not cmocka's, nor a sanitizer's */
        const uint8_t *p = view_or_skip(dev, 0, VIEW);
        assert_true(block_map_end(dev, 0, VIEW));
        assert_int_equal(truncate(path, 0), 0);
        if (sent) {
            raise(SIGBUS);
        }
        _exit(*(const volatile uint8_t *)(p + 4096)); /* the view has ended */
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

static void test_foreign_faults_go_on(void **state)
{
    assert_int_equal(foreign(false), SIGBUS);
    assert_int_equal(truncate(path, FILE_BYTES), 0);
    assert_int_equal(foreign(true), SIGBUS);
}

#define TF(f) cmocka_unit_test_setup_teardown(f, fresh, gone)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TF(test_views_show_what_reads_give),
        TF(test_what_stays_mapped_is_bounded),
        TF(test_no_view_of_what_may_be_written_or_is_outside),
        TF(test_filters_are_not_passed_by),
        TF(test_uncached_ranges_are_left_to_reading),
        TF(test_hinted_ranges_are_seen_where_they_were_read),
        TF(test_what_is_cached_is_known_to_old_kernels_too),
        TF(test_hints_that_are_skipped_or_read),
        TF(test_a_failed_read_ahead_is_read_again),
        TF(test_holes_and_cached_ranges_are_not_read_ahead),
        TF(test_a_truncated_file_is_an_error_and_no_crash),
        TF(test_a_file_cut_inside_a_page),
        TF(test_in_a_thread_that_blocks_signals),
        TF(test_foreign_faults_go_on),
    };
    return RUN(tests);
}
