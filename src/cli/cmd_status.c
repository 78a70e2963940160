/* SPDX-License-Identifier: Apache-2.0 */
/* What is protected, the worst first; also a monitoring plug-in: 0 ok, 1 warning, 2 critical, 3
 * unknown. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/client.h"
#include "cli/status.h"
#include "model/model.h"
#include "util/num.h"
#include "util/vtime.h"

#define STALE_US 30000000
#define DAY_US 86400000000ull
#define CERT_WARN_DAYS 30

/* The columns: what, its least width (0: it is not cut), which is left out first on a narrow
 * terminal (0: never). */
#define COLUMNS(X)                                                                                 \
    X(VM, "VM", 12, 0)                                                                             \
    X(ROLE, "ROLE", 0, 3)                                                                          \
    X(PEER, "PEER", 10, 2)                                                                         \
    X(STATE, "STATE", 0, 0)                                                                        \
    X(HEALTH, "HEALTH", 0, 0)                                                                      \
    X(RECOVERABLE, "RECOVERABLE", 0, 5)                                                            \
    X(LAG, "LAG/RPO", 0, 1)                                                                        \
    X(PENDING, "PENDING", 0, 9)                                                                    \
    X(RATE, "RATE", 0, 4)                                                                          \
    X(RESYNC, "RESYNC", 0, 1)                                                                      \
    X(NEXT, "NEXT", 0, 6)                                                                          \
    X(VERIFIED, "VERIFIED", 0, 7)                                                                  \
    X(CERT, "CERT", 0, 8)                                                                          \
    X(REASON, "REASON", 0, 10)

enum {
#define X(name, head, min, drop) COL_##name,
    COLUMNS(X)
#undef X
    COL_COUNT
};

static int risk(const json_t *rel)
{
    int health = (int)json_u64(rel, "health");
    return health == VR_HEALTH_CRITICAL  ? STATUS_CRITICAL
           : health == VR_HEALTH_WARNING ? STATUS_WARNING
                                         : STATUS_OK;
}

int status_code(const json_t *answer)
{
    const json_t *rels = json_object_get(answer, "relationships");
    json_t *rel;
    size_t i;
    int worst = STATUS_OK;
    if (!json_is_array(rels)) {
        return STATUS_UNKNOWN;
    }
    json_array_foreach(rels, i, rel)
    {
        worst = VR_MAX(worst, risk(rel));
    }
    return worst;
}

static int by_risk(const void *a, const void *b)
{
    const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
    int d = risk(y) - risk(x);
    d = d ? d : strcmp(json_text(x, "vm_name"), json_text(y, "vm_name"));
    return d ? d : (int)json_u64(x, "number") - (int)json_u64(y, "number");
}

const char *short_state(int state)
{
    switch (state) {
    case VR_REL_READY:
        return "not copied yet";
    case VR_REL_INITIAL:
        return "first copy";
    case VR_REL_SYNCED:
        return "prepared";
    case VR_REL_COMMITTED:
        return "committed";
    case VR_REL_RESYNC_REQUIRED:
        return "resync required";
    case VR_REL_RESYNC_SUSPENDED:
        return "resync paused";
    default:
        return vr_rel_state_text(state);
    }
}

static const char *short_health(const json_t *rel)
{
    static const char *const texts[] = {[VR_HEALTH_NOT_APPLICABLE] = "-",
                                        [VR_HEALTH_OK] = "ok",
                                        [VR_HEALTH_WARNING] = "WARN",
                                        [VR_HEALTH_CRITICAL] = "CRIT"};
    uint64_t health = json_u64(rel, "health");
    return health < VR_COUNT(texts) ? texts[health] : "?";
}

static const char *short_mode(const json_t *rel)
{
    return json_u64(rel, "mode") == VR_MODE_EXTENDED ? "extended" : json_text(rel, "mode_text");
}

/* Without the port where that is the usual one. */
static void set_peer(struct table *t, const json_t *rel)
{
    char usual[16], peer[VR_HOST_MAX + 8];
    size_t n = (size_t)snprintf(usual, sizeof(usual), ":%d", VR_PEER_PORT);
    snprintf(peer, sizeof(peer), "%s", json_text(rel, "peer"));
    size_t len = strlen(peer);
    if (len > n && strcmp(peer + len - n, usual) == 0) {
        peer[len - n] = '\0';
    }
    table_set(t, COL_PEER, peer);
}

