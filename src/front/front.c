/* SPDX-License-Identifier: Apache-2.0 */
#include "front/front.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct front {
    struct front_handlers handlers;
    struct http_server *server;
};

static bool is_xml(const char *content_type)
{
    content_type += strspn(content_type, " \t");
    size_t n = strcspn(content_type, "; \t");
    return (n == 15 && strncasecmp(content_type, "application/xml", n) == 0) ||
           (n == 8 && strncasecmp(content_type, "text/xml", n) == 0);
}

static bool is_soap(const char *content_type)
{
    content_type += strspn(content_type, " \t");
    size_t n = strcspn(content_type, "; \t");
    const char *charset = strcasestr(content_type + n, "charset=");
    if (n != 20 || strncasecmp(content_type, "application/soap+xml", n) != 0 || !charset) {
        return n == 20 && strncasecmp(content_type, "application/soap+xml", n) == 0;
    }
    charset += 8;
    charset += *charset == '"' || *charset == '\'' ? 1 : 0;
    n = strcspn(charset, "\"'; \t");
    return n == 5 && strncasecmp(charset, "utf-8", n) == 0;
}

/* A page of another site must not act with a browser's remembered password. */
static bool is_cross_site(const struct http_request *r)
{
    const char *origin = http_header(r, "Origin"), *host = http_header(r, "Host");
    const char *origin_host = origin ? strstr(origin, "://") : NULL;
    return origin && (!origin_host || !host || strcasecmp(origin_host + 3, host) != 0);
}

static http_handler pick(http_handler handler, void *ctx, void **ret_ctx, unsigned *ret_status)
{
    *ret_ctx = ctx;
    *ret_status = 404;
    return handler;
}

static http_handler
route(void *ctx, const struct http_request *r, void **ret_ctx, unsigned *ret_status)
{
    const struct front_handlers *h = &((struct front *)ctx)->handlers;
    const char *path = http_path(r);
    bool get = strcmp(http_method(r), "GET") == 0;
    if (!get && is_cross_site(r)) {
        *ret_status = 403;
        return NULL;
    }
    if (strncmp(path, "/api/", 5) == 0 || strcmp(path, "/api") == 0) {
        return pick(h->rest, h->rest_ctx, ret_ctx, ret_status);
    }
    if (get) {
        return pick(strcmp(path, "/metrics") == 0 ? h->metrics : NULL, h->metrics_ctx, ret_ctx,
                    ret_status);
    }
    if (strcmp(http_method(r), "POST") != 0 || strcmp(path, "/metrics") == 0) {
        *ret_status = 405;
        return NULL;
    }
    const char *type = http_header(r, "Content-Type");
    if (strcmp(path, "/wsman") == 0 || strcmp(path, "/wsman/") == 0) {
        if (!type || !is_soap(type)) {
            *ret_status = 415;
            return NULL;
        }
        return pick(h->wsman, h->wsman_ctx, ret_ctx, ret_status);
    }
    if (type ? !is_xml(type) : !http_header(r, "CIMOperation")) {
        *ret_status = 415;
        return NULL;
    }
    return pick(h->cimxml, h->cimxml_ctx, ret_ctx, ret_status);
}

int front_start(const struct http_config *config,
                const struct front_handlers *handlers,
                struct front **ret,
                struct vr_err *err)
{
    struct front *f = calloc(1, sizeof(*f));
    if (!f) {
        return vr_fail_nomem(err);
    }
    f->handlers = *handlers;
    struct http_config mine = *config;
    mine.route = route;
    mine.route_ctx = f;
    int r = http_start(&mine, &f->server, err);
    if (r < 0) {
        free(f);
        return r;
    }
    *ret = f;
    return 0;
}

void front_stop(struct front *f)
{
    if (f) {
        http_stop(f->server);
        free(f);
    }
}

uint16_t front_port(const struct front *f, size_t i)
{
    return http_port(f->server, i);
}
