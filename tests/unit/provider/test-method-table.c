/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every method x role x replication mode x state, and every state change the same way, through the
 * real provider and the real core in the world of tests/unit/core/fake.h: the answer must be what
 * VR_METHODS and VR_STATE_CHANGES say, and a refused call must change nothing.
 */
#define PROVIDER_ASKS_CORE
#include <strings.h>

#include "model/method.h"
#include "provider/internal.h"
#include "tests/unit/core/fake.h"
#include "util/num.h"

#define SVC                                                                                        \
    ":Msvm_ReplicationService.SystemCreationClassName=\"Msvm_ComputerSystem\",SystemName="         \
    "\"a.example\",CreationClassName=\"Msvm_ReplicationService\",Name=\"replicasvc\""
#define VM_GUID "01010101-0101-0101-0101-010101010101"
#define SYSTEM(name)                                                                               \
    ":Msvm_ComputerSystem.CreationClassName=\"Msvm_ComputerSystem\",Name=\"" name "\""

static const enum vr_mode modes[] = {VR_MODE_NONE, VR_MODE_PRIMARY, VR_MODE_REPLICA,
                                     VR_MODE_EXTENDED};

struct fixture {
    struct fake *f; /* of the present case */
    struct provider *p;
    struct cim_arena arena;
    struct cim_invoke in;
    unsigned answered;
    int code; /* CIM errors as -code */
    char reason[CIM_TEXT_MAX];
};

/* --- the environment of the provider: that of the present case --- */

static struct fixture *here;

static uint64_t now_us(void *ctx)
{
    return here->f->now;
}

static int list_vms(void *ctx, provider_vm_cb cb, void *cb_ctx, struct vr_err *err)
{
    cb(cb_ctx, &here->f->vm);
    return 0;
}

static int find_vm(void *ctx, const struct vr_uuid *id, struct vr_vm *ret, struct vr_err *err)
{
    if (!vr_uuid_eq(id, &here->f->vm.id)) {
        return vr_fail(err, VR_E_NOT_FOUND, "no such VM");
    }
    *ret = here->f->vm;
    return 0;
}

static int replica_vm(void *ctx, const struct vr_rel *rel, struct vr_vm *ret, struct vr_err *err)
{
    *ret = here->f->vm;
    return 0;
}

static const char *certificate(void *ctx, size_t i)
{
    return i == 0 ? "b3du" : NULL;
}

static const struct provider_env_ops env = {.now_us = now_us,
                                            .list_vms = list_vms,
                                            .find_vm = find_vm,
                                            .replica_vm = replica_vm,
                                            .certificate = certificate};

static int setup(void **state)
{
    struct provider_config config = {.host_name = "a.example", .job_keep_us = 5 * MIN};
    struct vr_err err = VR_ERR_INIT;
    here = calloc(1, sizeof(*here));
    cim_arena_init(&here->arena, 1 << 20);
    CHECK_OK(provider_new(&config, NULL, &env, NULL, &here->p, &err), &err);
    *state = here;
    return 0;
}

static int teardown(void **state)
{
    cim_arena_deinit(&here->arena);
    provider_free(here->p);
    free(here);
    return 0;
}

/* --- a case: one VM in this mode, the relationship a method acts on in this state --- */

static uint8_t acts_on(enum vr_method_which which, enum vr_mode mode)
{
    bool second = (mode == VR_MODE_REPLICA && (which == VR_WHICH_SENT || which == VR_WHICH_NEW)) ||
                  (mode == VR_MODE_EXTENDED && (which == VR_WHICH_HELD || which == VR_WHICH_NAMED));
    return second ? 1 : 0;
}

