/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a connection against the HTTP server: see httpwire.h. */
#include "fuzz.h"

#include "httpwire.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    httpwire_run(p, n);
    return 0;
}
