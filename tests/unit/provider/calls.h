/* SPDX-License-Identifier: Apache-2.0 */
/* Method calls of Msvm_ReplicationService through the real provider and the real core, in the world
 * of tests/unit/core/fake.h. */
#pragma once
#include "model/method.h"
#include "provider/provider.h"
#include "tests/unit/core/fake.h"

struct calls {
    struct fake *f;
    struct provider *p;
    struct cim_arena arena;
    struct cim_invoke in;
    struct cim_instance *embedded; /* of the last calls_instance */
    unsigned answered;
    uint32_t code;
    struct cim_status status;
    char reason[CIM_TEXT_MAX];
    /* sees the answer while it lasts; NULL: nobody */
    void (*look)(struct calls *t, const struct cim_invoke_result *res);
};

int calls_setup(void **state);
int calls_teardown(void **state);
#define CALLS_TEST(f) cmocka_unit_test_setup_teardown(f, calls_setup, calls_teardown)

/* A new call; parameters follow, then calls_run: the return value, CIM errors as -code. */
void calls_begin(struct calls *t, enum vr_method m, enum vr_role role);
void calls_param(struct calls *t, const char *name, struct cim_value v);
/* ComputerSystem: the VM of the fake. */
void calls_vm(struct calls *t);
/* An embedded instance, its properties by calls_set. */
void calls_instance(struct calls *t, const char *param, const char *class_name);
void calls_set(struct calls *t, const char *property, struct cim_value v);
int calls_run(struct calls *t);
/* The out parameter of an answer. */
const struct cim_value *calls_out(const struct cim_invoke_result *res, const char *name);
