/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decisions of one host: which relationship may do what, which job runs when. Does no I/O
 * itself: it asks through struct core_env and is told through core_on_*. All calls on one thread
 * (the control thread); the simulator calls the same code. Live state is in memory; what core_env
 * saved is what it is rebuilt from (core_load_*).
 *
 * Order everywhere: persist intent (env save, durable when it returns 0), act, persist outcome. A
 * verb whose save fails is refused and changes nothing.
 */
#pragma once
#include "core/env.h"
#include "model/model.h"
#include "model/peer.h"
#include "model/retcode.h"
#include "util/err.h"

struct core;

struct core_config {
    char host_name[VR_HOST_MAX]; /* how we call ourselves: our certificate's name, or another */
    char certificate_name[VR_HOST_MAX]; /* how peers know us; "": the same */
    uint32_t transfers_max;             /* concurrent source transfers, default 2; see queue.c */
    uint64_t job_keep_us;               /* finished jobs stay readable: at least 5 min */
    uint64_t clock_slack_us;            /* StartTime this far in the past is still "now": 300 s */
    uint64_t sync_wait_us; /* Resynchronize waits so long for its end before it answers; 0: not */
    uint64_t schedule_max_us; /* 7 days */
    /* a lost link is tried again this soon, then after minutes; 0: minutes only */
    uint64_t retry_first_us;
};

/* env_ops and ctx are borrowed for the life of the core. */
VR_MUST_CHECK int core_new(const struct core_config *config,
                           const struct core_env_ops *ops,
                           void *ctx,
                           struct core **ret,
                           struct vr_err *err);
void core_free(struct core *c);

/* --- rebuild after a start: load everything, then core_start once --- */
VR_MUST_CHECK int core_load_rel(struct core *c, const struct vr_rel *rel, struct vr_err *err);
VR_MUST_CHECK int core_load_job(struct core *c, const struct vr_job *job, struct vr_err *err);
/* What the report of a job that is loaded says. */
void core_load_forecast(struct core *c, uint64_t job_id, const struct vr_forecast *f);
VR_MUST_CHECK int
core_load_auth(struct core *c, const struct vr_auth_entry *entry, struct vr_err *err);
/* Jobs that ran go on (queued), suspended ones stay, scheduled ones wait for their time. */
VR_MUST_CHECK int core_start(struct core *c, struct vr_err *err);

/* --- what a caller asks --- */

struct core_caller {
    enum vr_role role;
    char user[VR_NAME_MAX];
};

/*
 * The answer of a verb. code is the method's return value; text the reason (never empty when code
 * is not 0 or 4096). job_id is set with 4096.
 */
struct core_answer {
    uint32_t code;
    uint64_t job_id;
    int kind; /* the same as -VR_E_KIND for REST and CLI; 0 with 0 and 4096 */
    char text[VR_TEXT_MAX];
};
/* Called exactly once per verb, perhaps before the verb's call returns. */
typedef void (*core_done)(void *ctx, const struct core_answer *answer);

struct core_resync_args {
    struct vr_uuid vm_id;
    uint64_t start_us; /* 0 = now */
    int rel_number;    /* -1: by this host's role (primary: 0, replica: 1) */
    bool force;        /* REST and CLI only, administrators only */
    bool restart;      /* forget what is staged */
    bool automatic;    /* core's own: nobody asked */
};
/* Architecture "Return codes of Resynchronize": judged in the order of VR_RESYNC_CONDITIONS. With
 * start_us 0 the peer is asked first (PREFLIGHT), so `done` comes later. */
void core_resync(struct core *c,
                 const struct core_caller *who,
                 const struct core_resync_args *args,
                 core_done done,
                 void *ctx);
void core_verify(struct core *c,
                 const struct core_caller *who,
                 const struct vr_uuid *vm,
                 int rel_number,
                 core_done done,
                 void *ctx);

/* A dry run of Resynchronize: compares a sample and changes nothing; the job's report tells what it
 * would cost. When core_verify is possible. */
void core_forecast(struct core *c,
                   const struct core_caller *who,
                   const struct vr_uuid *vm,
                   int rel_number,
                   core_done done,
                   void *ctx);

struct core_enable_args {
    struct vr_uuid vm_id;
    char peer[VR_HOST_MAX];
    char excluded[VR_DISKS_MAX][VR_NAME_MAX];
    uint32_t nexcluded;
    uint64_t start_us; /* 0 = now */
    bool seeded, no_start;
    bool keep_found; /* images at the replica's host stay; the start says whether it is seeded */
    bool background; /* with no_start: answered with 4096 and job 91 before the peer is asked */
    uint64_t bandwidth_bytes_s;
    struct vr_setting_change setting; /* from what every relationship begins with */
};
/* Creates the relationship on both hosts and starts (or schedules) the initial replication: JobType
 * 94. On a replica VM it makes the extended relationship (number 1). */
void core_enable(struct core *c,
                 const struct core_caller *who,
                 const struct core_enable_args *args,
                 core_done done,
                 void *ctx);
