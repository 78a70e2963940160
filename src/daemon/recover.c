/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens before anything else: every replica is opened, which settles a commit that was
 * begun; then the store's rows go to core; then replicas on disk that no row knows (the database
 * was lost) get a row again. Nothing on disk and no row is overwritten.
 */
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#include "core/service.h"
#include "daemon/daemon.h"
#include "util/log.h"
#include "util/vtime.h"

struct news {
    struct daemon *d;
    struct vr_uuid vm;
    char name[VR_NAME_MAX], text[VR_TEXT_MAX];
};

static void tell_news(void *arg)
{
    struct news *n = arg;
    daemon_event(n->d, CORE_EV_DISKS_FOLLOWED, &n->vm, n->name, "%s", n->text);
    free(n);
}

void recover_tell_followed(void *ctx, const struct replica *r)
{
    struct daemon *d = ctx;
    struct news *n = malloc(sizeof *n);
    if (!n) {
        return;
    }
    n->d = d;
    n->vm = replica_vm(r)->id;
    snprintf(n->name, sizeof n->name, "%s", replica_vm(r)->name);
    snprintf(n->text, sizeof n->text, "%s", replica_followed(r));
    if (!control_post(d->control, tell_news, n)) {
        free(n);
    }
}

/* Opens the replica, so that it is at one generation; what cannot be settled is told and stays as
 * it is. */
static void settle(struct daemon *d, struct vr_rel *rel)
{
    struct vr_err err = VR_ERR_INIT;
    struct replica_use *use;
    if (replicas_write(d->replicas, rel, false, 0, &use, &err) == 0) {
        snprintf(rel->vm_name, sizeof rel->vm_name, "%s",
                 replica_vm(replica_use_replica(use))->name);
        struct vr_rel held = *rel;
        replica_tell_held(replica_rel(replica_use_replica(use)), &held);
        rel->last_sync_us = held.last_sync_us;
        rel->consistency =
            held.consistency; /* the generation is core's to follow, with the state */
        rel->released = replica_role(replica_use_replica(use)) == REPLICA_ROLE_RELEASED;
        replica_use_end(use);
        return;
    }
    daemon_event(d, CORE_EV_REPLICA_NOT_READY, &rel->vm_id, "", "replica in %.120s: %.120s",
                 rel->storage, vr_err_text(&err));
    rel->health = VR_HEALTH_CRITICAL;
    snprintf(rel->reason, sizeof rel->reason, "%s", vr_err_text(&err));
}

static int load_rel(void *ctx, const struct vr_rel *row, struct vr_err *err)
{
    struct daemon *d = ctx;
    struct vr_rel rel = *row;
    if (!rel.is_source) {
        settle(d, &rel);
    }
    return core_load_rel(d->core, &rel, err);
}

static int load_job(void *ctx, const struct vr_job *job, struct vr_err *err)
{
    struct daemon *d = ctx;
    return core_load_job(d->core, job, err);
}

static int load_auth(void *ctx, const struct vr_auth_entry *entry, struct vr_err *err)
{
    struct daemon *d = ctx;
    return core_load_auth(d->core, entry, err);
}

/* The relationship a sidecar remembers, as one that a person should look at. */
static int
adopt_sidecar(struct daemon *d, const char *dir, struct replica *replica, struct vr_err *err)
{
    struct vr_rel rel = *replica_rel(replica);
    const struct vr_vm *vm = replica_vm(replica);
    if (replica_role(replica) == REPLICA_ROLE_RELEASED ||
        core_rel(d->core, &rel.vm_id, rel.number)) {
        return 0;
    }
    bool promoted = replica_role(replica) == REPLICA_ROLE_PROMOTED;
    rel.is_source = false;
    rel.state = promoted ? VR_REL_RECOVERED : VR_REL_CRITICAL;
    rel.health = VR_HEALTH_CRITICAL;
    rel.generation = *replica_generation(replica);
    snprintf(rel.storage, sizeof rel.storage, "%s", dir);
    snprintf(rel.vm_name, sizeof rel.vm_name, "%s", vm->name);
    snprintf(rel.reason, sizeof rel.reason, "found on disk without a record; look at it, then %s",
             promoted ? "decide" : "resynchronize or adopt it from its primary");
    int r = store_save_rel(d->store, &rel, err);
    if (r == 0) {
        r = core_load_rel(d->core, &rel, err);
    }
    if (r == 0) {
        daemon_event(d, CORE_EV_REPLICA_FOUND, &vm->id, vm->name,
                     "the record of the replica in %.160s was lost and made again", dir);
    }
    return r;
}

