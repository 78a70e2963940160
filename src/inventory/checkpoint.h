/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside inventory/ only: libvirt's checkpoints, by which QEMU keeps track of what a guest changes.
 * Ours are called vmreplica-UUID after the generation of the replica whose instant they were made
 * at, so a name is never used twice and says by itself what it is good for. One that is missing,
 * broken or of another generation costs a compare, nothing else: nothing here fails a transfer.
 */
#pragma once
#include "inventory/instant.h"
#include "inventory/virt_conn.h"

#define CHECKPOINT_NAME_MAX 64

/* Why all of a disk has to be compared. Texts continue "disk vda: ". */
#define CHECKPOINT_WHYS(X)                                                                         \
    X(KNOWN, "")                                                                                   \
    X(UNASKED, "nobody asked")                                                                     \
    X(OFF, "the virtual machine is off")                                                           \
    X(FORMAT, "an image of its format keeps no track of changes")                                  \
    X(VERSION, "a qcow2 image of version 2 keeps no track of changes")                             \
    X(NO_CHECKPOINT, "libvirt has no checkpoint of the replica's generation")                      \
    X(NOT_IN_IT, "it has no part in the checkpoint of the replica's generation")                   \
    X(BROKEN, "its bitmap is missing or inconsistent")                                             \
    X(SHRUNK, "it became smaller")                                                                 \
    X(NOT_TOLD, "QEMU does not tell its bitmap")

enum checkpoint_why {
#define X(name, text) CHECKPOINT_##name,
    CHECKPOINT_WHYS(X)
#undef X
};

struct checkpoint {
    char made[CHECKPOINT_NAME_MAX], base[CHECKPOINT_NAME_MAX]; /* "": none */
    /* by the disks of the VM: */
    bool tracked[VR_DISKS_MAX];            /* has part in what is made */
    enum checkpoint_why why[VR_DISKS_MAX]; /* KNOWN: what changed since base is known */
    uint64_t size[VR_DISKS_MAX], base_size[VR_DISKS_MAX];
};

/* What is to be made and what can be used. Deletes ours that are good for nothing any more. */
void checkpoint_prepare(virDomainPtr dom,
                        const struct vr_vm *vm,
                        const struct instant_mark *mark,
                        struct checkpoint *ret);
/* A job could not be begun: gives up some of what was asked for, by libvirt's last error. False: it
 * was not that, or nothing is left to give up. */
bool checkpoint_give_way(struct checkpoint *c, const struct vr_vm *vm);
const char *checkpoint_why_text(enum checkpoint_why why);
/* Deletes one of ours that may not be there, or whose bitmaps may not. */
void checkpoint_drop(virDomainPtr dom, const char *name);
/* Deletes all of ours. Of a domain that is off libvirt only forgets them: then `bitmap` is called
 * first with each name, to take it out of the images (NULL: they are kept until it runs). */
void checkpoint_drop_all(virDomainPtr dom, void (*bitmap)(void *ctx, const char *name), void *ctx);
bool checkpoint_has_any(virDomainPtr dom);
