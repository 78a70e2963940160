/* SPDX-License-Identifier: Apache-2.0 */
/* Real handshakes on 127.0.0.1 between two threads, with every kind of certificate that must be
 * refused. */
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/ca.h"
#include "net/cert.h"
#include "net/pem.h"
#include "net/tls.h"
#include "tests/lib/check.h"
#include "tests/lib/tmpdir.h"
#include "util/vtime.h"

#define DAY_S 86400
#define BOUND_MS 60000 /* for what comes at once; a busy machine may take its time */

static char dir[] = "/tmp/vr-tls-XXXXXX";
static struct tls_creds *creds_a, *creds_b;

static const char *in_dir(const char *name)
{
    static char path[4][160];
    static unsigned turn;
    char *p = path[turn++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", dir, name);
    return p;
}

/* A leaf as ca_sign never makes one: `san` NULL for CN alone, any dates, any CA. Files sub/key.pem
 * and sub/cert.pem. */
static void make_odd_leaf(
    const char *sub, const char *ca, const char *cn, const char *san, time_t begin, time_t end)
{
    char path[200];
    gnutls_x509_crt_t ca_crt, crt;
    gnutls_x509_privkey_t ca_key, key;
    snprintf(path, sizeof path, "%s/ca.pem", in_dir(ca));
    assert_int_equal(pem_load_crt(path, &ca_crt, NULL), 0);
    snprintf(path, sizeof path, "%s/ca-key.pem", in_dir(ca));
    assert_int_equal(pem_load_key(path, &ca_key, NULL), 0);
    assert_int_equal(pem_make_key(&key, NULL), 0);
    assert_int_equal(gnutls_x509_crt_init(&crt), 0);
    assert_int_equal(gnutls_x509_crt_set_version(crt, 3), 0);
    assert_int_equal(gnutls_x509_crt_set_serial(crt, "\x41\x42\x43", 3), 0);
    assert_int_equal(gnutls_x509_crt_set_key(crt, key), 0);
    assert_int_equal(gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, cn,
                                                   (unsigned)strlen(cn)),
                     0);
    if (san) {
        assert_int_equal(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, san,
                                                              (unsigned)strlen(san), 0),
                         0);
    }
    assert_int_equal(gnutls_x509_crt_set_activation_time(crt, begin), 0);
    assert_int_equal(gnutls_x509_crt_set_expiration_time(crt, end), 0);
    assert_int_equal(gnutls_x509_crt_sign2(crt, ca_crt, ca_key, GNUTLS_DIG_SHA256, 0), 0);
    assert_int_equal(mkdir(in_dir(sub), 0700), 0);
    snprintf(path, sizeof path, "%s/key.pem", in_dir(sub));
    assert_int_equal(pem_write_key(path, key, NULL), 0);
    snprintf(path, sizeof path, "%s/cert.pem", in_dir(sub));
    assert_int_equal(pem_write_crt(path, crt, NULL), 0);
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_crt_deinit(ca_crt);
    gnutls_x509_privkey_deinit(key);
    gnutls_x509_privkey_deinit(ca_key);
}

static void make_leaf(const char *sub, const char *ca, const char *name)
{
    struct vr_err err = VR_ERR_INIT;
    char req[200], cert[200];
    CHECK_OK(cert_request(in_dir(sub), &name, 1, &err), &err);
    snprintf(req, sizeof req, "%s/request.pem", in_dir(sub));
    snprintf(cert, sizeof cert, "%s/cert.pem", in_dir(sub));
    CHECK_OK(ca_sign(in_dir(ca), req, cert, 10, &err), &err);
}

static struct tls_creds *load(const char *sub, const char *ca)
{
    struct vr_err err = VR_ERR_INIT;
    struct tls_creds *c = NULL;
    char cert[200], key[200], trust[200];
    snprintf(cert, sizeof cert, "%s/cert.pem", in_dir(sub));
    snprintf(key, sizeof key, "%s/key.pem", in_dir(sub));
    snprintf(trust, sizeof trust, "%s/ca.pem", in_dir(ca));
    CHECK_OK(tls_creds_load(cert, key, trust, &c, &err), &err);
    return c;
}

