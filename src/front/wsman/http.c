/* SPDX-License-Identifier: Apache-2.0 */
#include "front/wsman/http.h"

static void on_answer(void *ctx, const struct wsman_answer *a)
{
    http_reply(ctx, (unsigned)a->http_status, WSMAN_TYPE, a->body, a->len);
}

void wsman_http_handle(void *ctx, struct http_request *r)
{
    struct cim_caller who = {.user = http_user(r), .role = (int)http_role(r)};
    size_t len;
    const char *body = http_body(r, &len);
    wsman_handle(ctx, &who, body, len, on_answer, r);
}
