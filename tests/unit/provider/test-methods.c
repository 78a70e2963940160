/* SPDX-License-Identifier: Apache-2.0 */
/* The table of the methods against the schema, and every row of it driven through the real provider
 * over the real core in the world of tests/unit/core/fake.h. */
#include <strings.h>

#include "tests/unit/provider/calls.h"
#include "util/num.h"

#define SVC                                                                                        \
    ":Msvm_ReplicationService.SystemCreationClassName=\"Msvm_ComputerSystem\",SystemName="         \
    "\"a.example\",CreationClassName=\"Msvm_ReplicationService\",Name=\"replicasvc\""

static const struct cim_class *class_of(struct calls *t, const char *name)
{
    const struct cim_class *cls = cim_schema_class(provider_broker(t->p)->schema, name);
    assert_non_null(cls);
    return cls;
}

/* --- the schema --- */

static void test_every_method_has_a_rule(void **state)
{
    const struct cim_class *cls = class_of(*state, "Msvm_ReplicationService");
    assert_int_equal(cls->nmethods, VR_METHOD_COUNT);
    for (uint32_t i = 0; i < cls->nmethods; i++) {
        int m = vr_method_find(cls->methods[i].name);
        if (m < 0) {
            fail_msg("%s has no rule", cls->methods[i].name);
        }
        assert_string_equal(vr_method_rule((enum vr_method)m)->name, cls->methods[i].name);
    }
}

static bool is_code(const char *value, const char *text)
{
    static const struct {
        uint32_t code;
        const char *text;
    } rows[] = {
#define X(name, value, text) {value, text},
        VR_RETCODES(X)
#undef X
    };
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        char number[16];
        snprintf(number, sizeof(number), "%u", rows[i].code);
        if (strcmp(number, value) == 0) {
            return strcmp(rows[i].text, text) == 0;
        }
    }
    return false;
}

static void test_documented_codes_are_ours(void **state)
{
    const struct cim_class *cls = class_of(*state, "Msvm_ReplicationService");
    unsigned seen = 0;
    for (uint32_t i = 0; i < cls->nmethods; i++) {
        const struct cim_method *m = &cls->methods[i];
        const struct cim_qualifier *map = cim_qualifier(m->quals, m->nquals, "ValueMap");
        const struct cim_qualifier *values = cim_qualifier(m->quals, m->nquals, "Values");
        if (!map) {
            continue; /* those of CIM_Service */
        }
        assert_non_null(values);
        assert_int_equal(map->value.count, values->value.count);
        for (uint32_t k = 0; k < map->value.count; k++) {
            if (!is_code(map->value.items[k].str, values->value.items[k].str)) {
                fail_msg("%s: %s is not '%s'", m->name, map->value.items[k].str,
                         values->value.items[k].str);
            }
        }
        seen++;
    }
    assert_int_equal(seen, 26);
}

/* --- calls --- */

static void on_done(void *ctx, const struct cim_invoke_result *res)
{
    struct calls *t = ctx;
    t->answered++;
    t->status = res->status;
    t->code = (uint32_t)res->value.u;
    snprintf(t->reason, sizeof(t->reason), "%s", res->reason);
}

static void begin(struct calls *t, enum vr_method m, enum vr_role role)
{
    struct cim_status st = {0};
    struct vr_err err = VR_ERR_INIT;
    cim_arena_reset(&t->arena);
    t->in = (struct cim_invoke){.caller = {.user = "anna", .role = (int)role}};
    CHECK_OK(cim_path_parse(&t->arena, SVC, &t->in.path, &err), &err);
    t->in.method = cim_broker_method(provider_broker(t->p), CIM_NAMESPACE, &t->in.path,
                                     vr_method_rule(m)->name, &t->in.cls, &st);
    assert_non_null(t->in.method);
}

static struct cim_param *param(struct calls *t, const char *name, struct cim_value v)
{
    struct cim_param *p = &t->in.params[t->in.nparams++];
    *p = (struct cim_param){.name = name, .value = v};
    return p;
}

