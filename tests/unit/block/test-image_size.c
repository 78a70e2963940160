/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes from headers, as qemu-img writes them, and what is none. */
#include <fcntl.h>
#include <unistd.h>

#include "block/image_size.h"
#include "tests/lib/check.h"
#include "util/num.h"

#define GIB ((uint64_t)1 << 30)

struct piece {
    uint64_t off;
    size_t n;
    const char *p;
};

static int fd;

static void put(uint64_t off, const void *p, size_t n)
{
    assert_int_equal(pwrite(fd, p, n, (off_t)off), n);
}

static void begin(void)
{
    char name[] = "/tmp/vr-image-size-XXXXXX";
    fd = mkstemp(name);
    assert_true(fd >= 0);
    unlink(name);
}

#define P(off, text)                                                                               \
    {                                                                                              \
        off, sizeof(text) - 1, text                                                                \
    }
#define VPC(creator, chs)                                                                          \
    P(0, "conectix"), P(28, creator), P(48, "\0\0\0\0\x40\x03\xe0\0"), P(56, chs),                 \
        P(508, "\0\0\0\0")
#define METADATA "\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e"
#define DISK_SIZE "\x24\x42\xa5\x2f\x1b\xcd\x76\x48\xb2\x11\x5d\xbe\xd8\x3b\xf4\xb8"
#define VHDX(regions, metadata)                                                                    \
    P(0, "vhdxfile"), P(192 << 10, "regi\0\0\0\0" regions), P((192 << 10) + 48, METADATA),         \
        P((192 << 10) + 64, "\0\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0"),                                 \
        P(2 << 20, "metadata\0\0" metadata), P((2 << 20) + 64, DISK_SIZE "\0\0\1\0\0\0\0\0"),      \
        P((2 << 20) + 96, "................................"),                                     \
        P((2 << 20) + 65536, "\0\0\0\x40\0\0\0\0")

static const struct {
    const char *format;
    struct piece pieces[9];
    uint64_t size;
} rows[] = {
    {"raw", {P(8191, "x")}, 8192},
    {"qcow2", {P(0, "QFI\xfb"), P(24, "\0\0\0\0\x40\0\0\0")}, GIB},
    {"qed", {P(0, "QED\0"), P(48, "\0\0\0\x40\0\0\0\0")}, GIB},
    {"vdi", {P(0x40, "\x7f\x10\xda\xbe"), P(0x170, "\0\0\0\x40\0\0\0\0")}, GIB},
    {"vmdk", {P(0, "KDMV"), P(12, "\0\0\x20\0\0\0\0\0")}, GIB},
    {"vmdk", {P(0, "COWD"), P(12, "\0\0\x20\0\xff\xff\xff\xff")}, GIB},
    {"vmdk",
     {P(0, "# Disk DescriptorFile\nversion=1\nRW 4194304 FLAT \"a\" 0\nRW 2 SPARSE \"b\"\n")},
     2 * GIB + 1024},
    {"vmdk", {P(0, "# Disk DescriptorFile\nRW 99999999999999999999 FLAT \"a\" 0\n")}, 0},
    {"vpc", {VPC("qemu", "\x08\x21\x10\x3f")}, 2081ull * 16 * 63 * 512},
    {"vpc", {VPC("qem2", "\x08\x21\x10\x3f")}, 0x4003e000},
    {"vpc", {VPC("qemu", "\xff\xff\x10\xff")}, 0x4003e000},
    {"vhdx", {VHDX("\2\0\0\0", "\2\0")}, GIB},
    {"vhdx", {VHDX("\1\0\0\0", "\2\0")}, 0}, /* the table ends before */
    {"vhdx", {VHDX("\2\0\0\0", "\1\0")}, 0},
    {"vhdx", {VHDX("\xff\xff\xff\xff", "\xff\xff")}, GIB}, /* it claims more than there is */
};

static void test_sizes(void **state)
{
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        begin();
        for (size_t k = 0; k < VR_COUNT(rows[i].pieces); k++) {
            put(rows[i].pieces[k].off, rows[i].pieces[k].p, rows[i].pieces[k].n);
        }
        uint64_t size = image_size_peek(fd, rows[i].format);
        if (size != rows[i].size) {
            fail_msg("row %zu, %s: %llu", i, rows[i].format, (unsigned long long)size);
        }
        close(fd);
    }
}

/* The footer of a fixed one. */
static void test_fixed_vpc(void **state)
{
    begin();
    put(10 * VR_MIB, "conectix", 8);
    put(10 * VR_MIB + 28, "win ", 4);
    put(10 * VR_MIB + 48, "\0\0\0\0\0\xa0\0\0", 8);
    put(10 * VR_MIB + 511, "", 1);
    assert_int_equal(image_size_peek(fd, "vpc"), 10 * VR_MIB);
    close(fd);
}

static void test_none(void **state)
{
    static const char *const formats[] = {"qcow2", "qed", "vdi", "vmdk", "vpc", "vhdx", "other"};
    static const uint8_t noise[600] = {[0 ... 599] = 0xff};
    for (size_t i = 0; i < VR_COUNT(formats); i++) {
        begin();
        assert_int_equal(image_size_peek(fd, formats[i]), 0);
        put(0, noise, sizeof noise);
        assert_int_equal(image_size_peek(fd, formats[i]), 0);
        close(fd);
    }
    begin(); /* larger than any file */
    put(0, "QED\0", 4);
    put(48, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
    assert_int_equal(image_size_peek(fd, "qed"), 0);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_sizes), T(test_fixed_vpc), T(test_none)};
    return RUN(tests);
}
