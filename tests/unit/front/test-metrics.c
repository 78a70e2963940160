/* SPDX-License-Identifier: Apache-2.0 */
/* /metrics without a server: this file gives the http_* functions it is linked against. */
#include "front/metrics.h"

#include "model/metrics.h"
#include "tests/lib/check.h"
#include "util/num.h"

#define NOW 2000000000500000ull

struct http_request {
    unsigned status;
    char *text;
    size_t len;
    int answers;
    size_t most; /* bytes asked for at once */
};

void http_reply_error(struct http_request *r, unsigned status, const char *detail)
{
    fail_msg("http_reply_error: %u %s", status, detail);
}

void http_reply_stream(struct http_request *r,
                       unsigned status,
                       const char *content_type,
                       const struct http_stream *take_stream)
{
    char buf[4096];
    size_t n;
    FILE *f = open_memstream(&r->text, &r->len);
    assert_string_equal(content_type, "text/plain; version=0.0.4; charset=utf-8");
    while ((n = take_stream->read(take_stream->ctx, buf, r->most)) > 0) {
        assert_true(n <= r->most);
        fwrite(buf, 1, n, f);
    }
    assert_int_equal(take_stream->read(take_stream->ctx, buf, r->most), 0);
    take_stream->release(take_stream->ctx);
    fclose(f);
    r->status = status;
    r->answers++;
}

const char *http_user(const struct http_request *r)
{
    return "ann";
}

enum vr_role http_role(const struct http_request *r)
{
    return VR_ROLE_VIEWER;
}

const struct vr_scope *http_scope(const struct http_request *r)
{
    static const struct vr_scope one = {.limited = true, .n = 1};
    return &one;
}

static struct api_rel rels[2];
static size_t nrels;

static struct api_caller entered;

static void enter(void *ctx, const struct api_caller *who)
{
    entered = *who;
}

static bool rel_next(void *ctx, size_t *at, const struct vr_uuid *vm, struct api_rel *ret)
{
    size_t i = (*at)++;
    assert_true(entered.scope.limited); /* whoever asks is said before anything is asked */
    assert_null(vm);
    if (i >= nrels) {
        return false;
    }
    *ret = rels[i % VR_COUNT(rels)];
    ret->rel.number = (uint8_t)(i % 2);
    return true;
}

static uint64_t now_us(void)
{
    return NOW;
}

/* The text, to be freed. */
static char *ask(size_t most)
{
    static const struct api_ops ops = {.name = "fake", .enter = enter, .rel_next = rel_next};
    const struct metrics m = {.ops = &ops, .version = "1.2.3", .now_us = now_us};
    struct http_request r = {.most = most};
    metrics_handle((void *)(uintptr_t)&m, &r);
    assert_int_equal(r.answers, 1);
    assert_int_equal(r.status, 200);
    return r.text;
}

static int setup(void **state)
{
    memset(rels, 0, sizeof(rels));
    nrels = 0;
    return 0;
}

static void has(const char *text, const char *line)
{
    char want[2048];
    snprintf(want, sizeof(want), "\n%s\n", line);
    if (!strstr(text, want)) {
        fail_msg("not there: %s\n%s", line, text);
    }
}

static void has_not(const char *text, const char *part)
{
    if (strstr(text, part)) {
        fail_msg("there: %s\n%s", part, text);
    }
}

/* Every name is there from the start, with nothing that was made up. */
static void test_nothing_protected(void **state)
{
    char *text = ask(4096), line[600];
    for (size_t i = 0; i < VR_METRIC_COUNT; i++) {
        snprintf(line, sizeof(line), "# TYPE %s %s", vr_metrics[i].name,
                 vr_metrics[i].counter ? "counter" : "gauge");
        has(text, line);
        snprintf(line, sizeof(line), "# HELP %s ", vr_metrics[i].name);
        assert_non_null(strstr(text, line));
        assert_null(strchr(vr_metrics[i].help, '\\'));
        assert_null(strchr(vr_metrics[i].help, '\n'));
    }
    has(text, "repl_build_info{version=\"1.2.3\"} 1");
    has_not(text, "{vm=");
    free(text);
}

#define ID "07000000-0000-0000-0000-000000000000"
#define L(rest) "{vm=\"db01\",peer=\"hv2\",relationship=\"0\",vm_id=\"" ID "\"" rest "} "

static void fresh(struct api_rel *rel)
{
    *rel = (struct api_rel){.vm_name = "db01"};
    rel->rel.vm_id.b[0] = 7;
    rel->rel.is_source = true;
    rel->rel.state = VR_REL_READY;
    rel->rel.health = VR_HEALTH_WARNING;
    rel->rel.created_us = NOW - 5500000;
    memcpy(rel->rel.peer_identity, "hv2", 4);
}

