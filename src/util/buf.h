/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounded bytes in and out. Every integer from outside goes through vr_rd: it never reads past its
 * end, and after the first short read it stays failed and gives zeroes, so a decoder checks once at
 * its end.
 *
 *     struct vr_rd rd = vr_rd_init(p, n);
 *     m->off = vr_rd_u64(&rd);
 *     m->len = vr_rd_u32(&rd);
 *     if (!vr_rd_done(&rd)) return vr_fail(err, VR_E_PROTOCOL, "...");
 *
 * Integers are little-endian on the wire and on disk.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

struct vr_rd {
    const uint8_t *p, *end;
    bool failed;
};

struct vr_rd vr_rd_init(const void *p, size_t n);
uint8_t vr_rd_u8(struct vr_rd *rd);
uint16_t vr_rd_u16(struct vr_rd *rd);
uint32_t vr_rd_u32(struct vr_rd *rd);
uint64_t vr_rd_u64(struct vr_rd *rd);
/* Borrows n bytes, or returns NULL and fails. */
const void *vr_rd_bytes(struct vr_rd *rd, size_t n);
/* Copies n bytes to dst; zeroes dst on failure. */
void vr_rd_copy(struct vr_rd *rd, void *dst, size_t n);
/* u16 length + bytes into a NUL-terminated dst of size cap; fails when too long or when a NUL is
 * inside. */
void vr_rd_str(struct vr_rd *rd, char *dst, size_t cap);
size_t vr_rd_left(const struct vr_rd *rd);
/* Nothing failed and nothing is left. */
bool vr_rd_done(const struct vr_rd *rd);

/* A growing byte buffer with a hard limit. Failed (no memory, over the limit) is sticky; check
 * once. */
struct vr_buf {
    uint8_t *data;
    size_t len, cap, max;
    bool failed, spare;
};

void vr_buf_init(struct vr_buf *b, size_t max_bytes);
/* Of something that may become large and is given away: grows into util/spare.h. */
void vr_buf_init_spare(struct vr_buf *b, size_t max_bytes);
void vr_buf_deinit(struct vr_buf *b);
void vr_buf_reset(struct vr_buf *b); /* len = 0, memory kept, failed cleared */
void vr_buf_u8(struct vr_buf *b, uint8_t v);
void vr_buf_u16(struct vr_buf *b, uint16_t v);
void vr_buf_u32(struct vr_buf *b, uint32_t v);
void vr_buf_u64(struct vr_buf *b, uint64_t v);
void vr_buf_bytes(struct vr_buf *b, const void *p, size_t n);
void vr_buf_str(struct vr_buf *b, const char *s); /* as vr_rd_str reads it */
/* Appends text without a NUL. */
void vr_buf_text(struct vr_buf *b, const char *s);
void vr_buf_printf(struct vr_buf *b, const char *fmt, ...) VR_PRINTF(2, 3);
/* Makes room for n more bytes and returns where they go (len is raised), or NULL. */
void *vr_buf_room(struct vr_buf *b, size_t n);
/* Drops n bytes from the front. */
void vr_buf_consume(struct vr_buf *b, size_t n);
/* NUL-terminates (not counted in len) and returns the text, or NULL when failed. Borrowed. */
const char *vr_buf_cstr(struct vr_buf *b);
/* As vr_buf_cstr, but the caller owns the text (free) and the buffer is empty afterwards. */
char *vr_buf_steal(struct vr_buf *b);
/* 0, or NOMEM/LIMIT when something did not fit. */
VR_MUST_CHECK int vr_buf_check(const struct vr_buf *b, struct vr_err *err);
