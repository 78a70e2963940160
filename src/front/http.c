/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a request:
 *
 *     headers -> authenticate -> read the body (or throw it away, when the answer is settled)
 *             -> route -> suspend the connection, post to the control thread
 *             -> http_reply, deadline or stop -> resume -> send
 *
 * Ownership: a request has two references while it is handled, the connection's and the handler's;
 * whoever comes last frees it. INV: a connection is suspended if and only if its request is in the
 * server's waiting list; leaving the list and resuming happen in one critical section, so a
 * connection is resumed exactly once and never after http_stop took it.
 */
#include "front/http_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "util/num.h"
#include "util/spare.h"
#include "util/vtime.h"

/* How much of a refused body is read, so that the client gets its answer, before the connection is
 * cut. */
#define DISCARD_MAX (4 * HTTP_BODY_MAX)
#define SPARE_MS 5000 /* memory for large answers is kept so long at least */

/* --- requests --- */

static void server_unref(struct http_server *s)
{
    if (atomic_fetch_sub(&s->refs, 1) != 1) {
        return;
    }
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->wake);
    guard_free(s->guard);
    free(s);
}

static void drop_body(struct http_request *r)
{
    atomic_fetch_sub(&r->server->body_bytes, r->body.len);
    vr_buf_deinit(&r->body);
    vr_buf_init(&r->body, HTTP_BODY_MAX + 1);
}

void http_request_unref(struct http_request *r)
{
    if (atomic_fetch_sub(&r->refs, 1) != 1) {
        return;
    }
    drop_body(r);
    if (r->response) {
        MHD_destroy_response(r->response);
    }
    vr_buf_deinit(&r->headers);
    vr_buf_deinit(&r->query);
    vr_buf_deinit(&r->reply_headers);
    free(r->ticket_reply);
    free(r->method);
    free(r->path);
    server_unref(r->server);
    free(r);
}

static enum MHD_Result
collect(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct vr_buf *b = cls;
    if (kind == MHD_HEADER_KIND && strcasecmp(name, MHD_HTTP_HEADER_AUTHORIZATION) == 0) {
        return MHD_YES;
    }
    value = value ? value : "";
    vr_buf_bytes(b, name, strlen(name) + 1);
    vr_buf_bytes(b, value, strlen(value) + 1);
    return MHD_YES;
}

static const char *lookup(const struct vr_buf *b, const char *prefix, const char *name)
{
    const char *text = (const char *)b->data;
    size_t n = strlen(prefix), at = 0;
    while (at < b->len) {
        const char *p = text + at, *value = p + strlen(p) + 1;
        if (strncasecmp(p, prefix, n) == 0 && strcasecmp(p + n, name) == 0) {
            return value;
        }
        at = (size_t)(value + strlen(value) + 1 - text);
    }
    return NULL;
}

static struct http_request *request_new(struct http_server *s,
                                        struct MHD_Connection *connection,
                                        const char *url,
                                        const char *method,
                                        const char *version)
{
    struct http_request *r = calloc(1, sizeof(*r));
    if (!r) {
        return NULL;
    }
    r->server = s;
    atomic_fetch_add(&s->refs, 1);
    atomic_init(&r->refs, 1);
    r->connection = connection;
    r->m_post = strcasecmp(method, "M-POST") == 0;
    r->http11 = strcmp(version, MHD_HTTP_VERSION_1_1) == 0;
    r->method = strdup(r->m_post ? "POST" : strcmp(method, "HEAD") == 0 ? "GET" : method);
    r->path = strdup(url);
    vr_buf_init(&r->headers, 2 * HTTP_CONNECTION_MEMORY);
    vr_buf_init(&r->query, 2 * HTTP_CONNECTION_MEMORY);
    vr_buf_init(&r->reply_headers, HTTP_REPLY_HEADERS_MAX);
    vr_buf_init(&r->body, HTTP_BODY_MAX + 1);
    MHD_get_connection_values(connection, MHD_HEADER_KIND, collect, &r->headers);
    MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, collect, &r->query);
    if (!r->method || !r->path || r->headers.failed || r->query.failed) {
        http_request_unref(r);
        return NULL;
    }
    if (r->m_post) {
        http_read_man(r);
    }
    return r;
}

/* --- what a handler sees --- */

const char *http_method(const struct http_request *r)
{
    return r->method;
}

const char *http_path(const struct http_request *r)
{
    return r->path;
}

const char *http_header(const struct http_request *r, const char *name)
{
    const char *value = r->prefix[0] ? lookup(&r->headers, r->prefix, name) : NULL;
    return value ? value : lookup(&r->headers, "", name);
}

const char *http_query(const struct http_request *r, const char *name)
{
    return lookup(&r->query, "", name);
}

const char *http_body(const struct http_request *r, size_t *ret_len)
{
    if (ret_len) {
        *ret_len = r->body.len;
    }
    return r->body.len ? (const char *)r->body.data : "";
}

const char *http_user(const struct http_request *r)
{
    return r->who.user;
}

enum vr_role http_role(const struct http_request *r)
{
    return r->who.role;
}

const struct vr_scope *http_scope(const struct http_request *r)
{
    return &r->who.scope;
}