/* One side of a connection in a thread of its own. */
struct server {
    struct tls_creds *creds;
    struct tls_listener *listener;
    struct tls_stream *stream;
    int r;
    struct vr_err err;
    pthread_t thread;
};

static void *server_main(void *arg)
{
    struct server *s = arg;
    struct pollfd p = {.fd = tls_listener_fd(s->listener), .events = POLLIN};
    int fd = -1;
    s->r = poll(&p, 1, BOUND_MS) == 1 ? tls_listener_accept(s->listener, &fd, &s->err) : -1;
    if (s->r == 0) {
        s->r = tls_accept(s->creds, fd, vr_mono_ms() + BOUND_MS, &s->stream, &s->err);
    }
    return NULL;
}

static uint16_t server_start(struct server *s, struct tls_creds *creds)
{
    *s = (struct server){.creds = creds};
    CHECK_OK(tls_listen("127.0.0.1", 0, &s->listener, &s->err), &s->err);
    assert_int_equal(pthread_create(&s->thread, NULL, server_main, s), 0);
    return tls_listener_port(s->listener);
}

static void server_stop(struct server *s)
{
    tls_close(s->stream);
    tls_listener_close(s->listener);
}

static int wait_readable(struct tls_stream *s)
{
    struct pollfd p = {.fd = tls_fd(s), .events = POLLIN};
    return tls_buffered(s) ? 1 : poll(&p, 1, BOUND_MS);
}

static ssize_t read_some(struct tls_stream *s, void *buf, size_t n, struct vr_err *err)
{
    ssize_t r = 0;
    while (r == 0 && wait_readable(s) > 0) {
        r = tls_read(s, buf, n, err);
    }
    return r;
}

/* What we show of our certificate is the certificate of the file, and the thumbprint is the SHA-1
 * of its DER. */
static void check_own_certificate(const struct tls_creds *creds, const char *path)
{
    gnutls_x509_crt_t crt;
    gnutls_datum_t der = {0}, text;
    uint8_t sha1[20];
    char hex[41];
    size_t n = sizeof sha1;
    assert_int_equal(pem_load_crt(path, &crt, NULL), 0);
    const char *base64 = tls_creds_certificate(creds, 0);
    assert_non_null(base64);
    assert_null(strchr(base64, '\n'));
    _cleanup_(vr_freep) char *copy = strdup(base64);
    text = (gnutls_datum_t){(unsigned char *)copy, (unsigned)strlen(copy)};
    gnutls_datum_t shown = {0};
    assert_int_equal(gnutls_base64_decode2(&text, &shown), 0);
    assert_int_equal(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_DER, &der), 0);
    assert_int_equal(shown.size, der.size);
    assert_memory_equal(shown.data, der.data, der.size);
    assert_int_equal(gnutls_x509_crt_get_fingerprint(crt, GNUTLS_DIG_SHA1, sha1, &n), 0);
    for (size_t i = 0; i < n; i++) {
        snprintf(hex + 2 * i, 3, "%02X", sha1[i]);
    }
    assert_string_equal(tls_creds_thumbprint(creds), hex);
    assert_null(tls_creds_certificate(creds, 1));
    gnutls_free(der.data);
    gnutls_free(shown.data);
    gnutls_x509_crt_deinit(crt);
}

