/* SPDX-License-Identifier: Apache-2.0 */
#include "inventory/static.h"
#include "tests/lib/check.h"
#include "util/fdio.h"

static char path[] = "/tmp/vr-inventory-XXXXXX";
static struct vr_err err;

static void put(const char *text)
{
    CHECK_OK(vr_write_file_durable(path, text, strlen(text), 0600, &err), &err);
}

#define U1 "uuid = 8f3c2f0e-7a6b-4b57-9d0e-1f6a2b3c4d5e\n"
#define U2 "uuid = {8F3C2F0E-7A6B-4B57-9D0E-1F6A2B3C4D5F}\n"

static void test_whole_file(void **state)
{
    struct static_vms *inv;
    struct vr_uuid id;
    put("# hosts\n[vm web-1]\n  " U1
        "  quiesced = yes\n  disk.vda = qcow2:/srv/web 1:a.qcow2 ; system\n"
        "disk.vdb = raw:/dev/vg0/b\ndisk.vdc = vhdx:/srv/c\nexclude = vdb, vdc\n\n[vm none]\n" U2);
    CHECK_OK(static_load(path, &inv, &err), &err);
    assert_true(vr_uuid_parse("8F3C2F0E-7A6B-4B57-9D0E-1F6A2B3C4D5E", &id));
    struct vr_vm vm;
    assert_true(static_find(inv, &id, &vm));
    assert_string_equal(vm.name, "web-1");
    assert_true(vm.quiesced);
    assert_int_equal(vm.ndisks, 3);
    assert_string_equal(vm.disks[0].name, "vda");
    assert_string_equal(vm.disks[0].path, "/srv/web 1:a.qcow2");
    assert_string_equal(vm.disks[0].format, "qcow2");
    assert_false(vm.disks[0].excluded);
    assert_true(vm.disks[1].excluded && vm.disks[2].excluded);
    assert_true(vr_uuid_eq(static_id_at(inv, 0), &id));
    assert_string_equal(static_name(inv, static_id_at(inv, 1)), "none");
    assert_null(static_id_at(inv, 2));
    id.b[0] ^= 1;
    assert_false(static_find(inv, &id, &vm));
    assert_null(static_name(inv, &id));
    static_free(inv);
}

