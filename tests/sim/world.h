/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A world: three hosts, their disks, the network, the clock, and what must be true of them. h1 is
 * the primary, h2 its replica, h3 the extended replica. Everything runs in one thread; world_step
 * picks the next thing to happen by chance. A broken invariant ends the world with world_fail,
 * which says what and when.
 */
#pragma once
#include "core/core.h"
#include "resync/hint.h"
#include "resync/lane.h"
#include "tests/sim/counts.h"
#include "tests/sim/fs.h"
#include "tests/sim/parts.h"
#include "tests/sim/rng.h"

#define HOSTS 3
#define LANES_MAX 4
#define SESSIONS_MAX 4
#define CALLS_MAX 64
#define CARRIERS_MAX 4
#define JOBS_MAX 256
#define GENS_MAX 2048
#define ACKED_MAX 128
#define MARKS_MAX 6
#define SRC_DIR "/src"
#define EXPORT_DIR "/export" /* with "-" and the number of the relationship */

/* The contents of all disks at one instant; shared. */
struct snapshot {
    uint32_t refs, ndisks;
    char letter[VR_DISKS_MAX]; /* vda, vdb ... */
    uint64_t size[VR_DISKS_MAX];
    uint8_t *data[VR_DISKS_MAX];
};

/* What h1's disks were at an instant that it read: from then on it knows what changes. */
struct mark {
    struct vr_uuid name;
    struct snapshot *snap; /* NULL: none */
};

struct gen {
    struct vr_uuid uuid;
    struct snapshot *snap;
    struct sim_definition definition;
    uint64_t job_id, instant_us, began_us; /* instant: of when its contents are */
    int source;
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
    uint32_t unfinished;   /* bits of letters: images that an ENABLE left that did not finish */
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
    unsigned lanes_begun;
    uint64_t summer_us, winter_us; /* when the clocks are put forward and back */
    bool verbose, calm;            /* calm: no more faults */
    bool failed;
    char why[512];
    struct host host[HOSTS];
    struct vr_uuid vm_id;
    uint32_t ndisks;
    char letter[VR_DISKS_MAX], last_letter;
    uint64_t size[VR_DISKS_MAX];
    uint32_t definition;      /* changed so often */
    struct snapshot *src_now; /* of the source as it is; NULL: the guest wrote */
    bool forced;              /* a person overwrote another lineage */
    struct lane *lanes[LANES_MAX];
    struct session *sessions[SESSIONS_MAX];
    struct call *calls[CALLS_MAX];
    struct carrier *carriers[CARRIERS_MAX];
    struct gen gens[GENS_MAX];
    size_t ngens;
    struct mark marks[MARKS_MAX];
    size_t nmarks; /* ever made */
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
/* Local time: UTC + 1 h, in summer + 2 h; the clocks change at 01:00 UTC on given days. */
uint32_t world_day_s(const struct world *w, uint64_t time_us);

/* The VM's disk of this name ("vda"). */
uint32_t world_disk(const struct world *w, const char *name);

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
/* Of when the contents are of the replica that this host sends on. */
uint64_t replica_instant(struct host *h);

/* --- env.c --- */
extern const struct core_env_ops sim_env;
bool sim_is_transfer(const struct vr_job *job); /* moves a relationship to another generation */

/* --- hints.c --- */
void mark_make(struct world *w, const struct vr_uuid *name, struct snapshot *snap);
/* What changed since the mark of open->history[0]. NULL: not known. */
struct hint *
hint_of_marks(struct world *w, const struct vr_peer_request *open, const struct snapshot *is);
void marks_forget(struct world *w);

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

/* Over: the replica is opened anew and core is told. */
void session_over(struct host *h, const struct vr_peer_request *open, int result);

/* --- carry.c --- */
int carrier_check(struct host *h, const struct core_offline *o, struct vr_err *err);
int carrier_start(struct host *h, const struct core_offline *o, struct vr_err *err);
void carrier_command(struct host *h, uint64_t job_id, enum core_lane_command cmd);
void carrier_step(struct carrier *t);
void carrier_stop_import(struct host *h); /* as a session that is told to end */
void carrier_drop(struct carrier *t);     /* the host is gone: nobody is told */
struct carrier *host_import(struct host *h);
struct carrier *host_export(struct host *h);
/* Somebody carries this host's export directory to the next, whatever is in it. */
void carry_from(struct world *w, int at);
/* Somebody puts copies of this host's disks where the next one's replica images belong. */
void put_seeds(struct world *w, int at);

/* --- check.c --- */
#define NO_DISK VR_DISKS_MAX
/* "vda.raw", and what the engine hides it by. */
const char *image_name(char letter, bool hidden, char buf[32]);
uint32_t snapshot_disk(const struct snapshot *s, char letter); /* NO_DISK: it has none */
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
/* The replica was made: which images are here that are none of its? */
void check_unfinished(struct host *h, const struct vr_peer_request *made);
/* At rest: what is suspended is what its relationship waits for. */
void check_suspended(struct host *h);
void check_completed(struct host *h, const struct vr_job *job);
/* Bytes of 4 KiB blocks in which the snapshot differs from replica + staging. */
uint64_t check_differing(struct host *h, const struct snapshot *snap, bool *ret_staged);
size_t check_runs(struct host *h); /* staging runs to resume from */
void check_automatic(struct host *h, const struct vr_job *job);
void check_end(struct world *w);
bool replica_equals(struct host *h, const struct snapshot *snap);
void damage_replica(struct host *h, uint32_t disk, uint64_t off, const void *p, size_t len);

/* --- scenario.c --- */
void scenario_run(struct world *w);
/* Three hosts and nothing but deltas along them for an hour, then damage of the last. */
void scenario_chain(struct world *w);
/* Enable and one resync, or what is said, with a fault at the k-th call of one host. */
struct every_op {
    int host;
    uint64_t k;
    enum fs_fault fault;
    bool power;     /* the death is a loss of power */
    bool then_dies; /* a death soon after the fault */
    bool initial;   /* the fault comes in the first transfer */
    bool delta;     /* it comes in cycles */
    bool reshaped;  /* disks grew, shrank, came and went */
    bool carried;   /* it comes in an export, its import and the resynchronization after it */
    bool paused;    /* in a resynchronization that is paused, and one that takes its place */
};
/* False: there are fewer calls than k. */
bool scenario_every_op(struct world *w, const struct every_op *e);