static void test_good(void **state)
{
    struct server s;
    struct tls_stream *c = NULL;
    struct vr_err err = VR_ERR_INIT;
    char buf[16];
    uint16_t port = server_start(&s, creds_b);
    CHECK_OK(
        tls_connect(creds_a, "127.0.0.1", port, "b.example", vr_mono_ms() + BOUND_MS, &c, &err),
        &err);
    pthread_join(s.thread, NULL);
    CHECK_OK(s.r, &s.err);
    assert_string_equal(tls_peer_name(c), "b.example");
    assert_string_equal(tls_peer_name(s.stream), "a.example");
    assert_string_equal(tls_creds_name(creds_a), "a.example");
    check_own_certificate(creds_a, in_dir("a/cert.pem"));
    assert_true(tls_creds_not_after_us(creds_a) > vr_wall_us());
    assert_true(tls_peer_matches(s.stream, "*.example"));
    assert_true(tls_peer_matches(s.stream, "A.example"));
    assert_false(tls_peer_matches(s.stream, "b.example"));
    assert_false(tls_peer_matches(s.stream, "*"));
    assert_int_equal(tls_write(c, "hello", 5, &err), 5);
    assert_int_equal(read_some(s.stream, buf, 2, &err), 2);
    assert_int_equal(tls_buffered(s.stream), 3);
    assert_int_equal(read_some(s.stream, buf, sizeof buf, &err), 3);
    assert_int_equal(tls_read(s.stream, buf, sizeof buf, &err), 0);
    tls_close(c);
    CHECK_FAILS((int)read_some(s.stream, buf, sizeof buf, &err), &err, VR_E_PEER,
                "closed by the other side");
    CHECK_FAILS((int)tls_read(s.stream, buf, sizeof buf, &err), &err, VR_E_PEER, "closed");
    server_stop(&s);
}

/* A server with a bad certificate: the client says why, the server hears an alert. */
static void refuse_server(struct tls_creds *bad, const char *name, const char *why)
{
    struct server s;
    struct tls_stream *c = NULL;
    struct vr_err err;
    uint16_t port = server_start(&s, bad);
    CHECK_FAILS(tls_connect(creds_a, "127.0.0.1", port, name, vr_mono_ms() + BOUND_MS, &c, &err),
                &err, VR_E_PEER, why);
    assert_non_null(strstr(err.text, "'127.0.0.1' port"));
    assert_null(c);
    pthread_join(s.thread, NULL);
    assert_int_equal(s.r, -VR_E_PEER);
    assert_non_null(strstr(s.err.text, "refused us"));
    server_stop(&s);
}

/* A client with a bad certificate: the server says why, the client learns it with its first read.
 */
static void refuse_client(struct tls_creds *bad, const char *why)
{
    struct server s;
    struct tls_stream *c = NULL;
    struct vr_err err = VR_ERR_INIT;
    char buf[8];
    uint16_t port = server_start(&s, creds_b);
    CHECK_OK(tls_connect(bad, "127.0.0.1", port, "b.example", vr_mono_ms() + BOUND_MS, &c, &err),
             &err);
    pthread_join(s.thread, NULL);
    CHECK_FAILS(s.r, &(struct vr_err){0}, VR_E_PEER, "");
    if (!strstr(s.err.text, why)) {
        fail_msg("'%s' does not contain '%s'", s.err.text, why);
    }
    assert_null(s.stream);
    CHECK_FAILS((int)read_some(c, buf, sizeof buf, &err), &err, VR_E_PEER, "refused us");
    tls_close(c);
    server_stop(&s);
}

static void test_wrong_name(void **state)
{
    refuse_server(creds_b, "c.example", "is for 'b.example', wanted 'c.example'");
}

static void test_strangers_ca(void **state)
{
    _cleanup_(tls_creds_unrefp) struct tls_creds *stranger = load("stranger", "ca");
    refuse_server(stranger, "b.example", "not signed by our CA");
    refuse_client(stranger, "not signed by our CA");
}

static void test_expired(void **state)
{
    _cleanup_(tls_creds_unrefp) struct tls_creds *old = load("old", "ca");
    refuse_server(old, "b.example", "expired on 20");
    refuse_client(old, "expired on 20");
}

static void test_not_yet_valid(void **state)
{
    _cleanup_(tls_creds_unrefp) struct tls_creds *early = load("early", "ca");
    refuse_server(early, "b.example", "not valid before 20");
}

