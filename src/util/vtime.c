/* SPDX-License-Identifier: Apache-2.0 */
#include "util/vtime.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static uint64_t clock_ns(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t vr_wall_us(void)
{
    return clock_ns(CLOCK_REALTIME) / 1000u;
}

uint64_t vr_mono_us(void)
{
    return clock_ns(CLOCK_MONOTONIC) / 1000u;
}

uint64_t vr_thread_cpu_ns(void)
{
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t vr_mono_ms(void)
{
    return vr_mono_us() / 1000u;
}

const char *vr_iso_time(uint64_t wall_us, char *buf, size_t cap)
{
    time_t t = (time_t)(wall_us / 1000000u);
    struct tm tm;
    if (!wall_us || !gmtime_r(&t, &tm)) {
        snprintf(buf, cap, "-");
        return buf;
    }
    char date[40];
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(buf, cap, "%s.%06uZ", date, (unsigned)(wall_us % 1000000u));
    return buf;
}

bool vr_civil_to_us(int year,
                    int month,
                    int day,
                    int hour,
                    int minute,
                    int second,
                    uint32_t us,
                    uint64_t *ret_wall_us)
{
    if (year < 1970 || year > 9999 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 ||
        hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60 || us > 999999) {
        return false;
    }
    struct tm tm = {.tm_year = year - 1900,
                    .tm_mon = month - 1,
                    .tm_mday = day,
                    .tm_hour = hour,
                    .tm_min = minute,
                    .tm_sec = second};
    time_t t = timegm(&tm);
    if (t < 0 || tm.tm_mday != day) { /* timegm turns 31 February into a day of March */
        return false;
    }
    *ret_wall_us = (uint64_t)t * 1000000u + us;
    return true;
}

static bool digits(const char **p, int n, int *ret)
{
    int v = 0;
    for (int i = 0; i < n; i++) {
        if (!isdigit((unsigned char)(*p)[i])) {
            return false;
        }
        v = v * 10 + ((*p)[i] - '0');
    }
    *p += n;
    *ret = v;
    return true;
}

static bool expect(const char **p, const char *set)
{
    if (!**p || !strchr(set, **p)) {
        return false;
    }
    (*p)++;
    return true;
}

static bool parse_fraction(const char **p, uint32_t *ret_us)
{
    uint32_t us = 0, scale = 100000;
    if (!isdigit((unsigned char)**p)) {
        return false;
    }
    for (; isdigit((unsigned char)**p); (*p)++) {
        us += (uint32_t)(**p - '0') * scale;
        scale /= 10;
    }
    *ret_us = us;
    return true;
}

static bool parse_zone(const char **p, int *ret_minutes)
{
    if (expect(p, "Zz")) {
        *ret_minutes = 0;
        return true;
    }
    int sign = **p == '-' ? -1 : 1, h, m;
    if (!expect(p, "+-") || !digits(p, 2, &h) || !expect(p, ":") || !digits(p, 2, &m) || h > 14 ||
        m > 59) {
        return false;
    }
    *ret_minutes = sign * (h * 60 + m);
    return true;
}

bool vr_parse_iso_time(const char *text, uint64_t *ret_wall_us)
{
    const char *p = text;
    int y, mo, d, h, mi, s = 0, zone;
    uint32_t us = 0;
    if (!digits(&p, 4, &y) || !expect(&p, "-") || !digits(&p, 2, &mo) || !expect(&p, "-") ||
        !digits(&p, 2, &d) || !expect(&p, "Tt ") || !digits(&p, 2, &h) || !expect(&p, ":") ||
        !digits(&p, 2, &mi)) {
        return false;
    }
    if (*p == ':' && (p++, !digits(&p, 2, &s))) {
        return false;
    }
    if (*p == '.' && (p++, !parse_fraction(&p, &us))) {
        return false;
    }
    uint64_t t;
    if (!parse_zone(&p, &zone) || *p || !vr_civil_to_us(y, mo, d, h, mi, s, us, &t)) {
        return false;
    }
    int64_t shifted = (int64_t)t - (int64_t)zone * 60 * 1000000;
    if (shifted < 0) {
        return false;
    }
    *ret_wall_us = (uint64_t)shifted;
    return true;
}
