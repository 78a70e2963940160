/* SPDX-License-Identifier: Apache-2.0 */
/* Commits of staged runs onto images whose devices count, fail and lie. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "resync/lane.h"
#include "resync/replica_priv.h"
#include "tests/lib/check.h"
#include "util/num.h"
#include "util/uuid.h"

#define SIZE (4 * VR_MIB + 4096 + 512)

/* --- devices that count, fail and lie --- */

static struct {
    bool direct; /* say that reads pass the cache by */
    unsigned reads, writes, zeroes, flushes, drops, extents, reserves;
    unsigned ahead, most_ahead; /* reads hinted at and not yet done */
    uint64_t read_bytes, written_bytes;
    uint64_t lie_at; /* the byte that reads differently; UINT64_MAX: none */
    int fail_reserve, fail_flush, fail_write;
    bool plain;    /* images of formats are raw ones all the same */
    uint64_t held; /* the most that the ballast had when something was written */
} dev;

static char dir[64];

static const struct block_ops *real;

static int fake_read(struct block_dev *d, void *buf, size_t len, uint64_t off, struct vr_err *err)
{
    int r = real->read(d, buf, len, off, err);
    dev.reads++;
    dev.read_bytes += len;
    dev.ahead -= dev.ahead > 0;
    if (dev.lie_at >= off && dev.lie_at < off + len) {
        ((uint8_t *)buf)[dev.lie_at - off] ^= 1;
    }
    return r;
}

static int
fake_write(struct block_dev *d, const void *buf, size_t len, uint64_t off, struct vr_err *err)
{
    char path[96];
    struct stat st;
    snprintf(path, sizeof path, "%s/" BALLAST_NAME, dir);
    if (stat(path, &st) == 0) {
        dev.held = VR_MAX(dev.held, (uint64_t)st.st_size);
        dev.held = VR_MAX(dev.held, (uint64_t)st.st_blocks * 512);
    }
    dev.writes++;
    dev.written_bytes += len;
    return dev.fail_write ? vr_fail(err, dev.fail_write, "no room")
                          : real->write(d, buf, len, off, err);
}

static int fake_zero(struct block_dev *d, uint64_t off, uint64_t len, struct vr_err *err)
{
    dev.zeroes++;
    return real->zero(d, off, len, err);
}

static int fake_flush(struct block_dev *d, struct vr_err *err)
{
    dev.flushes++;
    return dev.fail_flush ? vr_fail(err, dev.fail_flush, "a posted write failed")
                          : real->flush(d, err);
}

static int fake_extents(struct block_dev *d,
                        uint64_t off,
                        uint64_t len,
                        struct block_extent *ret,
                        size_t max,
                        size_t *ret_n,
                        struct vr_err *err)
{
    dev.extents++;
    return real->extents(d, off, len, ret, max, ret_n, err);
}

static int fake_reserve(struct block_dev *d, uint64_t off, uint64_t len, struct vr_err *err)
{
    dev.reserves++;
    return dev.fail_reserve ? vr_fail(err, dev.fail_reserve, "no room")
                            : real->reserve(d, off, len, err);
}

static void fake_prefetch(struct block_dev *d, uint64_t off, uint64_t len)
{
    dev.ahead++;
    dev.most_ahead = VR_MAX(dev.most_ahead, dev.ahead);
    real->prefetch(d, off, len);
}

static void fake_drop_cache(struct block_dev *d)
{
    dev.drops++;
    real->drop_cache(d);
}

static const struct stor_ops *real_stor;

static int open_fake(struct stor *s,
                     const char *name,
                     const char *format,
                     unsigned flags,
                     struct block_dev **ret,
                     struct vr_err *err)
{
    static struct block_ops fake;
    int r = real_stor->open_image(s, name, dev.plain ? "raw" : format, flags, ret, err);
    if (r < 0) {
        return r;
    }
    real = (*ret)->ops;
    fake = *real;
    fake.read = fake_read;
    fake.write = fake_write;
    fake.zero = fake_zero;
    fake.flush = fake_flush;
    fake.extents = fake_extents;
    fake.reserve = fake_reserve;
    fake.prefetch = fake_prefetch;
    fake.drop_cache = fake_drop_cache;
    (*ret)->ops = &fake;
    (*ret)->flags = (flags & ~BLOCK_DIRECT) | (dev.direct ? flags & BLOCK_DIRECT : 0);
    return 0;
}

