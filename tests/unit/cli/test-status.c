/* SPDX-License-Identifier: Apache-2.0 */
/* What people see: tables that fit, details, advice. */
#include "cli/status.h"

#include "model/states.h"
#include "tests/lib/check.h"
#include "util/num.h"

#define NOW 1767225600000000ull /* 2026-01-01T00:00:00Z */

static char *text;
static size_t size;
static FILE *out;

static void begin(void)
{
    out = open_memstream(&text, &size);
    assert_non_null(out);
}

static const char *end(void)
{
    fclose(out);
    return text;
}

static void drop(void)
{
    free(text);
    text = NULL;
}

static void test_columns(void **state)
{
    static const struct {
        const char *text;
        size_t columns, room;
        const char *put;
    } rows[] = {
        {"abc", 3, 3, "abc"},
        {"abcd", 4, 3, "ab~"},
        {"", 0, 3, ""},
        {"abc", 3, 0, ""},
        {"w\xc3\xbcrm", 4, 3, "w\xc3\xbc~"},
        {"e\xcc\x81x", 2, 2, "e\xcc\x81x"},                  /* a combining accent */
        {"\xe4\xbb\xae\xe6\x83\xb3", 4, 3, "\xe4\xbb\xae~"}, /* two columns each */
        {"\xe4\xbb\xae\xe6\x83\xb3", 4, 2, "~"},             /* half of one is none */
        {"\xff\xfe", 2, 2, "\xff\xfe"},                      /* no UTF-8 */
    };
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        assert_int_equal(text_columns(rows[i].text), rows[i].columns);
        begin();
        size_t n = text_put(rows[i].text, rows[i].room, out);
        assert_string_equal(end(), rows[i].put);
        assert_true(n <= rows[i].room);
        assert_int_equal(n, text_columns(text));
        drop();
    }
    char *clean = text_clean("a\033[1m\xc2\x9b\xc3\xbc\n");
    assert_string_equal(clean, "a?[1m??\xc3\xbc?");
    free(clean);
}

static void test_lines(void **state)
{
    begin();
    text_line("why", "one two three four five six seven", 40, out);
    text_line("long", "123456789012345678901234567890", 40, out);
    text_line("any", "one two", 0, out);
    text_line("none", "", 40, out);
    assert_string_equal(end(), "why             one two three four five\n"
                               "                six seven\n"
                               "long            123456789012345678901234\n"
                               "                567890\n"
                               "any             one two\n"
                               "none            \n");
    drop();
}

static const struct table_col cols[] = {{4, 0}, {0, 1}, {0, 3}, {0, 2}};

static void fit(struct table *t, size_t columns, const char *want)
{
    begin();
    table_print_fit(t, columns, out);
    end();
    if (strcmp(text, want) != 0) {
        fail_msg("%zu columns:\n%s", columns, text);
    }
    drop();
}

/* Narrower and narrower: nothing says nothing longest, names are cut, what matters least goes. */
static void test_fit(void **state)
{
    static const char *const head[] = {"NAME", "B", "C", "D"};
    struct table t;
    table_init(&t, 4, head);
    t.cols = cols;
    table_row(&t);
    table_set(&t, 0, "a-long-name");
    table_set(&t, 1, "bb");
    table_set(&t, 3, "dd");
    table_note(&t, "because of this and that");
    fit(&t, 0, "NAME         B   C  D\na-long-name  bb  -  dd\n    because of this and that\n");
    fit(&t, 22, "NAME         B   C  D\na-long-name  bb  -  dd\n    because of this a~\n");
    fit(&t, 21, "NAME        B   C  D\na-long-na~  bb  -  dd\n    because of this ~\n");
    fit(&t, 15, "NAME  B   C  D\na-l~  bb  -  dd\n    because of~\n");
    fit(&t, 14, "NAME    B   D\na-lon~  bb  dd\n    because o~\n"); /* C is empty */
    fit(&t, 11, "NAME     B\na-long~  bb\n    becaus~\n");
    fit(&t, 6, "NAME\na-lon~\n    b~\n");
    fit(&t, 3, "NA~\na-~\n");
    table_deinit(&t);
}

