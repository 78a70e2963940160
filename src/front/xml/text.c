/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "front/xml/xml.h"

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

/* ASCII that is written as it is, in an attribute, too; NUL is not. */
static bool is_plain(unsigned char c)
{
    static const bool special[256] = {['&'] = true, ['<'] = true, ['>'] = true, ['"'] = true};
    return c >= 0x20 && c < 0x7f && !special[c];
}

static void put_chars(struct vr_buf *b, const char *s, bool in_attr)
{
    const unsigned char *p = (const unsigned char *)s;
    for (;;) {
        const unsigned char *from = p;
        while (is_plain(*p)) {
            p++;
        }
        vr_buf_bytes(b, from, (size_t)(p - from));
        if (!*p) {
            return;
        }
        size_t n = xml_char_len(p, p + strnlen((const char *)p, 4));
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

void put_open(struct vr_buf *b, const char *tag)
{
    vr_buf_u8(b, '<');
    vr_buf_text(b, tag);
}

void put_close(struct vr_buf *b, const char *tag)
{
    vr_buf_text(b, "</");
    vr_buf_text(b, tag);
    vr_buf_u8(b, '>');
}
