/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/front/http_fixture.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "front/wsman/http.h"

static int verify(void *ctx, const char *user, const char *password, struct http_who *ret)
{
    ((struct fixture *)ctx)->verified++;
    if (strcmp(user, "norole") == 0) {
        return 0; /* right, but nobody said what he may do */
    }
    if (strcmp(user, "admin") != 0 || strcmp(password, "secret") != 0) {
        return -VR_E_AUTH;
    }
    ret->role = VR_ROLE_ADMIN;
    return 0;
}

static int recall(void *ctx, const char *user, const char *password, struct http_who *ret)
{
    struct fixture *f = ctx;
    f->recalled++;
    f->verified--;
    return verify(ctx, user, password, ret);
}

void answer(struct fixture *f, struct http_request *r, const char *who)
{
    size_t len;
    const char *body = http_body(r, &len);
    const char *op = http_header(r, "cimoperation"), *q = http_query(r, "limit");
    char *text = malloc(512);
    assert_non_null(text);
    snprintf(text, 512, "%s %s %s user=%s role=%d body=%zu:%.20s op=%s q=%s", who, http_method(r),
             http_path(r), http_user(r), (int)http_role(r), len, body, op ? op : "-", q ? q : "-");
    http_reply_header(r, "CIMOperation", "MethodResponse");
    http_reply(r, 200, "text/plain", text, strlen(text));
}

void on_rest(void *ctx, struct http_request *r)
{
    struct fixture *f = ctx;
    f->handled++;
    if (f->keep) {
        f->kept = r;
        return;
    }
    answer(f, r, "rest");
}

void on_cimxml(void *ctx, struct http_request *r)
{
    struct fixture *f = ctx;
    f->handled++;
    answer(f, r, "cimxml");
}

static void on_wsman(void *ctx, struct http_request *r)
{
    struct fixture *f = ctx;
    f->handled++;
    answer(f, r, "wsman");
}

static bool post(void *ctx, void (*fn)(void *), void *arg)
{
    struct fixture *f = ctx;
    if (f->post_refuses) {
        return false;
    }
    fn(arg);
    return true;
}

int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    snprintf(f->dir, sizeof(f->dir), "/tmp/test-http-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->sock, sizeof(f->sock), "%s/sock", f->dir);
    f->config = (struct http_config){
        .listens = {{.kind = HTTP_PLAIN, .address = "127.0.0.1", .group = (gid_t)-1},
                    {.kind = HTTP_UNIX, .address = f->sock, .group = (gid_t)-1}},
        .nlistens = 2,
        .verify = verify,
        .recall = recall,
        .verify_ctx = f,
        .post = post,
        .post_ctx = f,
        .deadline_ms = HEAR_MS,
        .open = &wsman_http_identify};
    struct front_handlers h = {.cimxml = on_cimxml,
                               .cimxml_ctx = f,
                               .wsman = on_wsman,
                               .wsman_ctx = f,
                               .rest = on_rest,
                               .rest_ctx = f};
    struct vr_err err = VR_ERR_INIT;
    CHECK_OK(front_start(&f->config, &h, &f->front, &err), &err);
    *state = f;
    return 0;
}

int teardown(void **state)
{
    struct fixture *f = *state;
    front_stop(f->front);
    assert_int_equal(access(f->sock, F_OK), -1);
    rmdir(f->dir);
    free(f);
    return 0;
}

int dial_port(uint16_t port)
{
    struct sockaddr_in in = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    return fd;
}

int dial(const struct fixture *f)
{
    return dial_port(front_port(f->front, 0));
}

int dial_unix(const struct fixture *f)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    snprintf(un.sun_path, sizeof(un.sun_path), "%s", f->sock);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
    return fd;
}

void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

int hear(int fd, char *buf, size_t cap)
{
    size_t n = 0;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, HEAR_MS) != 1) {
            fail_msg("no answer");
        }
        ssize_t got = recv(fd, buf + n, cap - 1 - n, 0);
        if (got <= 0) {
            return 0;
        }
        n += (size_t)got;
        buf[n] = '\0';
        const char *end = strstr(buf, "\r\n\r\n"), *cl = strcasestr(buf, "content-length:");
        if (end && cl && n >= (size_t)(end + 4 - buf) + strtoul(cl + 15, NULL, 10)) {
            return (int)strtol(buf + 9, NULL, 10);
        }
    }
}

int ask(int fd, const char *request, char *buf, size_t cap)
{
    say(fd, request);
    return hear(fd, buf, cap);
}

int ask_once(const struct fixture *f, const char *request, char *buf, size_t cap)
{
    int fd = dial(f);
    int status = ask(fd, request, buf, cap);
    close(fd);
    return status;
}
