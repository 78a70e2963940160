/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manifest of an export (docs/on-disk.md): what makes the files in a directory a generation of
 * a VM's disks that may be imported. It is written last, so files without one are no export. What
 * is read here came on somebody's medium: nothing in it is trusted beyond its limits.
 */
#pragma once
#include "block/stor.h"
#include "model/model.h"

#define MANIFEST_NAME "vmreplica-export"
#define MANIFEST_VERSION 1
#define MANIFEST_MAX_BYTES (64u << 10)
#define MANIFEST_NODE (1u << 20) /* bytes of a disk under one digest */
#define MANIFEST_DIGEST 32u      /* SHA-256 */

struct manifest_disk {
    char name[VR_NAME_MAX];
    char file[VR_NAME_MAX];    /* the image, raw */
    char digests[VR_NAME_MAX]; /* the SHA-256 of each node, one after the other */
    uint64_t size_bytes;
    uint8_t sha256[MANIFEST_DIGEST]; /* of the file of digests */
};

struct manifest {
    struct vr_uuid vm_id;
    char vm_name[VR_NAME_MAX];
    uint8_t rel_number;
    char host[VR_HOST_MAX]; /* which exported: the name in its certificate */
    struct vr_uuid instant;
    uint64_t instant_us;
    uint8_t consistency;             /* enum vr_consistency, of the instant */
    struct vr_generation generation; /* what a replica holds that imports this */
    uint32_t ndisks;
    struct manifest_disk disks[VR_DISKS_MAX];
};

/* NOT_FOUND; CORRUPT (damaged, or of a newer version: the text says which). */
VR_MUST_CHECK int manifest_read(struct stor *stor, struct manifest *ret, struct vr_err *err);
VR_MUST_CHECK int manifest_write(struct stor *stor, const struct manifest *m, struct vr_err *err);
/* The names of a disk's files. INVALID: the disk's name is too long for that. */
VR_MUST_CHECK int manifest_name_files(struct manifest_disk *d, struct vr_err *err);
uint64_t manifest_nodes(uint64_t size_bytes);
/* Does a zero byte follow another all over? */
bool manifest_is_zero(const void *p, size_t n);
VR_MUST_CHECK int
manifest_sha256(const void *p, size_t n, uint8_t ret[MANIFEST_DIGEST], struct vr_err *err);
