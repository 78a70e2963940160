/* SPDX-License-Identifier: Apache-2.0 */
/* What must be true, and the contents of every generation by which it is judged. */
#include <stdio.h>
#include <stdlib.h>

#include "resync/replica_priv.h"
#include "tests/sim/world.h"
#include "transport/msg.h"
#include "util/num.h"

#define BLOCK 4096u

/* --- snapshots and generations --- */

static struct snapshot *
snapshot_copy(uint32_t n, const char *letter, const uint8_t *const *data, const uint64_t *size)
{
    struct snapshot *s = calloc(1, sizeof *s);
    s->refs = 1;
    s->ndisks = n;
    for (uint32_t i = 0; i < n; i++) {
        s->letter[i] = letter[i];
        s->size[i] = size[i];
        s->data[i] = malloc(size[i]);
        memcpy(s->data[i], data[i], size[i]);
    }
    return s;
}

struct snapshot *snapshot_ref(struct snapshot *s)
{
    s->refs++;
    return s;
}

void snapshot_unref(struct snapshot *s)
{
    if (!s || --s->refs > 0) {
        return;
    }
    for (uint32_t i = 0; i < s->ndisks; i++) {
        free(s->data[i]);
    }
    free(s);
}

const char *image_name(char letter, bool hidden, char buf[32])
{
    snprintf(buf, 32, "vd%c.raw%s", letter, hidden ? HIDDEN_SUFFIX : "");
    return buf;
}

uint32_t snapshot_disk(const struct snapshot *s, char letter)
{
    for (uint32_t i = 0; s && i < s->ndisks; i++) {
        if (s->letter[i] == letter) {
            return i;
        }
    }
    return NO_DISK;
}

struct snapshot *snapshot_of_source(struct world *w)
{
    if (!w->src_now) {
        const uint8_t *data[VR_DISKS_MAX];
        uint64_t size;
        char name[32];
        for (uint32_t i = 0; i < w->ndisks; i++) {
            image_name(w->letter[i], false, name);
            data[i] = fs_bytes(fs_lookup(&w->host[0].fs, SRC_DIR, name), &size);
            vr_assert(size == w->size[i]);
        }
        w->src_now = snapshot_copy(w->ndisks, w->letter, data, w->size);
    }
    return snapshot_ref(w->src_now);
}

struct snapshot *snapshot_of_replica(struct host *h)
{
    return snapshot_ref(h->must);
}

struct gen *gen_find(struct world *w, const struct vr_uuid *uuid)
{
    for (size_t i = 0; i < w->ngens; i++) {
        if (vr_uuid_eq(&w->gens[i].uuid, uuid)) {
            return &w->gens[i];
        }
    }
    return NULL;
}

struct gen *gen_add(struct world *w, const struct vr_uuid *uuid, struct snapshot *snap)
{
    vr_assert(w->ngens < GENS_MAX);
    struct gen *g = &w->gens[w->ngens++];
    *g = (struct gen){.uuid = *uuid, .snap = snapshot_ref(snap)};
    return g;
}

/* --- a replica's directory --- */

static struct fs_inode *image(struct host *h, char letter, bool *ret_hidden)
{
    char name[32];
    struct fs_inode *n = fs_lookup(&h->fs, h->replica_dir, image_name(letter, false, name));
    *ret_hidden = !n;
    return n ? n : fs_lookup(&h->fs, h->replica_dir, image_name(letter, true, name));
}

static bool
same(const struct fs_inode *n, const struct snapshot *s, uint32_t disk, uint64_t *ret_at)
{
    uint64_t size;
    const uint8_t *p = fs_bytes(n, &size);
    if (size == s->size[disk] && memcmp(p, s->data[disk], size) == 0) {
        return true;
    }
    *ret_at = 0;
    while (*ret_at < VR_MIN(size, s->size[disk]) && p[*ret_at] == s->data[disk][*ret_at]) {
        ++*ret_at;
    }
    return false;
}

