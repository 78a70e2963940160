/* SPDX-License-Identifier: Apache-2.0 */
/* XML nodes to CIM values. Depth is bounded by the scan, so recursion along nested references is
 * too. */
#include <libxml/parser.h>
#include <string.h>
#include <strings.h>

#include "front/cimxml/internal.h"

bool node_is(const xmlNode *n, const char *name)
{
    return n && n->type == XML_ELEMENT_NODE && strcmp((const char *)n->name, name) == 0;
}

static xmlNode *element_from(xmlNode *n)
{
    while (n && n->type != XML_ELEMENT_NODE) {
        n = n->next;
    }
    return n;
}

xmlNode *node_first(const xmlNode *n)
{
    return element_from(n->children);
}

xmlNode *node_next(const xmlNode *n)
{
    return element_from(n->next);
}

xmlNode *node_only(const xmlNode *n)
{
    xmlNode *first = node_first(n);
    return first && !node_next(first) ? first : NULL;
}

static const char *adopt(struct cim_arena *a, xmlChar *s)
{
    const char *copy = cim_strdup(a, (const char *)s);
    xmlFree(s);
    return copy;
}

const char *node_attr(struct cim_arena *a, const xmlNode *n, const char *name)
{
    return adopt(a, xmlGetNoNsProp(n, (const xmlChar *)name));
}

const char *node_text(struct cim_arena *a, const xmlNode *n)
{
    if (node_first(n)) {
        return NULL;
    }
    xmlChar *s = xmlNodeGetContent(n);
    if (!s) {
        return "";
    }
    return adopt(a, s);
}

const char *node_namespace(struct cim_arena *a, const xmlNode *n)
{
    const char *ns = NULL;
    if (!node_is(n, "LOCALNAMESPACEPATH")) {
        return NULL;
    }
    for (xmlNode *c = node_first(n); c; c = node_next(c)) {
        const char *name = node_is(c, "NAMESPACE") ? node_attr(a, c, "NAME") : NULL;
        if (!name || (ns && strlen(ns) > 1024)) {
            return NULL;
        }
        ns = ns ? cim_printf(a, "%s/%s", ns, name) : name;
    }
    return ns;
}

static bool node_key(struct cim_arena *a, const xmlNode *n, struct cim_path *ret)
{
    const char *name = node_is(n, "KEYBINDING") ? node_attr(a, n, "NAME") : NULL;
    xmlNode *v = name ? node_only(n) : NULL;
    if (node_is(v, "KEYVALUE")) {
        const char *text = node_text(a, v);
        return text && cim_path_add_key(ret, name, cim_str(text));
    }
    struct cim_path *ref = node_is(v, "VALUE.REFERENCE") ? cim_alloc(a, sizeof *ref) : NULL;
    return ref && node_reference(a, v, ref) && cim_path_add_key(ret, name, cim_ref(ref));
}

bool node_path(struct cim_arena *a, const xmlNode *n, struct cim_path *ret)
{
    bool is_class = node_is(n, "CLASSNAME");
    if (!is_class && !node_is(n, "INSTANCENAME")) {
        return false;
    }
    ret->class_name = node_attr(a, n, is_class ? "NAME" : "CLASSNAME");
    for (xmlNode *c = is_class ? NULL : node_first(n); c; c = node_next(c)) {
        if (!node_key(a, c, ret)) {
            return false;
        }
    }
    return ret->class_name && *ret->class_name;
}

bool node_local_path(struct cim_arena *a, const xmlNode *n, struct cim_path *ret)
{
    if (!node_is(n, "LOCALINSTANCEPATH") && !node_is(n, "LOCALCLASSPATH")) {
        return false;
    }
    xmlNode *ns = node_first(n), *name = ns ? node_next(ns) : NULL;
    bool is_class = node_is(n, "LOCALCLASSPATH");
    ret->ns = ns ? node_namespace(a, ns) : NULL;
    return ret->ns && name && !node_next(name) &&
           node_is(name, is_class ? "CLASSNAME" : "INSTANCENAME") && node_path(a, name, ret);
}

/* NAMESPACEPATH: HOST and LOCALNAMESPACEPATH. Only its form counts. */
static bool namespace_path_ok(struct cim_arena *a, const xmlNode *n)
{
    xmlNode *host = node_is(n, "NAMESPACEPATH") ? node_first(n) : NULL;
    xmlNode *ns = host ? node_next(host) : NULL;
    return node_is(host, "HOST") && ns && !node_next(ns) && node_namespace(a, ns);
}

bool node_reference(struct cim_arena *a, const xmlNode *n, struct cim_path *ret)
{
    xmlNode *c = node_only(n);
    bool ok;
    if (!c) {
        return false;
    }
    if (node_is(c, "INSTANCEPATH") || node_is(c, "CLASSPATH")) {
        xmlNode *ns = node_first(c), *name = ns ? node_next(ns) : NULL;
        ok = name && !node_next(name) && namespace_path_ok(a, ns) && node_path(a, name, ret);
    } else if (node_is(c, "LOCALINSTANCEPATH") || node_is(c, "LOCALCLASSPATH")) {
        ok = node_local_path(a, c, ret);
    } else {
        ok = node_path(a, c, ret);
    }
    ret->ns = NULL; /* the call's namespace, whatever the client thinks ours is */
    return ok;
}

static bool is_embedded(const struct cim_feature *decl)
{
    return cim_qualifier(decl->quals, decl->nquals, "EmbeddedInstance") != NULL;
}

