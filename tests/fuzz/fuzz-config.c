/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration, or inventory when byte 0 is odd, from a file in memory. */
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include "daemon/config.h"
#include "inventory/inventory.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static struct daemon_config config;
    struct inventory *inventory = NULL;
    char path[32];
    if (n == 0) {
        return 0;
    }
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, p + 1, n - 1) != (ssize_t)(n - 1)) {
        vr_assert(fd >= 0 && !"memory file");
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (p[0] & 1) {
        if (inventory_load(path, &inventory, NULL) == 0) {
            inventory_free(inventory);
        }
    } else {
        (void)!config_load(path, &config, NULL);
    }
    close(fd);
    return 0;
}
