/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The peer listener, and one thread for each session another host opens here. A session is one
 * REQUEST: core answers it on the control thread; for OPEN the session then runs the target's step
 * machine on the replica. A PREFLIGHT that was granted may be followed by one more REQUEST, which
 * is judged like any other.
 *
 * A session is reached from outside only through its stop flag and wake-up; both under
 * targets.lock, as is the list.
 */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>

#include "daemon/daemon.h"
#include "daemon/peer_certs.h"
#include "daemon/session.h"
#include "resync/lane.h"
#include "util/log.h"
#include "util/vtime.h"

#define SESSIONS_MAX 64
#define KEPT_AMONG (SESSIONS_MAX / 2) /* with more sessions than that, none is kept for more */
#define HANDSHAKE_DEADLINE_MS 10000
#define STAGING_EVERY_MS 250
#define REPLICA_WAIT_MS 5000 /* for the session before on the same replica to end */

struct session {
    struct session *next; /* under targets.lock */
    struct targets *ts;
    int socket; /* until the handshake took it */
    int wake;   /* eventfd */
    atomic_bool stop;
    struct vr_uuid vm; /* under targets.lock: what is being written; nil: nothing yet */
    uint8_t number;
    bool staging_known;            /* under targets.lock */
    struct target_staging staging; /* under targets.lock */
    struct link *link;
    char peer[VR_HOST_MAX];
    struct vr_peer_request req;
    struct vr_peer_reply reply;
    struct vr_rel rel;
    struct replica_use *use;
    struct core_transfer_result result;
    char followed[VR_TEXT_MAX]; /* how the committed disks differ from those before; "": not */
};

struct targets {
    struct daemon *d;
    struct tls_listener *listener;
    int stop_fd; /* eventfd: the accept thread ends */
    pthread_mutex_t lock;
    struct session *first;
    unsigned n;
    bool accepting; /* the accept thread lives */
};

/* --- on the control thread, for a session --- */

static void serve(void *arg)
{
    struct session *s = arg;
    s->reply = (struct vr_peer_reply){0};
    if (s->ts->d->stopping) {
        s->reply.result = -VR_E_PEER;
        snprintf(s->reply.text, sizeof s->reply.text, "the daemon is stopping");
        return;
    }
    core_serve_peer(s->ts->d->core, s->peer, &s->req, &s->reply, &s->rel);
}

static void tell_end(void *arg)
{
    struct session *s = arg;
    struct daemon *d = s->ts->d;
    core_on_target_end(d->core, &s->rel.vm_id, s->rel.number, &s->result);
    if (s->followed[0]) {
        daemon_event(d, CORE_EV_DISKS_FOLLOWED, &s->rel.vm_id, s->req.vm_name, "%s", s->followed);
    }
    definitions_due(d->definitions, &s->rel.vm_id);
}

/* --- a session's thread --- */

static bool commit_gate(void *ctx)
{
    struct session *s = ctx;
    return replicas_commit_gate(s->use);
}

static void random_bytes(void *ctx, void *p, size_t n)
{
    vr_random(p, n);
}

/* For who looks; now and then. */
static void tell_staging(struct session *s, const struct target *t, uint64_t *told_ms)
{
    uint64_t now = vr_mono_ms();
    if (s->staging_known && now - *told_ms < STAGING_EVERY_MS) {
        return;
    }
    *told_ms = now;
    pthread_mutex_lock(&s->ts->lock);
    s->staging_known = true;
    s->staging = target_staging(t);
    pthread_mutex_unlock(&s->ts->lock);
}

static int run_target(struct session *s, struct target *t, struct vr_err *err)
{
    struct session_idle idle = {0};
    uint64_t told_ms = 0;
    for (;;) {
        enum lane_status status;
        uint32_t wait_ms = 1000;
        tell_staging(s, t, &told_ms);
        if (atomic_load(&s->stop)) {
            return vr_fail(err, VR_E_CANCELED, "the session was ended on this host");
        }
        int r = target_step(t, vr_wall_us(), &status, &wait_ms, err);
        /* Once COMMIT was ordered it is carried out, even when nobody listens any more. */
        bool deaf = r == 0 && target_progress(t)->phase >= VR_PHASE_COMMIT;
        int f = link_flush(s->link,
                           r < 0 || deaf ? NULL : err); /* the peer is to hear of a failure too */
        if (r < 0 || (f < 0 && !deaf) || status == LANE_DONE) {
            return r < 0 ? r : deaf ? 0 : f;
        }
        if (status == LANE_WAIT) {
            r = f < 0 ? -VR_E_PEER
                      : link_wait(s->link, s->wake, (int)(wait_ms < 1000 ? wait_ms : 1000), err);
            if (r < 0 && deaf) {
                poll(NULL, 0, 100);
                r = 0;
            }
        }
        if (r == 0 && !deaf) {
            r = session_idle_check(&idle, s->link, err);
        }
        if (r < 0) {
            return r;
        }
    }
}

