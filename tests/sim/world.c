/* SPDX-License-Identifier: Apache-2.0 */
/* The clock, and what happens next. */
#include "tests/sim/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/alloc.h"
#include "util/num.h"

struct world *the_world;

/* The engine's own sources of chance and time, by the linker's --wrap. */
void __wrap_vr_random(void *p, size_t n);
struct vr_uuid __wrap_vr_uuid_new(void);
uint64_t __wrap_vr_wall_us(void);

void __wrap_vr_random(void *p, size_t n)
{
    rng_fill(&the_world->rng, p, n);
}

struct vr_uuid __wrap_vr_uuid_new(void)
{
    uint8_t random[16];
    rng_fill(&the_world->rng, random, sizeof random);
    return vr_uuid_from_random(random);
}

uint64_t __wrap_vr_wall_us(void)
{
    return the_world->now_us;
}

void world_fail(struct world *w, const char *fmt, ...)
{
    if (w->failed) {
        return;
    }
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(w->why, sizeof w->why, fmt, ap);
    va_end(ap);
    w->failed = true;
    world_log(w, "FAILED: %s", w->why);
}

void world_log(struct world *w, const char *fmt, ...)
{
    if (!w->verbose) {
        return;
    }
    va_list ap;
    va_start(ap, fmt);
    printf("%8llu %10.3f  ", (unsigned long long)w->events,
           (double)(w->now_us % 1000000000000) / 1e6);
    vprintf(fmt, ap);
    printf("\n");
    va_end(ap);
    fflush(stdout);
}

void world_note(struct world *w, enum sim_count what)
{
    w->counts[what]++;
}

uint32_t world_day_s(const struct world *w, uint64_t time_us)
{
    bool summer = time_us >= w->summer_us && time_us < w->winter_us;
    return (uint32_t)((time_us / 1000000 + (summer ? 7200 : 3600)) % 86400);
}

uint32_t world_disk(const struct world *w, const char *name)
{
    uint32_t i = 0;
    while (i < w->ndisks && w->letter[i] != name[2]) {
        i++;
    }
    vr_assert(i < w->ndisks);
    return i;
}

static void make_disks(struct world *w)
{
    w->ndisks = rng_chance(&w->rng, 60) ? 1 : 1 + (uint32_t)rng_below(&w->rng, 3);
    for (uint32_t i = 0; i < w->ndisks; i++) {
        char name[32];
        uint64_t max = i == 0 ? (rng_chance(&w->rng, 15) ? 6 : 2) * VR_MIB : VR_MIB + VR_MIB / 2;
        uint64_t size = VR_MIB / 2 + rng_below(&w->rng, max - VR_MIB / 2);
        uint64_t unit = rng_chance(&w->rng, 50) ? 512 : 65536;
        w->size[i] = size / unit * unit;
        w->letter[i] = w->last_letter = (char)('a' + i);
        image_name(w->letter[i], false, name);
        struct fs_inode *n = fs_make(&w->host[0].fs, SRC_DIR, name, w->size[i]);
        uint8_t *buf = malloc(256 * VR_KIB);
        for (unsigned k = 0; k < 6; k++) {
            uint64_t off = rng_below(&w->rng, w->size[i]);
            uint64_t len = VR_MIN(rng_below(&w->rng, 256 * VR_KIB), w->size[i] - off);
            memset(buf, 0, len);
            if (rng_chance(&w->rng, 80)) {
                rng_fill(&w->rng, buf, len);
            }
            fs_poke(n, off, buf, len);
        }
        free(buf);
    }
}

void world_init(struct world *w, uint64_t seed, bool verbose)
{
    memset(w, 0, sizeof *w);
    w->seed = seed;
    w->verbose = verbose;
    w->rng.s = seed * 0x2545f4914f6cdd1du + 1;
    w->now_us = 1790000000ull * 1000000;
    w->summer_us = 1774746000ull * 1000000; /* 2026-03-29 01:00 UTC */
    w->winter_us = 1792890000ull * 1000000; /* 2026-10-25 01:00 UTC */
    if (rng_chance(&w->rng, 30)) {          /* some hours before the clocks change */
        uint64_t change = rng_chance(&w->rng, 50) ? w->summer_us : w->winter_us;
        w->now_us = change - rng_below(&w->rng, 6 * 3600) * 1000000;
    }
    the_world = w;
    sim_alloc = (struct sim_alloc){0};
    rng_fill(&w->rng, w->vm_id.b, sizeof w->vm_id.b);
    for (int i = 0; i < HOSTS; i++) {
        host_init(&w->host[i], w, i);
    }
    make_disks(w);
    for (int i = 0; i < HOSTS; i++) {
        host_boot(&w->host[i]);
    }
}

void world_deinit(struct world *w)
{
    for (int i = 0; i < HOSTS; i++) {
        struct fs *f = &w->host[i].fs;
        w->counts[SIM_EIO] += f->injected[FS_EIO];
        w->counts[SIM_NOSPACE] += f->injected[FS_NOSPACE];
        w->counts[SIM_TORN] += f->torn;
        w->counts[SIM_DROPPED] += f->dropped;
        w->counts[SIM_LOST_NAME] += f->lost_names;
    }
    w->counts[SIM_NOMEM] += sim_alloc.injected;
    marks_forget(w);
    for (int i = 0; i < HOSTS; i++) {
        host_deinit(&w->host[i]);
    }
    for (size_t i = 0; i < CALLS_MAX; i++) {
        free(w->calls[i]);
    }
    for (size_t i = 0; i < w->ngens; i++) {
        snapshot_unref(w->gens[i].snap);
    }
    snapshot_unref(w->src_now);
}

