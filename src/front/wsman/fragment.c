/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header FragmentTransfer (DSP0226 7.7): a part of an instance, named by an XPath of level 1:
 * "Property", "Property[2]", either with "/text()", or "." for all of it. The way to it may begin
 * with "/Class/" or "./", names may have a prefix.
 */
#include <string.h>
#include <strings.h>

#include "front/wsman/internal.h"
#include "util/num.h"

#define XPATH "http://www.w3.org/TR/1999/REC-xpath-19991116"

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* A name at *p, without its prefix; NULL: none. */
static const char *take_name(struct cim_arena *a, const char **p)
{
    const char *start = *p;
    while (is_name(**p) || **p == '-' || **p == '.') {
        ++*p;
    }
    if (**p == ':' && *p > start) {
        start = ++*p;
        while (is_name(**p)) {
            ++*p;
        }
    }
    size_t n = (size_t)(*p - start);
    return n && strspn(start, "0123456789-.") == 0 ? cim_strndup(a, start, n) : NULL;
}

static bool take_index(const char **p, uint32_t *ret)
{
    char digits[12];
    uint64_t n;
    *ret = 0;
    if (**p != '[') {
        return true;
    }
    size_t len = strspn(*p + 1, "0123456789");
    if (len == 0 || len >= sizeof digits || (*p)[len + 1] != ']') {
        return false;
    }
    memcpy(digits, *p + 1, len);
    digits[len] = '\0';
    *p += len + 2;
    if (!vr_parse_u64(digits, 1, CIM_ARRAY_MAX, &n)) {
        return false;
    }
    *ret = (uint32_t)n;
    return true;
}

static bool
parse(struct cim_arena *a, const char *p, const struct cim_class *cls, struct wsman_fragment *ret)
{
    if (*p == '/' && p[1]) {
        p++;
        const char *root = take_name(a, &p);
        if (!root || strcasecmp(root, cls->name) != 0) {
            return false;
        }
        if (!*p) {
            return true;
        }
        if (*p++ != '/') {
            return false;
        }
    } else if (strcmp(p, ".") == 0 || strcmp(p, "/") == 0) {
        return true;
    } else if (strncmp(p, "./", 2) == 0) {
        p += 2;
    }
    ret->name = take_name(a, &p);
    if (!ret->name || !take_index(&p, &ret->index)) {
        return false;
    }
    ret->text = strcmp(p, "/text()") == 0;
    return ret->text || !*p;
}

bool wsman_read_fragment(struct wsman_call *c,
                         const struct cim_class *cls,
                         struct wsman_fragment *ret)
{
    const xmlNode *n = c->fragment;
    const char *dialect = node_attr(&c->arena, n, "Dialect");
    const char *path = node_token(&c->arena, n);
    const char *must = node_any_attr(&c->arena, n, "mustUnderstand");
    *ret = (struct wsman_fragment){.path = path};
    if (must && (strcmp(must, "false") == 0 || strcmp(must, "0") == 0)) {
        wsman_fail(c, WSF_INVALID_HEADER, NULL, "FragmentTransfer must be understood");
    } else if (dialect && *dialect && strcmp(dialect, XPATH) != 0) {
        wsman_fail(c, WSF_FRAGMENT_DIALECT, NULL, "fragments are named in XPath (" XPATH ")");
    } else if (!path || !parse(&c->arena, path, cls, ret)) {
        wsman_fail(c, WSF_CANNOT_PROCESS_FILTER, NULL,
                   "a fragment is Property, Property[2], either with /text(), or a dot");
    } else if (ret->name && (ret->prop = cim_class_prop(cls, ret->name)) < 0) {
        wsman_fail(c, WSF_CANNOT_PROCESS_FILTER, NULL, "%s has no property '%.60s'", cls->name,
                   ret->name);
    }
    return c->fault == WSF_NONE;
}

/* The value or the element of an array that a fragment means; NULL: there is none. */
static const struct cim_value *pick(const struct wsman_fragment *f, const struct cim_value *v)
{
    if (!f->index) {
        return v;
    }
    if (v->is_array && !v->is_null) {
        return f->index <= v->count ? &v->items[f->index - 1] : NULL;
    }
    return f->index == 1 ? v : NULL;
}

static bool has_text(const struct cim_value *v)
{
    return !v->is_array && v->type != CIM_REFERENCE && v->type != CIM_INSTANCE;
}

void put_fragment(struct wsman_call *c,
                  struct vr_buf *b,
                  const struct wsman_fragment *f,
                  const struct cim_instance *i)
{
    char num[32];
    const struct cim_value *v = f->name ? pick(f, &i->values[f->prop]) : NULL;
    if (f->text && v && !v->is_null && !has_text(v)) {
        wsman_fail(c, WSF_CANNOT_PROCESS_FILTER, NULL,
                   "%s is %s: without text(), or say which element", f->name,
                   v->is_array ? "an array" : "no text");
        return;
    }
    bool none = f->name && (!v || (f->text && v->is_null));
    vr_buf_text(b, "<w:XmlFragment xmlns:p=\"");
    put_class_uri(b, &c->names, i->path.ns, i->cls->name);
    vr_buf_text(b, none ? "\" xsi:nil=\"true\">" : "\">");
    if (!f->name) {
        struct wsman_form form = {0};
        put_wsman_instance(b, &c->names, &form, i);
        wsman_form_deinit(&form);
    } else if (v && f->text && !v->is_null) {
        put_escaped(b, cim_value_text(v, num, sizeof num));
    } else if (v && !f->text) {
        put_wsman_value(b, &c->names, i->cls->props[f->prop].name, v);
    }
    vr_buf_text(b, "</w:XmlFragment>");
}
