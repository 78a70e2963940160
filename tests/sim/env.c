/* SPDX-License-Identifier: Apache-2.0 */
/* What core asks of a host: its store, its inventory, its lanes, its replica, its peers. */
#include <stdio.h>
#include <stdlib.h>

#include "resync/sidecar.h"
#include "tests/sim/world.h"
#include "util/num.h"

static struct host *host_of(void *ctx)
{
    return ctx;
}

static uint64_t now_us(void *ctx)
{
    return host_of(ctx)->w->now_us;
}

static void random_bytes(void *ctx, void *p, size_t n)
{
    rng_fill(&host_of(ctx)->w->rng, p, n);
}

/* --- the store: a call is one transaction --- */

bool sim_is_transfer(const struct vr_job *job)
{
    return job->type == VR_JOBTYPE_INITIAL || job->type == VR_JOBTYPE_INITIAL_SEEDED ||
           job->type == VR_JOBTYPE_RESYNC || job->type == VR_JOBTYPE_RESYNC_EXTENDED ||
           job->type == VR_JOBTYPE_DELTA;
}

/* What became of the successes since the save before. */
static void count_successes(struct host *h, const struct vr_rel *old, const struct vr_rel *rel)
{
    const struct vr_window *was = &old->stats.now, *now = &rel->stats.now;
    const struct vr_window *last = &rel->stats.last;
    bool same = was->start_us == now->start_us;
    bool moved = !same && last->start_us == was->start_us;
    /* neither: whole windows went by before anybody looked, and what was counted was only told */
    uint64_t then = same ? now->successes : moved ? last->successes : was->successes;
    uint64_t more = then + (same ? 0 : now->successes);
    if (then < was->successes) {
        world_fail(h->w, "%s: successes were %u, are %llu", h->name, was->successes,
                   (unsigned long long)more);
    }
    h->counted += rel->is_source ? more - was->successes : 0;
    bool aside = old->state == VR_REL_REPLICATING && rel->state == VR_REL_REPLICATING;
    if (rel->is_source && aside && more > was->successes &&
        vr_uuid_eq(&old->generation.uuid, &rel->generation.uuid)) { /* a cycle without a job */
        h->completed += more - was->successes;
        world_note(h->w, SIM_SKIPPED);
    }
}

static int save_rel(void *ctx, const struct vr_rel *rel, struct vr_err *err)
{
    struct host *h = ctx;
    bool apply;
    int r = fs_gate(&h->fs, FS_SAVE, &apply, err);
    h->unsaved += r < 0 ? 1 : 0;
    if (!apply) {
        return r;
    }
    struct vr_rel *old = host_rel(h, rel->number);
    if (!old) {
        vr_assert(h->nrels < VR_COUNT(h->rels));
        old = &h->rels[h->nrels++];
        old->stats = (struct vr_stats){0};
    }
    count_successes(h, old, rel);
    *old = *rel;
    char at[VR_UUID_TEXT_LEN], proposed[VR_UUID_TEXT_LEN];
    world_log(h->w, "%s: relationship %u saved: state %d, generation %.8s, proposed %.8s", h->name,
              rel->number, (int)rel->state, vr_uuid_text(&rel->generation.uuid, at),
              vr_uuid_text(&rel->proposed, proposed));
    return r;
}

static int delete_rel(void *ctx, const struct vr_uuid *vm, uint8_t number, struct vr_err *err)
{
    struct host *h = ctx;
    bool apply;
    int r = fs_gate(&h->fs, FS_SAVE, &apply, err);
    struct vr_rel *old = host_rel(h, number);
    if (apply && old) {
        *old = h->rels[--h->nrels];
    }
    return r;
}

static int save_job(void *ctx, const struct vr_job *job, struct vr_err *err)
{
    struct host *h = ctx;
    bool apply;
    int r = fs_gate(&h->fs, FS_SAVE, &apply, err);
    if (!apply) {
        return r;
    }
    struct vr_job *old = host_job(h, job->id);
    bool job_was_known = old != NULL;
    if (!old) {
        vr_assert(h->njobs < JOBS_MAX);
        old = &h->jobs[h->njobs++];
        old->state = VR_JOB_NEW;
    }
    if (old->state == VR_JOB_NEW && job->automatic && !job_was_known) {
        check_automatic(h, job);
    }
    bool news = old->state != VR_JOB_COMPLETED && job->state == VR_JOB_COMPLETED;
    *old = *job;
    h->completed += news && sim_is_transfer(job) ? 1 : 0;
    if (news && r == 0) {
        check_completed(h, job);
    }
    return r;
}

