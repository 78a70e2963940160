/* SPDX-License-Identifier: Apache-2.0 */
/* The object: tables of relationships, jobs and authorizations, loading and what every other file
 * of core/ needs. */
#include "core/core.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/internal.h"
#include "model/names.h"
#include "util/num.h"

int core_new(const struct core_config *config,
             const struct core_env_ops *ops,
             void *ctx,
             struct core **ret,
             struct vr_err *err)
{
    if (config->transfers_max == 0) {
        return vr_fail(err, VR_E_INVALID, "at least one concurrent transfer must be allowed");
    }
    struct core *c = calloc(1, sizeof(*c));
    if (!c) {
        return vr_fail_nomem(err);
    }
    c->config = *config;
    c->config.job_keep_us = VR_MAX(config->job_keep_us, CORE_KEEP_MIN);
    c->service = vr_service_default();
    c->ops = ops;
    c->ctx = ctx;
    *ret = c;
    return 0;
}

void core_free(struct core *c)
{
    if (!c) {
        return;
    }
    for (size_t i = 0; i < c->nrels; i++) {
        free(c->rels[i]);
    }
    for (size_t i = 0; i < c->njobs; i++) {
        free(c->jobs[i]->parked);
        free(c->jobs[i]);
    }
    while (c->calls) {
        struct call *next = c->calls->next;
        free(c->calls);
        c->calls = next;
    }
    free(c->rels);
    free(c->jobs);
    free(c->open);
    free(c->waiting);
    free(c->auths);
    free(c);
}

uint64_t core_now(struct core *c)
{
    return c->ops->now_us(c->ctx);
}

void core_text(char *dst, size_t cap, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(dst, cap, fmt, ap);
    va_end(ap);
}

/* --- relationships, sorted by (vm, number) --- */

static int rel_order(const struct vr_rel *r, const struct vr_uuid *vm, uint8_t number)
{
    int d = memcmp(r->vm_id.b, vm->b, sizeof(vm->b));
    return d ? d : (int)r->number - (int)number;
}

