/* SPDX-License-Identifier: Apache-2.0 */
/* Methods over WS-Management: every encoding of references, datetimes and instances that a client
 * was seen to send, and what comes back. */
#include "util/num.h"
#include "wsman_fake.h"

#define REF(inner) "<p:ComputerSystem>" inner "</p:ComputerSystem>"
#define TIME(inner) "<p:StartTime>" inner "</p:StartTime>"
#define NIL_TIME(attrs) "<p:StartTime " attrs "/>"

static void test_references(void **state)
{
    static const char *const forms[] = {
        CALL_WITH(REF(EPR)),
        CALL_WITH(REF("<a:EndpointReference>" EPR "</a:EndpointReference>")),
        /* omicli: an instance with its keys, and xsi is not what it should be */
        CALL_WITH("<p:ComputerSystem xmlns:xsi=\"http://www.w3.org/2001/XMLSchema\" "
                  "xmlns:p1=\"" CIM_URI "Msvm_ComputerSystem\" "
                  "xsi:type=\"p1:Msvm_ComputerSystem_Type\"><p1:CreationClassName>"
                  "Msvm_ComputerSystem</p1:CreationClassName><p1:Name>" VM_ID
                  "</p1:Name></p:ComputerSystem>"),
        CALL_WITH("<p:computersystem><p1:Name xmlns:p1=\"" WMI_URI "Msvm_ComputerSystem\">" VM_ID
                  "</p1:Name></p:computersystem>"),
        /* of the other family, with a namespace of its own, which does not count */
        CALL_WITH(REF("<a:Address>http://elsewhere/</a:Address><a:ReferenceParameters>"
                      "<w:ResourceURI>" CIM_URI "Msvm_ComputerSystem</w:ResourceURI>" SET(
                          IN_NS VM_KEYS) "</a:ReferenceParameters>")),
    };
    struct fixture f = {0};
    for (size_t i = 0; i < VR_COUNT(forms); i++) {
        ask(&f, forms[i]);
        expect_ok(&f);
        assert_int_equal(f.invoked, i + 1);
        assert_int_equal(f.nparams, 1);
        if (f.params[0].wrong_type || f.params[0].bad_value) {
            fail_msg("form %zu: %s", i, f.params[0].wrong_type ? "wrong type" : "bad value");
        }
        assert_string_equal(f.ref_class, "Msvm_ComputerSystem");
        assert_string_equal(f.ref_name, VM_ID);
        assert_false(f.ref_has_ns);
    }
    assert_string_equal(f.user, "anna");
    fixture_deinit(&f);
}

/* As libvirt reads it: by its very letters. */
static void test_output(void **state)
{
    struct fixture f = {0};
    ask(&f, CALL_WITH(REF(EPR)));
    expect_ok(&f);
    expect(&f, "string(/s:Envelope/s:Header/a:Action)", SERVICE "/ResynchronizeResponse");
    assert_non_null(strstr(f.body, "<p:Resynchronize_OUTPUT xmlns:p=\"" SERVICE "\">"));
    assert_non_null(strstr(f.body, "<p:ReturnValue>4096</p:ReturnValue>"));
    assert_non_null(strstr(f.body, "<p:Job><a:Address>" ANON "</a:Address>"
                                   "<a:ReferenceParameters><w:ResourceURI>" WMI_URI
                                   "Msvm_ConcreteJob</w:ResourceURI><w:SelectorSet>"
                                   "<w:Selector Name=\"InstanceID\">vmreplica:1</w:Selector>"));
    f.reason = "because";
    ask(&f, CALL_WITH(""));
    expect_ok(&f); /* what a method refuses is no fault */
    expect(&f, "string(//svc:Resynchronize_OUTPUT/svc:ReturnValue)", "32773");
    fixture_deinit(&f);
}

