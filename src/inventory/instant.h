/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One instant of all disks of a VM of libvirt, for one transfer.
 *
 * A VM that runs gets a backup job in pull mode: QEMU exports what its disks were at one moment
 * through a Unix socket, and copies what the guest overwrites meanwhile into scratch files. A VM
 * that is shut off is not locked, since nobody may keep its user from starting it: its images are
 * read, libvirt's events say when that was not good enough.
 *
 * Everything here may block in libvirt; one thread uses an instant. A thread of the instant looks
 * every second that the scratch files leave room, and ends the job before they do not.
 */
#pragma once
#include "inventory/quiet.h"
#include "model/model.h"
#include "util/cleanup.h"
#include "util/err.h"

#define INSTANT_DIR_MAX 56 /* bytes of the directory's path: the sockets' names must fit */

/*
 * So that a later delta knows what a running VM changed since this instant: a checkpoint of
 * libvirt, of the disks whose images keep track of changes.
 */
struct instant_mark {
    bool wanted;
    bool since;              /* of this instant: what changed since `holds` */
    struct vr_uuid makes;    /* the generation that may come of it, by which the mark is called */
    struct vr_uuid holds;    /* what the replica holds, as far as is known */
    struct vr_uuid proposed; /* or this; the marks of all others are of no use any more */
};

struct instant_params {
    char uri[VR_PATH_MAX];
    char dir[INSTANT_DIR_MAX]; /* sockets and scratch files; QEMU writes there */
    uint64_t reserve_bytes;    /* what scratch files leave free */
    struct instant_mark mark;
    bool freeze;            /* ask the guest's agent; an instant without is better than none */
    uint32_t freeze_s;      /* the bound for the agent */
    uint32_t write_latency; /* struct ease.factor */
    struct quiet *quiet;    /* borrowed until the instant's end */
};

#define INSTANT_BITMAP "qemu:dirty-bitmap:backup-" /* libvirt's name for it */

struct instant;

/*
 * vm: the disks that take part. Sizes are not looked at.
 * TIMEOUT: not now (libvirt is away, another backup job runs, the disks just changed), but later.
 * NOSPACE: no room for scratch files. NOT_FOUND: no such domain.
 */
VR_MUST_CHECK int instant_begin(const struct instant_params *p,
                                const struct vr_vm *vm,
                                struct instant **ret,
                                struct vr_err *err);
/* The socket whose exports have the disks' names; NULL: the VM is off, read its images. */
const char *instant_socket(const struct instant *i);
enum vr_consistency instant_consistency(const struct instant *i);
/* Why freezing was of no avail; "": it was not tried, or was. */
const char *instant_freeze_text(const struct instant *i);
/* How long the guest was frozen for it, from the agent's answer to the thaw; 0: not at all. */
uint64_t instant_frozen_us(const struct instant *i);
/* What reading does to the guest's writes, and how much these are; of a VM that is off, zeroes.
 * Costs nothing. */
struct vr_ease instant_ease(const struct instant *i);
/* Is it still that instant, as far as is known? Costs nothing. TIMEOUT, NOSPACE: no, begin another
 * one. */
VR_MUST_CHECK int instant_look(struct instant *i, struct vr_err *err);
/* The same when everything was read: asks libvirt, too, where only that can tell. */
VR_MUST_CHECK int instant_verify(struct instant *i, struct vr_err *err);
/* A transfer failed with r: because of the instant? Then *err is that instead (TIMEOUT, NOSPACE),
 * and its kind is returned; else r. */
int instant_explain(struct instant *i, int r, struct vr_err *err);
/* Is it known what changed of a disk of the VM since mark.holds? Then its export "vda" has the
 * context INSTANT_BITMAP "vda", and what lies at *ret_size or beyond is new. Else *ret_why says why
 * not. */
bool instant_knows_changes(const struct instant *i,
                           uint32_t disk,
                           uint64_t *ret_size,
                           const char **ret_why);
/* Its generation may be the replica's by now: the mark outlives the instant. */
void instant_keep_mark(struct instant *i);
/* Ends the job, and lets a guest go on that our scratch files stopped. NULL is fine. */
void instant_end(struct instant *i);
DEFINE_CLEANUP(struct instant *, instant_end)