static void look_into(struct daemon *d, const char *dir)
{
    struct vr_err err = VR_ERR_INIT;
    struct stor *stor;
    struct replica *replica;
    int r = stor_dir_open(dir, false, d->nbd_dir, &stor, &err);
    if (r == 0) {
        r = replica_open(stor, &replica, &err);
    }
    if (r == 0) {
        r = adopt_sidecar(d, dir, replica, &err);
        replica_close(replica);
    }
    if (r < 0 && r != -VR_E_NOT_FOUND) {
        daemon_event(d, CORE_EV_REPLICA_NOT_READY, NULL, "", "replica in %.120s: %.120s", dir,
                     vr_err_text(&err));
    }
}

/* Known replicas were settled already and must not be opened a second time. */
static bool is_known(struct daemon *d, const struct vr_uuid *vm, const char *dir)
{
    for (uint8_t number = 0; number <= 1; number++) {
        const struct vr_rel *rel = core_rel(d->core, vm, number);
        if (rel && !rel->is_source && strcmp(rel->storage, dir) == 0) {
            return true;
        }
    }
    return false;
}

static void scan_storage(struct daemon *d, const char *storage)
{
    DIR *dir = opendir(storage);
    if (!dir) {
        vr_log(VR_LOG_WARNING, "storage-unreadable", "cannot read storage location %s: %s", storage,
               strerror(errno));
        return;
    }
    const struct dirent *de;
    while ((de = readdir(dir))) {
        struct vr_uuid vm;
        char path[VR_PATH_MAX], sidecar[VR_PATH_MAX + 32];
        struct stat st;
        if (!vr_uuid_parse(de->d_name, &vm) || replicas_dir(storage, &vm, path, NULL) < 0) {
            continue;
        }
        snprintf(sidecar, sizeof sidecar, "%s/%s", path, REPLICA_SIDECAR);
        if (lstat(sidecar, &st) == 0 && !is_known(d, &vm, path)) {
            look_into(d, path);
        }
    }
    closedir(dir);
}

void recover_lost(struct daemon *d)
{
    /* Copied: what is borrowed from core is void once a relationship was added. */
    struct vr_auth_entry entry;
    const struct vr_auth_entry *at;
    for (size_t i = 0; (at = core_auth_at(d->core, i)); i++) {
        entry = *at;
        scan_storage(d, entry.storage);
    }
}

static int load_service(struct daemon *d, struct vr_err *err)
{
    struct vr_service service = vr_service_default();
    int r = store_load_service(d->store, &service, err);
    if (r == -VR_E_NOT_FOUND) {
        return 0;
    }
    return r < 0 ? r : core_load_service(d->core, &service, err);
}

/* Of dry runs, for who plans by them; a report that cannot be read is no reason not to start. */
static void load_forecasts(struct daemon *d)
{
    const struct vr_job *job;
    struct vr_report report;
    for (size_t i = 0; (job = core_job_at(d->core, i)); i++) {
        if (job->type == VR_JOBTYPE_FORECAST && job->state == VR_JOB_COMPLETED &&
            store_find_report(d->store, job->id, &report, NULL) == 0) {
            core_load_forecast(d->core, job->id, &report.forecast);
        }
    }
}

int recover_all(struct daemon *d, struct vr_err *err)
{
    int r = load_service(d, err);
    r = r < 0 ? r : store_load_auths(d->store, load_auth, d, err);
    if (r == 0) {
        r = store_load_rels(d->store, load_rel, d, err);
    }
    if (r == 0) {
        r = store_load_jobs(d->store, load_job, d, err);
    }
    if (r < 0) {
        return vr_wrap(err, r, "loading the state");
    }
    load_forecasts(d);
    recover_lost(d);
    return 0;
}
