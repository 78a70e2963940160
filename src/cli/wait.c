/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/wait.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "model/states.h"
#include "util/vtime.h"

#define POLL_MIN_MS 10
#define POLL_MAX_MS 500
#define POLL_PART 32u  /* of the time waited so far: the end is seen 3 % late */
#define RETRY_MS 60000 /* the daemon may be restarting */
#define PLAIN_STEP 10  /* percent between two plain lines */
#define BAR 20
#define EXIT_INTERRUPTED 130

static volatile sig_atomic_t interrupted;

static void on_interrupt(int sig)
{
    interrupted = 1;
}

static void pause_ms(unsigned ms)
{
    struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&ts, NULL); /* a signal ends it early, as it should */
}

static unsigned poll_ms(uint64_t waited_ms)
{
    uint64_t ms = waited_ms / POLL_PART;
    return ms < POLL_MIN_MS ? POLL_MIN_MS : ms > POLL_MAX_MS ? POLL_MAX_MS : (unsigned)ms;
}

const char *progress_line(const json_t *job, const struct gauge *g, char *buf, size_t cap)
{
    const json_t *p = json_object_get(job, "progress");
    char bar[BAR + 1], percent[8] = "?", rate[SHOW_MAX] = "?", eta[SHOW_MAX] = "?";
    int full = g->percent < 0 ? 0 : g->percent * BAR / 100;
    for (int i = 0; i < BAR; i++) {
        bar[i] = i < full ? '#' : '.';
    }
    bar[BAR] = '\0';
    if (json_u64(job, "state") != VR_JOB_RUNNING) {
        const char *text = json_text(job, "state_text"), *status = json_text(job, "status");
        bool more = *status && strcmp(status, text) != 0;
        snprintf(buf, cap, "%s%s%s", text, more ? ": " : "", more ? status : "");
        return buf;
    }
    if (g->percent >= 0) {
        snprintf(percent, sizeof(percent), "%d", g->percent % 1000);
    }
    if (g->rate) {
        show_rate(g->rate, rate);
    }
    if (g->eta_us) {
        show_span(g->eta_us, eta);
    }
    char differing[SHOW_MAX];
    snprintf(buf, cap, "%-12s [%s] %3s%%  %s  eta %s  differing %s", json_text(p, "phase_text"),
             bar, percent, rate, eta, show_size(json_u64(p, "bytes_differing"), differing));
    return buf;
}

/* What has been shown, so that plain output stays short. */
struct shown {
    bool tty;
    int percent;
    char state[96];
};

static void show(struct shown *s, const json_t *job, const struct gauge *g)
{
    char line[512], state[96];
    progress_line(job, g, line, sizeof(line));
    if (s->tty) {
        fprintf(stderr, "\r\033[K%s", line);
        fflush(stderr);
        return;
    }
    snprintf(state, sizeof(state), "%s/%s", json_text(job, "state_text"),
             json_text(json_object_get(job, "progress"), "phase_text"));
    if (strcmp(state, s->state) == 0 && g->percent < s->percent + PLAIN_STEP) {
        return;
    }
    memcpy(s->state, state, sizeof(state));
    s->percent = g->percent < 0 ? 0 : g->percent;
    fprintf(stderr, "%s\n", line);
}

static void summary(const json_t *job, unsigned long long n)
{
    const json_t *p = json_object_get(job, "progress");
    uint64_t from = json_time(json_object_get(job, "started"));
    uint64_t until = json_time(json_object_get(job, "finished"));
    char compared[SHOW_MAX], differing[SHOW_MAX], sent[SHOW_MAX];
    if (json_u64(job, "type") == VR_JOBTYPE_FORECAST) { /* what it found is in its report */
        fprintf(stderr, "job %llu completed; 'vmreplica report %llu' tells what it found\n", n, n);
        return;
    }
    printf("job %llu completed", n);
    if (json_u64(p, "bytes_compared")) {
        printf(": %s compared, %s differed, %s sent",
               show_size(json_u64(p, "bytes_compared"), compared),
               show_size(json_u64(p, "bytes_differing"), differing),
               show_size(json_u64(p, "bytes_sent"), sent));
    }
    if (from && until > from) {
        printf(", in %s", show_span(until - from, sent));
    }
    putchar('\n');
}

