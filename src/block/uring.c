/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring that breaks (an error of io_uring_enter that is not about the moment) ends all requests
 * with EIO; the kernel may still be at them, see uring_free.
 */
#include "block/uring.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <unistd.h>

#include "util/num.h"

#define HELD_BACK_MAX 32u           /* requests: each handing over costs the host an interruption */
#define HELD_BACK_BYTES (64u << 10) /* one of that size is not held back */
#define REFUSED_MAX 1000u           /* a ms each: the kernel has no memory at the moment */

struct uring_fault *uring_fault;

struct uring {
    struct io_uring ring;
    unsigned depth, in_flight, held_back;
    bool broken, left_behind;
    struct uring_req *flying[];
};

int uring_new(unsigned depth, struct uring **ret, struct vr_err *err)
{
    struct uring *u = calloc(1, sizeof *u + depth * sizeof u->flying[0]);
    if (!u) {
        return vr_fail_nomem(err);
    }
    u->depth = depth;
    int r = io_uring_queue_init(depth, &u->ring, 0);
    if (r < 0) {
        free(u);
        errno = -r;
        return vr_fail(err, VR_E_UNSUPPORTED, "no io_uring: %s", strerrordesc_np(-r));
    }
    *ret = u;
    return 0;
}

static void forget(struct uring *u, struct uring_req *q)
{
    size_t i = 0;
    while (u->flying[i] != q) {
        i++;
        vr_assert(i < u->in_flight);
    }
    u->flying[i] = u->flying[--u->in_flight];
    q->busy = false;
}

static void break_ring(struct uring *u)
{
    u->broken = true;
    u->left_behind = u->in_flight > 0;
    while (u->in_flight) {
        u->flying[0]->sys_errno = EIO;
        forget(u, u->flying[0]);
    }
}

/* The rest of a request of which `done` bytes are there. */
static int do_rest(struct uring_req *q, size_t done)
{
    while (done < q->need) {
        size_t at = (size_t)vr_round_down(done, q->align);
        off_t off = (off_t)(q->off + at);
        ssize_t n = q->write ? pwrite(q->fd, q->buf + at, q->len - at, off)
                             : pread(q->fd, q->buf + at, q->len - at, off);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return errno;
        }
        if (at + (size_t)n <= done) {
            q->ended = true;
            return EIO;
        }
        done = at + (size_t)n;
    }
    return 0;
}

static bool is_for_now(int sys_errno)
{
    return sys_errno == EINTR || sys_errno == EAGAIN || sys_errno == ECANCELED;
}

static void end(struct uring *u, struct io_uring_cqe *cqe)
{
    struct uring_req *q = io_uring_cqe_get_data(cqe);
    int result = q->fault < 0 ? q->fault : cqe->res;
    io_uring_cqe_seen(&u->ring, cqe);
    forget(u, q);
    if (result < 0 && !is_for_now(-result)) {
        q->sys_errno = -result;
        return;
    }
    q->sys_errno = do_rest(q, result < 0 ? 0 : (size_t)result);
}

void uring_reap(struct uring *u)
{
    struct io_uring_cqe *cqe;
    while (!u->broken && io_uring_peek_cqe(&u->ring, &cqe) == 0) {
        end(u, cqe);
    }
}

/* Hands over what is held back, and waits for the end of `want` requests. */
static int enter(struct uring *u, unsigned want)
{
    int r = io_uring_submit_and_wait(&u->ring, want);
    u->held_back = io_uring_sq_ready(&u->ring);
    return r;
}

/* The length that is asked for; what a test wants to go wrong does. */
static size_t plan_fault(struct uring_req *q)
{
    struct uring_fault *f = uring_fault;
    q->fault = 0;
    if (!f || f->write != q->write || ++f->seen < f->at || (f->seen > f->at && !f->persistent)) {
        return q->len;
    }
    f->injected++;
    if (f->result > 0) {
        return VR_MIN(q->len, (size_t)f->result);
    }
    q->fault = f->result;
    return q->len;
}

void uring_post(struct uring *u, struct uring_req *q)
{
    vr_assert(!q->busy && u->in_flight < u->depth);
    q->sys_errno = EIO;
    q->ended = false;
    struct io_uring_sqe *sqe = u->broken ? NULL : io_uring_get_sqe(&u->ring);
    if (!sqe) {
        vr_assert(u->broken); /* the queue has room for all that may be in flight */
        return;
    }
    unsigned len = (unsigned)plan_fault(q);
    if (q->fault) {
        io_uring_prep_nop(sqe);
    } else if (q->write) {
        io_uring_prep_write(sqe, q->fd, q->buf, len, q->off);
    } else {
        io_uring_prep_read(sqe, q->fd, q->buf, len, q->off);
    }
    io_uring_sqe_set_data(sqe, q);
    q->busy = true;
    u->flying[u->in_flight++] = q;
    u->held_back++;
    if (u->held_back >= HELD_BACK_MAX || q->len >= HELD_BACK_BYTES) {
        (void)enter(u, 0); /* what the kernel does not take now it is offered again */
    }
}

void uring_wait(struct uring *u, const struct uring_req *q)
{
    unsigned refused = 0;
    uring_reap(u);
    while (q->busy) {
        int r = enter(u, 1);
        if (r >= 0 || r == -EINTR) {
            refused = 0;
        } else if ((r == -EAGAIN || r == -EBUSY) && refused++ < REFUSED_MAX) {
            usleep(1000);
        } else {
            break_ring(u);
        }
        uring_reap(u);
    }
}

bool uring_free(struct uring *u)
{
    if (!u) {
        return true;
    }
    while (u->in_flight) {
        uring_wait(u, u->flying[0]);
    }
    bool clean = !u->left_behind;
    io_uring_queue_exit(&u->ring);
    free(u);
    return clean;
}
