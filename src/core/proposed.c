/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The generation that is sent with COMMIT: durable as `proposed` before that, so that the replica
 * can be asked whether it is at it when the acknowledgement is lost.
 */
#include "core/internal.h"

bool transfer_proposed(const struct vr_rel *rel, const struct vr_job *job)
{
    if (vr_uuid_is_nil(&rel->proposed) || job_is_verify(job)) {
        return false;
    }
    return rel->proposed_job ? rel->proposed_job == job->id : job->started_us != 0;
}

uint64_t transfer_instant(const struct vr_rel *rel, const struct vr_report *report)
{
    if (report && report->instant_us) {
        return report->instant_us;
    }
    return rel->proposed_us ? rel->proposed_us : rel->last_sync_us;
}

uint8_t transfer_consistency(const struct vr_rel *rel, const struct vr_report *report)
{
    return report ? (uint8_t)report->consistency : rel->proposed_consistency;
}

bool transfer_was_acknowledged(const struct vr_rel *rel, const struct vr_job *job)
{
    bool over = rel->state == VR_REL_REPLICATING || rel->state == VR_REL_SUSPENDED;
    return over && vr_uuid_is_nil(&rel->proposed) && rel->proposed_job == job->id;
}

void transfer_settle(struct core *c, struct rel_entry *rel, const struct vr_peer_reply *reply)
{
    if (vr_uuid_is_nil(&rel->r.proposed)) {
        return;
    }
    struct vr_rel next = rel->r;
    struct vr_generation gen = reply->generation;
    if (!vr_uuid_eq(&gen.uuid, &next.proposed)) {
        gen = (struct vr_generation){.uuid = next.proposed,
                                     .parent = next.generation.uuid,
                                     .sequence = next.generation.sequence + 1,
                                     .epoch = next.generation.epoch};
    }
    core_rel_new_generation(&next, &gen);
    next.last_sync_us = transfer_instant(&next, NULL);
    next.consistency = transfer_consistency(&next, NULL);
    next.proposed = (struct vr_uuid){0};
    core_rel_put(c, rel, &next);
    core_event(c, CORE_EV_SETTLED, &next.vm_id, NULL,
               "a transfer whose acknowledgement was lost had completed on %s", next.peer);
}

void core_on_proposed(struct core *c,
                      uint64_t job_id,
                      const struct vr_uuid *proposed,
                      const struct vr_uuid *from,
                      uint64_t instant_us,
                      uint8_t consistency)
{
    struct job_entry *e = jobs_find(c, job_id);
    if (!e || !e->lane) {
        return;
    }
    struct rel_entry *rel = core_find_rel(c, &e->j.vm_id, e->j.rel_number);
    struct vr_err err = VR_ERR_INIT;
    int r = rel ? 0 : vr_fail(&err, VR_E_NOT_FOUND, "the relationship was removed");
    if (r == 0) {
        struct vr_rel next = rel->r;
        if (!vr_uuid_is_nil(&next.proposed) && !vr_uuid_eq(&next.proposed, proposed)) {
            /* Nobody knows whether the earlier one was committed; it was made from our disks, so it
             * may count among the replica's former generations. */
            core_rel_remember(&next, &next.proposed);
        }
        next.proposed = *proposed;
        next.proposed_from = from ? *from : (struct vr_uuid){0};
        next.proposed_job = job_id;
        next.proposed_us = instant_us;
        next.proposed_consistency = consistency;
        r = core_rel_save(c, rel, &next, &err);
    }
    if (r < 0) {
        e->cmd = CMD_ABORT;
        core_text(e->abort_text, sizeof(e->abort_text), "the new generation could not be saved: %s",
                  vr_err_text(&err));
        c->ops->command_transfer(c->ctx, job_id, CORE_LANE_CANCEL, 0);
        return;
    }
    c->ops->command_transfer(c->ctx, job_id, CORE_LANE_PROPOSED_SAVED, 0);
}
