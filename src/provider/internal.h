/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the class files. */
#pragma once
#include "provider/provider.h"

#define PROVIDER_INSTANCE_MAX_BYTES CIM_INSTANCE_MAX_BYTES
#define JOB_ID_PREFIX "vmreplica:"

extern const unsigned char provider_schema[];
extern const size_t provider_schema_len;
extern const unsigned char provider_schema_interop[];
extern const size_t provider_schema_interop_len;

extern const unsigned char provider_schema_cimv2[];
extern const size_t provider_schema_cimv2_len;

#define PROVIDER_NS_INTEROP "root/interop"
#define PROVIDER_NS_CIMV2 "root/cimv2"
#define PROVIDER_SPACES 3

struct provider {
    struct cim_broker broker; /* first: the ops get it back */
    struct provider_config config;
    struct core *core;
    const struct provider_env_ops *env;
    void *env_ctx;
    struct cim_schema *schemas[PROVIDER_SPACES];
    const struct cim_schema *schema; /* of CIM_NAMESPACE */
    const struct vr_scope *scope;    /* of the caller of now; NULL: he sees all */
};

/* One enumeration: builds into an arena that is emptied after each instance. */
struct provider_list {
    struct provider *p;
    const struct cim_class *cls;
    struct cim_arena arena;
    cim_instance_cb cb;
    void *ctx;
    struct cim_status *st;
    /* Of associations: only those that refer to this object are wanted; NULL: all. More than asked
     * for does no harm. */
    const struct cim_path *of;
    bool stopped; /* no more is wanted */
};

/* One method call; the answer is given through it, once. */
struct provider_call {
    struct provider *p;
    const struct cim_invoke *in;
    cim_invoke_done done;
    void *ctx;
    char why[CIM_TEXT_MAX]; /* the reason of a return value, for a person */
};

/* How instances of a class are modified: by a method of the service. */
struct provider_modify {
    const char *method, *parameter; /* which is an instance of the class */
    const char *identity;           /* the property by which the method knows which */
    const char *const *settable;    /* names of properties, NULL at the end */
};

struct provider_class {
    const char *name;
    const char *source; /* where its instances come from, for docs/cim.md */
    /* The instance these keys may name, or NULL; the caller compares all keys. Without it, the one
     * of that path in the list. */
    struct cim_instance *(*get)(struct provider *p,
                                const struct cim_class *cls,
                                const struct cim_path *path,
                                struct cim_arena *a);
    void (*list)(struct provider_list *l);
    /* The path was checked to name an instance. NULL: the class has no methods. */
    void (*invoke)(struct provider_call *call);
    /* With get. NULL: they are not modified. */
    const struct provider_modify *modify;
};

/* modify.c; c->modify is there, and the caller has a role. */
void provider_modify(struct provider *p,
                     const struct provider_class *c,
                     const struct cim_modify *m,
                     cim_modify_done done,
                     void *ctx);

/* A namespace: its schema, and what fills its classes. */
struct provider_space {
    const char *ns, *mof_name;
    const unsigned char *mof;
    const size_t *mof_bytes;
    const struct provider_class *const *classes;
    size_t nclasses;
    const struct provider_class *more; /* found in a table of their own */
    size_t nmore;
};
extern const struct provider_space provider_spaces[PROVIDER_SPACES];

extern const struct provider_class provider_service, provider_system, provider_relationship,
    provider_job, provider_setting, provider_builtin, provider_vssd, provider_storage,
    provider_service_setting, provider_authorization;
#define PROVIDER_ASSOCS 8
extern const struct provider_class provider_assocs[PROVIDER_ASSOCS];
#define PROVIDER_INTEROP_CLASSES 2
extern const struct provider_class provider_interop[PROVIDER_INTEROP_CLASSES];
#define PROVIDER_CIMV2_CLASSES 5
extern const struct provider_class provider_cimv2[PROVIDER_CIMV2_CLASSES];

/* Hands a built instance on; false: stop. Takes NULL (no memory: the status is set). */
bool provider_list_one(struct provider_list *l, struct cim_instance *i);

/* --- answers; after one of them call->in is gone --- */
void provider_return(const struct provider_call *call, uint32_t code);
void provider_return_out(const struct provider_call *call,
                         uint32_t code,
                         const char *name,
                         struct cim_value value);
void provider_return_params(const struct provider_call *call,
                            uint32_t code,
                            const struct cim_param *out,
                            uint32_t n);
/* Keeps the reason that provider_return will give; returns code. */
uint32_t provider_refuse(struct provider_call *call, uint32_t code, const char *fmt, ...)
    VR_PRINTF(3, 4);
void provider_fail(const struct provider_call *call, int cim_code, const char *text);
/* For a verb of core: returns its ctx, to be given with provider_on_core; NULL: answered already
 * (no memory). */
void *provider_wait(const struct provider_call *call);
void provider_on_core(void *ctx, const struct core_answer *answer);
struct core_caller provider_caller(const struct provider_call *call);

