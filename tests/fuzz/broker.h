/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include "cim/broker.h"

/* The real schemas of two namespaces, and a provider that has one of each class, whatever its name.
 * The same one every time. */
struct cim_broker *fuzz_broker(void);
