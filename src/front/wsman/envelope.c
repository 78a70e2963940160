/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The headers of a request, and the frame of an answer. Elements are known by namespace and local
 * name, whatever the prefix; our own prefixes are always the same, since some clients look for
 * them by their letters: s, a, n, w, p, x, xsi, cim.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "front/wsman/internal.h"
#include "util/num.h"
#include "util/uuid.h"

/* X(name, namespace, local name): the headers that are understood */
#define HEADERS(X)                                                                                 \
    X(ACTION, NS_A, "Action")                                                                      \
    X(TO, NS_A, "To")                                                                              \
    X(MESSAGE_ID, NS_A, "MessageID")                                                               \
    X(REPLY_TO, NS_A, "ReplyTo")                                                                   \
    X(FAULT_TO, NS_A, "FaultTo")                                                                   \
    X(FROM, NS_A, "From")                                                                          \
    X(RESOURCE_URI, NS_W, "ResourceURI")                                                           \
    X(SELECTORS, NS_W, "SelectorSet")                                                              \
    X(OPTIONS, NS_W, "OptionSet")                                                                  \
    X(MAX_ENVELOPE, NS_W, "MaxEnvelopeSize")                                                       \
    X(TIMEOUT, NS_W, "OperationTimeout")                                                           \
    X(LOCALE, NS_W, "Locale")                                                                      \
    X(FRAGMENT, NS_W, "FragmentTransfer")                                                          \
    X(TOTAL, NS_W, "RequestTotalItemsCountEstimate")                                               \
    X(DATA_LOCALE, NS_P, "DataLocale")                                                             \
    X(SESSION_ID, NS_P, "SessionId")                                                               \
    X(OPERATION_ID, NS_P, "OperationID")                                                           \
    X(SEQUENCE_ID, NS_P, "SequenceId")                                                             \
    X(ACTIVITY_ID, NS_P, "ActivityId")

enum {
#define X(name, ...) H_##name,
    HEADERS(X)
#undef X
    H_COUNT
};

static const struct {
    const char *ns, *name;
} headers[H_COUNT] = {
#define X(id, ns, name) {ns, name},
    HEADERS(X)
#undef X
};

enum {
    ADDRESSING,
    ENUMERATION,
    TRANSFER,
    WSMAN
};

static const char *const fault_actions[] = {[ADDRESSING] = NS_A "/fault",
                                            [ENUMERATION] = NS_N "/fault",
                                            [TRANSFER] = NS_X "/fault",
                                            [WSMAN] = WSMAN_PROTOCOL "/fault"};

static const struct {
    const char *subcode, *code;
    int action;
    unsigned windows;
} faults[] = {[WSF_NONE] = {0},
#define X(name, subcode, code, action, windows) [WSF_##name] = {subcode, code, action, windows},
              WSMAN_FAULTS(X)
#undef X
};

void wsman_fail(
    struct wsman_call *c, enum wsman_fault_kind kind, const char *detail, const char *fmt, ...)
{
    va_list ap;
    if (c->fault != WSF_NONE) {
        return;
    }
    c->fault = kind;
    c->fault_detail = detail;
    va_start(ap, fmt);
    vsnprintf(c->fault_text, sizeof c->fault_text, fmt, ap);
    va_end(ap);
}

