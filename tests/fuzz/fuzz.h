/* SPDX-License-Identifier: Apache-2.0 */
/* One libFuzzer target a file: fuzz-NAME.c. Limits are small, so that a run is fast. */
#pragma once
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
