/* SPDX-License-Identifier: Apache-2.0 */
#include "resync/replica.h"

#include <stdlib.h>
#include <string.h>

#include "resync/changes.h"
#include "resync/geometry.h"
#include "util/num.h"
#include "util/vtime.h"

const char *replica_hidden_name(const struct vr_disk *d, char *buf, size_t cap)
{
    snprintf(buf, cap, "%s%s", d->path, HIDDEN_SUFFIX);
    return buf;
}

bool replica_is_hidden(const struct replica *r, const struct vr_disk *d)
{
    char name[VR_NAME_MAX + 16];
    return !stor_exists(r->stor, d->path) &&
           stor_exists(r->stor, replica_hidden_name(d, name, sizeof name));
}

const char *
replica_image_name(const struct replica *r, const struct vr_disk *d, char *buf, size_t cap)
{
    if (replica_is_hidden(r, d)) {
        return replica_hidden_name(d, buf, cap);
    }
    snprintf(buf, cap, "%s", d->path);
    return buf;
}

/* The image of a disk that is no more: 1 renamed, 0 it was before. */
static int retire(struct replica *r, const struct vr_disk *d, struct vr_err *err)
{
    char now[VR_NAME_MAX + 16], last[VR_NAME_MAX + 32];
    replica_image_name(r, d, now, sizeof now);
    if (!stor_exists(r->stor, now)) {
        return 0;
    }
    int x = stor_rename(r->stor, now, replica_removed_name(r, d, last, sizeof last), err);
    return x < 0 ? x : 1;
}

/* 1: it has another name now. */
static int rename_image(struct replica *r, const struct vr_disk *d, bool hide, struct vr_err *err)
{
    char hidden[VR_NAME_MAX + 16];
    if (hide && !replica_keeps(r, d)) {
        return retire(r, d, err);
    }
    if (replica_is_hidden(r, d) == hide) {
        return 0;
    }
    replica_hidden_name(d, hidden, sizeof hidden);
    int x = stor_rename(r->stor, hide ? d->path : hidden, hide ? hidden : d->path, err);
    return x < 0 ? x : 1;
}

static int rename_images(struct replica *r, bool hide, struct vr_err *err)
{
    bool any = false;
    for (uint32_t i = 0; i < r->sc.vm.ndisks; i++) {
        const struct vr_disk *d = &r->sc.vm.disks[i];
        int x = rename_image(r, d, hide, err);
        if (x < 0) {
            return vr_wrap(err, x, "image '%s'", d->path);
        }
        any = any || x > 0;
    }
    /* Hidden already is not hidden durably: an earlier sync may have failed. */
    return any || hide ? stor_sync_dir(r->stor, err) : 0;
}

int replica_hide_images(struct replica *r, struct vr_err *err)
{
    return rename_images(r, true, err);
}

int replica_show_images(struct replica *r, struct vr_err *err)
{
    return rename_images(r, false, err);
}

int replica_record_stamps(struct replica *r, struct vr_err *err)
{
    for (uint32_t i = 0; i < r->sc.vm.ndisks; i++) {
        char name[VR_NAME_MAX + 16];
        replica_image_name(r, &r->sc.vm.disks[i], name, sizeof name);
        int x = stor_image_stamp(r->stor, name, &r->sc.stamp[i], err);
        if (x < 0) {
            return x;
        }
    }
    return sidecar_write(r->stor, &r->sc, err);
}

int replica_open_disk(struct replica *r,
                      const struct vr_disk *d,
                      unsigned flags,
                      struct block_dev **ret,
                      struct vr_err *err)
{
    char name[VR_NAME_MAX + 16];
    replica_image_name(r, d, name, sizeof name);
    _cleanup_(block_closep) struct block_dev *dev = NULL;
    int x = stor_open_image(r->stor, name, d->format, flags, &dev, err);
    if (x < 0) {
        return vr_wrap(err, x, "replica disk '%s'", d->name);
    }
    /* Formats may round a size up; the extra is never ours. Smaller cannot hold the disk. */
    if (dev->size_bytes < d->size_bytes) {
        return vr_fail(err, VR_E_INVALID, "replica disk '%s' has %llu bytes, %llu are needed",
                       d->name, (unsigned long long)dev->size_bytes,
                       (unsigned long long)d->size_bytes);
    }
    dev->size_bytes = d->size_bytes;
    *ret = TAKE_PTR(dev);
    return 0;
}

