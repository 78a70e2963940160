/* SPDX-License-Identifier: Apache-2.0 */
/* CIM-XML messages: headers, limits, references, parameters. */
#include "cimxml_fake.h"
#include "util/buf.h"
#include "util/num.h"

static void call(struct fixture *f, const char *body)
{
    post(f, "Resynchronize", SVC_OBJECT, body);
}

/* Every encoding of the reference that a client was seen to send. */
static void test_references(void **state)
{
    static const char *const forms[] = {
        CALL("<PARAMVALUE "
             "NAME=\"ComputerSystem\"><VALUE.REFERENCE><INSTANCEPATH><NAMESPACEPATH><HOST>"
             "elsewhere</HOST>" NS "</NAMESPACEPATH>" VM
             "</INSTANCEPATH></VALUE.REFERENCE></PARAMVALUE>"),
        CALL("<PARAMVALUE "
             "NAME=\"ComputerSystem\"><VALUE.REFERENCE><INSTANCEPATH><NAMESPACEPATH><HOST>root</"
             "HOST><LOCALNAMESPACEPATH><NAMESPACE NAME=\"virtualization\"></NAMESPACE><NAMESPACE "
             "NAME=\"v2\"></NAMESPACE></LOCALNAMESPACEPATH></NAMESPACEPATH>" VM
             "</INSTANCEPATH></VALUE.REFERENCE></PARAMVALUE>"),
        CALL("<PARAMVALUE NAME=\"ComputerSystem\" "
             "PARAMTYPE=\"reference\">\n<VALUE.REFERENCE>\n<LOCALINSTANCEPATH>\n" NS "\n" VM
             "\n</LOCALINSTANCEPATH>\n</VALUE.REFERENCE>\n</PARAMVALUE>"),
        CALL("<PARAMVALUE NAME=\"computersystem\" PARAMTYPE=\"reference\"><VALUE.REFERENCE>" VM
             "</VALUE.REFERENCE></PARAMVALUE>"),
    };
    struct fixture f = {0};
    for (size_t i = 0; i < VR_COUNT(forms); i++) {
        call(&f, forms[i]);
        expect_part(&f, "<RETURNVALUE PARAMTYPE=\"uint32\"><VALUE>4096</VALUE></RETURNVALUE>");
        assert_int_equal(f.invoked, i + 1);
        assert_int_equal(f.nparams, 1);
        assert_string_equal(f.params[0].name, "ComputerSystem");
        assert_string_equal(f.ref_class, "Msvm_ComputerSystem");
        assert_string_equal(f.ref_name, VM_ID);
        assert_false(f.ref_has_ns || f.params[0].wrong_type);
    }
    expect_part(
        &f,
        "<PARAMVALUE NAME=\"Job\" PARAMTYPE=\"reference\"><VALUE.REFERENCE><LOCALINSTANCEPATH>" NS
        "<INSTANCENAME CLASSNAME=\"Msvm_ConcreteJob\">" KEY_OUT("InstanceID", "vmreplica:1"));
    expect_part(&f, "<MESSAGE ID=\"47&amp;11\" PROTOCOLVERSION=\"1.0\">");
    expect_part(&f, "<METHODRESPONSE NAME=\"Resynchronize\">");
    assert_string_equal(f.user, "anna");
    fixture_deinit(&f);
}

