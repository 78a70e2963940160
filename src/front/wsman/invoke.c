/* SPDX-License-Identifier: Apache-2.0 */
/* Methods. What one refuses is its return value; a fault says that it was not called. */
#include <string.h>
#include <strings.h>

#include "front/wsman/internal.h"

/* Lives in the call's arena. */
struct invocation {
    struct wsman_call *call;
    struct cim_invoke inv;
};

static void on_invoked(void *ctx, const struct cim_invoke_result *res)
{
    struct invocation *in = ctx;
    struct wsman_call *c = in->call;
    struct vr_buf b;
    vr_buf_init_spare(&b, WSMAN_BUFFER_MAX);
    if (res->status.code != CIM_OK) {
        wsman_fail_cim(c, &res->status);
    } else {
        c->acted = true;
        const char *action = cim_printf(&c->arena, "%sResponse", c->action);
        wsman_begin(c, &b, action ? action : c->action, -1);
        vr_buf_printf(&b, "<p:%s_OUTPUT xmlns:p=\"", in->inv.method->name);
        put_class_uri(&b, &c->names, NULL, in->inv.cls->name);
        vr_buf_text(&b, "\">");
        for (uint32_t i = 0; i < res->nout; i++) {
            put_wsman_value(&b, &c->names, res->out[i].name, &res->out[i].value);
        }
        put_wsman_value(&b, &c->names, "ReturnValue", &res->value);
        vr_buf_printf(&b, "</p:%s_OUTPUT>", in->inv.method->name);
    }
    wsman_end(c, &b);
    wsman_call_free(c);
}

/* The body's one element is METHOD_INPUT; a method without parameters may come without it. */
static bool input_ok(struct wsman_call *c, const struct cim_method *m)
{
    const char *wanted = cim_printf(&c->arena, "%s_INPUT", m->name);
    if (c->body && wanted &&
        (strcasecmp((const char *)c->body->name, wanted) != 0 || node_next(c->body))) {
        wsman_fail(c, WSF_SCHEMA_VALIDATION, NULL, "the body is not one %s", wanted);
        return false;
    }
    return true;
}

static bool prepare(struct wsman_call *c, struct cim_invoke *inv)
{
    struct cim_status st = {0};
    const struct cim_class *cls = wsman_class(c);
    if (!cls) {
        return false;
    }
    inv->caller = c->caller;
    inv->path = c->target;
    inv->method = cim_broker_method(c->broker, c->names.ns, &inv->path,
                                    c->action + strlen(c->uri) + 1, &inv->cls, &st);
    if (!inv->method) {
        wsman_fail_cim(c, &st);
        return false;
    }
    bool on_class = c->target.nkeys == 0 && cim_method_has(inv->method, "Static");
    if (!input_ok(c, inv->method) || (!on_class && !wsman_find(c, cls, &inv->path))) {
        return false;
    }
    inv->path.ns = c->names.ns;
    return wsman_read_params(c, c->body, inv);
}

void wsman_invoke(struct wsman_call *take_c)
{
    struct wsman_call *c = take_c;
    struct invocation *in = cim_alloc(&c->arena, sizeof *in);
    if (in) {
        in->call = c;
        if (prepare(c, &in->inv)) {
            c->body = NULL; /* the document does not live that long */
            cim_broker_invoke(c->broker, &in->inv, on_invoked, in);
            return;
        }
    } else {
        wsman_fail(c, WSF_QUOTA_LIMIT, NULL, "the request needs too much memory");
    }
    struct vr_buf b;
    vr_buf_init(&b, WSMAN_BUFFER_MAX);
    wsman_end(c, &b);
    wsman_call_free(c);
}
