/* SPDX-License-Identifier: Apache-2.0 */
#include <strings.h>

#include "cim/broker.h"
#include "cim/wql.h"

void cim_broker_query(struct cim_broker *b,
                      const char *ns,
                      const char *language,
                      const char *text,
                      struct cim_arena *a,
                      struct cim_wql *ret,
                      struct cim_status *st)
{
    struct vr_err err = VR_ERR_INIT;
    if (!cim_broker_namespace(ns, st)) {
        return;
    }
    if (strcasecmp(language, "WQL") != 0) {
        cim_fail(st, CIM_ERR_QUERY_LANGUAGE_NOT_SUPPORTED, "'%.40s' is not spoken here, only WQL",
                 language);
        return;
    }
    int r = cim_wql_parse(a, text, ret, &err);
    if (r == 0 && ret->kind == WQL_SELECT) {
        const struct cim_class *cls = cim_schema_class(b->schema, ret->class_name);
        r = cls ? cim_wql_check(ret, cls, &err)
                : vr_fail(&err, VR_E_INVALID, "column %u: no class '%.60s' in %s",
                          ret->class_column, ret->class_name, CIM_NAMESPACE);
    }
    if (r < 0) {
        cim_fail(st, r == -VR_E_NOMEM ? CIM_ERR_FAILED : CIM_ERR_INVALID_QUERY, "%s",
                 vr_err_text(&err));
    }
}

struct select {
    const struct cim_wql *q;
    struct cim_wql_env env;
    struct cim_arena arena; /* emptied after each instance */
    cim_instance_cb cb;
    void *ctx;
    struct cim_status *st;
};

static bool select_one(void *ctx, const struct cim_instance *i)
{
    struct select *s = ctx;
    bool matches = cim_wql_matches(s->q, &s->env, i, &s->arena);
    if (cim_arena_failed(&s->arena)) {
        cim_fail(s->st, CIM_ERR_FAILED, "out of memory");
        return false;
    }
    cim_arena_reset(&s->arena);
    return !matches || s->cb(s->ctx, i);
}

void cim_broker_run_query(struct cim_broker *b,
                          const struct cim_caller *who,
                          const char *ns,
                          const struct cim_wql *q,
                          cim_instance_cb cb,
                          void *ctx,
                          struct cim_status *st)
{
    struct select s = {.q = q, .cb = cb, .ctx = ctx, .st = st};
    s.env = (struct cim_wql_env){.server = b->server, .ns = CIM_NAMESPACE, .schema = b->schema};
    if (q->kind != WQL_SELECT) {
        cim_fail(st, CIM_ERR_NOT_SUPPORTED, "only SELECT is supported");
        return;
    }
    cim_arena_init(&s.arena, CIM_INSTANCE_MAX_BYTES);
    cim_broker_enum_instances(b, who, ns, q->class_name, select_one, &s, st);
    cim_arena_deinit(&s.arena);
}
