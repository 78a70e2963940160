/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The source's session: HELLO, REQUEST(OPEN), REPLY, the stream, the proposed generation made
 * durable by the caller, ROOTS and COMMIT in one go, the target's ROOTS, COMMITTED. COMMIT does not
 * wait for the target's roots: the target carries it out only when the roots are equal, and ends
 * the session otherwise. After it was sent nothing is taken back: if the answer is lost, the next
 * session finds the replica at the proposed generation, or not.
 */
#include <stdlib.h>
#include <string.h>

#include "resync/lane_common.h"
#include "resync/source_priv.h"
#include "util/num.h"

#define FRAMES_PER_STEP 64
/* Neither malloc's place for it nor a page's start: zstd copies what it cannot compress, and some
 * processors are ten times as slow at that when the copy's place in its page is that of the source
 * or up to 31 bytes behind (docs/internals/reading.md). */
#define PACKED_AT 128u

/* A dry run: a verification of what the hint names. */
static bool is_sample(const struct source *s)
{
    return s->p.hint && s->p.open.kind == VR_TRANSFER_VERIFY;
}

static int send_open(struct source *s, struct vr_err *err)
{
    struct vr_buf b;
    vr_buf_init(&b, LINK_FRAME_MAX);
    struct msg_hello hello = {MSG_MAGIC, MSG_MAJOR, MSG_MINOR, MSG_FEATURES, ""};
    snprintf(hello.host, sizeof hello.host, "%s", s->p.host_name);
    msg_put_hello(&b, &hello);
    int r = link_send_buf(s->link, MSG_HELLO, &b, NULL, 0, err);
    vr_buf_reset(&b);
    msg_put_request(&b, &s->p.open);
    if (r == 0) {
        r = link_send_buf(s->link, MSG_REQUEST, &b, NULL, 0, err);
    }
    vr_buf_deinit(&b);
    /* At once: whoever does not know of hints skips these frames, and does not say `hinted`. */
    return r == 0 && s->p.open.hinted ? hint_send(s->p.hint, s->link, err) : r;
}

int source_new(const struct source_params *p,
               struct link *link,
               struct source **ret,
               struct vr_err *err)
{
    _cleanup_(source_freep) struct source *s = calloc(1, sizeof *s);
    if (!s) {
        return vr_fail_nomem(err);
    }
    s->p = *p;
    s->link = link;
    s->p.open.op = VR_PEER_OPEN;
    bool delta = p->open.nhistory > 0 && p->open.kind == VR_TRANSFER_RESYNC;
    s->p.open.hinted = p->hint && (delta || is_sample(s));
    s->p.random(s->p.ctx, s->p.open.secret, sizeof s->p.open.secret);
    s->p.random(s->p.ctx, s->p.open.nonce, sizeof s->p.open.nonce);
    layout_init(&s->layout, &s->p.open);
    vr_buf_init(&s->msg, 4096);
    s->raw = aligned_alloc(4096, DIGEST_NODE);
    s->packing =
        aligned_alloc(4096, vr_round_up(PACKED_AT + ZSTD_compressBound(MSG_DATA_MAX), 4096));
    s->zstd = ZSTD_createCCtx();
    if (!s->raw || !s->packing || !s->zstd) {
        return vr_fail_nomem(err);
    }
    s->packed = s->packing + PACKED_AT;
    s->progress.phase = VR_PHASE_CONNECT;
    s->progress.bytes_total = layout_bytes(&s->layout, s->layout.nodes);
    int r = send_open(s, err);
    if (r < 0) {
        return r;
    }
    *ret = TAKE_PTR(s);
    return 0;
}

void source_free(struct source *s)
{
    if (!s) {
        return;
    }
    source_stream_free(s);
    for (size_t i = 0; i < VR_DISKS_MAX; i++) {
        digest_root_free(s->root[i]);
    }
    digest_free(s->digest);
    vr_buf_deinit(&s->msg);
    free(s->raw);
    free(s->packing);
    ZSTD_freeCCtx(s->zstd);
    explicit_bzero(s->p.open.secret, sizeof s->p.open.secret);
    free(s);
}

static int unexpected(const struct source *s, uint8_t type, struct vr_err *err)
{
    return vr_fail(err, VR_E_PROTOCOL, "unexpected %s from the replica host in state %d",
                   msg_type_name(type), (int)s->state);
}

