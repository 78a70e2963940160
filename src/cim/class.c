/* SPDX-License-Identifier: Apache-2.0 */
#include "cim/class.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

const struct cim_class *cim_schema_class(const struct cim_schema *s, const char *name)
{
    for (const struct cim_class *c = s->first; c; c = c->next) {
        if (strcasecmp(c->name, name) == 0) {
            return c;
        }
    }
    return NULL;
}

const struct cim_qualifier_decl *cim_schema_qualifier(const struct cim_schema *s, const char *name)
{
    for (const struct cim_qualifier_decl *d = s->quals; d; d = d->next) {
        if (strcasecmp(d->name, name) == 0) {
            return d;
        }
    }
    return NULL;
}

void cim_schema_free(struct cim_schema *s)
{
    if (s) {
        cim_arena_deinit(&s->arena);
        free(s);
    }
}

bool cim_class_is_a(const struct cim_class *cls, const char *name)
{
    for (; cls; cls = cls->super) {
        if (strcasecmp(cls->name, name) == 0) {
            return true;
        }
    }
    return false;
}

const struct cim_qualifier *
cim_qualifier(const struct cim_qualifier *q, uint32_t n, const char *name)
{
    for (uint32_t i = 0; i < n; i++) {
        if (strcasecmp(q[i].name, name) == 0) {
            return &q[i];
        }
    }
    return NULL;
}

static bool is_true(const struct cim_qualifier *q)
{
    return q && q->value.type == CIM_BOOLEAN && q->value.b;
}

bool cim_class_is_abstract(const struct cim_class *cls)
{
    return is_true(cim_qualifier(cls->quals, cls->nquals, "Abstract"));
}

const struct cim_method *cim_class_method(const struct cim_class *cls, const char *name)
{
    for (uint32_t i = 0; i < cls->nmethods; i++) {
        if (strcasecmp(cls->methods[i].name, name) == 0) {
            return &cls->methods[i];
        }
    }
    return NULL;
}

/* Most names differ in their first letter: the call is saved. */
static bool name_eq(const char *a, const char *b)
{
    return ((a[0] ^ b[0]) & ~0x20) == 0 && strcasecmp(a, b) == 0;
}

/* From the property after the last one found, and around: whoever asks for many follows the order
 * of the class, more or less. */
static int find_prop(const struct cim_class *cls, const char *name, uint32_t from)
{
    for (uint32_t i = from; i < cls->nprops; i++) {
        if (name_eq(cls->props[i].name, name)) {
            return (int)i;
        }
    }
    for (uint32_t i = 0; i < from && i < cls->nprops; i++) {
        if (name_eq(cls->props[i].name, name)) {
            return (int)i;
        }
    }
    return -1;
}

int cim_class_prop(const struct cim_class *cls, const char *name)
{
    return find_prop(cls, name, 0);
}

bool cim_feature_has(const struct cim_feature *f, const char *qualifier)
{
    return is_true(cim_qualifier(f->quals, f->nquals, qualifier));
}

const char *cim_feature_embedded(const struct cim_feature *f)
{
    const struct cim_qualifier *q = cim_qualifier(f->quals, f->nquals, "EmbeddedInstance");
    return q && !q->value.is_null ? q->value.str : NULL;
}

bool cim_feature_may_embed(const struct cim_feature *f)
{
    return cim_feature_embedded(f) || cim_qualifier(f->quals, f->nquals, "HyperVEmbeddedInstance");
}

bool cim_method_has(const struct cim_method *m, const char *qualifier)
{
    return is_true(cim_qualifier(m->quals, m->nquals, qualifier));
}

const struct cim_feature *cim_method_param(const struct cim_method *m, const char *name)
{
    for (uint32_t i = 0; i < m->nparams; i++) {
        if (strcasecmp(m->params[i].name, name) == 0) {
            return &m->params[i];
        }
    }
    return NULL;
}

bool cim_param_is_out(const struct cim_feature *f)
{
    return cim_feature_has(f, "Out");
}

bool cim_param_is_in(const struct cim_feature *f)
{
    const struct cim_qualifier *q = cim_qualifier(f->quals, f->nquals, "In");
    return q ? is_true(q) : !cim_param_is_out(f);
}

bool cim_class_seal(struct cim_class *cls, struct cim_arena *a)
{
    struct cim_value *values = cim_alloc(a, (cls->nprops + 1) * sizeof *values);
    if (!values) {
        return false;
    }
    cls->nkeys = 0;
    for (uint32_t k = 0; k < cls->nprops; k++) {
        values[k] = cls->props[k].initial;
        if (values[k].type == CIM_NONE) {
            values[k] = cim_null(cls->props[k].type);
            values[k].is_array = cls->props[k].is_array;
        }
        if (!cim_feature_has(&cls->props[k], "Key")) {
            continue;
        }
        if (cls->nkeys == CIM_KEYS_MAX) {
            return false;
        }
        cls->keys[cls->nkeys++] = k;
    }
    cls->defaults = values;
    return true;
}

struct cim_instance *cim_instance_new(struct cim_arena *a, const struct cim_class *cls)
{
    struct cim_instance *i = cim_alloc(a, sizeof *i);
    struct cim_value *values = cim_alloc(a, (cls->nprops + 1) * sizeof *values);
    if (!i || !values) {
        return NULL;
    }
    memcpy(values, cls->defaults, cls->nprops * sizeof *values);
    i->cls = cls;
    i->values = values;
    i->path.class_name = cls->name;
    return i;
}

static bool fits(const struct cim_feature *f, const struct cim_value *v)
{
    bool embedded = f->type == CIM_STRING && v->type == CIM_INSTANCE;
    return (v->type == f->type || embedded) && (v->is_array == f->is_array || v->is_null);
}

void cim_set(struct cim_instance *i, const char *name, struct cim_value v)
{
    if (!i) {
        return;
    }
    int found = find_prop(i->cls, name, i->cursor);
    vr_assert(found >= 0);
    uint32_t at = (uint32_t)found;
    vr_assert(fits(&i->cls->props[at], &v));
    v.is_array = i->cls->props[at].is_array;
    i->values[at] = v;
    i->cursor = at + 1;
}

const struct cim_value *cim_get(const struct cim_instance *i, const char *name)
{
    int at = cim_class_prop(i->cls, name);
    return at < 0 ? NULL : &i->values[at];
}

void cim_instance_make_path(struct cim_instance *i, const char *ns)
{
    if (!i) {
        return;
    }
    i->path = (struct cim_path){.ns = ns, .class_name = i->cls->name};
    for (uint32_t k = 0; k < i->cls->nkeys; k++) {
        uint32_t at = i->cls->keys[k];
        vr_assert(cim_path_add_key(&i->path, i->cls->props[at].name, i->values[at]));
    }
}
