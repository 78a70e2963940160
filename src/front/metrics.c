/* SPDX-License-Identifier: Apache-2.0 */
#include "front/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "front/caller.h"
#include "model/metrics.h"
#include "util/buf.h"
#include "util/num.h"

#define TYPE "text/plain; version=0.0.4; charset=utf-8"
#define BLOCK 32768
/* A relationship's labels: each byte of a name may become two, or three where it is no UTF-8. */
#define LABELS_MAX (3 * (VR_NAME_MAX + VR_HOST_MAX) + 128)
#define LABELS_ALL_MAX (64u << 20)
/* The longest line: labels, or the longest help. */
#define LINE_MAX (LABELS_MAX + 512)

#define UNKNOWN INT64_MIN /* printed as -1, whatever the unit */

struct row {
    size_t labels; /* where they begin in snapshot.labels */
    int64_t value[VR_METRIC_COUNT];
    int64_t cycles[VR_METRIC_RESULT_COUNT];
    enum vr_waiting waiting;
    enum vr_health_reason required; /* why it must be resynchronized; NONE: it need not */
};

/* What one request is told, and how far it was. */
struct snapshot {
    struct row *rows;
    size_t nrows, cap;
    struct vr_buf labels; /* texts with their NUL */
    char version[64];
    size_t metric, row; /* the next line's; row 0 with `headed` false: its heading */
    size_t part;        /* of a row with several lines */
    bool headed;
    char block[BLOCK];
    size_t block_len, block_at;
};

/* --- on the control thread: the snapshot --- */

static void set(struct row *row, enum vr_metric m, uint64_t v)
{
    row->value[m] = v > INT64_MAX ? INT64_MAX : (int64_t)v;
}

/* A series that disappears would say that the daemon is down. */
static void set_if(struct row *row, enum vr_metric m, bool known, uint64_t v)
{
    set(row, m, v);
    row->value[m] = known ? row->value[m] : UNKNOWN;
}

static uint64_t since(uint64_t now_us, uint64_t t_us)
{
    return now_us > t_us ? now_us - t_us : 0;
}

static uint64_t verify_state(enum vr_verify v)
{
    return v == VR_VERIFY_EQUAL ? 0 : v == VR_VERIFY_DIFFERS ? 1 : 2;
}

static void fill_state(struct row *row, const struct api_rel *rel, uint64_t now_us)
{
    const struct vr_rel *r = &rel->rel;
    bool sends = r->is_source;
    uint64_t compared_us = r->verified_us ? r->verified_us : r->created_us;
    set(row, VR_METRIC_STATE, (uint64_t)r->state);
    set(row, VR_METRIC_HEALTH, (uint64_t)r->health);
    set_if(row, VR_METRIC_RPO, sends && r->setting.interval_s != 0,
           r->setting.interval_s * (uint64_t)1000000);
    set_if(row, VR_METRIC_LAG, r->last_sync_us != 0, since(now_us, r->last_sync_us));
    set(row, VR_METRIC_RECOVERABLE, r->last_sync_us);
    set(row, VR_METRIC_POINTS, r->last_sync_us ? 1 : 0);
    set(row, VR_METRIC_NEXT_RUN, rel->next_run_us);
    row->required = r->state != VR_REL_RESYNC_REQUIRED ? VR_WHY_NONE
                    : r->cause                         ? r->cause
                                                       : VR_WHY_REQUIRED;
    set(row, VR_METRIC_LINEAGE_CONFLICT, r->needs_decision);
    set(row, VR_METRIC_VERIFY, sends ? verify_state(r->verify) : 2);
    set_if(row, VR_METRIC_UNVERIFIED, sends && compared_us, since(now_us, compared_us));
    set(row, VR_METRIC_CERT_EXPIRY, rel->peer_cert_end_us);
    set(row, VR_METRIC_TEST_FAILOVER, 0); /* not offered yet */
}

static void fill_counts(struct row *row, const struct api_rel *rel)
{
    const struct vr_stats *st = &rel->stats;
    bool sends = rel->rel.is_source;
    set(row, VR_METRIC_LAST_SUCCESS, st->success_us);
    set_if(row, VR_METRIC_CYCLE_DURATION, st->success_us != 0, st->success_duration_us);
    row->cycles[VR_METRIC_RESULT_SUCCESS] = (int64_t)st->totals.successes;
    row->cycles[VR_METRIC_RESULT_MISS] = (int64_t)st->totals.misses;
    row->cycles[VR_METRIC_RESULT_NETWORK] = (int64_t)st->totals.network_failures;
    row->cycles[VR_METRIC_RESULT_FAILURE] = (int64_t)st->totals.failures;
    set(row, VR_METRIC_RESTARTS, st->totals.restarts);
    set(row, VR_METRIC_FREEZE_FAILURES, st->totals.freeze_failures);
    set(row, VR_METRIC_BACKOFFS, st->totals.eased);
    set(row, VR_METRIC_FREEZE, st->totals.frozen_us);
    set(row, VR_METRIC_SENT, sends ? rel->sent_bytes : 0);
    set_if(row, VR_METRIC_PENDING, sends && rel->all_sent, 0);
}

