/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When jobs run: the queue for a place among the running transfers, the schedule, the end of what
 * is finished.
 *
 * Places: config.transfers_max. What keeps a replica current (resynchronization, verification) goes
 * before what makes a new one, and gets a place of its own, one more than the maximum, while first
 * transfers hold them all: those may take days. Beyond that risk decides, and then the turn, which
 * a job gets when it enters the queue (rank.h): one that lost its link lines up behind those that
 * came meanwhile, so that a peer that is down costs the others little. A job that waits for its
 * next try holds no place.
 *
 * Deltas are short and many, and what they wait for may be long: while none runs, the next one has
 * a place beside all others.
 */
#include <stdlib.h>

#include "core/internal.h"
#include "util/num.h"

#define FORGET_MAX 16 /* jobs forgotten in one tick */

static const char *ordinal(size_t n)
{
    static const char *const ends[] = {"th", "st", "nd", "rd"};
    return n % 10 > 3 || n % 100 / 10 == 1 ? ends[0] : ends[n % 10];
}

static bool waits_for_place(const struct job_entry *e, uint64_t now)
{
    return e->j.state == VR_JOB_STARTING && job_is_transfer(&e->j) && !e->lane && !e->calling &&
           e->not_before_us <= now;
}

static bool is_initial(const struct job_entry *e)
{
    return job_is_initial(&e->j);
}

static struct rank rank_in_queue(struct core *c, const struct job_entry *e, uint64_t now)
{
    static const struct vr_rel none;
    const struct rel_entry *rel = core_find_rel(c, &e->j.vm_id, e->j.rel_number);
    enum rank_class class = is_initial(e)         ? RANK_FIRST
                            : job_is_delta(&e->j) ? RANK_CYCLE
                            : e->j.automatic      ? RANK_AUTOMATIC
                                                  : RANK_ASKED;
    uint64_t since_us = VR_MAX(e->j.changed_us, e->not_before_us);
    return rank_of(class, rel ? &rel->r : &none, since_us, e->turn, now);
}

static int by_rank(const void *a, const void *b)
{
    const struct job_entry *x = *(struct job_entry *const *)a, *y = *(struct job_entry *const *)b;
    return rank_compare(&x->rank, &y->rank);
}

struct places {
    size_t used, initial, deltas;
};

static void take_place(struct places *p, const struct job_entry *e)
{
    p->used++;
    p->initial += is_initial(e) ? 1 : 0;
    p->deltas += job_is_delta(&e->j) ? 1 : 0;
}

static bool has_place(const struct core *c, const struct places *p, const struct job_entry *e)
{
    if (p->used < c->config.transfers_max) {
        return true;
    }
    bool first_only = p->used - p->deltas == p->initial;
    return job_is_delta(&e->j) ? p->deltas == 0 : first_only && !is_initial(e);
}

static void start_waiting(struct core *c)
{
    uint64_t now = core_now(c);
    struct places p = {0};
    size_t n = 0, queued = 0;
    for (size_t i = 0; i < c->nopen; i++) {
        struct job_entry *e = c->open[i];
        if (e->lane) {
            take_place(&p, e);
        } else if (waits_for_place(e, now)) {
            e->rank = rank_in_queue(c, e, now);
            c->waiting[n++] = e;
        }
    }
    if (n > 1) {
        qsort(c->waiting, n, sizeof(*c->waiting), by_rank);
    }
    for (size_t i = 0; i < n; i++) {
        struct job_entry *e = c->waiting[i];
        if (has_place(c, &p, e)) {
            transfer_start(c, e);
            if (e->lane || e->calling) {
                take_place(&p, e);
            }
            continue;
        }
        queued++;
        core_text(e->j.status, sizeof(e->j.status), "queued, %zu%s", queued, ordinal(queued));
    }
}

/* Soon once (a daemon that was restarted is back in seconds), then minutes 1, 2, 4, 8, 10 and every
 * 30. */
uint64_t jobs_backoff_us(const struct core *c, uint32_t tries)
{
    static const uint8_t minutes[] = {1, 2, 4, 8, 10, 30};
    if (c->config.retry_first_us && tries-- == 0) {
        return c->config.retry_first_us;
    }
    return minutes[VR_MIN(tries, (uint32_t)VR_COUNT(minutes) - 1)] * CORE_MINUTE;
}

void jobs_pump(struct core *c)
{
    if (!c->started) {
        return;
    }
    if (c->pumping) {
        c->pump_again = true; /* a start that failed at once leads back here */
        return;
    }
    c->pumping = true;
    do {
        c->pump_again = false;
        start_waiting(c);
    } while (c->pump_again);
    c->pumping = false;
}

static void earlier(uint64_t *next, uint64_t t)
{
    if (t != 0 && (*next == 0 || t < *next)) {
        *next = t;
    }
}

/* A few at a time: each is a transaction, and thousands may have ended in the same hour. The newest
 * job stays, however old: after a restart the next id follows its own, so that none is given twice.
 */
