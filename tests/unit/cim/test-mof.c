/* SPDX-License-Identifier: Apache-2.0 */
#include "cim/mof.h"
#include "tests/lib/check.h"
#include "util/num.h"

#define QUALIFIERS                                                                                 \
    "Qualifier Abstract : boolean = false, Scope(class), Flavor(Restricted); "                     \
    "Qualifier Key : boolean = false, Scope(property, reference), Flavor(DisableOverride); "       \
    "Qualifier In : boolean = true, Scope(parameter); Qualifier Out : boolean, Scope(parameter); " \
    "Qualifier Description : string, Scope(any), Flavor(Translatable); "                           \
    "Qualifier MaxLen : uint32, Scope(property); "                                                 \
    "Qualifier Values : string[] = {\"a\"}, Scope(property, method); "

static struct cim_schema *parse(const char *text)
{
    struct cim_schema *s = NULL;
    struct vr_err err = VR_ERR_INIT;
    CHECK_OK(cim_mof_parse(text, strlen(text), "t.mof", &s, &err), &err);
    return s;
}

static void test_inheritance(void **state)
{
    struct cim_schema *s = parse(
        QUALIFIERS
        "\n#pragma locale(\"en_US\")\n/* c */ // d\n"
        "[Abstract, Description(\"a\" \"b\")] class A { string Id; uint16 N = 5; uint32 M(); };\n"
        "class B : A { [Key, MaxLen(7)] string ID; string L[] = {\"x\",\"y\"};\n"
        "  uint32 Run([In] A REF Target, [In(false), Out] string Out[]); };");
    const struct cim_class *b = cim_schema_class(s, "b");
    assert_non_null(b);
    assert_true(cim_class_is_a(b, "a") && cim_class_is_abstract(b->super));
    assert_false(cim_class_is_abstract(b));
    assert_int_equal(b->nprops, 3);
    assert_string_equal(b->props[0].name, "ID");
    assert_string_equal(b->props[0].origin, "A");
    assert_true(cim_feature_has(&b->props[0], "Key"));
    assert_int_equal(b->props[1].initial.u, 5);
    assert_int_equal(b->props[2].initial.count, 2);
    assert_int_equal(b->nmethods, 2);
    const struct cim_method *run = cim_class_method(b, "RUN");
    assert_int_equal(run->nparams, 2);
    assert_int_equal(run->params[0].type, CIM_REFERENCE);
    assert_true(cim_param_is_in(&run->params[0]) && !cim_param_is_out(&run->params[0]));
    assert_true(!cim_param_is_in(&run->params[1]) && cim_param_is_out(&run->params[1]));
    assert_string_equal(cim_qualifier(b->super->quals, b->super->nquals, "description")->value.str,
                        "ab");
    cim_schema_free(s);
}

/* What is inherited, what is overridden, what stays behind; and whose each is. */
static void test_flavors(void **state)
{
    struct cim_schema *s =
        parse(QUALIFIERS "[Abstract, Description(\"a\")] class A {\n"
                         "  [Key, Description(\"p\")] string K; [Values] string V;\n"
                         "  [Description(\"m\")] uint32 M([In, Description(\"q\")] string P); };\n"
                         "class B : A { [Description(\"own\")] string K; };");
    const struct cim_class *b = cim_schema_class(s, "B");
    assert_int_equal(b->nquals, 1); /* Abstract is restricted to its class */
    assert_string_equal(b->quals[0].value.str, "a");
    assert_true(b->quals[0].propagated);
    const struct cim_feature *k = &b->props[0], *v = &b->props[1];
    assert_string_equal(k->origin, "A");
    assert_string_equal(k->declared, "B");
    const struct cim_qualifier *q = cim_qualifier(k->quals, k->nquals, "description");
    assert_string_equal(q->value.str, "own");
    assert_false(q->propagated);
    assert_int_equal(q->flavors,
                     CIM_FLAVOR_OVERRIDABLE | CIM_FLAVOR_TO_SUBCLASS | CIM_FLAVOR_TRANSLATABLE);
    q = cim_qualifier(k->quals, k->nquals, "KEY");
    assert_string_equal(q->name, "Key");
    assert_true(q->propagated && q->value.b);
    assert_int_equal(q->flavors, CIM_FLAVOR_TO_SUBCLASS);
    assert_string_equal(v->declared, "A");
    assert_true(v->quals[0].propagated && v->quals[0].value.is_array);
    const struct cim_method *m = cim_class_method(b, "M");
    assert_string_equal(m->declared, "A");
    assert_true(m->quals[0].propagated && m->params[0].quals[1].propagated);
    assert_false(cim_class_method(b->super, "M")->params[0].quals[1].propagated);
    const struct cim_qualifier_decl *d = cim_schema_qualifier(s, "maxlen");
    assert_int_equal(d->type, CIM_UINT32);
    assert_int_equal(d->scopes, 1u << CIM_SCOPE_PROPERTY);
    assert_true(d->initial.is_null);
    assert_int_equal(cim_schema_qualifier(s, "Description")->scopes, (1u << CIM_SCOPE_COUNT) - 1);
    assert_null(cim_schema_qualifier(s, "Other"));
    cim_schema_free(s);
}

