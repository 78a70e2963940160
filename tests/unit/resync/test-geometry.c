/* SPDX-License-Identifier: Apache-2.0 */
/* Disks that grow, shrink, come and go: the replica has the old generation or the new one. */
#include <dirent.h>
#include <sys/stat.h>

#include "resync/geometry.h"
#include "tests/unit/resync/fixture.h"

/* The disk gets another size; what it had stays. */
static void resize(struct fixture *f, uint32_t disk, uint64_t size)
{
    struct vr_err err = VR_ERR_INIT;
    struct block_dev *old = f->src[disk], *new;
    CHECK_OK(block_mem_new(size, &new, &err), &err);
    uint64_t n = VR_MIN(size, old->size_bytes);
    uint8_t *p = malloc(n);
    for (uint64_t off = 0; off < n; off += VR_MIB) {
        size_t m = VR_MIN(VR_MIB, n - off);
        CHECK_OK(block_read(old, p, m, off, &err), &err);
        CHECK_OK(block_write(new, p, m, off, &err), &err);
    }
    free(p);
    block_close(old);
    f->src[disk] = new;
    f->req.disks[disk].size_bytes = size;
}

static void add_disk(struct fixture *f, const char *name, uint64_t size)
{
    struct vr_err err = VR_ERR_INIT;
    uint32_t i = f->req.ndisks++;
    block_close(TAKE_PTR(f->src[i]));
    CHECK_OK(block_mem_new(size, &f->src[i], &err), &err);
    f->req.disks[i] = (struct vr_disk){.size_bytes = size};
    snprintf(f->req.disks[i].name, VR_NAME_MAX, "%s", name);
    snprintf(f->req.disks[i].format, VR_FORMAT_MAX, "raw");
}

static void remove_disk(struct fixture *f, uint32_t disk)
{
    block_close(f->src[disk]);
    for (uint32_t i = disk; i + 1 < f->req.ndisks; i++) {
        f->src[i] = f->src[i + 1];
        f->req.disks[i] = f->req.disks[i + 1];
    }
    f->src[--f->req.ndisks] = NULL;
}

/* A sum of the images under their public names. */
static uint64_t images_sum(const struct fixture *f)
{
    char cmd[256];
    unsigned long long sum = 0;
    snprintf(cmd, sizeof cmd, "cd %s && for i in *.raw; do echo $i; cat $i; done | sha256sum",
             f->dir);
    FILE *p = popen(cmd, "r");
    assert_non_null(p);
    assert_int_equal(fscanf(p, "%16llx", &sum), 1);
    pclose(p);
    return sum;
}

static uint32_t count_files(const struct fixture *f, const char *part)
{
    uint32_t n = 0;
    DIR *d = opendir(f->dir);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        n += strstr(e->d_name, part) != NULL;
    }
    closedir(d);
    return n;
}

/* Cut after each step in turn, and opened again: never anything in between. */
static void cut_anywhere(struct fixture *f)
{
    struct vr_err err = VR_ERR_INIT;
    uint64_t old = images_sum(f), cuts = 0, told = 0;
    bool done = false;
    for (int cut = 1; !done; cut++) {
        CHECK_OK(transfer(f, VR_TRANSFER_RESYNC, cut, &done, &err), &err);
        struct replica *r = open_replica(f);
        bool next = replica_generation(r)->sequence == 2;
        assert_true(next || replica_generation(r)->sequence == 1);
        assert_true(next || images_sum(f) == old);
        assert_int_equal(count_files(f, HIDDEN_SUFFIX), 0);
        if (!next || done) {
            assert_string_equal(replica_followed(r), "");
        }
        if (next && !done) { /* finished when it was opened: PREFLIGHT would have told */
            told += replica_followed(r)[0] != '\0';
            f->history[0] = replica_generation(r)->uuid;
            done = true;
        }
        cuts++;
        replica_close(r);
        assert_true(cut < 3000);
    }
    assert_true(cuts > 10);
    assert_int_equal(told, 1); /* by nobody else */
    check_equal(f);
    assert_int_equal(count_files(f, "run-") + count_files(f, "sealed-"), 0);
    assert_int_equal(count_files(f, BALLAST_NAME), 0);
}

