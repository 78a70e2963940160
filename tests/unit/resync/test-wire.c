/* SPDX-License-Identifier: Apache-2.0 */
/* What a transfer costs on the wire: round trips, frames, bytes. Counted, never timed. */
#include "tests/unit/resync/fixture.h"

#define TLS_RECORD 22u /* header, type and tag of a TLS 1.3 record, which each burst begins */
#define NODES 512u

/*
 * Flights: HELLO and REQUEST; REPLY and DIGESTS; WANT; DETAIL; DATA, ROOTS and COMMIT; ROOTS and
 * COMMITTED. (TCP and TLS take two round trips before.)
 */
static void test_three_round_trips(void **state)
{
    struct fixture f;
    struct vr_err err = VR_ERR_INIT;
    bool done = false;
    setup(&f, false);
    initial(&f);
    damage(&f, "vda", 8192 + 17, "x");
    damage(&f, "vda", SIZE_A - 1, "y");
    damage(&f, "vdb", VR_MIB + 12345, "z");
    f.by_flights = true;
    CHECK_OK(transfer(&f, VR_TRANSFER_RESYNC, 100, &done, &err), &err);
    assert_true(done);
    assert_int_equal(f.differing, 4096 + 512 + 4096);
    assert_int_equal(f.flights, 5); /* and the first, before the steps: HELLO and REQUEST */
    check_equal(&f);
    teardown(&f);
}

static void test_two_round_trips_when_equal(void **state)
{
    struct fixture f;
    struct vr_err err = VR_ERR_INIT;
    bool done = false;
    setup(&f, false);
    initial(&f);
    f.by_flights = true;
    CHECK_OK(transfer(&f, VR_TRANSFER_RESYNC, 100, &done, &err), &err);
    assert_true(done);
    assert_int_equal(f.flights, 3);
    CHECK_OK(transfer(&f, VR_TRANSFER_VERIFY, 100, &done, &err), &err);
    assert_int_equal(f.flights, 3);
    assert_int_equal(f.out.frames[MSG_COMMIT], 0);
    teardown(&f);
}

/* COMMIT goes out with the roots: a replica with others must not carry it out. */
static void test_unequal_roots_commit_nothing(void **state)
{
    struct fixture f;
    struct vr_err err = VR_ERR_INIT;
    bool done = false;
    setup(&f, false);
    initial(&f);
    damage(&f, "vda", 8192 + 17, "x");
    f.corrupts = MSG_ROOTS;
    assert_int_equal(transfer(&f, VR_TRANSFER_RESYNC, 100000, &done, &err), -VR_E_CORRUPT);
    assert_false(done);
    assert_int_equal(f.out.frames[MSG_COMMIT], 1);
    assert_int_equal(f.in.frames[MSG_COMMITTED], 0);
    struct replica *r = open_replica(&f);
    assert_int_equal(replica_generation(r)->sequence, 1);
    replica_close(r);
    f.corrupts = 0; /* and nothing stands in the way of the next one */
    CHECK_OK(transfer(&f, VR_TRANSFER_RESYNC, 100000, &done, &err), &err);
    assert_true(done);
    check_equal(&f);
    teardown(&f);
}

/* 17 MiB for a TiB of which nothing differs, TLS included. */
static void test_an_equal_node_costs_17_bytes(void **state)
{
    struct fixture f;
    struct vr_err err = VR_ERR_INIT;
    bool done = false;
    setup_one(&f, NODES * VR_MIB);
    for (uint64_t i = 0; i < NODES; i++) {
        fill(f.src[0], i * VR_MIB + (i % 256) * 4096, 4096, (uint8_t)i);
    }
    CHECK_OK(transfer(&f, VR_TRANSFER_INITIAL, 100000, &done, &err), &err);
    CHECK_OK(transfer(&f, VR_TRANSFER_RESYNC, 100000, &done, &err), &err);
    assert_true(done);
    assert_int_equal(f.sent, 0);
    uint64_t bytes = f.out.bytes + f.in.bytes + TLS_RECORD * (f.out.bursts + f.in.bursts),
             opening = 1024;
    assert_true(bytes <= NODES * 17 + opening);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_three_round_trips), T(test_two_round_trips_when_equal),
        T(test_unequal_roots_commit_nothing), T(test_an_equal_node_costs_17_bytes)};
    return RUN(tests);
}
