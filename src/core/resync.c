/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resynchronize: the conditions in the order of VR_RESYNC_CONDITIONS, then, when the start is now,
 * the peer. A scheduled call asks the peer when it is due; what is wrong then ends the job with the
 * code the call would have had.
 */
#include <string.h>

#include "core/internal.h"
#include "util/vtime.h"

void verdict_refuse(struct verdict *v, uint32_t code, int kind, const char *text)
{
    v->code = code;
    v->kind = kind;
    core_text(v->text, sizeof(v->text), "%s", text);
}

void verdict_refuse_err(struct verdict *v, uint32_t code, const struct vr_err *err)
{
    verdict_refuse(v, code, -(int)err->kind, vr_err_text(err));
}

static uint8_t number_of(struct core *c, const struct core_resync_args *args)
{
    if (args->rel_number >= 0) {
        return (uint8_t)(args->rel_number > 0);
    }
    struct rel_entry *first = core_find_rel(c, &args->vm_id, 0);
    if (first) {
        return first->r.is_source ? 0 : 1;
    }
    return core_find_rel(c, &args->vm_id, 1) ? 1 : 0;
}

/* The VM, wherever this host knows it from, with the disks that take part. */
static void find_vm(struct core *c,
                    const struct core_resync_args *args,
                    uint8_t number,
                    struct vr_vm *ret,
                    struct verdict *v)
{
    struct vr_err err = VR_ERR_INIT;
    struct rel_entry *first = core_find_rel(c, &args->vm_id, 0);
    struct rel_entry *second = core_find_rel(c, &args->vm_id, 1);
    struct rel_entry *held = first && !first->r.is_source     ? first
                             : second && !second->r.is_source ? second
                                                              : NULL;
    *ret = (struct vr_vm){0};
    if (args->rel_number > 1) {
        verdict_refuse(v, VR_RC_INVALID_PARAMETER, -VR_E_INVALID,
                       "relationship numbers are 0 and 1");
        return;
    }
    int r = held ? c->ops->replica_vm(c->ctx, &held->r, ret, &err)
                 : c->ops->find_vm(c->ctx, &args->vm_id, ret, &err);
    if (r < 0 && !held && r == -VR_E_NOT_FOUND) {
        verdict_refuse_err(v, VR_RC_INVALID_PARAMETER, &err);
    } else if (r < 0) {
        verdict_refuse_err(v, r == -VR_E_TIMEOUT ? VR_RC_TIMEOUT : VR_RC_STATUS_UNKNOWN, &err);
    } else {
        struct rel_entry *rel = core_find_rel(c, &args->vm_id, number);
        core_include_only(ret, rel ? rel->r.excluded : "");
    }
}

static void
check_role(const struct core_caller *who, const struct core_resync_args *args, struct verdict *v)
{
    if (who->role < VR_ROLE_OPERATOR) {
        verdict_refuse(v, VR_RC_ACCESS_DENIED, -VR_E_DENIED,
                       "resynchronizing needs the role operator");
    } else if (args->force && who->role < VR_ROLE_ADMIN) {
        verdict_refuse(v, VR_RC_ACCESS_DENIED, -VR_E_DENIED,
                       "forcing needs the role administrator");
    }
}

