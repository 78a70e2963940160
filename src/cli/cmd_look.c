/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that only show: jobs, authorizations, VMs, reports, statistics, settings. */
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/status.h"
#include "cli/wait.h"
#include "model/states.h"
#include "util/num.h"
#include "util/vtime.h"

/* Fetches path. False: *ret_code is the exit code (an error, or the JSON was printed). */
static bool fetch(struct cli *cli, const char *path, json_t **ret, int *ret_code)
{
    struct vr_err err = VR_ERR_INIT;
    _cleanup_(client_freep) struct client *c = NULL;
    int r = client_new(cli, &c, &err);
    if (r == 0) {
        r = client_get(c, cli, path, ret, &err);
    }
    *ret_code = r < 0 ? cli_fail(r, &err) : 0;
    return r == 0 && *ret;
}

static void print_table(struct table *t, const char *nothing)
{
    if (t->nrows > 1) {
        table_print(t, stdout);
    } else {
        printf("%s\n", nothing);
    }
    table_deinit(t);
}

int cmd_vms(struct cli *cli)
{
    static const char *const head[] = {"VM", "ROLE", "DISK", "FORMAT", "SIZE", "PATH", "NOTE"};
    json_t *answer = NULL, *vm, *disk;
    size_t i, j;
    int code;
    if (!fetch(cli, "vms", &answer, &code)) {
        return code;
    }
    struct table t;
    table_init(&t, VR_COUNT(head), head);
    json_array_foreach(json_object_get(answer, "vms"), i, vm)
    {
        json_t *disks = json_object_get(vm, "disks");
        if (json_array_size(disks) == 0) {
            table_row(&t);
            table_set(&t, 0, json_text(vm, "name"));
            table_set(&t, 1, json_text(vm, "mode_text"));
            table_set(&t, 6, json_text(vm, "refused"));
        }
        json_array_foreach(disks, j, disk)
        {
            char size[SHOW_MAX];
            bool excluded = json_is_true(json_object_get(disk, "excluded"));
            table_row(&t);
            table_set(&t, 0, json_text(vm, "name"));
            table_set(&t, 1, excluded ? "excluded" : json_text(vm, "mode_text"));
            table_set(&t, 2, json_text(disk, "name"));
            table_set(&t, 3, json_text(disk, "format"));
            uint64_t bytes = json_u64(disk, "size_bytes");
            table_set(&t, 4, bytes ? show_size(bytes, size) : "?");
            table_set(&t, 5, json_text(disk, "path"));
            const char *left_out = json_text(disk, "left_out");
            table_set(&t, 6, left_out[0] ? left_out : json_text(vm, "refused"));
        }
    }
    print_table(&t, "no VMs: see inventory in vmreplicad.conf(5)");
    json_decref(answer);
    return 0;
}

static void job_row(struct table *t, const json_t *job)
{
    char id[24], when[SHOW_MAX], percent[8] = "";
    struct gauge g = gauge_of(job, NULL);
    uint64_t state = json_u64(job, "state");
    const char *time_of = state == VR_JOB_NEW                         ? "scheduled"
                          : vr_job_is_final((enum vr_job_state)state) ? "finished"
                                                                      : "started";
    table_row(t);
    snprintf(id, sizeof(id), "%llu", (unsigned long long)json_u64(job, "id"));
    table_set(t, 0, id);
    table_set(t, 1, json_text(job, "vm_name"));
    table_set(t, 2, json_text(job, "type_text"));
    table_set(t, 3, json_text(job, "state_text"));
    if (state == VR_JOB_RUNNING && g.percent >= 0) {
        snprintf(percent, sizeof(percent), "%d%%", g.percent % 1000);
    }
    table_set(t, 4, percent);
    table_set(t, 5, show_time(json_object_get(job, time_of), when));
    table_set(t, 6, json_text(job, "initiator"));
    table_set(t, 7,
              *json_text(job, "error_text") ? json_text(job, "error_text")
                                            : json_text(job, "status"));
}

