/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Definitions of virtual machines in libvirt: read from the primary, made and removed on a recovery
 * host. Everything here blocks in libvirt.
 */
#pragma once
#include "model/definition.h"
#include "model/model.h"
#include "util/cleanup.h"
#include "util/err.h"

/* As the generation carries it; owned bytes. */
struct read_definition {
    struct vr_definition d;
    char *xml;
    uint8_t *nvram;
};
void read_definition_free(struct read_definition *d);

/* The definition with which it would start next, without secrets. TIMEOUT: libvirt is away.
 * NOT_FOUND. LIMIT: its XML is larger than a generation carries. */
VR_MUST_CHECK int definition_read(const char *uri,
                                  const struct vr_uuid *vm,
                                  struct read_definition *ret,
                                  struct vr_err *err);

struct definer;

/* A connection to libvirt; TIMEOUT. dirs: directories of which a definition may name files, with
 * colons between them. */
VR_MUST_CHECK int
definer_open(const char *uri, const char *dirs, struct definer **ret, struct vr_err *err);
void definer_close(struct definer *d);
DEFINE_CLEANUP(struct definer *, definer_close)

struct define_params {
    struct vr_uuid vm;
    uint8_t number;
    const char *directory;
    const struct vr_vm *images;
    const struct vr_definition *definition;
};
/*
 * Defines the replica VM, or defines it anew where what it is made from has changed; what a person
 * changed stays until then. Never starts with the host. *ret says how it went, which is a state of
 * FAILED where another domain has its UUID or name, or libvirt refuses; TIMEOUT alone is an error.
 */
VR_MUST_CHECK int definer_define(struct definer *d,
                                 const struct define_params *p,
                                 struct vr_defined *ret,
                                 struct vr_err *err);
/* Looks only: is the replica VM of ours there, does it run? */
VR_MUST_CHECK int definer_look(struct definer *d,
                               const struct vr_uuid *vm,
                               bool *ret_ours,
                               bool *ret_running,
                               char ret_directory[VR_PATH_MAX],
                               struct vr_err *err);
/* Of a relationship that is no more. keep: the mark goes, and it is a VM like any other; so it is
 * when it runs or was saved. Else it is undefined, its images and NVRAM stay. One that is not ours
 * is not touched. *ret_kept: it is there. */
VR_MUST_CHECK int definer_remove(
    struct definer *d, const struct vr_uuid *vm, bool keep, bool *ret_kept, struct vr_err *err);
