/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters by what the class declares. Clients differ in everything else: a reference comes as
 * Address and ReferenceParameters, wrapped in an EndpointReference, or as an instance with its
 * keys; a datetime as text or in an element of its own; an embedded instance as elements or as a
 * text. What does not fit is said in the parameter, and the method says what it returns for that.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "front/cimxml/internal.h"
#include "front/wsman/internal.h"

struct reader {
    struct cim_arena *a;
    const struct cim_schema *schema;
    struct cim_param *param;
};

static void read_item(struct reader *r,
                      const xmlNode *n,
                      const struct cim_feature *decl,
                      struct cim_value *ret);

#define wrong_type(r, ...) cimxml_misfit((r)->a, (r)->param, &(r)->param->wrong_type, __VA_ARGS__)
#define bad_value(r, ...) cimxml_misfit((r)->a, (r)->param, &(r)->param->bad_value, __VA_ARGS__)

/* The class of an instance in elements: xsi:type="p1:Class_Type", or the namespace of its
 * properties. */
static const struct cim_class *class_of(struct reader *r, const xmlNode *n, const char *declared)
{
    const char *name = node_any_attr(r->a, n, "type");
    if (name) {
        const char *colon = strchr(name, ':');
        name = colon ? colon + 1 : name;
        size_t len = strlen(name);
        bool typed = len > 5 && strcmp(name + len - 5, "_Type") == 0;
        name = cim_strndup(r->a, name, typed ? len - 5 : len);
    } else {
        const xmlNode *first = node_first(n);
        const char *uri = first && first->ns ? (const char *)first->ns->href : "";
        struct wsman_names names;
        if (!wsman_read_uri(r->a, uri, &names, &name) || !cim_schema_class(r->schema, name)) {
            name = declared;
        }
    }
    const struct cim_class *cls = name ? cim_schema_class(r->schema, name) : NULL;
    if (!cls) {
        bad_value(r, "an instance of '%.100s': there is no such class", name ? name : "");
    }
    return cls;
}

/* --- references --- */

static bool read_keys(struct reader *r, const xmlNode *n, const char *declared, struct cim_path *p)
{
    const struct cim_class *cls = class_of(r, n, declared);
    p->class_name = cls ? cls->name : NULL;
    for (uint32_t i = 0; cls && i < cls->nkeys; i++) {
        const struct cim_feature *key = &cls->props[cls->keys[i]];
        for (const xmlNode *c = node_first(n); c; c = node_next(c)) {
            const char *text =
                strcasecmp((const char *)c->name, key->name) == 0 ? node_text(r->a, c) : NULL;
            if (text && !cim_path_add_key(p, key->name, cim_str(text))) {
                return false;
            }
        }
    }
    return cls && p->nkeys > 0;
}

static void
read_ref(struct reader *r, const xmlNode *n, const struct cim_feature *decl, struct cim_value *ret)
{
    struct cim_path *p = cim_alloc(r->a, sizeof *p);
    bool is_epr = node_child(n, "ReferenceParameters") || node_child(n, "EndpointReference");
    if (!p) {
        return;
    }
    if (is_epr ? wsman_read_epr(r->a, n, 0, p)
               : node_first(n) && read_keys(r, n, decl->ref_class, p)) {
        *ret = cim_ref(p);
    } else {
        wrong_type(r, "it is no endpoint reference");
    }
}

/* --- instances --- */

static uint32_t count_named(const xmlNode *first, const char *name)
{
    uint32_t n = 0;
    for (const xmlNode *c = first; c; c = node_next(c)) {
        n += strcasecmp((const char *)c->name, name) == 0 ? 1 : 0;
    }
    return n;
}