int cmd_jobs(struct cli *cli)
{
    static const char *const head[] = {"ID", "VM", "WHAT", "STATE", "DONE", "WHEN", "BY", "STATUS"};
    json_t *answer = NULL, *job;
    struct vr_err err = VR_ERR_INIT;
    char path[32] = "jobs";
    uint64_t limit;
    size_t i;
    int code;
    if (cli_has(cli, OPT_LIMIT)) {
        if (!vr_parse_u64(cli->value[OPT_LIMIT], 1, 1000, &limit)) {
            return cli_fail(vr_fail(&err, VR_E_INVALID, "--limit: give a number from 1 to 1000"),
                            &err);
        }
        snprintf(path, sizeof(path), "jobs?limit=%u", (unsigned)limit);
    }
    if (!fetch(cli, path, &answer, &code)) {
        return code;
    }
    struct table t;
    table_init(&t, VR_COUNT(head), head);
    json_array_foreach(json_object_get(answer, "jobs"), i, job)
    {
        job_row(&t, job);
    }
    print_table(&t, "no jobs");
    json_decref(answer);
    return 0;
}

static bool job_number(const char *text, uint64_t *ret, int *ret_code)
{
    struct vr_err err = VR_ERR_INIT;
    if (vr_parse_u64(text, 1, INT64_MAX, ret)) {
        return true;
    }
    *ret_code = cli_fail(
        vr_fail(&err, VR_E_INVALID, "'%s' is no job number; 'vmreplica jobs' lists them", text),
        &err);
    return false;
}

static void line(const char *name, const char *text)
{
    text_line(name, text, terminal_columns(stdout), stdout);
}

static void size_line(const char *name, uint64_t bytes)
{
    char buf[SHOW_MAX];
    line(name, show_size(bytes, buf));
}

static void time_line(const char *name, const json_t *iso)
{
    char buf[SHOW_MAX];
    if (json_time(iso)) {
        line(name, show_time(iso, buf));
    }
}

static void show_job(const json_t *job)
{
    char text[512];
    const char *state = json_text(job, "state_text"), *status = json_text(job, "status");
    bool more = *status && strcmp(status, state) != 0;
    line("vm", json_text(job, "vm_name"));
    line("what", json_text(job, "type_text"));
    snprintf(text, sizeof(text), "%s%s%s", state, more ? ": " : "", more ? status : "");
    line("state", text);
    if (*json_text(job, "error_text")) {
        snprintf(text, sizeof(text), "%s (%llu)", json_text(job, "error_text"),
                 (unsigned long long)json_u64(job, "error_code"));
        line("error", text);
    }
    line("by", json_text(job, "initiator"));
    time_line("submitted", json_object_get(job, "submitted"));
    time_line("scheduled", json_object_get(job, "scheduled"));
    time_line("started", json_object_get(job, "started"));
    time_line("finished", json_object_get(job, "finished"));
    struct status_view view = {.now_us = vr_wall_us(), .columns = terminal_columns(stdout)};
    detail_progress(job, &view, stdout);
}

static int wait_for(struct cli *cli, uint64_t id)
{
    struct vr_err err = VR_ERR_INIT;
    _cleanup_(client_freep) struct client *c = NULL;
    int r = client_new(cli, &c, &err);
    return r < 0 ? cli_fail(r, &err) : job_wait(c, cli, id, "");
}

int cmd_job(struct cli *cli)
{
    uint64_t id;
    int code;
    char path[64];
    json_t *answer = NULL;
    if (!job_number(cli->args[0], &id, &code)) {
        return code;
    }
    if (cli_has(cli, OPT_WAIT)) {
        return wait_for(cli, id);
    }
    snprintf(path, sizeof(path), "jobs/%llu", (unsigned long long)id);
    if (!fetch(cli, path, &answer, &code)) {
        return code;
    }
    show_job(json_object_get(answer, "job"));
    json_decref(answer);
    return 0;
}

