/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim [--seeds N] [--first S] [--seed S] [--verbose] [--jobs N] [--chain]: runs worlds; with
 * --chain nothing but an hour of deltas over three hosts in each. With the first seed goes a fault
 * at every call in turn. The first that breaks an invariant is told with the command that replays
 * it, and ends the run with 1. So does a kind of fault that no world of many had.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sim/world.h"
#include "util/num.h"

#define ALL_KINDS_FROM 1000  /* seeds */
#define EVERY_CYCLE_CALLS 60 /* more than one delta and some cycles that send nothing have */

static const char *const count_names[] = {
#define X(name) #name,
    SIM_COUNTS(X)
#undef X
};

struct options {
    uint64_t seeds, first, jobs;
    bool one, verbose, chain;
};

static int run_one(const struct options *o, uint64_t seed, uint64_t *counts)
{
    struct world *w = malloc(sizeof *w);
    world_init(w, seed, o->verbose);
    if (o->chain) {
        scenario_chain(w);
    } else {
        scenario_run(w);
    }
    bool failed = w->failed;
    if (failed) {
        printf("seed %llu, event %llu: %s\nreplay: sim --seed %llu --verbose%s\n",
               (unsigned long long)seed, (unsigned long long)w->events, w->why,
               (unsigned long long)seed, o->chain ? " --chain" : "");
    }
    world_deinit(w);
    for (size_t i = 0; i < SIM_COUNT_COUNT; i++) {
        counts[i] += w->counts[i];
    }
    free(w);
    return failed ? 1 : 0;
}

static int run_op(struct every_op *e, uint64_t seed, bool *ret_more, uint64_t *counts)
{
    struct world *w = malloc(sizeof *w);
    world_init(w, seed, false);
    *ret_more = scenario_every_op(w, e);
    bool failed = w->failed;
    if (failed) {
        printf(
            "every call: seed %llu, host %d, call %llu, fault %d, power %d, then %d, initial %d: "
            "%s\n",
            (unsigned long long)seed, e->host, (unsigned long long)e->k, (int)e->fault, e->power,
            e->then_dies, e->initial, w->why);
    }
    world_deinit(w);
    for (size_t i = 0; i < SIM_COUNT_COUNT; i++) {
        counts[i] += w->counts[i];
    }
    free(w);
    return failed ? 1 : 0;
}

static const enum fs_fault faults[] = {FS_DIE_BEFORE, FS_DIE_AFTER, FS_EIO, FS_NOSPACE};

/* Deaths before and after each call of primary and replica in a cycle. */
static struct every_op every_cycle_op(unsigned v)
{
    return (struct every_op){.host = (int)(v % 2),
                             .fault = v / 2 % 2 ? FS_DIE_AFTER : FS_DIE_BEFORE,
                             .power = v / 4,
                             .delta = true};
}

/* Faults at each of the replica's calls in a resync that follows other disks. */
static struct every_op every_reshape_op(unsigned v)
{
    return (struct every_op){
        .host = 1, .fault = faults[v % 4], .power = v / 4 % 2, .reshaped = true};
}

/* A first transfer and a resync, with a fault at each call of primary and replica in turn. */
static struct every_op every_op(unsigned v)
{
    struct every_op e = {
        .host = (int)(v % 2),
        .fault = v < 32 ? faults[v / 2 % 4] : FS_EIO,
        .power = v / 8 % 2,
        .initial = v / 16 % 2,
        .then_dies = v >= 64,
    };
    e.power = e.power || e.then_dies;
    return e;
}

/* Faults at each call of primary and replica while a first copy is carried. */
static struct every_op every_carried_op(unsigned v)
{
    return (struct every_op){
        .host = (int)(v % 2), .fault = faults[v / 2 % 4], .power = v / 8, .carried = true};
}

/* Deaths at each call of the primary while one job takes another's place. */
static struct every_op every_paused_op(unsigned v)
{
    return (struct every_op){
        .fault = v % 2 ? FS_DIE_AFTER : FS_DIE_BEFORE, .power = v / 2 % 2, .paused = true};
}

static const struct {
    unsigned n;
    uint64_t seed, calls_max;
    struct every_op (*make)(unsigned v);
} every[] = {{128, 7, UINT64_MAX, every_op},
             {8, 207, EVERY_CYCLE_CALLS, every_cycle_op},
             {16, 401, UINT64_MAX, every_reshape_op},
             {16, 501, UINT64_MAX, every_carried_op},
             {16, 601, UINT64_MAX, every_paused_op}};

#define EVERY (128 + 8 + 16 + 16 + 16)

static int run_every(unsigned v, uint64_t *counts)
{
    size_t i = 0;
    while (v >= every[i].n) {
        v -= every[i++].n;
    }
    struct every_op e = every[i].make(v);
    bool more = true;
    int r = 0;
    for (e.k = 1; r == 0 && more && e.k <= every[i].calls_max; e.k++) {
        r = run_op(&e, every[i].seed + v, &more, counts);
    }
    return r;
}