static int on_hello(struct source *s, const void *p, size_t n, struct vr_err *err)
{
    struct msg_hello hello;
    uint64_t features;
    uint16_t minor;
    int r = msg_get_hello(p, n, &hello, err);
    if (r == 0) {
        r = msg_negotiate(&hello, &features, &minor, err);
    }
    if (r == 0) {
        s->use_zstd = !s->p.uncompressed && (features & MSG_FEATURE_ZSTD);
        s->use_definition = (features & MSG_FEATURE_DEFINITION) && s->p.definition &&
                            s->p.open.kind != VR_TRANSFER_VERIFY;
        s->state = SOURCE_REPLY;
    }
    return r;
}

/* NVRAM is mostly of one byte: it goes out packed, unless packing was forbidden. */
static int send_definition(struct source *s, struct vr_err *err)
{
    uint32_t n = s->p.definition_len;
    size_t cap = ZSTD_compressBound(n);
    _cleanup_(vr_freep) void *packed = s->use_zstd ? malloc(cap) : NULL;
    size_t len = packed ? ZSTD_compressCCtx(s->zstd, packed, cap, s->p.definition, n, 3) : n;
    bool zstd = packed && !ZSTD_isError(len) && len < n;
    vr_buf_reset(&s->msg);
    msg_put_definition_head(&s->msg, zstd ? MSG_DATA_ZSTD : MSG_DATA_RAW, n);
    return link_send_buf(s->link, MSG_DEFINITION, &s->msg, zstd ? packed : s->p.definition,
                         zstd ? len : n, err);
}

/* Does the target leave out what the hint does not name? Only from the generation it is about. */
static int take_hint(struct source *s, const struct vr_peer_reply *reply, struct vr_err *err)
{
    const struct vr_peer_request *o = &s->p.open;
    s->hint = reply->hinted ? s->p.hint : NULL;
    if (is_sample(s)) {
        return s->hint ? 0
                       : vr_fail(err, VR_E_UNSUPPORTED,
                                 "the replica host's version of vmreplica cannot compare a sample");
    }
    bool wrong = reply->hinted && (!o->hinted || reply->changed_alone ||
                                   !vr_uuid_eq(&reply->generation.uuid, &o->history[0]));
    return wrong ? vr_fail(err, VR_E_PROTOCOL, "the replica host leaves out what it must not") : 0;
}

static int on_reply(struct source *s, const void *p, size_t n, struct vr_err *err)
{
    struct vr_peer_reply reply;
    const struct vr_peer_request *o = &s->p.open;
    int r = msg_get_reply(p, n, &reply, err);
    if (r < 0) {
        return r;
    }
    s->out.generation = reply.generation;
    if (reply.result < 0) {
        return vr_fail(err, (enum vr_err_kind) - reply.result, "replica host: %.200s", reply.text);
    }
    s->progress.bytes_staged = reply.bytes_staged;
    r = take_hint(s, &reply, err);
    if (r < 0) {
        return r;
    }
    if (reply.umac && !o->umac) {
        return vr_fail(err, VR_E_PROTOCOL, "the replica host's tags are not those of this host");
    }
    r = digest_new(reply.umac ? DIGEST_UMAC96 : DIGEST_POLY1305, o->secret, o->nonce, reply.nonce,
                   &o->job, &o->vm_id, o->rel_number, &s->digest, err);
    for (uint32_t i = 0; r == 0 && i < o->ndisks; i++) {
        r = digest_root_new(s->digest, &o->vm_id, &o->instant, i, o->disks[i].name,
                            o->disks[i].size_bytes, &s->root[i], err);
        if (r == 0 && s->hint) {
            digest_root_based(s->root[i], is_sample(s) ? &o->instant : &o->history[0]);
        }
    }
    if (r == 0 && s->use_definition) {
        r = send_definition(s, err);
    }
    if (r == 0) {
        s->state = SOURCE_COMPARE;
        s->progress.phase = VR_PHASE_COMPARE;
        s->progress.flow.since_us = s->now_us;
    }
    return r;
}

static int on_credit(struct source *s, const void *p, size_t n, struct vr_err *err)
{
    uint64_t v;
    int r = msg_get_u64(p, n, &v, err);
    if (r < 0) {
        return r;
    }
    if (v < s->credited || v > s->sent_raw) {
        return vr_fail(err, VR_E_PROTOCOL, "the replica host credits bytes it was not sent");
    }
    s->credited = v;
    return 0;
}

