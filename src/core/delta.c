/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The jobs of cycles (cycle.c): transfers as a resynchronization, but the relationship stays in
 * state 3. One that does not get through ends; the next cycle begins where it stopped, by what is
 * staged. Whoever else needs the relationship goes first.
 *
 *   end                     relationship
 *   0                       the new generation
 *   BUSY                    the cycle was missed: disks are in use, or were written
 *   PEER, TIMEOUT, NOSPACE, others: tried again after minutes (cycle_failed)
 *   INVALID                 9: the replica's disks cannot follow
 *   LINEAGE, CORRUPT        8
 */
#include <string.h>

#include "core/internal.h"
#include "util/num.h"

/* A call of core_resync that waits until the delta has made way. */
struct parked {
    struct core_caller who;
    struct core_resync_args args;
    core_done done;
    void *ctx;
};

struct job_entry *delta_of(struct core *c, const struct vr_uuid *vm, uint8_t number)
{
    for (struct job_entry *e = jobs_of(c, vm); e; e = jobs_of_next(e)) {
        bool open = !vr_job_is_final(e->j.state) && job_is_delta(&e->j);
        if (open && e->j.rel_number == number) {
            return e;
        }
    }
    return NULL;
}

int delta_give_way(
    struct core *c, const struct vr_uuid *vm, uint8_t number, const char *why, struct vr_err *err)
{
    struct job_entry *e = delta_of(c, vm, number);
    if (!e) {
        return 0;
    }
    if (!e->lane) {
        job_finish(c, e, VR_JEV_CANCEL, 0, why);
        return 0;
    }
    if (e->j.progress.phase >= VR_PHASE_COMMIT) {
        return vr_fail(err, VR_E_BUSY, "job %llu (%s) is being committed; try again",
                       (unsigned long long)e->j.id, vr_job_type_text((int)e->j.type));
    }
    if (e->cmd == CMD_NONE) {
        e->cmd = CMD_PAUSE; /* what is staged stays */
        core_text(e->abort_text, sizeof(e->abort_text), "%s", why);
        c->ops->command_transfer(c->ctx, e->j.id, CORE_LANE_PAUSE, 0);
    }
    return 1;
}

int delta_park(struct job_entry *e,
               const struct core_caller *who,
               const struct core_resync_args *args,
               core_done done,
               void *ctx,
               struct vr_err *err)
{
    if (e->parked) {
        return vr_fail(err, VR_E_BUSY, "another resynchronization is starting");
    }
    e->parked = malloc(sizeof(*e->parked));
    if (!e->parked) {
        return vr_fail_nomem(err);
    }
    *e->parked = (struct parked){.who = *who, .args = *args, .done = done, .ctx = ctx};
    return 0;
}

void delta_unpark(struct core *c, struct job_entry *e)
{
    struct parked *p = e->parked;
    e->parked = NULL;
    if (p) {
        core_resync(c, &p->who, &p->args, p->done, p->ctx);
        free(p);
    }
}

/* What is known of changes is a hint: without it all is compared, and nobody has to do anything. */
static void tell_compared_whole(struct core *c,
                                const struct job_entry *e,
                                struct rel_entry *rel,
                                const char *disks)
{
    if (strcmp(rel->compared_whole, disks) == 0) {
        return;
    }
    core_text(rel->compared_whole, sizeof(rel->compared_whole), "%s", disks);
    if (disks[0]) {
        core_event(c, CORE_EV_COMPARED_WHOLE, &e->j.vm_id, e->j.vm_name, "job %llu: %.230s",
                   (unsigned long long)e->j.id, disks);
    }
}

static void sent(struct core *c,
                 struct job_entry *e,
                 struct rel_entry *rel,
                 const struct core_transfer_result *res)
{
    struct vr_rel next = rel->r;
    uint64_t now = core_now(c), from = e->j.started_us, bytes = transfer_take_bytes(e);
    if (!vr_uuid_is_nil(&res->generation.uuid)) {
        core_rel_new_generation(&next, &res->generation);
    }
    next.last_sync_us = transfer_instant(&next, res->result == 0 ? &res->report : NULL);
    next.consistency = transfer_consistency(&next, res->result == 0 ? &res->report : NULL);
    next.proposed = (struct vr_uuid){0};
    memcpy(next.stamp, e->stamp, sizeof(next.stamp));
    stats_count(c, &next, VR_OUTCOME_SUCCESS, bytes, from < now ? now - from : 0);
    cycle_done(c, rel, &next);
    core_rel_put(c, rel, &next);
    if (res->result == 0 && c->ops->save_report(c->ctx, &res->report, NULL) < 0) {
        core_event(c, CORE_EV_SAVE_FAILED, &e->j.vm_id, e->j.vm_name,
                   "the report of job %llu could not be saved", (unsigned long long)e->j.id);
    }
    if (res->result == 0) {
        tell_compared_whole(c, e, rel, res->compared_whole);
    }
    core_event(c, CORE_EV_DELTA_SENT, &e->j.vm_id, e->j.vm_name,
               "job %llu: %llu bytes differed, %llu on the line, in %llu ms",
               (unsigned long long)e->j.id, (unsigned long long)e->j.progress.bytes_differing,
               (unsigned long long)bytes,
               (unsigned long long)(from < now ? (now - from) / 1000 : 0));
    job_finish(c, e, VR_JEV_COMPLETE, 0, "completed");
}

