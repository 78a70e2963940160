/* SPDX-License-Identifier: Apache-2.0 */
/* What ModifyInstance asks for. PropertyList says which properties; without it those that the
 * instance has. IncludeQualifiers and qualifiers do not count. */
#include <string.h>
#include <strings.h>

#include "front/cimxml/internal.h"

struct modify_reader {
    struct cim_broker *broker;
    struct cim_arena *a;
    struct cim_modify *m;
    const char **names;
    const xmlNode *list;
};

static void add_name(struct modify_reader *r, const char *name, struct cim_status *st)
{
    int at = cim_class_prop(r->m->cls, name);
    if (at < 0) {
        cim_fail(st, CIM_ERR_NO_SUCH_PROPERTY, "%s has no property '%.100s'", r->m->cls->name,
                 name);
        return;
    }
    const char *known = r->m->cls->props[at].name;
    for (uint32_t i = 0; i < r->m->nnames; i++) {
        if (r->names[i] == known) {
            return;
        }
    }
    r->names[r->m->nnames++] = known;
}

static void read_names(struct modify_reader *r, const xmlNode *instance, struct cim_status *st)
{
    const xmlNode *n = r->list ? node_only(r->list) : NULL;
    bool listed = node_is(n, "VALUE.ARRAY");
    r->names = cim_alloc(r->a, (r->m->cls->nprops + 1) * sizeof *r->names);
    r->m->names = r->names;
    for (n = node_first(listed ? n : instance); r->names && n && st->code == CIM_OK;
         n = node_next(n)) {
        const char *name = listed ? node_text(r->a, n) : node_attr(r->a, n, "NAME");
        if (!node_is(n, "QUALIFIER") && name) {
            add_name(r, name, st);
        }
    }
}

/* VALUE.NAMEDINSTANCE: INSTANCENAME and INSTANCE. */
static void
read_named(struct modify_reader *r, const xmlNode *n, const char *ns, struct cim_status *st)
{
    struct cim_param said = {0};
    const xmlNode *v = node_only(n);
    const xmlNode *name = node_is(v, "VALUE.NAMEDINSTANCE") ? node_first(v) : NULL;
    const xmlNode *instance = name ? node_next(name) : NULL;
    if (!node_is(name, "INSTANCENAME") || !node_path(r->a, name, &r->m->path) ||
        !node_is(instance, "INSTANCE") || node_next(instance)) {
        cim_fail(st, CIM_ERR_INVALID_PARAMETER, "ModifiedInstance is no named instance");
        return;
    }
    r->m->cls = cim_broker_class(r->broker, ns, r->m->path.class_name, CIM_ERR_INVALID_CLASS, st);
    if (!r->m->cls) {
        return;
    }
    r->m->to = node_instance(r->a, r->m->cls->schema, instance, &said);
    if (said.wrong_type || said.bad_value) {
        cim_fail(st, said.wrong_type ? CIM_ERR_TYPE_MISMATCH : CIM_ERR_INVALID_PARAMETER, "%s",
                 said.why ? said.why : "ModifiedInstance has a value that it cannot have");
    } else if (r->m->to && r->m->to->cls != r->m->cls) {
        cim_fail(st, CIM_ERR_INVALID_PARAMETER, "ModifiedInstance and its name differ in class");
    } else if (r->m->to) {
        read_names(r, instance, st);
    }
}

void cimxml_read_modify(struct cim_broker *broker,
                        struct cim_arena *a,
                        const xmlNode *call,
                        const char *ns,
                        struct cim_modify *ret,
                        struct cim_status *st)
{
    struct modify_reader r = {.broker = broker, .a = a, .m = ret};
    const xmlNode *named = NULL;
    if (!cim_broker_schema(broker, ns, st)) {
        return;
    }
    for (const xmlNode *n = node_next(node_first(call)); n; n = node_next(n)) {
        const char *name = node_is(n, "IPARAMVALUE") ? node_attr(a, n, "NAME") : NULL;
        const xmlNode **to = !name                                       ? NULL
                             : strcasecmp(name, "ModifiedInstance") == 0 ? &named
                             : strcasecmp(name, "PropertyList") == 0     ? &r.list
                                                                         : NULL;
        bool ignored = name && strcasecmp(name, "IncludeQualifiers") == 0;
        if ((!to && !ignored) || (to && *to)) {
            cim_fail(st, CIM_ERR_INVALID_PARAMETER,
                     "ModifyInstance: parameter '%.60s' is unknown or given twice",
                     name ? name : "(no IPARAMVALUE)");
            return;
        }
        if (to) {
            *to = n;
        }
    }
    if (!named) {
        cim_fail(st, CIM_ERR_INVALID_PARAMETER,
                 "ModifyInstance: parameter ModifiedInstance is missing");
        return;
    }
    read_named(&r, named, ns, st);
    if (cim_arena_failed(a)) {
        cim_fail(st, CIM_ERR_FAILED, "out of memory");
    }
}
