/* SPDX-License-Identifier: Apache-2.0 */
/* `vmreplica set`: how a relationship replicates. */
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"

static int set_switch(
    json_t *body, const struct cli *cli, enum cli_option o, const char *member, struct vr_err *err)
{
    const char *text = cli->value[o];
    bool on = text && strcmp(text, "on") == 0;
    if (text && !on && strcmp(text, "off") != 0) {
        return vr_fail(err, VR_E_INVALID, "--%s: 'on' or 'off', not '%.64s'", cli_options[o].word,
                       text);
    }
    if (text) {
        json_object_set_new(body, member, json_boolean(on));
    }
    return 0;
}

int cli_set_every(json_t *body, const struct cli *cli, struct vr_err *err)
{
    const char *text = cli->value[OPT_EVERY];
    char offset[24];
    uint64_t us = 0;
    if (!text) {
        return 0;
    }
    int n = snprintf(offset, sizeof(offset), "+%s", text);
    bool off = strcmp(text, "off") == 0;
    if (!off && (n >= (int)sizeof(offset) || !cli_parse_at(offset, 0, &us))) {
        return vr_fail(err, VR_E_INVALID, "--every: '%.64s' is no time: write 30s, 5m or off",
                       text);
    }
    json_object_set_new(body, "interval_s", json_integer((json_int_t)(us / 1000000)));
    return 0;
}

/* "18:30-06:00"; the server judges the times. */
static int set_window(json_t *body, const struct cli *cli, struct vr_err *err)
{
    const char *text = cli->value[OPT_AUTO_WINDOW];
    const char *dash = text ? strchr(text, '-') : NULL;
    if (!text) {
        return 0;
    }
    if (!dash || dash == text || !dash[1]) {
        return vr_fail(err, VR_E_INVALID, "--auto-window: '%.64s' is no window: write 18:30-06:00",
                       text);
    }
    json_object_set_new(body, "auto_start", json_stringn(text, (size_t)(dash - text)));
    json_object_set_new(body, "auto_end", json_string(dash + 1));
    return 0;
}

static int read_options(json_t *body, const struct cli *cli, struct vr_err *err)
{
    int r = cli_set_every(body, cli, err);
    r = r < 0 ? r : set_switch(body, cli, OPT_AUTO_RESYNC, "auto_resync", err);
    r = r < 0 ? r : set_window(body, cli, err);
    r = r < 0 ? r : set_switch(body, cli, OPT_COMPRESSION, "compression", err);
    if (r == 0 && json_object_size(body) == 0) {
        r = vr_fail(err, VR_E_INVALID, "nothing to set; see 'vmreplica set --help'");
    }
    return r;
}

int cmd_set(struct cli *cli)
{
    struct vr_err err = VR_ERR_INIT;
    _cleanup_(client_freep) struct client *c = NULL;
    _cleanup_(vr_freep) char *path = NULL;
    json_t *answer = NULL, *body = json_object();
    int r = read_options(body, cli, &err);
    if (cli_has(cli, OPT_EXTENDED)) {
        json_object_set_new(body, "extended", json_true());
    }
    r = r < 0 ? r : client_new(cli, &c, &err);
    if (r == 0) {
        path = client_path(c, "vms", cli->args[0], "settings");
        r = path ? client_ask(c, "POST", path, body, &answer, &err) : vr_fail_nomem(&err);
    }
    json_decref(body);
    if (r < 0) {
        return cli_fail(r, &err);
    }
    if (cli_has(cli, OPT_JSON)) {
        json_dumpf(answer, stdout, JSON_COMPACT);
        putchar('\n');
    } else {
        printf("set\n");
    }
    json_decref(answer);
    return 0;
}
