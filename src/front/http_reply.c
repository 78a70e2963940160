/* SPDX-License-Identifier: Apache-2.0 */
/* Answers: whole, or made while they are sent; refusals. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "front/http_impl.h"
#include "util/spare.h"

static bool value_ok(const char *s)
{
    for (; *s; s++) {
        if ((unsigned char)*s < 0x20 || *s == 0x7f) {
            return false;
        }
    }
    return true;
}

void http_reply_header(struct http_request *r, const char *name, const char *value)
{
    if (!value_ok(value)) {
        return; /* would end the header early */
    }
    bool standard = strncasecmp(name, "Content-", 8) == 0;
    vr_buf_text(&r->reply_headers, standard ? "" : r->prefix);
    vr_buf_bytes(&r->reply_headers, name, strlen(name) + 1);
    vr_buf_bytes(&r->reply_headers, value, strlen(value) + 1);
}

static void
add_headers(const struct http_request *r, const char *content_type, struct MHD_Response *response)
{
    if (content_type) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    http_ticket_headers(r, response);
    if (r->m_post) {
        MHD_add_response_header(response, "Ext", " "); /* empty, but the library refuses that */
    }
    const char *text = (const char *)r->reply_headers.data;
    size_t at = 0, len = r->reply_headers.failed ? 0 : r->reply_headers.len;
    while (at < len) {
        const char *name = text + at, *value = name + strlen(name) + 1;
        MHD_add_response_header(response, name, value);
        at = (size_t)(value + strlen(value) + 1 - text);
    }
}

struct MHD_Response *http_build_response(const struct http_request *r,
                                         const char *content_type,
                                         char *take_body,
                                         size_t len)
{
    struct MHD_Response *response =
        take_body
            ? MHD_create_response_from_buffer_with_free_callback(len, take_body, vr_spare_give)
            : MHD_create_response_from_buffer(0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT);
    if (!response) {
        free(take_body);
        return NULL;
    }
    add_headers(r, content_type, response);
    return response;
}

struct MHD_Response *
http_error_response(const struct http_request *r, unsigned status, const char *detail)
{
    const char *title = MHD_get_reason_phrase_for(status);
    bool json = strncmp(r->path, "/api/", 5) == 0;
    struct vr_buf b;
    vr_buf_init(&b, 1024);
    if (json) {
        /* detail is our own text, without anything JSON would have to escape */
        vr_buf_printf(&b,
                      "{\"schema\":\"vmreplica/1\",\"type\":\"about:blank\",\"title\":\"%s\","
                      "\"status\":%u,\"detail\":\"%s\"}\n",
                      title, status, detail ? detail : title);
    } else {
        vr_buf_printf(&b, "%s\n", detail ? detail : title);
    }
    size_t len = b.len;
    char *text = vr_buf_steal(&b);
    return http_build_response(r, json ? "application/problem+json" : "text/plain; charset=utf-8",
                               text, text ? len : 0);
}

void http_answer_locked(struct http_request *r, unsigned status, struct MHD_Response *take_response)
{
    struct http_server *s = r->server;
    *(r->prev ? &r->prev->next : &s->first) = r->next;
    *(r->next ? &r->next->prev : &s->last) = r->prev;
    r->prev = r->next = NULL;
    r->waiting = false;
    r->status = status;
    r->response = take_response;
    MHD_resume_connection(r->connection);
}

static void
reply_response(struct http_request *r, unsigned status, struct MHD_Response *take_response)
{
    struct http_server *s = r->server;
    pthread_mutex_lock(&s->lock);
    if (r->waiting) {
        http_answer_locked(r, status, take_response);
        take_response = NULL;
    }
    pthread_mutex_unlock(&s->lock);
    if (take_response) {
        MHD_destroy_response(take_response); /* too late: the client has got 503, or is gone */
    }
    http_request_unref(r);
}

void http_reply(
    struct http_request *r, unsigned status, const char *content_type, char *take_body, size_t len)
{
    reply_response(r, status, http_build_response(r, content_type, take_body, len));
}

void http_reply_error(struct http_request *r, unsigned status, const char *detail)
{
    reply_response(r, status, http_error_response(r, status, detail));
}

/* --- made while it is sent --- */

#define STREAM_BLOCK 65536 /* the library asks for less: its buffers are those of a connection */

static ssize_t stream_read(void *cls, uint64_t pos, char *buf, size_t max)
{
    const struct http_stream *s = cls;
    size_t n = s->read(s->ctx, buf, max);
    return n ? (ssize_t)n : MHD_CONTENT_READER_END_OF_STREAM;
}

static void stream_release(void *cls)
{
    struct http_stream *s = cls;
    s->release(s->ctx);
    free(s);
}

void http_reply_stream(struct http_request *r,
                       unsigned status,
                       const char *content_type,
                       const struct http_stream *take_stream)
{
    struct MHD_Response *response = NULL;
    struct http_stream *s = malloc(sizeof(*s));
    if (!s) {
        take_stream->release(take_stream->ctx);
        reply_response(r, status, NULL);
        return;
    }
    *s = *take_stream;
    response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, stream_read, s,
                                                 stream_release);
    if (response) {
        add_headers(r, content_type, response);
    } else {
        stream_release(s);
    }
    reply_response(r, status, response);
}
