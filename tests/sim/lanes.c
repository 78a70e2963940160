/* SPDX-License-Identifier: Apache-2.0 */
/* The two ends of transfers as the daemon's lane threads would run them, one step at a time. */
#include <stdio.h>
#include <stdlib.h>

#include "resync/changes.h"
#include "resync/run.h"
#include "tests/sim/alloc.h"
#include "tests/sim/world.h"
#include "transport/msg.h"
#include "util/num.h"

#define GATE_WAIT_US                                                                               \
    (30u * 1000000ull) /* then the commit pre-empts who reads; shorter than a daemon would wait */

/* --- the source's end --- */

static void sim_random(void *ctx, void *p, size_t n)
{
    rng_fill(&the_world->rng, p, n);
}

static int instant_check(void *ctx, struct vr_err *err)
{
    struct lane *l = ctx;
    return l->broken ? vr_fail(err, VR_E_BUSY, "a disk was written meanwhile") : 0;
}

static int open_source(struct lane *l, const struct vr_vm *vm, struct vr_err *err)
{
    struct host *h = l->host;
    int r = 0;
    l->stor = fs_stor(&h->fs, l->from_replica ? h->replica_dir : SRC_DIR);
    for (uint32_t i = 0; r == 0 && i < vm->ndisks; i++) {
        char name[VR_NAME_MAX + 8];
        snprintf(name, sizeof name, "%s.raw", vm->disks[i].name);
        if (!l->from_replica) { /* a replica is held by our own lease */
            r = stor_lock_image(l->stor, name, IMAGE_LOCK_READ, &l->lock[i], err);
        }
        if (r == 0) {
            r = stor_open_image(l->stor, name, "raw", BLOCK_READ_ONLY, &l->dev[i], err);
        }
    }
    return r;
}

/* Of a primary it is the same, another, or not known; a replica's is sent on. */
static void define(struct lane *l)
{
    struct world *w = l->host->w;
    const struct gen *g = l->from_replica ? gen_find(w, &l->host->at) : NULL;
    char xml[64];
    uint8_t nvram[256];
    w->definition += !l->from_replica && rng_below(&w->rng, 2);
    if (l->from_replica) {
        l->definition = g ? g->definition : (struct sim_definition){.n = 0};
        return;
    }
    if (rng_below(&w->rng, 8) == 0) {
        return;
    }
    struct vr_definition d = {.xml = xml, .nvram = nvram};
    d.xml_len = (uint32_t)snprintf(xml, sizeof xml, "<domain>%u</domain>", w->definition);
    d.nvram_len = w->definition % 3 * 100;
    d.nvram_state = d.nvram_len ? VR_NVRAM_CARRIED : VR_NVRAM_NONE;
    memset(nvram, (int)(w->definition / 3), sizeof nvram);
    struct vr_buf b;
    vr_buf_init(&b, sizeof l->definition.p);
    msg_put_definition_body(&b, &d);
    vr_assert(!b.failed);
    memcpy(l->definition.p, b.data, b.len);
    l->definition.n = (uint32_t)b.len;
    vr_buf_deinit(&b);
    world_note(w, SIM_DEFINITION);
}

uint64_t replica_instant(struct host *h)
{
    struct vr_rel rel = *core_rel(h->core, &h->w->vm_id, 0);
    replica_tell_held(replica_rel(h->replica), &rel);
    return rel.last_sync_us;
}

/* Of a replica the instant is its generation, and what its commits changed is known. */
static int
send_on(struct lane *l, const struct core_transfer *t, struct source_params *p, struct vr_err *err)
{
    struct host *h = l->host;
    char why[VR_TEXT_MAX] = "";
    p->open.instant = l->from = replica_generation(h->replica)->uuid;
    int r = t->delta
                ? changes_since(l->stor, &t->rel.made_from, &l->from, &p->open, &l->hint, why, err)
                : 0;
    p->hint = l->hint;
    if (why[0]) {
        world_note(h->w, SIM_CHANGES_UNKNOWN);
        world_log(h->w, "%s: %s", h->name, why);
    }
    return r;
}

/* Hosts have processors of both kinds. */
static bool prefers_umac(const struct host *h)
{
    return h->w->seed >> h->id & 1;
}

