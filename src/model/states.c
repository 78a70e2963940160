/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two life cycles as tables: what is not listed is refused.
 *
 * Relationship (source side; a replica sees 0, 2, 3, 5, 7 and 8 of them):
 *
 *   READY --start initial--> INITIAL --done--> REPLICATING
 *   REPLICATING --asked, required--> RESYNCHRONIZING --done--> REPLICATING
 *   RESYNCHRONIZING --pause--> RESYNC_SUSPENDED --resume--> RESYNCHRONIZING
 *   RESYNCHRONIZING --failed, cancelled--> RESYNC_REQUIRED      --proof failed, lineage--> CRITICAL
 */
#include "model/states.h"

#include <stddef.h>

#include "util/num.h"

struct name_row {
    int value;
    const char *text;
};

static const char *lookup(const struct name_row *rows, size_t n, int value)
{
    for (size_t i = 0; i < n; i++) {
        if (rows[i].value == value) {
            return rows[i].text;
        }
    }
    return "unknown";
}

#define X(name, value, text) {value, text},
static const struct name_row rel_states[] = {VR_REL_STATES(X)};
static const struct name_row healths[] = {VR_HEALTHS(X)};
static const struct name_row modes[] = {VR_MODES(X)};
static const struct name_row job_states[] = {VR_JOB_STATES(X)};
static const struct name_row job_types[] = {VR_JOB_TYPES(X)};
static const struct name_row roles[] = {VR_ROLES(X)};
static const struct name_row phases[] = {VR_PHASES(X)};
static const struct name_row waitings[] = {VR_WAITINGS(X)};
static const struct name_row verifies[] = {VR_VERIFIES(X)};
#undef X
#define X(name, text) {VR_REV_##name, text},
static const struct name_row rel_events[] = {VR_REL_EVENTS(X)};
#undef X
#define X(name, text) {VR_JEV_##name, text},
static const struct name_row job_events[] = {VR_JOB_EVENTS(X)};
#undef X

const char *vr_rel_state_text(int state)
{
    return lookup(rel_states, VR_COUNT(rel_states), state);
}

const char *vr_rel_event_text(int event)
{
    return lookup(rel_events, VR_COUNT(rel_events), event);
}

const char *vr_health_text(int health)
{
    return lookup(healths, VR_COUNT(healths), health);
}

const char *vr_mode_text(int mode)
{
    return lookup(modes, VR_COUNT(modes), mode);
}

const char *vr_job_state_text(int state)
{
    return lookup(job_states, VR_COUNT(job_states), state);
}

const char *vr_job_event_text(int event)
{
    return lookup(job_events, VR_COUNT(job_events), event);
}

const char *vr_job_type_text(int type)
{
    return lookup(job_types, VR_COUNT(job_types), type);
}

const char *vr_role_text(int role)
{
    return lookup(roles, VR_COUNT(roles), role);
}

const char *vr_phase_text(int phase)
{
    return lookup(phases, VR_COUNT(phases), phase);
}

const char *vr_verify_text(int verify)
{
    return lookup(verifies, VR_COUNT(verifies), verify);
}

const char *vr_waiting_text(int waiting)
{
    return lookup(waitings, VR_COUNT(waitings), waiting);
}

struct move {
    int from, event, to;
};

