/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WS-Management (DSP0226, DSP0227, DSP0230): one SOAP envelope in, one out. Pure, as cimxml.h is:
 * no sockets, no authentication (the caller did that), no state between requests but what the
 * broker keeps: open enumerations. Nobody is ever contacted because an envelope names an address.
 * Control thread only.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "cim/broker.h"
#include "front/xml/limits.h"

#define WSMAN_MEMORY_MAX (16 * 1024 * 1024) /* what one request's values may take */
#define WSMAN_TEXT_MAX 2048                 /* bytes of MessageID, Action, ResourceURI */
#define WSMAN_ENVELOPE_MIN 8192             /* of MaxEnvelopeSize: DSP0226 6.2 */
#define WSMAN_ENVELOPE_DEFAULT (512 * 1024) /* when the client says none */
#define WSMAN_ENVELOPE_MAX (8 * 1024 * 1024)
#define WSMAN_ITEMS_MAX 1000  /* objects of one answer, whatever MaxElements says */
#define WSMAN_EPR_DEPTH_MAX 3 /* references in the keys of references */
#define WSMAN_TYPE "application/soap+xml;charset=UTF-8"

/* The answer to Identify: always the same, and nothing in it that tells of this host or version. */
extern const char wsman_identity[];
/* Is this, a text of any kind, a question for it? Cheap: nothing is parsed. */
bool wsman_is_identify(const char *body);

struct wsman_answer {
    int http_status; /* 200, or 500 for a fault */
    char *body;      /* NUL-terminated, an envelope; done frees it. NULL: no memory for one */
    size_t len;
};

/* Called exactly once for each wsman_handle, perhaps before it returns. */
typedef void (*wsman_done)(void *ctx, const struct wsman_answer *answer);

/* Everything given is borrowed until this returns; broker until done. */
void wsman_handle(struct cim_broker *broker,
                  const struct cim_caller *caller,
                  const void *body,
                  size_t len,
                  wsman_done done,
                  void *ctx);
