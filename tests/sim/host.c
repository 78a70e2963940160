/* SPDX-License-Identifier: Apache-2.0 */
/* A host's life: it boots, dies at any call, and boots again from what survived. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "core/service.h"
#include "resync/sidecar.h"
#include "tests/sim/world.h"
#include "util/num.h"

#define REPLICA_RETRY_US (10u * 1000000u)

struct vr_job *host_job(struct host *h, uint64_t id)
{
    for (size_t i = 0; i < h->njobs; i++) {
        if (h->jobs[i].id == id) {
            return &h->jobs[i];
        }
    }
    return NULL;
}

struct vr_rel *host_rel(struct host *h, uint8_t number)
{
    for (size_t i = 0; i < h->nrels; i++) {
        if (h->rels[i].number == number) {
            return &h->rels[i];
        }
    }
    return NULL;
}

struct host *world_host(struct world *w, const char *name)
{
    for (int i = 0; i < HOSTS; i++) {
        if (strcasecmp(w->host[i].name, name) == 0) {
            return &w->host[i];
        }
    }
    return NULL;
}

void host_init(struct host *h, struct world *w, int id)
{
    h->w = w;
    h->id = id;
    snprintf(h->name, sizeof h->name, "h%d", id + 1);
    fs_init(&h->fs, &w->rng);
    h->nauths = 1;
    snprintf(h->auths[0].host, sizeof h->auths[0].host, "h%d", id);
    snprintf(h->auths[0].storage, sizeof h->auths[0].storage, "/rep");
}

static void host_stop(struct host *h)
{
    struct world *w = h->w;
    for (size_t i = 0; i < LANES_MAX; i++) {
        if (w->lanes[i] && w->lanes[i]->host == h) {
            lane_drop(w->lanes[i]);
        }
    }
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        if (w->sessions[i] && w->sessions[i]->host == h) {
            session_drop(w->sessions[i]);
        }
    }
    for (size_t i = 0; i < CARRIERS_MAX; i++) {
        if (w->carriers[i] && w->carriers[i]->host == h) {
            carrier_drop(w->carriers[i]);
        }
    }
    for (size_t i = 0; i < CALLS_MAX; i++) {
        if (w->calls[i] && w->calls[i]->from == h) {
            free(w->calls[i]);
            w->calls[i] = NULL;
        }
    }
    core_free(h->core);
    h->core = NULL;
    replica_close(TAKE_PTR(h->replica));
    h->up = false;
    h->tick_us = h->replica_us = 0;
}

void host_deinit(struct host *h)
{
    h->fs.dead = true;
    host_stop(h);
    snapshot_unref(h->must);
    fs_deinit(&h->fs);
}

/* Where the crash came, for the counts. */
static void note_place(struct host *h, bool booting)
{
    struct stor *stor = fs_stor(&h->fs, h->replica_dir);
    struct sidecar *sc = calloc(1, sizeof *sc);
    h->fs.dead = false;
    if (h->replica_dir[0] && sidecar_read(stor, sc, NULL) == 0 && sc->intent) {
        world_note(h->w, SIM_CRASH_AFTER_INTENT);
        if (h->fs.died_in == FS_TRUNCATE && sc->nplan) {
            world_note(h->w, SIM_CRASH_IN_RESIZE);
        }
        if (h->fs.died_in == FS_WRITE || h->fs.died_in == FS_ZERO) {
            world_note(h->w, SIM_CRASH_IN_REDO);
        }
    }
    h->fs.dead = true;
    if (booting) {
        world_note(h->w, SIM_CRASH_IN_RECOVERY);
    }
    free(sc);
    stor_close(stor);
}

static void crash(struct host *h, bool booting)
{
    struct world *w = h->w;
    note_place(h, booting);
    world_note(w, h->power_next ? SIM_POWER : SIM_KILL);
    if (h->id == 0 && h->power_next) { /* QEMU died with it, and its bitmaps */
        marks_forget(w);
    }
    host_stop(h);
    world_log(w, "%s dies: %s, at call %llu (kind %d)%s", h->name, h->power_next ? "power" : "kill",
              (unsigned long long)h->fs.ops, (int)h->fs.died_in, booting ? " while it boots" : "");
    fs_crash(&h->fs, h->power_next);
    h->recovery_depth++;
    if (!w->calm && h->recovery_depth < 3 && rng_chance(&w->rng, 40)) { /* and again, soon */
        h->fs.plan =
            (struct fs_plan){.at = h->fs.ops + 1 + rng_below(&w->rng, 12),
                             .fault = rng_chance(&w->rng, 50) ? FS_DIE_BEFORE : FS_DIE_AFTER};
        h->power_next = rng_chance(&w->rng, 60);
    }
    h->restart_us = w->now_us + 1000000 + rng_below(&w->rng, 60000000);
    check_replica(h, false, "right after the crash");
}