static void test_errors_have_lines(void **state)
{
    static const struct {
        const char *text, *part;
    } rows[] = {
        {"class A {\n string }", "t.mof:2"},
        {"class A {\n\n strin X; };", "t.mof:3"},
        {"class A : B { };", "superclass"},
        {"class A { };\nclass a { };", "t.mof:2"},
        {"class A { string X", "the end"},
        {"class A { string X = \"unterminated\n; };", "t.mof:1"},
        {"class A { uint8 X = 256; };", "256"},
        {"instance of A { };", "expected class"},
        {"class A { string X; }", "expected ;"},
        {QUALIFIERS "class A { [Key : ToSubclass] string K; };", "expected ]"},
        {QUALIFIERS "\n[Key] class A { };", "t.mof:2: expected a qualifier that may stand here"},
        {"[Key] class A { };", "expected a qualifier declared before, found 'Key'"},
        {QUALIFIERS "class A { [Key, key] string K; };", "each once"},
        {QUALIFIERS "class A { [Key] string K; }; class B : A { [Key(false)] string K; };",
         "qualifier Key may not be overridden"},
        {QUALIFIERS "class A { [MaxLen(\"x\")] string K; };", "expected a value"},
        {"Qualifier Q : strin;", "expected a type"},
        {"Qualifier Q : string, Scope(here);", "expected a scope"},
        {"Qualifier Q : string, Scope(class), Flavor(Sweet);", "expected a flavor"},
        {"Qualifier Q : string; Qualifier q : string;", "a new qualifier"},
    };
    struct cim_schema *s = NULL;
    struct vr_err err;
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        CHECK_FAILS(cim_mof_parse(rows[i].text, strlen(rows[i].text), "t.mof", &s, &err), &err,
                    VR_E_INVALID, rows[i].part);
        assert_null(s);
    }
}

static void test_limits(void **state)
{
    static char text[CIM_MOF_MAX_BYTES + 2];
    struct cim_schema *s = NULL;
    struct vr_err err;
    memset(text, ' ', sizeof text);
    CHECK_FAILS(cim_mof_parse(text, sizeof text, "t.mof", &s, &err), &err, VR_E_LIMIT, "more than");
    int n = snprintf(text, sizeof text, "class A {");
    for (int i = 0; i <= CIM_CLASS_FEATURES_MAX; i++) {
        n += snprintf(text + n, sizeof text - (size_t)n, "string P%d;", i);
    }
    snprintf(text + n, sizeof text - (size_t)n, "};");
    CHECK_FAILS(cim_mof_parse(text, strlen(text), "t.mof", &s, &err), &err, VR_E_INVALID,
                "fewer properties");
    for (int keys = CIM_KEYS_MAX; keys <= CIM_KEYS_MAX + 1; keys++) {
        n = snprintf(text, sizeof text, QUALIFIERS "class A {");
        for (int i = 0; i < keys; i++) {
            n += snprintf(text + n, sizeof text - (size_t)n, "[Key] string P%d;", i);
        }
        snprintf(text + n, sizeof text - (size_t)n, "};");
        int r = cim_mof_parse(text, strlen(text), "t.mof", &s, &err);
        assert_int_equal(r, keys > CIM_KEYS_MAX ? -VR_E_LIMIT : 0);
        if (r == 0) {
            assert_int_equal(s->first->nkeys, CIM_KEYS_MAX);
            cim_schema_free(s);
        }
    }
}

static struct cim_schema *shipped(void)
{
    static char text[CIM_MOF_MAX_BYTES];
    FILE *f = fopen(SCHEMA_MOF, "re");
    assert_non_null(f);
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    struct cim_schema *s = NULL;
    struct vr_err err = VR_ERR_INIT;
    CHECK_OK(cim_mof_parse(text, n, "schema", &s, &err), &err);
    return s;
}