static void test_datetimes(void **state)
{
    static const struct {
        const char *param;
        bool null, wrong;
    } rows[] = {
        {CALL("<PARAMVALUE "
              "NAME=\"StartTime\"><VALUE>20261121020000.000000+000</VALUE></PARAMVALUE>"),
         false, false},
        {CALL("<PARAMVALUE NAME=\"StartTime\" "
              "PARAMTYPE=\"datetime\"><VALUE>20261121020000.000000+000</VALUE></PARAMVALUE>"),
         false, false},
        {CALL("<PARAMVALUE "
              "NAME=\"StartTime\"><VALUE>00000001000000.000000:000</VALUE></PARAMVALUE>"),
         false, false},
        {CALL("<PARAMVALUE NAME=\"StartTime\"><VALUE></VALUE></PARAMVALUE>"), true, false},
        {CALL("<PARAMVALUE NAME=\"StartTime\" PARAMTYPE=\"datetime\"/>"), true, false},
        {CALL("<PARAMVALUE NAME=\"StartTime\"><VALUE>soon</VALUE></PARAMVALUE>"), true, true},
        {CALL("<PARAMVALUE NAME=\"StartTime\" "
              "PARAMTYPE=\"string\"><VALUE>20261121020000.000000+000</VALUE></PARAMVALUE>"),
         true, true},
        {CALL("<PARAMVALUE NAME=\"StartTime\"><VALUE.REFERENCE>" VM
              "</VALUE.REFERENCE></PARAMVALUE>"),
         true, true},
        {CALL("<PARAMVALUE "
              "NAME=\"StartTime\"><VALUE.ARRAY><VALUE>x</VALUE></VALUE.ARRAY></PARAMVALUE>"),
         true, true},
        {CALL("<PARAMVALUE NAME=\"ComputerSystem\"><VALUE>" VM_ID "</VALUE></PARAMVALUE>"), true,
         true},
        {CALL("<PARAMVALUE NAME=\"ComputerSystem\" "
              "PARAMTYPE=\"string\"><VALUE>x</VALUE></PARAMVALUE>"),
         true, true},
    };
    struct fixture f = {0};
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        call(&f, rows[i].param);
        expect_http(&f, 200, "");
        assert_int_equal(f.nparams, 1);
        if (f.params[0].value.is_null != rows[i].null || f.params[0].wrong_type != rows[i].wrong) {
            fail_msg("row %zu: null %d wrong %d", i, f.params[0].value.is_null,
                     f.params[0].wrong_type);
        }
    }
    fixture_deinit(&f);
}

static void test_malformed_parameters(void **state)
{
    static const char *const rows[] = {
        CALL("<PARAMVALUE NAME=\"Force\"><VALUE>TRUE</VALUE></PARAMVALUE>"),
        CALL("<PARAMVALUE NAME=\"Job\"/>"),
        CALL("<PARAMVALUE NAME=\"StartTime\"/><PARAMVALUE NAME=\"starttime\"/>"),
        CALL("<PARAMVALUE NAME=\"StartTime\"><VALUE>1</VALUE><VALUE>2</VALUE></PARAMVALUE>"),
        CALL("<PARAMVALUE NAME=\"StartTime\"><WHAT/></PARAMVALUE>"),
        CALL("<PARAMVALUE NAME=\"StartTime\"><VALUE><X/></VALUE></PARAMVALUE>"),
        CALL("<PARAMVALUE NAME=\"ComputerSystem\"><VALUE.REFERENCE/></PARAMVALUE>"),
        CALL("<PARAMVALUE "
             "NAME=\"ComputerSystem\"><VALUE.REFERENCE><INSTANCENAME/></VALUE.REFERENCE></"
             "PARAMVALUE>"),
        CALL("<PARAMVALUE NAME=\"ComputerSystem\"><VALUE.REFERENCE><LOCALINSTANCEPATH>" VM
             "</LOCALINSTANCEPATH></VALUE.REFERENCE></PARAMVALUE>"),
        CALL("<PARAMVALUE NAME=\"ComputerSystem\"><VALUE.REFERENCE><INSTANCENAME "
             "CLASSNAME=\"C\">" KEY("a", "1")
                 KEY("A", "2") "</INSTANCENAME></VALUE.REFERENCE></PARAMVALUE>"),
        CALL("<PARAMVALUE/>"),
        CALL("<IPARAMVALUE NAME=\"StartTime\"/>"),
    };
    struct fixture f = {0};
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        call(&f, rows[i]);
        expect_code(&f, CIM_ERR_INVALID_PARAMETER);
    }
    assert_int_equal(f.invoked, 0);
    fixture_deinit(&f);
}

static void test_answer_later(void **state)
{
    struct fixture f = {.later = true};
    call(&f, CALL("<PARAMVALUE NAME=\"ComputerSystem\"><VALUE.REFERENCE>" VM
                  "</VALUE.REFERENCE></PARAMVALUE>"));
    assert_int_equal(f.answered, 0);
    reply(f.done, f.done_ctx);
    assert_int_equal(f.answered, 1);
    expect_part(&f, "<MESSAGE ID=\"47&amp;11\"");
    fixture_deinit(&f);
}