/* What is not begun yet, by any process: one takes it after the other, so that all end together. */
static int run_share(const struct options *o, _Atomic uint64_t *next, uint64_t *counts)
{
    uint64_t each = o->first == 1 && !o->chain ? EVERY : 0, total = each + o->seeds;
    int r = 0;
    for (uint64_t i; r == 0 && (i = atomic_fetch_add(next, 1)) < total;) {
        r = i < each ? run_every((unsigned)i, counts) : run_one(o, o->first + i - each, counts);
    }
    if (r != 0) {
        atomic_store(next, total);
    }
    return r;
}

static int spawn_part(const struct options *o, _Atomic uint64_t *next, int *ret_fd, pid_t *ret_pid)
{
    int fd[2];
    if (pipe(fd) < 0) {
        return 1;
    }
    fflush(stdout);
    *ret_pid = fork();
    if (*ret_pid == 0) {
        uint64_t counts[SIM_COUNT_COUNT] = {0};
        int r = run_share(o, next, counts);
        fflush(stdout);
        if (write(fd[1], counts, sizeof counts) != (ssize_t)sizeof counts) {
            r = 1;
        }
        exit(r);
    }
    close(fd[1]);
    *ret_fd = fd[0];
    return *ret_pid < 0;
}

static int run_parts(const struct options *o, _Atomic uint64_t *next, uint64_t *counts)
{
    int fd[16], r = 0, status = 0;
    pid_t pid[16];
    for (uint64_t i = 0; i < o->jobs; i++) {
        r |= spawn_part(o, next, &fd[i], &pid[i]);
    }
    for (uint64_t i = 0; i < o->jobs; i++) {
        uint64_t c[SIM_COUNT_COUNT];
        if (read(fd[i], c, sizeof c) != (ssize_t)sizeof c) {
            r = 1;
        }
        for (size_t k = 0; r == 0 && k < SIM_COUNT_COUNT; k++) {
            counts[k] += c[k];
        }
        close(fd[i]);
        if (waitpid(pid[i], &status, 0) < 0 || status != 0) {
            r = 1;
        }
        if (WIFSIGNALED(status)) {
            printf("a part died of signal %d; from seed %llu on %llu runs were begun\n",
                   WTERMSIG(status), (unsigned long long)o->first, (unsigned long long)*next);
        }
    }
    return r;
}

static int tell_counts(const struct options *o, const uint64_t *counts)
{
    int r = 0;
    for (size_t i = 0; i < SIM_COUNT_COUNT; i++) {
        printf("%-20s %llu\n", count_names[i], (unsigned long long)counts[i]);
        if (counts[i] == 0 && !o->chain && o->first == 1 && o->seeds >= ALL_KINDS_FROM) {
            printf("  never happened in %llu seeds\n", (unsigned long long)o->seeds);
            r = 1;
        }
    }
    return r;
}

static bool parse(int argc, char **argv, struct options *o)
{
    const char *env = getenv("SIM_SEEDS");
    *o = (struct options){.seeds = 2000, .first = 1, .jobs = 1};
    if (env && !vr_parse_u64(env, 1, 1000000000, &o->seeds)) {
        return false;
    }
    for (int i = 1; i < argc; i++) {
        uint64_t *to = NULL;
        to = strcmp(argv[i], "--seeds") == 0 ? &o->seeds : to;
        to = strcmp(argv[i], "--first") == 0 ? &o->first : to;
        to = strcmp(argv[i], "--jobs") == 0 ? &o->jobs : to;
        if (strcmp(argv[i], "--seed") == 0) {
            to = &o->first;
            o->one = true;
        }
        if (strcmp(argv[i], "--verbose") == 0) {
            o->verbose = true;
            continue;
        }
        if (strcmp(argv[i], "--chain") == 0) {
            o->chain = true;
            continue;
        }
        if (!to || i + 1 == argc || !vr_parse_u64(argv[++i], 0, 1ull << 60, to)) {
            return false;
        }
    }
    return o->jobs >= 1 && o->jobs <= 16;
}

int main(int argc, char **argv)
{
    struct options o;
    uint64_t counts[SIM_COUNT_COUNT] = {0};
    if (!parse(argc, argv, &o)) {
        fprintf(stderr,
                "usage: sim [--seeds N] [--first S] [--seed S] [--verbose] [--jobs N] [--chain]\n");
        return 2;
    }
    if (o.one) {
        return run_one(&o, o.first, counts);
    }
    _Atomic uint64_t *next =
        mmap(NULL, sizeof *next, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (next == MAP_FAILED) {
        perror("sim");
        return 2;
    }
    int r = o.jobs > 1 ? run_parts(&o, next, counts) : run_share(&o, next, counts);
    r = r ? r : tell_counts(&o, counts);
    return r || !o.chain ? r : counts[SIM_HINTED] == 0 || counts[SIM_SENT_ON_HINTED] == 0;
}
