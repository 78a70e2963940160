/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request: limits, well-formedness, headers against body, then the call. What is wrong with the
 * message itself is an HTTP status with a CIMError header; what is wrong with the call is HTTP 200
 * with an ERROR element.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "front/cimxml/internal.h"
#include "util/cleanup.h"

#define XML_TYPE "application/xml; charset=\"utf-8\""
/* message id and method, escaped, and what is ours */
#define ANSWER_FRAME_MAX (16 * FRONT_XML_MAX_BYTES)

/* Lives until the method's answer. */
struct pending {
    struct cim_arena arena;
    const char *id, *method;
    cimxml_done done;
    void *ctx;
};

struct refusal {
    int http;
    const char *cim_error; /* NULL: none */
};

static void pending_free(struct pending *p)
{
    cim_arena_deinit(&p->arena);
    free(p);
}

DEFINE_CLEANUP(struct pending *, pending_free)
DEFINE_CLEANUP(xmlDoc *, xmlFreeDoc)

static void refuse(cimxml_done done, void *ctx, int http, const char *cim_error)
{
    struct cimxml_answer a = {.http_status = http, .nheaders = cim_error ? 1 : 0};
    a.headers[0] = (struct cimxml_header){"CIMError", cim_error};
    done(ctx, &a);
}

/* The answer up to what stands in its response element, for the content to follow; its length, 0:
 * no memory. */
static size_t answer_open(struct vr_buf *b, const struct pending *p, const char *tag)
{
    vr_buf_init_spare(b, ANSWER_FRAME_MAX);
    vr_buf_text(b, "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
                   "<CIM CIMVERSION=\"2.0\" DTDVERSION=\"2.0\"><MESSAGE");
    put_attr(b, "ID", p->id);
    vr_buf_printf(b, " PROTOCOLVERSION=\"1.0\"><SIMPLERSP><%s", tag);
    put_attr(b, "NAME", p->method);
    vr_buf_text(b, ">");
    b->max = b->len + CIMXML_ANSWER_MAX_BYTES;
    return b->failed ? 0 : b->len;
}

static void put_error(struct vr_buf *b, const struct cim_status *st)
{
    vr_buf_printf(b, "<ERROR CODE=\"%d\"", st->code);
    put_attr(b, "DESCRIPTION", st->text);
    vr_buf_text(b, "/>");
}

/* Text as a header's value: what is not printable ASCII is escaped as in CIMError (DSP0200). */
static const char *header_text(struct cim_arena *a, const char *s)
{
    char *out = cim_alloc(a, strlen(s) * 3 + 1), *w = out;
    for (; out && *s; s++) {
        unsigned char c = (unsigned char)*s;
        bool plain = c >= 0x20 && c < 0x7f && c != '%';
        if (plain) {
            *w++ = *s;
        } else {
            w += snprintf(w, 4, "%%%02X", c);
        }
    }
    return out;
}

/* begun: of answer_open. With st not fine, what was written since does not count; reason: "" is
 * none. Takes what is in b. */
static void answer_send(struct pending *p,
                        const char *tag,
                        struct vr_buf *b,
                        size_t begun,
                        const struct cim_status *st,
                        const char *reason)
{
    struct cim_status too_big = {0};
    if (st->code == CIM_OK && b->failed) {
        cim_fail(&too_big, CIM_ERR_SERVER_LIMITS_EXCEEDED, "the answer is too large");
        st = &too_big;
    }
    b->max += ANSWER_FRAME_MAX;
    if (st->code != CIM_OK && begun) {
        b->len = begun;
        b->failed = false;
        put_error(b, st);
    }
    vr_buf_printf(b, "</%s></SIMPLERSP></MESSAGE></CIM>\n", tag);
    struct cimxml_answer a = {
        .http_status = 200,
        .headers = {{"Content-Type", XML_TYPE}, {"CIMOperation", "MethodResponse"}},
        .nheaders = 2,
        .len = b->len};
    const char *why = reason[0] ? header_text(&p->arena, reason) : NULL;
    if (why) {
        a.headers[a.nheaders++] = (struct cimxml_header){CIMXML_REASON_HEADER, why};
    }
    a.body = vr_buf_steal(b);
    if (a.body) {
        p->done(p->ctx, &a);
    } else {
        vr_buf_deinit(b);
        refuse(p->done, p->ctx, 500, NULL);
    }
}

