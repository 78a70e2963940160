/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that change something: each is one POST, and perhaps waiting for the job it started.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/wait.h"
#include "util/num.h"
#include "util/vtime.h"

static int say_started(
    struct client *c, const struct cli *cli, const json_t *answer, const char *vm, const char *done)
{
    uint64_t id = json_u64(answer, "job_id");
    if (id && cli_has(cli, OPT_WAIT)) {
        return job_wait(c, cli, id, vm);
    }
    if (cli_has(cli, OPT_JSON)) {
        json_dumpf(answer, stdout, JSON_COMPACT);
        putchar('\n');
    } else if (id) {
        printf("job %llu %s; 'vmreplica job %llu' shows it\n", (unsigned long long)id,
               cli_has(cli, OPT_AT) ? "scheduled" : "started", (unsigned long long)id);
    } else {
        printf("%s\n", done);
    }
    return 0;
}

/* take_body: consumed, NULL: none. name: escaped into the path, NULL: before is the whole path.
 * done: what to say when there is no job. */
static int send_verb(struct cli *cli,
                     const char *method,
                     const char *before,
                     const char *name,
                     const char *after,
                     json_t *take_body,
                     const char *done)
{
    struct vr_err err = VR_ERR_INIT;
    json_t *answer = NULL;
    _cleanup_(client_freep) struct client *c = NULL;
    _cleanup_(vr_freep) char *path = NULL;
    int r = client_new(cli, &c, &err);
    if (r == 0) {
        path = name ? client_path(c, before, name, after) : strdup(before);
        r = path ? client_ask(c, method, path, take_body, &answer, &err) : vr_fail_nomem(&err);
    }
    json_decref(take_body);
    if (r < 0) {
        return cli_fail(r, &err);
    }
    int code = say_started(c, cli, answer, name ? name : "", done);
    json_decref(answer);
    return code;
}

static void set_flag(json_t *body, const struct cli *cli, enum cli_option o, const char *member)
{
    if (cli_has(cli, o)) {
        json_object_set_new(body, member, json_true());
    }
}

static int set_at(json_t *body, const struct cli *cli, struct vr_err *err)
{
    uint64_t us;
    char buf[VR_ISO_TIME_LEN];
    if (!cli_has(cli, OPT_AT)) {
        return 0;
    }
    if (!cli_parse_at(cli->value[OPT_AT], vr_wall_us(), &us)) {
        return vr_fail(err, VR_E_INVALID,
                       "--at: '%s' is no time: write 2026-12-01T02:00, 02:00 or +2h30m",
                       cli->value[OPT_AT]);
    }
    json_object_set_new(body, "at", json_string(vr_iso_time(us, buf, sizeof(buf))));
    return 0;
}

static int set_rate(json_t *body, const char *text, struct vr_err *err)
{
    uint64_t rate;
    if (!vr_parse_size(text, &rate) || rate > INT64_MAX) {
        return vr_fail(err, VR_E_INVALID, "'%s' is no rate: write 10M for 10 MiB/s, 0 for no limit",
                       text);
    }
    json_object_set_new(body, "bandwidth", json_integer((json_int_t)rate));
    return 0;
}

static int vm_verb(struct cli *cli, const char *verb, const char *done)
{
    struct vr_err err = VR_ERR_INIT;
    json_t *body = json_object();
    set_flag(body, cli, OPT_EXTENDED, "extended");
    set_flag(body, cli, OPT_FORCE, "force");
    set_flag(body, cli, OPT_RESTART, "restart");
    set_flag(body, cli, OPT_SEEDED, "seeded");
    set_flag(body, cli, OPT_NO_START, "no_start");
    int r = set_at(body, cli, &err);
    r = r < 0 ? r : cli_set_every(body, cli, &err);
    if (r == 0 && cli_has(cli, OPT_BANDWIDTH)) {
        r = set_rate(body, cli->value[OPT_BANDWIDTH], &err);
    } else if (r == 0 && strcmp(verb, "bandwidth") == 0) {
        r = set_rate(body, cli->args[1], &err);
    }
    if (cli_has(cli, OPT_EXPORT)) {
        json_object_set_new(body, "export", json_string(cli->value[OPT_EXPORT]));
    } else if (strcmp(verb, "import") == 0) {
        json_object_set_new(body, "from", json_string(cli->args[1]));
    }
    if (cli_has(cli, OPT_TO)) {
        json_object_set_new(body, "to", json_string(cli->value[OPT_TO]));
    }
    if (cli->nexclude) {
        json_t *list = json_array();
        for (size_t i = 0; i < cli->nexclude; i++) {
            json_array_append_new(list, json_string(cli->exclude[i]));
        }
        json_object_set_new(body, "exclude", list);
    }
    if (r < 0) {
        json_decref(body);
        return cli_fail(r, &err);
    }
    return send_verb(cli, "POST", "vms", cli->args[0], verb, body, done);
}

