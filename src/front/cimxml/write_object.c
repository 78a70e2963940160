/* SPDX-License-Identifier: Apache-2.0 */
/* Qualifiers, instances and classes to XML text. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "front/cimxml/internal.h"

static void put_flavors(struct vr_buf *b, unsigned flavors)
{
    if (!(flavors & CIM_FLAVOR_OVERRIDABLE)) {
        put_attr(b, "OVERRIDABLE", "false");
    }
    if (!(flavors & CIM_FLAVOR_TO_SUBCLASS)) {
        put_attr(b, "TOSUBCLASS", "false");
    }
    if (flavors & CIM_FLAVOR_TRANSLATABLE) {
        put_attr(b, "TRANSLATABLE", "true");
    }
}

static void put_qualifiers(struct vr_buf *b,
                           const struct cim_qualifier *q,
                           uint32_t n,
                           const struct cimxml_options *o)
{
    for (uint32_t i = 0; o->qualifiers && i < n; i++) {
        if (o->local_only && q[i].propagated) {
            continue;
        }
        vr_buf_text(b, "<QUALIFIER");
        put_attr(b, "NAME", q[i].name);
        put_attr(b, "TYPE", cim_type_text(q[i].value.type));
        if (q[i].propagated) {
            put_attr(b, "PROPAGATED", "true");
        }
        put_flavors(b, q[i].flavors);
        vr_buf_text(b, ">");
        put_value(b, &q[i].value);
        vr_buf_text(b, "</QUALIFIER>");
    }
}

void put_qualifier_declaration(struct vr_buf *b, const struct cim_qualifier_decl *d)
{
    static const char *const scopes[] = {
#define X(name) #name,
        CIM_SCOPES(X)
#undef X
    };
    vr_buf_text(b, "<QUALIFIER.DECLARATION");
    put_attr(b, "NAME", d->name);
    put_attr(b, "TYPE", cim_type_text(d->type));
    put_attr(b, "ISARRAY", d->is_array ? "true" : "false");
    put_flavors(b, d->flavors);
    vr_buf_text(b, "><SCOPE");
    for (unsigned i = 0; i < CIM_SCOPE_COUNT; i++) {
        if (d->scopes & (1u << i)) {
            put_attr(b, scopes[i], "true");
        }
    }
    vr_buf_text(b, "/>");
    put_value(b, &d->initial);
    vr_buf_text(b, "</QUALIFIER.DECLARATION>");
}

static bool
wanted(const struct cim_feature *f, const struct cim_class *cls, const struct cimxml_options *o)
{
    if (o->local_only && strcasecmp(f->declared, cls->name) != 0) {
        return false;
    }
    if (o->as && cim_class_prop(o->as, f->name) < 0) {
        return false;
    }
    for (size_t i = 0; o->has_list && i < o->nlist; i++) {
        if (strcasecmp(o->list[i], f->name) == 0) {
            return true;
        }
    }
    return !o->has_list;
}

static const char *property_tag(const struct cim_feature *f)
{
    return f->type == CIM_REFERENCE ? "PROPERTY.REFERENCE"
           : f->is_array            ? "PROPERTY.ARRAY"
                                    : "PROPERTY";
}

/* The start tag up to its '>'. Of a class or of an instance; embedded: the value is an instance
 * whatever the declaration says. */
static void put_property_start(struct vr_buf *b,
                               const struct cim_feature *f,
                               const struct cim_class *cls,
                               const struct cimxml_options *o,
                               bool embedded)
{
    put_open(b, property_tag(f));
    put_attr(b, "NAME", f->name);
    if (f->type == CIM_REFERENCE) {
        put_attr(b, "REFERENCECLASS", f->ref_class);
    } else {
        put_attr(b, "TYPE", cim_type_text(f->type));
    }
    if (o->origin) {
        put_attr(b, "CLASSORIGIN", f->origin);
    }
    if (o->is_class && strcasecmp(f->declared, cls->name) != 0) {
        put_attr(b, "PROPAGATED", "true");
    }
    if (embedded || cim_qualifier(f->quals, f->nquals, "EmbeddedInstance")) {
        put_attr(b, "EmbeddedObject", "instance");
    }
}

static bool is_embedded(const struct cim_value *v)
{
    return v->type == CIM_INSTANCE && !v->is_null;
}

