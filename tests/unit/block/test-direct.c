/* SPDX-License-Identifier: Apache-2.0 */
/* Run twice: where the machine has direct I/O and io_uring, and as if it had not. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block/dev.h"
#include "block/file_direct.h"
#include "block/stor.h"
#include "block/uring.h"
#include "tests/lib/check.h"
#include "tests/lib/tmpdir.h"
#include "util/num.h"

#define SIZE (24 * VR_MIB + 1234) /* ends inside a block, and inside a sector */

static char dir[] = "/tmp/vr-direct-XXXXXX", path[64];
static uint8_t *model, *buf;
static struct uring_fault fault;
static bool has_direct;
static uint64_t seed;

static uint64_t rnd(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return seed >> 33;
}

static bool probe(void)
{
    struct vr_err err = VR_ERR_INIT;
    struct direct *d = NULL;
    int fd = open(path, O_RDWR);
    int r = direct_new(fd, SIZE, 4, DIRECT_PIECE_BYTES, &d, &err);
    direct_free(d);
    close(fd);
    assert_true(r == 0 || r == -VR_E_UNSUPPORTED);
    return r == 0;
}

static int fresh(void **state)
{
    seed = 7;
    assert_non_null(mkdtemp(memcpy(dir, "/tmp/vr-direct-XXXXXX", sizeof dir)));
    snprintf(path, sizeof path, "%s/disk", dir);
    model = malloc(SIZE);
    buf = malloc(SIZE);
    assert_true(model && buf);
    for (size_t i = 0; i < SIZE; i++) {
        model[i] = (uint8_t)(i * 31 + (i >> 12));
    }
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
    assert_int_equal(write(fd, model, SIZE), SIZE);
    close(fd);
    fault = (struct uring_fault){0};
    has_direct = probe();
    return 0;
}

static int gone(void **state)
{
    uring_fault = NULL;
    free(model);
    free(buf);
    tmpdir_remove(dir);
    return 0;
}

static struct block_dev *open_it(unsigned flags)
{
    struct vr_err err = VR_ERR_INIT;
    struct block_dev *dev = NULL;
    CHECK_OK(block_file_open(path, flags | BLOCK_DIRECT, &dev, &err), &err);
    assert_int_equal((dev->flags & BLOCK_DIRECT) != 0, has_direct);
    return dev;
}

static void check_read(struct block_dev *dev, uint64_t off, size_t len)
{
    struct vr_err err = VR_ERR_INIT;
    memset(buf, 0xee, len);
    CHECK_OK(block_read(dev, buf, len, off, &err), &err);
    assert_memory_equal(buf, model + off, len);
}

static void check_file(void)
{
    int fd = open(path, O_RDONLY);
    assert_int_equal(read(fd, buf, SIZE), SIZE);
    assert_memory_equal(buf, model, SIZE);
    close(fd);
}

static void plan(bool write, uint64_t at, int result, bool persistent)
{
    fault =
        (struct uring_fault){.write = write, .at = at, .result = result, .persistent = persistent};
    uring_fault = &fault;
}

/* Faults can be had only where requests go through the ring. */
static void check_injected(void)
{
    assert_true(has_direct ? fault.injected > 0 : fault.seen == 0);
    uring_fault = NULL;
}

static void test_reads_at_any_place(void **state)
{
    struct block_dev *dev = open_it(BLOCK_READ_ONLY);
    check_read(dev, 0, SIZE); /* dev.c splits it */
    check_read(dev, SIZE - 1, 1);
    check_read(dev, SIZE - 5000, 5000);
    for (int i = 0; i < 300; i++) {
        size_t len = 1 + rnd() % (i % 10 ? 9000 : 900000);
        check_read(dev, rnd() % (SIZE - len), len);
    }
    block_close(dev);
}

