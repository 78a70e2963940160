/* SPDX-License-Identifier: Apache-2.0 */
/* WS-Management: envelopes and Get, as clients were seen to send them and as DSP0226 and DSP0227
 * ask for them. */
#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "front/wsman/internal.h"
#include "util/num.h"
#include "wsman_fake.h"

/* --- envelopes --- */

static void test_identify(void **state)
{
    static const char *const forms[] = {
        "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" "
        "xmlns:i=\"http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd\">"
        "<s:Header/><s:Body><i:Identify/></s:Body></s:Envelope>",
        "<Envelope xmlns=\"http://www.w3.org/2003/05/soap-envelope\"><Body><Identify "
        "xmlns=\"http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd\"/></Body>"
        "</Envelope>",
    };
    struct fixture f = {0};
    for (size_t i = 0; i < VR_COUNT(forms); i++) {
        ask(&f, forms[i]);
        expect_ok(&f);
        expect(&f, "string(/s:Envelope/s:Body/id:IdentifyResponse/id:ProtocolVersion)",
               "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd");
        expect(&f, "string(//id:ProductVendor)", "vmreplica");
        expect(&f, "starts-with(//id:ProductVersion, 'OS: 0.0.0 ')", "true");
    }
    fixture_deinit(&f);
}

static void test_bad_envelopes(void **state)
{
    static const struct {
        const char *envelope, *code, *detail;
    } rows[] = {
        {"", "w:SchemaValidationError", ""},
        {"<s:Envelope", "w:SchemaValidationError", ""},
        {"<!DOCTYPE x><x/>", "w:SchemaValidationError", ""},
        {"<x/>", "w:SchemaValidationError", ""},
        {"<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body/></s:Envelope>",
         "s:VersionMismatch", ""},
        {"<s:Envelope " ENVELOPE_NS "><s:Header/></s:Envelope>", "w:SchemaValidationError", ""},
        {ENVELOPE("", ""), "a:MessageInformationHeaderRequired", ""},
        {ENVELOPE(ID_HEADER TO REPLY, ""), "a:MessageInformationHeaderRequired", ""},
        {ENVELOPE(ID_HEADER TO REPLY "<a:Action>" TRANSFER "Get</a:Action>", ""),
         "a:DestinationUnreachable", "InvalidResourceURI"},
        {REQUEST(TRANSFER "Get", WMI_URI "Msvm_ComputerSystem", ID_HEADER, ""),
         "a:InvalidMessageInformationHeader", ""},
        {REQUEST(TRANSFER "Get", WMI_URI "Msvm_ComputerSystem",
                 "<x:Strange xmlns:x=\"urn:x\" s:mustUnderstand=\"true\"/>", ""),
         "s:MustUnderstand", ""},
        {REQUEST(TRANSFER "Get", WMI_URI "Msvm_ComputerSystem",
                 "<a:FaultTo><a:Address>http://10.0.0.1/</a:Address></a:FaultTo>", ""),
         "w:UnsupportedFeature", "AddressingMode"},
        {REQUEST(TRANSFER "Get", WMI_URI "Msvm_ComputerSystem",
                 "<w:MaxEnvelopeSize>8191</w:MaxEnvelopeSize>", ""),
         "w:EncodingLimit", "MinimumEnvelopeLimit"},
        {REQUEST(TRANSFER "Get", WMI_URI "Msvm_ComputerSystem",
                 "<w:MaxEnvelopeSize>big</w:MaxEnvelopeSize>", ""),
         "a:InvalidMessageInformationHeader", ""},
        {REQUEST(TRANSFER "Get", WMI_URI "Msvm_ComputerSystem",
                 "<w:OperationTimeout>soon</w:OperationTimeout>", ""),
         "a:InvalidMessageInformationHeader", ""},
        {REQUEST(TRANSFER "Get", WMI_URI "Msvm_ComputerSystem",
                 "<w:OptionSet><w:Option Name=\"o\" MustComply=\"true\"/></w:OptionSet>", ""),
         "w:InvalidOptions", "NotSupported"},
        {REQUEST(TRANSFER "Get", "http://example.org/other", "", ""), "a:DestinationUnreachable",
         "InvalidResourceURI"},
        {REQUEST(TRANSFER "Create", WMI_URI "Msvm_ComputerSystem", SET(VM_KEYS), ""),
         "a:ActionNotSupported", ""},
        {REQUEST(TRANSFER "Delete", WMI_URI "Msvm_ComputerSystem", SET(VM_KEYS), ""),
         "a:ActionNotSupported", ""},
    };
    struct fixture f = {0};
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        ask(&f, rows[i].envelope);
        expect_fault(&f, rows[i].code, rows[i].detail);
        assert_int_equal(f.invoked, 0);
    }
    expect(&f, "string(//a:RelatesTo)", "uuid:AbC-1&2");
    char text[WSMAN_TEXT_MAX + 2], envelope[WSMAN_TEXT_MAX + 1024];
    for (unsigned more = 0; more < 2; more++) { /* the longest id, and one that is longer */
        memset(text, 'i', sizeof text);
        text[WSMAN_TEXT_MAX + more] = '\0';
        snprintf(envelope, sizeof envelope,
                 ENVELOPE(TO REPLY "<a:MessageID>%s</a:MessageID><a:Action>x</a:Action>"
                                   "<w:ResourceURI>" WMI_URI "Msvm_ComputerSystem</w:ResourceURI>",
                          ""),
                 text);
        ask(&f, envelope);
        expect_fault(&f, more ? "a:InvalidMessageInformationHeader" : "a:ActionNotSupported", "");
    }
    fixture_deinit(&f);
}

