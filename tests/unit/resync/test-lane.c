/* SPDX-License-Identifier: Apache-2.0 */
/* Transfers from end to end: what arrives, what is refused, what a cut leaves. */
#include "resync/import.h"
#include "tests/unit/resync/fixture.h"

static void test_initial_then_nothing_to_do(void **state)
{
    struct fixture f;
    struct vr_err err = VR_ERR_INIT;
    bool done = false;
    setup(&f, false);
    initial(&f);
    CHECK_OK(transfer(&f, VR_TRANSFER_RESYNC, 100000, &done, &err), &err);
    assert_true(done);
    assert_int_equal(f.differing, 0);
    assert_int_equal(f.sent, 0);
    assert_int_equal(f.progress.flow.read_bytes, SIZE_A + SIZE_B);
    assert_int_equal(f.progress.flow.peer_read_bytes, SIZE_A + SIZE_B);
    assert_int_equal(f.progress.flow.unchanged_bytes, 0);
    assert_true(f.progress.flow.zero_bytes >= VR_MIB); /* the hole of the source */
    assert_int_equal(f.progress.flow.zero_bytes % VR_MIB, 0);
    check_equal(&f);
    teardown(&f);
}

static void test_resync_repairs_blocks(void **state)
{
    struct fixture f;
    struct vr_err err = VR_ERR_INIT;
    bool done = false;
    setup(&f, false);
    initial(&f);
    damage(&f, "vda", 8192 + 17, "x");
    damage(&f, "vda", SIZE_A - 1, "y"); /* the short last block */
    damage(&f, "vdb", 0, "where the source has a hole");
    fill(f.src[1], 2 * VR_MIB + 65536, 8192, 9); /* new at the source, zero at the replica */
    f.req.consistency = VR_CONSISTENCY_FILE_SYSTEM;
    f.req.instant_us = 4711;
    CHECK_OK(transfer(&f, VR_TRANSFER_RESYNC, 100000, &done, &err), &err);
    assert_true(done);
    assert_int_equal(f.differing, 4096 + 512 + 4096 + 8192);
    assert_int_equal(f.report.disks[0].ranges, 2);
    assert_int_equal(f.report.disks[1].ranges, 2); /* two blocks side by side are one */
    check_equal(&f);
    struct replica *r = open_replica(&f);
    assert_int_equal(replica_rel(r)->consistency, VR_CONSISTENCY_FILE_SYSTEM);
    assert_int_equal(replica_rel(r)->last_sync_us, 4711);
    assert_int_equal(replica_generation(r)->sequence, 2);
    assert_false(replica_changed_alone(r));
    replica_close(r);
    teardown(&f);
}

/* Tags are of the kind that both prefer, else Poly1305; they find the same either way. */
static void test_kinds_of_tags(void **state)
{
    struct fixture f;
    struct vr_err err = VR_ERR_INIT;
    bool done = false;
    setup(&f, false);
    initial(&f);
    for (unsigned i = 0; i < 4; i++) {
        f.umac_here = i & 1;
        f.umac_there = i & 2;
        damage(&f, "vda", 8192 + 17, "x");
        damage(&f, "vda", SIZE_A - 1, "y");
        fill(f.src[1], 2 * VR_MIB + 65536, 8192, (uint8_t)(20 + i));
        CHECK_OK(transfer(&f, VR_TRANSFER_RESYNC, 100000, &done, &err), &err);
        assert_true(done);
        assert_int_equal(f.reply.umac, i == 3);
        assert_int_equal(f.differing, 4096 + 512 + 8192);
        check_equal(&f);
    }
    teardown(&f);
}

