/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replica VMs in libvirt: defined after the commit that changed them, undefined when their
 * relationship is gone. One thread looks, for each VM that is due, at what should be (the
 * relationship, the sidecar, the definition beside it) and makes it so; whoever changed something
 * only says that the VM is due. So nothing is lost when libvirt is away or the daemon ends: at the
 * next connection all are due. No failure here fails a replication.
 */
#pragma once
#include "model/definition.h"
#include "model/model.h"
#include "util/err.h"

struct daemon;
struct definitions;

VR_MUST_CHECK int definitions_new(struct daemon *d, struct definitions **ret, struct vr_err *err);
/* The thread begins; core is there. All replicas are due. */
VR_MUST_CHECK int definitions_start(struct definitions *ds, struct vr_err *err);
/* Any thread; ds may be NULL. */
void definitions_due(struct definitions *ds, const struct vr_uuid *vm);
/* Control thread: every replica of this host is. */
void definitions_all_due(struct definitions *ds);
/* What was made of it last. Any thread; ds may be NULL. */
struct vr_defined definitions_said(struct definitions *ds, const struct vr_uuid *vm);
/* Asks it to end; it may be in a call of libvirt. */
void definitions_stop(struct definitions *ds);
bool definitions_idle(struct definitions *ds);
void definitions_free(struct definitions *ds); /* stopped and idle, or NULL */
