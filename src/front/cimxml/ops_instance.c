/* SPDX-License-Identifier: Apache-2.0 */
#include "front/cimxml/ops.h"

void op_get_instance(const struct cimxml_call *call,
                     const struct cimxml_args *args,
                     struct vr_buf *out,
                     struct cim_status *st)
{
    struct cimxml_options o = cimxml_instance_options(args);
    struct cim_instance *i = NULL;
    cim_broker_get_instance(call->broker, call->caller, call->ns, &args->arg[P_InstanceName].path,
                            call->arena, &i, st);
    if (st->code == CIM_OK && i) {
        put_instance(out, i, &o);
    }
}

void op_get_property(const struct cimxml_call *call,
                     const struct cimxml_args *args,
                     struct vr_buf *out,
                     struct cim_status *st)
{
    const char *name = args->arg[P_PropertyName].text;
    struct cim_instance *i = NULL;
    cim_broker_get_instance(call->broker, call->caller, call->ns, &args->arg[P_InstanceName].path,
                            call->arena, &i, st);
    if (st->code != CIM_OK || !i) {
        return;
    }
    const struct cim_value *v = cim_get(i, name);
    if (!v) {
        cim_fail(st, CIM_ERR_NO_SUCH_PROPERTY, "%s has no property '%.60s'", i->cls->name, name);
        return;
    }
    put_value(out, v);
}

struct listing {
    struct vr_buf *out;
    struct cimxml_options options;
    struct cimxml_form form;
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
        put_instance_as(l->out, &l->form, i, &l->options);
        vr_buf_text(l->out, "</VALUE.NAMEDINSTANCE>");
    }
    return !l->out->failed;
}

static void list(const struct cimxml_call *call,
                 const struct cimxml_args *args,
                 struct listing *l,
                 struct cim_status *st)
{
    const char *name = args->arg[P_ClassName].path.class_name;
    if (!args->arg[P_DeepInheritance].flag) {
        l->options.as = cim_schema_class(call->schema, name);
    }
    cimxml_form_init(&l->form);
    cim_broker_enum_instances(call->broker, call->caller, call->ns, name, list_one, l, st);
    cimxml_form_deinit(&l->form);
}

void op_enumerate_instances(const struct cimxml_call *call,
                            const struct cimxml_args *args,
                            struct vr_buf *out,
                            struct cim_status *st)
{
    list(call, args, &(struct listing){.out = out, .options = cimxml_instance_options(args)}, st);
}

void op_enumerate_instance_names(const struct cimxml_call *call,
                                 const struct cimxml_args *args,
                                 struct vr_buf *out,
                                 struct cim_status *st)
{
    list(call, args, &(struct listing){.out = out, .names = true}, st);
}
