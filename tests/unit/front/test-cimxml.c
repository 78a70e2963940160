/* SPDX-License-Identifier: Apache-2.0 */
/* CIM-XML against a broker of our own that records the call it got; the schema is the shipped one.
 */
#include <libxml/parser.h>
#include <libxml/valid.h>

#include "cim/mof.h"
#include "front/cimxml/cimxml.h"
#include "tests/lib/check.h"
#include "util/buf.h"
#include "util/num.h"

#define NS                                                                                         \
    "<LOCALNAMESPACEPATH><NAMESPACE NAME=\"root\"/><NAMESPACE "                                    \
    "NAME=\"virtualization\"/><NAMESPACE NAME=\"v2\"/></LOCALNAMESPACEPATH>"
#define KEY(n, v)                                                                                  \
    "<KEYBINDING NAME=\"" n "\"><KEYVALUE VALUETYPE=\"string\">" v "</KEYVALUE></KEYBINDING>"
#define VM_ID "00000001-0000-4000-8000-000000000000"
#define VM                                                                                         \
    "<INSTANCENAME CLASSNAME=\"Msvm_ComputerSystem\">" KEY(                                        \
        "CreationClassName", "Msvm_ComputerSystem") KEY("Name", VM_ID) "</INSTANCENAME>"
/* as we write it: keys in the order of the class, with their type */
#define KEY_OUT(n, v)                                                                              \
    "<KEYBINDING NAME=\"" n "\"><KEYVALUE VALUETYPE=\"string\" TYPE=\"string\">" v                 \
    "</KEYVALUE></KEYBINDING>"
#define VM_OUT                                                                                     \
    "<INSTANCENAME CLASSNAME=\"Msvm_ComputerSystem\">" KEY_OUT("Name", VM_ID)                      \
        KEY_OUT("CreationClassName", "Msvm_ComputerSystem") "</INSTANCENAME>"
#define SVC                                                                                        \
    "<INSTANCENAME CLASSNAME=\"Msvm_ReplicationService\">" KEY("SystemCreationClassName",          \
                                                               "Msvm_ComputerSystem")              \
        KEY("SystemName", "host") KEY("CreationClassName", "Msvm_ReplicationService")              \
            KEY("Name", "replicasvc") "</INSTANCENAME>"
#define CIM(v, d, p, inner)                                                                        \
    "<?xml version=\"1.0\" encoding=\"utf-8\" ?>\n<CIM CIMVERSION=\"" v "\" DTDVERSION=\"" d       \
    "\"><MESSAGE ID=\"47&amp;11\" PROTOCOLVERSION=\"" p "\">" inner "</MESSAGE></CIM>"
#define REQ(inner) CIM("2.0", "2.0", "1.0", "<SIMPLEREQ>" inner "</SIMPLEREQ>")
#define ICALL(name, params) REQ("<IMETHODCALL NAME=\"" name "\">" NS params "</IMETHODCALL>")
#define CALL(params)                                                                               \
    REQ("<METHODCALL NAME=\"Resynchronize\"><LOCALINSTANCEPATH>" NS SVC                            \
        "</LOCALINSTANCEPATH>" params "</METHODCALL>")
#define IPARAM(n, v) "<IPARAMVALUE NAME=\"" n "\">" v "</IPARAMVALUE>"
#define CLASSNAME(c) IPARAM("ClassName", "<CLASSNAME NAME=\"" c "\"/>")
#define NS_OBJECT "root%2Fvirtualization%2Fv2"
/* as wbemcli sends it: quotes raw, ':' and '/' escaped */
#define SVC_OBJECT                                                                                 \
    NS_OBJECT                                                                                      \
    "%3AMsvm_ReplicationService.SystemCreationClassName=\"Msvm_ComputerSystem\",SystemName="       \
    "\"host\",CreationClassName=\"Msvm_ReplicationService\",Name=\"replicasvc\""

struct fixture {
    struct cim_broker broker; /* first: the ops get it back */
    unsigned invoked, answered;
    uint32_t nparams;
    struct cim_param params[CIM_PARAMS_MAX];
    char ref_class[64], ref_name[64], text[64], user[16];
    bool ref_has_ns, later;
    cim_invoke_done done;
    void *done_ctx;
    int http;
    char cim_error[64];
    char *body;
};

static struct cim_schema *schema;

