/* SPDX-License-Identifier: Apache-2.0 */
#include "front/guard.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "util/num.h"
#include "util/uuid.h"

#define SETS (GUARD_ENTRIES / GUARD_WAYS)

/* A bucket is the time at which it will be full again: each token that is missing is one period
 * ahead of now. */
struct bucket {
    uint64_t full_ms;
};

struct entry {
    uint64_t key; /* 0: free */
    uint64_t used_ms, known_ms, noted_ms;
    uint64_t unnoted;
    struct bucket tries, recalls, opens;
    bool refusing;
};

struct guard {
    pthread_mutex_t lock;
    uint64_t secret[2];
    struct entry pairs[GUARD_ENTRIES], addresses[GUARD_ENTRIES];
};

struct guard *guard_new(void)
{
    struct guard *g = calloc(1, sizeof *g);
    if (g) {
        pthread_mutex_init(&g->lock, NULL);
        vr_random(g->secret, sizeof g->secret);
    }
    return g;
}

void guard_free(struct guard *g)
{
    if (g) {
        pthread_mutex_destroy(&g->lock);
        free(g);
    }
}

bool guard_source_of(const struct sockaddr *sa, struct guard_source *ret)
{
    memset(ret, 0, sizeof *ret);
    if (sa->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof in);
        ret->bytes[10] = ret->bytes[11] = 0xff;
        memcpy(ret->bytes + 12, &in.sin_addr, 4);
        return true;
    }
    if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof in6);
        bool mapped = IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr);
        memcpy(ret->bytes, &in6.sin6_addr, mapped ? 16 : 8);
        return true;
    }
    return false;
}

static uint64_t mix(uint64_t h)
{
    h ^= h >> 33;
    h *= UINT64_C(0xff51afd7ed558ccd);
    h ^= h >> 33;
    h *= UINT64_C(0xc4ceb9fe1a85ec53);
    return h ^ (h >> 33);
}

/* Keyed, so that nobody outside can choose who shares a set with whom. */
static uint64_t key_of(const struct guard *g, const struct guard_source *from, const char *name)
{
    uint64_t h = g->secret[0];
    for (size_t i = 0; i < sizeof from->bytes; i++) {
        h = mix((h ^ from->bytes[i]) + g->secret[1]);
    }
    for (; *name; name++) {
        h = mix((h ^ (uint8_t)*name) + g->secret[1]);
    }
    return h ? h : 1;
}

static bool is_known(const struct entry *e, uint64_t now)
{
    return e->known_ms && e->known_ms + GUARD_KNOWN_MS > now;
}

static struct entry *look(struct entry *table, uint64_t key)
{
    struct entry *set = &table[key % SETS * GUARD_WAYS];
    for (size_t i = 0; i < GUARD_WAYS; i++) {
        if (set[i].key == key) {
            return &set[i];
        }
    }
    return NULL;
}

/* The entry of that key; made in the place of the least useful one. */
static struct entry *find(struct entry *table, uint64_t key, uint64_t now)
{
    struct entry *set = &table[key % SETS * GUARD_WAYS], *worst = set;
    struct entry *found = look(table, key);
    if (found) {
        found->used_ms = now;
        return found;
    }
    for (size_t i = 1; i < GUARD_WAYS; i++) {
        if (is_known(&set[i], now) != is_known(worst, now)
                ? is_known(worst, now)
                : set[i].used_ms < worst->used_ms || (worst->key && !set[i].key)) {
            worst = &set[i];
        }
    }
    *worst = (struct entry){.key = key, .used_ms = now};
    return worst;
}

static bool peek(const struct bucket *b, uint64_t tries, uint64_t period, uint64_t now)
{
    return b->full_ms <= now || b->full_ms - now <= (tries - 1) * period;
}

static void take(struct bucket *b, uint64_t period, uint64_t now)
{
    b->full_ms = VR_MAX(b->full_ms, now) + period;
}

static void give(struct bucket *b, uint64_t period)
{
    b->full_ms -= VR_MIN(b->full_ms, period);
}

static unsigned wait_s(const struct bucket *b, uint64_t tries, uint64_t period, uint64_t now)
{
    uint64_t until = b->full_ms > (tries - 1) * period ? b->full_ms - (tries - 1) * period : 0;
    return until > now ? (unsigned)((until - now + 999) / 1000) : 1;
}

