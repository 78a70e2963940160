/* SPDX-License-Identifier: Apache-2.0 */
/* The shorter verbs: verify, state change, failover, adopt, disable, bandwidth, authorization,
 * connection test. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/internal.h"
#include "model/method.h"
#include "util/vtime.h"

struct rel_entry *core_want_rel(struct core *c,
                                const struct core_caller *who,
                                enum vr_role least,
                                const struct vr_uuid *vm,
                                int number,
                                bool source_only,
                                core_done done,
                                void *ctx)
{
    if (!core_allowed(who, least, done, ctx)) {
        return NULL;
    }
    struct rel_entry *first = core_find_rel(c, vm, 0);
    struct rel_entry *second = core_find_rel(c, vm, 1);
    struct rel_entry *e = number == 0 ? first : number == 1 ? second : NULL;
    if (number < 0) {
        e = first && (first->r.is_source || !second) ? first : second;
    }
    if (!e) {
        core_answer_code(done, ctx, VR_RC_INVALID_STATE, 0, -VR_E_NOT_FOUND,
                         "replication is not enabled for this virtual machine");
        return NULL;
    }
    if (source_only && !e->r.is_source) {
        core_answer_code(done, ctx, VR_RC_INVALID_STATE, 0, -VR_E_STATE,
                         "this host is not the source of the relationship; ask the primary host");
        return NULL;
    }
    return e;
}

/* --- verify --- */

static int
verify_check(struct core *c, const struct rel_entry *rel, struct vr_vm *vm, struct vr_err *err)
{
    enum vr_rel_state s = rel->r.state;
    if (s != VR_REL_REPLICATING && s != VR_REL_SUSPENDED && s != VR_REL_RESYNC_REQUIRED) {
        return vr_fail(err, VR_E_STATE, "comparing is not possible while the relationship is '%s'",
                       vr_rel_state_text((int)s));
    }
    struct job_entry *busy = jobs_busy(c, &rel->r.vm_id);
    busy = busy ? busy : jobs_current(c, &rel->r.vm_id, rel->r.number);
    if (busy) {
        return vr_fail(err, VR_E_BUSY, "job %llu (%s) is %s on this virtual machine",
                       (unsigned long long)busy->j.id, vr_job_type_text((int)busy->j.type),
                       vr_job_state_text((int)busy->j.state));
    }
    int r = core_source_vm(c, &rel->r.vm_id, rel->r.number, vm, err);
    if (r < 0) {
        return r;
    }
    if (vm->ndisks == 0) {
        return vr_fail(err, VR_E_UNSUPPORTED, "no disk takes part in replication");
    }
    return c->ops->check_disks(c->ctx, vm, rel->r.number == 1, err);
}

static void compare(struct core *c,
                    const struct core_caller *who,
                    const struct vr_uuid *vm,
                    int rel_number,
                    enum vr_job_type type,
                    core_done done,
                    void *ctx)
{
    struct vr_err err = VR_ERR_INIT;
    struct vr_vm v;
    struct vr_job job;
    struct job_entry *e;
    struct rel_entry *rel =
        core_want_rel(c, who, VR_ROLE_OPERATOR, vm, rel_number, true, done, ctx);
    if (!rel) {
        return;
    }
    int r = verify_check(c, rel, &v, &err);
    if (r == 0) {
        jobs_fill(c, &job, type, VR_JOB_STARTING, &v, rel->r.number, who->user);
        core_text(job.status, sizeof(job.status), "queued");
        r = jobs_accept(c, &job, NULL, NULL, NULL, &e, &err);
    }
    if (r != 0) {
        core_answer_err(done, ctx, r, &err);
        return;
    }
    core_answer_code(done, ctx, VR_RC_JOB_STARTED, job.id, 0, NULL);
    jobs_pump(c);
}