static int delete_job(void *ctx, uint64_t id, struct vr_err *err)
{
    struct host *h = ctx;
    bool apply;
    int r = fs_gate(&h->fs, FS_SAVE, &apply, err);
    struct vr_job *old = host_job(h, id);
    if (apply && old) {
        const struct vr_job *live = core_job(h->core, id); /* its end may never have been saved */
        bool late = old->state != VR_JOB_COMPLETED && live && live->state == VR_JOB_COMPLETED;
        h->completed += late && sim_is_transfer(live) ? 1 : 0;
        if ((vr_job_is_final(old->state) || (live && vr_job_is_final(live->state))) &&
            h->nended < VR_COUNT(h->ended)) {
            h->ended[h->nended++] = id;
        }
        *old = h->jobs[--h->njobs];
    }
    return r;
}

static int save_report(void *ctx, const struct vr_report *report, struct vr_err *err)
{
    bool apply;
    return fs_gate(&host_of(ctx)->fs, FS_SAVE, &apply, err);
}

static int save_auth(void *ctx, const struct vr_auth_entry *entry, struct vr_err *err)
{
    struct host *h = ctx;
    h->auths[0] = *entry;
    h->nauths = 1;
    return 0;
}

static int delete_auth(void *ctx, const char *host, struct vr_err *err)
{
    host_of(ctx)->nauths = 0;
    return 0;
}

static int save_service(void *ctx, const struct vr_service *service, struct vr_err *err)
{
    return 0; /* nobody changes them here */
}

static void host_service(void *ctx, struct vr_service *ret)
{
    ret->allowed_authentication = VR_AUTHENTICATION_CERTIFICATE;
}

static const struct {
    uint32_t event;
    enum sim_count count;
} told[] = {{29332, SIM_DELTA},
            {29333, SIM_DELTA_FAILED},
            {29334, SIM_MISSED},
            {29337, SIM_AUTO_LENGTHENED}};

static void event(void *ctx, const struct vr_event *e)
{
    struct host *h = ctx;
    world_log(h->w, "%s: event %s: %s", h->name, e->id, e->text);
    for (size_t i = 0; i < VR_COUNT(told); i++) {
        if (e->event_id == told[i].event) {
            world_note(h->w, told[i].count);
        }
    }
}

/* --- the inventory --- */

static int find_vm(void *ctx, const struct vr_uuid *id, struct vr_vm *ret, struct vr_err *err)
{
    struct host *h = ctx;
    if (h->id != 0 || !vr_uuid_eq(id, &h->w->vm_id)) {
        return vr_fail(err, VR_E_NOT_FOUND, "no such VM");
    }
    memset(ret, 0, sizeof *ret);
    ret->id = *id;
    snprintf(ret->name, sizeof ret->name, "vm1");
    ret->ndisks = h->w->ndisks;
    for (uint32_t i = 0; i < ret->ndisks; i++) {
        struct vr_disk *d = &ret->disks[i];
        snprintf(d->name, sizeof d->name, "vd%c", h->w->letter[i]);
        snprintf(d->path, sizeof d->path, SRC_DIR "/vd%c.raw", h->w->letter[i]);
        snprintf(d->format, sizeof d->format, "raw");
        d->size_bytes = h->w->size[i];
    }
    return 0;
}

/* A record names its directory, as in the daemon: it may outlive a release whose record could not
 * be deleted. */
static int replica_of(struct host *h, const struct vr_rel *rel, struct vr_err *err)
{
    if (!h->replica_dir[0]) {
        snprintf(h->replica_dir, sizeof h->replica_dir, "%.150s", rel->storage);
    }
    return h->replica ? 0 : host_open_replica(h, err);
}

static int
env_replica_vm(void *ctx, const struct vr_rel *rel, struct vr_vm *ret, struct vr_err *err)
{
    struct host *h = ctx;
    int r = replica_of(h, rel, err);
    if (r == 0) {
        *ret = *replica_vm(h->replica);
    }
    return r;
}