static int connect_lane(struct lane *l, const struct core_transfer *t, struct vr_err *err)
{
    struct world *w = l->host->w;
    struct source_params p = {
        .job_id = t->job_id,
        .ndisks = t->vm.ndisks,
        .bandwidth_bytes_s = t->rel.bandwidth_bytes_s,
        .uncompressed = !t->rel.setting.compression,
        .definition = l->definition.n ? l->definition.p : NULL,
        .definition_len = l->definition.n,
        .instant_check = instant_check,
        .random = sim_random,
        .ctx = l,
    };
    core_peer_request(&t->rel, &t->vm, VR_PEER_OPEN, &p.open);
    p.open.kind = t->kind;
    p.open.job = t->job_uuid;
    uint8_t random[16];
    rng_fill(&w->rng, random, sizeof random);
    p.open.instant = vr_uuid_from_random(random);
    l->began_us = w->now_us;
    p.open.instant_us = l->instant_us = l->from_replica ? replica_instant(l->host) : w->now_us;
    p.open.force = t->force;
    p.open.restart = t->restart;
    p.open.umac = prefers_umac(l->host);
    snprintf(p.host_name, sizeof p.host_name, "%s", l->host->name);
    if (!l->from_replica && t->kind != VR_TRANSFER_VERIFY) {
        rng_fill(&w->rng, random, sizeof random);
        p.proposes = vr_uuid_from_random(random);
        mark_make(w, &p.proposes, l->snap);
        p.hint = l->hint = t->delta ? hint_of_marks(w, &p.open, l->snap) : NULL;
    }
    int r = l->from_replica ? send_on(l, t, &p, err) : 0;
    memcpy(p.disks, l->dev, sizeof l->dev);
    struct link *a, *b;
    r = r < 0 ? r : link_loop_new(&a, &b, err);
    if (r < 0) {
        return r;
    }
    l->link = slow_over(a);
    l->far = b;
    l->accept_us = w->now_us + 1000 + rng_below(&w->rng, 500000);
    return source_new(&p, &l->link.link, &l->source, err);
}

static void lane_free(struct lane *l)
{
    struct world *w = l->host->w;
    source_free(l->source);
    hint_free(l->hint);
    if (l->link.next) {
        link_close(l->link.next);
    }
    link_close(l->far);
    for (size_t i = 0; i < VR_DISKS_MAX; i++) {
        block_close(l->dev[i]);
        stor_unlock_image(l->lock[i]);
    }
    stor_close(l->stor);
    snapshot_unref(l->snap);
    if (l->session) {
        l->session->lane = NULL;
        l->session->eager = true;
    }
    for (size_t i = 0; i < LANES_MAX; i++) {
        w->lanes[i] = w->lanes[i] == l ? NULL : w->lanes[i];
    }
    free(l);
}

int lane_start(struct host *h, const struct core_transfer *t, struct vr_err *err)
{
    struct world *w = h->w;
    struct session *s = host_session(h);
    size_t slot = 0;
    while (slot < LANES_MAX && w->lanes[slot]) {
        slot++;
    }
    if (slot == LANES_MAX) {
        return vr_fail(err, VR_E_TIMEOUT, "no lane is free");
    }
    if (t->source_is_replica && !h->must) {
        return vr_fail(err, VR_E_STATE, "the replica holds no generation yet");
    }
    if (t->source_is_replica && ((s && s->committing) || !h->replica)) {
        return vr_fail(err, VR_E_TIMEOUT, "the replica is being committed");
    }
    struct lane *l = calloc(1, sizeof *l);
    l->host = h;
    l->job_id = t->job_id;
    l->kind = t->kind;
    l->from_replica = t->source_is_replica;
    l->peer = world_host(w, t->rel.peer)->id;
    l->must_differ = UINT64_MAX;
    l->eager = true;
    int r = open_source(l, &t->vm, err);
    if (r == 0) {
        l->snap = l->from_replica ? snapshot_of_replica(h) : snapshot_of_source(w);
        define(l);
        r = connect_lane(l, t, err);
    }
    if (r < 0) {
        lane_free(l);
        return r;
    }
    w->lanes[slot] = l;
    w->lanes_begun++;
    world_log(w, "%s: lane of job %llu begins, kind %d", h->name, (unsigned long long)l->job_id,
              (int)l->kind);
    return 0;
}

static struct lane *find_lane(struct host *h, uint64_t job_id)
{
    for (size_t i = 0; i < LANES_MAX; i++) {
        struct lane *l = h->w->lanes[i];
        if (l && l->host == h && l->job_id == job_id) {
            return l;
        }
    }
    return NULL;
}