static void test_every_refusal_names_its_line(void **state)
{
#define D17                                                                                        \
    "disk.a=raw:/1\ndisk.b=raw:/2\ndisk.c=raw:/3\ndisk.d=raw:/4\ndisk.e=raw:/5\ndisk.f=raw:/6\n"   \
    "disk.g=raw:/7\ndisk.h=raw:/8\ndisk.i=raw:/9\ndisk.j=raw:/10\ndisk.k=raw:/11\n"                \
    "disk.l=raw:/12\ndisk.m=raw:/13\ndisk.n=raw:/14\ndisk.o=raw:/15\ndisk.p=raw:/16\n"             \
    "disk.q=raw:/17\n"
#define X49 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"[host a]\n", ":1: unknown section"},
        {"[vm .a]\n", ":1: bad VM name"},
        {"[vm a/b]\n", ":1: bad VM name"},
        {"[vm a\n", ":1: section without"},
        {"[]\n", ":1: section name empty"},
        {"uuid = x\n", ":1: 'uuid' before the first"},
        {"[vm a]\n" U1 "colour = red\n", ":3: unknown key 'colour'"},
        {"[vm a]\nuuid = 1234\n", ":2: '1234' is not a UUID"},
        {"[vm a]\nuuid = 00000000-0000-0000-0000-000000000000\n", ":2: '0000"},
        {"[vm a]\n" U1 U1, ":3: 'uuid' is already in line 2"},
        {"[vm a]\ndisk.vda = raw:/a\n", ":1: VM 'a' has no uuid"},
        {"[vm a]\n" U1 "[vm b]\n" U1, ":4: uuid '8F3C2F0E-7A6B-4B57-9D0E-1F6A2B3C4D5E' is already"},
        {"[vm a]\n" U1 "[vm a]\n" U2, ":3: VM 'a' is already in line 1"},
        {"[vm a]\n" U1 "quiesced = 1\n", ":3: '1' is neither yes nor no"},
        {"[vm a]\n" U1 "disk.vda = raw:/a\ndisk.vda = raw:/b\n",
         ":4: disk 'vda' is already in line 3"},
        {"[vm a]\n" U1 "disk.v/a = raw:/a\n", ":3: bad disk name"},
        {"[vm a]\n" U1 "disk.vda = iso:/a\n", ":3: 'iso:/a' is not FORMAT:PATH"},
        {"[vm a]\n" U1 "disk.vda = /a\n", ":3: '/a' is not FORMAT:PATH"},
        {"[vm a]\n" U1 "disk.vda = raw:a\n", ":3: 'a' is not an absolute path"},
        {"[vm a]\n" U1 "disk.vda = raw:/a/../b\n", ":3: path '/a/../b' has an empty"},
        {"[vm a]\n" U1 "disk.vda = raw:/a//b\n", ":3: path '/a//b' has an empty"},
        {"[vm a]\n" U1 "disk.vda = raw:/a\tb\n", ":3: path with a control"},
        {"[vm a]\n" U1 D17, ":19: more than 16 disks"},
        {"[vm a]\n" U1 "disk.vda = raw:/a\n[vm b]\n" U2 "disk.vda = qcow2:/a\n",
         ":6: disk image '/a' is already in line 3"},
        {"[vm a]\n" U1 "disk.vda = raw:/a\nexclude = vda,vdb\n", ":4: VM 'a' has no disk 'vdb'"},
        {"[vm a]\n" U1 "junk\n", ":3: neither '[section]' nor"},
        {"[vm a]\n" U1 "disk." X49 " = raw:/a\n", ":3: key longer than 48"},
        {"[vm a]\n" U1 "disk.vda = raw:/" X49 X49 X49 X49 "\n", ":3: line longer than 198"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct static_vms *inv;
        put(cases[i].text);
        CHECK_FAILS(static_load(path, &inv, &err), &err, VR_E_INVALID, cases[i].part);
        assert_non_null(strstr(err.text, path));
    }
}

static void test_missing_and_binary_files(void **state)
{
    struct static_vms *inv;
    CHECK_FAILS(static_load("/nonexistent/x", &inv, &err), &err, VR_E_NOT_FOUND, "/nonexistent/x");
    CHECK_OK(vr_write_file_durable(path, "[vm a]\0b", 8, 0600, &err), &err);
    CHECK_FAILS(static_load(path, &inv, &err), &err, VR_E_INVALID, "NUL byte");
}

static void test_reload_keeps_the_old_on_error(void **state)
{
    struct static_vms *inv;
    put("[vm a]\n" U1);
    CHECK_OK(static_load(path, &inv, &err), &err);
    put("[vm b]\n");
    CHECK_FAILS(static_reload(inv, &err), &err, VR_E_INVALID, "no uuid");
    assert_string_equal(static_name(inv, static_id_at(inv, 0)), "a");
    put("[vm b]\n" U2);
    CHECK_OK(static_reload(inv, &err), &err);
    assert_string_equal(static_name(inv, static_id_at(inv, 0)), "b");
    assert_null(static_id_at(inv, 1));
    static_free(inv);
}

static void test_too_many_vms(void **state)
{
    struct static_vms *inv;
    size_t cap = 40 * (STATIC_VMS_MAX + 1), n = 0;
    char *text = malloc(cap);
    for (int i = 0; i <= STATIC_VMS_MAX; i++) {
        n += (size_t)snprintf(text + n, cap - n, "[vm v%d]\n", i);
    }
    put(text);
    free(text);
    CHECK_FAILS(static_load(path, &inv, &err), &err, VR_E_LIMIT, ":10001: more than 10000");
}

int main(void)
{
    vr_assert(mkstemp(path) >= 0);
    const struct CMUnitTest tests[] = {T(test_whole_file), T(test_every_refusal_names_its_line),
                                       T(test_missing_and_binary_files),
                                       T(test_reload_keeps_the_old_on_error), T(test_too_many_vms)};
    int r = RUN(tests);
    (void)unlink(path);
    return r;
}
