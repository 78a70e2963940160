/* SPDX-License-Identifier: Apache-2.0 */
#include "httpwire.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "front/http_impl.h"
#include "front/wsman/http.h"
#include "util/log.h"

#define ROUNDS_MAX 100000 /* of the library's loop for one input */
#define INPUT_MAX (128 * 1024)
#define CREDENTIALS "YWRtaW46c2VjcmV0"

static struct http_server server;
static struct MHD_Daemon *library;

/* The connection, as RFC 9112 reads it. */
static struct {
    const char *p;
    size_t n;
    size_t next;    /* where the next request begins */
    bool closed;    /* nothing more may be read as a request */
    bool in_doubt;  /* the request that is read now */
    bool may_enter; /* it has the password */
    bool is_open;   /* it asks for what needs none */
} wire;

/* --- the second opinion --- */

struct line {
    const char *p;
    size_t n;
};

/* The line at *at, which ends with CR LF and has neither inside. */
static bool take_line(size_t *at, struct line *ret)
{
    const char *start = wire.p + *at, *end = memchr(start, '\n', wire.n - *at);
    if (!end || end == start || end[-1] != '\r' || memchr(start, '\r', (size_t)(end - 1 - start))) {
        return false;
    }
    *ret = (struct line){start, (size_t)(end - 1 - start)};
    *at += (size_t)(end + 1 - start);
    return true;
}

