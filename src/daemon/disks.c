/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/disks.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block/image_size.h"
#include "block/lock.h"
#include "model/ease.h"
#include "resync/manifest.h"
#include "util/cleanup.h"
#include "util/num.h"
#include "util/vtime.h"

#define REST_MIN_US 2000
#define REST_MAX_US 1000000

static uint64_t ns_of(const struct timespec *t)
{
    return (uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_nsec;
}

static int stat_disk(int fd, const struct vr_disk *d, struct frozen_disk *ret, struct vr_err *err)
{
    struct stat st;
    if (fstat(fd, &st) < 0) {
        return vr_fail_errno(err, VR_E_IO, "cannot stat '%s'", d->path);
    }
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
        return vr_fail(err, VR_E_INVALID, "'%s' is neither a file nor a block device", d->path);
    }
    ret->is_block = S_ISBLK(st.st_mode);
    ret->size = (uint64_t)st.st_size;
    ret->mtime_ns = ns_of(&st.st_mtim);
    ret->ctime_ns = ns_of(&st.st_ctim);
    return 0;
}

static int check_quiesced(const struct vr_vm *vm,
                          const struct vr_disk *d,
                          const struct frozen_disk *f,
                          struct vr_err *err)
{
    if (!f->is_block || vm->quiesced) {
        return 0;
    }
    return vr_fail(err, VR_E_UNSUPPORTED,
                   "'%s' is a block device, whose writers cannot be seen: make sure that nobody "
                   "writes it and set quiesced = yes",
                   d->path);
}

static int freeze_one(const struct vr_vm *vm,
                      struct vr_disk *d,
                      enum disks_held held,
                      const char *run_dir,
                      struct frozen_disk *f,
                      struct vr_err *err)
{
    f->fd = open(d->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (f->fd < 0) {
        return vr_fail_errno(err, VR_E_IO, "cannot open disk image '%s'", d->path);
    }
    int r = stat_disk(f->fd, d, f, err);
    if (r == 0 && held == DISKS_LOCK) {
        r = check_quiesced(vm, d, f, err);
    }
    if (r == 0 && held == DISKS_LOCK) {
        r = image_lock(f->fd, IMAGE_LOCK_READ, d->path, err);
    }
    if (r == 0) {
        r = stat_disk(f->fd, d, f, err); /* what counts is what it is under the lock */
    }
    if (r == 0) {
        r = block_image_open(d->path, d->format, BLOCK_READ_ONLY, run_dir, &f->dev, err);
    }
    if (r == 0) {
        d->size_bytes = f->dev->size_bytes;
    }
    return r < 0 ? vr_wrap(err, r, "disk '%s'", d->name) : 0;
}

int disks_freeze(struct vr_vm *vm,
                 enum disks_held held,
                 const char *run_dir,
                 struct frozen_disks *ret,
                 struct vr_err *err)
{
    struct frozen_disks d = {0};
    for (uint32_t i = 0; i < vm->ndisks; i++) {
        if (vm->disks[i].excluded) {
            continue;
        }
        struct frozen_disk *f = &d.disk[d.n++];
        *f = (struct frozen_disk){.fd = -1};
        int r = freeze_one(vm, &vm->disks[i], held, run_dir, f, err);
        if (r < 0) {
            disks_thaw(&d);
            return r;
        }
    }
    *ret = d;
    return 0;
}

/* The exports of the running VM's backup job. */
static int open_exports(struct vr_vm *vm,
                        const struct instant *instant,
                        struct frozen_disks *d,
                        struct vr_err *err)
{
    const char *socket = instant_socket(instant), *why;
    uint64_t size;
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < vm->ndisks; i++) {
        if (vm->disks[i].excluded) {
            continue;
        }
        struct frozen_disk *f = &d->disk[d->n++];
        *f = (struct frozen_disk){.fd = -1};
        char bitmap[sizeof INSTANT_BITMAP + VR_NAME_MAX];
        bool known = instant_knows_changes(instant, i, &size, &why);
        snprintf(bitmap, sizeof bitmap, INSTANT_BITMAP "%s", vm->disks[i].name);
        r = block_nbd_open_export(socket, vm->disks[i].name, known ? bitmap : NULL, &f->dev, err);
        if (r == 0) {
            f->size = vm->disks[i].size_bytes = f->dev->size_bytes;
            block_be_gentle(f->dev, instant_ease(instant).gentle);
        }
    }
    return r;
}

