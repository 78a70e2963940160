/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP server as http.h describes it; what strangers may try is in test-http-abuse.c. */
#include "tests/unit/front/http_fixture.h"

#include "front/cimxml/http.h"
#include "front/http_impl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/num.h"

static void test_401_then_reuse(void **state)
{
    struct fixture *f = *state;
    char buf[4096];
    int fd = dial(f);
    assert_int_equal(
        ask(fd, "POST /cimom HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nbody", buf, sizeof(buf)),
        401);
    assert_non_null(strstr(buf, "WWW-Authenticate: Basic"));
    assert_int_equal(f->handled, 0);
    assert_int_equal(ask(fd, "GET /api/v1/ HTTP/1.1\r\n" HOST WRONG "\r\n", buf, sizeof(buf)), 401);
    assert_non_null(strstr(buf, "application/problem+json"));
    assert_int_equal(f->handled, 0);
    assert_int_equal(ask(fd, "GET /nothing HTTP/1.1\r\n" HOST "\r\n", buf, sizeof(buf)), 401);
    /* the same connection goes on, twice */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(
            ask(fd, "GET /api/v1/x?limit=7 HTTP/1.1\r\n" HOST AUTH "\r\n", buf, sizeof(buf)), 200);
        assert_non_null(strstr(buf, "rest GET /api/v1/x user=admin role=3"));
        assert_non_null(strstr(buf, "q=7"));
    }
    assert_int_equal(f->handled, 2);
    close(fd);
}

/* Headers and body leave in one piece: in two, a client that delays its acknowledgements would wait
 * 40 ms for the second. */
static void test_one_write(void **state)
{
    struct fixture *f = *state;
    char buf[4096];
    int fd = dial(f);
    for (int i = 0; i < 100; i++) {
        say(fd, "POST /wsman HTTP/1.1\r\n" HOST AUTH "Content-Type: application/soap+xml\r\n"
                "Content-Length: 1\r\n\r\nx");
        struct pollfd p = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&p, 1, HEAR_MS), 1);
        ssize_t n = recv(fd, buf, sizeof buf - 1, 0);
        assert_true(n > 0);
        buf[n] = '\0';
        const char *body = strstr(buf, "\r\n\r\n"), *length = strcasestr(buf, "content-length:");
        assert_non_null(body);
        assert_non_null(length);
        assert_int_equal(strlen(body + 4), strtoul(length + 15, NULL, 10));
    }
    close(fd);
}

