/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands. */
#include "cli/cli.h"

#include <string.h>

#include "util/num.h"

const struct cli_command cli_commands[] = {
    {"status", "[VM]", 0, 1, O_SERVER, "what is protected, and how well; of one VM in detail",
     "A table is made to fit the terminal; elsewhere every column is printed.\n"
     "Exit code: 0 all is well, 1 warning, 2 critical, 3 unknown (the daemon cannot be asked).",
     cmd_status},
    {"watch", "[VM]", 0, 1, (O_SERVER & ~O(JSON)) | O(INTERVAL), "the same, again and again",
     "Looks every 2 seconds unless told otherwise. Ctrl-C ends it.", cmd_watch},
    {"vms", "", 0, 0, O_SERVER, "the VMs this host knows and their disks", NULL, cmd_vms},
    {"enable", "VM", 1, 1,
     O_SERVER | O(TO) | O(EXCLUDE) | O(AT) | O(SEEDED) | O(NO_START) | O(BANDWIDTH) | O(EVERY) |
         O(WAIT),
     "protect a VM with a replica on another host",
     "On a replica this makes the extended replica on a third host.", cmd_enable},
    {"start", "VM", 1, 1, O_SERVER | O(AT) | O(SEEDED) | O(EXPORT) | O(EXTENDED) | O(WAIT),
     "start the first copy of a VM that was enabled with --no-start",
     "Also after a first copy that was cancelled or failed. With --seeded a copy of every disk "
     "must\n"
     "be in the replica's directory, named like the replica's image: DISK.FORMAT.\n"
     "With --export nothing is sent: carry DIR to the replica's host, import it there, then "
     "resynchronize.",
     cmd_start},
    {"import", "VM DIR", 2, 2, O_SERVER | O(WAIT),
     "on the replica's host: take the first copy from an export",
     "Everything in DIR is checked before the replica holds it.", cmd_import},
    {"disable", "VM", 1, 1, O_SERVER | O(EXTENDED),
     "end the protection; images stay where they are", NULL, cmd_disable},
    {"resync", "VM", 1, 1,
     O_SERVER | O(AT) | O(WAIT) | O(EXTENDED) | O(FORCE) | O(RESTART) | O(DRY_RUN),
     "compare both sides and send only what differs",
     "The replica keeps its last recovery point until the new one is proven and committed.\n"
     "--force overwrites a replica of a conflicting lineage (one that was failed over, or\n"
     "descends from another branch): what only the replica holds is lost.\n"
     "--dry-run reads an eighth of the disks at most, 1 GiB of large ones, on both sides, and "
     "says\n"
     "how much differs, would be sent, and how long that takes, and how sure that is.",
     cmd_resync},
    {"verify", "VM", 1, 1, O_SERVER | O(WAIT) | O(EXTENDED), "compare both sides; change nothing",
     NULL, cmd_verify},
    {"jobs", "", 0, 0, O_SERVER | O(LIMIT), "what runs, waits and has ended", NULL, cmd_jobs},
    {"job", "ID", 1, 1, O_SERVER | O(WAIT), "one job in detail", NULL, cmd_job},
    {"report", "JOB", 1, 1, O_SERVER, "the record of a finished transfer", NULL, cmd_report},
    {"pause", "VM", 1, 1, O_SERVER | O(EXTENDED), "stop a transfer; what is staged stays", NULL,
     cmd_pause},
    {"resume", "VM", 1, 1, O_SERVER | O(EXTENDED), "go on after a pause", NULL, cmd_resume},
    {"cancel", "VM", 1, 1, O_SERVER | O(EXTENDED), "end a transfer and discard what is staged",
     NULL, cmd_cancel},
    {"bandwidth", "VM RATE", 2, 2, O_SERVER | O(EXTENDED),
     "limit a VM's transfers: 10M is 10 MiB/s, 0 no limit", NULL, cmd_bandwidth},
    {"set", "VM", 1, 1,
     O_SERVER | O(EXTENDED) | O(EVERY) | O(AUTO_RESYNC) | O(AUTO_WINDOW) | O(COMPRESSION),
     "how a VM replicates: by itself, and when it may resynchronize by itself",
     "On the host that sends. A replica that changed without its primary, or descends from "
     "another\n"
     "branch, is never resynchronized by itself.",
     cmd_set},
    {"failover", "VM", 1, 1, O_SERVER | O(FORCE), "make the replica on this host the living VM",
     "Needs --force: the old primary is shut out, and what it did not replicate is lost.",
     cmd_failover},
    {"adopt", "VM", 1, 1, O_SERVER | O(EXTENDED),
     "accept what the replica holds, when both sides' records are lost", NULL, cmd_adopt},
    {"events", "", 0, 0, O_SERVER | O(LIMIT) | O(VM) | O(SINCE) | O(FOLLOW) | O(JOURNAL),
     "what happened, newest last",
     "One line an event: time, priority, number, name, VM and text.\n"
     "With --follow --json, one JSON object a line.",
     cmd_events},
    {"stats", "VM", 1, 1, O_SERVER | O(EXTENDED) | O(RESET),
     "what was replicated in this window and the last, and how often not",
     "With --reset the window begins anew; a health that missed transfers made a warning is ok\n"
     "again.",
     cmd_stats},
    {"settings set", "", 0, 0,
     O_SERVER | O(RECOVERY_SERVER) | O(MONITORING_START) | O(MONITORING_INTERVAL),
     "change the settings of this host's service",
     "--recovery-server off forbids every other host to replicate to this one and ends what they\n"
     "have begun.",
     cmd_settings_set},
    {"settings", "", 0, 0, O_SERVER, "the settings of this host's service", NULL, cmd_settings},
    {"authorize add", "HOST", 1, 1, O_SERVER | O(STORAGE) | O(TRUST_GROUP),
     "let HOST (or *.domain) replicate to this host", NULL, cmd_authorize_add},
    {"authorize list", "", 0, 0, O_SERVER, "who may replicate to this host", NULL,
     cmd_authorize_list},
    {"authorize remove", "HOST", 1, 1, O_SERVER, "no longer let HOST replicate to this host", NULL,
     cmd_authorize_remove},
    {"peer test", "HOST", 1, 1, O_SERVER, "can HOST be reached, and may this host replicate to it?",
     NULL, cmd_peer_test},
    {"recover", "DIR", 1, 1, 0, "settle an interrupted commit in a replica's directory",
     "Needs neither daemon nor peer nor database. The replica is then exactly at one generation.",
     cmd_recover},
    {"certs init", "[NAME]", 0, 1, O(CA_DIR), "make a CA for the hosts of one site", NULL,
     cmd_certs_init},
    {"certs request", "", 0, 0, O(DIR) | O(NAME), "make this host's key and a request", NULL,
     cmd_certs_request},
    {"certs sign", "REQUEST", 1, 1, O(CA_DIR) | O(OUT) | O(DAYS), "sign a host's request", NULL,
     cmd_certs_sign},
    {"certs install", "CERT CA", 2, 2, O(DIR), "put the signed certificate in place", NULL,
     cmd_certs_install},
    {"certs status", "", 0, 0, O(DIR), "this host's certificate",
     "Exit code: 0 all is well, 1 warning, 2 expired, 3 unknown.", cmd_certs_status},
    {"user add", "NAME", 1, 1, O(FILE) | O(ROLE) | O(PASSWORD_FILE) | O(NO_PASSWORD) | O(ATTRIBUTE),
     "add a user of the network interface, or change password and role",
     "Attributes say by what else a user is known (the SHA-256 of a certificate, the e-mail "
     "address\n"
     "in one, a Kerberos principal), and vm= to which virtual machines he is limited. Without\n"
     "--attribute they stay as they are; '--attribute none' takes all away.",
     cmd_user_add},
    {"user remove", "NAME", 1, 1, O(FILE), "remove a user", NULL, cmd_user_remove},
    {"user list", "", 0, 0, O(FILE), "the users and their roles", NULL, cmd_user_list},
};
const size_t cli_ncommands = VR_COUNT(cli_commands);