/* Somebody else than its VM may write an image, too. */
static int check_unwritten(const struct frozen_disks *d, const struct vr_vm *vm, struct vr_err *err)
{
    int r = 0;
    for (uint32_t i = 0, at = 0; r == 0 && i < vm->ndisks && at < d->n; i++) {
        if (!vm->disks[i].excluded) {
            r = image_check_unwritten(d->disk[at++].fd, vm->disks[i].path, err);
        }
    }
    if (r == -VR_E_BUSY) {
        err->kind = VR_E_TIMEOUT; /* perhaps the VM just starts: another try sees */
        r = -VR_E_TIMEOUT;
    }
    return r;
}

int disks_freeze_libvirt(struct vr_vm *vm,
                         const struct instant_params *p,
                         const char *run_dir,
                         struct frozen_disks *ret,
                         struct vr_err *err)
{
    struct instant *instant;
    struct frozen_disks d = {0};
    int r = instant_begin(p, vm, &instant, err);
    if (r < 0) {
        return r;
    }
    if (instant_socket(instant)) {
        r = open_exports(vm, instant, &d, err);
    } else {
        r = disks_freeze(vm, DISKS_WATCHED, run_dir, &d, err);
        r = r < 0 ? r : check_unwritten(&d, vm, err);
    }
    d.instant = instant;
    d.consistency = instant_consistency(instant);
    snprintf(d.freeze_text, sizeof d.freeze_text, "%s", instant_freeze_text(instant));
    d.frozen_us = instant_frozen_us(instant);
    if (r < 0) {
        r = disks_explain(&d, r, err);
        disks_thaw(&d);
        return r;
    }
    *ret = d;
    return 0;
}

int disks_look(const struct frozen_disks *d, struct vr_err *err)
{
    return d->instant ? instant_look(d->instant, err) : 0;
}

struct marking {
    struct hint *hint;
    uint16_t disk;
};

static void mark_dirty(void *ctx, uint64_t off, uint64_t len)
{
    const struct marking *m = ctx;
    hint_mark(m->hint, m->disk, off, len);
}

/* What a bitmap does not cover, since the disk grew, is new. */
static int mark_changes(struct block_dev *dev, struct marking *m, uint64_t base, struct vr_err *err)
{
    if (dev->size_bytes > base) {
        hint_mark(m->hint, m->disk, base, dev->size_bytes - base);
    }
    return block_dirty(dev, mark_dirty, m, err);
}

static void add_why(char text[VR_TEXT_MAX], const char *disk, const char *why)
{
    size_t n = strlen(text);
    snprintf(text + n, VR_TEXT_MAX - n, "%s%.60s: %s", n ? "; " : "", disk, why);
}

int disks_hint(const struct frozen_disks *d,
               const struct vr_vm *vm,
               const struct vr_peer_request *open,
               struct hint **ret,
               char ret_why[VR_TEXT_MAX],
               struct vr_err *err)
{
    _cleanup_(hint_freep) struct hint *hint = NULL;
    bool any = false;
    *ret = NULL;
    ret_why[0] = '\0';
    if (!d->instant) {
        return 0; /* a VM of the file: nothing keeps track of its changes */
    }
    int r = hint_new(open, &hint, err);
    for (uint32_t i = 0, at = 0; r == 0 && i < vm->ndisks; i++) {
        if (vm->disks[i].excluded) {
            continue;
        }
        struct marking m = {hint, (uint16_t)at};
        uint64_t base;
        const char *why;
        bool known = instant_knows_changes(d->instant, i, &base, &why);
        r = known ? mark_changes(d->disk[at].dev, &m, base, err) : 0;
        if (r == -VR_E_UNSUPPORTED) {
            known = false;
            why = vr_err_text(err);
            r = 0;
        }
        if (r == 0 && !known) {
            add_why(ret_why, vm->disks[i].name, why);
            hint_mark_disk(hint, m.disk);
        }
        any = any || known;
        at++;
    }
    if (r == 0 && any) {
        *ret = TAKE_PTR(hint);
    }
    return r == -VR_E_LIMIT ? 0 : r;
}

