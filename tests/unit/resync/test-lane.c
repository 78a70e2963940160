/* SPDX-License-Identifier: Apache-2.0 */
/* A whole transfer in one thread: memory source, real directory as replica, loopback link. */
#include <unistd.h>

#include "resync/lane.h"
#include "tests/lib/check.h"
#include "transport/msg.h"
#include "util/num.h"
#include "util/uuid.h"

#define SIZE_A (5 * VR_MIB + 4096 + 512) /* a short last node with a short last block */
#define SIZE_B (3 * VR_MIB)

struct fixture {
    char dir[64];
    struct vr_rel rel;
    struct vr_peer_request req;
    struct block_dev *src[2];
    uint64_t now_us;
    uint64_t sent, differing;
    uint64_t bandwidth, tick_us; /* of the next transfer */
    struct vr_uuid history[8];
    uint32_t nhistory;
};

static void test_random(void *ctx, void *p, size_t n)
{
    vr_random(p, n);
}

static void fill(struct block_dev *d, uint64_t off, size_t len, uint8_t seed)
{
    struct vr_err err = VR_ERR_INIT;
    uint8_t *p = malloc(len);
    uint32_t x = seed * 2654435761u + 1;
    for (size_t i = 0; i < len; i++) {
        x = x * 1664525u + 1013904223u;
        p[i] = (uint8_t)(x >> 24);
    }
    CHECK_OK(block_write(d, p, len, off, &err), &err);
    free(p);
}

static struct replica *open_replica(struct fixture *f)
{
    struct vr_err err = VR_ERR_INIT;
    struct stor *s;
    struct replica *r;
    CHECK_OK(stor_dir_open(f->dir, true, f->dir, &s, &err), &err);
    CHECK_OK(replica_open(s, &r, &err), &err);
    return r;
}

