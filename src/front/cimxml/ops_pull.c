/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open, pull, close. An Open fills the enumeration and answers with its first objects at once; a
 * client that asks for more than there are never sees a context.
 */
#include "cim/pull.h"
#include "cim/wql.h"
#include "front/cimxml/ops.h"
#include "util/num.h"

/* --- answers --- */

static void put_text_param(struct vr_buf *b, const char *name, const char *type, const char *text)
{
    vr_buf_printf(b, "<PARAMVALUE NAME=\"%s\" PARAMTYPE=\"%s\"><VALUE>%s</VALUE></PARAMVALUE>",
                  name, type, text);
}

static void put_pulled(const struct cimxml_call *call,
                       struct vr_buf *out,
                       enum cim_pull_kind kind,
                       const struct cim_instance *i,
                       const struct cimxml_options *o)
{
    if (kind == CIM_PULL_PATHS) {
        put_instance_path(out, call->broker->server, &i->path);
    } else if (kind == CIM_PULL_INSTANCES) {
        put_instance(out, i, o);
    } else {
        vr_buf_text(out, "<VALUE.INSTANCEWITHPATH>");
        put_instance_path(out, call->broker->server, &i->path);
        put_instance(out, i, o);
        vr_buf_text(out, "</VALUE.INSTANCEWITHPATH>");
    }
}

/* Up to max objects, and where to go on. An enumeration at its end is closed. */
static void put_some(const struct cimxml_call *call,
                     struct cim_pull *p,
                     enum cim_pull_kind kind,
                     uint32_t max,
                     struct vr_buf *out)
{
    const struct cimxml_options *o = cim_pull_data(p);
    max = VR_MIN(max, (uint32_t)CIMXML_PULL_MAX);
    for (uint32_t n = 0; n < max && cim_pull_left(p); n++) {
        put_pulled(call, out, kind, cim_pull_next(p), o);
    }
    bool more = cim_pull_left(p) > 0;
    put_text_param(call->params, "EndOfSequence", "boolean", more ? "FALSE" : "TRUE");
    put_text_param(call->params, "EnumerationContext", "string", more ? cim_pull_id(p) : "");
    if (!more) {
        cim_pull_close(call->broker->pulls, p);
    }
}

/* --- open --- */

/* The property list in the request goes with the request: a copy that stays. NULL: no memory. */
static struct cimxml_options *keep_options(struct cim_arena *a, const struct cimxml_options *o)
{
    struct cimxml_options *copy = cim_alloc(a, sizeof *copy);
    const char **list = cim_alloc(a, (o->nlist + 1) * sizeof *list);
    if (!copy || !list) {
        return NULL;
    }
    *copy = *o;
    for (size_t i = 0; i < o->nlist; i++) {
        list[i] = cim_strdup(a, o->list[i]);
    }
    copy->list = list;
    return cim_arena_failed(a) ? NULL : copy;
}

/* NULL: st is set. */
static struct cim_pull *open_pull(const struct cimxml_call *call,
                                  const struct cimxml_args *args,
                                  enum cim_pull_kind kind,
                                  const struct cimxml_options *o,
                                  struct cim_status *st)
{
    const struct cimxml_arg *timeout = &args->arg[P_OperationTimeout];
    if (!call->broker->pulls) {
        cim_fail(st, CIM_ERR_NOT_SUPPORTED, "pulled enumerations are not supported");
        return NULL;
    }
    if (args->arg[P_ContinueOnError].flag) {
        cim_fail(st, CIM_ERR_CONTINUATION_ON_ERROR_NOT_SUPPORTED,
                 "ContinueOnError is not supported");
        return NULL;
    }
    struct cim_pull *p = cim_pull_open(call->broker->pulls, call->caller, call->ns, kind,
                                       timeout->given ? &timeout->number : NULL, st);
    if (p) {
        cim_pull_set_data(p, keep_options(cim_pull_arena(p), o));
    }
    return p;
}

