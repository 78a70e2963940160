/* SPDX-License-Identifier: Apache-2.0 */
/* Enumerate, Pull, Release: modes, filters, bounds, and whose an enumeration is. */
#include "util/num.h"
#include "wsman_fake.h"

#define VM_URI WMI_URI "Msvm_ComputerSystem"
#define WQL(query)                                                                                 \
    "<w:Filter Dialect=\"http://schemas.microsoft.com/wbem/wsman/1/WQL\">" query "</w:Filter>"
#define CQL(query)                                                                                 \
    "<w:Filter Dialect=\"http://schemas.dmtf.org/wbem/cql/1/dsp0202.pdf\">" query "</w:Filter>"
#define OPTIMIZE(max) "<w:OptimizeEnumeration/><w:MaxElements>" max "</w:MaxElements>"
#define CONTEXT "string(//n:EnumerationContext)"

/* Pull or Release of a context; more: in its body */
static void go_on(struct fixture *f, const char *what, const char *context, const char *more)
{
    char envelope[4096];
    snprintf(envelope, sizeof envelope,
             REQUEST(ENUM "%s", VM_URI, "%s",
                     "<n:%s><n:EnumerationContext>%s</n:EnumerationContext>%s</n:%s>"),
             what, "", what, context, more, what);
    ask(f, envelope);
}

static char *context_of(struct fixture *f)
{
    char *id = strdup(find(f, CONTEXT));
    assert_non_null(id);
    return id;
}

/* As libvirt: a query, then one object a Pull. */
static void test_one_by_one(void **state)
{
    struct fixture f = {.copies = 3};
    ask(&f,
        ENUMERATE(WMI_URI "*", WQL("SELECT * FROM Msvm_ComputerSystem WHERE Name != __SERVER")));
    expect_ok(&f);
    expect(&f, "string(/s:Envelope/s:Header/a:Action)", ENUM "EnumerateResponse");
    expect(&f, "count(//w:Items)", "0");
    char *id = context_of(&f);
    assert_int_equal(strncmp(id, "uuid:", 5), 0);
    for (int i = 0; i < 3; i++) {
        go_on(&f, "Pull", id, "");
        expect_ok(&f);
        expect(&f, "string(/s:Envelope/s:Header/a:Action)", ENUM "PullResponse");
        expect(&f, "count(/s:Envelope/s:Body/n:PullResponse/n:Items/wmivm:Msvm_ComputerSystem)",
               "1");
        expect(&f, "string(//wmivm:Name)", VM_ID);
        expect(&f, "count(//n:EndOfSequence)", i == 2 ? "1" : "0");
        expect(&f, CONTEXT, i == 2 ? "" : id);
    }
    go_on(&f, "Pull", id, "");
    expect_fault(&f, "n:InvalidEnumerationContext", "");
    free(id);
    ask(&f, ENUMERATE(WMI_URI "*", WQL("SELECT * FROM Msvm_ComputerSystem WHERE Name = 'x'")));
    id = context_of(&f);
    go_on(&f, "Pull", id, "");
    expect_ok(&f);
    expect(&f, "count(//n:Items)", "1"); /* there, and empty */
    expect(&f, "count(//n:Items/*)", "0");
    expect(&f, "count(//n:EndOfSequence)", "1");
    free(id);
    fixture_deinit(&f);
}

static void test_optimised(void **state)
{
    struct fixture f = {.copies = 3};
    ask(&f, ENUMERATE(VM_URI, OPTIMIZE("1000")));
    expect_ok(&f);
    expect(&f, "count(//n:EnumerateResponse/w:Items/wmivm:Msvm_ComputerSystem)", "3");
    expect(&f, "count(//n:EnumerateResponse/w:EndOfSequence)", "1");
    expect(&f, CONTEXT, "");
    expect(&f, "count(//n:EnumerationContext)", "1");
    ask(&f, ENUMERATE(VM_URI, OPTIMIZE("2")));
    expect(&f, "count(//w:Items/*)", "2");
    expect(&f, "count(//w:EndOfSequence)", "0");
    char *id = context_of(&f);
    go_on(&f, "Pull", id, "<n:MaxElements>10</n:MaxElements>");
    expect(&f, "count(//n:Items/*)", "1");
    expect(&f, "count(//n:EndOfSequence)", "1");
    free(id);
    ask(&f, ENUMERATE(VM_URI, "<w:OptimizeEnumeration/>"));
    expect(&f, "count(//w:Items/*)", "1");
    ask(&f,
        REQUEST(ENUM "Enumerate", VM_URI, "<w:RequestTotalItemsCountEstimate/>", "<n:Enumerate/>"));
    expect(&f, "string(/s:Envelope/s:Header/w:TotalItemsCountEstimate)", "3");
    fixture_deinit(&f);
}

