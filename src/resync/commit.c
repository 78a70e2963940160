/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commit: from staged runs to the next generation of all disks at once.
 *
 *   RESERVE  space under every staged block is taken; what is overwritten is saved when a person
 *            forced this
 *   SYNC     staging and its directory are durable
 *   INTENT   the sidecar names the runs and the next generation        <- only forward from here
 *   HIDE     images lose their public names
 *   REDO     staged blocks are written; repeating this gives the same images
 *   FLUSH    every disk
 *   READBACK what was written is read again and compared; a disk that lies never becomes a
 *            generation
 *   DONE     the sidecar has the next generation and no intent
 *   SHOW     images get their names back, stamps are recorded
 *   CLEAN    staging is removed
 *
 * A crash before SYNC leaves the old generation and the staging, one before INTENT the old
 * generation; a crash after it is repeated from HIDE by replica_open. A failure after INTENT
 * (NOSPACE, IO) leaves the intent: it is retried, never given up.
 */
#include <stdlib.h>
#include <string.h>

#include "resync/replica_priv.h"
#include "resync/walk.h"
#include "util/num.h"

#define STEP_BYTES (4u << 20) /* one step's work */
#define BALLAST_STEP (64u << 20)

enum stage {
    RESERVE,
    SYNC,
    INTENT,
    HIDE,
    REDO,
    FLUSH,
    READBACK,
    DONE,
    SHOW,
    CLEAN,
    END
};

struct commit {
    struct replica *r;
    enum stage stage;
    bool begun, keep_old, resumed;
    struct vr_generation next, base;
    struct run_name runs[RUNS_MAX];
    size_t nruns;
    struct walk *walk;
    struct run_writer *safety;
    struct block_dev *dev[VR_DISKS_MAX];
    struct stor_file *ballast;
    uint64_t need[VR_DISKS_MAX]; /* bytes to write on formats that grow */
    uint64_t ballast_bytes, since_release;
    uint64_t written[VR_DISKS_MAX];
    struct { /* zero stretches of neighbouring chunks become one call */
        uint16_t disk;
        uint64_t off, len;
    } zero;
    uint8_t *buf;
};