void core_verify(struct core *c,
                 const struct core_caller *who,
                 const struct vr_uuid *vm,
                 int rel_number,
                 core_done done,
                 void *ctx)
{
    compare(c, who, vm, rel_number, VR_JOBTYPE_VERIFY, done, ctx);
}

void core_forecast(struct core *c,
                   const struct core_caller *who,
                   const struct vr_uuid *vm,
                   int rel_number,
                   core_done done,
                   void *ctx)
{
    compare(c, who, vm, rel_number, VR_JOBTYPE_FORECAST, done, ctx);
}

/* --- state change --- */

/* The relationship's own switch between 3 and 7, no job involved. */
static int switch_state(struct core *c,
                        struct rel_entry *rel,
                        enum vr_rel_event event,
                        const char *reason,
                        struct vr_err *err)
{
    struct vr_rel next = rel->r;
    int r = core_rel_move(&next, event, reason, err);
    return r < 0 ? r : core_rel_save(c, rel, &next, err);
}

static bool is_active(const struct vr_rel *r)
{
    return r->state == VR_REL_INITIAL || r->state == VR_REL_RESYNCHRONIZING;
}

static int pause(struct core *c, struct rel_entry *rel, bool *ret_pending, struct vr_err *err)
{
    struct job_entry *job = jobs_current(c, &rel->r.vm_id, rel->r.number);
    if (is_active(&rel->r) && job) {
        return transfer_pause(c, job, ret_pending, err);
    }
    if (rel->r.state == VR_REL_INITIAL) {
        return vr_fail(err, VR_E_STATE, "%s",
                       rel->r.exported ? "nothing runs: the export waits to be imported"
                                       : "an export cannot be paused, only cancelled");
    }
    int r = switch_state(c, rel, VR_REV_PAUSE, "paused by a person", err);
    if (r == 0) { /* one that is being committed ends by itself */
        (void)!delta_give_way(c, &rel->r.vm_id, rel->r.number, "replication was paused", NULL);
    }
    return r;
}

static int resume(struct core *c, struct rel_entry *rel, struct vr_err *err)
{
    struct job_entry *job = jobs_suspended(c, &rel->r.vm_id, rel->r.number);
    if (job && !job_is_verify(&job->j)) {
        return transfer_resume(c, job, err);
    }
    return switch_state(c, rel, VR_REV_RESUME, "", err);
}

static int cancel(struct core *c, struct rel_entry *rel, bool *ret_pending, struct vr_err *err)
{
    struct job_entry *offline = offline_running(c, &rel->r.vm_id, rel->r.number);
    if (offline) {
        *ret_pending = true;
        return offline_cancel(c, offline, err);
    }
    if (rel->r.exported) { /* a later import is still recognized: the generation stays proposed */
        return switch_state(c, rel, VR_REV_CANCEL, "the export was given up", err);
    }
    struct job_entry *job = is_active(&rel->r) ? jobs_current(c, &rel->r.vm_id, rel->r.number)
                                               : jobs_suspended(c, &rel->r.vm_id, rel->r.number);
    if (!job) {
        job = jobs_scheduled(c, &rel->r.vm_id);
        job = job && job->j.rel_number == rel->r.number ? job : NULL;
    }
    job = job ? job : delta_of(c, &rel->r.vm_id, rel->r.number);
    bool any = job && !job_is_verify(&job->j);
    return any ? transfer_cancel(c, job, ret_pending, err)
               : vr_fail(err, VR_E_STATE, "no resynchronization is running; state '%s'",
                         vr_rel_state_text((int)rel->r.state));
}