static void test_modes(void **state)
{
#define MODE(mode) "<w:EnumerationMode>" mode "</w:EnumerationMode>" OPTIMIZE("10")
    struct fixture f = {0};
    ask(&f, ENUMERATE(VM_URI, MODE("EnumerateEPR")));
    expect_ok(&f);
    expect(&f, "count(//w:Items/*)", "1");
    expect(&f, "string(//w:Items/a:EndpointReference/a:ReferenceParameters/w:ResourceURI)", VM_URI);
    expect(&f, "string(//w:SelectorSet/w:Selector[@Name='Name'])", VM_ID);
    expect(&f, "count(//w:Selector[@Name='__cimnamespace'])", "0");
    ask(&f, REQUEST(ENUM "Enumerate", CIM_URI "Msvm_ComputerSystem", SET(IN_NS),
                    "<n:Enumerate>" MODE("EnumerateObjectAndEPR") "</n:Enumerate>"));
    expect_ok(&f);
    expect(&f, "string(//w:Items/w:Item/cimvm:Msvm_ComputerSystem/cimvm:Name)", VM_ID);
    expect(&f, "string(//w:Item/a:EndpointReference//w:Selector[@Name='__cimnamespace'])",
           "root/virtualization/v2");
    ask(&f, ENUMERATE(VM_URI, MODE("EnumerateObject")));
    expect(&f, "count(//w:Items/wmivm:Msvm_ComputerSystem)", "1");
    /* a Pull names the class in its own way; the objects are as they were asked for */
    ask(&f, REQUEST(ENUM "Enumerate", CIM_URI "Msvm_ComputerSystem", SET(IN_NS), "<n:Enumerate/>"));
    char *id = context_of(&f);
    go_on(&f, "Pull", id, "");
    expect_ok(&f);
    expect(&f, "string(//n:Items/cimvm:Msvm_ComputerSystem/cimvm:Name)", VM_ID);
    free(id);
    ask(&f, ENUMERATE(VM_URI, MODE("EnumerateAll")));
    expect_fault(&f, "w:UnsupportedFeature", "EnumerationMode");
    fixture_deinit(&f);
}

static void test_classes_below(void **state)
{
#define POLY(mode) "<b:PolymorphismMode>" mode "</b:PolymorphismMode>" OPTIMIZE("10")
    struct fixture f = {0};
    ask(&f, ENUMERATE(WMI_URI "CIM_ComputerSystem", OPTIMIZE("10")));
    expect(&f, "count(//w:Items/wmivm:Msvm_ComputerSystem)", "1");
    ask(&f, ENUMERATE(WMI_URI "CIM_ComputerSystem", POLY("None")));
    expect_ok(&f);
    expect(&f, "count(//w:Items/*)", "0");
    expect(&f, "count(//w:EndOfSequence)", "1");
    ask(&f, ENUMERATE(WMI_URI "CIM_ComputerSystem", POLY("ExcludeSubClassProperties")));
    expect_fault(&f, "w:UnsupportedFeature", "PolymorphismModeNotSupported");
    fixture_deinit(&f);
}

