/* SPDX-License-Identifier: Apache-2.0 */
#include "front/wsman/http.h"

#include <string.h>
#include <strings.h>

static void on_answer(void *ctx, const struct wsman_answer *a)
{
    http_reply(ctx, (unsigned)a->http_status, WSMAN_TYPE, a->body, a->len);
}

void wsman_http_handle(void *ctx, struct http_request *r)
{
    struct cim_caller who = {
        .user = http_user(r), .role = (int)http_role(r), .scope = http_scope(r)};
    size_t len;
    const char *body = http_body(r, &len);
    wsman_handle(ctx, &who, body, len, on_answer, r);
}

static bool is_identify(const struct http_request *r)
{
    static const char soap[] = "application/soap+xml";
    const char *path = http_path(r), *type = http_header(r, "Content-Type");
    return (strcmp(path, "/wsman") == 0 || strcmp(path, "/wsman/") == 0) && type &&
           strncasecmp(type, soap, strlen(soap)) == 0 && wsman_is_identify(http_body(r, NULL));
}

const struct http_open wsman_http_identify = {.header = "WSMANIDENTIFY",
                                              .value = "unauthenticated",
                                              .is_it = is_identify,
                                              .content_type = WSMAN_TYPE,
                                              .answer = wsman_identity};