static int finished(const struct cli *cli, const json_t *job, uint64_t id)
{
    unsigned long long n = id;
    uint64_t state = json_u64(job, "state");
    if (cli_has(cli, OPT_JSON)) {
        json_dumpf(job, stdout, JSON_COMPACT);
        putchar('\n');
    }
    if (state == VR_JOB_COMPLETED) {
        if (!cli_has(cli, OPT_JSON)) {
            summary(job, n);
        }
        return 0;
    }
    fprintf(stderr, "vmreplica: job %llu %s: %s\n", n, json_text(job, "state_text"),
            *json_text(job, "error_text") ? json_text(job, "error_text")
                                          : json_text(job, "status"));
    return state == VR_JOB_TERMINATED ? vr_kind_exit_code(VR_E_CANCELED) : 1;
}

static int left_alone(uint64_t id, const char *vm)
{
    unsigned long long n = id;
    fprintf(stderr,
            "\njob %llu goes on without this command.\n"
            "  vmreplica job %llu --wait    watches it again\n"
            "  vmreplica cancel %s    ends it\n",
            n, n, *vm ? vm : "VM");
    return EXIT_INTERRUPTED;
}

/* One reading; NULL: could not (err), *ret_gone: and asking again will not help. */
static json_t *read_job(struct client *c, uint64_t id, bool *ret_gone, struct vr_err *err)
{
    char path[64];
    json_t *answer = NULL;
    snprintf(path, sizeof(path), "jobs/%llu", (unsigned long long)id);
    *err = VR_ERR_INIT;
    int r = client_ask(c, "GET", path, NULL, &answer, err);
    *ret_gone = r < 0 && r != -VR_E_PEER && r != -VR_E_TIMEOUT && r != -VR_E_BUSY;
    json_t *job = json_incref(json_object_get(answer, "job"));
    json_decref(answer);
    return job;
}

/* The daemon writes progress less often than it is read here: a rate of nothing in between would be
 * none. */
static bool same_reading(const json_t *job, const json_t *before)
{
    const json_t *p = json_object_get(job, "progress"), *q = json_object_get(before, "progress");
    return q && json_u64(job, "state") == json_u64(before, "state") &&
           json_equal(json_object_get(p, "updated"), json_object_get(q, "updated"));
}

int job_wait(struct client *c, const struct cli *cli, uint64_t id, const char *vm)
{
    struct sigaction sa = {.sa_handler = on_interrupt};
    struct shown s = {.tty = isatty(STDERR_FILENO)};
    struct vr_err err = VR_ERR_INIT;
    struct gauge gauge = {.percent = -1};
    json_t *before = NULL;
    uint64_t began = vr_mono_ms(), deadline = began + RETRY_MS;
    int code = -1;
    sigaction(SIGINT, &sa, NULL);
    while (code < 0) {
        bool gone = false;
        json_t *job = interrupted ? NULL : read_job(c, id, &gone, &err);
        if (interrupted) {
            json_decref(job);
            code = left_alone(id, *vm ? vm : json_text(before, "vm_name"));
            break;
        }
        if (!job && (gone || vr_mono_ms() >= deadline)) {
            code = cli_fail(err.kind ? -(int)err.kind : -VR_E_PROTOCOL, &err);
            break;
        }
        if (job) {
            deadline = vr_mono_ms() + RETRY_MS;
            if (!same_reading(job, before)) {
                gauge = gauge_of(job, before);
            }
            show(&s, job, &gauge);
            if (vr_job_is_final((enum vr_job_state)json_u64(job, "state"))) {
                fputs(s.tty ? "\n" : "", stderr);
                code = finished(cli, job, id);
            }
            json_decref(before);
            before = job;
        }
        if (code < 0) {
            pause_ms(poll_ms(vr_mono_ms() - began));
        }
    }
    json_decref(before);
    return code;
}