static void test_filters(void **state)
{
#define ASSOC(kind, object)                                                                        \
    "<w:Filter "                                                                                   \
    "Dialect=\"http://schemas.dmtf.org/wbem/wsman/1/cimbinding/associationFilter\"><b:" kind       \
    ">" object "</b:" kind "></w:Filter>" OPTIMIZE("10")
#define SELECTOR_FILTER(selectors)                                                                 \
    "<w:Filter Dialect=\"http://schemas.dmtf.org/wbem/wsman/1/wsman/SelectorFilter\">" SET(        \
        selectors) "</w:Filter>" OPTIMIZE("10")
    struct fixture f = {0};
    ask(&f, ENUMERATE(WMI_URI "*",
                      WQL("SELECT Name, EnabledState FROM Msvm_ComputerSystem") OPTIMIZE("9")));
    expect(&f, "count(//wmivm:Msvm_ComputerSystem/*)", "2");
    ask(&f, ENUMERATE(VM_URI, SELECTOR_FILTER(SEL("enabledstate", "2"))));
    expect(&f, "count(//w:Items/*)", "1");
    ask(&f, ENUMERATE(VM_URI, SELECTOR_FILTER(SEL("EnabledState", "3"))));
    expect_ok(&f);
    expect(&f, "count(//w:Items/*)", "0");
    ask(&f, ENUMERATE(WMI_URI "*", ASSOC("AssociationInstances", "<b:Object>" EPR "</b:Object>")));
    expect_ok(&f);
    expect(&f, "count(//w:Items/*[local-name()='Msvm_ServiceAffectsElement'])", "1");
    /* its references are references */
    expect(&f,
           "string(//*[local-name()='AffectedElement']/a:ReferenceParameters/w:SelectorSet/"
           "w:Selector[@Name='Name'])",
           VM_ID);
    ask(&f, ENUMERATE(WMI_URI "*",
                      ASSOC("AssociatedInstances", "<b:Object>" EPR "</b:Object><b:ResultClassName>"
                                                   "Msvm_ReplicationService</b:ResultClassName>")));
    expect_ok(&f);
    expect(&f, "string(//svc:Msvm_ReplicationService/svc:Name)", "replicasvc");
    fixture_deinit(&f);
}

/* As wsl asks: on the URI of the class. */
static void test_cql(void **state)
{
    struct fixture f = {.copies = 2};
    ask(&f, ENUMERATE(VM_URI, CQL("select * from msvm_computersystem where Name = '" VM_ID
                                  "' and not EnabledState = 3") OPTIMIZE("10")));
    expect_ok(&f);
    expect(&f, "count(//w:Items/wmivm:Msvm_ComputerSystem)", "2");
    ask(&f, ENUMERATE(WMI_URI "*",
                      CQL("SELECT Name FROM Msvm_ComputerSystem WHERE Name = 'x'") OPTIMIZE("10")));
    expect_ok(&f);
    expect(&f, "count(//w:Items/*)", "0");
    static const char *const refused[] = {
        ENUMERATE(VM_URI, CQL("")),
        ENUMERATE(VM_URI, CQL("SELECT * FROM Msvm_ReplicationService")),
        ENUMERATE(VM_URI, CQL("SELECT * FROM Msvm_ComputerSystem WHERE Name LIKE 'a%'")),
        ENUMERATE(VM_URI, CQL("SELECT * FROM Msvm_ComputerSystem WHERE Name = 'a' OR NOT (Name = "
                              "'b' AND Name LIKE 'c')")),
        ENUMERATE(VM_URI, CQL("ASSOCIATORS OF {Msvm_ComputerSystem.Name=\"x\"}")),
    };
    for (size_t i = 0; i < VR_COUNT(refused); i++) {
        ask(&f, refused[i]);
        expect_fault(&f, "n:CannotProcessFilter", "");
    }
    fixture_deinit(&f);
}

