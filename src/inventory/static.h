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

#define INVENTORY_VMS_MAX 10000

struct inventory;

VR_MUST_CHECK int inventory_load(const char *path, struct inventory **ret, struct vr_err *err);
/* Reads the file again. On an error the old contents stay; else pointers given out before are void.
 */
VR_MUST_CHECK int inventory_reload(struct inventory *inv, struct vr_err *err);
void inventory_free(struct inventory *inv);
DEFINE_CLEANUP(struct inventory *, inventory_free)

/* False: no such VM. */
bool inventory_find(const struct inventory *inv, const struct vr_uuid *id, struct vr_vm *ret);
/* Borrowed until the next reload; NULL: no such VM. */
const char *inventory_name(const struct inventory *inv, const struct vr_uuid *id);
size_t inventory_count(const struct inventory *inv);
/* The i-th in the order of the file, NULL past the end. Borrowed until the next reload. */
const struct vr_uuid *inventory_id_at(const struct inventory *inv, size_t i);
