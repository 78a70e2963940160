/* SPDX-License-Identifier: Apache-2.0 */
#include "front/wsman/internal.h"

void wsman_get(struct wsman_call *c, struct vr_buf *b)
{
    struct wsman_form form = {0};
    struct wsman_fragment part;
    struct cim_status st = {0};
    struct cim_path path;
    struct cim_instance *i = NULL;
    if (c->names.classes) {
        wsman_get_class(c, b);
        return;
    }
    const struct cim_class *cls = wsman_class(c);
    if (!cls || (c->fragment && !wsman_read_fragment(c, cls, &part)) ||
        !wsman_find(c, cls, &path)) {
        return;
    }
    cim_broker_get_instance(c->broker, &c->caller, c->names.ns, &path, &c->arena, &i, &st);
    if (st.code != CIM_OK || !i) {
        wsman_fail_cim(c, &st);
        return;
    }
    if (c->fragment) {
        wsman_begin_fragment(c, b, NS_X "/GetResponse", &part);
        put_fragment(c, b, &part, i);
        return;
    }
    wsman_begin(c, b, NS_X "/GetResponse", -1);
    put_wsman_instance(b, &c->names, &form, i);
    wsman_form_deinit(&form);
}
