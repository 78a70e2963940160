/* SPDX-License-Identifier: Apache-2.0 */
/* Staging runs: later runs win, damage ends a run, a commit refuses a damaged one. */
#include <fcntl.h>
#include <unistd.h>

#include "resync/record.h"
#include "resync/run.h"
#include "resync/sidecar.h"
#include "tests/lib/check.h"
#include "util/num.h"

static char dir[] = "/tmp/vr-run-XXXXXX";
static struct stor *stor;
static const struct vr_uuid base = {{1, 2, 3}};

static uint64_t write_run(const char *name, const struct run_record *recs, size_t n)
{
    struct vr_err err = VR_ERR_INIT;
    uint8_t key[32] = {5};
    struct run_writer *w;
    CHECK_OK(stor_unlink(stor, name, &err), &err);
    CHECK_OK(run_writer_new(stor, name, key, &base, &w, &err), &err);
    for (size_t i = 0; i < n; i++) {
        CHECK_OK(run_writer_add(w, &recs[i], &err), &err);
    }
    CHECK_OK(run_writer_sync(w, &err), &err);
    uint64_t bytes = run_writer_bytes(w);
    run_writer_free(w);
    return bytes;
}

static void test_later_runs_win(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    static uint8_t ones[16384], twos[4096], buf[RUN_DATA_MAX], leaf[64];
    memset(ones, 1, sizeof ones);
    memset(twos, 2, sizeof twos);
    const struct run_record first[] = {{RUN_DATA, 0, 0, 16384, ones},
                                       {RUN_ZERO, 1, 8192, 1 << 20, NULL}};
    const struct run_record second[] = {{RUN_DATA, 0, 4096, 4096, twos},
                                        {RUN_REVERT, 0, 8192, 4096, NULL}};
    write_run("run-000001", first, 2);
    write_run("run-000002", second, 2);
    const struct run_name names[] = {{"run-000001", 0}, {"run-000002", 0}};
    struct overlay *o;
    bool any;
    uint64_t next;
    CHECK_OK(overlay_open(stor, names, 2, &base, false, &o, &err), &err);
    CHECK_OK(overlay_chunk(o, 0, 0, RUN_DATA_MAX, buf, leaf, &any, &err), &err);
    assert_true(any);
    const uint8_t want[] = {LEAF_DATA, LEAF_DATA, LEAF_REVERT, LEAF_DATA, LEAF_BASE};
    assert_memory_equal(leaf, want, sizeof want);
    assert_int_equal(buf[0], 1);
    assert_int_equal(buf[4096], 2);
    assert_int_equal(buf[12288], 1);
    CHECK_OK(overlay_next(o, 0, RUN_DATA_MAX, &next, &err), &err);
    assert_true(next == UINT64_MAX);
    CHECK_OK(overlay_next(o, 1, 0, &next, &err), &err);
    assert_int_equal(next, 8192);
    /* a record that spans chunks is still there in the next one */
    CHECK_OK(overlay_chunk(o, 1, 2 * RUN_DATA_MAX, RUN_DATA_MAX, buf, leaf, &any, &err), &err);
    assert_int_equal(leaf[0], LEAF_ZERO);
    overlay_free(o);
}

/* --- the file's form; docs/on-disk.md --- */

#define HEADER 4096u
#define INDEX 8192u
#define SEGMENT (INDEX + 128u * 4096u)
#define RECORDS_MAX 304u

static int open_run(const char *name, int flags)
{
    int d = open(dir, O_RDONLY | O_DIRECTORY);
    int fd = openat(d, name, flags, 0600);
    assert_true(fd >= 0);
    close(d);
    return fd;
}

static void damage(const char *name, uint64_t at)
{
    int fd = open_run(name, O_RDWR);
    uint8_t b;
    assert_int_equal(pread(fd, &b, 1, (off_t)at), 1);
    b ^= 0x40;
    assert_int_equal(pwrite(fd, &b, 1, (off_t)at), 1);
    close(fd);
}

/* Moves n bytes within a run. */
static void copy_within(const char *name, uint64_t from, uint64_t to, size_t n)
{
    int fd = open_run(name, O_RDWR);
    uint8_t *p = malloc(n);
    assert_int_equal(pread(fd, p, n, (off_t)from), n);
    assert_int_equal(pwrite(fd, p, n, (off_t)to), n);
    free(p);
    close(fd);
}

