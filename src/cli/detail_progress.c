/* SPDX-License-Identifier: Apache-2.0 */
/* A transfer in all detail. Compared, sent and committed are three things, and each has its own
 * line; what cannot be known is not guessed. */
#include <string.h>

#include "cli/status.h"
#include "model/api.h"
#include "util/num.h"

#define BAR 20
#define TEXT 640

static void put(const char *name, const char *text, const struct status_view *view, FILE *f)
{
    text_line(name, text, view->columns, f);
}

static const char *bar(uint64_t done, uint64_t all, char *buf)
{
    size_t full = all ? (size_t)((double)VR_MIN(done, all) * BAR / (double)all) : 0;
    memset(buf, '.', BAR);
    memset(buf, '#', full);
    buf[BAR] = '\0';
    return buf;
}

static int percent(uint64_t done, uint64_t all)
{
    return all ? (int)((double)VR_MIN(done, all) * 100 / (double)all) : 0;
}

/* "[##..] 40%  4.0 GiB of 10 GiB  20.0 MiB/s  eta 5m"; g NULL: it does not run. Returns text. */
static const char *
gauge_text(uint64_t done, uint64_t total, const struct gauge *g, const char *why_not, char *text)
{
    char b[BAR + 1], is[SHOW_MAX], all[SHOW_MAX], rate[SHOW_MAX], eta[SHOW_MAX];
    int n = snprintf(text, TEXT, "[%s] %d%%  %s of %s", bar(done, total, b), percent(done, total),
                     show_size(done, is), show_size(total, all));
    if (g && g->rate) {
        n += snprintf(text + n, TEXT - (size_t)n, "  %s", show_rate(g->rate, rate));
    }
    if (g && g->eta_us) {
        snprintf(text + n, TEXT - (size_t)n, "  eta %s", show_span(g->eta_us, eta));
    } else if (g) {
        snprintf(text + n, TEXT - (size_t)n, "  eta ? (%s)", why_not);
    }
    return text;
}

/* g: NULL when it does not run. */
static void
put_compare(const json_t *p, const struct gauge *g, const struct status_view *view, FILE *f)
{
    char text[TEXT];
    uint64_t compared = json_u64(p, "bytes_compared");
    bool now = json_u64(p, "phase") == VR_PHASE_COMPARE;
    const char *why_not = compared ? "it does not get on" : "nothing is compared yet";
    put("compare", gauge_text(compared, json_u64(p, "bytes_total"), now ? g : NULL, why_not, text),
        view, f);
}

static const char *
side_text(const json_t *job, const char *name, uint64_t all, uint64_t rate, char *buf)
{
    bool through = json_u64(json_object_get(job, "progress"), name) >= all;
    if (!through && rate) {
        return show_rate(rate, buf);
    }
    snprintf(buf, SHOW_MAX, through ? "is through" : "?");
    return buf;
}

/* How fast each side reads, while it does. */
static void put_reads(const json_t *job, const struct status_view *view, FILE *f)
{
    const json_t *p = json_object_get(job, "progress");
    char text[TEXT], here[SHOW_MAX], there[SHOW_MAX];
    uint64_t total = json_u64(p, "bytes_total"), unchanged = json_u64(p, "bytes_unchanged");
    uint64_t all = total - VR_MIN(total, unchanged);
    if (json_u64(p, "phase") != VR_PHASE_COMPARE || !json_u64(p, "bytes_read")) {
        return;
    }
    snprintf(
        text, sizeof(text), "this host %s, the other %s",
        side_text(job, "bytes_read", all, status_rate(job, "bytes_read", view), here),
        side_text(job, "peer_bytes_read", all, status_rate(job, "peer_bytes_read", view), there));
    put("reads", text, view, f);
}

static void put_skipped(const json_t *p, const struct status_view *view, FILE *f)
{
    char text[TEXT], all[SHOW_MAX], unchanged[SHOW_MAX], zero[SHOW_MAX];
    uint64_t left = json_u64(p, "bytes_unchanged"), zeroes = json_u64(p, "bytes_zero");
    if (left + zeroes == 0) {
        return;
    }
    snprintf(text, sizeof(text), "%s: %s unchanged, %s zero on both sides",
             show_size(left + zeroes, all), show_size(left, unchanged), show_size(zeroes, zero));
    put("skipped", text, view, f);
}

