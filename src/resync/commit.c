/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commit: from staged runs to the next generation of all disks at once.
 *
 *   RESERVE  space under every staged block is taken; what is overwritten is saved when a person
 *            forced this
 *   SYNC     staging, its directory and the definition that came are durable
 *   CHECK    all that is staged is read and checked once more, since after the intent nothing else
 *            can make the images whole again
 *   INTENT   what will change is written down for who sends it on (changes.h); then the sidecar
 *            names the runs and the next generation                   <- only forward from here
 *   HIDE     images lose their public names; those of removed disks get their last ones
 *   RESIZE   images get the sizes of the next generation's disks, new disks get theirs
 *   REDO     staged blocks are written; repeating this gives the same images
 *   FLUSH    every disk
 *   READBACK what was written is read again and compared; a disk that lies never becomes a
 *            generation
 *   DONE     the sidecar has the next generation and no intent
 *   SHOW     the NVRAM and the images get their names back, stamps are recorded
 *   CLEAN    staging is removed
 *
 * A crash before SYNC leaves the old generation and the staging, one before INTENT the old
 * generation; a crash after it is repeated from HIDE by replica_open. A failure after INTENT
 * (NOSPACE, IO) leaves the intent: it is retried, never given up.
 */
#include <stdlib.h>
#include <string.h>

#include "resync/commit_priv.h"
#include "resync/geometry.h"
#include "util/num.h"

const struct vr_disk *commit_disk(const struct commit *c, uint32_t disk)
{
    uint32_t n;
    return &sidecar_next_disks(&c->r->sc, &n)[disk];
}

uint32_t commit_ndisks(const struct commit *c)
{
    uint32_t n;
    (void)sidecar_next_disks(&c->r->sc, &n);
    return n;
}

static int commit_alloc(struct replica *r, struct commit **ret, struct vr_err *err)
{
    struct commit *c = calloc(1, sizeof *c);
    if (!c || !(c->buf = aligned_alloc(4096, RUN_DATA_MAX))) {
        free(c);
        return vr_fail_nomem(err);
    }
    c->r = r;
    c->base = r->sc.rel.generation;
    c->follows = r->sc.nplan > 0;
    c->sized = !c->follows;
    for (uint32_t i = 0; i < commit_ndisks(c); i++) {
        uint32_t from = replica_disk_of(r, commit_disk(c, i)->name);
        c->base_bytes[i] = from == VR_DISKS_MAX ? 0
                                                : VR_MIN(r->sc.vm.disks[from].size_bytes,
                                                         commit_disk(c, i)->size_bytes);
    }
    *ret = c;
    return 0;
}

int commit_new(struct replica *r,
               const struct vr_generation *next,
               const struct run_name *runs,
               size_t n,
               bool keep_old,
               struct commit **ret,
               struct vr_err *err)
{
    vr_assert(r->locked && !r->sc.intent && n <= RUNS_MAX);
    if (vr_uuid_is_nil(&next->uuid) || vr_uuid_eq(&next->uuid, &r->sc.rel.generation.uuid)) {
        return vr_fail(err, VR_E_PROTOCOL, "the primary host commits a generation that was before");
    }
    struct commit *c = NULL;
    int x = commit_alloc(r, &c, err);
    if (x < 0) {
        return x;
    }
    c->next = *next;
    c->keep_old = keep_old;
    for (size_t i = 0; i < n; i++) {
        c->runs[i] = runs[i];
    }
    c->nruns = n;
    *ret = c;
    return 0;
}

void commit_set_definition(struct commit *c, const void *p, size_t n)
{
    c->definition = p;
    c->definition_len = n;
}

void commit_set_instant(struct commit *c, uint64_t instant_us, uint8_t consistency)
{
    c->instant_us = instant_us;
    c->consistency = consistency;
}

void commit_tell_changes(struct commit *c, const struct vr_peer_request *req)
{
    bool plain = req->kind == VR_TRANSFER_RESYNC && !req->force && !c->keep_old;
    c->tells = plain && c->r->sc.rel.number == 0; /* nobody is sent an extended replica on */
}

int commit_resume(struct replica *r, struct commit **ret, struct vr_err *err)
{
    vr_assert(r->locked && r->sc.intent);
    struct commit *c = NULL;
    int x = commit_alloc(r, &c, err);
    if (x < 0) {
        return x;
    }
    c->next = r->sc.next;
    c->nruns = r->sc.nruns;
    memcpy(c->runs, r->sc.runs, sizeof c->runs);
    c->begun = c->resumed = true;
    c->stage = HIDE;
    *ret = c;
    return 0;
}

void commit_free(struct commit *c)
{
    if (!c) {
        return;
    }
    walk_free(c->walk);
    commit_free_readback(c);
    run_writer_free(c->safety);
    changes_free(c->changes);
    stor_file_close(c->ballast);
    commit_close_disks(c);
    for (size_t i = 0; i < VR_DISKS_MAX; i++) {
        stor_unlock_image(c->made[i]);
    }
    free(c->buf);
    free(c);
}

