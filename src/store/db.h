/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside store/: the SQLite connection, its errors, and the mapping of a struct's fields to a
 * table's columns. A table is described once by a list of columns; the statements are made from it.
 */
#pragma once
#include <sqlite3.h>
#include <stddef.h>

#include "store/store.h"

struct store {
    sqlite3 *db;
    char path[VR_PATH_MAX];
    bool relaxed; /* commits are not flushed; only db_durable and db_relaxed change it */
};

enum col_type {
    COL_U64,
    COL_U32,
    COL_U8,
    COL_BOOL,
    COL_INT,
    COL_TEXT,
    COL_UUID,
    COL_BYTES
};

struct col {
    const char *name;
    enum col_type type;
    size_t off, cap; /* cap: bytes of a text's array or of the bytes */
};

/* COL(struct vr_rel, peer, COL_TEXT) when column and member have the same name. */
#define COL_AS(type_, member, kind, name_)                                                         \
    {                                                                                              \
        (name_), (kind), offsetof(type_, member), sizeof(((type_ *)0)->member)                     \
    }
#define COL(type_, member, kind) COL_AS(type_, member, kind, #member)

struct table {
    const char *name;
    const struct col *cols;
    size_t ncols;
};
#define TABLE(name, cols)                                                                          \
    {                                                                                              \
        (name), (cols), sizeof(cols) / sizeof *(cols)                                              \
    }

/* The columns of a struct vr_generation that type has as `generation`. */
#define GENERATION_COLS(type)                                                                      \
    COL_AS(type, generation.uuid, COL_UUID, "generation"),                                         \
        COL_AS(type, generation.parent, COL_UUID, "generation_parent"),                            \
        COL_AS(type, generation.sequence, COL_U64, "generation_sequence"),                         \
        COL_AS(type, generation.epoch, COL_U32, "generation_epoch")

/* The SQLite error of the last call as ours. What was done is the prefix. */
int db_fail(struct store *s, int rc, struct vr_err *err, const char *what);
VR_MUST_CHECK int db_exec(struct store *s, const char *sql, struct vr_err *err);
VR_MUST_CHECK int
db_prepare(struct store *s, const char *sql, sqlite3_stmt **ret, struct vr_err *err);
/* 1: a row, 0: done. */
VR_MUST_CHECK int db_step(struct store *s, sqlite3_stmt *stmt, struct vr_err *err);
void db_finish(sqlite3_stmt *stmt);
DEFINE_CLEANUP(sqlite3_stmt *, db_finish)

/* From here on a commit is durable when it returns (what must not be lost), or with the next that
 * is (what may be lost): the flush is what a small transaction costs. Not within one. */
VR_MUST_CHECK int db_durable(struct store *s, struct vr_err *err);
VR_MUST_CHECK int db_relaxed(struct store *s, struct vr_err *err);

/* BEGIN IMMEDIATE; db_end commits when r is 0, rolls back otherwise, and returns r or the commit's
 * failure. */
VR_MUST_CHECK int db_begin(struct store *s, struct vr_err *err);
VR_MUST_CHECK int db_end(struct store *s, int r, struct vr_err *err);

/* INSERT OR REPLACE of obj as one row. */
VR_MUST_CHECK int
db_put(struct store *s, const struct table *t, const void *obj, struct vr_err *err);
/* "SELECT columns FROM table" + tail ("WHERE ... ORDER BY ..."). Column i of the table is column i
 * of the row. */
VR_MUST_CHECK int db_select(struct store *s,
                            const struct table *t,
                            const char *tail,
                            sqlite3_stmt **ret,
                            struct vr_err *err);
/* Fills obj from the row; CORRUPT for what does not fit. */
VR_MUST_CHECK int
db_get(struct store *s, const struct table *t, sqlite3_stmt *stmt, void *obj, struct vr_err *err);
VR_MUST_CHECK int
db_bind_u64(struct store *s, sqlite3_stmt *stmt, int at, uint64_t v, struct vr_err *err);
VR_MUST_CHECK int
db_bind_text(struct store *s, sqlite3_stmt *stmt, int at, const char *text, struct vr_err *err);
VR_MUST_CHECK int db_bind_uuid(
    struct store *s, sqlite3_stmt *stmt, int at, const struct vr_uuid *uuid, struct vr_err *err);

/* For what must not be lost: db_durable and db_begin; one row; a statement whose one parameter is a
 * number. */
VR_MUST_CHECK int db_begin_durable(struct store *s, struct vr_err *err);
VR_MUST_CHECK int
db_save_row(struct store *s, const struct table *t, const void *row, struct vr_err *err);
VR_MUST_CHECK int
db_delete_by_id(struct store *s, const char *sql, uint64_t id, struct vr_err *err);

/* Schema (schema.c): checks whose database it is, and migrates. */
VR_MUST_CHECK int schema_update(struct store *s, struct vr_err *err);