/* After it was filled. */
static void answer_open(const struct cimxml_call *call,
                        const struct cimxml_args *args,
                        struct cim_pull *p,
                        enum cim_pull_kind kind,
                        struct vr_buf *out,
                        struct cim_status *st)
{
    if (cim_pull_filled(p, st)) {
        put_some(call, p, kind, args->arg[P_MaxObjectCount].number, out);
    } else {
        cim_pull_close(call->broker->pulls, p);
    }
}

static bool is_filtered(const struct cimxml_args *args, struct cim_status *st)
{
    const char *query = args->arg[P_FilterQuery].text;
    const char *language = args->arg[P_FilterQueryLanguage].text;
    if ((query && *query) || (language && *language)) {
        cim_fail(st, CIM_ERR_FILTERED_ENUMERATION_NOT_SUPPORTED,
                 "a filter is not supported here; OpenQueryInstances takes a query in WQL");
        return true;
    }
    return false;
}

static void open_enumerate(const struct cimxml_call *call,
                           const struct cimxml_args *args,
                           enum cim_pull_kind kind,
                           struct vr_buf *out,
                           struct cim_status *st)
{
    const char *name = args->arg[P_ClassName].path.class_name;
    struct cimxml_options o = cimxml_instance_options(args);
    if (kind == CIM_PULL_WITH_PATH && !args->arg[P_DeepInheritance].flag) {
        o.as = cim_schema_class(call->schema, name);
    }
    struct cim_pull *p = is_filtered(args, st) ? NULL : open_pull(call, args, kind, &o, st);
    if (p) {
        cim_broker_enum_instances(call->broker, call->caller, call->ns, name, cim_pull_add, p, st);
        answer_open(call, args, p, kind, out, st);
    }
}

static void open_related(const struct cimxml_call *call,
                         const struct cimxml_args *args,
                         bool associators,
                         enum cim_pull_kind kind,
                         struct vr_buf *out,
                         struct cim_status *st)
{
    struct cimxml_options o = cimxml_instance_options(args);
    struct cim_related f;
    struct cim_pull *p = is_filtered(args, st) ? NULL : open_pull(call, args, kind, &o, st);
    if (p) {
        cimxml_related_of(args, &f);
        cim_broker_related(call->broker, call->caller, call->ns, &f, associators, cim_pull_add, p,
                           st);
        answer_open(call, args, p, kind, out, st);
    }
}

void op_open_enumerate_instances(const struct cimxml_call *call,
                                 const struct cimxml_args *args,
                                 struct vr_buf *out,
                                 struct cim_status *st)
{
    open_enumerate(call, args, CIM_PULL_WITH_PATH, out, st);
}

void op_open_enumerate_paths(const struct cimxml_call *call,
                             const struct cimxml_args *args,
                             struct vr_buf *out,
                             struct cim_status *st)
{
    open_enumerate(call, args, CIM_PULL_PATHS, out, st);
}

void op_open_associators(const struct cimxml_call *call,
                         const struct cimxml_args *args,
                         struct vr_buf *out,
                         struct cim_status *st)
{
    open_related(call, args, true, CIM_PULL_WITH_PATH, out, st);
}

void op_open_associator_paths(const struct cimxml_call *call,
                              const struct cimxml_args *args,
                              struct vr_buf *out,
                              struct cim_status *st)
{
    open_related(call, args, true, CIM_PULL_PATHS, out, st);
}

void op_open_references(const struct cimxml_call *call,
                        const struct cimxml_args *args,
                        struct vr_buf *out,
                        struct cim_status *st)
{
    open_related(call, args, false, CIM_PULL_WITH_PATH, out, st);
}

void op_open_reference_paths(const struct cimxml_call *call,
                             const struct cimxml_args *args,
                             struct vr_buf *out,
                             struct cim_status *st)
{
    open_related(call, args, false, CIM_PULL_PATHS, out, st);
}

