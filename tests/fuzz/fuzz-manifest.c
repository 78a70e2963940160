/* SPDX-License-Identifier: Apache-2.0 */
/* manifest_read, and once more with the right SHA-256, which the fuzzer cannot find. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "memstor.h"
#include "resync/digest.h"
#include "resync/manifest.h"

static void read_it(const uint8_t *p, size_t n)
{
    struct manifest m;
    int r = manifest_read(memstor(p, n), &m, NULL);
    vr_assert(r == 0 || r == -VR_E_CORRUPT);
    if (r < 0) {
        return;
    }
    vr_assert(m.ndisks > 0 && m.ndisks <= VR_DISKS_MAX && m.rel_number <= 1);
    for (uint32_t i = 0; i < m.ndisks; i++) {
        vr_assert(vr_name_ok(m.disks[i].file) && vr_name_ok(m.disks[i].digests));
        vr_assert(m.disks[i].size_bytes > 0 && manifest_nodes(m.disks[i].size_bytes) > 0);
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
