/* SPDX-License-Identifier: Apache-2.0 */
#include "block/dev.h"
#include "tests/lib/check.h"
#include "util/num.h"
#include "util/vtime.h"

static uint8_t buf[64 << 10];

static struct block_dev *mem(uint64_t size)
{
    struct vr_err err = VR_ERR_INIT;
    struct block_dev *dev = NULL;
    CHECK_OK(block_mem_new(size, &dev, &err), &err);
    return dev;
}

static void test_ranges_are_checked(void **state)
{
    struct vr_err err;
    struct block_extent e;
    size_t n;
    struct block_dev *dev = mem(10000);
    CHECK_OK(block_read(dev, buf, 10000, 0, &err), &err);
    CHECK_OK(block_read(dev, buf, 0, 10000, &err), &err);
    CHECK_FAILS(block_read(dev, buf, 1, 10000, &err), &err, VR_E_INVALID, "memory: read of 1");
    CHECK_FAILS(block_write(dev, buf, 2, 9999, &err), &err, VR_E_INVALID, "outside");
    CHECK_FAILS(block_zero(dev, UINT64_MAX, 2, &err), &err, VR_E_INVALID, "outside");
    CHECK_FAILS(block_reserve(dev, 1, UINT64_MAX, &err), &err, VR_E_INVALID, "outside");
    CHECK_FAILS(block_extents(dev, 0, 10001, &e, 1, &n, &err), &err, VR_E_INVALID, "outside");
    block_prefetch(dev, 10000, 1); /* a hint is never an error */
    block_close(dev);
    block_close(NULL);
}

static void test_read_only_refuses_changes(void **state)
{
    struct vr_err err;
    struct block_dev *dev = mem(4096);
    dev->flags = BLOCK_READ_ONLY;
    CHECK_FAILS(block_write(dev, buf, 1, 0, &err), &err, VR_E_DENIED, "reading only");
    CHECK_FAILS(block_zero(dev, 0, 1, &err), &err, VR_E_DENIED, "reading only");
    CHECK_FAILS(block_reserve(dev, 0, 1, &err), &err, VR_E_DENIED, "reading only");
    CHECK_OK(block_flush(dev, &err), &err);
    block_close(dev);
}

static void test_mem_extents(void **state)
{
    struct vr_err err;
    struct block_extent e[4];
    size_t n;
    struct block_dev *dev = mem(40960);
    CHECK_OK(block_write(dev, "x", 1, 8192 + 17, &err), &err);
    CHECK_OK(block_extents(dev, 100, 40860, e, 4, &n, &err), &err);
    assert_int_equal(n, 3);
    assert_int_equal(e[0].kind, BLOCK_ZERO);
    assert_int_equal(e[0].off, 100);
    assert_int_equal(e[1].kind, BLOCK_DATA);
    assert_int_equal(e[1].off, 8192);
    assert_int_equal(e[1].len, 4096);
    assert_int_equal(e[2].kind, BLOCK_ZERO);
    CHECK_OK(block_extents(dev, 0, 40960, e, 2, &n, &err), &err);
    assert_int_equal(n, 2); /* as many as there is room for */
    CHECK_OK(block_zero(dev, 8192, 4096, &err), &err);
    CHECK_OK(block_extents(dev, 0, 40960, e, 4, &n, &err), &err);
    assert_int_equal(n, 1);
    CHECK_OK(block_extents(dev, 0, 0, e, 4, &n, &err), &err);
    assert_int_equal(n, 0);
    block_close(dev);
}

static struct block_dev *faulty(struct block_fault_plan *plan, uint64_t size)
{
    struct vr_err err = VR_ERR_INIT;
    struct block_dev *dev = NULL;
    CHECK_OK(block_fault_new(mem(size), plan, &dev, &err), &err);
    return dev;
}

static void test_fault_hits_the_nth_call_once(void **state)
{
    struct vr_err err;
    struct block_fault_plan plan = {.fail_at = 2, .kind = VR_E_NOSPACE, .ops = BLOCK_OP_WRITE};
    struct block_dev *dev = faulty(&plan, 4096);
    CHECK_OK(block_write(dev, "a", 1, 0, &err), &err);
    CHECK_OK(block_read(dev, buf, 1, 0, &err), &err); /* not counted */
    CHECK_FAILS(block_write(dev, "b", 1, 0, &err), &err, VR_E_NOSPACE, "memory: injected");
    CHECK_OK(block_write(dev, "c", 1, 1, &err), &err);
    CHECK_OK(block_read(dev, buf, 2, 0, &err), &err);
    assert_memory_equal(buf, "ac", 2); /* the failed one did not get through */
    assert_int_equal(plan.seen, 3);
    assert_int_equal(plan.injected, 1);
    block_close(dev);
}

