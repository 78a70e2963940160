/* SPDX-License-Identifier: Apache-2.0 */
#include "resync/geometry.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct plan {
    uint32_t n;
    struct vr_disk disks[VR_DISKS_MAX];
};

static void plan_free(struct plan *p)
{
    free(p);
}
DEFINE_CLEANUP(struct plan *, plan_free)

uint32_t replica_disk_of(const struct replica *r, const char *name)
{
    for (uint32_t i = 0; i < r->sc.vm.ndisks; i++) {
        if (strcmp(r->sc.vm.disks[i].name, name) == 0) {
            return i;
        }
    }
    return VR_DISKS_MAX;
}

bool replica_keeps(const struct replica *r, const struct vr_disk *d)
{
    uint32_t n;
    const struct vr_disk *next = sidecar_next_disks(&r->sc, &n);
    for (uint32_t i = 0; i < n; i++) {
        if (strcmp(next[i].name, d->name) == 0) {
            return true;
        }
    }
    return false;
}

const char *
replica_removed_name(const struct replica *r, const struct vr_disk *d, char *buf, size_t cap)
{
    char uuid[VR_UUID_TEXT_LEN];
    vr_uuid_text(&r->sc.rel.generation.uuid, uuid);
    snprintf(buf, cap, "%s" REMOVED_INFIX "%.8s", d->path, uuid);
    return buf;
}

bool replica_overwrites(const struct replica *r, const struct vr_peer_request *req)
{
    const struct vr_uuid *here = &r->sc.rel.generation.uuid;
    if (!req->force || vr_uuid_is_nil(here)) {
        return false;
    }
    for (uint32_t i = 0; i < req->nhistory; i++) {
        if (vr_uuid_eq(&req->history[i], here)) {
            return false;
        }
    }
    return true;
}

int replica_name_disk(const struct vr_disk *theirs,
                      const char *format,
                      struct vr_disk *ret,
                      struct vr_err *err)
{
    const char *form = format ? format : theirs->format;
    if (!vr_name_ok(theirs->name) || strlen(theirs->name) + 20 > VR_NAME_MAX ||
        !block_format_known(form) || theirs->size_bytes == 0) {
        return vr_fail(err, VR_E_INVALID, "disk '%.60s': name, format or size cannot be used here",
                       theirs->name);
    }
    if (theirs->size_bytes > VR_DISK_BYTES_MAX) {
        return vr_fail(err, VR_E_INVALID,
                       "disk '%.60s' has %llu bytes, at most %llu can be replicated", theirs->name,
                       (unsigned long long)theirs->size_bytes,
                       (unsigned long long)VR_DISK_BYTES_MAX);
    }
    *ret = *theirs;
    snprintf(ret->format, sizeof ret->format, "%s", form);
    snprintf(ret->path, sizeof ret->path, "%s.%s", theirs->name, form);
    return 0;
}

/* --- judging --- */

static bool is_same(const struct vr_disk *a, const struct vr_disk *b)
{
    return strcmp(a->name, b->name) == 0 && strcmp(a->path, b->path) == 0 &&
           strcmp(a->format, b->format) == 0 && a->size_bytes == b->size_bytes;
}

static bool are_same(const struct vr_disk *a, uint32_t n, const struct plan *p)
{
    bool same = n == p->n;
    for (uint32_t i = 0; same && i < n; i++) {
        same = is_same(&a[i], &p->disks[i]);
    }
    return same;
}

/* Images that hold nothing yet: they may be made anew. */
static bool are_blank(const struct replica *r)
{
    return r->sc.own_images && vr_uuid_is_nil(&r->sc.rel.generation.uuid);
}

static int plan_new_disk(const struct replica *r,
                         const struct vr_disk *theirs,
                         const char *format,
                         struct vr_disk *ret,
                         struct vr_err *err)
{
    int x = replica_name_disk(theirs, format, ret, err);
    if (x == 0 && stor_exists(r->stor, ret->path)) {
        x = vr_fail(err, VR_E_EXISTS,
                    "disk '%.60s' was added on the primary, and '%.100s' is in the replica's "
                    "directory already: move it away",
                    theirs->name, ret->path);
    }
    return x;
}