/* What is still queued (COMMITTED, FAIL) goes out, for a moment. */
static void linger(struct link *link)
{
    uint64_t until = vr_mono_ms() + 2000;
    while (link_pending(link) && vr_mono_ms() < until) {
        if (link_wait(link, -1, 200, NULL) < 0 || link_flush(link, NULL) < 0) {
            return;
        }
    }
}

static int open_target(struct session *s, struct target **ret, struct vr_err *err)
{
    struct daemon *d = s->ts->d;
    int r = replicas_write(d->replicas, &s->rel, true, REPLICA_WAIT_MS, &s->use, err);
    if (r == 0) {
        r = replica_check(replica_use_replica(s->use), &s->req, &s->reply, err);
    }
    if (r < 0) {
        return r;
    }
    struct target_params p = {.replica = replica_use_replica(s->use),
                              .open = s->req,
                              .reply = s->reply,
                              .staging_reserve_bytes = d->config.staging_reserve_bytes,
                              .umac = d->umac,
                              .image_format = daemon_image_format(d),
                              .commit_gate = commit_gate,
                              .random = random_bytes,
                              .ctx = s};
    return target_new(&p, s->link, ret, err);
}

static void set_target(struct session *s, bool on)
{
    pthread_mutex_lock(&s->ts->lock);
    s->vm = on ? s->rel.vm_id : (struct vr_uuid){{0}};
    s->number = s->rel.number;
    pthread_mutex_unlock(&s->ts->lock);
}

static void log_commit(const struct session *s, const struct commit_stats *c)
{
    char vm[VR_UUID_TEXT_LEN];
    vr_uuid_text(&s->rel.vm_id, vm);
    vr_log(VR_LOG_INFO, "commit",
           "vm=%s staged_mib=%llu written_mib=%llu writes=%llu reads=%llu reserve_ms=%llu "
           "sync_ms=%llu check_ms=%llu redo_ms=%llu flush_ms=%llu readback_ms=%llu",
           vm, (unsigned long long)c->staged_bytes >> 20,
           (unsigned long long)c->written_bytes >> 20, (unsigned long long)c->writes,
           (unsigned long long)c->reads, (unsigned long long)c->reserve_us / 1000,
           (unsigned long long)c->sync_us / 1000, (unsigned long long)c->check_us / 1000,
           (unsigned long long)c->redo_us / 1000, (unsigned long long)c->flush_us / 1000,
           (unsigned long long)c->readback_us / 1000);
}

static void run_open(struct session *s)
{
    struct target *t = NULL;
    struct vr_err *err = &s->result.err;
    set_target(s, true);
    int r = open_target(s, &t, err);
    if (r < 0) {
        s->reply.result = r;
        snprintf(s->reply.text, sizeof s->reply.text, "%s", vr_err_text(err));
        (void)!session_send_reply(s->link, &s->reply, vr_mono_ms() + HANDSHAKE_DEADLINE_MS, NULL);
    } else {
        r = run_target(s, t, err);
    }
    s->result.result = r;
    if (t) {
        bool committed = false;
        s->result.generation = *target_outcome(t, &committed);
        s->result.result = committed ? 0 : r;
        s->result.report.instant_us = s->req.instant_us;
        s->result.report.consistency = s->req.consistency;
        if (committed) {
            snprintf(s->followed, sizeof s->followed, "%s", target_followed(t));
        }
        if (committed && target_commit_stats(t)) {
            log_commit(s, target_commit_stats(t));
        }
        linger(s->link);
    }
    target_free(t);
    replica_use_end(s->use);
    set_target(s, false);
    control_call(s->ts->d->control, tell_end, s);
}

