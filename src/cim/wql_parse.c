/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recursive descent, one function a rule:
 *
 *   query   = SELECT ('*' | name {',' name}) FROM name [WHERE or]
 *           | ASSOCIATORS OF {path} [WHERE filter...] | REFERENCES OF {path} [WHERE filter...]
 *   or      = and {OR and}
 *   and     = unary {AND unary}
 *   unary   = NOT unary | '(' or ')' | test
 *   test    = operand (sign operand | [NOT] LIKE text | [NOT] IN '(' value {',' value} ')' |
 *             ISA class | IS [NOT] NULL)
 *
 * Chains of AND and OR are lists, so the tree is as deep as its parentheses.
 */
#include <string.h>
#include <strings.h>

#include "cim/wql_internal.h"
#include "util/num.h"

struct parser {
    struct wql_lexer l;
    unsigned depth;
};

static bool at_word(const struct wql_lexer *l, const char *word)
{
    return l->tok == WQL_T_NAME && strcasecmp(l->text, word) == 0;
}

static bool take_word(struct wql_lexer *l, const char *word)
{
    bool there = at_word(l, word);
    if (there) {
        wql_next(l);
    }
    return there;
}

static bool take_sign(struct wql_lexer *l, const char *sign)
{
    bool there = l->tok == WQL_T_SIGN && strcmp(l->text, sign) == 0;
    if (there) {
        wql_next(l);
    }
    return there;
}

static bool is_keyword(const char *text)
{
    static const char *const words[] = {"SELECT", "FROM", "WHERE", "AND",  "OR",   "NOT",   "LIKE",
                                        "ISA",    "IS",   "IN",    "NULL", "TRUE", "FALSE", "OF"};
    for (size_t i = 0; i < VR_COUNT(words); i++) {
        if (strcasecmp(words[i], text) == 0) {
            return true;
        }
    }
    return false;
}

/* NULL: it failed. */
static const char *take_name(struct wql_lexer *l, const char *what)
{
    if (l->tok != WQL_T_NAME || is_keyword(l->text)) {
        wql_expected(l, what);
        return NULL;
    }
    const char *name = l->text;
    wql_next(l);
    return name;
}

static struct cim_wql_node *new_node(struct wql_lexer *l, enum cim_wql_op op)
{
    struct cim_wql_node *n = cim_alloc(l->arena, sizeof *n);
    if (n) {
        n->op = op;
    } else {
        wql_expected(l, "memory");
    }
    return n;
}

/* A property when may_be_name, or a literal. */
static bool read_operand(struct wql_lexer *l, bool may_be_name, struct cim_wql_operand *ret)
{
    *ret = (struct cim_wql_operand){.text = l->text, .column = l->column};
    if (l->tok == WQL_T_TEXT || l->tok == WQL_T_NUMBER) {
        ret->kind = l->tok == WQL_T_TEXT ? WQL_TEXT : WQL_NUMBER;
    } else if (at_word(l, "TRUE") || at_word(l, "FALSE")) {
        ret->kind = WQL_BOOLEAN;
    } else if (at_word(l, "NULL")) {
        ret->kind = WQL_NULL;
    } else if (may_be_name && l->tok == WQL_T_NAME && !is_keyword(l->text)) {
        ret->kind = WQL_PROPERTY;
    } else {
        wql_expected(l, may_be_name ? "a property or a value" : "a value");
        return false;
    }
    wql_next(l);
    return !l->failed;
}

static struct cim_wql_node *negated(struct wql_lexer *l, bool is, struct cim_wql_node *n)
{
    struct cim_wql_node *not_node = is && n ? new_node(l, WQL_NOT) : NULL;
    if (not_node) {
        not_node->first = n;
    }
    return is ? not_node : n;
}

static bool set_right(struct wql_lexer *l, struct cim_wql_node *n, const struct cim_wql_operand *o)
{
    struct cim_wql_operand *right = cim_alloc(l->arena, sizeof *right);
    if (!right) {
        wql_expected(l, "memory");
        return false;
    }
    *right = *o;
    n->right = right;
    n->nright = 1;
    return true;
}