static void test_a_disk_grows(void **state)
{
    struct fixture f;
    struct vr_err err = VR_ERR_INIT;
    bool done = false;
    setup(&f, false);
    initial(&f);
    resize(&f, 0, SIZE_A + 3 * VR_MIB + 512);
    fill(f.src[0], SIZE_A + VR_MIB, 70000, 9);
    fill(f.src[0], 300000, 5000, 10);
    cut_anywhere(&f);
    struct replica *r = open_replica(&f);
    assert_int_equal(replica_vm(r)->disks[0].size_bytes, SIZE_A + 3 * VR_MIB + 512);
    assert_false(replica_changed_alone(r));
    replica_close(r);
    /* And again: nothing is left to do, of a disk of the new size. */
    CHECK_OK(transfer(&f, VR_TRANSFER_RESYNC, 100000, &done, &err), &err);
    assert_true(done);
    assert_int_equal(f.differing, 0);
    teardown(&f);
}

/* Nothing is sent of a tail of zeroes, and the image has its size all the same. */
static void test_a_disk_grows_by_nothing(void **state)
{
    struct fixture f;
    struct vr_err err = VR_ERR_INIT;
    bool done = false;
    setup(&f, false);
    initial(&f);
    resize(&f, 1, SIZE_B + 100 * VR_MIB);
    CHECK_OK(transfer(&f, VR_TRANSFER_RESYNC, 100000, &done, &err), &err);
    assert_true(done);
    assert_int_equal(f.differing, 0);
    check_equal(&f);
    teardown(&f);
}

/* A hint that knows nothing of what the disk has grown by. */
static void test_a_hint_does_not_hide_a_tail(void **state)
{
    struct fixture f;
    struct vr_err err = VR_ERR_INIT;
    bool done = false;
    setup(&f, false);
    initial(&f);
    resize(&f, 1, SIZE_B + 2 * VR_MIB);
    add_disk(&f, "vdc", VR_MIB);
    fill(f.src[1], SIZE_B + VR_MIB, 4096, 9);
    fill(f.src[2], 5000, 4096, 9);
    CHECK_OK(hint_new(&f.req, &f.hint, &err), &err);
    f.req.hinted = true;
    CHECK_OK(transfer(&f, VR_TRANSFER_RESYNC, 100000, &done, &err), &err);
    assert_true(done);
    assert_true(f.in.frames[MSG_SKIPPED] > 0);
    check_equal(&f);
    hint_free(f.hint);
    teardown(&f);
}

static void test_a_disk_shrinks(void **state)
{
    struct fixture f;
    setup(&f, false);
    initial(&f);
    resize(&f, 0, SIZE_A - 2 * VR_MIB - 100);
    fill(f.src[0], 4096, 4096, 11);
    cut_anywhere(&f);
    /* What was cut off does not come back. */
    struct vr_err err = VR_ERR_INIT;
    bool done = false;
    resize(&f, 0, SIZE_A);
    CHECK_OK(transfer(&f, VR_TRANSFER_RESYNC, 100000, &done, &err), &err);
    assert_true(done);
    check_equal(&f);
    teardown(&f);
}

static void test_disks_come_and_go(void **state)
{
    struct fixture f;
    struct vr_err err = VR_ERR_INIT;
    bool done = false;
    setup(&f, false);
    initial(&f);
    struct replica *r = open_replica(&f);
    char kept[128];
    replica_removed_name(r, &replica_vm(r)->disks[0], kept, sizeof kept);
    replica_close(r);
    remove_disk(&f, 0);
    add_disk(&f, "vdc", 2 * VR_MIB + 512);
    add_disk(&f, "vdd", 4096);
    resize(&f, 0, SIZE_B + 5000);
    fill(f.src[0], SIZE_B, 5000, 20);
    fill(f.src[1], 2 * VR_MIB - 1000, 1512, 21);
    cut_anywhere(&f);
    r = open_replica(&f);
    assert_int_equal(replica_vm(r)->ndisks, 3);
    assert_string_equal(replica_vm(r)->disks[1].path, "vdc.raw");
    /* Nobody asked for the removed disk's image to be deleted. */
    assert_true(stor_exists(replica_stor(r), kept));
    assert_false(stor_exists(replica_stor(r), "vda.raw"));
    replica_close(r);
    /* Back again under its name: as a new one. */
    add_disk(&f, "vda", SIZE_A);
    fill(f.src[3], 0, 4096, 22);
    CHECK_OK(transfer(&f, VR_TRANSFER_RESYNC, 100000, &done, &err), &err);
    assert_true(done);
    check_equal(&f);
    teardown(&f);
}