bool replica_equals(struct host *h, const struct snapshot *snap)
{
    for (uint32_t i = 0; i < snap->ndisks; i++) {
        bool hidden;
        uint64_t at;
        struct fs_inode *n = image(h, snap->letter[i], &hidden);
        if (!n || !same(n, snap, i, &at)) {
            return false;
        }
    }
    return true;
}

/* Bytes of a disk as it was; beyond its end, and of one that was not there, zeroes. */
static const uint8_t *
as_it_was(const struct snapshot *old, char letter, uint64_t off, uint64_t len, uint8_t buf[BLOCK])
{
    uint32_t i = snapshot_disk(old, letter);
    memset(buf, 0, BLOCK);
    if (i != NO_DISK && off < old->size[i]) {
        memcpy(buf, old->data[i] + off, VR_MIN(len, old->size[i] - off));
    }
    return buf;
}

/* Between two generations only what differs was written. */
static void check_written(struct host *h, const struct snapshot *old, const struct snapshot *next)
{
    for (uint32_t i = 0; i < next->ndisks; i++) {
        bool hidden;
        uint8_t was[BLOCK];
        struct fs_inode *n = image(h, next->letter[i], &hidden);
        for (uint64_t b = 0; n && old && b < vr_div_up(next->size[i], BLOCK); b++) {
            uint64_t off = b * BLOCK, len = VR_MIN((uint64_t)BLOCK, next->size[i] - off);
            if (!h->mixed && fs_touched(n, b) &&
                memcmp(as_it_was(old, next->letter[i], off, len, was), next->data[i] + off, len) ==
                    0) {
                world_fail(h->w, "%s: disk %u block %llu was written and did not differ", h->name,
                           (unsigned)i, (unsigned long long)b);
                return;
            }
        }
        if (n) {
            fs_forget_touched(n);
        }
    }
}

static void note_followed(struct host *h, const struct snapshot *next)
{
    bool same = h->must && h->must->ndisks == next->ndisks;
    for (uint32_t i = 0; same && i < next->ndisks; i++) {
        same = h->must->letter[i] == next->letter[i] && h->must->size[i] == next->size[i];
    }
    if (h->must && !same) {
        world_note(h->w, SIM_FOLLOWED);
    }
}

static void new_generation(struct host *h, const struct sidecar *sc, const char *when)
{
    struct world *w = h->w;
    const struct vr_generation *g = &sc->rel.generation;
    struct gen *gen = gen_find(w, &g->uuid);
    bool was_promoted = h->promoted;
    char text[VR_UUID_TEXT_LEN];
    world_log(w, "%s: is at generation %.8s, sequence %llu (%s)", h->name,
              vr_uuid_text(&g->uuid, text), (unsigned long long)g->sequence, when);
    h->promoted = sc->role == REPLICA_ROLE_PROMOTED;
    if (h->promoted && !gen) { /* a new branch, the same contents */
        if (!vr_uuid_eq(&g->parent, &h->at)) {
            world_fail(w, "%s: promoted from a generation that it was not at (%s)", h->name, when);
        }
        h->at = g->uuid;
        return;
    }
    if (was_promoted && !w->forced) {
        world_fail(w, "%s: a promoted replica was overwritten (%s)", h->name, when);
    }
    if (!gen) {
        world_fail(w, "%s: the replica is at a generation nobody proposed (%s)", h->name, when);
        return;
    }
    if (sc->rel.last_sync_us != gen->instant_us) {
        world_fail(w, "%s: the generation is said to be of another time (%s)", h->name, when);
    }
    check_written(h, h->must, gen->snap);
    note_followed(h, gen->snap);
    h->mixed = false;
    snapshot_unref(h->must);
    h->must = snapshot_ref(gen->snap);
    h->at = g->uuid;
}

static bool is_planned(const struct sidecar *sc, char letter)
{
    uint32_t n;
    const struct vr_disk *next = sidecar_next_disks(sc, &n);
    bool found = false;
    for (uint32_t i = 0; i < n; i++) {
        found = found || next[i].name[2] == letter;
    }
    return found;
}

