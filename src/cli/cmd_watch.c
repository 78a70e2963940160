/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmreplica watch: the status again and again. On a terminal it is drawn over itself, on the
 * alternate screen, which is given back whatever ends this; elsewhere one status follows the other.
 * A daemon that restarts does not end it.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/status.h"
#include "util/num.h"
#include "util/vtime.h"

#define INTERVAL_MS 2000
#define SLICE_MS 50
#define RATE_MS 10000 /* rates are of so long a time at least, when there was one */
#define SCREEN_BEGIN "\033[?1049h\033[?25l"
#define SCREEN_END "\033[?25h\033[?1049l"

static volatile sig_atomic_t over, resized;

static void on_end(int sig)
{
    over = 1;
}

static void on_resize(int sig)
{
    resized = 1;
}

struct watch {
    const char *vm; /* NULL: all */
    bool terminal;
    uint64_t interval_ms;
    struct reading {
        json_t *answer; /* owned */
        uint64_t at_ms;
    } now, mid, base; /* rates are those since base, or mid when there is no base yet */
};

static void keep(struct watch *w, json_t *take_answer)
{
    uint64_t at = vr_mono_ms();
    if (!w->mid.answer || at - w->mid.at_ms >= RATE_MS) {
        json_decref(w->base.answer);
        w->base = w->mid;
        w->mid = (struct reading){json_incref(take_answer), at};
    }
    json_decref(w->now.answer);
    w->now = (struct reading){take_answer, at};
}

static const json_t *before(const struct watch *w)
{
    const struct reading *r = w->base.answer ? &w->base : &w->mid;
    return r->answer != w->now.answer ? r->answer : NULL;
}

/* What there is to see, as lines. trouble: why there is nothing newer, "": there is. */
static void compose(const struct watch *w, const char *trouble, FILE *f)
{
    struct winsize ws = {0};
    struct status_view view = {
        .now_us = vr_wall_us(), .columns = terminal_columns(stdout), .before = before(w)};
    char when[32] = "";
    time_t t = (time_t)(view.now_us / 1000000);
    struct tm tm;
    if (localtime_r(&t, &tm)) {
        strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
    }
    if (w->terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_row > 4) {
        view.rows = ws.ws_row - 3u; /* two above, and the last line is left alone */
    }
    fprintf(f, "%s%s%s\n", when, *trouble ? "  " : "", trouble);
    fputs(w->terminal ? "\n" : "", f);
    if (w->now.answer) {
        status_show(w->now.answer, w->vm != NULL, &view, f);
    }
}

/* Draws over what was there: no line is longer than the terminal, and none are more than it has. */
static void draw(const char *text)
{
    size_t columns = terminal_columns(stdout), rows = 0, max = SIZE_MAX;
    struct winsize ws = {0};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_row > 1) {
        max = ws.ws_row - 1u;
    }
    fputs("\033[H", stdout);
    for (const char *p = text; *p && rows < max; rows++) {
        size_t n = strcspn(p, "\n");
        char *line = strndup(p, n);
        text_put(line ? line : "", columns, stdout);
        fputs("\033[K\r\n", stdout);
        free(line);
        p += n + (p[n] == '\n');
    }
    fputs("\033[J", stdout);
}

static void show(const struct watch *w, const char *trouble)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    if (!f) {
        return;
    }
    compose(w, trouble, f);
    fclose(f);
    if (w->terminal && text) {
        draw(text);
    } else if (text) {
        fputs(text, stdout);
        putchar('\n');
    }
    fflush(stdout);
    free(text);
}

/* Until the next look, a signal, or a terminal of another size. */
static void rest(const struct watch *w)
{
    const struct timespec slice = {.tv_nsec = SLICE_MS * 1000000};
    uint64_t until = vr_mono_ms() + w->interval_ms;
    while (!over && !resized && vr_mono_ms() < until) {
        nanosleep(&slice, NULL);
    }
    resized = 0;
}

static bool may_pass(int r)
{
    return r == -VR_E_PEER || r == -VR_E_TIMEOUT || r == -VR_E_BUSY;
}

static int look(struct watch *w, struct client *c, struct vr_err *err)
{
    while (!over && !ferror(stdout)) {
        json_t *answer = NULL;
        *err = VR_ERR_INIT;
        int r = status_ask(c, w->vm, &answer, err);
        if (r < 0 && !over && (!may_pass(r) || !w->now.answer)) {
            return r; /* nothing was there to begin with, or it will not come back by itself */
        }
        if (r == 0) {
            keep(w, answer);
        }
        if (!over) {
            show(w, r < 0 ? vr_err_text(err) : "");
            rest(w);
        }
    }
    return 0;
}

static void begin_signals(void)
{
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction end = {.sa_handler = on_end}, resize = {.sa_handler = on_resize};
    for (size_t i = 0; i < VR_COUNT(ends); i++) {
        sigaction(ends[i], &end, NULL);
    }
    sigaction(SIGWINCH, &resize, NULL);
}

int cmd_watch(struct cli *cli)
{
    struct vr_err err = VR_ERR_INIT;
    _cleanup_(client_freep) struct client *c = NULL;
    struct watch w = {.vm = cli->nargs > 0 ? cli->args[0] : NULL,
                      .terminal = isatty(STDOUT_FILENO),
                      .interval_ms = INTERVAL_MS};
    const char *interval = cli->value[OPT_INTERVAL];
    uint64_t seconds;
    if (interval && !vr_parse_u64(interval, 1, 3600, &seconds)) {
        return cli_fail(
            vr_fail(&err, VR_E_INVALID, "--interval: give a number of seconds from 1 to 3600"),
            &err);
    }
    w.interval_ms = interval ? seconds * 1000 : INTERVAL_MS;
    int r = client_new(cli, &c, &err);
    if (r < 0) {
        return cli_fail(r, &err);
    }
    begin_signals();
    client_stop_when(c, &over);
    fputs(w.terminal ? SCREEN_BEGIN : "", stdout);
    r = look(&w, c, &err);
    fputs(w.terminal ? SCREEN_END : "", stdout);
    fflush(stdout);
    json_decref(w.now.answer);
    json_decref(w.mid.answer);
    json_decref(w.base.answer);
    return r < 0 ? cli_fail(r, &err) : 0;
}
