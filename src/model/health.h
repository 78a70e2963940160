/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a relationship is not well, once: X(name, number, health it makes, may automatic
 * resynchronization mend it, stable id, text, what to do). Numbers and ids are never reused; a
 * number below 32 is also a bit of a set. From VR_WHY_STATE_9_FIRST on they say why a relationship
 * is in state 9, and are stored. docs/health.md is printed from here.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "model/states.h"

/* clang-format off */
#define VR_HEALTH_REASONS(X) \
    X(NOT_STARTED, 1, WARNING, false, "initial-replication-missing", \
      "the initial replication has not completed", "start it, or wait for its end") \
    X(PAUSED, 2, WARNING, false, "paused", "replication is paused", "resume it") \
    X(RESYNCHRONIZING, 3, WARNING, false, "resynchronizing", \
      "a resynchronization is queued or running", "wait for its end") \
    X(REQUIRED, 4, CRITICAL, false, "resynchronization-required", \
      "the replica must be resynchronized", "resynchronize") \
    X(ERROR, 5, CRITICAL, false, "error", \
      "replication cannot go on as it is", "look at the reason, then resynchronize") \
    X(NEEDS_DECISION, 6, CRITICAL, false, "needs-decision", \
      "source and replica descend from different branches", \
      "adopt the replica, or resync --force") \
    X(MISSED, 7, WARNING, false, "cycles-missed", \
      "more than a fifth of the cycles of this window were missed", \
      "look at the virtual machine's events; ResetReplicationStatistics ends this") \
    X(BEHIND, 8, WARNING, false, "behind", \
      "the replica is more than an hour and two intervals behind", \
      "look at the virtual machine's events") \
    X(SLOW, 9, WARNING, false, "slow", \
      "transfers take more than five minutes on average", \
      "look at the line, or choose a longer interval") \
    X(CANNOT_SEND, 10, CRITICAL, false, "cannot-send", \
      "the last tries to send failed", "look at the network and the storage of both hosts") \
    X(FAILED_OVER, 11, WARNING, false, "failed-over", \
      "the replica was failed over and is not replicated", "decide which side goes on") \
    X(NOT_DEFINED, 12, WARNING, false, "replica-not-defined", \
      "the replica VM could not be defined in libvirt", \
      "look at its definition in the relationship's details") \
    X(RESYNC_FAILED, 16, CRITICAL, true, "resynchronization-failed", \
      "a resynchronization failed", "look at the reason, then resynchronize") \
    X(CANCELLED, 17, CRITICAL, false, "resynchronization-cancelled", \
      "somebody cancelled a resynchronization", "resynchronize") \
    X(CHANGED_ALONE, 18, CRITICAL, false, "replica-changed", \
      "the replica changed without us", "find out why, then resynchronize") \
    X(DIFFERS, 19, CRITICAL, false, "replica-differs", \
      "a verification found a difference", "find out why, then resynchronize") \
    X(ADOPTED, 20, CRITICAL, false, "adopted", "the replica was adopted", "resynchronize") \
    X(MISSED_LONG, 21, CRITICAL, true, "missed-too-long", \
      "nothing could be sent for a day", "resynchronize, or wait for the automatic window") \
    X(GEOMETRY, 22, CRITICAL, true, "geometry", \
      "the replica's disks cannot follow the primary's", \
      "do what the reason says, then resynchronize") \
    X(HINT_LOST, 23, CRITICAL, true, "changes-unknown", \
      "it is not known what changed on the source", "resynchronize") \
    X(SOURCE_MOVED_ON, 24, CRITICAL, true, "source-moved-on", \
      "the replica that is sent on took a new generation", "resynchronize") \
    X(INTERRUPTED, 25, CRITICAL, true, "interrupted", \
      "a restart interrupted a resynchronization", "resynchronize")
/* clang-format on */

enum vr_health_reason {
    VR_WHY_NONE = 0,
#define X(name, number, health, automatic, id, text, advice) VR_WHY_##name = (number),
    VR_HEALTH_REASONS(X)
#undef X
};

#define VR_WHY_STATE_9_FIRST 16
#define VR_BEHIND_US ((uint64_t)3600 * 1000000) /* and two intervals */
#define VR_SLOW_US ((uint64_t)300 * 1000000)
#define VR_FAILING_TRIES 2 /* in a row make CANNOT_SEND: one may be a restart of the peer */

struct vr_health_row {
    enum vr_health_reason why;
    enum vr_health health;
    bool automatic;
    const char *id, *text, *advice;
};

struct vr_rel;

/* The i-th row; NULL past the end. */
const struct vr_health_row *vr_health_row_at(unsigned i);
/* NULL: there is none. */
const struct vr_health_row *vr_health_row(enum vr_health_reason why);
/* May automatic resynchronization leave state 9 when this led there? */
bool vr_health_is_automatic(enum vr_health_reason why);
/* What is wrong with the relationship: bits 1 << VR_WHY_x. */
uint32_t vr_health_reasons(const struct vr_rel *rel, uint64_t now_us);
/* The worst health of the set; OK for none. *ret_why (may be NULL): the first reason that makes it.
 */
enum vr_health vr_health_worst(uint32_t reasons, enum vr_health_reason *ret_why);
