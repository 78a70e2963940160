/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CIM-XML (DSP0200, DSP0201): one HTTP request's headers and body in, an answer out. Pure: no
 * sockets, no authentication (the caller did that), no state between requests but what the broker
 * keeps: open enumerations. Control thread only.
 */
#pragma once
#include <stddef.h>

#include "cim/broker.h"
#include "front/xml/limits.h"

#define CIMXML_MEMORY_MAX (16 * 1024 * 1024) /* what one request's values may take */
#define CIMXML_EMBEDDED_DEPTH_MAX 3          /* instances in instances of a parameter */
#define CIMXML_ANSWER_MAX_BYTES (64 * 1024 * 1024)
#define CIMXML_PROPERTY_LIST_MAX 512
/* Why a method returned what it did, for a person; no client needs it */
#define CIMXML_REASON_HEADER "VMReplica-Reason"
#define CIMXML_PULL_MAX 1000 /* objects of one answer, whatever MaxObjectCount says */

/* NULL: the request had no such header. */
struct cimxml_headers {
    const char *cim_operation, *cim_method, *cim_object;
    const char *cim_protocol_version, *cim_batch, *content_type;
};

struct cimxml_header {
    const char *name, *value;
};

struct cimxml_answer {
    int http_status;
    struct cimxml_header headers[4]; /* Content-Type, CIMOperation or CIMError, ... */
    size_t nheaders;
    char *body; /* NUL-terminated; done frees it. NULL: none */
    size_t len;
};

/* Called exactly once for each cimxml_handle, perhaps before it returns. */
typedef void (*cimxml_done)(void *ctx, const struct cimxml_answer *answer);

/* Everything given is borrowed until this returns; broker until done. */
void cimxml_handle(struct cim_broker *broker,
                   const struct cim_caller *caller,
                   const struct cimxml_headers *headers,
                   const void *body,
                   size_t len,
                   cimxml_done done,
                   void *ctx);
