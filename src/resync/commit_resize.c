/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a commit does to the images before it writes: HIDE, and RESIZE, which makes of them what the
 * next generation's disks are. All of it is repeated when a begun commit is: an image that was made
 * is made again, one that was grown is cut to what it had and grown again, since all that belongs
 * there is staged and written anew.
 */
#include <string.h>

#include "resync/commit_priv.h"
#include "resync/geometry.h"
#include "util/num.h"

/* QEMU cuts an image within a cluster and leaves the rest of the cluster as it is. */
#define CLUSTER_MAX (2u << 20)

int replica_repair_images(struct replica *r, struct vr_err *err)
{
    vr_assert(r->locked);
    for (uint32_t i = 0; i < r->sc.vm.ndisks; i++) {
        char name[VR_NAME_MAX + 16];
        const struct vr_disk *d = &r->sc.vm.disks[i];
        replica_image_name(r, d, name, sizeof name);
        int x = replica_keeps(r, d) ? stor_repair_image(r->stor, name, d->format, err) : 0;
        if (x < 0) {
            return vr_wrap(err, x, "replica disk '%s'", d->name);
        }
    }
    return 0;
}

int commit_do_hide(struct commit *c, struct vr_err *err)
{
    bool touches = c->nruns || c->follows;
    int x = touches ? replica_hide_images(c->r, err) : 0;
    if (x == 0 && c->resumed) { /* the space that was held for it is now needed */
        x = stor_unlink(c->r->stor, BALLAST_NAME, err);
    }
    /* Who wrote before us died, or met an error: a format's tables may be in between. After a
     * failed flush a qcow2 can have clusters in use that count as free. */
    if (x == 0 && c->resumed && touches) {
        x = replica_repair_images(c->r, err);
    }
    if (x == 0) {
        c->stage = RESIZE;
    }
    return x;
}

static int make_image(struct commit *c, uint32_t disk, struct vr_err *err)
{
    char name[VR_NAME_MAX + 16];
    const struct vr_disk *d = commit_disk(c, disk);
    replica_hidden_name(d, name, sizeof name);
    int x = stor_unlink(c->r->stor, name, err); /* of a try before this one */
    if (x == 0) {
        x = stor_create_image(c->r->stor, name, d->format, d->size_bytes, err);
    }
    return x < 0 ? x : stor_lock_image(c->r->stor, name, IMAGE_LOCK_EXCLUSIVE, &c->made[disk], err);
}

/* Grown from no more than the disk had, what is new reads as zeroes. */
static int resize_image(struct commit *c, uint32_t disk, struct vr_err *err)
{
    char name[VR_NAME_MAX + 16];
    const struct vr_disk *d = commit_disk(c, disk);
    replica_image_name(c->r, d, name, sizeof name);
    int x = stor_resize_image(c->r->stor, name, d->format, c->base_bytes[disk], err);
    return x == 0 && c->base_bytes[disk] != d->size_bytes
               ? stor_resize_image(c->r->stor, name, d->format, d->size_bytes, err)
               : x;
}

static int fit_image(struct commit *c, uint32_t disk, struct vr_err *err)
{
    const struct vr_disk *d = commit_disk(c, disk);
    uint32_t from = replica_disk_of(c->r, d->name);
    if (from == VR_DISKS_MAX) {
        return make_image(c, disk, err);
    }
    return c->r->sc.vm.disks[from].size_bytes == d->size_bytes ? 0 : resize_image(c, disk, err);
}

/* Where a format did not cut exactly, what was cut off must not come back. */
static int clear_seam(struct commit *c, uint32_t disk, struct vr_err *err)
{
    uint64_t from = c->base_bytes[disk], size = commit_disk(c, disk)->size_bytes;
    if (from == 0 || from == size || strcmp(commit_disk(c, disk)->format, "raw") == 0) {
        return 0;
    }
    return block_zero(c->dev[disk], from, VR_MIN(size, vr_round_up(from, CLUSTER_MAX)) - from, err);
}

int commit_do_resize(struct commit *c, struct vr_err *err)
{
    int x = commit_release_ballast(c, c->tables_bytes, err);
    for (uint32_t i = 0; x == 0 && c->follows && i < commit_ndisks(c); i++) {
        x = vr_wrap(err, fit_image(c, i, err), "replica disk '%s'", commit_disk(c, i)->name);
    }
    if (x == 0 && c->follows) {
        x = stor_sync_dir(c->r->stor, err);
    }
    c->sized = x == 0;
    if (x == 0) {
        x = commit_open_disks(c, BLOCK_DIRECT, err);
    }
    for (uint32_t i = 0; x == 0 && c->follows && i < commit_ndisks(c); i++) {
        x = clear_seam(c, i, err);
    }
    if (x == 0) {
        c->stage = REDO;
    }
    return x;
}
