/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside inventory/ only: backup jobs of domains, ours and others'. Ours are known by the path of
 * their socket: DIR/UUID-RANDOM.sock, with scratch files DIR/UUID-RANDOM-DISK.scratch. Which of
 * them belong to an instant of this process is in a list of the process; the others are left over
 * from one that ended, orphans that go on copying for ever.
 */
#pragma once
#include "inventory/virt_conn.h"
#include "model/model.h"

#define JOB_STEM_MAX 104 /* DIR/UUID-RANDOM, with NUL */

/* Takes a new stem for a job of this VM, for this process. LIMIT: too many at one time. */
VR_MUST_CHECK int job_claim(const char *dir,
                            const struct vr_uuid *vm,
                            char ret_stem[JOB_STEM_MAX],
                            struct vr_err *err);
void job_release(const char *stem);

enum job_state {
    JOB_NONE,
    JOB_OURS,   /* of an instant of this process */
    JOB_ORPHAN, /* of a former process */
    JOB_FOREIGN /* another program's backup, or any other job that keeps one from starting */
};
/* dir: where ours are. stem: NULL, or which of ours alone counts as JOB_OURS. */
VR_MUST_CHECK int job_look(
    virDomainPtr dom, const char *dir, const char *stem, enum job_state *ret, struct vr_err *err);
/* Aborts the job and waits until it is gone. Only after job_look. */
VR_MUST_CHECK int job_abort(virDomainPtr dom, struct vr_err *err);
/* Removes the files of a stem (a socket stays when QEMU ends, scratch files when libvirt does). */
void job_remove_files(const char *stem);

/*
 * Ends the orphans of this connection's domains, thaws guests that a former process left frozen,
 * and removes files of jobs that nobody has. Returns how many jobs were ended.
 */
VR_MUST_CHECK int job_sweep(virConnectPtr conn, const char *dir, struct vr_err *err);
/* The mark of freeze.h for this VM. */
void job_freeze_mark(const char *dir, const struct vr_uuid *vm, char *ret, size_t cap);
