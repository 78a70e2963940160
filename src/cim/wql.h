/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WQL: a text to a tree, and a tree against an instance. Pure; the tree lives in the caller's arena
 * and points to nothing else. Rules:
 *  - keywords, class and property names compare without case; so do strings (ASCII letters);
 *  - three-valued: a comparison with a NULL property is neither true nor false, NOT leaves it so,
 *    and only what is true is selected. "= NULL" is IS NULL, "<> NULL" is IS NOT NULL;
 *  - a numeric property compares as a number, with a text that is one too; a boolean with TRUE,
 *    FALSE, 0, 1 and their texts; a datetime as the instant (or the length) that its text says,
 *    one with wildcards by its text and only for equality; everything else as text;
 *  - LIKE knows % _ [a-c] [^a-c]; [%] stands for a percent sign;
 *  - in a text a backslash escapes a quote or a backslash, before anything else it stands for
 *    itself;
 *  - system properties: __CLASS __SUPERCLASS __SERVER __NAMESPACE __RELPATH __PATH, and __THIS with
 *    ISA.
 */
#pragma once
#include "cim/class.h"

#define CIM_WQL_MAX_BYTES 16384
#define CIM_WQL_TOKENS_MAX 2048
#define CIM_WQL_DEPTH_MAX 32     /* parentheses and NOT inside each other */
#define CIM_WQL_SELECT_MAX 256   /* properties in the list */
#define CIM_WQL_IN_MAX 256       /* values of one IN */
#define CIM_WQL_PATTERN_MAX 1024 /* bytes of one LIKE pattern */

enum cim_wql_op {
    WQL_AND,
    WQL_OR,
    WQL_NOT,
    WQL_EQ,
    WQL_NE,
    WQL_LT,
    WQL_GT,
    WQL_LE,
    WQL_GE,
    WQL_LIKE,
    WQL_ISA,
    WQL_IN,
    WQL_IS_NULL
};

enum cim_wql_operand_kind {
    WQL_PROPERTY, /* text: its name */
    WQL_TEXT,
    WQL_NUMBER, /* text: as it was written */
    WQL_BOOLEAN,
    WQL_NULL
};

struct cim_wql_operand {
    enum cim_wql_operand_kind kind;
    const char *text;
    uint32_t column;
};

struct cim_wql_node {
    enum cim_wql_op op;
    const struct cim_wql_node *next;  /* sibling below AND, OR */
    const struct cim_wql_node *first; /* AND, OR: two or more; NOT: one */
    struct cim_wql_operand left;
    const struct cim_wql_operand *right; /* the others; IN: nright of them */
    uint32_t nright;
};

enum cim_wql_kind {
    WQL_SELECT,
    WQL_ASSOCIATORS,
    WQL_REFERENCES
};

struct cim_wql {
    enum cim_wql_kind kind;
    /* SELECT */
    const char *class_name;
    uint32_t class_column;
    const struct cim_wql_operand *props; /* of kind WQL_PROPERTY; nprops 0: '*' */
    uint32_t nprops;
    const struct cim_wql_node *where; /* NULL: all */
    /* ASSOCIATORS OF, REFERENCES OF; what was not said is NULL */
    struct cim_path path;
    const char *assoc_class, *result_class, *role, *result_role;
    const char *required_qualifier, *required_assoc_qualifier;
    bool class_defs_only, keys_only, schema_only;
};

/* What the system properties need. */
struct cim_wql_env {
    const char *server, *ns;
    const struct cim_schema *schema; /* for ISA on references */
};

/* INVALID: "column N: expected ..., found ..."; LIMIT, with the column too; NOMEM. */
VR_MUST_CHECK int
cim_wql_parse(struct cim_arena *a, const char *text, struct cim_wql *ret, struct vr_err *err);
/* Do the query's properties exist in its class, and can its literals be of their type? INVALID. */
VR_MUST_CHECK int
cim_wql_check(const struct cim_wql *q, const struct cim_class *cls, struct vr_err *err);
/* Is it selected? Texts it has to build go into a. */
bool cim_wql_matches(const struct cim_wql *q,
                     const struct cim_wql_env *env,
                     const struct cim_instance *i,
                     struct cim_arena *a);
/* An object path as WMI writes it: "\\server\ns:Class.k=v", "ns:Class.k=v" or "Class.k=v"; the
 * server does not count. False: it is none. */
bool cim_wql_path(struct cim_arena *a, const char *text, struct cim_path *ret);
/* At most text x pattern steps. */
bool cim_wql_like(const char *text, const char *pattern);