void lane_command(struct host *h, uint64_t job_id, enum core_lane_command cmd, uint64_t value)
{
    struct lane *l = find_lane(h, job_id);
    if (!l) {
        return;
    }
    l->eager = true;
    switch (cmd) {
    case CORE_LANE_PAUSE:
        l->stop = true;
        break;
    case CORE_LANE_CANCEL:
        (void)source_cancel(l->source);
        break;
    case CORE_LANE_PROPOSED_SAVED:
        source_proposed_saved(l->source);
        break;
    case CORE_LANE_BANDWIDTH:
        source_set_bandwidth(l->source, value);
        break;
    }
}

/* A completed lane's numbers against what the world knows. */
static void check_numbers(struct lane *l, const struct source_outcome *o)
{
    struct world *w = l->host->w;
    struct host *to = &w->host[l->peer];
    if (!o->completed || to->damage_seq != l->damage_seq || l->broken) {
        return;
    }
    uint64_t sent = source_progress(l->source)->bytes_differing;
    if (l->hint) {
        bool less = false;
        for (uint32_t i = 0; i < o->report.ndisks; i++) {
            less = less || o->report.disks[i].bytes_compared < o->report.disks[i].size_bytes;
        }
        world_note(w, !less ? SIM_HINT_UNUSED : l->from_replica ? SIM_SENT_ON_HINTED : SIM_HINTED);
    }
    if (l->must_differ != UINT64_MAX && sent != l->must_differ) {
        world_fail(w, "job %llu: %llu bytes were sent, %llu differed from replica and staging",
                   (unsigned long long)l->job_id, (unsigned long long)sent,
                   (unsigned long long)l->must_differ);
    }
    if (l->kind == VR_TRANSFER_VERIFY && o->report.equal != l->must_equal) {
        world_fail(w, "verify said %s, truth is %s", o->report.equal ? "equal" : "different",
                   l->must_equal ? "equal" : "different");
    }
}

void lane_end(struct lane *l, int result, const struct vr_err *err)
{
    struct host *h = l->host;
    struct core_transfer_result *res = calloc(1, sizeof *res);
    const struct source_outcome *o = source_outcome(l->source);
    uint64_t id = l->job_id;
    res->result = result;
    res->err = err ? *err : VR_ERR_INIT;
    res->report = o->report;
    res->generation = o->generation;
    res->nothing_differed = o->nothing_differed;
    res->discarded = o->cancelled;
    if (result == -VR_E_TIMEOUT && strstr(vr_err_text(err), "silent")) {
        world_fail(h->w, "deadlock: job %llu: %s", (unsigned long long)id, vr_err_text(err));
    }
    h->w->lane_completed = result == 0 ? id : 0;
    if (result == 0) {
        check_numbers(l, o);
    }
    world_log(h->w, "%s: lane of job %llu ends: %d %s", h->name, (unsigned long long)id, result,
              result < 0 ? vr_err_text(err) : "");
    lane_free(l);
    core_on_transfer_end(h->core, id, res);
    free(res);
}

void lane_drop(struct lane *l)
{
    if (l->link.next) {
        link_loop_cut(l->link.next);
    }
    lane_free(l);
}

static void lane_proposes(struct lane *l)
{
    struct vr_uuid proposed;
    if (!source_wants_proposed(l->source, &proposed)) {
        return;
    }
    struct world *w = l->host->w;
    struct gen *g = gen_add(w, &proposed, l->snap);
    g->job_id = l->job_id;
    g->definition = l->definition;
    g->instant_us = l->instant_us;
    g->began_us = l->began_us;
    g->source = l->host->id;
    core_on_proposed(l->host->core, l->job_id, &proposed, l->from_replica ? &l->from : NULL,
                     l->instant_us, VR_CONSISTENCY_UNKNOWN);
}

