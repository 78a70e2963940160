/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <termios.h>
#include <unistd.h>

#include "util/buf.h"
#include "util/fdio.h"

#define CONNECT_TIMEOUT_S 10L
#define TIMEOUT_S 60L
#define ANSWER_MAX (64 * 1024 * 1024)
#define PASSWORD_MAX 1024

struct client {
    CURL *curl;
    struct curl_slist *headers;
    char base[512];
    const char *where; /* for messages */
    bool is_socket;
    struct vr_buf answer;
    char curl_text[CURL_ERROR_SIZE];
};

static size_t on_data(char *p, size_t size, size_t n, void *ctx)
{
    struct vr_buf *b = ctx;
    vr_buf_bytes(b, p, size * n);
    return b->failed ? 0 : size * n;
}

int client_prompt_password(const char *prompt, char **ret, struct vr_err *err)
{
    struct termios old, quiet;
    char buf[PASSWORD_MAX + 2];
    _cleanup_(vr_closep) int fd = open("/dev/tty", O_RDWR | O_CLOEXEC);
    if (fd < 0 || tcgetattr(fd, &old) < 0) {
        return vr_fail(err, VR_E_INVALID,
                       "no terminal to ask for the password: give it with "
                       "--password-file");
    }
    quiet = old;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    dprintf(fd, "%s: ", prompt);
    tcsetattr(fd, TCSAFLUSH, &quiet);
    ssize_t n = read(fd, buf, sizeof(buf) - 1);
    tcsetattr(fd, TCSAFLUSH, &old);
    dprintf(fd, "\n");
    n -= n > 0 && buf[n - 1] == '\n';
    *ret = n > 0 ? strndup(buf, (size_t)n) : NULL;
    explicit_bzero(buf, sizeof(buf));
    return *ret ? 0 : vr_fail(err, VR_E_INVALID, "no password was given");
}

static int set_login(struct client *c, const struct cli *cli, struct vr_err *err)
{
    char *password = NULL;
    int r;
    if (!cli_has(cli, OPT_USER)) {
        return vr_fail(err, VR_E_INVALID, "--url needs --user NAME");
    }
    if (cli_has(cli, OPT_PASSWORD_FILE)) {
        r = vr_read_secret_file(cli->value[OPT_PASSWORD_FILE], PASSWORD_MAX, &password, NULL, err);
    } else {
        r = client_prompt_password("password", &password, err);
    }
    if (r < 0) {
        return r;
    }
    password[strcspn(password, "\r\n")] = '\0';
    curl_easy_setopt(c->curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
    curl_easy_setopt(c->curl, CURLOPT_USERNAME, cli->value[OPT_USER]);
    curl_easy_setopt(c->curl, CURLOPT_PASSWORD, password);
    explicit_bzero(password, strlen(password));
    free(password);
    return 0;
}

static bool url_ok(const char *url)
{
    static const char *const plain[] = {"http://127.0.0.1", "http://localhost", "http://[::1]"};
    if (strncasecmp(url, "https://", 8) == 0) {
        return true;
    }
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
        size_t n = strlen(plain[i]);
        if (strncasecmp(url, plain[i], n) == 0 && (!url[n] || strchr(":/", url[n]))) {
            return true;
        }
    }
    return false;
}

static int set_target(struct client *c, const struct cli *cli, struct vr_err *err)
{
    const char *url = cli->value[OPT_URL];
    if (url) {
        int n = snprintf(c->base, sizeof(c->base), "%s", url);
        if (!url_ok(url) || strchr(url, '@') || n >= (int)sizeof(c->base)) {
            return vr_fail(err, VR_E_INVALID,
                           "'%s' is no URL to send a password to: give https://HOST[:PORT]", url);
        }
        while (n > 0 && c->base[n - 1] == '/') {
            c->base[--n] = '\0';
        }
        c->where = url;
        if (cli_has(cli, OPT_CA_FILE)) {
            curl_easy_setopt(c->curl, CURLOPT_CAINFO, cli->value[OPT_CA_FILE]);
        }
        return set_login(c, cli, err);
    }
    const char *env = getenv("VMREPLICA_SOCKET");
    c->where = cli_has(cli, OPT_SOCKET) ? cli->value[OPT_SOCKET] : env && *env ? env : CLI_SOCKET;
    c->is_socket = true;
    snprintf(c->base, sizeof(c->base), "http://localhost");
    curl_easy_setopt(c->curl, CURLOPT_UNIX_SOCKET_PATH, c->where);
    return 0;
}

int client_new(const struct cli *cli, struct client **ret, struct vr_err *err)
{
    _cleanup_(client_freep) struct client *c = calloc(1, sizeof(*c));
    if (!c || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return vr_fail_nomem(err);
    }
    vr_buf_init(&c->answer, ANSWER_MAX);
    c->curl = curl_easy_init();
    c->headers = curl_slist_append(NULL, "Accept: application/json");
    if (!c->curl || !c->headers) {
        return vr_fail_nomem(err);
    }
    curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, &c->answer);
    curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, c->curl_text);
    curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c->curl, CURLOPT_PROXY, "");
    curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
    curl_easy_setopt(c->curl, CURLOPT_TIMEOUT, TIMEOUT_S);
    curl_easy_setopt(c->curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    int r = set_target(c, cli, err);
    if (r < 0) {
        return r;
    }
    *ret = TAKE_PTR(c);
    return 0;
}

void client_free(struct client *c)
{
    if (!c) {
        return;
    }
    if (c->curl) {
        curl_easy_cleanup(c->curl);
    }
    curl_slist_free_all(c->headers);
    vr_buf_deinit(&c->answer);
    free(c);
}

