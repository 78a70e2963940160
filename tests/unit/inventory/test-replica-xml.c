/* SPDX-License-Identifier: Apache-2.0 */
#include "inventory/reach.h"
#include "inventory/replica_xml.h"
#include "tests/lib/check.h"
#include "util/num.h"

#define ID "8f3c2f0e-7a6b-4b57-9d0e-1f6a2b3c4d5e"
#define DIR "/srv/replicas/x"
#define DOMAIN(os, devices)                                                                        \
    "<domain type='qemu' id='3'><name>web 1</name><uuid>" ID "</uuid><os>"                         \
    "<type arch='x86_64' machine='pc'>hvm</type>" os "</os><devices>" devices                      \
    "</devices></domain>"
#define VDA                                                                                        \
    "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/p/a.raw'/>"    \
    "<target dev='vda' bus='virtio'/></disk>"
#define VDB                                                                                        \
    "<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/p/b.raw'/>"    \
    "<target dev='vdb' bus='virtio'/></disk>"

static struct vr_err err;
static struct vr_vm images;
static struct replica_mark mark;
static struct vr_definition_notes notes;
static bool machine_there = true;

/* What is there has "here" in its name. */
static bool here(void *ctx, const char *name)
{
    return strstr(name, "here") != NULL;
}

static bool machine(void *ctx, const struct replica_machine *m)
{
    assert_string_equal(m->arch, "x86_64");
    assert_string_equal(m->machine, "pc");
    assert_string_equal(m->type, "qemu");
    return machine_there;
}

static bool cpu(void *ctx, const struct replica_machine *m, const char *xml)
{
    return strstr(xml, "Haswell") == NULL;
}

/* Everything but what is outside. */
static bool allowed(void *ctx, const char *path)
{
    return path[0] == '/' && strncmp(path, "/out/", 5) != 0;
}

static const struct replica_host host = {here, here, here, allowed, machine, cpu, NULL};

static void image(uint32_t i, const char *name, const char *format)
{
    struct vr_disk *d = &images.disks[i];
    snprintf(d->name, sizeof d->name, "%s", name);
    snprintf(d->format, sizeof d->format, "%s", format);
    snprintf(d->path, sizeof d->path, DIR "/%s.%s", name, format);
}

static int make_with(const char *xml, enum vr_nvram nvram, char **ret)
{
    const struct vr_definition d = {xml, (uint32_t)strlen(xml), nvram, NULL, 0};
    struct replica_xml_params p = {
        .number = 1, .directory = DIR, .images = &images, .definition = &d, .host = &host};
    assert_true(vr_uuid_parse(ID, &p.vm));
    images.ndisks = 2;
    image(0, "vda", "qcow2");
    image(1, "vdb", "raw");
    return replica_xml(&p, ret, &mark, &notes, &err);
}

static char *make(const char *xml, enum vr_nvram nvram)
{
    char *text = NULL;
    CHECK_OK(make_with(xml, nvram, &text), &err);
    return text;
}

static void has(const char *text, const char *part)
{
    if (!strstr(text, part)) {
        print_message("no '%s' in:\n%s\n", part, text);
        fail();
    }
}

static void lacks(const char *text, const char *part)
{
    if (strstr(text, part)) {
        print_message("'%s' in:\n%s\n", part, text);
        fail();
    }
}

static void test_disks_are_the_replicas(void **state)
{
    char *text = make(
        DOMAIN("", "<disk type='block' device='disk' snapshot='external'><driver name='qemu' "
                   "type='raw' cache='none' io='native'><metadata_cache><max_size unit='bytes'>9"
                   "</max_size></metadata_cache></driver><auth username='u'/>"
                   "<source dev='/dev/vg/a' index='1'><reservations managed='yes'/></source>"
                   "<backingStore type='file'><format type='qcow2'/><source file='/p/base'/>"
                   "</backingStore><target dev='vda' bus='virtio'/><boot order='1'/>"
                   "<serial>abc</serial></disk>"
                   "<disk type='volume' device='disk'><source pool='p' volume='v'/>"
                   "<driver name='qemu' type='qcow2'><metadata_cache><max_size unit='bytes'>9"
                   "</max_size></metadata_cache></driver><target dev='vdb' bus='scsi'/></disk>"),
        VR_NVRAM_NONE);
    has(text, "<disk type=\"file\" device=\"disk\" snapshot=\"external\"><driver name=\"qemu\" "
              "type=\"qcow2\" cache=\"none\" io=\"native\"><metadata_cache>");
    has(text, "<source file=\"" DIR "/vda.qcow2\"/>");
    has(text, "<boot order=\"1\"/><serial>abc</serial>");
    has(text, "<driver name=\"qemu\" type=\"raw\"/><target dev=\"vdb\" bus=\"scsi\"/>"
              "<source file=\"" DIR "/vdb.raw\"/></disk>");
    lacks(text, "/p/");
    lacks(text, "/dev/vg");
    lacks(text, "backingStore");
    lacks(text, "auth");
    lacks(text, "pool");
    lacks(text, "id=\"3\"");
    has(text, "<name>web 1</name><uuid>" ID "</uuid>");
    assert_int_equal(notes.n, 0);
    free(text);
}

