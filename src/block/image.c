/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images of any format: raw by ourselves, others through a qemu-nbd of our own, which an image
 * device owns: it passes every call to the NBD device and ends the child when it is closed. The
 * child dies with the thread that opened the image (block/child.h), so that thread must outlive the
 * device.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "block/child.h"
#include "block/dev.h"
#include "block/nbd.h"
#include "block/qcow2.h"
#include "util/buf.h"
#include "util/fdio.h"
#include "util/num.h"
#include "util/vtime.h"

#define START_DEADLINE_MS 10000u
#define STOP_GRACE_MS 10000u
#define CREATE_DEADLINE_MS 60000u
#define REPAIR_DEADLINE_MS 600000u

struct image_dev {
    struct block_dev dev;
    struct block_dev *next;
    struct block_dev *file; /* the image as bytes: for its page cache and its times */
    struct child child;
};

static const char *const formats[] = {"raw", "qcow2", "vhdx", "vmdk", "vpc", "vdi", "qed"};

bool block_format_known(const char *format)
{
    for (size_t i = 0; i < VR_COUNT(formats); i++) {
        if (strcmp(format, formats[i]) == 0) {
            return true;
        }
    }
    return false;
}

static struct image_dev *image_of(struct block_dev *dev)
{
    return (struct image_dev *)dev;
}

/* What qemu-nbd said, without our own options in it: "Failed to blk_new_open 'OPTIONS': WHY". */
static const char *said(const struct child *c)
{
    const char *why = strstr(c->text, "': ");
    return why && strstr(c->text, "blk_new_open '") ? why + 3 : c->text;
}

/* qemu-nbd drops the connection when a read fails, and tells only its terminal why. */
static int explain(struct image_dev *i, int r, struct vr_err *err)
{
    if (r == 0) {
        return 0;
    }
    (void)child_ended(&i->child, 0);
    return i->child.text[0] ? vr_wrap(err, r, "%.120s", said(&i->child)) : r;
}

static int
image_read(struct block_dev *dev, void *buf, size_t len, uint64_t off, struct vr_err *err)
{
    struct image_dev *i = image_of(dev);
    return explain(i, block_read(i->next, buf, len, off, err), err);
}

static int
image_write(struct block_dev *dev, const void *buf, size_t len, uint64_t off, struct vr_err *err)
{
    struct image_dev *i = image_of(dev);
    return explain(i, block_write(i->next, buf, len, off, err), err);
}

static int image_zero(struct block_dev *dev, uint64_t off, uint64_t len, struct vr_err *err)
{
    struct image_dev *i = image_of(dev);
    return explain(i, block_zero(i->next, off, len, err), err);
}

static int image_flush(struct block_dev *dev, struct vr_err *err)
{
    struct image_dev *i = image_of(dev);
    return explain(i, block_flush(i->next, err), err);
}

static int image_extents(struct block_dev *dev,
                         uint64_t off,
                         uint64_t len,
                         struct block_extent *ret,
                         size_t max,
                         size_t *ret_n,
                         struct vr_err *err)
{
    struct image_dev *i = image_of(dev);
    return explain(i, block_extents(i->next, off, len, ret, max, ret_n, err), err);
}

static void image_prefetch(struct block_dev *dev, uint64_t off, uint64_t len)
{
    block_prefetch(image_of(dev)->next, off, len);
}

static const uint8_t *image_map(struct block_dev *dev, uint64_t off, size_t len)
{
    return block_map(image_of(dev)->next, off, len);
}

static bool image_map_end(struct block_dev *dev, uint64_t off, size_t len)
{
    return block_map_end(image_of(dev)->next, off, len);
}

static void image_drop_cache(struct block_dev *dev)
{
    block_drop_cache(image_of(dev)->next);
    block_drop_cache(image_of(dev)->file);
}

static int image_changed(struct block_dev *dev)
{
    /* Our own qemu-nbd writes to it when it may: only a read-only image can be judged. */
    return (dev->flags & BLOCK_READ_ONLY) && block_changed(image_of(dev)->file);
}

static void image_close(struct block_dev *dev)
{
    struct image_dev *i = image_of(dev);
    block_close(i->next);
    child_stop(&i->child, STOP_GRACE_MS);
    block_close(i->file);
    free(i);
}

static const struct block_ops image_ops = {
    .name = "image",
    .read = image_read,
    .write = image_write,
    .zero = image_zero,
    .flush = image_flush,
    .extents = image_extents,
    .prefetch = image_prefetch,
    .map = image_map,
    .map_end = image_map_end,
    .drop_cache = image_drop_cache,
    .changed = image_changed,
    .close = image_close,
};

