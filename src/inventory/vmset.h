/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VMs by their ids, as they are told one by one. Of a VM only the disks that it has are kept (1.2
 * KiB each): a host may have thousands. One thread.
 */
#pragma once
#include "model/model.h"
#include "util/cleanup.h"
#include "util/err.h"

#define VMSET_MAX 10000

struct vmset;

VR_MUST_CHECK int vmset_new(struct vmset **ret, struct vr_err *err);
void vmset_free(struct vmset *set);
DEFINE_CLEANUP(struct vmset *, vmset_free)

/* Adds a copy of it, or puts it in the place of the one with its id. *ret_changed (may be NULL): it
 * was not there, or different. LIMIT: VMSET_MAX. */
VR_MUST_CHECK int
vmset_put(struct vmset *set, const struct vr_vm *vm, bool *ret_changed, struct vr_err *err);
/* False: there was none. */
bool vmset_remove(struct vmset *set, const struct vr_uuid *id);
/* Fills *ret (may be NULL); false: no such VM. */
bool vmset_find(const struct vmset *set, const struct vr_uuid *id, struct vr_vm *ret);
/* Borrowed until the set changes; NULL: no such VM. */
const char *vmset_name(const struct vmset *set, const struct vr_uuid *id);
size_t vmset_count(const struct vmset *set);
/* The i-th in the order of ids, NULL past the end. Borrowed until the set changes. */
const struct vr_uuid *vmset_id_at(const struct vmset *set, size_t i);
