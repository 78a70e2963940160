/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <string.h>

#include "cim/wql_internal.h"

static int fail(struct wql_lexer *l, int r)
{
    l->failed = l->failed ? l->failed : r;
    l->tok = WQL_T_END;
    return l->failed;
}

int wql_expected(struct wql_lexer *l, const char *what)
{
    if (l->failed) {
        return l->failed;
    }
    if (cim_arena_failed(l->arena)) {
        return fail(l, vr_fail_nomem(l->err));
    }
    if (l->tok == WQL_T_END) {
        return fail(l, vr_fail(l->err, VR_E_INVALID, "column %u: expected %s, found the end",
                               l->column, what));
    }
    return fail(l, vr_fail(l->err, VR_E_INVALID, "column %u: expected %s, found '%.40s'", l->column,
                           what, l->text));
}

int wql_too_many(struct wql_lexer *l, const char *what, unsigned max)
{
    if (l->failed) {
        return l->failed;
    }
    return fail(l, vr_fail(l->err, VR_E_LIMIT, "column %u: more than %u %s", l->column, max, what));
}

static void take_text(struct wql_lexer *l, size_t n)
{
    l->text = cim_strndup(l->arena, l->p, n);
    l->p += n;
}

static bool is_escape(const char *p)
{
    return *p == '\\' && (p[1] == '\\' || p[1] == '\'' || p[1] == '"');
}

static void read_quoted(struct wql_lexer *l, char quote)
{
    const char *start = l->p + 1, *end = start;
    while (*end && *end != quote) {
        end += is_escape(end) ? 2 : 1;
    }
    if (!*end) {
        l->text = "an open text";
        wql_expected(l, quote == '"' ? "a closing \"" : "a closing '");
        return;
    }
    char *out = cim_alloc(l->arena, (size_t)(end - start) + 1);
    l->text = out;
    for (const char *p = start; out && p < end; p++) {
        p += is_escape(p) ? 1 : 0;
        *out++ = *p;
    }
    l->p = end + 1;
    l->tok = WQL_T_TEXT;
}

/* Quotes inside an object path may hide a brace. */
static void read_path(struct wql_lexer *l)
{
    char quote = '\0';
    const char *p = l->p + 1, *start = p;
    for (; *p && (quote || *p != '}'); p++) {
        if (quote && *p == '\\' && p[1]) {
            p++;
        } else if (quote ? *p == quote : *p == '"' || *p == '\'') {
            quote = quote ? '\0' : *p;
        }
    }
    if (*p != '}') {
        l->text = "an open brace";
        wql_expected(l, "a closing }");
        return;
    }
    l->text = cim_strndup(l->arena, start, (size_t)(p - start));
    l->p = p + 1;
    l->tok = WQL_T_PATH;
}

static bool is_name(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static void read_number(struct wql_lexer *l)
{
    size_t n = l->p[0] == '-' || l->p[0] == '+' ? 1 : 0;
    bool dot = false;
    while (isdigit((unsigned char)l->p[n]) ||
           (!dot && l->p[n] == '.' && isdigit((unsigned char)l->p[n + 1]))) {
        dot = dot || l->p[n] == '.';
        n++;
    }
    l->tok = WQL_T_NUMBER;
    if (n > 40 || is_name(l->p[n]) || l->p[n] == '.') {
        take_text(l, n + 1);
        wql_expected(l, "a number");
        return;
    }
    take_text(l, n);
}

static void read_sign(struct wql_lexer *l)
{
    static const char *const two[] = {"<>", "!=", "<=", ">="};
    for (int i = 0; i < 4; i++) {
        if (strncmp(l->p, two[i], 2) == 0) {
            take_text(l, 2);
            return;
        }
    }
    bool known = strchr("=<>(),*", *l->p) != NULL;
    take_text(l, 1);
    if (!known) {
        wql_expected(l, "a name, a value or an operator");
    }
}

void wql_next(struct wql_lexer *l)
{
    if (l->failed) {
        return;
    }
    while (isspace((unsigned char)*l->p)) {
        l->p++;
    }
    l->column = (uint32_t)(l->p - l->start) + 1;
    l->tok = WQL_T_SIGN;
    if (!*l->p) {
        l->tok = WQL_T_END;
    } else if (++l->ntokens > CIM_WQL_TOKENS_MAX) {
        wql_too_many(l, "words and signs", CIM_WQL_TOKENS_MAX);
    } else if (*l->p == '"' || *l->p == '\'') {
        read_quoted(l, *l->p);
    } else if (*l->p == '{') {
        read_path(l);
    } else if (isdigit((unsigned char)*l->p) ||
               ((*l->p == '-' || *l->p == '+') && isdigit((unsigned char)l->p[1]))) {
        read_number(l);
    } else if (is_name(*l->p)) {
        size_t n = 1;
        while (is_name(l->p[n])) {
            n++;
        }
        l->tok = WQL_T_NAME;
        take_text(l, n);
    } else {
        read_sign(l);
    }
    if (!l->failed && l->tok != WQL_T_END && !l->text) {
        fail(l, vr_fail_nomem(l->err));
    }
}

void wql_lexer_init(struct wql_lexer *l, struct cim_arena *a, const char *text, struct vr_err *err)
{
    *l = (struct wql_lexer){.start = text, .p = text, .arena = a, .err = err};
    if (strnlen(text, CIM_WQL_MAX_BYTES + 1) > CIM_WQL_MAX_BYTES) {
        fail(l, vr_fail(err, VR_E_LIMIT, "column %d: the query has more than %d bytes",
                        CIM_WQL_MAX_BYTES + 1, CIM_WQL_MAX_BYTES));
    }
}
