/* SPDX-License-Identifier: Apache-2.0 */
/* The intrinsic operations and their parameters. One that is not in the table is NOT_SUPPORTED:
 * clients fall back on that. */
#include <string.h>
#include <strings.h>

#include "front/cimxml/ops.h"
#include "util/num.h"

enum kind {
    CLASS,
    INSTANCE,
    OBJECT, /* one or the other */
    LIST,
    FLAG,
    TEXT,
    NUMBER
};

static const struct {
    const char *name;
    enum kind kind;
} params[P_COUNT] = {
#define X(name, kind) {#name, kind},
    CIMXML_PARAMS(X)
#undef X
};

struct op {
    const char *name;
    uint32_t allowed, required; /* bits of enum cimxml_param */
    uint32_t defaults;          /* flags TRUE when not given */
    cimxml_op run;
};

#define BIT(name) (UINT32_C(1) << P_##name)
_Static_assert(P_COUNT <= 32, "one bit each");

static bool read_list(const struct cimxml_call *call, const xmlNode *v, struct cimxml_args *args)
{
    if (!node_is(v, "VALUE.ARRAY")) {
        return false;
    }
    for (xmlNode *c = node_first(v); c; c = node_next(c)) {
        const char *text = node_is(c, "VALUE") ? node_text(call->arena, c) : NULL;
        if (!text || args->nlist >= CIMXML_PROPERTY_LIST_MAX) {
            return false;
        }
        args->list[args->nlist++] = text;
    }
    return true;
}

static bool read_value(const struct cimxml_call *call,
                       const xmlNode *v,
                       enum cim_type type,
                       struct cim_value *ret)
{
    const char *text = node_is(v, "VALUE") ? node_text(call->arena, v) : NULL;
    return text && cim_value_from_text(call->arena, type, text, ret, NULL) == 0;
}

static bool
read_one(const struct cimxml_call *call, const xmlNode *v, enum kind kind, struct cimxml_arg *arg)
{
    struct cim_value value;
    bool ok;
    switch (kind) {
    case CLASS:
        return node_is(v, "CLASSNAME") && node_path(call->arena, v, &arg->path);
    case INSTANCE:
        return node_is(v, "INSTANCENAME") && node_path(call->arena, v, &arg->path);
    case OBJECT:
        arg->flag = node_is(v, "CLASSNAME");
        return node_path(call->arena, v, &arg->path);
    case FLAG:
        ok = read_value(call, v, CIM_BOOLEAN, &value);
        arg->flag = ok && value.b;
        return ok;
    case NUMBER:
        ok = read_value(call, v, CIM_UINT32, &value);
        arg->number = ok ? (uint32_t)value.u : 0;
        return ok;
    default:
        arg->text = node_is(v, "VALUE") ? node_text(call->arena, v) : NULL;
        return arg->text != NULL;
    }
}

/* False: malformed. A parameter without a value is one that was not given. */
static bool
read_arg(const struct cimxml_call *call, const xmlNode *n, int which, struct cimxml_args *args)
{
    xmlNode *v = node_only(n);
    if (!v) {
        return !node_first(n);
    }
    args->arg[which].given = true;
    return params[which].kind == LIST ? read_list(call, v, args)
                                      : read_one(call, v, params[which].kind, &args->arg[which]);
}