static void test_fault_persistent_and_outside_are_prefixed_once(void **state)
{
    struct vr_err err;
    struct block_fault_plan plan = {
        .fail_at = 1, .kind = VR_E_IO, .persistent = true, .ops = BLOCK_OP_FLUSH | BLOCK_OP_ZERO};
    struct block_dev *dev = faulty(&plan, 4096);
    CHECK_FAILS(block_flush(dev, &err), &err, VR_E_IO, "flush");
    CHECK_FAILS(block_zero(dev, 0, 1, &err), &err, VR_E_IO, "zeroing");
    CHECK_FAILS(block_flush(dev, &err), &err, VR_E_IO, "memory: injected");
    assert_null(strstr(vr_err_text(&err), "memory: memory"));
    assert_int_equal(plan.injected, 3);
    plan.fail_at = 0;
    CHECK_OK(block_flush(dev, &err), &err);
    block_close(dev);
}

static void test_long_io_is_split(void **state)
{
    struct vr_err err;
    struct block_fault_plan plan = {.ops = BLOCK_OP_WRITE};
    size_t size = 2 * (size_t)BLOCK_IO_MAX + 5;
    uint8_t *p = malloc(size);
    assert_non_null(p);
    memset(p, 0x5a, size);
    struct block_dev *dev = faulty(&plan, size);
    CHECK_OK(block_write(dev, p, size, 0, &err), &err);
    assert_int_equal(plan.seen, 3);
    memset(p, 0, size);
    CHECK_OK(block_read(dev, p, size, 0, &err), &err);
    assert_int_equal(p[0], 0x5a);
    assert_int_equal(p[size - 1], 0x5a);
    free(p);
    block_close(dev);
}

static void test_rate_is_not_exceeded(void **state)
{
    struct vr_err err;
    struct block_dev *dev;
    uint64_t start = vr_mono_us(); /* what it may write grows from its making on */
    CHECK_OK(block_rate_new(mem(VR_MIB), 4 * VR_MIB, &dev, &err), &err);
    assert_int_equal(dev->size_bytes, VR_MIB);
    for (uint64_t off = 0; off < VR_MIB; off += sizeof buf) {
        CHECK_OK(block_write(dev, buf, sizeof buf, off, &err), &err);
    }
    /* 1 MiB at 4 MiB/s; the first piece goes at once. Slower is fine. */
    assert_true(vr_mono_us() - start >= 230000);
    block_close(dev);
    CHECK_FAILS(block_rate_new(mem(4096), 0, &dev, &err), &err, VR_E_INVALID, "rate of 0");
}

/* Zeroes beyond the end of what is there, which may be nothing. */
static void test_a_device_seen_as_larger(void **state)
{
    struct vr_err err;
    struct block_extent e[4];
    struct block_dev *base = mem(5000), *dev;
    size_t n;
    memset(buf, 0xff, sizeof buf);
    CHECK_OK(block_write(base, buf, 5000, 0, &err), &err);
    CHECK_OK(block_pad_new(base, 20000, &dev, &err), &err);
    assert_int_equal(dev->size_bytes, 20000);
    CHECK_OK(block_read(dev, buf, 20000, 0, &err), &err);
    assert_int_equal(buf[4999], 0xff);
    assert_int_equal(buf[5000] | buf[19999], 0);
    CHECK_OK(block_extents(dev, 0, 20000, e, 4, &n, &err), &err);
    assert_true(e[n - 1].off + e[n - 1].len <= 5000);
    CHECK_OK(block_extents(dev, 5000, 15000, e, 4, &n, &err), &err);
    assert_int_equal(n, 1);
    assert_int_equal(e[0].kind, BLOCK_ZERO);
    assert_int_equal(e[0].len, 15000);
    CHECK_FAILS(block_write(dev, buf, 1, 0, &err), &err, VR_E_DENIED, "reading only");
    block_close(dev);
    CHECK_OK(block_pad_new(NULL, 4096, &dev, &err), &err);
    memset(buf, 0xff, 4096);
    CHECK_OK(block_read(dev, buf, 4096, 0, &err), &err);
    assert_int_equal(buf[0] | buf[4095], 0);
    block_close(dev);
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_ranges_are_checked),
                                       T(test_read_only_refuses_changes),
                                       T(test_mem_extents),
                                       T(test_fault_hits_the_nth_call_once),
                                       T(test_fault_persistent_and_outside_are_prefixed_once),
                                       T(test_long_io_is_split),
                                       T(test_rate_is_not_exceeded),
                                       T(test_a_device_seen_as_larger)};
    return RUN(tests);
}
