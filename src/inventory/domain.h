/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libvirt's XML of a domain says, as a VM. Pure: no libvirt, no files.
 *
 * Disks that cannot be replicated are kept with `left_out`, behind the others. A VM that cannot be
 * protected at all is no error: `refused` says why.
 */
#pragma once
#include "model/model.h"
#include "util/err.h"

#define DOMAIN_XML_MAX (4u << 20)
/* The mark of replicas that vmreplica defined, in the domain's metadata. */
#define DOMAIN_REPLICA_NS "urn:vmreplica:replica:1"

struct domain_rules {
    bool foreign; /* VMs that other managers own may be protected, too */
    /* The path of a storage pool's volume; false: not found. NULL: none is. */
    bool (*volume)(void *ctx, const char *pool, const char *volume, char *ret, size_t cap);
    void *ctx;
};

/* Fills everything but `running` and the sizes. INVALID: this is no domain. LIMIT: too large. */
VR_MUST_CHECK int domain_parse(const char *xml,
                               const struct domain_rules *rules,
                               struct vr_vm *ret,
                               struct vr_err *err);
