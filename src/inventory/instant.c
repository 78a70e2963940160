/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The watch thread is there for running VMs only. While it runs, the connection is its own: the
 * owner ends it first.
 */
#include "inventory/instant.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

#include "inventory/backup_xml.h"
#include "inventory/checkpoint.h"
#include "inventory/domain.h"
#include "inventory/freeze.h"
#include "inventory/job.h"
#include "inventory/signs.h"
#include "inventory/writes.h"
#include "util/vtime.h"

#define EXPLAIN_MS 5000 /* QEMU closes its export before libvirt knows that it ends */
#define EXPLAIN_POLL_MS 100
#define GONE_LOOKS 30 /* libvirt may forget the job seconds before it knows that the VM ends */
#define ENDED "the VM ended while it was read"

struct instant {
    struct instant_params p;
    struct vr_uuid vm;
    virConnectPtr conn;
    virDomainPtr dom;
    struct signs *signs;
    int event; /* -1: none */
    enum vr_consistency consistency;
    char freeze_text[VR_TEXT_MAX];
    uint64_t frozen_us;
    /* of a running VM: */
    char stem[JOB_STEM_MAX], socket[JOB_STEM_MAX + 8];
    bool live, was_paused;
    struct checkpoint checkpoint; /* made[0]: there, or may be */
    bool keep_mark;
    pthread_t watch;
    bool watched; /* the thread was started */
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool stop;                /* under lock */
    atomic_bool full;         /* the watch ended the job, or tries */
    uint64_t free_bytes_then; /* written before full */
    struct writes writes;     /* the watch's */
};

/* --- the connection --- */

static void hang_up(struct instant *i)
{
    if (i->dom) {
        virt_domain_free(TAKE_PTR(i->dom));
    }
    if (!i->conn) {
        return;
    }
    signs_unwatch(i->conn, &i->event);
    virt_disconnect(TAKE_PTR(i->conn));
}

static int dial(struct instant *i, struct vr_err *err)
{
    int r = virt_connect(i->p.uri, &i->conn, err);
    if (r < 0) {
        return r;
    }
    i->dom = virDomainLookupByUUID(i->conn, i->vm.b);
    if (!i->dom) {
        return virt_fail(err, "cannot find the VM");
    }
    return signs_watch(i->signs, i->conn, i->dom, &i->event, err);
}

/* The one of the beginning may be gone, when libvirtd was restarted. */
static int dial_again(struct instant *i, struct vr_err *err)
{
    if (i->conn && virConnectIsAlive(i->conn) == 1) {
        return 0;
    }
    hang_up(i);
    return dial(i, err);
}

/* --- scratch space --- */

static int scratch_free(const struct instant *i, uint64_t *ret, struct vr_err *err)
{
    struct statvfs st;
    if (statvfs(i->p.dir, &st) < 0) {
        return vr_fail_errno(err, VR_E_IO, "cannot look at scratch_dir '%s'", i->p.dir);
    }
    *ret = (uint64_t)st.f_bavail * st.f_frsize;
    return 0;
}

static int fail_full(const struct instant *i, uint64_t free_bytes, struct vr_err *err)
{
    if (free_bytes >= i->p.reserve_bytes) {
        return vr_fail(err, VR_E_NOSPACE,
                       "QEMU stopped the guest at a failed write: its images, or scratch_dir '%s', "
                       "have no space; the guest goes on without the transfer",
                       i->p.dir);
    }
    return vr_fail(err, VR_E_NOSPACE,
                   "%llu MiB are free in scratch_dir '%s', %llu MiB must stay free "
                   "([inventory] scratch_reserve)",
                   (unsigned long long)(free_bytes >> 20), i->p.dir,
                   (unsigned long long)(i->p.reserve_bytes >> 20));
}

static int check_scratch(const struct instant *i, struct vr_err *err)
{
    uint64_t free_bytes = 0;
    int r = scratch_free(i, &free_bytes, err);
    return r < 0 || free_bytes >= i->p.reserve_bytes ? r : fail_full(i, free_bytes, err);
}

