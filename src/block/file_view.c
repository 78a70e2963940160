/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mapping a page costs the same whatever is done with it; copying it costs its bytes and leaves
 * them in the processor's cache. Which is cheaper depends on the kernel and on how large the pieces
 * are in which it caches this file. So both are tried, and now and then again: the processor time
 * of a stretch counts what the caller does with the views, too.
 */
#include "block/file_view.h"

#include <stdlib.h>

#include "util/cleanup.h"
#include "util/fdio.h"
#include "util/num.h"
#include "util/vtime.h"

#define AHEAD (1u << 20)

enum file_view_way file_view_only = FILE_VIEW_WAYS;

/* Asked about more than the range: the next views begin where this one ends. */
static bool is_cached(struct file_view *v, int fd, uint64_t size_bytes, uint64_t off, size_t len)
{
    if (off >= v->cached_from && off + len <= v->cached_end) {
        return true;
    }
    size_t ahead = (size_t)VR_MIN((uint64_t)AHEAD, size_bytes - off);
    bool all = ahead > len && file_map_cached(&v->map, fd, off, ahead);
    v->cached_from = off;
    v->cached_end = off + (all ? ahead : len);
    if (!all && !file_map_cached(&v->map, fd, off, len)) {
        v->cached_end = off;
    }
    return v->cached_end > off;
}

static enum file_view_way next_way(struct file_view *v)
{
    enum file_view_way other = v->way == FILE_VIEW_MAP ? FILE_VIEW_COPY : FILE_VIEW_MAP;
    if (v->cost_ns[other] == 0 || ++v->stretches == FILE_VIEW_TRIAL) {
        v->stretches = 0;
        return other;
    }
    return v->cost_ns[other] < v->cost_ns[v->way] ? other : v->way;
}

/* What is mapped is given back in time: that is part of its cost. */
static void end_stretch(struct file_view *v)
{
    file_map_release(&v->map);
    v->cost_ns[v->way] = v->spent_ns + vr_thread_cpu_ns() - v->since_ns;
    v->way = next_way(v);
    v->spent_ns = v->seen = 0;
}

static const uint8_t *copy(struct file_view *v, int fd, uint64_t off, size_t len)
{
    v->buf = v->buf ? v->buf : aligned_alloc(4096, FILE_VIEW_COPY_MAX);
    return v->buf && vr_pread_full(fd, v->buf, len, off, NULL) == 0 ? v->buf : NULL;
}

const uint8_t *
file_view_begin(struct file_view *v, int fd, uint64_t size_bytes, uint64_t off, size_t len)
{
    if (!is_cached(v, fd, size_bytes, off, len)) {
        return NULL;
    }
    v->way = file_view_only == FILE_VIEW_WAYS ? v->way : file_view_only;
    v->copied = (v->way == FILE_VIEW_COPY || v->map.refused) && len <= FILE_VIEW_COPY_MAX;
    v->since_ns = vr_thread_cpu_ns();
    return v->copied ? copy(v, fd, off, len) : file_map_begin(&v->map, fd, size_bytes, off, len);
}

bool file_view_end(struct file_view *v, int fd, uint64_t off, size_t len)
{
    bool whole = v->copied || file_map_end(&v->map, fd, off + len);
    v->cached_end = whole ? v->cached_end : v->cached_from;
    v->seen += len;
    if (v->seen >= FILE_VIEW_STRETCH) {
        end_stretch(v);
    } else {
        v->spent_ns += vr_thread_cpu_ns() - v->since_ns;
    }
    return whole;
}

void file_view_release(struct file_view *v)
{
    file_map_release(&v->map);
    free(TAKE_PTR(v->buf));
    v->cached_from = v->cached_end = 0;
}
