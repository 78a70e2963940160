/* SPDX-License-Identifier: Apache-2.0 */
/* Instances in parameters: every form a client sends them in, and what is none. */
#include "cimxml_fake.h"
#include "util/buf.h"

#define OBJECT SVC_OBJECT
#define PROP(name, type, value)                                                                    \
    "<PROPERTY NAME=\"" name "\" TYPE=\"" type "\"><VALUE>" value "</VALUE></PROPERTY>"
#define INST(inner) "<INSTANCE CLASSNAME=\"msvm_replicationsettingdata\">" inner "</INSTANCE>"
/* the same escaped, as far as these tests need it */
#define CREATE(param)                                                                              \
    REQ("<METHODCALL NAME=\"CreateReplicationRelationship\"><LOCALINSTANCEPATH>" NS SVC            \
        "</LOCALINSTANCEPATH><PARAMVALUE NAME=\"ReplicationSettingData\" PARAMTYPE=\"string\" "    \
        "EmbeddedObject=\"instance\">" param "</PARAMVALUE></METHODCALL>")
#define CDATA(inner) "<VALUE><![CDATA[" inner "]]></VALUE>"

struct seen {
    unsigned calls;
    bool wrong_type, bad_value, is_null;
    char why[256], text[64], disk[64];
    uint64_t port, nulls;
    uint32_t ndisks;
};
static struct seen seen;

static void look(struct fixture *f, const struct cim_invoke *call)
{
    const struct cim_param *p = cim_invoke_param(call, "ReplicationSettingData");
    seen = (struct seen){.calls = seen.calls + 1};
    seen.wrong_type = p->wrong_type;
    seen.bad_value = p->bad_value;
    seen.is_null = p->value.is_null;
    snprintf(seen.why, sizeof seen.why, "%s", p->why ? p->why : "");
    if (p->value.is_null) {
        return;
    }
    assert_int_equal(p->value.type, CIM_INSTANCE);
    const struct cim_instance *i = p->value.instance;
    const struct cim_value *host = cim_get(i, "RecoveryConnectionPoint");
    const struct cim_value *port = cim_get(i, "RecoveryServerPortNumber");
    const struct cim_value *disks = cim_get(i, "IncludedDisks");
    snprintf(seen.text, sizeof seen.text, "%s", host->is_null ? "" : host->str);
    seen.port = port->is_null ? 0 : port->u;
    for (uint32_t k = 0; k < i->cls->nprops; k++) {
        seen.nulls += i->values[k].is_null;
    }
    seen.ndisks = disks->is_null ? 0 : disks->count;
    if (seen.ndisks) {
        const struct cim_value *one = &disks->items[seen.ndisks - 1];
        bool inst = one->type == CIM_INSTANCE;
        snprintf(seen.disk, sizeof seen.disk, "%s",
                 inst ? cim_get(one->instance, "InstanceID")->str : one->str);
    }
}

static void create(struct fixture *f, const char *body)
{
    f->look = look;
    post(f, "CreateReplicationRelationship", OBJECT, body);
    assert_int_equal(f->http, 200);
}

#define GOOD                                                                                       \
    PROP("RecoveryConnectionPoint", "string", "b.example")                                         \
    PROP("RecoveryServerPortNumber", "uint16", "8650")

