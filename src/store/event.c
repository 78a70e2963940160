/* SPDX-License-Identifier: Apache-2.0 */
/* The history of events: appended, bounded, read. */
#include "store/db.h"
#include "store/store.h"

#define E(member, kind) COL(struct vr_event, member, kind)
static const struct col event_cols[] = {
    E(seq, COL_U64), E(time_us, COL_U64), E(priority, COL_INT), E(event_id, COL_U32),
    E(id, COL_TEXT), E(vm_id, COL_UUID),  E(vm_name, COL_TEXT), E(text, COL_TEXT)};

static int
put_event(struct store *s, const struct vr_event *event, sqlite3_int64 *ret_seq, struct vr_err *err)
{
    /* All columns but seq, which SQLite gives. */
    static const struct table t = {"event", event_cols + 1,
                                   sizeof event_cols / sizeof *event_cols - 1};
    int r = db_put(s, &t, event, err);
    if (r < 0) {
        return r;
    }
    *ret_seq = sqlite3_last_insert_rowid(s->db);
    if (*ret_seq <= STORE_EVENTS_MAX) {
        return 0;
    }
    return db_delete_by_id(s, "DELETE FROM event WHERE seq<=?",
                           (uint64_t)(*ret_seq - STORE_EVENTS_MAX), err);
}

int store_add_event(struct store *s,
                    const struct vr_event *event,
                    uint64_t *ret_seq,
                    struct vr_err *err)
{
    sqlite3_int64 seq = 0;
    int r = db_relaxed(s, err);
    if (r == 0) {
        r = db_begin(s, err);
    }
    if (r < 0) {
        return r;
    }
    r = db_end(s, put_event(s, event, &seq, err), err);
    if (r == 0 && ret_seq) {
        *ret_seq = (uint64_t)seq;
    }
    return r;
}

#define IDS_MAX (VR_SCOPE_MAX * VR_UUID_TEXT_LEN + 1)

/* A space and the ids, with one between them; "": no limit. */
static void scope_text(const struct vr_scope *scope, char ret[static IDS_MAX])
{
    char id[VR_UUID_TEXT_LEN];
    size_t n = 0;
    ret[0] = '\0';
    if (scope && scope->limited) {
        n += (size_t)snprintf(ret, IDS_MAX, "%s", " ");
    }
    for (uint32_t i = 0; n && i < scope->n && i < VR_SCOPE_MAX; i++) {
        n += (size_t)snprintf(ret + n, IDS_MAX - n, "%s%s", i ? " " : "",
                              vr_uuid_text(&scope->vm[i], id));
    }
}

static int
bind_query(struct store *s, sqlite3_stmt *stmt, const struct vr_event_query *q, struct vr_err *err)
{
    const uint64_t numbers[] = {q->after_seq, q->since_us, q->limit};
    int r = 0;
    for (int i = 0; r == 0 && i < 3; i++) {
        r = db_bind_u64(s, stmt, i + 1, numbers[i], err);
    }
    for (int i = 0; r == 0 && i < 2; i++) {
        r = db_bind_text(s, stmt, i + 4, q->vm[i], err);
    }
    char ids[IDS_MAX];
    scope_text(q->scope, ids);
    return r < 0 ? r : db_bind_text(s, stmt, 6, ids, err);
}

int store_load_events(struct store *s,
                      const struct vr_event_query *q,
                      store_event_fn cb,
                      void *ctx,
                      struct vr_err *err)
{
#define EVENTS_OF                                                                                  \
    "WHERE seq>?1 AND time_us>=?2 AND (?4='' OR vm_name=?4 OR vm_name=?5) "                        \
    "AND (?6='' OR instr(?6, vm_id)>0) ORDER BY seq"
    static const struct table t = {"event", event_cols, sizeof event_cols / sizeof *event_cols};
    _cleanup_(db_finishp) sqlite3_stmt *stmt = NULL;
    int r = db_select(s, &t, q->oldest_first ? EVENTS_OF " LIMIT ?3" : EVENTS_OF " DESC LIMIT ?3",
                      &stmt, err);
    r = r < 0 ? r : bind_query(s, stmt, q, err);
    while (r == 0 && (r = db_step(s, stmt, err)) > 0) {
        struct vr_event event = {0};
        r = db_get(s, &t, stmt, &event, err);
        if (r == 0) {
            r = cb(ctx, &event, err);
        }
    }
    return r;
}
