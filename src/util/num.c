/* SPDX-License-Identifier: Apache-2.0 */
#include "util/num.h"

#include <ctype.h>
#include <string.h>

static bool parse_digits(const char **p, uint64_t *ret)
{
    uint64_t v = 0;
    const char *s = *p;
    if (!isdigit((unsigned char)*s)) {
        return false;
    }
    for (; isdigit((unsigned char)*s); s++) {
        if (__builtin_mul_overflow(v, (uint64_t)10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v)) {
            return false;
        }
    }
    *p = s;
    *ret = v;
    return true;
}

bool vr_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
    uint64_t v;
    if (!text || !parse_digits(&text, &v) || *text || v < min || v > max) {
        return false;
    }
    *ret = v;
    return true;
}

bool vr_parse_size(const char *text, uint64_t *ret_bytes)
{
    static const char units[] = "KMGT";
    uint64_t v;
    if (!text || !parse_digits(&text, &v)) {
        return false;
    }
    if (*text) {
        const char *u = strchr(units, toupper((unsigned char)*text));
        if (!u || text[1]) {
            return false;
        }
        unsigned shift = 10 * (unsigned)(u - units + 1);
        if (v > UINT64_MAX >> shift) {
            return false;
        }
        v <<= shift;
    }
    *ret_bytes = v;
    return true;
}
