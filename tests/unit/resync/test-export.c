/* SPDX-License-Identifier: Apache-2.0 */
/* Export and import: what arrives is what was there, and nothing else does. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "resync/export.h"
#include "resync/import.h"
#include "resync/record.h"
#include "tests/lib/tmpdir.h"
#include "tests/unit/resync/fixture.h"

static struct vr_err err;

struct carry {
    struct fixture f;
    char dir[64]; /* of the export */
    struct stor *stor;
    struct vr_generation generation;
};

static void begin(struct carry *c, bool seeded)
{
    setup(&c->f, seeded);
    snprintf(c->dir, sizeof c->dir, "/tmp/vr-export-XXXXXX");
    assert_non_null(mkdtemp(c->dir));
    CHECK_OK(stor_dir_open(c->dir, true, c->dir, &c->stor, &err), &err);
    fill(c->f.src[0], 8192, 300000, 3);
    fill(c->f.src[0], SIZE_A - 700, 700, 4); /* into the short last block */
    fill(c->f.src[1], VR_MIB, 4096, 5);
}

static void end(struct carry *c)
{
    stor_close(c->stor);
    tmpdir_remove(c->dir);
    teardown(&c->f);
}

static void random_bytes(void *ctx, void *p, size_t n)
{
    vr_random(p, n);
}

static struct export_params export_params(struct carry *c)
{
    struct export_params p = {.stor = c->stor, .random = random_bytes};
    struct manifest *m = &p.manifest;
    m->vm_id = c->f.req.vm_id;
    snprintf(m->vm_name, sizeof m->vm_name, "vm1");
    snprintf(m->host, sizeof m->host, "h1");
    m->instant = vr_uuid_new();
    m->instant_us = 77;
    m->consistency = VR_CONSISTENCY_FILE_SYSTEM;
    m->ndisks = 2;
    for (uint32_t i = 0; i < 2; i++) {
        snprintf(m->disks[i].name, sizeof m->disks[i].name, "%s", c->f.req.disks[i].name);
        m->disks[i].size_bytes = c->f.req.disks[i].size_bytes;
        p.disks[i] = c->f.src[i];
    }
    return p;
}

/* Cut after max_steps: what was written stays, as after a kill. */
static int export(struct carry *c, int max_steps, bool *ret_done)
{
    struct export_params p = export_params(c);
    _cleanup_(export_freep) struct exporter *e = NULL;
    enum lane_status status = LANE_AGAIN;
    struct vr_uuid u;
    int r = export_new(&p, &e, &err);
    for (int i = 0; r == 0 && status != LANE_DONE && i < max_steps; i++) {
        r = export_step(e, &status, &err);
        if (r == 0 && export_wants_saved(e, &u)) {
            assert_false(stor_exists(c->stor, MANIFEST_NAME)); /* remembered before it is whole */
            c->generation.uuid = u;
            export_generation_saved(e);
        }
    }
    *ret_done = r == 0 && status == LANE_DONE;
    return r;
}

static void export_whole(struct carry *c)
{
    bool done;
    CHECK_OK(export(c, 100000, &done), &err);
    assert_true(done);
}

static int import(struct carry *c, int max_steps, bool *ret_done)
{
    struct import_params p = {.stor = c->stor, .random = random_bytes};
    _cleanup_(import_freep) struct importer *i = NULL;
    enum lane_status status = LANE_AGAIN;
    struct replica *replica = open_replica(&c->f);
    p.replica = replica;
    CHECK_OK(replica_lock(replica, &err), &err);
    int r = manifest_read(c->stor, &p.manifest, &err);
    r = r < 0 ? r : import_new(&p, &i, &err);
    for (int k = 0; r == 0 && status != LANE_DONE && k < max_steps; k++) {
        r = import_step(i, 1, &status, &err);
    }
    *ret_done = r == 0 && status == LANE_DONE;
    import_free(TAKE_PTR(i));
    replica_close(replica);
    return r;
}

static struct vr_uuid held(struct carry *c)
{
    struct replica *r = open_replica(&c->f);
    struct vr_uuid u = replica_generation(r)->uuid;
    replica_close(r);
    return u;
}

