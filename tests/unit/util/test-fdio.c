/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/check.h"
#include "tests/lib/tmpdir.h"
#include "util/fdio.h"

static char dir[] = "/tmp/vr-fdio-XXXXXX";

static const char *in_dir(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void test_durable_write_and_mode(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    char *text;
    struct stat st;
    CHECK_OK(vr_write_file_durable(in_dir("f"), "abc", 3, 0600, &err), &err);
    CHECK_OK(vr_read_secret_file(in_dir("f"), 10, &text, NULL, &err), &err);
    assert_string_equal(text, "abc");
    free(text);
    assert_int_equal(stat(in_dir("f"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_readable_secret_is_refused(void **state)
{
    struct vr_err err;
    char *text = NULL;
    CHECK_OK(vr_write_file_durable(in_dir("s"), "k", 1, 0640, &err), &err);
    CHECK_FAILS(vr_read_secret_file(in_dir("s"), 10, &text, NULL, &err), &err, VR_E_DENIED,
                "chmod 600");
    assert_null(text);
}

static void test_limits_and_missing(void **state)
{
    struct vr_err err;
    char *text = NULL;
    CHECK_OK(vr_write_file_durable(in_dir("big"), "0123456789", 10, 0600, &err), &err);
    CHECK_FAILS(vr_read_file(in_dir("big"), 9, &text, NULL, &err), &err, VR_E_LIMIT, "9 bytes");
    CHECK_FAILS(vr_read_file(in_dir("none"), 9, &text, NULL, &err), &err, VR_E_NOT_FOUND, "none");
}

static void test_short_file(void **state)
{
    struct vr_err err;
    char b[8];
    int fd = open(in_dir("short"), O_RDWR | O_CREAT, 0600);
    CHECK_OK(vr_pwrite_full(fd, "1234", 4, 0, &err), &err);
    CHECK_FAILS(vr_pread_full(fd, b, 8, 0, &err), &err, VR_E_IO, "unexpected end at 4");
    close(fd);
}

int main(void)
{
    vr_assert(mkdtemp(dir));
    const struct CMUnitTest tests[] = {T(test_durable_write_and_mode),
                                       T(test_readable_secret_is_refused),
                                       T(test_limits_and_missing), T(test_short_file)};
    int r = RUN(tests);
    tmpdir_remove(dir);
    return r;
}
