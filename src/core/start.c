/* SPDX-License-Identifier: Apache-2.0 */
/*
 * After a restart: what was going on goes on. A start of a transfer saves the job before the
 * relationship, an end saves the relationship before the job, so of every pair found here it is
 * known at which end the host stopped.
 */
#include "core/internal.h"
#include "util/num.h"

/* Queued again after a lost link, and then the peer said that it had completed: a second transfer
 * would be one more than was asked for. */
static bool was_settled(const struct vr_job *j, const struct vr_rel *rel)
{
    return j->state == VR_JOB_STARTING && j->started_us != 0 && transfer_was_acknowledged(rel, j);
}

/* What a transfer died of whose job was not saved any more. */
static int kind_of_end(const struct vr_rel *rel)
{
    if (rel->needs_decision) {
        return VR_E_LINEAGE;
    }
    return rel->state == VR_REL_CRITICAL ? VR_E_CORRUPT : VR_E_CANCELED; /* 8: the proof failed */
}

/* The relationship says that it was over: only the job's last save is missing. */
static void finish_ended(struct core *c, struct job_entry *e, const struct vr_rel *rel)
{
    bool completed = transfer_was_acknowledged(rel, &e->j);
    if (e->j.state == VR_JOB_STARTING) {
        (void)!job_move(c, &e->j, VR_JEV_START, NULL);
    }
    if (completed) {
        job_finish(c, e, VR_JEV_COMPLETE, 0, "completed");
    } else if (rel->state == VR_REL_REPLICATING) {
        job_finish(c, e, VR_JEV_CANCEL, 0, "cancelled");
    } else {
        job_fail(c, e, VR_RC_FAILED, kind_of_end(rel),
                 rel->reason[0] ? rel->reason : "ended when the host stopped");
    }
}

/* Into the queue again. */
static void requeue(struct core *c, struct job_entry *e)
{
    struct vr_job next = e->j;
    if (next.state == VR_JOB_RUNNING) {
        (void)!job_move(c, &next, VR_JEV_REQUEUE, NULL);
    }
    core_text(next.status, sizeof(next.status), "queued after a restart");
    job_put(c, e, &next);
    e->lost_link = true; /* the peer may still hold our former session */
}

/* The wish to pause was durable, the lane's obedience was not. */
static void suspend(struct core *c, struct job_entry *e, struct rel_entry *rel)
{
    struct vr_job next = e->j;
    struct vr_rel rel_next = rel->r;
    if (!job_is_verify(&e->j) && core_rel_move(&rel_next, VR_REV_PAUSE, "suspended", NULL) == 0) {
        core_rel_put(c, rel, &rel_next);
    }
    (void)!job_move(c, &next, VR_JEV_SUSPEND, NULL);
    core_text(next.status, sizeof(next.status), "suspended");
    job_put(c, e, &next);
}

static enum vr_rel_state active_state(const struct vr_job *j)
{
    return job_is_initial(j) ? VR_REL_INITIAL : VR_REL_RESYNCHRONIZING;
}

static void start_transfer_job(struct core *c, struct job_entry *e)
{
    struct rel_entry *rel = core_find_rel(c, &e->j.vm_id, e->j.rel_number);
    bool verify = job_is_verify(&e->j);
    if (!rel) {
        job_fail(c, e, VR_RC_INVALID_STATE, VR_E_STATE, "the relationship is gone");
        return;
    }
    bool active = verify || rel->r.state == active_state(&e->j);
    if (rel->r.state == VR_REL_RESYNC_SUSPENDED && e->j.state == VR_JOB_RUNNING) {
        suspend(c, e, rel); /* only the job's last save is missing */
        return;
    }
    if (!active && (e->j.state == VR_JOB_RUNNING || was_settled(&e->j, &rel->r))) {
        finish_ended(c, e, &rel->r);
        return;
    }
    if (!active && rel->r.exported) { /* whether the replica has imported it was not known yet */
        job_fail(c, e, VR_RC_FAILED, VR_E_CANCELED, JOB_INTERRUPTED);
        return;
    }
    struct vr_rel next = rel->r;
    struct vr_err err = VR_ERR_INIT;
    if (!active && core_rel_move(&next, transfer_start_event(&e->j), "", &err) < 0) {
        job_fail(c, e, VR_RC_INVALID_STATE, (int)err.kind, vr_err_text(&err));
        return;
    }
    if (!active) {
        next.needs_decision = false;
        core_rel_put(c, rel, &next);
    }
    jobs_supersede(c, e); /* a due job's start had not come that far */
    if (e->j.user_suspended) {
        suspend(c, e, rel);
        return;
    }
    requeue(c, e);
}

