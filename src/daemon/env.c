/* SPDX-License-Identifier: Apache-2.0 */
/* What core asks of the world, done with store, inventory, replicas and lanes. Control thread only;
 * ctx is the daemon. */
#include <stdarg.h>

#include "daemon/daemon.h"
#include "daemon/disks.h"
#include "util/log.h"
#include "util/vtime.h"

#define REPLICA_WAIT_MS 5000 /* for a session that was told to end */

static uint64_t env_now(void *ctx)
{
    return vr_wall_us();
}

static void env_random(void *ctx, void *p, size_t n)
{
    vr_random(p, n);
}

static struct store *store_of(void *ctx)
{
    return ((struct daemon *)ctx)->store;
}

/* Without cycles nothing asks what changed. */
static bool ends_cycles(const struct daemon *d, const struct vr_rel *next)
{
    const struct vr_rel *old = d->core ? core_rel(d->core, &next->vm_id, 0) : NULL;
    return next->number == 0 && next->setting.interval_s == 0 && old && old->setting.interval_s > 0;
}

static int env_save_rel(void *ctx, const struct vr_rel *rel, struct vr_err *err)
{
    struct daemon *d = ctx;
    bool ends = ends_cycles(d, rel);
    int r = store_save_rel(store_of(ctx), rel, err);
    if (r == 0 && ends) {
        domains_unmark(d->domains, &rel->vm_id);
    }
    return r;
}

static int env_delete_rel(void *ctx, const struct vr_uuid *vm, uint8_t number, struct vr_err *err)
{
    int r = store_delete_rel(store_of(ctx), vm, number, err);
    if (r == 0 && number == 0) {
        domains_unmark(((struct daemon *)ctx)->domains, vm);
    }
    if (r == 0) {
        definitions_due(((struct daemon *)ctx)->definitions, vm);
    }
    return r;
}

static int env_save_job(void *ctx, const struct vr_job *job, struct vr_err *err)
{
    return store_save_job(store_of(ctx), job, err);
}

static int env_delete_job(void *ctx, uint64_t id, struct vr_err *err)
{
    return store_delete_job(store_of(ctx), id, err);
}

static int env_save_report(void *ctx, const struct vr_report *report, struct vr_err *err)
{
    return store_save_report(store_of(ctx), report, err);
}

/* With its entry known again, a storage location may show replicas whose records were lost. */
static void look_for_replicas(void *arg)
{
    struct daemon *d = arg;
    if (!d->stopping) {
        recover_lost(d);
    }
}

static int env_save_auth(void *ctx, const struct vr_auth_entry *entry, struct vr_err *err)
{
    struct daemon *d = ctx;
    int r = store_save_auth(d->store, entry, err);
    if (r == 0) {
        /* Later: core does not know the entry yet. A refusal means the next start looks. */
        (void)control_post(d->control, look_for_replicas, d);
    }
    return r;
}

static int env_delete_auth(void *ctx, const char *host, struct vr_err *err)
{
    return store_delete_auth(store_of(ctx), host, err);
}

static int env_save_service(void *ctx, const struct vr_service *service, struct vr_err *err)
{
    return store_save_service(store_of(ctx), service, err);
}

static void env_host_service(void *ctx, struct vr_service *ret)
{
    struct daemon *d = ctx;
    struct tls_creds *creds = daemon_creds(d);
    ret->allowed_authentication = VR_AUTHENTICATION_CERTIFICATE;
    ret->https_port = d->targets ? targets_port(d->targets) : (uint16_t)d->config.peer_port;
    snprintf(ret->thumbprint, sizeof ret->thumbprint, "%s", tls_creds_thumbprint(creds));
    tls_creds_unref(creds);
}

static void env_event(void *ctx, const struct vr_event *event)
{
    char vm[VR_NAME_MAX * 2], text[VR_TEXT_MAX * 2];
    struct vr_err err = VR_ERR_INIT;
    vr_log((enum vr_log_level)event->priority, event->id, "event=%u vm=\"%s\" %s", event->event_id,
           vr_log_quote(event->vm_name, vm, sizeof vm),
           vr_log_quote(event->text, text, sizeof text));
    if (store_add_event(store_of(ctx), event, NULL, &err) < 0) {
        vr_log(VR_LOG_WARNING, "event-lost", "%s", vr_err_text(&err));
    }
}

void daemon_event(struct daemon *d,
                  enum core_event ev,
                  const struct vr_uuid *vm,
                  const char *vm_name,
                  const char *fmt,
                  ...)
{
    struct vr_event event = core_event_of(ev, vr_wall_us());
    va_list ap;
    event.vm_id = vm ? *vm : (struct vr_uuid){0};
    snprintf(event.vm_name, sizeof event.vm_name, "%s", vm_name);
    va_start(ap, fmt);
    vsnprintf(event.text, sizeof event.text, fmt, ap);
    va_end(ap);
    env_event(d, &event);
}

