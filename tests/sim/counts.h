/* SPDX-License-Identifier: Apache-2.0 */
/* What is counted in every world. */
#pragma once

/* Faults and turns of fate that a run of many seeds must have seen. */
/* clang-format off */
#define SIM_COUNTS(X)                                                                              \
    X(KILL) X(POWER) X(CRASH_IN_REDO) X(CRASH_IN_RECOVERY) X(CRASH_AFTER_INTENT) X(EIO) X(NOSPACE) \
    X(TORN) X(DROPPED) X(LOST_NAME) X(NOMEM) X(LINK_CUT) X(CALL_TIMEOUT) X(DAMAGE) X(GUEST_WRITE)  \
    X(GUEST_DURING) X(VM_STARTED) X(FAILOVER) X(PAUSE) X(RESUME) X(CANCEL) X(VERIFY) X(SCHEDULED)  \
    X(SUPERSEDED) X(RESTART_FLAG) X(BANDWIDTH) X(EXTENDED) X(GATE_CLOSED) X(COMPLETED)             \
    X(SETTLED_LATE) X(RESUMED_STAGING) X(FULL_DISK) X(FORCED) X(RUNS_MERGED) X(PREEMPTED) \
    X(MODIFIED) X(CREATED) X(REMOVED) X(START_NETWORK) X(START_LATER) X(START_SEEDED) X(SEEDS)     \
    X(EXPORT) X(EXPORTED) X(EXPORT_STOPPED) X(CARRIED) X(CARRIED_BAD) X(IMPORT) X(IMPORTED)        \
    X(IMPORT_REFUSED) X(IMPORT_STOPPED) X(RELEASED_AT_START)
/* clang-format on */

enum sim_count {
#define X(name) SIM_##name,
    SIM_COUNTS(X)
#undef X
    SIM_COUNT_COUNT
};
