/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One directory of small files and logs, as the engine's durable memory: sidecar, staging runs,
 * ballast, and the replica's images themselves. The drivers are the real directory (stor_dir_open)
 * and the simulator's, which loses what was not synced. Names are single components; they never
 * come from a peer.
 *
 * Durability: file contents after stor_file_sync; names (create, rename, unlink) after
 * stor_sync_dir. stor_replace is whole and durable when it returns 0: after a crash the name has
 * the old or the new contents.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "block/dev.h"
#include "block/lock.h"
#include "util/cleanup.h"
#include "util/err.h"

struct stor;
struct stor_file;
struct stor_lock;

struct stor_ops {
    const char *name;
    int (*read)(struct stor *s,
                const char *name,
                size_t max,
                char **ret,
                size_t *ret_len,
                struct vr_err *err);
    int (*replace)(struct stor *s, const char *name, const void *p, size_t n, struct vr_err *err);
    bool (*exists)(struct stor *s, const char *name);
    int (*rename)(struct stor *s, const char *from, const char *to, struct vr_err *err);
    int (*unlink)(struct stor *s, const char *name, struct vr_err *err);
    int (*sync_dir)(struct stor *s, struct vr_err *err);
    /* Calls cb for every name; order unspecified. */
    int (*list)(struct stor *s,
                void (*cb)(const char *name, void *ctx),
                void *ctx,
                struct vr_err *err);
    int (*free_bytes)(struct stor *s, uint64_t *ret, struct vr_err *err);
    int (*open)(
        struct stor *s, const char *name, bool create, struct stor_file **ret, struct vr_err *err);
    /* The bytes may still be on their way when it returns: an error of theirs is told by a later
     * append, read, truncation or sync, at the latest by the next settle (never by close). The file
     * then ends before the first append that failed, or within it. */
    int (*file_append)(struct stor_file *f, const void *p, size_t n, struct vr_err *err);
    /* Reads up to n; *ret_n < n only at the end of the file. */
    int (*file_read)(
        struct stor_file *f, void *p, size_t n, uint64_t off, size_t *ret_n, struct vr_err *err);
    /* Waits for what was appended; NULL: nothing is ever on its way. Unlike a sync that fails, one
     * that fails leaves a file that can be used: what cannot be kept is not in it. */
    int (*file_settle)(struct stor_file *f, struct vr_err *err);
    int (*file_sync)(struct stor_file *f, struct vr_err *err);
    int (*file_truncate)(struct stor_file *f, uint64_t size, struct vr_err *err);
    /* Takes disk space up to size without changing what is read; NOSPACE when it is not there. */
    int (*file_reserve)(struct stor_file *f, uint64_t size, struct vr_err *err);
    uint64_t (*file_size)(struct stor_file *f);
    void (*file_close)(struct stor_file *f);
    /* An image in this directory as a block device. Takes no lock: see lock_image. */
    int (*open_image)(struct stor *s,
                      const char *name,
                      const char *format,
                      unsigned flags,
                      struct block_dev **ret,
                      struct vr_err *err);
    /* Takes QEMU's lock on an image until unlock_image, also across a rename. BUSY: somebody owns
     * it. */
    int (*lock_image)(struct stor *s,
                      const char *name,
                      enum image_lock_mode mode,
                      struct stor_lock **ret,
                      struct vr_err *err);
    void (*unlock_image)(struct stor_lock *lock);
    int (*create_image)(
        struct stor *s, const char *name, const char *format, uint64_t size, struct vr_err *err);
    /* block_image_resize. */
    int (*resize_image)(
        struct stor *s, const char *name, const char *format, uint64_t size, struct vr_err *err);
    /* block_image_check_resizes. NULL: images are nothing but their bytes here. */
    int (*check_resizes)(struct stor *s, const char *name, const char *format, struct vr_err *err);
    /* block_image_repair. NULL: images cannot be damaged here. */
    int (*repair_image)(struct stor *s, const char *name, const char *format, struct vr_err *err);
    /* Size, mtime and ctime folded into one number: differs when somebody else wrote the image. 0:
     * not there. */
    int (*image_stamp)(struct stor *s, const char *name, uint64_t *ret, struct vr_err *err);
    void (*close)(struct stor *s);
};