/*
 * INV-2: without an intent no byte of an image differs from its generation.
 * INV-3: with one, an image under its public name is whole.
 */
static void check_contents(struct host *h, const struct sidecar *sc, bool settled, const char *when)
{
    bool intent = sc->intent;
    for (uint32_t i = 0; h->must && i < h->must->ndisks; i++) {
        bool hidden;
        uint64_t at;
        struct fs_inode *n = image(h, h->must->letter[i], &hidden);
        if (!n && intent && !is_planned(sc, h->must->letter[i])) {
            continue; /* removed, and has its last name */
        }
        if (!n) {
            world_fail(h->w, "%s: image of disk %u is gone (%s)", h->name, (unsigned)i, when);
            return;
        }
        if (intent && hidden) {
            continue; /* out of reach */
        }
        if (hidden && settled) {
            world_fail(h->w, "%s: disk %u did not get its name back (%s)", h->name, (unsigned)i,
                       when);
            return;
        }
        if (!same(n, h->must, i, &at)) {
            world_fail(h->w, "%s: disk %u differs from its generation at byte %llu%s (%s)", h->name,
                       (unsigned)i, (unsigned long long)at,
                       intent ? " under its public name while a commit is open" : "", when);
            return;
        }
    }
}

/* A crash in ENABLE leaves images under their hidden names, without a sidecar that says whose they
 * are. When the same disk is asked for again they are replaced; others stay. */
void check_unfinished(struct host *h, const struct vr_peer_request *made)
{
    h->unfinished = 0;
    for (char letter = 'a'; letter <= 'z'; letter++) {
        bool hidden, ours = false;
        for (uint32_t i = 0; i < made->ndisks; i++) {
            ours = ours || made->disks[i].name[2] == letter;
        }
        if (!ours && image(h, letter, &hidden) && hidden) {
            h->unfinished |= 1u << (letter - 'a');
        }
    }
}

/* An image of a disk that the generation has not is neither there under its public name nor left
 * behind under the hidden one. */
static void check_no_orphans(struct host *h, const struct sidecar *sc, const char *when)
{
    for (char letter = 'a'; letter <= 'z' && h->must; letter++) {
        bool hidden;
        bool ours = snapshot_disk(h->must, letter) != NO_DISK;
        bool unfinished = (h->unfinished & 1u << (letter - 'a')) != 0;
        if (!ours && image(h, letter, &hidden) && (!hidden || (!sc->intent && !unfinished))) {
            world_fail(h->w, "%s: vd%c is no disk of the generation, and its image is there (%s)",
                       h->name, letter, when);
        }
    }
    if (h->must && sc->vm.ndisks != h->must->ndisks) {
        world_fail(h->w, "%s: the sidecar has %u disks, the generation %u (%s)", h->name,
                   (unsigned)sc->vm.ndisks, (unsigned)h->must->ndisks, when);
    }
}

/* The definition is that of the generation, and so is the NVRAM once recovery is through. */
static void
check_definition(struct host *h, struct stor *stor, const struct sidecar *sc, bool settled)
{
    const struct gen *g = gen_find(h->w, &sc->rel.generation.uuid);
    _cleanup_(definition_freep) struct definition *d = NULL;
    _cleanup_(vr_freep) char *nvram = NULL;
    struct vr_err err = VR_ERR_INIT;
    size_t len = 0;
    if (!g || (g->definition.n == 0) != (sc->definition[0] == '\0')) {
        if (g) {
            world_fail(h->w, "%s: the definition is not of the generation", h->name);
        }
        return;
    }
    if (g->definition.n == 0) {
        return;
    }
    if (definition_load(stor, sc->definition, &d, &err) < 0 || d->len != g->definition.n ||
        memcmp(d->bytes, g->definition.p, d->len) != 0) {
        world_fail(h->w, "%s: the definition is not that of the generation: %s", h->name,
                   vr_err_text(&err));
        return;
    }
    if (settled && d->d.nvram_len &&
        (stor_read(stor, DEFINITION_NVRAM, VR_NVRAM_MAX, &nvram, &len, &err) < 0 ||
         len != d->d.nvram_len || memcmp(nvram, d->d.nvram, len) != 0)) {
        world_fail(h->w, "%s: the NVRAM is not that of the generation: %s", h->name,
                   vr_err_text(&err));
    }
}

