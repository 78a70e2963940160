/* SPDX-License-Identifier: Apache-2.0 */
/* What strangers may try on the HTTP server: guess passwords, smuggle requests, hold connections.
 */
#include "tests/unit/front/http_fixture.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/num.h"

#define BASIC(base64) "GET /api/v1/ HTTP/1.1\r\n" HOST "Authorization: Basic " base64 "\r\n\r\n"

/* 10,000 wrong passwords: few are checked, and the right user is served between and after them. */
static void test_ten_thousand_wrong_passwords(void **state)
{
    struct fixture *f = *state;
    char buf[4096];
    const char *wrong = BASIC("YWRtaW46d3Jvbmc="), *right = BASIC("YWRtaW46c2VjcmV0");
    assert_int_equal(ask_once(f, right, buf, sizeof(buf)), 200);
    int limited = 0, served = 0;
    for (int i = 0; i < 10000; i++) {
        int status = ask_once(f, wrong, buf, sizeof(buf));
        limited += status == 429;
        assert_true(status == 429 || status == 401);
        if (i % 100 == 99) {
            assert_int_equal(ask_once(f, right, buf, sizeof(buf)), 200);
            served++;
        }
    }
    assert_int_equal(served, 100);
    assert_int_equal(f->handled, 1 + served);
    assert_in_range(limited, 9900, 10000 - GUARD_PAIR_TRIES);
    assert_int_equal(f->verified + f->recalled, 10000 + 1 + served);
    assert_in_range(f->verified, GUARD_PAIR_TRIES + 1, 200); /* + one for each 6 s of this test */
    assert_int_equal(ask_once(f, wrong, buf, sizeof(buf)), 429);
    assert_non_null(strstr(buf, "\r\nRetry-After: "));
    assert_non_null(strstr(buf, "\r\nConnection: close"));
    assert_non_null(strstr(buf, "too many wrong passwords"));
}

/* Everything the server says until it closes or, after 2 s, does not: then *ret_open. */
static void hear_all(int fd, char *buf, size_t cap, bool *ret_open)
{
    size_t n = 0;
    *ret_open = false;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, 2000) != 1) {
            *ret_open = true;
            break;
        }
        ssize_t got = recv(fd, buf + n, cap - 1 - n, 0);
        if (got <= 0) {
            break;
        }
        n += (size_t)got;
    }
    buf[n] = '\0';
}

/* --- nobody gets in without saying who he is --- */

static void test_nothing_without_a_password(void **state)
{
    static const char *const methods[] = {"GET",   "HEAD",   "POST",    "PUT",     "DELETE",
                                          "PATCH", "M-POST", "OPTIONS", "TRACE",   "CONNECT",
                                          "FOO",   "POST",   "INVOKE",  "PROPFIND"};
    static const char *const paths[] = {
        "/",       "/cimom", "/api/v1/",  "/api/v1/jobs",   "/metrics",   "/wsman",
        "/wsman/", "*",      "//api/v1/", "/api/v1/../v1/", "/%61pi/v1/", "http://test/api/v1/"};
    struct fixture *f = *state;
    char request[512], buf[4096];
    for (size_t m = 0; m < VR_COUNT(methods); m++) {
        for (size_t p = 0; p < VR_COUNT(paths); p++) {
            snprintf(request, sizeof(request),
                     "%s %s HTTP/1.1\r\n" HOST "Connection: close\r\nContent-Type: text/xml\r\n"
                     "Content-Length: 0\r\n\r\n",
                     methods[m], paths[p]);
            int fd = dial(f);
            bool open;
            say(fd, request);
            hear_all(fd, buf, sizeof(buf), &open);
            close(fd);
            if (strncmp(buf, "HTTP/1.1 401", 12) != 0 && strncmp(buf, "HTTP/1.1 400", 12) != 0) {
                fail_msg("%s %s: %.100s", methods[m], paths[p], buf);
            }
        }
    }
    assert_int_equal(f->handled, 0);
    assert_int_equal(f->verified, 0);
}

