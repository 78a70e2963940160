/* SPDX-License-Identifier: Apache-2.0 */
/* A directory of the simulated file system as a stor. */
#include <stdlib.h>

#include "tests/sim/fs_int.h"
#include "util/num.h"

struct sim_stor {
    struct stor s;
    struct fs_dir *d;
};

struct sim_file {
    struct stor_file f;
    struct fs_inode *n;
};

struct sim_lock {
    struct stor_lock l;
    struct fs_inode *n;
    enum image_lock_mode mode;
};

static struct fs_dir *dir_of(struct stor *s)
{
    return ((struct sim_stor *)s)->d;
}

static struct fs_inode *file_of(struct stor_file *f)
{
    return ((struct sim_file *)f)->n;
}

static int find(struct stor *s, const char *name, struct fs_inode **ret, struct vr_err *err)
{
    if (dir_of(s)->fs->dead) {
        return vr_fail(err, VR_E_IO, "the host is dead");
    }
    *ret = names_find(&dir_of(s)->cur, name);
    return *ret ? 0 : vr_fail(err, VR_E_NOT_FOUND, "no file '%s'", name);
}

static int sim_read(
    struct stor *s, const char *name, size_t max, char **ret, size_t *ret_len, struct vr_err *err)
{
    struct fs_inode *n;
    int r = find(s, name, &n, err);
    if (r < 0) {
        return r;
    }
    if (n->size > max) {
        return vr_fail(err, VR_E_LIMIT, "'%s' is too long", name);
    }
    char *p = malloc(n->size + 1);
    if (!p) {
        return vr_fail_nomem(err);
    }
    memcpy(p, n->data, n->size);
    p[n->size] = '\0';
    *ret = p;
    *ret_len = n->size;
    return 0;
}

static void sync_names(struct fs_dir *d)
{
    d->dur = d->cur;
    d->nops = 0;
}

/* Contents are synced before the name changes, so the name has the old or the new, whole. */
static int
sim_replace(struct stor *s, const char *name, const void *p, size_t n, struct vr_err *err)
{
    bool apply;
    struct fs_dir *d = dir_of(s);
    int r = fs_gate(d->fs, FS_REPLACE, &apply, err);
    if (!apply) {
        return r;
    }
    struct fs_inode *i = fs_inode_new(d->fs, false, 0);
    fs_change(i, 0, p, n);
    fs_synced(i);
    dir_op(d, name, NULL, i);
    if (r == 0 || d->fs->dead) {
        sync_names(d);
    }
    return r;
}

static bool sim_exists(struct stor *s, const char *name)
{
    return names_find(&dir_of(s)->cur, name) != NULL;
}

static int sim_rename(struct stor *s, const char *from, const char *to, struct vr_err *err)
{
    bool apply;
    struct fs_inode *n;
    int r = find(s, from, &n, err);
    if (r < 0) {
        return r;
    }
    r = fs_gate(dir_of(s)->fs, FS_RENAME, &apply, err);
    if (apply) {
        dir_op(dir_of(s), from, to, NULL);
        n->version++; /* ctime */
    }
    return r;
}

static int sim_unlink(struct stor *s, const char *name, struct vr_err *err)
{
    bool apply;
    if (!dir_of(s)->fs->dead && !sim_exists(s, name)) {
        return 0;
    }
    int r = fs_gate(dir_of(s)->fs, FS_UNLINK, &apply, err);
    if (apply) {
        dir_op(dir_of(s), name, NULL, NULL);
    }
    return r;
}

static int sim_sync_dir(struct stor *s, struct vr_err *err)
{
    bool apply;
    int r = fs_gate(dir_of(s)->fs, FS_SYNC_DIR, &apply, err);
    if (apply) {
        sync_names(dir_of(s));
    }
    return r;
}

static int
sim_list(struct stor *s, void (*cb)(const char *name, void *ctx), void *ctx, struct vr_err *err)
{
    struct fs_names t = dir_of(s)->cur;
    if (dir_of(s)->fs->dead) {
        return vr_fail(err, VR_E_IO, "the host is dead");
    }
    for (size_t i = 0; i < t.n; i++) {
        cb(t.e[i].name, ctx);
    }
    return 0;
}