/* Takes the request whose HELLO came, answers it and, when it is OPEN, carries it out. */
static int answer(struct session *s, struct vr_err *err)
{
    struct daemon *d = s->ts->d;
    int r = session_get_request(s->link, vr_mono_ms() + HANDSHAKE_DEADLINE_MS, &s->req, err);
    if (r < 0) {
        return r;
    }
    control_call(d->control, serve, s);
    if (s->req.op == VR_PEER_OPEN && s->reply.result == 0) {
        run_open(s);
        return 0; /* its end is core's to tell */
    }
    return session_send_reply(s->link, &s->reply, vr_mono_ms() + HANDSHAKE_DEADLINE_MS, err);
}

static bool few_sessions(struct targets *ts)
{
    pthread_mutex_lock(&ts->lock);
    bool few = ts->n <= KEPT_AMONG;
    pthread_mutex_unlock(&ts->lock);
    return few;
}

/*
 * The transfer that was asked about, over the same connection. Not to come, or not in time, is the
 * caller's right. With other certificates than those that judged the caller it has to come anew.
 */
static int answer_more(struct session *s, const struct tls_creds *creds, struct vr_err *err)
{
    struct session_until until = {vr_mono_ms() + SESSION_KEEP_MS, s->wake, &s->stop};
    uint64_t features;
    if (session_hello_server(s->link, s->ts->d->host_name, &until, &features, NULL) < 0) {
        return 0;
    }
    struct tls_creds *now = daemon_creds(s->ts->d);
    bool same = now == creds;
    tls_creds_unref(now);
    return same ? answer(s, err) : 0;
}

static int run_session(struct session *s, struct vr_err *err)
{
    struct daemon *d = s->ts->d;
    struct session_until until = {vr_mono_ms() + HANDSHAKE_DEADLINE_MS, s->wake, &s->stop};
    _cleanup_(tls_creds_unrefp) struct tls_creds *creds = daemon_creds(d);
    struct tls_stream *stream;
    uint64_t features = 0;
    int r = tls_accept(creds, TAKE_FD(s->socket), until.deadline_ms, &stream, err);
    if (r < 0) {
        return r;
    }
    snprintf(s->peer, sizeof s->peer, "%s", tls_peer_name(stream));
    peer_certs_note(s->peer, tls_peer_not_after_us(stream));
    r = link_tls_new(stream, &s->link, err);
    if (r == 0) {
        r = session_hello_server(s->link, d->host_name, &until, &features, err);
    }
    if (r == 0) {
        r = answer(s, err);
    }
    if (r == 0 && session_keeps(features, &s->req, &s->reply) && few_sessions(s->ts)) {
        r = answer_more(s, creds, err);
    }
    return r;
}

static void session_free(struct session *s)
{
    link_close(s->link);
    if (s->socket >= 0) {
        close(s->socket);
    }
    if (s->wake >= 0) {
        close(s->wake);
    }
    explicit_bzero(&s->req, sizeof s->req);
    free(s);
}

static void *session_main(void *arg)
{
    struct session *s = arg;
    struct targets *ts = s->ts;
    struct vr_err err = VR_ERR_INIT;
    char quoted[VR_HOST_MAX];
    if (run_session(s, &err) < 0) {
        vr_log(VR_LOG_NOTICE, "peer-session", "peer=\"%s\": %s",
               vr_log_quote(s->peer, quoted, sizeof quoted), vr_err_text(&err));
    }
    pthread_mutex_lock(&ts->lock);
    struct session **at = &ts->first;
    while (*at != s) {
        at = &(*at)->next;
    }
    *at = s->next;
    ts->n--;
    pthread_mutex_unlock(&ts->lock); /* ts may be gone after this */
    session_free(s);
    return NULL;
}

/* --- the accept thread --- */

static void start_session(struct targets *ts, int take_fd)
{
    struct vr_err err = VR_ERR_INIT;
    struct session *s = calloc(1, sizeof *s);
    if (!s) {
        close(take_fd);
        return;
    }
    s->ts = ts;
    s->socket = take_fd;
    s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_lock(&ts->lock);
    int r =
        ts->n >= SESSIONS_MAX ? vr_fail(&err, VR_E_LIMIT, "%d sessions are open", SESSIONS_MAX) : 0;
    if (r == 0) {
        s->next = ts->first;
        ts->first = s;
        ts->n++;
        r = session_thread(session_main, s, &err);
    }
    if (r < 0 && ts->first == s) {
        ts->first = s->next;
        ts->n--;
    }
    pthread_mutex_unlock(&ts->lock);
    if (r < 0) {
        vr_log(VR_LOG_WARNING, "peer-refused", "a peer's connection was closed: %s",
               vr_err_text(&err));
        session_free(s);
    }
}

