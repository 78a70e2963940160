/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, and the rows: which member of which struct is which column. */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/names.h"
#include "store/db.h"

#define BUSY_TIMEOUT_MS 5000

/* --- tables --- */

#define R(member, kind) COL(struct vr_rel, member, kind)
#define RS(member, kind) COL_AS(struct vr_rel, setting.member, kind, #member)
static const struct col rel_cols[] = {
    R(vm_id, COL_UUID),
    R(number, COL_U8),
    R(is_source, COL_BOOL),
    R(state, COL_INT),
    R(health, COL_INT),
    R(reason, COL_TEXT),
    R(peer, COL_TEXT),
    R(peer_identity, COL_TEXT),
    R(storage, COL_TEXT),
    GENERATION_COLS(struct vr_rel),
    R(proposed, COL_UUID),
    R(proposed_job, COL_U64),
    R(proposed_us, COL_U64),
    R(proposed_from, COL_UUID),
    R(made_from, COL_UUID),
    R(created_us, COL_U64),
    R(last_sync_us, COL_U64),
    R(consistency, COL_U8),
    R(proposed_consistency, COL_U8),
    R(verified_us, COL_U64),
    R(verify, COL_INT),
    R(bandwidth_bytes_s, COL_U64),
    R(needs_decision, COL_BOOL),
    R(exported, COL_BOOL),
    R(cause, COL_INT),
    R(cycle_us, COL_U64),
    R(stamp, COL_BYTES),
    RS(compression, COL_BOOL),
    RS(interval_s, COL_U32),
    RS(auto_resync, COL_BOOL),
    RS(auto_start_s, COL_U32),
    RS(auto_end_s, COL_U32),
    R(auth_host, COL_TEXT),
    COL_AS(struct vr_rel, stats.success_us, COL_U64, "success_us"),
    COL_AS(struct vr_rel, stats.success_duration_us, COL_U64, "success_duration_us"),
    COL_AS(struct vr_rel, stats.open_bytes, COL_U64, "open_bytes")};

#define J(member, kind) COL(struct vr_job, member, kind)
#define P(member, kind) COL_AS(struct vr_job, progress.member, kind, #member)
static const struct col job_cols[] = {
    J(id, COL_U64),
    J(uuid, COL_UUID),
    J(vm_id, COL_UUID),
    J(vm_name, COL_TEXT),
    J(rel_number, COL_U8),
    J(type, COL_INT),
    J(state, COL_INT),
    J(status, COL_TEXT),
    J(error_code, COL_U32),
    J(error_text, COL_TEXT),
    J(initiator, COL_TEXT),
    J(why, COL_TEXT),
    J(submitted_us, COL_U64),
    J(scheduled_us, COL_U64),
    J(started_us, COL_U64),
    J(finished_us, COL_U64),
    J(changed_us, COL_U64),
    J(force, COL_BOOL),
    J(restart, COL_BOOL),
    J(seeded, COL_BOOL),
    J(cancellable, COL_BOOL),
    J(user_suspended, COL_BOOL),
    P(phase, COL_INT),
    P(bytes_total, COL_U64),
    P(bytes_compared, COL_U64),
    P(bytes_differing, COL_U64),
    P(bytes_sent, COL_U64),
    P(bytes_written, COL_U64),
    P(bytes_to_write, COL_U64),
    P(bytes_staged, COL_U64),
    P(wire_out, COL_U64),
    P(wire_in, COL_U64),
    COL_AS(struct vr_job, progress.started_us, COL_U64, "progress_started_us"),
    COL_AS(struct vr_job, progress.updated_us, COL_U64, "progress_updated_us"),
    J(error_kind, COL_U8),
    J(automatic, COL_BOOL)};

#define A(member, kind) COL(struct vr_auth_entry, member, kind)
static const struct col auth_cols[] = {A(host, COL_TEXT), A(trust_group, COL_TEXT),
                                       A(storage, COL_TEXT)};

/* Rows that belong to a row above: their parent's key and their place come first. */
struct name_row {
    struct vr_uuid vm_id;
    uint8_t number;
    uint32_t position;
    char disk[VR_NAME_MAX];
};
static const struct col excluded_cols[] = {
    COL(struct name_row, vm_id, COL_UUID), COL(struct name_row, number, COL_U8),
    COL(struct name_row, position, COL_U32), COL(struct name_row, disk, COL_TEXT)};

struct history_row {
    struct vr_uuid vm_id;
    uint8_t number;
    uint32_t position;
    struct vr_uuid generation;
};
static const struct col history_cols[] = {
    COL(struct history_row, vm_id, COL_UUID), COL(struct history_row, number, COL_U8),
    COL(struct history_row, position, COL_U32), COL(struct history_row, generation, COL_UUID)};