static int sim_free_bytes(struct stor *s, uint64_t *ret, struct vr_err *err)
{
    struct fs *f = dir_of(s)->fs;
    uint64_t used = fs_used(f), capacity = f->capacity ? f->capacity : 1ull << 40;
    *ret = capacity > used ? capacity - used : 0;
    return 0;
}

static int create_file(struct stor *s, const char *name, struct fs_inode **ret, struct vr_err *err)
{
    bool apply;
    struct fs *f = dir_of(s)->fs;
    int r = fs_gate(f, FS_CREATE, &apply, err);
    if (apply) {
        *ret = fs_inode_new(f, false, 0);
        dir_op(dir_of(s), name, NULL, *ret);
    }
    return r;
}

static int
sim_open(struct stor *s, const char *name, bool create, struct stor_file **ret, struct vr_err *err)
{
    struct fs_inode *n = NULL;
    int r = find(s, name, &n, err);
    if (r == -VR_E_NOT_FOUND && create) {
        r = create_file(s, name, &n, err);
    }
    if (r < 0) {
        return r;
    }
    struct sim_file *f = calloc(1, sizeof *f);
    if (!f) {
        return vr_fail_nomem(err);
    }
    f->f.stor = s;
    f->n = n;
    n->fs->live_handles++;
    *ret = &f->f;
    return 0;
}

static int has_room(struct fs *f, uint64_t more, struct vr_err *err)
{
    if (f->capacity && fs_used(f) + more > f->capacity) {
        f->injected[FS_NOSPACE]++;
        return vr_fail(err, VR_E_NOSPACE, "the simulated disk is full");
    }
    return 0;
}

static int sim_append(struct stor_file *sf, const void *p, size_t len, struct vr_err *err)
{
    bool apply;
    struct fs_inode *n = file_of(sf);
    int r = has_room(n->fs, len, err);
    if (r < 0) {
        return r;
    }
    r = fs_gate(n->fs, FS_APPEND, &apply, err);
    if (apply) {
        fs_change(n, n->size, p, len);
    }
    return r;
}

static int sim_file_read(
    struct stor_file *sf, void *p, size_t len, uint64_t off, size_t *ret_n, struct vr_err *err)
{
    struct fs_inode *n = file_of(sf);
    if (n->fs->dead) {
        return vr_fail(err, VR_E_IO, "the host is dead");
    }
    *ret_n = off >= n->size ? 0 : (size_t)VR_MIN((uint64_t)len, n->size - off);
    if (*ret_n) {
        memcpy(p, n->data + off, *ret_n);
    }
    return 0;
}

static int sim_file_sync(struct stor_file *sf, struct vr_err *err)
{
    bool apply;
    struct fs_inode *n = file_of(sf);
    int r = fs_gate(n->fs, FS_SYNC, &apply, err);
    if (apply) {
        fs_synced(n);
    } else if (!n->fs->dead) {
        fs_sync_failed(n);
    }
    return r;
}

static int sim_truncate(struct stor_file *sf, uint64_t size, struct vr_err *err)
{
    bool apply;
    struct fs_inode *n = file_of(sf);
    int r = fs_gate(n->fs, FS_TRUNCATE, &apply, err);
    if (apply) {
        fs_resize(n, size);
    }
    return r;
}

static int sim_reserve(struct stor_file *sf, uint64_t size, struct vr_err *err)
{
    bool apply;
    struct fs_inode *n = file_of(sf);
    int r = size > n->size ? has_room(n->fs, size - n->size, err) : 0;
    return r < 0 ? r : fs_gate(n->fs, FS_RESERVE, &apply, err);
}

static uint64_t sim_file_size(struct stor_file *sf)
{
    return file_of(sf)->size;
}

static void sim_file_close(struct stor_file *sf)
{
    file_of(sf)->fs->live_handles--;
    free(sf);
}