static int check_disks(void *ctx, struct vr_vm *vm, bool source_is_replica, struct vr_err *err)
{
    struct host *h = ctx;
    struct session *s = host_session(h);
    if (source_is_replica && !h->must) {
        return vr_fail(err, VR_E_STATE, "the replica holds no generation yet");
    }
    if (source_is_replica) {
        return s && s->committing ? vr_fail(err, VR_E_BUSY, "a commit is under way") : 0;
    }
    for (uint32_t i = 0; i < vm->ndisks; i++) {
        char name[VR_NAME_MAX + 8];
        snprintf(name, sizeof name, "%s.raw", vm->disks[i].name);
        struct stor *stor = fs_stor(&h->fs, SRC_DIR);
        struct stor_lock *lock = NULL;
        int r = stor_lock_image(stor, name, IMAGE_LOCK_READ, &lock, err);
        stor_unlock_image(lock);
        stor_close(stor);
        if (r < 0) {
            return r;
        }
        vm->disks[i].size_bytes = h->w->size[world_disk(h->w, vm->disks[i].name)];
    }
    return 0;
}

static int peek_disks(void *ctx,
                      struct vr_vm *vm,
                      bool source_is_replica,
                      uint8_t ret_stamp[VR_STAMP_BYTES],
                      struct vr_err *err)
{
    struct host *h = ctx;
    int r = check_disks(ctx, vm, source_is_replica, err);
    struct stor *stor = fs_stor(&h->fs, source_is_replica ? h->replica_dir : SRC_DIR);
    memset(ret_stamp, 0, VR_STAMP_BYTES);
    for (uint32_t i = 0; r == 0 && i < vm->ndisks && i < VR_STAMP_BYTES / 8; i++) {
        char name[VR_NAME_MAX + 8];
        uint64_t stamp;
        snprintf(name, sizeof name, "%s.raw", vm->disks[i].name);
        r = stor_image_stamp(stor, name, &stamp, err);
        memcpy(ret_stamp + 8 * i, &stamp, 8); /* at most four disks: nothing is folded */
    }
    stor_close(stor);
    return r;
}

static uint32_t local_day_s(void *ctx, uint64_t time_us)
{
    return world_day_s(host_of(ctx)->w, time_us);
}

static int start_transfer(void *ctx, const struct core_transfer *t, struct vr_err *err)
{
    return lane_start(ctx, t, err);
}

static void command_transfer(void *ctx, uint64_t job_id, enum core_lane_command cmd, uint64_t value)
{
    lane_command(ctx, job_id, cmd, value);
    carrier_command(ctx, job_id, cmd);
}

static int check_offline(void *ctx, const struct core_offline *o, struct vr_err *err)
{
    return carrier_check(ctx, o, err);
}

static int start_offline(void *ctx, const struct core_offline *o, struct vr_err *err)
{
    return carrier_start(ctx, o, err);
}

static int peer_call(void *ctx,
                     uint64_t call_id,
                     const char *point,
                     const char *identity,
                     const struct vr_peer_request *req,
                     struct vr_err *err)
{
    struct host *h = ctx;
    struct world *w = h->w;
    struct host *to = world_host(w, point);
    size_t slot = 0;
    while (slot < CALLS_MAX && w->calls[slot]) {
        slot++;
    }
    if (!to || slot == CALLS_MAX) {
        return vr_fail(err, VR_E_PEER, "'%s' is not there", point);
    }
    struct call *c = calloc(1, sizeof *c);
    c->from = h;
    c->to = to->id;
    c->id = call_id;
    c->req = *req;
    c->lost = !w->calm && rng_chance(&w->rng, 4);
    c->due_us = w->now_us + 1000 + (c->lost ? 2000000 : rng_below(&w->rng, 500000));
    w->calls[slot] = c;
    return 0;
}

/* --- the replica --- */

static bool holds_images(struct host *h, struct stor *stor)
{
    bool any = false;
    for (uint32_t i = 0; i < h->w->ndisks; i++) {
        char name[32];
        any = any || stor_exists(stor, image_name(h->w->letter[i], false, name));
    }
    return any;
}

/* As the daemon does: a released replica's sidecar goes, its images stay. */
static int clear_released(struct stor *stor, struct vr_err *err)
{
    struct sidecar *sc = calloc(1, sizeof *sc);
    int r = sidecar_read(stor, sc, err);
    if (r == 0 && sc->role != REPLICA_ROLE_RELEASED) {
        r = vr_fail(err, VR_E_EXISTS, "a replica is there already");
    }
    free(sc);
    r = r < 0 ? r : stor_unlink(stor, REPLICA_SIDECAR, err);
    return r < 0 ? r : stor_sync_dir(stor, err);
}

