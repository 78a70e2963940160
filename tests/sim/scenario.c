/* SPDX-License-Identifier: Apache-2.0 */
/* Scripts of what happens in a world; then all faults end, and everything must come right. */
#include <stdlib.h>

#include "resync/replica_priv.h"
#include "tests/sim/acts.h"
#include "tests/sim/alloc.h"
#include "util/num.h"

/* --- the end --- */

static void calm_down(struct world *w)
{
    w->calm = true;
    sim_alloc.fail_at = 0;
    vm_stops(w);
    for (int i = 0; i < HOSTS; i++) {
        w->host[i].fs.plan = w->host[i].fs.then = (struct fs_plan){0};
    }
    make_room(w);
    world_log(w, "--- faults end ---");
    if (is_by_itself(w)) {
        cycles_must_catch_up(w);
        cycles_off(w);
    }
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
    for (int i = 1; i < HOSTS; i++) { /* a failover that failed may be durable all the same */
        struct host *h = &w->host[i];
        const struct vr_rel *rel = host_rel(h, (uint8_t)(i - 1));
        if (h->up && rel && !rel->is_source && !h->replica) {
            (void)!host_open_replica(h, NULL);
        }
    }
}

static bool is_promoted(struct world *w, int at)
{
    return w->host[at].promoted;
}

/* What was exported is imported, or given up. */
static void finish_export(struct world *w, int at)
{
    const struct vr_rel *rel = host_rel(&w->host[at], (uint8_t)at);
    if (!rel || !rel->exported || w->failed) {
        return;
    }
    carry_from(w, at);
    import(w, at + 1);
    run_to_rest(w);
    if (!w->host[at + 1].must) {
        change_state(w, at, VR_REL_RESYNC_REQUIRED);
        run_to_rest(w);
    }
}

/* The first transfer: a replica that found images wants a start that says so. */
static void first_transfer(struct world *w, int at)
{
    const struct replica *r = w->host[at + 1].replica;
    bool found = r && r->sc.found_images && vr_uuid_is_nil(&r->sc.rel.generation.uuid);
    if (found) {
        put_seeds(w, at); /* those that are missing */
        start(w, at, CORE_START_SEEDED, 0);
    } else {
        enable(w, at);
    }
    run_to_rest(w);
}

/* Removed while the replica's host could not be told, and made again: a person says that it is
 * ours. */
static void adopt_older(struct world *w, int at)
{
    struct host *h = &w->host[at];
    const struct vr_rel *rel = host_rel(h, (uint8_t)at);
    if (w->failed || !rel || !rel->needs_decision || w->counts[SIM_REMOVED] == 0) {
        return;
    }
    core_adopt(h->core, &admin, &w->vm_id, at, answered, h);
    run_to_rest(w);
}

