/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP below the streams: connecting with a deadline, listening, and the options of a connected
 * socket.
 *
 * The receive buffer is left to the kernel, whose tuning goes far enough. Its tuning of the send
 * buffer ends at tcp_wmem, usually 4 MiB, of which some 2.5 MiB are payload: 26 MB/s over 100 ms
 * however fast the line is. With the right to (CAP_NET_ADMIN) it is set larger; what is in there
 * and not yet sent stays small, so that memory grows with the line and not with the buffer.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/tls_int.h"
#include "util/num.h"
#include "util/vtime.h"

#define KEEPALIVE_IDLE_S 10
#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_PROBES 4
#define USER_TIMEOUT_MS 30000        /* unacknowledged data, then the connection is lost */
#define SEND_BUFFER_BYTES (32 << 20) /* 2.5 Gbit/s over 100 ms */
#define UNSENT_BYTES (1 << 20)       /* more is not taken from us: it waits in our own queue */
#define LISTEN_BACKLOG 64

struct tls_listener {
    int fd;
    uint16_t port;
};

int tcp_wait(int fd, short events, uint64_t deadline_ms, struct vr_err *err)
{
    for (;;) {
        uint64_t now = vr_mono_ms();
        if (now >= deadline_ms) {
            return vr_fail(err, VR_E_TIMEOUT, "no answer in time");
        }
        struct pollfd p = {.fd = fd, .events = events};
        int r = poll(&p, 1, (int)VR_MIN(deadline_ms - now, (uint64_t)60000));
        if (r > 0) {
            return 0;
        }
        if (r < 0 && errno != EINTR) {
            return vr_fail_errno(err, VR_E_IO, "poll");
        }
    }
}

int tcp_setup(int fd, struct vr_err *err)
{
    static const struct {
        int level, option, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S},
        {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS},
        {IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_BYTES},
    };
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        return vr_fail_errno(err, VR_E_IO, "cannot make a socket non-blocking");
    }
    for (size_t i = 0; i < VR_COUNT(options); i++) {
        int v = options[i].value;
        if (setsockopt(fd, options[i].level, options[i].option, &v, sizeof v) < 0) {
            return vr_fail_errno(err, VR_E_IO, "cannot set socket option %d/%d", options[i].level,
                                 options[i].option);
        }
    }
    int bytes = SEND_BUFFER_BYTES;
    /* Without the right the kernel goes on tuning by itself. */
    (void)!setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes);
    return 0;
}

static int fail_connect(int sys_errno, struct vr_err *err)
{
    errno = sys_errno;
    return vr_fail_errno(err, sys_errno == ETIMEDOUT ? VR_E_TIMEOUT : VR_E_PEER, "cannot connect");
}

static int
connect_one(const struct addrinfo *ai, uint64_t deadline_ms, int *ret_fd, struct vr_err *err)
{
    _cleanup_(vr_closep) int fd =
        socket(ai->ai_family, ai->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, ai->ai_protocol);
    if (fd < 0) {
        return vr_fail_errno(err, VR_E_PEER, "socket");
    }
    int r = tcp_setup(fd, err);
    if (r < 0) {
        return r;
    }
    if (connect(fd, ai->ai_addr, ai->ai_addrlen) < 0) {
        if (errno != EINPROGRESS && errno != EINTR) {
            return fail_connect(errno, err);
        }
        r = tcp_wait(fd, POLLOUT, deadline_ms, err);
        if (r < 0) {
            return r;
        }
        int so_error = 0;
        socklen_t n = sizeof so_error;
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &so_error, &n) < 0 || so_error) {
            return fail_connect(so_error ? so_error : errno, err);
        }
    }
    *ret_fd = TAKE_FD(fd);
    return 0;
}

/* Names below "localhost" are this host whatever a resolver thinks (RFC 6761, 6.3). */
static const char *address_of(const char *host)
{
    static const char top[] = ".localhost";
    size_t n = strlen(host), k = sizeof top - 1;
    return n > k && strcasecmp(host + n - k, top) == 0 ? "localhost" : host;
}