static json_t *rel(const char *name, int state, int health, const char *more)
{
    json_t *r =
        json_pack("{s:s,s:i,s:b,s:i,s:s,s:i,s:s,s:i,s:s,s:s,s:s}", "vm_name", name, "number", 0,
                  "is_source", 1, "mode", 1, "mode_text", "primary", "state", state, "state_text",
                  vr_rel_state_text(state), "health", health, "health_text", vr_health_text(health),
                  "peer", "hv2.example:8650", "last_sync", "2025-12-31T23:58:00Z");
    json_t *m = json_loads(more, 0, NULL);
    assert_true(r && m);
    json_object_update(r, m);
    json_decref(m);
    return r;
}

static json_t *answer_of(json_t *take_a, json_t *take_b)
{
    json_t *a = json_pack("{s:[o]}", "relationships", take_a);
    if (take_b) {
        json_array_append_new(json_object_get(a, "relationships"), take_b);
    }
    return a;
}

#define RUNNING                                                                                    \
    "\"job\":{\"id\":7,\"type\":107,\"type_text\":\"Resynchronizing\",\"state\":4,"                \
    "\"state_text\":\"running\",\"initiator\":\"alice\",\"started\":\"2025-12-31T23:59:00Z\","     \
    "\"progress\":{\"phase\":2,\"phase_text\":\"comparing\",\"bytes_total\":1048576000,"           \
    "\"bytes_compared\":524288000,\"bytes_differing\":1048576,\"bytes_sent\":524288,"              \
    "\"wire_out\":600000,\"bytes_staged\":2048,"                                                   \
    "\"started\":\"2025-12-31T23:59:00Z\",\"updated\":\"2025-12-31T23:59:50Z\"}}"

/* What is counted beside it: who reads how fast, what is left out, what compressing saved. */
static void add_flow(json_t *p)
{
    json_t *more = json_loads(
        "{\"bytes_read\":629145600,\"peer_bytes_read\":734003200,\"bytes_unchanged\":104857600,"
        "\"bytes_zero\":52428800,\"bytes_raw\":1048576,\"counted_from\":0,"
        "\"counted_since\":\"2025-12-31T23:59:10Z\",\"peer_space\":{\"staged_bytes\":1048576,"
        "\"free_bytes\":10737418240,\"reserve_bytes\":1073741824}}",
        0, NULL);
    assert_non_null(more);
    json_object_update(p, more);
    json_decref(more);
}