/* --- reading --- */

static enum MHD_Result queue(struct http_request *r, struct MHD_Connection *connection)
{
    if (!r->response) {
        return MHD_NO; /* no memory for an answer: cut the connection */
    }
    if (r->chunked) {
        MHD_add_response_header(r->response, MHD_HTTP_HEADER_CONNECTION, "close");
    }
    return MHD_queue_response(connection, r->status, r->response);
}

static enum MHD_Result refuse(struct http_request *r,
                              struct MHD_Connection *connection,
                              unsigned status,
                              const char *detail)
{
    r->status = status;
    r->response = http_error_response(r, status, detail);
    if (r->response) {
        http_refusal_headers(r);
    }
    return queue(r, connection);
}

static size_t body_max(const struct http_request *r)
{
    return r->open ? HTTP_OPEN_BODY_MAX : HTTP_BODY_MAX;
}

static unsigned too_large(const struct http_request *r)
{
    return r->open ? MHD_HTTP_UNAUTHORIZED : MHD_HTTP_CONTENT_TOO_LARGE;
}

/* Headers are there. Decides early what can be, so that a body nobody wants is not kept. */
static enum MHD_Result begin(struct http_listener *l,
                             struct http_request *r,
                             struct MHD_Connection *connection,
                             const char *fault)
{
    uint64_t length = 0;
    const char *text = lookup(&r->headers, "", MHD_HTTP_HEADER_CONTENT_LENGTH);
    if (fault) {
        return refuse(r, connection, MHD_HTTP_BAD_REQUEST, fault);
    }
    r->refused = http_authenticate(l, r, connection);
    if (text && !vr_parse_u64(text, 0, UINT64_MAX, &length)) {
        return refuse(r, connection, MHD_HTTP_BAD_REQUEST, "Content-Length is not a number");
    }
    if (length > body_max(r)) {
        r->refused = r->refused ? r->refused : too_large(r);
        return refuse(r, connection, r->refused, http_refusal_detail(r->refused));
    }
    return MHD_YES;
}

static enum MHD_Result take_body(struct http_request *r, const char *data, size_t *data_size)
{
    size_t n = *data_size;
    *data_size = 0;
    if (!r->refused && r->body.len + n > body_max(r)) {
        r->refused = too_large(r);
    } else if (!r->refused && atomic_load(&r->server->body_bytes) + n > HTTP_BODIES_MAX) {
        r->refused = MHD_HTTP_SERVICE_UNAVAILABLE;
    }
    if (r->refused) {
        drop_body(r);
        r->discarded += n;
        return r->discarded > DISCARD_MAX ? MHD_NO : MHD_YES;
    }
    vr_buf_bytes(&r->body, data, n);
    if (r->body.failed) {
        return MHD_NO;
    }
    atomic_fetch_add(&r->server->body_bytes, n);
    return MHD_YES;
}

static void run_handler(void *arg)
{
    struct http_request *r = arg;
    r->handler(r->handler_ctx, r);
}

/* Suspends and appends to the waiting list; false: the server stops. */
static bool enter_waiting(struct http_request *r)
{
    struct http_server *s = r->server;
    pthread_mutex_lock(&s->lock);
    bool ok = !s->stopping;
    if (ok) {
        MHD_suspend_connection(r->connection);
        atomic_fetch_add(&r->refs, 1);
        r->waiting = true;
        r->deadline_ms = vr_mono_ms() + s->config.deadline_ms;
        r->prev = s->last;
        *(s->last ? &s->last->next : &s->first) = r;
        s->last = r;
        if (s->timer_sleeps) {
            pthread_cond_signal(&s->wake);
        }
    }
    pthread_mutex_unlock(&s->lock);
    return ok;
}

static enum MHD_Result answer_open(struct http_request *r, struct MHD_Connection *connection)
{
    const struct http_open *open = r->server->config.open;
    if (!open->is_it(r)) {
        return refuse(r, connection, MHD_HTTP_UNAUTHORIZED,
                      http_refusal_detail(MHD_HTTP_UNAUTHORIZED));
    }
    char *text = strdup(open->answer);
    r->status = MHD_HTTP_OK;
    r->response = text ? http_build_response(r, open->content_type, text, strlen(text)) : NULL;
    return queue(r, connection);
}

static enum MHD_Result dispatch(struct http_request *r, struct MHD_Connection *connection)
{
    const struct http_config *c = &r->server->config;
    if (r->refused) {
        return refuse(r, connection, r->refused, http_refusal_detail(r->refused));
    }
    if (r->body.len && !vr_buf_cstr(&r->body)) {
        return MHD_NO;
    }
    if (r->open) {
        return answer_open(r, connection);
    }
    unsigned status = MHD_HTTP_NOT_FOUND;
    r->handler = c->route(c->route_ctx, r, &r->handler_ctx, &status);
    if (!r->handler) {
        return refuse(r, connection, status, NULL);
    }
    if (!enter_waiting(r)) {
        return refuse(r, connection, MHD_HTTP_SERVICE_UNAVAILABLE, "vmreplicad is stopping");
    }
    if (!c->post) {
        run_handler(r);
    } else if (!c->post(c->post_ctx, run_handler, r)) {
        http_reply_error(r, MHD_HTTP_SERVICE_UNAVAILABLE, "too many requests are waiting");
    }
    return MHD_YES;
}

