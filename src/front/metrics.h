/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /metrics: the relationships in Prometheus' text format, version 0.0.4, by the names of
 * model/metrics.h. What is told is one instant, copied on the control thread (some hundred bytes a
 * relationship); the text is made while it is sent.
 */
#pragma once
#include "front/http.h"
#include "model/api.h"

struct metrics {
    const struct api_ops *ops;
    void *ops_ctx;
    const char *version;      /* of the program */
    uint64_t (*now_us)(void); /* wall clock */
};

/* An http_handler; ctx is the struct metrics, which must outlive every request. */
void metrics_handle(void *ctx, struct http_request *r);
