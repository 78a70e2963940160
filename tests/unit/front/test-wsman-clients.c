/* SPDX-License-Identifier: Apache-2.0 */
/* Whole envelopes in the form of clients that were seen on the wire: omicli, go-wsman, PowerShell's
 * cmdlets, the builder of npm for Intel AMT, openwsman's wsman. */
#include "front/wsman/internal.h"
#include "util/num.h"
#include "wsman_fake.h"

#define WQL_DIALECT "http://schemas.microsoft.com/wbem/wsman/1/WQL"

/* --- omicli: xsi bound to another URI, an empty OptionSet, DMTF URIs and __cimnamespace --- */

#define OMI(action, uri, timeout, options, keys, body)                                             \
    "<s:Envelope xmlns:s=\"" NS_S "\" xmlns:a=\"" NS_A "\" xmlns:n=\"" NS_N "\" xmlns:w=\"" NS_W   \
    "\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema\" "                                           \
    "xmlns:h=\"http://schemas.microsoft.com/wbem/wsman/1/windows/shell\" xmlns:p=\"" NS_P          \
    "\" ><s:Header><a:To>HTTP://192.0.2.7:5985/wsman/</a:To>"                                      \
    "<w:ResourceURI s:mustUnderstand=\"true\">" uri "</w:ResourceURI><a:ReplyTo><a:Address "       \
    "s:mustUnderstand=\"true\">" ANON "</a:Address></a:ReplyTo><a:Action>" action                  \
    "</a:Action><w:MaxEnvelopeSize s:mustUnderstand=\"true\">102400</w:MaxEnvelopeSize>"           \
    "<a:MessageID>uuid:0A1B2C3D-60B9-0006-0000-000000010000</a:MessageID>"                         \
    "<w:OperationTimeout>" timeout "</w:OperationTimeout>"                                         \
    "<w:Locale xml:lang=\"en-us\" s:mustUnderstand=\"false\"/>"                                    \
    "<p:DataLocale xml:lang=\"en-us\" s:mustUnderstand=\"false\"/>" options                        \
    "<w:SelectorSet>" IN_NS keys "</w:SelectorSet></s:Header><s:Body>" body                        \
    "</s:Body></s:Envelope>"
#define OMI_OPTIONS "<w:OptionSet s:mustUnderstand=\"true\"></w:OptionSet>"
#define OMI_CALL(action, class, keys, body)                                                        \
    OMI(action, CIM_URI class, "PT1M30S", OMI_OPTIONS, keys, body)
#define OMI_LIST(more)                                                                             \
    "<n:Enumerate><w:OptimizeEnumeration/><w:MaxElements>1000</w:MaxElements>" more "</"           \
    "n:Enumerate>"

static void test_omicli(void **state)
{
    struct fixture f = {0};
    ask(&f, OMI_CALL(TRANSFER "Get", "Msvm_ComputerSystem", VM_KEYS, ""));
    expect_ok(&f);
    expect(&f, "string(/s:Envelope/s:Body/cimvm:Msvm_ComputerSystem/cimvm:Name)", VM_ID);
    expect(&f, "string(/s:Envelope/s:Header/a:RelatesTo)",
           "uuid:0A1B2C3D-60B9-0006-0000-000000010000");
    ask(&f, OMI_CALL(ENUM "Enumerate", "Msvm_ComputerSystem", "", OMI_LIST("")));
    expect_ok(&f);
    expect(&f, "count(//w:Items/cimvm:Msvm_ComputerSystem)", "1");
    expect(&f, "count(//w:EndOfSequence)", "1");
    /* queries have Microsoft's URI, and __cimnamespace all the same */
    ask(&f,
        OMI(ENUM "Enumerate", WMI_URI "*", "PT1M30S", OMI_OPTIONS, "",
            OMI_LIST("<w:Filter Dialect=\"" WQL_DIALECT
                     "\">select * from Msvm_ComputerSystem where Name='" VM_ID "'</w:Filter>")));
    expect_ok(&f);
    expect(&f, "count(//w:Items/wmivm:Msvm_ComputerSystem)", "1");
    /* its `id` asks for a class of its own */
    ask(&f, OMI_CALL(ENUM "Enumerate", "OMI_Identify", "", OMI_LIST("")));
    expect_fault(&f, "a:DestinationUnreachable", "InvalidResourceURI");
    ask(&f, OMI_CALL(TRANSFER "Put", "Msvm_ComputerSystem", VM_KEYS,
                     "<p:Msvm_ComputerSystem xmlns:p=\"" CIM_URI
                     "Msvm_ComputerSystem\"><p:CreationClassName>Msvm_ComputerSystem"
                     "</p:CreationClassName><p:ElementName>x</p:ElementName>"
                     "</p:Msvm_ComputerSystem>"));
    expect_ok(&f);
    assert_string_equal(f.changes, "CreationClassName=Msvm_ComputerSystem ElementName=x ");
    ask(&f, OMI_CALL(TRANSFER "Delete", "Msvm_ComputerSystem", VM_KEYS, ""));
    expect_fault(&f, "a:ActionNotSupported", "");
    fixture_deinit(&f);
}

