/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which VMs this host has, and their disks: those of the file (static.h) and those that libvirt
 * told of (virt.h puts them in here). A VM of the file hides one of libvirt with its id. One
 * thread.
 */
#pragma once
#include "model/model.h"
#include "util/cleanup.h"
#include "util/err.h"

struct inventory;

/* path NULL: no file. */
VR_MUST_CHECK int inventory_load(const char *path, struct inventory **ret, struct vr_err *err);
/* Reads the file again. On an error the old contents stay; else pointers given out before are void.
 */
VR_MUST_CHECK int inventory_reload(struct inventory *inv, struct vr_err *err);
void inventory_free(struct inventory *inv);
DEFINE_CLEANUP(struct inventory *, inventory_free)

/* A VM that libvirt has, new or changed. LIMIT. */
VR_MUST_CHECK int inventory_put(struct inventory *inv, const struct vr_vm *vm, struct vr_err *err);
/* A VM that libvirt has no more. */
void inventory_remove(struct inventory *inv, const struct vr_uuid *id);

/* False: no such VM. */
bool inventory_find(const struct inventory *inv, const struct vr_uuid *id, struct vr_vm *ret);
/* Borrowed until the next change; NULL: no such VM. */
const char *inventory_name(const struct inventory *inv, const struct vr_uuid *id);
size_t inventory_count(const struct inventory *inv);
/* The i-th: those of the file in its order, then libvirt's; NULL past the end. Borrowed until the
 * next change. */
const struct vr_uuid *inventory_id_at(const struct inventory *inv, size_t i);
