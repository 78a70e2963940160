/* SPDX-License-Identifier: Apache-2.0 */
/* The definition of the VM: it comes with a generation, stays with it, and goes with it. */
#include <sys/stat.h>
#include <unistd.h>

#include "resync/definition.h"
#include "resync/replica_priv.h"
#include "tests/unit/resync/fixture.h"
#include "transport/msg.h"

static struct fixture f;
static struct vr_buf body;

static void define(const char *xml, enum vr_nvram state, const char *nvram)
{
    struct vr_definition d = {xml, (uint32_t)strlen(xml), state, (const uint8_t *)nvram,
                              (uint32_t)strlen(nvram)};
    vr_buf_reset(&body);
    msg_put_definition_body(&body, &d);
    f.definition = body.data;
    f.definition_len = (uint32_t)body.len;
}

static int start(void **state)
{
    memset(&f, 0, sizeof f);
    setup(&f, false);
    vr_buf_init(&body, MSG_DEFINITION_MAX);
    return 0;
}

static int stop(void **state)
{
    vr_buf_deinit(&body);
    teardown(&f);
    return 0;
}

static void send(enum vr_transfer_kind kind)
{
    struct vr_err err = VR_ERR_INIT;
    bool done = false;
    CHECK_OK(transfer(&f, kind, 1000, &done, &err), &err);
    assert_true(done);
}

static struct stor *replica_dir(void)
{
    struct vr_err err = VR_ERR_INIT;
    struct stor *stor;
    CHECK_OK(stor_dir_open(f.dir, false, "/tmp", &stor, &err), &err);
    return stor;
}

static void holds(const char *xml, const char *nvram)
{
    struct vr_err err = VR_ERR_INIT;
    _cleanup_(stor_closep) struct stor *stor = replica_dir();
    _cleanup_(definition_freep) struct definition *d = NULL;
    _cleanup_(vr_freep) char *file = NULL;
    size_t n;
    CHECK_OK(replica_definition(stor, &d, &err), &err);
    assert_int_equal(d->d.xml_len, strlen(xml));
    assert_memory_equal(d->d.xml, xml, strlen(xml));
    if (*nvram) {
        CHECK_OK(stor_read(stor, DEFINITION_NVRAM, 100, &file, &n, &err), &err);
        assert_string_equal(file, nvram);
    }
}

static void count_ours(const char *name, void *ctx)
{
    *(int *)ctx += strncmp(name, "domain-", 7) == 0 || strncmp(name, "nvram-", 6) == 0;
}

static int files(void)
{
    _cleanup_(stor_closep) struct stor *stor = replica_dir();
    int n = 0;
    assert_int_equal(stor_list(stor, count_ours, &n, NULL), 0);
    return n;
}

static void test_it_comes_with_the_generation(void **state)
{
    define("<domain>1</domain>", VR_NVRAM_CARRIED, "vars one");
    send(VR_TRANSFER_INITIAL);
    assert_int_equal(f.out.frames[MSG_DEFINITION], 1);
    holds("<domain>1</domain>", "vars one");
    assert_int_equal(files(), 1);
    send(VR_TRANSFER_RESYNC); /* the same */
    holds("<domain>1</domain>", "vars one");
    damage(&f, "vda", 4096, "x");
    f.uncompressed = true;
    define("<domain>2</domain>", VR_NVRAM_CARRIED, "vars two");
    send(VR_TRANSFER_RESYNC);
    holds("<domain>2</domain>", "vars two");
    assert_int_equal(files(), 1); /* that of the former generation is gone */
    define("<domain>3</domain>", VR_NVRAM_NONE, "");
    send(VR_TRANSFER_RESYNC);
    holds("<domain>3</domain>", "");
}

static void test_verify_carries_none(void **state)
{
    define("<domain>1</domain>", VR_NVRAM_NONE, "");
    send(VR_TRANSFER_INITIAL);
    define("<domain>2</domain>", VR_NVRAM_NONE, "");
    send(VR_TRANSFER_VERIFY);
    assert_int_equal(f.out.frames[MSG_DEFINITION], 0);
    holds("<domain>1</domain>", "");
}

static void without_the_feature(uint8_t type, uint8_t *head, size_t len)
{
    if (type == MSG_HELLO) {
        head[8] &= (uint8_t)~MSG_FEATURE_DEFINITION; /* behind magic and version */
    }
}

/* What an older version sends says nothing of the definition: that of before is not of this
 * generation. */
static void test_an_older_peer_has_none(void **state)
{
    define("<domain>1</domain>", VR_NVRAM_CARRIED, "vars");
    send(VR_TRANSFER_INITIAL);
    f.forge = without_the_feature;
    send(VR_TRANSFER_RESYNC);
    assert_int_equal(f.out.frames[MSG_DEFINITION], 0);
    _cleanup_(stor_closep) struct stor *stor = replica_dir();
    struct definition *d;
    struct vr_err err = VR_ERR_INIT;
    CHECK_FAILS(replica_definition(stor, &d, &err), &err, VR_E_NOT_FOUND, "told no definition");
    assert_int_equal(files(), 0);
}

