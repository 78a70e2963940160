/* SPDX-License-Identifier: Apache-2.0 */
#include "inventory/vmset.h"

#include <stdlib.h>
#include <string.h>

/* A struct vr_vm that ends with its last disk: never copied by assignment. */
struct vmset {
    struct vr_vm **vms; /* in the order of ids */
    size_t n, cap;
};

static size_t size_of(const struct vr_vm *vm)
{
    return offsetof(struct vr_vm, disks) + vm->ndisks * sizeof vm->disks[0];
}

int vmset_new(struct vmset **ret, struct vr_err *err)
{
    struct vmset *set = calloc(1, sizeof *set);
    if (!set) {
        return vr_fail_nomem(err);
    }
    *ret = set;
    return 0;
}

void vmset_free(struct vmset *set)
{
    if (!set) {
        return;
    }
    for (size_t i = 0; i < set->n; i++) {
        free(set->vms[i]);
    }
    free(set->vms);
    free(set);
}

/* Where it is, or would be. */
static size_t place_of(const struct vmset *set, const struct vr_uuid *id, bool *ret_found)
{
    size_t lo = 0, hi = set->n;
    *ret_found = false;
    while (lo < hi && !*ret_found) {
        size_t mid = lo + (hi - lo) / 2;
        int c = memcmp(&set->vms[mid]->id, id, sizeof *id);
        *ret_found = c == 0;
        lo = c < 0 ? mid + 1 : c == 0 ? mid : lo;
        hi = c > 0 ? mid : hi;
    }
    return lo;
}

static int grow(struct vmset *set, struct vr_err *err)
{
    if (set->n == VMSET_MAX) {
        return vr_fail(err, VR_E_LIMIT, "more than %d VMs", VMSET_MAX);
    }
    if (set->n < set->cap) {
        return 0;
    }
    size_t cap = set->cap ? set->cap * 2 : 16;
    struct vr_vm **more = realloc(set->vms, cap * sizeof(struct vr_vm *));
    if (!more) {
        return vr_fail_nomem(err);
    }
    set->vms = more;
    set->cap = cap;
    return 0;
}

int vmset_put(struct vmset *set, const struct vr_vm *vm, bool *ret_changed, struct vr_err *err)
{
    bool found;
    vr_assert(vm->ndisks <= VR_DISKS_MAX);
    size_t at = place_of(set, &vm->id, &found), size = size_of(vm);
    bool same = found && size_of(set->vms[at]) == size && memcmp(set->vms[at], vm, size) == 0;
    if (ret_changed) {
        *ret_changed = !same;
    }
    int r = found ? 0 : grow(set, err);
    if (r < 0 || same) {
        return r;
    }
    struct vr_vm *copy = malloc(size);
    if (!copy) {
        return vr_fail_nomem(err);
    }
    memcpy(copy, vm, size);
    if (found) {
        free(set->vms[at]);
    } else {
        memmove(&set->vms[at + 1], &set->vms[at], (set->n++ - at) * sizeof(struct vr_vm *));
    }
    set->vms[at] = copy;
    return 0;
}

bool vmset_remove(struct vmset *set, const struct vr_uuid *id)
{
    bool found;
    size_t at = place_of(set, id, &found);
    if (found) {
        free(set->vms[at]);
        memmove(&set->vms[at], &set->vms[at + 1], (--set->n - at) * sizeof(struct vr_vm *));
    }
    return found;
}

bool vmset_find(const struct vmset *set, const struct vr_uuid *id, struct vr_vm *ret)
{
    bool found;
    size_t at = place_of(set, id, &found);
    if (found && ret) {
        memset(ret, 0, sizeof *ret);
        memcpy(ret, set->vms[at], size_of(set->vms[at]));
    }
    return found;
}

const char *vmset_name(const struct vmset *set, const struct vr_uuid *id)
{
    bool found;
    size_t at = place_of(set, id, &found);
    return found ? set->vms[at]->name : NULL;
}

size_t vmset_count(const struct vmset *set)
{
    return set->n;
}

const struct vr_uuid *vmset_id_at(const struct vmset *set, size_t i)
{
    return i < set->n ? &set->vms[i]->id : NULL;
}