static void test_routes(void **state)
{
    static const struct {
        int status;
        const char *request, *part;
    } rows[] = {
        {200,
         "POST /cimom HTTP/1.1\r\n" HOST AUTH "Content-Type: text/xml; charset=\"utf-8\"\r\n"
         "Content-Length: 0003\r\n\r\n<a>",
         "cimxml POST /cimom"},
        {200,
         "POST / HTTP/1.1\r\n" HOST AUTH "content-type:application/xml\r\ncimoperation: X\r\n"
         "Transfer-Encoding: chunked\r\n\r\n2\r\n<a\r\n1\r\n>\r\n0\r\n\r\n",
         "body=3:<a> op=X"},
        {200,
         "M-POST /cimom HTTP/1.1\r\n" HOST AUTH
         "Man: http://www.dmtf.org/cim/mapping/http/v1.0 ; ns=48\r\n48-CIMOperation: M\r\n"
         "Content-Type: text/xml\r\nContent-Length: 1\r\n\r\nx",
         "48-CIMOperation: Method"},
        {200,
         "POST /cimom HTTP/1.1\r\n" HOST AUTH "Expect: 100-continue\r\n"
         "Content-Type: text/xml\r\nContent-Length: 1\r\n\r\nx",
         "body=1:x"},
        {415,
         "POST /cimom HTTP/1.1\r\n" HOST AUTH "Content-Type: text/plain\r\n"
         "Content-Length: 1\r\n\r\nx",
         ""},
        {200,
         "POST /wsman HTTP/1.1\r\n" HOST AUTH "Content-Type: application/soap+xml;charset=UTF-8\r\n"
         "Content-Length: 1\r\n\r\nx",
         "wsman POST /wsman"},
        {200,
         "POST /wsman/ HTTP/1.1\r\n" HOST AUTH
         "Content-Type: Application/SOAP+xml ; charset=\"utf-8\"; action=\"x\"\r\n"
         "Content-Length: 1\r\n\r\nx",
         "wsman POST /wsman/"},
        {200,
         "POST /wsman HTTP/1.1\r\n" HOST AUTH "Content-Type: application/soap+xml\r\n"
         "Content-Length: 1\r\n\r\nx",
         "wsman POST"},
        {415,
         "POST /wsman HTTP/1.1\r\n" HOST AUTH
         "Content-Type: application/soap+xml;charset=UTF-16\r\nContent-Length: 1\r\n\r\nx",
         ""},
        {415,
         "POST /wsman HTTP/1.1\r\n" HOST AUTH "Content-Type: text/xml\r\n"
         "Content-Length: 1\r\n\r\nx",
         ""},
        {415,
         "POST /cimom HTTP/1.1\r\n" HOST AUTH "Content-Type: application/soap+xml\r\n"
         "Content-Length: 1\r\n\r\nx",
         ""},
        {401,
         "POST /wsman HTTP/1.1\r\n" HOST "WSMANIDENTIFY: unauthenticated\r\n"
         "Content-Type: application/soap+xml\r\nContent-Length: 1\r\n\r\nx",
         ""},
        {404, "GET /wsman HTTP/1.1\r\n" HOST AUTH "\r\n", ""},
        {404, "GET /cimom HTTP/1.1\r\n" HOST AUTH "\r\n", ""},
        {404, "GET /metrics HTTP/1.1\r\n" HOST AUTH "\r\n", ""},
        {405, "DELETE /cimom HTTP/1.1\r\n" HOST AUTH "\r\n", ""},
        {403,
         "POST /api/v1/x HTTP/1.1\r\n" HOST AUTH "Origin: http://evil\r\n"
         "Content-Length: 0\r\n\r\n",
         ""},
        {200,
         "POST /api/v1/x HTTP/1.1\r\n" HOST AUTH "Origin: http://test\r\n"
         "Content-Length: 0\r\n\r\n",
         "rest POST"},
        {400, "GET /api/v1/ HTTP/1.1\r\n" AUTH "\r\n", ""},
    };
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        char buf[4096];
        int fd = dial(*state);
        int status = ask(fd, rows[i].request, buf, sizeof(buf));
        while (status == 100) {
            memmove(buf, strstr(buf, "\r\n\r\n") + 4, strlen(strstr(buf, "\r\n\r\n") + 4) + 1);
            status = *buf ? (int)strtol(buf + 9, NULL, 10) : hear(fd, buf, sizeof(buf));
        }
        if (status != rows[i].status || !strstr(buf, rows[i].part)) {
            fail_msg("row %zu: %d\n%s", i, status, buf);
        }
        close(fd);
    }
}

#define SOAP "Content-Type: application/soap+xml;charset=UTF-8\r\n"
#define UNAUTHENTICATED "WSMANIDENTIFY: unauthenticated\r\n"
#define IDENTIFY                                                                                   \
    "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" "                             \
    "xmlns:i=\"http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd\"><s:Header/>"      \
    "<s:Body><i:Identify/></s:Body></s:Envelope>"

static int identify(struct fixture *f, const char *line, const char *body, char buf[4096])
{
    static char request[HTTP_OPEN_BODY_MAX + 1024];
    snprintf(request, sizeof request, "%sHost: test\r\nContent-Length: %zu\r\n\r\n%s", line,
             strlen(body), body);
    return ask_once(f, request, buf, 4096);
}

