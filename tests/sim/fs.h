/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file system of one simulated host: directories of files in memory, with what a crash would
 * leave of them.
 *
 * Every file has its present contents and a journal of writes not yet synced; every directory its
 * present names, its durable names and an ordered list of changes in between. Each call that
 * changes anything has a number; a plan says at which number the host dies (before or after it) or
 * the call fails. After its death every call fails and changes nothing, until fs_crash picks what
 * survived: KILL   the page cache survives: everything that was done POWER  each unsynced write is
 * dropped, kept or torn at 512 bytes, by itself; of directory changes a prefix stays A failed sync
 * leaves its writes in doubt for good, as on Linux: a later sync that succeeds says nothing about
 * them.
 *
 * Owned by one world; one thread. Out of memory here ends the program: the simulator's own memory
 * is never the fault.
 */
#pragma once
#include "block/stor.h"
#include "tests/sim/rng.h"

#define FS_OPS(X)                                                                                  \
    X(APPEND)                                                                                      \
    X(WRITE)                                                                                       \
    X(ZERO)                                                                                        \
    X(SYNC) X(TRUNCATE) X(RESERVE) X(REPLACE) X(RENAME) X(UNLINK) X(SYNC_DIR) X(CREATE) X(SAVE)

enum fs_op {
#define X(name) FS_##name,
    FS_OPS(X)
#undef X
    FS_OP_COUNT
};

enum fs_fault {
    FS_OK,
    FS_DIE_BEFORE,
    FS_DIE_AFTER,
    FS_EIO,
    FS_NOSPACE,
    FS_FAULT_COUNT
};

struct fs_plan {
    uint64_t at;      /* number of the call, 0: never */
    uint32_t for_ops; /* how many calls from there on fail (EIO, NOSPACE) */
    enum fs_fault fault;
};

struct fs_inode;
struct fs_dir;

struct fs {
    struct rng *rng;
    struct fs_plan plan, then; /* then: takes over when the plan is done */
    uint64_t ops;              /* calls so far */
    bool dead;                 /* the plan's crash came */
    enum fs_op died_in;
    uint64_t injected[FS_FAULT_COUNT];
    uint64_t op_seen[FS_OP_COUNT];
    uint64_t torn, dropped, lost_names;
    uint64_t capacity;     /* bytes of staging and other logs; images are apart, 0: no limit */
    uint64_t live_handles; /* files, locks and devices that are open */
    uint64_t numbers;
    struct fs_dir *dirs;
    struct fs_inode *inodes;
};

void fs_init(struct fs *f, struct rng *rng);
void fs_deinit(struct fs *f);
/* Decides what the plan does to the next call: 0, or -VR_E_*. *ret_apply: carry it out (even when
 * it fails). */
int fs_gate(struct fs *f, enum fs_op op, bool *ret_apply, struct vr_err *err);
/* What survives. All handles must be closed. The host lives again, without a plan. */
void fs_crash(struct fs *f, bool power);

/* A directory as a stor, made when it is not there. */
struct stor *fs_stor(struct fs *f, const char *path);

/* --- for the world, outside every count --- */
struct fs_inode *fs_lookup(struct fs *f, const char *path, const char *name);
const uint8_t *fs_bytes(const struct fs_inode *n, uint64_t *ret_size);
/* A guest's or a stray write: durable at once, changes the stamp. */
void fs_poke(struct fs_inode *n, uint64_t off, const void *p, size_t len);
/* Punches, as a guest's discard. off and len multiples of 4 KiB, or to the end. */
void fs_punch(struct fs_inode *n, uint64_t off, uint64_t len);
/* Somebody else's doing: durable at once. */
void fs_set_size(struct fs_inode *n, uint64_t size);
void fs_remove(struct fs *f, const char *path, const char *name);
struct fs_inode *fs_make(struct fs *f, const char *path, const char *name, uint64_t size);
/* All files of the directory as they are, durable, in place of what is at `to`; how many. */
size_t fs_copy_dir(struct fs *from, struct fs *to, const char *path);
/* A byte of one of its files, or one file, is lost. */
void fs_spoil_dir(struct fs *f, const char *path);
/* Somebody else takes the lock ("a VM was started"); false: it is taken. */
bool fs_seize(struct fs_inode *n);
void fs_release(struct fs_inode *n);
bool fs_locked(const struct fs_inode *n);
/* 4 KiB blocks the engine wrote since the last fs_forget_touched. */
bool fs_touched(const struct fs_inode *n, uint64_t block);
void fs_forget_touched(struct fs_inode *n);