/* Conditions UNKNOWN, STATE and BUSY. own_job: the due job itself is no obstacle. */
static void check_rel(struct core *c,
                      const struct core_resync_args *args,
                      const struct rel_entry *rel,
                      uint64_t own_job,
                      struct verdict *v)
{
    if (!rel || !rel->r.is_source) {
        bool replica = core_vm_mode(c, &args->vm_id) >= VR_MODE_REPLICA;
        verdict_refuse(v, VR_RC_INVALID_STATE, -VR_E_STATE,
                       replica ? "this host holds the replica and does not replicate it further; "
                                 "resynchronize on the primary host"
                               : "replication is not enabled for this virtual machine");
        return;
    }
    char text[VR_TEXT_MAX];
    if (rel->r.needs_decision && !args->force) {
        core_text(text, sizeof(text), "%s; decide with vmreplica adopt or resync --force",
                  rel->r.reason[0] ? rel->r.reason : "the two hosts disagree about the lineage");
        verdict_refuse(v, VR_RC_STATUS_UNKNOWN, -VR_E_LINEAGE, text);
        return;
    }
    enum vr_rel_state to;
    bool running = rel->r.state == VR_REL_RESYNCHRONIZING;
    bool first = rel->r.state == VR_REL_INITIAL && !rel->r.exported;
    if (first || (!running && !vr_rel_next(rel->r.state, VR_REV_START_RESYNC, &to))) {
        core_text(text, sizeof(text),
                  "the relationship is '%s' (state %d), which does not allow it",
                  vr_rel_state_text((int)rel->r.state), (int)rel->r.state);
        verdict_refuse(v, VR_RC_INVALID_STATE, -VR_E_STATE, text);
        return;
    }
    /* Asked again when the peer has answered: a person may have switched it off meanwhile. */
    if (args->automatic && !auto_may(c, rel, core_now(c))) {
        verdict_refuse(v, VR_RC_INVALID_STATE, -VR_E_STATE,
                       "automatic resynchronization was switched off, or its window has ended");
        return;
    }
    struct job_entry *busy = jobs_busy(c, &args->vm_id);
    if (busy && busy->j.id != own_job) {
        core_text(text, sizeof(text), "job %llu (%s) is %s on this virtual machine",
                  (unsigned long long)busy->j.id, vr_job_type_text((int)busy->j.type),
                  vr_job_state_text((int)busy->j.state));
        verdict_refuse(v, VR_RC_IN_USE, -VR_E_BUSY, text);
    } else if (running || core_calling_about(c, &args->vm_id)) {
        verdict_refuse(v, VR_RC_IN_USE, -VR_E_BUSY,
                       "another resynchronization is starting or running");
    }
}

/* Everything that can be judged on this host. */
static void judge(struct core *c,
                  const struct core_caller *who,
                  const struct core_resync_args *args,
                  uint64_t own_job,
                  struct vr_vm *vm,
                  bool *ret_now,
                  struct verdict *v)
{
    struct vr_err err = VR_ERR_INIT;
    uint8_t number = number_of(c, args);
    struct rel_entry *rel = core_find_rel(c, &args->vm_id, number);
    *v = (struct verdict){0};
    find_vm(c, args, number, vm, v);
    bool no_such_vm = v->code == VR_RC_INVALID_PARAMETER;
    if (!no_such_vm && jobs_when(c, args->start_us, ret_now, &err) < 0) {
        verdict_refuse_err(v, VR_RC_INVALID_PARAMETER, &err);
        return;
    }
    struct verdict role = {0};
    check_role(who, args, &role);
    if (role.code && !no_such_vm) {
        *v = role;
    }
    if (!v->code && vm->ndisks == 0) {
        verdict_refuse(v, VR_RC_NOT_SUPPORTED, -VR_E_UNSUPPORTED,
                       "none of the virtual machine's disks takes part in replication");
    }
    if (!v->code) {
        check_rel(c, args, rel, own_job, v);
    }
    if (!v->code && c->ops->check_disks(c->ctx, vm, number == 1, &err) < 0) {
        verdict_refuse_err(v, vr_retcode_of_error(-(int)err.kind), &err);
    }
}

uint32_t resync_peer_code(int result)
{
    switch (-result) {
    case VR_E_DENIED:  /* the peer refuses this host: no fault of the caller's role */
    case VR_E_INVALID: /* geometry: no parameter of the call is wrong */
        return VR_RC_FAILED;
    case VR_E_AUTH:
        return VR_RC_NOT_AVAILABLE;
    default:
        return vr_retcode_of_error(result);
    }
}

