/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Enable: local checks, job 91 asks the replica host to make the replica, then the relationship is
 * saved (state 1) and job 94, the initial replication, is queued or scheduled. On a relationship
 * that still waits for its initial replication, the same call to the same host starts that again.
 */
#include <string.h>
#include <strings.h>

#include "core/internal.h"
#include "model/names.h"

static int check_peer(struct core *c, const char *point, char *ret_host, struct vr_err *err)
{
    uint16_t port;
    char own[VR_HOST_MAX];
    if (!vr_host_split(point, ret_host, VR_HOST_MAX, &port)) {
        return vr_fail(err, VR_E_INVALID, "'%.128s' is no host or host:port", point);
    }
    if (!vr_host_split(c->config.host_name, own, sizeof(own), &port)) {
        core_text(own, sizeof(own), "%s", c->config.host_name);
    }
    if (strcasecmp(own, ret_host) == 0 || core_is_self(c, ret_host)) {
        return vr_fail(err, VR_E_INVALID, "'%.128s' is this host itself", point);
    }
    return 0;
}

static int
check_excluded(const struct vr_vm *vm, const struct core_enable_args *args, struct vr_err *err)
{
    for (uint32_t i = 0; i < args->nexcluded; i++) {
        bool found = false;
        for (uint32_t k = 0; k < vm->ndisks; k++) {
            found = found || strcmp(vm->disks[k].name, args->excluded[i]) == 0;
        }
        if (!found) {
            return vr_fail(err, VR_E_INVALID, "the virtual machine has no disk '%.100s' to exclude",
                           args->excluded[i]);
        }
    }
    return 0;
}

/* The relationship as it will be. */
static int describe(struct core *c,
                    const struct core_enable_args *args,
                    uint8_t number,
                    struct vr_rel *ret,
                    struct vr_err *err)
{
    *ret = (struct vr_rel){
        .vm_id = args->vm_id,
        .number = number,
        .is_source = true,
        .state = VR_REL_READY,
        .health = VR_HEALTH_WARNING,
        .reason = "waits for its initial replication",
        .created_us = core_now(c),
        .bandwidth_bytes_s = args->bandwidth_bytes_s,
    };
    core_text(ret->peer, sizeof(ret->peer), "%s", args->peer);
    int r = args->nexcluded > VR_DISKS_MAX
                ? vr_fail(err, VR_E_LIMIT, "more than %d disks excluded", VR_DISKS_MAX)
                : 0;
    for (uint32_t i = 0; r == 0 && i < args->nexcluded; i++) {
        r = vr_names_add(ret->excluded, args->excluded[i], err);
    }
    if (r < 0) {
        return r;
    }
    struct rel_entry *old = core_find_rel(c, &args->vm_id, number); /* tried before */
    struct vr_setting first = old ? old->r.setting : vr_setting_default();
    r = vr_setting_apply(&first, &args->setting, number, &ret->setting, err);
    return r < 0 ? r : check_peer(c, args->peer, ret->peer_identity, err);
}

static int check_existing(struct core *c,
                          const struct core_enable_args *args,
                          uint8_t number,
                          struct vr_err *err)
{
    struct rel_entry *rel = core_find_rel(c, &args->vm_id, number);
    if (!rel) {
        return c->nrels < CORE_RELS_MAX
                   ? 0
                   : vr_fail(err, VR_E_LIMIT,
                             "this host has %d relationships, the most it can hold", CORE_RELS_MAX);
    }
    if (!rel->r.is_source) {
        return vr_fail(err, VR_E_STATE, "this host holds the extended replica; it ends here");
    }
    if (rel->r.state == VR_REL_READY && strcasecmp(rel->r.peer, args->peer) == 0) {
        return 0;
    }
    return vr_fail(err, VR_E_STATE, "replication to %s is enabled already", rel->r.peer);
}