static void read_args(const struct cimxml_call *call,
                      const struct op *op,
                      struct cimxml_args *args,
                      struct cim_status *st)
{
    uint32_t seen = 0;
    for (int i = 0; i < P_COUNT; i++) {
        args->arg[i].flag = (op->defaults & (UINT32_C(1) << i)) != 0;
    }
    for (xmlNode *n = node_next(node_first(call->node)); n; n = node_next(n)) {
        const char *name = node_is(n, "IPARAMVALUE") ? node_attr(call->arena, n, "NAME") : NULL;
        int which = 0;
        while (name && which < P_COUNT && strcasecmp(name, params[which].name) != 0) {
            which++;
        }
        if (!name || which == P_COUNT || !(op->allowed & (UINT32_C(1) << which))) {
            cim_fail(st, CIM_ERR_INVALID_PARAMETER, "%s has no parameter '%.60s'", op->name,
                     name ? name : "(no IPARAMVALUE)");
            return;
        }
        if (seen & (UINT32_C(1) << which) || !read_arg(call, n, which, args)) {
            cim_fail(st, CIM_ERR_INVALID_PARAMETER, "%s: parameter %s is malformed or given twice",
                     op->name, params[which].name);
            return;
        }
        seen |= UINT32_C(1) << which;
    }
    for (int i = 0; i < P_COUNT; i++) {
        if ((op->required & (UINT32_C(1) << i)) && !args->arg[i].given) {
            cim_fail(st, CIM_ERR_INVALID_PARAMETER, "%s: parameter %s is missing", op->name,
                     params[i].name);
        }
    }
}

struct cimxml_options cimxml_options_of(const struct cimxml_args *args)
{
    return (struct cimxml_options){
        .local_only = args->arg[P_LocalOnly].flag,
        .qualifiers = args->arg[P_IncludeQualifiers].flag,
        .origin = args->arg[P_IncludeClassOrigin].flag,
        .has_list = args->arg[P_PropertyList].given,
        .list = args->list,
        .nlist = args->nlist,
    };
}

struct cimxml_options cimxml_instance_options(const struct cimxml_args *args)
{
    struct cimxml_options o = cimxml_options_of(args);
    o.local_only = false;
    return o;
}

#define OBJECT_FLAGS (BIT(IncludeQualifiers) | BIT(IncludeClassOrigin) | BIT(PropertyList))
#define REFERENCES (BIT(ObjectName) | BIT(ResultClass) | BIT(Role))
#define ASSOCIATORS (REFERENCES | BIT(AssocClass) | BIT(ResultRole))
#define OPEN                                                                                       \
    (BIT(FilterQueryLanguage) | BIT(FilterQuery) | BIT(OperationTimeout) | BIT(ContinueOnError) |  \
     BIT(MaxObjectCount))
#define OPEN_OBJECTS (OPEN | BIT(IncludeClassOrigin) | BIT(PropertyList))
#define OPEN_REFERENCES (BIT(InstanceName) | BIT(ResultClass) | BIT(Role))
#define OPEN_ASSOCIATORS (OPEN_REFERENCES | BIT(AssocClass) | BIT(ResultRole))
#define PULL (BIT(EnumerationContext) | BIT(MaxObjectCount))
#define CLASS_FLAGS (BIT(LocalOnly) | BIT(IncludeQualifiers) | BIT(IncludeClassOrigin))

/* No operation that makes, changes or deletes an instance, a class or a qualifier is here: methods
 * do that. */
