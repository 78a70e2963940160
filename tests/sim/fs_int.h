/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the simulated file system: fs.c (files and crashes), fs_stor.c (the stor), fs_dev.c
 * (images as devices). */
#pragma once
#include "tests/sim/fs.h"

#define FS_BLOCK 4096u
#define FS_NAME 64

struct fs_write { /* one unsynced change; buf has what was there before */
    uint64_t off, len;
    uint64_t old_size, new_size;
    uint8_t *buf;
    bool durable;  /* synced, kept only because an earlier one is in doubt */
    bool in_doubt; /* its sync failed */
    bool whole;    /* a change of size alone */
};

struct fs_inode {
    struct fs_inode *next;
    struct fs *fs;
    bool image;
    uint8_t *data;
    uint64_t size, room;
    uint64_t version, number;
    struct fs_write *log;
    size_t nlog, log_room;
    uint8_t *hole;    /* image: one byte a block, 1 = a hole */
    uint8_t *touched; /* image: one byte a block */
    uint32_t readers;
    bool owned, seized;
};

struct fs_entry {
    char name[FS_NAME];
    struct fs_inode *inode;
};

struct fs_names {
    struct fs_entry e[48];
    size_t n;
};

struct fs_dirop { /* inode NULL: name goes; to set: renamed */
    char name[FS_NAME], to[FS_NAME];
    struct fs_inode *inode;
};

struct fs_dir {
    struct fs_dir *next;
    struct fs *fs;
    char path[160];
    struct fs_names cur, dur;
    struct fs_dirop *ops;
    size_t nops, ops_room;
};

void *fs_alloc(size_t n);
void *fs_grow(void *p, size_t n);
struct fs_inode *fs_inode_new(struct fs *f, bool image, uint64_t size);
/* Changes contents (p NULL: zeroes) and notes it in the journal. */
void fs_change(struct fs_inode *n, uint64_t off, const void *p, uint64_t len);
void fs_resize(struct fs_inode *n, uint64_t size);
void fs_synced(struct fs_inode *n);
void fs_sync_failed(struct fs_inode *n);
/* What is in doubt is seen as the disk has it. */
void fs_drop_cache(struct fs_inode *n);
struct fs_inode *names_find(const struct fs_names *t, const char *name);
void dir_op(struct fs_dir *d, const char *name, const char *to, struct fs_inode *inode);
struct fs_dir *fs_dir_of(struct fs *f, const char *path, bool create);
uint64_t fs_used(struct fs *f);
int fs_dev_open(struct fs_inode *n, unsigned flags, struct block_dev **ret, struct vr_err *err);