static void system_param(struct calls *t, const char *name)
{
    struct vr_err err = VR_ERR_INIT;
    struct cim_path *p = cim_alloc(&t->arena, sizeof(*p));
    char text[160];
    snprintf(text, sizeof(text),
             ":Msvm_ComputerSystem.CreationClassName=\"Msvm_ComputerSystem\",Name=\"%s\"", name);
    CHECK_OK(cim_path_parse(&t->arena, text, p, &err), &err);
    param(t, "ComputerSystem", cim_ref(p));
}

/* The call's return value; CIM errors as -code. */
static int run(struct calls *t)
{
    unsigned before = t->answered;
    cim_broker_invoke(provider_broker(t->p), &t->in, on_done, t);
    assert_int_equal(t->answered, before + 1);
    if (t->status.code == CIM_OK && t->code != 0 && t->code != VR_RC_JOB_STARTED) {
        assert_true(t->reason[0] != '\0' || t->code == 1);
    }
    return t->status.code ? -t->status.code : (int)t->code;
}

static bool is_control(enum vr_method m)
{
    return m >= VR_METHOD_RequestStateChange;
}

static void test_types_come_first(void **state)
{
    struct calls *t = *state;
    for (int i = 0; i < (int)VR_METHOD_COUNT; i++) {
        enum vr_method m = (enum vr_method)i;
        begin(t, m, VR_ROLE_VIEWER);
        if (t->in.method->nparams == 0 || !cim_param_is_in(&t->in.method->params[0])) {
            continue;
        }
        const struct cim_feature *first = &t->in.method->params[0];
        param(t, first->name, cim_null(first->type))->wrong_type = true;
        assert_int_equal(run(t), is_control(m) ? -CIM_ERR_INVALID_PARAMETER : VR_RC_WRONG_TYPE);
    }
    assert_int_equal(t->f->saves, 0);
}

static void test_required_parameters(void **state)
{
    struct calls *t = *state;
    unsigned seen = 0;
    for (int i = 0; i < (int)VR_METHOD_COUNT; i++) {
        enum vr_method m = (enum vr_method)i;
        begin(t, m, VR_ROLE_VIEWER);
        for (uint32_t k = 0; k < t->in.method->nparams; k++) {
            if (!cim_feature_has(&t->in.method->params[k], "Required")) {
                continue;
            }
            begin(t, m, VR_ROLE_VIEWER);
            assert_int_equal(run(t), VR_RC_INVALID_PARAMETER);
            assert_non_null(strstr(t->reason, "missing"));
            seen++;
            break;
        }
    }
    assert_int_equal(seen, 25);
    assert_int_equal(t->f->saves, 0);
}

static void test_system_must_be_known(void **state)
{
    static const char *const bad[] = {"nobody", "70707070-7070-7070-7070-707070707070"};
    struct calls *t = *state;
    for (size_t i = 0; i < VR_COUNT(bad); i++) {
        begin(t, VR_METHOD_RevertFailover, VR_ROLE_VIEWER);
        system_param(t, bad[i]);
        assert_int_equal(run(t), VR_RC_INVALID_PARAMETER);
    }
    begin(t, VR_METHOD_RevertFailover, VR_ROLE_OPERATOR);
    system_param(t, "01010101-0101-0101-0101-010101010101");
    assert_int_equal(run(t), VR_RC_ACCESS_DENIED);
    begin(t, VR_METHOD_RevertFailover, VR_ROLE_ADMIN);
    system_param(t, "A.EXAMPLE");
    assert_int_equal(run(t), VR_RC_NOT_SUPPORTED);
    begin(t, VR_METHOD_RevertFailover, VR_ROLE_ADMIN);
    system_param(t, "01010101-0101-0101-0101-010101010101");
    assert_int_equal(run(t), VR_RC_NOT_SUPPORTED);
    assert_non_null(strstr(t->reason, "not offered"));
}

