/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An entry exists while somebody uses the replica. It holds the opened, locked replica: our locks
 * conflict with each other as they do with QEMU's, so the first user takes them and the last gives
 * them back.
 */
#include "daemon/replicas.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "resync/definition.h"
#include "util/vtime.h"

struct entry {
    struct entry *next;
    struct vr_uuid vm;
    uint8_t number;
    struct replica *replica;
    struct vr_vm images;
    struct vr_rel held; /* as the sidecar says; of before, while a writer is there */
    char storage[VR_PATH_MAX];
    bool writer, committing;
    unsigned readers, users;
    uint64_t gate_since_ms; /* the commit waits for readers since; 0: not */
    bool preempted;
};

/* A replica that is held while it is in nobody's use. */
struct guard {
    struct guard *next;
    struct vr_rel rel;
    uint32_t n;        /* locks taken */
    struct stor *stor; /* NULL: not held now */
    struct stor_lock *locks[VR_DISKS_MAX];
};

struct replicas {
    pthread_mutex_t lock;
    pthread_cond_t ended; /* some use ended; monotonic clock */
    struct entry *entries;
    struct guard *guards;
    uint32_t guard_fds;
    char run_dir[VR_PATH_MAX];
    uint64_t commit_wait_ms;
    void (*preempt)(void *ctx, const struct vr_uuid *vm);
    void *preempt_ctx;
    void (*followed)(void *ctx, const struct replica *r);
    void *followed_ctx;
};

struct replica_use {
    struct replicas *rs;
    struct entry *entry;
    bool writer;
};

/* --- guards --- */

static struct guard **guard_at_locked(struct replicas *rs, const struct vr_uuid *vm, uint8_t number)
{
    struct guard **at = &rs->guards;
    while (*at && !((*at)->rel.number == number && vr_uuid_eq(&(*at)->rel.vm_id, vm))) {
        at = &(*at)->next;
    }
    return at;
}

static void guard_release_locked(struct replicas *rs, struct guard *g)
{
    if (!g || !g->stor) {
        return;
    }
    for (uint32_t i = 0; i < g->n; i++) {
        stor_unlock_image(g->locks[i]);
    }
    rs->guard_fds -= g->n + 1;
    g->n = 0;
    stor_close(TAKE_PTR(g->stor));
}

static void guard_hold_locked(struct replicas *rs, struct guard *g, const struct vr_vm *images)
{
    if (g->stor || rs->guard_fds + images->ndisks + 1 > REPLICAS_GUARD_FDS ||
        stor_dir_open(g->rel.storage, false, rs->run_dir, &g->stor, NULL) < 0) {
        return;
    }
    rs->guard_fds++;
    for (uint32_t i = 0; i < images->ndisks; i++) {
        const char *slash = strrchr(images->disks[i].path, '/');
        if (!slash ||
            stor_lock_image(g->stor, slash + 1, IMAGE_LOCK_READ, &g->locks[i], NULL) < 0) {
            guard_release_locked(rs, g);
            return;
        }
        g->n++;
        rs->guard_fds++;
    }
}

static void guard_drop_locked(struct replicas *rs, struct guard **at)
{
    struct guard *g = *at;
    if (g) {
        guard_release_locked(rs, g);
        *at = g->next;
        free(g);
    }
}

/* Nobody uses it any more: it is held again, unless it is another's now. */
static void guard_again_locked(struct replicas *rs, const struct entry *e)
{
    struct guard **at = guard_at_locked(rs, &e->vm, e->number);
    if (*at && replica_role(e->replica) != REPLICA_ROLE_REPLICA) {
        guard_drop_locked(rs, at);
    } else if (*at) {
        guard_hold_locked(rs, *at, &e->images);
    }
}

/* --- all of them --- */

int replicas_new(const char *run_dir,
                 uint32_t commit_wait_s,
                 struct replicas **ret,
                 struct vr_err *err)
{
    struct replicas *rs = calloc(1, sizeof *rs);
    if (!rs) {
        return vr_fail_nomem(err);
    }
    snprintf(rs->run_dir, sizeof rs->run_dir, "%s", run_dir);
    rs->commit_wait_ms = (uint64_t)commit_wait_s * 1000;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&rs->ended, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&rs->lock, NULL);
    *ret = rs;
    return 0;
}

void replicas_free(struct replicas *rs)
{
    if (!rs) {
        return;
    }
    vr_assert(!rs->entries);
    while (rs->guards) {
        guard_drop_locked(rs, &rs->guards);
    }
    pthread_cond_destroy(&rs->ended);
    pthread_mutex_destroy(&rs->lock);
    free(rs);
}

void replicas_on_preempt(struct replicas *rs,
                         void (*fn)(void *ctx, const struct vr_uuid *vm),
                         void *ctx)
{
    rs->preempt = fn;
    rs->preempt_ctx = ctx;
}

void replicas_on_followed(struct replicas *rs,
                          void (*fn)(void *ctx, const struct replica *r),
                          void *ctx)
{
    rs->followed = fn;
    rs->followed_ctx = ctx;
}

