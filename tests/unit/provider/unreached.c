/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs of core that the provider links and the tests over a core of their own never reach; those
 * are driven over the real core, in test-methods.c. */
#include "core/auth.h"
#include "core/change.h"
#include "core/initial.h"
#include "core/service.h"
#include "tests/lib/check.h"

#define UNREACHED fail_msg("%s was reached", __func__)

void core_enable(struct core *c,
                 const struct core_caller *who,
                 const struct core_enable_args *args,
                 core_done done,
                 void *ctx)
{
    UNREACHED;
}

void core_modify(struct core *c,
                 const struct core_caller *who,
                 const struct core_modify_args *args,
                 core_done done,
                 void *ctx)
{
    UNREACHED;
}

void core_remove(struct core *c,
                 const struct core_caller *who,
                 const struct vr_uuid *vm,
                 uint8_t number,
                 core_done done,
                 void *ctx)
{
    UNREACHED;
}

void core_service_set(struct core *c,
                      const struct core_caller *who,
                      const struct vr_service_change *change,
                      core_done done,
                      void *ctx)
{
    UNREACHED;
}

const struct vr_auth_entry *core_auth(struct core *c, const char *host)
{
    UNREACHED;
    return NULL;
}

void core_auth_put(struct core *c,
                   const struct core_caller *who,
                   enum core_auth_how how,
                   const struct vr_auth_entry *e,
                   core_done done,
                   void *ctx)
{
    UNREACHED;
}

void core_auth_remove(
    struct core *c, const struct core_caller *who, const char *host, core_done done, void *ctx)
{
    UNREACHED;
}

void core_auth_bind(struct core *c,
                    const struct core_caller *who,
                    const struct vr_uuid *vm,
                    const char *host,
                    core_done done,
                    void *ctx)
{
    UNREACHED;
}

void core_peer_test(
    struct core *c, const struct core_caller *who, const char *point, core_done done, void *ctx)
{
    UNREACHED;
}

bool core_stats(struct core *c, const struct vr_uuid *vm, uint8_t number, struct core_stats *ret)
{
    UNREACHED;
    return false;
}

void core_stats_reset(struct core *c,
                      const struct core_caller *who,
                      const struct vr_uuid *vm,
                      int rel_number,
                      core_done done,
                      void *ctx)
{
    UNREACHED;
}

void core_start_replication(struct core *c,
                            const struct core_caller *who,
                            const struct core_start_args *args,
                            core_done done,
                            void *ctx)
{
    UNREACHED;
}

void core_import_initial(struct core *c,
                         const struct core_caller *who,
                         const struct core_import_args *args,
                         core_done done,
                         void *ctx)
{
    UNREACHED;
}
