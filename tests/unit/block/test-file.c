/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block/dev.h"
#include "tests/lib/check.h"
#include "util/num.h"

static char path[] = "/tmp/vr-file-XXXXXX";
static uint8_t buf[2 << 20];

static int fresh(void **state)
{
    int fd = mkstemp(memcpy(path, "/tmp/vr-file-XXXXXX", sizeof path));
    int r = fd < 0 ? -1 : ftruncate(fd, 16 << 20);
    close(fd);
    return r;
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

static enum block_extent_kind kind_at(struct block_dev *dev, uint64_t off)
{
    struct vr_err err = VR_ERR_INIT;
    struct block_extent e;
    size_t n;
    CHECK_OK(block_extents(dev, off, 1, &e, 1, &n, &err), &err);
    return e.kind;
}

static blkcnt_t blocks(void)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_blocks;
}

static void test_extents_of_a_sparse_file(void **state)
{
    struct vr_err err;
    struct block_extent e[8];
    size_t n;
    struct block_dev *dev = open_it(0);
    assert_int_equal(dev->size_bytes, 16 << 20);
    memset(buf, 1, sizeof buf);
    CHECK_OK(block_write(dev, buf, VR_MIB, 4 * VR_MIB, &err), &err);
    CHECK_OK(block_write(dev, buf, VR_MIB, 8 * VR_MIB, &err), &err);
    CHECK_OK(block_extents(dev, 0, 16 * VR_MIB, e, 8, &n, &err), &err);
    assert_int_equal(n, 5);
    assert_int_equal(e[0].kind, BLOCK_ZERO);
    assert_int_equal(e[1].kind, BLOCK_DATA);
    assert_int_equal(e[1].off, 4 * VR_MIB);
    assert_int_equal(e[1].len, VR_MIB);
    assert_int_equal(e[4].kind, BLOCK_ZERO);
    assert_int_equal(e[4].off + e[4].len, 16 * VR_MIB);
    /* a write inside what the cache knows as a hole */
    assert_int_equal(kind_at(dev, 14 * VR_MIB), BLOCK_ZERO);
    CHECK_OK(block_write(dev, buf, 4096, 14 * VR_MIB, &err), &err);
    assert_int_equal(kind_at(dev, 14 * VR_MIB), BLOCK_DATA);
    block_close(dev);
}

static void test_zero_punches_large_and_writes_small(void **state)
{
    struct vr_err err;
    struct block_dev *dev = open_it(0);
    memset(buf, 7, sizeof buf);
    CHECK_OK(block_write(dev, buf, 2 * VR_MIB, 0, &err), &err);
    CHECK_OK(block_flush(dev, &err), &err);
    blkcnt_t before = blocks();
    assert_int_equal(kind_at(dev, 300000), BLOCK_DATA);
    CHECK_OK(block_zero(dev, 100001, VR_MIB, &err), &err);
    assert_true(blocks() < before);
    assert_int_equal(kind_at(dev, 300000), BLOCK_ZERO);
    CHECK_OK(block_read(dev, buf, 2 * VR_MIB, 0, &err), &err);
    assert_int_equal(buf[100000], 7);
    assert_int_equal(buf[100001], 0);
    assert_int_equal(buf[100000 + VR_MIB], 0);
    assert_int_equal(buf[100001 + VR_MIB], 7);
    before = blocks();
    static const uint64_t small[] = {BLOCK_PUNCH_MIN - 1, BLOCK_PUNCH_MIN, 200001};
    for (size_t i = 0; i < VR_COUNT(small); i++) {
        memset(buf, 7, VR_MIB);
        CHECK_OK(block_write(dev, buf, 512 * VR_KIB, 1536 * VR_KIB, &err), &err);
        CHECK_OK(block_zero(dev, 1536 * VR_KIB + 3, small[i], &err), &err);
        CHECK_OK(block_read(dev, buf, 512 * VR_KIB, 1536 * VR_KIB, &err), &err);
        assert_int_equal(buf[2], 7);
        assert_true(buf[3] == 0 && memcmp(buf + 3, buf + 4, small[i] - 1) == 0);
        assert_int_equal(buf[3 + small[i]], 7);
        assert_true(blocks() >= before - 8); /* a block of the file system at an edge */
    }
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 16 << 20);
    block_close(dev);
}

