/* SPDX-License-Identifier: Apache-2.0 */
/* One pass of recursive descent over the text; what it makes lives in the schema's arena. */
#include "cim/mof.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cim/mof_lex.h"
#include "util/cleanup.h"
#include "util/num.h"

/* A growing list in the arena, copied when it is whole. */
struct list {
    size_t item_bytes;
    uint32_t n;
    void *items;
};

struct mof {
    struct mof_lex lex;
    const char *source;
    struct cim_schema *schema;
    struct vr_err *err;
};

DEFINE_CLEANUP(struct cim_schema *, cim_schema_free)

static int bad(struct mof *m, const char *wanted)
{
    if (cim_arena_failed(&m->schema->arena)) {
        return vr_fail_nomem(m->err);
    }
    return vr_fail(m->err, VR_E_INVALID, "%s:%d: expected %s, found '%.40s'", m->source,
                   m->lex.line, wanted, m->lex.tok == MOF_END ? "the end" : m->lex.text);
}

static bool at(const struct mof *m, const char *what)
{
    return (m->lex.tok == MOF_CHAR || m->lex.tok == MOF_NAME) && strcasecmp(m->lex.text, what) == 0;
}

static bool take(struct mof *m, const char *what)
{
    if (!at(m, what)) {
        return false;
    }
    mof_lex_next(&m->lex);
    return true;
}

static int want(struct mof *m, const char *what)
{
    return take(m, what) ? 0 : bad(m, what);
}

static const char *take_name(struct mof *m)
{
    if (m->lex.tok != MOF_NAME) {
        bad(m, "a name");
        return NULL;
    }
    const char *name = cim_strdup(&m->schema->arena, m->lex.text);
    mof_lex_next(&m->lex);
    return name;
}

static void *list_add(struct mof *m, struct list *l, const void *item)
{
    struct cim_arena *a = &m->schema->arena;
    if (l->n % 16 == 0) {
        void *bigger = cim_alloc(a, (l->n + 16) * l->item_bytes);
        if (!bigger) {
            return NULL;
        }
        if (l->n) {
            memcpy(bigger, l->items, l->n * l->item_bytes);
        }
        l->items = bigger;
    }
    if (l->n >= CIM_CLASS_FEATURES_MAX) {
        return NULL;
    }
    void *slot = (char *)l->items + l->n++ * l->item_bytes;
    memcpy(slot, item, l->item_bytes);
    return slot;
}

static int parse_scalar(struct mof *m, enum cim_type t, struct cim_value *ret)
{
    struct cim_arena *a = &m->schema->arena;
    struct vr_err why = VR_ERR_INIT;
    if (take(m, "NULL")) {
        *ret = cim_null(t);
        return 0;
    }
    if (m->lex.tok == MOF_STRING && (t == CIM_STRING || t == CIM_DATETIME)) {
        const char *s = "";
        for (; m->lex.tok == MOF_STRING && s;
             mof_lex_next(&m->lex)) { /* adjacent strings are one */
            s = cim_printf(a, "%s%s", s, m->lex.text);
        }
        return cim_value_from_text(a, t, s ? s : "", ret, m->err);
    }
    if (t == CIM_STRING || t == CIM_DATETIME ||
        cim_value_from_text(a, t, m->lex.text, ret, &why) < 0) {
        return bad(m, "a value");
    }
    mof_lex_next(&m->lex);
    return 0;
}

static int parse_value(struct mof *m, enum cim_type t, struct cim_value *ret)
{
    struct list l = {.item_bytes = sizeof(struct cim_value)};
    if (!take(m, "{")) {
        return parse_scalar(m, t, ret);
    }
    while (!at(m, "}")) {
        struct cim_value v;
        int r = parse_scalar(m, t, &v);
        if (r < 0) {
            return r;
        }
        if (!list_add(m, &l, &v)) {
            return bad(m, "fewer values");
        }
        if (!take(m, ",")) {
            break;
        }
    }
    const struct cim_value *items = l.items;
    *ret = (struct cim_value){
        .type = l.n ? items[0].type : t, .is_array = true, .count = l.n, .items = items};
    return want(m, "}");
}

#define SCOPE(name) (1u << CIM_SCOPE_##name)
#define SCOPE_OF_CLASS (SCOPE(CLASS) | SCOPE(ASSOCIATION) | SCOPE(INDICATION))
#define SCOPE_OF_MEMBER (SCOPE(PROPERTY) | SCOPE(REFERENCE) | SCOPE(METHOD))

