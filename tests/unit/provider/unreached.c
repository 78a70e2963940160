/* SPDX-License-Identifier: Apache-2.0 */
/* Verbs of core that the provider links and the tests over a core of their own never reach; those
 * are driven over the real core, in test-methods.c. */
#include "core/change.h"
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