void check_replica(struct host *h, bool settled, const char *when)
{
    if (!h->replica_dir[0]) {
        return;
    }
    struct vr_err err = VR_ERR_INIT;
    struct sidecar *sc = calloc(1, sizeof *sc);
    struct stor *stor = fs_stor(&h->fs, h->replica_dir);
    int r = sidecar_read(stor, sc, &err);
    if (r < 0 && h->must) {
        world_fail(h->w, "%s: %s (%s)", h->name, vr_err_text(&err), when);
    }
    bool nil = vr_uuid_is_nil(&sc->rel.generation.uuid);
    if (r == 0 && nil && h->must) {
        world_fail(h->w, "%s: the sidecar forgot its generation (%s)", h->name, when);
    }
    if (r == 0 && !nil && !vr_uuid_eq(&sc->rel.generation.uuid, &h->at)) {
        new_generation(h, sc, when);
    }
    if (r == 0) {
        check_contents(h, sc, settled, when);
        check_no_orphans(h, sc, when);
        check_definition(h, stor, sc, settled);
    }
    stor_close(stor);
    free(sc);
}

/* --- a transfer that begins --- */

struct differ {
    struct host *h;
    const struct snapshot *snap;
    struct overlay *o;
    uint64_t bytes;
    uint8_t *buf;
};

static int differ_disk(struct differ *d, uint32_t disk)
{
    bool hidden;
    uint64_t had = 0, size = d->snap->size[disk];
    const struct fs_inode *there = image(d->h, d->snap->letter[disk], &hidden);
    const uint8_t *p = there ? fs_bytes(there, &had) : NULL;
    static const uint8_t zero[BLOCK];
    uint8_t base[BLOCK];
    int r = 0;
    for (uint64_t off = 0; r == 0 && off < size; off += RUN_DATA_MAX) {
        uint8_t state[RUN_DATA_MAX / BLOCK] = {0};
        uint32_t len = (uint32_t)VR_MIN((uint64_t)RUN_DATA_MAX, size - off);
        bool any;
        r = d->o ? overlay_chunk(d->o, (uint16_t)disk, off, len, d->buf, state, &any, NULL) : 0;
        for (uint32_t at = 0; r == 0 && at < len; at += BLOCK) {
            uint32_t n = VR_MIN(BLOCK, len - at);
            enum leaf_state s = (enum leaf_state)state[at / BLOCK];
            memset(base, 0, sizeof base);
            if (off + at < had) {
                memcpy(base, p + off + at, VR_MIN((uint64_t)n, had - off - at));
            }
            const uint8_t *view = s == LEAF_DATA ? d->buf + at : s == LEAF_ZERO ? zero : base;
            d->bytes += memcmp(view, d->snap->data[disk] + off + at, n) ? n : 0;
        }
    }
    return r;
}

uint64_t check_differing(struct host *h, const struct snapshot *snap, bool *ret_staged)
{
    struct run_name runs[RUNS_MAX];
    size_t n;
    struct differ d = {.h = h, .snap = snap, .buf = malloc(RUN_DATA_MAX)};
    int r = replica_runs(h->replica, runs, &n, NULL);
    if (r == 0 && n) {
        r = overlay_open(h->replica->stor, runs, n, &h->replica->sc.rel.generation.uuid, false,
                         &d.o, NULL);
    }
    for (uint32_t i = 0; r == 0 && i < snap->ndisks; i++) {
        r = differ_disk(&d, i);
    }
    *ret_staged = r == 0 && n;
    overlay_free(d.o);
    free(d.buf);
    return r < 0 ? UINT64_MAX : d.bytes;
}

size_t check_runs(struct host *h)
{
    struct run_name runs[RUNS_MAX];
    size_t n;
    return replica_runs(h->replica, runs, &n, NULL) < 0 ? 0 : n;
}

