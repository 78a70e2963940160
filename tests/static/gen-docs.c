/* SPDX-License-Identifier: Apache-2.0 */
/* Prints docs/return-codes.md or, called with "events", "health", "metrics" or "cim", that document
 * from the program's tables. Run by tools/gen-docs. */
#include <stdio.h>
#include <string.h>

#include "core/events.h"
#include "model/health.h"
#include "model/method.h"
#include "model/metrics.h"
#include "model/retcode.h"
#include "model/states.h"
#include "tests/static/gen-cim.h"
#include "util/err.h"
#include "util/num.h"

static void codes(void)
{
    static const struct {
        uint32_t value;
        const char *name, *text;
    } rows[] = {
#define X(name, value, text) {value, #name, text},
        VR_RETCODES(X)
#undef X
    };
    puts("## The codes\n\n"
         "| code | text | name in the source |\n|---|---|---|");
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        printf("| %u | %s | `%s` |\n", rows[i].value, rows[i].text, rows[i].name);
    }
}

static void conditions(void)
{
    static const char *const names[] = {
#define X(name, code, text) #name,
        VR_RESYNC_CONDITIONS(X)
#undef X
    };
    puts("\n## When `Resynchronize` answers which\n\n"
         "Judged from top to bottom: where several conditions hold, the first one is the answer.\n"
         "A condition that arises only after 4096 was answered ends the job in state 10, and the\n"
         "job's `ErrorCode` is the same number.\n\n"
         "| condition | code | answer |\n|---|---|---|");
    for (size_t i = 0; i < VR_COUNT(names); i++) {
        enum vr_resync_condition c = (enum vr_resync_condition)i;
        printf("| %s | %u | %s |\n", vr_condition_text(c), vr_condition_code(c),
               vr_retcode_text(vr_condition_code(c)));
    }
    printf("\nNone of them: %u and a job (%s).\n", VR_RC_JOB_STARTED,
           vr_retcode_text(VR_RC_JOB_STARTED));
}

/* The numbers of the bits that are set, from 0 to last. */
static void put_bits(unsigned bits, int last)
{
    unsigned all = (1u << (last + 1)) - 1;
    const char *comma = "";
    if (bits == all || bits == (all & ~1u)) {
        printf("%s", bits == all ? "any" : "any but 0");
        return;
    }
    for (int i = 0; i <= last; i++) {
        if (bits & 1u << i) {
            printf("%s%d", comma, i);
            comma = ", ";
        }
    }
}

static void methods(void)
{
    static const char *const which[] = {
        [VR_WHICH_HOST] = "-",
        [VR_WHICH_VM] = "-",
        [VR_WHICH_SENT] = "what this host sends",
        [VR_WHICH_HELD] = "what this host holds",
        [VR_WHICH_FIRST] = "0",
        [VR_WHICH_NAMED] = "the named one, else 0",
        [VR_WHICH_NEW] = "a new one",
    };
    puts("\n## Which method answers whom, and when\n\n"
         "Every method judges in this order: a parameter of the wrong type 32776; one that is\n"
         "missing or has a value it cannot have 32773; a caller below the least role 32769; the\n"
         "host's own `Msvm_ComputerSystem`, or a method not offered 32770; another replication\n"
         "mode or state than these 32775. `RequestStateChange`, `StartService` and `StopService`\n"
         "know no codes but 0 and 1 (not supported): what is wrong with a call is a CIM error.\n"
         "StartReplication's jobs are of type 94, 118 (export) and 117 (seeded); an export needs "
         "the\n"
         "role administrator. A relationship whose first copy was exported stays in state 2, and\n"
         "Resynchronize takes it from there once the copy was imported.\n"
         "What the numbers of modes, states and job types mean is listed below.\n\n"
         "| method | least role | relationship | modes | its states | job type | offered |\n"
         "|---|---|---|---|---|---|---|");
    for (int i = 0; i < (int)VR_METHOD_COUNT; i++) {
        const struct vr_method_rule *m = vr_method_rule((enum vr_method)i);
        printf("| %s | %s | %s | ", m->name, vr_role_text((int)m->least), which[m->which]);
        if (m->which == VR_WHICH_HOST) {
            printf("- | - | ");
        } else {
            put_bits(m->modes, VR_MODE_EXTENDED);
            printf(" | ");
            put_bits(m->states, VR_REL_RESYNC_SUSPENDED);
            printf(" | ");
        }
        if (m->job) {
            printf("%d | ", (int)m->job);
        } else {
            printf("- | ");
        }
        printf("%s |\n", m->refusal[0] ? m->refusal : "yes");
    }
    puts("\n### RequestReplicationStateChange(Ex) of Msvm_ComputerSystem\n\n"
         "Least role: operator, on the host that sends. A state that cannot be asked for, or is\n"
         "not offered: 32773; one the relationship's state does not allow: 32775.\n\n"
         "| requested state | does | in states | offered |\n|---|---|---|---|");
    const struct vr_state_change_rule *s;
    for (unsigned i = 0; (s = vr_state_change_at(i)); i++) {
        printf("| %d | %s | ", (int)s->wanted, s->text);
        put_bits(s->states, VR_REL_RESYNC_SUSPENDED);
        printf(" | %s |\n", s->refusal[0] ? s->refusal : "yes");
    }
}

