/* SPDX-License-Identifier: Apache-2.0 */
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/names.h"
#include "store/store.h"
#include "tests/lib/check.h"
#include "tests/lib/tmpdir.h"
#include "tests/unit/store/old.h"
#include "util/fdio.h"
#include "util/num.h"

static char dir[] = "/tmp/vr-store-XXXXXX";
static char path[64];
static unsigned counter;
static struct vr_err err;

/* Every test has a database of its own. */
static struct store *fresh(void)
{
    struct store *s;
    snprintf(path, sizeof path, "%s/%u.db", dir, counter++);
    CHECK_OK(store_open(path, &s, &err), &err);
    return s;
}

static void sql(const char *text)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    int rc = sqlite3_exec(db, text, NULL, NULL, NULL);
    if (rc != SQLITE_OK) {
        fail_msg("%s: %s", text, sqlite3_errmsg(db));
    }
    sqlite3_close(db);
}

/* Fills an object with bytes that differ everywhere, then makes the members that have a form
 * well-formed. */
static struct vr_rel some_rel(void)
{
    struct vr_rel rel = {
        .vm_id = vr_uuid_new(),
        .number = 1,
        .is_source = true,
        .state = VR_REL_RESYNC_SUSPENDED,
        .health = VR_HEALTH_WARNING,
        .reason = "it's \"so\"",
        .peer = "b.example:8650",
        .peer_identity = "b.example",
        .storage = "/srv/replica",
        .auth_host = "*.example",
        .excluded = "vdb vdd",
        .setting = {.interval_s = 900, .auto_resync = true, .auto_start_s = 1, .auto_end_s = 2},
        .proposed = vr_uuid_new(),
        .nhistory = VR_HISTORY_MAX,
        .created_us = 1,
        .last_sync_us = INT64_MAX,
        .verified_us = 5,
        .verify = VR_VERIFY_DIFFERS,
        .bandwidth_bytes_s = 77,
        .exported = true,
        .proposed_job = 12,
        .proposed_us = 13,
        .proposed_consistency = VR_CONSISTENCY_APPLICATION,
        .proposed_from = vr_uuid_new(),
        .made_from = vr_uuid_new(),
        .consistency = VR_CONSISTENCY_FILE_SYSTEM,
        .cause = VR_WHY_GEOMETRY,
        .cycle_us = 26,
        .stamp = {27, [VR_STAMP_BYTES - 1] = 28},
        .needs_decision = true,
        .stats = {.now = {.start_us = 10,
                          .end_us = 11,
                          .successes = 12,
                          .misses = 13,
                          .network_failures = 14,
                          .failures = UINT32_MAX,
                          .bytes = INT64_MAX,
                          .bytes_max = 15,
                          .latency_us = 16,
                          .latency_max_us = 17,
                          .health = VR_HEALTH_OK},
                  .last = {.start_us = 20, .end_us = 21, .misses = 22},
                  .success_us = 24,
                  .success_duration_us = 25,
                  .open_bytes = 23}};
    rel.generation = (struct vr_generation){vr_uuid_new(), vr_uuid_new(), 1ull << 40, UINT32_MAX};
    for (uint32_t i = 0; i < VR_HISTORY_MAX; i++) {
        rel.history[i] = vr_uuid_new();
    }
    return rel;
}

struct got {
    struct vr_rel rel;
    struct vr_job job;
    struct vr_auth_entry auth;
    uint64_t seq[8];
    unsigned n;
};

static int got_rel(void *ctx, const struct vr_rel *rel, struct vr_err *e)
{
    struct got *g = ctx;
    g->rel = *rel;
    g->n++;
    return 0;
}

static int got_job(void *ctx, const struct vr_job *job, struct vr_err *e)
{
    struct got *g = ctx;
    g->job = *job;
    g->n++;
    return 0;
}

static int got_auth(void *ctx, const struct vr_auth_entry *entry, struct vr_err *e)
{
    struct got *g = ctx;
    g->auth = *entry;
    g->n++;
    return 0;
}

static int got_report(void *ctx, const struct vr_report *report, struct vr_err *e)
{
    struct got *g = ctx;
    g->seq[g->n++ % 8] = report->job_id;
    return 0;
}

