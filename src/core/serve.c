/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The replica side: what an authenticated peer may ask. A relationship is bound to the identity
 * that made it, to a number and to a direction; an authorization entry must still allow that
 * identity.
 */
#include <string.h>
#include <strings.h>

#include "core/internal.h"
#include "util/num.h"
#include "util/vtime.h"

static int check_auth(struct core *c, const char *identity, struct vr_err *err)
{
    if (core_find_auth(c, identity)) {
        return 0;
    }
    return vr_fail(err, VR_E_DENIED, "no authorization entry of %.100s allows %.100s",
                   c->config.host_name, identity);
}

/* The relationship this peer may speak about. */
static int find_ours(struct core *c,
                     const char *identity,
                     const struct vr_peer_request *req,
                     struct rel_entry **ret,
                     struct vr_err *err)
{
    struct rel_entry *rel = core_find_rel(c, &req->vm_id, req->rel_number);
    if (!rel) {
        return vr_fail(err, VR_E_STATE, "%.128s knows no relationship %u of this virtual machine",
                       c->config.host_name, req->rel_number);
    }
    if (strcasecmp(rel->r.peer_identity, identity) != 0) {
        return vr_fail(err, VR_E_DENIED, "the relationship belongs to another host than %.128s",
                       identity);
    }
    if (rel->r.is_source) {
        return vr_fail(err, VR_E_DENIED,
                       "%.128s is the source of this relationship, not its target",
                       c->config.host_name);
    }
    *ret = rel;
    return 0;
}

/* When the source's clock says it was, 0: it does not say. One that is ahead of ours makes no
 * recovery point of the future. */
static uint64_t instant_by_our_clock(struct core *c, uint64_t instant_us)
{
    uint64_t now = core_now(c);
    return instant_us ? VR_MIN(instant_us, now) : now;
}

/* What the sidecar says may be ahead of our record: a commit settled while nobody wrote it down. */
static void follow_sidecar(struct core *c, struct rel_entry *rel, const struct vr_peer_reply *reply)
{
    const struct vr_generation *gen = &reply->generation;
    if (vr_uuid_is_nil(&gen->uuid) || vr_uuid_eq(&gen->uuid, &rel->r.generation.uuid) ||
        rel->r.state == VR_REL_RECOVERED || reply->released) {
        return;
    }
    struct vr_rel next = rel->r;
    next.generation = *gen;
    next.last_sync_us = instant_by_our_clock(c, reply->instant_us);
    next.consistency = reply->consistency;
    if (next.state == VR_REL_INITIAL) {
        (void)!core_rel_move(&next, VR_REV_RESYNC_DONE, "", NULL);
    }
    core_rel_put(c, rel, &next);
}

int core_ask_sidecar(struct core *c,
                     const struct rel_entry *rel,
                     struct vr_peer_reply *ret,
                     struct vr_err *err)
{
    struct vr_peer_request req;
    *ret = (struct vr_peer_reply){0};
    core_peer_request(&rel->r, NULL, VR_PEER_ADOPT, &req);
    return c->ops->inspect_replica(c->ctx, &rel->r, &req, ret, err);
}

/* Nothing has changed at the source since our generation: it is as good as one of that moment. In
 * memory alone, since every cycle of an idle virtual machine says so. */
static void follow_instant(struct core *c,
                           struct rel_entry *rel,
                           const struct vr_peer_request *req,
                           const struct vr_peer_reply *reply)
{
    bool same = req->op == VR_PEER_PREFLIGHT && req->instant_us && req->nhistory > 0 &&
                vr_uuid_eq(&req->history[0], &reply->generation.uuid);
    if (same && !reply->changed_alone && rel->r.state == VR_REL_REPLICATING) {
        uint64_t instant = instant_by_our_clock(c, req->instant_us);
        rel->r.last_sync_us = VR_MAX(rel->r.last_sync_us, instant);
    }
}