static void kinds(void)
{
    static const struct {
        int number;
        const char *name, *text;
        int cim, http, exit_code;
    } rows[] = {
#define X(name, number, text, cim, http, exit_code, ...)                                           \
    {number, #name, text, cim, http, exit_code},
        VR_ERR_KINDS(X)
#undef X
    };
    puts(
        "\n## Kinds of error on every interface\n\n"
        "What a failure becomes: the return code of a CIM method, the CIM status of an intrinsic\n"
        "operation, the HTTP status of REST, the exit code of `vmreplica` (`status` and\n"
        "`certs status` have their own: see vmreplica(1)).\n\n"
        "| kind | text | return code | CIM status | HTTP | exit code |\n|---|---|---|---|---|---|");
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        printf("| %s | %s | %u | %d | %d | %d |\n", rows[i].name, rows[i].text,
               vr_retcode_of_error(rows[i].number), rows[i].cim, rows[i].http, rows[i].exit_code);
    }
    puts("\n## What `Msvm_Error` says of a failure\n\n"
         "`GetError` and `GetErrorEx` of a job give it; `MessageID` is the kind, `Message` the "
         "job's\n"
         "own text, `RecommendedActions` what to do.\n\n"
         "| kind | ErrorType | ProbableCause | PerceivedSeverity | what to do "
         "|\n|---|---|---|---|---|");
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        struct vr_kind_advice a = vr_kind_advice(rows[i].number);
        printf("| %s | %d | %d | %d | %s |\n", rows[i].name, a.error_type, a.probable_cause,
               a.severity, a.action);
    }
}

struct row {
    int value;
    const char *text;
};

static void list(const char *title, const struct row *rows, size_t n)
{
    printf("\n### %s\n\n| value | meaning |\n|---|---|\n", title);
    for (size_t i = 0; i < n; i++) {
        printf("| %d | %s |\n", rows[i].value, rows[i].text);
    }
}

#define X(name, value, text) {value, text},
#define LIST(title, TABLE)                                                                         \
    do {                                                                                           \
        static const struct row rows[] = {TABLE(X)};                                               \
        list(title, rows, VR_COUNT(rows));                                                         \
    } while (0)

static void numbers(void)
{
    puts("\n## Numbers in the objects");
    LIST("Replication state", VR_REL_STATES);
    LIST("Replication health", VR_HEALTHS);
    LIST("Replication mode", VR_MODES);
    LIST("Job state", VR_JOB_STATES);
    LIST("Job type", VR_JOB_TYPES);
}
#undef X

/* Every move of the relationship's life cycle, as vr_rel_next allows it. */
static void moves(void)
{
    static const enum vr_rel_state states[] = {
#define X(name, value, text) VR_REL_##name,
        VR_REL_STATES(X)
#undef X
    };
    static const enum vr_rel_event events[] = {
#define X(name, text) VR_REV_##name,
        VR_REL_EVENTS(X)
#undef X
    };
    puts("\n## Moves of a relationship\n\n"
         "What is not listed is refused with 32775.\n\n"
         "| from | event | to |\n|---|---|---|");
    for (size_t s = 0; s < VR_COUNT(states); s++) {
        for (size_t e = 0; e < VR_COUNT(events); e++) {
            enum vr_rel_state to;
            if (vr_rel_next(states[s], events[e], &to)) {
                printf("| %d %s | %s | %d %s |\n", (int)states[s], vr_rel_state_text(states[s]),
                       vr_rel_event_text(events[e]), (int)to, vr_rel_state_text(to));
            }
        }
    }
}

static void events_document(void)
{
    static const struct {
        unsigned number;
        int priority;
        const char *id, *when;
    } rows[] = {
#define X(name, number, priority, id, when) {number, priority, id, when},
        CORE_EVENTS(X)
#undef X
    };
    static const char *const priorities[] = {"emerg",   "alert",  "crit", "error",
                                             "warning", "notice", "info", "debug"};
    puts(
        "<!-- Made by tools/gen-docs from src/core/events.h: do not edit. -->\n"
        "# Events\n\n"
        "What happens is one line in the daemon's log, `NAME: event=NUMBER vm=\"VM\" TEXT`, and "
        "one\n"
        "row of its history, which `vmreplica events` shows and the REST resource `events` gives.\n"
        "With `--journal` a line begins with its priority as the journal reads it (`<5>`). "
        "Numbers\n"
        "and names are never used again for something else, so logs may be filtered by them; the\n"
        "text is for people and may change.\n\n"
        "| number | name | priority | when |\n|---|---|---|---|");
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        printf("| %u | `%s` | %d %s | %s |\n", rows[i].number, rows[i].id, rows[i].priority,
               priorities[rows[i].priority], rows[i].when);
    }
}

