/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The target's session, from the REPLY to the COMMITTED: tells digests of the overlay view, stages
 * differences, proves, commits. The replica's disks are untouched until COMMIT came. Anything that
 * ends the session before leaves the staging for the next one; after the commit's intent,
 * replica_open finishes it.
 */
#include <stdlib.h>
#include <string.h>

#include "resync/geometry.h"
#include "resync/lane_common.h"
#include "resync/target_priv.h"
#include "resync/walk.h"
#include "util/num.h"

#define PROGRESS_EVERY_US 500000u
#define CREDIT_EVERY (1u << 20) /* far below MSG_WINDOW_DATA: the source never waits for a rest */
#define FRAMES_PER_STEP 64

/* --- opening --- */

/* Too many runs: all of them into one, so that the overlay's memory stays bounded. */
static int merge_runs(struct target *t, struct vr_err *err)
{
    struct replica *rep = t->replica;
    const struct vr_uuid *base = &rep->sc.rel.generation.uuid;
    uint32_t ndisks;
    const struct vr_disk *disks = sidecar_next_disks(&rep->sc, &ndisks);
    _cleanup_(walk_freep) struct walk *w = NULL;
    _cleanup_(run_writer_freep) struct run_writer *out = NULL;
    char name[32];
    uint8_t key[32];
    t->p.random(t->p.ctx, key, sizeof key);
    replica_next_run_name(t->runs, t->nruns, name, sizeof name);
    int r = walk_new(rep->stor, t->runs, t->nruns, base, 0, disks, ndisks, &w, err);
    if (r == 0) {
        r = run_writer_new(rep->stor, name, key, base, &out, err);
    }
    struct walk_chunk c;
    while (r == 0 && (r = walk_next(w, &c, err)) > 0) {
        struct walk_stretch s;
        r = 0;
        for (uint32_t at = 0; r == 0 && walk_stretches(&c, &at, &s);) {
            static const enum run_type type_of[] = {
                [LEAF_DATA] = RUN_DATA, [LEAF_ZERO] = RUN_ZERO, [LEAF_REVERT] = RUN_REVERT};
            struct run_record rec = {type_of[s.state], c.disk, s.off, s.len, s.data};
            r = run_writer_add(out, &rec, err);
        }
    }
    if (r == 0) {
        r = run_writer_sync(out, err);
    }
    if (r == 0) {
        r = stor_sync_dir(rep->stor, err);
    }
    /* The merged run says all that the others say, and is the latest: a crash between two unlinks
     * changes nothing. */
    for (size_t i = 0; r == 0 && i < t->nruns; i++) {
        r = stor_unlink(rep->stor, t->runs[i].name, err);
    }
    return r < 0 ? r : replica_runs(rep, t->runs, &t->nruns, err);
}

static int open_staging(struct target *t, struct vr_err *err)
{
    struct replica *rep = t->replica;
    if (t->p.open.kind == VR_TRANSFER_VERIFY) {
        return 0;
    }
    int r = replica_take_seeds(rep, err);
    r = r < 0 ? r : replica_follow(rep, &t->p.open, t->p.image_format, err);
    if (r < 0) {
        return r;
    }
    replica_tell_plan(rep, t->followed, sizeof t->followed);
    t->direct = rep->sc.own_images && vr_uuid_is_nil(&rep->sc.rel.generation.uuid);
    if (t->direct) {
        return 0;
    }
    r = t->p.open.restart ? replica_discard_staging(rep, err) : replica_trim_runs(rep, err);
    if (r == 0) {
        r = replica_runs(rep, t->runs, &t->nruns, err);
    }
    if (r == 0 && t->nruns >= RUNS_MAX - 1) { /* the next session's run needs a place */
        r = merge_runs(t, err);
    }
    if (r < 0 || t->nruns == 0) {
        t->p.reply.bytes_staged = 0;
        return r;
    }
    return overlay_open(rep->stor, t->runs, t->nruns, &rep->sc.rel.generation.uuid, 0, &t->overlay,
                        err);
}

static int send_reply(struct target *t, struct vr_err *err)
{
    struct vr_buf b;
    vr_buf_init(&b, 4096);
    msg_put_reply(&b, &t->p.reply);
    int r = link_send_buf(t->link, MSG_REPLY, &b, NULL, 0, err);
    vr_buf_deinit(&b);
    return r;
}

