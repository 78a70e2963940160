/* SPDX-License-Identifier: Apache-2.0 */
/* CIM-XML as a handler of the HTTP server: front_handlers.cimxml = cimxml_http_handle, cimxml_ctx =
 * the broker. */
#pragma once
#include "front/cimxml/cimxml.h"
#include "front/http.h"

/* ctx: struct cim_broker, which outlives every request. Control thread. */
void cimxml_http_handle(void *ctx, struct http_request *r);
