/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replication by itself: a source's relationship in state 3 with an interval has a cycle every
 * interval, counted from when it came into that state. What a cycle does, in order:
 *
 *   a job is on the VM        missed; cycles do not stack, a long one costs those it outlasts
 *   the disks are in use      missed
 *   the peer is asked         refused: tried again after minutes 1, 2, 4, 8, 10 and every 30
 *   the replica is not as we  state 9, and that waits for a person: we do not know what happened
 *   left it                   there
 *   nothing has changed here  done, nothing is sent (the stamp of the disks is the one of the last
 *                             generation)
 *   else                      a job 105 (delta.c)
 *
 * When a relationship wants something next is kept with it and, the earliest, with core: a host
 * with thousands looks at none of them until then.
 */
#include <string.h>

#include "core/internal.h"
#include "util/num.h"
#include "util/vtime.h"

#define GIVE_UP_US (24 * 60 * CORE_MINUTE)
#define LOOKED_AT_MAX 64 /* in one tick */

static bool cycles(const struct rel_entry *e)
{
    return e->r.is_source && e->r.state == VR_REL_REPLICATING && e->r.setting.interval_s > 0;
}

static uint64_t interval_us(const struct rel_entry *e)
{
    return e->r.setting.interval_s * CORE_SEC;
}

static uint64_t wish(struct core *c, const struct rel_entry *e, uint64_t now)
{
    if (e->asking) {
        return 0;
    }
    if (!cycles(e)) {
        return auto_wish(c, e, now);
    }
    if (e->r.cycle_us == 0 || e->r.cycle_us > now) { /* the clock was set back */
        return now;
    }
    return e->r.failing ? e->not_before_us : e->r.cycle_us + interval_us(e);
}

uint64_t cycle_next(struct core *c, const struct rel_entry *e)
{
    if (!cycles(e)) {
        return auto_next(c, e, core_now(c));
    }
    uint64_t due = e->r.cycle_us ? e->r.cycle_us + interval_us(e) : core_now(c);
    return e->r.failing && !e->asking ? e->not_before_us : due;
}

void cycle_plan(struct core *c, struct rel_entry *e)
{
    bool resyncs = e->r.state == VR_REL_RESYNC_REQUIRED || e->r.state == VR_REL_RESYNCHRONIZING ||
                   e->r.state == VR_REL_RESYNC_SUSPENDED;
    if (!cycles(e)) {
        e->missing = false;
        e->r.failing = 0;
    }
    if (!resyncs) {
        e->tries = 0;
        e->refused = false;
    }
    e->next_us = wish(c, e, core_now(c));
    if (e->next_us && (c->cycles_due_us == 0 || e->next_us < c->cycles_due_us)) {
        c->cycles_due_us = e->next_us;
    }
}

/* --- how cycles go --- */

void cycle_done(struct core *c, struct rel_entry *e, struct vr_rel *next)
{
    if (e->missing || next->failing) {
        core_event(c, CORE_EV_CYCLES_GO_ON, &next->vm_id, NULL,
                   "relationship %u: replicating again", next->number);
    }
    e->missing = false;
    next->failing = 0;
    stats_judge(next, core_now(c));
}

void cycle_missed(
    struct core *c, struct rel_entry *e, struct vr_rel *next, uint64_t n, const char *text)
{
    stats_miss(c, next, n);
    if (!e->missing) {
        core_event(c, CORE_EV_CYCLES_MISSED, &next->vm_id, NULL, "relationship %u: %s",
                   next->number, text);
    }
    e->missing = true;
}

void cycle_failed(struct core *c, struct rel_entry *e, struct vr_rel *next, const char *text)
{
    uint64_t now = core_now(c);
    char when[VR_ISO_TIME_LEN], reason[VR_TEXT_MAX];
    if (next->state != VR_REL_REPLICATING) {
        return;
    }
    e->not_before_us = now + jobs_backoff_us(c, next->failing++);
    core_event(c, CORE_EV_DELTA_FAILED, &next->vm_id, NULL,
               "relationship %u: %.160s; next try at %s", next->number, text,
               vr_iso_time(e->not_before_us, when, sizeof(when)));
    stats_judge(next, now);
    /* Without automatic resynchronization it goes on trying: a compare makes up for any delay, and
     * state 9 would only wait for a person. With it, so much is made up for in its window. */
    uint64_t sent_us = VR_MAX(next->last_sync_us, next->stats.success_us);
    if (next->setting.auto_resync && now > sent_us + GIVE_UP_US) {
        core_text(reason, sizeof(reason), "nothing could be sent since %s: %.160s",
                  vr_iso_time(sent_us, when, sizeof(when)), text);
        (void)!core_rel_move(next, VR_REV_LOST_TRACK, reason, NULL);
    }
}