static uint8_t content(uint64_t off)
{
    return (uint8_t)(off / 4096 * 7 + 1);
}

/* `blocks` single blocks, every other one: full segments of 128 records each. */
static uint64_t write_scattered(const char *name, uint32_t blocks)
{
    struct run_record *recs = calloc(blocks, sizeof *recs);
    uint8_t *bytes = malloc((size_t)blocks * 4096);
    for (uint32_t i = 0; i < blocks; i++) {
        uint64_t off = (uint64_t)i * 8192;
        memset(bytes + (size_t)i * 4096, content(off), 4096);
        recs[i] = (struct run_record){RUN_DATA, 0, off, 4096, bytes + (size_t)i * 4096};
    }
    uint64_t n = write_run(name, recs, blocks);
    free(recs);
    free(bytes);
    return n;
}

/* Reads everything; *ret_blocks: how many staged blocks there are. Their contents must be right. */
static int read_scattered(
    const char *name, uint64_t bytes, unsigned flags, uint32_t *ret_blocks, struct vr_err *err)
{
    static uint8_t buf[RUN_DATA_MAX], leaf[64], right[4096], wrong[4096];
    static struct leaf_tag tags[64];
    struct run_name run = {"", bytes};
    struct overlay *o;
    snprintf(run.name, sizeof run.name, "%s", name);
    *ret_blocks = 0;
    int r = overlay_open(stor, &run, 1, &base, flags, &o, err);
    if (r < 0) {
        return r;
    }
    for (uint64_t off = 0; r == 0 && off < 600 * 8192; off += RUN_DATA_MAX) {
        bool any;
        r = flags & OVERLAY_INDEX
                ? overlay_chunk_tags(o, 0, off, RUN_DATA_MAX, tags, leaf, &any, err)
                : overlay_chunk(o, 0, off, RUN_DATA_MAX, buf, leaf, &any, err);
        for (uint32_t i = 0; r == 0 && i < 64; i++) {
            uint64_t at = off + i * 4096;
            memset(right, content(at), sizeof right);
            memcpy(wrong, right, sizeof wrong);
            wrong[4095] ^= 1;
            if (leaf[i] == LEAF_BASE) {
                continue;
            }
            assert_int_equal(leaf[i], LEAF_DATA);
            assert_int_equal(at % 8192, 0);
            ++*ret_blocks;
            if (flags & OVERLAY_INDEX) {
                assert_true(overlay_is_leaf(o, &tags[i], right, 4096));
                assert_false(overlay_is_leaf(o, &tags[i], wrong, 4096));
            } else {
                assert_memory_equal(buf + i * 4096, right, 4096);
            }
        }
    }
    overlay_free(o);
    return r;
}

static void test_segments_are_full_and_aligned(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    uint32_t n;
    uint64_t bytes = write_scattered("run-000003", 300);
    assert_int_equal(bytes, HEADER + 2 * SEGMENT + INDEX + 44 * 4096);
    struct stor_file *f;
    CHECK_OK(stor_open(stor, "run-000003", false, &f, &err), &err);
    assert_int_equal(stor_file_size(f), bytes);
    stor_file_close(f);
    for (unsigned flags = 0; flags < 4; flags++) {
        CHECK_OK(read_scattered("run-000003", bytes, flags, &n, &err), &err);
        assert_int_equal(n, 300);
    }
    /* bytes behind the agreed end are not of the run */
    CHECK_OK(read_scattered("run-000003", HEADER + SEGMENT, OVERLAY_STRICT, &n, &err), &err);
    assert_int_equal(n, 128);
}