/* A reference is an instance with its keys, xsi:type in the wrong namespace; no OptionSet. */
static void test_omicli_invoke(void **state)
{
    struct fixture f = {0};
    ask(&f, OMI(CIM_URI "Msvm_ReplicationService/Resynchronize", CIM_URI "Msvm_ReplicationService",
                "PT1M", "",
                SEL("CreationClassName", "Msvm_ReplicationService") SEL("Name", "replicasvc")
                    SEL("SystemCreationClassName", "Msvm_ComputerSystem") SEL("SystemName", "host"),
                "<p:Resynchronize_INPUT xmlns:p=\"" CIM_URI
                "Msvm_ReplicationService\"><p:StartTime>20301121020000.000000+000</p:StartTime>"
                "<p:ComputerSystem xmlns:p1=\"" CIM_URI "Msvm_ComputerSystem\" "
                "xsi:type=\"p1:Msvm_ComputerSystem_Type\"><p1:CreationClassName>"
                "Msvm_ComputerSystem</p1:CreationClassName><p1:Name>" VM_ID
                "</p1:Name></p:ComputerSystem></p:Resynchronize_INPUT>"));
    expect_ok(&f);
    assert_int_equal(f.invoked, 1);
    assert_string_equal(f.ref_class, "Msvm_ComputerSystem");
    assert_string_equal(f.ref_name, VM_ID);
    assert_string_equal(f.text, "20301121020000.000000+000");
    expect(&f, "string(/s:Envelope/s:Header/a:Action)",
           CIM_URI "Msvm_ReplicationService/ResynchronizeResponse");
    expect(&f, "string(//*[local-name()='ReturnValue'])", "4096");
    expect(&f,
           "string(//*[local-name()='Job']/a:ReferenceParameters/w:SelectorSet/"
           "w:Selector[@Name='__cimnamespace'])",
           "root/virtualization/v2");
    fixture_deinit(&f);
}

/* --- go-wsman: white space everywhere, one selector, the reference wrapped --- */

#define GO(action, uri, selectors, body)                                                           \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<s:Envelope xmlns:s=\"" NS_S "\" xmlns:a=\"" NS_A \
    "\" xmlns:w=\"" NS_W "\">\n  <s:Header>\n    <a:Action s:mustUnderstand=\"true\">" action      \
    "</a:Action>\n    <w:ResourceURI s:mustUnderstand=\"true\">" uri "</w:ResourceURI>\n    "      \
    "<w:MaxEnvelopeSize s:mustUnderstand=\"true\">153600</w:MaxEnvelopeSize>\n    "                \
    "<w:OperationTimeout>PT60S</w:OperationTimeout>\n    "                                         \
    "<a:MessageID>uuid:11111111-2222-4333-8444-555555555555</a:MessageID>\n    <a:ReplyTo>\n     " \
    " "                                                                                            \
    "<a:Address s:mustUnderstand=\"true\">" ANON "</a:Address>\n    </a:ReplyTo>\n    "            \
    "<a:To s:mustUnderstand=\"true\">http://192.0.2.7:5985/wsman</a:To>\n" selectors               \
    "  </s:Header>\n  <s:Body>" body "</s:Body>\n</s:Envelope>\n"
