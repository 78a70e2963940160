/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <strings.h>

#include "cim/wql.h"
#include "util/num.h"

enum truth {
    NO,
    YES,
    UNKNOWN
};

enum kind {
    K_NULL,
    K_NUMBER,
    K_BOOLEAN,
    K_TIME,
    K_TEXT,
    K_PATH,
    K_OTHER /* arrays, embedded instances: only IS NULL and ISA */
};

/* A number as it is written: exact in 64 bits and nine decimals; huge is beyond that. */
struct number {
    bool negative, huge;
    uint64_t whole;
    uint32_t billionths;
};

struct scalar {
    enum kind kind;
    bool is_property;
    const char *text; /* of every kind but K_NULL and K_OTHER */
    const struct cim_value *value;
    char buf[32];
};

struct eval {
    const struct cim_wql_env *env;
    const struct cim_instance *i;
    struct cim_arena *a;
};

static bool parse_number(const char *s, struct number *ret)
{
    struct number n = {.negative = *s == '-'};
    s += *s == '-' || *s == '+' ? 1 : 0;
    const char *first = s;
    for (; *s >= '0' && *s <= '9'; s++) {
        unsigned digit = (unsigned)(*s - '0');
        n.huge = n.huge || n.whole > (UINT64_MAX - digit) / 10;
        n.whole = n.huge ? UINT64_MAX : n.whole * 10 + digit;
    }
    if (s == first) {
        return false;
    }
    if (*s == '.' && s[1]) {
        s++;
        for (uint32_t unit = 100000000; *s >= '0' && *s <= '9'; s++, unit /= 10) {
            n.billionths += unit * (uint32_t)(*s - '0');
        }
    }
    n.negative = n.negative && (n.whole || n.billionths);
    *ret = n;
    return !*s;
}

