/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Automatic resynchronization: out of state 9, within the window, when what led there is safe to
 * mend unasked (model/health.h says what is). It is core_resync with nobody who waits: the same
 * conditions, the same queue, behind what people asked for and the longest unprotected first.
 *
 * Never a loop: each try waits longer than the one before, whether it was refused or failed; and a
 * job that meets disks in use, or written while it read them, stays and begins again (transfer.c),
 * so that the relationship does not come back here.
 *
 * The window is of local time and may wrap midnight. Nothing is computed ahead over a change of
 * clocks: until it begins, the time is looked at every few minutes.
 */
#include "core/internal.h"
#include "util/num.h"

#define LOOK_US (5 * CORE_MINUTE)

struct attempt {
    struct core *c;
    struct vr_uuid vm;
    uint8_t number;
};

static bool wants(const struct rel_entry *e)
{
    const struct vr_rel *r = &e->r;
    return r->is_source && r->state == VR_REL_RESYNC_REQUIRED && r->setting.auto_resync &&
           vr_health_is_automatic(r->cause);
}

bool auto_may(struct core *c, const struct rel_entry *e, uint64_t now)
{
    return wants(e) && vr_setting_in_window(&e->r.setting, c->ops->local_day_s(c->ctx, now));
}

uint64_t auto_next(struct core *c, const struct rel_entry *e, uint64_t now)
{
    if (!wants(e)) {
        return 0;
    }
    uint32_t day_s = c->ops->local_day_s(c->ctx, now);
    if (vr_setting_in_window(&e->r.setting, day_s)) {
        return VR_MAX(now, e->not_before_us);
    }
    return now + (e->r.setting.auto_start_s + VR_DAY_S - day_s) % VR_DAY_S * CORE_SEC;
}

uint64_t auto_wish(struct core *c, const struct rel_entry *e, uint64_t now)
{
    uint64_t next = auto_next(c, e, now);
    bool waits = next && !vr_setting_in_window(&e->r.setting, c->ops->local_day_s(c->ctx, now));
    return waits ? VR_MIN(next, now + LOOK_US) : next;
}

static void answered(void *ctx, const struct core_answer *a)
{
    struct attempt *t = ctx;
    struct rel_entry *e = core_find_rel(t->c, &t->vm, t->number);
    bool accepted = a->code == VR_RC_COMPLETED || a->code == VR_RC_JOB_STARTED;
    if (e && !accepted && !e->refused) {
        core_event(t->c, CORE_EV_AUTO_REFUSED, &t->vm, NULL, "relationship %u: %s", t->number,
                   a->text);
    }
    if (e) {
        e->refused = !accepted;
    }
    free(t);
}

void auto_start(struct core *c, struct rel_entry *e, uint64_t now)
{
    static const struct core_caller who = {VR_ROLE_OPERATOR, "automatic"};
    struct core_resync_args args = {
        .vm_id = e->r.vm_id, .rel_number = e->r.number, .automatic = true};
    if (!auto_may(c, e, now) || now < e->not_before_us) {
        return;
    }
    e->not_before_us = now + jobs_backoff_us(c, e->tries++);
    struct attempt *t = malloc(sizeof(*t));
    if (t) {
        *t = (struct attempt){.c = c, .vm = e->r.vm_id, .number = e->r.number};
        core_resync(c, &who, &args, answered, t);
    }
}
