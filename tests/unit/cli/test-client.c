/* SPDX-License-Identifier: Apache-2.0 */
/* The commands against a real HTTP server with a made-up REST behind it. */
#include "cli/client.h"

#include <sys/stat.h>
#include <unistd.h>

#include "front/front.h"
#include "net/ca.h"
#include "tests/lib/check.h"
#include "util/fdio.h"

struct fixture {
    struct front *front;
    char dir[64], sock[96], secret[96], url[64];
    int asked, polls;
    char method[16], path[128], body[512];
};

static void reply(struct http_request *r, unsigned status, const char *json)
{
    http_reply(r, status, status < 400 ? "application/json" : "application/problem+json",
               strdup(json), strlen(json));
}

static void on_rest(void *ctx, struct http_request *r)
{
    struct fixture *f = ctx;
    const char *path = http_path(r);
    f->asked++;
    snprintf(f->method, sizeof(f->method), "%s", http_method(r));
    if (strcmp(f->method, "POST") == 0 || !strstr(path, "/jobs/")) {
        snprintf(f->path, sizeof(f->path), "%s", path);
        snprintf(f->body, sizeof(f->body), "%s", http_body(r, NULL));
    }
    if (strstr(path, "/nothing")) {
        reply(r, 404, "{\"detail\":\"no such VM\\u001b[31m\",\"kind\":\"NOT_FOUND\"}");
    } else if (strstr(path, "/odd")) {
        reply(r, 200, "[1,");
    } else if (strstr(path, "/plain")) {
        http_reply(r, 507, "text/plain", NULL, 0);
    } else if (strstr(path, "/jobs/7")) {
        reply(r, 200,
              ++f->polls < 2 ? "{\"job\":{\"id\":7,\"state\":4,\"state_text\":\"running\"}}"
                             : "{\"job\":{\"id\":7,\"state\":7,\"state_text\":\"completed\"}}");
    } else if (strstr(path, "/jobs/8")) {
        reply(r, 200, "{\"job\":{\"state\":10,\"state_text\":\"failed\",\"error_text\":\"disk\"}}");
    } else if (strstr(path, "bad/resync")) {
        reply(r, 202, "{\"code\":4096,\"job_id\":8}");
    } else {
        reply(r, 202, "{\"code\":4096,\"job_id\":7,\"relationships\":[]}");
    }
}

