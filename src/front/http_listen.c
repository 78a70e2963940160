/* SPDX-License-Identifier: Apache-2.0 */
/* The sockets the HTTP server listens on, each served by its own small pool of the library's epoll
 * threads. */
#include "front/http_impl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/tls_front.h"
#include "util/cleanup.h"

#define BACKLOG 1024
#define POOL_THREADS 2 /* so that one password check does not hold everybody up */

bool http_is_loopback(const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof in);
        return (ntohl(in.sin_addr.s_addr) >> 24) == 127;
    }
    struct sockaddr_in6 in6;
    memcpy(&in6, sa, sizeof in6);
    return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
}

static int parse_address(const char *address,
                         uint16_t port,
                         struct sockaddr_storage *ss,
                         socklen_t *len,
                         struct vr_err *err)
{
    memset(ss, 0, sizeof(*ss));
    struct sockaddr_in *in = (void *)ss;
    struct sockaddr_in6 *in6 = (void *)ss;
    if (inet_pton(AF_INET, address, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        *len = sizeof(*in);
        return 0;
    }
    memset(ss, 0, sizeof(*ss));
    if (inet_pton(AF_INET6, address, &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        *len = sizeof(*in6);
        return 0;
    }
    return vr_fail(err, VR_E_INVALID,
                   "'%s' is not an address to listen on: give an IPv4 or IPv6 address", address);
}

static int open_tcp(const struct http_config *config,
                    const struct http_listen *listen_on,
                    uint16_t *ret_port,
                    struct vr_err *err)
{
    struct sockaddr_storage ss;
    socklen_t len;
    int r = parse_address(listen_on->address, listen_on->port, &ss, &len, err);
    if (r < 0) {
        return r;
    }
    if (listen_on->kind == HTTP_PLAIN && !config->plain_anywhere &&
        !http_is_loopback((struct sockaddr *)&ss)) {
        return vr_fail(err, VR_E_INVALID,
                       "plain HTTP on %s would send passwords readably: use HTTPS, a loopback "
                       "address, or allow it in the configuration",
                       listen_on->address);
    }
    _cleanup_(vr_closep) int fd =
        socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        (ss.ss_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0) ||
        bind(fd, (struct sockaddr *)&ss, len) < 0 || listen(fd, BACKLOG) < 0 ||
        getsockname(fd, (struct sockaddr *)&ss, &len) < 0) {
        return vr_fail_errno(err, VR_E_IO, "cannot listen on %s port %u", listen_on->address,
                             listen_on->port);
    }
    *ret_port = ntohs(ss.ss_family == AF_INET ? ((struct sockaddr_in *)&ss)->sin_port
                                              : ((struct sockaddr_in6 *)&ss)->sin6_port);
    return TAKE_FD(fd);
}

/* Removes the socket a dead daemon left; refuses to push a living one aside. */
static int clear_stale_socket(const struct sockaddr_un *un, struct vr_err *err)
{
    struct stat st;
    if (lstat(un->sun_path, &st) < 0) {
        return 0;
    }
    if (!S_ISSOCK(st.st_mode)) {
        return vr_fail(err, VR_E_EXISTS, "'%s' is there and is no socket", un->sun_path);
    }
    _cleanup_(vr_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)un, sizeof(*un)) == 0) {
        return vr_fail(err, VR_E_BUSY, "another vmreplicad serves '%s'", un->sun_path);
    }
    unlink(un->sun_path);
    return 0;
}

static int
open_unix(const struct http_listen *listen_on, struct http_listener *l, struct vr_err *err)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    if (strlen(listen_on->address) >= sizeof(un.sun_path)) {
        return vr_fail(err, VR_E_LIMIT, "the socket's path '%s' is too long", listen_on->address);
    }
    snprintf(un.sun_path, sizeof(un.sun_path), "%s", listen_on->address);
    int r = clear_stale_socket(&un, err);
    if (r < 0) {
        return r;
    }
    _cleanup_(vr_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct stat st;
    /* Nobody can connect before listen(), so the modes are right from the first moment on. */
    if (fd < 0 || bind(fd, (struct sockaddr *)&un, sizeof(un)) < 0 ||
        (listen_on->group != (gid_t)-1 && chown(un.sun_path, (uid_t)-1, listen_on->group) < 0) ||
        chmod(un.sun_path, 0660) < 0 || stat(un.sun_path, &st) < 0 || listen(fd, BACKLOG) < 0) {
        return vr_fail_errno(err, VR_E_IO, "cannot listen on socket '%s'", un.sun_path);
    }
    l->group = st.st_gid;
    memcpy(l->path, un.sun_path, sizeof(l->path));
    return TAKE_FD(fd);
}

