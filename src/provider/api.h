/* SPDX-License-Identifier: Apache-2.0 */
/* struct api_ops (model/api.h) over core: what REST and the command line see. Control thread only.
 */
#pragma once
#include "core/core.h"
#include "model/api.h"

/* What core does not keep. The daemon implements it on inventory and store. */
struct provider_api_env {
    /* As in struct api_ops. */
    void (*vms)(void *ctx, api_vms_done done, void *arg);
    void (*report)(void *ctx, uint64_t job_id, api_report_done done, void *arg);
    void (*events)(void *ctx, uint32_t limit, api_events_done done, void *arg);
};

/* The ctx of provider_api_ops. All borrowed. */
struct provider_api {
    struct core *core;
    const char *host_name;
    const struct provider_api_env *env;
    void *env_ctx;
};

extern const struct api_ops provider_api_ops;
