/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmreplica, the command line: one table of commands (commands.c), one table of options
 * (options.c); help, parsing and the tests walk these tables. A command returns the exit code.
 */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "util/err.h"

#define CLI_SOCKET "/run/vmreplica/vmreplicad.sock"
#define CLI_USERS "/etc/vmreplica/users"
#define CLI_CERT_DIR "/etc/vmreplica"
#define CLI_CA_DIR "/etc/vmreplica/ca"
#define CLI_EXCLUDES_MAX 16
#define CLI_NAMES_MAX 16
#define CLI_ATTRIBUTES_MAX 80

/* X(name, option's word, its argument or NULL, what it does) */
#define CLI_OPTIONS(X)                                                                             \
    X(HELP, "help", NULL, "show this and exit")                                                    \
    X(JSON, "json", NULL, "print the server's JSON as it is")                                      \
    X(SOCKET, "socket", "PATH", "the daemon's socket (or VMREPLICA_SOCKET)")                       \
    X(URL, "url", "URL", "ask another host: https://HOST[:PORT]")                                  \
    X(USER, "user", "NAME", "user for --url")                                                      \
    X(PASSWORD_FILE, "password-file", "FILE", "read the password from FILE (mode 0600)")           \
    X(CA_FILE, "cacert", "FILE", "trust the CA in FILE for --url")                                 \
    X(TO, "to", "HOST", "the replica's host, HOST[:PORT]")                                         \
    X(STORAGE, "storage", "DIR", "where the host's replicas are kept")                             \
    X(TRUST_GROUP, "trust-group", "NAME", "trust group of the host")                               \
    X(EXCLUDE, "exclude", "DISK", "leave this disk out; may be repeated")                          \
    X(AT, "at", "TIME", "start then: 2026-12-01T02:00[:00][Z|+01:00], 02:00, or +2h30m")           \
    X(SEEDED, "seeded", NULL, "images were copied beforehand: compare, send what differs")         \
    X(EXPORT, "export", "DIR", "write the first copy to DIR instead, to be carried and imported")  \
    X(NO_START, "no-start", NULL, "only set up; do not copy yet")                                  \
    X(EVERY, "every", "TIME|off", "send what changed every TIME: 30s, 5m, 12h at most")            \
    X(AUTO_RESYNC, "auto-resync", "on|off", "resynchronize by itself, where that is safe")         \
    X(AUTO_WINDOW, "auto-window", "HH:MM-HH:MM", "only then, in local time")                       \
    X(COMPRESSION, "compression", "on|off", "compress what is sent?")                              \
    X(BANDWIDTH, "bandwidth", "RATE", "bytes per second at most (10M); 0 = no limit")              \
    X(EXTENDED, "extended", NULL, "the extended replica's relationship")                           \
    X(WAIT, "wait", NULL, "stay until the job has ended and show its progress")                    \
    X(FORCE, "force", NULL, "yes, although it cannot be undone")                                   \
    X(DRY_RUN, "dry-run", NULL, "compare a sample, tell what it would cost, change nothing")       \
    X(RESTART, "restart", NULL, "forget what an interrupted transfer left staged")                 \
    X(RESET, "reset", NULL, "begin the statistics anew")                                           \
    X(RECOVERY_SERVER, "recovery-server", "on|off", "may other hosts replicate to this one?")      \
    X(MONITORING_START, "monitoring-start", "HH:MM", "when windows of statistics begin, UTC")      \
    X(MONITORING_INTERVAL, "monitoring-interval", "TIME", "how long they are: 1h to 7d")           \
    X(INTERVAL, "interval", "N", "look every N seconds")                                           \
    X(LIMIT, "limit", "N", "show the newest N")                                                    \
    X(VM, "vm", "VM", "only of this VM")                                                           \
    X(SINCE, "since", "TIME", "only since then: 2026-12-01T02:00, 02:00, or 2h30m ago")            \
    X(FOLLOW, "follow", NULL, "stay, and show what happens")                                       \
    X(JOURNAL, "journal", NULL, "begin lines with the priority that the journal understands")      \
    X(ROLE, "role", "ROLE", "viewer, operator or admin")                                           \
    X(FILE, "file", "FILE", "the file of users")                                                   \
    X(NO_PASSWORD, "no-password", NULL, "no password is right; see --attribute")                   \
    X(ATTRIBUTE, "attribute", "KEY=VALUE", "vm=, cert=, email= or principal=; may be repeated")    \
    X(DIR, "dir", "DIR", "directory of certificate and key")                                       \
    X(CA_DIR, "ca-dir", "DIR", "directory of the CA")                                              \
    X(NAME, "name", "NAME", "name in the certificate; may be repeated")                            \
    X(OUT, "out", "FILE", "write the certificate there")                                           \
    X(DAYS, "days", "N", "how long the certificate is valid")