void show_forecast(const json_t *report)
{
    const json_t *f = json_object_get(report, "forecast");
    char a[SHOW_MAX], b[SHOW_MAX], text[192];
    json_t *disk;
    size_t i;
    uint64_t all = 0, sampled = json_u64(f, "sampled_bytes");
    uint64_t differing = json_u64(f, "differing_bytes"), margin = json_u64(f, "margin_bytes");
    uint64_t limit = json_u64(f, "limit_bytes_s");
    json_array_foreach(json_object_get(report, "disks"), i, disk)
    {
        all += json_u64(disk, "size_bytes");
    }
    snprintf(text, sizeof(text), "%s of %s, drawn at random", show_size(VR_MIN(sampled, all), a),
             show_size(all, b));
    line("sampled", text);
    if (differing || !margin) {
        snprintf(text, sizeof(text), margin ? "about %s, more or less %s (95 times of 100)" : "%s",
                 show_size(differing, a), show_size(margin, b));
    } else {
        snprintf(text, sizeof(text), "none seen: less than %s (95 times of 100)",
                 show_size(VR_MIN(margin, all), b));
    }
    line("differing", text);
    size_line("to send", json_u64(f, "wire_bytes"));
    snprintf(text, sizeof(text), limit ? "about %s, at the limit of %s" : "about %s%s",
             show_span(json_u64(f, "time_us"), a),
             limit ? show_rate(limit, b) : " on a line that is fast enough");
    line("time", text);
}

static void show_report(const json_t *r)
{
    char buf[SHOW_MAX];
    json_t *disk;
    size_t i;
    const json_t *generation = json_object_get(r, "generation");
    char text[96];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)json_u64(r, "job_id"));
    line("report", text);
    if (json_u64(generation, "sequence")) {
        snprintf(text, sizeof(text), "%s, number %llu", json_text(generation, "uuid"),
                 (unsigned long long)json_u64(generation, "sequence"));
        line("generation", text);
    }
    time_line("instant", json_object_get(r, "instant"));
    line("consistency", json_text(r, "consistency_text"));
    line("outcome", json_text(r, "outcome"));
    line("equal", json_is_true(json_object_get(r, "equal")) ? "yes" : "no");
    line("by", json_text(r, "initiator"));
    line("duration", show_span(json_u64(r, "duration_us"), buf));
    if (json_is_object(json_object_get(r, "forecast"))) {
        show_forecast(r);
    }
    json_array_foreach(json_object_get(r, "disks"), i, disk)
    {
        putchar('\n');
        line("disk", json_text(disk, "name"));
        size_line("  size", json_u64(disk, "size_bytes"));
        size_line("  compared", json_u64(disk, "bytes_compared"));
        snprintf(text, sizeof(text), "%s in %llu %s",
                 show_size(json_u64(disk, "bytes_differing"), buf),
                 (unsigned long long)json_u64(disk, "ranges"),
                 json_u64(disk, "ranges") == 1 ? "range" : "ranges");
        line("  differing", text);
        size_line("  sent", json_u64(disk, "bytes_sent"));
        size_line("  written", json_u64(disk, "bytes_written"));
        line("  source", json_text(disk, "source_root"));
        line("  target", json_text(disk, "target_root"));
    }
}

int cmd_report(struct cli *cli)
{
    uint64_t id;
    int code;
    char path[64];
    json_t *answer = NULL;
    if (!job_number(cli->args[0], &id, &code)) {
        return code;
    }
    snprintf(path, sizeof(path), "jobs/%llu/report", (unsigned long long)id);
    if (!fetch(cli, path, &answer, &code)) {
        return code;
    }
    show_report(json_object_get(answer, "report"));
    json_decref(answer);
    return 0;
}

int cmd_authorize_list(struct cli *cli)
{
    static const char *const head[] = {"HOST", "TRUST-GROUP", "STORAGE"};
    json_t *answer = NULL, *e;
    size_t i;
    int code;
    if (!fetch(cli, "authorizations", &answer, &code)) {
        return code;
    }
    struct table t;
    table_init(&t, VR_COUNT(head), head);
    json_array_foreach(json_object_get(answer, "authorizations"), i, e)
    {
        table_row(&t);
        table_set(&t, 0, json_text(e, "host"));
        table_set(&t, 1, json_text(e, "trust_group"));
        table_set(&t, 2, json_text(e, "storage"));
    }
    print_table(&t, "nobody may replicate to this host; see 'vmreplica authorize add --help'");
    json_decref(answer);
    return 0;
}

/* --- statistics and settings --- */