/* --- what the caller sees of core (view.c) --- */
#define PROVIDER_LIMITED "this user is limited to some virtual machines"
bool provider_is_limited(const struct provider *p);
bool provider_sees(const struct provider *p, const struct vr_uuid *vm);
const struct vr_rel *provider_rel(struct provider *p, const struct vr_uuid *vm, uint8_t number);
/* One by one: *at begins as 0. NULL past the end. */
const struct vr_rel *provider_rel_next(struct provider *p, size_t *at);
const struct vr_job *provider_job_next(struct provider *p, size_t *at);
/* As core_vm_job. */
const struct vr_job *
provider_vm_job(struct provider *p, const struct vr_uuid *vm, const struct vr_job *after);
const struct vr_job *provider_job_by_uuid(struct provider *p, const struct vr_uuid *id);
#ifndef PROVIDER_ASKS_CORE
#pragma GCC poison core_rel core_rel_at core_job_at core_vm_job core_job_by_uuid
#endif

/* --- VMs: inventory and replicas, as far as the caller sees them --- */
bool provider_find_vm(struct provider *p, const struct vr_uuid *id, struct vr_vm *ret);
/* Is there one? Reads no replica's sidecar. */
bool provider_has_vm(struct provider *p, const struct vr_uuid *id);
/* Has it a relationship here? */
bool provider_is_replicated(struct provider *p, const struct vr_uuid *vm);
/* Those of the inventory, and the replicas of others, until cb returns false. */
void provider_each_vm(struct provider *p, provider_vm_cb cb, void *ctx, struct cim_status *st);
bool provider_is_host(const struct provider *p, const struct cim_path *path);
/* The VM a path to a CIM_ComputerSystem names. */
bool provider_path_vm(struct provider *p, const struct cim_path *path, struct vr_uuid *ret);

/* --- instances that are embedded, too; NULL: no memory --- */
/* Msvm_Error. kind 0: what the code says. An empty message: what the kind is. source may be NULL.
 */
struct cim_instance *provider_error(struct provider *p,
                                    struct cim_arena *a,
                                    uint32_t code,
                                    int kind,
                                    const char *message,
                                    const struct cim_path *source);
/* Msvm_ReplicationServiceSettingData */
struct cim_instance *provider_service_settings(const struct provider *p,
                                               const struct vr_service *s,
                                               const struct cim_class *cls,
                                               struct cim_arena *a);

/* --- object paths (paths.c); made ones are NULL when there is no memory --- */
struct cim_path *provider_ref_host(const struct provider *p, struct cim_arena *a);
struct cim_path *provider_ref_vm(struct cim_arena *a, const struct vr_uuid *vm);
struct cim_path *provider_ref_service(const struct provider *p, struct cim_arena *a);
struct cim_path *provider_ref_builtin(const struct provider *p, struct cim_arena *a);
struct cim_path *provider_ref_job(struct cim_arena *a, const struct vr_job *job);
/* Of a class whose only key is InstanceID. */
struct cim_path *provider_ref_id(struct cim_arena *a, const char *class_name, const char *id);
/* NULL: it has no such key. */
const char *provider_path_instance_id(const struct cim_path *path);
const struct vr_job *provider_find_job(struct provider *p, const struct cim_path *path);
struct cim_path *
provider_ref_disk(struct cim_arena *a, const struct vr_uuid *vm, const struct vr_disk *disk);
/* Does this text, an object path or an id, name the built-in replication provider? */
bool provider_names_builtin(const char *text);
/* The disk that an InstanceID "Microsoft:<vm>\<disk>" names, or an object path with one. */
bool provider_disk_parse(const char *text,
                         struct vr_uuid *ret_vm,
                         char ret_disk[static VR_NAME_MAX]);
struct cim_path *provider_ref_service_settings(const struct provider *p, struct cim_arena *a);
struct cim_path *provider_ref_authorization(const struct provider *p,
                                            struct cim_arena *a,
                                            const struct vr_auth_entry *e);
/* NULL: the path names none; the whole InstanceID is not compared. */
const struct vr_auth_entry *provider_find_authorization(const struct provider *p,
                                                        const struct cim_path *path);
/* "Microsoft:<vm>" */
const char *provider_vssd_id(struct cim_arena *a, const struct vr_uuid *vm);
/* "Microsoft:<vm>\..."; returns what follows the backslash, "" when nothing does. A backslash may
 * be there twice. NULL: not of that form. */
const char *provider_vm_id_parse(const char *text, struct vr_uuid *ret_vm);
/* "Microsoft:<vm>\HVR\<n>" */
bool provider_rel_id_parse(const char *text, struct vr_uuid *ret_vm, uint8_t *ret_number);
const char *provider_rel_id(struct cim_arena *a, const struct vr_uuid *vm, uint8_t number);
/* Of the relationship, or its settings. */
struct cim_path *
provider_ref_rel(struct cim_arena *a, const char *class_name, const struct vr_rel *rel);
