/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread for each transfer this host sends. It owns its disks, its link and its step machine
 * (resync/lane.h); the control thread reaches it only through the flags below and a wake-up. News
 * go back by lane_news.h.
 */
#include <errno.h>
#include <sys/eventfd.h>

#include "daemon/daemon.h"
#include "daemon/disks.h"
#include "daemon/lane_news.h"
#include "daemon/session.h"
#include "resync/changes.h"
#include "resync/forecast.h"
#include "resync/lane.h"
#include "util/num.h"
#include "util/vtime.h"

#define CONNECT_DEADLINE_MS 10000

enum {
    FLAG_PAUSE = 1,
    FLAG_CANCEL = 2,
    FLAG_PROPOSED_SAVED = 4,
    FLAG_BANDWIDTH = 8,
    FLAG_STOP = 16,   /* the daemon ends */
    FLAG_PREEMPT = 32 /* a commit waits for the disks we read */
};

struct lane {
    struct lane *next; /* control thread */
    struct daemon *d;
    struct core_transfer t;
    struct vr_rel replica_rel; /* source_is_replica: where the images are */
    struct tls_creds *creds;
    atomic_uint flags;
    uint64_t own_bandwidth;     /* control thread: its relationship's, or the configured one */
    _Atomic uint64_t bandwidth; /* what counts, with the window of now */
    int wake;                   /* eventfd */
    /* the thread's own */
    struct replica_use *use;
    struct frozen_disks disks;
    uint64_t instant_us; /* of when the disks' contents are */
    struct instant_mark mark;
    struct hint *hint;   /* of a delta; NULL: everything is compared */
    uint8_t *definition; /* of the VM, as it is sent; NULL: none */
    uint32_t definition_len;
    struct link *link; /* from the start when a PREFLIGHT left one open */
    struct source *source;
    struct hint *sample; /* of a dry run: what is compared */
    bool cancelled;
    struct lane_news news;
    struct core_transfer_result result;
};

struct lanes {
    struct daemon *d;
    struct lane *first;
};

/* --- on the control thread --- */

static void lane_free(struct lane *l)
{
    link_close(l->link); /* when its thread never ran */
    tls_creds_unref(l->creds);
    if (l->wake >= 0) {
        close(l->wake);
    }
    lane_news_deinit(&l->news);
    free(l);
}

/* The last message of a lane: those before it were handled, and its thread touches it no more. */
static void on_end(void *arg)
{
    struct lane *l = arg;
    struct daemon *d = l->d;
    struct lane **at = &d->lanes->first;
    while (*at != l) {
        at = &(*at)->next;
    }
    *at = l->next;
    lane_news_frozen(&l->news, &l->t.vm, &l->disks, &l->result);
    /* When the daemon ends, jobs stay stored as running: they go on with the next start. A
     * completed one is told. */
    if (!d->stopping || l->result.result == 0) {
        core_on_transfer_end(d->core, l->t.job_id, &l->result);
    }
    lane_free(l);
}

int lanes_new(struct daemon *d, struct lanes **ret, struct vr_err *err)
{
    struct lanes *ls = calloc(1, sizeof *ls);
    if (!ls) {
        return vr_fail_nomem(err);
    }
    ls->d = d;
    *ret = ls;
    return 0;
}

void lanes_free(struct lanes *ls)
{
    if (ls) {
        vr_assert(!ls->first);
        free(ls);
    }
}

static void tell(struct lane *l, unsigned flag)
{
    uint64_t one = 1;
    atomic_fetch_or(&l->flags, flag);
    ssize_t ignored = write(l->wake, &one, sizeof one);
    (void)ignored;
}

/* The window that counts now, by the clock on the wall; NULL: none. */
static const struct vr_bandwidth_window *window_now(const struct lanes *ls)
{
    time_t t = (time_t)(vr_wall_us() / 1000000);
    struct tm tm = {0};
    localtime_r(&t, &tm);
    uint32_t day_s =
        (uint32_t)(tm.tm_hour * 3600 + tm.tm_min * 60 + (tm.tm_sec > 59 ? 59 : tm.tm_sec));
    return vr_bandwidth_at(&ls->d->config.windows, (unsigned)tm.tm_wday, day_s);
}

