/* SPDX-License-Identifier: Apache-2.0 */
/* The checked calls of a stor: a name is one component, so that no driver can be led out of its
 * directory. */
#include "block/stor.h"

#include <string.h>

#define STOR_NAME_MAX 200 /* leaves room for a driver's own suffixes below NAME_MAX */

static int check_name(const char *name, struct vr_err *err)
{
    vr_assert(name);
    size_t n = strlen(name);
    if (n == 0 || n > STOR_NAME_MAX || strchr(name, '/') || strcmp(name, ".") == 0 ||
        strcmp(name, "..") == 0) {
        return vr_fail(err, VR_E_INVALID, "'%.64s' is not a file name", name);
    }
    return 0;
}

int stor_read(
    struct stor *s, const char *name, size_t max, char **ret, size_t *ret_len, struct vr_err *err)
{
    int r = check_name(name, err);
    return r < 0 ? r : s->ops->read(s, name, max, ret, ret_len, err);
}

int stor_replace(struct stor *s, const char *name, const void *p, size_t n, struct vr_err *err)
{
    int r = check_name(name, err);
    return r < 0 ? r : s->ops->replace(s, name, p, n, err);
}

bool stor_exists(struct stor *s, const char *name)
{
    return check_name(name, NULL) == 0 && s->ops->exists(s, name);
}

int stor_rename(struct stor *s, const char *from, const char *to, struct vr_err *err)
{
    int r = check_name(from, err);
    if (r == 0) {
        r = check_name(to, err);
    }
    return r < 0 ? r : s->ops->rename(s, from, to, err);
}

int stor_unlink(struct stor *s, const char *name, struct vr_err *err)
{
    int r = check_name(name, err);
    return r < 0 ? r : s->ops->unlink(s, name, err);
}

int stor_sync_dir(struct stor *s, struct vr_err *err)
{
    return s->ops->sync_dir(s, err);
}

int stor_list(struct stor *s,
              void (*cb)(const char *name, void *ctx),
              void *ctx,
              struct vr_err *err)
{
    vr_assert(cb);
    return s->ops->list(s, cb, ctx, err);
}

int stor_free_bytes(struct stor *s, uint64_t *ret, struct vr_err *err)
{
    return s->ops->free_bytes(s, ret, err);
}

int stor_open(
    struct stor *s, const char *name, bool create, struct stor_file **ret, struct vr_err *err)
{
    int r = check_name(name, err);
    return r < 0 ? r : s->ops->open(s, name, create, ret, err);
}

int stor_file_append(struct stor_file *f, const void *p, size_t n, struct vr_err *err)
{
    return f->stor->ops->file_append(f, p, n, err);
}

int stor_file_read(
    struct stor_file *f, void *p, size_t n, uint64_t off, size_t *ret_n, struct vr_err *err)
{
    return f->stor->ops->file_read(f, p, n, off, ret_n, err);
}

int stor_file_settle(struct stor_file *f, struct vr_err *err)
{
    return f->stor->ops->file_settle ? f->stor->ops->file_settle(f, err) : 0;
}

int stor_file_sync(struct stor_file *f, struct vr_err *err)
{
    return f->stor->ops->file_sync(f, err);
}

int stor_file_truncate(struct stor_file *f, uint64_t size, struct vr_err *err)
{
    return f->stor->ops->file_truncate(f, size, err);
}

int stor_file_reserve(struct stor_file *f, uint64_t size, struct vr_err *err)
{
    return f->stor->ops->file_reserve(f, size, err);
}

uint64_t stor_file_size(struct stor_file *f)
{
    return f->stor->ops->file_size(f);
}

void stor_file_close(struct stor_file *f)
{
    if (f) {
        f->stor->ops->file_close(f);
    }
}

int stor_open_image(struct stor *s,
                    const char *name,
                    const char *format,
                    unsigned flags,
                    struct block_dev **ret,
                    struct vr_err *err)
{
    int r = check_name(name, err);
    return r < 0 ? r : s->ops->open_image(s, name, format, flags, ret, err);
}

int stor_lock_image(struct stor *s,
                    const char *name,
                    enum image_lock_mode mode,
                    struct stor_lock **ret,
                    struct vr_err *err)
{
    int r = check_name(name, err);
    return r < 0 ? r : s->ops->lock_image(s, name, mode, ret, err);
}

void stor_unlock_image(struct stor_lock *lock)
{
    if (lock) {
        lock->stor->ops->unlock_image(lock);
    }
}

int stor_create_image(
    struct stor *s, const char *name, const char *format, uint64_t size, struct vr_err *err)
{
    int r = check_name(name, err);
    return r < 0 ? r : s->ops->create_image(s, name, format, size, err);
}

int stor_resize_image(
    struct stor *s, const char *name, const char *format, uint64_t size, struct vr_err *err)
{
    int r = check_name(name, err);
    return r < 0 ? r : s->ops->resize_image(s, name, format, size, err);
}

int stor_check_resizes(struct stor *s, const char *name, const char *format, struct vr_err *err)
{
    int r = check_name(name, err);
    return r < 0 || !s->ops->check_resizes ? r : s->ops->check_resizes(s, name, format, err);
}

int stor_repair_image(struct stor *s, const char *name, const char *format, struct vr_err *err)
{
    int r = check_name(name, err);
    return r < 0 || !s->ops->repair_image ? r : s->ops->repair_image(s, name, format, err);
}

int stor_image_stamp(struct stor *s, const char *name, uint64_t *ret, struct vr_err *err)
{
    int r = check_name(name, err);
    return r < 0 ? r : s->ops->image_stamp(s, name, ret, err);
}

void stor_close(struct stor *s)
{
    if (s) {
        s->ops->close(s);
    }
}