static void test_forms(void **state)
{
    static const char *const forms[] = {
        CREATE(CDATA(INST(GOOD))),
        CREATE(CDATA("<?xml version=\"1.0\"?>\n" INST(GOOD))),
        CREATE("<VALUE>" INST(GOOD) "</VALUE>"),
        CREATE(INST(GOOD)),
        CREATE(CDATA(INST("<QUALIFIER NAME=\"Dynamic\" TYPE=\"boolean\"/>"
                          "<PROPERTY NAME=\"__PATH\" TYPE=\"string\"><VALUE>x</VALUE></PROPERTY>"
                          "<PROPERTY NAME=\"AuthenticationType\" TYPE=\"uint16\"/>" GOOD))),
        CREATE("<VALUE>&lt;INSTANCE CLASSNAME=\"Msvm_ReplicationSettingData\"&gt;"
               "&lt;PROPERTY NAME=\"RecoveryConnectionPoint\" TYPE=\"string\" "
               "CLASSORIGIN=\"x\"&gt;&lt;VALUE&gt;b.example&lt;/VALUE&gt;&lt;/PROPERTY&gt;"
               "&lt;PROPERTY NAME=\"recoveryserverportnumber\" TYPE=\"uint16\"&gt;"
               "&lt;VALUE&gt;8650&lt;/VALUE&gt;&lt;/PROPERTY&gt;&lt;/INSTANCE&gt;</VALUE>"),
    };
    struct fixture f = {0};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        create(&f, forms[i]);
        if (seen.why[0] || strcmp(seen.text, "b.example") != 0 || seen.port != 8650) {
            fail_msg("form %zu: '%s' '%s'", i, seen.why, seen.text);
        }
        const struct cim_class *cls =
            cim_schema_class(f.broker.schema, "Msvm_ReplicationSettingData");
        assert_int_equal(seen.nulls, cls->nprops - 2); /* what was not said is NULL */
    }
    assert_int_equal(seen.calls, sizeof forms / sizeof *forms);
    fixture_deinit(&f);
}

static void test_null(void **state)
{
    struct fixture f = {0};
    create(&f, CREATE("<VALUE></VALUE>"));
    assert_true(seen.is_null && !seen.wrong_type && !seen.bad_value);
    create(&f, CREATE(""));
    assert_true(seen.is_null && !seen.wrong_type && !seen.bad_value);
    fixture_deinit(&f);
}

#define DISKS(type, inner)                                                                         \
    CREATE(CDATA(INST("<PROPERTY.ARRAY NAME=\"IncludedDisks\" TYPE=\"" type                        \
                      "\"><VALUE.ARRAY>" inner "</VALUE.ARRAY></PROPERTY.ARRAY>")))
#define SASD                                                                                       \
    "&lt;INSTANCE CLASSNAME=\"Msvm_StorageAllocationSettingData\"&gt;"                             \
    "&lt;PROPERTY NAME=\"InstanceID\" TYPE=\"string\"&gt;&lt;VALUE&gt;d2&lt;/VALUE&gt;"            \
    "&lt;/PROPERTY&gt;&lt;/INSTANCE&gt;"

/* A string that may be an instance may also be the name of one. */
static void test_nested(void **state)
{
    struct fixture f = {0};
    create(&f, DISKS("string", "<VALUE>d1</VALUE><VALUE>Microsoft:x\\d2</VALUE>"));
    assert_int_equal(seen.ndisks, 2);
    assert_string_equal(seen.disk, "Microsoft:x\\d2");
    create(&f, DISKS("string", "<VALUE>d1</VALUE><VALUE>" SASD "</VALUE>"));
    assert_string_equal(seen.why, "");
    assert_int_equal(seen.ndisks, 2);
    assert_string_equal(seen.disk, "d2");
    create(&f, DISKS("uint16", "<VALUE>1</VALUE>"));
    assert_true(seen.wrong_type);
    create(&f, DISKS("string", "<VALUE>&lt;INSTANCE&gt;</VALUE>"));
    assert_true(seen.wrong_type);
    fixture_deinit(&f);
}