static void test_fresh(void **state)
{
    nrels = 1;
    fresh(&rels[0]);
    char *text = ask(4096);
    has(text, "repl_state" L() "1");
    has(text, "repl_health" L() "2");
    has(text, "repl_recoverable_timestamp_seconds" L() "0");
    has(text, "repl_cycles_total" L(",result=\"miss\"") "0");
    has(text, "repl_sent_bytes_total" L() "0");
    has(text, "repl_verify_state" L() "2");
    has(text, "repl_oldest_unverified_seconds" L() "5.500000");
    has(text, "repl_resync_phase" L() "0");
    has(text, "repl_freeze_failures_total" L() "0");
    has(text, "repl_lag_seconds" L() "-1");
    has(text, "repl_rpo_seconds" L() "-1");
    has(text, "repl_pending_bytes" L() "-1");
    has(text, "repl_freeze_seconds" L() "0");
    has(text, "repl_queue_wait_seconds" L(",reason=\"slot\"") "0");
    has(text, "repl_queue_wait_seconds" L(",reason=\"disks\"") "0");
    has(text, "repl_resync_required" L(",reason=\"resynchronization-required\"") "0");
    has(text, "repl_resync_required" L(",reason=\"interrupted\"") "0");
    has_not(text, "reason=\"slow\"");
    has(text, "repl_staging_bytes" L() "0");
    has(text, "repl_staging_limit_bytes" L() "-1");
    has(text, "repl_cycle_duration_seconds" L() "-1");
    has(text, "repl_peer_cert_expiry_timestamp_seconds" L() "0");
    for (size_t i = 0; i < VR_METRIC_COUNT; i++) { /* every one has its series */
        char series[128];
        snprintf(series, sizeof(series), "\n%s{", vr_metrics[i].name);
        assert_non_null(strstr(text, series));
    }
    free(text);
}

static void test_values(void **state)
{
    struct vr_job job = {.state = VR_JOB_RUNNING,
                         .progress = {.phase = VR_PHASE_COMPARE,
                                      .bytes_total = 100,
                                      .bytes_compared = 50,
                                      .bytes_differing = 20,
                                      .bytes_sent = 10,
                                      .ease = {2, 3, 12500}}};
    nrels = 1;
    fresh(&rels[0]);
    struct api_rel *rel = &rels[0];
    rel->rel.state = VR_REL_RESYNC_REQUIRED;
    rel->rel.cause = VR_WHY_CHANGED_ALONE;
    rel->rel.needs_decision = true;
    rel->rel.setting.interval_s = 300;
    rel->rel.last_sync_us = NOW - 90000000;
    rel->rel.verified_us = NOW - 10000000;
    rel->rel.verify = VR_VERIFY_DIFFERS;
    rel->job = &job;
    rel->wait = (struct vr_wait){.why = VR_WAITING_SPACE, .since_us = NOW - 3000000};
    rel->next_run_us = NOW + 1000000;
    rel->sent_bytes = 1ull << 40;
    rel->all_sent = true;
    rel->peer_cert_end_us = 2100000000000000ull;
    rel->staging = (struct api_staging){true, 11, 0};
    rel->stats.success_us = NOW - 80000000;
    rel->stats.success_duration_us = 1250000;
    rel->stats.totals = (struct vr_totals){.successes = 1,
                                           .misses = 2,
                                           .network_failures = 3,
                                           .failures = 4,
                                           .restarts = 5,
                                           .freeze_failures = 6,
                                           .eased = 7,
                                           .frozen_us = 250000};
    char *text = ask(4096);
    has(text, "repl_resync_required" L(",reason=\"replica-changed\"") "1");
    has(text, "repl_resync_required" L(",reason=\"resynchronization-required\"") "0");
    has(text, "repl_rpo_seconds" L() "300");
    has(text, "repl_lineage_conflict" L() "1");
    has(text, "repl_lag_seconds" L() "90");
    has(text, "repl_recoverable_timestamp_seconds" L() "1999999910.500000");
    has(text, "repl_last_success_timestamp_seconds" L() "1999999920.500000");
    has(text, "repl_next_run_timestamp_seconds" L() "2000000001.500000");
    has(text, "repl_cycle_duration_seconds" L() "1.250000");
    has(text, "repl_cycles_total" L(",result=\"success\"") "1");
    has(text, "repl_cycles_total" L(",result=\"miss\"") "2");
    has(text, "repl_cycles_total" L(",result=\"network\"") "3");
    has(text, "repl_cycles_total" L(",result=\"failure\"") "4");
    has(text, "repl_resync_restarts_total" L() "5");
    has(text, "repl_freeze_failures_total" L() "6");
    has(text, "repl_freeze_seconds" L() "0.250000");
    has(text, "repl_read_backoffs_total" L() "7");
    has(text, "repl_read_backoff_level" L() "2");
    has(text, "repl_guest_write_latency_seconds" L() "0.012500");
    has(text, "repl_sent_bytes_total" L() "1099511627776");
    has(text, "repl_pending_bytes" L() "0");
    has(text, "repl_resync_phase" L() "2");
    has(text, "repl_resync_compared_bytes" L() "50");
    has(text, "repl_resync_total_bytes" L() "100");
    has(text, "repl_resync_differing_bytes" L() "20");
    has(text, "repl_resync_transferred_bytes" L() "10");
    has(text, "repl_verify_state" L() "1");
    has(text, "repl_oldest_unverified_seconds" L() "10");
    has(text, "repl_staging_bytes" L() "11");
    has(text, "repl_staging_limit_bytes" L() "-1"); /* nobody looked yet */
    has(text, "repl_points" L() "1");
    has(text, "repl_queue_wait_seconds" L(",reason=\"space\"") "3");
    has(text, "repl_peer_cert_expiry_timestamp_seconds" L() "2100000000");
    free(text);
    /* what only the side that sends knows */
    rel->rel.is_source = false;
    rel->rel.cause = VR_WHY_NONE;
    job.state = VR_JOB_SUSPENDED;
    rel->staging.limit_bytes = 12;
    rel->rel.last_sync_us = NOW + 7; /* a clock that was set back */
    text = ask(4096);
    has(text, "repl_sent_bytes_total" L() "0");
    has(text, "repl_verify_state" L() "2");
    has(text, "repl_oldest_unverified_seconds" L() "-1");
    has(text, "repl_pending_bytes" L() "-1");
    has(text, "repl_rpo_seconds" L() "-1");
    has(text, "repl_resync_required" L(",reason=\"resynchronization-required\"") "1");
    has(text, "repl_resync_phase" L() "0");
    has(text, "repl_staging_limit_bytes" L() "12");
    has(text, "repl_lag_seconds" L() "0");
    free(text);
}

