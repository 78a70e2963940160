/* SPDX-License-Identifier: Apache-2.0 */
/*
 * To free a large file takes a file system its time: 0.4 s for 590 MiB where it tells the device
 * what is free at once. So the name is removed first, while the file is open, and a thread closes
 * it. Nothing durable depends on when: after a crash in between the file system frees it itself.
 * Whoever takes space, or asks how much there is, waits for the threads.
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

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t all_closed = PTHREAD_COND_INITIALIZER;
static unsigned closing, closed;

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

static void *close_it(void *arg)
{
    close((int)(intptr_t)arg);
    pthread_mutex_lock(&lock);
    closed++;
    if (--closing == 0) {
        pthread_cond_broadcast(&all_closed);
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

/* NFS, for one, keeps an open file under another name, which only closing it removes: at once, or
 * the directory is not empty, and a crash leaves the file there. */
static bool has_a_name(int fd)
{
    struct stat st;
    return fstat(fd, &st) < 0 || st.st_nlink != 0;
}

void stor_dir_gone(int take_fd)
{
    bool named = has_a_name(take_fd);
    pthread_mutex_lock(&lock);
    bool here = named || closing == GONE_MAX;
    closing += !here;
    pthread_mutex_unlock(&lock);
    if (here) {
        close(take_fd);
    } else if (vr_thread_start(close_it, (void *)(intptr_t)take_fd, GONE_STACK, NULL) < 0) {
        (void)close_it((void *)(intptr_t)take_fd);
    }
}

void stor_dir_await_gone(void)
{
    pthread_mutex_lock(&lock);
    while (closing) {
        pthread_cond_wait(&all_closed, &lock);
    }
    pthread_mutex_unlock(&lock);
}

unsigned stor_dir_gone_count(void)
{
    pthread_mutex_lock(&lock);
    unsigned n = closed;
    pthread_mutex_unlock(&lock);
    return n;
}