void wsman_fail_cim(struct wsman_call *c, const struct cim_status *st)
{
    static const struct {
        int code;
        enum wsman_fault_kind kind;
        const char *detail;
    } rows[] = {
        {CIM_ERR_ACCESS_DENIED, WSF_ACCESS_DENIED, NULL},
        {CIM_ERR_INVALID_NAMESPACE, WSF_DESTINATION_UNREACHABLE, "InvalidNamespace"},
        {CIM_ERR_INVALID_PARAMETER, WSF_INVALID_PARAMETER, NULL},
        {CIM_ERR_INVALID_CLASS, WSF_DESTINATION_UNREACHABLE, "InvalidResourceURI"},
        {CIM_ERR_NOT_FOUND, WSF_DESTINATION_UNREACHABLE, NULL},
        {CIM_ERR_NOT_SUPPORTED, WSF_ACTION_NOT_SUPPORTED, NULL},
        {CIM_ERR_NO_SUCH_PROPERTY, WSF_INVALID_PARAMETER, "InvalidName"},
        {CIM_ERR_TYPE_MISMATCH, WSF_INVALID_PARAMETER, "TypeMismatch"},
        {CIM_ERR_QUERY_LANGUAGE_NOT_SUPPORTED, WSF_FILTER_DIALECT, NULL},
        {CIM_ERR_INVALID_QUERY, WSF_CANNOT_PROCESS_FILTER, NULL},
        {CIM_ERR_METHOD_NOT_AVAILABLE, WSF_ACTION_NOT_SUPPORTED, NULL},
        {CIM_ERR_METHOD_NOT_FOUND, WSF_ACTION_NOT_SUPPORTED, NULL},
        {CIM_ERR_INVALID_ENUMERATION_CONTEXT, WSF_INVALID_CONTEXT, NULL},
        {CIM_ERR_INVALID_OPERATION_TIMEOUT, WSF_EXPIRATION_TIME, NULL},
        {CIM_ERR_SERVER_LIMITS_EXCEEDED, WSF_QUOTA_LIMIT, NULL},
    };
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        if (rows[i].code == st->code) {
            wsman_fail(c, rows[i].kind, rows[i].detail, "%s", st->text);
        }
    }
    wsman_fail(c, WSF_INTERNAL_ERROR, NULL, "%s", st->text);
}

void wsman_fail_put(struct wsman_call *c, const struct cim_status *st)
{
    if (st->code == CIM_ERR_INVALID_PARAMETER || st->code == CIM_ERR_TYPE_MISMATCH ||
        st->code == CIM_ERR_NO_SUCH_PROPERTY) {
        wsman_fail(c, WSF_INVALID_REPRESENTATION, "InvalidValues", "%s", st->text);
    }
    wsman_fail_cim(c, st);
}

/* --- nodes --- */

bool node_in(const xmlNode *n, const char *ns, const char *name)
{
    return node_is(n, name) && n->ns && strcmp((const char *)n->ns->href, ns) == 0;
}

xmlNode *node_child(const xmlNode *n, const char *name)
{
    xmlNode *c = n ? node_first(n) : NULL;
    while (c && !node_is(c, name)) {
        c = node_next(c);
    }
    return c;
}

const char *node_token(struct cim_arena *a, const xmlNode *n)
{
    const char *s = n ? node_text(a, n) : NULL;
    if (!s) {
        return NULL;
    }
    s += strspn(s, " \t\r\n");
    size_t len = strlen(s);
    while (len && strchr(" \t\r\n", s[len - 1])) {
        len--;
    }
    return cim_strndup(a, s, len);
}

const char *node_any_attr(struct cim_arena *a, const xmlNode *n, const char *name)
{
    for (const xmlAttr *at = n->properties; at; at = at->next) {
        if (at->ns && strcmp((const char *)at->name, name) == 0) {
            xmlChar *s = xmlNodeListGetString(n->doc, at->children, 1);
            const char *copy = cim_strdup(a, s ? (const char *)s : "");
            xmlFree(s);
            return copy;
        }
    }
    return NULL;
}

static bool is_true(const char *s)
{
    return s && (strcmp(s, "true") == 0 || strcmp(s, "1") == 0);
}

/* Clients that ask for precise arrays say IsNullArray of one. */
bool node_is_nil(struct cim_arena *a, const xmlNode *n)
{
    return is_true(node_any_attr(a, n, "nil")) || is_true(node_any_attr(a, n, "IsNullArray"));
}

/* --- headers --- */

static int header_of(const xmlNode *n)
{
    int i = 0;
    while (i < H_COUNT && !node_in(n, headers[i].ns, headers[i].name)) {
        i++;
    }
    return i;
}

