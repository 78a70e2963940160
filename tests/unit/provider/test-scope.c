/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A user limited to some VMs, over the real core: the others are not there for him, in any class,
 * association, query or method, and what he hears of them is what he hears of a VM that never was.
 */
#define PROVIDER_ASKS_CORE
#include "cim/wql.h"
#include "provider/internal.h"
#include "tests/lib/check.h"
#include "util/num.h"

#define NOW 1900000000000000ull
#define VMS                                                                                        \
    3 /* 0: his own. 1: another's, replicated. 2: another's, not. And 3: a replica, hidden */
#define NEVER 9

static struct {
    struct core *core;
    struct provider *p;
    struct cim_broker *broker;
    struct cim_arena arena;
} w;

static struct vr_uuid vm_id(unsigned n)
{
    struct vr_uuid id = {.b = {0xA0, (uint8_t)n, 1, 2, 3, 4, 0x40, 0, 0x80}};
    return id;
}

static const char *id_text(unsigned n)
{
    static char text[4][VR_UUID_TEXT_LEN];
    static unsigned at;
    struct vr_uuid id = vm_id(n);
    return vr_uuid_text(&id, text[at++ % 4]);
}

static struct vr_uuid job_id(unsigned vm)
{
    struct vr_uuid id = {.b = {0xB0, (uint8_t)vm, 7}};
    return id;
}

static uint64_t now_us(void *ctx)
{
    return NOW;
}

static void describe(unsigned n, struct vr_vm *ret)
{
    *ret = (struct vr_vm){.id = vm_id(n), .ndisks = 1, .disks = {{.name = "vda"}}};
    snprintf(ret->name, sizeof ret->name, "vm-%u", n);
}

static int list_vms(void *ctx, provider_vm_cb cb, void *cb_ctx, struct vr_err *err)
{
    struct vr_vm vm;
    bool more = true;
    for (unsigned i = 0; more && i < VMS; i++) {
        describe(i, &vm);
        more = cb(cb_ctx, &vm);
    }
    return 0;
}

static int find_vm(void *ctx, const struct vr_uuid *id, struct vr_vm *ret, struct vr_err *err)
{
    struct vr_uuid same = vm_id(id->b[1]);
    if (id->b[1] >= VMS || !vr_uuid_eq(&same, id)) {
        return vr_fail(err, VR_E_NOT_FOUND, "no such VM");
    }
    describe(id->b[1], ret);
    return 0;
}

static int replica_vm(void *ctx, const struct vr_rel *rel, struct vr_vm *ret, struct vr_err *err)
{
    describe(rel->vm_id.b[1], ret);
    return 0;
}

static const struct provider_env_ops env = {
    .now_us = now_us, .list_vms = list_vms, .find_vm = find_vm, .replica_vm = replica_vm};
static void host_service(void *ctx, struct vr_service *ret)
{
}

static const struct core_env_ops core_env = {.now_us = now_us, .host_service = host_service};

static int setup(void **state)
{
    static const struct core_config cc = {.host_name = "alpha", .transfers_max = 1};
    static const struct provider_config pc = {.host_name = "alpha", .job_keep_us = 600000000};
    struct vr_err err = VR_ERR_INIT;
    CHECK_OK(core_new(&cc, &core_env, NULL, &w.core, &err), &err);
    CHECK_OK(provider_new(&pc, w.core, &env, NULL, &w.p, &err), &err);
    w.broker = provider_broker(w.p);
    for (unsigned i = 0; i <= VMS; i++) {
        struct vr_rel rel = {.vm_id = vm_id(i), .is_source = i < VMS, .state = VR_REL_REPLICATING};
        struct vr_job job = {.id = i + 1,
                             .uuid = job_id(i),
                             .vm_id = vm_id(i),
                             .type = VR_JOBTYPE_RESYNC,
                             .state = VR_JOB_COMPLETED};
        snprintf(rel.peer_identity, sizeof rel.peer_identity, "beta.example");
        snprintf(job.vm_name, sizeof job.vm_name, "vm-%u", i);
        if (i != 2) {
            CHECK_OK(core_load_rel(w.core, &rel, &err), &err);
            CHECK_OK(core_load_job(w.core, &job, &err), &err);
        }
    }
    cim_arena_init(&w.arena, 16 << 20);
    return 0;
}

static int teardown(void **state)
{
    cim_arena_deinit(&w.arena);
    core_free(w.core);
    provider_free(w.p);
    return 0;
}

static const struct vr_scope own = {
    .limited = true, .n = 1, .vm = {{.b = {0xA0, 0, 1, 2, 3, 4, 0x40, 0, 0x80}}}};
