/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A world: three hosts, their disks, the network, the clock, and what must be true of them. h1 is
 * the primary, h2 its replica, h3 the extended replica. Everything runs in one thread; world_step
 * picks the next thing to happen by chance. A broken invariant ends the world with world_fail,
 * which says what and when.
 */
#pragma once
#include "core/core.h"
#include "resync/lane.h"
#include "tests/sim/fs.h"
#include "tests/sim/rng.h"

#define HOSTS 3
#define LANES_MAX 4
#define SESSIONS_MAX 4
#define CALLS_MAX 64
#define JOBS_MAX 256
#define GENS_MAX 256
#define ACKED_MAX 128
#define SRC_DIR "/src"

/* Faults and turns of fate that a run of many seeds must have seen. */
/* clang-format off */
#define SIM_COUNTS(X)                                                                              \
    X(KILL) X(POWER) X(CRASH_IN_REDO) X(CRASH_IN_RECOVERY) X(CRASH_AFTER_INTENT) X(EIO) X(NOSPACE) \
    X(TORN) X(DROPPED) X(LOST_NAME) X(NOMEM) X(LINK_CUT) X(CALL_TIMEOUT) X(DAMAGE) X(GUEST_WRITE)  \
    X(GUEST_DURING) X(VM_STARTED) X(FAILOVER) X(PAUSE) X(RESUME) X(CANCEL) X(VERIFY) X(SCHEDULED)  \
    X(SUPERSEDED) X(RESTART_FLAG) X(BANDWIDTH) X(EXTENDED) X(GATE_CLOSED) X(COMPLETED)             \
    X(SETTLED_LATE) X(RESUMED_STAGING) X(FULL_DISK) X(FORCED) X(RUNS_MERGED) X(PREEMPTED) \
    X(MODIFIED) X(CREATED) X(REMOVED)
/* clang-format on */

enum sim_count {
#define X(name) SIM_##name,
    SIM_COUNTS(X)
#undef X
    SIM_COUNT_COUNT
};

/* The contents of all disks at one instant; shared. */
struct snapshot {
    uint32_t refs, ndisks;
    uint64_t size[VR_DISKS_MAX];
    uint8_t *data[VR_DISKS_MAX];
};

struct gen {
    struct vr_uuid uuid;
    struct snapshot *snap;
    uint64_t job_id, instant_us;
    int source;
};

struct slow_link { /* lets only some frames of what has come be received in one step */
    struct link link;
    struct link *next;
    unsigned budget;
    bool starved;
};

struct world;
struct host;

struct lane {
    struct host *host;
    uint64_t job_id;
    enum vr_transfer_kind kind;
    struct source *source;
    struct slow_link link;
    struct stor *stor;
    struct stor_lock *lock[VR_DISKS_MAX];
    struct block_dev *dev[VR_DISKS_MAX];
    struct snapshot *snap;
    uint64_t instant_us, wake_us;
    bool eager;  /* has, or may have, something to do now */
    bool stop;   /* pause */
    bool broken; /* the guest wrote while it was being read */
    bool proposed_saved, from_replica;
    int peer;
    uint64_t damage_seq; /* of the replica when the session began */
    uint64_t
        must_differ; /* bytes that differ from what is there and staged; UINT64_MAX: not known */
    bool must_equal; /* verify: what the truth is */
    struct session *session;
    /* the other end, until it is accepted */
    struct link *far;
    uint64_t accept_us;
};

struct session {
    struct host *host;
    struct target *target;
    struct slow_link link;
    struct vr_peer_request open;
    struct lane *lane; /* only for telling that frames may have come */
    uint64_t wake_us, gate_since_us;
    bool eager, committing, woke_gate;
};

struct call {
    struct host *from;
    int to;
    uint64_t id, due_us;
    bool lost;
    struct vr_peer_request req;
};

struct host {
    struct world *w;
    int id;
    char name[16];
    struct fs fs;
    struct core *core;
    bool up, power_next;
    uint64_t restart_us, tick_us, replica_us; /* 0: nothing planned */
    unsigned recovery_depth;
    /* the store */
    struct vr_rel rels[4];
    size_t nrels;
    struct vr_job jobs[JOBS_MAX];
    size_t njobs;
    struct vr_auth_entry auths[2];
    size_t nauths;
    /* statistics: successes that became durable, transfers that completed, saves that failed */
    uint64_t counted, completed, unsaved;
    uint64_t ended[JOBS_MAX]; /* ids of jobs that left the store when they were over */
    size_t nended;
    /* the replica this host holds */
    char replica_dir[160]; /* "": none */
    struct replica *replica;
    /* what must be in it */
    struct vr_uuid at;
    struct snapshot *must; /* NULL: no generation yet */
    bool promoted;
    bool mixed; /* its staging may hold bytes of no one instant: the guest wrote meanwhile */
    uint64_t damage_seq;
};