/* All of them by what they are. */
static void sort_headers(struct wsman_call *c, const xmlNode *header, xmlNode **found)
{
    for (xmlNode *n = header ? node_first(header) : NULL; n; n = node_next(n)) {
        int i = header_of(n);
        if (i == H_COUNT) {
            if (is_true(node_any_attr(&c->arena, n, "mustUnderstand"))) {
                wsman_fail(c, WSF_MUST_UNDERSTAND, NULL, "the header %.60s is not understood",
                           (const char *)n->name);
            }
        } else if (found[i]) {
            wsman_fail(c, WSF_INVALID_HEADER, NULL, "the header %s is there twice",
                       headers[i].name);
        } else {
            found[i] = n;
        }
    }
}

static const char *header_text(struct wsman_call *c, const xmlNode *n)
{
    const char *s = node_token(&c->arena, n);
    if (n && (!s || !*s || strlen(s) > WSMAN_TEXT_MAX)) {
        wsman_fail(c, WSF_INVALID_HEADER, NULL,
                   "the header %.60s is not a text of 1 to %d characters", (const char *)n->name,
                   WSMAN_TEXT_MAX);
        return NULL;
    }
    return s;
}

/* An answer goes back on the connection it came by, and nowhere else. */
static void check_reply_to(struct wsman_call *c, const xmlNode *n)
{
    const char *to = n ? node_token(&c->arena, node_child(n, "Address")) : NULL;
    if (n && (!to || strcmp(to, WSMAN_ANONYMOUS) != 0)) {
        wsman_fail(c, WSF_UNSUPPORTED_FEATURE, "AddressingMode",
                   "%s can only be the anonymous address", (const char *)n->name);
    }
}

static void read_max_envelope(struct wsman_call *c, const xmlNode *n)
{
    const char *s = node_token(&c->arena, n);
    uint64_t bytes = WSMAN_ENVELOPE_DEFAULT;
    if (n && (!s || !vr_parse_u64(s, 0, UINT64_MAX, &bytes))) {
        wsman_fail(c, WSF_INVALID_HEADER, NULL, "MaxEnvelopeSize is no number");
    } else if (bytes < WSMAN_ENVELOPE_MIN) {
        wsman_fail(c, WSF_ENCODING_LIMIT, "MinimumEnvelopeLimit",
                   "MaxEnvelopeSize must be %d or more", WSMAN_ENVELOPE_MIN);
    }
    c->max_envelope = (uint32_t)VR_MIN(bytes, (uint64_t)WSMAN_ENVELOPE_MAX);
}

static void read_timeout(struct wsman_call *c, const xmlNode *n)
{
    uint64_t us;
    const char *s = node_token(&c->arena, n);
    if (n && (!s || !wsman_duration(s, &us))) {
        wsman_fail(c, WSF_INVALID_HEADER, NULL, "OperationTimeout is no duration");
    }
}

/* The options of classes: what is not said is as if it were true, but for IncludeClassOrigin. */
static bool read_option(struct wsman_call *c, const xmlNode *n, const char *name)
{
    struct wsman_class_form *f = &c->class_form;
    const char *text = node_token(&c->arena, n);
    bool yes = is_true(text), no = text && (strcmp(text, "false") == 0 || strcmp(text, "0") == 0);
    if (!c->names.classes || !name) {
        return false;
    }
    if (strcmp(name, "IncludeQualifiers") == 0) {
        f->no_qualifiers = no;
    } else if (strcmp(name, "IncludeInheritedElements") == 0) {
        f->local_only = no;
    } else if (strcmp(name, "IncludeClassOrigin") == 0) {
        f->origin = yes;
    } else if (strcmp(name, "IncludeInheritanceHierarchy") != 0) {
        return false; /* that one: SUPERCLASS is always there */
    }
    if (!yes && !no) {
        wsman_fail(c, WSF_INVALID_OPTIONS, "InvalidValues", "the option %s is true or false", name);
    }
    return true;
}

