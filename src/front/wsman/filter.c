/* SPDX-License-Identifier: Apache-2.0 */
/* The filters of Enumerate: queries in WQL and in what CQL has in common with it, selectors,
 * associations. */
#include <string.h>
#include <strings.h>

#include "cim/wql.h"
#include "front/wsman/listing.h"

#define DIALECT_WQL "http://schemas.microsoft.com/wbem/wsman/1/WQL"
#define DIALECT_CQL "http://schemas.dmtf.org/wbem/cql/1/dsp0202.pdf"
#define DIALECT_SELECTOR "http://schemas.dmtf.org/wbem/wsman/1/wsman/SelectorFilter"
#define DIALECT_ASSOCIATION "http://schemas.dmtf.org/wbem/wsman/1/cimbinding/associationFilter"

static bool fill(void *ctx, const struct cim_instance *i)
{
    const struct filling *f = ctx;
    const struct listing *l = f->listing;
    if (l->exact && strcasecmp(i->cls->name, l->class_name) != 0) {
        return true;
    }
    for (uint32_t k = 0; l->wanted && k < l->wanted->nkeys; k++) {
        char num[32];
        const struct cim_value *v = cim_get(i, l->wanted->keys[k].name);
        bool scalar =
            v && !v->is_null && !v->is_array && v->type != CIM_REFERENCE && v->type != CIM_INSTANCE;
        if (!scalar ||
            strcasecmp(cim_value_text(v, num, sizeof num), l->wanted->keys[k].value.str) != 0) {
            return true;
        }
    }
    return cim_pull_add(f->pull, i);
}

static bool uses_like(const struct cim_wql_node *n)
{
    for (; n; n = n->next) {
        if (n->op == WQL_LIKE ||
            ((n->op == WQL_AND || n->op == WQL_OR || n->op == WQL_NOT) && uses_like(n->first))) {
            return true;
        }
    }
    return false;
}

/* CQL (DSP0202) as far as WQL says the same in the same words. */
static bool is_plain_cql(struct wsman_call *c, const struct cim_wql *q)
{
    bool any = strcmp(c->target.class_name, "*") == 0;
    if (q->kind != WQL_SELECT || uses_like(q->where)) {
        wsman_fail(c, WSF_CANNOT_PROCESS_FILTER, NULL,
                   "of CQL only SELECT ... FROM ... WHERE with plain comparisons is understood, "
                   "without LIKE");
    } else if (!any && strcasecmp(q->class_name, c->target.class_name) != 0) {
        wsman_fail(c, WSF_CANNOT_PROCESS_FILTER, NULL,
                   "the query and the resource URI name different classes");
    }
    return c->fault == WSF_NONE;
}

/* Its objects go into the enumeration; the query itself goes with the request. */
static void run_wql(struct wsman_call *c,
                    const char *text,
                    struct listing *l,
                    struct filling *f,
                    bool cql,
                    struct cim_status *st)
{
    struct cim_wql q;
    cim_broker_query(c->broker, c->names.ns, "WQL", text, &c->arena, &q, st);
    if (st->code != CIM_OK || (cql && !is_plain_cql(c, &q))) {
        return;
    }
    struct cim_arena *a = cim_pull_arena(f->pull);
    const char **list = q.nprops ? cim_alloc(a, q.nprops * sizeof *list) : NULL;
    for (uint32_t i = 0; list && i < q.nprops; i++) {
        list[i] = cim_strdup(a, q.props[i].text);
    }
    l->list = list;
    l->nlist = list ? q.nprops : 0;
    cim_broker_run_query(c->broker, &c->caller, c->names.ns, &q, fill, f, st);
}

static const char *token_of(struct wsman_call *c, const xmlNode *n, const char *name)
{
    const char *s = node_token(&c->arena, node_child(n, name));
    return s && *s ? s : NULL;
}

