/* SPDX-License-Identifier: Apache-2.0 */
#include "model/bandwidth.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "util/num.h"

#define DAY_S 86400u
#define DAYS 7u
#define MINUTE_S 60u
#define ALL_DAYS 0x7fu

static const char *const day_names[DAYS] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

/* The day that begins at *at, and moves behind it. */
static bool take_day(const char **at, unsigned *ret)
{
    for (unsigned i = 0; i < DAYS; i++) {
        if (strncasecmp(*at, day_names[i], 3) == 0) {
            *at += 3;
            *ret = i;
            return true;
        }
    }
    return false;
}

/* "mon-fri,sun"; a range may go over the end of the week. */
static bool take_days(const char **at, uint8_t *ret)
{
    uint8_t days = 0;
    if (strncasecmp(*at, "daily", 5) == 0) {
        *at += 5;
        *ret = ALL_DAYS;
        return true;
    }
    for (;;) {
        unsigned first, last;
        if (!take_day(at, &first)) {
            return false;
        }
        last = first;
        if (**at == '-' && (++*at, !take_day(at, &last))) {
            return false;
        }
        for (unsigned d = first;; d = (d + 1) % DAYS) {
            days |= (uint8_t)(1u << d);
            if (d == last) {
                break;
            }
        }
        if (**at != ',') {
            *ret = days;
            return true;
        }
        ++*at;
    }
}

/* "HH:MM"; 24:00 is the end of a day. */
static bool take_time(const char **at, uint32_t *ret_s)
{
    const char *p = *at;
    for (unsigned i = 0; i < 5; i++) {
        if (i == 2 ? p[i] != ':' : !isdigit((unsigned char)p[i])) {
            return false;
        }
    }
    uint32_t h = (uint32_t)(p[0] - '0') * 10 + (uint32_t)(p[1] - '0');
    uint32_t m = (uint32_t)(p[3] - '0') * 10 + (uint32_t)(p[4] - '0');
    *ret_s = (h * 60 + m) * MINUTE_S;
    *at += 5;
    return m < 60 && *ret_s <= DAY_S;
}

static bool read_rate(const char *text, uint64_t *ret)
{
    static const struct {
        const char *unit;
        uint64_t bytes_s;
    } units[] = {{"kbit/s", 125}, {"Mbit/s", 125000}, {"Gbit/s", 125000000}};
    if (strcmp(text, "unlimited") == 0) {
        *ret = 0;
        return true;
    }
    size_t digits = strspn(text, "0123456789");
    const char *unit = text + digits + strspn(text + digits, " ");
    char number[12];
    uint64_t v;
    for (size_t i = 0; i < VR_COUNT(units); i++) {
        if (strcmp(unit, units[i].unit) == 0 && digits < sizeof(number)) {
            memcpy(number, text, digits);
            number[digits] = '\0';
            *ret = vr_parse_u64(number, 1, VR_BANDWIDTH_MAX / units[i].bytes_s, &v)
                       ? v * units[i].bytes_s
                       : 0;
            return *ret != 0;
        }
    }
    return vr_parse_size(text, ret) && *ret != 0;
}

static bool has_minute(const struct vr_bandwidth_window *w, unsigned wday, uint32_t day_s)
{
    bool wraps = w->end_s <= w->start_s;
    unsigned before = (wday + DAYS - 1) % DAYS;
    bool today = (w->days & 1u << wday) && day_s >= w->start_s && (wraps || day_s < w->end_s);
    bool yesterday = (w->days & 1u << before) && wraps && day_s < w->end_s;
    return today || yesterday;
}

const struct vr_bandwidth_window *
vr_bandwidth_at(const struct vr_bandwidth *b, unsigned wday, uint32_t day_s)
{
    for (uint32_t i = 0; i < b->n; i++) {
        if (has_minute(&b->windows[i], wday, day_s)) {
            return &b->windows[i];
        }
    }
    return NULL;
}

static const struct vr_bandwidth_window *overlap(const struct vr_bandwidth *b,
                                                 const struct vr_bandwidth_window *w)
{
    for (uint32_t t = 0; t < DAYS * DAY_S; t += MINUTE_S) {
        const struct vr_bandwidth_window *other = vr_bandwidth_at(b, t / DAY_S, t % DAY_S);
        if (other && has_minute(w, t / DAY_S, t % DAY_S)) {
            return other;
        }
    }
    return NULL;
}

static int read_window(const char *text, struct vr_bandwidth_window *w, struct vr_err *err)
{
    const char *at = text;
    if (strlen(text) >= sizeof(w->text)) {
        return vr_fail(err, VR_E_INVALID, "a window is longer than %d characters",
                       VR_BANDWIDTH_TEXT_MAX - 1);
    }
    snprintf(w->text, sizeof(w->text), "%s", text);
    if (!take_days(&at, &w->days) || *at != ' ') {
        return vr_fail(err, VR_E_INVALID,
                       "'%s' does not begin with days such as mon-fri, sat,sun or daily", text);
    }
    at += strspn(at, " ");
    if (!take_time(&at, &w->start_s) || w->start_s == DAY_S || *at++ != '-' ||
        !take_time(&at, &w->end_s) || *at != ' ') {
        return vr_fail(err, VR_E_INVALID, "'%s' has no times such as 08:00-18:00 after the days",
                       text);
    }
    w->end_s %= DAY_S; /* 24:00 is the next day's 00:00 */
    at += strspn(at, " ");
    if (!read_rate(at, &w->bytes_s)) {
        return vr_fail(err, VR_E_INVALID,
                       "'%s' has no rate such as 20 Mbit/s, 10M or unlimited after the times",
                       text);
    }
    if (w->bytes_s && (w->bytes_s < VR_BANDWIDTH_MIN || w->bytes_s > VR_BANDWIDTH_MAX)) {
        return vr_fail(err, VR_E_INVALID, "the rate of '%s' is not between 8K and 1T a second",
                       text);
    }
    return 0;
}

int vr_bandwidth_add(struct vr_bandwidth *b, const char *text, struct vr_err *err)
{
    struct vr_bandwidth_window w = {0};
    int r = read_window(text, &w, err);
    if (r < 0) {
        return r;
    }
    if (b->n == VR_BANDWIDTH_WINDOWS_MAX) {
        return vr_fail(err, VR_E_LIMIT, "more than %d windows", VR_BANDWIDTH_WINDOWS_MAX);
    }
    const struct vr_bandwidth_window *other = overlap(b, &w);
    if (other) {
        return vr_fail(err, VR_E_INVALID, "'%s' overlaps '%s': which one counts?", text,
                       other->text);
    }
    b->windows[b->n++] = w;
    return 0;
}

uint64_t
vr_bandwidth_share(const struct vr_bandwidth_window *window, uint32_t running, uint64_t own_bytes_s)
{
    if (!window || !window->bytes_s) {
        return own_bytes_s;
    }
    uint64_t part = window->bytes_s / VR_MAX(running, 1u);
    part = VR_MAX(part, (uint64_t)1);
    return own_bytes_s ? VR_MIN(own_bytes_s, part) : part;
}
