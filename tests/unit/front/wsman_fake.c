/* SPDX-License-Identifier: Apache-2.0 */
#include "wsman_fake.h"

#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <libxml/xpathInternals.h>

#include "util/num.h"

static void on_answer(void *ctx, const struct wsman_answer *a)
{
    struct fixture *f = ctx;
    f->answered++;
    f->http = a->http_status;
    free(f->body);
    assert_non_null(a->body);
    f->body = a->body;
    assert_int_equal(strlen(f->body), a->len);
}

void ask(struct fixture *f, const char *envelope)
{
    struct cim_caller who = {.user = f->as_user ? f->as_user : "anna", .role = 2};
    unsigned before = f->answered;
    struct cim_broker *broker = fixture_broker(f);
    f->ref_class[0] = f->ref_name[0] = f->text[0] = '\0';
    wsman_handle(broker, &who, envelope, strlen(envelope), on_answer, f);
    assert_int_equal(f->answered, before + (f->later ? 0 : 1));
}

char *find(struct fixture *f, const char *expression)
{
    static const char *const prefixes[][2] = {
        {"s", "http://www.w3.org/2003/05/soap-envelope"},
        {"a", "http://schemas.xmlsoap.org/ws/2004/08/addressing"},
        {"n", "http://schemas.xmlsoap.org/ws/2004/09/enumeration"},
        {"w", "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"},
        {"xsi", "http://www.w3.org/2001/XMLSchema-instance"},
        {"cim", "http://schemas.dmtf.org/wbem/wscim/1/common"},
        {"id", "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"},
        {"wmivm", WMI_URI "Msvm_ComputerSystem"},
        {"cimvm", CIM_URI "Msvm_ComputerSystem"},
        {"svc", SERVICE},
    };
    static char text[512];
    xmlDoc *doc = xmlReadMemory(f->body, (int)strlen(f->body), NULL, NULL, XML_PARSE_NONET);
    assert_non_null(doc);
    xmlXPathContext *x = xmlXPathNewContext(doc);
    for (size_t i = 0; i < VR_COUNT(prefixes); i++) {
        xmlXPathRegisterNs(x, (const xmlChar *)prefixes[i][0], (const xmlChar *)prefixes[i][1]);
    }
    xmlXPathObject *o = xmlXPathEvalExpression((const xmlChar *)expression, x);
    assert_non_null(o);
    xmlChar *s = xmlXPathCastToString(o);
    snprintf(text, sizeof text, "%s", (const char *)s);
    xmlFree(s);
    xmlXPathFreeObject(o);
    xmlXPathFreeContext(x);
    xmlFreeDoc(doc);
    return text;
}

void expect(struct fixture *f, const char *expression, const char *wanted)
{
    const char *found = find(f, expression);
    if (strcmp(found, wanted) != 0) {
        fail_msg("%s is '%s', wanted '%s', in %s", expression, found, wanted, f->body);
    }
}

void expect_fault(struct fixture *f, const char *code, const char *detail)
{
    if (f->http != 500) {
        fail_msg("HTTP %d: %s", f->http, f->body);
    }
    expect(f,
           "string((//s:Fault/s:Code/s:Subcode/s:Value | "
           "//s:Fault/s:Code[not(s:Subcode)]/s:Value)[1])",
           code);
    expect(f, "substring-after(//s:Detail/w:FaultDetail, 'faultDetail/')", detail);
    assert_true(strlen(find(f, "string(//s:Reason/s:Text)")) > 0);
}

void expect_ok(struct fixture *f)
{
    if (f->http != 200) {
        fail_msg("HTTP %d: %s", f->http, f->body);
    }
}
