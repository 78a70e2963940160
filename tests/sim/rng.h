/* SPDX-License-Identifier: Apache-2.0 */
/* splitmix64: all the chance there is in a simulated world comes from one seed. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct rng {
    uint64_t s;
};

static inline uint64_t rng_next(struct rng *r)
{
    uint64_t z = (r->s += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* 0 .. n-1; n 0 gives 0. */
static inline uint64_t rng_below(struct rng *r, uint64_t n)
{
    return n ? rng_next(r) % n : 0;
}

static inline bool rng_chance(struct rng *r, unsigned percent)
{
    return rng_below(r, 100) < percent;
}

static inline void rng_fill(struct rng *r, void *p, size_t n)
{
    uint8_t *q = p;
    while (n) {
        uint64_t v = rng_next(r);
        size_t k = n < sizeof v ? n : sizeof v;
        memcpy(q, &v, k);
        q += k;
        n -= k;
    }
}
