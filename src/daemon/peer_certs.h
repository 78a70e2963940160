/* SPDX-License-Identifier: Apache-2.0 */
/* When the certificates end that other hosts showed us last, by the name they were known by: for
 * people, nothing is decided by it. In memory alone. Any thread. */
#pragma once
#include <stdint.h>

#define PEER_CERTS_MAX 1024 /* names; a further one takes the place of the one seen longest ago */

void peer_certs_note(const char *name, uint64_t end_us);
/* 0: that host was not met since the start. */
uint64_t peer_certs_end_us(const char *name);