static void fill(struct cim_instance *i)
{
    cim_set(i, "CreationClassName", cim_str("Msvm_ComputerSystem"));
    cim_set(i, "Name", cim_str(VM_ID));
    cim_set(i, "ElementName", cim_str("a<b>&\"c\x01 \xff"));
    cim_set(i, "EnabledState", cim_uint(CIM_UINT16, 2));
    cim_instance_make_path(i, CIM_NAMESPACE);
}

static void fake_get(struct cim_broker *b,
                     const struct cim_caller *who,
                     const struct cim_class *cls,
                     const struct cim_path *path,
                     struct cim_arena *a,
                     struct cim_instance **ret,
                     struct cim_status *st)
{
    const struct cim_value *name = cim_path_key(path, "name");
    if (!name || strcmp(name->str, VM_ID) != 0) {
        cim_fail(st, CIM_ERR_NOT_FOUND, "no such instance");
        return;
    }
    *ret = cim_instance_new(a, cls);
    fill(*ret);
}

static void fake_enum(struct cim_broker *b,
                      const struct cim_caller *who,
                      const struct cim_class *cls,
                      cim_instance_cb cb,
                      void *ctx,
                      struct cim_status *st)
{
    struct cim_arena a;
    if (strcmp(cls->name, "Msvm_ComputerSystem") != 0) {
        return;
    }
    cim_arena_init(&a, 1 << 20);
    struct cim_instance *i = cim_instance_new(&a, cls);
    fill(i);
    cb(ctx, i);
    cim_arena_deinit(&a);
}

static void reply(cim_invoke_done done, void *ctx)
{
    static struct cim_invoke_result res;
    static struct cim_path job = {.class_name = "Msvm_ConcreteJob"};
    job.nkeys = 0;
    cim_path_add_key(&job, "InstanceID", cim_str("vmreplica:1"));
    res = (struct cim_invoke_result){.value = cim_uint(CIM_UINT32, 4096), .nout = 1};
    res.out[0] = (struct cim_param){.name = "Job", .value = cim_ref(&job)};
    done(ctx, &res);
}

static void
fake_invoke(struct cim_broker *b, const struct cim_invoke *call, cim_invoke_done done, void *ctx)
{
    struct fixture *f = (struct fixture *)b;
    f->invoked++;
    f->nparams = call->nparams;
    memcpy(f->params, call->params, sizeof f->params);
    snprintf(f->user, sizeof f->user, "%s", call->caller.user);
    const struct cim_param *cs = cim_invoke_param(call, "ComputerSystem");
    if (cs && !cs->value.is_null) {
        const struct cim_value *name = cim_path_key(cs->value.ref, "NAME");
        snprintf(f->ref_class, sizeof f->ref_class, "%s", cs->value.ref->class_name);
        snprintf(f->ref_name, sizeof f->ref_name, "%s", name ? name->str : "");
        f->ref_has_ns = cs->value.ref->ns != NULL;
    }
    const struct cim_param *t = cim_invoke_param(call, "StartTime");
    if (t && !t->value.is_null) {
        snprintf(f->text, sizeof f->text, "%s", t->value.str);
    }
    if (f->later) {
        f->done = done;
        f->done_ctx = ctx;
        return;
    }
    reply(done, ctx);
}

static const struct cim_broker_ops fake = {
    .name = "fake", .get_instance = fake_get, .enum_instances = fake_enum, .invoke = fake_invoke};

/* With CIMXML_DTD in the environment, a file, every answer must be valid against it. */
static void validate(xmlDoc *doc, const char *text)
{
    static xmlDtd *dtd;
    const char *file = getenv("CIMXML_DTD");
    if (!file) {
        return;
    }
    dtd = dtd ? dtd : xmlParseDTD(NULL, (const xmlChar *)file);
    assert_non_null(dtd);
    xmlValidCtxt *v = xmlNewValidCtxt();
    if (xmlValidateDtd(v, doc, dtd) != 1) {
        fail_msg("not valid: %s", text);
    }
    xmlFreeValidCtxt(v);
}