static int got_event(void *ctx, const struct vr_event *event, struct vr_err *e)
{
    struct got *g = ctx;
    g->seq[g->n++ % 8] = event->seq;
    return 0;
}

static struct store *reopen(struct store *s)
{
    store_close(s);
    CHECK_OK(store_open(path, &s, &err), &err);
    return s;
}

static void test_rel_comes_back_whole(void **state)
{
    struct store *s = fresh();
    struct vr_rel rel = some_rel();
    struct got g = {0};
    CHECK_OK(store_save_rel(s, &rel, &err), &err);
    rel.nhistory = 3;
    memset(rel.excluded, 0, sizeof rel.excluded);
    memcpy(rel.excluded, "vdd", 3);
    rel.stats.last = (struct vr_window){0}; /* none yet: no row */
    memset(&rel.history[3], 0, sizeof rel.history[0] * (VR_HISTORY_MAX - 3));
    CHECK_OK(store_save_rel(s, &rel, &err), &err);
    s = reopen(s);
    CHECK_OK(store_load_rels(s, got_rel, &g, &err), &err);
    assert_int_equal(g.n, 1);
    assert_string_equal(g.rel.excluded, "vdd"); /* the second save left no rows of the first */
    assert_int_equal(g.rel.nhistory, 3);
    assert_string_equal(g.rel.reason, rel.reason);
    assert_memory_equal(g.rel.history, rel.history, sizeof rel.history);
    assert_memory_equal(&g.rel, &rel, sizeof rel);
    CHECK_OK(store_delete_rel(s, &rel.vm_id, 0, &err), &err); /* another number: not this one */
    CHECK_OK(store_load_rels(s, got_rel, &g, &err), &err);
    assert_int_equal(g.n, 2);
    CHECK_OK(store_delete_rel(s, &rel.vm_id, 1, &err), &err);
    CHECK_OK(store_load_rels(s, got_rel, &g, &err), &err);
    assert_int_equal(g.n, 2);
    store_close(s);
}

