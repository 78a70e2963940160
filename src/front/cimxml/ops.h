/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by intrinsic.c (the table of operations and their parameters) and the ops_*.c files. */
#pragma once
#include "front/cimxml/internal.h"

/* X(name, kind): every parameter of every intrinsic operation */
#define CIMXML_PARAMS(X)                                                                           \
    X(ClassName, CLASS)                                                                            \
    X(InstanceName, INSTANCE)                                                                      \
    X(ObjectName, OBJECT)                                                                          \
    X(PropertyList, LIST)                                                                          \
    X(LocalOnly, FLAG)                                                                             \
    X(DeepInheritance, FLAG)                                                                       \
    X(IncludeQualifiers, FLAG)                                                                     \
    X(IncludeClassOrigin, FLAG)                                                                    \
    X(QueryLanguage, TEXT)                                                                         \
    X(Query, TEXT)                                                                                 \
    X(QualifierName, TEXT)                                                                         \
    X(PropertyName, TEXT)                                                                          \
    X(AssocClass, CLASS)                                                                           \
    X(ResultClass, CLASS)                                                                          \
    X(Role, TEXT)                                                                                  \
    X(ResultRole, TEXT)                                                                            \
    X(FilterQueryLanguage, TEXT)                                                                   \
    X(FilterQuery, TEXT)                                                                           \
    X(ReturnQueryResultClass, FLAG)                                                                \
    X(OperationTimeout, NUMBER)                                                                    \
    X(ContinueOnError, FLAG)                                                                       \
    X(MaxObjectCount, NUMBER)                                                                      \
    X(EnumerationContext, TEXT)

enum cimxml_param {
#define X(name, kind) P_##name,
    CIMXML_PARAMS(X)
#undef X
    P_COUNT
};

struct cimxml_arg {
    bool given; /* with a value */
    bool flag;  /* of an object: it is a class */
    uint32_t number;
    const char *text;
    struct cim_path path;
};

struct cimxml_args {
    struct cimxml_arg arg[P_COUNT];
    const char *list[CIMXML_PROPERTY_LIST_MAX];
    size_t nlist;
};

/* Writes what stands inside IRETURNVALUE. */
typedef void (*cimxml_op)(const struct cimxml_call *call,
                          const struct cimxml_args *args,
                          struct vr_buf *out,
                          struct cim_status *st);

/* Of ObjectName, or of InstanceName when that is given. */
void cimxml_related_of(const struct cimxml_args *args, struct cim_related *ret);
struct cim_wql;
/* The SELECT list as a property list; false: no memory. */
bool cimxml_select_list(const struct cimxml_call *call,
                        const struct cim_wql *q,
                        struct cimxml_options *o);
/* What the arguments say of the properties of classes. */
struct cimxml_options cimxml_options_of(const struct cimxml_args *args);
/* ... and of instances: LocalOnly is deprecated, since DSP0200 1.4 servers take it for FALSE. */
struct cimxml_options cimxml_instance_options(const struct cimxml_args *args);

void op_get_class(const struct cimxml_call *call,
                  const struct cimxml_args *args,
                  struct vr_buf *out,
                  struct cim_status *st);
void op_enumerate_classes(const struct cimxml_call *call,
                          const struct cimxml_args *args,
                          struct vr_buf *out,
                          struct cim_status *st);
void op_enumerate_class_names(const struct cimxml_call *call,
                              const struct cimxml_args *args,
                              struct vr_buf *out,
                              struct cim_status *st);
void op_get_qualifier(const struct cimxml_call *call,
                      const struct cimxml_args *args,
                      struct vr_buf *out,
                      struct cim_status *st);
void op_enumerate_qualifiers(const struct cimxml_call *call,
                             const struct cimxml_args *args,
                             struct vr_buf *out,
                             struct cim_status *st);
void op_get_instance(const struct cimxml_call *call,
                     const struct cimxml_args *args,
                     struct vr_buf *out,
                     struct cim_status *st);
void op_get_property(const struct cimxml_call *call,
                     const struct cimxml_args *args,
                     struct vr_buf *out,
                     struct cim_status *st);
void op_enumerate_instances(const struct cimxml_call *call,
                            const struct cimxml_args *args,
                            struct vr_buf *out,
                            struct cim_status *st);
void op_enumerate_instance_names(const struct cimxml_call *call,
                                 const struct cimxml_args *args,
                                 struct vr_buf *out,
                                 struct cim_status *st);
void op_associators(const struct cimxml_call *call,
                    const struct cimxml_args *args,
                    struct vr_buf *out,
                    struct cim_status *st);
void op_associator_names(const struct cimxml_call *call,
                         const struct cimxml_args *args,
                         struct vr_buf *out,
                         struct cim_status *st);
void op_references(const struct cimxml_call *call,
                   const struct cimxml_args *args,
                   struct vr_buf *out,
                   struct cim_status *st);
void op_reference_names(const struct cimxml_call *call,
                        const struct cimxml_args *args,
                        struct vr_buf *out,
                        struct cim_status *st);
void op_exec_query(const struct cimxml_call *call,
                   const struct cimxml_args *args,
                   struct vr_buf *out,
                   struct cim_status *st);
void op_open_enumerate_instances(const struct cimxml_call *call,
                                 const struct cimxml_args *args,
                                 struct vr_buf *out,
                                 struct cim_status *st);
void op_open_enumerate_paths(const struct cimxml_call *call,
                             const struct cimxml_args *args,
                             struct vr_buf *out,
                             struct cim_status *st);
void op_open_associators(const struct cimxml_call *call,
                         const struct cimxml_args *args,
                         struct vr_buf *out,
                         struct cim_status *st);
void op_open_associator_paths(const struct cimxml_call *call,
                              const struct cimxml_args *args,
                              struct vr_buf *out,
                              struct cim_status *st);
void op_open_references(const struct cimxml_call *call,
                        const struct cimxml_args *args,
                        struct vr_buf *out,
                        struct cim_status *st);
void op_open_reference_paths(const struct cimxml_call *call,
                             const struct cimxml_args *args,
                             struct vr_buf *out,
                             struct cim_status *st);
void op_open_query(const struct cimxml_call *call,
                   const struct cimxml_args *args,
                   struct vr_buf *out,
                   struct cim_status *st);
void op_pull_with_path(const struct cimxml_call *call,
                       const struct cimxml_args *args,
                       struct vr_buf *out,
                       struct cim_status *st);
void op_pull_paths(const struct cimxml_call *call,
                   const struct cimxml_args *args,
                   struct vr_buf *out,
                   struct cim_status *st);
void op_pull_instances(const struct cimxml_call *call,
                       const struct cimxml_args *args,
                       struct vr_buf *out,
                       struct cim_status *st);
void op_close_enumeration(const struct cimxml_call *call,
                          const struct cimxml_args *args,
                          struct vr_buf *out,
                          struct cim_status *st);
void op_enumeration_count(const struct cimxml_call *call,
                          const struct cimxml_args *args,
                          struct vr_buf *out,
                          struct cim_status *st);