/* The resolver has no deadline of its own to give it; what it takes is counted. */
int tcp_connect(
    const char *host, uint16_t port, uint64_t deadline_ms, int *ret_fd, struct vr_err *err)
{
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    int r = getaddrinfo(address_of(host), service, &hints, &list);
    if (r != 0) {
        return vr_fail(err, VR_E_PEER, "no address for this name: %s", gai_strerror(r));
    }
    unsigned left = 0;
    for (const struct addrinfo *ai = list; ai; ai = ai->ai_next) {
        left++;
    }
    r = vr_fail(err, VR_E_PEER, "no address for this name");
    for (const struct addrinfo *ai = list; ai; ai = ai->ai_next) {
        uint64_t now = vr_mono_ms();
        uint64_t share = now < deadline_ms ? (deadline_ms - now) / left-- : 0;
        r = connect_one(ai, now + share, ret_fd, err);
        if (r == 0) {
            break;
        }
    }
    freeaddrinfo(list);
    return r;
}

const char *tcp_peer_text(int fd, char *buf, size_t cap)
{
    struct sockaddr_storage sa;
    socklen_t n = sizeof sa;
    char host[64], service[8];
    if (getpeername(fd, (struct sockaddr *)&sa, &n) < 0 ||
        getnameinfo((struct sockaddr *)&sa, n, host, sizeof host, service, sizeof service,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        snprintf(buf, cap, "a closed connection");
        return buf;
    }
    snprintf(buf, cap, "%s port %s", host, service);
    return buf;
}

static int listen_fd(const struct addrinfo *ai, int *ret_fd, uint16_t *ret_port, struct vr_err *err)
{
    _cleanup_(vr_closep) int fd =
        socket(ai->ai_family, ai->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, ai->ai_protocol);
    if (fd < 0) {
        return vr_fail_errno(err, VR_E_IO, "socket");
    }
    int on = 1, off = 0;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0) {
        return vr_fail_errno(err, VR_E_IO, "SO_REUSEADDR");
    }
    if (ai->ai_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) < 0) {
        return vr_fail_errno(err, VR_E_IO, "IPV6_V6ONLY");
    }
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, LISTEN_BACKLOG) < 0) {
        return vr_fail_errno(err, errno == EADDRINUSE ? VR_E_BUSY : VR_E_IO, "bind");
    }
    struct sockaddr_storage sa;
    socklen_t n = sizeof sa;
    memset(&sa, 0, sizeof sa);
    if (getsockname(fd, (struct sockaddr *)&sa, &n) < 0) {
        return vr_fail_errno(err, VR_E_IO, "getsockname");
    }
    *ret_port = ntohs(sa.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&sa)->sin6_port
                                               : ((struct sockaddr_in *)&sa)->sin_port);
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int tls_listen(const char *address, uint16_t port, struct tls_listener **ret, struct vr_err *err)
{
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    struct addrinfo *ai = NULL;
    int r = getaddrinfo(address, service, &hints, &ai);
    if (r != 0) {
        return vr_fail(err, VR_E_INVALID, "listen address '%s' is not an IP address", address);
    }
    struct tls_listener *l = calloc(1, sizeof *l);
    r = l ? listen_fd(ai, &l->fd, &l->port, err) : vr_fail_nomem(err);
    freeaddrinfo(ai);
    if (r < 0) {
        free(l);
        return vr_wrap(err, r, "cannot listen on %s port %u", address, port);
    }
    *ret = l;
    return 0;
}

uint16_t tls_listener_port(const struct tls_listener *l)
{
    return l->port;
}

int tls_listener_fd(const struct tls_listener *l)
{
    return l->fd;
}

int tls_listener_accept(struct tls_listener *l, int *ret_fd, struct vr_err *err)
{
    for (;;) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            *ret_fd = fd;
            return 0;
        }
        switch (errno) {
        case EINTR:
        case ECONNABORTED: /* gone before we took it; perhaps another waits */
            continue;
        case EAGAIN:
            return vr_fail(err, VR_E_TIMEOUT, "no connection is waiting");
        case EMFILE:
        case ENFILE:
            return vr_fail_errno(err, VR_E_LIMIT, "cannot accept a connection");
        default:
            return vr_fail_errno(err, VR_E_IO, "cannot accept a connection");
        }
    }
}

void tls_listener_close(struct tls_listener *l)
{
    if (l) {
        close(l->fd);
        free(l);
    }
}