static void on_answer(void *ctx, const struct cimxml_answer *a)
{
    struct fixture *f = ctx;
    f->answered++;
    f->http = a->http_status;
    free(f->body);
    f->body = strndup(a->body, a->len);
    f->cim_error[0] = '\0';
    for (size_t i = 0; i < a->nheaders; i++) {
        if (strcmp(a->headers[i].name, "CIMError") == 0) {
            snprintf(f->cim_error, sizeof f->cim_error, "%s", a->headers[i].value);
        }
    }
    if (a->http_status == 200) { /* whatever we answer is well-formed */
        xmlDoc *d = xmlReadMemory(a->body, (int)a->len, NULL, NULL, XML_PARSE_NONET);
        assert_non_null(d);
        validate(d, f->body);
        xmlFreeDoc(d);
    }
}

static void
send_raw(struct fixture *f, const struct cimxml_headers *h, const char *body, size_t len)
{
    struct cim_caller who = {.user = "anna", .role = 2};
    unsigned before = f->answered;
    f->broker = (struct cim_broker){.ops = &fake, .schema = schema, .server = "alpha"};
    f->ref_class[0] = f->ref_name[0] = f->text[0] = '\0';
    f->nparams = 0;
    cimxml_handle(&f->broker, &who, h, body, len, on_answer, f);
    assert_int_equal(f->answered, before + (f->later ? 0 : 1));
}

static void post(struct fixture *f, const char *method, const char *object, const char *body)
{
    struct cimxml_headers h = {.cim_operation = "MethodCall",
                               .cim_method = method,
                               .cim_object = object,
                               .content_type = "application/xml; charset=\"utf-8\""};
    send_raw(f, &h, body, strlen(body));
}

static void expect_http(struct fixture *f, int http, const char *cim_error)
{
    if (f->http != http || strcmp(f->cim_error, cim_error) != 0) {
        fail_msg("HTTP %d '%s', wanted %d '%s'; body %s", f->http, f->cim_error, http, cim_error,
                 f->body);
    }
}

static void expect_part(struct fixture *f, const char *part)
{
    expect_http(f, 200, "");
    if (!strstr(f->body, part)) {
        fail_msg("no '%s' in %s", part, f->body);
    }
}

static void expect_code(struct fixture *f, int code)
{
    char part[32];
    snprintf(part, sizeof part, "<ERROR CODE=\"%d\"", code);
    expect_part(f, part);
}

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
    free(f.body);
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
    free(f.body);
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
    free(f.body);
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
    free(f.body);
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
    free(f.body);
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
    free(f.body);
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
    free(f.body);
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
    bomb(&f, "<CIM", NULL, "", CIMXML_ATTRS_MAX, "/>");
    expect_http(&f, 400, "request-not-valid");
    bomb(&f, "<CIM", NULL, "", CIMXML_ATTRS_MAX + 1, "/>");
    expect_http(&f, 400, "request-not-well-formed");
    bomb(&f, "<CIM", NULL, "", 90000, "/>");
    expect_http(&f, 400, "request-not-well-formed");
    bomb(&f, "", "<X>", "</X>", CIMXML_DEPTH_MAX, "");
    expect_http(&f, 400, "request-not-valid");
    bomb(&f, "", "<X>", "</X>", CIMXML_DEPTH_MAX + 1, "");
    expect_http(&f, 400, "request-not-well-formed");
    bomb(&f, "<X>", "<X/>", "", CIMXML_ELEMENTS_MAX - 1, "</X>");
    expect_http(&f, 400, "request-not-valid");
    bomb(&f, "<X>", "<X/>", "", CIMXML_ELEMENTS_MAX, "</X>");
    expect_http(&f, 400, "request-not-well-formed");
    bomb(&f, "<X>", "0123456789", "", CIMXML_REQUEST_MAX_BYTES / 10 - 10, "</X>");
    expect_http(&f, 400, "request-not-valid");
    bomb(&f, "<X>", "0123456789", "", CIMXML_REQUEST_MAX_BYTES / 10, "</X>");
    expect_http(&f, 413, "request-not-well-formed");
    free(f.body);
}