static void test_prefetched_reads(void **state)
{
    struct block_dev *dev = open_it(BLOCK_READ_ONLY);
    /* more than there are hints and slots; some are skipped, some read twice, some in pieces */
    for (uint64_t i = 0; i < 400; i++) {
        block_prefetch(dev, i * 40960, 4096 + i * 50);
    }
    for (uint64_t i = 0; i < 400; i++) {
        if (i % 7 != 3) {
            check_read(dev, i * 40960, 1000);
            check_read(dev, i * 40960 + 1000, 3096 + i * 50);
        }
        if (i % 50 == 0) {
            check_read(dev, i * 40960 + 30, 50000);
        }
    }
    block_prefetch(dev, 0, SIZE);
    for (uint64_t at = 0; at < SIZE; at += 100000) {
        check_read(dev, at, (size_t)VR_MIN((uint64_t)100000, SIZE - at));
    }
    block_close(dev);
}

static void write_both(struct block_dev *dev, uint64_t off, size_t len)
{
    struct vr_err err = VR_ERR_INIT;
    uint8_t x = (uint8_t)rnd();
    for (size_t i = 0; i < len; i++) {
        model[off + i] = (uint8_t)(x + i * 7);
    }
    CHECK_OK(block_write(dev, model + off, len, off, &err), &err);
}

static void zero_both(struct block_dev *dev, uint64_t off, uint64_t len)
{
    struct vr_err err = VR_ERR_INIT;
    memset(model + off, 0, len);
    CHECK_OK(block_zero(dev, off, len, &err), &err);
}

/* Against a model: aligned and other writes, zeroes, hints and reads, over each other. */
static void test_everything_in_any_order(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct block_dev *dev = open_it(0);
    struct block_extent e[4];
    size_t n;
    for (int i = 0; i < 1500; i++) {
        uint64_t span = rnd() % 3 ? 200 * VR_KIB : 8 * VR_MIB;
        uint64_t off = rnd() % (rnd() % 4 ? 2 * VR_MIB : SIZE - span);
        size_t len = (size_t)(1 + rnd() % span % (rnd() % 8 ? 40 * VR_KIB : span));
        off = rnd() % 6 ? vr_round_down(off, 4096) : off;
        len = rnd() % 6 ? vr_round_up(len, 4096) : len;
        len = (size_t)VR_MIN((uint64_t)len, SIZE - off);
        switch (rnd() % 8) {
        case 0:
            zero_both(dev, off, len);
            break;
        case 1:
            block_prefetch(dev, off, len);
            break;
        case 2:
            check_read(dev, off, len);
            break;
        case 3:
            CHECK_OK(block_extents(dev, off, len, e, 4, &n, &err), &err);
            for (size_t k = 0; k < n; k++) {
                assert_true(e[k].kind == BLOCK_DATA || model[e[k].off] == 0);
            }
            break;
        default:
            write_both(dev, off, len);
        }
        if (i % 300 == 0) {
            CHECK_OK(block_flush(dev, &err), &err);
            block_drop_cache(dev);
        }
    }
    CHECK_OK(block_flush(dev, &err), &err);
    check_read(dev, 0, SIZE);
    block_close(dev);
    check_file();
}

static void test_close_waits_for_posted_writes(void **state)
{
    struct block_dev *dev = open_it(0);
    for (uint64_t i = 0; i < 40; i++) {
        write_both(dev, i * 409600, 8192);
    }
    block_prefetch(dev, 8 * VR_MIB, 4 * VR_MIB);
    block_close(dev);
    check_file();
}

static void test_short_results_and_the_moment(void **state)
{
    static const int results[] = {512, 4096, 5000, 100000, -EAGAIN, -EINTR, -ECANCELED};
    for (size_t i = 0; i < VR_COUNT(results); i++) {
        struct vr_err err = VR_ERR_INIT;
        struct block_dev *dev = open_it(0);
        plan(false, 1, results[i], true);
        block_prefetch(dev, 0, VR_MIB);
        check_read(dev, 0, VR_MIB);
        check_read(dev, SIZE - 300000, 300000);
        check_injected();
        plan(true, 1, results[i], true);
        write_both(dev, 0, VR_MIB);
        write_both(dev, 3 * VR_MIB, 8192);
        CHECK_OK(block_flush(dev, &err), &err);
        check_injected();
        check_read(dev, 0, 4 * VR_MIB);
        block_close(dev);
        check_file();
    }
}

