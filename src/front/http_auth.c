/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is calling. TCP: HTTP Basic (RFC 7617) against config.verify, as often as guard.h allows;
 * Negotiate (RFC 4559) against config.ticket, over TLS or from this host only; who sends no
 * Authorization is known by the certificate of his TLS session. Each request is judged alone.
 * Tickets and certificates cannot be guessed, so nobody is slowed down for a wrong one; a ticket
 * costs its connection.
 * Unix socket: the peer's credentials as the kernel knows them, which no client can forge: uid 0
 * and the daemon's own user are administrators, members of the socket's group operators, nobody
 * else gets in.
 */
#include "front/http_impl.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/log.h"
#include "util/vtime.h"

#define GROUPS_MAX 256
#define PASSWORD_MAX 1024
#define NEGOTIATE "Negotiate"
#define TICKET_REPLY_MAX 8192

static bool peer_in_group(int fd, gid_t primary, gid_t wanted)
{
    if (primary == wanted) {
        return true;
    }
    gid_t groups[GROUPS_MAX];
    socklen_t len = sizeof(groups);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) < 0) {
        return false;
    }
    for (size_t i = 0; i < len / sizeof(groups[0]); i++) {
        if (groups[i] == wanted) {
            return true;
        }
    }
    return false;
}

static void name_of_uid(uid_t uid, char *name, size_t cap)
{
    struct passwd pw, *found = NULL;
    char buf[4096];
    if (getpwuid_r(uid, &pw, buf, sizeof(buf), &found) == 0 && found) {
        snprintf(name, cap, "%s", found->pw_name);
        return;
    }
    snprintf(name, cap, "uid %lu", (unsigned long)uid);
}

static unsigned authenticate_peer(const struct http_listener *l,
                                  struct http_request *r,
                                  struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct ucred cred;
    socklen_t len = sizeof(cred);
    if (!info || getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0) {
        return MHD_HTTP_FORBIDDEN;
    }
    if (cred.uid == 0 || cred.uid == geteuid()) {
        r->who.role = VR_ROLE_ADMIN;
    } else if (peer_in_group(info->connect_fd, cred.gid, l->group)) {
        r->who.role = VR_ROLE_OPERATOR;
    } else {
        return MHD_HTTP_FORBIDDEN;
    }
    name_of_uid(cred.uid, r->who.user, sizeof(r->who.user));
    return 0;
}

static void free_secret(char *secret)
{
    if (secret) {
        explicit_bzero(secret, strlen(secret));
        MHD_free(secret);
    }
}

/* "203.0.113.7", "2001:db8::1" */
static const char *address_text(const struct sockaddr *sa, char *buf, size_t cap)
{
    if (getnameinfo(sa,
                    sa->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                              : sizeof(struct sockaddr_in),
                    buf, (socklen_t)cap, NULL, 0, NI_NUMERICHOST) != 0) {
        snprintf(buf, cap, "?");
    }
    return buf;
}

static void log_attempt(enum vr_log_level level,
                        const char *id,
                        const struct sockaddr *sa,
                        const char *user,
                        const char *what)
{
    char address[INET6_ADDRSTRLEN + 20], quoted[2 * VR_NAME_MAX];
    vr_log(level, id, "from=%s user=\"%s\" %s", address_text(sa, address, sizeof(address)),
           vr_log_quote(user, quoted, sizeof(quoted)), what);
}

static void note_nobody(struct http_server *s,
                        const struct http_request *r,
                        const struct sockaddr *sa,
                        const struct guard_source *from,
                        const char *why)
{
    char address[INET6_ADDRSTRLEN + 20], path[256], said[256];
    uint64_t n;
    if (guard_note(s->guard, from, vr_mono_ms(), &n)) {
        vr_log(VR_LOG_NOTICE, "unauthenticated", "from=%s requests=%llu: %s, the last for \"%s\"",
               address_text(sa, address, sizeof(address)), (unsigned long long)n,
               vr_log_quote(why, said, sizeof(said)), vr_log_quote(r->path, path, sizeof(path)));
    }
}

