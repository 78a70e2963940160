/* SPDX-License-Identifier: Apache-2.0 */
#include "front/cimxml/http.h"

#include <strings.h>

static void on_answer(void *ctx, const struct cimxml_answer *a)
{
    struct http_request *r = ctx;
    const char *type = "text/plain";
    for (size_t i = 0; i < a->nheaders; i++) {
        if (strcasecmp(a->headers[i].name, "Content-Type") == 0) {
            type = a->headers[i].value; /* static, as http_reply wants it */
        } else {
            http_reply_header(r, a->headers[i].name, a->headers[i].value);
        }
    }
    http_reply(r, (unsigned)a->http_status, type, a->body, a->len);
}

void cimxml_http_handle(void *ctx, struct http_request *r)
{
    struct cim_caller who = {
        .user = http_user(r), .role = (int)http_role(r), .scope = http_scope(r)};
    struct cimxml_headers h = {.cim_operation = http_header(r, "CIMOperation"),
                               .cim_method = http_header(r, "CIMMethod"),
                               .cim_object = http_header(r, "CIMObject"),
                               .cim_protocol_version = http_header(r, "CIMProtocolVersion"),
                               .cim_batch = http_header(r, "CIMBatch"),
                               .content_type = http_header(r, "Content-Type")};
    size_t len;
    const char *body = http_body(r, &len);
    cimxml_handle(ctx, &who, &h, body, len, on_answer, r);
}
