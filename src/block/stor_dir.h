/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the directory stor only: stor_dir.c has the directory, stor_dir_file.c its open files,
 * which are what staging is written to and read from, stor_dir_gone.c those that were removed. */
#pragma once
#include <sys/types.h>

#include "block/stor.h"

int stor_dir_read_upto(int fd, void *p, size_t n, uint64_t off, size_t *ret_n, struct vr_err *err);
int stor_dir_free_bytes(int fd, uint64_t *ret, struct vr_err *err);

/* A descriptor that keeps the file's space when its name is removed, for stor_dir_gone; -1: it is
 * small, or is no file, so that nothing is won. */
int stor_dir_hold(int dir_fd, const char *name);
/* The held file's name is gone: gives the space back, without making the caller wait. Where the
 * file has a name yet, as an open one has on NFS, or many are on their way, the caller does it. */
void stor_dir_gone(int take_fd);
/* Until the space of those is back that are of the file system of fd and were given back before. */
void stor_dir_await_gone(int fd);
/* How many bytes of that file system are on their way. */
uint64_t stor_dir_gone_bytes(int fd);
/* What stor_dir_gone does before and after it closes a file. NULL: many are on their way. */
struct gone;
struct gone *stor_dir_gone_begin(dev_t dev, uint64_t bytes);
void stor_dir_gone_end(struct gone *g);
/* How many have been given back in the background since the start of the process: for tests. */
unsigned stor_dir_gone_count(void);

VR_MUST_CHECK int
stor_dir_file_new(struct stor *s, int take_fd, struct stor_file **ret, struct vr_err *err);
int stor_dir_file_append(struct stor_file *sf, const void *p, size_t n, struct vr_err *err);
int stor_dir_file_read(
    struct stor_file *sf, void *p, size_t n, uint64_t off, size_t *ret_n, struct vr_err *err);
int stor_dir_file_settle(struct stor_file *sf, struct vr_err *err);
int stor_dir_file_sync(struct stor_file *sf, struct vr_err *err);
int stor_dir_file_truncate(struct stor_file *sf, uint64_t size, struct vr_err *err);
int stor_dir_file_reserve(struct stor_file *sf, uint64_t size, struct vr_err *err);
uint64_t stor_dir_file_size(struct stor_file *sf);
void stor_dir_file_close(struct stor_file *sf);
