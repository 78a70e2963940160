/* SPDX-License-Identifier: Apache-2.0 */
/* CIM values to XML as DSP0230 has it, in the way Windows writes it: properties in the order of the
 * alphabet, every one of them there, what has no value as xsi:nil. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "front/cimxml/internal.h"
#include "front/wsman/internal.h"

static bool is_listed(const struct wsman_form *form, const char *name)
{
    for (uint32_t i = 0; i < form->nlist; i++) {
        if (strcasecmp(form->list[i], name) == 0) {
            return true;
        }
    }
    return form->nlist == 0;
}

static bool form_make(struct wsman_form *form, const struct cim_class *cls)
{
    uint32_t *order = realloc(form->order, (cls->nprops + 1) * sizeof *order);
    if (!order) {
        return false;
    }
    form->order = order;
    form->cls = cls;
    form->norder = 0;
    for (uint32_t i = 0; i < cls->nprops; i++) {
        const char *name = cls->props[i].name;
        uint32_t k = form->norder;
        if (!is_listed(form, name)) {
            continue;
        }
        for (; k > 0 && strcasecmp(cls->props[order[k - 1]].name, name) > 0; k--) {
            order[k] = order[k - 1];
        }
        order[k] = i;
        form->norder++;
    }
    return true;
}

void wsman_form_deinit(struct wsman_form *form)
{
    free(form->order);
    form->order = NULL;
}

static void put_scalar(struct vr_buf *b, const struct wsman_names *names, const struct cim_value *v)
{
    char num[32];
    switch (v->type) {
    case CIM_REFERENCE:
        put_epr(b, names, v->ref);
        break;
    case CIM_INSTANCE:
        put_embedded(b, v->instance);
        break;
    case CIM_DATETIME:
        put_datetime(b, v->str);
        break;
    case CIM_BOOLEAN:
        vr_buf_text(b, v->b ? "true" : "false");
        break;
    default:
        put_escaped(b, cim_value_text(v, num, sizeof num));
    }
}

static void put_one(struct vr_buf *b,
                    const struct wsman_names *names,
                    const char *name,
                    const struct cim_value *v)
{
    if (v->is_null) {
        vr_buf_printf(b, "<p:%s xsi:nil=\"true\"/>", name);
        return;
    }
    vr_buf_printf(b, "<p:%s>", name);
    put_scalar(b, names, v);
    vr_buf_printf(b, "</p:%s>", name);
}

void put_wsman_value(struct vr_buf *b,
                     const struct wsman_names *names,
                     const char *name,
                     const struct cim_value *v)
{
    if (!v->is_array || v->is_null) {
        put_one(b, names, name, v);
        return;
    }
    for (uint32_t i = 0; i < v->count; i++) {
        put_one(b, names, name, &v->items[i]);
    }
}

void put_wsman_instance(struct vr_buf *b,
                        const struct wsman_names *names,
                        struct wsman_form *form,
                        const struct cim_instance *i)
{
    if (form->cls != i->cls && !form_make(form, i->cls)) {
        b->failed = true;
        return;
    }
    vr_buf_printf(b, "<p:%s xmlns:p=\"", i->cls->name);
    put_class_uri(b, names, i->path.ns, i->cls->name);
    vr_buf_printf(b, "\" xsi:type=\"p:%s_Type\">", i->cls->name);
    for (uint32_t k = 0; k < form->norder; k++) {
        put_wsman_value(b, names, i->cls->props[form->order[k]].name, &i->values[form->order[k]]);
    }
    vr_buf_printf(b, "</p:%s>", i->cls->name);
}