static unsigned check(struct http_server *s,
                      struct http_request *r,
                      const struct sockaddr *sa,
                      const struct guard_source *from,
                      const char *user,
                      const char *password)
{
    const struct http_config *c = &s->config;
    struct http_who who = {.role = VR_ROLE_NONE};
    bool first;
    enum guard_verdict verdict = guard_ask(s->guard, from, user, vr_mono_ms(), &r->wait_s, &first);
    if (first) {
        log_attempt(VR_LOG_WARNING, "passwords-limited", sa, user,
                    "too many wrong passwords: further ones get 429 for a while");
    }
    int e = -VR_E_AUTH;
    if (verdict == GUARD_HASH) {
        e = c->verify(c->verify_ctx, user, password, &who);
    } else if (verdict == GUARD_RECALL && c->recall) {
        e = c->recall(c->verify_ctx, user, password, &who);
    }
    if (e == 0 && who.role > VR_ROLE_NONE) {
        guard_right(s->guard, from, user, verdict, vr_mono_ms());
        r->who = who;
        snprintf(r->who.user, sizeof(r->who.user), "%s", user);
        return 0;
    }
    if (verdict != GUARD_HASH) {
        return MHD_HTTP_TOO_MANY_REQUESTS;
    }
    log_attempt(VR_LOG_WARNING, "wrong-password", sa, user, "no such user or wrong password");
    return MHD_HTTP_UNAUTHORIZED;
}

struct origin {
    const struct sockaddr *address;
    struct guard_source source;
};

static unsigned authenticate_basic(struct http_server *s,
                                   struct http_request *r,
                                   struct MHD_Connection *connection,
                                   const struct origin *from)
{
    char *password = NULL;
    char *user = MHD_basic_auth_get_username_password(connection, &password);
    unsigned status = MHD_HTTP_UNAUTHORIZED;
    if (user && password && *user && strlen(user) < sizeof(r->who.user) &&
        strlen(password) <= PASSWORD_MAX) {
        status = check(s, r, from->address, &from->source, user, password);
    } else {
        note_nobody(s, r, from->address, &from->source, "without a usable name and password");
    }
    free_secret(password);
    free_secret(user);
    return status;
}

/* The verdict of config.ticket or config.certificate. */
static unsigned accept_who(struct http_server *s,
                           struct http_request *r,
                           const struct origin *from,
                           int e,
                           const struct http_who *who,
                           const struct vr_err *err)
{
    if (e == 0 && who->role > VR_ROLE_NONE) {
        r->who = *who;
        return 0;
    }
    note_nobody(s, r, from->address, &from->source, e == 0 ? "no role" : vr_err_text(err));
    return MHD_HTTP_UNAUTHORIZED;
}

static unsigned authenticate_ticket(struct http_server *s,
                                    struct http_request *r,
                                    const char *token,
                                    const struct origin *from)
{
    struct http_who who = {.role = VR_ROLE_NONE};
    struct vr_err err = VR_ERR_INIT;
    int e = s->config.ticket(s->config.verify_ctx, token, &who, &r->ticket_reply, &err);
    unsigned status = accept_who(s, r, from, e, &who, &err);
    r->bad_ticket = status != 0;
    return status;
}

static unsigned authenticate_certificate(struct http_listener *l,
                                         struct http_request *r,
                                         struct MHD_Connection *connection,
                                         const struct origin *from)
{
    const struct http_config *c = &l->server->config;
    struct http_who who = {.role = VR_ROLE_NONE};
    struct vr_err err = VR_ERR_INIT;
    const union MHD_ConnectionInfo *info =
        l->kind == HTTP_TLS && c->certificate
            ? MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION)
            : NULL;
    int e = info && info->tls_session ? c->certificate(c->verify_ctx, info->tls_session, &who, &err)
                                      : vr_fail(&err, VR_E_NOT_FOUND, "no certificate");
    if (e == -VR_E_NOT_FOUND) {
        e = vr_fail(&err, VR_E_AUTH, "without a name and password, ticket or certificate");
    }
    return accept_who(l->server, r, from, e, &who, &err);
}

/* What follows "Negotiate "; NULL: another scheme. */
static const char *token_of(const char *header)
{
    size_t n = strlen(NEGOTIATE);
    if (strncasecmp(header, NEGOTIATE, n) != 0 || (header[n] != ' ' && header[n] != '\0')) {
        return NULL;
    }
    return header + n + strspn(header + n, " ");
}