/* First entry not before (vm, number). */
static size_t rel_place(struct core *c, const struct vr_uuid *vm, uint8_t number)
{
    size_t lo = 0, hi = c->nrels;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (rel_order(&c->rels[mid]->r, vm, number) < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo;
}

struct rel_entry *core_find_rel(struct core *c, const struct vr_uuid *vm, uint8_t number)
{
    size_t at = rel_place(c, vm, number);
    bool found = at < c->nrels && rel_order(&c->rels[at]->r, vm, number) == 0;
    return found ? c->rels[at] : NULL;
}

int core_insert_rel(struct core *c, const struct vr_rel *rel, struct vr_err *err)
{
    if (c->nrels >= CORE_RELS_MAX) {
        return vr_fail(err, VR_E_LIMIT, "this host has %d relationships, the most it can hold",
                       CORE_RELS_MAX);
    }
    if (core_find_rel(c, &rel->vm_id, rel->number)) {
        return vr_fail(err, VR_E_EXISTS, "relationship %u of this VM exists already", rel->number);
    }
    if (c->nrels == c->rels_cap) {
        size_t cap = c->rels_cap ? c->rels_cap * 2 : 16;
        struct rel_entry **p = realloc(c->rels, cap * sizeof(struct rel_entry *));
        if (!p) {
            return vr_fail_nomem(err);
        }
        c->rels = p;
        c->rels_cap = cap;
    }
    struct rel_entry *e = calloc(1, sizeof(*e));
    if (!e) {
        return vr_fail_nomem(err);
    }
    e->r = *rel;
    stats_begin(c, &e->r);
    size_t at = rel_place(c, &rel->vm_id, rel->number);
    memmove(&c->rels[at + 1], &c->rels[at], (c->nrels - at) * sizeof(struct rel_entry *));
    c->rels[at] = e;
    c->nrels++;
    cycle_plan(c, e);
    return 0;
}

void core_remove_rel(struct core *c, struct rel_entry *e)
{
    size_t at = rel_place(c, &e->r.vm_id, e->r.number);
    vr_assert(at < c->nrels && c->rels[at] == e);
    c->nrels--;
    memmove(&c->rels[at], &c->rels[at + 1], (c->nrels - at) * sizeof(struct rel_entry *));
    free(e);
}

static void tell_state(struct core *c, const struct vr_rel *old, const struct vr_rel *next)
{
    if (old->state == next->state && old->health == next->health) {
        return;
    }
    if (old->state == next->state) {
        core_event(c, CORE_EV_HEALTH_CHANGED, &next->vm_id, NULL, "relationship %u: %s -> %s%s%s",
                   next->number, vr_health_text((int)old->health),
                   vr_health_text((int)next->health), next->reason[0] ? ": " : "", next->reason);
        return;
    }
    core_event(c, CORE_EV_STATE_CHANGED, &next->vm_id, NULL, "relationship %u: %s -> %s%s%s",
               next->number, vr_rel_state_text((int)old->state),
               vr_rel_state_text((int)next->state), next->reason[0] ? ": " : "", next->reason);
}

int core_rel_save(struct core *c,
                  struct rel_entry *e,
                  const struct vr_rel *next,
                  struct vr_err *err)
{
    int r = c->ops->save_rel(c->ctx, next, err);
    if (r < 0) {
        return vr_wrap(err, r, "cannot save the relationship");
    }
    struct vr_rel old = e->r;
    e->r = *next;
    e->dirty = false;
    tell_state(c, &old, next);
    cycle_plan(c, e);
    return 0;
}

void core_rel_put(struct core *c, struct rel_entry *e, const struct vr_rel *next)
{
    struct vr_err err = VR_ERR_INIT;
    if (core_rel_save(c, e, next, &err) == 0) {
        return;
    }
    struct vr_rel old = e->r;
    e->r = *next;
    e->dirty = c->unsaved = true;
    core_event(c, CORE_EV_SAVE_FAILED, &next->vm_id, NULL, "%s; trying again", vr_err_text(&err));
    tell_state(c, &old, next);
    cycle_plan(c, e);
}

enum vr_health core_health_of(enum vr_rel_state state)
{
    switch (state) {
    case VR_REL_DISABLED:
        return VR_HEALTH_NOT_APPLICABLE;
    case VR_REL_REPLICATING:
    case VR_REL_SYNCED:
    case VR_REL_COMMITTED:
        return VR_HEALTH_OK;
    case VR_REL_CRITICAL:
    case VR_REL_RESYNC_REQUIRED:
        return VR_HEALTH_CRITICAL;
    default:
        return VR_HEALTH_WARNING;
    }
}

/* What an event that leads to state 9 says about it; who knows more says so after the move. */
static enum vr_health_reason cause_of(enum vr_rel_event event)
{
    switch (event) {
    case VR_REV_CANCEL:
        return VR_WHY_CANCELLED;
    case VR_REV_CHANGED_ALONE:
        return VR_WHY_CHANGED_ALONE;
    case VR_REV_ADOPT:
        return VR_WHY_ADOPTED;
    case VR_REV_LOST_TRACK:
        return VR_WHY_MISSED_LONG;
    default:
        return VR_WHY_RESYNC_FAILED;
    }
}

int core_rel_move(struct vr_rel *rel,
                  enum vr_rel_event event,
                  const char *reason,
                  struct vr_err *err)
{
    if (!vr_rel_next(rel->state, event, &rel->state)) {
        return vr_fail(
            err, VR_E_STATE, "not possible while the relationship is '%s' (state %d): %s",
            vr_rel_state_text((int)rel->state), (int)rel->state, vr_rel_event_text((int)event));
    }
    rel->health = core_health_of(rel->state);
    rel->cause = rel->state == VR_REL_RESYNC_REQUIRED ? cause_of(event) : VR_WHY_NONE;
    rel->cycle_us = rel->state == VR_REL_REPLICATING ? rel->cycle_us : 0;
    rel->exported = rel->exported && rel->state == VR_REL_INITIAL;
    core_text(rel->reason, sizeof(rel->reason), "%s", reason ? reason : "");
    stats_judge(rel, 0);
    return 0;
}

void core_rel_remember(struct vr_rel *rel, const struct vr_uuid *uuid)
{
    if (vr_uuid_is_nil(uuid) || vr_uuid_eq(uuid, &rel->generation.uuid)) {
        return;
    }
    uint32_t keep = VR_MIN(rel->nhistory, (uint32_t)VR_HISTORY_MAX - 1);
    struct vr_uuid newest = *uuid; /* it may lie in *rel */
    memmove(&rel->history[1], &rel->history[0], keep * sizeof(rel->history[0]));
    rel->history[0] = newest;
    rel->nhistory = keep + 1;
}

void core_rel_new_generation(struct vr_rel *rel, const struct vr_generation *gen)
{
    struct vr_uuid old = rel->generation.uuid;
    bool sent = !vr_uuid_is_nil(&gen->uuid) && vr_uuid_eq(&gen->uuid, &rel->proposed);
    if (!vr_uuid_eq(&gen->uuid, &old)) {
        rel->made_from = sent ? rel->proposed_from : (struct vr_uuid){0};
    }
    rel->generation = *gen;
    core_rel_remember(rel, &old);
}

/* --- answers --- */

void core_answer_code(
    core_done done, void *ctx, uint32_t code, uint64_t job_id, int kind, const char *text)
{
    struct core_answer a = {.code = code, .job_id = job_id, .kind = kind};
    core_text(a.text, sizeof(a.text), "%s", text ? text : vr_retcode_text(code));
    if (done) {
        done(ctx, &a);
    }
}

void core_answer_err(core_done done, void *ctx, int r, const struct vr_err *err)
{
    core_answer_code(done, ctx, vr_retcode_of_error(r), 0, r, vr_err_text(err));
}

bool core_allowed(const struct core_caller *who, enum vr_role least, core_done done, void *ctx)
{
    if (who->role >= least) {
        return true;
    }
    char text[VR_TEXT_MAX];
    core_text(text, sizeof(text), "this needs the role %s; you have the role %s",
              vr_role_text((int)least), vr_role_text((int)who->role));
    core_answer_code(done, ctx, VR_RC_ACCESS_DENIED, 0, -VR_E_DENIED, text);
    return false;
}

/* --- virtual machines --- */

void core_include_only(struct vr_vm *vm, const char *excluded)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < vm->ndisks; i++) {
        if (!vm->disks[i].excluded && !vr_names_have(excluded, vm->disks[i].name)) {
            vm->disks[kept++] = vm->disks[i];
        }
    }
    vm->ndisks = kept;
}