static void test_cim_object_forms(void **state)
{
    static const char *const good[] = {
        SVC_OBJECT,
        "root/virtualization/"
        "v2:Msvm_ReplicationService.CreationClassName=\"Msvm_ReplicationService\",Name="
        "\"replicasvc\",SystemCreationClassName=\"Msvm_ComputerSystem\",SystemName=\"host\"",
        "Root%5CVirtualization%5CV2%3Amsvm_replicationservice.CreationClassName%3D%22Msvm_"
        "ReplicationService%22%2CName%3D%22replicasvc%22%2CSystemCreationClassName%3D%22Msvm_"
        "ComputerSystem%22%2CSystemName%3D%22host%22",
    };
    static const char *const bad[] = {
        NS_OBJECT,
        "root%2Fcimv2%3AMsvm_ReplicationService.Name=\"replicasvc\"",
        "",
        "%",
        NS_OBJECT
        "%3AMsvm_ReplicationService.SystemCreationClassName=\"Msvm_ComputerSystem\",SystemName="
        "\"other\",CreationClassName=\"Msvm_ReplicationService\",Name=\"replicasvc\"",
    };
    struct fixture f = {0};
    for (size_t i = 0; i < VR_COUNT(good); i++) {
        post(&f, "Resynchronize", good[i], CALL(""));
        expect_part(&f, "4096");
    }
    for (size_t i = 0; i < VR_COUNT(bad); i++) {
        post(&f, "Resynchronize", bad[i], CALL(""));
        expect_http(&f, 400, "header-mismatch");
    }
    post(&f, "GetClass", SVC_OBJECT, CALL(""));
    expect_http(&f, 400, "header-mismatch");
    post(&f, "EnumerateInstances", SVC_OBJECT, ICALL("EnumerateInstances", CLASSNAME("CIM_Job")));
    expect_http(&f, 400, "header-mismatch");
    fixture_deinit(&f);
}

static void test_http_refusals(void **state)
{
    static const struct {
        const char *body, *error;
        int http;
    } rows[] = {
        {"", "request-not-well-formed", 400},
        {"<CIM", "request-not-well-formed", 400},
        {"<CIM></MIC>", "request-not-well-formed", 400},
        {"<CIM>&nothing;</CIM>", "request-not-well-formed", 400},
        {"<CIM/>", "request-not-valid", 400},
        {"<X/>", "request-not-valid", 400},
        {CIM("2.0", "2.0", "1.0", ""), "request-not-valid", 400},
        {CIM("2.0", "2.0", "1.0", "<SIMPLEEXPREQ/>"), "request-not-valid", 400},
        {REQ("<IMETHODCALL NAME=\"GetClass\"/>"), "request-not-valid", 400},
        {REQ("<IMETHODCALL>" NS "</IMETHODCALL>"), "request-not-valid", 400},
        {REQ("<METHODCALL NAME=\"GetClass\">" NS "</METHODCALL>"), "request-not-valid", 400},
        {CIM("3.0", "2.0", "1.0", ""), "unsupported-cim-version", 501},
        {CIM("2.0", "1.1", "1.0", ""), "unsupported-dtd-version", 501},
        {CIM("2.0", "2.0", "2.0", ""), "unsupported-protocol-version", 501},
        {CIM("2.4", "2.4", "1.4", "<MULTIREQ><SIMPLEREQ/><SIMPLEREQ/></MULTIREQ>"),
         "multiple-requests-unsupported", 501},
        {"<?xml version=\"1.0\" encoding=\"utf-16\"?><CIM/>", "request-not-well-formed", 400},
        {"<?xml version=\"1.0\" encoding='iso-8859-1'?><CIM/>", "request-not-well-formed", 400},
        {"\xff\xfe<\0C\0", "request-not-well-formed", 400},
        {"<CIM>\xc0\xaf</CIM>", "request-not-well-formed", 400},
        {"<!DOCTYPE CIM [<!ENTITY a \"aaaa\">]><CIM>&a;</CIM>", "request-not-well-formed", 400},
        {"<!DOCTYPE CIM SYSTEM \"file:///etc/passwd\"><CIM/>", "request-not-well-formed", 400},
    };
    struct fixture f = {0};
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        post(&f, "GetClass", NS_OBJECT, rows[i].body);
        expect_http(&f, rows[i].http, rows[i].error);
    }
    fixture_deinit(&f);
}