static int order_u64(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int order_numbers(const struct number *a, const struct number *b)
{
    int sign = a->negative ? -1 : 1;
    if (a->negative != b->negative) {
        return sign;
    }
    int r = a->huge != b->huge     ? (a->huge ? 1 : -1)
            : a->whole != b->whole ? order_u64(a->whole, b->whole)
                                   : order_u64(a->billionths, b->billionths);
    return r * sign;
}

/* --- operands --- */

static const char *const system_props[] = {"__CLASS",     "__SUPERCLASS", "__SERVER",
                                           "__NAMESPACE", "__RELPATH",    "__PATH"};

static bool is_system_prop(const char *name)
{
    for (size_t i = 0; i < VR_COUNT(system_props); i++) {
        if (strcasecmp(name, system_props[i]) == 0) {
            return true;
        }
    }
    return false;
}

static const char *namespace_text(const struct eval *e)
{
    char *ns = cim_strdup(e->a, e->env->ns);
    for (char *p = ns; p && *p; p++) {
        *p = *p == '/' ? '\\' : *p;
    }
    return ns;
}

static const char *relpath(const struct eval *e)
{
    struct cim_path p = e->i->path;
    p.ns = NULL;
    const char *text = cim_path_text(e->a, &p);
    return text ? text + 1 : NULL; /* without the ':' */
}

/* NULL: there is none. */
static const char *system_text(const struct eval *e, const char *name)
{
    const struct cim_class *super = e->i->cls->super;
    if (strcasecmp(name, "__CLASS") == 0) {
        return e->i->cls->name;
    }
    if (strcasecmp(name, "__SUPERCLASS") == 0) {
        return super ? super->name : NULL;
    }
    if (strcasecmp(name, "__SERVER") == 0) {
        return e->env->server;
    }
    if (strcasecmp(name, "__NAMESPACE") == 0) {
        return namespace_text(e);
    }
    if (strcasecmp(name, "__RELPATH") == 0) {
        return relpath(e);
    }
    const char *ns = namespace_text(e), *rel = relpath(e);
    return ns && rel ? cim_printf(e->a, "\\\\%s\\%s:%s", e->env->server, ns, rel) : NULL;
}

static enum kind kind_of(enum cim_type t)
{
    if (cim_type_is_unsigned(t) || cim_type_is_signed(t)) {
        return K_NUMBER;
    }
    return t == CIM_BOOLEAN     ? K_BOOLEAN
           : t == CIM_DATETIME  ? K_TIME
           : t == CIM_STRING    ? K_TEXT
           : t == CIM_REFERENCE ? K_PATH
                                : K_OTHER;
}

static void property_scalar(const struct eval *e, const char *name, struct scalar *ret)
{
    const struct cim_value *v = cim_get(e->i, name);
    ret->is_property = true;
    if (!v) {
        ret->text = is_system_prop(name) ? system_text(e, name) : NULL;
        ret->kind = ret->text ? K_TEXT : K_NULL;
        return;
    }
    ret->value = v;
    if (v->is_null) {
        ret->kind = K_NULL;
        return;
    }
    ret->kind = v->is_array ? K_OTHER : kind_of(v->type);
    ret->text = ret->kind == K_PATH ? cim_path_text(e->a, v->ref)
                                    : cim_value_text(v, ret->buf, sizeof ret->buf);
    ret->kind = ret->text ? ret->kind : K_NULL;
}

static void get_scalar(const struct eval *e, const struct cim_wql_operand *o, struct scalar *ret)
{
    static const enum kind kinds[] = {[WQL_TEXT] = K_TEXT,
                                      [WQL_NUMBER] = K_NUMBER,
                                      [WQL_BOOLEAN] = K_BOOLEAN,
                                      [WQL_NULL] = K_NULL};
    *ret = (struct scalar){.text = o->text};
    if (o->kind == WQL_PROPERTY) {
        property_scalar(e, o->text, ret);
    } else {
        ret->kind = kinds[o->kind];
    }
}

/* --- comparison --- */

static bool to_boolean(const char *text, bool *ret)
{
    *ret = strcasecmp(text, "true") == 0 || strcmp(text, "1") == 0;
    return *ret || strcasecmp(text, "false") == 0 || strcmp(text, "0") == 0;
}

/* What both are compared as: a property's type before a literal's; where two properties or two
 * literals differ, text. */
static enum kind common_kind(const struct scalar *a, const struct scalar *b)
{
    if (a->kind == b->kind) {
        return a->kind;
    }
    if (a->is_property != b->is_property) {
        return a->is_property ? a->kind : b->kind;
    }
    return K_TEXT;
}

/* False: they do not compare. Only equality counts where *ret_only_eq. */
static bool order_times(const char *a, const char *b, int *ret, bool *ret_only_eq)
{
    struct cim_datetime x, y;
    if (!cim_datetime_parse(a, &x) || !cim_datetime_parse(b, &y) ||
        x.is_interval != y.is_interval || x.has_no_date != y.has_no_date) {
        return false;
    }
    *ret_only_eq = x.has_wildcard || y.has_wildcard;
    *ret = *ret_only_eq ? strcmp(a, b) : order_u64(x.us, y.us);
    return true;
}

static bool order_paths(struct cim_arena *arena, const char *a, const char *b, int *ret)
{
    struct cim_path x, y;
    if (!cim_wql_path(arena, a, &x) || !cim_wql_path(arena, b, &y)) {
        return false;
    }
    *ret = cim_path_eq(&x, &y) ? 0 : 1;
    return true;
}

static bool order(struct cim_arena *arena,
                  const struct scalar *a,
                  const struct scalar *b,
                  int *ret,
                  bool *ret_only_eq)
{
    struct number x, y;
    bool p, q;
    *ret_only_eq = false;
    switch (common_kind(a, b)) {
    case K_NUMBER:
        if (!parse_number(a->text, &x) || !parse_number(b->text, &y)) {
            return false;
        }
        *ret = order_numbers(&x, &y);
        return true;
    case K_BOOLEAN:
        if (!to_boolean(a->text, &p) || !to_boolean(b->text, &q)) {
            return false;
        }
        *ret = (int)p - (int)q;
        return true;
    case K_TIME:
        return order_times(a->text, b->text, ret, ret_only_eq);
    case K_PATH:
        *ret_only_eq = true;
        return order_paths(arena, a->text, b->text, ret);
    case K_TEXT:
        *ret = strcasecmp(a->text, b->text);
        return true;
    default:
        return false;
    }
}

static enum truth
compare(const struct eval *e, enum cim_wql_op op, const struct scalar *a, const struct scalar *b)
{
    int r;
    bool only_eq, yes;
    if (a->kind == K_NULL || b->kind == K_NULL || a->kind == K_OTHER || b->kind == K_OTHER ||
        !order(e->a, a, b, &r, &only_eq)) {
        return UNKNOWN;
    }
    if (op == WQL_EQ || op == WQL_NE) {
        return (r == 0) == (op == WQL_EQ) ? YES : NO;
    }
    if (only_eq) {
        return UNKNOWN;
    }
    yes = op == WQL_LT ? r < 0 : op == WQL_GT ? r > 0 : op == WQL_LE ? r <= 0 : r >= 0;
    return yes ? YES : NO;
}

static enum truth
eval_in(const struct eval *e, const struct cim_wql_node *n, const struct scalar *a)
{
    enum truth all = NO;
    for (uint32_t i = 0; i < n->nright; i++) {
        struct scalar b;
        get_scalar(e, &n->right[i], &b);
        enum truth t = compare(e, WQL_EQ, a, &b);
        if (t == YES) {
            return YES;
        }
        all = t == UNKNOWN ? UNKNOWN : all;
    }
    return all;
}

static enum truth eval_isa(const struct eval *e, const struct cim_wql_node *n)
{
    const char *name = n->right->text;
    if (n->left.kind == WQL_PROPERTY && strcasecmp(n->left.text, "__THIS") == 0) {
        return cim_class_is_a(e->i->cls, name) ? YES : NO;
    }
    const struct cim_value *v = n->left.kind == WQL_PROPERTY ? cim_get(e->i, n->left.text) : NULL;
    if (!v || v->is_null || v->is_array) {
        return UNKNOWN;
    }
    const struct cim_class *cls = v->type == CIM_INSTANCE ? v->instance->cls
                                  : v->type == CIM_REFERENCE
                                      ? cim_schema_class(e->env->schema, v->ref->class_name)
                                      : NULL;
    return !cls ? UNKNOWN : cim_class_is_a(cls, name) ? YES : NO;
}

static enum truth eval_test(const struct eval *e, const struct cim_wql_node *n)
{
    struct scalar a, b;
    if (n->op == WQL_ISA) {
        return eval_isa(e, n);
    }
    get_scalar(e, &n->left, &a);
    if (n->op == WQL_IS_NULL) {
        return a.kind == K_NULL ? YES : NO;
    }
    if (n->op == WQL_IN) {
        return eval_in(e, n, &a);
    }
    if (n->op == WQL_LIKE) {
        return a.kind == K_NULL || a.kind == K_OTHER  ? UNKNOWN
               : cim_wql_like(a.text, n->right->text) ? YES
                                                      : NO;
    }
    get_scalar(e, n->right, &b);
    return compare(e, n->op, &a, &b);
}

/* As deep as CIM_WQL_DEPTH_MAX. */
static enum truth eval(const struct eval *e, const struct cim_wql_node *n)
{
    if (n->op == WQL_NOT) {
        enum truth t = eval(e, n->first);
        return t == UNKNOWN ? UNKNOWN : t == YES ? NO : YES;
    }
    if (n->op != WQL_AND && n->op != WQL_OR) {
        return eval_test(e, n);
    }
    enum truth stop = n->op == WQL_OR ? YES : NO, all = n->op == WQL_OR ? NO : YES;
    for (const struct cim_wql_node *c = n->first; c; c = c->next) {
        enum truth t = eval(e, c);
        if (t == stop) {
            return stop;
        }
        all = t == UNKNOWN ? UNKNOWN : all;
    }
    return all;
}

bool cim_wql_matches(const struct cim_wql *q,
                     const struct cim_wql_env *env,
                     const struct cim_instance *i,
                     struct cim_arena *a)
{
    struct eval e = {.env = env, .i = i, .a = a};
    return !q->where || eval(&e, q->where) == YES;
}

/* --- before the first instance --- */

static int check_property(const struct cim_wql_operand *o,
                          const struct cim_class *cls,
                          const struct cim_feature **ret,
                          struct vr_err *err)
{
    int at = cim_class_prop(cls, o->text);
    *ret = at < 0 ? NULL : &cls->props[at];
    if (at < 0 && !is_system_prop(o->text)) {
        return vr_fail(err, VR_E_INVALID, "column %u: expected a property of %s, found '%.60s'",
                       o->column, cls->name, o->text);
    }
    return 0;
}

static bool literal_fits(const struct cim_feature *f, const struct cim_wql_operand *o)
{
    struct number n;
    struct cim_datetime d;
    bool b;
    if (f->is_array) {
        return false;
    }
    switch (kind_of(f->type)) {
    case K_NUMBER:
        return parse_number(o->text, &n);
    case K_BOOLEAN:
        return to_boolean(o->text, &b);
    case K_TIME:
        return cim_datetime_parse(o->text, &d);
    default:
        return true;
    }
}

/* prop is a property of cls, o what it is compared with. */
static int check_pair(const struct cim_wql_operand *prop,
                      const struct cim_wql_operand *o,
                      const struct cim_class *cls,
                      struct vr_err *err)
{
    const struct cim_feature *f = NULL;
    int r = prop->kind == WQL_PROPERTY ? check_property(prop, cls, &f, err) : 0;
    if (r < 0 || !f || o->kind == WQL_PROPERTY || o->kind == WQL_NULL || literal_fits(f, o)) {
        return r;
    }
    return vr_fail(err, VR_E_INVALID, "column %u: expected a value of type %s%s, found '%.40s'",
                   o->column, cim_type_text(f->type), f->is_array ? "[]" : "", o->text);
}

static int check_test(const struct cim_wql_node *n, const struct cim_class *cls, struct vr_err *err)
{
    const struct cim_feature *f;
    bool is_this = n->left.kind == WQL_PROPERTY && strcasecmp(n->left.text, "__THIS") == 0;
    int r = 0;
    if (n->op == WQL_ISA && is_this) {
        return 0;
    }
    if (n->left.kind == WQL_PROPERTY) {
        r = check_property(&n->left, cls, &f, err);
    }
    bool typed = n->op != WQL_LIKE && n->op != WQL_ISA && n->op != WQL_IS_NULL;
    for (uint32_t i = 0; typed && i < n->nright && r == 0; i++) {
        r = check_pair(&n->left, &n->right[i], cls, err);
        r = r < 0 ? r : check_pair(&n->right[i], &n->left, cls, err);
    }
    return r;
}

static int check_node(const struct cim_wql_node *n, const struct cim_class *cls, struct vr_err *err)
{
    int r = 0;
    if (n->op != WQL_AND && n->op != WQL_OR && n->op != WQL_NOT) {
        return check_test(n, cls, err);
    }
    for (const struct cim_wql_node *c = n->first; c && r == 0; c = c->next) {
        r = check_node(c, cls, err);
    }
    return r;
}

int cim_wql_check(const struct cim_wql *q, const struct cim_class *cls, struct vr_err *err)
{
    const struct cim_feature *f;
    int r = 0;
    for (uint32_t i = 0; i < q->nprops && r == 0; i++) {
        r = check_property(&q->props[i], cls, &f, err);
    }
    return r < 0 || !q->where ? r : check_node(q->where, cls, err);
}
