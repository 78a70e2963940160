/* SPDX-License-Identifier: Apache-2.0 */
/* The intrinsic operations. One that is not in the table is NOT_SUPPORTED: clients fall back on
 * that. */
#include <string.h>
#include <strings.h>

#include "front/cimxml/internal.h"
#include "util/num.h"

/* X(name) */
#define BOOLEANS(X)                                                                                \
    X(LocalOnly)                                                                                   \
    X(DeepInheritance)                                                                             \
    X(IncludeQualifiers)                                                                           \
    X(IncludeClassOrigin)

enum param {
    P_ClassName,
    P_InstanceName,
    P_PropertyList,
#define X(name) P_##name,
    BOOLEANS(X)
#undef X
    P_COUNT
};

static const char *const param_names[P_COUNT] = {"ClassName", "InstanceName", "PropertyList",
#define X(name) #name,
                                                 BOOLEANS(X)
#undef X
};

struct args {
    bool given[P_COUNT], flag[P_COUNT];
    struct cim_path path; /* of InstanceName, or class_name of ClassName */
    const char *list[CIMXML_PROPERTY_LIST_MAX];
    size_t nlist;
};

struct op {
    const char *name;
    unsigned allowed, required; /* bits of enum param */
    unsigned defaults;          /* booleans TRUE when not given */
    void (*run)(const struct cimxml_call *call,
                const struct args *args,
                struct vr_buf *out,
                struct cim_status *st);
};

#define BIT(name) (1u << P_##name)

static bool read_list(const struct cimxml_call *call, const xmlNode *v, struct args *args)
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

static bool read_flag(const struct cimxml_call *call, const xmlNode *v, bool *ret)
{
    struct cim_value value;
    const char *text = node_is(v, "VALUE") ? node_text(call->arena, v) : NULL;
    if (!text || cim_value_from_text(call->arena, CIM_BOOLEAN, text, &value, NULL) < 0) {
        return false;
    }
    *ret = value.b;
    return true;
}

/* False: malformed. A parameter without a value is one that was not given. */
static bool read_arg(const struct cimxml_call *call, const xmlNode *n, int which, struct args *args)
{
    xmlNode *v = node_only(n);
    if (!v) {
        return !node_first(n);
    }
    args->given[which] = true;
    if (which == P_ClassName) {
        return node_is(v, "CLASSNAME") && node_path(call->arena, v, &args->path);
    }
    if (which == P_InstanceName) {
        return node_is(v, "INSTANCENAME") && node_path(call->arena, v, &args->path);
    }
    if (which == P_PropertyList) {
        return read_list(call, v, args);
    }
    return read_flag(call, v, &args->flag[which]);
}

static void read_args(const struct cimxml_call *call,
                      const struct op *op,
                      struct args *args,
                      struct cim_status *st)
{
    unsigned seen = 0;
    for (int i = 0; i < P_COUNT; i++) {
        args->flag[i] = (op->defaults & (1u << i)) != 0;
    }
    for (xmlNode *n = node_next(node_first(call->node)); n; n = node_next(n)) {
        const char *name = node_is(n, "IPARAMVALUE") ? node_attr(call->arena, n, "NAME") : NULL;
        int which = 0;
        while (name && which < P_COUNT && strcasecmp(name, param_names[which]) != 0) {
            which++;
        }
        if (!name || which == P_COUNT || !(op->allowed & (1u << which))) {
            cim_fail(st, CIM_ERR_INVALID_PARAMETER, "%s has no parameter '%.60s'", op->name,
                     name ? name : "(no IPARAMVALUE)");
            return;
        }
        if (seen & (1u << which) || !read_arg(call, n, which, args)) {
            cim_fail(st, CIM_ERR_INVALID_PARAMETER, "%s: parameter %s is malformed or given twice",
                     op->name, param_names[which]);
            return;
        }
        seen |= 1u << which;
    }
    for (int i = 0; i < P_COUNT; i++) {
        if ((op->required & (1u << i)) && !args->given[i]) {
            cim_fail(st, CIM_ERR_INVALID_PARAMETER, "%s: parameter %s is missing", op->name,
                     param_names[i]);
        }
    }
}

static struct cimxml_options options_of(const struct args *args)
{
    return (struct cimxml_options){
        .local_only = args->flag[P_LocalOnly],
        .qualifiers = args->flag[P_IncludeQualifiers],
        .origin = args->flag[P_IncludeClassOrigin],
        .has_list = args->given[P_PropertyList],
        .list = args->list,
        .nlist = args->nlist,
    };
}

static void get_class(const struct cimxml_call *call,
                      const struct args *args,
                      struct vr_buf *out,
                      struct cim_status *st)
{
    struct cimxml_options o = options_of(args);
    /* DSP0200: a class that does not exist is NOT_FOUND here, INVALID_CLASS elsewhere */
    const struct cim_class *c =
        cim_broker_class(call->broker, call->ns, args->path.class_name, CIM_ERR_NOT_FOUND, st);
    if (c) {
        put_class(out, c, &o);
    }
}

