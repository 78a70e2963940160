/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libvirt told is kept whole; `shown` are those of it that the file does not hide, made anew
 * when the file is read again.
 */
#include "inventory/inventory.h"

#include <stdlib.h>

#include "inventory/static.h"
#include "inventory/vmset.h"

struct inventory {
    struct static_vms *file; /* NULL: none */
    struct vmset *told, *shown;
};

int inventory_load(const char *path, struct inventory **ret, struct vr_err *err)
{
    _cleanup_(inventory_freep) struct inventory *inv = calloc(1, sizeof *inv);
    if (!inv) {
        return vr_fail_nomem(err);
    }
    int r = path ? static_load(path, &inv->file, err) : 0;
    r = r < 0 ? r : vmset_new(&inv->told, err);
    r = r < 0 ? r : vmset_new(&inv->shown, err);
    if (r < 0) {
        return r;
    }
    *ret = TAKE_PTR(inv);
    return 0;
}

void inventory_free(struct inventory *inv)
{
    if (inv) {
        static_free(inv->file);
        vmset_free(inv->told);
        vmset_free(inv->shown);
        free(inv);
    }
}

static bool is_hidden(const struct inventory *inv, const struct vr_uuid *id)
{
    return inv->file && static_name(inv->file, id);
}

static int show_told(struct inventory *inv, struct vr_err *err)
{
    const struct vr_uuid *id;
    struct vmset *fresh;
    _cleanup_(vr_freep) struct vr_vm *vm = malloc(sizeof *vm);
    int r = vm ? vmset_new(&fresh, err) : vr_fail_nomem(err);
    if (r < 0) {
        return r;
    }
    for (size_t i = 0; r == 0 && (id = vmset_id_at(inv->told, i)); i++) {
        bool show = !is_hidden(inv, id) && vmset_find(inv->told, id, vm);
        r = show ? vmset_put(fresh, vm, NULL, err) : 0;
    }
    if (r < 0) {
        vmset_free(fresh);
        return r;
    }
    vmset_free(inv->shown);
    inv->shown = fresh;
    return 0;
}

int inventory_reload(struct inventory *inv, struct vr_err *err)
{
    int r = inv->file ? static_reload(inv->file, err) : 0;
    return r < 0 ? r : show_told(inv, err);
}

int inventory_put(struct inventory *inv, const struct vr_vm *vm, struct vr_err *err)
{
    int r = vmset_put(inv->told, vm, NULL, err);
    return r < 0 || is_hidden(inv, &vm->id) ? r : vmset_put(inv->shown, vm, NULL, err);
}

void inventory_remove(struct inventory *inv, const struct vr_uuid *id)
{
    (void)vmset_remove(inv->told, id);
    (void)vmset_remove(inv->shown, id);
}

bool inventory_find(const struct inventory *inv, const struct vr_uuid *id, struct vr_vm *ret)
{
    return (inv->file && static_find(inv->file, id, ret)) || vmset_find(inv->shown, id, ret);
}

const char *inventory_name(const struct inventory *inv, const struct vr_uuid *id)
{
    const char *name = inv->file ? static_name(inv->file, id) : NULL;
    return name ? name : vmset_name(inv->shown, id);
}

static size_t file_count(const struct inventory *inv)
{
    return inv->file ? static_count(inv->file) : 0;
}

size_t inventory_count(const struct inventory *inv)
{
    return file_count(inv) + vmset_count(inv->shown);
}

const struct vr_uuid *inventory_id_at(const struct inventory *inv, size_t i)
{
    size_t n = file_count(inv);
    return i < n ? static_id_at(inv->file, i) : vmset_id_at(inv->shown, i - n);
}