/* Ends the job when it still is ours, and lets the guest go on that it stopped. */
static int end_job(struct instant *i, struct vr_err *err)
{
    enum job_state state;
    int now, reason, r = job_look(i->dom, i->p.dir, i->stem, &state, err);
    if (r == -VR_E_STATE) {
        return 0; /* with the VM its job ended */
    }
    if (r == 0 && state == JOB_OURS) {
        r = job_abort(i->dom, err);
    }
    if (r == 0 && !i->was_paused && virDomainGetState(i->dom, &now, &reason, 0) == 0 &&
        now == VIR_DOMAIN_PAUSED && reason == VIR_DOMAIN_PAUSED_IOERROR) {
        r = virDomainResume(i->dom) < 0 ? virt_fail(err, "cannot resume the VM") : 0;
    }
    return r;
}

static bool wait_for_stop(struct instant *i)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += EASE_LOOK_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&i->lock);
    while (!i->stop && pthread_cond_timedwait(&i->cond, &i->lock, &until) == 0) {
    }
    bool stop = i->stop;
    pthread_mutex_unlock(&i->lock);
    return stop;
}

static void *watch_scratch(void *arg)
{
    struct instant *i = arg;
    uint64_t free_bytes = 0;
    struct vr_err ignored; /* the reader finds the export gone, or we try again at the end */
    bool ended = false;
    while (!ended && !wait_for_stop(i)) {
        bool stuck = signs_saw(i->signs, SIGN_STUCK) && !i->was_paused;
        bool known = scratch_free(i, &free_bytes, &ignored) == 0;
        if (!stuck && (!known || free_bytes >= i->p.reserve_bytes)) {
            writes_look(&i->writes, i->dom);
            continue;
        }
        i->free_bytes_then = free_bytes;
        atomic_store(&i->full, true);
        ended = dial_again(i, &ignored) == 0 && end_job(i, &ignored) == 0;
    }
    return NULL;
}

static int start_watch(struct instant *i, struct vr_err *err)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int r = pthread_create(&i->watch, NULL, watch_scratch, i);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    i->watched = r == 0;
    return r == 0 ? 0 : vr_fail(err, VR_E_NOMEM, "cannot start a thread: %s", strerror(r));
}

static void stop_watch(struct instant *i)
{
    if (!i->watched) {
        return;
    }
    pthread_mutex_lock(&i->lock);
    i->stop = true;
    pthread_cond_signal(&i->cond);
    pthread_mutex_unlock(&i->lock);
    pthread_join(i->watch, NULL);
    i->watched = false;
}

/* --- beginning --- */

/* The VM's disks may be others than when the inventory was told of them. */
static int check_disks(const struct instant *i, const struct vr_vm *vm, struct vr_err *err)
{
    static const struct domain_rules rules = {.foreign = true};
    _cleanup_(vr_freep) char *xml = virDomainGetXMLDesc(i->dom, 0);
    _cleanup_(vr_freep) struct vr_vm *now = malloc(sizeof *now);
    if (!xml) {
        return virt_fail(err, "cannot look at the VM");
    }
    int r = now ? domain_parse(xml, &rules, now, err) : vr_fail_nomem(err);
    for (uint32_t k = 0; r == 0 && k < vm->ndisks; k++) {
        const struct vr_disk *d = &vm->disks[k];
        bool there = d->excluded;
        for (uint32_t n = 0; n < now->ndisks && !there; n++) {
            const struct vr_disk *have = &now->disks[n];
            there = strcmp(have->name, d->name) == 0 &&
                    (have->left_out == VR_LEFT_OUT_VOLUME || strcmp(have->path, d->path) == 0);
        }
        r = there ? 0
                  : vr_fail(err, VR_E_TIMEOUT, "disk '%.40s' is not what it was just now", d->name);
    }
    return r;
}