/* All siblings from first on that are called as the feature: one value, or an array. */
static void read_value(struct reader *r,
                       const xmlNode *first,
                       const struct cim_feature *decl,
                       struct cim_value *ret)
{
    uint32_t count = count_named(first, decl->name), n = 0;
    if (!decl->is_array) {
        if (count > 1) {
            wrong_type(r, "%s is no array and is there %u times", decl->name, count);
        } else {
            read_item(r, first, decl, ret);
        }
        return;
    }
    if (count == 1 && node_is_nil(r->a, first)) {
        return;
    }
    struct cim_value *items =
        count <= CIM_ARRAY_MAX ? cim_alloc(r->a, count * sizeof *items) : NULL;
    if (!items) {
        wrong_type(r, "%s has more than %d elements", decl->name, CIM_ARRAY_MAX);
        return;
    }
    for (const xmlNode *c = first; c; c = node_next(c)) {
        if (strcasecmp((const char *)c->name, decl->name) == 0) {
            items[n] = cim_null(decl->type);
            read_item(r, c, decl, &items[n++]);
        }
    }
    *ret = (struct cim_value){.type = decl->type, .is_array = true, .count = n, .items = items};
}

static const struct cim_instance *
read_instance(struct reader *r, const xmlNode *n, const char *declared)
{
    const struct cim_class *cls = class_of(r, n, declared);
    struct cim_instance *i = cls ? cim_instance_new(r->a, cls) : NULL;
    bool *seen = i ? cim_alloc(r->a, cls->nprops + 1) : NULL;
    for (uint32_t k = 0; seen && k < cls->nprops; k++) {
        i->values[k] = cim_null(cls->props[k].type); /* the client has not said it */
    }
    for (const xmlNode *c = seen ? node_first(n) : NULL; c; c = node_next(c)) {
        const char *name = (const char *)c->name;
        int at = cim_class_prop(cls, name);
        if (at < 0 && strncmp(name, "__", 2) != 0) {
            bad_value(r, "%s has no property '%.100s'", cls->name, name);
        } else if (at >= 0 && !seen[at]) {
            seen[at] = true;
            read_value(r, c, &cls->props[at], &i->values[at]);
        }
    }
    return i;
}

/* --- values --- */

static void read_datetime(struct reader *r,
                          const xmlNode *n,
                          const struct cim_feature *decl,
                          struct cim_value *ret)
{
    static const char *const forms[] = {"CIM_DateTime", "Datetime", "Date", "Time", "Interval"};
    const xmlNode *inner = node_only(n);
    bool known = !node_first(n);
    for (size_t i = 0; inner && i < sizeof forms / sizeof *forms; i++) {
        known = known || strcasecmp((const char *)inner->name, forms[i]) == 0;
    }
    const char *text = known ? node_token(r->a, inner ? inner : n) : NULL;
    struct vr_err err = VR_ERR_INIT;
    if (!text) {
        wrong_type(r, "%s is datetime, not what <%.40s> holds", decl->name,
                   inner ? (const char *)inner->name : "it");
    } else if (*text &&
               cim_value_from_text(r->a, CIM_DATETIME, wsman_datetime(r->a, text), ret, &err) < 0) {
        wrong_type(r, "%s is datetime: %.120s", decl->name, vr_err_text(&err));
    }
}

static void
read_item(struct reader *r, const xmlNode *n, const struct cim_feature *decl, struct cim_value *ret)
{
    if (node_is_nil(r->a, n)) {
        return;
    }
    if (decl->type == CIM_REFERENCE) {
        read_ref(r, n, decl, ret);
    } else if (decl->type == CIM_DATETIME) {
        read_datetime(r, n, decl, ret);
    } else if (node_first(n) && cim_feature_may_embed(decl)) {
        const struct cim_instance *i = read_instance(r, n, cim_feature_embedded(decl));
        if (i) {
            *ret = cim_embedded(i);
        }
    } else {
        bool is_text = decl->type == CIM_STRING;
        const char *text = is_text ? node_text(r->a, n) : node_token(r->a, n);
        if (text && decl->type == CIM_BOOLEAN &&
            (strcmp(text, "1") == 0 || strcmp(text, "0") == 0)) {
            text = *text == '1' ? "true" : "false";
        }
        if (text) {
            cimxml_param_text(r->a, r->schema, text, decl, ret, r->param);
        } else {
            wrong_type(r, "%s is %s, and holds elements", decl->name, cim_type_text(decl->type));
        }
    }
}

static bool add(struct reader *r,
                struct wsman_call *c,
                const xmlNode *n,
                const struct cim_feature *decl,
                struct cim_value *ret)
{
    read_value(r, n, decl, ret);
    if (r->param->wrong_type || r->param->bad_value) {
        wsman_fail(c, WSF_INVALID_REPRESENTATION, "InvalidValues", "%s: %s", decl->name,
                   r->param->why ? r->param->why : "not a value it can have");
    }
    return c->fault == WSF_NONE;
}