static void enum_classes(const struct cimxml_call *call,
                         const struct args *args,
                         struct vr_buf *out,
                         struct cim_status *st,
                         bool names)
{
    struct cimxml_options o = options_of(args);
    const char *top_name =
        args->given[P_ClassName] ? args->path.class_name : call->broker->schema->first->name;
    const struct cim_class *top =
        cim_broker_class(call->broker, call->ns, top_name, CIM_ERR_INVALID_CLASS, st);
    if (!top) {
        return;
    }
    top = args->given[P_ClassName] ? top : NULL;
    for (const struct cim_class *c = call->broker->schema->first; c; c = c->next) {
        bool below = !top || (c != top && cim_class_is_a(c, top->name));
        if (!below || (!args->flag[P_DeepInheritance] && c->super != top)) {
            continue;
        }
        if (names) {
            vr_buf_printf(out, "<CLASSNAME NAME=\"%s\"/>", c->name);
        } else {
            put_class(out, c, &o);
        }
    }
}

static void enumerate_classes(const struct cimxml_call *call,
                              const struct args *args,
                              struct vr_buf *out,
                              struct cim_status *st)
{
    enum_classes(call, args, out, st, false);
}

static void enumerate_class_names(const struct cimxml_call *call,
                                  const struct args *args,
                                  struct vr_buf *out,
                                  struct cim_status *st)
{
    enum_classes(call, args, out, st, true);
}

static void get_instance(const struct cimxml_call *call,
                         const struct args *args,
                         struct vr_buf *out,
                         struct cim_status *st)
{
    struct cimxml_options o = options_of(args);
    struct cim_instance *i = NULL;
    cim_broker_get_instance(call->broker, call->caller, call->ns, &args->path, call->arena, &i, st);
    if (st->code == CIM_OK && i) {
        put_instance(out, i, &o);
    }
}

struct listing {
    struct vr_buf *out;
    struct cimxml_options options;
    bool names;
};

static bool list_one(void *ctx, const struct cim_instance *i)
{
    struct listing *l = ctx;
    if (l->names) {
        put_instance_name(l->out, &i->path);
    } else {
        vr_buf_text(l->out, "<VALUE.NAMEDINSTANCE>");
        put_instance_name(l->out, &i->path);
        put_instance(l->out, i, &l->options);
        vr_buf_text(l->out, "</VALUE.NAMEDINSTANCE>");
    }
    return !l->out->failed;
}

static void list(const struct cimxml_call *call,
                 const struct args *args,
                 struct listing *l,
                 struct cim_status *st)
{
    if (!args->flag[P_DeepInheritance]) {
        l->options.as = cim_schema_class(call->broker->schema, args->path.class_name);
    }
    cim_broker_enum_instances(call->broker, call->caller, call->ns, args->path.class_name, list_one,
                              l, st);
}

static void enumerate_instances(const struct cimxml_call *call,
                                const struct args *args,
                                struct vr_buf *out,
                                struct cim_status *st)
{
    list(call, args, &(struct listing){.out = out, .options = options_of(args)}, st);
}

static void enumerate_instance_names(const struct cimxml_call *call,
                                     const struct args *args,
                                     struct vr_buf *out,
                                     struct cim_status *st)
{
    list(call, args, &(struct listing){.out = out, .names = true}, st);
}

#define CLASS_FLAGS (BIT(LocalOnly) | BIT(IncludeQualifiers) | BIT(IncludeClassOrigin))

/* LocalOnly of the instance operations is deprecated and its default differs between clients: FALSE
 * unless said. */
static const struct op ops[] = {
    {"GetClass", BIT(ClassName) | BIT(PropertyList) | CLASS_FLAGS, BIT(ClassName),
     BIT(LocalOnly) | BIT(IncludeQualifiers), get_class},
    {"EnumerateClasses", BIT(ClassName) | BIT(DeepInheritance) | CLASS_FLAGS, 0,
     BIT(LocalOnly) | BIT(IncludeQualifiers), enumerate_classes},
    {"EnumerateClassNames", BIT(ClassName) | BIT(DeepInheritance), 0, 0, enumerate_class_names},
    {"GetInstance", BIT(InstanceName) | BIT(PropertyList) | CLASS_FLAGS, BIT(InstanceName), 0,
     get_instance},
    {"EnumerateInstances", BIT(ClassName) | BIT(DeepInheritance) | BIT(PropertyList) | CLASS_FLAGS,
     BIT(ClassName), BIT(DeepInheritance), enumerate_instances},
    {"EnumerateInstanceNames", BIT(ClassName), BIT(ClassName), 0, enumerate_instance_names},
};

void cimxml_intrinsic(const struct cimxml_call *call, struct vr_buf *out, struct cim_status *st)
{
    const struct op *op = NULL;
    for (size_t i = 0; i < VR_COUNT(ops) && !op; i++) {
        op = strcasecmp(ops[i].name, call->method) == 0 ? &ops[i] : NULL;
    }
    if (!op) {
        cim_fail(st, CIM_ERR_NOT_SUPPORTED, "operation '%.60s' is not supported", call->method);
        return;
    }
    struct args *args = cim_alloc(call->arena, sizeof *args);
    if (!args) {
        cim_fail(st, CIM_ERR_FAILED, "out of memory");
        return;
    }
    read_args(call, op, args, st);
    if (st->code == CIM_OK) {
        vr_buf_text(out, "<IRETURNVALUE>");
        op->run(call, args, out, st);
        vr_buf_text(out, "</IRETURNVALUE>");
    }
}