static int end_orphan(struct instant *i, struct vr_err *err)
{
    enum job_state state;
    int r = job_look(i->dom, i->p.dir, NULL, &state, err);
    if (r == 0 && state == JOB_ORPHAN) {
        return job_abort(i->dom, err);
    }
    if (r == 0 && state != JOB_NONE) {
        return vr_fail(err, VR_E_TIMEOUT, "another %s runs on the VM, and is waited for",
                       state == JOB_OURS ? "transfer" : "backup, snapshot or migration");
    }
    return r;
}

static struct freeze *try_freeze(struct instant *i)
{
    char mark[VR_PATH_MAX];
    struct vr_err why = VR_ERR_INIT;
    struct freeze *f = NULL;
    if (!i->p.freeze || i->was_paused) {
        return NULL; /* nothing answers in a paused guest */
    }
    job_freeze_mark(i->p.dir, &i->vm, mark, sizeof mark);
    if (freeze_begin(i->dom, mark, i->p.freeze_s, &f, &why) < 0) {
        snprintf(i->freeze_text, sizeof i->freeze_text, "%s", vr_err_text(&why));
        return NULL;
    }
    return f;
}

/* The agent of Windows asks applications to settle (VSS) before it freezes. */
static bool freezes_applications(const struct instant *i)
{
    virTypedParameterPtr params = NULL;
    const char *os = NULL;
    int n = 0;
    if (virDomainGetGuestInfo(i->dom, VIR_DOMAIN_GUEST_INFO_OS, &params, &n, 0) == 0) {
        (void)virTypedParamsGetString(params, n, "os.id", &os);
    }
    bool is_windows = os && strcmp(os, "mswindows") == 0;
    virTypedParamsFree(params, n);
    return is_windows;
}

/* With as much of the checkpoints as goes: a job without is better than none. */
static int try_begin(struct instant *i, const struct vr_vm *vm, struct vr_err *err)
{
    struct checkpoint *c = &i->checkpoint;
    for (;;) {
        bool since[VR_DISKS_MAX] = {0};
        _cleanup_(vr_freep) char *xml = NULL;
        _cleanup_(vr_freep) char *mark = NULL;
        for (uint32_t k = 0; k < vm->ndisks; k++) {
            since[k] = c->base[0] && c->why[k] == CHECKPOINT_KNOWN;
        }
        int r = backup_xml_make(vm, i->socket, i->stem, c->base, since, &xml, err);
        if (r == 0 && c->made[0]) {
            r = checkpoint_xml_make(vm, c->made, c->tracked, c->size, &mark, err);
        }
        if (r < 0 || virDomainBackupBegin(i->dom, xml, mark, 0) == 0) {
            return r;
        }
        if (!checkpoint_give_way(c, vm)) {
            return virt_fail(err, "cannot begin a backup job");
        }
    }
}

static int begin_job(struct instant *i, const struct vr_vm *vm, struct vr_err *err)
{
    int r = job_claim(i->p.dir, &i->vm, i->stem, err);
    if (r < 0) {
        return r;
    }
    snprintf(i->socket, sizeof i->socket, "%s.sock", i->stem);
    checkpoint_prepare(i->dom, vm, &i->p.mark, &i->checkpoint);
    struct freeze *f = try_freeze(i);
    uint64_t frozen_at_us = vr_mono_us();
    i->live = true; /* even when it fails: what it left is cleared */
    r = try_begin(i, vm, err);
    bool frozen = f != NULL, in_time = freeze_end(f);
    i->frozen_us = frozen ? vr_mono_us() - frozen_at_us : 0;
    i->consistency = VR_CONSISTENCY_CRASH;
    if (in_time) {
        i->consistency =
            freezes_applications(i) ? VR_CONSISTENCY_APPLICATION : VR_CONSISTENCY_FILE_SYSTEM;
    } else if (frozen) {
        snprintf(i->freeze_text, sizeof i->freeze_text,
                 "the guest was thawed after %u s, too early", i->p.freeze_s);
    }
    return r;
}