static void test_header_refusals(void **state)
{
    static const struct {
        struct cimxml_headers h;
        int http;
        const char *error;
    } rows[] = {
        {{NULL, "GetClass", NS_OBJECT, NULL, NULL, "text/xml"}, 400, "unsupported-operation"},
        {{"Nothing", "GetClass", NS_OBJECT, NULL, NULL, "text/xml"}, 400, "unsupported-operation"},
        {{"MethodCall", NULL, NS_OBJECT, NULL, NULL, "text/xml"}, 400, "header-mismatch"},
        {{"MethodCall", "GetClass", NULL, NULL, NULL, "text/xml"}, 400, "header-mismatch"},
        {{"MethodCall", "GetClass", NS_OBJECT, "2.0", NULL, "text/xml"},
         501,
         "unsupported-protocol-version"},
        {{"MethodCall", "GetClass", NS_OBJECT, NULL, "CIMBatch", "text/xml"},
         501,
         "multiple-requests-unsupported"},
        {{"MethodCall", "GetClass", NS_OBJECT, NULL, NULL, "text/plain"}, 415, ""},
        {{"MethodCall", "GetClass", NS_OBJECT, NULL, NULL, NULL}, 415, ""},
        {{"MethodCall", "GetClass", NS_OBJECT, NULL, NULL, "text/xml; charset=latin1"}, 415, ""},
        {{"MethodCall", "GetClass", NS_OBJECT, "1.0", NULL, "application/xml; charset=utf-8"},
         200,
         ""},
        {{"methodcall", "getclass", NS_OBJECT, "1.0", NULL, "Text/XML;charset=\"UTF-8\""}, 200, ""},
    };
    struct fixture f = {0};
    const char *body = ICALL("GetClass", CLASSNAME("CIM_Job"));
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        send_raw(&f, &rows[i].h, body, strlen(body));
        expect_http(&f, rows[i].http, rows[i].error);
    }
    fixture_deinit(&f);
}

/* head, n times unit (NULL: a new attribute), n times close, tail */
static void bomb(struct fixture *f,
                 const char *head,
                 const char *unit,
                 const char *close,
                 unsigned n,
                 const char *tail)
{
    struct vr_buf b;
    vr_buf_init(&b, 64 << 20);
    vr_buf_text(&b, head);
    for (unsigned i = 0; i < n; i++) {
        if (unit) {
            vr_buf_text(&b, unit);
        } else {
            vr_buf_printf(&b, " a%u=''", i);
        }
    }
    for (unsigned i = 0; i < n; i++) {
        vr_buf_text(&b, close);
    }
    vr_buf_text(&b, tail);
    post(f, "GetClass", NS_OBJECT, vr_buf_cstr(&b));
    vr_buf_deinit(&b);
}

/* At the limit it is only not valid; one more is refused before anything is built. */
static void test_limits(void **state)
{
    struct fixture f = {0};
    bomb(&f, "<CIM", NULL, "", FRONT_XML_ATTRS_MAX, "/>");
    expect_http(&f, 400, "request-not-valid");
    bomb(&f, "<CIM", NULL, "", FRONT_XML_ATTRS_MAX + 1, "/>");
    expect_http(&f, 400, "request-not-well-formed");
    bomb(&f, "<CIM", NULL, "", 90000, "/>");
    expect_http(&f, 400, "request-not-well-formed");
    bomb(&f, "", "<X>", "</X>", FRONT_XML_DEPTH_MAX, "");
    expect_http(&f, 400, "request-not-valid");
    bomb(&f, "", "<X>", "</X>", FRONT_XML_DEPTH_MAX + 1, "");
    expect_http(&f, 400, "request-not-well-formed");
    bomb(&f, "<X>", "<X/>", "", FRONT_XML_ELEMENTS_MAX - 1, "</X>");
    expect_http(&f, 400, "request-not-valid");
    bomb(&f, "<X>", "<X/>", "", FRONT_XML_ELEMENTS_MAX, "</X>");
    expect_http(&f, 400, "request-not-well-formed");
    bomb(&f, "<X>", "<?a?>", "", FRONT_XML_ELEMENTS_MAX - 1, "</X>");
    expect_http(&f, 400, "request-not-valid");
    bomb(&f, "<X>", "<?a?>", "", FRONT_XML_ELEMENTS_MAX, "</X>");
    expect_http(&f, 400, "request-not-well-formed");
    bomb(&f, "<X>", "<!---->", "", FRONT_XML_ELEMENTS_MAX, "</X>");
    expect_http(&f, 400, "request-not-well-formed");
    bomb(&f, "<X>", "0123456789", "", FRONT_XML_MAX_BYTES / 10 - 10, "</X>");
    expect_http(&f, 400, "request-not-valid");
    bomb(&f, "<X>", "0123456789", "", FRONT_XML_MAX_BYTES / 10, "</X>");
    expect_http(&f, 413, "request-not-well-formed");
    fixture_deinit(&f);
}