static void test_the_mark(void **state)
{
    struct replica_mark back;
    char element[2048];
    char *text = make(DOMAIN("", VDA VDB), VR_NVRAM_NONE);
    uint64_t sum = mark.text;
    const char *from = strstr(text, "<vmreplica:replica");
    has(text, "<metadata><vmreplica:replica xmlns:vmreplica=\"urn:vmreplica:replica:1\" "
              "relationship=\"1\" directory=\"" DIR "\" text=\"");
    snprintf(element, sizeof element, "%s", from ? from : "");
    *(strstr(element, "/>") + 2) = '\0';
    assert_true(replica_mark_read(element, &back));
    assert_int_equal(back.number, 1);
    assert_string_equal(back.directory, DIR);
    assert_true(back.text == sum);
    free(make(text, VR_NVRAM_NONE)); /* a mark that is there is replaced */
    free(text);
    free(make(DOMAIN("<bootmenu enable='yes'/>", VDA VDB), VR_NVRAM_NONE));
    assert_true(mark.text != sum);
    static const char *const bad[] = {
        "",
        "<replica/>",
        "<other relationship='0' directory='/x' text='1'/>",
        "<replica relationship='2' directory='/x' text='1'/>",
        "<replica relationship='0' directory='x' text='1'/>",
        "<replica relationship='0' directory='/x'/>",
    };
    for (size_t i = 0; i < VR_COUNT(bad); i++) {
        assert_false(replica_mark_read(bad[i], &back));
    }
}

static void test_what_a_host_lacks(void **state)
{
#define NIC(type, source) "<interface type='" type "'><source " source "/></interface>"
#define PCI                                                                                        \
    "<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0x0000' "         \
    "bus='0x01' slot='0x02' function='0x0'/></source></hostdev>"
    static const struct {
        const char *os, *devices;
        enum vr_definition_note why;
        const char *what; /* NULL: nothing is said */
        const char *has, *lacks;
    } rows[] = {
        {"", NIC("network", "network='here'"), VR_NOTE_NETWORK, NULL, "network=\"here\"", NULL},
        {"", NIC("network", "network='gone'"), VR_NOTE_NETWORK, "gone", "network=\"gone\"", NULL},
        {"", NIC("bridge", "bridge='br-here'"), VR_NOTE_BRIDGE, NULL, "br-here", NULL},
        {"", NIC("bridge", "bridge='br0'"), VR_NOTE_BRIDGE, "br0", "bridge=\"br0\"", NULL},
        {"", NIC("direct", "dev='eth9' mode='bridge'"), VR_NOTE_BRIDGE, "eth9", "eth9", NULL},
        {"", NIC("hostdev", "x='y'"), VR_NOTE_HOST_DEVICE, "network device", NULL, "<interface"},
        {"", PCI, VR_NOTE_HOST_DEVICE, "pci bus 0x01 slot 0x02", NULL, "<hostdev"},
        {"", "<hostdev mode='subsystem' type='mdev'/>", VR_NOTE_HOST_DEVICE, "mdev", NULL,
         "<hostdev"},
        {"", "<filesystem type='mount'><source dir='/gone'/></filesystem>", VR_NOTE_FILE, "/gone",
         "/gone", NULL},
        {"", "<filesystem type='mount'><source dir='/here'/></filesystem>", VR_NOTE_FILE, NULL,
         "/here", NULL},
        {"", "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>", VR_NOTE_TPM,
         "emulator", "<tpm", NULL},
        {"", "<tpm><backend type='passthrough'/></tpm>", VR_NOTE_HOST_DEVICE, "TPM", NULL, "<tpm"},
        {"", "<emulator>/usr/bin/qemu-system-gone</emulator>", VR_NOTE_EMULATOR,
         "/usr/bin/qemu-system-gone", NULL, "<emulator"},
        {"", "<emulator>/usr/bin/qemu-system-here</emulator>", VR_NOTE_EMULATOR, NULL, "<emulator",
         NULL},
        {"<kernel>/boot/gone</kernel>", "", VR_NOTE_FILE, "/boot/gone", "/boot/gone", NULL},
        {"<loader readonly='yes'>/fw/gone</loader>", "", VR_NOTE_FILE, "/fw/gone", "/fw/gone",
         NULL},
        {"", "<disk type='file' device='cdrom'><source file='/iso'/><target dev='hdc'/></disk>",
         VR_NOTE_MEDIUM, "hdc", "hdc", "/iso"},
        {"", "<disk type='block' device='cdrom'><target dev='hdc'/></disk>", VR_NOTE_MEDIUM, NULL,
         "<disk type=\"file\" device=\"cdrom\">", NULL},
        {"", "<disk type='file' device='disk'><source file='/s'/><target dev='vdc'/></disk>",
         VR_NOTE_DISK, "vdc", NULL, "vdc"},
        {"", "<disk type='block' device='lun'><source dev='/s'/><target dev='sda'/></disk>",
         VR_NOTE_DISK, "sda", NULL, "sda"},
    };
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        char xml[4096];
        snprintf(xml, sizeof xml, DOMAIN("%s", VDA VDB "%s"), rows[i].os, rows[i].devices);
        char *text = make(xml, VR_NVRAM_NONE);
        assert_int_equal(notes.n, rows[i].what ? 1 : 0);
        if (rows[i].what) {
            assert_int_equal(notes.note[0].why, rows[i].why);
            assert_string_equal(notes.note[0].what, rows[i].what);
            assert_non_null(vr_definition_note_id(notes.note[0].why));
            assert_non_null(vr_definition_note_text(notes.note[0].why));
        }
        if (rows[i].has) {
            has(text, rows[i].has);
        }
        if (rows[i].lacks) {
            lacks(text, rows[i].lacks);
        }
        free(text);
    }
}

