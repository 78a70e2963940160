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
    uint64_t sum; /* of the record with this field 0 */
    uint64_t body[(RECORD_BYTES - 48) / 8];
};
_Static_assert(sizeof(struct record) == RECORD_BYTES, "one record is one block");

/* By words and without a table: an emulated processor has to do it for every write. No step loses
 * anything, so another word at any place makes another sum. */
static inline uint64_t record_sum(const struct record *r)
{
    uint64_t words[RECORD_BYTES / 8], sum = 1;
    memcpy(words, r, sizeof words);
    words[offsetof(struct record, sum) / 8] = 0;
    for (size_t i = 0; i < RECORD_BYTES / 8; i++) {
        sum = (sum ^ words[i]) * 0x9e3779b97f4a7c15u;
        sum ^= sum >> 32;
    }
    return sum;
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
    r->sum = record_sum(r);
}