static void test_shipped_schema(void **state)
{
    struct cim_schema *s = shipped();
    const struct cim_class *svc = cim_schema_class(s, "Msvm_ReplicationService");
    assert_true(cim_class_is_a(svc, "CIM_ManagedElement"));
    const struct cim_method *m = cim_class_method(svc, "Resynchronize");
    assert_int_equal(m->nparams, 3);
    assert_string_equal(m->params[0].ref_class, "CIM_ComputerSystem");
    assert_int_equal(m->params[1].type, CIM_DATETIME);
    assert_true(cim_param_is_out(&m->params[2]));
    assert_non_null(cim_class_method(svc, "StopService"));
    const struct cim_class *job = cim_schema_class(s, "Msvm_ConcreteJob");
    assert_int_equal(cim_class_method(job, "RequestStateChange")->nparams, 2);
    assert_int_equal(job->props[cim_class_prop(job, "ErrorCode")].type, CIM_UINT16);
    assert_non_null(cim_schema_class(s, "Msvm_Error"));
    cim_schema_free(s);
}

/* Superclass, keys, and how many properties, inherited ones included, as documented. */
static void test_shipped_classes(void **state)
{
    static const struct {
        const char *name, *super, *keys;
        unsigned nprops;
    } rows[] = {
        {"Msvm_ReplicationProvider", "CIM_ManagedSystemElement", "InstanceID Name ", 14},
        {"Msvm_ReplicationStatistics", "CIM_ManagedElement", "InstanceID ", 18},
        {"Msvm_VirtualSystemSettingData", "CIM_VirtualSystemSettingData", "InstanceID ", 59},
        {"Msvm_ReplicationSettingData", "CIM_VirtualSystemSettingData", "InstanceID ", 42},
        {"Msvm_ReplicationServiceSettingData", "CIM_SettingData", "InstanceID ", 11},
        {"Msvm_ReplicationAuthorizationSettingData", "CIM_SettingData", "InstanceID ", 7},
        {"Msvm_FailoverNetworkAdapterSettingData", "CIM_SettingData", "InstanceID ", 10},
        {"Msvm_StorageAllocationSettingData", "CIM_StorageAllocationSettingData", "InstanceID ",
         41},
        {"Msvm_ReplicaSystemDependency", "CIM_Dependency", "Antecedent Dependent ", 2},
        {"Msvm_ElementSettingData", "CIM_ElementSettingData", "ManagedElement SettingData ", 5},
        {"Msvm_VirtualSystemSettingDataComponent", "CIM_VirtualSystemSettingDataComponent",
         "GroupComponent PartComponent ", 2},
        {"Msvm_EthernetPortFailoverSettingDataComponent", "CIM_Component",
         "GroupComponent PartComponent ", 2},
    };
    struct cim_schema *s = shipped();
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        char keys[128] = "";
        const struct cim_class *c = cim_schema_class(s, rows[i].name);
        assert_non_null(c);
        assert_string_equal(c->super->name, rows[i].super);
        for (uint32_t k = 0; k < c->nprops; k++) {
            if (cim_feature_has(&c->props[k], "Key")) {
                size_t n = strlen(keys);
                snprintf(keys + n, sizeof keys - n, "%s ", c->props[k].name);
            }
        }
        assert_string_equal(keys, rows[i].keys);
        if (c->nprops != rows[i].nprops) {
            fail_msg("%s has %u properties", rows[i].name, c->nprops);
        }
    }
    cim_schema_free(s);
}

static void test_instances(void **state)
{
    struct cim_schema *s =
        parse(QUALIFIERS "class A { [Key] string K; uint16 N[]; uint16 D = 3; };");
    struct cim_arena a;
    cim_arena_init(&a, 1 << 20);
    struct cim_instance *i = cim_instance_new(&a, cim_schema_class(s, "A"));
    assert_true(cim_get(i, "K")->is_null && cim_get(i, "n")->is_null);
    assert_int_equal(cim_get(i, "d")->u, 3);
    cim_set(i, "N", cim_array1(&a, cim_uint(CIM_UINT16, 2)));
    cim_set(i, "K", cim_str("key"));
    cim_instance_make_path(i, "ns");
    char *text = cim_path_text(&a, &i->path);
    assert_string_equal(text, "ns:A.K=\"key\"");
    assert_int_equal(cim_get(i, "N")->items[0].u, 2);
    assert_null(cim_get(i, "Other"));
    cim_arena_deinit(&a);
    cim_schema_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_inheritance),    T(test_flavors),         T(test_errors_have_lines), T(test_limits),
        T(test_shipped_schema), T(test_shipped_classes), T(test_instances)};
    return RUN(tests);
}