static int begin_live(struct instant *i, const struct vr_vm *vm, struct vr_err *err)
{
    int r = check_disks(i, vm, err);
    r = r < 0 ? r : check_scratch(i, err);
    r = r < 0 ? r : end_orphan(i, err);
    if (r == 0) {
        writes_begin(&i->writes, i->dom, &i->vm, i->p.quiet, i->p.write_latency);
    }
    r = r < 0 ? r : begin_job(i, vm, err);
    if (r == 0) {
        writes_start(&i->writes, i->dom);
        r = start_watch(i, err);
    }
    return r;
}

static int begin(struct instant *i, const struct vr_vm *vm, struct vr_err *err)
{
    int state, reason, r = dial(i, err);
    if (r < 0) {
        return r;
    }
    if (virDomainGetState(i->dom, &state, &reason, 0) < 0) {
        return virt_fail(err, "cannot ask for the VM's state");
    }
    if (state == VIR_DOMAIN_SHUTOFF || state == VIR_DOMAIN_CRASHED) {
        bool clean = state == VIR_DOMAIN_SHUTOFF && reason == VIR_DOMAIN_SHUTOFF_SHUTDOWN;
        i->consistency = clean ? VR_CONSISTENCY_APPLICATION : VR_CONSISTENCY_CRASH;
        return check_disks(i, vm, err);
    }
    i->was_paused = state == VIR_DOMAIN_PAUSED;
    return begin_live(i, vm, err);
}

/* What libvirt refuses now it may grant later: only what stays as it is ends a transfer. */
static int retry_kind(int r, struct vr_err *err)
{
    bool stays = r == 0 || r == -VR_E_NOSPACE || r == -VR_E_NOT_FOUND || r == -VR_E_UNSUPPORTED ||
                 r == -VR_E_DENIED || r == -VR_E_NOMEM;
    if (!stays) {
        err->kind = VR_E_TIMEOUT;
    }
    return stays ? r : -VR_E_TIMEOUT;
}

int instant_begin(const struct instant_params *p,
                  const struct vr_vm *vm,
                  struct instant **ret,
                  struct vr_err *err)
{
    pthread_condattr_t attr;
    struct vr_err local = VR_ERR_INIT;
    struct instant *i = calloc(1, sizeof *i);
    struct signs *signs = signs_new();
    if (!i || !signs) {
        free(i);
        signs_unref(signs);
        return vr_fail_nomem(err);
    }
    err = err ? err : &local;
    i->p = *p;
    i->vm = vm->id;
    i->signs = signs;
    i->event = -1;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&i->cond, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&i->lock, NULL);
    int r = retry_kind(begin(i, vm, err), err);
    if (r < 0) {
        instant_end(i);
        return r;
    }
    *ret = i;
    return 0;
}

/* --- while it lasts --- */

const char *instant_socket(const struct instant *i)
{
    return i->live ? i->socket : NULL;
}

enum vr_consistency instant_consistency(const struct instant *i)
{
    return i->consistency;
}

const char *instant_freeze_text(const struct instant *i)
{
    return i->freeze_text;
}

uint64_t instant_frozen_us(const struct instant *i)
{
    return i->frozen_us;
}

bool instant_knows_changes(const struct instant *i,
                           uint32_t disk,
                           uint64_t *ret_size,
                           const char **ret_why)
{
    const struct checkpoint *c = &i->checkpoint;
    enum checkpoint_why why = i->live ? c->why[disk] : CHECKPOINT_OFF;
    *ret_size = c->base_size[disk];
    *ret_why = checkpoint_why_text(why);
    return why == CHECKPOINT_KNOWN;
}

void instant_keep_mark(struct instant *i)
{
    i->keep_mark = true;
}

struct vr_ease instant_ease(const struct instant *i)
{
    return writes_ease(&i->writes, i->live);
}

