/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statistics: counted into the copy of a relationship that the caller saves with what it counts, so
 * that a stop in between counts neither twice nor not at all. A window that ends with something in
 * it is told and saved; an empty one is brought up to date when somebody looks.
 */
#include "core/internal.h"
#include "core/service.h"
#include "util/num.h"
#include "util/vtime.h"

#define ROLLED_MAX 16 /* windows saved in one tick */

static void due(struct core *c, const struct vr_rel *rel)
{
    uint64_t end = vr_window_is_empty(&rel->stats.now) ? 0 : rel->stats.now.end_us;
    if (end != 0 && (c->stats_due_us == 0 || end < c->stats_due_us)) {
        c->stats_due_us = end;
    }
}

static void roll(struct core *c, struct vr_rel *rel)
{
    struct vr_window w;
    char when[VR_ISO_TIME_LEN];
    if (!vr_stats_roll(&rel->stats, &c->service, core_now(c), rel->health, &w)) {
        return;
    }
    core_event(c, CORE_EV_WINDOW_ENDED, &rel->vm_id, NULL,
               "relationship %u since %s: %u completed, %u missed, %u network failures, %u other "
               "failures, %llu bytes",
               rel->number, vr_iso_time(w.start_us, when, sizeof(when)), w.successes, w.misses,
               w.network_failures, w.failures, (unsigned long long)w.bytes);
}

void stats_begin(struct core *c, struct vr_rel *rel)
{
    if (rel->stats.now.start_us == 0) {
        vr_stats_reset(&rel->stats, &c->service, core_now(c));
    }
    due(c, rel);
}

void stats_judge(struct vr_rel *rel, uint64_t now_us)
{
    const struct vr_window *w = &rel->stats.now;
    char when[VR_ISO_TIME_LEN];
    enum vr_health_reason why;
    /* The state says more; and a replica's that cannot be used is none that counting mends. */
    if (core_health_of(rel->state) != VR_HEALTH_OK ||
        (rel->health == VR_HEALTH_CRITICAL && !rel->is_source)) {
        return;
    }
    enum vr_health was = rel->health;
    rel->health = vr_health_worst(vr_health_reasons(rel, now_us), &why);
    if (why == VR_WHY_MISSED) {
        core_text(rel->reason, sizeof(rel->reason),
                  "%u of %llu replications since %s were missed: see the events of their jobs",
                  w->misses, (unsigned long long)w->misses + w->successes + w->failures,
                  vr_iso_time(w->start_us, when, sizeof(when)));
    } else if (why) {
        const struct vr_health_row *row = vr_health_row(why);
        core_text(rel->reason, sizeof(rel->reason), "%s: %s", row->text, row->advice);
    } else if (was != VR_HEALTH_OK) {
        rel->reason[0] = '\0';
    }
}

void stats_count(
    struct core *c, struct vr_rel *rel, enum vr_outcome what, uint64_t bytes, uint64_t latency_us)
{
    roll(c, rel);
    vr_stats_count(&rel->stats, what, core_now(c), bytes, latency_us);
    stats_judge(rel, core_now(c));
    due(c, rel);
}

void stats_miss(struct core *c, struct vr_rel *rel, uint64_t n)
{
    roll(c, rel);
    vr_stats_miss(&rel->stats, n);
    stats_judge(rel, core_now(c));
    due(c, rel);
}

void stats_missed(struct core *c, const struct vr_job *j)
{
    struct rel_entry *rel = core_find_rel(c, &j->vm_id, j->rel_number);
    if (rel) {
        struct vr_rel next = rel->r;
        stats_count(c, &next, VR_OUTCOME_MISS, 0, 0);
        core_rel_put(c, rel, &next);
    }
}

void stats_tick(struct core *c, uint64_t now)
{
    size_t rolled = 0;
    if (c->stats_due_us == 0 || now < c->stats_due_us) {
        return;
    }
    c->stats_due_us = 0;
    for (size_t i = 0; i < c->nrels; i++) {
        struct rel_entry *e = c->rels[i];
        bool over = !vr_window_is_empty(&e->r.stats.now) && e->r.stats.now.end_us <= now;
        if (over && rolled < ROLLED_MAX) {
            struct vr_rel next = e->r;
            roll(c, &next);
            stats_judge(&next, now);
            core_rel_put(c, e, &next);
            rolled++;
        }
        due(c, &e->r);
    }
    if (c->stats_due_us != 0 && c->stats_due_us <= now) {
        c->stats_due_us = now + CORE_SEC; /* many ended at once: a few at a time */
    }
}

bool core_stats(struct core *c, const struct vr_uuid *vm, uint8_t number, struct core_stats *ret)
{
    const struct rel_entry *e = core_find_rel(c, vm, number);
    if (!e) {
        return false;
    }
    *ret = (struct core_stats){.stats = e->r.stats};
    (void)vr_stats_roll(&ret->stats, &c->service, core_now(c), e->r.health, NULL);
    ret->stats.now.health = e->r.health;
    ret->reasons = vr_health_reasons(&e->r, core_now(c));
    ret->next_us = cycle_next(c, e);
    const struct job_entry *job = jobs_current(c, vm, number);
    enum vr_phase phase = job ? job->j.progress.phase : VR_PHASE_NONE;
    uint64_t sent = job && !job_is_verify(&job->j) ? job->j.progress.wire_out : 0;
    ret->sent_bytes = e->r.stats.totals.bytes + sent - (job ? VR_MIN(sent, job->counted_bytes) : 0);
    ret->all_sent = job && !job_is_verify(&job->j) && phase >= VR_PHASE_PROVE;
    return true;
}

void core_stats_reset(struct core *c,
                      const struct core_caller *who,
                      const struct vr_uuid *vm,
                      int rel_number,
                      core_done done,
                      void *ctx)
{
    struct vr_err err = VR_ERR_INIT;
    struct rel_entry *rel =
        core_want_rel(c, who, VR_ROLE_OPERATOR, vm, rel_number, false, done, ctx);
    if (!rel) {
        return;
    }
    struct vr_rel next = rel->r;
    vr_stats_reset(&next.stats, &c->service, core_now(c));
    stats_judge(&next, core_now(c));
    int r = core_rel_save(c, rel, &next, &err);
    if (r < 0) {
        core_answer_err(done, ctx, r, &err);
        return;
    }
    core_event(c, CORE_EV_STATS_RESET, vm, NULL, "%s: statistics of relationship %u begin anew",
               who->user, next.number);
    core_answer_code(done, ctx, VR_RC_COMPLETED, 0, 0, NULL);
}
