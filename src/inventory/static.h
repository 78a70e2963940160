/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of VMs: an INI file names the VMs of this host and their disks.
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

#define STATIC_VMS_MAX 10000

struct static_vms;

VR_MUST_CHECK int static_load(const char *path, struct static_vms **ret, struct vr_err *err);
/* Reads the file again. On an error the old contents stay; else pointers given out before are void.
 */
VR_MUST_CHECK int static_reload(struct static_vms *inv, struct vr_err *err);
void static_free(struct static_vms *inv);
DEFINE_CLEANUP(struct static_vms *, static_free)

/* False: no such VM. */
bool static_find(const struct static_vms *inv, const struct vr_uuid *id, struct vr_vm *ret);
/* Borrowed until the next reload; NULL: no such VM. */
const char *static_name(const struct static_vms *inv, const struct vr_uuid *id);
size_t static_count(const struct static_vms *inv);
/* The i-th in the order of the file, NULL past the end. Borrowed until the next reload. */
const struct vr_uuid *static_id_at(const struct static_vms *inv, size_t i);
