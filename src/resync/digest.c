/* SPDX-License-Identifier: Apache-2.0 */
#include "resync/digest.h"

#include <nettle/umac.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>

#include "util/vtime.h"

enum level {
    LEVEL_LEAF,
    LEVEL_MID,
    LEVEL_NODE,
    LEVEL_ROOT,
    LEVELS
};

struct digest {
    uint8_t key[LEVELS][32];
    EVP_MAC_CTX *poly;                  /* NULL: UMAC */
    struct umac96_ctx umac[LEVEL_ROOT]; /* of each level below the root */
    struct node_tags zero_full, zero_short;
    uint32_t zero_short_len;
    uint8_t zero_block[DIGEST_LEAF];
};

struct digest_root {
    EVP_MAC_CTX *hmac;
    bool based;
    uint64_t skipped; /* and not yet in it: however a stretch was told, it counts as one */
};

struct checksum {
    EVP_MAC_CTX *poly;
    uint8_t key[32];
};

static int mac_ctx_new(const char *name, EVP_MAC_CTX **ret, struct vr_err *err)
{
    EVP_MAC *mac = EVP_MAC_fetch(NULL, name, NULL);
    EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;
    EVP_MAC_free(mac);
    if (!ctx) {
        return vr_fail(err, VR_E_INTERNAL, "libcrypto has no %s", name);
    }
    *ret = ctx;
    return 0;
}

/* Fails only when memory for the context's first use cannot be had: nothing could be compared then.
 */
static void poly(EVP_MAC_CTX *ctx,
                 const uint8_t key[32],
                 const void *a,
                 size_t alen,
                 const void *b,
                 size_t blen,
                 uint8_t ret[DIGEST_TAG])
{
    size_t n;
    vr_assert(EVP_MAC_init(ctx, key, 32, NULL) == 1);
    vr_assert(EVP_MAC_update(ctx, a, alen) == 1);
    vr_assert(blen == 0 || EVP_MAC_update(ctx, b, blen) == 1);
    vr_assert(EVP_MAC_final(ctx, ret, &n, DIGEST_TAG) == 1 && n == DIGEST_TAG);
}

static int derive_key(const uint8_t *ikm,
                      size_t ikm_len,
                      const uint8_t *salt,
                      size_t salt_len,
                      const char *info,
                      uint8_t ret[32],
                      struct vr_err *err)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    EVP_KDF_free(kdf);
    char sha[] = "SHA256";
    uint8_t in[32], sa[128];
    char inf[32];
    vr_assert(ikm_len <= sizeof in && salt_len <= sizeof sa && strlen(info) < sizeof inf);
    memcpy(in, ikm, ikm_len);
    memcpy(sa, salt, salt_len);
    memcpy(inf, info, strlen(info));
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, sha, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, in, ikm_len),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, sa, salt_len),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, inf, strlen(info)),
        OSSL_PARAM_construct_end()};
    int ok = ctx && EVP_KDF_derive(ctx, ret, 32, params) == 1;
    EVP_KDF_CTX_free(ctx);
    OPENSSL_cleanse(in, sizeof in);
    return ok ? 0 : vr_fail(err, VR_E_INTERNAL, "libcrypto cannot derive keys");
}

/* Tags are compared inside of a session and never leave it: the nonce, which hides the hash from
 * whoever sees a MAC, may always be the same. */
static void umac(struct umac96_ctx *u,
                 const void *a,
                 size_t alen,
                 const void *b,
                 size_t blen,
                 uint8_t ret[DIGEST_TAG])
{
    static const uint8_t nonce[16];
    umac96_set_nonce(u, sizeof nonce, nonce);
    umac96_update(u, alen, a);
    if (blen > 0) {
        umac96_update(u, blen, b);
    }
    umac96_digest(u, UMAC96_DIGEST_SIZE, ret);
    memset(ret + UMAC96_DIGEST_SIZE, 0, DIGEST_TAG - UMAC96_DIGEST_SIZE);
}

static void tag(struct digest *d,
                enum level level,
                const void *a,
                size_t alen,
                const void *b,
                size_t blen,
                uint8_t ret[DIGEST_TAG])
{
    if (d->poly) {
        poly(d->poly, d->key[level], a, alen, b, blen, ret);
    } else {
        umac(&d->umac[level], a, alen, b, blen, ret);
    }
}

