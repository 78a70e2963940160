/* SPDX-License-Identifier: Apache-2.0 */
/* struct api_ops (model/api.h) over core: what REST and the command line see. Control thread only.
 */
#pragma once
#include "core/core.h"
#include "model/api.h"

/* What core does not keep. The daemon implements it on inventory and store. */
struct provider_api_env {
    /* As in struct api_ops. */
    bool (*vm_next)(void *ctx, size_t *at, struct api_vm_name *ret);
    bool (*vm)(void *ctx, const struct vr_uuid *id, struct vr_vm *ret);
    void (*report)(void *ctx, uint64_t job_id, api_report_done done, void *arg);
    void (*events)(void *ctx, const struct vr_event_query *q, api_events_done done, void *arg);
    /* What a relationship's VM is called, "": not known. */
    void (*vm_name)(void *ctx, const struct vr_rel *rel, char ret[static VR_NAME_MAX]);
    /* When the certificate ends that the peer showed last; 0: it was not met yet. */
    uint64_t (*peer_cert_end_us)(void *ctx, const struct vr_rel *rel);
    struct api_staging (*staging)(void *ctx, const struct vr_rel *rel);
    struct api_limit (*limit)(void *ctx, const struct vr_rel *rel);
    struct vr_defined (*defined)(void *ctx, const struct vr_rel *rel);
};

/* The ctx of provider_api_ops. All borrowed. */
struct provider_api {
    struct vr_scope scope; /* of the caller of now */
    struct core *core;
    const char *host_name;
    const struct provider_api_env *env;
    void *env_ctx;
};

extern const struct api_ops provider_api_ops;