static void test_reserve_takes_space_and_reads_as_zeroes(void **state)
{
    struct vr_err err;
    struct block_dev *dev = open_it(0);
    CHECK_OK(block_write(dev, "data", 4, VR_MIB, &err), &err);
    CHECK_OK(block_flush(dev, &err), &err);
    blkcnt_t before = blocks();
    CHECK_OK(block_reserve(dev, 0, 4 * VR_MIB, &err), &err);
    assert_true(blocks() - before >= (blkcnt_t)(3 * VR_MIB / 512));
    CHECK_OK(block_read(dev, buf, 2 * VR_MIB, 0, &err), &err);
    assert_int_equal(buf[0], 0);
    assert_memory_equal(buf + VR_MIB, "data", 4);
    block_close(dev);
}

static void test_short_file_is_an_error(void **state)
{
    struct vr_err err;
    struct block_dev *dev = open_it(BLOCK_READ_ONLY);
    assert_int_equal(truncate(path, 1 << 20), 0);
    CHECK_FAILS(block_read(dev, buf, VR_MIB, 512 * VR_KIB, &err), &err, VR_E_IO, "unexpected end");
    /* and what is gone must not pass for zeroes */
    assert_int_equal(kind_at(dev, 8 * VR_MIB), BLOCK_DATA);
    assert_true(block_changed(dev));
    block_close(dev);
}

static void test_changed_by_another_writer(void **state)
{
    struct vr_err err;
    struct block_dev *dev = open_it(BLOCK_READ_ONLY);
    CHECK_OK(block_read(dev, buf, VR_MIB, 0, &err), &err);
    assert_false(block_changed(dev));
    usleep(30000); /* more than the tick in which file times move */
    int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "x", 1, 0), 1);
    close(fd);
    assert_true(block_changed(dev));
    block_close(dev);
}

static void test_open_errors(void **state)
{
    struct vr_err err;
    struct block_dev *dev = NULL;
    CHECK_FAILS(block_file_open("/tmp/vr-none/none", 0, &dev, &err), &err, VR_E_NOT_FOUND, "none");
    CHECK_FAILS(block_file_open("/dev/null", 0, &dev, &err), &err, VR_E_INVALID, "/dev/null");
    CHECK_FAILS(block_file_open("/tmp", BLOCK_READ_ONLY, &dev, &err), &err, VR_E_INVALID, "/tmp");
    assert_null(dev);
    dev = open_it(0);
    assert_true(block_file_fd(dev) >= 0);
    block_drop_cache(dev);
    block_prefetch(dev, 0, dev->size_bytes);
    block_close(dev);
}

static void put_number(uint8_t *p, size_t n, uint64_t v)
{
    while (n--) {
        p[n] = (uint8_t)v;
        v >>= 8;
    }
}

static int resizes(const char *file, const uint8_t *head, size_t n, struct vr_err *err)
{
    FILE *out = fopen(file, "w");
    assert_non_null(out);
    assert_int_equal(fwrite(head, 1, n, out), n);
    assert_int_equal(fclose(out), 0);
    return block_image_check_resizes(file, "qcow2", err);
}