static void stopped(struct core *c, struct job_entry *e, struct rel_entry *rel, const char *why)
{
    struct vr_rel next = rel->r;
    uint64_t bytes = transfer_take_bytes(e);
    if (bytes) {
        stats_count(c, &next, VR_OUTCOME_ENDED, bytes, 0);
        core_rel_put(c, rel, &next);
    }
    job_finish(c, e, VR_JEV_CANCEL, 0, why);
}

/* What it means for the relationship. The state may have moved meanwhile: then only counts do. */
static void follow_failure(struct core *c,
                           struct rel_entry *rel,
                           const struct job_entry *e,
                           struct vr_rel *next,
                           int r,
                           uint64_t bytes,
                           const char *text)
{
    bool network = (r == -VR_E_PEER || r == -VR_E_TIMEOUT) && !e->instant_ended;
    if (r == -VR_E_BUSY) {
        stats_count(c, next, VR_OUTCOME_ENDED, bytes, 0);
        cycle_missed(c, rel, next, 1, text);
        return;
    }
    stats_count(c, next, network ? VR_OUTCOME_NETWORK : VR_OUTCOME_FAILURE, bytes, 0);
    if (r == -VR_E_CORRUPT) {
        (void)!core_rel_move(next, VR_REV_PROOF_FAILED, text, NULL);
    } else if (r == -VR_E_INVALID) {
        if (core_rel_move(next, VR_REV_LOST_TRACK, text, NULL) == 0) {
            next->cause = VR_WHY_GEOMETRY;
        }
    } else if (r != -VR_E_LINEAGE) {
        cycle_failed(c, rel, next, text);
    }
}

void delta_failed(struct core *c, struct job_entry *e, int r, const char *text)
{
    struct rel_entry *rel = core_find_rel(c, &e->j.vm_id, e->j.rel_number);
    uint32_t code = r == -VR_E_LINEAGE ? VR_RC_STATUS_UNKNOWN : vr_retcode_of_error(r);
    if (rel) {
        struct vr_rel next = rel->r;
        follow_failure(c, rel, e, &next, r, transfer_take_bytes(e), text);
        core_rel_put(c, rel, &next);
    }
    if (rel && r == -VR_E_LINEAGE) {
        transfer_lineage(c, rel, text);
    }
    if (r == -VR_E_NOSPACE) {
        core_event(c, CORE_EV_NO_SPACE, &e->j.vm_id, e->j.vm_name, "job %llu: %s",
                   (unsigned long long)e->j.id, text);
    }
    if (e->j.state == VR_JOB_STARTING || e->j.state == VR_JOB_RUNNING) {
        job_fail(c, e, code, r, text);
    }
}

void delta_end(struct core *c,
               struct job_entry *e,
               enum job_cmd cmd,
               const struct core_transfer_result *res,
               bool settled)
{
    struct rel_entry *rel = core_find_rel(c, &e->j.vm_id, e->j.rel_number);
    if (!rel) {
        job_fail(c, e, VR_RC_INVALID_STATE, -VR_E_STATE, "the relationship was removed");
    } else if (res->result == 0 || settled) {
        sent(c, e, rel, res);
    } else if (res->result == -VR_E_CANCELED) {
        stopped(c, e, rel,
                cmd == CMD_PAUSE    ? e->abort_text
                : cmd == CMD_CANCEL ? "cancelled"
                                    : vr_err_text(&res->err));
    } else if (cmd == CMD_ABORT) {
        delta_failed(c, e, -VR_E_IO, e->abort_text);
    } else {
        delta_failed(c, e, res->result, vr_err_text(&res->err));
    }
}

void delta_interrupted(struct core *c, struct job_entry *e)
{
    const struct rel_entry *rel = core_find_rel(c, &e->j.vm_id, e->j.rel_number);
    if (e->j.state == VR_JOB_STARTING) {
        (void)!job_move(c, &e->j, VR_JEV_START, NULL);
    }
    bool sent = rel && transfer_was_acknowledged(&rel->r, &e->j);
    job_finish(c, e, sent ? VR_JEV_COMPLETE : VR_JEV_CANCEL, 0,
               sent ? "completed" : "interrupted by a restart; the next cycle goes on");
}
