/* SPDX-License-Identifier: Apache-2.0 */
/* Staging runs: later runs win, damage ends a run, a commit refuses a damaged one. */
#include <fcntl.h>
#include <unistd.h>

#include "resync/run.h"
#include "resync/sidecar.h"
#include "tests/lib/check.h"

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

static void damage(const char *name, off_t at)
{
    int d = open(dir, O_RDONLY | O_DIRECTORY);
    int fd = openat(d, name, O_RDWR);
    uint8_t b;
    assert_int_equal(pread(fd, &b, 1, at), 1);
    b ^= 0x40;
    assert_int_equal(pwrite(fd, &b, 1, at), 1);
    close(fd);
    close(d);
}

static void test_damage_ends_a_run_and_blocks_a_commit(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    static uint8_t ones[4096], buf[RUN_DATA_MAX], leaf[64];
    const struct run_record recs[] = {{RUN_DATA, 0, 0, 4096, ones},
                                      {RUN_DATA, 0, 4096, 4096, ones}};
    uint64_t bytes = write_run("run-000003", recs, 2);
    struct run_name name = {"run-000003", 0};
    struct overlay *o;
    bool any;
    damage("run-000003", (off_t)bytes - 1);
    CHECK_OK(overlay_open(stor, &name, 1, &base, false, &o, &err), &err);
    CHECK_OK(overlay_chunk(o, 0, 0, RUN_DATA_MAX, buf, leaf, &any, &err), &err);
    assert_int_equal(leaf[0], LEAF_DATA);
    assert_int_equal(leaf[1], LEAF_BASE); /* as if it had never been staged */
    overlay_free(o);
    name.bytes = bytes;
    CHECK_OK(overlay_open(stor, &name, 1, &base, true, &o, &err), &err);
    CHECK_FAILS(overlay_chunk(o, 0, 0, RUN_DATA_MAX, buf, leaf, &any, &err), &err, VR_E_CORRUPT,
                "run-000003");
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

int main(void)
{
    struct vr_err err = VR_ERR_INIT;
    vr_assert(mkdtemp(dir));
    vr_assert(stor_dir_open(dir, true, dir, &stor, &err) == 0);
    const struct CMUnitTest tests[] = {T(test_later_runs_win),
                                       T(test_damage_ends_a_run_and_blocks_a_commit),
                                       T(test_another_base_is_refused), T(test_records_must_ascend),
                                       T(test_sidecar_round_trip_and_every_flipped_byte)};
    int r = RUN(tests);
    stor_close(stor);
    char cmd[64];
    snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    return system(cmd) ? 1 : r;
}
