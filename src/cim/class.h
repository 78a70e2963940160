/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Classes with their inheritance resolved, the schema that owns them, and instances (a class and
 * one value for each of its properties). The schema is read-only once parsed.
 */
#pragma once
#include "cim/value.h"

#define CIM_FLAVOR_OVERRIDABLE 1u
#define CIM_FLAVOR_TO_SUBCLASS 2u
#define CIM_FLAVOR_TRANSLATABLE 4u

/* X(name): what a qualifier may stand at, in the order of the SCOPE element */
#define CIM_SCOPES(X)                                                                              \
    X(CLASS)                                                                                       \
    X(ASSOCIATION)                                                                                 \
    X(REFERENCE)                                                                                   \
    X(PROPERTY)                                                                                    \
    X(METHOD)                                                                                      \
    X(PARAMETER)                                                                                   \
    X(INDICATION)

enum cim_scope {
#define X(name) CIM_SCOPE_##name,
    CIM_SCOPES(X)
#undef X
    CIM_SCOPE_COUNT
};

struct cim_qualifier_decl {
    struct cim_qualifier_decl *next;
    const char *name;
    enum cim_type type;
    bool is_array;
    struct cim_value initial; /* NULL when none was said */
    unsigned flavors, scopes; /* scopes: bits of enum cim_scope */
};

struct cim_qualifier {
    const char *name;
    struct cim_value value;
    unsigned flavors;
    bool propagated; /* from the superclass */
};

/* A property, or a parameter of a method. */
struct cim_feature {
    const char *name;
    enum cim_type type;
    bool is_array;
    const char *ref_class; /* with CIM_REFERENCE */
    const char *origin;    /* class that defined it; NULL for a parameter */
    const char *declared;  /* class that defined or last overrode it; NULL for a parameter */
    const struct cim_qualifier *quals;
    uint32_t nquals;
    struct cim_value initial; /* type CIM_NONE: none */
};

struct cim_method {
    const char *name;
    enum cim_type type;
    const char *origin, *declared;
    const struct cim_qualifier *quals;
    uint32_t nquals;
    const struct cim_feature *params;
    uint32_t nparams;
};

struct cim_class {
    struct cim_class *next; /* in the order of the MOF */
    const struct cim_schema *schema;
    const char *name;
    const struct cim_class *super; /* NULL at the top */
    const struct cim_qualifier *quals;
    uint32_t nquals;
    const struct cim_feature *props; /* inherited ones first */
    uint32_t nprops;
    const struct cim_method *methods; /* inherited ones first */
    uint32_t nmethods;
    /* What follows from the properties: see cim_class_seal. */
    const struct cim_value *defaults; /* of each, its initial value or NULL */
    uint32_t keys[CIM_KEYS_MAX], nkeys;
};

/* The classes of one namespace. Who serves it sets ns and links it. */
struct cim_schema {
    const char *ns;
    const struct cim_schema *next; /* of another namespace */
    struct cim_arena arena;
    struct cim_class *first, *last;
    struct cim_qualifier_decl *quals; /* the last one first */
};

struct cim_instance {
    const struct cim_class *cls;
    struct cim_value *values; /* cls->nprops of them */
    struct cim_path path;
    uint32_t cursor; /* where cim_set looks first: builders follow the order of the class */
};

const struct cim_class *cim_schema_class(const struct cim_schema *s, const char *name);
const struct cim_qualifier_decl *cim_schema_qualifier(const struct cim_schema *s, const char *name);
void cim_schema_free(struct cim_schema *s);
/* Once the properties are there. False: more than CIM_KEYS_MAX keys, or the arena failed. */
bool cim_class_seal(struct cim_class *cls, struct cim_arena *a);
/* Is cls the class called name, or below it? */
bool cim_class_is_a(const struct cim_class *cls, const char *name);
bool cim_class_is_abstract(const struct cim_class *cls);
const struct cim_method *cim_class_method(const struct cim_class *cls, const char *name);
/* -1: none */
int cim_class_prop(const struct cim_class *cls, const char *name);
const struct cim_qualifier *
cim_qualifier(const struct cim_qualifier *q, uint32_t n, const char *name);
/* A boolean qualifier that is there and TRUE. */
bool cim_feature_has(const struct cim_feature *f, const char *qualifier);
/* The class whose instances a string with EmbeddedInstance holds; NULL: it holds none. */
const char *cim_feature_embedded(const struct cim_feature *f);
/* Also where a string may be an instance or the name of one (HyperVEmbeddedInstance). */
bool cim_feature_may_embed(const struct cim_feature *f);
bool cim_method_has(const struct cim_method *m, const char *qualifier);
const struct cim_feature *cim_method_param(const struct cim_method *m, const char *name);
bool cim_param_is_in(const struct cim_feature *f); /* In is the default when neither is said */
bool cim_param_is_out(const struct cim_feature *f);

/* All properties at their initial value or NULL. NULL: the arena failed. */
struct cim_instance *cim_instance_new(struct cim_arena *a, const struct cim_class *cls);
/* The class has the property and the type fits: else it is our bug (assert). A NULL instance is
 * ignored. */
void cim_set(struct cim_instance *i, const char *name, struct cim_value v);
const struct cim_value *cim_get(const struct cim_instance *i, const char *name);
/* Shares nothing with i but its class. NULL: the arena failed. */
struct cim_instance *cim_instance_copy(struct cim_arena *a, const struct cim_instance *i);
/* Fills path from the key properties (not its namespace). */
void cim_instance_make_path(struct cim_instance *i, const char *ns);