/* Does it ask for what needs no credentials? What else it has to be shows its body. */
static bool is_open(const struct http_server *s, const struct http_request *r)
{
    const struct http_open *open = s->config.open;
    const char *value = open ? http_header(r, open->header) : NULL;
    return value && strcasecmp(value, open->value) == 0 && strcmp(r->method, "POST") == 0;
}

static unsigned
authenticate_tcp(struct http_listener *l, struct http_request *r, struct MHD_Connection *connection)
{
    struct http_server *s = l->server;
    struct origin from;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (!info || !info->client_addr || !guard_source_of(info->client_addr, &from.source)) {
        return MHD_HTTP_FORBIDDEN;
    }
    from.address = info->client_addr;
    /* A ticket says nothing of the request it came with: nobody between may put it on another. */
    r->offers_tickets =
        s->config.ticket && (l->kind == HTTP_TLS || http_is_loopback(info->client_addr));
    const char *header =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
    if (!header && is_open(s, r)) {
        r->open = guard_open(s->guard, &from.source, vr_mono_ms(), &r->wait_s);
        return r->open ? 0 : MHD_HTTP_TOO_MANY_REQUESTS;
    }
    if (!header) {
        return authenticate_certificate(l, r, connection, &from);
    }
    const char *token = r->offers_tickets ? token_of(header) : NULL;
    return token ? authenticate_ticket(s, r, token, &from)
                 : authenticate_basic(s, r, connection, &from);
}

unsigned http_authenticate(struct http_listener *l,
                           struct http_request *r,
                           struct MHD_Connection *connection)
{
    unsigned status = l->kind == HTTP_UNIX ? authenticate_peer(l, r, connection)
                                           : authenticate_tcp(l, r, connection);
    if (status == 0 && !r->open) {
        http_conn_go_on(&l->server->conns, http_conn_of(connection), true);
    }
    return status;
}

const char *http_refusal_detail(unsigned status)
{
    switch (status) {
    case MHD_HTTP_CONTENT_TOO_LARGE:
        return "the body is larger than 1 MiB";
    case MHD_HTTP_UNAUTHORIZED:
        return "authentication required";
    case MHD_HTTP_TOO_MANY_REQUESTS:
        return "too many wrong passwords or questions from this address: wait as Retry-After says";
    default:
        return NULL;
    }
}

/* The reply proves to the client who we are; the next request needs a ticket of its own. */
void http_ticket_headers(const struct http_request *r, struct MHD_Response *response)
{
    if (!r->ticket_reply) {
        return;
    }
    struct vr_buf b;
    vr_buf_init(&b, TICKET_REPLY_MAX);
    vr_buf_printf(&b, NEGOTIATE " %s", r->ticket_reply);
    if (r->ticket_reply[0] && vr_buf_cstr(&b)) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, (const char *)b.data);
    }
    MHD_add_response_header(response, "Persistent-Auth", "false");
    vr_buf_deinit(&b);
}

void http_refusal_headers(struct http_request *r)
{
    if (r->status == MHD_HTTP_UNAUTHORIZED && r->offers_tickets) {
        MHD_add_response_header(r->response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, NEGOTIATE);
    }
    if (r->status == MHD_HTTP_UNAUTHORIZED) {
        MHD_add_response_header(r->response, MHD_HTTP_HEADER_WWW_AUTHENTICATE,
                                "Basic realm=\"vmreplica\", charset=\"UTF-8\"");
    }
    if (r->status == MHD_HTTP_TOO_MANY_REQUESTS) {
        char seconds[16];
        snprintf(seconds, sizeof(seconds), "%u", r->wait_s);
        MHD_add_response_header(r->response, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
    }
    if (!r->chunked &&
        (r->bad_ticket || r->status == MHD_HTTP_TOO_MANY_REQUESTS ||
         r->status == MHD_HTTP_BAD_REQUEST || r->status == MHD_HTTP_CONTENT_TOO_LARGE)) {
        /* each further guess costs a connection; what follows a bad request is not read as one */
        MHD_add_response_header(r->response, MHD_HTTP_HEADER_CONNECTION, "close");
    }
}