static int
stop_asked(void *ctx, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal, curl_off_t ulnow)
{
    return *(const volatile sig_atomic_t *)ctx;
}

void client_stop_when(struct client *c, const volatile sig_atomic_t *flag)
{
    curl_easy_setopt(c->curl, CURLOPT_XFERINFOFUNCTION, stop_asked);
    curl_easy_setopt(c->curl, CURLOPT_XFERINFODATA, (void *)(uintptr_t)flag);
    curl_easy_setopt(c->curl, CURLOPT_NOPROGRESS, 0L);
}

static int kind_of_name(const char *name)
{
#define X(n, ...)                                                                                  \
    if (strcmp(name, #n) == 0) {                                                                   \
        return VR_E_##n;                                                                           \
    }
    VR_ERR_KINDS(X)
#undef X
    return VR_E_NONE;
}

static int kind_of_status(long status)
{
    switch (status) {
    case 401:
        return VR_E_AUTH;
    case 403:
        return VR_E_DENIED;
    case 404:
        return VR_E_NOT_FOUND;
    case 409:
        return VR_E_STATE;
    case 413:
        return VR_E_LIMIT;
    case 503:
        return VR_E_BUSY;
    default:
        return status >= 500 ? VR_E_INTERNAL : VR_E_INVALID;
    }
}

int client_problem(const json_t *json, long status, struct vr_err *err)
{
    const char *detail = json_string_value(json_object_get(json, "detail"));
    const char *name = json_string_value(json_object_get(json, "kind"));
    int kind = name ? kind_of_name(name) : VR_E_NONE;
    kind = kind ? kind : kind_of_status(status);
    if (status == 401) {
        return vr_fail(err, (enum vr_err_kind)kind, "user or password are not right");
    }
    if (detail && *detail) {
        return vr_fail(err, (enum vr_err_kind)kind, "%s", detail);
    }
    return vr_fail(err, (enum vr_err_kind)kind, "the server answered HTTP status %ld", status);
}

static int transport_error(const struct client *c, CURLcode code, struct vr_err *err)
{
    const char *why = c->curl_text[0] ? c->curl_text : curl_easy_strerror(code);
    if (code == CURLE_OPERATION_TIMEDOUT) {
        return vr_fail(err, VR_E_TIMEOUT, "vmreplicad at %s does not answer", c->where);
    }
    if (c->is_socket && access(c->where, R_OK | W_OK) < 0 && errno == EACCES) {
        return vr_fail(err, VR_E_DENIED,
                       "you may not use %s: be root or a member of the socket's group", c->where);
    }
    if (c->is_socket && code == CURLE_COULDNT_CONNECT) {
        return vr_fail(err, VR_E_PEER, "cannot reach vmreplicad at %s: is it running?", c->where);
    }
    return vr_fail(err, VR_E_PEER, "cannot reach vmreplicad at %s: %s", c->where, why);
}

static int perform(struct client *c,
                   const char *method,
                   const char *path,
                   const char *body,
                   long *ret_status,
                   struct vr_err *err)
{
    char url[2048];
    snprintf(url, sizeof(url), "%s/api/v1/%s", c->base, path);
    struct curl_slist json_type = {.data = (char *)(uintptr_t) "Content-Type: application/json",
                                   .next = c->headers};
    vr_buf_reset(&c->answer);
    c->curl_text[0] = '\0';
    curl_easy_setopt(c->curl, CURLOPT_URL, url);
    curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, body ? &json_type : c->headers);
    curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, body);
    if (!body) {
        curl_easy_setopt(c->curl, CURLOPT_HTTPGET, 1L);
        curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, method);
    }
    CURLcode code = curl_easy_perform(c->curl);
    curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, NULL);
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, ret_status);
    return code == CURLE_OK ? 0 : transport_error(c, code, err);
}

int client_ask(struct client *c,
               const char *method,
               const char *path,
               const json_t *body,
               json_t **ret_json,
               struct vr_err *err)
{
    long status = 0;
    _cleanup_(vr_freep) char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    if (body && !text) {
        return vr_fail_nomem(err);
    }
    bool post = strcmp(method, "POST") == 0;
    int r = perform(c, method, path, text ? text : post ? "{}" : NULL, &status, err);
    if (r < 0) {
        return r;
    }
    json_t *json = json_loadb((const char *)c->answer.data, c->answer.len, 0, NULL);
    if (status >= 200 && status < 300 && json_is_object(json)) {
        *ret_json = json;
        return 0;
    }
    r = status >= 200 && status < 300
            ? vr_fail(err, VR_E_PROTOCOL, "%s does not answer like vmreplicad", c->where)
            : client_problem(json, status, err);
    json_decref(json);
    return r;
}

char *client_path(struct client *c, const char *before, const char *name, const char *after)
{
    char *escaped = curl_easy_escape(c->curl, name, 0), *path = NULL;
    if (escaped && asprintf(&path, "%s/%s%s%s", before, escaped, *after ? "/" : "", after) < 0) {
        path = NULL;
    }
    curl_free(escaped);
    return path;
}

char *client_escape(struct client *c, const char *text)
{
    char *escaped = curl_easy_escape(c->curl, text, 0);
    char *copy = escaped ? strdup(escaped) : NULL;
    curl_free(escaped);
    return copy;
}

int client_get(struct client *c,
               const struct cli *cli,
               const char *path,
               json_t **ret_json,
               struct vr_err *err)
{
    json_t *json = NULL;
    int r = client_ask(c, "GET", path, NULL, &json, err);
    if (r < 0) {
        return r;
    }
    if (cli_has(cli, OPT_JSON)) {
        json_decref(json);
        json = NULL;
        fwrite(c->answer.data, 1, c->answer.len, stdout);
    }
    *ret_json = json;
    return 0;
}