void core_state_change(struct core *c,
                       const struct core_caller *who,
                       const struct vr_uuid *vm,
                       int rel_number,
                       uint16_t requested,
                       core_done done,
                       void *ctx)
{
    struct vr_err err = VR_ERR_INIT;
    char text[VR_TEXT_MAX];
    bool pending = false;
    int r;
    if (!core_allowed(who, VR_ROLE_OPERATOR, done, ctx)) {
        return;
    }
    const struct vr_state_change_rule *rule = vr_state_change_rule(requested);
    if (!rule || rule->refusal[0]) {
        core_text(text, sizeof(text), "requested state %u%s%s: %s", requested, rule ? ", " : "",
                  rule ? rule->text : "",
                  rule ? rule->refusal
                       : "it is none of 1, 2, 3 (resume), 7 (pause) and 9 (cancel)");
        core_answer_code(done, ctx, VR_RC_INVALID_PARAMETER, 0, -VR_E_INVALID, text);
        return;
    }
    struct rel_entry *rel =
        core_want_rel(c, who, VR_ROLE_OPERATOR, vm, rel_number, true, done, ctx);
    if (!rel) {
        return;
    }
    uint8_t number = rel->r.number;
    if (!(rule->states & 1u << rel->r.state)) {
        r = vr_fail(&err, VR_E_STATE, "not possible while the relationship is '%s' (state %d): %s",
                    vr_rel_state_text((int)rel->r.state), (int)rel->r.state, rule->text);
    } else if (requested == VR_REL_REPLICATING || requested == VR_REL_INITIAL) {
        r = resume(c, rel, &err);
    } else if (requested == VR_REL_SUSPENDED) {
        r = pause(c, rel, &pending, &err);
    } else {
        r = cancel(c, rel, &pending, &err);
    }
    struct job_entry *job = pending && r == 0 ? jobs_current(c, vm, number) : NULL;
    job = job || !pending || r < 0 ? job : offline_running(c, vm, number);
    if (job) { /* answered when the lane has obeyed */
        job->done = done;
        job->done_ctx = ctx;
    } else if (r < 0) {
        core_answer_err(done, ctx, r, &err);
    } else {
        core_answer_code(done, ctx, VR_RC_COMPLETED, 0, 0, NULL);
        jobs_pump(c);
    }
}

static int change_job(
    struct core *c, struct job_entry *e, uint16_t requested, bool *ret_pending, struct vr_err *err)
{
    bool waits = e->j.state == VR_JOB_NEW || e->j.state == VR_JOB_STARTING;
    if (job_is_offline(&e->j) && !vr_job_is_final(e->j.state) && requested >= 4) {
        *ret_pending = true;
        return offline_cancel(c, e, err);
    }
    if (!job_is_transfer(&e->j)) {
        return vr_fail(err, VR_E_STATE, "a job of this type cannot be changed");
    }
    if (requested == 3) {
        return transfer_pause(c, e, ret_pending, err);
    }
    if (requested != 2) {
        return transfer_cancel(c, e, ret_pending, err);
    }
    if (!waits) {
        return transfer_resume(c, e, err);
    }
    struct vr_job next = e->j; /* now, not at its time */
    next.scheduled_us = next.state == VR_JOB_NEW ? core_now(c) : next.scheduled_us;
    int r = job_save(c, e, &next, err);
    if (r < 0) {
        return r;
    }
    e->not_before_us = 0;
    if (next.state == VR_JOB_NEW) {
        resync_due(c, e);
    } else {
        jobs_pump(c);
    }
    return 0;
}

uint32_t core_job_state_change(struct core *c,
                               const struct core_caller *who,
                               uint64_t job_id,
                               uint16_t requested,
                               struct vr_err *err)
{
    struct job_entry *e = jobs_find(c, job_id);
    bool pending = false;
    if (who->role < VR_ROLE_OPERATOR) {
        (void)vr_fail(err, VR_E_DENIED, "this needs the role operator");
        return 4;
    }
    if (!e || requested < 2 || requested > 5) {
        (void)vr_fail(err, e ? VR_E_INVALID : VR_E_NOT_FOUND, "%s",
                      e ? "requested states are 2 (start), 3 (suspend), 4 and 5 (end)"
                        : "there is no such job");
        return 5;
    }
    switch (-change_job(c, e, requested, &pending, err)) {
    case 0:
        jobs_pump(c);
        return pending ? 4096 : 0;
    case VR_E_STATE:
        return 4097;
    case VR_E_BUSY:
        return 6;
    default:
        return 4;
    }
}