/* False: there is no such case. */
static bool begin_case(struct fixture *t, uint8_t number, enum vr_mode mode, enum vr_rel_state s)
{
    bool none = s == VR_REL_DISABLED;
    bool only = (mode == VR_MODE_PRIMARY && number == 0) ||
                (mode == VR_MODE_REPLICA && number == 0) ||
                (mode == VR_MODE_EXTENDED && number == 1);
    if ((mode == VR_MODE_NONE && !none) || (only && none) ||
        (mode == VR_MODE_EXTENDED && number == 0 && !none)) {
        return false;
    }
    t->f = fake_new();
    t->p->core = t->f->c;
    if (mode == VR_MODE_PRIMARY) {
        fake_rel(t->f, 0, true, s);
    } else if (mode == VR_MODE_REPLICA) {
        fake_rel(t->f, 0, false, number == 0 ? s : VR_REL_REPLICATING);
        if (number == 1 && !none) {
            fake_rel(t->f, 1, true, s);
        }
    } else if (mode == VR_MODE_EXTENDED) {
        fake_rel(t->f, 1, false, number == 1 ? s : VR_REL_REPLICATING);
    }
    assert_int_equal(core_vm_mode(t->f->c, &t->f->vm.id), mode);
    return true;
}

static void end_case(struct fixture *t)
{
    fake_free(t->f);
    t->f = NULL;
}

/* What a refused call must leave as it is. */
struct before {
    struct vr_rel rels[2];
    size_t nrels, njobs, nauths;
    unsigned saves, calls, starts;
    size_t logged, told;
};

static struct before look(struct fixture *t)
{
    struct before b = {.saves = t->f->saves, .calls = t->f->calls, .starts = t->f->starts};
    const struct vr_rel *rel;
    memset(b.rels, 0, sizeof(b.rels));
    while ((rel = core_rel_at(t->f->c, b.nrels))) {
        assert_true(b.nrels < VR_COUNT(b.rels));
        b.rels[b.nrels++] = *rel;
    }
    while (core_job_at(t->f->c, b.njobs)) {
        b.njobs++;
    }
    while (core_auth_at(t->f->c, b.nauths)) {
        b.nauths++;
    }
    b.logged = strlen(t->f->log);
    b.told = strlen(t->f->events);
    return b;
}

static void expect_unchanged(struct fixture *t, const struct before *b, const char *what)
{
    struct before now = look(t);
    bool same = now.nrels == b->nrels && now.njobs == b->njobs && now.nauths == b->nauths &&
                now.saves == b->saves && now.calls == b->calls && now.starts == b->starts &&
                now.logged == b->logged && now.told == b->told;
    for (size_t i = 0; same && i < now.nrels; i++) {
        same = memcmp(&now.rels[i], &b->rels[i], sizeof(now.rels[i])) == 0;
    }
    if (!same) {
        fail_msg("%s was refused with %d and changed something: %s", what, t->code, t->f->log);
    }
}

/* --- calls --- */

static void on_done(void *ctx, const struct cim_invoke_result *res)
{
    struct fixture *t = ctx;
    t->answered++;
    t->code = res->status.code ? -res->status.code : (int)res->value.u;
    snprintf(t->reason, sizeof(t->reason), "%s", res->reason);
}

static void begin(struct fixture *t, const char *object, const char *method, enum vr_role role)
{
    struct cim_status st = {0};
    struct vr_err err = VR_ERR_INIT;
    cim_arena_reset(&t->arena);
    t->in = (struct cim_invoke){.caller = {.user = "anna", .role = (int)role}};
    CHECK_OK(cim_path_parse(&t->arena, object, &t->in.path, &err), &err);
    t->in.method = cim_broker_method(provider_broker(t->p), CIM_NAMESPACE, &t->in.path, method,
                                     &t->in.cls, &st);
    assert_non_null(t->in.method);
}

