/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The disks of a VM of this host's inventory, frozen at one instant by QEMU's shared, no-writer
 * lock: while they are open nobody who honours it writes them. One thread.
 */
#pragma once
#include "block/dev.h"
#include "model/model.h"

struct frozen_disk {
    struct block_dev *dev;
    int fd; /* holds the lock; -1: none */
    uint64_t size, mtime_ns, ctime_ns;
    bool is_block; /* a block device: times say nothing */
};

struct frozen_disks {
    uint32_t n; /* included disks, in the order of the VM */
    struct frozen_disk disk[VR_DISKS_MAX];
};

/*
 * Opens the included disks and fills in their sizes. lock false: somebody holds the locks for us (a
 * replica). NOT_FOUND: an image is missing. BUSY: somebody writes it. UNSUPPORTED: a block device
 * of a VM that is not `quiesced`.
 */
VR_MUST_CHECK int disks_freeze(
    struct vr_vm *vm, bool lock, const char *run_dir, struct frozen_disks *ret, struct vr_err *err);
/* BUSY: something wrote a disk since it was frozen, without honouring the lock. */
VR_MUST_CHECK int
disks_check(const struct frozen_disks *d, const struct vr_vm *vm, struct vr_err *err);
void disks_thaw(struct frozen_disks *d);
/* Fills in the sizes of included raw and qcow2 disks from what lies there, for display: nothing is
 * locked, and what cannot be read stays 0. */
void disks_guess_sizes(struct vr_vm *vm);
