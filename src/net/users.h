/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may manage this host: a file of lines "name:role:hash[:key=value]...", role viewer, operator
 * or administrator, hash of yescrypt ("$y$...") or "-": no password. Keys, each as often as needed:
 *     vm=UUID            he sees and manages this virtual machine, and those of other vm=
 *     cert=SHA256        he is known by this certificate
 *     email=ADDRESS      and by one of the clients' CA with this address as SAN rfc822Name
 *     principal=NAME     and by a ticket of this Kerberos principal
 * Empty lines and lines beginning with '#' are kept. The file must be readable by its owner alone
 * (DENIED).
 *
 * A loaded set never changes: load again after a change. users_verify may be called by several
 * threads; it takes as long for a name nobody has as for a wrong password. A right password is
 * remembered for a minute, as an HMAC under a key of this process, because the hash is slow on
 * purpose and HTTP clients send the password with every request.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/cleanup.h"
#include "util/err.h"
#include "util/scope.h"

#define USERS_MAX 256
#define USERS_NAME_MAX 64
#define USERS_PASSWORD_MAX 256
#define USERS_FILE_MAX (1u << 20)
#define USERS_VALUE_MAX 254 /* bytes of an attribute */
#define USERS_ATTRIBUTES_MAX 4096
#define USERS_REMEMBER_MS 60000
#define USERS_RECALL_MS 3600000 /* for users_recall */

/* The numbers of model/states.h, which this folder may not include. */
enum users_role {
    USERS_VIEWER = 1,
    USERS_OPERATOR = 2,
    USERS_ADMINISTRATOR = 3
};

enum users_key {
    USERS_VM,
    USERS_CERT,
    USERS_EMAIL,
    USERS_PRINCIPAL
};

struct users_who {
    char name[USERS_NAME_MAX + 1];
    int role;
    struct vr_scope scope;
};

struct users;
/* INVALID: a bad line, as file:line. */
VR_MUST_CHECK int users_load(const char *path, struct users **ret, struct vr_err *err);
void users_free(struct users *u);
DEFINE_CLEANUP(struct users *, users_free)

/* AUTH: no such user or wrong password, not told apart. */
VR_MUST_CHECK int users_verify(struct users *u,
                               const char *name,
                               const char *password,
                               struct users_who *ret,
                               struct vr_err *err);
/* As users_verify, at a given vr_mono_ms(). */
VR_MUST_CHECK int users_verify_at(struct users *u,
                                  const char *name,
                                  const char *password,
                                  uint64_t now_ms,
                                  struct users_who *ret,
                                  struct vr_err *err);
/* As users_verify_at, but only from memory, which here goes back an hour; nothing is hashed. */
VR_MUST_CHECK int users_recall(struct users *u,
                               const char *name,
                               const char *password,
                               uint64_t now_ms,
                               struct users_who *ret,
                               struct vr_err *err);
/* Who has this attribute, other than USERS_VM; cert in capitals, all compared byte by byte. */
bool users_known_by(const struct users *u,
                    enum users_key key,
                    const char *value,
                    struct users_who *ret);
/* How many passwords were hashed so far, and how many were known without. */
void users_counters(struct users *u, uint64_t *ret_hashed, uint64_t *ret_remembered);

/* In the order of the file. The name is borrowed; NULL: no such index. */
size_t users_count(const struct users *u);
const char *users_list(const struct users *u, size_t index, int *ret_role);

/* The i-th attribute of a user and its key's word; NULL: he has no more. Borrowed. */
const char *users_attribute(const struct users *u, size_t index, size_t i, const char **ret_word);

struct users_attributes {
    size_t n;
    const char *const *word; /* "key=value"; in cert= colons may stand between the digits */
};
/* Adds a user, or replaces the role and password of one; makes the file when it is not there.
 * password NULL: none is right. attributes NULL: those he has stay. */
VR_MUST_CHECK int users_add(const char *path,
                            const char *name,
                            int role,
                            const char *password,
                            const struct users_attributes *attributes,
                            struct vr_err *err);
/* NOT_FOUND: no such user. */
VR_MUST_CHECK int users_remove(const char *path, const char *name, struct vr_err *err);
