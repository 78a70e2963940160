/* SPDX-License-Identifier: Apache-2.0 */
/* One question to another host, in a thread of its own that lives until the answer or the deadline.
 */
#include <pthread.h>

#include "daemon/daemon.h"
#include "daemon/session.h"
#include "util/vtime.h"

#define QUICK_DEADLINE_MS 2000 /* somebody waits for the answer */
#define DEADLINE_MS 30000      /* the other side makes images */

struct peer_call {
    struct daemon *d;
    struct control_msg msg;
    uint64_t call_id, deadline_ms;
    char point[VR_HOST_MAX], identity[VR_HOST_MAX];
    struct tls_creds *creds;
    struct link *keep; /* open for the transfer that was asked about; NULL: none */
    struct vr_peer_request req;
    struct vr_peer_reply reply;
};

static int ask(struct peer_call *pc, struct vr_err *err)
{
    _cleanup_(link_closep) struct link *link = NULL;
    int r = session_connect(pc->creds, pc->point, pc->identity, pc->deadline_ms, &link, err);
    if (r == 0) {
        r = session_send_request(link, pc->d->host_name, &pc->req, err);
    }
    uint64_t features = 0;
    if (r == 0) {
        r = session_get_reply(link, pc->deadline_ms, &features, &pc->reply, err);
    }
    if (r == 0 && session_keeps(features, &pc->req, &pc->reply)) {
        pc->keep = TAKE_PTR(link);
    }
    return r;
}

static void answered(void *arg)
{
    struct peer_call *pc = arg;
    pc->d->peer_calls--;
    if (pc->keep && !pc->d->stopping) {
        parked_put(&pc->d->parked, TAKE_PTR(pc->keep), tls_creds_ref(pc->creds), pc->point,
                   pc->identity);
    }
    link_close(pc->keep);
    core_on_peer_reply(pc->d->core, pc->call_id, &pc->reply);
    tls_creds_unref(pc->creds);
    explicit_bzero(&pc->req, sizeof pc->req);
    free(pc);
}

static void *call_thread(void *arg)
{
    struct peer_call *pc = arg;
    struct vr_err err = VR_ERR_INIT;
    int r = ask(pc, &err);
    if (r < 0) {
        pc->reply = (struct vr_peer_reply){.result = r};
        snprintf(pc->reply.text, sizeof pc->reply.text, "%s", vr_err_text(&err));
    }
    control_send(pc->d->control, &pc->msg);
    return NULL;
}

int peer_call_start(struct daemon *d,
                    uint64_t call_id,
                    const char *point,
                    const char *identity,
                    const struct vr_peer_request *req,
                    struct vr_err *err)
{
    if (d->stopping || d->peer_calls >= DAEMON_PEER_CALLS_MAX) {
        return vr_fail(err, VR_E_LIMIT, "too many questions to other hosts are under way");
    }
    struct peer_call *pc = calloc(1, sizeof *pc);
    if (!pc) {
        return vr_fail_nomem(err);
    }
    bool quick = req->op == VR_PEER_TEST || req->op == VR_PEER_PREFLIGHT;
    pc->d = d;
    pc->msg = (struct control_msg){.fn = answered, .arg = pc};
    pc->call_id = call_id;
    pc->deadline_ms = vr_mono_ms() + (quick ? QUICK_DEADLINE_MS : DEADLINE_MS);
    snprintf(pc->point, sizeof pc->point, "%s", point);
    snprintf(pc->identity, sizeof pc->identity, "%s", identity ? identity : "");
    pc->req = *req;
    pc->creds = daemon_creds(d);
    int r = session_thread(call_thread, pc, err);
    if (r < 0) {
        tls_creds_unref(pc->creds);
        free(pc);
        return r;
    }
    d->peer_calls++;
    return 0;
}
