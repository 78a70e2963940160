/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs 92 and 93. The job is stored, running, before anything is changed, so that a crash leaves a
 * job whose end core_start can tell: a relationship that is gone was removed, settings are said to
 * be in doubt.
 */
#include "core/change.h"

#include <string.h>
#include <strings.h>

#include "core/internal.h"

/* Stores a job that runs now and will not be cancelled. */
static int begin(struct core *c,
                 enum vr_job_type type,
                 struct rel_entry *rel,
                 const struct vr_rel *next,
                 const struct core_caller *who,
                 struct job_entry **ret,
                 struct vr_err *err)
{
    struct vr_vm vm;
    struct vr_job job;
    struct vr_rel copy = rel->r; /* the environment may change what core lends */
    int r = copy.is_source ? core_source_vm(c, &copy.vm_id, copy.number, &vm, NULL)
                           : c->ops->replica_vm(c->ctx, &copy, &vm, NULL);
    if (r < 0) { /* its machine or images are gone: the relationship can still be cared for */
        vm = (struct vr_vm){.id = copy.vm_id};
        core_text(vm.name, sizeof(vm.name), "%s", copy.vm_name);
    }
    jobs_fill(c, &job, type, VR_JOB_RUNNING, &vm, copy.number, who->user);
    job.started_us = job.submitted_us;
    job.cancellable = false;
    core_text(job.status, sizeof(job.status), "running");
    return jobs_accept(c, &job, NULL, next ? rel : NULL, next, ret, err);
}

/* A job that changes the relationship itself is in nobody's way but another such one's. */
static int
check_idle(struct core *c, const struct rel_entry *rel, bool transfers, struct vr_err *err)
{
    for (struct job_entry *e = jobs_of(c, &rel->r.vm_id); e; e = jobs_of_next(e)) {
        bool ours = e->j.rel_number == rel->r.number && e->j.state == VR_JOB_RUNNING;
        if (ours && (transfers || !job_is_transfer(&e->j))) {
            return vr_fail(err, VR_E_BUSY, "job %llu (%s) is running on this virtual machine",
                           (unsigned long long)e->j.id, vr_job_type_text((int)e->j.type));
        }
    }
    return 0;
}

/* --- 92 --- */

static int change_peer(struct vr_rel *rel, const char *point, struct vr_err *err)
{
    char host[VR_HOST_MAX];
    uint16_t port;
    if (!point[0]) {
        return 0;
    }
    if (!vr_host_split(point, host, sizeof(host), &port)) {
        return vr_fail(err, VR_E_INVALID, "'%.128s' is no host or host:port", point);
    }
    if (strcasecmp(host, rel->peer_identity) != 0) {
        return vr_fail(err, VR_E_INVALID,
                       "the replica is on %.100s and stays there: to replicate to '%.100s', "
                       "remove the relationship and create another",
                       rel->peer_identity, host);
    }
    core_text(rel->peer, sizeof(rel->peer), "%s", point);
    return 0;
}

static int modified(struct core *c,
                    struct rel_entry *rel,
                    const struct core_modify_args *args,
                    struct vr_rel *next,
                    struct vr_err *err)
{
    if (!rel || !rel->r.is_source) {
        return vr_fail(err, VR_E_STATE,
                       "this host does not send this relationship; ask the primary host");
    }
    *next = rel->r;
    int r = vr_setting_apply(&rel->r.setting, &args->setting, args->number, &next->setting, err);
    if (r == 0 && next->setting.interval_s != rel->r.setting.interval_s) {
        next->cycle_us = 0; /* counted from now on */
    }
    r = r < 0 ? r : change_peer(next, args->peer, err);
    return r < 0 ? r : check_idle(c, rel, false, err);
}

