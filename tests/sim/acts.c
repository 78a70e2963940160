/* SPDX-License-Identifier: Apache-2.0 */
/* What people, guests and fate do in a world. */
#include <stdio.h>
#include <stdlib.h>

#include "core/change.h"
#include "tests/sim/acts.h"
#include "tests/sim/alloc.h"
#include "util/num.h"

#define REST_EVENTS 300000 /* a world that is left alone comes to rest within these */

const struct core_caller admin = {VR_ROLE_ADMIN, "root"};

void answered(void *ctx, const struct core_answer *a)
{
    struct host *h = ctx;
    struct world *w = h->w;
    w->answer = *a;
    w->answers++;
    world_log(w, "%s answers %u job %llu %s", h->name, (unsigned)a->code,
              (unsigned long long)a->job_id, a->text);
    if (a->code == VR_RC_JOB_STARTED && !h->fs.dead && w->nacked < ACKED_MAX) {
        w->acked[w->nacked].host = h->id;
        w->acked[w->nacked++].id = a->job_id;
    }
}

/* --- running --- */

void run_some(struct world *w, uint64_t events)
{
    world_settle(w);
    while (events-- > 0 && !w->failed && world_step(w)) {
    }
}

void run_for(struct world *w, uint64_t us)
{
    uint64_t until = w->now_us + us;
    world_settle(w);
    for (unsigned i = 0; !w->failed && w->now_us < until && world_step(w); i++) {
        if (i == REST_EVENTS) {
            world_fail(w, "too much happens in %llu s", (unsigned long long)(us / 1000000));
        }
    }
}

void make_room(struct world *w)
{
    for (int i = 0; i < HOSTS; i++) {
        w->host[i].fs.capacity = 0;
    }
}

bool is_by_itself(struct world *w)
{
    bool any = false;
    for (int i = 0; i < HOSTS; i++) {
        for (size_t k = 0; k < w->host[i].nrels; k++) {
            const struct vr_rel *rel = &w->host[i].rels[k];
            any = any || (rel->is_source && (rel->setting.interval_s || rel->setting.auto_resync));
        }
    }
    return any;
}

void run_to_rest(struct world *w)
{
    if (is_by_itself(w)) {
        run_for(w, 2 * 3600 * 1000000ull);
        return;
    }
    world_settle(w);
    for (unsigned i = 0; !w->failed && world_step(w); i++) {
        if (i == REST_EVENTS / 10) { /* what waits for a person waits as long as none comes */
            vm_stops(w);
            make_room(w);
        }
        if (i == REST_EVENTS) {
            world_fail(w, "the world does not come to rest");
        }
    }
}

/* --- verbs --- */

void enable(struct world *w, int at)
{
    struct host *h = &w->host[at];
    struct core_enable_args args = {.vm_id = w->vm_id};
    snprintf(args.peer, sizeof args.peer, "h%d", at + 2);
    if (h->up) {
        core_enable(h->core, &admin, &args, answered, h);
    }
}

void create(struct world *w, int at)
{
    struct host *h = &w->host[at];
    struct core_enable_args args = {.vm_id = w->vm_id,
                                    .no_start = true,
                                    .background = true,
                                    .keep_found = rng_chance(&w->rng, 60)};
    snprintf(args.peer, sizeof args.peer, "h%d", at + 2);
    if (h->up) {
        world_note(w, SIM_CREATED);
        core_enable(h->core, &admin, &args, answered, h);
    }
}

static const enum sim_count starts[] = {[CORE_START_NETWORK] = SIM_START_NETWORK,
                                        [CORE_START_EXPORT] = SIM_EXPORT,
                                        [CORE_START_SEEDED] = SIM_START_SEEDED};

void start(struct world *w, int at, enum core_start_type type, uint64_t start_us)
{
    struct host *h = &w->host[at];
    struct core_start_args args = {
        .vm_id = w->vm_id, .rel_number = at, .type = type, .start_us = start_us};
    snprintf(args.location, sizeof args.location, EXPORT_DIR "-%d", at);
    if (h->up) {
        world_note(w, start_us ? SIM_START_LATER : starts[type]);
        core_start_replication(h->core, &admin, &args, answered, h);
    }
}

void import(struct world *w, int at)
{
    struct host *h = &w->host[at];
    struct core_import_args args = {.vm_id = w->vm_id};
    snprintf(args.location, sizeof args.location, EXPORT_DIR "-%d", at - 1);
    if (h->up) {
        world_note(w, SIM_IMPORT);
        core_import_initial(h->core, &admin, &args, answered, h);
    }
}

