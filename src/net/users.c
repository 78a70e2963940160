/* SPDX-License-Identifier: Apache-2.0 */
#include "net/users.h"

#include <crypt.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>

#include "util/buf.h"
#include "util/fdio.h"
#include "util/num.h"
#include "util/uuid.h"
#include "util/vtime.h"

#define HASH_PREFIX "$y$"
#define HASH_MAX 128
#define HASH_DIGITS 43
#define HASHES_AT_ONCE 2 /* each takes 16 MiB of memory */
#define REMEMBERED_MAX 64
#define MAC_BYTES 32

struct user {
    char name[USERS_NAME_MAX + 1];
    int role;
    char hash[HASH_MAX];
};

struct remembered {
    uint8_t mac[MAC_BYTES]; /* of name and password */
    uint64_t at_ms;         /* when it was hashed; 0: free */
};

struct users {
    size_t n;
    struct user user[USERS_MAX];
    char nobody[HASH_MAX]; /* what a name that nobody has is checked against */
    uint8_t key[MAC_BYTES];
    sem_t hashing;
    pthread_mutex_t lock; /* of what follows */
    struct remembered remembered[REMEMBERED_MAX];
    uint64_t n_hashed, n_remembered;
};

static const char *const role_names[] = {
    [USERS_VIEWER] = "viewer",
    [USERS_OPERATOR] = "operator",
    [USERS_ADMINISTRATOR] = "administrator",
};

static bool name_ok(const char *name)
{
    size_t n = strlen(name);
    return n >= 1 && n <= USERS_NAME_MAX &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == n;
}

static bool password_ok(const char *password)
{
    size_t n = strnlen(password, USERS_PASSWORD_MAX + 1);
    return n >= 1 && n <= USERS_PASSWORD_MAX && !strpbrk(password, "\r\n");
}

static int role_of(const char *text)
{
    for (size_t i = USERS_VIEWER; i < VR_COUNT(role_names); i++) {
        if (strcmp(text, role_names[i]) == 0) {
            return (int)i;
        }
    }
    return 0;
}

/* "$y$parameters$salt$hash", whole: a salt alone would match no password, and nobody would see why.
 * */
