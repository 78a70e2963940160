/* SPDX-License-Identifier: Apache-2.0 */
#include "util/err.h"

#undef vr_err_set
#undef vr_wrap

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kind_row {
    const char *name;
    const char *text;
    int cim, http, exit_code;
    struct vr_kind_advice advice;
};

static const struct kind_row kinds[] = {
    [VR_E_NONE] = {"NONE", "no error", 0, 200, 0, {0, 0, 0, ""}},
#define X(name, number, text, cim, http, exit_code, ...)                                           \
    [number] = {#name, text, cim, http, exit_code, {__VA_ARGS__}},
    VR_ERR_KINDS(X)
#undef X
};

static const struct kind_row *kind_row(int r)
{
    size_t n = r < 0 ? (size_t)-r : (size_t)r;
    if (n >= sizeof kinds / sizeof kinds[0] || !kinds[n].name) {
        n = VR_E_INTERNAL;
    }
    return &kinds[n];
}

const char *vr_kind_name(int r)
{
    return kind_row(r)->name;
}

const char *vr_kind_text(int r)
{
    return kind_row(r)->text;
}

int vr_kind_cim_status(int r)
{
    return kind_row(r)->cim;
}

int vr_kind_http_status(int r)
{
    return kind_row(r)->http;
}

int vr_kind_exit_code(int r)
{
    return kind_row(r)->exit_code;
}

struct vr_kind_advice vr_kind_advice(int r)
{
    return kind_row(r)->advice;
}

/* A system call that says exactly what is wrong need not be hidden behind "input/output error". */
static enum vr_err_kind refine_kind(enum vr_err_kind kind, int sys_errno)
{
    if (kind != VR_E_IO) {
        return kind;
    }
    switch (sys_errno) {
    case ENOENT:
        return VR_E_NOT_FOUND;
    case EACCES:
    case EPERM:
        return VR_E_DENIED;
    case ENOSPC:
    case EDQUOT:
        return VR_E_NOSPACE;
    case ENOMEM:
        return VR_E_NOMEM;
    case ETIMEDOUT:
        return VR_E_TIMEOUT;
    default:
        return kind;
    }
}

int vr_err_set(struct vr_err *err,
               enum vr_err_kind kind,
               int sys_errno,
               const char *file,
               int line,
               const char *fmt,
               ...)
{
    kind = refine_kind(kind, sys_errno);
    if (!err) {
        return -(int)kind;
    }
    err->kind = kind;
    err->sys_errno = sys_errno;
    err->file = file;
    err->line = line;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
    if (sys_errno && n >= 0 && (size_t)n + 3 < sizeof err->text) {
        char buf[96];
        snprintf(err->text + n, sizeof err->text - (size_t)n, ": %s",
                 strerror_r(sys_errno, buf, sizeof buf));
    }
    return -(int)kind;
}

int vr_wrap(struct vr_err *err, int r, const char *fmt, ...)
{
    if (!err || r >= 0) {
        return r;
    }
    char old[sizeof err->text];
    memcpy(old, err->text, sizeof old);
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n + 3 < sizeof err->text) {
        char *end = err->text + n;
        size_t len = strnlen(old, sizeof err->text - (size_t)n - 3);
        memcpy(end, ": ", 2);
        memcpy(end + 2, old, len);
        end[2 + len] = '\0';
    }
    return r;
}

const char *vr_err_text(const struct vr_err *err)
{
    if (!err || err->kind == VR_E_NONE) {
        return "no error";
    }
    return err->text[0] ? err->text : vr_kind_text((int)err->kind);
}

_Noreturn void vr_assert_failed(const char *cond, const char *file, int line)
{
    fprintf(stderr, "vmreplica: broken invariant '%s' at %s:%d\n", cond, file, line);
    abort();
}
