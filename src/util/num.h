/* SPDX-License-Identifier: Apache-2.0 */
/* Checked and rounding arithmetic on ranges (off, len), half-open. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VR_MIN(a, b)                                                                               \
    ({                                                                                             \
        __typeof__(a) a_ = (a);                                                                    \
        __typeof__(b) b_ = (b);                                                                    \
        a_ < b_ ? a_ : b_;                                                                         \
    })
#define VR_MAX(a, b)                                                                               \
    ({                                                                                             \
        __typeof__(a) a_ = (a);                                                                    \
        __typeof__(b) b_ = (b);                                                                    \
        a_ > b_ ? a_ : b_;                                                                         \
    })
#define VR_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define VR_KIB ((uint64_t)1024)
#define VR_MIB (1024 * VR_KIB)
#define VR_GIB (1024 * VR_MIB)

/* unit must be a power of two */
static inline uint64_t vr_round_down(uint64_t x, uint64_t unit)
{
    return x & ~(unit - 1);
}

static inline uint64_t vr_round_up(uint64_t x, uint64_t unit)
{
    return (x + unit - 1) & ~(unit - 1);
}

static inline uint64_t vr_div_up(uint64_t x, uint64_t unit)
{
    return x / unit + (x % unit != 0);
}

/* True when [off, off+len) does not overflow and lies inside [0, size). */
static inline bool vr_range_ok(uint64_t off, uint64_t len, uint64_t size)
{
    return off <= size && len <= size - off;
}

/* Decimal text to a number in [min, max]; the whole text must be digits. False: *ret untouched. */
bool vr_parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret);
/* "512", "64K", "10M", "2G", "1T" (powers of 1024) to bytes. */
bool vr_parse_size(const char *text, uint64_t *ret_bytes);
