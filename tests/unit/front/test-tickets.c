/* SPDX-License-Identifier: Apache-2.0 */
/* Negotiate: when it is offered, how its header is read, and what answers say. What a ticket is
 * worth is decided by config.ticket, here a word. */
#include <string.h>

#include "front/front.h"
#include "http_fixture.h"

static int asked;

static int
ticket(void *ctx, const char *token, struct http_who *ret, char **ret_reply, struct vr_err *err)
{
    asked++;
    if (strcmp(token, "norole") == 0) {
        return 0; /* good, but nobody said what he may do */
    }
    if (strcmp(token, "good") != 0) {
        return vr_fail(err, VR_E_AUTH, "no good");
    }
    ret->role = VR_ROLE_VIEWER;
    snprintf(ret->user, sizeof(ret->user), "ann");
    *ret_reply = strdup("cmVwbHk=");
    return 0;
}

static int tickets_setup(void **state)
{
    setup(state);
    struct fixture *f = *state;
    struct front_handlers h = {
        .rest = on_rest, .rest_ctx = f, .cimxml = on_cimxml, .cimxml_ctx = f};
    struct vr_err err = VR_ERR_INIT;
    front_stop(f->front);
    f->config.ticket = ticket;
    CHECK_OK(front_start(&f->config, &h, &f->front, &err), &err);
    asked = 0;
    return 0;
}

static int get(struct fixture *f, const char *authorization, char *ret, size_t cap)
{
    char text[2048];
    int fd = dial(f);
    snprintf(text, sizeof(text), "GET /api/v1/ HTTP/1.1\r\nHost: x\r\n%s%s%s\r\n",
             authorization ? "Authorization: " : "", authorization ? authorization : "",
             authorization ? "\r\n" : "");
    say(fd, text);
    int status = hear(fd, ret, cap);
    close(fd);
    return status;
}

static void test_tickets(void **state)
{
    static const char *const bad[] = {"Negotiate", "Negotiate ", "Negotiate bad",
                                      "negotiate norole", "Negotiate good x"};
    struct fixture *f = *state;
    char said[4096];
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(get(f, bad[i], said, sizeof(said)), 401);
        assert_int_equal(asked, (int)i + 1);
        assert_non_null(strstr(said, "WWW-Authenticate: Negotiate\r\n"));
        assert_non_null(strstr(said, "Connection: close\r\n"));
        assert_int_equal(f->handled, 0);
    }
    assert_int_equal(get(f, "Negotiategood", said, sizeof(said)), 401); /* no such scheme */
    assert_int_equal(get(f, NULL, said, sizeof(said)), 401);
    assert_non_null(strstr(said, "WWW-Authenticate: Negotiate\r\n"));
    assert_int_equal(asked, 5);
    assert_int_equal(get(f, "nEGOTIATE good", said, sizeof(said)), 200);
    assert_non_null(strstr(said, "WWW-Authenticate: Negotiate cmVwbHk=\r\n"));
    assert_non_null(strstr(said, "Persistent-Auth: false\r\n"));
    assert_non_null(strstr(said, "user=ann role=1"));
    assert_int_equal(f->handled, 1);
}

/* The next request of the connection is judged alone. */
static void test_each_request(void **state)
{
    struct fixture *f = *state;
    char said[4096];
    int fd = dial(f);
    say(fd, "GET /api/v1/ HTTP/1.1\r\nHost: x\r\nAuthorization: Negotiate good\r\n\r\n");
    assert_int_equal(hear(fd, said, sizeof(said)), 200);
    say(fd, "GET /api/v1/ HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(hear(fd, said, sizeof(said)), 401);
    close(fd);
    assert_int_equal(f->handled, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tickets, tickets_setup, teardown),
        cmocka_unit_test_setup_teardown(test_each_request, tickets_setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
