/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs: table, life cycle (vr_job_next alone moves one), acceptance. When they run: queue.c.
 *
 * A host may have tens of thousands, nearly all of them finished: those of one VM, and one by its
 * uuid, are found through hash tables, and what is called for every event walks `open` only. A job
 * that ended stays in `open` until jobs_sweep.
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
    return job_is_initial(j) || j->type == VR_JOBTYPE_RESYNC ||
           j->type == VR_JOBTYPE_RESYNC_EXTENDED || job_is_aside(j);
}

bool job_is_initial(const struct vr_job *j)
{
    return j->type == VR_JOBTYPE_INITIAL || j->type == VR_JOBTYPE_INITIAL_SEEDED;
}

bool job_is_offline(const struct vr_job *j)
{
    return j->type == VR_JOBTYPE_EXPORT || j->type == VR_JOBTYPE_IMPORT;
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

static size_t chain_of(const struct vr_uuid *id)
{
    uint32_t h = 2166136261u; /* FNV-1a: ids given by people may count up */
    for (size_t i = 0; i < sizeof(id->b); i++) {
        h = (h ^ id->b[i]) * 16777619u;
    }
    return h % CORE_VM_CHAINS;
}

static struct vm_chain *vm_chain(struct core *c, const struct vr_uuid *vm)
{
    return &c->vm_jobs[chain_of(vm)];
}

static struct job_entry *of_vm(struct job_entry *e, const struct vr_uuid *vm)
{
    while (e && !vr_uuid_eq(&e->j.vm_id, vm)) {
        e = e->vm_next;
    }
    return e;
}

struct job_entry *jobs_of(struct core *c, const struct vr_uuid *vm)
{
    return of_vm(vm_chain(c, vm)->first, vm);
}

struct job_entry *jobs_of_next(struct job_entry *e)
{
    return of_vm(e->vm_next, &e->j.vm_id);
}

struct job_entry *jobs_current(struct core *c, const struct vr_uuid *vm, uint8_t number)
{
    for (struct job_entry *e = jobs_of(c, vm); e; e = jobs_of_next(e)) {
        const struct vr_job *j = &e->j;
        bool open = !vr_job_is_final(j->state) && j->state != VR_JOB_NEW && job_is_transfer(j);
        if (open && j->rel_number == number) {
            return e;
        }
    }
    return NULL;
}

struct job_entry *jobs_suspended(struct core *c, const struct vr_uuid *vm, uint8_t number)
{
    for (struct job_entry *e = jobs_of(c, vm); e; e = jobs_of_next(e)) {
        const struct vr_job *j = &e->j;
        if (j->state == VR_JOB_SUSPENDED && j->rel_number == number) {
            return e;
        }
    }
    return NULL;
}

void jobs_supersede(struct core *c, const struct job_entry *e)
{
    struct job_entry *old = jobs_suspended(c, &e->j.vm_id, e->j.rel_number);
    char text[VR_TEXT_MAX];
    if (old && old != e) {
        core_text(text, sizeof(text), "superseded by job %llu", (unsigned long long)e->j.id);
        job_finish(c, old, VR_JEV_CANCEL, 0, text);
    }
}

struct job_entry *jobs_scheduled(struct core *c, const struct vr_uuid *vm)
{
    for (struct job_entry *e = jobs_of(c, vm); e; e = jobs_of_next(e)) {
        if (e->j.state == VR_JOB_NEW) {
            return e;
        }
    }
    return NULL;
}

struct job_entry *jobs_busy(struct core *c, const struct vr_uuid *vm)
{
    for (struct job_entry *e = jobs_of(c, vm); e; e = jobs_of_next(e)) {
        bool open = e->j.state == VR_JOB_STARTING || e->j.state == VR_JOB_RUNNING;
        if (open && !job_is_delta(&e->j)) {
            return e;
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
    const struct rel_entry *rel = core_find_rel(c, &vm->id, number);
    core_text(ret->why, sizeof(ret->why), "%s", rel ? rel->r.reason : "");
    ret->changed_us = ret->submitted_us;
    ret->progress.bytes_total = vr_vm_bytes(vm);
    core_text(ret->vm_name, sizeof(ret->vm_name), "%s", vm->name);
    core_text(ret->initiator, sizeof(ret->initiator), "%s", initiator);
}

/* Room for one more in every table. */
static int grow(struct core *c, struct vr_err *err)
{
    if (c->njobs < c->jobs_cap) {
        return 0;
    }
    size_t cap = c->jobs_cap ? c->jobs_cap * 2 : 16;
    struct job_entry ***tables[] = {&c->jobs, &c->open, &c->waiting};
    for (size_t i = 0; i < VR_COUNT(tables); i++) {
        struct job_entry **p = realloc(*tables[i], cap * sizeof(*p));
        if (!p) {
            return vr_fail_nomem(err);
        }
        *tables[i] = p;
    }
    c->jobs_cap = cap;
    return 0;
}

int jobs_reserve(struct core *c, struct job_entry **ret, struct vr_err *err)
{
    if (c->nopen >= CORE_JOBS_MAX) {
        jobs_sweep(c);
    }
    if (c->njobs >= CORE_JOBS_ALL_MAX || c->nopen >= CORE_JOBS_MAX) {
        return vr_fail(err, VR_E_LIMIT,
                       "this host has as many jobs as it can hold; try again later");
    }
    int r = grow(c, err);
    if (r < 0) {
        return r;
    }
    struct job_entry *e = calloc(1, sizeof(*e));
    if (!e) {
        return vr_fail_nomem(err);
    }
    *ret = e;
    return 0;
}

/* Jobs come with rising ids, so this is the end of each table nearly always. */
static void put_in_order(struct job_entry **table, size_t *n, struct job_entry *e)
{
    size_t at = (*n)++;
    for (; at > 0 && table[at - 1]->j.id > e->j.id; at--) {
        table[at] = table[at - 1];
    }
    table[at] = e;
}

static void chain_in(struct vm_chain *chain, struct job_entry *e)
{
    struct job_entry **at = &chain->first;
    if (chain->last && chain->last->j.id < e->j.id) {
        at = &chain->last->vm_next;
    }
    while (*at && (*at)->j.id < e->j.id) {
        at = &(*at)->vm_next;
    }
    e->vm_next = *at;
    *at = e;
    chain->last = e->vm_next ? chain->last : e;
}

static void chain_out(struct vm_chain *chain, struct job_entry *e)
{
    struct job_entry **at = &chain->first, *before = NULL;
    while (*at != e) {
        before = *at;
        at = &before->vm_next;
    }
    *at = e->vm_next;
    chain->last = chain->last == e ? before : chain->last;
}

static void finished_at(struct core *c, const struct vr_job *j)
{
    uint64_t t = j->finished_us + c->config.job_keep_us;
    c->forget_us = c->forget_us ? VR_MIN(c->forget_us, t) : t;
}

void jobs_insert(struct core *c, struct job_entry *take, const struct vr_job *job)
{
    vr_assert(c->njobs < c->jobs_cap);
    take->j = *job;
    take->counted_bytes = job->progress.wire_out;
    take->turn = ++c->last_turn;
    put_in_order(c->jobs, &c->njobs, take);
    if (vr_job_is_final(job->state)) {
        finished_at(c, job);
    } else {
        put_in_order(c->open, &c->nopen, take);
    }
    chain_in(vm_chain(c, &job->vm_id), take);
    struct job_entry **first = &c->uuid_jobs[chain_of(&job->uuid)];
    take->uuid_next = *first;
    *first = take;
    c->last_job_id = VR_MAX(c->last_job_id, job->id);
}

void jobs_sweep(struct core *c)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->nopen; i++) {
        struct job_entry *e = c->open[i];
        if (!vr_job_is_final(e->j.state)) {
            c->open[kept++] = e;
            continue;
        }
        finished_at(c, &e->j);
    }
    c->nopen = kept;
}

void jobs_remove(struct core *c, size_t i)
{
    struct job_entry *e = c->jobs[i], **at = &c->uuid_jobs[chain_of(&e->j.uuid)];
    chain_out(vm_chain(c, &e->j.vm_id), e);
    while (*at != e) {
        at = &(*at)->uuid_next;
    }
    *at = e->uuid_next;
    free(e->parked);
    c->njobs--;
    memmove(&c->jobs[i], &c->jobs[i + 1], (c->njobs - i) * sizeof(struct job_entry *));
    free(e);
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
    e->dirty = c->unsaved = true;
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

static void finish(struct core *c,
                   struct job_entry *e,
                   enum vr_job_event event,
                   uint32_t code,
                   int kind,
                   const char *text)
{
    struct vr_job next = e->j;
    int r = job_move(c, &next, event, NULL);
    vr_assert(r == 0);
    next.error_code = code;
    next.error_kind = (uint8_t)(kind < 0 ? -kind : kind);
    core_text(next.status, sizeof(next.status), "%s", text);
    core_text(next.error_text, sizeof(next.error_text), "%s", code ? text : "");
    job_put(c, e, &next);
    enum core_event ev = event == VR_JEV_COMPLETE ? CORE_EV_JOB_COMPLETED
                         : event == VR_JEV_CANCEL ? CORE_EV_JOB_CANCELLED
                                                  : CORE_EV_JOB_FAILED;
    if (!job_is_delta(&next)) { /* cycles have events of their own */
        core_event(c, ev, &next.vm_id, next.vm_name, "job %llu (%s): %s",
                   (unsigned long long)next.id, vr_job_type_text((int)next.type), text);
    }
    job_answer_sync(e);
}

void job_finish(
    struct core *c, struct job_entry *e, enum vr_job_event event, uint32_t code, const char *text)
{
    finish(c, e, event, code, vr_kind_of_retcode(code), text);
}

void job_fail(struct core *c, struct job_entry *e, uint32_t code, int kind, const char *text)
{
    finish(c, e, VR_JEV_FAIL, code, kind, text);
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
    if (!job_is_delta(job)) {
        core_event(c, CORE_EV_JOB_ACCEPTED, &job->vm_id, job->vm_name, "job %llu (%s) for %s",
                   (unsigned long long)job->id, vr_job_type_text((int)job->type), job->initiator);
    }
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

/* --- looking --- */

const struct vr_job *core_job(struct core *c, uint64_t id)
{
    struct job_entry *e = jobs_find(c, id);
    return e ? &e->j : NULL;
}

const struct vr_job *core_job_by_uuid(struct core *c, const struct vr_uuid *id)
{
    const struct job_entry *e = c->uuid_jobs[chain_of(id)];
    while (e && !vr_uuid_eq(&e->j.uuid, id)) {
        e = e->uuid_next;
    }
    return e ? &e->j : NULL;
}

const struct vr_job *core_job_at(struct core *c, size_t i)
{
    return i < c->njobs ? &c->jobs[i]->j : NULL;
}

const struct vr_job *
core_vm_job(struct core *c, const struct vr_uuid *vm, const struct vr_job *after)
{
    struct job_entry *e = after ? jobs_find(c, after->id) : NULL;
    e = e ? jobs_of_next(e) : after ? NULL : jobs_of(c, vm);
    return e ? &e->j : NULL;
}
