/* SPDX-License-Identifier: Apache-2.0 */
/* An embedded Msvm_ReplicationSettingData, from the method's parameter to core's relationship. */
#include <strings.h>

#include "provider/internal.h"
#include "tests/unit/core/fake.h"
#include "util/num.h"

#define SVC                                                                                        \
    ":Msvm_ReplicationService.SystemCreationClassName=\"Msvm_ComputerSystem\",SystemName="         \
    "\"a.example\",CreationClassName=\"Msvm_ReplicationService\",Name=\"replicasvc\""
#define VM_GUID "01010101-0101-0101-0101-010101010101"
#define OTHER_GUID "02020202-0202-0202-0202-020202020202"
#define VM ":Msvm_ComputerSystem.CreationClassName=\"Msvm_ComputerSystem\",Name=\"" VM_GUID "\""
#define DISK(vm, name) "Microsoft:" vm "\\" name
#define DISK_PATH(vm, name)                                                                        \
    "\\\\HOST\\root\\virtualization\\v2:Msvm_StorageAllocationSettingData.InstanceID="             \
    "\"Microsoft:" vm "\\\\" name "\""

struct fixture {
    struct fake *f;
    struct provider *p;
    struct cim_arena arena;
    struct cim_instance *i; /* the settings of the next call */
    uint32_t code;
    char reason[CIM_TEXT_MAX];
};

static uint64_t now_us(void *ctx)
{
    return ((struct fake *)ctx)->now;
}

static int list_vms(void *ctx, provider_vm_cb cb, void *cb_ctx, struct vr_err *err)
{
    cb(cb_ctx, &((struct fake *)ctx)->vm);
    return 0;
}

static int find_vm(void *ctx, const struct vr_uuid *id, struct vr_vm *ret, struct vr_err *err)
{
    struct fake *f = ctx;
    if (!vr_uuid_eq(id, &f->vm.id)) {
        return vr_fail(err, VR_E_NOT_FOUND, "no such VM");
    }
    *ret = f->vm;
    return 0;
}

static int replica_vm(void *ctx, const struct vr_rel *rel, struct vr_vm *ret, struct vr_err *err)
{
    *ret = ((struct fake *)ctx)->vm;
    return 0;
}

static const struct provider_env_ops env = {
    .now_us = now_us, .list_vms = list_vms, .find_vm = find_vm, .replica_vm = replica_vm};

static void fresh(struct fixture *t)
{
    const struct cim_class *cls =
        cim_schema_class(provider_broker(t->p)->schema, "Msvm_ReplicationSettingData");
    assert_non_null(cls);
    cim_arena_reset(&t->arena);
    t->i = cim_instance_new(&t->arena, cls);
    for (uint32_t k = 0; k < cls->nprops; k++) {
        t->i->values[k] = cim_null(cls->props[k].type);
    }
    cim_set(t->i, "RecoveryConnectionPoint", cim_str("b.example"));
}

static int setup(void **state)
{
    struct fixture *t = calloc(1, sizeof(*t));
    struct provider_config config = {.host_name = "a.example", .job_keep_us = 5 * MIN};
    struct vr_err err = VR_ERR_INIT;
    t->f = fake_new();
    cim_arena_init(&t->arena, 1 << 20);
    CHECK_OK(provider_new(&config, t->f->c, &env, t->f, &t->p, &err), &err);
    fresh(t);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *t = *state;
    cim_arena_deinit(&t->arena);
    provider_free(t->p);
    fake_free(t->f);
    free(t);
    return 0;
}

static void on_done(void *ctx, const struct cim_invoke_result *res)
{
    struct fixture *t = ctx;
    assert_int_equal(res->status.code, CIM_OK);
    t->code = (uint32_t)res->value.u;
    snprintf(t->reason, sizeof(t->reason), "%s", res->reason);
}

