/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads an INI file line by line (libinih does the syntax). Leading space is ignored, ';' or '#'
 * begins a comment line, " ;" a comment after a value. There are no continuation lines. Reading
 * stops at the first error.
 */
#pragma once
#include "util/err.h"

#define INI_FILE_MAX (8u << 20) /* bytes of one file */
#define INI_LINE_MAX 198        /* bytes of one line: what the system's libinih takes */
#define INI_SECTION_MAX 160     /* bytes of a section's name, with NUL */

/*
 * Called for every "[section]" (key and value NULL) and every "key = value" (section "" before the
 * first). An error it returns gets "file:line: " before its text.
 */
typedef int (*ini_line_fn)(void *ctx,
                           unsigned line,
                           const char *section,
                           const char *key,
                           const char *value,
                           struct vr_err *err);

/* NOT_FOUND, DENIED, LIMIT (too large), INVALID (with file:line). */
VR_MUST_CHECK int ini_read(const char *path, ini_line_fn fn, void *ctx, struct vr_err *err);

/* "yes" or "no". */
VR_MUST_CHECK int ini_bool(const char *value, bool *ret, struct vr_err *err);
/* An absolute path without "." and ".." components, doubled or closing slashes, and control
 * characters. */
VR_MUST_CHECK int ini_path(const char *value, char *ret, size_t cap, struct vr_err *err);