static int parse_scopes(struct mof *m, struct cim_qualifier_decl *d)
{
    static const char *const names[] = {
#define X(name) #name,
        CIM_SCOPES(X)
#undef X
    };
    int r = want(m, "(");
    do {
        size_t i = 0;
        while (i < VR_COUNT(names) && !at(m, names[i])) {
            i++;
        }
        bool any = at(m, "any");
        if (r < 0 || (i == VR_COUNT(names) && !any)) {
            return r < 0 ? r : bad(m, "a scope");
        }
        d->scopes |= any ? (1u << CIM_SCOPE_COUNT) - 1 : 1u << i;
        mof_lex_next(&m->lex);
    } while (take(m, ","));
    return want(m, ")");
}

static int parse_flavors(struct mof *m, struct cim_qualifier_decl *d)
{
    int r = want(m, "(");
    do {
        if (take(m, "DisableOverride")) {
            d->flavors &= ~CIM_FLAVOR_OVERRIDABLE;
        } else if (take(m, "Restricted")) {
            d->flavors &= ~CIM_FLAVOR_TO_SUBCLASS;
        } else if (take(m, "Translatable")) {
            d->flavors |= CIM_FLAVOR_TRANSLATABLE;
        } else if (!take(m, "EnableOverride") && !take(m, "ToSubclass")) {
            return bad(m, "a flavor");
        }
    } while (r == 0 && take(m, ","));
    return r < 0 ? r : want(m, ")");
}

/* After "Qualifier": name : type [= value] {, Scope(...) | Flavor(...)} ; */
static int parse_qualifier_decl(struct mof *m)
{
    struct cim_qualifier_decl *d = cim_alloc(&m->schema->arena, sizeof *d);
    if (!d) {
        return vr_fail_nomem(m->err);
    }
    d->flavors = CIM_FLAVOR_OVERRIDABLE | CIM_FLAVOR_TO_SUBCLASS;
    d->name = take_name(m);
    if (!d->name || cim_schema_qualifier(m->schema, d->name)) {
        return bad(m, "the name of a new qualifier before this");
    }
    int r = want(m, ":");
    d->type = m->lex.tok == MOF_NAME ? cim_type_parse(m->lex.text) : CIM_NONE;
    if (r < 0 || d->type == CIM_NONE) {
        return r < 0 ? r : bad(m, "a type");
    }
    mof_lex_next(&m->lex);
    d->is_array = take(m, "[");
    r = d->is_array ? want(m, "]") : 0;
    d->initial = cim_null(d->type);
    if (r == 0 && take(m, "=")) {
        r = parse_value(m, d->type, &d->initial);
    }
    while (r == 0 && take(m, ",")) {
        r = take(m, "Scope")    ? parse_scopes(m, d)
            : take(m, "Flavor") ? parse_flavors(m, d)
                                : bad(m, "Scope or Flavor");
    }
    d->next = m->schema->quals;
    m->schema->quals = d;
    return r < 0 ? r : want(m, ";");
}

static int parse_qualifier(struct mof *m, unsigned scopes, struct cim_qualifier *q)
{
    const struct cim_qualifier_decl *d =
        m->lex.tok == MOF_NAME ? cim_schema_qualifier(m->schema, m->lex.text) : NULL;
    if (!d || !(d->scopes & scopes)) {
        return bad(m, d ? "a qualifier that may stand here" : "a qualifier declared before");
    }
    mof_lex_next(&m->lex);
    *q = (struct cim_qualifier){.name = d->name, .flavors = d->flavors};
    if (take(m, "(")) {
        int r = parse_value(m, d->type, &q->value);
        return r < 0 ? r : want(m, ")");
    }
    if (at(m, "{")) {
        return parse_value(m, d->type, &q->value);
    }
    q->value = d->type == CIM_BOOLEAN ? cim_bool(true) : d->initial;
    return 0;
}

/* "[Key, MaxLen(256), Override("x")]", or nothing. */
static int parse_qualifiers(struct mof *m, unsigned scopes, struct list *l)
{
    *l = (struct list){.item_bytes = sizeof(struct cim_qualifier)};
    if (!take(m, "[")) {
        return 0;
    }
    do {
        struct cim_qualifier q = {0};
        int r = parse_qualifier(m, scopes, &q);
        if (r < 0) {
            return r;
        }
        if (cim_qualifier(l->items, l->n, q.name) || !list_add(m, l, &q)) {
            return bad(m, "fewer qualifiers, each once, before this");
        }
    } while (take(m, ","));
    return want(m, "]");
}

