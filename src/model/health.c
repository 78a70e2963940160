/* SPDX-License-Identifier: Apache-2.0 */
#include "model/health.h"

#include "model/model.h"
#include "util/num.h"

static const struct vr_health_row rows[] = {
#define X(name, number, health, automatic, id, text, advice)                                       \
    {VR_WHY_##name, VR_HEALTH_##health, automatic, id, text, advice},
    VR_HEALTH_REASONS(X)
#undef X
};

const struct vr_health_row *vr_health_row_at(unsigned i)
{
    return i < VR_COUNT(rows) ? &rows[i] : NULL;
}

const struct vr_health_row *vr_health_row(enum vr_health_reason why)
{
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        if (rows[i].why == why) {
            return &rows[i];
        }
    }
    return NULL;
}

bool vr_health_is_automatic(enum vr_health_reason why)
{
    const struct vr_health_row *row = vr_health_row(why);
    return row && row->automatic;
}

static enum vr_health_reason of_state(const struct vr_rel *rel)
{
    switch (rel->state) {
    case VR_REL_READY:
    case VR_REL_INITIAL:
        return VR_WHY_NOT_STARTED;
    case VR_REL_SUSPENDED:
    case VR_REL_RESYNC_SUSPENDED:
        return VR_WHY_PAUSED;
    case VR_REL_RESYNCHRONIZING:
        return VR_WHY_RESYNCHRONIZING;
    case VR_REL_RESYNC_REQUIRED:
        return rel->cause ? rel->cause : VR_WHY_REQUIRED;
    case VR_REL_CRITICAL:
        return rel->needs_decision ? VR_WHY_NEEDS_DECISION : VR_WHY_ERROR;
    case VR_REL_RECOVERED:
        return VR_WHY_FAILED_OVER;
    default:
        return VR_WHY_NONE;
    }
}

/* Of one that replicates by itself. */
static uint32_t of_cycles(const struct vr_rel *rel, uint64_t now_us)
{
    const struct vr_window *w = &rel->stats.now;
    uint64_t late_us = VR_BEHIND_US + 2 * (uint64_t)rel->setting.interval_s * 1000000;
    uint32_t set = 0;
    if (now_us > rel->last_sync_us && now_us - rel->last_sync_us > late_us) {
        set |= 1u << VR_WHY_BEHIND;
    }
    if (rel->failing >= VR_FAILING_TRIES) {
        set |= 1u << VR_WHY_CANNOT_SEND;
    }
    if (w->successes > 0 && w->latency_us / w->successes > VR_SLOW_US) {
        set |= 1u << VR_WHY_SLOW;
    }
    return set;
}

uint32_t vr_health_reasons(const struct vr_rel *rel, uint64_t now_us)
{
    enum vr_health_reason state = of_state(rel);
    uint32_t set = state ? 1u << state : 0;
    if (rel->state == VR_REL_REPLICATING && vr_window_is_bad(&rel->stats.now)) {
        set |= 1u << VR_WHY_MISSED;
    }
    if (rel->state == VR_REL_REPLICATING && !rel->is_source && rel->not_defined) {
        set |= 1u << VR_WHY_NOT_DEFINED;
    }
    bool cycles = rel->state == VR_REL_REPLICATING && rel->is_source && rel->setting.interval_s > 0;
    return cycles ? set | of_cycles(rel, now_us) : set;
}

enum vr_health vr_health_worst(uint32_t reasons, enum vr_health_reason *ret_why)
{
    enum vr_health worst = VR_HEALTH_OK;
    enum vr_health_reason why = VR_WHY_NONE;
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        bool is = (reasons & 1u << rows[i].why) != 0;
        if (is && rows[i].health > worst) {
            worst = rows[i].health;
            why = rows[i].why;
        }
    }
    if (ret_why) {
        *ret_why = why;
    }
    return worst;
}
