/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread for each export this host writes and each import it reads. As lane_source.c: the
 * control thread reaches it through flags, news go back by lane_news.h.
 */
#include <errno.h>
#include <poll.h>
#include <sys/stat.h>

#include "daemon/daemon.h"
#include "daemon/disks.h"
#include "daemon/lane_news.h"
#include "daemon/session.h"
#include "resync/export.h"
#include "resync/import.h"
#include "util/fdio.h"
#include "util/num.h"
#include "util/vtime.h"

#define WAIT_MS 50
#define REPLICA_WAIT_MS 5000

enum {
    FLAG_CANCEL = 1,
    FLAG_SAVED = 2,
    FLAG_STOP = 4 /* the daemon ends */
};

struct carrier {
    struct carrier *next; /* control thread */
    struct daemon *d;
    struct core_offline o;
    struct vr_rel replica_rel; /* source_is_replica: where the images are */
    atomic_uint flags;
    /* the thread's own */
    struct replica_use *use;
    struct frozen_disks disks;
    struct stor *stor;
    uint64_t instant_us; /* of an export: of when the disks' contents are */
    struct lane_news news;
    struct core_transfer_result result;
};

struct carriers {
    struct daemon *d;
    struct carrier *first;
};

/* --- on the control thread --- */

static void carrier_free(struct carrier *t)
{
    lane_news_deinit(&t->news);
    free(t);
}

static void on_end(void *arg)
{
    struct carrier *t = arg;
    struct carrier **at = &t->d->carriers->first;
    while (*at != t) {
        at = &(*at)->next;
    }
    *at = t->next;
    lane_news_frozen(&t->news, &t->o.vm, &t->disks, &t->result);
    if (!t->d->stopping || t->result.result == 0) {
        core_on_transfer_end(t->d->core, t->o.job_id, &t->result);
    }
    carrier_free(t);
}

int carriers_new(struct daemon *d, struct carriers **ret, struct vr_err *err)
{
    struct carriers *cs = calloc(1, sizeof *cs);
    if (!cs) {
        return vr_fail_nomem(err);
    }
    cs->d = d;
    *ret = cs;
    return 0;
}

void carriers_free(struct carriers *cs)
{
    if (cs) {
        vr_assert(!cs->first);
        free(cs);
    }
}

void carriers_command(struct carriers *cs, uint64_t job_id, enum core_lane_command cmd)
{
    for (struct carrier *t = cs->first; t; t = t->next) {
        if (t->o.job_id == job_id) {
            atomic_fetch_or(&t->flags, cmd == CORE_LANE_PROPOSED_SAVED ? FLAG_SAVED : FLAG_CANCEL);
        }
    }
}

void carriers_end(struct carriers *cs, const struct vr_uuid *vm, uint8_t number)
{
    for (struct carrier *t = cs->first; t; t = t->next) {
        if (t->o.import && t->o.rel.number == number && vr_uuid_eq(&t->o.rel.vm_id, vm)) {
            atomic_fetch_or(&t->flags, FLAG_STOP);
        }
    }
}

void carriers_stop_all(struct carriers *cs)
{
    for (struct carrier *t = cs->first; t; t = t->next) {
        atomic_fetch_or(&t->flags, FLAG_STOP);
    }
}

bool carriers_idle(const struct carriers *cs)
{
    return !cs->first;
}

/* --- the directories --- */

static int
open_dir(struct daemon *d, const char *path, bool create, struct stor **ret, struct vr_err *err)
{
    return stor_dir_open(path, create, d->nbd_dir, ret, err);
}

/* What the disks' files take: an estimate of what an export will. */
static uint64_t bytes_on_disk(const struct vr_vm *vm)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < vm->ndisks; i++) {
        struct stat st;
        if (!vm->disks[i].excluded && stat(vm->disks[i].path, &st) == 0) {
            uint64_t bytes = (uint64_t)st.st_blocks * 512;
            bool device = S_ISBLK(st.st_mode);
            sum += device || bytes > vm->disks[i].size_bytes ? vm->disks[i].size_bytes : bytes;
        }
    }
    return sum;
}

