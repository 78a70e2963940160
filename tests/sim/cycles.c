/* SPDX-License-Identifier: Apache-2.0 */
/* Scripts of what happens by itself: cycles over a chain, automatic resynchronizations. */
#include <stdlib.h>

#include "tests/sim/acts.h"
#include "util/num.h"

#define MINUTE_US (60 * 1000000ull)
#define HOUR_US (60 * MINUTE_US)

static const struct vr_rel *source_rel(struct world *w, int at)
{
    const struct vr_rel *rel = host_rel(&w->host[at], (uint8_t)at);
    return rel && rel->is_source ? rel : NULL;
}

static bool in_state(struct world *w, int at, enum vr_rel_state state)
{
    const struct vr_rel *rel = source_rel(w, at);
    return rel && rel->state == state && w->host[at].up;
}

static bool equals_source(struct world *w, int at)
{
    struct snapshot *s = at == 0 ? snapshot_of_source(w) : snapshot_of_replica(&w->host[at]);
    bool equal = replica_equals(&w->host[at + 1], s);
    snapshot_unref(s);
    return equal;
}

void cycles_off(struct world *w)
{
    for (int at = 0; at < 2 && !w->failed; at++) {
        const struct vr_rel *rel = source_rel(w, at);
        if (rel && (rel->setting.interval_s || rel->setting.auto_resync)) {
            by_itself(w, at, 0, false);
            run_some(w, 50);
        }
    }
}

/* Did h2's replica just take a generation (of a resynchronization whose window came now), so that
 * h2's own cycles had no time for it? */
static bool is_fresh(struct world *w, const struct vr_rel *second)
{
    const struct vr_rel *rel = source_rel(w, 0);
    return rel->last_sync_us + 3 * second->setting.interval_s * 1000000ull > w->now_us;
}

/* Nothing fails any more and nobody writes: what replicates has caught up after the longest wait
 * for a next try, and its cycles. */
void cycles_must_catch_up(struct world *w)
{
    uint64_t longest_us = 31 * MINUTE_US;
    for (int at = 0; at < 2; at++) {
        const struct vr_rel *rel = source_rel(w, at);
        longest_us += rel ? 3 * rel->setting.interval_s * 1000000ull : 0;
    }
    run_for(w, longest_us);
    for (int at = 0; at < 2 && !w->failed; at++) {
        const struct vr_rel *rel = source_rel(w, at);
        bool cycles = in_state(w, at, VR_REL_REPLICATING) && rel->setting.interval_s > 0;
        bool first = at == 0 || (rel && in_state(w, 0, VR_REL_REPLICATING) && !is_fresh(w, rel));
        if (cycles && first && !w->host[at + 1].promoted && !equals_source(w, at)) {
            world_fail(w, "%s replicates, and its replica has not caught up", w->host[at].name);
        }
    }
}

/* Interval, window, guest, people and faults, for some hours. */
void cycles_with_trouble(struct world *w)
{
    by_itself(w, 0, rng_chance(&w->rng, 80) ? 30 + (uint32_t)rng_below(&w->rng, 600) : 0,
              rng_chance(&w->rng, 60));
    by_itself(w, 1, rng_chance(&w->rng, 80) ? 300 : 0, rng_chance(&w->rng, 60));
    for (unsigned n = 3 + (unsigned)rng_below(&w->rng, 8); n > 0 && !w->failed; n--) {
        guest_writes(w);
        run_for(w, rng_below(&w->rng, 20) * MINUTE_US);
        if (rng_chance(&w->rng, 60)) {
            fate_acts(w);
        }
        if (rng_chance(&w->rng, 30)) {
            person_acts(w);
        }
        if (rng_chance(&w->rng, 20)) { /* in the middle of a delta */
            for (unsigned i = 0; i < 2000 && !w->lanes[0] && !w->failed; i++) {
                run_some(w, 1);
            }
            run_some(w, rng_below(&w->rng, 60));
            fate_acts(w);
            resync(w, 0, 0, false, false);
        }
        run_for(w, rng_below(&w->rng, 10) * MINUTE_US);
    }
}

static bool chain_replicates(struct world *w)
{
    return in_state(w, 0, VR_REL_REPLICATING) && in_state(w, 1, VR_REL_REPLICATING);
}

/* h1 -> h2 -> h3 for an hour without faults, the guest writing; then h3 is damaged: the next cycle
 * sees it, nobody repairs it unasked, and Resynchronize on h2 does. */
