/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the thread of a lane or carrier tells the control thread: how far it is, what it proposes,
 * its end. The messages are embedded, so that none is lost to a full mailbox; the end is the last
 * one, and after it the thread touches nothing.
 */
#pragma once
#include "daemon/daemon.h"
#include "daemon/disks.h"

struct lane_news {
    struct daemon *d;
    uint64_t job_id;
    struct control_msg progress_msg, proposed_msg, end_msg;
    pthread_mutex_t lock;
    struct vr_progress progress; /* under lock */
    bool progress_sent;          /* under lock: the message is on its way */
    /* the thread's own; what is proposed is the control thread's as soon as it was sent */
    uint64_t progress_at_us;
    bool proposed_sent;
    struct vr_uuid proposed, from;
    uint64_t instant_us;
    uint8_t consistency;
};

/* on_end(arg) is called on the control thread. */
void lane_news_init(
    struct lane_news *n, struct daemon *d, uint64_t job_id, void (*on_end)(void *arg), void *arg);
void lane_news_deinit(struct lane_news *n);

/* For the thread. Progress is told a few times a second: when it is due, and at the end. */
bool lane_news_is_due(const struct lane_news *n, uint64_t now_us);
void lane_news_progress(struct lane_news *n, const struct vr_progress *p, uint64_t now_us);
/* As core_on_proposed; once. */
void lane_news_propose(struct lane_news *n,
                       const struct vr_uuid *proposed,
                       const struct vr_uuid *from,
                       uint64_t instant_us,
                       uint8_t consistency);
void lane_news_end(struct lane_news *n);

/* On the control thread, when the thread has ended: how freezing the guest went, as an event and in
 * *res. */
void lane_news_frozen(const struct lane_news *n,
                      const struct vr_vm *vm,
                      const struct frozen_disks *disks,
                      struct core_transfer_result *res);
/* On the control thread, before a thread is started that reads a replica of this host. STATE: there
 * is none. */
VR_MUST_CHECK int lane_replica_rel(struct daemon *d,
                                   const struct vr_uuid *vm,
                                   struct vr_rel *ret,
                                   struct vr_err *err);
