/* SPDX-License-Identifier: Apache-2.0 */
/* Deep copies into another arena: nothing of the original is kept but its class. */
#include "cim/class.h"

static struct cim_value copy_value(struct cim_arena *a, struct cim_value v)
{
    if (v.is_null) {
        return v;
    }
    if (v.is_array) {
        struct cim_value *items = cim_alloc(a, (v.count + 1) * sizeof *items);
        for (uint32_t i = 0; items && i < v.count; i++) {
            items[i] = copy_value(a, v.items[i]);
        }
        v.items = items;
        v.is_null = !items;
    } else if (v.type == CIM_STRING || v.type == CIM_DATETIME) {
        v.str = cim_strdup(a, v.str);
        v.is_null = !v.str;
    } else if (v.type == CIM_REFERENCE) {
        v.ref = cim_path_copy(a, v.ref);
        v.is_null = !v.ref;
    } else if (v.type == CIM_INSTANCE) {
        v.instance = cim_instance_copy(a, v.instance);
        v.is_null = !v.instance;
    }
    return v;
}

static void copy_path_into(struct cim_arena *a, const struct cim_path *p, struct cim_path *to)
{
    *to = (struct cim_path){.nkeys = p->nkeys};
    to->ns = p->ns ? cim_strdup(a, p->ns) : NULL;
    to->class_name = p->class_name ? cim_strdup(a, p->class_name) : NULL;
    for (uint32_t i = 0; i < p->nkeys; i++) {
        to->keys[i] = (struct cim_key){.name = cim_strdup(a, p->keys[i].name),
                                       .value = copy_value(a, p->keys[i].value)};
    }
}

struct cim_path *cim_path_copy(struct cim_arena *a, const struct cim_path *p)
{
    struct cim_path *copy = cim_alloc(a, sizeof *copy);
    if (copy) {
        copy_path_into(a, p, copy);
    }
    return copy;
}

struct cim_instance *cim_instance_copy(struct cim_arena *a, const struct cim_instance *i)
{
    struct cim_instance *copy = cim_instance_new(a, i->cls);
    if (!copy) {
        return NULL;
    }
    for (uint32_t k = 0; k < i->cls->nprops; k++) {
        copy->values[k] = copy_value(a, i->values[k]);
    }
    copy_path_into(a, &i->path, &copy->path);
    return cim_arena_failed(a) ? NULL : copy;
}