/* --- a replica and what is staged for it --- */

static struct vr_generation next;

static int open_replica(struct replica **ret, struct vr_err *err)
{
    static struct stor_ops ops;
    struct stor *s;
    CHECK_OK(stor_dir_open(dir, true, dir, &s, err), err);
    real_stor = s->ops;
    ops = *s->ops;
    ops.open_image = open_fake;
    ops.repair_image = dev.plain ? NULL : ops.repair_image;
    s->ops = &ops;
    return replica_open(s, ret, err);
}

static struct replica *setup(void)
{
    struct vr_err err = VR_ERR_INIT;
    struct vr_rel rel = {0};
    struct vr_peer_request req = {.ndisks = 1};
    struct replica *r;
    struct stor *s;
    memset(&dev, 0, sizeof dev);
    dev.lie_at = UINT64_MAX;
    snprintf(dir, sizeof dir, "/tmp/vr-commit-XXXXXX");
    assert_non_null(mkdtemp(dir));
    req.vm_id = rel.vm_id = vr_uuid_new();
    snprintf(req.vm_name, sizeof req.vm_name, "vm1");
    snprintf(rel.peer, sizeof rel.peer, "h1");
    snprintf(rel.peer_identity, sizeof rel.peer_identity, "h1");
    snprintf(req.disks[0].name, VR_NAME_MAX, "vda");
    snprintf(req.disks[0].format, VR_FORMAT_MAX, "raw");
    req.disks[0].size_bytes = SIZE;
    CHECK_OK(stor_dir_open(dir, true, dir, &s, &err), &err);
    CHECK_OK(replica_create(s, &rel, &req, NULL, REPLICA_IMAGES_REFUSED, &err), &err);
    stor_close(s);
    CHECK_OK(open_replica(&r, &err), &err);
    CHECK_OK(replica_lock(r, &err), &err);
    next = (struct vr_generation){.uuid = vr_uuid_new(), .sequence = 1};
    return r;
}

static void teardown(struct replica *r)
{
    char cmd[96];
    replica_close(r);
    snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    assert_int_equal(system(cmd), 0);
}

static struct run_name
stage(struct replica *r, const char *name, const struct run_record *recs, size_t n)
{
    struct vr_err err = VR_ERR_INIT;
    struct run_writer *w;
    struct run_name run = {0};
    uint8_t key[32];
    vr_random(key, sizeof key);
    CHECK_OK(run_writer_new(r->stor, name, key, &r->sc.rel.generation.uuid, &w, &err), &err);
    for (size_t i = 0; i < n; i++) {
        CHECK_OK(run_writer_add(w, &recs[i], &err), &err);
    }
    CHECK_OK(run_writer_flush(w, &err), &err);
    snprintf(run.name, sizeof run.name, "%s", name);
    run.bytes = run_writer_bytes(w);
    run_writer_free(w);
    return run;
}

static int commit(struct replica *r,
                  const struct run_name *runs,
                  size_t n,
                  struct commit_stats *ret,
                  struct vr_err *err)
{
    struct commit *c;
    bool done = false;
    int x = 0;
    CHECK_OK(commit_new(r, &next, runs, n, false, &c, err), err);
    for (uint64_t t = 1000; x == 0 && !done; t += 1000) {
        x = commit_step(c, t, &done, err);
    }
    *ret = *commit_stats(c);
    commit_free(c);
    return x;
}

static int open_image(const char *name, int flags)
{
    char path[96];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return open(path, flags, 0600);
}

static void check_byte(uint64_t off, uint8_t want)
{
    uint8_t b = (uint8_t)~want;
    int fd = open_image("vda.raw", O_RDONLY);
    assert_int_equal(pread(fd, &b, 1, (off_t)off), 1);
    assert_int_equal(b, want);
    close(fd);
}