struct window_row {
    struct vr_uuid vm_id;
    uint8_t number;
    uint32_t position; /* 0: the window that runs, 1: the last one */
    struct vr_window w;
};
#define W(member, kind) COL_AS(struct window_row, w.member, kind, #member)
static const struct col window_cols[] = {COL(struct window_row, vm_id, COL_UUID),
                                         COL(struct window_row, number, COL_U8),
                                         COL(struct window_row, position, COL_U32),
                                         W(start_us, COL_U64),
                                         W(end_us, COL_U64),
                                         W(successes, COL_U32),
                                         W(misses, COL_U32),
                                         W(network_failures, COL_U32),
                                         W(failures, COL_U32),
                                         W(bytes, COL_U64),
                                         W(bytes_max, COL_U64),
                                         W(latency_us, COL_U64),
                                         W(latency_max_us, COL_U64),
                                         W(health, COL_INT)};

static const struct table rel_table = TABLE("rel", rel_cols);
static const struct table excluded_table = TABLE("rel_excluded", excluded_cols);
static const struct table window_table = TABLE("rel_window", window_cols);
static const struct table history_table = TABLE("rel_history", history_cols);
static const struct table job_table = TABLE("job", job_cols);
static const struct table auth_table = TABLE("auth", auth_cols);

/* --- open --- */

/* The file is made before SQLite sees it, so that it and its -wal never exist with a wider mode. */
static int make_file(const char *path, struct vr_err *err)
{
    _cleanup_(vr_closep) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return vr_fail_errno(err, VR_E_IO, "cannot open database '%s'", path);
    }
    if (fchmod(fd, 0600) < 0) {
        return vr_fail_errno(err, VR_E_IO, "cannot chmod database '%s'", path);
    }
    return 0;
}

static int quick_check(struct store *s, struct vr_err *err)
{
    _cleanup_(db_finishp) sqlite3_stmt *stmt = NULL;
    int r = db_prepare(s, "PRAGMA quick_check(1)", &stmt, err);
    if (r == 0) {
        r = db_step(s, stmt, err);
    }
    if (r < 0) {
        return r;
    }
    const char *text = (const char *)sqlite3_column_text(stmt, 0);
    if (text && strcmp(text, "ok") == 0) {
        return 0;
    }
    return db_fail(s, SQLITE_CORRUPT, err, "");
}

static int configure(struct store *s, struct vr_err *err)
{
    sqlite3_extended_result_codes(s->db, 1);
    sqlite3_busy_timeout(s->db, BUSY_TIMEOUT_MS);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    int r = db_exec(s,
                    "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;"
                    "PRAGMA foreign_keys=ON; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL",
                    err);
    if (r == 0) {
        r = quick_check(s, err);
    }
    return r < 0 ? r : schema_update(s, err);
}

int store_open(const char *path, struct store **ret, struct vr_err *err)
{
    if (strlen(path) >= VR_PATH_MAX) {
        return vr_fail(err, VR_E_INVALID, "path of the database longer than %d", VR_PATH_MAX - 1);
    }
    int r = make_file(path, err);
    if (r < 0) {
        return r;
    }
    _cleanup_(store_closep) struct store *s = calloc(1, sizeof *s);
    if (!s) {
        return vr_fail_nomem(err);
    }
    snprintf(s->path, sizeof s->path, "%s", path);
    int rc = sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK) {
        return db_fail(s, rc, err, "cannot open");
    }
    r = configure(s, err);
    if (r < 0) {
        return r;
    }
    *ret = TAKE_PTR(s);
    return 0;
}

void store_close(struct store *s)
{
    if (s) {
        sqlite3_close(s->db);
        free(s);
    }
}

/* --- relationships --- */

static int put_windows(struct store *s, const struct vr_rel *rel, struct vr_err *err)
{
    const struct vr_window *const windows[] = {&rel->stats.now, &rel->stats.last};
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < 2; i++) {
        struct window_row row = {rel->vm_id, rel->number, i, *windows[i]};
        r = row.w.start_us ? db_put(s, &window_table, &row, err) : 0;
    }
    return r;
}

static int put_rel(struct store *s, const struct vr_rel *rel, struct vr_err *err)
{
    /* Replacing the row removes its children by the foreign key. */
    int r = db_put(s, &rel_table, rel, err);
    const char *names = rel->excluded;
    struct name_row row = {rel->vm_id, rel->number, 0, ""};
    for (; r == 0 && vr_names_next(&names, row.disk); row.position++) {
        r = db_put(s, &excluded_table, &row, err);
    }
    for (uint32_t i = 0; r == 0 && i < rel->nhistory; i++) {
        struct history_row former = {rel->vm_id, rel->number, i, rel->history[i]};
        r = db_put(s, &history_table, &former, err);
    }
    return r < 0 ? r : put_windows(s, rel, err);
}

