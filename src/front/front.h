/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The front: one HTTP server and the routes of its services. Handlers run on the control thread
 * (http_config.post).
 *     POST, M-POST of application/xml or text/xml, to any other path   cimxml
 *     POST of application/soap+xml to /wsman, /wsman/                  wsman
 *     /api/v1/...                                                      rest
 *     GET /metrics                                                     metrics
 */
#pragma once
#include "front/http.h"

struct front_handlers {
    http_handler cimxml, wsman, rest, metrics; /* NULL: 404 */
    void *cimxml_ctx, *wsman_ctx, *rest_ctx, *metrics_ctx;
};

struct front;

/* config->route and route_ctx are ours. As http_start. */
VR_MUST_CHECK int front_start(const struct http_config *config,
                              const struct front_handlers *handlers,
                              struct front **ret,
                              struct vr_err *err);
void front_stop(struct front *f);
uint16_t front_port(const struct front *f, size_t i);
