/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events arrive on libvirt's loop thread and are only noted down in a mail (counted, since libvirt
 * may call back a moment after it was told not to); the watcher's thread asks libvirt what became
 * of the domain. A full mail means: list all. That is done every few minutes anyway, since not
 * every change has an event.
 */
#include "inventory/virt.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "inventory/checkpoint.h"
#include "inventory/domain.h"
#include "inventory/job.h"
#include "inventory/virt_conn.h"
#include "inventory/vmset.h"
#include "util/num.h"
#include "util/thread.h"

#define CHANGED_MAX 256
#define BACKOFF_MAX_S 30
#define LIST_EVERY_S 300
#define NEVENTS 5

struct mail {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    atomic_uint refs;
    /* under lock */
    struct vr_uuid changed[CHANGED_MAX];
    size_t nchanged;
    bool list, lost, stop;
};

struct virt {
    struct virt_watcher w;
    struct mail *mail;
    atomic_bool ended;
    /* the thread's own */
    virConnectPtr conn;
    int events[NEVENTS]; /* -1: not registered */
    struct vmset *known;
    bool up;
    char text[VR_TEXT_MAX]; /* the last that was told while not up */
};

/* --- mail --- */

static void mail_unref(void *arg)
{
    struct mail *m = arg;
    if (m && atomic_fetch_sub(&m->refs, 1) == 1) {
        pthread_cond_destroy(&m->cond);
        pthread_mutex_destroy(&m->lock);
        free(m);
    }
}

static void *mail_ref(struct mail *m)
{
    atomic_fetch_add(&m->refs, 1);
    return m;
}

static struct mail *mail_new(void)
{
    struct mail *m = calloc(1, sizeof *m);
    if (m) {
        pthread_condattr_t attr;
        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        pthread_cond_init(&m->cond, &attr);
        pthread_condattr_destroy(&attr);
        pthread_mutex_init(&m->lock, NULL);
        atomic_init(&m->refs, 1);
    }
    return m;
}

/* id NULL: any may have. */
static void note_changed(struct mail *m, const struct vr_uuid *id)
{
    bool there = false;
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; id && i < m->nchanged; i++) {
        there = there || vr_uuid_eq(&m->changed[i], id);
    }
    if (!id || (!there && m->nchanged == CHANGED_MAX)) {
        m->list = true;
    } else if (!there) {
        m->changed[m->nchanged++] = *id;
    }
    pthread_cond_signal(&m->cond);
    pthread_mutex_unlock(&m->lock);
}

static void note_domain(struct mail *m, virDomainPtr dom)
{
    struct vr_uuid id;
    bool known = virDomainGetUUID(dom, id.b) == 0;
    note_changed(m, known ? &id : NULL);
}

static void note(struct mail *m, bool *what)
{
    pthread_mutex_lock(&m->lock);
    *what = true;
    pthread_cond_signal(&m->cond);
    pthread_mutex_unlock(&m->lock);
}

static void on_lifecycle(virConnectPtr conn, virDomainPtr dom, int event, int detail, void *arg)
{
    note_domain(arg, dom);
}

static void on_device(virConnectPtr conn, virDomainPtr dom, const char *alias, void *arg)
{
    note_domain(arg, dom);
}

static void on_metadata(virConnectPtr conn, virDomainPtr dom, int type, const char *uri, void *arg)
{
    note_domain(arg, dom);
}

/* A snapshot that is made or merged changes the disk's path. */
static void on_block_job(
    virConnectPtr conn, virDomainPtr dom, const char *disk, int type, int status, void *arg)
{
    note_domain(arg, dom);
}

static void on_close(virConnectPtr conn, int reason, void *arg)
{
    struct mail *m = arg;
    note(m, &m->lost);
}

/* --- the watcher's thread --- */

static void say(struct virt *v, bool up, const char *text)
{
    if (up != v->up || strcmp(text, v->text) != 0) {
        snprintf(v->text, sizeof v->text, "%s", text);
        v->up = up;
        v->w.state(v->w.ctx, up, text);
    }
}