/* Today the time, else the day. */
static const char *short_time(const json_t *iso, uint64_t now_us, char *buf)
{
    time_t t = (time_t)(json_time(iso) / 1000000), now = (time_t)(now_us / 1000000);
    struct tm tm, today;
    if (t == 0 || !localtime_r(&t, &tm) || !localtime_r(&now, &today)) {
        snprintf(buf, SHOW_MAX, "-");
        return buf;
    }
    bool same_day = tm.tm_yday == today.tm_yday && tm.tm_year == today.tm_year;
    bool near = t - now < 180 * 86400 && now - t < 180 * 86400;
    strftime(buf, SHOW_MAX, same_day ? "%H:%M:%S" : near ? "%m-%d %H:%M" : "%Y-%m-%d", &tm);
    return buf;
}

/* The time, and what a guest that starts from it finds, where that is known. */
static void set_recoverable(struct table *t, const json_t *rel, uint64_t now_us)
{
    static const char *const words[] = {[VR_CONSISTENCY_CRASH] = " crash",
                                        [VR_CONSISTENCY_FILE_SYSTEM] = " fs",
                                        [VR_CONSISTENCY_APPLICATION] = " app"};
    char when[SHOW_MAX], cell[SHOW_MAX + 8];
    const char *word = "";
    for (size_t i = VR_CONSISTENCY_CRASH; i < VR_COUNT(words); i++) {
        bool is = strcmp(json_text(rel, "consistency"), vr_consistency_text((int)i)) == 0;
        word = is ? words[i] : word;
    }
    short_time(json_object_get(rel, "last_sync"), now_us, when);
    snprintf(cell, sizeof(cell), "%s%s", when, word);
    table_set(t, COL_RECOVERABLE, cell);
}

static void set_lag(struct table *t, const json_t *rel, uint64_t now_us)
{
    char age[SHOW_MAX], rpo[SHOW_MAX], cell[2 * SHOW_MAX + 2];
    uint64_t last_us = json_time(json_object_get(rel, "last_sync"));
    uint64_t rpo_us = json_u64(rel, "rpo_s") * 1000000;
    show_age(json_object_get(rel, "last_sync"), now_us, age);
    if (rpo_us == 0) {
        table_set(t, COL_LAG, age);
        return;
    }
    /* In good order it is as old as an interval and what a transfer takes. */
    bool late = last_us == 0 || (now_us > last_us && now_us - last_us > 2 * rpo_us);
    snprintf(cell, sizeof(cell), "%s/%s%s", age, show_span(rpo_us, rpo), late ? "!" : "");
    table_set(t, COL_LAG, cell);
}

static void set_cert(struct table *t, const json_t *rel, uint64_t now_us)
{
    uint64_t end_us = json_time(json_object_get(rel, "peer_certificate_end"));
    char cell[32];
    if (end_us) {
        long days = end_us > now_us ? (long)((end_us - now_us) / DAY_US) : 0;
        snprintf(cell, sizeof(cell), "%ldd%s", days, days < CERT_WARN_DAYS ? "!" : "");
        table_set(t, COL_CERT, cell);
    }
}

static void set_verified(struct table *t, const json_t *rel, uint64_t now_us)
{
    char age[SHOW_MAX], cell[SHOW_MAX + 2];
    bool differs = json_u64(rel, "verify") == VR_VERIFY_DIFFERS;
    show_age(json_object_get(rel, "verified"), now_us, age);
    snprintf(cell, sizeof(cell), "%s%s", age, differs ? "!" : "");
    table_set(t, COL_VERIFIED, cell);
}

/* The same job in an earlier answer. */
static const json_t *earlier(const json_t *before, const json_t *job)
{
    json_t *rel;
    size_t i;
    json_array_foreach(json_object_get(before, "relationships"), i, rel)
    {
        const json_t *was = json_object_get(rel, "job");
        if (json_u64(was, "id") == json_u64(job, "id") && json_u64(was, "id") != 0) {
            return was;
        }
    }
    return NULL;
}

static bool is_stale(const json_t *job, const struct status_view *view)
{
    uint64_t updated = json_time(json_object_get(json_object_get(job, "progress"), "updated"));
    return updated && view->now_us > updated + STALE_US;
}

