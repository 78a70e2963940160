/* SPDX-License-Identifier: Apache-2.0 */
/* The lock covers the table alone; nothing is called while it is held. */
#include "daemon/definitions.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/daemon.h"
#include "daemon/session.h"
#include "inventory/definition.h"
#include "resync/definition.h"
#include "util/log.h"
#include "util/vtime.h"

#define CHAINS 1024
#define AGAIN_MS 5000 /* after libvirt was away */

struct item {
    struct item *next;
    struct vr_uuid vm;
    bool due;
    uint64_t not_before_ms;
    struct vr_defined said;
};

struct definitions {
    struct daemon *d;
    pthread_mutex_t lock;
    pthread_cond_t cond; /* monotonic */
    /* under lock */
    struct item *items[CHAINS];
    bool stop, ended;
    /* the thread's own */
    struct definer *definer; /* NULL: not connected */
};

/* What the control thread is asked and told about one VM. */
struct errand {
    struct definitions *ds;
    struct vr_uuid vm;
    bool there, failed_over;
    struct vr_rel rel;
    struct vr_defined said;
    enum core_event ev;
    char text[VR_TEXT_MAX];
};

/* --- the table --- */

static struct item **find_locked(struct definitions *ds, const struct vr_uuid *vm)
{
    struct item **at = &ds->items[(vm->b[0] << 8 | vm->b[1]) % CHAINS];
    while (*at && !vr_uuid_eq(&(*at)->vm, vm)) {
        at = &(*at)->next;
    }
    return at;
}

static void due_locked(struct definitions *ds, const struct vr_uuid *vm)
{
    struct item **at = find_locked(ds, vm);
    if (!*at && (*at = calloc(1, sizeof **at))) {
        (*at)->vm = *vm;
    }
    if (*at) { /* without memory: the next commit, or connection, makes it due again */
        (*at)->due = true;
        (*at)->not_before_ms = 0;
    }
}

void definitions_due(struct definitions *ds, const struct vr_uuid *vm)
{
    if (!ds) {
        return;
    }
    pthread_mutex_lock(&ds->lock);
    due_locked(ds, vm);
    pthread_cond_signal(&ds->cond);
    pthread_mutex_unlock(&ds->lock);
}

void definitions_all_due(struct definitions *ds)
{
    const struct vr_rel *rel;
    if (!ds || !ds->d->core) { /* libvirt answers before there is a core: see definitions_start */
        return;
    }
    for (size_t i = 0; (rel = core_rel_at(ds->d->core, i)); i++) {
        if (!rel->is_source) {
            definitions_due(ds, &rel->vm_id);
        }
    }
}

struct vr_defined definitions_said(struct definitions *ds, const struct vr_uuid *vm)
{
    struct vr_defined said = {0};
    if (!ds) {
        return said;
    }
    pthread_mutex_lock(&ds->lock);
    const struct item *it = *find_locked(ds, vm);
    said = it ? it->said : said;
    pthread_mutex_unlock(&ds->lock);
    return said;
}

/* The next that is due; false: the end. */
static bool next(struct definitions *ds, struct vr_uuid *ret)
{
    bool found = false;
    pthread_mutex_lock(&ds->lock);
    while (!ds->stop && !found) {
        uint64_t now = vr_mono_ms(), soonest = UINT64_MAX;
        for (size_t i = 0; i < CHAINS && !found; i++) {
            for (struct item *it = ds->items[i]; it && !found; it = it->next) {
                found = it->due && it->not_before_ms <= now;
                soonest = it->due && it->not_before_ms < soonest ? it->not_before_ms : soonest;
                it->due = it->due && !found;
                *ret = found ? it->vm : *ret;
            }
        }
        if (found) {
            break;
        }
        struct timespec until = {(time_t)(soonest / 1000), (long)(soonest % 1000) * 1000000};
        if (soonest == UINT64_MAX) {
            pthread_cond_wait(&ds->cond, &ds->lock);
        } else {
            (void)pthread_cond_timedwait(&ds->cond, &ds->lock, &until);
        }
    }
    pthread_mutex_unlock(&ds->lock);
    return found;
}

/* --- on the control thread, for an errand --- */

static void ask(void *arg)
{
    struct errand *e = arg;
    struct daemon *d = e->ds->d;
    for (uint8_t number = 0; number <= 1 && !d->stopping && !e->there; number++) {
        const struct vr_rel *rel = core_rel(d->core, &e->vm, number);
        if (rel && !rel->is_source) {
            e->there = true;
            e->rel = *rel;
            e->failed_over = rel->state == VR_REL_RECOVERED;
        }
    }
}

static void tell(void *arg)
{
    struct errand *e = arg;
    struct daemon *d = e->ds->d;
    daemon_event(d, e->ev, &e->vm, e->there ? e->rel.vm_name : "", "%s", e->text);
}

static void tell_health(void *arg)
{
    struct errand *e = arg;
    core_on_defined(e->ds->d->core, &e->vm, e->rel.number, e->said.state == VR_DEFINED_FAILED);
}