static void test_datetimes(void **state)
{
    static const struct {
        const char *envelope, *text; /* NULL: it is NULL */
        bool wrong;
    } rows[] = {
        {CALL_WITH(TIME("20261121020000.000000+000")), "20261121020000.000000+000", false},
        {CALL_WITH(TIME(" 20261121020000.000000+060\n")), "20261121020000.000000+060", false},
        {CALL_WITH(TIME("2026-11-21T02:00:00Z")), "20261121020000.000000+000", false},
        {CALL_WITH(TIME("2026-11-21T02:00:00")), "20261121020000.000000+000", false},
        {CALL_WITH(TIME("2026-11-21T02:00:00.25-05:30")), "20261121020000.250000-330", false},
        {CALL_WITH(TIME("<c:Datetime xmlns:c=\"urn:x\">2026-11-21T02:00:00Z</c:Datetime>")),
         "20261121020000.000000+000", false},
        {CALL_WITH(TIME("<c:CIM_DateTime xmlns:c=\"urn:x\">20261121020000.000000+000"
                        "</c:CIM_DateTime>")),
         "20261121020000.000000+000", false},
        {CALL_WITH(TIME("<c:Date xmlns:c=\"urn:x\">2026-11-21</c:Date>")),
         "20261121******.******+000", false},
        {CALL_WITH(TIME("<c:Time xmlns:c=\"urn:x\">02:00:00Z</c:Time>")),
         "00000000020000.000000+000", false},
        {CALL_WITH(TIME("<c:Interval xmlns:c=\"urn:x\">P0Y0M1DT2H3M4.5S</c:Interval>")),
         "00000001020304.500000:000", false},
        {CALL_WITH(TIME("PT90S")), "00000000000130.000000:000", false},
        {CALL_WITH(NIL_TIME("xsi:nil=\"true\"")), NULL, false},
        {CALL_WITH(NIL_TIME("xsi:nil=\"1\" xsi:type=\"x:whatever\"")), NULL, false},
        {CALL_WITH(NIL_TIME("xmlns:xsi=\"http://www.w3.org/2001/XMLSchema\" xsi:nil=\"true\"")),
         NULL, false},
        {CALL_WITH(NIL_TIME("")), NULL, false},
        {CALL_WITH(TIME("soon")), NULL, true},
        {CALL_WITH(TIME("P1M")), NULL, true},
        {CALL_WITH(TIME("PT")), NULL, true},
        {CALL_WITH(TIME("2026-13-41T02:00:00Z")), NULL, true},
        {CALL_WITH(TIME("<c:When xmlns:c=\"urn:x\">20261121020000.000000+000</c:When>")), NULL,
         true},
        {CALL_WITH(TIME("PT1S") TIME("PT2S")), NULL, true},
    };
    struct fixture f = {0};
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        ask(&f, rows[i].envelope);
        expect_ok(&f);
        assert_int_equal(f.nparams, 1);
        if (f.params[0].wrong_type != rows[i].wrong ||
            f.params[0].value.is_null != (rows[i].text == NULL) ||
            strcmp(f.text, rows[i].text ? rows[i].text : "") != 0) {
            fail_msg("row %zu: '%s', wrong %d, null %d", i, f.text, f.params[0].wrong_type,
                     f.params[0].value.is_null);
        }
    }
    fixture_deinit(&f);
}

/* What is no value of the parameter's type is left to the method, which has a code for it. */
static void test_wrong_types(void **state)
{
    static const char *const rows[] = {
        CALL_WITH(REF(VM_ID)),
        CALL_WITH(REF("<a:Address/>")),
        CALL_WITH(REF("<a:Address/><a:ReferenceParameters/>")),
        CALL_WITH(REF(EPR) REF(EPR)),
        CALL_WITH("<p:ComputerSystem xsi:type=\"p:Nothing_Type\"><p:Name>x</p:Name>"
                  "</p:ComputerSystem>"),
    };
    struct fixture f = {0};
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        ask(&f, rows[i]);
        expect_ok(&f);
        assert_int_equal(f.invoked, i + 1);
        assert_true(f.params[0].wrong_type || f.params[0].bad_value);
        assert_true(f.params[0].value.is_null);
    }
    fixture_deinit(&f);
}

static struct {
    unsigned calls, nulls, ndisks;
    uint64_t port;
    char host[64];
    bool bad;
} seen;

static void look(struct fixture *f, const struct cim_invoke *call)
{
    const struct cim_param *p = cim_invoke_param(call, "ReplicationSettingData");
    seen.calls++;
    seen.bad = p->wrong_type || p->bad_value;
    if (p->value.is_null) {
        return;
    }
    assert_int_equal(p->value.type, CIM_INSTANCE);
    const struct cim_instance *i = p->value.instance;
    const struct cim_value *host = cim_get(i, "RecoveryConnectionPoint");
    const struct cim_value *port = cim_get(i, "RecoveryServerPortNumber");
    const struct cim_value *disks = cim_get(i, "IncludedDisks");
    snprintf(seen.host, sizeof seen.host, "%s", host->is_null ? "" : host->str);
    seen.port = port->is_null ? 0 : port->u;
    seen.ndisks = disks->is_null ? 0 : disks->count;
    seen.nulls = 0;
    for (uint32_t k = 0; k < i->cls->nprops; k++) {
        seen.nulls += i->values[k].is_null;
    }
}