int store_save_rel(struct store *s, const struct vr_rel *rel, struct vr_err *err)
{
    vr_assert(rel->nhistory <= VR_HISTORY_MAX);
    int r = db_begin_durable(s, err);
    return r < 0 ? r : db_end(s, put_rel(s, rel, err), err);
}

/* Steps a statement whose first two parameters are the key of a relationship. */
static int bind_rel_key(struct store *s,
                        sqlite3_stmt *stmt,
                        const struct vr_uuid *vm,
                        uint8_t number,
                        struct vr_err *err)
{
    int r = db_bind_uuid(s, stmt, 1, vm, err);
    return r < 0 ? r : db_bind_u64(s, stmt, 2, number, err);
}

int store_delete_rel(struct store *s, const struct vr_uuid *vm, uint8_t number, struct vr_err *err)
{
    _cleanup_(db_finishp) sqlite3_stmt *stmt = NULL;
    int r = db_durable(s, err);
    if (r == 0) {
        r = db_prepare(s, "DELETE FROM rel WHERE vm_id=? AND number=?", &stmt, err);
    }
    if (r == 0) {
        r = bind_rel_key(s, stmt, vm, number, err);
    }
    return r < 0 ? r : db_step(s, stmt, err);
}

static int load_children(struct store *s, struct vr_rel *rel, struct vr_err *err)
{
    static const char tail[] = "WHERE vm_id=? AND number=? ORDER BY position";
    _cleanup_(db_finishp) sqlite3_stmt *excluded = NULL;
    _cleanup_(db_finishp) sqlite3_stmt *history = NULL;
    int r = db_select(s, &excluded_table, tail, &excluded, err);
    if (r == 0) {
        r = bind_rel_key(s, excluded, &rel->vm_id, rel->number, err);
    }
    while (r == 0 && (r = db_step(s, excluded, err)) > 0) {
        struct name_row row = {0};
        r = db_get(s, &excluded_table, excluded, &row, err);
        r = r < 0 ? r : vr_names_add(rel->excluded, row.disk, err);
    }
    if (r == 0) {
        r = db_select(s, &history_table, tail, &history, err);
    }
    if (r == 0) {
        r = bind_rel_key(s, history, &rel->vm_id, rel->number, err);
    }
    while (r == 0 && rel->nhistory < VR_HISTORY_MAX && (r = db_step(s, history, err)) > 0) {
        struct history_row row = {0};
        r = db_get(s, &history_table, history, &row, err);
        rel->history[rel->nhistory++] = row.generation;
    }
    return r;
}

static int load_windows(struct store *s, struct vr_rel *rel, struct vr_err *err)
{
    _cleanup_(db_finishp) sqlite3_stmt *stmt = NULL;
    int r = db_select(s, &window_table, "WHERE vm_id=? AND number=?", &stmt, err);
    if (r == 0) {
        r = bind_rel_key(s, stmt, &rel->vm_id, rel->number, err);
    }
    while (r == 0 && (r = db_step(s, stmt, err)) > 0) {
        struct window_row row = {0};
        r = db_get(s, &window_table, stmt, &row, err);
        *(row.position == 0 ? &rel->stats.now : &rel->stats.last) = row.w;
    }
    return r;
}

int store_load_rels(struct store *s, store_rel_fn cb, void *ctx, struct vr_err *err)
{
    _cleanup_(db_finishp) sqlite3_stmt *stmt = NULL;
    int r = db_select(s, &rel_table, "ORDER BY vm_id, number", &stmt, err);
    while (r == 0 && (r = db_step(s, stmt, err)) > 0) {
        struct vr_rel rel = {0};
        r = db_get(s, &rel_table, stmt, &rel, err);
        if (r == 0) {
            r = load_children(s, &rel, err);
        }
        if (r == 0) {
            r = load_windows(s, &rel, err);
        }
        if (r == 0) {
            r = cb(ctx, &rel, err);
        }
    }
    return r;
}

/* --- jobs --- */

int store_save_job(struct store *s, const struct vr_job *job, struct vr_err *err)
{
    return db_save_row(s, &job_table, job, err);
}

int store_delete_job(struct store *s, uint64_t id, struct vr_err *err)
{
    int r = db_durable(s, err);
    return r < 0 ? r : db_delete_by_id(s, "DELETE FROM job WHERE id=?", id, err);
}