static uint32_t call(struct fixture *t, const char *method)
{
    struct cim_status st = {0};
    struct vr_err err = VR_ERR_INIT;
    struct cim_path *vm = cim_alloc(&t->arena, sizeof(*vm));
    struct cim_invoke in = {.caller = {.user = "anna", .role = VR_ROLE_ADMIN}, .nparams = 2};
    CHECK_OK(cim_path_parse(&t->arena, SVC, &in.path, &err), &err);
    CHECK_OK(cim_path_parse(&t->arena, VM, vm, &err), &err);
    in.method =
        cim_broker_method(provider_broker(t->p), CIM_NAMESPACE, &in.path, method, &in.cls, &st);
    assert_non_null(in.method);
    in.params[0] = (struct cim_param){.name = "ComputerSystem", .value = cim_ref(vm)};
    in.params[1] =
        (struct cim_param){.name = "ReplicationSettingData", .value = cim_embedded(t->i)};
    t->code = 1;
    cim_broker_invoke(provider_broker(t->p), &in, on_done, t);
    return t->code;
}

#define CREATE "CreateReplicationRelationship"
#define MODIFY "ModifyReplicationSettings"

static void expect(struct fixture *t, uint32_t code, const char *part)
{
    if (call(t, CREATE) != code || !strstr(t->reason, part)) {
        fail_msg("%u '%s', wanted %u '%s'", t->code, t->reason, code, part);
    }
    assert_int_equal(t->f->saves, 0);
    fresh(t);
}

static void set_disks(struct fixture *t, const char *const *disks, uint32_t n)
{
    struct cim_value *items = cim_alloc(&t->arena, n * sizeof(*items));
    for (uint32_t k = 0; k < n; k++) {
        items[k] = cim_str(disks[k]);
    }
    cim_set(t->i, "IncludedDisks",
            (struct cim_value){.type = CIM_STRING, .is_array = true, .count = n, .items = items});
}

static void test_create(void **state)
{
    struct fixture *t = *state;
    cim_set(t->i, "RecoveryServerPortNumber", cim_uint(CIM_UINT16, 9000));
    cim_set(t->i, "CompressionEnabled", cim_bool(false));
    cim_set(t->i, "ReplicationInterval", cim_uint(CIM_UINT16, 30));
    cim_set(t->i, "AutoResynchronizeIntervalStart", cim_interval(&t->arena, 60000000));
    cim_set(t->i, "AutoResynchronizeIntervalEnd", cim_interval(&t->arena, 0));
    cim_set(t->i, "AutoResynchronizeEnabled", cim_bool(false));
    cim_set(t->i, "RecoveryHistory", cim_uint(CIM_UINT16, 0));
    cim_set(t->i, "AuthenticationType", cim_uint(CIM_UINT16, 2));
    cim_set(t->i, "EnableWriteOrderPreservationAcrossDisks", cim_bool(true));
    cim_set(t->i, "AdditionalSettings", cim_str(""));
    cim_set(t->i, "InstanceID", cim_str("Microsoft:" VM_GUID "\\HVR\\0"));
    cim_set(t->i, "VirtualSystemIdentifier", cim_str(VM_GUID));
    cim_set(t->i, "BypassProxyServer", cim_bool(true)); /* not looked at */
    cim_set(t->i, "CertificateThumbPrint", cim_str("AB12"));
    assert_int_equal(call(t, CREATE), 4096);
    const struct vr_rel *rel = fake_get(t->f, 0);
    assert_string_equal(rel->peer, "b.example:9000");
    assert_false(rel->setting.compression);
    assert_int_equal(rel->setting.interval_s, 30);
    assert_int_equal(rel->setting.auto_start_s, 60);
    assert_int_equal(rel->setting.auto_end_s, 0);
    assert_string_equal(rel->excluded, "");
    assert_int_equal(t->f->req.ndisks, 2);
    /* whether the images there are to be used is said by StartReplication */
    assert_int_equal(t->f->req.kind, VR_PEER_ENABLE_KEEPS);
}

/* What a VM without relationship shows is what creates one, as the public samples do it. */
static void test_create_from_what_is_shown(void **state)
{
    struct fixture *t = *state;
    struct cim_path path;
    struct vr_err err = VR_ERR_INIT;
    struct cim_status st = {0};
    const struct cim_caller who = {.user = "anna", .role = VR_ROLE_ADMIN};
    CHECK_OK(cim_path_parse(&t->arena,
                            ":Msvm_ReplicationSettingData.InstanceID=\"Microsoft:" VM_GUID
                            "\\\\HVR\\\\0\"",
                            &path, &err),
             &err);
    cim_broker_get_instance(provider_broker(t->p), &who, CIM_NAMESPACE, &path, &t->arena, &t->i,
                            &st);
    assert_int_equal(st.code, CIM_OK);
    cim_set(t->i, "RecoveryConnectionPoint", cim_str("b.example"));
    assert_int_equal(call(t, CREATE), 4096);
    assert_string_equal(fake_get(t->f, 0)->peer, "b.example");
    assert_int_equal(t->f->req.ndisks, 2);
}

