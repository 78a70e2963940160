/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches libvirt: a thread of its own lists the domains, follows them by events, and tells of
 * every VM that is new, changed or gone. When libvirt goes away it connects again, later and later
 * (at most every 30 s); what was told stays true meanwhile.
 */
#pragma once
#include "inventory/instant.h"
#include "model/model.h"
#include "util/cleanup.h"
#include "util/err.h"

struct virt;

struct virt_watcher {
    char uri[VR_PATH_MAX];
    bool foreign;              /* VMs that other managers own may be protected, too */
    char dir[INSTANT_DIR_MAX]; /* of instants; what a former process left there is ended */
    /* Called on virt's thread. */
    void (*vm)(void *ctx, const struct vr_vm *vm);
    void (*gone)(void *ctx, const struct vr_uuid *id);
    /* up: every VM there is was told. Not up: why, and for how long a try is waited for is virt's
     * business. Each text once in a row. */
    void (*state)(void *ctx, bool up, const char *text);
    /* Does a VM's replication need the checkpoints that we made? Those of others are deleted: at
     * the start, when something happens to the domain, and now and then. NULL: they stay. */
    bool (*replicated)(void *ctx, const struct vr_uuid *id);
    /* Takes a checkpoint's bitmap out of an image that nobody uses, if it is there. NULL: never. */
    void (*drop_bitmap)(void *ctx, const char *path, const char *name);
    /* Backup jobs of a former process were ended, so many. NULL: of no interest. */
    void (*swept)(void *ctx, int jobs);
    void *ctx;
};

VR_MUST_CHECK int virt_start(const struct virt_watcher *w, struct virt **ret, struct vr_err *err);
/* Asks it to end. Any thread. It may be in a call of libvirt, which nothing ends but libvirt. */
void virt_stop(struct virt *v);
/* Something about this VM may have changed that libvirt does not know of; nil: about any. */
void virt_look_again(struct virt *v, const struct vr_uuid *id);
bool virt_ended(struct virt *v);
void virt_free(struct virt *v); /* one that ended, or NULL */
