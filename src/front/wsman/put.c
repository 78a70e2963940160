/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Put, of a whole instance or of one property (FragmentTransfer). Properties that the client does
 * not name stay as they are. The answer is the instance as it is then.
 */
#include <string.h>
#include <strings.h>

#include "front/wsman/internal.h"

/* Lives in the call's arena. */
struct putting {
    struct wsman_call *call;
    struct cim_modify modify;
    struct wsman_fragment part;
    bool has_part;
};

static void on_modified(void *ctx, const struct cim_status *st)
{
    struct putting *p = ctx;
    struct wsman_call *c = p->call;
    struct cim_instance *now = NULL;
    struct cim_status got = *st;
    struct wsman_form form = {0};
    struct vr_buf b;
    vr_buf_init_spare(&b, WSMAN_BUFFER_MAX);
    if (got.code == CIM_OK) {
        c->acted = true;
        cim_broker_get_instance(c->broker, &c->caller, c->names.ns, &p->modify.path, &c->arena,
                                &now, &got);
    }
    if (!now) {
        wsman_fail_put(c, &got);
    } else if (p->has_part) {
        wsman_begin_fragment(c, &b, NS_X "/PutResponse", &p->part);
        put_fragment(c, &b, &p->part, now);
    } else {
        wsman_begin(c, &b, NS_X "/PutResponse", -1);
        put_wsman_instance(&b, &c->names, &form, now);
        wsman_form_deinit(&form);
    }
    wsman_end(c, &b);
    wsman_call_free(c);
}

/* One property: its element, or its text. */
static bool read_part(struct wsman_call *c, struct putting *p)
{
    const struct cim_class *cls = p->modify.cls;
    const xmlNode *n = c->body;
    if (!node_is(n, "XmlFragment") || node_next(n)) {
        wsman_fail(c, WSF_SCHEMA_VALIDATION, NULL, "the body is not one XmlFragment");
        return false;
    }
    if (!p->part.name) {
        n = node_only(n);
        if (!n || strcasecmp((const char *)n->name, cls->name) != 0) {
            wsman_fail(c, WSF_INVALID_REPRESENTATION, "InvalidFragment",
                       "the XmlFragment does not hold one %s", cls->name);
            return false;
        }
        return wsman_read_object(c, n, cls, &p->modify);
    }
    if (cls->props[p->part.prop].is_array || p->part.index > 1) {
        wsman_fail(c, WSF_CANNOT_PROCESS_FILTER, NULL, "%s cannot be put by parts",
                   cls->props[p->part.prop].name);
        return false;
    }
    if (p->part.text) {
        return wsman_read_property(c, n, cls, p->part.prop, &p->modify);
    }
    n = node_only(n);
    if (!n || strcasecmp((const char *)n->name, p->part.name) != 0) {
        wsman_fail(c, WSF_INVALID_REPRESENTATION, "InvalidFragment",
                   "the XmlFragment does not hold one %s", p->part.name);
        return false;
    }
    return wsman_read_property(c, n, cls, p->part.prop, &p->modify);
}

static bool read_whole(struct wsman_call *c, struct putting *p)
{
    const struct cim_class *cls = p->modify.cls;
    if (!c->body || node_next(c->body) || strcasecmp((const char *)c->body->name, cls->name) != 0) {
        wsman_fail(c, WSF_SCHEMA_VALIDATION, NULL, "the body is not one %s", cls->name);
        return false;
    }
    return wsman_read_object(c, c->body, cls, &p->modify);
}

static bool prepare(struct wsman_call *c, struct putting *p)
{
    p->call = c;
    p->modify.caller = c->caller;
    p->modify.cls = wsman_class(c);
    p->has_part = c->fragment != NULL;
    if (!p->modify.cls || (p->has_part && !wsman_read_fragment(c, p->modify.cls, &p->part)) ||
        !wsman_find(c, p->modify.cls, &p->modify.path)) {
        return false;
    }
    return p->has_part ? read_part(c, p) : read_whole(c, p);
}

void wsman_put(struct wsman_call *take_c)
{
    struct wsman_call *c = take_c;
    struct putting *p = cim_alloc(&c->arena, sizeof *p);
    if (!p) {
        wsman_fail(c, WSF_QUOTA_LIMIT, NULL, "the request needs too much memory");
    } else if (prepare(c, p)) {
        c->body = c->fragment = NULL; /* the document does not live that long */
        cim_broker_modify_instance(c->broker, &p->modify, on_modified, p);
        return;
    }
    struct vr_buf b;
    vr_buf_init(&b, WSMAN_BUFFER_MAX);
    wsman_end(c, &b);
    wsman_call_free(c);
}
