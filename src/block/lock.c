/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every lock is a shared (read) lock, so that taking one never fails against another user of the
 * protocol; a conflict is found by asking afterwards who else holds the opposite byte. Two that try
 * at once may both see the other and both give up; neither can miss the other.
 */
#include "block/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>

enum {
    PERM_READ,
    PERM_WRITE,
    PERM_WRITE_UNCHANGED,
    PERM_RESIZE,
    PERM_COUNT
};

#define BIT(perm) (1u << (perm))
#define USED_BASE 100
#define UNSHARED_BASE 200

struct lock_perms {
    unsigned used, unshared;
};

static const struct lock_perms perms_of[] = {
    [IMAGE_LOCK_READ] = {.used = BIT(PERM_READ), .unshared = BIT(PERM_WRITE) | BIT(PERM_RESIZE)},
    [IMAGE_LOCK_EXCLUSIVE] = {.used = BIT(PERM_READ) | BIT(PERM_WRITE) | BIT(PERM_RESIZE),
                              .unshared = BIT(PERM_READ) | BIT(PERM_WRITE) |
                                          BIT(PERM_WRITE_UNCHANGED) | BIT(PERM_RESIZE)},
};

static int set_byte(int fd, short type, off_t at)
{
    struct flock fl = {.l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};
    int r;
    do {
        r = fcntl(fd, F_OFD_SETLK, &fl);
    } while (r < 0 && errno == EINTR);
    return r;
}

/* 1: another open file description holds the byte, 0: none, -1: errno */
static int held_elsewhere(int fd, off_t at)
{
    struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};
    if (fcntl(fd, F_OFD_GETLK, &fl) < 0) {
        return -1;
    }
    return fl.l_type != F_UNLCK;
}

static int fail_busy(const char *what, enum image_lock_mode mode, struct vr_err *err)
{
    return vr_fail(err, VR_E_BUSY,
                   "'%s' is in use: another process (a QEMU, qemu-nbd or qemu-img?) %s it; "
                   "shut it down and try again",
                   what, mode == IMAGE_LOCK_READ ? "writes to" : "has opened");
}

static int take_bytes(int fd,
                      const struct lock_perms *p,
                      enum image_lock_mode mode,
                      const char *what,
                      struct vr_err *err)
{
    for (int i = 0; i < PERM_COUNT; i++) {
        bool failed = (p->used & BIT(i)) && set_byte(fd, F_RDLCK, USED_BASE + i) < 0;
        failed = failed || ((p->unshared & BIT(i)) && set_byte(fd, F_RDLCK, UNSHARED_BASE + i) < 0);
        if (failed && (errno == EAGAIN || errno == EACCES)) {
            return fail_busy(what, mode, err);
        }
        if (failed) {
            return vr_fail_errno(err, VR_E_IO, "cannot lock '%s'", what);
        }
    }
    return 0;
}

static int check_bytes(int fd,
                       const struct lock_perms *p,
                       enum image_lock_mode mode,
                       const char *what,
                       struct vr_err *err)
{
    for (int i = 0; i < PERM_COUNT; i++) {
        int a = (p->used & BIT(i)) ? held_elsewhere(fd, UNSHARED_BASE + i) : 0;
        int b = (p->unshared & BIT(i)) && a == 0 ? held_elsewhere(fd, USED_BASE + i) : 0;
        if (a < 0 || b < 0) {
            return vr_fail_errno(err, VR_E_IO, "cannot ask for locks on '%s'", what);
        }
        if (a || b) {
            return fail_busy(what, mode, err);
        }
    }
    return 0;
}

int image_lock(int fd, enum image_lock_mode mode, const char *what, struct vr_err *err)
{
    const struct lock_perms *p = &perms_of[mode];
    int r = take_bytes(fd, p, mode, what, err);
    if (r == 0) {
        r = check_bytes(fd, p, mode, what, err);
    }
    if (r < 0) {
        image_unlock(fd);
    }
    return r;
}

void image_unlock(int fd)
{
    for (int i = 0; i < PERM_COUNT; i++) {
        (void)set_byte(fd, F_UNLCK, USED_BASE + i);
        (void)set_byte(fd, F_UNLCK, UNSHARED_BASE + i);
    }
}

int image_check_unwritten(int fd, const char *what, struct vr_err *err)
{
    int written = held_elsewhere(fd, USED_BASE + PERM_WRITE);
    if (written < 0) {
        return vr_fail_errno(err, VR_E_IO, "cannot ask for locks on '%s'", what);
    }
    return written ? fail_busy(what, IMAGE_LOCK_READ, err) : 0;
}