/* --- making and opening --- */

static int plan_sidecar(const struct vr_rel *rel,
                        const struct vr_peer_request *req,
                        const char *format_override,
                        bool own_images,
                        struct sidecar *sc,
                        struct vr_err *err)
{
    if (req->ndisks == 0 || req->ndisks > VR_DISKS_MAX) {
        return vr_fail(err, VR_E_INVALID, "a replica has 1 to %d disks", VR_DISKS_MAX);
    }
    memset(sc, 0, sizeof *sc);
    sc->rel = *rel;
    memset(&sc->rel.generation, 0, sizeof sc->rel.generation);
    sc->role = REPLICA_ROLE_REPLICA;
    sc->own_images = own_images;
    sc->vm.id = req->vm_id;
    sc->vm.is_replica = true;
    snprintf(sc->vm.name, sizeof sc->vm.name, "%s", req->vm_name);
    sc->vm.ndisks = req->ndisks;
    for (uint32_t i = 0; i < req->ndisks; i++) {
        int x = replica_name_disk(&req->disks[i], format_override, &sc->vm.disks[i], err);
        if (x < 0) {
            return x;
        }
    }
    return 0;
}

static int make_images(struct replica *r, enum replica_images images, struct vr_err *err)
{
    for (uint32_t i = 0; i < r->sc.vm.ndisks; i++) {
        char name[VR_NAME_MAX + 16];
        const struct vr_disk *d = &r->sc.vm.disks[i];
        bool there = stor_exists(r->stor, d->path);
        if (images == REPLICA_IMAGES_SEEDED) {
            _cleanup_(block_closep) struct block_dev *dev = NULL;
            int x = replica_open_disk(r, d, BLOCK_READ_ONLY, &dev, err);
            if (x < 0) {
                return vr_wrap(err, x, "seeded replica needs '%s' in its directory", d->path);
            }
            continue;
        }
        if (there && images == REPLICA_IMAGES_REFUSED) {
            return vr_fail(err, VR_E_EXISTS,
                           "'%s' is there already: enable with --seeded to "
                           "compare with it, or remove it",
                           d->path);
        }
        replica_hidden_name(d, name, sizeof name);
        int x = stor_unlink(r->stor, name, err); /* of an enable that did not finish */
        if (there) {
            r->sc.own_images = false;
            r->sc.found_images = true;
        } else if (x == 0) {
            x = stor_create_image(r->stor, name, d->format, d->size_bytes, err);
        }
        if (x < 0) {
            return x;
        }
    }
    return stor_sync_dir(r->stor, err);
}

int replica_create(struct stor *stor,
                   const struct vr_rel *rel,
                   const struct vr_peer_request *req,
                   const char *format_override,
                   enum replica_images images,
                   struct vr_err *err)
{
    if (stor_exists(stor, REPLICA_SIDECAR)) {
        return vr_fail(err, VR_E_EXISTS, "the directory holds a replica already");
    }
    struct replica *r = calloc(1, sizeof *r);
    if (!r) {
        return vr_fail_nomem(err);
    }
    r->stor = stor;
    bool own = images != REPLICA_IMAGES_SEEDED;
    int x = plan_sidecar(rel, req, format_override, own, &r->sc, err);
    if (x == 0) {
        x = make_images(r, images, err);
    }
    if (x == 0) {
        x = sidecar_write(stor, &r->sc, err);
    }
    free(r);
    return x;
}

static int finish_commit(struct replica *r, struct vr_err *err)
{
    _cleanup_(commit_freep) struct commit *c = NULL;
    char followed[VR_TEXT_MAX];
    replica_tell_plan(r, followed, sizeof followed);
    int x = replica_lock(r, err);
    if (x == 0) {
        x = commit_resume(r, &c, err);
    }
    for (bool done = false; x == 0 && !done;) {
        x = commit_step(c, 0, &done, err);
    }
    if (x == 0) {
        memcpy(r->followed, followed, sizeof followed);
    }
    return vr_wrap(err, x, "a begun commit cannot be finished yet");
}

