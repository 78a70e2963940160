/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/show.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model/states.h"
#include "util/err.h"
#include "util/num.h"
#include "util/vtime.h"

const char *show_size(uint64_t bytes, char *buf)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double v = (double)bytes;
    size_t u = 0;
    while (v >= 1024 && u + 1 < VR_COUNT(units)) {
        v /= 1024;
        u++;
    }
    snprintf(buf, SHOW_MAX, u == 0 || v >= 100 ? "%.0f %s" : "%.1f %s", v, units[u]);
    return buf;
}

const char *show_rate(uint64_t bytes_s, char *buf)
{
    show_size(bytes_s, buf);
    size_t n = strlen(buf);
    snprintf(buf + n, SHOW_MAX - n, "/s");
    return buf;
}

const char *show_span(uint64_t us, char *buf)
{
    unsigned long long s = us / 1000000;
    if (us > 0 && us < 10000000) {
        snprintf(buf, SHOW_MAX, "%.1fs", (double)us / 1e6);
    } else if (s < 60) {
        snprintf(buf, SHOW_MAX, "%llus", s);
    } else if (s < 3600) {
        snprintf(buf, SHOW_MAX, "%llum", s / 60);
    } else if (s < 48 * 3600) {
        snprintf(buf, SHOW_MAX, "%lluh%02llum", s / 3600, s / 60 % 60);
    } else {
        snprintf(buf, SHOW_MAX, "%llud", s / 86400);
    }
    return buf;
}

uint64_t json_time(const json_t *iso)
{
    uint64_t us = 0;
    const char *text = json_string_value(iso);
    return text && vr_parse_iso_time(text, &us) ? us : 0;
}

const char *show_time(const json_t *iso, char *buf)
{
    uint64_t us = json_time(iso);
    time_t t = (time_t)(us / 1000000);
    struct tm tm;
    if (!us || !localtime_r(&t, &tm) || !strftime(buf, SHOW_MAX, "%Y-%m-%d %H:%M:%S", &tm)) {
        snprintf(buf, SHOW_MAX, "-");
    }
    return buf;
}

const char *show_age(const json_t *iso, uint64_t now_us, char *buf)
{
    uint64_t us = json_time(iso);
    if (!us) {
        snprintf(buf, SHOW_MAX, "-");
        return buf;
    }
    return show_span(now_us > us ? now_us - us : 0, buf);
}

uint64_t json_u64(const json_t *o, const char *name)
{
    json_int_t v = json_integer_value(json_object_get(o, name));
    return v > 0 ? (uint64_t)v : 0;
}

const char *json_text(const json_t *o, const char *name)
{
    const char *text = json_string_value(json_object_get(o, name));
    return text ? text : "";
}

/* What the present phase counts: done of total; total 0: nothing to say. */
static void phase_count(const json_t *progress, uint64_t *done, uint64_t *total)
{
    switch (json_u64(progress, "phase")) {
    case VR_PHASE_COMPARE:
        *done = json_u64(progress, "bytes_compared");
        *total = json_u64(progress, "bytes_total");
        return;
    case VR_PHASE_COMMIT:
        *done = json_u64(progress, "bytes_written");
        *total = json_u64(progress, "bytes_to_write");
        return;
    case VR_PHASE_READBACK:
        *done = json_u64(progress, "bytes_read_back");
        *total = json_u64(progress, "bytes_to_read_back");
        return;
    default:
        *done = *total = 0;
    }
}

struct gauge gauge_of(const json_t *job, const json_t *before)
{
    const json_t *p = json_object_get(job, "progress");
    const json_t *q = json_object_get(before, "progress");
    struct gauge g = {.percent = -1};
    uint64_t done, total, done_before = 0;
    phase_count(p, &done, &total);
    if (total == 0) {
        return g;
    }
    g.percent = (int)((double)VR_MIN(done, total) * 100 / (double)total);
    uint64_t from = json_time(json_object_get(p, "started"));
    uint64_t until = json_time(json_object_get(p, "updated"));
    if (q && json_u64(q, "phase") == json_u64(p, "phase")) {
        uint64_t ignored;
        phase_count(q, &done_before, &ignored);
        from = json_time(json_object_get(q, "updated"));
    } else if (json_time(json_object_get(p, "counted_since"))) {
        from = json_time(json_object_get(p, "counted_since"));
        done_before = json_u64(p, "counted_from");
    } else if (json_u64(p, "phase") != VR_PHASE_COMPARE) {
        return g; /* this phase did not get on yet, or nobody knows since when */
    }
    if (!from || until <= from || done <= done_before) {
        return g;
    }
    double rate = (double)(done - done_before) / ((double)(until - from) / 1e6);
    g.rate = (uint64_t)rate;
    g.eta_us = rate >= 1 ? (uint64_t)((double)(total - VR_MIN(done, total)) / rate * 1e6) : 0;
    return g;
}

uint64_t rate_of(const json_t *job, const json_t *before, const char *name)
{
    const json_t *p = json_object_get(job, "progress");
    const json_t *q = json_object_get(before, "progress");
    bool since = q && json_u64(q, "phase") == VR_PHASE_COMPARE;
    const json_t *start =
        since ? json_object_get(q, "updated") : json_object_get(p, "counted_since");
    uint64_t from = json_time(start), until = json_time(json_object_get(p, "updated"));
    uint64_t was = since ? json_u64(q, name) : 0, is = json_u64(p, name);
    bool measured = json_u64(p, "phase") == VR_PHASE_COMPARE && from && until > from && is > was;
    return measured ? (uint64_t)((double)(is - was) / ((double)(until - from) / 1e6)) : 0;
}
