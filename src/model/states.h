/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The numbers a client sees, once: replication states, health, modes, job states and types. X(name,
 * value, text) Values are those of the Msvm classes and never change; they are also what is stored.
 */
#pragma once
#include <stdbool.h>

#define VR_REL_STATES(X)                                                                           \
    X(DISABLED, 0, "disabled")                                                                     \
    X(READY, 1, "ready for initial replication")                                                   \
    X(INITIAL, 2, "initial replication")                                                           \
    X(REPLICATING, 3, "replicating")                                                               \
    X(SYNCED, 4, "prepared for planned failover")                                                  \
    X(RECOVERED, 5, "failed over")                                                                 \
    X(COMMITTED, 6, "failover committed")                                                          \
    X(SUSPENDED, 7, "suspended")                                                                   \
    X(CRITICAL, 8, "error")                                                                        \
    X(RESYNC_REQUIRED, 9, "resynchronization required")                                            \
    X(RESYNCHRONIZING, 10, "resynchronizing")                                                      \
    X(RESYNC_SUSPENDED, 11, "resynchronization suspended")

enum vr_rel_state {
#define X(name, value, text) VR_REL_##name = (value),
    VR_REL_STATES(X)
#undef X
};

#define VR_REL_EVENTS(X)                                                                           \
    X(START_INITIAL, "start initial replication")                                                  \
    X(START_RESYNC, "start resynchronization")                                                     \
    X(RESYNC_DONE, "transfer completed")                                                           \
    X(RESYNC_FAILED, "transfer failed")                                                            \
    X(PROOF_FAILED, "proof failed or lineage conflict")                                            \
    X(PAUSE, "pause")                                                                              \
    X(RESUME, "resume")                                                                            \
    X(CANCEL, "cancel")                                                                            \
    X(CANCEL_EQUAL, "cancel, nothing differed")                                                    \
    X(CHANGED_ALONE, "the replica changed without us")                                             \
    X(LOST_TRACK, "changes were missed")                                                           \
    X(FAILOVER, "forced failover")                                                                 \
    X(ADOPT, "adopt")

enum vr_rel_event {
#define X(name, text) VR_REV_##name,
    VR_REL_EVENTS(X)
#undef X
};

#define VR_HEALTHS(X)                                                                              \
    X(NOT_APPLICABLE, 0, "not applicable")                                                         \
    X(OK, 1, "ok")                                                                                 \
    X(WARNING, 2, "warning")                                                                       \
    X(CRITICAL, 3, "critical")

enum vr_health {
#define X(name, value, text) VR_HEALTH_##name = (value),
    VR_HEALTHS(X)
#undef X
};

#define VR_MODES(X)                                                                                \
    X(NONE, 0, "none")                                                                             \
    X(PRIMARY, 1, "primary")                                                                       \
    X(REPLICA, 2, "replica")                                                                       \
    X(TEST, 3, "test replica")                                                                     \
    X(EXTENDED, 4, "extended replica")

enum vr_mode {
#define X(name, value, text) VR_MODE_##name = (value),
    VR_MODES(X)
#undef X
};

#define VR_JOB_STATES(X)                                                                           \
    X(NEW, 2, "scheduled")                                                                         \
    X(STARTING, 3, "queued")                                                                       \
    X(RUNNING, 4, "running")                                                                       \
    X(SUSPENDED, 5, "suspended")                                                                   \
    X(COMPLETED, 7, "completed")                                                                   \
    X(TERMINATED, 8, "cancelled")                                                                  \
    X(EXCEPTION, 10, "failed")

enum vr_job_state {
#define X(name, value, text) VR_JOB_##name = (value),
    VR_JOB_STATES(X)
#undef X
};

#define VR_JOB_EVENTS(X)                                                                           \
    X(DUE, "due")                                                                                  \
    X(START, "start")                                                                              \
    X(SUSPEND, "suspend")                                                                          \
    X(RESUME, "resume")                                                                            \
    X(COMPLETE, "complete")                                                                        \
    X(CANCEL, "cancel")                                                                            \
    X(FAIL, "fail")                                                                                \
    X(REQUEUE, "interrupted, will go on")

enum vr_job_event {
#define X(name, text) VR_JEV_##name,
    VR_JOB_EVENTS(X)
#undef X
};