int replicas_dir(const char *storage, const struct vr_uuid *vm, char *ret, struct vr_err *err)
{
    char uuid[VR_UUID_TEXT_LEN];
    int n = snprintf(ret, VR_PATH_MAX, "%s/%s", storage, vr_uuid_text(vm, uuid));
    if (n >= VR_PATH_MAX) {
        return vr_fail(err, VR_E_INVALID, "storage location '%.100s...' is too long", storage);
    }
    return 0;
}

void replicas_vm(const struct replica *r, const char *dir, struct vr_vm *ret)
{
    *ret = *replica_vm(r);
    ret->is_replica = true;
    snprintf(ret->definition, sizeof ret->definition, "%s", replica_definition_name(r));
    for (uint32_t i = 0; i < ret->ndisks; i++) {
        char *path = ret->disks[i].path, whole[2 * VR_PATH_MAX];
        int n = snprintf(whole, sizeof whole, "%s/%s", dir, path);
        /* A path that does not fit becomes none: opening it fails. */
        memcpy(path, n < VR_PATH_MAX ? whole : "", n < VR_PATH_MAX ? (size_t)n + 1 : 1);
    }
}

static struct entry *find_locked(struct replicas *rs, const struct vr_uuid *vm, uint8_t number)
{
    for (struct entry *e = rs->entries; e; e = e->next) {
        if (e->number == number && vr_uuid_eq(&e->vm, vm)) {
            return e;
        }
    }
    return NULL;
}

/* --- entries --- */

/* Of one that is in no list; ndisks 0: it never came to know its images. */
static void free_entry_locked(struct replicas *rs, struct entry *e)
{
    if (e->images.ndisks > 0) {
        replica_unlock(e->replica);
        guard_again_locked(rs, e);
    }
    replica_close(e->replica);
    free(e);
}

static void drop_locked(struct replicas *rs, struct entry *e)
{
    struct entry **at = &rs->entries;
    while (*at != e) {
        at = &(*at)->next;
    }
    *at = e->next;
    free_entry_locked(rs, e);
}

static int open_entry(
    struct replicas *rs, const struct vr_rel *rel, bool lock, struct entry *e, struct vr_err *err)
{
    struct stor *stor;
    int r = stor_dir_open(rel->storage, false, rs->run_dir, &stor, err);
    if (r == 0) {
        r = replica_open(stor, &e->replica, err);
    }
    if (r < 0) {
        return r;
    }
    if (rs->followed && replica_followed(e->replica)[0]) {
        rs->followed(rs->followed_ctx, e->replica);
    }
    if (!vr_uuid_eq(&replica_vm(e->replica)->id, &rel->vm_id)) {
        return vr_fail(err, VR_E_CORRUPT, "'%s' holds the replica of another VM", rel->storage);
    }
    snprintf(e->storage, sizeof e->storage, "%s", rel->storage);
    replicas_vm(e->replica, e->storage, &e->images);
    e->held = *replica_rel(e->replica);
    return lock ? replica_lock(e->replica, err) : 0;
}

/* The entry, made when it is not there. Opening may replay a commit: the lock is held meanwhile, so
 * that nobody else opens the same; other replicas wait too, which is rare and harmless. */
static int get_locked(struct replicas *rs,
                      const struct vr_rel *rel,
                      bool lock,
                      struct entry **ret,
                      struct vr_err *err)
{
    struct entry *e = find_locked(rs, &rel->vm_id, rel->number);
    if (lock) {
        guard_release_locked(rs, *guard_at_locked(rs, &rel->vm_id, rel->number));
    }
    if (e) {
        *ret = e;
        int r = lock ? replica_lock(e->replica, err) : 0;
        if (r < 0) {
            guard_again_locked(rs, e);
        }
        return r;
    }
    e = calloc(1, sizeof *e);
    if (!e) {
        return vr_fail_nomem(err);
    }
    e->vm = rel->vm_id;
    e->number = rel->number;
    int r = open_entry(rs, rel, lock, e, err);
    if (r == -VR_E_BUSY && !lock) { /* a begun commit: our own guard is in its way */
        replica_close(TAKE_PTR(e->replica));
        guard_release_locked(rs, *guard_at_locked(rs, &rel->vm_id, rel->number));
        r = open_entry(rs, rel, lock, e, err);
    }
    if (r < 0) {
        free_entry_locked(rs, e);
        return r;
    }
    e->next = rs->entries;
    rs->entries = e;
    *ret = e;
    return 0;
}

static int wait_writer_locked(struct replicas *rs,
                              const struct vr_rel *rel,
                              unsigned wait_ms,
                              struct vr_err *err)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += wait_ms / 1000;
    until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    for (;;) {
        struct entry *e = find_locked(rs, &rel->vm_id, rel->number);
        if (!e || !e->writer) {
            return 0;
        }
        if (pthread_cond_timedwait(&rs->ended, &rs->lock, &until) == ETIMEDOUT) {
            return vr_fail(err, VR_E_BUSY, "a transfer to this replica is running");
        }
    }
}