void resync_judge_peer(struct core *c,
                       struct rel_entry *rel,
                       const struct vr_peer_reply *reply,
                       bool force,
                       struct verdict *v)
{
    *v = (struct verdict){0};
    if (reply->result == 0 && reply->proposed_done) {
        transfer_settle(c, rel, reply);
    }
    char text[VR_TEXT_MAX];
    if (reply->result == 0 && rel->r.exported && vr_uuid_is_nil(&reply->generation.uuid)) {
        core_text(text, sizeof(text), "%.128s has not imported the first copy yet", rel->r.peer);
        verdict_refuse(v, VR_RC_INVALID_STATE, -VR_E_STATE, text);
        return;
    }
    if (reply->result == 0 || (reply->result == -VR_E_LINEAGE && force)) {
        return;
    }
    core_peer_text(text, sizeof(text), rel->r.peer, reply);
    verdict_refuse(v, resync_peer_code(reply->result), reply->result, text);
    if (reply->result == -VR_E_LINEAGE) {
        transfer_lineage(c, rel, text);
    }
}

static void make_job(struct core *c,
                     const struct core_resync_args *args,
                     uint8_t number,
                     const char *user,
                     const struct vr_vm *vm,
                     bool now,
                     struct vr_job *ret)
{
    jobs_fill(c, ret, number == 1 ? VR_JOBTYPE_RESYNC_EXTENDED : VR_JOBTYPE_RESYNC,
              now ? VR_JOB_STARTING : VR_JOB_NEW, vm, number, user);
    ret->force = args->force;
    ret->automatic = args->automatic;
    ret->restart = args->restart;
    ret->scheduled_us = now ? 0 : args->start_us;
    char when[VR_ISO_TIME_LEN];
    core_text(ret->status, sizeof(ret->status), now ? "queued" : "scheduled for %s",
              vr_iso_time(args->start_us, when, sizeof(when)));
}

/* Nothing speaks against it: persist, then queue. */
static void accept_call(struct core *c,
                        const struct core_caller *who,
                        const struct core_resync_args *args,
                        const struct vr_vm *vm,
                        bool now,
                        core_done done,
                        void *ctx)
{
    struct vr_err err = VR_ERR_INIT;
    uint8_t number = number_of(c, args);
    struct rel_entry *rel = core_find_rel(c, &args->vm_id, number);
    struct vr_rel next = rel->r;
    struct vr_job job;
    struct job_entry *e;
    char superseded[VR_TEXT_MAX];
    bool was_replicating = rel->r.state == VR_REL_REPLICATING;
    make_job(c, args, number, who->user, vm, now, &job);
    core_text(superseded, sizeof(superseded), "superseded by job %llu", (unsigned long long)job.id);
    int r = now ? core_rel_move(&next, VR_REV_START_RESYNC, "", &err) : 0;
    next.needs_decision = next.needs_decision && !now;
    if (r == 0) {
        r = jobs_accept(c, &job, superseded, rel, now ? &next : NULL, &e, &err);
    }
    if (r != 0) {
        core_answer_err(done, ctx, r, &err);
        return;
    }
    e->was_replicating = was_replicating;
    if (args->force) {
        core_event(c, CORE_EV_FORCED, &job.vm_id, job.vm_name,
                   "job %llu: %s forces the replica on %s to be overwritten",
                   (unsigned long long)job.id, who->user, next.peer);
    }
    if (now && c->config.sync_wait_us) {
        e->sync_done = done;
        e->sync_ctx = ctx;
        e->sync_until_us = core_now(c) + c->config.sync_wait_us;
    } else {
        core_answer_code(done, ctx, VR_RC_JOB_STARTED, job.id, 0, NULL);
    }
    jobs_pump(c);
}

void resync_ask(struct core *c,
                const struct call *call,
                const struct rel_entry *rel,
                const struct vr_vm *vm,
                enum vr_transfer_kind kind,
                struct verdict *v)
{
    struct vr_err err = VR_ERR_INIT;
    struct vr_peer_request req;
    *v = (struct verdict){0};
    core_peer_request(&rel->r, vm, VR_PEER_PREFLIGHT, &req);
    req.kind = kind;
    req.force = call->resync.force;
    int r = core_call(c, call, rel->r.peer, rel->r.peer_identity, &req, &err);
    if (r < 0) {
        verdict_refuse_err(v, vr_retcode_of_error(r), &err);
    }
}

