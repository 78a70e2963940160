/* SPDX-License-Identifier: Apache-2.0 */
/*
 * REST: JSON below /api/v1/, for the command line, the web page and scripts. Turns requests into
 * calls of struct api_ops and their answers into JSON; decides nothing. Every JSON has "schema":
 * "vmreplica/1". Errors are RFC 9457 problems with two more members: kind (the name of an error
 * kind) and code (the return value the CIM method would give).
 */
#pragma once
#include "front/http.h"
#include "model/api.h"

struct rest {
    const struct api_ops *ops;
    void *ops_ctx;
    const char *version; /* of the program */
};

/* An http_handler; ctx is the struct rest, which must outlive every request. */
void rest_handle(void *ctx, struct http_request *r);
