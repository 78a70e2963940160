/* SPDX-License-Identifier: Apache-2.0 */
/* Which staging runs a replica has, and their names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resync/replica_priv.h"
#include "util/num.h"

struct run_list {
    struct run_name runs[64];
    size_t n;
    bool sealed_too;
};

static bool is_run(const char *name, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(name, prefix, n) == 0 && strlen(name) == n + 6;
}

static void collect_run(const char *name, void *ctx)
{
    struct run_list *l = ctx;
    bool wanted = is_run(name, RUN_PREFIX) || (l->sealed_too && is_run(name, SEALED_PREFIX));
    if (wanted && l->n < VR_COUNT(l->runs)) {
        snprintf(l->runs[l->n].name, sizeof l->runs[l->n].name, "%s", name);
        l->runs[l->n++].bytes = 0;
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct run_name *)a)->name, ((const struct run_name *)b)->name);
}

static int list_runs(struct replica *r, bool sealed_too, struct run_list *l, struct vr_err *err)
{
    l->n = 0;
    l->sealed_too = sealed_too;
    int x = stor_list(r->stor, collect_run, l, err);
    qsort(l->runs, l->n, sizeof l->runs[0], by_name);
    return x;
}

/* 1: a run of the present generation, 0: a leftover of another, <0 error. */
static int run_is_ours(struct replica *r, const struct run_name *run, struct vr_err *err)
{
    struct vr_err local = VR_ERR_INIT;
    _cleanup_(overlay_freep) struct overlay *o = NULL;
    int x = overlay_open(r->stor, run, 1, &r->sc.rel.generation.uuid, 0, &o, &local);
    if (x == -VR_E_STATE || x == -VR_E_CORRUPT) {
        return 0;
    }
    if (x < 0) {
        if (err) {
            *err = local;
        }
        return x;
    }
    return 1;
}

/* All of the present generation, oldest first. */
static int our_runs(struct replica *r, struct run_list *l, struct vr_err *err)
{
    size_t n = 0;
    int x = list_runs(r, false, l, err);
    for (size_t i = 0; x == 0 && i < l->n; i++) {
        int ours = run_is_ours(r, &l->runs[i], err);
        if (ours < 0) {
            return ours;
        }
        if (ours) {
            l->runs[n++] = l->runs[i];
        }
    }
    l->n = n;
    return x;
}

int replica_runs(struct replica *r, struct run_name *ret, size_t *ret_n, struct vr_err *err)
{
    struct run_list l;
    int x = our_runs(r, &l, err);
    *ret_n = x == 0 ? VR_MIN(l.n, (size_t)RUNS_MAX) : 0;
    memcpy(ret, l.runs, *ret_n * sizeof ret[0]);
    return x;
}

int replica_trim_runs(struct replica *r, struct vr_err *err)
{
    struct run_list l;
    int x = list_runs(r, false, &l, err);
    if (x < 0 || l.n <= RUNS_MAX) { /* names tell, no run need be opened */
        return x;
    }
    x = our_runs(r, &l, err);
    while (x == 0 && l.n > RUNS_MAX) {
        x = stor_unlink(r->stor, l.runs[--l.n].name, err);
    }
    return x;
}

void replica_next_run_name(const struct run_name *runs, size_t n, char *buf, size_t cap)
{
    uint64_t last = 0;
    if (n && !vr_parse_u64(runs[n - 1].name + 4, 0, 999999, &last)) {
        last = 0;
    }
    snprintf(buf, cap, "run-%06llu", (unsigned long long)(last + 1) % 1000000);
}

int replica_seal_runs(struct replica *r, struct run_name *runs, size_t n, struct vr_err *err)
{
    for (size_t i = 0; i < n; i++) {
        struct run_name sealed = runs[i];
        snprintf(sealed.name, sizeof sealed.name, SEALED_PREFIX "%.6s",
                 runs[i].name + strlen(RUN_PREFIX));
        int x = stor_rename(r->stor, runs[i].name, sealed.name, err);
        if (x < 0) {
            return x;
        }
        runs[i] = sealed;
    }
    return 0;
}

int replica_discard_staging(struct replica *r, struct vr_err *err)
{
    struct run_list l;
    int x = list_runs(r, true, &l, err);
    for (size_t i = 0; x == 0 && i < l.n; i++) {
        x = stor_unlink(r->stor, l.runs[i].name, err);
    }
    if (x == 0) {
        x = stor_unlink(r->stor, BALLAST_NAME, err);
    }
    return x < 0 ? x : stor_sync_dir(r->stor, err);
}

int replica_drop_leftovers(struct replica *r, struct vr_err *err)
{
    struct run_list l;
    int x = list_runs(r, true, &l, err);
    for (size_t i = 0; x == 0 && i < l.n; i++) {
        int ours = is_run(l.runs[i].name, SEALED_PREFIX) ? 0 : run_is_ours(r, &l.runs[i], err);
        x = ours < 0 ? ours : ours ? 0 : stor_unlink(r->stor, l.runs[i].name, err);
    }
    return x < 0 ? x : stor_unlink(r->stor, BALLAST_NAME, err);
}