static void fill_report(struct source *s, const struct msg_roots *m, bool equal)
{
    struct vr_report *rep = &s->out.report;
    const struct vr_peer_request *o = &s->p.open;
    rep->job_id = s->p.job_id;
    rep->vm_id = o->vm_id;
    rep->instant_id = o->instant;
    rep->instant_us = o->instant_us;
    rep->ndisks = o->ndisks;
    rep->equal = equal;
    memcpy(rep->initiator, s->p.initiator, sizeof rep->initiator);
    for (uint32_t i = 0; i < o->ndisks; i++) {
        struct vr_report_disk *d = &rep->disks[i];
        memcpy(d->name, o->disks[i].name, sizeof d->name);
        d->size_bytes = o->disks[i].size_bytes;
        d->bytes_compared = d->size_bytes - s->disk_skipped[i];
        d->bytes_differing = s->disk_differing[i];
        d->bytes_sent = s->disk_sent[i];
        d->ranges = s->disk_ranges[i];
        memcpy(d->source_root, s->own_root[i], DIGEST_ROOT);
        memcpy(d->target_root, m->roots + (size_t)i * DIGEST_ROOT, DIGEST_ROOT);
    }
    snprintf(rep->outcome, sizeof rep->outcome, "%s",
             equal && s->hint                       ? "equal where it may have changed"
             : equal                                ? "equal"
             : s->p.open.kind == VR_TRANSFER_VERIFY ? "different"
                                                    : "proof failed");
}

static void fill_forecast(struct source *s)
{
    const struct forecast_sample seen = {.nodes = s->layout.nodes,
                                         .sampled = s->layout.nodes - s->skipped_nodes,
                                         .node_bytes = DIGEST_NODE,
                                         .differing = s->progress.bytes_differing,
                                         .squares = s->sample_squares,
                                         .packed = s->sample_packed,
                                         .took_us = s->now_us - s->progress.started_us,
                                         .limit_bytes_s = s->pace.bytes_s};
    forecast_of(&seen, &s->out.report.forecast);
    snprintf(s->out.report.outcome, sizeof s->out.report.outcome, "a sample was compared");
}

static int on_roots(struct source *s, const void *p, size_t n, struct vr_err *err)
{
    struct msg_roots m;
    int r = msg_get_roots(p, n, &m, err);
    if (r < 0) {
        return r;
    }
    if (m.count != s->p.open.ndisks) {
        return unexpected(s, MSG_ROOTS, err);
    }
    bool equal = memcmp(m.roots, s->own_root, (size_t)m.count * DIGEST_ROOT) == 0;
    fill_report(s, &m, equal);
    if (is_sample(s)) {
        fill_forecast(s);
    }
    if (s->p.open.kind == VR_TRANSFER_VERIFY) {
        s->out.completed = true;
        s->state = SOURCE_DONE;
        s->progress.phase = VR_PHASE_DONE;
        return 0;
    }
    if (!equal) { /* the target sees the same and commits nothing */
        return vr_fail(err, VR_E_CORRUPT,
                       "the proof failed: what is staged is not equal to the source's instant; "
                       "nothing was committed");
    }
    s->proved = true;
    return 0;
}

static int on_committed(struct source *s, const void *p, size_t n, struct vr_err *err)
{
    struct msg_committed m;
    int r = msg_get_committed(p, n, &m, err);
    if (r < 0) {
        return r;
    }
    if (!s->proved) {
        return unexpected(s, MSG_COMMITTED, err);
    }
    if (!vr_uuid_eq(&m.generation.uuid, &s->proposed) || m.count != s->p.open.ndisks) {
        return vr_fail(err, VR_E_PROTOCOL, "the replica host committed another generation");
    }
    s->out.generation = s->out.report.generation = m.generation;
    s->progress.bytes_written = 0;
    for (uint32_t i = 0; i < m.count; i++) {
        s->out.report.disks[i].bytes_written = m.bytes_written[i];
        s->progress.bytes_written += m.bytes_written[i];
    }
    s->out.completed = true;
    s->state = SOURCE_DONE;
    s->progress.phase = VR_PHASE_DONE;
    return 0;
}

static int on_progress(struct source *s, const void *p, size_t n, struct vr_err *err)
{
    struct msg_progress m;
    struct vr_progress *g = &s->progress;
    int r = msg_get_progress(p, n, &m, err);
    if (r < 0 || m.phase > VR_PHASE_DONE) {
        return r;
    }
    /* A rate is of what was done since the phase was first seen to get on. */
    if (m.phase != g->phase || (g->bytes_written == 0 && m.done)) {
        g->flow.since_us = s->now_us;
        g->flow.from_bytes = m.phase == VR_PHASE_READBACK ? g->space.readback_bytes : m.done;
    }
    g->phase = (enum vr_phase)m.phase;
    g->bytes_written = m.done;
    g->bytes_to_write = m.total;
    return 0;
}