/* Whoever rules the primary gets a virtual machine here, not this host. */
static void test_what_reaches_out(void **state)
{
#define CHAR(name, type, more) "<" name " type='" type "'>" more "</" name ">"
    static const struct {
        const char *os, *devices, *rest; /* rest: beside them */
        const char *what;                /* NULL: left as it is */
        const char *lacks;
    } rows[] = {
        {"", "",
         "<qemu:commandline xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>"
         "<qemu:arg value='-S'/></qemu:commandline>",
         "commandline", "qemu:arg"},
        {"", "", "<bootloader>/usr/bin/pygrub</bootloader>", "bootloader", "pygrub"},
        {"", "", "<what-comes-next/>", "what-comes-next", "what-comes-next"},
        {"", "", "<sysinfo type='fwcfg'><entry name='opt/x' file='/out/f'/></sysinfo>",
         "sysinfo /out/f", "fwcfg"},
        {"", "", "<sysinfo type='fwcfg'><entry name='opt/x' file='out/f'/></sysinfo>",
         "sysinfo out/f", "fwcfg"},
        {"", "", "<sysinfo type='smbios'><bios><entry name='vendor'>x</entry></bios></sysinfo>",
         NULL, NULL},
        {"", "", "<seclabel type='none'/>", "", "seclabel"},
        {"<loader readonly='yes'>/out/shadow</loader>", "", "", "loader /out/shadow", "loader"},
        {"<kernel> \n/out/shadow</kernel>", "", "", "kernel /out/shadow", "kernel"},
        {"<cmdline>/sbin/init</cmdline>", "", "", NULL, NULL},
        {"<acpi><table type='slic'>/out/t</table></acpi>", "", "", "acpi /out/t", "acpi"},
        {"<nvram template='/out/t'>/x</nvram>", "", "", "/out/t", "/out"},
        {"", "<emulator>/usr/bin/evil</emulator>", "", "emulator /usr/bin/evil", "evil"},
        {"", "<emulator>/usr/bin/qemu-system-x/../sh</emulator>", "",
         "emulator /usr/bin/qemu-system-x/../sh", "emulator"},
        {"", "<filesystem type='mount'><source dir='/out/d'/></filesystem>", "",
         "filesystem /out/d", "filesystem"},
        {"", "<filesystem type='mount'><binary path='/out/b'/><source dir='/here'/></filesystem>",
         "", "filesystem /out/b", "filesystem"},
        {"", CHAR("serial", "file", "<source path='/out/log'/>"), "", "serial /out/log", "serial"},
        {"", CHAR("serial", "file", "<source path='etc/log'/>"), "", "serial etc/log", "serial"},
        {"", CHAR("serial", "pty", "<log file='/out/log'/>"), "", "serial /out/log", "serial"},
        {"", CHAR("serial", "dev", "<source path='/here'/>"), "", "serial dev", "serial"},
        {"", CHAR("serial", "tcp", "<source mode='bind' host='0.0.0.0' service='1'/>"), "",
         "serial tcp", "serial"},
        {"", CHAR("console", "pty", "<target type='serial' port='0'/>"), "", NULL, NULL},
        {"", CHAR("channel", "unix", "<source mode='bind' path='/out/s'/>"), "", "channel /out/s",
         "channel"},
        {"", CHAR("channel", "unix", "<target type='virtio' name='org.qemu.guest_agent.0'/>"), "",
         NULL, NULL},
        {"", CHAR("input", "evdev", "<source dev='/out/e'/>"), "", "input evdev", "input"},
        {"", CHAR("graphics", "vnc", "<listen type='socket' socket='/out/s'/>"), "",
         "graphics /out/s", "graphics"},
        {"", CHAR("graphics", "sdl", ""), "", "graphics sdl", "graphics"},
        {"", CHAR("audio", "file", ""), "", "", "'file'"},
        {"", CHAR("interface", "ethernet", "<script path='/here'/>"), "", "interface ethernet",
         "interface"},
        {"", CHAR("interface", "bridge", "<source bridge='here'/><script path='/out/s'/>"), "",
         "script /out/s", "script"},
        {"", CHAR("interface", "vhostuser", "<source type='unix' path='/here' mode='client'/>"), "",
         "interface vhostuser", "interface"},
        {"", "<rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>", "", NULL,
         NULL},
        {"", "<rng model='virtio'><backend model='random'>/out/r</backend></rng>", "", "rng /out/r",
         "rng"},
        {"", "<memory model='nvdimm'><source><path>/here</path></source></memory>", "", "memory",
         "nvdimm"},
        {"", "<shmem name='x'/>", "", "shmem", "shmem"},
        {"", "<y:controller xmlns:y='urn:y'/>", "", "controller controller", "controller"},
    };
    for (size_t i = 0; i < VR_COUNT(rows); i++) {
        char xml[4096];
        snprintf(xml, sizeof xml,
                 "<domain type='qemu'><name>w</name><uuid>" ID "</uuid><os><type arch='x86_64' "
                 "machine='pc'>hvm</type>%s</os><devices>" VDA VDB "%s</devices>%s</domain>",
                 rows[i].os, rows[i].devices, rows[i].rest);
        char *text = make(xml, VR_NVRAM_NONE);
        bool noted = rows[i].what && rows[i].what[0];
        if (notes.n != noted) {
            print_message("row %zu: %u notes, %s\n", i, (unsigned)notes.n, notes.note[0].what);
        }
        assert_int_equal(notes.n, noted);
        if (noted) {
            assert_int_equal(notes.note[0].why, VR_NOTE_OUTSIDE);
            assert_string_equal(notes.note[0].what, rows[i].what);
        }
        if (rows[i].lacks) {
            lacks(text, rows[i].lacks);
        }
        free(text);
    }
}

