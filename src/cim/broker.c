/* SPDX-License-Identifier: Apache-2.0 */
#include "cim/broker.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

void cim_fail(struct cim_status *st, int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    st->code = code;
    vsnprintf(st->text, sizeof st->text, fmt, ap);
    va_end(ap);
}

const struct cim_schema *
cim_broker_schema(const struct cim_broker *b, const char *ns, struct cim_status *st)
{
    for (const struct cim_schema *s = b->schema; s; s = s->next) {
        if (cim_ns_eq(ns, s->ns)) {
            return s;
        }
    }
    cim_fail(st, CIM_ERR_INVALID_NAMESPACE, "no namespace '%.100s' here, only", ns);
    for (const struct cim_schema *s = b->schema; s; s = s->next) {
        size_t n = strlen(st->text);
        snprintf(st->text + n, sizeof st->text - n, "%s %s", s == b->schema ? "" : ",", s->ns);
    }
    return NULL;
}

const struct cim_class *cim_broker_class(
    struct cim_broker *b, const char *ns, const char *name, int missing, struct cim_status *st)
{
    const struct cim_schema *schema = cim_broker_schema(b, ns, st);
    if (!schema) {
        return NULL;
    }
    const struct cim_class *cls = cim_schema_class(schema, name);
    if (!cls) {
        cim_fail(st, missing, "no class '%.100s' in %s", name, schema->ns);
    }
    return cls;
}

void cim_broker_get_instance(struct cim_broker *b,
                             const struct cim_caller *who,
                             const char *ns,
                             const struct cim_path *path,
                             struct cim_arena *a,
                             struct cim_instance **ret,
                             struct cim_status *st)
{
    const struct cim_class *cls =
        cim_broker_class(b, ns, path->class_name, CIM_ERR_INVALID_CLASS, st);
    if (!cls) {
        return;
    }
    b->ops->get_instance(b, who, cls, path, a, ret, st);
    if (st->code == CIM_OK && cim_arena_failed(a)) {
        cim_fail(st, CIM_ERR_FAILED, "out of memory");
    }
}

void cim_broker_enum_instances(struct cim_broker *b,
                               const struct cim_caller *who,
                               const char *ns,
                               const char *class_name,
                               cim_instance_cb cb,
                               void *ctx,
                               struct cim_status *st)
{
    const struct cim_class *top = cim_broker_class(b, ns, class_name, CIM_ERR_INVALID_CLASS, st);
    const struct cim_class *c = top ? top->schema->first : NULL;
    for (; c && st->code == CIM_OK; c = c->next) {
        if (!cim_class_is_abstract(c) && cim_class_is_a(c, top->name)) {
            b->ops->enum_instances(b, who, c, cb, ctx, st);
        }
    }
}

const struct cim_method *cim_broker_method(struct cim_broker *b,
                                           const char *ns,
                                           const struct cim_path *path,
                                           const char *method,
                                           const struct cim_class **ret_cls,
                                           struct cim_status *st)
{
    const struct cim_class *cls =
        cim_broker_class(b, ns, path->class_name, CIM_ERR_INVALID_CLASS, st);
    if (!cls) {
        return NULL;
    }
    const struct cim_method *m = cim_class_method(cls, method);
    if (!m) {
        cim_fail(st, CIM_ERR_METHOD_NOT_FOUND, "%s has no method '%.100s'", cls->name, method);
        return NULL;
    }
    *ret_cls = cls;
    return m;
}

void cim_broker_invoke(struct cim_broker *b,
                       const struct cim_invoke *call,
                       cim_invoke_done done,
                       void *ctx)
{
    vr_assert(call->cls && call->method);
    b->ops->invoke(b, call, done, ctx);
}

void cim_broker_modify_instance(struct cim_broker *b,
                                const struct cim_modify *m,
                                cim_modify_done done,
                                void *ctx)
{
    struct cim_status st = {0};
    if (b->ops->modify_instance) {
        b->ops->modify_instance(b, m, done, ctx);
        return;
    }
    cim_fail(&st, CIM_ERR_NOT_SUPPORTED, "no instance can be modified");
    done(ctx, &st);
}

const struct cim_param *cim_invoke_param(const struct cim_invoke *call, const char *name)
{
    for (uint32_t i = 0; i < call->nparams; i++) {
        if (strcasecmp(call->params[i].name, name) == 0) {
            return &call->params[i];
        }
    }
    return NULL;
}

const char *cim_code_text(int code)
{
    switch (code) {
#define X(name, value, text)                                                                       \
    case CIM_ERR_##name:                                                                           \
        return text;
        CIM_STATUS_CODES(X)
#undef X
    default:
        return "";
    }
}