/* No line is longer than the terminal, whatever its width and whatever is shown. */
static void test_widths(void **state)
{
    json_t *a = answer_of(rel("\xe4\xbb\xae\xe6\x83\xb3\xe3\x83\x9e\xe3\x82\xb7\xe3\x83\xb3-"
                              "and-a-long-name-behind-it",
                              VR_REL_RESYNCHRONIZING, VR_HEALTH_WARNING,
                              "{\"reason\":\"a reason that is quite long, too long for the table, "
                              "so that it has a line of its own\"," RUNNING "}"),
                          rel("db01", VR_REL_REPLICATING, VR_HEALTH_OK,
                              "{\"verified\":\"2025-12-01T00:00:00Z\",\"verify\":2,"
                              "\"peer_certificate_end\":\"2026-01-10T00:00:00Z\"}"));
    for (size_t w = 40; w <= 200; w++) {
        struct status_view view = {.now_us = NOW, .columns = w};
        begin();
        status_print(a, &view, out);
        detail_rel(json_array_get(json_object_get(a, "relationships"), 0), &view, out);
        char *save, *copy = strdup(end());
        for (char *l = strtok_r(copy, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
            if (text_columns(l) > w) {
                fail_msg("%zu columns: %s", w, l);
            }
        }
        free(copy);
        assert_true(strstr(text, "STATE") && strstr(text, "resynchronizing"));
        drop();
    }
    struct status_view wide = {.now_us = NOW};
    begin();
    status_print(a, &wide, out);
    end();
    assert_non_null(strstr(text, "REASON\n"));
    assert_non_null(strstr(text, " 31d! "));
    assert_non_null(strstr(text, " 9d! "));
    assert_non_null(strstr(text, "50% eta 50s"));
    assert_non_null(strstr(text, "  hv2.example  ")); /* the usual port says nothing */
    drop();
    json_decref(a);
}

static void test_rows(void **state)
{
    json_t *a = json_pack("{s:[]}", "relationships");
    for (int i = 0; i < 30; i++) {
        char name[16];
        snprintf(name, sizeof(name), "vm%02d", i);
        json_array_append_new(json_object_get(a, "relationships"),
                              rel(name, 3, i == 29 ? 3 : 1, i == 29 ? "{\"reason\":\"x\"}" : "{}"));
    }
    for (size_t rows = 4; rows < 40; rows++) {
        struct status_view view = {.now_us = NOW, .columns = 100, .rows = rows};
        size_t lines = 0;
        begin();
        status_print(a, &view, out);
        end();
        for (const char *p = text; (p = strchr(p, '\n')); p++) {
            lines++;
        }
        assert_true(lines <= rows);
        assert_true(lines == rows || lines == 32);
        assert_true(strstr(text, "vm29") && strstr(text, "more\n") ? rows < 32 : rows >= 32);
        drop();
    }
    json_decref(a);
}

/* Rates of the last seconds where there was an earlier look, none from a look that is too old. */
static void test_rates(void **state)
{
    json_t *a = answer_of(rel("db01", 10, 2, "{" RUNNING "}"), NULL), *b = json_deep_copy(a);
    json_t *was = json_object_get(json_array_get(json_object_get(b, "relationships"), 0), "job");
    json_t *p = json_object_get(was, "progress");
    json_object_set_new(p, "bytes_compared", json_integer(514288000));
    json_object_set_new(p, "updated", json_string("2025-12-31T23:59:40Z"));
    const json_t *job =
        json_object_get(json_array_get(json_object_get(a, "relationships"), 0), "job");
    struct status_view view = {.now_us = NOW};
    assert_int_equal(status_gauge(job, &view).rate, 10485760);
    view.before = b;
    assert_int_equal(status_gauge(job, &view).rate, 1000000);
    view.now_us = NOW + 60000000; /* nothing was heard for a minute */
    assert_int_equal(status_gauge(job, &view).rate, 0);
    assert_int_equal(status_gauge(job, &view).percent, 50);
    json_object_set_new(was, "id", json_integer(8)); /* another job's rate is not this one's */
    view.now_us = NOW;
    assert_int_equal(status_gauge(job, &view).rate, 10485760);
    json_decref(a);
    json_decref(b);
}

static void test_detail(void **state)
{
    struct status_view view = {.now_us = NOW};
    json_t *r = rel("db01", 10, 2, "{\"reason\":\"someone asked\"," RUNNING "}");
    json_t *job = json_object_get(r, "job"), *p = json_object_get(job, "progress");
    json_object_set_new(job, "why", json_string("the replica's disks changed without us"));
    json_object_set_new(p, "instant", json_string("2025-12-31T23:58:59Z"));
    json_object_set_new(p, "consistency", json_string("file-system-consistent"));
    json_object_set_new(p, "frozen_us", json_integer(800000));
    json_object_set_new(p, "written_since_instant", json_integer(1 << 20));
    json_object_set_new(r, "consistency", json_string("crash-consistent"));
    setenv("TZ", "UTC", 1);
    begin();
    detail_rel(r, &view, out);
    assert_string_equal(
        end(),
        "vm              db01 -> hv2.example:8650\n"
        "state           primary, resynchronizing\n"
        "health          warning: someone asked\n"
        "replicates      only when asked\n"
        "safe now        failover goes to 2025-12-31 23:58:00 (2m ago, crash-consistent)\n"
        "job             7, Resynchronizing, running, started 2025-12-31 23:59:00 by alice\n"
        "why             the replica's disks changed without us\n"
        "phase           comparing\n"
        "instant         2025-12-31 23:58:59, file-system-consistent, the guest was frozen for "
        "0.8 s\n"
        "since then      1.0 MiB written by the guest\n"
        "compare         [##########..........] 50%  500 MiB of 1000 MiB  10.0 MiB/s  eta 50s\n"
        "differing       1.0 MiB so far\n"
        "sent            512 KiB of data, 586 KiB on the line\n"
        "staged          2.0 KiB kept from earlier tries, not sent again\n"
        "commit          when all is proven; until then the replica stays as it is\n"
        "resumes         yes: interrupted, it compares anew and sends nothing twice; cancelled, it "
        "discards what is staged\n"
        "do              nothing; vmreplica pause db01, vmreplica bandwidth db01 RATE and "
        "vmreplica cancel db01 are possible\n");
    drop();
    json_object_set_new(job, "type", json_integer(113)); /* a verify of writes nobody counts */
    json_object_set_new(p, "written_since_instant", json_null());
    begin();
    detail_rel(r, &view, out);
    end();
    assert_non_null(strstr(text, "why             to know what differs\n"));
    assert_non_null(strstr(text, "since then      ? (its writes are not counted)\n"));
    assert_non_null(strstr(text, "resumes         no: interrupted, it begins anew\n"));
    drop();
    begin();
    status_print(r = json_pack("{s:[o]}", "relationships", r), &view, out);
    assert_non_null(strstr(end(), "12-31 23:58 crash"));
    drop();
    job = json_incref(json_array_get(json_object_get(r, "relationships"), 0));
    json_decref(r);
    r = job;
    json_object_set_new(r, "job", json_null());
    json_object_set_new(r, "state", json_integer(9));
    json_object_set_new(r, "last_sync", json_null());
    json_object_set_new(r, "last_job",
                        json_pack("{s:i,s:s,s:i,s:s}", "id", 6, "error_text", "no route",
                                  "error_code", 32768, "finished", "2025-12-31T23:59:30Z"));
    begin();
    detail_rel(r, &view, out);
    end();
    assert_non_null(strstr(text, "safe now        nothing yet"));
    assert_non_null(strstr(text, "last error      no route (32768), job 6, 2025-12-31 23:59:30\n"));
    assert_non_null(strstr(text, "do              vmreplica resync db01\n"));
    drop();
    json_decref(r);
}

static const char *detail(const json_t *r, const struct status_view *view)
{
    drop();
    begin();
    detail_rel(r, view, out);
    return end();
}

#define HAS(part) assert_non_null(strstr(detail(r, &view), part))
#define HAS_NOT(part) assert_null(strstr(detail(r, &view), part))

static void test_both_sides(void **state)
{
    struct status_view view = {.now_us = NOW};
    json_t *r = rel("db01", 10, 2, "{" RUNNING "}");
    json_t *p = json_object_get(json_object_get(r, "job"), "progress");
    add_flow(p);
    HAS("\nreads           this host 15.0 MiB/s, the other 17.5 MiB/s\n");
    HAS("\nskipped         150 MiB: 100 MiB unchanged, 50.0 MiB zero on both sides\n");
    HAS("\nsent            512 KiB of data, 586 KiB on the line; compressed 2.0:1 from 1.0 MiB; "
        "12.8 KiB/s\n");
    HAS("\ncommit          waits until all is proven; the replica's host has staged 1.0 MiB, and "
        "10.0 GiB free of which 1.0 GiB stay free\n");
    HAS("50%  500 MiB of 1000 MiB  12.5 MiB/s  eta 40s\n"); /* since it compares */
    json_object_set_new(p, "peer_bytes_read", json_integer(943718400));
    HAS("\nreads           this host 15.0 MiB/s, the other is through\n");
    json_object_set_new(p, "bytes_compared", json_integer(0));
    json_object_set_new(p, "bytes_read", json_integer(1));
    HAS("eta ? (nothing is compared yet)\n");
    view.now_us += 60000000; /* nothing was heard for a minute */
    json_object_set_new(p, "bytes_compared", json_integer(524288000));
    HAS("50%  500 MiB of 1000 MiB  eta ? (it does not get on)\n");
    HAS("\nreads           this host ?, the other is through\n");
    HAS_NOT("KiB/s");
    drop();
    json_decref(r);
}

/* Only what is measured has an end. */
static void test_commit(void **state)
{
    struct status_view view = {.now_us = NOW};
    json_t *r = rel("db01", 10, 2, "{" RUNNING "}");
    json_t *p = json_object_get(json_object_get(r, "job"), "progress");
    json_object_set_new(p, "phase", json_integer(4));
    HAS("\ncommit          what is staged is checked; eta ? (nothing is written yet)\n");
    json_object_set_new(p, "bytes_to_write", json_integer(104857600));
    json_object_set_new(p, "bytes_written", json_integer(20971520));
    HAS("] 20%  20.0 MiB of 100 MiB  eta ? (nothing is measured yet)\n");
    json_object_set_new(p, "counted_since", json_string("2025-12-31T23:59:40Z"));
    json_object_set_new(p, "counted_from", json_integer(10485760));
    HAS("] 20%  20.0 MiB of 100 MiB  1.0 MiB/s  eta 1m\n"); /* 10 of them in 10 seconds */
    HAS_NOT("\nreads  ");
    json_object_set_new(p, "phase", json_integer(5));
    json_object_set_new(p, "bytes_read_back", json_integer(5242880));
    HAS("\ncommit          20.0 MiB written\nreads back      5.0 MiB so far; eta ? (holes are not "
        "read)\n");
    json_object_set_new(p, "counted_from", json_integer(0));
    json_object_set_new(p, "bytes_to_read_back", json_integer(10485760));
    HAS("\nreads back      [##########..........] 50%  5.0 MiB of 10.0 MiB  512 KiB/s  eta 10s\n");
    drop();
    json_decref(r);
}

static void test_plan(void **state)
{
    struct status_view view = {.now_us = NOW};
    json_t *r = rel("db01", 9, 3,
                    "{\"plan\":{\"basis\":1,\"basis_text\":\"by the sample of\",\"job_id\":5,"
                    "\"time\":\"2025-12-31T23:00:00Z\",\"total_bytes\":104857600,"
                    "\"differing_bytes\":1048576,\"margin_bytes\":524288,\"wire_bytes\":4096,"
                    "\"time_us\":90000000}}");
    json_t *plan = json_object_get(r, "plan");
    HAS("\nplan            by the sample of 2025-12-31 23:00:00 (job 5): 1 % (more or less 0.5 %) "
        "differ, 1.0 MiB more or less 512 KiB; 4.0 KiB to send; about 1m\n");
    json_object_set_new(plan, "basis", json_integer(2));
    json_object_set_new(plan, "basis_text", json_string("by the verification of"));
    json_object_set_new(plan, "margin_bytes", json_integer(0));
    json_object_set_new(plan, "wire_bytes", json_null());
    HAS("(job 5): 1 % differ, 1.0 MiB; it took 1m\n");
    json_object_set_new(plan, "differing_bytes", json_integer(104857600));
    HAS("(job 5): 100 % differ, 100 MiB; it took 1m\n");
    json_object_set_new(r, "state", json_integer(3)); /* none is ahead */
    HAS_NOT("\nplan ");
    drop();
    json_decref(r);
}

static void test_advice(void **state)
{
    static const struct {
        int state;
        const char *more, *part; /* "": no advice */
    } rows[] = {
        {1, "{}", "vmreplica start db01 makes"},
        {2, "{\"exported\":true}", "vmreplica import db01 DIR there"},
        {3, "{}", ""},
        {7, "{}", "vmreplica resume db01"},
        {8, "{\"needs_decision\":true}", "vmreplica resync db01 --force overwrites"},
        {8, "{}", "vmreplica resync db01"},
        {9, "{}", "vmreplica resync db01"},
        {9, "{\"number\":1}", "vmreplica resync db01 --extended"},
        {9, "{\"is_source\":false}", ""},
        {9, "{\"vm_name\":\"my vm\"}", "vmreplica resync 'my vm'"},
        {9, "{\"wait\":{\"why\":1}}", "vmreplica resync db01 starts it now"},
        {10, "{\"wait\":{\"why\":2}}", "other transfers run"},
        {10, "{\"wait\":{\"why\":3}}", "vmreplica peer test hv2.example:8650 says"},
        {10, "{\"wait\":{\"why\":6}}", "with a new instant of the disks"},
        {11, "{\"wait\":{\"why\":4}}", "make room on hv2.example:8650"},
        {11, "{\"wait\":{\"why\":5}}", "vmreplica resume db01 goes on"},
        {10, "{\"job\":{\"state\":4}}", "vmreplica pause db01"},
    };
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        char buf[512], tiny[8];
        json_t *r = rel("db01", rows[i].state, 2, rows[i].more);
        const char *got = advice(r, buf, sizeof(buf));
        if (rows[i].part[0] ? !strstr(got, rows[i].part) : got[0]) {
            fail_msg("%d %s: %s", rows[i].state, rows[i].more, got);
        }
        assert_true(strlen(advice(r, tiny, sizeof(tiny))) < sizeof(tiny));
        json_decref(r);
    }
}