/* A cycle's transfer makes way. True: when it has, this call goes on. */
static bool wait_for_delta(struct core *c,
                           const struct core_caller *who,
                           const struct core_resync_args *args,
                           core_done done,
                           void *ctx,
                           struct verdict *v)
{
    struct vr_err err = VR_ERR_INIT;
    uint8_t number = number_of(c, args);
    int r = delta_give_way(c, &args->vm_id, number, "made way for a resynchronization", &err);
    bool waits = r > 0;
    if (waits) {
        r = delta_park(delta_of(c, &args->vm_id, number), who, args, done, ctx, &err);
    }
    if (r < 0) {
        verdict_refuse_err(v, vr_retcode_of_error(r), &err);
    }
    return waits && r == 0;
}

void core_resync(struct core *c,
                 const struct core_caller *who,
                 const struct core_resync_args *args,
                 core_done done,
                 void *ctx)
{
    struct vr_vm vm;
    struct verdict v;
    bool now = false;
    judge(c, who, args, 0, &vm, &now, &v);
    if (!v.code && now && wait_for_delta(c, who, args, done, ctx, &v)) {
        return;
    }
    if (!v.code && now) {
        struct call call = {
            .why = CALL_RESYNC,
            .vm = args->vm_id,
            .number = number_of(c, args),
            .who = *who,
            .resync = *args,
            .done = done,
            .ctx = ctx,
        };
        resync_ask(c, &call, core_find_rel(c, &call.vm, call.number), &vm, VR_TRANSFER_RESYNC, &v);
        if (!v.code) {
            return;
        }
    }
    if (v.code) {
        core_answer_code(done, ctx, v.code, 0, v.kind, v.text);
        return;
    }
    accept_call(c, who, args, &vm, now, done, ctx);
}

void resync_reply(struct core *c, const struct call *call, const struct vr_peer_reply *reply)
{
    struct vr_vm vm;
    struct verdict v;
    bool now = true;
    struct core_resync_args args = call->resync;
    args.start_us = 0; /* it was judged "now"; waiting for the answer makes it no later */
    judge(c, &call->who, &args, 0, &vm, &now, &v); /* the world moved while we asked */
    struct rel_entry *rel = core_find_rel(c, &call->vm, call->number);
    if (!v.code && core_call_is_stale(call, rel)) {
        verdict_refuse(&v, VR_RC_IN_USE, -VR_E_BUSY,
                       "a transfer ended while the peer was asked; try again");
    }
    if (!v.code) {
        resync_judge_peer(c, rel, reply, args.force, &v);
    }
    if (v.code) {
        core_answer_code(call->done, call->ctx, v.code, 0, v.kind, v.text);
        return;
    }
    accept_call(c, &call->who, &args, &vm, true, call->done, call->ctx);
}

/* --- a scheduled job whose time has come --- */

static void
args_of_job(const struct vr_job *j, struct core_resync_args *ret, struct core_caller *ret_who)
{
    *ret = (struct core_resync_args){
        .vm_id = j->vm_id,
        .rel_number = j->rel_number,
        .force = j->force,
        .restart = j->restart,
    };
    *ret_who = (struct core_caller){.role = VR_ROLE_ADMIN}; /* judged when it was scheduled */
}

/* Local conditions of a due job. An initial replication asks for state 1 instead. */
static void judge_due(struct core *c, struct job_entry *e, struct vr_vm *vm, struct verdict *v)
{
    struct core_resync_args args;
    struct core_caller who;
    struct vr_err err = VR_ERR_INIT;
    bool now;
    args_of_job(&e->j, &args, &who);
    *v = (struct verdict){0};
    if (!job_is_initial(&e->j)) {
        judge(c, &who, &args, e->j.id, vm, &now, v);
        return;
    }
    struct rel_entry *rel = core_find_rel(c, &e->j.vm_id, e->j.rel_number);
    enum vr_rel_state to;
    if (!rel || !vr_rel_next(rel->r.state, VR_REV_START_INITIAL, &to)) {
        verdict_refuse(v, VR_RC_INVALID_STATE, -VR_E_STATE,
                       "the relationship no longer waits for its initial replication");
        return;
    }
    int r = core_source_vm(c, &e->j.vm_id, e->j.rel_number, vm, &err);
    r = r < 0 ? r : c->ops->check_disks(c->ctx, vm, e->j.rel_number == 1, &err);
    if (r < 0) {
        verdict_refuse_err(v, vr_retcode_of_error(r), &err);
    }
}