const struct cli_command *cli_find_command(int argc, char **argv, int *ret_words)
{
    char two[64];
    snprintf(two, sizeof(two), "%s %s", argc > 0 ? argv[0] : "", argc > 1 ? argv[1] : "");
    for (size_t i = 0; i < cli_ncommands; i++) {
        const char *name = cli_commands[i].name;
        *ret_words = strchr(name, ' ') ? 2 : 1;
        if (argc >= *ret_words && strcmp(name, *ret_words == 2 ? two : argv[0]) == 0) {
            return &cli_commands[i];
        }
    }
    return NULL;
}

void cli_help(FILE *f)
{
    fprintf(f, "usage: vmreplica COMMAND [ARGUMENT]... [OPTION]...\n\n"
               "Keeps replicas of virtual machines on other hosts.\n\ncommands:\n");
    for (size_t i = 0; i < cli_ncommands; i++) {
        const struct cli_command *c = &cli_commands[i];
        char usage[64];
        snprintf(usage, sizeof(usage), "%s %s", c->name, c->args);
        fprintf(f, "  %-22s %s\n", usage, c->summary);
    }
    fprintf(f, "\n'vmreplica COMMAND --help' tells more; so does vmreplica(1).\n");
}

void cli_command_help(const struct cli_command *c, FILE *f)
{
    fprintf(f, "usage: vmreplica %s%s%s [OPTION]...\n\n%s.\n", c->name, *c->args ? " " : "",
            c->args, c->summary);
    if (c->more) {
        fprintf(f, "%s\n", c->more);
    }
    fprintf(f, "\noptions:\n");
    for (int o = 0; o < OPT_COUNT; o++) {
        if (!((c->options | O_COMMON) & ((uint64_t)1 << o))) {
            continue;
        }
        char left[64];
        snprintf(left, sizeof(left), "--%s%s%s", cli_options[o].word, cli_options[o].arg ? " " : "",
                 cli_options[o].arg ? cli_options[o].arg : "");
        fprintf(f, "  %-22s %s\n", left, cli_options[o].help);
    }
}
