/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A long line between two network namespaces: a tun device in each, and what is sent into one comes
 * out of the other DELAY_US later. Packets are never dropped, reordered or cut: large segments pass
 * as such. The caller gives the devices addresses or routes, and a rate where it wants one (tbf).
 * netem could do it, but is not in every kernel.
 *   bench-delayline NETNS1 NETNS2 DEVICE DELAY_US    prints "ready"; runs until it is told to end
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/err.h"
#include "util/num.h"
#include "util/vtime.h"

#define PACKET_MAX (65536u + 256u)
#define QUEUED_MAX (512u << 20) /* bytes; the sender waits then, in the device's own queue */

struct packet {
    struct packet *next;
    uint64_t due_us;
    size_t len;
    uint8_t bytes[];
};

struct way {
    int in, out;
    struct packet *first, **last;
    size_t queued;
};

static uint64_t delay_us;
static uint8_t buf[PACKET_MAX];

static int open_end(const char *netns, const char *device, int *ret, struct vr_err *err)
{
    char path[256];
    snprintf(path, sizeof path, "/run/netns/%s", netns);
    _cleanup_(vr_closep) int ns = open(path, O_RDONLY | O_CLOEXEC);
    if (ns < 0 || setns(ns, CLONE_NEWNET) < 0) {
        return vr_fail_errno(err, VR_E_IO, "enter the namespace %s", netns);
    }
    struct ifreq req = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
    snprintf(req.ifr_name, sizeof req.ifr_name, "%s", device);
    _cleanup_(vr_closep) int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &req) < 0 ||
        ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4) < 0) {
        return vr_fail_errno(err, VR_E_IO, "make the device %s", device);
    }
    *ret = TAKE_FD(fd);
    return 0;
}

static int take_in(struct way *w, struct vr_err *err)
{
    while (w->queued < QUEUED_MAX) {
        ssize_t n = read(w->in, buf, sizeof buf);
        if (n < 0) {
            return errno == EAGAIN || errno == EINTR ? 0 : vr_fail_errno(err, VR_E_IO, "read");
        }
        struct packet *p = malloc(sizeof *p + (size_t)n);
        if (!p) {
            return vr_fail_nomem(err);
        }
        *p = (struct packet){.due_us = vr_mono_us() + delay_us, .len = (size_t)n};
        memcpy(p->bytes, buf, (size_t)n);
        *w->last = p;
        w->last = &p->next;
        w->queued += p->len;
    }
    return 0;
}

static void let_out(struct way *w)
{
    while (w->first && w->first->due_us <= vr_mono_us()) {
        struct packet *p = w->first;
        if (write(w->out, p->bytes, p->len) < 0 && errno == EAGAIN) {
            return;
        }
        w->queued -= p->len;
        w->first = p->next;
        if (!w->first) {
            w->last = &w->first;
        }
        free(p);
    }
}

static int run(struct way way[2], struct vr_err *err)
{
    _cleanup_(vr_closep) int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    struct pollfd fds[] = {{way[0].in, POLLIN, 0}, {way[1].in, POLLIN, 0}, {timer, POLLIN, 0}};
    for (;;) {
        uint64_t due = UINT64_MAX, ticks;
        for (int i = 0; i < 2; i++) {
            int r = take_in(&way[i], err);
            if (r < 0) {
                return r;
            }
            let_out(&way[i]);
            fds[i].events = way[i].queued < QUEUED_MAX ? POLLIN : 0;
            due = way[i].first ? VR_MIN(due, way[i].first->due_us) : due;
        }
        struct itimerspec at = {0};
        if (due != UINT64_MAX) {
            uint64_t now = vr_mono_us(), left = due > now ? due - now : 1;
            at.it_value.tv_sec = (time_t)(left / 1000000);
            at.it_value.tv_nsec = (long)(left % 1000000) * 1000;
        }
        if (timerfd_settime(timer, 0, &at, NULL) < 0 || (poll(fds, 3, -1) < 0 && errno != EINTR)) {
            return vr_fail_errno(err, VR_E_IO, "wait");
        }
        if (read(timer, &ticks, sizeof ticks) < 0 && errno != EAGAIN) {
            return vr_fail_errno(err, VR_E_IO, "read the timer");
        }
    }
}

int main(int argc, char **argv)
{
    struct vr_err err = VR_ERR_INIT;
    int a = -1, b = -1;
    if (argc != 5 || !vr_parse_u64(argv[4], 0, 60u * 1000000, &delay_us)) {
        fprintf(stderr, "usage: bench-delayline NETNS1 NETNS2 DEVICE DELAY_US\n");
        return 2;
    }
    int r = open_end(argv[1], argv[3], &a, &err);
    r = r < 0 ? r : open_end(argv[2], argv[3], &b, &err);
    if (r == 0) {
        struct way way[2] = {{.in = a, .out = b}, {.in = b, .out = a}};
        way[0].last = &way[0].first;
        way[1].last = &way[1].first;
        printf("ready\n");
        fflush(stdout);
        r = run(way, &err);
    }
    fprintf(stderr, "bench-delayline: %s\n", vr_err_text(&err));
    return r < 0;
}
