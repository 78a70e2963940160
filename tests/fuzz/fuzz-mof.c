/* SPDX-License-Identifier: Apache-2.0 */
/* A schema in MOF. What is accepted must be whole: each class can be instantiated, its properties
 * found by their names, its superclasses walked to the top. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "cim/mof.h"

static void walk(const struct cim_schema *schema, const struct cim_class *c, struct cim_arena *a)
{
    size_t depth = 0;
    vr_assert(cim_schema_class(schema, c->name) == c);
    for (const struct cim_class *s = c; s; s = s->super) {
        vr_assert(++depth < 100000);
    }
    for (uint32_t i = 0; i < c->nprops; i++) {
        vr_assert(cim_class_prop(c, c->props[i].name) == (int)i);
        vr_assert(c->props[i].type != CIM_REFERENCE || c->props[i].ref_class);
    }
    struct cim_instance *i = cim_instance_new(a, c);
    if (i) {
        cim_instance_make_path(i, "root");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    struct cim_schema *schema = NULL;
    struct vr_err err = VR_ERR_INIT;
    int r = cim_mof_parse((const char *)p, n, "fuzz", &schema, &err);
    vr_assert(r == 0 || r == -VR_E_INVALID || r == -VR_E_LIMIT || r == -VR_E_NOMEM);
    if (r < 0) {
        vr_assert(!schema && *vr_err_text(&err));
        return 0;
    }
    struct cim_arena a;
    cim_arena_init(&a, 4 << 20);
    for (const struct cim_class *c = schema->first; c; c = c->next) {
        walk(schema, c, &a);
    }
    cim_arena_deinit(&a);
    cim_schema_free(schema);
    return 0;
}