static void test_neighbours_are_one_record_but_blocks_stay_apart(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    static uint8_t bytes[4096], buf[RUN_DATA_MAX], leaf[64];
    struct run_record recs[400];
    for (uint32_t i = 0; i < 400; i++) { /* more than an index holds, were they not joined */
        recs[i] = (struct run_record){RUN_ZERO, 0, (uint64_t)i * 4096, 4096, NULL};
    }
    recs[0] = (struct run_record){RUN_DATA, 0, 0, 4096, bytes};
    recs[1].type = RUN_REVERT;
    assert_int_equal(write_run("run-000003", recs, 400), HEADER + INDEX + 4096);
    const struct run_name run = {"run-000003", HEADER + INDEX + 4096};
    struct overlay *o;
    bool any;
    CHECK_OK(overlay_open(stor, &run, 1, &base, OVERLAY_STRICT, &o, &err), &err);
    CHECK_OK(overlay_chunk(o, 0, 0, RUN_DATA_MAX, buf, leaf, &any, &err), &err);
    assert_int_equal(leaf[0], LEAF_DATA);
    assert_int_equal(leaf[1], LEAF_REVERT);
    assert_int_equal(leaf[2], LEAF_ZERO);
    CHECK_OK(overlay_chunk(o, 0, 6 * RUN_DATA_MAX, RUN_DATA_MAX, buf, leaf, &any, &err), &err);
    assert_int_equal(leaf[15], LEAF_ZERO);
    assert_int_equal(leaf[16], LEAF_BASE);
    overlay_free(o);
    for (uint32_t i = 0; i < 400; i++) {
        recs[i] = (struct run_record){RUN_ZERO, 0, (uint64_t)i * 8192, 4096, NULL};
    }
    assert_int_equal(write_run("run-000003", recs, RECORDS_MAX), HEADER + INDEX);
    assert_int_equal(write_run("run-000003", recs, RECORDS_MAX + 1), HEADER + 2 * INDEX);
}

static void test_a_short_last_block(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    static uint8_t bytes[8192], leaf[64];
    static struct leaf_tag tags[64];
    memset(bytes, 9, sizeof bytes);
    const struct run_record recs[] = {{RUN_DATA, 0, 0, 4096 + 512, bytes},
                                      {RUN_DATA, 1, 0, 4096, bytes}};
    const struct run_name run = {"run-000003", write_run("run-000003", recs, 2)};
    struct overlay *o;
    bool any;
    assert_int_equal(run.bytes, HEADER + INDEX + 3 * 4096);
    CHECK_OK(overlay_open(stor, &run, 1, &base, OVERLAY_STRICT | OVERLAY_INDEX, &o, &err), &err);
    CHECK_OK(overlay_chunk_tags(o, 0, 0, 4096 + 512, tags, leaf, &any, &err), &err);
    assert_true(overlay_is_leaf(o, &tags[1], bytes, 512));
    assert_false(overlay_is_leaf(o, &tags[1], bytes, 511));
    CHECK_OK(overlay_chunk_tags(o, 1, 0, 4096, tags, leaf, &any, &err), &err);
    assert_true(overlay_is_leaf(o, &tags[0], bytes, 4096)); /* behind the padding */
    overlay_free(o);
}

/* A bit anywhere in the second of three segments: the run ends with the first, and a commit says
 * no. */
static void test_damage_ends_a_run_and_blocks_a_commit(void **state)
{
    static const uint64_t index_at[] = {
        0,          4,          5,        8,         16,
        20,         31,         32,       47,        32 + 2047,
        2080,       2080 + 3,   2080 + 4, 2080 + 12, 2080 + 20 * 127,
        INDEX - 17, INDEX - 16, INDEX - 1};
    static const uint64_t data_at[] = {INDEX, INDEX + 4095, INDEX + 4096, SEGMENT - 1};
    struct vr_err err = VR_ERR_INIT;
    uint32_t n;
    uint64_t bytes = write_scattered("run-000003", 300);
    for (size_t i = 0; i < VR_COUNT(index_at); i++) {
        uint64_t at = HEADER + SEGMENT + index_at[i];
        damage("run-000003", at);
        for (unsigned index = 0; index <= OVERLAY_INDEX; index += OVERLAY_INDEX) {
            CHECK_OK(read_scattered("run-000003", 0, index, &n, &err), &err);
            assert_int_equal(n, 128); /* as if the rest had never been staged */
            CHECK_FAILS(read_scattered("run-000003", bytes, index | OVERLAY_STRICT, &n, &err), &err,
                        VR_E_CORRUPT, "run-000003");
        }
        damage("run-000003", at);
    }
    for (size_t i = 0; i < VR_COUNT(data_at); i++) {
        uint64_t at = HEADER + SEGMENT + data_at[i];
        damage("run-000003", at);
        CHECK_OK(read_scattered("run-000003", 0, 0, &n, &err), &err);
        assert_int_equal(n, 128);
        CHECK_FAILS(read_scattered("run-000003", bytes, OVERLAY_STRICT, &n, &err), &err,
                    VR_E_CORRUPT, "run-000003");
        CHECK_OK(read_scattered("run-000003", bytes, OVERLAY_STRICT | OVERLAY_INDEX, &n, &err),
                 &err); /* nobody asked for the data */
        damage("run-000003", at);
    }
    CHECK_OK(read_scattered("run-000003", bytes, OVERLAY_STRICT, &n, &err), &err);
}

