/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is calling. TCP: HTTP Basic (RFC 7617) against config.verify, as often as guard.h allows.
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
#include <sys/socket.h>
#include <unistd.h>

#include "util/log.h"
#include "util/vtime.h"

#define GROUPS_MAX 256
#define PASSWORD_MAX 1024

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
        r->role = VR_ROLE_ADMIN;
    } else if (peer_in_group(info->connect_fd, cred.gid, l->group)) {
        r->role = VR_ROLE_OPERATOR;
    } else {
        return MHD_HTTP_FORBIDDEN;
    }
    name_of_uid(cred.uid, r->user, sizeof(r->user));
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
                        const struct guard_source *from)
{
    char address[INET6_ADDRSTRLEN + 20], path[256];
    uint64_t n;
    if (guard_note(s->guard, from, vr_mono_ms(), &n)) {
        vr_log(VR_LOG_NOTICE, "unauthenticated",
               "from=%s requests=%llu: without a usable name and password, the last for \"%s\"",
               address_text(sa, address, sizeof(address)), (unsigned long long)n,
               vr_log_quote(r->path, path, sizeof(path)));
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
    enum vr_role role = VR_ROLE_NONE;
    bool first;
    enum guard_verdict verdict = guard_ask(s->guard, from, user, vr_mono_ms(), &r->wait_s, &first);
    if (first) {
        log_attempt(VR_LOG_WARNING, "passwords-limited", sa, user,
                    "too many wrong passwords: further ones get 429 for a while");
    }
    int e = -VR_E_AUTH;
    if (verdict == GUARD_HASH) {
        e = c->verify(c->verify_ctx, user, password, &role);
    } else if (verdict == GUARD_RECALL && c->recall) {
        e = c->recall(c->verify_ctx, user, password, &role);
    }
    if (e == 0 && role > VR_ROLE_NONE) {
        guard_right(s->guard, from, user, verdict, vr_mono_ms());
        r->role = role;
        snprintf(r->user, sizeof(r->user), "%s", user);
        return 0;
    }
    if (verdict != GUARD_HASH) {
        return MHD_HTTP_TOO_MANY_REQUESTS;
    }
    log_attempt(VR_LOG_WARNING, "wrong-password", sa, user, "no such user or wrong password");
    return MHD_HTTP_UNAUTHORIZED;
}

/* Does it ask for what needs no credentials, with none? What else it has to be shows its body. */
static bool is_open(const struct http_server *s,
                    const struct http_request *r,
                    struct MHD_Connection *connection)
{
    const struct http_open *open = s->config.open;
    const char *value = open ? http_header(r, open->header) : NULL;
    return value && strcasecmp(value, open->value) == 0 && strcmp(r->method, "POST") == 0 &&
           !MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
}

static unsigned
authenticate_basic(struct http_server *s, struct http_request *r, struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    struct guard_source from;
    if (!info || !info->client_addr || !guard_source_of(info->client_addr, &from)) {
        return MHD_HTTP_FORBIDDEN;
    }
    char *password = NULL;
    char *user = MHD_basic_auth_get_username_password(connection, &password);
    unsigned status = MHD_HTTP_UNAUTHORIZED;
    if (user && password && *user && strlen(user) < sizeof(r->user) &&
        strlen(password) <= PASSWORD_MAX) {
        status = check(s, r, info->client_addr, &from, user, password);
    } else if (is_open(s, r, connection)) {
        r->open = guard_open(s->guard, &from, vr_mono_ms(), &r->wait_s);
        status = r->open ? 0 : MHD_HTTP_TOO_MANY_REQUESTS;
    } else {
        note_nobody(s, r, info->client_addr, &from);
    }
    free_secret(password);
    free_secret(user);
    return status;
}

unsigned http_authenticate(struct http_listener *l,
                           struct http_request *r,
                           struct MHD_Connection *connection)
{
    unsigned status = l->kind == HTTP_UNIX ? authenticate_peer(l, r, connection)
                                           : authenticate_basic(l->server, r, connection);
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

void http_refusal_headers(struct http_request *r)
{
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
        (r->status == MHD_HTTP_TOO_MANY_REQUESTS || r->status == MHD_HTTP_BAD_REQUEST ||
         r->status == MHD_HTTP_CONTENT_TOO_LARGE)) {
        /* each further guess costs a connection; what follows a bad request is not read as one */
        MHD_add_response_header(r->response, MHD_HTTP_HEADER_CONNECTION, "close");
    }
}
