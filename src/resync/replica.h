/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A replica: one directory (stor) with the images of one VM, its sidecar and, while a transfer is
 * staged or a commit is under way, the staging runs. The sidecar is the durable authority about
 * generation, role and a begun commit.
 *
 * After replica_open returned, the replica is exactly at one generation: a begun commit was settled
 * by replay first. One thread at a time. The caller holds the images' exclusive lock (replica_lock)
 * whenever something is written.
 */
#pragma once
#include "block/stor.h"
#include "model/model.h"
#include "model/peer.h"
#include "util/cleanup.h"
#include "util/err.h"

struct replica;

#define REPLICA_SIDECAR "vmreplica.sidecar"

enum replica_role {
    REPLICA_ROLE_REPLICA = 1,  /* accepts transfers of its relationship */
    REPLICA_ROLE_PROMOTED = 2, /* failed over: refuses its old primary */
    REPLICA_ROLE_RELEASED = 3  /* belongs to no relationship any more */
};

/* Images that lie in the directory before the replica is made. */
enum replica_images {
    REPLICA_IMAGES_REFUSED, /* EXISTS, when there is one under a public name */
    REPLICA_IMAGES_SEEDED,  /* must be there, of the right size: the first transfer compares */
    REPLICA_IMAGES_KEPT     /* stay as they are until a transfer says that it is seeded */
};

/* Makes images (empty, allocated by us) where none are, and the sidecar. EXISTS: there is a sidecar
 * already. */
VR_MUST_CHECK int replica_create(struct stor *stor,
                                 const struct vr_rel *rel,
                                 const struct vr_peer_request *req,
                                 const char *format_override,
                                 enum replica_images images,
                                 struct vr_err *err);

/* Reads the sidecar; settles a begun commit (takes the lock itself for that). NOT_FOUND: no
 * sidecar. CORRUPT: one that is damaged or from the future (the text says which). NOSPACE, IO
 * during replay: commit blocked, call again later. */
VR_MUST_CHECK int replica_open(struct stor *take_stor, struct replica **ret, struct vr_err *err);
/* How the disks differ from those before, when replica_open finished the commit that changed them;
 * "": it did not. Whoever began that commit never told. */
const char *replica_followed(const struct replica *r);
void replica_close(struct replica *r);
DEFINE_CLEANUP(struct replica *, replica_close)

/* Takes the exclusive QEMU-compatible lock on every image. BUSY: something uses one. Idempotent. */
VR_MUST_CHECK int replica_lock(struct replica *r, struct vr_err *err);
void replica_unlock(struct replica *r);

/* As far as the sidecar says. Borrowed. */
const struct vr_generation *replica_generation(const struct replica *r);
enum replica_role replica_role(const struct replica *r);
/* The VM with image paths being names within the directory. */
const struct vr_vm *replica_vm(const struct replica *r);
/* The relationship as the sidecar remembers it, for rebuilding a lost database (state and history
 * are not in it). */
const struct vr_rel *replica_rel(const struct replica *r);
/* Generation, consistency and last_sync of a record become what the sidecar says; but that nothing
 * had changed at the source since, at a later time, only the record knows. */
void replica_tell_held(const struct vr_rel *held, struct vr_rel *rel);
struct stor *replica_stor(struct replica *r);
/* Do size, mtime or ctime of an image differ from what the last commit left? */
bool replica_changed_alone(struct replica *r);

/* Do all disks have an image under its public name, of the right size? Only a person can have put
 * one there before the first generation. NOT_FOUND, INVALID: the text names the image. */
VR_MUST_CHECK int replica_check_seeds(struct replica *r, struct vr_err *err);
/* Before the first transfer: where a person put an image, it takes the place of the empty one that
 * we made, and nothing is written without staging any more. Durable on return. */
VR_MUST_CHECK int replica_take_seeds(struct replica *r, struct vr_err *err);
/*
 * May this request's transfer run on this replica? Fills reply (generation, staged, free,
 * proposed_done, changed_alone). LINEAGE: the replica's generation is none the source remembers,
 * its epoch is newer, or it was promoted (req->force overrides all but a promoted one that is in
 * use). INVALID, EXISTS: the replica's disks cannot follow the primary's. STATE: relationship
 * released, INITIAL onto a replica that holds a generation, anything but SEEDED onto images that
 * were kept, or a verify of other disks.
 */
VR_MUST_CHECK int replica_check(struct replica *r,
                                const struct vr_peer_request *req,
                                struct vr_peer_reply *reply,
                                struct vr_err *err);

/* Failover: puts the staging away, begins a new branch (new uuid, epoch + 1, role promoted).
 * Durable on return. */
VR_MUST_CHECK int replica_promote(struct replica *r, struct vr_generation *ret, struct vr_err *err);
VR_MUST_CHECK int replica_release(struct replica *r, struct vr_err *err);
/* Throws away what is staged. Durable on return. */
VR_MUST_CHECK int replica_discard_staging(struct replica *r, struct vr_err *err);