/* What went out, of how much before it was compressed, and how fast. */
static void put_sent(const json_t *job, bool runs, const struct status_view *view, FILE *f)
{
    const json_t *p = json_object_get(job, "progress");
    char text[TEXT], size[SHOW_MAX], wire[SHOW_MAX];
    uint64_t raw = json_u64(p, "bytes_raw"), sent = json_u64(p, "bytes_sent");
    uint64_t rate = runs ? status_rate(job, "bytes_sent", view) : 0;
    snprintf(text, sizeof(text), "%s%s", show_size(json_u64(p, "bytes_differing"), size),
             json_u64(p, "phase") <= VR_PHASE_COMPARE ? " so far" : "");
    put("differing", text, view, f);
    int n = snprintf(text, sizeof(text), "%s of data, %s on the line", show_size(sent, size),
                     show_size(json_u64(p, "wire_out"), wire));
    if (raw && sent) {
        n += snprintf(text + n, sizeof(text) - (size_t)n, "; compressed %.1f:1 from %s",
                      (double)raw / (double)sent, show_size(raw, size));
    }
    if (rate) {
        snprintf(text + n, sizeof(text) - (size_t)n, "; %s", show_rate(rate, size));
    }
    put("sent", text, view, f);
    if (json_u64(p, "bytes_staged")) {
        snprintf(text, sizeof(text), "%s kept from earlier tries, not sent again",
                 show_size(json_u64(p, "bytes_staged"), size));
        put("staged", text, view, f);
    }
}

/* Only while it reads slower than it could. */
static void put_backoff(const json_t *p, const struct status_view *view, FILE *f)
{
    char text[TEXT];
    uint64_t level = json_u64(p, "backoff_level"), us = json_u64(p, "guest_write_latency_us");
    if (level && level < 32) {
        snprintf(text, sizeof(text), "reads 1/%u of the time: the guest's writes take %.1f ms",
                 1u << level, (double)us / 1000);
        put("gives way", text, view, f);
    }
}

/* Nothing of the replica's disks is written yet. */
static void put_waiting_commit(const json_t *p, const struct status_view *view, FILE *f)
{
    const json_t *space = json_object_get(p, "peer_space");
    char text[TEXT], staged[SHOW_MAX], left[SHOW_MAX], reserve[SHOW_MAX];
    if (!json_is_object(space)) {
        put("commit", "when all is proven; until then the replica stays as it is", view, f);
        return;
    }
    snprintf(text, sizeof(text),
             "waits until all is proven; the replica's host has staged %s, and %s free of which %s "
             "stay free",
             show_size(json_u64(space, "staged_bytes"), staged),
             show_size(json_u64(space, "free_bytes"), left),
             show_size(json_u64(space, "reserve_bytes"), reserve));
    put("commit", text, view, f);
}

/* g: NULL when it does not run. */
static void
put_commit(const json_t *p, const struct gauge *g, const struct status_view *view, FILE *f)
{
    char text[TEXT], done[SHOW_MAX], back[SHOW_MAX];
    uint64_t written = json_u64(p, "bytes_written"), total = json_u64(p, "bytes_to_write");
    uint64_t read_back = json_u64(p, "bytes_read_back"), all = json_u64(p, "bytes_to_read_back");
    uint64_t phase = json_u64(p, "phase");
    if (phase < VR_PHASE_COMMIT) {
        put_waiting_commit(p, view, f);
        return;
    }
    if (phase == VR_PHASE_COMMIT && g && !written) {
        put("commit", "what is staged is checked; eta ? (nothing is written yet)", view, f);
        return;
    }
    if (phase == VR_PHASE_COMMIT && total) {
        put("commit", gauge_text(written, total, g, "nothing is measured yet", text), view, f);
        return;
    }
    snprintf(text, sizeof(text), "%s written", show_size(written, done));
    put("commit", text, view, f);
    if (phase == VR_PHASE_READBACK && all) {
        put("reads back", gauge_text(read_back, all, g, "nothing is measured yet", text), view, f);
    } else if (phase == VR_PHASE_READBACK) {
        snprintf(text, sizeof(text), "%s so far; eta ? (holes are not read)",
                 show_size(read_back, back));
        put("reads back", text, view, f);
    }
}

