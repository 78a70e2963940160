/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small records on disk: one line of JSON without blanks and with sorted keys, then "sha256 <hex of
 * that line>". Replaced whole and durably. When one is read, every member must be there, of its
 * type and within its limit.
 */
#pragma once
#include <jansson.h>

#include "block/stor.h"
#include "model/model.h"

/* New references; NULL without memory. */
json_t *record_uuid(const struct vr_uuid *u);
json_t *record_generation(const struct vr_generation *g);
/* root NULL: NOMEM. */
VR_MUST_CHECK int record_write(
    struct stor *stor, const char *name, const json_t *root, size_t max, struct vr_err *err);

/* text (len bytes and a NUL) is changed. CORRUPT with *ret_why "cut short", "checksum" or "no
 * JSON"; another error leaves it. */
VR_MUST_CHECK int
record_parse(char *text, size_t len, json_t **ret, const char **ret_why, struct vr_err *err);
bool record_get_text(const json_t *o, const char *key, char *dst, size_t cap);
bool record_get_uint(const json_t *o, const char *key, uint64_t max, uint64_t *ret);
/* "consistency", enum vr_consistency; without one it is not known. */
bool record_get_consistency(const json_t *o, uint8_t *ret);
bool record_get_uuid(const json_t *o, const char *key, struct vr_uuid *ret);
bool record_get_generation(const json_t *o, struct vr_generation *g);
