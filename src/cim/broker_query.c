/* SPDX-License-Identifier: Apache-2.0 */
#include <strings.h>

#include "cim/broker.h"
#include "cim/wql.h"
#include "util/num.h"

static int
check_related(const struct cim_schema *schema, const struct cim_wql *q, struct vr_err *err)
{
    const char *const names[] = {q->path.class_name, q->assoc_class, q->result_class};
    for (size_t i = 0; i < VR_COUNT(names); i++) {
        if (names[i] && !cim_schema_class(schema, names[i])) {
            return vr_fail(err, VR_E_INVALID, "no class '%.60s' in %s", names[i], schema->ns);
        }
    }
    if (q->path.ns && !cim_ns_eq(q->path.ns, schema->ns)) {
        return vr_fail(err, VR_E_INVALID, "the object is in another namespace, '%.60s'",
                       q->path.ns);
    }
    return 0;
}

void cim_broker_query(struct cim_broker *b,
                      const char *ns,
                      const char *language,
                      const char *text,
                      struct cim_arena *a,
                      struct cim_wql *ret,
                      struct cim_status *st)
{
    struct vr_err err = VR_ERR_INIT;
    const struct cim_schema *schema = cim_broker_schema(b, ns, st);
    if (!schema) {
        return;
    }
    if (strcasecmp(language, "WQL") != 0) {
        cim_fail(st, CIM_ERR_QUERY_LANGUAGE_NOT_SUPPORTED, "'%.40s' is not spoken here, only WQL",
                 language);
        return;
    }
    int r = cim_wql_parse(a, text, ret, &err);
    if (r == 0 && ret->kind != WQL_SELECT) {
        r = check_related(schema, ret, &err);
    } else if (r == 0) {
        const struct cim_class *cls = cim_schema_class(schema, ret->class_name);
        r = cls ? cim_wql_check(ret, cls, &err)
                : vr_fail(&err, VR_E_INVALID, "column %u: no class '%.60s' in %s",
                          ret->class_column, ret->class_name, schema->ns);
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

/* KeysOnly asks for less than there is; what asks for classes is another thing. */
static void run_related(struct cim_broker *b,
                        const struct cim_caller *who,
                        const char *ns,
                        const struct cim_wql *q,
                        cim_instance_cb cb,
                        void *ctx,
                        struct cim_status *st)
{
    struct cim_related f = {.path = q->path,
                            .assoc_class = q->assoc_class,
                            .result_class = q->result_class,
                            .role = q->role,
                            .result_role = q->result_role};
    if (q->class_defs_only || q->schema_only || q->required_qualifier ||
        q->required_assoc_qualifier) {
        cim_fail(st, CIM_ERR_NOT_SUPPORTED,
                 "ClassDefsOnly, SchemaOnly and required qualifiers are not supported");
        return;
    }
    if (f.path.nkeys == 0) {
        cim_fail(st, CIM_ERR_NOT_SUPPORTED, "associations of classes are not supported in WQL");
        return;
    }
    cim_broker_related(b, who, ns, &f, q->kind == WQL_ASSOCIATORS, cb, ctx, st);
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
    if (q->kind != WQL_SELECT) {
        run_related(b, who, ns, q, cb, ctx, st);
        return;
    }
    const struct cim_schema *schema = cim_broker_schema(b, ns, st);
    if (!schema) {
        return;
    }
    s.env = (struct cim_wql_env){.server = b->server, .ns = schema->ns, .schema = schema};
    cim_arena_init(&s.arena, CIM_INSTANCE_MAX_BYTES);
    cim_broker_enum_instances(b, who, ns, q->class_name, select_one, &s, st);
    cim_arena_deinit(&s.arena);
}
