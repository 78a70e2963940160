/* SPDX-License-Identifier: Apache-2.0 */
/* Inside resync only: what replica.c, commit.c and target.c share. */
#pragma once
#include "resync/replica.h"
#include "resync/run.h"
#include "resync/sidecar.h"

struct replica {
    struct stor *stor;
    struct sidecar sc;
    struct stor_lock *locks[VR_DISKS_MAX];
    bool locked;
    char followed[VR_TEXT_MAX]; /* as replica_followed */
};

#define REMOVED_INFIX ".removed-" /* the image of a disk that the primary has no more */
#define HIDDEN_SUFFIX ".unready"  /* an image nobody may start: see INV-3 */
#define BALLAST_NAME "ballast"
#define RUN_PREFIX "run-"
#define SEALED_PREFIX "sealed-" /* a run that was to be synced for a commit: never resumed from */

const char *replica_hidden_name(const struct vr_disk *d, char *buf, size_t cap);
/* Is this disk's image out of reach under its hidden name? */
bool replica_is_hidden(const struct replica *r, const struct vr_disk *d);
/* The name it has now, into buf. */
const char *
replica_image_name(const struct replica *r, const struct vr_disk *d, char *buf, size_t cap);
/* The locks of the present disks, in their order, in the place of those that are held. */
void replica_swap_locks(struct replica *r, struct stor_lock *const take_locks[VR_DISKS_MAX]);
/* STATE: there are images that were there before the relationship, and nobody asked for them. */
VR_MUST_CHECK int replica_check_found(const struct replica *r, struct vr_err *err);
/* Gives every image its hidden, or its public, name; hidden, one whose disk the next generation has
 * no more gets its last name. Durable on return. */
VR_MUST_CHECK int replica_hide_images(struct replica *r, struct vr_err *err);
VR_MUST_CHECK int replica_show_images(struct replica *r, struct vr_err *err);
/* The formats' own tables, where a writer may have died. Contents stay; the lock is held. */
VR_MUST_CHECK int replica_repair_images(struct replica *r, struct vr_err *err);
/* Stamps of all images into the sidecar, which is written. */
VR_MUST_CHECK int replica_record_stamps(struct replica *r, struct vr_err *err);
VR_MUST_CHECK int replica_open_disk(struct replica *r,
                                    const struct vr_disk *d,
                                    unsigned flags,
                                    struct block_dev **ret,
                                    struct vr_err *err);
/* --- definition.c --- */
/* The NVRAM that came with the generation gets the name under which the replica VM uses it. */
VR_MUST_CHECK int replica_show_nvram(struct replica *r, struct vr_err *err);
/* Removes definitions that are not the generation's. No commit has begun. */
VR_MUST_CHECK int replica_drop_definitions(struct replica *r, struct vr_err *err);
/* --- replica_runs.c --- */
/* The staging runs of the present generation, oldest first, the oldest RUNS_MAX of them. */
VR_MUST_CHECK int
replica_runs(struct replica *r, struct run_name *ret, size_t *ret_n, struct vr_err *err);
/* Removes the newest runs beyond RUNS_MAX: what merges leave that were cut off one after the other.
 * Any row of oldest runs is a view that a session can start from. */
VR_MUST_CHECK int replica_trim_runs(struct replica *r, struct vr_err *err);
/* Removes runs of other generations, sealed ones and the ballast: no commit needs them. */
VR_MUST_CHECK int replica_drop_leftovers(struct replica *r, struct vr_err *err);
/* Gives runs their sealed names, before the first attempt to sync them: once a sync has failed,
 * what the page cache shows may never reach the disk and a later sync may succeed all the same, so
 * no later session may build on it. */
VR_MUST_CHECK int
replica_seal_runs(struct replica *r, struct run_name *runs, size_t n, struct vr_err *err);
/* A name for the next run. */
void replica_next_run_name(const struct run_name *runs, size_t n, char *buf, size_t cap);

/* --- commit.c --- */

struct commit;

/*
 * Begins a commit of the runs (whole up to their bytes) as generation `next`. Nothing is written
 * yet. keep_old: what is overwritten is first saved to a lasting run "safety-UUUUUUUU" (a person
 * forced this over another lineage). PROTOCOL: it is the generation that is here.
 */
VR_MUST_CHECK int commit_new(struct replica *r,
                             const struct vr_generation *next,
                             const struct run_name *runs,
                             size_t n,
                             bool keep_old,
                             struct commit **ret,
                             struct vr_err *err);
/* The definition that comes with the generation; borrowed until the intent. Without, there is none.
 */
void commit_set_definition(struct commit *c, const void *p, size_t n);
/* Of when the generation's contents are, and enum vr_consistency; without, neither is known. */
void commit_set_instant(struct commit *c, uint64_t instant_us, uint8_t consistency);
/* Before the first step, of this request's commit: writes down what it changes, when it is made
 * from the differences to a generation whose images are as its commit left them. */
void commit_tell_changes(struct commit *c, const struct vr_peer_request *req);
/* Goes on with the commit that the sidecar's intent names. */
VR_MUST_CHECK int commit_resume(struct replica *r, struct commit **ret, struct vr_err *err);
/* A bounded piece of work. *ret_done: the new generation is durable and the staging gone. now_us:
 * for the stats alone. */
VR_MUST_CHECK int
commit_step(struct commit *c, uint64_t now_us, bool *ret_done, struct vr_err *err);
void commit_free(struct commit *c);
DEFINE_CLEANUP(struct commit *, commit_free)
/* The intent is durable: only forward from here. */
bool commit_has_begun(const struct commit *c);
enum vr_phase commit_phase(const struct commit *c);
uint64_t commit_written(const struct commit *c, uint32_t disk); /* bytes */
const struct commit_stats *commit_stats(const struct commit *c);