struct gauge status_gauge(const json_t *job, const struct status_view *view)
{
    struct gauge g = gauge_of(job, earlier(view->before, job));
    if (is_stale(job, view)) {
        g.rate = g.eta_us = 0;
    }
    return g;
}

uint64_t status_rate(const json_t *job, const char *name, const struct status_view *view)
{
    return is_stale(job, view) ? 0 : rate_of(job, earlier(view->before, job), name);
}

static const char *wait_text(const json_t *wait, uint64_t now_us, char *buf)
{
    uint64_t until = json_time(json_object_get(wait, "until"));
    char span[SHOW_MAX];
    const char *why = json_text(wait, "why_text");
    bool tries_again = strcmp(why, "retry") == 0 || strcmp(why, "disks") == 0;
    show_span(until > now_us ? until - now_us : 0, span);
    snprintf(buf, SHOW_MAX,
             tries_again                 ? "retry in %.20s"
             : strcmp(why, "space") == 0 ? "no space"
             : strcmp(why, "slot") == 0  ? "queued"
                                         : "%.20s",
             tries_again ? span : why);
    return buf;
}

/* The columns that tell of the job: rate, how far it is. */
static void set_job(struct table *t, const json_t *rel, const struct status_view *view)
{
    const json_t *job = json_object_get(rel, "job"), *wait = json_object_get(rel, "wait");
    char buf[SHOW_MAX], eta[SHOW_MAX] = "?", cell[2 * SHOW_MAX];
    uint64_t state = json_u64(job, "state");
    if (!json_is_object(job) || state == VR_JOB_NEW) {
        return;
    }
    if (state != VR_JOB_RUNNING) {
        table_set(t, COL_RESYNC,
                  json_is_object(wait) ? wait_text(wait, view->now_us, buf)
                                       : json_text(job, "state_text"));
        return;
    }
    struct gauge g = status_gauge(job, view);
    if (g.rate) {
        table_set(t, COL_RATE, show_rate(g.rate, buf));
    }
    if (g.eta_us) {
        show_span(g.eta_us, eta);
    }
    if (g.percent >= 0) {
        snprintf(cell, sizeof(cell), "%d%% eta %s", g.percent, eta);
    } else {
        snprintf(cell, sizeof(cell), "%s",
                 json_text(json_object_get(job, "progress"), "phase_text"));
    }
    table_set(t, COL_RESYNC, cell);
}

static void add_rel(struct table *t, const json_t *rel, const struct status_view *view)
{
    const char *name = json_text(rel, "vm_name"), *reason = json_text(rel, "reason");
    const json_t *pending = json_object_get(rel, "pending_bytes");
    char buf[SHOW_MAX];
    table_row(t);
    table_set(t, COL_VM, *name ? name : json_text(rel, "vm_id"));
    table_set(t, COL_ROLE, short_mode(rel));
    set_peer(t, rel);
    table_set(t, COL_STATE, short_state((int)json_u64(rel, "state")));
    table_set(t, COL_HEALTH, short_health(rel));
    set_recoverable(t, rel, view->now_us);
    set_lag(t, rel, view->now_us);
    if (json_is_integer(pending)) {
        table_set(t, COL_PENDING, show_size(json_u64(rel, "pending_bytes"), buf));
    }
    set_job(t, rel, view);
    table_set(t, COL_NEXT, short_time(json_object_get(rel, "next_run"), view->now_us, buf));
    set_verified(t, rel, view->now_us);
    set_cert(t, rel, view->now_us);
    if (view->columns) {
        table_note(t, reason); /* a terminal has no room for it beside the others */
    } else {
        table_set(t, COL_REASON, reason);
    }
}

/* As many as fit beside `taken` lines, with one line for what does not. */
static size_t that_fit(json_t *const *rels, size_t n, size_t taken, const struct status_view *view)
{
    size_t lines = taken, i;
    for (i = 0; i < n && view->rows; i++) {
        lines += *json_text(rels[i], "reason") && view->columns ? 2 : 1;
        if (lines + (i + 1 < n ? 1 : 0) > view->rows) {
            break;
        }
    }
    return view->rows ? i : n;
}

/* The window of bandwidth that limits this host now, which every relationship that sends tells;
 * NULL: none does. */
