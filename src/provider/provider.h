/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's relationships, jobs and VMs as CIM instances, and their methods: implements
 * cim/broker.h over core/core.h. One file per class. Keeps no state of its own but the calls that
 * core has not answered yet and the enumerations that clients have open. Control thread only.
 */
#pragma once
#include "cim/broker.h"
#include "core/core.h"
#include "model/host.h"

#define PROVIDER_CLOCK_SLACK_US (300 * 1000000ull) /* StartTime this long ago is still "now" */
#define PROVIDER_SCHEDULE_MAX_US (7 * 24 * 3600 * 1000000ull) /* and this far ahead the latest */

typedef bool (*provider_vm_cb)(void *ctx, const struct vr_vm *vm);

struct provider_env_ops {
    uint64_t (*now_us)(void *ctx);
    /* The VMs of the inventory, until cb returns false. */
    int (*list_vms)(void *ctx, provider_vm_cb cb, void *cb_ctx, struct vr_err *err);
    /* As in struct core_env_ops. */
    int (*find_vm)(void *ctx, const struct vr_uuid *id, struct vr_vm *ret, struct vr_err *err);
    int (*replica_vm)(void *ctx, const struct vr_rel *rel, struct vr_vm *ret, struct vr_err *err);
    /* DER in base64 of the i-th certificate this host shows its peers (0: its own); NULL past the
     * end. Borrowed until the next call. */
    const char *(*certificate)(void *ctx, size_t i);
    /* Borrowed until the next call. NULL: nothing is known of this host. */
    const struct vr_host *(*host)(void *ctx);
};

struct provider_config {
    char host_name[VR_HOST_MAX]; /* Name of the host's instance, SystemName of the service */
    uint64_t job_keep_us;        /* TimeBeforeRemoval */
};

struct provider;

/* core, ops and ctx are borrowed. */
VR_MUST_CHECK int provider_new(const struct provider_config *config,
                               struct core *core,
                               const struct provider_env_ops *ops,
                               void *ctx,
                               struct provider **ret,
                               struct vr_err *err);
/* After core_free: calls that core still held are not answered any more. */
void provider_free(struct provider *p);
struct cim_broker *provider_broker(struct provider *p);