static void test_which_paths_are_allowed(void **state)
{
    static const char dirs[] = "/usr/share:/boot";
    static const char *const good[] = {"/usr/share/OVMF/x.fd", "/boot/vmlinuz", "/boot/..x"};
    static const char *const bad[] = {
        "",       "/",           "/boot",          "/boot/",     "/bootx/v",          "boot/v",
        "/usr/v", "/etc/shadow", "/boot/../etc/s", "/boot/a/..", "/usr/share:/boot/x"};
    for (size_t i = 0; i < VR_COUNT(good); i++) {
        assert_true(reach_allows(dirs, good[i]));
    }
    for (size_t i = 0; i < VR_COUNT(bad); i++) {
        assert_false(reach_allows(dirs, bad[i]));
    }
    assert_false(reach_allows("/", "/etc/shadow"));
}

static void test_machine_and_cpu(void **state)
{
#define CPU(attributes, model)                                                                     \
    "<domain type='qemu'><name>w</name><uuid>" ID "</uuid><os><type arch='x86_64' "                \
    "machine='pc'>hvm</type></os><cpu " attributes ">" model "</cpu><devices>" VDA VDB             \
    "</devices></domain>"
    free(make(CPU("mode='custom'", "<model>qemu64</model>"), VR_NVRAM_NONE));
    assert_int_equal(notes.n, 0);
    free(make(CPU("mode='custom'", "<model>Haswell</model>"), VR_NVRAM_NONE));
    assert_int_equal(notes.n, 1);
    assert_int_equal(notes.note[0].why, VR_NOTE_CPU);
    assert_string_equal(notes.note[0].what, "Haswell");
    free(make(CPU("mode='host-passthrough'", ""), VR_NVRAM_NONE));
    assert_int_equal(notes.n, 0);
    machine_there = false;
    free(make(CPU("mode='custom'", "<model>Haswell</model>"), VR_NVRAM_NONE));
    machine_there = true;
    assert_int_equal(notes.n, 1);
    assert_int_equal(notes.note[0].why, VR_NOTE_MACHINE);
    assert_string_equal(notes.note[0].what, "x86_64 pc (qemu)");
}