/* Where it goes: images are wanted, those of a former replica if there is one; or none may be. */
static int
choose_dir(struct host *h, const char *storage, bool keeps, char ret[160], struct vr_err *err)
{
    for (unsigned n = 1;; n++) {
        snprintf(ret, 160, "%.100s/vm1-%u", storage, n);
        struct stor *stor = fs_stor(&h->fs, ret);
        bool used = stor_exists(stor, REPLICA_SIDECAR), images = holds_images(h, stor);
        int r = used && keeps ? clear_released(stor, err) : 0;
        stor_close(stor);
        if (r == -VR_E_EXISTS || (!keeps && (used || images))) {
            continue;
        }
        return r;
    }
}

static int
create_replica(void *ctx, struct vr_rel *rel, const struct vr_peer_request *req, struct vr_err *err)
{
    struct host *h = ctx;
    char path[160];
    bool seeded = req->kind == VR_TRANSFER_SEEDED, keeps = req->kind == VR_PEER_ENABLE_KEEPS;
    int r = choose_dir(h, rel->storage, seeded || keeps, path, err);
    if (r < 0) {
        return r;
    }
    struct stor *stor = fs_stor(&h->fs, path);
    r = replica_create(stor, rel, req, NULL,
                       seeded  ? REPLICA_IMAGES_SEEDED
                       : keeps ? REPLICA_IMAGES_KEPT
                               : REPLICA_IMAGES_REFUSED,
                       err);
    stor_close(stor);
    if (r < 0) {
        return r;
    }
    snprintf(rel->storage, sizeof rel->storage, "%s", path);
    snprintf(h->replica_dir, sizeof h->replica_dir, "%s", path);
    check_unfinished(h, req);
    vr_assert(!h->replica);
    snapshot_unref(TAKE_PTR(h->must));
    h->at = (struct vr_uuid){0};
    h->promoted = false;
    return host_open_replica(h, err);
}

static int inspect_replica(void *ctx,
                           const struct vr_rel *rel,
                           const struct vr_peer_request *req,
                           struct vr_peer_reply *reply,
                           struct vr_err *err)
{
    struct host *h = ctx;
    int r = replica_of(h, rel, err);
    return r < 0 ? r : replica_check(h->replica, req, reply, err);
}

static int
promote(void *ctx, const struct vr_rel *rel, struct vr_generation *ret, struct vr_err *err)
{
    struct host *h = ctx;
    int r = replica_of(h, rel, err);
    if (r == 0) {
        r = replica_lock(h->replica, err);
    }
    if (r == 0) {
        r = replica_promote(h->replica, ret, err);
        replica_unlock(h->replica);
    }
    if (r == 0) {
        check_replica(h, true, "after a failover");
    }
    if (r < 0) { /* what became durable is found by opening it again */
        replica_close(TAKE_PTR(h->replica));
    }
    return r;
}

static void end_target_sessions(void *ctx, const struct vr_uuid *vm, uint8_t number)
{
    struct session *s = host_session(ctx);
    if (s) {
        session_end(s, -VR_E_CANCELED);
    }
    carrier_stop_import(ctx);
}

static int release(void *ctx, const struct vr_rel *rel, struct vr_err *err)
{
    struct host *h = ctx;
    int r = replica_of(h, rel, err);
    if (r == 0) {
        r = replica_lock(h->replica, err);
    }
    if (r == 0) {
        r = replica_release(h->replica, err);
    }
    replica_close(TAKE_PTR(h->replica)); /* a use ends with its call, as in the daemon */
    if (r == 0) {
        h->replica_dir[0] = '\0';
    }
    return r;
}

const struct core_env_ops sim_env = {
    .now_us = now_us,
    .random = random_bytes,
    .save_rel = save_rel,
    .delete_rel = delete_rel,
    .save_job = save_job,
    .delete_job = delete_job,
    .save_report = save_report,
    .save_auth = save_auth,
    .delete_auth = delete_auth,
    .save_service = save_service,
    .host_service = host_service,
    .event = event,
    .find_vm = find_vm,
    .replica_vm = env_replica_vm,
    .check_disks = check_disks,
    .peek_disks = peek_disks,
    .local_day_s = local_day_s,
    .start_transfer = start_transfer,
    .check_offline = check_offline,
    .start_offline = start_offline,
    .command_transfer = command_transfer,
    .peer_call = peer_call,
    .create_replica = create_replica,
    .inspect_replica = inspect_replica,
    .promote_replica = promote,
    .end_target_sessions = end_target_sessions,
    .release_replica = release,
};