static void test_labels(void **state)
{
    static const struct {
        const char *name, *label;
    } rows[] = {
        {"a\"b\\c\nd", "a\\\"b\\\\c\\nd"},
        {"w\xc3\xbcrm \xf0\x9f\x90\x9b", "w\xc3\xbcrm \xf0\x9f\x90\x9b"},
        {"bad\xff\xc3", "bad\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* half of a pair */
        {"\xc0\xaf\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
                                     "\xef\xbf\xbd"},
        {"", ID},
    };
    nrels = 1;
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        char want[512];
        fresh(&rels[0]);
        snprintf(rels[0].vm_name, sizeof(rels[0].vm_name), "%s", rows[i].name);
        rels[0].rel.peer_identity[0] = '\0';
        memcpy(rels[0].rel.peer, "hv2:1", 6);
        char *text = ask(4096);
        snprintf(want, sizeof(want),
                 "repl_state{vm=\"%s\",peer=\"hv2:1\",relationship=\"0\",vm_id=\"" ID "\"} 1",
                 rows[i].label);
        has(text, want);
        free(text);
    }
}

/* The longest names, growing most; many blocks; pieces of any size. */
static void test_long(void **state)
{
    nrels = 300;
    for (size_t i = 0; i < VR_COUNT(rels); i++) {
        fresh(&rels[i]);
        memset(rels[i].vm_name, '\xff', VR_NAME_MAX - 1);
        memset(rels[i].rel.peer_identity, '\xff', VR_HOST_MAX - 1);
        rels[i].wait.why = VR_WAITING_SCHEDULE;
    }
    char *whole = ask(4096);
    size_t lines = 0;
    for (const char *p = whole; (p = strstr(p, "\nrepl_state{")); p++) {
        lines++;
    }
    assert_int_equal(lines, 300);
    static const size_t sizes[] = {1, 7, 1000};
    for (size_t i = 0; i < VR_COUNT(sizes); i++) {
        char *pieces = ask(sizes[i]);
        assert_string_equal(pieces, whole);
        free(pieces);
    }
    free(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_nothing_protected, setup),
        cmocka_unit_test_setup(test_fresh, setup),
        cmocka_unit_test_setup(test_values, setup),
        cmocka_unit_test_setup(test_labels, setup),
        cmocka_unit_test_setup(test_long, setup),
    };
    return RUN(tests);
}
