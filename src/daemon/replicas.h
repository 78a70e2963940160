/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The replicas of this host that are in use, and by whom. A replica's images are locked (QEMU's
 * locks, by us) while anybody here uses them. The users of one replica:
 *     one writer    a target session, or the control thread for a moment; it alone touches struct
 *                   replica
 *     readers       source lanes that send it on to an extended replica; they open the images by
 *                   themselves
 * Compare and staging go on beside readers; the commit does not: replicas_commit_gate. Any thread.
 */
#pragma once
#include "resync/replica.h"

struct replicas;
struct replica_use;

#define REPLICAS_GUARD_FDS 8192u /* open files for guards: replicas beyond are not held */

VR_MUST_CHECK int replicas_new(const char *run_dir,
                               uint32_t commit_wait_s,
                               struct replicas **ret,
                               struct vr_err *err);
void replicas_free(struct replicas *rs);
/* Called (once per wait) when a commit has waited long enough for a VM's readers: they are to stop.
 */
void replicas_on_preempt(struct replicas *rs,
                         void (*fn)(void *ctx, const struct vr_uuid *vm),
                         void *ctx);

/* Called when opening a replica finished a commit that changed its disks: once, with the replica,
 * under the lock of all this, on the thread that opened it. */
void replicas_on_followed(struct replicas *rs,
                          void (*fn)(void *ctx, const struct replica *r),
                          void *ctx);

/*
 * Takes the replica of (vm, number) in directory dir for writing; waits up to wait_ms for another
 * writer to end. BUSY: it does not, or somebody outside owns an image. lock false: without the
 * images' locks, to look.
 */
VR_MUST_CHECK int replicas_write(struct replicas *rs,
                                 const struct vr_rel *rel,
                                 bool lock,
                                 unsigned wait_ms,
                                 struct replica_use **ret,
                                 struct vr_err *err);
struct replica *replica_use_replica(struct replica_use *use);
/* For a writer: may the commit begin? True keeps new readers out until the use ends. */
bool replicas_commit_gate(struct replica_use *use);

/* Takes it for reading. BUSY: a commit is under way. *ret_vm: its images, with whole paths. Of rel,
 * generation, last_sync and consistency become those of what is read. */
VR_MUST_CHECK int replicas_read(struct replicas *rs,
                                struct vr_rel *rel,
                                struct vr_vm *ret_vm,
                                struct replica_use **ret,
                                struct vr_err *err);
void replica_use_end(struct replica_use *use);
DEFINE_CLEANUP(struct replica_use *, replica_use_end)

/*
 * From now on (or no more) the images are held under QEMU's shared lock while nobody here uses
 * them: whoever opens them for writing is refused, a guest that is started on them included;
 * whoever reads them, a copy-on-write overlay included, is not. Ends by itself with a failover or a
 * release. An image that somebody writes already is not held; that is tried again after the next
 * use, or when this is called again. True: they are held like this now.
 */
bool replicas_guard(struct replicas *rs, const struct vr_rel *rel, bool on);
/* The replica's images with whole paths, also while it is in use. */
VR_MUST_CHECK int replicas_images(struct replicas *rs,
                                  const struct vr_rel *rel,
                                  struct vr_vm *ret_vm,
                                  struct vr_err *err);
void replicas_vm(const struct replica *r, const char *dir, struct vr_vm *ret);
/* STORAGE/UUID into ret of VR_PATH_MAX. */
VR_MUST_CHECK int
replicas_dir(const char *storage, const struct vr_uuid *vm, char *ret, struct vr_err *err);