static void test_wildcard_is_one_label(void **state)
{
    _cleanup_(tls_creds_unrefp) struct tls_creds *wild = load("wild", "ca");
    struct server s;
    struct tls_stream *c = NULL;
    struct vr_err err = VR_ERR_INIT;
    uint16_t port = server_start(&s, wild);
    CHECK_OK(
        tls_connect(creds_a, "127.0.0.1", port, "x.w.example", vr_mono_ms() + BOUND_MS, &c, &err),
        &err);
    pthread_join(s.thread, NULL);
    tls_close(c);
    server_stop(&s);
    refuse_server(wild, "x.y.w.example", "is for '*.w.example', wanted 'x.y.w.example'");
    refuse_server(wild, "w.example", "is for '*.w.example'");
}

/* RFC 6761: every name below localhost is this host, whatever the resolver says. */
static int option(const struct tls_stream *s, int level, int name)
{
    int v = -1;
    socklen_t n = sizeof v;
    assert_int_equal(getsockopt(tls_fd(s), level, name, &v, &n), 0);
    return v;
}

/* A long line is to be filled, and memory not taken for what the line cannot take. */
static void test_buffers_for_a_long_line(void **state)
{
    struct server s;
    struct tls_stream *c = NULL;
    struct vr_err err = VR_ERR_INIT;
    uint16_t port = server_start(&s, creds_b);
    CHECK_OK(
        tls_connect(creds_a, "127.0.0.1", port, "b.example", vr_mono_ms() + BOUND_MS, &c, &err),
        &err);
    int before = option(c, SOL_SOCKET, SO_SNDBUF), bytes = 32 << 20;
    assert_int_equal(option(c, IPPROTO_TCP, TCP_NODELAY), 1);
    assert_int_equal(option(c, IPPROTO_TCP, TCP_NOTSENT_LOWAT), 1 << 20);
    if (setsockopt(tls_fd(c), SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) == 0) {
        assert_true(before >= bytes);
    }
    pthread_join(s.thread, NULL);
    CHECK_OK(s.r, &s.err);
    tls_close(c);
    server_stop(&s);
}

static void test_names_below_localhost(void **state)
{
    struct server s;
    struct tls_stream *c = NULL;
    struct vr_err err = VR_ERR_INIT;
    uint16_t port = server_start(&s, creds_b);
    CHECK_OK(
        tls_connect(creds_a, "h1.LocalHost", port, "b.example", vr_mono_ms() + BOUND_MS, &c, &err),
        &err);
    pthread_join(s.thread, NULL);
    CHECK_OK(s.r, &s.err);
    tls_close(c);
    server_stop(&s);
    CHECK_FAILS(tls_connect(creds_a, "h1.notlocalhost.invalid", port, "b.example",
                            vr_mono_ms() + BOUND_MS, &c, &err),
                &err, VR_E_PEER, "no address");
}

static void test_cn_alone_is_not_loaded(void **state)
{
    struct vr_err err;
    struct tls_creds *c = NULL;
    char ca[200];
    snprintf(ca, sizeof ca, "%s/ca.pem", in_dir("ca"));
    CHECK_FAILS(tls_creds_load(in_dir("cn/cert.pem"), in_dir("cn/key.pem"), ca, &c, &err), &err,
                VR_E_INVALID, "SAN dNSName");
    assert_null(c);
}

/* Another program's end, which shows what ours would not: any certificate, or none. Blocking. */
struct foreign {
    int fd;
    bool server;
    const char *sub; /* NULL: no certificate */
    pthread_t thread;
};

