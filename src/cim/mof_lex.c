/* SPDX-License-Identifier: Apache-2.0 */
#include "cim/mof_lex.h"

#include <ctype.h>
#include <stdbool.h>

static void skip_line(struct mof_lex *m)
{
    while (m->p < m->end && *m->p != '\n') {
        m->p++;
    }
}

static void skip_block_comment(struct mof_lex *m)
{
    for (m->p += 2; m->p < m->end; m->p++) {
        if (*m->p == '*' && m->p + 1 < m->end && m->p[1] == '/') {
            m->p += 2;
            return;
        }
        m->line += *m->p == '\n';
    }
}

static void skip_space(struct mof_lex *m)
{
    while (m->p < m->end) {
        bool two = m->p + 1 < m->end;
        if (isspace((unsigned char)*m->p)) {
            m->line += *m->p++ == '\n';
        } else if (*m->p == '#' || (two && m->p[0] == '/' && m->p[1] == '/')) {
            skip_line(m);
        } else if (two && m->p[0] == '/' && m->p[1] == '*') {
            skip_block_comment(m);
        } else {
            return;
        }
    }
}

static void read_string(struct mof_lex *m)
{
    size_t n = 0;
    for (m->p++; m->p < m->end && *m->p != '"' && *m->p != '\n'; m->p++) {
        if (*m->p == '\\' && m->p + 1 < m->end) {
            m->p++;
        }
        if (n + 1 < MOF_TOKEN_MAX) {
            m->text[n++] = *m->p;
        }
    }
    bool closed = m->p < m->end && *m->p == '"' && n + 1 < MOF_TOKEN_MAX;
    m->text[n] = '\0';
    m->tok = closed ? MOF_STRING : MOF_BAD;
    m->p += closed ? 1 : 0;
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

void mof_lex_next(struct mof_lex *m)
{
    size_t n = 0;
    skip_space(m);
    m->text[0] = '\0';
    if (m->p >= m->end) {
        m->tok = MOF_END;
        return;
    }
    if (*m->p == '"') {
        read_string(m);
        return;
    }
    bool minus = *m->p == '-';
    m->tok = isdigit((unsigned char)*m->p) || minus ? MOF_NUMBER
             : is_word(*m->p)                       ? MOF_NAME
                                                    : MOF_CHAR;
    do {
        m->text[n++] = *m->p++;
    } while (m->tok != MOF_CHAR && m->p < m->end && is_word(*m->p) && n + 1 < MOF_TOKEN_MAX);
    m->text[n] = '\0';
}