#define GO_KEY(name, value)                                                                        \
    "    <w:SelectorSet>\n      <w:Selector Name=\"" name "\">" value                              \
    "</w:Selector>\n    </w:SelectorSet>\n"

static void test_go_wsman(void **state)
{
    struct fixture f = {.copies = 2};
    char pull[4096];
    f.copies = 1;
    ask(&f, GO(TRANSFER "Get", WMI_URI "Msvm_ComputerSystem", GO_KEY("Name", VM_ID), ""));
    expect_ok(&f);
    expect(&f, "string(//wmivm:Name)", VM_ID);
    f.copies = 2;
    ask(&f, GO(ENUM "Enumerate", WMI_URI "Msvm_ComputerSystem", "",
               "\n    <n:Enumerate xmlns:n=\"" NS_N "\"></n:Enumerate>\n  "));
    expect_ok(&f);
    for (int i = 0; i < 2; i++) {
        snprintf(pull, sizeof pull,
                 GO(ENUM "Pull", WMI_URI "Msvm_ComputerSystem", "%s",
                    "\n    <n:Pull xmlns:n=\"" NS_N
                    "\"><n:EnumerationContext>%s</n:EnumerationContext></n:Pull>\n  "),
                 "", find(&f, "string(//n:EnumerationContext)"));
        ask(&f, pull);
        expect_ok(&f);
        expect(&f, "count(//n:Items/wmivm:Msvm_ComputerSystem)", "1");
        expect(&f, "count(//n:EndOfSequence)", i ? "1" : "0");
    }
    fixture_deinit(&f);
}

static void test_go_wsman_invoke(void **state)
{
    struct fixture f = {.lists_service = true};
    ask(&f, GO(SERVICE "/Resynchronize", SERVICE,
               GO_KEY("CreationClassName", "Msvm_ReplicationService"),
               "\n    <p:Resynchronize_INPUT xmlns:p=\"" SERVICE
               "\"><p:ComputerSystem><a:EndpointReference xmlns:a=\"" NS_A "\">" EPR
               "</a:EndpointReference></p:ComputerSystem><p:StartTime>20301121020000.000000+000"
               "</p:StartTime></p:Resynchronize_INPUT>\n  "));
    expect_ok(&f);
    assert_int_equal(f.invoked, 1);
    assert_string_equal(f.ref_name, VM_ID);
    assert_string_equal(f.text, "20301121020000.000000+000");
    expect(&f, "string(//svc:Resynchronize_OUTPUT/svc:ReturnValue)", "4096");
    fixture_deinit(&f);
}

/* --- PowerShell's cmdlets: options with types, headers of Microsoft's, fractions of seconds --- */

#define PS_OPTION(name, type, value)                                                               \
    "<w:Option Name=\"" name "\" Type=\"" type "\">" value "</w:Option>"
#define PS(action, uri, selectors, options, body)                                                  \
    "<s:Envelope xmlns:s=\"" NS_S "\" xmlns:a=\"" NS_A "\" xmlns:n=\"" NS_N "\" xmlns:w=\"" NS_W   \
    "\" xmlns:p=\"" NS_P "\" "                                                                     \
    "xmlns:b=\"http://schemas.dmtf.org/wbem/wsman/1/cimbinding.xsd\"><s:Header>"                   \
    "<a:To>http://192.0.2.7:5985/wsman</a:To><w:ResourceURI s:mustUnderstand=\"true\">" uri        \
    "</w:ResourceURI><a:ReplyTo><a:Address s:mustUnderstand=\"true\">" ANON                        \
    "</a:Address></a:ReplyTo><a:Action s:mustUnderstand=\"true\">" action                          \
    "</a:Action><w:MaxEnvelopeSize s:mustUnderstand=\"true\">512000</w:MaxEnvelopeSize>"           \
    "<a:MessageID>uuid:ABCDEF01-1111-2222-3333-444444444444</a:MessageID>"                         \
    "<w:Locale xml:lang=\"en-GB\" s:mustUnderstand=\"false\"/>"                                    \
    "<p:DataLocale xml:lang=\"en-GB\" s:mustUnderstand=\"false\"/>"                                \
    "<p:SessionId s:mustUnderstand=\"false\">uuid:1</p:SessionId>"                                 \
    "<p:OperationID s:mustUnderstand=\"false\">uuid:2</p:OperationID>"                             \
    "<p:SequenceId s:mustUnderstand=\"false\">1</p:SequenceId><w:SelectorSet>" selectors           \
    "</w:SelectorSet><w:OptionSet xmlns:xsi=\"" NS_XSI                                             \
    "\">" options PS_OPTION("__MI_CallbackRegistration", "xs:int", "11") PS_OPTION(                \
        "wmiarray:__MI_OPERATIONOPTIONS_CHANNELVALUE", "xs:unsignedInt",                           \
        "0") PS_OPTION("wmiarray:__MI_OPERATIONOPTIONS_CHANNELVALUE", "xs:unsignedInt", "1")       \
        PS_OPTION("wmi:__MI_OPERATIONOPTIONS_WRITEERRORMODE", "xs:unsignedInt", "1") PS_OPTION(    \
            "msftwinrm:UsePreciseArrays", "xs:boolean",                                            \
            "true") "</w:OptionSet>"                                                               \
                    "<w:OperationTimeout>PT60.000S</w:OperationTimeout></s:Header><s:Body>" body   \
                    "</s:Body></s:Envelope>"
