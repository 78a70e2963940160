/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libinih knows neither line numbers nor sections without keys, and cuts long lines, keys and
 * sections silently. So the lines are handed to it here one by one: this counts them, finds the
 * section headers and refuses what would be cut.
 */
#include "inventory/inifile.h"

#include <ctype.h>
#include <ini.h>

#include "util/cleanup.h"
#include "util/fdio.h"

#define INIH_NAME_MAX 49 /* libinih cuts keys at this length */

struct ini_reader {
    const char *at; /* next byte of the file's text */
    unsigned line;
    char section[INI_SECTION_MAX];
    ini_line_fn fn;
    void *ctx;
    struct vr_err *err;
    int r; /* first error */
};

static int read_section(struct ini_reader *rd, const char *text, size_t n)
{
    const char *end = memchr(text, ']', n);
    if (!end) {
        return vr_fail(rd->err, VR_E_INVALID, "section without ']'");
    }
    size_t len = (size_t)(end - text - 1);
    if (len == 0 || len >= sizeof rd->section) {
        return vr_fail(rd->err, VR_E_INVALID, "section name empty or longer than %d characters",
                       INI_SECTION_MAX - 1);
    }
    memcpy(rd->section, text + 1, len);
    rd->section[len] = '\0';
    return rd->fn(rd->ctx, rd->line, rd->section, NULL, NULL, rd->err);
}

/* Gives libinih the next line; NULL ends the reading. */
static char *next_line(char *buf, int cap, void *stream)
{
    struct ini_reader *rd = stream;
    if (rd->r < 0 || !*rd->at) {
        return NULL;
    }
    size_t n = strcspn(rd->at, "\n");
    const char *text = rd->at;
    rd->at += n + (rd->at[n] == '\n');
    rd->line++;
    while (n && isspace((unsigned char)*text)) {
        text++;
        n--;
    }
    if (n > INI_LINE_MAX || cap <= INI_LINE_MAX + 1) {
        rd->r = vr_fail(rd->err, VR_E_INVALID, "line longer than %d bytes", INI_LINE_MAX);
        return NULL;
    }
    if (*text == '[') {
        rd->r = read_section(rd, text, n);
        n = 0; /* known here; libinih sees an empty line */
    }
    if (rd->r < 0) {
        return NULL;
    }
    memcpy(buf, text, n);
    buf[n] = '\0';
    return buf;
}

static int on_key(void *user, const char *section, const char *key, const char *value)
{
    struct ini_reader *rd = user;
    if (strlen(key) >= INIH_NAME_MAX) {
        rd->r = vr_fail(rd->err, VR_E_INVALID, "key longer than %d characters", INIH_NAME_MAX - 1);
    } else {
        rd->r = rd->fn(rd->ctx, rd->line, rd->section, key, value, rd->err);
    }
    return rd->r == 0;
}

int ini_read(const char *path, ini_line_fn fn, void *ctx, struct vr_err *err)
{
    _cleanup_(vr_freep) char *text = NULL;
    size_t len;
    int r = vr_read_file(path, INI_FILE_MAX, &text, &len, err);
    if (r < 0) {
        return r;
    }
    if (strlen(text) != len) {
        return vr_fail(err, VR_E_INVALID, "'%s' holds a NUL byte: it is not a text file", path);
    }
    struct ini_reader rd = {.at = text, .fn = fn, .ctx = ctx, .err = err};
    int bad_line = ini_parse_stream(next_line, &rd, on_key, &rd);
    if (rd.r < 0) {
        return vr_wrap(err, rd.r, "%s:%u", path, rd.line);
    }
    if (bad_line) {
        return vr_fail(err, VR_E_INVALID, "%s:%d: neither '[section]' nor 'key = value'", path,
                       bad_line);
    }
    return 0;
}

int ini_bool(const char *value, bool *ret, struct vr_err *err)
{
    if (strcmp(value, "yes") == 0 || strcmp(value, "no") == 0) {
        *ret = value[0] == 'y';
        return 0;
    }
    return vr_fail(err, VR_E_INVALID, "'%s' is neither yes nor no", value);
}

static bool component_ok(const char *p, size_t n)
{
    return n > 0 && !(n == 1 && p[0] == '.') && !(n == 2 && p[0] == '.' && p[1] == '.');
}

int ini_path(const char *value, char *ret, size_t cap, struct vr_err *err)
{
    size_t len = strlen(value);
    if (value[0] != '/') {
        return vr_fail(err, VR_E_INVALID, "'%s' is not an absolute path", value);
    }
    if (len >= cap) {
        return vr_fail(err, VR_E_INVALID, "path longer than %zu bytes", cap - 1);
    }
    for (const char *p = value; *p; p++) {
        if (iscntrl((unsigned char)*p)) {
            return vr_fail(err, VR_E_INVALID, "path with a control character");
        }
        if (*p == '/' && !component_ok(p + 1, strcspn(p + 1, "/"))) {
            return vr_fail(err, VR_E_INVALID,
                           "path '%s' has an empty, '.' or '..' component: write it plainly",
                           value);
        }
    }
    memcpy(ret, value, len + 1);
    return 0;
}
