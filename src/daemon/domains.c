/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libvirt's thread (inventory/virt.h) tells, and waits until the control thread has put it into the
 * inventory: a host with thousands of VMs cannot fill the mailbox. Everything here but the tell_
 * functions runs on the control thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/daemon.h"
#include "daemon/disks.h"
#include "inventory/definition.h"
#include "inventory/virt.h"
#include "resync/definition.h"
#include "transport/msg.h"
#include "util/fdio.h"
#include "util/log.h"

struct domains {
    struct daemon *d;
    struct virt *virt;
    struct quiet *quiet; /* the lanes' */
    int dir_fd;          /* holds the lock of scratch_dir */
    bool known;
    bool ready;             /* core knows the relationships */
    char text[VR_TEXT_MAX]; /* why libvirt is not asked; "": it is */
};

struct told {
    struct domains *ds;
    const struct vr_vm *vm;
    const struct vr_uuid *id;
    bool up;
    const char *text;
    int jobs;
};

static void put_vm(void *arg)
{
    struct told *t = arg;
    struct vr_err err = VR_ERR_INIT;
    if (t->vm->is_replica) { /* its relationship shows it */
        inventory_remove(t->ds->d->inventory, &t->vm->id);
        definitions_due(t->ds->d->definitions, &t->vm->id);
        return;
    }
    if (inventory_put(t->ds->d->inventory, t->vm, &err) < 0) {
        vr_log(VR_LOG_ERROR, "inventory", "a VM of libvirt is not known: %s", vr_err_text(&err));
    }
}

static void remove_vm(void *arg)
{
    struct told *t = arg;
    inventory_remove(t->ds->d->inventory, t->id);
    definitions_due(t->ds->d->definitions, t->id);
}

static void change_state(void *arg)
{
    struct told *t = arg;
    struct domains *ds = t->ds;
    ds->known = ds->known || t->up;
    snprintf(ds->text, sizeof ds->text, "%s", t->text);
    if (t->up) {
        definitions_all_due(ds->d->definitions);
        daemon_event(ds->d, CORE_EV_LIBVIRT_BACK, NULL, "", "%zu virtual machines",
                     inventory_count(ds->d->inventory));
    } else {
        daemon_event(ds->d, CORE_EV_LIBVIRT_LOST, NULL, "", "%s", t->text);
    }
}

static void tell_of_orphans(void *arg)
{
    struct told *t = arg;
    daemon_event(t->ds->d, CORE_EV_BACKUP_ENDED, NULL, "",
                 "%d backup jobs that a vmreplicad left behind were ended", t->jobs);
}

struct asked {
    struct domains *ds;
    const struct vr_uuid *id;
    bool yes;
};

static void look_for_cycles(void *arg)
{
    struct asked *a = arg;
    const struct core *core = a->ds->d->core;
    const struct vr_rel *rel = core ? core_rel(a->ds->d->core, a->id, 0) : NULL;
    /* Before core is there: nobody knows. */
    a->yes = !a->ds->ready || (rel && rel->is_source && rel->setting.interval_s > 0);
}

/* --- on libvirt's thread --- */

static bool ask_replicated(void *ctx, const struct vr_uuid *id)
{
    struct domains *ds = ctx;
    struct asked a = {.ds = ds, .id = id};
    control_call(ds->d->control, look_for_cycles, &a);
    return a.yes;
}

static void tell_vm(void *ctx, const struct vr_vm *vm)
{
    struct domains *ds = ctx;
    struct told t = {.ds = ds, .vm = vm};
    control_call(ds->d->control, put_vm, &t);
}

static void tell_gone(void *ctx, const struct vr_uuid *id)
{
    struct domains *ds = ctx;
    struct told t = {.ds = ds, .id = id};
    control_call(ds->d->control, remove_vm, &t);
}

static void tell_state(void *ctx, bool up, const char *text)
{
    struct domains *ds = ctx;
    struct told t = {.ds = ds, .up = up, .text = text};
    control_call(ds->d->control, change_state, &t);
}

static void tell_swept(void *ctx, int jobs)
{
    struct domains *ds = ctx;
    struct told t = {.ds = ds, .jobs = jobs};
    control_call(ds->d->control, tell_of_orphans, &t);
}

static void drop_bitmap(void *ctx, const char *path, const char *name)
{
    struct vr_err err = VR_ERR_INIT;
    if (block_image_drop_bitmap(path, name, &err) < 0) {
        vr_log(VR_LOG_INFO, "bitmap-left", "%s", vr_err_text(&err));
    }
}

/* --- on a lane's thread --- */

int domains_freeze(struct daemon *d,
                   struct vr_vm *vm,
                   bool source_is_replica,
                   const struct instant_mark *mark,
                   struct frozen_disks *ret,
                   struct vr_err *err)
{
    const struct daemon_config *c = &d->config;
    struct instant_params p = {.reserve_bytes = c->scratch_reserve_bytes,
                               .freeze = c->freeze,
                               .freeze_s = c->freeze_s,
                               .write_latency = c->write_latency};
    if (!vm->from_libvirt) {
        return disks_freeze(vm, source_is_replica ? DISKS_HELD : DISKS_LOCK, d->nbd_dir, ret, err);
    }
    if (mark) {
        p.mark = *mark;
    }
    p.quiet = d->domains->quiet;
    snprintf(p.uri, sizeof p.uri, "%s", c->libvirt_uri);
    snprintf(p.dir, sizeof p.dir, "%s", c->scratch_dir);
    return disks_freeze_libvirt(vm, &p, d->nbd_dir, ret, err);
}

