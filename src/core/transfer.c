/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Source transfers: start, how each kind of end moves job and relationship, retries. The proposed
 * generation: proposed.c. Pause, resume and cancel: transfer_wish.c.
 *
 *   end                          job                         relationship (verify: unchanged,
 *                                                            but 3 becomes 8 with LINEAGE, and 9
 *                                                            with a difference)
 *   0                            Completed                   3
 *   PEER, TIMEOUT                Starting, tried again       10 (2)
 *   TIMEOUT, its instant ended   the same, but the network is not what failed
 *   NOSPACE                      Suspended, tried again      11 (1)
 *   LINEAGE                      Exception                   8, needs a decision
 *   CORRUPT                      Exception                   8
 *   CANCELED after PAUSE         Suspended                   11 (1)
 *   CANCELED after CANCEL        Terminated                  9 (1); 3 when it was 3 and nothing
 * differed anything else                Exception                   9 (1)
 */
#include <string.h>

#include "core/internal.h"
#include "util/num.h"
#include "util/vtime.h"

enum vr_rel_event transfer_start_event(const struct vr_job *j)
{
    return job_is_initial(j) ? VR_REV_START_INITIAL : VR_REV_START_RESYNC;
}

static enum vr_transfer_kind kind_of(const struct vr_job *j, const struct vr_rel *rel)
{
    if (job_is_verify(j)) {
        return VR_TRANSFER_VERIFY;
    }
    bool holds = !vr_uuid_is_nil(&rel->generation.uuid); /* a first transfer whose end was lost */
    if (job_is_initial(j) && !holds) { /* history: an older export may have been imported */
        return j->seeded || rel->nhistory > 0 ? VR_TRANSFER_SEEDED : VR_TRANSFER_INITIAL;
    }
    /* A resync after a first transfer that never completed: compare with whatever is there. */
    return holds || rel->nhistory > 0 ? VR_TRANSFER_RESYNC : VR_TRANSFER_SEEDED;
}

bool transfer_owns_state(const struct vr_job *j, const struct vr_rel *rel)
{
    bool active = rel->state == VR_REL_INITIAL || rel->state == VR_REL_RESYNCHRONIZING;
    bool suspended = rel->state == VR_REL_RESYNC_SUSPENDED || rel->state == VR_REL_READY;
    return !job_is_aside(j) &&
           (j->state == VR_JOB_SUSPENDED ? suspended : active && j->state != VR_JOB_NEW);
}

void transfer_follow(struct core *c,
                     const struct vr_job *j,
                     enum vr_rel_event event,
                     const char *reason)
{
    struct rel_entry *rel = core_find_rel(c, &j->vm_id, j->rel_number);
    if (!rel || !transfer_owns_state(j, &rel->r)) {
        return;
    }
    struct vr_rel next = rel->r;
    if (core_rel_move(&next, event, reason, NULL) == 0) {
        core_rel_put(c, rel, &next);
    }
}

void job_answer_waiter(struct job_entry *e, uint32_t code, int kind, const char *text)
{
    core_done done = e->done;
    void *ctx = e->done_ctx;
    e->done = NULL;
    core_answer_code(done, ctx, code, 0, kind, text);
}

/* --- ends --- */

uint64_t transfer_take_bytes(struct job_entry *e)
{
    uint64_t all = e->j.progress.wire_out, bytes = all - VR_MIN(all, e->counted_bytes);
    e->counted_bytes = all;
    return bytes;
}

/* As transfer_follow, with the outcome of a try counted in the same save. */
static void follow_counted(struct core *c,
                           struct job_entry *e,
                           enum vr_rel_event event,
                           const char *reason,
                           enum vr_outcome what)
{
    struct rel_entry *rel = core_find_rel(c, &e->j.vm_id, e->j.rel_number);
    if (!rel || !transfer_owns_state(&e->j, &rel->r)) {
        return;
    }
    struct vr_rel next = rel->r;
    stats_count(c, &next, what, transfer_take_bytes(e), 0);
    (void)!core_rel_move(&next, event, reason, NULL);
    core_rel_put(c, rel, &next);
}