static void *accept_main(void *arg)
{
    struct targets *ts = arg;
    struct pollfd fds[2] = {{.fd = tls_listener_fd(ts->listener), .events = POLLIN},
                            {.fd = ts->stop_fd, .events = POLLIN}};
    while (poll(fds, 2, -1) >= 0 || errno == EINTR) {
        struct vr_err err = VR_ERR_INIT;
        int fd;
        if (fds[1].revents) {
            break;
        }
        int r = fds[0].revents ? tls_listener_accept(ts->listener, &fd, &err) : -VR_E_TIMEOUT;
        if (r == 0) {
            start_session(ts, fd);
        } else if (r != -VR_E_TIMEOUT) {
            vr_log(VR_LOG_WARNING, "peer-accept", "%s", vr_err_text(&err));
            poll(NULL, 0, 100); /* no descriptors left: some will be given back */
        }
    }
    pthread_mutex_lock(&ts->lock);
    ts->accepting = false;
    pthread_mutex_unlock(&ts->lock);
    return NULL;
}

/* --- on the control thread --- */

int targets_start(struct daemon *d, struct targets **ret, struct vr_err *err)
{
    struct targets *ts = calloc(1, sizeof *ts);
    if (!ts) {
        return vr_fail_nomem(err);
    }
    ts->d = d;
    pthread_mutex_init(&ts->lock, NULL);
    ts->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int r = tls_listen(d->config.peer_listen, (uint16_t)d->config.peer_port, &ts->listener, err);
    if (r == 0) {
        ts->accepting = true;
        r = session_thread(accept_main, ts, err);
    }
    if (r < 0) {
        ts->accepting = false;
        targets_free(ts);
        return r;
    }
    *ret = ts;
    return 0;
}

uint16_t targets_port(const struct targets *ts)
{
    return tls_listener_port(ts->listener);
}

static void stop_locked(struct session *s)
{
    uint64_t one = 1;
    atomic_store(&s->stop, true);
    ssize_t ignored = write(s->wake, &one, sizeof one);
    (void)ignored;
}

void targets_end(struct targets *ts, const struct vr_uuid *vm, uint8_t number)
{
    if (!ts) {
        return;
    }
    pthread_mutex_lock(&ts->lock);
    for (struct session *s = ts->first; s; s = s->next) {
        if (!vr_uuid_is_nil(&s->vm) && s->number == number && vr_uuid_eq(&s->vm, vm)) {
            stop_locked(s);
        }
    }
    pthread_mutex_unlock(&ts->lock);
}

struct api_staging targets_staging(struct targets *ts, const struct vr_uuid *vm, uint8_t number)
{
    struct api_staging found = {0};
    pthread_mutex_lock(&ts->lock);
    for (struct session *s = ts->first; s; s = s->next) {
        if (s->staging_known && s->number == number && vr_uuid_eq(&s->vm, vm)) {
            found = (struct api_staging){true, s->staging.bytes, s->staging.limit_bytes};
        }
    }
    pthread_mutex_unlock(&ts->lock);
    return found;
}

void targets_stop(struct targets *ts)
{
    uint64_t one = 1;
    ssize_t ignored = write(ts->stop_fd, &one, sizeof one);
    (void)ignored;
    pthread_mutex_lock(&ts->lock);
    for (struct session *s = ts->first; s; s = s->next) {
        stop_locked(s);
    }
    pthread_mutex_unlock(&ts->lock);
}

bool targets_idle(struct targets *ts)
{
    pthread_mutex_lock(&ts->lock);
    bool idle = ts->n == 0 && !ts->accepting;
    pthread_mutex_unlock(&ts->lock);
    return idle;
}

void targets_free(struct targets *ts)
{
    if (!ts) {
        return;
    }
    tls_listener_close(ts->listener);
    close(ts->stop_fd);
    pthread_mutex_destroy(&ts->lock);
    free(ts);
}
