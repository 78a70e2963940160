/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of instances (FragmentTransfer), and Put of them and of the whole. */
#include "util/num.h"
#include "wsman_fake.h"

#define VM_URI WMI_URI "Msvm_ComputerSystem"
#define FRAGMENT(path) "<w:FragmentTransfer s:mustUnderstand=\"true\">" path "</w:FragmentTransfer>"
#define GET_PART(path) REQUEST(TRANSFER "Get", VM_URI, SET(VM_KEYS) FRAGMENT(path), "")
#define PUT(header, body) REQUEST(TRANSFER "Put", VM_URI, SET(VM_KEYS) header, body)
#define PUT_PART(path, body) PUT(FRAGMENT(path), "<w:XmlFragment>" body "</w:XmlFragment>")
#define PUT_VM(body)                                                                               \
    PUT("", "<p:Msvm_ComputerSystem xmlns:p=\"" VM_URI "\">" body "</p:Msvm_ComputerSystem>")
#define PART "/s:Envelope/s:Body/w:XmlFragment"

static void test_fragments(void **state)
{
    static const struct {
        const char *envelope, *expression, *wanted;
    } rows[] = {
        {GET_PART("Name"), "string(" PART "/wmivm:Name)", VM_ID},
        {GET_PART("p:Name"), "string(" PART "/wmivm:Name)", VM_ID},
        {GET_PART("./name"), "string(" PART "/wmivm:Name)", VM_ID},
        {GET_PART("/p:Msvm_ComputerSystem/p:Name"), "string(" PART "/wmivm:Name)", VM_ID},
        {GET_PART(" Name[1] "), "string(" PART "/wmivm:Name)", VM_ID},
        {GET_PART("Name"), "count(" PART "/*)", "1"},
        {GET_PART("Name/text()"), "string(" PART ")", VM_ID},
        {GET_PART("Name/text()"), "count(" PART "/*)", "0"},
        {GET_PART("/Msvm_ComputerSystem/Name/text()"), "string(" PART ")", VM_ID},
        {GET_PART("OperationalStatus"), "count(" PART "/wmivm:OperationalStatus)", "2"},
        {GET_PART("OperationalStatus[2]"), "string(" PART "/wmivm:OperationalStatus)", "32768"},
        {GET_PART("OperationalStatus[2]"), "count(" PART "/*)", "1"},
        {GET_PART("OperationalStatus[1]/text()"), "string(" PART ")", "2"},
        {GET_PART("."), "string(" PART "/wmivm:Msvm_ComputerSystem/wmivm:Name)", VM_ID},
        {GET_PART("/"), "string(" PART "/wmivm:Msvm_ComputerSystem/wmivm:Name)", VM_ID},
        {GET_PART("/Msvm_ComputerSystem"), "count(" PART "/wmivm:Msvm_ComputerSystem)", "1"},
        /* no value, no such element */
        {GET_PART("Caption"), "string(" PART "/wmivm:Caption/@xsi:nil)", "true"},
        {GET_PART("Caption/text()"), "string(" PART "/@xsi:nil)", "true"},
        {GET_PART("OperationalStatus[3]"), "string(" PART "/@xsi:nil)", "true"},
        {GET_PART("OperationalStatus[3]/text()"), "count(" PART "/node())", "0"},
        {GET_PART("Name[2]"), "string(" PART "/@xsi:nil)", "true"},
        {REQUEST(TRANSFER "Get", VM_URI,
                 SET(VM_KEYS) "<w:FragmentTransfer "
                              "Dialect=\"http://www.w3.org/TR/1999/REC-xpath-19991116\">"
                              "Name</w:FragmentTransfer>",
                 ""),
         "string(" PART "/wmivm:Name)", VM_ID},
    };
    struct fixture f = {.arrays = true};
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        ask(&f, rows[i].envelope);
        expect_ok(&f);
        expect(&f, rows[i].expression, rows[i].wanted);
        expect(&f, "count(/s:Envelope/s:Header/w:FragmentTransfer)", "1");
        expect(&f, "string(/s:Envelope/s:Header/a:Action)", TRANSFER "GetResponse");
    }
    expect(&f, "string(/s:Envelope/s:Header/w:FragmentTransfer)", "Name");
    fixture_deinit(&f);
}