static int target_init(struct target *t, struct vr_err *err)
{
    const struct vr_peer_request *o = &t->p.open;
    layout_init(&t->layout, o);
    vr_buf_init(&t->msg, 4096);
    vr_buf_init(&t->tagbuf, MSG_DIGESTS_MAX * DIGEST_TAG);
    t->raw = malloc(MSG_DATA_MAX);
    t->zstd = ZSTD_createDCtx();
    t->active_tags = malloc(sizeof *t->active_tags);
    if (!t->raw || !t->zstd || !t->active_tags) {
        return vr_fail_nomem(err);
    }
    t->p.random(t->p.ctx, t->p.reply.nonce, sizeof t->p.reply.nonce);
    t->p.reply.umac = o->umac && t->p.umac;
    int r = digest_new(t->p.reply.umac ? DIGEST_UMAC96 : DIGEST_POLY1305, o->secret, o->nonce,
                       t->p.reply.nonce, &o->job, &o->vm_id, o->rel_number, &t->digest, err);
    for (uint32_t i = 0; r == 0 && i < o->ndisks; i++) {
        r = digest_root_new(t->digest, &o->vm_id, &o->instant, i, o->disks[i].name,
                            o->disks[i].size_bytes, &t->root[i], err);
    }
    if (r == 0) {
        r = open_staging(t, err);
    }
    if (r == 0) {
        r = target_open_hint(t, err);
    }
    if (r == 0) {
        r = target_open_disks(t, err);
    }
    t->progress.phase = VR_PHASE_COMPARE;
    t->progress.bytes_total = layout_bytes(&t->layout, t->layout.nodes);
    t->progress.bytes_staged = t->p.reply.bytes_staged;
    return r < 0 ? r : send_reply(t, err);
}

int target_new(const struct target_params *p,
               struct link *link,
               struct target **ret,
               struct vr_err *err)
{
    _cleanup_(target_freep) struct target *t = calloc(1, sizeof *t);
    if (!t) {
        return vr_fail_nomem(err);
    }
    t->p = *p;
    t->replica = p->replica;
    t->link = link;
    vr_assert(t->replica->locked);
    int r = target_init(t, err);
    if (r < 0) {
        return r;
    }
    *ret = TAKE_PTR(t);
    return 0;
}

void target_free(struct target *t)
{
    if (!t) {
        return;
    }
    if (t->writer) { /* what was staged is kept for a resume */
        (void)!run_writer_flush(t->writer, NULL);
    }
    commit_free(t->commit);
    run_writer_free(t->writer);
    target_digest_free(t);
    hint_free(t->hint);
    target_readback_free(t);
    overlay_free(t->overlay);
    for (size_t i = 0; i < VR_DISKS_MAX; i++) {
        block_close(t->dev[i]);
    }
    digest_free(t->digest);
    vr_buf_deinit(&t->msg);
    vr_buf_deinit(&t->tagbuf);
    free(t->definition.p);
    free(t->raw);
    ZSTD_freeDCtx(t->zstd);
    explicit_bzero(t->p.open.secret, sizeof t->p.open.secret);
    free(t);
}

/* --- the end of the stream --- */

static int on_roots(struct target *t, const void *p, size_t n, struct vr_err *err)
{
    struct msg_roots m;
    int r = msg_get_roots(p, n, &m, err);
    if (r < 0) {
        return r;
    }
    if (m.count != t->p.open.ndisks || t->final_node != t->layout.nodes) {
        return vr_fail(err, VR_E_PROTOCOL, "the primary host proves before everything is decided");
    }
    for (uint32_t i = 0; i < m.count; i++) {
        digest_root_final(t->root[i], t->own_root[i]);
    }
    vr_buf_reset(&t->msg);
    msg_put_roots(&t->msg, t->own_root[0], m.count);
    r = link_send_buf(t->link, MSG_ROOTS, &t->msg, NULL, 0, err);
    if (r < 0) {
        return r;
    }
    if (t->p.open.kind == VR_TRANSFER_VERIFY) {
        t->state = TARGET_DONE;
        return 0;
    }
    if (memcmp(m.roots, t->own_root, (size_t)m.count * DIGEST_ROOT) != 0) {
        return vr_fail(err, VR_E_CORRUPT,
                       "the proof failed: what is staged is not equal to the "
                       "source's instant; nothing was committed");
    }
    t->state = TARGET_PROVED;
    t->progress.phase = VR_PHASE_PROVE;
    return t->writer ? run_writer_settle(t->writer, err) : 0;
}