static uint32_t lanes_count(const struct lanes *ls)
{
    uint32_t n = 0;
    for (const struct lane *l = ls->first; l; l = l->next) {
        n++;
    }
    return n;
}

static uint64_t own_limit(const struct daemon *d, uint64_t of_rel)
{
    return of_rel ? of_rel : d->config.bandwidth_bytes_s;
}

void lanes_pace(struct lanes *ls)
{
    const struct vr_bandwidth_window *window = window_now(ls);
    uint32_t n = lanes_count(ls);
    for (struct lane *l = ls->first; l; l = l->next) {
        uint64_t bytes_s = vr_bandwidth_share(window, n, l->own_bandwidth);
        if (atomic_exchange(&l->bandwidth, bytes_s) != bytes_s) {
            tell(l, FLAG_BANDWIDTH);
        }
    }
}

struct api_limit lanes_limit(const struct lanes *ls, const struct vr_rel *rel)
{
    const struct vr_bandwidth_window *window = window_now(ls);
    bool runs = false;
    for (const struct lane *l = ls->first; l; l = l->next) {
        runs = runs || (vr_uuid_eq(&l->t.vm.id, &rel->vm_id) && l->t.rel.number == rel->number);
    }
    uint32_t n = lanes_count(ls) + (runs ? 0 : 1);
    struct api_limit ret = {
        .bytes_s = vr_bandwidth_share(window, n, own_limit(ls->d, rel->bandwidth_bytes_s))};
    if (window) {
        ret.host_bytes_s = window->bytes_s;
        ret.until_s = window->end_s;
        snprintf(ret.window, sizeof ret.window, "%s", window->text);
    }
    return ret;
}

void lanes_command(struct lanes *ls, uint64_t job_id, enum core_lane_command cmd, uint64_t value)
{
    static const unsigned flag_of[] = {[CORE_LANE_PAUSE] = FLAG_PAUSE,
                                       [CORE_LANE_CANCEL] = FLAG_CANCEL,
                                       [CORE_LANE_PROPOSED_SAVED] = FLAG_PROPOSED_SAVED};
    for (struct lane *l = ls->first; l; l = l->next) {
        if (l->t.job_id == job_id && cmd == CORE_LANE_BANDWIDTH) {
            l->own_bandwidth = own_limit(ls->d, value);
            lanes_pace(ls);
        } else if (l->t.job_id == job_id) {
            tell(l, flag_of[cmd]);
        }
    }
}

void lanes_stop_all(struct lanes *ls)
{
    for (struct lane *l = ls->first; l; l = l->next) {
        tell(l, FLAG_STOP);
    }
}

void lanes_preempt(struct lanes *ls, const struct vr_uuid *vm)
{
    for (struct lane *l = ls->first; l; l = l->next) {
        if (l->t.source_is_replica && vr_uuid_eq(&l->t.vm.id, vm)) {
            tell(l, FLAG_PREEMPT);
        }
    }
}

bool lanes_idle(const struct lanes *ls)
{
    return !ls->first;
}

/* --- the lane's thread --- */

/* What becomes of the transfer is the instant's doing, not the network's. */
static int of_instant(struct lane *l, int r)
{
    l->result.instant_ended = l->result.instant_ended || r < 0;
    return r;
}

static int instant_check(void *ctx, struct vr_err *err)
{
    struct lane *l = ctx;
    return of_instant(l, disks_check(&l->disks, &l->t.vm, err));
}

static void random_bytes(void *ctx, void *p, size_t n)
{
    vr_random(p, n);
}

static uint64_t clock_us(void *ctx)
{
    return vr_mono_us();
}