static int check(struct core *c,
                 const struct core_enable_args *args,
                 uint8_t number,
                 struct vr_rel *rel,
                 struct vr_vm *vm,
                 struct vr_err *err)
{
    bool now;
    int r = jobs_when(c, args->start_us, &now, err);
    r = r < 0 ? r : describe(c, args, number, rel, err);
    r = r < 0 ? r : core_whole_vm(c, &args->vm_id, number, vm, err);
    if (r == -VR_E_NOT_FOUND) {
        return vr_fail(err, VR_E_INVALID, "this host has no such virtual machine");
    }
    r = r < 0 ? r : check_excluded(vm, args, err);
    if (r < 0) {
        return r;
    }
    core_include_only(vm, rel->excluded);
    if (vm->ndisks == 0) {
        return vr_fail(err, VR_E_UNSUPPORTED, "no disk would take part in replication");
    }
    r = check_existing(c, args, number, err);
    if (r < 0) {
        return r;
    }
    if (jobs_busy(c, &args->vm_id) || core_calling_about(c, &args->vm_id)) {
        return vr_fail(err, VR_E_BUSY, "another job is running on the virtual machine");
    }
    return c->ops->check_disks(c->ctx, vm, number == 1, err);
}

void core_enable(struct core *c,
                 const struct core_caller *who,
                 const struct core_enable_args *args,
                 core_done done,
                 void *ctx)
{
    struct vr_err err = VR_ERR_INIT;
    struct vr_rel rel;
    struct vr_vm vm;
    struct vr_job job;
    struct job_entry *e = NULL;
    if (!core_allowed(who, VR_ROLE_ADMIN, done, ctx)) {
        return;
    }
    struct rel_entry *first = core_find_rel(c, &args->vm_id, 0);
    uint8_t number = first && !first->r.is_source ? 1 : 0;
    int r = check(c, args, number, &rel, &vm, &err);
    if (r == 0) {
        jobs_fill(c, &job, VR_JOBTYPE_ENABLE, VR_JOB_RUNNING, &vm, number, who->user);
        job.started_us = job.submitted_us;
        job.cancellable = false;
        core_text(job.status, sizeof(job.status), "asking %.200s", args->peer);
        r = jobs_accept(c, &job, NULL, NULL, NULL, &e, &err);
    }
    if (r != 0) {
        core_answer_err(done, ctx, r, &err);
        return;
    }
    struct call call = {
        .why = CALL_ENABLE,
        .vm = args->vm_id,
        .number = number,
        .job_id = job.id,
        .who = *who,
        .enable = *args,
        .done = args->background ? NULL : done,
        .ctx = ctx,
    };
    struct vr_peer_request req;
    core_peer_request(&rel, &vm, VR_PEER_ENABLE, &req);
    req.kind = args->seeded       ? VR_TRANSFER_SEEDED
               : args->keep_found ? VR_PEER_ENABLE_KEEPS
                                  : VR_TRANSFER_INITIAL;
    if (args->background) {
        core_answer_code(done, ctx, VR_RC_JOB_STARTED, job.id, 0, NULL);
    }
    r = core_call(c, &call, rel.peer, rel.peer_identity, &req, &err);
    if (r < 0) {
        job_fail(c, e, vr_retcode_of_error(r), r, vr_err_text(&err));
        core_answer_err(call.done, ctx, r, &err);
    }
}

/* Saved and in memory, or neither. */
static int add_rel(struct core *c, const struct vr_rel *rel, struct vr_err *err)
{
    struct rel_entry *e = core_find_rel(c, &rel->vm_id, rel->number);
    if (e) { /* tried before: what was perhaps committed then stays known */
        struct vr_rel next = *rel;
        next.generation = e->r.generation;
        next.proposed = e->r.proposed;
        next.proposed_job = e->r.proposed_job;
        next.proposed_us = e->r.proposed_us;
        next.proposed_from = e->r.proposed_from;
        next.made_from = e->r.made_from;
        next.proposed_consistency = e->r.proposed_consistency;
        next.nhistory = e->r.nhistory;
        next.created_us = e->r.created_us;
        next.stats = e->r.stats;
        memcpy(next.history, e->r.history, sizeof(next.history));
        return core_rel_save(c, e, &next, err);
    }
    int r = core_insert_rel(c, rel, err);
    if (r < 0) {
        return r;
    }
    e = core_find_rel(c, &rel->vm_id, rel->number);
    r = c->ops->save_rel(c->ctx, &e->r, err);
    if (r < 0) {
        core_remove_rel(c, e);
        return vr_wrap(err, r, "cannot save the relationship");
    }
    return 0;
}