static int socket_path(const char *run_dir, char *buf, size_t cap, struct vr_err *err)
{
    static atomic_uint counter;
    int n =
        snprintf(buf, cap, "%s/nbd-%d-%u", run_dir, (int)getpid(), atomic_fetch_add(&counter, 1));
    if (n < 0 || (size_t)n >= cap) {
        return vr_fail(err, VR_E_LIMIT, "'%s' is too long for a socket (at most %zu bytes)",
                       run_dir, cap - 1);
    }
    (void)unlink(buf); /* left by a daemon that had our pid */
    return 0;
}

/* QEMU's option strings take a comma inside a value doubled. */
static void add_options(struct vr_buf *b, const char *path, const char *format)
{
    struct stat st;
    bool is_block = stat(path, &st) == 0 && S_ISBLK(st.st_mode);
    vr_buf_printf(b,
                  "driver=%s,discard=unmap,file.driver=%s,file.locking=off,file.filename=", format,
                  is_block ? "host_device" : "file");
    for (const char *p = path; *p; p++) {
        vr_buf_bytes(b, p, 1);
        if (*p == ',') {
            vr_buf_bytes(b, p, 1);
        }
    }
}

static int start_server(struct child *c,
                        const char *path,
                        const char *format,
                        unsigned flags,
                        char *socket,
                        struct vr_err *err)
{
    struct vr_buf b;
    vr_buf_init(&b, 16384);
    add_options(&b, path, format);
    int r = vr_buf_check(&b, err);
    _cleanup_(vr_freep) char *options = vr_buf_steal(&b);
    vr_buf_deinit(&b);
    if (r < 0) {
        return r;
    }
    if (!options) {
        return vr_fail_nomem(err);
    }
    char name[] = "qemu-nbd", persistent[] = "-t", one[] = "-e", count[] = "1", at[] = "-k";
    char image_opts[] = "--image-opts", read_only[] = "-r";
    char *argv[] = {name, persistent, one, count, at, socket, image_opts, options, NULL, NULL};
    if (flags & BLOCK_READ_ONLY) {
        argv[8] = read_only;
    }
    return child_start(c, argv, err);
}

/* The socket exists before the image is opened, so a refused image is a lost connection and then an
 * exit. */
static int connect_server(
    struct child *c, const char *socket, unsigned flags, struct block_dev **ret, struct vr_err *err)
{
    uint64_t deadline_at = vr_mono_ms() + START_DEADLINE_MS;
    for (;;) {
        int r = access(socket, F_OK) == 0
                    ? block_nbd_open_unix(socket, flags, BLOCK_NBD_DEADLINE_MS, ret, err)
                    : -VR_E_IO;
        if (r != -VR_E_IO && r != -VR_E_NOT_FOUND) {
            return r; /* open, or refused for a reason that stays */
        }
        if (child_ended(c, 10)) {
            return vr_fail(err, VR_E_IO, "%s",
                           c->text[0] ? said(c)
                                      : "qemu-nbd ended without a word; is it installed?");
        }
        if (vr_mono_ms() >= deadline_at) {
            return vr_fail(err, VR_E_TIMEOUT, "qemu-nbd does not answer: %s", c->text);
        }
    }
}

static int open_served(struct image_dev *i,
                       const char *path,
                       const char *format,
                       const char *run_dir,
                       struct vr_err *err)
{
    char socket[sizeof((struct sockaddr_un *)NULL)->sun_path];
    unsigned flags = i->dev.flags;
    int r = block_file_open(path, BLOCK_READ_ONLY, &i->file, err);
    if (r < 0) {
        return r;
    }
    if (strcmp(format, "qcow2") == 0) {
        r = qcow2_check_chain(path, err);
    }
    r = r < 0 ? r : socket_path(run_dir, socket, sizeof socket, err);
    if (r == 0) {
        r = start_server(&i->child, path, format, flags, socket, err);
    }
    if (r < 0) {
        return r;
    }
    r = connect_server(&i->child, socket, flags, &i->next, err);
    (void)unlink(socket); /* nobody else has business there */
    return vr_wrap(err, r, "disk image '%s'", path);
}