/* --- headers --- */

static int hex(char c)
{
    return isdigit((unsigned char)c)    ? c - '0'
           : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
                                        : -1;
}

/* Clients escape all, some or none of it: a '%' that starts no escape stands for itself. */
static const char *unescape(struct cim_arena *a, const char *s)
{
    char *out = cim_strdup(a, s), *w = out;
    for (; out && *s; s++) {
        bool escape = *s == '%' && hex(s[1]) >= 0 && hex(s[2]) >= 0;
        *w++ = escape ? (char)(hex(s[1]) * 16 + hex(s[2])) : *s;
        s += escape ? 2 : 0;
    }
    if (out) {
        *w = '\0';
    }
    return out;
}

static bool type_is_xml(const char *type)
{
    size_t n = type ? strcspn(type, "; \t") : 0;
    bool xml = (n == 15 && strncasecmp(type, "application/xml", n) == 0) ||
               (n == 8 && strncasecmp(type, "text/xml", n) == 0);
    const char *charset = xml ? strcasestr(type + n, "charset=") : NULL;
    if (!charset) {
        return xml;
    }
    charset += 8;
    charset += *charset == '"' ? 1 : 0;
    n = strcspn(charset, "\"; \t");
    return n == 5 && strncasecmp(charset, "utf-8", n) == 0;
}

static struct refusal check_headers(const struct cimxml_headers *h)
{
    if (h->cim_batch) {
        return (struct refusal){501, "multiple-requests-unsupported"};
    }
    if (!type_is_xml(h->content_type)) {
        return (struct refusal){415, NULL};
    }
    if (!h->cim_operation || strcasecmp(h->cim_operation, "MethodCall") != 0) {
        return (struct refusal){400, "unsupported-operation"};
    }
    if (h->cim_protocol_version && strncmp(h->cim_protocol_version, "1.", 2) != 0) {
        return (struct refusal){501, "unsupported-protocol-version"};
    }
    if (!h->cim_method || !h->cim_object) {
        return (struct refusal){400, "header-mismatch"};
    }
    return (struct refusal){0};
}

static bool headers_match(struct cim_arena *a,
                          const struct cimxml_headers *h,
                          const char *method,
                          const struct cim_path *target)
{
    struct cim_path p;
    const char *m = unescape(a, h->cim_method), *o = unescape(a, h->cim_object);
    return m && o && strcasecmp(m, method) == 0 && cim_path_parse(a, o, &p, NULL) == 0 && p.ns &&
           cim_ns_eq(p.ns, target->ns) && cim_path_eq(&p, target);
}

/* --- body --- */

static bool version_is(struct cim_arena *a, const xmlNode *n, const char *attr, const char *major)
{
    const char *v = node_attr(a, n, attr);
    return v && strncmp(v, major, strlen(major)) == 0;
}

/* Down to IMETHODCALL or METHODCALL. */
static struct refusal find_call(struct pending *p, const xmlNode *root, xmlNode **ret)
{
    static const struct refusal invalid = {400, "request-not-valid"};
    if (!node_is(root, "CIM") || !xmlHasProp(root, (const xmlChar *)"CIMVERSION") ||
        !xmlHasProp(root, (const xmlChar *)"DTDVERSION")) {
        return invalid;
    }
    if (!version_is(&p->arena, root, "CIMVERSION", "2.")) {
        return (struct refusal){501, "unsupported-cim-version"};
    }
    if (!version_is(&p->arena, root, "DTDVERSION", "2.")) {
        return (struct refusal){501, "unsupported-dtd-version"};
    }
    xmlNode *msg = node_only(root);
    p->id = node_is(msg, "MESSAGE") ? node_attr(&p->arena, msg, "ID") : NULL;
    if (!p->id || !xmlHasProp(msg, (const xmlChar *)"PROTOCOLVERSION")) {
        return invalid;
    }
    if (!version_is(&p->arena, msg, "PROTOCOLVERSION", "1.")) {
        return (struct refusal){501, "unsupported-protocol-version"};
    }
    xmlNode *req = node_only(msg);
    if (node_is(req, "MULTIREQ")) {
        return (struct refusal){501, "multiple-requests-unsupported"};
    }
    xmlNode *call = node_is(req, "SIMPLEREQ") ? node_only(req) : NULL;
    p->method = call ? node_attr(&p->arena, call, "NAME") : NULL;
    if (!p->method || !node_first(call) ||
        (!node_is(call, "IMETHODCALL") && !node_is(call, "METHODCALL"))) {
        return invalid;
    }
    *ret = call;
    return (struct refusal){0};
}