void modify(struct world *w, int at)
{
    struct host *h = &w->host[at];
    struct core_modify_args args = {.vm_id = w->vm_id, .number = (uint8_t)at};
    args.setting.fields = 1u << VR_SETTING_COMPRESSION | 1u << VR_SETTING_INTERVAL;
    args.setting.to.compression = rng_chance(&w->rng, 50);
    args.setting.to.interval_s =
        rng_chance(&w->rng, 70) ? 0 : 300 * (1 + (uint32_t)rng_below(&w->rng, 3));
    if (h->up) {
        world_note(w, SIM_MODIFIED);
        core_modify(h->core, &admin, &args, answered, h);
    }
}

void by_itself(struct world *w, int at, uint32_t interval_s, bool window)
{
    struct host *h = &w->host[at];
    struct core_modify_args args = {.vm_id = w->vm_id, .number = (uint8_t)at};
    struct vr_setting *to = &args.setting.to;
    args.setting.fields = 1u << VR_SETTING_INTERVAL | 1u << VR_SETTING_AUTO_RESYNC |
                          1u << VR_SETTING_AUTO_START | 1u << VR_SETTING_AUTO_END;
    to->interval_s = interval_s;
    to->auto_resync = window;
    to->auto_start_s = (uint32_t)rng_below(&w->rng, 86400);
    to->auto_end_s = rng_chance(&w->rng, 30)
                         ? to->auto_start_s
                         : (to->auto_start_s + 1800 + (uint32_t)rng_below(&w->rng, 40000)) % 86400;
    if (h->up) {
        world_note(w, SIM_CYCLES_ON);
        core_modify(h->core, &admin, &args, answered, h);
    }
}

void forget(struct world *w, int at)
{
    struct host *h = &w->host[at];
    if (h->up && w->counts[SIM_RESHAPED] == 0) {
        world_note(w, SIM_REMOVED);
        if (rng_chance(&w->rng, 20)) { /* the peer dies while it forgets */
            struct fs *f = &w->host[at + 1].fs;
            f->plan =
                (struct fs_plan){.at = f->ops + 1 + rng_below(&w->rng, 4), .fault = FS_DIE_BEFORE};
        }
        core_remove(h->core, &admin, &w->vm_id, (uint8_t)at, answered, h);
    }
}

void resync(struct world *w, int at, uint64_t start_us, bool force, bool restart)
{
    struct host *h = &w->host[at];
    struct core_resync_args args = {.vm_id = w->vm_id,
                                    .start_us = start_us,
                                    .rel_number = at == 0 ? 0 : 1,
                                    .force = force,
                                    .restart = restart};
    if (h->up) {
        core_resync(h->core, &admin, &args, answered, h);
    }
}

void change_state(struct world *w, int at, uint16_t to)
{
    struct host *h = &w->host[at];
    if (h->up) {
        core_state_change(h->core, &admin, &w->vm_id, at == 0 ? 0 : 1, to, answered, h);
    }
}

void stop_offline(struct world *w, int at)
{
    struct vr_err err = VR_ERR_INIT;
    struct host *h = &w->host[at];
    for (size_t i = 0; i < CARRIERS_MAX; i++) {
        if (w->carriers[i] && w->carriers[i]->host == h && h->up) {
            (void)core_job_state_change(h->core, &admin, w->carriers[i]->job_id, 4, &err);
        }
    }
}

/* --- what the guest does --- */

struct fs_inode *source_disk(struct world *w, uint32_t i)
{
    char name[32];
    return fs_lookup(&w->host[0].fs, SRC_DIR, image_name(w->letter[i], false, name));
}

/* What reads it now has no instant any more. */
void source_changed(struct world *w)
{
    snapshot_unref(w->src_now);
    w->src_now = NULL;
    for (size_t i = 0; i < LANES_MAX; i++) {
        if (w->lanes[i] && !w->lanes[i]->from_replica) {
            w->lanes[i]->broken = true;
            w->host[w->lanes[i]->peer].mixed = true;
        }
    }
    for (size_t i = 0; i < CARRIERS_MAX; i++) {
        if (w->carriers[i] && w->carriers[i]->o.rel.number == 0) {
            w->carriers[i]->broken = true;
        }
    }
}

