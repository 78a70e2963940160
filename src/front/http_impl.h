/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the HTTP server: what http.c, http_listen.c and http_auth.c share. Nobody else includes
 * this. */
#pragma once
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "front/guard.h"
#include "front/http.h"
#include "front/http_conns.h"
#include "util/buf.h"

#define HTTP_REPLY_HEADERS_MAX 8192

struct http_request {
    struct http_server *server;
    struct http_request *prev, *next;  /* waiting for an answer, oldest first; under server->lock */
    struct MHD_Connection *connection; /* NULL: gone; under server->lock once posted */
    bool waiting;                      /* in the list, suspended; under server->lock */
    atomic_uint refs;                  /* the connection's and the handler's */
    uint64_t deadline_ms;

    char *method, *path;
    char prefix[4]; /* M-POST: "NN-" */
    bool m_post, http11, chunked;
    struct vr_buf headers, query; /* name NUL value NUL ... */
    struct vr_buf body;
    size_t discarded;
    struct http_who who;
    char *ticket_reply; /* of Negotiate; NULL: nothing to prove to the client */
    bool open;          /* no credentials, and perhaps none needed */
    unsigned refused;   /* status decided while reading; 0: none */
    unsigned wait_s;    /* with 429 */
    bool bad_ticket, offers_tickets;

    /* the answer */
    http_handler handler;
    void *handler_ctx;
    struct vr_buf reply_headers;
    struct MHD_Response *response;
    unsigned status;
};

struct http_server {
    struct http_config config;
    struct guard *guard;
    struct http_conns conns;
    atomic_uint refs;     /* http_start's and one per request */
    pthread_mutex_t lock; /* taken before the HTTP library's own locks */
    pthread_cond_t wake;
    struct http_request *first, *last; /* waiting */
    bool stopping;
    pthread_t timer;
    bool timer_runs, timer_sleeps; /* the second under lock: until it is woken */
    atomic_size_t body_bytes;
    struct http_listener {
        struct http_server *server;
        enum http_listen_kind kind;
        char path[108]; /* HTTP_UNIX */
        struct MHD_Daemon *daemon;
        uint16_t port;
        gid_t group;
    } listeners[HTTP_LISTENERS_MAX];
};

/* http.c */
enum MHD_Result http_access(void *cls,
                            struct MHD_Connection *connection,
                            const char *url,
                            const char *method,
                            const char *version,
                            const char *data,
                            size_t *data_size,
                            void **con_cls);
void http_completed(void *cls,
                    struct MHD_Connection *connection,
                    void **con_cls,
                    enum MHD_RequestTerminationCode toe);

void http_request_unref(struct http_request *r);

/* http_reply.c: NULL without memory */
struct MHD_Response *http_build_response(const struct http_request *r,
                                         const char *content_type,
                                         char *take_body,
                                         size_t len);
struct MHD_Response *
http_error_response(const struct http_request *r, unsigned status, const char *detail);
/* Takes the request out of the waiting list and lets its connection go on. server->lock is held. */
void http_answer_locked(struct http_request *r,
                        unsigned status,
                        struct MHD_Response *take_response);

/* http_listen.c */
VR_MUST_CHECK int http_listener_open(struct http_server *s, size_t i, struct vr_err *err);
void http_listener_close(struct http_listener *l);
/* IPv4 or IPv6. */
bool http_is_loopback(const struct sockaddr *sa);
/* The connection's entry in server->conns. */
struct http_conn *http_conn_of(struct MHD_Connection *connection);

/* http_auth.c: fills role and user, or sets r->open, or returns the status of the refusal (401,
 * 403, 429 and wait_s). */
unsigned http_authenticate(struct http_listener *l,
                           struct http_request *r,
                           struct MHD_Connection *connection);
/* A text for a refusal; NULL: the status says it all. */
const char *http_refusal_detail(unsigned status);
/* What an answer owes to a client that showed a ticket. */
void http_ticket_headers(const struct http_request *r, struct MHD_Response *response);
/* What a refusal (r->status, r->response) says about authentication and the connection. */
void http_refusal_headers(struct http_request *r);

/* http_framing.c: what makes it doubtful where the request ends or who calls; NULL: nothing. */
const char *http_framing_fault(struct http_request *r,
                               struct MHD_Connection *connection,
                               const char *method,
                               const char *version);
/* RFC 2774, Man: "<uri>"; ns=NN: the prefix of a request's headers that it gives. */
void http_read_man(struct http_request *r);
