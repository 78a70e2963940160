/* SPDX-License-Identifier: Apache-2.0 */
/* Layout of a staging run's file, version 2 (docs/on-disk.md): run_write.c makes it, run.c reads
 * it. */
#pragma once
#include "resync/run.h"

#define RUN_MAGIC 0x4e555256u /* "VRUN" */
#define RUN_VERSION 2u
#define RUN_HEADER_BYTES 4096u /* magic, version, key, base; zeroes; tag */
#define RUN_KEY_AT 8u
#define RUN_BASE_AT 40u

#define SEGMENT_MAGIC 0x47455356u /* "VSEG" */
#define SEGMENT_INDEX_BYTES 8192u /* what is below; zeroes; tag */
#define SEGMENT_LEAVES 128u       /* 4 KiB blocks of data of one segment, at most */
#define SEGMENT_TAGS_AT 32u       /* magic, records, number, leaves before it */
#define SEGMENT_RECORDS_AT (SEGMENT_TAGS_AT + SEGMENT_LEAVES * DIGEST_TAG)
#define SEGMENT_RECORD_BYTES 20u /* disk, type, offset, length */
#define SEGMENT_RECORDS 304u
#define SEGMENT_DATA_BYTES (SEGMENT_LEAVES * DIGEST_LEAF)
#define SEGMENT_BYTES (SEGMENT_INDEX_BYTES + SEGMENT_DATA_BYTES)

_Static_assert(SEGMENT_RECORDS_AT + SEGMENT_RECORDS * SEGMENT_RECORD_BYTES + DIGEST_TAG <=
                   SEGMENT_INDEX_BYTES,
               "an index holds its records and its tag");

/* Blocks of data that a record has in its segment. */
static inline uint64_t run_record_leaves(const struct run_record *rec)
{
    return rec->type == RUN_DATA ? (rec->len + DIGEST_LEAF - 1) / DIGEST_LEAF : 0;
}