/* Cut as soon as something is staged. */
static void stage_some(struct fixture *f)
{
    struct vr_err err = VR_ERR_INIT;
    bool done = false;
    for (int cut = 1; count_files(f, "run-") == 0; cut++) {
        CHECK_OK(transfer(f, VR_TRANSFER_RESYNC, cut, &done, &err), &err);
        assert_false(done);
    }
}

/* A program that knows nothing of plans must not take a sidecar with one for its own. */
static void check_version(const struct fixture *f, const char *version)
{
    char cmd[128];
    snprintf(cmd, sizeof cmd, "grep -q '\"version\":%s,' %s/" REPLICA_SIDECAR, version, f->dir);
    assert_int_equal(system(cmd), 0);
}

/* What was staged for other disks is not used. */
static void test_it_changes_while_it_is_staged(void **state)
{
    struct fixture f;
    struct vr_err err = VR_ERR_INIT;
    bool done = false;
    setup(&f, false);
    initial(&f);
    uint64_t old = images_sum(&f);
    fill(f.src[1], 0, VR_MIB, 30);
    stage_some(&f);
    check_version(&f, "1");
    remove_disk(&f, 0);
    CHECK_OK(transfer(&f, VR_TRANSFER_RESYNC, 1, &done, &err), &err);
    assert_int_equal(count_files(&f, "run-"), 0);
    stage_some(&f);
    check_version(&f, "2");
    struct replica *r = open_replica(&f);
    assert_int_equal(replica_vm(r)->ndisks, 2);
    replica_close(r);
    assert_true(images_sum(&f) == old);
    CHECK_OK(transfer(&f, VR_TRANSFER_RESYNC, 100000, &done, &err), &err);
    assert_true(done);
    check_equal(&f);
    check_version(&f, "1");
    teardown(&f);
}

/* Before the first generation the images hold nothing: they are made anew. */
static void test_before_the_first_generation(void **state)
{
    struct fixture f;
    struct vr_err err = VR_ERR_INIT;
    bool done = false;
    setup(&f, false);
    fill(f.src[0], 0, 100000, 1);
    fill(f.src[1], 0, 100000, 2);
    CHECK_OK(transfer(&f, VR_TRANSFER_INITIAL, 8, &done, &err), &err);
    assert_false(done);
    resize(&f, 1, SIZE_B - VR_MIB);
    add_disk(&f, "vdc", VR_MIB);
    fill(f.src[2], 0, 5000, 3);
    CHECK_OK(transfer(&f, VR_TRANSFER_INITIAL, 4, &done, &err), &err);
    assert_false(done);
    remove_disk(&f, 0);
    CHECK_OK(transfer(&f, VR_TRANSFER_INITIAL, 100000, &done, &err), &err);
    assert_true(done);
    check_equal(&f);
    assert_int_equal(count_files(&f, "vda"), 0);
    teardown(&f);
}

static void check_refused(struct fixture *f, enum vr_err_kind kind, const char *text)
{
    struct vr_err err = VR_ERR_INIT;
    bool done = false;
    uint64_t old = images_sum(f);
    CHECK_FAILS(transfer(f, VR_TRANSFER_RESYNC, 1000, &done, &err), &err, kind, text);
    assert_true(images_sum(f) == old);
}