/* The rest of a short write is written when its end is seen: whatever went over the range before
 * that is wrong. */
static void test_nothing_overtakes_a_write(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct block_dev *dev = open_it(0);
    plan(true, 1, 4096, false);
    write_both(dev, VR_MIB, DIRECT_PIECE_BYTES);
    write_both(dev, VR_MIB + 65536, 65536);
    usleep(20000); /* it would be on the disk before the other's rest */
    CHECK_OK(block_flush(dev, &err), &err);
    check_injected();
    check_read(dev, VR_MIB, DIRECT_PIECE_BYTES);
    plan(true, 1, 4096, false);
    write_both(dev, VR_MIB, DIRECT_PIECE_BYTES);
    block_prefetch(dev, VR_MIB + 8192, 8192);
    check_read(dev, VR_MIB + 8192, 8192);
    check_injected();
    plan(true, 1, 4096, false);
    write_both(dev, VR_MIB, DIRECT_PIECE_BYTES);
    write_both(dev, VR_MIB + 8193, 100); /* buffered */
    zero_both(dev, VR_MIB + 65536, 65536);
    CHECK_OK(block_flush(dev, &err), &err);
    check_injected();
    block_close(dev);
    check_file();
}

static void test_no_direct_after_all(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct block_dev *dev = open_it(0);
    assert_int_equal(dev->flags, has_direct ? BLOCK_DIRECT : 0);
    plan(true, 2, -EINVAL, true);
    write_both(dev, 0, 3 * VR_MIB);
    CHECK_OK(block_flush(dev, &err), &err);
    check_injected();
    assert_int_equal(dev->flags, 0); /* the cache holds some of it */
    plan(false, 1, -EINVAL, true);
    check_read(dev, 0, 4 * VR_MIB);
    check_injected();
    block_close(dev);
    check_file();
}

static void test_failed_reads(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct block_dev *dev = open_it(0);
    plan(false, 1, -EIO, false); /* ahead: asked for again */
    block_prefetch(dev, 0, 65536);
    check_read(dev, 0, 65536);
    check_injected();
    plan(false, 1, -EIO, true);
    block_prefetch(dev, VR_MIB, 65536);
    if (has_direct) {
        CHECK_FAILS(block_read(dev, buf, 65536, VR_MIB, &err), &err, VR_E_IO, "at 1048576");
    }
    check_injected();
    check_read(dev, VR_MIB, 65536);
    block_close(dev);
}

static void test_failed_write_is_told_until_the_flush(void **state)
{
    static const struct {
        int sys_errno, kind;
    } cases[] = {{EIO, VR_E_IO}, {ENOSPC, VR_E_NOSPACE}};
    for (size_t i = 0; i < VR_COUNT(cases) && has_direct; i++) {
        struct vr_err err = VR_ERR_INIT;
        struct block_dev *dev = open_it(0);
        plan(true, 2, -cases[i].sys_errno, false);
        int r = 0;
        for (uint64_t k = 0; k < 250 && r == 0; k++) {
            r = block_write(dev, model, 32768, 32768 * k, &err);
        }
        check_injected();
        assert_int_equal(r, -cases[i].kind); /* before all slots were used twice */
        CHECK_FAILS(block_write(dev, model, 10, 5, &err), &err, cases[i].kind, "at 32768");
        CHECK_FAILS(block_flush(dev, &err), &err, cases[i].kind, "at 32768");
        CHECK_OK(block_write(dev, model, 8 * VR_MIB, 0, &err), &err);
        CHECK_OK(block_flush(dev, &err), &err);
        block_close(dev);
        check_file();
        /* the last write before a flush */
        dev = open_it(0);
        plan(true, 1, -cases[i].sys_errno, false);
        CHECK_OK(block_write(dev, model, 4096, 4096, &err), &err);
        CHECK_FAILS(block_flush(dev, &err), &err, cases[i].kind, "at 4096");
        check_injected();
        CHECK_OK(block_flush(dev, &err), &err);
        block_close(dev);
    }
}

