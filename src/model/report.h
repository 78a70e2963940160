/* SPDX-License-Identifier: Apache-2.0 */
/* What reports and progress are made of (model/model.h): plain data. */
#pragma once
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
