/* SPDX-License-Identifier: Apache-2.0 */
/* What users.c and users_file.c share. Only for src/net. */
#pragma once
#include <pthread.h>
#include <semaphore.h>

#include "net/users.h"

#define USERS_HASH_MAX 128
#define USERS_REMEMBERED_MAX 64
#define USERS_MAC_BYTES 32

struct user {
    char name[USERS_NAME_MAX + 1];
    int role;
    char hash[USERS_HASH_MAX]; /* "-": no password is right */
};

/* What a user is known by, or limited to. */
struct user_attribute {
    size_t user;
    enum users_key key;
    char value[USERS_VALUE_MAX + 1]; /* as it is compared */
};

struct remembered {
    uint8_t mac[USERS_MAC_BYTES]; /* of name and password */
    uint64_t at_ms;               /* when it was hashed; 0: free */
};

struct users {
    size_t n;
    struct user user[USERS_MAX];
    size_t nattributes, cap;
    struct user_attribute *attributes;
    char nobody[USERS_HASH_MAX]; /* what a name that nobody has is checked against */
    uint8_t key[USERS_MAC_BYTES];
    sem_t hashing;
    pthread_mutex_t lock; /* of what follows */
    struct remembered remembered[USERS_REMEMBERED_MAX];
    uint64_t n_hashed, n_remembered;
};

bool users_name_ok(const char *name);
bool users_password_ok(const char *password);
/* Hashes password as `setting` says (a salt or a whole hash); ret of USERS_HASH_MAX. */
VR_MUST_CHECK int
users_hash(const char *password, const char *setting, char *ret, struct vr_err *err);
VR_MUST_CHECK int users_hash_new(const char *password, char *ret, struct vr_err *err);
const struct user *users_find_name(const struct users *u, const char *name);

/* users_attr.c */
void users_who(const struct users *u, size_t index, struct users_who *ret);
/* One word "key=value" of a line, for the user who is added next; or what is wrong
 * with it. NULL: fine. */
const char *users_attribute_add(struct users *u, const char *word);
/* The word as it stands in a file, into ret of USERS_VALUE_MAX + 16; or what is wrong with it. */
const char *users_attribute_text(const char *word, char *ret);
