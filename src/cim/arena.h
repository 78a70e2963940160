/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of one request: many small things freed together, under a hard limit. No memory and over
 * the limit are the same sticky failure: every function here returns NULL from then on, and takes
 * NULL as input to mean the same, so a builder checks cim_arena_failed once at its end. One thread
 * at a time.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "util/err.h"

struct cim_arena_chunk;

struct cim_arena {
    struct cim_arena_chunk *chunks;
    size_t used_bytes, max_bytes;
    bool failed;
};

void cim_arena_init(struct cim_arena *a, size_t max_bytes);
void cim_arena_deinit(struct cim_arena *a);
/* Forgets everything in it and the failure. */
void cim_arena_reset(struct cim_arena *a);
bool cim_arena_failed(const struct cim_arena *a);
/* Zeroed. */
void *cim_alloc(struct cim_arena *a, size_t n);
char *cim_strdup(struct cim_arena *a, const char *s);
char *cim_strndup(struct cim_arena *a, const char *s, size_t n);
char *cim_printf(struct cim_arena *a, const char *fmt, ...) VR_PRINTF(2, 3);