static void fill_image(void)
{
    uint8_t *p = malloc(SIZE);
    int fd = open_image("vda.raw.unready", O_RDWR);
    memset(p, 0x55, SIZE);
    assert_int_equal(pwrite(fd, p, SIZE, 0), SIZE);
    assert_int_equal(fsync(fd), 0);
    close(fd);
    free(p);
}

static uint8_t ones[64 << 10];

/* Every fourth block of the first 2 MiB, a stretch, a zeroed stretch, and the short last block. */
static struct run_name stage_some(struct replica *r)
{
    struct run_record recs[256];
    size_t n = 0;
    memset(ones, 1, sizeof ones);
    for (uint64_t off = 0; off < 2 * VR_MIB; off += 16384) {
        recs[n++] = (struct run_record){RUN_DATA, 0, off, 4096, ones};
    }
    recs[n++] = (struct run_record){RUN_DATA, 0, 2 * VR_MIB, 65536, ones};
    recs[n++] = (struct run_record){RUN_REVERT, 0, 2 * VR_MIB + 65536, 4096, NULL};
    recs[n++] = (struct run_record){RUN_ZERO, 0, 3 * VR_MIB, 131072, NULL};
    recs[n++] = (struct run_record){RUN_DATA, 0, SIZE - 512, 512, ones};
    return stage(r, "run-000001", recs, n);
}

/* --- what must be so --- */

static void test_what_is_staged_is_written_and_nothing_else(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct replica *r = setup();
    struct commit_stats st;
    fill_image();
    struct run_name run = stage_some(r);
    CHECK_OK(commit(r, &run, 1, &st, &err), &err);
    assert_int_equal(dev.written_bytes, 128 * 4096 + 65536 + 512);
    assert_int_equal(dev.zeroes, 1);
    assert_int_equal(st.written_bytes, 128 * 4096 + 65536 + 512 + 131072);
    assert_int_equal(st.writes, dev.writes + dev.zeroes);
    check_byte(0, 1);
    check_byte(4096, 0x55);
    check_byte(16384, 1);
    check_byte(2 * VR_MIB + 65535, 1);
    check_byte(2 * VR_MIB + 65536, 0x55);
    check_byte(3 * VR_MIB - 1, 0x55);
    check_byte(3 * VR_MIB, 0);
    check_byte(3 * VR_MIB + 131072, 0x55);
    check_byte(SIZE - 513, 0x55);
    check_byte(SIZE - 1, 1);
    assert_true(vr_uuid_eq(&replica_generation(r)->uuid, &next.uuid));
    assert_true(st.reserve_us && st.redo_us && st.readback_us);
    teardown(r);
}

static void test_readback_asks_ahead_and_joins_near_blocks(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct replica *r = setup();
    struct commit_stats st;
    fill_image();
    struct run_name run = stage_some(r);
    CHECK_OK(commit(r, &run, 1, &st, &err), &err);
    /* blocks three apart are one read in each 256 KiB; the holes of the zeroed stretch none */
    assert_int_equal(st.reads, 8 + 1 + 1);
    assert_int_equal(dev.reads, st.reads);
    assert_int_equal(dev.most_ahead, st.reads); /* all before the first was done */
    assert_int_equal(dev.read_bytes, 8 * (RUN_DATA_MAX - 3 * 4096) + 65536 + 512);
    teardown(r);
}

static void test_far_blocks_are_read_apart_with_a_bounded_queue(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct replica *r = setup();
    struct commit_stats st;
    struct run_record recs[256];
    size_t n = 0;
    for (uint64_t off = 0; off + 4096 <= SIZE; off += 6 * 4096) {
        recs[n++] = (struct run_record){RUN_DATA, 0, off, 4096, ones};
    }
    struct run_name run = stage(r, "run-000001", recs, n);
    CHECK_OK(commit(r, &run, 1, &st, &err), &err);
    assert_int_equal(st.reads, n);
    assert_int_equal(dev.read_bytes, n * 4096);
    assert_in_range(dev.most_ahead, 64, 128);
    teardown(r);
}