static void test_padding_of_a_short_block_is_checked(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    static uint8_t bytes[512];
    const struct run_record rec = {RUN_DATA, 0, 0, 512, bytes};
    uint64_t end = write_run("run-000003", &rec, 1);
    uint32_t n;
    damage("run-000003", end - 1);
    CHECK_FAILS(read_scattered("run-000003", end, OVERLAY_STRICT, &n, &err), &err, VR_E_CORRUPT,
                "run-000003");
}

static void test_every_byte_of_the_header_counts(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    uint32_t n;
    uint64_t bytes = write_scattered("run-000003", 2);
    for (uint64_t at = 0; at < HEADER; at += at < 80 ? 1 : 61) {
        damage("run-000003", at);
        CHECK_FAILS(read_scattered("run-000003", bytes, OVERLAY_STRICT, &n, &err), &err,
                    VR_E_CORRUPT, "run-000003");
        damage("run-000003", at);
    }
}

/* Whatever is cut off, what is left is whole segments. */
static void test_torn_anywhere(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    uint64_t bytes = write_scattered("run-000003", 300);
    const struct {
        uint64_t size;
        uint32_t blocks;
    } cut[] = {{0, 0},
               {1, 0},
               {7, 0},
               {8, 0},
               {HEADER - 1, 0},
               {HEADER, 0},
               {HEADER + 1, 0},
               {HEADER + INDEX, 0},
               {HEADER + SEGMENT - 1, 0},
               {HEADER + SEGMENT, 128},
               {HEADER + SEGMENT + INDEX - 1, 128},
               {HEADER + SEGMENT + INDEX, 128},
               {HEADER + 2 * SEGMENT - 4096, 128},
               {HEADER + 2 * SEGMENT, 256},
               {bytes - 1, 256}};
    for (size_t i = VR_COUNT(cut); i-- > 0;) {
        int fd = open_run("run-000003", O_RDWR);
        uint32_t n;
        assert_int_equal(ftruncate(fd, (off_t)cut[i].size), 0);
        for (unsigned index = 0; index <= OVERLAY_INDEX; index += OVERLAY_INDEX) {
            CHECK_OK(read_scattered("run-000003", 0, index, &n, &err), &err);
            assert_int_equal(n, cut[i].blocks);
            CHECK_FAILS(read_scattered("run-000003", bytes, index | OVERLAY_STRICT, &n, &err), &err,
                        VR_E_CORRUPT, "damaged");
        }
        if (cut[i].size % 512 == 0) { /* as a file system may leave it: the bytes never came */
            assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
            CHECK_OK(read_scattered("run-000003", 0, 0, &n, &err), &err);
            assert_int_equal(n, cut[i].blocks);
        }
        close(fd);
    }
}