int core_whole_vm(
    struct core *c, const struct vr_uuid *vm, uint8_t number, struct vr_vm *ret, struct vr_err *err)
{
    struct rel_entry *below = core_find_rel(c, vm, 0);
    if (number == 0) {
        return c->ops->find_vm(c->ctx, vm, ret, err);
    }
    if (!below) {
        return vr_fail(err, VR_E_NOT_FOUND, "this host holds no replica of the VM");
    }
    return c->ops->replica_vm(c->ctx, &below->r, ret, err);
}

int core_source_vm(
    struct core *c, const struct vr_uuid *vm, uint8_t number, struct vr_vm *ret, struct vr_err *err)
{
    struct rel_entry *rel = core_find_rel(c, vm, number);
    int r = core_whole_vm(c, vm, number, ret, err);
    if (r < 0) {
        return r;
    }
    core_include_only(ret, rel ? rel->r.excluded : "");
    return 0;
}

void core_peer_request(const struct vr_rel *rel,
                       const struct vr_vm *vm,
                       enum vr_peer_op op,
                       struct vr_peer_request *ret)
{
    *ret = (struct vr_peer_request){
        .op = op,
        .vm_id = rel->vm_id,
        .rel_number = rel->number,
        .epoch = rel->generation.epoch,
        .proposed = rel->proposed,
    };
    if (vm) {
        core_text(ret->vm_name, sizeof(ret->vm_name), "%s", vm->name);
        ret->ndisks = vm->ndisks;
        memcpy(ret->disks, vm->disks, sizeof(ret->disks));
    }
    for (uint32_t i = 0; i < ret->ndisks; i++) {
        memset(ret->disks[i].path, 0, sizeof(ret->disks[i].path)); /* paths never cross the wire */
    }
    if (!vr_uuid_is_nil(&rel->generation.uuid)) {
        ret->history[ret->nhistory++] = rel->generation.uuid;
    }
    for (uint32_t i = 0; i < rel->nhistory && ret->nhistory < VR_HISTORY_MAX; i++) {
        ret->history[ret->nhistory++] = rel->history[i];
    }
}

