/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server: listeners, authentication, whole requests in and one answer out.
 *
 * A request is read whole and its caller authenticated in the HTTP library's threads; then `route`
 * picks a handler (or a refusal), the connection is suspended and the handler runs where
 * http_config.post brings it (the control thread). The handler calls http_reply exactly once, at
 * once or later, from any thread. After deadline_ms without an answer the client gets 503 and the
 * late answer is dropped. Only authenticated requests reach `route`; what needs no credentials
 * (http_open) is answered before, by the HTTP threads, as often as guard.h allows.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "model/model.h"
#include "util/err.h"
#include "util/scope.h"

#define HTTP_BODY_MAX (1024 * 1024)        /* one request's body; more: 413 */
#define HTTP_OPEN_BODY_MAX 4096            /* ... of one that needs no credentials; more: 401 */
#define HTTP_BODIES_MAX (16 * 1024 * 1024) /* bodies of all requests at one time; more: 503 */
#define HTTP_CONNECTION_MEMORY                                                                     \
    (16 * 1024)                   /* line, headers and buffers of one connection; more: 431 */
#define HTTP_CONNECTIONS_MAX 4096 /* per listener */
#define HTTP_ADDRESS_CONNECTIONS_MAX 3584 /* of them from one address */
#define HTTP_STRANGERS_MAX 3072 /* connections without an authenticated request; the oldest go */
#define HTTP_STRANGER_MS 20000  /* until the first authenticated request */
#define HTTP_EXCHANGE_MS 300000 /* for a request of a known client and its answer */
#define HTTP_TIMEOUT_S 15       /* without a byte */
#define HTTP_DEADLINE_MS 30000  /* for an answer */
#define HTTP_LISTENERS_MAX 8

struct http_server;
struct http_request;

/* --- a request, as its handler sees it: valid until http_reply --- */

/* "HEAD" is given as "GET", "M-POST" as "POST". */
const char *http_method(const struct http_request *r);
/* The path, %-decoded, without the query. */
const char *http_path(const struct http_request *r);
/* NULL: not there. Names in any case. With M-POST the header "NN-Name" of its Man namespace comes
 * first. */
const char *http_header(const struct http_request *r, const char *name);
/* NULL: not there. */
const char *http_query(const struct http_request *r, const char *name);
/* NUL-terminated; *ret_len may be NULL. */
const char *http_body(const struct http_request *r, size_t *ret_len);
const char *http_user(const struct http_request *r);
enum vr_role http_role(const struct http_request *r);
const struct vr_scope *http_scope(const struct http_request *r);

/* Adds a header to the answer (with M-POST as "NN-Name"). Before http_reply. */
void http_reply_header(struct http_request *r, const char *name, const char *value);
/* Answers and gives the request up. take_body: malloc'd, len bytes; NULL is an empty body.
 * content_type: static. */
void http_reply(
    struct http_request *r, unsigned status, const char *content_type, char *take_body, size_t len);
/* An answer that is made while it is sent, so that nobody ever holds it whole. */
struct http_stream {
    /* Fills buf with at most max bytes and returns how many; 0: that was all. Called by one HTTP
     * thread at a time. */
    size_t (*read)(void *ctx, char *buf, size_t max);
    void (*release)(void *ctx); /* called once, whatever becomes of the request; any thread */
    void *ctx;
};
void http_reply_stream(struct http_request *r,
                       unsigned status,
                       const char *content_type,
                       const struct http_stream *take_stream);
/* A refusal with a small body: problem+json below /api/, else text. detail may be NULL. */
void http_reply_error(struct http_request *r, unsigned status, const char *detail);

/* --- the server --- */

typedef void (*http_handler)(void *ctx, struct http_request *r);

enum http_listen_kind {
    HTTP_PLAIN, /* loopback only unless plain_anywhere */
    HTTP_TLS,
    HTTP_UNIX /* callers are known by their socket's credentials, no password */
};

struct http_listen {
    enum http_listen_kind kind;
    const char *address; /* "127.0.0.1", "::1", "0.0.0.0" ...; HTTP_UNIX: the socket's path */
    uint16_t port;       /* 0: any, see http_port */
    gid_t group;         /* HTTP_UNIX: group of the socket, (gid_t)-1: as made */
};

/* A request that is answered without credentials if none come with it: a POST with this header.
 * All of it is static. */
struct http_open {
    const char *header, *value;
    bool (*is_it)(const struct http_request *r); /* the body is there; false: 401 */
    const char *content_type, *answer;
};

/* Zero is nobody. */
struct http_who {
    enum vr_role role;
    char user[VR_NAME_MAX];
    struct vr_scope scope;
};

struct http_config {
    struct http_listen listens[HTTP_LISTENERS_MAX];
    size_t nlistens;
    bool plain_anywhere;
    const char *tls_cert_pem,
        *tls_key_pem;     /* text, not paths; needed by HTTP_TLS. Borrowed until http_start ends */
    uint32_t deadline_ms; /* 0: HTTP_DEADLINE_MS */
    uint32_t stranger_ms, exchange_ms; /* 0: as above */
    size_t strangers_max;              /* 0: as above */
    /* Is this the user's password? 0 and *ret, or -VR_E_KIND. As those that follow called by
     * several threads. */
    int (*verify)(void *ctx, const char *user, const char *password, struct http_who *ret);
    /* The same from memory alone, quickly, for users at whose names somebody guesses (guard.h).
     * NULL: nothing is remembered. */
    int (*recall)(void *ctx, const char *user, const char *password, struct http_who *ret);
    /* Whose certificate was shown in this GnuTLS session? NOT_FOUND: none was. AUTH: one that is
     * nobody's. NULL: certificates count for nothing. */
    int (*certificate)(void *ctx, void *tls_session, struct http_who *ret, struct vr_err *err);
    /* Whose token of Negotiate (base64) is this, and what is replied (base64, malloc'd)? AUTH:
     * nobody's. NULL: it is not offered. */
    int (*ticket)(
        void *ctx, const char *token, struct http_who *ret, char **ret_reply, struct vr_err *err);
    /* Before the handshake of a TLS connection, and when its session is gone; *ret_held is given
     * back there. False: it is cut. NULL: nothing is to be done. */
    bool (*tls_begin)(void *ctx, void *tls_session, void **ret_held);
    void (*tls_end)(void *ctx, void *held);
    void *verify_ctx; /* of all these */
    /* Runs fn(arg) on the control thread, soon; false: too much is waiting (the client gets 503).
     * NULL: runs at once in the HTTP thread. */
    bool (*post)(void *ctx, void (*fn)(void *arg), void *arg);
    void *post_ctx;
    /* Picks the handler for a request and its ctx, or returns NULL and sets *ret_status to what the
     * client gets. Called by the HTTP threads, so it only reads. */
    http_handler (*route)(void *ctx,
                          const struct http_request *r,
                          void **ret_handler_ctx,
                          unsigned *ret_status);
    void *route_ctx;
    const struct http_open *open; /* NULL: nothing. Borrowed */
};

/* INVALID: plain HTTP beyond loopback without plain_anywhere, an address that is none, bad PEM. IO:
 * cannot listen. */
VR_MUST_CHECK int
http_start(const struct http_config *config, struct http_server **ret, struct vr_err *err);
/* Refuses what waits with 503, closes every connection. Handlers that still hold requests may
 * answer later, into nothing. */
void http_stop(struct http_server *s);
/* The port of listener i. */
uint16_t http_port(const struct http_server *s, size_t i);