static int env_find_vm(void *ctx, const struct vr_uuid *id, struct vr_vm *ret, struct vr_err *err)
{
    struct daemon *d = ctx;
    if (!inventory_find(d->inventory, id, ret)) {
        int r = d->domains ? domains_check(d->domains, err) : 0;
        if (r < 0) {
            return r;
        }
        char text[VR_UUID_TEXT_LEN];
        return vr_fail(err, VR_E_NOT_FOUND, "no virtual machine %s in the inventory",
                       vr_uuid_text(id, text));
    }
    return 0;
}

static int
env_replica_vm(void *ctx, const struct vr_rel *rel, struct vr_vm *ret, struct vr_err *err)
{
    struct daemon *d = ctx;
    return replicas_images(d->replicas, rel, ret, err);
}

static int env_check_disks(void *ctx, struct vr_vm *vm, bool source_is_replica, struct vr_err *err)
{
    uint8_t stamp[VR_STAMP_BYTES];
    if (vm->refused[0]) {
        return vr_fail(err, VR_E_UNSUPPORTED, "VM '%.60s' cannot be replicated: %.180s", vm->name,
                       vm->refused);
    }
    enum disks_held held = source_is_replica ? DISKS_HELD : DISKS_LOCK;
    held = vm->from_libvirt ? DISKS_WATCHED : held;
    /* Without a qemu-nbd: this is the control thread. The lane opens them. */
    return disks_peek(vm, held, stamp, err);
}

static int env_peek_disks(void *ctx,
                          struct vr_vm *vm,
                          bool source_is_replica,
                          uint8_t ret_stamp[VR_STAMP_BYTES],
                          struct vr_err *err)
{
    if (vm->from_libvirt && !source_is_replica) { /* it may run: its files say nothing */
        memset(ret_stamp, 0, VR_STAMP_BYTES);
        return env_check_disks(ctx, vm, source_is_replica, err);
    }
    return disks_peek(vm, source_is_replica ? DISKS_HELD : DISKS_LOCK, ret_stamp, err);
}

static uint32_t env_local_day_s(void *ctx, uint64_t time_us)
{
    time_t t = (time_t)(time_us / 1000000);
    struct tm tm = {0};
    localtime_r(&t, &tm);
    return (uint32_t)(tm.tm_hour * 3600 + tm.tm_min * 60 + (tm.tm_sec > 59 ? 59 : tm.tm_sec));
}

static int env_start_transfer(void *ctx, const struct core_transfer *t, struct vr_err *err)
{
    struct daemon *d = ctx;
    return lanes_start(d->lanes, t, err);
}

static void
env_command_transfer(void *ctx, uint64_t job_id, enum core_lane_command cmd, uint64_t value)
{
    struct daemon *d = ctx;
    lanes_command(d->lanes, job_id, cmd, value);
    carriers_command(d->carriers, job_id, cmd);
}

static int env_check_offline(void *ctx, const struct core_offline *o, struct vr_err *err)
{
    return carriers_check(ctx, o, err);
}

static int env_start_offline(void *ctx, const struct core_offline *o, struct vr_err *err)
{
    return carriers_start(((struct daemon *)ctx)->carriers, o, err);
}

static int env_peer_call(void *ctx,
                         uint64_t call_id,
                         const char *point,
                         const char *identity,
                         const struct vr_peer_request *req,
                         struct vr_err *err)
{
    return peer_call_start(ctx, call_id, point, identity, req, err);
}

/*
 * A replica whose relationship was removed lies in the way. Its sidecar goes, its images stay: they
 * seed the new relationship, when that was asked for or is still to be said.
 */
const char *daemon_image_format(const struct daemon *d)
{
    static const char *const formats[] = {[CONFIG_RAW] = "raw", [CONFIG_QCOW2] = "qcow2"};
    return formats[d->config.replica_format];
}

static int clear_released(struct daemon *d,
                          const struct vr_rel *rel,
                          enum replica_images images,
                          struct vr_err *err)
{
    _cleanup_(replica_use_endp) struct replica_use *use = NULL;
    int r = replicas_write(d->replicas, rel, true, 0, &use, err);
    if (r < 0) {
        return r;
    }
    struct replica *replica = replica_use_replica(use);
    if (replica_role(replica) != REPLICA_ROLE_RELEASED) {
        return vr_fail(err, VR_E_EXISTS, "'%s' holds a replica already", rel->storage);
    }
    if (images == REPLICA_IMAGES_REFUSED) {
        return vr_fail(
            err, VR_E_EXISTS,
            "'%.140s' holds images of a removed relationship: enable seeded to use them, "
            "or move them",
            rel->storage);
    }
    r = replica_discard_staging(replica, err);
    if (r == 0) {
        r = stor_unlink(replica_stor(replica), REPLICA_SIDECAR, err);
    }
    return r < 0 ? r : stor_sync_dir(replica_stor(replica), err);
}

