/* SPDX-License-Identifier: Apache-2.0 */
/* CIM values to XML text. What XML 1.0 cannot carry is written as U+FFFD. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "front/cimxml/internal.h"

#define REPLACEMENT "\xef\xbf\xbd"

/* Named references where there are names: a client's own small parser may know no others. */
static const char *reference_of(unsigned char c, bool in_attr)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\r':
        return "&#13;";
    case '\n': /* a parser turns white space in attributes into blanks */
        return in_attr ? "&#10;" : NULL;
    case '\t':
        return in_attr ? "&#9;" : NULL;
    default:
        return NULL;
    }
}

/* ASCII that is written as it is, in an attribute, too. */
static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '&' && c != '<' && c != '>' && c != '"';
}

static void put_chars(struct vr_buf *b, const char *s, bool in_attr)
{
    const unsigned char *p = (const unsigned char *)s, *end = p + strlen(s);
    while (p < end) {
        const unsigned char *from = p;
        while (p < end && is_plain(*p)) {
            p++;
        }
        vr_buf_bytes(b, from, (size_t)(p - from));
        if (p == end) {
            return;
        }
        size_t n = cimxml_char_len(p, end);
        const char *ref = n == 0 ? REPLACEMENT : reference_of(*p, in_attr);
        if (ref) {
            vr_buf_text(b, ref);
        } else {
            vr_buf_bytes(b, p, n);
        }
        p += n ? n : 1;
    }
}

void put_escaped(struct vr_buf *b, const char *s)
{
    put_chars(b, s, false);
}

void put_attr(struct vr_buf *b, const char *name, const char *value)
{
    vr_buf_u8(b, ' ');
    vr_buf_text(b, name);
    vr_buf_text(b, "=\"");
    put_chars(b, value, true);
    vr_buf_u8(b, '"');
}

static void put_namespace(struct vr_buf *b, const char *ns)
{
    vr_buf_text(b, "<LOCALNAMESPACEPATH>");
    while (*ns) {
        size_t n = strcspn(ns, "/\\");
        if (n) {
            vr_buf_printf(b, "<NAMESPACE NAME=\"%.*s\"/>", (int)n, ns);
        }
        ns += n + (ns[n] ? 1 : 0);
    }
    vr_buf_text(b, "</LOCALNAMESPACEPATH>");
}

static void put_reference(struct vr_buf *b, const struct cim_path *p)
{
    vr_buf_text(b, "<VALUE.REFERENCE>");
    if (p->ns) {
        vr_buf_text(b, "<LOCALINSTANCEPATH>");
        put_namespace(b, p->ns);
    }
    put_instance_name(b, p);
    vr_buf_text(b, p->ns ? "</LOCALINSTANCEPATH></VALUE.REFERENCE>" : "</VALUE.REFERENCE>");
}

static void put_key(struct vr_buf *b, const struct cim_key *k)
{
    char num[32];
    vr_buf_text(b, "<KEYBINDING");
    put_attr(b, "NAME", k->name);
    vr_buf_text(b, ">");
    if (k->value.type == CIM_REFERENCE && !k->value.is_null) {
        put_reference(b, k->value.ref);
    } else {
        const char *type = k->value.type == CIM_BOOLEAN ? "boolean"
                           : k->value.type == CIM_STRING || k->value.type == CIM_DATETIME
                               ? "string"
                               : "numeric";
        vr_buf_text(b, "<KEYVALUE");
        put_attr(b, "VALUETYPE", type);
        put_attr(b, "TYPE", cim_type_text(k->value.type));
        vr_buf_u8(b, '>');
        put_escaped(b, cim_value_text(&k->value, num, sizeof num));
        vr_buf_text(b, "</KEYVALUE>");
    }
    vr_buf_text(b, "</KEYBINDING>");
}

void put_instance_name(struct vr_buf *b, const struct cim_path *p)
{
    vr_buf_text(b, "<INSTANCENAME");
    put_attr(b, "CLASSNAME", p->class_name);
    vr_buf_text(b, ">");
    for (uint32_t i = 0; i < p->nkeys; i++) {
        put_key(b, &p->keys[i]);
    }
    vr_buf_text(b, "</INSTANCENAME>");
}

static void put_namespace_path(struct vr_buf *b, const char *host, const char *ns)
{
    vr_assert(ns);
    vr_buf_text(b, "<NAMESPACEPATH><HOST>");
    put_escaped(b, host);
    vr_buf_text(b, "</HOST>");
    put_namespace(b, ns);
    vr_buf_text(b, "</NAMESPACEPATH>");
}

void put_instance_path(struct vr_buf *b, const char *host, const struct cim_path *p)
{
    vr_buf_text(b, "<INSTANCEPATH>");
    put_namespace_path(b, host, p->ns);
    put_instance_name(b, p);
    vr_buf_text(b, "</INSTANCEPATH>");
}

void put_class_path(struct vr_buf *b, const char *host, const struct cim_class *c)
{
    vr_buf_text(b, "<CLASSPATH>");
    put_namespace_path(b, host, c->schema->ns);
    vr_buf_printf(b, "<CLASSNAME NAME=\"%s\"/></CLASSPATH>", c->name);
}

void put_object_with_path(struct vr_buf *b,
                          const char *host,
                          const struct cim_instance *i,
                          const struct cimxml_options *o)
{
    vr_buf_text(b, "<VALUE.OBJECTWITHPATH>");
    put_instance_path(b, host, &i->path);
    put_instance(b, i, o);
    vr_buf_text(b, "</VALUE.OBJECTWITHPATH>");
}