static struct cim_value instance_of(struct fixture *t, const char *name, uint8_t number)
{
    const struct cim_class *cls = cim_schema_class(provider_broker(t->p)->schema, name);
    assert_non_null(cls);
    struct cim_instance *i = cim_instance_new(&t->arena, cls);
    for (uint32_t k = 0; k < cls->nprops; k++) {
        i->values[k] = cim_null(cls->props[k].type); /* as the front leaves what is not said */
    }
    if (strcmp(name, "Msvm_ReplicationSettingData") == 0) {
        cim_set(i, "RecoveryConnectionPoint", cim_str("b.example"));
    } else if (strcmp(name, "Msvm_ReplicationRelationship") == 0) {
        cim_set(
            i, "InstanceID",
            cim_str(number ? "Microsoft:" VM_GUID "\\HVR\\1" : "Microsoft:" VM_GUID "\\HVR\\0"));
    } else if (strcmp(name, "Msvm_ReplicationAuthorizationSettingData") == 0) {
        cim_set(i, "AllowedPrimaryHostSystem", cim_str("b.example"));
        cim_set(i, "TrustGroup", cim_str("any"));
        cim_set(i, "ReplicaStorageLocation", cim_str("/replicas"));
    }
    return cim_embedded(i);
}

/* A value that a parameter of this name and type may well have. */
static struct cim_value
value_for(struct fixture *t, const struct cim_feature *decl, const char *system, uint8_t number)
{
    struct vr_err err = VR_ERR_INIT;
    struct cim_value v = cim_null(decl->type);
    const char *cls = cim_feature_embedded(decl);
    if (decl->type == CIM_REFERENCE) {
        struct cim_path *p = cim_alloc(&t->arena, sizeof(*p));
        CHECK_OK(cim_path_parse(&t->arena, system, p, &err), &err);
        v = cim_ref(p);
    } else if (cls) {
        v = instance_of(t, cls, number);
    } else if (strcmp(decl->name, "RecoveryServerPortNumber") == 0) {
        v = cim_uint(CIM_UINT16, 8650);
    } else if (decl->type == CIM_UINT16) { /* certificates; enabled; over the network */
        v = cim_uint(CIM_UINT16, strcmp(decl->name, "InitialReplicationType") == 0 ? 1 : 2);
    } else if (decl->type == CIM_STRING) {
        v = cim_str(strstr(decl->name, "Location") ? "/exports" : "b.example");
    }
    return decl->is_array && !v.is_null ? cim_array1(&t->arena, v) : v;
}

static int
call(struct fixture *t, enum vr_method m, enum vr_role role, const char *system, uint8_t number)
{
    begin(t, SVC, vr_method_rule(m)->name, role);
    for (uint32_t i = 0; i < t->in.method->nparams; i++) {
        const struct cim_feature *decl = &t->in.method->params[i];
        bool optional = strcmp(decl->name, "SnapshotSettingData") == 0 ||
                        strcmp(decl->name, "StartTime") == 0 ||
                        strcmp(decl->name, "CertificateThumbPrint") == 0 ||
                        strcmp(decl->name, "TimeoutPeriod") == 0;
        if (cim_param_is_in(decl) && !optional) {
            t->in.params[t->in.nparams++] =
                (struct cim_param){.name = decl->name, .value = value_for(t, decl, system, number)};
        }
    }
    unsigned before = t->answered;
    cim_broker_invoke(provider_broker(t->p), &t->in, on_done, t);
    assert_int_equal(t->answered, before + 1);
    return t->code;
}

/* What the table says; 0: it is done, started, or stopped by something no table knows of. */
static int expected(enum vr_method m, enum vr_role role, enum vr_mode mode, enum vr_rel_state s)
{
    const struct vr_method_rule *rule = vr_method_rule(m);
    bool control = m >= VR_METHOD_RequestStateChange;
    if (role < rule->least) {
        return control ? -CIM_ERR_ACCESS_DENIED : VR_RC_ACCESS_DENIED;
    }
    if (rule->refusal[0]) {
        return control ? 1 : VR_RC_NOT_SUPPORTED;
    }
    if (rule->which != VR_WHICH_HOST && !vr_method_allows(rule, mode, s)) {
        return VR_RC_INVALID_STATE;
    }
    return 0;
}

static bool says_no(int code)
{
    return code < 0 || code == VR_RC_ACCESS_DENIED || code == VR_RC_NOT_SUPPORTED ||
           code == VR_RC_INVALID_PARAMETER || code == VR_RC_INVALID_STATE ||
           code == VR_RC_WRONG_TYPE;
}

