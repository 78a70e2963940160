/* SPDX-License-Identifier: Apache-2.0 */
#include "block/image_size.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/num.h"

#define SECTOR 512u

static bool read_at(int fd, void *p, size_t n, uint64_t off)
{
    return off <= INT64_MAX && pread(fd, p, n, (off_t)off) == (ssize_t)n;
}

static uint64_t le(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    while (n > 0) {
        v = v << 8 | p[--n];
    }
    return v;
}

static uint64_t be(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++) {
        v = v << 8 | p[i];
    }
    return v;
}

static uint64_t of_raw(int fd)
{
    off_t end = lseek(fd, 0, SEEK_END);
    return end > 0 ? (uint64_t)end : 0;
}

static uint64_t of_qcow2(int fd)
{
    uint8_t h[32];
    return read_at(fd, h, sizeof h, 0) && memcmp(h, "QFI\xfb", 4) == 0 ? be(h + 24, 8) : 0;
}

static uint64_t of_qed(int fd)
{
    uint8_t h[56];
    return read_at(fd, h, sizeof h, 0) && memcmp(h, "QED\0", 4) == 0 ? le(h + 48, 8) : 0;
}

static uint64_t of_vdi(int fd)
{
    uint8_t h[0x178];
    return read_at(fd, h, sizeof h, 0) && le(h + 0x40, 4) == 0xbeda107f ? le(h + 0x170, 8) : 0;
}

/* A dynamic image begins with what a fixed one ends with. As QEMU does: the geometry is the disk,
 * unless a program made the image of which it is known that the size is. */
static uint64_t of_vpc(int fd)
{
    static const char by_size[][5] = {"win ", "qem2", "d2v ", "tap\0", "CTXS", "wa\0\0"};
    uint8_t h[SECTOR];
    uint64_t end = of_raw(fd);
    bool is = read_at(fd, h, sizeof h, 0) && memcmp(h, "conectix", 8) == 0;
    is = is ||
         (end >= SECTOR && read_at(fd, h, sizeof h, end - SECTOR) && memcmp(h, "conectix", 8) == 0);
    uint64_t sectors = be(h + 56, 2) * h[58] * h[59];
    bool sized = sectors == 65535ull * 16 * 255;
    for (size_t i = 0; i < VR_COUNT(by_size); i++) {
        sized = sized || memcmp(h + 28, by_size[i], 4) == 0;
    }
    return !is ? 0 : sized ? be(h + 48, 8) / SECTOR * SECTOR : sectors * SECTOR;
}

/* The lines "RW 4192256 SPARSE ..." of a descriptor that is a file of its own. */
static uint64_t of_vmdk_text(int fd)
{
    char text[20 << 10] = "", *save, *line;
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    uint64_t sectors = 0;
    if (n <= 0 || strncmp(text, "# Disk DescriptorFile", 21) != 0) {
        return 0;
    }
    for (line = strtok_r(text, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save)) {
        bool extent = strncmp(line, "RW ", 3) == 0 || strncmp(line, "RDONLY ", 7) == 0;
        uint64_t more = extent ? strtoull(strchr(line, ' '), NULL, 10) : 0;
        if (more > INT64_MAX / SECTOR - sectors) {
            return 0;
        }
        sectors += more;
    }
    return sectors * SECTOR;
}

static uint64_t of_vmdk(int fd)
{
    uint8_t h[20];
    if (!read_at(fd, h, sizeof h, 0)) {
        return 0;
    }
    uint64_t sectors = memcmp(h, "KDMV", 4) == 0   ? le(h + 12, 8)
                       : memcmp(h, "COWD", 4) == 0 ? le(h + 12, 4)
                                                   : 0;
    return sectors > INT64_MAX / SECTOR ? 0 : sectors ? sectors * SECTOR : of_vmdk_text(fd);
}

/* One of n entries of 32 bytes, each of which begins with what it is called. */
static bool find_entry(int fd, uint64_t off, uint64_t n, const uint8_t id[16], uint8_t ret[32])
{
    for (uint64_t i = 0; i < VR_MIN(n, (uint64_t)64); i++) {
        if (!read_at(fd, ret, 32, off + 32 * i)) {
            return false;
        }
        if (memcmp(ret, id, 16) == 0) {
            return true;
        }
    }
    return false;
}

static uint64_t of_vhdx(int fd)
{
    static const uint8_t metadata[16] = {0x06, 0xa2, 0x7c, 0x8b, 0x90, 0x47, 0x9a, 0x4b,
                                         0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e};
    static const uint8_t disk_size[16] = {0x24, 0x42, 0xa5, 0x2f, 0x1b, 0xcd, 0x76, 0x48,
                                          0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b, 0xf4, 0xb8};
    const uint64_t regions = 192 << 10;
    uint8_t h[32], entry[32], size[8];
    if (!read_at(fd, h, 8, 0) || memcmp(h, "vhdxfile", 8) != 0 || !read_at(fd, h, 16, regions) ||
        memcmp(h, "regi", 4) != 0 || !find_entry(fd, regions + 16, le(h + 8, 4), metadata, entry)) {
        return 0;
    }
    uint64_t at = le(entry + 16, 8);
    if (at > INT64_MAX / 2 || !read_at(fd, h, sizeof h, at) || memcmp(h, "metadata", 8) != 0 ||
        !find_entry(fd, at + 32, le(h + 10, 2), disk_size, entry) ||
        !read_at(fd, size, sizeof size, at + le(entry + 16, 4))) {
        return 0;
    }
    return le(size, sizeof size);
}

uint64_t image_size_peek(int fd, const char *format)
{
    static const struct {
        const char *format;
        uint64_t (*of)(int fd);
    } formats[] = {{"raw", of_raw}, {"qcow2", of_qcow2}, {"vhdx", of_vhdx}, {"vmdk", of_vmdk},
                   {"vpc", of_vpc}, {"vdi", of_vdi},     {"qed", of_qed}};
    for (size_t i = 0; i < VR_COUNT(formats); i++) {
        if (strcmp(formats[i].format, format) == 0) {
            uint64_t size = formats[i].of(fd);
            return size <= INT64_MAX ? size : 0;
        }
    }
    return 0;
}
