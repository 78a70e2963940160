/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the file driver only: views (block_map in block/dev.h) of what the page cache holds of a
 * file, by whichever way costs less, a mapping or a copy.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "block/file_map.h"

#define FILE_VIEW_STRETCH FILE_MAP_WINDOW /* bytes looked at before the way may change */
#define FILE_VIEW_TRIAL 64u               /* of so many stretches one goes the other way */
#define FILE_VIEW_COPY_MAX (256u << 10)   /* stays in the processor's second-level cache */

enum file_view_way {
    FILE_VIEW_MAP,
    FILE_VIEW_COPY,
    FILE_VIEW_WAYS
};

struct file_view {
    struct file_map map;
    uint8_t *buf; /* FILE_VIEW_COPY_MAX bytes; NULL: nothing was copied yet */
    enum file_view_way way;
    bool copied;                      /* the view that is open */
    uint64_t seen;                    /* bytes of this stretch */
    unsigned stretches;               /* since the last trial */
    uint64_t cost_ns[FILE_VIEW_WAYS]; /* processor time of its last stretch; 0: not tried */
    uint64_t spent_ns, since_ns;      /* of this stretch; thread's clock when the view began */
    uint64_t cached_from, cached_end; /* was in the page cache a moment ago */
};

/* The range must lie in the first size_bytes of the file. NULL: it is not in the page cache as a
 * whole, or no view can be had at all. Else file_view_end must follow. */
const uint8_t *
file_view_begin(struct file_view *v, int fd, uint64_t size_bytes, uint64_t off, size_t len);
/* The same range. False: some of it could not be read. */
bool file_view_end(struct file_view *v, int fd, uint64_t off, size_t len);
void file_view_release(struct file_view *v);
/* For tests: only this way (FILE_VIEW_WAYS: either, as it comes). */
extern enum file_view_way file_view_only;