/* Addresses in an envelope that the server might call: somebody listens at each, and hears nothing.
 */
static void test_calls_nobody(void **state)
{
    static const char *const forms[] = {
        TO "<a:ReplyTo><a:Address>%s</a:Address></a:ReplyTo>" ID_HEADER,
        TO REPLY "<a:FaultTo><a:Address>%s</a:Address></a:FaultTo>" ID_HEADER,
        TO REPLY "<a:From><a:Address>%s</a:Address></a:From>" ID_HEADER,
        "<a:To>%s</a:To>" REPLY ID_HEADER,
        TO REPLY ID_HEADER "<w:ResourceURI>%s</w:ResourceURI>",
    };
    static const char subscribe[] =
        "<e:Subscribe xmlns:e=\"http://schemas.xmlsoap.org/ws/2004/08/eventing\"><e:EndTo>"
        "<a:Address>%s</a:Address></e:EndTo><e:Delivery><e:NotifyTo><a:Address>%s</a:Address>"
        "</e:NotifyTo></e:Delivery></e:Subscribe>";
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, len), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    char url[64], text[4096];
    struct fixture f = {0};
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", ntohs(in.sin_port));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    for (size_t i = 0; i < VR_COUNT(forms); i++) {
        int n = snprintf(text, sizeof text, "<s:Envelope " ENVELOPE_NS "><s:Header>");
        n += snprintf(text + n, sizeof text - (size_t)n, forms[i], url);
        n +=
            snprintf(text + n, sizeof text - (size_t)n,
                     "<a:Action>http://schemas.xmlsoap.org/ws/2004/08/eventing/Subscribe</a:Action>"
                     "</s:Header><s:Body>");
        n += snprintf(text + n, sizeof text - (size_t)n, subscribe, url, url);
        snprintf(text + n, sizeof text - (size_t)n, "</s:Body></s:Envelope>");
        ask(&f, text);
        assert_true(f.http >= 400);
    }
#pragma GCC diagnostic pop
    snprintf(text, sizeof text,
             "<!DOCTYPE x SYSTEM \"%sx.dtd\" [<!ENTITY e SYSTEM \"%se\">]><x>&e;</x>", url, url);
    ask(&f, text);
    assert_true(f.http >= 400);
    assert_int_equal(accept(fd, NULL, NULL), -1);
    assert_int_equal(errno, EAGAIN);
    close(fd);
    fixture_deinit(&f);
}

/* What the scanner bounds (front/xml/limits.h), from within an envelope: at the limit it is
 * understood, one more is a fault that names the limit. */
static char *put_many(char *p, const char *text, size_t n)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < n; i++, p += len) {
        memcpy(p, text, len + 1);
    }
    return p;
}

static void expect_limit(struct fixture *f, const char *envelope, const char *word)
{
    ask(f, envelope);
    expect_fault(f, "w:SchemaValidationError", "");
    if (!strstr(find(f, "string(//s:Reason/s:Text)"), word)) {
        fail_msg("'%s' does not say %s", find(f, "string(//s:Reason/s:Text)"), word);
    }
}