struct http_conn *http_conn_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

/* The session must be set up before its first byte is read. */
static void begin_tls(struct http_listener *l,
                      struct MHD_Connection *connection,
                      struct http_conn *conn,
                      int fd)
{
    const struct http_config *c = &l->server->config;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    void *held = NULL;
    if (!conn || !info || !info->tls_session ||
        !c->tls_begin(c->verify_ctx, info->tls_session, &held)) {
        (void)shutdown(fd, SHUT_RDWR);
        return;
    }
    http_conn_hold(conn, held);
}

static void end_tls(const struct http_listener *l, const struct http_conn *conn)
{
    const struct http_config *c = &l->server->config;
    if (conn && c->tls_end && http_conn_held(conn)) {
        c->tls_end(c->verify_ctx, http_conn_held(conn));
    }
}

static void on_connection(void *cls,
                          struct MHD_Connection *connection,
                          void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http_listener *l = cls;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        *socket_context = info ? http_conn_begin(&l->server->conns, info->connect_fd) : NULL;
        if (info && l->kind == HTTP_TLS && l->server->config.tls_begin) {
            begin_tls(l, connection, *socket_context, info->connect_fd);
        }
        return;
    }
    end_tls(l, *socket_context);
    http_conn_end(&l->server->conns, *socket_context);
    *socket_context = NULL;
}

static struct MHD_Daemon *start_daemon(struct http_server *s, struct http_listener *l, int fd)
{
    const struct http_config *c = &s->config;
    bool tls = l->kind == HTTP_TLS;
    struct MHD_OptionItem tls_items[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)c->tls_cert_pem},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)c->tls_key_pem},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_FRONT_PRIORITY},
        {MHD_OPTION_END, 0, NULL},
    };
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    return MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | (tls ? MHD_USE_TLS : 0), 0, NULL,
        NULL, http_access, l, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_THREAD_POOL_SIZE,
        (unsigned)POOL_THREADS, MHD_OPTION_CONNECTION_LIMIT, (unsigned)HTTP_CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)HTTP_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HTTP_CONNECTION_MEMORY, MHD_OPTION_NOTIFY_COMPLETED, http_completed, l,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, l, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        l->kind == HTTP_UNIX ? 0u : (unsigned)HTTP_ADDRESS_CONNECTIONS_MAX, MHD_OPTION_ARRAY,
        tls ? tls_items : none, MHD_OPTION_END);
}

int http_listener_open(struct http_server *s, size_t i, struct vr_err *err)
{
    const struct http_listen *listen_on = &s->config.listens[i];
    struct http_listener *l = &s->listeners[i];
    l->server = s;
    l->kind = listen_on->kind;
    if (l->kind == HTTP_TLS && (!s->config.tls_cert_pem || !s->config.tls_key_pem)) {
        return vr_fail(err, VR_E_INVALID, "HTTPS on %s needs a certificate and its key",
                       listen_on->address);
    }
    int fd = l->kind == HTTP_UNIX ? open_unix(listen_on, l, err)
                                  : open_tcp(&s->config, listen_on, &l->port, err);
    if (fd < 0) {
        return fd;
    }
    l->daemon = start_daemon(s, l, fd);
    if (!l->daemon) {
        close(fd); /* the library may have closed it already: then this does nothing */
        return vr_fail(err, l->kind == HTTP_TLS ? VR_E_INVALID : VR_E_IO,
                       "cannot serve HTTP on %s%s", listen_on->address,
                       l->kind == HTTP_TLS ? ": is the certificate PEM, and the key its own?" : "");
    }
    return 0;
}

void http_listener_close(struct http_listener *l)
{
    if (l->daemon) {
        MHD_stop_daemon(l->daemon);
        l->daemon = NULL;
    }
    if (l->path[0]) {
        unlink(l->path);
        l->path[0] = '\0';
    }
}

uint16_t http_port(const struct http_server *s, size_t i)
{
    return i < HTTP_LISTENERS_MAX ? s->listeners[i].port : 0;
}
