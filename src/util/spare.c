/* SPDX-License-Identifier: Apache-2.0 */
#include "util/spare.h"

#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *blocks[VR_SPARE_BLOCKS]; /* the first n */
static size_t n;
static size_t least; /* of n since vr_spare_drop: so many were not needed */

void *vr_spare_take(size_t *ret_cap)
{
    pthread_mutex_lock(&lock);
    void *p = n ? blocks[--n] : NULL;
    least = n < least ? n : least;
    pthread_mutex_unlock(&lock);
    *ret_cap = p ? malloc_usable_size(p) : 0;
    return p;
}

void vr_spare_give(void *take_p)
{
    size_t size = malloc_usable_size(take_p);
    if (size < VR_SPARE_LEAST_BYTES || size > VR_SPARE_MOST_BYTES) {
        free(take_p);
        return;
    }
    pthread_mutex_lock(&lock);
    if (n < VR_SPARE_BLOCKS) {
        blocks[n++] = take_p;
        take_p = NULL;
    }
    pthread_mutex_unlock(&lock);
    free(take_p);
}

bool vr_spare_drop(void)
{
    void *gone[VR_SPARE_BLOCKS];
    pthread_mutex_lock(&lock);
    size_t k = least < n ? least : n;
    for (size_t i = 0; i < k; i++) {
        gone[i] = blocks[--n];
    }
    least = n;
    bool left = n > 0;
    pthread_mutex_unlock(&lock);
    for (size_t i = 0; i < k; i++) {
        free(gone[i]);
    }
    return left;
}
