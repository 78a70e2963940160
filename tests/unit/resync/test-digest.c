/* SPDX-License-Identifier: Apache-2.0 */
#include <nettle/umac.h>

#include "resync/digest.h"
#include "tests/lib/check.h"

static enum digest_kind kind; /* every test runs with each */

static struct digest *make(uint8_t key_byte)
{
    uint8_t secret[32] = {key_byte}, n1[32] = {2}, n2[32] = {3};
    struct vr_uuid job = {{4}}, vm = {{5}};
    struct vr_err err = VR_ERR_INIT;
    struct digest *d;
    CHECK_OK(digest_new(kind, secret, n1, n2, &job, &vm, 0, &d, &err), &err);
    return d;
}

static void test_same_secret_same_tags_other_secret_others(void **state)
{
    struct digest *a = make(1), *b = make(1), *c = make(9);
    uint8_t block[4096] = {7}, x[16], y[16], z[16];
    digest_leaf(a, block, sizeof block, x);
    digest_leaf(b, block, sizeof block, y);
    digest_leaf(c, block, sizeof block, z);
    assert_memory_equal(x, y, 16);
    assert_memory_not_equal(x, z, 16);
    digest_free(a);
    digest_free(b);
    digest_free(c);
}

/* RFC 8439, 2.5.2; one context for many tags: each starts anew. */
static void test_known_tag(void **state)
{
    static const uint8_t key[32] = {0x85, 0xd6, 0xbe, 0x78, 0x57, 0x55, 0x6d, 0x33,
                                    0x7f, 0x44, 0x52, 0xfe, 0x42, 0xd5, 0x06, 0xa8,
                                    0x01, 0x03, 0x80, 0x8a, 0xfb, 0x0d, 0xb2, 0xfd,
                                    0x4a, 0xbf, 0xf6, 0xaf, 0x41, 0x49, 0xf5, 0x1b};
    static const uint8_t tag[16] = {0xa8, 0x06, 0x1d, 0xc1, 0x30, 0x51, 0x36, 0xc6,
                                    0xc2, 0x2b, 0x8b, 0xaf, 0x0c, 0x01, 0x27, 0xa9};
    static const char text[] = "Cryptographic Forum Research Group";
    struct vr_err err = VR_ERR_INIT;
    struct checksum *c;
    uint8_t got[16];
    CHECK_OK(checksum_new(key, &c, &err), &err);
    for (size_t split = 1; split < sizeof text - 1; split += 7) {
        checksum_tag(c, text, split, text + split, sizeof text - 1 - split, got);
        assert_memory_equal(got, tag, sizeof tag);
    }
    checksum_free(c);
}

/* RFC 4418, appendix: under the key "abcdefghijklmnop" and the nonce "bcdefghi". */
static void test_known_umac(void **state)
{
    static const uint8_t tag[UMAC96_DIGEST_SIZE] = {0x7a, 0x54, 0xab, 0xe0, 0x4a, 0xf8,
                                                    0x2d, 0x60, 0xfb, 0x29, 0x8c, 0x3c};
    struct umac96_ctx u;
    uint8_t text[1024], got[UMAC96_DIGEST_SIZE];
    memset(text, 'a', sizeof text);
    umac96_set_key(&u, (const uint8_t *)"abcdefghijklmnop");
    umac96_set_nonce(&u, 8, (const uint8_t *)"bcdefghi");
    umac96_update(&u, sizeof text, text);
    umac96_digest(&u, sizeof got, got);
    assert_memory_equal(got, tag, sizeof tag);
}

static void test_tail_carries_its_length(void **state)
{
    struct digest *d = make(1);
    uint8_t zero[4096] = {0}, x[16], y[16];
    for (size_t n = 1; n < 4096; n += 511) {
        digest_leaf(d, zero, n, x);
        digest_leaf(d, zero, n + 1, y);
        assert_memory_not_equal(x, y, 16);
    }
    digest_free(d);
}

static void test_zero_nodes_are_as_computed(void **state)
{
    static const uint32_t lens[] = {DIGEST_NODE,      512, 4096, 4097, DIGEST_MID + 4096,
                                    DIGEST_NODE - 512};
    struct digest *d = make(1);
    static struct node_tags t;
    uint8_t zero[4096] = {0};
    for (size_t k = 0; k < sizeof lens / sizeof lens[0]; k++) {
        uint32_t n = digest_leaves(lens[k]);
        for (uint32_t i = 0; i < n; i++) {
            uint32_t len = i + 1 == n && lens[k] % 4096 ? lens[k] % 4096 : 4096;
            digest_leaf(d, zero, len, t.leaf[i]);
        }
        digest_fold(d, &t, lens[k]);
        const struct node_tags *z = digest_zero(d, lens[k]);
        assert_memory_equal(z->node, t.node, 16);
        assert_memory_equal(z->leaf, t.leaf, n * 16);
    }
    digest_free(d);
}

static void test_one_bit_changes_every_level(void **state)
{
    struct digest *d = make(1);
    static struct node_tags a, b;
    a = b = *digest_zero(d, DIGEST_NODE);
    uint8_t block[4096] = {0};
    block[4095] = 0x80;
    digest_leaf(d, block, sizeof block, b.leaf[200]);
    digest_fold(d, &b, DIGEST_NODE);
    assert_memory_not_equal(a.leaf[200], b.leaf[200], 16);
    assert_memory_not_equal(a.mid[200 / 16], b.mid[200 / 16], 16);
    assert_memory_not_equal(a.node, b.node, 16);
    for (int i = 0; i < 16; i++) {
        assert_int_equal(memcmp(a.mid[i], b.mid[i], 16) == 0, i != 200 / 16);
    }
    digest_free(d);
}