static void test_segments_have_their_place_and_their_run(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    uint32_t n;
    uint64_t bytes = write_scattered("run-000003", 384);
    copy_within("run-000003", HEADER + SEGMENT, HEADER, SEGMENT); /* two before one */
    CHECK_OK(read_scattered("run-000003", 0, 0, &n, &err), &err);
    assert_int_equal(n, 0);
    write_scattered("run-000003", 384);
    copy_within("run-000003", HEADER, HEADER + SEGMENT, SEGMENT); /* one twice */
    CHECK_OK(read_scattered("run-000003", 0, 0, &n, &err), &err);
    assert_int_equal(n, 128);
    write_scattered("run-000003", 384);
    copy_within("run-000003", HEADER + 2 * SEGMENT, HEADER + SEGMENT, SEGMENT); /* one left out */
    CHECK_FAILS(read_scattered("run-000003", bytes, OVERLAY_STRICT | OVERLAY_INDEX, &n, &err), &err,
                VR_E_CORRUPT, "run-000003");
    write_scattered("run-000003", 384);
    copy_within("run-000003", HEADER + INDEX, HEADER + INDEX + 4096, 4096); /* a block elsewhere */
    CHECK_FAILS(read_scattered("run-000003", bytes, OVERLAY_STRICT, &n, &err), &err, VR_E_CORRUPT,
                "run-000003");
    write_scattered("run-000003", 384);
    /* of another run with another key */
    struct run_writer *w;
    const struct run_record rec = {RUN_ZERO, 0, 0, 4096, NULL};
    CHECK_OK(run_writer_new(stor, "run-000004", (const uint8_t[32]){6}, &base, &w, &err), &err);
    CHECK_OK(run_writer_add(w, &rec, &err), &err);
    CHECK_OK(run_writer_sync(w, &err), &err);
    run_writer_free(w);
    int from = open_run("run-000004", O_RDONLY), to = open_run("run-000003", O_RDWR);
    uint8_t head[HEADER];
    assert_int_equal(pread(from, head, sizeof head, 0), sizeof head);
    assert_int_equal(pwrite(to, head, sizeof head, 0), sizeof head);
    close(from);
    close(to);
    CHECK_OK(read_scattered("run-000003", 0, OVERLAY_INDEX, &n, &err), &err);
    assert_int_equal(n, 0);
}

/* A right checksum does not make an index right: numbers beyond the limits, with the tag put right
 * again. */
static void test_limits_hold_whatever_the_tags_say(void **state)
{
    static const struct {
        uint32_t at;
        uint8_t width;
        uint64_t value;
    } bad[] = {
        {4, 4, 0},
        {4, 4, RECORDS_MAX + 1},
        {4, 4, UINT32_MAX},
        {8, 8, 1},  /* number */
        {16, 4, 0}, /* fewer blocks than the records need */
        {16, 4, 3}, /* more */
        {16, 4, 129},
        {16, 4, UINT32_MAX},
        {2080, 2, 1000}, /* disk */
        {2082, 2, 0},    /* type */
        {2082, 2, 4},
        {2084, 8, 512},  /* offset */
        {2084, 8, 8192}, /* overlaps the next */
        {2084, 8, UINT64_MAX - 4095},
        {2092, 8, 0}, /* length */
        {2092, 8, UINT64_MAX},
        {2092, 8, 1u << 20},
        {2092, 8, 8193},
    };
    struct vr_err err = VR_ERR_INIT;
    for (size_t i = 0; i < VR_COUNT(bad); i++) {
        uint64_t bytes = write_scattered("run-000003", 2);
        uint8_t index[INDEX], head[HEADER];
        struct checksum *sum;
        uint32_t n;
        int fd = open_run("run-000003", O_RDWR);
        assert_int_equal(pread(fd, head, HEADER, 0), HEADER);
        assert_int_equal(pread(fd, index, INDEX, HEADER), INDEX);
        for (unsigned b = 0; b < bad[i].width; b++) {
            index[bad[i].at + b] = (uint8_t)(bad[i].value >> (8 * b));
        }
        CHECK_OK(checksum_new(head + 8, &sum, &err), &err);
        checksum_tag(sum, head + HEADER - 16, 16, index, INDEX - 16, index + INDEX - 16);
        checksum_free(sum);
        assert_int_equal(pwrite(fd, index, INDEX, HEADER), INDEX);
        close(fd);
        for (unsigned flags = 0; flags < 4; flags += 2) {
            CHECK_OK(read_scattered("run-000003", 0, flags, &n, &err), &err);
            assert_int_equal(n, 0);
            CHECK_FAILS(read_scattered("run-000003", bytes, flags | OVERLAY_STRICT, &n, &err), &err,
                        VR_E_CORRUPT, "run-000003");
        }
    }
}