static int on_storage(struct source *s, const void *p, size_t n, struct vr_err *err)
{
    struct msg_storage m;
    int r = msg_get_storage(p, n, &m, err);
    if (r == 0) {
        s->progress.space =
            (struct vr_space){m.staged, m.free, m.reserve, m.readback, m.readback_total};
    }
    return r;
}

static int on_frame(struct source *s, uint8_t type, const void *p, size_t n, struct vr_err *err)
{
    enum source_state st = s->state;
    bool streaming = st >= SOURCE_COMPARE && st <= SOURCE_ROOTS;
    bool awaits_roots = st == SOURCE_ROOTS || (st == SOURCE_COMMIT && !s->proved);
    if (type == MSG_FAIL) {
        return lane_peer_failed("replica host", p, n, err);
    }
    if (type == MSG_STORAGE && st >= SOURCE_COMPARE) {
        return on_storage(s, p, n, err);
    }
    if (type >= 128 || type == MSG_PING) {
        return 0;
    }
    if (st == SOURCE_CANCELLING) {
        if (type == MSG_CANCELLED) {
            s->out.cancelled = true;
            s->out.nothing_differed = s->progress.bytes_differing == 0;
            s->state = SOURCE_DONE;
        }
        return 0; /* what was under way is of no interest any more */
    }
    switch (type) {
    case MSG_HELLO:
        return st == SOURCE_HELLO ? on_hello(s, p, n, err) : unexpected(s, type, err);
    case MSG_REPLY:
        return st == SOURCE_REPLY ? on_reply(s, p, n, err) : unexpected(s, type, err);
    case MSG_DIGESTS:
        return streaming ? source_on_digests(s, p, n, err) : unexpected(s, type, err);
    case MSG_ZEROES:
        return streaming ? source_on_zeroes(s, p, n, err) : unexpected(s, type, err);
    case MSG_SKIPPED:
        return streaming && s->hint ? source_on_skipped(s, p, n, err) : unexpected(s, type, err);
    case MSG_DETAIL:
        return streaming ? source_on_detail(s, p, n, err) : unexpected(s, type, err);
    case MSG_CREDIT:
        return on_credit(s, p, n, err);
    case MSG_ROOTS:
        return awaits_roots ? on_roots(s, p, n, err) : unexpected(s, type, err);
    case MSG_COMMITTED:
        return st == SOURCE_COMMIT ? on_committed(s, p, n, err) : unexpected(s, type, err);
    case MSG_PROGRESS:
        return on_progress(s, p, n, err);
    default:
        return unexpected(s, type, err);
    }
}

static int check_instant(struct source *s, struct vr_err *err)
{
    int r = s->p.instant_check ? s->p.instant_check(s->p.ctx, err) : 0;
    return vr_wrap(err, r, "the source did not stay as it was");
}

static int send_roots(struct source *s, struct vr_err *err)
{
    int r = check_instant(s, err);
    if (r < 0) {
        return r;
    }
    for (uint32_t i = 0; i < s->p.open.ndisks; i++) {
        digest_root_final(s->root[i], s->own_root[i]);
    }
    vr_buf_reset(&s->msg);
    msg_put_roots(&s->msg, s->own_root[0], s->p.open.ndisks);
    s->state = SOURCE_ROOTS;
    s->progress.phase = VR_PHASE_PROVE;
    return link_send_buf(s->link, MSG_ROOTS, &s->msg, NULL, 0, err);
}

/* The caller is asked to make the proposed generation durable while the last data is on its way. */
static int propose(struct source *s, struct vr_err *err)
{
    uint8_t random[16];
    int r = check_instant(s, err);
    if (r < 0) {
        return r;
    }
    s->p.random(s->p.ctx, random, sizeof random);
    s->proposed = vr_uuid_is_nil(&s->p.proposes) ? vr_uuid_from_random(random) : s->p.proposes;
    s->wants_proposed = true;
    s->state = SOURCE_PROPOSE;
    s->progress.phase = VR_PHASE_PROVE;
    return 0;
}