/* What would fail in the commit, after its intent, is found here. */
static int check_resizes(const struct replica *r,
                         const struct vr_disk *theirs,
                         const struct vr_disk *ours,
                         struct vr_err *err)
{
    char name[VR_NAME_MAX + 16];
    if (!block_format_resizes(ours->format)) {
        return vr_fail(err, VR_E_INVALID,
                       "disk '%.60s' has %llu bytes on the primary and %llu here, and images of "
                       "format %s keep their size: disable and enable the VM",
                       ours->name, (unsigned long long)theirs->size_bytes,
                       (unsigned long long)ours->size_bytes, ours->format);
    }
    replica_image_name(r, ours, name, sizeof name);
    int x = stor_check_resizes(r->stor, name, ours->format, err);
    if (x == -VR_E_UNSUPPORTED) {
        err->kind = VR_E_INVALID; /* a person has to do something about it */
        x = -VR_E_INVALID;
    }
    return vr_wrap(err, x, "disk '%.40s' has another size on the primary, its image here",
                   ours->name);
}

static int plan_old_disk(const struct replica *r,
                         const struct vr_disk *theirs,
                         const struct vr_disk *ours,
                         struct vr_disk *ret,
                         struct vr_err *err)
{
    struct vr_disk named;
    int x = replica_name_disk(theirs, ours->format, &named, err);
    if (x < 0) {
        return x;
    }
    *ret = *ours;
    ret->size_bytes = theirs->size_bytes;
    return ret->size_bytes == ours->size_bytes || are_blank(r)
               ? 0
               : check_resizes(r, theirs, ours, err);
}

/* What is overwritten of another lineage is saved, block by block: what would be cut off is not. */
static int check_lineage_kept(const struct replica *r, const struct plan *p, struct vr_err *err)
{
    for (uint32_t i = 0; i < r->sc.vm.ndisks; i++) {
        const struct vr_disk *ours = &r->sc.vm.disks[i];
        if (i >= p->n || strcmp(p->disks[i].name, ours->name) != 0 ||
            p->disks[i].size_bytes < ours->size_bytes) {
            return vr_fail(
                err, VR_E_INVALID,
                "disk '%.60s' is smaller or missing on the primary, and the replica is of "
                "another lineage: it is not cut off; disable the VM, move the images away "
                "and enable it",
                ours->name);
        }
    }
    return 0;
}

static int make_plan(const struct replica *r,
                     const struct vr_peer_request *req,
                     const char *format,
                     struct plan *p,
                     struct vr_err *err)
{
    if (req->ndisks == 0 || req->ndisks > VR_DISKS_MAX) {
        return vr_fail(err, VR_E_INVALID, "a replica has 1 to %d disks", VR_DISKS_MAX);
    }
    p->n = req->ndisks;
    for (uint32_t i = 0; i < req->ndisks; i++) {
        uint32_t from = replica_disk_of(r, req->disks[i].name);
        int x = from == VR_DISKS_MAX
                    ? plan_new_disk(r, &req->disks[i], format, &p->disks[i], err)
                    : plan_old_disk(r, &req->disks[i], &r->sc.vm.disks[from], &p->disks[i], err);
        if (x < 0) {
            return x;
        }
    }
    return replica_overwrites(r, req) ? check_lineage_kept(r, p, err) : 0;
}

int replica_check_disks(const struct replica *r,
                        const struct vr_peer_request *req,
                        struct vr_err *err)
{
    _cleanup_(plan_freep) struct plan *p = calloc(1, sizeof *p);
    if (!p) {
        return vr_fail_nomem(err);
    }
    int x = make_plan(r, req, NULL, p, err);
    if (x == 0 && req->kind == VR_TRANSFER_VERIFY && req->op == VR_PEER_OPEN &&
        !are_same(r->sc.vm.disks, r->sc.vm.ndisks, p)) {
        x = vr_fail(
            err, VR_E_STATE,
            "the primary's disks are others, or of other sizes, than those of the replica's "
            "generation: the next transfer follows them, verify after it");
    }
    return x;
}

/* --- following --- */

/* Which image goes with the disk is known by its name, so a crash anywhere in here leaves some
 * images missing, and they are made at the next try. */
static int make_anew(struct replica *r, const struct plan *p, struct vr_err *err)
{
    char name[VR_NAME_MAX + 16];
    struct stor_lock *locks[VR_DISKS_MAX] = {NULL};
    struct sidecar *next = malloc(sizeof *next);
    if (!next) {
        return vr_fail_nomem(err);
    }
    int x = 0;
    for (uint32_t i = 0; i < r->sc.vm.ndisks; i++) {
        const struct vr_disk *d = &r->sc.vm.disks[i];
        uint32_t k = 0;
        while (k < p->n && !is_same(d, &p->disks[k])) {
            k++;
        }
        if (k < p->n) {
            locks[k] = TAKE_PTR(r->locks[i]);
        } else if (x == 0) {
            x = stor_unlink(r->stor, replica_hidden_name(d, name, sizeof name), err);
        }
    }
    replica_swap_locks(r, locks);
    *next = r->sc;
    next->vm.ndisks = p->n;
    memcpy(next->vm.disks, p->disks, sizeof next->vm.disks);
    next->nplan = 0;
    memset(next->stamp, 0, sizeof next->stamp);
    x = x < 0 ? x : sidecar_write(r->stor, next, err);
    if (x == 0) {
        r->sc = *next;
    }
    free(next);
    return x;
}

