/* SPDX-License-Identifier: Apache-2.0 */
/*
 * To free a large file takes a file system its time: 0.4 s for 590 MiB where it tells the device
 * what is free at once. So the name is removed first, while the file is open, and a thread closes
 * it. Nothing durable depends on when: after a crash in between the file system frees it itself.
 * Whoever takes space of that file system waits for what was on its way when it came; whoever asks
 * how much there is, as the control thread does, is told with it and waits for nothing.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block/stor_dir.h"
#include "util/thread.h"

#define HOLD_MIN (16u << 20) /* bytes it takes on the disk */
#define GONE_MAX 8u          /* at a time */
#define GONE_STACK (64u << 10)

struct gone {
    uint64_t turn; /* 0: none; ascending */
    dev_t dev;
    uint64_t bytes;
    int fd;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t one_closed = PTHREAD_COND_INITIALIZER;
static struct gone going[GONE_MAX];
static uint64_t turns;
static unsigned closed;

int stor_dir_hold(int dir_fd, const char *name)
{
    struct stat st;
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 &&
        (uint64_t)st.st_blocks * 512 >= HOLD_MIN) {
        return fd;
    }
    if (fd >= 0) {
        close(fd);
    }
    return -1;
}

struct gone *stor_dir_gone_begin(dev_t dev, uint64_t bytes)
{
    struct gone *g = NULL;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < GONE_MAX && !g; i++) {
        g = going[i].turn ? NULL : &going[i];
    }
    if (g) {
        *g = (struct gone){.turn = ++turns, .dev = dev, .bytes = bytes, .fd = -1};
    }
    pthread_mutex_unlock(&lock);
    return g;
}

void stor_dir_gone_end(struct gone *g)
{
    pthread_mutex_lock(&lock);
    g->turn = 0;
    closed++;
    pthread_cond_broadcast(&one_closed);
    pthread_mutex_unlock(&lock);
}

static void *close_it(void *arg)
{
    struct gone *g = arg;
    close(g->fd);
    stor_dir_gone_end(g);
    return NULL;
}

void stor_dir_gone(int take_fd)
{
    struct stat st;
    /* NFS, for one, keeps an open file under another name, which only closing it removes: at once,
     * or the directory is not empty, and a crash leaves the file there. */
    bool unnamed = fstat(take_fd, &st) == 0 && st.st_nlink == 0;
    struct gone *g = unnamed ? stor_dir_gone_begin(st.st_dev, (uint64_t)st.st_blocks * 512) : NULL;
    if (!g) {
        close(take_fd);
        return;
    }
    g->fd = take_fd;
    if (vr_thread_start(close_it, g, GONE_STACK, NULL) < 0) {
        (void)close_it(g);
    }
}

/* Is something of dev on its way that was begun with turn `until` at the latest? How much? */
static bool is_going(dev_t dev, uint64_t until, uint64_t *ret_bytes)
{
    bool any = false;
    *ret_bytes = 0;
    for (size_t i = 0; i < GONE_MAX; i++) {
        if (going[i].turn && going[i].turn <= until && going[i].dev == dev) {
            any = true;
            *ret_bytes += going[i].bytes;
        }
    }
    return any;
}

void stor_dir_await_gone(int fd)
{
    struct stat st;
    uint64_t bytes;
    if (fstat(fd, &st) < 0) {
        return; /* whatever it is wanted for will fail and say so */
    }
    pthread_mutex_lock(&lock);
    uint64_t until = turns;
    while (is_going(st.st_dev, until, &bytes)) {
        pthread_cond_wait(&one_closed, &lock);
    }
    pthread_mutex_unlock(&lock);
}

uint64_t stor_dir_gone_bytes(int fd)
{
    struct stat st;
    uint64_t bytes = 0;
    if (fstat(fd, &st) == 0) {
        pthread_mutex_lock(&lock);
        (void)is_going(st.st_dev, UINT64_MAX, &bytes);
        pthread_mutex_unlock(&lock);
    }
    return bytes;
}

unsigned stor_dir_gone_count(void)
{
    pthread_mutex_lock(&lock);
    unsigned n = closed;
    pthread_mutex_unlock(&lock);
    return n;
}