static enum guard_verdict ask_pair(struct entry *p, struct entry *a, bool address_ok, uint64_t now)
{
    bool known = is_known(p, now);
    if (peek(&p->tries, GUARD_PAIR_TRIES, GUARD_PAIR_MS, now) && (known || address_ok)) {
        take(&p->tries, GUARD_PAIR_MS, now);
        if (!known) {
            take(&a->tries, GUARD_ADDRESS_MS, now);
        }
        return GUARD_HASH;
    }
    if (known && peek(&p->recalls, GUARD_RECALL_TRIES, GUARD_RECALL_MS, now)) {
        take(&p->recalls, GUARD_RECALL_MS, now);
        return GUARD_RECALL;
    }
    return GUARD_REFUSE;
}

enum guard_verdict guard_ask(struct guard *g,
                             const struct guard_source *from,
                             const char *name,
                             uint64_t now_ms,
                             unsigned *ret_wait_s,
                             bool *ret_first)
{
    enum guard_verdict verdict = GUARD_REFUSE;
    pthread_mutex_lock(&g->lock);
    struct entry *a = find(g->addresses, key_of(g, from, ""), now_ms);
    bool address_ok = peek(&a->tries, GUARD_ADDRESS_TRIES, GUARD_ADDRESS_MS, now_ms);
    uint64_t key = key_of(g, from, name);
    /* One address cannot fill the table with names: where it may not try, nothing is made. */
    struct entry *p = address_ok ? find(g->pairs, key, now_ms) : look(g->pairs, key);
    unsigned wait_pair = 1, wait_address = 1;
    if (p) {
        verdict = ask_pair(p, a, address_ok, now_ms);
        wait_pair = wait_s(&p->tries, GUARD_PAIR_TRIES, GUARD_PAIR_MS, now_ms);
    }
    if (!p || !is_known(p, now_ms)) {
        wait_address = wait_s(&a->tries, GUARD_ADDRESS_TRIES, GUARD_ADDRESS_MS, now_ms);
    }
    *ret_wait_s = VR_MAX(wait_pair, wait_address);
    struct entry *spent = p && address_ok ? p : a;
    *ret_first = verdict != GUARD_HASH && !spent->refusing;
    spent->refusing = verdict != GUARD_HASH;
    pthread_mutex_unlock(&g->lock);
    return verdict;
}

void guard_right(struct guard *g,
                 const struct guard_source *from,
                 const char *name,
                 enum guard_verdict was,
                 uint64_t now_ms)
{
    pthread_mutex_lock(&g->lock);
    struct entry *p = find(g->pairs, key_of(g, from, name), now_ms);
    if (was == GUARD_HASH) {
        give(&p->tries, GUARD_PAIR_MS);
        if (!is_known(p, now_ms)) {
            give(&find(g->addresses, key_of(g, from, ""), now_ms)->tries, GUARD_ADDRESS_MS);
        }
    } else {
        give(&p->recalls, GUARD_RECALL_MS);
    }
    p->known_ms = VR_MAX(now_ms, 1u);
    pthread_mutex_unlock(&g->lock);
}

bool guard_open(struct guard *g,
                const struct guard_source *from,
                uint64_t now_ms,
                unsigned *ret_wait_s)
{
    pthread_mutex_lock(&g->lock);
    struct bucket *b = &find(g->addresses, key_of(g, from, ""), now_ms)->opens;
    bool ok = peek(b, GUARD_OPEN_TRIES, GUARD_OPEN_MS, now_ms);
    *ret_wait_s = wait_s(b, GUARD_OPEN_TRIES, GUARD_OPEN_MS, now_ms);
    if (ok) {
        take(b, GUARD_OPEN_MS, now_ms);
    }
    pthread_mutex_unlock(&g->lock);
    return ok;
}

bool guard_note(struct guard *g,
                const struct guard_source *from,
                uint64_t now_ms,
                uint64_t *ret_count)
{
    pthread_mutex_lock(&g->lock);
    struct entry *a = find(g->addresses, key_of(g, from, ""), now_ms);
    bool due = !a->noted_ms || now_ms >= a->noted_ms + GUARD_NOTE_MS;
    *ret_count = ++a->unnoted;
    if (due) {
        a->noted_ms = VR_MAX(now_ms, 1u);
        a->unnoted = 0;
    }
    pthread_mutex_unlock(&g->lock);
    return due;
}
