/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the file driver only: looking at a file through a sliding mapping instead of copying it.
 * What a view is and how it is used: block_map in block/dev.h. One view at a time in a thread.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILE_MAP_WINDOW (16u << 20) /* mapped at most, bytes; its pages count as our memory */

struct file_map {
    uint8_t *base; /* NULL: nothing is mapped */
    uint64_t off;
    size_t len;
    bool refused; /* this system or file cannot; do not ask again */
    bool asked;   /* blind is known */
    bool blind;   /* nobody tells us what of the file is cached: then nothing is */
};

/* The range must lie in the first size_bytes of the file, and in the page cache (file_map_cached).
 * NULL: not to be had. Else file_map_end must follow. */
const uint8_t *
file_map_begin(struct file_map *m, int fd, uint64_t size_bytes, uint64_t off, size_t len);
/* upto: where the view ended in the file. False: some of it could not be read. */
bool file_map_end(struct file_map *m, int fd, uint64_t upto);
void file_map_release(struct file_map *m);
/* Is all of the range in the page cache? False also where the kernel does not tell. */
bool file_map_cached(struct file_map *m, int fd, uint64_t off, size_t len);
/* For tests: do without what came with Linux 6.5. */
extern bool file_map_old_kernel;
/* Page faults without a page, caught in this process so far. For tests. */
uint64_t file_map_faults(void);
/* Takes SIGBUS. The first view of the process does; again for who put a handler of his own before
 * ours, as test frameworks do. */
void file_map_guard(void);
