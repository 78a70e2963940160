/* SPDX-License-Identifier: Apache-2.0 */
/* A look at disks as the control thread takes it: by their headers, without a child. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/disks.h"
#include "tests/lib/check.h"
#include "tests/lib/tmpdir.h"

static struct vr_err err = VR_ERR_INIT;
static char dir[64];

static void image(struct vr_vm *vm, const char *format, const void *p, size_t n)
{
    struct vr_disk *d = &vm->disks[vm->ndisks++];
    snprintf(d->name, sizeof d->name, "vd%u", vm->ndisks);
    snprintf(d->format, sizeof d->format, "%s", format);
    snprintf(d->path, sizeof d->path, "%s/%s%u", dir, format, vm->ndisks);
    int fd = open(d->path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0 && write(fd, p, n) == (ssize_t)n);
    close(fd);
}

static int look(struct vr_vm *vm)
{
    uint8_t stamp[VR_STAMP_BYTES];
    return disks_peek(vm, DISKS_LOCK, stamp, &err);
}

static void test_sizes_come_from_headers(void **state)
{
    static const uint8_t qcow2[104] = {'Q', 'F', 'I', 0xfb, 0, 0, 0, 3, [29] = 3}; /* 3 << 16 */
    static const uint8_t raw[4096];
    struct vr_vm vm = {0};
    image(&vm, "qcow2", qcow2, sizeof qcow2);
    image(&vm, "raw", raw, sizeof raw);
    CHECK_OK(look(&vm), &err);
    assert_int_equal(vm.disks[0].size_bytes, 3u << 16);
    assert_int_equal(vm.disks[1].size_bytes, 4096);
}

/* What this look is for must not depend on qemu-nbd: whatever would start one finds none. */
static void test_no_child_for_any_format(void **state)
{
    static const uint8_t qed[56] = {'Q', 'E', 'D', 0, [50] = 5}; /* 5 << 16 */
    struct vr_vm vm = {0};
    setenv("PATH", "/nonexistent", 1);
    image(&vm, "qed", qed, sizeof qed);
    CHECK_OK(look(&vm), &err);
    assert_int_equal(vm.disks[0].size_bytes, 5u << 16);
    struct frozen_disks d;
    assert_true(disks_freeze(&vm, DISKS_LOCK, dir, &d, &err) < 0);
}

static void test_what_is_no_image(void **state)
{
    struct vr_vm cut = {0}, empty = {0}, gone = {0};
    image(&cut, "qcow2", "QFI\xfb", 4);
    CHECK_FAILS(look(&cut), &err, VR_E_CORRUPT, "no qcow2 image");
    image(&empty, "raw", "", 0);
    CHECK_FAILS(look(&empty), &err, VR_E_CORRUPT, "is empty");
    image(&gone, "raw", "x", 1);
    unlink(gone.disks[0].path);
    CHECK_FAILS(look(&gone), &err, VR_E_NOT_FOUND, "cannot open disk image");
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_sizes_come_from_headers),
                                       T(test_no_child_for_any_format), T(test_what_is_no_image)};
    snprintf(dir, sizeof dir, "/tmp/vr-disks-XXXXXX");
    if (!mkdtemp(dir)) {
        return 1;
    }
    int r = RUN(tests);
    tmpdir_remove(dir);
    return r;
}