struct world {
    struct rng rng;
    uint64_t seed, now_us, events;
    bool verbose, calm; /* calm: no more faults */
    bool failed;
    char why[512];
    struct host host[HOSTS];
    struct vr_uuid vm_id;
    uint32_t ndisks;
    uint64_t size[VR_DISKS_MAX];
    struct snapshot *src_now; /* of the source as it is; NULL: the guest wrote */
    bool forced;              /* a person overwrote another lineage */
    struct lane *lanes[LANES_MAX];
    struct session *sessions[SESSIONS_MAX];
    struct call *calls[CALLS_MAX];
    struct gen gens[GENS_MAX];
    size_t ngens;
    struct {
        int host;
        uint64_t id;
    } acked[ACKED_MAX];
    size_t nacked;
    struct core_answer answer; /* of the last verb */
    unsigned answers;
    uint64_t lane_completed; /* job whose lane just came to its good end */
    uint64_t counts[SIM_COUNT_COUNT];
};

extern struct world *the_world; /* the one whose clock and chance the code under test sees */

/* --- world.c --- */
void world_init(struct world *w, uint64_t seed, bool verbose);
void world_deinit(struct world *w);
void world_fail(struct world *w, const char *fmt, ...) VR_PRINTF(2, 3);
void world_log(struct world *w, const char *fmt, ...) VR_PRINTF(2, 3);
/* One thing happens. False: nothing is left to happen but what a person would begin. */
bool world_step(struct world *w);
/* After something was done to hosts: who died is buried, who lives looks at what is due. */
void world_settle(struct world *w);
void world_note(struct world *w, enum sim_count what);

/* --- host.c --- */
void host_init(struct host *h, struct world *w, int id);
void host_deinit(struct host *h);
void host_boot(struct host *h);
/* Ends the host when its file system said that it died. */
void host_bury(struct host *h);
void host_kill(struct host *h, bool power);
int host_open_replica(struct host *h, struct vr_err *err);
struct vr_job *host_job(struct host *h, uint64_t id);
struct vr_rel *host_rel(struct host *h, uint8_t number);
struct host *world_host(struct world *w, const char *name);

/* --- env.c --- */
extern const struct core_env_ops sim_env;

/* --- slow.c --- */
struct slow_link slow_over(struct link *next);
void slow_begin(struct slow_link *s, struct rng *rng);
uint64_t slow_sent(struct slow_link *s); /* bytes */

/* --- lanes.c --- */
int lane_start(struct host *h, const struct core_transfer *t, struct vr_err *err);
void lane_command(struct host *h, uint64_t job_id, enum core_lane_command cmd, uint64_t value);
void lane_step(struct lane *l);
void lane_accept(struct lane *l);
void lane_end(struct lane *l, int result, const struct vr_err *err);
void lane_drop(struct lane *l); /* the host is gone: nobody is told */
void session_step(struct session *s);
void session_end(struct session *s, int result);
void session_drop(struct session *s);
bool host_reads_replica(struct host *h);
struct session *host_session(struct host *h);

/* --- check.c --- */
struct snapshot *snapshot_of_source(struct world *w);
struct snapshot *snapshot_of_replica(struct host *h);
struct snapshot *snapshot_ref(struct snapshot *s);
void snapshot_unref(struct snapshot *s);
struct gen *gen_find(struct world *w, const struct vr_uuid *uuid);
struct gen *gen_add(struct world *w, const struct vr_uuid *uuid, struct snapshot *snap);
/* The replica's directory as it is now: names, intent, generation, contents. */
void check_replica(struct host *h,
                   bool settled,
                   const char *when); /* settled: recovery is through */
void check_completed(struct host *h, const struct vr_job *job);
/* Bytes of 4 KiB blocks in which the snapshot differs from replica + staging. */
uint64_t check_differing(struct host *h, const struct snapshot *snap, bool *ret_staged);
size_t check_runs(struct host *h); /* staging runs to resume from */
void check_end(struct world *w);
bool replica_equals(struct host *h, const struct snapshot *snap);
void damage_replica(struct host *h, uint32_t disk, uint64_t off, const void *p, size_t len);

/* --- scenario.c --- */
void scenario_run(struct world *w);
/* Enable and one resync, with a fault at the k-th call of one host. */
struct every_op {
    int host;
    uint64_t k;
    enum fs_fault fault;
    bool power;     /* the death is a loss of power */
    bool then_dies; /* a death soon after the fault */
    bool initial;   /* the fault comes in the first transfer */
};
/* False: there are fewer calls than k. */
bool scenario_every_op(struct world *w, const struct every_op *e);
