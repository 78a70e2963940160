/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections that a granted PREFLIGHT left open, for the transfer it was asked for: over a long
 * line, connecting and shaking hands anew costs two round trips. A few, for seconds. Control thread
 * only.
 */
#pragma once
#include "model/model.h"
#include "net/tls.h"
#include "transport/link.h"

#define PARKED_MAX 8

struct parked {
    struct parked_link {
        struct link *link;       /* NULL: a free place */
        struct tls_creds *creds; /* what it was made with */
        char point[VR_HOST_MAX], identity[VR_HOST_MAX];
        uint64_t until_ms; /* vr_mono_ms */
    } slot[PARKED_MAX];
};

/* Closes the link when there is no place. take_creds: a reference. */
void parked_put(struct parked *p,
                struct link *take_link,
                struct tls_creds *take_creds,
                const char *point,
                const char *identity);
/* One that was made with these certificates to this host, now the caller's; NULL: none. The other
 * side may have closed it by now. */
struct link *parked_take(struct parked *p,
                         const struct tls_creds *creds,
                         const char *point,
                         const char *identity);
/* Closes those whose time is up. Returns the wall time (us) of the next; UINT64_MAX: there is none.
 */
uint64_t parked_tick(struct parked *p);
void parked_close_all(struct parked *p);