static void test_root_is_bound_to_what_it_is_of(void **state)
{
    struct digest *d = make(1);
    struct vr_uuid vm = {{1}}, other = {{2}}, instant = {{3}};
    struct vr_err err = VR_ERR_INIT;
    uint8_t tag[16] = {1}, root[4][32];
    struct digest_root *r[4];
    CHECK_OK(digest_root_new(d, &vm, &instant, 0, "vda", 100, &r[0], &err), &err);
    CHECK_OK(digest_root_new(d, &other, &instant, 0, "vda", 100, &r[1], &err), &err);
    CHECK_OK(digest_root_new(d, &vm, &instant, 1, "vda", 100, &r[2], &err), &err);
    CHECK_OK(digest_root_new(d, &vm, &instant, 0, "vda", 101, &r[3], &err), &err);
    for (int i = 0; i < 4; i++) {
        digest_root_add(r[i], tag, 130); /* more than one batch */
        digest_root_final(r[i], root[i]);
        digest_root_free(r[i]);
        for (int j = 0; j < i; j++) {
            assert_memory_not_equal(root[i], root[j], 32);
        }
    }
    digest_free(d);
}

/* Which nodes were left out, and from which generation they are, is in the root; how they were told
 * is not. */
static void test_root_of_a_delta(void **state)
{
    struct digest *d = make(1);
    struct vr_uuid vm = {{1}}, instant = {{2}}, base[2] = {{{3}}, {{4}}};
    static const uint8_t tag[16] = {7}, like_skipped[16] = {0};
    uint8_t root[7][32];
    struct digest_root *r[7];
    for (int i = 0; i < 7; i++) {
        assert_int_equal(digest_root_new(d, &vm, &instant, 0, "vda", 3 << 20, &r[i], NULL), 0);
        if (i > 0) {
            digest_root_based(r[i], &base[i == 2]);
        }
    }
    digest_root_add(r[0], tag, 3);
    digest_root_add(r[1], tag, 3);
    digest_root_add(r[2], tag, 3);
    digest_root_add(r[3], tag, 1);
    digest_root_skip(r[3], 2);
    digest_root_skip(r[4], 2);
    digest_root_add(r[4], tag, 1);
    digest_root_add(r[5], tag, 1);
    digest_root_add(r[5], like_skipped, 2);
    digest_root_add(r[6], tag, 1);
    digest_root_skip(r[6], 1);
    digest_root_skip(r[6], 1);
    for (int i = 0; i < 7; i++) {
        digest_root_final(r[i], root[i]);
        digest_root_free(r[i]);
        for (int j = 0; j < i && i < 6; j++) {
            assert_memory_not_equal(root[i], root[j], 32);
        }
    }
    assert_memory_equal(root[3], root[6], 32);
    digest_free(d);
}

/* Either may be the faster one; it is what the daemon uses, so it must be one of them. */
static void test_the_fastest_kind(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    enum digest_kind fastest = DIGEST_KINDS;
    CHECK_OK(digest_fastest(&fastest, &err), &err);
    assert_true(fastest < DIGEST_KINDS);
}

static void test_kinds_have_tags_of_their_own(void **state)
{
    uint8_t block[4096] = {7}, x[16], y[16];
    static const uint8_t zero[4];
    enum digest_kind was = kind;
    kind = DIGEST_POLY1305;
    struct digest *a = make(1);
    kind = DIGEST_UMAC96;
    struct digest *b = make(1);
    kind = was;
    digest_leaf(a, block, sizeof block, x);
    digest_leaf(b, block, sizeof block, y);
    assert_memory_not_equal(x, y, 12);
    assert_memory_equal(y + 12, zero, 4);
    digest_free(a);
    digest_free(b);
}

static void test_pairs_that_collide_elsewhere_do_not_here(void **state)
{
    /* Guests choose their blocks. Sums of bytes and of words collide for these; the keyed tag must
     * not. */
    struct digest *d = make(1);
    uint8_t a[4096] = {0}, b[4096] = {0}, x[16], y[16];
    for (int i = 0; i + 16 < 4096; i += 16) {
        memset(a, 0, sizeof a);
        memset(b, 0, sizeof b);
        a[i] = 1;
        b[i + 16] = 1;
        digest_leaf(d, a, sizeof a, x);
        digest_leaf(d, b, sizeof b, y);
        assert_memory_not_equal(x, y, 16);
    }
    digest_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_same_secret_same_tags_other_secret_others),
                                       T(test_known_tag),
                                       T(test_known_umac),
                                       T(test_the_fastest_kind),
                                       T(test_kinds_have_tags_of_their_own),
                                       T(test_tail_carries_its_length),
                                       T(test_zero_nodes_are_as_computed),
                                       T(test_one_bit_changes_every_level),
                                       T(test_root_is_bound_to_what_it_is_of),
                                       T(test_root_of_a_delta),
                                       T(test_pairs_that_collide_elsewhere_do_not_here)};
    int failed = 0;
    for (int i = 0; i < DIGEST_KINDS; i++) {
        kind = (enum digest_kind)i;
        failed += RUN(tests);
    }
    return failed;
}
