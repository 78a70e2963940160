/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the primary knows of what its guest changed. A mark is made at each instant it reads, in the
 * name of the generation that may come of it, as libvirt's checkpoints are; a delta gets what the
 * disks' bitmaps since the mark of the replica's generation would name: all that changed, in pieces
 * larger than that, and sometimes more. Marks get lost, of one disk or of all.
 */
#include "tests/sim/world.h"
#include "util/num.h"

#define PIECE (64 * VR_KIB) /* a bitmap's grain */

void mark_make(struct world *w, const struct vr_uuid *name, struct snapshot *snap)
{
    struct mark *oldest = &w->marks[w->nmarks++ % MARKS_MAX];
    snapshot_unref(oldest->snap);
    *oldest = (struct mark){.name = *name, .snap = snapshot_ref(snap)};
}

static const struct mark *find(const struct world *w, const struct vr_uuid *name)
{
    for (size_t i = 0; i < MARKS_MAX; i++) {
        if (w->marks[i].snap && vr_uuid_eq(&w->marks[i].name, name)) {
            return &w->marks[i];
        }
    }
    return NULL;
}

void marks_forget(struct world *w)
{
    for (size_t i = 0; i < MARKS_MAX; i++) {
        snapshot_unref(w->marks[i].snap);
        w->marks[i] = (struct mark){0};
    }
}

static void name_changes(struct world *w,
                         struct hint *h,
                         uint16_t disk,
                         const struct snapshot *was,
                         const struct snapshot *is)
{
    uint32_t from = snapshot_disk(was, is->letter[disk]);
    uint64_t known = from == NO_DISK ? 0 : VR_MIN(was->size[from], is->size[disk]);
    /* A bitmap says nothing of what the disk has grown by. */
    for (uint64_t off = 0; off < known; off += PIECE) {
        size_t len = VR_MIN(PIECE, known - off);
        bool changed = memcmp(was->data[from] + off, is->data[disk] + off, len) != 0;
        if (changed || rng_chance(&w->rng, 2)) { /* the guest wrote what was there */
            hint_mark(h, disk, off, len);
        }
    }
}

/* NULL: nothing is known of any disk. */
struct hint *
hint_of_marks(struct world *w, const struct vr_peer_request *open, const struct snapshot *is)
{
    const struct mark *m = find(w, &open->history[0]);
    struct hint *h = NULL;
    if (!m || rng_chance(&w->rng, 5) || hint_new(open, &h, NULL) < 0) {
        return NULL;
    }
    for (uint16_t i = 0; i < open->ndisks; i++) {
        if (rng_chance(&w->rng, 10)) {
            hint_mark_disk(h, i);
            world_note(w, SIM_HINT_LOST);
        } else {
            name_changes(w, h, i, m->snap, is);
        }
    }
    return h;
}
