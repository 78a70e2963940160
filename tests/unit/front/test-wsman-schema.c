/* SPDX-License-Identifier: Apache-2.0 */
/* Classes over WS-Management: what Get-CimClass asks for. */
#include "util/num.h"
#include "wsman_fake.h"

#define CLASS_URI "http://schemas.dmtf.org/wbem/cim-xml/2/cim-schema/2/"
#define CLASS_NAME(name) SET(IN_NS SEL("ClassName", name))
#define OPTION(name, value) "<w:Option Name=\"" name "\" Type=\"xs:boolean\">" value "</w:Option>"
#define GET_CLASS(options)                                                                         \
    REQUEST(TRANSFER "Get", CLASS_URI "*",                                                         \
            CLASS_NAME("msvm_replicationservice") "<w:OptionSet>" options "</w:OptionSet>", "")
#define CLASS "/s:Envelope/s:Body/CLASS[@NAME='Msvm_ReplicationService']"

static void test_get_class(void **state)
{
    struct fixture f = {0};
    ask(&f, REQUEST(TRANSFER "Get", CLASS_URI "*", CLASS_NAME("msvm_replicationservice"), ""));
    expect_ok(&f);
    expect(&f, "string(/s:Envelope/s:Header/a:Action)", TRANSFER "GetResponse");
    expect(&f, "string(" CLASS "/@SUPERCLASS)", "CIM_Service");
    expect(&f, "string(" CLASS "/PROPERTY[@NAME='Name']/@TYPE)", "string");
    expect(&f, "string(" CLASS "/PROPERTY[@NAME='Name']/QUALIFIER[@NAME='Key']/VALUE)", "TRUE");
    expect(&f,
           "string(" CLASS
           "/METHOD[@NAME='Resynchronize']/PARAMETER.REFERENCE[@NAME='ComputerSystem']/"
           "@REFERENCECLASS)",
           "CIM_ComputerSystem");
    expect(&f, "count(" CLASS "/PROPERTY[@CLASSORIGIN])", "0");
    /* the class in the URI says the same; so do both */
    ask(&f, REQUEST(TRANSFER "Get", CLASS_URI "Msvm_ReplicationService", SET(IN_NS), ""));
    expect(&f, "count(" CLASS ")", "1");
    ask(&f, REQUEST(TRANSFER "Get", CLASS_URI "Msvm_ReplicationService",
                    CLASS_NAME("Msvm_ReplicationService"), ""));
    expect(&f, "count(" CLASS ")", "1");
    fixture_deinit(&f);
}

static void test_class_options(void **state)
{
    static const struct {
        const char *envelope, *expression, *wanted;
    } rows[] = {
        {GET_CLASS(OPTION("IncludeQualifiers", "false")), "count(//QUALIFIER)", "0"},
        {GET_CLASS(OPTION("IncludeQualifiers", "true")), "count(//QUALIFIER) > 10", "true"},
        {GET_CLASS(OPTION("IncludeInheritedElements", "false")), "count(//*[@PROPAGATED='true'])",
         "0"},
        {GET_CLASS(OPTION("IncludeInheritedElements", "1")),
         "count(" CLASS "/PROPERTY[@NAME='Name' and @PROPAGATED='true'])", "1"},
        {GET_CLASS(OPTION("IncludeClassOrigin", "true")),
         "string(" CLASS "/PROPERTY[@NAME='Name']/@CLASSORIGIN)", "CIM_ManagedSystemElement"},
        /* as PowerShell asks: one name several times, types of its own */
        {GET_CLASS(OPTION("IncludeInheritanceHierarchy", "true") OPTION("IncludeInheritedElements",
                                                                        "true")
                       OPTION("IncludeQualifiers", "true") OPTION("__MI_CallbackRegistration", "11")
                           OPTION("wmiarray:__MI_OPERATIONOPTIONS_CHANNELVALUE", "0")
                               OPTION("wmiarray:__MI_OPERATIONOPTIONS_CHANNELVALUE", "1")
                                   OPTION("msftwinrm:UsePreciseArrays", "true")),
         "count(" CLASS ")", "1"},
    };
    struct fixture f = {0};
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        ask(&f, rows[i].envelope);
        expect_ok(&f);
        expect(&f, rows[i].expression, rows[i].wanted);
    }
    fixture_deinit(&f);
}

static char *pulled(struct fixture *f, const char *context)
{
    char envelope[4096];
    snprintf(envelope, sizeof envelope,
             REQUEST(ENUM "Pull", CLASS_URI "*", "%s",
                     "<n:Pull><n:EnumerationContext>%s</n:EnumerationContext>"
                     "<n:MaxElements>1000</n:MaxElements></n:Pull>"),
             "", context);
    ask(f, envelope);
    expect_ok(f);
    return find(f, "count(//n:Items/CLASS)");
}

