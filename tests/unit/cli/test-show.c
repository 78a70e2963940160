/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/show.h"

#include "cli/status.h"
#include "cli/wait.h"
#include "tests/lib/check.h"
#include "util/num.h"
#include "util/vtime.h"

static void test_table(void **state)
{
    static const char *const head[] = {"A", "LONG"};
    char *text = NULL;
    size_t n = 0;
    struct table t;
    table_init(&t, 2, head);
    for (int i = 0; i < 40; i++) {
        table_row(&t);
    }
    table_row(&t);
    table_set(&t, 0, "wider\033[31m");
    table_set(&t, 0, "w\xc3\xbcrm\x1b");
    table_set(&t, 1, "x");
    FILE *f = open_memstream(&text, &n);
    table_print(&t, f);
    fclose(f);
    assert_memory_equal(text, "A      LONG\n-      -\n", 21);
    assert_non_null(strstr(text, "\nw\xc3\xbcrm?  x\n"));
    assert_null(strchr(text, '\033'));
    free(text);
    table_deinit(&t);
}

static void test_numbers(void **state)
{
    char buf[SHOW_MAX];
    assert_string_equal(show_size(0, buf), "0 B");
    assert_string_equal(show_size(1023, buf), "1023 B");
    assert_string_equal(show_size(1536, buf), "1.5 KiB");
    assert_string_equal(show_size(812 * VR_GIB, buf), "812 GiB");
    assert_string_equal(show_size(UINT64_MAX, buf), "16.0 EiB");
    assert_string_equal(show_rate(38 * VR_MIB, buf), "38.0 MiB/s");
    assert_string_equal(show_span(59999999, buf), "59s");
    assert_string_equal(show_span(0, buf), "0s");
    assert_string_equal(show_span(340000, buf), "0.3s");
    assert_string_equal(show_span(60000000, buf), "1m");
    assert_string_equal(show_span(6360000000ull, buf), "1h46m");
    assert_string_equal(show_span(3ull * 86400 * 1000000, buf), "3d");
    assert_string_equal(show_age(NULL, 5, buf), "-");
    setenv("TZ", "UTC", 1);
    json_t *iso = json_string("2026-11-20T21:04:05.5Z");
    assert_string_equal(show_time(iso, buf), "2026-11-20 21:04:05");
    json_decref(iso);
    assert_string_equal(show_time(json_null(), buf), "-");
}

static json_t *job(int state, int phase, uint64_t done, uint64_t total, const char *updated)
{
    const char *member = phase == 4 ? "bytes_written" : "bytes_compared";
    const char *whole = phase == 4 ? "bytes_to_write" : "bytes_total";
    json_t *j = json_pack("{s:i,s:s,s:s,s:{s:i,s:s,s:I,s:I,s:s,s:s}}", "state", state, "state_text",
                          state == 4 ? "running" : "queued", "status", "2nd", "progress", "phase",
                          phase, "phase_text", "comparing", member, (json_int_t)done, whole,
                          (json_int_t)total, "started", "2026-01-01T00:00:00Z", "updated", updated);
    assert_non_null(j);
    return j;
}

static void test_gauge(void **state)
{
    char line[512];
    json_t *a = job(4, 2, 250, 1000, "2026-01-01T00:00:10Z");
    struct gauge g = gauge_of(a, NULL);
    assert_int_equal(g.percent, 25);
    assert_int_equal(g.rate, 25);
    assert_int_equal(g.eta_us, 30000000);
    assert_non_null(strstr(progress_line(a, &g, line, sizeof(line)),
                           "[#####...............]  25%  25 B/s  eta 30s"));
    /* what happened since the last look counts, not the average */
    json_t *b = job(4, 2, 350, 1000, "2026-01-01T00:00:11Z");
    g = gauge_of(b, a);
    assert_int_equal(g.rate, 100);
    /* nothing moved: nobody knows how long */
    g = gauge_of(a, a);
    assert_int_equal(g.rate, 0);
    assert_non_null(strstr(progress_line(a, &g, line, sizeof(line)), "?  eta ?"));
    /* the commit's rate cannot be told from the job's start */
    json_t *c = job(4, 4, 50, 100, "2026-01-01T00:00:12Z");
    g = gauge_of(c, b);
    assert_int_equal(g.percent, 50);
    assert_int_equal(g.rate, 0);
    json_t *d = job(4, 1, 0, 1000, "2026-01-01T00:00:12Z");
    g = gauge_of(d, NULL);
    assert_int_equal(g.percent, -1);
    assert_non_null(strstr(progress_line(d, &g, line, sizeof(line)), "  ?%"));
    json_t *e = job(3, 0, 0, 0, "2026-01-01T00:00:12Z");
    g = gauge_of(e, NULL);
    assert_string_equal(progress_line(e, &g, line, sizeof(line)), "queued: 2nd");
    /* more than all is all */
    json_t *f = job(4, 2, 1100, 1000, "2026-01-01T00:00:13Z");
    assert_int_equal(gauge_of(f, NULL).percent, 100);
    assert_int_equal(gauge_of(NULL, NULL).percent, -1);
    json_decref(a);
    json_decref(b);
    json_decref(c);
    json_decref(d);
    json_decref(e);
    json_decref(f);
}

static json_t *answer(int h1, int h2)
{
    return json_pack("{s:[{s:s,s:i,s:s},{s:s,s:i,s:s}]}", "relationships", "vm_name", "fine",
                     "health", h1, "last_sync", "2026-01-01T00:00:00Z", "vm_name", "worse",
                     "health", h2, "reason", "link lost");
}

static void test_status(void **state)
{
    static const struct {
        int h1, h2, code;
    } rows[] = {{1, 1, 0}, {0, 1, 0}, {1, 2, 1}, {2, 3, 2}, {3, 1, 2}};
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        json_t *a = answer(rows[i].h1, rows[i].h2);
        assert_int_equal(status_code(a), rows[i].code);
        json_decref(a);
    }
    json_t *none = json_pack("{s:[]}", "relationships"), *odd = json_object();
    assert_int_equal(status_code(none), 0);
    assert_int_equal(status_code(odd), 3);
    json_t *a = answer(1, 3);
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    struct status_view view = {.now_us = 1767225600000000ull + 90000000};
    status_print(a, &view, f);
    status_print(none, &view, f);
    fclose(f);
    char *worse = strstr(text, "worse"), *fine = strstr(text, "fine");
    assert_true(worse && fine && worse < fine);
    assert_non_null(strstr(text, "link lost"));
    assert_non_null(strstr(text, " 1m "));
    assert_non_null(strstr(text, "nothing is protected yet"));
    free(text);
    json_decref(a);
    json_decref(none);
    json_decref(odd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_table), T(test_numbers), T(test_gauge),
                                       T(test_status)};
    return RUN(tests);
}