/* The relationship stays as it is. */
static void count_try(struct core *c, struct job_entry *e, enum vr_outcome what)
{
    struct rel_entry *rel = core_find_rel(c, &e->j.vm_id, e->j.rel_number);
    uint64_t bytes = transfer_take_bytes(e);
    if (!rel || job_is_verify(&e->j) || (what == VR_OUTCOME_STOPPED && bytes == 0)) {
        return;
    }
    struct vr_rel next = rel->r;
    stats_count(c, &next, what, bytes, 0);
    core_rel_put(c, rel, &next);
}

static void compare_ended(struct core *c, const struct job_entry *e, const char *result)
{
    uint64_t now = core_now(c), from = e->j.started_us;
    core_event(c, CORE_EV_COMPARE_ENDED, &e->j.vm_id, e->j.vm_name,
               "job %llu: %s: %llu bytes compared, %llu differed, %llu sent, in %llu ms",
               (unsigned long long)e->j.id, result,
               (unsigned long long)e->j.progress.bytes_compared,
               (unsigned long long)e->j.progress.bytes_differing,
               (unsigned long long)e->j.progress.bytes_sent,
               (unsigned long long)(from && now > from ? (now - from) / 1000 : 0));
}

/* A difference that nobody knew of makes a resynchronization necessary. */
static void end_verified(struct core *c, struct rel_entry *rel, bool equal)
{
    struct vr_rel next = rel->r;
    next.verified_us = core_now(c);
    next.verify = equal ? VR_VERIFY_EQUAL : VR_VERIFY_DIFFERS;
    if (!equal && next.state == VR_REL_REPLICATING) {
        (void)!core_rel_move(&next, VR_REV_CHANGED_ALONE, "verify found a difference", NULL);
        next.cause = VR_WHY_DIFFERS;
    }
    core_rel_put(c, rel, &next);
}

/* One that failed says nothing of the disks; when they were last compared stays. */
static void not_verified(struct core *c, const struct job_entry *e)
{
    struct rel_entry *rel = core_find_rel(c, &e->j.vm_id, e->j.rel_number);
    if (rel && job_is_verify(&e->j) && !job_is_forecast(&e->j)) {
        struct vr_rel next = rel->r;
        next.verify = VR_VERIFY_FAILED;
        core_rel_put(c, rel, &next);
    }
}

static void end_completed(struct core *c,
                          struct job_entry *e,
                          const struct vr_report *report,
                          const struct vr_generation *gen)
{
    struct rel_entry *rel = core_find_rel(c, &e->j.vm_id, e->j.rel_number);
    if (report && c->ops->save_report(c->ctx, report, NULL) < 0) {
        core_event(c, CORE_EV_SAVE_FAILED, &e->j.vm_id, e->j.vm_name,
                   "the report of job %llu could not be saved", (unsigned long long)e->j.id);
    }
    if (rel && !job_is_verify(&e->j)) {
        struct vr_rel next = rel->r;
        if (!vr_uuid_is_nil(&gen->uuid)) {
            core_rel_new_generation(&next, gen);
        }
        next.last_sync_us = transfer_instant(&next, report);
        next.consistency = transfer_consistency(&next, report);
        next.proposed = (struct vr_uuid){0};
        next.needs_decision = false;
        if (next.verify == VR_VERIFY_DIFFERS) { /* that was repaired; nobody looked again */
            next.verify = VR_VERIFY_NONE;
        }
        uint64_t now = core_now(c), from = e->j.started_us;
        uint64_t bytes = transfer_take_bytes(e);
        stats_count(c, &next, VR_OUTCOME_SUCCESS, bytes, from < now ? now - from : 0);
        (void)!core_rel_move(&next, VR_REV_RESYNC_DONE, "", NULL);
        core_rel_put(c, rel, &next);
    } else if (rel && report && !job_is_forecast(&e->j)) {
        end_verified(c, rel, report->equal);
    }
    if (report && job_is_forecast(&e->j)) {
        e->j.forecast = report->forecast;
    }
    bool differed = job_is_verify(&e->j) && !job_is_forecast(&e->j) && report && !report->equal;
    compare_ended(c, e, differed ? "a difference was found" : "completed");
    job_finish(c, e, VR_JEV_COMPLETE, 0,
               differed ? "completed: a difference was found" : "completed");
}