/* The replica is at the exported generation, and the next transfer finds nothing to do. */
static void check_imported(struct carry *c)
{
    bool done;
    assert_true(memcmp(held(c).b, c->generation.uuid.b, 16) == 0);
    struct replica *r = open_replica(&c->f);
    assert_int_equal(replica_rel(r)->last_sync_us, 77); /* the export's instant */
    assert_int_equal(replica_rel(r)->consistency, VR_CONSISTENCY_FILE_SYSTEM);
    replica_close(r);
    check_equal(&c->f);
    c->f.history[0] = c->generation.uuid;
    c->f.nhistory = 1;
    CHECK_OK(transfer(&c->f, VR_TRANSFER_RESYNC, 100000, &done, &err), &err);
    assert_true(done);
    assert_int_equal(c->f.differing, 0);
}

static void test_carried(void **state)
{
    struct carry c;
    bool done;
    begin(&c, false);
    export_whole(&c);
    struct stat st;
    char path[128];
    snprintf(path, sizeof path, "%s/vda.raw", c.dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, SIZE_A);
    assert_true((uint64_t)st.st_blocks * 512 < SIZE_A); /* holes stay holes */
    assert_false(stor_exists(c.stor, MANIFEST_NAME ".part"));
    CHECK_OK(import(&c, 100000, &done), &err);
    assert_true(done);
    check_imported(&c);
    CHECK_FAILS(import(&c, 1, &done), &err, VR_E_STATE, "holds a generation");
    end(&c);
}

/* Images that a person put there are changed by a staged commit. */
static void test_onto_a_copy(void **state)
{
    struct carry c;
    bool done;
    struct vr_err e = VR_ERR_INIT;
    begin(&c, false);
    struct replica *r = open_replica(&c.f);
    CHECK_OK(stor_create_image(replica_stor(r), "vda.raw", "raw", SIZE_A, &e), &e);
    CHECK_OK(stor_create_image(replica_stor(r), "vdb.raw", "raw", SIZE_B, &e), &e);
    replica_close(r);
    damage(&c.f, "vda", 8192, "of the copy");
    damage(&c.f, "vdb", 2 * VR_MIB, "where the export has a hole");
    export_whole(&c);
    CHECK_OK(import(&c, 4, &done), &err);
    assert_false(done);
    struct vr_uuid u = held(&c);
    assert_true(vr_uuid_is_nil(&u));
    CHECK_OK(import(&c, 100000, &done), &err);
    assert_true(done);
    check_imported(&c);
    end(&c);
}

/* Ended after each step: no manifest or a whole export. */
static void test_export_cut_anywhere(void **state)
{
    struct carry c;
    bool done = false;
    int cuts = 0;
    begin(&c, false);
    for (int steps = 1; !done; steps++, cuts++) {
        struct manifest m;
        CHECK_OK(export(&c, steps, &done), &err);
        int r = manifest_read(c.stor, &m, &err);
        assert_int_equal(r, done ? 0 : -VR_E_NOT_FOUND);
    }
    assert_true(cuts > 5);
    export_whole(&c); /* once more over its own */
    CHECK_OK(import(&c, 100000, &done), &err);
    check_imported(&c);
    end(&c);
}

/* Ended after each step: the replica holds nothing or the whole generation. */
static void test_import_cut_anywhere(void **state)
{
    for (int seeded = 0; seeded < 2; seeded++) {
        struct carry c;
        bool done = false;
        int cuts = 0, committed = 0;
        begin(&c, false);
        if (seeded) {
            struct replica *r = open_replica(&c.f);
            CHECK_OK(stor_create_image(replica_stor(r), "vda.raw", "raw", SIZE_A, &err), &err);
            CHECK_OK(stor_create_image(replica_stor(r), "vdb.raw", "raw", SIZE_B, &err), &err);
            replica_close(r);
            damage(&c.f, "vda", 65536, "of the copy");
        }
        export_whole(&c);
        for (int steps = 1; !done && !committed; steps++, cuts++) {
            CHECK_OK(import(&c, steps, &done), &err);
            struct vr_uuid u = held(&c); /* settles what was begun */
            committed = !vr_uuid_is_nil(&u);
        }
        assert_true(cuts > 5);
        check_imported(&c);
        end(&c);
    }
}

