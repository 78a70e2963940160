/* SPDX-License-Identifier: Apache-2.0 */
/* WS-Management as a handler of the HTTP server: front_handlers.wsman = wsman_http_handle,
 * wsman_ctx = the broker. */
#pragma once
#include "front/http.h"
#include "front/wsman/wsman.h"

/* What anybody gets who asks who is there, with the header WSMANIDENTIFY: http_config.open. */
extern const struct http_open wsman_http_identify;

/* ctx: struct cim_broker, which outlives every request. Control thread. */
void wsman_http_handle(void *ctx, struct http_request *r);
