/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instants and lengths of time as DSP0230 has them: xs:dateTime, xs:date, xs:time and xs:duration
 * on the wire, the 25 characters of DSP0004 inside. Years and months of a duration have no fixed
 * length and are not taken.
 */
#include <string.h>

#include "front/wsman/internal.h"

#define US_S UINT64_C(1000000)

/* n digits at *p as a number. */
static bool digits(const char **p, int n, unsigned *ret)
{
    unsigned v = 0;
    for (int i = 0; i < n; i++, ++*p) {
        if (**p < '0' || **p > '9') {
            return false;
        }
        v = v * 10 + (unsigned)(**p - '0');
    }
    *ret = v;
    return true;
}

static bool skip(const char **p, char c)
{
    if (**p != c) {
        return false;
    }
    ++*p;
    return true;
}

/* ".5" as microseconds; none is 0. */
static bool fraction(const char **p, unsigned *ret)
{
    unsigned scale = 100000;
    *ret = 0;
    if (!skip(p, '.')) {
        return true;
    }
    bool any = false;
    for (; **p >= '0' && **p <= '9'; ++*p) {
        *ret += scale * (unsigned)(**p - '0');
        scale /= 10;
        any = true;
    }
    return any;
}

/* "hh:mm:ss" and what may follow, to the end of the text. */
static bool clock_part(const char *p, unsigned hms[3], unsigned *us, char *ret_sign, unsigned *zone)
{
    unsigned h = 0, m = 0;
    *ret_sign = '+';
    if (!digits(&p, 2, &hms[0]) || !skip(&p, ':') || !digits(&p, 2, &hms[1]) || !skip(&p, ':') ||
        !digits(&p, 2, &hms[2]) || !fraction(&p, us)) {
        return false;
    }
    if (*p == '+' || *p == '-') {
        *ret_sign = *p++;
        if (!digits(&p, 2, &h) || !skip(&p, ':') || !digits(&p, 2, &m)) {
            return false;
        }
    } else if (*p == 'Z') {
        p++;
    }
    *zone = h * 60 + m;
    return *p == '\0' && *zone < 1000;
}

static const char *instant(struct cim_arena *a, const char *text)
{
    const char *p = text;
    unsigned year, month, day, hms[3], us, zone;
    char plus;
    if (!digits(&p, 4, &year) || !skip(&p, '-') || !digits(&p, 2, &month) || !skip(&p, '-') ||
        !digits(&p, 2, &day)) {
        return NULL;
    }
    if (*p == '\0' || strcmp(p, "Z") == 0) {
        return cim_printf(a, "%04u%02u%02u******.******+000", year, month, day);
    }
    if (!skip(&p, 'T') || !clock_part(p, hms, &us, &plus, &zone)) {
        return NULL;
    }
    return cim_printf(a, "%04u%02u%02u%02u%02u%02u.%06u%c%03u", year, month, day, hms[0], hms[1],
                      hms[2], us, plus, zone);
}

static const char *time_of_day(struct cim_arena *a, const char *text)
{
    unsigned hms[3], us, zone;
    char plus;
    if (!clock_part(text, hms, &us, &plus, &zone)) {
        return NULL;
    }
    return cim_printf(a, "00000000%02u%02u%02u.%06u%c%03u", hms[0], hms[1], hms[2], us, plus, zone);
}

/* "12H": at most 8 digits and a letter; no sum of such parts overflows. */
static bool part(const char **p, char letter, uint64_t unit, uint64_t *us)
{
    const char *q = *p;
    uint64_t v = 0;
    unsigned n = 0, below = 0;
    for (; *q >= '0' && *q <= '9' && n <= 8; q++, n++) {
        v = v * 10 + (uint64_t)(*q - '0');
    }
    if (n == 0 || n > 8 || (letter == 'S' && !fraction(&q, &below)) || *q != letter) {
        return false;
    }
    *us += v * unit + below;
    *p = q + 1;
    return true;
}

/* Years or months: "0Y" is what some clients write; more has no fixed length. */
static bool no_part(const char **p, char letter)
{
    uint64_t v = 0;
    return !part(p, letter, 1, &v) || v == 0;
}

bool wsman_duration(const char *text, uint64_t *ret_us)
{
    const char *p = text;
    uint64_t us = 0;
    if (!skip(&p, 'P') || !*p || !no_part(&p, 'Y') || !no_part(&p, 'M')) {
        return false;
    }
    (void)part(&p, 'D', 86400 * US_S, &us);
    if (skip(&p, 'T')) {
        bool any = part(&p, 'H', 3600 * US_S, &us);
        any = part(&p, 'M', 60 * US_S, &us) || any;
        any = part(&p, 'S', US_S, &us) || any;
        if (!any) {
            return false;
        }
    }
    *ret_us = us;
    return *p == '\0' && us / US_S / 86400 <= 99999999;
}

const char *wsman_datetime(struct cim_arena *a, const char *text)
{
    uint64_t us;
    char buf[CIM_DATETIME_LEN];
    if (wsman_duration(text, &us)) {
        return cim_strdup(a, cim_interval_text(us, buf));
    }
    const char *found = instant(a, text);
    found = found ? found : time_of_day(a, text);
    return found ? found : text;
}

static void put_duration(struct vr_buf *b, uint64_t us)
{
    unsigned below = (unsigned)(us % US_S);
    uint64_t s = us / US_S;
    vr_buf_printf(b, "<cim:Interval>P%lluDT%lluH%lluM%llu", (unsigned long long)(s / 86400),
                  (unsigned long long)(s / 3600 % 24), (unsigned long long)(s / 60 % 60),
                  (unsigned long long)(s % 60));
    if (below) {
        vr_buf_printf(b, ".%06u", below);
    }
    vr_buf_text(b, "S</cim:Interval>");
}

/* Always in one of the elements of DSP0230; what has no other form (wildcards, instants before
 * 1970, times of a day) keeps its 25 characters. */
void put_datetime(struct vr_buf *b, const char *text)
{
    struct cim_datetime d;
    char t[CIM_DATETIME_LEN];
    bool known = cim_datetime_parse(text, &d) && !d.has_wildcard && !d.has_no_date;
    if (known && d.is_interval) {
        put_duration(b, d.us);
    } else if (known && d.us > 0) {
        cim_datetime_text(d.us, t);
        vr_buf_printf(b, "<cim:Datetime>%.4s-%.2s-%.2sT%.2s:%.2s:%.2s", t, t + 4, t + 6, t + 8,
                      t + 10, t + 12);
        if (d.us % US_S) {
            vr_buf_printf(b, ".%.6s", t + 15);
        }
        vr_buf_text(b, "Z</cim:Datetime>");
    } else {
        vr_buf_text(b, "<cim:CIM_DateTime>");
        put_escaped(b, text);
        vr_buf_text(b, "</cim:CIM_DateTime>");
    }
}
