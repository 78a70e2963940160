/* SPDX-License-Identifier: Apache-2.0 */
/* Which virtual machines somebody may see, by their ids. */
#pragma once
#include "util/uuid.h"

#define VR_SCOPE_MAX 64

struct vr_scope {
    bool limited; /* false: all there are */
    uint32_t n;
    struct vr_uuid vm[VR_SCOPE_MAX];
};

/* NULL is not limited. */
static inline bool vr_scope_has(const struct vr_scope *s, const struct vr_uuid *vm)
{
    uint32_t i = 0;
    if (!s || !s->limited) {
        return true;
    }
    while (i < s->n && !vr_uuid_eq(&s->vm[i], vm)) {
        i++;
    }
    return i < s->n;
}