static void test_get_class(void **state)
{
    struct fixture f = {0};
    post(&f, "GetClass", NS_OBJECT,
         ICALL("GetClass",
               "\n" CLASSNAME("msvm_replicationservice") IPARAM("LocalOnly", "<VALUE>FALSE</VALUE>")
                   IPARAM("IncludeQualifiers", "<VALUE>true</VALUE>")
                       IPARAM("IncludeClassOrigin", "<VALUE>TRUE</VALUE>")));
    expect_part(&f, "<IMETHODRESPONSE NAME=\"GetClass\"><IRETURNVALUE><CLASS "
                    "NAME=\"Msvm_ReplicationService\" SUPERCLASS=\"CIM_Service\">");
    expect_part(
        &f, "<METHOD NAME=\"Resynchronize\" TYPE=\"uint32\" "
            "CLASSORIGIN=\"Msvm_ReplicationService\"><PARAMETER.REFERENCE NAME=\"ComputerSystem\" "
            "REFERENCECLASS=\"CIM_ComputerSystem\"><QUALIFIER NAME=\"In\" "
            "TYPE=\"boolean\"><VALUE>TRUE</VALUE></QUALIFIER></PARAMETER.REFERENCE><PARAMETER "
            "NAME=\"StartTime\" TYPE=\"datetime\">");
    expect_part(&f, "<QUALIFIER NAME=\"Out\" TYPE=\"boolean\"><VALUE>TRUE</VALUE>");
    expect_part(&f, "<QUALIFIER NAME=\"Key\" TYPE=\"boolean\"><VALUE>TRUE</VALUE>");
    expect_part(&f, "\"StartService\"");
    post(&f, "GetClass", NS_OBJECT,
         ICALL("GetClass", CLASSNAME("Msvm_ReplicationService")
                               IPARAM("IncludeQualifiers", "<VALUE>FALSE</VALUE>")));
    expect_part(&f, "\"Resynchronize\"");
    assert_null(strstr(f.body, "StartService")); /* LocalOnly is TRUE here */
    assert_null(strstr(f.body, "QUALIFIER"));
    post(&f, "GetClass", NS_OBJECT, ICALL("GetClass", CLASSNAME("Nothing")));
    expect_code(&f, CIM_ERR_NOT_FOUND);
    post(&f, "EnumerateClassNames", NS_OBJECT, ICALL("EnumerateClassNames", CLASSNAME("CIM_Job")));
    expect_part(&f, "<IRETURNVALUE><CLASSNAME NAME=\"CIM_ConcreteJob\"/></IRETURNVALUE>");
    post(&f, "EnumerateClassNames", NS_OBJECT, ICALL("EnumerateClassNames", ""));
    expect_part(&f, "<IRETURNVALUE><CLASSNAME NAME=\"CIM_ManagedElement\"/><CLASSNAME "
                    "NAME=\"CIM_Error\"/></IRETURNVALUE>");
    post(&f, "EnumerateClasses", NS_OBJECT,
         ICALL("EnumerateClasses",
               CLASSNAME("CIM_Job") IPARAM("DeepInheritance", "<VALUE>TRUE</VALUE>")));
    expect_part(&f, "<CLASS NAME=\"Msvm_ConcreteJob\"");
    free(f.body);
}

static void test_instances(void **state)
{
    struct fixture f = {0};
    post(&f, "GetInstance", NS_OBJECT,
         ICALL("GetInstance",
               IPARAM("PropertyList", "<VALUE.ARRAY><VALUE>ElementName</"
                                      "VALUE><VALUE>OperationalStatus</VALUE></VALUE.ARRAY>")
                   IPARAM("InstanceName", VM)));
    expect_part(&f,
                "<IRETURNVALUE><INSTANCE CLASSNAME=\"Msvm_ComputerSystem\"><PROPERTY "
                "NAME=\"ElementName\" TYPE=\"string\"><VALUE>a&lt;b&gt;&amp;&quot;c\xef\xbf\xbd "
                "\xef\xbf\xbd</VALUE></PROPERTY><PROPERTY.ARRAY NAME=\"OperationalStatus\" "
                "TYPE=\"uint16\"></PROPERTY.ARRAY></INSTANCE></IRETURNVALUE>");
    post(&f, "EnumerateInstances", NS_OBJECT,
         ICALL("EnumerateInstances", CLASSNAME("CIM_ComputerSystem")));
    expect_part(&f, "<VALUE.NAMEDINSTANCE>" VM_OUT "<INSTANCE CLASSNAME=\"Msvm_ComputerSystem\">");
    expect_part(&f, "\"ReplicationState\"");
    post(&f, "EnumerateInstances", NS_OBJECT,
         ICALL("EnumerateInstances",
               CLASSNAME("CIM_ComputerSystem") IPARAM("DeepInheritance", "<VALUE>FALSE</VALUE>")));
    expect_part(&f, "\"Dedicated\"");
    assert_null(strstr(f.body, "\"ReplicationState\""));
    post(&f, "EnumerateInstances", NS_OBJECT,
         ICALL("EnumerateInstances",
               CLASSNAME("Msvm_ComputerSystem") IPARAM("LocalOnly", "<VALUE>TRUE</VALUE>")));
    expect_part(&f, "\"ReplicationState\"");
    assert_null(strstr(f.body, "\"Dedicated\""));
    post(&f, "EnumerateInstanceNames", NS_OBJECT,
         ICALL("EnumerateInstanceNames", CLASSNAME("CIM_ManagedElement")));
    expect_part(&f, "<IRETURNVALUE>" VM_OUT "</IRETURNVALUE>");
    post(&f, "EnumerateInstanceNames", NS_OBJECT,
         ICALL("EnumerateInstanceNames", CLASSNAME("CIM_Job")));
    expect_part(&f, "<IRETURNVALUE></IRETURNVALUE>");
    free(f.body);
}