/* What a crash after the done record, or in the middle of cleaning up, left behind. */
static int settle(struct replica *r, struct vr_err *err)
{
    bool has_generation = !vr_uuid_is_nil(&r->sc.rel.generation.uuid);
    int x = has_generation ? replica_show_nvram(r, err) : 0;
    x = x < 0 || !has_generation ? x : replica_show_images(r, err);
    for (uint32_t i = 0; x == 0 && has_generation && i < r->sc.vm.ndisks; i++) {
        if (r->sc.stamp[i] == 0 && stor_exists(r->stor, r->sc.vm.disks[i].path)) {
            /* nobody saw what became of the images in between */
            x = changes_forget(r->stor, &r->sc.rel.generation, err);
            x = x < 0 ? x : replica_record_stamps(r, err);
            break;
        }
    }
    x = x < 0 ? x : replica_drop_definitions(r, err);
    return x < 0 ? x : replica_drop_leftovers(r, err);
}

int replica_open(struct stor *take_stor, struct replica **ret, struct vr_err *err)
{
    _cleanup_(replica_closep) struct replica *r = calloc(1, sizeof *r);
    if (!r) {
        stor_close(take_stor);
        return vr_fail_nomem(err);
    }
    r->stor = take_stor;
    int x = sidecar_read(r->stor, &r->sc, err);
    if (x == 0) {
        x = r->sc.intent ? finish_commit(r, err) : settle(r, err);
    }
    if (x < 0) {
        return x;
    }
    *ret = TAKE_PTR(r);
    return 0;
}

void replica_close(struct replica *r)
{
    if (!r) {
        return;
    }
    replica_unlock(r);
    stor_close(r->stor);
    free(r);
}

/* Images that are made when they are needed, and one whose disk a begun commit removes. */
static bool may_be_missing(const struct replica *r, const struct vr_disk *d)
{
    bool blank = r->sc.own_images && vr_uuid_is_nil(&r->sc.rel.generation.uuid);
    return blank || (r->sc.intent && !replica_keeps(r, d));
}

int replica_lock(struct replica *r, struct vr_err *err)
{
    if (r->locked) {
        return 0;
    }
    r->locked = true; /* replica_unlock frees what was taken when one fails */
    for (uint32_t i = 0; i < r->sc.vm.ndisks; i++) {
        char name[VR_NAME_MAX + 16];
        replica_image_name(r, &r->sc.vm.disks[i], name, sizeof name);
        if (may_be_missing(r, &r->sc.vm.disks[i]) && !stor_exists(r->stor, name)) {
            continue;
        }
        int x = stor_lock_image(r->stor, name, IMAGE_LOCK_EXCLUSIVE, &r->locks[i], err);
        if (x < 0) {
            replica_unlock(r);
            return x;
        }
    }
    return 0;
}

void replica_swap_locks(struct replica *r, struct stor_lock *const take_locks[VR_DISKS_MAX])
{
    for (uint32_t i = 0; i < VR_DISKS_MAX; i++) {
        stor_unlock_image(r->locks[i]);
        r->locks[i] = take_locks[i];
    }
}

void replica_unlock(struct replica *r)
{
    static struct stor_lock *const none[VR_DISKS_MAX];
    replica_swap_locks(r, none);
    r->locked = false;
}

const struct vr_generation *replica_generation(const struct replica *r)
{
    return &r->sc.rel.generation;
}

enum replica_role replica_role(const struct replica *r)
{
    return r->sc.role;
}

const struct vr_vm *replica_vm(const struct replica *r)
{
    return &r->sc.vm;
}

const struct vr_rel *replica_rel(const struct replica *r)
{
    return &r->sc.rel;
}

void replica_tell_held(const struct vr_rel *held, struct vr_rel *rel)
{
    bool same = vr_uuid_eq(&rel->generation.uuid, &held->generation.uuid);
    uint64_t recorded_us = same || !held->last_sync_us ? rel->last_sync_us : 0;
    rel->generation = held->generation;
    rel->last_sync_us = VR_MAX(recorded_us, held->last_sync_us);
    rel->consistency = held->consistency;
}

struct stor *replica_stor(struct replica *r)
{
    return r->stor;
}

bool replica_changed_alone(struct replica *r)
{
    if (vr_uuid_is_nil(&r->sc.rel.generation.uuid)) {
        return false;
    }
    for (uint32_t i = 0; i < r->sc.vm.ndisks; i++) {
        uint64_t now;
        if (r->sc.stamp[i] && (stor_image_stamp(r->stor, r->sc.vm.disks[i].path, &now, NULL) < 0 ||
                               now != r->sc.stamp[i])) {
            return true;
        }
    }
    return false;
}

