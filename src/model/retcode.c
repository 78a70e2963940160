/* SPDX-License-Identifier: Apache-2.0 */
#include "model/retcode.h"

#include "util/err.h"
#include "util/num.h"

static const struct {
    uint32_t code;
    const char *text;
} codes[] = {
#define X(name, value, text) {value, text},
    VR_RETCODES(X)
#undef X
};

static const struct {
    uint32_t code;
    const char *text;
} conditions[] = {
#define X(name, code, text) [VR_COND_##name] = {VR_RC_##code, text},
    VR_RESYNC_CONDITIONS(X)
#undef X
};

const char *vr_retcode_text(uint32_t code)
{
    for (size_t i = 0; i < VR_COUNT(codes); i++) {
        if (codes[i].code == code) {
            return codes[i].text;
        }
    }
    return "";
}

uint32_t vr_condition_code(enum vr_resync_condition c)
{
    return conditions[c].code;
}

const char *vr_condition_text(enum vr_resync_condition c)
{
    return conditions[c].text;
}

uint32_t vr_retcode_of_error(int r)
{
    switch (r < 0 ? -r : r) {
    case VR_E_NONE:
        return VR_RC_COMPLETED;
    case VR_E_INVALID:
        return VR_RC_INVALID_PARAMETER;
    case VR_E_NOT_FOUND:
        return VR_RC_FILE_NOT_FOUND;
    case VR_E_BUSY:
        return VR_RC_IN_USE;
    case VR_E_DENIED:
    case VR_E_AUTH:
        return VR_RC_ACCESS_DENIED;
    case VR_E_TIMEOUT:
        return VR_RC_TIMEOUT;
    case VR_E_PEER:
        return VR_RC_NOT_AVAILABLE;
    case VR_E_NOMEM:
    case VR_E_NOSPACE:
        return VR_RC_OUT_OF_MEMORY;
    case VR_E_UNSUPPORTED:
        return VR_RC_NOT_SUPPORTED;
    case VR_E_STATE:
        return VR_RC_INVALID_STATE;
    case VR_E_LINEAGE:
        return VR_RC_STATUS_UNKNOWN;
    default:
        return VR_RC_FAILED;
    }
}

int vr_kind_of_retcode(uint32_t code)
{
    int found = VR_E_NONE;
    for (int k = VR_E_INVALID; k <= VR_E_AUTH; k++) {
        if (vr_retcode_of_error(k) == code) {
            if (found) {
                return VR_E_NONE;
            }
            found = k;
        }
    }
    return found;
}
