/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Staging. A run is an append-only file of records in ascending (disk, offset) order; a transfer
 * writes one run per session. An overlay reads several runs side by side, in step with the disk:
 * where two say something about the same block, the later run wins. Memory does not grow with the
 * disk.
 *
 * File (docs/on-disk.md): a header, then segments: an index (records and a tag for every 4 KiB of
 * their data, all under one tag) and the data, so that what was staged can be told, and a disk be
 * compared with it, without reading the data. A run ends at its last whole segment: what was cut by
 * a crash is as if it had never been staged.
 */
#pragma once
#include "block/stor.h"
#include "resync/digest.h"
#include "util/cleanup.h"
#include "util/uuid.h"

#define RUNS_MAX 8u /* a session that finds this many merges them first */
#define RUN_DATA_MAX                                                                               \
    (256u << 10) /* bytes of one DATA record given to the writer, and of one chunk */

enum run_type {
    RUN_DATA = 1,
    RUN_ZERO = 2,
    RUN_REVERT = 3 /* the base's own contents are right again */
};

struct run_record {
    enum run_type type;
    uint16_t disk;
    uint64_t off, len;
    const uint8_t *data; /* DATA: borrowed until the cursor moves */
};

/* --- writing --- */

struct run_writer;
/* EXISTS when the name is taken. key: 32 random bytes; base: the generation this run changes. */
VR_MUST_CHECK int run_writer_new(struct stor *stor,
                                 const char *name,
                                 const uint8_t key[32],
                                 const struct vr_uuid *base,
                                 struct run_writer **ret,
                                 struct vr_err *err);
void run_writer_free(struct run_writer *w);
DEFINE_CLEANUP(struct run_writer *, run_writer_free)
/* Records must ascend and not overlap: PROTOCOL otherwise. Only a disk's last record may end off a
 * 4 KiB boundary. */
VR_MUST_CHECK int
run_writer_add(struct run_writer *w, const struct run_record *rec, struct vr_err *err);
/* Buffered records to the file, as a segment that may be a small one: neither durable nor
 * sure to get there. */
VR_MUST_CHECK int run_writer_flush(struct run_writer *w, struct vr_err *err);
/* As flush, and all of it is in the file. When it fails the run can still be read up to some
 * segment; what a failed sync leaves can not: it may look whole and be gone after a power cut. */
VR_MUST_CHECK int run_writer_settle(struct run_writer *w, struct vr_err *err);
/* All of it is durable. */
VR_MUST_CHECK int run_writer_sync(struct run_writer *w, struct vr_err *err);
uint64_t run_writer_bytes(const struct run_writer *w); /* file bytes, buffered ones included */
const char *run_writer_name(const struct run_writer *w);

/* --- reading --- */

struct run_name {
    char name[32];
    uint64_t bytes; /* whole segments up to here; 0: as far as they go */
};

struct overlay;
/* Every run must be whole up to its bytes (CORRUPT otherwise), as a commit needs it; without, a run
 * ends where it is damaged. */
#define OVERLAY_STRICT 1u
/* Only indexes are read: for overlay_chunk_tags. Whether the data are whole is not looked at. */
#define OVERLAY_INDEX 2u
/* Opens runs, oldest first. flags: OVERLAY_*. A run of another base is STATE, one of a version that
 * is not known CORRUPT. */
VR_MUST_CHECK int overlay_open(struct stor *stor,
                               const struct run_name *runs,
                               size_t n,
                               const struct vr_uuid *base,
                               unsigned flags,
                               struct overlay **ret,
                               struct vr_err *err);
void overlay_free(struct overlay *o);
DEFINE_CLEANUP(struct overlay *, overlay_free)
/* The first staged offset >= off on this disk, UINT64_MAX when there is none. Positions may only
 * ascend. */
VR_MUST_CHECK int
overlay_next(struct overlay *o, uint16_t disk, uint64_t off, uint64_t *ret_off, struct vr_err *err);

enum leaf_state {
    LEAF_BASE = 0,
    LEAF_DATA,
    LEAF_ZERO,
    LEAF_REVERT
};
/*
 * What is staged for [off, off+len), off a multiple of 4 KiB, len <= RUN_DATA_MAX: state[i] for its
 * i-th 4 KiB block (LEAF_BASE: nothing), and the bytes of DATA blocks at their place in buf.
 * Positions may only ascend.
 */
VR_MUST_CHECK int overlay_chunk(struct overlay *o,
                                uint16_t disk,
                                uint64_t off,
                                uint32_t len,
                                uint8_t *buf,
                                uint8_t *state,
                                bool *ret_any,
                                struct vr_err *err);
/* The tag of a staged block, and the run (its number in the overlay) under whose key it is. */
struct leaf_tag {
    uint8_t run;
    uint8_t tag[DIGEST_TAG];
};
/* The same, with the tags of DATA blocks instead of their bytes. */
VR_MUST_CHECK int overlay_chunk_tags(struct overlay *o,
                                     uint16_t disk,
                                     uint64_t off,
                                     uint32_t len,
                                     struct leaf_tag *tags,
                                     uint8_t *state,
                                     bool *ret_any,
                                     struct vr_err *err);
/* Are these the bytes that were staged? len: 4 KiB, or less for a disk's short last block. Two
 * different blocks are taken for equal with a probability below 2^-95. */
bool overlay_is_leaf(struct overlay *o, const struct leaf_tag *t, const void *p, size_t len);
/* Are all runs read to their end? Then *ret_bytes (n of them) are the valid lengths. */
bool overlay_at_end(struct overlay *o, uint64_t *ret_bytes);