static int inspect(struct core *c,
                   struct rel_entry *rel,
                   const struct vr_peer_request *req,
                   struct vr_peer_reply *reply,
                   struct vr_err *err)
{
    if (rel->r.state == VR_REL_RECOVERED && !req->force) {
        reply->generation = rel->r.generation;
        return vr_fail(err, VR_E_LINEAGE, "the replica was %.200s", rel->r.reason);
    }
    int r = c->ops->inspect_replica(c->ctx, &rel->r, req, reply, err);
    if (r != -VR_E_LINEAGE) { /* what is refused may be refused for what our record had missed */
        follow_sidecar(c, rel, reply);
    }
    if (r == 0) {
        follow_instant(c, rel, req, reply);
    }
    return r;
}

static int serve_transfer(struct core *c,
                          const char *identity,
                          const struct vr_peer_request *req,
                          struct vr_peer_reply *reply,
                          struct rel_entry **ret,
                          struct vr_err *err)
{
    struct rel_entry *rel;
    int r = find_ours(c, identity, req, &rel, err);
    r = r < 0 ? r : auth_check_rel(c, &rel->r, err);
    if (r < 0) {
        return r;
    }
    if (req->op == VR_PEER_OPEN && rel->target_open) {
        return vr_fail(err, VR_E_BUSY, "a session of this relationship is open on %.128s",
                       c->config.host_name);
    }
    r = inspect(c, rel, req, reply, err);
    if (r < 0) {
        return r;
    }
    rel->target_open = rel->target_open || req->op == VR_PEER_OPEN;
    *ret = rel;
    return 0;
}

static int make_replica(struct core *c,
                        const char *identity,
                        const struct vr_auth_entry *auth,
                        const struct vr_peer_request *req,
                        struct rel_entry **ret,
                        struct vr_err *err)
{
    struct vr_rel rel = {
        .vm_id = req->vm_id,
        .number = req->rel_number,
        .state = VR_REL_INITIAL,
        .health = VR_HEALTH_WARNING,
        .reason = "waits for its initial replication",
        .created_us = core_now(c),
    };
    core_text(rel.peer, sizeof(rel.peer), "%s", identity);
    core_text(rel.peer_identity, sizeof(rel.peer_identity), "%s", identity);
    core_text(rel.storage, sizeof(rel.storage), "%s", auth->storage);
    core_text(rel.vm_name, sizeof(rel.vm_name), "%s", req->vm_name);
    stats_begin(c, &rel);
    int r = core_insert_rel(c, &rel, err); /* every limit before anything is made */
    if (r < 0) {
        return r;
    }
    struct rel_entry *e = core_find_rel(c, &rel.vm_id, rel.number);
    r = c->ops->create_replica(c->ctx, &rel, req, err);
    if (r == 0) {
        r = c->ops->save_rel(c->ctx, &rel, err);
        if (r < 0) {
            (void)!c->ops->release_replica(c->ctx, &rel, NULL);
        }
    }
    if (r < 0) {
        core_remove_rel(c, e);
        return r;
    }
    e->r = rel;
    *ret = e;
    core_event(c, CORE_EV_ENABLED, &req->vm_id, req->vm_name, "replica of %s made in %.128s",
               identity, rel.storage);
    return 0;
}

static int
forget(struct core *c, const struct vr_peer_request *req, struct rel_entry *rel, struct vr_err *err)
{
    c->ops->end_target_sessions(c->ctx, &req->vm_id, req->rel_number);
    int r = c->ops->release_replica(c->ctx, &rel->r, err);
    r = r < 0 ? r : c->ops->delete_rel(c->ctx, &req->vm_id, req->rel_number, err);
    if (r == 0) {
        const char *name = rel->r.vm_name[0] ? rel->r.vm_name : req->vm_name;
        core_event(c, CORE_EV_DISABLED, &req->vm_id, name[0] ? name : NULL,
                   "%s removed the relationship; the replica's images stay", rel->r.peer_identity);
        core_remove_rel(c, rel);
    }
    return r;
}

/* The relationship that is here already, for one who wants to make it. */
static int find_again(struct core *c,
                      const char *identity,
                      const struct vr_peer_request *req,
                      struct rel_entry **ret,
                      struct vr_err *err)
{
    int r = find_ours(c, identity, req, ret, err);
    r = r < 0 ? r : auth_check_rel(c, &(*ret)->r, err);
    if (r == 0 && (*ret)->r.state == VR_REL_RECOVERED) {
        r = vr_fail(err, VR_E_LINEAGE, "the replica was %.200s", (*ret)->r.reason);
    }
    return r;
}

