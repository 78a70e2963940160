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

static void break_roots(uint8_t type, uint8_t *head, size_t len)
{
    head[len - 1] ^= type == MSG_ROOTS;
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
    f.forge = break_roots;
    assert_int_equal(transfer(&f, VR_TRANSFER_RESYNC, 100000, &done, &err), -VR_E_CORRUPT);
    assert_false(done);
    assert_int_equal(f.out.frames[MSG_COMMIT], 1);
    assert_int_equal(f.in.frames[MSG_COMMITTED], 0);
    struct replica *r = open_replica(&f);
    assert_int_equal(replica_generation(r)->sequence, 1);
    replica_close(r);
    f.forge = NULL; /* and nothing stands in the way of the next one */
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

static void damage_block(struct fixture *f, uint32_t block)
{
    damage(f, "vda", (uint64_t)block * MSG_BLOCK + 5, "scattered");
}

/* Four blocks of five differ, none of them beside more than three others: 205 blocks, 64 in a frame
 * at most. */
static void test_scattered_blocks_share_frames(void **state)
{
    struct fixture f;
    struct vr_err err = VR_ERR_INIT;
    bool done = false;
    uint32_t blocks = 0;
    setup_one(&f, 4 * VR_MIB);
    fill(f.src[0], VR_MIB, VR_MIB, 1);
    fill(f.src[0], 3 * VR_MIB, 8 * MSG_BLOCK, 2);
    CHECK_OK(transfer(&f, VR_TRANSFER_INITIAL, 100000, &done, &err), &err);
    assert_int_equal(f.out.frames[MSG_DATA], 4 + 1); /* as many as without gaps */
    for (uint32_t i = 256; i < 512; i++) {
        if (i % 5 != 0) {
            damage_block(&f, i);
            blocks++;
        }
    }
    assert_int_equal(blocks, 205);
    CHECK_OK(transfer(&f, VR_TRANSFER_RESYNC, 100000, &done, &err), &err);
    assert_true(done);
    assert_int_equal(f.differing, 205 * MSG_BLOCK);
    assert_int_equal(f.sent, 205 * MSG_BLOCK); /* what does not compress goes as it is */
    assert_int_equal(f.out.frames[MSG_DATA], 4);
    check_equal(&f);
    teardown(&f);
}

/* Everything ascends, so a frame ends where zeroes lie between its blocks. */
static void test_zeroes_part_frames(void **state)
{
    struct fixture f;
    struct vr_err err = VR_ERR_INIT;
    bool done = false;
    setup_one(&f, 2 * VR_MIB + 100);
    fill(f.src[0], 0, MSG_BLOCK, 1); /* blocks 0, 10, 11, 255 and the short one of node 2 */
    fill(f.src[0], 10 * MSG_BLOCK, 2 * MSG_BLOCK, 2);
    fill(f.src[0], 255 * MSG_BLOCK, MSG_BLOCK, 3);
    fill(f.src[0], 2 * VR_MIB + 10, 90, 4);
    CHECK_OK(transfer(&f, VR_TRANSFER_INITIAL, 100000, &done, &err), &err);
    static const uint32_t wrong[] = {0, 5, 6, 10, 11, 255, 256, 512};
    for (size_t i = 0; i < VR_COUNT(wrong); i++) {
        damage_block(&f, wrong[i]);
    }
    CHECK_OK(transfer(&f, VR_TRANSFER_RESYNC, 100000, &done, &err), &err);
    assert_true(done);
    assert_int_equal(f.differing, 7 * MSG_BLOCK + 100);
    /* 0; 5 and 6 as ZERO; 10, 11, 255; 256 as ZERO; 512 */
    assert_int_equal(f.out.frames[MSG_DATA], 3);
    assert_int_equal(f.out.frames[MSG_ZERO], 2);
    check_equal(&f);
    teardown(&f);
}

/* --- DATA that a target must refuse --- */

#define AT_OFF 2u /* places in the head: disk, offset, mask, raw length, coding */
#define AT_MASK 10u
#define AT_RAW_LEN 42u

static enum {
    NO_FORGERY,
    DISK,
    OFFSET,
    NODE_BEYOND,
    BLOCK_BEYOND,
    LENGTH,
    BACKWARDS
} forgery;
static uint32_t forged, seen;

/* Every DATA after the first. */
static void forge_data(uint8_t type, uint8_t *head, size_t len)
{
    if (type != MSG_DATA || seen++ == 0) {
        return;
    }
    assert_int_equal(len, AT_RAW_LEN + 5);
    switch (forgery) {
    case NO_FORGERY:
        return;
    case DISK:
        head[0] = 1;
        break;
    case OFFSET:
        head[AT_OFF + 1] ^= 0x10;
        break;
    case NODE_BEYOND:
        head[AT_OFF + 3] = 1;
        break;
    case BLOCK_BEYOND: /* the second block of the last node becomes the third */
        head[AT_MASK] ^= 2 | 4;
        break;
    case LENGTH: /* a short block where the disk does not end */
        head[AT_RAW_LEN]--;
        break;
    case BACKWARDS:
        memset(head + AT_OFF, 0, 8);
        break;
    }
    forged++;
}

/* Blocks 0 of node 0; 0 and 1, which is short, of node 1. */
static int forged_transfer(struct fixture *f, bool *ret_done, struct vr_err *err)
{
    static const char text[3 * MSG_BLOCK] = "compresses";
    *ret_done = false;
    seen = forged = 0;
    setup_one(f, VR_MIB + MSG_BLOCK + 512);
    CHECK_OK(transfer(f, VR_TRANSFER_INITIAL, 100000, ret_done, err), err);
    CHECK_OK(block_write(f->src[0], text, MSG_BLOCK, 0, err), err);
    CHECK_OK(block_write(f->src[0], text, MSG_BLOCK, VR_MIB, err), err);
    CHECK_OK(block_write(f->src[0], text, 512, VR_MIB + MSG_BLOCK, err), err);
    *ret_done = false;
    f->forge = forge_data;
    return transfer(f, VR_TRANSFER_RESYNC, 100000, ret_done, err);
}

static void test_forged_data_is_refused(void **state)
{
    struct fixture f;
    struct vr_err err = VR_ERR_INIT;
    bool done;
    for (int i = NO_FORGERY; i <= BACKWARDS; i++) {
        forgery = i;
        int r = forged_transfer(&f, &done, &err);
        assert_int_equal(seen, 2);
        assert_int_equal(r, forgery ? -VR_E_PROTOCOL : 0);
        assert_int_equal(forged, forgery != NO_FORGERY);
        assert_int_equal(done, !forgery);
        struct replica *rep = open_replica(&f);
        assert_int_equal(replica_generation(rep)->sequence, forgery ? 1 : 2);
        replica_close(rep);
        teardown(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_three_round_trips),
                                       T(test_two_round_trips_when_equal),
                                       T(test_unequal_roots_commit_nothing),
                                       T(test_an_equal_node_costs_17_bytes),
                                       T(test_scattered_blocks_share_frames),
                                       T(test_zeroes_part_frames),
                                       T(test_forged_data_is_refused)};
    return RUN(tests);
}