static void flip(struct carry *c, const char *file, off_t off)
{
    char path[128], b;
    snprintf(path, sizeof path, "%s/%s", c->dir, file);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &b, 1, off), 1);
    b ^= 1;
    assert_int_equal(pwrite(fd, &b, 1, off), 1);
    close(fd);
}

static void cut(struct carry *c, const char *file, off_t size)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", c->dir, file);
    assert_int_equal(truncate(path, size), 0);
}

static void punch(struct carry *c, const char *file, off_t off, off_t len)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", c->dir, file);
    int fd = open(path, O_RDWR);
    assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off, len), 0);
    close(fd);
}

static void test_altered(void **state)
{
    static const struct {
        const char *file;
        off_t off;
        int how; /* 0 flip, 1 cut, 2 punch 1 MiB */
        const char *said;
    } rows[] = {
        {"vda.raw", 8192 + 5, 0, "'vda.raw' was altered: from offset 0"},
        {"vda.raw", 3 * VR_MIB + 1, 0, "from offset 3145728"}, /* in a hole */
        {"vda.raw", SIZE_A - 1, 0, "from offset 5242880"},
        {"vdb.raw", VR_MIB, 2, "'vdb.raw' was altered: from offset 1048576"},
        {"vda.raw", SIZE_A - 1, 1, "'vda.raw' ends at offset 5247487"},
        {"vdb.raw", 0, 1, "'vdb.raw' ends at offset 0"},
        {"vda.sha256", 0, 0, "'vda.sha256' was altered"},
        {"vdb.sha256", 32, 1, "'vdb.sha256' has 32 bytes instead of 96"},
        {MANIFEST_NAME, 40, 0, "checksum"},
        {MANIFEST_NAME, 50, 1, "cut short"},
    };
    unsigned injected = 0;
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        struct carry c;
        bool done;
        begin(&c, false);
        export_whole(&c);
        if (rows[i].how == 0) {
            flip(&c, rows[i].file, rows[i].off);
        } else if (rows[i].how == 1) {
            cut(&c, rows[i].file, rows[i].off);
        } else {
            punch(&c, rows[i].file, rows[i].off, VR_MIB);
        }
        injected++;
        CHECK_FAILS(import(&c, 100000, &done), &err, VR_E_CORRUPT, rows[i].said);
        struct vr_uuid u = held(&c);
        assert_true(vr_uuid_is_nil(&u));
        static const char *const files[] = {MANIFEST_NAME, "vda.raw", "vda.sha256", "vdb.raw",
                                            "vdb.sha256"};
        for (size_t k = 0; k < VR_COUNT(files); k++) { /* a person clears the medium */
            CHECK_OK(stor_unlink(c.stor, files[k], &err), &err);
        }
        export_whole(&c); /* a good one still goes in */
        CHECK_OK(import(&c, 100000, &done), &err);
        check_imported(&c);
        end(&c);
    }
    assert_int_equal(injected, VR_COUNT(rows));
}

/* Not the export this replica waits for. */
static void test_of_another(void **state)
{
    struct carry c;
    bool done;
    struct manifest m;
    begin(&c, false);
    export_whole(&c);
    struct replica *r = open_replica(&c.f);
    CHECK_OK(manifest_read(c.stor, &m, &err), &err);
    CHECK_OK(import_check(r, &m, &err), &err);
    struct manifest n = m;
    n.rel_number = 1;
    CHECK_FAILS(import_check(r, &n, &err), &err, VR_E_INVALID, "relationship 1 of VM");
    n = m;
    n.vm_id.b[0] ^= 1;
    CHECK_FAILS(import_check(r, &n, &err), &err, VR_E_INVALID, "relationship 0 of VM");
    n = m;
    snprintf(n.host, sizeof n.host, "h9");
    CHECK_FAILS(import_check(r, &n, &err), &err, VR_E_INVALID, "made by h9");
    n = m;
    n.ndisks = 1;
    CHECK_FAILS(import_check(r, &n, &err), &err, VR_E_INVALID, "has 1 disks");
    n = m;
    n.disks[1].size_bytes++;
    CHECK_FAILS(import_check(r, &n, &err), &err, VR_E_INVALID, "disk 1 of the export");
    replica_close(r);
    CHECK_OK(import(&c, 100000, &done), &err);
    end(&c);
}