void core_modify(struct core *c,
                 const struct core_caller *who,
                 const struct core_modify_args *args,
                 core_done done,
                 void *ctx)
{
    struct vr_err err = VR_ERR_INIT;
    struct job_entry *e;
    struct vr_rel next;
    if (!core_allowed(who, VR_ROLE_ADMIN, done, ctx)) {
        return;
    }
    struct rel_entry *rel = core_find_rel(c, &args->vm_id, args->number);
    int r = modified(c, rel, args, &next, &err);
    r = r < 0 ? r : begin(c, VR_JOBTYPE_MODIFY, rel, &next, who, &e, &err);
    if (r < 0) {
        core_answer_err(done, ctx, r, &err);
        return;
    }
    uint64_t id = e->j.id;
    job_finish(c, e, VR_JEV_COMPLETE, 0, "completed");
    core_answer_code(done, ctx, VR_RC_JOB_STARTED, id, 0, NULL);
}

/* --- 93 --- */

static int removable(struct core *c, struct rel_entry *rel, struct vr_err *err)
{
    if (!rel) {
        return vr_fail(err, VR_E_STATE, "replication is not enabled for this virtual machine");
    }
    struct rel_entry *second = core_find_rel(c, &rel->r.vm_id, 1);
    if (!rel->r.is_source && rel->r.number == 0 && second && second->r.is_source) {
        return vr_fail(err, VR_E_STATE,
                       "the replica is replicated further, to %.128s: remove that relationship "
                       "(number 1) first",
                       second->r.peer);
    }
    return check_idle(c, rel, true, err);
}

/* The relationship is gone here; job 93 ends when the peer knows, or could not be told. */
static void
tell_peer(struct core *c, struct job_entry *e, const struct vr_rel *gone, const char *user)
{
    struct vr_err err = VR_ERR_INIT;
    struct vr_peer_request req;
    struct call call = {.why = CALL_REMOVE,
                        .vm = gone->vm_id,
                        .number = gone->number,
                        .job_id = e->j.id,
                        .who = {.role = VR_ROLE_ADMIN}};
    core_text(call.who.user, sizeof(call.who.user), "%s", user);
    core_peer_request(gone, NULL, VR_PEER_DISABLE, &req);
    int r = core_call(c, &call, gone->peer, gone->peer_identity, &req, &err);
    if (r < 0) {
        struct vr_peer_reply reply = {.result = r};
        core_text(reply.text, sizeof(reply.text), "%s", vr_err_text(&err));
        change_reply(c, &call, &reply);
    }
}

void core_remove(struct core *c,
                 const struct core_caller *who,
                 const struct vr_uuid *vm,
                 uint8_t number,
                 core_done done,
                 void *ctx)
{
    struct vr_err err = VR_ERR_INIT;
    struct job_entry *e;
    if (!core_allowed(who, VR_ROLE_ADMIN, done, ctx)) {
        return;
    }
    struct rel_entry *rel = core_find_rel(c, vm, number);
    int r = removable(c, rel, &err);
    r = r < 0 ? r : begin(c, VR_JOBTYPE_DISABLE, rel, NULL, who, &e, &err);
    if (r < 0) {
        core_answer_err(done, ctx, r, &err);
        return;
    }
    uint64_t id = e->j.id;
    struct vr_rel gone = rel->r;
    r = core_forget(c, rel, id, &err);
    if (r < 0) {
        job_fail(c, e, vr_retcode_of_error(r), r, vr_err_text(&err));
    } else {
        core_event(c, CORE_EV_DISABLED, &gone.vm_id, NULL, "%s removed relationship %u with %s",
                   who->user, gone.number, gone.peer);
        if (gone.is_source) {
            tell_peer(c, e, &gone, who->user);
        } else {
            job_finish(c, e, VR_JEV_COMPLETE, 0, "completed");
        }
    }
    core_answer_code(done, ctx, VR_RC_JOB_STARTED, id, 0, NULL);
    jobs_pump(c);
}

void change_reply(struct core *c, const struct call *call, const struct vr_peer_reply *reply)
{
    struct job_entry *e = jobs_find(c, call->job_id);
    char text[VR_TEXT_MAX];
    if (!e || e->j.state != VR_JOB_RUNNING) {
        return;
    }
    core_text(text, sizeof(text), "removed here; the peer host could not be told: %.180s",
              reply->text[0] ? reply->text : vr_kind_text(reply->result));
    job_finish(c, e, VR_JEV_COMPLETE, 0, reply->result < 0 ? text : "completed");
}