int digest_new(enum digest_kind kind,
               const uint8_t secret[32],
               const uint8_t source_nonce[32],
               const uint8_t target_nonce[32],
               const struct vr_uuid *job,
               const struct vr_uuid *vm,
               uint8_t rel_number,
               struct digest **ret,
               struct vr_err *err)
{
    static const char *const infos[LEVELS] = {"vmreplica leaf", "vmreplica mid", "vmreplica node",
                                              "vmreplica root"};
    _cleanup_(digest_freep) struct digest *d = calloc(1, sizeof *d);
    if (!d) {
        return vr_fail_nomem(err);
    }
    uint8_t salt[32 + 32 + 16 + 16 + 1];
    memcpy(salt, source_nonce, 32);
    memcpy(salt + 32, target_nonce, 32);
    memcpy(salt + 64, job->b, 16);
    memcpy(salt + 80, vm->b, 16);
    salt[96] = rel_number;
    for (int i = 0; i < LEVELS; i++) {
        int r = derive_key(secret, 32, salt, sizeof salt, infos[i], d->key[i], err);
        if (r < 0) {
            return r;
        }
    }
    int r = kind == DIGEST_POLY1305 ? mac_ctx_new("POLY1305", &d->poly, err) : 0;
    if (r < 0) {
        return r;
    }
    for (int i = 0; !d->poly && i < LEVEL_ROOT; i++) {
        umac96_set_key(&d->umac[i], d->key[i]);
    }
    digest_leaf(d, d->zero_block, DIGEST_LEAF, d->zero_full.leaf[0]);
    for (uint32_t i = 1; i < DIGEST_LEAVES; i++) {
        memcpy(d->zero_full.leaf[i], d->zero_full.leaf[0], DIGEST_TAG);
    }
    digest_fold(d, &d->zero_full, DIGEST_NODE);
    *ret = TAKE_PTR(d);
    return 0;
}

void digest_free(struct digest *d)
{
    if (!d) {
        return;
    }
    EVP_MAC_CTX_free(d->poly);
    OPENSSL_cleanse(d->key, sizeof d->key);
    OPENSSL_cleanse(d->umac, sizeof d->umac);
    free(d);
}

/* Nanoseconds of a tag, the least of a few rounds: something else may have run in any of them. */
static uint64_t cost_ns(struct digest *d)
{
    enum {
        ROUNDS = 8,
        TAGS = 64
    };
    uint64_t least = UINT64_MAX;
    uint8_t ret[DIGEST_TAG];
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t since = vr_mono_us();
        for (int k = 0; k < TAGS; k++) {
            digest_leaf(d, d->zero_block, DIGEST_LEAF, ret);
        }
        uint64_t ns = (vr_mono_us() - since) * 1000 / TAGS;
        least = ns < least ? ns : least;
    }
    return least;
}

int digest_fastest(enum digest_kind *ret, struct vr_err *err)
{
    static const uint8_t none[32];
    static const struct vr_uuid id;
    uint64_t ns[DIGEST_KINDS];
    for (int kind = 0; kind < DIGEST_KINDS; kind++) {
        _cleanup_(digest_freep) struct digest *d = NULL;
        int r = digest_new((enum digest_kind)kind, none, none, none, &id, &id, 0, &d, err);
        if (r < 0) {
            return r;
        }
        ns[kind] = cost_ns(d);
    }
    *ret = ns[DIGEST_UMAC96] < ns[DIGEST_POLY1305] ? DIGEST_UMAC96 : DIGEST_POLY1305;
    return 0;
}

void digest_leaf(struct digest *d, const void *p, size_t len, uint8_t ret[DIGEST_TAG])
{
    uint8_t tail[8] = {(uint8_t)len, (uint8_t)(len >> 8)};
    vr_assert(len > 0 && len <= DIGEST_LEAF);
    tag(d, LEVEL_LEAF, p, len, tail, len == DIGEST_LEAF ? 0 : sizeof tail, ret);
}

void digest_fold(struct digest *d, struct node_tags *t, uint32_t len)
{
    uint32_t leaves = digest_leaves(len), mids = digest_mids(len);
    for (uint32_t m = 0; m < mids; m++) {
        uint32_t first = m * DIGEST_LEAVES_OF_MID;
        uint32_t n = leaves - first < DIGEST_LEAVES_OF_MID ? leaves - first : DIGEST_LEAVES_OF_MID;
        tag(d, LEVEL_MID, t->leaf[first], (size_t)n * DIGEST_TAG, NULL, 0, t->mid[m]);
    }
    tag(d, LEVEL_NODE, t->mid[0], (size_t)mids * DIGEST_TAG, NULL, 0, t->node);
}

const struct node_tags *digest_zero(struct digest *d, uint32_t len)
{
    if (len == DIGEST_NODE) {
        return &d->zero_full;
    }
    if (d->zero_short_len != len) {
        uint32_t leaves = digest_leaves(len), tail = len % DIGEST_LEAF;
        for (uint32_t i = 0; i < leaves; i++) {
            memcpy(d->zero_short.leaf[i], d->zero_full.leaf[0], DIGEST_TAG);
        }
        if (tail) {
            digest_leaf(d, d->zero_block, tail, d->zero_short.leaf[leaves - 1]);
        }
        digest_fold(d, &d->zero_short, len);
        d->zero_short_len = len;
    }
    return &d->zero_short;
}

const uint8_t *digest_zero_leaf(struct digest *d)
{
    return d->zero_full.leaf[0];
}