static void *foreign_main(void *arg)
{
    struct foreign *f = arg;
    gnutls_certificate_credentials_t cred;
    gnutls_session_t session;
    char byte;
    if (f->server) { /* fd listens */
        int fd = accept(f->fd, NULL, NULL);
        close(f->fd);
        f->fd = fd;
    }
    gnutls_certificate_allocate_credentials(&cred);
    if (f->sub) {
        char cert[200], key[200];
        snprintf(cert, sizeof cert, "%s/%s/cert.pem", dir, f->sub);
        snprintf(key, sizeof key, "%s/%s/key.pem", dir, f->sub);
        gnutls_certificate_set_x509_key_file(cred, cert, key, GNUTLS_X509_FMT_PEM);
    }
    gnutls_init(&session, (f->server ? GNUTLS_SERVER : GNUTLS_CLIENT) | GNUTLS_NO_SIGNAL);
    gnutls_priority_set_direct(session, "NORMAL", NULL);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, cred);
    gnutls_transport_set_int(session, f->fd);
    gnutls_handshake_set_timeout(session, BOUND_MS);
    if (gnutls_handshake(session) == 0) {
        gnutls_record_recv(session, &byte, 1);
    }
    gnutls_deinit(session);
    gnutls_certificate_free_credentials(cred);
    close(f->fd);
    return NULL;
}

static int dial(uint16_t port)
{
    struct sockaddr_in sa = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    return fd;
}

static void refuse_foreign_client(const char *sub, const char *why)
{
    struct server s;
    struct foreign f = {.sub = sub};
    uint16_t port = server_start(&s, creds_b);
    f.fd = dial(port);
    pthread_create(&f.thread, NULL, foreign_main, &f);
    pthread_join(s.thread, NULL);
    pthread_join(f.thread, NULL);
    assert_int_equal(s.r, -VR_E_PEER);
    if (!strstr(s.err.text, why)) {
        fail_msg("'%s' does not contain '%s'", s.err.text, why);
    }
    server_stop(&s);
}

static void test_client_without_or_with_cn_alone(void **state)
{
    refuse_foreign_client(NULL, "showed no certificate");
    refuse_foreign_client("cn", "no host name as SAN dNSName");
}

static void test_server_with_cn_alone(void **state)
{
    struct vr_err err;
    struct tls_stream *c = NULL;
    struct foreign f = {.server = true, .sub = "cn"};
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof sa;
    f.fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(f.fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(listen(f.fd, 1), 0);
    assert_int_equal(getsockname(f.fd, (struct sockaddr *)&sa, &n), 0);
    pthread_create(&f.thread, NULL, foreign_main, &f);
    CHECK_FAILS(tls_connect(creds_a, "127.0.0.1", ntohs(sa.sin_port), "b.example",
                            vr_mono_ms() + BOUND_MS, &c, &err),
                &err, VR_E_PEER, "no host name as SAN dNSName");
    pthread_join(f.thread, NULL);
}

/* Passes bytes on between a client and a server, and keeps what the client sent. */
struct relay {
    int listener, server;
    uint8_t kept[65536];
    size_t n;
};

static bool pass(int from, int to, struct relay *keep)
{
    uint8_t buf[4096];
    ssize_t n = read(from, buf, sizeof buf);
    if (n <= 0) {
        shutdown(to, SHUT_WR);
        return false;
    }
    if (keep && keep->n + (size_t)n <= sizeof keep->kept) {
        memcpy(keep->kept + keep->n, buf, (size_t)n);
        keep->n += (size_t)n;
    }
    return send(to, buf, (size_t)n, MSG_NOSIGNAL) == n;
}

static void *relay_main(void *arg)
{
    struct relay *r = arg;
    int client = accept(r->listener, NULL, NULL);
    struct pollfd p[2] = {{.fd = client, .events = POLLIN}, {.fd = r->server, .events = POLLIN}};
    while ((p[0].fd >= 0 || p[1].fd >= 0) && poll(p, 2, BOUND_MS) > 0) {
        if (p[0].revents && !pass(client, r->server, r)) {
            p[0].fd = -1;
        }
        if (p[1].revents && !pass(r->server, client, NULL)) {
            p[1].fd = -1;
        }
    }
    close(client);
    close(r->server);
    return NULL;
}

/* What a client sent in a session that went well, sent again byte by byte, opens no other one. */
static void test_replayed_session(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof in;
    struct relay *relay = calloc(1, sizeof *relay);
    struct tls_stream *c = NULL;
    struct server s;
    pthread_t thread;
    char buf[16];
    relay->server = dial(server_start(&s, creds_b));
    relay->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(relay->listener, (struct sockaddr *)&in, len), 0);
    assert_int_equal(listen(relay->listener, 1), 0);
    assert_int_equal(getsockname(relay->listener, (struct sockaddr *)&in, &len), 0);
    assert_int_equal(pthread_create(&thread, NULL, relay_main, relay), 0);
    CHECK_OK(tls_connect(creds_a, "127.0.0.1", ntohs(in.sin_port), "b.example",
                         vr_mono_ms() + BOUND_MS, &c, &err),
             &err);
    assert_int_equal(tls_write(c, "order", 5, &err), 5);
    pthread_join(s.thread, NULL);
    CHECK_OK(s.r, &s.err);
    assert_int_equal(read_some(s.stream, buf, sizeof buf, &err), 5);
    tls_close(c);
    server_stop(&s);
    pthread_join(thread, NULL);
    close(relay->listener);
    assert_true(relay->n > 500);

    int fd = dial(server_start(&s, creds_b));
    assert_int_equal(send(fd, relay->kept, relay->n, MSG_NOSIGNAL), (ssize_t)relay->n);
    pthread_join(s.thread, NULL);
    assert_int_equal(s.r, -VR_E_PEER);
    assert_null(s.stream);
    close(fd);
    server_stop(&s);
    free(relay);
}

