/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema as the list of steps that made it. user_version counts the steps done; a step is never
 * edited once it was released: a change is a new step. Each step and its version number are one
 * transaction. Numbers of states, types and events are those of model/states.h.
 */
#include "store/db.h"

#define APPLICATION_ID 0x564d5265 /* "VMRe" */

static const char *const steps[] = {
    /* 1 */
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;"
    "CREATE TABLE rel("
    " vm_id TEXT NOT NULL, number INTEGER NOT NULL CHECK(number IN (0,1)),"
    " is_source INTEGER NOT NULL, state INTEGER NOT NULL, health INTEGER NOT NULL,"
    " reason TEXT NOT NULL, peer TEXT NOT NULL, peer_identity TEXT NOT NULL,"
    " storage TEXT NOT NULL, generation TEXT NOT NULL, generation_parent TEXT NOT NULL,"
    " generation_sequence INTEGER NOT NULL, generation_epoch INTEGER NOT NULL,"
    " proposed TEXT NOT NULL, created_us INTEGER NOT NULL, last_sync_us INTEGER NOT NULL,"
    " bandwidth_bytes_s INTEGER NOT NULL, needs_decision INTEGER NOT NULL,"
    " PRIMARY KEY(vm_id, number)) STRICT;"
    "CREATE TABLE rel_excluded("
    " vm_id TEXT NOT NULL, number INTEGER NOT NULL, position INTEGER NOT NULL, disk TEXT NOT NULL,"
    " PRIMARY KEY(vm_id, number, position),"
    " FOREIGN KEY(vm_id, number) REFERENCES rel ON DELETE CASCADE) STRICT;"
    "CREATE TABLE rel_history("
    " vm_id TEXT NOT NULL, number INTEGER NOT NULL, position INTEGER NOT NULL,"
    " generation TEXT NOT NULL, PRIMARY KEY(vm_id, number, position),"
    " FOREIGN KEY(vm_id, number) REFERENCES rel ON DELETE CASCADE) STRICT;"
    "CREATE TABLE job("
    " id INTEGER PRIMARY KEY, uuid TEXT NOT NULL UNIQUE, vm_id TEXT NOT NULL,"
    " vm_name TEXT NOT NULL, rel_number INTEGER NOT NULL, type INTEGER NOT NULL,"
    " state INTEGER NOT NULL, status TEXT NOT NULL, error_code INTEGER NOT NULL,"
    " error_text TEXT NOT NULL, initiator TEXT NOT NULL, submitted_us INTEGER NOT NULL,"
    " scheduled_us INTEGER NOT NULL, started_us INTEGER NOT NULL, finished_us INTEGER NOT NULL,"
    " changed_us INTEGER NOT NULL, force INTEGER NOT NULL, restart INTEGER NOT NULL,"
    " seeded INTEGER NOT NULL,"
    " cancellable INTEGER NOT NULL, user_suspended INTEGER NOT NULL, phase INTEGER NOT NULL,"
    " bytes_total INTEGER NOT NULL, bytes_compared INTEGER NOT NULL,"
    " bytes_differing INTEGER NOT NULL, bytes_sent INTEGER NOT NULL,"
    " bytes_written INTEGER NOT NULL, bytes_to_write INTEGER NOT NULL,"
    " bytes_staged INTEGER NOT NULL, wire_out INTEGER NOT NULL, wire_in INTEGER NOT NULL,"
    " progress_started_us INTEGER NOT NULL, progress_updated_us INTEGER NOT NULL) STRICT;"
    "CREATE TABLE report("
    " job_id INTEGER PRIMARY KEY, vm_id TEXT NOT NULL, instant_id TEXT NOT NULL,"
    " instant_us INTEGER NOT NULL, generation TEXT NOT NULL, generation_parent TEXT NOT NULL,"
    " generation_sequence INTEGER NOT NULL, generation_epoch INTEGER NOT NULL,"
    " duration_us INTEGER NOT NULL, initiator TEXT NOT NULL, outcome TEXT NOT NULL,"
    " equal INTEGER NOT NULL) STRICT;"
    "CREATE TABLE report_disk("
    " job_id INTEGER NOT NULL REFERENCES report ON DELETE CASCADE, position INTEGER NOT NULL,"
    " name TEXT NOT NULL, size_bytes INTEGER NOT NULL, bytes_compared INTEGER NOT NULL,"
    " bytes_differing INTEGER NOT NULL, bytes_sent INTEGER NOT NULL,"
    " bytes_written INTEGER NOT NULL, source_root BLOB NOT NULL, target_root BLOB NOT NULL,"
    " PRIMARY KEY(job_id, position)) STRICT;"
    "CREATE TABLE auth(host TEXT PRIMARY KEY COLLATE NOCASE, trust_group TEXT NOT NULL,"
    " storage TEXT NOT NULL) STRICT;"
    "CREATE TABLE event(seq INTEGER PRIMARY KEY AUTOINCREMENT, time_us INTEGER NOT NULL,"
    " priority INTEGER NOT NULL, event_id INTEGER NOT NULL, id TEXT NOT NULL,"
    " vm_name TEXT NOT NULL, text TEXT NOT NULL) STRICT;",
    /* 2 */
    "CREATE TABLE service("
    " id INTEGER PRIMARY KEY CHECK(id=1), recovery_server_enabled INTEGER NOT NULL,"
    " monitoring_start_s INTEGER NOT NULL, monitoring_interval_s INTEGER NOT NULL) STRICT;",
    /* 3 */
    "ALTER TABLE rel ADD COLUMN compression INTEGER NOT NULL DEFAULT 1;"
    "ALTER TABLE rel ADD COLUMN interval_s INTEGER NOT NULL DEFAULT 300;"
    "ALTER TABLE rel ADD COLUMN auto_resync INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE rel ADD COLUMN auto_start_s INTEGER NOT NULL DEFAULT 66600;"
    "ALTER TABLE rel ADD COLUMN auto_end_s INTEGER NOT NULL DEFAULT 21600;",
    /* 4 */
    "ALTER TABLE rel ADD COLUMN open_bytes INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE rel_window("
    " vm_id TEXT NOT NULL, number INTEGER NOT NULL, position INTEGER NOT NULL,"
    " start_us INTEGER NOT NULL, end_us INTEGER NOT NULL, successes INTEGER NOT NULL,"
    " misses INTEGER NOT NULL, network_failures INTEGER NOT NULL, failures INTEGER NOT NULL,"
    " bytes INTEGER NOT NULL, bytes_max INTEGER NOT NULL, latency_us INTEGER NOT NULL,"
    " latency_max_us INTEGER NOT NULL, health INTEGER NOT NULL,"
    " PRIMARY KEY(vm_id, number, position),"
    " FOREIGN KEY(vm_id, number) REFERENCES rel ON DELETE CASCADE) STRICT;",
    /* 5 */
    "ALTER TABLE rel ADD COLUMN auth_host TEXT NOT NULL DEFAULT '';",
    /* 6 */
    "ALTER TABLE job ADD COLUMN error_kind INTEGER NOT NULL DEFAULT 0;",
    /* 7 */
    "ALTER TABLE rel ADD COLUMN exported INTEGER NOT NULL DEFAULT 0;",
    /* 8 */
    "ALTER TABLE rel ADD COLUMN proposed_job INTEGER NOT NULL DEFAULT 0;",
    /* 9 */
    "ALTER TABLE rel ADD COLUMN verified_us INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE rel ADD COLUMN verify INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE rel ADD COLUMN success_us INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE rel ADD COLUMN success_duration_us INTEGER NOT NULL DEFAULT 0;",
    /* 10 */
    "ALTER TABLE event ADD COLUMN vm_id TEXT NOT NULL"
    " DEFAULT '00000000-0000-0000-0000-000000000000';",
    /* 11 */
    "ALTER TABLE report ADD COLUMN consistency INTEGER NOT NULL DEFAULT 0;",
    /* 12: nothing ran by an interval before; the one that nobody need have chosen becomes none */
    "UPDATE rel SET interval_s=0 WHERE interval_s=300;"
    "ALTER TABLE rel ADD COLUMN cause INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE rel ADD COLUMN cycle_us INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE rel ADD COLUMN stamp BLOB NOT NULL DEFAULT "
    "x'0000000000000000000000000000000000000000000000000000000000000000';"
    "ALTER TABLE job ADD COLUMN automatic INTEGER NOT NULL DEFAULT 0;",
    /* 13 */
    "ALTER TABLE report ADD COLUMN forecast_sampled_bytes INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE report ADD COLUMN forecast_differing_bytes INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE report ADD COLUMN forecast_margin_bytes INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE report ADD COLUMN forecast_wire_bytes INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE report ADD COLUMN forecast_limit_bytes_s INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE report ADD COLUMN forecast_time_us INTEGER NOT NULL DEFAULT 0;",
    /* 14 */
    "ALTER TABLE rel ADD COLUMN proposed_us INTEGER NOT NULL DEFAULT 0;",
    /* 15 */
    "ALTER TABLE rel ADD COLUMN consistency INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE job ADD COLUMN why TEXT NOT NULL DEFAULT '';",
    /* 16 */
    "ALTER TABLE rel ADD COLUMN proposed_consistency INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE report_disk ADD COLUMN ranges INTEGER NOT NULL DEFAULT 0;",
    /* 17 */
    "ALTER TABLE rel ADD COLUMN proposed_from TEXT NOT NULL DEFAULT "
    "'00000000-0000-0000-0000-000000000000';"
    "ALTER TABLE rel ADD COLUMN made_from TEXT NOT NULL DEFAULT "
    "'00000000-0000-0000-0000-000000000000';",
};
#define NSTEPS ((int)(sizeof steps / sizeof *steps))