static void test_instances(void **state)
{
#define CREATE(attrs, data)                                                                        \
    REQUEST(SERVICE "/CreateReplicationRelationship", SERVICE,                                     \
            SET(SEL("SystemCreationClassName", "Msvm_ComputerSystem") SEL("SystemName", "host")    \
                    SEL("CreationClassName", "Msvm_ReplicationService")                            \
                        SEL("Name", "replicasvc")),                                                \
            "<p:CreateReplicationRelationship_INPUT xmlns:p=\"" SERVICE                            \
            "\">" REF(EPR) "<p:ReplicationSettingData " attrs ">" data                             \
                           "</p:ReplicationSettingData></p:CreateReplicationRelationship_INPUT>")
#define P1 "xmlns:q=\"" WMI_URI "Msvm_ReplicationSettingData\" "
#define DATA                                                                                       \
    "<q:RecoveryConnectionPoint>b.example</q:RecoveryConnectionPoint>"                             \
    "<q:AuthenticationType xsi:nil=\"true\"/><q:RecoveryServerPortNumber> 8650 "                   \
    "</q:RecoveryServerPortNumber><q:IncludedDisks>one</q:IncludedDisks>"                          \
    "<q:IncludedDisks>two</q:IncludedDisks>"
    static const char *const forms[] = {
        CREATE(P1 "xsi:type=\"q:Msvm_ReplicationSettingData_Type\"", DATA),
        CREATE(P1, DATA),
        CREATE("xmlns:q=\"urn:anything\"", DATA), /* the declared class */
        CREATE("", "&lt;INSTANCE CLASSNAME=\"Msvm_ReplicationSettingData\"&gt;&lt;PROPERTY "
                   "NAME=\"RecoveryConnectionPoint\" TYPE=\"string\"&gt;&lt;VALUE&gt;b.example"
                   "&lt;/VALUE&gt;&lt;/PROPERTY&gt;&lt;PROPERTY NAME=\"RecoveryServerPortNumber\" "
                   "TYPE=\"uint16\"&gt;&lt;VALUE&gt;8650&lt;/VALUE&gt;&lt;/PROPERTY&gt;"
                   "&lt;PROPERTY.ARRAY NAME=\"IncludedDisks\" TYPE=\"string\"&gt;&lt;VALUE.ARRAY"
                   "&gt;&lt;VALUE&gt;one&lt;/VALUE&gt;&lt;VALUE&gt;two&lt;/VALUE&gt;"
                   "&lt;/VALUE.ARRAY&gt;&lt;/PROPERTY.ARRAY&gt;&lt;/INSTANCE&gt;"),
    };
    static const char *const bad[] = {
        CREATE(P1, "<q:Colour>blue</q:Colour>"),
        CREATE(P1, "<q:RecoveryServerPortNumber>many</q:RecoveryServerPortNumber>"),
        CREATE(P1, "<q:RecoveryServerPortNumber>70000</q:RecoveryServerPortNumber>"),
        CREATE("", "not an instance"),
        CREATE("xsi:type=\"x:Msvm_Nothing_Type\"", "<x:a xmlns:x=\"urn:x\"/>"),
    };
    struct fixture f = {.look = look};
    for (size_t i = 0; i < VR_COUNT(forms); i++) {
        memset(&seen, 0, sizeof seen);
        ask(&f, forms[i]);
        expect_ok(&f);
        const struct cim_class *cls =
            cim_schema_class(f.broker.schema, "Msvm_ReplicationSettingData");
        if (seen.bad || strcmp(seen.host, "b.example") != 0 || seen.port != 8650 ||
            seen.ndisks != 2 || seen.nulls != cls->nprops - 3) {
            fail_msg("form %zu: bad %d, '%s', %u nulls", i, seen.bad, seen.host, seen.nulls);
        }
    }
    for (size_t i = 0; i < VR_COUNT(bad); i++) {
        memset(&seen, 0, sizeof seen);
        ask(&f, bad[i]);
        expect_ok(&f);
        assert_int_equal(seen.calls, 1);
        if (!seen.bad) {
            fail_msg("bad %zu was taken", i);
        }
    }
    fixture_deinit(&f);
}

