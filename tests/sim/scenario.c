/* SPDX-License-Identifier: Apache-2.0 */
/* What people, guests and fate do in a world; then all faults end, and everything must come right.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/alloc.h"
#include "tests/sim/world.h"
#include "util/num.h"

#define REST_EVENTS 300000 /* a world that is left alone comes to rest within these */

static const struct core_caller admin = {VR_ROLE_ADMIN, "root"};

static void answered(void *ctx, const struct core_answer *a)
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

static void run_some(struct world *w, uint64_t events)
{
    world_settle(w);
    while (events-- > 0 && !w->failed && world_step(w)) {
    }
}

static void run_to_rest(struct world *w)
{
    world_settle(w);
    for (unsigned i = 0; !w->failed && world_step(w); i++) {
        if (i == REST_EVENTS) {
            world_fail(w, "the world does not come to rest");
        }
    }
}

/* --- verbs --- */

static void enable(struct world *w, int at)
{
    struct host *h = &w->host[at];
    struct core_enable_args args = {.vm_id = w->vm_id};
    snprintf(args.peer, sizeof args.peer, "h%d", at + 2);
    if (h->up) {
        core_enable(h->core, &admin, &args, answered, h);
    }
}

static void resync(struct world *w, int at, uint64_t start_us, bool force, bool restart)
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

static void change_state(struct world *w, int at, uint16_t to)
{
    struct host *h = &w->host[at];
    if (h->up) {
        core_state_change(h->core, &admin, &w->vm_id, at == 0 ? 0 : 1, to, answered, h);
    }
}

/* --- what the guest does --- */

static struct fs_inode *source_disk(struct world *w, uint32_t i)
{
    char name[16];
    snprintf(name, sizeof name, "vd%c.raw", 'a' + (int)i);
    return fs_lookup(&w->host[0].fs, SRC_DIR, name);
}

/* What reads it now has no instant any more. */
static void source_changed(struct world *w)
{
    snapshot_unref(w->src_now);
    w->src_now = NULL;
    for (size_t i = 0; i < LANES_MAX; i++) {
        if (w->lanes[i] && !w->lanes[i]->from_replica) {
            w->lanes[i]->broken = true;
            w->host[w->lanes[i]->peer].mixed = true;
        }
    }
}

static void scribble(struct world *w)
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
static void scribble_much(struct world *w)
{
    uint64_t len = VR_MIN(w->size[0], VR_MIB + rng_below(&w->rng, 2 * VR_MIB));
    uint8_t *buf = malloc(len);
    rng_fill(&w->rng, buf, len);
    fs_poke(source_disk(w, 0), rng_below(&w->rng, w->size[0] - len + 1), buf, len);
    free(buf);
    source_changed(w);
}

static bool source_locked(struct world *w)
{
    bool locked = false;
    for (uint32_t i = 0; i < w->ndisks; i++) {
        locked = locked || fs_locked(source_disk(w, i));
    }
    return locked;
}

