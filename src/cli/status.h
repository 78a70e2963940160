/* SPDX-License-Identifier: Apache-2.0 */
/* `status` taken apart for its tests: an answer of GET /relationships in, exit code and table out.
 */
#pragma once
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

/* The convention of monitoring plug-ins. */
enum {
    STATUS_OK = 0,
    STATUS_WARNING = 1,
    STATUS_CRITICAL = 2,
    STATUS_UNKNOWN = 3
};

int status_code(const json_t *answer);
void status_print(const json_t *answer, uint64_t now_us, FILE *f);
