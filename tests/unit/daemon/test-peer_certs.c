/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/peer_certs.h"

#include "tests/lib/check.h"

static void test_names(void **state)
{
    assert_int_equal(peer_certs_end_us("hv1.example"), 0);
    peer_certs_note("hv1.example", 5);
    peer_certs_note("HV1.example", 6); /* renewed; names know no case */
    assert_int_equal(peer_certs_end_us("hv1.example"), 6);
    assert_int_equal(peer_certs_end_us("hv2.example"), 0);
}

/* However many names come, the ones met last are known. */
static void test_bounded(void **state)
{
    char name[32];
    peer_certs_note("first.example", 1);
    peer_certs_note("second.example", 2);
    for (unsigned i = 0; i < PEER_CERTS_MAX + 10; i++) {
        snprintf(name, sizeof name, "h%u.example", i);
        peer_certs_note("second.example", 2);
        peer_certs_note(name, 1000 + i);
    }
    assert_int_equal(peer_certs_end_us("first.example"), 0);
    assert_int_equal(peer_certs_end_us("second.example"), 2);
    assert_int_equal(peer_certs_end_us(name), 1000 + PEER_CERTS_MAX + 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_names), T(test_bounded)};
    return RUN(tests);
}