static void test_nvram(void **state)
{
    static const char *const forms[] = {
        DOMAIN("<nvram template='/fw/gone'>/var/lib/x.fd</nvram>", VDA VDB),
        DOMAIN("<nvram type='file' template='/fw/gone'><source file='/var/lib/x.fd'/></nvram>",
               VDA VDB),
        DOMAIN("<nvram template='/fw/gone'/>", VDA VDB),
    };
    for (size_t i = 0; i < VR_COUNT(forms); i++) {
        char *text = make(forms[i], VR_NVRAM_CARRIED);
        has(text, "<nvram>" DIR "/nvram</nvram>");
        assert_int_equal(notes.n, 0);
        free(text);
    }
    char *text = make(forms[0], VR_NVRAM_NONE); /* libvirt would have made it */
    has(text, "<nvram>" DIR "/nvram</nvram>");
    assert_int_equal(notes.n, 1);
    assert_int_equal(notes.note[0].why, VR_NOTE_FILE);
    free(text);
    text = make(DOMAIN("<nvram template='/fw/here'>/x.fd</nvram>", VDA VDB), VR_NVRAM_TOO_LARGE);
    has(text, "<nvram template=\"/fw/here\">" DIR "/nvram</nvram>");
    assert_int_equal(notes.n, 1);
    assert_int_equal(notes.note[0].why, VR_NOTE_NVRAM);
    free(text);
}

static void test_a_disk_that_is_not_defined(void **state)
{
    free(make(DOMAIN("", VDA), VR_NVRAM_NONE));
    assert_int_equal(notes.n, 1);
    assert_int_equal(notes.note[0].why, VR_NOTE_DISK_UNKNOWN);
    assert_string_equal(notes.note[0].what, "vdb");
}

static void test_many_notes(void **state)
{
    char xml[32768] = "", *text;
    for (int i = 0; i < VR_NOTES_MAX + 1; i++) {
        size_t n = strlen(xml);
        snprintf(xml + n, sizeof xml - n,
                 "<interface type='network'><source network='n%d'/>"
                 "</interface>",
                 i);
    }
    char whole[40000];
    snprintf(whole, sizeof whole, DOMAIN("", VDA VDB "%s"), xml);
    text = make(whole, VR_NVRAM_NONE);
    assert_int_equal(notes.n, VR_NOTES_MAX);
    assert_true(notes.more);
    free(text);
}

static void test_what_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "<domain",
        "<network/>",
        "<!DOCTYPE domain [<!ENTITY a 'b'>]><domain/>",
        "<domain><name>w</name></domain>",
        "<domain><name>w</name><uuid>9f3c2f0e-7a6b-4b57-9d0e-1f6a2b3c4d5e</uuid></domain>",
        "<domain><uuid>" ID "</uuid></domain>",
    };
    for (size_t i = 0; i < VR_COUNT(bad); i++) {
        char *text;
        assert_int_equal(make_with(bad[i], VR_NVRAM_NONE, &text), -VR_E_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {T(test_disks_are_the_replicas),
                                       T(test_the_mark),
                                       T(test_what_a_host_lacks),
                                       T(test_what_reaches_out),
                                       T(test_which_paths_are_allowed),
                                       T(test_machine_and_cpu),
                                       T(test_nvram),
                                       T(test_a_disk_that_is_not_defined),
                                       T(test_many_notes),
                                       T(test_what_is_refused)};
    return RUN(tests);
}
