/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server without its sockets and threads: bytes of one connection in, and a second opinion
 * on each request. It asserts that whatever the server takes for a request is one beyond doubt,
 * begins where the one before it ends, and that only who has the password reaches a handler.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* The password of the user admin is secret. */
void httpwire_run(const uint8_t *p, size_t n);