/* type name, or Class REF name; then "[]" where it is an array. */
static int parse_declarator(struct mof *m, struct cim_feature *f)
{
    const char *type = take_name(m);
    if (!type) {
        return -VR_E_INVALID;
    }
    if (take(m, "REF")) {
        f->type = CIM_REFERENCE;
        f->ref_class = type;
    } else {
        f->type = cim_type_parse(type);
    }
    if (f->type == CIM_NONE) {
        return bad(m, "a type before this");
    }
    f->name = take_name(m);
    if (!f->name) {
        return -VR_E_INVALID;
    }
    f->is_array = take(m, "[");
    return f->is_array ? want(m, "]") : 0;
}

static int parse_params(struct mof *m, struct cim_method *method)
{
    struct list l = {.item_bytes = sizeof(struct cim_feature)}, quals;
    while (!at(m, ")")) {
        struct cim_feature f = {0};
        int r = parse_qualifiers(m, SCOPE(PARAMETER), &quals);
        r = r < 0 ? r : parse_declarator(m, &f);
        if (r < 0) {
            return r;
        }
        f.quals = quals.items;
        f.nquals = quals.n;
        if (!list_add(m, &l, &f)) {
            return bad(m, "fewer parameters");
        }
        if (!take(m, ",")) {
            break;
        }
    }
    method->params = l.items;
    method->nparams = l.n;
    return want(m, ")");
}

static bool same_value(const struct cim_value *a, const struct cim_value *b)
{
    char x[32], y[32];
    return strcmp(cim_value_text(a, x, sizeof x), cim_value_text(b, y, sizeof y)) == 0;
}

/* Those of what is inherited or overridden that are not said again. */
static int inherit_quals(struct mof *m, struct list *own, const struct cim_qualifier *q, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct cim_qualifier inherited = q[i];
        const struct cim_qualifier *said = cim_qualifier(own->items, own->n, q[i].name);
        inherited.propagated = true;
        if (said && !(q[i].flavors & CIM_FLAVOR_OVERRIDABLE) &&
            !same_value(&said->value, &q[i].value)) {
            return vr_fail(m->err, VR_E_INVALID, "%s:%d: qualifier %s may not be overridden",
                           m->source, m->lex.line, q[i].name);
        }
        if (!said && (q[i].flavors & CIM_FLAVOR_TO_SUBCLASS) && !list_add(m, own, &inherited)) {
            return bad(m, "fewer qualifiers");
        }
    }
    return 0;
}

static int
add_method(struct mof *m, struct list *methods, struct cim_method *method, struct list *quals)
{
    struct cim_method *all = methods->items;
    for (uint32_t i = 0; i < methods->n; i++) {
        if (strcasecmp(all[i].name, method->name) == 0) {
            int r = inherit_quals(m, quals, all[i].quals, all[i].nquals);
            method->quals = quals->items;
            method->nquals = quals->n;
            all[i] = *method;
            return r;
        }
    }
    method->quals = quals->items;
    method->nquals = quals->n;
    return list_add(m, methods, method) ? 0 : bad(m, "fewer methods");
}

static int add_prop(struct mof *m, struct list *props, struct cim_feature *f, struct list *quals)
{
    struct cim_feature *all = props->items;
    for (uint32_t i = 0; i < props->n; i++) {
        if (strcasecmp(all[i].name, f->name) == 0) {
            int r = inherit_quals(m, quals, all[i].quals, all[i].nquals);
            f->quals = quals->items;
            f->nquals = quals->n;
            f->origin = all[i].origin; /* an override does not move the origin */
            all[i] = *f;
            return r;
        }
    }
    f->quals = quals->items;
    f->nquals = quals->n;
    return list_add(m, props, f) ? 0 : bad(m, "fewer properties");
}

static int
parse_member(struct mof *m, struct cim_class *cls, struct list *props, struct list *methods)
{
    struct cim_feature f = {.origin = cls->name, .declared = cls->name};
    struct list quals;
    int r = parse_qualifiers(m, SCOPE_OF_MEMBER, &quals);
    r = r < 0 ? r : parse_declarator(m, &f);
    if (r < 0) {
        return r;
    }
    if (take(m, "(")) {
        struct cim_method method = {
            .name = f.name, .type = f.type, .origin = cls->name, .declared = cls->name};
        r = parse_params(m, &method);
        r = r < 0 ? r : add_method(m, methods, &method, &quals);
        return r < 0 ? r : want(m, ";");
    }
    if (take(m, "=")) {
        r = parse_value(m, f.type, &f.initial);
    }
    r = r < 0 ? r : add_prop(m, props, &f, &quals);
    return r < 0 ? r : want(m, ";");
}