static void test_fragments_refused(void **state)
{
#define PART_OF(action, uri, attr)                                                                 \
    REQUEST(action, uri, SET(VM_KEYS) "<w:FragmentTransfer " attr ">Name</w:FragmentTransfer>", "")
    static const struct {
        const char *envelope, *code, *detail;
    } rows[] = {
        {GET_PART("Colour"), "n:CannotProcessFilter", ""},
        {GET_PART(""), "n:CannotProcessFilter", ""},
        {GET_PART("//Name"), "n:CannotProcessFilter", ""},
        {GET_PART("Name | Caption"), "n:CannotProcessFilter", ""},
        {GET_PART("Name[0]"), "n:CannotProcessFilter", ""},
        {GET_PART("Name[99999999999]"), "n:CannotProcessFilter", ""},
        {GET_PART("Name[1"), "n:CannotProcessFilter", ""},
        {GET_PART("Name[last()]"), "n:CannotProcessFilter", ""},
        {GET_PART("Name/@x"), "n:CannotProcessFilter", ""},
        {GET_PART("Name/text()/x"), "n:CannotProcessFilter", ""},
        {GET_PART("/Other/Name"), "n:CannotProcessFilter", ""},
        {GET_PART("/Msvm_ComputerSystem/"), "n:CannotProcessFilter", ""},
        {GET_PART("1"), "n:CannotProcessFilter", ""},
        {GET_PART("OperationalStatus/text()"), "n:CannotProcessFilter", ""},
        {PART_OF(TRANSFER "Get", VM_URI, "s:mustUnderstand=\"false\""),
         "a:InvalidMessageInformationHeader", ""},
        {PART_OF(TRANSFER "Get", VM_URI, "Dialect=\"http://www.w3.org/TR/xquery/\""),
         "w:FragmentDialectNotSupported", ""},
        {PART_OF(ENUM "Enumerate", VM_URI, ""), "w:UnsupportedFeature", "FragmentLevelAccess"},
        {PART_OF(VM_URI "/RequestStateChange", VM_URI, ""), "w:UnsupportedFeature",
         "FragmentLevelAccess"},
        {PART_OF(TRANSFER "Get", "http://schemas.dmtf.org/wbem/cim-xml/2/cim-schema/2/*", ""),
         "w:UnsupportedFeature", "FragmentLevelAccess"},
    };
    struct fixture f = {.arrays = true};
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        ask(&f, rows[i].envelope);
        expect_fault(&f, rows[i].code, rows[i].detail);
        assert_int_equal(f.invoked, 0);
    }
    fixture_deinit(&f);
}

static void test_put(void **state)
{
    static const struct {
        const char *envelope, *changes;
    } rows[] = {
        {PUT_VM("<p:ElementName>x</p:ElementName><p:EnabledState>3</p:EnabledState>"),
         "ElementName=x EnabledState=3 "},
        {PUT_VM("<p:elementname>x &amp; y</p:elementname>"), "ElementName=x & y "},
        {PUT_VM("<p:Caption xsi:nil=\"true\"/>"), "Caption=NULL "},
        {PUT_VM("<p:InstallDate><c:Datetime xmlns:c=\"urn:c\">2026-11-29T01:02:03Z</c:Datetime>"
                "</p:InstallDate>"),
         "InstallDate=20261129010203.000000+000 "},
        {PUT_VM(""), ""},
        {PUT_PART("ElementName", "<ElementName>x</ElementName>"), "ElementName=x "}, /* wsl */
        {PUT_PART("p:ElementName", "<q:ElementName xmlns:q=\"urn:q\">x</q:ElementName>"),
         "ElementName=x "},
        {PUT_PART("ElementName[1]", "<ElementName>x</ElementName>"), "ElementName=x "},
        {PUT_PART("ElementName/text()", "x"), "ElementName=x "},
        {PUT_PART("EnabledState", "<EnabledState> 3 </EnabledState>"), "EnabledState=3 "},
        {PUT_PART("Caption", "<Caption xsi:nil=\"1\"/>"), "Caption=NULL "},
        {PUT_PART(".", "<p:Msvm_ComputerSystem xmlns:p=\"u:p\"><p:ElementName>x</p:ElementName>"
                       "</p:Msvm_ComputerSystem>"),
         "ElementName=x "},
    };
    struct fixture f = {0};
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        ask(&f, rows[i].envelope);
        expect_ok(&f);
        assert_int_equal(f.modified, i + 1);
        assert_string_equal(f.changes, rows[i].changes);
        /* what it is now: the fake changes nothing */
        expect(&f, "string(/s:Envelope/s:Header/a:Action)", TRANSFER "PutResponse");
        bool part = strstr(rows[i].envelope, "FragmentTransfer") != NULL;
        expect(&f, "count(" PART ")", part ? "1" : "0");
        expect(&f, "count(/s:Envelope/s:Body/wmivm:Msvm_ComputerSystem/wmivm:Name)",
               part ? "0" : "1");
    }
    assert_int_equal(f.invoked, 0);
    fixture_deinit(&f);
}