static void test_a_file_that_became_shorter(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct block_dev *dev = open_it(BLOCK_READ_ONLY);
    assert_int_equal(truncate(path, 5 * VR_MIB + 100), 0);
    check_read(dev, 5 * VR_MIB - 4096, 4096);
    CHECK_FAILS(block_read(dev, buf, 101, 5 * VR_MIB, &err), &err, VR_E_IO, "unexpected end");
    CHECK_FAILS(block_read(dev, buf, 4096, 9 * VR_MIB, &err), &err, VR_E_IO, "unexpected end");
    block_close(dev);
}

/* --- staging --- */

static void append_both(struct stor_file *f, size_t *at, size_t n, size_t shift)
{
    struct vr_err err = VR_ERR_INIT;
    uint8_t *p = aligned_alloc(4096, vr_round_up(n + shift, 4096));
    memcpy(p + shift, model + *at, n);
    CHECK_OK(stor_file_append(f, p + shift, n, &err), &err);
    free(p);
    *at += n;
    assert_int_equal(stor_file_size(f), *at);
}

static void check_log(struct stor_file *f, size_t size, size_t step)
{
    struct vr_err err = VR_ERR_INIT;
    size_t n = 0;
    for (size_t at = 0; at < size; at += n) {
        CHECK_OK(stor_file_read(f, buf, step, at, &n, &err), &err);
        assert_int_equal(n, VR_MIN(step, size - at));
        assert_memory_equal(buf, model + at, n);
    }
    CHECK_OK(stor_file_read(f, buf, 10, size, &n, &err), &err);
    assert_int_equal(n, 0);
}

/* Parts of n bytes, `stride` apart, from `at` on. */
static void check_strides(struct stor_file *f, size_t at, size_t size, size_t n, size_t stride)
{
    struct vr_err err = VR_ERR_INIT;
    for (size_t got; at < size; at += stride) {
        CHECK_OK(stor_file_read(f, buf, n, at, &got, &err), &err);
        assert_int_equal(got, VR_MIN(n, size - at));
        assert_memory_equal(buf, model + at, got);
    }
}

/* As the indexes of a run are: what comes next is on its way, and nothing stale is given out. */
static void test_log_read_in_strides(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct stor *stor = NULL;
    struct stor_file *f = NULL;
    size_t at = 0;
    CHECK_OK(stor_dir_open(dir, false, NULL, &stor, &err), &err);
    CHECK_OK(stor_open(stor, "run", true, &f, &err), &err);
    append_both(f, &at, 4 * VR_MIB, 0);
    plan(false, UINT64_MAX, 0, false); /* counts */
    check_strides(f, 4096, 4096 + 3 * 532480, 8192, 532480);
    assert_true(!has_direct || fault.seen > 3 + 3);
    check_strides(f, 4096 + 3 * 532480, at, 8192, 532480); /* goes on, to the end */
    check_strides(f, 0, at, 8192, 12288);                  /* not past the end */
    check_strides(f, 100, at, 8192, 100000);
    check_strides(f, 8192, 20 * 8192, 8192, 2 * 8192);
    check_strides(f, 20 * 8192, 60 * 8192, 8192, 3 * 8192); /* another stride, in the midst */
    append_both(f, &at, VR_MIB, 0);                         /* while some is read ahead */
    check_strides(f, 60 * 8192, at, 8192, 3 * 8192);
    at = 3 * VR_MIB + 5;
    check_strides(f, 0, 2 * VR_MIB, 8192, 256 * VR_KIB);
    CHECK_OK(stor_file_truncate(f, at, &err), &err); /* what was read ahead is behind the end */
    check_strides(f, 2 * VR_MIB, at, 8192, 256 * VR_KIB);
    append_both(f, &at, VR_MIB, 0);
    check_strides(f, 3 * VR_MIB, at, 8192, 256 * VR_KIB);
    uring_fault = NULL;
    stor_file_close(f);
    stor_close(stor);
}

