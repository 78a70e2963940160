/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the front-ends ask and the provider answers. All calls happen on the control thread, and so
 * do their callbacks; there are no locks. cim_broker_* are the calls; they check namespace, class
 * and method against the schema, so that every front-end gives the same CIM status. A provider sees
 * canonical class and method names only.
 *
 * Failure is a CIM status (DSP0200) with a text; 0 = fine. What a callback is given is borrowed
 * until it returns.
 */
#pragma once
#include "cim/class.h"
#include "util/scope.h"

#define CIM_NAMESPACE "root/virtualization/v2" /* of the classes of this product */
#define CIM_PARAMS_MAX 16
#define CIM_TEXT_MAX 256
#define CIM_INSTANCE_MAX_BYTES (1024 * 1024) /* memory of one instance while it is looked at */

/* DSP0200 "CIM status codes". X(name, code, what it means) */
#define CIM_STATUS_CODES(X)                                                                        \
    X(FAILED, 1, "a general error occurred")                                                       \
    X(ACCESS_DENIED, 2, "access was not available to the client")                                  \
    X(INVALID_NAMESPACE, 3, "the namespace does not exist")                                        \
    X(INVALID_PARAMETER, 4, "a parameter value is invalid")                                        \
    X(INVALID_CLASS, 5, "the class does not exist")                                                \
    X(NOT_FOUND, 6, "the object cannot be found")                                                  \
    X(NOT_SUPPORTED, 7, "the operation is not supported")                                          \
    X(ALREADY_EXISTS, 11, "the object exists already")                                             \
    X(NO_SUCH_PROPERTY, 12, "the property does not exist")                                         \
    X(TYPE_MISMATCH, 13, "the value does not fit the type")                                        \
    X(QUERY_LANGUAGE_NOT_SUPPORTED, 14, "the query language is not supported")                     \
    X(INVALID_QUERY, 15, "the query is not valid")                                                 \
    X(METHOD_NOT_AVAILABLE, 16, "the method cannot be run")                                        \
    X(METHOD_NOT_FOUND, 17, "the method does not exist")                                           \
    X(INVALID_ENUMERATION_CONTEXT, 21, "the enumeration is not open")                              \
    X(INVALID_OPERATION_TIMEOUT, 22, "the timeout is not valid")                                   \
    X(FILTERED_ENUMERATION_NOT_SUPPORTED, 25, "filters in enumerations are not supported")         \
    X(CONTINUATION_ON_ERROR_NOT_SUPPORTED, 26, "continuation on error is not supported")           \
    X(SERVER_LIMITS_EXCEEDED, 27, "a limit of the server was exceeded")

enum cim_code {
    CIM_OK = 0,
#define X(name, code, text) CIM_ERR_##name = (code),
    CIM_STATUS_CODES(X)
#undef X
};

const char *cim_code_text(int code); /* "" for an unknown code */

struct cim_status {
    int code; /* enum cim_code */
    char text[CIM_TEXT_MAX];
};

/* Who asks; authenticated by the front-end. */
struct cim_caller {
    const char *user;
    int role;                     /* enum vr_role */
    const struct vr_scope *scope; /* NULL: all there is */
};

/*
 * A parameter as it came. wrong_type: the client's type contradicts the class, or its text is no
 * such value; bad_value: an embedded instance has a class or property that is not there. `value` is
 * then NULL, why says what is wrong, and the method says what it returns for that. What an embedded
 * instance does not name is NULL in it, whatever the class says it is initially.
 */
struct cim_param {
    const char *name; /* as the class spells it */
    struct cim_value value;
    bool wrong_type, bad_value;
    const char *why; /* NULL: nothing to say */
};

struct cim_invoke {
    struct cim_caller caller;
    const struct cim_class *cls;
    struct cim_path path; /* no keys: called on the class */
    const struct cim_method *method;
    struct cim_param params[CIM_PARAMS_MAX];
    uint32_t nparams;
};

struct cim_invoke_result {
    struct cim_status status;  /* not 0: nothing else is valid */
    struct cim_value value;    /* return value */
    char reason[CIM_TEXT_MAX]; /* why this return value, for a person; "" = nothing to say */
    struct cim_param out[CIM_PARAMS_MAX];
    uint32_t nout;
};

/* Called exactly once, perhaps before cim_broker_invoke returns. */
typedef void (*cim_invoke_done)(void *ctx, const struct cim_invoke_result *res);
/* False stops the enumeration. */
typedef bool (*cim_instance_cb)(void *ctx, const struct cim_instance *i);

/* New values for some properties of an instance. */
struct cim_modify {
    struct cim_caller caller;
    const struct cim_class *cls;
    struct cim_path path;
    const struct cim_instance *to; /* only what names says counts */
    const char *const *names;
    uint32_t nnames;
};

/* Called exactly once, perhaps before cim_broker_modify_instance returns. */
typedef void (*cim_modify_done)(void *ctx, const struct cim_status *st);

struct cim_broker;

