/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults in what a daemon asks of io_uring, which strace cannot reach; loaded with LD_PRELOAD. The
 * file that URING_FAULTS names has a line
 *     read|write eio|lost WHEN once|on PATH
 * and a new line counts anew: the WHEN-th such request for that file ends with EIO, or is said to
 * be done and is not; "on": all from there on. Each one is a line INJECTED in the file's .log.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <liburing.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int io_uring_submit_and_wait(struct io_uring *ring, unsigned wait_nr);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    char verb[8], what[8], how[8], path[PATH_MAX];
    unsigned long when, seen;
    struct timespec read_at;
    int bad_fd, null_fd;
} plan;

/* False: there is no fault to be made. */
static bool look_up_plan(const char *control)
{
    struct stat st;
    if (stat(control, &st) < 0) {
        plan.when = 0;
        return false;
    }
    if (memcmp(&st.st_mtim, &plan.read_at, sizeof plan.read_at) != 0) {
        FILE *f = fopen(control, "r");
        plan.when = plan.seen = 0;
        plan.read_at = st.st_mtim;
        if (f && fscanf(f, "%7s %7s %lu %7s %4095s", plan.verb, plan.what, &plan.when, plan.how,
                        plan.path) != 5) {
            plan.when = 0;
        }
        if (f) {
            fclose(f);
        }
    }
    if (plan.when && !plan.bad_fd) {
        plan.bad_fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC); /* nothing is at address 0: EIO */
        plan.null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    }
    return plan.when > 0;
}

static bool is_meant(const struct io_uring_sqe *sqe)
{
    char link[40], path[PATH_MAX];
    int opcode = strcmp(plan.verb, "write") == 0 ? IORING_OP_WRITE : IORING_OP_READ;
    if (sqe->opcode != opcode) {
        return false;
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", sqe->fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n < 0 ? 0 : n] = '\0';
    return strcmp(path, plan.path) == 0;
}

static void spoil(struct io_uring_sqe *sqe, const char *control)
{
    char name[PATH_MAX];
    if (!is_meant(sqe) || ++plan.seen < plan.when ||
        (plan.seen > plan.when && strcmp(plan.how, "on") != 0)) {
        return;
    }
    bool lost = strcmp(plan.what, "lost") == 0;
    sqe->fd = lost ? plan.null_fd : plan.bad_fd;
    sqe->off = 0;
    snprintf(name, sizeof name, "%s.log", control);
    FILE *f = fopen(name, "a");
    if (f) {
        fputs("INJECTED\n", f);
        fclose(f);
    }
}

int io_uring_submit_and_wait(struct io_uring *ring, unsigned wait_nr)
{
    static int (*next)(struct io_uring *, unsigned);
    const char *control = getenv("URING_FAULTS");
    pthread_mutex_lock(&lock);
    if (!next) {
        *(void **)&next = dlsym(RTLD_NEXT, "io_uring_submit_and_wait");
    }
    if (control && look_up_plan(control)) {
        for (unsigned i = ring->sq.sqe_head; i != ring->sq.sqe_tail; i++) {
            spoil(&ring->sq.sqes[i & ring->sq.ring_mask], control);
        }
    }
    pthread_mutex_unlock(&lock);
    return next(ring, wait_nr);
}