static void test_compression_is_a_choice(void **state)
{
    uint64_t sent[2];
    for (int i = 0; i < 2; i++) {
        struct fixture f;
        struct vr_err err = VR_ERR_INIT;
        bool done = false;
        uint8_t same[4096];
        memset(same, 'a', sizeof same);
        setup(&f, false);
        for (uint64_t off = 0; off < VR_MIB; off += sizeof same) {
            CHECK_OK(block_write(f.src[0], same, sizeof same, off, &err), &err);
        }
        f.uncompressed = i == 1;
        CHECK_OK(transfer(&f, VR_TRANSFER_INITIAL, 100000, &done, &err), &err);
        assert_true(done);
        check_equal(&f);
        sent[i] = f.sent;
        teardown(&f);
    }
    assert_true(sent[0] < VR_MIB / 4);
    assert_int_equal(sent[1], VR_MIB);
}

static void test_cut_anywhere_then_resume(void **state)
{
    struct fixture f;
    struct vr_err err = VR_ERR_INIT;
    setup(&f, false);
    initial(&f);
    for (int cut = 1, completed = 0; !completed; cut += 3) {
        bool done = false;
        struct vr_uuid before;
        fill(f.src[0], (uint64_t)(cut % 5) * VR_MIB, 300000, (uint8_t)cut);
        struct replica *r = open_replica(&f);
        before = replica_generation(r)->uuid;
        replica_close(r);
        CHECK_OK(transfer(&f, VR_TRANSFER_RESYNC, cut, &done, &err), &err);
        r = open_replica(&f); /* settles what was begun */
        if (!done && !vr_uuid_eq(&before, &replica_generation(r)->uuid)) {
            f.history[0] = replica_generation(r)->uuid; /* as proposed_done would tell */
        }
        replica_close(r);
        completed = done;
        assert_true(cut < 3000);
    }
    check_equal(&f);
    teardown(&f);
}

static void test_verify_finds_and_changes_nothing(void **state)
{
    struct fixture f;
    struct vr_err err = VR_ERR_INIT;
    bool done = false;
    setup(&f, false);
    initial(&f);
    damage(&f, "vdb", VR_MIB + 100, "z");
    CHECK_OK(transfer(&f, VR_TRANSFER_VERIFY, 100000, &done, &err), &err);
    assert_true(done);
    assert_int_equal(f.differing, 4096);
    struct replica *r = open_replica(&f);
    assert_true(replica_changed_alone(r));
    assert_int_equal(replica_generation(r)->sequence, 1);
    replica_close(r);
    teardown(&f);
}

/* The replica was made with empty images; a person then put copies there. */
static void test_seeds_take_the_place_of_our_images(void **state)
{
    struct fixture f;
    struct vr_err err = VR_ERR_INIT;
    struct vr_peer_reply reply = {0};
    bool done = false;
    setup(&f, false);
    fill(f.src[0], 8192, 4096, 3);
    fill(f.src[1], VR_MIB, 100000, 4);
    f.req.op = VR_PEER_PREFLIGHT;
    f.req.kind = VR_TRANSFER_SEEDED;
    struct replica *r = open_replica(&f);
    CHECK_FAILS(replica_check(r, &f.req, &reply, &err), &err, VR_E_NOT_FOUND, "vda.raw");
    f.req.kind = VR_TRANSFER_INITIAL;
    CHECK_OK(replica_check(r, &f.req, &reply, &err), &err);
    CHECK_OK(stor_create_image(replica_stor(r), "vda.raw", "raw", SIZE_A, &err), &err);
    CHECK_OK(stor_create_image(replica_stor(r), "vdb.raw", "raw", SIZE_B - 512, &err), &err);
    f.req.kind = VR_TRANSFER_SEEDED;
    CHECK_FAILS(replica_check(r, &f.req, &reply, &err), &err, VR_E_INVALID, "bytes");
    CHECK_OK(stor_unlink(replica_stor(r), "vdb.raw", &err), &err);
    CHECK_OK(stor_create_image(replica_stor(r), "vdb.raw", "raw", SIZE_B, &err), &err);
    CHECK_OK(replica_check(r, &f.req, &reply, &err), &err);
    replica_close(r);
    damage(&f, "vda", 65536, "of the copy only");
    /* Cut: what was there stays as the person left it, under the name it had. */
    CHECK_OK(transfer(&f, VR_TRANSFER_SEEDED, 6, &done, &err), &err);
    assert_false(done);
    r = open_replica(&f);
    assert_true(stor_exists(replica_stor(r), "vda.raw"));
    assert_false(stor_exists(replica_stor(r), "vda.raw.unready"));
    assert_false(stor_exists(replica_stor(r), "vdb.raw.unready"));
    replica_close(r);
    CHECK_OK(transfer(&f, VR_TRANSFER_SEEDED, 100000, &done, &err), &err);
    assert_true(done);
    check_equal(&f);
    r = open_replica(&f);
    assert_int_equal(replica_generation(r)->sequence, 1);
    replica_close(r);
    teardown(&f);
}