static int send_commit(struct source *s, struct vr_err *err)
{
    int r = send_roots(s, err);
    if (r < 0) {
        return r;
    }
    s->state = SOURCE_COMMIT;
    s->progress.phase = VR_PHASE_COMMIT;
    s->progress.flow.since_us = 0; /* until the target says how far it is */
    return link_send(s->link, MSG_COMMIT, s->proposed.b, sizeof s->proposed.b, NULL, 0, err);
}

static int send_cancel(struct source *s, struct vr_err *err)
{
    s->cancel_asked = false;
    if (s->state < SOURCE_COMPARE) { /* the target has no session yet to cancel */
        return 0;
    }
    s->state = SOURCE_CANCELLING;
    return link_send(s->link, MSG_CANCEL, NULL, 0, NULL, 0, err);
}

static int receive(struct source *s, bool *ret_any, struct vr_err *err)
{
    for (int i = 0; i < FRAMES_PER_STEP && s->state != SOURCE_DONE; i++) {
        uint8_t type;
        const uint8_t *p;
        size_t n;
        int r = link_recv(s->link, &type, &p, &n, err);
        if (r <= 0) {
            return r;
        }
        *ret_any = true;
        s->waited_since_us = s->now_us;
        r = on_frame(s, type, p, n, err);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int work(struct source *s, bool *ret_worked, struct vr_err *err)
{
    if (s->cancel_asked && s->state >= SOURCE_COMPARE) {
        *ret_worked = true;
        return send_cancel(s, err);
    }
    if (s->state == SOURCE_COMPARE) {
        int r = source_stream(s, ret_worked, err);
        if (r == 0 && source_stream_done(s)) {
            *ret_worked = true;
            r = s->p.open.kind == VR_TRANSFER_VERIFY ? send_roots(s, err) : propose(s, err);
        }
        return r;
    }
    if (s->state == SOURCE_PROPOSE && s->proposed_saved) {
        *ret_worked = true;
        return send_commit(s, err);
    }
    return 0;
}

int source_step(struct source *s,
                uint64_t now_us,
                enum lane_status *ret_status,
                uint32_t *ret_wait_ms,
                struct vr_err *err)
{
    struct vr_err local = VR_ERR_INIT;
    err = err ? err : &local;
    s->now_us = now_us;
    if (s->progress.started_us == 0) {
        s->progress.started_us = s->waited_since_us = now_us;
        pace_set(&s->pace, s->p.bandwidth_bytes_s, now_us);
    }
    bool any = false, worked = false;
    int r = receive(s, &any, err);
    if (r == 0 && s->state != SOURCE_DONE) {
        r = work(s, &worked, err);
    }
    if (r == 0 && s->state != SOURCE_DONE) {
        r = s->state < SOURCE_COMPARE ? 0 : lane_ping(s->link, now_us, &s->pinged_us, err);
    }
    if (r < 0) {
        return lane_give_up(s->link, r, err);
    }
    link_counters(s->link, &s->progress.wire_out, &s->progress.wire_in);
    s->progress.updated_us = now_us;
    s->out.report.duration_us = now_us - s->progress.started_us;
    uint32_t throttle = source_throttle_ms(s);
    bool ours = s->state == SOURCE_PROPOSE; /* waiting for our own store, not for the peer */
    if (worked || ours) {
        s->waited_since_us = now_us;
    }
    if (now_us - s->waited_since_us > MSG_SILENCE_US) {
        return vr_fail(err, VR_E_TIMEOUT, "the replica host has been silent for a minute");
    }
    *ret_wait_ms = throttle ? throttle : 1000;
    *ret_status = s->state == SOURCE_DONE ? LANE_DONE : any || worked ? LANE_AGAIN : LANE_WAIT;
    return 0;
}

const struct vr_progress *source_progress(struct source *s)
{
    return &s->progress;
}

bool source_wants_proposed(struct source *s, struct vr_uuid *ret)
{
    bool wants = s->wants_proposed;
    s->wants_proposed = false;
    *ret = s->proposed;
    return wants;
}

void source_proposed_saved(struct source *s)
{
    s->proposed_saved = true;
}

bool source_cancel(struct source *s)
{
    if (s->state >= SOURCE_COMMIT && s->state != SOURCE_CANCELLING) {
        return false;
    }
    s->cancel_asked = s->state != SOURCE_CANCELLING;
    return true;
}

void source_set_bandwidth(struct source *s, uint64_t bytes_s)
{
    pace_set(&s->pace, bytes_s, s->now_us);
}

const struct source_outcome *source_outcome(struct source *s)
{
    return &s->out;
}