int digest_root_new(struct digest *d,
                    const struct vr_uuid *vm,
                    const struct vr_uuid *instant,
                    uint32_t disk_index,
                    const char *disk_name,
                    uint64_t size_bytes,
                    struct digest_root **ret,
                    struct vr_err *err)
{
    struct digest_root *root = calloc(1, sizeof *root);
    if (!root) {
        return vr_fail_nomem(err);
    }
    int r = mac_ctx_new("HMAC", &root->hmac, err);
    if (r < 0) {
        free(root);
        return r;
    }
    char sha[] = "SHA256";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha, 0),
                           OSSL_PARAM_construct_end()};
    uint8_t head[8 + 4] = {0};
    for (int i = 0; i < 8; i++) {
        head[i] = (uint8_t)(size_bytes >> (8 * i));
    }
    head[8] = (uint8_t)disk_index;
    vr_assert(EVP_MAC_init(root->hmac, d->key[LEVEL_ROOT], 32, params) == 1);
    vr_assert(EVP_MAC_update(root->hmac, vm->b, 16) == 1);
    vr_assert(EVP_MAC_update(root->hmac, instant->b, 16) == 1);
    vr_assert(EVP_MAC_update(root->hmac, head, sizeof head) == 1);
    vr_assert(EVP_MAC_update(root->hmac, (const uint8_t *)disk_name, strlen(disk_name) + 1) == 1);
    *ret = root;
    return 0;
}

void digest_root_based(struct digest_root *r, const struct vr_uuid *base)
{
    static const char what[] = "delta";
    r->based = true;
    vr_assert(EVP_MAC_update(r->hmac, (const uint8_t *)what, sizeof what) == 1);
    vr_assert(EVP_MAC_update(r->hmac, base->b, sizeof base->b) == 1);
}

void digest_root_skip(struct digest_root *r, uint64_t nodes)
{
    vr_assert(r->based);
    r->skipped += nodes;
}

/* A tag has 16 bytes, and what was left out 9: a byte before each says which it is. */
static void tell_skipped(struct digest_root *r)
{
    uint8_t b[1 + 8] = {0};
    for (int i = 0; i < 8; i++) {
        b[1 + i] = (uint8_t)(r->skipped >> (8 * i));
    }
    vr_assert(!r->skipped || EVP_MAC_update(r->hmac, b, sizeof b) == 1);
    r->skipped = 0;
}

static void add_based(struct digest_root *r, const uint8_t tag[DIGEST_TAG], uint64_t times)
{
    static const uint8_t one = 1;
    tell_skipped(r);
    for (; times; times--) {
        vr_assert(EVP_MAC_update(r->hmac, &one, 1) == 1);
        vr_assert(EVP_MAC_update(r->hmac, tag, DIGEST_TAG) == 1);
    }
}

void digest_root_add(struct digest_root *r, const uint8_t tag[DIGEST_TAG], uint64_t times)
{
    if (r->based) {
        add_based(r, tag, times);
        return;
    }
    uint8_t many[64 * DIGEST_TAG];
    uint64_t fill = times < 64 ? times : 64;
    for (uint64_t i = 0; i < fill; i++) {
        memcpy(many + i * DIGEST_TAG, tag, DIGEST_TAG);
    }
    while (times) {
        uint64_t n = times < 64 ? times : 64;
        vr_assert(EVP_MAC_update(r->hmac, many, n * DIGEST_TAG) == 1);
        times -= n;
    }
}

void digest_root_final(struct digest_root *r, uint8_t ret[DIGEST_ROOT])
{
    size_t n;
    tell_skipped(r);
    vr_assert(EVP_MAC_final(r->hmac, ret, &n, DIGEST_ROOT) == 1 && n == DIGEST_ROOT);
}

void digest_root_free(struct digest_root *r)
{
    if (r) {
        EVP_MAC_CTX_free(r->hmac);
        free(r);
    }
}

int checksum_new(const uint8_t key[32], struct checksum **ret, struct vr_err *err)
{
    struct checksum *c = calloc(1, sizeof *c);
    if (!c) {
        return vr_fail_nomem(err);
    }
    int r = mac_ctx_new("POLY1305", &c->poly, err);
    if (r < 0) {
        free(c);
        return r;
    }
    memcpy(c->key, key, sizeof c->key);
    *ret = c;
    return 0;
}

void checksum_free(struct checksum *c)
{
    if (c) {
        EVP_MAC_CTX_free(c->poly);
        free(c);
    }
}

void checksum_tag(struct checksum *c,
                  const void *a,
                  size_t alen,
                  const void *b,
                  size_t blen,
                  uint8_t ret[DIGEST_TAG])
{
    poly(c->poly, c->key, a, alen, b, blen, ret);
}

int digest_sha256_hex(const void *p, size_t n, char ret[65], struct vr_err *err)
{
    uint8_t sum[32];
    if (EVP_Digest(p, n, sum, NULL, EVP_sha256(), NULL) != 1) {
        return vr_fail(err, VR_E_INTERNAL, "libcrypto has no SHA-256");
    }
    for (int i = 0; i < 32; i++) {
        snprintf(ret + 2 * (size_t)i, 3, "%02x", sum[i]);
    }
    return 0;
}