static int pragma_int(struct store *s, const char *sql, int *ret, struct vr_err *err)
{
    _cleanup_(db_finishp) sqlite3_stmt *stmt = NULL;
    int r = db_prepare(s, sql, &stmt, err);
    if (r == 0) {
        r = db_step(s, stmt, err);
    }
    if (r < 0) {
        return r;
    }
    *ret = sqlite3_column_int(stmt, 0);
    return 0;
}

static int do_step(struct store *s, int i, struct vr_err *err)
{
    char sql[96];
    int r = db_begin(s, err);
    if (r < 0) {
        return r;
    }
    r = db_exec(s, steps[i], err);
    if (r == 0) {
        snprintf(sql, sizeof sql, "PRAGMA application_id=%d; PRAGMA user_version=%d",
                 APPLICATION_ID, i + 1);
        r = db_exec(s, sql, err);
    }
    return db_end(s, r, err);
}

int schema_update(struct store *s, struct vr_err *err)
{
    int app, version, tables;
    int r = pragma_int(s, "PRAGMA application_id", &app, err);
    if (r == 0) {
        r = pragma_int(s, "PRAGMA user_version", &version, err);
    }
    if (r == 0) {
        r = pragma_int(s, "SELECT count(*) FROM sqlite_schema", &tables, err);
    }
    if (r < 0) {
        return r;
    }
    if (app != APPLICATION_ID && (app || version || tables)) {
        return vr_fail(err, VR_E_INVALID,
                       "'%s' is a database of some other program: choose another state_dir",
                       s->path);
    }
    if (version < 0 || version > NSTEPS) {
        return vr_fail(err, VR_E_STATE,
                       "database '%.100s' has schema version %d, this program knows up to %d: it "
                       "was written by a newer vmreplicad; start that one",
                       s->path, version, NSTEPS);
    }
    for (int i = version; r == 0 && i < NSTEPS; i++) {
        r = vr_wrap(err, do_step(s, i, err), "schema step %d", i + 1);
    }
    return r;
}
