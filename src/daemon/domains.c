/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libvirt's thread (inventory/virt.h) tells, and waits until the control thread has put it into the
 * inventory: a host with thousands of VMs cannot fill the mailbox. Everything here but the tell_
 * functions runs on the control thread.
 */
#include "daemon/daemon.h"
#include "inventory/virt.h"
#include "util/log.h"

struct domains {
    struct daemon *d;
    struct virt *virt;
    bool known;
    char text[VR_TEXT_MAX]; /* why libvirt is not asked; "": it is */
};

struct told {
    struct domains *ds;
    const struct vr_vm *vm;
    const struct vr_uuid *id;
    bool up;
    const char *text;
};

static void put_vm(void *arg)
{
    struct told *t = arg;
    struct vr_err err = VR_ERR_INIT;
    if (inventory_put(t->ds->d->inventory, t->vm, &err) < 0) {
        vr_log(VR_LOG_ERROR, "inventory", "a VM of libvirt is not known: %s", vr_err_text(&err));
    }
}

static void remove_vm(void *arg)
{
    struct told *t = arg;
    inventory_remove(t->ds->d->inventory, t->id);
}

static void change_state(void *arg)
{
    struct told *t = arg;
    struct domains *ds = t->ds;
    ds->known = ds->known || t->up;
    snprintf(ds->text, sizeof ds->text, "%s", t->text);
    if (t->up) {
        daemon_event(ds->d, CORE_EV_LIBVIRT_BACK, NULL, "", "%zu virtual machines",
                     inventory_count(ds->d->inventory));
    } else {
        daemon_event(ds->d, CORE_EV_LIBVIRT_LOST, NULL, "", "%s", t->text);
    }
}

/* --- on libvirt's thread --- */

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

/* --- on the control thread --- */

int domains_start(struct daemon *d, struct domains **ret, struct vr_err *err)
{
    struct virt_watcher w = {
        .foreign = d->config.foreign, .vm = tell_vm, .gone = tell_gone, .state = tell_state};
    struct domains *ds = calloc(1, sizeof *ds);
    if (!ds) {
        return vr_fail_nomem(err);
    }
    ds->d = d;
    snprintf(ds->text, sizeof ds->text, "it did not answer yet");
    snprintf(w.uri, sizeof w.uri, "%s", d->config.libvirt_uri);
    w.ctx = ds;
    int r = virt_start(&w, &ds->virt, err);
    if (r < 0) {
        free(ds);
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
        free(ds);
    }
}
