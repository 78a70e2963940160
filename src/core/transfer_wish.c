/* SPDX-License-Identifier: Apache-2.0 */
/* Transfers at a person's wish: pause, resume, cancel. A lane that runs is told and obeys at its
 * next step (transfer.c has that end); without one the change happens here. */
#include "core/internal.h"

int transfer_pause(struct core *c, struct job_entry *e, bool *ret_pending, struct vr_err *err)
{
    struct vr_job next = e->j;
    if (job_is_delta(&e->j)) {
        return vr_fail(err, VR_E_STATE, "cycles are not suspended: pause the relationship");
    }
    int r = job_move(c, &next, VR_JEV_SUSPEND, err);
    if (r < 0) {
        return r;
    }
    *ret_pending = e->lane;
    if (e->lane && (e->cmd != CMD_NONE || e->j.progress.phase >= VR_PHASE_COMMIT)) {
        return vr_fail(err, VR_E_STATE, "%s",
                       e->cmd != CMD_NONE ? "the transfer is being stopped already"
                                          : "commit has begun");
    }
    struct rel_entry *rel = core_find_rel(c, &e->j.vm_id, e->j.rel_number);
    if (!job_is_verify(&e->j) && (!rel || !transfer_owns_state(&e->j, &rel->r))) {
        return vr_fail(err, VR_E_STATE, "the job is being started; try again");
    }
    next.user_suspended = true;
    if (e->lane) { /* the wish is durable: a restart in between finds it */
        next.state = e->j.state;
        core_text(next.status, sizeof(next.status), "suspending");
        r = job_save(c, e, &next, err);
        if (r < 0) {
            return r;
        }
        e->cmd = CMD_PAUSE;
        c->ops->command_transfer(c->ctx, e->j.id, CORE_LANE_PAUSE, 0);
        return 0;
    }
    core_text(next.status, sizeof(next.status), "suspended");
    struct vr_job old = e->j;
    r = job_save(c, e, &next, err);
    if (r < 0) {
        return r;
    }
    e->calling = false;
    transfer_follow(c, &old, VR_REV_PAUSE, "suspended");
    core_event(c, CORE_EV_JOB_SUSPENDED, &next.vm_id, next.vm_name, "job %llu: suspended",
               (unsigned long long)next.id);
    return 0;
}

int transfer_resume(struct core *c, struct job_entry *e, struct vr_err *err)
{
    struct vr_job next = e->j;
    struct rel_entry *rel = core_find_rel(c, &e->j.vm_id, e->j.rel_number);
    int r = job_move(c, &next, VR_JEV_RESUME, err);
    if (r == 0 && !rel) {
        r = vr_fail(err, VR_E_NOT_FOUND, "the relationship was removed");
    }
    if (r < 0) {
        return r;
    }
    struct vr_rel rel_next = rel->r;
    if (!job_is_verify(&e->j)) {
        bool initial = job_is_initial(&e->j);
        r = core_rel_move(&rel_next, initial ? VR_REV_START_INITIAL : VR_REV_RESUME, "", err);
    }
    if (r < 0) {
        return r;
    }
    struct vr_job old = e->j;
    next.user_suspended = false;
    core_text(next.status, sizeof(next.status), "queued");
    r = job_save(c, e, &next, err);
    if (r < 0) {
        return r;
    }
    r = job_is_verify(&e->j) ? 0 : core_rel_save(c, rel, &rel_next, err);
    if (r < 0) {
        job_put(c, e, &old);
        return r;
    }
    e->not_before_us = 0;
    core_event(c, CORE_EV_JOB_RESUMED, &next.vm_id, next.vm_name, "job %llu goes on",
               (unsigned long long)next.id);
    jobs_pump(c);
    return 0;
}

int transfer_cancel(struct core *c, struct job_entry *e, bool *ret_pending, struct vr_err *err)
{
    struct vr_job next = e->j;
    int r = job_move(c, &next, VR_JEV_CANCEL, err);
    if (r < 0) {
        return r;
    }
    *ret_pending = e->lane;
    if (e->lane) {
        if (e->j.progress.phase >= VR_PHASE_COMMIT) {
            return vr_fail(err, VR_E_STATE, "commit has begun");
        }
        if (e->cmd == CMD_CANCEL || e->cmd == CMD_ABORT) {
            return vr_fail(err, VR_E_STATE, "the transfer is being stopped already");
        }
        if (e->done) { /* who waits for a pause will not see one */
            job_answer_waiter(e, VR_RC_INVALID_STATE, -VR_E_STATE, "cancelled instead");
        }
        e->cmd = CMD_CANCEL;
        core_text(e->j.status, sizeof(e->j.status), "cancelling");
        c->ops->command_transfer(c->ctx, e->j.id, CORE_LANE_CANCEL, 0);
        return 0;
    }
    core_text(next.status, sizeof(next.status), "cancelled");
    struct vr_job old = e->j;
    r = job_save(c, e, &next, err);
    if (r < 0) {
        return r;
    }
    e->calling = false;
    transfer_follow(c, &old, VR_REV_CANCEL, "a resynchronization was cancelled");
    core_event(c, CORE_EV_JOB_CANCELLED, &next.vm_id, next.vm_name, "job %llu: cancelled",
               (unsigned long long)next.id);
    job_answer_sync(e);
    return 0;
}
