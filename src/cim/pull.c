/* SPDX-License-Identifier: Apache-2.0 */
#include "cim/pull.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/num.h"
#include "util/uuid.h"

struct item {
    struct item *next;
    struct cim_instance *instance;
};

struct cim_pull {
    struct cim_arena arena;
    char id[VR_UUID_TEXT_LEN];
    char *user, *ns;
    enum cim_pull_kind kind;
    struct item *first, *last;
    uint64_t left, timeout_ms, ends_ms;
    const void *data;
};

struct cim_pulls {
    uint64_t (*now_ms)(void);
    struct cim_pull *all[CIM_PULLS_MAX]; /* NULL: free */
};

static struct cim_pull *pull_free(struct cim_pull *p)
{
    if (p) {
        cim_arena_deinit(&p->arena);
        free(p->user);
        free(p->ns);
        free(p);
    }
    return NULL;
}

struct cim_pulls *cim_pulls_new(uint64_t (*now_ms)(void))
{
    struct cim_pulls *s = calloc(1, sizeof *s);
    if (s) {
        s->now_ms = now_ms;
    }
    return s;
}

void cim_pulls_free(struct cim_pulls *s)
{
    for (size_t i = 0; s && i < CIM_PULLS_MAX; i++) {
        pull_free(s->all[i]);
    }
    free(s);
}

static void drop_expired(struct cim_pulls *s)
{
    uint64_t now = s->now_ms();
    for (size_t i = 0; i < CIM_PULLS_MAX; i++) {
        if (s->all[i] && now >= s->all[i]->ends_ms) {
            s->all[i] = pull_free(s->all[i]);
        }
    }
}

/* A free place, and in *ret_bytes what may be put there. NULL: st is set. */
static struct cim_pull **find_place(struct cim_pulls *s,
                                    const struct cim_caller *who,
                                    size_t *ret_bytes,
                                    struct cim_status *st)
{
    struct cim_pull **place = NULL;
    size_t used = 0, own = 0;
    for (size_t i = 0; i < CIM_PULLS_MAX; i++) {
        if (!s->all[i]) {
            place = place ? place : &s->all[i];
            continue;
        }
        used += s->all[i]->arena.used_bytes;
        own += strcmp(s->all[i]->user, who->user) == 0 ? 1 : 0;
    }
    if (!place || own >= CIM_PULLS_USER_MAX || used >= CIM_PULLS_MAX_BYTES) {
        cim_fail(st, CIM_ERR_SERVER_LIMITS_EXCEEDED,
                 "too many open enumerations: pull them to their end, or close them");
        return NULL;
    }
    *ret_bytes = VR_MIN((size_t)CIM_PULL_MAX_BYTES, CIM_PULLS_MAX_BYTES - used);
    return place;
}

struct cim_pull *cim_pull_open(struct cim_pulls *s,
                               const struct cim_caller *who,
                               const char *ns,
                               enum cim_pull_kind kind,
                               const uint32_t *timeout_s,
                               struct cim_status *st)
{
    uint32_t seconds = timeout_s ? *timeout_s : CIM_PULL_TIMEOUT_S;
    size_t bytes;
    drop_expired(s);
    if (seconds == 0 || seconds > CIM_PULL_TIMEOUT_MAX_S) {
        cim_fail(st, CIM_ERR_INVALID_OPERATION_TIMEOUT, "OperationTimeout is 1 to %d seconds",
                 CIM_PULL_TIMEOUT_MAX_S);
        return NULL;
    }
    struct cim_pull **place = find_place(s, who, &bytes, st);
    if (!place) {
        return NULL;
    }
    struct cim_pull *p = calloc(1, sizeof *p);
    if (p) {
        p->user = strdup(who->user);
        p->ns = strdup(ns);
    }
    if (!p || !p->user || !p->ns) {
        cim_fail(st, CIM_ERR_FAILED, "out of memory");
        return pull_free(p);
    }
    struct vr_uuid id = vr_uuid_new();
    vr_uuid_text(&id, p->id);
    p->kind = kind;
    p->timeout_ms = (uint64_t)seconds * 1000;
    p->ends_ms = s->now_ms() + p->timeout_ms;
    cim_arena_init(&p->arena, bytes);
    *place = p;
    return p;
}