/* What QEMU would refuse in the middle of a commit. */
static void test_what_cannot_be_resized(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    char other[80];
    uint8_t head[512] = "QFI\xfb";
    snprintf(other, sizeof other, "%s.qcow2", path);
    CHECK_FAILS(block_image_check_resizes(other, "vdi", &err), &err, VR_E_UNSUPPORTED, "vdi");
    CHECK_FAILS(block_image_check_resizes(other, "qcow2", &err), &err, VR_E_NOT_FOUND, "open");
    CHECK_OK(block_image_check_resizes(other, "raw", &err), &err);
    CHECK_FAILS(resizes(other, head, 60, &err), &err, VR_E_CORRUPT, "no qcow2");
    head[7] = 2;
    CHECK_OK(resizes(other, head, 72, &err), &err);
    head[63] = 1; /* snapshots */
    CHECK_FAILS(resizes(other, head, 72, &err), &err, VR_E_UNSUPPORTED, "compat=1.1");
    head[7] = 3;
    head[103] = 112; /* where extensions begin */
    CHECK_OK(resizes(other, head, sizeof head, &err), &err);
    put_number(head + 112, 4, 0x6803f857); /* one that we do not know */
    put_number(head + 116, 4, 5);
    put_number(head + 128, 4, 0x23852875);
    put_number(head + 132, 4, 24);
    put_number(head + 136, 4, 2);   /* bitmaps, */
    put_number(head + 152, 8, 256); /* of which there are some */
    head[256 + 19] = 3;
    memcpy(head + 256 + 24, "one", 3);
    head[288 + 15] = 3; /* the other is in use */
    head[288 + 19] = 3;
    head[288 + 23] = 4; /* and has something more before its name */
    memcpy(head + 288 + 28, "two", 3);
    CHECK_OK(resizes(other, head, sizeof head, &err), &err); /* they do not count */
    head[95] = 1;
    CHECK_FAILS(resizes(other, head, sizeof head, &err), &err, VR_E_UNSUPPORTED, "'two'");
    CHECK_OK(resizes(other, head, 300, &err), &err); /* QEMU says what is wrong with it */
    put_number(head + 152, 8, UINT64_MAX);
    CHECK_OK(resizes(other, head, sizeof head, &err), &err);
    put_number(head + 116, 4, UINT32_MAX);
    CHECK_OK(resizes(other, head, sizeof head, &err), &err);
    unlink(other);
}

static void test_create_raw(void **state)
{
    struct vr_err err;
    struct block_dev *dev = NULL;
    char other[64];
    snprintf(other, sizeof other, "%s.raw", path);
    CHECK_OK(block_image_create(other, "raw", 3 * VR_MIB + 1, &err), &err);
    CHECK_FAILS(block_image_create(other, "raw", 1, &err), &err, VR_E_EXISTS, other);
    CHECK_FAILS(block_image_create(other, "floppy", 1, &err), &err, VR_E_INVALID, "floppy");
    CHECK_FAILS(block_image_resize(other, "vdi", 1, &err), &err, VR_E_UNSUPPORTED,
                "keep their size");
    CHECK_FAILS(block_image_resize("/dev/null", "raw", 1, &err), &err, VR_E_UNSUPPORTED,
                "not a file");
    CHECK_OK(block_image_resize(other, "raw", 4096, &err), &err);
    CHECK_OK(block_image_resize(other, "raw", 3 * VR_MIB + 1, &err), &err);
    CHECK_OK(block_image_open(other, "raw", 0, NULL, &dev, &err), &err);
    assert_int_equal(dev->size_bytes, 3 * VR_MIB + 1);
    assert_int_equal(kind_at(dev, 3 * VR_MIB), BLOCK_ZERO);
    block_close(dev);
    unlink(other);
}

#define F(f) cmocka_unit_test_setup_teardown(f, fresh, gone)

int main(void)
{
    const struct CMUnitTest tests[] = {F(test_extents_of_a_sparse_file),
                                       F(test_zero_punches_large_and_writes_small),
                                       F(test_reserve_takes_space_and_reads_as_zeroes),
                                       F(test_short_file_is_an_error),
                                       F(test_changed_by_another_writer),
                                       F(test_open_errors),
                                       F(test_create_raw),
                                       F(test_what_cannot_be_resized)};
    return RUN(tests);
}
