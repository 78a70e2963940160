/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stdbool.h>

/* docs/cim.md, to stdout. False: something is missing; stderr has it. */
bool cim_document(void);
