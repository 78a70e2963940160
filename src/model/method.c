/* SPDX-License-Identifier: Apache-2.0 */
#include "model/method.h"

#include <stddef.h>
#include <strings.h>

#include "util/num.h"

static const struct vr_method_rule methods[] = {
#define X(name, role, which, modes, states, job, why)                                              \
    [VR_METHOD_##                                                                                  \
        name] = {#name, VR_ROLE_##role, VR_WHICH_##which, modes, states, VR_JOBTYPE_##job, why},
    VR_METHODS(X)
#undef X
};

static const struct vr_state_change_rule changes[] = {
#define X(wanted, states, text, why) {VR_REL_##wanted, states, text, why},
    VR_STATE_CHANGES(X)
#undef X
};

const struct vr_method_rule *vr_method_rule(enum vr_method m)
{
    return &methods[m];
}

int vr_method_find(const char *name)
{
    for (size_t i = 0; i < VR_COUNT(methods); i++) {
        if (strcasecmp(methods[i].name, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

bool vr_method_allows(const struct vr_method_rule *rule, enum vr_mode mode, enum vr_rel_state state)
{
    return (rule->modes & 1u << mode) && (rule->states & 1u << state);
}

const struct vr_state_change_rule *vr_state_change_at(unsigned i)
{
    return i < VR_COUNT(changes) ? &changes[i] : NULL;
}

const struct vr_state_change_rule *vr_state_change_rule(unsigned wanted)
{
    for (size_t i = 0; i < VR_COUNT(changes); i++) {
        if ((unsigned)changes[i].wanted == wanted) {
            return &changes[i];
        }
    }
    return NULL;
}
