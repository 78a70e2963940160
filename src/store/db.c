/* SPDX-License-Identifier: Apache-2.0 */
#include "store/db.h"

#include "util/buf.h"

#define SQL_MAX 8192

static enum vr_err_kind kind_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return VR_E_CORRUPT;
    case SQLITE_FULL:
        return VR_E_NOSPACE;
    case SQLITE_NOMEM:
        return VR_E_NOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return VR_E_BUSY;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return VR_E_DENIED;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        return VR_E_IO;
    default:
        return VR_E_INTERNAL;
    }
}

int db_fail(struct store *s, int rc, struct vr_err *err, const char *what)
{
    enum vr_err_kind kind = kind_of(rc);
    /* The connection's text is about its last call: for quick_check that was no failure. */
    bool current = s->db && (sqlite3_errcode(s->db) & 0xff) == (rc & 0xff);
    const char *why = current ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc);
    if (kind == VR_E_CORRUPT) {
        return vr_fail(err, kind,
                       "database '%.60s' is damaged (%.60s): stop vmreplicad, move it and its -wal "
                       "and -shm files away and start again; replicas are found anew",
                       s->path, why);
    }
    return vr_fail(err, kind, "database '%.100s': %s: %s", s->path, what, why);
}

int db_exec(struct store *s, const char *sql, struct vr_err *err)
{
    int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : db_fail(s, rc, err, "cannot execute a statement");
}

int db_prepare(struct store *s, const char *sql, sqlite3_stmt **ret, struct vr_err *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL);
    if (rc != SQLITE_OK) {
        return db_fail(s, rc, err, "cannot prepare a statement");
    }
    *ret = stmt;
    return 0;
}

int db_step(struct store *s, sqlite3_stmt *stmt, struct vr_err *err)
{
    int rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW || rc == SQLITE_DONE) {
        return rc == SQLITE_ROW;
    }
    return db_fail(s, rc, err, "cannot read or write");
}

void db_finish(sqlite3_stmt *stmt)
{
    sqlite3_finalize(stmt);
}

/* In WAL mode NORMAL writes the log without flushing it; it stays whole whatever happens. */
static int set_relaxed(struct store *s, bool relaxed, struct vr_err *err)
{
    if (s->relaxed == relaxed) {
        return 0;
    }
    int r = db_exec(s, relaxed ? "PRAGMA synchronous=NORMAL" : "PRAGMA synchronous=FULL", err);
    s->relaxed = r < 0 || relaxed; /* when in doubt the next durable write asks again */
    return r;
}

int db_durable(struct store *s, struct vr_err *err)
{
    return set_relaxed(s, false, err);
}

int db_relaxed(struct store *s, struct vr_err *err)
{
    return set_relaxed(s, true, err);
}

int db_begin(struct store *s, struct vr_err *err)
{
    return db_exec(s, "BEGIN IMMEDIATE", err);
}

int db_end(struct store *s, int r, struct vr_err *err)
{
    if (r == 0) {
        r = db_exec(s, "COMMIT", err);
    }
    if (r < 0 && !sqlite3_get_autocommit(s->db)) {
        /* Its own failure changes nothing: the transaction was not committed. */
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    }
    return r;
}

int db_bind_u64(struct store *s, sqlite3_stmt *stmt, int at, uint64_t v, struct vr_err *err)
{
    if (v > INT64_MAX) {
        return vr_fail(err, VR_E_INVALID, "number %llu is too large to store",
                       (unsigned long long)v);
    }
    int rc = sqlite3_bind_int64(stmt, at, (sqlite3_int64)v);
    return rc == SQLITE_OK ? 0 : db_fail(s, rc, err, "cannot bind a value");
}

int db_bind_text(struct store *s, sqlite3_stmt *stmt, int at, const char *text, struct vr_err *err)
{
    int rc = sqlite3_bind_text(stmt, at, text, -1, SQLITE_TRANSIENT);
    return rc == SQLITE_OK ? 0 : db_fail(s, rc, err, "cannot bind a value");
}

int db_bind_uuid(
    struct store *s, sqlite3_stmt *stmt, int at, const struct vr_uuid *uuid, struct vr_err *err)
{
    char text[VR_UUID_TEXT_LEN];
    return db_bind_text(s, stmt, at, vr_uuid_text(uuid, text), err);
}

static int bind_col(struct store *s,
                    sqlite3_stmt *stmt,
                    int at,
                    const struct col *c,
                    const void *p,
                    struct vr_err *err)
{
    switch (c->type) {
    case COL_U64:
        return db_bind_u64(s, stmt, at, *(const uint64_t *)p, err);
    case COL_U32:
        return db_bind_u64(s, stmt, at, *(const uint32_t *)p, err);
    case COL_U8:
        return db_bind_u64(s, stmt, at, *(const uint8_t *)p, err);
    case COL_BOOL:
        return db_bind_u64(s, stmt, at, *(const bool *)p, err);
    case COL_INT:
        return db_bind_u64(s, stmt, at, *(const unsigned *)p, err);
    case COL_TEXT:
        return db_bind_text(s, stmt, at, p, err);
    case COL_UUID:
        return db_bind_uuid(s, stmt, at, p, err);
    case COL_BYTES: {
        int rc = sqlite3_bind_blob(stmt, at, p, (int)c->cap, SQLITE_TRANSIENT);
        return rc == SQLITE_OK ? 0 : db_fail(s, rc, err, "cannot bind a value");
    }
    }
    return vr_fail(err, VR_E_INTERNAL, "unknown column type");
}