static void fail_try(struct core *c,
                     struct rel_entry *e,
                     struct vr_rel *next,
                     enum vr_outcome what,
                     const char *text)
{
    stats_count(c, next, what, 0, 0);
    cycle_failed(c, e, next, text);
    core_rel_put(c, e, next);
}

/* --- one cycle --- */

static bool is_busy(struct core *c, const struct rel_entry *e)
{
    return jobs_busy(c, &e->r.vm_id) || jobs_current(c, &e->r.vm_id, e->r.number) ||
           core_calling_about(c, &e->r.vm_id);
}

static int look_at_disks(struct core *c, struct rel_entry *e, struct vr_vm *vm, struct vr_err *err)
{
    bool replica = e->r.number == 1;
    int r = core_source_vm(c, &e->r.vm_id, e->r.number, vm, err);
    if (r == 0 && vm->ndisks == 0) {
        r = vr_fail(err, VR_E_UNSUPPORTED, "no disk takes part in replication");
    }
    const struct rel_entry *held = replica ? core_find_rel(c, &e->r.vm_id, 0) : NULL;
    e->checked_us = held ? held->r.last_sync_us : core_now(c); /* or later, for a replica */
    return r < 0 ? r : c->ops->peek_disks(c->ctx, vm, replica, e->stamp, err);
}

static bool is_unchanged(const struct rel_entry *e, const struct vr_rel *next)
{
    static const uint8_t unknown[VR_STAMP_BYTES];
    return memcmp(e->stamp, unknown, sizeof(unknown)) != 0 &&
           memcmp(e->stamp, next->stamp, sizeof(unknown)) == 0 && vr_uuid_is_nil(&next->proposed);
}

static void ask(struct core *c, struct rel_entry *e, const struct vr_vm *vm)
{
    struct vr_err err = VR_ERR_INIT;
    struct vr_peer_request req;
    struct call call = {.why = CALL_CYCLE, .vm = e->r.vm_id, .number = e->r.number};
    core_peer_request(&e->r, vm, VR_PEER_PREFLIGHT, &req);
    req.kind = VR_TRANSFER_RESYNC;
    req.instant_us = is_unchanged(e, &e->r) ? e->checked_us : 0;
    e->asking = true;
    int r = core_call(c, &call, e->r.peer, e->r.peer_identity, &req, &err);
    if (r < 0) {
        struct vr_rel next = e->r;
        e->asking = false;
        fail_try(c, e, &next, VR_OUTCOME_FAILURE, vr_err_text(&err));
    }
}

static void cycle(struct core *c, struct rel_entry *e, uint64_t now)
{
    struct vr_err err = VR_ERR_INIT;
    struct vr_rel next = e->r;
    struct vr_vm vm;
    if (next.cycle_us == 0 || now < next.cycle_us) { /* the first, or the clock was set back */
        e->r.cycle_us = now;
        return;
    }
    uint64_t n = (now - next.cycle_us) / interval_us(e); /* 0: a try after one that failed */
    next.cycle_us += n * interval_us(e);
    if (is_busy(c, e)) {
        e->not_before_us = now + CORE_MINUTE;
        cycle_missed(c, e, &next, n, "another job is under way on the virtual machine");
        core_rel_put(c, e, &next);
        return;
    }
    if (n > 1) { /* nobody was here to begin those, or tries failed meanwhile */
        stats_miss(c, &next, n - 1);
        core_rel_put(c, e, &next);
    }
    e->r.cycle_us = next.cycle_us; /* saved with what becomes of the cycle */
    int r = look_at_disks(c, e, &vm, &err);
    if (r == 0) {
        ask(c, e, &vm);
        return;
    }
    next = e->r;
    if (r == -VR_E_BUSY) {
        next.failing = 0;
        cycle_missed(c, e, &next, 1, vr_err_text(&err));
        core_rel_put(c, e, &next);
        return;
    }
    fail_try(c, e, &next, VR_OUTCOME_FAILURE, vr_err_text(&err));
}

static void refused(struct core *c, struct rel_entry *e, const struct vr_peer_reply *reply)
{
    char text[VR_TEXT_MAX];
    struct vr_rel next = e->r;
    core_peer_text(text, sizeof(text), e->r.peer, reply);
    switch (-reply->result) {
    case VR_E_LINEAGE:
        transfer_lineage(c, e, text);
        break;
    case VR_E_INVALID:
        stats_count(c, &next, VR_OUTCOME_FAILURE, 0, 0);
        (void)!core_rel_move(&next, VR_REV_LOST_TRACK, text, NULL);
        next.cause = VR_WHY_GEOMETRY;
        core_rel_put(c, e, &next);
        break;
    case VR_E_BUSY:
        cycle_missed(c, e, &next, 1, text);
        core_rel_put(c, e, &next);
        break;
    case VR_E_PEER:
    case VR_E_TIMEOUT:
        fail_try(c, e, &next, VR_OUTCOME_NETWORK, text);
        break;
    default:
        fail_try(c, e, &next, VR_OUTCOME_FAILURE, text);
    }
}

