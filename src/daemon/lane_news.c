/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/lane_news.h"

#define PROGRESS_EVERY_US 250000

/* --- on the control thread --- */

static void on_progress(void *arg)
{
    struct lane_news *n = arg;
    pthread_mutex_lock(&n->lock);
    struct vr_progress p = n->progress;
    n->progress_sent = false;
    pthread_mutex_unlock(&n->lock);
    if (!n->d->stopping) {
        core_on_progress(n->d->core, n->job_id, &p);
    }
}

static void on_proposed(void *arg)
{
    struct lane_news *n = arg;
    if (!n->d->stopping) {
        core_on_proposed(n->d->core, n->job_id, &n->proposed, &n->from, n->instant_us,
                         n->consistency);
    }
}

void lane_news_frozen(const struct lane_news *n,
                      const struct vr_vm *vm,
                      const struct frozen_disks *disks,
                      struct core_transfer_result *res)
{
    if (disks->freeze_text[0] && !n->d->stopping) {
        daemon_event(n->d, CORE_EV_NOT_FROZEN, &vm->id, vm->name, "crash-consistent: %.230s",
                     disks->freeze_text);
    }
    res->not_frozen = disks->freeze_text[0] != '\0';
    res->frozen_us = disks->frozen_us;
}

void lane_news_init(
    struct lane_news *n, struct daemon *d, uint64_t job_id, void (*on_end)(void *arg), void *arg)
{
    *n = (struct lane_news){.d = d, .job_id = job_id};
    n->progress_msg = (struct control_msg){.fn = on_progress, .arg = n};
    n->proposed_msg = (struct control_msg){.fn = on_proposed, .arg = n};
    n->end_msg = (struct control_msg){.fn = on_end, .arg = arg};
    pthread_mutex_init(&n->lock, NULL);
}

void lane_news_deinit(struct lane_news *n)
{
    pthread_mutex_destroy(&n->lock);
}

int lane_replica_rel(struct daemon *d,
                     const struct vr_uuid *vm,
                     struct vr_rel *ret,
                     struct vr_err *err)
{
    const struct vr_rel *replica = core_rel(d->core, vm, 0);
    if (!replica) {
        return vr_fail(err, VR_E_STATE, "this host holds no replica of the VM");
    }
    *ret = *replica;
    return 0;
}

/* --- on the lane's thread --- */

bool lane_news_is_due(const struct lane_news *n, uint64_t now_us)
{
    return now_us - n->progress_at_us >= PROGRESS_EVERY_US;
}

void lane_news_progress(struct lane_news *n, const struct vr_progress *p, uint64_t now_us)
{
    n->progress_at_us = now_us;
    pthread_mutex_lock(&n->lock);
    n->progress = *p;
    bool send = !n->progress_sent;
    n->progress_sent = true;
    pthread_mutex_unlock(&n->lock);
    if (send) {
        control_send(n->d->control, &n->progress_msg);
    }
}

void lane_news_propose(struct lane_news *n,
                       const struct vr_uuid *proposed,
                       const struct vr_uuid *from,
                       uint64_t instant_us,
                       uint8_t consistency)
{
    if (!n->proposed_sent) {
        n->proposed_sent = true;
        n->proposed = *proposed;
        n->from = from ? *from : (struct vr_uuid){0};
        n->instant_us = instant_us;
        n->consistency = consistency;
        control_send(n->d->control, &n->proposed_msg);
    }
}

void lane_news_end(struct lane_news *n)
{
    control_send(n->d->control, &n->end_msg);
}