static int commit_alloc(struct replica *r, struct commit **ret, struct vr_err *err)
{
    struct commit *c = calloc(1, sizeof *c);
    if (!c || !(c->buf = malloc(RUN_DATA_MAX))) {
        free(c);
        return vr_fail_nomem(err);
    }
    c->r = r;
    c->base = r->sc.rel.generation;
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
    struct commit *c = NULL;
    int x = commit_alloc(r, &c, err);
    if (x < 0) {
        return x;
    }
    c->next = *next;
    c->keep_old = keep_old;
    memcpy(c->runs, runs, n * sizeof runs[0]);
    c->nruns = n;
    *ret = c;
    return 0;
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

static void close_disks(struct commit *c)
{
    for (size_t i = 0; i < VR_DISKS_MAX; i++) {
        block_close(c->dev[i]);
        c->dev[i] = NULL;
    }
}

void commit_free(struct commit *c)
{
    if (!c) {
        return;
    }
    walk_free(c->walk);
    run_writer_free(c->safety);
    stor_file_close(c->ballast);
    close_disks(c);
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

static int open_disks(struct commit *c, unsigned flags, struct vr_err *err)
{
    for (uint32_t i = 0; i < c->r->sc.vm.ndisks; i++) {
        if (c->dev[i]) {
            continue;
        }
        int x = replica_open_disk(c->r, i, flags, &c->dev[i], err);
        if (x < 0) {
            return x;
        }
    }
    return 0;
}

/*
 * Calls fn for staged stretches until about STEP_BYTES are done. 1: more is left, 0: the walk is
 * over.
 */
typedef int (*stretch_fn)(struct commit *c,
                          uint16_t disk,
                          const struct walk_stretch *s,
                          struct vr_err *err);

/* After drop_cache every stretch comes from the disk: ask for a chunk's at once, not one by one. */
static void prefetch_chunk(struct commit *c, const struct walk_chunk *chunk)
{
    struct walk_stretch s;
    for (uint32_t at = 0; walk_stretches(chunk, &at, &s);) {
        if (s.state == LEAF_DATA) {
            block_prefetch(c->dev[chunk->disk], s.off, s.len);
        }
    }
}

static int walk_some(struct commit *c, stretch_fn fn, struct vr_err *err)
{
    if (c->nruns == 0) {
        return 0;
    }
    if (!c->walk) {
        int x = walk_new(c->r->stor, c->runs, c->nruns, &c->base.uuid, true, &c->r->sc.vm, &c->walk,
                         err);
        if (x < 0) {
            return x;
        }
    }
    for (uint64_t done = 0; done < STEP_BYTES;) {
        struct walk_chunk chunk;
        struct walk_stretch s;
        uint32_t at = 0;
        int x = walk_next(c->walk, &chunk, err);
        if (x == 0) {
            walk_free(TAKE_PTR(c->walk));
            return 0;
        }
        if (x > 0 && c->stage == READBACK) {
            prefetch_chunk(c, &chunk);
        }
        while (x > 0 && walk_stretches(&chunk, &at, &s)) {
            int y = fn(c, chunk.disk, &s, err);
            x = y < 0 ? y : x;
        }
        if (x < 0) {
            return x;
        }
        done += chunk.len;
    }
    return 1;
}

/* --- RESERVE --- */

static bool is_raw(const struct commit *c, uint16_t disk)
{
    return strcmp(c->r->sc.vm.disks[disk].format, "raw") == 0;
}

static int
save_old(struct commit *c, uint16_t disk, const struct walk_stretch *s, struct vr_err *err)
{
    if (!c->safety) {
        uint8_t key[32];
        char name[32], uuid[VR_UUID_TEXT_LEN];
        vr_random(key, sizeof key);
        vr_uuid_text(&c->base.uuid, uuid);
        snprintf(name, sizeof name, "safety-%.8s", uuid);
        /* A try before this one may have left it: nothing was overwritten yet, so it says nothing
         * that the images do not. */
        int x = stor_unlink(c->r->stor, name, err);
        if (x == 0) {
            x = run_writer_new(c->r->stor, name, key, &c->base.uuid, &c->safety, err);
        }
        if (x < 0) {
            return x;
        }
    }
    int x = block_read(c->dev[disk], c->buf, s->len, s->off, err);
    struct run_record rec = {RUN_DATA, disk, s->off, s->len, c->buf};
    return x < 0 ? x : run_writer_add(c->safety, &rec, err);
}

static int
reserve_stretch(struct commit *c, uint16_t disk, const struct walk_stretch *s, struct vr_err *err)
{
    if (s->state == LEAF_REVERT) {
        return 0;
    }
    if (c->keep_old) {
        int x = save_old(c, disk, s, err);
        if (x < 0) {
            return x;
        }
    }
    if (s->state != LEAF_DATA) {
        return 0;
    }
    if (is_raw(c, disk)) {
        return block_reserve(c->dev[disk], s->off, s->len, err);
    }
    c->need[disk] += vr_round_up(s->len, DIGEST_MID); /* a format allocates clusters */
    return 0;
}

/* Formats that allocate while they are written cannot reserve: space is held in a file and given
 * back piecewise. */
static int take_ballast(struct commit *c, struct vr_err *err)
{
    uint64_t need = 0;
    for (uint32_t i = 0; i < c->r->sc.vm.ndisks; i++) {
        need += c->need[i] ? VR_MIN(c->need[i], c->r->sc.vm.disks[i].size_bytes) + 4 * VR_MIB : 0;
    }
    if (need == 0) {
        return 0;
    }
    int x = stor_open(c->r->stor, BALLAST_NAME, true, &c->ballast, err);
    if (x == 0) {
        x = stor_file_reserve(c->ballast, need, err);
    }
    c->ballast_bytes = need;
    return vr_wrap(err, x, "%llu bytes must be free for the commit", (unsigned long long)need);
}

static int release_ballast(struct commit *c, uint64_t bytes, struct vr_err *err)
{
    if (!c->ballast || c->ballast_bytes == 0) {
        return 0;
    }
    c->since_release += bytes;
    if (c->since_release < BALLAST_STEP && bytes != UINT64_MAX) {
        return 0;
    }
    uint64_t give =
        bytes == UINT64_MAX ? c->ballast_bytes : VR_MIN(c->ballast_bytes, 2 * c->since_release);
    c->since_release = 0;
    c->ballast_bytes -= give;
    return stor_file_truncate(c->ballast, c->ballast_bytes, err);
}

/* What the commit writes at most. */
static uint64_t staged_bytes(const struct commit *c)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < c->nruns; i++) {
        sum += c->runs[i].bytes;
    }
    return sum;
}