static struct refusal find_target(struct pending *p, const xmlNode *call, struct cim_path *ret)
{
    bool ok;
    if (node_is(call, "IMETHODCALL")) {
        ret->ns = node_namespace(&p->arena, node_first(call));
        ok = ret->ns != NULL;
    } else {
        ok = node_local_path(&p->arena, node_first(call), ret);
    }
    return ok ? (struct refusal){0} : (struct refusal){400, "request-not-valid"};
}

/* --- extrinsic methods --- */

static void on_invoked(void *ctx, const struct cim_invoke_result *res)
{
    struct pending *p = ctx;
    struct vr_buf out;
    size_t begun = answer_open(&out, p, "METHODRESPONSE");
    if (res->status.code == CIM_OK) {
        put_return_value(&out, &res->value);
        for (uint32_t i = 0; i < res->nout; i++) {
            put_param(&out, &res->out[i]);
        }
    }
    answer_send(p, "METHODRESPONSE", &out, begun, &res->status, res->reason);
    pending_free(p);
}

static void
read_params(struct pending *p, const xmlNode *call, struct cim_invoke *inv, struct cim_status *st)
{
    for (xmlNode *n = node_next(node_first(call)); n; n = node_next(n)) {
        const char *name = node_is(n, "PARAMVALUE") ? node_attr(&p->arena, n, "NAME") : NULL;
        const struct cim_feature *decl = name ? cim_method_param(inv->method, name) : NULL;
        if (!decl || !cim_param_is_in(decl)) {
            cim_fail(st, CIM_ERR_INVALID_PARAMETER, "%s has no input parameter '%.60s'",
                     inv->method->name, name ? name : "(no PARAMVALUE)");
            return;
        }
        if (cim_invoke_param(inv, name) || inv->nparams >= CIM_PARAMS_MAX ||
            !node_param(&p->arena, inv->cls->schema, n, decl, &inv->params[inv->nparams])) {
            cim_fail(st, CIM_ERR_INVALID_PARAMETER, "%s: parameter %s is malformed or given twice",
                     inv->method->name, decl->name);
            return;
        }
        inv->nparams++;
    }
    if (cim_arena_failed(&p->arena)) {
        cim_fail(st, CIM_ERR_FAILED, "out of memory");
    }
}

/* Takes p. */
static void invoke(struct pending *p,
                   struct cim_broker *broker,
                   const struct cim_caller *caller,
                   const xmlNode *call,
                   const struct cim_path *target)
{
    struct cim_status st = {0};
    struct cim_invoke *inv = cim_alloc(&p->arena, sizeof *inv);
    if (!inv) {
        cim_fail(&st, CIM_ERR_FAILED, "out of memory");
    } else {
        inv->caller = *caller;
        inv->path = *target;
        inv->method = cim_broker_method(broker, target->ns, target, p->method, &inv->cls, &st);
    }
    bool on_class = node_is(node_first(call), "LOCALCLASSPATH");
    if (inv && inv->method && on_class && !cim_method_has(inv->method, "Static")) {
        cim_fail(&st, CIM_ERR_METHOD_NOT_AVAILABLE,
                 "%s is no static method: call it on an instance of %s", inv->method->name,
                 inv->cls->name);
    }
    if (inv && inv->method && st.code == CIM_OK) {
        read_params(p, call, inv, &st);
    }
    if (st.code == CIM_OK) {
        cim_broker_invoke(broker, inv, on_invoked, p);
        return;
    }
    on_invoked(p, &(struct cim_invoke_result){.status = st});
}