static void hang_up(struct virt *v)
{
    if (!v->conn) {
        return;
    }
    for (size_t i = 0; i < NEVENTS; i++) {
        if (v->events[i] >= 0) {
            (void)virConnectDomainEventDeregisterAny(v->conn, v->events[i]);
        }
    }
    (void)virConnectUnregisterCloseCallback(v->conn, on_close);
    virt_disconnect(TAKE_PTR(v->conn));
}

static int register_event(struct virt *v, int event, virConnectDomainEventGenericCallback fn)
{
    int id =
        virConnectDomainEventRegisterAny(v->conn, NULL, event, fn, mail_ref(v->mail), mail_unref);
    if (id < 0) {
        mail_unref(v->mail);
    }
    return id;
}

static int dial(struct virt *v, struct vr_err *err)
{
    int r = virt_connect(v->w.uri, &v->conn, err);
    if (r < 0) {
        return r;
    }
    v->events[0] =
        register_event(v, VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle));
    if (v->events[0] < 0) {
        return virt_fail(err, "no events");
    }
    /* Drivers do not have all of these. */
    v->events[1] =
        register_event(v, VIR_DOMAIN_EVENT_ID_DEVICE_ADDED, VIR_DOMAIN_EVENT_CALLBACK(on_device));
    v->events[2] =
        register_event(v, VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, VIR_DOMAIN_EVENT_CALLBACK(on_device));
    v->events[3] = register_event(v, VIR_DOMAIN_EVENT_ID_METADATA_CHANGE,
                                  VIR_DOMAIN_EVENT_CALLBACK(on_metadata));
    v->events[4] =
        register_event(v, VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2, VIR_DOMAIN_EVENT_CALLBACK(on_block_job));
    /* Not counted: libvirt calls it under the lock that its unregistering takes, and a driver that
     * has no such callback would forget to give the reference back. */
    (void)virConnectRegisterCloseCallback(v->conn, on_close, v->mail, NULL);
    return 0;
}

static bool volume_path(void *ctx, const char *pool, const char *volume, char *ret, size_t cap)
{
    const struct virt *v = ctx;
    virStoragePoolPtr p = virStoragePoolLookupByName(v->conn, pool);
    virStorageVolPtr vol = p ? virStorageVolLookupByName(p, volume) : NULL;
    _cleanup_(vr_freep) char *path = vol ? virStorageVolGetPath(vol) : NULL;
    if (vol) {
        (void)virStorageVolFree(vol);
    }
    if (p) {
        (void)virStoragePoolFree(p);
    }
    bool fits = path && strlen(path) < cap;
    if (fits) {
        snprintf(ret, cap, "%s", path);
    }
    return fits;
}

/* One whose XML we cannot read is there, too, and says why it cannot be protected. */
static int parse_or_refuse(struct virt *v, virDomainPtr dom, const char *xml, struct vr_vm *ret)
{
    const struct domain_rules rules = {.foreign = v->w.foreign, .volume = volume_path, .ctx = v};
    struct vr_err err = VR_ERR_INIT;
    if (domain_parse(xml, &rules, ret, &err) == 0) {
        return 0;
    }
    const char *name = virDomainGetName(dom);
    memset(ret, 0, sizeof *ret);
    ret->from_libvirt = true;
    snprintf(ret->name, sizeof ret->name, "%s", name ? name : "?");
    snprintf(ret->refused, sizeof ret->refused, "%s", vr_err_text(&err));
    return virDomainGetUUID(dom, ret->id.b);
}

struct images {
    const struct virt *v;
    const struct vr_vm *vm;
};

static void drop_bitmap(void *ctx, const char *name)
{
    const struct images *i = ctx;
    for (uint32_t k = 0; k < i->vm->ndisks; k++) {
        const struct vr_disk *d = &i->vm->disks[k];
        if (strcmp(d->format, "qcow2") == 0 && d->path[0] == '/') {
            i->v->w.drop_bitmap(i->v->w.ctx, d->path, name);
        }
    }
}

