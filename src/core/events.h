/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The events of replication, once: X(name, number, syslog priority, stable id). A number or id is
 * never reused or changed: people filter their logs by them. 29242 and 29244 are the ones
 * monitoring products of the field know.
 */
#pragma once

#define CORE_EVENTS(X)                                                                             \
    X(COMPARE_STARTED, 29242, 5, "resync-compare-started")                                         \
    X(COMPARE_ENDED, 29244, 5, "resync-compare-ended")                                             \
    X(JOB_ACCEPTED, 29300, 6, "job-accepted")                                                      \
    X(JOB_SUPERSEDED, 29301, 5, "job-superseded")                                                  \
    X(JOB_COMPLETED, 29302, 5, "job-completed")                                                    \
    X(JOB_FAILED, 29303, 3, "job-failed")                                                          \
    X(JOB_CANCELLED, 29304, 5, "job-cancelled")                                                    \
    X(JOB_SUSPENDED, 29305, 5, "job-suspended")                                                    \
    X(JOB_RESUMED, 29306, 5, "job-resumed")                                                        \
    X(LINK_LOST, 29307, 4, "link-lost")                                                            \
    X(NO_SPACE, 29308, 3, "replica-no-space")                                                      \
    X(STATE_CHANGED, 29309, 5, "relationship-state")                                               \
    X(NEEDS_DECISION, 29310, 3, "lineage-conflict")                                                \
    X(ENABLED, 29311, 5, "replication-enabled")                                                    \
    X(DISABLED, 29312, 5, "replication-disabled")                                                  \
    X(FAILED_OVER, 29313, 4, "failed-over")                                                        \
    X(ADOPTED, 29314, 4, "generation-adopted")                                                     \
    X(FORCED, 29315, 4, "resync-forced")                                                           \
    X(PEER_REFUSED, 29316, 4, "peer-refused")                                                      \
    X(SAVE_FAILED, 29317, 3, "save-failed")                                                        \
    X(SETTLED, 29318, 5, "transfer-settled")                                                       \
    X(AUTH_CHANGED, 29319, 5, "authorization-changed")

enum core_event {
#define X(name, number, priority, id) CORE_EV_##name,
    CORE_EVENTS(X)
#undef X
};
