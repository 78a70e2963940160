/* SPDX-License-Identifier: Apache-2.0 */
#include "cim/mof.h"
#include "tests/lib/check.h"
#include "util/num.h"

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
        "#pragma locale(\"en_US\")\n/* c */ // d\n"
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
        {"[Key : ToSubclass] class A { };", "expected ]"},
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
}

static void test_shipped_schema(void **state)
{
    static char text[CIM_MOF_MAX_BYTES];
    FILE *f = fopen(SCHEMA_MOF, "re");
    assert_non_null(f);
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    struct cim_schema *s = NULL;
    struct vr_err err = VR_ERR_INIT;
    CHECK_OK(cim_mof_parse(text, n, "schema", &s, &err), &err);
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

static void test_instances(void **state)
{
    struct cim_schema *s = parse("class A { [Key] string K; uint16 N[]; uint16 D = 3; };");
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
    const struct CMUnitTest tests[] = {T(test_inheritance), T(test_errors_have_lines),
                                       T(test_limits), T(test_shipped_schema), T(test_instances)};
    return RUN(tests);
}
