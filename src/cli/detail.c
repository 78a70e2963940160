/* SPDX-License-Identifier: Apache-2.0 */
/* One relationship in all detail; its transfer is in detail_progress.c. */
#include <string.h>

#include "cli/status.h"
#include "model/model.h"
#include "util/num.h"

#define TEXT 640

static void put(const char *name, const char *text, const struct status_view *view, FILE *f)
{
    text_line(name, text, view->columns, f);
}

/* Who asked is told with the job; this is what for. */
static void put_why(const json_t *job, const struct status_view *view, FILE *f)
{
    const char *why = json_text(job, "why");
    switch (json_u64(job, "type")) {
    case VR_JOBTYPE_VERIFY:
    case VR_JOBTYPE_FORECAST:
        why = "to know what differs";
        break;
    case VR_JOBTYPE_DELTA:
        why = "the interval";
        break;
    default:
        why = *why ? why : "because it was asked for: nothing was known to be wrong";
    }
    put("why", why, view, f);
}

static void put_job(const json_t *rel, const json_t *job, const struct status_view *view, FILE *f)
{
    char text[TEXT], when[SHOW_MAX];
    bool later = json_u64(job, "state") == VR_JOB_NEW;
    const json_t *started = json_object_get(job, "started");
    const json_t *t = later                ? json_object_get(job, "scheduled")
                      : json_time(started) ? started
                                           : json_object_get(job, "submitted");
    snprintf(text, sizeof(text), "%llu, %s, %s, %s %s by %.128s",
             (unsigned long long)json_u64(job, "id"), json_text(job, "type_text"),
             json_text(job, "state_text"),
             later                ? "for"
             : json_time(started) ? "started"
                                  : "asked for",
             show_time(t, when), json_text(job, "initiator"));
    put("job", text, view, f);
    put_why(job, view, f);
    if (json_u64(job, "state") != VR_JOB_RUNNING && !later) {
        put("status", json_text(job, "status"), view, f);
    }
    detail_plan(rel, view, f);
    detail_progress(job, view, f);
}

static void put_wait(const json_t *wait, const struct status_view *view, FILE *f)
{
    static const char *const what[] = {[VR_WAITING_NONE] = "",
                                       [VR_WAITING_SCHEDULE] = "its time",
                                       [VR_WAITING_SLOT] = "a place among the transfers",
                                       [VR_WAITING_RETRY] = "the next try",
                                       [VR_WAITING_SPACE] = "space at the replica's host",
                                       [VR_WAITING_PAUSED] = "somebody to resume it",
                                       [VR_WAITING_DISKS] = "disks that stay as they are"};
    char text[TEXT], when[SHOW_MAX], span[SHOW_MAX];
    uint64_t why = json_u64(wait, "why"), until = json_time(json_object_get(wait, "until"));
    uint64_t tries = json_u64(wait, "tries");
    int n = snprintf(text, sizeof(text), "%s",
                     why < VR_COUNT(what) ? what[why] : json_text(wait, "why_text"));
    if (until) {
        n += snprintf(text + n, sizeof(text) - (size_t)n, ", %s (in %s)",
                      show_time(json_object_get(wait, "until"), when),
                      show_span(until > view->now_us ? until - view->now_us : 0, span));
    }
    if (tries) {
        snprintf(text + n, sizeof(text) - (size_t)n, ", after %llu %s in vain",
                 (unsigned long long)tries, tries == 1 ? "try" : "tries");
    }
    put("waits for", text, view, f);
}

/* What the last transfer came to, when it did not come to anything. */
static void put_last_error(const json_t *job, const struct status_view *view, FILE *f)
{
    char text[TEXT], when[SHOW_MAX];
    if (!*json_text(job, "error_text")) {
        return;
    }
    snprintf(text, sizeof(text), "%.255s (%llu), job %llu, %s", json_text(job, "error_text"),
             (unsigned long long)json_u64(job, "error_code"),
             (unsigned long long)json_u64(job, "id"),
             show_time(json_object_get(job, "finished"), when));
    put("last error", text, view, f);
}

static void put_recovery(const json_t *rel, const struct status_view *view, FILE *f)
{
    char text[TEXT], when[SHOW_MAX], age[SHOW_MAX];
    const json_t *t = json_object_get(rel, "last_sync");
    uint64_t state = json_u64(rel, "state");
    bool lives = state == VR_REL_RECOVERED || state == VR_REL_COMMITTED;
    if (json_time(t)) {
        const char *how = json_text(rel, "consistency");
        snprintf(text, sizeof(text), "%s%s (%s ago%s%.40s)",
                 lives ? "was failed over; its last recovery point is of " : "failover goes to ",
                 show_time(t, when), show_age(t, view->now_us, age),
                 *how && strcmp(how, "not known") != 0 ? ", " : "",
                 strcmp(how, "not known") != 0 ? how : "");
        put("safe now", text, view, f);
    } else {
        put("safe now", "nothing yet: there is no recovery point", view, f);
    }
    t = json_object_get(rel, "verified");
    if (json_time(t) || json_u64(rel, "verify") == VR_VERIFY_FAILED) {
        snprintf(text, sizeof(text), "%s%s%s", json_text(rel, "verify_text"),
                 json_time(t) ? ", last compared " : "", json_time(t) ? show_time(t, when) : "");
        put("verified", text, view, f);
    }
}

