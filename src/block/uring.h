/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads and writes in flight, on io_uring. A request is posted and is `busy` until uring_wait or
 * uring_reap has seen its end; then it is whole, or sys_errno says why not: short results, EINTR
 * and EAGAIN end here, the rest is then done with pread or pwrite.
 *
 * One thread at a time. It must stay alive while something is in flight: the kernel may cancel
 * what a thread leaves behind when it ends (such a request, too, is done again).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/cleanup.h"
#include "util/err.h"

struct uring;

struct uring_req {
    /* The caller's, unchanged while it is busy: */
    int fd;
    bool write;
    uint8_t *buf;
    size_t len;   /* bytes; with O_DIRECT a multiple of align, as off and buf are */
    size_t need;  /* fewer are enough: the file may end inside the last block */
    size_t align; /* where a short result is taken up again; a power of two */
    uint64_t off;
    /* The result: */
    bool busy;
    bool ended;    /* an error because the file ends before */
    int sys_errno; /* 0: need bytes are done */
    int fault;     /* private */
};

/* depth: requests in flight at most. UNSUPPORTED: no io_uring here (an old kernel, switched off, no
 * memory for it): use pread and pwrite. */
VR_MUST_CHECK int uring_new(unsigned depth, struct uring **ret, struct vr_err *err);
/* Waits for what is in flight. NULL is fine. false: the ring broke with requests in flight, so
 * their buffers must never be freed. */
bool uring_free(struct uring *u);

/* Small requests may be held back until some have come, or somebody waits. */
void uring_post(struct uring *u, struct uring_req *q);
/* Sees what has ended, without waiting. */
void uring_reap(struct uring *u);
/* Until it is not busy. */
void uring_wait(struct uring *u, const struct uring_req *q);

/*
 * Faults, for tests: the at-th post of that direction (1 = the first) does nothing but end with
 * result (< 0, an errno), or is cut to result bytes (> 0). NULL outside tests.
 */
struct uring_fault {
    bool write, persistent; /* persistent: every one from there on */
    uint64_t at;
    int result;
    uint64_t seen, injected; /* counts; a test of faults fails when injected stays 0 */
};
extern struct uring_fault *uring_fault;