static int do_reserve(struct commit *c, struct vr_err *err)
{
    int x = open_disks(c, c->nruns ? 0 : BLOCK_READ_ONLY, err);
    if (x < 0) {
        return x;
    }
    x = walk_some(c, reserve_stretch, err);
    if (x == -VR_E_NOSPACE) {
        return vr_wrap(err, x, "the commit needs up to %llu MiB of free space",
                       (unsigned long long)(staged_bytes(c) >> 20) + 1);
    }
    if (x != 0) {
        return x < 0 ? vr_wrap(err, x, "cannot make room for the commit") : 0;
    }
    x = take_ballast(c, err);
    if (x == 0 && c->safety) {
        x = run_writer_sync(c->safety, err);
    }
    if (x == 0) {
        c->stage = SYNC;
    }
    return x;
}

static int do_sync(struct commit *c, struct vr_err *err)
{
    close_disks(c); /* names change next */
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
    c->stage = INTENT;
    return stor_sync_dir(c->r->stor, err);
}

static int do_intent(struct commit *c, struct vr_err *err)
{
    struct sidecar sc = c->r->sc;
    sc.intent = true;
    sc.next = c->next;
    sc.nruns = (uint32_t)c->nruns;
    memcpy(sc.runs, c->runs, sizeof sc.runs);
    /* Whether a failed write became durable cannot be known: act as if it had. */
    c->begun = true;
    int x = sidecar_write(c->r->stor, &sc, err);
    if (x == 0) {
        c->r->sc = sc;
        c->stage = HIDE;
    }
    return x;
}

int replica_repair_images(struct replica *r, struct vr_err *err)
{
    vr_assert(r->locked);
    for (uint32_t i = 0; i < r->sc.vm.ndisks; i++) {
        char name[VR_NAME_MAX + 16];
        const struct vr_disk *d = &r->sc.vm.disks[i];
        replica_image_name(r, i, name, sizeof name);
        int x = stor_repair_image(r->stor, name, d->format, err);
        if (x < 0) {
            return vr_wrap(err, x, "replica disk '%s'", d->name);
        }
    }
    return 0;
}

static int do_hide(struct commit *c, struct vr_err *err)
{
    int x = c->nruns ? replica_hide_images(c->r, err) : 0;
    /* Who wrote before us died, or met an error: a format's tables may be in between. After a
     * failed flush a qcow2 can have clusters in use that count as free. */
    if (x == 0 && c->resumed && c->nruns) {
        x = replica_repair_images(c->r, err);
    }
    if (x == 0) {
        x = open_disks(c, 0, err);
    }
    if (x == 0) {
        c->stage = REDO;
    }
    return x;
}

/* --- REDO --- */

static int flush_zero(struct commit *c, struct vr_err *err)
{
    if (c->zero.len == 0) {
        return 0;
    }
    uint64_t len = c->zero.len;
    c->zero.len = 0;
    return block_zero(c->dev[c->zero.disk], c->zero.off, len, err);
}

static int
redo_stretch(struct commit *c, uint16_t disk, const struct walk_stretch *s, struct vr_err *err)
{
    if (s->state == LEAF_REVERT) {
        return 0;
    }
    c->written[disk] += s->len;
    if (s->state == LEAF_ZERO) {
        if (c->zero.len && c->zero.disk == disk && c->zero.off + c->zero.len == s->off) {
            c->zero.len += s->len;
            return 0;
        }
        int x = flush_zero(c, err);
        c->zero.disk = disk;
        c->zero.off = s->off;
        c->zero.len = s->len;
        return x;
    }
    int x = release_ballast(c, s->len, err);
    return x < 0 ? x : block_write(c->dev[disk], s->data, s->len, s->off, err);
}

