/* SPDX-License-Identifier: Apache-2.0 */
#include "net/users.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

#include "net/users_int.h"
#include "util/num.h"
#include "util/vtime.h"

void users_free(struct users *u)
{
    if (!u) {
        return;
    }
    sem_destroy(&u->hashing);
    pthread_mutex_destroy(&u->lock);
    free(u->attributes);
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
    for (size_t i = 0; i < USERS_REMEMBERED_MAX; i++) {
        const struct remembered *m = &u->remembered[i];
        if (m->at_ms && m->at_ms + ms > now_ms &&
            gnutls_memcmp(m->mac, mac, USERS_MAC_BYTES) == 0) {
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
    for (size_t i = 0; i < USERS_REMEMBERED_MAX; i++) {
        struct remembered *m = &u->remembered[i];
        if (m->at_ms && gnutls_memcmp(m->mac, mac, USERS_MAC_BYTES) == 0) {
            oldest = m;
            break;
        }
        oldest = m->at_ms < oldest->at_ms ? m : oldest;
    }
    memcpy(oldest->mac, mac, USERS_MAC_BYTES);
    oldest->at_ms = VR_MAX(now_ms, 1u);
    pthread_mutex_unlock(&u->lock);
}

static int
hash_matches(struct users *u, const char *password, const char *hash, bool *ret, struct vr_err *err)
{
    char got[USERS_HASH_MAX];
    while (sem_wait(&u->hashing) < 0 && errno == EINTR) {
    }
    int r = users_hash(password, hash, got, err);
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

static bool has_password(const struct user *user)
{
    return user->hash[0] == '$';
}

int users_verify_at(struct users *u,
                    const char *name,
                    const char *password,
                    uint64_t now_ms,
                    struct users_who *ret,
                    struct vr_err *err)
{
    uint8_t mac[USERS_MAC_BYTES];
    const struct user *user = users_name_ok(name) ? users_find_name(u, name) : NULL;
    if (!users_password_ok(password) || (user && !has_password(user))) {
        user = NULL;
        password = "x";
    }
    if (user) {
        int r = mac_of(u, name, password, mac, err);
        if (r < 0) {
            return r;
        }
        if (is_remembered(u, mac, USERS_REMEMBER_MS, now_ms)) {
            users_who(u, (size_t)(user - u->user), ret);
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
    users_who(u, (size_t)(user - u->user), ret);
    return 0;
}

int users_recall(struct users *u,
                 const char *name,
                 const char *password,
                 uint64_t now_ms,
                 struct users_who *ret,
                 struct vr_err *err)
{
    uint8_t mac[USERS_MAC_BYTES];
    const struct user *user =
        users_name_ok(name) && users_password_ok(password) ? users_find_name(u, name) : NULL;
    int r = user ? mac_of(u, name, password, mac, err) : 0;
    if (r < 0) {
        return r;
    }
    if (!user || !is_remembered(u, mac, USERS_RECALL_MS, now_ms)) {
        return vr_fail(err, VR_E_AUTH, "no password that was right lately");
    }
    users_who(u, (size_t)(user - u->user), ret);
    return 0;
}

int users_verify(struct users *u,
                 const char *name,
                 const char *password,
                 struct users_who *ret,
                 struct vr_err *err)
{
    return users_verify_at(u, name, password, vr_mono_ms(), ret, err);
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
