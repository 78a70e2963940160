/* SPDX-License-Identifier: Apache-2.0 */
/* First generations that travel by a directory: exports and imports as the daemon's carrier threads
 * would run them, one step at a time, and what people do with directories in between. */
#include <stdio.h>
#include <stdlib.h>

#include "resync/export.h"
#include "resync/import.h"
#include "tests/sim/alloc.h"
#include "tests/sim/world.h"
#include "util/num.h"

static void sim_random(void *ctx, void *p, size_t n)
{
    rng_fill(&the_world->rng, p, n);
}

static int instant_check(void *ctx, struct vr_err *err)
{
    struct carrier *t = ctx;
    return t->broken ? vr_fail(err, VR_E_BUSY, "a disk was written meanwhile") : 0;
}

static bool commit_gate(void *ctx)
{
    return !host_reads_replica(((struct carrier *)ctx)->host);
}

int carrier_check(struct host *h, const struct core_offline *o, struct vr_err *err)
{
    struct stor *stor = fs_stor(&h->fs, o->location);
    int r = 0;
    if (!o->import) {
        r = export_may_go(stor, &o->rel.vm_id, o->rel.number, h->name, err);
    } else if (!stor_exists(stor, MANIFEST_NAME)) {
        r = vr_fail(err, VR_E_NOT_FOUND, "there is no export in '%.100s'", o->location);
    }
    stor_close(stor);
    return r;
}

static int freeze(struct carrier *t, struct vr_err *err)
{
    struct host *h = t->host;
    bool replica = t->o.source_is_replica;
    struct session *s = host_session(h);
    if (replica && (!h->must || !h->replica || (s && s->committing))) {
        return vr_fail(err, VR_E_BUSY, "the replica is being committed");
    }
    t->src = fs_stor(&h->fs, replica ? h->replica_dir : SRC_DIR);
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < t->o.vm.ndisks; i++) {
        char name[VR_NAME_MAX + 8];
        snprintf(name, sizeof name, "%s.raw", t->o.vm.disks[i].name);
        if (!replica) {
            r = stor_lock_image(t->src, name, IMAGE_LOCK_READ, &t->lock[i], err);
        }
        if (r == 0) {
            r = stor_open_image(t->src, name, "raw", BLOCK_READ_ONLY, &t->dev[i], err);
        }
    }
    if (r == 0) {
        t->snap = replica ? snapshot_of_replica(h) : snapshot_of_source(h->w);
    }
    return r;
}

static int begin_export(struct carrier *t, struct vr_err *err)
{
    struct export_params *p = calloc(1, sizeof *p);
    struct manifest *m = &p->manifest;
    uint8_t random[16];
    int r = freeze(t, err);
    p->stor = t->stor;
    p->instant_check = instant_check;
    p->random = sim_random;
    p->ctx = t;
    rng_fill(&t->host->w->rng, random, sizeof random);
    m->vm_id = t->o.rel.vm_id;
    m->rel_number = t->o.rel.number;
    m->instant = vr_uuid_from_random(random);
    t->began_us = t->host->w->now_us;
    t->instant_us = t->o.source_is_replica ? replica_instant(t->host) : t->began_us;
    m->instant_us = t->instant_us;
    m->generation.epoch = t->o.rel.generation.epoch;
    snprintf(m->vm_name, sizeof m->vm_name, "%s", t->o.vm.name);
    snprintf(m->host, sizeof m->host, "%s", t->host->name);
    m->ndisks = t->o.vm.ndisks;
    for (uint32_t i = 0; r == 0 && i < m->ndisks; i++) {
        snprintf(m->disks[i].name, sizeof m->disks[i].name, "%s", t->o.vm.disks[i].name);
        m->disks[i].size_bytes = t->dev[i]->size_bytes;
        p->disks[i] = t->dev[i];
    }
    r = r < 0 ? r : export_new(p, &t->exporter, err);
    free(p);
    return r;
}

static int begin_import(struct carrier *t, struct vr_err *err)
{
    struct import_params *p = calloc(1, sizeof *p);
    struct host *h = t->host;
    int r = h->replica ? replica_lock(h->replica, err)
                       : vr_fail(err, VR_E_BUSY, "the replica is not settled yet");
    r = r < 0 ? r : manifest_read(t->stor, &p->manifest, err);
    if (r == 0) {
        p->replica = h->replica;
        p->stor = t->stor;
        p->commit_gate = commit_gate;
        p->random = sim_random;
        p->ctx = t;
        t->generation = p->manifest.generation;
        t->instant_us = p->manifest.instant_us;
        sim_alloc.armed = true;
        r = import_new(p, &t->importer, err);
        sim_alloc.armed = false;
    }
    free(p);
    return r;
}

