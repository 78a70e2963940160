/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The digest tree of a disk: a tag for every 4 KiB (leaf), one over the leaf tags of every 64 KiB
 * (mid), one over the mid tags of every 1 MiB (node), and one root a disk over its node tags. Leaf,
 * mid and node tags are Poly1305 (RFC 8439) or UMAC-96 (RFC 4418) under keys that are fresh for
 * every job: universal hashes, so two different blocks of 4 KiB have equal tags with a probability
 * of at most 2^-95 or 2^-90 whoever chose their contents, as long as the tags stay inside the
 * session (docs/protocol.md). The root is HMAC-SHA-256 and may be stored and shown.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/model.h"
#include "util/cleanup.h"
#include "util/err.h"

#define DIGEST_LEAF 4096u
#define DIGEST_MID (64u << 10)
#define DIGEST_NODE (1u << 20)
#define DIGEST_LEAVES (DIGEST_NODE / DIGEST_LEAF) /* of a node: 256 */
#define DIGEST_MIDS (DIGEST_NODE / DIGEST_MID)    /* of a node: 16 */
#define DIGEST_LEAVES_OF_MID (DIGEST_MID / DIGEST_LEAF)
#define DIGEST_TAG 16u
#define DIGEST_ROOT 32u

struct node_tags {
    uint8_t leaf[DIGEST_LEAVES][DIGEST_TAG];
    uint8_t mid[DIGEST_MIDS][DIGEST_TAG];
    uint8_t node[DIGEST_TAG];
};

enum digest_kind {
    DIGEST_POLY1305,
    DIGEST_UMAC96, /* 12 bytes and 4 zeroes */
    DIGEST_KINDS
};
/* The one whose tags cost this processor less; takes a millisecond to find. */
VR_MUST_CHECK int digest_fastest(enum digest_kind *ret, struct vr_err *err);

struct digest;

/* Keys by HKDF-SHA-256 from the secret, both nonces, the job and the relationship. */
VR_MUST_CHECK int digest_new(enum digest_kind kind,
                             const uint8_t secret[32],
                             const uint8_t source_nonce[32],
                             const uint8_t target_nonce[32],
                             const struct vr_uuid *job,
                             const struct vr_uuid *vm,
                             uint8_t rel_number,
                             struct digest **ret,
                             struct vr_err *err);
void digest_free(struct digest *d);
DEFINE_CLEANUP(struct digest *, digest_free)

/* Tag of len bytes (1..4096). A short block is the tail of a disk; its length is part of its tag.
 */
void digest_leaf(struct digest *d, const void *p, size_t len, uint8_t ret[DIGEST_TAG]);
/* Computes mid and node tags from the leaf tags of a node of len bytes. */
void digest_fold(struct digest *d, struct node_tags *t, uint32_t len);
/* The tags of a node of len bytes that is all zero. Full nodes are remembered; borrowed until the
 * next short one. */
const struct node_tags *digest_zero(struct digest *d, uint32_t len);
/* The tag of a full block of zeroes. */
const uint8_t *digest_zero_leaf(struct digest *d);

static inline uint32_t digest_leaves(uint32_t len)
{
    return (len + DIGEST_LEAF - 1) / DIGEST_LEAF;
}
/* Is the leaf's bit set in a mask of a node's leaves? */
static inline bool leaf_bit(const uint64_t mask[DIGEST_LEAVES / 64], uint32_t leaf)
{
    return mask[leaf / 64] >> (leaf % 64) & 1;
}
static inline uint32_t digest_mids(uint32_t len)
{
    return (len + DIGEST_MID - 1) / DIGEST_MID;
}

/* A root being computed: node tags in order, every node once. */
struct digest_root;
VR_MUST_CHECK int digest_root_new(struct digest *d,
                                  const struct vr_uuid *vm,
                                  const struct vr_uuid *instant,
                                  uint32_t disk_index,
                                  const char *disk_name,
                                  uint64_t size_bytes,
                                  struct digest_root **ret,
                                  struct vr_err *err);
/* The root will leave nodes out: it is bound to the generation that they are taken from. At once
 * after digest_root_new. */
void digest_root_based(struct digest_root *r, const struct vr_uuid *base);
/* Nodes that were not compared, of a root with a base. */
void digest_root_skip(struct digest_root *r, uint64_t nodes);
void digest_root_add(struct digest_root *r, const uint8_t tag[DIGEST_TAG], uint64_t times);
void digest_root_final(struct digest_root *r, uint8_t ret[DIGEST_ROOT]);
void digest_root_free(struct digest_root *r);

/* Poly1305 of two parts under any 32-byte key: the checksum of staged records. */
struct checksum;
VR_MUST_CHECK int checksum_new(const uint8_t key[32], struct checksum **ret, struct vr_err *err);
void checksum_free(struct checksum *c);
void checksum_tag(struct checksum *c,
                  const void *a,
                  size_t alen,
                  const void *b,
                  size_t blen,
                  uint8_t ret[DIGEST_TAG]);
/* SHA-256 as lower-case hex (64 characters and a NUL). */
VR_MUST_CHECK int digest_sha256_hex(const void *p, size_t n, char ret[65], struct vr_err *err);
