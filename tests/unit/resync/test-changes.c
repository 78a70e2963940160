/* SPDX-License-Identifier: Apache-2.0 */
/* What commits tell of what they change: the file, which commits write one, and their union. */
#include "resync/changes.h"

#include <fcntl.h>
#include <unistd.h>

#include "resync/replica_priv.h"
#include "tests/unit/resync/fixture.h"

#define NODES_A 6u
#define NODES (NODES_A + 3u)
#define FILE_BYTES (57 + 13 + 1 + 13 + 1 + 32) /* head, vda, its nodes, vdb, its nodes, checksum */

static struct stor *open_stor(const struct fixture *f)
{
    struct vr_err err = VR_ERR_INIT;
    struct stor *s;
    CHECK_OK(stor_dir_open(f->dir, true, f->dir, &s, &err), &err);
    return s;
}

static struct vr_generation at(struct fixture *f)
{
    struct replica *r = open_replica(f);
    struct vr_generation g = *replica_generation(r);
    replica_close(r);
    return g;
}

static struct vr_generation resync_as(struct fixture *f, enum vr_transfer_kind kind)
{
    struct vr_err err = VR_ERR_INIT;
    bool done = false;
    CHECK_OK(transfer(f, kind, 100000, &done, &err), &err);
    assert_true(done);
    return at(f);
}

static struct vr_generation resync(struct fixture *f)
{
    return resync_as(f, VR_TRANSFER_RESYNC);
}

static bool has_file(const struct fixture *f, const struct vr_generation *g)
{
    char name[CHANGES_NAME_MAX];
    struct stor *s = open_stor(f);
    bool has = stor_exists(s, changes_name(g, name));
    stor_close(s);
    return has;
}

/* The nodes since that generation, one character each; or the reason why they are not known. */
static const char *since(struct fixture *f, const struct vr_uuid *from)
{
    static char text[VR_TEXT_MAX];
    struct vr_err err = VR_ERR_INIT;
    struct hint *h;
    struct layout l;
    struct vr_generation held = at(f);
    struct stor *s = open_stor(f);
    CHECK_OK(changes_since(s, from, &held.uuid, &f->req, &h, text, &err), &err);
    stor_close(s);
    if (!h) {
        assert_true(text[0] != '\0');
        return text;
    }
    assert_string_equal(text, "");
    layout_init(&l, &f->req);
    for (uint64_t n = 0; n < l.nodes; n++) {
        text[n] = hint_has(h, n) ? 'x' : '.';
    }
    text[l.nodes] = '\0';
    hint_free(h);
    return text;
}

/* Three generations: initial, vda's second node, vdb's first and vda's last. */
static void begin(struct fixture *f, struct vr_generation g[3])
{
    setup(f, false);
    fill(f->src[0], 0, 5 * VR_MIB, 7);
    fill(f->src[1], 0, 3 * VR_MIB, 8);
    initial(f);
    g[0] = at(f);
    fill(f->src[0], VR_MIB + 8192, 5000, 9);
    g[1] = resync(f);
    fill(f->src[0], SIZE_A - 100, 100, 10);
    fill(f->src[1], 4096, 4096, 11);
    g[2] = resync(f);
}

static void patch(const struct fixture *f, const struct vr_generation *g, off_t off, bool cut)
{
    char path[160], name[CHANGES_NAME_MAX];
    uint8_t b;
    snprintf(path, sizeof path, "%s/%s", f->dir, changes_name(g, name));
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    if (cut) {
        assert_int_equal(ftruncate(fd, off), 0);
    } else {
        assert_int_equal(pread(fd, &b, 1, off), 1);
        b ^= 0x10;
        assert_int_equal(pwrite(fd, &b, 1, off), 1);
    }
    close(fd);
}

static void forget(const struct fixture *f, const struct vr_generation *g)
{
    struct vr_err err = VR_ERR_INIT;
    struct stor *s = open_stor(f);
    CHECK_OK(changes_forget(s, g, &err), &err);
    CHECK_OK(changes_forget(s, g, &err), &err); /* again: nothing to do */
    stor_close(s);
}