static int do_redo(struct commit *c, struct vr_err *err)
{
    int x = walk_some(c, redo_stretch, err);
    if (x != 0) {
        return x < 0 ? x : 0;
    }
    x = flush_zero(c, err);
    if (x == 0) {
        x = release_ballast(c, UINT64_MAX, err);
    }
    if (x == 0) {
        c->stage = FLUSH;
    }
    return x;
}

static int do_flush(struct commit *c, struct vr_err *err)
{
    for (uint32_t i = 0; i < c->r->sc.vm.ndisks; i++) {
        int x = block_flush(c->dev[i], err);
        if (x < 0) {
            return vr_wrap(err, x, "replica disk '%s'", c->r->sc.vm.disks[i].name);
        }
        block_drop_cache(c->dev[i]);
    }
    c->stage = READBACK;
    return 0;
}

static bool all_zero(const uint8_t *p, size_t n)
{
    return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

static int known_zero(
    struct commit *c, uint16_t disk, const struct walk_stretch *s, bool *ret, struct vr_err *err)
{
    struct block_extent e;
    size_t n;
    int x = block_extents(c->dev[disk], s->off, s->len, &e, 1, &n, err);
    *ret = x == 0 && n == 1 && e.kind == BLOCK_ZERO && e.off + e.len >= s->off + s->len;
    return x;
}

static int
check_stretch(struct commit *c, uint16_t disk, const struct walk_stretch *s, struct vr_err *err)
{
    bool skip = false;
    if (s->state == LEAF_REVERT) {
        return 0;
    }
    if (s->state == LEAF_ZERO) {
        int x = known_zero(c, disk, s, &skip, err);
        if (x < 0 || skip) {
            return x;
        }
    }
    int x = block_read(c->dev[disk], c->buf, s->len, s->off, err);
    if (x < 0) {
        return x;
    }
    bool same =
        s->state == LEAF_ZERO ? all_zero(c->buf, s->len) : memcmp(c->buf, s->data, s->len) == 0;
    if (same) {
        return 0;
    }
    return vr_fail(
        err, VR_E_IO,
        "replica disk '%s' gives back other bytes than were written in %u bytes at %llu: "
        "replace the device; the commit is repeated when the daemon starts",
        c->r->sc.vm.disks[disk].name, (unsigned)s->len, (unsigned long long)s->off);
}

static int do_readback(struct commit *c, struct vr_err *err)
{
    int x = walk_some(c, check_stretch, err);
    if (x == 0) {
        c->stage = DONE;
    }
    return x < 0 ? x : 0;
}

static int do_done(struct commit *c, struct vr_err *err)
{
    struct sidecar sc = c->r->sc;
    close_disks(c); /* a format writes its own metadata when it is closed */
    sc.rel.generation = c->next;
    sc.role = REPLICA_ROLE_REPLICA;
    sc.intent = false;
    sc.own_images = false;
    sc.nruns = 0;
    memset(sc.stamp, 0, sizeof sc.stamp);
    int x = sidecar_write(c->r->stor, &sc, err);
    if (x == 0) {
        c->r->sc = sc;
        c->stage = SHOW;
    }
    return x;
}

static int do_show(struct commit *c, struct vr_err *err)
{
    int x = replica_show_images(c->r, err);
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
    int x = replica_discard_staging(c->r, err);
    if (x == 0) {
        c->stage = END;
    }
    return x;
}

int commit_step(struct commit *c, bool *ret_done, struct vr_err *err)
{
    static int (*const stages[])(struct commit *, struct vr_err *) = {
        [RESERVE] = do_reserve, [SYNC] = do_sync,   [INTENT] = do_intent,     [HIDE] = do_hide,
        [REDO] = do_redo,       [FLUSH] = do_flush, [READBACK] = do_readback, [DONE] = do_done,
        [SHOW] = do_show,       [CLEAN] = do_clean,
    };
    vr_assert(c->stage != END);
    int x = stages[c->stage](c, err);
    *ret_done = c->stage == END;
    if (x < 0 && c->begun) {
        return vr_wrap(err, x, "commit blocked, it will be repeated");
    }
    return x;
}
