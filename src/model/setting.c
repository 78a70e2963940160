/* SPDX-License-Identifier: Apache-2.0 */
#include "model/setting.h"

#include "model/service.h"

struct vr_setting vr_setting_default(void)
{
    return (struct vr_setting){
        .compression = true,
        .auto_start_s = VR_AUTO_RESYNC_START_S,
        .auto_end_s = VR_AUTO_RESYNC_END_S,
    };
}

static bool names(const struct vr_setting_change *ch, enum vr_setting_field f)
{
    return (ch->fields & (1u << f)) != 0;
}

/* Values no relationship can have, whatever we know to do. */
static int check_values(const struct vr_setting_change *ch, uint8_t number, struct vr_err *err)
{
    const struct vr_setting *to = &ch->to;
    uint32_t least = number == 1 ? VR_CYCLE_MIN_EXTENDED_S : VR_CYCLE_MIN_S;
    bool fits =
        to->interval_s == 0 || (to->interval_s >= least && to->interval_s <= VR_CYCLE_MAX_S);
    if (names(ch, VR_SETTING_INTERVAL) && !fits) {
        return vr_fail(err, VR_E_INVALID,
                       "ReplicationInterval%s must be 0 (nothing is sent by itself) or %u to %d "
                       "seconds",
                       number == 1 ? " of an extended relationship" : "", least, VR_CYCLE_MAX_S);
    }
    if ((names(ch, VR_SETTING_AUTO_START) && to->auto_start_s >= VR_DAY_S) ||
        (names(ch, VR_SETTING_AUTO_END) && to->auto_end_s >= VR_DAY_S)) {
        return vr_fail(err, VR_E_INVALID,
                       "AutoResynchronizeIntervalStart and -End must be times of a day, as "
                       "intervals below 24 hours");
    }
    if (names(ch, VR_SETTING_HISTORY) && ch->recovery_history > VR_RECOVERY_HISTORY_MAX) {
        return vr_fail(err, VR_E_INVALID, "RecoveryHistory must be 0 to %d",
                       VR_RECOVERY_HISTORY_MAX);
    }
    if (names(ch, VR_SETTING_APP_CONSISTENT) && ch->app_consistent_h > VR_APP_CONSISTENT_MAX_H) {
        return vr_fail(err, VR_E_INVALID,
                       "ApplicationConsistentSnapshotInterval must be at most %d hours",
                       VR_APP_CONSISTENT_MAX_H);
    }
    if (names(ch, VR_SETTING_AUTHENTICATION) && ch->authentication != VR_AUTHENTICATION_KERBEROS &&
        ch->authentication != VR_AUTHENTICATION_CERTIFICATE) {
        return vr_fail(err, VR_E_INVALID, "AuthenticationType must be 2 (certificate)");
    }
    return 0;
}

static int check_offered(const struct vr_setting_change *ch, struct vr_err *err)
{
    if (names(ch, VR_SETTING_AUTHENTICATION) &&
        ch->authentication != VR_AUTHENTICATION_CERTIFICATE) {
        return vr_fail(err, VR_E_UNSUPPORTED,
                       "AuthenticationType must be 2 (certificate): there is no Kerberos here");
    }
    if (names(ch, VR_SETTING_HISTORY) && ch->recovery_history > 0) {
        return vr_fail(err, VR_E_UNSUPPORTED,
                       "RecoveryHistory must be 0: a replica keeps its latest point only");
    }
    if (names(ch, VR_SETTING_APP_CONSISTENT) && ch->app_consistent_h > 0) {
        return vr_fail(err, VR_E_UNSUPPORTED,
                       "ApplicationConsistentSnapshotInterval must be 0 or not given: no such "
                       "points are made");
    }
    if (names(ch, VR_SETTING_WRITE_ORDER) && !ch->write_order) {
        return vr_fail(err, VR_E_UNSUPPORTED,
                       "EnableWriteOrderPreservationAcrossDisks must be TRUE: all disks of a "
                       "replica are of one instant");
    }
    if (names(ch, VR_SETTING_PROVIDER) && !ch->our_provider) {
        return vr_fail(err, VR_E_UNSUPPORTED,
                       "ReplicationProvider must be the built-in one of this host, or not given");
    }
    if (names(ch, VR_SETTING_ADDITIONAL) && ch->additional) {
        return vr_fail(err, VR_E_UNSUPPORTED,
                       "AdditionalSettings must be empty: the built-in provider has none");
    }
    return 0;
}

bool vr_setting_in_window(const struct vr_setting *s, uint32_t day_s)
{
    if (s->auto_start_s < s->auto_end_s) {
        return day_s >= s->auto_start_s && day_s < s->auto_end_s;
    }
    return s->auto_start_s == s->auto_end_s || day_s >= s->auto_start_s || day_s < s->auto_end_s;
}

int vr_setting_apply(const struct vr_setting *now,
                     const struct vr_setting_change *ch,
                     uint8_t number,
                     struct vr_setting *ret,
                     struct vr_err *err)
{
    struct vr_setting next = *now;
    int r = check_values(ch, number, err);
    r = r < 0 ? r : check_offered(ch, err);
    if (r < 0) {
        return r;
    }
    next.compression = names(ch, VR_SETTING_COMPRESSION) ? ch->to.compression : now->compression;
    next.interval_s = names(ch, VR_SETTING_INTERVAL) ? ch->to.interval_s : now->interval_s;
    next.auto_resync = names(ch, VR_SETTING_AUTO_RESYNC) ? ch->to.auto_resync : now->auto_resync;
    next.auto_start_s = names(ch, VR_SETTING_AUTO_START) ? ch->to.auto_start_s : now->auto_start_s;
    next.auto_end_s = names(ch, VR_SETTING_AUTO_END) ? ch->to.auto_end_s : now->auto_end_s;
    *ret = next;
    return 0;
}