static void test_scanner_limits(void **state)
{
#define BEFORE                                                                                     \
    "<s:Envelope " ENVELOPE_NS "><s:Header>" HEADERS(                                              \
        TRANSFER "Get", WMI_URI "Msvm_ComputerSystem", SET(VM_KEYS)) "</s:Header><s:Body>"
#define AFTER "</s:Body></s:Envelope>"
    static char text[FRONT_XML_MAX_BYTES + 4096];
    struct fixture f = {0};
    for (unsigned more = 0; more < 2; more++) { /* Envelope and Body are two */
        size_t deep = FRONT_XML_DEPTH_MAX - 2 + more;
        char *p = put_many(text, BEFORE, 1);
        p = put_many(p, "<x>", deep);
        p = put_many(p, "</x>", deep);
        put_many(p, AFTER, 1);
        if (more) {
            expect_limit(&f, text, "deep");
        } else {
            ask(&f, text);
            expect_ok(&f);
        }
    }
    for (unsigned more = 0; more < 2; more++) {
        char *p = put_many(text, BEFORE "<x", 1);
        for (unsigned i = 0; i < FRONT_XML_ATTRS_MAX + more; i++) {
            p += snprintf(p, 16, " a%u=\"\"", i);
        }
        put_many(p, "/>" AFTER, 1);
        if (more) {
            expect_limit(&f, text, "attributes");
        } else {
            ask(&f, text);
            expect_ok(&f);
        }
    }
    char *p = put_many(text, BEFORE "<x>", 1);
    p = put_many(p, "<y/>", FRONT_XML_ELEMENTS_MAX);
    put_many(p, "</x>" AFTER, 1);
    expect_limit(&f, text, "elements");
    p = put_many(text, BEFORE, 1);
    p = put_many(p, "          ", FRONT_XML_MAX_BYTES / 10);
    put_many(p, AFTER, 1);
    expect_limit(&f, text, "bytes");
    expect_limit(&f, "<!DOCTYPE s [<!ENTITY e 'x'>]>" BEFORE "&e;" AFTER, "DOCTYPE");
    expect_limit(&f, "<?xml version=\"1.0\" encoding=\"UTF-16\"?>" BEFORE AFTER, "UTF-8");
    expect_limit(&f, BEFORE "\xff" AFTER, "UTF-8");
    assert_int_equal(f.invoked, 0);
    fixture_deinit(&f);
}

/* --- Get --- */

static void test_get(void **state)
{
    static const char *const wmi[] = {
        GET(WMI_URI "Msvm_ComputerSystem", VM_KEYS),
        GET(WMI_URI "msvm_computersystem", SEL("name", VM_ID)), /* go-wsman: one key */
        GET(WMI_URI "Msvm_ComputerSystem", SEL("CreationClassName", "Msvm_ComputerSystem")),
        GET(WMI_URI "Msvm_ComputerSystem", VM_KEYS IN_NS),
    };
    struct fixture f = {0};
    for (size_t i = 0; i < VR_COUNT(wmi); i++) {
        ask(&f, wmi[i]);
        expect_ok(&f);
        expect(&f, "string(/s:Envelope/s:Header/a:Action)", TRANSFER "GetResponse");
        expect(&f, "string(/s:Envelope/s:Header/a:RelatesTo)", "uuid:AbC-1&2");
        expect(&f, "string(/s:Envelope/s:Body/wmivm:Msvm_ComputerSystem/wmivm:Name)", VM_ID);
        expect(&f, "string(//wmivm:EnabledState)", "2");
        expect(&f, "string(//wmivm:Msvm_ComputerSystem/@xsi:type)", "p:Msvm_ComputerSystem_Type");
        /* what has no value is there, too */
        expect(&f, "string(//wmivm:Caption/@xsi:nil)", "true");
        expect(&f, "count(//wmivm:Msvm_ComputerSystem/*) > 30", "true");
        /* in the order of the alphabet */
        expect(&f, "count(//wmivm:Caption/preceding-sibling::wmivm:Name)", "0");
        assert_non_null(strstr(f.body, "<p:Name>"));
    }
    ask(&f, GET(CIM_URI "Msvm_ComputerSystem", IN_NS VM_KEYS));
    expect_ok(&f);
    expect(&f, "string(/s:Envelope/s:Body/cimvm:Msvm_ComputerSystem/cimvm:Name)", VM_ID);
    fixture_deinit(&f);
}