static void health_document(void)
{
    const struct vr_health_row *row;
    puts(
        "<!-- Made by tools/gen-docs from src/model/health.h: do not edit. -->\n"
        "# Health\n\n"
        "A relationship's health is that of the worst of these reasons; without one it is ok. The\n"
        "reasons of a relationship, worst first, are `ReplicationHealthIssues` of\n"
        "`GetReplicationStatistics(Ex)` (`MessageID` is the name) and the member `issues` of the\n"
        "REST resource `relationships`. Numbers and names are never used again for something "
        "else.\n");
    printf(
        "Reasons from %d on say why a relationship is in state 9, resynchronization required, and\n"
        "last as long as that. Those that automatic resynchronization may mend, within its "
        "window,\n"
        "are marked; the others wait until somebody resynchronizes. Missed cycles and slow\n"
        "transfers are counted in the window of statistics that runs, behind means %llu minutes\n"
        "and two intervals, slow %llu minutes, and cannot-send %d tries in a row.\n\n",
        VR_WHY_STATE_9_FIRST, (unsigned long long)(VR_BEHIND_US / 60000000),
        (unsigned long long)(VR_SLOW_US / 60000000), VR_FAILING_TRIES);
    puts("| number | name | health | automatic | what it means | what to do |\n"
         "|---|---|---|---|---|---|");
    for (unsigned i = 0; (row = vr_health_row_at(i)); i++) {
        printf("| %d | `%s` | %s | %s | %s | %s |\n", (int)row->why, row->id,
               vr_health_text((int)row->health),
               row->why < VR_WHY_STATE_9_FIRST ? ""
               : row->automatic                ? "yes"
                                               : "no",
               row->text, row->advice);
    }
}

static void metrics_document(void)
{
    enum {
        GAUGE,
        COUNTER,
        NUMBER,
        SECONDS
    };
    static const struct {
        const char *name, *label, *help, *otherwise;
        int type;
    } rows[] = {
#define X(id, name, type, unit, label, help, otherwise) {name, label, help, otherwise, type},
        VR_METRICS(X)
#undef X
    };
    puts("<!-- Made by tools/gen-docs from src/model/metrics.h: do not edit. -->\n"
         "# Metrics\n\n"
         "`GET /metrics` on the ports and the socket of the management interface gives them in "
         "the text\n"
         "format of Prometheus. It asks for a user like everything else; the role viewer is "
         "enough.\n\n"
         "Every series of a relationship has the labels `vm` (the VM's name), `peer` (the name in "
         "the other\n"
         "host's certificate), `relationship` (0; 1 with the extended replica) and `vm_id`. Names "
         "and labels\n"
         "never change. Every series is there from the start and as long as its relationship, so "
         "that one that\n"
         "is missing means that the daemon is; what is not known is -1, or as the last column "
         "says. Counters\n"
         "begin at 0 when the daemon starts.\n\n"
         "| name | type | label | what | otherwise |\n|---|---|---|---|---|");
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        const char *label = rows[i].label, *tick = *label ? "`" : "";
        printf("| `%s` | %s | %s%s%s | %s | %s |\n", rows[i].name,
               rows[i].type == COUNTER ? "counter" : "gauge", tick, label, tick, rows[i].help,
               rows[i].otherwise);
    }
    puts("\nTo scrape a host over HTTPS, with a user of the role viewer:\n\n"
         "```\n"
         "scrape_configs:\n"
         "  - job_name: vmreplica\n"
         "    scheme: https\n"
         "    basic_auth:\n"
         "      username: prometheus\n"
         "      password_file: /etc/prometheus/vmreplica.password\n"
         "    static_configs:\n"
         "      - targets: ['hv1.example:5989', 'hv2.example:5989']\n"
         "```\n\n"
         "Alerts that proved useful elsewhere:\n\n"
         "```\n"
         "repl_health == 3\n"
         "repl_resync_required == 1                                            # for 10 minutes\n"
         "repl_resync_phase == 2 and delta(repl_resync_compared_bytes[10m]) == 0\n"
         "repl_verify_state == 1\n"
         "0 < repl_peer_cert_expiry_timestamp_seconds < time() + 30 * 86400\n"
         "0 < repl_rpo_seconds * 2 < repl_lag_seconds\n"
         "repl_queue_wait_seconds{reason=\"space\"} > 600\n"
         "```");
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "metrics") == 0) {
        metrics_document();
        return ferror(stdout) || fflush(stdout) ? 1 : 0;
    }
    if (argc > 1 && strcmp(argv[1], "health") == 0) {
        health_document();
        return ferror(stdout) || fflush(stdout) ? 1 : 0;
    }
    if (argc > 1 && strcmp(argv[1], "events") == 0) {
        events_document();
        return ferror(stdout) || fflush(stdout) ? 1 : 0;
    }
    if (argc > 1 && strcmp(argv[1], "cim") == 0) {
        bool ok = cim_document();
        return !ok || ferror(stdout) || fflush(stdout) ? 1 : 0;
    }
    puts("<!-- Made by tools/gen-docs from the tables in src/model and src/util: do not edit. -->\n"
         "# Return codes, kinds of error, states\n");
    codes();
    conditions();
    methods();
    kinds();
    numbers();
    moves();
    return ferror(stdout) || fflush(stdout) ? 1 : 0;
}
