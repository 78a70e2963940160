/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metrics, once: their names, and what docs/metrics.md says of them. A name, a label and what
 * they mean never change once they were released. Every series of a relationship is there as long
 * as the relationship, so that one that is missing means that the daemon is; what is not known is
 * -1, or 0 where that says it.
 *
 * X(name in the source, name, type, what the value counts, label beside those of the relationship,
 *   help, what it is where there is nothing to tell ("": there always is))
 */
#pragma once
#include <stdbool.h>

#define VR_METRICS(X)                                                                              \
    X(BUILD, "repl_build_info", GAUGE, NUMBER, "version", "The version of vmreplicad; always 1.",  \
      "one for the host, without a relationship's labels")                                         \
    X(STATE, "repl_state", GAUGE, NUMBER, "",                                                      \
      "Replication state: the numbers of docs/return-codes.md (3 replicating, 9 "                  \
      "resynchronization "                                                                         \
      "required, 10 resynchronizing).",                                                            \
      "")                                                                                          \
    X(HEALTH, "repl_health", GAUGE, NUMBER, "",                                                    \
      "Replication health: 0 not applicable, 1 ok, 2 warning, 3 critical.", "")                    \
    X(RPO, "repl_rpo_seconds", GAUGE, SECONDS, "",                                                 \
      "How old the recovery point may become: the interval of the replication that runs by "       \
      "itself.",                                                                                   \
      "-1 where it does not, and on the replica's host")                                           \
    X(LAG, "repl_lag_seconds", GAUGE, SECONDS, "", "How old the recovery point is.",               \
      "-1 without one")                                                                            \
    X(RECOVERABLE, "repl_recoverable_timestamp_seconds", GAUGE, SECONDS, "",                       \
      "The instant of the replica's last committed recovery point; 0: there is none.", "")         \
    X(LAST_SUCCESS, "repl_last_success_timestamp_seconds", GAUGE, SECONDS, "",                     \
      "When the last transfer completed; 0: none has.", "")                                        \
    X(NEXT_RUN, "repl_next_run_timestamp_seconds", GAUGE, SECONDS, "",                             \
      "When the next transfer is planned; 0: none is.", "")                                        \
    X(CYCLES, "repl_cycles_total", COUNTER, NUMBER, "result",                                      \
      "Transfers by result: success, miss (could not start at its time), network (a try that did " \
      "not find or lost the peer), failure (a try that failed otherwise).",                        \
      "the side that keeps the replica counts success alone")                                      \
    X(CYCLE_DURATION, "repl_cycle_duration_seconds", GAUGE, SECONDS, "",                           \
      "How long the last completed transfer took, all its tries included.",                        \
      "-1 until one has completed")                                                                \
    X(PENDING, "repl_pending_bytes", GAUGE, NUMBER, "", "What differs and was not sent yet.",      \
      "-1 while it is not known; 0 between the end of a comparison and its commit")                \
    X(SENT, "repl_sent_bytes_total", COUNTER, NUMBER, "",                                          \
      "Bytes sent by transfers, with those of the protocol; verifications do not count.",          \
      "0 on the replica's host")                                                                   \
    X(RESYNC_REQUIRED, "repl_resync_required", GAUGE, NUMBER, "reason",                            \
      "1: a resynchronization is required (state 9) for this reason (docs/health.md).",            \
      "0, for each reason")                                                                        \
    X(RESYNC_PHASE, "repl_resync_phase", GAUGE, NUMBER, "",                                        \
      "What the transfer or verification under way is doing: 0 none runs, 1 connecting, 2 "        \
      "comparing, 3 proving, 4 committing, 5 reading back.",                                       \
      "")                                                                                          \
    X(COMPARED, "repl_resync_compared_bytes", GAUGE, NUMBER, "",                                   \
      "Bytes compared by the transfer that is not finished.", "0 without one")                     \
    X(TOTAL, "repl_resync_total_bytes", GAUGE, NUMBER, "", "Bytes it has to compare.",             \
      "0 without one")                                                                             \
    X(TRANSFERRED, "repl_resync_transferred_bytes", GAUGE, NUMBER, "",                             \
      "Bytes of data it has sent, compressed.", "0 without one")                                   \
    X(DIFFERING, "repl_resync_differing_bytes", GAUGE, NUMBER, "",                                 \
      "Bytes it has found to differ.", "0 without one")                                            \
    X(RESTARTS, "repl_resync_restarts_total", COUNTER, NUMBER, "",                                 \
      "Tries that ended although their transfer went on.", "")                                     \
    X(VERIFY, "repl_verify_state", GAUGE, NUMBER, "",                                              \
      "The last verification: 0 both sides were equal, 1 they were not, 2 there was none since "   \
      "the last repair, or it could not be carried out.",                                          \
      "2 on the replica's host")                                                                   \
    X(UNVERIFIED, "repl_oldest_unverified_seconds", GAUGE, SECONDS, "",                            \
      "Since when the replica was not compared by a verification; without one, since the "         \
      "relationship was made.",                                                                    \
      "-1 on the replica's host")                                                                  \
    X(STAGING, "repl_staging_bytes", GAUGE, NUMBER, "", "What is staged beside the replica.",      \
      "0 at the source, and while no transfer is open")                                            \
    X(STAGING_LIMIT, "repl_staging_limit_bytes", GAUGE, NUMBER, "",                                \
      "What it may become before the transfer is suspended for want of space.",                    \
      "-1 before the first look at the free space")                                                \
    X(POINTS, "repl_points", GAUGE, NUMBER, "", "Recovery points that are kept.", "")              \
    X(FREEZE, "repl_freeze_seconds", GAUGE, SECONDS, "",                                           \
      "How long the guest's file systems were frozen the last time.", "0: not yet")                \
    X(FREEZE_FAILURES, "repl_freeze_failures_total", COUNTER, NUMBER, "",                          \
      "Freezes that failed; the transfer went on without.", "")                                    \
    X(BACKOFFS, "repl_read_backoffs_total", COUNTER, NUMBER, "",                                   \
      "How often a transfer that ended had to read slower, since the guest's writes took long.",   \
      "")                                                                                          \
    X(BACKOFF, "repl_read_backoff_level", GAUGE, NUMBER, "",                                       \
      "How far the transfer under way reads slower: each level halves the time in which it "       \
      "reads.",                                                                                    \
      "0 without one")                                                                             \
    X(WRITE_LATENCY, "repl_guest_write_latency_seconds", GAUGE, SECONDS, "",                       \
      "How long the guest's writes take on average while a transfer reads its disks.",             \
      "-1 while that is not known")                                                                \
    X(QUEUE_WAIT, "repl_queue_wait_seconds", GAUGE, SECONDS, "reason",                             \
      "How long a job has waited: for its time (schedule), a place among the transfers (slot), "   \
      "its next try (retry), free space (space), a person (paused), disks that stay as they are "  \
      "at one moment (disks).",                                                                    \
      "0, for each reason")                                                                        \
    X(CERT_EXPIRY, "repl_peer_cert_expiry_timestamp_seconds", GAUGE, SECONDS, "",                  \
      "When the certificate ends that the other host showed last.",                                \
      "0 until it is met after the start of the daemon")                                           \
    X(LINEAGE_CONFLICT, "repl_lineage_conflict", GAUGE, NUMBER, "",                                \
      "1: both sides descend from different branches, and a person must decide.", "")              \
    X(TEST_FAILOVER, "repl_last_test_failover_timestamp_seconds", GAUGE, SECONDS, "",              \
      "When the replica was last tried out; 0: it was not.", "")

enum vr_metric {
#define X(id, name, type, unit, label, help, otherwise) VR_METRIC_##id,
    VR_METRICS(X)
#undef X
    VR_METRIC_COUNT
};

struct vr_metric_info {
    const char *name, *label, *help;
    bool counter;
    bool seconds; /* kept in microseconds, shown in seconds */
};
extern const struct vr_metric_info vr_metrics[VR_METRIC_COUNT];

/* The results of repl_cycles_total. */
#define VR_METRIC_RESULTS(X)                                                                       \
    X(SUCCESS, "success") X(MISS, "miss") X(NETWORK, "network") X(FAILURE, "failure")
enum vr_metric_result {
#define X(id, text) VR_METRIC_RESULT_##id,
    VR_METRIC_RESULTS(X)
#undef X
    VR_METRIC_RESULT_COUNT
};