static void
run_related(struct wsman_call *c, const xmlNode *filter, struct filling *f, struct cim_status *st)
{
    const xmlNode *n = node_only(filter);
    bool associators = node_is(n, "AssociatedInstances");
    if (!associators && !node_is(n, "AssociationInstances")) {
        wsman_fail(c, WSF_CANNOT_PROCESS_FILTER, NULL,
                   "the filter is neither AssociatedInstances nor AssociationInstances");
        return;
    }
    const xmlNode *object = node_child(n, "Object");
    struct cim_related rel = {.result_class = token_of(c, n, "ResultClassName"),
                              .role = token_of(c, n, "Role")};
    if (associators) {
        rel.assoc_class = token_of(c, n, "AssociationClassName");
        rel.result_role = token_of(c, n, "ResultRole");
    }
    if (!object || !wsman_read_epr(&c->arena, object, 0, &rel.path)) {
        wsman_fail(c, WSF_CANNOT_PROCESS_FILTER, NULL,
                   "the filter's Object is no endpoint reference");
        return;
    }
    cim_broker_related(c->broker, &c->caller, c->names.ns, &rel, associators, fill, f, st);
}

static void
run_selectors(struct wsman_call *c, const xmlNode *filter, struct listing *l, struct filling *f)
{
    const xmlNode *set = node_child(filter, "SelectorSet");
    struct cim_path *wanted = cim_alloc(&c->arena, sizeof *wanted);
    const char *ns = NULL;
    const char *wrong =
        set && wanted ? wsman_read_selectors(&c->arena, set, 0, wanted, &ns) : "no SelectorSet";
    const struct cim_class *cls = wrong ? NULL : wsman_class(c);
    for (uint32_t i = 0; cls && i < wanted->nkeys; i++) {
        if (cim_class_prop(cls, wanted->keys[i].name) < 0 ||
            wanted->keys[i].value.type != CIM_STRING) {
            wrong = "a selector names no property of the class";
        }
    }
    if (wrong) {
        wsman_fail(c, WSF_CANNOT_PROCESS_FILTER, NULL, "%s", wrong);
    } else if (cls) {
        struct cim_status st = {0};
        l->wanted = wanted;
        cim_broker_enum_instances(c->broker, &c->caller, c->names.ns, cls->name, fill, f, &st);
        l->wanted = NULL;
        if (st.code != CIM_OK) {
            wsman_fail_cim(c, &st);
        }
    }
}

/* Fills the enumeration. A class and a query that names one are too much, as on Windows. */
void wsman_run_filter(struct wsman_call *c, struct listing *l, struct filling *f)
{
    struct cim_status st = {0};
    const xmlNode *filter = node_child(c->body, "Filter");
    const char *dialect = filter ? node_attr(&c->arena, filter, "Dialect") : NULL;
    bool any = strcmp(c->target.class_name, "*") == 0;
    if (!filter && any) {
        wsman_fail(c, WSF_CANNOT_PROCESS_FILTER, NULL,
                   "a resource URI of all classes wants a filter");
    } else if (!filter) {
        cim_broker_enum_instances(c->broker, &c->caller, c->names.ns, c->target.class_name, fill, f,
                                  &st);
    } else if (dialect && strcasecmp(dialect, DIALECT_WQL) == 0) {
        const char *text = node_token(&c->arena, filter);
        if (!any || !text) {
            wsman_fail(c, WSF_CANNOT_PROCESS_FILTER, NULL,
                       "a query in WQL wants a resource URI that ends with /*");
        } else {
            run_wql(c, text, l, f, false, &st);
        }
    } else if (dialect && strcasecmp(dialect, DIALECT_CQL) == 0) {
        const char *text = node_token(&c->arena, filter);
        run_wql(c, text ? text : "", l, f, true, &st);
    } else if (dialect && strcasecmp(dialect, DIALECT_ASSOCIATION) == 0) {
        run_related(c, filter, f, &st);
    } else if (dialect && strcasecmp(dialect, DIALECT_SELECTOR) == 0 && !any) {
        run_selectors(c, filter, l, f);
    } else {
        wsman_fail(c, WSF_FILTER_DIALECT, NULL,
                   "filters are in WQL, CQL, SelectorFilter or "
                   "associationFilter");
    }
    if (st.code != CIM_OK) {
        wsman_fail_cim(c, &st);
    }
}