static void test_nothing_staged_keeps_the_cache(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct replica *r = setup();
    struct commit_stats st;
    CHECK_OK(commit(r, NULL, 0, &st, &err), &err);
    assert_int_equal(dev.drops, 0);
    assert_int_equal(dev.flushes, 1); /* what somebody else put there */
    assert_int_equal(dev.reads + dev.writes + dev.zeroes, 0);
    next.uuid = vr_uuid_new();
    const struct run_record same = {RUN_REVERT, 0, 0, 4096, NULL};
    struct run_name run = stage(r, "run-000001", &same, 1);
    CHECK_OK(commit(r, &run, 1, &st, &err), &err);
    assert_int_equal(dev.drops, 0);
    assert_int_equal(dev.reads + dev.writes + dev.zeroes, 0);
    teardown(r);
}

static void test_the_cache_is_dropped_where_reads_do_not_pass_it(void **state)
{
    for (int direct = 0; direct < 2; direct++) {
        struct vr_err err = VR_ERR_INIT;
        struct replica *r = setup();
        struct commit_stats st;
        dev.direct = direct;
        struct run_name run = stage_some(r);
        CHECK_OK(commit(r, &run, 1, &st, &err), &err);
        assert_int_equal(dev.drops, !direct);
        teardown(r);
    }
}

static void test_a_disk_without_holes_is_asked_once(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct replica *r = setup();
    struct commit_stats st;
    fill_image();
    struct run_name run = stage_some(r);
    CHECK_OK(commit(r, &run, 1, &st, &err), &err);
    assert_int_equal(st.extents, 1);
    assert_int_equal(dev.reserves, 0);
    teardown(r);
}

static void test_no_room_is_found_before_the_intent(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct replica *r = setup();
    struct commit_stats st;
    struct run_name run = stage_some(r); /* the image is one hole */
    dev.fail_reserve = VR_E_NOSPACE;
    CHECK_FAILS(commit(r, &run, 1, &st, &err), &err, VR_E_NOSPACE, "free space");
    assert_int_equal(dev.reserves, 1);
    assert_int_equal(dev.writes + dev.zeroes, 0);
    assert_false(r->sc.intent);
    assert_true(stor_exists(r->stor, "run-000001"));
    teardown(r);
}

/* What is held for a format is there when it is written, also by who repeats the commit. */
static void test_room_that_is_held_is_given_back_before_it_is_needed(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct replica *r = setup();
    struct commit_stats st;
    dev.plain = true;
    snprintf(r->sc.vm.disks[0].format, sizeof r->sc.vm.disks[0].format, "qcow2");
    struct run_name run = stage_some(r);
    dev.fail_write = VR_E_NOSPACE;
    CHECK_FAILS(commit(r, &run, 1, &st, &err), &err, VR_E_NOSPACE, "will be repeated");
    assert_true(r->sc.intent);
    assert_int_equal(dev.held, 0);
    int fd = open_image(BALLAST_NAME, O_RDWR | O_CREAT); /* as a crash may leave it */
    assert_int_equal(ftruncate(fd, 4096), 0);
    close(fd);
    replica_close(r);
    dev.fail_write = 0;
    CHECK_OK(open_replica(&r, &err), &err);
    assert_int_equal(dev.held, 0);
    assert_true(vr_uuid_eq(&r->sc.rel.generation.uuid, &next.uuid));
    teardown(r);
}

static void flip(const char *name, uint64_t at)
{
    int fd = open_image(name, O_RDWR);
    uint8_t b;
    assert_int_equal(pread(fd, &b, 1, (off_t)at), 1);
    b ^= 1;
    assert_int_equal(pwrite(fd, &b, 1, (off_t)at), 1);
    close(fd);
}

static void test_rotten_staging_is_found_before_the_intent(void **state)
{
    static const uint64_t at[] = {4096 + 100, 4096 + 8192 + 4096 * 100 + 7}; /* index, data */
    for (size_t i = 0; i < VR_COUNT(at); i++) {
        struct vr_err err = VR_ERR_INIT;
        struct replica *r = setup();
        struct commit_stats st;
        struct run_name run = stage_some(r);
        flip("run-000001", at[i]);
        CHECK_FAILS(commit(r, &run, 1, &st, &err), &err, VR_E_CORRUPT, "-000001' is damaged");
        assert_int_equal(dev.writes + dev.zeroes, 0);
        assert_false(r->sc.intent);
        teardown(r);
    }
}