static void carrier_free(struct carrier *t)
{
    struct world *w = t->host->w;
    export_free(t->exporter);
    import_free(t->importer);
    for (size_t i = 0; i < VR_DISKS_MAX; i++) {
        block_close(t->dev[i]);
        stor_unlock_image(t->lock[i]);
    }
    stor_close(t->src);
    stor_close(t->stor);
    snapshot_unref(t->snap);
    for (size_t i = 0; i < CARRIERS_MAX; i++) {
        w->carriers[i] = w->carriers[i] == t ? NULL : w->carriers[i];
    }
    free(t);
}

int carrier_start(struct host *h, const struct core_offline *o, struct vr_err *err)
{
    struct world *w = h->w;
    size_t slot = 0;
    while (slot < CARRIERS_MAX && w->carriers[slot]) {
        slot++;
    }
    if (slot == CARRIERS_MAX) {
        return vr_fail(err, VR_E_LIMIT, "no thread is free");
    }
    struct carrier *t = w->carriers[slot] = calloc(1, sizeof *t);
    t->host = h;
    t->job_id = o->job_id;
    t->o = *o;
    t->stor = fs_stor(&h->fs, o->location);
    world_log(w, "%s: %s of job %llu begins", h->name, o->import ? "import" : "export",
              (unsigned long long)o->job_id);
    return 0;
}

static struct carrier *find(struct host *h, uint64_t job_id, bool import)
{
    for (size_t i = 0; i < CARRIERS_MAX; i++) {
        struct carrier *t = h->w->carriers[i];
        if (t && t->host == h && (job_id ? t->job_id == job_id : t->o.import == import)) {
            return t;
        }
    }
    return NULL;
}

struct carrier *host_import(struct host *h)
{
    return find(h, 0, true);
}

struct carrier *host_export(struct host *h)
{
    return find(h, 0, false);
}

void carrier_command(struct host *h, uint64_t job_id, enum core_lane_command cmd)
{
    struct carrier *t = find(h, job_id, false);
    if (t && cmd == CORE_LANE_PROPOSED_SAVED) {
        export_generation_saved(t->exporter);
    } else if (t) {
        t->cancel = true;
    }
    if (t) {
        t->waits = false;
    }
}

/* As at the end of a session: the replica is opened anew, and what that settled counts. */
static int reopen(struct host *h, int result, struct vr_generation *ret)
{
    replica_close(TAKE_PTR(h->replica));
    int r = h->fs.dead ? -VR_E_IO : host_open_replica(h, NULL);
    bool has = r == 0 && !vr_uuid_is_nil(&replica_generation(h->replica)->uuid);
    if (has) {
        *ret = *replica_generation(h->replica);
    }
    return has ? 0 : result < 0 ? result : r;
}

static void carrier_end(struct carrier *t, int result, const struct vr_err *err)
{
    struct host *h = t->host;
    uint64_t id = t->job_id;
    bool import = t->o.import;
    struct core_transfer_result *res = calloc(1, sizeof *res);
    res->err = err ? *err : VR_ERR_INIT;
    res->report.instant_us = t->instant_us;
    if (t->exporter && result < 0) {
        export_discard(t->exporter);
    }
    bool stopped = t->cancel && result == -VR_E_CANCELED;
    carrier_free(t);
    res->result = import ? reopen(h, result, &res->generation) : result;
    world_log(h->w, "%s: %s of job %llu ends: %d %s", h->name, import ? "import" : "export",
              (unsigned long long)id, res->result, res->result < 0 ? vr_err_text(err) : "");
    if (res->result == 0) {
        world_note(h->w, import ? SIM_IMPORTED : SIM_EXPORTED);
    } else if (stopped) {
        world_note(h->w, import ? SIM_IMPORT_STOPPED : SIM_EXPORT_STOPPED);
    } else if (result == -VR_E_CORRUPT) {
        world_note(h->w, SIM_IMPORT_REFUSED);
    }
    if (!h->fs.dead) {
        core_on_transfer_end(h->core, id, res);
    }
    free(res);
}

