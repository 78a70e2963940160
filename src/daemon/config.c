/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config.h"

#include <arpa/inet.h>
#include <ctype.h>

#include "inventory/inifile.h"
#include "util/num.h"

enum key_type {
    KEY_PATH,
    KEY_NAME,
    KEY_ADDRESS,
    KEY_U32,
    KEY_SIZE,
    KEY_BOOL,
    KEY_URI,
    KEY_PATHS,
    KEY_WORD,
    KEY_WINDOW /* may be there many times */
};

struct key {
    const char *section, *name;
    enum key_type type;
    size_t off, cap;
    uint64_t min, max; /* numbers; of KEY_WORD, max is the list of words */
    const char *fallback;
};

struct word {
    const char *name;
    uint32_t value;
};
static const struct word levels[] = {{"error", VR_LOG_ERROR},   {"warning", VR_LOG_WARNING},
                                     {"notice", VR_LOG_NOTICE}, {"info", VR_LOG_INFO},
                                     {"debug", VR_LOG_DEBUG},   {NULL, 0}};
static const struct word drivers[] = {
    {"static", CONFIG_STATIC}, {"libvirt", CONFIG_LIBVIRT}, {"both", CONFIG_BOTH}, {NULL, 0}};
static const struct word formats[] = {
    {"primary", CONFIG_AS_PRIMARY}, {"raw", CONFIG_RAW}, {"qcow2", CONFIG_QCOW2}, {NULL, 0}};
enum {
    WORDS_LEVEL,
    WORDS_FORMAT,
    WORDS_DRIVER
};
static const struct word *const words_of[] = {
    [WORDS_LEVEL] = levels, [WORDS_DRIVER] = drivers, [WORDS_FORMAT] = formats};

/* Whoever waits for that much cannot be stopped, and a disk is read by pieces of up to 1 MiB. */
#define READ_RATE_MIN (1u << 20)

#define K(section, name, type, member, min, max, fallback)                                         \
    {                                                                                              \
        section, name, type, offsetof(struct daemon_config, member),                               \
            sizeof(((struct daemon_config *)0)->member), min, max, fallback                        \
    }