static int check_enable(struct core *c,
                        const char *identity,
                        const struct vr_peer_request *req,
                        struct vr_err *err)
{
    struct rel_entry *first = core_find_rel(c, &req->vm_id, 0);
    if (core_is_self(c, identity)) { /* reached by an address, whatever the entries say */
        return vr_fail(err, VR_E_INVALID, "'%.128s' is this host itself", identity);
    }
    int r = check_auth(c, identity, err);
    if (r < 0) {
        return r;
    }
    if (req->rel_number > 1 || req->ndisks == 0 || req->ndisks > VR_DISKS_MAX) {
        return vr_fail(err, VR_E_INVALID, "a relationship needs 1 to %d disks and number 0 or 1",
                       VR_DISKS_MAX);
    }
    if (req->rel_number == 1 && first && first->r.is_source) {
        return vr_fail(err, VR_E_STATE, "%.128s is the primary of this virtual machine",
                       c->config.host_name);
    }
    return 0;
}

static int serve_enable(struct core *c,
                        const char *identity,
                        const struct vr_peer_request *req,
                        struct vr_peer_reply *reply,
                        struct rel_entry **ret,
                        struct vr_err *err)
{
    struct vr_peer_reply found = {0};
    struct vr_err why = VR_ERR_INIT;
    int r = check_enable(c, identity, req, err);
    if (r < 0) {
        return r;
    }
    struct rel_entry *rel = core_find_rel(c, &req->vm_id, req->rel_number);
    int asked = rel && !rel->r.is_source ? core_ask_sidecar(c, rel, &found, &why) : 0;
    if (found.released) { /* a removal that a crash cut off: only our record was left */
        r = forget(c, req, rel, err);
        rel = NULL;
    }
    if (r < 0) {
        return r;
    }
    if (!rel) {
        return make_replica(c, identity, core_find_auth(c, identity), req, ret, err);
    }
    r = find_again(c, identity, req, ret, err);
    if (r < 0) {
        return r;
    }
    /* Our record may be behind: an import's commit that stood still was finished since. */
    follow_sidecar(c, *ret, &found);
    if (asked < 0 && asked != -VR_E_LINEAGE) {
        return vr_fail(err, (enum vr_err_kind) - asked, "%s", vr_err_text(&why));
    }
    /* a primary that lost its records learns that there is something to lose here */
    reply->generation = (*ret)->r.generation;
    return 0;
}

static int serve_disable(struct core *c,
                         const char *identity,
                         const struct vr_peer_request *req,
                         struct vr_err *err)
{
    struct rel_entry *rel;
    if (!core_find_rel(c, &req->vm_id, req->rel_number)) {
        return 0; /* forgotten already */
    }
    int r = find_ours(c, identity, req, &rel, err);
    return r < 0 ? r : forget(c, req, rel, err);
}

static int serve_adopt(struct core *c,
                       const char *identity,
                       const struct vr_peer_request *req,
                       struct vr_peer_reply *reply,
                       struct rel_entry **ret,
                       struct vr_err *err)
{
    struct rel_entry *rel;
    int r = find_ours(c, identity, req, &rel, err);
    r = r < 0 ? r : inspect(c, rel, req, reply, err);
    /* an unknown lineage is what adopt is for; a promoted replica is not */
    if (r == -VR_E_LINEAGE && rel->r.state != VR_REL_RECOVERED) {
        r = 0;
        if (vr_uuid_is_nil(&reply->generation.uuid)) {
            reply->generation = rel->r.generation;
        }
    }
    *ret = r == 0 ? rel : NULL;
    return r;
}