static void test_misfits(void **state)
{
    static const struct {
        const char *body;
        bool wrong_type;
        const char *why;
    } rows[] = {
        {CREATE(CDATA("<INSTANCE CLASSNAME=\"Nope\"/>")), false, "no such class"},
        {CREATE(CDATA(INST(PROP("Colour", "string", "red")))), false, "no property 'Colour'"},
        {CREATE(CDATA(INST(PROP("RecoveryHistory", "string", "1")))), true,
         "is uint16, not string"},
        {CREATE(CDATA(INST(PROP("RecoveryHistory", "uint16", "-1")))), true, "RecoveryHistory"},
        {CREATE(CDATA(INST(PROP("RecoveryHistory", "uint16", "65536")))), true, "RecoveryHistory"},
        {CREATE(CDATA(INST(PROP("CompressionEnabled", "boolean", "perhaps")))), true,
         "CompressionEnabled"},
        {CREATE(CDATA(INST("<PROPERTY.ARRAY NAME=\"RecoveryHistory\" "
                           "TYPE=\"uint16\"><VALUE.ARRAY/></PROPERTY.ARRAY>"))),
         true, "VALUE.ARRAY"},
        {CREATE(CDATA(INST(PROP("IncludedDisks", "string", "vda")))), true, "string[]"},
        {CREATE(CDATA(INST("<METHOD NAME=\"x\"/>"))), true, "METHOD"},
        {CREATE(CDATA("<INSTANCE/>")), true, "CLASSNAME"},
        {CREATE(CDATA("<VALUE.NAMEDINSTANCE>" INST("") "</VALUE.NAMEDINSTANCE>")), true,
         "INSTANCE"},
        {CREATE(CDATA("instance of Msvm_ReplicationSettingData {};")), true, "XML"},
        {CREATE(CDATA("<!DOCTYPE a>" INST(""))), true, "DOCTYPE"},
        {CREATE("<VALUE.ARRAY><VALUE>x</VALUE></VALUE.ARRAY>"), true, "VALUE.ARRAY"},
    };
    struct fixture f = {0};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        create(&f, rows[i].body);
        assert_true(seen.is_null);
        if (seen.wrong_type != rows[i].wrong_type || seen.bad_value == rows[i].wrong_type ||
            !strstr(seen.why, rows[i].why)) {
            fail_msg("row %zu: %d %d '%s'", i, seen.wrong_type, seen.bad_value, seen.why);
        }
    }
    fixture_deinit(&f);
}

/* One level of escaping more: in the text, "&lt;" becomes "&amp;lt;". */
static void escape(struct vr_buf *b, const char *s)
{
    for (; *s; s++) {
        vr_buf_text(b, *s == '<' ? "&lt;" : *s == '&' ? "&amp;" : (char[]){*s, 0});
    }
}

/* As deep as allowed, and once more. */
static void test_depth(void **state)
{
    struct fixture f = {0};
    for (int depth = CIMXML_EMBEDDED_DEPTH_MAX; depth <= CIMXML_EMBEDDED_DEPTH_MAX + 1; depth++) {
        char text[16384] = INST("");
        for (int i = 1; i < depth; i++) {
            struct vr_buf b;
            vr_buf_init(&b, sizeof text - 1);
            vr_buf_text(&b, "<INSTANCE CLASSNAME=\"Msvm_ReplicationSettingData\"><PROPERTY.ARRAY "
                            "NAME=\"IncludedDisks\" TYPE=\"string\"><VALUE.ARRAY><VALUE>");
            escape(&b, text);
            vr_buf_text(&b, "</VALUE></VALUE.ARRAY></PROPERTY.ARRAY></INSTANCE>");
            assert_false(b.failed);
            snprintf(text, sizeof text, "%s", vr_buf_cstr(&b));
            vr_buf_deinit(&b);
        }
        struct vr_buf body;
        vr_buf_init(&body, 65536);
        const char *frame = CREATE("@"), *at = strstr(frame, ">@<");
        vr_buf_bytes(&body, frame, (size_t)(at + 1 - frame));
        vr_buf_text(&body, "<VALUE>");
        escape(&body, text);
        vr_buf_text(&body, "</VALUE>");
        vr_buf_text(&body, at + 2);
        create(&f, vr_buf_cstr(&body));
        vr_buf_deinit(&body);
        assert_int_equal(seen.bad_value, depth > CIMXML_EMBEDDED_DEPTH_MAX);
        assert_false(seen.wrong_type);
    }
    fixture_deinit(&f);
}

static void test_reason(void **state)
{
    struct fixture f = {.reason = "no 100%\r\nSet-Cookie: \xc3\xa9"};
    create(&f, CREATE(""));
    assert_string_equal(f.reason_header, "no 100%25%0D%0ASet-Cookie: %C3%A9");
    expect_part(&f, "<RETURNVALUE PARAMTYPE=\"uint32\"><VALUE>32773</VALUE></RETURNVALUE>");
    f.reason = NULL;
    create(&f, CREATE(""));
    assert_string_equal(f.reason_header, "");
    fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),   cmocka_unit_test(test_null),  cmocka_unit_test(test_nested),
        cmocka_unit_test(test_misfits), cmocka_unit_test(test_depth), cmocka_unit_test(test_reason),
    };
    return cmocka_run_group_tests(tests, load_schema, free_schema);
}