struct stor {
    const struct stor_ops *ops;
};
struct stor_file {
    struct stor *stor;
};
struct stor_lock {
    struct stor *stor;
};

/* Thin calls of the table, in stor.c; they check names and arguments. *_close take NULL. */
VR_MUST_CHECK int stor_read(struct stor *s,
                            const char *name,
                            size_t max,
                            char **ret,
                            size_t *ret_len,
                            struct vr_err *err); /* NOT_FOUND, LIMIT */
VR_MUST_CHECK int
stor_replace(struct stor *s, const char *name, const void *p, size_t n, struct vr_err *err);
bool stor_exists(struct stor *s, const char *name);
VR_MUST_CHECK int stor_rename(struct stor *s, const char *from, const char *to, struct vr_err *err);
/* gone already: 0. A large file's space may come back a little later: what takes space in a stor
 * waits for that, and stor_free_bytes counts it (some of it twice while it comes back). */
VR_MUST_CHECK int stor_unlink(struct stor *s, const char *name, struct vr_err *err);
VR_MUST_CHECK int stor_sync_dir(struct stor *s, struct vr_err *err);
VR_MUST_CHECK int
stor_list(struct stor *s, void (*cb)(const char *name, void *ctx), void *ctx, struct vr_err *err);
VR_MUST_CHECK int stor_free_bytes(struct stor *s, uint64_t *ret, struct vr_err *err);
VR_MUST_CHECK int stor_open(
    struct stor *s, const char *name, bool create, struct stor_file **ret, struct vr_err *err);
VR_MUST_CHECK int
stor_file_append(struct stor_file *f, const void *p, size_t n, struct vr_err *err);
VR_MUST_CHECK int stor_file_read(
    struct stor_file *f, void *p, size_t n, uint64_t off, size_t *ret_n, struct vr_err *err);
VR_MUST_CHECK int stor_file_settle(struct stor_file *f, struct vr_err *err);
VR_MUST_CHECK int stor_file_sync(struct stor_file *f, struct vr_err *err);
VR_MUST_CHECK int stor_file_truncate(struct stor_file *f, uint64_t size, struct vr_err *err);
VR_MUST_CHECK int stor_file_reserve(struct stor_file *f, uint64_t size, struct vr_err *err);
uint64_t stor_file_size(struct stor_file *f);
void stor_file_close(struct stor_file *f);
DEFINE_CLEANUP(struct stor_file *, stor_file_close)
VR_MUST_CHECK int stor_open_image(struct stor *s,
                                  const char *name,
                                  const char *format,
                                  unsigned flags,
                                  struct block_dev **ret,
                                  struct vr_err *err);
VR_MUST_CHECK int stor_lock_image(struct stor *s,
                                  const char *name,
                                  enum image_lock_mode mode,
                                  struct stor_lock **ret,
                                  struct vr_err *err);
void stor_unlock_image(struct stor_lock *lock);
DEFINE_CLEANUP(struct stor_lock *, stor_unlock_image)
VR_MUST_CHECK int stor_create_image(
    struct stor *s, const char *name, const char *format, uint64_t size, struct vr_err *err);
VR_MUST_CHECK int stor_resize_image(
    struct stor *s, const char *name, const char *format, uint64_t size, struct vr_err *err);
VR_MUST_CHECK int
stor_check_resizes(struct stor *s, const char *name, const char *format, struct vr_err *err);
VR_MUST_CHECK int
stor_repair_image(struct stor *s, const char *name, const char *format, struct vr_err *err);
VR_MUST_CHECK int
stor_image_stamp(struct stor *s, const char *name, uint64_t *ret, struct vr_err *err);
void stor_close(struct stor *s);
DEFINE_CLEANUP(struct stor *, stor_close)

/* A real directory, made (0770) when create is true. run_dir: for qemu-nbd sockets, see
 * block_image_open. */
VR_MUST_CHECK int stor_dir_open(
    const char *path, bool create, const char *run_dir, struct stor **ret, struct vr_err *err);