#define QUERY(language, query)                                                                     \
    ICALL("ExecQuery", IPARAM("QueryLanguage", "<VALUE>" language "</VALUE>")                      \
                           IPARAM("Query", "<VALUE>" query "</VALUE>"))

static void query(struct fixture *f, const char *body)
{
    post(f, "ExecQuery", NS_OBJECT, body);
}

static void test_exec_query(void **state)
{
    struct fixture f = {0};
    query(&f, QUERY("WQL", "SELECT ElementName FROM CIM_ComputerSystem WHERE Name = \"" VM_ID
                           "\" AND EnabledState &lt; 3"));
    expect_part(&f, "<IRETURNVALUE><VALUE.OBJECTWITHPATH><INSTANCEPATH><NAMESPACEPATH><HOST>alpha</"
                    "HOST>" NS "</NAMESPACEPATH>" VM_OUT
                    "</INSTANCEPATH><INSTANCE CLASSNAME=\"Msvm_ComputerSystem\"><PROPERTY "
                    "NAME=\"ElementName\" TYPE=\"string\"><VALUE>");
    assert_null(strstr(f.body, "\"EnabledState\""));
    query(&f, QUERY("wql", "select * from Msvm_ComputerSystem where Name != __SERVER"));
    expect_part(&f, "\"EnabledState\"");
    query(&f, QUERY("WQL", "SELECT * FROM Msvm_ComputerSystem WHERE Name = __SERVER"));
    expect_part(&f, "<IRETURNVALUE></IRETURNVALUE>");
    query(&f, QUERY("DMTF:CQL", "SELECT * FROM Msvm_ComputerSystem"));
    expect_code(&f, CIM_ERR_QUERY_LANGUAGE_NOT_SUPPORTED);
    query(&f, QUERY("WQL", "SELECT * FROM Msvm_ComputerSystem WHERE"));
    expect_code(&f, CIM_ERR_INVALID_QUERY);
    expect_part(&f, "column 40: expected a property or a value, found the end");
    query(&f, QUERY("WQL", "SELECT Nope FROM Msvm_ComputerSystem"));
    expect_code(&f, CIM_ERR_INVALID_QUERY);
    query(&f, QUERY("WQL", "SELECT * FROM Nope"));
    expect_code(&f, CIM_ERR_INVALID_QUERY);
    expect_part(&f, "column 15: no class");
    query(&f, ICALL("ExecQuery", IPARAM("Query", "<VALUE>SELECT * FROM CIM_Job</VALUE>")));
    expect_code(&f, CIM_ERR_INVALID_PARAMETER);
    post(&f, "ExecQuery", "root",
         REQ("<IMETHODCALL NAME=\"ExecQuery\"><LOCALNAMESPACEPATH><NAMESPACE "
             "NAME=\"root\"/></LOCALNAMESPACEPATH>" IPARAM("QueryLanguage", "<VALUE>X</VALUE>")
                 IPARAM("Query", "<VALUE/>") "</IMETHODCALL>"));
    expect_code(&f, CIM_ERR_INVALID_NAMESPACE);
    free(f.body);
}

