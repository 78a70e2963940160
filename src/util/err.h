/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors. Every function that can fail returns 0 or -VR_E_KIND and takes `struct vr_err *err` last.
 *
 *     int disk_open(const char *path, struct disk **ret_disk, struct vr_err *err)
 *     {
 *         int fd = open(path, O_RDWR | O_CLOEXEC);
 *         if (fd < 0)
 *             return vr_fail_errno(err, VR_E_IO, "cannot open disk image '%s'", path);
 *         ...
 *         r = disk_read_header(d, err);
 *         if (r < 0)
 *             return vr_wrap(err, r, "disk image '%s'", path);     // prefix, kind and origin stay
 *
 * The error is set where it happens, given a prefix on the way up, never overwritten, never
 * allocated. `err` may be NULL when the caller needs only the kind. A broken invariant is
 * vr_assert, not an error.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "util/err_kinds.h"

#define VR_MUST_CHECK __attribute__((warn_unused_result))
#define VR_PRINTF(f, a) __attribute__((format(printf, f, a)))

enum vr_err_kind {
    VR_E_NONE = 0,
#define X(name, number, ...) VR_E_##name = (number),
    VR_ERR_KINDS(X)
#undef X
};

struct vr_err {
    enum vr_err_kind kind;
    int sys_errno;    /* 0 when no system call was involved */
    const char *file; /* origin, for the log */
    int line;
    char text[256];
};

#define VR_ERR_INIT ((struct vr_err){0})

/* Sets *err (when not NULL) and returns -kind. Use through the macros. */
int vr_err_set(struct vr_err *err,
               enum vr_err_kind kind,
               int sys_errno,
               const char *file,
               int line,
               const char *fmt,
               ...) VR_PRINTF(6, 7);

#define vr_fail(err, kind, ...) vr_err_set((err), (kind), 0, __FILE__, __LINE__, __VA_ARGS__)
/* As vr_fail, and appends ": <strerror(errno)>". ENOENT, EACCES, ENOSPC, ENOMEM, ETIMEDOUT ...
 * given as VR_E_IO become the kind they are. */
#define vr_fail_errno(err, kind, ...)                                                              \
    vr_err_set((err), (kind), errno, __FILE__, __LINE__, __VA_ARGS__)
#define vr_fail_nomem(err) vr_fail((err), VR_E_NOMEM, "out of memory")

/* Puts "prefix: " before the text. Returns r, so that `return vr_wrap(err, r, ...)` reads well. */
int vr_wrap(struct vr_err *err, int r, const char *fmt, ...) VR_PRINTF(3, 4);

#ifdef __clang_analyzer__
/* What cannot be seen from another file: a failure is never 0, and a prefix leaves r as it is. */
#define vr_err_set(...) (vr_err_set(__VA_ARGS__), -VR_E_INTERNAL)
#define vr_wrap(err, r, ...)                                                                       \
    ({                                                                                             \
        int r_ = (r);                                                                              \
        vr_wrap((err), r_, __VA_ARGS__);                                                           \
        r_;                                                                                        \
    })
#endif

/* Texts and numbers of a kind. r may be -VR_E_KIND or VR_E_KIND; an unknown number is INTERNAL. */
const char *vr_kind_name(int r); /* "NOT_FOUND" */
const char *vr_kind_text(int r); /* "not found" */
int vr_kind_cim_status(int r);
int vr_kind_http_status(int r);
int vr_kind_exit_code(int r);
/* What CIM_Error says of it: ErrorType, ProbableCause, PerceivedSeverity; what a person may do. */
struct vr_kind_advice {
    int error_type, probable_cause, severity;
    const char *action;
};
struct vr_kind_advice vr_kind_advice(int r);

/* The text of an error for a person, never empty. Borrowed from err or static. */
const char *vr_err_text(const struct vr_err *err);

/* Kept in release builds: prints and aborts. For what must be true whatever comes from outside. */
#define vr_assert(cond)                                                                            \
    do {                                                                                           \
        if (__builtin_expect(!(cond), 0)) {                                                        \
            vr_assert_failed(#cond, __FILE__, __LINE__);                                           \
        }                                                                                          \
    } while (0)
_Noreturn void vr_assert_failed(const char *cond, const char *file, int line);