static int check_room(struct stor *dir, const struct core_offline *o, struct vr_err *err)
{
    uint64_t room, need = bytes_on_disk(&o->vm);
    int r = stor_free_bytes(dir, &room, err);
    if (r == 0 && room < need) {
        r = vr_fail(err, VR_E_NOSPACE, "%llu MiB are free in '%.140s', the disks have %llu MiB",
                    (unsigned long long)(room >> 20), o->location,
                    (unsigned long long)(need >> 20));
    }
    return r;
}

static int check_export(struct daemon *d, const struct core_offline *o, struct vr_err *err)
{
    char own[VR_PATH_MAX];
    _cleanup_(stor_closep) struct stor *dir = NULL, *sub = NULL;
    if (access(o->location, W_OK | X_OK) < 0) {
        return vr_fail_errno(err, VR_E_IO, "cannot write to directory '%.160s'", o->location);
    }
    int r = open_dir(d, o->location, false, &dir, err);
    r = r < 0 ? r : replicas_dir(o->location, &o->rel.vm_id, own, err);
    if (r < 0) {
        return r;
    }
    if (access(own, F_OK) < 0) {
        return check_room(dir, o, err);
    }
    r = open_dir(d, own, false, &sub, err);
    r = r < 0 ? r : export_may_go(sub, &o->rel.vm_id, o->rel.number, d->host_name, err);
    if (r < 0) {
        return vr_wrap(err, r, "'%.120s'", own);
    }
    /* An older export of ours makes room first; how much is not worth asking. */
    return stor_exists(sub, MANIFEST_NAME) ? 0 : check_room(dir, o, err);
}

/* The directory itself, or the VM's own below it. */
static int
open_export(struct daemon *d, const struct core_offline *o, struct stor **ret, struct vr_err *err)
{
    char own[VR_PATH_MAX];
    struct stat st;
    _cleanup_(stor_closep) struct stor *dir = NULL;
    int r = open_dir(d, o->location, false, &dir, err);
    r = r < 0 ? r : replicas_dir(o->location, &o->rel.vm_id, own, err);
    if (r == 0 && !stor_exists(dir, MANIFEST_NAME) && stat(own, &st) == 0) {
        stor_close(TAKE_PTR(dir));
        r = open_dir(d, own, false, &dir, err);
    }
    if (r == 0 && !stor_exists(dir, MANIFEST_NAME)) {
        r = vr_fail(err, VR_E_NOT_FOUND,
                    "there is no export of this virtual machine in '%.160s' (no file '%s')",
                    o->location, MANIFEST_NAME);
    }
    if (r == 0) {
        *ret = TAKE_PTR(dir);
    }
    return r;
}

int carriers_check(struct daemon *d, const struct core_offline *o, struct vr_err *err)
{
    struct stat st;
    if (stat(o->location, &st) < 0) {
        return vr_fail_errno(err, VR_E_IO, "directory '%.160s'", o->location);
    }
    if (!S_ISDIR(st.st_mode)) {
        return vr_fail(err, VR_E_INVALID, "'%.160s' is no directory", o->location);
    }
    if (!o->import) {
        return check_export(d, o, err);
    }
    _cleanup_(stor_closep) struct stor *dir = NULL;
    return open_export(d, o, &dir, err);
}

/* --- the thread --- */

/* Of an export. */
static uint8_t consistency_of(const struct carrier *t)
{
    return t->o.source_is_replica ? t->replica_rel.consistency : (uint8_t)t->disks.consistency;
}