void scribble(struct world *w)
{
    uint32_t disk = (uint32_t)rng_below(&w->rng, w->ndisks);
    struct fs_inode *n = source_disk(w, disk);
    uint64_t size = w->size[disk], off = rng_below(&w->rng, size);
    uint64_t len = 1 + rng_below(&w->rng, rng_chance(&w->rng, 30) ? 100 * VR_KIB : 5000);
    uint8_t *buf = calloc(1, 100 * VR_KIB + 1);
    len = VR_MIN(len, size - off);
    if (rng_chance(&w->rng, 15)) {
        off = off / 4096 * 4096;
        len = VR_MIN(4096 * (1 + rng_below(&w->rng, 40)), size - off);
        fs_punch(n, off, len);
    } else {
        if (rng_chance(&w->rng, 75)) {
            rng_fill(&w->rng, buf, len);
        }
        fs_poke(n, off, buf, len);
    }
    free(buf);
    source_changed(w);
}

/* More than one buffer of staging. */
void scribble_much(struct world *w)
{
    uint64_t len = VR_MIN(w->size[0], VR_MIB + rng_below(&w->rng, 2 * VR_MIB));
    uint8_t *buf = malloc(len);
    rng_fill(&w->rng, buf, len);
    fs_poke(source_disk(w, 0), rng_below(&w->rng, w->size[0] - len + 1), buf, len);
    free(buf);
    source_changed(w);
}

bool source_locked(struct world *w)
{
    bool locked = false;
    for (uint32_t i = 0; i < w->ndisks; i++) {
        locked = locked || fs_locked(source_disk(w, i));
    }
    return locked;
}

void guest_writes(struct world *w)
{
    if (rng_chance(&w->rng, 20)) {
        reshape(w);
    }
    bool during = source_locked(w);
    if (during && !rng_chance(&w->rng, 8)) {
        return;
    }
    for (unsigned n = 1 + (unsigned)rng_below(&w->rng, 4); n > 0; n--) {
        scribble(w);
    }
    if (rng_chance(&w->rng, 5)) {
        scribble_much(w);
    }
    world_note(w, during ? SIM_GUEST_DURING : SIM_GUEST_WRITE);
}

void damage(struct world *w)
{
    struct host *h = &w->host[1 + rng_below(&w->rng, 2)];
    if (!h->must) {
        return;
    }
    uint32_t disk = (uint32_t)rng_below(&w->rng, h->must->ndisks);
    uint8_t buf[600];
    uint64_t off = rng_below(&w->rng, h->must->size[disk] - sizeof buf);
    rng_fill(&w->rng, buf, sizeof buf);
    if (!host_reads_replica(h)) {
        damage_replica(h, disk, off, buf, 1 + rng_below(&w->rng, sizeof buf));
    }
}

/* --- what fate does --- */

static void plan_fault(struct world *w, enum fs_fault fault)
{
    struct host *h = &w->host[rng_below(&w->rng, HOSTS)];
    if (!h->up || h->fs.plan.at > h->fs.ops) {
        return;
    }
    h->recovery_depth = 0;
    h->power_next = rng_chance(&w->rng, 60);
    h->fs.plan = (struct fs_plan){
        .at = h->fs.ops + 1 + rng_below(&w->rng, rng_chance(&w->rng, 50) ? 12 : 60),
        .for_ops = rng_chance(&w->rng, 80) ? 1 : 1 + (uint32_t)rng_below(&w->rng, 20),
        .fault = fault,
    };
    if (fault == FS_EIO && rng_chance(&w->rng, 60)) { /* what a failed sync left in doubt */
        h->fs.then = (struct fs_plan){.at = rng_below(&w->rng, 25), .fault = FS_DIE_BEFORE};
    }
}

void cut_link(struct world *w)
{
    struct lane *l = w->lanes[0] ? w->lanes[0] : w->lanes[rng_below(&w->rng, LANES_MAX)];
    if (!l) {
        return;
    }
    world_log(w, "link of job %llu is cut", (unsigned long long)l->job_id);
    link_loop_cut(l->link.next);
    l->eager = true;
    if (l->session) {
        l->session->eager = true;
    }
    world_note(w, SIM_LINK_CUT);
}

static void fill_disk(struct world *w)
{
    struct host *h = &w->host[1 + rng_below(&w->rng, 2)];
    if (h->fs.capacity) {
        h->fs.capacity = 0;
        return;
    }
    /* What the engine leaves free, more or less a little. */
    h->fs.capacity = 16 * VR_MIB + rng_below(&w->rng, 200 * VR_KIB);
    world_note(w, SIM_FULL_DISK);
}

static void vm_starts(struct world *w)
{
    for (uint32_t i = 0; i < w->ndisks; i++) {
        if (fs_seize(source_disk(w, i))) {
            world_note(w, SIM_VM_STARTED);
        }
    }
}

void vm_stops(struct world *w)
{
    for (uint32_t i = 0; i < w->ndisks; i++) {
        fs_release(source_disk(w, i));
    }
}