static int start_replication(struct calls *t, unsigned type, uint64_t at)
{
    begin(t, VR_METHOD_StartReplication, VR_ROLE_OPERATOR);
    system_param(t, "01010101-0101-0101-0101-010101010101");
    param(t, "InitialReplicationType", cim_uint(CIM_UINT16, type));
    if (at) {
        param(t, "StartTime", cim_time(&t->arena, at));
    }
    return run(t);
}

static void test_start_replication(void **state)
{
    struct calls *t = *state;
    assert_int_equal(start_replication(t, 1, 0), VR_RC_INVALID_STATE); /* not enabled */
    fake_rel(t->f, 0, true, VR_REL_READY);
    assert_int_equal(start_replication(t, 0, 0), VR_RC_INVALID_PARAMETER);
    assert_int_equal(start_replication(t, 4, 0), VR_RC_INVALID_PARAMETER);
    assert_int_equal(start_replication(t, 1, T0 - 10 * MIN), VR_RC_INVALID_PARAMETER);
    assert_int_equal(start_replication(t, 1, T0 + 8 * 24 * 60 * MIN), VR_RC_INVALID_PARAMETER);
    assert_int_equal(t->f->saves, 0);
    assert_int_equal(start_replication(t, 3, T0 + 10 * MIN), VR_RC_JOB_STARTED);
    const struct vr_job *j = core_job_at(t->f->c, 0);
    assert_int_equal(j->type, VR_JOBTYPE_INITIAL_SEEDED);
    assert_int_equal(j->scheduled_us, T0 + 10 * MIN);
    assert_int_equal(start_replication(t, 1, 0), VR_RC_JOB_STARTED);
    assert_int_equal(core_job_at(t->f->c, 0)->state, VR_JOB_TERMINATED); /* superseded */
    assert_int_equal(t->f->started.kind, VR_TRANSFER_INITIAL);
    assert_int_equal(start_replication(t, 1, 0), VR_RC_INVALID_STATE);
}

static int start_export(struct calls *t, enum vr_role role, const char *location)
{
    begin(t, VR_METHOD_StartReplication, role);
    system_param(t, "01010101-0101-0101-0101-010101010101");
    param(t, "InitialReplicationType", cim_uint(CIM_UINT16, 2));
    param(t, "StartTime", cim_time(&t->arena, T0 - 10 * MIN)); /* ignored */
    if (location) {
        param(t, "InitialReplicationExportLocation", cim_str(location));
    }
    return run(t);
}

static void test_export(void **state)
{
    struct calls *t = *state;
    static char large[VR_PATH_MAX + 8];
    memset(large, '/', sizeof(large) - 1);
    fake_rel(t->f, 0, true, VR_REL_READY);
    assert_int_equal(start_export(t, VR_ROLE_ADMIN, NULL), VR_RC_INVALID_PARAMETER);
    assert_int_equal(start_export(t, VR_ROLE_ADMIN, "mnt"), VR_RC_INVALID_PARAMETER);
    assert_int_equal(start_export(t, VR_ROLE_ADMIN, large), VR_RC_INVALID_PARAMETER);
    assert_int_equal(start_export(t, VR_ROLE_OPERATOR, "/mnt"), VR_RC_ACCESS_DENIED);
    assert_int_equal(start_export(t, VR_ROLE_ADMIN, "/mnt"), VR_RC_JOB_STARTED);
    assert_int_equal(core_job_at(t->f->c, 0)->type, VR_JOBTYPE_EXPORT);
    assert_string_equal(t->f->offline.location, "/mnt");
}

static void test_import(void **state)
{
    static const char *const bad[] = {"", "mnt"};
    struct calls *t = *state;
    fake_rel(t->f, 0, false, VR_REL_INITIAL);
    for (size_t i = 0; i <= VR_COUNT(bad); i++) {
        begin(t, VR_METHOD_ImportInitialReplica, VR_ROLE_ADMIN);
        system_param(t, "01010101-0101-0101-0101-010101010101");
        param(t, "InitialReplicationImportLocation", cim_str(i < VR_COUNT(bad) ? bad[i] : "/mnt"));
        assert_int_equal(run(t), i < VR_COUNT(bad) ? VR_RC_INVALID_PARAMETER : VR_RC_JOB_STARTED);
    }
    assert_int_equal(core_job_at(t->f->c, 0)->type, VR_JOBTYPE_IMPORT);
    assert_true(t->f->offline.import);
}