static struct cim_instance *
begin_object(struct wsman_call *c, const struct cim_class *cls, const char ***ret_names)
{
    struct cim_instance *to = cim_instance_new(&c->arena, cls);
    *ret_names = cim_alloc(&c->arena, (cls->nprops + 1) * sizeof **ret_names);
    for (uint32_t i = 0; to && i < cls->nprops; i++) {
        to->values[i] = cim_null(cls->props[i].type);
    }
    if (!to || !*ret_names) {
        wsman_fail(c, WSF_QUOTA_LIMIT, NULL, "the request needs too much memory");
        return NULL;
    }
    return to;
}

bool wsman_read_object(struct wsman_call *c,
                       const xmlNode *n,
                       const struct cim_class *cls,
                       struct cim_modify *m)
{
    const char **names;
    struct cim_param param = {0};
    struct reader r = {.a = &c->arena, .schema = cls->schema, .param = &param};
    struct cim_instance *to = begin_object(c, cls, &names);
    m->to = to;
    m->names = names;
    for (const xmlNode *p = to ? node_first(n) : NULL; p; p = node_next(p)) {
        int at = cim_class_prop(cls, (const char *)p->name);
        bool seen = false;
        if (at < 0) {
            wsman_fail(c, WSF_INVALID_REPRESENTATION, "InvalidValues", "%s has no property '%.60s'",
                       cls->name, (const char *)p->name);
            return false;
        }
        for (uint32_t i = 0; i < m->nnames && !seen; i++) {
            seen = names[i] == cls->props[at].name;
        }
        if (!seen) { /* one more of an array is read with the first */
            names[m->nnames++] = cls->props[at].name;
            if (!add(&r, c, p, &cls->props[at], &to->values[at])) {
                return false;
            }
        }
    }
    return c->fault == WSF_NONE;
}

bool wsman_read_property(struct wsman_call *c,
                         const xmlNode *n,
                         const struct cim_class *cls,
                         int prop,
                         struct cim_modify *m)
{
    const char **names;
    struct cim_param param = {0};
    struct reader r = {.a = &c->arena, .schema = cls->schema, .param = &param};
    struct cim_instance *to = begin_object(c, cls, &names);
    if (!to) {
        return false;
    }
    read_item(&r, n, &cls->props[prop], &to->values[prop]);
    names[0] = cls->props[prop].name;
    m->to = to;
    m->names = names;
    m->nnames = 1;
    if (param.wrong_type || param.bad_value) {
        wsman_fail(c, WSF_INVALID_REPRESENTATION, "InvalidValues", "%s: %s", names[0], param.why);
    }
    return c->fault == WSF_NONE;
}

bool wsman_read_params(struct wsman_call *c, const xmlNode *input, struct cim_invoke *inv)
{
    for (const xmlNode *n = input ? node_first(input) : NULL; n; n = node_next(n)) {
        const struct cim_feature *decl = cim_method_param(inv->method, (const char *)n->name);
        if (!decl || !cim_param_is_in(decl)) {
            wsman_fail(c, WSF_INVALID_PARAMETER, "InvalidName", "%s has no input parameter '%.60s'",
                       inv->method->name, (const char *)n->name);
            return false;
        }
        if (cim_invoke_param(inv, decl->name)) {
            continue; /* one more of them: read with the first */
        }
        if (inv->nparams >= CIM_PARAMS_MAX) {
            wsman_fail(c, WSF_INVALID_PARAMETER, NULL, "too many parameters");
            return false;
        }
        struct cim_param *p = &inv->params[inv->nparams++];
        struct reader r = {.a = &c->arena, .schema = inv->cls->schema, .param = p};
        struct cim_value value = cim_null(decl->type);
        *p = (struct cim_param){.name = decl->name, .value = value};
        read_value(&r, n, decl, &value);
        if (!p->wrong_type && !p->bad_value) {
            p->value = value;
        }
    }
    if (cim_arena_failed(&c->arena)) {
        wsman_fail(c, WSF_QUOTA_LIMIT, NULL, "the request needs too much memory");
    }
    return c->fault == WSF_NONE;
}
