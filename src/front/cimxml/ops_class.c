/* SPDX-License-Identifier: Apache-2.0 */
#include "front/cimxml/ops.h"

void op_get_class(const struct cimxml_call *call,
                  const struct cimxml_args *args,
                  struct vr_buf *out,
                  struct cim_status *st)
{
    struct cimxml_options o = cimxml_options_of(args);
    /* DSP0200: a class that does not exist is NOT_FOUND here, INVALID_CLASS elsewhere */
    const struct cim_class *c = cim_broker_class(
        call->broker, call->ns, args->arg[P_ClassName].path.class_name, CIM_ERR_NOT_FOUND, st);
    if (c) {
        put_class(out, c, &o);
    }
}

static void enum_classes(const struct cimxml_call *call,
                         const struct cimxml_args *args,
                         struct vr_buf *out,
                         struct cim_status *st,
                         bool names)
{
    const struct cimxml_arg *name = &args->arg[P_ClassName];
    struct cimxml_options o = cimxml_options_of(args);
    const struct cim_class *top =
        name->given ? cim_broker_class(call->broker, call->ns, name->path.class_name,
                                       CIM_ERR_INVALID_CLASS, st)
                    : NULL;
    if (name->given && !top) {
        return;
    }
    for (const struct cim_class *c = call->schema->first; c; c = c->next) {
        bool below = !top || (c != top && cim_class_is_a(c, top->name));
        if (!below || (!args->arg[P_DeepInheritance].flag && c->super != top)) {
            continue;
        }
        if (names) {
            vr_buf_printf(out, "<CLASSNAME NAME=\"%s\"/>", c->name);
        } else {
            put_class(out, c, &o);
        }
    }
}

void op_enumerate_classes(const struct cimxml_call *call,
                          const struct cimxml_args *args,
                          struct vr_buf *out,
                          struct cim_status *st)
{
    enum_classes(call, args, out, st, false);
}

void op_enumerate_class_names(const struct cimxml_call *call,
                              const struct cimxml_args *args,
                              struct vr_buf *out,
                              struct cim_status *st)
{
    enum_classes(call, args, out, st, true);
}

void op_get_qualifier(const struct cimxml_call *call,
                      const struct cimxml_args *args,
                      struct vr_buf *out,
                      struct cim_status *st)
{
    const char *name = args->arg[P_QualifierName].text;
    const struct cim_qualifier_decl *d = cim_schema_qualifier(call->schema, name);
    if (!d) {
        cim_fail(st, CIM_ERR_NOT_FOUND, "no qualifier '%.60s' in %s", name, call->schema->ns);
        return;
    }
    put_qualifier_declaration(out, d);
}

void op_enumerate_qualifiers(const struct cimxml_call *call,
                             const struct cimxml_args *args,
                             struct vr_buf *out,
                             struct cim_status *st)
{
    for (const struct cim_qualifier_decl *d = call->schema->quals; d; d = d->next) {
        put_qualifier_declaration(out, d);
    }
}