static void test_another_version_is_refused(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    uint32_t n;
    static const uint8_t v1[] = {'V', 'R', 'U', 'N', 1, 0, 0, 0, 9, 9};
    CHECK_OK(stor_unlink(stor, "run-000003", &err), &err);
    int fd = open_run("run-000003", O_RDWR | O_CREAT);
    assert_int_equal(write(fd, v1, sizeof v1), sizeof v1);
    close(fd);
    for (unsigned flags = 0; flags < 4; flags++) {
        CHECK_FAILS(read_scattered("run-000003", 0, flags, &n, &err), &err, VR_E_CORRUPT,
                    "is of version 1, this program knows 2");
    }
}

static void test_tags_of_the_latest_run_win(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    static uint8_t ones[16384], twos[4096], leaf[64];
    static struct leaf_tag tags[64];
    memset(ones, 1, sizeof ones);
    memset(twos, 2, sizeof twos);
    const struct run_record first[] = {{RUN_DATA, 0, 0, 16384, ones}};
    const struct run_record second[] = {{RUN_DATA, 0, 4096, 4096, twos},
                                        {RUN_REVERT, 0, 8192, 4096, NULL}};
    const struct run_name names[] = {{"run-000001", write_run("run-000001", first, 1)},
                                     {"run-000002", write_run("run-000002", second, 2)}};
    struct overlay *o;
    bool any;
    CHECK_OK(overlay_open(stor, names, 2, &base, OVERLAY_STRICT | OVERLAY_INDEX, &o, &err), &err);
    CHECK_OK(overlay_chunk_tags(o, 0, 0, RUN_DATA_MAX, tags, leaf, &any, &err), &err);
    const uint8_t want[] = {LEAF_DATA, LEAF_DATA, LEAF_REVERT, LEAF_DATA, LEAF_BASE};
    assert_memory_equal(leaf, want, sizeof want);
    assert_true(overlay_is_leaf(o, &tags[0], ones, 4096));
    assert_true(overlay_is_leaf(o, &tags[1], twos, 4096));
    assert_false(overlay_is_leaf(o, &tags[1], ones, 4096));
    assert_true(overlay_is_leaf(o, &tags[3], ones, 4096));
    overlay_free(o);
}

static void test_another_base_is_refused(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    const struct vr_uuid other = {{9}};
    const struct run_name name = {"run-000001", 0};
    struct overlay *o;
    write_run("run-000001", NULL, 0);
    CHECK_FAILS(overlay_open(stor, &name, 1, &other, false, &o, &err), &err, VR_E_STATE,
                "another generation");
}

static void test_records_must_ascend(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    uint8_t key[32] = {5};
    struct run_writer *w;
    const struct run_record high = {RUN_ZERO, 0, 8192, 4096, NULL},
                            low = {RUN_ZERO, 0, 8192, 1, NULL};
    CHECK_OK(run_writer_new(stor, "run-000009", key, &base, &w, &err), &err);
    CHECK_OK(run_writer_add(w, &high, &err), &err);
    CHECK_FAILS(run_writer_add(w, &low, &err), &err, VR_E_PROTOCOL, "ascend");
    run_writer_free(w);
}

/* --- the sidecar --- */

static void sample_sidecar(struct sidecar *s)
{
    memset(s, 0, sizeof *s);
    s->rel.vm_id = s->vm.id = vr_uuid_new();
    s->role = REPLICA_ROLE_REPLICA;
    snprintf(s->vm.name, sizeof s->vm.name, "vm \"quoted\"");
    snprintf(s->rel.peer, sizeof s->rel.peer, "h1:8650");
    snprintf(s->rel.peer_identity, sizeof s->rel.peer_identity, "h1");
    s->vm.is_replica = true;
    s->vm.ndisks = 1;
    s->vm.disks[0] =
        (struct vr_disk){.name = "vda", .path = "vda.raw", .format = "raw", .size_bytes = 512};
    s->stamp[0] = 0xfedcba9876543210u;
    s->rel.generation.uuid = vr_uuid_new();
    s->rel.last_sync_us = INT64_MAX;
    s->next_instant_us = 5;
    s->rel.consistency = VR_CONSISTENCY_FILE_SYSTEM;
    s->next_consistency = VR_CONSISTENCY_APPLICATION;
    s->intent = true;
    s->next.uuid = vr_uuid_new();
    s->nruns = 1;
    s->runs[0] = (struct run_name){"run-000001", 1234};
}