enum cli_option {
#define X(name, word, arg, help) OPT_##name,
    CLI_OPTIONS(X)
#undef X
    OPT_COUNT
};

struct cli_option_info {
    const char *word, *arg, *help;
};
extern const struct cli_option_info cli_options[OPT_COUNT];

/* What was typed. Borrowed from argv and the environment. */
struct cli {
    const char *value[OPT_COUNT]; /* flags: "" when given */
    const char *exclude[CLI_EXCLUDES_MAX];
    size_t nexclude;
    const char *names[CLI_NAMES_MAX];
    size_t nnames;
    const char *attributes[CLI_ATTRIBUTES_MAX];
    size_t nattributes;
    char **args; /* what is no option */
    int nargs;
};

struct cli_command {
    const char *name; /* one word or two */
    const char *args; /* for the usage line */
    int min_args, max_args;
    uint64_t options; /* bits 1 << OPT_; those of every command (O_COMMON) besides */
    const char *summary;
    const char *more; /* another paragraph for --help, or NULL */
    int (*run)(struct cli *cli);
};
#define O(name) ((uint64_t)1 << OPT_##name)
#define O_COMMON (O(HELP))
#define O_SERVER (O(JSON) | O(SOCKET) | O(URL) | O(USER) | O(PASSWORD_FILE) | O(CA_FILE))

extern const struct cli_command cli_commands[];
extern const size_t cli_ncommands;

/* The command argv[0..] begins with; *ret_words: how many of them are its name. NULL: none. */
const struct cli_command *cli_find_command(int argc, char **argv, int *ret_words);
/* INVALID: unknown option, missing or superfluous argument. --help skips the rest. */
VR_MUST_CHECK int
cli_parse(const struct cli_command *c, int argc, char **argv, struct cli *ret, struct vr_err *err);
void cli_help(FILE *f);
void cli_command_help(const struct cli_command *c, FILE *f);

static inline bool cli_has(const struct cli *cli, enum cli_option o)
{
    return cli->value[o] != NULL;
}

/* Prints "vmreplica: text" and returns the exit code of the error's kind. */
int cli_fail(int r, const struct vr_err *err);

/* "2026-12-01T02:00[:ss]" local or with Z or zone, "02:00" (the next one), "+1d2h30m" from now_us.
 */
bool cli_parse_at(const char *text, uint64_t now_us, uint64_t *ret_us);
/* The same, but of the past: "02:00" is the last one, "1d2h30m" is so long ago. */
bool cli_parse_since(const char *text, uint64_t now_us, uint64_t *ret_us);

/* the commands */
int cmd_status(struct cli *cli);
int cmd_watch(struct cli *cli);
int cmd_vms(struct cli *cli);
int cmd_authorize_add(struct cli *cli);
int cmd_authorize_list(struct cli *cli);
int cmd_authorize_remove(struct cli *cli);
int cmd_peer_test(struct cli *cli);
int cmd_enable(struct cli *cli);
int cmd_start(struct cli *cli);
int cmd_import(struct cli *cli);
int cmd_disable(struct cli *cli);
int cmd_resync(struct cli *cli);
int cmd_verify(struct cli *cli);
int cmd_jobs(struct cli *cli);
int cmd_job(struct cli *cli);
int cmd_report(struct cli *cli);
int cmd_pause(struct cli *cli);
int cmd_resume(struct cli *cli);
int cmd_cancel(struct cli *cli);
int cmd_failover(struct cli *cli);
int cmd_adopt(struct cli *cli);
int cmd_bandwidth(struct cli *cli);
int cmd_set(struct cli *cli);
int cmd_stats(struct cli *cli);
int cmd_stats_reset(struct cli *cli);
int cmd_settings(struct cli *cli);
int cmd_settings_set(struct cli *cli);
int cmd_events(struct cli *cli);
int cmd_recover(struct cli *cli);
int cmd_certs_init(struct cli *cli);
int cmd_certs_request(struct cli *cli);
int cmd_certs_sign(struct cli *cli);
int cmd_certs_install(struct cli *cli);
int cmd_certs_status(struct cli *cli);
int cmd_user_add(struct cli *cli);
int cmd_user_remove(struct cli *cli);
int cmd_user_list(struct cli *cli);