/* The one answer without credentials: static, and no handler sees the question. */
static void test_identify_unauthenticated(void **state)
{
    static const struct {
        int status;
        const char *line, *body;
    } rows[] = {
        {200, "POST /wsman HTTP/1.1\r\n" SOAP UNAUTHENTICATED, IDENTIFY},
        {200, "POST /wsman/ HTTP/1.1\r\n" SOAP "wsmanidentify: Unauthenticated\r\n", IDENTIFY},
        {401, "POST /wsman HTTP/1.1\r\n" SOAP, IDENTIFY},
        {401, "POST /wsman HTTP/1.1\r\n" SOAP "WSMANIDENTIFY: yes\r\n", IDENTIFY},
        {401, "POST /wsman HTTP/1.1\r\n" SOAP UNAUTHENTICATED, "<x/>"},
        {401, "POST /wsman HTTP/1.1\r\n" SOAP UNAUTHENTICATED, ""},
        {401, "POST /wsman HTTP/1.1\r\nContent-Type: text/xml\r\n" UNAUTHENTICATED, IDENTIFY},
        {401, "POST /wsman HTTP/1.1\r\n" UNAUTHENTICATED, IDENTIFY},
        {401, "POST /cimom HTTP/1.1\r\n" SOAP UNAUTHENTICATED, IDENTIFY},
        {401, "POST /api/v1/x HTTP/1.1\r\n" SOAP UNAUTHENTICATED, IDENTIFY},
        {401, "GET /api/v1/x HTTP/1.1\r\n" UNAUTHENTICATED, ""},
        {401, "PUT /wsman HTTP/1.1\r\n" SOAP UNAUTHENTICATED, IDENTIFY},
        {401, "POST /wsman HTTP/1.1\r\n" SOAP WRONG UNAUTHENTICATED, IDENTIFY},
        {401, "POST /wsman HTTP/1.1\r\n" SOAP "Authorization: Other\r\n" UNAUTHENTICATED, IDENTIFY},
    };
    struct fixture *f = *state;
    char buf[4096];
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        int status = identify(f, rows[i].line, rows[i].body, buf);
        if (status != rows[i].status) {
            fail_msg("row %zu: %d", i, status);
        }
        assert_true((strstr(buf, "OS: 0.0.0 SP: 0.0 Stack: 3.0") != NULL) == (status == 200));
        assert_true((strstr(buf, "WWW-Authenticate: Basic") != NULL) == (status == 401));
    }
    assert_int_equal(f->handled, 0);
    /* with a password it is a request like others */
    assert_int_equal(
        identify(f, "POST /wsman HTTP/1.1\r\n" SOAP AUTH UNAUTHENTICATED, IDENTIFY, buf), 200);
    assert_int_equal(f->handled, 1);
}

static void test_identify_unauthenticated_limits(void **state)
{
    static const char line[] = "POST /wsman HTTP/1.1\r\n" SOAP UNAUTHENTICATED;
    struct fixture *f = *state;
    char buf[4096], body[HTTP_OPEN_BODY_MAX + 2];
    snprintf(body, sizeof body, "%-*s", HTTP_OPEN_BODY_MAX, IDENTIFY);
    assert_int_equal(identify(f, line, body, buf), 200);
    snprintf(body, sizeof body, "%-*s", HTTP_OPEN_BODY_MAX + 1, IDENTIFY);
    assert_int_equal(identify(f, line, body, buf), 401); /* by its Content-Length */
    int fd = dial(f);
    say(fd,
        "POST /wsman HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n" SOAP UNAUTHENTICATED
        "\r\n1001\r\n");
    say(fd, body);
    assert_int_equal(ask(fd, "\r\n0\r\n\r\n", buf, sizeof buf), 401);
    close(fd);
    int status = 200;
    for (int i = 0; i < 100 * GUARD_OPEN_TRIES && status == 200; i++) {
        status = identify(f, line, IDENTIFY, buf);
    }
    assert_int_equal(status, 429);
    assert_non_null(strstr(buf, "Retry-After: "));
    assert_int_equal(f->handled, 0);
    /* who has a password is not kept out by it */
    assert_int_equal(ask_once(f, "GET /api/v1/x HTTP/1.1\r\n" HOST AUTH "\r\n", buf, sizeof buf),
                     200);
}

static void test_body_limit(void **state)
{
    struct fixture *f = *state;
    char buf[4096], *big = malloc(HTTP_BODY_MAX + 2);
    assert_non_null(big);
    memset(big, 'x', HTTP_BODY_MAX + 1);
    big[HTTP_BODY_MAX + 1] = '\0';
    int fd = dial(f);
    /* told beforehand */
    assert_int_equal(ask(fd,
                         "POST /api/v1/x HTTP/1.1\r\n" HOST AUTH "Content-Length: 1048577\r\n\r\n",
                         buf, sizeof(buf)),
                     413);
    close(fd);
    fd = dial(f);
    assert_int_equal(ask(fd,
                         "POST /api/v1/x HTTP/1.1\r\n" HOST AUTH
                         "Content-Length: 99999999999999999999999999\r\n\r\n",
                         buf, sizeof(buf)),
                     413);
    close(fd);
    /* found out */
    fd = dial(f);
    say(fd, "POST /api/v1/x HTTP/1.1\r\n" HOST AUTH "Transfer-Encoding: chunked\r\n\r\n100001\r\n");
    say(fd, big);
    say(fd, "\r\n0\r\n\r\n");
    assert_int_equal(hear(fd, buf, sizeof(buf)), 413);
    assert_int_equal(f->handled, 0);
    /* exactly the limit */
    big[HTTP_BODY_MAX] = '\0';
    close(fd);
    fd = dial(f);
    say(fd, "POST /api/v1/x HTTP/1.1\r\n" HOST AUTH "Content-Length: 1048576\r\n\r\n");
    say(fd, big);
    assert_int_equal(hear(fd, buf, sizeof(buf)), 200);
    assert_non_null(strstr(buf, "body=1048576:"));
    close(fd);
    free(big);
}

