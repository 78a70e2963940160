/* SPDX-License-Identifier: Apache-2.0 */
#include "inventory/domain.h"
#include "tests/lib/check.h"

static struct vr_err err;

static bool volume(void *ctx, const char *pool, const char *name, char *ret, size_t cap)
{
    snprintf(ret, cap, "/pools/%s/%s", pool, name);
    return strcmp(pool, "gone") != 0;
}

static const struct domain_rules strict = {.volume = volume}, lax = {.foreign = true};

#define ID "8f3c2f0e-7a6b-4b57-9d0e-1f6a2b3c4d5e"
#define HEAD "<domain type='qemu'><name>web 1</name><uuid>" ID "</uuid>"
#define VM(devices) HEAD "<devices>" devices "</devices></domain>"
#define DISK(attributes, driver, source, target, more)                                             \
    "<disk " attributes "><driver name='qemu' " driver "/>" source "<target dev='" target          \
    "' bus='virtio'/>" more "</disk>"
#define QCOW2(path, target, more)                                                                  \
    DISK("type='file' device='disk'", "type='qcow2'", "<source file='" path "'/>", target, more)

static void parse(const char *xml, const struct domain_rules *rules, struct vr_vm *vm)
{
    CHECK_OK(domain_parse(xml, rules, vm, &err), &err);
    assert_true(vm->from_libvirt);
}

static void test_a_domain(void **state)
{
    struct vr_vm vm;
    struct vr_uuid id;
    parse(VM("<disk type='file' device='cdrom'><driver type='raw'/><target dev='hdc'/></disk>"
             "<disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none'/>"
             "<source file='/vm/a b.qcow2' index='1'/><backingStore type='file' index='2'>"
             "<format type='qcow2'/><source file='/vm/base.qcow2'/></backingStore>"
             "<target dev='vda' bus='virtio'/><boot order='1'/></disk>" DISK(
                 "type='block' device='disk'", "type='raw'", "<source dev='/dev/vg/b'/>", "vdb", "")
                 DISK("type='volume' device='disk'", "type='raw'", "<source pool='p' volume='v'/>",
                      "sdc", "")),
          &strict, &vm);
    assert_true(vr_uuid_parse(ID, &id) && vr_uuid_eq(&id, &vm.id));
    assert_string_equal(vm.name, "web 1");
    assert_string_equal(vm.refused, "");
    assert_int_equal(vm.ndisks, 4);
    assert_string_equal(vm.disks[0].name, "vda");
    assert_string_equal(vm.disks[0].path, "/vm/a b.qcow2");
    assert_string_equal(vm.disks[0].format, "qcow2");
    assert_string_equal(vm.disks[1].path, "/dev/vg/b");
    assert_string_equal(vm.disks[1].format, "raw");
    assert_string_equal(vm.disks[2].path, "/pools/p/v");
    for (int i = 0; i < 4; i++) {
        assert_int_equal(vm.disks[i].excluded, i == 3);
    }
    assert_string_equal(vm.disks[3].name, "hdc"); /* behind those that take part */
    assert_int_equal(vm.disks[3].left_out, VR_LEFT_OUT_CDROM);
}

static void test_every_reason_to_leave_a_disk_out(void **state)
{
#define OUT(why, disk)                                                                             \
    {                                                                                              \
        VR_LEFT_OUT_##why, VM(QCOW2("/a", "vda", "") disk)                                         \
    }
    static const struct {
        enum vr_left_out why;
        const char *xml;
    } cases[] = {
        OUT(CDROM, DISK("type='file' device='cdrom'", "type='raw'", "<source file='/i'/>", "b",
                        "<readonly/>")),
        OUT(FLOPPY, DISK("type='file' device='floppy'", "type='raw'", "", "fda", "")),
        OUT(READONLY, QCOW2("/b", "vdb", "<readonly/>")),
        OUT(SHAREABLE, QCOW2("/b", "vdb", "<shareable/>")),
        OUT(TRANSIENT, QCOW2("/b", "vdb", "<transient/>")),
        OUT(PASSTHROUGH,
            DISK("type='block' device='lun'", "type='raw'", "<source dev='/dev/sg'/>", "sda", "")),
        OUT(NETWORK, DISK("type='network' device='disk'", "type='raw'",
                          "<source protocol='rbd' name='p/i'/>", "vdb", "")),
        OUT(TYPE,
            DISK("type='nvme' device='disk'", "type='raw'", "<source type='pci'/>", "vdb", "")),
        OUT(TYPE,
            DISK("type='file' device='tape'", "type='raw'", "<source file='/b'/>", "vdb", "")),
        OUT(EMPTY, DISK("type='file' device='disk'", "type='raw'", "", "vdb", "")),
        OUT(FORMAT, DISK("type='file' device='disk'", "", "<source file='/b'/>", "vdb", "")),
        OUT(FORMAT, DISK("type='file'", "type='luks'", "<source file='/b'/>", "vdb", "")),
        OUT(ENCRYPTED, QCOW2("/b", "vdb", "<encryption format='luks'/>")),
        OUT(ENCRYPTED, DISK("type='file'", "type='qcow2'",
                            "<source file='/b'><encryption format='luks'/></source>", "vdb", "")),
        OUT(SLICE, DISK("type='file'", "type='qcow2'",
                        "<source file='/b'><slices><slice type='storage' offset='1' size='2'/>"
                        "</slices></source>",
                        "vdb", "")),
        OUT(PATH, QCOW2("relative", "vdb", "")),
        OUT(PATH, QCOW2("/with&#10;newline", "vdb", "")),
        OUT(VOLUME,
            DISK("type='volume'", "type='raw'", "<source pool='gone' volume='v'/>", "vdb", "")),
        OUT(NAME, QCOW2("/b", "v/db", "")),
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct vr_vm vm;
        parse(cases[i].xml, &strict, &vm);
        assert_int_equal(vm.ndisks, 2);
        assert_false(vm.disks[0].excluded);
        assert_true(vm.disks[1].excluded);
        if (vm.disks[1].left_out != cases[i].why) {
            fail_msg("case %zu: %s", i, vr_left_out_text(vm.disks[1].left_out));
        }
        assert_true(*vr_left_out_text(vm.disks[1].left_out));
        assert_string_equal(vm.refused, "");
    }
}