static void test_connection_points(void **state)
{
    static const struct {
        const char *host;
        uint16_t port;
        const char *peer;
    } rows[] = {
        {"b.example", 0, "b.example"},       {"b.example:9001", 0, "b.example:9001"},
        {"10.0.0.7", 9001, "10.0.0.7:9001"}, {"fd00::7", 9001, "[fd00::7]:9001"},
        {"fd00::7", 0, "[fd00::7]"},         {"[fd00::7]", 9001, "[fd00::7]:9001"},
    };
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        setup(state);
        struct fixture *t = *state;
        cim_set(t->i, "RecoveryConnectionPoint", cim_str(rows[i].host));
        cim_set(t->i, "RecoveryServerPortNumber", cim_uint(CIM_UINT16, rows[i].port));
        if (call(t, CREATE) != 4096) {
            fail_msg("%s: %u %s", rows[i].host, t->code, t->reason);
        }
        assert_string_equal(fake_get(t->f, 0)->peer, rows[i].peer);
        teardown(state);
    }
}

static void test_refused(void **state)
{
    struct fixture *t = *state;
    char longest[2 * VR_HOST_MAX];
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    cim_set(t->i, "RecoveryConnectionPoint", cim_null(CIM_STRING));
    expect(t, 32773, "RecoveryConnectionPoint");
    cim_set(t->i, "RecoveryConnectionPoint", cim_str(longest));
    expect(t, 32773, "too long");
    cim_set(t->i, "InstanceID", cim_str("Microsoft:" OTHER_GUID "\\HVR\\0"));
    expect(t, 32773, "another virtual machine");
    cim_set(t->i, "VirtualSystemIdentifier", cim_str(OTHER_GUID));
    expect(t, 32773, "another virtual machine");
    cim_set(t->i, "AutoResynchronizeIntervalStart", cim_time(&t->arena, T0));
    expect(t, 32773, "intervals");
    cim_set(t->i, "AutoResynchronizeIntervalEnd", cim_interval(&t->arena, UINT64_C(86400000000)));
    expect(t, 32773, "24 hours");
    cim_set(t->i, "RecoveryHistory", cim_uint(CIM_UINT16, 25));
    expect(t, 32773, "RecoveryHistory");
    cim_set(t->i, "RecoveryHistory", cim_uint(CIM_UINT16, 24));
    expect(t, 32770, "RecoveryHistory");
    cim_set(t->i, "ReplicationInterval", cim_uint(CIM_UINT16, 29));
    expect(t, 32773, "ReplicationInterval");
    cim_set(t->i, "ApplicationConsistentSnapshotInterval", cim_uint(CIM_UINT16, 1));
    expect(t, 32770, "ApplicationConsistent");
    cim_set(t->i, "AuthenticationType", cim_uint(CIM_UINT16, 1));
    expect(t, 32770, "Kerberos");
    cim_set(t->i, "EnableWriteOrderPreservationAcrossDisks", cim_bool(false));
    expect(t, 32770, "one instant");
    cim_set(t->i, "AdditionalSettings", cim_str("<x/>"));
    expect(t, 32770, "AdditionalSettings");
    cim_set(t->i, "ReplicationProvider", cim_str("Msvm_ReplicationProvider.Name=\"another\""));
    expect(t, 32770, "ReplicationProvider");
}