static void test_put_refused(void **state)
{
    static const struct {
        const char *envelope, *code, *detail;
    } rows[] = {
        {PUT("", ""), "w:SchemaValidationError", ""},
        {PUT("", "<p:Msvm_Other xmlns:p=\"u:p\"/>"), "w:SchemaValidationError", ""},
        {PUT("", "<p:Msvm_ComputerSystem xmlns:p=\"u:p\"/><p:Msvm_ComputerSystem "
                 "xmlns:p=\"u:p\"/>"),
         "w:SchemaValidationError", ""},
        {PUT_VM("<p:Colour>blue</p:Colour>"), "x:InvalidRepresentation", "InvalidValues"},
        {PUT_VM("<p:EnabledState>many</p:EnabledState>"), "x:InvalidRepresentation",
         "InvalidValues"},
        {PUT_VM("<p:EnabledState>1</p:EnabledState><p:EnabledState>2</p:EnabledState>"),
         "x:InvalidRepresentation", "InvalidValues"},
        {PUT_VM("<p:ElementName><p:x/></p:ElementName>"), "x:InvalidRepresentation",
         "InvalidValues"},
        {PUT_PART("ElementName", ""), "x:InvalidRepresentation", "InvalidFragment"},
        {PUT_PART("ElementName", "<Caption>x</Caption>"), "x:InvalidRepresentation",
         "InvalidFragment"},
        {PUT_PART("EnabledState/text()", "many"), "x:InvalidRepresentation", "InvalidValues"},
        {PUT_PART("OperationalStatus[1]", "<OperationalStatus>1</OperationalStatus>"),
         "n:CannotProcessFilter", ""},
        {PUT_PART("ElementName[2]", "<ElementName>x</ElementName>"), "n:CannotProcessFilter", ""},
        {PUT_PART("Colour", "<Colour/>"), "n:CannotProcessFilter", ""},
        {PUT(FRAGMENT("ElementName"), "<ElementName>x</ElementName>"), "w:SchemaValidationError",
         ""},
        {PUT_PART(".", ""), "x:InvalidRepresentation", "InvalidFragment"},
        {REQUEST(TRANSFER "Put", VM_URI, "", "<p:Msvm_ComputerSystem xmlns:p=\"u:p\"/>"),
         "w:InvalidSelectors", "InsufficientSelectors"},
        {REQUEST(TRANSFER "Put", "http://schemas.dmtf.org/wbem/cim-xml/2/cim-schema/2/*",
                 SET(SEL("ClassName", "Msvm_ComputerSystem")), "<CLASS/>"),
         "a:ActionNotSupported", ""},
    };
    static const struct {
        int code;
        const char *subcode, *detail;
    } broker[] = {
        {CIM_ERR_NOT_SUPPORTED, "a:ActionNotSupported", ""},
        {CIM_ERR_ACCESS_DENIED, "w:AccessDenied", ""},
        {CIM_ERR_INVALID_PARAMETER, "x:InvalidRepresentation", "InvalidValues"},
        {CIM_ERR_NOT_FOUND, "a:DestinationUnreachable", ""},
        {CIM_ERR_FAILED, "w:InternalError", ""},
    };
    struct fixture f = {0};
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        ask(&f, rows[i].envelope);
        expect_fault(&f, rows[i].code, rows[i].detail);
        assert_int_equal(f.modified, 0);
    }
    for (size_t i = 0; i < VR_COUNT(broker); i++) {
        f.modify_code = broker[i].code;
        ask(&f, PUT_VM("<p:ElementName>x</p:ElementName>"));
        expect_fault(&f, broker[i].subcode, broker[i].detail);
        expect(&f, "string(//s:Reason/s:Text)", "not like this");
    }
    fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_fragments), T(test_fragments_refused), T(test_put),
                                       T(test_put_refused)};
    return cmocka_run_group_tests(tests, load_schema, free_schema);
}