static int step_export(struct carrier *t, enum lane_status *ret, struct vr_err *err)
{
    struct world *w = t->host->w;
    struct vr_uuid u;
    int r = t->exporter ? 0 : begin_export(t, err);
    if (r == 0) {
        r = export_step(t->exporter, ret, err);
    }
    if (r < 0) {
        return r;
    }
    if (export_wants_saved(t->exporter, &u)) {
        struct gen *g = gen_add(w, &u, t->snap);
        g->job_id = t->job_id;
        g->instant_us = t->instant_us;
        g->began_us = t->began_us;
        g->source = t->host->id;
        core_on_proposed(t->host->core, t->job_id, &u, NULL, t->instant_us, VR_CONSISTENCY_UNKNOWN);
        *ret = LANE_AGAIN; /* it may be saved already */
    }
    core_on_progress(t->host->core, t->job_id, export_progress(t->exporter));
    return 0;
}

static int step_import(struct carrier *t, enum lane_status *ret, struct vr_err *err)
{
    int r = t->importer ? 0 : begin_import(t, err);
    if (r == 0) {
        sim_alloc.armed = true;
        r = import_step(t->importer, t->host->w->now_us, ret, err);
        sim_alloc.armed = false;
    }
    if (r == 0) {
        core_on_progress(t->host->core, t->job_id, import_progress(t->importer));
    }
    return r;
}

void carrier_step(struct carrier *t)
{
    struct vr_err err = VR_ERR_INIT;
    enum lane_status status = LANE_WAIT;
    int r = 0;
    if (t->cancel && !(t->importer && import_is_committing(t->importer))) {
        r = vr_fail(&err, VR_E_CANCELED, "stopped");
    }
    if (r == 0) {
        r = t->o.import ? step_import(t, &status, &err) : step_export(t, &status, &err);
    }
    if (r < 0 || status == LANE_DONE) {
        carrier_end(t, r, &err);
        return;
    }
    t->waits = status == LANE_WAIT;
    t->wake_us = t->host->w->now_us + 50000;
}

void carrier_stop_import(struct host *h)
{
    struct carrier *t = host_import(h);
    struct vr_err err = VR_ERR_INIT;
    if (t) {
        t->cancel = true;
        (void)vr_fail(&err, VR_E_CANCELED, "stopped");
        carrier_end(t, -VR_E_CANCELED, &err);
    }
}

void carrier_drop(struct carrier *t)
{
    carrier_free(t);
}

/* --- people --- */

/* The directory as it is, perhaps while somebody writes it; perhaps not all of it gets through. */
void carry_from(struct world *w, int at)
{
    struct host *from = &w->host[at], *to = &w->host[at + 1];
    char dir[32];
    if (host_import(to)) {
        return;
    }
    snprintf(dir, sizeof dir, EXPORT_DIR "-%d", at);
    size_t files = fs_copy_dir(&from->fs, &to->fs, dir);
    if (files == 0) {
        return;
    }
    world_note(w, SIM_CARRIED);
    if (!w->calm && rng_chance(&w->rng, 15)) {
        fs_spoil_dir(&to->fs, dir);
        world_note(w, SIM_CARRIED_BAD);
    }
    world_log(w, "%zu files are carried from %s to %s", files, from->name, to->name);
}

void put_seeds(struct world *w, int at)
{
    struct host *h = &w->host[at + 1];
    if (!h->replica_dir[0] || h->must || !h->up || host_session(h) || host_import(h) ||
        w->counts[SIM_RESHAPED]) {
        return;
    }
    struct snapshot *s = at == 0 ? snapshot_of_source(w) : w->host[1].must;
    for (uint32_t i = 0; s && i < w->ndisks; i++) {
        char name[32];
        image_name(w->letter[i], false, name);
        if (fs_lookup(&h->fs, h->replica_dir, name)) {
            continue;
        }
        struct fs_inode *n = fs_make(&h->fs, h->replica_dir, name, w->size[i]);
        fs_poke(n, 0, s->data[i], w->size[i]);
        uint64_t off = rng_below(&w->rng, w->size[i] - 512);
        fs_poke(n, off, s->data[i], 512); /* an older copy, more or less */
    }
    world_note(w, SIM_SEEDS);
    if (at == 0) {
        snapshot_unref(s);
    }
}
