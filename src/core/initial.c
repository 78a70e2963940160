/* SPDX-License-Identifier: Apache-2.0 */
/*
 * StartReplication: the initial replication of a relationship that waits for it (state 1). Local
 * conditions in the order of Resynchronize's, then, when the start is now, the peer: it must hold
 * the replica, and for a seeded start the images to compare with. A scheduled start asks when it is
 * due (resync_due).
 */
#include <string.h>

#include "core/internal.h"
#include "util/vtime.h"

void initial_make_job(struct core *c,
                      const struct vr_vm *vm,
                      uint8_t number,
                      bool seeded,
                      uint64_t start_us,
                      const char *user,
                      struct vr_job *ret)
{
    char when[VR_ISO_TIME_LEN];
    bool now = start_us == 0;
    jobs_fill(c, ret, seeded ? VR_JOBTYPE_INITIAL_SEEDED : VR_JOBTYPE_INITIAL,
              now ? VR_JOB_STARTING : VR_JOB_NEW, vm, number, user);
    ret->seeded = seeded;
    ret->scheduled_us = start_us;
    core_text(ret->status, sizeof(ret->status), now ? "queued" : "scheduled for %s",
              vr_iso_time(start_us, when, sizeof(when)));
}

int initial_accept(struct core *c,
                   struct rel_entry *rel,
                   const struct vr_job *job,
                   uint64_t *ret_id,
                   struct vr_err *err)
{
    bool now = job->state != VR_JOB_NEW;
    struct vr_rel next = rel->r;
    struct job_entry *e;
    char why[VR_TEXT_MAX];
    core_text(why, sizeof(why), "superseded by job %llu", (unsigned long long)job->id);
    int r = now ? core_rel_move(&next, VR_REV_START_INITIAL, "", err) : 0;
    r = r < 0 ? r : jobs_accept(c, job, why, rel, now ? &next : NULL, &e, err);
    *ret_id = r < 0 ? 0 : e->j.id;
    return r;
}

static uint8_t number_of(struct core *c, const struct core_start_args *args)
{
    struct rel_entry *first = core_find_rel(c, &args->vm_id, 0);
    if (args->rel_number >= 0) {
        return (uint8_t)(args->rel_number > 0);
    }
    return first && !first->r.is_source ? 1 : 0;
}

static enum vr_transfer_kind kind_of(const struct core_start_args *args)
{
    return args->type == CORE_START_SEEDED ? VR_TRANSFER_SEEDED : VR_TRANSFER_INITIAL;
}

static void check_parameters(struct core *c,
                             const struct core_start_args *args,
                             bool *ret_now,
                             struct verdict *v)
{
    struct vr_err err = VR_ERR_INIT;
    if (args->type < CORE_START_NETWORK || args->type > CORE_START_SEEDED) {
        verdict_refuse(v, VR_RC_INVALID_PARAMETER, -VR_E_INVALID,
                       "initial replication is of type 1 (network), 2 (export) or 3 (seeded)");
    } else if (args->rel_number > 1) {
        verdict_refuse(v, VR_RC_INVALID_PARAMETER, -VR_E_INVALID,
                       "relationship numbers are 0 and 1");
    } else if (args->type == CORE_START_EXPORT) {
        if (args->location[0] != '/') {
            verdict_refuse(v, VR_RC_INVALID_PARAMETER, -VR_E_INVALID,
                           "an export needs a directory to go to, by its absolute path");
        }
    } else if (jobs_when(c, args->start_us, ret_now, &err) < 0) {
        verdict_refuse_err(v, VR_RC_INVALID_PARAMETER, &err);
    }
}

static void check_rel(struct core *c, const struct rel_entry *rel, struct verdict *v)
{
    char text[VR_TEXT_MAX];
    if (!rel || !rel->r.is_source) {
        verdict_refuse(v, VR_RC_INVALID_STATE, -VR_E_STATE,
                       rel ? "this host holds the replica; start on the host that sends"
                           : "replication is not enabled for this virtual machine");
        return;
    }
    if (rel->r.state != VR_REL_READY) {
        core_text(text, sizeof(text),
                  "the relationship is '%s' (state %d): only one that is '%s' can be started",
                  vr_rel_state_text((int)rel->r.state), (int)rel->r.state,
                  vr_rel_state_text(VR_REL_READY));
        verdict_refuse(v, VR_RC_INVALID_STATE, -VR_E_STATE, text);
        return;
    }
    struct job_entry *busy = jobs_busy(c, &rel->r.vm_id);
    if (busy || core_calling_about(c, &rel->r.vm_id)) {
        verdict_refuse(v, VR_RC_IN_USE, -VR_E_BUSY,
                       "another job is running on the virtual machine");
    }
}

