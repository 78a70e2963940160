/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs, their queue and the transfers they run; part of core/internal.h. */
#pragma once
#include "core/core.h"
#include "core/initial.h"

enum job_cmd {
    CMD_NONE,
    CMD_PAUSE,
    CMD_CANCEL,
    CMD_ABORT /* ours: the proposed generation could not be saved */
};

struct call;
struct job_entry;
struct rel_entry;

/* Answers the call that waits for this job's end, if there is one: 0 and no job when it completed,
 * else 4096. */
void job_answer_sync(struct job_entry *e);
/* Answers who waits for the lane to obey, if somebody does. */
void job_answer_waiter(struct job_entry *e, uint32_t code, int kind, const char *text);
/* --- jobs.c --- */
bool job_is_transfer(const struct vr_job *j);
/* Compares a sample, and says nothing of the relationship. */
static inline bool job_is_forecast(const struct vr_job *j)
{
    return j->type == VR_JOBTYPE_FORECAST;
}
/* Compares and changes nothing: a verification, or a forecast. */
static inline bool job_is_verify(const struct vr_job *j)
{
    return j->type == VR_JOBTYPE_VERIFY || job_is_forecast(j);
}
static inline bool job_is_delta(const struct vr_job *j)
{
    return j->type == VR_JOBTYPE_DELTA;
}
/* What a job says that nothing goes on with. */
#define JOB_INTERRUPTED "interrupted by a restart; please repeat it"

/* Transfers that leave the relationship's state alone. */
static inline bool job_is_aside(const struct vr_job *j)
{
    return job_is_verify(j) || job_is_delta(j);
}
bool job_is_initial(const struct vr_job *j); /* makes a first generation */
bool job_is_offline(const struct vr_job *j); /* an export or import */
struct job_entry *jobs_find(struct core *c, uint64_t id);
/* The jobs of a VM in the order of their ids; NULL: no more. */
struct job_entry *jobs_of(struct core *c, const struct vr_uuid *vm);
struct job_entry *jobs_of_next(struct job_entry *e);
/* The unfinished transfer of this relationship that is queued, running or suspended; NULL: none. */
struct job_entry *jobs_current(struct core *c, const struct vr_uuid *vm, uint8_t number);
struct job_entry *jobs_suspended(struct core *c, const struct vr_uuid *vm, uint8_t number);
/* The suspended transfer of this one's relationship, if there is one, ends: this one begins. */
void jobs_supersede(struct core *c, const struct job_entry *e);
struct job_entry *jobs_scheduled(struct core *c, const struct vr_uuid *vm);
/* A queued or running job of the VM, whatever it does; but no delta, which gives way. */
struct job_entry *jobs_busy(struct core *c, const struct vr_uuid *vm);
void jobs_fill(struct core *c,
               struct vr_job *ret,
               enum vr_job_type type,
               enum vr_job_state state,
               const struct vr_vm *vm,
               uint8_t number,
               const char *initiator);
int jobs_reserve(struct core *c, struct job_entry **ret, struct vr_err *err);
void jobs_insert(struct core *c, struct job_entry *take, const struct vr_job *job);
/* Takes what is finished out of `open`. */
void jobs_sweep(struct core *c);
void jobs_remove(struct core *c, size_t i); /* the i-th, which is not in `open` */
int job_move(struct core *c, struct vr_job *j, enum vr_job_event event, struct vr_err *err);
int job_save(struct core *c, struct job_entry *e, const struct vr_job *next, struct vr_err *err);
void job_put(struct core *c, struct job_entry *e, const struct vr_job *next);
/* The end of a job: moves (COMPLETE, CANCEL or FAIL), saves, tells. */
void job_finish(
    struct core *c, struct job_entry *e, enum vr_job_event event, uint32_t code, const char *text);
/* The same with FAIL, when more is known than the code: kind is VR_E_x, either sign. */
void job_fail(struct core *c, struct job_entry *e, uint32_t code, int kind, const char *text);
/* Persists a new job and what it changes, all or nothing: with `superseded` (the old jobs' status)
 * ends the VM's scheduled job and, when the new one starts now, the suspended one; moves the
 * relationship (rel_next may be NULL). On success *ret is the job in memory. */
int jobs_accept(struct core *c,
                const struct vr_job *job,
                const char *superseded,
                struct rel_entry *rel,
                const struct vr_rel *rel_next,
                struct job_entry **ret,
                struct vr_err *err);
/* Is start_us now (true) or later (false)? INVALID when out of range. */
int jobs_when(struct core *c, uint64_t start_us, bool *ret_now, struct vr_err *err);

/* --- delta.c --- */
struct core_resync_args;
struct core_caller;
/* The delta of this relationship that is queued or running; NULL: none. */
struct job_entry *delta_of(struct core *c, const struct vr_uuid *vm, uint8_t number);
/* Somebody needs the relationship. 0: no delta is in the way any more. 1: it was told, and ends
 * soon. BUSY: its commit has begun. */
int delta_give_way(
    struct core *c, const struct vr_uuid *vm, uint8_t number, const char *why, struct vr_err *err);
/* After 1 of delta_give_way: core_resync is called again with these at the delta's end. */
int delta_park(struct job_entry *e,
               const struct core_caller *who,
               const struct core_resync_args *args,
               core_done done,
               void *ctx,
               struct vr_err *err);