static void test_directories_of_others(void **state)
{
    struct carry c;
    bool done;
    begin(&c, false);
    CHECK_OK(stor_replace(c.stor, "vda.raw", "somebody's", 10, &err), &err);
    CHECK_FAILS(export(&c, 100000, &done), &err, VR_E_EXISTS, "no export");
    assert_true(stor_exists(c.stor, "vda.raw"));
    CHECK_OK(stor_unlink(c.stor, "vda.raw", &err), &err);
    export_whole(&c);
    struct vr_uuid other = vr_uuid_new();
    CHECK_FAILS(export_may_go(c.stor, &other, 0, "h1", &err), &err, VR_E_EXISTS, "another");
    CHECK_FAILS(export_may_go(c.stor, &c.f.req.vm_id, 1, "h1", &err), &err, VR_E_EXISTS, "another");
    CHECK_OK(export_may_go(c.stor, &c.f.req.vm_id, 0, "h1", &err), &err);
    flip(&c, MANIFEST_NAME, 40);
    CHECK_FAILS(export(&c, 100000, &done), &err, VR_E_EXISTS, "damaged");
    end(&c);
}

/* Failed or cancelled: nothing is left. */
static void test_discarded(void **state)
{
    struct carry c;
    enum lane_status status;
    begin(&c, false);
    struct export_params p = export_params(&c);
    struct exporter *e = NULL;
    CHECK_OK(export_new(&p, &e, &err), &err);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(export_step(e, &status, &err), &err);
    }
    assert_true(stor_exists(c.stor, "vda.raw"));
    export_discard(e);
    export_free(e);
    assert_false(stor_exists(c.stor, "vda.raw"));
    assert_false(stor_exists(c.stor, "vda.sha256"));
    assert_false(stor_exists(c.stor, MANIFEST_NAME ".part"));
    end(&c);
}

/* --- the manifest alone --- */

static void write_json(struct carry *c, const char *json)
{
    json_t *o = json_loads(json, 0, NULL);
    assert_non_null(o);
    CHECK_OK(record_write(c->stor, MANIFEST_NAME, o, MANIFEST_MAX_BYTES, &err), &err);
    json_decref(o);
}

#define U1 "\"11111111-1111-4111-8111-111111111111\""
#define H64 "\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\""
#define GEN(u) "{\"uuid\":" u ",\"parent\":" U1 ",\"sequence\":1,\"epoch\":0}"
#define DISK(name, file, size, hash)                                                               \
    "{\"name\":" name ",\"file\":" file ",\"digests\":\"vda.sha256\",\"size\":" size               \
    ",\"sha256\":" hash "}"
#define GOOD DISK("\"vda\"", "\"vda.raw\"", "4096", H64)
#define M(format, version, rel, gen, disks)                                                        \
    "{\"format\":\"" format "\",\"version\":" version ",\"vm\":" U1                                \
    ",\"vm_name\":\"a\",\"relationship\":" rel ",\"host\":\"h\",\"instant\":" U1                   \
    ",\"instant_us\":1,\"generation\":" gen ",\"disks\":" disks "}"
#define NIL "\"00000000-0000-0000-0000-000000000000\""

