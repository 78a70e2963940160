/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "cim/value.h"
#include "util/buf.h"

const struct cim_value *cim_path_key(const struct cim_path *p, const char *name)
{
    for (uint32_t i = 0; i < p->nkeys; i++) {
        if (strcasecmp(p->keys[i].name, name) == 0) {
            return &p->keys[i].value;
        }
    }
    return NULL;
}

bool cim_path_add_key(struct cim_path *p, const char *name, struct cim_value value)
{
    if (!name || p->nkeys >= CIM_KEYS_MAX || cim_path_key(p, name)) {
        return false;
    }
    p->keys[p->nkeys++] = (struct cim_key){.name = name, .value = value};
    return true;
}

static bool is_slash(char c)
{
    return c == '/' || c == '\\';
}

static size_t trim_slashes(const char **s)
{
    while (is_slash(**s)) {
        (*s)++;
    }
    size_t n = strlen(*s);
    while (n && is_slash((*s)[n - 1])) {
        n--;
    }
    return n;
}

bool cim_ns_eq(const char *a, const char *b)
{
    size_t na = trim_slashes(&a), nb = trim_slashes(&b);
    if (na != nb) {
        return false;
    }
    for (size_t i = 0; i < na; i++) {
        bool same = tolower((unsigned char)a[i]) == tolower((unsigned char)b[i]);
        if (!same && !(is_slash(a[i]) && is_slash(b[i]))) {
            return false;
        }
    }
    return true;
}

/* Some clients send a backslash escaped where others send it plain: two of them count as one. */
static bool key_text_eq(const char *a, const char *b)
{
    for (;; a++, b++) {
        a += a[0] == '\\' && a[1] == '\\' ? 1 : 0;
        b += b[0] == '\\' && b[1] == '\\' ? 1 : 0;
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b)) {
            return false;
        }
        if (!*a) {
            return true;
        }
    }
}

static bool key_eq(const struct cim_value *a, const struct cim_value *b)
{
    char ba[32], bb[32];
    if (a->type == CIM_REFERENCE || b->type == CIM_REFERENCE) {
        return a->type == b->type && a->ref && b->ref && cim_path_eq(a->ref, b->ref);
    }
    return key_text_eq(cim_value_text(a, ba, sizeof ba), cim_value_text(b, bb, sizeof bb));
}

bool cim_path_eq(const struct cim_path *a, const struct cim_path *b)
{
    if (!a->class_name != !b->class_name || a->nkeys != b->nkeys ||
        (a->class_name && strcasecmp(a->class_name, b->class_name) != 0)) {
        return false;
    }
    for (uint32_t i = 0; i < a->nkeys; i++) {
        const struct cim_value *other = cim_path_key(b, a->keys[i].name);
        if (!other || !key_eq(&a->keys[i].value, other)) {
            return false;
        }
    }
    return true;
}

static size_t name_len(const char *s)
{
    size_t n = 0;
    while (isalnum((unsigned char)s[n]) || s[n] == '_') {
        n++;
    }
    return n;
}

/* After the opening quote; a backslash escapes only a quote or a backslash, as clients differ about
 * the rest. */
static char *read_quoted(struct cim_arena *a, const char **pp, char quote)
{
    const char *p = *pp;
    char *text = cim_alloc(a, strlen(p) + 1);
    size_t n = 0;
    for (; *p && *p != quote; p++) {
        if (*p == '\\' && (p[1] == quote || p[1] == '\\')) {
            p++;
        }
        if (text) {
            text[n++] = *p;
        }
    }
    *pp = *p ? p + 1 : p;
    return *p == quote ? text : NULL;
}

static bool read_key_value(struct cim_arena *a, const char **pp, struct cim_value *ret)
{
    char quote = **pp;
    if (quote == '"' || quote == '\'') {
        (*pp)++;
        *ret = cim_str(read_quoted(a, pp, quote));
        return !ret->is_null;
    }
    size_t n = strcspn(*pp, ",");
    *ret = cim_str(n ? cim_strndup(a, *pp, n) : NULL);
    *pp += n;
    return !ret->is_null;
}

static bool read_keys(struct cim_arena *a, const char *p, struct cim_path *path)
{
    do {
        size_t n = name_len(p);
        const char *name = cim_strndup(a, p, n);
        struct cim_value v;
        if (n == 0 || p[n] != '=') {
            return false;
        }
        p += n + 1;
        if (!read_key_value(a, &p, &v) || !cim_path_add_key(path, name, v)) {
            return false;
        }
    } while (*p == ',' && *++p);
    return *p == '\0' && p[-1] != ',';
}

int cim_path_parse(struct cim_arena *a, const char *text, struct cim_path *ret, struct vr_err *err)
{
    struct cim_path path = {0};
    size_t nsn = strcspn(text, ":.\"=,");
    bool has_class = text[nsn] == ':';
    path.ns = nsn ? cim_strndup(a, text, nsn) : NULL;
    const char *p = text + nsn + (has_class ? 1 : 0);
    if (has_class) {
        size_t n = name_len(p);
        path.class_name = n ? cim_strndup(a, p, n) : NULL;
        p += n;
    }
    bool ok = has_class ? path.class_name != NULL : nsn > 0;
    if (ok && has_class && *p == '.') {
        ok = read_keys(a, p + 1, &path);
    } else {
        ok = ok && *p == '\0';
    }
    if (cim_arena_failed(a)) {
        return vr_fail_nomem(err);
    }
    if (!ok) {
        return vr_fail(err, VR_E_INVALID, "'%.80s' is no object path", text);
    }
    *ret = path;
    return 0;
}

static void put_quoted(struct vr_buf *b, const char *s)
{
    vr_buf_u8(b, '"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\') {
            vr_buf_u8(b, '\\');
        }
        vr_buf_u8(b, (uint8_t)*s);
    }
    vr_buf_u8(b, '"');
}

char *cim_path_text(struct cim_arena *a, const struct cim_path *p)
{
    struct vr_buf b;
    char num[32];
    vr_buf_init(&b, 65536);
    vr_buf_printf(&b, "%s%s%s", p->ns ? p->ns : "", p->class_name ? ":" : "",
                  p->class_name ? p->class_name : "");
    for (uint32_t i = 0; i < p->nkeys; i++) {
        const struct cim_value *v = &p->keys[i].value;
        vr_buf_printf(&b, "%c%s=", i ? ',' : '.', p->keys[i].name);
        if (v->type == CIM_STRING || v->type == CIM_DATETIME) {
            put_quoted(&b, v->str ? v->str : "");
        } else if (v->type == CIM_REFERENCE && v->ref) {
            char *inner = cim_path_text(a, v->ref);
            put_quoted(&b, inner ? inner : "");
        } else {
            vr_buf_text(&b, cim_value_text(v, num, sizeof num));
        }
    }
    char *text = cim_strdup(a, vr_buf_cstr(&b));
    vr_buf_deinit(&b);
    return text;
}