static int serve(struct core *c,
                 const char *identity,
                 const struct vr_peer_request *req,
                 struct vr_peer_reply *reply,
                 struct rel_entry **ret,
                 struct vr_err *err)
{
    if (req->op == VR_PEER_DISABLE) { /* nothing comes with it: a closed host forgets, too */
        return serve_disable(c, identity, req, err);
    }
    int r = service_check_open(c, err);
    if (r < 0) {
        return r;
    }
    switch (req->op) {
    case VR_PEER_TEST: /* could a relationship be made? What ENABLE asks first */
        return check_auth(c, identity, err);
    case VR_PEER_ENABLE:
        return serve_enable(c, identity, req, reply, ret, err);
    case VR_PEER_PREFLIGHT:
    case VR_PEER_OPEN:
        return serve_transfer(c, identity, req, reply, ret, err);
    case VR_PEER_ADOPT:
        return serve_adopt(c, identity, req, reply, ret, err);
    default:
        return vr_fail(err, VR_E_UNSUPPORTED, "unknown request %d", (int)req->op);
    }
}

void core_serve_peer(struct core *c,
                     const char *peer_identity,
                     const struct vr_peer_request *req,
                     struct vr_peer_reply *reply,
                     struct vr_rel *ret_rel)
{
    struct vr_err err = VR_ERR_INIT;
    struct rel_entry *rel = NULL;
    *reply = (struct vr_peer_reply){0};
    int r = serve(c, peer_identity, req, reply, &rel, &err);
    reply->result = r;
    core_text(reply->host, sizeof(reply->host), "%s", c->config.host_name);
    core_text(reply->text, sizeof(reply->text), "%s", r < 0 ? vr_err_text(&err) : "");
    if (r < 0) {
        bool ours = core_find_rel(c, &req->vm_id, 0) || core_find_rel(c, &req->vm_id, 1);
        core_event(c, CORE_EV_PEER_REFUSED, &req->vm_id,
                   ours || !req->vm_name[0] ? NULL : req->vm_name, "%.96s: %.140s", peer_identity,
                   reply->text);
    }
    if (ret_rel) {
        *ret_rel = rel && r == 0 ? rel->r : (struct vr_rel){0};
    }
}

/* The middle of a chain: its replica took a new generation, so the extended one is behind. A
 * transfer that is under way or suspended reads the new generation when it goes on, and so does the
 * next cycle where there are any. */
static void extended_behind(struct core *c, const struct vr_uuid *vm)
{
    struct rel_entry *e = core_find_rel(c, vm, 1);
    if (!e || !e->r.is_source || e->r.setting.interval_s > 0 ||
        (e->r.state != VR_REL_REPLICATING && e->r.state != VR_REL_SUSPENDED)) {
        return;
    }
    struct vr_rel next = e->r;
    if (core_rel_move(&next, VR_REV_CHANGED_ALONE, "the replica took a new generation", NULL) ==
        0) {
        next.cause = VR_WHY_SOURCE_MOVED_ON;
        core_rel_put(c, e, &next);
    }
}

void core_on_target_end(struct core *c,
                        const struct vr_uuid *vm,
                        uint8_t number,
                        const struct core_transfer_result *res)
{
    struct rel_entry *rel = core_find_rel(c, vm, number);
    if (!rel || rel->r.is_source) {
        return;
    }
    bool known = !vr_uuid_is_nil(&res->generation.uuid);
    bool fresh = known && !vr_uuid_eq(&res->generation.uuid, &rel->r.generation.uuid);
    rel->target_open = false;
    if (!fresh || res->result != 0) {
        return;
    }
    struct vr_rel next = rel->r;
    next.generation = res->generation;
    next.consistency = (uint8_t)res->report.consistency;
    next.last_sync_us = instant_by_our_clock(c, res->report.instant_us);
    stats_count(c, &next, VR_OUTCOME_SUCCESS, 0, core_now(c) - next.last_sync_us);
    if (next.state != VR_REL_REPLICATING) {
        (void)!core_rel_move(&next, VR_REV_RESYNC_DONE, "", NULL);
    }
    core_rel_put(c, rel, &next);
    if (number == 0) {
        extended_behind(c, vm);
    }
}

void core_on_defined(struct core *c, const struct vr_uuid *vm, uint8_t number, bool failed)
{
    struct rel_entry *rel = core_find_rel(c, vm, number);
    if (!rel || rel->r.is_source || rel->r.not_defined == failed) {
        return;
    }
    struct vr_rel next = rel->r;
    next.not_defined = failed;
    stats_judge(&next, core_now(c));
    core_rel_put(c, rel, &next);
}