void hour_of_chain(struct world *w)
{
    for (int at = 0; at < 2 && !w->failed; at++) { /* damage of before, which nobody has seen */
        resync(w, at, 0, false, false);
        run_to_rest(w);
    }
    if (w->failed || !chain_replicates(w)) {
        return;
    }
    by_itself(w, 0, 300, false);
    by_itself(w, 1, 300, true);
    uint64_t until = w->now_us + HOUR_US, deltas = w->counts[SIM_DELTA];
    while (w->now_us < until && !w->failed) {
        if (!source_locked(w)) {
            scribble(w);
        }
        run_for(w, MINUTE_US + rng_below(&w->rng, 5) * MINUTE_US);
    }
    if (w->failed || !chain_replicates(w)) {
        world_fail(w, "an hour without faults ends in states %d and %d",
                   (int)source_rel(w, 0)->state, (int)source_rel(w, 1)->state);
        return;
    }
    if (w->counts[SIM_DELTA] - deltas < 14) {
        world_fail(w, "an hour of two relationships had only %llu deltas",
                   (unsigned long long)(w->counts[SIM_DELTA] - deltas));
    }
    cycles_must_catch_up(w);
    uint8_t byte = (uint8_t)(w->host[2].must->data[0][5000] ^ 0x5a);
    damage_replica(&w->host[2], 0, 5000, &byte, 1);
    run_for(w, HOUR_US);
    const struct vr_rel *second = source_rel(w, 1);
    if (w->failed) {
        return;
    }
    if (second->state != VR_REL_RESYNC_REQUIRED || second->cause != VR_WHY_CHANGED_ALONE) {
        world_fail(w, "damage of h3 led to state %d, cause %d", (int)second->state,
                   (int)second->cause);
        return;
    }
    world_note(w, SIM_CHANGED_ALONE);
    resync(w, 1, 0, false, false);
    run_for(w, 10 * MINUTE_US);
    cycles_must_catch_up(w);
    if (!w->failed && (!in_state(w, 1, VR_REL_REPLICATING) || !equals_source(w, 1))) {
        world_fail(w, "Resynchronize on h2 did not repair h3");
    }
    world_note(w, SIM_HOUR_OF_CHAIN);
}

/* The source cannot say any more what changed: it dies, and its record says so when it is back. */
static bool lose_hint(struct world *w)
{
    struct host *h = &w->host[0];
    if (!in_state(w, 0, VR_REL_REPLICATING)) {
        return false;
    }
    host_kill(h, false);
    struct vr_rel *rel = host_rel(h, 0);
    rel->state = VR_REL_RESYNC_REQUIRED;
    rel->cause = VR_WHY_HINT_LOST;
    scribble_much(w);
    return true;
}

/* Out of state 9 in the window, wherever in the day it is, and through a change of clocks. */
void wait_for_window(struct world *w)
{
    by_itself(w, 0, 0, true);
    if (!lose_hint(w)) {
        return;
    }
    uint64_t begin = w->now_us;
    run_for(w, 26 * HOUR_US);
    if (!w->failed && (!in_state(w, 0, VR_REL_REPLICATING) || !equals_source(w, 0))) {
        world_fail(w, "no automatic resynchronization in 26 hours");
    }
    bool changed = (begin < w->summer_us && w->now_us > w->summer_us) ||
                   (begin < w->winter_us && w->now_us > w->winter_us);
    if (changed) {
        world_note(w, SIM_CLOCKS_CHANGED);
    }
}

/* A guest that writes whenever it is read: the automatic resynchronization begins again, ever
 * later; the relationship does not come back to state 9; and when the guest rests it is done. */
void churn(struct world *w)
{
    by_itself(w, 0, 0, true);
    if (!lose_hint(w)) {
        return;
    }
    struct vr_rel *rel = host_rel(&w->host[0], 0);
    rel->setting.auto_start_s = rel->setting.auto_end_s; /* all day */
    unsigned lanes = w->lanes_begun;
    bool began = false;
    uint64_t until = w->now_us + 6 * HOUR_US;
    world_settle(w);
    while (w->now_us < until && !w->failed && world_step(w)) {
        if (w->lanes[0] && !w->lanes[0]->broken) {
            scribble(w);
        }
        began = began || in_state(w, 0, VR_REL_RESYNCHRONIZING);
        if (began && in_state(w, 0, VR_REL_RESYNC_REQUIRED)) {
            world_fail(w, "churn sent the relationship back to state 9");
        }
    }
    lanes = w->lanes_begun - lanes;
    if (!w->failed && (lanes < 8 || lanes > 25)) {
        world_fail(w, "%u tries in six hours of churn", lanes);
    }
    run_for(w, 31 * MINUTE_US);
    if (!w->failed && (!in_state(w, 0, VR_REL_REPLICATING) || !equals_source(w, 0))) {
        world_fail(w, "the guest rests, and its replica is not resynchronized");
    }
    world_note(w, SIM_CHURN);
}