/* Whatever stands in the header, nobody but the right user gets through, and the server lives. */
static void test_odd_authorizations(void **state)
{
    static const char *const rows[] = {
        "",
        "Basic",
        "Basic ",
        "Basic =",
        "Basic ====",
        "Basic YWRtaW4=",             /* no colon */
        "Basic OnNlY3JldA==",         /* no name */
        "Basic YWRtaW46",             /* no password */
        "Basic YWRtaW4AOnNlY3JldA==", /* NUL behind the name */
        "Basic YWRtaW46c2VjcmV0AHg=", /* NUL behind the password: see below */
        "Basic YWRtaW46c2VjcmV",
        "Basic YWRtaW46c2VjcmV0 YWRtaW46c2VjcmV0",
        "Basic bm9yb2xlOng=", /* right, without a role */
        "Bearer YWRtaW46c2VjcmV0",
        "Negotiate YWRtaW46c2VjcmV0",
        "YWRtaW46c2VjcmV0",
        "Digest username=\"admin\", realm=\"vmreplica\", nonce=\"0\", uri=\"/\", response=\"0\"",
        "Digest username=\"admin\"",
    };
    struct fixture *f = *state;
    static char request[80000], buf[4096];
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        snprintf(request, sizeof(request),
                 "GET /api/v1/ HTTP/1.1\r\n" HOST "Authorization: %s\r\n\r\n", rows[i]);
        int status = ask_once(f, request, buf, sizeof(buf));
        /* a NUL ends a password, for the user himself, too */
        bool ends = strcmp(rows[i], "Basic YWRtaW46c2VjcmV0AHg=") == 0;
        if (status != 401 && status != 400 && status != 429 && !(ends && status == 200)) {
            fail_msg("%s: %d", rows[i], status);
        }
    }
    int before = f->handled;
    for (int len = 1; len <= 65536; len *= 2) {
        snprintf(request, sizeof(request),
                 "GET /api/v1/ HTTP/1.1\r\n" HOST
                 "Connection: close\r\nAuthorization: Basic %0*d\r\n\r\n",
                 len, 0);
        int fd = dial(f);
        bool open;
        (void)!send(fd, request, strlen(request), MSG_NOSIGNAL);
        hear_all(fd, buf, sizeof(buf), &open);
        close(fd);
        assert_null(strstr(buf, "HTTP/1.1 200"));
    }
    unsigned seed = 1;
    for (int i = 0; i < 1000; i++) {
        char junk[64];
        for (size_t k = 0; k < sizeof(junk) - 1; k++) {
            seed = seed * 1103515245u + 12345u;
            junk[k] = (char)(' ' + seed / 65536 % 95);
        }
        junk[sizeof(junk) - 1] = '\0';
        snprintf(request, sizeof(request),
                 "GET /api/v1/ HTTP/1.1\r\n" HOST "Authorization: Basic %s\r\n\r\n", junk);
        assert_int_not_equal(ask_once(f, request, buf, sizeof(buf)), 200);
    }
    assert_int_equal(f->handled, before);
}

/* A byte at a time; half closed; reset in the middle: the next client is served. */
static void test_rude_clients(void **state)
{
    static const char request[] =
        "POST /api/v1/ HTTP/1.1\r\n" HOST AUTH "Content-Length: 3\r\n\r\nabc";
    struct fixture *f = *state;
    char buf[4096];
    int fd = dial(f);
    for (size_t i = 0; i < sizeof(request) - 1; i++) {
        assert_int_equal(send(fd, request + i, 1, MSG_NOSIGNAL), 1);
        usleep(100);
    }
    assert_int_equal(hear(fd, buf, sizeof(buf)), 200);
    assert_non_null(strstr(buf, "body=3:abc"));
    close(fd);
    for (size_t cut = 1; cut < sizeof(request) - 1; cut += 7) {
        struct linger now = {.l_onoff = 1};
        fd = dial(f);
        assert_int_equal(send(fd, request, cut, MSG_NOSIGNAL), (ssize_t)cut);
        if (cut % 2) {
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        } else {
            shutdown(fd, SHUT_WR);
        }
        close(fd);
    }
    assert_int_equal(ask_once(f, request, buf, sizeof(buf)), 200);
    assert_int_equal(f->handled, 2);
}

/* --- where one request ends and the next begins --- */

#define POST_A "POST /api/v1/a HTTP/1.1\r\n" HOST AUTH
#define SMUGGLED "GET /api/v1/smuggled HTTP/1.1\r\n" HOST AUTH "\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"

