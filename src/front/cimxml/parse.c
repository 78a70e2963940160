/* SPDX-License-Identifier: Apache-2.0 */
/* XML nodes to CIM values. Depth is bounded by the scan, so recursion along nested references is
 * too. */
#include <string.h>
#include <strings.h>

#include "front/cimxml/internal.h"

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