bool commit_has_begun(const struct commit *c)
{
    return c->begun;
}

enum vr_phase commit_phase(const struct commit *c)
{
    return c->stage == READBACK ? VR_PHASE_READBACK
           : c->stage == END    ? VR_PHASE_DONE
                                : VR_PHASE_COMMIT;
}

uint64_t commit_written(const struct commit *c, uint32_t disk)
{
    return c->written[disk];
}

const struct commit_stats *commit_stats(const struct commit *c)
{
    return &c->stats;
}

void commit_close_disks(struct commit *c)
{
    for (size_t i = 0; i < VR_DISKS_MAX; i++) {
        block_close(c->dev[i]);
        c->dev[i] = NULL;
    }
}

/* Before RESIZE: what is there of it, which for a new disk is nothing. */
static int open_unsized(struct commit *c, uint32_t disk, unsigned flags, struct vr_err *err)
{
    uint32_t from = replica_disk_of(c->r, commit_disk(c, disk)->name);
    if (from == VR_DISKS_MAX) {
        return 0;
    }
    int x = replica_open_disk(c->r, &c->r->sc.vm.disks[from], flags, &c->dev[disk], err);
    if (x == 0) {
        c->dev[disk]->size_bytes = c->base_bytes[disk];
    }
    return x;
}

int commit_open_disks(struct commit *c, unsigned block_flags, struct vr_err *err)
{
    if (commit_ndisks(c) > COMMIT_FEW_DISKS) { /* 16 MiB each: they share what these may have */
        block_flags |= BLOCK_ONE_OF_MANY;
    }
    for (uint32_t i = 0; i < commit_ndisks(c); i++) {
        if (c->dev[i]) {
            continue;
        }
        int x = c->sized ? replica_open_disk(c->r, commit_disk(c, i), block_flags, &c->dev[i], err)
                         : open_unsized(c, i, block_flags, err);
        if (x < 0) {
            return x;
        }
    }
    return 0;
}

/* As walk_next, or walk_past when ret is NULL; 0: the walk is over and freed. */
static int
next_chunk(struct commit *c, unsigned overlay_flags, struct walk_chunk *ret, struct vr_err *err)
{
    if (!c->walk) {
        int x = walk_new(c->r->stor, c->runs, c->nruns, &c->base.uuid, overlay_flags,
                         commit_disk(c, 0), commit_ndisks(c), &c->walk, err);
        if (x < 0) {
            return x;
        }
    }
    int x = ret ? walk_next(c->walk, ret, err) : walk_past(c->walk, err);
    if (x == 0) {
        walk_free(TAKE_PTR(c->walk));
    }
    return x;
}

int commit_walk_some(struct commit *c, unsigned overlay_flags, stretch_fn fn, struct vr_err *err)
{
    if (c->nruns == 0) {
        return 0;
    }
    for (uint64_t done = 0; done < COMMIT_STEP_BYTES;) {
        struct walk_chunk chunk;
        struct walk_stretch s;
        int x = next_chunk(c, overlay_flags, &chunk, err);
        for (uint32_t at = 0; x > 0 && walk_stretches(&chunk, &at, &s);) {
            int y = fn(c, chunk.disk, &s, err);
            x = y < 0 ? y : x;
            done += s.len;
        }
        if (x <= 0) {
            return x;
        }
    }
    return 1;
}

static int do_sync(struct commit *c, struct vr_err *err)
{
    commit_close_disks(c); /* names change next */
    int x = replica_seal_runs(c->r, c->runs, c->nruns, err);
    if (x < 0) {
        return x;
    }
    for (size_t i = 0; i < c->nruns; i++) {
        _cleanup_(stor_file_closep) struct stor_file *f = NULL;
        x = stor_open(c->r->stor, c->runs[i].name, false, &f, err);
        if (x == 0) {
            x = stor_file_sync(f, err);
        }
        if (x < 0) {
            return x;
        }
    }
    x = c->definition ? definition_store(c->r->stor, c->definition, c->definition_len,
                                         c->definition_name, err)
                      : 0;
    c->stage = CHECK;
    return x < 0 ? x : stor_sync_dir(c->r->stor, err);
}

static int do_check(struct commit *c, struct vr_err *err)
{
    int x = c->nruns != 0;
    for (uint64_t done = 0; x > 0 && done < COMMIT_STEP_BYTES; done += RUN_DATA_MAX) {
        x = next_chunk(c, OVERLAY_STRICT, NULL, err);
    }
    if (x == 0) {
        c->stage = INTENT;
    }
    return x < 0 ? vr_wrap(err, x, "what was staged cannot be committed") : 0;
}