/* All runs with the lengths up to which they were read, or written. */
static int commit_runs(struct target *t, struct run_name *runs, size_t *ret_n, struct vr_err *err)
{
    uint64_t bytes[RUNS_MAX] = {0}, past;
    size_t n = 0;
    if (t->overlay) {
        int r = overlay_next(t->overlay, VR_DISKS_MAX, 0, &past, err);
        if (r < 0) {
            return r;
        }
        vr_assert(overlay_at_end(t->overlay, bytes));
    }
    for (size_t i = 0; i < t->nruns; i++) {
        if (bytes[i]) { /* 0: a run without a whole header says nothing */
            runs[n] = t->runs[i];
            runs[n++].bytes = bytes[i];
        }
    }
    if (t->writer) {
        snprintf(runs[n].name, sizeof runs[n].name, "%s", run_writer_name(t->writer));
        runs[n++].bytes = run_writer_bytes(t->writer);
    }
    *ret_n = n;
    return 0;
}

static int on_commit(struct target *t, const void *p, size_t n, struct vr_err *err)
{
    struct vr_uuid proposed;
    struct run_name runs[RUNS_MAX];
    size_t nruns = 0;
    int r = msg_get_uuid(p, n, &proposed, err);
    r = r < 0 ? r : commit_runs(t, runs, &nruns, err);
    if (r < 0) {
        return r;
    }
    const struct vr_generation *old = &t->replica->sc.rel.generation;
    struct vr_generation next = {.uuid = proposed,
                                 .parent = old->uuid,
                                 .sequence = old->sequence + 1,
                                 .epoch = VR_MAX(old->epoch, t->p.open.epoch)};
    next.epoch += t->replica->sc.role == REPLICA_ROLE_PROMOTED;
    r = commit_new(t->replica, &next, runs, nruns, replica_overwrites(t->replica, &t->p.open),
                   &t->commit, err);
    if (r == 0) {
        commit_tell_changes(t->commit, &t->p.open);
        commit_set_definition(t->commit, t->definition.p, t->definition.n);
        commit_set_instant(t->commit, t->p.open.instant_us, t->p.open.consistency);
        t->state = TARGET_GATE;
        t->progress.phase = VR_PHASE_COMMIT;
        t->progress.bytes_to_write = t->staged_raw + t->p.reply.bytes_staged;
    }
    return r;
}

/* Once, and only where it can be committed. */
static int on_definition(struct target *t, const void *p, size_t n, struct vr_err *err)
{
    struct msg_definition m;
    struct vr_definition d;
    int r = msg_get_definition(p, n, &m, err);
    if (r < 0) {
        return r;
    }
    if (t->definition.p || t->p.open.kind == VR_TRANSFER_VERIFY) {
        return vr_fail(err, VR_E_PROTOCOL, "unexpected DEFINITION from the primary host");
    }
    _cleanup_(vr_freep) uint8_t *raw = malloc(m.raw_len);
    if (!raw) {
        return vr_fail_nomem(err);
    }
    if (m.coding == MSG_DATA_RAW) {
        memcpy(raw, m.bytes, m.raw_len);
    } else if (ZSTD_decompressDCtx(t->zstd, raw, m.raw_len, m.bytes, m.len) != m.raw_len) {
        return vr_fail(err, VR_E_PROTOCOL, "a DEFINITION does not decompress to its length");
    }
    r = msg_get_definition_body(raw, m.raw_len, &d, err);
    if (r == 0) {
        t->definition.n = m.raw_len;
        t->definition.p = TAKE_PTR(raw);
    }
    return r;
}

static int on_cancel(struct target *t, struct vr_err *err)
{
    if (t->state >= TARGET_GATE) {
        return vr_fail(err, VR_E_PROTOCOL, "the primary host cancels after COMMIT");
    }
    overlay_free(TAKE_PTR(t->overlay));
    run_writer_free(TAKE_PTR(t->writer));
    int r = replica_discard_staging(t->replica, err);
    if (r == 0) {
        r = link_send(t->link, MSG_CANCELLED, NULL, 0, NULL, 0, err);
    }
    t->state = TARGET_DONE;
    return r;
}