/* fallback NULL: empty or zero unless check_whole() says otherwise. */
static const struct key keys[] = {
    K("daemon", "state_dir", KEY_PATH, state_dir, 0, 0, "/var/lib/vmreplica"),
    K("daemon", "run_dir", KEY_PATH, run_dir, 0, 0, "/run/vmreplica"),
    K("daemon", "inventory", KEY_PATH, inventory, 0, 0, "/etc/vmreplica/inventory.conf"),
    K("daemon", "host_name", KEY_NAME, host_name, 0, 0, NULL),
    K("daemon", "replica_format", KEY_WORD, replica_format, 0, WORDS_FORMAT, "primary"),
    K("daemon", "log_level", KEY_WORD, log_level, 0, WORDS_LEVEL, "info"),
    K("inventory", "driver", KEY_WORD, inventory_driver, 0, WORDS_DRIVER, "static"),
    K("inventory", "uri", KEY_URI, libvirt_uri, 0, 0, "qemu:///system"),
    K("inventory", "definition_dirs", KEY_PATHS, definition_dirs, 0, 0, "/usr/share:/boot"),
    K("inventory", "foreign", KEY_BOOL, foreign, 0, 0, "no"),
    K("inventory", "scratch_dir", KEY_PATH, scratch_dir, 0, 0, "/var/lib/libvirt/qemu/vmreplica"),
    K("inventory", "scratch_reserve", KEY_SIZE, scratch_reserve_bytes, 0, 1ull << 50, "1G"),
    K("inventory", "qemu_user", KEY_NAME, qemu_user, 0, 0, NULL),
    K("inventory", "freeze", KEY_BOOL, freeze, 0, 0, "no"),
    K("inventory", "freeze_s", KEY_U32, freeze_s, 1, 60, "10"),
    K("peer", "listen", KEY_ADDRESS, peer_listen, 0, 0, "0.0.0.0"),
    K("peer", "port", KEY_U32, peer_port, 0, 65535, "8650"),
    K("peer", "cert", KEY_PATH, peer_cert, 0, 0, "/etc/vmreplica/cert.pem"),
    K("peer", "key", KEY_PATH, peer_key, 0, 0, "/etc/vmreplica/key.pem"),
    K("peer", "ca", KEY_PATH, peer_ca, 0, 0, "/etc/vmreplica/ca.pem"),
    K("http", "listen", KEY_ADDRESS, http_listen, 0, 0, "127.0.0.1"),
    K("http", "port", KEY_U32, http_port, 0, 65535, "0"),
    K("http", "tls_port", KEY_U32, https_port, 0, 65535, "0"),
    K("http", "cert", KEY_PATH, http_cert, 0, 0, NULL),
    K("http", "key", KEY_PATH, http_key, 0, 0, NULL),
    K("http", "users", KEY_PATH, http_users, 0, 0, NULL),
    K("http", "client_ca", KEY_PATH, http_client_ca, 0, 0, NULL),
    K("http", "keytab", KEY_PATH, http_keytab, 0, 0, NULL),
    K("http", "allow_plain_remote", KEY_BOOL, allow_plain_remote, 0, 0, "no"),
    K("socket", "path", KEY_PATH, socket_path, 0, 0, NULL),
    K("socket", "group", KEY_NAME, socket_group, 0, 0, NULL),
    K("limits", "transfers", KEY_U32, transfers, 1, 64, "2"),
    K("limits", "bandwidth", KEY_SIZE, bandwidth_bytes_s, 0, 1ull << 40, "0"),
    K("limits", "staging_reserve", KEY_SIZE, staging_reserve_bytes, 0, 1ull << 50, "1G"),
    K("limits", "commit_wait_s", KEY_U32, commit_wait_s, 0, 86400, "300"),
    K("limits", "read_rate", KEY_SIZE, read_rate_bytes_s, 0, 1ull << 40, "0"),
    K("limits", "write_latency", KEY_U32, write_latency, 0, 100, "2"),
    K("limits", "sync_wait_s", KEY_U32, sync_wait_s, 0, 25, "0"),
    K("limits", "retry_first_s", KEY_U32, retry_first_s, 0, 3600, "5"),
    K("bandwidth", "window", KEY_WINDOW, windows, 0, 0, NULL),
};
#define NKEYS (sizeof keys / sizeof *keys)

struct reading {
    struct daemon_config *c;
    unsigned line[NKEYS]; /* where the key was set, 0: not */
};

static int set_u64(uint64_t v, const struct key *k, void *p, const char *value, struct vr_err *err)
{
    if (v < k->min || v > k->max) {
        return vr_fail(err, VR_E_INVALID, "%s = %s is not between %llu and %llu", k->name, value,
                       (unsigned long long)k->min, (unsigned long long)k->max);
    }
    if (k->cap == sizeof(uint32_t)) {
        *(uint32_t *)p = (uint32_t)v;
    } else {
        *(uint64_t *)p = v;
    }
    return 0;
}

static int set_number(const struct key *k, void *p, const char *value, struct vr_err *err)
{
    uint64_t v;
    bool ok =
        k->type == KEY_SIZE ? vr_parse_size(value, &v) : vr_parse_u64(value, 0, UINT64_MAX, &v);
    if (!ok) {
        return vr_fail(err, VR_E_INVALID, "%s = %s is not a %s", k->name, value,
                       k->type == KEY_SIZE ? "size such as 512M or 2G" : "number");
    }
    return set_u64(v, k, p, value, err);
}

static int set_name(const struct key *k, char *p, const char *value, struct vr_err *err)
{
    size_t n = strlen(value);
    bool ok = n > 0 && n < k->cap;
    for (size_t i = 0; ok && i < n; i++) {
        ok = isalnum((unsigned char)value[i]) || strchr("._-", value[i]);
    }
    if (!ok) {
        return vr_fail(err, VR_E_INVALID, "%s = '%s' is not a name (A-Z a-z 0-9 . _ -)", k->name,
                       value);
    }
    memcpy(p, value, n + 1);
    return 0;
}