#define PS_LIST(more)                                                                              \
    "<n:Enumerate><w:OptimizeEnumeration/><w:MaxElements>32000</w:MaxElements>" more               \
    "</n:Enumerate>"

static void test_powershell(void **state)
{
    struct fixture f = {0};
    /* Get-CimInstance -ClassName */
    ask(&f, PS(ENUM "Enumerate", CIM_URI "Msvm_ComputerSystem", IN_NS, "",
               PS_LIST("<w:EnumerationMode>EnumerateObjectAndEPR</w:EnumerationMode>")));
    expect_ok(&f);
    expect(&f, "count(//w:Items/w:Item/cimvm:Msvm_ComputerSystem)", "1");
    expect(&f, "count(//w:Items/w:Item/a:EndpointReference)", "1");
    expect(&f, "count(//w:EndOfSequence)", "1");
    /* Get-CimAssociatedInstance */
    ask(&f, PS(ENUM "Enumerate", "http://schemas.dmtf.org/wbem/wscim/1/*", IN_NS, "",
               PS_LIST("<w:Filter Dialect=\"http://schemas.dmtf.org/wbem/wsman/1/cimbinding/"
                       "associationFilter\"><b:AssociatedInstances><b:Object>" EPR
                       "</b:Object></b:AssociatedInstances></w:Filter>")));
    expect_ok(&f);
    expect(&f, "count(//w:Items/*)", "1");
    /* Get-CimClass */
    ask(&f, PS(ENUM "Enumerate", URI_CLASSES "*", IN_NS SEL("ClassName", "Msvm_ReplicationService"),
               PS_OPTION("IncludeInheritanceHierarchy", "xs:boolean", "true")
                   PS_OPTION("IncludeInheritedElements", "xs:boolean", "true")
                       PS_OPTION("IncludeQualifiers", "xs:boolean", "true"),
               PS_LIST("")));
    expect_ok(&f);
    expect(&f, "count(//w:Items/CLASS[@NAME='Msvm_ReplicationService']/METHOD) > 5", "true");
    /* Invoke-CimMethod: types are said, and what has no value is nil */
    ask(&f,
        PS(SERVICE "/Resynchronize", SERVICE,
           SEL("SystemCreationClassName", "Msvm_ComputerSystem") SEL("SystemName", "host")
               SEL("CreationClassName", "Msvm_ReplicationService") SEL("Name", "replicasvc"),
           "",
           "<p:Resynchronize_INPUT xmlns:p=\"" SERVICE "\" xmlns:xsi=\"" NS_XSI
           "\" xmlns:cim=\"" NS_CIM "\"><p:ComputerSystem>" EPR "</p:ComputerSystem><p:StartTime "
           "xsi:type=\"cim:cimDateTime\"><cim:CIM_DateTime>20301121020000.000000+000"
           "</cim:CIM_DateTime></p:StartTime></p:Resynchronize_INPUT>"));
    expect_ok(&f);
    assert_string_equal(f.ref_name, VM_ID);
    assert_string_equal(f.text, "20301121020000.000000+000");
    fixture_deinit(&f);
}

