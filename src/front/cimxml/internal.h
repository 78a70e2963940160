/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of this folder: parse (nodes to values), write (values to
 * text), dispatch. */
#pragma once
#include "front/cimxml/cimxml.h"
#include "front/xml/xml.h"
#include "util/buf.h"

/* --- nodes --- */
/* LOCALNAMESPACEPATH as "a/b/c"; NULL: malformed. */
const char *node_namespace(struct cim_arena *a, const xmlNode *n);
/* INSTANCENAME, or CLASSNAME for a path without keys. False: malformed. */
bool node_path(struct cim_arena *a, const xmlNode *n, struct cim_path *ret);
/* LOCALINSTANCEPATH, LOCALCLASSPATH: namespace and path. */
bool node_local_path(struct cim_arena *a, const xmlNode *n, struct cim_path *ret);
/* VALUE.REFERENCE in any form; hosts and namespaces in it are not kept. */
bool node_reference(struct cim_arena *a, const xmlNode *n, struct cim_path *ret);
/* --- values by what the class declares: embedded.c --- */
/* A PARAMVALUE. False: malformed (CIM 4). What does not fit is said in ret: wrong_type, bad_value,
 * why. */
bool node_param(struct cim_arena *a,
                const struct cim_schema *schema,
                const xmlNode *n,
                const struct cim_feature *decl,
                struct cim_param *ret);

/* Says in param what does not fit, if it is the first thing; ret_kind is its wrong_type or
 * bad_value. */
VR_PRINTF(4, 5)
void cimxml_misfit(
    struct cim_arena *a, struct cim_param *param, bool *ret_kind, const char *fmt, ...);

/* One value that is a text; what does not fit is said in `said`. */
void cimxml_param_text(struct cim_arena *a,
                       const struct cim_schema *schema,
                       const char *text,
                       const struct cim_feature *decl,
                       struct cim_value *ret,
                       struct cim_param *said);

/* An INSTANCE; what it does not name is NULL. What does not fit is said in `said`; NULL: that, or
 * no memory. */
struct cim_instance *node_instance(struct cim_arena *a,
                                   const struct cim_schema *schema,
                                   const xmlNode *n,
                                   struct cim_param *said);

/* --- modify.c --- */
/* The parameters of ModifyInstance, but for the caller. */
void cimxml_read_modify(struct cim_broker *broker,
                        struct cim_arena *a,
                        const xmlNode *call,
                        const char *ns,
                        struct cim_modify *ret,
                        struct cim_status *st);

/* --- the call --- */
struct cimxml_call {
    struct cim_broker *broker;
    const struct cim_caller *caller;
    struct cim_arena *arena;
    const char *method; /* as the client spelled it */
    const char *ns;
    const struct cim_schema *schema; /* of ns */
    xmlNode *node;                   /* IMETHODCALL or METHODCALL */
    struct vr_buf *params;           /* what stands behind IRETURNVALUE */
};
/* Sets call->schema. Writes what stands inside IMETHODRESPONSE; with st not 0 nothing counts. */
void cimxml_intrinsic(struct cimxml_call *call, struct vr_buf *out, struct cim_status *st);

/* --- text --- */
struct cimxml_options {
    bool local_only, qualifiers, origin, has_list;
    bool is_class;              /* put_class says so */
    const struct cim_class *as; /* only properties this class has; NULL: all */
    const char *const *list;    /* property names */
    size_t nlist;
};
void put_instance_name(struct vr_buf *b, const struct cim_path *p);
void put_instance(struct vr_buf *b, const struct cim_instance *i, const struct cimxml_options *o);
/* The same for many: what all instances of a class have in common is put together once, for one
 * class and one set of options at a time. */
struct cimxml_form {
    const struct cim_class *cls;
    struct vr_buf text;
    size_t start;
    struct cimxml_form_prop *props;
};
void cimxml_form_init(struct cimxml_form *form);
void cimxml_form_deinit(struct cimxml_form *form);
void put_instance_as(struct vr_buf *b,
                     struct cimxml_form *form,
                     const struct cim_instance *i,
                     const struct cimxml_options *o);
/* INSTANCEPATH; host: this server's name */
void put_instance_path(struct vr_buf *b, const char *host, const struct cim_path *p);
/* CLASSPATH */
void put_class_path(struct vr_buf *b, const char *host, const struct cim_class *c);
/* VALUE.OBJECTWITHPATH */
void put_object_with_path(struct vr_buf *b,
                          const char *host,
                          const struct cim_instance *i,
                          const struct cimxml_options *o);
void put_qualifier_declaration(struct vr_buf *b, const struct cim_qualifier_decl *d);
void put_class(struct vr_buf *b, const struct cim_class *c, const struct cimxml_options *said);
/* An instance as the text that a string with EmbeddedInstance is. */
void put_embedded(struct vr_buf *b, const struct cim_instance *i);
void put_value(struct vr_buf *b, const struct cim_value *v);
void put_return_value(struct vr_buf *b, const struct cim_value *v);
void put_param(struct vr_buf *b, const struct cim_param *p);