/* A list as long as allowed, and one name more. */
static void test_property_list_limit(void **state)
{
    struct fixture f = {0};
    for (unsigned n = CIMXML_PROPERTY_LIST_MAX; n <= CIMXML_PROPERTY_LIST_MAX + 1; n++) {
        struct vr_buf b;
        vr_buf_init(&b, 1 << 20);
        vr_buf_text(
            &b, "<CIM CIMVERSION=\"2.0\" DTDVERSION=\"2.0\"><MESSAGE ID=\"1\" "
                "PROTOCOLVERSION=\"1.0\"><SIMPLEREQ><IMETHODCALL NAME=\"GetInstance\">" NS IPARAM(
                    "InstanceName", VM) "<IPARAMVALUE NAME=\"PropertyList\"><VALUE.ARRAY>");
        for (unsigned i = 0; i < n; i++) {
            vr_buf_text(&b, "<VALUE>Name</VALUE>");
        }
        vr_buf_text(&b, "</VALUE.ARRAY></IPARAMVALUE></IMETHODCALL></SIMPLEREQ></MESSAGE></CIM>");
        post(&f, "GetInstance", NS_OBJECT, vr_buf_cstr(&b));
        vr_buf_deinit(&b);
        if (n == CIMXML_PROPERTY_LIST_MAX) {
            expect_part(&f, "<IRETURNVALUE><INSTANCE CLASSNAME=\"Msvm_ComputerSystem\"><PROPERTY "
                            "NAME=\"Name\"");
        } else {
            expect_code(&f, CIM_ERR_INVALID_PARAMETER);
        }
    }
    fixture_deinit(&f);
}

static void test_embedded_parameter(void **state)
{
    struct fixture f = {0};
    const char *object = NS_OBJECT
        ":Msvm_ComputerSystem.CreationClassName=\"Msvm_ComputerSystem\",Name=\"" VM_ID "\"";
#define EX(param)                                                                                  \
    REQ("<METHODCALL NAME=\"RequestReplicationStateChangeEx\"><LOCALINSTANCEPATH>" NS VM           \
        "</LOCALINSTANCEPATH><PARAMVALUE NAME=\"ReplicationRelationship\" PARAMTYPE=\"string\" "   \
        "EmbeddedObject=\"instance\">" param "</PARAMVALUE></METHODCALL>")
    post(&f, "RequestReplicationStateChangeEx", object,
         EX("<VALUE><![CDATA[<INSTANCE CLASSNAME=\"Msvm_ReplicationRelationship\"><PROPERTY "
            "NAME=\"InstanceID\" "
            "TYPE=\"string\"><VALUE>x</VALUE></PROPERTY></INSTANCE>]]></VALUE>"));
    assert_int_equal(f.params[0].value.type, CIM_INSTANCE);
    assert_false(f.params[0].wrong_type || f.params[0].value.is_null);
    post(&f, "RequestReplicationStateChangeEx", object,
         EX("<VALUE>&lt;INSTANCE CLASSNAME=\"Nope\"/&gt;</VALUE>"));
    assert_true(f.params[0].bad_value);
    post(&f, "RequestReplicationStateChangeEx", object,
         EX("<VALUE>&lt;!DOCTYPE a&gt;&lt;INSTANCE/&gt;</VALUE>"));
    assert_true(f.params[0].wrong_type);
    assert_int_equal(f.invoked, 3);
    fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_references),           T(test_datetimes),
                                       T(test_malformed_parameters), T(test_answer_later),
                                       T(test_cim_object_forms),     T(test_http_refusals),
                                       T(test_header_refusals),      T(test_limits),
                                       T(test_embedded_parameter),   T(test_property_list_limit)};
    return cmocka_run_group_tests(tests, load_schema, free_schema);
}
