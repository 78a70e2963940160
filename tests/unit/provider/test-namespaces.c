/* SPDX-License-Identifier: Apache-2.0 */
/* The namespaces beside the one of the product: over no core, nobody asks it here. */
#include "cim/broker.h"
#include "model/model.h"
#include "provider/provider.h"
#include "tests/lib/check.h"
#include "util/num.h"

#define INTEROP "root/interop"

struct fixture {
    struct provider *p;
    struct cim_broker *b;
    struct cim_arena arena;
    struct cim_status st;
    struct cim_caller who;
    const struct cim_instance *last; /* of what was listed */
    unsigned n;
    char names[512]; /* Name of each */
};

static const struct provider_env_ops env;

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct provider_config config = {.host_name = "alpha"};
    struct vr_err err = VR_ERR_INIT;
    cim_arena_init(&f->arena, 1 << 20);
    f->who = (struct cim_caller){.user = "anna", .role = VR_ROLE_VIEWER};
    CHECK_OK(provider_new(&config, NULL, &env, NULL, &f->p, &err), &err);
    f->b = provider_broker(f->p);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    provider_free(f->p);
    cim_arena_deinit(&f->arena);
    free(f);
    return 0;
}

static bool see(void *ctx, const struct cim_instance *i)
{
    struct fixture *f = ctx;
    const struct cim_value *name = cim_get(i, "Name");
    size_t n = strlen(f->names);
    f->n++;
    f->last = cim_instance_copy(&f->arena, i);
    if (name && !name->is_null) {
        snprintf(f->names + n, sizeof f->names - n, "%s ", name->str);
    }
    return true;
}

static void enumerate(struct fixture *f, const char *ns, const char *cls)
{
    f->n = 0;
    f->last = NULL;
    f->names[0] = '\0';
    f->st = (struct cim_status){0};
    cim_broker_enum_instances(f->b, &f->who, ns, cls, see, f, &f->st);
}

static const char *text_of(struct fixture *f, const char *prop)
{
    const struct cim_value *v = cim_get(f->last, prop);
    assert_non_null(v);
    return v->is_null ? "(NULL)" : v->str;
}

/* Every instance of a namespace is found by the path it is listed with, and its path is whole. */
static void all_by_path(struct fixture *f, const char *ns)
{
    const struct cim_schema *s = cim_broker_schema(f->b, ns, &f->st);
    unsigned found = 0;
    assert_non_null(s);
    for (const struct cim_class *c = s->first; c; c = c->next) {
        if (cim_class_is_abstract(c)) {
            continue;
        }
        enumerate(f, ns, c->name);
        assert_int_equal(f->st.code, CIM_OK);
        if (f->n) {
            struct cim_instance *i = NULL;
            assert_string_equal(f->last->path.ns, ns);
            for (uint32_t k = 0; k < f->last->path.nkeys; k++) {
                assert_false(f->last->path.keys[k].value.is_null);
            }
            cim_broker_get_instance(f->b, &f->who, ns, &f->last->path, &f->arena, &i, &f->st);
            assert_int_equal(f->st.code, CIM_OK);
            assert_true(cim_path_eq(&i->path, &f->last->path));
            struct cim_path other = f->last->path;
            other.keys[0].value = cim_str("another");
            cim_broker_get_instance(f->b, &f->who, ns, &other, &f->arena, &i, &f->st);
            assert_int_equal(f->st.code, CIM_ERR_NOT_FOUND);
            found++;
        }
    }
    assert_true(found >= 2);
}

static void test_interop(void **state)
{
    struct fixture *f = *state;
    enumerate(f, INTEROP, "CIM_ObjectManager");
    assert_int_equal(f->n, 1);
    assert_string_equal(text_of(f, "ElementName"), "vmreplica");
    assert_non_null(strstr(text_of(f, "Description"), " version 0."));
    assert_string_equal(text_of(f, "Name"), "vmreplica:alpha");
    assert_string_equal(text_of(f, "SystemName"), "alpha");
    enumerate(f, INTEROP, "CIM_RegisteredProfile");
    assert_int_equal(f->st.code, CIM_OK);
    assert_int_equal(f->n, 0);
    all_by_path(f, INTEROP);
}

/* It names what is served, no more and no less. */
static void test_namespaces(void **state)
{
    struct fixture *f = *state;
    char names[sizeof f->names];
    enumerate(f, INTEROP, "CIM_Namespace");
    assert_string_equal(f->names, "root/virtualization/v2 root/interop ");
    snprintf(names, sizeof names, "%s", f->names);
    char *save = NULL;
    for (char *ns = strtok_r(names, " ", &save); ns; ns = strtok_r(NULL, " ", &save)) {
        assert_non_null(cim_broker_schema(f->b, ns, &f->st));
    }
    enumerate(f, "root/virtualization/v2", "CIM_Namespace");
    assert_int_equal(f->st.code, CIM_ERR_INVALID_CLASS);
    enumerate(f, INTEROP, "Msvm_ComputerSystem");
    assert_int_equal(f->st.code, CIM_ERR_INVALID_CLASS);
}

static void test_no_role(void **state)
{
    struct fixture *f = *state;
    f->who.role = VR_ROLE_NONE;
    enumerate(f, INTEROP, "CIM_Namespace");
    assert_int_equal(f->st.code, CIM_ERR_ACCESS_DENIED);
    assert_int_equal(f->n, 0);
}

#define S(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {S(test_interop), S(test_namespaces), S(test_no_role)};
    return RUN(tests);
}