void host_bury(struct host *h)
{
    if (h->up && h->fs.dead) {
        crash(h, false);
    }
}

void host_kill(struct host *h, bool power)
{
    if (!h->up) {
        return;
    }
    h->fs.dead = true;
    h->fs.died_in = FS_OP_COUNT;
    h->power_next = power;
    crash(h, false);
}

int host_open_replica(struct host *h, struct vr_err *err)
{
    struct vr_err local = VR_ERR_INIT;
    if (!h->replica_dir[0]) {
        return vr_fail(err, VR_E_NOT_FOUND, "no replica here");
    }
    int r = replica_open(fs_stor(&h->fs, h->replica_dir), &h->replica, &local);
    h->replica_us = r < 0 ? h->w->now_us + REPLICA_RETRY_US : 0;
    if (r < 0) {
        world_log(h->w, "%s: replica not opened: %s", h->name, vr_err_text(&local));
        if (err) {
            *err = local;
        }
    }
    if (!h->fs.dead) {
        check_replica(h, r == 0, r < 0 ? "after a recovery that failed" : "after opening");
    }
    if (r == -VR_E_CORRUPT || r == -VR_E_PROTOCOL || r == -VR_E_NOT_FOUND) {
        world_fail(h->w, "%s: the replica cannot be opened any more: %s", h->name,
                   vr_err_text(&local));
    }
    return r;
}

static bool holds_replica(const struct host *h)
{
    bool holds = false;
    for (size_t i = 0; i < h->nrels; i++) {
        holds = holds || !h->rels[i].is_source;
    }
    return holds;
}

static void load(struct host *h)
{
    struct vr_err err = VR_ERR_INIT;
    int r = 0;
    struct vr_service service = vr_service_default();
    bool released = false;
    service.monitoring_interval_s = VR_INTERVAL_MIN_S; /* windows end often */
    r = core_load_service(h->core, &service, &err);
    for (size_t i = 0; r == 0 && i < h->nauths; i++) {
        r = core_load_auth(h->core, &h->auths[i], &err);
    }
    for (size_t i = 0; r == 0 && i < h->nrels; i++) {
        struct vr_rel rel = h->rels[i];
        rel.released =
            !rel.is_source && h->replica && replica_role(h->replica) == REPLICA_ROLE_RELEASED;
        released = released || rel.released;
        r = core_load_rel(h->core, &rel, &err);
    }
    for (size_t i = 0; r == 0 && i < h->njobs; i++) {
        r = core_load_job(h->core, &h->jobs[i], &err);
    }
    if (r == 0) {
        r = core_start(h->core, &err);
    }
    if (released && r == 0 && !holds_replica(h)) {
        world_note(h->w, SIM_RELEASED_AT_START);
        replica_close(TAKE_PTR(h->replica));
        h->replica_dir[0] = '\0';
    }
    if (r < 0) {
        world_fail(h->w, "%s does not start: %s", h->name, vr_err_text(&err));
    }
}

void host_boot(struct host *h)
{
    static const struct core_config base = {
        .transfers_max = 2,
        .job_keep_us = 300u * 1000000ull,
        .clock_slack_us = 300u * 1000000ull,
        .schedule_max_us = 7 * 86400ull * 1000000,
    };
    struct core_config config = base;
    struct vr_err err = VR_ERR_INIT;
    snprintf(config.host_name, sizeof config.host_name, "%s", h->name);
    h->restart_us = 0;
    h->up = true;
    h->replica_dir[0] = '\0';
    for (size_t i = 0; i < h->nrels; i++) {
        if (!h->rels[i].is_source) {
            snprintf(h->replica_dir, sizeof h->replica_dir, "%.150s", h->rels[i].storage);
        }
    }
    if (h->replica_dir[0]) {
        (void)!host_open_replica(h, NULL); /* tried again when it fails */
    }
    if (!h->fs.dead && core_new(&config, &sim_env, h, &h->core, &err) == 0) {
        load(h);
        h->tick_us = h->w->now_us + 1;
    }
    if (h->fs.dead) {
        crash(h, true);
        return;
    }
    world_log(h->w, "%s is up", h->name);
}