void delta_unpark(struct core *c, struct job_entry *e);
void delta_end(struct core *c,
               struct job_entry *e,
               enum job_cmd cmd,
               const struct core_transfer_result *res,
               bool settled);
void delta_failed(struct core *c, struct job_entry *e, int r, const char *text);
/* After a restart: it does not go on, the next cycle does. */
void delta_interrupted(struct core *c, struct job_entry *e);

/* --- queue.c --- */
/* How long to wait after so many tries in a row that failed. */
uint64_t jobs_backoff_us(const struct core *c, uint32_t tries);
void jobs_pump(struct core *c); /* starts what waits for a place, as far as there is one */

/* --- transfer.c --- */
void transfer_start(struct core *c, struct job_entry *e);
uint64_t transfer_take_bytes(struct job_entry *e); /* what its last try sent, once */
void transfer_settle_reply(struct core *c,
                           const struct call *call,
                           const struct vr_peer_reply *reply);
enum vr_rel_event transfer_start_event(const struct vr_job *j);
/* Does the relationship's state come from this job? Not from one that is only scheduled or about to
 * start. */
bool transfer_owns_state(const struct vr_job *j, const struct vr_rel *rel);
/* Moves and stores the relationship of a transfer; nothing for a verify. */
void transfer_follow(struct core *c,
                     const struct vr_job *j,
                     enum vr_rel_event event,
                     const char *reason);

/* --- transfer_wish.c --- */
/* Pause, resume or cancel a transfer job. *ret_pending: the lane was told and will end. */
int transfer_pause(struct core *c, struct job_entry *e, bool *ret_pending, struct vr_err *err);
int transfer_resume(struct core *c, struct job_entry *e, struct vr_err *err);
int transfer_cancel(struct core *c, struct job_entry *e, bool *ret_pending, struct vr_err *err);
/* Marks the relationship (8, needs a decision), if its state allows that. */
void transfer_lineage(struct core *c, struct rel_entry *rel, const char *text);
/* proposed_done: the transfer whose acknowledgement was lost had completed. */
void transfer_settle(struct core *c, struct rel_entry *rel, const struct vr_peer_reply *reply);
/* Was it this job that sent the generation of which nobody knows if it was committed? An export
 * proposes one, too, and may be imported while a later transfer is under way. A record of an older
 * version does not say: then it is who was ever started. */
bool transfer_proposed(const struct vr_rel *rel, const struct vr_job *job);
/* Of when what was sent is: as the report says, or as was proposed where that was lost (NULL). */
uint64_t transfer_instant(const struct vr_rel *rel, const struct vr_report *report);
/* And how consistent that is, likewise. */
uint8_t transfer_consistency(const struct vr_rel *rel, const struct vr_report *report);
/* Did the replica say that it committed what this job sent, and has nothing happened since? */
bool transfer_was_acknowledged(const struct vr_rel *rel, const struct vr_job *job);

/* --- resync.c --- */
struct verdict {
    uint32_t code; /* 0: nothing against it */
    int kind;
    char text[VR_TEXT_MAX];
};
void verdict_refuse(struct verdict *v, uint32_t code, int kind, const char *text);
void verdict_refuse_err(struct verdict *v, uint32_t code, const struct vr_err *err);
/* Asks the peer whether a transfer of this kind may start. */
void resync_ask(struct core *c,
                const struct call *call,
                const struct rel_entry *rel,
                const struct vr_vm *vm,
                enum vr_transfer_kind kind,
                struct verdict *v);
/* Its answer; v->code is 0 when the transfer may start. */
void resync_judge_peer(struct core *c,
                       struct rel_entry *rel,
                       const struct vr_peer_reply *reply,
                       bool force,
                       struct verdict *v);
void resync_reply(struct core *c, const struct call *call, const struct vr_peer_reply *reply);
void resync_due(struct core *c, struct job_entry *e);
void resync_due_reply(struct core *c, const struct call *call, const struct vr_peer_reply *reply);
/* The code of a peer's refusal, before or after 4096. */
uint32_t resync_peer_code(int result);

/* --- initial.c --- */
void initial_make_job(struct core *c,
                      const struct vr_vm *vm,
                      uint8_t number,
                      bool seeded,
                      uint64_t start_us, /* 0: now */
                      const char *user,
                      struct vr_job *ret);
/* Persists the job, and the relationship's new state when it starts now. */
int initial_accept(struct core *c,
                   struct rel_entry *rel,
                   const struct vr_job *job,
                   uint64_t *ret_id,
                   struct vr_err *err);
void initial_reply(struct core *c, const struct call *call, const struct vr_peer_reply *reply);

/* --- offline.c --- */
void offline_export(struct core *c,
                    const struct core_caller *who,
                    const struct core_start_args *args,
                    struct rel_entry *rel,
                    const struct vr_vm *vm,
                    core_done done,
                    void *ctx);
/* The export or import of this relationship that runs; NULL: none. */
struct job_entry *offline_running(struct core *c, const struct vr_uuid *vm, uint8_t number);
int offline_cancel(struct core *c, struct job_entry *e, struct vr_err *err);
void offline_progress(struct job_entry *e, const struct vr_progress *p);
void offline_end(struct core *c, struct job_entry *e, const struct core_transfer_result *res);
/* After a restart: it does not go on, but may have been done. */
void offline_interrupted(struct core *c, struct job_entry *e);
