/* SPDX-License-Identifier: Apache-2.0 */
/* A directory of one file, whose contents are the fuzzer's bytes. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "block/stor.h"

/* Borrows p. Nothing to close. */
struct stor *memstor(const uint8_t *p, size_t n);
