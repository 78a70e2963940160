/* SPDX-License-Identifier: Apache-2.0 */
#include "util/huge.h"

#include <stdint.h>
#include <sys/mman.h>

#define HUGE_BYTES ((size_t)2 << 20)

void *vr_huge_map(size_t bytes)
{
    size_t room = bytes + HUGE_BYTES;
    char *p = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        return NULL;
    }
    size_t before = (HUGE_BYTES - (uintptr_t)p % HUGE_BYTES) % HUGE_BYTES;
    if (before) {
        (void)munmap(p, before);
    }
    (void)munmap(p + before + bytes, room - before - bytes);
    p += before;
    (void)madvise(p, bytes, MADV_HUGEPAGE);
    /* Not into children: a fork would leave the copy to whoever touches a page first, and a read in
     * flight goes to the other. */
    (void)madvise(p, bytes, MADV_DONTFORK);
    return p;
}