static int sim_open_image(struct stor *s,
                          const char *name,
                          const char *format,
                          unsigned flags,
                          struct block_dev **ret,
                          struct vr_err *err)
{
    struct fs_inode *n;
    int r = find(s, name, &n, err);
    return r < 0 ? r : fs_dev_open(n, flags, ret, err);
}

static int sim_lock_image(struct stor *s,
                          const char *name,
                          enum image_lock_mode mode,
                          struct stor_lock **ret,
                          struct vr_err *err)
{
    struct fs_inode *n;
    int r = find(s, name, &n, err);
    if (r < 0) {
        return r;
    }
    if (n->seized || n->owned || (mode == IMAGE_LOCK_EXCLUSIVE && n->readers)) {
        return vr_fail(err, VR_E_BUSY, "image '%s' is in use", name);
    }
    struct sim_lock *l = calloc(1, sizeof *l);
    if (!l) {
        return vr_fail_nomem(err);
    }
    l->l.stor = s;
    l->n = n;
    l->mode = mode;
    n->owned = mode == IMAGE_LOCK_EXCLUSIVE;
    n->readers += mode == IMAGE_LOCK_READ;
    n->fs->live_handles++;
    *ret = &l->l;
    return 0;
}

static void sim_unlock_image(struct stor_lock *lock)
{
    struct sim_lock *l = (struct sim_lock *)lock;
    if (l->mode == IMAGE_LOCK_EXCLUSIVE) {
        l->n->owned = false;
    } else {
        l->n->readers--;
    }
    l->n->fs->live_handles--;
    free(l);
}

static int sim_create_image(
    struct stor *s, const char *name, const char *format, uint64_t size, struct vr_err *err)
{
    bool apply;
    struct fs *f = dir_of(s)->fs;
    if (sim_exists(s, name)) {
        return vr_fail(err, VR_E_EXISTS, "'%s' is there", name);
    }
    int r = fs_gate(f, FS_CREATE, &apply, err);
    if (apply) {
        dir_op(dir_of(s), name, NULL, fs_inode_new(f, true, size));
    }
    return r;
}

static int sim_resize_image(
    struct stor *s, const char *name, const char *format, uint64_t size, struct vr_err *err)
{
    bool apply;
    struct fs_inode *n;
    int r = find(s, name, &n, err);
    r = r < 0 ? r : fs_gate(n->fs, FS_TRUNCATE, &apply, err);
    if (r == 0 && apply) {
        fs_resize(n, size);
    }
    return r;
}

static int sim_image_stamp(struct stor *s, const char *name, uint64_t *ret, struct vr_err *err)
{
    struct fs_inode *n = names_find(&dir_of(s)->cur, name);
    *ret = n ? n->version * 1000003 + n->size + (n->number << 48) + 1 : 0;
    return 0;
}

static void sim_close(struct stor *s)
{
    dir_of(s)->fs->live_handles--;
    free(s);
}

static const struct stor_ops sim_ops = {
    .name = "sim",
    .read = sim_read,
    .replace = sim_replace,
    .exists = sim_exists,
    .rename = sim_rename,
    .unlink = sim_unlink,
    .sync_dir = sim_sync_dir,
    .list = sim_list,
    .free_bytes = sim_free_bytes,
    .open = sim_open,
    .file_append = sim_append,
    .file_read = sim_file_read,
    .file_sync = sim_file_sync,
    .file_truncate = sim_truncate,
    .file_reserve = sim_reserve,
    .file_size = sim_file_size,
    .file_close = sim_file_close,
    .open_image = sim_open_image,
    .lock_image = sim_lock_image,
    .unlock_image = sim_unlock_image,
    .create_image = sim_create_image,
    .resize_image = sim_resize_image,
    .image_stamp = sim_image_stamp,
    .close = sim_close,
};

struct stor *fs_stor(struct fs *f, const char *path)
{
    struct sim_stor *s = fs_alloc(sizeof *s);
    s->s.ops = &sim_ops;
    s->d = fs_dir_of(f, path, true);
    f->live_handles++;
    return &s->s;
}