/* A job that runs needs its checkpoint, and would be waited for. */
static void drop_checkpoints(struct virt *v, virDomainPtr dom, const struct vr_vm *vm)
{
    enum job_state state = JOB_NONE;
    struct vr_err ignored;
    struct images images = {v, vm};
    if (!v->w.replicated || !checkpoint_has_any(dom) || v->w.replicated(v->w.ctx, &vm->id)) {
        return;
    }
    if (vm->running && (job_look(dom, v->w.dir, NULL, &state, &ignored) < 0 || state != JOB_NONE)) {
        return;
    }
    checkpoint_drop_all(dom, v->w.drop_bitmap ? drop_bitmap : NULL, &images);
}

static int tell_domain(struct virt *v, virDomainPtr dom, struct vr_err *err)
{
    bool changed;
    int state, reason;
    _cleanup_(vr_freep) struct vr_vm *vm = malloc(sizeof *vm);
    _cleanup_(vr_freep) char *xml = virDomainGetXMLDesc(dom, 0);
    if (!vm) {
        return vr_fail_nomem(err);
    }
    if (!xml || virDomainGetState(dom, &state, &reason, 0) < 0) {
        return virt_fail(err, "cannot look at a domain");
    }
    if (parse_or_refuse(v, dom, xml, vm) < 0) {
        return virt_fail(err, "a domain without a UUID");
    }
    vm->running = state != VIR_DOMAIN_SHUTOFF && state != VIR_DOMAIN_CRASHED;
    int r = vmset_put(v->known, vm, &changed, err);
    if (r == 0 && changed) {
        v->w.vm(v->w.ctx, vm);
    }
    drop_checkpoints(v, dom, vm);
    return r;
}

static void forget(struct virt *v, const struct vr_uuid *id)
{
    struct vr_uuid gone = *id;
    if (vmset_remove(v->known, &gone)) {
        v->w.gone(v->w.ctx, &gone);
    }
}

/* One that went away since it was listed is told by its own event. */
static int tell_if_there(struct virt *v, virDomainPtr dom, struct vr_err *err)
{
    struct vr_uuid id;
    int r = tell_domain(v, dom, err);
    if (r == -VR_E_NOT_FOUND && virDomainGetUUID(dom, id.b) == 0) {
        forget(v, &id);
        return 0;
    }
    return r;
}

static int refresh(struct virt *v, const struct vr_uuid *id, struct vr_err *err)
{
    _cleanup_(virt_domain_freep) virDomainPtr dom = virDomainLookupByUUID(v->conn, id->b);
    const virError *last = dom ? NULL : virGetLastError();
    if (last && last->code == VIR_ERR_NO_DOMAIN) {
        forget(v, id);
        return 0;
    }
    return dom ? tell_if_there(v, dom, err) : virt_fail(err, "cannot look for a domain");
}

static int compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct vr_uuid));
}

static void forget_missing(struct virt *v, struct vr_uuid *seen, size_t n)
{
    const struct vr_uuid *id;
    qsort(seen, n, sizeof *seen, compare_ids);
    for (size_t i = vmset_count(v->known); i-- > 0;) {
        id = vmset_id_at(v->known, i);
        if (!bsearch(id, seen, n, sizeof *seen, compare_ids)) {
            forget(v, id);
        }
    }
}

static int list_all(struct virt *v, struct vr_err *err)
{
    virDomainPtr *doms = NULL;
    int n = virConnectListAllDomains(v->conn, &doms, 0), r = 0;
    if (n < 0) {
        return virt_fail(err, "cannot list the domains");
    }
    _cleanup_(vr_freep) struct vr_uuid *seen = calloc((size_t)n + 1, sizeof *seen);
    if (!seen) {
        r = vr_fail_nomem(err);
    }
    for (int i = 0; i < n; i++) {
        if (r == 0) {
            (void)virDomainGetUUID(doms[i], seen[i].b);
            r = tell_if_there(v, doms[i], err);
        }
        virt_domain_free(doms[i]);
    }
    free(doms);
    if (r == 0) {
        forget_missing(v, seen, (size_t)n);
    }
    return r;
}

static struct timespec after_s(unsigned s)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += s;
    return t;
}

struct letter {
    struct vr_uuid changed[CHANGED_MAX];
    size_t nchanged;
    bool list, lost, stop;
};