/* Renew, GetStatus, and what Enumerate says of its Expires. */
static void test_lease(void **state)
{
    struct fixture f = {.copies = 2, .now_ms = 1000};
    ask(&f, ENUMERATE(VM_URI, ""));
    expect(&f, "count(//n:Expires)", "0");
    ask(&f, ENUMERATE(VM_URI, "<n:Expires>PT10S</n:Expires>"));
    expect(&f, "string(//n:EnumerateResponse/n:Expires)", "PT10S");
    char *id = context_of(&f);
    f.now_ms += 9000;
    go_on(&f, "Renew", id, "<n:Expires>PT1M</n:Expires>");
    expect_ok(&f);
    expect(&f, "string(/s:Envelope/s:Header/a:Action)", ENUM "RenewResponse");
    expect(&f, "string(//n:RenewResponse/n:Expires)", "PT60S");
    expect(&f, "string(//n:RenewResponse/n:EnumerationContext)", id);
    f.now_ms += 59000;
    go_on(&f, "GetStatus", id, "");
    expect_ok(&f);
    expect(&f, "string(/s:Envelope/s:Header/a:Action)", ENUM "GetStatusResponse");
    expect(&f, "string(//n:GetStatusResponse/n:Expires)", "PT60S");
    go_on(&f, "Renew", id, "<n:Expires>P1D</n:Expires>");
    expect(&f, "string(//n:Expires)", "PT3600S"); /* no longer than that */
    go_on(&f, "Renew", id, "");
    expect(&f, "string(//n:Expires)", "PT120S");
    go_on(&f, "Renew", id, "<n:Expires>2030-01-01T00:00:00Z</n:Expires>");
    expect_fault(&f, "n:UnsupportedExpirationType", "");
    go_on(&f, "Renew", id, "<n:Expires>PT0S</n:Expires>");
    expect_fault(&f, "n:InvalidExpirationTime", "");
    go_on(&f, "Pull", id, "<n:MaxTime>PT30S</n:MaxTime><n:MaxElements>10</n:MaxElements>");
    expect_ok(&f);
    go_on(&f, "GetStatus", id, "");
    expect_fault(&f, "n:InvalidEnumerationContext", "");
    go_on(&f, "Renew", id, "");
    expect_fault(&f, "n:InvalidEnumerationContext", "");
    free(id);
    fixture_deinit(&f);
}

static void test_refused(void **state)
{
    static const struct {
        const char *envelope, *code, *detail;
    } rows[] = {
        {ENUMERATE(WMI_URI "*", ""), "n:CannotProcessFilter", ""},
        {ENUMERATE(VM_URI, WQL("SELECT * FROM Msvm_ComputerSystem")), "n:CannotProcessFilter", ""},
        {ENUMERATE(WMI_URI "*", WQL("SELECT * FROM")), "n:CannotProcessFilter", ""},
        {ENUMERATE(WMI_URI "*", "<w:Filter Dialect=\"urn:cql\">x</w:Filter>"),
         "n:FilterDialectRequestedUnavailable", ""},
        {ENUMERATE(WMI_URI "*", "<w:Filter>x</w:Filter>"), "n:FilterDialectRequestedUnavailable",
         ""},
        {ENUMERATE(VM_URI, SELECTOR_FILTER(SEL("Colour", "2"))), "n:CannotProcessFilter", ""},
        {ENUMERATE(WMI_URI "*", ASSOC("AssociatedInstances", "")), "n:CannotProcessFilter", ""},
        {ENUMERATE(WMI_URI "*", ASSOC("Friends", "")), "n:CannotProcessFilter", ""},
        {ENUMERATE(WMI_URI "Msvm_Nothing", ""), "a:DestinationUnreachable", "InvalidResourceURI"},
        {ENUMERATE(CIM_URI "Msvm_ComputerSystem", ""), "a:DestinationUnreachable",
         "InvalidNamespace"},
        {ENUMERATE(VM_URI, "<w:OptimizeEnumeration/><w:MaxElements>0</w:MaxElements>"),
         "w:SchemaValidationError", ""},
        {ENUMERATE(VM_URI, "<n:Expires>2030-01-01T00:00:00Z</n:Expires>"),
         "n:UnsupportedExpirationType", ""},
        {ENUMERATE(VM_URI, "<n:Expires>PT0S</n:Expires>"), "n:InvalidExpirationTime", ""},
        {ENUMERATE(VM_URI, "<w:OptimizeEnumeration/><n:MaxTime>soon</n:MaxTime>"),
         "w:SchemaValidationError", ""},
        {REQUEST(ENUM "Enumerate", VM_URI, "", ""), "w:SchemaValidationError", ""},
        {REQUEST(ENUM "Renew", VM_URI, "", "<n:Renew/>"), "w:SchemaValidationError", ""},
        {REQUEST(ENUM "GetStatus", VM_URI, "", "<n:Renew/>"), "w:SchemaValidationError", ""},
        {REQUEST(ENUM "Pull", VM_URI, "", "<n:Pull/>"), "w:SchemaValidationError", ""},
        {REQUEST(ENUM "Pull", VM_URI, "",
                 "<n:Pull><n:EnumerationContext>uuid:0</n:EnumerationContext></n:Pull>"),
         "n:InvalidEnumerationContext", ""},
    };
    struct fixture f = {0};
    for (unsigned round = 0; round < 20; round++) { /* and none of them stays open */
        for (size_t i = 0; i < VR_COUNT(rows); i++) {
            ask(&f, rows[i].envelope);
            expect_fault(&f, rows[i].code, rows[i].detail);
        }
    }
    fixture_deinit(&f);
}