/* What this host's replica has is sent on. One that came from an older host has none. */
static int definition_of_replica(struct daemon *d,
                                 const struct vr_rel *rel,
                                 uint8_t **ret,
                                 uint32_t *ret_len,
                                 struct vr_err *err)
{
    struct stor *stor;
    struct definition *found = NULL;
    int r = stor_dir_open(rel->storage, false, d->nbd_dir, &stor, err);
    if (r < 0) {
        return r;
    }
    if (replica_definition(stor, &found, NULL) == 0) {
        *ret = (uint8_t *)TAKE_PTR(found->bytes);
        *ret_len = (uint32_t)found->len;
        definition_free(found);
    }
    stor_close(stor);
    return 0;
}

int domains_definition(struct daemon *d,
                       const struct vr_vm *vm,
                       const struct vr_rel *replica,
                       uint8_t **ret,
                       uint32_t *ret_len,
                       struct vr_err *err)
{
    struct read_definition def;
    struct vr_buf b;
    if (replica) {
        return definition_of_replica(d, replica, ret, ret_len, err);
    }
    if (!vm->from_libvirt) {
        return 0;
    }
    int r = definition_read(d->config.libvirt_uri, &vm->id, &def, err);
    if (r == -VR_E_LIMIT) {
        vr_log(VR_LOG_WARNING, "not-defined", "%s: the replica will have none", vr_err_text(err));
        *err = (struct vr_err)VR_ERR_INIT;
    }
    if (r < 0) {
        return r == -VR_E_LIMIT ? 0 : r;
    }
    vr_buf_init(&b, MSG_DEFINITION_MAX);
    msg_put_definition_body(&b, &def.d);
    read_definition_free(&def);
    r = vr_buf_check(&b, err);
    if (r == 0) {
        *ret = TAKE_PTR(b.data);
        *ret_len = (uint32_t)b.len;
    }
    vr_buf_deinit(&b);
    return r;
}

/* --- on the control thread --- */

/* QEMU makes sockets there, and whoever reaches one reads a disk. */
static int give_to_qemu(const struct daemon_config *c, int fd, struct vr_err *err)
{
    if (fchmod(fd, 0770) < 0) {
        return vr_fail_errno(err, VR_E_IO, "cannot chmod '%s'", c->scratch_dir);
    }
    if (!c->qemu_user[0]) {
        return 0;
    }
    const struct passwd *user = getpwnam(c->qemu_user);
    if (!user) {
        return vr_fail(err, VR_E_INVALID, "[inventory] qemu_user: there is no user '%s'",
                       c->qemu_user);
    }
    return fchown(fd, user->pw_uid, (gid_t)-1) < 0
               ? vr_fail_errno(err, VR_E_IO, "cannot give '%s' to '%s'", c->scratch_dir,
                               c->qemu_user)
               : 0;
}

/* Two daemons would take each other's jobs for orphans. */
static int take_scratch_dir(struct domains *ds, struct vr_err *err)
{
    const struct daemon_config *c = &ds->d->config;
    int r = vr_mkdirs(c->scratch_dir, 0770, err);
    if (r < 0) {
        return vr_wrap(err, r, "[inventory] scratch_dir");
    }
    ds->dir_fd = open(c->scratch_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (ds->dir_fd < 0) {
        return vr_fail_errno(err, VR_E_IO, "cannot open scratch_dir '%s'", c->scratch_dir);
    }
    if (flock(ds->dir_fd, LOCK_EX | LOCK_NB) < 0) {
        return errno == EWOULDBLOCK
                   ? vr_fail(err, VR_E_BUSY, "another vmreplicad uses scratch_dir '%s'",
                             c->scratch_dir)
                   : vr_fail_errno(err, VR_E_IO, "cannot lock '%s'", c->scratch_dir);
    }
    return give_to_qemu(c, ds->dir_fd, err);
}

int domains_start(struct daemon *d, struct domains **ret, struct vr_err *err)
{
    struct virt_watcher w = {.foreign = d->config.foreign,
                             .vm = tell_vm,
                             .gone = tell_gone,
                             .state = tell_state,
                             .replicated = ask_replicated,
                             .drop_bitmap = drop_bitmap,
                             .swept = tell_swept};
    struct domains *ds = calloc(1, sizeof *ds);
    if (!ds) {
        return vr_fail_nomem(err);
    }
    ds->dir_fd = -1;
    ds->d = d;
    snprintf(ds->text, sizeof ds->text, "it did not answer yet");
    snprintf(w.uri, sizeof w.uri, "%s", d->config.libvirt_uri);
    snprintf(w.dir, sizeof w.dir, "%s", d->config.scratch_dir);
    w.ctx = ds;
    int r = quiet_new(&ds->quiet, err);
    r = r < 0 ? r : take_scratch_dir(ds, err);
    r = r < 0 ? r : virt_start(&w, &ds->virt, err);
    if (r < 0) {
        domains_free(ds);
        return r;
    }
    *ret = ds;
    return 0;
}

bool domains_known(const struct domains *ds)
{
    return ds->known;
}

int domains_check(const struct domains *ds, struct vr_err *err)
{
    return ds->known
               ? 0
               : vr_fail(err, VR_E_TIMEOUT, "libvirt's VMs are not known yet: %.180s", ds->text);
}

void domains_unmark(struct domains *ds, const struct vr_uuid *vm)
{
    static const struct vr_uuid any;
    if (ds) {
        ds->ready = ds->ready || !vm;
        virt_look_again(ds->virt, vm ? vm : &any);
    }
}

void domains_stop(struct domains *ds)
{
    virt_stop(ds->virt);
}

bool domains_idle(const struct domains *ds)
{
    return virt_ended(ds->virt);
}

void domains_free(struct domains *ds)
{
    if (ds) {
        virt_free(ds->virt);
        quiet_free(ds->quiet);
        if (ds->dir_fd >= 0) {
            close(ds->dir_fd);
        }
        free(ds);
    }
}
