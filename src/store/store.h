/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's state in one SQLite database: relationships, jobs, reports, authorization entries, the
 * event history, and a few single values. Rows in and out, nothing decided. Every save is one
 * transaction, durable when it returns 0 (WAL, synchronous=FULL); an event is durable with the next
 * save: a power cut may lose the last ones. One thread.
 *
 * Errors callers branch on: NOSPACE and IO (the disk), CORRUPT (a damaged database, or a row no
 * version of us wrote; the text says what to do), BUSY (another process holds the database).
 */
#pragma once
#include "model/model.h"
#include "model/service.h"
#include "util/cleanup.h"
#include "util/err.h"

#define STORE_EVENTS_MAX 10000 /* older events are dropped */
/* reports of jobs that are so many jobs ago are dropped */
#define STORE_REPORTS_MAX 50000
#define STORE_META_MAX 256 /* bytes of a single value, with NUL */

struct store;

/*
 * Opens, or makes with mode 0600; brings an older schema up to date; checks the file. INVALID: some
 * other program's database. STATE: written by a newer version of us (the text names both schema
 * versions).
 */
VR_MUST_CHECK int store_open(const char *path, struct store **ret, struct vr_err *err);
void store_close(struct store *s); /* NULL is fine */
DEFINE_CLEANUP(struct store *, store_close)

/* Save inserts or replaces. Delete of what is not there is 0. */
VR_MUST_CHECK int store_save_rel(struct store *s, const struct vr_rel *rel, struct vr_err *err);
VR_MUST_CHECK int
store_delete_rel(struct store *s, const struct vr_uuid *vm, uint8_t number, struct vr_err *err);
VR_MUST_CHECK int store_save_job(struct store *s, const struct vr_job *job, struct vr_err *err);
VR_MUST_CHECK int store_delete_job(struct store *s, uint64_t id, struct vr_err *err);
VR_MUST_CHECK int
store_save_auth(struct store *s, const struct vr_auth_entry *e, struct vr_err *err);
VR_MUST_CHECK int store_delete_auth(struct store *s, const char *host, struct vr_err *err);
VR_MUST_CHECK int
store_save_report(struct store *s, const struct vr_report *report, struct vr_err *err);
VR_MUST_CHECK int store_delete_report(struct store *s, uint64_t job_id, struct vr_err *err);

/* The settings of the service, what is stored of them. Load: NOT_FOUND when they never were. */
VR_MUST_CHECK int
store_save_service(struct store *s, const struct vr_service *service, struct vr_err *err);
VR_MUST_CHECK int store_load_service(struct store *s, struct vr_service *ret, struct vr_err *err);

/* Loading calls cb for each row; an error it returns ends the loading and is passed on. cb must not
 * call the store. */
typedef int (*store_rel_fn)(void *ctx, const struct vr_rel *rel, struct vr_err *err);
typedef int (*store_job_fn)(void *ctx, const struct vr_job *job, struct vr_err *err);
typedef int (*store_auth_fn)(void *ctx, const struct vr_auth_entry *e, struct vr_err *err);
typedef int (*store_report_fn)(void *ctx, const struct vr_report *report, struct vr_err *err);
typedef int (*store_event_fn)(void *ctx, const struct vr_event *event, struct vr_err *err);

VR_MUST_CHECK int store_load_rels(struct store *s, store_rel_fn cb, void *ctx, struct vr_err *err);
VR_MUST_CHECK int store_load_jobs(struct store *s, store_job_fn cb, void *ctx, struct vr_err *err);
VR_MUST_CHECK int
store_load_auths(struct store *s, store_auth_fn cb, void *ctx, struct vr_err *err);
/* Newest first, at most limit. */
VR_MUST_CHECK int store_load_reports(
    struct store *s, uint32_t limit, store_report_fn cb, void *ctx, struct vr_err *err);
/* NOT_FOUND: no report of this job. */
VR_MUST_CHECK int
store_find_report(struct store *s, uint64_t job_id, struct vr_report *ret, struct vr_err *err);

/* Appends; event->seq is ignored, the number given is in *ret_seq (may be NULL). Numbers are never
 * reused. */
VR_MUST_CHECK int store_add_event(struct store *s,
                                  const struct vr_event *event,
                                  uint64_t *ret_seq,
                                  struct vr_err *err);
VR_MUST_CHECK int store_load_events(struct store *s,
                                    const struct vr_event_query *q,
                                    store_event_fn cb,
                                    void *ctx,
                                    struct vr_err *err);

/* Single values by name ("host_uuid"). NOT_FOUND: never set. */
VR_MUST_CHECK int
store_get_meta(struct store *s, const char *key, char *ret, size_t cap, struct vr_err *err);
VR_MUST_CHECK int
store_set_meta(struct store *s, const char *key, const char *value, struct vr_err *err);