/* --- failover --- */

/* A first transfer's commit may have outrun our record of it: ask the sidecar. */
static bool holds_generation(struct core *c, struct rel_entry *rel)
{
    struct vr_peer_reply reply;
    if (!vr_uuid_is_nil(&rel->r.generation.uuid)) {
        return true;
    }
    (void)!core_ask_sidecar(c, rel, &reply, NULL);
    return !vr_uuid_is_nil(&reply.generation.uuid);
}

static int failover(struct core *c, struct rel_entry *rel, const char *user, struct vr_err *err)
{
    struct vr_rel next = rel->r;
    struct vr_generation gen;
    char when[VR_ISO_TIME_LEN], reason[VR_TEXT_MAX];
    core_text(reason, sizeof(reason), "failed over on %.128s at %s", c->config.host_name,
              vr_iso_time(core_now(c), when, sizeof(when)));
    int r = core_rel_move(&next, VR_REV_FAILOVER, reason, err);
    if (r < 0) {
        return r;
    }
    if (!holds_generation(c, rel)) {
        return vr_fail(err, VR_E_STATE, "the replica holds no complete generation yet");
    }
    /* The sidecar is the authority and is durable first; our own record follows it. */
    c->ops->end_target_sessions(c->ctx, &next.vm_id, next.number);
    rel = core_find_rel(c, &next.vm_id, next.number);
    r = rel ? c->ops->promote_replica(c->ctx, &rel->r, &gen, err)
            : vr_fail(err, VR_E_NOT_FOUND, "the relationship was removed");
    if (r < 0) {
        return r;
    }
    next = rel->r; /* the end of a session may have changed it */
    next.generation = gen;
    r = core_rel_move(&next, VR_REV_FAILOVER, reason, err);
    vr_assert(r == 0); /* a session leads from 2 to 3, and from both to here */
    core_rel_put(c, rel, &next);
    core_event(c, CORE_EV_FAILED_OVER, &next.vm_id, NULL, "%s: the replica was %s", user, reason);
    return 0;
}

void core_failover(struct core *c,
                   const struct core_caller *who,
                   const struct vr_uuid *vm,
                   bool force,
                   core_done done,
                   void *ctx)
{
    struct vr_err err = VR_ERR_INIT;
    if (!core_allowed(who, VR_ROLE_ADMIN, done, ctx)) {
        return;
    }
    struct rel_entry *first = core_find_rel(c, vm, 0), *second = core_find_rel(c, vm, 1);
    struct rel_entry *rel = first && !first->r.is_source     ? first
                            : second && !second->r.is_source ? second
                                                             : NULL;
    if (!rel) {
        core_answer_code(done, ctx, VR_RC_INVALID_STATE, 0, -VR_E_STATE,
                         "this host holds no replica of the virtual machine; fail over there");
        return;
    }
    if (!force) {
        core_answer_code(done, ctx, VR_RC_INVALID_PARAMETER, 0, -VR_E_INVALID,
                         "a failover ends the primary's part; say --force when that is meant");
        return;
    }
    int r = failover(c, rel, who->user, &err);
    if (r < 0) {
        core_answer_err(done, ctx, r, &err);
        return;
    }
    core_answer_code(done, ctx, VR_RC_COMPLETED, 0, 0, NULL);
}

/* --- adopt, disable, test: the peer is asked --- */

static void ask(struct core *c,
                const struct core_caller *who,
                enum call_why why,
                enum vr_peer_op op,
                const struct vr_rel *rel,
                core_done done,
                void *ctx)
{
    struct vr_err err = VR_ERR_INIT;
    struct vr_peer_request req;
    struct call call = {
        .why = why,
        .vm = rel->vm_id,
        .number = rel->number,
        .who = *who,
        .done = done,
        .ctx = ctx,
    };
    core_peer_request(rel, NULL, op, &req);
    int r = core_call(c, &call, rel->peer, rel->peer_identity, &req, &err);
    if (r < 0) {
        core_answer_err(done, ctx, r, &err);
    }
}