static void put_names(struct vr_buf *sql, const struct table *t)
{
    for (size_t i = 0; i < t->ncols; i++) {
        vr_buf_printf(sql, "%s\"%s\"", i ? "," : "", t->cols[i].name);
    }
}

static int prepare_buf(struct store *s, struct vr_buf *sql, sqlite3_stmt **ret, struct vr_err *err)
{
    const char *text = vr_buf_cstr(sql);
    int r = text ? db_prepare(s, text, ret, err) : vr_buf_check(sql, err);
    vr_buf_deinit(sql);
    return r;
}

int db_put(struct store *s, const struct table *t, const void *obj, struct vr_err *err)
{
    _cleanup_(db_finishp) sqlite3_stmt *stmt = NULL;
    struct vr_buf sql;
    vr_buf_init(&sql, SQL_MAX);
    vr_buf_printf(&sql, "INSERT OR REPLACE INTO \"%s\"(", t->name);
    put_names(&sql, t);
    vr_buf_text(&sql, ") VALUES(");
    for (size_t i = 0; i < t->ncols; i++) {
        vr_buf_text(&sql, i ? ",?" : "?");
    }
    vr_buf_text(&sql, ")");
    int r = prepare_buf(s, &sql, &stmt, err);
    for (size_t i = 0; r == 0 && i < t->ncols; i++) {
        r = bind_col(s, stmt, (int)i + 1, &t->cols[i], (const char *)obj + t->cols[i].off, err);
    }
    return r < 0 ? r : db_step(s, stmt, err);
}

int db_select(struct store *s,
              const struct table *t,
              const char *tail,
              sqlite3_stmt **ret,
              struct vr_err *err)
{
    struct vr_buf sql;
    vr_buf_init(&sql, SQL_MAX);
    vr_buf_text(&sql, "SELECT ");
    put_names(&sql, t);
    vr_buf_printf(&sql, " FROM \"%s\" %s", t->name, tail);
    return prepare_buf(s, &sql, ret, err);
}

static uint64_t int_max(enum col_type type)
{
    switch (type) {
    case COL_U64:
        return INT64_MAX;
    case COL_U32:
        return UINT32_MAX;
    case COL_U8:
        return UINT8_MAX;
    case COL_BOOL:
        return 1;
    default:
        return INT32_MAX;
    }
}

static bool get_int(const struct col *c, sqlite3_stmt *stmt, int at, void *p)
{
    sqlite3_int64 v = sqlite3_column_int64(stmt, at);
    if (sqlite3_column_type(stmt, at) != SQLITE_INTEGER || v < 0 ||
        (uint64_t)v > int_max(c->type)) {
        return false;
    }
    switch (c->type) {
    case COL_U64:
        *(uint64_t *)p = (uint64_t)v;
        break;
    case COL_U32:
        *(uint32_t *)p = (uint32_t)v;
        break;
    case COL_U8:
        *(uint8_t *)p = (uint8_t)v;
        break;
    case COL_BOOL:
        *(bool *)p = v != 0;
        break;
    default:
        *(unsigned *)p = (unsigned)v;
        break;
    }
    return true;
}

static bool get_bytes(const struct col *c, sqlite3_stmt *stmt, int at, void *p)
{
    const void *bytes = c->type == COL_BYTES ? sqlite3_column_blob(stmt, at)
                                             : (const void *)sqlite3_column_text(stmt, at);
    size_t n = (size_t)sqlite3_column_bytes(stmt, at);
    if (!bytes) {
        return false;
    }
    if (c->type == COL_UUID) {
        return n < VR_UUID_TEXT_LEN && vr_uuid_parse(bytes, p);
    }
    if (c->type == COL_BYTES ? n != c->cap : n >= c->cap || memchr(bytes, 0, n)) {
        return false;
    }
    memcpy(p, bytes, n);
    if (c->type == COL_TEXT) {
        ((char *)p)[n] = '\0';
    }
    return true;
}

int db_get(
    struct store *s, const struct table *t, sqlite3_stmt *stmt, void *obj, struct vr_err *err)
{
    for (size_t i = 0; i < t->ncols; i++) {
        const struct col *c = &t->cols[i];
        void *p = (char *)obj + c->off;
        bool ok = c->type == COL_TEXT || c->type == COL_UUID || c->type == COL_BYTES
                      ? get_bytes(c, stmt, (int)i, p)
                      : get_int(c, stmt, (int)i, p);
        if (!ok) {
            return vr_fail(err, VR_E_CORRUPT,
                           "database '%.100s': table %s holds a value of %s that cannot be",
                           s->path, t->name, c->name);
        }
    }
    return 0;
}

int db_begin_durable(struct store *s, struct vr_err *err)
{
    int r = db_durable(s, err);
    return r < 0 ? r : db_begin(s, err);
}

int db_save_row(struct store *s, const struct table *t, const void *row, struct vr_err *err)
{
    int r = db_durable(s, err);
    return r < 0 ? r : db_put(s, t, row, err);
}

int db_delete_by_id(struct store *s, const char *sql, uint64_t id, struct vr_err *err)
{
    _cleanup_(db_finishp) sqlite3_stmt *stmt = NULL;
    int r = db_prepare(s, sql, &stmt, err);
    if (r == 0) {
        r = db_bind_u64(s, stmt, 1, id, err);
    }
    return r < 0 ? r : db_step(s, stmt, err);
}