static void test_once_only(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    bool done;
    define("<domain>1</domain>", VR_NVRAM_NONE, "");
    f.definition_twice = true;
    CHECK_FAILS(transfer(&f, VR_TRANSFER_INITIAL, 1000, &done, &err), &err, VR_E_PROTOCOL,
                "unexpected DEFINITION");
}

static void larger(uint8_t type, uint8_t *head, size_t len)
{
    if (type == MSG_DEFINITION) {
        head[1]++;
    }
}

static void test_what_does_not_unpack(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    char xml[2000];
    bool done;
    memset(xml, 'x', sizeof xml);
    xml[sizeof xml - 1] = '\0';
    define(xml, VR_NVRAM_NONE, "");
    f.forge = larger;
    CHECK_FAILS(transfer(&f, VR_TRANSFER_INITIAL, 1000, &done, &err), &err, VR_E_PROTOCOL,
                "does not decompress");
    f.definition = "no definition at all, but many bytes";
    f.definition_len = 30;
    f.forge = NULL;
    err = VR_ERR_INIT;
    CHECK_FAILS(transfer(&f, VR_TRANSFER_INITIAL, 1000, &done, &err), &err, VR_E_PROTOCOL,
                "malformed DEFINITION");
}

static void test_a_damaged_file_is_told(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct sidecar sc;
    struct definition *d;
    define("<domain>1</domain>", VR_NVRAM_NONE, "");
    send(VR_TRANSFER_INITIAL);
    _cleanup_(stor_closep) struct stor *stor = replica_dir();
    CHECK_OK(sidecar_read(stor, &sc, &err), &err);
    assert_true(definition_name_ok(sc.definition));
    CHECK_OK(stor_replace(stor, sc.definition, "<domain>9</domain>", 18, &err), &err);
    CHECK_FAILS(replica_definition(stor, &d, &err), &err, VR_E_CORRUPT, "is damaged");
    send(VR_TRANSFER_RESYNC);
    holds("<domain>1</domain>", "");
    assert_false(definition_name_ok("domain-../../../../../../../../../../../../../"));
    assert_false(definition_name_ok("domain-0123"));
}

/* A death between the done record and the NVRAM's new name, and one before the intent. */
static void test_recovery(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    struct sidecar sc;
    char next[DEFINITION_NAME_MAX];
    define("<domain>1</domain>", VR_NVRAM_CARRIED, "vars one");
    send(VR_TRANSFER_INITIAL);
    define("<domain>2</domain>", VR_NVRAM_CARRIED, "vars two");
    struct stor *stor = replica_dir();
    char name[DEFINITION_NAME_MAX];
    CHECK_OK(definition_store(stor, body.data, body.len, name, &err), &err);
    assert_int_equal(files(), 3);
    replica_close(open_replica(&f)); /* no intent names it */
    holds("<domain>1</domain>", "vars one");
    assert_int_equal(files(), 1);
    CHECK_OK(definition_store(stor, body.data, body.len, name, &err), &err);
    CHECK_OK(sidecar_read(stor, &sc, &err), &err);
    memcpy(sc.definition, name, sizeof name);
    memset(sc.stamp, 0, sizeof sc.stamp);
    CHECK_OK(sidecar_write(stor, &sc, &err), &err);
    replica_close(open_replica(&f));
    holds("<domain>2</domain>", "vars two");
    snprintf(next, sizeof next, "nvram-%s", name + 7);
    assert_false(stor_exists(stor, next));
    assert_int_equal(files(), 1);
    bool promoted = true;
    CHECK_OK(replica_was_promoted(stor, &promoted, &err), &err);
    assert_false(promoted);
    struct replica *r = open_replica(&f);
    struct vr_generation g;
    CHECK_OK(replica_promote(r, &g, &err), &err);
    CHECK_OK(replica_release(r, &err), &err); /* which it still tells afterwards */
    replica_close(r);
    CHECK_OK(replica_was_promoted(stor, &promoted, &err), &err);
    assert_true(promoted);
    stor_close(stor);
}

int main(void)
{
#define S(t) cmocka_unit_test_setup_teardown(t, start, stop)
    const struct CMUnitTest tests[] = {S(test_it_comes_with_the_generation),
                                       S(test_verify_carries_none),
                                       S(test_an_older_peer_has_none),
                                       S(test_once_only),
                                       S(test_what_does_not_unpack),
                                       S(test_a_damaged_file_is_told),
                                       S(test_recovery)};
    return RUN(tests);
}