void core_adopt(struct core *c,
                const struct core_caller *who,
                const struct vr_uuid *vm,
                int rel_number,
                core_done done,
                void *ctx)
{
    struct vr_err err = VR_ERR_INIT;
    struct rel_entry *rel = core_want_rel(c, who, VR_ROLE_ADMIN, vm, rel_number, true, done, ctx);
    if (!rel) {
        return;
    }
    struct vr_rel probe = rel->r;
    int r = core_rel_move(&probe, VR_REV_ADOPT, "", &err);
    if (r < 0) {
        core_answer_err(done, ctx, r, &err);
        return;
    }
    ask(c, who, CALL_ADOPT, VR_PEER_ADOPT, &rel->r, done, ctx);
}

static int adopt(struct core *c,
                 const struct call *call,
                 const struct vr_peer_reply *reply,
                 struct vr_err *err)
{
    struct rel_entry *rel = core_find_rel(c, &call->vm, call->number);
    if (!rel) {
        return vr_fail(err, VR_E_NOT_FOUND, "the relationship was removed");
    }
    if (vr_uuid_is_nil(&reply->generation.uuid)) {
        return vr_fail(err, VR_E_STATE, "the replica holds no generation; nothing to adopt");
    }
    struct vr_rel next = rel->r;
    int r = core_rel_move(&next, VR_REV_ADOPT, "adopted: resynchronize", err);
    if (r < 0) {
        return r;
    }
    core_rel_new_generation(&next, &reply->generation);
    next.made_from = (struct vr_uuid){0}; /* whoever says that it is right does not say of what */
    next.proposed = (struct vr_uuid){0};
    next.proposed_job = 0;
    next.needs_decision = false;
    r = core_rel_save(c, rel, &next, err);
    if (r == 0) {
        core_event(c, CORE_EV_ADOPTED, &next.vm_id, NULL, "%s adopted the replica on %s",
                   call->who.user, next.peer);
    }
    return r;
}

int core_forget(struct core *c, struct rel_entry *rel, uint64_t own_job, struct vr_err *err)
{
    int r = 0;
    const struct vr_uuid vm = rel->r.vm_id;
    uint8_t number = rel->r.number;
    for (struct job_entry *e = jobs_of(c, &vm); e && r == 0; e = jobs_of_next(e)) {
        bool ours = e->j.rel_number == number && e->j.id != own_job;
        if (ours && (e->lane || e->j.state == VR_JOB_RUNNING)) {
            r = vr_fail(err, VR_E_BUSY, "job %llu is running; cancel it first",
                        (unsigned long long)e->j.id);
        }
    }
    if (r == 0 && !rel->r.is_source) {
        c->ops->end_target_sessions(c->ctx, &vm, number);
        rel = core_find_rel(c, &vm, number);
        r = rel ? c->ops->release_replica(c->ctx, &rel->r, err)
                : vr_fail(err, VR_E_NOT_FOUND, "the relationship was removed");
    }
    if (r == 0) {
        r = c->ops->delete_rel(c->ctx, &vm, number, err);
    }
    if (r < 0) {
        return r;
    }
    for (struct job_entry *e = jobs_of(c, &vm); e; e = jobs_of_next(e)) {
        bool ours = e->j.rel_number == number && e->j.id != own_job;
        if (ours && !vr_job_is_final(e->j.state)) {
            e->calling = false;
            job_finish(c, e, VR_JEV_CANCEL, 0, "the relationship was removed");
        }
    }
    core_remove_rel(c, core_find_rel(c, &vm, number));
    return 0;
}

