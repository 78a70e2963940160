/* SPDX-License-Identifier: Apache-2.0 */
#include "cim/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/num.h"

#define CHUNK_BYTES 16384

struct cim_arena_chunk {
    struct cim_arena_chunk *next;
    size_t used, cap;
    _Alignas(16) unsigned char data[];
};

void cim_arena_init(struct cim_arena *a, size_t max_bytes)
{
    *a = (struct cim_arena){.max_bytes = max_bytes};
}

void cim_arena_deinit(struct cim_arena *a)
{
    while (a->chunks) {
        struct cim_arena_chunk *c = a->chunks;
        a->chunks = c->next;
        free(c);
    }
    a->used_bytes = 0;
}

void cim_arena_reset(struct cim_arena *a)
{
    /* One ordinary chunk is kept: an enumeration resets between instances. */
    struct cim_arena_chunk *keep = a->chunks && a->chunks->cap == CHUNK_BYTES ? a->chunks : NULL;
    if (keep) {
        a->chunks = keep->next;
    }
    cim_arena_deinit(a);
    a->failed = false;
    if (keep) {
        keep->next = NULL;
        keep->used = 0;
        a->chunks = keep;
        a->used_bytes = keep->cap;
    }
}

bool cim_arena_failed(const struct cim_arena *a)
{
    return a->failed;
}

static struct cim_arena_chunk *grow(struct cim_arena *a, size_t n)
{
    size_t cap = VR_MAX(n, (size_t)CHUNK_BYTES);
    if (a->failed || cap > a->max_bytes || a->used_bytes > a->max_bytes - cap) {
        a->failed = true;
        return NULL;
    }
    struct cim_arena_chunk *c = malloc(sizeof *c + cap);
    if (!c) {
        a->failed = true;
        return NULL;
    }
    *c = (struct cim_arena_chunk){.next = a->chunks, .cap = cap};
    a->chunks = c;
    a->used_bytes += cap;
    return c;
}

void *cim_alloc(struct cim_arena *a, size_t n)
{
    struct cim_arena_chunk *c = a->chunks;
    if (a->failed || n > a->max_bytes) {
        a->failed = true;
        return NULL;
    }
    n = (n + 15) & ~(size_t)15;
    if (!c || c->cap - c->used < n) {
        c = grow(a, n);
    }
    if (!c) {
        return NULL;
    }
    void *p = c->data + c->used;
    c->used += n;
    return memset(p, 0, n);
}

char *cim_strndup(struct cim_arena *a, const char *s, size_t n)
{
    char *p = s ? cim_alloc(a, n + 1) : NULL;
    if (p) {
        memcpy(p, s, n);
    }
    return p;
}

char *cim_strdup(struct cim_arena *a, const char *s)
{
    return s ? cim_strndup(a, s, strlen(s)) : NULL;
}

char *cim_printf(struct cim_arena *a, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *p = n < 0 ? NULL : cim_alloc(a, (size_t)n + 1);
    if (p) {
        vsnprintf(p, (size_t)n + 1, fmt, again);
    }
    va_end(again);
    return p;
}
