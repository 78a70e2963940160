/* SPDX-License-Identifier: Apache-2.0 */
/* What is protected, the worst first; also a monitoring plug-in: 0 ok, 1 warning, 2 critical, 3
 * unknown. */
#include <stdlib.h>
#include <string.h>

#include "cli/client.h"
#include "cli/show.h"
#include "cli/status.h"
#include "model/states.h"
#include "util/num.h"
#include "util/vtime.h"

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
    return d ? d : strcmp(json_text(x, "vm_name"), json_text(y, "vm_name"));
}

/* The columns that tell of the job: rate, how far it is, when the next one comes. */
static void job_cells(struct table *t, const json_t *job)
{
    char buf[SHOW_MAX], eta[SHOW_MAX] = "?", cell[2 * SHOW_MAX];
    struct gauge g = gauge_of(job, NULL);
    if (!json_is_object(job)) {
        return;
    }
    if (json_u64(job, "state") == VR_JOB_NEW) {
        table_set(t, 9, show_time(json_object_get(job, "scheduled"), buf));
        return;
    }
    if (json_u64(job, "state") != VR_JOB_RUNNING) {
        table_set(t, 8, json_text(job, "state_text"));
        return;
    }
    if (g.rate) {
        table_set(t, 7, show_rate(g.rate, buf));
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
    table_set(t, 8, cell);
}

void status_print(const json_t *answer, uint64_t now_us, FILE *f)
{
    static const char *const head[] = {"VM",     "ROLE",           "PEER",     "STATE",
                                       "HEALTH", "RECOVERABLE-TO", "LAG",      "RATE",
                                       "RESYNC", "NEXT",           "VERIFIED", "REASON"};
    const json_t *rels = json_object_get(answer, "relationships");
    size_t n = json_array_size(rels);
    if (n == 0) {
        fprintf(f, "nothing is protected yet; see 'vmreplica enable --help'\n");
        return;
    }
    json_t **sorted = calloc(n, sizeof(json_t *));
    struct table t;
    table_init(&t, VR_COUNT(head), head);
    for (size_t i = 0; sorted && i < n; i++) {
        sorted[i] = json_array_get(rels, i);
    }
    if (sorted) {
        qsort(sorted, n, sizeof(json_t *), by_risk);
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *rel = sorted ? sorted[i] : json_array_get(rels, i);
        const char *name = json_text(rel, "vm_name");
        char buf[SHOW_MAX];
        table_row(&t);
        table_set(&t, 0, *name ? name : json_text(rel, "vm_id"));
        table_set(&t, 1, json_text(rel, "mode_text"));
        table_set(&t, 2, json_text(rel, "peer"));
        table_set(&t, 3, json_text(rel, "state_text"));
        table_set(&t, 4, json_text(rel, "health_text"));
        table_set(&t, 5, show_time(json_object_get(rel, "last_sync"), buf));
        table_set(&t, 6, show_age(json_object_get(rel, "last_sync"), now_us, buf));
        job_cells(&t, json_object_get(rel, "job"));
        table_set(&t, 10, show_age(json_object_get(rel, "verified"), now_us, buf));
        table_set(&t, 11, json_text(rel, "reason"));
    }
    table_print(&t, f);
    table_deinit(&t);
    free(sorted);
}

int cmd_status(struct cli *cli)
{
    struct vr_err err = VR_ERR_INIT;
    _cleanup_(client_freep) struct client *c = NULL;
    json_t *answer = NULL;
    int r = client_new(cli, &c, &err);
    if (r == 0) {
        r = client_ask(c, "GET", "relationships", NULL, &answer, &err);
    }
    if (r < 0) {
        cli_fail(r, &err);
        return STATUS_UNKNOWN;
    }
    if (cli_has(cli, OPT_JSON)) {
        json_dumpf(answer, stdout, JSON_COMPACT);
        putchar('\n');
    } else {
        status_print(answer, vr_wall_us(), stdout);
    }
    int code = status_code(answer);
    json_decref(answer);
    return code;
}
