/* SPDX-License-Identifier: Apache-2.0 */
/* File descriptors: whole reads and writes (short I/O and EINTR handled), small files, durable
 * replacement. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/err.h"

/* Exactly n bytes or an error; end of file before n is IO "unexpected end". */
VR_MUST_CHECK int vr_pread_full(int fd, void *p, size_t n, uint64_t off, struct vr_err *err);
VR_MUST_CHECK int vr_pwrite_full(int fd, const void *p, size_t n, uint64_t off, struct vr_err *err);
VR_MUST_CHECK int vr_write_full(int fd, const void *p, size_t n, struct vr_err *err);
VR_MUST_CHECK int vr_fsync(int fd, struct vr_err *err);
VR_MUST_CHECK int vr_fsync_dir(const char *dir, struct vr_err *err);

/* The whole file as NUL-terminated text (the NUL is not in *ret_len; ret_len may be NULL), at most
 * max bytes (else LIMIT). Caller frees. */
VR_MUST_CHECK int
vr_read_file(const char *path, size_t max, char **ret_text, size_t *ret_len, struct vr_err *err);
/* As vr_read_file, but DENIED when anyone but the owner may read it: for keys and passwords. */
VR_MUST_CHECK int vr_read_secret_file(
    const char *path, size_t max, char **ret_text, size_t *ret_len, struct vr_err *err);
/* Replaces path by way of a temporary file: fsync, rename, fsync of the directory. mode e.g. 0600.
 * */
VR_MUST_CHECK int
vr_write_file_durable(const char *path, const void *p, size_t n, mode_t mode, struct vr_err *err);
/* mkdir -p with mode for what it makes. */
VR_MUST_CHECK int vr_mkdirs(const char *path, mode_t mode, struct vr_err *err);