/* --- events --- */

enum what {
    LANE,
    ACCEPT,
    SESSION,
    CARRIER,
    CALL,
    TICK,
    BOOT,
    REPLICA
};

struct next {
    struct world *w;
    enum what what;
    void *who;
    unsigned seen;       /* events that may happen now */
    uint64_t soonest_us; /* of the others; 0: none */
};

/* Each event that is due is chosen with the same chance. */
static void consider(struct next *n, enum what what, void *who, uint64_t due_us)
{
    if (due_us > n->w->now_us) {
        n->soonest_us = n->soonest_us ? VR_MIN(n->soonest_us, due_us) : due_us;
        return;
    }
    n->seen++;
    if (rng_below(&n->w->rng, n->seen) == 0) {
        n->what = what;
        n->who = who;
    }
}

static void consider_all(struct next *n)
{
    struct world *w = n->w;
    for (size_t i = 0; i < LANES_MAX; i++) {
        struct lane *l = w->lanes[i];
        if (l) {
            consider(n, LANE, l, l->eager ? 0 : l->wake_us);
        }
        if (l && l->far) {
            consider(n, ACCEPT, l, l->accept_us);
        }
    }
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        struct session *s = w->sessions[i];
        if (s) {
            consider(n, SESSION, s, s->eager ? 0 : s->wake_us);
        }
    }
    for (size_t i = 0; i < CARRIERS_MAX; i++) {
        struct carrier *t = w->carriers[i];
        if (t) {
            consider(n, CARRIER, t, t->waits ? t->wake_us : 0);
        }
    }
    for (size_t i = 0; i < CALLS_MAX; i++) {
        if (w->calls[i]) {
            consider(n, CALL, &w->calls[i], w->calls[i]->due_us);
        }
    }
    for (int i = 0; i < HOSTS; i++) {
        struct host *h = &w->host[i];
        if (h->up && h->tick_us) {
            consider(n, TICK, h, h->tick_us);
        }
        if (h->up && h->replica_us) {
            consider(n, REPLICA, h, h->replica_us);
        }
        if (!h->up && h->restart_us) {
            consider(n, BOOT, h, h->restart_us);
        }
    }
}

static void deliver(struct world *w, struct call **slot)
{
    struct call *c = *slot;
    struct host *to = &w->host[c->to], *from = c->from;
    struct vr_peer_reply *reply = calloc(1, sizeof *reply);
    *slot = NULL;
    reply->result = -VR_E_PEER;
    snprintf(reply->text, sizeof reply->text, "no connection");
    bool arrives = !c->lost || rng_chance(&w->rng, 50); /* the question or the answer is lost */
    if (to->up && arrives) {
        core_serve_peer(to->core, from->name, &c->req, reply, NULL);
    }
    if (c->lost) {
        world_note(w, SIM_CALL_TIMEOUT);
        *reply = (struct vr_peer_reply){.result = -VR_E_TIMEOUT, .text = "no answer in time"};
    }
    world_log(w, "%s asks %s: %d gives %d %s", from->name, to->name, (int)c->req.op, reply->result,
              reply->text);
    core_on_peer_reply(from->core, c->id, reply);
    free(reply);
    free(c);
}

static void happen(struct next *n)
{
    struct world *w = n->w;
    struct host *h = n->who;
    switch (n->what) {
    case LANE:
        lane_step(n->who);
        break;
    case ACCEPT:
        lane_accept(n->who);
        break;
    case SESSION:
        session_step(n->who);
        break;
    case CARRIER:
        carrier_step(n->who);
        break;
    case CALL:
        deliver(w, n->who);
        break;
    case TICK:
        h->tick_us = core_tick(h->core);
        h->tick_us = h->tick_us ? VR_MAX(h->tick_us, w->now_us + 1000) : 0;
        break;
    case BOOT:
        host_boot(h);
        break;
    case REPLICA:
        h->replica_us = 0;
        if (!h->replica && !host_session(h) && !host_import(h)) {
            (void)!host_open_replica(h, NULL);
        }
        break;
    }
}

void world_settle(struct world *w)
{
    for (int i = 0; i < HOSTS; i++) {
        struct host *h = &w->host[i];
        host_bury(h);
        if (h->up) {
            h->tick_us = h->tick_us ? VR_MIN(h->tick_us, w->now_us + 1000) : w->now_us + 1000;
        }
    }
}

bool world_step(struct world *w)
{
    struct next n = {.w = w};
    consider_all(&n);
    if (n.seen == 0 && n.soonest_us == 0) {
        return false;
    }
    w->events++;
    if (n.seen == 0) {
        w->now_us = n.soonest_us;
        return true;
    }
    happen(&n);
    w->now_us += 1 + rng_below(&w->rng, 2000);
    if (n.what == TICK) {
        host_bury(n.who);
    } else {
        world_settle(w);
    }
    return !w->failed;
}