static http_handler
route_all(void *ctx, const struct http_request *r, void **ret_ctx, unsigned *ret_status)
{
    *ret_ctx = ctx;
    return on_rest;
}

/* What the server holds of bodies comes to `wanted`. Not to be found out by asking: what the
 * question itself takes may be what somebody else is refused for. */
static void await_bodies(const struct http_server *s, size_t wanted)
{
    size_t held = 0;
    for (int i = 0; i < HEAR_MS / 5 && (held = atomic_load(&s->body_bytes)) != wanted; i++) {
        usleep(5000);
    }
    assert_int_equal(held, wanted);
}

/* Sixteen bodies that never end fill what all requests may hold; the next one is refused, and
 * served once they are gone. */
static void test_bodies_limit(void **state)
{
    enum {
        N = HTTP_BODIES_MAX / HTTP_BODY_MAX
    };
    struct fixture *f = *state;
    struct http_config config = f->config;
    struct http_server *server;
    struct vr_err err = VR_ERR_INIT;
    static const char small[] =
        "POST /api/v1/x HTTP/1.1\r\n" HOST AUTH "Content-Length: 100\r\n\r\n%0100d";
    char buf[4096], request[512], *big = malloc(HTTP_BODY_MAX);
    int fds[N];
    assert_non_null(big);
    snprintf(request, sizeof(request), small, 0);
    memset(big, 'x', HTTP_BODY_MAX);
    big[HTTP_BODY_MAX - 1] = '\0';
    config.nlistens = 1;
    config.route = route_all;
    config.route_ctx = f;
    CHECK_OK(http_start(&config, &server, &err), &err);
    for (int i = 0; i < N; i++) {
        fds[i] = dial_port(http_port(server, 0));
        say(fds[i], "POST /api/v1/x HTTP/1.1\r\n" HOST AUTH "Content-Length: 1048576\r\n\r\n");
        say(fds[i], big);
    }
    await_bodies(server, (size_t)N * (HTTP_BODY_MAX - 1));
    int fd = dial_port(http_port(server, 0));
    assert_int_equal(ask(fd, request, buf, sizeof(buf)), 503);
    assert_int_equal(f->handled, 0);
    for (int i = 0; i < N; i++) {
        close(fds[i]);
    }
    await_bodies(server, 0);
    assert_int_equal(ask(fd, request, buf, sizeof(buf)), 200);
    assert_int_equal(f->handled, 1);
    close(fd);
    free(big);
    http_stop(server);
}