/* Once for the host, below the table, and it takes a line of the screen. */
static void test_window(void **state)
{
    static const char limit[] =
        "{\"limit\":{\"bytes_s\":1048576,\"host_bytes_s\":2097152,\"until\":\"18:00:00\","
        "\"window\":\"mon-fri 08:00-18:00 2M\"}}";
    struct status_view view = {.now_us = NOW};
    json_t *a = answer_of(rel("db01", 3, 1, limit), rel("db02", 3, 1, limit));
    begin();
    status_print(a, &view, out);
    const char *line =
        strstr(end(), "\nat most 2.0 MiB/s for all transfers of this host until 18:00\n");
    assert_non_null(line);
    assert_null(strstr(line + 2, "at most"));
    drop();
    begin();
    status_show(a, true, &view, out);
    assert_non_null(strstr(end(), "1.0 MiB/s; all transfers of this host 2.0 MiB/s until 18:00 "
                                  "(window mon-fri 08:00-18:00 2M)\n"));
    drop();
    json_decref(a);
}

static void test_late(void **state)
{
    static const struct {
        const char *more, *cell;
    } rows[] = {{"{}", " 2m "},
                {"{\"rpo_s\":300}", " 2m/5m "},
                {"{\"rpo_s\":60}", " 2m/1m "},
                {"{\"rpo_s\":59}", " 2m/59s! "}};
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        struct status_view view = {.now_us = NOW};
        json_t *a = answer_of(rel("db01", 3, 1, rows[i].more), NULL);
        begin();
        status_print(a, &view, out);
        assert_non_null(strstr(end(), rows[i].cell));
        drop();
        json_decref(a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_columns), T(test_lines),  T(test_fit),    T(test_widths),     T(test_rows),
        T(test_rates),   T(test_detail), T(test_advice), T(test_both_sides), T(test_commit),
        T(test_plan),    T(test_late),   T(test_window)};
    return RUN(tests);
}