/* One that must be complied with has to be known. */
static void read_options(struct wsman_call *c, const xmlNode *set)
{
    for (xmlNode *n = set ? node_first(set) : NULL; n; n = node_next(n)) {
        const char *name = node_attr(&c->arena, n, "Name");
        if (!read_option(c, n, name) && is_true(node_attr(&c->arena, n, "MustComply"))) {
            wsman_fail(c, WSF_INVALID_OPTIONS, "NotSupported", "the option '%.60s' is not known",
                       name ? name : "");
        }
    }
}

static void read_target(struct wsman_call *c, const xmlNode *selectors)
{
    const char *ns = NULL;
    if (!wsman_read_uri(&c->arena, c->uri, &c->names, &c->target.class_name)) {
        wsman_fail(c, WSF_DESTINATION_UNREACHABLE, "InvalidResourceURI",
                   "the resource URI is none that is served here");
        return;
    }
    const char *wrong =
        selectors ? wsman_read_selectors(&c->arena, selectors, 0, &c->target, &ns) : NULL;
    if (wrong) {
        wsman_fail(c, WSF_INVALID_SELECTORS, NULL, "%s", wrong);
    }
    if (ns && c->names.ns && !cim_ns_eq(ns, c->names.ns)) {
        wsman_fail(c, WSF_INVALID_SELECTORS, "UnexpectedSelectors",
                   "__cimnamespace and the resource URI name different namespaces");
    }
    if (!c->names.ns) {
        c->names.ns = ns ? ns : DEFAULT_NAMESPACE;
    }
}

static void require(struct wsman_call *c, xmlNode *const *found)
{
    static const int required[] = {H_ACTION, H_MESSAGE_ID, H_TO, H_REPLY_TO};
    for (size_t i = 0; i < VR_COUNT(required); i++) {
        if (!found[required[i]]) {
            wsman_fail(c, WSF_HEADER_REQUIRED, NULL, "the header %s is missing",
                       headers[required[i]].name);
        }
    }
    if (!found[H_RESOURCE_URI]) {
        wsman_fail(c, WSF_DESTINATION_UNREACHABLE, "InvalidResourceURI",
                   "the header ResourceURI is missing");
    }
}

void wsman_read_envelope(struct wsman_call *c, const xmlNode *root)
{
    xmlNode *found[H_COUNT] = {NULL};
    c->max_envelope = WSMAN_ENVELOPE_DEFAULT;
    if (!node_in(root, NS_S, "Envelope")) {
        wsman_fail(c, node_is(root, "Envelope") ? WSF_VERSION_MISMATCH : WSF_SCHEMA_VALIDATION,
                   NULL, "not an envelope of SOAP 1.2");
        return;
    }
    xmlNode *header = node_first(root);
    xmlNode *body = node_in(header, NS_S, "Header") ? node_next(header) : header;
    header = body == header ? NULL : header;
    if (!node_in(body, NS_S, "Body") || node_next(body)) {
        wsman_fail(c, WSF_SCHEMA_VALIDATION, NULL, "the envelope is not one Header and one Body");
        return;
    }
    sort_headers(c, header, found);
    c->body = node_first(body);
    c->id = header_text(c, found[H_MESSAGE_ID]);
    c->identify = node_in(c->body, NS_ID, "Identify");
    c->action = header_text(c, found[H_ACTION]);
    c->uri = header_text(c, found[H_RESOURCE_URI]);
    c->want_total = found[H_TOTAL] != NULL;
    if (!c->identify) {
        require(c, found);
    }
    check_reply_to(c, found[H_REPLY_TO]);
    check_reply_to(c, found[H_FAULT_TO]);
    read_max_envelope(c, found[H_MAX_ENVELOPE]);
    read_timeout(c, found[H_TIMEOUT]);
    if (!c->identify && c->fault == WSF_NONE) {
        read_target(c, found[H_SELECTORS]);
    }
    read_options(c, found[H_OPTIONS]);
    c->fragment = found[H_FRAGMENT];
    if (cim_arena_failed(&c->arena)) {
        wsman_fail(c, WSF_QUOTA_LIMIT, NULL, "the request needs too much memory");
    }
}

/* --- answers --- */