static int set_address(const struct key *k, char *p, const char *value, struct vr_err *err)
{
    uint8_t bin[16];
    if (strlen(value) >= k->cap ||
        (inet_pton(AF_INET, value, bin) != 1 && inet_pton(AF_INET6, value, bin) != 1)) {
        return vr_fail(
            err, VR_E_INVALID,
            "%s = '%s' is not a numeric address such as 127.0.0.1, 0.0.0.0 or ::", k->name, value);
    }
    memcpy(p, value, strlen(value) + 1);
    return 0;
}

static int set_word(const struct key *k, uint32_t *p, const char *value, struct vr_err *err)
{
    char known[80] = "";
    for (const struct word *w = words_of[k->max]; w->name; w++) {
        size_t n = strlen(known);
        if (strcmp(w->name, value) == 0) {
            *p = w->value;
            return 0;
        }
        snprintf(known + n, sizeof known - n, "%s%s", n ? ", " : "", w->name);
    }
    return vr_fail(err, VR_E_INVALID, "%s = '%s' is none of %s", k->name, value, known);
}

/* "driver:///path?parameters", as libvirt takes it; a remote host's disks cannot be read here. */
static int set_uri(const struct key *k, char *p, const char *value, struct vr_err *err)
{
    const char *path = strstr(value, ":///");
    bool ok = path && path != value && strlen(value) < k->cap;
    for (const char *c = value; ok && *c; c++) {
        ok = c < path ? isalpha((unsigned char)*c) : isgraph((unsigned char)*c);
    }
    if (!ok) {
        return vr_fail(err, VR_E_INVALID,
                       "%s = '%s' is no URI of this host's libvirt such as "
                       "qemu:///system",
                       k->name, value);
    }
    memcpy(p, value, strlen(value) + 1);
    return 0;
}

/* Directories with colons between them. */
static int set_paths(const struct key *k, char *p, const char *value, struct vr_err *err)
{
    bool ok = strlen(value) < k->cap;
    for (const char *c = value; ok && c; c = strchr(c, ':')) {
        c += c != value;
        ok = c[0] == '/' && c[1] != ':' && c[1] != '\0';
    }
    if (!ok) {
        return vr_fail(err, VR_E_INVALID,
                       "%s = '%.100s' is not one or more absolute directories with colons between "
                       "them",
                       k->name, value);
    }
    memcpy(p, value, strlen(value) + 1);
    return 0;
}

static int
set_key(struct daemon_config *c, const struct key *k, const char *value, struct vr_err *err)
{
    void *p = (char *)c + k->off;
    switch (k->type) {
    case KEY_PATH:
        return vr_wrap(err, ini_path(value, p, k->cap, err), "%s", k->name);
    case KEY_NAME:
        return set_name(k, p, value, err);
    case KEY_ADDRESS:
        return set_address(k, p, value, err);
    case KEY_U32:
    case KEY_SIZE:
        return set_number(k, p, value, err);
    case KEY_BOOL:
        return vr_wrap(err, ini_bool(value, p, err), "%s", k->name);
    case KEY_PATHS:
        return set_paths(k, p, value, err);
    case KEY_URI:
        return set_uri(k, p, value, err);
    case KEY_WORD:
        return set_word(k, p, value, err);
    case KEY_WINDOW:
        return vr_wrap(err, vr_bandwidth_add(p, value, err), "%s", k->name);
    }
    return vr_fail(err, VR_E_INTERNAL, "unknown type of key");
}

static bool section_known(const char *section)
{
    for (size_t i = 0; i < NKEYS; i++) {
        if (strcmp(keys[i].section, section) == 0) {
            return true;
        }
    }
    return false;
}

static int on_line(void *ctx,
                   unsigned line,
                   const char *section,
                   const char *key,
                   const char *value,
                   struct vr_err *err)
{
    struct reading *rd = ctx;
    if (!section_known(section)) {
        return vr_fail(err, VR_E_INVALID, "%s '[%s]'",
                       section[0] ? "unknown section" : "key before the first section", section);
    }
    if (!key) {
        return 0;
    }
    for (size_t i = 0; i < NKEYS; i++) {
        if (strcmp(keys[i].section, section) != 0 || strcmp(keys[i].name, key) != 0) {
            continue;
        }
        if (rd->line[i] && keys[i].type != KEY_WINDOW) {
            return vr_fail(err, VR_E_INVALID, "%s is already in line %u", key, rd->line[i]);
        }
        rd->line[i] = line;
        return set_key(rd->c, &keys[i], value, err);
    }
    return vr_fail(err, VR_E_INVALID, "unknown key '%s' in [%s]", key, section);
}

