/* SPDX-License-Identifier: Apache-2.0 */
#include "inventory/freeze.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "model/model.h"
#include "util/fdio.h"
#include "util/thread.h"

#define THAW_TRIES 3
#define GRACE_S 2 /* for libvirt, on top of what the agent has */

enum freeze_state {
    FREEZING,
    FROZEN,
    THAWED,
    FAILED
};

/* Owned by whoever is last: the thread, or the one that waits. */
struct freeze {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    virDomainPtr dom;
    char mark[VR_PATH_MAX];
    unsigned bound_s;
    /* under lock */
    unsigned refs;
    enum freeze_state state;
    bool thaw_asked; /* or nobody waits any more */
    bool in_time;    /* it was frozen until it was asked to thaw */
    struct vr_err err;
};

static void unref_locked(struct freeze *f)
{
    bool last = --f->refs == 0;
    pthread_mutex_unlock(&f->lock);
    if (last) {
        virt_domain_free(f->dom);
        pthread_cond_destroy(&f->cond);
        pthread_mutex_destroy(&f->lock);
        free(f);
    }
}

static void set_state(struct freeze *f, enum freeze_state state)
{
    pthread_mutex_lock(&f->lock);
    f->state = state;
    pthread_cond_broadcast(&f->cond);
    pthread_mutex_unlock(&f->lock);
}

static void
wait_until(struct freeze *f, const struct timespec *until, bool (*done)(struct freeze *f))
{
    int r = 0;
    while (r == 0 && !done(f)) {
        r = pthread_cond_timedwait(&f->cond, &f->lock, until);
    }
}

static struct timespec in_s(unsigned s)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += s;
    return t;
}

/* libvirt waits for ever unless told otherwise; what it does by itself is put back afterwards. */
static int thaw(virDomainPtr dom, unsigned bound_s)
{
    (void)virDomainAgentSetResponseTimeout(dom, (int)bound_s, 0);
    int r = virDomainFSThaw(dom, NULL, 0, 0);
    (void)virDomainAgentSetResponseTimeout(dom, VIR_DOMAIN_AGENT_RESPONSE_TIMEOUT_BLOCK, 0);
    return r;
}

static bool is_thaw_asked(struct freeze *f)
{
    return f->thaw_asked;
}

static void stay_frozen(struct freeze *f)
{
    struct timespec until = in_s(f->bound_s);
    pthread_mutex_lock(&f->lock);
    wait_until(f, &until, is_thaw_asked);
    f->in_time = f->thaw_asked;
    pthread_mutex_unlock(&f->lock);
}

static void *freeze_thread(void *arg)
{
    struct freeze *f = arg;
    (void)virDomainAgentSetResponseTimeout(f->dom, (int)f->bound_s, 0);
    bool frozen = virDomainFSFreeze(f->dom, NULL, 0, 0) >= 0;
    pthread_mutex_lock(&f->lock);
    if (!frozen) {
        (void)virt_fail(&f->err, "the guest's agent does not freeze");
    }
    pthread_mutex_unlock(&f->lock);
    set_state(f, frozen ? FROZEN : FAILED);
    if (frozen) {
        stay_frozen(f);
    }
    /* After a failure, too: the agent may have frozen and not been able to say so. */
    int r = thaw(f->dom, f->bound_s);
    for (int i = 1; frozen && r < 0 && i < THAW_TRIES; i++) {
        sleep(1);
        r = thaw(f->dom, f->bound_s);
    }
    if (r >= 0 || !frozen) {
        (void)unlink(f->mark);
    }
    if (frozen) {
        set_state(f, THAWED);
    }
    pthread_mutex_lock(&f->lock);
    unref_locked(f);
    return NULL;
}

static struct freeze *freeze_new(virDomainPtr dom, const char *mark, unsigned bound_s)
{
    struct freeze *f = calloc(1, sizeof *f);
    pthread_condattr_t attr;
    if (!f) {
        return NULL;
    }
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&f->cond, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&f->lock, NULL);
    f->dom = dom;
    (void)virDomainRef(dom);
    f->bound_s = bound_s;
    f->refs = 2;
    snprintf(f->mark, sizeof f->mark, "%s", mark);
    return f;
}

static bool is_answered(struct freeze *f)
{
    return f->state != FREEZING;
}

int freeze_begin(
    virDomainPtr dom, const char *mark, unsigned bound_s, struct freeze **ret, struct vr_err *err)
{
    int r = vr_write_file_durable(mark, "", 0, 0600, err);
    if (r < 0) {
        return r;
    }
    struct freeze *f = freeze_new(dom, mark, bound_s);
    if (!f) {
        return vr_fail_nomem(err);
    }
    r = vr_thread_start(freeze_thread, f, VR_THREAD_STACK_DEFAULT, err);
    if (r < 0) {
        (void)unlink(mark);
        f->refs = 1;
        pthread_mutex_lock(&f->lock);
        unref_locked(f);
        return r;
    }
    struct timespec until = in_s(bound_s + GRACE_S);
    pthread_mutex_lock(&f->lock);
    wait_until(f, &until, is_answered);
    if (f->state == FROZEN || f->state == THAWED) {
        pthread_mutex_unlock(&f->lock);
        *ret = f;
        return 0;
    }
    r = f->state == FAILED ? vr_fail(err, f->err.kind, "%.240s", f->err.text)
                           : vr_fail(err, VR_E_TIMEOUT, "the freeze did not return within %u s",
                                     bound_s + GRACE_S);
    f->thaw_asked = true;
    pthread_cond_broadcast(&f->cond);
    unref_locked(f);
    return r;
}

static bool is_thawed(struct freeze *f)
{
    return f->state == THAWED;
}

bool freeze_end(struct freeze *f)
{
    if (!f) {
        return false;
    }
    struct timespec until = in_s(f->bound_s + GRACE_S);
    pthread_mutex_lock(&f->lock);
    f->thaw_asked = true;
    pthread_cond_broadcast(&f->cond);
    wait_until(f, &until, is_thawed);
    bool in_time = f->in_time;
    unref_locked(f);
    return in_time;
}

int freeze_thaw_marked(virDomainPtr dom, const char *mark, unsigned bound_s, struct vr_err *err)
{
    int r = thaw(dom, bound_s) < 0 ? virt_fail(err, "a guest that may be frozen does not thaw") : 0;
    (void)unlink(mark);
    return r;
}