static void put_staging(const json_t *staging, const struct status_view *view, FILE *f)
{
    char text[TEXT], bytes[SHOW_MAX], limit[SHOW_MAX];
    if (!json_is_object(staging)) {
        return;
    }
    show_size(json_u64(staging, "bytes"), bytes);
    if (json_u64(staging, "limit_bytes")) {
        snprintf(text, sizeof(text), "%s; there is room for %s", bytes,
                 show_size(json_u64(staging, "limit_bytes"), limit));
    } else {
        snprintf(text, sizeof(text), "%s", bytes);
    }
    put("staging", text, view, f);
}

static void put_interval(const json_t *rel, const struct status_view *view, FILE *f)
{
    char text[TEXT], span[SHOW_MAX], when[SHOW_MAX];
    uint64_t rpo_us = json_u64(rel, "rpo_s") * 1000000;
    const json_t *next = json_object_get(rel, "next_run");
    if (!json_is_true(json_object_get(rel, "is_source"))) {
        return;
    }
    int n = snprintf(text, sizeof(text), "%s%s", rpo_us ? "every " : "only when asked",
                     rpo_us ? show_span(rpo_us, span) : "");
    if (json_time(next)) {
        snprintf(text + n, sizeof(text) - (size_t)n, "; next at %s", show_time(next, when));
    }
    put("replicates", text, view, f);
}

static void put_limit(const json_t *rel, const struct status_view *view, FILE *f)
{
    const json_t *limit = json_object_get(rel, "limit");
    char text[TEXT], rate[SHOW_MAX], host[SHOW_MAX];
    uint64_t bytes_s = json_u64(limit, "bytes_s"), host_bytes_s = json_u64(limit, "host_bytes_s");
    const char *window = json_text(limit, "window");
    if (!bytes_s && !*window) {
        return;
    }
    int n = snprintf(text, sizeof(text), "%s", bytes_s ? show_rate(bytes_s, rate) : "none");
    if (host_bytes_s) {
        n += snprintf(text + n, sizeof(text) - (size_t)n, "; all transfers of this host %s",
                      show_rate(host_bytes_s, host));
    }
    if (*window) {
        snprintf(text + n, sizeof(text) - (size_t)n, " until %.5s (window %.63s)",
                 json_text(limit, "until"), window);
    }
    put("limit", text, view, f);
}

/* What libvirt has of the replica VM, and what this host lacks for it. */
static void put_definition(const json_t *d, const struct status_view *view, FILE *f)
{
    char text[TEXT];
    size_t i;
    json_t *note;
    if (!json_is_object(d) || (json_u64(d, "state") == 0 && !*json_text(d, "text"))) {
        return;
    }
    snprintf(text, sizeof(text), "%s%s%s%s", json_text(d, "state_text"),
             json_is_true(json_object_get(d, "running")) ? ", it runs" : "",
             *json_text(d, "text") ? ": " : "", json_text(d, "text"));
    put("replica VM", text, view, f);
    json_array_foreach(json_object_get(d, "notes"), i, note)
    {
        snprintf(text, sizeof(text), "%s: %s", json_text(note, "text"), json_text(note, "what"));
        put("lacks", text, view, f);
    }
}

static void put_head(const json_t *rel, const struct status_view *view, FILE *f)
{
    char text[TEXT];
    const char *name = json_text(rel, "vm_name"), *reason = json_text(rel, "reason");
    bool sends = json_is_true(json_object_get(rel, "is_source"));
    snprintf(text, sizeof(text), "%.127s %s %.255s", *name ? name : json_text(rel, "vm_id"),
             sends ? "->" : "<-", json_text(rel, "peer"));
    put("vm", text, view, f);
    snprintf(text, sizeof(text), "%s, %s%s", json_text(rel, "mode_text"),
             json_text(rel, "state_text"),
             json_is_true(json_object_get(rel, "needs_decision")) ? "; needs a decision" : "");
    put("state", text, view, f);
    snprintf(text, sizeof(text), "%s%s%.255s", json_text(rel, "health_text"), *reason ? ": " : "",
             reason);
    put("health", text, view, f);
}

/* --- what to do --- */