/* Removes the relationship here and, as far as it answers, at the peer. Images stay. */
void core_disable(struct core *c,
                  const struct core_caller *who,
                  const struct vr_uuid *vm,
                  int rel_number,
                  core_done done,
                  void *ctx);
/* RequestReplicationStateChange: 7 pause, 3 resume (also 11 -> 10), 9 cancel. Anything else: 32773.
 * */
void core_state_change(struct core *c,
                       const struct core_caller *who,
                       const struct vr_uuid *vm,
                       int rel_number,
                       uint16_t requested,
                       core_done done,
                       void *ctx);
/* Forced failover, on the replica host. force must be true. */
void core_failover(struct core *c,
                   const struct core_caller *who,
                   const struct vr_uuid *vm,
                   bool force,
                   core_done done,
                   void *ctx);
/* Takes the replica's present generation as ours: a person decided. Leaves state 9. */
void core_adopt(struct core *c,
                const struct core_caller *who,
                const struct vr_uuid *vm,
                int rel_number,
                core_done done,
                void *ctx);
void core_peer_test(
    struct core *c, const struct core_caller *who, const char *point, core_done done, void *ctx);
void core_bandwidth(struct core *c,
                    const struct core_caller *who,
                    const struct vr_uuid *vm,
                    int rel_number,
                    uint64_t bytes_s,
                    core_done done,
                    void *ctx);
/*
 * CIM_ConcreteJob.RequestStateChange: 2 start (resume), 3 suspend, 4 terminate, 5 kill. Returns
 * that method's own values: 0, 4096, 4097 invalid transition, 5 invalid parameter, 6 in use, 4
 * failed.
 */
uint32_t core_job_state_change(struct core *c,
                               const struct core_caller *who,
                               uint64_t job_id,
                               uint16_t requested,
                               struct vr_err *err);

/* --- what the world tells --- */
void core_on_progress(struct core *c, uint64_t job_id, const struct vr_progress *p);
/* The lane proved both roots equal and wants to COMMIT as `proposed`, whose contents are of
 * instant_us, and are generation `from` of the replica here (NULL: of no replica); answered by
 * CORE_LANE_PROPOSED_SAVED, or by CORE_LANE_CANCEL when it cannot be saved. */
void core_on_proposed(struct core *c,
                      uint64_t job_id,
                      const struct vr_uuid *proposed,
                      const struct vr_uuid *from,
                      uint64_t instant_us,
                      uint8_t consistency);
void core_on_transfer_end(struct core *c, uint64_t job_id, const struct core_transfer_result *res);
void core_on_peer_reply(struct core *c, uint64_t call_id, const struct vr_peer_reply *reply);
/* Replica side: a request of an authenticated peer. For OPEN with result 0 the caller runs a target
 * lane and tells its end. *ret_rel is the relationship it belongs to. */
void core_serve_peer(struct core *c,
                     const char *peer_identity,
                     const struct vr_peer_request *req,
                     struct vr_peer_reply *reply,
                     struct vr_rel *ret_rel);
/* Did libvirt refuse the replica VM? A warning of the relationship. */
void core_on_defined(struct core *c, const struct vr_uuid *vm, uint8_t number, bool failed);
void core_on_target_end(struct core *c,
                        const struct vr_uuid *vm,
                        uint8_t number,
                        const struct core_transfer_result *res);
/* Does what is due; returns when it wants to be called next (wall us, 0 = nothing planned). What a
 * verb or core_on_* changed may bring that forward: call it again after any of them. */
uint64_t core_tick(struct core *c);

/* --- looking; pointers are borrowed until the next call that is not a look --- */
const struct vr_rel *core_rel(struct core *c, const struct vr_uuid *vm, uint8_t number);
const struct vr_job *core_job(struct core *c, uint64_t id);
const struct vr_job *core_job_by_uuid(struct core *c, const struct vr_uuid *id);
/* The i-th, NULL past the end. Stable while nothing changes. */
const struct vr_rel *core_rel_at(struct core *c, size_t i);
const struct vr_job *core_job_at(struct core *c, size_t i);
const struct vr_auth_entry *core_auth_at(struct core *c, size_t i);
/* The VM's next job in the order of the ids, its first for NULL; NULL: no more. */
const struct vr_job *
core_vm_job(struct core *c, const struct vr_uuid *vm, const struct vr_job *after);
/* Why an unfinished job does not run now, and until when it waits. */
struct vr_wait core_job_wait(struct core *c, uint64_t id);
/* What a source asks about a relationship: identity, geometry (vm: included disks; NULL for none)
 * and lineage, the present generation first. The caller adds what only OPEN has. */
void core_peer_request(const struct vr_rel *rel,
                       const struct vr_vm *vm,
                       enum vr_peer_op op,
                       struct vr_peer_request *ret);
/* This host's part in relationship 0 of the VM (or 1, when it is an extended replica). */
enum vr_mode core_vm_mode(struct core *c, const struct vr_uuid *vm);