static void
end_failed(struct core *c, struct job_entry *e, enum vr_rel_event event, int r, const char *text)
{
    if (e->j.progress.phase >= VR_PHASE_COMPARE) {
        compare_ended(c, e, "failed");
    }
    follow_counted(c, e, event, text, VR_OUTCOME_FAILURE);
    not_verified(c, e);
    job_fail(c, e, vr_retcode_of_error(r), r, text);
}

void transfer_lineage(struct core *c, struct rel_entry *rel, const char *text)
{
    struct vr_rel next = rel->r;
    if (core_rel_move(&next, VR_REV_PROOF_FAILED, text, NULL) < 0) {
        return;
    }
    next.needs_decision = true;
    core_rel_put(c, rel, &next);
    core_event(c, CORE_EV_NEEDS_DECISION, &next.vm_id, NULL, "relationship %u: %s", next.number,
               text);
}

/* A verify changes nothing, but what it finds out is a fact, as a difference is: 3 says that all is
 * well, and does not stay. A relationship that a person paused, or that is to be resynchronized,
 * does: the next transfer finds out by itself. */
static void end_lineage(struct core *c, struct job_entry *e, const char *text)
{
    struct rel_entry *rel = core_find_rel(c, &e->j.vm_id, e->j.rel_number);
    bool looks = job_is_verify(&e->j);
    bool told = e->j.type == VR_JOBTYPE_VERIFY && rel && rel->r.state == VR_REL_REPLICATING;
    count_try(c, e, VR_OUTCOME_FAILURE);
    not_verified(c, e);
    if (rel && (!looks || told)) {
        transfer_lineage(c, rel, text);
    }
    job_fail(c, e, VR_RC_STATUS_UNKNOWN, VR_E_LINEAGE, text);
}

static void end_requeue(struct core *c, struct job_entry *e, enum vr_outcome what, const char *text)
{
    count_try(c, e, what);
    struct vr_job next = e->j;
    char when[VR_ISO_TIME_LEN];
    if (next.state == VR_JOB_RUNNING) { /* a job that only asked the peer is still Starting */
        (void)!job_move(c, &next, VR_JEV_REQUEUE, NULL);
    }
    e->not_before_us = core_now(c) + jobs_backoff_us(c, e->tries++);
    e->turn = ++c->last_turn;
    e->lost_link = true;
    e->asked = false;
    core_text(next.status, sizeof(next.status), "%s, next try at %s: %.160s",
              e->j.progress.phase >= VR_PHASE_COMMIT ? "commit not finished"
              : e->in_use > 0                        ? "disks in use"
              : e->instant_ended                     ? "no instant of the disks"
                                                     : "link lost",
              vr_iso_time(e->not_before_us, when, sizeof(when)), text);
    job_put(c, e, &next);
    core_event(c, e->instant_ended ? CORE_EV_INSTANT_ENDED : CORE_EV_LINK_LOST, &next.vm_id,
               next.vm_name, "job %llu: %s", (unsigned long long)next.id, next.status);
}

/* Churn lengthens an automatic resynchronization, and that is told; it does not end it. */
static void end_in_use(struct core *c, struct job_entry *e, const char *text)
{
    uint32_t n = ++e->in_use;
    e->tries = n - 1; /* progress in between is no success: it begins again with the disks */
    end_requeue(c, e, VR_OUTCOME_TRY, text);
    core_event(c, CORE_EV_RESYNC_LENGTHENED, &e->j.vm_id, e->j.vm_name,
               "job %llu: the disks were in use or written, %u times now: %.160s",
               (unsigned long long)e->j.id, n, text);
}