static void send_progress(struct carrier *t, const struct vr_progress *p, bool always)
{
    struct vr_progress now = *p;
    now.updated_us = vr_wall_us();
    if (!t->o.import) {
        now.ease = disks_ease(&t->disks);
        now.taken = (struct vr_taken){.instant_us = t->instant_us,
                                      .frozen_us = t->disks.frozen_us,
                                      .consistency = consistency_of(t)};
        t->result.ease_times = VR_MAX(t->result.ease_times, now.ease.times);
    }
    if (always || lane_news_is_due(&t->news, now.updated_us)) {
        lane_news_progress(&t->news, &now, now.updated_us);
    }
}

static int check_stop(struct carrier *t, struct vr_err *err)
{
    return atomic_load(&t->flags) & (FLAG_CANCEL | FLAG_STOP)
               ? vr_fail(err, VR_E_CANCELED, "stopped")
               : disks_look(&t->disks, err);
}

static int instant_check(void *ctx, struct vr_err *err)
{
    struct carrier *t = ctx;
    return disks_check(&t->disks, &t->o.vm, err);
}

static void random_bytes(void *ctx, void *p, size_t n)
{
    vr_random(p, n);
}

static int freeze(struct carrier *t, struct vr_err *err)
{
    struct vr_vm images;
    t->instant_us = vr_wall_us(); /* or a little later */
    int r = t->o.source_is_replica
                ? replicas_read(t->d->replicas, &t->replica_rel, &images, &t->use, err)
                : 0;
    if (t->o.source_is_replica) {
        t->instant_us = t->replica_rel.last_sync_us;
    }
    return r < 0 ? r : domains_freeze(t->d, &t->o.vm, t->o.source_is_replica, NULL, &t->disks, err);
}

static void describe_export(struct carrier *t, struct export_params *p)
{
    struct manifest *m = &p->manifest;
    const struct vr_vm *vm = &t->o.vm;
    bool replica = t->o.source_is_replica;
    m->vm_id = t->o.rel.vm_id;
    m->rel_number = t->o.rel.number;
    m->instant = replica ? t->replica_rel.generation.uuid : vr_uuid_new();
    m->instant_us = t->instant_us;
    m->consistency = consistency_of(t);
    m->generation.epoch = t->o.rel.generation.epoch;
    snprintf(m->vm_name, sizeof m->vm_name, "%s", vm->name);
    snprintf(m->host, sizeof m->host, "%s", t->d->host_name);
    for (uint32_t i = 0; i < vm->ndisks; i++) {
        if (vm->disks[i].excluded) {
            continue;
        }
        struct manifest_disk *d = &m->disks[m->ndisks];
        snprintf(d->name, sizeof d->name, "%s", vm->disks[i].name);
        d->size_bytes = vm->disks[i].size_bytes;
        p->disks[m->ndisks] = t->disks.disk[m->ndisks].dev;
        m->ndisks++;
    }
}

static int open_own_dir(struct carrier *t, struct vr_err *err)
{
    char own[VR_PATH_MAX];
    int r = replicas_dir(t->o.location, &t->o.rel.vm_id, own, err);
    r = r < 0 ? r : open_dir(t->d, own, true, &t->stor, err);
    return r < 0 ? r : vr_fsync_dir(t->o.location, err);
}

/* 1: a little later again. */
static int export_some(struct carrier *t, struct exporter *e, bool *ret_done, struct vr_err *err)
{
    enum lane_status status;
    struct vr_uuid proposed;
    uint64_t began_us = vr_mono_us();
    int r = check_stop(t, err);
    if (r == 0 && atomic_load(&t->flags) & FLAG_SAVED) {
        export_generation_saved(e);
    }
    r = r < 0 ? r : export_step(e, &status, err);
    disks_give_way(&t->disks, vr_mono_us() - began_us, -1);
    if (r < 0) {
        return r;
    }
    if (export_wants_saved(e, &proposed)) {
        lane_news_propose(&t->news, &proposed, NULL, t->instant_us, consistency_of(t));
    }
    send_progress(t, export_progress(e), false);
    *ret_done = status == LANE_DONE;
    return status == LANE_WAIT;
}

