/* SPDX-License-Identifier: Apache-2.0 */
/* Object paths as text. What was read is copied, written and read again, and is the same path. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "cim/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct cim_arena a;
    struct cim_path path, again;
    struct vr_err err = VR_ERR_INIT;
    char *text = malloc(n + 1);
    if (!text) {
        return 0;
    }
    memcpy(text, p, n);
    text[n] = '\0';
    cim_arena_init(&a, 4 << 20);
    int r = cim_path_parse(&a, text, &path, &err);
    vr_assert(r == 0 || r == -VR_E_INVALID || r == -VR_E_NOMEM);
    if (r == 0) {
        vr_assert(path.ns || path.class_name);
        vr_assert(path.nkeys <= CIM_KEYS_MAX);
        const struct cim_path *copy = cim_path_copy(&a, &path);
        const char *written = copy ? cim_path_text(&a, copy) : NULL;
        if (written) {
            vr_assert(cim_path_parse(&a, written, &again, &err) == 0 || cim_arena_failed(&a));
            vr_assert(cim_arena_failed(&a) || cim_path_eq(&path, &again));
            vr_assert(cim_arena_failed(&a) || !path.ns == !again.ns);
            vr_assert(cim_arena_failed(&a) || !path.ns || cim_ns_eq(path.ns, again.ns));
        }
    }
    cim_arena_deinit(&a);
    free(text);
    return 0;
}