static struct cim_wql_node *parse_like(struct wql_lexer *l, struct cim_wql_node *n)
{
    struct cim_wql_operand o = {.kind = WQL_TEXT, .text = l->text, .column = l->column};
    n->op = WQL_LIKE;
    if (l->tok != WQL_T_TEXT) {
        wql_expected(l, "a pattern in quotes");
        return NULL;
    }
    if (strlen(o.text) > CIM_WQL_PATTERN_MAX) {
        wql_too_many(l, "bytes in a pattern", CIM_WQL_PATTERN_MAX);
        return NULL;
    }
    wql_next(l);
    return set_right(l, n, &o) ? n : NULL;
}

static struct cim_wql_node *parse_in(struct wql_lexer *l, struct cim_wql_node *n)
{
    struct cim_wql_operand *list = cim_alloc(l->arena, CIM_WQL_IN_MAX * sizeof *list);
    n->op = WQL_IN;
    if (!list || !take_sign(l, "(")) {
        wql_expected(l, "(");
        return NULL;
    }
    do {
        if (n->nright >= CIM_WQL_IN_MAX) {
            wql_too_many(l, "values in a list", CIM_WQL_IN_MAX);
            return NULL;
        }
        if (!read_operand(l, false, &list[n->nright])) {
            return NULL;
        }
        n->nright++;
    } while (take_sign(l, ","));
    n->right = list;
    if (!take_sign(l, ")")) {
        wql_expected(l, ", or )");
        return NULL;
    }
    return n;
}

/* The class in quotes or plain. */
static struct cim_wql_node *parse_isa(struct wql_lexer *l, struct cim_wql_node *n)
{
    struct cim_wql_operand o = {.kind = WQL_TEXT, .text = l->text, .column = l->column};
    n->op = WQL_ISA;
    if (l->tok == WQL_T_TEXT) {
        wql_next(l);
    } else if (!take_name(l, "the name of a class")) {
        return NULL;
    }
    return set_right(l, n, &o) ? n : NULL;
}

static struct cim_wql_node *parse_is(struct wql_lexer *l, struct cim_wql_node *n)
{
    bool no = take_word(l, "NOT");
    n->op = WQL_IS_NULL;
    if (!take_word(l, "NULL")) {
        wql_expected(l, no ? "NULL" : "NULL or NOT NULL");
        return NULL;
    }
    return negated(l, no, n);
}

static struct cim_wql_node *parse_compare(struct wql_lexer *l, struct cim_wql_node *n)
{
    static const char *const signs[] = {"=", "<>", "!=", "<", ">", "<=", ">="};
    static const enum cim_wql_op ops[] = {WQL_EQ, WQL_NE, WQL_NE, WQL_LT, WQL_GT, WQL_LE, WQL_GE};
    struct cim_wql_operand o;
    size_t i = 0;
    while (i < VR_COUNT(signs) && !take_sign(l, signs[i])) {
        i++;
    }
    if (i == VR_COUNT(signs)) {
        wql_expected(l, "a comparison");
        return NULL;
    }
    n->op = ops[i];
    uint32_t column = l->column;
    if (!read_operand(l, true, &o)) {
        return NULL;
    }
    if (o.kind == WQL_NULL || n->left.kind == WQL_NULL) {
        if (n->op != WQL_EQ && n->op != WQL_NE) {
            l->column = column;
            l->tok = WQL_T_NAME;
            l->text = "NULL";
            wql_expected(l, "a value");
            return NULL;
        }
        bool no = n->op == WQL_NE;
        n->left = o.kind == WQL_NULL ? n->left : o;
        n->op = WQL_IS_NULL;
        return negated(l, no, n);
    }
    return set_right(l, n, &o) ? n : NULL;
}