static void test_refused_vms(void **state)
{
#define D(n) QCOW2("/d" n, "vd" n, "")
#define D16                                                                                        \
    D("a")                                                                                         \
    D("b")                                                                                         \
    D("c")                                                                                         \
    D("d") D("e") D("f") D("g") D("h") D("i") D("j") D("k") D("l") D("m") D("n") D("o") D("p")
#define OVIRT                                                                                      \
    HEAD "<metadata xmlns:ovirt-tune='http://ovirt.org/vm/tune/1.0' "                              \
         "xmlns:ovirt-vm='http://ovirt.org/vm/1.0'><ovirt-vm:vm/></metadata>"                      \
         "<devices>" D("a") "</devices></domain>"
    struct vr_vm vm;
    parse(OVIRT, &strict, &vm);
    assert_non_null(strstr(vm.refused, "oVirt manages it"));
    parse(OVIRT, &lax, &vm);
    assert_string_equal(vm.refused, "");
    parse(HEAD "<metadata><n:instance xmlns:n='http://openstack.org/xmlns/libvirt/nova/1.1'/>"
               "</metadata><devices>" D("a") "</devices></domain>",
          &strict, &vm);
    assert_non_null(strstr(vm.refused, "OpenStack"));
    parse(HEAD "<metadata><r:replica xmlns:r='" DOMAIN_REPLICA_NS
               "'/></metadata><devices>" D("a") "</devices></domain>",
          &lax, &vm);
    assert_non_null(strstr(vm.refused, "a replica"));
    parse(VM(""), &strict, &vm);
    assert_non_null(strstr(vm.refused, "no disk"));
    parse(VM(D16), &strict, &vm);
    assert_int_equal(vm.ndisks, VR_DISKS_MAX);
    assert_string_equal(vm.refused, "");
    parse(VM(D16 D("q")), &strict, &vm);
    assert_int_equal(vm.ndisks, VR_DISKS_MAX);
    assert_non_null(strstr(vm.refused, "more than 16"));
    parse(VM(D("a") D("a")), &strict, &vm);
    assert_non_null(strstr(vm.refused, "same target"));
}

static void test_names(void **state)
{
    struct vr_vm vm;
    char xml[512], name[201];
    memset(name, 'n', 200);
    name[200] = '\0';
    snprintf(xml, sizeof xml, "<domain><name>%s</name><uuid>" ID "</uuid></domain>", name);
    parse(xml, &strict, &vm);
    assert_int_equal(strlen(vm.name), VR_NAME_MAX - 1);
    assert_non_null(strstr(vm.refused, "name"));
    parse("<domain><name>a&#10;b</name><uuid>" ID "</uuid></domain>", &strict, &vm);
    assert_string_equal(vm.name, "a?b");
}

static void test_what_is_no_domain(void **state)
{
    static const char *const bad[] = {
        "",
        "<domain",
        "<network/>",
        "<domain/>",
        "<domain><name>a</name></domain>",
        "<domain><uuid>" ID "</uuid></domain>",
        "<domain><name/><uuid>" ID "</uuid></domain>",
        "<domain><name>a</name><uuid>1234</uuid></domain>",
        "<domain><name>a</name><uuid>00000000-0000-0000-0000-000000000000</uuid></domain>",
        "<!DOCTYPE d [<!ENTITY x SYSTEM '/etc/passwd'>]><domain><name>&x;</name><uuid>" ID
        "</uuid></domain>",
        "<!DOCTYPE domain []><domain><name>a</name><uuid>" ID "</uuid></domain>",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct vr_vm vm = {.ndisks = 77};
        CHECK_FAILS(domain_parse(bad[i], &strict, &vm, &err), &err, VR_E_INVALID, "domain");
        assert_int_equal(vm.ndisks, 77);
    }
}

static void test_too_large(void **state)
{
    struct vr_vm vm;
    char *xml = malloc(DOMAIN_XML_MAX + 2);
    memset(xml, ' ', DOMAIN_XML_MAX + 1);
    xml[DOMAIN_XML_MAX + 1] = '\0';
    CHECK_FAILS(domain_parse(xml, &strict, &vm, &err), &err, VR_E_LIMIT, "larger");
    free(xml);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_a_domain),          T(test_every_reason_to_leave_a_disk_out),
        T(test_refused_vms),       T(test_names),
        T(test_what_is_no_domain), T(test_too_large)};
    return RUN(tests);
}