static void forget_old(struct core *c, uint64_t now)
{
    if (c->forget_us == 0 || c->forget_us > now) {
        return;
    }
    uint64_t next = 0;
    size_t removed = 0;
    for (size_t i = 0; i + 1 < c->njobs;) {
        const struct vr_job *j = &c->jobs[i]->j;
        uint64_t due = vr_job_is_final(j->state) ? j->finished_us + c->config.job_keep_us : 0;
        if (due != 0 && due <= now) {
            bool tried = removed < FORGET_MAX;
            if (tried && c->ops->delete_job(c->ctx, j->id, NULL) == 0) {
                jobs_remove(c, i);
                removed++;
                continue;
            }
            due = now + (tried ? CORE_MINUTE : CORE_SEC); /* not possible now; too many at once */
        }
        earlier(&next, due);
        i++;
    }
    c->forget_us = next;
}

static enum vr_waiting waiting_for(const struct job_entry *e, uint64_t now)
{
    switch (e->j.state) {
    case VR_JOB_NEW:
        return VR_WAITING_SCHEDULE;
    case VR_JOB_SUSPENDED:
        return e->j.user_suspended ? VR_WAITING_PAUSED : VR_WAITING_SPACE;
    case VR_JOB_STARTING:
        if (e->not_before_us > now) {
            return e->instant_ended || e->in_use ? VR_WAITING_DISKS : VR_WAITING_RETRY;
        }
        return waits_for_place(e, now) ? VR_WAITING_SLOT : VR_WAITING_NONE;
    default:
        return VR_WAITING_NONE;
    }
}

struct vr_wait core_job_wait(struct core *c, uint64_t id)
{
    const struct job_entry *e = jobs_find(c, id);
    struct vr_wait w = {.why = e ? waiting_for(e, core_now(c)) : VR_WAITING_NONE};
    if (w.why == VR_WAITING_NONE) {
        return w;
    }
    w.since_us = e->j.changed_us;
    w.tries = e->tries;
    if (w.why == VR_WAITING_SCHEDULE) {
        w.until_us = VR_MAX(e->j.scheduled_us, e->not_before_us);
    } else if (w.why != VR_WAITING_SLOT && w.why != VR_WAITING_PAUSED) {
        w.until_us = e->not_before_us;
    }
    return w;
}

static bool goes_on_by_itself(const struct job_entry *e)
{
    return e->j.state == VR_JOB_SUSPENDED && !e->j.user_suspended;
}

static void do_due(struct core *c, struct job_entry *e, uint64_t now)
{
    if (e->j.state == VR_JOB_NEW && e->j.scheduled_us <= now) {
        resync_due(c, e);
    } else if (goes_on_by_itself(e) && e->not_before_us <= now && transfer_resume(c, e, NULL) < 0) {
        e->not_before_us = now + CORE_MINUTE;
    }
}

static void save_dirty(struct core *c)
{
    if (!c->unsaved) {
        return;
    }
    c->unsaved = false;
    for (size_t i = 0; i < c->nrels; i++) {
        struct rel_entry *e = c->rels[i];
        e->dirty = e->dirty && c->ops->save_rel(c->ctx, &e->r, NULL) < 0;
        c->unsaved = c->unsaved || e->dirty;
    }
    for (size_t i = 0; i < c->njobs; i++) {
        struct job_entry *e = c->jobs[i];
        e->dirty = e->dirty && c->ops->save_job(c->ctx, &e->j, NULL) < 0;
        c->unsaved = c->unsaved || e->dirty;
    }
}

/* When this job wants something next; 0: nothing planned. */
static uint64_t wish_of(const struct job_entry *e, uint64_t now)
{
    if (e->j.state == VR_JOB_NEW) {
        uint64_t t = VR_MAX(e->j.scheduled_us, e->not_before_us);
        return t > now ? t : now + CORE_SEC; /* many were due at once */
    }
    bool waits = e->j.state == VR_JOB_STARTING || goes_on_by_itself(e);
    return waits && e->not_before_us > now ? e->not_before_us : 0;
}

static uint64_t next_wish(struct core *c, uint64_t now)
{
    uint64_t next = c->forget_us;
    earlier(&next, c->stats_due_us);
    earlier(&next, c->cycles_due_us);
    earlier(&next, c->unsaved ? now + CORE_RESAVE_US : 0);
    for (size_t i = 0; i < c->nopen; i++) {
        earlier(&next, wish_of(c->open[i], now));
        earlier(&next, c->open[i]->sync_done ? c->open[i]->sync_until_us : 0);
    }
    return next;
}

uint64_t core_tick(struct core *c)
{
    uint64_t now = core_now(c);
    save_dirty(c);
    for (size_t i = 0; i < c->nopen; i++) {
        struct job_entry *e = c->open[i];
        if (!vr_job_is_final(e->j.state)) {
            do_due(c, e, now);
        }
        if (e->sync_done && now >= e->sync_until_us) {
            job_answer_sync(e);
        }
    }
    cycle_tick(c, now);
    jobs_pump(c);
    jobs_sweep(c);
    forget_old(c, now);
    stats_tick(c, now);
    return next_wish(c, now);
}
