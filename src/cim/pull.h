/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Enumerations that a client pulls in pieces. What is enumerated is copied when it is opened, so
 * each shows one moment, whatever happens meanwhile. One belongs to the user who opened it and to
 * the namespace of that call, and ends when it is closed, pulled to its end, or left alone for its
 * timeout. Numbers and memory are limited: SERVER_LIMITS_EXCEEDED.
 */
#pragma once
#include "cim/broker.h"

#define CIM_PULLS_MAX 64
#define CIM_PULLS_USER_MAX 16
#define CIM_PULL_MAX_BYTES (32 * 1024 * 1024)
#define CIM_PULLS_MAX_BYTES (128 * 1024 * 1024)
#define CIM_PULL_TIMEOUT_S 120 /* when the client says none */
#define CIM_PULL_TIMEOUT_MAX_S 3600

enum cim_pull_kind {
    CIM_PULL_WITH_PATH,
    CIM_PULL_PATHS, /* instances have their path and nothing else: no values */
    CIM_PULL_INSTANCES,
    CIM_PULL_WSMAN /* of WS-Management, which asks for one of the above in its own way */
};

struct cim_pulls;
struct cim_pull;

/* now_ms: monotonic. NULL: no memory. */
struct cim_pulls *cim_pulls_new(uint64_t (*now_ms)(void));
void cim_pulls_free(struct cim_pulls *s);

/* Empty, to be filled now. NULL: st is set (limits; INVALID_OPERATION_TIMEOUT). */
struct cim_pull *cim_pull_open(struct cim_pulls *s,
                               const struct cim_caller *who,
                               const char *ns,
                               enum cim_pull_kind kind,
                               const uint32_t *timeout_s,
                               struct cim_status *st);
/* A cim_instance_cb; ctx is the pull. False: no room, cim_pull_filled will say it. */
bool cim_pull_add(void *ctx, const struct cim_instance *i);
/* After the last one: was there room for all? */
bool cim_pull_filled(const struct cim_pull *p, struct cim_status *st);
/* Lives as long as the pull: what a front-end has to remember of the call. */
struct cim_arena *cim_pull_arena(struct cim_pull *p);
void cim_pull_set_data(struct cim_pull *p, const void *data);
const void *cim_pull_data(const struct cim_pull *p);

/* By its id; its time begins anew. NULL: INVALID_ENUMERATION_CONTEXT. ns NULL, kind < 0: any. */
struct cim_pull *cim_pull_find(struct cim_pulls *s,
                               const struct cim_caller *who,
                               const char *ns,
                               const char *id,
                               int kind,
                               struct cim_status *st);
/* Its timeout from now on, 1 to CIM_PULL_TIMEOUT_MAX_S; it begins anew. */
void cim_pull_renew(const struct cim_pulls *s, struct cim_pull *p, uint32_t timeout_s);
uint32_t cim_pull_timeout_s(const struct cim_pull *p);
const char *cim_pull_id(const struct cim_pull *p);
/* Borrowed until the pull ends; NULL: that was all. */
const struct cim_instance *cim_pull_next(struct cim_pull *p);
/* The same, and it stays the next. */
const struct cim_instance *cim_pull_peek(const struct cim_pull *p);
uint64_t cim_pull_left(const struct cim_pull *p);
void cim_pull_close(struct cim_pulls *s, struct cim_pull *p);