static void touch(const struct fixture *f, const char *disk)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", f->dir, disk);
    int fd = open(path, O_RDWR);
    uint8_t b;
    assert_int_equal(pread(fd, &b, 1, 0), 1);
    usleep(20000); /* times tick */
    assert_int_equal(pwrite(fd, &b, 1, 0), 1);
    close(fd);
}

/* --- the file --- */

static void test_each_byte_of_the_file_counts(void **state)
{
    struct fixture f;
    struct vr_generation g[3];
    struct vr_err err = VR_ERR_INIT;
    struct changes *c;
    begin(&f, g);
    struct stor *s = open_stor(&f);
    for (off_t off = 0; off < FILE_BYTES; off++) {
        patch(&f, &g[2], off, false);
        assert_int_equal(changes_read(s, &g[2], &c, &err), -VR_E_CORRUPT);
        patch(&f, &g[2], off, false);
    }
    CHECK_OK(changes_read(s, &g[2], &c, &err), &err);
    changes_free(c);
    for (off_t len = FILE_BYTES - 1; len >= 0; len--) {
        patch(&f, &g[2], len, true);
        assert_int_equal(changes_read(s, &g[2], &c, &err), -VR_E_CORRUPT);
    }
    stor_close(s);
    teardown(&f);
}

static void test_a_file_under_another_name_is_refused(void **state)
{
    struct fixture f;
    struct vr_generation g[3];
    struct vr_err err = VR_ERR_INIT;
    struct changes *c;
    char from[CHANGES_NAME_MAX], to[CHANGES_NAME_MAX];
    begin(&f, g);
    struct stor *s = open_stor(&f);
    CHECK_OK(stor_rename(s, changes_name(&g[1], from), changes_name(&g[2], to), &err), &err);
    assert_int_equal(changes_read(s, &g[2], &c, &err), -VR_E_CORRUPT);
    assert_int_equal(changes_read(s, &g[1], &c, &err), -VR_E_NOT_FOUND);
    stor_close(s);
    teardown(&f);
}

/* A checksum that is right does not make numbers right. */
static void test_limits(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct changes *c;
    struct vr_uuid vm = vr_uuid_new();
    struct vr_generation g = {.uuid = vr_uuid_new(), .sequence = 1};
    struct vr_disk d[2] = {{.name = "vda"}, {.name = "vdb"}};
    d[0].size_bytes = MSG_HINT_NODES_MAX * VR_MIB;
    d[1].size_bytes = 1;
    assert_int_equal(changes_new(&vm, 0, &g, d, 2, &c, &err), -VR_E_LIMIT);
    CHECK_OK(changes_new(&vm, 0, &g, d, 1, &c, &err), &err);
    changes_mark(c, 0, d[0].size_bytes - 1, 100);
    char dir[] = "/tmp/vr-changes-XXXXXX", cmd[64];
    struct stor *s;
    assert_non_null(mkdtemp(dir));
    CHECK_OK(stor_dir_open(dir, true, dir, &s, &err), &err);
    CHECK_OK(changes_write(s, c, &err), &err); /* the largest */
    changes_free(c);
    CHECK_OK(changes_read(s, &g, &c, &err), &err);
    changes_free(c);
    d[0].size_bytes = 0;
    CHECK_OK(changes_new(&vm, 0, &g, d, 1, &c, &err), &err);
    CHECK_OK(changes_write(s, c, &err), &err);
    changes_free(c);
    assert_int_equal(changes_read(s, &g, &c, &err), -VR_E_CORRUPT);
    stor_close(s);
    snprintf(cmd, sizeof cmd, "rm -rf %s", dir);
    assert_int_equal(system(cmd), 0);
}

/* --- the union: INV-4 --- */