int instant_look(struct instant *i, struct vr_err *err)
{
    if (i->live) {
        return atomic_load(&i->full) ? fail_full(i, i->free_bytes_then, err) : 0;
    }
    if (signs_saw(i->signs, SIGN_STARTED)) {
        return vr_fail(err, VR_E_TIMEOUT,
                       "the VM was started while its disks were read; it is read "
                       "again as it runs");
    }
    return signs_saw(i->signs, SIGN_LOST) ? vr_fail(err, VR_E_TIMEOUT,
                                                    "libvirt was away while the disks of the "
                                                    "VM were read: it may have run")
                                          : 0;
}

int instant_verify(struct instant *i, struct vr_err *err)
{
    int state, reason, r = instant_look(i, err);
    if (r < 0 || i->live) {
        return r; /* the export of a running VM stays what it was, or ends */
    }
    if (virDomainGetState(i->dom, &state, &reason, 0) < 0) {
        return retry_kind(virt_fail(err, "cannot ask for the VM's state"), err);
    }
    if (state != VIR_DOMAIN_SHUTOFF && state != VIR_DOMAIN_CRASHED) {
        return vr_fail(err, VR_E_TIMEOUT, "the VM was started while its disks were read");
    }
    return instant_look(i, err);
}

/* 0: the VM runs. *ret_gone: without our job. */
static int still_there(struct instant *i, bool *ret_gone, struct vr_err *err)
{
    int state, reason;
    enum job_state job;
    int r = dial_again(i, err);
    if (r < 0) {
        return r;
    }
    if (virDomainGetState(i->dom, &state, &reason, 0) < 0) {
        return virt_fail(err, "cannot ask for the VM's state");
    }
    if (state == VIR_DOMAIN_SHUTOFF || state == VIR_DOMAIN_CRASHED ||
        signs_saw(i->signs, SIGN_STOPPED)) {
        return vr_fail(err, VR_E_TIMEOUT, ENDED);
    }
    r = job_look(i->dom, i->p.dir, i->stem, &job, err);
    *ret_gone = r == 0 && job != JOB_OURS;
    /* STATE: it ended since we asked */
    return r == -VR_E_STATE ? vr_fail(err, VR_E_TIMEOUT, ENDED) : r;
}

/* Why reading failed, if that is to be seen within a few seconds. */
static int explain_io(struct instant *i, struct vr_err *err)
{
    int r = 0, gone = 0;
    for (int ms = 0; r == 0 && ms < EXPLAIN_MS && gone < GONE_LOOKS; ms += EXPLAIN_POLL_MS) {
        bool now_gone = false;
        poll(NULL, 0, ms ? EXPLAIN_POLL_MS : 0);
        r = still_there(i, &now_gone, err);
        gone = now_gone ? gone + 1 : 0;
    }
    if (r == 0 && gone) {
        r = vr_fail(err, VR_E_TIMEOUT, "somebody ended the backup job of the VM while it was read");
    }
    return r < 0 ? retry_kind(r, err) : 0;
}

int instant_explain(struct instant *i, int r, struct vr_err *err)
{
    struct vr_err why = VR_ERR_INIT;
    stop_watch(i); /* the connection is ours from here on; there is nothing left to read */
    int lost = instant_look(i, &why);
    if (i->live && lost == 0 && r == -VR_E_IO) {
        lost = explain_io(i, &why);
    }
    if (lost < 0) {
        *err = why;
    }
    return lost < 0 ? lost : r;
}

void instant_end(struct instant *i)
{
    struct vr_err ignored; /* what cannot be ended now is an orphan, which the next sweep ends */
    if (!i) {
        return;
    }
    stop_watch(i);
    if (i->live && dial_again(i, &ignored) == 0 && end_job(i, &ignored) == 0) {
        job_remove_files(i->stem);
        if (i->checkpoint.made[0] && !i->keep_mark) {
            checkpoint_drop(i->dom, i->checkpoint.made);
        }
    }
    writes_end(&i->writes, i->dom);
    if (i->stem[0]) {
        job_release(i->stem);
    }
    hang_up(i);
    signs_unref(i->signs);
    pthread_cond_destroy(&i->cond);
    pthread_mutex_destroy(&i->lock);
    free(i);
}
