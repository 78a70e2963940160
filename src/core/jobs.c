/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs: table, life cycle (vr_job_next alone moves one), acceptance, schedule, queue, removal.
 *
 * A job is New only while it waits for its time; an immediate one begins as Starting ("queued,
 * 2nd") and runs when one of transfers_max slots is free. Invariant: a relationship is in state 2
 * or 10 exactly while one of its jobs is Starting or Running (verify jobs leave the relationship
 * alone).
 */
#include <string.h>

#include "core/internal.h"
#include "util/num.h"
#include "util/vtime.h"

bool job_is_transfer(const struct vr_job *j)
{
    return j->type == VR_JOBTYPE_INITIAL || j->type == VR_JOBTYPE_RESYNC ||
           j->type == VR_JOBTYPE_RESYNC_EXTENDED || j->type == VR_JOBTYPE_VERIFY;
}

/* First job with an id not below. */
static size_t job_place(struct core *c, uint64_t id)
{
    size_t lo = 0, hi = c->njobs;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (c->jobs[mid]->j.id < id) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

struct job_entry *jobs_find(struct core *c, uint64_t id)
{
    size_t at = job_place(c, id);
    return at < c->njobs && c->jobs[at]->j.id == id ? c->jobs[at] : NULL;
}

struct job_entry *jobs_current(struct core *c, const struct vr_uuid *vm, uint8_t number)
{
    for (size_t i = 0; i < c->njobs; i++) {
        const struct vr_job *j = &c->jobs[i]->j;
        bool open = !vr_job_is_final(j->state) && j->state != VR_JOB_NEW && job_is_transfer(j);
        if (open && j->rel_number == number && vr_uuid_eq(&j->vm_id, vm)) {
            return c->jobs[i];
        }
    }
    return NULL;
}

struct job_entry *jobs_suspended(struct core *c, const struct vr_uuid *vm, uint8_t number)
{
    for (size_t i = 0; i < c->njobs; i++) {
        const struct vr_job *j = &c->jobs[i]->j;
        if (j->state == VR_JOB_SUSPENDED && j->rel_number == number && vr_uuid_eq(&j->vm_id, vm)) {
            return c->jobs[i];
        }
    }
    return NULL;
}

struct job_entry *jobs_scheduled(struct core *c, const struct vr_uuid *vm)
{
    for (size_t i = 0; i < c->njobs; i++) {
        const struct vr_job *j = &c->jobs[i]->j;
        if (j->state == VR_JOB_NEW && vr_uuid_eq(&j->vm_id, vm)) {
            return c->jobs[i];
        }
    }
    return NULL;
}

struct job_entry *jobs_busy(struct core *c, const struct vr_uuid *vm)
{
    for (size_t i = 0; i < c->njobs; i++) {
        const struct vr_job *j = &c->jobs[i]->j;
        bool busy = j->state == VR_JOB_STARTING || j->state == VR_JOB_RUNNING;
        if (busy && vr_uuid_eq(&j->vm_id, vm)) {
            return c->jobs[i];
        }
    }
    return NULL;
}

void jobs_fill(struct core *c,
               struct vr_job *ret,
               enum vr_job_type type,
               enum vr_job_state state,
               const struct vr_vm *vm,
               uint8_t number,
               const char *initiator)
{
    uint8_t random[16];
    c->ops->random(c->ctx, random, sizeof(random));
    *ret = (struct vr_job){
        .id = c->last_job_id + 1,
        .uuid = vr_uuid_from_random(random),
        .vm_id = vm->id,
        .rel_number = number,
        .type = type,
        .state = state,
        .cancellable = true,
        .submitted_us = core_now(c),
    };
    ret->changed_us = ret->submitted_us;
    ret->progress.bytes_total = vr_vm_bytes(vm);
    core_text(ret->vm_name, sizeof(ret->vm_name), "%s", vm->name);
    core_text(ret->initiator, sizeof(ret->initiator), "%s", initiator);
}

static size_t unfinished(struct core *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->njobs; i++) {
        n += vr_job_is_final(c->jobs[i]->j.state) ? 0 : 1;
    }
    return n;
}

int jobs_reserve(struct core *c, struct job_entry **ret, struct vr_err *err)
{
    if (c->njobs >= CORE_JOBS_ALL_MAX ||
        (c->njobs >= CORE_JOBS_MAX && unfinished(c) >= CORE_JOBS_MAX)) {
        return vr_fail(err, VR_E_LIMIT,
                       "this host has as many jobs as it can hold; try again later");
    }
    if (c->njobs == c->jobs_cap) {
        size_t cap = c->jobs_cap ? c->jobs_cap * 2 : 16;
        struct job_entry **p = realloc(c->jobs, cap * sizeof(struct job_entry *));
        if (!p) {
            return vr_fail_nomem(err);
        }
        c->jobs = p;
        c->jobs_cap = cap;
    }
    struct job_entry *e = calloc(1, sizeof(*e));
    if (!e) {
        return vr_fail_nomem(err);
    }
    *ret = e;
    return 0;
}

void jobs_insert(struct core *c, struct job_entry *take, const struct vr_job *job)
{
    vr_assert(c->njobs < c->jobs_cap);
    take->j = *job;
    size_t at = job_place(c, job->id);
    memmove(&c->jobs[at + 1], &c->jobs[at], (c->njobs - at) * sizeof(struct job_entry *));
    c->jobs[at] = take;
    c->njobs++;
    c->last_job_id = VR_MAX(c->last_job_id, job->id);
}

int job_move(struct core *c, struct vr_job *j, enum vr_job_event event, struct vr_err *err)
{
    if (!vr_job_next(j->state, event, &j->state)) {
        return vr_fail(err, VR_E_STATE, "job %llu is %s: %s is not possible",
                       (unsigned long long)j->id, vr_job_state_text((int)j->state),
                       vr_job_event_text((int)event));
    }
    j->changed_us = core_now(c);
    if (vr_job_is_final(j->state)) {
        j->finished_us = j->changed_us;
        j->cancellable = false;
    }
    return 0;
}

int job_save(struct core *c, struct job_entry *e, const struct vr_job *next, struct vr_err *err)
{
    int r = c->ops->save_job(c->ctx, next, err);
    if (r < 0) {
        return vr_wrap(err, r, "cannot save job %llu", (unsigned long long)next->id);
    }
    e->j = *next;
    e->dirty = false;
    return 0;
}

void job_put(struct core *c, struct job_entry *e, const struct vr_job *next)
{
    struct vr_err err = VR_ERR_INIT;
    if (job_save(c, e, next, &err) == 0) {
        return;
    }
    e->j = *next;
    e->dirty = true;
    core_event(c, CORE_EV_SAVE_FAILED, &next->vm_id, next->vm_name, "%s; trying again",
               vr_err_text(&err));
}

void job_answer_sync(struct job_entry *e)
{
    core_done done = e->sync_done;
    void *ctx = e->sync_ctx;
    e->sync_done = NULL;
    if (e->j.state == VR_JOB_COMPLETED) {
        core_answer_code(done, ctx, VR_RC_COMPLETED, 0, 0, NULL);
    } else {
        core_answer_code(done, ctx, VR_RC_JOB_STARTED, e->j.id, 0, NULL);
    }
}

void job_finish(
    struct core *c, struct job_entry *e, enum vr_job_event event, uint32_t code, const char *text)
{
    struct vr_job next = e->j;
    int r = job_move(c, &next, event, NULL);
    vr_assert(r == 0);
    next.error_code = code;
    core_text(next.status, sizeof(next.status), "%s", text);
    core_text(next.error_text, sizeof(next.error_text), "%s", code ? text : "");
    job_put(c, e, &next);
    enum core_event ev = event == VR_JEV_COMPLETE ? CORE_EV_JOB_COMPLETED
                         : event == VR_JEV_CANCEL ? CORE_EV_JOB_CANCELLED
                                                  : CORE_EV_JOB_FAILED;
    core_event(c, ev, &next.vm_id, next.vm_name, "job %llu (%s): %s", (unsigned long long)next.id,
               vr_job_type_text((int)next.type), text);
    job_answer_sync(e);
}

/* --- acceptance --- */

/* Ended in the store and not yet in memory: undone by saving what memory has. */
static int save_ended(
    struct core *c, struct job_entry *old, const char *why, struct vr_job *ret, struct vr_err *err)
{
    *ret = old->j;
    int r = job_move(c, ret, VR_JEV_CANCEL, err);
    if (r < 0) {
        return r;
    }
    core_text(ret->status, sizeof(ret->status), "%s", why);
    return c->ops->save_job(c->ctx, ret, err);
}

static void put_ended(struct core *c, struct job_entry *e, const struct vr_job *ended)
{
    e->j = *ended;
    core_event(c, CORE_EV_JOB_SUPERSEDED, &ended->vm_id, ended->vm_name, "job %llu: %s",
               (unsigned long long)ended->id, ended->status);
    job_answer_sync(e);
}

int jobs_accept(struct core *c,
                const struct vr_job *job,
                const char *superseded,
                struct rel_entry *rel,
                const struct vr_rel *rel_next,
                struct job_entry **ret,
                struct vr_err *err)
{
    struct job_entry *scheduled = superseded ? jobs_scheduled(c, &job->vm_id) : NULL;
    /* what is suspended ends only when something new really starts */
    bool starts = superseded && job->state != VR_JOB_NEW;
    struct job_entry *current = starts ? jobs_suspended(c, &job->vm_id, job->rel_number) : NULL;
    struct vr_job scheduled_end, current_end;
    struct job_entry *e;
    int r = jobs_reserve(c, &e, err);
    if (r < 0) {
        return r;
    }
    r = c->ops->save_job(c->ctx, job, err);
    if (r != 0) {
        free(e);
        return vr_wrap(err, r, "cannot save the job");
    }
    if (scheduled) {
        r = save_ended(c, scheduled, superseded, &scheduled_end, err);
    }
    if (r == 0 && current) {
        r = save_ended(c, current, superseded, &current_end, err);
    }
    if (r == 0 && rel_next) {
        r = core_rel_save(c, rel, rel_next, err);
    }
    if (r != 0) {
        /* As far as the store still answers; what it then holds, core_start puts right. */
        (void)!c->ops->delete_job(c->ctx, job->id, NULL);
        if (scheduled) {
            (void)!c->ops->save_job(c->ctx, &scheduled->j, NULL);
        }
        if (current) {
            (void)!c->ops->save_job(c->ctx, &current->j, NULL);
        }
        free(e);
        return r;
    }
    if (scheduled) {
        put_ended(c, scheduled, &scheduled_end);
    }
    if (current) {
        put_ended(c, current, &current_end);
    }
    jobs_insert(c, e, job);
    core_event(c, CORE_EV_JOB_ACCEPTED, &job->vm_id, job->vm_name, "job %llu (%s) for %s",
               (unsigned long long)job->id, vr_job_type_text((int)job->type), job->initiator);
    *ret = e;
    return 0;
}

int jobs_when(struct core *c, uint64_t start_us, bool *ret_now, struct vr_err *err)
{
    uint64_t now = core_now(c);
    if (start_us != 0 && start_us + c->config.clock_slack_us < now) {
        return vr_fail(err, VR_E_INVALID, "the start time is more than %llu s in the past",
                       (unsigned long long)(c->config.clock_slack_us / CORE_SEC));
    }
    if (start_us > now && start_us - now > c->config.schedule_max_us) {
        return vr_fail(err, VR_E_INVALID, "the start time is more than %llu days ahead",
                       (unsigned long long)(c->config.schedule_max_us / (24 * 60 * CORE_MINUTE)));
    }
    *ret_now = start_us <= now;
    return 0;
}

/* --- queue, schedule, removal --- */

static const char *ordinal(size_t n)
{
    static const char *const ends[] = {"th", "st", "nd", "rd"};
    return n % 10 > 3 || n % 100 / 10 == 1 ? ends[0] : ends[n % 10];
}

static bool waits_for_slot(const struct job_entry *e, uint64_t now)
{
    return e->j.state == VR_JOB_STARTING && job_is_transfer(&e->j) && !e->lane && !e->calling &&
           e->not_before_us <= now;
}

static void start_waiting(struct core *c)
{
    uint64_t now = core_now(c);
    size_t used = 0, queued = 0;
    for (size_t i = 0; i < c->njobs; i++) {
        used += c->jobs[i]->lane ? 1 : 0;
    }
    for (size_t i = 0; i < c->njobs; i++) {
        struct job_entry *e = c->jobs[i];
        if (!waits_for_slot(e, now)) {
            continue;
        }
        if (used < c->config.transfers_max) {
            transfer_start(c, e);
            used += e->lane || e->calling ? 1 : 0;
            continue;
        }
        queued++;
        core_text(e->j.status, sizeof(e->j.status), "queued, %zu%s", queued, ordinal(queued));
    }
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

/* True: the job is gone from memory. */
static bool remove_old(struct core *c, size_t i, uint64_t now)
{
    struct job_entry *e = c->jobs[i];
    if (now < e->j.finished_us + c->config.job_keep_us ||
        c->ops->delete_job(c->ctx, e->j.id, NULL) < 0) {
        return false;
    }
    free(e);
    c->njobs--;
    memmove(&c->jobs[i], &c->jobs[i + 1], (c->njobs - i) * sizeof(struct job_entry *));
    return true;
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
    for (size_t i = 0; i < c->nrels; i++) {
        struct rel_entry *e = c->rels[i];
        e->dirty = e->dirty && c->ops->save_rel(c->ctx, &e->r, NULL) < 0;
    }
    for (size_t i = 0; i < c->njobs; i++) {
        struct job_entry *e = c->jobs[i];
        e->dirty = e->dirty && c->ops->save_job(c->ctx, &e->j, NULL) < 0;
    }
}

/* When this job wants something next; 0: nothing planned. */
static uint64_t wish_of(struct core *c, const struct job_entry *e, uint64_t now)
{
    uint64_t t = 0;
    if (vr_job_is_final(e->j.state)) {
        t = e->j.finished_us + c->config.job_keep_us;
        return t > now ? t : now + CORE_MINUTE; /* it could not be removed */
    }
    if (e->j.state == VR_JOB_NEW) {
        t = VR_MAX(e->j.scheduled_us, e->not_before_us);
        return t > now ? t : now + CORE_SEC; /* many were due at once */
    }
    bool waits = e->j.state == VR_JOB_STARTING || goes_on_by_itself(e);
    return waits && e->not_before_us > now ? e->not_before_us : 0;
}

static uint64_t next_wish(struct core *c, uint64_t now)
{
    uint64_t next = 0;
    for (size_t i = 0; i < c->nrels; i++) {
        earlier(&next, c->rels[i]->dirty ? now + CORE_RESAVE_US : 0);
    }
    for (size_t i = 0; i < c->njobs; i++) {
        earlier(&next, c->jobs[i]->dirty ? now + CORE_RESAVE_US : 0);
        earlier(&next, wish_of(c, c->jobs[i], now));
        earlier(&next, c->jobs[i]->sync_done ? c->jobs[i]->sync_until_us : 0);
    }
    return next;
}

uint64_t core_tick(struct core *c)
{
    uint64_t now = core_now(c);
    save_dirty(c);
    for (size_t i = 0; i < c->njobs;) {
        if (!vr_job_is_final(c->jobs[i]->j.state)) {
            do_due(c, c->jobs[i], now);
            if (c->jobs[i]->sync_done && now >= c->jobs[i]->sync_until_us) {
                job_answer_sync(c->jobs[i]);
            }
            i++;
        } else if (!remove_old(c, i, now)) {
            i++;
        }
    }
    jobs_pump(c);
    return next_wish(c, now);
}

/* --- looking --- */

const struct vr_job *core_job(struct core *c, uint64_t id)
{
    struct job_entry *e = jobs_find(c, id);
    return e ? &e->j : NULL;
}

const struct vr_job *core_job_by_uuid(struct core *c, const struct vr_uuid *id)
{
    for (size_t i = 0; i < c->njobs; i++) {
        if (vr_uuid_eq(&c->jobs[i]->j.uuid, id)) {
            return &c->jobs[i]->j;
        }
    }
    return NULL;
}

const struct vr_job *core_job_at(struct core *c, size_t i)
{
    return i < c->njobs ? &c->jobs[i]->j : NULL;
}