/* --- may a transfer run here? --- */

static bool in_history(const struct vr_peer_request *req, const struct vr_uuid *u)
{
    for (uint32_t i = 0; i < req->nhistory; i++) {
        if (vr_uuid_eq(&req->history[i], u)) {
            return true;
        }
    }
    return false;
}

static int check_lineage(const struct replica *r,
                         const struct vr_peer_request *req,
                         struct vr_peer_reply *reply,
                         struct vr_err *err)
{
    const struct vr_generation *g = &r->sc.rel.generation;
    char when[VR_ISO_TIME_LEN];
    if (r->sc.role == REPLICA_ROLE_PROMOTED && !req->force) {
        return vr_fail(err, VR_E_LINEAGE,
                       "the replica was failed over at %s and goes its own way: "
                       "it is not overwritten unasked",
                       vr_iso_time(r->sc.promoted_us, when, sizeof when));
    }
    if (vr_uuid_is_nil(&g->uuid)) {
        return req->kind == VR_TRANSFER_RESYNC && req->op == VR_PEER_OPEN
                   ? vr_fail(err, VR_E_STATE, "initial replication has not completed")
                   : 0;
    }
    if (req->op == VR_PEER_OPEN && req->kind == VR_TRANSFER_INITIAL) {
        return vr_fail(err, VR_E_STATE, "the replica holds a generation already: resynchronize");
    }
    if (!vr_uuid_is_nil(&req->proposed) && vr_uuid_eq(&g->uuid, &req->proposed)) {
        reply->proposed_done = true;
        return 0;
    }
    if (req->force) {
        return 0;
    }
    if (g->epoch > req->epoch) {
        return vr_fail(err, VR_E_LINEAGE, "the replica is of role epoch %u, the primary of %u",
                       (unsigned)g->epoch, (unsigned)req->epoch);
    }
    if (!in_history(req, &g->uuid)) {
        return vr_fail(err, VR_E_LINEAGE,
                       "the replica's generation is none this primary made: a "
                       "person must decide (vmreplica adopt, or resync --force)");
    }
    return 0;
}

int replica_check_seeds(struct replica *r, struct vr_err *err)
{
    for (uint32_t i = 0; i < r->sc.vm.ndisks; i++) {
        const struct vr_disk *d = &r->sc.vm.disks[i];
        if (!stor_exists(r->stor, d->path)) {
            return vr_fail(err, VR_E_NOT_FOUND,
                           "a seeded start compares with a copy that is there already: '%.100s' is "
                           "not in the replica's directory",
                           d->path);
        }
        _cleanup_(block_closep) struct block_dev *dev = NULL;
        int x = replica_open_disk(r, d, BLOCK_READ_ONLY, &dev, err);
        if (x < 0) {
            return x;
        }
    }
    return 0;
}

int replica_take_seeds(struct replica *r, struct vr_err *err)
{
    bool any = false;
    if (!vr_uuid_is_nil(&r->sc.rel.generation.uuid)) {
        return 0;
    }
    for (uint32_t i = 0; i < r->sc.vm.ndisks; i++) {
        any = any || stor_exists(r->stor, r->sc.vm.disks[i].path);
    }
    if (!any) {
        return 0;
    }
    if (r->sc.own_images || r->sc.found_images) {
        struct sidecar next = r->sc;
        next.own_images = false;
        next.found_images = false; /* whoever asked knew of them: see replica_check_found */
        int x = sidecar_write(r->stor, &next, err);
        if (x < 0) {
            return x;
        }
        r->sc = next;
    }
    for (uint32_t i = 0; i < r->sc.vm.ndisks; i++) {
        char name[VR_NAME_MAX + 16];
        int x = stor_exists(r->stor, r->sc.vm.disks[i].path)
                    ? stor_unlink(r->stor,
                                  replica_hidden_name(&r->sc.vm.disks[i], name, sizeof name), err)
                    : 0;
        if (x < 0) {
            return x;
        }
    }
    return stor_sync_dir(r->stor, err);
}

int replica_check_found(const struct replica *r, struct vr_err *err)
{
    if (!r->sc.found_images || !vr_uuid_is_nil(&r->sc.rel.generation.uuid)) {
        return 0;
    }
    return vr_fail(err, VR_E_STATE,
                   "the replica's directory held images before the relationship was made, and they "
                   "are not overwritten unasked: start seeded to compare with them, or remove the "
                   "relationship, move them away and create it again");
}

