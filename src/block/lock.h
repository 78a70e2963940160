/* SPDX-License-Identifier: Apache-2.0 */
/*
 * QEMU's image locks (open-file-description locks on bytes 100+n "in use" and 200+n "not shared";
 * n: 0 consistent read, 1 write, 2 write unchanged, 3 resize). They are advisory: QEMU and we
 * honour them, others do not.
 */
#pragma once
#include "util/err.h"

enum image_lock_mode {
    IMAGE_LOCK_READ,     /* we read; nobody may write or resize; other readers are fine */
    IMAGE_LOCK_EXCLUSIVE /* we write; nobody else may open it, not even to read */
};

/*
 * Takes the lock for the life of fd's open file description. BUSY: somebody else owns the image,
 * and nothing is held.
 */
VR_MUST_CHECK int
image_lock(int fd, enum image_lock_mode mode, const char *what, struct vr_err *err);
void image_unlock(int fd);
/* BUSY: somebody writes the image now. Asks and takes nothing, so it is in nobody's way. */
VR_MUST_CHECK int image_check_unwritten(int fd, const char *what, struct vr_err *err);