static bool type_matches(const struct cim_feature *decl, const char *type)
{
    if (is_embedded(decl) &&
        (strcasecmp(type, "instance") == 0 || strcasecmp(type, "object") == 0)) {
        return true;
    }
    return strcasecmp(type, cim_type_text(decl->type)) == 0;
}

/* INSTANCE to an instance of a class we know; unknown properties and values that do not fit make it
 * none. */
static struct cim_instance *
node_instance(struct cim_arena *a, const struct cim_schema *schema, const xmlNode *n)
{
    const char *name = node_is(n, "INSTANCE") ? node_attr(a, n, "CLASSNAME") : NULL;
    const struct cim_class *cls = name ? cim_schema_class(schema, name) : NULL;
    struct cim_instance *i = cls ? cim_instance_new(a, cls) : NULL;
    for (xmlNode *p = i ? node_first(n) : NULL; p; p = node_next(p)) {
        const char *prop = node_attr(a, p, "NAME");
        int at = prop ? cim_class_prop(cls, prop) : -1;
        xmlNode *v = node_first(p);
        while (node_is(v, "QUALIFIER")) {
            v = node_next(v);
        }
        if (at < 0) {
            return NULL;
        }
        if (!node_is(p, "PROPERTY") || !node_is(v, "VALUE") || cls->props[at].is_array) {
            continue; /* NULL, and arrays: no method reads one */
        }
        const char *text = node_text(a, v);
        if (!text || cim_value_from_text(a, cls->props[at].type, text, &i->values[at], NULL) < 0) {
            return NULL;
        }
    }
    return i;
}

static bool embedded_value(struct cim_arena *a,
                           const struct cim_schema *schema,
                           const char *text,
                           struct cim_value *ret)
{
    xmlDoc *doc = NULL;
    if (cimxml_read(text, strlen(text), &doc, NULL) < 0) {
        return false;
    }
    *ret = cim_embedded(node_instance(a, schema, xmlDocGetRootElement(doc)));
    xmlFreeDoc(doc);
    return !ret->is_null;
}

/* VALUE by the declared type; false: the text is no such value. */
static bool scalar_value(struct cim_arena *a,
                         const struct cim_schema *schema,
                         const struct cim_feature *decl,
                         const char *text,
                         struct cim_value *ret)
{
    if (!*text && (decl->type == CIM_DATETIME || is_embedded(decl))) {
        return true; /* how some clients say NULL */
    }
    if (is_embedded(decl)) {
        return embedded_value(a, schema, text, ret);
    }
    return cim_value_from_text(a, decl->type, text, ret, NULL) == 0;
}

static bool array_value(struct cim_arena *a,
                        const struct cim_schema *schema,
                        const xmlNode *n,
                        const struct cim_feature *decl,
                        struct cim_param *ret)
{
    uint32_t count = 0;
    for (xmlNode *c = node_first(n); c; c = node_next(c)) {
        count++;
    }
    struct cim_value *items =
        count <= CIM_ARRAY_MAX ? cim_alloc(a, (count + 1) * sizeof *items) : NULL;
    xmlNode *c = node_first(n);
    for (uint32_t i = 0; items && c; i++, c = node_next(c)) {
        items[i] = cim_null(decl->type);
        const char *text = node_is(c, "VALUE") ? node_text(a, c) : NULL;
        if (!text && !node_is(c, "VALUE.NULL")) {
            return false;
        }
        ret->wrong_type |= text && !scalar_value(a, schema, decl, text, &items[i]);
    }
    if (items && !ret->wrong_type) {
        ret->value = (struct cim_value){
            .type = decl->type, .is_array = true, .count = count, .items = items};
    }
    return items != NULL;
}

bool node_param(struct cim_arena *a,
                const struct cim_schema *schema,
                const xmlNode *n,
                const struct cim_feature *decl,
                struct cim_param *ret)
{
    const char *type = node_attr(a, n, "PARAMTYPE");
    xmlNode *v = node_only(n);
    *ret = (struct cim_param){.name = decl->name, .value = cim_null(decl->type)};
    if (!v && node_first(n)) {
        return false;
    }
    ret->wrong_type = type && !type_matches(decl, type);
    if (!v || ret->wrong_type) {
        return true;
    }
    if (node_is(v, "VALUE.REFERENCE") && decl->type == CIM_REFERENCE && !decl->is_array) {
        struct cim_path *p = cim_alloc(a, sizeof *p);
        ret->value = cim_ref(p);
        return p && node_reference(a, v, p);
    }
    if (node_is(v, "VALUE.ARRAY") && decl->is_array && decl->type != CIM_REFERENCE) {
        return array_value(a, schema, v, decl, ret);
    }
    if (node_is(v, "VALUE") && !decl->is_array && decl->type != CIM_REFERENCE) {
        const char *text = node_text(a, v);
        ret->wrong_type = text && !scalar_value(a, schema, decl, text, &ret->value);
        return text != NULL;
    }
    ret->wrong_type = true; /* a value of another kind: the method says what it thinks of that */
    return node_is(v, "VALUE.REFERENCE") || node_is(v, "VALUE") || node_is(v, "VALUE.ARRAY") ||
           node_is(v, "VALUE.REFARRAY");
}

int cimxml_read(const char *p, size_t n, xmlDoc **ret, struct vr_err *err)
{
    int r = cimxml_scan(&p, &n, err);
    if (r < 0) {
        return r;
    }
    int options = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA;
    xmlDoc *doc = xmlReadMemory(p, (int)n, NULL, "UTF-8", options);
    if (!doc || !xmlDocGetRootElement(doc)) {
        xmlFreeDoc(doc);
        return vr_fail(err, VR_E_INVALID, "XML: not well-formed");
    }
    *ret = doc;
    return 0;
}
