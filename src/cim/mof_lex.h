/* SPDX-License-Identifier: Apache-2.0 */
/* The tokens of MOF, for mof.c. Comments and #pragma lines count as white space. */
#pragma once
#include <stddef.h>

#define MOF_TOKEN_MAX 2048

enum mof_token {
    MOF_END,
    MOF_NAME,
    MOF_STRING,
    MOF_NUMBER,
    MOF_CHAR,
    MOF_BAD /* a string that does not end, or is longer than MOF_TOKEN_MAX */
};

/* Set p, end and line = 1 to begin; the first mof_lex_next reads the first token. */
struct mof_lex {
    const char *p, *end;
    int line;
    enum mof_token tok;
    char text[MOF_TOKEN_MAX]; /* of the token; of a string, what it says */
};

void mof_lex_next(struct mof_lex *m);
