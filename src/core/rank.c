/* SPDX-License-Identifier: Apache-2.0 */
#include "core/rank.h"

static uint64_t overdue(const struct vr_rel *rel, uint64_t now_us)
{
    uint64_t promised_us = rel->setting.interval_s * (uint64_t)1000000;
    promised_us = promised_us ? promised_us : RANK_RPO_US;
    if (rel->last_sync_us == 0) {
        return UINT64_MAX;
    }
    uint64_t age_us = now_us > rel->last_sync_us ? now_us - rel->last_sync_us : 0;
    return age_us > UINT64_MAX / 1000 ? UINT64_MAX - 1 : age_us * 1000 / promised_us;
}

struct rank rank_of(enum rank_class class,
                    const struct vr_rel *rel,
                    uint64_t waits_since_us,
                    uint64_t turn,
                    uint64_t now_us)
{
    bool waits = waits_since_us != 0 && now_us > waits_since_us;
    uint64_t rises = waits ? (now_us - waits_since_us) / RANK_RISE_US : 0;
    class = rises < (uint64_t) class ? class - (enum rank_class)rises : RANK_ASKED;
    bool by_risk = class == RANK_AUTOMATIC || class == RANK_CYCLE;
    return (struct rank){
        .class = class, .overdue = by_risk ? overdue(rel, now_us) : 0, .turn = turn};
}

int rank_compare(const struct rank *a, const struct rank *b)
{
    int d = (int)a->class - (int)b->class;
    d = d ? d : (a->overdue < b->overdue) - (a->overdue > b->overdue);
    return d ? d : (a->turn > b->turn) - (a->turn < b->turn);
}