/* The line where a key was set, or 1 when its default is what is wrong. */
static unsigned line_of(const struct reading *rd, const char *section, const char *name)
{
    for (size_t i = 0; i < NKEYS; i++) {
        if (strcmp(keys[i].section, section) == 0 && strcmp(keys[i].name, name) == 0 &&
            rd->line[i]) {
            return rd->line[i];
        }
    }
    return 1;
}

static bool is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

static int check_http(const char *path, const struct reading *rd, struct vr_err *err)
{
    const struct daemon_config *c = rd->c;
    if (c->http_port && !c->allow_plain_remote && !is_loopback(c->http_listen)) {
        return vr_fail(
            err, VR_E_INVALID,
            "%s:%u: [http] port would serve passwords in plain text on %s: use tls_port, "
            "or set allow_plain_remote = yes",
            path, line_of(rd, "http", "port"), c->http_listen);
    }
    if ((c->http_port || c->https_port) && !c->http_users[0]) {
        return vr_fail(err, VR_E_INVALID,
                       "%s:%u: [http] serves a port but names no 'users' file: nobody could log in",
                       path, line_of(rd, "http", c->http_port ? "port" : "tls_port"));
    }
    if (c->http_client_ca[0] && !c->https_port) {
        return vr_fail(err, VR_E_INVALID,
                       "%s:%u: [http] client_ca without tls_port: only HTTPS knows certificates",
                       path, line_of(rd, "http", "client_ca"));
    }
    if (c->http_port && c->http_port == c->https_port) {
        return vr_fail(err, VR_E_INVALID, "%s:%u: [http] port and tls_port are the same", path,
                       line_of(rd, "http", "tls_port"));
    }
    if (!c->http_cert[0] != !c->http_key[0]) {
        return vr_fail(err, VR_E_INVALID, "%s:%u: [http] cert and key are given together or not",
                       path, line_of(rd, "http", c->http_cert[0] ? "cert" : "key"));
    }
    return 0;
}

/* What concerns several keys, and the defaults that follow from others. */
static int check_whole(const char *path, const struct reading *rd, struct vr_err *err)
{
    struct daemon_config *c = rd->c;
    int r = check_http(path, rd, err);
    if (r < 0) {
        return r;
    }
    if (c->read_rate_bytes_s && c->read_rate_bytes_s < READ_RATE_MIN) {
        return vr_fail(err, VR_E_INVALID,
                       "%s:%u: read_rate = %llu is less than 1M bytes a second: 0 is no limit",
                       path, line_of(rd, "limits", "read_rate"),
                       (unsigned long long)c->read_rate_bytes_s);
    }
    if (!c->http_cert[0]) {
        memcpy(c->http_cert, c->peer_cert, sizeof c->http_cert);
        memcpy(c->http_key, c->peer_key, sizeof c->http_key);
    }
    if (c->socket_path[0]) {
        return 0;
    }
    int n = snprintf(c->socket_path, sizeof c->socket_path, "%s/vmreplicad.sock", c->run_dir);
    if (n >= (int)sizeof c->socket_path) {
        return vr_fail(err, VR_E_INVALID, "%s:%u: run_dir is too long", path,
                       line_of(rd, "daemon", "run_dir"));
    }
    return 0;
}

int config_load(const char *path, struct daemon_config *ret, struct vr_err *err)
{
    struct daemon_config c = {0};
    struct reading rd = {.c = &c};
    for (size_t i = 0; i < NKEYS; i++) {
        if (keys[i].fallback) {
            int r = set_key(&c, &keys[i], keys[i].fallback, err);
            vr_assert(r == 0); /* our own text */
        }
    }
    int r = ini_read(path, on_line, &rd, err);
    if (r == 0) {
        r = check_whole(path, &rd, err);
    }
    if (r < 0) {
        return vr_wrap(err, r, "configuration");
    }
    *ret = c;
    return 0;
}
