/* SPDX-License-Identifier: Apache-2.0 */
/* The real server on a free loopback port, talked to byte by byte. */
#include "front/cimxml/http.h"
#include "front/front.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/lib/check.h"
#include "util/num.h"

#define AUTH "Authorization: Basic YWRtaW46c2VjcmV0\r\n"  /* admin:secret */
#define WRONG "Authorization: Basic YWRtaW46d3Jvbmc=\r\n" /* admin:wrong */
#define HOST "Host: test\r\n"

struct fixture {
    struct front *front;
    struct http_config config;
    char dir[64], sock[96];
    atomic_int handled;
    atomic_bool keep; /* do not answer */
    _Atomic(struct http_request *) kept;
    atomic_bool post_refuses;
};

static int verify(void *ctx, const char *user, const char *password, enum vr_role *ret_role)
{
    if (strcmp(user, "admin") != 0 || strcmp(password, "secret") != 0) {
        return -VR_E_AUTH;
    }
    *ret_role = VR_ROLE_ADMIN;
    return 0;
}

static void answer(struct fixture *f, struct http_request *r, const char *who)
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

static void on_rest(void *ctx, struct http_request *r)
{
    struct fixture *f = ctx;
    f->handled++;
    if (f->keep) {
        f->kept = r;
        return;
    }
    answer(f, r, "rest");
}

static void on_cimxml(void *ctx, struct http_request *r)
{
    struct fixture *f = ctx;
    f->handled++;
    answer(f, r, "cimxml");
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

static int setup(void **state)
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
        .post = post,
        .post_ctx = f,
        .deadline_ms = 150};
    struct front_handlers h = {
        .cimxml = on_cimxml, .cimxml_ctx = f, .rest = on_rest, .rest_ctx = f};
    struct vr_err err = VR_ERR_INIT;
    CHECK_OK(front_start(&f->config, &h, &f->front, &err), &err);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    front_stop(f->front);
    assert_int_equal(access(f->sock, F_OK), -1);
    rmdir(f->dir);
    free(f);
    return 0;
}

static int dial(const struct fixture *f)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons(front_port(f->front, 0)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    return fd;
}

static int dial_unix(const struct fixture *f)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    snprintf(un.sun_path, sizeof(un.sun_path), "%s", f->sock);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* One whole answer (headers and Content-Length bytes); returns the status, 0: closed. */
static int hear(int fd, char *buf, size_t cap)
{
    size_t n = 0;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, 5000) != 1) {
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

static int ask(int fd, const char *request, char *buf, size_t cap)
{
    say(fd, request);
    return hear(fd, buf, cap);
}

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

/* Sixteen bodies that never end fill what all requests may hold; the next one is refused, and
 * served once they are gone. */
static void test_bodies_limit(void **state)
{
    enum {
        N = HTTP_BODIES_MAX / HTTP_BODY_MAX
    };
    struct fixture *f = *state;
    static const char small[] =
        "POST /api/v1/x HTTP/1.1\r\n" HOST AUTH "Content-Length: 100\r\n\r\n%0100d";
    char buf[4096], request[512], *big = malloc(HTTP_BODY_MAX);
    int fds[N], status = 0;
    assert_non_null(big);
    snprintf(request, sizeof(request), small, 0);
    memset(big, 'x', HTTP_BODY_MAX);
    big[HTTP_BODY_MAX - 1] = '\0';
    for (int i = 0; i < N; i++) {
        fds[i] = dial(f);
        say(fds[i], "POST /api/v1/x HTTP/1.1\r\n" HOST AUTH "Content-Length: 1048576\r\n\r\n");
        say(fds[i], big);
    }
    int fd = dial(f);
    for (int i = 0; i < 2000 && status != 503; i++) {
        usleep(5000); /* the server may still be reading, on a busy machine for long */
        status = ask(fd, request, buf, sizeof(buf));
    }
    assert_int_equal(status, 503);
    for (int i = 0; i < N; i++) {
        close(fds[i]);
    }
    for (int i = 0; i < 2000 && status != 200; i++) {
        usleep(5000);
        status = ask(fd, request, buf, sizeof(buf));
    }
    assert_int_equal(status, 200);
    close(fd);
    free(big);
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

static void test_deadline(void **state)
{
    struct fixture *f = *state;
    char buf[4096];
    f->keep = true;
    int fd = dial(f);
    assert_int_equal(ask(fd, "GET /api/v1/ HTTP/1.1\r\n" HOST AUTH "\r\n", buf, sizeof(buf)), 503);
    assert_non_null(strstr(buf, "no answer in time"));
    assert_non_null(f->kept);
    answer(f, f->kept, "late"); /* goes nowhere */
    f->keep = false;
    assert_int_equal(ask(fd, "GET /api/v1/ HTTP/1.1\r\n" HOST AUTH "\r\n", buf, sizeof(buf)), 200);
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
    front_stop(f->front);
    f->config.deadline_ms = 20000;
    CHECK_OK(front_start(&f->config, &h, &f->front, &err), &err);
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

#define TF(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TF(test_401_then_reuse), TF(test_routes),          TF(test_body_limit),
        TF(test_long_headers),   TF(test_bodies_limit),    TF(test_endless_refused),
        TF(test_deadline),       TF(test_mailbox_full),    TF(test_stop_while_waiting),
        TF(test_unix_socket),    TF(test_listen_refusals), TF(test_unix_others),
        TF(test_cim_headers),
    };
    return RUN(tests);
}