static struct cim_wql_node *parse_test(struct wql_lexer *l)
{
    struct cim_wql_node *n = new_node(l, WQL_EQ);
    if (!n || !read_operand(l, true, &n->left)) {
        return NULL;
    }
    if (take_word(l, "ISA")) {
        return parse_isa(l, n);
    }
    if (take_word(l, "IS")) {
        return parse_is(l, n);
    }
    bool no = take_word(l, "NOT");
    if (take_word(l, "LIKE")) {
        return negated(l, no, parse_like(l, n));
    }
    if (take_word(l, "IN")) {
        return negated(l, no, parse_in(l, n));
    }
    if (no) {
        wql_expected(l, "LIKE or IN");
        return NULL;
    }
    return parse_compare(l, n);
}

static struct cim_wql_node *parse_or(struct parser *p);

static struct cim_wql_node *parse_unary(struct parser *p)
{
    struct wql_lexer *l = &p->l;
    struct cim_wql_node *n;
    bool no = at_word(l, "NOT");
    bool paren = !no && l->tok == WQL_T_SIGN && strcmp(l->text, "(") == 0;
    if (!no && !paren) {
        return parse_test(l);
    }
    if (p->depth >= CIM_WQL_DEPTH_MAX) {
        wql_too_many(l, "levels of parentheses and NOT", CIM_WQL_DEPTH_MAX);
        return NULL;
    }
    p->depth++;
    wql_next(l);
    if (no) {
        n = negated(l, true, parse_unary(p));
    } else {
        n = parse_or(p);
        if (n && !take_sign(l, ")")) {
            wql_expected(l, "AND, OR or )");
            n = NULL;
        }
    }
    p->depth--;
    return n;
}

/* item {word item} */
static struct cim_wql_node *parse_chain(struct parser *p,
                                        const char *word,
                                        enum cim_wql_op op,
                                        struct cim_wql_node *(*item)(struct parser *p))
{
    struct cim_wql_node *first = item(p), *last = first, *all = NULL;
    while (last && take_word(&p->l, word)) {
        all = all ? all : new_node(&p->l, op);
        struct cim_wql_node *n = all ? item(p) : NULL;
        if (!n) {
            return NULL;
        }
        last->next = n;
        last = n;
    }
    if (all) {
        all->first = first;
    }
    return all ? all : first;
}

static struct cim_wql_node *parse_and(struct parser *p)
{
    return parse_chain(p, "AND", WQL_AND, parse_unary);
}

static struct cim_wql_node *parse_or(struct parser *p)
{
    return parse_chain(p, "OR", WQL_OR, parse_and);
}

static void parse_list(struct wql_lexer *l, struct cim_wql *q)
{
    struct cim_wql_operand *list = cim_alloc(l->arena, CIM_WQL_SELECT_MAX * sizeof *list);
    if (!list) {
        wql_expected(l, "memory");
        return;
    }
    do {
        if (q->nprops >= CIM_WQL_SELECT_MAX) {
            wql_too_many(l, "properties", CIM_WQL_SELECT_MAX);
            return;
        }
        struct cim_wql_operand o = {.kind = WQL_PROPERTY, .column = l->column};
        o.text = take_name(l, q->nprops ? "a property" : "* or a property");
        if (!o.text) {
            return;
        }
        list[q->nprops++] = o;
    } while (take_sign(l, ","));
    q->props = list;
}

static void parse_select(struct parser *p, struct cim_wql *q)
{
    struct wql_lexer *l = &p->l;
    if (!take_sign(l, "*")) {
        parse_list(l, q);
    }
    if (!take_word(l, "FROM")) {
        wql_expected(l, q->nprops ? ", or FROM" : "FROM");
    }
    q->class_column = l->column;
    q->class_name = take_name(l, "the name of a class");
    if (q->class_name && take_word(l, "WHERE")) {
        q->where = parse_or(p);
    }
    if (!l->failed && l->tok != WQL_T_END) {
        wql_expected(l, q->where ? "AND, OR or the end" : "WHERE or the end");
    }
}

