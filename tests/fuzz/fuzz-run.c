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

#define HEADER 72 /* docs/on-disk.md */
#define RECORD 36

static void put_tags(uint8_t *p, size_t n)
{
    struct checksum *sum;
    if (n < HEADER || checksum_new(p + 8, &sum, NULL) < 0) {
        return;
    }
    checksum_tag(sum, p, HEADER - DIGEST_TAG, NULL, 0, p + HEADER - DIGEST_TAG);
    for (size_t at = HEADER; n - at >= RECORD;) {
        uint64_t len = 0;
        for (int i = 0; i < 8; i++) {
            len |= (uint64_t)p[at + 12 + (size_t)i] << (8 * i);
        }
        size_t data = p[at + 2] == RUN_DATA ? (size_t)len : 0;
        if (data > n - at - RECORD) {
            break;
        }
        checksum_tag(sum, p + at, RECORD - DIGEST_TAG, p + at + RECORD, data,
                     p + at + RECORD - DIGEST_TAG);
        at += RECORD + data;
    }
    checksum_free(sum);
}

static void walk(const uint8_t *p, size_t n, bool strict)
{
    static uint8_t buf[RUN_DATA_MAX], state[RUN_DATA_MAX / DIGEST_LEAF];
    static const struct run_name names[2] = {{"run-000001", 0}, {"run-000002", 0}};
    struct vr_uuid base;
    struct overlay *o;
    memcpy(base.b, p + 40, sizeof base.b);
    if (overlay_open(memstor(p, n), names, 2, &base, strict, &o, NULL) < 0) {
        return;
    }
    uint64_t off = 0;
    bool any;
    for (uint16_t disk = 0; disk < 3; disk++) {
        off = 0;
        for (int i = 0; i < 64 && overlay_next(o, disk, off, &off, NULL) == 0 && off < INT64_MAX;
             i++) {
            off -= off % DIGEST_LEAF;
            if (overlay_chunk(o, disk, off, RUN_DATA_MAX, buf, state, &any, NULL) < 0) {
                break;
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
        memcpy(copy, "VRUN\1\0\0\0", 8);
        put_tags(copy, n - 1);
    }
    walk(copy, n - 1, p[0] & 2);
    free(copy);
    return 0;
}
