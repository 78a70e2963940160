/* SPDX-License-Identifier: Apache-2.0 */
#include "resync/walk.h"

#include <stdlib.h>

#include "util/num.h"

struct walk {
    struct overlay *overlay;
    uint32_t ndisks;
    uint64_t size[VR_DISKS_MAX];
    uint16_t disk;
    uint64_t pos;
    uint8_t state[RUN_DATA_MAX / DIGEST_LEAF];
    bool index_only;
    uint8_t *buf;
    struct leaf_tag tags[RUN_DATA_MAX / DIGEST_LEAF];
};

int walk_new(struct stor *stor,
             const struct run_name *runs,
             size_t n,
             const struct vr_uuid *base,
             unsigned flags,
             const struct vr_disk *disks,
             uint32_t ndisks,
             struct walk **ret,
             struct vr_err *err)
{
    _cleanup_(walk_freep) struct walk *w = calloc(1, sizeof *w);
    if (!w) {
        return vr_fail_nomem(err);
    }
    w->index_only = flags & OVERLAY_INDEX;
    if (!w->index_only && !(w->buf = aligned_alloc(4096, RUN_DATA_MAX))) {
        return vr_fail_nomem(err);
    }
    int r = overlay_open(stor, runs, n, base, flags, &w->overlay, err);
    if (r < 0) {
        return r;
    }
    w->ndisks = ndisks;
    for (uint32_t i = 0; i < ndisks; i++) {
        w->size[i] = disks[i].size_bytes;
    }
    *ret = TAKE_PTR(w);
    return 0;
}

void walk_free(struct walk *w)
{
    if (w) {
        overlay_free(w->overlay);
        free(w->buf);
        free(w);
    }
}

/* 1: [*ret_off, + *ret_len) of w->disk is the next place where something is staged. */
static int next_place(struct walk *w, uint64_t *ret_off, uint32_t *ret_len, struct vr_err *err)
{
    while (w->disk < w->ndisks) {
        uint64_t next;
        int r = overlay_next(w->overlay, w->disk, w->pos, &next, err);
        if (r < 0) {
            return r;
        }
        if (next >= w->size[w->disk]) {
            w->disk++;
            w->pos = 0;
            continue;
        }
        *ret_off = vr_round_down(next, RUN_DATA_MAX);
        *ret_len = (uint32_t)VR_MIN((uint64_t)RUN_DATA_MAX, w->size[w->disk] - *ret_off);
        w->pos = *ret_off + *ret_len;
        return 1;
    }
    /* Strict cursors say here whether every run was whole. */
    uint64_t end;
    int r = overlay_next(w->overlay, VR_DISKS_MAX, 0, &end, err);
    return r < 0 ? r : 0;
}

int walk_past(struct walk *w, struct vr_err *err)
{
    uint64_t off;
    uint32_t len;
    return next_place(w, &off, &len, err);
}

int walk_next(struct walk *w, struct walk_chunk *ret, struct vr_err *err)
{
    uint64_t off;
    uint32_t len;
    int r;
    while ((r = next_place(w, &off, &len, err)) > 0) {
        bool any;
        r = w->index_only
                ? overlay_chunk_tags(w->overlay, w->disk, off, len, w->tags, w->state, &any, err)
                : overlay_chunk(w->overlay, w->disk, off, len, w->buf, w->state, &any, err);
        if (r < 0) {
            return r;
        }
        if (any) {
            *ret = (struct walk_chunk){.disk = w->disk,
                                       .off = off,
                                       .len = len,
                                       .state = w->state,
                                       .data = w->buf,
                                       .tags = w->index_only ? w->tags : NULL};
            return 1;
        }
    }
    return r;
}

bool walk_stretches(const struct walk_chunk *c, uint32_t *at, struct walk_stretch *ret)
{
    uint32_t n = digest_leaves(c->len);
    while (*at < n && c->state[*at] == LEAF_BASE) {
        (*at)++;
    }
    if (*at == n) {
        return false;
    }
    uint32_t first = *at;
    while (*at < n && c->state[*at] == c->state[first]) {
        (*at)++;
    }
    uint32_t from = first * DIGEST_LEAF, to = VR_MIN(*at * DIGEST_LEAF, c->len);
    *ret = (struct walk_stretch){(enum leaf_state)c->state[first], c->off + from, to - from,
                                 c->data ? c->data + from : NULL};
    return true;
}

bool walk_is_leaf(struct walk *w, const struct leaf_tag *t, const void *p, size_t len)
{
    return overlay_is_leaf(w->overlay, t, p, len);
}