static int start_initial(struct core *c,
                         const struct call *call,
                         const struct vr_vm *vm,
                         uint64_t *ret_id,
                         struct vr_err *err)
{
    const struct core_enable_args *args = &call->enable;
    bool now = args->start_us <= core_now(c);
    struct vr_job job;
    initial_make_job(c, vm, call->number, args->seeded, now ? 0 : args->start_us, call->who.user,
                     &job);
    return initial_accept(c, core_find_rel(c, &call->vm, call->number), &job, ret_id, err);
}

/*
 * The replica holds a generation although this host remembers none: its records were lost. What is
 * there is not overwritten unasked; whether it is ours is for a person to say.
 */
static bool replica_is_older(struct core *c, struct vr_rel *rel, const struct vr_peer_reply *reply)
{
    const struct rel_entry *old = core_find_rel(c, &rel->vm_id, rel->number);
    bool remembers = old && (old->r.nhistory > 0 || !vr_uuid_is_nil(&old->r.generation.uuid) ||
                             !vr_uuid_is_nil(&old->r.proposed));
    if (vr_uuid_is_nil(&reply->generation.uuid) || remembers) {
        return false;
    }
    rel->state = VR_REL_CRITICAL;
    rel->health = VR_HEALTH_CRITICAL;
    rel->needs_decision = true;
    core_text(
        rel->reason, sizeof(rel->reason),
        "the replica on %.128s is older than this host's records: adopt it, then resynchronize",
        rel->peer);
    return true;
}

void enable_reply(struct core *c, const struct call *call, const struct vr_peer_reply *reply)
{
    struct job_entry *e = jobs_find(c, call->job_id);
    struct vr_err err = VR_ERR_INIT;
    struct vr_rel rel;
    struct vr_vm vm;
    uint64_t id = call->job_id;
    if (!e || e->j.state != VR_JOB_RUNNING) {
        core_answer_code(call->done, call->ctx, VR_RC_FAILED, 0, -VR_E_CANCELED, "cancelled");
        return;
    }
    int r = reply->result;
    bool self = core_is_self(c, reply->host); /* by another name: it has refused */
    if (self) {
        r = vr_fail(&err, VR_E_INVALID, "'%.128s' is this host itself", call->enable.peer);
    } else if (r < 0) {
        char text[VR_TEXT_MAX];
        core_peer_text(text, sizeof(text), call->enable.peer, reply);
        (void)vr_fail(&err, (enum vr_err_kind) - r, "%s", text);
    }
    r = r < 0 ? r : describe(c, &call->enable, call->number, &rel, &err);
    bool older = r == 0 && replica_is_older(c, &rel, reply);
    r = r < 0 ? r : core_whole_vm(c, &call->vm, call->number, &vm, &err);
    r = r < 0 ? r : add_rel(c, &rel, &err);
    if (r < 0) {
        bool theirs = reply->result < 0 && !self;
        uint32_t code = theirs ? resync_peer_code(r) : vr_retcode_of_error(r);
        job_fail(c, e, code, r, vr_err_text(&err));
        core_answer_code(call->done, call->ctx, code, 0, r, vr_err_text(&err));
        return;
    }
    core_include_only(&vm, rel.excluded);
    job_finish(c, e, VR_JEV_COMPLETE, 0, older ? rel.reason : "completed");
    core_event(c, CORE_EV_ENABLED, &vm.id, vm.name, "%s enabled replication to %s", call->who.user,
               rel.peer);
    if (older) {
        core_answer_code(call->done, call->ctx, VR_RC_STATUS_UNKNOWN, 0, -VR_E_LINEAGE, rel.reason);
        return;
    }
    if (!call->enable.no_start && start_initial(c, call, &vm, &id, &err) < 0) {
        core_answer_err(call->done, call->ctx, -(int)err.kind, &err);
        return;
    }
    core_answer_code(call->done, call->ctx, VR_RC_JOB_STARTED, id, 0, NULL);
    jobs_pump(c);
}