static int make_replica(struct daemon *d,
                        const struct vr_rel *rel,
                        const struct vr_peer_request *req,
                        struct vr_err *err)
{
    struct stor *stor;
    int r = stor_dir_open(rel->storage, true, d->nbd_dir, &stor, err);
    if (r < 0) {
        return r;
    }
    enum replica_images images = req->kind == VR_TRANSFER_SEEDED     ? REPLICA_IMAGES_SEEDED
                                 : req->kind == VR_PEER_ENABLE_KEEPS ? REPLICA_IMAGES_KEPT
                                                                     : REPLICA_IMAGES_REFUSED;
    if (stor_exists(stor, REPLICA_SIDECAR)) {
        r = clear_released(d, rel, images, err);
    }
    if (r == 0) {
        r = replica_create(stor, rel, req, daemon_image_format(d), images, err);
    }
    stor_close(stor);
    return r;
}

static int env_create_replica(void *ctx,
                              struct vr_rel *rel,
                              const struct vr_peer_request *req,
                              struct vr_err *err)
{
    struct vr_rel made = *rel;
    int r = replicas_dir(rel->storage, &rel->vm_id, made.storage, err);
    if (r == 0) {
        r = make_replica(ctx, &made, req, err);
    }
    if (r == 0) {
        *rel = made;
    }
    return r;
}

/* A resynchronization that could not stage anything is better refused than begun. */
static int check_staging_space(struct daemon *d, struct replica *replica, struct vr_err *err)
{
    uint64_t free_bytes, need = d->config.staging_reserve_bytes;
    int r = stor_free_bytes(replica_stor(replica), &free_bytes, err);
    if (r == 0 && free_bytes < need) {
        r = vr_fail(err, VR_E_NOSPACE,
                    "%llu MiB are free on the replica's file system, %llu MiB must stay free "
                    "([limits] staging_reserve)",
                    (unsigned long long)(free_bytes >> 20), (unsigned long long)(need >> 20));
    }
    return r;
}

static int env_inspect_replica(void *ctx,
                               const struct vr_rel *rel,
                               const struct vr_peer_request *req,
                               struct vr_peer_reply *reply,
                               struct vr_err *err)
{
    struct daemon *d = ctx;
    _cleanup_(replica_use_endp) struct replica_use *use = NULL;
    int r = replicas_write(d->replicas, rel, false, 0, &use, err);
    r = r < 0 ? r : replica_check(replica_use_replica(use), req, reply, err);
    if (r == 0 && req->op == VR_PEER_PREFLIGHT && req->kind == VR_TRANSFER_RESYNC) {
        r = check_staging_space(d, replica_use_replica(use), err);
    }
    return r;
}

static int env_promote_replica(void *ctx,
                               const struct vr_rel *rel,
                               struct vr_generation *ret,
                               struct vr_err *err)
{
    struct daemon *d = ctx;
    _cleanup_(replica_use_endp) struct replica_use *use = NULL;
    int r = replicas_write(d->replicas, rel, true, REPLICA_WAIT_MS, &use, err);
    r = r < 0 ? r : replica_promote(replica_use_replica(use), ret, err);
    if (r == 0) {
        definitions_due(d->definitions, &rel->vm_id);
    }
    return r;
}

static void env_end_target_sessions(void *ctx, const struct vr_uuid *vm, uint8_t number)
{
    struct daemon *d = ctx;
    targets_end(d->targets, vm, number);
    carriers_end(d->carriers, vm, number);
}

static int env_release_replica(void *ctx, const struct vr_rel *rel, struct vr_err *err)
{
    struct daemon *d = ctx;
    _cleanup_(replica_use_endp) struct replica_use *use = NULL;
    int r = replicas_write(d->replicas, rel, false, REPLICA_WAIT_MS, &use, err);
    if (r == -VR_E_NOT_FOUND) {
        return 0; /* somebody removed the directory: nothing is left to mark */
    }
    return r < 0 ? r : replica_release(replica_use_replica(use), err);
}

const struct core_env_ops daemon_env_ops = {
    .now_us = env_now,
    .random = env_random,
    .save_rel = env_save_rel,
    .delete_rel = env_delete_rel,
    .save_job = env_save_job,
    .delete_job = env_delete_job,
    .save_report = env_save_report,
    .save_auth = env_save_auth,
    .delete_auth = env_delete_auth,
    .save_service = env_save_service,
    .host_service = env_host_service,
    .event = env_event,
    .find_vm = env_find_vm,
    .replica_vm = env_replica_vm,
    .check_disks = env_check_disks,
    .peek_disks = env_peek_disks,
    .local_day_s = env_local_day_s,
    .start_transfer = env_start_transfer,
    .check_offline = env_check_offline,
    .start_offline = env_start_offline,
    .command_transfer = env_command_transfer,
    .peer_call = env_peer_call,
    .create_replica = env_create_replica,
    .inspect_replica = env_inspect_replica,
    .promote_replica = env_promote_replica,
    .end_target_sessions = env_end_target_sessions,
    .release_replica = env_release_replica,
};