/* An explicit resynchronization of the relationship must complete now. */
static void must_complete(struct world *w, int at)
{
    struct host *h = &w->host[at], *to = &w->host[at + 1];
    const struct vr_rel *rel = host_rel(h, (uint8_t)at);
    if (w->failed) {
        return;
    }
    check_suspended(h);
    finish_export(w, at);
    if (!rel || rel->state == VR_REL_READY) {
        first_transfer(w, at);
    }
    adopt_older(w, at);
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

/* Some worlds go on by themselves for a while, now that nothing fails. */
static void by_itself_in_calm(struct world *w)
{
    unsigned which = (unsigned)rng_below(&w->rng, 30);
    if (w->failed || is_promoted(w, 1) || is_promoted(w, 2)) {
        return;
    }
    if (which < 2) {
        hour_of_chain(w);
    } else if (which == 2) {
        wait_for_window(w);
    } else if (which == 3) {
        churn(w);
    }
    cycles_off(w);
    run_to_rest(w);
}

static void finish(struct world *w)
{
    calm_down(w);
    by_itself_in_calm(w);
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

/* Made, removed and made again, by jobs, before anything is sent; with faults in between. */
static void begin_by_jobs(struct world *w)
{
    create(w, 0);
    for (unsigned i = (unsigned)rng_below(&w->rng, 4); i > 0 && !w->failed; i--) {
        run_some(w, rng_below(&w->rng, 40));
        if (rng_chance(&w->rng, 30)) {
            fate_acts(w);
        }
        if (rng_chance(&w->rng, 50)) {
            forget(w, 0);
            run_some(w, rng_below(&w->rng, 40));
        }
        create(w, 0);
        modify(w, 0);
    }
    run_some(w, rng_below(&w->rng, 200));
}

static void maybe_fate(struct world *w, unsigned percent)
{
    if (rng_chance(&w->rng, percent)) {
        fate_acts(w);
    }
}

static void run_with_fate(struct world *w, uint64_t events)
{
    run_some(w, rng_below(&w->rng, 40));
    maybe_fate(w, 30);
    run_some(w, rng_below(&w->rng, events));
}

/* Exported, carried, imported and found again. */
static void begin_by_export(struct world *w, int at)
{
    start(w, at, CORE_START_EXPORT, 0);
    if (rng_chance(&w->rng, 10)) {
        run_some(w, rng_below(&w->rng, 10));
        stop_offline(w, at);
    }
    run_with_fate(w, 80);
    if (rng_chance(&w->rng, 10)) {
        change_state(w, at, VR_REL_RESYNC_REQUIRED); /* given up; a later import still counts */
    }
    run_some(w, rng_below(&w->rng, 400));
    carry_from(w, at);
    guest_writes(w);
    import(w, at + 1);
    if (rng_chance(&w->rng, 15)) {
        run_some(w, rng_below(&w->rng, 25));
        stop_offline(w, at + 1);
    } else if (rng_chance(&w->rng, 10)) {
        forget(w, at);
    }
    run_with_fate(w, 400);
    resync(w, at, 0, false, false);
    run_with_fate(w, 100);
}

/* Msvm_ReplicationService's own way: made first, then started. */
static void begin_by_start(struct world *w, int at)
{
    create(w, at);
    run_with_fate(w, 200);
    switch (rng_below(&w->rng, 5)) {
    case 0:
        start(w, at, CORE_START_NETWORK, 0);
        break;
    case 1:
        start(w, at, CORE_START_NETWORK, w->now_us + 1000000 * (1 + rng_below(&w->rng, 600)));
        break;
    case 2:
        put_seeds(w, at);
        start(w, at, CORE_START_SEEDED, 0);
        break;
    default:
        begin_by_export(w, at);
        break;
    }
    run_with_fate(w, 600);
}

static void begin(struct world *w, bool extended)
{
    if (rng_chance(&w->rng, 25)) {
        begin_by_jobs(w);
    }
    if (rng_chance(&w->rng, 25)) {
        begin_by_start(w, 0);
    }
    enable(w, 0);
    if (rng_chance(&w->rng, 70)) {
        run_to_rest(w);
    } else {
        run_some(w, rng_below(&w->rng, 400));
    }
    if (extended && !w->failed) {
        world_note(w, SIM_EXTENDED);
        if (rng_chance(&w->rng, 20)) {
            begin_by_start(w, 1);
        }
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
    if (rng_chance(&w->rng, 15) && !w->failed) {
        cycles_with_trouble(w);
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

void scenario_chain(struct world *w)
{
    w->calm = true;
    for (int at = 0; at < 2 && !w->failed; at++) {
        enable(w, at);
        run_to_rest(w);
    }
    hour_of_chain(w);
    cycles_off(w);
    run_to_rest(w);
    if (!w->failed && w->counts[SIM_HOUR_OF_CHAIN] != 1) {
        world_fail(w, "the chain never replicated");
    }
    if (!w->failed) {
        check_end(w);
    }
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

static void carry_first_copy(struct world *w)
{
    create(w, 0);
    run_to_rest(w);
    start(w, 0, CORE_START_EXPORT, 0);
    run_to_rest(w);
    carry_from(w, 0);
    import(w, 1);
    run_to_rest(w);
    resync(w, 0, w->now_us + 60 * 1000000ull, false, false);
    run_to_rest(w);
}

static void pause_and_replace(struct world *w)
{
    resync(w, 0, 0, false, false);
    run_some(w, 20 + rng_below(&w->rng, 40));
    change_state(w, 0, VR_REL_SUSPENDED);
    run_some(w, 60);
    resync(w, 0, w->now_us + 60 * 1000000ull, false, false);
    run_to_rest(w);
}

bool scenario_every_op(struct world *w, const struct every_op *e)
{
    struct host *h = &w->host[e->host];
    uint64_t before = h->fs.ops;
    if (e->initial || e->carried) {
        plan_at(h, e);
    }
    if (e->carried) {
        carry_first_copy(w);
    } else {
        enable(w, 0);
        run_to_rest(w);
    }
    if (!e->initial && !e->carried) {
        scribble(w);
        scribble(w);
        if (!e->delta) { /* a cycle would leave it to a person */
            damage(w);
        }
        for (unsigned i = 0; e->reshaped && i < 6; i++) {
            reshape(w);
        }
        by_itself(w, 0, e->delta ? 30 : 0, false);
        plan_at(h, e);
        before = h->fs.ops;
        if (e->delta) {
            run_for(w, 5 * 60 * 1000000ull);
            cycles_off(w);
        } else if (e->paused) {
            pause_and_replace(w);
        } else {
            resync(w, 0, 0, false, false);
        }
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