void disks_keep_mark(const struct frozen_disks *d)
{
    if (d->instant) {
        instant_keep_mark(d->instant);
    }
}

void disks_release(struct frozen_disks *d)
{
    instant_end(TAKE_PTR(d->instant));
}

struct vr_ease disks_ease(const struct frozen_disks *d)
{
    return d->instant ? instant_ease(d->instant) : (struct vr_ease){.counted = true};
}

int disks_limit(struct frozen_disks *d, uint64_t bytes_s, struct vr_err *err)
{
    for (uint32_t i = 0; bytes_s && i < d->n; i++) {
        struct block_dev *dev = TAKE_PTR(d->disk[i].dev);
        int r = block_rate_new(dev, bytes_s, &d->disk[i].dev, err);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

/* Short rests are gathered: a wait is a millisecond at least. */
void disks_give_way(struct frozen_disks *d, uint64_t took_us, int wake)
{
    struct pollfd woken = {.fd = wake, .events = POLLIN};
    struct vr_ease ease = disks_ease(d);
    for (uint32_t i = 0; d->instant && i < d->n; i++) {
        block_be_gentle(d->disk[i].dev, ease.gentle);
    }
    d->rest_us += ease_rest_us(ease.level, took_us);
    if (d->rest_us >= REST_MIN_US) {
        (void)poll(&woken, 1, (int)(VR_MIN(d->rest_us, (uint64_t)REST_MAX_US) / 1000));
        d->rest_us = 0;
    }
}

int disks_explain(const struct frozen_disks *d, int r, struct vr_err *err)
{
    return d->instant && r < 0 ? instant_explain(d->instant, r, err) : r;
}

int disks_check(const struct frozen_disks *d, const struct vr_vm *vm, struct vr_err *err)
{
    int r0 = d->instant ? instant_verify(d->instant, err) : 0;
    if (r0 < 0 || (d->instant && instant_socket(d->instant))) {
        return r0;
    }
    for (uint32_t i = 0, at = 0; i < vm->ndisks && at < d->n; i++) {
        if (vm->disks[i].excluded) {
            continue;
        }
        const struct frozen_disk *was = &d->disk[at++];
        struct frozen_disk now = {0};
        int r = stat_disk(was->fd, &vm->disks[i], &now, err);
        if (r < 0) {
            return r;
        }
        bool same =
            now.size == was->size &&
            (was->is_block || (now.mtime_ns == was->mtime_ns && now.ctime_ns == was->ctime_ns));
        if ((!same || block_changed(was->dev)) && d->instant) {
            return vr_fail(err, VR_E_TIMEOUT,
                           "disk '%s' changed while it was read: did the VM run?",
                           vm->disks[i].name);
        }
        if (!same || block_changed(was->dev)) {
            return vr_fail(err, VR_E_BUSY,
                           "disk '%s' (%.120s) changed while it was read: something writes it "
                           "without QEMU's lock",
                           vm->disks[i].name, vm->disks[i].path);
        }
    }
    return 0;
}

void disks_thaw(struct frozen_disks *d)
{
    for (uint32_t i = 0; i < d->n; i++) {
        block_close(d->disk[i].dev);
        if (d->disk[i].fd >= 0) {
            close(d->disk[i].fd);
        }
    }
    d->n = 0;
    disks_release(d); /* the readers of its exports are gone */
}

void disks_guess_sizes(struct vr_vm *vm)
{
    for (uint32_t i = 0; i < vm->ndisks; i++) {
        struct vr_disk *d = &vm->disks[i];
        if (d->excluded) {
            continue;
        }
        _cleanup_(vr_closep) int fd = open(d->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        d->size_bytes = fd >= 0 ? image_size_peek(fd, d->format) : 0;
    }
}

/* --- a look --- */

#define QCOW2_BACKING_AT 8u
#define QCOW2_FEATURES_AT 72u
#define QCOW2_DATA_FILE 4u
#define SETTLED_NS 2000000000u /* times tick coarsely, and clocks are set by small steps */

/* What a disk is, as far as the file system says. */
struct look {
    uint64_t dev, ino, size, mtime_ns, ctime_ns;
};

static uint64_t be64(const uint8_t *p)
{
    uint64_t v = 0;
    for (size_t i = 0; i < 8; i++) {
        v = v << 8 | p[i];
    }
    return v;
}

/* Is all of the disk in this file? */
static bool is_whole(int fd, const struct vr_disk *d)
{
    uint8_t h[QCOW2_FEATURES_AT + 8];
    if (strcmp(d->format, "raw") == 0) {
        return true;
    }
    if (pread(fd, h, sizeof h, 0) != sizeof h || memcmp(h, "QFI\xfb", 4) != 0) {
        return false;
    }
    bool version3 = h[7] >= 3;
    return be64(h + QCOW2_BACKING_AT) == 0 &&
           (!version3 || (be64(h + QCOW2_FEATURES_AT) & QCOW2_DATA_FILE) == 0);
}

static int look_at(const struct vr_vm *vm,
                   const struct vr_disk *d,
                   bool lock,
                   struct look *ret,
                   bool *ret_known,
                   struct vr_err *err)
{
    struct stat st = {0};
    struct frozen_disk f;
    uint64_t now_ns = vr_wall_us() * 1000;
    _cleanup_(vr_closep) int fd = open(d->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) {
        return vr_fail_errno(err, VR_E_IO, "cannot open disk image '%s'", d->path);
    }
    int r = stat_disk(fd, d, &f, err);
    uint8_t first;
    if (r == 0 && d->size_bytes == 0 && pread(fd, &first, 1, 0) < 0) {
        return vr_fail_errno(err, VR_E_IO, "cannot read disk image '%s'", d->path);
    }
    if (r == 0 && d->size_bytes == 0) {
        r = vr_fail(err, VR_E_CORRUPT, "disk image '%s' is empty, or no %s image", d->path,
                    d->format);
    }
    if (r == 0 && lock) {
        r = check_quiesced(vm, d, &f, err);
    }
    if (r == 0 && lock) {
        r = image_lock(fd, IMAGE_LOCK_READ, d->path, err);
    }
    if (r == 0 && fstat(fd, &st) < 0) {
        r = vr_fail_errno(err, VR_E_IO, "cannot stat '%s'", d->path);
    }
    if (r < 0) {
        return r;
    }
    *ret = (struct look){(uint64_t)st.st_dev, (uint64_t)st.st_ino, (uint64_t)st.st_size,
                         ns_of(&st.st_mtim), ns_of(&st.st_ctim)};
    uint64_t latest = ret->mtime_ns > ret->ctime_ns ? ret->mtime_ns : ret->ctime_ns;
    *ret_known = S_ISREG(st.st_mode) && is_whole(fd, d) && latest + SETTLED_NS < now_ns;
    return 0;
}

int disks_peek(struct vr_vm *vm,
               enum disks_held held,
               uint8_t ret_stamp[VR_STAMP_BYTES],
               struct vr_err *err)
{
    struct {
        struct look looks[VR_DISKS_MAX];
        char definition[sizeof vm->definition];
    } seen = {0};
    struct look *looks = seen.looks;
    size_t n = 0;
    bool all = true;
    memset(ret_stamp, 0, VR_STAMP_BYTES);
    disks_guess_sizes(vm);
    for (uint32_t i = 0; i < vm->ndisks; i++) {
        const struct vr_disk *d = &vm->disks[i];
        bool known = false;
        int r = d->excluded ? 0 : look_at(vm, d, held == DISKS_LOCK, &looks[n], &known, err);
        if (r < 0) {
            return vr_wrap(err, r, "disk '%s'", d->name);
        }
        all = all && (known || d->excluded);
        n += d->excluded ? 0 : 1;
    }
    _Static_assert(MANIFEST_DIGEST == VR_STAMP_BYTES, "a stamp is a SHA-256");
    if (!all) {
        return 0;
    }
    if (vm->definition[0]) { /* it travels with the disks, also when they have not changed */
        snprintf(seen.definition, sizeof seen.definition, "%s", vm->definition);
        return manifest_sha256(&seen, sizeof seen, ret_stamp, err);
    }
    return manifest_sha256(looks, n * sizeof looks[0], ret_stamp, err);
}