static void fill_transfer(struct row *row, const struct api_rel *rel, uint64_t now_us)
{
    static const struct vr_progress none;
    const struct vr_job *job = rel->job;
    const struct vr_progress *p = job ? &job->progress : &none;
    bool runs = job && job->state == VR_JOB_RUNNING;
    set(row, VR_METRIC_RESYNC_PHASE, runs ? (uint64_t)p->phase : 0);
    set(row, VR_METRIC_COMPARED, p->bytes_compared);
    set(row, VR_METRIC_TOTAL, p->bytes_total);
    set(row, VR_METRIC_TRANSFERRED, p->bytes_sent);
    set(row, VR_METRIC_DIFFERING, p->bytes_differing);
    set(row, VR_METRIC_STAGING, rel->staging.open ? rel->staging.bytes : 0);
    set_if(row, VR_METRIC_STAGING_LIMIT, rel->staging.open && rel->staging.limit_bytes,
           rel->staging.limit_bytes);
    set(row, VR_METRIC_BACKOFF, runs ? p->ease.level : 0);
    set_if(row, VR_METRIC_WRITE_LATENCY, runs && p->ease.latency_us, p->ease.latency_us);
    row->waiting = rel->wait.why;
    set(row, VR_METRIC_QUEUE_WAIT, since(now_us, rel->wait.since_us));
}

/* The length of the UTF-8 character that begins here; 0: none does. */
static size_t utf8_len(const unsigned char *p)
{
    size_t n = *p < 0x80                 ? 1
               : *p >= 0xc2 && *p < 0xe0 ? 2
               : *p >= 0xe0 && *p < 0xf0 ? 3
               : *p >= 0xf0 && *p < 0xf5 ? 4
                                         : 0;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool bad = (*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] >= 0xa0) ||
               (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] >= 0x90);
    return bad ? 0 : n;
}

/* Backslash, quote and newline are escaped; what is no UTF-8 becomes U+FFFD. */
static void put_label(struct vr_buf *b, const char *name, const char *value)
{
    const unsigned char *p = (const unsigned char *)value;
    vr_buf_printf(b, "%s=\"", name);
    while (*p) {
        size_t n = utf8_len(p);
        if (n == 0) {
            vr_buf_text(b, "\xef\xbf\xbd");
            p++;
        } else if (*p == '\\' || *p == '"') {
            vr_buf_printf(b, "\\%c", *p++);
        } else if (*p == '\n') {
            vr_buf_text(b, "\\n");
            p++;
        } else {
            vr_buf_bytes(b, p, n);
            p += n;
        }
    }
    vr_buf_text(b, "\"");
}

static void put_labels(struct vr_buf *b, const struct api_rel *rel)
{
    char id[VR_UUID_TEXT_LEN], number[2] = {(char)('0' + rel->rel.number), '\0'};
    const struct vr_rel *r = &rel->rel;
    vr_uuid_text(&r->vm_id, id);
    put_label(b, "vm", rel->vm_name[0] ? rel->vm_name : id);
    vr_buf_text(b, ",");
    put_label(b, "peer", r->peer_identity[0] ? r->peer_identity : r->peer);
    vr_buf_text(b, ",");
    put_label(b, "relationship", number);
    vr_buf_text(b, ",");
    put_label(b, "vm_id", id);
    vr_buf_u8(b, 0);
}

static bool add_row(struct snapshot *s, const struct api_rel *rel, uint64_t now_us)
{
    if (s->nrows == s->cap) {
        size_t cap = s->cap ? 2 * s->cap : 64;
        struct row *rows = reallocarray(s->rows, cap, sizeof(*rows));
        if (!rows) {
            return false;
        }
        s->rows = rows;
        s->cap = cap;
    }
    struct row *row = &s->rows[s->nrows++];
    *row = (struct row){.labels = s->labels.len};
    fill_state(row, rel, now_us);
    fill_counts(row, rel);
    fill_transfer(row, rel, now_us);
    put_labels(&s->labels, rel);
    return !s->labels.failed;
}

static void snapshot_free(void *ctx)
{
    struct snapshot *s = ctx;
    vr_buf_deinit(&s->labels);
    free(s->rows);
    free(s);
}

/* NULL: no memory. */
static struct snapshot *take_snapshot(const struct metrics *m, const struct api_caller *who)
{
    struct snapshot *s = calloc(1, sizeof(*s));
    struct api_rel *rel = malloc(sizeof(*rel)); /* some KiB: not for the stack */
    bool ok = s && rel;
    if (s) {
        vr_buf_init(&s->labels, LABELS_ALL_MAX);
        snprintf(s->version, sizeof(s->version), "%s", m->version);
    }
    uint64_t now = m->now_us();
    m->ops->enter(m->ops_ctx, who);
    for (size_t i = 0; ok && m->ops->rel_next(m->ops_ctx, &i, NULL, rel);) {
        ok = add_row(s, rel, now);
    }
    free(rel);
    if (s && !ok) {
        snapshot_free(s);
    }
    return ok ? s : NULL;
}

