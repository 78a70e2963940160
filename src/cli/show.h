/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers, times and progress for people. */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "cli/table.h"

#define SHOW_MAX 64
/* Each fills buf (SHOW_MAX bytes) and returns it. */
const char *show_size(uint64_t bytes, char *buf);    /* "5.6 GiB" */
const char *show_rate(uint64_t bytes_s, char *buf);  /* "38.0 MiB/s" */
const char *show_span(uint64_t us, char *buf);       /* "0.4s", "25s", "18m", "1h46m", "3d" */
const char *show_time(const json_t *iso, char *buf); /* local, "-" for null */
const char *show_age(const json_t *iso, uint64_t now_us, char *buf); /* "6h", "-" */
/* 0 for null or no time. */
uint64_t json_time(const json_t *iso);
uint64_t json_u64(const json_t *o, const char *name);
/* "" when it is not there or no text. Borrowed. */
const char *json_text(const json_t *o, const char *name);

/* How far a job is, as its phase allows to say. */
struct gauge {
    int percent;     /* -1: unknown */
    uint64_t rate;   /* bytes/s, 0: unknown */
    uint64_t eta_us; /* 0: unknown */
};
/* From the job's own averages, or, with a former reading of the same job, from what happened since.
 */
struct gauge gauge_of(const json_t *job, const json_t *before);
/* So, of another count of the progress while disks are compared; bytes/s, 0: unknown. */
uint64_t rate_of(const json_t *job, const json_t *before, const char *name);
