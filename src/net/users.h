/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may manage this host: a file of lines "name:role:hash", role viewer, operator or
 * administrator, hash of yescrypt ("$y$..."). Empty lines and lines beginning with '#' are kept.
 * The file must be readable by its owner alone (DENIED).
 *
 * A loaded set never changes: load again after a change. users_verify may be called by several
 * threads; it takes as long for a name nobody has as for a wrong password. A right password is
 * remembered for a minute, as an HMAC under a key of this process, because the hash is slow on
 * purpose and HTTP clients send the password with every request.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "util/cleanup.h"
#include "util/err.h"

#define USERS_MAX 256
#define USERS_NAME_MAX 64
#define USERS_PASSWORD_MAX 256
#define USERS_FILE_MAX (128u << 10)
#define USERS_REMEMBER_MS 60000
#define USERS_RECALL_MS 3600000 /* for users_recall */

/* The numbers of model/states.h, which this folder may not include. */
enum users_role {
    USERS_VIEWER = 1,
    USERS_OPERATOR = 2,
    USERS_ADMINISTRATOR = 3
};

struct users;
/* INVALID: a bad line, as file:line. */
VR_MUST_CHECK int users_load(const char *path, struct users **ret, struct vr_err *err);
void users_free(struct users *u);
DEFINE_CLEANUP(struct users *, users_free)

/* AUTH: no such user or wrong password, not told apart. */
VR_MUST_CHECK int users_verify(
    struct users *u, const char *name, const char *password, int *ret_role, struct vr_err *err);
/* As users_verify, at a given vr_mono_ms(). */
VR_MUST_CHECK int users_verify_at(struct users *u,
                                  const char *name,
                                  const char *password,
                                  uint64_t now_ms,
                                  int *ret_role,
                                  struct vr_err *err);
/* As users_verify_at, but only from memory, which here goes back an hour; nothing is hashed. */
VR_MUST_CHECK int users_recall(struct users *u,
                               const char *name,
                               const char *password,
                               uint64_t now_ms,
                               int *ret_role,
                               struct vr_err *err);
/* How many passwords were hashed so far, and how many were known without. */
void users_counters(struct users *u, uint64_t *ret_hashed, uint64_t *ret_remembered);

/* In the order of the file. The name is borrowed; NULL: no such index. */
size_t users_count(const struct users *u);
const char *users_list(const struct users *u, size_t index, int *ret_role);

/* Adds a user, or replaces the role and password of one; makes the file when it is not there. */
VR_MUST_CHECK int
users_add(const char *path, const char *name, int role, const char *password, struct vr_err *err);
/* NOT_FOUND: no such user. */
VR_MUST_CHECK int users_remove(const char *path, const char *name, struct vr_err *err);
