/* SPDX-License-Identifier: Apache-2.0 */
/* How a relationship replicates, as far as a person may say (Msvm_ReplicationSettingData). The
 * source's; a replica's host is not told. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "util/err.h"

#define VR_CYCLE_MIN_S 30
#define VR_CYCLE_MIN_EXTENDED_S 300
#define VR_CYCLE_MAX_S 43200
#define VR_RECOVERY_HISTORY_MAX 24
#define VR_APP_CONSISTENT_MAX_H 12
#define VR_AUTO_RESYNC_START_S (18 * 3600 + 30 * 60)
#define VR_AUTO_RESYNC_END_S (6 * 3600)

struct vr_setting {
    bool compression;    /* of what goes over the wire */
    uint32_t interval_s; /* between two cycles of replication; 0: nothing is sent by itself */
    bool auto_resync;
    uint32_t auto_start_s, auto_end_s; /* its window, time of day, local; may wrap midnight */
};

/* X(name, what it is called): the members a change may name. */
#define VR_SETTING_FIELDS(X)                                                                       \
    X(COMPRESSION, "CompressionEnabled")                                                           \
    X(INTERVAL, "ReplicationInterval")                                                             \
    X(AUTO_RESYNC, "AutoResynchronizeEnabled")                                                     \
    X(AUTO_START, "AutoResynchronizeIntervalStart")                                                \
    X(AUTO_END, "AutoResynchronizeIntervalEnd")                                                    \
    X(HISTORY, "RecoveryHistory")                                                                  \
    X(APP_CONSISTENT, "ApplicationConsistentSnapshotInterval")                                     \
    X(AUTHENTICATION, "AuthenticationType")                                                        \
    X(WRITE_ORDER, "EnableWriteOrderPreservationAcrossDisks")                                      \
    X(PROVIDER, "ReplicationProvider")                                                             \
    X(ADDITIONAL, "AdditionalSettings")

enum vr_setting_field {
#define X(name, text) VR_SETTING_##name,
    VR_SETTING_FIELDS(X)
#undef X
};

struct vr_setting_change {
    unsigned fields; /* bits 1 << VR_SETTING_x: those that are meant */
    struct vr_setting to;
    /* what no version of us keeps */
    uint32_t recovery_history, app_consistent_h, authentication;
    bool write_order;  /* across disks: we know nothing else */
    bool our_provider; /* what ReplicationProvider names is the built-in one */
    bool additional;   /* AdditionalSettings is not empty */
};

/* Is this time of a local day within the window of automatic resynchronization? A window that
 * begins when it ends is the whole day. */
bool vr_setting_in_window(const struct vr_setting *s, uint32_t day_s);
/* As a relationship begins. */
struct vr_setting vr_setting_default(void);
/*
 * May `now` become what the change asks for, in relationship `number`? INVALID, or UNSUPPORTED for
 * what no version of us does; the text names the member and what to do. *ret is the result.
 */
VR_MUST_CHECK int vr_setting_apply(const struct vr_setting *now,
                                   const struct vr_setting_change *ch,
                                   uint8_t number,
                                   struct vr_setting *ret,
                                   struct vr_err *err);
