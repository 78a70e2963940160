/* SPDX-License-Identifier: Apache-2.0 */
/* CIM values to XML text. */
#include <string.h>

#include "front/cimxml/internal.h"

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
void put_embedded(struct vr_buf *b, const struct cim_instance *i)
{
    struct vr_buf inner;
    vr_buf_init(&inner, FRONT_XML_MAX_BYTES);
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