static const json_t *window_of(const json_t *rels)
{
    json_t *rel;
    size_t i;
    json_array_foreach(rels, i, rel)
    {
        const json_t *limit = json_object_get(rel, "limit");
        if (json_u64(limit, "host_bytes_s")) {
            return limit;
        }
    }
    return NULL;
}

void status_print(const json_t *answer, const struct status_view *view, FILE *f)
{
    static const char *const head[] = {
#define X(name, text, min, drop) text,
        COLUMNS(X)
#undef X
    };
    static const struct table_col cols[] = {
#define X(name, text, min, drop) {min, drop},
        COLUMNS(X)
#undef X
    };
    const json_t *rels = json_object_get(answer, "relationships");
    size_t n = json_array_size(rels);
    if (n == 0) {
        fprintf(f, "nothing is protected yet; see 'vmreplica enable --help'\n");
        return;
    }
    json_t **sorted = calloc(n, sizeof(json_t *));
    if (!sorted) {
        fprintf(f, "(out of memory)\n");
        return;
    }
    for (size_t i = 0; i < n; i++) {
        sorted[i] = json_array_get(rels, i);
    }
    qsort(sorted, n, sizeof(json_t *), by_risk);
    struct table t;
    table_init(&t, COL_COUNT - (view->columns ? 1 : 0), head);
    t.cols = cols;
    const json_t *window = window_of(rels);
    size_t shown = that_fit(sorted, n, window ? 2 : 1, view);
    for (size_t i = 0; i < shown; i++) {
        add_rel(&t, sorted[i], view);
    }
    table_print_fit(&t, view->columns, f);
    if (shown < n) {
        fprintf(f, "and %zu more\n", n - shown);
    }
    if (window) {
        char rate[SHOW_MAX];
        fprintf(f, "at most %s for all transfers of this host until %.5s\n",
                show_rate(json_u64(window, "host_bytes_s"), rate), json_text(window, "until"));
    }
    table_deinit(&t);
    free(sorted);
}

/* One VM's, as an answer like that of all. */
static int ask_vm(struct client *c, const char *name, json_t **ret, struct vr_err *err)
{
    _cleanup_(vr_freep) char *path = client_path(c, "vms", name, "");
    json_t *answer = NULL;
    int r = path ? client_ask(c, "GET", path, NULL, &answer, err) : vr_fail_nomem(err);
    if (r < 0) {
        return r;
    }
    json_t *vm = json_object_get(answer, "vm"), *rels = json_object_get(vm, "relationships");
    *ret =
        json_pack("{s:O,s:O}", "relationships", rels, "schema", json_object_get(answer, "schema"));
    if (json_array_size(rels) == 0) {
        json_decref(*ret);
        r = vr_fail(err, VR_E_STATE, "replication is not enabled for %.128s",
                    json_text(vm, "name"));
    }
    json_decref(answer);
    return r < 0 || *ret ? r : vr_fail_nomem(err);
}

int status_ask(struct client *c, const char *vm, json_t **ret, struct vr_err *err)
{
    return vm ? ask_vm(c, vm, ret, err) : client_ask(c, "GET", "relationships", NULL, ret, err);
}

void status_show(const json_t *answer, bool detail, const struct status_view *view, FILE *f)
{
    json_t *rel;
    size_t i;
    if (!detail) {
        status_print(answer, view, f);
        return;
    }
    json_array_foreach(json_object_get(answer, "relationships"), i, rel)
    {
        fputs(i ? "\n" : "", f);
        detail_rel(rel, view, f);
    }
}

int cmd_status(struct cli *cli)
{
    struct vr_err err = VR_ERR_INIT;
    _cleanup_(client_freep) struct client *c = NULL;
    json_t *answer = NULL;
    const char *vm = cli->nargs > 0 ? cli->args[0] : NULL;
    int r = client_new(cli, &c, &err);
    if (r == 0) {
        r = status_ask(c, vm, &answer, &err);
    }
    if (r < 0) {
        cli_fail(r, &err);
        return STATUS_UNKNOWN;
    }
    if (cli_has(cli, OPT_JSON)) {
        json_dumpf(answer, stdout, JSON_COMPACT);
        putchar('\n');
    } else {
        struct status_view view = {.now_us = vr_wall_us(), .columns = terminal_columns(stdout)};
        status_show(answer, vm != NULL, &view, stdout);
    }
    int code = status_code(answer);
    json_decref(answer);
    return code;
}
