/* SPDX-License-Identifier: Apache-2.0 */
/* The file of users: read, and changed by the command line. */
#include <crypt.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

#include "net/users_int.h"
#include "util/buf.h"
#include "util/fdio.h"
#include "util/num.h"

#define HASH_PREFIX "$y$"
#define HASH_DIGITS 43
#define NO_PASSWORD "-"
#define HASHES_AT_ONCE 2 /* each takes 16 MiB of memory */

static const char *const role_names[] = {
    [USERS_VIEWER] = "viewer",
    [USERS_OPERATOR] = "operator",
    [USERS_ADMINISTRATOR] = "administrator",
};

bool users_name_ok(const char *name)
{
    size_t n = strlen(name);
    return n >= 1 && n <= USERS_NAME_MAX &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == n;
}

bool users_password_ok(const char *password)
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
    if (strncmp(hash, HASH_PREFIX, strlen(HASH_PREFIX)) != 0 || strlen(hash) >= USERS_HASH_MAX) {
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
int users_hash(const char *password, const char *setting, char *ret, struct vr_err *err)
{
    struct crypt_data *data = calloc(1, sizeof *data);
    if (!data) {
        return vr_fail_nomem(err);
    }
    const char *hash = crypt_r(password, setting, data);
    int r = 0;
    if (!hash || hash[0] == '*' || strlen(hash) >= USERS_HASH_MAX) {
        r = vr_fail(err, VR_E_INTERNAL, "cannot hash a password");
    } else {
        memcpy(ret, hash, strlen(hash) + 1);
    }
    gnutls_memset(data, 0, sizeof *data);
    free(data);
    return r;
}

int users_hash_new(const char *password, char *ret, struct vr_err *err)
{
    _cleanup_(vr_freep) char *salt = crypt_gensalt_ra(HASH_PREFIX, 0, NULL, 0);
    if (!salt) {
        return vr_fail_errno(err, VR_E_INTERNAL, "cannot make a salt");
    }
    return users_hash(password, salt, ret, err);
}

/* What stands behind the hash. NULL: fine. */
static const char *parse_attributes(struct users *u, char *text)
{
    const char *why = NULL;
    for (char *word = text, *next; word && !why; word = next) {
        next = strchr(word, ':');
        if (next) {
            *next++ = '\0';
        }
        why = users_attribute_add(u, word);
    }
    return why;
}

/* One line, without its newline, as the next user. NULL: fine; else what is wrong. */
static const char *parse_line(struct users *u, char *line)
{
    struct user *ret = &u->user[u->n];
    char *role = strchr(line, ':');
    char *hash = role ? strchr(role + 1, ':') : NULL;
    char *more = hash ? strchr(hash + 1, ':') : NULL;
    if (!hash) {
        return "must be name:role:hash";
    }
    *role++ = '\0';
    *hash++ = '\0';
    if (more) {
        *more++ = '\0';
    }
    if (!users_name_ok(line)) {
        return "a name is 1 to 64 letters, digits, '.', '_' and '-'";
    }
    ret->role = role_of(role);
    if (!ret->role) {
        return "the role is viewer, operator or administrator";
    }
    if (!hash_ok(hash) && strcmp(hash, NO_PASSWORD) != 0) {
        return "the hash is not one of yescrypt ($y$...), nor '-'";
    }
    memcpy(ret->name, line, strlen(line) + 1);
    memcpy(ret->hash, hash, strlen(hash) + 1);
    return more ? parse_attributes(u, more) : NULL;
}

const struct user *users_find_name(const struct users *u, const char *name)
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
        const struct user *user = &u->user[u->n];
        const char *why = parse_line(u, line);
        if (why) {
            return vr_fail(err, VR_E_INVALID, "%s:%u: %s", path, number, why);
        }
        if (users_find_name(u, user->name)) {
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
    r = r < 0 ? r : users_hash_new("nobody's password", u->nobody, err);
    if (r < 0) {
        return r;
    }
    *ret = TAKE_PTR(u);
    return 0;
}

/* What stands behind the hash in a line, with its colon; "" when nothing does. */
static size_t attributes_of(const char *line, size_t len, const char **ret)
{
    *ret = line;
    for (int colons = 0; colons < 3; colons++) {
        *ret = memchr(*ret, ':', (size_t)(line + len - *ret));
        if (!*ret) {
            return 0;
        }
        *ret += colons < 2;
    }
    return (size_t)(line + len - *ret);
}

/* Copies text to b without the line of `name`, and what stood behind its hash to `attributes`
 * (NULL: nowhere). Returns whether there was one. */
static bool
copy_without(struct vr_buf *b, const char *text, const char *name, struct vr_buf *attributes)
{
    bool found = false;
    size_t n = strlen(name);
    while (*text) {
        size_t len = strcspn(text, "\n");
        if (strncmp(text, name, n) == 0 && text[n] == ':') {
            const char *more;
            size_t n_more = attributes_of(text, len, &more);
            found = true;
            if (attributes && n_more) {
                vr_buf_bytes(attributes, more, n_more);
            }
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

static int check_new(const char *name, int role, const char *password, struct vr_err *err)
{
    if (!users_name_ok(name)) {
        return vr_fail(err, VR_E_INVALID,
                       "a user's name is 1 to %d letters, digits, '.', '_' and '-'",
                       USERS_NAME_MAX);
    }
    if (role < USERS_VIEWER || role > USERS_ADMINISTRATOR) {
        return vr_fail(err, VR_E_INVALID, "no role has the number %d", role);
    }
    if (password && !users_password_ok(password)) {
        return vr_fail(err, VR_E_INVALID, "a password is 1 to %d bytes on one line",
                       USERS_PASSWORD_MAX);
    }
    return 0;
}

static int
write_attributes(struct vr_buf *b, const struct users_attributes *attributes, struct vr_err *err)
{
    char text[USERS_VALUE_MAX + 16];
    for (size_t i = 0; i < attributes->n; i++) {
        const char *why = users_attribute_text(attributes->word[i], text);
        if (why) {
            return vr_fail(err, VR_E_INVALID, "'%.80s': %s", attributes->word[i], why);
        }
        vr_buf_printf(b, ":%s", text);
    }
    return 0;
}

/* As the file would be read. */
static int check_text(const char *path, const struct vr_buf *b, struct vr_err *err)
{
    _cleanup_(users_freep) struct users *u = NULL;
    int r = vr_buf_check(b, err);
    r = r < 0 ? r : users_new(&u, err);
    _cleanup_(vr_freep) char *text = r < 0 ? NULL : strndup((const char *)b->data, b->len);
    if (r == 0 && !text) {
        r = vr_fail_nomem(err);
    }
    return r < 0 ? r : parse_text(u, path, text, err);
}

int users_add(const char *path,
              const char *name,
              int role,
              const char *password,
              const struct users_attributes *attributes,
              struct vr_err *err)
{
    _cleanup_(vr_freep) char *text = NULL;
    char hash[USERS_HASH_MAX] = NO_PASSWORD;
    struct vr_buf b, kept;
    size_t n = 0;
    int r = check_new(name, role, password, err);
    r = r < 0 ? r : read_checked(path, &text, &n, err);
    if (r < 0 && r != -VR_E_NOT_FOUND) {
        return r;
    }
    r = password ? users_hash_new(password, hash, err) : 0;
    if (r < 0) {
        return r;
    }
    vr_buf_init(&b, USERS_FILE_MAX);
    vr_buf_init(&kept, USERS_FILE_MAX);
    if (!copy_without(&b, text ? text : "", name, attributes ? NULL : &kept) && n == USERS_MAX) {
        r = vr_fail(err, VR_E_LIMIT, "'%s' has %d users: no more fit", path, USERS_MAX);
    }
    vr_buf_printf(&b, "%s:%s:%s", name, role_names[role], hash);
    vr_buf_bytes(&b, kept.data, kept.len);
    if (r == 0 && attributes) {
        r = write_attributes(&b, attributes, err);
    }
    vr_buf_u8(&b, '\n');
    r = r < 0 ? r : check_text(path, &b, err);
    r = r < 0 ? r : write_back(path, &b, err);
    vr_buf_deinit(&kept);
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
    if (!users_name_ok(name) || !copy_without(&b, text, name, NULL)) {
        r = vr_fail(err, VR_E_NOT_FOUND, "there is no user '%.64s' in '%s'", name, path);
    }
    r = r < 0 ? r : write_back(path, &b, err);
    vr_buf_deinit(&b);
    return r;
}
