/* SPDX-License-Identifier: Apache-2.0 */
/* What strangers may try on the HTTP server: guess passwords, smuggle requests, hold connections.
 */
#include "tests/unit/front/http_fixture.h"

#include <string.h>
#include <unistd.h>

#define BASIC(base64) "GET /api/v1/ HTTP/1.1\r\n" HOST "Authorization: Basic " base64 "\r\n\r\n"

/* 10,000 wrong passwords: few are checked, and the right user is served between and after them. */
static void test_ten_thousand_wrong_passwords(void **state)
{
    struct fixture *f = *state;
    char buf[4096];
    const char *wrong = BASIC("YWRtaW46d3Jvbmc="), *right = BASIC("YWRtaW46c2VjcmV0");
    assert_int_equal(ask_once(f, right, buf, sizeof(buf)), 200);
    int limited = 0, served = 0;
    for (int i = 0; i < 10000; i++) {
        int status = ask_once(f, wrong, buf, sizeof(buf));
        limited += status == 429;
        assert_true(status == 429 || status == 401);
        if (i % 100 == 99) {
            assert_int_equal(ask_once(f, right, buf, sizeof(buf)), 200);
            served++;
        }
    }
    assert_int_equal(served, 100);
    assert_int_equal(f->handled, 1 + served);
    assert_in_range(limited, 9900, 10000 - GUARD_PAIR_TRIES);
    assert_int_equal(f->verified + f->recalled, 10000 + 1 + served);
    assert_in_range(f->verified, GUARD_PAIR_TRIES + 1, 200); /* + one for each 6 s of this test */
    assert_int_equal(ask_once(f, wrong, buf, sizeof(buf)), 429);
    assert_non_null(strstr(buf, "\r\nRetry-After: "));
    assert_non_null(strstr(buf, "\r\nConnection: close"));
    assert_non_null(strstr(buf, "too many wrong passwords"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TF(test_ten_thousand_wrong_passwords),
    };
    return RUN(tests);
}
