/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <strings.h>

#include "front/xml/xml.h"

size_t xml_char_len(const unsigned char *p, const unsigned char *end)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = *p < 0x80 ? 1 : *p < 0xc2 ? 0 : *p < 0xe0 ? 2 : *p < 0xf0 ? 3 : *p < 0xf5 ? 4 : 0;
    if (n == 0 || (size_t)(end - p) < n) {
        return 0;
    }
    uint32_t c = n == 1 ? *p : *p & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
        c = c << 6 | (p[i] & 0x3f);
    }
    bool control = c < 0x20 && c != '\t' && c != '\n' && c != '\r';
    bool bad = control || (c >= 0xd800 && c <= 0xdfff) || c == 0xfffe || c == 0xffff ||
               c > 0x10ffff || c < least[n];
    return bad ? 0 : n;
}

struct scan {
    const char *p, *end;
    unsigned nodes, elements, depth;
    struct vr_err *err;
};

static bool starts(const struct scan *s, const char *with)
{
    size_t n = strlen(with);
    return (size_t)(s->end - s->p) >= n && memcmp(s->p, with, n) == 0;
}

static int skip_past(struct scan *s, const char *what)
{
    size_t n = strlen(what);
    const char *found = memmem(s->p, (size_t)(s->end - s->p), what, n);
    if (!found) {
        return vr_fail(s->err, VR_E_INVALID, "XML: no '%s'", what);
    }
    s->p = found + n;
    return 0;
}

/* At the '<' of a start tag. Quoted values are counted: each is an attribute. */
static int scan_tag(struct scan *s)
{
    unsigned attrs = 0;
    char quote = 0;
    for (s->p++; s->p < s->end && (quote || *s->p != '>'); s->p++) {
        if (quote) {
            quote = *s->p == quote ? 0 : quote;
        } else if (*s->p == '"' || *s->p == '\'') {
            quote = *s->p;
            attrs++;
        } else if (*s->p == '<') {
            break;
        }
        if (attrs > FRONT_XML_ATTRS_MAX) {
            return vr_fail(s->err, VR_E_LIMIT, "XML: more than %d attributes", FRONT_XML_ATTRS_MAX);
        }
    }
    if (s->p >= s->end || *s->p != '>') {
        return vr_fail(s->err, VR_E_INVALID, "XML: a tag that does not end");
    }
    s->depth += s->p[-1] == '/' ? 0 : 1;
    s->p++;
    s->elements++;
    if (s->depth > FRONT_XML_DEPTH_MAX) {
        return vr_fail(s->err, VR_E_LIMIT, "XML: deeper than %d", FRONT_XML_DEPTH_MAX);
    }
    return 0;
}

static int scan_markup(struct scan *s)
{
    /* comments and the like become nodes, too */
    if (!starts(s, "</") && ++s->nodes > FRONT_XML_ELEMENTS_MAX) {
        return vr_fail(s->err, VR_E_LIMIT, "XML: more than %d elements", FRONT_XML_ELEMENTS_MAX);
    }
    if (starts(s, "<!--")) {
        s->p += 4;
        return skip_past(s, "-->");
    }
    if (starts(s, "<![CDATA[")) {
        s->p += 9;
        return skip_past(s, "]]>");
    }
    if (starts(s, "<!")) {
        return vr_fail(s->err, VR_E_INVALID, "XML: DOCTYPE and declarations are not accepted");
    }
    if (starts(s, "<?")) {
        return skip_past(s, "?>");
    }
    if (!starts(s, "</")) {
        return scan_tag(s);
    }
    if (s->depth-- == 0) {
        return vr_fail(s->err, VR_E_INVALID, "XML: an end tag too many");
    }
    return skip_past(s, ">");
}

/* The declaration may name only UTF-8; libxml2 would believe another one. */
static int check_declaration(const struct scan *s)
{
    const char *end = starts(s, "<?xml") ? memmem(s->p, (size_t)(s->end - s->p), "?>", 2) : NULL;
    const char *e = end ? memmem(s->p, (size_t)(end - s->p), "encoding", 8) : NULL;
    if (!e) {
        return 0;
    }
    e += 8;
    e += strspn(e, " \t\r\n=");
    size_t left = (size_t)(end - e);
    if (left < 7 || strncasecmp(e + 1, "utf-8", 5) != 0 || (*e != '"' && *e != '\'') ||
        e[6] != *e) {
        return vr_fail(s->err, VR_E_INVALID, "XML: only UTF-8 is accepted");
    }
    return 0;
}

int xml_scan(const char **p, size_t *n, struct vr_err *err)
{
    if (*n > FRONT_XML_MAX_BYTES) {
        return vr_fail(err, VR_E_LIMIT, "XML: more than %d bytes", FRONT_XML_MAX_BYTES);
    }
    if (*n >= 3 && memcmp(*p, "\xef\xbb\xbf", 3) == 0) {
        *p += 3;
        *n -= 3;
    }
    struct scan s = {.p = *p, .end = *p + *n, .err = err};
    for (const unsigned char *c = (const unsigned char *)s.p, *end = (const unsigned char *)s.end;
         c < end;) {
        size_t len = xml_char_len(c, end);
        if (len == 0) {
            return vr_fail(err, VR_E_INVALID, "XML: not UTF-8, or a character XML forbids");
        }
        c += len;
    }
    int r = check_declaration(&s);
    while (r == 0 && (s.p = memchr(s.p, '<', (size_t)(s.end - s.p)))) {
        r = scan_markup(&s);
    }
    if (r == 0 && (s.depth != 0 || s.elements == 0)) {
        return vr_fail(err, VR_E_INVALID, "XML: not one whole document");
    }
    return r;
}