/* Each row is followed by a second request, which a proxy that reads the first one differently
 * takes for its body. No row may reach a handler, but for those that say so; none the second
 * request. */
static void test_no_request_is_smuggled(void **state)
{
    static const struct {
        const char *name;
        int handled;
        const char *request;
    } rows[] = {
        {"length and chunks", 0, POST_A "Content-Length: 4\r\n" CHUNKED "\r\n0\r\n\r\n"},
        {"chunks and length", 0, POST_A CHUNKED "Content-Length: 4\r\n\r\n0\r\n\r\n"},
        {"two lengths", 0, POST_A "Content-Length: 0\r\nContent-Length: 60\r\n\r\n"},
        {"one length twice", 0, POST_A "Content-Length: 0\r\nContent-Length: 0\r\n\r\n"},
        {"list of lengths", 0, POST_A "Content-Length: 0, 0\r\n\r\n"},
        {"+0", 0, POST_A "Content-Length: +0\r\n\r\n"},
        {"-1", 0, POST_A "Content-Length: -1\r\n\r\n"},
        {"2^31", 0, POST_A "Content-Length: 2147483648\r\n\r\n"},
        {"2^32", 0, POST_A "Content-Length: 4294967296\r\n\r\n"},
        {"2^63", 0, POST_A "Content-Length: 9223372036854775808\r\n\r\n"},
        {"2^64", 0, POST_A "Content-Length: 18446744073709551616\r\n\r\n"},
        {"0x0", 0, POST_A "Content-Length: 0x0\r\n\r\n"},
        {"0 0", 0, POST_A "Content-Length: 0 0\r\n\r\n"},
        {"no length", 0, POST_A "Content-Length:\r\n\r\n"},
        {"space before colon", 0, POST_A "Content-Length : 60\r\n\r\n"},
        {"tab before colon", 0, POST_A "Content-Length\t: 60\r\n\r\n"},
        {"no colon", 0, POST_A "Content-Length 60\r\n\r\n"},
        {"no name", 0, POST_A ": 60\r\n\r\n"},
        {"obs-fold", 0, POST_A "X: a\r\n Content-Length: 60\r\n\r\n"},
        {"folded length", 0, POST_A "Content-Length:\r\n 60\r\n\r\n"},
        {"folded coding", 0, POST_A "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"},
        {"fold first", 0, "POST /api/v1/a HTTP/1.1\r\n X: y\r\n" HOST AUTH "\r\n"},
        {"bare LF", 0,
         "POST /api/v1/a HTTP/1.1\nHost: test\nAuthorization: Basic YWRtaW46c2VjcmV0\n"
         "Content-Length: 0\n\n"},
        {"bare LF in a value", 0, POST_A "X: a\nContent-Length: 60\r\n\r\n"},
        {"bare LF at the end", 0, POST_A "Content-Length: 0\r\n\n"},
        {"bare CR in a value", 0, POST_A "X: a\rContent-Length: 60\r\n\r\n"},
        {"coding x", 0, POST_A "Transfer-Encoding: x\r\n\r\n"},
        {"xchunked", 0, POST_A "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"},
        {"gzip, chunked", 0, POST_A "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"},
        {"chunked, identity", 0, POST_A "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"},
        {"two codings", 0, POST_A CHUNKED "Transfer-Encoding: x\r\n\r\n0\r\n\r\n"},
        {"coding, VT", 0,
         POST_A "Transfer-Encoding:\x0b"
                "chunked\r\n\r\n0\r\n\r\n"},
        {"identity", 0, POST_A "Transfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n"},
        {"chunks of HTTP/1.0", 0, "POST /api/v1/a HTTP/1.0\r\n" HOST AUTH CHUNKED "\r\n0\r\n\r\n"},
        {"chunk -1", 0, POST_A CHUNKED "\r\n-1\r\n\r\n"},
        {"chunk 0x0", 0, POST_A CHUNKED "\r\n0x0\r\n\r\n"},
        {"chunk beyond 64 bits", 0, POST_A CHUNKED "\r\n1ffffffffffffffff0\r\nx\r\n0\r\n\r\n"},
        {"chunk too long", 0, POST_A CHUNKED "\r\n1\r\nxy\r\n0\r\n\r\n"},
        {"chunk and space", 0, POST_A CHUNKED "\r\n1 \r\nx\r\n0\r\n\r\n"},
        {"two hosts", 0, POST_A HOST "Content-Length: 0\r\n\r\n"},
        {"wrong, then right", 0, POST_A WRONG "Content-Length: 0\r\n\r\n"},
        {"bare CR in the path", 0,
         "POST /api/v1/a\rb HTTP/1.1\r\n" HOST AUTH "Content-Length: 0\r\n\r\n"},
        {"bare CR in the query", 0,
         "POST /api/v1/a?b=c\rd HTTP/1.1\r\n" HOST AUTH "Content-Length: 0\r\n\r\n"},
        {"bare CR in the method", 0,
         "POST\rx /api/v1/a HTTP/1.1\r\n" HOST AUTH "Content-Length: 0\r\n\r\n"},
        {"escaped LF in the path", 0,
         "POST /api/v1/a%0Ab HTTP/1.1\r\n" HOST AUTH "Content-Length: 0\r\n\r\n"},
        {"no HTTP", 0, "GET /api/v1/a\r\n"},
        {"HTTP/2", 0, "POST /api/v1/a HTTP/2.0\r\n" HOST AUTH "Content-Length: 0\r\n\r\n"},
        /* These are read, and the connection is closed behind them. */
        {"chunks", 1, POST_A CHUNKED "\r\n1\r\nx\r\n0\r\n\r\n"},
        {"chunks with bare LF", 1, POST_A CHUNKED "\r\n1\nx\n0\n\n"},
        {"chunk extension with LF", 1, POST_A CHUNKED "\r\n1;a\nx\r\n0\r\n\r\n"},
        {"trailer", 1, POST_A CHUNKED "\r\n0\r\nContent-Length: 60\r\n\r\n"},
        {"password in the trailer", 0,
         "POST /api/v1/a HTTP/1.1\r\n" HOST CHUNKED "\r\n0\r\n" AUTH "\r\n"},
    };
    struct fixture *f = *state;
    static char buf[65536], request[4096];
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        bool open;
        int fd = dial(f);
        f->handled = 0;
        snprintf(request, sizeof(request), "%s" SMUGGLED, rows[i].request);
        say(fd, request);
        hear_all(fd, buf, sizeof(buf), &open);
        close(fd);
        if (open || strstr(buf, "smuggled") || f->handled != rows[i].handled ||
            (rows[i].handled == 0 && strstr(buf, "HTTP/1.1 200"))) {
            fail_msg("%s: %s, %d handled\n%s", rows[i].name, open ? "open" : "closed", f->handled,
                     buf);
        }
    }
}

