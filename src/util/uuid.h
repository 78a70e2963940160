/* SPDX-License-Identifier: Apache-2.0 */
/* 16-byte identifiers; all zero = none. Text form RFC 4122, upper case as WBEM clients of Hyper-V
 * show it. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vr_uuid {
    uint8_t b[16];
};

#define VR_UUID_TEXT_LEN 37 /* with NUL */

bool vr_uuid_is_nil(const struct vr_uuid *u);
bool vr_uuid_eq(const struct vr_uuid *a, const struct vr_uuid *b);
/* Upper case into buf of at least VR_UUID_TEXT_LEN; returns buf. */
const char *vr_uuid_text(const struct vr_uuid *u, char *buf);
/* Any case, with or without braces. */
bool vr_uuid_parse(const char *text, struct vr_uuid *ret);
/* 16 random bytes into a version 4 UUID. */
struct vr_uuid vr_uuid_from_random(const uint8_t random[16]);
/* A fresh version 4 UUID from the system's random source. */
struct vr_uuid vr_uuid_new(void);
/* Cryptographic random bytes; aborts when the system has none (nothing safe can be done then). */
void vr_random(void *p, size_t n);
