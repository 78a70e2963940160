/* SPDX-License-Identifier: Apache-2.0 */
#include "inventory/quiet.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "model/ease.h"

struct one {
    struct vr_uuid vm;
    uint64_t used; /* 0: nobody's */
    struct ease_quiet quiet;
};

struct quiet {
    pthread_mutex_t lock;
    uint64_t uses;
    struct one one[QUIET_MAX];
};

int quiet_new(struct quiet **ret, struct vr_err *err)
{
    struct quiet *q = calloc(1, sizeof *q);
    if (!q) {
        return vr_fail_nomem(err);
    }
    pthread_mutex_init(&q->lock, NULL);
    *ret = q;
    return 0;
}

void quiet_free(struct quiet *q)
{
    if (q) {
        pthread_mutex_destroy(&q->lock);
        free(q);
    }
}

/* Under the lock. */
static struct ease_quiet *find(struct quiet *q, const struct vr_uuid *vm)
{
    struct one *found = NULL, *oldest = &q->one[0];
    for (size_t i = 0; i < QUIET_MAX && !found; i++) {
        struct one *o = &q->one[i];
        found = o->used && memcmp(&o->vm, vm, sizeof *vm) == 0 ? o : NULL;
        oldest = o->used < oldest->used ? o : oldest;
    }
    if (!found) {
        found = oldest;
        *found = (struct one){.vm = *vm};
    }
    found->used = ++q->uses;
    return &found->quiet;
}

void quiet_begin(
    struct quiet *q, const struct vr_uuid *vm, int start, uint64_t writes, uint64_t time_us)
{
    pthread_mutex_lock(&q->lock);
    ease_quiet_begin(find(q, vm), start, writes, time_us);
    pthread_mutex_unlock(&q->lock);
}

uint64_t
quiet_end(struct quiet *q, const struct vr_uuid *vm, int start, uint64_t writes, uint64_t time_us)
{
    pthread_mutex_lock(&q->lock);
    uint64_t latency_us = ease_quiet_end(find(q, vm), start, writes, time_us);
    pthread_mutex_unlock(&q->lock);
    return latency_us;
}