static void test_the_union_of_commits(void **state)
{
    struct fixture f;
    struct vr_generation g[3];
    begin(&f, g);
    assert_string_equal(since(&f, &g[2].uuid), ".........");
    assert_string_equal(since(&f, &g[1].uuid), ".....xx..");
    assert_string_equal(since(&f, &g[0].uuid), ".x...xx..");
    assert_false(has_file(&f, &g[0])); /* of what it was not known what was there */
    teardown(&f);
}

static void test_each_missing_link_compares_all(void **state)
{
    struct fixture f;
    struct vr_generation g[3];
    begin(&f, g);
    struct vr_uuid none = {0}, other = vr_uuid_new();
    assert_string_equal(
        since(&f, &none),
        "all disks: it is not known which generation the extended replica was made of");
    assert_non_null(strstr(since(&f, &other), "did not tell what it changed"));
    forget(&f, &g[1]);
    assert_string_equal(since(&f, &g[1].uuid), ".....xx..");
    assert_non_null(strstr(since(&f, &g[0].uuid), "did not tell what it changed"));
    patch(&f, &g[2], 60, false);
    assert_non_null(strstr(since(&f, &g[1].uuid), "is damaged"));
    forget(&f, &g[2]);
    assert_non_null(strstr(since(&f, &g[1].uuid), "did not tell what it changed"));
    teardown(&f);
}

static void test_another_vm_or_generation_compares_all(void **state)
{
    struct fixture f;
    struct vr_generation g[3];
    struct vr_err err = VR_ERR_INIT;
    struct hint *h;
    char why[VR_TEXT_MAX];
    begin(&f, g);
    struct stor *s = open_stor(&f);
    CHECK_OK(changes_since(s, &g[0].uuid, &g[1].uuid, &f.req, &h, why, &err), &err);
    assert_null(h);
    assert_non_null(strstr(why, "at another generation"));
    f.req.vm_id = vr_uuid_new();
    CHECK_OK(changes_since(s, &g[0].uuid, &g[2].uuid, &f.req, &h, why, &err), &err);
    assert_null(h);
    assert_non_null(strstr(why, "of another replica"));
    stor_close(s);
    teardown(&f);
}

static void test_too_many_commits_compare_all(void **state)
{
    struct fixture f;
    struct vr_generation g[3], first = {0}, now = {0};
    begin(&f, g);
    for (uint32_t i = 0; i < CHANGES_KEPT; i++) {
        now = resync(&f);
        first = i == 0 ? now : first;
    }
    assert_false(has_file(&f, &g[1]));
    assert_false(has_file(&f, &g[2])); /* CHANGES_KEPT commits ago */
    assert_true(has_file(&f, &first));
    assert_true(has_file(&f, &now));
    assert_string_equal(since(&f, &g[2].uuid), ".........");
    assert_non_null(strstr(since(&f, &g[1].uuid), "too many commits"));
    teardown(&f);
}

/* --- disks that change --- */

static void resize(struct fixture *f, uint32_t disk, uint64_t size)
{
    struct vr_err err = VR_ERR_INIT;
    struct block_dev *old = f->src[disk], *new;
    static uint8_t p[VR_MIB];
    CHECK_OK(block_mem_new(size, &new, &err), &err);
    uint64_t n = VR_MIN(size, old->size_bytes);
    for (uint64_t off = 0; off < n; off += VR_MIB) {
        size_t m = VR_MIN(VR_MIB, n - off);
        CHECK_OK(block_read(old, p, m, off, &err), &err);
        CHECK_OK(block_write(new, p, m, off, &err), &err);
    }
    block_close(old);
    f->src[disk] = new;
    f->req.disks[disk].size_bytes = size;
}

static void test_what_a_disk_grows_by_changed(void **state)
{
    struct fixture f;
    struct vr_generation g[3];
    begin(&f, g);
    resize(&f, 1, SIZE_B + VR_MIB);
    struct vr_generation grown = resync(&f);
    assert_true(has_file(&f, &grown));
    assert_string_equal(since(&f, &g[2].uuid), ".........x");
    resize(&f, 1, SIZE_B - VR_MIB);
    struct vr_generation shrunk = resync(&f);
    assert_string_equal(since(&f, &grown.uuid), "........");
    resize(&f, 1, SIZE_B);
    resync(&f);
    assert_string_equal(since(&f, &shrunk.uuid), "........x");
    assert_string_equal(since(&f, &grown.uuid), "........x"); /* what was cut off is gone */
    teardown(&f);
}