static bool hash_ok(const char *hash)
{
    static const char digits[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    if (strncmp(hash, HASH_PREFIX, strlen(HASH_PREFIX)) != 0 || strlen(hash) >= HASH_MAX) {
        return false;
    }
    const char *p = hash + strlen(HASH_PREFIX);
    for (int field = 0; field < 2; field++) {
        size_t n = strspn(p, digits);
        if (n == 0 || p[n] != '$') {
            return false;
        }
        p += n + 1;
    }
    return strspn(p, digits) == HASH_DIGITS && p[HASH_DIGITS] == '\0' &&
           crypt_checksalt(hash) == CRYPT_SALT_OK;
}

/* Hashes password as `setting` says (a salt or a whole hash). */
static int hash_password(const char *password, const char *setting, char *ret, struct vr_err *err)
{
    struct crypt_data *data = calloc(1, sizeof *data);
    if (!data) {
        return vr_fail_nomem(err);
    }
    const char *hash = crypt_r(password, setting, data);
    int r = 0;
    if (!hash || hash[0] == '*' || strlen(hash) >= HASH_MAX) {
        r = vr_fail(err, VR_E_INTERNAL, "cannot hash a password");
    } else {
        memcpy(ret, hash, strlen(hash) + 1);
    }
    gnutls_memset(data, 0, sizeof *data);
    free(data);
    return r;
}

static int hash_new(const char *password, char *ret, struct vr_err *err)
{
    _cleanup_(vr_freep) char *salt = crypt_gensalt_ra(HASH_PREFIX, 0, NULL, 0);
    if (!salt) {
        return vr_fail_errno(err, VR_E_INTERNAL, "cannot make a salt");
    }
    return hash_password(password, salt, ret, err);
}

/* One line, without its newline, into *ret. False with *ret_why what is wrong. */
static bool parse_line(char *line, struct user *ret, const char **ret_why)
{
    char *role = strchr(line, ':');
    char *hash = role ? strchr(role + 1, ':') : NULL;
    if (!hash) {
        *ret_why = "must be name:role:hash";
        return false;
    }
    *role++ = '\0';
    *hash++ = '\0';
    if (!name_ok(line)) {
        *ret_why = "a name is 1 to 64 letters, digits, '.', '_' and '-'";
        return false;
    }
    ret->role = role_of(role);
    if (!ret->role) {
        *ret_why = "the role is viewer, operator or administrator";
        return false;
    }
    if (!hash_ok(hash)) {
        *ret_why = "the hash is not one of yescrypt ($y$...)";
        return false;
    }
    memcpy(ret->name, line, strlen(line) + 1);
    memcpy(ret->hash, hash, strlen(hash) + 1);
    return true;
}

static const struct user *find(const struct users *u, const char *name)
{
    for (size_t i = 0; i < u->n; i++) {
        if (strcmp(u->user[i].name, name) == 0) {
            return &u->user[i];
        }
    }
    return NULL;
}

static bool is_user_line(const char *line)
{
    return line[0] && line[0] != '#';
}

/* Adds every user of text, which is cut into lines by this. */
static int parse_text(struct users *u, const char *path, char *text, struct vr_err *err)
{
    unsigned number = 0;
    for (char *line = text, *next; line; line = next) {
        next = strchr(line, '\n');
        if (next) {
            *next++ = '\0';
        }
        number++;
        if (!is_user_line(line)) {
            continue;
        }
        if (u->n == USERS_MAX) {
            return vr_fail(err, VR_E_LIMIT, "%s:%u: more than %d users", path, number, USERS_MAX);
        }
        struct user *user = &u->user[u->n];
        const char *why = NULL;
        if (!parse_line(line, user, &why)) {
            return vr_fail(err, VR_E_INVALID, "%s:%u: %s", path, number, why);
        }
        if (find(u, user->name)) {
            return vr_fail(err, VR_E_INVALID, "%s:%u: there is a user '%s' above already", path,
                           number, user->name);
        }
        u->n++;
    }
    return 0;
}

static int users_new(struct users **ret, struct vr_err *err)
{
    struct users *u = calloc(1, sizeof *u);
    if (!u) {
        return vr_fail_nomem(err);
    }
    vr_random(u->key, sizeof u->key);
    sem_init(&u->hashing, 0, HASHES_AT_ONCE);
    pthread_mutex_init(&u->lock, NULL);
    *ret = u;
    return 0;
}

int users_load(const char *path, struct users **ret, struct vr_err *err)
{
    _cleanup_(vr_freep) char *text = NULL;
    _cleanup_(users_freep) struct users *u = NULL;
    size_t len;
    int r = vr_read_secret_file(path, USERS_FILE_MAX, &text, &len, err);
    if (r < 0) {
        return vr_wrap(err, r, "users");
    }
    if (memchr(text, 0, len)) {
        return vr_fail(err, VR_E_INVALID, "%s:1: not a text file", path);
    }
    r = users_new(&u, err);
    r = r < 0 ? r : parse_text(u, path, text, err);
    r = r < 0 ? r : hash_new("nobody's password", u->nobody, err);
    if (r < 0) {
        return r;
    }
    *ret = TAKE_PTR(u);
    return 0;
}

void users_free(struct users *u)
{
    if (!u) {
        return;
    }
    sem_destroy(&u->hashing);
    pthread_mutex_destroy(&u->lock);
    gnutls_memset(u, 0, sizeof *u);
    free(u);
}

/* A name has no NUL inside: name, NUL, password is one-to-one. */
static int mac_of(
    const struct users *u, const char *name, const char *password, uint8_t *ret, struct vr_err *err)
{
    char text[USERS_NAME_MAX + 1 + USERS_PASSWORD_MAX];
    size_t n = strlen(name) + 1, m = strlen(password);
    vr_assert(n + m <= sizeof text);
    memcpy(text, name, n);
    memcpy(text + n, password, m);
    int r = gnutls_hmac_fast(GNUTLS_MAC_SHA256, u->key, sizeof u->key, text, n + m, ret);
    gnutls_memset(text, 0, sizeof text);
    return r < 0 ? vr_fail(err, VR_E_INTERNAL, "HMAC: %s", gnutls_strerror(r)) : 0;
}

/* For `ms` after the hash. */
static bool is_remembered(struct users *u, const uint8_t *mac, uint64_t ms, uint64_t now_ms)
{
    bool found = false;
    pthread_mutex_lock(&u->lock);
    for (size_t i = 0; i < REMEMBERED_MAX; i++) {
        const struct remembered *m = &u->remembered[i];
        if (m->at_ms && m->at_ms + ms > now_ms && gnutls_memcmp(m->mac, mac, MAC_BYTES) == 0) {
            found = true;
        }
    }
    u->n_remembered += found;
    pthread_mutex_unlock(&u->lock);
    return found;
}

/* In its own place, or that of the oldest. */
static void remember(struct users *u, const uint8_t *mac, uint64_t now_ms)
{
    pthread_mutex_lock(&u->lock);
    struct remembered *oldest = &u->remembered[0];
    for (size_t i = 0; i < REMEMBERED_MAX; i++) {
        struct remembered *m = &u->remembered[i];
        if (m->at_ms && gnutls_memcmp(m->mac, mac, MAC_BYTES) == 0) {
            oldest = m;
            break;
        }
        oldest = m->at_ms < oldest->at_ms ? m : oldest;
    }
    memcpy(oldest->mac, mac, MAC_BYTES);
    oldest->at_ms = VR_MAX(now_ms, 1u);
    pthread_mutex_unlock(&u->lock);
}

static int
hash_matches(struct users *u, const char *password, const char *hash, bool *ret, struct vr_err *err)
{
    char got[HASH_MAX];
    while (sem_wait(&u->hashing) < 0 && errno == EINTR) {
    }
    int r = hash_password(password, hash, got, err);
    sem_post(&u->hashing);
    pthread_mutex_lock(&u->lock);
    u->n_hashed++;
    pthread_mutex_unlock(&u->lock);
    if (r < 0) {
        return r;
    }
    size_t n = strlen(hash);
    *ret = strlen(got) == n && gnutls_memcmp(got, hash, n) == 0;
    return 0;
}

int users_verify_at(struct users *u,
                    const char *name,
                    const char *password,
                    uint64_t now_ms,
                    int *ret_role,
                    struct vr_err *err)
{
    uint8_t mac[MAC_BYTES];
    const struct user *user = name_ok(name) ? find(u, name) : NULL;
    if (!password_ok(password)) {
        user = NULL;
        password = "x";
    }
    if (user) {
        int r = mac_of(u, name, password, mac, err);
        if (r < 0) {
            return r;
        }
        if (is_remembered(u, mac, USERS_REMEMBER_MS, now_ms)) {
            *ret_role = user->role;
            return 0;
        }
    }
    bool matches = false;
    int r = hash_matches(u, password, user ? user->hash : u->nobody, &matches, err);
    if (r < 0) {
        return r;
    }
    if (!user || !matches) {
        return vr_fail(err, VR_E_AUTH, "no such user or wrong password");
    }
    remember(u, mac, now_ms);
    *ret_role = user->role;
    return 0;
}

int users_recall(struct users *u,
                 const char *name,
                 const char *password,
                 uint64_t now_ms,
                 int *ret_role,
                 struct vr_err *err)
{
    uint8_t mac[MAC_BYTES];
    const struct user *user = name_ok(name) && password_ok(password) ? find(u, name) : NULL;
    int r = user ? mac_of(u, name, password, mac, err) : 0;
    if (r < 0) {
        return r;
    }
    if (!user || !is_remembered(u, mac, USERS_RECALL_MS, now_ms)) {
        return vr_fail(err, VR_E_AUTH, "no password that was right lately");
    }
    *ret_role = user->role;
    return 0;
}

int users_verify(
    struct users *u, const char *name, const char *password, int *ret_role, struct vr_err *err)
{
    return users_verify_at(u, name, password, vr_mono_ms(), ret_role, err);
}

void users_counters(struct users *u, uint64_t *ret_hashed, uint64_t *ret_remembered)
{
    pthread_mutex_lock(&u->lock);
    *ret_hashed = u->n_hashed;
    *ret_remembered = u->n_remembered;
    pthread_mutex_unlock(&u->lock);
}

size_t users_count(const struct users *u)
{
    return u->n;
}

const char *users_list(const struct users *u, size_t index, int *ret_role)
{
    if (index >= u->n) {
        return NULL;
    }
    *ret_role = u->user[index].role;
    return u->user[index].name;
}

/* Copies text to b without the line of `name`. Returns whether there was one. */
static bool copy_without(struct vr_buf *b, const char *text, const char *name)
{
    bool found = false;
    size_t n = strlen(name);
    while (*text) {
        size_t len = strcspn(text, "\n");
        if (strncmp(text, name, n) == 0 && text[n] == ':') {
            found = true;
        } else {
            vr_buf_bytes(b, text, len);
            vr_buf_u8(b, '\n');
        }
        text += len + (text[len] == '\n');
    }
    return found;
}

/* The file's text when every line of it is right: a broken file is not written anew. *ret_n: users
 * in it. */
static int read_checked(const char *path, char **ret_text, size_t *ret_n, struct vr_err *err)
{
    _cleanup_(users_freep) struct users *u = NULL;
    int r = users_load(path, &u, err);
    if (r < 0) {
        return r;
    }
    *ret_n = u->n;
    return vr_read_secret_file(path, USERS_FILE_MAX, ret_text, NULL, err);
}

static int write_back(const char *path, const struct vr_buf *b, struct vr_err *err)
{
    int r = vr_buf_check(b, err);
    return r < 0 ? vr_wrap(err, r, "'%s'", path)
                 : vr_write_file_durable(path, b->data, b->len, 0600, err);
}

int users_add(
    const char *path, const char *name, int role, const char *password, struct vr_err *err)
{
    _cleanup_(vr_freep) char *text = NULL;
    char hash[HASH_MAX];
    struct vr_buf b;
    size_t n = 0;
    if (!name_ok(name)) {
        return vr_fail(err, VR_E_INVALID,
                       "a user's name is 1 to %d letters, digits, '.', '_' and '-'",
                       USERS_NAME_MAX);
    }
    if (role < USERS_VIEWER || role > USERS_ADMINISTRATOR) {
        return vr_fail(err, VR_E_INVALID, "no role has the number %d", role);
    }
    if (!password_ok(password)) {
        return vr_fail(err, VR_E_INVALID, "a password is 1 to %d bytes on one line",
                       USERS_PASSWORD_MAX);
    }
    int r = read_checked(path, &text, &n, err);
    if (r < 0 && r != -VR_E_NOT_FOUND) {
        return r;
    }
    r = hash_new(password, hash, err);
    if (r < 0) {
        return r;
    }
    vr_buf_init(&b, USERS_FILE_MAX);
    if (!copy_without(&b, text ? text : "", name) && n == USERS_MAX) {
        r = vr_fail(err, VR_E_LIMIT, "'%s' has %d users: no more fit", path, USERS_MAX);
    }
    vr_buf_printf(&b, "%s:%s:%s\n", name, role_names[role], hash);
    r = r < 0 ? r : write_back(path, &b, err);
    vr_buf_deinit(&b);
    return r;
}

int users_remove(const char *path, const char *name, struct vr_err *err)
{
    _cleanup_(vr_freep) char *text = NULL;
    struct vr_buf b;
    size_t n;
    int r = read_checked(path, &text, &n, err);
    if (r < 0) {
        return r;
    }
    vr_buf_init(&b, USERS_FILE_MAX + 1);
    if (!name_ok(name) || !copy_without(&b, text, name)) {
        r = vr_fail(err, VR_E_NOT_FOUND, "there is no user '%.64s' in '%s'", name, path);
    }
    r = r < 0 ? r : write_back(path, &b, err);
    vr_buf_deinit(&b);
    return r;
}