int block_image_open(const char *path,
                     const char *format,
                     unsigned flags,
                     const char *run_dir,
                     struct block_dev **ret_dev,
                     struct vr_err *err)
{
    if (!block_format_known(format)) {
        return vr_fail(err, VR_E_INVALID, "disk image '%s': format '%s' is not known", path,
                       format);
    }
    if (strcmp(format, "raw") == 0) {
        return block_file_open(path, flags, ret_dev, err);
    }
    struct image_dev *i = calloc(1, sizeof *i);
    if (!i) {
        return vr_fail_nomem(err);
    }
    _cleanup_(block_closep) struct block_dev *dev = &i->dev;
    dev->ops = &image_ops;
    dev->flags = flags & ~(BLOCK_DIRECT | BLOCK_ONE_OF_MANY);
    i->child = (struct child){.pid_fd = -1, .text_fd = -1};
    int r = open_served(i, path, format, run_dir, err);
    if (r < 0) {
        return r;
    }
    const char *slash = strrchr(path, '/');
    snprintf(dev->label, sizeof dev->label, "%.80s (%s)", slash ? slash + 1 : path, format);
    dev->size_bytes = i->next->size_bytes;
    dev->views_are_hinted = i->next->views_are_hinted;
    i->next->label[0] = '\0'; /* this device speaks for it */
    *ret_dev = TAKE_PTR(dev);
    return 0;
}

/* *ret_status: how it exited; a failure carries what it said. */
static int
run_qemu_img(char *const argv[], unsigned deadline_ms, int *ret_status, struct vr_err *err)
{
    struct child c;
    int r = child_start(&c, argv, err);
    if (r < 0) {
        return r;
    }
    if (!child_ended(&c, deadline_ms)) {
        child_stop(&c, 0);
        return vr_fail(err, VR_E_TIMEOUT, "qemu-img does not end");
    }
    *ret_status = WIFEXITED(c.status) ? WEXITSTATUS(c.status) : -1;
    if (*ret_status == 1 || *ret_status == 127 || *ret_status < 0) {
        return vr_fail(err, VR_E_IO, "%s",
                       c.text[0] ? c.text : "qemu-img failed; is it installed?");
    }
    return 0;
}

/* The file is there already, empty and with its mode; qemu-img fills it. */
static int
create_by_qemu(const char *path, const char *format, uint64_t size_bytes, struct vr_err *err)
{
    char size[24], form[16];
    snprintf(size, sizeof size, "%llu", (unsigned long long)size_bytes);
    snprintf(form, sizeof form, "%s", format);
    _cleanup_(vr_freep) char *file = strdup(path);
    if (!file) {
        return vr_fail_nomem(err);
    }
    char name[] = "qemu-img", verb[] = "create", quiet[] = "-q", f[] = "-f", o[] = "-o";
    char exact[] = "force_size=on", plain[] = "--"; /* vpc rounds the size up unless told */
    char *vpc[] = {name, verb, quiet, f, form, o, exact, plain, file, size, NULL};
    char *other[] = {name, verb, quiet, f, form, plain, file, size, NULL};
    int status;
    int r =
        run_qemu_img(strcmp(format, "vpc") == 0 ? vpc : other, CREATE_DEADLINE_MS, &status, err);
    return r < 0 ? r : status == 0 ? 0 : vr_fail(err, VR_E_IO, "qemu-img failed");
}

static int create_raw(int fd, uint64_t size_bytes, struct vr_err *err)
{
    if (size_bytes > INT64_MAX) {
        return vr_fail(err, VR_E_LIMIT, "size");
    }
    if (ftruncate(fd, (off_t)size_bytes) < 0) {
        return vr_fail_errno(err, VR_E_IO, "cannot make it %llu bytes long",
                             (unsigned long long)size_bytes);
    }
    return vr_fsync(fd, err);
}

int block_image_create(const char *path,
                       const char *format,
                       uint64_t size_bytes,
                       struct vr_err *err)
{
    if (!block_format_known(format)) {
        return vr_fail(err, VR_E_INVALID, "disk image '%s': format '%s' is not known", path,
                       format);
    }
    if (path[0] != '/') {
        return vr_fail(err, VR_E_INVALID, "'%s' is not an absolute path", path); /* "nbd:..." */
    }
    /* 0660: after a failover QEMU opens it, by its user or by its group. */
    _cleanup_(vr_closep) int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0660);
    if (fd < 0) {
        return vr_fail_errno(err, errno == EEXIST ? VR_E_EXISTS : VR_E_IO,
                             "cannot create disk image '%s'", path);
    }
    int r;
    if (strcmp(format, "raw") == 0) {
        r = create_raw(fd, size_bytes, err);
    } else {
        r = create_by_qemu(path, format, size_bytes, err);
        r = r < 0 ? r : vr_fsync(fd, err);
    }
    if (r < 0) {
        unlink(path);
        return vr_wrap(err, r, "cannot create disk image '%s'", path);
    }
    return 0;
}

bool block_format_resizes(const char *format)
{
    return strcmp(format, "raw") == 0 || strcmp(format, "qcow2") == 0;
}