/* What the rules above must not refuse: both requests are answered on one connection. */
static void test_what_is_no_smuggling(void **state)
{
    static const char *const rows[] = {
        POST_A "X: a  \r\nContent-Length: 0\r\n\r\n",
        POST_A "X:a\r\nContent-Length:0\r\n\r\n",
        POST_A "X:\r\nY: \r\nZ:\t \r\nContent-Length: 0000\r\n\r\n",
        "GET /api/v1/a?x=1&y=%20+2 HTTP/1.1\r\n" HOST AUTH
        "Cookie: a=b; c=d\r\nX: \xc3\xa4\r\n\r\n",
        "\r\nGET /api/v1/a HTTP/1.1\r\n" HOST AUTH "\r\n",
        "GET /api/v1/a HTTP/1.1\r\n" HOST AUTH "Content-Length: 5\r\n\r\nhello",
    };
    struct fixture *f = *state;
    static char buf[65536], request[4096];
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        int fd = dial(f);
        f->handled = 0;
        snprintf(request, sizeof(request), "%s%s", rows[i], SMUGGLED);
        say(fd, request);
        for (int n = 0; n < 5000 && f->handled < 2; n++) {
            usleep(1000);
        }
        close(fd);
        if (f->handled != 2) {
            fail_msg("row %zu: %d handled\n%s", i, f->handled, buf);
        }
    }
}

