/* SPDX-License-Identifier: Apache-2.0 */
/* A file each of whose bytes tells where it is. */
#pragma once
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

static inline uint8_t byte_at(uint64_t off)
{
    return (uint8_t)(off / 4096 * 7 + off % 251 + 1);
}

static inline void fill_patterned(uint8_t *p, uint64_t off, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        p[i] = byte_at(off + i);
    }
}

/* 0 or -1; path as for mkstemp, size a multiple of the buffer's len. */
static inline int make_patterned(char *path, uint64_t size, uint8_t *buf, size_t len)
{
    int fd = mkstemp(path);
    ssize_t n = fd < 0 ? -1 : 1;
    for (uint64_t off = 0; n > 0 && off < size; off += len) {
        fill_patterned(buf, off, len);
        n = write(fd, buf, len);
    }
    close(fd);
    return n > 0 ? 0 : -1;
}
