/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the REST front asks of the domain, as plain data and two ops tables; implemented above
 * (provider/api.h), so that front never sees core. All calls and all callbacks run on the control
 * thread. A `done` is called exactly once, perhaps before the call returns; what it is given is
 * borrowed for its duration.
 */
#pragma once
#include <stddef.h>

#include "model/bandwidth.h"
#include "model/definition.h"
#include "model/model.h"
#include "model/service.h"
#include "util/err.h"
#include "util/scope.h"

struct api_caller {
    enum vr_role role;
    char user[VR_NAME_MAX];
    struct vr_scope scope;
};

/* X(name, path word): the verbs. The first group is POST /vms/{vm}/<word>. */
#define API_VM_VERBS(X)                                                                            \
    X(RESYNC, "resync")                                                                            \
    X(VERIFY, "verify")                                                                            \
    X(ENABLE, "enable")                                                                            \
    X(START, "start")                                                                              \
    X(IMPORT, "import")                                                                            \
    X(DISABLE, "disable")                                                                          \
    X(PAUSE, "pause")                                                                              \
    X(RESUME, "resume")                                                                            \
    X(CANCEL, "cancel")                                                                            \
    X(FAILOVER, "failover")                                                                        \
    X(ADOPT, "adopt")                                                                              \
    X(BANDWIDTH, "bandwidth")                                                                      \
    X(REL_SETTINGS, "settings")                                                                    \
    X(STATS_RESET, "statistics/reset")
#define API_HOST_VERBS(X)                                                                          \
    X(AUTH_ADD, "authorizations")                                                                  \
    X(AUTH_REMOVE, "authorizations")                                                               \
    X(PEER_TEST, "peers/test")                                                                     \
    X(SETTINGS, "settings")

enum api_verb_kind {
#define X(name, word) API_##name,
    API_VM_VERBS(X) API_HOST_VERBS(X)
#undef X
};

/* One verb with its arguments; what a verb does not take is zero. */
struct api_verb {
    enum api_verb_kind kind;
    struct vr_uuid vm_id;
    int rel_number;    /* -1: by this host's role; 1: the extended relationship was asked for */
    uint64_t start_us; /* RESYNC, ENABLE, START: 0 = now */
    bool force, restart;
    bool dry_run; /* RESYNC: the job's report says what it would cost; alone */
    bool seeded, no_start;
    char location[VR_PATH_MAX]; /* START: "" = no export; IMPORT */
    char host[VR_HOST_MAX];     /* ENABLE: the replica's host; AUTH_*, PEER_TEST */
    char excluded[VR_DISKS_MAX][VR_NAME_MAX];
    uint32_t nexcluded;
    uint64_t bandwidth_bytes_s;
    struct vr_auth_entry auth;        /* AUTH_ADD */
    struct vr_setting_change setting; /* REL_SETTINGS, ENABLE */
    struct vr_service_change settings;
};

/* code: the CIM method's return value; kind: VR_E_KIND (either sign), 0 with codes 0 and 4096 (then
 * job_id is set). */
struct api_answer {
    uint32_t code;
    uint64_t job_id;
    int kind;
    char text[VR_TEXT_MAX];
};

/* A transfer to a replica of this host, while it is open. */
struct api_staging {
    bool open;
    uint64_t bytes;       /* staged: taken over from earlier tries, and received */
    uint64_t limit_bytes; /* what it may become: with what the file system could give beyond the
                             reserve; 0: not known */
};

/* What a transfer this host sends may send. */
struct api_limit {
    uint64_t bytes_s;      /* now; 0: no limit. Without a transfer: as if one ran */
    uint64_t host_bytes_s; /* what the window gives all transfers together; 0: no window does */
    uint32_t until_s;      /* the time of day when that window ends */
    char window[VR_BANDWIDTH_TEXT_MAX]; /* as the configuration has it; "": none */
};

/* What tells what a resynchronization will come to: X(name, text). */
#define API_PLANS(X)                                                                               \
    X(NONE, "")                                                                                    \
    X(SAMPLE, "by the sample of")                                                                  \
    X(VERIFY, "by the verification of")                                                            \
    X(RESYNC, "by the resynchronization of")