static int usage_error(const char *text)
{
    struct vr_err err = VR_ERR_INIT;
    return cli_fail(vr_fail(&err, VR_E_INVALID, "%s", text), &err);
}

int cmd_enable(struct cli *cli)
{
    int starts = cli_has(cli, OPT_AT) + cli_has(cli, OPT_SEEDED) + cli_has(cli, OPT_NO_START);
    if (!cli_has(cli, OPT_TO)) {
        return usage_error("enable: say where the replica is to be: --to HOST");
    }
    if (starts > 1) {
        return usage_error("enable: only one of --at, --seeded and --no-start makes sense");
    }
    return vm_verb(cli, "enable", "enabled");
}

int cmd_start(struct cli *cli)
{
    if (cli_has(cli, OPT_EXPORT) && (cli_has(cli, OPT_SEEDED) || cli_has(cli, OPT_AT))) {
        return usage_error("start: an export is made now, and is not seeded");
    }
    return vm_verb(cli, "start",
                   cli_has(cli, OPT_EXPORT) ? "exported; import it on the replica's host"
                                            : "the replica holds its first generation");
}

int cmd_import(struct cli *cli)
{
    return vm_verb(cli, "import", "imported; resynchronize on the primary host");
}

int cmd_disable(struct cli *cli)
{
    return vm_verb(cli, "disable", "no longer replicated; the images stay");
}

/* The job's report; with --json as it came. */
static int tell_forecast(struct client *c, const struct cli *cli, uint64_t id, struct vr_err *err)
{
    char path[64];
    json_t *answer = NULL;
    snprintf(path, sizeof(path), "jobs/%llu/report", (unsigned long long)id);
    int r = client_ask(c, "GET", path, NULL, &answer, err);
    if (r == 0 && cli_has(cli, OPT_JSON)) {
        json_dumpf(answer, stdout, JSON_COMPACT);
        putchar('\n');
    } else if (r == 0) {
        show_forecast(json_object_get(answer, "report"));
    }
    json_decref(answer);
    return r;
}

static int dry_run(struct cli *cli)
{
    struct vr_err err = VR_ERR_INIT;
    struct cli quiet = *cli; /* the job itself is of no interest */
    json_t *answer = NULL, *body = json_object();
    _cleanup_(client_freep) struct client *c = NULL;
    _cleanup_(vr_freep) char *path = NULL;
    quiet.value[OPT_JSON] = NULL;
    set_flag(body, cli, OPT_EXTENDED, "extended");
    json_object_set_new(body, "dry_run", json_true());
    int code, r = client_new(cli, &c, &err);
    if (r == 0) {
        path = client_path(c, "vms", cli->args[0], "resync");
        r = path ? client_ask(c, "POST", path, body, &answer, &err) : vr_fail_nomem(&err);
    }
    json_decref(body);
    uint64_t id = json_u64(answer, "job_id");
    json_decref(answer);
    if (r < 0) {
        return cli_fail(r, &err);
    }
    code = job_wait(c, &quiet, id, cli->args[0]);
    r = code == 0 ? tell_forecast(c, cli, id, &err) : 0;
    return r < 0 ? cli_fail(r, &err) : code;
}

int cmd_resync(struct cli *cli)
{
    if (cli_has(cli, OPT_DRY_RUN)) {
        return cli_has(cli, OPT_AT) || cli_has(cli, OPT_FORCE) || cli_has(cli, OPT_RESTART)
                   ? usage_error("resync: --dry-run goes with none of --at, --force and --restart")
                   : dry_run(cli);
    }
    return vm_verb(cli, "resync", "both sides are equal");
}

int cmd_verify(struct cli *cli)
{
    return vm_verb(cli, "verify", "both sides are equal");
}