static void end_suspended(struct core *c, struct job_entry *e, bool by_user, const char *text)
{
    struct vr_job next = e->j;
    follow_counted(c, e, VR_REV_PAUSE, text, by_user ? VR_OUTCOME_STOPPED : VR_OUTCOME_TRY);
    (void)!job_move(c, &next, VR_JEV_SUSPEND, NULL);
    next.user_suspended = by_user;
    core_text(next.status, sizeof(next.status), "%s", text);
    e->not_before_us = by_user ? 0 : core_now(c) + CORE_MINUTE;
    e->turn = by_user ? e->turn : ++c->last_turn;
    e->asked = false;
    e->lost_link = true; /* resumed at once, it may meet its own session at the peer */
    job_put(c, e, &next);
    core_event(c, by_user ? CORE_EV_JOB_SUSPENDED : CORE_EV_NO_SPACE, &next.vm_id, next.vm_name,
               "job %llu: %s", (unsigned long long)next.id, text);
}

static void end_cancelled(struct core *c, struct job_entry *e, bool nothing_differed)
{
    bool equal = e->was_replicating && nothing_differed;
    follow_counted(c, e, equal ? VR_REV_CANCEL_EQUAL : VR_REV_CANCEL,
                   equal ? "" : "a resynchronization was cancelled", VR_OUTCOME_ENDED);
    job_finish(c, e, VR_JEV_CANCEL, 0, "cancelled");
}

/* A lane that ended because we, or the end of the daemon, told it to. */
static void end_told(struct core *c,
                     struct job_entry *e,
                     enum job_cmd cmd,
                     const struct core_transfer_result *res)
{
    switch (cmd) {
    case CMD_PAUSE:
        end_suspended(c, e, true, "suspended");
        break;
    case CMD_CANCEL:
        end_cancelled(c, e, res->nothing_differed);
        break;
    case CMD_ABORT:
        end_failed(c, e, VR_REV_RESYNC_FAILED, -VR_E_IO, e->abort_text);
        break;
    case CMD_NONE:
        end_requeue(c, e, VR_OUTCOME_STOPPED, vr_err_text(&res->err));
        break;
    }
}

static void end_error(struct core *c, struct job_entry *e, int r, const char *text)
{
    if (job_is_delta(&e->j)) {
        delta_failed(c, e, r, text);
        return;
    }
    switch (-r) {
    case VR_E_PEER:
    case VR_E_TIMEOUT:
        end_requeue(c, e, e->instant_ended ? VR_OUTCOME_TRY : VR_OUTCOME_NETWORK, text);
        break;
    case VR_E_NOSPACE:
        end_suspended(c, e, false, text);
        break;
    case VR_E_LINEAGE:
        end_lineage(c, e, text);
        break;
    case VR_E_CORRUPT:
        end_failed(c, e, VR_REV_PROOF_FAILED, r, text);
        break;
    case VR_E_BUSY:
        if (e->j.automatic) {
            end_in_use(c, e, text);
            break;
        }
        if (e->lost_link) { /* the peer has not noticed yet that our former session is gone */
            end_requeue(c, e, VR_OUTCOME_NETWORK, text);
            break;
        }
        /* fall through */
    default:
        if (e->j.progress.phase >= VR_PHASE_COMMIT && !job_is_verify(&e->j)) {
            end_requeue(c, e, VR_OUTCOME_TRY, text); /* a begun commit is never given up */
            break;
        }
        end_failed(c, e, VR_REV_RESYNC_FAILED, r, text);
        break;
    }
}

/* A person's wish that came while the lane ended otherwise: honoured as far as that end leaves
 * room. */
static void after_end(struct core *c, struct job_entry *e, enum job_cmd cmd)
{
    bool pending;
    struct vr_err err = VR_ERR_INIT;
    int r = 0;
    if (e->j.state == VR_JOB_STARTING && cmd == CMD_PAUSE) {
        r = transfer_pause(c, e, &pending, &err);
    } else if (!vr_job_is_final(e->j.state) && cmd == CMD_CANCEL) {
        r = transfer_cancel(c, e, &pending, &err);
    }
    bool obeyed = (cmd == CMD_PAUSE && e->j.state == VR_JOB_SUSPENDED) ||
                  (cmd == CMD_CANCEL && e->j.state == VR_JOB_TERMINATED);
    if (obeyed) {
        job_answer_waiter(e, VR_RC_COMPLETED, 0, NULL);
    } else if (r < 0) {
        job_answer_waiter(e, vr_retcode_of_error(r), r, vr_err_text(&err));
    } else {
        job_answer_waiter(e, VR_RC_INVALID_STATE, -VR_E_STATE,
                          e->j.state == VR_JOB_COMPLETED ? "too late: the transfer completed"
                                                         : "the transfer had failed already");
    }
}