void lane_step(struct lane *l)
{
    struct host *h = l->host;
    struct vr_err err = VR_ERR_INIT;
    enum lane_status status = LANE_WAIT;
    uint32_t wait_ms = 0;
    if (l->stop) {
        (void)vr_fail(&err, VR_E_CANCELED, "suspended");
        lane_end(l, -VR_E_CANCELED, &err);
        return;
    }
    uint64_t before = slow_sent(&l->link);
    slow_begin(&l->link, &h->w->rng);
    sim_alloc.armed = true;
    int r = source_step(l->source, h->w->now_us, &status, &wait_ms, &err);
    sim_alloc.armed = false;
    if (l->session && (r != 0 || slow_sent(&l->link) != before)) {
        l->session->eager = true;
    }
    if (r < 0) {
        lane_end(l, r, &err);
        return;
    }
    core_on_progress(h->core, l->job_id, source_progress(l->source));
    lane_proposes(l);
    l->eager = l->eager && status != LANE_WAIT;
    l->eager = l->eager || status == LANE_AGAIN || l->link.starved || l->stop;
    l->wake_us = h->w->now_us + wait_ms * 1000ull;
    if (status == LANE_DONE) {
        const struct source_outcome *o = source_outcome(l->source);
        if (o->cancelled) {
            (void)vr_fail(&err, VR_E_CANCELED, "cancelled");
        }
        lane_end(l, o->cancelled ? -VR_E_CANCELED : 0, &err);
    }
}

/* --- the target's end --- */

struct session *host_session(struct host *h)
{
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        struct session *s = h->w->sessions[i];
        if (s && s->host == h) {
            return s;
        }
    }
    return NULL;
}

bool host_reads_replica(struct host *h)
{
    for (size_t i = 0; i < LANES_MAX; i++) {
        struct lane *l = h->w->lanes[i];
        if (l && l->host == h && l->from_replica) {
            return true;
        }
    }
    return false;
}

/* As the daemon does: closed while a lane of this host reads the replica; after a time the reader
 * is put aside. */
static bool commit_gate(void *ctx)
{
    struct session *s = ctx;
    if (!host_reads_replica(s->host)) {
        s->committing = true;
        return true;
    }
    world_note(s->host->w, SIM_GATE_CLOSED);
    s->gate_since_us = s->gate_since_us ? s->gate_since_us : s->host->w->now_us;
    return false;
}

static void preempt(struct session *s)
{
    struct world *w = s->host->w;
    if (s->committing || !s->gate_since_us || w->now_us - s->gate_since_us < GATE_WAIT_US) {
        return;
    }
    for (size_t i = 0; i < LANES_MAX; i++) {
        struct lane *l = w->lanes[i];
        struct vr_err err = VR_ERR_INIT;
        if (l && l->host == s->host && l->from_replica) {
            world_note(w, SIM_PREEMPTED);
            (void)vr_fail(&err, VR_E_CANCELED, "the replica's own commit goes first");
            lane_end(l, -VR_E_CANCELED, &err);
        }
    }
}

static int read_open(struct link *b, struct vr_peer_request *req, struct vr_err *err)
{
    uint8_t type;
    const uint8_t *p;
    size_t n;
    int r = link_recv(b, &type, &p, &n, err);
    if (r > 0 && type == MSG_HELLO) {
        r = link_send(b, MSG_HELLO, p, n, NULL, 0, err);
    }
    if (r == 0) {
        r = link_recv(b, &type, &p, &n, err);
    }
    if (r > 0) {
        r = type == MSG_REQUEST ? msg_get_request(p, n, req, err) : -VR_E_PROTOCOL;
    }
    return r;
}

static void refuse(struct link *b, const struct vr_peer_reply *reply)
{
    struct vr_buf buf;
    vr_buf_init(&buf, 4096);
    msg_put_reply(&buf, reply);
    (void)!link_send(b, MSG_REPLY, buf.data, buf.len, NULL, 0, NULL);
    vr_buf_deinit(&buf);
}

static void session_free(struct session *s)
{
    struct world *w = s->host->w;
    target_free(s->target);
    if (s->link.next) {
        link_close(s->link.next);
    }
    if (s->lane) {
        s->lane->session = NULL;
        s->lane->eager = true;
    }
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        w->sessions[i] = w->sessions[i] == s ? NULL : w->sessions[i];
    }
    free(s);
}

/* What the world knows before the first digest. */
static void foresee(struct lane *l, struct host *to)
{
    bool staged = false;
    l->damage_seq = to->damage_seq;
    if (l->kind == VR_TRANSFER_VERIFY) {
        l->must_equal = replica_equals(to, l->snap);
        return;
    }
    l->must_differ = check_differing(to, l->snap, &staged);
    if (staged) {
        world_note(to->w, SIM_RESUMED_STAGING);
    }
}