static int verify(void *ctx, const char *user, const char *password, struct http_who *ret)
{
    ret->role = VR_ROLE_ADMIN;
    return strcmp(user, "admin") == 0 && strcmp(password, "secret") == 0 ? 0 : -VR_E_AUTH;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct vr_err err = VR_ERR_INIT;
    assert_non_null(f);
    snprintf(f->dir, sizeof(f->dir), "/tmp/test-client-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->sock, sizeof(f->sock), "%s/sock", f->dir);
    snprintf(f->secret, sizeof(f->secret), "%s/secret", f->dir);
    CHECK_OK(vr_write_file_durable(f->secret, "secret\n", 7, 0600, &err), &err);
    struct http_config config = {
        .listens = {{.kind = HTTP_UNIX, .address = f->sock, .group = (gid_t)-1},
                    {.kind = HTTP_PLAIN, .address = "127.0.0.1"}},
        .nlistens = 2,
        .verify = verify};
    struct front_handlers h = {.rest = on_rest, .rest_ctx = f};
    CHECK_OK(front_start(&config, &h, &f->front, &err), &err);
    snprintf(f->url, sizeof(f->url), "http://127.0.0.1:%u/", front_port(f->front, 1));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    front_stop(f->front);
    unlink(f->secret);
    rmdir(f->dir);
    free(f);
    return 0;
}

static struct cli at_socket(const struct fixture *f)
{
    struct cli cli = {0};
    cli.value[OPT_SOCKET] = f->sock;
    return cli;
}

static int ask(const struct cli *cli, const char *path, struct vr_err *err)
{
    _cleanup_(client_freep) struct client *c = NULL;
    json_t *json = NULL;
    int r = client_new(cli, &c, err);
    if (r == 0) {
        r = client_ask(c, "GET", path, NULL, &json, err);
    }
    json_decref(json);
    return r;
}

static void test_errors(void **state)
{
    struct fixture *f = *state;
    struct vr_err err = VR_ERR_INIT;
    struct cli cli = at_socket(f);
    CHECK_OK(ask(&cli, "relationships", &err), &err);
    CHECK_FAILS(ask(&cli, "vms/nothing", &err), &err, VR_E_NOT_FOUND, "no such VM");
    CHECK_FAILS(ask(&cli, "odd", &err), &err, VR_E_PROTOCOL, "does not answer like vmreplicad");
    CHECK_FAILS(ask(&cli, "plain", &err), &err, VR_E_INTERNAL, "HTTP status 507");
    cli.value[OPT_SOCKET] = "/nonexistent/sock";
    CHECK_FAILS(ask(&cli, "vms", &err), &err, VR_E_PEER,
                "cannot reach vmreplicad at /nonexistent/sock: is it running?");
    setenv("VMREPLICA_SOCKET", f->sock, 1);
    cli.value[OPT_SOCKET] = NULL;
    CHECK_OK(ask(&cli, "vms", &err), &err);
    unsetenv("VMREPLICA_SOCKET");
}

static void test_url(void **state)
{
    struct fixture *f = *state;
    struct vr_err err = VR_ERR_INIT;
    struct cli cli = {0};
    cli.value[OPT_URL] = f->url;
    CHECK_FAILS(ask(&cli, "vms", &err), &err, VR_E_INVALID, "--user");
    cli.value[OPT_USER] = "admin";
    cli.value[OPT_PASSWORD_FILE] = f->secret;
    CHECK_OK(ask(&cli, "vms", &err), &err);
    cli.value[OPT_USER] = "other";
    CHECK_FAILS(ask(&cli, "vms", &err), &err, VR_E_AUTH, "not right");
    assert_int_equal(f->asked, 1);
    assert_int_equal(chmod(f->secret, 0644), 0);
    CHECK_FAILS(ask(&cli, "vms", &err), &err, VR_E_DENIED, "secret");
    static const char *const unsafe[] = {"http://hv2/",    "http://127.0.0.1.evil/",
                                         "ftp://hv2",      "hv2",
                                         "https://me@hv2", "http://localhost@evil"};
    for (size_t i = 0; i < sizeof(unsafe) / sizeof(unsafe[0]); i++) {
        cli.value[OPT_URL] = unsafe[i];
        CHECK_FAILS(ask(&cli, "vms", &err), &err, VR_E_INVALID, "no URL to send a password to");
    }
    cli.value[OPT_URL] = "http://localhost:1";
    assert_int_equal(chmod(f->secret, 0600), 0);
    CHECK_FAILS(ask(&cli, "vms", &err), &err, VR_E_PEER, "cannot reach");
}

static char *pem(const char *dir, const char *name)
{
    char path[160], *text = NULL;
    struct vr_err err = VR_ERR_INIT;
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    CHECK_OK(vr_read_file(path, 65536, &text, NULL, &err), &err);
    unlink(path);
    return text;
}

/* A certificate of our own CA: accepted with --cacert, refused without and under another name. */
static void test_https(void **state)
{
    struct fixture *f = *state;
    const char *const names[] = {"localhost"};
    char path[4][160];
    static const char *const files[] = {"request.pem", "cert.pem", "ca.pem", "ca-key.pem"};
    struct vr_err err = VR_ERR_INIT;
    for (size_t i = 0; i < 4; i++) {
        snprintf(path[i], sizeof(path[i]), "%s/%s", f->dir, files[i]);
    }
    CHECK_OK(ca_init(f->dir, "test", &err), &err);
    CHECK_OK(cert_request(f->dir, names, 1, &err), &err);
    CHECK_OK(ca_sign(f->dir, path[0], path[1], 1, &err), &err);
    char *cert = pem(f->dir, "cert.pem"), *key = pem(f->dir, "key.pem");
    struct http_config config = {.listens = {{.kind = HTTP_TLS, .address = "127.0.0.1"}},
                                 .nlistens = 1,
                                 .verify = verify,
                                 .tls_cert_pem = cert,
                                 .tls_key_pem = key};
    struct front_handlers h = {.rest = on_rest, .rest_ctx = f};
    front_stop(f->front);
    CHECK_OK(front_start(&config, &h, &f->front, &err), &err);
    struct cli cli = {0};
    char url[64], ip_url[64];
    snprintf(url, sizeof(url), "https://localhost:%u", front_port(f->front, 0));
    snprintf(ip_url, sizeof(ip_url), "https://127.0.0.1:%u", front_port(f->front, 0));
    cli.value[OPT_URL] = url;
    cli.value[OPT_USER] = "admin";
    cli.value[OPT_PASSWORD_FILE] = f->secret;
    CHECK_FAILS(ask(&cli, "vms", &err), &err, VR_E_PEER, "certificate");
    cli.value[OPT_CA_FILE] = path[2];
    CHECK_OK(ask(&cli, "vms", &err), &err);
    cli.value[OPT_URL] = ip_url;
    CHECK_FAILS(ask(&cli, "vms", &err), &err, VR_E_PEER, "certificate");
    assert_int_equal(f->asked, 1);
    front_stop(f->front);
    f->front = NULL;
    free(cert);
    free(key);
    for (size_t i = 0; i < 4; i++) {
        unlink(path[i]);
    }
}

static void test_verbs(void **state)
{
    struct fixture *f = *state;
    const char *args[] = {"db 01/x", "10M"};
    struct cli cli = at_socket(f);
    cli.args = (char **)(uintptr_t)args;
    cli.nargs = 1;
    cli.value[OPT_AT] = "2026-12-01T02:00Z";
    cli.value[OPT_FORCE] = cli.value[OPT_RESTART] = cli.value[OPT_EXTENDED] = "";
    assert_int_equal(cmd_resync(&cli), 0);
    assert_string_equal(f->path, "/api/v1/vms/db 01/x/resync");
    assert_string_equal(f->body, "{\"extended\":true,\"force\":true,\"restart\":true,"
                                 "\"at\":\"2026-12-01T02:00:00.000000Z\"}");
    cli.value[OPT_AT] = "soon";
    int before = f->asked;
    assert_int_equal(cmd_resync(&cli), 2);
    assert_int_equal(f->asked, before);
    cli = at_socket(f);
    cli.args = (char **)(uintptr_t)args;
    assert_int_equal(cmd_bandwidth(&cli), 0);
    assert_string_equal(f->body, "{\"bandwidth\":10485760}");
    assert_int_equal(cmd_enable(&cli), 2);   /* --to is missing */
    assert_int_equal(cmd_failover(&cli), 2); /* --force is missing */
    cli.value[OPT_TO] = "hv2";
    cli.exclude[0] = "swap";
    cli.nexclude = 1;
    cli.value[OPT_BANDWIDTH] = "fast";
    assert_int_equal(cmd_enable(&cli), 2);
    cli.value[OPT_BANDWIDTH] = "0";
    assert_int_equal(cmd_enable(&cli), 0);
    assert_string_equal(f->body, "{\"bandwidth\":0,\"to\":\"hv2\",\"exclude\":[\"swap\"]}");
    cli.value[OPT_SEEDED] = cli.value[OPT_NO_START] = "";
    assert_int_equal(cmd_enable(&cli), 2);
    assert_int_equal(cmd_authorize_remove(&cli), 0);
    assert_string_equal(f->method, "DELETE");
}

static void test_wait(void **state)
{
    struct fixture *f = *state;
    const char *good[] = {"db01"}, *bad[] = {"bad"};
    struct cli cli = at_socket(f);
    cli.args = (char **)(uintptr_t)good;
    cli.nargs = 1;
    cli.value[OPT_WAIT] = "";
    assert_int_equal(cmd_resync(&cli), 0);
    assert_int_equal(f->polls, 2);
    cli.args = (char **)(uintptr_t)bad;
    assert_int_equal(cmd_resync(&cli), 1);
}

static void test_status_unknown(void **state)
{
    struct cli cli = at_socket(*state);
    assert_int_equal(cmd_status(&cli), 0);
    cli.value[OPT_SOCKET] = "/nonexistent/sock";
    assert_int_equal(cmd_status(&cli), 3);
}

#define TF(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TF(test_errors), TF(test_url),  TF(test_verbs),
                                       TF(test_https),  TF(test_wait), TF(test_status_unknown)};
    return RUN(tests);
}
