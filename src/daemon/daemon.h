/* SPDX-License-Identifier: Apache-2.0 */
/* Inside daemon/: what the parts of vmreplicad share. */
#pragma once
#include <pthread.h>
#include <stdatomic.h>

#include "core/core.h"
#include "core/events.h"
#include "daemon/config.h"
#include "daemon/control.h"
#include "daemon/definitions.h"
#include "daemon/parked.h"
#include "daemon/replicas.h"
#include "inventory/inventory.h"
#include "model/api.h"
#include "net/tls.h"
#include "store/store.h"

#define DAEMON_PEER_CALLS_MAX 64 /* questions to peers at one time */

struct hostinfo;
struct domains;
struct frozen_disks;
struct instant_mark;
struct lanes;
struct carriers;
struct targets;

#define JOB_KEEP_US (60ull * 60 * 1000000)

struct daemon {
    struct daemon_config config;
    char host_name[VR_HOST_MAX];
    char nbd_dir[VR_PATH_MAX]; /* RUN_DIR/nbd, ours alone: sockets of our qemu-nbd */
    struct control *control;
    struct store *store;
    struct inventory *inventory;
    struct domains *domains;         /* NULL: libvirt is not asked */
    struct definitions *definitions; /* as that */
    struct hostinfo *hostinfo;       /* control thread */
    struct core *core;
    struct replicas *replicas;
    struct lanes *lanes;
    struct carriers *carriers;
    struct targets *targets;
    unsigned peer_calls;  /* control thread */
    struct parked parked; /* control thread */
    bool umac;            /* tags of this kind cost this host less (resync/digest.h) */
    bool stopping;        /* control thread: nothing new is started */
    pthread_mutex_t creds_lock;
    struct tls_creds *creds; /* under creds_lock; use daemon_creds */
};

/* A reference to the certificates of now; tls_creds_unref it. Any thread. */
struct tls_creds *daemon_creds(struct daemon *d);

/* env.c: what core asks of the world. ctx is the daemon. */
extern const struct core_env_ops daemon_env_ops;
/* Of the images that are made here; NULL: as on the primary. */
const char *daemon_image_format(const struct daemon *d);
/* Log and history. vm NULL: of no VM. */
void daemon_event(struct daemon *d,
                  enum core_event ev,
                  const struct vr_uuid *vm,
                  const char *vm_name,
                  const char *fmt,
                  ...) VR_PRINTF(5, 6);

/* domains.c: what libvirt tells of, put into the inventory. Control thread only. */
VR_MUST_CHECK int domains_start(struct daemon *d, struct domains **ret, struct vr_err *err);
/* Every VM there is was told at least once. */
bool domains_known(const struct domains *ds);
/* TIMEOUT, with the reason, while libvirt never told all of them; else 0. */
VR_MUST_CHECK int domains_check(const struct domains *ds, struct vr_err *err);
/* Freezes the disks of a VM of any inventory, or of a replica. mark: for VMs of libvirt; NULL:
 * none. May block in libvirt: not on the control thread. */
VR_MUST_CHECK int domains_freeze(struct daemon *d,
                                 struct vr_vm *vm,
                                 bool source_is_replica,
                                 const struct instant_mark *mark,
                                 struct frozen_disks *ret,
                                 struct vr_err *err);
/* A VM may need no checkpoints of ours any more; NULL: any VM, and from now on core knows which
 * relationships there are. ds may be NULL. */
void domains_unmark(struct domains *ds, const struct vr_uuid *vm);
/* The bytes of a DEFINITION (transport/msg.h) of a VM, or of what this host holds as its replica;
 * to be freed. Untouched: there is none. May block in libvirt. */
VR_MUST_CHECK int domains_definition(struct daemon *d,
                                     const struct vr_vm *vm,
                                     const struct vr_rel *replica,
                                     uint8_t **ret,
                                     uint32_t *ret_len,
                                     struct vr_err *err);
void domains_stop(struct domains *ds);
bool domains_idle(const struct domains *ds);
void domains_free(struct domains *ds); /* stopped and idle, or NULL */

/* peer_call.c: as core_env_ops.peer_call. */
VR_MUST_CHECK int peer_call_start(struct daemon *d,
                                  uint64_t call_id,
                                  const char *point,
                                  const char *identity,
                                  const struct vr_peer_request *req,
                                  struct vr_err *err);

/* lane_source.c: the transfers this host sends. Control thread only. */
VR_MUST_CHECK int lanes_new(struct daemon *d, struct lanes **ret, struct vr_err *err);
void lanes_free(struct lanes *l); /* none may run */
VR_MUST_CHECK int lanes_start(struct lanes *l, const struct core_transfer *t, struct vr_err *err);
void lanes_command(struct lanes *l, uint64_t job_id, enum core_lane_command cmd, uint64_t value);
/* What of the windows of [bandwidth] counts now, to every lane; before the next second, call it
 * again. */
void lanes_pace(struct lanes *l);
/* What a transfer of this relationship may send. */
struct api_limit lanes_limit(const struct lanes *l, const struct vr_rel *rel);
/* Stops every lane at its next step; the jobs stay as they are stored. */
void lanes_stop_all(struct lanes *l);
/* Lanes that read this VM as a replica make way for a commit; their jobs are retried. */
void lanes_preempt(struct lanes *l, const struct vr_uuid *vm);
bool lanes_idle(const struct lanes *l);

/* lane_offline.c: exports and imports. Control thread only. */
VR_MUST_CHECK int carriers_new(struct daemon *d, struct carriers **ret, struct vr_err *err);
void carriers_free(struct carriers *cs); /* none may run */
VR_MUST_CHECK int
carriers_check(struct daemon *d, const struct core_offline *o, struct vr_err *err);
VR_MUST_CHECK int
carriers_start(struct carriers *cs, const struct core_offline *o, struct vr_err *err);
void carriers_command(struct carriers *cs, uint64_t job_id, enum core_lane_command cmd);
/* Stops the import to this replica at its next step, unless it commits. */
void carriers_end(struct carriers *cs, const struct vr_uuid *vm, uint8_t number);
void carriers_stop_all(struct carriers *cs);
bool carriers_idle(const struct carriers *cs);

/* lane_target.c: the peer listener and its sessions. */
VR_MUST_CHECK int targets_start(struct daemon *d, struct targets **ret, struct vr_err *err);
uint16_t targets_port(const struct targets *t);
/* Ends the sessions that write this replica, at their next step. */
void targets_end(struct targets *t, const struct vr_uuid *vm, uint8_t number);
/* Of the session that writes this replica; not open: there is none. */
struct api_staging targets_staging(struct targets *t, const struct vr_uuid *vm, uint8_t number);
/* Closes the listener and tells every session to end. */
void targets_stop(struct targets *t);
bool targets_idle(struct targets *t);
void targets_free(struct targets *t); /* stopped and idle */

/* recover.c: before core_start and before any listener. */
VR_MUST_CHECK int recover_all(struct daemon *d, struct vr_err *err);
/* Replicas in the storage locations of authorization entries that no relationship knows get one. */
void recover_lost(struct daemon *d);
/* replicas_on_followed. ctx: the daemon */
void recover_tell_followed(void *ctx, const struct replica *r);
