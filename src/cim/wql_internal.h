/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by wql_lex.c and wql_parse.c. */
#pragma once
#include "cim/wql.h"

enum wql_token {
    WQL_T_END,
    WQL_T_NAME,
    WQL_T_TEXT,
    WQL_T_NUMBER,
    WQL_T_PATH, /* what stands between braces */
    WQL_T_SIGN  /* = <> != < > <= >= ( ) , * */
};

struct wql_lexer {
    const char *start, *p;
    struct cim_arena *arena;
    struct vr_err *err;
    unsigned ntokens;
    /* the token at hand */
    enum wql_token tok;
    const char *text;
    uint32_t column; /* 1-based */
    int failed;      /* 0, or what the first failure returned; the token is then END */
};

void wql_lexer_init(struct wql_lexer *l, struct cim_arena *a, const char *text, struct vr_err *err);
void wql_next(struct wql_lexer *l);
/* Sets the failure (the first stays) and returns it. */
int wql_expected(struct wql_lexer *l, const char *what);
int wql_too_many(struct wql_lexer *l, const char *what, unsigned max);