static int do_intent(struct commit *c, struct vr_err *err)
{
    struct sidecar sc = c->r->sc;
    sc.intent = true;
    sc.next = c->next;
    sc.nruns = (uint32_t)c->nruns;
    memcpy(sc.runs, c->runs, sizeof sc.runs);
    sc.next_instant_us = c->instant_us;
    sc.next_consistency = c->consistency;
    memcpy(sc.next_definition, c->definition_name, sizeof sc.next_definition);
    /* Durable before there can be the generation. Without it the next one is compared, no more. */
    int x = c->changes ? changes_write(c->r->stor, c->changes, NULL) : -VR_E_NOT_FOUND;
    if (x < 0) { /* nor may one be there of a try before that staged something else */
        x = changes_forget(c->r->stor, &c->next, err);
    }
    if (x < 0) {
        return x;
    }
    /* Whether a failed write became durable cannot be known: act as if it had. */
    c->begun = true;
    x = sidecar_write(c->r->stor, &sc, err);
    if (x == 0) {
        c->r->sc = sc;
        c->stage = HIDE;
    }
    return x;
}

static void adopt_plan(struct sidecar *sc)
{
    sc->vm.ndisks = sc->nplan;
    memcpy(sc->vm.disks, sc->plan, sizeof sc->vm.disks);
    sc->nplan = 0;
}

/* The images' locks, which are kept in the order of the disks, in that of the planned ones. */
static void adopt_locks(struct commit *c)
{
    const struct sidecar *old = &c->r->sc;
    struct stor_lock *locks[VR_DISKS_MAX] = {NULL};
    for (uint32_t i = 0; i < old->nplan; i++) {
        uint32_t from = replica_disk_of(c->r, old->plan[i].name);
        locks[i] = from == VR_DISKS_MAX ? TAKE_PTR(c->made[i]) : TAKE_PTR(c->r->locks[from]);
    }
    replica_swap_locks(c->r, locks);
}

static int do_done(struct commit *c, struct vr_err *err)
{
    struct sidecar sc = c->r->sc;
    vr_assert(c->sized);
    commit_close_disks(c); /* a format writes its own metadata when it is closed */
    sc.rel.generation = c->next;
    sc.role = REPLICA_ROLE_REPLICA;
    sc.intent = false;
    sc.own_images = false;
    sc.nruns = 0;
    sc.rel.last_sync_us = sc.next_instant_us;
    sc.rel.consistency = sc.next_consistency;
    memcpy(sc.definition, sc.next_definition, sizeof sc.definition);
    sc.next_definition[0] = '\0';
    memset(sc.stamp, 0, sizeof sc.stamp);
    if (sc.nplan) {
        adopt_plan(&sc);
    }
    int x = sidecar_write(c->r->stor, &sc, err);
    if (x == 0) {
        if (c->r->sc.nplan) { /* not before: a write that failed leaves the old disks */
            adopt_locks(c);
        }
        c->r->sc = sc;
        c->stage = SHOW;
    }
    return x;
}

static int do_show(struct commit *c, struct vr_err *err)
{
    int x = replica_show_nvram(c->r, err); /* as long as the images are out of reach */
    if (x == 0) {
        x = replica_show_images(c->r, err);
    }
    if (x == 0) {
        x = replica_record_stamps(c->r, err);
    }
    if (x == 0) {
        c->stage = CLEAN;
    }
    return x;
}

static int do_clean(struct commit *c, struct vr_err *err)
{
    stor_file_close(TAKE_PTR(c->ballast));
    int x = replica_drop_definitions(c->r, err);
    x = x < 0 ? x : changes_prune(c->r->stor, &c->r->sc.rel.generation, err);
    x = x < 0 ? x : replica_discard_staging(c->r, err);
    if (x == 0) {
        c->stage = END;
    }
    return x;
}

/* Where the time of a stage is counted; NULL: nowhere. */
static uint64_t *clock_of(struct commit *c)
{
    struct commit_stats *st = &c->stats;
    switch (c->stage) {
    case RESERVE:
        return &st->reserve_us;
    case SYNC:
        return &st->sync_us;
    case CHECK:
        return &st->check_us;
    case REDO:
        return &st->redo_us;
    case FLUSH:
        return &st->flush_us;
    case READBACK:
        return &st->readback_us;
    default:
        return NULL;
    }
}

int commit_step(struct commit *c, uint64_t now_us, bool *ret_done, struct vr_err *err)
{
    static int (*const stages[])(struct commit *, struct vr_err *) = {
        [RESERVE] = commit_do_reserve,
        [SYNC] = do_sync,
        [CHECK] = do_check,
        [INTENT] = do_intent,
        [HIDE] = commit_do_hide,
        [RESIZE] = commit_do_resize,
        [REDO] = commit_do_redo,
        [FLUSH] = commit_do_flush,
        [READBACK] = commit_do_readback,
        [DONE] = do_done,
        [SHOW] = do_show,
        [CLEAN] = do_clean,
    };
    vr_assert(c->stage != END);
    if (c->clock && now_us > c->now_us) { /* the step before took until now */
        *c->clock += now_us - c->now_us;
    }
    c->now_us = now_us;
    c->clock = clock_of(c);
    int x = stages[c->stage](c, err);
    *ret_done = c->stage == END;
    if (x < 0 && c->begun) {
        return vr_wrap(err, x, "commit blocked, it will be repeated");
    }
    return x;
}