static int open_disks(struct lane *l, struct vr_err *err)
{
    if (!l->t.source_is_replica) {
        const struct vr_rel *rel = &l->t.rel;
        l->mark = (struct instant_mark){.wanted = l->t.kind != VR_TRANSFER_VERIFY &&
                                                  rel->setting.interval_s > 0,
                                        .since = l->t.delta,
                                        .makes = vr_uuid_new(),
                                        .holds = rel->generation.uuid,
                                        .proposed = rel->proposed};
        l->instant_us = vr_wall_us(); /* or a little later: never newer than it is */
        return domains_freeze(l->d, &l->t.vm, false, &l->mark, &l->disks, err);
    }
    /* Our daemon holds the replica's locks as long as the use lasts. */
    struct vr_vm images;
    int r = replicas_read(l->d->replicas, &l->replica_rel, &images, &l->use, err);
    l->instant_us = l->replica_rel.last_sync_us;
    return r < 0 ? r : domains_freeze(l->d, &l->t.vm, true, NULL, &l->disks, err);
}

/* *ret_kept: over the connection that a PREFLIGHT left open. */
static int connect_peer(struct lane *l, bool *ret_kept, struct vr_err *err)
{
    uint8_t type;
    const uint8_t *data;
    size_t len;
    *ret_kept = l->link && link_recv(l->link, &type, &data, &len, NULL) == 0;
    if (*ret_kept) {
        return 0;
    }
    link_close(TAKE_PTR(l->link)); /* closed by the other side */
    return session_connect(l->creds, l->t.rel.peer, l->t.rel.peer_identity,
                           vr_mono_ms() + CONNECT_DEADLINE_MS, &l->link, err);
}

static uint8_t source_consistency(const struct lane *l)
{
    return l->t.source_is_replica ? l->replica_rel.consistency : (uint8_t)l->disks.consistency;
}

/* What the commits on our replica changed since that of which the extended one was made. The images
 * are ours to read, so none begins. */
static int hint_of_commits(struct lane *l, const struct vr_peer_request *open, struct vr_err *err)
{
    _cleanup_(stor_closep) struct stor *stor = NULL;
    int r = stor_dir_open(l->replica_rel.storage, false, l->d->nbd_dir, &stor, err);
    return r < 0 ? r
                 : changes_since(stor, &l->t.rel.made_from, &l->replica_rel.generation.uuid, open,
                                 &l->hint, l->result.compared_whole, err);
}

static int open_source(struct lane *l, bool *ret_kept, struct vr_err *err)
{
    struct source_params p = {.job_id = l->t.job_id,
                              .ndisks = l->disks.n,
                              .bandwidth_bytes_s = atomic_load(&l->bandwidth),
                              .uncompressed = !l->t.rel.setting.compression,
                              .definition = l->definition,
                              .definition_len = l->definition_len,
                              .instant_check = instant_check,
                              .random = random_bytes,
                              .clock_us = clock_us,
                              .ctx = l};
    core_peer_request(&l->t.rel, &l->t.vm, VR_PEER_OPEN, &p.open);
    p.open.kind = l->t.kind;
    p.open.job = l->t.job_uuid;
    bool chain = l->t.source_is_replica;
    p.open.instant = chain ? l->replica_rel.generation.uuid : vr_uuid_new();
    p.open.instant_us = l->instant_us;
    p.open.consistency = source_consistency(l);
    p.open.force = l->t.force;
    p.open.restart = l->t.restart;
    p.open.umac = l->d->umac;
    snprintf(p.host_name, sizeof p.host_name, "%s", l->d->host_name);
    snprintf(p.initiator, sizeof p.initiator, "%s", l->result.report.initiator);
    for (uint32_t i = 0; i < l->disks.n; i++) {
        p.disks[i] = l->disks.disk[i].dev;
    }
    int r = 0;
    if (l->t.sample) {
        hint_free(TAKE_PTR(l->sample)); /* of a kept connection that was lost */
        r = forecast_draw(&p.open, random_bytes, NULL, &l->sample, err);
    } else if (l->t.delta && !l->hint) {
        r = chain
                ? hint_of_commits(l, &p.open, err)
                : disks_hint(&l->disks, &l->t.vm, &p.open, &l->hint, l->result.compared_whole, err);
    }
    p.hint = l->sample ? l->sample : l->hint;
    p.proposes = l->mark.makes;
    r = r < 0 ? r : connect_peer(l, ret_kept, err);
    return r < 0 ? r : source_new(&p, l->link, &l->source, err);
}

