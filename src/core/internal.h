/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of core/ share. An entry lives at one address from insert to removal; looks and
 * the peer's answers find it again by key, never by pointer, because anything may have been removed
 * meanwhile.
 *
 * Two ways to change something:
 *   *_save: persist, then memory; on failure memory is as before (verbs).
 *   *_put:  the world moved already: memory follows, a failed save is retried by core_tick (dirty).
 * Order on disk: a start saves the job before the relationship, an end saves the relationship
 * before the job. That is how core_start knows at which end of a transfer the host stopped.
 */
#pragma once
#include "core/core.h"
#include "core/cycle.h"
#include "core/events.h"
#include "core/initial.h"
#include "core/jobs.h"
#include "core/rank.h"

#define CORE_RELS_MAX 10000
#define CORE_JOBS_MAX 20000     /* unfinished */
#define CORE_JOBS_ALL_MAX 40000 /* with the finished ones that are still readable */
#define CORE_VM_CHAINS 4096
#define CORE_AUTHS_MAX 1000
#define CORE_CALLS_MAX 1024   /* questions to peers under way */
#define CORE_DUE_CALLS_MAX 64 /* of them, those a schedule asks */
#define CORE_SEC ((uint64_t)1000000)
#define CORE_MINUTE (60 * CORE_SEC)
#define CORE_KEEP_MIN (5 * CORE_MINUTE)
#define CORE_RESAVE_US (10 * CORE_SEC)

struct rel_entry {
    struct vr_rel r;
    bool target_open; /* a target session of this replica runs */
    bool dirty;
    /* what it does by itself (cycle.c, auto.c) */
    uint64_t next_us;                 /* when it is looked at again; 0: nothing planned */
    uint64_t not_before_us;           /* of the next try, after one that failed */
    uint32_t tries;                   /* automatic resynchronizations in a row that led nowhere */
    bool asking;                      /* the peer is being asked */
    bool missing;                     /* cycles are being missed, and that was told */
    char compared_whole[VR_TEXT_MAX]; /* by the last delta, and told */
    bool refused;                     /* an automatic resynchronization was, and that was told */
    uint64_t checked_us; /* for the question under way: of then are what the disks hold, */
    uint8_t stamp[VR_STAMP_BYTES]; /* while they have this stamp */
};

struct job_entry {
    struct vr_job j;
    struct job_entry *vm_next;   /* in its chain of core.vm_jobs, by id */
    struct job_entry *uuid_next; /* in its chain of core.uuid_jobs */
    uint64_t turn;               /* in the queue */
    uint64_t counted_bytes;      /* of progress.wire_out, in the statistics */
    bool lane;                   /* a lane runs for it */
    bool calling;                /* the peer is being asked for it */
    bool asked;                  /* the peer was asked what became of rel.proposed */
    bool was_replicating; /* the relationship was in 3 before: a cancel may lead back there */
    bool lost_link;       /* since it last got anywhere */
    bool instant_ended;   /* its last try ended with its instant, not with the network */
    bool dirty;
    enum job_cmd cmd; /* what the lane was told */
    char abort_text[VR_TEXT_MAX];
    uint32_t tries, in_use;        /* of those since it got anywhere; that met disks in use */
    uint64_t not_before_us;        /* of the next try */
    struct rank rank;              /* in the queue, while that is ordered */
    uint8_t stamp[VR_STAMP_BYTES]; /* a delta's, of its disks before it began */
    struct parked *parked;         /* a delta's: the call that waits for its end */
    core_done done;                /* who waits for the lane to obey */
    void *done_ctx;
    core_done sync_done; /* the call that made this job waits for its end */
    void *sync_ctx;
    uint64_t sync_until_us;
};

enum call_why {
    CALL_RESYNC,
    CALL_DUE,
    CALL_CYCLE,
    CALL_SETTLE,
    CALL_ENABLE,
    CALL_START,
    CALL_DISABLE,
    CALL_REMOVE,
    CALL_ADOPT,
    CALL_TEST
};

struct call {
    struct call *next;
    uint64_t id;
    enum call_why why;
    struct vr_uuid vm;
    uint8_t number;
    uint64_t job_id;
    struct vr_uuid generation, proposed; /* of the relationship when we asked */
    struct core_caller who;
    struct core_resync_args resync;
    struct core_enable_args enable;
    struct core_start_args start;
    core_done done;
    void *ctx;
};

struct core {
    struct core_config config;
    const struct core_env_ops *ops;
    void *ctx;
    struct rel_entry **rels; /* by (vm, number) */
    size_t nrels, rels_cap;
    struct job_entry **jobs; /* by id */
    size_t njobs, jobs_cap;  /* jobs_cap: of jobs, open and waiting */
    struct job_entry **open; /* not finished at the last jobs_sweep, by id */
    size_t nopen;
    struct job_entry **waiting; /* room for the queue while it is ordered */
    struct vm_chain {
        struct job_entry *first, *last;          /* by id */
    } vm_jobs[CORE_VM_CHAINS];                   /* hash table by VM */
    struct job_entry *uuid_jobs[CORE_VM_CHAINS]; /* and by the job's own id */
    uint64_t last_turn, forget_us;               /* when to forget a finished job; 0: none */
    uint64_t stats_due_us;     /* when a window of statistics ends; 0: none counts */
    uint64_t ticked_us;        /* when cycle_tick last looked */
    uint64_t cycles_due_us;    /* when a relationship does something by itself; 0: none */
    bool unsaved;              /* some entry is dirty */
    struct vr_service service; /* what is stored of it */
    struct vr_auth_entry *auths;
    size_t nauths;
    struct call *calls;
    size_t ncalls;
    uint64_t last_job_id, last_call_id, event_seq;
    bool started, pumping, pump_again;
};