/* The name as a shell takes it. */
static void quoted(const char *name, char *buf, size_t cap)
{
    bool plain = vr_name_ok(name) || !*name;
    snprintf(buf, cap, plain || strchr(name, '\'') ? "%s" : "'%s'", name);
}

/* @V is the VM, @P the other host, @X the option that says which relationship. */
static void
fill(const char *form, const char *vm, const char *peer, const char *option, char *buf, size_t cap)
{
    size_t n = 0;
    while (*form && n + 1 < cap) {
        const char *what = form[0] != '@'   ? NULL
                           : form[1] == 'V' ? vm
                           : form[1] == 'P' ? peer
                                            : option;
        if (!what) {
            buf[n++] = *form++;
            continue;
        }
        size_t len = VR_MIN(strlen(what), cap - 1 - n);
        memcpy(buf + n, what, len);
        n += len;
        form += 2;
    }
    buf[n] = '\0';
}

static const char *advice_of_wait(uint64_t why, bool planned)
{
    switch (why) {
    case VR_WAITING_PAUSED:
        return "vmreplica resume @V@X goes on, vmreplica cancel @V@X ends it";
    case VR_WAITING_SPACE:
        return "make room on @P; it goes on by itself";
    case VR_WAITING_RETRY:
        return "nothing, it tries again by itself; vmreplica peer test @P says whether the "
               "other host can be reached";
    case VR_WAITING_DISKS:
        return "nothing, it tries again by itself, with a new instant of the disks";
    case VR_WAITING_SLOT:
        return "nothing, other transfers run";
    case VR_WAITING_SCHEDULE:
        return planned ? "nothing before that; vmreplica resync @V@X starts it now" : "";
    default:
        return "";
    }
}

static const char *advice_of_state(const json_t *rel)
{
    switch (json_u64(rel, "state")) {
    case VR_REL_READY:
        return "vmreplica start @V@X makes the first copy";
    case VR_REL_INITIAL:
        return json_is_true(json_object_get(rel, "exported"))
                   ? "carry the export to @P, vmreplica import @V DIR there, then vmreplica "
                     "resync @V@X here"
                   : "";
    case VR_REL_SUSPENDED:
        return "vmreplica resume @V@X";
    case VR_REL_CRITICAL:
        return json_is_true(json_object_get(rel, "needs_decision"))
                   ? "decide: vmreplica resync @V@X --force overwrites what only the replica "
                     "holds, vmreplica adopt @V@X accepts it"
                   : "vmreplica resync @V@X";
    case VR_REL_RESYNC_REQUIRED:
    case VR_REL_RESYNC_SUSPENDED:
        return "vmreplica resync @V@X";
    default:
        return "";
    }
}

const char *advice(const json_t *rel, char *buf, size_t cap)
{
    char vm[VR_NAME_MAX + 8];
    const json_t *job = json_object_get(rel, "job"), *wait = json_object_get(rel, "wait");
    const char *name = json_text(rel, "vm_name"), *form;
    bool extended = json_u64(rel, "number") == 1;
    quoted(*name ? name : json_text(rel, "vm_id"), vm, sizeof(vm));
    buf[0] = '\0';
    if (!json_is_true(json_object_get(rel, "is_source"))) {
        return buf; /* the other host decides */
    }
    if (json_is_object(wait)) {
        form = advice_of_wait(json_u64(wait, "why"), json_u64(rel, "state") != VR_REL_READY);
    } else if (json_is_object(job)) {
        form = "nothing; vmreplica pause @V@X, vmreplica bandwidth @V RATE@X and vmreplica "
               "cancel @V@X are possible";
    } else {
        form = advice_of_state(rel);
    }
    fill(form, vm, json_text(rel, "peer"), extended ? " --extended" : "", buf, cap);
    return buf;
}

void detail_rel(const json_t *rel, const struct status_view *view, FILE *f)
{
    const json_t *job = json_object_get(rel, "job"), *wait = json_object_get(rel, "wait");
    const json_t *end = json_object_get(rel, "peer_certificate_end");
    char text[TEXT], when[SHOW_MAX];
    put_head(rel, view, f);
    put_interval(rel, view, f);
    put_recovery(rel, view, f);
    if (json_is_object(job)) {
        put_job(rel, job, view, f);
    } else {
        detail_plan(rel, view, f);
    }
    if (json_is_object(wait)) {
        put_wait(wait, view, f);
    }
    put_limit(rel, view, f);
    put_staging(json_object_get(rel, "staging"), view, f);
    put_definition(json_object_get(rel, "definition"), view, f);
    put_last_error(json_object_get(rel, "last_job"), view, f);
    if (json_time(end)) {
        snprintf(text, sizeof(text), "of the other host, ends %s", show_time(end, when));
        put("certificate", text, view, f);
    }
    if (*advice(rel, text, sizeof(text))) {
        put("do", text, view, f);
    }
}