/* --- jobs --- */

void check_completed(struct host *h, const struct vr_job *job)
{
    struct world *w = h->w;
    const struct vr_rel *rel = core_rel(h->core, &job->vm_id, job->rel_number);
    if (!rel || !sim_is_transfer(job)) {
        return;
    }
    world_note(w, SIM_COMPLETED);
    struct gen *g = gen_find(w, &rel->generation.uuid);
    struct host *to = world_host(w, rel->peer);
    if (!g) {
        world_fail(w, "job %llu completed with a generation nobody proposed",
                   (unsigned long long)job->id);
        return;
    }
    if (w->lane_completed != job->id) {
        world_note(w, SIM_SETTLED_LATE);
    }
    /* A cycle that found nothing to send makes it of a later time; the job's save was late. */
    if (rel->last_sync_us != g->instant_us && rel->last_sync_us <= job->finished_us) {
        world_fail(w, "job %llu completed, and its generation is said to be of another time",
                   (unsigned long long)job->id);
    }
    if (g->began_us < job->submitted_us) {
        world_fail(w, "job %llu completed with an instant older than its request",
                   (unsigned long long)job->id);
    }
    if (!to->up || to->fs.dead) {
        return;
    }
    check_replica(to, false, "at the end of a job");
    if (!to->promoted && !vr_uuid_eq(&to->at, &g->uuid)) {
        world_fail(w, "job %llu completed, the replica is at another generation",
                   (unsigned long long)job->id);
    }
}

#define NEAR_US (24 * 3600ull * 1000000)

static bool is_near(uint64_t a, uint64_t b)
{
    return a > b ? a - b < NEAR_US : b - a < NEAR_US;
}

/* A job that nobody asked for is accepted: a delta from state 3; a resynchronization from state 9,
 * of a cause that is safe, in the window as the host's own clock shows it. */
void check_automatic(struct host *h, const struct vr_job *job)
{
    struct world *w = h->w;
    const struct vr_rel *rel = core_rel(h->core, &job->vm_id, job->rel_number);
    bool delta = job->type == VR_JOBTYPE_DELTA;
    if (!rel || !rel->is_source) {
        world_fail(w, "%s: an automatic job without a relationship", h->name);
    } else if (delta && (rel->state != VR_REL_REPLICATING || rel->setting.interval_s == 0)) {
        world_fail(w, "%s: a delta in state %d, interval %u", h->name, (int)rel->state,
                   rel->setting.interval_s);
    } else if (!delta && !rel->setting.auto_resync) {
        world_fail(w, "%s: an automatic resynchronization, switched off", h->name);
    } else if (!delta && !vr_setting_in_window(&rel->setting, world_day_s(w, w->now_us))) {
        world_fail(w, "%s: an automatic resynchronization outside its window", h->name);
    } else if (!delta && h->unsaved == 0 &&
               (rel->state != VR_REL_RESYNC_REQUIRED || !vr_health_is_automatic(rel->cause))) {
        world_fail(w, "%s: an automatic resynchronization in state %d because of %d", h->name,
                   (int)rel->state, (int)rel->cause);
    }
    if (!delta) {
        world_note(w, SIM_AUTO);
    }
    if (!delta && (is_near(w->now_us, w->summer_us) || is_near(w->now_us, w->winter_us))) {
        world_note(w, SIM_AUTO_NEAR_CHANGE);
    }
}

/* Every job that was acknowledged is over exactly once, or still has somebody to go on with it. */
static void check_acked(struct world *w)
{
    for (size_t i = 0; i < w->nacked; i++) {
        struct host *h = &w->host[w->acked[i].host];
        uint64_t id = w->acked[i].id;
        const struct vr_job *j = host_job(h, id);
        bool ended = false;
        for (size_t k = 0; k < h->nended; k++) {
            ended = ended || h->ended[k] == id;
        }
        if (!j && !ended) {
            world_fail(w, "%s: acknowledged job %llu is lost", h->name, (unsigned long long)id);
        }
        if (j && (ended || (!vr_job_is_final(j->state) && j->state != VR_JOB_SUSPENDED))) {
            world_fail(w, "%s: job %llu has no end: state %d, '%s'", h->name,
                       (unsigned long long)id, (int)j->state, j->status);
        }
    }
}

