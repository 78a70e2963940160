/* SPDX-License-Identifier: Apache-2.0 */
/* Which hosts may replicate to this one. Taking an entry away ends the sessions that only it
 * allowed. */
#include <string.h>
#include <strings.h>

#include "core/internal.h"

const struct vr_auth_entry *core_find_auth(struct core *c, const char *identity)
{
    for (size_t i = 0; i < c->nauths; i++) {
        if (vr_host_matches(c->auths[i].host, identity)) {
            return &c->auths[i];
        }
    }
    return NULL;
}

static int check_auth(struct core *c, const struct vr_auth_entry *e, struct vr_err *err)
{
    char host[VR_HOST_MAX];
    uint16_t port;
    const char *name = strncmp(e->host, "*.", 2) == 0 ? e->host + 2 : e->host;
    if (!vr_host_split(name, host, sizeof(host), &port) || strchr(name, ':')) {
        return vr_fail(err, VR_E_INVALID, "'%.128s' is no host name and no *.domain", e->host);
    }
    if (e->storage[0] != '/') {
        return vr_fail(err, VR_E_INVALID, "the storage location must be an absolute path");
    }
    bool known = false;
    for (size_t i = 0; i < c->nauths; i++) {
        known = known || strcasecmp(c->auths[i].host, e->host) == 0;
    }
    if (!known && c->nauths >= CORE_AUTHS_MAX) {
        return vr_fail(err, VR_E_LIMIT, "%d authorization entries are the most there can be",
                       CORE_AUTHS_MAX);
    }
    return 0;
}

void core_auth_add(struct core *c,
                   const struct core_caller *who,
                   const struct vr_auth_entry *e,
                   core_done done,
                   void *ctx)
{
    struct vr_err err = VR_ERR_INIT;
    if (!core_allowed(who, VR_ROLE_ADMIN, done, ctx)) {
        return;
    }
    int r = check_auth(c, e, &err);
    r = r < 0 ? r : c->ops->save_auth(c->ctx, e, &err);
    r = r < 0 ? r : core_load_auth(c, e, &err);
    if (r < 0) {
        core_answer_err(done, ctx, r, &err);
        return;
    }
    core_event(c, CORE_EV_AUTH_CHANGED, NULL, NULL, "%s: %s may replicate to this host", who->user,
               e->host);
    core_answer_code(done, ctx, VR_RC_COMPLETED, 0, 0, NULL);
}

void core_auth_remove(
    struct core *c, const struct core_caller *who, const char *host, core_done done, void *ctx)
{
    struct vr_err err = VR_ERR_INIT;
    size_t at = 0;
    if (!core_allowed(who, VR_ROLE_ADMIN, done, ctx)) {
        return;
    }
    while (at < c->nauths && strcasecmp(c->auths[at].host, host) != 0) {
        at++;
    }
    int r = at < c->nauths
                ? c->ops->delete_auth(c->ctx, c->auths[at].host, &err)
                : vr_fail(&err, VR_E_INVALID, "there is no authorization entry for '%.128s'", host);
    if (r < 0) {
        core_answer_err(done, ctx, r, &err);
        return;
    }
    c->nauths--;
    memmove(&c->auths[at], &c->auths[at + 1], (c->nauths - at) * sizeof(c->auths[0]));
    core_event(c, CORE_EV_AUTH_CHANGED, NULL, NULL, "%s: %s may no longer replicate to this host",
               who->user, host);
    for (size_t i = 0; i < c->nrels; i++) {
        const struct vr_rel *rel = &c->rels[i]->r;
        if (!rel->is_source && !core_find_auth(c, rel->peer_identity)) {
            c->ops->end_target_sessions(c->ctx, &rel->vm_id, rel->number);
        }
    }
    core_answer_code(done, ctx, VR_RC_COMPLETED, 0, 0, NULL);
}
