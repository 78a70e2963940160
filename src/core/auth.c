/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which hosts may replicate to this one. A replica may be bound to one entry: then that alone
 * allows it, and taking it away ends it, whatever else would allow its host. Taking an entry away
 * ends the sessions that only it allowed; the relationships stay and are refused.
 */
#include "core/auth.h"

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

const struct vr_auth_entry *core_auth(struct core *c, const char *host)
{
    for (size_t i = 0; i < c->nauths; i++) {
        if (strcasecmp(c->auths[i].host, host) == 0) {
            return &c->auths[i];
        }
    }
    return NULL;
}

static bool is_allowed(struct core *c, const struct vr_rel *rel)
{
    if (!rel->auth_host[0]) {
        return core_find_auth(c, rel->peer_identity) != NULL;
    }
    return core_auth(c, rel->auth_host) && vr_host_matches(rel->auth_host, rel->peer_identity);
}

int auth_check_rel(struct core *c, const struct vr_rel *rel, struct vr_err *err)
{
    if (is_allowed(c, rel)) {
        return 0;
    }
    if (rel->auth_host[0]) {
        return vr_fail(err, VR_E_DENIED,
                       "the authorization entry '%.100s', which this replica is bound to, was "
                       "removed from %.100s",
                       rel->auth_host, c->config.host_name);
    }
    return vr_fail(err, VR_E_DENIED, "no authorization entry of %.100s allows %.100s",
                   c->config.host_name, rel->peer_identity);
}

static bool is_text(const char *text)
{
    for (const char *p = text; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f) {
            return false;
        }
    }
    return true;
}

static int check_storage(const char *path, struct vr_err *err)
{
    if (path[0] != '/' || !is_text(path)) {
        return vr_fail(err, VR_E_INVALID,
                       "the storage location (ReplicaStorageLocation) must be an absolute path "
                       "without control characters");
    }
    for (const char *p = path; *p; p += strcspn(p, "/")) {
        p += strspn(p, "/");
        size_t n = strcspn(p, "/");
        if ((n == 1 && p[0] == '.') || (n == 2 && strncmp(p, "..", 2) == 0)) {
            return vr_fail(err, VR_E_INVALID,
                           "the storage location must not contain '.' or '..' as a directory");
        }
    }
    return 0;
}

static int check_entry(struct core *c,
                       enum core_auth_how how,
                       const struct vr_auth_entry *e,
                       struct vr_err *err)
{
    if (!vr_host_pattern_ok(e->host)) {
        return vr_fail(err, VR_E_INVALID,
                       "'%.128s' is no host name and no *.domain: it must be the name in the other "
                       "host's certificate",
                       e->host);
    }
    if (!is_text(e->trust_group)) {
        return vr_fail(err, VR_E_INVALID, "the trust group has control characters in it");
    }
    bool known = core_auth(c, e->host) != NULL;
    if (known && how == CORE_AUTH_ADD) {
        return vr_fail(err, VR_E_INVALID,
                       "there is an authorization entry for '%.128s' already: modify or remove it",
                       e->host);
    }
    if (!known && how == CORE_AUTH_MODIFY) {
        return vr_fail(err, VR_E_INVALID, "there is no authorization entry for '%.128s'", e->host);
    }
    if (!known && c->nauths >= CORE_AUTHS_MAX) {
        return vr_fail(err, VR_E_LIMIT, "%d authorization entries are the most there can be",
                       CORE_AUTHS_MAX);
    }
    return check_storage(e->storage, err);
}

void core_auth_put(struct core *c,
                   const struct core_caller *who,
                   enum core_auth_how how,
                   const struct vr_auth_entry *e,
                   core_done done,
                   void *ctx)
{
    struct vr_err err = VR_ERR_INIT;
    if (!core_allowed(who, VR_ROLE_ADMIN, done, ctx)) {
        return;
    }
    int r = check_entry(c, how, e, &err);
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

/* Ends the sessions that nothing allows any more; how many replicas that concerns. */
static unsigned end_not_allowed(struct core *c)
{
    unsigned n = 0;
    for (size_t i = 0; i < c->nrels; i++) {
        const struct vr_rel *rel = &c->rels[i]->r;
        if (!rel->is_source && !is_allowed(c, rel)) {
            c->ops->end_target_sessions(c->ctx, &rel->vm_id, rel->number);
            n++;
        }
    }
    return n;
}

void core_auth_remove(
    struct core *c, const struct core_caller *who, const char *host, core_done done, void *ctx)
{
    struct vr_err err = VR_ERR_INIT;
    if (!core_allowed(who, VR_ROLE_ADMIN, done, ctx)) {
        return;
    }
    const struct vr_auth_entry *e = core_auth(c, host);
    int r = e ? c->ops->delete_auth(c->ctx, e->host, &err)
              : vr_fail(&err, VR_E_INVALID, "there is no authorization entry for '%.128s'", host);
    if (r < 0) {
        core_answer_err(done, ctx, r, &err);
        return;
    }
    size_t at = (size_t)(e - c->auths);
    c->nauths--;
    memmove(&c->auths[at], &c->auths[at + 1], (c->nauths - at) * sizeof(c->auths[0]));
    unsigned ended = end_not_allowed(c);
    core_event(c, CORE_EV_AUTH_CHANGED, NULL, NULL,
               "%s: %s may no longer replicate to this host; of the replicas here, nothing allows "
               "%u any more",
               who->user, host, ended);
    core_answer_code(done, ctx, VR_RC_COMPLETED, 0, 0, NULL);
}

static int bind_rel(
    struct core *c, struct rel_entry *rel, const char *host, const char *user, struct vr_err *err)
{
    const struct vr_auth_entry *e = core_auth(c, host);
    if (!e) {
        return vr_fail(err, VR_E_INVALID, "there is no authorization entry for '%.128s': add it",
                       host);
    }
    if (!vr_host_matches(e->host, rel->r.peer_identity)) {
        return vr_fail(err, VR_E_INVALID,
                       "the entry '%.90s' does not allow %.90s, which the replica belongs to",
                       e->host, rel->r.peer_identity);
    }
    struct vr_rel next = rel->r;
    core_text(next.auth_host, sizeof(next.auth_host), "%s", e->host);
    int r = core_rel_save(c, rel, &next, err);
    if (r == 0) {
        core_event(c, CORE_EV_AUTH_CHANGED, &next.vm_id, NULL,
                   "%s: the entry %s alone allows replication of this virtual machine", user,
                   next.auth_host);
    }
    return r;
}

void core_auth_bind(struct core *c,
                    const struct core_caller *who,
                    const struct vr_uuid *vm,
                    const char *host,
                    core_done done,
                    void *ctx)
{
    struct vr_err err = VR_ERR_INIT;
    if (!core_allowed(who, VR_ROLE_ADMIN, done, ctx)) {
        return;
    }
    struct rel_entry *rel = core_find_rel(c, vm, 0);
    rel = rel && !rel->r.is_source ? rel : core_find_rel(c, vm, 1);
    int r = rel && !rel->r.is_source
                ? bind_rel(c, rel, host, who->user, &err)
                : vr_fail(&err, VR_E_STATE, "this host holds no replica of the virtual machine");
    if (r < 0) {
        core_answer_err(done, ctx, r, &err);
        return;
    }
    core_answer_code(done, ctx, VR_RC_COMPLETED, 0, 0, NULL);
}
