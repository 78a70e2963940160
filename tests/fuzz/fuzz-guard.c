/* SPDX-License-Identifier: Apache-2.0 */
/* What is tried on the guard of passwords, in any order and at any time: no address gets more
 * hashes or open answers than its buckets hold, and only who is known is recalled. Few enough
 * addresses and names that the tables forget nobody. */
#include "fuzz.h"

#include <string.h>

#include "front/guard.h"
#include "util/err.h"
#include "util/num.h"

#define ADDRESSES 2
#define NAMES 4
#define TRIES_MAX 20000 /* ops of one input */

struct account {
    uint64_t strange; /* hashes for names that were not known, without those given back */
    uint64_t opens;
    bool known[NAMES];
    uint64_t hashes[NAMES];
};

static void ask(struct guard *g,
                struct account *a,
                const struct guard_source *from,
                unsigned name,
                bool right,
                uint64_t now)
{
    static const char *const names[NAMES] = {"anna", "bert", "", "carl"};
    unsigned wait_s = 0;
    bool first, was_known = a->known[name];
    enum guard_verdict v = guard_ask(g, from, names[name], now, &wait_s, &first);
    vr_assert(wait_s >= 1);
    if (v == GUARD_HASH) {
        a->hashes[name]++;
        a->strange += was_known ? 0 : 1;
    }
    vr_assert(v != GUARD_RECALL || was_known);
    if (right && v != GUARD_REFUSE) {
        guard_right(g, from, names[name], v, now);
        if (v == GUARD_HASH) {
            a->hashes[name]--;
            a->strange -= was_known ? 0 : 1;
        }
        a->known[name] = true;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct guard *g = guard_new();
    struct guard_source from[ADDRESSES] = {{{1}}, {{2}}};
    struct account all[ADDRESSES];
    const uint64_t start = 1000;
    uint64_t now = start, notes;
    unsigned wait_s;
    vr_assert(g);
    memset(all, 0, sizeof all);
    for (size_t i = 0; i < n && i < TRIES_MAX; i++) {
        unsigned who = p[i] & 1, name = (p[i] >> 1) & 3;
        struct account *a = &all[who];
        switch (p[i] >> 3) {
        case 0:
            now += 10;
            break;
        case 1:
            now += 1000;
            break;
        case 2:
            a->opens += guard_open(g, &from[who], now, &wait_s) ? 1 : 0;
            break;
        case 3:
            (void)guard_note(g, &from[who], now, &notes);
            break;
        default:
            ask(g, a, &from[who], name, (p[i] >> 3) < 8, now);
        }
        uint64_t passed = now - start;
        vr_assert(a->opens <= GUARD_OPEN_TRIES + passed / GUARD_OPEN_MS);
        vr_assert(a->strange <= GUARD_ADDRESS_TRIES + passed / GUARD_ADDRESS_MS);
        vr_assert(a->hashes[name] <= GUARD_PAIR_TRIES + passed / GUARD_PAIR_MS);
    }
    guard_free(g);
    return 0;
}
