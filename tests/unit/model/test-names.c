/* SPDX-License-Identifier: Apache-2.0 */
/* Names of disks in one text. */
#include "model/names.h"
#include "tests/lib/check.h"

static void test_names(void **state)
{
    struct vr_err err = VR_ERR_INIT;
    char names[VR_NAMES_MAX] = "", name[VR_NAME_MAX];
    const char *at = names;
    assert_false(vr_names_next(&at, name));
    assert_int_equal(vr_names_count(names), 0);
    CHECK_OK(vr_names_add(names, "vdb", &err), &err);
    CHECK_OK(vr_names_add(names, "a-1.img", &err), &err);
    assert_string_equal(names, "vdb a-1.img");
    assert_int_equal(vr_names_count(names), 2);
    assert_true(vr_names_have(names, "vdb") && vr_names_have(names, "a-1.img"));
    assert_false(vr_names_have(names, "vd") || vr_names_have(names, "img") ||
                 vr_names_have(names, "") || vr_names_have(names, "vdb a-1.img"));
    at = names;
    assert_true(vr_names_next(&at, name));
    assert_string_equal(name, "vdb");
    assert_true(vr_names_next(&at, name));
    assert_string_equal(name, "a-1.img");
    assert_false(vr_names_next(&at, name));
}

static void test_refused(void **state)
{
    static const char *const bad[] = {"", "a b", ".vda", "vd\xc3\xa4", "a/b"};
    char names[VR_NAMES_MAX] = "vda";
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct vr_err err = VR_ERR_INIT;
        CHECK_FAILS(vr_names_add(names, bad[i], &err), &err, VR_E_INVALID, "no name of a disk");
    }
    assert_string_equal(names, "vda");
}

/* The text is filled to its last byte, and not further. */
static void test_full(void **state)
{
    char names[VR_NAMES_MAX] = "", name[VR_NAME_MAX];
    struct vr_err err = VR_ERR_INIT;
    memset(name, 'n', sizeof name);
    name[VR_NAME_MAX - 1] = '\0';
    for (size_t i = 0; i < VR_NAMES_MAX / VR_NAME_MAX; i++) {
        CHECK_OK(vr_names_add(names, name, &err), &err);
    }
    assert_int_equal(strlen(names), VR_NAMES_MAX - 1);
    CHECK_FAILS(vr_names_add(names, "x", &err), &err, VR_E_LIMIT, "more than 511 bytes");
    assert_int_equal(vr_names_count(names), VR_NAMES_MAX / VR_NAME_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_names), T(test_refused), T(test_full)};
    return RUN(tests);
}