struct filter {
    const char *name;
    const char **text; /* NULL: a flag */
    bool *flag;
    bool associators_only;
};

static bool parse_filter(struct wql_lexer *l, struct cim_wql *q)
{
    const struct filter filters[] = {
        {"AssocClass", &q->assoc_class, NULL, true},
        {"ResultClass", &q->result_class, NULL, false},
        {"Role", &q->role, NULL, false},
        {"ResultRole", &q->result_role, NULL, true},
        {"RequiredQualifier", &q->required_qualifier, NULL, false},
        {"RequiredAssocQualifier", &q->required_assoc_qualifier, NULL, true},
        {"ClassDefsOnly", NULL, &q->class_defs_only, false},
        {"KeysOnly", NULL, &q->keys_only, false},
        {"SchemaOnly", NULL, &q->schema_only, false},
    };
    for (size_t i = 0; i < VR_COUNT(filters); i++) {
        const struct filter *f = &filters[i];
        if (!at_word(l, f->name) || (f->associators_only && q->kind != WQL_ASSOCIATORS) ||
            (f->text ? *f->text != NULL : *f->flag)) {
            continue;
        }
        wql_next(l);
        if (!f->text) {
            *f->flag = true;
            return true;
        }
        if (!take_sign(l, "=")) {
            wql_expected(l, "=");
            return false;
        }
        *f->text = take_name(l, "a name");
        return *f->text != NULL;
    }
    wql_expected(l, "a filter that was not given yet");
    return false;
}

bool cim_wql_path(struct cim_arena *a, const char *text, struct cim_path *ret)
{
    if (text[0] == '\\' && text[1] == '\\') {
        text += 2;
        text += strcspn(text, "\\/:");
    }
    bool has_ns = text[strcspn(text, ":.=\"'")] == ':';
    const char *full = has_ns ? text : cim_printf(a, ":%s", text);
    return full && cim_path_parse(a, full, ret, NULL) == 0 && ret->class_name;
}

static int read_path(struct wql_lexer *l, struct cim_path *ret)
{
    if (!cim_wql_path(l->arena, l->text, ret)) {
        return wql_expected(l, "an object path");
    }
    wql_next(l);
    return l->failed;
}

static void parse_related(struct parser *p, struct cim_wql *q)
{
    struct wql_lexer *l = &p->l;
    if (!take_word(l, "OF")) {
        wql_expected(l, "OF");
    } else if (l->tok != WQL_T_PATH) {
        wql_expected(l, "an object path in braces");
    } else if (read_path(l, &q->path) == 0 && take_word(l, "WHERE")) {
        while (parse_filter(l, q) && l->tok != WQL_T_END) {
        }
    }
    if (!l->failed && l->tok != WQL_T_END) {
        wql_expected(l, "WHERE or the end");
    }
}

int cim_wql_parse(struct cim_arena *a, const char *text, struct cim_wql *ret, struct vr_err *err)
{
    struct parser p = {.depth = 0};
    struct cim_wql q = {.kind = WQL_SELECT};
    wql_lexer_init(&p.l, a, text, err);
    wql_next(&p.l);
    if (take_word(&p.l, "SELECT")) {
        parse_select(&p, &q);
    } else if (at_word(&p.l, "ASSOCIATORS") || at_word(&p.l, "REFERENCES")) {
        q.kind = at_word(&p.l, "REFERENCES") ? WQL_REFERENCES : WQL_ASSOCIATORS;
        wql_next(&p.l);
        parse_related(&p, &q);
    } else {
        wql_expected(&p.l, "SELECT, ASSOCIATORS or REFERENCES");
    }
    if (!p.l.failed && cim_arena_failed(a)) {
        return vr_fail_nomem(err);
    }
    if (p.l.failed) {
        return p.l.failed;
    }
    *ret = q;
    return 0;
}
