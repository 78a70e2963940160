/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The methods of Msvm_ReplicationService: one way in (method.c) judges what all have in common, by
 * the class and by VR_METHODS, in this order: types 32776, parameters 32773, role 32769, the host
 * instance or a method not offered 32770, mode and state 32775. Then the method's own function
 * runs; these are in method_*.c, a file a group. A method without one answers 32770.
 */
#pragma once
#include "model/method.h"
#include "provider/internal.h"

/* An embedded Msvm_ReplicationSettingData. */
struct provider_settings {
    struct vr_setting_change change;
    char peer[VR_HOST_MAX]; /* "": not said */
    bool says_disks;
    char excluded[VR_DISKS_MAX][VR_NAME_MAX]; /* what IncludedDisks leaves out */
    uint32_t nexcluded;
};

/* What the common part has read. */
struct provider_args {
    enum vr_method method;
    struct vr_uuid vm_id; /* of ComputerSystem */
    enum vr_mode mode;
    uint8_t number;          /* the relationship meant */
    enum vr_rel_state state; /* of it; DISABLED: there is none */
    uint64_t start_us;       /* 0 = now */
    struct provider_settings settings;
};

struct provider_method {
    /* Reads what only this method has, before the role is judged: 0, or what provider_refuse
     * gives. NULL: nothing. */
    uint32_t (*read)(struct provider_call *call, struct provider_args *args);
    /* Answers, once, now or later. NULL: not offered. */
    void (*run)(struct provider_call *call, const struct provider_args *args);
    bool core_judges; /* mode and state, because more is judged before them */
};

void provider_method_invoke(struct provider_call *call);

/* Types, Required and embedded instances of a call's parameters, by the class: 0 or the code. */
uint32_t provider_check_params(struct provider_call *call);
/* The relationship an embedded Msvm_ReplicationRelationship of this VM names; 0 when the call has
 * none. */
uint32_t
provider_read_rel(struct provider_call *call, const struct vr_uuid *vm, uint8_t *ret_number);

/* StartTime: 0 or the code. */
uint32_t provider_read_start(struct provider_call *call, struct provider_args *args);
/* NULL: not given, or NULL. */
const struct cim_value *provider_param(const struct provider_call *call, const char *name);

/* --- method_settings.c --- */
/* ReplicationSettingData: 0 or the code. */
uint32_t provider_read_settings(struct provider_call *call, struct provider_args *args);

/* --- method_host.c --- */
void provider_modify_service(struct provider_call *call, const struct provider_args *args);
/* Add and Modify, Remove, Set. */
void provider_put_authorization(struct provider_call *call, const struct provider_args *args);
void provider_remove_authorization(struct provider_call *call, const struct provider_args *args);
void provider_set_authorization(struct provider_call *call, const struct provider_args *args);
void provider_certificates(struct provider_call *call, const struct provider_args *args);
void provider_test_connection(struct provider_call *call, const struct provider_args *args);
void provider_change_service(struct provider_call *call, const struct provider_args *args);
void provider_start_service(struct provider_call *call, const struct provider_args *args);

/* --- method_statistics.c --- */
void provider_statistics(struct provider_call *call, const struct provider_args *args);
void provider_reset_statistics(struct provider_call *call, const struct provider_args *args);

/* --- method_relationship.c --- */
void provider_create_relationship(struct provider_call *call, const struct provider_args *args);
void provider_modify_settings(struct provider_call *call, const struct provider_args *args);
void provider_remove_relationship(struct provider_call *call, const struct provider_args *args);
void provider_resynchronize(struct provider_call *call, const struct provider_args *args);

/* --- method_start.c --- */
uint32_t provider_read_start_replication(struct provider_call *call, struct provider_args *args);
void provider_start_replication(struct provider_call *call, const struct provider_args *args);
uint32_t provider_read_import(struct provider_call *call, struct provider_args *args);
void provider_import(struct provider_call *call, const struct provider_args *args);