static void test_log_appended_and_read(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct stor *stor = NULL;
    struct stor_file *f = NULL, *second = NULL;
    struct stat st;
    size_t at = 0, n;
    CHECK_OK(stor_dir_open(dir, false, NULL, &stor, &err), &err);
    CHECK_OK(stor_open(stor, "run", true, &f, &err), &err);
    append_both(f, &at, 512 * VR_KIB, 0);
    append_both(f, &at, 1536 * VR_KIB, 16); /* memory that is not aligned, */
    check_log(f, at, 100000);
    append_both(f, &at, 1000, 0); /* now in the middle of a page */
    append_both(f, &at, 256 * VR_KIB, 0);
    check_log(f, at, 300000);
    append_both(f, &at, 4096 - 1000, 0); /* and at its end again */
    append_both(f, &at, 128 * VR_KIB, 0);
    append_both(f, &at, 4096, 0);
    append_both(f, &at, 512 * VR_KIB, 0);
    check_log(f, at, 4096);
    /* read ahead up to the end, then append: the end is not where it was */
    CHECK_OK(stor_file_read(f, buf, VR_MIB, 0, &n, &err), &err);
    CHECK_OK(stor_file_read(f, buf, VR_MIB, n, &n, &err), &err);
    append_both(f, &at, 700, 0);
    append_both(f, &at, 900, 0);
    check_log(f, at, 777777);
    CHECK_OK(stor_file_sync(f, &err), &err);
    CHECK_OK(stor_open(stor, "run", false, &second, &err), &err);
    check_log(second, at, 512 * VR_KIB);
    stor_file_close(second);
    at = 2 * VR_MIB - 5;
    CHECK_OK(stor_file_truncate(f, at, &err), &err);
    check_log(f, at, 512 * VR_KIB);
    append_both(f, &at, 5 + 64 * VR_KIB, 0);
    append_both(f, &at, 64 * VR_KIB, 0);
    check_log(f, at, 512 * VR_KIB);
    stor_file_close(f);
    snprintf(path, sizeof path, "%s/run", dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, at);
    stor_close(stor);
}

/* RLIMIT_FSIZE lets the first part of a write through, as a filling disk does. */
static void test_append_that_fails_half_way_leaves_nothing(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct stor *stor = NULL;
    struct stor_file *f = NULL;
    struct rlimit old, low;
    size_t at = 0;
    CHECK_OK(stor_dir_open(dir, false, NULL, &stor, &err), &err);
    CHECK_OK(stor_open(stor, "run", true, &f, &err), &err);
    append_both(f, &at, VR_MIB, 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, SIG_IGN);
    for (uint64_t more = 0; more < 3; more++) {
        low = old;
        low.rlim_cur = at + more * 65536 + more * 100;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
        int r = stor_file_append(f, model, VR_MIB, &err);
        r = r == 0 ? stor_file_sync(f, &err) : r;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        assert_int_equal(r, -VR_E_IO);
        assert_int_equal(stor_file_size(f), at);
        append_both(f, &at, VR_MIB, 0);
        check_log(f, at, 512 * VR_KIB);
    }
    stor_file_close(f);
    stor_close(stor);
}

/* Posted: what comes after it may be in the file already when it fails. */
static void test_a_lost_append_ends_the_file(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct stor *stor = NULL;
    struct stor_file *f = NULL;
    size_t at = 0;
    int r = 0;
    if (!has_direct) {
        skip();
    }
    CHECK_OK(stor_dir_open(dir, false, NULL, &stor, &err), &err);
    for (int how = 0; how < 3; how++) {
        CHECK_OK(stor_open(stor, how == 0 ? "a" : how == 1 ? "b" : "c", true, &f, &err), &err);
        at = 0;
        append_both(f, &at, 512 * VR_KIB, 0);
        plan(true, 2, -ENOSPC, false);
        for (int i = 0; r == 0 && i < 2; i++) {
            r = stor_file_append(f, model + at + i * 512 * VR_KIB, 512 * VR_KIB, &err);
        }
        if (r == 0) { /* whoever needs the bytes is told */
            size_t n;
            r = how == 0   ? stor_file_sync(f, &err)
                : how == 1 ? stor_file_read(f, buf, 10, 0, &n, &err)
                           : stor_file_append(f, model, 10, &err);
        }
        assert_int_equal(r, -VR_E_NOSPACE);
        assert_int_equal(fault.injected, 1);
        uring_fault = NULL;
        r = 0;
        at += 256 * VR_KIB; /* the first piece got there */
        assert_int_equal(stor_file_size(f), at);
        append_both(f, &at, 300 * VR_KIB, 0);
        CHECK_OK(stor_file_sync(f, &err), &err); /* told once */
        check_log(f, at, 512 * VR_KIB);
        stor_file_close(f);
    }
    stor_close(stor);
}