/* Who sends on and on without a password is cut off. */
static void test_endless_refused(void **state)
{
    struct fixture *f = *state;
    char chunk[65536 + 16];
    int fd = dial(f), sent = 0;
    memset(chunk, 'x', sizeof(chunk));
    memcpy(chunk, "10000\r\n", 7);
    memcpy(chunk + 7 + 65536, "\r\n", 2);
    say(fd, "POST /api/v1/x HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
    while (sent < 1024 && send(fd, chunk, 7 + 65536 + 2, MSG_NOSIGNAL) == 7 + 65536 + 2) {
        sent++;
    }
    assert_in_range(sent, 64, 1023); /* more than 4 MiB, much less than 64 */
    assert_int_equal(f->handled, 0);
    close(fd);
}

static void test_long_headers(void **state)
{
    char buf[4096], *request = malloc(40000);
    assert_non_null(request);
    snprintf(request, 40000, "GET /api/v1/ HTTP/1.1\r\n" HOST AUTH "X: %030000d\r\n\r\n", 0);
    int fd = dial(*state);
    ssize_t sent = send(fd, request, strlen(request), MSG_NOSIGNAL);
    assert_true(sent > 0);
    int status = hear(fd, buf, sizeof(buf));
    assert_true(status == 431 || status == 0);
    assert_int_equal(((struct fixture *)*state)->handled, 0);
    close(fd);
    free(request);
}

static void restart(struct fixture *f, unsigned deadline_ms)
{
    struct vr_err err = VR_ERR_INIT;
    struct front_handlers h = {.rest = on_rest, .rest_ctx = f};
    front_stop(f->front);
    f->config.deadline_ms = deadline_ms;
    CHECK_OK(front_start(&f->config, &h, &f->front, &err), &err);
}

static void test_deadline(void **state)
{
    struct fixture *f = *state;
    char buf[4096];
    int status = 0;
    restart(f, 150);
    f->keep = true;
    int fd = dial(f);
    assert_int_equal(ask(fd, "GET /api/v1/ HTTP/1.1\r\n" HOST AUTH "\r\n", buf, sizeof(buf)), 503);
    assert_non_null(strstr(buf, "no answer in time"));
    assert_non_null(f->kept);
    answer(f, f->kept, "late"); /* goes nowhere */
    f->keep = false;
    for (int i = 0; i < 100 && status != 200; i++) { /* on a busy machine it may be late again */
        status = ask(fd, "GET /api/v1/ HTTP/1.1\r\n" HOST AUTH "\r\n", buf, sizeof(buf));
    }
    assert_int_equal(status, 200);
    assert_non_null(strstr(buf, "rest GET"));
    close(fd);
    /* the client is gone before the answer */
    f->keep = true;
    f->kept = NULL;
    fd = dial(f);
    say(fd, "GET /api/v1/ HTTP/1.1\r\n" HOST AUTH "\r\n");
    while (!f->kept) {
        usleep(1000);
    }
    close(fd);
    answer(f, f->kept, "gone");
}

static void test_mailbox_full(void **state)
{
    struct fixture *f = *state;
    char buf[4096];
    f->post_refuses = true;
    int fd = dial(f);
    assert_int_equal(ask(fd, "GET /api/v1/ HTTP/1.1\r\n" HOST AUTH "\r\n", buf, sizeof(buf)), 503);
    f->post_refuses = false;
    assert_int_equal(ask(fd, "GET /api/v1/ HTTP/1.1\r\n" HOST AUTH "\r\n", buf, sizeof(buf)), 200);
    close(fd);
}

static void test_stop_while_waiting(void **state)
{
    struct fixture *f = *state;
    struct vr_err err = VR_ERR_INIT;
    struct front_handlers h = {.rest = on_rest, .rest_ctx = f};
    f->keep = true;
    int fd = dial(f);
    say(fd, "GET /api/v1/ HTTP/1.1\r\n" HOST AUTH "\r\n");
    while (!f->kept) {
        usleep(1000);
    }
    front_stop(f->front);
    answer(f, f->kept, "late");
    close(fd);
    CHECK_OK(front_start(&f->config, &h, &f->front, &err), &err);
}

static void test_unix_socket(void **state)
{
    struct fixture *f = *state;
    char buf[4096];
    struct stat st;
    assert_int_equal(stat(f->sock, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    int fd = dial_unix(f);
    assert_int_equal(ask(fd, "GET /api/v1/ HTTP/1.1\r\n" HOST "\r\n", buf, sizeof(buf)), 200);
    assert_non_null(strstr(buf, "role=3"));
    close(fd);
}

/* The headers of CIM-XML come through both ways, plain and with the prefix of M-POST. */
static void test_cim_headers(void **state)
{
    struct fixture *f = *state;
    struct vr_err err = VR_ERR_INIT;
    struct cim_broker cim = {0}; /* refused before there is need of it */
    struct front_handlers h = {.cimxml = cimxml_http_handle, .cimxml_ctx = &cim};
    char buf[4096];
    front_stop(f->front);
    CHECK_OK(front_start(&f->config, &h, &f->front, &err), &err);
    int fd = dial(f);
    assert_int_equal(ask(fd,
                         "POST /cimom HTTP/1.1\r\n" HOST AUTH "Content-Type: text/xml\r\n"
                         "CIMOPERATION: Nonsense\r\nContent-Length: 4\r\n\r\n<a/>",
                         buf, sizeof(buf)),
                     400);
    assert_non_null(strstr(buf, "\r\nCIMError: unsupported-operation"));
    assert_int_equal(ask(fd,
                         "M-POST /cimom HTTP/1.1\r\n" HOST AUTH "Content-Type: text/xml\r\n"
                         "Man: http://www.dmtf.org/cim/mapping/http/v1.0;ns=73\r\n"
                         "73-CIMOperation: Nonsense\r\nContent-Length: 4\r\n\r\n<a/>",
                         buf, sizeof(buf)),
                     400);
    assert_non_null(strstr(buf, "\r\n73-CIMError: unsupported-operation"));
    assert_non_null(strstr(buf, "\r\nExt:"));
    close(fd);
}

/* As another user: the group's member is operator, anybody else is refused. Needs root. */
static int status_as(const struct fixture *f, uid_t uid, gid_t gid)
{
    int pipefd[2];
    assert_int_equal(pipe(pipefd), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char buf[4096] = "";
        if (setgid(gid) < 0 || setuid(uid) < 0) {
            _exit(9);
        }
        int fd = dial_unix(f);
        int status = ask(fd, "GET /api/v1/ HTTP/1.1\r\n" HOST "\r\n", buf, sizeof(buf));
        status = strstr(buf, "role=2") ? status + 2 : status;
        ssize_t n = write(pipefd[1], &status, sizeof(status));
        _exit(n == (ssize_t)sizeof(status) ? 0 : 9);
    }
    int status = 0;
    close(pipefd[1]);
    assert_int_equal(read(pipefd[0], &status, sizeof(status)), (ssize_t)sizeof(status));
    close(pipefd[0]);
    return status;
}

static void test_unix_others(void **state)
{
    struct fixture *f = *state;
    if (geteuid() != 0) {
        skip();
    }
    struct vr_err err = VR_ERR_INIT;
    struct front_handlers h = {.rest = on_rest, .rest_ctx = f};
    front_stop(f->front);
    f->config.listens[1].group = 54321;
    CHECK_OK(front_start(&f->config, &h, &f->front, &err), &err);
    struct stat st;
    assert_int_equal(stat(f->sock, &st), 0);
    assert_int_equal(st.st_gid, 54321);
    assert_int_equal(chmod(f->dir, 0755), 0);
    assert_int_equal(chmod(f->sock, 0666), 0); /* even where the file's mode lets them in */
    if (setgroups(0, NULL) < 0) {
        skip();
    }
    assert_int_equal(status_as(f, 54320, 54321), 202); /* 200, role 2 */
    assert_int_equal(status_as(f, 54320, 54322), 403);
}

static void test_listen_refusals(void **state)
{
    struct fixture *f = *state;
    struct vr_err err = VR_ERR_INIT;
    struct front_handlers h = {0};
    struct front *second = NULL;
    struct http_config c = f->config;
    CHECK_FAILS(front_start(&c, &h, &second, &err), &err, VR_E_BUSY, "another vmreplicad");
    assert_int_equal(access(f->sock, F_OK), 0); /* not pushed aside */
    c.nlistens = 1;
    c.listens[0].address = "0.0.0.0";
    CHECK_FAILS(front_start(&c, &h, &second, &err), &err, VR_E_INVALID, "plain HTTP on 0.0.0.0");
    c.listens[0].address = "::";
    CHECK_FAILS(front_start(&c, &h, &second, &err), &err, VR_E_INVALID, "plain HTTP");
    c.listens[0].address = "example";
    CHECK_FAILS(front_start(&c, &h, &second, &err), &err, VR_E_INVALID, "not an address");
    c.listens[0] = (struct http_listen){.kind = HTTP_TLS, .address = "127.0.0.1"};
    CHECK_FAILS(front_start(&c, &h, &second, &err), &err, VR_E_INVALID, "certificate");
    c.tls_cert_pem = "nonsense";
    c.tls_key_pem = "nonsense";
    CHECK_FAILS(front_start(&c, &h, &second, &err), &err, VR_E_INVALID, "PEM");
    c.listens[0] = (struct http_listen){
        .kind = HTTP_PLAIN, .address = "127.0.0.1", .port = front_port(f->front, 0)};
    CHECK_FAILS(front_start(&c, &h, &second, &err), &err, VR_E_IO, "cannot listen");
    assert_null(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TF(test_401_then_reuse),
        TF(test_one_write),
        TF(test_routes),
        TF(test_identify_unauthenticated),
        TF(test_identify_unauthenticated_limits),
        TF(test_body_limit),
        TF(test_long_headers),
        TF(test_bodies_limit),
        TF(test_endless_refused),
        TF(test_deadline),
        TF(test_mailbox_full),
        TF(test_stop_while_waiting),
        TF(test_unix_socket),
        TF(test_listen_refusals),
        TF(test_unix_others),
        TF(test_cim_headers),
    };
    return RUN(tests);
}
