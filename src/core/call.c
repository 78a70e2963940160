/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions to peers: sent, remembered by number, answered by core_on_peer_reply. The environment
 * keeps the deadline and answers every question it took exactly once; an answer to a number we do
 * not know is ignored.
 */
#include <string.h>
#include <strings.h>

#include "core/internal.h"

static struct call *take_call(struct core *c, uint64_t id)
{
    for (struct call **p = &c->calls; *p; p = &(*p)->next) {
        struct call *call = *p;
        if (call->id == id) {
            *p = call->next;
            c->ncalls--;
            return call;
        }
    }
    return NULL;
}

int core_call(struct core *c,
              const struct call *tmpl,
              const char *point,
              const char *identity,
              const struct vr_peer_request *req,
              struct vr_err *err)
{
    if (c->ncalls >= CORE_CALLS_MAX) {
        return vr_fail(err, VR_E_LIMIT, "%u peer hosts are being asked already; try again later",
                       CORE_CALLS_MAX);
    }
    struct call *call = malloc(sizeof(*call));
    if (!call) {
        return vr_fail_nomem(err);
    }
    *call = *tmpl;
    const struct rel_entry *rel = core_find_rel(c, &call->vm, call->number);
    if (rel) {
        call->generation = rel->r.generation.uuid;
        call->proposed = rel->r.proposed;
    }
    uint64_t id = call->id = ++c->last_call_id;
    call->next = c->calls;
    c->calls = call;
    c->ncalls++;
    struct vr_err e = VR_ERR_INIT;
    int r = c->ops->peer_call(c->ctx, id, point, identity, req, &e);
    if (r < 0) {
        struct vr_peer_reply reply = {.result = r};
        core_text(reply.text, sizeof(reply.text), "%s", vr_err_text(&e));
        core_on_peer_reply(c, id, &reply);
    }
    return 0;
}

bool core_call_is_stale(const struct call *call, const struct rel_entry *rel)
{
    return !vr_uuid_eq(&call->generation, &rel->r.generation.uuid) ||
           !vr_uuid_eq(&call->proposed, &rel->r.proposed);
}

bool core_calling_about(struct core *c, const struct vr_uuid *vm)
{
    for (struct call *call = c->calls; call; call = call->next) {
        bool starts =
            call->why == CALL_RESYNC || call->why == CALL_ENABLE || call->why == CALL_START;
        if (starts && vr_uuid_eq(&call->vm, vm)) {
            return true;
        }
    }
    return false;
}

void core_on_peer_reply(struct core *c, uint64_t call_id, const struct vr_peer_reply *reply)
{
    struct call *call = take_call(c, call_id);
    if (!call) {
        return;
    }
    switch (call->why) {
    case CALL_RESYNC:
        resync_reply(c, call, reply);
        break;
    case CALL_DUE:
        resync_due_reply(c, call, reply);
        break;
    case CALL_CYCLE:
        cycle_reply(c, call, reply);
        break;
    case CALL_SETTLE:
        transfer_settle_reply(c, call, reply);
        break;
    case CALL_ENABLE:
        enable_reply(c, call, reply);
        break;
    case CALL_REMOVE:
        change_reply(c, call, reply);
        break;
    case CALL_START:
        initial_reply(c, call, reply);
        break;
    case CALL_DISABLE:
    case CALL_ADOPT:
    case CALL_TEST:
        verbs_reply(c, call, reply);
        break;
    }
    free(call);
}

bool core_is_self(const struct core *c, const char *name)
{
    return name[0] && (strcasecmp(name, c->config.host_name) == 0 ||
                       strcasecmp(name, c->config.certificate_name) == 0);
}

void core_peer_text(char *dst, size_t cap, const char *point, const struct vr_peer_reply *reply)
{
    char host[VR_HOST_MAX];
    uint16_t port;
    const char *text = reply->text[0] ? reply->text : vr_kind_text(reply->result);
    bool answered = reply->host[0] != '\0';
    bool named = vr_host_split(point, host, sizeof(host), &port) && strstr(text, host);
    if (named && !answered) {
        core_text(dst, cap, "%s", text);
    } else {
        core_text(dst, cap, "%.96s: %s", point, text);
    }
}