/* --- one act --- */

static void schedule(struct world *w, int at)
{
    uint64_t in = rng_below(&w->rng, 3600) * 1000000ull;
    resync(w, at, w->now_us + in + 1, false, false);
    world_note(w, SIM_SCHEDULED);
    if (rng_chance(&w->rng, 30)) {
        world_note(w, SIM_SUPERSEDED);
        resync(w, at, rng_chance(&w->rng, 50) ? 0 : w->now_us + 60000000, false, false);
    }
}

/* The first generation, one way or another. */
static void first_copy(struct world *w, int at)
{
    switch (rng_below(&w->rng, 8)) {
    case 0:
        start(w, at, CORE_START_NETWORK, 0);
        break;
    case 1:
        start(w, at, rng_chance(&w->rng, 50) ? CORE_START_NETWORK : CORE_START_SEEDED,
              w->now_us + 1 + rng_below(&w->rng, 600) * 1000000);
        break;
    case 2:
        put_seeds(w, at);
        start(w, at, CORE_START_SEEDED, 0);
        break;
    case 3:
    case 4:
        start(w, at, CORE_START_EXPORT, 0);
        break;
    case 5:
        carry_from(w, at);
        break;
    case 6:
        stop_offline(w, (int)rng_below(&w->rng, HOSTS));
        break;
    default:
        import(w, at + 1);
        break;
    }
}

void person_acts(struct world *w)
{
    int at = rng_chance(&w->rng, 70) ? 0 : 1;
    struct host *h = &w->host[at];
    switch (rng_below(&w->rng, 15)) {
    case 0:
    case 1:
    case 2:
        resync(w, at, 0, false, false);
        break;
    case 3:
        schedule(w, at);
        break;
    case 4:
        world_note(w, SIM_PAUSE);
        change_state(w, at, VR_REL_SUSPENDED);
        break;
    case 5:
    case 6:
        world_note(w, SIM_RESUME);
        change_state(w, at, VR_REL_REPLICATING);
        break;
    case 7:
        world_note(w, SIM_CANCEL);
        change_state(w, at, VR_REL_RESYNC_REQUIRED);
        break;
    case 8:
        world_note(w, SIM_VERIFY);
        if (h->up) {
            core_verify(h->core, &admin, &w->vm_id, at, answered, h);
        }
        break;
    case 9:
        world_note(w, SIM_RESTART_FLAG);
        resync(w, at, 0, false, true);
        break;
    case 10:
        world_note(w, SIM_BANDWIDTH);
        if (h->up) {
            core_bandwidth(h->core, &admin, &w->vm_id, at,
                           rng_chance(&w->rng, 50) ? 0 : 64 * VR_KIB + rng_below(&w->rng, VR_MIB),
                           answered, h);
        }
        break;
    case 11:
        modify(w, at);
        break;
    case 12:
    case 13:
        first_copy(w, at);
        break;
    default:
        enable(w, at);
        world_note(w, at == 1 ? SIM_EXTENDED : SIM_GUEST_WRITE);
        break;
    }
}

void fate_acts(struct world *w)
{
    switch (rng_below(&w->rng, 12)) {
    case 0:
    case 1:
    case 2:
        plan_fault(w, rng_chance(&w->rng, 50) ? FS_DIE_BEFORE : FS_DIE_AFTER);
        break;
    case 3:
        plan_fault(w, FS_EIO);
        break;
    case 4:
        plan_fault(w, FS_NOSPACE);
        break;
    case 5:
        cut_link(w);
        break;
    case 6:
        fill_disk(w);
        break;
    case 7:
        sim_alloc.fail_at = 1 + rng_below(&w->rng, rng_chance(&w->rng, 50) ? 30 : 2000);
        break;
    case 8:
        vm_starts(w);
        break;
    case 9:
        vm_stops(w);
        break;
    case 10:
        host_kill(&w->host[rng_below(&w->rng, HOSTS)], rng_chance(&w->rng, 60));
        break;
    default:
        damage(w);
        break;
    }
}

void failover(struct world *w)
{
    struct host *h = &w->host[1 + rng_chance(&w->rng, 20)];
    if (h->up) {
        world_note(w, SIM_FAILOVER);
        if (rng_chance(&w->rng, 35)) {
            h->power_next = rng_chance(&w->rng, 50);
            h->fs.plan = (struct fs_plan){.at = h->fs.ops + 1 + rng_below(&w->rng, 5),
                                          .fault = FS_DIE_BEFORE};
        }
        core_failover(h->core, &admin, &w->vm_id, true, answered, h);
    }
}