#define F(f) cmocka_unit_test_setup_teardown(f, fresh, gone)

/* A commit opens every disk of a VM: sixteen may have no more than four. */
static void test_memory_of_many_disks(void **state)
{
    struct block_dev *dev[16];
    struct vr_err err = VR_ERR_INIT;
    const size_t whole = (size_t)DIRECT_WRITE_SLOTS * DIRECT_WRITE_PIECE_BYTES;
    if (!has_direct) {
        skip();
    }
    assert_int_equal(direct_memory(), 0);
    for (size_t i = 0; i < VR_COUNT(dev); i++) {
        CHECK_OK(block_file_open(path, BLOCK_DIRECT | BLOCK_ONE_OF_MANY, &dev[i], &err), &err);
        assert_int_equal(dev[i]->flags, BLOCK_DIRECT);
        assert_int_equal(direct_memory(), (i + 1) * (whole / DIRECT_MANY));
    }
    assert_true(direct_memory() <= 64u << 20);
    for (size_t i = 0; i < VR_COUNT(dev); i++) {
        block_close(dev[i]);
    }
    CHECK_OK(block_file_open(path, BLOCK_DIRECT, &dev[0], &err), &err);
    assert_int_equal(direct_memory(), whole);
    block_close(dev[0]);
    assert_int_equal(direct_memory(), 0);
}

/* Bytes of memory that is made of huge pages, and that children do not get. */
static size_t huge_memory(void)
{
    FILE *f = fopen("/proc/self/smaps", "r");
    char line[512];
    size_t kib = 0, sum = 0;
    uint64_t from = 0, v, end;
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &v, &end) == 2) {
            from = v;
        }
        (void)!sscanf(line, "Size: %zu kB", &kib);
        if (strncmp(line, "VmFlags:", 8) == 0 && strstr(line, " hg") && strstr(line, " dc")) {
            assert_int_equal(from % (2 * VR_MIB), 0);
            sum += kib << 10;
        }
    }
    fclose(f);
    return sum;
}

static void test_buffers_are_of_huge_pages(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    if (!has_direct || access("/sys/kernel/mm/transparent_hugepage/enabled", R_OK) < 0) {
        skip();
    }
    assert_int_equal(huge_memory(), 0);
    struct block_dev *dev = open_it(0);
    assert_int_equal(huge_memory(), direct_memory());
    assert_true(direct_memory() > 0);
    CHECK_OK(block_read(dev, buf, VR_MIB, 0, &err), &err);
    assert_memory_equal(buf, model, VR_MIB);
    block_close(dev);
    assert_int_equal(huge_memory(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {F(test_memory_of_many_disks),
                                       F(test_buffers_are_of_huge_pages),
                                       F(test_reads_at_any_place),
                                       F(test_prefetched_reads),
                                       F(test_everything_in_any_order),
                                       F(test_close_waits_for_posted_writes),
                                       F(test_short_results_and_the_moment),
                                       F(test_nothing_overtakes_a_write),
                                       F(test_no_direct_after_all),
                                       F(test_failed_reads),
                                       F(test_failed_write_is_told_until_the_flush),
                                       F(test_a_file_that_became_shorter),
                                       F(test_log_appended_and_read),
                                       F(test_log_read_in_strides),
                                       F(test_append_that_fails_half_way_leaves_nothing),
                                       F(test_a_lost_append_ends_the_file)};
    return RUN(tests);
}