/* A job that makes, changes or removes a relationship: the store says whether it did. */
static void settle_change(struct core *c, struct job_entry *e)
{
    const struct rel_entry *rel = core_find_rel(c, &e->j.vm_id, e->j.rel_number);
    bool made = rel && rel->r.is_source && rel->r.created_us >= e->j.submitted_us;
    if (e->j.type == VR_JOBTYPE_ENABLE && made) {
        job_finish(c, e, VR_JEV_COMPLETE, 0, "completed");
    } else if (e->j.type == VR_JOBTYPE_DISABLE && !rel) {
        job_finish(c, e, VR_JEV_COMPLETE, 0,
                   "removed here; a restart came before the peer host was told");
    } else {
        bool modify = e->j.type == VR_JOBTYPE_MODIFY;
        job_fail(c, e, VR_RC_FAILED, VR_E_CANCELED,
                 modify ? "interrupted by a restart; look at the settings, or repeat it"
                        : JOB_INTERRUPTED);
    }
}

static void start_job(struct core *c, struct job_entry *e)
{
    if (vr_job_is_final(e->j.state) || e->j.state == VR_JOB_NEW) {
        return;
    }
    if (e->j.state == VR_JOB_SUSPENDED) {
        struct rel_entry *rel = core_find_rel(c, &e->j.vm_id, e->j.rel_number);
        bool behind = rel && rel->r.state == active_state(&e->j) && !rel->r.exported;
        struct vr_rel next = rel ? rel->r : (struct vr_rel){0};
        if (behind && !job_is_verify(&e->j) && !jobs_busy(c, &e->j.vm_id) &&
            core_rel_move(&next, VR_REV_PAUSE, e->j.status, NULL) == 0) {
            core_rel_put(c, rel, &next);
        }
        return;
    }
    if (job_is_delta(&e->j)) {
        delta_interrupted(c, e);
        return;
    }
    if (job_is_transfer(&e->j)) {
        start_transfer_job(c, e);
        return;
    }
    if (job_is_offline(&e->j)) {
        offline_interrupted(c, e);
        return;
    }
    if (e->j.state == VR_JOB_STARTING) {
        (void)!job_move(c, &e->j, VR_JEV_START, NULL);
    }
    settle_change(c, e);
}

/* In 2, 10 or 11 and nothing that would lead out of it: the store lost the job, or was told only of
 * the job's end. */
static void free_stuck(struct core *c, struct rel_entry *rel)
{
    struct vr_rel next = rel->r;
    bool active = next.state == VR_REL_INITIAL || next.state == VR_REL_RESYNCHRONIZING;
    bool suspended = next.state == VR_REL_RESYNC_SUSPENDED;
    if (!next.is_source || next.exported || !(active || suspended) ||
        jobs_current(c, &next.vm_id, next.number)) {
        return;
    }
    enum vr_rel_event event = suspended ? VR_REV_CANCEL : VR_REV_RESYNC_FAILED;
    if (core_rel_move(&next, event, "interrupted by a restart", NULL) == 0) {
        next.cause = next.cause ? VR_WHY_INTERRUPTED : VR_WHY_NONE;
        core_rel_put(c, rel, &next);
    }
}

/* The sidecar says that the relationship was removed, the store does not yet. When that cannot be
 * written either, ENABLE asks the sidecar again (serve.c). */
static void forget_released(struct core *c)
{
    for (size_t i = 0; i < c->nrels;) {
        struct rel_entry *e = c->rels[i];
        const struct vr_rel *rel = &e->r;
        bool gone = !rel->is_source && rel->released &&
                    c->ops->delete_rel(c->ctx, &rel->vm_id, rel->number, NULL) == 0;
        if (!gone) {
            i++;
            continue;
        }
        core_event(c, CORE_EV_DISABLED, &rel->vm_id, NULL,
                   "the removal of relationship %u, cut off by a stop, is complete; the replica's "
                   "images stay",
                   rel->number);
        core_remove_rel(c, e);
    }
}

int core_start(struct core *c, struct vr_err *err)
{
    if (c->started) {
        return vr_fail(err, VR_E_INTERNAL, "started twice");
    }
    forget_released(c);
    for (size_t i = 0; i < c->njobs; i++) {
        start_job(c, c->jobs[i]);
    }
    for (size_t i = 0; i < c->nrels; i++) {
        free_stuck(c, c->rels[i]);
    }
    c->started = true;
    jobs_pump(c);
    return 0;
}