static void test_cim_errors(void **state)
{
    static const struct {
        const char *method, *body;
        int code;
    } rows[] = {
        {"CreateInstance", ICALL("CreateInstance", ""), CIM_ERR_NOT_SUPPORTED},
        {"OpenEnumerateInstances", ICALL("OpenEnumerateInstances", CLASSNAME("CIM_Job")),
         CIM_ERR_NOT_SUPPORTED},
        {"EnumerateInstances", ICALL("EnumerateInstances", CLASSNAME("No")), CIM_ERR_INVALID_CLASS},
        {"EnumerateInstances", ICALL("EnumerateInstances", ""), CIM_ERR_INVALID_PARAMETER},
        {"EnumerateInstances",
         ICALL("EnumerateInstances", CLASSNAME("CIM_Job") CLASSNAME("CIM_Job")),
         CIM_ERR_INVALID_PARAMETER},
        {"EnumerateInstances",
         ICALL("EnumerateInstances", IPARAM("ClassName", "<VALUE>CIM_Job</VALUE>")),
         CIM_ERR_INVALID_PARAMETER},
        {"EnumerateInstances",
         ICALL("EnumerateInstances",
               CLASSNAME("CIM_Job") IPARAM("LocalOnly", "<VALUE>maybe</VALUE>")),
         CIM_ERR_INVALID_PARAMETER},
        {"EnumerateInstances",
         ICALL("EnumerateInstances", CLASSNAME("CIM_Job") IPARAM("What", "<VALUE/>")),
         CIM_ERR_INVALID_PARAMETER},
        {"EnumerateInstanceNames",
         ICALL("EnumerateInstanceNames",
               CLASSNAME("CIM_Job") IPARAM("LocalOnly", "<VALUE>TRUE</VALUE>")),
         CIM_ERR_INVALID_PARAMETER},
        {"GetInstance",
         ICALL("GetInstance",
               IPARAM("InstanceName", "<INSTANCENAME CLASSNAME=\"Msvm_ComputerSystem\"/>")),
         CIM_ERR_NOT_FOUND},
        {"GetInstance",
         ICALL("GetInstance", IPARAM("InstanceName", "<INSTANCENAME CLASSNAME=\"Nope\"/>")),
         CIM_ERR_INVALID_CLASS},
    };
    struct fixture f = {0};
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        post(&f, rows[i].method, NS_OBJECT, rows[i].body);
        expect_code(&f, rows[i].code);
    }
    post(&f, "GetClass", "root",
         REQ("<IMETHODCALL NAME=\"GetClass\"><LOCALNAMESPACEPATH><NAMESPACE "
             "NAME=\"root\"/></LOCALNAMESPACEPATH>" CLASSNAME("CIM_Job") "</IMETHODCALL>"));
    expect_code(&f, CIM_ERR_INVALID_NAMESPACE);
    post(&f, "Nope", NS_OBJECT ":Msvm_ReplicationService",
         REQ("<METHODCALL NAME=\"Nope\"><LOCALCLASSPATH>" NS
             "<CLASSNAME NAME=\"Msvm_ReplicationService\"/></LOCALCLASSPATH></METHODCALL>"));
    expect_code(&f, CIM_ERR_METHOD_NOT_FOUND);
    expect_part(&f, "<METHODRESPONSE NAME=\"Nope\"><ERROR");
    free(f.body);
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
    free(f.body);
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
    assert_true(f.params[0].wrong_type);
    post(&f, "RequestReplicationStateChangeEx", object,
         EX("<VALUE>&lt;!DOCTYPE a&gt;&lt;INSTANCE/&gt;</VALUE>"));
    assert_true(f.params[0].wrong_type);
    assert_int_equal(f.invoked, 3);
    free(f.body);
}

static int load_schema(void **state)
{
    static char text[CIM_MOF_MAX_BYTES];
    FILE *file = fopen(SCHEMA_MOF, "re");
    size_t n = file ? fread(text, 1, sizeof text, file) : 0;
    if (file) {
        fclose(file);
    }
    return cim_mof_parse(text, n, "schema", &schema, NULL) < 0 || !schema->first;
}

static int free_schema(void **state)
{
    cim_schema_free(schema);
    xmlCleanupParser();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_references),          T(test_datetimes),        T(test_malformed_parameters),
        T(test_answer_later),        T(test_cim_object_forms), T(test_http_refusals),
        T(test_header_refusals),     T(test_limits),           T(test_get_class),
        T(test_instances),           T(test_cim_errors),       T(test_embedded_parameter),
        T(test_property_list_limit), T(test_exec_query)};
    return cmocka_run_group_tests(tests, load_schema, free_schema);
}