/* From COMMIT on nobody knows what the replica is at, until it says so. */
static void keep_mark(struct lane *l)
{
    if (l->source && source_progress(l->source)->phase >= VR_PHASE_COMMIT) {
        disks_keep_mark(&l->disks);
    }
}

static void send_progress(struct lane *l, uint64_t now_us)
{
    struct vr_progress p = *source_progress(l->source);
    p.ease = disks_ease(&l->disks);
    p.taken = (struct vr_taken){.instant_us = l->instant_us,
                                .frozen_us = l->disks.frozen_us,
                                .consistency = source_consistency(l)};
    l->result.ease_times = VR_MAX(l->result.ease_times, p.ease.times);
    lane_news_progress(&l->news, &p, now_us);
}

/* Does what the control thread asked for since the last step. */
static int obey(struct lane *l, struct vr_err *err)
{
    unsigned flags = atomic_exchange(&l->flags, 0);
    if (flags & FLAG_BANDWIDTH) {
        source_set_bandwidth(l->source, atomic_load(&l->bandwidth));
    }
    if (flags & FLAG_PROPOSED_SAVED) {
        source_proposed_saved(l->source);
    }
    if (flags & FLAG_CANCEL) {
        l->cancelled = true;
        (void)source_cancel(l->source); /* too late: it completes, and that is what core is told */
    }
    if (flags & (FLAG_PAUSE | FLAG_STOP)) {
        return vr_fail(err, VR_E_CANCELED, "stopped; what was staged is kept");
    }
    if (flags & FLAG_PREEMPT) {
        return of_instant(
            l, vr_fail(err, VR_E_TIMEOUT, "made way for a commit to the disks it reads"));
    }
    if (source_progress(l->source)->phase >= VR_PHASE_COMMIT) {
        keep_mark(l);
        disks_release(&l->disks); /* nothing is read any more, and nothing taken back */
        return 0;
    }
    return of_instant(l, disks_look(&l->disks, err));
}

static int
wait_lane(struct lane *l, uint32_t wait_ms, struct session_idle *idle, struct vr_err *err)
{
    uint64_t n;
    int r = link_wait(l->link, l->wake, (int)VR_MIN(wait_ms, 1000u), err);
    ssize_t ignored = read(l->wake, &n, sizeof n);
    (void)ignored;
    return r < 0 ? r : session_idle_check(idle, l->link, err);
}

static int run_source(struct lane *l, struct vr_err *err)
{
    struct session_idle idle = {0};
    struct vr_uuid proposed;
    for (;;) {
        enum lane_status status = LANE_WAIT; /* what it is where obey refuses */
        uint32_t wait_ms = 1000;
        uint64_t now_us = vr_wall_us(), began_us = vr_mono_us();
        int r = obey(l, err);
        if (r == 0) {
            r = source_step(l->source, now_us, &status, &wait_ms, err);
            disks_give_way(&l->disks, vr_mono_us() - began_us, l->wake);
        }
        if (r == 0) {
            r = link_flush(l->link, err);
        }
        if (r < 0 || status == LANE_DONE) {
            return r;
        }
        if (source_wants_proposed(l->source, &proposed)) {
            lane_news_propose(&l->news, &proposed,
                              l->t.source_is_replica ? &l->replica_rel.generation.uuid : NULL,
                              l->instant_us, source_consistency(l));
        }
        if (lane_news_is_due(&l->news, now_us)) {
            send_progress(l, now_us);
        }
        if (status == LANE_WAIT) {
            r = wait_lane(l, wait_ms, &idle, err);
        }
        if (r < 0) {
            return r;
        }
    }
}

static void tell_compared_whole(struct core_transfer_result *res)
{
    char *text = res->report.outcome;
    size_t n = strlen(text);
    if (res->compared_whole[0]) {
        snprintf(text + n, sizeof res->report.outcome - n, "; compared whole: %s",
                 res->compared_whole);
    }
}