static struct cim_instance *keep(struct cim_pull *p, const struct cim_instance *i)
{
    if (p->kind != CIM_PULL_PATHS) {
        return cim_instance_copy(&p->arena, i);
    }
    struct cim_instance *bare = cim_alloc(&p->arena, sizeof *bare);
    const struct cim_path *path = cim_path_copy(&p->arena, &i->path);
    if (!bare || !path) {
        return NULL;
    }
    bare->cls = i->cls;
    bare->path = *path;
    return bare;
}

bool cim_pull_add(void *ctx, const struct cim_instance *i)
{
    struct cim_pull *p = ctx;
    struct item *item = cim_alloc(&p->arena, sizeof *item);
    if (item) {
        item->instance = keep(p, i);
    }
    if (cim_arena_failed(&p->arena)) {
        return false;
    }
    *(p->last ? &p->last->next : &p->first) = item;
    p->last = item;
    p->left++;
    return true;
}

bool cim_pull_filled(const struct cim_pull *p, struct cim_status *st)
{
    if (st->code == CIM_OK && cim_arena_failed(&p->arena)) {
        cim_fail(st, CIM_ERR_SERVER_LIMITS_EXCEEDED,
                 "the enumeration is too large, or too much is open: ask for less at a time");
    }
    return st->code == CIM_OK;
}

struct cim_arena *cim_pull_arena(struct cim_pull *p)
{
    return &p->arena;
}

void cim_pull_set_data(struct cim_pull *p, const void *data)
{
    p->data = data;
}

const void *cim_pull_data(const struct cim_pull *p)
{
    return p->data;
}

struct cim_pull *cim_pull_find(struct cim_pulls *s,
                               const struct cim_caller *who,
                               const char *ns,
                               const char *id,
                               int kind,
                               struct cim_status *st)
{
    drop_expired(s);
    for (size_t i = 0; i < CIM_PULLS_MAX; i++) {
        struct cim_pull *p = s->all[i];
        if (p && strcmp(p->id, id) == 0 && strcmp(p->user, who->user) == 0 &&
            (!ns || cim_ns_eq(p->ns, ns)) && (kind < 0 || p->kind == (enum cim_pull_kind)kind)) {
            p->ends_ms = s->now_ms() + p->timeout_ms;
            return p;
        }
    }
    cim_fail(
        st, CIM_ERR_INVALID_ENUMERATION_CONTEXT,
        "no such enumeration of this user, namespace and kind: it may have ended or timed out");
    return NULL;
}

void cim_pull_renew(const struct cim_pulls *s, struct cim_pull *p, uint32_t timeout_s)
{
    p->timeout_ms = (uint64_t)timeout_s * 1000;
    p->ends_ms = s->now_ms() + p->timeout_ms;
}

uint32_t cim_pull_timeout_s(const struct cim_pull *p)
{
    return (uint32_t)(p->timeout_ms / 1000);
}

const char *cim_pull_id(const struct cim_pull *p)
{
    return p->id;
}

const struct cim_instance *cim_pull_next(struct cim_pull *p)
{
    struct item *item = p->first;
    if (!item) {
        return NULL;
    }
    p->first = item->next;
    p->left--;
    return item->instance;
}

const struct cim_instance *cim_pull_peek(const struct cim_pull *p)
{
    return p->first ? p->first->instance : NULL;
}

uint64_t cim_pull_left(const struct cim_pull *p)
{
    return p->left;
}

void cim_pull_close(struct cim_pulls *s, struct cim_pull *p)
{
    for (size_t i = 0; i < CIM_PULLS_MAX; i++) {
        if (s->all[i] == p) {
            s->all[i] = pull_free(p);
            return;
        }
    }
    vr_assert(!p);
}