static void test_a_disk_that_came_back_changed(void **state)
{
    struct fixture f;
    struct vr_generation g[3];
    begin(&f, g);
    f.req.ndisks = 1;
    resync(&f);
    f.req.ndisks = 2;
    struct vr_generation both = resync(&f);
    assert_true(has_file(&f, &both));
    assert_string_equal(since(&f, &g[2].uuid), "......xxx");
    teardown(&f);
}

/* --- which commits tell --- */

static void test_images_that_somebody_changed(void **state)
{
    struct fixture f;
    struct vr_generation g[3];
    begin(&f, g);
    touch(&f, "vdb.raw");
    assert_non_null(strstr(since(&f, &g[1].uuid), "may not be as the last commit left them"));
    assert_non_null(strstr(since(&f, &g[2].uuid), "may not be as the last commit left them"));
    struct vr_generation repaired = resync(&f); /* finds out what, but not what it was */
    assert_false(has_file(&f, &repaired));
    assert_non_null(strstr(since(&f, &g[2].uuid), "did not tell what it changed"));
    assert_string_equal(since(&f, &repaired.uuid), ".........");
    resync(&f);
    assert_string_equal(since(&f, &repaired.uuid), ".........");
    teardown(&f);
}

static void test_a_forced_transfer_tells_nothing(void **state)
{
    struct fixture f;
    struct vr_generation g[3];
    begin(&f, g);
    f.req.force = true;
    struct vr_generation forced = resync(&f);
    assert_false(has_file(&f, &forced));
    f.req.force = false;
    struct vr_generation seeded = resync_as(&f, VR_TRANSFER_SEEDED);
    assert_false(has_file(&f, &seeded));
    teardown(&f);
}

static void test_an_extended_replica_tells_nothing(void **state)
{
    struct fixture f;
    struct vr_err err = VR_ERR_INIT;
    setup(&f, false);
    initial(&f);
    struct stor *s = open_stor(&f);
    struct sidecar *sc = calloc(1, sizeof *sc);
    CHECK_OK(sidecar_read(s, sc, &err), &err);
    sc->rel.number = 1;
    CHECK_OK(sidecar_write(s, sc, &err), &err);
    free(sc);
    stor_close(s);
    struct vr_generation g = resync(&f);
    assert_false(has_file(&f, &g));
    teardown(&f);
}

/* A crash came after the done record: nobody knows who had the images until the next opening. */
static void test_stamps_that_were_made_later(void **state)
{
    struct fixture f;
    struct vr_generation g[3];
    struct vr_err err = VR_ERR_INIT;
    begin(&f, g);
    struct stor *s = open_stor(&f);
    struct sidecar *sc = calloc(1, sizeof *sc);
    CHECK_OK(sidecar_read(s, sc, &err), &err);
    sc->stamp[1] = 0;
    assert_false(changes_untouched(s, sc));
    CHECK_OK(sidecar_write(s, sc, &err), &err);
    free(sc);
    stor_close(s);
    assert_true(has_file(&f, &g[2]));
    at(&f); /* opens it */
    assert_false(has_file(&f, &g[2]));
    assert_non_null(strstr(since(&f, &g[1].uuid), "did not tell what it changed"));
    teardown(&f);
}

static void test_a_failed_over_replica_compares_all(void **state)
{
    struct fixture f;
    struct vr_generation g[3], own;
    struct vr_err err = VR_ERR_INIT;
    begin(&f, g);
    struct replica *r = open_replica(&f);
    CHECK_OK(replica_promote(r, &own, &err), &err);
    replica_close(r);
    assert_non_null(strstr(since(&f, &g[1].uuid), "may not be as the last commit left them"));
    teardown(&f);
}