static struct replica_use *new_use(struct replicas *rs, bool writer)
{
    struct replica_use *use = calloc(1, sizeof *use);
    if (use) {
        use->rs = rs;
        use->writer = writer;
    }
    return use;
}

int replicas_write(struct replicas *rs,
                   const struct vr_rel *rel,
                   bool lock,
                   unsigned wait_ms,
                   struct replica_use **ret,
                   struct vr_err *err)
{
    struct replica_use *use = new_use(rs, true);
    if (!use) {
        return vr_fail_nomem(err);
    }
    pthread_mutex_lock(&rs->lock);
    int r = wait_writer_locked(rs, rel, wait_ms, err);
    if (r == 0) {
        r = get_locked(rs, rel, lock, &use->entry, err);
    }
    if (r == 0) {
        use->entry->writer = true;
        use->entry->users++;
    }
    pthread_mutex_unlock(&rs->lock);
    if (r < 0) {
        free(use);
        return r;
    }
    *ret = use;
    return 0;
}

struct replica *replica_use_replica(struct replica_use *use)
{
    vr_assert(use->writer);
    return use->entry->replica;
}

bool replicas_commit_gate(struct replica_use *use)
{
    struct replicas *rs = use->rs;
    struct entry *e = use->entry;
    bool preempt = false;
    pthread_mutex_lock(&rs->lock);
    if (e->readers == 0) {
        e->committing = true;
    } else if (!e->gate_since_ms) {
        e->gate_since_ms = vr_mono_ms();
    } else if (!e->preempted && vr_mono_ms() - e->gate_since_ms >= rs->commit_wait_ms) {
        e->preempted = preempt = true;
    }
    bool open = e->committing;
    pthread_mutex_unlock(&rs->lock);
    if (preempt && rs->preempt) {
        rs->preempt(rs->preempt_ctx, &e->vm);
    }
    return open;
}

int replicas_read(struct replicas *rs,
                  struct vr_rel *rel,
                  struct vr_vm *ret_vm,
                  struct replica_use **ret,
                  struct vr_err *err)
{
    struct replica_use *use = new_use(rs, false);
    if (!use) {
        return vr_fail_nomem(err);
    }
    pthread_mutex_lock(&rs->lock);
    struct entry *e = find_locked(rs, &rel->vm_id, rel->number);
    int r = 0;
    if (e && (e->committing || e->preempted)) {
        r = vr_fail(err, VR_E_BUSY, "a commit to this replica is under way");
    } else {
        /* A writer took the locks already; struct replica is his alone. */
        r = e && e->writer ? 0 : get_locked(rs, rel, true, &e, err);
    }
    if (r == 0) {
        use->entry = e;
        e->readers++;
        e->users++;
        *ret_vm = e->images;
        replica_tell_held(&e->held, rel);
    }
    pthread_mutex_unlock(&rs->lock);
    if (r < 0) {
        free(use);
        return r;
    }
    *ret = use;
    return 0;
}

int replicas_images(struct replicas *rs,
                    const struct vr_rel *rel,
                    struct vr_vm *ret_vm,
                    struct vr_err *err)
{
    pthread_mutex_lock(&rs->lock);
    struct entry *e;
    int r = get_locked(rs, rel, false, &e, err);
    if (r == 0) {
        *ret_vm = e->images;
        if (e->users == 0) {
            drop_locked(rs, e);
        }
    }
    pthread_mutex_unlock(&rs->lock);
    return r;
}

bool replicas_guard(struct replicas *rs, const struct vr_rel *rel, bool on)
{
    struct entry *e = NULL;
    pthread_mutex_lock(&rs->lock);
    struct guard **at = guard_at_locked(rs, &rel->vm_id, rel->number);
    if (!on) {
        guard_drop_locked(rs, at);
    } else if (!*at && (*at = calloc(1, sizeof **at))) {
        (*at)->rel = *rel;
    }
    /* Now, when nobody uses it: as if somebody had. */
    if (on && *at && !(*at)->stor && get_locked(rs, rel, false, &e, NULL) == 0 && e->users == 0) {
        drop_locked(rs, e);
    }
    at = guard_at_locked(rs, &rel->vm_id, rel->number); /* it may have been dropped */
    bool held = *at && (*at)->stor;
    pthread_mutex_unlock(&rs->lock);
    return held;
}

void replica_use_end(struct replica_use *use)
{
    if (!use) {
        return;
    }
    struct replicas *rs = use->rs;
    struct entry *e = use->entry;
    pthread_mutex_lock(&rs->lock);
    if (use->writer) {
        replicas_vm(e->replica, e->storage, &e->images); /* its disks may be others now */
        e->writer = e->committing = e->preempted = false;
        e->held = *replica_rel(e->replica);
        e->gate_since_ms = 0;
    } else {
        e->readers--;
    }
    if (--e->users == 0) {
        drop_locked(rs, e);
    }
    pthread_cond_broadcast(&rs->ended);
    pthread_mutex_unlock(&rs->lock);
    free(use);
}