static void test_service_control(void **state)
{
    struct calls *t = *state;
    begin(t, VR_METHOD_StopService, VR_ROLE_OPERATOR);
    assert_int_equal(run(t), -CIM_ERR_ACCESS_DENIED);
    begin(t, VR_METHOD_StopService, VR_ROLE_ADMIN);
    assert_int_equal(run(t), 1);
}

/* Some value for each parameter that must be there. */
static void give_required(struct calls *t, const struct cim_method *m)
{
    for (uint32_t i = 0; i < m->nparams; i++) {
        const struct cim_feature *f = &m->params[i];
        const char *cls = cim_feature_embedded(f);
        struct cim_value v = {.type = f->type, .u = 1};
        if (!cim_feature_has(f, "Required") || strcmp(f->name, "ComputerSystem") == 0) {
            continue;
        }
        if (cls) {
            v = cim_embedded(cim_instance_new(&t->arena, class_of(t, cls)));
        } else if (f->type == CIM_STRING || f->type == CIM_DATETIME) {
            v = cim_str("x");
        }
        v.type = cls ? CIM_INSTANCE : f->type;
        param(t, f->name, f->is_array ? cim_array1(&t->arena, v) : v);
    }
}

/* For a user limited to other VMs every method answers as if there were none; and what concerns the
 * host is not his, whatever his role. */
static void test_hidden_vm(void **state)
{
    static const struct vr_scope others = {.limited = true, .n = 1, .vm = {{{0x77}}}};
    struct calls *t = *state;
    const struct cim_class *cls = class_of(t, "Msvm_ReplicationService");
    unsigned of_vm = 0, of_host = 0;
    fake_rel(t->f, 0, true, VR_REL_REPLICATING);
    for (int m = 0; m < VR_METHOD_COUNT; m++) {
        const struct vr_method_rule *rule = vr_method_rule((enum vr_method)m);
        const struct cim_method *method = cim_class_method(cls, rule->name);
        int code[2];
        char why[2][CIM_TEXT_MAX];
        bool has_vm = rule->which != VR_WHICH_HOST;
        for (int hidden = 0; hidden <= 1; hidden++) {
            begin(t, (enum vr_method)m, VR_ROLE_ADMIN);
            if (has_vm) {
                system_param(t, hidden ? "01010101-0101-0101-0101-010101010101"
                                       : "70707070-7070-7070-7070-707070707070");
            }
            t->in.caller.scope = hidden ? &others : NULL;
            give_required(t, method);
            code[hidden] = run(t);
            memcpy(why[hidden], t->reason, sizeof(why[hidden]));
        }
        if (has_vm) {
            assert_int_equal(code[0], VR_RC_INVALID_PARAMETER);
            assert_int_equal(code[1], code[0]);
            assert_string_equal(why[1], why[0]);
            of_vm++;
        } else if (rule->least > VR_ROLE_VIEWER) {
            begin(t, (enum vr_method)m, VR_ROLE_ADMIN);
            t->in.caller.scope = &others;
            give_required(t, method);
            int got = run(t);
            assert_true(got == VR_RC_ACCESS_DENIED || got == -CIM_ERR_ACCESS_DENIED);
            of_host++;
        }
    }
    assert_true(of_vm > 10 && of_host > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CALLS_TEST(test_every_method_has_a_rule),
        CALLS_TEST(test_documented_codes_are_ours),
        CALLS_TEST(test_types_come_first),
        CALLS_TEST(test_required_parameters),
        CALLS_TEST(test_system_must_be_known),
        CALLS_TEST(test_start_replication),
        CALLS_TEST(test_export),
        CALLS_TEST(test_import),
        CALLS_TEST(test_service_control),
        CALLS_TEST(test_hidden_vm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
