/* SPDX-License-Identifier: Apache-2.0 */
#include "block/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "block/dev.h"
#include "util/cleanup.h"
#include "util/num.h"
#include "util/vtime.h"

/* A QEMU tool takes a buffer for every request, and glibc would give its pages back each time and
 * fault them in for the next. */
static const char *const keep_heap[] = {"MALLOC_TRIM_THRESHOLD_=67108864",
                                        "MALLOC_MMAP_THRESHOLD_=33554432"};

/* Our environment and keep_heap; the array is the caller's, what it points to is not. */
static char **make_environment(void)
{
    size_t n = 0;
    while (environ[n]) {
        n++;
    }
    char **env = calloc(n + VR_COUNT(keep_heap) + 1, sizeof env[0]);
    if (env) {
        memcpy(env, environ, n * sizeof env[0]);
        memcpy(env + n, keep_heap, sizeof keep_heap);
    }
    return env;
}

static int held_fd = -1;

void block_children_hold(int fd)
{
    held_fd = fd;
}

/* A library may have opened something without O_CLOEXEC. */
static void close_all_but_held(void)
{
    if (held_fd < 3) {
        (void)close_range(3, ~0u, 0);
        return;
    }
    if (held_fd > 3) {
        (void)close_range(3, (unsigned)held_fd - 1, 0);
    }
    (void)close_range((unsigned)held_fd + 1, ~0u, 0);
    (void)fcntl(held_fd, F_SETFD, 0);
}

/* Between fork and exec: async-signal-safe calls only, other threads may hold any lock. */
static _Noreturn void
become(char *const argv[], char *const env[], pid_t parent, int null_fd, int text_fd)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL); /* what the daemon ignores would stay ignored over the exec */
    signal(SIGTERM, SIG_DFL);
    (void)setpgid(0, 0); /* a Ctrl-C at the daemon's terminal is for the daemon alone */
    /* The parent may have died before the prctl; then nobody would ever kill us. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent) {
        _exit(126);
    }
    if (dup2(null_fd, 0) < 0 || dup2(text_fd, 1) < 0 || dup2(text_fd, 2) < 0) {
        _exit(126);
    }
    close_all_but_held();
    execvpe(argv[0], argv, env);
    _exit(127);
}

int child_start(struct child *c, char *const argv[], struct vr_err *err)
{
    *c = (struct child){.pid_fd = -1, .text_fd = -1};
    int pipe_fds[2];
    _cleanup_(vr_closep) int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    _cleanup_(vr_freep) void *env = make_environment();
    if (!env) {
        return vr_fail_nomem(err);
    }
    /* Not blocking at either end: a chatty child loses text, it does not hang, and neither do we.
     */
    if (null_fd < 0 || pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0) {
        return vr_fail_errno(err, VR_E_IO, "cannot start %s", argv[0]);
    }
    _cleanup_(vr_closep) int text_out = pipe_fds[1];
    c->text_fd = pipe_fds[0];
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        become(argv, env, parent, null_fd, text_out);
    }
    if (pid > 0) {
        c->pid = pid;
        c->pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
    }
    if (pid < 0 || c->pid_fd < 0) {
        int r = vr_fail_errno(err, VR_E_IO, "cannot start %s", argv[0]);
        child_stop(c, 0);
        return r;
    }
    return 0;
}

/* Appends what came; text that does not fit is read and dropped. */
static void collect_text(struct child *c)
{
    char buf[512];
    ssize_t n;
    while (c->text_fd >= 0 && (n = read(c->text_fd, buf, sizeof buf)) > 0) {
        size_t have = strlen(c->text);
        for (ssize_t i = 0; i < n && have + 1 < sizeof c->text; i++) {
            bool printable = (unsigned char)buf[i] >= ' ' && buf[i] != 127;
            c->text[have++] = printable ? buf[i] : ' ';
        }
        c->text[have] = '\0';
    }
}

static void forget(struct child *c)
{
    collect_text(c);
    if (c->pid_fd >= 0) {
        close(c->pid_fd);
    }
    if (c->text_fd >= 0) {
        close(c->text_fd);
    }
    c->pid = 0;
    c->pid_fd = c->text_fd = -1;
}

static void reap(struct child *c)
{
    while (waitpid(c->pid, &c->status, 0) < 0 && errno == EINTR) {
    }
    forget(c);
}

bool child_ended(struct child *c, unsigned wait_ms)
{
    uint64_t deadline_at = vr_mono_ms() + wait_ms;
    while (c->pid) {
        uint64_t now = vr_mono_ms();
        struct pollfd pfd = {.fd = c->pid_fd, .events = POLLIN};
        int n = poll(&pfd, 1, now < deadline_at ? (int)(deadline_at - now) : 0);
        collect_text(c);
        if (n > 0) {
            reap(c);
        } else if (vr_mono_ms() >= deadline_at) {
            return false;
        }
    }
    return true;
}

void child_stop(struct child *c, unsigned grace_ms)
{
    if (!c->pid) {
        forget(c);
        return;
    }
    kill(c->pid, SIGTERM);
    if (c->pid_fd >= 0 && grace_ms && child_ended(c, grace_ms)) {
        return;
    }
    kill(c->pid, SIGKILL);
    reap(c);
}
