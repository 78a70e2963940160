/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CIM values and object paths as plain data. What they point to lives in an arena, in the schema or
 * is static: a value owns nothing and is copied by assignment. Names, classes and namespaces
 * compare without case.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cim/arena.h"
#include "util/err.h"

#define CIM_KEYS_MAX 8      /* key bindings of one path */
#define CIM_ARRAY_MAX 4096  /* elements of one array value */
#define CIM_DATETIME_LEN 26 /* with NUL */

/* X(name, text in CIM-XML and MOF) */
#define CIM_TYPES(X)                                                                               \
    X(BOOLEAN, "boolean")                                                                          \
    X(UINT8, "uint8")                                                                              \
    X(UINT16, "uint16")                                                                            \
    X(UINT32, "uint32")                                                                            \
    X(UINT64, "uint64")                                                                            \
    X(SINT8, "sint8")                                                                              \
    X(SINT16, "sint16")                                                                            \
    X(SINT32, "sint32")                                                                            \
    X(SINT64, "sint64")                                                                            \
    X(STRING, "string")                                                                            \
    X(DATETIME, "datetime")                                                                        \
    X(REFERENCE, "reference")                                                                      \
    X(INSTANCE, "instance") /* embedded; declared as string with EmbeddedInstance */

enum cim_type {
    CIM_NONE,
#define X(name, text) CIM_##name,
    CIM_TYPES(X)
#undef X
};

struct cim_path;
struct cim_instance;

struct cim_value {
    enum cim_type type;
    bool is_array, is_null;
    uint32_t count; /* of items, when is_array */
    union {
        bool b;
        uint64_t u;      /* unsigned types */
        int64_t s;       /* signed types */
        const char *str; /* string, and datetime in its text form */
        const struct cim_path *ref;
        const struct cim_instance *instance;
        const struct cim_value *items;
    };
};

struct cim_key {
    const char *name;
    struct cim_value value;
};

/* ns NULL: not said, the namespace of the call. No keys: a class. */
struct cim_path {
    const char *ns, *class_name;
    uint32_t nkeys;
    struct cim_key keys[CIM_KEYS_MAX];
};

struct cim_datetime {
    bool is_interval, has_wildcard;
    bool has_no_date; /* "00000000hhmmss...": a time of day, which some classes want */
    uint64_t us; /* instant since 1970 UTC (0 for earlier ones), time of day in UTC, or length of
                         the interval; 0 with wildcards */
};

const char *cim_type_text(enum cim_type t);
enum cim_type
cim_type_parse(const char *text); /* CIM_NONE: no such type. "ref", "instance" are not parsed */
bool cim_type_is_unsigned(enum cim_type t);
bool cim_type_is_signed(enum cim_type t);

struct cim_value cim_null(enum cim_type t);
struct cim_value cim_bool(bool b);
struct cim_value cim_uint(enum cim_type t, uint64_t u);
struct cim_value cim_str(const char *s); /* NULL gives a NULL string */
struct cim_value cim_ref(const struct cim_path *p);
struct cim_value cim_embedded(const struct cim_instance *i);
struct cim_value cim_time(struct cim_arena *a, uint64_t wall_us); /* 0 = NULL */
struct cim_value cim_interval(struct cim_arena *a, uint64_t us);
/* An array of one value; the copy is in the arena. */
struct cim_value cim_array1(struct cim_arena *a, struct cim_value v);

/* INVALID: the text is no value of this type (range, form). The text is copied. */
VR_MUST_CHECK int cim_value_from_text(struct cim_arena *a,
                                      enum cim_type t,
                                      const char *text,
                                      struct cim_value *ret,
                                      struct vr_err *err);
/* Text of a scalar that is not NULL, no reference and no instance; numbers go into buf. */
const char *cim_value_text(const struct cim_value *v, char *buf, size_t cap);

/* The 25 character forms. False: not a datetime at all. */
bool cim_datetime_parse(const char *text, struct cim_datetime *ret);
/* buf of CIM_DATETIME_LEN; both return buf. */
const char *cim_datetime_text(uint64_t wall_us, char *buf);
const char *cim_interval_text(uint64_t us, char *buf);

/* Shares nothing with p. NULL: the arena failed. */
struct cim_path *cim_path_copy(struct cim_arena *a, const struct cim_path *p);
const struct cim_value *cim_path_key(const struct cim_path *p, const char *name);
/* False when CIM_KEYS_MAX is reached or the key is there already. */
bool cim_path_add_key(struct cim_path *p, const char *name, struct cim_value value);
/* Same namespace form: '/' and '\' are one, leading and trailing ones do not count. */
bool cim_ns_eq(const char *a, const char *b);
/* Same class and keys in any order; scalar keys compare by their text, class name keys
 * (CreationClassName) and GUIDs without case. */
bool cim_path_eq(const struct cim_path *a, const struct cim_path *b);
/* "ns", "ns:Class", "ns:Class.k="v",m='v',n=1" (ns may be missing before ':'). INVALID. */
VR_MUST_CHECK int
cim_path_parse(struct cim_arena *a, const char *text, struct cim_path *ret, struct vr_err *err);
char *cim_path_text(struct cim_arena *a, const struct cim_path *p);
