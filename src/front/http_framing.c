/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a request ends must be beyond doubt: a proxy in front of us that reads two lengths, or a
 * length and chunks, another way than we do would let one client's bytes become another's request.
 * The HTTP library is lenient there, so whatever RFC 9112 calls ambiguous is refused here, before
 * authentication, and the connection is closed. A header that says who calls, or whom, must not be
 * there twice either. The lines between chunks are not seen here, so behind a chunked body no
 * further request is read (http_request.chunked).
 *
 * Two things cannot be told, as nothing shows them afterwards: to the library NUL LF ends a line as
 * CR LF does, and a line that begins with NUL is empty; and LF with a line of nothing but a colon
 * is what CR LF CR LF is. tests/fuzz/httpwire.c knows these two and no others.
 */
#include "front/http_impl.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "util/num.h"

#define HEADERS_MAX 128

struct seen {
    unsigned headers, lengths, codings, hosts, authorizations, types;
    const char *coding;
    const char *next; /* where the next header must begin: see gap_ok */
    const char *fault;
};

static bool is_token(const char *s)
{
    static const char other[] = "!#$%&'*+-.^_`|~";
    const char *p = s;
    while ((*p >= '0' && *p <= '9') || (*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z') ||
           (*p && strchr(other, *p))) {
        p++;
    }
    return p != s && *p == '\0';
}

static bool is_value(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return true;
}

/*
 * The library parses in place: a header's name begins two bytes, CR LF, behind the value before it.
 * It takes LF or CR alone for the same, and loses headers that are continued on the next line, both
 * without a word; then the distance is another one.
 */
static bool gap_ok(struct seen *s, const char *name, const char *value, size_t value_len)
{
    bool ok = name == s->next;
    s->next = value + value_len + 2;
    return ok;
}

static enum MHD_Result look(void *cls,
                            enum MHD_ValueKind kind,
                            const char *name,
                            size_t name_len,
                            const char *value,
                            size_t value_len)
{
    const struct {
        const char *name;
        unsigned *count;
    } once[] = {
        {MHD_HTTP_HEADER_CONTENT_LENGTH, &((struct seen *)cls)->lengths},
        {MHD_HTTP_HEADER_TRANSFER_ENCODING, &((struct seen *)cls)->codings},
        {MHD_HTTP_HEADER_HOST, &((struct seen *)cls)->hosts},
        {MHD_HTTP_HEADER_AUTHORIZATION, &((struct seen *)cls)->authorizations},
        {MHD_HTTP_HEADER_CONTENT_TYPE, &((struct seen *)cls)->types},
    };
    struct seen *s = cls;
    if (++s->headers > HEADERS_MAX) {
        s->fault = "more than 128 headers";
    } else if (strlen(name) != name_len || !is_token(name)) {
        s->fault = "a header's name is not a token";
    } else if (value && !is_value(value, value_len)) {
        s->fault = "a header has control characters";
    }
    if (!value || !gap_ok(s, name, value, value_len)) {
        s->fault = "a header's line does not end with CR LF, or goes on in the next";
    }
    for (size_t i = 0; i < VR_COUNT(once); i++) {
        if (strcasecmp(name, once[i].name) == 0 && ++*once[i].count > 1) {
            s->fault = "a header that must be there once is there twice";
        }
    }
    if (strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0) {
        s->coding = value ? value : "";
    }
    return s->fault ? MHD_NO : MHD_YES;
}

/* A lone CR in the request's line is a character to the library, and the line's end to others.
 * Escaped ones are not told apart, and nothing here is called so. */
static bool line_ok(const struct http_request *r, const char *method)
{
    const char *query = (const char *)r->query.data;
    for (size_t i = 0; i < r->query.len; i++) { /* name NUL value NUL ... */
        if (query[i] && !is_value(&query[i], 1)) {
            return false;
        }
    }
    return is_token(method) && is_value(r->path, strlen(r->path));
}

/* The library counts the bytes from the method to the body; some versions instead, by mistake, from
 * the body back to the empty line. A line that begins with a colon ends the headers for it, too. */
static bool ends_well(struct MHD_Connection *connection, const char *method, const char *next)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    return info &&
           (info->header_size == (size_t)(next - method) + 2 || info->header_size == (size_t)-2);
}

const char *http_framing_fault(struct http_request *r,
                               struct MHD_Connection *connection,
                               const char *method,
                               const char *version)
{
    struct seen s = {.next = version + strlen(version) + 2};
    MHD_get_connection_values_n(connection, MHD_HEADER_KIND, look, &s);
    if (s.fault) {
        return s.fault;
    }
    if (!line_ok(r, method)) {
        return "the request's line has control characters, or its method is not a token";
    }
    if (!ends_well(connection, method, s.next)) {
        return "the headers do not end with CR LF CR LF";
    }
    if (s.codings && s.lengths) {
        return "Content-Length and Transfer-Encoding exclude each other";
    }
    if (s.codings && (!r->http11 || strcasecmp(s.coding, "chunked") != 0)) {
        return "the only Transfer-Encoding is chunked, of HTTP/1.1";
    }
    r->chunked = s.codings > 0;
    if (r->http11 && !s.hosts) {
        return "the Host header is missing";
    }
    return NULL;
}

void http_read_man(struct http_request *r)
{
    const char *man = http_header(r, "Man");
    for (const char *p = man; p && *p; p++) {
        if (strncasecmp(p, "ns", 2) != 0 || (p != man && !strchr("; \t", p[-1]))) {
            continue;
        }
        const char *v = p + 2 + strspn(p + 2, " \t");
        if (*v++ != '=') {
            continue;
        }
        v += strspn(v, " \t\"");
        if (strspn(v, "0123456789") >= 2) {
            snprintf(r->prefix, sizeof(r->prefix), "%.2s-", v);
            return;
        }
    }
}