void check_suspended(struct host *h)
{
    for (size_t i = 0; h->up && i < h->njobs; i++) {
        const struct vr_job *j = &h->jobs[i];
        const struct vr_rel *rel = host_rel(h, j->rel_number);
        bool first = j->type == VR_JOBTYPE_INITIAL || j->type == VR_JOBTYPE_INITIAL_SEEDED;
        bool transfer = sim_is_transfer(j) && j->state == VR_JOB_SUSPENDED;
        if (transfer && rel && rel->state != (first ? VR_REL_READY : VR_REL_RESYNC_SUSPENDED)) {
            world_fail(h->w, "%s: job %llu is suspended, its relationship in state %d", h->name,
                       (unsigned long long)j->id, (int)rel->state);
        }
    }
}

/* A replica's recovery point is of when its generation is, or later when nothing had changed. */
static void check_recovery_point(struct host *h)
{
    const struct vr_rel *rel = h->up ? core_rel(h->core, &h->w->vm_id, h->id == 2) : NULL;
    const struct gen *g = rel && !rel->is_source ? gen_find(h->w, &rel->generation.uuid) : NULL;
    if (g && (rel->last_sync_us < g->instant_us || rel->last_sync_us > h->w->now_us)) {
        world_fail(h->w, "%s: the recovery point is of %llu, its generation of %llu", h->name,
                   (unsigned long long)rel->last_sync_us, (unsigned long long)g->instant_us);
    }
}

/* Statistics count every transfer that completed, once; only a relationship that could not be saved
 * may have lost its count with what it was of, or be saved later, with something else, which hides
 * a cycle without a job from count_successes. */
static void check_statistics(struct host *h)
{
    if (h->counted > h->completed + h->unsaved || h->counted + h->unsaved < h->completed) {
        world_fail(h->w, "%s: %llu successes counted, %llu transfers completed, %llu saves failed",
                   h->name, (unsigned long long)h->counted, (unsigned long long)h->completed,
                   (unsigned long long)h->unsaved);
    }
}

void check_end(struct world *w)
{
    for (int i = 0; i < HOSTS; i++) {
        check_statistics(&w->host[i]);
        check_recovery_point(&w->host[i]);
        check_replica(&w->host[i], true, "at the end");
    }
    check_acked(w);
}

/* --- damage --- */

/* A commit of nothing leaves the images in reach; whoever writes there meanwhile is not seen. Nor
 * is a damage of what an export is reading. */
static bool has_intent(struct host *h)
{
    struct sidecar *sc = calloc(1, sizeof *sc);
    struct stor *stor = fs_stor(&h->fs, h->replica_dir);
    bool intent = sidecar_read(stor, sc, NULL) < 0 || sc->intent;
    stor_close(stor);
    free(sc);
    return intent;
}

void damage_replica(struct host *h, uint32_t disk, uint64_t off, const void *p, size_t len)
{
    bool hidden;
    struct fs_inode *n = image(h, h->must->letter[disk], &hidden);
    if (!n || hidden || fs_locked(n) || has_intent(h) || host_export(h)) {
        return;
    }
    if (h->must->refs > 1) {
        const uint8_t *data[VR_DISKS_MAX];
        memcpy(data, h->must->data, sizeof data);
        struct snapshot *own = snapshot_copy(h->must->ndisks, h->must->letter, data, h->must->size);
        snapshot_unref(h->must);
        h->must = own;
    }
    world_log(h->w, "%s: disk %u damaged at %llu, %zu bytes", h->name, (unsigned)disk,
              (unsigned long long)off, len);
    fs_poke(n, off, p, len);
    memcpy(h->must->data[disk] + off, p, len);
    h->damage_seq++;
    world_note(h->w, SIM_DAMAGE);
}