enum api_plan_basis {
#define X(name, text) API_PLAN_##name,
    API_PLANS(X)
#undef X
};

/* The newest of those that ended and are remembered. */
struct api_plan {
    enum api_plan_basis basis;
    uint64_t job_id, at_us; /* when it ended */
    uint64_t total_bytes, differing_bytes, margin_bytes;
    uint64_t sent_bytes; /* payload; 0 of a verification: it sends nothing */
    uint64_t time_us;    /* what it took, or is expected to */
};

struct api_rel {
    struct vr_rel rel;
    enum vr_mode mode;
    const struct vr_job *job;  /* the one that is not finished yet, NULL: none. Borrowed */
    struct vr_wait wait;       /* why that does not run now */
    const struct vr_job *last; /* the newest finished transfer that is remembered. Borrowed */
    uint64_t next_run_us;      /* when the next transfer is planned, asked for or not; 0: none is */
    char vm_name[VR_NAME_MAX]; /* "": not known */
    struct vr_stats stats;     /* up to now; now.health is the relationship's */
    uint64_t sent_bytes;       /* since the daemon started, with what is under way */
    uint32_t reasons;          /* why it is not well (model/health.h): bits 1 << VR_WHY_x */
    bool all_sent;             /* nothing is pending: a transfer has sent all that differed */
    uint64_t peer_cert_end_us; /* of the certificate the peer showed last; 0: not seen yet */
    struct api_staging staging; /* replica side */
    struct api_limit limit;     /* side that sends */
    struct api_plan plan;       /* side that sends */
    struct vr_defined defined;  /* replica side */
};

struct api_vm_name {
    struct vr_uuid id;
    char name[VR_NAME_MAX];
};

/* r: 0 or -VR_E_KIND with err. */
typedef void (*api_done)(void *arg, const struct api_answer *answer);
typedef void (*api_report_done)(void *arg,
                                int r,
                                const struct vr_err *err,
                                const struct vr_report *report);
typedef void (*api_events_done)(
    void *arg, int r, const struct vr_err *err, const struct vr_event *events, size_t n);

#define API_EVENTS_MAX 1000

struct api_ops {
    const char *name;
    /* Who asks from now on, until the next one: what belongs to VMs outside of his scope is not
     * there for him in any of the calls below. */
    void (*enter)(void *ctx, const struct api_caller *who);
    /* How this host calls itself to peers. Borrowed. */
    const char *(*host_name)(void *ctx);
    /* The VMs this host knows, those of the inventory and then those it holds only replicas of,
     * one by one: *at begins as 0. False past the end. */
    bool (*vm_next)(void *ctx, size_t *at, struct api_vm_name *ret);
    /* One of them with its disks. False: there is none. */
    bool (*vm)(void *ctx, const struct vr_uuid *id, struct vr_vm *ret);
    /* One by one, of one VM or (vm NULL) of all: *at begins as 0. False past the end. */
    bool (*rel_next)(void *ctx, size_t *at, const struct vr_uuid *vm, struct api_rel *ret);
    /* One by one; NULL past the end. */
    const struct vr_job *(*job_next)(void *ctx, size_t *at);
    const struct vr_job *(*job)(void *ctx, uint64_t id);
    /* The i-th; NULL past the end. */
    const struct vr_auth_entry *(*auth_at)(void *ctx, size_t i);
    void (*settings)(void *ctx, struct vr_service *ret);
    enum vr_mode (*vm_mode)(void *ctx, const struct vr_uuid *vm);
    /* NOT_FOUND: the job has no report (yet). */
    void (*report)(void *ctx, uint64_t job_id, api_report_done done, void *arg);
    /* limit is 1..API_EVENTS_MAX. */
    void (*events)(void *ctx, const struct vr_event_query *q, api_events_done done, void *arg);
    void (*verb)(void *ctx,
                 const struct api_caller *who,
                 const struct api_verb *verb,
                 api_done done,
                 void *arg);
};
