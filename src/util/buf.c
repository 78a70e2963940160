/* SPDX-License-Identifier: Apache-2.0 */
#include "util/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/spare.h"

struct vr_rd vr_rd_init(const void *p, size_t n)
{
    const uint8_t *b = p;
    return (struct vr_rd){.p = b, .end = b ? b + n : b};
}

size_t vr_rd_left(const struct vr_rd *rd)
{
    return (size_t)(rd->end - rd->p);
}

bool vr_rd_done(const struct vr_rd *rd)
{
    return !rd->failed && rd->p == rd->end;
}

const void *vr_rd_bytes(struct vr_rd *rd, size_t n)
{
    if (rd->failed || vr_rd_left(rd) < n) {
        rd->failed = true;
        return NULL;
    }
    const void *p = rd->p;
    rd->p += n;
    return p;
}

void vr_rd_copy(struct vr_rd *rd, void *dst, size_t n)
{
    const void *p = vr_rd_bytes(rd, n);
    if (p && n) {
        memcpy(dst, p, n);
    } else if (n) {
        memset(dst, 0, n);
    }
}

static uint64_t rd_le(struct vr_rd *rd, unsigned n)
{
    const uint8_t *p = vr_rd_bytes(rd, n);
    uint64_t v = 0;
    for (unsigned i = 0; p && i < n; i++) {
        v |= (uint64_t)p[i] << (8 * i);
    }
    return v;
}

uint8_t vr_rd_u8(struct vr_rd *rd)
{
    return (uint8_t)rd_le(rd, 1);
}

uint16_t vr_rd_u16(struct vr_rd *rd)
{
    return (uint16_t)rd_le(rd, 2);
}

uint32_t vr_rd_u32(struct vr_rd *rd)
{
    return (uint32_t)rd_le(rd, 4);
}

uint64_t vr_rd_u64(struct vr_rd *rd)
{
    return rd_le(rd, 8);
}

void vr_rd_str(struct vr_rd *rd, char *dst, size_t cap)
{
    size_t n = vr_rd_u16(rd);
    dst[0] = '\0';
    if (n >= cap) {
        rd->failed = true;
        return;
    }
    const char *p = vr_rd_bytes(rd, n);
    if (!p || memchr(p, 0, n)) {
        rd->failed = true;
        return;
    }
    memcpy(dst, p, n);
    dst[n] = '\0';
}

void vr_buf_init(struct vr_buf *b, size_t max_bytes)
{
    *b = (struct vr_buf){.max = max_bytes};
}

void vr_buf_init_spare(struct vr_buf *b, size_t max_bytes)
{
    vr_buf_init(b, max_bytes);
    b->spare = true;
}

void vr_buf_deinit(struct vr_buf *b)
{
    free(b->data);
    *b = (struct vr_buf){.max = b->max};
}

void vr_buf_reset(struct vr_buf *b)
{
    b->len = 0;
    b->failed = false;
}

/* Once: a block that has become too small is made larger. */
static bool grow_into_spare(struct vr_buf *b, size_t least)
{
    size_t cap;
    uint8_t *p = vr_spare_take(&cap);
    b->spare = false;
    if (!p || cap < least) {
        free(p);
        return false;
    }
    if (b->data && b->len) {
        memcpy(p, b->data, b->len);
    }
    free(b->data);
    b->data = p;
    b->cap = cap;
    return true;
}

static bool grow(struct vr_buf *b, size_t n)
{
    if (b->failed || n > b->max || b->len > b->max - n) {
        b->failed = true;
        return false;
    }
    size_t cap = b->cap ? b->cap : 256;
    while (cap < b->len + n + 1) { /* one more for vr_buf_cstr */
        cap *= 2;
    }
    if (b->spare && cap >= VR_SPARE_LEAST_BYTES && grow_into_spare(b, cap)) {
        return true;
    }
    uint8_t *p = cap == b->cap ? b->data : realloc(b->data, cap);
    if (!p) {
        b->failed = true;
        return false;
    }
    b->data = p;
    b->cap = cap;
    return true;
}

/* Answers are written in tiny pieces: those that fit take only this comparison. */
static inline bool fits(const struct vr_buf *b, size_t n)
{
    return !b->failed && b->len + n < b->cap && b->len + n <= b->max && n <= b->max;
}

void *vr_buf_room(struct vr_buf *b, size_t n)
{
    if (!fits(b, n) && !grow(b, n)) {
        return NULL;
    }
    void *at = b->data + b->len;
    b->len += n;
    return at;
}

void vr_buf_bytes(struct vr_buf *b, const void *p, size_t n)
{
    if ((fits(b, n) || grow(b, n)) && n) {
        memcpy(b->data + b->len, p, n);
        b->len += n;
    }
}

static void put_le(struct vr_buf *b, uint64_t v, unsigned n)
{
    uint8_t *at = vr_buf_room(b, n);
    for (unsigned i = 0; at && i < n; i++) {
        at[i] = (uint8_t)(v >> (8 * i));
    }
}

void vr_buf_u8(struct vr_buf *b, uint8_t v)
{
    vr_buf_bytes(b, &v, 1);
}

void vr_buf_u16(struct vr_buf *b, uint16_t v)
{
    put_le(b, v, 2);
}

void vr_buf_u32(struct vr_buf *b, uint32_t v)
{
    put_le(b, v, 4);
}

void vr_buf_u64(struct vr_buf *b, uint64_t v)
{
    put_le(b, v, 8);
}

void vr_buf_str(struct vr_buf *b, const char *s)
{
    size_t n = strlen(s);
    if (n > UINT16_MAX) {
        b->failed = true;
        return;
    }
    vr_buf_u16(b, (uint16_t)n);
    vr_buf_bytes(b, s, n);
}

void vr_buf_text(struct vr_buf *b, const char *s)
{
    vr_buf_bytes(b, s, strlen(s));
}

void vr_buf_printf(struct vr_buf *b, const char *fmt, ...)
{
    char small[512];
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(small, sizeof small, fmt, ap);
    va_end(ap);
    if (n < 0) {
        b->failed = true;
    } else if ((size_t)n < sizeof small) {
        vr_buf_bytes(b, small, (size_t)n);
    } else {
        char *at = vr_buf_room(b, (size_t)n);
        if (at) { /* vr_buf_room keeps one byte more than asked: the NUL fits */
            vsnprintf(at, (size_t)n + 1, fmt, again);
        }
    }
    va_end(again);
}

void vr_buf_consume(struct vr_buf *b, size_t n)
{
    vr_assert(n <= b->len);
    memmove(b->data, b->data + n, b->len - n);
    b->len -= n;
}

const char *vr_buf_cstr(struct vr_buf *b)
{
    if (!b->failed && !b->data && !vr_buf_room(b, 0)) {
        return NULL;
    }
    if (b->failed) {
        return NULL;
    }
    b->data[b->len] = '\0';
    return (const char *)b->data;
}

char *vr_buf_steal(struct vr_buf *b)
{
    if (!vr_buf_cstr(b)) {
        return NULL;
    }
    char *s = (char *)b->data;
    *b = (struct vr_buf){.max = b->max};
    return s;
}

int vr_buf_check(const struct vr_buf *b, struct vr_err *err)
{
    if (!b->failed) {
        return 0;
    }
    if (b->len >= b->max || b->max == 0) {
        return vr_fail(err, VR_E_LIMIT, "more than %zu bytes", b->max);
    }
    return vr_fail(err, VR_E_NOMEM, "no memory, or more than %zu bytes", b->max);
}
