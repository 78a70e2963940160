/* SPDX-License-Identifier: Apache-2.0 */
#include "broker.h"

#include <stdlib.h>
#include <string.h>

#include "cim/mof.h"
#include "cim/pull.h"
#include "util/fdio.h"
#include "util/vtime.h"

static void get_one(struct cim_broker *b,
                    const struct cim_caller *who,
                    const struct cim_class *cls,
                    const struct cim_path *path,
                    struct cim_arena *a,
                    struct cim_instance **ret,
                    struct cim_status *st)
{
    *ret = cim_instance_new(a, cls);
    cim_instance_make_path(*ret, CIM_NAMESPACE);
}

static void enum_one(struct cim_broker *b,
                     const struct cim_caller *who,
                     const struct cim_class *cls,
                     cim_instance_cb cb,
                     void *ctx,
                     struct cim_status *st)
{
    struct cim_arena a;
    cim_arena_init(&a, 1 << 20);
    struct cim_instance *i = cim_instance_new(&a, cls);
    cim_instance_make_path(i, CIM_NAMESPACE);
    if (i) {
        cb(ctx, i);
    }
    cim_arena_deinit(&a);
}

static void
invoke_nothing(struct cim_broker *b, const struct cim_invoke *call, cim_invoke_done fn, void *ctx)
{
    struct cim_invoke_result res;
    memset(&res, 0, sizeof res);
    cim_fail(&res.status, CIM_ERR_FAILED, "nothing here");
    vr_assert(call->nparams <= CIM_PARAMS_MAX);
    fn(ctx, &res);
}

static void
modify_nothing(struct cim_broker *b, const struct cim_modify *m, cim_modify_done fn, void *ctx)
{
    struct cim_status st = {0};
    for (uint32_t i = 0; i < m->nnames; i++) {
        vr_assert(cim_class_prop(m->cls, m->names[i]) >= 0);
    }
    fn(ctx, &st);
}

static struct cim_schema *load(const char *path, const char *ns)
{
    struct cim_schema *schema = NULL;
    struct vr_err err = VR_ERR_INIT;
    char *text;
    size_t n;
    vr_assert(vr_read_file(path, CIM_MOF_MAX_BYTES, &text, &n, &err) == 0);
    vr_assert(cim_mof_parse(text, n, "schema", &schema, &err) == 0);
    free(text);
    schema->ns = ns;
    return schema;
}

struct cim_broker *fuzz_broker(void)
{
    static const struct cim_broker_ops ops = {.name = "fuzz",
                                              .get_instance = get_one,
                                              .enum_instances = enum_one,
                                              .invoke = invoke_nothing,
                                              .modify_instance = modify_nothing};
    static struct cim_broker broker = {.ops = &ops, .server = "fuzz"};
    if (broker.schema) {
        return &broker;
    }
    broker.pulls = cim_pulls_new(vr_mono_ms);
    vr_assert(broker.pulls);
    static struct cim_schema *schema;
    schema = load(FUZZ_SCHEMA, CIM_NAMESPACE);
    schema->next = load(FUZZ_SCHEMA_INTEROP, "root/interop");
    broker.schema = schema;
    return &broker;
}
