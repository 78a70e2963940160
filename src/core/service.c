/* SPDX-License-Identifier: Apache-2.0 */
/* The settings of the replication service: what is stored, and what follows from a change. */
#include <string.h>

#include "core/internal.h"
#include "core/service.h"

int core_load_service(struct core *c, const struct vr_service *service, struct vr_err *err)
{
    static const struct vr_service_change nothing = {0};
    struct vr_service checked;
    int r = vr_service_apply(service, &nothing, &checked, err);
    if (r < 0) {
        return vr_wrap(err, r, "stored settings");
    }
    c->service = checked;
    return 0;
}

void core_service(struct core *c, struct vr_service *ret)
{
    *ret = c->service;
    c->ops->host_service(c->ctx, ret);
}

int service_check_open(struct core *c, struct vr_err *err)
{
    if (c->service.recovery_server_enabled) {
        return 0;
    }
    return vr_fail(err, VR_E_DENIED,
                   "%.128s accepts no replication: RecoveryServerEnabled is false (vmreplica "
                   "settings set --recovery-server on, there)",
                   c->config.host_name);
}

static void end_all_sessions(struct core *c)
{
    for (size_t i = 0; i < c->nrels; i++) {
        const struct vr_rel *rel = &c->rels[i]->r;
        if (!rel->is_source) {
            c->ops->end_target_sessions(c->ctx, &rel->vm_id, rel->number);
        }
    }
}

static void tell_changes(struct core *c,
                         const char *user,
                         const struct vr_service *old,
                         const struct vr_service *now)
{
    if (old->recovery_server_enabled != now->recovery_server_enabled) {
        core_event(c, CORE_EV_SERVICE_CHANGED, NULL, NULL, "%s: replication to this host is %s",
                   user, now->recovery_server_enabled ? "allowed" : "forbidden");
    }
    if (old->monitoring_start_s != now->monitoring_start_s ||
        old->monitoring_interval_s != now->monitoring_interval_s) {
        core_event(c, CORE_EV_SERVICE_CHANGED, NULL, NULL,
                   "%s: statistics are counted from %02u:%02u:%02u UTC, for %u s each time", user,
                   now->monitoring_start_s / 3600, now->monitoring_start_s / 60 % 60,
                   now->monitoring_start_s % 60, now->monitoring_interval_s);
    }
}

void core_service_set(struct core *c,
                      const struct core_caller *who,
                      const struct vr_service_change *change,
                      core_done done,
                      void *ctx)
{
    struct vr_err err = VR_ERR_INIT;
    struct vr_service now, next;
    if (!core_allowed(who, VR_ROLE_ADMIN, done, ctx)) {
        return;
    }
    core_service(c, &now);
    int r = vr_service_apply(&now, change, &next, &err);
    r = r < 0 ? r : c->ops->save_service(c->ctx, &next, &err);
    if (r < 0) {
        core_answer_err(done, ctx, r, &err);
        return;
    }
    c->service = next;
    tell_changes(c, who->user, &now, &next);
    if (now.recovery_server_enabled && !next.recovery_server_enabled) {
        end_all_sessions(c);
    }
    core_answer_code(done, ctx, VR_RC_COMPLETED, 0, 0, NULL);
}
