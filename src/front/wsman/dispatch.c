/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "front/wsman/internal.h"
#include "util/cleanup.h"
#include "util/num.h"

DEFINE_CLEANUP(xmlDoc *, xmlFreeDoc)

void wsman_call_free(struct wsman_call *c)
{
    cim_arena_deinit(&c->arena);
    free(c);
}

static const struct {
    const char *action;
    void (*run)(struct wsman_call *c, struct vr_buf *b);
} actions[] = {
    {NS_X "/Get", wsman_get},     {NS_N "/Enumerate", wsman_enumerate},
    {NS_N "/Pull", wsman_pull},   {NS_N "/Release", wsman_release},
    {NS_N "/Renew", wsman_renew}, {NS_N "/GetStatus", wsman_get_status},
};

const char wsman_identity[] =
    "<s:Envelope xmlns:s=\"" NS_S "\"><s:Header/><s:Body>"
    "<wsmid:IdentifyResponse xmlns:wsmid=\"" NS_ID "\">"
    "<wsmid:ProtocolVersion>" NS_W "</wsmid:ProtocolVersion>"
    "<wsmid:ProductVendor>vmreplica</wsmid:ProductVendor>"
    "<wsmid:ProductVersion>OS: 0.0.0 SP: 0.0 Stack: 3.0</wsmid:ProductVersion>"
    "</wsmid:IdentifyResponse>" WSMAN_TAIL;

bool wsman_is_identify(const char *body)
{
    return strstr(body, NS_ID) && strstr(body, "Identify");
}

static bool is_method(const struct wsman_call *c)
{
    size_t n = strlen(c->uri);
    return strncasecmp(c->action, c->uri, n) == 0 && c->action[n] == '/' && c->action[n + 1] &&
           !strchr(c->action + n + 1, '/');
}

static void run(struct wsman_call *c, struct vr_buf *b)
{
    if (c->identify) {
        vr_buf_bytes(b, wsman_identity, strlen(wsman_identity) - strlen(WSMAN_TAIL));
        return;
    }
    for (size_t i = 0; i < VR_COUNT(actions); i++) {
        if (strcmp(c->action, actions[i].action) == 0) {
            actions[i].run(c, b);
            return;
        }
    }
    wsman_fail(c, WSF_ACTION_NOT_SUPPORTED, NULL, "the action '%.150s' is not supported",
               c->action);
}

void wsman_handle(struct cim_broker *broker,
                  const struct cim_caller *caller,
                  const void *body,
                  size_t len,
                  wsman_done done,
                  void *ctx)
{
    struct vr_err err = VR_ERR_INIT;
    struct vr_buf b;
    _cleanup_(xmlFreeDocp) xmlDoc *doc = NULL;
    struct wsman_call *c = calloc(1, sizeof *c);
    if (!c) {
        done(ctx, &(struct wsman_answer){.http_status = 500});
        return;
    }
    c->broker = broker;
    c->caller = *caller;
    c->done = done;
    c->ctx = ctx;
    c->max_envelope = WSMAN_ENVELOPE_DEFAULT;
    cim_arena_init(&c->arena, WSMAN_MEMORY_MAX);
    if (xml_read(len ? body : "", len, &doc, &err) < 0) {
        wsman_fail(c, WSF_SCHEMA_VALIDATION, NULL, "%s", vr_err_text(&err));
    } else {
        wsman_read_envelope(c, xmlDocGetRootElement(doc));
    }
    bool acts = c->fault == WSF_NONE && !c->identify;
    bool put = acts && strcmp(c->action, NS_X "/Put") == 0;
    if (acts && c->fragment &&
        (c->names.classes || (!put && strcmp(c->action, NS_X "/Get") != 0))) {
        wsman_fail(c, WSF_UNSUPPORTED_FEATURE, "FragmentLevelAccess",
                   "only Get and Put of an instance know fragments");
        acts = put = false;
    }
    if (put || (acts && is_method(c))) {
        (put ? wsman_put : wsman_invoke)(c);
        return;
    }
    vr_buf_init_spare(&b, WSMAN_BUFFER_MAX);
    if (c->fault == WSF_NONE) {
        run(c, &b);
    }
    wsman_end(c, &b);
    wsman_call_free(c);
}