/* It is one user's, ends when released, left alone or open too often. */
static void test_whose(void **state)
{
    struct fixture f = {.copies = 2, .now_ms = 1000};
    ask(&f, ENUMERATE(VM_URI, "<n:Expires>PT10S</n:Expires>"));
    char *id = context_of(&f);
    f.as_user = "eve";
    go_on(&f, "Pull", id, "");
    expect_fault(&f, "n:InvalidEnumerationContext", "");
    go_on(&f, "Release", id, "");
    expect_fault(&f, "n:InvalidEnumerationContext", "");
    f.as_user = NULL;
    go_on(&f, "Release", id, "");
    expect_ok(&f);
    expect(&f, "string(/s:Envelope/s:Header/a:Action)", ENUM "ReleaseResponse");
    go_on(&f, "Pull", id, "");
    expect_fault(&f, "n:InvalidEnumerationContext", "");
    free(id);
    ask(&f, ENUMERATE(VM_URI, "<n:Expires>PT10S</n:Expires>"));
    id = context_of(&f);
    f.now_ms += 10001;
    go_on(&f, "Pull", id, "");
    expect_fault(&f, "n:InvalidEnumerationContext", "");
    free(id);
    int left = 100;
    do {
        ask(&f, ENUMERATE(VM_URI, ""));
    } while (f.http == 200 && left--);
    expect_fault(&f, "w:QuotaLimit", "");
    fixture_deinit(&f);
}

/* No answer is larger than the client takes, and nothing is lost for it. */
static void test_sizes(void **state)
{
#define SMALL "<w:MaxEnvelopeSize s:mustUnderstand=\"true\">8192</w:MaxEnvelopeSize>"
    struct fixture f = {.copies = 9};
    unsigned seen = 0, answers = 1;
    ask(&f,
        REQUEST(ENUM "Enumerate", VM_URI, SMALL, "<n:Enumerate>" OPTIMIZE("100") "</n:Enumerate>"));
    expect_ok(&f);
    assert_true(strlen(f.body) <= 8192);
    seen += (unsigned)strtoul(find(&f, "count(//w:Items/*)"), NULL, 10);
    assert_true(seen > 0 && seen < 9);
    while (strcmp(find(&f, CONTEXT), "") != 0) {
        char envelope[4096];
        snprintf(envelope, sizeof envelope,
                 REQUEST(ENUM "Pull", VM_URI, SMALL,
                         "<n:Pull><n:EnumerationContext>%s</n:EnumerationContext>"
                         "<n:MaxElements>100</n:MaxElements></n:Pull>"),
                 find(&f, CONTEXT));
        ask(&f, envelope);
        expect_ok(&f);
        assert_true(strlen(f.body) <= 8192);
        seen += (unsigned)strtoul(find(&f, "count(//n:Items/*)"), NULL, 10);
        answers++;
    }
    assert_int_equal(seen, 9);
    assert_true(answers > 2);
    ask(&f, ENUMERATE(VM_URI, OPTIMIZE("5") "<n:MaxCharacters>10</n:MaxCharacters>"));
    expect_fault(&f, "w:EncodingLimit", "MaxEnvelopeSize");
    fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_one_by_one),    T(test_optimised), T(test_modes),
                                       T(test_classes_below), T(test_filters),   T(test_refused),
                                       T(test_whose),         T(test_sizes),     T(test_cql),
                                       T(test_lease)};
    return cmocka_run_group_tests(tests, load_schema, free_schema);
}