static void setup(struct fixture *f, bool seeded)
{
    struct vr_err err = VR_ERR_INIT;
    memset(f, 0, sizeof *f);
    f->now_us = 1000000;
    snprintf(f->dir, sizeof f->dir, "/tmp/vr-lane-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->req.vm_id = f->rel.vm_id = vr_uuid_new();
    snprintf(f->req.vm_name, sizeof f->req.vm_name, "vm1");
    snprintf(f->rel.peer, sizeof f->rel.peer, "h1");
    snprintf(f->rel.peer_identity, sizeof f->rel.peer_identity, "h1");
    f->req.ndisks = 2;
    const uint64_t sizes[] = {SIZE_A, SIZE_B};
    for (uint32_t i = 0; i < 2; i++) {
        snprintf(f->req.disks[i].name, VR_NAME_MAX, "vd%c", 'a' + i);
        snprintf(f->req.disks[i].format, VR_FORMAT_MAX, "raw");
        f->req.disks[i].size_bytes = sizes[i];
        CHECK_OK(block_mem_new(sizes[i], &f->src[i], &err), &err);
    }
    struct stor *s;
    CHECK_OK(stor_dir_open(f->dir, true, f->dir, &s, &err), &err);
    CHECK_OK(replica_create(s, &f->rel, &f->req, NULL, seeded, &err), &err);
    stor_close(s);
}

static void teardown(struct fixture *f)
{
    char cmd[128];
    block_close(f->src[0]);
    block_close(f->src[1]);
    snprintf(cmd, sizeof cmd, "rm -rf %s", f->dir);
    assert_int_equal(system(cmd), 0);
}

/* Runs a transfer; max_steps cuts it. Returns the source's result, 0 = completed or cut. */
static int transfer(struct fixture *f,
                    enum vr_transfer_kind kind,
                    int max_steps,
                    bool *ret_completed,
                    struct vr_err *err)
{
    struct link *a, *b;
    struct source *s;
    struct target *t = NULL;
    struct target_params tp = {.random = test_random};
    struct source_params sp = {.random = test_random, .ndisks = 2, .disks = {f->src[0], f->src[1]}};
    f->req.op = VR_PEER_OPEN;
    f->req.kind = kind;
    f->req.job = vr_uuid_new();
    f->req.instant = vr_uuid_new();
    memcpy(f->req.history, f->history, sizeof f->history);
    f->req.nhistory = f->nhistory;
    sp.open = f->req;
    sp.bandwidth_bytes_s = f->bandwidth;
    struct replica *rep = open_replica(f);
    CHECK_OK(link_loop_new(&a, &b, err), err);
    CHECK_OK(source_new(&sp, a, &s, err), err);
    int r = replica_lock(rep, err);
    if (r == 0) {
        r = replica_check(rep, &f->req, &tp.reply, err);
    }
    if (r < 0) {
        goto out;
    }
    /* the daemon's part: HELLO and REQUEST */
    uint8_t type;
    const uint8_t *p;
    size_t n;
    struct vr_peer_request got;
    assert_int_equal(link_recv(b, &type, &p, &n, err), 1);
    assert_int_equal(type, MSG_HELLO);
    CHECK_OK(link_send(b, MSG_HELLO, p, n, NULL, 0, err), err);
    assert_int_equal(link_recv(b, &type, &p, &n, err), 1);
    CHECK_OK(msg_get_request(p, n, &got, err), err);
    tp.open = got;
    tp.replica = rep;
    CHECK_OK(target_new(&tp, b, &t, err), err);
    enum lane_status ss = LANE_AGAIN, ts = LANE_AGAIN;
    uint32_t w;
    int idle = 0;
    for (int i = 0; i < max_steps && (ss != LANE_DONE || ts != LANE_DONE); i++) {
        struct vr_uuid proposed;
        f->now_us += f->tick_us ? f->tick_us : 1000;
        if (ss != LANE_DONE && (r = source_step(s, f->now_us, &ss, &w, err)) < 0) {
            break;
        }
        if (source_wants_proposed(s, &proposed)) {
            source_proposed_saved(s);
        }
        struct vr_err terr = VR_ERR_INIT;
        if (ts != LANE_DONE && target_step(t, f->now_us, &ts, &w, &terr) < 0) {
            ts = LANE_DONE;
        }
        idle = ss == LANE_WAIT && ts == LANE_WAIT ? idle + 1 : 0;
        assert_true(idle < (f->bandwidth ? 100000 : 3)); /* nobody has anything to do: a deadlock */
    }
    const struct source_outcome *o = source_outcome(s);
    *ret_completed = o->completed;
    f->sent = source_progress(s)->bytes_sent;
    f->differing = source_progress(s)->bytes_differing;
    if (o->completed && kind != VR_TRANSFER_VERIFY) {
        memmove(f->history + 1, f->history, sizeof f->history - sizeof f->history[0]);
        f->history[0] = o->generation.uuid;
        f->nhistory = VR_MIN(f->nhistory + 1, 8u);
    }
out:
    source_free(s);
    target_free(t);
    link_close(a);
    link_close(b);
    replica_close(rep);
    return r;
}

static void check_equal(struct fixture *f)
{
    struct vr_err err = VR_ERR_INIT;
    for (int d = 0; d < 2; d++) {
        char path[128];
        snprintf(path, sizeof path, "%s/vd%c.raw", f->dir, 'a' + d);
        struct block_dev *dev;
        CHECK_OK(block_file_open(path, BLOCK_READ_ONLY, &dev, &err), &err);
        size_t n = f->src[d]->size_bytes;
        assert_int_equal(dev->size_bytes, n);
        uint8_t *x = malloc(n), *y = malloc(n);
        for (size_t off = 0; off < n; off += VR_MIB) {
            size_t m = VR_MIN(VR_MIB, n - off);
            CHECK_OK(block_read(dev, x + off, m, off, &err), &err);
            CHECK_OK(block_read(f->src[d], y + off, m, off, &err), &err);
        }
        assert_memory_equal(x, y, n);
        free(x);
        free(y);
        block_close(dev);
    }
}

static void damage(struct fixture *f, const char *disk, uint64_t off, const char *bytes)
{
    char path[128];
    struct vr_err err = VR_ERR_INIT;
    struct block_dev *dev;
    snprintf(path, sizeof path, "%s/%s.raw", f->dir, disk);
    CHECK_OK(block_file_open(path, 0, &dev, &err), &err);
    CHECK_OK(block_write(dev, bytes, strlen(bytes), off, &err), &err);
    block_close(dev);
}

static void initial(struct fixture *f)
{
    struct vr_err err = VR_ERR_INIT;
    bool done = false;
    fill(f->src[0], 0, 100000, 1);
    fill(f->src[0], SIZE_A - 5000, 5000, 2);
    fill(f->src[1], VR_MIB, VR_MIB, 3);
    CHECK_OK(transfer(f, VR_TRANSFER_INITIAL, 100000, &done, &err), &err);
    assert_true(done);
    check_equal(f);
}

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
    CHECK_OK(transfer(&f, VR_TRANSFER_RESYNC, 100000, &done, &err), &err);
    assert_true(done);
    assert_int_equal(f.differing, 4096 + 512 + 4096 + 8192);
    check_equal(&f);
    struct replica *r = open_replica(&f);
    assert_int_equal(replica_generation(r)->sequence, 2);
    assert_false(replica_changed_alone(r));
    replica_close(r);
    teardown(&f);
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
    f.bandwidth = 2048; /* a 256 KiB message pays for two minutes of silence */
    f.tick_us = 500000;
    CHECK_OK(transfer(&f, VR_TRANSFER_RESYNC, 1000000, &done, &err), &err);
    assert_true(done);
    check_equal(&f);
    uint64_t seconds = (f.now_us - start) / 1000000, paid = (uint64_t)f.sent - (256u << 10);
    assert_true(seconds >= paid / 2048 * 95 / 100); /* the last message is not waited for */
    assert_true(seconds <= f.sent / 2048 * 105 / 100 + 10);
    teardown(&f);
}

static void test_unknown_generation_and_sizes(void **state)
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
    f.req.disks[1].size_bytes += 4096;
    CHECK_FAILS(transfer(&f, VR_TRANSFER_RESYNC, 1000, &done, &err), &err, VR_E_INVALID, "vdb");
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_initial_then_nothing_to_do),
                                       T(test_resync_repairs_blocks),
                                       T(test_cut_anywhere_then_resume),
                                       T(test_verify_finds_and_changes_nothing),
                                       T(test_promoted_replica_is_not_overwritten),
                                       T(test_forced_over_a_promoted_replica_cut_anywhere),
                                       T(test_slow_link_is_not_taken_for_a_dead_one),
                                       T(test_unknown_generation_and_sizes)};
    return RUN(tests);
}