/* Images were there when the replica was made, and nobody said what they are for. */
static void test_found_images_are_only_for_a_seeded_start(void **state)
{
    static const struct {
        enum vr_peer_op op;
        enum vr_transfer_kind kind;
    } refused[] = {{VR_PEER_PREFLIGHT, VR_TRANSFER_INITIAL},
                   {VR_PEER_PREFLIGHT, VR_TRANSFER_RESYNC},
                   {VR_PEER_OPEN, VR_TRANSFER_INITIAL}};
    struct fixture f;
    struct vr_err err = VR_ERR_INIT;
    struct vr_peer_reply reply = {0};
    struct manifest none = {0};
    struct stor *s;
    bool done = false;
    setup(&f, false);
    fill(f.src[0], 8192, 4096, 3);
    CHECK_OK(stor_dir_open(f.dir, true, f.dir, &s, &err), &err);
    CHECK_OK(stor_unlink(s, REPLICA_SIDECAR, &err), &err);
    CHECK_OK(stor_create_image(s, "vda.raw", "raw", SIZE_A, &err), &err);
    CHECK_FAILS(replica_create(s, &f.rel, &f.req, NULL, REPLICA_IMAGES_REFUSED, &err), &err,
                VR_E_EXISTS, "vda.raw");
    CHECK_OK(replica_create(s, &f.rel, &f.req, NULL, REPLICA_IMAGES_KEPT, &err), &err);
    assert_false(stor_exists(s, "vda.raw.unready"));
    assert_true(stor_exists(s, "vdb.raw.unready"));
    stor_close(s);
    for (size_t i = 0; i < VR_COUNT(refused); i++) {
        struct replica *r = open_replica(&f); /* it is remembered */
        f.req.op = refused[i].op;
        f.req.kind = refused[i].kind;
        CHECK_FAILS(replica_check(r, &f.req, &reply, &err), &err, VR_E_STATE, "");
        replica_close(r);
    }
    struct replica *r = open_replica(&f);
    CHECK_FAILS(import_check(r, &none, &err), &err, VR_E_STATE, "unasked");
    f.req.op = VR_PEER_PREFLIGHT;
    CHECK_FAILS(replica_check(r, &f.req, &reply, &err), &err, VR_E_STATE, "unasked");
    f.req.kind = VR_TRANSFER_SEEDED;
    CHECK_FAILS(replica_check(r, &f.req, &reply, &err), &err, VR_E_NOT_FOUND, "vdb.raw");
    CHECK_OK(stor_create_image(replica_stor(r), "vdb.raw", "raw", SIZE_B, &err), &err);
    CHECK_OK(replica_check(r, &f.req, &reply, &err), &err);
    replica_close(r);
    damage(&f, "vda", 65536, "of the copy only");
    CHECK_OK(transfer(&f, VR_TRANSFER_SEEDED, 100000, &done, &err), &err);
    assert_true(done);
    check_equal(&f);
    r = open_replica(&f);
    assert_int_equal(replica_generation(r)->sequence, 1);
    replica_close(r);
    teardown(&f);
}

