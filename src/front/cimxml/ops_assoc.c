/* SPDX-License-Identifier: Apache-2.0 */
#include "front/cimxml/ops.h"

struct result {
    struct vr_buf *out;
    struct cimxml_options options;
    const char *server;
    bool names;
};

static bool put_one(void *ctx, const struct cim_instance *i)
{
    struct result *r = ctx;
    if (r->names) {
        vr_buf_text(r->out, "<OBJECTPATH>");
        put_instance_path(r->out, r->server, &i->path);
        vr_buf_text(r->out, "</OBJECTPATH>");
    } else {
        put_object_with_path(r->out, r->server, i, &r->options);
    }
    return !r->out->failed;
}

static void put_one_class(void *ctx, const struct cim_class *c)
{
    struct result *r = ctx;
    vr_buf_text(r->out, r->names ? "<OBJECTPATH>" : "<VALUE.OBJECTWITHPATH>");
    put_class_path(r->out, r->server, c);
    if (!r->names) {
        put_class(r->out, c, &r->options);
    }
    vr_buf_text(r->out, r->names ? "</OBJECTPATH>" : "</VALUE.OBJECTWITHPATH>");
}

/* An empty name is none: so some clients say "any". */
static const char *name_or_null(const char *s)
{
    return s && *s ? s : NULL;
}

void cimxml_related_of(const struct cimxml_args *args, struct cim_related *ret)
{
    int which = args->arg[P_InstanceName].given ? P_InstanceName : P_ObjectName;
    *ret = (struct cim_related){
        .path = args->arg[which].path,
        .assoc_class = name_or_null(args->arg[P_AssocClass].path.class_name),
        .result_class = name_or_null(args->arg[P_ResultClass].path.class_name),
        .role = name_or_null(args->arg[P_Role].text),
        .result_role = name_or_null(args->arg[P_ResultRole].text),
    };
}

static void related(const struct cimxml_call *call,
                    const struct cimxml_args *args,
                    struct vr_buf *out,
                    struct cim_status *st,
                    bool associators,
                    bool names)
{
    struct result r = {.out = out,
                       .options = cimxml_instance_options(args),
                       .server = call->broker->server,
                       .names = names};
    struct cim_related f;
    cimxml_related_of(args, &f);
    if (args->arg[P_ObjectName].flag) {
        cim_broker_related_classes(call->broker, call->ns, &f, associators, put_one_class, &r, st);
        return;
    }
    cim_broker_related(call->broker, call->caller, call->ns, &f, associators, put_one, &r, st);
}

void op_associators(const struct cimxml_call *call,
                    const struct cimxml_args *args,
                    struct vr_buf *out,
                    struct cim_status *st)
{
    related(call, args, out, st, true, false);
}

void op_associator_names(const struct cimxml_call *call,
                         const struct cimxml_args *args,
                         struct vr_buf *out,
                         struct cim_status *st)
{
    related(call, args, out, st, true, true);
}

void op_references(const struct cimxml_call *call,
                   const struct cimxml_args *args,
                   struct vr_buf *out,
                   struct cim_status *st)
{
    related(call, args, out, st, false, false);
}

void op_reference_names(const struct cimxml_call *call,
                        const struct cimxml_args *args,
                        struct vr_buf *out,
                        struct cim_status *st)
{
    related(call, args, out, st, false, true);
}