static void event(struct errand *e, enum core_event ev, const char *fmt, ...) VR_PRINTF(3, 4);
static void event(struct errand *e, enum core_event ev, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->text, sizeof e->text, fmt, ap);
    va_end(ap);
    e->ev = ev;
    control_call(e->ds->d->control, tell, e);
}

/* --- the thread --- */

/* "; a network is not defined on this host: x; ..." as far as there is room. */
static void list_notes(const struct vr_definition_notes *notes, char *ret, size_t cap)
{
    size_t n = 0;
    ret[0] = '\0';
    for (uint32_t i = 0; i < notes->n && n + 1 < cap; i++) {
        int m = snprintf(ret + n, cap - n, "; %s: %s", vr_definition_note_text(notes->note[i].why),
                         notes->note[i].what);
        n += m < 0 ? 0 : (size_t)m;
    }
}

static bool same_notes(const struct vr_definition_notes *a, const struct vr_definition_notes *b)
{
    bool same = a->n == b->n && a->more == b->more;
    for (uint32_t i = 0; same && i < a->n; i++) {
        same = a->note[i].why == b->note[i].why && strcmp(a->note[i].what, b->note[i].what) == 0;
    }
    return same;
}

/* Tells what is new, and keeps it for who looks. */
static void said(struct errand *e)
{
    struct definitions *ds = e->ds;
    char notes[VR_TEXT_MAX];
    struct vr_defined was = {0};
    pthread_mutex_lock(&ds->lock);
    struct item *it = *find_locked(ds, &e->vm);
    if (it) {
        was = it->said;
        it->said = e->said;
    }
    pthread_mutex_unlock(&ds->lock);
    bool same = was.state == e->said.state && strcmp(was.text, e->said.text) == 0 &&
                same_notes(&was.notes, &e->said.notes);
    if (!same && e->said.state == VR_DEFINED_DONE) {
        list_notes(&e->said.notes, notes, sizeof notes);
        event(e, CORE_EV_REPLICA_DEFINED, "as it was at its last generation%.200s", notes);
    } else if (!same && e->said.state == VR_DEFINED_FAILED) {
        event(e, CORE_EV_REPLICA_NOT_DEFINED, "%s", e->said.text);
    }
    if (e->said.running && !was.running && !e->failed_over) {
        event(e, CORE_EV_REPLICA_STARTED,
              "somebody runs the replica VM, and it was not failed over: its disks change, and the "
              "next transfer will find that");
    }
    control_call(ds->d->control, tell_health, e);
}

static void forget(struct definitions *ds, const struct vr_uuid *vm)
{
    pthread_mutex_lock(&ds->lock);
    struct item **at = find_locked(ds, vm), *it = *at;
    if (it && !it->due) {
        *at = it->next;
        free(it);
    }
    pthread_mutex_unlock(&ds->lock);
}

/* The relationship is gone. Whether its replica was failed over is in the sidecar; without one
 * nothing is undone. */
static int remove_one(struct errand *e, struct vr_err *err)
{
    struct definitions *ds = e->ds;
    char directory[VR_PATH_MAX];
    struct stor *stor;
    bool ours, running, used = true, kept;
    int r = definer_look(ds->definer, &e->vm, &ours, &running, directory, err);
    if (r < 0 || !ours) {
        return r;
    }
    if (stor_dir_open(directory, false, ds->d->nbd_dir, &stor, NULL) < 0) {
        return 0;
    }
    bool known = replica_was_promoted(stor, &used, NULL) == 0;
    stor_close(stor);
    if (!known) {
        return 0;
    }
    r = definer_remove(ds->definer, &e->vm, used, &kept, err);
    if (r == 0) {
        event(e, CORE_EV_REPLICA_UNDEFINED, "%s",
              kept ? "it is in use: a virtual machine like any other from now on"
                   : "its images and its NVRAM stay");
    }
    return r;
}

static void not_defined(struct errand *e, enum vr_defined_state state, const struct vr_err *why)
{
    e->said = (struct vr_defined){.state = state};
    snprintf(e->said.text, sizeof e->said.text, "%s", vr_err_text(why));
}

static int define_from(struct errand *e,
                       const struct vr_definition *d,
                       const struct vr_vm *images,
                       struct vr_err *err)
{
    const struct define_params p = {.vm = e->vm,
                                    .number = e->rel.number,
                                    .directory = e->rel.storage,
                                    .images = images,
                                    .definition = d};
    return definer_define(e->ds->definer, &p, &e->said, err);
}

