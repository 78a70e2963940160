/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resource URIs, selectors and endpoint references. There are two families of URIs: Microsoft's
 * have the namespace in them, DMTF's leave it to the selector __cimnamespace. Addresses and hosts
 * in references do not count: an object is what its class and keys say.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "front/wsman/internal.h"

#define NAMESPACE_MAX 1024

static const char *after(const char *s, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncasecmp(s, prefix, n) == 0 ? s + n : NULL;
}

bool wsman_read_uri(struct cim_arena *a,
                    const char *uri,
                    struct wsman_names *ret_names,
                    const char **ret_class)
{
    *ret_names = (struct wsman_names){0};
    *ret_class = NULL;
    const char *rest = uri ? after(uri, URI_CIM) : NULL, *class_name;
    if (uri && strcasecmp(uri, URI_ALL) == 0) {
        *ret_class = "*";
    } else if (uri && (class_name = after(uri, URI_CLASSES)) && *class_name &&
               !strchr(class_name, '/')) {
        ret_names->classes = true;
        *ret_class = cim_strdup(a, class_name);
    } else if (rest && *rest && !strchr(rest, '/')) {
        *ret_class = cim_strdup(a, rest);
    } else if (uri && (rest = after(uri, URI_WMI)) && strlen(rest) < NAMESPACE_MAX) {
        const char *slash = strrchr(rest, '/');
        if (slash && slash > rest && slash[1]) {
            ret_names->wmi = true;
            ret_names->ns = cim_strndup(a, rest, (size_t)(slash - rest));
            *ret_class = cim_strdup(a, slash + 1);
        }
    }
    return *ret_class && !(ret_names->wmi && !ret_names->ns);
}

static bool read_selector(
    struct cim_arena *a, const xmlNode *n, unsigned depth, const char *name, struct cim_path *path)
{
    xmlNode *inner = node_only(n);
    if (node_is(inner, "EndpointReference")) {
        struct cim_path *ref = cim_alloc(a, sizeof *ref);
        return ref && depth < WSMAN_EPR_DEPTH_MAX && wsman_read_epr(a, inner, depth + 1, ref) &&
               cim_path_add_key(path, name, cim_ref(ref));
    }
    const char *text = node_text(a, n);
    return text && cim_path_add_key(path, name, cim_str(text));
}

const char *wsman_read_selectors(struct cim_arena *a,
                                 const xmlNode *set,
                                 unsigned depth,
                                 struct cim_path *path,
                                 const char **ret_ns)
{
    for (xmlNode *n = node_first(set); n; n = node_next(n)) {
        const char *name = node_is(n, "Selector") ? node_attr(a, n, "Name") : NULL;
        if (!name || !*name) {
            return "SelectorSet holds something that is no Selector with a Name";
        }
        if (strcasecmp(name, "__cimnamespace") == 0) {
            const char *ns = node_token(a, n);
            if (!ns || !*ns || strlen(ns) > NAMESPACE_MAX) {
                return "__cimnamespace is no name of a namespace";
            }
            *ret_ns = ns;
        } else if (!read_selector(a, n, depth, name, path)) {
            return "a selector is there twice, holds no value, or there are more than 8";
        }
    }
    return NULL;
}

bool wsman_read_epr(struct cim_arena *a, const xmlNode *n, unsigned depth, struct cim_path *ret)
{
    struct wsman_names names;
    const char *ns = NULL;
    xmlNode *wrapped = node_child(n, "EndpointReference");
    xmlNode *params = node_child(wrapped ? wrapped : n, "ReferenceParameters");
    const char *uri = node_token(a, node_child(params, "ResourceURI"));
    xmlNode *set = node_child(params, "SelectorSet");
    return uri && wsman_read_uri(a, uri, &names, &ret->class_name) &&
           strcmp(ret->class_name, "*") != 0 && !names.classes &&
           (!set || !wsman_read_selectors(a, set, depth, ret, &ns));
}

/* --- out --- */

void put_class_uri(struct vr_buf *b,
                   const struct wsman_names *names,
                   const char *ns,
                   const char *class_name)
{
    vr_buf_text(b, names->wmi ? URI_WMI : URI_CIM);
    if (names->wmi) {
        put_escaped(b, ns ? ns : names->ns);
        vr_buf_u8(b, '/');
    }
    put_escaped(b, class_name);
}