static void put_property(struct vr_buf *b,
                         const struct cim_feature *f,
                         const struct cim_value *v,
                         const struct cim_class *cls,
                         const struct cimxml_options *o)
{
    put_property_start(b, f, cls, o, is_embedded(v));
    vr_buf_u8(b, '>'); /* and never "/>", which sblim-wbemcli takes for an error here */
    put_qualifiers(b, f->quals, f->nquals, o);
    put_value(b, v);
    put_close(b, property_tag(f));
}

static void
put_instance_start(struct vr_buf *b, const struct cim_class *cls, const struct cimxml_options *o)
{
    vr_buf_text(b, "<INSTANCE");
    put_attr(b, "CLASSNAME", cls->name);
    vr_buf_u8(b, '>');
    put_qualifiers(b, cls->quals, cls->nquals, o);
}

void put_instance(struct vr_buf *b, const struct cim_instance *i, const struct cimxml_options *o)
{
    put_instance_start(b, i->cls, o);
    for (uint32_t k = 0; k < i->cls->nprops; k++) {
        if (wanted(&i->cls->props[k], i->cls, o)) {
            put_property(b, &i->cls->props[k], &i->values[k], i->cls, o);
        }
    }
    vr_buf_text(b, "</INSTANCE>");
}

/* --- many instances --- */

struct piece {
    uint32_t at, len;
};

/* Where the texts of a property are in form->text; none: it is not wanted. The texts of those
 * without a value stand one behind the other, so that a run of them is one. */
struct cimxml_form_prop {
    bool scalar; /* open and close have the tags of VALUE in them */
    struct piece null, open, close;
};

static struct piece piece_from(const struct vr_buf *b, size_t at)
{
    return (struct piece){(uint32_t)at, (uint32_t)(b->len - at)};
}

static void form_null(struct cimxml_form *form,
                      const struct cim_feature *f,
                      const struct cimxml_options *o,
                      struct cimxml_form_prop *ret)
{
    const struct cim_value none = {.type = f->type, .is_array = f->is_array, .is_null = true};
    size_t at = form->text.len;
    *ret = (struct cimxml_form_prop){.scalar = !f->is_array && f->type != CIM_REFERENCE};
    if (wanted(f, form->cls, o)) {
        put_property(&form->text, f, &none, form->cls, o);
    }
    ret->null = piece_from(&form->text, at);
}

static void form_open(struct cimxml_form *form,
                      const struct cim_feature *f,
                      const struct cimxml_options *o,
                      struct cimxml_form_prop *ret)
{
    struct vr_buf *b = &form->text;
    size_t at = b->len;
    put_property_start(b, f, form->cls, o, false);
    vr_buf_u8(b, '>');
    put_qualifiers(b, f->quals, f->nquals, o);
    vr_buf_text(b, ret->scalar ? "<VALUE>" : "");
    ret->open = piece_from(b, at);
    at = b->len;
    vr_buf_text(b, ret->scalar ? "</VALUE>" : "");
    put_close(b, property_tag(f));
    ret->close = piece_from(b, at);
}

static bool
form_make(struct cimxml_form *form, const struct cim_class *cls, const struct cimxml_options *o)
{
    struct cimxml_form_prop *props = realloc(form->props, (cls->nprops + 1) * sizeof *props);
    if (!props) {
        return false;
    }
    form->props = props;
    form->cls = cls;
    vr_buf_reset(&form->text);
    put_instance_start(&form->text, cls, o);
    form->start = form->text.len;
    for (uint32_t k = 0; k < cls->nprops; k++) {
        form_null(form, &cls->props[k], o, &props[k]);
    }
    for (uint32_t k = 0; k < cls->nprops; k++) {
        form_open(form, &cls->props[k], o, &props[k]);
    }
    return !form->text.failed;
}

void cimxml_form_init(struct cimxml_form *form)
{
    *form = (struct cimxml_form){0};
    vr_buf_init(&form->text, CIMXML_MEMORY_MAX);
}

void cimxml_form_deinit(struct cimxml_form *form)
{
    vr_buf_deinit(&form->text);
    free(form->props);
}

