/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The definition of the VM beside a replica's images: one file with the bytes of a DEFINITION
 * (transport/msg.h), named by their SHA-256, so that a name says whether a file is whole. The
 * sidecar names the one that belongs to its generation. The NVRAM in it is laid out as a file of
 * its own, under a name of the same sum until its generation counts.
 */
#pragma once
#include "block/stor.h"
#include "model/definition.h"
#include "util/cleanup.h"
#include "util/err.h"

#define DEFINITION_PREFIX "domain-"
#define DEFINITION_NVRAM "nvram"         /* what the replica VM uses */
#define DEFINITION_NVRAM_PREFIX "nvram-" /* what it is to become */
#define DEFINITION_SUM 32                /* digits of the sum in a name */
#define DEFINITION_NAME_MAX 48

struct definition {
    char *bytes; /* owned */
    size_t len;
    struct vr_definition d; /* within bytes */
};
void definition_free(struct definition *d);
DEFINE_CLEANUP(struct definition *, definition_free)

bool definition_name_ok(const char *name);
/* Durable on return; nothing is written when the file is there already. */
VR_MUST_CHECK int definition_store(struct stor *stor,
                                   const void *p,
                                   size_t n,
                                   char ret_name[DEFINITION_NAME_MAX],
                                   struct vr_err *err);
/* CORRUPT: not what its name says. NOT_FOUND. */
VR_MUST_CHECK int
definition_load(struct stor *stor, const char *name, struct definition **ret, struct vr_err *err);

/* The definition that the replica's generation carries. NOT_FOUND: none, or a commit went by: ask
 * again then. Takes no lock and settles nothing. */
VR_MUST_CHECK int
replica_definition(struct stor *stor, struct definition **ret, struct vr_err *err);
struct replica;
/* Names what replica_definition gives; "": none. Another definition has another name. */
const char *replica_definition_name(const struct replica *r);
/* Was the replica in this directory ever failed over? Errors of the sidecar. */
VR_MUST_CHECK int replica_was_promoted(struct stor *stor, bool *ret, struct vr_err *err);
