/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of staging runs. Byte 0 says how: as the bytes are, or with right checksums put in, so
 * that the fuzzer gets past them.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "memstor.h"
#include "resync/digest.h"
#include "resync/run.h"

#define HEADER 4096 /* docs/on-disk.md */
#define INDEX 8192
#define TAGS_AT 32
#define LEAVES_MAX 128

static uint32_t get_u32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put_tags(uint8_t *p, size_t n)
{
    struct checksum *sum;
    if (checksum_new(p + 8, &sum, NULL) < 0) {
        return;
    }
    uint8_t *head_tag = p + HEADER - DIGEST_TAG;
    checksum_tag(sum, p, HEADER - DIGEST_TAG, NULL, 0, head_tag);
    for (size_t at = HEADER, number = 0; n - at >= INDEX; number++) {
        uint8_t *index = p + at;
        uint32_t leaves = get_u32(index + 16);
        at += INDEX;
        memcpy(index, "VSEG", 4);
        memset(index + 8, 0, 8);
        index[8] = (uint8_t)number;
        for (uint32_t i = 0; i < leaves && i < LEAVES_MAX && n - at >= DIGEST_LEAF; i++) {
            checksum_tag(sum, p + at, DIGEST_LEAF, NULL, 0, index + TAGS_AT + i * DIGEST_TAG);
            at += DIGEST_LEAF;
        }
        checksum_tag(sum, head_tag, DIGEST_TAG, index, INDEX - DIGEST_TAG,
                     index + INDEX - DIGEST_TAG);
    }
    checksum_free(sum);
}

static void walk(const uint8_t *p, size_t n, unsigned flags)
{
    static uint8_t buf[RUN_DATA_MAX], state[RUN_DATA_MAX / DIGEST_LEAF];
    static struct leaf_tag tags[RUN_DATA_MAX / DIGEST_LEAF];
    static const struct run_name names[2] = {{"run-000001", 0}, {"run-000002", 0}};
    struct vr_uuid base;
    struct overlay *o;
    memcpy(base.b, p + 40, sizeof base.b);
    if (overlay_open(memstor(p, n), names, 2, &base, flags, &o, NULL) < 0) {
        return;
    }
    uint64_t off = 0;
    bool any;
    for (uint16_t disk = 0; disk < 3; disk++) {
        off = 0;
        for (int i = 0; i < 64 && overlay_next(o, disk, off, &off, NULL) == 0 && off < INT64_MAX;
             i++) {
            off -= off % DIGEST_LEAF;
            int r = flags & OVERLAY_INDEX
                        ? overlay_chunk_tags(o, disk, off, RUN_DATA_MAX, tags, state, &any, NULL)
                        : overlay_chunk(o, disk, off, RUN_DATA_MAX, buf, state, &any, NULL);
            if (r < 0) {
                break;
            }
            if (flags & OVERLAY_INDEX && state[0] == LEAF_DATA) {
                (void)overlay_is_leaf(o, &tags[0], buf, 512);
            }
            off += RUN_DATA_MAX;
        }
    }
    overlay_free(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n < 1 + HEADER) {
        return 0;
    }
    uint8_t *copy = malloc(n - 1);
    if (!copy) {
        return 0;
    }
    memcpy(copy, p + 1, n - 1);
    if (p[0] & 1) {
        memcpy(copy, "VRUN\2\0\0\0", 8);
        put_tags(copy, n - 1);
    }
    walk(copy, n - 1, (p[0] >> 1) & (OVERLAY_STRICT | OVERLAY_INDEX));
    free(copy);
    return 0;
}