/* In pieces, so that the library's buffer grows between the lines: up to its limit all is well. */
static void test_long_headers_in_pieces(void **state)
{
    struct fixture *f = *state;
    static char request[20000], buf[4096];
    for (int len = 100; len < 6000; len += 590) {
        int n = snprintf(request, sizeof(request),
                         "GET /api/v1/a HTTP/1.1\r\nX: %0*d\r\nY: %0*d\r\n" HOST AUTH "\r\n", len,
                         1, len, 1);
        int fd = dial(f);
        for (int off = 0; off < n; off += 700) {
            size_t part = (size_t)VR_MIN(n - off, 700);
            assert_int_equal(send(fd, request + off, part, MSG_NOSIGNAL), (ssize_t)part);
            usleep(200);
        }
        assert_int_equal(hear(fd, buf, sizeof(buf)), 200);
        close(fd);
    }
}

/* --- who holds connections --- */

#define SLOW 2000

static void restart(struct fixture *f)
{
    struct vr_err err = VR_ERR_INIT;
    struct front_handlers h = {
        .cimxml = on_cimxml, .cimxml_ctx = f, .rest = on_rest, .rest_ctx = f};
    front_stop(f->front);
    CHECK_OK(front_start(&f->config, &h, &f->front, &err), &err);
}

static bool is_closed(int fd)
{
    char c;
    ssize_t n = recv(fd, &c, 1, MSG_DONTWAIT | MSG_PEEK);
    return n == 0 || (n < 0 && errno != EAGAIN);
}

static bool allow_files(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_max < 2 * SLOW + 100) {
        return false;
    }
    files.rlim_cur = files.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &files) == 0;
}

/* Idle, in the middle of the headers, in the middle of a body with and without a password. */
static void test_two_thousand_slow_connections(void **state)
{
    static const char *const begun[] = {
        "", "GET /api/v1/ HTTP/1.1\r\nHost: te",
        "POST /api/v1/ HTTP/1.1\r\n" HOST "Content-Length: 1000\r\n\r\nabc",
        "POST /api/v1/ HTTP/1.1\r\n" HOST AUTH "Content-Length: 1000\r\n\r\nabc"};
    struct fixture *f = *state;
    static int fds[SLOW];
    char buf[4096];
    if (!allow_files()) {
        skip();
    }
    for (int i = 0; i < SLOW; i++) {
        fds[i] = dial(f);
        const char *text = begun[i % (int)VR_COUNT(begun)];
        if (*text) {
            say(fds[i], text);
        }
    }
    int kept = dial(f), served = 0;
    for (int i = 0; i < 200; i++) {
        served +=
            ask_once(f, "GET /api/v1/ HTTP/1.1\r\n" HOST AUTH "\r\n", buf, sizeof(buf)) == 200;
        served += ask(kept, "GET /api/v1/ HTTP/1.1\r\n" HOST AUTH "\r\n", buf, sizeof(buf)) == 200;
    }
    int open = 0;
    for (int i = 0; i < SLOW; i++) {
        open += !is_closed(fds[i]);
        close(fds[i]);
    }
    close(kept);
    assert_int_equal(served, 400);
    assert_int_equal(f->handled, 400);
    assert_true(open >= SLOW / 2); /* they were there all the time */
}