/* What the instances are of: the class of the query, with the selected properties only. */
static void put_result_class(const struct cimxml_call *call,
                             const struct cim_wql *q,
                             const struct cimxml_options *o,
                             struct cim_status *st)
{
    const struct cim_class *cls =
        q->kind == WQL_SELECT ? cim_schema_class(call->schema, q->class_name) : NULL;
    if (!cls) {
        cim_fail(st, CIM_ERR_INVALID_PARAMETER,
                 "ReturnQueryResultClass: the results of this query are of no one class");
        return;
    }
    struct cim_class result = *cls;
    result.nmethods = 0;
    vr_buf_text(call->params, "<PARAMVALUE NAME=\"QueryResultClass\">");
    put_class(call->params, &result, o);
    vr_buf_text(call->params, "</PARAMVALUE>");
}

void op_open_query(const struct cimxml_call *call,
                   const struct cimxml_args *args,
                   struct vr_buf *out,
                   struct cim_status *st)
{
    struct cimxml_options o = {0};
    struct cim_wql q;
    cim_broker_query(call->broker, call->ns, args->arg[P_FilterQueryLanguage].text,
                     args->arg[P_FilterQuery].text, call->arena, &q, st);
    if (st->code == CIM_OK && !cimxml_select_list(call, &q, &o)) {
        cim_fail(st, CIM_ERR_FAILED, "out of memory");
    }
    if (st->code == CIM_OK && args->arg[P_ReturnQueryResultClass].flag) {
        put_result_class(call, &q, &o, st);
    }
    struct cim_pull *p =
        st->code == CIM_OK ? open_pull(call, args, CIM_PULL_INSTANCES, &o, st) : NULL;
    if (p) {
        cim_broker_run_query(call->broker, call->caller, call->ns, &q, cim_pull_add, p, st);
        answer_open(call, args, p, CIM_PULL_INSTANCES, out, st);
    }
}

/* --- what is open --- */

static struct cim_pull *find(const struct cimxml_call *call,
                             const struct cimxml_args *args,
                             int kind,
                             struct cim_status *st)
{
    if (!call->broker->pulls) {
        cim_fail(st, CIM_ERR_NOT_SUPPORTED, "pulled enumerations are not supported");
        return NULL;
    }
    return cim_pull_find(call->broker->pulls, call->caller, call->ns,
                         args->arg[P_EnumerationContext].text, kind, st);
}

static void pull(const struct cimxml_call *call,
                 const struct cimxml_args *args,
                 enum cim_pull_kind kind,
                 struct vr_buf *out,
                 struct cim_status *st)
{
    struct cim_pull *p = find(call, args, (int)kind, st);
    if (p) {
        put_some(call, p, kind, args->arg[P_MaxObjectCount].number, out);
    }
}

void op_pull_with_path(const struct cimxml_call *call,
                       const struct cimxml_args *args,
                       struct vr_buf *out,
                       struct cim_status *st)
{
    pull(call, args, CIM_PULL_WITH_PATH, out, st);
}

void op_pull_paths(const struct cimxml_call *call,
                   const struct cimxml_args *args,
                   struct vr_buf *out,
                   struct cim_status *st)
{
    pull(call, args, CIM_PULL_PATHS, out, st);
}

void op_pull_instances(const struct cimxml_call *call,
                       const struct cimxml_args *args,
                       struct vr_buf *out,
                       struct cim_status *st)
{
    pull(call, args, CIM_PULL_INSTANCES, out, st);
}

void op_close_enumeration(const struct cimxml_call *call,
                          const struct cimxml_args *args,
                          struct vr_buf *out,
                          struct cim_status *st)
{
    struct cim_pull *p = find(call, args, -1, st);
    if (p) {
        cim_pull_close(call->broker->pulls, p);
    }
}

void op_enumeration_count(const struct cimxml_call *call,
                          const struct cimxml_args *args,
                          struct vr_buf *out,
                          struct cim_status *st)
{
    struct cim_pull *p = find(call, args, -1, st);
    if (p) {
        struct cim_value v = cim_uint(CIM_UINT64, cim_pull_left(p));
        put_value(out, &v);
    }
}