static void guest_writes(struct world *w)
{
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

static void damage(struct world *w)
{
    struct host *h = &w->host[1 + rng_below(&w->rng, 2)];
    uint32_t disk = (uint32_t)rng_below(&w->rng, w->ndisks);
    uint8_t buf[600];
    uint64_t off = rng_below(&w->rng, w->size[disk] - sizeof buf);
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

static void cut_link(struct world *w)
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

static void vm_stops(struct world *w)
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

static void person_acts(struct world *w)
{
    int at = rng_chance(&w->rng, 70) ? 0 : 1;
    struct host *h = &w->host[at];
    switch (rng_below(&w->rng, 12)) {
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
    default:
        enable(w, at);
        world_note(w, at == 1 ? SIM_EXTENDED : SIM_GUEST_WRITE);
        break;
    }
}

static void fate_acts(struct world *w)
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

static void failover(struct world *w)
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

/* --- the end --- */

static void calm_down(struct world *w)
{
    w->calm = true;
    sim_alloc.fail_at = 0;
    vm_stops(w);
    for (int i = 0; i < HOSTS; i++) {
        w->host[i].fs.plan = w->host[i].fs.then = (struct fs_plan){0};
        w->host[i].fs.capacity = 0;
    }
    world_log(w, "--- faults end ---");
    run_to_rest(w);
    for (int at = 0; at < 2 && !w->failed; at++) {
        const struct vr_rel *rel = host_rel(&w->host[at], (uint8_t)at);
        if (rel && rel->is_source &&
            (rel->state == VR_REL_RESYNC_SUSPENDED || rel->state == VR_REL_SUSPENDED ||
             rel->state == VR_REL_READY)) {
            change_state(w, at, VR_REL_REPLICATING);
        }
    }
    run_to_rest(w);
}

static bool is_promoted(struct world *w, int at)
{
    return w->host[at].promoted;
}

/* State 10 (or 2) and no job that would lead out of it: a restart does. */
static bool stuck(struct world *w, int at)
{
    struct host *h = &w->host[at];
    const struct vr_rel *rel = host_rel(h, (uint8_t)at);
    bool active = rel && rel->is_source &&
                  (rel->state == VR_REL_INITIAL || rel->state == VR_REL_RESYNCHRONIZING);
    for (size_t i = 0; i < h->njobs; i++) {
        active = active && (h->jobs[i].rel_number != at || vr_job_is_final(h->jobs[i].state));
    }
    return active;
}

/* An explicit resynchronization of the relationship must complete now. */
static void must_complete(struct world *w, int at)
{
    struct host *h = &w->host[at], *to = &w->host[at + 1];
    const struct vr_rel *rel = host_rel(h, (uint8_t)at);
    if (w->failed) {
        return;
    }
    if (rel && rel->state == VR_REL_READY && to->must) {
        /* A first transfer that was committed and whose end was lost: a person disables and
         * enables. */
        world_note(w, SIM_INITIAL_LOST);
        core_disable(h->core, &admin, &w->vm_id, at, answered, h);
        run_to_rest(w);
        rel = NULL;
    }
    if (!rel || rel->state == VR_REL_READY) {
        enable(w, at);
        run_to_rest(w);
    }
    if (rel && rel->needs_decision && vr_uuid_eq(&rel->generation.uuid, &to->at)) {
        world_note(w, SIM_STALE_LINEAGE);
        core_adopt(h->core, &admin, &w->vm_id, at, answered, h);
        run_to_rest(w);
    }
    if (stuck(w, at)) { /* see README, "known" */
        world_note(w, SIM_STUCK);
        host_kill(h, false);
        run_to_rest(w);
    }
    w->answers = 0;
    resync(w, at, 0, false, false);
    run_to_rest(w);
    if (w->failed) {
        return;
    }
    if (w->answers == 0 || w->answer.code != VR_RC_JOB_STARTED) {
        world_fail(w, "at the end %s answers Resynchronize with %u: %s", h->name,
                   (unsigned)w->answer.code, w->answer.text);
        return;
    }
    const struct vr_job *j = host_job(h, w->answer.job_id);
    if (j && j->state != VR_JOB_COMPLETED) {
        world_fail(w, "at the end job %llu of %s: state %d, %s", (unsigned long long)j->id, h->name,
                   (int)j->state, j->error_text);
    }
    struct snapshot *s = at == 0 ? snapshot_of_source(w) : snapshot_of_replica(h);
    if (!replica_equals(to, s)) {
        world_fail(w, "at the end the replica on %s is not equal to its source", to->name);
    }
    snapshot_unref(s);
}

/* A person decides that the primary wins after all. */
static void overwrite_promoted(struct world *w)
{
    struct host *h = &w->host[0];
    const struct vr_rel *rel = host_rel(h, 0);
    if (w->failed || !is_promoted(w, 1) || !rel || rng_chance(&w->rng, 50)) {
        return;
    }
    w->forced = true;
    world_note(w, SIM_FORCED);
    resync(w, 0, 0, true, false);
    run_to_rest(w);
    if (!w->failed && w->answer.code == VR_RC_JOB_STARTED) {
        struct snapshot *s = snapshot_of_source(w);
        if (!replica_equals(&w->host[1], s)) {
            world_fail(w, "a forced resynchronization left the replica different");
        }
        snapshot_unref(s);
    }
}

static void finish(struct world *w)
{
    calm_down(w);
    overwrite_promoted(w);
    if (!is_promoted(w, 1)) {
        must_complete(w, 0);
        const struct vr_rel *second = host_rel(&w->host[1], 1);
        if (second && second->is_source && !is_promoted(w, 2)) {
            must_complete(w, 1);
        }
    }
    if (!w->failed) {
        check_end(w);
    }
}

/* --- scripts --- */

static void begin(struct world *w, bool extended)
{
    enable(w, 0);
    if (rng_chance(&w->rng, 70)) {
        run_to_rest(w);
    } else {
        run_some(w, rng_below(&w->rng, 400));
    }
    if (extended && !w->failed) {
        world_note(w, SIM_EXTENDED);
        enable(w, 1);
        run_some(w, rng_below(&w->rng, 600));
    }
}

/* Transfers, each with faults in the middle of it. */
static void trouble(struct world *w)
{
    unsigned rounds = 1 + (unsigned)rng_below(&w->rng, 6);
    for (unsigned i = 0; i < rounds && !w->failed; i++) {
        guest_writes(w);
        int at = rng_chance(&w->rng, 75) ? 0 : 1;
        if (rng_chance(&w->rng, 30)) {
            change_state(w, at, VR_REL_REPLICATING);
        }
        resync(w, at, 0, false, rng_chance(&w->rng, 10));
        for (unsigned k = (unsigned)rng_below(&w->rng, 4); k > 0; k--) {
            run_some(w, rng_below(&w->rng, 50));
            fate_acts(w);
            if (rng_chance(&w->rng, 15)) {
                person_acts(w);
            }
        }
        run_some(w, rng_below(&w->rng, 300));
    }
}

/* The link is lost again and again while differences are staged; the guest goes on in between. */
static void bad_line(struct world *w)
{
    guest_writes(w);
    scribble_much(w);
    resync(w, 0, 0, false, false);
    unsigned cuts = 5 + (unsigned)rng_below(&w->rng, 14);
    for (unsigned i = 0; i < 2000 && cuts > 0 && !w->failed; i++) {
        run_some(w, 1 + rng_below(&w->rng, 6));
        const struct lane *l = w->lanes[0];
        bool sending = l && l->session && source_progress(l->source)->bytes_sent > 0;
        if (!sending || !rng_chance(&w->rng, 60)) {
            continue;
        }
        cut_link(w);
        for (unsigned k = 0; k < 40 && source_locked(w); k++) {
            run_some(w, 1);
        }
        scribble(w);
        resync(w, 0, 0, false, false); /* when the job is over; it seldom is */
        if (rng_chance(&w->rng, 15)) {
            fate_acts(w);
        }
        cuts--;
    }
}

/* The middle's commit waits for a slow reader, until it waits no more. */
static void slow_reader(struct world *w)
{
    const struct vr_rel *second = host_rel(&w->host[1], 1);
    if (!second || !w->host[1].up) {
        return;
    }
    core_bandwidth(w->host[1].core, &admin, &w->vm_id, 1, 1500, answered, &w->host[1]);
    scribble_much(w);
    resync(w, 0, 0, false, false);
    run_some(w, 1000);
    scribble(w);
    resync(w, 1, 0, false, false);
    run_some(w, 40);
    resync(w, 0, 0, false, false);
    run_some(w, 2000);
    core_bandwidth(w->host[1].core, &admin, &w->vm_id, 1, 0, answered, &w->host[1]);
}

void scenario_run(struct world *w)
{
    begin(w, rng_chance(&w->rng, 40));
    if (rng_chance(&w->rng, 60)) {
        trouble(w);
    }
    if (rng_chance(&w->rng, 10) && !w->failed) {
        bad_line(w);
    }
    if (rng_chance(&w->rng, 5) && !w->failed) {
        slow_reader(w);
    }
    unsigned acts = rng_below(&w->rng, 14);
    bool failover_here = rng_chance(&w->rng, 8);
    for (unsigned i = 0; i < acts && !w->failed; i++) {
        if (rng_chance(&w->rng, 40)) {
            guest_writes(w);
        }
        if (rng_chance(&w->rng, 50)) {
            fate_acts(w);
        }
        person_acts(w);
        if (failover_here && rng_chance(&w->rng, 20)) {
            run_some(w, rng_below(&w->rng, 60));
            failover(w);
        }
        run_some(w, rng_below(&w->rng, rng_chance(&w->rng, 50) ? 40 : 500));
    }
    finish(w);
}

static void plan_at(struct host *h, const struct every_op *e)
{
    h->fs.plan = (struct fs_plan){.at = h->fs.ops + e->k, .fault = e->fault};
    h->power_next = e->power;
    h->recovery_depth = 3; /* one death at a time */
    if (e->then_dies) {
        h->fs.then = (struct fs_plan){.at = rng_below(&h->w->rng, 7), .fault = FS_DIE_BEFORE};
    }
}

bool scenario_every_op(struct world *w, const struct every_op *e)
{
    struct host *h = &w->host[e->host];
    uint64_t before = h->fs.ops;
    if (e->initial) {
        plan_at(h, e);
    }
    enable(w, 0);
    run_to_rest(w);
    if (!e->initial) {
        scribble(w);
        scribble(w);
        damage(w);
        before = h->fs.ops;
        plan_at(h, e);
        resync(w, 0, 0, false, false);
        run_to_rest(w);
    }
    bool reached = h->fs.ops >= before + e->k;
    if (e->fault == FS_EIO && !e->then_dies && !w->failed && h->up) {
        /* And again, with a death: what did the first try leave? */
        h->fs.plan =
            (struct fs_plan){.at = h->fs.ops + 1 + rng_below(&w->rng, 18), .fault = FS_DIE_BEFORE};
        h->power_next = true;
        enable(w, 0);
        resync(w, 0, 0, false, false);
        run_to_rest(w);
    }
    finish(w);
    return reached;
}
