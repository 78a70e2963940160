/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A first generation that travels by a directory: the source exports it, somebody carries the
 * directory, the replica's host imports it, and the source's next Resynchronize goes on from there.
 *
 *   source    1 --export (job 118)--> 2 --done--> 2, exported --Resynchronize--> 10 --> 3
 *   replica   2 --import (job 95)--> 3
 *
 * The exported generation is the relationship's `proposed` one, saved before the export is whole: a
 * replica that holds it is recognized as after a COMMIT that was never answered, whatever this host
 * remembers of the export. Neither job goes on after a restart: what was begun is removed by the
 * next try, or, after the commit's intent, settled when the replica is opened.
 */
#include <string.h>

#include "core/internal.h"

#define CARRY "completed: carry the directory to the replica's host"

struct job_entry *offline_running(struct core *c, const struct vr_uuid *vm, uint8_t number)
{
    struct job_entry *e = jobs_busy(c, vm);
    return e && job_is_offline(&e->j) && e->j.rel_number == number ? e : NULL;
}

/* Accepts and starts. next: where the relationship moves, NULL: it stays. */
static void start(struct core *c,
                  const struct core_caller *who,
                  struct core_offline *o,
                  struct rel_entry *rel,
                  const struct vr_rel *next,
                  core_done done,
                  void *ctx)
{
    struct vr_err err = VR_ERR_INIT;
    struct vr_job job;
    struct job_entry *e;
    char why[VR_TEXT_MAX];
    jobs_fill(c, &job, o->import ? VR_JOBTYPE_IMPORT : VR_JOBTYPE_EXPORT, VR_JOB_RUNNING, &o->vm,
              rel->r.number, who->user);
    job.started_us = job.submitted_us;
    o->job_id = job.id;
    core_text(job.status, sizeof(job.status), "%s %.200s",
              o->import ? "importing from" : "exporting to", o->location);
    core_text(why, sizeof(why), "superseded by job %llu", (unsigned long long)job.id);
    int r = c->ops->check_offline(c->ctx, o, &err);
    r = r < 0 ? r : jobs_accept(c, &job, next ? why : NULL, rel, next, &e, &err);
    if (r < 0) {
        core_answer_err(done, ctx, r, &err);
        return;
    }
    o->rel = rel->r;
    e->lane = true;
    rel->target_open = o->import; /* no session of the peer beside it */
    r = c->ops->start_offline(c->ctx, o, &err);
    if (r < 0) {
        struct core_transfer_result res = {.result = r, .err = err};
        offline_end(c, e, &res);
        core_answer_err(done, ctx, r, &err);
        return;
    }
    core_answer_code(done, ctx, VR_RC_JOB_STARTED, job.id, 0, NULL);
}

void offline_export(struct core *c,
                    const struct core_caller *who,
                    const struct core_start_args *args,
                    struct rel_entry *rel,
                    const struct vr_vm *vm,
                    core_done done,
                    void *ctx)
{
    struct vr_err err = VR_ERR_INIT;
    struct core_offline o = {.vm = *vm, .rel = rel->r, .source_is_replica = rel->r.number == 1};
    struct vr_rel next = rel->r;
    memcpy(o.location, args->location, sizeof(o.location));
    int r = core_rel_move(&next, VR_REV_START_INITIAL, "", &err);
    if (r < 0) {
        core_answer_err(done, ctx, r, &err);
        return;
    }
    start(c, who, &o, rel, &next, done, ctx);
}

static struct rel_entry *held(struct core *c, const struct vr_uuid *vm)
{
    struct rel_entry *first = core_find_rel(c, vm, 0), *second = core_find_rel(c, vm, 1);
    return first && !first->r.is_source ? first : second && !second->r.is_source ? second : NULL;
}

static int check_import(struct core *c,
                        const struct core_import_args *args,
                        const struct rel_entry *rel,
                        struct vr_err *err)
{
    if (args->location[0] != '/') {
        return vr_fail(err, VR_E_INVALID, "an import needs a directory, by its absolute path");
    }
    if (!rel) {
        return vr_fail(err, VR_E_STATE, "this host holds no replica of the virtual machine");
    }
    if (rel->r.state != VR_REL_INITIAL) {
        return vr_fail(err, VR_E_STATE,
                       "the replica is '%s' (state %d): only one that waits for its initial "
                       "replication can import it",
                       vr_rel_state_text((int)rel->r.state), (int)rel->r.state);
    }
    if (jobs_busy(c, &args->vm_id) || rel->target_open) {
        return vr_fail(err, VR_E_BUSY, "another job or transfer is running on the replica");
    }
    return 0;
}

void core_import_initial(struct core *c,
                         const struct core_caller *who,
                         const struct core_import_args *args,
                         core_done done,
                         void *ctx)
{
    struct vr_err err = VR_ERR_INIT;
    struct core_offline o = {.import = true};
    if (!core_allowed(who, VR_ROLE_ADMIN, done, ctx)) {
        return;
    }
    struct rel_entry *rel = held(c, &args->vm_id);
    int r = check_import(c, args, rel, &err);
    r = r < 0 ? r : c->ops->replica_vm(c->ctx, &rel->r, &o.vm, &err);
    if (r < 0) {
        core_answer_err(done, ctx, r, &err);
        return;
    }
    o.rel = rel->r;
    memcpy(o.location, args->location, sizeof(o.location));
    start(c, who, &o, rel, NULL, done, ctx);
}