static int open_session(struct host *to,
                        struct lane *l,
                        struct session *s,
                        struct vr_peer_reply *reply,
                        struct vr_err *err)
{
    int r = replica_lock(to->replica, err);
    if (r < 0) {
        return r;
    }
    if (check_runs(to) >= RUNS_MAX - 1) {
        world_note(to->w, SIM_RUNS_MERGED);
    }
    struct target_params p = {
        .replica = to->replica,
        .open = s->open,
        .reply = *reply,
        .umac = prefers_umac(to),
        .commit_gate = commit_gate,
        .random = sim_random,
        .ctx = s,
    };
    sim_alloc.armed = true;
    r = target_new(&p, &s->link.link, &s->target, err);
    sim_alloc.armed = false;
    if (r == 0) {
        world_note(to->w, s->open.umac && p.umac ? SIM_TAGS_UMAC : SIM_TAGS_POLY);
        foresee(l, to);
    }
    return r;
}

void lane_accept(struct lane *l)
{
    struct world *w = l->host->w;
    struct host *to = &w->host[l->peer];
    struct link *b = l->far;
    struct vr_err err = VR_ERR_INIT;
    struct vr_peer_reply reply;
    struct vr_rel rel;
    l->far = NULL;
    l->eager = true;
    struct session *s = calloc(1, sizeof *s);
    if (!to->up || read_open(b, &s->open, &err) < 0) {
        link_loop_cut(b);
        link_close(b);
        free(s);
        return;
    }
    core_serve_peer(to->core, l->host->name, &s->open, &reply, &rel);
    int r = reply.result;
    size_t slot = 0;
    while (slot < SESSIONS_MAX && w->sessions[slot]) {
        slot++;
    }
    vr_assert(slot < SESSIONS_MAX);
    s->host = to;
    s->link = slow_over(b);
    if (r == 0) {
        r = open_session(to, l, s, &reply, &err);
    }
    if (r == 0) {
        w->sessions[slot] = s;
        s->lane = l;
        l->session = s;
        s->eager = true;
        return;
    }
    bool opened = reply.result == 0;
    if (opened) {
        reply.result = r;
        snprintf(reply.text, sizeof reply.text, "%.200s", vr_err_text(&err));
    }
    refuse(b, &reply);
    struct vr_peer_request open = s->open;
    session_free(s);
    if (opened) {
        session_over(to, &open, r);
    }
}

/* The replica is opened anew: what was begun is settled, what must be forgotten is forgotten. */
void session_over(struct host *h, const struct vr_peer_request *open, int result)
{
    struct core_transfer_result *res = calloc(1, sizeof *res);
    replica_close(TAKE_PTR(h->replica));
    int r = h->fs.dead ? -VR_E_IO : host_open_replica(h, NULL);
    res->result = r < 0 ? r : 0;
    if (r == 0) {
        res->generation = *replica_generation(h->replica);
    }
    res->report.instant_us = open->instant_us;
    res->result =
        result < 0 && r == 0 && vr_uuid_is_nil(&res->generation.uuid) ? result : res->result;
    if (!h->fs.dead) {
        core_on_target_end(h->core, &open->vm_id, open->rel_number, res);
    }
    free(res);
}

void session_end(struct session *s, int result)
{
    struct host *h = s->host;
    struct vr_peer_request open = s->open;
    world_log(h->w, "%s: session ends: %d", h->name, result);
    session_free(s);
    session_over(h, &open, result);
}

void session_drop(struct session *s)
{
    link_loop_cut(s->link.next);
    session_free(s);
}

void session_step(struct session *s)
{
    struct host *h = s->host;
    struct vr_err err = VR_ERR_INIT;
    enum lane_status status = LANE_WAIT;
    uint32_t wait_ms = 0;
    uint64_t before = slow_sent(&s->link);
    preempt(s);
    slow_begin(&s->link, &h->w->rng);
    sim_alloc.armed = true;
    int r = target_step(s->target, h->w->now_us, &status, &wait_ms, &err);
    sim_alloc.armed = false;
    if (s->lane && (r != 0 || status == LANE_DONE || slow_sent(&s->link) != before)) {
        s->lane->eager = true;
    }
    if (r == -VR_E_TIMEOUT && strstr(vr_err_text(&err), "silent")) {
        world_fail(h->w, "deadlock: session of %s: %s", h->name, vr_err_text(&err));
    }
    if (r < 0) {
        world_log(h->w, "%s: session: %s", h->name, vr_err_text(&err));
    }
    if (r < 0 || status == LANE_DONE) {
        session_end(s, r);
        return;
    }
    s->eager = status == LANE_AGAIN || s->link.starved;
    s->wake_us = h->w->now_us + wait_ms * 1000ull;
}