/* These methods are about an entry that is there. */
static void load_entry(struct fixture *t, enum vr_method m)
{
    const struct vr_auth_entry e = {
        .host = "b.example", .trust_group = "any", .storage = "/replicas"};
    struct vr_err err = VR_ERR_INIT;
    if (m == VR_METHOD_ModifyAuthorizationEntry || m == VR_METHOD_RemoveAuthorizationEntry ||
        m == VR_METHOD_SetAuthorizationEntry) {
        CHECK_OK(core_load_auth(t->f->c, &e, &err), &err);
    }
}

static void one_method(
    struct fixture *t, enum vr_method m, enum vr_role role, enum vr_mode mode, enum vr_rel_state s)
{
    const struct vr_method_rule *rule = vr_method_rule(m);
    char what[160];
    uint8_t number = acts_on(rule->which, mode);
    if (!begin_case(t, number, mode, s)) {
        return;
    }
    load_entry(t, m);
    snprintf(what, sizeof(what), "%s by %s, mode '%s', relationship %u '%s'", rule->name,
             vr_role_text((int)role), vr_mode_text((int)mode), number, vr_rel_state_text((int)s));
    struct before before = look(t);
    int want = expected(m, role, mode, s), code = call(t, m, role, SYSTEM(VM_GUID), number);
    bool running = m == VR_METHOD_Resynchronize && s == VR_REL_RESYNCHRONIZING;
    if (want == 0 && running ? code != VR_RC_IN_USE : want ? code != want : says_no(code)) {
        fail_msg("%s: %d '%s', the table says %d", what, code, t->reason, want);
    }
    if (code == VR_RC_JOB_STARTED && rule->job == VR_JOBTYPE_NONE) {
        fail_msg("%s: a job, and the table knows of none", what);
    }
    if (says_no(code)) {
        expect_unchanged(t, &before, what);
        assert_true(t->reason[0] != '\0' || code < 0);
    }
    end_case(t);
}

static void test_methods(void **state)
{
    struct fixture *t = *state;
    for (int m = 0; m < (int)VR_METHOD_COUNT; m++) {
        for (int role = VR_ROLE_VIEWER; role <= VR_ROLE_ADMIN; role++) {
            for (size_t k = 0; k < VR_COUNT(modes); k++) {
                for (int s = VR_REL_DISABLED; s <= VR_REL_RESYNC_SUSPENDED; s++) {
                    one_method(t, (enum vr_method)m, (enum vr_role)role, modes[k],
                               (enum vr_rel_state)s);
                }
            }
        }
    }
}

/* The type of the job is the table's; an extended relationship has a type of its own for one. */
static void test_job_types(void **state)
{
    struct fixture *t = *state;
    unsigned jobs = 0;
    for (int m = 0; m < (int)VR_METHOD_COUNT; m++) {
        const struct vr_method_rule *rule = vr_method_rule((enum vr_method)m);
        for (int s = VR_REL_DISABLED; s <= VR_REL_RESYNC_SUSPENDED; s++) {
            enum vr_mode mode = s == VR_REL_DISABLED ? VR_MODE_NONE : VR_MODE_PRIMARY;
            if (!begin_case(t, 0, mode, (enum vr_rel_state)s)) {
                continue;
            }
            if (call(t, (enum vr_method)m, VR_ROLE_ADMIN, SYSTEM(VM_GUID), 0) ==
                VR_RC_JOB_STARTED) {
                const struct vr_job *j = core_job_at(t->f->c, 0);
                assert_non_null(j);
                if (j->type != rule->job) {
                    fail_msg("%s made a job of type %d, not %d", rule->name, (int)j->type,
                             (int)rule->job);
                }
                jobs++;
            }
            end_case(t);
        }
    }
    assert_true(jobs > 20);
}

