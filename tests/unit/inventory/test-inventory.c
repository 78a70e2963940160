/* SPDX-License-Identifier: Apache-2.0 */
#include "inventory/inventory.h"

#include <unistd.h>

#include "inventory/vmset.h"
#include "tests/lib/check.h"
#include "util/fdio.h"

static struct vr_err err;

static struct vr_vm make(uint8_t n, const char *name, uint32_t ndisks)
{
    struct vr_vm vm = {.ndisks = ndisks, .from_libvirt = true};
    vm.id.b[0] = n;
    snprintf(vm.name, sizeof vm.name, "%s", name);
    for (uint32_t i = 0; i < ndisks; i++) {
        snprintf(vm.disks[i].name, sizeof vm.disks[i].name, "vd%u", i);
    }
    return vm;
}

static void test_a_set_keeps_what_it_is_told(void **state)
{
    static const uint8_t order[] = {7, 3, 9, 1, 5};
    struct vmset *set;
    struct vr_vm vm, got;
    bool changed;
    CHECK_OK(vmset_new(&set, &err), &err);
    for (size_t i = 0; i < sizeof order; i++) {
        vm = make(order[i], "a", order[i]);
        CHECK_OK(vmset_put(set, &vm, &changed, &err), &err);
        assert_true(changed);
        CHECK_OK(vmset_put(set, &vm, &changed, &err), &err);
        assert_false(changed);
    }
    assert_int_equal(vmset_count(set), sizeof order);
    for (size_t i = 0; i < sizeof order; i++) {
        assert_int_equal(vmset_id_at(set, i)->b[0], 2 * i + 1);
        memset(&got, 0xee, sizeof got);
        assert_true(vmset_find(set, vmset_id_at(set, i), &got));
        vm = make((uint8_t)(2 * i + 1), "a", (uint32_t)(2 * i + 1));
        assert_memory_equal(&vm, &got, sizeof vm);
    }
    assert_null(vmset_id_at(set, sizeof order));
    vm = make(5, "b", 16);
    CHECK_OK(vmset_put(set, &vm, &changed, &err), &err);
    assert_true(changed);
    assert_string_equal(vmset_name(set, &vm.id), "b");
    assert_true(vmset_remove(set, &vm.id));
    assert_false(vmset_remove(set, &vm.id));
    assert_false(vmset_find(set, &vm.id, &got));
    assert_null(vmset_name(set, &vm.id));
    assert_int_equal(vmset_count(set), sizeof order - 1);
    vmset_free(set);
}

static void test_a_set_has_a_limit(void **state)
{
    struct vmset *set;
    struct vr_vm vm = make(0, "a", 0);
    CHECK_OK(vmset_new(&set, &err), &err);
    for (int i = 0; i < VMSET_MAX; i++) {
        memcpy(vm.id.b, &i, sizeof i);
        CHECK_OK(vmset_put(set, &vm, NULL, &err), &err);
    }
    CHECK_OK(vmset_put(set, &vm, NULL, &err), &err); /* one that is there still may change */
    vm.id.b[15] = 1;
    CHECK_FAILS(vmset_put(set, &vm, NULL, &err), &err, VR_E_LIMIT, "more than 10000");
    vmset_free(set);
}

static void test_the_file_hides_vms_of_libvirt(void **state)
{
    char path[] = "/tmp/vr-inventory-XXXXXX";
    static const char text[] = "[vm mine]\nuuid = 03000000-0000-0000-0000-000000000000\n";
    struct inventory *inv;
    struct vr_vm got, same = make(3, "told", 1), other = make(4, "other", 2);
    close(mkstemp(path));
    CHECK_OK(vr_write_file_durable(path, text, strlen(text), 0600, &err), &err);
    CHECK_OK(inventory_load(path, &inv, &err), &err);
    CHECK_OK(inventory_put(inv, &same, &err), &err);
    CHECK_OK(inventory_put(inv, &other, &err), &err);
    assert_int_equal(inventory_count(inv), 2);
    assert_string_equal(inventory_name(inv, inventory_id_at(inv, 0)), "mine");
    assert_string_equal(inventory_name(inv, inventory_id_at(inv, 1)), "other");
    assert_true(inventory_find(inv, &same.id, &got) && !got.from_libvirt);
    CHECK_OK(vr_write_file_durable(path, "", 0, 0600, &err), &err);
    CHECK_OK(inventory_reload(inv, &err), &err);
    assert_int_equal(inventory_count(inv), 2);
    assert_true(inventory_find(inv, &same.id, &got) && got.from_libvirt);
    inventory_remove(inv, &same.id);
    assert_false(inventory_find(inv, &same.id, &got));
    assert_null(inventory_id_at(inv, 1));
    inventory_free(inv);
    unlink(path);
}

static void test_without_a_file(void **state)
{
    struct inventory *inv;
    struct vr_vm got, vm = make(3, "told", 1);
    CHECK_OK(inventory_load(NULL, &inv, &err), &err);
    assert_int_equal(inventory_count(inv), 0);
    CHECK_OK(inventory_put(inv, &vm, &err), &err);
    CHECK_OK(inventory_reload(inv, &err), &err);
    assert_true(inventory_find(inv, &vm.id, &got));
    inventory_free(inv);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_a_set_keeps_what_it_is_told), T(test_a_set_has_a_limit),
        T(test_the_file_hides_vms_of_libvirt), T(test_without_a_file)};
    return RUN(tests);
}