/* Who sends a byte now and then without saying who he is has his time and no more. */
static void test_slow_strangers_are_cut(void **state)
{
    enum {
        N = 100
    };
    struct fixture *f = *state;
    int fds[N], cut = 0;
    char buf[4096];
    f->config.stranger_ms = 300;
    restart(f);
    int known = dial(f);
    assert_int_equal(ask(known, "GET /api/v1/ HTTP/1.1\r\n" HOST AUTH "\r\n", buf, sizeof(buf)),
                     200);
    for (int i = 0; i < N; i++) {
        fds[i] = dial(f);
        say(fds[i], "GET /api/v1/ HTTP/1.1\r\nX: ");
    }
    for (int round = 0; round < 1000 && cut < N; round++) {
        cut = 0;
        for (int i = 0; i < N; i++) {
            (void)!send(fds[i], "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
            cut += is_closed(fds[i]);
        }
        usleep(10000);
    }
    assert_int_equal(cut, N);
    /* the known client's connection outlived them */
    assert_int_equal(ask(known, "GET /api/v1/ HTTP/1.1\r\n" HOST AUTH "\r\n", buf, sizeof(buf)),
                     200);
    for (int i = 0; i < N; i++) {
        close(fds[i]);
    }
    close(known);
}

/* A known client that does not end its request is cut, too, later. */
static void test_endless_request_is_cut(void **state)
{
    struct fixture *f = *state;
    f->config.exchange_ms = 300;
    restart(f);
    int fd = dial(f), round = 0;
    say(fd, "POST /api/v1/ HTTP/1.1\r\n" HOST AUTH "Content-Length: 1000000\r\n\r\n");
    while (round < 1000 && !is_closed(fd)) {
        (void)!send(fd, "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        usleep(10000);
        round++;
    }
    assert_true(is_closed(fd));
    assert_int_equal(f->handled, 0);
    close(fd);
}

/* Beyond the number of strangers the oldest makes way for the newest. */
static void test_oldest_stranger_makes_way(void **state)
{
    enum {
        MAX = 20,
        MORE = 5
    };
    struct fixture *f = *state;
    int fds[MAX + MORE], cut = 0;
    char buf[4096];
    f->config.strangers_max = MAX;
    restart(f);
    for (int i = 0; i < MAX + MORE; i++) {
        fds[i] = dial(f);
        say(fds[i], "G");
    }
    for (int round = 0; round < 500 && cut < MORE; round++) {
        cut = 0;
        for (int i = 0; i < MAX + MORE; i++) {
            cut += is_closed(fds[i]);
        }
        usleep(10000);
    }
    assert_int_equal(cut, MORE);
    assert_int_equal(ask_once(f, "GET /api/v1/ HTTP/1.1\r\n" HOST AUTH "\r\n", buf, sizeof(buf)),
                     200);
    for (int i = 0; i < MAX + MORE; i++) {
        close(fds[i]);
    }
}

/* 1,000 requests in one go: 1,000 answers in their order, and one of them refused in between. */
static void test_pipelined(void **state)
{
    enum {
        N = 1000
    };
    struct fixture *f = *state;
    static char buf[1024 * 1024];
    static const char get[] = "GET /api/v1/ HTTP/1.1\r\n" HOST AUTH "\r\n";
    char *all = malloc((N + 1) * sizeof(get));
    assert_non_null(all);
    size_t len = 0;
    for (int i = 0; i < N; i++) {
        if (i == N / 2) {
            len +=
                (size_t)snprintf(all + len, sizeof(get), "GET /api/v1/ HTTP/1.1\r\n" HOST "\r\n");
        }
        memcpy(all + len, get, sizeof(get) - 1);
        len += sizeof(get) - 1;
    }
    int fd = dial(f);
    size_t sent = 0, got = 0;
    int answers = 0, refused = 0;
    while (answers < N + 1) {
        struct pollfd p = {.fd = fd, .events = (short)(POLLIN | (sent < len ? POLLOUT : 0))};
        assert_int_equal(poll(&p, 1, 10000), 1);
        if (p.revents & POLLOUT) {
            ssize_t n = send(fd, all + sent, len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
            sent += n > 0 ? (size_t)n : 0;
        }
        if (p.revents & POLLIN) {
            ssize_t n = recv(fd, buf + got, sizeof(buf) - 1 - got, 0);
            assert_true(n > 0);
            got += (size_t)n;
            buf[got] = '\0';
        }
        answers = refused = 0;
        for (const char *q = buf; got && (q = strstr(q, "HTTP/1.1 ")); q += 9) {
            answers++;
            refused += strncmp(q + 9, "401", 3) == 0;
        }
    }
    assert_int_equal(refused, 1);
    assert_int_equal(f->handled, N);
    close(fd);
    free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TF(test_ten_thousand_wrong_passwords), TF(test_nothing_without_a_password),
        TF(test_odd_authorizations),           TF(test_rude_clients),
        TF(test_no_request_is_smuggled),       TF(test_what_is_no_smuggling),
        TF(test_long_headers_in_pieces),       TF(test_two_thousand_slow_connections),
        TF(test_slow_strangers_are_cut),       TF(test_endless_request_is_cut),
        TF(test_oldest_stranger_makes_way),    TF(test_pipelined),
    };
    return RUN(tests);
}
