/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The static inventory: an INI file names the VMs of this host and their disks.
 *
 *     [vm web-1]
 *     uuid = 8f3c2f0e-7a6b-4b57-9d0e-1f6a2b3c4d5e
 *     quiesced = no
 *     disk.vda = qcow2:/srv/vm/web-1.qcow2
 *     disk.vdb = raw:/dev/vg0/web-1-data
 *     exclude = vdb
 *
 * Every mistake is INVALID with file:line. One thread.
 */
#pragma once
#include "model/model.h"
#include "util/cleanup.h"
#include "util/err.h"

#define INVENTORY_VMS_MAX 2000

struct inventory;

VR_MUST_CHECK int inventory_load(const char *path, struct inventory **ret, struct vr_err *err);
/* Reads the file again. On an error the old contents stay; else pointers given out before are void.
 */
VR_MUST_CHECK int inventory_reload(struct inventory *inv, struct vr_err *err);
void inventory_free(struct inventory *inv);
DEFINE_CLEANUP(struct inventory *, inventory_free)

/* Borrowed until the next reload; NULL: no such VM. */
const struct vr_vm *inventory_find(const struct inventory *inv, const struct vr_uuid *id);
/* The i-th in the order of the file, NULL past the end. */
const struct vr_vm *inventory_at(const struct inventory *inv, size_t i);