/* --- loading --- */

int core_load_rel(struct core *c, const struct vr_rel *rel, struct vr_err *err)
{
    const struct vr_setting *s = &rel->setting;
    bool times = s->interval_s <= VR_CYCLE_MAX_S && s->auto_start_s < VR_DAY_S &&
                 s->auto_end_s < VR_DAY_S && (unsigned)rel->cause < 32;
    if (rel->number > 1 || rel->nhistory > VR_HISTORY_MAX || !times) {
        return vr_fail(err, VR_E_CORRUPT, "a stored relationship has impossible numbers");
    }
    struct vr_rel loaded = *rel;
    loaded.failing = 0; /* a start tries at once */
    return core_insert_rel(c, &loaded, err);
}

int core_load_job(struct core *c, const struct vr_job *job, struct vr_err *err)
{
    if (job->id == 0 || jobs_find(c, job->id)) {
        return vr_fail(err, VR_E_EXISTS, "job %llu is stored twice", (unsigned long long)job->id);
    }
    struct job_entry *e;
    int r = jobs_reserve(c, &e, err);
    if (r < 0) {
        return r;
    }
    jobs_insert(c, e, job);
    return 0;
}

void core_load_forecast(struct core *c, uint64_t job_id, const struct vr_forecast *f)
{
    struct job_entry *e = jobs_find(c, job_id);
    if (e) {
        e->j.forecast = *f;
    }
}

int core_load_auth(struct core *c, const struct vr_auth_entry *entry, struct vr_err *err)
{
    for (size_t i = 0; i < c->nauths; i++) {
        if (strcasecmp(c->auths[i].host, entry->host) == 0) {
            c->auths[i] = *entry;
            return 0;
        }
    }
    if (c->nauths >= CORE_AUTHS_MAX) {
        return vr_fail(err, VR_E_LIMIT, "%d authorization entries are the most there can be",
                       CORE_AUTHS_MAX);
    }
    struct vr_auth_entry *p = realloc(c->auths, (c->nauths + 1) * sizeof(*p));
    if (!p) {
        return vr_fail_nomem(err);
    }
    c->auths = p;
    c->auths[c->nauths++] = *entry;
    return 0;
}

/* --- looking --- */

const struct vr_rel *core_rel(struct core *c, const struct vr_uuid *vm, uint8_t number)
{
    struct rel_entry *e = core_find_rel(c, vm, number);
    return e ? &e->r : NULL;
}

const struct vr_rel *core_rel_at(struct core *c, size_t i)
{
    return i < c->nrels ? &c->rels[i]->r : NULL;
}

const struct vr_auth_entry *core_auth_at(struct core *c, size_t i)
{
    return i < c->nauths ? &c->auths[i] : NULL;
}

enum vr_mode core_vm_mode(struct core *c, const struct vr_uuid *vm)
{
    struct rel_entry *first = core_find_rel(c, vm, 0);
    struct rel_entry *second = core_find_rel(c, vm, 1);
    if (first) {
        return first->r.is_source ? VR_MODE_PRIMARY : VR_MODE_REPLICA;
    }
    if (second) {
        return second->r.is_source ? VR_MODE_REPLICA : VR_MODE_EXTENDED;
    }
    return VR_MODE_NONE;
}