/* The host's own instance is no virtual machine; nor is one nobody knows. */
static void test_other_systems(void **state)
{
    struct fixture *t = *state;
    for (int m = 0; m < (int)VR_METHOD_COUNT; m++) {
        if (vr_method_rule((enum vr_method)m)->which == VR_WHICH_HOST) {
            continue;
        }
        assert_true(begin_case(t, 0, VR_MODE_PRIMARY, VR_REL_REPLICATING));
        struct before before = look(t);
        const char *name = vr_method_rule((enum vr_method)m)->name;
        assert_int_equal(call(t, (enum vr_method)m, VR_ROLE_ADMIN, SYSTEM("a.example"), 0),
                         VR_RC_NOT_SUPPORTED);
        expect_unchanged(t, &before, name);
        assert_int_equal(call(t, (enum vr_method)m, VR_ROLE_VIEWER,
                              SYSTEM("70707070-7070-7070-7070-707070707070"), 0),
                         VR_RC_INVALID_PARAMETER);
        expect_unchanged(t, &before, name);
        end_case(t);
    }
}

/* --- RequestReplicationStateChange, and Ex with the relationship --- */

static int change(struct fixture *t, bool ex, enum vr_role role, uint16_t wanted, uint8_t number)
{
    begin(t, SYSTEM(VM_GUID),
          ex ? "RequestReplicationStateChangeEx" : "RequestReplicationStateChange", role);
    t->in.params[t->in.nparams++] =
        (struct cim_param){.name = "RequestedState", .value = cim_uint(CIM_UINT16, wanted)};
    if (ex) {
        t->in.params[t->in.nparams++] =
            (struct cim_param){.name = "ReplicationRelationship",
                               .value = instance_of(t, "Msvm_ReplicationRelationship", number)};
    }
    cim_broker_invoke(provider_broker(t->p), &t->in, on_done, t);
    return t->code;
}

static void one_change(
    struct fixture *t, enum vr_role role, enum vr_mode mode, enum vr_rel_state s, uint16_t wanted)
{
    const struct vr_state_change_rule *rule = vr_state_change_rule(wanted);
    bool sends = mode == VR_MODE_PRIMARY;
    int want = role < VR_ROLE_OPERATOR     ? VR_RC_ACCESS_DENIED
               : !rule || rule->refusal[0] ? VR_RC_INVALID_PARAMETER
               : !sends || s == VR_REL_DISABLED || !(rule->states & 1u << s) ? VR_RC_INVALID_STATE
                                                                             : 0;
    for (int ex = 0; ex < 2; ex++) {
        uint8_t number = ex && mode == VR_MODE_EXTENDED ? 1 : 0;
        if (!begin_case(t, number, mode, s)) {
            continue;
        }
        struct before before = look(t);
        int code = change(t, ex == 1, role, wanted, number);
        /* allowed: done, or there is no job it could be about */
        bool wrong = want ? code != want : code != 0 && code != VR_RC_INVALID_STATE;
        bool must =
            (wanted == 7 && s == VR_REL_REPLICATING) || (wanted == 3 && s == VR_REL_SUSPENDED);
        if (wrong || (want == 0 && must && code != 0)) {
            fail_msg("%d asked for by %s, mode '%s', '%s': %d '%s', the table says %d", wanted,
                     vr_role_text((int)role), vr_mode_text((int)mode), vr_rel_state_text((int)s),
                     code, t->reason, want);
        }
        if (code) {
            expect_unchanged(t, &before, "a state change");
        }
        end_case(t);
    }
}

static void test_state_changes(void **state)
{
    struct fixture *t = *state;
    for (int role = VR_ROLE_VIEWER; role <= VR_ROLE_ADMIN; role++) {
        for (size_t k = 0; k < VR_COUNT(modes); k++) {
            for (int s = VR_REL_DISABLED; s <= VR_REL_RESYNC_SUSPENDED; s++) {
                for (uint16_t wanted = 0; wanted <= 12; wanted++) {
                    one_change(t, (enum vr_role)role, modes[k], (enum vr_rel_state)s, wanted);
                }
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_methods, setup, teardown),
        cmocka_unit_test_setup_teardown(test_job_types, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_systems, setup, teardown),
        cmocka_unit_test_setup_teardown(test_state_changes, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