void core_on_transfer_end(struct core *c, uint64_t job_id, const struct core_transfer_result *res)
{
    struct job_entry *e = jobs_find(c, job_id);
    if (!e || !e->lane) {
        return;
    }
    struct rel_entry *rel = core_find_rel(c, &e->j.vm_id, e->j.rel_number);
    if (rel) {
        vr_stats_guest(&rel->r.stats, res->not_frozen, res->frozen_us, res->ease_times);
    }
    if (job_is_offline(&e->j)) {
        offline_end(c, e, res);
        return;
    }
    enum job_cmd cmd = e->cmd;
    bool settled = rel && transfer_proposed(&rel->r, &e->j) &&
                   vr_uuid_eq(&rel->r.proposed, &res->generation.uuid);
    e->lane = false;
    e->cmd = CMD_NONE;
    e->instant_ended = res->instant_ended;
    if (job_is_delta(&e->j)) {
        delta_end(c, e, cmd, res, settled);
    } else if (res->result == 0) {
        end_completed(c, e, &res->report, &res->generation);
    } else if (settled) {
        end_completed(c, e, NULL, &res->generation);
    } else if (res->result == -VR_E_CANCELED) {
        end_told(c, e, cmd, res);
    } else if (cmd == CMD_ABORT) {
        end_failed(c, e, VR_REV_RESYNC_FAILED, -VR_E_IO, e->abort_text);
    } else {
        end_error(c, e, res->result, vr_err_text(&res->err));
    }
    after_end(c, e, cmd);
    delta_unpark(c, e);
    jobs_pump(c);
}

void core_on_progress(struct core *c, uint64_t job_id, const struct vr_progress *p)
{
    struct job_entry *e = jobs_find(c, job_id);
    if (!e || !e->lane) {
        return;
    }
    if (job_is_offline(&e->j)) {
        offline_progress(e, p);
        return;
    }
    bool compares = p->phase >= VR_PHASE_COMPARE;
    if (compares && e->j.progress.phase < VR_PHASE_COMPARE && !job_is_delta(&e->j)) {
        core_event(c, CORE_EV_COMPARE_STARTED, &e->j.vm_id, e->j.vm_name,
                   "job %llu: comparing %llu bytes", (unsigned long long)job_id,
                   (unsigned long long)p->bytes_total);
    }
    if (p->phase != e->j.progress.phase && e->cmd == CMD_NONE) {
        core_text(e->j.status, sizeof(e->j.status), "%s", vr_phase_text((int)p->phase));
    }
    if (p->phase == VR_PHASE_COMPARE && p->bytes_compared > 0) {
        e->tries = 0;
        e->lost_link = false;
    }
    e->j.cancellable = p->phase < VR_PHASE_COMMIT;
    e->j.progress = *p;
}

/* --- start --- */

static void ended_at_start(struct core *c, struct job_entry *e, int r, const struct vr_err *err)
{
    e->instant_ended = true; /* nobody was asked yet: it was not the network */
    end_error(c, e, r, vr_err_text(err));
    c->pump_again = true;
}

