/* SPDX-License-Identifier: Apache-2.0 */
/* What both ends of a transfer do alike. */
#pragma once
#include "transport/link.h"
#include "util/err.h"

/* Says PING when nothing else was said for MSG_PING_EVERY_US: a waiting side would fall silent
 * otherwise. */
VR_MUST_CHECK int
lane_ping(struct link *link, uint64_t now_us, uint64_t *last_us, struct vr_err *err);
/* Tells the other side why this one gives up, as far as the link still carries that. Returns r. */
int lane_give_up(struct link *link, int r, const struct vr_err *err);
/* The error a FAIL from the other side is; who: "primary host" or "replica host". */
VR_MUST_CHECK int lane_peer_failed(const char *who, const void *p, size_t n, struct vr_err *err);