static const struct op ops[] = {
    {"GetClass", BIT(ClassName) | BIT(PropertyList) | CLASS_FLAGS, BIT(ClassName),
     BIT(LocalOnly) | BIT(IncludeQualifiers), op_get_class},
    {"EnumerateClasses", BIT(ClassName) | BIT(DeepInheritance) | CLASS_FLAGS, 0,
     BIT(LocalOnly) | BIT(IncludeQualifiers), op_enumerate_classes},
    {"EnumerateClassNames", BIT(ClassName) | BIT(DeepInheritance), 0, 0, op_enumerate_class_names},
    {"GetQualifier", BIT(QualifierName), BIT(QualifierName), 0, op_get_qualifier},
    {"EnumerateQualifiers", 0, 0, 0, op_enumerate_qualifiers},
    {"GetInstance", BIT(InstanceName) | BIT(PropertyList) | CLASS_FLAGS, BIT(InstanceName), 0,
     op_get_instance},
    {"EnumerateInstances", BIT(ClassName) | BIT(DeepInheritance) | BIT(PropertyList) | CLASS_FLAGS,
     BIT(ClassName), BIT(DeepInheritance), op_enumerate_instances},
    {"EnumerateInstanceNames", BIT(ClassName), BIT(ClassName), 0, op_enumerate_instance_names},
    {"GetProperty", BIT(InstanceName) | BIT(PropertyName), BIT(InstanceName) | BIT(PropertyName), 0,
     op_get_property},
    {"Associators", ASSOCIATORS | OBJECT_FLAGS, BIT(ObjectName), 0, op_associators},
    {"AssociatorNames", ASSOCIATORS, BIT(ObjectName), 0, op_associator_names},
    {"References", REFERENCES | OBJECT_FLAGS, BIT(ObjectName), 0, op_references},
    {"ReferenceNames", REFERENCES, BIT(ObjectName), 0, op_reference_names},
    {"ExecQuery", BIT(QueryLanguage) | BIT(Query), BIT(QueryLanguage) | BIT(Query), 0,
     op_exec_query},
    {"OpenEnumerateInstances", BIT(ClassName) | BIT(DeepInheritance) | OPEN_OBJECTS, BIT(ClassName),
     BIT(DeepInheritance), op_open_enumerate_instances},
    {"OpenEnumerateInstancePaths", BIT(ClassName) | OPEN, BIT(ClassName), 0,
     op_open_enumerate_paths},
    {"OpenAssociatorInstances", OPEN_ASSOCIATORS | OPEN_OBJECTS, BIT(InstanceName), 0,
     op_open_associators},
    {"OpenAssociatorInstancePaths", OPEN_ASSOCIATORS | OPEN, BIT(InstanceName), 0,
     op_open_associator_paths},
    {"OpenReferenceInstances", OPEN_REFERENCES | OPEN_OBJECTS, BIT(InstanceName), 0,
     op_open_references},
    {"OpenReferenceInstancePaths", OPEN_REFERENCES | OPEN, BIT(InstanceName), 0,
     op_open_reference_paths},
    {"OpenQueryInstances", BIT(ReturnQueryResultClass) | OPEN,
     BIT(FilterQueryLanguage) | BIT(FilterQuery), 0, op_open_query},
    {"PullInstancesWithPath", PULL, PULL, 0, op_pull_with_path},
    {"PullInstancePaths", PULL, PULL, 0, op_pull_paths},
    {"PullInstances", PULL, PULL, 0, op_pull_instances},
    {"CloseEnumeration", BIT(EnumerationContext), BIT(EnumerationContext), 0, op_close_enumeration},
    {"EnumerationCount", BIT(EnumerationContext), BIT(EnumerationContext), 0, op_enumeration_count},
};

void cimxml_intrinsic(struct cimxml_call *call, struct vr_buf *out, struct cim_status *st)
{
    const struct op *op = NULL;
    for (size_t i = 0; i < VR_COUNT(ops) && !op; i++) {
        op = strcasecmp(ops[i].name, call->method) == 0 ? &ops[i] : NULL;
    }
    if (!op) {
        cim_fail(st, CIM_ERR_NOT_SUPPORTED, "operation '%.60s' is not supported", call->method);
        return;
    }
    call->schema = cim_broker_schema(call->broker, call->ns, st);
    struct cimxml_args *args = call->schema ? cim_alloc(call->arena, sizeof *args) : NULL;
    if (!call->schema) {
        return;
    }
    if (!args) {
        cim_fail(st, CIM_ERR_FAILED, "out of memory");
        return;
    }
    read_args(call, op, args, st);
    if (st->code == CIM_OK) {
        bool has_value = op->run != op_close_enumeration;
        vr_buf_text(out, has_value ? "<IRETURNVALUE>" : "");
        op->run(call, args, out, st);
        vr_buf_text(out, has_value ? "</IRETURNVALUE>" : "");
    }
}