/* --- npm for Intel AMT: no prefix for SOAP, a relative To, numbers as ids, MaxCharacters --- */

#define NPM(action, uri, id, body)                                                                 \
    "<?xml version=\"1.0\" encoding=\"utf-8\"?><Envelope xmlns:xsi=\"" NS_XSI "\" xmlns:a=\"" NS_A \
    "\" xmlns:w=\"" NS_W "\" xmlns=\"" NS_S "\"><Header><a:Action>" action                         \
    "</a:Action><a:To>/wsman</a:To><w:ResourceURI>" uri "</w:ResourceURI><a:MessageID>" id         \
    "</a:MessageID><a:ReplyTo><a:Address>" ANON                                                    \
    "</a:Address></a:ReplyTo><w:OperationTimeout>PT60S</w:OperationTimeout></Header><Body>" body   \
    "</Body></Envelope>"

static void test_npm(void **state)
{
    struct fixture f = {.copies = 3};
    char pull[4096];
    ask(&f, NPM(ENUM "Enumerate", WMI_URI "Msvm_ComputerSystem", "0",
                "<Enumerate xmlns=\"" NS_N "\"/>"));
    expect_ok(&f);
    expect(&f, "string(//a:RelatesTo)", "0");
    snprintf(pull, sizeof pull,
             NPM(ENUM "Pull", WMI_URI "Msvm_ComputerSystem", "1",
                 "<Pull xmlns=\"" NS_N "\"><EnumerationContext>%s</EnumerationContext>"
                 "<MaxElements>999</MaxElements><MaxCharacters>99999</MaxCharacters></Pull>"),
             find(&f, "string(//n:EnumerationContext)"));
    ask(&f, pull);
    expect_ok(&f);
    expect(&f, "string(//a:RelatesTo)", "1");
    expect(&f, "count(//n:Items/*)", "3");
    fixture_deinit(&f);
}

/* --- openwsman's wsman: its own prefixes, everything must be understood, no other header --- */

#define WSMANCLI(action, uri, body)                                                                \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?><s:Envelope xmlns:s=\"" NS_S "\" xmlns:wsa=\"" NS_A \
    "\" xmlns:wsman=\"" NS_W "\" xmlns:wsen=\"" NS_N "\"><s:Header><wsa:Action "                   \
    "s:mustUnderstand=\"true\">" action "</wsa:Action><wsa:To s:mustUnderstand=\"true\">"          \
    "http://192.0.2.7:5985/wsman</wsa:To><wsman:ResourceURI s:mustUnderstand=\"true\">" uri        \
    "</wsman:ResourceURI><wsa:MessageID s:mustUnderstand=\"true\">uuid:a-1</wsa:MessageID>"        \
    "<wsa:ReplyTo><wsa:Address>" ANON                                                              \
    "</wsa:Address></wsa:ReplyTo><wsman:SelectorSet><wsman:Selector Name=\"Name\">" VM_ID          \
    "</wsman:Selector></wsman:SelectorSet></s:Header><s:Body>" body "</s:Body></s:Envelope>"

static void test_wsmancli(void **state)
{
    struct fixture f = {0};
    ask(&f, WSMANCLI(TRANSFER "Get", WMI_URI "Msvm_ComputerSystem", ""));
    expect_ok(&f);
    expect(&f, "string(//wmivm:Name)", VM_ID);
    ask(&f, WSMANCLI(ENUM "Enumerate", WMI_URI "Msvm_ComputerSystem",
                     "<wsen:Enumerate><wsman:OptimizeEnumeration/><wsman:MaxElements>20"
                     "</wsman:MaxElements><wsman:EnumerationMode>EnumerateEPR"
                     "</wsman:EnumerationMode></wsen:Enumerate>"));
    expect_ok(&f);
    expect(&f, "count(//w:Items/a:EndpointReference)", "1");
    fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_omicli),     T(test_omicli_invoke), T(test_go_wsman), T(test_go_wsman_invoke),
        T(test_powershell), T(test_npm),           T(test_wsmancli)};
    return cmocka_run_group_tests(tests, load_schema, free_schema);
}