static const struct cim_caller limited = {.user = "ann", .role = VR_ROLE_ADMIN, .scope = &own};
static const struct cim_caller everybody = {.user = "bob", .role = VR_ROLE_ADMIN};

/* --- does an instance tell of a hidden VM, by id, name or job? --- */

static bool tells(const char *text)
{
    char job[VR_UUID_TEXT_LEN];
    for (unsigned n = 1; text && n <= VMS; n++) {
        struct vr_uuid id = job_id(n);
        char name[16];
        snprintf(name, sizeof name, "vm-%u", n);
        if (strcasestr(text, id_text(n)) || strstr(text, name) ||
            strcasestr(text, vr_uuid_text(&id, job))) {
            return true;
        }
    }
    return false;
}

static bool value_tells(const struct cim_value *v)
{
    for (uint32_t i = 0; v->is_array && !v->is_null && i < v->count; i++) {
        if (value_tells(&v->items[i])) {
            return true;
        }
    }
    if (v->is_array || v->is_null) {
        return false;
    }
    return (v->type == CIM_STRING && tells(v->str)) ||
           (v->type == CIM_REFERENCE && tells(cim_path_text(&w.arena, v->ref)));
}

struct seen {
    unsigned all, own, hidden;
};

static bool look(void *ctx, const struct cim_instance *i)
{
    struct seen *s = ctx;
    bool hidden = tells(cim_path_text(&w.arena, &i->path));
    for (uint32_t k = 0; !hidden && k < i->cls->nprops; k++) {
        hidden = value_tells(&i->values[k]);
    }
    s->all++;
    s->hidden += hidden;
    s->own += strcasestr(cim_path_text(&w.arena, &i->path), id_text(0)) != NULL;
    return true;
}

/* Every class of every namespace, associations too, enumerated and queried. */
static struct seen see_all(const struct cim_caller *who)
{
    struct seen s = {0};
    for (const struct cim_schema *schema = w.broker->schema; schema; schema = schema->next) {
        for (const struct cim_class *c = schema->first; c; c = c->next) {
            struct cim_status st = {0};
            struct cim_wql q;
            char text[200];
            snprintf(text, sizeof text, "SELECT * FROM %s", c->name);
            cim_broker_enum_instances(w.broker, who, schema->ns, c->name, look, &s, &st);
            cim_broker_query(w.broker, schema->ns, "WQL", text, &w.arena, &q, &st);
            cim_broker_run_query(w.broker, who, schema->ns, &q, look, &s, &st);
            assert_int_equal(st.code, 0);
        }
    }
    return s;
}

static void test_lists(void **state)
{
    struct seen all = see_all(&everybody), few = see_all(&limited);
    assert_true(all.hidden > 40); /* what this test can see at all */
    assert_int_equal(few.hidden, 0);
    assert_int_equal(few.own, all.own);
    assert_int_equal(few.all, all.all - all.hidden); /* and nothing else is missing */
}

/* --- one object by its path --- */

static const char *const forms[] = {
    "Msvm_ComputerSystem.CreationClassName=\"Msvm_ComputerSystem\",Name=\"%s\"",
    "Msvm_ReplicationRelationship.InstanceID=\"Microsoft:%s\\\\HVR\\\\0\"",
    "Msvm_ReplicationSettingData.InstanceID=\"Microsoft:%s\\\\HVR\\\\0\"",
    "Msvm_VirtualSystemSettingData.InstanceID=\"Microsoft:%s\"",
    "Msvm_StorageAllocationSettingData.InstanceID=\"Microsoft:%s\\\\vda\"",
    "Msvm_ConcreteJob.InstanceID=\"vmreplica:%s\"",
};
#define JOB_FORM 5

static struct cim_path *path_of(size_t form, unsigned n)
{
    char text[300];
    struct vr_uuid job = job_id(n);
    char job_text[VR_UUID_TEXT_LEN];
    struct vr_err err = VR_ERR_INIT;
    struct cim_path *p = cim_alloc(&w.arena, sizeof *p);
    int len = snprintf(text, sizeof text, ":");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text + len, sizeof text - (size_t)len, forms[form],
             form == JOB_FORM ? vr_uuid_text(&job, job_text) : id_text(n));
#pragma GCC diagnostic pop
    CHECK_OK(cim_path_parse(&w.arena, text, p, &err), &err);
    return p;
}

static struct cim_status get(const struct cim_caller *who, const struct cim_path *p)
{
    struct cim_status st = {0};
    struct cim_instance *i = NULL;
    cim_broker_get_instance(w.broker, who, CIM_NAMESPACE, p, &w.arena, &i, &st);
    assert_true((i != NULL) == (st.code == 0));
    return st;
}