static void start_lane(struct core *c, struct job_entry *e, const struct rel_entry *rel)
{
    struct vr_err err = VR_ERR_INIT;
    struct vr_job next = e->j;
    struct core_transfer t = {
        .job_id = e->j.id,
        .job_uuid = e->j.uuid,
        .rel = rel->r,
        .kind = kind_of(&e->j, &rel->r),
        .force = e->j.force,
        .sample = job_is_forecast(&e->j),
        .delta = job_is_delta(&e->j),
        .restart = e->j.restart && e->tries == 0,
        .source_is_replica = e->j.rel_number == 1,
    };
    int r = core_source_vm(c, &e->j.vm_id, e->j.rel_number, &t.vm, &err);
    if (r < 0) {
        ended_at_start(c, e, r, &err);
        return;
    }
    (void)!job_move(c, &next, VR_JEV_START, NULL);
    next.started_us = next.started_us ? next.started_us : core_now(c);
    next.progress.phase = VR_PHASE_CONNECT;
    next.progress.wire_out = next.progress.wire_in = 0; /* of this try */
    core_text(next.status, sizeof(next.status), "%s", vr_phase_text(VR_PHASE_CONNECT));
    if (job_save(c, e, &next, &err) < 0) {
        e->not_before_us = core_now(c) + CORE_MINUTE;
        core_text(e->j.status, sizeof(e->j.status), "waiting: %s", vr_err_text(&err));
        return;
    }
    e->lane = true;
    e->counted_bytes = 0;
    r = c->ops->start_transfer(c->ctx, &t, &err);
    if (r < 0) {
        e->lane = false;
        ended_at_start(c, e, r, &err);
    }
}

void transfer_start(struct core *c, struct job_entry *e)
{
    struct rel_entry *rel = core_find_rel(c, &e->j.vm_id, e->j.rel_number);
    if (!rel) {
        job_finish(c, e, VR_JEV_FAIL, VR_RC_INVALID_STATE, "the relationship was removed");
        return;
    }
    bool unsettled = !vr_uuid_is_nil(&rel->r.proposed) && !e->asked && !job_is_verify(&e->j);
    if (!unsettled) {
        start_lane(c, e, rel);
        return;
    }
    /* COMMIT was sent and not acknowledged: perhaps there is nothing left to do. */
    struct call call = {
        .why = CALL_SETTLE,
        .vm = e->j.vm_id,
        .number = e->j.rel_number,
        .job_id = e->j.id,
    };
    struct vr_vm vm;
    struct vr_peer_request req;
    struct vr_err err = VR_ERR_INIT;
    int r = core_source_vm(c, &call.vm, call.number, &vm, &err);
    r = r < 0 ? r : c->ops->check_disks(c->ctx, &vm, call.number == 1, &err);
    if (r == 0) {
        core_peer_request(&rel->r, &vm, VR_PEER_PREFLIGHT, &req);
        /* Only the lineage is asked about: whether there is a copy to compare with is not. */
        req.kind = VR_TRANSFER_INITIAL;
        req.force = e->j.force;
        e->calling = true;
        core_text(e->j.status, sizeof(e->j.status), "asking what became of the last commit");
        r = core_call(c, &call, rel->r.peer, rel->r.peer_identity, &req, &err);
    }
    if (r < 0) {
        e->calling = false;
        ended_at_start(c, e, r, &err);
    }
}

void transfer_settle_reply(struct core *c,
                           const struct call *call,
                           const struct vr_peer_reply *reply)
{
    struct job_entry *e = jobs_find(c, call->job_id);
    struct rel_entry *rel = core_find_rel(c, &call->vm, call->number);
    if (!e || !e->calling) {
        return;
    }
    e->calling = false;
    if (e->j.state != VR_JOB_STARTING || !rel) {
        return; /* paused or cancelled while we asked */
    }
    e->asked = true;
    if (reply->result == 0 && reply->proposed_done) {
        struct vr_job next = e->j;
        /* One that did not send it was asked for a later instant, and goes on. */
        bool done = transfer_proposed(&rel->r, &e->j);
        transfer_settle(c, rel, reply);
        if (done) {
            (void)!job_move(c, &next, VR_JEV_START, NULL);
            e->j = next;
            end_completed(c, e, NULL, &rel->r.generation);
        }
    } else if (reply->result < 0 && !(reply->result == -VR_E_LINEAGE && e->j.force)) {
        e->instant_ended = false;
        end_error(c, e, reply->result, reply->text[0] ? reply->text : vr_kind_text(reply->result));
    }
    jobs_pump(c);
}