static int inherit_feature(struct mof *m, struct list *to, const struct cim_feature *from)
{
    struct cim_feature f = *from;
    struct list quals = {.item_bytes = sizeof(struct cim_qualifier)};
    int r = inherit_quals(m, &quals, from->quals, from->nquals);
    f.quals = quals.items;
    f.nquals = quals.n;
    if (r == 0 && !list_add(m, to, &f)) {
        return bad(m, "fewer properties");
    }
    return r;
}

static int inherit_method(struct mof *m, struct list *to, const struct cim_method *from)
{
    struct cim_method method = *from;
    struct list quals = {.item_bytes = sizeof(struct cim_qualifier)};
    struct list params = {.item_bytes = sizeof(struct cim_feature)};
    int r = inherit_quals(m, &quals, from->quals, from->nquals);
    for (uint32_t i = 0; i < from->nparams && r == 0; i++) {
        r = inherit_feature(m, &params, &from->params[i]);
    }
    method.quals = quals.items;
    method.nquals = quals.n;
    method.params = params.items;
    if (r == 0 && !list_add(m, to, &method)) {
        return bad(m, "fewer methods");
    }
    return r;
}

/* quals: those of the class itself, which then get the inherited ones. */
static int inherit(struct mof *m,
                   struct cim_class *cls,
                   struct list *quals,
                   struct list *props,
                   struct list *methods)
{
    const char *name = take_name(m);
    cls->super = name ? cim_schema_class(m->schema, name) : NULL;
    if (!cls->super) {
        return bad(m, "a superclass declared before");
    }
    int r = inherit_quals(m, quals, cls->super->quals, cls->super->nquals);
    for (uint32_t i = 0; i < cls->super->nprops && r == 0; i++) {
        r = inherit_feature(m, props, &cls->super->props[i]);
    }
    for (uint32_t i = 0; i < cls->super->nmethods && r == 0; i++) {
        r = inherit_method(m, methods, &cls->super->methods[i]);
    }
    return r;
}

static int parse_class(struct mof *m)
{
    struct list quals, props = {.item_bytes = sizeof(struct cim_feature)},
                       methods = {.item_bytes = sizeof(struct cim_method)};
    struct cim_class *cls = cim_alloc(&m->schema->arena, sizeof *cls);
    int r = parse_qualifiers(m, SCOPE_OF_CLASS, &quals);
    r = r < 0 ? r : want(m, "class");
    if (r < 0 || !cls) {
        return r < 0 ? r : vr_fail_nomem(m->err);
    }
    cls->schema = m->schema;
    cls->name = take_name(m);
    if (!cls->name || cim_schema_class(m->schema, cls->name)) {
        return bad(m, "the name of a new class");
    }
    r = take(m, ":") ? inherit(m, cls, &quals, &props, &methods) : 0;
    r = r < 0 ? r : want(m, "{");
    while (r == 0 && !at(m, "}")) {
        r = parse_member(m, cls, &props, &methods);
    }
    r = r < 0 ? r : want(m, "}");
    r = r < 0 ? r : want(m, ";");
    cls->quals = quals.items;
    cls->nquals = quals.n;
    cls->props = props.items;
    cls->nprops = props.n;
    cls->methods = methods.items;
    cls->nmethods = methods.n;
    if (r == 0 && !cim_class_seal(cls, &m->schema->arena)) {
        r = vr_fail(m->err, VR_E_LIMIT, "class %s has more than %d keys, or there is no memory",
                    cls->name, CIM_KEYS_MAX);
    }
    *(m->schema->last ? &m->schema->last->next : &m->schema->first) = cls;
    m->schema->last = cls;
    return r;
}

int cim_mof_parse(
    const char *text, size_t n, const char *source, struct cim_schema **ret, struct vr_err *err)
{
    if (n > CIM_MOF_MAX_BYTES) {
        return vr_fail(err, VR_E_LIMIT, "%s: more than %d bytes", source, CIM_MOF_MAX_BYTES);
    }
    _cleanup_(cim_schema_freep) struct cim_schema *s = calloc(1, sizeof *s);
    _cleanup_(vr_freep) struct mof *m = calloc(1, sizeof *m);
    if (!s || !m) {
        return vr_fail_nomem(err);
    }
    cim_arena_init(&s->arena, CIM_MOF_MEMORY_MAX);
    *m = (struct mof){
        .lex = {.p = text, .end = text + n, .line = 1}, .source = source, .schema = s, .err = err};
    mof_lex_next(&m->lex);
    while (m->lex.tok != MOF_END) {
        int r = take(m, "Qualifier") ? parse_qualifier_decl(m) : parse_class(m);
        if (r < 0) {
            return r;
        }
    }
    if (cim_arena_failed(&s->arena)) {
        return vr_fail_nomem(err);
    }
    *ret = TAKE_PTR(s);
    return 0;
}
