/* SPDX-License-Identifier: Apache-2.0 */
/* The real server on a free loopback port, a handler that tells what it was given, and a client
 * that talks byte by byte: for the tests of src/front/http*.c. */
#pragma once
#include <stdatomic.h>

#include "front/front.h"
#include "front/guard.h"
#include "tests/lib/check.h"

#define AUTH "Authorization: Basic YWRtaW46c2VjcmV0\r\n"  /* admin:secret */
#define WRONG "Authorization: Basic YWRtaW46d3Jvbmc=\r\n" /* admin:wrong */
#define HOST "Host: test\r\n"
#define HEAR_MS 60000 /* a bound for what comes at once; a busy machine may take its time */

struct fixture {
    struct front *front;
    struct http_config config;
    char dir[64], sock[96];
    atomic_int handled;
    atomic_bool keep; /* do not answer */
    _Atomic(struct http_request *) kept;
    atomic_bool post_refuses;
    atomic_int verified, recalled;
};

int setup(void **state);
int teardown(void **state);
int dial_port(uint16_t port);
int dial(const struct fixture *f);
int dial_unix(const struct fixture *f);
void say(int fd, const char *text);
/* One whole answer (headers and Content-Length bytes); returns the status, 0: closed. */
int hear(int fd, char *buf, size_t cap);
int ask(int fd, const char *request, char *buf, size_t cap);
/* On a connection of its own. */
int ask_once(const struct fixture *f, const char *request, char *buf, size_t cap);
/* The handlers; answer() is what they say. */
void answer(struct fixture *f, struct http_request *r, const char *who);
void on_rest(void *ctx, struct http_request *r);
void on_cimxml(void *ctx, struct http_request *r);

#define TF(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