/* An image whose disk the primary has no more need not be there. */
static bool is_asked_for(const struct vr_peer_request *req, const struct vr_disk *d)
{
    for (uint32_t i = 0; i < req->ndisks; i++) {
        if (strcmp(req->disks[i].name, d->name) == 0) {
            return true;
        }
    }
    return req->op == VR_PEER_ADOPT;
}

int replica_check(struct replica *r,
                  const struct vr_peer_request *req,
                  struct vr_peer_reply *reply,
                  struct vr_err *err)
{
    struct run_name runs[RUNS_MAX];
    size_t n;
    reply->generation = r->sc.rel.generation;
    reply->instant_us = r->sc.rel.last_sync_us;
    reply->consistency = r->sc.rel.consistency;
    reply->released = r->sc.role == REPLICA_ROLE_RELEASED;
    if (reply->released) {
        return vr_fail(err, VR_E_STATE, "the replica's relationship was removed");
    }
    /* ADOPT only asks which generation is here. */
    int x = req->op == VR_PEER_ADOPT ? 0 : replica_check_disks(r, req, err);
    if (x == 0) {
        x = check_lineage(r, req, reply, err);
    }
    bool seeded = req->kind == VR_TRANSFER_SEEDED;
    if (x == 0 && !seeded && (req->op == VR_PEER_PREFLIGHT || req->op == VR_PEER_OPEN)) {
        x = replica_check_found(r, err);
    }
    if (x < 0) {
        return x;
    }
    for (uint32_t i = 0; i < r->sc.vm.ndisks; i++) {
        char name[VR_NAME_MAX + 16];
        const struct vr_disk *d = &r->sc.vm.disks[i];
        if (is_asked_for(req, d) && !may_be_missing(r, d) &&
            !stor_exists(r->stor, replica_image_name(r, d, name, sizeof name))) {
            return vr_fail(err, VR_E_NOT_FOUND, "the replica's image '%s' is missing", name);
        }
    }
    /* Before anything is queued: the transfer itself compares with whatever is there. */
    if (req->op == VR_PEER_PREFLIGHT && seeded && vr_uuid_is_nil(&r->sc.rel.generation.uuid)) {
        x = replica_check_seeds(r, err);
        if (x < 0) {
            return x;
        }
    }
    reply->changed_alone = replica_changed_alone(r);
    x = replica_runs(r, runs, &n, err);
    for (size_t i = 0; x == 0 && i < n; i++) {
        _cleanup_(stor_file_closep) struct stor_file *f = NULL;
        x = stor_open(r->stor, runs[i].name, false, &f, err);
        reply->bytes_staged += x == 0 ? stor_file_size(f) : 0;
    }
    return x < 0 ? x : stor_free_bytes(r->stor, &reply->bytes_free, err);
}

/* --- verbs --- */

int replica_promote(struct replica *r, struct vr_generation *ret, struct vr_err *err)
{
    struct sidecar next = r->sc;
    if (vr_uuid_is_nil(&r->sc.rel.generation.uuid)) {
        return vr_fail(err, VR_E_STATE,
                       "initial replication has never completed: there is nothing to fail over to");
    }
    int x = replica_discard_staging(r, err);
    if (x < 0) {
        return x;
    }
    next.role = REPLICA_ROLE_PROMOTED;
    next.nplan = 0;
    next.promoted_us = vr_wall_us();
    next.rel.generation.parent = r->sc.rel.generation.uuid;
    next.rel.generation.uuid = vr_uuid_new();
    next.rel.generation.sequence++;
    next.rel.generation.epoch++;
    x = sidecar_write(r->stor, &next, err);
    if (x < 0) {
        return x;
    }
    r->sc = next;
    *ret = next.rel.generation;
    return 0;
}

int replica_release(struct replica *r, struct vr_err *err)
{
    int x = replica_discard_staging(r, err);
    if (x < 0) {
        return x;
    }
    enum replica_role old = r->sc.role;
    r->sc.role = REPLICA_ROLE_RELEASED;
    x = sidecar_write(r->stor, &r->sc, err);
    if (x < 0) {
        r->sc.role = old;
    }
    return x;
}
