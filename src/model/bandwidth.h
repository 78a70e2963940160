/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows of the week in which a host's transfers may send only so much, together. Times are those
 * of a clock on the wall: nothing is computed ahead over a change of clocks. An hour that is
 * skipped is in no window, one that comes twice is in it twice. Plain data, no clock.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

#define VR_BANDWIDTH_WINDOWS_MAX 16
#define VR_BANDWIDTH_MIN 8192 /* bytes/s: a limit below would let every session time out */
#define VR_BANDWIDTH_MAX (1ull << 40)
#define VR_BANDWIDTH_TEXT_MAX 64 /* of one window, with NUL */

struct vr_bandwidth_window {
    uint8_t days;            /* bits 1 << day, 0 = Sunday as in struct tm: those it begins on */
    uint32_t start_s, end_s; /* of the day; end at or before start: on the next day */
    uint64_t bytes_s;        /* 0: no limit */
    char text[VR_BANDWIDTH_TEXT_MAX]; /* as it was written */
};

struct vr_bandwidth {
    uint32_t n;
    struct vr_bandwidth_window windows[VR_BANDWIDTH_WINDOWS_MAX]; /* none overlaps another */
};

/*
 * Adds "DAYS HH:MM-HH:MM RATE": days are a name, a range or a list of them (mon, mon-fri,
 * sat,sun), or daily; the rate is 20 Mbit/s, 500 kbit/s, 1 Gbit/s, 10M (MiB/s) or unlimited.
 * INVALID: the text says what is wrong with it, or with which one it overlaps. LIMIT: too many.
 */
VR_MUST_CHECK int vr_bandwidth_add(struct vr_bandwidth *b, const char *text, struct vr_err *err);
/* The window of this time of the week; NULL: none. wday 0 = Sunday, day_s below 86400. */
const struct vr_bandwidth_window *
vr_bandwidth_at(const struct vr_bandwidth *b, unsigned wday, uint32_t day_s);
/*
 * What one transfer may send: own_bytes_s is its own limit, of the window it has the same part as
 * the `running` others. 0: no limit. window NULL: only its own counts.
 */
uint64_t vr_bandwidth_share(const struct vr_bandwidth_window *window,
                            uint32_t running,
                            uint64_t own_bytes_s);
