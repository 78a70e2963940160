/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/peer_certs.h"

#include <pthread.h>
#include <string.h>
#include <strings.h>

#include "model/model.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct peer_cert {
    char name[VR_HOST_MAX];
    uint64_t end_us, met;
} certs[PEER_CERTS_MAX];
static size_t ncerts;
static uint64_t meetings;

static struct peer_cert *find(const char *name)
{
    for (size_t i = 0; i < ncerts; i++) {
        if (strcasecmp(certs[i].name, name) == 0) {
            return &certs[i];
        }
    }
    return NULL;
}

static struct peer_cert *place_for(void)
{
    struct peer_cert *oldest = &certs[0];
    if (ncerts < PEER_CERTS_MAX) {
        return &certs[ncerts++];
    }
    for (size_t i = 1; i < ncerts; i++) {
        oldest = certs[i].met < oldest->met ? &certs[i] : oldest;
    }
    return oldest;
}

void peer_certs_note(const char *name, uint64_t end_us)
{
    pthread_mutex_lock(&lock);
    struct peer_cert *c = find(name);
    if (!c) {
        c = place_for();
        snprintf(c->name, sizeof c->name, "%s", name);
    }
    c->end_us = end_us;
    c->met = ++meetings;
    pthread_mutex_unlock(&lock);
}

uint64_t peer_certs_end_us(const char *name)
{
    pthread_mutex_lock(&lock);
    const struct peer_cert *c = find(name);
    uint64_t end_us = c ? c->end_us : 0;
    pthread_mutex_unlock(&lock);
    return end_us;
}