static void form_value(struct vr_buf *b,
                       const struct cimxml_form *form,
                       const struct cim_instance *i,
                       uint32_t k,
                       const struct cimxml_options *o)
{
    const struct cimxml_form_prop *p = &form->props[k];
    const struct cim_value *v = &i->values[k];
    char num[32];
    if (!p->null.len) {
        return; /* not wanted */
    }
    if (v->type == CIM_INSTANCE) {
        put_property(b, &i->cls->props[k], v, i->cls, o);
        return;
    }
    vr_buf_bytes(b, form->text.data + p->open.at, p->open.len);
    if (p->scalar) {
        put_escaped(b, cim_value_text(v, num, sizeof num));
    } else {
        put_value(b, v);
    }
    vr_buf_bytes(b, form->text.data + p->close.at, p->close.len);
}

void put_instance_as(struct vr_buf *b,
                     struct cimxml_form *form,
                     const struct cim_instance *i,
                     const struct cimxml_options *o)
{
    if (form->cls != i->cls && !form_make(form, i->cls, o)) {
        b->failed = true;
        return;
    }
    vr_buf_bytes(b, form->text.data, form->start);
    for (uint32_t k = 0; k < i->cls->nprops;) {
        uint32_t first = k;
        while (k < i->cls->nprops && i->values[k].is_null) {
            k++;
        }
        if (k > first) {
            size_t from = form->props[first].null.at;
            const struct piece *last = &form->props[k - 1].null;
            vr_buf_bytes(b, form->text.data + from, last->at + last->len - from);
        } else {
            form_value(b, form, i, k++, o);
        }
    }
    vr_buf_text(b, "</INSTANCE>");
}

static void
put_parameter(struct vr_buf *b, const struct cim_feature *f, const struct cimxml_options *o)
{
    bool is_ref = f->type == CIM_REFERENCE;
    const char *tag = is_ref && f->is_array ? "PARAMETER.REFARRAY"
                      : is_ref              ? "PARAMETER.REFERENCE"
                      : f->is_array         ? "PARAMETER.ARRAY"
                                            : "PARAMETER";
    vr_buf_printf(b, "<%s", tag);
    put_attr(b, "NAME", f->name);
    put_attr(b, is_ref ? "REFERENCECLASS" : "TYPE", is_ref ? f->ref_class : cim_type_text(f->type));
    vr_buf_text(b, ">");
    put_qualifiers(b, f->quals, f->nquals, o);
    vr_buf_printf(b, "</%s>", tag);
}

static void put_method(struct vr_buf *b,
                       const struct cim_method *m,
                       const struct cim_class *cls,
                       const struct cimxml_options *o)
{
    bool inherited = strcasecmp(m->declared, cls->name) != 0;
    if (o->local_only && inherited) {
        return;
    }
    vr_buf_text(b, "<METHOD");
    put_attr(b, "NAME", m->name);
    put_attr(b, "TYPE", cim_type_text(m->type));
    if (o->origin) {
        put_attr(b, "CLASSORIGIN", m->origin);
    }
    if (inherited) {
        put_attr(b, "PROPAGATED", "true");
    }
    vr_buf_text(b, ">");
    put_qualifiers(b, m->quals, m->nquals, o);
    for (uint32_t i = 0; i < m->nparams; i++) {
        put_parameter(b, &m->params[i], o);
    }
    vr_buf_text(b, "</METHOD>");
}

void put_class(struct vr_buf *b, const struct cim_class *c, const struct cimxml_options *said)
{
    struct cimxml_options of_class = *said, *o = &of_class;
    of_class.is_class = true;
    static const struct cim_value none = {.is_null = true};
    vr_buf_text(b, "<CLASS");
    put_attr(b, "NAME", c->name);
    if (c->super) {
        put_attr(b, "SUPERCLASS", c->super->name);
    }
    vr_buf_text(b, ">");
    put_qualifiers(b, c->quals, c->nquals, o);
    for (uint32_t i = 0; i < c->nprops; i++) {
        const struct cim_feature *f = &c->props[i];
        if (wanted(f, c, o)) {
            put_property(b, f, f->initial.type == CIM_NONE ? &none : &f->initial, c, o);
        }
    }
    for (uint32_t i = 0; i < c->nmethods; i++) {
        put_method(b, &c->methods[i], c, o);
    }
    vr_buf_text(b, "</CLASS>");
}