int offline_cancel(struct core *c, struct job_entry *e, struct vr_err *err)
{
    if (e->j.progress.phase >= VR_PHASE_COMMIT) {
        return vr_fail(err, VR_E_STATE, "commit has begun");
    }
    if (e->cmd != CMD_NONE) {
        return vr_fail(err, VR_E_STATE, "the job is being stopped already");
    }
    e->cmd = CMD_CANCEL;
    core_text(e->j.status, sizeof(e->j.status), "cancelling");
    c->ops->command_transfer(c->ctx, e->j.id, CORE_LANE_CANCEL, 0);
    return 0;
}

void offline_progress(struct job_entry *e, const struct vr_progress *p)
{
    if (p->phase != e->j.progress.phase && e->cmd == CMD_NONE && p->phase >= VR_PHASE_PROVE) {
        core_text(e->j.status, sizeof(e->j.status), "%s", vr_phase_text((int)p->phase));
    }
    e->j.cancellable = p->phase < VR_PHASE_COMMIT;
    e->j.progress = *p;
}

/* --- ends --- */

static void exported(struct core *c, struct job_entry *e, struct rel_entry *rel)
{
    struct vr_rel next = rel->r;
    next.exported = true;
    core_text(next.reason, sizeof(next.reason),
              "exported by job %llu: import it on %.128s, then resynchronize",
              (unsigned long long)e->j.id, next.peer);
    core_rel_put(c, rel, &next);
    job_finish(c, e, VR_JEV_COMPLETE, 0, CARRY);
}

static void imported(struct core *c, struct job_entry *e, const struct core_transfer_result *res)
{
    core_on_target_end(c, &e->j.vm_id, e->j.rel_number, res);
    job_finish(c, e, VR_JEV_COMPLETE, 0, "completed");
}

static void stopped(struct core *c,
                    struct job_entry *e,
                    struct rel_entry *rel,
                    const struct core_transfer_result *res,
                    enum job_cmd cmd)
{
    bool cancelled = res->result == -VR_E_CANCELED && cmd == CMD_CANCEL;
    char text[VR_TEXT_MAX];
    core_text(text, sizeof(text), "%s",
              cancelled          ? "cancelled"
              : cmd == CMD_ABORT ? e->abort_text
                                 : vr_err_text(&res->err));
    if (rel && rel->r.is_source && rel->r.state == VR_REL_INITIAL) {
        struct vr_rel next = rel->r;
        (void)!core_rel_move(&next, cancelled ? VR_REV_CANCEL : VR_REV_RESYNC_FAILED, text, NULL);
        core_rel_put(c, rel, &next);
    } else if (rel) {
        rel->target_open = false;
    }
    if (cancelled) {
        job_finish(c, e, VR_JEV_CANCEL, 0, text);
        return;
    }
    uint32_t code = cmd == CMD_ABORT ? VR_RC_FAILED : vr_retcode_of_error(res->result);
    job_fail(c, e, code, res->result, text);
}

void offline_end(struct core *c, struct job_entry *e, const struct core_transfer_result *res)
{
    struct rel_entry *rel = core_find_rel(c, &e->j.vm_id, e->j.rel_number);
    enum job_cmd cmd = e->cmd;
    bool import = e->j.type == VR_JOBTYPE_IMPORT;
    e->lane = false;
    e->cmd = CMD_NONE;
    if (res->result == 0 && rel && import) {
        imported(c, e, res);
    } else if (res->result == 0 && rel) {
        exported(c, e, rel);
    } else if (res->result == 0) {
        job_fail(c, e, VR_RC_INVALID_STATE, -VR_E_STATE, "the relationship was removed");
    } else {
        stopped(c, e, rel, res, cmd);
    }
    bool obeyed = e->j.state == VR_JOB_TERMINATED;
    job_answer_waiter(e, obeyed ? VR_RC_COMPLETED : VR_RC_INVALID_STATE, obeyed ? 0 : -VR_E_STATE,
                      obeyed ? NULL : "too late: the job had ended");
    jobs_pump(c);
}

void offline_interrupted(struct core *c, struct job_entry *e)
{
    struct rel_entry *rel = core_find_rel(c, &e->j.vm_id, e->j.rel_number);
    struct core_transfer_result res = {.result = -VR_E_CANCELED};
    if (rel && rel->r.is_source && rel->r.exported) { /* only the job's last save is missing */
        job_finish(c, e, VR_JEV_COMPLETE, 0, CARRY);
        return;
    }
    if (rel && !rel->r.is_source) { /* the sidecar knows */
        struct vr_peer_reply reply;
        (void)!core_ask_sidecar(c, rel, &reply, NULL);
        res.generation = reply.generation;
        res.report.instant_us = reply.instant_us;
        res.report.consistency = reply.consistency;
        res.result = vr_uuid_is_nil(&res.generation.uuid) ? res.result : 0;
    }
    if (res.result == 0) {
        imported(c, e, &res);
        return;
    }
    (void)vr_fail(&res.err, VR_E_CANCELED, JOB_INTERRUPTED);
    stopped(c, e, rel, &res, CMD_NONE);
}