#define VR_JOB_TYPES(X)                                                                            \
    X(MODIFY_SERVICE, 90, "Modify Replication Server Settings")                                    \
    X(ENABLE, 91, "Create Replication Relationship")                                               \
    X(MODIFY, 92, "Modify Replication Relationship Settings")                                      \
    X(DISABLE, 93, "Remove Replication Relationship")                                              \
    X(INITIAL, 94, "Start Inband Initial Replication")                                             \
    X(IMPORT, 95, "Import Replication")                                                            \
    X(STATE_CHANGE, 96, "Replicate State Change")                                                  \
    X(DELTA, 105, "Replication Sending Delta")                                                     \
    X(RESYNC, 107, "Resynchronizing")                                                              \
    X(CANCEL_RESYNC, 110, "Stop Resynchronizing")                                                  \
    X(VERIFY, 113, "Consistency Checker")                                                          \
    X(TEST, 115, "Test Replication Connection")                                                    \
    X(INITIAL_SEEDED, 117, "Start Resync Initial Replication")                                     \
    X(EXPORT, 118, "Start Export Initial Replication")                                             \
    X(RESYNC_EXTENDED, 121, "Resynchronizing Extended Replication")                                \
    X(FORECAST, 200, "Forecasting Resynchronization") /* no other product has one */

enum vr_job_type {
    VR_JOBTYPE_NONE = 0,
#define X(name, value, text) VR_JOBTYPE_##name = (value),
    VR_JOB_TYPES(X)
#undef X
};

#define VR_ROLES(X)                                                                                \
    X(NONE, 0, "none")                                                                             \
    X(VIEWER, 1, "viewer")                                                                         \
    X(OPERATOR, 2, "operator")                                                                     \
    X(ADMIN, 3, "administrator")

enum vr_role { /* each may do what those below it may */
#define X(name, value, text) VR_ROLE_##name = (value),
    VR_ROLES(X)
#undef X
};

/* What a transfer is doing, for progress. */
#define VR_PHASES(X)                                                                               \
    X(NONE, 0, "-")                                                                                \
    X(CONNECT, 1, "connecting")                                                                    \
    X(COMPARE, 2, "comparing")                                                                     \
    X(PROVE, 3, "proving")                                                                         \
    X(COMMIT, 4, "committing")                                                                     \
    X(READBACK, 5, "reading back")                                                                 \
    X(DONE, 6, "done")

enum vr_phase {
#define X(name, value, text) VR_PHASE_##name = (value),
    VR_PHASES(X)
#undef X
};

/* Why a job does not run. The words are labels of metrics, and stay. */
#define VR_WAITINGS(X)                                                                             \
    X(NONE, 0, "")                                                                                 \
    X(SCHEDULE, 1, "schedule") /* its time has not come */                                         \
    X(SLOT, 2, "slot")         /* other transfers have the places */                               \
    X(RETRY, 3, "retry")       /* the last try failed; the next one has its time */                \
    X(SPACE, 4, "space")       /* the replica's host had none left; it is tried again */           \
    X(PAUSED, 5, "paused")     /* a person paused it */                                            \
    X(DISKS, 6, "disks")       /* the disks were not to be had as of one moment; tried again */

enum vr_waiting {
#define X(name, value, text) VR_WAITING_##name = (value),
    VR_WAITINGS(X)
#undef X
    VR_WAITING_LAST = VR_WAITING_DISKS
};

/* What the last verification said. The values are stored. */
#define VR_VERIFIES(X)                                                                             \
    X(NONE, 0, "not verified")                                                                     \
    X(EQUAL, 1, "equal")                                                                           \
    X(DIFFERS, 2, "different")                                                                     \
    X(FAILED, 3, "could not be verified")

enum vr_verify {
#define X(name, value, text) VR_VERIFY_##name = (value),
    VR_VERIFIES(X)
#undef X
};

const char *vr_rel_state_text(int state);
const char *vr_rel_event_text(int event);
const char *vr_health_text(int health);
const char *vr_mode_text(int mode);
const char *vr_job_state_text(int state);
const char *vr_job_event_text(int event);
const char *vr_job_type_text(int type);
const char *vr_role_text(int role);
const char *vr_phase_text(int phase);
const char *vr_verify_text(int verify);
const char *vr_waiting_text(int waiting);

/* The state x event tables. *ret_next is untouched when the event is refused (false). */
bool vr_rel_next(enum vr_rel_state state, enum vr_rel_event event, enum vr_rel_state *ret_next);
bool vr_job_next(enum vr_job_state state, enum vr_job_event event, enum vr_job_state *ret_next);
/* Completed, Terminated or Exception. */
bool vr_job_is_final(enum vr_job_state state);