/*
 * Is the replica as we left it? What it holds is one of our generations, or the peer had refused; a
 * later one than we know of was ours, too, when its acknowledgement was lost. An earlier one is an
 * older copy that somebody put back.
 */
static const char *replica_moved(const struct vr_rel *rel, const struct vr_peer_reply *reply)
{
    const struct vr_generation *there = &reply->generation;
    if (reply->changed_alone) {
        return "the replica's disks changed without us";
    }
    if (vr_uuid_is_nil(&there->uuid)) {
        return "the replica holds no generation any more";
    }
    bool same = vr_uuid_eq(&there->uuid, &rel->generation.uuid);
    return same || there->sequence > rel->generation.sequence
               ? NULL
               : "the replica is at an earlier generation: somebody put an older copy back";
}

static void send_delta(struct core *c, struct rel_entry *e, struct vr_rel *next)
{
    struct vr_err err = VR_ERR_INIT;
    struct vr_job job;
    struct vr_vm vm;
    struct job_entry *je = NULL;
    int r = core_source_vm(c, &next->vm_id, next->number, &vm, &err);
    if (r == 0) {
        jobs_fill(c, &job, VR_JOBTYPE_DELTA, VR_JOB_STARTING, &vm, next->number, "replication");
        job.automatic = true;
        core_text(job.status, sizeof(job.status), "queued");
        r = jobs_accept(c, &job, NULL, e, next, &je, &err);
    }
    if (r < 0) {
        *next = e->r;
        fail_try(c, e, next, VR_OUTCOME_FAILURE, vr_err_text(&err));
        return;
    }
    vr_assert(je);
    je->asked = true; /* the peer was, just now */
    memcpy(je->stamp, e->stamp, sizeof(je->stamp));
    jobs_pump(c);
}

void cycle_reply(struct core *c, const struct call *call, const struct vr_peer_reply *reply)
{
    struct rel_entry *e = core_find_rel(c, &call->vm, call->number);
    if (!e) {
        return;
    }
    e->asking = false;
    if (!cycles(e) || core_call_is_stale(call, e) || is_busy(c, e)) {
        cycle_plan(c, e); /* the world moved while we asked */
        return;
    }
    if (reply->result < 0) {
        refused(c, e, reply);
        return;
    }
    if (reply->proposed_done) {
        transfer_settle(c, e, reply);
    }
    struct vr_rel next = e->r;
    const char *moved = replica_moved(&next, reply);
    if (moved) {
        (void)!core_rel_move(&next, VR_REV_CHANGED_ALONE, moved, NULL);
        core_rel_put(c, e, &next);
        return;
    }
    if (!vr_uuid_eq(&reply->generation.uuid, &next.generation.uuid)) {
        core_rel_new_generation(&next, &reply->generation);
    } else if (is_unchanged(e, &next)) {
        next.last_sync_us = e->checked_us;
        stats_count(c, &next, VR_OUTCOME_SUCCESS, 0, 0);
        cycle_done(c, e, &next);
        core_rel_put(c, e, &next);
        return;
    }
    send_delta(c, e, &next);
}

void cycle_tick(struct core *c, uint64_t now)
{
    size_t looked = 0;
    bool back = now < c->ticked_us; /* the clock was set back: nothing planned is worth anything */
    c->ticked_us = now;
    if (!back && (c->cycles_due_us == 0 || now < c->cycles_due_us)) {
        return;
    }
    for (size_t i = 0; i < c->nrels; i++) {
        struct rel_entry *e = c->rels[i];
        if (back) {
            e->not_before_us = VR_MIN(e->not_before_us, now);
            cycle_plan(c, e);
        }
        bool due = e->next_us && e->next_us <= now;
        if (due && looked < LOOKED_AT_MAX && c->ncalls < CORE_DUE_CALLS_MAX) {
            looked++;
            if (cycles(e)) {
                cycle(c, e, now);
            } else {
                auto_start(c, e, now);
            }
        }
    }
    c->cycles_due_us = 0; /* with what was planned in between */
    for (size_t i = 0; i < c->nrels; i++) {
        cycle_plan(c, c->rels[i]);
    }
    if (c->cycles_due_us && c->cycles_due_us <= now) { /* many at once: a few at a time */
        c->cycles_due_us = now + CORE_SEC;
    }
}