static int on_frame(struct target *t, uint8_t type, const void *p, size_t n, struct vr_err *err)
{
    bool comparing = t->state == TARGET_COMPARE;
    if (type == MSG_HINT && comparing && t->hint) {
        return target_on_hint(t, p, n, err);
    }
    if (type >= 128 || type == MSG_PING) {
        return 0;
    }
    switch (type) {
    case MSG_WANT:
        return comparing ? target_on_want(t, p, n, err) : 0;
    case MSG_DATA:
        return comparing ? target_on_data(t, p, n, err) : 0;
    case MSG_ZERO:
        return comparing ? target_on_zero(t, p, n, err) : 0;
    case MSG_SETTLED:
        return comparing ? target_on_settled(t, p, n, err) : 0;
    case MSG_DEFINITION:
        return comparing ? on_definition(t, p, n, err) : 0;
    case MSG_ROOTS:
        if (comparing) {
            return on_roots(t, p, n, err);
        }
        break;
    case MSG_COMMIT:
        if (t->state == TARGET_PROVED) {
            return on_commit(t, p, n, err);
        }
        break;
    case MSG_CANCEL:
        return on_cancel(t, err);
    case MSG_FAIL:
        return lane_peer_failed("primary host", p, n, err);
    default:
        break;
    }
    return vr_fail(err, VR_E_PROTOCOL, "unexpected %s from the primary host in state %d",
                   msg_type_name(type), (int)t->state);
}

/* --- working --- */

static int send_credit(struct target *t, struct vr_err *err)
{
    if (t->staged_raw - t->credit_sent < CREDIT_EVERY) {
        return 0;
    }
    t->credit_sent = t->staged_raw;
    vr_buf_reset(&t->msg);
    msg_put_u64(&t->msg, t->staged_raw);
    return link_send_buf(t->link, MSG_CREDIT, &t->msg, NULL, 0, err);
}

/* Of a staged transfer how much there is to read back is not known: holes are not read. */
static struct msg_storage storage_of(const struct target *t)
{
    const struct commit_stats *st = target_commit_stats(t);
    return (struct msg_storage){
        .staged = target_staging(t).bytes,
        .free = t->free_bytes,
        .reserve = t->p.staging_reserve_bytes,
        .readback = t->direct ? target_readback_bytes(t)
                    : st      ? st->read_bytes
                              : 0,
        .readback_total = t->direct ? t->progress.bytes_total : 0,
    };
}

static int tell_storage(struct target *t, struct vr_err *err)
{
    struct msg_storage m = storage_of(t);
    t->storage_told_us = t->now_us;
    vr_buf_reset(&t->msg);
    msg_put_storage(&t->msg, &m);
    return link_send_buf(t->link, MSG_STORAGE, &t->msg, NULL, 0, err);
}

/* While it stages. */
static int tell_staged(struct target *t, struct vr_err *err)
{
    bool due = t->free_bytes && t->now_us - t->storage_told_us >= PROGRESS_EVERY_US;
    return due ? tell_storage(t, err) : 0;
}

static void tell_progress(struct target *t)
{
    if (t->now_us - t->told_us < PROGRESS_EVERY_US) {
        return;
    }
    t->told_us = t->now_us;
    struct msg_progress m = {(uint8_t)t->progress.phase, t->progress.bytes_written,
                             t->progress.bytes_to_write};
    /* From here on nobody needs to listen for the work to go on. */
    (void)!tell_storage(t, NULL);
    vr_buf_reset(&t->msg);
    msg_put_progress(&t->msg, &m);
    (void)!link_send_buf(t->link, MSG_PROGRESS, &t->msg, NULL, 0, NULL);
}

static void send_committed(struct target *t)
{
    struct msg_committed m = {.generation = t->replica->sc.rel.generation,
                              .count = t->p.open.ndisks};
    for (uint32_t i = 0; i < m.count; i++) {
        m.bytes_written[i] = t->direct ? t->direct_written[i] : commit_written(t->commit, i);
    }
    t->committed = true;
    t->state = TARGET_DONE;
    t->progress.phase = VR_PHASE_DONE;
    vr_buf_reset(&t->msg);
    msg_put_committed(&t->msg, &m);
    (void)!link_send_buf(t->link, MSG_COMMITTED, &t->msg, NULL, 0, NULL);
}

static int commit_some(struct target *t, struct vr_err *err)
{
    bool done;
    int r = commit_step(t->commit, t->now_us, &done, err);
    if (r < 0) {
        return r;
    }
    t->progress.phase = commit_phase(t->commit);
    t->progress.bytes_written = 0;
    for (uint32_t i = 0; i < t->p.open.ndisks; i++) {
        t->progress.bytes_written += commit_written(t->commit, i);
    }
    if (done) {
        send_committed(t);
    } else {
        tell_progress(t);
    }
    return 0;
}

