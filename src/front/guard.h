/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often somebody may be wrong about a password. Each try takes a token, from the bucket of its
 * address and from the bucket of address and name together; a right password gives both back.
 * Whoever has been right lately from an address is *known* there: what others do from the same
 * address does not count for him, and when his own bucket is empty he is still let in with a
 * password that is remembered (GUARD_RECALL), so that guessing at his name shuts out nobody.
 *
 * There is deliberately no bucket for a name over all addresses: anybody with many addresses could
 * keep its owner out with it. What limits those is that passwords are hashed two at a time.
 *
 * The tables have a fixed size. A full set forgets the entry that was used longest ago, known ones
 * last; what is forgotten begins anew with full buckets: under an attack of very many addresses
 * there are more tries, never fewer users. Thread-safe. now_ms: vr_mono_ms().
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "util/cleanup.h"

#define GUARD_ENTRIES 2048 /* of each table */
#define GUARD_WAYS 8

#define GUARD_PAIR_TRIES 10      /* wrong passwords for one name from one address, at once */
#define GUARD_PAIR_MS 6000       /* and then one in so long */
#define GUARD_ADDRESS_TRIES 50   /* wrong passwords from one address */
#define GUARD_ADDRESS_MS 1000    /* and then one in so long */
#define GUARD_RECALL_TRIES 20000 /* tries against what is remembered, which cost no hash */
#define GUARD_RECALL_MS 100
#define GUARD_OPEN_TRIES 20                /* answers without credentials to one address, at once */
#define GUARD_OPEN_MS 500                  /* and then one in so long */
#define GUARD_KNOWN_MS (24u * 3600 * 1000) /* known so long after the last right password */
#define GUARD_NOTE_MS 60000                /* an address is noted in the log so often */

enum guard_verdict {
    GUARD_HASH,   /* check the password */
    GUARD_RECALL, /* only if it is remembered to be right */
    GUARD_REFUSE
};

struct guard;
struct guard_source {
    uint8_t bytes[16]; /* IPv4 as ::ffff:a.b.c.d; of IPv6 the network of 64 bits, the rest 0 */
};

struct guard *guard_new(void); /* NULL: no memory */
void guard_free(struct guard *g);
DEFINE_CLEANUP(struct guard *, guard_free)

/* False: neither IPv4 nor IPv6. */
bool guard_source_of(const struct sockaddr *sa, struct guard_source *ret);

/* Before a password is checked. *ret_wait_s: when to come again, at least 1. *ret_first: this is
 * the first refusal since a try was allowed: worth a line in the log. */
enum guard_verdict guard_ask(struct guard *g,
                             const struct guard_source *from,
                             const char *name,
                             uint64_t now_ms,
                             unsigned *ret_wait_s,
                             bool *ret_first);
/* The password was right, after GUARD_HASH or GUARD_RECALL. */
void guard_right(struct guard *g,
                 const struct guard_source *from,
                 const char *name,
                 enum guard_verdict was,
                 uint64_t now_ms);
/* One more answer that needs no credentials. False: not now, but in *ret_wait_s. */
bool guard_open(struct guard *g,
                const struct guard_source *from,
                uint64_t now_ms,
                unsigned *ret_wait_s);
/* A request without credentials: true at most once in GUARD_NOTE_MS for an address, with how many
 * there were since. */
bool guard_note(struct guard *g,
                const struct guard_source *from,
                uint64_t now_ms,
                uint64_t *ret_count);