struct cim_broker_ops {
    const char *name;
    /* path: class and keys. *ret lives in the arena. */
    void (*get_instance)(struct cim_broker *b,
                         const struct cim_caller *who,
                         const struct cim_class *cls,
                         const struct cim_path *path,
                         struct cim_arena *a,
                         struct cim_instance **ret,
                         struct cim_status *st);
    /* Instances of exactly this class. */
    void (*enum_instances)(struct cim_broker *b,
                           const struct cim_caller *who,
                           const struct cim_class *cls,
                           cim_instance_cb cb,
                           void *ctx,
                           struct cim_status *st);
    /* Of this association class, all that refer to the object, whose class name is canonical;
     * others do no harm. NULL: enum_instances is called. */
    void (*enum_links)(struct cim_broker *b,
                       const struct cim_caller *who,
                       const struct cim_class *cls,
                       const struct cim_path *of,
                       cim_instance_cb cb,
                       void *ctx,
                       struct cim_status *st);
    /* `call` is borrowed until this returns or done is called, whichever is first. */
    void (*invoke)(struct cim_broker *b,
                   const struct cim_invoke *call,
                   cim_invoke_done done,
                   void *ctx);
    /* All of it or nothing. m is borrowed until this returns or done is called, whichever is
     * first. NULL: no instance can be modified. */
    void (*modify_instance)(struct cim_broker *b,
                            const struct cim_modify *m,
                            cim_modify_done done,
                            void *ctx);
};

/* The provider embeds it. */
struct cim_broker {
    const struct cim_broker_ops *ops;
    const struct cim_schema *schema; /* one for each namespace, linked */
    const char *server;              /* name of this host */
    struct cim_pulls *pulls;         /* the provider's, too; NULL: nothing can be pulled */
};

void cim_fail(struct cim_status *st, int code, const char *fmt, ...) VR_PRINTF(3, 4);

/* The classes of a namespace. NULL: st is set (INVALID_NAMESPACE). */
const struct cim_schema *
cim_broker_schema(const struct cim_broker *b, const char *ns, struct cim_status *st);
/* NULL: st is set (INVALID_NAMESPACE, or `missing` when there is no such class). */
const struct cim_class *cim_broker_class(
    struct cim_broker *b, const char *ns, const char *name, int missing, struct cim_status *st);
void cim_broker_get_instance(struct cim_broker *b,
                             const struct cim_caller *who,
                             const char *ns,
                             const struct cim_path *path,
                             struct cim_arena *a,
                             struct cim_instance **ret,
                             struct cim_status *st);
/* Of the class and all below it. */
void cim_broker_enum_instances(struct cim_broker *b,
                               const struct cim_caller *who,
                               const char *ns,
                               const char *class_name,
                               cim_instance_cb cb,
                               void *ctx,
                               struct cim_status *st);
/* What an object is associated with; NULL: any. */
struct cim_related {
    struct cim_path path;
    const char *assoc_class;  /* of associators only */
    const char *result_class; /* associators: of what is found; else of the association */
    const char *role, *result_role;
};
/* What is at the other end of the object's associations, or (associators false) these themselves.
 * INVALID_PARAMETER: a filter names no class; INVALID_CLASS, NOT_FOUND: there is no such object. */
void cim_broker_related(struct cim_broker *b,
                        const struct cim_caller *who,
                        const char *ns,
                        const struct cim_related *f,
                        bool associators,
                        cim_instance_cb cb,
                        void *ctx,
                        struct cim_status *st);
/* The same between classes: f->path is one. Each is given once. */
typedef void (*cim_class_cb)(void *ctx, const struct cim_class *c);
void cim_broker_related_classes(struct cim_broker *b,
                                const char *ns,
                                const struct cim_related *f,
                                bool associators,
                                cim_class_cb cb,
                                void *ctx,
                                struct cim_status *st);
/* A query for cim_broker_run_query; only WQL is spoken. INVALID_NAMESPACE,
 * QUERY_LANGUAGE_NOT_SUPPORTED, INVALID_QUERY with the column. */
struct cim_wql;
void cim_broker_query(struct cim_broker *b,
                      const char *ns,
                      const char *language,
                      const char *text,
                      struct cim_arena *a,
                      struct cim_wql *ret,
                      struct cim_status *st);
/* What it selects, of its class and all below, or what is related. The properties it does not name
 * are there, too. */
void cim_broker_run_query(struct cim_broker *b,
                          const struct cim_caller *who,
                          const char *ns,
                          const struct cim_wql *q,
                          cim_instance_cb cb,
                          void *ctx,
                          struct cim_status *st);
/* The class and method of a call to come: INVALID_NAMESPACE, INVALID_CLASS, METHOD_NOT_FOUND. */
const struct cim_method *cim_broker_method(struct cim_broker *b,
                                           const char *ns,
                                           const struct cim_path *path,
                                           const char *method,
                                           const struct cim_class **ret_cls,
                                           struct cim_status *st);
void cim_broker_invoke(struct cim_broker *b,
                       const struct cim_invoke *call,
                       cim_invoke_done done,
                       void *ctx);
/* NOT_SUPPORTED: instances of the class are not modified; INVALID_PARAMETER: a property is not. */
void cim_broker_modify_instance(struct cim_broker *b,
                                const struct cim_modify *m,
                                cim_modify_done done,
                                void *ctx);
/* NULL when it was not given. */
const struct cim_param *cim_invoke_param(const struct cim_invoke *call, const char *name);