enum MHD_Result http_access(void *cls,
                            struct MHD_Connection *connection,
                            const char *url,
                            const char *method,
                            const char *version,
                            const char *data,
                            size_t *data_size,
                            void **con_cls)
{
    struct http_listener *l = cls;
    struct http_request *r = *con_cls;
    if (!r) {
        r = request_new(l->server, connection, url, method, version);
        *con_cls = r;
        return r ? begin(l, r, connection, http_framing_fault(r, connection, method, version))
                 : MHD_NO;
    }
    if (*data_size) {
        return take_body(r, data, data_size);
    }
    /* Resumed: whoever answered set status and response before, under the lock. */
    pthread_mutex_lock(&l->server->lock);
    bool answered = r->status != 0;
    pthread_mutex_unlock(&l->server->lock);
    return answered ? queue(r, connection) : dispatch(r, connection);
}

void http_completed(void *cls,
                    struct MHD_Connection *connection,
                    void **con_cls,
                    enum MHD_RequestTerminationCode toe)
{
    struct http_request *r = *con_cls;
    *con_cls = NULL;
    if (r) {
        http_conn_go_on(&r->server->conns, http_conn_of(connection), false);
        http_request_unref(r);
    }
}

/* --- deadlines, start, stop --- */

static void expire_locked(struct http_server *s, uint64_t now)
{
    while (s->first && (s->stopping || s->first->deadline_ms <= now)) {
        struct http_request *r = s->first;
        http_answer_locked(r, MHD_HTTP_SERVICE_UNAVAILABLE,
                           http_error_response(r, MHD_HTTP_SERVICE_UNAVAILABLE,
                                               s->stopping ? "vmreplicad is stopping"
                                                           : "no answer in time; ask again"));
    }
}

/* Requests come and go without waking this thread: it looks at the oldest again when its deadline
 * would be over. Only when there was none for a while is it woken by the next. */
static void *timer_main(void *arg)
{
    struct http_server *s = arg;
    uint64_t quiet_ms = VR_MIN((uint64_t)s->config.deadline_ms, (uint64_t)SPARE_MS);
    bool busy = true, kept = true;
    pthread_mutex_lock(&s->lock);
    while (!s->stopping) {
        uint64_t now = vr_mono_ms();
        expire_locked(s, now);
        if (!s->first && !busy && kept) {
            /* nothing to do for a while: memory that was kept for large answers goes back */
            pthread_mutex_unlock(&s->lock);
            kept = vr_spare_drop();
            pthread_mutex_lock(&s->lock);
            continue;
        }
        if (!s->first && !busy) {
            s->timer_sleeps = true;
            pthread_cond_wait(&s->wake, &s->lock);
            s->timer_sleeps = false;
            busy = kept = true;
            continue;
        }
        busy = s->first != NULL;
        uint64_t at = s->first ? s->first->deadline_ms : now + quiet_ms;
        struct timespec ts = {.tv_sec = (time_t)(at / 1000),
                              .tv_nsec = (long)(at % 1000) * 1000000};
        pthread_cond_timedwait(&s->wake, &s->lock, &ts);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static struct http_server *server_new(const struct http_config *config)
{
    struct http_server *s = calloc(1, sizeof(*s));
    if (!s) {
        return NULL;
    }
    s->guard = guard_new();
    if (!s->guard || !http_conns_start(&s->conns, config)) {
        guard_free(s->guard);
        free(s);
        return NULL;
    }
    s->config = *config;
    s->config.deadline_ms = config->deadline_ms ? config->deadline_ms : HTTP_DEADLINE_MS;
    atomic_init(&s->refs, 1);
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->wake, &attr);
    pthread_condattr_destroy(&attr);
    return s;
}

int http_start(const struct http_config *config, struct http_server **ret, struct vr_err *err)
{
    vr_assert(config->nlistens <= HTTP_LISTENERS_MAX && config->verify && config->route);
    struct http_server *s = server_new(config);
    if (!s) {
        return vr_fail_nomem(err);
    }
    errno = pthread_create(&s->timer, NULL, timer_main, s);
    if (errno) {
        int r = vr_fail_errno(err, VR_E_INTERNAL, "cannot start the HTTP server's timer");
        http_stop(s);
        return r;
    }
    s->timer_runs = true;
    for (size_t i = 0; i < config->nlistens; i++) {
        int r = http_listener_open(s, i, err);
        if (r < 0) {
            http_stop(s);
            return r;
        }
    }
    *ret = s;
    return 0;
}

void http_stop(struct http_server *s)
{
    if (!s) {
        return;
    }
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    expire_locked(s, 0);
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    if (s->timer_runs) {
        pthread_join(s->timer, NULL);
    }
    for (size_t i = 0; i < HTTP_LISTENERS_MAX; i++) {
        http_listener_close(&s->listeners[i]);
    }
    http_conns_stop(&s->conns);
    server_unref(s);
}
