/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside inventory/ only: the guest's agent freezes its file systems and thaws them.
 *
 * An agent may hang, and libvirt with it. So the calls are made by a thread of their own, which
 * thaws on every path: when it is told to, when the bound has passed, and when a freeze that nobody
 * waits for any more returns after all. Before the freeze it leaves a mark in a file, which goes
 * with the thaw: whoever finds one (freeze_thaw_marked) knows of a daemon that ended in between.
 */
#pragma once
#include "inventory/virt_conn.h"

struct freeze;

/* Waits until the guest is frozen, at most bound_s and a little. Any error: it is not, or will be
 * thawed by itself as soon as it is. dom is borrowed for the call. */
VR_MUST_CHECK int freeze_begin(
    virDomainPtr dom, const char *mark, unsigned bound_s, struct freeze **ret, struct vr_err *err);
/* Thaws and frees. False: it was thawed before, since the bound had passed. NULL: false. */
bool freeze_end(struct freeze *f);
/* Thaws a guest that a former daemon left frozen, and removes the mark, whatever comes of it. */
VR_MUST_CHECK int
freeze_thaw_marked(virDomainPtr dom, const char *mark, unsigned bound_s, struct vr_err *err);