/* --- core.c --- */
uint64_t core_now(struct core *c);
struct rel_entry *core_find_rel(struct core *c, const struct vr_uuid *vm, uint8_t number);
int core_insert_rel(struct core *c, const struct vr_rel *rel, struct vr_err *err); /* memory only */
void core_remove_rel(struct core *c, struct rel_entry *e);
int core_rel_save(struct core *c,
                  struct rel_entry *e,
                  const struct vr_rel *next,
                  struct vr_err *err);
/* What a state says by itself. */
enum vr_health core_health_of(enum vr_rel_state state);
void core_rel_put(struct core *c, struct rel_entry *e, const struct vr_rel *next);
/* Moves a copy: state, health and reason. STATE with a sentence when the table refuses. */
int core_rel_move(struct vr_rel *rel,
                  enum vr_rel_event event,
                  const char *reason,
                  struct vr_err *err);
void core_text(char *dst, size_t cap, const char *fmt, ...) VR_PRINTF(3, 4);
/* Why the host at this connection point did not do it; the host is named once. */
void core_peer_text(char *dst, size_t cap, const char *point, const struct vr_peer_reply *reply);
/* Is this the name of our certificate, or what we call ourselves? */
bool core_is_self(const struct core *c, const char *name);
/* Answers a verb; text may be NULL with 0 and 4096. */
void core_answer_code(
    core_done done, void *ctx, uint32_t code, uint64_t job_id, int kind, const char *text);
void core_answer_err(core_done done, void *ctx, int r, const struct vr_err *err);
/* The relationship a verb means, for a caller of that role at least; -1: by this host's part. NULL
 * after answering. */
struct rel_entry *core_want_rel(struct core *c,
                                const struct core_caller *who,
                                enum vr_role least,
                                const struct vr_uuid *vm,
                                int number,
                                bool source_only,
                                core_done done,
                                void *ctx);
bool core_allowed(const struct core_caller *who, enum vr_role least, core_done done, void *ctx);
/* The VM as source of relationship `number`: included disks only. */
int core_source_vm(struct core *c,
                   const struct vr_uuid *vm,
                   uint8_t number,
                   struct vr_vm *ret,
                   struct vr_err *err);
/* The same with all its disks. */
int core_whole_vm(struct core *c,
                  const struct vr_uuid *vm,
                  uint8_t number,
                  struct vr_vm *ret,
                  struct vr_err *err);
/* Takes out what `vm` or the names exclude. */
void core_include_only(struct vr_vm *vm, const char *excluded);
/* One more former generation the replica may hold. */
void core_rel_remember(struct vr_rel *rel, const struct vr_uuid *uuid);
/* What the replica holds now; what it held goes on the history. */
void core_rel_new_generation(struct vr_rel *rel, const struct vr_generation *gen);

/* --- call.c --- */
/* Copies `tmpl`, asks the peer; a failure to ask comes back as an answer. */
int core_call(struct core *c,
              const struct call *tmpl,
              const char *point,
              const char *identity,
              const struct vr_peer_request *req,
              struct vr_err *err);
/* Did the relationship's lineage move on while the peer was asked? Then the answer says nothing of
 * it. */
bool core_call_is_stale(const struct call *call, const struct rel_entry *rel);
bool core_calling_about(struct core *c, const struct vr_uuid *vm);

/* --- event.c --- */
void core_event(struct core *c,
                enum core_event ev,
                const struct vr_uuid *vm,
                const char *name,
                const char *fmt,
                ...) VR_PRINTF(5, 6);

/* --- auth.c --- */
/* The entry that allows this identity; NULL: none. */
const struct vr_auth_entry *core_find_auth(struct core *c, const char *identity);
/* May the peer of this replica still replicate to us? DENIED with the reason. */
int auth_check_rel(struct core *c, const struct vr_rel *rel, struct vr_err *err);

/* --- service.c --- */
/* May peers replicate to this host? DENIED with the reason. */
int service_check_open(struct core *c, struct vr_err *err);

/* --- serve.c --- */
/* What our replica's sidecar says: generation, released. LINEAGE: promoted; with the generation. */
int core_ask_sidecar(struct core *c,
                     const struct rel_entry *rel,
                     struct vr_peer_reply *ret,
                     struct vr_err *err);

/* --- stats.c --- */
/* A new or loaded relationship: a window runs. */
void stats_begin(struct core *c, struct vr_rel *rel);
/* Counts in a copy, to be saved with what it counts. bytes: of the try that ended. */
void stats_count(
    struct core *c, struct vr_rel *rel, enum vr_outcome what, uint64_t bytes, uint64_t latency_us);
void stats_miss(struct core *c, struct vr_rel *rel, uint64_t n); /* so in a copy */
/* Health and reason, where the state itself says Ok (model/health.h). now_us 0: without what time
 * alone makes. */
void stats_judge(struct vr_rel *rel, uint64_t now_us);
/* The job was due and could not start. */
void stats_missed(struct core *c, const struct vr_job *j);
void stats_tick(struct core *c, uint64_t now);

/* --- enable.c, verbs.c --- */
void enable_reply(struct core *c, const struct call *call, const struct vr_peer_reply *reply);
/* Removes the relationship here. Jobs that wait end with it, but own_job; one that runs forbids it
 * (BUSY). */
int core_forget(struct core *c, struct rel_entry *rel, uint64_t own_job, struct vr_err *err);
void verbs_reply(struct core *c, const struct call *call, const struct vr_peer_reply *reply);

/* --- change.c --- */
void change_reply(struct core *c, const struct call *call, const struct vr_peer_reply *reply);