/* An array without a value, in the two ways to say it, and one of an empty text. */
static void test_null_arrays(void **state)
{
#define DISKS(attrs, text)                                                                         \
    CREATE(P1, "<q:RecoveryServerPortNumber>1</q:RecoveryServerPortNumber><q:IncludedDisks " attrs \
               ">" text "</q:IncludedDisks>")
    static const struct {
        const char *envelope;
        unsigned ndisks;
    } rows[] = {
        {DISKS("xsi:nil=\"true\"", ""), 0},
        {DISKS("xmlns:m=\"http://schemas.microsoft.com/wbem/wsman/1/windows\" "
               "m:IsNullArray=\"true\"",
               ""),
         0},
        {DISKS("", ""), 1},
        {DISKS("", "one"), 1},
    };
    struct fixture f = {.look = look};
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        memset(&seen, 0, sizeof seen);
        ask(&f, rows[i].envelope);
        expect_ok(&f);
        assert_false(seen.bad);
        assert_int_equal(seen.ndisks, rows[i].ndisks);
    }
    fixture_deinit(&f);
}

static void test_refused(void **state)
{
#define VM_CALL(method, selectors, body)                                                           \
    REQUEST(WMI_URI "Msvm_ComputerSystem/" method, WMI_URI "Msvm_ComputerSystem", SET(selectors),  \
            body)
#define CHANGE                                                                                     \
    "<p:RequestStateChange_INPUT xmlns:p=\"" WMI_URI "Msvm_ComputerSystem\">"                      \
    "<p:RequestedState>2</p:RequestedState></p:RequestStateChange_INPUT>"
    static const struct {
        const char *envelope, *code, *detail;
    } rows[] = {
        {VM_CALL("Explode", VM_KEYS, ""), "a:ActionNotSupported", ""},
        {VM_CALL("RequestStateChange", VM_KEYS, "<p:Other_INPUT xmlns:p=\"urn:x\"/>"),
         "w:SchemaValidationError", ""},
        {VM_CALL("RequestStateChange", VM_KEYS, CHANGE CHANGE), "w:SchemaValidationError", ""},
        {VM_CALL("RequestStateChange", "", CHANGE), "w:InvalidSelectors", "InsufficientSelectors"},
        {VM_CALL("RequestStateChange", SEL("Name", "nobody"), CHANGE), "a:DestinationUnreachable",
         ""},
        {CALL_WITH("<p:Colour>blue</p:Colour>"), "w:InvalidParameter", "InvalidName"},
        {CALL_WITH("<p:Job>out only</p:Job>"), "w:InvalidParameter", "InvalidName"},
        {REQUEST(WMI_URI "Msvm_Nothing/Run", WMI_URI "Msvm_Nothing", SET(VM_KEYS), ""),
         "a:DestinationUnreachable", "InvalidResourceURI"},
    };
    struct fixture f = {0};
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        ask(&f, rows[i].envelope);
        expect_fault(&f, rows[i].code, rows[i].detail);
        assert_int_equal(f.invoked, 0);
    }
    ask(&f, VM_CALL("RequestStateChange", SEL("Name", VM_ID), CHANGE)); /* one key is enough */
    expect_ok(&f);
    assert_int_equal(f.invoked, 1);
    assert_int_equal(f.params[0].value.u, 2);
    fixture_deinit(&f);
}

/* The answer may come long after the request's bytes are gone. */
static void test_later(void **state)
{
    struct fixture f = {.later = true};
    char *copy = strdup(CALL_WITH(REF(EPR)));
    ask(&f, copy);
    memset(copy, 'x', strlen(copy));
    free(copy);
    assert_int_equal(f.answered, 0);
    reply(f.done, f.done_ctx);
    assert_int_equal(f.answered, 1);
    expect_ok(&f);
    expect(&f, "string(/s:Envelope/s:Header/a:RelatesTo)", "uuid:AbC-1&2");
    expect(&f, "string(//svc:ReturnValue)", "4096");
    fixture_deinit(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_references),  T(test_output),    T(test_datetimes),
                                       T(test_wrong_types), T(test_instances), T(test_null_arrays),
                                       T(test_refused),     T(test_later)};
    return cmocka_run_group_tests(tests, load_schema, free_schema);
}