/* Waits for news, at most so long; then list is set. */
static void wait_for_mail(struct mail *m, unsigned most_s, struct letter *ret)
{
    struct timespec until = after_s(most_s);
    pthread_mutex_lock(&m->lock);
    int r = 0;
    while (r == 0 && !m->nchanged && !m->list && !m->lost && !m->stop) {
        r = pthread_cond_timedwait(&m->cond, &m->lock, &until);
    }
    ret->nchanged = m->nchanged;
    memcpy(ret->changed, m->changed, m->nchanged * sizeof m->changed[0]);
    ret->list = m->list || r == ETIMEDOUT;
    ret->lost = m->lost;
    ret->stop = m->stop;
    m->nchanged = 0;
    m->list = m->lost = false;
    pthread_mutex_unlock(&m->lock);
}

/* Before the VMs are told of: a transfer that begins then finds no orphan in its way. */
static int sweep(struct virt *v, struct vr_err *err)
{
    int n = v->w.dir[0] ? job_sweep(v->conn, v->w.dir, err) : 0;
    if (n > 0 && v->w.swept) {
        v->w.swept(v->w.ctx, n);
    }
    return n < 0 ? n : 0;
}

static int watch(struct virt *v, struct letter *l, struct vr_err *err)
{
    int r = sweep(v, err);
    r = r < 0 ? r : list_all(v, err);
    if (r < 0) {
        return r;
    }
    say(v, true, "");
    for (;;) {
        wait_for_mail(v->mail, LIST_EVERY_S, l);
        if (l->stop) {
            return 0;
        }
        if (l->lost || virConnectIsAlive(v->conn) == 0) {
            return vr_fail(err, VR_E_TIMEOUT, "the connection to '%s' was lost", v->w.uri);
        }
        r = l->list ? list_all(v, err) : 0;
        for (size_t i = 0; r == 0 && !l->list && i < l->nchanged; i++) {
            r = refresh(v, &l->changed[i], err);
        }
        if (r < 0) {
            return r;
        }
    }
}

static void *virt_thread(void *arg)
{
    struct virt *v = arg;
    static const struct letter none;
    struct letter l = none;
    unsigned backoff_s = 1;
    while (!l.stop) {
        struct vr_err err = VR_ERR_INIT;
        int r = dial(v, &err);
        if (r == 0) {
            backoff_s = 1;
            r = watch(v, &l, &err);
        }
        hang_up(v);
        if (r < 0) {
            say(v, false, vr_err_text(&err));
        }
        struct timespec until = after_s(backoff_s);
        pthread_mutex_lock(&v->mail->lock);
        while (r < 0 && !v->mail->stop &&
               pthread_cond_timedwait(&v->mail->cond, &v->mail->lock, &until) == 0) {
        }
        v->mail->lost = false;
        l.stop = v->mail->stop;
        pthread_mutex_unlock(&v->mail->lock);
        backoff_s = VR_MIN(backoff_s * 2, (unsigned)BACKOFF_MAX_S);
    }
    atomic_store(&v->ended, true);
    return NULL;
}

int virt_start(const struct virt_watcher *w, struct virt **ret, struct vr_err *err)
{
    struct virt *v = calloc(1, sizeof *v);
    if (!v) {
        return vr_fail_nomem(err);
    }
    v->w = *w;
    v->mail = mail_new();
    int r = v->mail ? vmset_new(&v->known, err) : vr_fail_nomem(err);
    r = r < 0 ? r : vr_thread_start(virt_thread, v, VR_THREAD_STACK_DEFAULT, err);
    if (r < 0) {
        virt_free(v);
        return r;
    }
    *ret = v;
    return 0;
}

void virt_stop(struct virt *v)
{
    note(v->mail, &v->mail->stop);
}

void virt_look_again(struct virt *v, const struct vr_uuid *id)
{
    note_changed(v->mail, vr_uuid_is_nil(id) ? NULL : id);
}

bool virt_ended(struct virt *v)
{
    return atomic_load(&v->ended);
}

void virt_free(struct virt *v)
{
    if (v) {
        mail_unref(v->mail);
        vmset_free(v->known);
        free(v);
    }
}