static void put_header(const struct wsman_call *c, struct vr_buf *b, const char *action)
{
    char text[VR_UUID_TEXT_LEN];
    struct vr_uuid id = vr_uuid_new();
    vr_buf_text(b, "<s:Envelope xmlns:s=\"" NS_S "\" xmlns:a=\"" NS_A "\" xmlns:n=\"" NS_N
                   "\" xmlns:x=\"" NS_X "\" xmlns:w=\"" NS_W "\" xmlns:cim=\"" NS_CIM
                   "\" xmlns:xsi=\"" NS_XSI "\"><s:Header><a:Action>");
    put_escaped(b, action);
    vr_buf_printf(b, "</a:Action><a:MessageID>uuid:%s</a:MessageID>", vr_uuid_text(&id, text));
    vr_buf_text(b, "<a:To>" WSMAN_ANONYMOUS "</a:To>");
    if (c->id) {
        vr_buf_text(b, "<a:RelatesTo>");
        put_escaped(b, c->id);
        vr_buf_text(b, "</a:RelatesTo>");
    }
}

void wsman_begin_fragment(const struct wsman_call *c,
                          struct vr_buf *b,
                          const char *action,
                          const struct wsman_fragment *f)
{
    put_header(c, b, action);
    vr_buf_text(b, "<w:FragmentTransfer s:mustUnderstand=\"true\">");
    put_escaped(b, f->path);
    vr_buf_text(b, "</w:FragmentTransfer></s:Header><s:Body>");
}

void wsman_begin(const struct wsman_call *c, struct vr_buf *b, const char *action, int64_t total)
{
    put_header(c, b, action);
    if (total >= 0) {
        vr_buf_printf(b, "<w:TotalItemsCountEstimate>%lld</w:TotalItemsCountEstimate>",
                      (long long)total);
    }
    vr_buf_text(b, "</s:Header><s:Body>");
}

static void put_fault(const struct wsman_call *c, struct vr_buf *b)
{
    const char *code = faults[c->fault].code, *subcode = faults[c->fault].subcode;
    wsman_begin(c, b, fault_actions[faults[c->fault].action], -1);
    vr_buf_printf(b, "<s:Fault><s:Code><s:Value>%s</s:Value>", code);
    if (subcode) {
        vr_buf_printf(b, "<s:Subcode><s:Value>%s</s:Value></s:Subcode>", subcode);
    }
    vr_buf_text(b, "</s:Code><s:Reason><s:Text xml:lang=\"en-US\">");
    put_escaped(b, c->fault_text);
    vr_buf_text(b, "</s:Text></s:Reason><s:Detail>");
    if (c->fault_detail) {
        vr_buf_printf(b, "<w:FaultDetail>" WSMAN_DETAIL "%s</w:FaultDetail>", c->fault_detail);
    }
    vr_buf_printf(b, "<f:WSManFault xmlns:f=\"" NS_F "\" Code=\"%u\"", faults[c->fault].windows);
    put_attr(b, "Machine", c->broker->server);
    vr_buf_text(b, "><f:Message>");
    put_escaped(b, c->fault_text);
    vr_buf_text(b, "</f:Message></f:WSManFault></s:Detail></s:Fault>");
}

void wsman_end(struct wsman_call *c, struct vr_buf *b)
{
    if (c->fault == WSF_NONE && (b->failed || b->len + sizeof WSMAN_TAIL > c->max_envelope)) {
        wsman_fail(c, WSF_ENCODING_LIMIT, c->acted ? "UnreportableSuccess" : "MaxEnvelopeSize",
                   "the answer is larger than %u bytes%s", c->max_envelope,
                   c->acted ? "; what was asked for is done" : "");
    }
    if (c->fault != WSF_NONE) {
        vr_buf_reset(b);
        put_fault(c, b);
    }
    vr_buf_text(b, WSMAN_TAIL);
    struct wsman_answer a = {.http_status = c->fault == WSF_NONE ? 200 : 500, .len = b->len};
    a.body = vr_buf_steal(b);
    if (!a.body) {
        a = (struct wsman_answer){.http_status = 500};
        vr_buf_deinit(b);
    }
    c->done(c->ctx, &a);
}