/* A move a line. */
/* clang-format off */
#define M(from, event, to) {VR_REL_##from, VR_REV_##event, VR_REL_##to}
static const struct move rel_moves[] = {
    M(READY, START_INITIAL, INITIAL),
    M(READY, CHANGED_ALONE, READY),
    M(INITIAL, RESYNC_DONE, REPLICATING),
    M(INITIAL, START_RESYNC, RESYNCHRONIZING), /* exported, and imported by the replica's host */
    M(INITIAL, RESYNC_FAILED, READY),
    M(INITIAL, PROOF_FAILED, CRITICAL),
    M(INITIAL, CANCEL, READY),
    M(INITIAL, CANCEL_EQUAL, READY),
    M(INITIAL, PAUSE, READY),
    M(REPLICATING, START_RESYNC, RESYNCHRONIZING),
    M(REPLICATING, PAUSE, SUSPENDED),
    M(REPLICATING, CHANGED_ALONE, RESYNC_REQUIRED),
    M(REPLICATING, LOST_TRACK, RESYNC_REQUIRED),
    M(REPLICATING, PROOF_FAILED, CRITICAL),
    M(SUSPENDED, START_RESYNC, RESYNCHRONIZING),
    M(SUSPENDED, RESUME, REPLICATING),
    M(SUSPENDED, CHANGED_ALONE, RESYNC_REQUIRED),
    M(SUSPENDED, PROOF_FAILED, CRITICAL),
    M(CRITICAL, START_RESYNC, RESYNCHRONIZING),
    M(CRITICAL, START_INITIAL, INITIAL),
    M(CRITICAL, PROOF_FAILED, CRITICAL),
    M(CRITICAL, ADOPT, RESYNC_REQUIRED),
    M(RESYNC_REQUIRED, START_RESYNC, RESYNCHRONIZING),
    M(RESYNC_REQUIRED, CHANGED_ALONE, RESYNC_REQUIRED),
    M(RESYNC_REQUIRED, PROOF_FAILED, CRITICAL),
    M(RESYNCHRONIZING, RESYNC_DONE, REPLICATING),
    M(RESYNCHRONIZING, RESYNC_FAILED, RESYNC_REQUIRED),
    M(RESYNCHRONIZING, PROOF_FAILED, CRITICAL),
    M(RESYNCHRONIZING, PAUSE, RESYNC_SUSPENDED),
    M(RESYNCHRONIZING, CANCEL, RESYNC_REQUIRED),
    M(RESYNCHRONIZING, CANCEL_EQUAL, REPLICATING),
    M(RESYNC_SUSPENDED, RESUME, RESYNCHRONIZING),
    M(RESYNC_SUSPENDED, START_RESYNC, RESYNCHRONIZING),
    M(RESYNC_SUSPENDED, CANCEL, RESYNC_REQUIRED),
    M(RESYNC_SUSPENDED, CANCEL_EQUAL, REPLICATING),
    M(RESYNC_SUSPENDED, PROOF_FAILED, CRITICAL),
    /* replica side */
    M(INITIAL, FAILOVER, RECOVERED),
    M(REPLICATING, FAILOVER, RECOVERED),
    M(SUSPENDED, FAILOVER, RECOVERED),
    M(CRITICAL, FAILOVER, RECOVERED),
    M(CRITICAL, RESYNC_DONE, REPLICATING), /* a replica found without a record took a transfer */
    M(RECOVERED, RESYNC_DONE, REPLICATING), /* an administrator of the source forced it */
};
#undef M

#define M(from, event, to) {VR_JOB_##from, VR_JEV_##event, VR_JOB_##to}
static const struct move job_moves[] = {
    M(NEW, DUE, STARTING),          M(NEW, CANCEL, TERMINATED),
    M(NEW, FAIL, EXCEPTION),        M(STARTING, START, RUNNING),
    M(STARTING, CANCEL, TERMINATED), M(STARTING, FAIL, EXCEPTION),
    M(STARTING, SUSPEND, SUSPENDED), M(RUNNING, SUSPEND, SUSPENDED),
    M(RUNNING, COMPLETE, COMPLETED), M(RUNNING, CANCEL, TERMINATED),
    M(RUNNING, FAIL, EXCEPTION),    M(RUNNING, REQUEUE, STARTING),
    M(SUSPENDED, RESUME, STARTING), M(SUSPENDED, CANCEL, TERMINATED),
    M(SUSPENDED, FAIL, EXCEPTION),
};
#undef M

/* clang-format on */

static bool find_move(const struct move *moves, size_t n, int from, int event, int *ret_to)
{
    for (size_t i = 0; i < n; i++) {
        if (moves[i].from == from && moves[i].event == event) {
            *ret_to = moves[i].to;
            return true;
        }
    }
    return false;
}

bool vr_rel_next(enum vr_rel_state state, enum vr_rel_event event, enum vr_rel_state *ret_next)
{
    int to;
    if (!find_move(rel_moves, VR_COUNT(rel_moves), (int)state, (int)event, &to)) {
        return false;
    }
    *ret_next = (enum vr_rel_state)to;
    return true;
}

bool vr_job_next(enum vr_job_state state, enum vr_job_event event, enum vr_job_state *ret_next)
{
    int to;
    if (!find_move(job_moves, VR_COUNT(job_moves), (int)state, (int)event, &to)) {
        return false;
    }
    *ret_next = (enum vr_job_state)to;
    return true;
}

bool vr_job_is_final(enum vr_job_state state)
{
    return state == VR_JOB_COMPLETED || state == VR_JOB_TERMINATED || state == VR_JOB_EXCEPTION;
}