static size_t token_len(const struct line *l)
{
    static const char chars[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    size_t i = 0;
    while (i < l->n && strchr(chars, l->p[i])) {
        i++;
    }
    return i;
}

static bool named(const struct line *l, size_t len, const char *name)
{
    return len == strlen(name) && strncasecmp(l->p, name, len) == 0;
}

static struct line value_of(const struct line *l, size_t name_len)
{
    struct line v = {l->p + name_len + 1, l->n - name_len - 1};
    while (v.n && (*v.p == ' ' || *v.p == '\t')) {
        v.p++;
        v.n--;
    }
    while (v.n && (v.p[v.n - 1] == ' ' || v.p[v.n - 1] == '\t')) {
        v.n--;
    }
    return v;
}

struct opinion {
    unsigned lengths, codings, hosts, authorizations, types;
    struct line length, coding, authorization, identify;
};

static bool take_header(const struct line *l, struct opinion *o)
{
    size_t n = token_len(l);
    if (n == 0 || n == l->n || l->p[n] != ':') {
        return false;
    }
    struct line v = value_of(l, n);
    for (size_t i = 0; i < v.n; i++) {
        if (((unsigned char)v.p[i] < 0x20 && v.p[i] != '\t') || v.p[i] == 0x7f) {
            return false;
        }
    }
    if (named(l, n, "Content-Length")) {
        o->lengths++;
        o->length = v;
    } else if (named(l, n, "Transfer-Encoding")) {
        o->codings++;
        o->coding = v;
    } else if (named(l, n, "Authorization")) {
        o->authorizations++;
        o->authorization = v;
    } else if (named(l, n, "WSMANIDENTIFY")) {
        o->identify = v;
    }
    o->hosts += named(l, n, "Host") ? 1 : 0;
    o->types += named(l, n, "Content-Type") ? 1 : 0;
    return true;
}

/* The length of a body; false: no number. */
static bool length_of(const struct line *l, uint64_t *ret)
{
    *ret = 0;
    for (size_t i = 0; i < l->n; i++) {
        if (l->p[i] < '0' || l->p[i] > '9' || *ret > UINT64_MAX / 10 - 10) {
            return false;
        }
        *ret = *ret * 10 + (uint64_t)(l->p[i] - '0');
    }
    return l->n > 0;
}

/* Reads the headers at wire.next. False: what follows them, or whose they are, is in doubt. */
static bool judge(bool http11)
{
    struct opinion o = {0};
    struct line l;
    uint64_t length = 0;
    size_t at = wire.next;
    wire.closed = true; /* unless all is well */
    if (!take_line(&at, &l)) {
        return false;
    }
    while (take_line(&at, &l) && l.n) {
        if (!take_header(&l, &o)) {
            return false;
        }
    }
    if (l.n || o.lengths > 1 || o.codings > 1 || o.hosts > 1 || o.authorizations > 1 ||
        o.types > 1 || (o.lengths && o.codings) || (http11 && !o.hosts) ||
        (o.lengths && !length_of(&o.length, &length))) {
        return false;
    }
    if (o.codings && (!http11 || o.coding.n != 7 || strncasecmp(o.coding.p, "chunked", 7) != 0)) {
        return false;
    }
    wire.may_enter = o.authorizations &&
                     memmem(o.authorization.p, o.authorization.n, CREDENTIALS, strlen(CREDENTIALS));
    wire.is_open = o.identify.n && !o.authorizations;
    wire.closed = o.codings > 0;
    wire.next = length < wire.n - at ? at + (size_t)length : wire.n;
    return true;
}

/* --- around the server --- */

/* It begins with its method; blank lines before it are not its. */
static void find_request(const char *method)
{
    size_t len = strlen(method);
    while (wire.n - wire.next > len && memcmp(wire.p + wire.next, method, len) != 0 &&
           strchr(" \t\r\n", wire.p[wire.next])) {
        wire.next++;
    }
    vr_assert(wire.n - wire.next > len && memcmp(wire.p + wire.next, method, len) == 0);
}

static enum MHD_Result on_access(void *cls,
                                 struct MHD_Connection *connection,
                                 const char *url,
                                 const char *method,
                                 const char *version,
                                 const char *data,
                                 size_t *data_size,
                                 void **con_cls)
{
    bool begins = !*con_cls;
    if (begins) {
        vr_assert(!wire.closed);
        find_request(method);
        wire.may_enter = wire.is_open = false;
        wire.in_doubt = !judge(strcmp(version, MHD_HTTP_VERSION_1_1) == 0);
    }
    enum MHD_Result r =
        http_access(cls, connection, url, method, version, data, data_size, con_cls);
    const struct http_request *q = *con_cls;
    if (begins && q) {
        vr_assert(!wire.in_doubt || q->status == MHD_HTTP_BAD_REQUEST);
        vr_assert(!q->open || wire.is_open);
        wire.closed = wire.closed || q->status == MHD_HTTP_BAD_REQUEST;
    }
    return r;
}

static void on_request(void *ctx, struct http_request *r)
{
    http_reply(r, 200, "text/plain", NULL, 0);
}

static http_handler
route(void *ctx, const struct http_request *r, void **ret_ctx, unsigned *ret_status)
{
    vr_assert(!wire.in_doubt && wire.may_enter);
    vr_assert(strcmp(http_user(r), "admin") == 0 && http_role(r) == VR_ROLE_ADMIN);
    *ret_ctx = NULL;
    *ret_status = 404;
    return strcmp(http_path(r), "/none") == 0 ? NULL : on_request;
}

static int verify(void *ctx, const char *user, const char *password, enum vr_role *ret_role)
{
    *ret_role = VR_ROLE_ADMIN;
    return strcmp(user, "admin") == 0 && strcmp(password, "secret") == 0 ? 0 : -VR_E_AUTH;
}

static void begin(void)
{
    vr_log_init("fuzz", VR_LOG_ERROR, false); /* wrong passwords are no news here */
    server.config = (struct http_config){
        .verify = verify, .route = route, .open = &wsman_http_identify, .deadline_ms = 60000};
    atomic_init(&server.refs, 1);
    pthread_mutex_init(&server.lock, NULL);
    pthread_mutex_init(&server.conns.lock, NULL);
    pthread_cond_init(&server.wake, NULL);
    server.listeners[0].server = &server;
    library = MHD_start_daemon(MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
                               on_access, &server.listeners[0], MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                               (size_t)HTTP_CONNECTION_MEMORY, MHD_OPTION_NOTIFY_COMPLETED,
                               http_completed, &server.listeners[0], MHD_OPTION_END);
    vr_assert(library);
}

static bool is_served(void)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(library, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
    return info && info->num_connections > 0;
}

/* Everything the server says is read, so that it never has to wait. */
static void drain(int fd)
{
    char buf[4096];
    while (recv(fd, buf, sizeof buf, MSG_DONTWAIT) > 0) {
    }
}

/* Without what cannot be told of the library's reading, see http_framing.c: NUL, and lines that
 * begin with a colon. */
static void begin_input(const uint8_t *p, size_t n)
{
    static char text[INPUT_MAX];
    wire.n = n < sizeof text ? n : sizeof text;
    memcpy(text, p, wire.n);
    for (size_t i = 0; i < wire.n; i++) {
        bool colon = text[i] == ':' && (i == 0 || strchr("\r\n", text[i - 1]));
        text[i] = !text[i] || colon ? ' ' : text[i];
    }
    wire.p = text;
    wire.next = 0;
    wire.closed = false;
}

void httpwire_run(const uint8_t *p, size_t n)
{
    const struct sockaddr_in from = {.sin_family = AF_INET,
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fds[2];
    if (!library) {
        begin();
    }
    server.guard = guard_new(); /* wrong passwords of other inputs do not count */
    vr_assert(server.guard);
    begin_input(p, n);
    vr_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    vr_assert(MHD_add_connection(library, fds[0], (const struct sockaddr *)&from, sizeof from) ==
              MHD_YES);
    for (size_t sent = 0; sent < wire.n;) {
        ssize_t k = send(fds[1], wire.p + sent, wire.n - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (k > 0) {
            sent += (size_t)k;
        } else if (!is_served()) {
            break;
        }
        MHD_run_wait(library, 0);
        drain(fds[1]);
    }
    shutdown(fds[1], SHUT_WR);
    for (int i = 0; is_served(); i++) {
        vr_assert(i < ROUNDS_MAX);
        MHD_run_wait(library, 0);
        drain(fds[1]);
    }
    close(fds[1]);
    guard_free(server.guard);
    server.guard = NULL;
}
