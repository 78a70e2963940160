/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unit tests on cmocka: include this, write static void test_x(void **state), list them:
 *     int main(void)
 *     {
 *         const struct CMUnitTest tests[] = {T(test_x), T(test_y)};
 *         return RUN(tests);
 *     }
 */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "util/err.h"

#define T(f) cmocka_unit_test(f)
#define RUN(tests) cmocka_run_group_tests(tests, NULL, NULL)

/* The call succeeds; prints the error's text when it does not. */
#define CHECK_OK(call, err)                                                                        \
    do {                                                                                           \
        int check_r_ = (call);                                                                     \
        if (check_r_ < 0) {                                                                        \
            fail_msg("%s: %s", #call, vr_err_text(err));                                           \
        }                                                                                          \
    } while (0)

/* The call fails with this kind and its text contains `part`. */
#define CHECK_FAILS(call, err, kind_, part)                                                        \
    do {                                                                                           \
        *(err) = VR_ERR_INIT;                                                                      \
        int check_r_ = (call);                                                                     \
        if (check_r_ != -(int)(kind_)) {                                                           \
            fail_msg("%s: wanted %s, got %d (%s)", #call, vr_kind_name(kind_), check_r_,           \
                     vr_err_text(err));                                                            \
        }                                                                                          \
        if (!strstr(vr_err_text(err), (part))) {                                                   \
            fail_msg("%s: '%s' does not contain '%s'", #call, vr_err_text(err), (part));           \
        }                                                                                          \
    } while (0)