int store_load_jobs(struct store *s, store_job_fn cb, void *ctx, struct vr_err *err)
{
    _cleanup_(db_finishp) sqlite3_stmt *stmt = NULL;
    int r = db_select(s, &job_table, "ORDER BY id", &stmt, err);
    while (r == 0 && (r = db_step(s, stmt, err)) > 0) {
        struct vr_job job = {0};
        r = db_get(s, &job_table, stmt, &job, err);
        if (r == 0) {
            r = cb(ctx, &job, err);
        }
    }
    return r;
}

/* --- authorization entries --- */

int store_save_auth(struct store *s, const struct vr_auth_entry *e, struct vr_err *err)
{
    return db_save_row(s, &auth_table, e, err);
}

int store_delete_auth(struct store *s, const char *host, struct vr_err *err)
{
    _cleanup_(db_finishp) sqlite3_stmt *stmt = NULL;
    int r = db_durable(s, err);
    if (r == 0) {
        r = db_prepare(s, "DELETE FROM auth WHERE host=?", &stmt, err);
    }
    if (r == 0) {
        r = db_bind_text(s, stmt, 1, host, err);
    }
    return r < 0 ? r : db_step(s, stmt, err);
}

int store_load_auths(struct store *s, store_auth_fn cb, void *ctx, struct vr_err *err)
{
    _cleanup_(db_finishp) sqlite3_stmt *stmt = NULL;
    int r = db_select(s, &auth_table, "ORDER BY host", &stmt, err);
    while (r == 0 && (r = db_step(s, stmt, err)) > 0) {
        struct vr_auth_entry e = {0};
        r = db_get(s, &auth_table, stmt, &e, err);
        if (r == 0) {
            r = cb(ctx, &e, err);
        }
    }
    return r;
}

/* --- settings of the service --- */

struct service_row {
    uint32_t id;
    struct vr_service s;
};
#define S(member, kind) COL_AS(struct service_row, s.member, kind, #member)
static const struct col service_cols[] = {
    COL(struct service_row, id, COL_U32), S(recovery_server_enabled, COL_BOOL),
    S(monitoring_start_s, COL_U32), S(monitoring_interval_s, COL_U32)};
static const struct table service_table = TABLE("service", service_cols);

int store_save_service(struct store *s, const struct vr_service *service, struct vr_err *err)
{
    struct service_row row = {.id = 1, .s = *service};
    return db_save_row(s, &service_table, &row, err);
}

int store_load_service(struct store *s, struct vr_service *ret, struct vr_err *err)
{
    _cleanup_(db_finishp) sqlite3_stmt *stmt = NULL;
    struct service_row row = {.s = *ret};
    int r = db_select(s, &service_table, "", &stmt, err);
    if (r == 0) {
        r = db_step(s, stmt, err);
    }
    if (r < 0) {
        return r;
    }
    if (r == 0) {
        return vr_fail(err, VR_E_NOT_FOUND, "no settings are stored");
    }
    r = db_get(s, &service_table, stmt, &row, err);
    if (r == 0) {
        *ret = row.s;
    }
    return r;
}

/* --- single values --- */

struct meta_row {
    char key[64], value[STORE_META_MAX];
};
static const struct col meta_cols[] = {COL(struct meta_row, key, COL_TEXT),
                                       COL(struct meta_row, value, COL_TEXT)};
static const struct table meta_table = TABLE("meta", meta_cols);

int store_get_meta(struct store *s, const char *key, char *ret, size_t cap, struct vr_err *err)
{
    _cleanup_(db_finishp) sqlite3_stmt *stmt = NULL;
    struct meta_row row = {0};
    int r = db_select(s, &meta_table, "WHERE key=?", &stmt, err);
    if (r == 0) {
        r = db_bind_text(s, stmt, 1, key, err);
    }
    if (r == 0) {
        r = db_step(s, stmt, err);
    }
    if (r < 0) {
        return r;
    }
    if (r == 0) {
        return vr_fail(err, VR_E_NOT_FOUND, "no value '%s' is stored", key);
    }
    r = db_get(s, &meta_table, stmt, &row, err);
    if (r == 0 && strlen(row.value) >= cap) {
        r = vr_fail(err, VR_E_LIMIT, "value '%s' is longer than %zu", key, cap - 1);
    }
    if (r == 0) {
        memcpy(ret, row.value, strlen(row.value) + 1);
    }
    return r;
}

int store_set_meta(struct store *s, const char *key, const char *value, struct vr_err *err)
{
    struct meta_row row;
    if (strlen(key) >= sizeof row.key || strlen(value) >= sizeof row.value) {
        return vr_fail(err, VR_E_LIMIT, "value '%.64s' is too long to store", key);
    }
    snprintf(row.key, sizeof row.key, "%s", key);
    snprintf(row.value, sizeof row.value, "%s", value);
    return db_save_row(s, &meta_table, &row, err);
}