static int run_export(struct carrier *t, struct vr_err *err)
{
    struct export_params p = {.instant_check = instant_check, .random = random_bytes, .ctx = t};
    _cleanup_(export_freep) struct exporter *e = NULL;
    int r = freeze(t, err);
    r = r < 0 ? r : disks_limit(&t->disks, t->d->config.read_rate_bytes_s, err);
    r = r < 0 ? r : open_own_dir(t, err);
    if (r == 0) {
        p.stor = t->stor;
        describe_export(t, &p);
        r = export_new(&p, &e, err);
    }
    for (bool done = false; r >= 0 && !done;) {
        r = export_some(t, e, &done, err);
        if (r > 0) {
            poll(NULL, 0, WAIT_MS);
        }
    }
    if (e) {
        send_progress(t, export_progress(e), true);
    }
    if (e && r < 0) {
        export_discard(e);
    }
    return r;
}

static bool commit_gate(void *ctx)
{
    return replicas_commit_gate(((struct carrier *)ctx)->use);
}

static int import_some(struct carrier *t, struct importer *i, bool *ret_done, struct vr_err *err)
{
    enum lane_status status;
    int r = import_is_committing(i) ? 0 : check_stop(t, err);
    r = r < 0 ? r : import_step(i, vr_wall_us(), &status, err);
    if (r < 0) {
        return r;
    }
    send_progress(t, import_progress(i), false);
    *ret_done = status == LANE_DONE;
    return status == LANE_WAIT;
}

static int run_import(struct carrier *t, struct vr_err *err)
{
    struct import_params p = {.staging_reserve_bytes = t->d->config.staging_reserve_bytes,
                              .commit_gate = commit_gate,
                              .random = random_bytes,
                              .ctx = t};
    _cleanup_(import_freep) struct importer *i = NULL;
    int r = open_export(t->d, &t->o, &t->stor, err);
    r = r < 0 ? r : manifest_read(t->stor, &p.manifest, err);
    r = r < 0 ? r : replicas_write(t->d->replicas, &t->o.rel, true, REPLICA_WAIT_MS, &t->use, err);
    if (r == 0) {
        p.stor = t->stor;
        p.replica = replica_use_replica(t->use);
        r = import_new(&p, &i, err);
    }
    for (bool done = false; r >= 0 && !done;) {
        r = import_some(t, i, &done, err);
        if (r > 0) {
            poll(NULL, 0, WAIT_MS);
        }
    }
    if (i) {
        send_progress(t, import_progress(i), true);
    }
    if (r >= 0) {
        t->result.generation = p.manifest.generation;
        t->result.report.instant_us = p.manifest.instant_us;
        t->result.report.consistency = p.manifest.consistency;
    }
    return r;
}

static void *carrier_thread(void *arg)
{
    struct carrier *t = arg;
    int r = t->o.import ? run_import(t, &t->result.err) : run_export(t, &t->result.err);
    r = disks_explain(&t->disks, r, &t->result.err);
    t->result.result = r < 0 ? r : 0;
    disks_thaw(&t->disks);
    replica_use_end(t->use);
    stor_close(t->stor);
    lane_news_end(&t->news);
    return NULL;
}

int carriers_start(struct carriers *cs, const struct core_offline *o, struct vr_err *err)
{
    struct daemon *d = cs->d;
    if (d->stopping) {
        return vr_fail(err, VR_E_CANCELED, "the daemon is stopping");
    }
    struct carrier *t = calloc(1, sizeof *t);
    if (!t) {
        return vr_fail_nomem(err);
    }
    t->d = d;
    t->o = *o;
    lane_news_init(&t->news, d, o->job_id, on_end, t);
    int r = o->source_is_replica ? lane_replica_rel(d, &o->rel.vm_id, &t->replica_rel, err) : 0;
    t->next = cs->first;
    cs->first = t;
    r = r < 0 ? r : session_thread(carrier_thread, t, err);
    if (r < 0) {
        cs->first = t->next;
        carrier_free(t);
    }
    return r;
}