/* Opens the replica anew, which repeats the begun commit. */
static int again(struct replica **r, struct vr_err *err)
{
    replica_close(*r);
    *r = NULL;
    return open_replica(r, err);
}

static void test_rotten_staging_after_the_intent_writes_no_wrong_byte(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct replica *r = setup();
    struct commit_stats st;
    uint64_t at = 4096 + 8192 + 4096 * 3 + 7;
    struct run_name run = stage_some(r);
    dev.fail_flush = VR_E_IO;
    CHECK_FAILS(commit(r, &run, 1, &st, &err), &err, VR_E_IO, "commit blocked");
    assert_true(r->sc.intent);
    dev.fail_flush = 0;
    dev.writes = 0;
    flip("sealed-000001", at);
    CHECK_FAILS(again(&r, &err), &err, VR_E_CORRUPT, "sealed-000001' is damaged at byte 4096");
    assert_int_equal(dev.writes, 0); /* not one block of that segment */
    flip("sealed-000001", at);
    CHECK_OK(again(&r, &err), &err);
    check_byte(0, 1);
    teardown(r);
}

static void test_a_failed_flush_repeats_everything(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct replica *r = setup();
    struct commit_stats st;
    struct run_name run = stage_some(r);
    dev.fail_flush = VR_E_IO;
    CHECK_FAILS(commit(r, &run, 1, &st, &err), &err, VR_E_IO, "commit blocked");
    assert_int_equal(dev.reads, 0);
    assert_false(stor_exists(r->stor, "vda.raw"));
    uint64_t once = dev.written_bytes;
    dev.fail_flush = 0;
    CHECK_OK(again(&r, &err), &err);
    assert_int_equal(dev.written_bytes, 2 * once);
    assert_int_equal(dev.flushes, 2);
    assert_true(dev.reads > 0);
    check_byte(SIZE - 1, 1);
    teardown(r);
}

static void test_a_lying_disk_never_becomes_a_generation(void **state)
{
    static const uint64_t at[] = {0, 4095, 5 * 16384 + 9, 2 * VR_MIB + 65535, SIZE - 512, SIZE - 1};
    for (size_t i = 0; i < VR_COUNT(at); i++) {
        struct vr_err err = VR_ERR_INIT;
        struct replica *r = setup();
        struct commit_stats st;
        fill_image();
        struct run_name run = stage_some(r);
        dev.lie_at = at[i];
        CHECK_FAILS(commit(r, &run, 1, &st, &err), &err, VR_E_IO, "gives back other bytes");
        assert_true(r->sc.intent);
        assert_false(stor_exists(r->stor, "vda.raw"));
        dev.lie_at = UINT64_MAX;
        CHECK_OK(again(&r, &err), &err);
        check_byte(at[i], 1);
        teardown(r);
    }
}

static void test_a_block_between_two_is_not_judged(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct replica *r = setup();
    struct commit_stats st;
    fill_image();
    struct run_name run = stage_some(r);
    dev.lie_at = 4096; /* read along, not written */
    CHECK_OK(commit(r, &run, 1, &st, &err), &err);
    teardown(r);
}

static void test_zeroes_are_read_back_where_no_hole_says_so(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct replica *r = setup();
    struct commit_stats st;
    fill_image();
    const struct run_record rec = {RUN_ZERO, 0, 8192, 8192, NULL}; /* too small to be punched */
    struct run_name run = stage(r, "run-000001", &rec, 1);
    dev.lie_at = 8192 + 8191;
    CHECK_FAILS(commit(r, &run, 1, &st, &err), &err, VR_E_IO, "gives back other bytes");
    dev.lie_at = UINT64_MAX;
    CHECK_OK(again(&r, &err), &err);
    check_byte(8192 + 8191, 0);
    teardown(r);
}

/* A REVERT of a later run takes back what an earlier one staged; blocks of both are checked under
 * the key of their own. */