static int resize_raw(const char *path, uint64_t size_bytes, struct vr_err *err)
{
    struct stat st;
    _cleanup_(vr_closep) int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) < 0) {
        return vr_fail_errno(err, VR_E_IO, "cannot open it");
    }
    if (!S_ISREG(st.st_mode) || size_bytes > INT64_MAX) {
        return vr_fail(err, VR_E_UNSUPPORTED, "it is not a file, or the size is out of range");
    }
    if (ftruncate(fd, (off_t)size_bytes) < 0) {
        return vr_fail_errno(err, VR_E_IO, "cannot make it %llu bytes long",
                             (unsigned long long)size_bytes);
    }
    return vr_fsync(fd, err);
}

/* QEMU's sizes are whole sectors, as those of the images it makes. */
static int resize_by_qemu(const char *path, uint64_t size_bytes, struct vr_err *err)
{
    struct vr_buf b;
    vr_buf_init(&b, 16384);
    add_options(&b, path, "qcow2");
    int r = vr_buf_check(&b, err);
    _cleanup_(vr_freep) char *options = vr_buf_steal(&b);
    vr_buf_deinit(&b);
    if (r < 0 || !options) {
        return r < 0 ? r : vr_fail_nomem(err);
    }
    char size[24];
    snprintf(size, sizeof size, "%llu", (unsigned long long)vr_round_up(size_bytes, 512));
    char name[] = "qemu-img", verb[] = "resize", quiet[] = "-q", shrink[] = "--shrink";
    char image_opts[] = "--image-opts";
    char *argv[] = {name, verb, quiet, shrink, image_opts, options, size, NULL};
    int status;
    r = run_qemu_img(argv, REPAIR_DEADLINE_MS, &status, err);
    return r < 0 ? r : status == 0 ? 0 : vr_fail(err, VR_E_IO, "qemu-img failed");
}

int block_image_resize(const char *path,
                       const char *format,
                       uint64_t size_bytes,
                       struct vr_err *err)
{
    if (!block_format_resizes(format)) {
        return vr_fail(err, VR_E_UNSUPPORTED,
                       "disk image '%s': images of format '%s' keep their size", path, format);
    }
    int r = strcmp(format, "raw") == 0 ? resize_raw(path, size_bytes, err)
                                       : resize_by_qemu(path, size_bytes, err);
    return vr_wrap(err, r, "cannot resize disk image '%s'", path);
}

/* qemu-img check: 0 nothing left to repair, 2 damage is left, 3 only leaks are left (space, no
 * harm), 63 the format has no check. */
static int judge_check(int status, struct vr_err *err)
{
    if (status == 0 || status == 3 || status == 63) {
        return 0;
    }
    return vr_fail(err, VR_E_IO, "qemu-img check cannot repair it (exit status %d)", status);
}

int block_image_repair(const char *path, const char *format, struct vr_err *err)
{
    if (strcmp(format, "raw") == 0) {
        return 0;
    }
    struct vr_buf b;
    vr_buf_init(&b, 16384);
    add_options(&b, path, format);
    int r = vr_buf_check(&b, err);
    _cleanup_(vr_freep) char *options = vr_buf_steal(&b);
    vr_buf_deinit(&b);
    if (r < 0 || !options) {
        return r < 0 ? r : vr_fail_nomem(err);
    }
    char name[] = "qemu-img", verb[] = "check", quiet[] = "-q", repair[] = "-r", all[] = "all";
    char image_opts[] = "--image-opts";
    char *argv[] = {name, verb, quiet, repair, all, image_opts, options, NULL};
    int status = 0;
    r = run_qemu_img(argv, REPAIR_DEADLINE_MS, &status, err);
    return vr_wrap(err, r < 0 ? r : judge_check(status, err), "disk image '%s'", path);
}

int block_image_drop_bitmap(const char *path, const char *bitmap, struct vr_err *err)
{
    _cleanup_(vr_freep) char *file = strdup(path);
    _cleanup_(vr_freep) char *what = strdup(bitmap);
    if (!file || !what) {
        return vr_fail_nomem(err);
    }
    if (path[0] != '/') {
        return vr_fail(err, VR_E_INVALID, "'%s' is not an absolute path", path);
    }
    char name[] = "qemu-img", verb[] = "bitmap", drop[] = "--remove", f[] = "-f", form[] = "qcow2";
    char *argv[] = {name, verb, drop, f, form, file, what, NULL};
    int status, r = run_qemu_img(argv, CREATE_DEADLINE_MS, &status, err);
    return r < 0 ? vr_wrap(err, r, "disk image '%s'", path) : 0;
}