static void put_selector(struct vr_buf *b, const struct wsman_names *names, const struct cim_key *k)
{
    char num[32];
    vr_buf_text(b, "<w:Selector");
    put_attr(b, "Name", k->name);
    vr_buf_u8(b, '>');
    if (k->value.type == CIM_REFERENCE && !k->value.is_null) {
        vr_buf_text(b, "<a:EndpointReference>");
        put_epr(b, names, k->value.ref);
        vr_buf_text(b, "</a:EndpointReference>");
    } else if (!k->value.is_null) {
        put_escaped(b, cim_value_text(&k->value, num, sizeof num));
    }
    vr_buf_text(b, "</w:Selector>");
}

void put_epr(struct vr_buf *b, const struct wsman_names *names, const struct cim_path *p)
{
    vr_buf_text(b, "<a:Address>" WSMAN_ANONYMOUS "</a:Address>"
                   "<a:ReferenceParameters><w:ResourceURI>");
    put_class_uri(b, names, p->ns, p->class_name);
    vr_buf_text(b, "</w:ResourceURI><w:SelectorSet>");
    if (!names->wmi) {
        vr_buf_text(b, "<w:Selector Name=\"__cimnamespace\">");
        put_escaped(b, p->ns ? p->ns : names->ns);
        vr_buf_text(b, "</w:Selector>");
    }
    for (uint32_t i = 0; i < p->nkeys; i++) {
        put_selector(b, names, &p->keys[i]);
    }
    vr_buf_text(b, "</w:SelectorSet></a:ReferenceParameters>");
}

/* --- what a call is about --- */

const struct cim_class *wsman_class(struct wsman_call *c)
{
    struct cim_status st = {0};
    if (c->names.classes) {
        wsman_fail(c, WSF_ACTION_NOT_SUPPORTED, NULL, "classes can be got and enumerated only");
        return NULL;
    }
    const struct cim_class *cls =
        cim_broker_class(c->broker, c->names.ns, c->target.class_name, CIM_ERR_INVALID_CLASS, &st);
    if (!cls) {
        wsman_fail_cim(c, &st);
        return NULL;
    }
    c->names.ns = cls->schema->ns;
    return cls;
}

struct search {
    struct wsman_call *call;
    struct cim_path *ret;
    unsigned found;
};

/* The instance's path with only those keys that the selectors name. */
static bool matches(const struct cim_path *wanted, const struct cim_path *path)
{
    struct cim_path some = {.class_name = wanted->class_name};
    for (uint32_t i = 0; i < wanted->nkeys; i++) {
        const struct cim_value *v = cim_path_key(path, wanted->keys[i].name);
        if (!v || !cim_path_add_key(&some, wanted->keys[i].name, *v)) {
            return false;
        }
    }
    return cim_path_eq(&some, wanted);
}

static bool look_at(void *ctx, const struct cim_instance *i)
{
    struct search *s = ctx;
    if (matches(&s->call->target, &i->path) && s->found++ == 0) {
        struct cim_path *copy = cim_path_copy(&s->call->arena, &i->path);
        if (copy) {
            *s->ret = *copy;
        }
    }
    return s->found < 2;
}

static void find_unique(struct wsman_call *c, const struct cim_class *cls, struct cim_path *ret)
{
    struct cim_status st = {0};
    struct search s = {.call = c, .ret = ret};
    cim_broker_enum_instances(c->broker, &c->caller, c->names.ns, cls->name, look_at, &s, &st);
    if (st.code != CIM_OK) {
        wsman_fail_cim(c, &st);
    } else if (s.found == 0) {
        wsman_fail(c, WSF_DESTINATION_UNREACHABLE, NULL, "no %s has these selectors", cls->name);
    } else if (s.found > 1) {
        wsman_fail(c, WSF_INVALID_SELECTORS, "InsufficientSelectors",
                   "these selectors mean more than one %s", cls->name);
    }
}

bool wsman_find(struct wsman_call *c, const struct cim_class *cls, struct cim_path *ret)
{
    uint32_t known = 0;
    for (uint32_t i = 0; i < cls->nkeys; i++) {
        known += cim_path_key(&c->target, cls->props[cls->keys[i]].name) ? 1 : 0;
    }
    if (known < c->target.nkeys) {
        wsman_fail(c, WSF_INVALID_SELECTORS, "UnexpectedSelectors", "a selector names no key of %s",
                   cls->name);
    } else if (c->target.nkeys == 0) {
        wsman_fail(c, WSF_INVALID_SELECTORS, "InsufficientSelectors",
                   "selectors for the keys of %s are missing", cls->name);
    } else if (known == cls->nkeys) {
        *ret = c->target;
    } else {
        find_unique(c, cls, ret);
    }
    if (cim_arena_failed(&c->arena)) {
        wsman_fail(c, WSF_QUOTA_LIMIT, NULL, "the request needs too much memory");
    }
    return c->fault == WSF_NONE;
}
