/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The primary's XML of a domain as that of the replica VM on this host. Pure: what is known of this
 * host comes through struct replica_host. What this host lacks is noted down and fails nothing: a
 * network that is missing stays named, so that whoever makes it needs to do no more; a device of
 * the primary's host is left out, since the same address is another device here.
 */
#pragma once
#include "model/definition.h"
#include "model/model.h"
#include "util/err.h"

struct replica_machine {
    const char *emulator, *arch, *machine, *type; /* NULL: not said */
};

struct replica_host {
    bool (*network)(void *ctx, const char *name);
    bool (*device)(void *ctx, const char *name); /* a bridge or another network device */
    bool (*file)(void *ctx, const char *path);
    bool (*allowed)(void *ctx, const char *path); /* may a definition name it? */
    bool (*machine)(void *ctx, const struct replica_machine *m);
    bool (*cpu)(void *ctx, const struct replica_machine *m, const char *cpu_xml);
    void *ctx;
};

struct replica_xml_params {
    struct vr_uuid vm;
    uint8_t number;             /* of the relationship */
    const char *directory;      /* of the replica */
    const struct vr_vm *images; /* with whole paths */
    const struct vr_definition *definition;
    const struct replica_host *host;
};

/* The mark of a replica VM of ours, in its metadata. */
struct replica_mark {
    uint8_t number;
    char directory[VR_PATH_MAX];
    uint64_t text; /* a sum of the XML that it was made from, without the mark */
};

/* *ret: to be freed. INVALID: no XML of this VM. */
VR_MUST_CHECK int replica_xml(const struct replica_xml_params *p,
                              char **ret,
                              struct replica_mark *ret_mark,
                              struct vr_definition_notes *notes,
                              struct vr_err *err);
/* The element as libvirt gives it. False: it is none of ours. */
bool replica_mark_read(const char *element, struct replica_mark *ret);
