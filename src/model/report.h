/* SPDX-License-Identifier: Apache-2.0 */
/* What reports and progress are made of (model/model.h): plain data. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* What a guest that starts from an instant finds: X(name, number, text). Numbers are stored. */
#define VR_CONSISTENCIES(X)                                                                        \
    X(UNKNOWN, 0, "not known")                                                                     \
    X(CRASH, 1, "crash-consistent")                                                                \
    X(FILE_SYSTEM, 2, "file-system-consistent")                                                    \
    X(APPLICATION, 3, "application-consistent")

enum vr_consistency {
#define X(name, number, text) VR_CONSISTENCY_##name = (number),
    VR_CONSISTENCIES(X)
#undef X
};

/* How reading a running guest's disks gives way to its writes (model/ease.h). */
struct vr_ease {
    uint32_t level, times; /* 0: reads as fast as it can; how often it had to slow down */
    uint64_t latency_us;   /* the guest's writes take so long, on average; 0: not known */
    bool gentle;           /* it writes: little is read at a time */
    bool counted;          /* is it known what the guest wrote since the instant? */
    uint64_t written_bytes;
};

/* The instant that a transfer reads. */
struct vr_taken {
    uint64_t instant_us;  /* of when the contents are; 0: none is taken yet */
    uint64_t frozen_us;   /* the guest was frozen so long for it; 0: not at all */
    uint32_t consistency; /* enum vr_consistency */
};

/* What is counted while the disks are compared. Both sides read the same, each its own disks. */
struct vr_flow {
    uint64_t read_bytes, peer_read_bytes; /* what each side has been through, zeroes included */
    uint64_t unchanged_bytes;             /* left out: nothing was written there */
    uint64_t zero_bytes;                  /* zero on both sides */
    uint64_t raw_bytes;                   /* what was sent, before it was compressed */
    uint64_t since_us, from_bytes; /* the present phase counts since then, from there; 0: nothing */
};

/* What the replica's host said last of its file system and of its commit. */
struct vr_space {
    uint64_t staged_bytes, free_bytes, reserve_bytes; /* reserve: stays free. free 0: not known */
    uint64_t readback_bytes, readback_total;          /* total 0: not known beforehand */
};

/* What a sample says that a resynchronization would cost. */
struct vr_forecast {
    uint64_t sampled_bytes;   /* that were compared; 0: there is no forecast */
    uint64_t differing_bytes; /* of all disks */
    uint64_t margin_bytes;    /* more or less, 95 times of 100 */
    uint64_t wire_bytes;      /* what would go out for them, compressed as the sample was */
    uint64_t limit_bytes_s;   /* the limit that counted; 0: none */
    uint64_t time_us;         /* comparing, or sending at the limit: what is longer */
};