static void test_job_comes_back_whole(void **state)
{
    struct store *s = fresh();
    struct got g = {0};
    struct vr_job job = {.id = 41,
                         .uuid = vr_uuid_new(),
                         .vm_id = vr_uuid_new(),
                         .vm_name = "web-1",
                         .rel_number = 1,
                         .type = VR_JOBTYPE_RESYNC_EXTENDED,
                         .state = VR_JOB_SUSPENDED,
                         .status = "st",
                         .error_code = 32768,
                         .error_kind = VR_E_CORRUPT,
                         .error_text = "et",
                         .initiator = "anna",
                         .submitted_us = 1,
                         .scheduled_us = 2,
                         .started_us = 3,
                         .finished_us = 4,
                         .changed_us = 5,
                         .force = true,
                         .cancellable = true,
                         .progress = {VR_PHASE_COMMIT, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
    CHECK_OK(store_save_job(s, &job, &err), &err);
    job.user_suspended = job.restart = job.seeded = true;
    CHECK_OK(store_save_job(s, &job, &err), &err);
    s = reopen(s);
    CHECK_OK(store_load_jobs(s, got_job, &g, &err), &err);
    assert_int_equal(g.n, 1);
    assert_memory_equal(&g.job.progress, &job.progress, sizeof job.progress);
    assert_memory_equal(&g.job, &job, sizeof job);
    CHECK_OK(store_delete_job(s, 41, &err), &err);
    CHECK_OK(store_load_jobs(s, got_job, &g, &err), &err);
    assert_int_equal(g.n, 1);
    store_close(s);
}

static void test_reports(void **state)
{
    struct store *s = fresh();
    struct vr_report report = {.vm_id = vr_uuid_new(),
                               .instant_id = vr_uuid_new(),
                               .instant_us = 9,
                               .ndisks = 2,
                               .duration_us = 8,
                               .initiator = "anna",
                               .outcome = "proven equal",
                               .equal = true,
                               .forecast = {1, 2, 3, 4, 5, 6}};
    struct vr_report back;
    struct got g = {0};
    report.disks[0] = (struct vr_report_disk){"vda", 1, 2, 3, 4, 5, 70, {6}, {7}};
    report.disks[1] = (struct vr_report_disk){"vdb", 8, 9, 10, 11, 12, 70, {13}, {14}};
    for (report.job_id = 1; report.job_id <= 3; report.job_id++) {
        CHECK_OK(store_save_report(s, &report, &err), &err);
    }
    report.job_id = 2;
    CHECK_OK(store_save_report(s, &report, &err), &err); /* again: its disks are not doubled */
    CHECK_OK(store_find_report(s, 2, &back, &err), &err);
    assert_memory_equal(back.disks, report.disks, sizeof report.disks);
    assert_memory_equal(&back, &report, sizeof report);
    CHECK_OK(store_load_reports(s, 2, got_report, &g, &err), &err);
    assert_int_equal(g.n, 2);
    assert_int_equal(g.seq[0], 3);
    CHECK_OK(store_delete_report(s, 2, &err), &err);
    CHECK_FAILS(store_find_report(s, 2, &back, &err), &err, VR_E_NOT_FOUND, "job 2");
    store_close(s);
}

static void test_auth_and_meta(void **state)
{
    struct store *s = fresh();
    struct vr_auth_entry e = {"*.example", "blue", "/srv/replica"};
    struct got g = {0};
    char value[STORE_META_MAX];
    CHECK_OK(store_save_auth(s, &e, &err), &err);
    CHECK_OK(store_load_auths(s, got_auth, &g, &err), &err);
    assert_memory_equal(&g.auth, &e, sizeof e);
    CHECK_OK(store_delete_auth(s, "*.EXAMPLE", &err), &err); /* names of hosts have no case */
    CHECK_OK(store_load_auths(s, got_auth, &g, &err), &err);
    assert_int_equal(g.n, 1);
    CHECK_FAILS(store_get_meta(s, "host_uuid", value, sizeof value, &err), &err, VR_E_NOT_FOUND,
                "host_uuid");
    CHECK_OK(store_set_meta(s, "host_uuid", "old", &err), &err);
    CHECK_OK(store_set_meta(s, "host_uuid", "new", &err), &err);
    CHECK_OK(store_get_meta(s, "host_uuid", value, sizeof value, &err), &err);
    assert_string_equal(value, "new");
    CHECK_FAILS(store_get_meta(s, "host_uuid", value, 3, &err), &err, VR_E_LIMIT, "longer than 2");
    memset(value, 'x', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    CHECK_OK(store_set_meta(s, "m", value, &err), &err);
    char big[STORE_META_MAX + 1];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    CHECK_FAILS(store_set_meta(s, "m", big, &err), &err, VR_E_LIMIT, "too long");
    store_close(s);
}

static void test_events_are_bounded(void **state)
{
    struct store *s = fresh();
    struct vr_event event = {.time_us = 5, .priority = 4, .event_id = 6, .id = "x", .text = "t"};
    const struct vr_event_query newest = {.limit = 5};
    struct got g = {0};
    uint64_t seq;
    CHECK_OK(store_add_event(s, &event, &seq, &err), &err);
    assert_int_equal(seq, 1);
    /* Jump to the bound instead of making 10,000 synced transactions. */
    store_close(s);
    sql("INSERT INTO event SELECT 9999,time_us,priority,event_id,id,vm_name,text,vm_id FROM event");
    CHECK_OK(store_open(path, &s, &err), &err);
    CHECK_OK(store_add_event(s, &event, &seq, &err), &err);
    CHECK_OK(store_load_events(s, &newest, got_event, &g, &err), &err);
    assert_int_equal(g.n, 3); /* 10000 9999 1: exactly the bound */
    CHECK_OK(store_add_event(s, &event, &seq, &err), &err);
    assert_int_equal(seq, STORE_EVENTS_MAX + 1);
    g.n = 0;
    CHECK_OK(store_load_events(s, &newest, got_event, &g, &err), &err);
    assert_int_equal(g.n, 3);
    assert_int_equal(g.seq[0], 10001);
    assert_int_equal(g.seq[2], 9999);
    store_close(s);
}

static void test_events_asked_for(void **state)
{
    static const struct {
        struct vr_event_query q;
        unsigned n;
        uint64_t first, last;
    } rows[] = {
        {{.limit = 8}, 5, 5, 1},
        {{.limit = 2}, 2, 5, 4},
        {{.limit = 8, .oldest_first = true}, 5, 1, 5},
        {{.limit = 2, .oldest_first = true, .after_seq = 1}, 2, 2, 3},
        {{.limit = 8, .after_seq = 5}, 0, 0, 0},
        {{.limit = 8, .since_us = 30}, 3, 5, 3},
        {{.limit = 8, .vm = {"a"}}, 3, 5, 1},
        {{.limit = 8, .vm = {"a", "b"}}, 5, 5, 1},
        {{.limit = 1, .vm = {"b"}, .oldest_first = true, .since_us = 21}, 1, 4, 4},
        {{.limit = 8, .vm = {"A"}}, 0, 0, 0},
    };
    struct store *s = fresh();
    for (unsigned i = 1; i <= 5; i++) {
        struct vr_event event = {.time_us = i * 10ull, .vm_name = "b"};
        event.vm_name[0] = i % 2 ? 'a' : 'b';
        CHECK_OK(store_add_event(s, &event, NULL, &err), &err);
    }
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        struct got g = {0};
        CHECK_OK(store_load_events(s, &rows[i].q, got_event, &g, &err), &err);
        if (g.n != rows[i].n ||
            (g.n && (g.seq[0] != rows[i].first || g.seq[g.n - 1] != rows[i].last))) {
            fail_msg("row %zu: %zu events, %u to %u", i, (size_t)g.n, (unsigned)g.seq[0],
                     (unsigned)g.seq[g.n ? g.n - 1 : 0]);
        }
    }
    store_close(s);
}

/* The limit counts what may be seen only; what belongs to no VM is for those who see all. */
static void test_events_of_a_scope(void **state)
{
    struct vr_scope none = {.limited = true}, two = {.limited = true, .n = 2, .vm = {{{8}}, {{9}}}};
    struct store *s = fresh();
    for (unsigned i = 1; i <= 6; i++) {
        struct vr_event event = {.time_us = i, .vm_id = {{(uint8_t)(i < 6 ? 5 + i : 0)}}};
        snprintf(event.vm_name, sizeof event.vm_name, "same");
        CHECK_OK(store_add_event(s, &event, NULL, &err), &err);
    }
    const struct {
        struct vr_event_query q;
        unsigned n;
        uint64_t first;
    } rows[] = {{{.limit = 8}, 6, 6},
                {{.limit = 8, .scope = &two}, 2, 4},
                {{.limit = 1, .scope = &two}, 1, 4},
                {{.limit = 1, .scope = &two, .oldest_first = true}, 1, 3},
                {{.limit = 8, .scope = &two, .vm = {"same"}}, 2, 4},
                {{.limit = 8, .scope = &none}, 0, 0}};
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        struct got g = {0};
        CHECK_OK(store_load_events(s, &rows[i].q, got_event, &g, &err), &err);
        assert_int_equal(g.n, rows[i].n);
        assert_true(g.n == 0 || g.seq[0] == rows[i].first);
    }
    store_close(s);
}

static void test_reports_are_bounded(void **state)
{
    struct store *s = fresh();
    struct vr_report report = {.job_id = 1, .ndisks = 1};
    CHECK_OK(store_save_report(s, &report, &err), &err);
    report.job_id = STORE_REPORTS_MAX;
    CHECK_OK(store_save_report(s, &report, &err), &err);
    CHECK_OK(store_find_report(s, 1, &report, &err), &err);
    report.job_id = STORE_REPORTS_MAX + 1;
    CHECK_OK(store_save_report(s, &report, &err), &err);
    CHECK_FAILS(store_find_report(s, 1, &report, &err), &err, VR_E_NOT_FOUND, "no report");
    CHECK_OK(store_find_report(s, STORE_REPORTS_MAX, &report, &err), &err);
    store_close(s);
}

/* SQLite's calls come here: what the test counts. */
static unsigned flushes;

int fdatasync(int fd)
{
    flushes++;
    return fsync(fd);
}

/* Everything is durable when it returns, but an event, which is with the next that is. */
static void test_what_is_flushed(void **state)
{
    struct store *s = fresh();
    struct vr_rel rel = some_rel();
    struct vr_job job = {.id = 1, .uuid = vr_uuid_new(), .vm_id = rel.vm_id};
    struct vr_report report = {.job_id = 1};
    struct vr_auth_entry auth = {.host = "a.example", .storage = "/srv"};
    struct vr_event event = {.id = "x"};
#define FLUSHED(n, call)                                                                           \
    do {                                                                                           \
        CHECK_OK(store_add_event(s, &event, NULL, &err), &err);                                    \
        flushes = 0;                                                                               \
        CHECK_OK(call, &err);                                                                      \
        if (flushes != (n)) {                                                                      \
            fail_msg("%u flushes in %s", flushes, #call);                                          \
        }                                                                                          \
    } while (0)
    CHECK_OK(store_save_job(s, &job, &err), &err);
    FLUSHED(1, store_save_job(s, &job, &err));
    FLUSHED(1, store_save_rel(s, &rel, &err));
    FLUSHED(1, store_save_report(s, &report, &err));
    FLUSHED(1, store_save_auth(s, &auth, &err));
    FLUSHED(1, store_set_meta(s, "m", "v", &err));
    FLUSHED(0, store_add_event(s, &event, NULL, &err));
    FLUSHED(1, store_delete_report(s, 1, &err));
    FLUSHED(1, store_delete_job(s, 1, &err));
    FLUSHED(1, store_delete_rel(s, &rel.vm_id, rel.number, &err));
    FLUSHED(1, store_delete_auth(s, "a.example", &err));
    store_close(s);
}

static void test_mode_and_wal(void **state)
{
    struct stat st;
    struct store *s = fresh();
    char wal[80];
    snprintf(wal, sizeof wal, "%s-wal", path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(wal, &st), 0); /* WAL it is */
    assert_int_equal(st.st_mode & 0777, 0600);
    store_close(s);
}

static void test_a_database_of_version_1(void **state)
{
    struct store *s;
    struct got g = {0};
    struct vr_service service = vr_service_default();
    char uuid[VR_UUID_TEXT_LEN];
    snprintf(path, sizeof path, "%s/%u.db", dir, counter++);
    sql(old_schema_1);
    sql(old_rows_1);
    sql(old_job_1);
    CHECK_OK(store_open(path, &s, &err), &err);
    CHECK_OK(store_load_rels(s, got_rel, &g, &err), &err);
    assert_int_equal(g.n, 1);
    assert_string_equal(vr_uuid_text(&g.rel.vm_id, uuid), OLD_VM);
    assert_int_equal(g.rel.state, VR_REL_REPLICATING);
    assert_int_equal(g.rel.generation.sequence, 7);
    assert_int_equal(vr_names_count(g.rel.excluded), 1);
    assert_false(g.rel.exported);
    assert_int_equal(g.rel.proposed_job, 0);
    assert_int_equal(g.rel.nhistory, 1);
    struct vr_setting as_it_was = vr_setting_default();
    assert_int_equal(g.rel.setting.compression, as_it_was.compression);
    assert_int_equal(g.rel.setting.interval_s, as_it_was.interval_s);
    assert_int_equal(g.rel.setting.auto_resync, as_it_was.auto_resync);
    assert_int_equal(g.rel.setting.auto_start_s, as_it_was.auto_start_s);
    assert_int_equal(g.rel.setting.auto_end_s, as_it_was.auto_end_s);
    assert_int_equal(g.rel.cause, 0);
    assert_int_equal(g.rel.cycle_us, 0);
    assert_int_equal(g.rel.stamp[0] | g.rel.stamp[VR_STAMP_BYTES - 1], 0);
    CHECK_OK(store_load_auths(s, got_auth, &g, &err), &err);
    assert_string_equal(g.auth.host, "a.example");
    CHECK_OK(store_load_jobs(s, got_job, &g, &err), &err);
    assert_int_equal(g.job.error_code, 32778);
    assert_int_equal(g.job.error_kind, 0);
    assert_false(g.job.automatic);
    CHECK_FAILS(store_load_service(s, &service, &err), &err, VR_E_NOT_FOUND, "no settings");
    CHECK_OK(store_save_rel(s, &g.rel, &err), &err); /* and it is written with the new columns */
    s = reopen(s);
    CHECK_OK(store_load_rels(s, got_rel, &g, &err), &err);
    assert_int_equal(g.rel.nhistory, 1);
    store_close(s);
}

/* An interval that nobody chose became none when cycles began to run by it; one that somebody had
 * chosen is what he wanted. */
static void test_intervals_of_version_11(void **state)
{
    static const uint32_t before[] = {300, 30, 900}, after[] = {0, 30, 900};
    for (size_t i = 0; i < VR_COUNT(before); i++) {
        struct got g = {0};
        char text[128];
        struct store *s = fresh();
        struct vr_rel rel = some_rel();
        CHECK_OK(store_save_rel(s, &rel, &err), &err);
        store_close(s);
        snprintf(text, sizeof text, "UPDATE rel SET interval_s=%u", before[i]);
        sql(text);
        sql("ALTER TABLE rel DROP COLUMN cause; ALTER TABLE rel DROP COLUMN cycle_us;"
            "ALTER TABLE rel DROP COLUMN stamp; ALTER TABLE job DROP COLUMN automatic;"
            "ALTER TABLE report DROP COLUMN forecast_sampled_bytes;"
            "ALTER TABLE report DROP COLUMN forecast_differing_bytes;"
            "ALTER TABLE report DROP COLUMN forecast_margin_bytes;"
            "ALTER TABLE report DROP COLUMN forecast_wire_bytes;"
            "ALTER TABLE report DROP COLUMN forecast_limit_bytes_s;"
            "ALTER TABLE report DROP COLUMN forecast_time_us;"
            "ALTER TABLE rel DROP COLUMN proposed_from; ALTER TABLE rel DROP COLUMN made_from;"
            "ALTER TABLE rel DROP COLUMN proposed_us; ALTER TABLE rel DROP COLUMN consistency;"
            "ALTER TABLE job DROP COLUMN why; ALTER TABLE rel DROP COLUMN proposed_consistency;"
            "ALTER TABLE report_disk DROP COLUMN ranges;"
            "PRAGMA user_version=11");
        CHECK_OK(store_open(path, &s, &err), &err);
        CHECK_OK(store_load_rels(s, got_rel, &g, &err), &err);
        assert_int_equal(g.n, 1);
        assert_int_equal(g.rel.setting.interval_s, after[i]);
        assert_int_equal(g.rel.cause, VR_WHY_NONE);
        store_close(s);
    }
}

static void test_settings_of_the_service(void **state)
{
    struct store *s = fresh();
    struct vr_service in = vr_service_default(), out = vr_service_default();
    in.recovery_server_enabled = false;
    in.monitoring_start_s = 1;
    in.monitoring_interval_s = 7200;
    in.https_port = 99; /* the host's own: not stored */
    CHECK_OK(store_save_service(s, &in, &err), &err);
    in.monitoring_start_s = 2;
    CHECK_OK(store_save_service(s, &in, &err), &err);
    s = reopen(s);
    CHECK_OK(store_load_service(s, &out, &err), &err);
    assert_false(out.recovery_server_enabled);
    assert_int_equal(out.monitoring_start_s, 2);
    assert_int_equal(out.monitoring_interval_s, 7200);
    assert_int_equal(out.https_port, 0);
    store_close(s);
}

static void test_newer_and_foreign_databases(void **state)
{
    struct store *s = fresh();
    store_close(s);
    sql("PRAGMA user_version=99");
    CHECK_FAILS(store_open(path, &s, &err), &err, VR_E_STATE, "version 99, this program knows up");
    sql("PRAGMA user_version=-1");
    CHECK_FAILS(store_open(path, &s, &err), &err, VR_E_STATE, "version -1");
    sql("PRAGMA application_id=7");
    CHECK_FAILS(store_open(path, &s, &err), &err, VR_E_INVALID, "some other program");
    snprintf(path, sizeof path, "%s/foreign.db", dir);
    sql("CREATE TABLE t(x)");
    CHECK_FAILS(store_open(path, &s, &err), &err, VR_E_INVALID, "some other program");
}

static void test_damage(void **state)
{
    struct store *s = fresh();
    struct vr_rel rel = some_rel();
    CHECK_OK(store_save_rel(s, &rel, &err), &err);
    store_close(s);
    char *text;
    size_t len;
    CHECK_OK(vr_read_file(path, 1 << 20, &text, &len, &err), &err);
    memset(text + 4096, 0xa5, len - 4096); /* every page but the first */
    CHECK_OK(vr_write_file_durable(path, text, len, 0600, &err), &err);
    free(text);
    CHECK_FAILS(store_open(path, &s, &err), &err, VR_E_CORRUPT, "move it and its -wal");
    CHECK_OK(
        vr_write_file_durable(path, "this is no database, not at all, for sure", 41, 0600, &err),
        &err);
    CHECK_FAILS(store_open(path, &s, &err), &err, VR_E_CORRUPT, "is damaged");
}

static void test_rows_that_cannot_be(void **state)
{
    static const char *const bad[] = {
        "UPDATE rel SET vm_id='x'", "UPDATE rel SET state=-1", "UPDATE rel SET is_source=2",
        "UPDATE rel SET generation_epoch=4294967296", "UPDATE rel SET peer=printf('%300s','')"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct store *s = fresh();
        struct vr_rel rel = some_rel();
        struct got g = {0};
        CHECK_OK(store_save_rel(s, &rel, &err), &err);
        store_close(s);
        sql(bad[i]);
        CHECK_OK(store_open(path, &s, &err), &err);
        CHECK_FAILS(store_load_rels(s, got_rel, &g, &err), &err, VR_E_CORRUPT, "table rel holds");
        store_close(s);
    }
}

static void test_failed_save_changes_nothing(void **state)
{
    struct store *s = fresh();
    struct vr_rel rel = some_rel();
    struct got g = {0};
    CHECK_OK(store_save_rel(s, &rel, &err), &err);
    store_close(s);
    /* The children's table refuses: the parent row, written before, must go back too. */
    sql("CREATE TRIGGER no BEFORE INSERT ON rel_history BEGIN SELECT RAISE(ABORT,'injected'); END");
    CHECK_OK(store_open(path, &s, &err), &err);
    struct vr_rel other = rel;
    other.bandwidth_bytes_s = 1;
    CHECK_FAILS(store_save_rel(s, &other, &err), &err, VR_E_INTERNAL, "injected");
    CHECK_OK(store_load_rels(s, got_rel, &g, &err), &err);
    assert_memory_equal(&g.rel, &rel, sizeof rel);
    other.nhistory = 0; /* and the connection is usable: no transaction is left open */
    CHECK_OK(store_save_rel(s, &other, &err), &err);
    other.created_us = UINT64_MAX;
    CHECK_FAILS(store_save_rel(s, &other, &err), &err, VR_E_INVALID, "too large to store");
    store_close(s);
}

int main(void)
{
    vr_assert(mkdtemp(dir));
    const struct CMUnitTest tests[] = {T(test_rel_comes_back_whole),
                                       T(test_job_comes_back_whole),
                                       T(test_reports),
                                       T(test_auth_and_meta),
                                       T(test_events_are_bounded),
                                       T(test_events_asked_for),
                                       T(test_events_of_a_scope),
                                       T(test_reports_are_bounded),
                                       T(test_what_is_flushed),
                                       T(test_mode_and_wal),
                                       T(test_newer_and_foreign_databases),
                                       T(test_a_database_of_version_1),
                                       T(test_intervals_of_version_11),
                                       T(test_settings_of_the_service),
                                       T(test_damage),
                                       T(test_rows_that_cannot_be),
                                       T(test_failed_save_changes_nothing)};
    int r = RUN(tests);
    tmpdir_remove(dir);
    return r;
}
