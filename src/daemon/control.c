/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/control.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>

#include "util/num.h"
#include "util/vtime.h"

#define TICK_MAX_MS 1000 /* the wall clock may be set: look again at least this often */

struct control {
    pthread_mutex_t lock;
    struct control_msg *first, **last;
    unsigned posts; /* owned messages that wait */
    int wake;       /* eventfd, readable while messages wait */
    bool stop;      /* control thread only */
    struct watch {
        int fd;
        control_fn fn;
        void *arg;
    } watches[CONTROL_FDS_MAX];
    unsigned nwatches;
};

int control_new(struct control **ret, struct vr_err *err)
{
    struct control *c = calloc(1, sizeof *c);
    if (!c) {
        return vr_fail_nomem(err);
    }
    c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c->wake < 0) {
        free(c);
        return vr_fail_errno(err, VR_E_IO, "eventfd");
    }
    pthread_mutex_init(&c->lock, NULL);
    c->last = &c->first;
    *ret = c;
    return 0;
}

void control_free(struct control *c)
{
    if (!c) {
        return;
    }
    while (c->first) {
        struct control_msg *msg = c->first;
        c->first = msg->next;
        if (msg->owned) {
            free(msg);
        }
    }
    close(c->wake);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static void append_locked(struct control *c, struct control_msg *msg)
{
    msg->next = NULL;
    *c->last = msg;
    c->last = &msg->next;
    uint64_t one = 1;
    ssize_t ignored = write(c->wake, &one, sizeof one); /* full means readable: as good */
    (void)ignored;
}

void control_send(struct control *c, struct control_msg *msg)
{
    pthread_mutex_lock(&c->lock);
    append_locked(c, msg);
    pthread_mutex_unlock(&c->lock);
}

bool control_post(struct control *c, control_fn fn, void *arg)
{
    struct control_msg *msg = malloc(sizeof *msg);
    if (!msg) {
        return false;
    }
    *msg = (struct control_msg){.fn = fn, .arg = arg, .owned = true};
    pthread_mutex_lock(&c->lock);
    bool room = c->posts < CONTROL_POSTS_MAX;
    if (room) {
        c->posts++;
        append_locked(c, msg);
    }
    pthread_mutex_unlock(&c->lock);
    if (!room) {
        free(msg);
    }
    return room;
}

struct waiting_call {
    struct control_msg msg;
    control_fn fn;
    void *arg;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool ran;
};

static void run_waiting_call(void *arg)
{
    struct waiting_call *w = arg;
    w->fn(w->arg);
    pthread_mutex_lock(&w->lock);
    w->ran = true;
    pthread_cond_signal(&w->cond);
    pthread_mutex_unlock(&w->lock);
}

void control_call(struct control *c, control_fn fn, void *arg)
{
    struct waiting_call w = {
        .fn = fn, .arg = arg, .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    w.msg = (struct control_msg){.fn = run_waiting_call, .arg = &w};
    control_send(c, &w.msg);
    /* No deadline: the control thread outlives every thread that may call. */
    pthread_mutex_lock(&w.lock);
    while (!w.ran) {
        pthread_cond_wait(&w.cond, &w.lock);
    }
    pthread_mutex_unlock(&w.lock);
}

int control_watch(struct control *c, int fd, control_fn fn, void *arg, struct vr_err *err)
{
    if (c->nwatches == CONTROL_FDS_MAX) {
        return vr_fail(err, VR_E_LIMIT, "more than %d watched descriptors", CONTROL_FDS_MAX);
    }
    c->watches[c->nwatches++] = (struct watch){fd, fn, arg};
    return 0;
}

/* Runs what waits now; what comes meanwhile is for the next round. */
static void run_messages(struct control *c)
{
    uint64_t n;
    pthread_mutex_lock(&c->lock);
    ssize_t ignored = read(c->wake, &n, sizeof n);
    (void)ignored;
    struct control_msg *msg = c->first;
    c->first = NULL;
    c->last = &c->first;
    c->posts = 0;
    pthread_mutex_unlock(&c->lock);
    while (msg) {
        struct control_msg *next = msg->next;
        control_fn fn = msg->fn;
        void *arg = msg->arg;
        if (msg->owned) {
            free(msg);
        }
        fn(arg); /* may free or send again a message that is not ours */
        msg = next;
    }
}

static void wait_round(struct control *c, int timeout_ms, bool watches)
{
    struct pollfd fds[CONTROL_FDS_MAX + 1] = {{.fd = c->wake, .events = POLLIN}};
    nfds_t n = 1;
    for (unsigned i = 0; watches && i < c->nwatches; i++) {
        fds[n++] = (struct pollfd){.fd = c->watches[i].fd, .events = POLLIN};
    }
    if (poll(fds, n, timeout_ms) < 0) {
        return; /* EINTR: look again */
    }
    for (nfds_t i = 1; i < n; i++) {
        if (fds[i].revents) {
            c->watches[i - 1].fn(c->watches[i - 1].arg);
        }
    }
    run_messages(c);
}

void control_run(struct control *c, uint64_t (*tick)(void *arg), void *arg)
{
    while (!c->stop) {
        uint64_t next = tick(arg), now = vr_wall_us();
        int timeout_ms = TICK_MAX_MS;
        if (next && next <= now) {
            timeout_ms = 0;
        } else if (next && next - now < TICK_MAX_MS * 1000) {
            timeout_ms = (int)vr_div_up(next - now, 1000);
        }
        wait_round(c, timeout_ms, true);
    }
}

void control_stop(struct control *c)
{
    c->stop = true;
}

void control_drain(struct control *c, bool (*done)(void *arg), void *arg)
{
    while (!done(arg)) {
        wait_round(c, TICK_MAX_MS / 10, false);
    }
    run_messages(c);
}
