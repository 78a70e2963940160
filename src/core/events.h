/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The events of replication, once: X(name, number, syslog priority, stable id, when it is raised).
 * A number or id is never reused or changed: people filter their logs by them. 29242 and 29244 are
 * the ones monitoring products of the field know. docs/events.md is printed from here.
 */
#pragma once
#include "model/model.h"

#define CORE_EVENTS(X)                                                                             \
    X(COMPARE_STARTED, 29242, 5, "resync-compare-started",                                         \
      "a transfer begins to compare; the text has the job and how many bytes")                     \
    X(COMPARE_ENDED, 29244, 5, "resync-compare-ended",                                             \
      "a transfer that compared ended; the text has its result, how much and how long")            \
    X(JOB_ACCEPTED, 29300, 6, "job-accepted", "a job was stored, and with that accepted")          \
    X(JOB_SUPERSEDED, 29301, 5, "job-superseded", "a scheduled job was replaced by a newer one")   \
    X(JOB_COMPLETED, 29302, 5, "job-completed", "a job has ended well")                            \
    X(JOB_FAILED, 29303, 3, "job-failed", "a job has ended badly; the text says why")              \
    X(JOB_CANCELLED, 29304, 5, "job-cancelled", "somebody cancelled a job")                        \
    X(JOB_SUSPENDED, 29305, 5, "job-suspended",                                                    \
      "somebody paused a job, or it had to stop; what is staged stays")                            \
    X(JOB_RESUMED, 29306, 5, "job-resumed", "a suspended job goes on")                             \
    X(LINK_LOST, 29307, 4, "link-lost",                                                            \
      "the connection to the peer was lost; the job tries again by itself")                        \
    X(INSTANT_ENDED, 29339, 4, "instant-ended",                                                    \
      "a VM was started, ended, or not to be read while a transfer wanted to; the job tries "      \
      "again "                                                                                     \
      "with a new instant")                                                                        \
    X(NO_SPACE, 29308, 3, "replica-no-space",                                                      \
      "the replica's host has no space to stage or commit; the job is suspended")                  \
    X(STATE_CHANGED, 29309, 5, "relationship-state", "a relationship moved to another state")      \
    X(NEEDS_DECISION, 29310, 3, "lineage-conflict",                                                \
      "source and replica descend from different branches: a person must decide")                  \
    X(ENABLED, 29311, 5, "replication-enabled", "a relationship was made, here or for a peer")     \
    X(DISABLED, 29312, 5, "replication-disabled", "a relationship was removed")                    \
    X(FAILED_OVER, 29313, 4, "failed-over", "the replica on this host was made the living VM")     \
    X(ADOPTED, 29314, 4, "generation-adopted", "somebody accepted what the replica holds")         \
    X(FORCED, 29315, 4, "resync-forced", "somebody overwrites a replica of another lineage")       \
    X(PEER_REFUSED, 29316, 4, "peer-refused", "a peer asked for what it may not have")             \
    X(SAVE_FAILED, 29317, 3, "save-failed",                                                        \
      "the database could not be written; it is tried again")                                      \
    X(SETTLED, 29318, 5, "transfer-settled",                                                       \
      "after a start or a lost link: how the transfer before had ended")                           \
    X(AUTH_CHANGED, 29319, 5, "authorization-changed",                                             \
      "who may replicate to this host was changed")                                                \
    X(REPLICA_NOT_READY, 29320, 3, "replica-not-ready",                                            \
      "a replica on disk cannot be used; the text says why")                                       \
    X(REPLICA_FOUND, 29321, 4, "replica-found",                                                    \
      "a replica whose record was lost was taken up again")                                        \
    X(CERTIFICATE_ENDS, 29322, 4, "certificate-ends",                                              \
      "this host's certificate ends soon or has ended")                                            \
    X(SERVICE_CHANGED, 29330, 5, "service-settings-changed",                                       \
      "somebody changed the settings of the replication service")                                  \
    X(LIBVIRT_LOST, 29340, 4, "libvirt-lost",                                                      \
      "libvirt does not answer, or is too old; it is tried again")                                 \
    X(LIBVIRT_BACK, 29341, 5, "libvirt-connected", "libvirt answers, and its VMs are known")       \
    X(BACKUP_ENDED, 29342, 4, "backup-jobs-ended",                                                 \
      "backup jobs of libvirt that a daemon left behind when it was killed were ended")            \
    X(NOT_FROZEN, 29343, 4, "not-frozen",                                                          \
      "a guest's agent did not freeze it; the transfer goes on, crash-consistent")                 \
    X(COMPARED_WHOLE, 29344, 5, "compared-whole",                                                  \
      "a cycle did not know what had changed on some disks and compared all of them; the text "    \
      "says "                                                                                      \
      "which and why, once for each change of it")                                                 \
    X(REPLICA_DEFINED, 29350, 5, "replica-defined",                                                \
      "the replica VM was defined in libvirt; the text says what this host lacks for it")          \
    X(REPLICA_NOT_DEFINED, 29351, 4, "replica-not-defined",                                        \
      "the replica VM could not be defined in libvirt; the replication goes on")                   \
    X(REPLICA_UNDEFINED, 29352, 5, "replica-undefined",                                            \
      "the replica VM of a removed relationship was undefined, or became a VM like any other")     \
    X(REPLICA_STARTED, 29353, 3, "replica-started",                                                \
      "somebody started a replica VM that was not failed over: its disks change without us")       \
    X(DISKS_FOLLOWED, 29354, 5, "disks-followed",                                                  \
      "the replica's disks became others with the primary's; the text says which, and under what " \
      "name the image of a removed one is kept")                                                   \
    X(WINDOW_ENDED, 29174, 6, "statistics-window",                                                 \
      "a window of statistics ended in which something was counted; the text has the numbers")     \
    X(STATS_RESET, 29331, 5, "statistics-reset",                                                   \
      "somebody began a relationship's statistics anew")                                           \
    X(DELTA_SENT, 29332, 6, "delta-sent", "a cycle sent what had changed")                         \
    X(DELTA_FAILED, 29333, 4, "delta-failed",                                                      \
      "a cycle could not be carried out; the text says why, and when the next try comes")          \
    X(CYCLES_MISSED, 29334, 4, "cycles-missed",                                                    \
      "a cycle could not begin, the first of a row; how many: statistics")                         \
    X(CYCLES_GO_ON, 29335, 5, "cycles-go-on", "the first cycle after missed or failed ones")       \
    X(HEALTH_CHANGED, 29336, 4, "health-changed",                                                  \
      "a relationship's health changed while its state did not; the text says why")                \
    X(RESYNC_LENGTHENED, 29337, 4, "resync-lengthened",                                            \
      "the disks were in use or written during an automatic resynchronization; it begins again")   \
    X(AUTO_REFUSED, 29338, 4, "automatic-resync-refused",                                          \
      "an automatic resynchronization could not be begun, the first time of a row")

enum core_event {
#define X(name, number, priority, id, when) CORE_EV_##name,
    CORE_EVENTS(X)
#undef X
};

/* An event of this kind at that time, without VM and text. */
struct vr_event core_event_of(enum core_event ev, uint64_t time_us);