/* A number of both windows; null: not counted on this side. */
static void count_row(struct table *t, const json_t *windows, const char *what, const char *member)
{
    table_row(t);
    table_set(t, 0, what);
    for (size_t i = 0; i < json_array_size(windows) && i < 2; i++) {
        const json_t *v = json_object_get(json_array_get(windows, i), member);
        char text[24];
        snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(v));
        table_set(t, 1 + i, json_is_null(v) ? "" : text);
    }
}

static void shown_row(struct table *t,
                      const json_t *windows,
                      const char *what,
                      const char *member,
                      const char *(*show)(uint64_t, char *))
{
    table_row(t);
    table_set(t, 0, what);
    for (size_t i = 0; i < json_array_size(windows) && i < 2; i++) {
        const json_t *w = json_array_get(windows, i);
        char text[SHOW_MAX];
        bool none = json_is_null(json_object_get(w, member));
        table_set(t, 1 + i, none ? "" : show(json_u64(w, member), text));
    }
}

static void show_stats(const json_t *s)
{
    const json_t *windows = json_object_get(s, "windows");
    const char *head[3] = {"SINCE"};
    char since[2][SHOW_MAX];
    size_t n = json_array_size(windows);
    for (size_t i = 0; i < 2; i++) {
        const json_t *start = json_object_get(json_array_get(windows, i), "start");
        head[1 + i] = i < n ? show_time(start, since[i]) : "";
    }
    struct table t;
    line("health", json_text(s, "health_text"));
    if (*json_text(s, "reason")) {
        line("reason", json_text(s, "reason"));
    }
    table_init(&t, n > 1 ? 3 : 2, head);
    count_row(&t, windows, "completed", "successes");
    count_row(&t, windows, "missed", "misses");
    count_row(&t, windows, "network failures", "network_failures");
    count_row(&t, windows, "other failures", "failures");
    shown_row(&t, windows, "sent", "bytes", show_size);
    shown_row(&t, windows, "largest", "bytes_max", show_size);
    shown_row(&t, windows, "duration", "latency_us", show_span);
    shown_row(&t, windows, "longest", "latency_max_us", show_span);
    print_table(&t, "");
}

int cmd_stats(struct cli *cli)
{
    json_t *answer = NULL, *s;
    size_t i, shown = 0;
    struct vr_err err = VR_ERR_INIT;
    _cleanup_(client_freep) struct client *c = NULL;
    _cleanup_(vr_freep) char *path = NULL;
    if (cli_has(cli, OPT_RESET)) {
        return cmd_stats_reset(cli);
    }
    int r = client_new(cli, &c, &err);
    if (r == 0) {
        path = client_path(c, "vms", cli->args[0], "statistics");
        r = path ? client_get(c, cli, path, &answer, &err) : vr_fail_nomem(&err);
    }
    if (r < 0) {
        return cli_fail(r, &err);
    }
    json_array_foreach(json_object_get(answer, "statistics"), i, s)
    {
        if (!cli_has(cli, OPT_EXTENDED) || json_u64(s, "number") == 1) {
            printf("%s", shown++ ? "\n" : "");
            show_stats(s);
        }
    }
    bool nothing = answer && shown == 0;
    json_decref(answer);
    return nothing ? cli_fail(vr_fail(&err, VR_E_STATE, "there is no extended relationship"), &err)
                   : 0;
}

int cmd_settings(struct cli *cli)
{
    json_t *answer = NULL;
    char text[2 * SHOW_MAX], span[SHOW_MAX];
    int code;
    if (!fetch(cli, "settings", &answer, &code)) {
        return code;
    }
    const json_t *s = json_object_get(answer, "settings");
    bool open = json_is_true(json_object_get(s, "recovery_server"));
    line("recovery server", open ? "on" : "off: no other host may replicate to this one");
    snprintf(text, sizeof(text), "from %.16s UTC, every %s", json_text(s, "monitoring_start"),
             show_span(json_u64(s, "monitoring_interval_s") * 1000000, span));
    line("monitoring", text);
    snprintf(text, sizeof(text), "%llu", (unsigned long long)json_u64(s, "peer_port"));
    line("peer port", text);
    line("certificate", json_text(s, "thumbprint"));
    json_decref(answer);
    return 0;
}