/* The embedded instance's XML, escaped once more. */
static void put_embedded(struct vr_buf *b, const struct cim_instance *i)
{
    struct vr_buf inner;
    vr_buf_init(&inner, CIMXML_REQUEST_MAX_BYTES);
    put_instance(&inner, i, &(struct cimxml_options){0});
    const char *text = vr_buf_cstr(&inner);
    if (text) {
        put_escaped(b, text);
    } else {
        b->failed = true;
    }
    vr_buf_deinit(&inner);
}

static void put_scalar(struct vr_buf *b, const struct cim_value *v)
{
    char num[32];
    if (v->is_null) {
        vr_buf_text(b, "<VALUE.NULL/>");
        return;
    }
    if (v->type == CIM_REFERENCE) {
        put_reference(b, v->ref);
        return;
    }
    vr_buf_text(b, "<VALUE>");
    if (v->type == CIM_INSTANCE) {
        put_embedded(b, v->instance);
    } else {
        put_escaped(b, cim_value_text(v, num, sizeof num));
    }
    vr_buf_text(b, "</VALUE>");
}

/* A start tag without its '>', for attributes to follow. */
static void put_open(struct vr_buf *b, const char *tag)
{
    vr_buf_u8(b, '<');
    vr_buf_text(b, tag);
}

static void put_close(struct vr_buf *b, const char *tag)
{
    vr_buf_text(b, "</");
    vr_buf_text(b, tag);
    vr_buf_u8(b, '>');
}

void put_value(struct vr_buf *b, const struct cim_value *v)
{
    if (v->is_null) {
        return;
    }
    if (!v->is_array) {
        put_scalar(b, v);
        return;
    }
    const char *tag = v->type == CIM_REFERENCE ? "VALUE.REFARRAY" : "VALUE.ARRAY";
    put_open(b, tag);
    vr_buf_u8(b, '>');
    for (uint32_t i = 0; i < v->count; i++) {
        put_scalar(b, &v->items[i]);
    }
    put_close(b, tag);
}

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
    if (v->is_null && !(o->qualifiers && f->nquals)) {
        vr_buf_text(b, "/>");
        return;
    }
    vr_buf_u8(b, '>');
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

/* Where the texts of a property's tags are in form->text; none of them: it is not wanted. */
struct cimxml_form_prop {
    bool wanted;
    struct piece null, open; /* the whole element; the start tag */
    const char *close;       /* the tag */
};

static struct piece piece_from(const struct vr_buf *b, size_t at)
{
    return (struct piece){(uint32_t)at, (uint32_t)(b->len - at)};
}

static void form_property(struct cimxml_form *form,
                          const struct cim_feature *f,
                          const struct cimxml_options *o,
                          struct cimxml_form_prop *ret)
{
    const struct cim_value none = {.type = f->type, .is_array = f->is_array, .is_null = true};
    struct vr_buf *b = &form->text;
    *ret = (struct cimxml_form_prop){.wanted = wanted(f, form->cls, o), .close = property_tag(f)};
    if (!ret->wanted) {
        return;
    }
    size_t at = b->len;
    put_property(b, f, &none, form->cls, o);
    ret->null = piece_from(b, at);
    at = b->len;
    put_property_start(b, f, form->cls, o, false);
    vr_buf_u8(b, '>');
    put_qualifiers(b, f->quals, f->nquals, o);
    ret->open = piece_from(b, at);
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
        form_property(form, &cls->props[k], o, &props[k]);
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

void put_instance_as(struct vr_buf *b,
                     struct cimxml_form *form,
                     const struct cim_instance *i,
                     const struct cimxml_options *o)
{
    if (form->cls != i->cls && !form_make(form, i->cls, o)) {
        b->failed = true;
        return;
    }
    const uint8_t *text = form->text.data;
    vr_buf_bytes(b, text, form->start);
    for (uint32_t k = 0; k < i->cls->nprops; k++) {
        const struct cimxml_form_prop *p = &form->props[k];
        const struct cim_value *v = &i->values[k];
        if (!p->wanted) {
            continue;
        }
        if (v->is_null) {
            vr_buf_bytes(b, text + p->null.at, p->null.len);
        } else if (v->type == CIM_INSTANCE) {
            put_property(b, &i->cls->props[k], v, i->cls, o);
        } else {
            vr_buf_bytes(b, text + p->open.at, p->open.len);
            put_value(b, v);
            put_close(b, p->close);
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

void put_return_value(struct vr_buf *b, const struct cim_value *v)
{
    vr_buf_printf(b, "<RETURNVALUE PARAMTYPE=\"%s\">", cim_type_text(v->type));
    put_value(b, v);
    vr_buf_text(b, "</RETURNVALUE>");
}

void put_param(struct vr_buf *b, const struct cim_param *p)
{
    bool embedded = p->value.type == CIM_INSTANCE;
    vr_buf_text(b, "<PARAMVALUE");
    put_attr(b, "NAME", p->name);
    put_attr(b, "PARAMTYPE", embedded ? "string" : cim_type_text(p->value.type));
    if (embedded) {
        put_attr(b, "EmbeddedObject", "instance");
    }
    vr_buf_text(b, ">");
    put_value(b, &p->value);
    vr_buf_text(b, "</PARAMVALUE>");
}