static void test_sidecar_round_trip_and_every_flipped_byte(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct sidecar in, out;
    char *text;
    size_t n;
    sample_sidecar(&in);
    CHECK_OK(sidecar_write(stor, &in, &err), &err);
    CHECK_OK(sidecar_read(stor, &out, &err), &err);
    assert_memory_equal(&in, &out, sizeof in);
    CHECK_OK(stor_read(stor, REPLICA_SIDECAR, SIDECAR_MAX_BYTES, &text, &n, &err), &err);
    for (size_t i = 0; i < n; i++) {
        text[i] ^= 1;
        CHECK_OK(stor_replace(stor, REPLICA_SIDECAR, text, i + 1 == n ? n - 1 : n, &err), &err);
        text[i] ^= 1;
        if (i < n - 1) { /* the last newline says nothing */
            assert_int_equal(sidecar_read(stor, &out, NULL), -VR_E_CORRUPT);
        }
        i += 7; /* every eighth: each replace syncs */
    }
    free(text);
}

/* One of before it was kept says that it is not known; one that says nonsense is refused. */
static void test_sidecar_without_instant(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct sidecar in, out;
    const char *why;
    char *text;
    size_t n;
    json_t *root;
    sample_sidecar(&in);
    CHECK_OK(sidecar_write(stor, &in, &err), &err);
    CHECK_OK(stor_read(stor, REPLICA_SIDECAR, SIDECAR_MAX_BYTES, &text, &n, &err), &err);
    CHECK_OK(record_parse(text, n, &root, &why, &err), &err);
    free(text);
    json_object_set_new(root, "consistency", json_integer(4));
    CHECK_OK(record_write(stor, REPLICA_SIDECAR, root, SIDECAR_MAX_BYTES, &err), &err);
    assert_int_equal(sidecar_read(stor, &out, NULL), -VR_E_CORRUPT);
    json_object_set_new(root, "consistency", json_integer(3));
    json_object_set_new(root, "instant_us", json_integer(-1));
    CHECK_OK(record_write(stor, REPLICA_SIDECAR, root, SIDECAR_MAX_BYTES, &err), &err);
    assert_int_equal(sidecar_read(stor, &out, NULL), -VR_E_CORRUPT);
    static const char *const keys[] = {"consistency", "instant_us"};
    for (size_t i = 0; i < VR_COUNT(keys); i++) {
        assert_int_equal(json_object_del(root, keys[i]), 0);
        assert_int_equal(json_object_del(json_object_get(root, "intent"), keys[i]), 0);
    }
    CHECK_OK(record_write(stor, REPLICA_SIDECAR, root, SIDECAR_MAX_BYTES, &err), &err);
    json_decref(root);
    CHECK_OK(sidecar_read(stor, &out, &err), &err);
    in.rel.consistency = in.next_consistency = VR_CONSISTENCY_UNKNOWN;
    in.rel.last_sync_us = in.next_instant_us = 0;
    assert_memory_equal(&in, &out, sizeof in);
}

int main(void)
{
    struct vr_err err = VR_ERR_INIT;
    vr_assert(mkdtemp(dir));
    vr_assert(stor_dir_open(dir, true, dir, &stor, &err) == 0);
    const struct CMUnitTest tests[] = {T(test_later_runs_win),
                                       T(test_segments_are_full_and_aligned),
                                       T(test_neighbours_are_one_record_but_blocks_stay_apart),
                                       T(test_a_short_last_block),
                                       T(test_damage_ends_a_run_and_blocks_a_commit),
                                       T(test_padding_of_a_short_block_is_checked),
                                       T(test_every_byte_of_the_header_counts),
                                       T(test_torn_anywhere),
                                       T(test_segments_have_their_place_and_their_run),
                                       T(test_limits_hold_whatever_the_tags_say),
                                       T(test_another_version_is_refused),
                                       T(test_tags_of_the_latest_run_win),
                                       T(test_another_base_is_refused),
                                       T(test_records_must_ascend),
                                       T(test_sidecar_round_trip_and_every_flipped_byte),
                                       T(test_sidecar_without_instant)};
    int r = RUN(tests);
    stor_close(stor);
    char cmd[64];
    snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    return system(cmd) ? 1 : r;
}