static void test_key_readable_by_group(void **state)
{
    struct vr_err err;
    struct tls_creds *c = NULL;
    assert_int_equal(chmod(in_dir("loose/key.pem"), 0640), 0);
    CHECK_FAILS(tls_creds_load(in_dir("loose/cert.pem"), in_dir("loose/key.pem"),
                               in_dir("ca/ca.pem"), &c, &err),
                &err, VR_E_DENIED, "chmod 600");
}

static void test_bad_files(void **state)
{
    struct vr_err err;
    struct tls_creds *c = NULL;
    CHECK_FAILS(
        tls_creds_load(in_dir("a/cert.pem"), in_dir("b/key.pem"), in_dir("ca/ca.pem"), &c, &err),
        &err, VR_E_INVALID, "does not fit");
    CHECK_FAILS(
        tls_creds_load(in_dir("a/key.pem"), in_dir("a/key.pem"), in_dir("ca/ca.pem"), &c, &err),
        &err, VR_E_INVALID, "not in PEM form");
    CHECK_FAILS(
        tls_creds_load(in_dir("a/cert.pem"), in_dir("a/key.pem"), in_dir("a/key.pem"), &c, &err),
        &err, VR_E_INVALID, "trusted CAs");
    CHECK_FAILS(tls_creds_load(in_dir("none"), in_dir("a/key.pem"), in_dir("ca/ca.pem"), &c, &err),
                &err, VR_E_NOT_FOUND, "certificate");
}

static void test_deadlines(void **state)
{
    struct vr_err err;
    struct tls_listener *l = NULL;
    struct tls_stream *s = NULL;
    int fd = -1;
    CHECK_OK(tls_listen("127.0.0.1", 0, &l, &err), &err);
    CHECK_FAILS(tls_listener_accept(l, &fd, &err), &err, VR_E_TIMEOUT, "no connection");
    uint64_t begin = vr_mono_ms();
    CHECK_FAILS(
        tls_connect(creds_a, "127.0.0.1", tls_listener_port(l), "b.example", begin + 300, &s, &err),
        &err, VR_E_TIMEOUT, "TLS handshake: no answer in time");
    CHECK_OK(tls_listener_accept(l, &fd, &err), &err);
    close(fd);
    int silent = dial(tls_listener_port(l));
    CHECK_OK(tls_listener_accept(l, &fd, &err), &err);
    CHECK_FAILS(tls_accept(creds_b, fd, vr_mono_ms() + 300, &s, &err), &err, VR_E_TIMEOUT,
                "127.0.0.1 port");
    close(silent);
    uint16_t port = tls_listener_port(l);
    tls_listener_close(l);
    CHECK_FAILS(
        tls_connect(creds_a, "127.0.0.1", port, "b.example", vr_mono_ms() + BOUND_MS, &s, &err),
        &err, VR_E_PEER, "refused");
    CHECK_FAILS(tls_connect(creds_a, "127.0.0.1", port, "not a name", 0, &s, &err), &err,
                VR_E_INVALID, "not a host name");
    CHECK_FAILS(tls_listen("localhost", 0, &l, &err), &err, VR_E_INVALID, "not an IP address");
    assert_true(vr_mono_ms() - begin < BOUND_MS / 2);
}