static void test_get_refused(void **state)
{
    static const struct {
        const char *envelope, *code, *detail;
    } rows[] = {
        {GET(WMI_URI "Msvm_ComputerSystem", ""), "w:InvalidSelectors", "InsufficientSelectors"},
        {GET(WMI_URI "Msvm_ComputerSystem", SEL("Colour", "blue")), "w:InvalidSelectors",
         "UnexpectedSelectors"},
        {GET(WMI_URI "Msvm_ComputerSystem", SEL("Name", "x") SEL("Name", "y")),
         "w:InvalidSelectors", ""},
        {GET(WMI_URI "Msvm_ComputerSystem",
             SEL("a", "1") SEL("b", "2") SEL("c", "3") SEL("d", "4") SEL("e", "5") SEL("f", "6")
                 SEL("g", "7") SEL("h", "8") SEL("i", "9")),
         "w:InvalidSelectors", ""},
        {GET(WMI_URI "Msvm_ComputerSystem", SEL("Name", "nobody")), "a:DestinationUnreachable", ""},
        {GET(WMI_URI "Msvm_Nothing", VM_KEYS), "a:DestinationUnreachable", "InvalidResourceURI"},
        {GET(CIM_URI "Msvm_ComputerSystem", VM_KEYS), "a:DestinationUnreachable",
         "InvalidNamespace"},
        {GET(WMI_URI "Msvm_ComputerSystem", VM_KEYS SEL("__cimnamespace", "root/cimv2")),
         "w:InvalidSelectors", "UnexpectedSelectors"},
    };
    struct fixture f = {0};
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        ask(&f, rows[i].envelope);
        expect_fault(&f, rows[i].code, rows[i].detail);
    }
    f.copies = 2; /* not unique any more */
    ask(&f, GET(WMI_URI "Msvm_ComputerSystem", SEL("Name", VM_ID)));
    expect_fault(&f, "w:InvalidSelectors", "InsufficientSelectors");
    fixture_deinit(&f);
}

/* What omicli sends: everything twice understood, an empty OptionSet, xsi bound to another URI. */
static void test_headers(void **state)
{
    struct fixture f = {0};
    ask(&f,
        REQUEST(TRANSFER "Get", CIM_URI "Msvm_ComputerSystem",
                "<w:MaxEnvelopeSize s:mustUnderstand=\"true\">102400</w:MaxEnvelopeSize>"
                "<w:OperationTimeout>PT1M30S</w:OperationTimeout>"
                "<w:Locale xml:lang=\"en-us\" s:mustUnderstand=\"true\"/>"
                "<m:DataLocale xmlns:m=\"" NS_P "\" xml:lang=\"en-us\" s:mustUnderstand=\"1\"/>"
                "<m:SessionId xmlns:m=\"" NS_P "\" s:mustUnderstand=\"true\">uuid:1</m:SessionId>"
                "<m:OperationID xmlns:m=\"" NS_P "\">uuid:2</m:OperationID>"
                "<m:SequenceId xmlns:m=\"" NS_P "\">1</m:SequenceId>"
                "<w:OptionSet s:mustUnderstand=\"true\"></w:OptionSet>"
                "<u:Unknown xmlns:u=\"urn:u\" s:mustUnderstand=\"false\"/>" SET(IN_NS VM_KEYS),
                ""));
    expect_ok(&f);
    expect(&f, "string(//cimvm:Name)", VM_ID);
    /* npm: no prefixes, a number for an id */
    ask(&f, "<Envelope xmlns=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:a=\"" NS_A
            "\" xmlns:w=\"" NS_W "\"><Header><a:To>/wsman</a:To><a:MessageID>0</a:MessageID>"
            "<a:Action>" TRANSFER "Get</a:Action><a:ReplyTo><a:Address>" ANON
            "</a:Address></a:ReplyTo><w:ResourceURI>" WMI_URI
            "Msvm_ComputerSystem</w:ResourceURI>" SET(VM_KEYS) "</Header><Body/></Envelope>");
    expect_ok(&f);
    expect(&f, "string(/s:Envelope/s:Header/a:RelatesTo)", "0");
    fixture_deinit(&f);
}

static void test_datetimes_out(void **state)
{
    static const char *const rows[][2] = {
        {"20261121020304.000000+000", "<cim:Datetime>2026-11-21T02:03:04Z</cim:Datetime>"},
        {"20261121020304.250000+060", "<cim:Datetime>2026-11-21T01:03:04.250000Z</cim:Datetime>"},
        {"00000001020304.500000:000", "<cim:Interval>P1DT2H3M4.500000S</cim:Interval>"},
        {"00000000000000.000000:000", "<cim:Interval>P0DT0H0M0S</cim:Interval>"},
        {"00000000020000.000000+000",
         "<cim:CIM_DateTime>00000000020000.000000+000</cim:CIM_DateTime>"},
        {"16010101000000.000000+000",
         "<cim:CIM_DateTime>16010101000000.000000+000</cim:CIM_DateTime>"},
        {"20261121******.******+000",
         "<cim:CIM_DateTime>20261121******.******+000</cim:CIM_DateTime>"},
    };
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        struct vr_buf b;
        vr_buf_init(&b, 1000);
        put_datetime(&b, rows[i][0]);
        assert_string_equal(vr_buf_cstr(&b), rows[i][1]);
        vr_buf_deinit(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_identify), T(test_bad_envelopes), T(test_calls_nobody), T(test_scanner_limits),
        T(test_get),      T(test_get_refused),   T(test_headers),      T(test_datetimes_out)};
    return cmocka_run_group_tests(tests, load_schema, free_schema);
}