/* As a commit leaves it that got as far as its record: of the generation that would have been. */
static struct vr_generation leave_record(struct fixture *f, const struct vr_generation *parent)
{
    struct vr_err err = VR_ERR_INIT;
    struct changes *c;
    struct vr_generation next = {
        .uuid = vr_uuid_new(), .parent = parent->uuid, .sequence = parent->sequence + 1};
    struct stor *s = open_stor(f);
    CHECK_OK(changes_new(&f->req.vm_id, 0, &next, f->req.disks, 2, &c, &err), &err);
    CHECK_OK(changes_write(s, c, &err), &err);
    changes_free(c);
    stor_close(s);
    assert_true(has_file(f, &next));
    return next;
}

/* What was to be committed and never was leaves no file behind the next commit. */
static void test_files_of_what_never_was(void **state)
{
    struct fixture f;
    struct vr_generation g[3];
    begin(&f, g);
    struct vr_generation never = leave_record(&f, &g[2]);
    resync(&f);
    assert_false(has_file(&f, &never));
    assert_true(has_file(&f, &g[2]));
    teardown(&f);
}

static struct vr_uuid forged;

static void forge_commit(uint8_t type, uint8_t *head, size_t len)
{
    if (type == MSG_COMMIT && len == sizeof forged.b) {
        memcpy(head, forged.b, len);
    }
}

/* A try before staged something else and got as far as its record; this one tells nothing. */
static void test_a_record_of_a_try_before_does_not_stay(void **state)
{
    struct fixture f;
    struct vr_generation g[3];
    struct vr_err err = VR_ERR_INIT;
    bool done = false;
    begin(&f, g);
    struct vr_generation next = leave_record(&f, &g[2]);
    fill(f.src[1], 0, 4096, 12);
    f.req.force = true;
    forged = next.uuid;
    f.forge = forge_commit;
    (void)!transfer(&f, VR_TRANSFER_RESYNC, 100000, &done, &err); /* the source proposed another */
    struct vr_generation now = at(&f);
    assert_true(vr_uuid_eq(&now.uuid, &next.uuid));
    assert_int_equal(now.sequence, next.sequence);
    assert_false(has_file(&f, &next));
    teardown(&f);
}

/* Two contents under one name: whoever holds the first would be told that nothing changed. */
static void test_a_generation_is_not_committed_twice(void **state)
{
    struct fixture f;
    struct vr_generation g[3], now;
    struct vr_err err = VR_ERR_INIT;
    bool done = false;
    begin(&f, g);
    fill(f.src[1], 0, 4096, 12);
    forged = g[2].uuid;
    f.forge = forge_commit;
    assert_int_equal(transfer(&f, VR_TRANSFER_RESYNC, 100000, &done, &err), -VR_E_PROTOCOL);
    assert_non_null(strstr(vr_err_text(&err), "commits a generation that was before"));
    now = at(&f);
    assert_int_equal(now.sequence, g[2].sequence);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_byte_of_the_file_counts),
        cmocka_unit_test(test_a_file_under_another_name_is_refused),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_the_union_of_commits),
        cmocka_unit_test(test_each_missing_link_compares_all),
        cmocka_unit_test(test_another_vm_or_generation_compares_all),
        cmocka_unit_test(test_too_many_commits_compare_all),
        cmocka_unit_test(test_what_a_disk_grows_by_changed),
        cmocka_unit_test(test_a_disk_that_came_back_changed),
        cmocka_unit_test(test_images_that_somebody_changed),
        cmocka_unit_test(test_a_forced_transfer_tells_nothing),
        cmocka_unit_test(test_an_extended_replica_tells_nothing),
        cmocka_unit_test(test_stamps_that_were_made_later),
        cmocka_unit_test(test_a_failed_over_replica_compares_all),
        cmocka_unit_test(test_files_of_what_never_was),
        cmocka_unit_test(test_a_generation_is_not_committed_twice),
        cmocka_unit_test(test_a_record_of_a_try_before_does_not_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
