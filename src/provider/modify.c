/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instances that can be modified: each through the method that changes what it shows, so that
 * roles, limits and events are the method's. What a client sends is often all of an instance that
 * it has read: what is equal to what is there is no change, the rest must be a property that the
 * method takes.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "provider/method.h"

#define SERVICE "Msvm_ReplicationService"

struct modification {
    struct cim_arena arena;
    struct cim_invoke inv;
    cim_modify_done done;
    void *ctx;
};

static void finish(struct modification *take_m, const struct cim_status *st)
{
    take_m->done(take_m->ctx, st);
    cim_arena_deinit(&take_m->arena);
    free(take_m);
}

static bool equal(const struct cim_value *a, const struct cim_value *b)
{
    char x[32], y[32];
    if (a->is_null || b->is_null) {
        return a->is_null == b->is_null;
    }
    return !a->is_array && !b->is_array && a->type == b->type && a->type != CIM_REFERENCE &&
           a->type != CIM_INSTANCE &&
           strcmp(cim_value_text(a, x, sizeof x), cim_value_text(b, y, sizeof y)) == 0;
}

static bool is_settable(const struct provider_modify *rule, const char *name)
{
    for (const char *const *s = rule->settable; *s; s++) {
        if (strcasecmp(*s, name) == 0) {
            return true;
        }
    }
    return false;
}

/* The changes alone, as the method's parameter. NULL: none, or st is set. */
static struct cim_instance *changes(struct cim_arena *a,
                                    const struct provider_modify *rule,
                                    const struct cim_modify *m,
                                    const struct cim_instance *now,
                                    struct cim_status *st)
{
    struct cim_instance *to = cim_instance_new(a, m->cls);
    bool any = false;
    if (!to) {
        cim_fail(st, CIM_ERR_FAILED, "out of memory");
        return NULL;
    }
    for (uint32_t i = 0; i < m->cls->nprops; i++) {
        to->values[i] = cim_null(m->cls->props[i].type);
    }
    for (uint32_t i = 0; i < m->nnames && st->code == CIM_OK; i++) {
        int at = cim_class_prop(m->cls, m->names[i]);
        const struct cim_value *v = at < 0 ? NULL : &m->to->values[at];
        if (!v) {
            cim_fail(st, CIM_ERR_NO_SUCH_PROPERTY, "%s has no property '%.60s'", m->cls->name,
                     m->names[i]);
        } else if (equal(v, &now->values[at])) {
            continue;
        } else if (!is_settable(rule, m->cls->props[at].name)) {
            cim_fail(st, CIM_ERR_INVALID_PARAMETER, "%s of %s cannot be changed",
                     m->cls->props[at].name, m->cls->name);
        } else if (v->is_null) {
            cim_fail(st, CIM_ERR_INVALID_PARAMETER, "%s of %s cannot be without a value",
                     m->cls->props[at].name, m->cls->name);
        } else {
            to->values[at] = *v;
            any = true;
        }
    }
    cim_set(to, rule->identity, *cim_get(now, rule->identity));
    return any && st->code == CIM_OK ? to : NULL;
}

static int cim_code_of(uint64_t code)
{
    switch (code) {
    case VR_RC_COMPLETED:
        return CIM_OK;
    case VR_RC_ACCESS_DENIED:
        return CIM_ERR_ACCESS_DENIED;
    case VR_RC_INVALID_PARAMETER:
        return CIM_ERR_INVALID_PARAMETER;
    case VR_RC_WRONG_TYPE:
        return CIM_ERR_TYPE_MISMATCH;
    case VR_RC_NOT_SUPPORTED:
        return CIM_ERR_NOT_SUPPORTED;
    default:
        return CIM_ERR_FAILED;
    }
}

static void on_invoked(void *ctx, const struct cim_invoke_result *res)
{
    struct cim_status st = res->status;
    if (st.code == CIM_OK && res->value.u != VR_RC_COMPLETED) {
        cim_fail(&st, cim_code_of(res->value.u), "%s",
                 res->reason[0] ? res->reason : vr_retcode_text((uint32_t)res->value.u));
    }
    finish(ctx, &st);
}

/* False: finished already. */
static bool prepare(struct provider *p,
                    const struct provider_class *c,
                    const struct cim_modify *m,
                    struct modification *mod,
                    struct cim_status *st)
{
    struct cim_path named = m->path;
    named.class_name = m->cls->name;
    struct cim_instance *now = c->get(p, m->cls, &named, &mod->arena);
    if (!now || !cim_path_eq(&now->path, &named)) {
        cim_fail(st, CIM_ERR_NOT_FOUND, "no such instance of %s", m->cls->name);
        return false;
    }
    struct cim_instance *to = changes(&mod->arena, c->modify, m, now, st);
    struct cim_path *service = to ? provider_ref_service(p, &mod->arena) : NULL;
    if (!service) {
        return false;
    }
    mod->inv = (struct cim_invoke){.caller = m->caller,
                                   .cls = cim_schema_class(p->schema, SERVICE),
                                   .path = *service,
                                   .nparams = 1};
    mod->inv.method = cim_class_method(mod->inv.cls, c->modify->method);
    mod->inv.params[0] =
        (struct cim_param){.name = c->modify->parameter, .value = cim_embedded(to)};
    return true;
}

void provider_modify(struct provider *p,
                     const struct provider_class *c,
                     const struct cim_modify *m,
                     cim_modify_done done,
                     void *ctx)
{
    struct cim_status st = {0};
    struct modification *mod = calloc(1, sizeof *mod);
    if (!mod) {
        cim_fail(&st, CIM_ERR_FAILED, "out of memory");
        done(ctx, &st);
        return;
    }
    mod->done = done;
    mod->ctx = ctx;
    cim_arena_init(&mod->arena, PROVIDER_INSTANCE_MAX_BYTES);
    bool wanted = prepare(p, c, m, mod, &st);
    if (cim_arena_failed(&mod->arena)) {
        cim_fail(&st, CIM_ERR_FAILED, "out of memory");
        wanted = false;
    }
    if (!wanted) {
        finish(mod, &st);
        return;
    }
    struct provider_call call = {.p = p, .in = &mod->inv, .done = on_invoked, .ctx = mod};
    provider_method_invoke(&call);
}