/* The stream's own handles are closed before the commit opens the disks for writing. */
static void leave_stream(struct target *t)
{
    overlay_free(TAKE_PTR(t->overlay));
    run_writer_free(TAKE_PTR(t->writer));
    for (size_t i = 0; i < VR_DISKS_MAX; i++) {
        block_close(TAKE_PTR(t->dev[i]));
    }
}

static int flush_direct(struct target *t, struct vr_err *err)
{
    for (uint32_t i = 0; t->direct && i < t->p.open.ndisks; i++) {
        int r = block_flush(t->dev[i], err);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int readback(struct target *t, struct vr_err *err)
{
    bool done;
    t->progress.phase = VR_PHASE_READBACK;
    int r = target_readback_some(t, &done, err);
    if (r == 0 && done) {
        t->state = TARGET_COMMIT;
        leave_stream(t);
    }
    tell_progress(t);
    return r;
}

static int work(struct target *t, bool *ret_worked, struct vr_err *err)
{
    int r;
    switch (t->state) {
    case TARGET_COMPARE:
        r = target_digest_some(t, ret_worked, err);
        r = r < 0 ? r : send_credit(t, err);
        return r < 0 ? r : tell_staged(t, err);
    case TARGET_GATE:
        if (t->p.commit_gate && !t->p.commit_gate(t->p.ctx)) {
            tell_progress(t);
            return 0;
        }
        *ret_worked = true;
        t->state = t->direct ? TARGET_READBACK : TARGET_COMMIT;
        r = flush_direct(t, err);
        if (!t->direct) {
            leave_stream(t);
        }
        return r;
    case TARGET_READBACK:
        *ret_worked = true;
        return readback(t, err);
    case TARGET_COMMIT:
        *ret_worked = true;
        return commit_some(t, err);
    default:
        return 0;
    }
}

static int receive(struct target *t, bool *ret_any, struct vr_err *err)
{
    for (int i = 0; i < FRAMES_PER_STEP && t->state != TARGET_DONE; i++) {
        uint8_t type;
        const uint8_t *p;
        size_t n;
        int r = link_recv(t->link, &type, &p, &n, err);
        if (r <= 0) {
            /* A commit that was ordered is carried out even when nobody listens any more. */
            return r < 0 && t->state >= TARGET_GATE ? 0 : r;
        }
        *ret_any = true;
        t->heard_us = t->now_us;
        r = on_frame(t, type, p, n, err);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

int target_step(struct target *t,
                uint64_t now_us,
                enum lane_status *ret_status,
                uint32_t *ret_wait_ms,
                struct vr_err *err)
{
    struct vr_err local = VR_ERR_INIT;
    err = err ? err : &local;
    t->now_us = now_us;
    if (t->progress.started_us == 0) {
        t->progress.started_us = t->heard_us = now_us;
    }
    bool any = false, worked = false;
    int r = receive(t, &any, err);
    if (r == 0 && t->state != TARGET_DONE) {
        r = work(t, &worked, err);
    }
    if (r == 0 && t->state != TARGET_DONE) {
        /* a commit tells its progress instead */
        r = t->state < TARGET_GATE ? lane_ping(t->link, now_us, &t->pinged_us, err) : 0;
    }
    if (r < 0) {
        return lane_give_up(t->link, r, err);
    }
    link_counters(t->link, &t->progress.wire_out, &t->progress.wire_in);
    t->progress.updated_us = now_us;
    if (worked) {
        t->heard_us = now_us;
    }
    if (t->state < TARGET_GATE && now_us - t->heard_us > MSG_SILENCE_US) {
        return vr_fail(err, VR_E_TIMEOUT, "the primary host has been silent for a minute");
    }
    *ret_wait_ms = t->state == TARGET_GATE ? 200 : 1000;
    *ret_status = t->state == TARGET_DONE ? LANE_DONE : any || worked ? LANE_AGAIN : LANE_WAIT;
    return 0;
}

const struct vr_progress *target_progress(struct target *t)
{
    return &t->progress;
}

const struct vr_generation *target_outcome(struct target *t, bool *ret_committed)
{
    *ret_committed = t->committed;
    return &t->replica->sc.rel.generation;
}

const char *target_followed(const struct target *t)
{
    return t->followed;
}

const struct commit_stats *target_commit_stats(const struct target *t)
{
    return t->commit ? commit_stats(t->commit) : NULL;
}