/* The instant that is read, and what is behind it already. */
static void put_instant(const json_t *p, const struct status_view *view, FILE *f)
{
    char text[TEXT], when[SHOW_MAX];
    const json_t *t = json_object_get(p, "instant");
    const json_t *since = json_object_get(p, "written_since_instant");
    uint64_t frozen_us = json_u64(p, "frozen_us");
    if (!json_time(t)) {
        return;
    }
    int n =
        snprintf(text, sizeof(text), "%s, %.40s", show_time(t, when), json_text(p, "consistency"));
    if (frozen_us) {
        snprintf(text + n, sizeof(text) - (size_t)n, ", the guest was frozen for %.1f s",
                 (double)frozen_us / 1000000);
    }
    put("instant", text, view, f);
    snprintf(text, sizeof(text), "%s%s",
             json_is_integer(since) ? show_size(json_u64(p, "written_since_instant"), when) : "?",
             json_is_integer(since) ? " written by the guest" : " (its writes are not counted)");
    put("since then", text, view, f);
}

/* What becomes of the work when the transfer is interrupted. */
static void put_resume(const json_t *job, const struct status_view *view, FILE *f)
{
    uint64_t type = json_u64(job, "type");
    bool compares = type == VR_JOBTYPE_VERIFY || type == VR_JOBTYPE_FORECAST;
    put("resumes",
        compares ? "no: interrupted, it begins anew"
                 : "yes: interrupted, it compares anew and sends nothing twice; cancelled, it "
                   "discards what is staged",
        view, f);
}

void detail_progress(const json_t *job, const struct status_view *view, FILE *f)
{
    const json_t *p = json_object_get(job, "progress");
    bool runs = json_u64(job, "state") == VR_JOB_RUNNING;
    if (json_u64(p, "phase") == VR_PHASE_NONE) {
        return; /* no transfer, or it has not begun */
    }
    if (runs) {
        put("phase", json_text(p, "phase_text"), view, f);
    }
    struct gauge g = status_gauge(job, view);
    if (runs) {
        put_instant(p, view, f);
    }
    put_compare(p, runs ? &g : NULL, view, f);
    if (runs) {
        put_reads(job, view, f);
        put_backoff(p, view, f);
    }
    put_skipped(p, view, f);
    put_sent(job, runs, view, f);
    uint64_t type = json_u64(job, "type");
    if (type != VR_JOBTYPE_VERIFY && type != VR_JOBTYPE_FORECAST) {
        put_commit(p, runs ? &g : NULL, view, f);
    }
    if (runs && json_u64(p, "phase") < VR_PHASE_COMMIT) {
        put_resume(job, view, f);
    }
}

/* What a dry run found, or what the last transfer that looked at all came to: a guess that says
 * what it is one of. */
void detail_plan(const json_t *rel, const struct status_view *view, FILE *f)
{
    const json_t *plan = json_object_get(rel, "plan");
    char text[TEXT], when[SHOW_MAX], differ[SHOW_MAX], margin[SHOW_MAX], wire[SHOW_MAX];
    uint64_t state = json_u64(rel, "state"), all = json_u64(plan, "total_bytes");
    uint64_t differing = json_u64(plan, "differing_bytes"), off = json_u64(plan, "margin_bytes");
    bool asked = state == VR_REL_RESYNC_REQUIRED || state == VR_REL_RESYNCHRONIZING ||
                 state == VR_REL_RESYNC_SUSPENDED;
    if (!asked || !json_is_object(plan) || !all) {
        return;
    }
    int n = snprintf(text, sizeof(text), "%s %s (job %llu): %.3g %%", json_text(plan, "basis_text"),
                     show_time(json_object_get(plan, "time"), when),
                     (unsigned long long)json_u64(plan, "job_id"),
                     (double)differing * 100 / (double)all);
    if (off) {
        n += snprintf(text + n, sizeof(text) - (size_t)n, " (more or less %.3g %%)",
                      (double)off * 100 / (double)all);
    }
    n += snprintf(text + n, sizeof(text) - (size_t)n, " differ, %s%s%s",
                  show_size(differing, differ), off ? " more or less " : "",
                  off ? show_size(off, margin) : "");
    if (json_is_integer(json_object_get(plan, "wire_bytes"))) {
        n += snprintf(text + n, sizeof(text) - (size_t)n, "; %s to send",
                      show_size(json_u64(plan, "wire_bytes"), wire));
    }
    snprintf(text + n, sizeof(text) - (size_t)n,
             json_u64(plan, "basis") == API_PLAN_SAMPLE ? "; about %s" : "; it took %s",
             show_span(json_u64(plan, "time_us"), when));
    put("plan", text, view, f);
}