static void intrinsic(struct pending *p,
                      struct cim_broker *broker,
                      const struct cim_caller *caller,
                      xmlNode *call,
                      const struct cim_path *target)
{
    struct cim_status st = {0};
    struct vr_buf out, params;
    struct cimxml_call c = {.broker = broker,
                            .caller = caller,
                            .arena = &p->arena,
                            .method = p->method,
                            .ns = target->ns,
                            .node = call,
                            .params = &params};
    size_t begun = answer_open(&out, p, "IMETHODRESPONSE");
    vr_buf_init(&params, FRONT_XML_MAX_BYTES);
    cimxml_intrinsic(&c, &out, &st);
    vr_buf_bytes(&out, params.data, params.len);
    out.failed = out.failed || params.failed;
    answer_send(p, "IMETHODRESPONSE", &out, begun, &st, "");
    vr_buf_deinit(&params);
}

/* --- ModifyInstance: the one intrinsic operation that acts, so its answer may come later --- */

static void on_modified(void *ctx, const struct cim_status *st)
{
    struct pending *p = ctx;
    struct vr_buf out;
    size_t begun = answer_open(&out, p, "IMETHODRESPONSE");
    answer_send(p, "IMETHODRESPONSE", &out, begun, st, "");
    pending_free(p);
}

/* Takes p. */
static void modify(struct pending *p,
                   struct cim_broker *broker,
                   const struct cim_caller *caller,
                   const xmlNode *call,
                   const struct cim_path *target)
{
    struct cim_status st = {0};
    struct cim_modify *m = cim_alloc(&p->arena, sizeof *m);
    if (!m) {
        cim_fail(&st, CIM_ERR_FAILED, "out of memory");
    } else {
        m->caller = *caller;
        cimxml_read_modify(broker, &p->arena, call, target->ns, m, &st);
    }
    if (st.code == CIM_OK) {
        cim_broker_modify_instance(broker, m, on_modified, p);
        return;
    }
    on_modified(p, &st);
}

void cimxml_handle(struct cim_broker *broker,
                   const struct cim_caller *caller,
                   const struct cimxml_headers *headers,
                   const void *body,
                   size_t len,
                   cimxml_done done,
                   void *ctx)
{
    _cleanup_(pending_freep) struct pending *p = calloc(1, sizeof *p);
    _cleanup_(xmlFreeDocp) xmlDoc *doc = NULL;
    struct refusal no = check_headers(headers);
    xmlNode *call = NULL;
    struct cim_path target = {0};
    if (!p || no.http) {
        refuse(done, ctx, p ? no.http : 500, no.cim_error);
        return;
    }
    cim_arena_init(&p->arena, CIMXML_MEMORY_MAX);
    p->done = done;
    p->ctx = ctx;
    int r = xml_read(body, len, &doc, NULL);
    if (r < 0) {
        bool big = r == -VR_E_LIMIT && len > FRONT_XML_MAX_BYTES;
        refuse(done, ctx, big ? 413 : 400, "request-not-well-formed");
        return;
    }
    no = find_call(p, xmlDocGetRootElement(doc), &call);
    no = no.http ? no : find_target(p, call, &target);
    if (no.http == 0 && !headers_match(&p->arena, headers, p->method, &target)) {
        no = (struct refusal){400, "header-mismatch"};
    }
    if (no.http || cim_arena_failed(&p->arena)) {
        refuse(done, ctx, no.http ? no.http : 500, no.cim_error);
        return;
    }
    if (node_is(call, "METHODCALL")) {
        invoke(TAKE_PTR(p), broker, caller, call, &target);
    } else if (strcasecmp(p->method, "ModifyInstance") == 0) {
        modify(TAKE_PTR(p), broker, caller, call, &target);
    } else {
        intrinsic(p, broker, caller, call, &target);
    }
}
