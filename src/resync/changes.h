/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a commit changed: beside the sidecar, a small checksummed file for each of the last
 * generations of a replica, written before the commit's intent (docs/on-disk.md). The union of
 * those since the generation that an extended replica was made of is the hint of a transfer to it.
 *
 * INV-4: a generation has a file only if every node in which it differs from its parent is in it,
 * and both were as their commits left them. Whatever is not known is not there, and is compared.
 */
#pragma once
#include "block/stor.h"
#include "resync/hint.h"
#include "resync/sidecar.h"

struct changes;

#define CHANGES_KEPT 64u /* generations; an extended replica that is further behind is compared */
#define CHANGES_VERSION 1u
#define CHANGES_PREFIX "changes-"
#define CHANGES_NAME_MAX 72

/* The file's name: found by those who know a generation's successor, and old by its number. */
const char *changes_name(const struct vr_generation *g, char buf[CHANGES_NAME_MAX]);

/* Of a generation with these disks; nothing is marked. LIMIT: they have too many nodes. */
VR_MUST_CHECK int changes_new(const struct vr_uuid *vm,
                              uint8_t number,
                              const struct vr_generation *g,
                              const struct vr_disk *disks,
                              uint32_t ndisks,
                              struct changes **ret,
                              struct vr_err *err);
void changes_free(struct changes *c);
DEFINE_CLEANUP(struct changes *, changes_free)
/* As hint_mark. */
void changes_mark(struct changes *c, uint16_t disk, uint64_t off, uint64_t len);
/* Whole and durable on return. */
VR_MUST_CHECK int changes_write(struct stor *stor, const struct changes *c, struct vr_err *err);
/* NOT_FOUND. CORRUPT: damaged, of another version, or of another generation. */
VR_MUST_CHECK int changes_read(struct stor *stor,
                               const struct vr_generation *g,
                               struct changes **ret,
                               struct vr_err *err);
/* Removes the files of all but the last CHANGES_KEPT generations, and of those that never were. */
VR_MUST_CHECK int
changes_prune(struct stor *stor, const struct vr_generation *now, struct vr_err *err);
/* It is not known any more how this generation differs from its parent. Durable on return. */
VR_MUST_CHECK int
changes_forget(struct stor *stor, const struct vr_generation *g, struct vr_err *err);

/* Is the replica at a generation, and every image as its commit left it? Doubt is no. */
bool changes_untouched(struct stor *stor, const struct sidecar *sc);
/*
 * What may have changed on the disks of `open` between generation `from` (nil: not known) and
 * `held`, which the replica in this directory is to hold. *ret NULL: not known, and ret_why has
 * the reason. NOMEM.
 */
VR_MUST_CHECK int changes_since(struct stor *stor,
                                const struct vr_uuid *from,
                                const struct vr_uuid *held,
                                const struct vr_peer_request *open,
                                struct hint **ret,
                                char ret_why[VR_TEXT_MAX],
                                struct vr_err *err);
