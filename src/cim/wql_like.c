/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LIKE. Only the last '%' is ever tried again, at the next character of the text: whatever an
 * earlier one could take, the last one can take, too. So the work is text x pattern, not more.
 */
#include <ctype.h>
#include <stdint.h>
#include <string.h>

#include "cim/wql.h"

/* One character at *p, which moves on: UTF-8, or one byte where that is broken. */
static uint32_t take_char(const unsigned char **p)
{
    const unsigned char *s = *p;
    int more = s[0] >= 0xf0 ? 3 : s[0] >= 0xe0 ? 2 : s[0] >= 0xc0 ? 1 : 0;
    uint32_t c = more == 3 ? s[0] & 7u : more == 2 ? s[0] & 15u : more == 1 ? s[0] & 31u : s[0];
    for (int i = 1; i <= more; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            more = 0;
            c = s[0];
            break;
        }
        c = c << 6 | (s[i] & 0x3fu);
    }
    *p += more + 1;
    return c < 0x80 ? (uint32_t)tolower((int)c) : c;
}

/* The set after '[': is c in it? *p moves behind its ']'. False in *ok: it is not closed. */
static bool in_set(const unsigned char **p, uint32_t c, bool *ok)
{
    const unsigned char *s = *p;
    bool negated = *s == '^', found = false, first = true;
    s += negated ? 1 : 0;
    while (*s && (first || *s != ']')) {
        uint32_t lo = take_char(&s), hi = lo;
        if (*s == '-' && s[1] && s[1] != ']') {
            s++;
            hi = take_char(&s);
        }
        found = found || (c >= lo && c <= hi);
        first = false;
    }
    *ok = *s == ']';
    *p = s + (*ok ? 1 : 0);
    return found != negated;
}

/* One character of the text against one of the pattern, which is not '%'. */
static bool match_one(const unsigned char **text, const unsigned char **pattern)
{
    uint32_t c = take_char(text);
    const unsigned char *p = *pattern;
    if (*p == '_') {
        *pattern = p + 1;
        return true;
    }
    if (*p == '[') {
        bool ok, found;
        p++;
        found = in_set(&p, c, &ok);
        if (ok) {
            *pattern = p;
            return found;
        }
    }
    return take_char(pattern) == c;
}

bool cim_wql_like(const char *text, const char *pattern)
{
    const unsigned char *t = (const unsigned char *)text, *p = (const unsigned char *)pattern;
    const unsigned char *again_t = NULL, *again_p = NULL;
    while (*t) {
        if (*p == '%') {
            again_p = ++p;
            again_t = t;
        } else if (!*p || !match_one(&t, &p)) {
            if (!again_p) {
                return false;
            }
            take_char(&again_t);
            t = again_t;
            p = again_p;
        }
    }
    while (*p == '%') {
        p++;
    }
    return !*p;
}
