/* SPDX-License-Identifier: Apache-2.0 */
#include "front/http_conns.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "front/http.h"
#include "util/num.h"
#include "util/vtime.h"

struct http_conn {
    struct http_conn *prev, *next;
    struct http_conn_list *list; /* NULL: it was shut down */
    uint64_t since_ms;
    int fd;
    void *held;
};

static void unlink_locked(struct http_conn *conn)
{
    struct http_conn_list *list = conn->list;
    if (!list) {
        return;
    }
    *(conn->prev ? &conn->prev->next : &list->first) = conn->next;
    *(conn->next ? &conn->next->prev : &list->last) = conn->prev;
    conn->prev = conn->next = NULL;
    conn->list = NULL;
    list->n--;
}

/* Whoever comes into an empty list may be the next whose time is up. */
static void append_locked(struct http_conns *c, struct http_conn_list *list, struct http_conn *conn)
{
    conn->since_ms = vr_mono_ms();
    conn->list = list;
    conn->prev = list->last;
    *(list->last ? &list->last->next : &list->first) = conn;
    list->last = conn;
    if (list->n++ == 0) {
        pthread_cond_signal(&c->wake);
    }
}

/* The socket is open: whoever closes it takes it out of the list first. */
static void cut_locked(struct http_conn *conn)
{
    unlink_locked(conn);
    (void)shutdown(conn->fd, SHUT_RDWR);
}

/* Returns when the oldest one that is left has no more time. */
static uint64_t expire_locked(struct http_conn_list *list, uint32_t limit_ms, uint64_t now)
{
    while (list->first && list->first->since_ms + limit_ms <= now) {
        cut_locked(list->first);
    }
    return list->first ? list->first->since_ms + limit_ms : UINT64_MAX;
}

static void *conns_main(void *arg)
{
    struct http_conns *c = arg;
    pthread_mutex_lock(&c->lock);
    while (!c->stopping) {
        uint64_t now = vr_mono_ms();
        uint64_t stranger = expire_locked(&c->strangers, c->stranger_ms, now);
        uint64_t known = expire_locked(&c->known, c->exchange_ms, now);
        uint64_t at = VR_MIN(stranger, known);
        if (at == UINT64_MAX) {
            pthread_cond_wait(&c->wake, &c->lock);
            continue;
        }
        struct timespec ts = {.tv_sec = (time_t)(at / 1000),
                              .tv_nsec = (long)(at % 1000) * 1000000};
        pthread_cond_timedwait(&c->wake, &c->lock, &ts);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

bool http_conns_start(struct http_conns *c, const struct http_config *config)
{
    pthread_condattr_t attr;
    c->stranger_ms = config->stranger_ms ? config->stranger_ms : HTTP_STRANGER_MS;
    c->exchange_ms = config->exchange_ms ? config->exchange_ms : HTTP_EXCHANGE_MS;
    c->strangers_max = config->strangers_max ? config->strangers_max : HTTP_STRANGERS_MAX;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->wake, &attr);
    pthread_condattr_destroy(&attr);
    if (pthread_create(&c->thread, NULL, conns_main, c) == 0) {
        return true;
    }
    pthread_cond_destroy(&c->wake);
    pthread_mutex_destroy(&c->lock);
    return false;
}

void http_conns_stop(struct http_conns *c)
{
    pthread_mutex_lock(&c->lock);
    c->stopping = true;
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    pthread_cond_destroy(&c->wake);
    pthread_mutex_destroy(&c->lock);
}

struct http_conn *http_conn_begin(struct http_conns *c, int fd)
{
    struct http_conn *conn = calloc(1, sizeof *conn);
    if (!conn) {
        (void)shutdown(fd, SHUT_RDWR);
        return NULL;
    }
    conn->fd = fd;
    pthread_mutex_lock(&c->lock);
    append_locked(c, &c->strangers, conn);
    if (c->strangers.n > c->strangers_max) {
        cut_locked(c->strangers.first);
    }
    pthread_mutex_unlock(&c->lock);
    return conn;
}

void http_conn_go_on(struct http_conns *c, struct http_conn *conn, bool authenticated)
{
    if (!conn) {
        return;
    }
    pthread_mutex_lock(&c->lock);
    if (conn->list && (authenticated || conn->list == &c->known)) {
        unlink_locked(conn);
        append_locked(c, &c->known, conn);
    }
    pthread_mutex_unlock(&c->lock);
}

void http_conn_end(struct http_conns *c, struct http_conn *conn)
{
    if (!conn) {
        return;
    }
    pthread_mutex_lock(&c->lock);
    unlink_locked(conn);
    pthread_mutex_unlock(&c->lock);
    free(conn);
}

void http_conn_hold(struct http_conn *conn, void *held)
{
    conn->held = held;
}

void *http_conn_held(const struct http_conn *conn)
{
    return conn->held;
}