static struct cim_status related(const struct cim_caller *who, const struct cim_path *p, bool assoc)
{
    struct cim_status st = {0};
    struct cim_related f = {.path = *p};
    struct seen s = {0};
    cim_broker_related(w.broker, who, CIM_NAMESPACE, &f, assoc, look, &s, &st);
    assert_true(who == &everybody || s.hidden == 0);
    return st;
}

static void same_status(const struct cim_status *a, const struct cim_status *b)
{
    assert_int_equal(a->code, b->code);
    assert_string_equal(a->text, b->text);
}

static void test_paths(void **state)
{
    for (size_t f = 0; f < VR_COUNT(forms); f++) {
        struct cim_status never = get(&limited, path_of(f, NEVER));
        assert_int_equal(never.code, CIM_ERR_NOT_FOUND);
        assert_int_equal(get(&limited, path_of(f, 0)).code, 0);
        for (unsigned n = 1; n <= VMS; n++) {
            struct cim_status st = get(&limited, path_of(f, n));
            same_status(&st, &never);
            for (int assoc = 0; assoc <= 1; assoc++) {
                struct cim_status a = related(&limited, path_of(f, n), assoc);
                struct cim_status b = related(&limited, path_of(f, NEVER), assoc);
                same_status(&a, &b);
                assert_int_equal(related(&limited, path_of(f, 0), assoc).code, 0);
            }
        }
        assert_int_equal(get(&everybody, path_of(f, 1)).code, 0);
    }
}

/* --- methods on an object --- */

struct answer {
    int code;
    char text[2 * CIM_TEXT_MAX];
};

static void on_done(void *ctx, const struct cim_invoke_result *res)
{
    struct answer *a = ctx;
    a->code = res->status.code ? -res->status.code : (int)res->value.u;
    snprintf(a->text, sizeof a->text, "%s%s", res->status.text, res->reason);
}

static struct answer invoke(const struct cim_caller *who, const struct cim_path *p, const char *m)
{
    struct answer a = {.code = -999};
    struct cim_status st = {0};
    struct cim_invoke in = {.caller = *who, .path = *p};
    in.method = cim_broker_method(w.broker, CIM_NAMESPACE, p, m, &in.cls, &st);
    assert_non_null(in.method);
    cim_broker_invoke(w.broker, &in, on_done, &a);
    return a;
}

static void test_methods_of_objects(void **state)
{
    static const struct {
        size_t form;
        const char *method;
    } rows[] = {{JOB_FORM, "GetError"},
                {JOB_FORM, "GetErrorEx"},
                {JOB_FORM, "RequestStateChange"},
                {JOB_FORM, "KillJob"},
                {0, "RequestReplicationStateChange"},
                {0, "RequestStateChange"}};
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        struct answer never = invoke(&limited, path_of(rows[i].form, NEVER), rows[i].method);
        struct answer hidden = invoke(&limited, path_of(rows[i].form, 1), rows[i].method);
        struct answer seen = invoke(&everybody, path_of(rows[i].form, 1), rows[i].method);
        assert_int_equal(never.code, -CIM_ERR_NOT_FOUND);
        assert_int_equal(hidden.code, never.code);
        assert_string_equal(hidden.text, never.text);
        assert_int_not_equal(seen.code, never.code);
    }
    assert_null(w.p->scope); /* nothing is left of a caller */
}

static void on_modified(void *ctx, const struct cim_status *st)
{
    *(struct cim_status *)ctx = *st;
}

/* The host's settings are shown to him and not his to change: a method in another guise. */
static void test_modify(void **state)
{
    static const char *const names[] = {"RecoveryServerEnabled"};
    struct cim_status st = {0};
    struct cim_modify m = {.caller = limited, .nnames = 1, .names = names};
    struct cim_instance *now = NULL;
    struct vr_err err = VR_ERR_INIT;
    CHECK_OK(cim_path_parse(&w.arena,
                            ":Msvm_ReplicationServiceSettingData.InstanceID=\"Microsoft:alpha\\\\"
                            "ReplicationServiceSettings\"",
                            &m.path, &err),
             &err);
    cim_broker_get_instance(w.broker, &limited, CIM_NAMESPACE, &m.path, &w.arena, &now, &st);
    assert_int_equal(st.code, 0);
    m.cls = now->cls;
    m.to = now;
    cim_set(now, names[0], cim_bool(!cim_get(now, names[0])->b));
    cim_broker_modify_instance(w.broker, &m, on_modified, &st);
    assert_int_equal(st.code, CIM_ERR_ACCESS_DENIED);
    assert_null(w.p->scope);
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_lists), T(test_paths), T(test_methods_of_objects),
                                       T(test_modify)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