static int make_missing(struct replica *r, struct vr_err *err)
{
    char name[VR_NAME_MAX + 16];
    bool any = false;
    int x = 0;
    for (uint32_t i = 0; x == 0 && i < r->sc.vm.ndisks; i++) {
        const struct vr_disk *d = &r->sc.vm.disks[i];
        replica_image_name(r, d, name, sizeof name);
        if (stor_exists(r->stor, name)) {
            continue;
        }
        any = true;
        replica_hidden_name(d, name, sizeof name);
        x = stor_create_image(r->stor, name, d->format, d->size_bytes, err);
        if (x == 0) {
            x = stor_lock_image(r->stor, name, IMAGE_LOCK_EXCLUSIVE, &r->locks[i], err);
        }
    }
    return x == 0 && any ? stor_sync_dir(r->stor, err) : x;
}

static int set_plan(struct replica *r, const struct plan *p, struct vr_err *err)
{
    struct sidecar *next = malloc(sizeof *next);
    if (!next) {
        return vr_fail_nomem(err);
    }
    *next = r->sc;
    next->nplan = are_same(r->sc.vm.disks, r->sc.vm.ndisks, p) ? 0 : p->n;
    memcpy(next->plan, p->disks, sizeof next->plan);
    int x = sidecar_write(r->stor, next, err);
    if (x == 0) {
        r->sc = *next;
    }
    free(next);
    return x;
}

int replica_follow(struct replica *r,
                   const struct vr_peer_request *req,
                   const char *format,
                   struct vr_err *err)
{
    vr_assert(r->locked && !r->sc.intent);
    _cleanup_(plan_freep) struct plan *p = calloc(1, sizeof *p);
    if (!p) {
        return vr_fail_nomem(err);
    }
    int x = make_plan(r, req, format, p, err);
    if (x < 0) {
        return x;
    }
    if (are_blank(r)) {
        x = are_same(r->sc.vm.disks, r->sc.vm.ndisks, p) ? 0 : make_anew(r, p, err);
        return x < 0 ? x : make_missing(r, err);
    }
    uint32_t n;
    const struct vr_disk *planned = sidecar_next_disks(&r->sc, &n);
    if (are_same(planned, n, p)) {
        return 0;
    }
    x = replica_discard_staging(r, err); /* its runs number other disks */
    return x < 0 ? x : set_plan(r, p, err);
}

/* --- telling --- */

static void add_words(char *buf, size_t cap, const char *fmt, ...) VR_PRINTF(3, 4);

static void add_words(char *buf, size_t cap, const char *fmt, ...)
{
    size_t n = strlen(buf);
    if (n && n + 2 < cap) {
        n += (size_t)snprintf(buf + n, cap - n, "; ");
    }
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(buf + n, cap - n, fmt, ap);
    va_end(ap);
}

void replica_tell_plan(const struct replica *r, char *buf, size_t cap)
{
    char kept[VR_NAME_MAX + 32];
    uint32_t n;
    const struct vr_disk *next = sidecar_next_disks(&r->sc, &n);
    buf[0] = '\0';
    for (uint32_t i = 0; i < r->sc.vm.ndisks; i++) {
        const struct vr_disk *d = &r->sc.vm.disks[i];
        if (!replica_keeps(r, d)) {
            add_words(buf, cap, "%s was removed, its image is kept as %s", d->name,
                      replica_removed_name(r, d, kept, sizeof kept));
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t from = replica_disk_of(r, next[i].name);
        unsigned long long size = next[i].size_bytes,
                           had = from == VR_DISKS_MAX ? 0 : r->sc.vm.disks[from].size_bytes;
        if (from == VR_DISKS_MAX) {
            add_words(buf, cap, "%s was added with %llu bytes", next[i].name, size);
        } else if (size != had) {
            add_words(buf, cap, "%s has %llu bytes, it had %llu", next[i].name, size, had);
        }
    }
}

const char *replica_followed(const struct replica *r)
{
    return r->followed;
}