static void fill_result(struct lane *l, int r)
{
    struct core_transfer_result *res = &l->result;
    res->result = r;
    if (!l->source) {
        return;
    }
    const struct source_outcome *o = source_outcome(l->source);
    res->generation = o->generation;
    res->nothing_differed = o->nothing_differed;
    res->discarded = o->cancelled;
    if (o->completed) {
        res->report = o->report;
        res->report.consistency = source_consistency(l);
        tell_compared_whole(res);
        res->result = 0; /* whatever the link did afterwards */
    } else if (r == 0) {
        res->result = vr_fail(&res->err, VR_E_CANCELED, "cancelled");
    }
}

/* The other host gave a kept connection up before it answered: over a new one. */
static bool lost_kept(struct lane *l, int r, bool kept)
{
    return kept && r == -VR_E_PEER && l->source && !l->cancelled &&
           source_progress(l->source)->phase == VR_PHASE_CONNECT;
}

static int transfer(struct lane *l, struct vr_err *err)
{
    bool kept = false;
    int r = open_source(l, &kept, err);
    if (r == 0) {
        r = run_source(l, err);
    }
    if (lost_kept(l, r, kept)) {
        source_free(TAKE_PTR(l->source));
        link_close(TAKE_PTR(l->link));
        *err = (struct vr_err)VR_ERR_INIT;
        r = open_source(l, &kept, err);
        r = r < 0 ? r : run_source(l, err);
    }
    return r;
}

static void *lane_thread(void *arg)
{
    struct lane *l = arg;
    int r = of_instant(l, open_disks(l, &l->result.err));
    if (r == 0 && l->t.kind != VR_TRANSFER_VERIFY) {
        r = domains_definition(l->d, &l->t.vm, l->t.source_is_replica ? &l->replica_rel : NULL,
                               &l->definition, &l->definition_len, &l->result.err);
    }
    r = r < 0 ? r : disks_limit(&l->disks, l->d->config.read_rate_bytes_s, &l->result.err);
    r = r < 0 ? r : transfer(l, &l->result.err);
    int was = r;
    r = disks_explain(&l->disks, r, &l->result.err);
    (void)of_instant(l, r != was ? r : disks_look(&l->disks, NULL));
    if (l->source) {
        send_progress(l, vr_wall_us()); /* the last word */
    }
    fill_result(l, r);
    keep_mark(l);
    source_free(l->source);
    hint_free(l->sample);
    hint_free(l->hint);
    free(l->definition);
    link_close(TAKE_PTR(l->link));
    disks_thaw(&l->disks);
    replica_use_end(l->use);
    lane_news_end(&l->news);
    return NULL;
}

int lanes_start(struct lanes *ls, const struct core_transfer *t, struct vr_err *err)
{
    struct daemon *d = ls->d;
    if (d->stopping) {
        return vr_fail(err, VR_E_CANCELED, "the daemon is stopping");
    }
    struct lane *l = calloc(1, sizeof *l);
    if (!l) {
        return vr_fail_nomem(err);
    }
    l->d = d;
    l->t = *t;
    l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    l->creds = daemon_creds(d);
    lane_news_init(&l->news, d, t->job_id, on_end, l);
    l->own_bandwidth = own_limit(d, t->rel.bandwidth_bytes_s);
    atomic_store(&l->bandwidth,
                 vr_bandwidth_share(window_now(ls), lanes_count(ls) + 1, l->own_bandwidth));
    const struct vr_job *job = core_job(d->core, t->job_id);
    if (job) {
        memcpy(l->result.report.initiator, job->initiator, sizeof l->result.report.initiator);
    }
    int r = t->source_is_replica ? lane_replica_rel(d, &t->vm.id, &l->replica_rel, err) : 0;
    if (r == 0 && l->wake < 0) {
        r = vr_fail_errno(err, VR_E_IO, "eventfd");
    }
    l->link = parked_take(&d->parked, l->creds, t->rel.peer, t->rel.peer_identity);
    l->next = ls->first;
    ls->first = l;
    if (r == 0) {
        r = session_thread(lane_thread, l, err);
    }
    if (r < 0) {
        ls->first = l->next;
        lane_free(l);
    }
    return r;
}
