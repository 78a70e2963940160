/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libvirt says of one domain while its disks are read, as signs that stay once they were seen.
 * libvirt's loop thread writes them; they are counted, since it may call back a moment after it was
 * told not to. Every function may be called from any thread.
 */
#pragma once

#include <libvirt/libvirt.h>

#include "util/err.h"

enum {
    SIGN_STARTED = 1, /* or resumed from a state: its disks are written again */
    SIGN_STOPPED = 2,
    SIGN_LOST = 4, /* the connection: other signs may be missing */
    SIGN_STUCK = 8 /* QEMU stopped the guest, since a write of its or of ours failed */
};

struct signs;

/* Without any. NULL: no memory. The caller's to unref. */
struct signs *signs_new(void);

/* NULL does nothing. Its type is what libvirt takes as virFreeCallback. */
void signs_unref(void *signs);

/* From now on what happens to dom, and to conn, is noted. *ret_event is for signs_unwatch.
 * Errors: of virt_fail. */
int signs_watch(
    struct signs *signs, virConnectPtr conn, virDomainPtr dom, int *ret_event, struct vr_err *err);

/* *event < 0: nothing of the domain is watched; it is afterwards. */
void signs_unwatch(virConnectPtr conn, int *event);

/* Was one of these seen? */
bool signs_saw(const struct signs *signs, unsigned which);
