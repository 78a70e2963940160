/* SPDX-License-Identifier: Apache-2.0 */
#include "cim/wql.h"
#include "front/cimxml/ops.h"

struct result {
    struct vr_buf *out;
    struct cimxml_options options;
    const char *server;
};

static bool put_one(void *ctx, const struct cim_instance *i)
{
    struct result *r = ctx;
    put_object_with_path(r->out, r->server, i, &r->options);
    return !r->out->failed;
}

bool cimxml_select_list(const struct cimxml_call *call,
                        const struct cim_wql *q,
                        struct cimxml_options *o)
{
    const char **list = q->nprops ? cim_alloc(call->arena, q->nprops * sizeof *list) : NULL;
    for (uint32_t i = 0; list && i < q->nprops; i++) {
        list[i] = q->props[i].text;
    }
    o->has_list = q->nprops > 0;
    o->list = list;
    o->nlist = q->nprops;
    return list || !q->nprops;
}

/* The path of an instance is given whether its keys are selected or not. */
void op_exec_query(const struct cimxml_call *call,
                   const struct cimxml_args *args,
                   struct vr_buf *out,
                   struct cim_status *st)
{
    struct result r = {.out = out, .server = call->broker->server};
    struct cim_wql q;
    cim_broker_query(call->broker, call->ns, args->arg[P_QueryLanguage].text,
                     args->arg[P_Query].text, call->arena, &q, st);
    if (st->code != CIM_OK) {
        return;
    }
    if (!cimxml_select_list(call, &q, &r.options)) {
        cim_fail(st, CIM_ERR_FAILED, "out of memory");
        return;
    }
    cim_broker_run_query(call->broker, call->caller, call->ns, &q, put_one, &r, st);
}