static void test_disks(void **state)
{
    static const struct {
        const char *disks[2];
        uint32_t n;
        const char *excluded;
    } good[] = {
        {{DISK(VM_GUID, "vda")}, 1, "vdb"},
        {{DISK_PATH(VM_GUID, "vdb")}, 1, "vda"},
        {{DISK_PATH(VM_GUID, "vdb"), DISK(VM_GUID, "vda")}, 2, ""},
    };
    static const char *const bad[] = {DISK(VM_GUID, "vdz"), DISK(OTHER_GUID, "vda"), "vda", "",
                                      "Microsoft:"};
    for (size_t i = 0; i < VR_COUNT(good); i++) {
        setup(state);
        struct fixture *t = *state;
        set_disks(t, good[i].disks, good[i].n);
        assert_int_equal(call(t, CREATE), 4096);
        const struct vr_rel *rel = fake_get(t->f, 0);
        assert_string_equal(rel->excluded, good[i].excluded);
        teardown(state);
    }
    setup(state);
    struct fixture *t = *state;
    for (size_t i = 0; i < VR_COUNT(bad); i++) {
        set_disks(t, &bad[i], 1);
        expect(t, 32773, "IncludedDisks[0]");
    }
    set_disks(t, bad, 0);
    expect(t, 32773, "IncludedDisks is empty");
    t->f->vm.disks[1].excluded = true; /* by the inventory */
    static const char *const never[] = {DISK(VM_GUID, "vda"), DISK(VM_GUID, "vdb")};
    set_disks(t, never, 2);
    expect(t, 32773, "IncludedDisks[1]");
    set_disks(t, never, 1);
    assert_int_equal(call(t, CREATE), 4096);
    assert_string_equal(fake_get(t->f, 0)->excluded, "");
    teardown(state);
}

static void test_modify(void **state)
{
    static const char *const one[] = {DISK(VM_GUID, "vda")};
    static const char *const two[] = {DISK(VM_GUID, "vda"), DISK(VM_GUID, "vdb")};
    struct fixture *t = *state;
    set_disks(t, one, 1);
    assert_int_equal(call(t, CREATE), 4096);
    fresh(t);
    cim_set(t->i, "RecoveryConnectionPoint", cim_null(CIM_STRING));
    cim_set(t->i, "ReplicationInterval", cim_uint(CIM_UINT16, 900));
    set_disks(t, one, 0);
    assert_int_equal(call(t, MODIFY), 32773);
    assert_non_null(strstr(t->reason, "IncludedDisks is empty"));
    set_disks(t, one, 1); /* as it is */
    assert_int_equal(call(t, MODIFY), 4096);
    const struct vr_rel *rel = fake_get(t->f, 0);
    assert_int_equal(rel->setting.interval_s, 900);
    assert_true(rel->setting.compression);
    assert_string_equal(rel->peer, "b.example");
    unsigned saves = t->f->saves;
    fresh(t);
    set_disks(t, two, 2);
    assert_int_equal(call(t, MODIFY), 32770);
    assert_non_null(strstr(t->reason, "create it again"));
    fresh(t);
    cim_set(t->i, "RecoveryConnectionPoint", cim_str("c.example"));
    assert_int_equal(call(t, MODIFY), 32773);
    assert_non_null(strstr(t->reason, "stays there"));
    fresh(t);
    cim_set(t->i, "InstanceID", cim_str("Microsoft:" VM_GUID "\\HVR\\1"));
    assert_int_equal(call(t, MODIFY), 32773);
    assert_non_null(strstr(t->reason, "relationship 1"));
    assert_int_equal(t->f->saves, saves);
}

/* Of host and port each stays when only the other is said. */
static void test_modify_the_port(void **state)
{
    static const struct {
        const char *point;
        int port;
        const char *peer;
    } cases[] = {
        {NULL, 9000, "b.example:9000"},       {"B.example", -1, "B.example:9000"},
        {"b.example:77", -1, "b.example:77"}, {NULL, -1, "b.example:77"},
        {"b.example", 78, "b.example:78"},    {NULL, 0, "b.example"},
    };
    struct fixture *t = *state;
    assert_int_equal(call(t, CREATE), 4096);
    for (size_t i = 0; i < VR_COUNT(cases); i++) {
        fresh(t);
        cim_set(t->i, "RecoveryConnectionPoint", cim_str(cases[i].point));
        if (cases[i].port >= 0) {
            cim_set(t->i, "RecoveryServerPortNumber",
                    cim_uint(CIM_UINT16, (uint64_t)cases[i].port));
        }
        assert_int_equal(call(t, MODIFY), 4096);
        assert_string_equal(fake_get(t->f, 0)->peer, cases[i].peer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_create, setup, teardown),
        cmocka_unit_test_setup_teardown(test_create_from_what_is_shown, setup, teardown),
        cmocka_unit_test(test_connection_points),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test(test_disks),
        cmocka_unit_test_setup_teardown(test_modify, setup, teardown),
        cmocka_unit_test_setup_teardown(test_modify_the_port, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
