/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DSP0004 datetime: "yyyymmddhhmmss.mmmmmmsutc" (minutes from UTC) and "ddddddddhhmmss.mmmmmm:000".
 * Asterisks replace whole fields from some field on to the right; of the microseconds also only the
 * last digits.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cim/value.h"
#include "util/vtime.h"

#define US 1000000u

struct field {
    int value;
    bool wild;
};

/* All digits or all asterisks; partial: digits, then asterisks. */
static bool read_field(const char *p, int n, bool partial, struct field *ret)
{
    struct field f = {0};
    for (int i = 0; i < n; i++) {
        if (p[i] == '*' && (i == 0 || f.wild || partial)) {
            f.wild = true;
        } else if (p[i] >= '0' && p[i] <= '9' && !f.wild) {
            f.value = f.value * 10 + (p[i] - '0');
        } else {
            return false;
        }
    }
    *ret = f;
    return true;
}

/* Reads the fields of the given widths from text up to the '.', then the microseconds. */
static bool
read_fields(const char *text, const int *widths, int n, struct field *ret, bool *ret_wild)
{
    int at = 0;
    bool wild = false;
    for (int i = 0; i <= n; i++) {
        bool is_us = i == n;
        if (is_us && text[at++] != '.') {
            return false;
        }
        if (!read_field(text + at, is_us ? 6 : widths[i], is_us, &ret[i])) {
            return false;
        }
        if (wild && !ret[i].wild) {
            return false;
        }
        wild = wild || ret[i].wild;
        at += is_us ? 6 : widths[i];
    }
    *ret_wild = wild;
    return true;
}

static bool in(const struct field *f, int lo, int hi)
{
    return f->wild || (f->value >= lo && f->value <= hi);
}

static bool parse_interval(const char *text, struct cim_datetime *ret)
{
    static const int widths[] = {8, 2, 2, 2};
    struct field f[5];
    struct cim_datetime d = {.is_interval = true};
    if (!read_fields(text, widths, 4, f, &d.has_wildcard) || strcmp(text + 22, "000") != 0 ||
        !in(&f[1], 0, 23) || !in(&f[2], 0, 59) || !in(&f[3], 0, 59)) {
        return false;
    }
    if (!d.has_wildcard) {
        uint64_t s =
            (((uint64_t)f[0].value * 24 + (uint64_t)f[1].value) * 60 + (uint64_t)f[2].value) * 60 +
            (uint64_t)f[3].value;
        d.us = s * US + (uint64_t)f[4].value;
    }
    *ret = d;
    return true;
}

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* A time of day: the date is all zero. */
static bool parse_time_of_day(const struct field *f, int64_t shift_us, struct cim_datetime *ret)
{
    const int64_t day_us = (int64_t)86400 * US;
    if (!in(&f[3], 0, 23) || !in(&f[4], 0, 59) || !in(&f[5], 0, 59)) {
        return false;
    }
    int64_t t = ((f[3].value * 60 + f[4].value) * 60 + f[5].value) * (int64_t)US + f[6].value;
    *ret = (struct cim_datetime){.has_no_date = true,
                                 .us = (uint64_t)((t - shift_us + day_us) % day_us)};
    return true;
}

static bool parse_timestamp(const char *text, struct cim_datetime *ret)
{
    static const int widths[] = {4, 2, 2, 2, 2, 2};
    struct field f[7], zone;
    struct cim_datetime d = {0};
    if (!read_fields(text, widths, 6, f, &d.has_wildcard) ||
        !read_field(text + 22, 3, false, &zone) || zone.wild || zone.value > 840) {
        return false;
    }
    int64_t shift = (int64_t)zone.value * 60 * US * (text[21] == '-' ? -1 : 1);
    if (!d.has_wildcard && strncmp(text, "00000000", 8) == 0) {
        return parse_time_of_day(f, shift, ret);
    }
    if (!in(&f[1], 1, 12) || !in(&f[2], 1, 31) || !in(&f[3], 0, 23) || !in(&f[4], 0, 59) ||
        !in(&f[5], 0, 59)) {
        return false;
    }
    if (d.has_wildcard) {
        *ret = d;
        return true;
    }
    /* An instant before 1970 is a datetime too: it is checked in a year of the same length. */
    bool early = f[0].value < 1970;
    int year = !early ? f[0].value : is_leap(f[0].value) ? 2000 : 2001;
    uint64_t t;
    if (!vr_civil_to_us(year, f[1].value, f[2].value, f[3].value, f[4].value, f[5].value,
                        (uint32_t)f[6].value, &t)) {
        return false;
    }
    int64_t utc = (int64_t)t - shift;
    d.us = early || utc < 0 ? 0 : (uint64_t)utc;
    *ret = d;
    return true;
}

bool cim_datetime_parse(const char *text, struct cim_datetime *ret)
{
    if (strnlen(text, CIM_DATETIME_LEN) != CIM_DATETIME_LEN - 1) {
        return false;
    }
    if (text[21] == ':') {
        return parse_interval(text, ret);
    }
    return (text[21] == '+' || text[21] == '-') && parse_timestamp(text, ret);
}

const char *cim_datetime_text(uint64_t wall_us, char *buf)
{
    time_t s = (time_t)(wall_us / US);
    struct tm tm;
    if (!gmtime_r(&s, &tm) || tm.tm_year > 9999 - 1900) {
        snprintf(buf, CIM_DATETIME_LEN, "99991231235959.999999+000");
        return buf;
    }
    char tmp[96];
    snprintf(tmp, sizeof tmp, "%04d%02d%02d%02d%02d%02d.%06u+000", tm.tm_year + 1900, tm.tm_mon + 1,
             tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (unsigned)(wall_us % US));
    memcpy(buf, tmp, CIM_DATETIME_LEN);
    return buf;
}

const char *cim_interval_text(uint64_t us, char *buf)
{
    uint64_t s = us / US, days = s / 86400;
    char tmp[96];
    if (days > 99999999) {
        days = 99999999;
    }
    snprintf(tmp, sizeof tmp, "%08" PRIu64 "%02u%02u%02u.%06u:000", days, (unsigned)(s / 3600 % 24),
             (unsigned)(s / 60 % 60), (unsigned)(s % 60), (unsigned)(us % US));
    memcpy(buf, tmp, CIM_DATETIME_LEN);
    return buf;
}
