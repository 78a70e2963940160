/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "tests/lib/check.h"

static void test_origin_and_prefix(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    int r = vr_fail(&err, VR_E_BUSY, "locked by %s", "qemu");
    assert_int_equal(r, -VR_E_BUSY);
    assert_int_equal(vr_wrap(&err, r, "disk %d", 0), r);
    assert_string_equal(vr_err_text(&err), "disk 0: locked by qemu");
    assert_int_equal(err.kind, VR_E_BUSY);
}

static void test_errno_refines_io_only(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    errno = ENOSPC;
    assert_int_equal(vr_fail_errno(&err, VR_E_IO, "x"), -VR_E_NOSPACE);
    assert_non_null(strstr(err.text, "No space left"));
    errno = ENOENT;
    assert_int_equal(vr_fail_errno(&err, VR_E_PEER, "x"), -VR_E_PEER);
}

static void test_long_text_is_cut_not_overrun(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    int r = vr_fail(&err, VR_E_IO, "%0300d", 1);
    vr_wrap(&err, r, "%0300d", 2);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
}

static void test_unknown_kind_is_internal(void **state)
{
    assert_string_equal(vr_kind_name(-999), "INTERNAL");
    assert_int_equal(vr_kind_http_status(-VR_E_NOT_FOUND), 404);
    assert_int_equal(vr_kind_advice(-999).probable_cause, 47);
}

/* Every kind says what CIM_Error needs, within its value maps, and what a person may do. */
static void test_advice(void **state)
{
    for (int k = VR_E_INVALID; k <= VR_E_AUTH; k++) {
        struct vr_kind_advice a = vr_kind_advice(-k);
        assert_in_range(a.error_type, 1, 10);
        assert_in_range(a.probable_cause, 1, 130);
        assert_in_range(a.severity, 2, 5);
        assert_true(strlen(a.action) > 10);
    }
    assert_int_equal(vr_kind_advice(-VR_E_NOSPACE).probable_cause, 50);
    assert_int_equal(vr_kind_advice(VR_E_NONE).error_type, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_origin_and_prefix), T(test_errno_refines_io_only),
                                       T(test_long_text_is_cut_not_overrun),
                                       T(test_unknown_kind_is_internal), T(test_advice)};
    return RUN(tests);
}