static void test_promoted_replica_is_not_overwritten(void **state)
{
    struct fixture f;
    struct vr_err err = VR_ERR_INIT;
    struct vr_generation g;
    bool done = false;
    setup(&f, false);
    initial(&f);
    struct replica *r = open_replica(&f);
    CHECK_OK(replica_promote(r, &g, &err), &err);
    replica_close(r);
    CHECK_FAILS(transfer(&f, VR_TRANSFER_RESYNC, 1000, &done, &err), &err, VR_E_LINEAGE,
                "failed over");
    teardown(&f);
}

/* A forced transfer first saves what it overwrites; cut anywhere, the next try must not trip over
 * that. */
static void test_forced_over_a_promoted_replica_cut_anywhere(void **state)
{
    struct fixture f;
    struct vr_err err = VR_ERR_INIT;
    struct vr_generation g;
    bool done = false;
    setup(&f, false);
    initial(&f);
    struct replica *r = open_replica(&f);
    CHECK_OK(replica_promote(r, &g, &err), &err);
    replica_close(r);
    damage(&f, "vda", 8192, "what the promoted replica wrote");
    f.req.force = true;
    for (int cut = 1; !done; cut++) {
        CHECK_OK(transfer(&f, VR_TRANSFER_RESYNC, cut, &done, &err), &err);
        r = open_replica(&f);
        done = done || replica_role(r) == REPLICA_ROLE_REPLICA; /* finished when it was opened */
        replica_close(r);
        assert_true(cut < 3000);
    }
    check_equal(&f);
    char cmd[128];
    snprintf(cmd, sizeof cmd, "test $(ls %s | grep -c ^safety-) = 1", f.dir);
    assert_int_equal(system(cmd), 0);
    teardown(&f);
}

static void test_slow_link_is_not_taken_for_a_dead_one(void **state)
{
    struct fixture f;
    struct vr_err err = VR_ERR_INIT;
    bool done = false;
    setup(&f, false);
    initial(&f);
    fill(f.src[0], VR_MIB, VR_MIB, 77); /* does not compress */
    uint64_t start = f.now_us;
    f.bandwidth = 2048;
    f.tick_us = 200000; /* two blocks a second: slower than any burst */
    CHECK_OK(transfer(&f, VR_TRANSFER_RESYNC, 1000000, &done, &err), &err);
    assert_true(done);
    check_equal(&f);
    /* Everything on the link counts, not only payload. The last message is not waited for. */
    uint64_t ms = (f.now_us - start) / 1000, fair = f.out.bytes * 1000 / 2048, last = 4096 / 2;
    assert_true(f.out.bytes > f.sent);
    assert_in_range(ms + last, fair - fair / 20, fair + fair / 20);
    teardown(&f);
}

static void test_unknown_generation(void **state)
{
    struct fixture f;
    struct vr_err err = VR_ERR_INIT;
    bool done = false;
    setup(&f, false);
    initial(&f);
    f.nhistory = 0;
    CHECK_FAILS(transfer(&f, VR_TRANSFER_RESYNC, 1000, &done, &err), &err, VR_E_LINEAGE,
                "none this primary made");
    struct replica *r = open_replica(&f);
    struct vr_peer_request ask = {.op = VR_PEER_ADOPT, .vm_id = f.req.vm_id};
    struct vr_peer_reply reply = {0};
    /* whatever it says of the lineage, it tells the generation */
    assert_int_equal(replica_check(r, &ask, &reply, &err), -VR_E_LINEAGE);
    assert_int_equal(reply.generation.sequence, 1);
    replica_close(r);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_initial_then_nothing_to_do),
                                       T(test_resync_repairs_blocks),
                                       T(test_kinds_of_tags),
                                       T(test_compression_is_a_choice),
                                       T(test_cut_anywhere_then_resume),
                                       T(test_verify_finds_and_changes_nothing),
                                       T(test_seeds_take_the_place_of_our_images),
                                       T(test_found_images_are_only_for_a_seeded_start),
                                       T(test_promoted_replica_is_not_overwritten),
                                       T(test_forced_over_a_promoted_replica_cut_anywhere),
                                       T(test_slow_link_is_not_taken_for_a_dead_one),
                                       T(test_unknown_generation)};
    return RUN(tests);
}
