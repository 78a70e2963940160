/* SPDX-License-Identifier: Apache-2.0 */
/* Who may replicate to this host; administrators only. Otherwise as core.h. */
#pragma once
#include "core/core.h"

enum core_auth_how {
    CORE_AUTH_PUT,   /* whether there is one or not */
    CORE_AUTH_ADD,   /* INVALID when there is one of this host already */
    CORE_AUTH_MODIFY /* INVALID when there is none */
};

/* The entry of exactly this host (or "*.domain"); NULL: none. Borrowed. */
const struct vr_auth_entry *core_auth(struct core *c, const char *host);
void core_auth_put(struct core *c,
                   const struct core_caller *who,
                   enum core_auth_how how,
                   const struct vr_auth_entry *e,
                   core_done done,
                   void *ctx);
/* Ends the replication of every replica that no other entry allows. */
void core_auth_remove(
    struct core *c, const struct core_caller *who, const char *host, core_done done, void *ctx);
/* From now on this entry alone allows the replication of the replica that this host holds of the
 * VM; it must allow the host the replica belongs to. */
void core_auth_bind(struct core *c,
                    const struct core_caller *who,
                    const struct vr_uuid *vm,
                    const char *host,
                    core_done done,
                    void *ctx);