/* --- on an HTTP thread: the text --- */

/* A line ends in s->block, which has room for it. */
static void VR_PRINTF(2, 3) put(struct snapshot *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(s->block + s->block_len, BLOCK - s->block_len, fmt, ap);
    va_end(ap);
    vr_assert(n >= 0 && (size_t)n < BLOCK - s->block_len);
    s->block_len += (size_t)n;
}

static void put_value(struct snapshot *s, const struct vr_metric_info *info, int64_t v)
{
    if (v == UNKNOWN) {
        put(s, "-1\n");
    } else if (info->seconds && v % 1000000 != 0) {
        put(s, "%" PRId64 ".%06" PRId64 "\n", v / 1000000, v % 1000000);
    } else {
        put(s, "%" PRId64 "\n", info->seconds ? v / 1000000 : v);
    }
}

/* The part-th reason of repl_resync_required: the state itself, and those that lead there. */
static const struct vr_health_row *required_row(size_t part)
{
    const struct vr_health_row *row;
    for (unsigned i = 0; (row = vr_health_row_at(i)); i++) {
        bool counts = row->why == VR_WHY_REQUIRED || row->why >= VR_WHY_STATE_9_FIRST;
        if (counts && part-- == 0) {
            return row;
        }
    }
    return NULL;
}

/* Of a metric with a label of its own: its part-th value and that label's; false: no more. */
static bool
part_of(enum vr_metric m, const struct row *row, size_t part, const char **ret_label, int64_t *ret)
{
    static const char *const results[] = {
#define X(id, text) text,
        VR_METRIC_RESULTS(X)
#undef X
    };
    if (m == VR_METRIC_CYCLES && part < VR_COUNT(results)) {
        *ret_label = results[part];
        *ret = row->cycles[part];
        return true;
    }
    const struct vr_health_row *why = m == VR_METRIC_RESYNC_REQUIRED ? required_row(part) : NULL;
    if (why) {
        *ret_label = why->id;
        *ret = row->required == why->why;
        return true;
    }
    if (m == VR_METRIC_QUEUE_WAIT && part < VR_WAITING_LAST) {
        *ret_label = vr_waiting_text((int)part + 1);
        *ret = (size_t)row->waiting == part + 1 ? row->value[m] : 0;
        return true;
    }
    return false;
}

/* One series of a row; false: the row has no more. */
static bool put_sample(struct snapshot *s, enum vr_metric m, const struct row *row, size_t part)
{
    const struct vr_metric_info *info = &vr_metrics[m];
    const char *labels = (const char *)s->labels.data + row->labels, *label = NULL;
    int64_t v = row->value[m];
    if (m == VR_METRIC_BUILD || (info->label[0] ? !part_of(m, row, part, &label, &v) : part > 0)) {
        return false;
    }
    put(s, "%s{%s", info->name, labels);
    if (label) {
        put(s, ",%s=\"%s\"", info->label, label);
    }
    put(s, "} ");
    put_value(s, info, v);
    return true;
}

static void put_heading(struct snapshot *s, enum vr_metric m)
{
    const struct vr_metric_info *info = &vr_metrics[m];
    put(s, "# HELP %s %s\n# TYPE %s %s\n", info->name, info->help, info->name,
        info->counter ? "counter" : "gauge");
    if (m == VR_METRIC_BUILD) {
        put(s, "%s{%s=\"%s\"} 1\n", info->name, info->label, s->version);
    }
}

/* Fills the block with whole lines. */
static void fill_block(struct snapshot *s)
{
    s->block_len = s->block_at = 0;
    while (s->metric < VR_METRIC_COUNT && BLOCK - s->block_len > LINE_MAX) {
        enum vr_metric m = (enum vr_metric)s->metric;
        if (!s->headed) {
            put_heading(s, m);
            s->headed = true;
        } else if (s->row == s->nrows) {
            s->metric++;
            s->row = s->part = 0;
            s->headed = false;
        } else if (put_sample(s, m, &s->rows[s->row], s->part)) {
            s->part++;
        } else {
            s->row++;
            s->part = 0;
        }
    }
}

static size_t read_text(void *ctx, char *buf, size_t max)
{
    struct snapshot *s = ctx;
    if (s->block_at == s->block_len) {
        fill_block(s);
    }
    size_t n = VR_MIN(max, s->block_len - s->block_at);
    memcpy(buf, s->block + s->block_at, n);
    s->block_at += n;
    return n;
}

void metrics_handle(void *ctx, struct http_request *r)
{
    struct api_caller who = front_caller(r);
    struct snapshot *s = take_snapshot(ctx, &who);
    if (!s) {
        http_reply_error(r, 500, "out of memory");
        return;
    }
    const struct http_stream stream = {.read = read_text, .release = snapshot_free, .ctx = s};
    http_reply_stream(r, 200, TYPE, &stream);
}
