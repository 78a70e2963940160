/* SPDX-License-Identifier: Apache-2.0 */
/* `status` and `watch` taken apart, also for their tests: answers of GET /relationships in, exit
 * code and text out. */
#pragma once
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#include "cli/show.h"
#include "util/err.h"

/* The convention of monitoring plug-ins. */
enum {
    STATUS_OK = 0,
    STATUS_WARNING = 1,
    STATUS_CRITICAL = 2,
    STATUS_UNKNOWN = 3
};

/* How it is to be shown. */
struct status_view {
    uint64_t now_us;
    size_t columns, rows; /* of the terminal; 0: there is no limit */
    const json_t *before; /* an earlier answer, for rates; NULL: there is none. Borrowed */
};

struct client;
/* Of all VMs, or (vm not NULL) of one, in the same form. *ret is owned. */
VR_MUST_CHECK int status_ask(struct client *c, const char *vm, json_t **ret, struct vr_err *err);
/* As a table, or each in detail. */
void status_show(const json_t *answer, bool detail, const struct status_view *view, FILE *f);
int status_code(const json_t *answer);
/* The worst first. With a limit of rows, how many more there are. */
void status_print(const json_t *answer, const struct status_view *view, FILE *f);
/* One relationship, of GET /vms/VM or of the list, in all detail. */
void detail_rel(const json_t *rel, const struct status_view *view, FILE *f);
/* A job's progress: what of it is done, how fast, how long it takes. */
void detail_progress(const json_t *job, const struct status_view *view, FILE *f);
/* As gauge_of, and no rate from a reading that is too old to say anything. */
struct gauge status_gauge(const json_t *job, const struct status_view *view);
/* As rate_of, likewise. */
uint64_t status_rate(const json_t *job, const char *name, const struct status_view *view);
/* What a resynchronization is expected to come to; nothing where nothing says so. */
void detail_plan(const json_t *rel, const struct status_view *view, FILE *f);
/* "resync required": what a relationship's state is called in a table. */
const char *short_state(int state);
/* What a person may do now; "": nothing. Returns buf. */
const char *advice(const json_t *rel, char *buf, size_t cap);