int cmd_pause(struct cli *cli)
{
    return vm_verb(cli, "pause", "paused; what is staged stays");
}

int cmd_resume(struct cli *cli)
{
    return vm_verb(cli, "resume", "resumed");
}

int cmd_cancel(struct cli *cli)
{
    return vm_verb(cli, "cancel", "cancelled");
}

int cmd_failover(struct cli *cli)
{
    if (!cli_has(cli, OPT_FORCE)) {
        return usage_error(
            "failover shuts the old primary out and loses what it did not replicate; "
            "if that is wanted, repeat with --force");
    }
    return vm_verb(cli, "failover", "failed over: the replica on this host is the living VM now");
}

int cmd_adopt(struct cli *cli)
{
    return vm_verb(cli, "adopt", "adopted; resynchronize next");
}

int cmd_bandwidth(struct cli *cli)
{
    return vm_verb(cli, "bandwidth", "limit set");
}

int cmd_authorize_add(struct cli *cli)
{
    if (!cli_has(cli, OPT_STORAGE)) {
        return usage_error("authorize add: say where its replicas are kept: --storage DIR");
    }
    json_t *body = json_object();
    json_object_set_new(body, "host", json_string(cli->args[0]));
    json_object_set_new(body, "storage", json_string(cli->value[OPT_STORAGE]));
    if (cli_has(cli, OPT_TRUST_GROUP)) {
        json_object_set_new(body, "trust_group", json_string(cli->value[OPT_TRUST_GROUP]));
    }
    return send_verb(cli, "POST", "authorizations", NULL, "", body, "authorized");
}

int cmd_authorize_remove(struct cli *cli)
{
    return send_verb(cli, "DELETE", "authorizations", cli->args[0], "", NULL,
                     "no longer authorized");
}

int cmd_peer_test(struct cli *cli)
{
    json_t *body = json_object();
    json_object_set_new(body, "host", json_string(cli->args[0]));
    return send_verb(cli, "POST", "peers/test", NULL, "", body,
                     "the host answers, and both hosts trust each other's certificate");
}

int cmd_stats_reset(struct cli *cli)
{
    json_t *body = json_object();
    set_flag(body, cli, OPT_EXTENDED, "extended");
    return send_verb(cli, "POST", "vms", cli->args[0], "statistics/reset", body,
                     "the statistics begin anew");
}

static int set_recovery_server(json_t *body, const struct cli *cli, struct vr_err *err)
{
    const char *text = cli->value[OPT_RECOVERY_SERVER];
    bool on = text && strcmp(text, "on") == 0;
    if (text && !on && strcmp(text, "off") != 0) {
        return vr_fail(err, VR_E_INVALID, "--recovery-server: 'on' or 'off', not '%s'", text);
    }
    if (text) {
        json_object_set_new(body, "recovery_server", json_boolean(on));
    }
    return 0;
}

static int set_interval(json_t *body, const struct cli *cli, struct vr_err *err)
{
    const char *text = cli->value[OPT_MONITORING_INTERVAL];
    char offset[24];
    uint64_t us;
    if (!text) {
        return 0;
    }
    int n = snprintf(offset, sizeof(offset), "+%s", text);
    if (n >= (int)sizeof(offset) || !cli_parse_at(offset, 0, &us)) {
        return vr_fail(err, VR_E_INVALID, "--monitoring-interval: '%s' is no time: write 12h or 1d",
                       text);
    }
    json_object_set_new(body, "monitoring_interval_s", json_integer((json_int_t)(us / 1000000)));
    return 0;
}

int cmd_settings_set(struct cli *cli)
{
    struct vr_err err = VR_ERR_INIT;
    json_t *body = json_object();
    int r = set_recovery_server(body, cli, &err);
    r = r < 0 ? r : set_interval(body, cli, &err);
    if (r == 0 && cli_has(cli, OPT_MONITORING_START)) {
        json_object_set_new(body, "monitoring_start",
                            json_string(cli->value[OPT_MONITORING_START]));
    }
    if (r == 0 && json_object_size(body) == 0) {
        r = vr_fail(&err, VR_E_INVALID, "nothing to set; see 'vmreplica settings set --help'");
    }
    if (r < 0) {
        json_decref(body);
        return cli_fail(r, &err);
    }
    return send_verb(cli, "POST", "settings", NULL, NULL, body, "set");
}
