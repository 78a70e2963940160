/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmreplica events: one line an event, oldest first. What is asked for later begins after the last
 * one shown, so that none is lost or shown twice.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/show.h"
#include "util/log.h"
#include "util/num.h"
#include "util/vtime.h"

#define PAGE 1000u /* the most the server gives at once */
#define LOOK_US 500000

struct events {
    struct cli *cli;
    struct client *client;
    uint64_t limit, since_us, after;
};

static const char *priority_text(uint64_t priority)
{
    static const char *const names[] = {"emerg",   "alert",  "crit", "error",
                                        "warning", "notice", "info", "debug"};
    return priority < VR_COUNT(names) ? names[priority] : "?";
}

/* Texts come from other hosts, too: what could steer a terminal or break the line is escaped. */
static void print_event(const struct cli *cli, const json_t *e)
{
    char when[SHOW_MAX], vm[512], text[2048];
    uint64_t priority = json_u64(e, "priority"), number = json_u64(e, "event_id");
    vr_log_quote(json_text(e, "vm_name"), vm, sizeof(vm));
    vr_log_quote(json_text(e, "text"), text, sizeof(text));
    if (cli_has(cli, OPT_JOURNAL)) {
        printf("<%llu>%s: event=%llu vm=\"%s\" %s\n", (unsigned long long)priority,
               json_text(e, "id"), (unsigned long long)number, vm, text);
        return;
    }
    printf("%s  %-7s  %5llu  %-22s  %s%s%s\n", show_time(json_object_get(e, "time"), when),
           priority_text(priority), (unsigned long long)number, json_text(e, "id"), vm,
           *vm ? ": " : "", text);
}

static void print_all(struct events *ev, const json_t *list, bool newest_first)
{
    size_t n = json_array_size(list);
    for (size_t i = 0; i < n; i++) {
        const json_t *e = json_array_get(list, newest_first ? n - 1 - i : i);
        if (cli_has(ev->cli, OPT_JSON)) {
            json_dumpf(e, stdout, JSON_COMPACT);
            putchar('\n');
        } else {
            print_event(ev->cli, e);
        }
        uint64_t seq = json_u64(e, "seq");
        ev->after = seq > ev->after ? seq : ev->after;
    }
    fflush(stdout);
}

/* The server's answer; newest: the newest `limit`, else the next after the last one shown. */
static int ask(struct events *ev, bool newest, json_t **ret, struct vr_err *err)
{
    char before[160], since[VR_ISO_TIME_LEN], after[40] = "", from[64] = "";
    const char *vm = ev->cli->value[OPT_VM];
    _cleanup_(vr_freep) char *escaped = vm ? client_escape(ev->client, vm) : NULL, *path = NULL;
    if (vm && !escaped) {
        return vr_fail_nomem(err);
    }
    if (!newest) {
        snprintf(after, sizeof(after), "&after=%llu", (unsigned long long)ev->after);
    }
    if (ev->since_us) {
        snprintf(from, sizeof(from), "&since=%s", vr_iso_time(ev->since_us, since, sizeof(since)));
    }
    snprintf(before, sizeof(before), "events?limit=%llu%s%s",
             (unsigned long long)(newest ? ev->limit : PAGE), after, from);
    if (asprintf(&path, "%s%s%s", before, vm ? "&vm=" : "", vm ? escaped : "") < 0) {
        path = NULL;
        return vr_fail_nomem(err);
    }
    return newest && cli_has(ev->cli, OPT_JSON) && !cli_has(ev->cli, OPT_FOLLOW)
               ? client_get(ev->client, ev->cli, path, ret, err)
               : client_ask(ev->client, "GET", path, NULL, ret, err);
}

/* Everything after the last one shown, page by page. */
static int catch_up(struct events *ev, struct vr_err *err)
{
    for (;;) {
        json_t *answer = NULL;
        int r = ask(ev, false, &answer, err);
        if (r < 0) {
            return r;
        }
        const json_t *list = json_object_get(answer, "events");
        size_t n = json_array_size(list);
        print_all(ev, list, false);
        json_decref(answer);
        if (n < PAGE) {
            return 0;
        }
    }
}

/* A daemon that restarts does not end this: it is asked until somebody ends us. */
static int follow(struct events *ev, struct vr_err *err)
{
    int r = 0;
    while ((r == 0 || r == -VR_E_PEER) && !ferror(stdout)) {
        usleep(LOOK_US);
        r = catch_up(ev, err);
    }
    return r;
}

static int show(struct events *ev, struct vr_err *err)
{
    json_t *answer = NULL;
    bool all = ev->since_us && !cli_has(ev->cli, OPT_LIMIT);
    bool lines = !cli_has(ev->cli, OPT_JSON) || cli_has(ev->cli, OPT_FOLLOW);
    int r = all && lines ? catch_up(ev, err) : ask(ev, true, &answer, err);
    if (r == 0 && answer) {
        print_all(ev, json_object_get(answer, "events"), true);
        json_decref(answer);
    }
    return r == 0 && cli_has(ev->cli, OPT_FOLLOW) ? follow(ev, err) : r;
}

int cmd_events(struct cli *cli)
{
    struct vr_err err = VR_ERR_INIT;
    struct events ev = {.cli = cli, .limit = 100};
    const char *since = cli->value[OPT_SINCE];
    if (cli_has(cli, OPT_LIMIT) && !vr_parse_u64(cli->value[OPT_LIMIT], 1, PAGE, &ev.limit)) {
        return cli_fail(vr_fail(&err, VR_E_INVALID, "--limit: give a number from 1 to 1000"), &err);
    }
    if (since && !cli_parse_since(since, vr_wall_us(), &ev.since_us)) {
        return cli_fail(vr_fail(&err, VR_E_INVALID,
                                "--since: '%s' is no time; write 2026-12-01T02:00, 02:00 or 2h30m",
                                since),
                        &err);
    }
    if (since && !cli_has(cli, OPT_LIMIT)) {
        ev.limit = PAGE;
    }
    _cleanup_(client_freep) struct client *c = NULL;
    int r = client_new(cli, &c, &err);
    ev.client = c;
    r = r < 0 ? r : show(&ev, &err);
    return r < 0 ? cli_fail(r, &err) : 0;
}