static void test_enumerate_classes(void **state)
{
#define LIST(selectors)                                                                            \
    REQUEST(ENUM "Enumerate", CLASS_URI "*", SET(IN_NS selectors),                                 \
            "<n:Enumerate><w:OptimizeEnumeration/><w:MaxElements>32000</w:MaxElements>"            \
            "</n:Enumerate>")
    struct fixture f = {0};
    ask(&f, LIST(SEL("ClassName", "CIM_Service")));
    expect_ok(&f);
    expect(&f, "count(//w:Items/CLASS[@NAME='CIM_Service'])", "1");
    expect(&f, "count(//w:Items/CLASS[@NAME='Msvm_ReplicationService'])", "1");
    expect(&f, "count(//w:Items/CLASS[@NAME='Msvm_ComputerSystem'])", "0");
    expect(&f, "count(//w:EndOfSequence)", "1");
    /* all of them, as many as there is room for */
    ask(&f, LIST(""));
    expect_ok(&f);
    long first = strtol(find(&f, "count(//w:Items/CLASS)"), NULL, 10);
    char *id = strdup(find(&f, "string(//n:EnumerationContext)"));
    long more = *id ? strtol(pulled(&f, id), NULL, 10) : 0;
    assert_true(first > 1 && first + more > 30);
    free(id);
    fixture_deinit(&f);
}

static void test_classes_refused(void **state)
{
    static const struct {
        const char *envelope, *code, *detail;
    } rows[] = {
        {REQUEST(TRANSFER "Get", CLASS_URI "*", SET(IN_NS), ""), "w:InvalidSelectors",
         "InsufficientSelectors"},
        {REQUEST(TRANSFER "Get", CLASS_URI "*", CLASS_NAME("Msvm_Nothing"), ""),
         "a:DestinationUnreachable", ""},
        {REQUEST(TRANSFER "Get", CLASS_URI "*", SET(SEL("ClassName", "Msvm_ComputerSystem")), ""),
         "a:DestinationUnreachable", "InvalidNamespace"}, /* root/cimv2 without __cimnamespace */
        {REQUEST(TRANSFER "Get", CLASS_URI "*", SET(IN_NS VM_KEYS), ""), "w:InvalidSelectors",
         "UnexpectedSelectors"},
        {REQUEST(TRANSFER "Get", CLASS_URI "Msvm_ComputerSystem", CLASS_NAME("CIM_Service"), ""),
         "w:InvalidSelectors", "UnexpectedSelectors"},
        {REQUEST(TRANSFER "Get", CLASS_URI "a/b", SET(IN_NS), ""), "a:DestinationUnreachable",
         "InvalidResourceURI"},
        {GET_CLASS(OPTION("IncludeQualifiers", "perhaps")), "w:InvalidOptions", "InvalidValues"},
        {GET_CLASS("<w:Option Name=\"Colour\" MustComply=\"true\">blue</w:Option>"),
         "w:InvalidOptions", "NotSupported"},
        {REQUEST(TRANSFER "Delete", CLASS_URI "*", CLASS_NAME("CIM_Service"), ""),
         "a:ActionNotSupported", ""},
        {REQUEST(CLASS_URI "Msvm_ReplicationService/Resynchronize",
                 CLASS_URI "Msvm_ReplicationService", SET(IN_NS), ""),
         "a:ActionNotSupported", ""},
        {REQUEST(ENUM "Enumerate", CLASS_URI "*", CLASS_NAME("Msvm_Nothing"), "<n:Enumerate/>"),
         "a:DestinationUnreachable", ""},
        {REQUEST(ENUM "Enumerate", CLASS_URI "*", SET(IN_NS),
                 "<n:Enumerate><w:EnumerationMode>EnumerateEPR</w:EnumerationMode></n:Enumerate>"),
         "w:UnsupportedFeature", "EnumerationMode"},
        {REQUEST(ENUM "Enumerate", CLASS_URI "*", SET(IN_NS),
                 "<n:Enumerate><w:Filter "
                 "Dialect=\"http://schemas.microsoft.com/wbem/wsman/1/WQL\">SELECT * FROM "
                 "CIM_Service</w:Filter></n:Enumerate>"),
         "n:CannotProcessFilter", ""},
    };
    struct fixture f = {0};
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        ask(&f, rows[i].envelope);
        expect_fault(&f, rows[i].code, rows[i].detail);
        assert_int_equal(f.invoked, 0);
    }
    fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_get_class), T(test_class_options),
                                       T(test_enumerate_classes), T(test_classes_refused)};
    return cmocka_run_group_tests(tests, load_schema, free_schema);
}
