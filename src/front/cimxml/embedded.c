/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parameters and the instances embedded in them, by what the class declares. An instance comes as
 * text (escaped or CDATA) that is one INSTANCE, or as that element itself. A string with
 * HyperVEmbeddedInstance holds either an instance or the name of one. An embedded text is a
 * document with the limits of a request; how deep they nest is CIMXML_EMBEDDED_DEPTH_MAX.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "front/cimxml/internal.h"

struct reader {
    struct cim_arena *a;
    const struct cim_schema *schema;
    struct cim_param *param; /* what does not fit is said here; the first thing counts */
    unsigned depth;
};

static bool read_value(struct reader *r,
                       const xmlNode *v,
                       const struct cim_feature *decl,
                       struct cim_value *ret);

void cimxml_misfit(
    struct cim_arena *a, struct cim_param *param, bool *ret_kind, const char *fmt, ...)
{
    char text[CIM_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (!param->wrong_type && !param->bad_value) {
        *ret_kind = true;
        param->why = cim_strdup(a, text);
    }
}

#define wrong_type(r, ...) cimxml_misfit((r)->a, (r)->param, &(r)->param->wrong_type, __VA_ARGS__)
#define bad_value(r, ...) cimxml_misfit((r)->a, (r)->param, &(r)->param->bad_value, __VA_ARGS__)

static bool type_matches(const struct cim_feature *decl, const char *type)
{
    if (cim_feature_may_embed(decl) &&
        (strcasecmp(type, "instance") == 0 || strcasecmp(type, "object") == 0)) {
        return true;
    }
    return strcasecmp(type, cim_type_text(decl->type)) == 0;
}

/* --- instances --- */

/* PROPERTY, PROPERTY.ARRAY or PROPERTY.REFERENCE. */
static void read_property(struct reader *r, const xmlNode *n, struct cim_instance *i)
{
    const char *name = node_attr(r->a, n, "NAME");
    const char *type = node_attr(r->a, n, "TYPE");
    bool is_property = strncmp((const char *)n->name, "PROPERTY", 8) == 0;
    if (!name || !is_property) {
        wrong_type(r, "<%.40s> where a property of %s should be", (const char *)n->name,
                   i->cls->name);
        return;
    }
    int at = cim_class_prop(i->cls, name);
    if (at < 0 && strncmp(name, "__", 2) == 0) {
        return; /* WMI's own, of any object */
    }
    if (at < 0) {
        bad_value(r, "%s has no property '%.100s'", i->cls->name, name);
        return;
    }
    const struct cim_feature *decl = &i->cls->props[at];
    if (type && !type_matches(decl, type)) {
        wrong_type(r, "%s of %s is %s, not %.30s", decl->name, i->cls->name,
                   cim_type_text(decl->type), type);
        return;
    }
    xmlNode *v = node_first(n);
    while (node_is(v, "QUALIFIER")) {
        v = node_next(v);
    }
    if (v && (node_next(v) || !read_value(r, v, decl, &i->values[at]))) {
        wrong_type(r, "%s of %s has no value that can be read", decl->name, i->cls->name);
    }
}

static struct cim_instance *read_instance(struct reader *r, const xmlNode *n)
{
    const char *name = node_is(n, "INSTANCE") ? node_attr(r->a, n, "CLASSNAME") : NULL;
    if (!name) {
        wrong_type(r, "no INSTANCE with a CLASSNAME");
        return NULL;
    }
    const struct cim_class *cls = cim_schema_class(r->schema, name);
    if (!cls) {
        bad_value(r, "an instance of '%.100s': there is no such class", name);
        return NULL;
    }
    struct cim_instance *i = cim_instance_new(r->a, cls);
    for (uint32_t k = 0; i && k < cls->nprops; k++) {
        i->values[k] = cim_null(cls->props[k].type); /* the client has not said it */
    }
    for (xmlNode *p = i ? node_first(n) : NULL; p; p = node_next(p)) {
        if (!node_is(p, "QUALIFIER")) {
            read_property(r, p, i);
        }
    }
    return i;
}

static const struct cim_instance *read_text(struct reader *r, const char *text)
{
    struct vr_err err = VR_ERR_INIT;
    xmlDoc *doc = NULL;
    const struct cim_instance *i = NULL;
    if (++r->depth > CIMXML_EMBEDDED_DEPTH_MAX) {
        bad_value(r, "instances nested deeper than %d", CIMXML_EMBEDDED_DEPTH_MAX);
    } else if (xml_read(text, strlen(text), &doc, &err) < 0) {
        wrong_type(r, "no embedded instance: %.120s", vr_err_text(&err));
    } else {
        i = read_instance(r, xmlDocGetRootElement(doc));
        xmlFreeDoc(doc);
    }
    r->depth--;
    return i;
}

/* --- values --- */

static void read_scalar(struct reader *r,
                        const char *text,
                        const struct cim_feature *decl,
                        struct cim_value *ret)
{
    struct vr_err err = VR_ERR_INIT;
    bool embedded = cim_feature_embedded(decl) != NULL;
    if (!*text && (decl->type == CIM_DATETIME || embedded)) {
        return; /* how some clients say NULL */
    }
    if (embedded || (cim_feature_may_embed(decl) && text[strspn(text, " \t\r\n")] == '<')) {
        *ret = cim_embedded(read_text(r, text));
    } else if (cim_value_from_text(r->a, decl->type, text, ret, &err) < 0) {
        wrong_type(r, "%s is %s: %.120s", decl->name, cim_type_text(decl->type), vr_err_text(&err));
    }
}

/* VALUE, or an INSTANCE as it is. */
static bool
read_item(struct reader *r, const xmlNode *v, const struct cim_feature *decl, struct cim_value *ret)
{
    const xmlNode *inner = node_is(v, "VALUE") ? node_only(v) : v;
    if (cim_feature_may_embed(decl) && node_is(inner, "INSTANCE")) {
        *ret = cim_embedded(read_instance(r, inner));
        return true;
    }
    const char *text = node_is(v, "VALUE") ? node_text(r->a, v) : NULL;
    if (text) {
        read_scalar(r, text, decl, ret);
    }
    return text != NULL;
}

static bool read_array(struct reader *r,
                       const xmlNode *n,
                       const struct cim_feature *decl,
                       struct cim_value *ret)
{
    uint32_t count = 0;
    for (xmlNode *c = node_first(n); c; c = node_next(c)) {
        count++;
    }
    struct cim_value *items =
        count <= CIM_ARRAY_MAX ? cim_alloc(r->a, (count + 1) * sizeof *items) : NULL;
    xmlNode *c = node_first(n);
    for (uint32_t i = 0; items && c; i++, c = node_next(c)) {
        items[i] = cim_null(decl->type);
        if (!node_is(c, "VALUE.NULL") && !read_item(r, c, decl, &items[i])) {
            return false;
        }
    }
    if (items) {
        *ret = (struct cim_value){
            .type = decl->type, .is_array = true, .count = count, .items = items};
    }
    return items != NULL;
}

/* False: no such thing may stand where a value should. */
static bool read_value(struct reader *r,
                       const xmlNode *v,
                       const struct cim_feature *decl,
                       struct cim_value *ret)
{
    bool is_ref = node_is(v, "VALUE.REFERENCE"), is_array = node_is(v, "VALUE.ARRAY");
    bool is_value = node_is(v, "VALUE") || (node_is(v, "INSTANCE") && cim_feature_may_embed(decl));
    if (is_ref && decl->type == CIM_REFERENCE && !decl->is_array) {
        struct cim_path *p = cim_alloc(r->a, sizeof *p);
        *ret = cim_ref(p);
        return p && node_reference(r->a, v, p);
    }
    if (is_array && decl->is_array && decl->type != CIM_REFERENCE) {
        return read_array(r, v, decl, ret);
    }
    if (is_value && !decl->is_array && decl->type != CIM_REFERENCE) {
        return read_item(r, v, decl, ret);
    }
    wrong_type(r, "%s is %s%s, not what <%.40s> holds", decl->name, cim_type_text(decl->type),
               decl->is_array ? "[]" : "", (const char *)v->name);
    return is_ref || is_array || is_value || node_is(v, "INSTANCE") || node_is(v, "VALUE.REFARRAY");
}

bool node_param(struct cim_arena *a,
                const struct cim_schema *schema,
                const xmlNode *n,
                const struct cim_feature *decl,
                struct cim_param *ret)
{
    const char *type = node_attr(a, n, "PARAMTYPE");
    xmlNode *v = node_only(n);
    struct reader r = {.a = a, .schema = schema, .param = ret};
    struct cim_value value = cim_null(decl->type);
    *ret = (struct cim_param){.name = decl->name, .value = value};
    if (!v && node_first(n)) {
        return false;
    }
    if (type && !type_matches(decl, type)) {
        wrong_type(&r, "it is %s, not %.30s", cim_type_text(decl->type), type);
    }
    bool readable = !v || ret->wrong_type || read_value(&r, v, decl, &value);
    if (readable && !ret->wrong_type && !ret->bad_value) {
        ret->value = value;
    }
    return readable;
}

void cimxml_param_text(struct cim_arena *a,
                       const struct cim_schema *schema,
                       const char *text,
                       const struct cim_feature *decl,
                       struct cim_value *ret,
                       struct cim_param *said)
{
    struct reader r = {.a = a, .schema = schema, .param = said};
    read_scalar(&r, text, decl, ret);
}

struct cim_instance *node_instance(struct cim_arena *a,
                                   const struct cim_schema *schema,
                                   const xmlNode *n,
                                   struct cim_param *said)
{
    struct reader r = {.a = a, .schema = schema, .param = said};
    struct cim_instance *i = read_instance(&r, n);
    return said->wrong_type || said->bad_value ? NULL : i;
}
