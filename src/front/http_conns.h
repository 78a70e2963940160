/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a connection may be held. The HTTP library ends what is silent for HTTP_TIMEOUT_S;
 * whoever sends a byte now and then would stay for ever. Here a *stranger* (no request of this
 * connection was authenticated yet) has stranger_ms in all, TLS handshake included, and when there
 * are more than strangers_max the oldest of them makes way; a known client has exchange_ms for each
 * request with its answer. Time up means that the socket is shut down; the library then closes it.
 *
 * Thread-safe. The lock is a leaf: nothing of the HTTP library is called under it.
 */
#pragma once
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_conn;
struct http_config;

struct http_conn_list {
    struct http_conn *first, *last; /* oldest first */
    size_t n;
};

struct http_conns {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct http_conn_list strangers, known;
    uint32_t stranger_ms, exchange_ms;
    size_t strangers_max;
    bool stopping;
    pthread_t thread;
};

/* The limits are the configuration's. False: no thread can be started. */
bool http_conns_start(struct http_conns *c, const struct http_config *config);
/* Every connection is ended. */
void http_conns_stop(struct http_conns *c);

/* A connection begins; it is a stranger's. NULL: no memory, the socket is shut down. */
struct http_conn *http_conn_begin(struct http_conns *c, int fd);
/* It was authenticated, or an answer was sent: from now on it has exchange_ms. NULL is nothing. */
void http_conn_go_on(struct http_conns *c, struct http_conn *conn, bool authenticated);
/* Before its socket is closed. */
void http_conn_end(struct http_conns *c, struct http_conn *conn);
/* What is kept for its TLS session; used by the connection's own thread only. */
void http_conn_hold(struct http_conn *conn, void *held);
void *http_conn_held(const struct http_conn *conn);
