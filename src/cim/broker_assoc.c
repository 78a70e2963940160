/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An association class has two REF properties or more, each a role. What refers to an object is
 * found by asking for the links of the association classes that may refer to it; none of them is
 * stored.
 */
#include <strings.h>

#include "cim/broker.h"

struct walk {
    struct cim_broker *b;
    const struct cim_caller *who;
    const char *ns;
    const struct cim_schema *schema; /* of ns */
    const struct cim_related *f;
    const struct cim_class *from, *result;
    bool follow; /* to what is at the other end; else the association itself */
    cim_instance_cb cb;
    void *ctx;
    struct cim_status *st;
};

static bool is_role(const struct cim_feature *p, const char *role)
{
    return p->type == CIM_REFERENCE && !p->is_array && (!role || strcasecmp(p->name, role) == 0);
}

static bool is_association(const struct cim_class *c)
{
    const struct cim_qualifier *q = cim_qualifier(c->quals, c->nquals, "Association");
    return q && q->value.b;
}

/* May instances of c refer to one of w->from, in the role asked for? */
static bool may_refer(const struct walk *w, const struct cim_class *c)
{
    const char *below = w->follow ? w->f->assoc_class : w->f->result_class;
    if (!is_association(c) || (below && !cim_class_is_a(c, below))) {
        return false;
    }
    for (uint32_t i = 0; i < c->nprops; i++) {
        if (is_role(&c->props[i], w->f->role) && cim_class_is_a(w->from, c->props[i].ref_class)) {
            return true;
        }
    }
    return false;
}

/* Gives what is at the other end; false stops. One that is gone meanwhile is left out. */
static bool follow_to(struct walk *w, const struct cim_path *to)
{
    const struct cim_class *cls = cim_schema_class(w->schema, to->class_name);
    struct cim_instance *i = NULL;
    struct cim_status st = {0};
    struct cim_arena a;
    bool more = true;
    if (!cls || (w->result && !cim_class_is_a(cls, w->result->name))) {
        return true;
    }
    cim_arena_init(&a, CIM_INSTANCE_MAX_BYTES);
    cim_broker_get_instance(w->b, w->who, w->ns, to, &a, &i, &st);
    if (st.code == CIM_OK && i) {
        more = w->cb(w->ctx, i);
    } else if (st.code != CIM_ERR_NOT_FOUND) {
        *w->st = st;
        more = false;
    }
    cim_arena_deinit(&a);
    return more;
}

static bool follow(struct walk *w, const struct cim_instance *assoc, uint32_t from)
{
    for (uint32_t i = 0; i < assoc->cls->nprops; i++) {
        const struct cim_value *v = &assoc->values[i];
        if (i != from && is_role(&assoc->cls->props[i], w->f->result_role) && !v->is_null &&
            !follow_to(w, v->ref)) {
            return false;
        }
    }
    return true;
}

static bool look_at(void *ctx, const struct cim_instance *assoc)
{
    struct walk *w = ctx;
    for (uint32_t i = 0; i < assoc->cls->nprops; i++) {
        const struct cim_value *v = &assoc->values[i];
        if (!is_role(&assoc->cls->props[i], w->f->role) || v->is_null ||
            !cim_path_eq(v->ref, &w->f->path)) {
            continue;
        }
        if (!w->follow) {
            return w->cb(w->ctx, assoc);
        }
        if (!follow(w, assoc, i)) {
            return false;
        }
    }
    return true;
}

static bool filter_ok(struct walk *w, const char *what, const char *name)
{
    if (name && !cim_schema_class(w->schema, name)) {
        cim_fail(w->st, CIM_ERR_INVALID_PARAMETER, "%s: no class '%.60s' in %s", what, name,
                 w->schema->ns);
        return false;
    }
    return true;
}

static bool filters_ok(struct walk *w)
{
    w->schema = cim_broker_schema(w->b, w->ns, w->st);
    return w->schema && filter_ok(w, "AssocClass", w->f->assoc_class) &&
           filter_ok(w, "ResultClass", w->f->result_class);
}

/* Is the object there, and do the filters name classes? */
static bool begin(struct walk *w)
{
    const struct cim_related *f = w->f;
    struct cim_instance *i = NULL;
    struct cim_arena a;
    if (!filters_ok(w)) {
        return false;
    }
    cim_arena_init(&a, CIM_INSTANCE_MAX_BYTES);
    cim_broker_get_instance(w->b, w->who, w->ns, &f->path, &a, &i, w->st);
    w->from = i ? i->cls : NULL;
    w->result = w->follow && f->result_class ? cim_schema_class(w->schema, f->result_class) : NULL;
    cim_arena_deinit(&a);
    return w->st->code == CIM_OK && w->from;
}

static void links(struct walk *w, const struct cim_class *c)
{
    struct cim_path of = w->f->path;
    of.class_name = w->from->name;
    if (w->b->ops->enum_links) {
        w->b->ops->enum_links(w->b, w->who, c, &of, look_at, w, w->st);
    } else {
        w->b->ops->enum_instances(w->b, w->who, c, look_at, w, w->st);
    }
}

void cim_broker_related(struct cim_broker *b,
                        const struct cim_caller *who,
                        const char *ns,
                        const struct cim_related *f,
                        bool associators,
                        cim_instance_cb cb,
                        void *ctx,
                        struct cim_status *st)
{
    struct walk w = {.b = b,
                     .who = who,
                     .ns = ns,
                     .f = f,
                     .follow = associators,
                     .cb = cb,
                     .ctx = ctx,
                     .st = st};
    if (!begin(&w)) {
        return;
    }
    for (const struct cim_class *c = w.schema->first; c && st->code == CIM_OK; c = c->next) {
        if (!cim_class_is_abstract(c) && may_refer(&w, c)) {
            links(&w, c);
        }
    }
}

/* Does c lead from w->from, in the role asked for, to `to` in another one? */
static bool leads_to(const struct walk *w, const struct cim_class *c, const struct cim_class *to)
{
    for (uint32_t i = 0; i < c->nprops; i++) {
        if (!is_role(&c->props[i], w->f->role) || !cim_class_is_a(w->from, c->props[i].ref_class)) {
            continue;
        }
        for (uint32_t k = 0; k < c->nprops; k++) {
            if (k != i && is_role(&c->props[k], w->f->result_role) &&
                strcasecmp(c->props[k].ref_class, to->name) == 0) {
                return true;
            }
        }
    }
    return false;
}

static bool is_related_class(const struct walk *w, const struct cim_class *to)
{
    if (!w->follow) {
        return may_refer(w, to);
    }
    if (w->f->result_class && !cim_class_is_a(to, w->f->result_class)) {
        return false;
    }
    for (const struct cim_class *c = w->schema->first; c; c = c->next) {
        if (may_refer(w, c) && leads_to(w, c, to)) {
            return true;
        }
    }
    return false;
}

void cim_broker_related_classes(struct cim_broker *b,
                                const char *ns,
                                const struct cim_related *f,
                                bool associators,
                                cim_class_cb cb,
                                void *ctx,
                                struct cim_status *st)
{
    struct walk w = {.b = b, .ns = ns, .f = f, .follow = associators, .st = st};
    if (!filters_ok(&w)) {
        return;
    }
    w.from = cim_broker_class(b, ns, f->path.class_name, CIM_ERR_INVALID_CLASS, st);
    for (const struct cim_class *c = w.schema->first; w.from && c; c = c->next) {
        if (is_related_class(&w, c)) {
            cb(ctx, c);
        }
    }
}