static void test_hostile_manifests(void **state)
{
    static const char *const bad[] = {
        M("vmreplica-sidecar", "1", "0", GEN(U1), "[" GOOD "]"),
        M("vmreplica-export", "2", "0", GEN(U1), "[" GOOD "]"),
        M("vmreplica-export", "1", "2", GEN(U1), "[" GOOD "]"),
        M("vmreplica-export", "1", "-1", GEN(U1), "[" GOOD "]"),
        M("vmreplica-export", "1", "0,\"consistency\":4", GEN(U1), "[" GOOD "]"),
        M("vmreplica-export", "1", "0,\"consistency\":\"2\"", GEN(U1), "[" GOOD "]"),
        M("vmreplica-export", "1", "0", GEN(NIL), "[" GOOD "]"),
        M("vmreplica-export", "1", "0", "[]", "[" GOOD "]"),
        M("vmreplica-export", "1", "0", GEN(U1), "[]"),
        M("vmreplica-export", "1", "0", GEN(U1), "{}"),
        M("vmreplica-export", "1", "0", GEN(U1), "[" GOOD "," GOOD "]"), /* twice the same */
        M("vmreplica-export", "1", "0", GEN(U1),
          "[" GOOD "," GOOD "," GOOD "," GOOD "," GOOD "," GOOD "," GOOD "," GOOD "," GOOD "," GOOD
          "," GOOD "," GOOD "," GOOD "," GOOD "," GOOD "," GOOD "," GOOD "]"),
        M("vmreplica-export", "1", "0", GEN(U1),
          "[" DISK("\"../vda\"", "\"../vda.raw\"", "4096", H64) "]"),
        M("vmreplica-export", "1", "0", GEN(U1),
          "[" DISK("\"vda\"", "\"vdb.raw\"", "4096", H64) "]"),
        M("vmreplica-export", "1", "0", GEN(U1),
          "[" DISK("\"vda\"", "\"/etc/passwd\"", "4096", H64) "]"),
        M("vmreplica-export", "1", "0", GEN(U1), "[" DISK("\"vda\"", "\"vda.raw\"", "0", H64) "]"),
        M("vmreplica-export", "1", "0", GEN(U1),
          "[" DISK("\"vda\"", "\"vda.raw\"", "-4096", H64) "]"),
        M("vmreplica-export", "1", "0", GEN(U1),
          "[" DISK("\"vda\"", "\"vda.raw\"", "4096.5", H64) "]"),
        M("vmreplica-export", "1", "0", GEN(U1),
          "[" DISK("\"vda\"", "\"vda.raw\"", "4096", "\"0123\"") "]"),
        M("vmreplica-export", "1", "0", GEN(U1), "[" DISK("7", "\"vda.raw\"", "4096", H64) "]"),
    };
    struct carry c;
    struct manifest m;
    begin(&c, false);
    write_json(&c, M("vmreplica-export", "1", "0", GEN(U1), "[" GOOD "]"));
    CHECK_OK(manifest_read(c.stor, &m, &err), &err);
    assert_int_equal(m.disks[0].sha256[1], 0x23);
    assert_int_equal(m.consistency, VR_CONSISTENCY_UNKNOWN); /* an export of before that was told */
    write_json(&c, M("vmreplica-export", "1", "0,\"consistency\":3", GEN(U1), "[" GOOD "]"));
    CHECK_OK(manifest_read(c.stor, &m, &err), &err);
    assert_int_equal(m.consistency, VR_CONSISTENCY_APPLICATION);
    for (size_t i = 0; i < VR_COUNT(bad); i++) {
        write_json(&c, bad[i]);
        CHECK_FAILS(manifest_read(c.stor, &m, &err), &err, VR_E_CORRUPT, i == 1 ? "version 2" : "");
    }
    static char large[MANIFEST_MAX_BYTES + 1];
    memset(large, ' ', sizeof large);
    CHECK_OK(stor_replace(c.stor, MANIFEST_NAME, large, sizeof large, &err), &err);
    CHECK_FAILS(manifest_read(c.stor, &m, &err), &err, VR_E_CORRUPT, "too large");
    end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_carried),
        T(test_onto_a_copy),
        T(test_export_cut_anywhere),
        T(test_import_cut_anywhere),
        T(test_altered),
        T(test_of_another),
        T(test_directories_of_others),
        T(test_discarded),
        T(test_hostile_manifests),
    };
    return RUN(tests);
}
