/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The disks of a VM of this host's inventory, frozen at one instant: those of a VM of the file by
 * QEMU's shared, no-writer lock, so that while they are open nobody who honours it writes them;
 * those of libvirt's by what inventory/instant.h does. One thread.
 */
#pragma once
#include "block/dev.h"
#include "inventory/instant.h"
#include "model/model.h"
#include "resync/hint.h"

struct frozen_disk {
    struct block_dev *dev;
    int fd; /* holds the lock; -1: none */
    uint64_t size, mtime_ns, ctime_ns;
    bool is_block; /* a block device: times say nothing */
};

struct frozen_disks {
    uint32_t n; /* included disks, in the order of the VM */
    struct frozen_disk disk[VR_DISKS_MAX];
    struct instant *instant; /* a VM of libvirt; else NULL */
    enum vr_consistency consistency;
    char freeze_text[VR_TEXT_MAX]; /* as instant_freeze_text */
    uint64_t frozen_us;            /* as instant_frozen_us */
    uint64_t rest_us;              /* owed to a guest whose writes take long */
};

/* Who keeps the images as they are. */
enum disks_held {
    DISKS_LOCK,   /* we lock them */
    DISKS_HELD,   /* somebody holds the locks for us: a replica */
    DISKS_WATCHED /* nobody may: a VM of libvirt that is off */
};

/*
 * Opens the included disks and fills in their sizes. NOT_FOUND: an image is missing. BUSY: somebody
 * writes it. UNSUPPORTED: a block device that we lock, of a VM that is not `quiesced`.
 */
VR_MUST_CHECK int disks_freeze(struct vr_vm *vm,
                               enum disks_held held,
                               const char *run_dir,
                               struct frozen_disks *ret,
                               struct vr_err *err);
/* Of a VM of libvirt, which may run. May block in libvirt: lanes only. Errors as instant_begin. */
VR_MUST_CHECK int disks_freeze_libvirt(struct vr_vm *vm,
                                       const struct instant_params *p,
                                       const char *run_dir,
                                       struct frozen_disks *ret,
                                       struct vr_err *err);
/* From here on each disk is read at no more than bytes_s; 0: as fast as it goes. */
VR_MUST_CHECK int disks_limit(struct frozen_disks *d, uint64_t bytes_s, struct vr_err *err);
/* Are the disks still frozen, as far as is known? Costs nothing. */
VR_MUST_CHECK int disks_look(const struct frozen_disks *d, struct vr_err *err);
/* When everything was read. BUSY: something wrote a disk since it was frozen, without honouring the
 * lock. TIMEOUT, NOSPACE: as instant_look. */
VR_MUST_CHECK int
disks_check(const struct frozen_disks *d, const struct vr_vm *vm, struct vr_err *err);
/* As instant_ease; without an instant nobody can write them. */
struct vr_ease disks_ease(const struct frozen_disks *d);
/* After each step of reading, which took took_us: reads as gently from here on as the guest needs,
 * and rests, until wake (a descriptor; -1: none) is readable at the longest. */
void disks_give_way(struct frozen_disks *d, uint64_t took_us, int wake);
/* As instant_explain. */
int disks_explain(const struct frozen_disks *d, int r, struct vr_err *err);
/*
 * What of the disks of `open` may have changed since open.history[0]. *ret NULL: of no disk more is
 * known than that. ret_why: the disks that must be compared whole, each with the reason.
 */
VR_MUST_CHECK int disks_hint(const struct frozen_disks *d,
                             const struct vr_vm *vm,
                             const struct vr_peer_request *open,
                             struct hint **ret,
                             char ret_why[VR_TEXT_MAX],
                             struct vr_err *err);
/* As instant_keep_mark. */
void disks_keep_mark(const struct frozen_disks *d);
/* Nothing is read any more: lets a running guest go on without copying for us. */
void disks_release(struct frozen_disks *d);
void disks_thaw(struct frozen_disks *d);
/*
 * disks_freeze for a moment, without opening the images: sizes come from their headers
 * (block/image_size.h), so nobody waits for a child. ret_stamp: equal stamps, equal contents
 * and, of a replica, the same definition. Zeroes when that cannot be said: of block devices, of
 * images with a backing or data file or of a format other than raw and qcow2, and when one was
 * changed so lately that the next change may leave the same times.
 */
VR_MUST_CHECK int disks_peek(struct vr_vm *vm,
                             enum disks_held held,
                             uint8_t ret_stamp[VR_STAMP_BYTES],
                             struct vr_err *err);
/* Fills in the sizes of included disks from what lies there, for display: nothing is
 * locked, and what cannot be read stays 0. */
void disks_guess_sizes(struct vr_vm *vm);
