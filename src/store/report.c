/* SPDX-License-Identifier: Apache-2.0 */
/* Reports: the rows of a transfer's and of its disks' numbers. */
#include "store/db.h"

#define RP(member, kind) COL(struct vr_report, member, kind)
static const struct col report_cols[] = {RP(job_id, COL_U64),
                                         RP(vm_id, COL_UUID),
                                         RP(instant_id, COL_UUID),
                                         RP(instant_us, COL_U64),
                                         RP(consistency, COL_U32),
                                         GENERATION_COLS(struct vr_report),
                                         RP(duration_us, COL_U64),
                                         RP(initiator, COL_TEXT),
                                         RP(outcome, COL_TEXT),
                                         RP(equal, COL_BOOL),
#define F(member) COL_AS(struct vr_report, forecast.member, COL_U64, "forecast_" #member)
                                         F(sampled_bytes),
                                         F(differing_bytes),
                                         F(margin_bytes),
                                         F(wire_bytes),
                                         F(limit_bytes_s),
                                         F(time_us)
#undef F
};

struct disk_row {
    uint64_t job_id;
    uint32_t position;
    struct vr_report_disk d;
};
#define D(member, kind) COL_AS(struct disk_row, d.member, kind, #member)
static const struct col disk_cols[] = {COL(struct disk_row, job_id, COL_U64),
                                       COL(struct disk_row, position, COL_U32),
                                       D(name, COL_TEXT),
                                       D(size_bytes, COL_U64),
                                       D(bytes_compared, COL_U64),
                                       D(bytes_differing, COL_U64),
                                       D(bytes_sent, COL_U64),
                                       D(bytes_written, COL_U64),
                                       D(ranges, COL_U64),
                                       D(source_root, COL_BYTES),
                                       D(target_root, COL_BYTES)};

static const struct table report_table = TABLE("report", report_cols);
static const struct table disk_table = TABLE("report_disk", disk_cols);

static int put_report(struct store *s, const struct vr_report *report, struct vr_err *err)
{
    int r = db_put(s, &report_table, report, err);
    for (uint32_t i = 0; r == 0 && i < report->ndisks; i++) {
        struct disk_row row = {report->job_id, i, report->disks[i]};
        r = db_put(s, &disk_table, &row, err);
    }
    if (r < 0 || report->job_id <= STORE_REPORTS_MAX) {
        return r;
    }
    return db_delete_by_id(s, "DELETE FROM report WHERE job_id<=?",
                           report->job_id - STORE_REPORTS_MAX, err);
}

int store_save_report(struct store *s, const struct vr_report *report, struct vr_err *err)
{
    vr_assert(report->ndisks <= VR_DISKS_MAX);
    int r = db_begin_durable(s, err);
    return r < 0 ? r : db_end(s, put_report(s, report, err), err);
}

int store_delete_report(struct store *s, uint64_t job_id, struct vr_err *err)
{
    int r = db_durable(s, err);
    return r < 0 ? r : db_delete_by_id(s, "DELETE FROM report WHERE job_id=?", job_id, err);
}

static int
get_report(struct store *s, sqlite3_stmt *stmt, struct vr_report *report, struct vr_err *err)
{
    _cleanup_(db_finishp) sqlite3_stmt *disks = NULL;
    memset(report, 0, sizeof *report);
    int r = db_get(s, &report_table, stmt, report, err);
    if (r == 0) {
        r = db_select(s, &disk_table, "WHERE job_id=? ORDER BY position", &disks, err);
    }
    if (r == 0) {
        r = db_bind_u64(s, disks, 1, report->job_id, err);
    }
    while (r == 0 && report->ndisks < VR_DISKS_MAX && (r = db_step(s, disks, err)) > 0) {
        struct disk_row row = {0};
        r = db_get(s, &disk_table, disks, &row, err);
        report->disks[report->ndisks++] = row.d;
    }
    return r;
}

int store_load_reports(
    struct store *s, uint32_t limit, store_report_fn cb, void *ctx, struct vr_err *err)
{
    _cleanup_(db_finishp) sqlite3_stmt *stmt = NULL;
    int r = db_select(s, &report_table, "ORDER BY job_id DESC LIMIT ?", &stmt, err);
    if (r == 0) {
        r = db_bind_u64(s, stmt, 1, limit, err);
    }
    while (r == 0 && (r = db_step(s, stmt, err)) > 0) {
        struct vr_report report;
        r = get_report(s, stmt, &report, err);
        if (r == 0) {
            r = cb(ctx, &report, err);
        }
    }
    return r;
}

int store_find_report(struct store *s, uint64_t job_id, struct vr_report *ret, struct vr_err *err)
{
    _cleanup_(db_finishp) sqlite3_stmt *stmt = NULL;
    struct vr_report report;
    int r = db_select(s, &report_table, "WHERE job_id=?", &stmt, err);
    if (r == 0) {
        r = db_bind_u64(s, stmt, 1, job_id, err);
    }
    if (r == 0) {
        r = db_step(s, stmt, err);
    }
    if (r < 0) {
        return r;
    }
    if (r == 0) {
        return vr_fail(err, VR_E_NOT_FOUND, "no report of job %llu", (unsigned long long)job_id);
    }
    r = get_report(s, stmt, &report, err);
    if (r == 0) {
        *ret = report;
    }
    return r;
}
