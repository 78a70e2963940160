/* SPDX-License-Identifier: Apache-2.0 */
/* Chains of real qcow2 images. */
#include <stdlib.h>
#include <unistd.h>

#include "block/dev.h"
#include "tests/lib/check.h"

static char dir[] = "/tmp/vrt.qcow2.XXXXXX";

static void run_sh(const char *script)
{
    char cmd[1024];
    snprintf(cmd, sizeof cmd, "cd %s && %s", dir, script);
    assert_int_equal(system(cmd), 0); // NOLINT(cert-env33-c): the script is ours
}

/*
 * base holds a raw disk to which a guest wrote the header of an image on top of /etc/hostname. An
 * overlay that does not say "raw" must not be opened; QEMU would follow it.
 */
static void test_a_guest_names_no_backing_file(void **state)
{
    struct vr_err err;
    struct block_dev *dev = NULL;
    char path[128], deep[128], got[4];
    snprintf(path, sizeof path, "%s/top", dir);
    snprintf(deep, sizeof deep, "%s/deep", dir);
    run_sh("qemu-img create -q -f qcow2 -F raw -b /etc/hostname base 1M && "
           "qemu-img create -q -f qcow2 -F raw -b base top 1M && "
           "qemu-img create -q -f qcow2 -F qcow2 -b top deep 1M");
    CHECK_OK(block_image_open(deep, "qcow2", BLOCK_READ_ONLY, dir, &dev, &err), &err);
    CHECK_OK(block_read(dev, got, 4, 0, &err), &err);
    assert_memory_equal(got, "QFI\xfb", 4); /* what the guest wrote, and not what it names */
    block_close(dev);
    dev = NULL;
    static const uint8_t other[4]; /* type 0: no extension */
    FILE *f = fopen(path, "r+");
    uint8_t head[256];
    assert_non_null(f);
    assert_int_equal(fread(head, 1, sizeof head, f), sizeof head);
    size_t at = 0;
    while (at + 4 <= sizeof head && memcmp(head + at, "\xe2\x79\x2a\xca", 4) != 0) {
        at += 4;
    }
    if (at + 4 <= sizeof head) {
        assert_int_equal(fseek(f, (long)at, SEEK_SET), 0);
        assert_int_equal(fwrite(other, 1, 4, f), 4);
    }
    assert_int_equal(fclose(f), 0);
    CHECK_FAILS(block_image_open(path, "qcow2", BLOCK_READ_ONLY, dir, &dev, &err), &err,
                VR_E_UNSUPPORTED, "rebase");
    CHECK_FAILS(block_image_open(deep, "qcow2", BLOCK_READ_ONLY, dir, &dev, &err), &err,
                VR_E_UNSUPPORTED, "/top'");
    run_sh("qemu-img rebase -u -f qcow2 -F raw -b base top"); /* as the text says */
    CHECK_OK(block_image_open(deep, "qcow2", BLOCK_READ_ONLY, dir, &dev, &err), &err);
    block_close(dev);
    dev = NULL;
    run_sh("qemu-img rebase -u -f qcow2 -F qcow2 -b loop2 top && ln -s top loop2");
    CHECK_FAILS(block_image_open(path, "qcow2", BLOCK_READ_ONLY, dir, &dev, &err), &err, VR_E_LIMIT,
                "200");
    run_sh("rm base top deep loop2");
}

static int set_up(void **state)
{
    return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
    return rmdir(dir); /* fails when an image was left */
}

int main(void)
{
    if (system("for t in qemu-nbd qemu-img; do command -v $t || exit 1; done >/dev/null")) {
        return 77;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_guest_names_no_backing_file)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
