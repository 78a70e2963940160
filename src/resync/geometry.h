/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A replica's disks follow the primary's: they grow and shrink, disks are added and removed. What
 * the next generation will have is planned, durably, before anything is staged for it, and becomes
 * true with its commit alone (docs/adr/0013-disks-are-followed.md).
 */
#pragma once
#include "resync/replica_priv.h"

/* The number of the present generation's disk of this name; VR_DISKS_MAX: none. */
uint32_t replica_disk_of(const struct replica *r, const char *name);
/* Has the next generation this disk of the present one? */
bool replica_keeps(const struct replica *r, const struct vr_disk *d);
/* Under which name the image of a removed disk is kept. */
const char *
replica_removed_name(const struct replica *r, const struct vr_disk *d, char *buf, size_t cap);
/* Is what is here of a generation that the source does not know, and a person decided to overwrite
 * it? */
bool replica_overwrites(const struct replica *r, const struct vr_peer_request *req);

/* A peer's disk as one of this replica, with its image's name. format: of the image; NULL: as the
 * primary's. INVALID: its name, format or size cannot be used. */
VR_MUST_CHECK int replica_name_disk(const struct vr_disk *theirs,
                                    const char *format,
                                    struct vr_disk *ret,
                                    struct vr_err *err);
/* Can the replica become what the request's disks are? INVALID, EXISTS: the text says what to do.
 * STATE: for a verify they have to be the same. */
VR_MUST_CHECK int
replica_check_disks(const struct replica *r, const struct vr_peer_request *req, struct vr_err *err);
/* In words, into buf: how the planned disks differ from the present ones; "": they do not. */
void replica_tell_plan(const struct replica *r, char *buf, size_t cap);
/* Plans what the request's disks are; what was staged for others is thrown away. Images without a
 * generation, made by us, are made anew. Durable on return. */
VR_MUST_CHECK int replica_follow(struct replica *r,
                                 const struct vr_peer_request *req,
                                 const char *format,
                                 struct vr_err *err);