static void test_several_runs(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct replica *r = setup();
    struct commit_stats st;
    static uint8_t twos[8192];
    memset(twos, 2, sizeof twos);
    fill_image();
    const struct run_record later[] = {{RUN_REVERT, 0, 16384, 4096, NULL},
                                       {RUN_DATA, 0, 2 * VR_MIB + 4096, 8192, twos}};
    const struct run_name runs[] = {stage_some(r), stage(r, "run-000002", later, 2)};
    CHECK_OK(commit(r, runs, 2, &st, &err), &err);
    check_byte(0, 1);
    check_byte(16384, 0x55);
    check_byte(2 * VR_MIB + 4095, 1);
    check_byte(2 * VR_MIB + 4096, 2);
    check_byte(2 * VR_MIB + 4096 + 8192, 1);
    assert_int_equal(dev.written_bytes, 127 * 4096 + 65536 + 512);
    teardown(r);
}

/* Merges that were cut off, each after it had begun a run. */
static void test_more_runs_than_there_may_be(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct replica *r = setup();
    struct run_name found[RUNS_MAX];
    char name[32];
    size_t n;
    for (unsigned i = 1; i <= RUNS_MAX + 2; i++) {
        struct run_writer *w;
        uint8_t key[32] = {(uint8_t)i};
        snprintf(name, sizeof name, "run-%06u", i);
        CHECK_OK(run_writer_new(r->stor, name, key, &r->sc.rel.generation.uuid, &w, &err), &err);
        CHECK_OK(run_writer_flush(w, &err), &err);
        run_writer_free(w);
    }
    CHECK_OK(replica_runs(r, found, &n, &err), &err);
    assert_int_equal(n, RUNS_MAX);
    CHECK_OK(replica_trim_runs(r, &err), &err);
    assert_true(stor_exists(r->stor, "run-000008"));
    assert_false(stor_exists(r->stor, "run-000009"));
    assert_false(stor_exists(r->stor, "run-000010"));
    teardown(r);
}

static void make_version_1(const char *name)
{
    int fd = open_image(name, O_RDWR);
    assert_int_equal(pwrite(fd, "\1", 1, 4), 1);
    close(fd);
}

static void test_runs_of_an_older_version(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct replica *r = setup();
    struct commit_stats st;
    struct run_name found[RUNS_MAX];
    size_t n;
    /* only staged: as if nothing had been */
    stage_some(r);
    make_version_1("run-000001");
    CHECK_OK(replica_runs(r, found, &n, &err), &err);
    assert_int_equal(n, 0);
    CHECK_OK(again(&r, &err), &err);
    assert_false(stor_exists(r->stor, "run-000001"));
    /* with an intent: it is said, and nothing is touched */
    CHECK_OK(replica_lock(r, &err), &err);
    struct run_name run = stage_some(r);
    dev.fail_flush = VR_E_IO;
    CHECK_FAILS(commit(r, &run, 1, &st, &err), &err, VR_E_IO, "commit blocked");
    make_version_1("sealed-000001");
    dev.fail_flush = 0;
    dev.writes = 0;
    CHECK_FAILS(again(&r, &err), &err, VR_E_CORRUPT, "is of version 1, this program knows 2");
    assert_int_equal(dev.writes, 0);
    int fd = open_image("sealed-000001", O_RDONLY);
    assert_true(fd >= 0);
    close(fd);
    teardown(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_what_is_staged_is_written_and_nothing_else),
        T(test_readback_asks_ahead_and_joins_near_blocks),
        T(test_far_blocks_are_read_apart_with_a_bounded_queue),
        T(test_nothing_staged_keeps_the_cache),
        T(test_the_cache_is_dropped_where_reads_do_not_pass_it),
        T(test_a_disk_without_holes_is_asked_once),
        T(test_no_room_is_found_before_the_intent),
        T(test_room_that_is_held_is_given_back_before_it_is_needed),
        T(test_rotten_staging_is_found_before_the_intent),
        T(test_rotten_staging_after_the_intent_writes_no_wrong_byte),
        T(test_a_failed_flush_repeats_everything),
        T(test_a_lying_disk_never_becomes_a_generation),
        T(test_a_block_between_two_is_not_judged),
        T(test_zeroes_are_read_back_where_no_hole_says_so),
        T(test_several_runs),
        T(test_more_runs_than_there_may_be),
        T(test_runs_of_an_older_version),
    };
    return RUN(tests);
}
