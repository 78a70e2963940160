/* SPDX-License-Identifier: Apache-2.0 */
/* Wrong passwords, by a clock of our own: who is slowed down, and that nobody else is. */
#include "front/guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/check.h"

static struct guard_source v4(uint32_t a)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(a)};
    struct guard_source s;
    assert_true(guard_source_of((const struct sockaddr *)&in, &s));
    return s;
}

static enum guard_verdict
ask(struct guard *g, struct guard_source from, const char *name, uint64_t now)
{
    unsigned wait;
    bool first;
    return guard_ask(g, &from, name, now, &wait, &first);
}

static unsigned tries(struct guard *g, struct guard_source from, const char *name, uint64_t now)
{
    unsigned n = 0;
    while (ask(g, from, name, now) == GUARD_HASH) {
        n++;
        assert_true(n < 100000);
    }
    return n;
}

static void make_known(struct guard *g, struct guard_source from, const char *name, uint64_t now)
{
    assert_int_equal(ask(g, from, name, now), GUARD_HASH);
    guard_right(g, &from, name, GUARD_HASH, now);
}

static void test_pair(void **state)
{
    _cleanup_(guard_freep) struct guard *g = guard_new();
    struct guard_source x = v4(0x0a000001);
    assert_int_equal(tries(g, x, "bob", 1000), GUARD_PAIR_TRIES);
    unsigned wait;
    bool first;
    assert_int_equal(guard_ask(g, &x, "bob", 1000, &wait, &first), GUARD_REFUSE);
    assert_int_equal(wait, GUARD_PAIR_MS / 1000);
    assert_false(first); /* it was said once */
    /* it fills with time, to its size and no further */
    assert_int_equal(tries(g, x, "bob", 1000 + GUARD_PAIR_MS), 1);
    assert_int_equal(tries(g, x, "bob", 1000 + 4 * GUARD_PAIR_MS), 3);
    assert_int_equal(tries(g, x, "bob", 1000 + 1000 * GUARD_PAIR_MS), GUARD_PAIR_TRIES);
}

static void test_first_refusal(void **state)
{
    _cleanup_(guard_freep) struct guard *g = guard_new();
    struct guard_source x = v4(0x0a000001);
    unsigned wait, said = 0;
    for (uint64_t now = 1; now < 3 * GUARD_PAIR_MS; now++) {
        bool first;
        (void)guard_ask(g, &x, "bob", now, &wait, &first);
        said += first;
    }
    assert_int_equal(said, 3); /* at the beginning, and after each token that came */
}

static void test_others(void **state)
{
    _cleanup_(guard_freep) struct guard *g = guard_new();
    struct guard_source x = v4(0x0a000001), y = v4(0x0a000002);
    make_known(g, x, "alice", 500);
    assert_int_equal(tries(g, x, "bob", 1000), GUARD_PAIR_TRIES);
    assert_int_equal(ask(g, y, "bob", 1000), GUARD_HASH);   /* he himself, elsewhere */
    assert_int_equal(ask(g, x, "carol", 1000), GUARD_HASH); /* another one, there */
    /* somebody tries all names of the telephone book from there */
    unsigned n = 0;
    for (int i = 0; i < 10000; i++) {
        char name[16];
        snprintf(name, sizeof name, "u%d", i);
        n += ask(g, x, name, 1000) == GUARD_HASH;
    }
    assert_int_equal(n, GUARD_ADDRESS_TRIES - GUARD_PAIR_TRIES - 1);
    assert_int_equal(ask(g, x, "dora", 1000), GUARD_REFUSE);
    make_known(g, x, "alice", 1000); /* known there: not her fault */
    make_known(g, y, "dora", 1000);
}

/* 10,000 guesses at the name of somebody who works at the same address. */
static void test_known_user_is_not_shut_out(void **state)
{
    _cleanup_(guard_freep) struct guard *g = guard_new();
    struct guard_source x = v4(0x7f000001);
    make_known(g, x, "bob", 1);
    unsigned hashed = 0;
    for (int i = 0; i < 10000; i++) {
        hashed += ask(g, x, "bob", 2) == GUARD_HASH;
        if (i >= 1000 && i % 100 == 0) {
            assert_int_equal(ask(g, x, "bob", 2), GUARD_RECALL);
            guard_right(g, &x, "bob", GUARD_RECALL, 2);
        }
    }
    assert_int_equal(hashed, GUARD_PAIR_TRIES);
    /* but memory cannot be asked for ever */
    unsigned recalls = 0;
    while (ask(g, x, "bob", 2) == GUARD_RECALL) {
        recalls++;
    }
    assert_int_equal(recalls + 10000 - hashed, GUARD_RECALL_TRIES);
    assert_int_equal(ask(g, x, "bob", 2), GUARD_REFUSE);
    assert_int_equal(ask(g, x, "bob", 2 + GUARD_RECALL_MS), GUARD_RECALL);
    /* and who was not there for a day is not known any more */
    uint64_t later = 2 + (uint64_t)GUARD_KNOWN_MS;
    assert_int_equal(tries(g, x, "bob", later), GUARD_PAIR_TRIES);
    assert_int_equal(ask(g, x, "bob", later), GUARD_REFUSE);
}