static enum vr_role least_role(const struct core_start_args *args)
{
    return args->type == CORE_START_EXPORT ? VR_ROLE_ADMIN : VR_ROLE_OPERATOR;
}

/* Everything that can be judged on this host. */
static void judge(struct core *c,
                  const struct core_caller *who,
                  const struct core_start_args *args,
                  struct vr_vm *vm,
                  bool *ret_now,
                  struct verdict *v)
{
    struct vr_err err = VR_ERR_INIT;
    uint8_t number = number_of(c, args);
    *v = (struct verdict){0};
    check_parameters(c, args, ret_now, v);
    int r = v->code ? 0 : core_source_vm(c, &args->vm_id, number, vm, &err);
    if (r == -VR_E_NOT_FOUND) {
        verdict_refuse(v, VR_RC_INVALID_PARAMETER, -VR_E_NOT_FOUND,
                       "this host has no such virtual machine");
    } else if (!v->code && who->role < least_role(args)) {
        verdict_refuse(v, VR_RC_ACCESS_DENIED, -VR_E_DENIED,
                       args->type == CORE_START_EXPORT
                           ? "an export writes where it is told to: it needs the role administrator"
                           : "starting replication needs the role operator");
    } else if (r < 0) {
        verdict_refuse_err(v, VR_RC_STATUS_UNKNOWN, &err);
    } else if (!v->code && vm->ndisks == 0) {
        verdict_refuse(v, VR_RC_NOT_SUPPORTED, -VR_E_UNSUPPORTED,
                       "none of the virtual machine's disks takes part in replication");
    }
    if (!v->code) {
        check_rel(c, core_find_rel(c, &args->vm_id, number), v);
    }
    if (!v->code && c->ops->check_disks(c->ctx, vm, number == 1, &err) < 0) {
        verdict_refuse_err(v, vr_retcode_of_error(-(int)err.kind), &err);
    }
}

static void accept_call(struct core *c,
                        const struct core_caller *who,
                        const struct core_start_args *args,
                        const struct vr_vm *vm,
                        bool now,
                        core_done done,
                        void *ctx)
{
    struct vr_err err = VR_ERR_INIT;
    struct vr_job job;
    uint64_t id;
    uint8_t number = number_of(c, args);
    initial_make_job(c, vm, number, args->type == CORE_START_SEEDED, now ? 0 : args->start_us,
                     who->user, &job);
    int r = initial_accept(c, core_find_rel(c, &args->vm_id, number), &job, &id, &err);
    if (r < 0) {
        core_answer_err(done, ctx, r, &err);
        return;
    }
    core_answer_code(done, ctx, VR_RC_JOB_STARTED, id, 0, NULL);
    jobs_pump(c);
}

void core_start_replication(struct core *c,
                            const struct core_caller *who,
                            const struct core_start_args *args,
                            core_done done,
                            void *ctx)
{
    struct vr_vm vm;
    struct verdict v;
    bool now = false;
    judge(c, who, args, &vm, &now, &v);
    if (!v.code && args->type == CORE_START_EXPORT) {
        offline_export(c, who, args, core_find_rel(c, &args->vm_id, number_of(c, args)), &vm, done,
                       ctx);
        return;
    }
    if (!v.code && now) {
        struct call call = {
            .why = CALL_START,
            .vm = args->vm_id,
            .number = number_of(c, args),
            .who = *who,
            .start = *args,
            .done = done,
            .ctx = ctx,
        };
        resync_ask(c, &call, core_find_rel(c, &call.vm, call.number), &vm, kind_of(args), &v);
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

void initial_reply(struct core *c, const struct call *call, const struct vr_peer_reply *reply)
{
    struct vr_vm vm;
    struct verdict v;
    bool now = true;
    struct core_start_args args = call->start;
    args.start_us = 0; /* it was judged "now"; waiting for the answer makes it no later */
    judge(c, &call->who, &args, &vm, &now, &v); /* the world moved while we asked */
    struct rel_entry *rel = core_find_rel(c, &call->vm, call->number);
    if (!v.code) {
        resync_judge_peer(c, rel, reply, false, &v);
    }
    if (v.code) {
        core_answer_code(call->done, call->ctx, v.code, 0, v.kind, v.text);
        return;
    }
    accept_call(c, &call->who, &args, &vm, true, call->done, call->ctx);
}