static void test_what_is_not_followed(void **state)
{
    struct fixture f;
    struct vr_err err = VR_ERR_INIT;
    struct vr_generation g;
    bool done = false;
    setup(&f, false);
    initial(&f);
    uint64_t size = f.req.disks[1].size_bytes;
    f.req.disks[1].size_bytes = VR_DISK_BYTES_MAX + 512;
    check_refused(&f, VR_E_INVALID, "at most");
    f.req.disks[1].size_bytes = 0;
    check_refused(&f, VR_E_INVALID, "cannot be used");
    f.req.disks[1].size_bytes = size;
    /* Somebody's file is in the place of the new image. */
    add_disk(&f, "vdc", VR_MIB);
    struct replica *r = open_replica(&f);
    CHECK_OK(stor_create_image(replica_stor(r), "vdc.raw", "raw", 4096, &err), &err);
    check_refused(&f, VR_E_EXISTS, "move it away");
    CHECK_OK(stor_unlink(replica_stor(r), "vdc.raw", &err), &err);
    replica_close(r);
    /* A verify tells the truth about the replica as it is. */
    CHECK_FAILS(transfer(&f, VR_TRANSFER_VERIFY, 1000, &done, &err), &err, VR_E_STATE,
                "verify after");
    remove_disk(&f, 2);
    /* What another lineage has is not cut off, not even when it is overwritten. */
    r = open_replica(&f);
    CHECK_OK(replica_promote(r, &g, &err), &err);
    replica_close(r);
    f.req.force = true;
    resize(&f, 1, SIZE_B - 4096);
    check_refused(&f, VR_E_INVALID, "another lineage");
    resize(&f, 1, SIZE_B + 8192);
    fill(f.src[1], SIZE_B - 4096, 8192, 40);
    CHECK_OK(transfer(&f, VR_TRANSFER_RESYNC, 100000, &done, &err), &err);
    assert_true(done);
    check_equal(&f);
    assert_int_equal(count_files(&f, "safety-"), 1);
    teardown(&f);
}

static void
write_bytes(const struct fixture *f, const char *name, long off, const char *p, size_t n)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", f->dir, name);
    FILE *out = fopen(path, "r+");
    assert_non_null(out);
    assert_int_equal(fseek(out, off, SEEK_SET), 0);
    assert_int_equal(fwrite(p, 1, n, out), n);
    assert_int_equal(fclose(out), 0);
}

/* Formats whose images keep their size: the relationship waits for a person. */
static void test_a_format_without_a_size_to_change(void **state)
{
    struct fixture f;
    setup(&f, false);
    initial(&f);
    struct replica *r = open_replica(&f);
    struct vr_err err = VR_ERR_INIT;
    snprintf(r->sc.vm.disks[1].format, VR_FORMAT_MAX, "vdi");
    f.req.disks[1].size_bytes += 512;
    f.req.op = VR_PEER_PREFLIGHT;
    CHECK_FAILS(replica_check_disks(r, &f.req, &err), &err, VR_E_INVALID, "keep their size");
    /* One that QEMU would refuse to resize, which is too late after the intent. */
    static const char head[] = "QFI\xfb\0\0\0\2", snapshots[] = "\0\0\0\1";
    snprintf(r->sc.vm.disks[1].format, VR_FORMAT_MAX, "qcow2");
    write_bytes(&f, r->sc.vm.disks[1].path, 0, head, sizeof head - 1);
    write_bytes(&f, r->sc.vm.disks[1].path, 60, snapshots, sizeof snapshots - 1);
    CHECK_FAILS(replica_check_disks(r, &f.req, &err), &err, VR_E_INVALID, "compat=1.1");
    f.req.disks[1].size_bytes -= 512;
    CHECK_OK(replica_check_disks(r, &f.req, &err), &err);
    replica_close(r);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_a_disk_grows),
                                       T(test_a_disk_grows_by_nothing),
                                       T(test_a_hint_does_not_hide_a_tail),
                                       T(test_a_disk_shrinks),
                                       T(test_disks_come_and_go),
                                       T(test_it_changes_while_it_is_staged),
                                       T(test_before_the_first_generation),
                                       T(test_what_is_not_followed),
                                       T(test_a_format_without_a_size_to_change)};
    return RUN(tests);
}