/* A right password costs nothing. */
static void test_right(void **state)
{
    _cleanup_(guard_freep) struct guard *g = guard_new();
    for (int i = 0; i < 10000; i++) {
        make_known(g, v4(0x0a000001), "bob", 1);
    }
    assert_int_equal(tries(g, v4(0x0a000001), "bob", 1), GUARD_PAIR_TRIES);
}

/* A million addresses: the tables stay as large as they are, and known users stay known. */
static void test_many_addresses(void **state)
{
    _cleanup_(guard_freep) struct guard *g = guard_new();
    struct guard_source x = v4(0xc0000201);
    make_known(g, x, "bob", 1);
    assert_int_equal(tries(g, x, "bob", 2), GUARD_PAIR_TRIES);
    for (uint32_t i = 0; i < 1000000; i++) {
        assert_int_equal(ask(g, v4(0x0a000000 + i), "bob", 3 + i / 1000), GUARD_HASH);
    }
    assert_int_equal(ask(g, x, "bob", 1003), GUARD_RECALL);
}

static void test_networks(void **state)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    struct guard_source a, b, c;
    assert_int_equal(inet_pton(AF_INET6, "2001:db8:1:2::1", &in6.sin6_addr), 1);
    assert_true(guard_source_of((const struct sockaddr *)&in6, &a));
    assert_int_equal(inet_pton(AF_INET6, "2001:db8:1:2:ffff::9", &in6.sin6_addr), 1);
    assert_true(guard_source_of((const struct sockaddr *)&in6, &b));
    assert_int_equal(inet_pton(AF_INET6, "2001:db8:1:3::1", &in6.sin6_addr), 1);
    assert_true(guard_source_of((const struct sockaddr *)&in6, &c));
    assert_memory_equal(&a, &b, sizeof a);
    assert_memory_not_equal(&a, &c, sizeof a);
    assert_int_equal(inet_pton(AF_INET6, "::ffff:10.0.0.1", &in6.sin6_addr), 1);
    assert_true(guard_source_of((const struct sockaddr *)&in6, &a));
    b = v4(0x0a000001);
    assert_memory_equal(&a, &b, sizeof a);
    struct sockaddr un = {.sa_family = AF_UNIX};
    assert_false(guard_source_of(&un, &a));
}

static void test_notes(void **state)
{
    _cleanup_(guard_freep) struct guard *g = guard_new();
    struct guard_source x = v4(1);
    uint64_t n;
    assert_true(guard_note(g, &x, 5, &n));
    assert_int_equal(n, 1);
    for (int i = 0; i < 99; i++) {
        assert_false(guard_note(g, &x, 6, &n));
    }
    assert_true(guard_note(g, &x, 5 + GUARD_NOTE_MS, &n));
    assert_int_equal(n, 100);
}

static void test_open(void **state)
{
    _cleanup_(guard_freep) struct guard *g = guard_new();
    struct guard_source x = v4(1), y = v4(2);
    unsigned wait_s;
    for (int i = 0; i < GUARD_OPEN_TRIES; i++) {
        assert_true(guard_open(g, &x, 1000, &wait_s));
    }
    assert_false(guard_open(g, &x, 1000, &wait_s));
    assert_int_equal(wait_s, 1);
    assert_true(guard_open(g, &y, 1000, &wait_s)); /* another address */
    assert_true(guard_open(g, &x, 1000 + GUARD_OPEN_MS, &wait_s));
    assert_false(guard_open(g, &x, 1000 + GUARD_OPEN_MS, &wait_s));
    bool first; /* and passwords are another matter */
    assert_int_equal(guard_ask(g, &x, "anna", 1000, &wait_s, &first), GUARD_HASH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pair),     cmocka_unit_test(test_first_refusal),
        cmocka_unit_test(test_others),   cmocka_unit_test(test_known_user_is_not_shut_out),
        cmocka_unit_test(test_right),    cmocka_unit_test(test_many_addresses),
        cmocka_unit_test(test_networks), cmocka_unit_test(test_notes),
        cmocka_unit_test(test_open),
    };
    return RUN(tests);
}
