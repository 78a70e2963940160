/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the test guest writes, and the checker looks for. Record n goes to slot n % slots of disk 0
 * and, only when that write is done, to the same slot of disk 1. So at any instant of both disks
 * every record is whole, each slot holds the newest record that belongs there, and disk 1 is at
 * most one record behind disk 0; not at all when the writer was frozen between two records.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define RECORD_BYTES 4096u
#define RECORD_MAGIC "VRREC001"

struct record {
    char magic[8];
    uint64_t seq; /* from 1 on */
    uint64_t disk, slot, slots;
    uint64_t crc; /* of the record with this field 0 */
    uint64_t body[(RECORD_BYTES - 48) / 8];
};
_Static_assert(sizeof(struct record) == RECORD_BYTES, "one record is one block");

/* CRC-32 as in zlib, bit by bit: no table to set up. */
static inline uint64_t record_crc(const struct record *r)
{
    struct record copy = *r;
    const uint8_t *p = (const uint8_t *)&copy;
    uint32_t crc = ~0u;
    copy.crc = 0;
    for (size_t i = 0; i < sizeof copy; i++) {
        crc ^= p[i];
        for (int k = 0; k < 8; k++) {
            crc = (crc & 1) ? 0xedb88320u ^ (crc >> 1) : crc >> 1;
        }
    }
    return (uint64_t)~crc;
}

static inline uint64_t record_step(uint64_t x)
{
    x ^= x << 13;
    x ^= x >> 7;
    return x ^ x << 17;
}

static inline void record_make(struct record *r, uint64_t seq, uint64_t disk, uint64_t slots)
{
    uint64_t x = seq * 2654435761u + disk + 1;
    memset(r, 0, sizeof *r);
    memcpy(r->magic, RECORD_MAGIC, sizeof r->magic);
    r->seq = seq;
    r->disk = disk;
    r->slot = seq % slots;
    r->slots = slots;
    for (size_t i = 0; i < sizeof r->body / sizeof r->body[0]; i++) {
        x = record_step(x);
        r->body[i] = x;
    }
    r->crc = record_crc(r);
}