static void test_garbage_is_refused(void **state)
{
    struct server s;
    uint16_t port = server_start(&s, creds_b);
    int fd = dial(port);
    assert_int_equal(write(fd, "GET / HTTP/1.1\r\n\r\n", 18), 18);
    pthread_join(s.thread, NULL);
    assert_int_equal(s.r, -VR_E_PEER);
    close(fd);
    server_stop(&s);
}

static void test_names(void **state)
{
    assert_true(cert_name_matches("*.d.example", "h.D.example"));
    assert_false(cert_name_matches("*.d.example", "x.h.d.example"));
    assert_false(cert_name_matches("*.d.example", ".d.example"));
    assert_false(cert_name_matches("*.d.example", "d.example"));
    assert_true(cert_name_ok("h", false));
    assert_true(cert_name_ok("*.d.example", true));
    assert_false(cert_name_ok("*.example", true));
    assert_false(cert_name_ok("*.d.example", false));
    assert_false(cert_name_ok("", false));
    assert_false(cert_name_ok("a..b", false));
    assert_false(cert_name_ok("a.", false));
    assert_false(cert_name_ok("-a.b", false));
    assert_false(cert_name_ok("a_b", false));
    assert_false(cert_name_ok("h*.example.org", true));
}

static int setup(void **state)
{
    time_t now = time(NULL);
    struct vr_err err = VR_ERR_INIT;
    vr_assert(mkdtemp(dir));
    CHECK_OK(ca_init(in_dir("ca"), "test CA", &err), &err);
    CHECK_OK(ca_init(in_dir("ca2"), "another CA", &err), &err);
    make_leaf("a", "ca", "a.example");
    make_leaf("b", "ca", "b.example");
    make_leaf("loose", "ca", "b.example");
    make_leaf("stranger", "ca2", "b.example");
    make_odd_leaf("cn", "ca", "b.example", NULL, now - DAY_S, now + DAY_S);
    make_odd_leaf("old", "ca", "b", "b.example", now - 3 * DAY_S, now - DAY_S);
    make_odd_leaf("early", "ca", "b", "b.example", now + DAY_S, now + 2 * DAY_S);
    make_odd_leaf("wild", "ca", "w", "*.w.example", now - DAY_S, now + DAY_S);
    creds_a = load("a", "ca");
    creds_b = load("b", "ca");
    return 0;
}

static int teardown(void **state)
{
    tls_creds_unref(creds_a);
    tls_creds_unref(creds_b);
    tmpdir_remove(dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_good),
                                       T(test_wrong_name),
                                       T(test_strangers_ca),
                                       T(test_expired),
                                       T(test_not_yet_valid),
                                       T(test_wildcard_is_one_label),
                                       T(test_buffers_for_a_long_line),
                                       T(test_names_below_localhost),
                                       T(test_cn_alone_is_not_loaded),
                                       T(test_client_without_or_with_cn_alone),
                                       T(test_server_with_cn_alone),
                                       T(test_key_readable_by_group),
                                       T(test_bad_files),
                                       T(test_deadlines),
                                       T(test_garbage_is_refused),
                                       T(test_replayed_session),
                                       T(test_names)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
