/* SPDX-License-Identifier: Apache-2.0 */
/* sidecar_read, and once more with the right SHA-256, which the fuzzer cannot find. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "memstor.h"
#include "resync/digest.h"
#include "resync/sidecar.h"

static void read_it(const uint8_t *p, size_t n)
{
    struct sidecar s;
    int r = sidecar_read(memstor(p, n), &s, NULL);
    vr_assert(r == 0 || r == -VR_E_CORRUPT || r == -VR_E_LIMIT);
    if (r == 0) {
        vr_assert(s.vm.ndisks > 0 && s.vm.ndisks <= VR_DISKS_MAX && s.nruns <= RUNS_MAX);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    char *text = malloc(n + 80);
    char hex[65];
    read_it(p, n);
    if (text && digest_sha256_hex(p, n, hex, NULL) == 0) {
        memcpy(text, p, n);
        int more = snprintf(text + n, 80, "\nsha256 %s\n", hex);
        read_it((const uint8_t *)text, n + (size_t)more);
    }
    free(text);
    return 0;
}