void core_disable(struct core *c,
                  const struct core_caller *who,
                  const struct vr_uuid *vm,
                  int rel_number,
                  core_done done,
                  void *ctx)
{
    struct vr_err err = VR_ERR_INIT;
    struct rel_entry *rel = core_want_rel(c, who, VR_ROLE_ADMIN, vm, rel_number, false, done, ctx);
    if (!rel) {
        return;
    }
    struct vr_rel gone = rel->r;
    int r = core_forget(c, rel, 0, &err);
    if (r < 0) {
        core_answer_err(done, ctx, r, &err);
        return;
    }
    core_event(c, CORE_EV_DISABLED, &gone.vm_id, NULL, "%s removed relationship %u with %s",
               who->user, gone.number, gone.peer);
    if (!gone.is_source) {
        core_answer_code(done, ctx, VR_RC_COMPLETED, 0, 0, NULL);
        return;
    }
    ask(c, who, CALL_DISABLE, VR_PEER_DISABLE, &gone, done, ctx);
}

void core_peer_test(
    struct core *c, const struct core_caller *who, const char *point, core_done done, void *ctx)
{
    struct vr_rel rel = {0};
    uint16_t port;
    if (!core_allowed(who, VR_ROLE_OPERATOR, done, ctx)) {
        return;
    }
    if (strnlen(point, VR_HOST_MAX) >= VR_HOST_MAX ||
        !vr_host_split(point, rel.peer_identity, sizeof(rel.peer_identity), &port)) {
        core_answer_code(done, ctx, VR_RC_INVALID_PARAMETER, 0, -VR_E_INVALID,
                         "the connection point is no host or host:port");
        return;
    }
    core_text(rel.peer, sizeof(rel.peer), "%s", point);
    ask(c, who, CALL_TEST, VR_PEER_TEST, &rel, done, ctx);
}

void verbs_reply(struct core *c, const struct call *call, const struct vr_peer_reply *reply)
{
    struct vr_err err = VR_ERR_INIT;
    char text[VR_TEXT_MAX];
    int r = reply->result;
    if (call->why == CALL_DISABLE) {
        core_text(text, sizeof(text), "removed here; the peer host could not be told: %.180s",
                  reply->text[0] ? reply->text : vr_kind_text(r));
        core_answer_code(call->done, call->ctx, VR_RC_COMPLETED, 0, 0, r < 0 ? text : NULL);
        return;
    }
    if (r == 0 && call->why == CALL_ADOPT) {
        r = adopt(c, call, reply, &err);
    } else if (r < 0) {
        (void)vr_fail(&err, (enum vr_err_kind) - r, "%s",
                      reply->text[0] ? reply->text : vr_kind_text(r));
    }
    if (r < 0) {
        core_answer_code(call->done, call->ctx, resync_peer_code(r), 0, r, vr_err_text(&err));
        return;
    }
    core_answer_code(call->done, call->ctx, VR_RC_COMPLETED, 0, 0, NULL);
}

/* --- bandwidth --- */

void core_bandwidth(struct core *c,
                    const struct core_caller *who,
                    const struct vr_uuid *vm,
                    int rel_number,
                    uint64_t bytes_s,
                    core_done done,
                    void *ctx)
{
    struct vr_err err = VR_ERR_INIT;
    struct rel_entry *rel =
        core_want_rel(c, who, VR_ROLE_OPERATOR, vm, rel_number, true, done, ctx);
    if (!rel) {
        return;
    }
    struct vr_rel next = rel->r;
    next.bandwidth_bytes_s = bytes_s;
    int r = core_rel_save(c, rel, &next, &err);
    if (r < 0) {
        core_answer_err(done, ctx, r, &err);
        return;
    }
    struct job_entry *e = jobs_current(c, vm, next.number);
    if (e && e->lane) {
        c->ops->command_transfer(c->ctx, e->j.id, CORE_LANE_BANDWIDTH, bytes_s);
    }
    core_answer_code(done, ctx, VR_RC_COMPLETED, 0, 0, NULL);
}