static int define_one(struct errand *e, struct vr_err *err)
{
    struct definitions *ds = e->ds;
    struct vr_err why = VR_ERR_INIT;
    struct stor *stor;
    _cleanup_(definition_freep) struct definition *found = NULL;
    _cleanup_(vr_freep) struct vr_vm *images = calloc(1, sizeof *images);
    int r = images ? replicas_images(ds->d->replicas, &e->rel, images, &why) : vr_fail_nomem(&why);
    r = r < 0 ? r : stor_dir_open(e->rel.storage, false, ds->d->nbd_dir, &stor, &why);
    if (r == 0) {
        r = replica_definition(stor, &found, &why);
        stor_close(stor);
    }
    if (r < 0) {
        not_defined(e, r == -VR_E_NOT_FOUND ? VR_DEFINED_NOT : VR_DEFINED_FAILED, &why);
        return 0;
    }
    return define_from(e, &found->d, images, err);
}

/* The living VM is its user's: it is defined when it is not there, and else only looked at. */
static int look_at_living(struct errand *e, struct vr_err *err)
{
    char directory[VR_PATH_MAX];
    bool ours, running;
    int r = definer_look(e->ds->definer, &e->vm, &ours, &running, directory, err);
    if (r < 0 || !ours) {
        return r < 0 ? r : define_one(e, err);
    }
    e->said = (struct vr_defined){.state = VR_DEFINED_USED, .running = running};
    snprintf(e->said.text, sizeof e->said.text, "it was failed over: it is its user's");
    return 0;
}

static int work(struct definitions *ds, const struct vr_uuid *vm, struct vr_err *err)
{
    _cleanup_(vr_freep) struct errand *e = calloc(1, sizeof *e);
    if (!e) {
        return vr_fail_nomem(err);
    }
    e->ds = ds;
    e->vm = *vm;
    if (!ds->definer) {
        int r = definer_open(ds->d->config.libvirt_uri, ds->d->config.definition_dirs, &ds->definer,
                             err);
        if (r < 0) {
            return r;
        }
    }
    control_call(ds->d->control, ask, e);
    if (!e->there) {
        int r = remove_one(e, err);
        if (r == 0) {
            forget(ds, vm);
        }
        return r;
    }
    int r = e->failed_over ? look_at_living(e, err) : define_one(e, err);
    if (r == 0) {
        /* Also when libvirt calls it running: its QEMU may not have the images yet. What is held
         * then is only being started, and will be refused. */
        bool guard = e->said.state != VR_DEFINED_NOT && !e->failed_over;
        bool held = replicas_guard(ds->d->replicas, &e->rel, guard);
        e->said.running = e->said.running && !held;
        said(e);
    }
    return r;
}

static void again(struct definitions *ds, const struct vr_uuid *vm)
{
    pthread_mutex_lock(&ds->lock);
    struct item *it = *find_locked(ds, vm);
    if (it && !it->due) {
        it->due = true;
        it->not_before_ms = vr_mono_ms() + AGAIN_MS;
    }
    pthread_mutex_unlock(&ds->lock);
}

static void *definitions_thread(void *arg)
{
    struct definitions *ds = arg;
    struct vr_uuid vm = {{0}};
    while (next(ds, &vm)) {
        struct vr_err err = VR_ERR_INIT;
        if (work(ds, &vm, &err) < 0) {
            vr_log(VR_LOG_INFO, "definition-waits", "%s", vr_err_text(&err));
            definer_close(TAKE_PTR(ds->definer));
            again(ds, &vm);
        }
    }
    definer_close(TAKE_PTR(ds->definer));
    pthread_mutex_lock(&ds->lock);
    ds->ended = true;
    pthread_mutex_unlock(&ds->lock);
    return NULL;
}

/* --- control thread --- */

int definitions_new(struct daemon *d, struct definitions **ret, struct vr_err *err)
{
    pthread_condattr_t attr;
    struct definitions *ds = calloc(1, sizeof *ds);
    if (!ds) {
        return vr_fail_nomem(err);
    }
    ds->d = d;
    ds->ended = true;
    pthread_mutex_init(&ds->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&ds->cond, &attr);
    pthread_condattr_destroy(&attr);
    *ret = ds;
    return 0;
}

int definitions_start(struct definitions *ds, struct vr_err *err)
{
    ds->ended = false;
    definitions_all_due(ds);
    int r = session_thread(definitions_thread, ds, err);
    ds->ended = r < 0;
    return r;
}

void definitions_stop(struct definitions *ds)
{
    pthread_mutex_lock(&ds->lock);
    ds->stop = true;
    pthread_cond_signal(&ds->cond);
    pthread_mutex_unlock(&ds->lock);
}

bool definitions_idle(struct definitions *ds)
{
    pthread_mutex_lock(&ds->lock);
    bool ended = ds->ended;
    pthread_mutex_unlock(&ds->lock);
    return ended;
}

void definitions_free(struct definitions *ds)
{
    if (!ds) {
        return;
    }
    for (size_t i = 0; i < CHAINS; i++) {
        while (ds->items[i]) {
            struct item *it = ds->items[i];
            ds->items[i] = it->next;
            free(it);
        }
    }
    pthread_cond_destroy(&ds->cond);
    pthread_mutex_destroy(&ds->lock);
    free(ds);
}