/* A job that was due and does not start. */
static void missed(struct core *c, struct job_entry *e, uint32_t code, int kind, const char *text)
{
    stats_missed(c, &e->j);
    job_fail(c, e, code, kind, text);
}

/* What the peer is asked for. */
static enum vr_transfer_kind kind_of_due(const struct vr_job *j)
{
    return !job_is_initial(j) ? VR_TRANSFER_RESYNC
           : j->seeded        ? VR_TRANSFER_SEEDED
                              : VR_TRANSFER_INITIAL;
}

void resync_due(struct core *c, struct job_entry *e)
{
    if (c->ncalls >= CORE_DUE_CALLS_MAX || e->not_before_us > core_now(c)) {
        return; /* the next tick */
    }
    const char *way = "made way for a scheduled resynchronization";
    if (delta_give_way(c, &e->j.vm_id, e->j.rel_number, way, NULL) != 0) {
        e->not_before_us = core_now(c) + CORE_SEC;
        return;
    }
    struct vr_vm vm;
    struct verdict v;
    struct vr_job next = e->j;
    struct vr_err err = VR_ERR_INIT;
    judge_due(c, e, &vm, &v);
    if (v.code) {
        missed(c, e, v.code, v.kind, v.text);
        return;
    }
    int r = job_move(c, &next, VR_JEV_DUE, &err);
    vr_assert(r == 0);
    core_text(next.status, sizeof(next.status), "asking the peer host");
    if (job_save(c, e, &next, &err) < 0) {
        e->not_before_us = core_now(c) + CORE_MINUTE;
        core_event(c, CORE_EV_SAVE_FAILED, &next.vm_id, next.vm_name, "%s; trying again",
                   vr_err_text(&err));
        return;
    }
    struct call call = {
        .why = CALL_DUE,
        .vm = e->j.vm_id,
        .number = e->j.rel_number,
        .job_id = e->j.id,
    };
    struct core_caller who;
    args_of_job(&e->j, &call.resync, &who);
    e->calling = true;
    uint64_t id = e->j.id;
    resync_ask(c, &call, core_find_rel(c, &call.vm, call.number), &vm, kind_of_due(&e->j), &v);
    e = jobs_find(c, id);
    if (v.code && e) {
        e->calling = false;
        missed(c, e, v.code, v.kind, v.text);
    }
}

void resync_due_reply(struct core *c, const struct call *call, const struct vr_peer_reply *reply)
{
    struct job_entry *e = jobs_find(c, call->job_id);
    if (!e || !e->calling) {
        return;
    }
    e->calling = false;
    if (e->j.state != VR_JOB_STARTING) {
        return; /* cancelled while we asked */
    }
    struct vr_vm vm;
    struct verdict v;
    struct vr_err err = VR_ERR_INIT;
    judge_due(c, e, &vm, &v);
    struct rel_entry *rel = core_find_rel(c, &call->vm, call->number);
    if (!v.code && core_call_is_stale(call, rel)) {
        struct call again = *call;
        e->calling = true;
        resync_ask(c, &again, rel, &vm, kind_of_due(&e->j), &v);
        if (!v.code) {
            return;
        }
        e->calling = false;
    } else if (!v.code) {
        resync_judge_peer(c, rel, reply, e->j.force, &v);
    }
    if (v.code) {
        missed(c, e, v.code, v.kind, v.text);
        return;
    }
    struct vr_rel next = rel->r;
    e->was_replicating = rel->r.state == VR_REL_REPLICATING;
    int r = core_rel_move(&next, transfer_start_event(&e->j), "", &err);
    if (r == 0) {
        next.needs_decision = false;
        r = core_rel_save(c, rel, &next, &err);
    }
    if (r < 0) {
        missed(c, e, vr_retcode_of_error(r), r, vr_err_text(&err));
        return;
    }
    jobs_supersede(c, e);
    jobs_pump(c);
}
