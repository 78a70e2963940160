/* SPDX-License-Identifier: Apache-2.0 */
/* The raw driver on a real block device: a loop device over a file. Needs root. */
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block/dev.h"
#include "tests/lib/check.h"
#include "util/num.h"

#define SIZE_BYTES (8 * VR_MIB)

static char backing[] = "/tmp/vr-loop-XXXXXX";
static char device[64];
static int held = -1; /* the loop device goes away with its last user */
static uint8_t buf[1 << 20], want[1 << 20];

/* Another process may take the number that LOOP_CTL_GET_FREE gave. */
static int attach(unsigned sector_bytes)
{
    int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    int file = open(backing, O_RDWR | O_CLOEXEC);
    struct loop_config config = {.fd = (uint32_t)file, .block_size = sector_bytes};
    config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
    int r = -1;
    for (int i = 0; control >= 0 && file >= 0 && i < 20 && r < 0; i++) {
        int number = ioctl(control, LOOP_CTL_GET_FREE);
        snprintf(device, sizeof device, "/dev/loop%d", number);
        held = number < 0 ? -1 : open(device, O_RDWR | O_CLOEXEC);
        r = held < 0 ? -1 : ioctl(held, LOOP_CONFIGURE, &config);
        if (r < 0 && held >= 0) {
            close(held);
        }
    }
    close(control);
    close(file);
    return r;
}

static int detach(void **state)
{
    close(held);
    held = -1;
    return 0;
}

static void compare_with_backing(uint64_t off, size_t len)
{
    int fd = open(backing, O_RDONLY | O_CLOEXEC);
    assert_int_equal(pread(fd, buf, len, (off_t)off), len);
    close(fd);
    assert_memory_equal(buf, want, len);
}

static void check_device(unsigned sector_bytes)
{
    struct vr_err err = VR_ERR_INIT;
    struct block_dev *dev = NULL;
    struct block_extent e[4];
    size_t n;
    assert_int_equal(attach(sector_bytes), 0);
    CHECK_OK(block_file_open(device, 0, &dev, &err), &err);
    assert_int_equal(dev->size_bytes, SIZE_BYTES);
    memset(want, 0x5a, sizeof want);
    CHECK_OK(block_write(dev, want, sizeof want, VR_MIB, &err), &err);
    CHECK_OK(block_reserve(dev, 0, SIZE_BYTES, &err), &err);
    /* It is not a whole number of sectors at either end, and BLKZEROOUT knows only sectors. */
    CHECK_OK(block_zero(dev, VR_MIB + 100, 200001, &err), &err);
    memset(want + 100, 0, 200001);
    CHECK_OK(block_zero(dev, VR_MIB + 500000, 1001, &err), &err); /* small: written */
    memset(want + 500000, 0, 1001);
    CHECK_OK(block_flush(dev, &err), &err);
    compare_with_backing(VR_MIB, sizeof want);
    block_drop_cache(dev);
    CHECK_OK(block_read(dev, buf, sizeof buf, VR_MIB, &err), &err);
    assert_memory_equal(buf, want, sizeof buf);
    CHECK_OK(block_extents(dev, 0, SIZE_BYTES, e, 4, &n, &err), &err);
    assert_int_equal(n, 1); /* nothing is known of holes: all is data */
    assert_int_equal(e[0].kind, BLOCK_DATA);
    CHECK_FAILS(block_write(dev, want, 2, SIZE_BYTES - 1, &err), &err, VR_E_INVALID, "outside");
    CHECK_OK(block_zero(dev, 0, SIZE_BYTES, &err), &err);
    CHECK_OK(block_flush(dev, &err), &err);
    memset(want, 0, sizeof want);
    for (uint64_t off = 0; off < SIZE_BYTES; off += sizeof want) {
        compare_with_backing(off, sizeof want);
    }
    block_close(dev);
}

static void test_sectors_of_512(void **state)
{
    check_device(512);
}

static void test_sectors_of_4096(void **state)
{
    check_device(4096);
}

static void test_read_only_device(void **state)
{
    struct vr_err err;
    struct block_dev *dev = NULL;
    assert_int_equal(attach(512), 0);
    CHECK_OK(block_image_open(device, "raw", BLOCK_READ_ONLY, "/nonexistent", &dev, &err), &err);
    block_prefetch(dev, 0, SIZE_BYTES);
    CHECK_OK(block_read(dev, buf, sizeof buf, 0, &err), &err);
    CHECK_FAILS(block_zero(dev, 0, VR_MIB, &err), &err, VR_E_DENIED, "reading only");
    assert_false(block_changed(dev));
    block_close(dev);
}

int main(void)
{
    int fd = mkstemp(backing);
    if (fd < 0 || ftruncate(fd, SIZE_BYTES) < 0) {
        return 1;
    }
    close(fd);
    if (attach(512) < 0) {
        printf("skip: no loop device can be made here: %s\n", strerror(errno));
        unlink(backing);
        return 77;
    }
    (void)detach(NULL);
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(test_sectors_of_512, detach),
                                       cmocka_unit_test_teardown(test_sectors_of_4096, detach),
                                       cmocka_unit_test_teardown(test_read_only_device, detach)};
    int r = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(backing);
    return r;
}
